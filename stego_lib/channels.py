"""What may happen to a stego image on its way, as layers to train with: JPEG, and one of several at random.

Noise and resizing are layers of Keras: `GaussianNoise`, `AveragePooling2D`, `UpSampling2D`. Images are float32 in
[0, 1], channels last.
"""

import keras
import numpy as np
from keras import ops

from stego_lib.jpeg_standard import CHROMINANCE_TABLE, LUMINANCE_TABLE, TO_YCBCR, cosine_basis
from stego_lib.layers import Float32Layer, straight_through_round

SUBSAMPLINGS = ("4:4:4", "4:2:0")


@keras.saving.register_keras_serializable(package="stego_lib")
class JPEG(Float32Layer):
    """Compresses images as JPEG and decompresses them, with a gradient.

    What libjpeg does, but for the last bits of its integer arithmetic: YCbCr, chrominance averaged over 2x2 pixels (or
    not), cosine transform of 8x8 blocks, quantization with the tables of the standard scaled by quality, and all of it
    back to 8 bits. Gradients pass straight through every rounding.

    Args:
        quality: Integer from 1 to 100; or two, smallest and largest: in training every image gets its own between them,
            at random, and else the middle one. Defaults to `75`.
        subsampling: `"4:2:0"` or `"4:4:4"`. Defaults to `"4:2:0"`.
        seed: Integer, seed of the qualities. Defaults to `None`, a random one.

    Call arguments:
        inputs: Images in [0, 1], `(batch, height, width, 3)`.
        training: Boolean, whether to draw qualities.

    Output shape:
        Same as the input; multiples of 1/255 in [0, 1], float32 also under mixed precision.

    Raises:
        ValueError: If the quality or the subsampling is none.

    Example:

    >>> JPEG(quality=75)(np.full((1, 20, 30, 3), 0.5)).shape
    (1, 20, 30, 3)

    Reference:
        [ITU-T T.81](https://www.w3.org/Graphics/JPEG/itu-t81.pdf), annex K;
        [Zhu et al., 2018](https://arxiv.org/abs/1807.09937)
    """

    def __init__(self, quality=75, subsampling="4:2:0", *, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.quality = list(quality) if isinstance(quality, (list, tuple)) else quality
        self.qualities = self.quality if isinstance(self.quality, list) else [quality] * 2
        is_range = len(self.qualities) == 2 and all(isinstance(limit, int) for limit in self.qualities)
        if not is_range or not 1 <= self.qualities[0] <= self.qualities[1] <= 100:
            raise ValueError(
                f"`quality` must be an integer from 1 to 100, or two ascending ones. Received: quality={quality}"
            )
        if subsampling not in SUBSAMPLINGS:
            raise ValueError(f"`subsampling` must be one of {SUBSAMPLINGS}. Received: subsampling={subsampling}")
        self.subsampling, self.seed = subsampling, seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        quality = self._drawn(ops.shape(inputs)[0], training)
        height, width = ops.shape(inputs)[1], ops.shape(inputs)[2]
        step = 16 if self.subsampling == "4:2:0" else 8
        values = 255.0 * _replicated(_replicated(inputs, 1, multiple=step), 2, multiple=step)
        ycbcr = straight_through_round(ops.matmul(values, constant(TO_YCBCR.T))) - constant([128, 0, 0])
        luminance, chrominance = ycbcr[..., :1], ycbcr[..., 1:]
        luminance = _through_coefficients(luminance, LUMINANCE_TABLE, quality=quality)
        if self.subsampling == "4:2:0":
            corners = [chrominance[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
            chrominance = straight_through_round(0.25 * sum(corners))
        chrominance = _through_coefficients(chrominance, CHROMINANCE_TABLE, quality=quality)
        if self.subsampling == "4:2:0":
            chrominance = straight_through_round(_doubled(chrominance))
        ycbcr = ops.concatenate([luminance, chrominance], axis=-1) + constant([128, 0, 0])
        values = ops.matmul(ycbcr, constant(np.linalg.inv(TO_YCBCR).T))[:, :height, :width]
        return straight_through_round(ops.clip(values, 0.0, 255.0)) / 255.0

    def _drawn(self, batch, training):
        smallest, largest = self.qualities
        if not training or smallest == largest:
            return ops.full((1, 1, 1, 1), (smallest + largest) // 2, dtype="float32")
        return ops.floor(keras.random.uniform((batch, 1, 1, 1), smallest, largest + 1, seed=self.generator))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "quality": self.quality,
            "subsampling": self.subsampling,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="stego_lib")
class OneOf(Float32Layer):
    """Sends every image of a batch through one of several layers: drawn at random in training, else through the first.

    Args:
        layers: List of layers that keep the shape of images.
        seed: Integer, seed of the choice. Defaults to `None`, a random one.

    Call arguments:
        inputs: Images, `(batch, height, width, channels)`.
        training: Boolean, whether to draw.

    Output shape:
        Same as the input, float32.

    Raises:
        ValueError: If there are no layers.

    Example:

    >>> OneOf([JPEG(75), keras.layers.GaussianNoise(2 / 255)])(np.zeros((1, 16, 16, 3)), training=True).shape
    (1, 16, 16, 3)
    """

    def __init__(self, layers, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not layers:
            raise ValueError("`layers` must have at least one layer. Received: none")
        self.layers, self.seed = list(layers), seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        for layer in self.layers:
            layer.build(input_shape)

    def call(self, inputs, training=False):
        if not training:
            return self.layers[0](inputs)
        choice = keras.random.randint((ops.shape(inputs)[0], 1, 1, 1), 0, len(self.layers), seed=self.generator)
        output = ops.zeros_like(inputs)
        for index, layer in enumerate(self.layers):
            output = ops.where(choice == index, layer(inputs, training=True), output)
        return output

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers, "seed": self.seed}

    @classmethod
    def from_config(cls, config):
        """Makes an equal layer.

        Args:
            config: Dictionary returned by `get_config`.

        Returns:
            The layer.
        """
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**{**config, "layers": layers})


def everyday_channel():
    """Builds what the robust networks are trained to survive: half of it JPEG, the rest noise, resizing and PNG.

    Returns:
        A `OneOf` layer, outside training `JPEG(75)`.

    Example:

    >>> everyday_channel()(np.full((1, 16, 16, 3), 0.5), training=True).shape
    (1, 16, 16, 3)
    """
    exact = {"dtype": "float32"}
    half_and_back = [
        keras.layers.AveragePooling2D(2, **exact),
        keras.layers.UpSampling2D(2, interpolation="bicubic", **exact),
    ]
    return OneOf(
        [
            JPEG(75),
            JPEG((68, 82)),
            JPEG((50, 95)),
            JPEG((50, 95), "4:4:4"),
            keras.layers.GaussianNoise(2 / 255, **exact),
            keras.layers.GaussianNoise(5 / 255, **exact),
            keras.Sequential(half_and_back),
            keras.layers.Identity(**exact),
        ],
        name="channel",
    )


def scaled_table(table, quality):
    """Scales a quantization table as libjpeg does.

    Args:
        table: The table of quality 50, array.
        quality: Number from 1 to 100, or tensor of them that broadcasts against the table.

    Returns:
        Steps from 1 to 255, tensor.
    """
    quality = ops.convert_to_tensor(quality, "float32")
    scale = ops.where(quality < 50.0, ops.floor(5000.0 / quality), 200.0 - 2.0 * quality)
    return ops.clip(ops.floor((constant(table) * scale + 50.0) / 100.0), 1.0, 255.0)


def _through_coefficients(planes, table, *, quality):
    """Quantized coefficients of 8x8 blocks and back, for planes of shape `(batch, height, width, channels)`."""
    channels = planes.shape[-1]
    transform = np.kron(np.kron(cosine_basis(), cosine_basis()), np.eye(channels))
    steps = scaled_table(np.repeat(np.ravel(table), channels), quality)
    coefficients = ops.matmul(ops.space_to_depth(planes, 8, data_format="channels_last"), constant(transform.T))
    coefficients = straight_through_round(coefficients / steps) * steps
    planes = ops.depth_to_space(ops.matmul(coefficients, constant(transform)), 8, data_format="channels_last")
    return ops.clip(straight_through_round(planes), -128.0, 127.0)


def _replicated(images, axis, *, multiple):
    """Images whose last line is repeated along an axis until its size is a multiple of a number."""
    size = images.shape[axis]
    if size is not None and size % multiple == 0:
        return images
    size = ops.shape(images)[axis]
    padded = (size + multiple - 1) // multiple * multiple
    return ops.take(images, ops.minimum(ops.arange(padded), size - 1), axis=axis)


def _doubled(planes):
    """Planes at twice their size, linearly interpolated, as libjpeg does."""
    rows_before = ops.concatenate([planes[:, :1], planes[:, :-1]], axis=1)
    rows_after = ops.concatenate([planes[:, 1:], planes[:, -1:]], axis=1)
    pairs = [0.25 * neighbours + 0.75 * planes for neighbours in (rows_before, rows_after)]
    planes = _interleaved(pairs, axis=1)
    columns_before = ops.concatenate([planes[:, :, :1], planes[:, :, :-1]], axis=2)
    columns_after = ops.concatenate([planes[:, :, 1:], planes[:, :, -1:]], axis=2)
    pairs = [0.25 * neighbours + 0.75 * planes for neighbours in (columns_before, columns_after)]
    return _interleaved(pairs, axis=2)


def _interleaved(pair, axis):
    shape = list(ops.shape(pair[0]))
    shape[axis] = 2 * shape[axis]
    return ops.reshape(ops.stack(pair, axis=axis + 1), shape)


def constant(values):
    """Makes a float32 tensor of an array."""
    return ops.convert_to_tensor(np.asarray(values, "float32"))
