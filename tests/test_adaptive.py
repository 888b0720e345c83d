import os

import numpy as np
import pytest
import skimage.data
from conftest import check_progress
from scipy.ndimage import convolve, uniform_filter
from scipy.stats import binomtest, chisquare

from stego_lib.hiding import syndrome_trellis
from stego_lib.hiding.adaptive import (
    MOST,
    capacity_bytes,
    embed,
    expected_effect,
    extract_body,
    extract_header,
    hill_costs,
    longest_body,
)
from stego_lib.hiding.syndrome_trellis import embed_ternary

HEADER, SEED = bytes(range(38)), bytes(range(32))


def photograph(height=64, width=96):
    return skimage.data.coffee()[100 : 100 + height, 200 : 200 + width]


COVERS = {
    "photograph": photograph(),
    "tiny": photograph(20, 21),
    "odd": photograph(17, 41),
    "black": np.zeros((31, 40, 3), "uint8"),
    "white": np.full((31, 40, 3), 255, "uint8"),
    "flat": np.full((31, 40, 3), 77, "uint8"),
    "noise": np.random.default_rng(0).integers(0, 256, (40, 40, 3), "uint8"),
}


@pytest.mark.parametrize("name", COVERS)
@pytest.mark.parametrize("part", [0, 0.03, 1])
def test_what_is_embedded_is_extracted_and_no_sample_changes_by_more_than_one(name, part):
    cover = COVERS[name]
    body = os.urandom(max(0, int(part * capacity_bytes(cover, len(HEADER)))))
    stego = embed(cover, HEADER, body, seed=SEED)
    assert stego.shape == cover.shape
    assert stego.dtype == np.uint8
    change = stego.astype(int) - cover
    assert np.abs(change).max() == 1
    np.testing.assert_array_equal(change, change[..., :1].repeat(3, 2))
    assert extract_header(stego, len(HEADER)) == HEADER
    assert extract_body(stego, len(HEADER), len(body), seed=SEED) == body


def test_another_seed_extracts_something_else():
    body = os.urandom(100)
    stego = embed(photograph(), HEADER, body, seed=SEED)
    extracted = np.frombuffer(extract_body(stego, len(HEADER), len(body), seed=bytes(32)), "uint8")
    wrong = np.unpackbits(extracted ^ np.frombuffer(body, "uint8"))
    assert binomtest(int(wrong.sum()), wrong.size).pvalue > 1e-6


def test_header_and_body_are_read_the_same_way_for_ever():
    stego = (np.arange(60 * 90 * 3) * 2654435761 >> 24 & 255).astype("uint8").reshape(60, 90, 3)
    assert extract_header(stego, 38).hex() == (
        "c3e1550980600ad51470c40ddfaabef6bb599179222b73188dd5a033a9ecd6765d379c8fb8b0"
    )
    assert extract_body(stego, 38, 40, seed=SEED).hex() == (
        "f371b88df4e8e0d2c5dfe71d0b52449a0930ca8c94da9628c2e487d99f199fd6dc52a361607e426b"
    )


def test_costs_are_those_of_hill():
    cover = photograph()
    high_pass = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
    expected = np.empty(cover.shape)
    for channel in range(3):
        residual = np.abs(convolve(cover[..., channel].astype(float), high_pass))
        expected[..., channel] = uniform_filter(1 / np.maximum(uniform_filter(residual, 3), 1e-6), 15)
    np.testing.assert_allclose(hill_costs(cover), expected, rtol=1e-3)


