import numpy as np
import pytest
import skimage.data
from scipy.ndimage import convolve, uniform_filter

from stego_lib.evaluation.simulation import (
    EMBEDDINGS,
    embed_adaptively,
    embed_in_each_channel,
    embed_uniformly,
    hill_costs,
)
from stego_lib.hiding.adaptive import MOST, extract_header, longest_body
from stego_lib.hiding.filling import embed as fill
from stego_lib.hiding.syndrome_trellis import embed_ternary

COVER = skimage.data.coffee()[100:196, 200:296]


def generator():
    return np.random.default_rng(0)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.25, 0.05])
def test_simulated_changes_are_as_many_and_as_dear_as_those_of_the_code(rate):
    cover = skimage.data.coffee()[100:356, 100:484]  # so large that what is drawn is near what is probable
    costs = hill_costs(cover)
    code = embed_ternary(cover, costs, costs, generator().bytes(int(rate * cover.size / 8)), seed=bytes(32))
    simulated = embed_in_each_channel(cover, rate, generator=generator())
    assert np.mean(simulated != cover) == pytest.approx(np.mean(code != cover), rel=0.1)
    assert costs[simulated != cover].sum() == pytest.approx(costs[code != cover].sum(), rel=0.12)


def test_uniform_changes_are_as_many_as_those_of_filling():
    filled = fill(COVER, b"h", generator().bytes(COVER.size // 80), bits=1, seed=bytes(32), fill=False)
    stego = embed_uniformly(COVER, 0.1, generator=generator())
    assert np.mean(stego != COVER) == pytest.approx(np.mean(filled != COVER), rel=0.1)


@pytest.mark.parametrize("embed_at", [embed_in_each_channel, embed_uniformly])
def test_changes_are_of_1_both_ways_and_stay_within_8_bits(embed_at):
    cover = np.repeat(np.array([0, 255, 128], "uint8"), 1024).reshape(32, 32, 3)
    stego = embed_at(cover, 0.9, generator=generator())
    for value, changed in ((0, {0, 1}), (255, {254, 255}), (128, {127, 128, 129})):
        assert set(np.unique(stego[cover == value])) == changed


def test_adaptive_embedding_is_that_of_hide_as_far_as_it_fits():
    little, much, most = (
        np.mean(embed_adaptively(COVER, rate, generator=generator()) != COVER) for rate in (0.1, MOST, 1)
    )
    assert 0 < little < 0.6 * much
    assert most == pytest.approx(much, rel=0.02)
    assert extract_header(embed_adaptively(COVER, 0.1, generator=generator()), 38) == generator().bytes(38)
    tiny = COVER[:16, :16]
    assert longest_body(tiny.shape, 38) < 0
    assert (embed_adaptively(tiny, 0.1, generator=generator()) == tiny).all()


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_what_is_drawn_depends_on_the_generator_alone(name):
    first, again = (EMBEDDINGS[name](COVER, 0.1, generator=generator()) for _ in range(2))
    assert (first == again).all()
    assert (EMBEDDINGS[name](COVER, 0.1, generator=np.random.default_rng(1)) != first).any()


def test_costs_are_those_of_hill():
    high_pass = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
    expected = np.empty(COVER.shape)
    for channel in range(3):
        residual = np.abs(convolve(COVER[..., channel].astype(float), high_pass))
        expected[..., channel] = uniform_filter(1 / np.maximum(uniform_filter(residual, 3), 1e-6), 15)
    np.testing.assert_allclose(hill_costs(COVER), expected, rtol=1e-3)
