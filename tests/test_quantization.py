import itertools

import numpy as np
import pytest

from stego_lib.codec.entropy import NEXT_STATE, Tables, cumulated_masses, quantize
from stego_lib.codec.networks import SCALES


@pytest.fixture(scope="module")
def tables():
    return Tables(cumulated_masses([0.6, 0.35, 0.05], [0.4, 0.8, 2.0]))


def _value(symbol, odd):
    return 2 * symbol - odd * np.sign(symbol)


def test_probabilities_are_those_of_the_mixed_logistic_distributions(tables):
    level, fraction = 30, 3
    mixture = [(0.6, 0.4), (0.35, 0.8), (0.05, 2.0)]

    def below(x):
        return sum(weight / (1 + np.exp(-x / (SCALES[level] * ratio))) for weight, ratio in mixture)

    table = level * 8 + fraction + 4
    probabilities = tables.probabilities[table] / tables.probabilities[table].sum()
    reach = tables.reach[table]
    for symbol in (-2, 0, 1):
        expected = below(2 * symbol + 1 - fraction / 8) - below(2 * symbol - 1 - fraction / 8)
        assert probabilities[symbol + reach] == pytest.approx(expected, abs=1e-6)
    odd = tables.probabilities[table + len(tables) // 2]
    assert odd[reach] / odd.sum() == pytest.approx(below(0.5 - fraction / 8) - below(-0.5 - fraction / 8), abs=1e-6)


def test_every_symbol_of_every_table_can_be_coded(tables):
    for probabilities in tables.probabilities[:: len(tables) // 40]:
        assert probabilities.min() >= 1
        assert probabilities.sum() == pytest.approx(2**24, rel=1e-3)


def test_bits_are_the_logarithms_of_the_probabilities(tables):
    table = np.array([20 * 8, 20 * 8], "uint16")
    reach = tables.reach[160]
    bits = tables.bits(table, np.array([1, reach + 5]))
    probabilities = tables.probabilities[160] / tables.probabilities[160].sum()
    np.testing.assert_allclose(bits, [-np.log2(probabilities[reach + 1]), 16 - np.log2(probabilities[-1])], rtol=1e-5)


def _price(path, latents, tables, numbers, multiplier):
    """What a list of symbols costs, as a slow reference."""
    state, price, values = 0, 0.0, []
    for symbol, x, number in zip(path, latents, numbers, strict=True):
        odd = int(state) >> 1
        value = _value(symbol, odd)
        price += (x - value) ** 2 + multiplier * tables.bits(np.array([number + odd * len(tables) // 2]), symbol)[0]
        values.append(value)
        state = NEXT_STATE[state, symbol & 1]
    return price, values


def test_no_path_is_cheaper_than_the_one_found(tables):
    generator = np.random.default_rng(0)
    for multiplier in (0.0, 0.37, 2.0):
        latents = generator.normal(scale=2.5, size=(5, 1)).astype("float32")
        numbers = generator.integers(len(tables) // 2, size=(5, 1)).astype("uint16")
        values, _ = quantize(latents, tables, numbers, np.ones((5, 1), bool), multiplier)
        paths = itertools.product(range(-4, 5), repeat=5)
        prices = (_price(path, latents[:, 0], tables, numbers[:, 0], multiplier) for path in paths)
        cheapest, expected = min(prices, key=lambda found: found[0])
        found = ((latents - values) ** 2).sum()
        assert found <= cheapest + 1e-4
        if multiplier < 1:  # further ones may prefer a smaller value that is not tried
            np.testing.assert_array_equal(values[:, 0], expected)


def test_values_follow_the_trellis_and_latents_that_are_not_coded_stay_zero(tables):
    generator = np.random.default_rng(1)
    latents = generator.normal(scale=20, size=(30, 50)).astype("float32")
    active = generator.random(latents.shape) < 0.8
    values, odd = quantize(latents, tables, np.full(latents.shape, 200, "uint16"), active, 0.37)
    assert not values[~active].any()
    state = np.zeros(50, int)
    for value, is_odd, here in zip(values, odd, active, strict=True):
        np.testing.assert_array_equal((state >> 1)[here], is_odd[here])
        symbol = (value + is_odd * np.sign(value)) // 2
        np.testing.assert_array_equal(_value(symbol, is_odd)[here], value[here])
        state = np.where(here, NEXT_STATE[state, symbol & 1], state)


def test_the_trellis_gains_on_rounding_at_the_same_number_of_symbols(tables):
    latents = np.random.default_rng(2).uniform(-100, 100, (96, 200)).astype("float32")
    values, _ = quantize(latents, tables, np.zeros(latents.shape, "uint16"), np.ones(latents.shape, bool), 0.0)
    rounding = 2**2 / 12  # the even values alone
    gain = 10 * np.log10(rounding / ((latents - values) ** 2).mean())
    assert 0.85 < gain < 1.05  # 0.99 dB for chains without end
