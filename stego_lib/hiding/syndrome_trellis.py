"""Syndrome-trellis codes: a message in few and cheap changes of a cover.

Every sample of the cover has a cost. Whoever extracts multiplies the samples by a parity-check matrix, and needs
neither cover nor costs. Whoever embeds finds the cheapest changes that make the message the product, its syndrome;
their total cost is 10 to 20 % above the least of all codes.

A key puts the samples into an order. They are cut into chunks of equal size, and so is the message. The chunks are
embedded in rounds, and what a change costs may depend on those of the rounds before. In a chunk, the samples are
dealt out evenly to the rows of the matrix, one row for every bit of the message. Sample `j` of row `i` adds
column `j` of `COLUMNS` to rows `i` to `i + 11`, or to `i + 9` where the constraint height is lower:

    row 0   1 1 1 1 1 1
    row 1   1 0 0 1 0 1 1 1 1
    row 2   0 0 1 1 0 1 1 0 0 1 1 1
    ...     0 1 1 0 0 1 0 0 1 1 0 0 1 1 1

No samples come before those of the first row to help it, and so it gets the samples of five rows more.

Changes by +-1 have two layers, and each carries half of the bits of every chunk, the first layer the odd one. To every
other sample 1 is added before its bits are looked at.

- First layer, the second lowest bit of a sample: an even sample has to go down to change it, an odd one up.
- Second layer, the lowest bit: where the first layer has changed a sample, it is settled. All others can go the other
  way. A sample that stays in the first layer is worth something to the second, its free energy in the words of
  statistical physics, and this is added to the price of its change in the first.

Reference:
    [Filler, Judas and Fridrich, 2011](https://doi.org/10.1109/TIFS.2011.2134094)
"""

import functools
import threading

import numpy as np

from stego_lib.hiding.keyed_order import keyed_order
from stego_lib.hiding.temperature import temperature_of_rate
from stego_lib.hiding.viterbi import LANES, WET, NoSolutionError, cheapest_changes, compute_syndrome
from stego_lib.progress import of_part
from stego_lib.threads import map_chunks

# The format
HEIGHT = 12  # rows that a sample reaches, the constraint height
LOW_HEIGHT = 10  # another one, with which changes cost 4 % more, in a quarter of the time
CHUNK = 2**15  # samples at most
SMALL_CHUNK = 2**12  # samples, where that leaves bits enough, since their changes cost only 1 % more
ROUNDS = 8
OF_ROUND = 16  # chunks of a round, at least, if there are bits enough: so many are searched at once, now and in future
ENOUGH = 640  # bits of a chunk; with 1024, changes in small covers cost 1 % less, in half as much time again
TIGHT = 0.375  # of what a sample holds; where there is more, a small chunk might have too few samples that may change
LARGEST_WIDTH = 256  # samples for a bit of the message; if there are more, the others are not used
LEAD = 5  # rows whose samples the first row gets besides its own
# The first columns are the best of many that were tried: two, then a third to these, and so on. Later ones matter less.
FIRST_COLUMNS = [2227, 4025, 3117, 3431, 3825, 2575, 3259, 3733, 2345, 2751, 2419, 2625]


def _columns(height, *, first=()):
    number = 2 ** (height - 2)
    return np.array([*first, *(183 * np.arange(number) + 242) % number * 2 + 2 * number + 1])


COLUMNS = {HEIGHT: _columns(HEIGHT, first=FIRST_COLUMNS), LOW_HEIGHT: _columns(LOW_HEIGHT)}

# The search
RESOLUTION = 16  # prices are costs in sixteenths of the temperature; finer ones gain nothing
DEAREST = 256 * RESOLUTION  # price of what costs more than this, but may change
FREE_ENERGY = np.rint(RESOLUTION * np.log1p(np.exp(-np.arange(WET + 1) / RESOLUTION))).astype("int16")
ESTIMATED = 2**16  # samples whose costs tell the temperature
MOST_AT_ONCE = 8  # groups of chunks, in 40 MB each
FULL = MOST_AT_ONCE * LANES  # chunks that fit into one round, where rounds only save memory


def embed(bits, costs, message, *, seed, progress=None):
    """Embeds a message by changing bits.

    Args:
        bits: uint8 array of any shape; the lowest bit of every number counts.
        costs: Array of floats of the same shape, 0 or more: what it costs to change a bit; infinite where it must not.
        message: bytes.
        seed: 32 bytes, the key of the order.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        uint8 array of the same shape.

    Raises:
        NoSolutionError: If the message does not fit into the bits that may change.

    Example:

    >>> bits = np.zeros(1000, "uint8")
    >>> stego = embed(bits, np.ones(1000), b"hidden", seed=bytes(32))
    >>> extract(stego, 6, seed=bytes(32)) == b"hidden"
    True
    """
    return _embed(bits, [costs], message, seed=seed, progress=progress, embed_chunks=_embed_in_one_layer)


