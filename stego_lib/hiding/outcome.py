"""What hiding and revealing come to, whichever way was taken."""

import math
from typing import NamedTuple

import numpy as np


class NothingHiddenError(ValueError):
    """Nothing is hidden in the image, or it was hidden with another passphrase: nobody can tell which."""


class AlteredError(ValueError):
    """The image was altered after the secret had been hidden."""


class Hidden(NamedTuple):
    """A stego image, and how good it is.

    Bits a sample and bytes of the secret, the fraction of the samples that changed, the PSNR in dB of cover and secret,
    and how easily it is found: the area under the ROC curve that `area_under_roc` tells, or NaN.
    """

    stego: np.ndarray
    bits: float
    num_bytes: int
    changed: float
    cover_psnr: float
    secret_psnr: float
    roc_auc: float = math.nan


class Progress:
    """Reports how much is done of several parts of work, and never less than before.

    Args:
        report: Called with the part that is done, from 0 to 1; or `None`.
    """

    def __init__(self, report):
        self._report, self._done = report or (lambda done: None), 0.0

    def between(self, start, end):
        """Makes the function that one part of the work reports to.

        Args:
            start: What is done when that part begins, 0 to 1.
            end: What is done when it ends.

        Returns:
            Function of a number from 0 to 1.
        """

        def report(done):
            self._done = max(self._done, start + done * (end - start))
            self._report(self._done)

        return report
