"""The networks of the codec: the transform, the context model in fixed point, and the synthesis network."""

import functools

import keras
import numpy as np
from keras import ops

from stego_lib.devices import check_keras, jit_compile
from stego_lib.layers import rounded

BLOCK = 4  # side of a block of the transform, in pixels
DEPTH = 3 * BLOCK**2
GROUPS = (0, 3, 6, 12, 24, 48)  # the channels of the latents are coded in these groups
LATTICES = (8, 4, 2, 1)  # spacings at which the first group is coded, from coarse to fine
PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))  # of 2x2 latents; the first two are coded before the last two
OCTAVES = np.arange(-256, 449, dtype="float32") / 64
STEPS = np.rint(2.0 ** np.float64(OCTAVES) * 2**16).astype("float32") / 2**16  # in grey levels: 1/16 to 127
FRACTIONS = 8  # a mean is rounded to eighths of the step
SCALES = 2.0 ** (np.arange(72) / 6 - 4)  # of the distribution of a latent, in units of STEPS
MULTIPLIER = 0.37  # a bit is worth as much as this squared error, in units of the squared step

UNIT = 64  # activations are integers: this one stands for 1
LIMIT = 512  # and this is the largest
KERNEL_GRID = 256  # kernels are multiples of 1/256
KERNEL_LIMIT = 4.0
KERNEL_SUM = 56.0  # the absolute kernels of one filter add up to no more


@keras.saving.register_keras_serializable(package="stego_lib")
class KernelSum(keras.constraints.Constraint):
    """Keeps kernels within +-4, and the sum of the absolute values of every filter at 56 or below."""

    def __call__(self, kernel):
        kernel = ops.clip(kernel, -KERNEL_LIMIT, KERNEL_LIMIT)
        total = ops.sum(ops.abs(kernel), axis=(0, 1, 2), keepdims=True)
        return kernel * ops.minimum(1.0, KERNEL_SUM / ops.maximum(total, 1.0))


@keras.saving.register_keras_serializable(package="stego_lib")
class FixedPointConv2D(keras.layers.Layer):
    """A convolution that computes exactly the same on every machine.

    Activations are integers within +-512 that stand for multiples of 1/64; kernels are multiples of 1/256. So every
    product is a multiple of 1/256, and their sum stays below 2^15: it is exact in float32, whatever the order in which
    a backend adds. Half a unit of that grid in the bias keeps sums off the ties of the rounding that follows, so that
    even an approximate convolution (Winograd, TF32) is rounded to the same integer. In training, rounding passes
    gradients straight through.

    Args:
        filters: Number of output channels.
        kernel_size: Side of the kernel.
        activation: `"relu"` or `"linear"`, both rounded and clipped to +-512, or `None` for the sums as they are.
            Defaults to `"linear"`.
        kernel_initializer: Defaults to `"he_normal"`.
        **kwargs: Other arguments of `keras.layers.Layer`; computed in float32 whatever the policy.

    Input shape:
        `(batch, height, width, channels)`, integers in float32.

    Output shape:
        `(batch, height, width, filters)`, integers in float32; without activation, odd multiples of 1/512.

    Raises:
        ValueError: If the activation is unknown.
    """

    def __init__(self, filters, kernel_size, activation="linear", kernel_initializer="he_normal", **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if activation not in ("relu", "linear", None):
            raise ValueError(f"`activation` must be 'relu', 'linear' or None. Received: activation={activation}")
        self.filters, self.kernel_size, self.activation = filters, kernel_size, activation
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
            constraint=KernelSum(),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs):
        kernel = rounded(self.kernel * KERNEL_GRID) / KERNEL_GRID
        bias = (rounded(self.bias * (UNIT * KERNEL_GRID)) + 0.5) / KERNEL_GRID
        sums = ops.conv(inputs, kernel, padding="same") + bias
        if self.activation is None:
            return sums
        return ops.clip(rounded(sums), 0 if self.activation == "relu" else -LIMIT, LIMIT)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "activation": self.activation,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@functools.cache
