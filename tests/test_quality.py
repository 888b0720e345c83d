import re
from importlib.resources import files

import numpy as np
import pytest
from conftest import numpy
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from stego_lib.data import load_pairs
from stego_lib.evaluation.disturbances import DISTURBANCES, cropped, half_and_back, jpeg
from stego_lib.evaluation.quality import hide_and_reveal, measure, summary, survival, survival_table, through_png
from stego_lib.models import PRETRAINED, load_pretrained, reveal_images

pytestmark = pytest.mark.backend


def test_png_keeps_every_value(pairs):
    np.testing.assert_array_equal(through_png(pairs[0]), pairs[0])


def test_revealed_images_come_from_the_eight_bit_stego_image(pairs, tiny_autoencoder):
    stego, revealed = hide_and_reveal(tiny_autoencoder, *pairs, batch_size=3)
    assert stego.dtype == revealed.dtype == np.uint8
    assert stego.shape == revealed.shape == pairs[0].shape
    again = numpy(tiny_autoencoder.get_layer("decoder")(stego / np.float32(255)))
    np.testing.assert_array_equal(revealed, np.rint(np.clip(again, 0, 1) * 255))
    assert not np.array_equal(stego, pairs[0])


def test_measures_equal_scikit_image(pairs):
    covers, secrets = pairs
    noise = np.random.default_rng(0).integers(-9, 10, covers.shape)
    stego, revealed = (np.clip(images + noise, 0, 255).astype(np.uint8) for images in pairs)
    quality = measure(covers, secrets, stego, revealed)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": -1}
    for name, true, predicted in (("cover", covers, stego), ("secret", secrets, revealed)):
        for a, b, psnr, ssim in zip(true, predicted, quality[f"{name}_psnr"], quality[f"{name}_ssim"], strict=True):
            assert psnr == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-3)
            assert ssim == pytest.approx(structural_similarity(a, b, **options), abs=1e-3)


def test_summary_names_means_and_the_worst_secret():
    quality = {
        "cover_psnr": np.array([40.0, 42.0]),
        "cover_ssim": np.array([0.9, 1.0]),
        "secret_psnr": np.array([30.0, 36.0]),
        "secret_ssim": np.array([0.8, 0.9]),
    }
    assert summary(quality) == "n = 2, cover 41.00 dB / 0.9500, secret 33.00 dB / 0.8500, worst secret 30.00 dB"


def test_survival_is_the_quality_after_each_disturbance(pairs, tiny_autoencoder):
    secrets, stego = pairs[1][:2], pairs[0][:2]
    left = survival(tiny_autoencoder, secrets, stego)
    assert left.keys() == DISTURBANCES.keys()
    for name, change in {
        "none": np.copy,
        "JPEG, quality 75": lambda x: jpeg(x, 75),
        "half size and back": half_and_back,
    }.items():
        revealed = reveal_images(tiny_autoencoder, np.stack([change(image) for image in stego]))
        expected = [peak_signal_noise_ratio(*images) for images in zip(secrets, revealed, strict=True)]
        np.testing.assert_allclose(left[name], expected, atol=1e-3)
    revealed = reveal_images(tiny_autoencoder, np.stack([cropped(image) for image in stego]))
    assert left["crop"][0] == pytest.approx(peak_signal_noise_ratio(cropped(secrets[0]), revealed[0]), abs=1e-3)


def test_survival_table_gives_means_and_the_worst_secret():
    table = survival_table({"none": np.array([30.0, 36.0]), "crop": np.array([20.0, 21.0])})
    assert table.splitlines()[2:] == ["| none | 33.00 | 30.0 |", "| crop | 20.50 | 20.0 |"]


@pytest.mark.slow
@pytest.mark.parametrize("name", PRETRAINED)
def test_pretrained_weights_are_as_good_as_their_model_card_says(name):
    card = (files("stego_lib") / "weights" / "README.md").read_text()
    row = next(line for line in card.splitlines() if line.startswith(f"| {name} |"))
    expected = [float(number) for number in re.findall(r"[\d.]+", row.split("|")[-2])]
    pairs = load_pairs("bundled", "validation")
    quality = measure(*pairs, *hide_and_reveal(load_pretrained(name), *pairs))
    cover, secret = quality["cover_psnr"].mean(), quality["secret_psnr"]
    assert [cover, secret.mean(), secret.min()] == pytest.approx(expected, abs=0.1)
