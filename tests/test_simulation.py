import os

import numpy as np
import pytest
import scipy.stats
import skimage.data

from stego_lib.evaluation.simulation import (
    adaptive_probabilities,
    channel_probabilities,
    draw_changes,
    uniform_probabilities,
)
from stego_lib.hiding.adaptive import EFFICIENCY, embed, hill_costs
from stego_lib.hiding.filling import embed as fill

COVER = skimage.data.coffee()[100:196, 200:296]


@pytest.mark.parametrize("rate", [0.25, 0.05])
def test_simulated_changes_are_as_many_and_as_dear_as_those_of_the_code(rate):
    code = embed(COVER, b"", os.urandom(int(rate * COVER.size / 8)), seed=bytes(32))
    probabilities = adaptive_probabilities(COVER, rate).sum(0)
    assert probabilities.mean() == pytest.approx(np.mean(code != COVER), rel=0.1)
    costs = hill_costs(COVER)
    assert (costs * probabilities).sum() == pytest.approx(costs[code != COVER].sum(), rel=0.12)


def test_uniform_changes_are_as_many_as_those_of_filling():
    filled = fill(COVER, b"h", os.urandom(COVER.size // 80), bits=1, seed=bytes(32), fill=False)
    stego = draw_changes(COVER, uniform_probabilities(COVER, 0.1), generator=np.random.default_rng(0))
    assert np.mean(stego != COVER) == pytest.approx(np.mean(filled != COVER), rel=0.1)


@pytest.mark.parametrize("probabilities", [channel_probabilities, uniform_probabilities])
def test_changes_are_of_1_both_ways_and_stay_within_8_bits(probabilities):
    cover = np.repeat(np.array([0, 255, 128], "uint8"), 1024).reshape(32, 32, 3)
    stego = draw_changes(cover, probabilities(cover, 0.9), generator=np.random.default_rng(0))
    for value, changed in ((0, {0, 1}), (255, {254, 255}), (128, {127, 128, 129})):
        assert set(np.unique(stego[cover == value])) == changed


def test_channels_change_alike_and_carry_as_much():
    probabilities = adaptive_probabilities(COVER, 0.1)
    stego = draw_changes(COVER, probabilities, generator=np.random.default_rng(0))
    change = stego.astype(int) - COVER
    np.testing.assert_array_equal(change[..., 0], change[..., 1])
    np.testing.assert_array_equal(change[..., 0], change[..., 2])
    down, up = probabilities[..., 0].astype("float64")
    entropies = scipy.stats.entropy([down, up, 1 - down - up], base=2)
    assert entropies.mean() * EFFICIENCY == pytest.approx(3 * 0.1, rel=0.01)


def test_more_than_fits_is_as_much_as_fits():
    cover = np.repeat(np.array([0, 255], "uint8"), 1536).reshape(32, 32, 3)
    down, up = adaptive_probabilities(cover, 0.9)
    np.testing.assert_allclose(down + up, 0.5, atol=0.01)
