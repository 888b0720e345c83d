"""Which coefficients carry what survives: the same for all images of a size, and the body's in an order of its own."""

import functools

import numpy as np

from stego_lib.hiding.jpeg_blocks import SIDE, quantization_tables
from stego_lib.hiding.keyed_order import EVERYBODY, keyed_order

LEVELS = 255  # of how many coefficients carry: a level is a quarter of a coefficient a block of 8x8 pixels
WEIGHTS = (10000, 43448, 33004)  # what a change of a coefficient of each plane adds to the squares of RGB
# Positions of the header: neither the finest steps nor the coarsest.
HEADER_POSITIONS = np.array([3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40])


@functools.cache
def carrier_order(quality):
    """Sorts the kinds of coefficients by what they cost.

    Args:
        quality: Of the design.

    Returns:
        Tuple of 192 pairs: the plane, and the position within its blocks.
    """
    costs = quantization_tables(quality).reshape(3, 64) ** 2 * np.array(WEIGHTS)[:, None]
    return tuple((int(kind) // 64, int(kind) % 64) for kind in np.argsort(costs, axis=None, kind="stable"))


def capacity_bits(shape, header, *, level):
    """Counts the coefficients that carry the body: error correction takes some of them.

    Args:
        shape: Of the cover.
        header: Length of the header in bytes.
        level: How many coefficients carry, 0 to `LEVELS`, in quarters of a coefficient a block.

    Returns:
        Number of bits; 0 where not even the header fits.
    """
    return level * num_blocks(shape)[0] // 4 if header_size(shape, header) else 0


def header_size(shape, header):
    """Counts the coefficients that carry the header: 2 for a bit of it where there is little room, up to 8.

    Args:
        shape: Of the cover.
        header: Length of the header in bytes.

    Returns:
        Number of coefficients; 0 where there are too few.
    """
    blocks = num_blocks(shape)[0]
    size = min(max(2 * blocks, 16 * header), 64 * header)
    return size if size <= len(HEADER_POSITIONS) * blocks else 0


@functools.lru_cache(2)
def header_places(shape, header):
    """Places the header.

    Args:
        shape: Of the cover.
        header: Length of the header in bytes.

    Returns:
        int64 array: where it is in the list of all coefficients.
    """
    places = np.arange(num_blocks(shape)[0])[:, None] * 64 + HEADER_POSITIONS
    return places.reshape(-1)[keyed_order(places.size, EVERYBODY, count=header_size(shape, header))]


@functools.lru_cache(1)  # looking whether something survives asks for the same again and again
def body_places(shape, header, *, quality, level, seed):
    """Places the body.

    Args:
        shape: Of the cover.
        header: Length of the header in bytes.
        quality: Of the design.
        level: How many coefficients carry, 1 to `LEVELS`.
        seed: 32 bytes.

    Returns:
        places: int64 array: where it is in the list of all coefficients.
        kinds: uint8 array: of which of the pairs of `carrier_order` each is.
    """
    offsets = 64 * np.cumsum([0, *num_blocks(shape)])
    taken = np.zeros(offsets[-1], bool)
    taken[header_places(shape, header)] = True
    missing, places, kinds = capacity_bits(shape, header, level=level), [], []
    for kind, (plane, position) in enumerate(carrier_order(quality)):
        free = np.arange(offsets[plane] + position, offsets[plane + 1], 64)
        free = free[~taken[free]]
        used = free if len(free) <= missing else free[np.arange(missing) * len(free) // missing]
        places.append(used)
        kinds.append(np.full(len(used), kind, "uint8"))
        missing -= len(used)
        if not missing:
            break
    places, kinds = np.concatenate(places), np.concatenate(kinds)
    order = keyed_order(len(places), seed)
    return places[order], kinds[order]


def grids(shape):
    """Counts rows and columns of blocks.

    Args:
        shape: Of an image.

    Returns:
        Three pairs, of luminance and of both chrominances.
    """
    rows, columns = shape[0] // SIDE, shape[1] // SIDE
    return (2 * rows, 2 * columns), (rows, columns), (rows, columns)


def num_blocks(shape):
    """Counts blocks.

    Args:
        shape: Of an image.

    Returns:
        List of three numbers, of luminance and of both chrominances.
    """
    return [rows * columns for rows, columns in grids(shape)]
