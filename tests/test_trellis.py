import itertools

import numpy as np
import pytest

from stego_lib.codec.probability_tables import Tables, cumulative_distributions
from stego_lib.codec.trellis import NEXT_STATE, quantize


@pytest.fixture(scope="module")
def tables():
    return Tables(cumulative_distributions([0.6, 0.35, 0.05], [0.4, 0.8, 2.0]))


def quantized(latents, table_indices, tables, chain_length, multiplier):
    values, symbols, odd_tables = np.empty(len(latents), "int16"), np.empty(len(latents), "int16"), table_indices.copy()
    flat = tables.bits, tables.middle, tables.largest, tables.num_even
    arguments = flat, chain_length, np.float32(multiplier), values, symbols, odd_tables
    bits = quantize(latents.astype("float32"), table_indices, *arguments)
    return values, symbols, odd_tables, bits


def path_costs(paths, latents, table_indices, tables, multiplier):
    """Squared error and bits of lists of symbols, one a row, as a reference."""
    states, errors, bits = np.zeros(len(paths), int), 0.0, 0.0
    for symbols, x, table in zip(paths.T, latents, table_indices.astype(int), strict=True):
        odd = states >> 1
        errors += (x - (2 * symbols - odd * np.sign(symbols))) ** 2
        bits += tables.bits[tables.middle[table + odd * tables.num_even] + symbols]
        states = NEXT_STATE[states, symbols & 1]
    return errors + multiplier * bits


@pytest.mark.parametrize("multiplier", [0.0, 0.1, 0.37, 1.0])
def test_no_path_costs_less_than_the_one_that_is_taken(tables, multiplier):
    generator, paths = np.random.default_rng(0), np.array([*itertools.product(range(-4, 5), repeat=5)])
    for _ in range(4):
        latents = generator.normal(scale=2.5, size=5)
        table_indices = generator.integers(20 * 8, 50 * 8, size=5).astype("uint16")
        _, symbols, _, _ = quantized(latents, table_indices, tables, 5, multiplier)
        costs = path_costs(paths, latents, table_indices, tables, multiplier)
        [cost] = path_costs(symbols[None].astype(int), latents, table_indices, tables, multiplier)
        # Of each quantizer and parity only the nearest value, and 0, are tried: a smaller one may cost a little less.
        assert cost <= min(costs) * (1 + 0.05 * multiplier) + 1e-4


def test_values_follow_the_trellis_and_bits_are_those_of_the_symbols(tables):
    generator = np.random.default_rng(1)
    latents = generator.normal(scale=20, size=3000)
    table_indices = generator.integers(30 * 8, 60 * 8, size=3000).astype("uint16")
    values, symbols, odd_tables, bits = quantized(latents, table_indices, tables, 1000, 0.37)
    total = 0.0
    for i, (value, symbol, table) in enumerate(
        zip(values.tolist(), symbols.tolist(), odd_tables.tolist(), strict=True)
    ):
        if i % 1000 == 0:
            state = 0
        odd = int(state) >> 1
        assert value == 2 * symbol - odd * np.sign(symbol)
        assert table == table_indices[i] + odd * tables.num_even
        total += tables.bits[tables.middle[table] + symbol]
        state = NEXT_STATE[state, symbol & 1]
    assert bits == pytest.approx(total, rel=1e-5)


def test_the_trellis_gains_on_rounding_at_the_same_number_of_symbols(tables):
    latents = np.random.default_rng(2).uniform(-100, 100, 20000)
    values, _, _, _ = quantized(latents, np.full(20000, 400, "uint16"), tables, 1024, 0.0)
    rounding = 2**2 / 12  # the even values alone
    gain = 10 * np.log10(rounding / ((latents - values) ** 2).mean())
    assert 0.9 < gain < 1.05  # 0.99 dB for chains without end


def test_a_dearer_bit_costs_fewer_bits_and_more_error(tables):
    latents = np.random.default_rng(3).normal(scale=3, size=5000)
    table_indices = np.full(5000, 36 * 8 + 4, "uint16")
    results = [quantized(latents, table_indices, tables, 1024, multiplier) for multiplier in (0.0, 0.37, 1.5)]
    bits, errors = zip(*((bits, ((latents - values) ** 2).sum()) for values, _, _, bits in results), strict=True)
    assert bits[0] > bits[1] > bits[2]
    assert errors[0] < errors[1] < errors[2]
