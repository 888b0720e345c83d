"""What the JPEG standard says of pixels: colours, the cosine transform of blocks, and the usual quantization tables.

Reference:
    [ITU-T T.81, 1992](https://www.w3.org/Graphics/JPEG/itu-t81.pdf), annex K (tables of quality 50)
"""

import numpy as np

LUMINANCE_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
CHROMINANCE_TABLE = np.full((8, 8), 99)
CHROMINANCE_TABLE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
TO_YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


def cosine_basis(size=8):
    """Builds the orthonormal cosine transform.

    Args:
        size: Number of samples. Defaults to `8`.

    Returns:
        Array of shape `(size, size)`: frequency, sample.
    """
    samples, frequencies = np.arange(size), np.arange(size)[:, None]
    basis = np.cos((2 * samples + 1) * frequencies * np.pi / (2 * size)) * (2 / size) ** 0.5
    basis[0] /= 2**0.5
    return basis
