import hashlib
import itertools
import math

import numpy as np
import pytest
import skimage.data
from conftest import check_progress

from stego_lib.hiding import syndrome_trellis
from stego_lib.hiding.keyed_order import keyed_order
from stego_lib.hiding.syndrome_trellis import (
    COLUMNS,
    HEIGHT,
    LOW_HEIGHT,
    embed,
    embed_ternary,
    extract,
    extract_ternary,
)
from stego_lib.hiding.viterbi import LANES, WET, cheapest_changes, compute_syndrome

SEED = bytes(range(32))
PROFILES = {"constant": np.ones_like, "linear": np.copy, "squared": np.square}


def generator():
    return np.random.default_rng(0)


def photograph(size=160):
    return skimage.data.astronaut()[:size, 100 : 100 + size]


def limits(costs, *, bits=None, total=None):
    """Bits and total cost of the best of all codes with this total cost, or with so many bits: (bits, total)."""
    low, high = -60.0, 60.0
    for _ in range(60):
        temperature = 2 ** ((low + high) / 2)
        exponents = [np.minimum(cost / temperature, 700) for cost in costs]
        weights = [np.exp(-exponent) for exponent in exponents]
        partition = 1 + sum(weights)
        moments = [exponent * weight / partition for exponent, weight in zip(exponents, weights, strict=True)]
        carried = (np.log(partition) + sum(moments)).sum() / math.log(2)
        paid = sum(moments).sum() * temperature
        too_much = carried > bits if bits else paid > total
        low, high = (low, (low + high) / 2) if too_much else ((low + high) / 2, high)
    return carried, paid


@pytest.mark.parametrize("size", [1, 7, 100, 1001, 40_001])
@pytest.mark.parametrize("rate", [0.002, 0.1, 0.37, 0.95])
def test_every_message_comes_out_of_bits(size, rate):
    bits = generator().integers(0, 2, size, "uint8")
    message = generator().bytes(int(rate * size / 8))
    stego = embed(bits, generator().random(size), message, seed=SEED)
    assert stego.dtype == np.uint8
    assert stego.shape == bits.shape
    assert stego.max() <= 1
    assert extract(stego, len(message), seed=SEED) == message


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
@pytest.mark.parametrize("shape", [(13,), (33, 31), (17, 800, 3)])
@pytest.mark.parametrize("rate", [0.002, 0.1, 0.5, 1.2])
def test_every_message_comes_out_of_samples(dtype, shape, rate):
    samples = generator().integers(-100 if dtype == "int16" else 0, 256, shape, dtype)
    costs = generator().exponential(size=(2, *shape)).astype("float32")
    message = generator().bytes(int(rate * samples.size / 8))
    stego = embed_ternary(samples, *costs, message, seed=SEED)
    assert stego.dtype == samples.dtype
    assert stego.shape == shape
    assert np.abs(stego.astype(int) - samples).max() <= 1
    assert extract_ternary(stego, len(message), seed=SEED) == message


def test_only_bits_change_that_may():
    bits = generator().integers(0, 2, 5000, "uint8")
    costs = np.where(generator().random(5000) < 0.5, 1, np.inf)
    stego = embed(bits, costs, generator().bytes(120), seed=SEED)
    assert (stego != bits).any()
    assert np.isfinite(costs[stego != bits]).all()


