"""What hiding and revealing come to, whichever way was taken."""

import math
from typing import NamedTuple

import numpy as np

NOT_READ_BACK = "What was written is not what is read from it, so nothing was kept: choose another name or format."


class NothingHiddenError(ValueError):
    """Nothing is hidden in the image, or it was hidden with another passphrase: nobody can tell which."""


class AlteredError(ValueError):
    """The image was altered after the secret had been hidden."""


class Hidden(NamedTuple):
    """A stego image, and how good it is.

    Bits a sample and bytes of the secret, the fraction of the samples that changed, the PSNR in dB of cover and secret,
    height and width of the secret as it was hidden, and how easily it is found: the area under the ROC curve that
    `area_under_roc` tells, or NaN. In a JPEG file, bits are those for every AC coefficient that is not 0, and the
    fraction is one of the coefficients.
    """

    stego: np.ndarray
    bits: float
    num_bytes: int
    changed: float
    cover_psnr: float
    secret_psnr: float
    secret_size: tuple
    roc_auc: float = math.nan


class Extracted(NamedTuple):
    """A stream that was extracted.

    The height and width that the secret had before it was made smaller, if it was; and the part of the bits that were
    wrong, `None` where none can be corrected.
    """

    stream: bytes
    original_size: tuple = None
    wrong: float = None


class Revealed(NamedTuple):
    """A secret that was revealed, uint8 array of shape `(height, width, 3)`; the others as of `Extracted`."""

    secret: np.ndarray
    original_size: tuple
    wrong: float
