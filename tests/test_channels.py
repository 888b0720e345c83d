import io

import keras
import numpy as np
import pytest
from conftest import check_layer, gradient, numpy
from PIL import Image

from stego_lib.channels import JPEG, OneOf, everyday_channel, scaled_table
from stego_lib.jpeg_standard import LUMINANCE_TABLE, cosine_basis

pytestmark = pytest.mark.backend
rng = np.random.default_rng(0)


def images(*shape):
    return rng.random(shape, dtype=np.float32)


def through_pillow(image, quality, subsampling):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize(
    "layer",
    [JPEG((50, 95)), JPEG(90, "4:4:4"), OneOf([JPEG(75), keras.layers.GaussianNoise(0.01, dtype="float32")])],
    ids=["JPEG 4:2:0", "JPEG 4:4:4", "OneOf"],
)
def test_layer_keeps_the_contract(layer, tmp_path):
    check_layer(layer, images(2, 24, 20, 3), output_shape=(2, 24, 20, 3), tmp_path=tmp_path)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("quality", [30, 50, 75, 90, 100])
def test_jpeg_equals_pillow_but_for_its_integer_arithmetic(pairs, quality, subsampling):
    layer = JPEG(quality, subsampling)
    for image in (pairs[0][0], pairs[0][1][:51, :37]):  # sides that blocks do not fill, too
        expected = through_pillow(np.ascontiguousarray(image), quality, subsampling).astype(float)
        values = 255 * numpy(layer(image[None] / np.float32(255)))[0]
        np.testing.assert_allclose(values, np.rint(values), atol=1e-3)
        loss = np.mean((expected - image) ** 2)
        assert np.mean((values - expected) ** 2) < 0.6 + 0.12 * loss
        assert np.mean((values - image) ** 2) == pytest.approx(loss, rel=0.05, abs=0.2)
        assert abs(np.mean(values - expected)) < 0.1


@pytest.mark.parametrize("quality", [1, 25, 49, 50, 51, 75, 95, 100])
def test_tables_are_those_that_pillow_writes(quality):
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
    expected = np.reshape(Image.open(file).quantization[0], (8, 8))
    np.testing.assert_array_equal(numpy(scaled_table(LUMINANCE_TABLE, quality)), expected)


def test_cosine_basis_is_orthonormal():
    np.testing.assert_allclose(cosine_basis() @ cosine_basis().T, np.eye(8), atol=1e-12)


def test_every_image_gets_its_own_quality_in_training_and_the_middle_one_else(pairs):
    same = np.repeat(pairs[0][:1], 32, axis=0) / np.float32(255)
    layer = JPEG((20, 90), seed=0)
    trained = numpy(layer(same, training=True))
    errors = np.mean((trained - same) ** 2, axis=(1, 2, 3))
    assert len(np.unique(errors)) > 16
    for quality, limit in ((20, errors.max()), (90, errors.min())):
        at_limit = np.mean((numpy(JPEG(quality)(same[:1])) - same[:1]) ** 2)
        assert limit == pytest.approx(at_limit, rel=0.3)
    np.testing.assert_allclose(numpy(layer(same[:1])), numpy(JPEG(55)(same[:1])), atol=1e-6)


def test_gradients_pass_straight_through_jpeg():
    inside = 0.4 + 0.2 * images(1, 16, 16, 3)
    slope = gradient(lambda x: keras.ops.sum(JPEG(60, "4:4:4")(x)), inside)
    np.testing.assert_allclose(slope, 1, atol=1e-3)
    slope = gradient(lambda x: keras.ops.sum(JPEG(60, "4:2:0")(x)), inside)
    assert slope.mean() == pytest.approx(1, abs=1e-3)


def test_one_of_gives_every_image_to_one_layer():
    brighter, darker = keras.layers.Rescaling(1, 0.1), keras.layers.Rescaling(1, -0.1)
    layer, x = OneOf([brighter, darker], seed=1), images(64, 2, 2, 3)
    change = numpy(layer(x, training=True)) - x
    np.testing.assert_allclose(np.abs(change), 0.1, atol=1e-6)
    assert np.ptp(change, axis=(1, 2, 3)).max() < 1e-6
    assert 16 < (change[:, 0, 0, 0] > 0).sum() < 48
    np.testing.assert_allclose(numpy(layer(x)) - x, 0.1, atol=1e-6)


def test_the_everyday_channel_leaves_an_image_about_as_it_was(pairs):
    x = pairs[0][:8].repeat(4, axis=0) / np.float32(255)
    channel = everyday_channel()
    changed = numpy(channel(x, training=True))
    assert 15 < -10 * np.log10(np.mean((changed - x) ** 2)) < 40
    np.testing.assert_allclose(numpy(channel(x[:2])), numpy(JPEG(75)(x[:2])), atol=1e-6)


@pytest.mark.parametrize("quality", [0, 101, 75.5, (90, 50), (1, 2, 3), "75"])
def test_wrong_qualities_are_refused(quality):
    with pytest.raises(ValueError, match="`quality` must be"):
        JPEG(quality)


def test_wrong_subsamplings_and_empty_choices_are_refused():
    with pytest.raises(ValueError, match="`subsampling` must be"):
        JPEG(75, "4:1:1")
    with pytest.raises(ValueError, match="`layers` must have"):
        OneOf([])
