import hashlib
import itertools
import os

import numpy as np
import pytest
import skimage.data
from conftest import check_progress
from scipy.ndimage import convolve, uniform_filter
from scipy.stats import binomtest, chisquare

from stego_lib.hiding import pixel_costs, syndrome_trellis
from stego_lib.hiding.adaptive import MOST, Embedding, capacity_bytes, extract_body, extract_header, longest_body
from stego_lib.hiding.payload import HEADER as HEADER_LENGTH
from stego_lib.hiding.payload import LENGTH_BITS
from stego_lib.hiding.pixel_costs import ORDER, cost_terms, costs_of_channel, expected_changes
from stego_lib.hiding.syndrome_trellis import embed_ternary
from stego_lib.images import MAX_PIXELS

HEADER, SEED = bytes(range(38)), bytes(range(32))


def embed(cover, body, *, seed=SEED, progress=None):
    """The stego image, and how the body is divided."""
    embedding = Embedding(cover)
    shares = embedding.shares(len(HEADER) + len(body))
    return embedding.embed(HEADER, body, seed=seed, shares=shares, progress=progress), shares


def photograph(height=64, width=96):
    return skimage.data.coffee()[100 : 100 + height, 200 : 200 + width]


COVERS = {
    "photograph": photograph(),
    "tiny": photograph(20, 21),
    "odd": photograph(17, 41),
    "black": np.zeros((31, 40, 3), "uint8"),
    "white": np.full((31, 40, 3), 255, "uint8"),
    "flat": np.full((31, 40, 3), 77, "uint8"),
    "grey": photograph()[..., :1].repeat(3, -1),
    "noise": np.random.default_rng(0).integers(0, 256, (40, 40, 3), "uint8"),
}


@pytest.mark.parametrize("name", COVERS)
@pytest.mark.parametrize("part", [0, 0.03, 1])
def test_what_is_embedded_is_extracted_and_no_sample_changes_by_more_than_one(name, part):
    cover = COVERS[name]
    body = os.urandom(max(0, int(part * capacity_bytes(cover, len(HEADER)))))
    stego, shares = embed(cover, body)
    assert stego.shape == cover.shape
    assert stego.dtype == np.uint8
    assert np.abs(stego.astype(int) - cover).max() == 1
    assert extract_header(stego, len(HEADER)) == HEADER
    assert extract_body(stego, len(HEADER), len(body), seed=SEED, shares=shares) == body


@pytest.mark.parametrize("shares", [0, 15, 0xF0, 0x51, 255])
def test_a_body_may_be_divided_in_every_way(shares):
    body = os.urandom(300)
    stego = Embedding(photograph()).embed(HEADER, body, seed=SEED, shares=shares)
    assert extract_body(stego, len(HEADER), len(body), seed=SEED, shares=shares) == body
    assert extract_body(stego, len(HEADER), len(body), seed=SEED, shares=shares ^ 0x70) != body


def test_another_seed_extracts_something_else():
    body = os.urandom(100)
    stego, shares = embed(photograph(), body)
    extracted = np.frombuffer(extract_body(stego, len(HEADER), len(body), seed=bytes(32), shares=shares), "uint8")
    wrong = np.unpackbits(extracted ^ np.frombuffer(body, "uint8"))
    assert binomtest(int(wrong.sum()), wrong.size).pvalue > 1e-6


def test_header_and_body_are_read_the_same_way_for_ever():
    stego = (np.arange(60 * 90 * 3) * 2654435761 >> 24 & 255).astype("uint8").reshape(60, 90, 3)
    assert extract_header(stego, 38).hex() == (
        "697e4ff53abfcbcbc406d3509b9609bcff136e451271ca7a3c15dc88f861096fe4faf4580f6d"
    )
    assert extract_body(stego, 38, 40, seed=SEED, shares=0x97).hex() == (
        "9cfcd34ee9193b78d127cdc3b6b013eb75b5cd6287a62e824854b311b46f939d85a7ada74b414793"
    )


