import hashlib

import numpy as np
import pytest

from stego_lib.hiding.error_correction import decode, encode, parity_check_matrix


def received(codeword, sigma, seed=0):
    """Soft values of a codeword that was sent as -1 and 1 with Gaussian noise."""
    signs = 1 - 2.0 * codeword
    return (2 / sigma**2 * (signs + np.random.default_rng(seed).normal(0, sigma, len(signs)))).astype("float32")


def message_of(length, seed=0):
    return np.random.default_rng(seed).integers(0, 2, length).astype("uint8")


@pytest.mark.parametrize(
    ("dimension", "length"), [(1, 2), (3, 40), (312, 608), (304, 2432), (900, 1000), (65000, 70000)]
)
def test_what_was_not_disturbed_comes_back(dimension, length):
    message = message_of(dimension)
    codeword = encode(message, length)
    assert codeword.shape == (length,)
    np.testing.assert_array_equal(decode(received(codeword, 0.1), dimension), message)


def test_the_codewords_are_the_same_for_ever():
    message = (np.arange(1000) * 7919 >> 3 & 1).astype("uint8")
    assert hashlib.sha256(encode(message, 1500).tobytes()).hexdigest().startswith("d51b16d68d3daff4")
    assert hashlib.sha256(encode(np.tile(message, 70), 100001).tobytes()).hexdigest().startswith("b7439705f67f2de0")


@pytest.mark.parametrize(("rate", "sigma"), [(0.9, 0.49), (0.75, 0.62), (0.5, 0.92)])
def test_noise_near_capacity_is_corrected(rate, sigma):
    message = message_of(int(20000 * rate))
    soft = received(encode(message, 20000), sigma)
    capacity = 1 - np.logaddexp(0, -soft * (1 - 2.0 * encode(message, 20000))).mean() / np.log(2)
    assert capacity - rate < 0.06
    assert ((soft < 0) != encode(message, 20000)).mean() > 0.005
    np.testing.assert_array_equal(decode(soft, len(message)), message)


def test_too_much_noise_is_noticed():
    message = message_of(1800)
    assert decode(received(encode(message, 2000), 1.0), 1800) is None
    assert decode(received(message_of(2000), 0.1), 1800) is None


def test_a_message_that_is_no_shorter_than_its_codeword_is_refused():
    with pytest.raises(ValueError, match="can not have a codeword"):
        encode(message_of(100), 100)


def test_bits_are_in_different_checks_that_are_equally_large():
    columns, ends = parity_check_matrix(5000, 6000)
    sizes = np.diff(ends, prepend=0)
    assert sizes.max() - sizes.min() <= 1
    checks = np.repeat(np.arange(1000), sizes)
    assert len(set(zip(columns.tolist(), checks.tolist(), strict=True))) == len(columns)
    assert sorted(set(np.bincount(columns))) == [3, 12]
