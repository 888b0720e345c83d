"""Which photograph hides a secret best: the choice of the cover is worth more than any method."""

from typing import NamedTuple

from stego_lib.hiding import adaptive
from stego_lib.hiding.capacity import GOOD, SMALLEST, check_quality, codec, stream_capacity
from stego_lib.hiding.detectability import area_under_roc
from stego_lib.hiding.payload import HEADER
from stego_lib.hiding.seal import TAG
from stego_lib.images import check_photograph, read_image


class RatedCover(NamedTuple):
    """A cover, and what hiding in it would take: total cost of the changes, bits a sample, the fraction that changes.

    And how easily it is found: the area under the ROC curve that `area_under_roc` tells.
    """

    path: str
    cost: float
    bits: float
    changed: float
    roc_auc: float


def choose_cover(secret, paths, *, quality=GOOD, progress=None):
    """Ranks photographs by how well they would hide a secret: the less all changes cost together, the better.

    Args:
        secret: uint8 array of shape `(height, width, 3)`.
        paths: Of the photographs.
        quality: PSNR in dB at which the secret shall come back. Defaults to 38 dB.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        List of `RatedCover`, best first, of the photographs that have room for the secret.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If a file is not a whole image, or an argument is wrong.
    """
    check_quality(quality)
    length = codec().estimate_bytes(check_photograph("secret", secret), quality)
    rated = []
    for done, path in enumerate(paths, 1):
        cover = read_image(path)
        if min(cover.shape[:2]) >= SMALLEST and length <= stream_capacity(cover, adaptive.MOST):
            [[changed, cost]] = adaptive.Embedding(cover).expected_effect([length + HEADER + TAG])
            rate = 8 * (length + HEADER + TAG) / cover.size
            rated.append(RatedCover(str(path), cost, rate, changed, area_under_roc(rate, cover.size / 3)))
        if progress:
            progress(done / len(paths))
    return sorted(rated, key=lambda cover: cover.cost)
