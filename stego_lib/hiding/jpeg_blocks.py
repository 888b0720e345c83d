"""What JPEG makes of pixels: luminance and subsampled chrominance, in blocks of 8x8 DCT coefficients."""

import cv2
import numpy as np

from stego_lib.jpeg_standard import CHROMINANCE_TABLE, LUMINANCE_TABLE, TO_YCBCR, cosine_basis
from stego_lib.threads import map_chunks

SIDE = 16  # pixels: a block of each chrominance, four of luminance
TO_YCC = TO_YCBCR.astype("float32")
TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], "float32")
USUAL = 75  # a quality; what its tables would round to zero is taken for zero
GUESSES = 5
SQUARES = 2048  # of 16x16 pixels, at once
STRIP = 16 * SIDE  # rows of pixels, at once
# Doubles the length of 8 samples as JPEG decoders do: each new sample is three quarters the nearest and one quarter the
# next one.
DOUBLE = cv2.resize(np.eye(8, dtype="float32"), (8, SIDE), interpolation=cv2.INTER_LINEAR)
DCT = cosine_basis().astype("float32")


def quantization_tables(quality):
    """Makes the tables that nearly all programs take for a quality.

    Args:
        quality: 1 to 100.

    Returns:
        int64 array of shape `(3, 8, 8)`: of luminance and both chrominances.

    Reference:
        [ITU-T T.81, 1992](https://www.w3.org/Graphics/JPEG/itu-t81.pdf), annex K, scaled as by the Independent JPEG
        Group
    """
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = np.stack([LUMINANCE_TABLE, CHROMINANCE_TABLE, CHROMINANCE_TABLE])
    return np.clip((tables * scale + 50) // 100, 1, 255)


def coefficients(image):
    """Transforms the part of an image that whole blocks of 16x16 pixels cover.

    Args:
        image: uint8 or float32 array of shape `(height, width, 3)`, RGB from 0 to 255.

    Returns:
        List of three float32 arrays of shape `(rows, columns, 8, 8)`, orthonormal coefficients of the blocks of
        luminance and of both chrominances, these reduced to half the size by averaging.
    """
    height, width = (size // SIDE * SIDE for size in image.shape[:2])
    planes = [np.empty((height // side, width // side, 8, 8), "float32") for side in (8, SIDE, SIDE)]

    def transform(rows):  # a strip at a time takes a tenth of the memory
        for plane, blocks in zip(planes, _coefficients(image[rows, :width]), strict=True):
            start = rows.start * len(plane) // height
            plane[start : start + len(blocks)] = blocks

    map_chunks(transform, height, chunk=STRIP)
    return planes


def _coefficients(image):
    luminance, *chrominances = cv2.split(cv2.transform(image.astype("float32"), TO_YCC))
    half = (image.shape[1] // 2, image.shape[0] // 2)
    return [
        _forward(luminance - 128),
        *(_forward(cv2.resize(c, half, interpolation=cv2.INTER_AREA)) for c in chrominances),
    ]


def change(image, differences):
    """Changes an image by differences of its coefficients.

    Args:
        image: float32 array of shape `(height, width, 3)`, RGB from 0 to 255; changed in place.
        differences: What `coefficients` would return, overwritten.
    """
    luminance, *chrominances = map(_inverse, differences)
    height, width = luminance.shape
    doubled = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_NEAREST) for plane in chrominances]
    image[:height, :width] += cv2.transform(cv2.merge([luminance, *doubled]), TO_RGB)


def unclipped(image):
    """Guesses the coefficients that a JPEG file had before its samples were clipped to 0 to 255.

    A file holds few coefficients that are not zero, and few of chrominance: together with the samples that were not
    clipped, they tell what the others were. Blocks without clipped samples remain as they are.

    Args:
        image: uint8 array of shape `(height, width, 3)`.

    Returns:
        What `coefficients` returns.
    """
    blocks = coefficients(image)
    rows, columns = blocks[1].shape[:2]
    squares = image[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, 3).swapaxes(1, 2)

    def find(part):
        clipped = (squares[part] - np.uint8(1) >= 254).any(axis=(2, 3, 4))  # 0 less 1 is 255
        return np.argwhere(clipped) + [part.start, 0]

    which = np.concatenate([np.empty((0, 2), int), *map_chunks(find, rows, chunk=STRIP // SIDE)])

    def replace(part):
        row, column = which[part].T
        luminance, *chrominances = _unclip(squares[row, column])
        for y in range(2):
            for x in range(2):
                blocks[0][2 * row + y, 2 * column + x] = luminance[y::2, x]
        for block, chrominance in zip(blocks[1:], chrominances, strict=True):
            block[row, column] = chrominance[:, 0]

    map_chunks(replace, len(which), chunk=SQUARES)
    return blocks


def _unclip(squares):
    """Alternates between what is known of a file and what is known of the samples; squares of 16x16 pixels."""
    known = squares.reshape(-1, SIDE, 3).astype("float32")
    dark, light = known == 0, known == 255
    tables = quantization_tables(USUAL).astype("float32") / 2
    guess = known.copy()
    for _ in range(GUESSES):
        blocks = _coefficients(guess)
        for block, table in zip(blocks, tables, strict=True):
            block[np.abs(block) < table] = 0
        luminance, *chrominances = map(_inverse, blocks)
        doubled = ((DOUBLE @ c.reshape(-1, 8, 8) @ DOUBLE.T).reshape(-1, SIDE) for c in chrominances)
        likely = cv2.transform(cv2.merge([luminance + 128, *doubled]), TO_RGB)
        np.copyto(guess, np.minimum(likely, 0), where=dark)
        np.copyto(guess, np.maximum(likely, 255), where=light)
    return _coefficients(guess)


def _forward(plane):
    rows, columns = (size // 8 for size in plane.shape)
    vertical = DCT @ plane.reshape(rows, 8, 8 * columns)
    blocks = (vertical.reshape(rows * 8 * columns, 8) @ DCT.T).reshape(rows, 8, columns, 8)
    return np.ascontiguousarray(blocks.swapaxes(1, 2))


def _inverse(blocks):
    rows, columns = blocks.shape[:2]
    vertical = DCT.T @ blocks.swapaxes(1, 2).reshape(rows, 8, 8 * columns)
    return (vertical.reshape(rows * 8 * columns, 8) @ DCT).reshape(8 * rows, 8 * columns)
