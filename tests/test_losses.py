import keras
import numpy as np
import pytest
from conftest import gradient, numpy
from scipy.stats import wasserstein_distance

from stego_lib.losses import CombinedLoss, full_loss, histogram_loss, psnr_loss, ssim_loss
from stego_lib.metrics import mean_squared_error, psnr, ssim

pytestmark = pytest.mark.backend
WEIGHTS = ("mse_weight", "ssim_weight", "psnr_weight", "histogram_weight")
TERMS = (mean_squared_error, ssim_loss, psnr_loss, histogram_loss)


@pytest.fixture(scope="module")
def images(pairs):
    true = pairs[0][:5].astype("float32") / 255
    noise = np.random.default_rng(0).normal(0, 4 / 255, true.shape).astype("float32")
    return true, 0.98 * true + 0.01 + noise


@pytest.mark.parametrize(
    ("loss", "epsilon"),  # as small as the rounding of float32 values allows
    [
        (mean_squared_error, 1e-3),
        (ssim_loss, 4e-3),
        (psnr_loss, 3e-4),
        (histogram_loss, 2e-4),
        (CombinedLoss(reduction=None), 5e-4),
    ],
)
def test_gradient_equals_finite_differences(loss, epsilon, images):
    true, predicted = images[0][:1, :16, :16], images[1][:1, :16, :16]
    direction = np.random.default_rng(1).normal(size=predicted.shape).astype("float32")

    def at(x):
        return keras.ops.sum(loss(true, x))

    slope = float(np.sum(gradient(at, predicted) * direction))
    expected = (float(at(predicted + epsilon * direction)) - float(at(predicted - epsilon * direction))) / (2 * epsilon)
    assert slope == pytest.approx(expected, rel=0.03)
    assert slope != 0


@pytest.mark.parametrize("loss", TERMS)
def test_one_value_per_image_whatever_the_batch(loss, images):
    true, predicted = images
    parts = np.concatenate([numpy(loss(true[:4], predicted[:4])), numpy(loss(true[4:], predicted[4:]))])
    assert parts.shape == (5,)
    np.testing.assert_allclose(parts, numpy(loss(true, predicted)), rtol=1e-4)


def test_losses_follow_their_metrics(images):
    np.testing.assert_allclose(numpy(psnr_loss(*images)), -numpy(psnr(*images)) / 10, atol=1e-3)
    np.testing.assert_allclose(numpy(ssim_loss(*images)), 1 - numpy(ssim(*images)), atol=1e-6)


def test_psnr_loss_of_equal_images_is_finite(images):
    assert numpy(psnr_loss(images[0], images[0])) == pytest.approx(-8)


def test_histogram_loss_is_the_wasserstein_distance_of_the_histograms():
    # Values on the bins themselves: the soft histogram is then the plain one.
    generator = np.random.default_rng(0)
    true, predicted = generator.integers(0, 16, (2, 1, 16, 16, 3)) / np.float32(15)
    predicted = predicted**2
    predicted = np.rint(predicted * 15) / np.float32(15)
    expected = np.mean([wasserstein_distance(true[..., c].ravel(), predicted[..., c].ravel()) for c in range(3)])
    assert float(histogram_loss(true, predicted)[0]) == pytest.approx(expected, rel=1e-4)


def test_histogram_loss_ignores_where_pixels_are(images):
    shuffled = np.random.default_rng(0).permuted(images[0].reshape(5, -1, 3), axis=1)
    order = np.random.default_rng(0).permutation(64 * 64)
    shuffled = images[0].reshape(5, -1, 3)[:, order].reshape(images[0].shape)
    np.testing.assert_allclose(numpy(histogram_loss(images[0], shuffled)), 0, atol=1e-6)
    assert (numpy(histogram_loss(images[0], images[0] * 0.5)) > 0.05).all()


@pytest.mark.parametrize(("weight", "term"), list(zip(WEIGHTS, TERMS, strict=True)))
def test_each_weight_alone_gives_its_own_term(weight, term, images):
    loss = CombinedLoss(**{name: 3.0 * (name == weight) for name in WEIGHTS})
    assert float(loss(*images)) == pytest.approx(3 * float(np.mean(numpy(term(*images)))), rel=1e-5)


def test_combined_loss_is_the_weighted_sum(images):
    weights = dict(zip(WEIGHTS, (500.0, 2.0, 0.5, 7.0), strict=True))
    expected = sum(w * np.mean(numpy(term(*images))) for w, term in zip(weights.values(), TERMS, strict=True))
    assert float(CombinedLoss(**weights)(*images)) == pytest.approx(float(expected), rel=1e-5)


def test_full_loss_is_what_compile_and_fit_use(images):
    loss = CombinedLoss()
    stego, secret = images[1], images[0][::-1]
    revealed = np.clip(secret * 0.9, 0, 1)
    total = np.mean(numpy(full_loss(images[0], stego, secret, revealed, cover_weight=0.3, secret_weight=2.0)))
    assert float(total) == pytest.approx(
        0.3 * float(loss(images[0], stego)) + 2 * float(loss(secret, revealed)), rel=1e-5
    )

    inputs = {name: keras.Input((64, 64, 3), name=name) for name in "ab"}
    model = keras.Model(inputs, {"stego": inputs["a"] * 1.0, "revealed": inputs["b"] * 1.0})
    model.compile(loss={"stego": loss, "revealed": loss}, loss_weights={"stego": 0.3, "revealed": 2.0})
    fitted = model.evaluate({"a": stego, "b": revealed}, {"stego": images[0], "revealed": secret}, verbose=0)
    assert (fitted[0] if isinstance(fitted, list) else fitted) == pytest.approx(float(total), rel=1e-4)


@pytest.mark.parametrize("sigma", [0.01, 0.03])
def test_no_term_drowns_the_others_at_the_default_weights(sigma, pairs):
    true = pairs[0].astype("float32") / 255
    smooth_error = np.random.default_rng(0).normal(0, sigma, (len(true), 16, 16, 3)).repeat(4, 1).repeat(4, 2)
    predicted = np.clip(true + smooth_error, 0, 1).astype("float32")
    defaults = CombinedLoss().get_config()
    sizes = [
        defaults[weight] * np.linalg.norm(gradient(lambda x, term=term: keras.ops.mean(term(true, x)), predicted))
        for weight, term in zip(WEIGHTS, TERMS, strict=True)
    ]
    assert max(sizes) < 20 * min(sizes), dict(zip(WEIGHTS, sizes, strict=True))


def test_combined_loss_survives_its_config():
    loss = CombinedLoss(ssim_weight=4.0, name="other")
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.get_config() == loss.get_config()
