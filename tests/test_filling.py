import os

import numpy as np
import pytest
import skimage.data
from scipy.stats import chisquare

from stego_lib.hiding.filling import capacity_bytes, embed, expected_errors, extract_body, extract_header

HEADER, SEED = bytes(range(38)), bytes(range(32))


def cover(name, size=96):
    return {
        "photograph": skimage.data.astronaut()[:size, 100 : 100 + size],
        "flat": np.full((size, size, 3), 77, "uint8"),
        "black": np.zeros((size, size, 3), "uint8"),
        "white": np.full((size, size, 3), 255, "uint8"),
    }[name]


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("share", [0, 0.001, 0.4, 1])
@pytest.mark.parametrize("fill", [True, False])
def test_what_is_embedded_is_extracted(bits, share, fill):
    image = cover("photograph")
    body = os.urandom(int(share * capacity_bytes(image.shape, len(HEADER), bits=bits)))
    stego = embed(image, HEADER, body, bits=bits, seed=SEED, fill=fill)
    assert stego.shape == image.shape
    assert stego.dtype == np.uint8
    assert extract_header(stego, len(HEADER)) == HEADER
    assert extract_body(stego, len(HEADER), len(body), bits=bits, seed=SEED) == body


def test_another_seed_extracts_something_else():
    image = cover("photograph")
    body = os.urandom(100)
    stego = embed(image, HEADER, body, bits=1, seed=SEED)
    assert extract_body(stego, len(HEADER), len(body), bits=1, seed=bytes(32)) != body


def test_places_and_digits_are_the_same_for_ever():
    image = np.arange(20 * 20 * 3, dtype="int64").reshape(20, 20, 3).astype("uint8") * 7
    body = bytes(range(60))
    stego = embed(image, HEADER, body, bits=2, seed=SEED, fill=False)
    assert np.packbits(stego.reshape(-1) & 1).tobytes().hex()[:64] == (
        "1144015458444514150c471044514f15304155d514104d495611754011544551"
    )


@pytest.mark.parametrize(("bits", "decibels"), [(1, 51.1), (2, 46.4), (3, 40.7), (4, 34.8)])
def test_a_full_cover_changes_as_much_as_its_bits_say(bits, decibels):
    image = np.random.default_rng(0).integers(20, 230, (128, 128, 3)).astype("uint8")
    stego = embed(image, HEADER, b"", bits=bits, seed=SEED)
    change = stego.astype(int) - image
    assert 10 * np.log10(255**2 / np.mean(change**2)) == pytest.approx(decibels, abs=0.15)
    assert np.abs(change).max() <= 2**bits / 2
    assert abs(change.mean()) < 0.1 * 2**bits / 2


@pytest.mark.parametrize("name", ["photograph", "flat", "black", "white"])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_residues_of_a_full_cover_are_uniform_whatever_the_cover(name, bits):
    image = cover(name)
    body = os.urandom(capacity_bytes(image.shape, len(HEADER), bits=bits) // 2)
    stego = embed(image, os.urandom(38), body, bits=bits, seed=SEED)
    counts = np.bincount(stego.reshape(-1) % 2**bits, minlength=2**bits)
    assert chisquare(counts).pvalue > 1e-6


def test_the_header_looks_like_the_rest():
    image = cover("flat", 64)
    marked = np.flatnonzero(embed(np.zeros_like(image), b"\xff" * 38, b"", bits=1, seed=SEED, fill=False))
    changes = [
        np.bincount(embed(image, os.urandom(38), b"", bits=4, seed=SEED).reshape(-1)[marked] % 16, minlength=16)
        for _ in range(20)
    ]
    assert chisquare(np.sum(changes, 0)).pvalue > 1e-6


def test_expected_errors_are_those_of_filled_covers():
    values = np.repeat(np.arange(256, dtype="uint8"), 600)
    for bits in (1, 4):
        errors = (embed(values, HEADER, b"", bits=bits, seed=SEED).astype(int) - values) ** 2
        np.testing.assert_allclose(errors.reshape(256, -1).mean(1), expected_errors(bits), rtol=0.25)


def test_values_stay_within_eight_bits_and_as_near_as_that_allows():
    for value in range(256):
        image = np.full((20, 20, 3), value, "uint8")
        change = np.abs(embed(image, HEADER, b"", bits=3, seed=SEED).astype(int) - value)
        assert change.max() <= (4 if 4 <= value <= 251 else 7)


def test_places_of_a_short_body_are_spread_evenly():
    image = np.full((300, 300, 3), 128, "uint8")
    body = np.random.default_rng(0).bytes(3000)
    stego = embed(image, HEADER, body, bits=1, seed=SEED, fill=False)
    changed = (stego != image).any(-1)
    blocks = changed.reshape(10, 30, 10, 30).sum((1, 3))
    assert chisquare(blocks.ravel()).pvalue > 0.001
    assert 0.4 < (stego != image).sum() / (8 * 3038) < 0.6


def test_only_the_places_of_header_and_body_change_unless_the_rest_is_filled():
    image = cover("photograph")
    stego = embed(image, HEADER, b"x" * 10, bits=2, seed=SEED, fill=False)
    assert (stego != image).sum() <= 8 * 38 + 40


def test_what_does_not_fit_is_refused():
    image = cover("photograph", 16)
    most = capacity_bytes(image.shape, len(HEADER), bits=1)
    assert most == (16 * 16 * 3 - 304) // 8
    embed(image, HEADER, bytes(most), bits=1, seed=SEED)
    with pytest.raises(ValueError, match="do not fit"):
        embed(image, HEADER, bytes(most + 1), bits=1, seed=SEED)
    with pytest.raises(ValueError, match="do not fit"):
        embed(image[:5, :5], HEADER, b"", bits=1, seed=SEED)
    assert extract_header(image[:5, :5], 38) is None
