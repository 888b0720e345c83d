"""The network that encoder and decoder share: features at three resolutions."""

import keras

from stego_lib.layers import MultiKernelConv, SpaceToDepth, SubPixel


def multi_level_network(features, filters, *, num_blocks, quarter_features=()):
    """Goes from full resolution to half and quarter and back by sub-pixel convolution, and joins levels on the way.

    Args:
        features: List of symbolic tensors of shape `(batch, height, width, channels)`, sides multiples of 4.
        filters: Channels at half and quarter resolution.
        num_blocks: Residual blocks at half resolution.
        quarter_features: Symbolic tensors that are joined at quarter resolution. Defaults to `()`.

    Returns:
        Symbolic tensor of shape `(batch, height, width, 3)`, near 0 before training.
    """
    inputs = keras.layers.Concatenate(name="features")(features)
    full = MultiKernelConv(12, name="full_multi_kernel")(inputs)
    full = keras.layers.Concatenate(name="full_features")([inputs, full])

    half = SpaceToDepth(name="full_to_half")(full)
    half = MultiKernelConv(filters, name="half_multi_kernel")(half)
    for index in range(num_blocks):
        half = _residual_block(half, f"half_block_{index + 1}")

    quarter = keras.layers.Conv2D(
        filters, 4, strides=2, padding="same", activation="relu", kernel_initializer="he_normal", name="half_to_quarter"
    )(half)
    if quarter_features:
        quarter = keras.layers.Concatenate(name="quarter_features")([quarter, *quarter_features])
        quarter = MultiKernelConv(filters, name="quarter_multi_kernel")(quarter)
    quarter = _residual_block(quarter, "quarter_block")
    half = _joined(half, _sub_pixel_conv(quarter, filters // 4, "quarter_to_half"), "half_features")

    full = _joined(full, _sub_pixel_conv(half, 12, "half_to_full"), "all_features")
    near_zero = keras.initializers.RandomNormal(stddev=1e-4)
    return keras.layers.Conv2D(3, 3, padding="same", kernel_initializer=near_zero, dtype="float32", name="correction")(
        full
    )


def _residual_block(inputs, name):
    """Two convolutions and a shortcut; the second starts small, so that a deep stack starts near the identity."""
    small = keras.initializers.VarianceScaling(0.2)
    filters = inputs.shape[-1]
    x = keras.layers.Conv2D(
        filters, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"{name}_conv_1"
    )(inputs)
    x = keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=small, name=f"{name}_conv_2")(x)
    return keras.layers.Add(name=f"{name}_add")([inputs, x])


def _sub_pixel_conv(inputs, filters, name):
    x = keras.layers.Conv2D(
        4 * filters, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"{name}_conv"
    )(inputs)
    return SubPixel(2, name=f"{name}_sub_pixel")(x)


def _joined(before, after, name):
    """Features on the way down, and those that have come back up to the same level."""
    return keras.layers.Concatenate(name=name)([before, after])
