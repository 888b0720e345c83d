"""The networks of the codec: the context model, in fixed point, and the synthesis network."""

import keras
import numpy as np
from keras import ops

from stego_lib.codec.fixed_point import KERNEL_GRID, KERNEL_LIMIT, LARGEST_SUM, LIMIT, UNIT, FixedPointConv2D
from stego_lib.codec.passes import FIRST, channel_groups
from stego_lib.codec.scaling import OCTAVES, STEPS


class ContextModel:
    """Predicts the distribution of every latent from those that are decoded already: see `passes`.

    Args:
        deviations: Standard deviations of the channels of the latents, in grey levels.
        octaves: Their logarithms to base 2, multiples of 1/64.
        filters: Filters of every convolution. Defaults to `96`.
    """

    def __init__(self, deviations, octaves, filters=96):
        self.deviations, self.octaves, self.filters = np.float32(deviations), np.float32(octaves), filters
        self.coarse = [
            _predictor(3 * FIRST + 3, filters, outputs=2 * FIRST, name="coarse_0"),
            _predictor(4 * FIRST + 3, filters, outputs=4 * FIRST, name="coarse_1"),
        ]
        self.stages, self.seconds = [], []
        channels = 12 * FIRST  # values and two slopes, in four phases
        for number, group in enumerate(np.diff(channel_groups(len(self.deviations))[1:]).tolist()):
            self.stages.append(
                _stage(channels + 2, filters, outputs=4 * group, name=f"stage_{number}", has_state=number > 0)
            )
            self.seconds.append(
                _predictor(filters + 4 * group + 2, filters, outputs=4 * group, name=f"second_{number}")
            )
            channels = 8 * group  # two features in four phases
        self.networks = [*self.coarse, *self.stages, *self.seconds]

    def fixed_point(self):
        """Collects kernels and biases as integers, in units of 1/256 and 1/16384.

        Returns:
            Dictionary of integer arrays.
        """
        return {
            f"{network.name}_{number}": np.rint(ops.convert_to_numpy(weight) * _unit(weight)).astype(
                "int16" if len(weight.shape) == 4 else "int32"
            )
            for network in self.networks
            for number, weight in enumerate(network.weights)
        }

    def set_fixed_point(self, content):
        """Sets kernels and biases, which are not trained any more.

        Args:
            content: Dictionary that has what `fixed_point` returns.

        Raises:
            ValueError: If a sum could grow too large to be exact.
        """
        for network in self.networks:
            names = [f"{network.name}_{number}" for number in range(len(network.weights))]
            network.trainable = False
            network.set_weights([content[name] / np.float32(_unit(content[name])) for name in names])
            for kernel, bias in zip(names[::2], names[1::2], strict=True):
                largest = LIMIT * np.abs(content[kernel].astype("int64")).sum((0, 1, 2)) + np.abs(content[bias])
                too_large = np.abs(content[kernel]).max() > KERNEL_LIMIT * KERNEL_GRID
                if too_large or largest.max() >= LARGEST_SUM * KERNEL_GRID:
                    raise ValueError(f"{kernel} could make sums that are not exact")


def _unit(weight):
    return KERNEL_GRID if len(weight.shape) == 4 else KERNEL_GRID * UNIT


def _predictor(channels, filters, *, outputs, name):
    """What is known -> parameters of the distributions of one pass."""
    known = _input(channels)
    x = _residual_block(FixedPointConv2D(filters, 3, "relu")(known))
    return keras.Model([known], _parameters(x, outputs), name=name)


def _stage(channels, filters, *, outputs, name, has_state):
    """State and the group decoded last -> new state, and parameters of the first pass of the next group."""
    if has_state:
        inputs = [_input(filters), _input(channels)]
        y = FixedPointConv2D(filters, 3, "relu")(ops.concatenate(inputs, -1))
        x = _clipped_sum(inputs[0], FixedPointConv2D(filters, 3, "linear", _small())(y))
    else:
        inputs = [_input(channels)]
        x = FixedPointConv2D(filters, 3, "relu")(inputs[0])
    x = _residual_block(x)
    return keras.Model(inputs, [x, _parameters(FixedPointConv2D(filters, 3, "relu")(x), outputs)], name=name)


def _input(channels, **options):
    return keras.Input((None, None, channels), dtype="float32", **options)  # whatever the policy


def _residual_block(x):
    y = FixedPointConv2D(x.shape[-1], 3, "relu")(x)
    return _clipped_sum(x, FixedPointConv2D(x.shape[-1], 3, "linear", _small())(y))


def _clipped_sum(x, y):
    return ops.clip(x + y, -LIMIT, LIMIT)


def _parameters(x, outputs):
    return FixedPointConv2D(outputs, 1, None, _tiny(), name="parameters")(x)


def _small():
    return keras.initializers.VarianceScaling(0.2)


def _tiny():
    return keras.initializers.RandomNormal(stddev=1e-2)


def build_synthesis(deviations, *, filters=48, num_blocks=2):
    """Builds the network that refines quantized latents before they are transformed back.

    Steps finer than half a grey level are left as they are, so that an image comes back exactly.

    Args:
        deviations: Standard deviations of the channels of the latents.
        filters: Filters of every convolution. Defaults to `48`.
        num_blocks: Residual blocks. Defaults to `2`.

    Returns:
        Model from `values`, `(batch, height, width, channels)` in units of the step, and `index` of the step,
        `(batch,)`, to latents in grey levels, same shape as the values.
    """
    depth = len(deviations)
    values = _input(depth, name="values")
    index = keras.Input((), dtype="int32", name="index")
    step = ops.reshape(ops.take(STEPS, index), (-1, 1, 1, 1))
    octave = ops.reshape(ops.take(OCTAVES, index), (-1, 1, 1, 1))
    size = ops.sqrt(ops.abs(values) * (step / np.float32(deviations)))
    features = [ops.sign(values) * ops.minimum(size, 8.0), ops.clip(values / 4, -2.0, 2.0)]
    x = ops.concatenate([*features, ops.ones_like(values[..., :1]) * octave], -1)
    x = _convolution(filters, "features")(x)
    for number in range(num_blocks):
        y = _convolution(filters, f"block_{number}_0", activation="relu")(x)
        x += _convolution(filters, f"block_{number}_1", kernel_initializer=_small())(y)
    correction = _convolution(depth, "correction", kernel_initializer=_tiny())(x)
    latents = values * step + correction * ops.where(step < 0.5, 0.0, step)
    return keras.Model([values, index], latents, name="synthesis")


def _convolution(filters, name, **options):
    return keras.layers.Conv2D(filters, 3, padding="same", dtype="float32", name=name, **options)