def test_samples_change_only_in_the_ways_they_may():
    samples = generator().choice([0, 1, 77, 254, 255], 6000).astype("uint8")
    down, up = np.where(generator().random((2, 6000)) < 0.7, 1, np.inf)
    message = generator().bytes(300)
    stego = embed_ternary(samples, down, up, message, seed=SEED)
    change = stego.astype(int) - samples
    assert set(change) == {-1, 0, 1}
    assert np.isfinite(down[change == -1]).all()
    assert np.isfinite(up[change == 1]).all()
    assert extract_ternary(stego, len(message), seed=SEED) == message


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16"])
def test_no_sample_leaves_the_range_of_its_type(dtype):
    ends = np.iinfo(dtype)
    samples = generator().choice([ends.min, ends.max], 4000).astype(dtype)
    message = generator().bytes(100)
    stego = embed_ternary(samples, np.ones(4000), np.ones(4000), message, seed=SEED)
    assert np.abs(stego.astype(int) - samples).max() == 1
    assert extract_ternary(stego, len(message), seed=SEED) == message


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.25, 0.5])
def test_changes_cost_hardly_more_than_the_best_of_all_codes_would_take(profile, rate):
    costs = PROFILES[profile](generator().random(60_000))
    bits = generator().integers(0, 2, costs.size, "uint8")
    message = generator().bytes(int(rate * costs.size / 8))
    paid = costs[embed(bits, costs, message, seed=SEED) != bits].sum()
    _, least = limits([costs], bits=8 * len(message))
    assert least <= paid < 1.25 * least


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5])
@pytest.mark.parametrize(("height", "least"), [(HEIGHT, 0.88), (LOW_HEIGHT, 0.85)])
def test_samples_carry_nearly_what_the_best_of_all_codes_would_for_the_same_cost(profile, rate, height, least):
    down, up = PROFILES[profile](generator().random((2, 60_000)))
    samples = generator().integers(1, 255, down.size, "uint8")
    message = generator().bytes(int(rate * down.size / 8))
    stego = embed_ternary(samples, down, up, message, seed=SEED, height=height)
    assert extract_ternary(stego, len(message), seed=SEED, height=height) == message
    change = stego.astype(int) - samples
    most, _ = limits([down, up], total=down[change == -1].sum() + up[change == 1].sum())
    assert least * most < 8 * len(message) <= most


def test_no_changes_are_cheaper_than_the_ones_that_are_taken():
    prices = generator().integers(0, 60, (LANES, 11), "int16").T
    prices[generator().random(prices.shape) < 0.1] = WET
    syndrome = generator().integers(0, 2, (4, LANES), "int16")
    row_ends, columns = np.array([4, 6, 9, 11]), np.array([5, 7, 5, 7])
    changes = cheapest_changes(prices, syndrome, row_ends, columns, height=3)
    patterns = np.array(list(itertools.product([0, 1], repeat=11)), "uint8")
    syndromes = np.array([compute_syndrome(pattern, row_ends, columns) for pattern in patterns])
    for lane in range(LANES):
        totals = patterns[(syndromes == syndrome[:, lane]).all(axis=1)] @ prices[:, lane].astype(int)
        assert prices[changes[:, lane], lane].sum() == totals.min()


def test_the_syndrome_is_a_product_with_the_parity_check_matrix():
    row_ends = np.array([5, 7, 9, 12, 14])
    bits = generator().integers(0, 2, 14, "uint8")
    matrix = np.zeros((5 + HEIGHT, 14), int)
    for row, (start, stop) in enumerate(itertools.pairwise([0, *row_ends])):
        for place in range(start, stop):
            matrix[row : row + HEIGHT, place] = COLUMNS[HEIGHT][place - start] >> np.arange(HEIGHT) & 1
    assert (compute_syndrome(bits, row_ends, COLUMNS[HEIGHT]) == matrix[:5] @ bits % 2).all()


@pytest.mark.parametrize("height", COLUMNS)
def test_columns_are_what_the_search_needs(height):
    assert (COLUMNS[height] % 2 == 1).all()
    assert (COLUMNS[height] >> (height - 1) == 1).all()


def test_the_order_is_a_permutation_that_depends_on_the_whole_key():
    order = keyed_order(10_000, SEED)
    assert (np.sort(order) == np.arange(10_000)).all()
    assert np.count_nonzero(order == keyed_order(10_000, SEED[:-1] + b"x")) < 10
    assert (keyed_order(10_000, SEED, count=100) == order[:100]).all()
    assert np.abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.05


def test_the_order_is_the_same_for_ever():
    assert keyed_order(10, SEED).tolist() == [3, 8, 4, 6, 9, 0, 7, 2, 1, 5]
    digest = hashlib.sha256(keyed_order(2**20 + 3, SEED).tobytes()).hexdigest()
    assert digest == "34174204830a98dd91e27f75f34a5ad99b8ab98a2903cd27eec60390093f8af2"


def test_every_machine_embeds_the_same():
    samples = (np.arange(40_000) * 2654435761 >> 24 & 255).astype("uint8").reshape(100, 400)
    costs = 1 / (1 + samples % 37).astype("float32")
    message = bytes(range(256)) * 3
    stego = embed_ternary(samples, costs, 2 * costs, message, seed=SEED)
    digest = hashlib.sha256(stego.tobytes()).hexdigest()
    assert digest == "19091a8be84f06474e366adbcc06d85fbdf006293cc5e0bcbfa1380f5cad783f"
    assert extract_ternary(stego, len(message), seed=SEED) == message


