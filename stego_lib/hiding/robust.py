"""The embedding that survives JPEG: the parity of DCT coefficients, counted in steps of a JPEG table.

A program that saves as JPEG moves every coefficient to a multiple of its own step. Where that is no longer than the
step of the design, it moves a coefficient by no more than half of that, and its parity remains:

    parity    even      odd       even
               |         |         |
            ---+====o====+====o====+---      o: as far as the coarsest JPEG moves what lies on a mark

Coefficients carry in the order of what they cost, the same for all images: fine steps first, and chrominance, a block
of which covers four times the pixels, later. The header is in some coefficients of luminance that need no key. What is
wrong after all is corrected: noise, rounding and clipping move coefficients, too.

Reference:
    [Chen and Wornell, 2001](https://doi.org/10.1109/18.923725) (quantization index modulation)
"""

import functools

import cv2
import numpy as np

from stego_lib.compilation import compiled
from stego_lib.hiding import error_correction
from stego_lib.hiding.carriers import (
    HEADER_POSITIONS,
    LEVELS,
    WEIGHTS,
    body_places,
    carrier_order,
    grids,
    header_places,
    header_size,
    num_blocks,
)
from stego_lib.hiding.jpeg_blocks import SIDE, STRIP, change, coefficients, quantization_tables, unclipped
from stego_lib.hiding.soft_values import expected_information, soft_values
from stego_lib.threads import map_chunks

QUALITIES = range(30, 96)  # of designs
USUAL = (75, 50, 85)  # that are looked for first
ROUNDS = 4  # of embedding, against rounding and clipping
UNDITHERED = 100  # level; where fewer carry, most values change by less than a half, and rounding would undo that
INSIDE = 1  # values that the last round keeps away from 0 and 255, so that less is clipped later
NEAR = 2  # values from 0 and 255: a pixel so near to them may have been clipped
GROUPS = (1e-6, 1 / 8, 1 / 2)  # of blocks, by the part of such pixels
OUTLIERS = np.array([0.0012, 0.0055, 0.01, 0.009])  # of every group with a step of 8, where JPEG was made once,
DISTRUST = (1, 8, 20)  # and how many times as many there may be where it was made twice
UNBALANCED = 0.15  # by which the part of odd parities in a header, which is encrypted, may differ from a half


class Received:
    """An image in which something may be hidden.

    Args:
        image: uint8 array of shape `(height, width, 3)`.

    Attributes:
        shape: Of the image.
        values: float32 array: coefficients of all blocks, plane after plane.
        groups: uint8 array: of every block, how much of it may have been clipped.
    """

    def __init__(self, image):
        self.shape = image.shape
        self.values = np.concatenate([blocks.reshape(-1) for blocks in unclipped(image)])
        self.groups = _clipping(image)


def expected_errors(cover, header, *, quality):
    """Computes what every level does to a cover.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        header: Length of the header in bytes.
        quality: Of the design, one of `QUALITIES`.

    Returns:
        float64 array of shape `(LEVELS + 1,)`: about the mean squared change of a sample.
    """
    blocks, steps = coefficients(cover), quantization_tables(quality).reshape(3, 64)
    squares, carriers = [0.0], [0]
    for plane, position in carrier_order(quality):
        step = steps[plane, position]
        values = blocks[plane].reshape(-1, 64)[:, position] / step
        near = np.abs(values - np.rint(values))
        slack = _slack(step)
        moved = (np.maximum(near - slack, 0) ** 2 + (1 - near - slack) ** 2).sum() / 2
        squares.append(moved * step**2 * WEIGHTS[plane] / WEIGHTS[0])
        carriers.append(len(values))
    used = np.arange(LEVELS + 1) * num_blocks(cover.shape)[0] / 4 + header_size(cover.shape, header)
    return np.interp(used, np.cumsum(carriers), np.cumsum(squares)) / (cover.size / 3) + 1 / 12


