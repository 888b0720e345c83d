"""The embedding that survives JPEG: the parity of DCT coefficients, counted in steps of a JPEG table.

A program that saves as JPEG moves every coefficient to a multiple of its own step. Where that is no longer than the step
of the design, it moves a coefficient by no more than half of that, and its parity remains:

    parity    even      odd       even
               |         |         |
            ---+====o====+====o====+---      o: as far as the coarsest JPEG moves what lies on a mark

Coefficients are used in the order of what they cost, the same for all images: fine steps first, and chrominance, of
which a block covers four times the pixels, later. How many, the header tells.
"""

import functools

import numpy as np

from stego_lib.compilation import compiled
from stego_lib.hiding import error_correction
from stego_lib.hiding.filling import EVERYBODY
from stego_lib.hiding.jpeg_blocks import SIDE, change, coefficients, quantization_tables, unclipped
from stego_lib.hiding.keyed_order import keyed_order
from stego_lib.hiding.soft_values import soft_values
from stego_lib.threads import map_chunks

LEVELS = 255  # of how many coefficients carry: a level is a quarter of a coefficient a block of 8x8 pixels
ROUNDS = 4  # of embedding, against rounding and clipping
STRIP = 16 * SIDE  # rows of pixels at once
NEAR = 2
MARGIN = 1
SLACK = 0.1  # steps; a coefficient so near to its mark is left alone
WEIGHTS = (10000, 43448, 33004)  # what a change of a coefficient of each plane does to the squares of RGB
# Luminance coefficients in which the header is: neither the finest steps nor the coarsest.
HEADER_POSITIONS = (3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40)
QUALITIES = range(30, 96)  # designs


