import hashlib
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from conftest import check_progress
from PIL import Image
from scipy.stats import chisquare

import stego_lib
from stego_lib.codec.codec import Codec
from stego_lib.codec.container import LATENTS, Stream, pack
from stego_lib.hiding import adaptive, filling, samples
from stego_lib.hiding import payload as payload_module
from stego_lib.hiding import stego as stego_module
from stego_lib.hiding.capacity import CapacityError, capacity
from stego_lib.hiding.outcome import AlteredError, Hidden, NothingHiddenError
from stego_lib.hiding.payload import ADAPTIVE, HEADER, VERSION, make_payload
from stego_lib.hiding.seal import SALT, Seal
from stego_lib.hiding.stego import hide, hide_file, reveal, reveal_file
from stego_lib.images import image_psnr, read_image, write_image

pytestmark = pytest.mark.slow
DATA = Path(__file__).parent / "data"
STREAM_HASH = "72f9c9d154791196600dbf39cd43ffc59737b7cf3909a77c3cd0c091ce700bab"


@pytest.fixture(scope="module")
def cover():
    return skimage.data.coffee()[100:228, 200:360]


@pytest.fixture(scope="module")
def secret():
    return skimage.data.chelsea()[60:188, 100:260]


@pytest.fixture(scope="module", params=[0.25, 2], ids=["adaptive", "filling"])
def bits(request):
    """Bits a sample, of one way to hide and of the other."""
    return request.param


@pytest.fixture(scope="module")
def hidden(cover, secret, bits):
    return hide(cover, secret, "a passphrase", bits=bits, details=True)


def test_the_secret_comes_back_with_the_quality_that_was_said(cover, secret, bits, hidden):
    assert isinstance(hidden, Hidden)
    revealed = reveal(hidden.stego, "a passphrase")
    assert revealed.shape == secret.shape
    assert image_psnr(secret, revealed) == hidden.secret_psnr > (40 if bits == 2 else 29)
    assert image_psnr(cover, hidden.stego) == hidden.cover_psnr > (46 if bits == 2 else 54)
    assert hidden.bits == pytest.approx(bits, rel=0.02)
    assert hidden.bits <= bits
    assert hidden.changed == (hidden.stego != cover).mean()
    assert hidden.num_bytes == pytest.approx(cover.size * bits / 8, rel=0.05)


def test_a_good_secret_is_embedded_adaptively_if_that_has_room_for_it(cover, secret):
    hidden = hide(cover, secret[:64, :64], details=True)
    assert 37.95 <= hidden.secret_psnr < 38.2
    assert np.abs(hidden.stego.astype(int) - cover).max() == 1
    assert hidden.changed < 0.2
    assert hidden.bits == 8 * (hidden.num_bytes + HEADER + 16) / cover.size < adaptive.MOST


def test_where_more_is_needed_the_fewest_bits_that_are_enough_are_filled(cover, secret):
    larger = hide(cover[:96, :96], secret, details=True)
    assert larger.secret_psnr >= 38 or larger.bits == 4
    fewer = hide(cover[:96, :96], secret, bits=larger.bits - 1, details=True)
    assert fewer.secret_psnr < 38
    np.testing.assert_array_equal(reveal(larger.stego), reveal(hide(cover[:96, :96], secret, bits=larger.bits)))


def test_a_smooth_secret_gets_what_is_hardly_found(cover, secret):
    smooth = cv2.GaussianBlur(secret, (0, 0), 6)
    least, usual = hide(cover, smooth, quality=38, details=True), hide(cover, smooth, details=True)
    assert least.secret_psnr < 39
    assert usual.secret_psnr > least.secret_psnr + 2
    assert least.roc_auc < usual.roc_auc < 0.551


def test_a_quality_changes_no_more_than_it_takes(cover, secret):
    adaptively = hide(cover, secret, quality=32, details=True)
    evenly = hide(cover, secret, quality=32, bits=1, details=True)
    for hidden in (adaptively, evenly):
        assert 32 <= hidden.secret_psnr < 32.3
        assert hidden.bits == 8 * (hidden.num_bytes + HEADER + 16) / cover.size
    assert evenly.changed == pytest.approx(evenly.bits / 2, rel=0.1)
    assert adaptively.roc_auc < evenly.roc_auc - 0.1
    assert min(adaptively.cover_psnr, evenly.cover_psnr) > 54


