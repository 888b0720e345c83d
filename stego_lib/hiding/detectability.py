"""How easily it is found that something is hidden: what was measured, and what follows for other rates and sizes.

The table holds areas under the ROC curve of the strongest detector that was trained on just this way to hide. They are
turned into how far the scores of covers and of stego images lie apart, in standard deviations if both were normal.
That grows from nothing at a rate of 0 in straight lines from point to point. Between the sizes that were measured it is
interpolated, too. Where nothing was measured, the square root law tells: what keeps `rate * sqrt(pixels)` is found as
easily.

Reference:
    [Ker, Pevny, Kodovsky and Fridrich, 2008](https://doi.org/10.1145/1411328.1411349) (square root law)
"""

import bisect
import csv
import functools
import itertools
import math
from importlib import resources
from statistics import NormalDist

import numpy as np

CERTAIN = 0.9995  # shown as 1.00; how much more certain a detector is could not be measured
RATES = np.geomspace(1e-5, 1, 2001)  # bits a sample, among which one is looked for
HARDLY = 0.55  # area under the ROC curve
WORDS = {HARDLY: "hardly found", 0.65: "seldom found", 0.8: "often found", 0.95: "easily found"}
ALWAYS = "found nearly always"


def area_under_roc(rate, pixels, *, embedding="adaptive"):
    """Tells how easily a stego image is found.

    Args:
        rate: Bits a sample; in JPEG files, bits for every AC coefficient that is not 0.
        pixels: Of the cover.
        embedding: `"adaptive"`, `"uniform"` for changes at any places, or `"jpeg"`. Defaults to `"adaptive"`.

    Returns:
        Float, the chance that a detector ranks the stego image above its cover: 0.5 is guessing, 1 is certain.
    """
    curves, side = _table()[embedding], math.sqrt(pixels)
    sides = list(curves)
    position = np.interp(math.log(side), np.log(sides), range(len(sides)))
    lower, upper = math.floor(position), math.ceil(position)
    distances = [_distance(*curves[sides[index]], rate * side / sides[index]) for index in (lower, upper)]
    distance = distances[0] + (position - lower) * (distances[1] - distances[0])
    return min(NormalDist().cdf(distance / math.sqrt(2)), CERTAIN)


def highest_rate(area, pixels, *, embedding="adaptive"):
    """Finds how much may be embedded.

    Args:
        area: Area under the ROC curve that must not be exceeded, more than 0.5.
        pixels: Of the cover.
        embedding: As of `area_under_roc`. Defaults to `"adaptive"`.

    Returns:
        The rate, float, as of `area_under_roc`.
    """
    areas = functools.partial(area_under_roc, pixels=pixels, embedding=embedding)
    return float(RATES[max(bisect.bisect(RATES, area, key=areas) - 1, 0)])


def pixels_needed(area, num_bytes):
    """Finds which cover is large enough.

    Args:
        area: Area under the ROC curve that must not be exceeded, more than 0.5.
        num_bytes: That are to be embedded, adaptively.

    Returns:
        Number of pixels.
    """
    sizes = (2 ** (8 + 0.016 * step) for step in itertools.count())
    return math.ceil(next(size for size in sizes if area_under_roc(8 * num_bytes / 3 / size, size) <= area))


def area_in_words(area):
    """Says how easily something is found, in a sentence.

    Args:
        area: Area under the ROC curve.

    Returns:
        String.
    """
    words = f"{in_words(area).capitalize()}: area under the ROC curve of a detector {area:.2f}"
    return f"{words} (0.5 is guessing, 1 is certain)."


def in_words(area):
    """Says how easily something is found.

    Args:
        area: Area under the ROC curve.

    Returns:
        String.
    """
    return next((words for most, words in WORDS.items() if area < most), ALWAYS)


def _distance(rates, distances, rate):
    """How far scores lie apart; beyond the highest rate that was measured they grow on with the rate."""
    return np.interp(rate, rates, distances) * max(rate / rates[-1], 1)


@functools.cache
def _table():
    """By embedding and side: rates, and how far the scores lie apart, which never falls as the rate grows."""
    points = {}
    with resources.files("stego_lib.hiding").joinpath("detectability.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            distance = math.sqrt(2) * NormalDist().inv_cdf(min(max(float(row["auc"]), 0.5), CERTAIN))
            points.setdefault(row["embedding"], {}).setdefault(float(row["side"]), []).append(
                (float(row["rate"]), distance)
            )
    return {
        embedding: {side: _curve(measured) for side, measured in sorted(sides.items())}
        for embedding, sides in points.items()
    }


def _curve(measured):
    rates, distances = np.transpose([(0, 0), *sorted(measured)])
    return rates, np.maximum.accumulate(distances)
