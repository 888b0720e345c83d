"""Submodels written out as in the authors' program, sample by sample, on a small image."""

import itertools
from collections import Counter

import numpy as np
import pytest

from stego_lib.evaluation.rich_model import rich_features

IMAGE = np.random.default_rng(0).integers(0, 9, (19, 17, 3)).astype("uint8")
STEPS = {"R": (0, 1), "L": (0, -1), "U": (-1, 0), "D": (1, 0), "RU": (-1, 1), "LU": (-1, -1), "RD": (1, 1)}
FEATURES = rich_features(IMAGE)
FIRST, THIRD, SECOND = 0, 2 * 169 + 10 * 325, 2 * (2 * 169 + 10 * 325)  # where the submodels of an order begin
SQUARE_5 = SECOND + 2 * 169 + 5 * 325 + 169 + 2 * 169 + 4 * 325
COLOURS = 12753


def residual(order, name, y, x, channel):
    down, right = STEPS[name]

    def sample(step):
        return int(IMAGE[y + step * down, x + step * right, channel])

    if order == 1:
        return sample(1) - sample(0)
    if order == 2:
        return (sample(1) + sample(-1) - 2 * sample(0)) / 2
    return (-sample(2) + 3 * sample(1) - 3 * sample(0) + sample(-1)) / 3


def quantized(value, limit):
    return int(np.clip(np.sign(value) * np.floor(abs(value) + 0.5), -limit, limit))


def planes(order, names, limit):
    """Smallest and largest of the residuals of a set, arrays (2, height, width, channels)."""
    result = np.zeros((2, 15, 13, 3), int)
    for y, x, channel in np.ndindex(15, 13, 3):
        values = [quantized(residual(order, name, y + 2, x + 2, channel), limit) for name in names.split()]
        result[:, y, x, channel] = min(values), max(values)
    return result


def joined(counts, size, limit, spam):
    """Relative frequencies of what is the same in reverse order and, of the negative largest, the smallest."""
    total = Counter()
    for (extreme, values), number in counts.items():
        kept = values if extreme == 0 else tuple(-value for value in values)
        alike = [kept, kept[::-1]]
        if spam:
            alike += [tuple(-value for value in values) for values in alike]
        total[min(alike)] += number
    keys = {
        min([kept, kept[::-1], *([tuple(-v for v in kept), tuple(-v for v in kept[::-1])] if spam else [])])
        for kept in itertools.product(range(-limit, limit + 1), repeat=size)
    }
    values = np.array([total[key] for key in sorted(keys)])
    return values / values.sum()


def neighbours(order, across, down):
    counts = Counter()
    for lines, names in [(0, names) for names in across] + [(1, names) for names in down]:
        for extreme, plane in enumerate(planes(order, names, 2)):
            plane = plane.swapaxes(0, 1) if lines else plane
            for y, x, channel in np.ndindex(plane.shape[0], plane.shape[1] - 3, 3):
                counts[extreme, tuple(plane[y, x : x + 4, channel].tolist())] += 1
    return joined(counts, 4, 2, spam=" " not in across[0])


@pytest.mark.parametrize(
    ("start", "order", "across", "down"),
    [
        (FIRST, 1, ["R"], ["U"]),
        (FIRST + 169, 1, ["U"], ["R"]),
        (FIRST + 2 * 169, 1, ["R L"], ["U D"]),
        (FIRST + 2 * 169 + 325, 1, ["U D"], ["R L"]),
        (THIRD + 2 * 169 + 3 * 325, 3, ["L U R", "R D L"], ["U R D", "D L U"]),
        (SECOND, 2, ["R"], ["U"]),
        (SECOND + 2 * 169 + 2 * 325, 2, ["R U RU", "R U LU"], ["R U RU", "R U LU"]),
        (SECOND + 2 * 169 + 4 * 325, 2, ["U RU", "U LU"], ["R RU", "R LU"]),
    ],
)
def test_neighbours_are_counted_as_the_authors_do(start, order, across, down):
    expected = neighbours(order, across, down)
    given = FEATURES[start : start + len(expected)]
    if order == 1 and " " not in across[0]:  # the residuals to the other side are the same, but for the border
        np.testing.assert_allclose(given, expected, atol=0.01)
    else:
        np.testing.assert_allclose(given, expected, atol=1e-7)


def test_the_square_filter_is_that_of_the_authors():
    """Divided by 12 and rounded, only the inner 3x3 of its 5x5 values are not 0: six rows of four touch a line."""
    image = np.zeros((21, 21, 3), "uint8")
    image[10, 10] = 1
    features = rich_features(image)[SQUARE_5 : SQUARE_5 + 169]
    assert features.argmax() == 168  # all zero
    counts = np.round(features * 2 * 17 * 14)
    assert counts.sum() == 2 * 17 * 14
    assert counts[:168].sum() == 2 * 3 * 6


def test_colours_are_counted_together():
    for start, order, names in ((COLOURS, 1, ["R", "L", "U", "D"]), (COLOURS + 100, 1, ["R L", "U D"])):
        counts = Counter()
        for chosen in names:
            for extreme, plane in enumerate(planes(order, chosen, 3)):
                counts.update((extreme, tuple(values)) for values in plane.reshape(-1, 3).tolist())
        expected = joined(counts, 3, 3, spam=" " not in names[0])
        np.testing.assert_allclose(FEATURES[start : start + len(expected)], expected, atol=1e-7)


def test_the_submodels_of_single_filters_are_among_all():
    some = rich_features(IMAGE, complete=False)
    assert some.shape == (7432,)
    np.testing.assert_array_equal(some[: 2 * 169], FEATURES[: 2 * 169])
    np.testing.assert_array_equal(some[2028 - 2 * 169 : 2028], FEATURES[SQUARE_5 + 169 : SQUARE_5 + 3 * 169])
    np.testing.assert_array_equal(some[2028:], FEATURES[COLOURS:])


def test_turned_flipped_and_negative_images_have_the_same_features():
    assert FEATURES.shape == (18157,)
    assert np.all(FEATURES >= 0)
    for same in (IMAGE[::-1], IMAGE[:, ::-1], IMAGE.transpose(1, 0, 2), 255 - IMAGE, IMAGE[..., ::-1]):
        np.testing.assert_array_equal(rich_features(same), FEATURES)