def test_a_quality_that_takes_more_than_adaptive_embedding_carries_fills(cover, secret):
    hidden = hide(cover, secret, quality=44, details=True)
    assert hidden.secret_psnr >= 44
    assert hidden.bits > adaptive.MOST
    assert image_psnr(secret, reveal(hidden.stego)) == hidden.secret_psnr


@pytest.mark.parametrize("bits", [None, 0.9, 1.0, 4])
@pytest.mark.parametrize(("height", "width"), [(48, 48), (41, 64), (63, 37)])
@pytest.mark.parametrize("size", [(1, 1), (5, 16), (23, 8)])
def test_small_covers_and_secrets_of_any_size(cover, secret, height, width, size, bits):
    if bits in (0.9, 1.0) and size != (1, 1):
        height, width = 2 * height, 2 * width
    revealed = reveal(hide(cover[:height, :width], secret[: size[0], : size[1]], "x", bits=bits), "x")
    assert revealed.shape == (*size, 3)


def test_a_wrong_passphrase_and_an_innocent_photograph_cannot_be_told_apart(cover, hidden):
    messages = set()
    for image, passphrase in ((hidden.stego, "another"), (hidden.stego, None), (cover, "a passphrase"), (cover, None)):
        with pytest.raises(NothingHiddenError) as error:
            reveal(image, passphrase)
        messages.add(str(error.value))
    assert len(messages) == 1
    assert "hidden with another passphrase" in messages.pop()


def test_a_changed_sample_is_noticed_or_does_no_harm(hidden):
    generator = np.random.default_rng(0)
    expected = reveal(hidden.stego, "a passphrase")
    errors = []
    for _ in range(40):
        image = hidden.stego.copy()
        image[(*generator.integers(image.shape[:2]), 1)] ^= 1  # a green: those carry the most if it is adaptive
        try:
            np.testing.assert_array_equal(reveal(image, "a passphrase"), expected)
        except (AlteredError, NothingHiddenError) as error:
            errors.append(type(error))
    assert len(errors) > 35  # a few samples hold nothing but noise
    assert errors.count(AlteredError) > 30  # some hold the header


def test_cropped_resized_and_turned_images_have_nothing_to_reveal(hidden):
    image = hidden.stego
    for other in (image[1:], image[:, :-1], image[::2, ::2], image[::-1], np.rot90(image), image[:1, :1]):
        with pytest.raises(NothingHiddenError):
            reveal(np.ascontiguousarray(other), "a passphrase")


def test_the_same_inputs_give_another_stego_image_every_time(cover, secret, bits, hidden):
    other = hide(cover, secret, "a passphrase", bits=bits)
    if bits == 2:
        assert np.mean(hidden.stego % 4 == other % 4) == pytest.approx(0.25, abs=0.02)
    else:
        assert np.mean(hidden.stego != other) > hidden.changed


@pytest.mark.filterwarnings("ignore:The cover is grey")
def test_residues_are_uniform_and_tell_nothing_of_the_secret(cover, secret):
    for image in (cover, np.zeros_like(cover), np.full_like(cover, 255)):
        for passphrase in ("a passphrase", None):
            stego = hide(image, secret, passphrase, bits=3)
            assert chisquare(np.bincount(stego.reshape(-1) % 8, minlength=8)).pvalue > 1e-7


def test_arguments_are_checked(cover, secret):
    for bits in (0, 5, True, 1.5, 2.0, 0.0, -0.1, float("nan"), "1"):
        with pytest.raises(ValueError, match=r"`bits` must be 1, 2, 3 or 4, or a fraction .* Received: bits="):
            hide(cover, secret, bits=bits)
    with pytest.raises(ValueError, match="`cover` must be a uint8 array"):
        hide(cover / 255, secret)
    with pytest.raises(ValueError, match="`secret` must be a uint8 array"):
        hide(cover, secret[..., 0])
    with pytest.raises(ValueError, match="`stego` must be a uint8 array"):
        reveal(cover[0])
    with pytest.raises(ValueError, match="must not be empty"):
        hide(cover, secret, "")
    with pytest.raises(ValueError, match="`quality` must be a positive"):
        hide(cover, secret, quality=float("nan"))


