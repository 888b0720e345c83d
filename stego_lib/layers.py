"""Layers: sub-pixel rearrangement, convolutions of several kernel sizes, 8-bit rounding and the two embeddings.

Images are float32 in [0, 1], channels last.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="stego_lib")
class SubPixel(keras.layers.Layer):
    """Rearranges channels into space: the upsampling half of a sub-pixel convolution.

    Args:
        block_size: Positive integer, the upscaling factor. Defaults to `2`.

    Input shape:
        `(batch, height, width, channels * block_size**2)`.

    Output shape:
        `(batch, height * block_size, width * block_size, channels)`.

    Raises:
        ValueError: If the channels are not a multiple of `block_size**2`.

    Example:

    >>> SubPixel(2)(np.zeros((1, 8, 8, 12))).shape
    (1, 16, 16, 3)

    Reference:
        [Shi et al., 2016](https://arxiv.org/abs/1609.05158)
    """

    def __init__(self, block_size=2, **kwargs):
        super().__init__(**kwargs)
        self.block_size = positive_integer("block_size", block_size)

    def build(self, input_shape):
        if input_shape[-1] % self.block_size**2:
            raise ValueError(
                "The channels of the input must be a multiple of `block_size**2`. "
                f"Received: input_shape={input_shape}, block_size={self.block_size}"
            )

    def call(self, inputs):
        return ops.depth_to_space(inputs, self.block_size, data_format="channels_last")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (
            batch,
            None if height is None else height * self.block_size,
            None if width is None else width * self.block_size,
            channels // self.block_size**2,
        )

    def get_config(self):
        return {**super().get_config(), "block_size": self.block_size}


@keras.saving.register_keras_serializable(package="stego_lib")
class SpaceToDepth(keras.layers.Layer):
    """Rearranges space into channels: the inverse of `SubPixel`, a down-scaling that loses nothing.

    Args:
        block_size: Positive integer, the down-scaling factor. Defaults to `2`.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height / block_size, width / block_size, channels * block_size**2)`.

    Raises:
        ValueError: If a known height or width is not a multiple of `block_size`.

    Example:

    >>> SpaceToDepth(2)(np.zeros((1, 16, 16, 3))).shape
    (1, 8, 8, 12)

    Reference:
        [Shi et al., 2016](https://arxiv.org/abs/1609.05158)
    """

    def __init__(self, block_size=2, **kwargs):
        super().__init__(**kwargs)
        self.block_size = positive_integer("block_size", block_size)

    def build(self, input_shape):
        pass

    def call(self, inputs):
        if any(size is not None and size % self.block_size for size in inputs.shape[1:3]):
            raise ValueError(
                "Height and width of the input must be multiples of `block_size`. "
                f"Received: inputs.shape={tuple(inputs.shape)}, block_size={self.block_size}"
            )
        return ops.space_to_depth(inputs, self.block_size, data_format="channels_last")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (
            batch,
            None if height is None else height // self.block_size,
            None if width is None else width // self.block_size,
            channels * self.block_size**2,
        )

    def get_config(self):
        return {**super().get_config(), "block_size": self.block_size}


@keras.saving.register_keras_serializable(package="stego_lib")
class MultiKernelConv(keras.layers.Layer):
    """Convolutions of several kernel sizes side by side, their outputs concatenated.

    Small kernels see texture, large ones see structure; a hidden picture needs both.

    Args:
        filters: Positive integer, channels of the output, shared out between the kernel sizes as evenly as possible.
        kernel_sizes: Kernel sizes of the convolutions. Defaults to `(1, 3, 5)`.
        activation: Name of the activation, or `None`. Defaults to `"relu"`.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height, width, filters)`.

    Raises:
        ValueError: If there are fewer filters than kernel sizes.

    Example:

    >>> MultiKernelConv(32)(np.zeros((1, 8, 8, 3))).shape
    (1, 8, 8, 32)

    Reference:
        [Baluja, 2017](https://papers.nips.cc/paper/6802-hiding-images-in-plain-sight-deep-steganography)
    """

    def __init__(self, filters, kernel_sizes=(1, 3, 5), activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.filters = positive_integer("filters", filters)
        self.kernel_sizes = tuple(kernel_sizes)
        self.activation = activation
        if not 1 <= len(self.kernel_sizes) <= filters:
            raise ValueError(
                "`filters` must be at least the number of `kernel_sizes`, and that at least 1. "
                f"Received: filters={filters}, kernel_sizes={kernel_sizes}"
            )
        per_size, remainder = divmod(filters, len(self.kernel_sizes))
        self.convolutions = [
            keras.layers.Conv2D(
                per_size + (index < remainder),
                size,
                padding="same",
                activation=activation,
                kernel_initializer="he_normal",
                dtype=self.dtype_policy,
                name=f"conv_{size}x{size}_{index}",
            )
            for index, size in enumerate(self.kernel_sizes)
        ]

    def build(self, input_shape):
        for convolution in self.convolutions:
            convolution.build(input_shape)

    def call(self, inputs):
        return ops.concatenate([convolution(inputs) for convolution in self.convolutions], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_sizes": self.kernel_sizes,
            "activation": self.activation,
        }


class Float32Layer(keras.layers.Layer):
    """Stays in float32 under mixed precision: half precision cannot tell neighbouring 8-bit values apart."""

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)

    def build(self, *input_shapes):
        pass


@keras.saving.register_keras_serializable(package="stego_lib")
class EightBit(Float32Layer):
    """Clips an image to [0, 1] and rounds it to multiples of 1/255: what an 8-bit file holds.

    The rounding passes gradients straight through; the clipping passes those of the values inside the range.

    Input shape:
        Any.

    Output shape:
        Same as the input; float32 also under mixed precision.

    Example:

    >>> EightBit()(np.array([-0.2, 0.5, 1.7]))
    [0.0, 0.5019608, 1.0]

    Reference:
        [Bengio et al., 2013](https://arxiv.org/abs/1308.3432)
    """

    def call(self, inputs):
        return straight_through_round(255.0 * ops.clip(inputs, 0.0, 1.0)) / 255.0

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="stego_lib")
class Phase(Float32Layer):
    """The position of each pixel value within its period: `wrap((255 * image + 0.5) / period)`.

    With `wrap(x) = x - round(x)`. The half keeps every 8-bit value away from the jump of `wrap`.

    Args:
        period: Even integer from 2 to 256, in 8-bit steps. Defaults to `8`.

    Input shape:
        Image in [0, 1], `(batch, height, width, channels)`.

    Output shape:
        Same as the input; values in (-0.5, 0.5).

    Raises:
        ValueError: If the period is not an even integer from 2 to 256.

    Example:

    >>> Phase(period=8)(np.array([0, 4, 8]) / 255)
    [0.0625, -0.4375, 0.0625]
    """

    def __init__(self, period=8, **kwargs):
        super().__init__(**kwargs)
        self.period = even_period(period)

    def call(self, inputs):
        return _phase(inputs, self.period)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "period": self.period}


@keras.saving.register_keras_serializable(package="stego_lib")
class ResidualEmbedding(Float32Layer):
    """Adds a small correction to the cover: `stego = round(clip(cover + residual))`.

    Call arguments:
        cover: Image in [0, 1], `(batch, height, width, channels)`.
        residual: The correction, same shape, in units of the image.

    Output shape:
        Same as the cover; multiples of 1/255 in [0, 1], float32.

    Example:

    >>> ResidualEmbedding()(np.full((1, 4, 4, 3), 0.5), np.full((1, 4, 4, 3), 0.1)).shape
    (1, 4, 4, 3)

    Reference:
        [Baluja, 2017](https://papers.nips.cc/paper/6802-hiding-images-in-plain-sight-deep-steganography)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.eight_bit = EightBit(dtype=self.dtype_policy)

    def call(self, cover, residual):
        return self.eight_bit(cover + residual)

    def compute_output_shape(self, cover_shape, residual_shape):
        return cover_shape


@keras.saving.register_keras_serializable(package="stego_lib")
class ModularEmbedding(Float32Layer):
    """Moves every cover value to the nearest 8-bit value whose phase is the message: quantization index modulation.

    ```
    message = clip(message, +-(0.5 - 0.5 / period))
    stego'  = round(cover' + period * wrap(message - phase(cover)))        values of 0 to 255
    stego'  = stego' + period where stego' < 0, stego' - period where stego' > 255
    ```
    The phase of the stego image (see `Phase`) is then the message rounded to one of `period` levels, whatever the
    cover. The change is at most half a period (a whole one next to 0 and 255), which sets the PSNR of the cover: at
    most about 46, 41, 35 dB for periods 4, 8, 16. Rounding passes gradients straight through.

    Args:
        period: Even integer from 2 to 256, in 8-bit steps. Defaults to `8`.

    Call arguments:
        cover: Image in [0, 1], `(batch, height, width, channels)`.
        message: Real numbers, same shape; clipped to +-(0.5 - 0.5 / period).

    Output shape:
        Same as the cover; multiples of 1/255 in [0, 1], float32.

    Raises:
        ValueError: If the period is not an even integer from 2 to 256.

    Example:

    >>> stego = ModularEmbedding(period=8)(np.full((1, 1, 1, 1), 100 / 255), np.full((1, 1, 1, 1), 0.2))
    >>> Phase(period=8)(stego)
    [[[[0.1875]]]]

    Reference:
        [Chen & Wornell, 2001](https://doi.org/10.1109/18.923725)
    """

    def __init__(self, period=8, **kwargs):
        super().__init__(**kwargs)
        self.period = even_period(period)

    def call(self, cover, message):
        message = ops.clip(message, -message_limit(self.period), message_limit(self.period))
        value = straight_through_round(255.0 * cover + self.period * _wrap(message - _phase(cover, self.period)))
        back_in_range = ops.cast(value < 0.0, "float32") - ops.cast(value > 255.0, "float32")
        return (value + self.period * back_in_range) / 255.0

    def compute_output_shape(self, cover_shape, message_shape):
        return cover_shape

    def get_config(self):
        return {**super().get_config(), "period": self.period}


def message_limit(period):
    """Returns the largest message that `ModularEmbedding(period)` can embed.

    Args:
        period: Positive even integer, in 8-bit steps.

    Returns:
        Float, `0.5 - 0.5 / period`.
    """
    return 0.5 - 0.5 / period


def _phase(image, period):
    return _wrap((255.0 * image + 0.5) / period)


def _wrap(x):
    return x - ops.stop_gradient(ops.round(x))


@ops.custom_gradient
def straight_through_round(x):
    """Rounds to integers; the gradient passes straight through.

    Args:
        x: Tensor.

    Returns:
        Tensor of the same shape.

    Reference:
        [Bengio et al., 2013](https://arxiv.org/abs/1308.3432)
    """

    def gradient(*args, upstream=None):
        return args[0] if upstream is None else upstream

    return ops.round(x), gradient


def positive_integer(name, value):
    """Checks a positive integer.

    Args:
        name: Of the argument.
        value: What was given.

    Returns:
        The same.

    Raises:
        ValueError: If it is none.
    """
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value}")
    return value


def even_period(period):
    """Checks a period.

    Args:
        period: What was given.

    Returns:
        The same.

    Raises:
        ValueError: If it is not an even integer from 2 to 256.
    """
    if positive_integer("period", period) % 2 or period > 256:
        raise ValueError(f"`period` must be even and at most 256. Received: period={period}")
    return period
