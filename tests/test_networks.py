import keras
import numpy as np
import pytest
from conftest import gradient, numpy

from stego_lib.codec.fixed_point import LIMIT, Exactness, FixedPointConv2D, KernelSum
from stego_lib.codec.networks import ContextModel, build_synthesis
from stego_lib.codec.passes import channel_groups
from stego_lib.codec.rate_model import RateModel
from stego_lib.codec.scaling import OCTAVES, STEPS, integer_scaling

pytestmark = pytest.mark.backend


DEVIATIONS = np.geomspace(400, 3, 48).astype("float32")


@pytest.fixture(scope="module")
def rate_model():
    keras.utils.set_random_seed(0)
    octaves = np.rint(np.log2(DEVIATIONS) * 64) / 64
    return RateModel(ContextModel(DEVIATIONS, octaves, filters=8))


def test_fixed_point_convolution_is_exact():
    generator = np.random.default_rng(0)
    x = generator.integers(-LIMIT, LIMIT + 1, (2, 9, 9, 40)).astype("float32")
    layer = FixedPointConv2D(7, 3, None)
    layer.build(x.shape)
    layer.bias.assign(generator.normal(size=7))
    kernel = np.rint(numpy(layer.kernel).astype("float64") * 256)
    bias = np.rint(numpy(layer.bias).astype("float64") * 2**14)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).astype("int64")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    expected = (np.einsum("bhwcij,ijcf->bhwf", windows, kernel.astype("int64")) + bias + 0.5) / 256
    np.testing.assert_array_equal(numpy(layer(x)), expected)


@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_fixed_point_activations_are_integers_within_the_limit(activation):
    x = np.random.default_rng(0).integers(-LIMIT, LIMIT + 1, (1, 8, 8, 3)).astype("float32")
    y = numpy(FixedPointConv2D(4, 3, activation, keras.initializers.RandomNormal(stddev=2.0))(x))
    np.testing.assert_array_equal(y, np.rint(y))
    assert y.min() == (0 if activation == "relu" else -LIMIT)
    assert y.max() == LIMIT


def test_fixed_point_convolution_passes_gradients_and_is_rebuilt_from_its_config():
    x = np.random.default_rng(0).integers(-9, 10, (1, 8, 8, 3)).astype("float32")
    layer = FixedPointConv2D(4, 3)
    assert np.abs(gradient(lambda x: keras.ops.sum(layer(x)), x)).max() > 0
    assert FixedPointConv2D.from_config(layer.get_config()).get_config() == layer.get_config()
    with pytest.raises(ValueError, match="activation"):
        FixedPointConv2D(4, 3, "tanh")


def test_a_machine_that_convolves_in_less_than_float32_is_noticed(monkeypatch):
    kernel = np.random.default_rng(1).integers(-31, 32, (3, 3, 96, 8)).astype("int16")
    Exactness(kernel).check((1, 12, 20))
    convolve = keras.ops.conv

    def imprecise(inputs, kernel, padding):
        half = (keras.ops.cast(x, "bfloat16") for x in (inputs, kernel))
        return keras.ops.cast(convolve(*half, padding=padding), "float32")

    monkeypatch.setattr(keras.ops, "conv", imprecise)
    with pytest.raises(RuntimeError, match="does not convolve in float32"):
        Exactness(kernel).check((1, 12, 20))


def test_kernels_stay_small_enough_for_exact_sums():
    kernel = numpy(KernelSum()(np.random.default_rng(0).normal(size=(3, 3, 64, 5)) * 3))
    assert np.abs(kernel).sum((0, 1, 2)).max() <= 56.001
    small = np.full((3, 3, 1, 1), 0.5, "float32")
    np.testing.assert_allclose(numpy(KernelSum()(small)), small)


def test_a_kernel_that_is_not_exact_is_refused(rate_model):
    content = rate_model.context.fixed_point()
    rate_model.context.set_fixed_point(content)
    name = "stage_1_2"
    assert content[name].ndim == 4
    with pytest.raises(ValueError, match=name):
        rate_model.context.set_fixed_point({**content, name: np.full_like(content[name], 900)})


def test_steps_do_not_depend_on_how_a_machine_rounds():
    exact = 2.0 ** np.float64(OCTAVES) * 2**16
    assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-6
    assert STEPS[0] == 1 / 16
    assert (np.diff(STEPS) > 0).all()


def test_integer_scaling_does_not_depend_on_how_a_machine_rounds():
    for index in (0, 200, 768):
        gains, origins = integer_scaling(index, DEVIATIONS, np.rint(np.log2(DEVIATIONS) * 64) / 64)
        exact = 8 * np.float64(DEVIATIONS) / np.float64(STEPS[index]) / 2**15 * 2.0**32
        np.testing.assert_array_less(np.abs(gains - exact), 0.5 + 1e-6)
        assert origins.tolist() == np.rint(64 * (np.log2(DEVIATIONS) - OCTAVES[index])).tolist()


def test_every_group_has_as_many_channels_as_all_before_it():
    assert channel_groups(48) == (0, 3, 6, 12, 24, 48)
    assert channel_groups(192)[-3:] == (48, 96, 192)


@pytest.mark.slow
def test_rate_falls_with_the_step_and_has_gradients_for_every_network(rate_model, eager):
    latents = np.random.default_rng(0).normal(size=(3, 16, 16, 48)).astype("float32") * DEVIATIONS
    index = np.array([200, 330, 460], "int32")
    bits = numpy(rate_model({"latents": latents, "index": index}))
    assert bits.shape == (3,)
    assert bits[0] > bits[1] > bits[2] > 0

    before = [numpy(weight) for weight in rate_model.trainable_variables]
    rate_model.compile("sgd", loss=lambda targets, outputs: keras.ops.mean(outputs))
    rate_model.fit({"latents": latents, "index": index}, np.zeros(3), verbose=0)
    changed = [
        not np.array_equal(numpy(weight), value)
        for weight, value in zip(rate_model.trainable_variables, before, strict=True)
    ]
    assert np.mean(changed) > 0.9


def test_synthesis_begins_near_the_quantized_latents_and_leaves_fine_steps_alone():
    synthesis = build_synthesis(DEVIATIONS, filters=8, num_blocks=1)
    values = np.random.default_rng(0).integers(-3, 4, (2, 6, 5, 48)).astype("float32")
    index = np.array([100, 400], "int32")
    latents = numpy(synthesis([values, index]))
    np.testing.assert_allclose(latents[0], values[0] * STEPS[100], rtol=1e-6)
    correction = np.abs(latents[1] - values[1] * STEPS[400])
    assert 0 < correction.max() < STEPS[400]
