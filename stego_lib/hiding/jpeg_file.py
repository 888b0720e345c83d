"""JPEG files taken apart to coefficients, and put together again with nothing but these changed.

What is not coefficients stays as it is: quantization tables, sampling factors, the order of scans, restart markers. A
Huffman table that is the best one for the symbols of the file is made anew, and is the best one again; any other table
only if it lacks a symbol.
"""

import math
import re
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stego_lib.formats import UnsupportedFileError
from stego_lib.hiding import jpeg_huffman as huffman
from stego_lib.hiding.jpeg_scans import READ_AHEAD, TABLES, ZIGZAG, Scan, decode_scan
from stego_lib.hiding.jpeg_tokens import count_symbols, encode_tokens, make_tokens
from stego_lib.images import MAX_PIXELS, TOO_LARGE

JPEG_SIGNATURE = b"\xff\xd8\xff"
START, END, START_OF_SCAN, QUANTIZATION, HUFFMAN, RESTART_INTERVAL = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD  # markers
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2  # frames that can be read; the others are what follows
LOSSLESS, HIERARCHICAL, ARITHMETIC = (0xC3, 0xF7), (0xC5, 0xC6, 0xC7, 0xDE), (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
MARKER = re.compile(rb"\xff+([^\x00\xff])")
END_OF_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
DAMAGED = "it is damaged, or cut off"
WHAT_TO_DO = "save it as a usual JPEG file, or choose an output that ends in .png"


class Component(NamedTuple):
    """A component of the picture: luminance, or one of two of chrominance.

    `start`: number of its first block. `rows`, `columns`: blocks that hold the picture. `height`, `width`: blocks with
    those that only fill up the units of a scan. `vertical`, `horizontal`: sampling factors. `quantization`: int64 array
    of shape `(64,)`, the steps row by row.
    """

    start: int
    rows: int
    columns: int
    height: int
    width: int
    vertical: int
    horizontal: int
    quantization: np.ndarray


class CodedScan(NamedTuple):
    """A scan: its segment, what that says, and where in `JPEGFile.tables` its Huffman tables are, by their numbers."""

    segment: bytes
    scan: Scan
    tables: dict


class JPEGFile(NamedTuple):
    """A JPEG file that was taken apart.

    `segments`: the parts of the file in order: segments, bytes with marker and length; lists of Huffman tables, their
    numbers and where in `tables` they are; and `CodedScan`. `tables`: all Huffman tables that are defined. `blocks`:
    int16 array of shape `(blocks, 64)`, the quantized coefficients of all components, each block row by row.
    `components`: list of `Component`. `trailing`: how many bytes follow the picture.
    """

    segments: list
    tables: list
    blocks: np.ndarray
    components: list
    trailing: int


def is_jpeg(path):
    """Tells whether a file is a JPEG file, by how it begins.

    Args:
        path: Path.

    Returns:
        Boolean.
    """
    with Path(path).open("rb") as file:
        return file.read(len(JPEG_SIGNATURE)) == JPEG_SIGNATURE


def read_if_jpeg(path):
    """Reads a file that may be a JPEG file.

    Args:
        path: Path.

    Returns:
        bytes; `None` if it is none.
    """
    return Path(path).read_bytes() if is_jpeg(path) else None


def read_jpeg(content):
    """Takes a JPEG file apart.

    Args:
        content: bytes of the file.

    Returns:
        `JPEGFile`.

    Raises:
        UnsupportedFileError: If the file is damaged, or of a kind whose coefficients can not be read; the text is a
            reason, not a sentence.
    """
    try:
        return _read(content)
    except UnsupportedFileError:
        raise
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise UnsupportedFileError(DAMAGED) from error


def _read(content):
    segments, tables, in_force, steps = [], [], {}, {}
    frame, blocks, interval, position = None, None, 0, 0
    while True:
        match = MARKER.match(content, position)
        if not match:
            raise ValueError("There is no marker.")
        marker, position = match[1][0], match.end()
        if marker in (START, END):
            segments.append(bytes([0xFF, marker]))
        if marker == START:
            continue
        if marker == END:
            break
        (length,) = struct.unpack_from(">H", content, position)
        segment, body = content[position - 2 : position + length], content[position + 2 : position + length]
        position += length
        if len(body) < length - 2:
            raise ValueError("The file ends within a segment.")
        if marker == HUFFMAN:
            defined = huffman.read_tables(body)
            segment = [(number, len(tables) + i) for i, (number, _) in enumerate(defined)]
            tables += [table for _, table in defined]
            in_force |= dict(segment)
        elif marker == QUANTIZATION:
            steps |= _read_steps(body)
        elif marker == RESTART_INTERVAL:
            (interval,) = struct.unpack(">H", body)
        elif marker == START_OF_SCAN:
            if frame is None:
                raise ValueError("There is no frame.")
            if blocks is None:
                blocks = np.zeros((_num_blocks(frame), 64), "int16")
                starts = [component.start for component in _components(frame, {})]
                missing = np.ones((len(starts), 64), bool)  # whose lowest bits no scan has coded yet
            scan = _read_scan_header(body, frame, interval)
            used = {int(number): in_force[number] for number in _used_tables(scan)}
            segment = CodedScan(segment, scan, used)
            stop = END_OF_SCAN.search(content, position)
            if not stop:
                raise ValueError("A scan does not end.")
            data, position = content[position : stop.start()], stop.start()
            _decode(scan, data, {number: tables[i] for number, i in used.items()}, blocks)
            coded = np.isin(starts, scan.order[: len(scan.pattern)])
            missing[np.ix_(coded, ZIGZAG[scan.first : scan.last + 1])] = scan.low > 0
        else:
            frame = _read_frame(marker, body) or frame
        segments.append(segment)
    if blocks is None or not all(component[-1] in steps for component in frame.components):
        raise ValueError("There is no scan, or a quantization table is missing.")
    if missing.any():
        raise UnsupportedFileError(f"some of its scans are missing: {WHAT_TO_DO}")
    return JPEGFile(segments, tables, blocks, _components(frame, steps), len(content) - position)


class _Frame(NamedTuple):
    marker: int
    height: int
    width: int
    components: list  # identifier, vertical and horizontal sampling factor, number of the quantization table


def _read_frame(marker, body):
    """Reads the header of a frame; `None` for a segment that is something else."""
    reasons = {LOSSLESS: "is a lossless JPEG file", HIERARCHICAL: "is a hierarchical JPEG file"}
    reasons[ARITHMETIC] = "is an arithmetic-coded JPEG file"
    for markers, reason in reasons.items():
        if marker in markers:
            raise UnsupportedFileError(f"it {reason}: {WHAT_TO_DO}")
    if marker not in (BASELINE, EXTENDED, PROGRESSIVE):
        return None
    precision, height, width, number = struct.unpack_from(">BHHB", body)
    components = [(body[i], body[i + 1] & 15, body[i + 1] >> 4, body[i + 2]) for i in range(6, 6 + 3 * number, 3)]
    if precision != 8:
        raise UnsupportedFileError(f"it is a JPEG file of {precision} bits a sample: {WHAT_TO_DO}")
    if number not in (1, 3):
        raise UnsupportedFileError(f"it is a JPEG file of {number} colours, such as CMYK: {WHAT_TO_DO}")
    if height * width > MAX_PIXELS:
        raise UnsupportedFileError(f"it has {TOO_LARGE}")
    if not (height and width and all(1 <= factor <= 4 for component in components for factor in component[1:3])):
        raise ValueError("The header of the frame makes no sense.")
    return _Frame(marker, height, width, components)


def _read_steps(body):
    steps, position = {}, 0
    while position < len(body):
        kind = ">u2" if body[position] >> 4 else "u1"
        values = np.frombuffer(body, kind, 64, position + 1)
        steps[body[position] & 15] = np.empty(64, "int64")
        steps[body[position] & 15][ZIGZAG] = values
        position += 1 + values.nbytes
    return steps


def _components(frame, steps):
    most_rows, most_columns = (max(component[i] for component in frame.components) for i in (1, 2))
    components, start = [], 0
    for _, vertical, horizontal, table in frame.components:
        rows = math.ceil(math.ceil(frame.height * vertical / most_rows) / 8)
        columns = math.ceil(math.ceil(frame.width * horizontal / most_columns) / 8)
        height = math.ceil(frame.height / (8 * most_rows)) * vertical
        width = math.ceil(frame.width / (8 * most_columns)) * horizontal
        shape = (rows, columns, height, width, vertical, horizontal)
        components.append(Component(start, *shape, steps.get(table)))
        start += height * width
    return components


def _num_blocks(frame):
    return sum(component.height * component.width for component in _components(frame, {}))


def _read_scan_header(body, frame, interval):
    pairs = [(body[i], body[i + 1]) for i in range(1, 1 + 2 * body[0], 2)]
    identifiers = [component[0] for component in frame.components]
    numbers = [identifiers.index(identifier) for identifier, _ in pairs]
    dc, ac = np.array([(byte >> 4, 4 + (byte & 15)) for _, byte in pairs], "int64").T.copy()
    band = (0, 63, 0, 0)
    if frame.marker == PROGRESSIVE:
        first, last, bits = body[1 + 2 * len(pairs) :]
        band = (first, last, bits >> 4, bits & 15)
        if first > last or last > 63 or (last and (not first or len(pairs) > 1)) or bits & 15 > 13:
            raise ValueError("The header of a scan makes no sense.")
    order, pattern = _order([_components(frame, {})[number] for number in numbers])
    part = interval * len(pattern) or len(order)
    return Scan(order, pattern, dc, ac, *band, part, int(frame.marker == PROGRESSIVE))


def _order(components):
    """The blocks that a scan of components visits, and the component of each block of a unit."""
    if len(components) == 1:
        start, rows, columns, _, width, *_ = components[0]
        return (start + width * np.arange(rows)[:, None] + np.arange(columns)).reshape(-1), np.zeros(1, "int64")
    units = []
    for start, _, _, height, width, vertical, horizontal, _ in components:
        numbers = start + np.arange(height * width).reshape(-1, vertical, width // horizontal, horizontal)
        units.append(numbers.transpose(0, 2, 1, 3).reshape(-1, vertical * horizontal))
    pattern = np.repeat(np.arange(len(units)), [unit.shape[1] for unit in units])
    return np.concatenate(units, axis=1).reshape(-1), pattern


def _used_tables(scan):
    """Numbers of the Huffman tables that a scan needs."""
    dc = scan.dc if scan.first == 0 and scan.high == 0 else []
    return {*dc, *(scan.ac if scan.last else [])}


def _decode(scan, data, tables, blocks):
    parts = RESTART.split(data) if scan.part < len(scan.order) else [data]
    parts = [part.replace(b"\xff\x00", b"\xff") for part in parts]
    stops = np.cumsum([len(part) for part in parts])
    lookup = np.zeros((TABLES, 2**16), "uint16")
    for number, table in tables.items():
        lookup[number] = huffman.lookup(table)
    joined = np.frombuffer(b"".join([*parts, bytes(READ_AHEAD)]), "uint8")
    if not decode_scan(scan, joined, np.append(0, stops[:-1]), stops, lookup, blocks):
        raise ValueError("The bits of a scan make no sense, or come to an end.")


def write_jpeg(jpeg, blocks):
    """Puts a JPEG file together again, with other coefficients.

    Args:
        jpeg: `JPEGFile`.
        blocks: int16 array of the shape of `jpeg.blocks`.

    Returns:
        bytes of the file, without what follows the picture.
    """
    scans = [segment for segment in jpeg.segments if isinstance(segment, CodedScan)]
    before = _count(jpeg.tables, scans, [make_tokens(coded.scan, jpeg.blocks) for coded in scans])
    tokens = [make_tokens(coded.scan, blocks) for coded in scans]
    tables = list(map(_renewed, jpeg.tables, before, _count(jpeg.tables, scans, tokens)))
    tokens, content = iter(tokens), []
    for segment in jpeg.segments:
        if isinstance(segment, CodedScan):
            content += [segment.segment, _encode(next(tokens), {n: tables[i] for n, i in segment.tables.items()})]
        elif isinstance(segment, list):
            content.append(huffman.write_tables([(number, tables[i]) for number, i in segment]))
        else:
            content.append(segment)
    return b"".join(content)


def _count(tables, scans, tokens):
    """How often each symbol of each table occurs."""
    counts = np.zeros((len(tables), 256), "int64")
    for coded, tokens_of_scan in zip(scans, tokens, strict=True):
        symbols = count_symbols(tokens_of_scan)
        for number, i in coded.tables.items():
            counts[i] += symbols[number]
    return counts


def _renewed(table, before, after):
    """The table for new symbols."""
    missing = set(np.flatnonzero(after)) - set(table.symbols)
    return huffman.best_table(after) if missing or table == huffman.best_table(before) else table


def _encode(tokens, tables):
    codes, lengths = (np.zeros((TABLES, 256), "int64") for _ in range(2))
    for number, table in tables.items():
        codes[number], lengths[number] = huffman.codes(table)
    return encode_tokens(tokens, codes, lengths).tobytes()