def check_exactness():
    """Makes sure that this machine and backend convolve in float32, and not in less behind the scenes.

    Raises:
        RuntimeError: If a `FixedPointConv2D` is not exact: streams could not be read elsewhere.
    """
    check_keras()
    generator = np.random.default_rng(0)
    known = generator.integers(-LIMIT, LIMIT + 1, (1, 8, 8, 96))
    kernel, bias = generator.integers(-31, 32, (3, 3, 96, 8)), generator.integers(-9999, 9999, 8)
    network = keras.Sequential([keras.Input((None, None, 96)), FixedPointConv2D(8, 3, None)])
    network.set_weights([kernel / np.float32(KERNEL_GRID), bias / np.float32(KERNEL_GRID * UNIT)])
    network.compile(jit_compile=jit_compile())
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(known, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (1, 2))
    expected = (np.einsum("bhwcij,ijcf->bhwf", windows, kernel) + bias + 0.5) / KERNEL_GRID
    if not np.array_equal(network.predict_on_batch(known.astype("float32")), expected):
        raise RuntimeError("This machine does not convolve in float32: switch off bfloat16 and the like for the codec.")


def _small():
    return keras.initializers.VarianceScaling(0.2)


def _residual_block(x):
    y = FixedPointConv2D(x.shape[-1], 3, "relu")(x)
    return ops.clip(x + FixedPointConv2D(x.shape[-1], 3, "linear", _small())(y), -LIMIT, LIMIT)


def _tiny():
    return keras.initializers.RandomNormal(stddev=1e-2)


def _parameters(x, outputs):
    return FixedPointConv2D(outputs, 1, None, _tiny(), name="parameters")(x)


def _predictor(channels, filters, outputs, name):
    """What is known -> parameters of the distributions of one pass."""
    known = keras.Input((None, None, channels))
    x = _residual_block(FixedPointConv2D(filters, 3, "relu")(known))
    return keras.Model([known], _parameters(x, outputs), name=name)


def _stage(channels, filters, outputs, name, has_state):
    """State and the group decoded last -> new state, and parameters of the first pass of the next group."""
    inputs = [keras.Input((None, None, channels))]
    if has_state:
        inputs.insert(0, keras.Input((None, None, filters)))
        y = FixedPointConv2D(filters, 3, "relu")(ops.concatenate(inputs, -1))
        x = ops.clip(inputs[0] + FixedPointConv2D(filters, 3, "linear", _small())(y), -LIMIT, LIMIT)
    else:
        x = FixedPointConv2D(filters, 3, "relu")(inputs[0])
    x = _residual_block(x)
    return keras.Model(inputs, [x, _parameters(FixedPointConv2D(filters, 3, "relu")(x), outputs)], name=name)