def test_threads_make_no_difference_and_progress_is_told(monkeypatch):
    monkeypatch.setattr(syndrome_trellis, "CHUNK", 256)
    samples, costs = photograph(100), np.ones((100, 100, 3), "float32")
    stego = embed_ternary(samples, costs, costs, SEED * 20, seed=SEED)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert (embed_ternary(samples, costs, costs, SEED * 20, seed=SEED) == stego).all()
    check_progress(lambda progress: embed_ternary(samples, costs, costs, SEED * 20, seed=SEED, progress=progress))
    assert extract_ternary(stego, 640, seed=SEED) == SEED * 20


def test_another_key_extracts_something_else():
    samples = photograph()
    message = generator().bytes(500)
    stego = embed_ternary(samples, np.ones(samples.shape), np.ones(samples.shape), message, seed=SEED)
    extracted = np.frombuffer(extract_ternary(stego, 500, seed=bytes(32)), "uint8")
    wrong = np.unpackbits(extracted ^ np.frombuffer(message, "uint8")).mean()
    assert 0.45 < wrong < 0.55


def test_no_message_changes_nothing():
    samples = photograph()
    wet = np.full(samples.shape, np.inf)
    assert (embed_ternary(samples, wet, wet, b"", seed=SEED) == samples).all()
    assert extract_ternary(samples, 0, seed=SEED) == b""
    assert extract(np.zeros(0, "uint8"), 0, seed=SEED) == b""


@pytest.mark.parametrize("size", [64, 1000, 4096])
def test_bits_that_all_may_change_take_a_bit_each(size):
    bits, message = np.zeros(size, "uint8"), generator().bytes(size // 8)
    assert extract(embed(bits, np.ones(size), message, seed=SEED), size // 8, seed=SEED) == message


def test_free_changes_are_taken_before_any_other():
    bits = np.zeros(4000, "uint8")
    costs = np.where(generator().random(4000) < 0.5, 0, 1)
    stego = embed(bits, costs, generator().bytes(100), seed=SEED)
    assert costs[stego != bits].sum() == 0


@pytest.mark.parametrize("unit", [2.0**-60, 2.0**60])
def test_the_unit_of_costs_makes_no_difference(unit):
    bits, costs, message = np.zeros(3000, "uint8"), generator().random(3000, "float32"), generator().bytes(50)
    stego = embed(bits, costs, message, seed=SEED)
    assert (embed(bits, unit * costs, message, seed=SEED) == stego).all()


@pytest.mark.parametrize(("length", "limit"), [(100, "400 of 1000 samples may change"), (2000, "into 1000 samples")])
def test_a_message_that_is_too_long_says_so(length, limit):
    samples = np.full(1000, 128, "uint8")
    costs = np.where(np.arange(1000) < 400, 1, np.inf)
    with pytest.raises(ValueError, match=f"A message of {length} bytes does not fit.*{limit}"):
        embed_ternary(samples, costs, costs, generator().bytes(length), seed=SEED)


def test_samples_that_all_must_not_change_say_so():
    wet = np.full(1000, np.inf)
    with pytest.raises(ValueError, match="none of the 1000 samples may change"):
        embed_ternary(np.zeros(1000, "uint8"), wet, wet, b"x", seed=SEED)
    with pytest.raises(ValueError, match="none of the 1000 samples may change"):
        embed(np.zeros(1000, "uint8"), wet, b"x", seed=SEED)


@pytest.mark.parametrize("length", [126, 10**9])
def test_a_length_that_is_not_possible_is_refused(length):
    with pytest.raises(ValueError, match="does not fit"):
        extract(np.zeros(1000, "uint8"), length, seed=SEED)


@pytest.mark.parametrize("costs", [np.full(1000, -1.0), np.full(1000, np.nan), np.ones(999)])
def test_costs_that_make_no_sense_are_refused(costs):
    with pytest.raises(ValueError, match="a cost of 0 or more for every sample"):
        embed(np.zeros(1000, "uint8"), costs, b"x", seed=SEED)