def test_what_does_not_fit_is_refused_with_the_remedy(cover, secret):
    blocks = np.random.default_rng(0).choice(np.uint8([0, 255]), (2, 128, 3))
    noise = blocks.repeat(8, 0).repeat(
        8, 1
    )  # which no step makes so coarse that it fits, and too thin for half its size
    with pytest.raises(CapacityError, match=r"too small: take one of 16x16"):
        hide(cover[:8, :8], secret)
    with pytest.raises(CapacityError, match=r"`bits=1` .* take more bits, a larger cover or a smaller secret"):
        hide(cover[:16, :16], noise, bits=1)
    with pytest.raises(CapacityError, match=r"`bits=0.2` .* take more bits, a larger cover or a smaller secret"):
        hide(cover[:16, :16], noise, bits=0.2)
    for bits in (1, 0.9):
        with pytest.raises(CapacityError, match=rf"needs .* bytes at that quality, and with `bits={bits}`"):
            hide(cover, secret, quality=60, bits=bits)


def embed(cover, passphrase, number, stream):
    payload = make_payload(stream, passphrase, bits=number)
    if number == ADAPTIVE:
        return adaptive.Embedding(cover).embed(payload.header, payload.body, seed=payload.seed, shares=0)
    return filling.embed(cover, payload.header, payload.body, bits=number, seed=payload.seed)


def test_forged_headers_and_bombs_are_refused(cover):
    salt = bytes(SALT)
    seal = Seal(None, salt)
    for bits, length in ((0, 50), (9, 50), (1, 10**6), (4, 2**32 - 1)):
        header = struct.pack("<BBI", VERSION, bits, length)
        stego = filling.embed(cover, salt + seal.encrypt(0, header), b"", bits=1, seed=seal.seed)
        with pytest.raises(AlteredError):
            reveal(stego)
    for bits, length in ((1, 50), (ADAPTIVE, 0), (ADAPTIVE, 50), (ADAPTIVE, 10**6), (ADAPTIVE, 2**32 - 1)):
        header = struct.pack("<BBI", VERSION, bits, length)
        with pytest.raises(AlteredError):
            reveal(adaptive.Embedding(cover).embed(salt + seal.encrypt(0, header), b"", seed=seal.seed, shares=0))
    for number in (1, ADAPTIVE):
        with pytest.raises(ValueError, match="are allowed"):
            reveal(embed(cover, None, number, pack(Stream(LATENTS, 10000, 10000, b""))))
    with pytest.raises(CapacityError, match="64 times the pixels"):
        hide(cover[:16, :16], np.zeros((256, 300, 3), "uint8"))


def test_a_poor_secret_is_warned_of(cover, secret):
    for bits in (1, 0.9):
        with pytest.warns(UserWarning, match=r"only \d\d\.\d dB: take more bits, a larger cover or a smaller secret"):
            hide(cover[:32, :40], secret, bits=bits)
    hide(cover[:64], secret, quality=24)  # was asked for


def test_a_grey_cover_that_gets_colour_is_warned_of(cover, secret):
    grey = cover[..., :1].repeat(3, -1)
    with pytest.warns(UserWarning, match="The cover is grey"):
        hide(grey, secret, bits=2)
    stego = hide(grey, secret, quality=24)  # adaptively, and so without a warning
    assert (stego == stego[..., :1]).all()


def test_capacity_is_about_what_hide_reaches(cover, secret):
    rows = capacity(cover, secret)
    assert [row.bits for row in rows] == [0.05, 0.1, 0.2, 0.3, 1, 2, 3, 4]
    for row in rows[2:7:2]:
        hidden = hide(cover, secret, bits=row.bits, details=True)
        assert row.changed == pytest.approx(hidden.changed, rel=0.1)
        assert row.cover_psnr == pytest.approx(hidden.cover_psnr, abs=0.5)
        assert row.secret_psnr == pytest.approx(hidden.secret_psnr, abs=0.5)
        assert row.num_bytes >= hidden.num_bytes
    assert np.isnan(capacity(cover[:16, :16], secret[:128, :128])[0].secret_psnr)
    assert capacity(cover)[-4].secret_psnr > 30


def test_capacity_knows_that_what_comes_back_exactly_needs_no_more_of_the_cover(cover, secret):
    secret = secret[:12, :12]
    for row in capacity(cover, secret)[3::4]:  # 0.3 and 4 bits
        hidden = hide(cover, secret, bits=row.bits, details=True)
        assert row.secret_psnr == np.inf
        assert row.changed == pytest.approx(hidden.changed, rel=0.2)
        assert row.cover_psnr == pytest.approx(hidden.cover_psnr, abs=0.8)
        assert row.roc_auc == pytest.approx(hidden.roc_auc, abs=0.02)