class ContextModel(keras.Model):
    """Predicts the distribution of every latent from those that are decoded already.

    Args:
        deviations: Standard deviations of the 48 channels of the latents, in grey levels.
        octaves: Their logarithms to base 2, multiples of 1/64.
        filters: Filters of every convolution. Defaults to `96`.
    """

    def __init__(self, deviations, octaves, filters=96, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.deviations, self.octaves = filters, np.float32(deviations), np.float32(octaves)
        n = GROUPS[1]
        self.coarse = [
            _predictor(3 * n + 3, filters, 2 * n, "coarse_0"),
            _predictor(4 * n + 3, filters, 4 * n, "coarse_1"),
        ]
        self.stages, self.seconds = [], []
        channels = 12 * n
        for index, n in enumerate(np.diff(GROUPS[1:])):
            n = int(n)
            self.stages.append(_stage(channels + 2, filters, 4 * n, f"stage_{index}", index > 0))
            self.seconds.append(_predictor(filters + 4 * n + 2, filters, 4 * n, f"second_{index}"))
            channels = 8 * n
        self.networks = [*self.coarse, *self.stages, *self.seconds]
        self.built = True

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
        """Sets kernels and biases.

        Args:
            content: Dictionary that has what `fixed_point` returns.

        Raises:
            ValueError: If a sum could grow too large to be exact.
        """
        for network in self.networks:
            names = [f"{network.name}_{number}" for number in range(len(network.weights))]
            network.set_weights([content[name] / np.float32(_unit(content[name])) for name in names])
            for kernel, bias in zip(names[::2], names[1::2], strict=True):
                largest = LIMIT * np.abs(content[kernel].astype("int64")).sum((0, 1, 2)) + np.abs(content[bias])
                if largest.max() >= 2**15 * KERNEL_GRID or np.abs(content[kernel]).max() > KERNEL_LIMIT * KERNEL_GRID:
                    raise ValueError(f"{kernel} could make sums that are not exact")

    def go_through(self, index, shape, apply, decide, ops=ops, keep=lambda activations: activations):
        """Goes through the passes in which images are coded.

        Args:
            index: Of the step of every image, shape `(batch,)`.
            shape: Batch, height and width of the latents, both sides multiples of 16.
            apply: Called with one of the networks and its inputs, each a list of arrays to be concatenated; returns
                what the network says.
            decide: Called before every pass with its places, a list of slices of rows, columns and channels, and a
                function of a slice of these rows. It returns the distributions there, a list of means (in units of the
                step) and scales (as an index of `SCALES`, not rounded). `decide` returns the list of values there.
            ops: `keras.ops`, or `numpy` for what must be the same on every machine. Defaults to `keras.ops`.
            keep: Called with all activations that have to be kept for long, integers; may return them in a smaller
                type. Defaults to returning them as they are.
        """
        step = ops.reshape(ops.take(STEPS, index), (-1, 1, 1, 1))
        octave = ops.reshape(ops.take(OCTAVES, index), (-1, 1, 1, 1))
        constants = [np.float32(UNIT), octave * np.float32(UNIT)]

        def companded(x, a, b):
            size = ops.sqrt(ops.abs(x) * (step / self.deviations[a:b])) * UNIT
            return ops.clip(ops.round(ops.sign(x) * size), -LIMIT, LIMIT)

        def features(x, a, b):
            return [keep(companded(x, a, b)), keep(ops.clip(x * (UNIT // 4), -LIMIT, LIMIT))]

        def planes(like, values):
            return [ops.ones_like(like[..., :1]) * value for value in values]

        def distributions(parameters, a, b, bases=None):
            gain = self.deviations[a:b] / step / UNIT
            offset = 6 * (self.octaves[a:b] - octave) + 18
            n = b - a

            def in_rows(rows):
                found = []
                for number in range(parameters.shape[-1] // (2 * n)):
                    mean, scale = (parameters[:, rows, :, i : i + n] for i in (2 * number * n, (2 * number + 1) * n))
                    base = 0 if bases is None else bases[number][:, rows]
                    found.append((mean * gain + base, scale * (12 / UNIT) + offset))
                return found

            return in_rows

        # The first group is coded as an image of its own: blind where it is coarsest, then between what is known.
        n = GROUPS[1]
        channels = slice(0, n)
        batch, height, width = shape
        every = slice(None, None, 2 * LATTICES[0])
        blind = ops.zeros((batch, height // every.step, width // every.step, 2 * n), "float32")
        (known,) = decide([(every, every, channels)], distributions(blind, 0, n))
        for level, spacing in enumerate(LATTICES):
            even, odd = slice(None, None, 2 * spacing), slice(spacing, None, 2 * spacing)
            right, below = _next(known, 2, ops), _next(known, 1, ops)
            base = (known + right + below + _next(right, 1, ops)) / 4
            seen = [companded(x, 0, n) for x in (known, right - known, below - known)]
            seen += planes(known, [*constants, np.float32(level * UNIT)])
            parameters = apply(self.coarse[0], seen)
            (middle,) = decide([(odd, odd, channels)], distributions(parameters, 0, n, (base,)))
            bases = (known + right + middle + _previous(middle, 1, ops)) / 4
            bases = bases, (known + below + middle + _previous(middle, 2, ops)) / 4
            parameters = apply(self.coarse[1], [*seen, companded(middle - base, 0, n)])
            sides = decide([(even, odd, channels), (odd, even, channels)], distributions(parameters, 0, n, bases))
            pairs = ops.stack([ops.stack([known, sides[0]], 3), ops.stack([sides[1], middle], 3)], 2)
            known = ops.reshape(pairs, (batch, height // spacing, width // spacing, n))

        # The other groups, each in two passes; the state carries what the earlier ones have told.
        seen = [companded(x, 0, n) for x in (known, _next(known, 2, ops) - known, _next(known, 1, ops) - known)]
        own = [x[:, i::2, j::2] for i, j in PHASES for x in seen]
        constants = planes(own[0], constants)
        state = None
        for stage, second, a, b in zip(self.stages, self.seconds, GROUPS[1:], GROUPS[2:], strict=False):
            own += constants
            state, parameters = apply(stage, own) if state is None else apply(stage, [state], own)
            own = []
            for phases in (PHASES[:2], PHASES[2:]):
                if own:
                    parameters = apply(second, [state, *own, *constants])
                places = [(slice(i, None, 2), slice(j, None, 2), slice(a, b)) for i, j in phases]
                values = decide(places, distributions(parameters, a, b))
                del parameters  # they are large
                own += [x for value in values for x in features(value, a, b)]


def _unit(weight):
    return KERNEL_GRID if len(weight.shape) == 4 else KERNEL_GRID * UNIT


def _next(x, axis, ops):
    """The next neighbours along an axis; the last has itself."""
    before = (slice(None),) * axis
    return ops.concatenate([x[(*before, slice(1, None))], x[(*before, slice(-1, None))]], axis)


def _previous(x, axis, ops):
    before = (slice(None),) * axis
    return ops.concatenate([x[(*before, slice(0, 1))], x[(*before, slice(0, -1))]], axis)


class RateModel(keras.Model):
    """Bits per sample of photographs: the loss that the context model is trained on.

    While training, a latent is quantized to even or to odd values at random, as the trellis will have it, and to a
    smaller value where that saves more bits than it costs in error.

    Args:
        analysis: Layer made by `build_analysis`.
        context: `ContextModel`.
        seed: Of the random quantizers. Defaults to `0`.

    Input shape:
        Dictionary of `image`, float32 in [0, 1] of shape `(batch, height, width, 3)`, sides multiples of 64, and
        `index`, the index of each image's step in `STEPS`, int32 of shape `(batch,)`.

    Output shape:
        `(batch,)`, bits per sample; lower is better.
    """

    def __init__(self, analysis, context, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.analysis, self.context = analysis, context
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.mixture_weights = self.add_weight(shape=(2, 3), initializer="zeros", name="mixture")
        self.built = True

    def call(self, inputs):
        image, index = inputs["image"], inputs["index"]
        latents = self.analysis(image) / ops.reshape(ops.take(STEPS, index), (-1, 1, 1, 1))
        total = 0.0

        def decide(places, distributions):
            nonlocal total
            values = []
            for place, (mean, scale) in zip(places, distributions(slice(None)), strict=True):
                value, bits = self._quantized(latents[:, *place], mean, scale)
                values.append(value)
                total += ops.sum(bits, axis=(1, 2, 3))
            return values

        shape = ops.shape(latents)[:3]

        def apply(network, *inputs):
            return network([ops.concatenate(parts, -1) for parts in inputs])

        self.context.go_through(index, shape, apply, decide)
        return total / (image.shape[1] * image.shape[2] * image.shape[3])

    def mixture(self):
        """Weights of the three logistic distributions that are mixed, and the ratios of their scales to the scale."""
        weights = ops.softmax(self.mixture_weights[0] * 10 + np.array([0, 0, -2], "float32"))
        return weights, ops.exp(self.mixture_weights[1] * 10 + np.array([-0.4, 0.4, 1.5], "float32"))

    def _quantized(self, latents, mean, scale):
        centre = ops.stop_gradient(ops.round(mean))
        shift = centre - rounded(mean * FRACTIONS) / FRACTIONS
        x = latents - centre
        size = ops.abs(x)
        odd = keras.random.uniform(ops.shape(mean), seed=self.seed_generator) < 0.5
        one = ops.cast(odd, "float32")
        nearest = ops.where(odd & (size < 0.5), 0.0, ops.round((size + one) / 2))
        values = [ops.sign(x) * ops.maximum(2 * k - one, 0) for k in (nearest, ops.maximum(nearest - 1, 0))]
        bits = [self._bits(value, odd, shift, scale) for value in values]
        costs = [(x - value) ** 2 + MULTIPLIER * cost for value, cost in zip(values, bits, strict=True)]
        smaller = costs[1] < costs[0]
        return centre + ops.where(smaller, values[1], values[0]), ops.where(smaller, bits[1], bits[0])

    def _bits(self, values, odd, shift, scale):
        size = ops.abs(values)
        low = ops.where(odd & (size < 2), size - 0.5, size - 1)
        high = ops.where(odd & (size < 0.5), 0.5, size + 1)
        shift = ops.where(values < 0, -shift, shift)
        low, high = low + shift, high + shift
        mirrored = low + high > 0  # the difference of two numbers near 0 is precise, that of two near 1 is not
        low, high = ops.where(mirrored, -high, low), ops.where(mirrored, -low, high)
        size = 2.0 ** (ops.clip(scale, 0, len(SCALES) - 1) / 6 - 4)
        mass = 0.0
        weights, ratios = self.mixture()
        for i in range(3):
            mass += weights[i] * (ops.sigmoid(high / (size * ratios[i])) - ops.sigmoid(low / (size * ratios[i])))
        return -ops.log(mass * (1 - 1e-4) + 1e-7) / np.log(2)


def principal_components(images):
    """Finds the principal components of the 4x4 blocks of photographs.

    Args:
        images: uint8 array of shape `(number, height, width, 3)`, sides multiples of 4.

    Returns:
        The mean block, shape `(48,)`, the components, shape `(48, 48)`, one a column, by falling variance, and the
        standard deviations along them, shape `(48,)`; all in grey levels.
    """
    blocks = blocks_of(images).reshape(-1, DEPTH).astype("float64")
    mean = blocks.mean(0)
    variances, basis = np.linalg.eigh(np.cov(blocks - mean, rowvar=False))
    return mean, basis[:, ::-1], np.sqrt(np.maximum(variances[::-1], 1e-6))


def blocks_of(images):
    """Cuts images into blocks of 4x4 pixels.

    Args:
        images: Array of shape `(number, height, width, 3)`, sides multiples of 4.

    Returns:
        Array of shape `(number, height / 4, width / 4, 48)`.
    """
    number, height, width, _ = images.shape
    blocks = images.reshape(number, height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    return blocks.swapaxes(2, 3).reshape(number, height // BLOCK, width // BLOCK, DEPTH)


def build_analysis(mean, basis):
    """Builds the transform: images in [0, 1] -> latents in grey levels, the principal components of every block.

    Args:
        mean: Mean block, shape `(48,)`.
        basis: Principal components, shape `(48, 48)`, one a column.

    Returns:
        A convolution of 4x4 pixels with stride 4, not trainable.
    """
    layer = keras.layers.Conv2D(DEPTH, BLOCK, BLOCK, name="analysis", trainable=False, dtype="float32")
    layer.build((None, None, None, 3))
    layer.set_weights([255 * np.reshape(basis, (BLOCK, BLOCK, 3, DEPTH)), -np.asarray(mean) @ basis])
    return layer


def build_synthesis(deviations, filters=48, num_blocks=2):
    """Builds the network that refines quantized latents before they are transformed back.

    Steps finer than half a grey level are left as they are, so that an image comes back exactly.

    Args:
        deviations: Standard deviations of the latents, shape `(48,)`.
        filters: Filters of every convolution. Defaults to `48`.
        num_blocks: Residual blocks. Defaults to `2`.

    Returns:
        Model from `values`, `(batch, height, width, 48)` in units of the step, and `index` of the step, `(batch,)`, to
        latents in grey levels, same shape as the values.
    """
    values = keras.Input((None, None, DEPTH), name="values")
    index = keras.Input((), dtype="int32", name="index")
    step = ops.reshape(ops.take(STEPS, index), (-1, 1, 1, 1))
    octave = ops.reshape(ops.take(OCTAVES, index), (-1, 1, 1, 1))
    size = ops.sqrt(ops.abs(values) * (step / np.float32(deviations)))
    features = [ops.sign(values) * ops.minimum(size, 8.0), ops.clip(values / 4, -2.0, 2.0)]
    x = ops.concatenate([*features, ops.ones_like(values[..., :1]) * octave], -1)
    x = keras.layers.Conv2D(filters, 3, padding="same", name="features")(x)
    for number in range(num_blocks):
        y = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"block_{number}_0")(x)
        x += keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=_small(), name=f"block_{number}_1")(y)
    correction = keras.layers.Conv2D(DEPTH, 3, padding="same", kernel_initializer=_tiny(), name="correction")(x)
    latents = values * step + correction * ops.where(step < 0.5, 0.0, step)
    return keras.Model([values, index], latents, name="synthesis")
