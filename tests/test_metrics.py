import keras
import numpy as np
import pytest
from conftest import numpy
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from stego_lib.metrics import psnr, ssim

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def images(pairs):
    true = pairs[0].astype("float32") / 255
    noise = np.random.default_rng(0).normal(0, np.linspace(0.002, 0.2, len(true))[:, None, None, None], true.shape)
    return true, np.clip(true + noise, 0, 1).astype("float32")


def test_psnr_equals_scikit_image(images):
    expected = [peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(*images, strict=True)]
    np.testing.assert_allclose(numpy(psnr(*images)), expected, atol=1e-3)


def test_ssim_equals_scikit_image(images):
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    expected = [structural_similarity(a, b, channel_axis=-1, **options) for a, b in zip(*images, strict=True)]
    np.testing.assert_allclose(numpy(ssim(*images)), expected, atol=1e-4)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_batches_of_four_and_one_equal_one_batch_of_five(metric, images):
    true, predicted = images[0][:5], images[1][:5]
    parts = [metric(true[:4], predicted[:4]), metric(true[4:], predicted[4:])]
    together = metric(true, predicted)
    assert together.shape == (5,)
    np.testing.assert_allclose(np.concatenate([numpy(part) for part in parts]), together, rtol=1e-5)


def test_as_a_keras_metric_it_averages_over_images_not_batches(images):
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Rescaling(1.0)])
    model.compile(loss="mse", metrics=[psnr])
    result = model.evaluate(images[1][:5], images[0][:5], batch_size=4, verbose=0, return_dict=True)
    values = numpy(psnr(images[0][:5], images[1][:5]))
    assert result["psnr"] == pytest.approx(values.mean(), rel=1e-4)


def test_equal_images_are_perfect(images):
    assert np.isposinf(numpy(psnr(images[0], images[0]))).all()
    np.testing.assert_allclose(numpy(ssim(images[0], images[0])), 1, atol=1e-6)


def test_ssim_refuses_images_smaller_than_its_window():
    with pytest.raises(ValueError, match="11x11"):
        ssim(np.zeros((1, 8, 64, 3)), np.zeros((1, 8, 64, 3)))


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_uint8_and_float_give_the_same_number(metric, images):
    true, predicted = (np.rint(255 * part).astype("uint8") for part in images)
    np.testing.assert_allclose(
        metric(true, predicted), metric(true / np.float32(255), predicted / np.float32(255)), rtol=1e-5
    )