def extract(bits, length, *, seed):
    """Extracts a message from bits.

    Args:
        bits: uint8 array of any shape; the lowest bit of every number counts.
        length: Of the message in bytes.
        seed: 32 bytes, the key of the order.

    Returns:
        bytes.

    Raises:
        NoSolutionError: If so few bits can not hold a message of this length.
    """
    return _extract(bits, length, seed=seed, extract_chunk=_syndrome, layers=1)


def embed_ternary(
    samples,
    costs_down,
    costs_up,
    message,
    *,
    seed,
    height=HEIGHT,
    within=None,
    weights=None,
    progress=None,
):
    """Embeds a message by changing samples by +-1.

    The least and the greatest value of their type, 0 and 255 for uint8, never become less or greater.

    Args:
        samples: Array of integers of any shape.
        costs_down: Array of floats of the same shape, 0 or more: what it costs to subtract 1; infinite where that must
            not be.
        costs_up: The same for adding 1.
        message: bytes.
        seed: 32 bytes, the key of the order.
        height: Constraint height, 12 or 10. Defaults to 12.
        within: Indices of the samples that are used, of the flattened array; all others stay. Whoever extracts takes
            these samples alone, in the same order. Defaults to `None`, all samples.
        weights: Called before every round with the indices of its samples, and all samples, flattened, as they are by
            then; returns what their costs down and up are multiplied by, two arrays. Defaults to `None`.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        Array of the same shape and type.

    Raises:
        NoSolutionError: If the message does not fit into the samples that may change.

    Example:

    >>> samples = np.full(1000, 128, "uint8")
    >>> stego = embed_ternary(samples, np.ones(1000), np.ones(1000), b"hidden", seed=bytes(32))
    >>> extract_ternary(stego, 6, seed=bytes(32)) == b"hidden"
    True
    """
    costs = [costs_down, costs_up]
    return _embed(
        samples,
        costs,
        message,
        seed=seed,
        within=within,
        weights=weights,
        progress=progress,
        embed_chunks=functools.partial(_embed_in_two_layers, height=height),
    )


def extract_ternary(samples, length, *, seed, height=HEIGHT):
    """Extracts a message from samples.

    Args:
        samples: Array of integers of any shape.
        length: Of the message in bytes.
        seed: 32 bytes, the key of the order.
        height: Constraint height, 12 or 10. Defaults to 12.

    Returns:
        bytes.

    Raises:
        NoSolutionError: If so few samples can not hold a message of this length.
    """
    extract_chunk = functools.partial(_extract_from_two_layers, height=height)
    return _extract(samples, length, seed=seed, extract_chunk=extract_chunk, layers=2)