def test_a_cover_of_pure_colours_is_filled(secret):
    cover, secret = np.full((64, 64, 3), (0, 255, 80), "uint8"), secret[:32, :32]
    hidden = hide(cover, secret, details=True)
    assert hidden.bits == 1
    assert image_psnr(secret, reveal(hidden.stego)) == hidden.secret_psnr
    rows = capacity(cover, secret)
    assert [np.isnan(row.cover_psnr) for row in rows] == [True] * 4 + [False] * 4
    assert [np.isnan(row.secret_psnr) for row in rows] == [True] * 4 + [False] * 4
    assert [np.isnan(row.roc_auc) for row in rows] == [True] * 4 + [False] * 4
    with pytest.raises(CapacityError, match="room for 0 bytes"):
        hide(cover, secret, bits=0.1)
    cover[np.random.default_rng(0).random((64, 64)) < 0.3] = 100  # which is too few for the header
    assert hide(cover, secret, details=True).bits == 1


def test_progress_rises_to_one(cover, secret, bits, hidden):
    for call in (
        lambda progress: hide(cover, secret, bits=bits, progress=progress),
        lambda progress: reveal(hidden.stego, "a passphrase", progress=progress),
    ):
        check_progress(call)


@pytest.mark.filterwarnings("ignore:.*hides better:UserWarning")  # a JPEG cover, and another output
def test_files_of_every_lossless_format_carry_a_secret(cover, secret, bits, tmp_path):
    Image.fromarray(cover).save(tmp_path / "cover.jpg", quality=90, comment=b"do not tell")
    write_image(tmp_path / "secret.png", secret)
    for suffix in (".png", ".bmp", ".tif"):
        hidden = hide_file(tmp_path / "cover.jpg", tmp_path / "secret.png", tmp_path / f"stego{suffix}", "x", bits=bits)
        revealed = reveal_file(tmp_path / f"stego{suffix}", tmp_path / f"revealed{suffix}", "x")
        np.testing.assert_array_equal(read_image(tmp_path / f"revealed{suffix}"), revealed)
        np.testing.assert_array_equal(read_image(tmp_path / f"stego{suffix}"), hidden.stego)
        assert b"do not tell" not in (tmp_path / f"stego{suffix}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["cover.jpg", "secret.png"] + [f"{name}{s}" for name in ("stego", "revealed") for s in (".png", ".bmp", ".tif")]
    )


def test_nothing_is_written_that_does_not_read_back(cover, bits, tmp_path, monkeypatch):
    write_image(tmp_path / "cover.png", cover)
    monkeypatch.setattr(samples, "decode_image", lambda content: cover)
    with pytest.raises(AlteredError, match="What was written is not what is read"):
        hide_file(tmp_path / "cover.png", tmp_path / "cover.png", tmp_path / "stego.png", bits=bits)
    assert [path.name for path in tmp_path.iterdir()] == ["cover.png"]


@pytest.mark.parametrize("number", [ADAPTIVE, 1])
def test_an_image_of_a_later_format_is_named(cover, number, monkeypatch):
    monkeypatch.setattr(payload_module, "VERSION", VERSION + 1)
    stego = embed(cover, "x", number, b"1234")
    monkeypatch.undo()
    with pytest.raises(ValueError, match=f"format {VERSION + 1}, and only {VERSION}"):
        reveal(stego, "x")


@pytest.mark.backend
def test_an_image_hidden_long_ago_is_revealed(monkeypatch):
    """To the very bytes that were embedded, and the picture but for how the synthesis network rounds."""
    streams, decode = [], Codec.decode
    monkeypatch.setattr(
        Codec, "decode", lambda codec, data, **options: streams.append(data) or decode(codec, data, **options)
    )
    revealed = reveal(read_image(DATA / "stego.png", as_stored=True), "correct horse battery staple")
    assert hashlib.sha256(streams[0]).hexdigest() == STREAM_HASH
    assert np.abs(revealed.astype(int) - read_image(DATA / "revealed.png")).max() <= 1
    assert image_psnr(revealed, np.ascontiguousarray(skimage.data.chelsea()[60:140, 100:200])) > 37


def test_images_of_an_earlier_cost_of_scrypt_still_open(cover, bits, monkeypatch):
    stego = hide(cover, cover[:64, :64], "x", bits=bits)
    monkeypatch.setattr(payload_module, "COSTS", (2**14, 2**15))
    assert reveal(stego, "x").shape == (64, 64, 3)
    with pytest.raises(NothingHiddenError):
        reveal(stego, "y")
    monkeypatch.setattr(payload_module, "COSTS", (2**14,))
    with pytest.raises(NothingHiddenError):
        reveal(stego, "x")


