"""How sure a parity is: soft values from how far coefficients lie from their marks.

What happened on the way is a uniform error, of a JPEG file with steps of its own, and a Gaussian one, of rounding or
noise. How wide either is, is estimated from the distances themselves, for every kind of coefficient in every group of
blocks. What a second JPEG file has moved to a wrong mark no distance tells: that is an outlier.
"""

import functools

import numpy as np
from scipy.special import entr, ndtr

BINS = 64  # of distances from 0 to half a step
WIDTHS = np.concatenate([np.arange(0, 0.8, 0.1), np.arange(0.8, 1.06, 0.05)])  # of the uniform error, in steps
SIGMAS = np.array([0.02, 0.03, 0.045, 0.065, 0.09, 0.12, 0.16, 0.22, 0.3, 0.4, 0.55])  # of the Gaussian one
COMMON = 300  # coefficients that all kinds of a group together count as where one is estimated


def soft_values(coefficients, kinds, groups, *, outliers):
    """Estimates how likely the parities are that coefficients have been moved to.

    Args:
        coefficients: float32 array, in steps.
        kinds: uint8 array of the same shape.
        groups: uint8 array of the same shape: what is of one kind and group is disturbed alike.
        outliers: float array of shape `(groups, kinds)`: which part of them lies anywhere, 0 to 1.

    Returns:
        float32 array of the same shape: natural logarithms of how many times likelier even is than odd.
    """
    nearest = np.rint(coefficients)
    bins = np.minimum((np.abs(coefficients - nearest) * (2 * BINS)).astype("uint8"), BINS - 1)
    num_kinds, num_groups = int(kinds.max()) + 1, int(groups.max()) + 1
    classes = groups.astype("int32") * num_kinds + kinds
    counts = np.bincount(classes * BINS + bins, minlength=num_groups * num_kinds * BINS)
    counts = counts.reshape(num_groups, num_kinds, BINS)
    common = counts.sum(axis=1, keepdims=True)
    counts = counts + common * (COMMON / np.maximum(common.sum(axis=2, keepdims=True), COMMON))
    same, other = _likelihoods()
    fits = (np.log(same + other) @ counts.reshape(-1, BINS).T).argmax(axis=0)
    unknown = outliers[:num_groups, :num_kinds].reshape(-1, 1)
    same, other = ((1 - unknown) * part[fits] + unknown for part in (same, other))
    soft = np.log(same / other).astype("float32")[classes, bins]
    return np.negative(soft, out=soft, where=(nearest.astype("int32") & 1).astype(bool))


def expected_information(soft):
    """Estimates how much the soft values tell, if they are right.

    Args:
        soft: float32 array.

    Returns:
        Number of bits for each of them, 0 to 1.
    """
    likely = 1 / (1 + np.exp(-np.abs(soft)))
    return 1 - float(np.mean(entr(likely) + entr(1 - likely))) / np.log(2)


@functools.cache
def _likelihoods():
    """Densities at every distance, for every pair of widths, of what has the nearest parity, and of what has not."""
    distances = (np.arange(BINS) + 0.5) / BINS / 2
    width, sigma = (grid.reshape(-1, 1) for grid in np.meshgrid(WIDTHS, SIGMAS))

    def density(x):
        uniform = (ndtr((x + width / 2) / sigma) - ndtr((x - width / 2) / sigma)) / np.maximum(width, 1e-9)
        return np.where(width > 0, uniform, np.exp(-((x / sigma) ** 2) / 2) / sigma / np.sqrt(2 * np.pi))

    same = density(distances) + density(2 - distances) + density(2 + distances)
    other = density(1 - distances) + density(1 + distances)
    return same + 1e-12, other + 1e-12