def capacity_bits(shape, level, header):
    """Counts the coefficients that carry the body.

    Args:
        shape: Of the cover.
        level: How many coefficients carry, 0 to `LEVELS`, in quarters of a coefficient a block.
        header: Length of the header in bytes.

    Returns:
        Number of bits; 0 where not even the header fits.
    """
    blocks = _num_blocks(shape)[0]
    return max(0, level * blocks // 4) if _header_size(shape, header) else 0


def expected_errors(cover, quality, header):
    """Computes what every level does to a cover.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        quality: Of the design, one of `QUALITIES`.
        header: Length of the header in bytes.

    Returns:
        float64 array of shape `(LEVELS + 1,)`: about the mean squared change of a sample.
    """
    blocks = coefficients(cover)
    steps = quantization_tables(quality)
    costs, carriers = [0.0], [0]
    for plane, position in carrier_order(quality):
        values = blocks[plane].reshape(-1, 64)[:, position]
        step = steps[plane].reshape(-1)[position]
        near = np.abs(values / step - np.rint(values / step))
        error = (np.maximum(near - SLACK, 0) ** 2 + (1 - near - SLACK) ** 2).sum() / 2
        costs.append(error * step**2 * WEIGHTS[plane] / WEIGHTS[0])
        carriers.append(len(values))
    levels = np.arange(LEVELS + 1) * len(blocks[0].reshape(-1, 64)) / 4
    in_header = _header_size(cover.shape, header)
    squares = np.interp(levels + (levels > 0) * in_header, np.cumsum(carriers), np.cumsum(costs))
    return squares / (cover.shape[0] * cover.shape[1]) + 1 / 12


@functools.cache
def carrier_order(quality):
    """Sorts the kinds of coefficients by what they cost.

    Args:
        quality: Of the design.

    Returns:
        Tuple of 192 pairs: the plane, and the position within its blocks.
    """
    costs = quantization_tables(quality).reshape(3, 64) ** 2 * np.array(WEIGHTS)[:, None]
    return tuple((int(i) // 64, int(i) % 64) for i in np.argsort(costs, axis=None, kind="stable"))


def embed(cover, header, body, *, quality, level, seed):
    """Embeds a header, at places that need no key, and a body at places that the seed decides.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        header: bytes.
        body: bytes, fewer than `capacity_bits` allows by as many bits as error correction needs.
        quality: Of the design, one of `QUALITIES`: the lowest JPEG quality that is survived.
        level: How many coefficients carry, 1 to `LEVELS`.
        seed: 32 bytes.

    Returns:
        uint8 array of the same shape.

    Reference:
        [Chen and Wornell, 2001](https://doi.org/10.1109/18.923725) (quantization index modulation)
    """
    shapes = [(*grid, 64) for grid in _grids(cover.shape)]
    marks = np.full(sum(map(np.prod, shapes)), -1, "int8")
    for places, data in (
        (_header_places(cover.shape, len(header)), header),
        (_body_places(cover.shape, len(header), quality, level, seed)[0], body),
    ):
        marks[places] = error_correction.encode(np.unpackbits(np.frombuffer(data, "uint8")), len(places))
    parts = np.split(marks, np.cumsum([np.prod(shape) for shape in shapes])[:-1])
    marks = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    steps = quantization_tables(quality).astype("float32").reshape(3, 64)
    stego = cover.copy()

    def embed_strip(rows):
        if rows.stop > rows.start and (height := (rows.stop - rows.start) // SIDE * SIDE):
            strip = slice(rows.start, rows.start + height)
            _embed(stego[strip], [mark[rows.start // s : strip.stop // s] for mark, s in zip(marks, (8, 16, 16))], steps)

    map_chunks(embed_strip, cover.shape[0], STRIP)
    return stego


def _embed(pixels, marks, steps):
    """Moves the coefficients of a strip to their marks, several times: clipping moves them away again."""
    changed = pixels.astype("float32")
    for _ in range(ROUNDS):
        blocks = coefficients(changed)
        for block, mark, step in zip(blocks, marks, steps, strict=True):
            _move(block.reshape(-1, 64), mark.reshape(-1, 64), step, SLACK)
        change(changed, blocks)
        np.clip(changed, MARGIN, 255 - MARGIN, out=changed)
    pixels[:] = np.rint(changed)


@compiled
def _move(blocks, marks, steps, slack):
    """Replaces coefficients by how they have to be changed for the parities that are wanted; -1 wants none."""
    for block in range(len(blocks)):
        for position in range(64):
            wanted = marks[block, position]
            value = blocks[block, position] / steps[position]
            if wanted < 0:
                blocks[block, position] = 0
                continue
            distance = 2 * np.rint((value - wanted) / 2) + wanted - value
            left = max(abs(distance) - slack, 0) * steps[position]
            blocks[block, position] = left if distance > 0 else -left


def find_headers(stego, length):
    """Looks for headers of all designs.

    Args:
        stego: `Received`.
        length: Of the header in bytes.

    Yields:
        Pairs: the quality of the design, and the header, bytes.
    """
    size = _header_size(stego.shape, length)
    places = _header_places(stego.shape, length)
    values, positions = stego.values[places], (places % 64).astype("uint8")
    tried = set()
    for quality in QUALITIES if size else ():
        steps = quantization_tables(quality)[0].reshape(-1)
        if (key := tuple(steps[list(HEADER_POSITIONS)])) in tried:
            continue  # TODO
        soft = soft_values(values / steps[positions].astype("float32"), positions, stego.groups[places // 64], outliers=outliers)
        bits = error_correction.decode(soft, 8 * length)
        if bits is not None:
            yield quality, np.packbits(bits).tobytes()


def extract_body(stego, header, length, *, quality, level, seed):
    """Extracts a body, and corrects it.

    Args:
        stego: `Received`.
        header: Length of the header in bytes.
        length: Of the body in bytes.
        quality: Of the design.
        level: How many coefficients carry.
        seed: 32 bytes.

    Returns:
        body: bytes; `None` if too much is wrong.
        wrong: Which part of the bits was wrong, 0 to 1.
    """
    soft = body_soft_values(stego, header, quality=quality, level=level, seed=seed)
    bits = error_correction.decode(soft, 8 * length)
    if bits is None:
        return None, 1.0
    wrong = (soft < 0) != error_correction.encode(bits, len(soft))
    return np.packbits(bits).tobytes(), float(wrong.mean())


OUTLIERS = np.array([0.003, 0.01, 0.03, 0.05])
def body_soft_values(stego, header, *, quality, level, seed, outliers=OUTLIERS):
    """Computes how sure the bits of a body are, before they are corrected.

    Args:
        stego: `Received`.
        header: Length of the header in bytes.
        quality: Of the design.
        level: How many coefficients carry.
        seed: 32 bytes.

    Returns:
        float32 array: natural logarithms of how many times likelier a 0 is than a 1.
    """
    places, classes = _body_places(stego.shape, header, quality, level, seed)
    steps = quantization_tables(quality).astype("float32").reshape(-1)
    kinds = np.array([plane * 64 + position for plane, position in carrier_order(quality)])
    return soft_values(stego.values[places] / steps[kinds][classes], classes, stego.groups[places // 64], outliers=outliers)


class Received:
    """An image that something may be hidden in.

    Args:
        image: uint8 array of shape `(height, width, 3)`.

    Attributes:
        shape: Of the image.
        values: float32 array: coefficients of all blocks, plane after plane.
    """

    def __init__(self, image):
        self.shape = image.shape
        self.values = np.concatenate([blocks.reshape(-1) for blocks in unclipped(image)])
        self.groups = np.concatenate([_clipping(image, grid) for grid in _grids(image.shape)])


@functools.lru_cache(2)
def _header_places(shape, header):
    blocks = _num_blocks(shape)[0]
    places = np.arange(blocks, dtype="int64")[:, None] * 64 + np.array(HEADER_POSITIONS)
    return places.reshape(-1)[keyed_order(places.size, EVERYBODY, count=_header_size(shape, header))]


def _body_places(shape, header, quality, level, seed):
    """Places of the body in the list of all coefficients, and their classes."""
    numbers = _num_blocks(shape)
    offsets = np.cumsum([0, *numbers]) * 64
    missing = capacity_bits(shape, level, header)
    taken = np.zeros(offsets[-1], bool)
    taken[_header_places(shape, header)] = True
    places, classes = [], []
    for kind, (plane, position) in enumerate(carrier_order(quality)):
        free = np.arange(offsets[plane] + position, offsets[plane + 1], 64)
        free = free[~taken[free]]
        used = free if len(free) <= missing else free[np.arange(missing) * len(free) // missing]
        places.append(used)
        classes.append(np.full(len(used), kind, "uint8"))
        missing -= len(used)
        if not missing:
            break
    places, classes = np.concatenate(places), np.concatenate(classes)
    order = keyed_order(len(places), seed)
    return places[order], classes[order]


def _grids(shape):
    rows, columns = shape[0] // SIDE, shape[1] // SIDE
    return (2 * rows, 2 * columns), (rows, columns), (rows, columns)


def _num_blocks(shape):
    return [rows * columns for rows, columns in _grids(shape)]


def _header_size(shape, header):
    """How many coefficients carry the header: at a rate of 1/8 where there is room, of 1/2 where there is little."""
    blocks = _num_blocks(shape)[0]
    size = min(max(2 * blocks, 16 * header), 64 * header)
    return size if size <= len(HEADER_POSITIONS) * blocks else 0


def _clipping(image, grid):
    """Sorts blocks by how many of their pixels may have been clipped: none, an eighth, half, more."""
    rows, columns = grid
    side = image.shape[0] // SIDE * SIDE // rows
    near = ((image <= NEAR) | (image >= 255 - NEAR)).any(axis=2)[: rows * side, : columns * side]
    parts = near.reshape(rows, side, columns, side).mean(axis=(1, 3)).reshape(-1)
    return np.digitize(parts, (1e-6, 1 / 8, 1 / 2)).astype("uint8")