def test_changes_lie_where_the_photograph_is_busy():
    cover = photograph().copy()
    cover[:, :48] = cover[:, :48] // 64 + 100  # large smooth areas
    changed = embed(cover, HEADER, os.urandom(cover.size // 240), seed=SEED) != cover
    assert changed[:, 56:].mean() > 10 * changed[:, :40].mean()


def test_neighbours_change_in_the_same_direction():
    cover = photograph(200, 240)
    change = embed(cover, HEADER, os.urandom(cover.size // 40), seed=SEED)[..., 1].astype(int) - cover[..., 1]
    for first, second in ((change[:, :-1], change[:, 1:]), (change[:-1], change[1:])):
        both = (first != 0) & (second != 0)
        assert (first == second)[both].mean() > 0.6
    plain = (
        embed_ternary(cover[..., 1], *np.ones((2, 200, 240)), os.urandom(3600), seed=SEED).astype(int) - cover[..., 1]
    )
    both = (plain[:-1] != 0) & (plain[1:] != 0)
    assert 0.4 < (plain[:-1] == plain[1:])[both].mean() < 0.6


@pytest.mark.parametrize("rate", [0.05, 0.25])
def test_as_much_changes_as_is_expected(rate):
    cover = photograph(160, 200)
    length = int(rate * cover.size / 8)
    stego = embed(cover, HEADER, os.urandom(length - len(HEADER)), seed=SEED)
    [[changed, cost]] = expected_effect(cover, [length])
    assert changed == pytest.approx((stego != cover).mean(), rel=0.12)
    assert cost == pytest.approx(hill_costs(cover)[stego != cover].sum(), rel=0.12)


def test_pixels_that_can_change_neither_way_are_left_alone():
    cover = photograph().copy()
    cover[::3] = (255, 0, 128)
    body = os.urandom(200)
    stego = embed(cover, HEADER, body, seed=SEED)
    assert (stego == cover)[::3].all()
    assert extract_body(stego, len(HEADER), len(body), seed=SEED) == body
    with pytest.raises(ValueError, match="may change"):
        embed(np.full_like(cover, (255, 0, 128)), HEADER, body, seed=SEED)


def test_samples_go_up_and_down_equally_often_and_the_last_bits_stay_as_they_were():
    cover = photograph()
    random = np.random.default_rng(0)
    stego = embed(cover, random.bytes(38), random.bytes(cover.size // 100), seed=SEED)
    change = stego.astype(int) - cover
    # Neighbours go the same way, so that changes do not count each for itself.
    assert 0.4 < (change[change != 0] == 1).mean() < 0.6
    assert abs((stego & 1).mean() - (cover & 1).mean()) < 0.01


def test_a_photograph_without_a_header_looks_as_random_as_one_with_it():
    photographs = (skimage.data.astronaut, skimage.data.chelsea, skimage.data.coffee)
    squares = [
        image()[y : y + 60, x : x + 60] for image in photographs for y in (0, 60, 120) for x in range(0, 420, 60)
    ]
    bits = np.unpackbits(np.frombuffer(b"".join(extract_header(square, 38) for square in squares), "uint8"))
    assert chisquare(np.bincount(bits)).pvalue > 1e-4
    assert chisquare(np.bincount(bits.reshape(-1, 4) @ [8, 4, 2, 1], minlength=16)).pvalue > 1e-4


def test_most_of_a_large_cover_is_room():
    assert longest_body((1000, 1000, 3), 38) == pytest.approx(MOST * 3e6 / 8, rel=0.015)
    assert longest_body((16, 16, 3), 38) < 0 < longest_body((24, 24, 3), 38) < 0.4 * MOST * 1728 / 8


def test_pixels_that_can_change_in_one_direction_only_are_half_as_much_room():
    cover = np.full((200, 200, 3), 100, "uint8")
    most = longest_body(cover.shape, 38)
    assert capacity_bytes(cover, 38) == most
    cover[:100, :, 0] = 255
    assert capacity_bytes(cover, 38) == pytest.approx(0.75 * 0.975 * most, abs=1)
    cover[:50, :, 1] = 0  # and these in none
    assert capacity_bytes(cover, 38) == pytest.approx(0.625 * 0.9625 * most, abs=1)
    cover[:] = 0, 128, 255
    assert capacity_bytes(cover, 38) < 0


@pytest.mark.slow
@pytest.mark.parametrize("side", [64, 96, 256])
@pytest.mark.parametrize(
    ("colour", "part"), [((0, 0, 0), 1), ((255, 0, 7), 0.5), ((255, 0, 7), 0.7), ((255, 0, 7), 0.9)]
)
def test_what_a_cover_has_room_for_can_be_embedded(side, colour, part):
    cover = np.random.default_rng(0).integers(1, 255, (side, side, 3), "uint8")
    cover[np.random.default_rng(1).random((side, side)) < part] = colour
    length = capacity_bytes(cover, len(HEADER))
    assert length > 0 or side < 256
    for number in range(3 * (length > 0)):
        body = np.random.default_rng(number).bytes(length)
        stego = embed(cover, HEADER, body, seed=bytes([number]) * 32)
        assert extract_body(stego, len(HEADER), length, seed=bytes([number]) * 32) == body


def test_what_does_not_fit_is_refused():
    cover = COVERS["tiny"]
    with pytest.raises(ValueError, match="do not fit"):
        embed(cover, HEADER, bytes(longest_body(cover.shape, 38) + 1), seed=SEED)
    with pytest.raises(ValueError, match="do not fit"):
        embed(cover[:16, :16], HEADER, b"", seed=SEED)
    assert extract_header(cover[:16, :16], 38) is None
    assert extract_header(cover[:1, :1], 38) is None


def test_progress_rises_to_one(monkeypatch):
    monkeypatch.setattr(syndrome_trellis, "CHUNK", 128)
    check_progress(lambda progress: embed(photograph(100, 150), HEADER, SEED * 40, seed=SEED, progress=progress))
