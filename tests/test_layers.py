import keras
import numpy as np
import pytest
from conftest import check_layer, gradient, numpy

from stego_lib.layers import (
    EightBit,
    ModularEmbedding,
    MultiKernelConv,
    Phase,
    ResidualEmbedding,
    SpaceToDepth,
    SubPixel,
    message_limit,
)

pytestmark = pytest.mark.backend
rng = np.random.default_rng(0)


def images(*shape):
    return rng.random(shape, dtype=np.float32)


@pytest.mark.parametrize(
    ("layer", "inputs", "output_shape"),
    [
        (SubPixel(2), [images(2, 4, 5, 12)], (2, 8, 10, 3)),
        (SpaceToDepth(2), [images(2, 8, 10, 3)], (2, 4, 5, 12)),
        (MultiKernelConv(8), [images(2, 8, 9, 3)], (2, 8, 9, 8)),
        (EightBit(), [images(2, 8, 9, 3)], (2, 8, 9, 3)),
        (Phase(8), [images(2, 8, 9, 3)], (2, 8, 9, 3)),
        (ResidualEmbedding(), [images(2, 8, 9, 3), images(2, 8, 9, 3) * 0.1], (2, 8, 9, 3)),
        (ModularEmbedding(8), [images(2, 8, 9, 3), images(2, 8, 9, 3) * 0.4], (2, 8, 9, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_layer_keeps_the_contract(layer, inputs, output_shape, tmp_path):
    check_layer(layer, *inputs, output_shape=output_shape, tmp_path=tmp_path)


def test_sub_pixel_equals_a_transpose():
    x = images(2, 3, 4, 12)
    expected = x.reshape(2, 3, 4, 2, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(2, 6, 8, 3)
    np.testing.assert_array_equal(numpy(SubPixel(2)(x)), expected)


def test_sub_pixel_equals_tensorflow():
    tf = pytest.importorskip("tensorflow")
    x = images(2, 3, 4, 27)
    np.testing.assert_array_equal(numpy(SubPixel(3)(x)), tf.nn.depth_to_space(x, 3))
    x = images(2, 6, 9, 3)
    np.testing.assert_array_equal(numpy(SpaceToDepth(3)(x)), tf.nn.space_to_depth(x, 3))


@pytest.mark.parametrize("block_size", [2, 4])
def test_space_to_depth_is_the_inverse_of_sub_pixel(block_size):
    x = images(2, 8, 8, 3)
    np.testing.assert_array_equal(numpy(SubPixel(block_size)(SpaceToDepth(block_size)(x))), x)


def test_multi_kernel_shares_its_filters_out():
    layer = MultiKernelConv(8, kernel_sizes=(1, 3, 5))
    layer.build((None, None, None, 3))
    kernels = [tuple(weight.shape) for weight in layer.weights if len(weight.shape) == 4]
    assert kernels == [(1, 1, 3, 3), (3, 3, 3, 3), (5, 5, 3, 2)]


def test_multi_kernel_equals_its_convolutions_side_by_side():
    layer, x = MultiKernelConv(7, kernel_sizes=(3, 5), activation=None), images(1, 9, 9, 2)
    expected = []
    output = numpy(layer(x))
    for convolution in layer.convolutions:
        kernel = numpy(convolution.kernel)
        radius = kernel.shape[0] // 2
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, ((0, 0), (radius, radius), (radius, radius), (0, 0))), kernel.shape[:2], axis=(1, 2)
        )
        expected.append(np.einsum("nhwcij,ijcf->nhwf", windows, kernel))
    np.testing.assert_allclose(output, np.concatenate(expected, axis=-1), atol=1e-5)


def test_eight_bit_gives_what_a_png_holds():
    x = rng.normal(0.5, 0.5, (1, 16, 16, 3)).astype("float32")
    expected = np.clip(np.rint(x * 255), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(np.rint(numpy(EightBit()(x)) * 255).astype(np.uint8), expected)
    np.testing.assert_allclose(numpy(EightBit()(x)), expected / np.float32(255), atol=1e-7)


def test_eight_bit_passes_gradients_inside_the_range_only():
    x = np.array([-0.3, 0.2, 0.701, 1.4], "float32")
    slope = gradient(lambda x: keras.ops.sum(EightBit()(x)), x)
    np.testing.assert_allclose(slope, [0, 1, 1, 0], atol=1e-6)


@pytest.mark.parametrize("layer", [EightBit(), Phase(), ResidualEmbedding(), ModularEmbedding()])
def test_rounding_stays_in_float32_under_mixed_precision(layer):
    keras.mixed_precision.set_global_policy("mixed_float16")
    assert type(layer)().compute_dtype == "float32"


@pytest.mark.parametrize("period", [2, 4, 8, 16])
def test_phase_has_one_level_for_each_value_of_a_period(period):
    phase = numpy(Phase(period)(np.arange(256, dtype="float32") / 255))
    value = (np.arange(256) + 0.5) / period
    np.testing.assert_allclose(phase, value - np.rint(value), atol=1e-4)
    assert len(np.unique(np.round(phase, 3))) == period
    assert np.abs(phase).max() <= message_limit(period) + 1e-4


@pytest.mark.parametrize("period", [2, 4, 8, 16])
def test_phase_of_the_stego_is_the_message(period):
    cover = rng.integers(0, 256, (4, 16, 16, 3)) / np.float32(255)
    levels = (rng.integers(0, period, cover.shape) + 0.5) / period - 0.5
    stego = numpy(ModularEmbedding(period)(cover, levels.astype("float32")))
    np.testing.assert_allclose(numpy(Phase(period)(stego)), levels, atol=1e-4)


@pytest.mark.parametrize("value", [0, 1, 3, 128, 252, 255])
def test_modular_embedding_stays_in_range_and_near_the_cover(value):
    cover = np.full((1, 8, 8, 3), value / 255, "float32")
    message = rng.uniform(-1, 1, cover.shape).astype("float32")
    stego = 255 * numpy(ModularEmbedding(8)(cover, message))
    assert stego.min() >= -1e-3
    assert stego.max() <= 255 + 1e-3
    np.testing.assert_allclose(stego, np.rint(stego), atol=1e-3)
    assert np.abs(stego - value).max() <= (4 if 4 <= value <= 251 else 8) + 1e-3


@pytest.mark.parametrize(("period", "expected"), [(4, 46.4), (8, 40.7), (16, 34.7)])
def test_period_sets_the_quality_of_the_cover(period, expected):
    cover = rng.integers(20, 236, (4, 64, 64, 3)) / np.float32(255)
    message = rng.uniform(-0.5, 0.5, cover.shape).astype("float32")
    stego = numpy(ModularEmbedding(period)(cover, message))
    assert -10 * np.log10(np.mean((stego - cover) ** 2)) == pytest.approx(expected, abs=0.4)


def test_gradients_pass_straight_through_the_rounding():
    cover = rng.integers(20, 236, (1, 4, 4, 3)) / np.float32(255)
    message = rng.uniform(-0.3, 0.3, cover.shape).astype("float32")
    slope = gradient(lambda message: keras.ops.sum(ModularEmbedding(8)(cover, message)), message)
    np.testing.assert_allclose(slope, 8 / 255, rtol=1e-4)
    slope = gradient(lambda image: keras.ops.sum(Phase(8)(image)), cover)
    np.testing.assert_allclose(slope, 255 / 8, rtol=1e-4)


def test_residual_embedding_is_the_rounded_sum():
    cover, residual = images(1, 8, 8, 3), rng.normal(0, 0.2, (1, 8, 8, 3)).astype("float32")
    expected = np.rint(np.clip(cover + residual, 0, 1) * 255)
    np.testing.assert_allclose(255 * numpy(ResidualEmbedding()(cover, residual)), expected, atol=1e-3)


@pytest.mark.parametrize(
    "build",
    [
        lambda: SubPixel(0),
        lambda: SubPixel(2)(np.zeros((1, 4, 4, 6))),
        lambda: SpaceToDepth(1.5),
        lambda: SpaceToDepth(2)(np.zeros((1, 5, 4, 3))),
        lambda: MultiKernelConv(2),
        lambda: MultiKernelConv(2, kernel_sizes=()),
        lambda: Phase(7),
        lambda: ModularEmbedding(-8),
        lambda: ModularEmbedding(512),
    ],
)
def test_wrong_arguments_are_refused_with_what_was_received(build):
    with pytest.raises(ValueError, match="Received: "):
        build()
