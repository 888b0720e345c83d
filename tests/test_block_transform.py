import keras
import numpy as np
import pytest
from conftest import check_layer, gradient, numpy
from scipy.fft import dctn

from stego_lib.block_transform import (
    CARRIERS,
    COEFFICIENTS,
    PERIODS,
    BlockTransform,
    CarrierEmbedding,
    CarrierPhase,
    InverseBlockTransform,
    component_and_frequency,
)

pytestmark = pytest.mark.backend
rng = np.random.default_rng(0)


def images(*shape):
    return rng.random(shape, dtype=np.float32)


def coefficients(*shape):
    return rng.normal(0, 30, (*shape, COEFFICIENTS)).astype("float32")


@pytest.mark.parametrize(
    ("layer", "inputs", "output_shape"),
    [
        (BlockTransform(), [images(2, 16, 24, 3)], (2, 2, 3, COEFFICIENTS)),
        (InverseBlockTransform(), [coefficients(2, 2, 3)], (2, 16, 24, 3)),
        (CarrierPhase(4), [coefficients(2, 2, 3)], (2, 2, 3, CARRIERS)),
        (
            CarrierEmbedding(),
            [images(2, 16, 24, 3), coefficients(2, 2, 3), images(2, 2, 3, CARRIERS), images(2, 2, 3, CARRIERS)],
            (2, 16, 24, 3),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_layer_keeps_the_contract(layer, inputs, output_shape, tmp_path):
    check_layer(layer, *inputs, output_shape=output_shape, tmp_path=tmp_path)


def test_coefficients_are_those_of_jpeg():
    image = images(1, 8, 16, 3)
    red, green, blue = np.moveaxis(255.0 * image.astype(float), -1, 0)
    planes = [
        0.299 * red + 0.587 * green + 0.114 * blue - 128,
        -0.168736 * red - 0.331264 * green + 0.5 * blue,
        0.5 * red - 0.418688 * green - 0.081312 * blue,
    ]
    expected = np.stack([dctn(plane[0, :, 8:], norm="ortho") for plane in planes])[component_and_frequency()]
    np.testing.assert_allclose(numpy(BlockTransform()(image))[0, 0, 1], expected, atol=2e-2)


def test_coefficients_lead_back_to_the_image():
    x = images(2, 24, 16, 3)
    np.testing.assert_allclose(numpy(InverseBlockTransform()(BlockTransform()(x))), x, atol=1e-5)


def test_every_coefficient_is_there_once_and_low_frequencies_carry():
    component, row, column = component_and_frequency()
    assert len(set(zip(component, row, column, strict=True))) == COEFFICIENTS
    assert (row + column)[:CARRIERS].max() <= 7
    assert {0, 1, 2} == set(component[:CARRIERS])


def test_carriers_stand_for_the_message_at_full_strength():
    cover = 0.3 + 0.4 * images(1, 32, 32, 3)
    message = images(1, 4, 4, CARRIERS)
    before = BlockTransform()(cover)
    stego = CarrierEmbedding()(cover, before, message, np.full_like(message, 20))
    after = numpy(BlockTransform()(stego))
    np.testing.assert_allclose(numpy(CarrierPhase()(after)), np.cos(np.pi * message), atol=0.3)  # 8-bit rounding
    way = np.abs(after - numpy(before))[..., :CARRIERS] / PERIODS
    assert way.max() < 0.55
    assert way.mean() < 0.25


def test_a_carrier_without_strength_stays():
    cover, message = images(1, 16, 16, 3), images(1, 2, 2, CARRIERS)
    stego = numpy(CarrierEmbedding()(cover, BlockTransform()(cover), message, np.full_like(message, -30)))
    np.testing.assert_allclose(stego, np.rint(cover * 255) / 255, atol=1e-6)


def test_the_gradient_of_the_phase_goes_on_over_the_edges_of_periods():
    x = np.linspace(-100, 100, 7, dtype="float32")[:, None, None, None] * np.ones((1, 1, 1, COEFFICIENTS), "float32")
    slope = gradient(lambda x: keras.ops.sum(CarrierPhase()(x)), x)[..., :CARRIERS]
    np.testing.assert_allclose(slope, -2 * np.pi / PERIODS * np.sin(2 * np.pi * x[..., :CARRIERS] / PERIODS), atol=1e-4)
    assert np.abs(slope).max() > 0.1


def test_odd_sizes_are_refused():
    with pytest.raises(ValueError, match="must be multiples of 8"):
        BlockTransform()(images(1, 12, 16, 3))
