import hashlib
from unittest.mock import patch

import numpy as np
import pytest

from stego_lib.codec import entropy
from stego_lib.codec.entropy import RangeDecoder, RangeEncoder
from stego_lib.codec.probability_tables import LARGEST_SYMBOLS, SCALES, Tables, cumulative_distributions
from stego_lib.codec.trellis import NEXT_STATE

EVEN = np.zeros((4, 2), "int64")  # a trellis that never leaves the even quantizer


@pytest.fixture(scope="module")
def tables():
    return Tables(cumulative_distributions([0.6, 0.35, 0.05], [0.4, 0.8, 2.0]))


def encoded(tables, table_indices, symbols, values, parts=1):
    encoder = RangeEncoder(tables)
    arrays = (
        np.asarray(x, kind)
        for x, kind in zip((table_indices, symbols, values), ("uint16", "int16", "int16"), strict=True)
    )
    for chunk in zip(*(np.array_split(x, parts) for x in arrays), strict=True):
        encoder.encode(*chunk)
    return encoder.finish()


def decoded(tables, data, table_indices, chain_length=1024, next_state=EVEN):
    decoder = RangeDecoder(tables, data)
    centres = np.zeros(len(table_indices), "int16")
    values = decoder.decode(np.asarray(table_indices, "uint16"), centres, chain_length, next_state)
    return values, decoder.is_exhausted()


def test_probabilities_are_those_of_the_mixed_logistic_distributions(tables):
    level, fraction = 30, 3
    mixture = [(0.6, 0.4), (0.35, 0.8), (0.05, 2.0)]

    def below(x):
        return sum(weight / (1 + np.exp(-x / (SCALES[level] * ratio))) for weight, ratio in mixture)

    def probability(table, symbol):
        middle = tables.middle[table]
        return (tables.cdf[middle + symbol + 1] - tables.cdf[middle + symbol]) / 2**24

    table = level * 8 + fraction + 4
    for symbol in (-2, 0, 1):
        expected = below(2 * symbol + 1 - fraction / 8) - below(2 * symbol - 1 - fraction / 8)
        assert probability(table, symbol) == pytest.approx(expected, abs=1e-6)
        assert tables.bits[tables.middle[table] + symbol] == pytest.approx(-np.log2(expected), rel=1e-4)
    expected = below(0.5 - fraction / 8) - below(-0.5 - fraction / 8)
    assert probability(table + tables.num_even, 0) == pytest.approx(expected, abs=1e-6)


def test_every_symbol_of_every_table_can_be_coded(tables):
    starts = tables.middle - tables.largest
    ends = tables.middle + tables.largest + 2
    assert (tables.cdf[starts] == 0).all()
    assert (tables.cdf[ends] == 2**24).all()
    inside = np.ones(len(tables.cdf) - 1, bool)
    inside[ends[:-1]] = False
    assert (np.diff(tables.cdf)[inside] >= 1).all()


@pytest.mark.parametrize("parts", [1, 7])
def test_what_is_written_is_read_in_as_many_bits_as_the_tables_say(tables, parts):
    generator = np.random.default_rng(0)
    table_indices = generator.integers(0, tables.num_even, 20000)
    scale = SCALES[table_indices // 8]
    symbols = np.rint(generator.logistic(size=20000) * scale * 0.25).astype(int)
    data = encoded(tables, table_indices, symbols, 2 * symbols, parts)
    values, exhausted = decoded(tables, data, table_indices)
    np.testing.assert_array_equal(values, 2 * symbols)
    assert exhausted
    reached = np.abs(symbols) <= tables.largest[table_indices]
    position = tables.middle[table_indices] + np.where(reached, symbols, tables.largest[table_indices] + 1)
    assert len(data) == pytest.approx(tables.bits[position].sum() / 8, abs=8)


def test_values_that_no_table_reaches_are_written_as_they_are(tables):
    table_indices = np.array([0, 5, 300, 10, 0])
    values = np.array([-32768, 32766, 4, -20000, 0])
    data = encoded(tables, table_indices, values // 2, values)
    np.testing.assert_array_equal(decoded(tables, data, table_indices)[0], values)


def test_a_carry_runs_through_all_bytes_before_it(tables):
    """Likely symbols of the lower end and unlikely ones of the upper end in turn make long runs of 255."""
    generator = np.random.default_rng(0)
    for _ in range(200):
        table_indices = generator.integers(0, 80, 60)
        symbols = generator.choice([-1, 1, 1, 1], 60) * tables.largest[table_indices]
        data = encoded(tables, table_indices, symbols, 2 * symbols, parts=30)
        np.testing.assert_array_equal(decoded(tables, data, table_indices)[0], 2 * symbols)


def test_the_states_of_the_trellis_are_followed_along_every_chain(tables):
    generator = np.random.default_rng(0)
    table_indices, symbols = np.full(2500, 30 * 8), generator.integers(-3, 4, 2500)
    odd_tables, values = [], []
    for i, symbol in enumerate(symbols.tolist()):
        if i % 1000 == 0:
            state = 0
        odd = int(state) >> 1
        odd_tables.append(240 + odd * tables.num_even)
        values.append(2 * symbol - odd * np.sign(symbol))
        state = NEXT_STATE[state, symbol & 1]
    data = encoded(tables, odd_tables, symbols, values)
    np.testing.assert_array_equal(decoded(tables, data, table_indices, 1000, NEXT_STATE)[0], values)


def test_bytes_too_many_are_noticed_and_rubbish_ends(tables):
    table_indices = np.full(1000, 200)
    data = encoded(tables, table_indices, np.ones(1000), np.full(1000, 2))
    assert not decoded(tables, data + b"123456789", table_indices)[1]


def test_rubbish_is_read_within_bounds(tables):
    """By the same code, not compiled: Python checks what numba does not."""
    table_indices = (np.arange(300) * 7 % tables.num_even).astype("uint16")
    for seed in range(5):
        data = np.frombuffer(np.random.default_rng(seed).bytes(seed * 40), "uint8")
        state = np.array([int.from_bytes(data[:6].tobytes().ljust(6, b"\0"), "big"), 2**48 - 1, 6], "int64")
        arguments = tables.cdf, tables.middle, tables.largest, tables.num_even, table_indices, np.zeros(300, "int16")
        with patch.object(entropy, "_refill", entropy._refill.py_func):
            slow = entropy._decode.py_func(state, data, *arguments, 100, NEXT_STATE)
        np.testing.assert_array_equal(slow, decoded(tables, data.tobytes(), table_indices, 100, NEXT_STATE)[0])


def test_bytes_are_the_same_for_ever():
    """With tables made of integers alone, as those of a trained codec are stored."""
    positions = [np.arange(8 * (2 * largest + 2)) for largest in LARGEST_SYMBOLS]
    tables = Tables(
        [(2**23 + 2**23 * i // (i + 2 ** (level // 6))).astype("int32") for level, i in enumerate(positions)]
    )
    generator = np.random.default_rng(7)
    table_indices = generator.integers(0, tables.num_even, 3000)
    symbols = generator.integers(-2, 3, 3000)
    data = encoded(tables, table_indices, symbols, 2 * symbols)
    assert hashlib.sha256(data).hexdigest()[:16] == "cc2e2d394da32beb"
