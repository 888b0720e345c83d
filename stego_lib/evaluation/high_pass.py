"""The convolutional detectors: what fixed high-pass filters leave of an image, and layers that learn behind them."""

import keras
import numpy as np

from stego_lib.evaluation.rich_model import SQUARE_3, SQUARE_5


def square_filters():
    """Builds the two filters of the rich models that look all around a sample, over their quantization steps.

    Returns:
        Array of shape `(5, 5, 2)`.
    """
    filters = np.zeros((5, 5, 2))
    filters[1:4, 1:4, 0] = SQUARE_3 / 4
    filters[..., 1] = SQUARE_5 / 12
    return filters


def high_pass_detector(filters, *, limit, convolutions, momentum, channels=3):
    """Builds a convolutional detector whose first layer is a fixed bank of high-pass filters, for every channel alike.

    Args:
        filters: Array of shape `(5, 5, number)`.
        limit: Of what comes out of them, either way.
        convolutions: Pairs: filters of a convolution, and whether its output is halved in size.
        momentum: Of the batch normalizations.
        channels: Of the images. Defaults to `3`.

    Input shape:
        `(batch, height, width, channels)`, in 8-bit steps.

    Output shape:
        `(batch, 1)`, logit, higher for stego images.

    Returns:
        A `keras.Model`.
    """
    image = keras.Input((None, None, channels), name="image")
    high_pass = keras.layers.DepthwiseConv2D(
        5, depth_multiplier=filters.shape[-1], use_bias=False, trainable=False, padding="valid", name="high_pass"
    )
    x = high_pass(image)
    high_pass.set_weights([np.repeat(filters[:, :, None], channels, axis=2)])
    x = keras.ops.clip(x, -limit, limit)
    for index, (number, is_halved) in enumerate(convolutions, 1):
        x = keras.layers.Conv2D(number, 3, padding="same", use_bias=False, name=f"conv_{index}")(x)
        x = keras.layers.BatchNormalization(momentum=momentum, name=f"normalization_{index}")(x)
        x = keras.layers.Activation("relu", name=f"relu_{index}")(x)
        if is_halved:
            x = keras.layers.AveragePooling2D(2, name=f"pool_{index}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, keras.layers.Dense(1, name="logit")(x), name="detector")