def test_a_large_stego_image_is_read_the_same_way_for_ever():
    stego = (np.arange(900 * 1000 * 3) * 2654435761 >> 24 & 255).astype("uint8").reshape(900, 1000, 3)
    bits = extract_header(stego, 38) + extract_body(stego, 38, 60_000, seed=SEED, shares=0x97)
    assert hashlib.sha256(bits).hexdigest() == "cfacd50e1b9ea8a31a99565b71be596f0bb7a4457112a912dae21262b4ae2ba2"


def test_the_length_of_every_body_fits_into_the_header():
    assert longest_body((2**13, MAX_PIXELS // 2**13, 3), HEADER_LENGTH) < 2**LENGTH_BITS


def test_changes_lie_where_the_photograph_is_busy():
    cover = photograph().copy()
    cover[:, :48] = cover[:, :48] // 64 + 100  # large smooth areas
    changed = embed(cover, os.urandom(cover.size // 240))[0] != cover
    assert changed[:, 56:].mean() > 10 * changed[:, :40].mean()


def test_neighbours_change_in_the_same_direction():
    cover = photograph(200, 240)
    change = embed(cover, np.random.default_rng(0).bytes(cover.size // 40))[0][..., 1].astype(int) - cover[..., 1]
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
    stego, _ = embed(cover, os.urandom(length - len(HEADER)))
    embedding = Embedding(cover)
    [[changed, cost]] = embedding.expected_effect([length])
    assert changed == pytest.approx((stego != cover).mean(), rel=0.12)
    changes = (stego - cover).view("int8").reshape(-1, 3)
    assert cost == pytest.approx(costs(embedding.terms, changes).sum(), rel=0.12)


def costs(terms, changes):
    first, second, third = changes[:, ORDER].astype(float).T
    of_pairs = (first - second) ** 2, (first - third) ** 2, (second - third) ** 2
    return sum(terms[:, i] * part for i, part in enumerate((first**2, second**2, third**2, *of_pairs)))


def test_costs_are_those_of_the_inverse_covariance():
    cover = photograph(40, 50)
    high_pass = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
    noise = np.stack([convolve(cover[..., channel].astype(float), high_pass) for channel in range(3)], -1)
    covariance = uniform_filter(noise[..., :, None] * noise[..., None, :], (3, 3, 1, 1)) + 0.5 * np.eye(3)
    inverse = uniform_filter(np.linalg.inv(covariance), (7, 7, 1, 1)).reshape(-1, 3, 3)
    inverse *= inverse.sum((1, 2), keepdims=True) ** 0.3
    for change in itertools.product((-1, 0, 1), repeat=3):
        expected = np.einsum("i,pij,j->p", change, inverse, change)
        np.testing.assert_allclose(costs(cost_terms(cover), np.tile(change, (2000, 1))), expected, rtol=1e-3)


def test_costs_in_strips_are_those_of_the_whole(monkeypatch):
    cover = photograph(70, 50)
    whole = cost_terms(cover)
    monkeypatch.setattr(pixel_costs, "STRIP", 50 * 17)
    np.testing.assert_allclose(cost_terms(cover), whole, rtol=1e-4, atol=1e-6)


def test_what_a_change_costs_counts_what_is_settled_and_what_is_likely_to_follow():
    cover = photograph(30, 40).reshape(-1, 3).copy()
    cover[:40] = 0, 255, 255
    terms, temperature = cost_terms(cover.reshape(30, 40, 3)), 0.3
    together = np.array(list(itertools.product((-1, 0, 1), repeat=3)))  # greens, reds, blues
    in_colours = together[:, np.argsort(ORDER)]
    paid = np.array([costs(terms, np.tile(change, (1200, 1))) for change in in_colours])
    possible = [((cover + change >= 0) & (cover + change <= 255)).all(1) for change in in_colours]
    probabilities = np.exp(-paid / temperature) * possible
    probabilities /= probabilities.sum(0)
    for change, may_be in zip(together, possible, strict=True):
        changes, conditional = np.zeros((1200, 3), "int8"), probabilities.reshape(3, 3, 3, 1200)
        for settled, channel in enumerate(ORDER):
            likely, down, up = costs_of_channel(terms, cover, changes, settled=settled, temperature=temperature)
            own = np.zeros((5, 1200))  # changes of -2 and 2 have no probability
            own[1:4] = conditional.sum(tuple(range(1, 3 - settled)))
            own, *shown = (array[..., may_be] for array in (own, likely, down, up))
            np.testing.assert_array_equal(own.argmax(0) - 2, shown[0])
            for price, step in zip(shown[1:], (-1, 1), strict=True):
                ratio = np.take_along_axis(own, shown[0][None] + 2 + step, 0)[0] / own.max(0)
                np.testing.assert_allclose(np.exp(-price), ratio, rtol=1e-3, atol=1e-6)
            changes[:, channel], conditional = change[settled], conditional[change[settled] + 1]
    bits, changed, cost = expected_changes(terms, cover, temperature)
    logarithms = np.log2(np.where(probabilities > 0, probabilities, 1))
    assert bits.sum() == pytest.approx(-(probabilities * logarithms).sum(0).mean(), rel=1e-4)
    assert changed == pytest.approx(np.mean(np.abs(together).mean(1) @ probabilities), rel=1e-4)
    assert cost == pytest.approx((probabilities * paid).sum(0).mean(), rel=1e-4)


@pytest.mark.parametrize("side", [24, 96])
def test_single_samples_change_only_where_colours_are_busy_and_what_is_grey_stays_grey(side):
    cover = photograph(96, 96)[..., :1].repeat(3, -1)
    cover[:side, -side:] += np.random.default_rng(0).integers(0, 9, (side, side, 3), "uint8")
    change = embed(cover, os.urandom(cover.size // 40))[0].astype(int) - cover
    single = (change != change[..., :1]).any(-1)
    assert single[:side, -side:].mean() > 0.1
    single[: side + 5, -side - 5 :] = False
    assert not single.any()
    assert (change != 0)[:, :40].any() or side == 96


def test_the_header_changes_pixels_as_a_whole():
    change = embed(photograph(), b"")[0].astype(int) - photograph()
    assert change.any()
    assert (change == change[..., :1]).all()


def test_pure_colours_change_in_the_ways_they_may_and_hardly_ever():
    cover = photograph().copy()
    cover[::3] = 255, 0, 128
    body = os.urandom(200)
    stego, shares = embed(cover, body)
    assert extract_body(stego, len(HEADER), len(body), seed=SEED, shares=shares) == body
    change = stego.astype(int) - cover
    assert np.abs(change).max() == 1
    assert (change[::3] != 0).mean() < 0.02 < (change != 0).mean()


def test_samples_go_up_and_down_equally_often_and_the_last_bits_stay_as_they_were():
    cover = photograph()
    stego, _ = embed(cover, np.random.default_rng(0).bytes(cover.size // 100))
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
        stego, shares = embed(cover, body, seed=bytes([number]) * 32)
        assert extract_body(stego, len(HEADER), length, seed=bytes([number]) * 32, shares=shares) == body


def test_what_does_not_fit_is_refused():
    cover = COVERS["tiny"]
    with pytest.raises(ValueError, match="do not fit"):
        embed(cover, bytes(longest_body(cover.shape, 38) + 1))
    with pytest.raises(ValueError, match="do not fit"):
        embed(cover[:16, :16], b"")
    assert extract_header(cover[:16, :16], 38) is None
    assert extract_header(cover[:1, :1], 38) is None


def test_progress_rises_to_one(monkeypatch):
    monkeypatch.setattr(syndrome_trellis, "CHUNK", 128)
    check_progress(lambda progress: embed(photograph(100, 150), SEED * 40, progress=progress))
