"""The networks of the robust embedding, which work on the coefficients of 8x8 blocks, as JPEG does."""

import keras

from stego_lib.block_transform import (
    CARRIERS,
    COEFFICIENTS,
    BlockTransform,
    CarrierEmbedding,
    CarrierPhase,
    InverseBlockTransform,
    usual_sizes,
)

DILATIONS = (1, 2, 4)  # of the residual blocks in turn: neighbours say much about each other, and far ones something


def robust_encoder(cover, secret, *, filters, num_blocks):
    """Embeds a secret in the carriers of a cover.

    Args:
        cover: Symbolic image in [0, 1], `(batch, height, width, 3)`, sides multiples of 8.
        secret: Symbolic image, same shape.
        filters: Features of a block.
        num_blocks: Residual blocks.

    Returns:
        Symbolic stego image, same shape.
    """
    coefficients = BlockTransform(name="cover_coefficients")(cover)
    secret_coefficients = BlockTransform(name="secret_coefficients")(secret)
    features = [
        _scaled(coefficients, "scaled_cover"),
        CarrierPhase(name="cover_phase")(coefficients),
        _scaled(secret_coefficients, "scaled_secret"),
        CarrierPhase(8, name="secret_phase")(secret_coefficients),  # fine values, which a smooth network does not see
    ]
    x = _trunk(features, filters, num_blocks=num_blocks)
    message = keras.layers.Conv2D(
        CARRIERS,
        1,
        activation="sigmoid",
        kernel_initializer="he_normal",
        dtype="float32",
        name="output_message",
    )(x)
    logit = keras.layers.Conv2D(CARRIERS, 1, kernel_initializer=_near_zero(), dtype="float32", name="output_strength")(
        x
    )
    return CarrierEmbedding(name="embedding")(cover, coefficients, message, logit)


def robust_decoder(stego, *, filters, num_blocks):
    """Reveals the coefficients of a secret.

    Args:
        stego: Symbolic image in [0, 1], `(batch, height, width, 3)`, sides multiples of 8.
        filters: Features of a block.
        num_blocks: Residual blocks.

    Returns:
        Symbolic revealed image, same shape; may leave [0, 1] by a little.
    """
    coefficients = BlockTransform(name="stego_coefficients")(stego)
    features = [_scaled(coefficients, "scaled_stego"), CarrierPhase(name="stego_phase")(coefficients)]
    x = _trunk(features, filters, num_blocks=num_blocks)
    revealed = keras.layers.Conv2D(
        COEFFICIENTS, 1, kernel_initializer=_near_zero(), dtype="float32", name="output_coefficients"
    )(x)
    revealed = keras.layers.Rescaling(usual_sizes().tolist(), dtype="float32", name="revealed_coefficients")(revealed)
    return InverseBlockTransform(name="revealed")(revealed)


def _trunk(features, filters, *, num_blocks):
    """Residual blocks with a bottleneck: what they cost in weights is what they see of their neighbours."""
    x = keras.layers.Concatenate(name="features")(features)
    x = keras.layers.Conv2D(filters, 1, name="entry")(x)
    for index in range(num_blocks):
        name = f"block_{index + 1}"
        narrow = x
        for number, size, dilation in ((1, 1, 1), (2, 3, DILATIONS[index % len(DILATIONS)])):
            narrow = keras.layers.Conv2D(
                filters // 2,
                size,
                dilation_rate=dilation,
                padding="same",
                activation="gelu",
                kernel_initializer="he_normal",
                name=f"{name}_conv_{number}",
            )(narrow)
        small = keras.initializers.VarianceScaling(0.2)
        wide = keras.layers.Conv2D(filters, 1, kernel_initializer=small, name=f"{name}_conv_3")(narrow)
        x = keras.layers.Add(name=f"{name}_add")([x, wide])
    return keras.layers.Activation("gelu", name="exit")(x)


def _scaled(coefficients, name):
    return keras.layers.Rescaling((1.0 / usual_sizes()).tolist(), dtype="float32", name=name)(coefficients)


def _near_zero():
    return keras.initializers.RandomNormal(stddev=1e-4)
