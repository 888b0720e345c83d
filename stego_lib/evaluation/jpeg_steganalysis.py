"""What tells JPEG files with something hidden from others: features, and what old tools do, to compare with."""

import cv2
import numpy as np

from stego_lib.compilation import compiled
from stego_lib.hiding.jpeg import picture_blocks
from stego_lib.hiding.jpeg_scans import ZIGZAG
from stego_lib.jpeg_standard import cosine_basis

LIMIT = 4  # residuals beyond it count as it
PHASES = 5  # places within a block, from its corner to its middle: the others mirror them
BASIS = cosine_basis().astype("float32")


def luminance(jpeg, blocks):
    """Decodes the luminance, neither rounded nor clipped.

    Args:
        jpeg: `JPEGFile`.
        blocks: int16 array of the shape of `jpeg.blocks`: the coefficients.

    Returns:
        float32 array of shape `(8 * rows, 8 * columns)`, in 8-bit steps, 0 for middle grey.
    """
    component = jpeg.components[0]
    picture = picture_blocks(component, blocks) * component.quantization
    picture = picture.reshape(component.rows, component.columns, 8, 8).astype("float32")
    return (BASIS.T @ picture @ BASIS).swapaxes(1, 2).reshape(8 * component.rows, 8 * component.columns)


def dctr_features(picture, step):
    """Counts how large the coefficients of undecimated cosine transforms are, by where they lie in the grid of blocks.

    Args:
        picture: float32 array of shape `(height, width)`, as `luminance` returns it.
        step: Of the quantization of the residuals: 4 for files of quality 75, 0.8 for 95, `8 * (2 - quality / 50)`.

    Returns:
        float32 array of shape `(8000,)`: of each of 64 filters, at each of 25 places, the fractions of residuals that
        are 0, 1, 2, 3, and 4 or more steps.

    Reference:
        [Holub and Fridrich, 2015](https://doi.org/10.1109/TIFS.2014.2364918) (DCTR)
    """
    counts = np.zeros((8, 8, PHASES, PHASES, LIMIT + 1), "int64")
    for i, across in enumerate(BASIS):
        lines = cv2.filter2D(picture, cv2.CV_32F, across[None], anchor=(0, 0))
        for j, down in enumerate(BASIS):
            residual = cv2.filter2D(lines, cv2.CV_32F, down[:, None], anchor=(0, 0))[:-7, :-7]
            _count(residual, 1 / step, counts[j, i])
    return (counts / counts.sum(-1, keepdims=True)).astype("float32").reshape(-1)


@compiled
def _count(residual, scale, counts):
    for y in range(residual.shape[0]):
        row = min(y % 8, 8 - y % 8)
        for x in range(residual.shape[1]):
            column = min(x % 8, 8 - x % 8)
            counts[row, column, min(int(abs(residual[y, x]) * scale + 0.5), LIMIT)] += 1


def embed_in_order(blocks, bits):
    """Replaces the lowest bits of AC coefficients, but 0 and 1, in order from the first block on, as old tools do.

    Args:
        blocks: int16 array of shape `(blocks, 64)`.
        bits: int array, 0 or 1; those for which there is no coefficient any more are left out.

    Returns:
        int16 array of the same shape.

    Reference:
        JSteg (Upham, 1993)
    """
    coefficients = blocks[:, ZIGZAG].copy()
    flat = coefficients.reshape(-1)
    places = np.flatnonzero((flat != 0) & (flat != 1) & (np.arange(flat.size) % 64 > 0))[: len(bits)]
    flat[places] = flat[places] & ~1 | bits[: len(places)]
    stego = np.empty_like(blocks)
    stego[:, ZIGZAG] = coefficients
    return stego