@pytest.mark.parametrize("passphrase", [b"", b"a passphrase", 0, False, 1.5, ["a"]])
def test_a_passphrase_of_another_type_never_means_everybody(cover, secret, passphrase):
    with pytest.raises(TypeError, match="`passphrase` must be a string, or None"):
        hide(cover, secret, passphrase, bits=1)
    with pytest.raises(TypeError, match="`passphrase` must be a string, or None"):
        reveal(cover, passphrase)


@pytest.mark.parametrize("bits", [0.5, 1, 4])
def test_what_comes_back_exactly_needs_no_more_of_the_cover(cover, secret, bits):
    hidden = hide(cover, secret[:12, :12], bits=bits, details=True)
    assert hidden.secret_psnr == np.inf
    assert (hidden.stego != cover).mean() < 8 * (hidden.num_bytes + HEADER + 16) / cover.size


def test_a_secret_that_is_a_small_jpeg_file_comes_back_exactly(cover, secret, tmp_path):
    write_image(tmp_path / "cover.png", cover)
    Image.fromarray(secret).save(tmp_path / "secret.jpg", quality=50)
    hidden = hide_file(tmp_path / "cover.png", tmp_path / "secret.jpg", tmp_path / "stego.png", "x", quality=np.inf)
    assert hidden.num_bytes < (tmp_path / "secret.jpg").stat().st_size
    revealed = reveal_file(tmp_path / "stego.png", tmp_path / "revealed.png", "x")
    np.testing.assert_array_equal(revealed, read_image(tmp_path / "secret.jpg"))


def test_several_threads_hide_and_reveal_their_own_pictures(cover, secret, bits):
    secrets = [np.roll(secret[:64, :64], 11 * number, 0) for number in range(6)]

    def through(job):
        number, image = job
        return reveal(hide(cover, image, f"passphrase {number}", bits=bits), f"passphrase {number}")

    with ThreadPoolExecutor(6) as pool:
        for image, revealed in zip(secrets, pool.map(through, enumerate(secrets)), strict=True):
            assert image_psnr(image, revealed) > 38


def test_capacity_with_a_quality_is_about_what_that_takes(cover, secret):
    for quality in (32, 45):
        hidden = hide(cover, secret, quality=quality, details=True)
        row = capacity(cover, secret, quality=quality)[3 if quality == 32 else 5]
        assert row.num_bytes == pytest.approx(hidden.num_bytes, rel=0.05)
        assert row.secret_psnr == quality
        assert row.cover_psnr == pytest.approx(hidden.cover_psnr, abs=0.5)
    assert np.isnan(capacity(cover[:32, :32], secret, quality=60)[4].secret_psnr)
    assert capacity(cover, secret[:40, :40], quality=np.inf)[0].num_bytes < secret[:40, :40].size


def test_no_more_is_embedded_than_is_found_as_easily_as_was_said(cover, secret):
    hidden = hide(cover, secret, find_at_most=0.7, details=True)
    assert 0.68 < hidden.roc_auc <= 0.7
    smaller = hide(cover, secret[:32, :32], quality=30, find_at_most=0.9, details=True)
    assert smaller.roc_auc < hidden.roc_auc
    assert image_psnr(secret, reveal(hidden.stego)) == hidden.secret_psnr
    with pytest.raises(CapacityError, match=r"`find_at_most=0.9`: for 50 dB take a cover of about .* megapixels"):
        hide(cover, secret, quality=50, find_at_most=0.9)
    with pytest.raises(ValueError, match="choose one of them"):
        hide(cover, secret, bits=0.1, find_at_most=0.9)
    for area in (0.5, 1, float("nan")):
        with pytest.raises(ValueError, match=r"`find_at_most` must be more than 0\.5"):
            hide(cover, secret, find_at_most=area)


def test_what_fills_a_cover_is_found_nearly_always(cover, secret):
    assert hide(cover, secret[:64, :64], bits=1, details=True).roc_auc > 0.95
    assert hide(cover, secret[:64, :64], quality=30, details=True).roc_auc < 0.8
    rows = capacity(cover, secret)
    assert [row.roc_auc for row in rows] == sorted(row.roc_auc for row in rows)


def test_public_names_are_at_the_top():
    for name in ("hide", "reveal", "hide_file", "reveal_file"):
        assert getattr(stego_lib, name) is getattr(stego_module, name)
