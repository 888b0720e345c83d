import functools

import imagecodecs
import numpy as np
import pytest
import skimage.data
from skimage.metrics import structural_similarity

from stego_lib.codec.codec import load_codec
from stego_lib.evaluation import baselines
from stego_lib.evaluation.baselines import (
    avif,
    codec_hide,
    codec_reveal,
    jpeg2000,
    jpegxl,
    lsb_hide,
    lsb_reveal,
)
from stego_lib.evaluation.comparison import CODECS
from stego_lib.evaluation.compression import compressors, quality_table, rate_distortion, speed_table
from stego_lib.images import image_psnr

OPTIONS = {"channel_axis": 2, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
IMAGE = skimage.data.astronaut()[100:228, 150:278]


@pytest.mark.parametrize(
    ("compress", "decode"),
    [
        (functools.partial(avif, speed=8), imagecodecs.avif_decode),
        (jpegxl, imagecodecs.jpegxl_decode),
        (jpeg2000, imagecodecs.jpeg2k_decode),
    ],
)
def test_the_best_file_that_fits_is_found(compress, decode):
    sizes, errors = [], []
    for budget in (3000, 9000):
        data, decoded = compress(IMAGE, budget)
        np.testing.assert_array_equal(decode(data), decoded)
        assert 0.8 * budget < len(data) <= budget
        sizes.append(len(data))
        errors.append(np.mean((IMAGE.astype("float32") - decoded) ** 2))
    assert errors[0] > errors[1]
    assert compress(IMAGE, 10) is None


def test_avif_takes_the_better_sampling_of_colours(monkeypatch):
    max_bytes = IMAGE.size // 48  # half a bit a pixel
    best = image_psnr(IMAGE, avif(IMAGE, max_bytes, speed=8)[1])
    monkeypatch.setattr(baselines, "SUBSAMPLED", 0)
    assert best > image_psnr(IMAGE, avif(IMAGE, max_bytes, speed=8)[1])


def test_rate_distortion_is_measured_on_what_was_decoded():
    def halved(image, max_bytes):
        assert max_bytes == image.shape[0] * image.shape[1] * 6 // 8
        return b"", image // 2 * 2

    images = [IMAGE, IMAGE[:64]]
    measured = rate_distortion(images, {"halved": halved, "none": lambda image, max_bytes: None}, (6,))
    expected = [10 * np.log10(255**2 / np.mean(image % 2)) for image in images]
    np.testing.assert_allclose(measured["halved"][:, 0, 0], expected)
    similar = [structural_similarity(image, image // 2 * 2, **OPTIONS) for image in images]
    np.testing.assert_allclose(measured["halved"][:, 0, 1], similar, atol=1e-3)
    assert np.isnan(measured["none"]).all()
    row = f"| 6 | {np.mean(expected):.2f} ({min(expected):.1f}) / {measured['halved'][..., 1].mean():.4f} |  |"
    assert quality_table(measured, (6,)).endswith(row)


@pytest.mark.slow
def test_the_speed_table_has_a_line_for_every_size():
    table = speed_table(IMAGE, load_codec(), megapixels=(0.01, 0.05))
    assert len(table.splitlines()) == 4
    assert "| 0.05 |" in table
    assert "MP/s" in table


@pytest.mark.slow
def test_where_no_quality_fits_nothing_is_measured():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype="uint8")
    measured = rate_distortion([noise], {"stego_lib": compressors(load_codec())["stego_lib"]}, (0.01, 6))
    assert np.isnan(measured["stego_lib"][..., 0]).tolist() == [[True, False]]


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_lsb_keeps_the_upper_bits_of_the_secret_exactly(bits):
    cover, secret = IMAGE, IMAGE[::-1]
    for adjust in (False, True):
        stego = lsb_hide(cover, secret, bits=bits, adjust=adjust)
        np.testing.assert_array_equal(lsb_reveal(stego, bits, midpoint=False), secret >> (8 - bits) << (8 - bits))
        error = lsb_reveal(stego, bits).astype(int) - secret
        assert np.abs(error).max() <= 2 ** (7 - bits)
        change = np.abs(stego.astype(int) - cover)[(cover >= 16) & (cover < 240)]
        assert change.max() <= (2 ** (bits - 1) if adjust else 2**bits - 1)


@pytest.mark.slow
@pytest.mark.parametrize(("compress", "decode"), CODECS.values(), ids=CODECS)
def test_a_file_in_low_bits_comes_back_exactly(compress, decode):
    secret = IMAGE[:100, :90]
    stego = codec_hide(IMAGE, secret, bits=2, compress=compress)
    assert np.abs(stego.astype(int) - IMAGE).max() <= 3
    decoded = compress(secret, IMAGE.size * 2 // 8 - 8)[1]
    np.testing.assert_array_equal(codec_reveal(stego, 2, decode=decode), decoded)
    stego[:40] ^= 1
    with pytest.raises(ValueError, match=r"no file|damaged"):
        codec_reveal(stego, 2, decode=decode)
    assert codec_hide(IMAGE[:8, :8], secret, bits=1, compress=compress) is None