def _embed(samples, costs, message, *, seed, progress, embed_chunks, within=None, weights=None):
    if not message:
        return samples.copy()
    costs = [np.asarray(cost).reshape(-1) for cost in costs]
    if not all(cost.size == samples.size and cost.min(initial=0) >= 0 for cost in costs):
        raise ValueError("There must be a cost of 0 or more for every sample.")
    stego, size = samples.flatten(), samples.size if within is None else len(within)
    places, rows = _chunks(size, len(message), seed=seed, layers=len(costs))
    bits = np.zeros(len(places) * rows, "uint8")
    bits[: 8 * len(message)] = np.unpackbits(np.frombuffer(message, "uint8"))
    bits = bits.reshape(-1, rows)
    done = 0
    rounds = min(ROUNDS, len(places) if weights else -(-len(places) // FULL))  # one would take memory for all chunks
    for places_of_round, bits_of_round in zip(
        *(np.array_split(array, rounds) for array in (places, bits)), strict=True
    ):
        chunks = places_of_round if within is None else within[places_of_round]
        costs_of_round = [cost[chunks] for cost in costs]
        if weights:
            costs_of_round = [
                cost * weight for cost, weight in zip(costs_of_round, weights(chunks, stego), strict=True)
            ]
        before, done = done / len(places), done + len(chunks)
        try:
            stego[chunks] = _embed_round(
                stego[chunks],
                costs_of_round,
                bits_of_round,
                embed_chunks=embed_chunks,
                progress=of_part(progress, before, done / len(places)),
            )
        except NoSolutionError:
            changeable = np.isfinite(costs[0]) | np.isfinite(costs[-1])
            changeable = np.count_nonzero(changeable if within is None else changeable[within])
            raise NoSolutionError(_too_long(len(message), size, changeable=changeable)) from None
    return stego.reshape(samples.shape)


def _embed_round(chunks, costs, bits, *, embed_chunks, progress):
    estimated = [cost.reshape(-1)[:ESTIMATED] for cost in costs]
    temperature = temperature_of_rate(estimated, bits.shape[1] / chunks.shape[1])
    limit, stego = threading.Semaphore(MOST_AT_ONCE), np.empty_like(chunks)

    def embed_group(group):
        with limit:
            prices = [_prices(cost[group], temperature) for cost in costs]
            stego[group] = embed_chunks(chunks[group], prices, bits[group])

    map_chunks(embed_group, len(chunks), chunk=LANES, progress=progress)
    return stego


def _too_long(length, samples, *, changeable):
    if not changeable:
        return f"No message fits: none of the {samples} samples may change."
    return f"A message of {length} bytes does not fit: {changeable} of {samples} samples may change."


def _extract(samples, length, *, seed, extract_chunk, layers):
    if not length:
        return b""
    flat = samples.reshape(-1)
    places, rows = _chunks(samples.size, length, seed=seed, layers=layers)
    bits = map_chunks(lambda chunk: extract_chunk(flat[places[chunk.start]], rows), len(places), chunk=1)
    return np.packbits(np.concatenate(bits))[:length].tobytes()


def _chunks(samples, length, *, seed, layers):
    """Cuts samples and message: places, uint32 array `(chunks, samples of a chunk)`, and rows, bits of a chunk."""
    used = min(samples, LARGEST_WIDTH * 8 * length)
    fewest = max(1, -(-used // CHUNK))
    chunks = max(fewest, min(max(ROUNDS * OF_ROUND, -(-used // SMALL_CHUNK)), 8 * length // ENOUGH))
    if 8 * length > TIGHT * layers * used:
        chunks = fewest
    size, rows = used // chunks, -(-8 * length // chunks)
    if rows > layers * size:
        raise NoSolutionError(f"A message of {length} bytes does not fit into {samples} samples.")
    return keyed_order(samples, seed, count=chunks * size).reshape(chunks, size), rows


def _embed_in_one_layer(chunks, prices, bits):
    return chunks ^ _cheapest_changes(prices[0], chunks, bits, height=HEIGHT)


def _embed_in_two_layers(chunks, prices, bits, *, height):
    limits = np.iinfo(chunks.dtype)
    down = np.where(chunks == limits.min, WET, prices[0])
    up = np.where(chunks == limits.max, WET, prices[1])
    codes = _codes(chunks)
    odd = codes % 2 == 1
    flip, keep = np.where(odd, [up, down], [down, up])  # prices of the changes that flip and keep the second bit
    second_bits, lowest_bits = np.split(bits, [_rows_of_second_bit(bits.shape[1])], axis=1)
    flip_or_stay = np.where(flip == WET, WET, np.minimum(flip + FREE_ENERGY[keep], DEAREST))
    flips = _cheapest_changes(flip_or_stay, codes >> 1, second_bits, height=height)
    keeps = _cheapest_changes(np.where(flips, WET, keep), codes ^ flips, lowest_bits, height=height)
    changes = flips | keeps
    return np.where(flips == odd, chunks + changes, chunks - changes)


def _extract_from_two_layers(chunk, rows, *, height):
    codes, second = _codes(chunk), _rows_of_second_bit(rows)
    layers = (codes >> 1, second), (codes, rows - second)
    return np.concatenate([_syndrome(layer, number, height=height) for layer, number in layers])


def _codes(chunks):
    """Adds 0 and 1 in turn, so that samples which can only go up, or only down, are of use in both layers."""
    return chunks + (np.arange(chunks.shape[-1]) % 2).astype(chunks.dtype)


def _rows_of_second_bit(rows):
    return (rows + 1) // 2


def _cheapest_changes(prices, chunks, bits, *, height):
    """Finds the cheapest changes of chunks of bits that make the message their syndrome."""
    number, size = chunks.shape
    rows = bits.shape[1]
    lanes, syndrome = np.zeros((size, LANES), "int16"), np.zeros((rows, LANES), "int16")
    lanes[:, :number] = prices.T
    syndrome[:, :number] = np.transpose([_syndrome(chunk, rows, height=height) for chunk in chunks] ^ bits)
    return cheapest_changes(lanes, syndrome, _row_ends(size, rows), COLUMNS[height], height=height).T[:number]


def _syndrome(chunk, rows, *, height=HEIGHT):
    return compute_syndrome((chunk & 1).astype("uint8"), _row_ends(len(chunk), rows), COLUMNS[height])


def _row_ends(samples, rows):
    lead = min(LEAD, samples - rows)
    return np.arange(lead + 1, lead + rows + 1) * samples // (lead + rows)


def _prices(costs, temperature):
    dearest = DEAREST * temperature / RESOLUTION
    prices = np.rint(np.minimum(costs, dearest) * (RESOLUTION / temperature)).astype("int16")
    return np.where(np.isinf(costs), np.int16(WET), prices)