def embed(cover, header, body, *, quality, level, seed):
    """Embeds a header, at places that need no key, and a body at places that the seed decides.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        header: bytes.
        body: bytes, fewer bits than `capacity_bits`: the more there are, the less can be corrected.
        quality: Of the design, one of `QUALITIES`: the lowest JPEG quality that is survived.
        level: How many coefficients carry, 1 to `LEVELS`.
        seed: 32 bytes.

    Returns:
        uint8 array of the same shape.
    """
    marks = np.full(64 * sum(num_blocks(cover.shape)), -1, "int8")
    in_header = header_places(cover.shape, len(header))
    in_body = body_places(cover.shape, len(header), quality=quality, level=level, seed=seed)[0]
    for places, data in (in_header, header), (in_body, body):
        marks[places] = error_correction.encode(np.unpackbits(np.frombuffer(data, "uint8")), len(places))
    planes = np.split(marks, 64 * np.cumsum(num_blocks(cover.shape))[:-1])
    planes = [plane.reshape(*grid, 64) for plane, grid in zip(planes, grids(cover.shape), strict=True)]
    steps = quantization_tables(quality).astype("float32").reshape(3, 64)
    stego = cover.copy()

    strength = max(0, 1 - level / UNDITHERED)

    def embed_strip(rows):
        dither = strength * (np.random.default_rng([rows.start, *seed]).random(stego[rows].shape, "float32") - 0.5)
        blocks = [plane[rows.start * len(plane) // height : rows.stop * len(plane) // height] for plane in planes]
        _embed(stego[rows], blocks, steps, dither=dither)

    height = cover.shape[0] // SIDE * SIDE
    map_chunks(embed_strip, height, chunk=STRIP)
    return stego


def _embed(pixels, planes, steps, *, dither):
    """Moves the coefficients of a strip to their marks, several times: clipping moves them away again."""
    changed = pixels.astype("float32")
    for _ in range(ROUNDS):
        blocks = coefficients(changed)
        for values, marks, step in zip(blocks, planes, steps, strict=True):
            _move(values.reshape(-1, 64), marks.reshape(-1, 64), step, _slack(step))
        change(changed, blocks)
        np.clip(changed, INSIDE, 255 - INSIDE, out=changed)
    # Columns beyond the last whole block have only been clipped, and are put back.
    changed[:, pixels.shape[1] // SIDE * SIDE :] = pixels[:, pixels.shape[1] // SIDE * SIDE :]
    pixels[:] = np.rint(changed + dither)


@compiled
def _move(blocks, marks, steps, slack):
    """Replaces coefficients by how they have to be changed for the parities that are wanted; -1 wants none."""
    for block in range(len(blocks)):
        for position in range(64):
            wanted = marks[block, position]
            if wanted < 0:
                blocks[block, position] = 0
                continue
            value = blocks[block, position] / steps[position]
            distance = 2 * np.rint((value - wanted) / 2) + wanted - value
            left = max(abs(distance) - slack[position], 0) * steps[position]
            blocks[block, position] = left if distance > 0 else -left


def _slack(step):
    """In steps: a coefficient so near to its mark is left alone. Rounding leaves fine steps nothing to spare."""
    return np.maximum(0.1 - 0.4 / step, 0)


def find_headers(stego, length, *, qualities=(*USUAL, *QUALITIES)):
    """Looks for headers of all designs.

    Args:
        stego: `Received`.
        length: Of the header in bytes.
        qualities: Of the designs that are looked for. Defaults to all.

    Yields:
        header: bytes, never the same again.
        distrust: One of `DISTRUST`, with which the header was found, and the body is.
    """
    size = header_size(stego.shape, length)
    places = header_places(stego.shape, length)
    order = np.argsort(HEADER_POSITIONS)
    kinds = order[np.searchsorted(HEADER_POSITIONS, places % 64, sorter=order)].astype("uint8")
    values, groups, tried, yielded = stego.values[places], stego.groups[places // 64], set(), set()
    for quality in qualities:
        steps = quantization_tables(quality)[0].reshape(-1)[HEADER_POSITIONS]
        if steps.tobytes() in tried:
            continue
        tried.add(steps.tobytes())
        in_steps = values / steps.astype("float32")[kinds]
        if abs(np.mean(np.rint(in_steps) % 2) - 0.5) > UNBALANCED:
            continue  # most are 0, as in any photograph

        def soft(distrust, values=in_steps, steps=steps):
            outliers = _outliers(steps, HEADER_POSITIONS, distrust=distrust)
            return soft_values(values, kinds, groups, outliers=outliers)

        if expected_information(soft(DISTRUST[0])) < 8 * length / size / 2:
            continue  # hardly one lies on a mark
        choices = list(map(soft, DISTRUST))
        bits = error_correction.decode(choices[0], 8 * length)
        if bits is None:
            bits = error_correction.decode(choices[1], 8 * length)
        if bits is not None and (header := np.packbits(bits).tobytes()) not in yielded:
            yielded.add(header)
            signs = 1 - 2.0 * error_correction.encode(bits, size)
            yield header, DISTRUST[np.argmin([np.logaddexp(0, -signs * soft).sum() for soft in choices])]


def extract_body(stego, header, length, *, quality, level, seed, distrust):
    """Extracts a body, and corrects it.

    Args:
        stego: `Received`.
        header: Length of the header in bytes.
        length: Of the body in bytes.
        quality: Of the design.
        level: How many coefficients carry.
        seed: 32 bytes.
        distrust: As of `find_headers`.

    Returns:
        body: bytes; `None` if too much is wrong.
        wrong: Which part of the bits was wrong, 0 to 1.
    """
    for trial in sorted(DISTRUST, key=lambda other: other != distrust):
        soft = body_soft_values(stego, header, quality=quality, level=level, seed=seed, distrust=trial)
        bits = error_correction.decode(soft, 8 * length)
        if bits is not None:
            wrong = (soft < 0) != error_correction.encode(bits, len(soft))
            return np.packbits(bits).tobytes(), float(wrong.mean())
    return None, 1.0


def body_soft_values(stego, header, *, quality, level, seed, distrust):
    """Computes how sure the bits of a body are, before they are corrected.

    Args:
        stego: `Received`.
        header: Length of the header in bytes.
        quality: Of the design.
        level: How many coefficients carry.
        seed: 32 bytes.
        distrust: One of `DISTRUST`.

    Returns:
        float32 array: natural logarithms of how many times likelier a 0 is than a 1.
    """
    places, kinds = body_places(stego.shape, header, quality=quality, level=level, seed=seed)
    planes, positions = np.array(carrier_order(quality)).T
    steps = quantization_tables(quality).astype("float32").reshape(3, 64)[planes, positions]
    groups = stego.groups[places // 64]
    return soft_values(
        stego.values[places] / steps[kinds], kinds, groups, outliers=_outliers(steps, positions, distrust=distrust)
    )


def _outliers(steps, positions, *, distrust):
    """Fine steps are missed more easily, and means of blocks move where samples are clipped."""
    kinds = 8 / steps * np.where(positions == 0, 4, 1)
    return np.minimum(distrust * OUTLIERS[:, None] * kinds, 0.5)


def _clipping(image):
    """Sorts blocks into groups by how many of their pixels may have been clipped, plane after plane."""
    height, width = (size // SIDE * SIDE for size in image.shape[:2])
    groups = [np.empty(grid, "uint8") for grid in grids(image.shape)[:2]]

    def sort(rows):
        channels = cv2.split(image[rows, :width])
        darkest, lightest = (functools.reduce(function, channels) for function in (cv2.min, cv2.max))
        near = ((darkest <= NEAR) | (lightest >= 255 - NEAR)).astype("float32")
        for group in groups:
            strip = group[rows.start * len(group) // height : rows.stop * len(group) // height]
            strip[:] = np.digitize(cv2.resize(near, strip.shape[::-1], interpolation=cv2.INTER_AREA), GROUPS)

    map_chunks(sort, height, chunk=STRIP)
    luminance, chrominance = (group.reshape(-1) for group in groups)
    return np.concatenate([luminance, chrominance, chrominance])
