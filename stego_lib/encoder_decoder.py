"""The networks of the joint autoencoder: the encoder that hides, and the decoder that reveals."""

import keras

from stego_lib.devices import check_keras
from stego_lib.layers import ModularEmbedding, Phase, ResidualEmbedding
from stego_lib.levels import multi_level_network
from stego_lib.messages import MessageToSecret, SecretToMessage
from stego_lib.robust_networks import robust_decoder, robust_encoder

EMBEDDINGS = ("modular", "residual", "robust")
LARGEST_RESIDUAL = 0.125  # in units of the image; unbounded, training drives it into the clipping and dies there


def build_encoder(embedding="modular", period=8, *, filters=64, num_blocks=2, name="encoder"):
    """Builds the network that hides a secret in a cover.

    Features of cover and secret at full, half and quarter resolution lead to a correction: of the secret, before it
    becomes a message (see `SecretToMessage`) that is embedded; or, with the residual embedding, of the cover. The
    networks of the robust embedding work on the coefficients of 8x8 blocks.

    Args:
        embedding: `"modular"` (see `ModularEmbedding`), `"residual"` (see `ResidualEmbedding`) or `"robust"` (see
            `CarrierEmbedding`). Defaults to `"modular"`.
        period: Positive even integer, period of the modular embedding in 8-bit steps; not used by the others.
            Defaults to `8`.
        filters: Channels at half and quarter resolution, or of a block. Defaults to `64`.
        num_blocks: Residual blocks at half resolution, or on blocks. Defaults to `2`.
        name: Name of the model. Defaults to `"encoder"`.

    Input shape:
        `cover` and `secret`, in that order: `(batch, height, width, 3)` in [0, 1], sides multiples of 4; of 8 for the
        robust embedding.

    Output shape:
        Stego image, `(batch, height, width, 3)`, multiples of 1/255 in [0, 1].

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If the embedding is unknown.
        RuntimeError: If Keras is set to another data format or float type than the networks have.

    Example:

    >>> encoder = build_encoder(filters=16, num_blocks=1)
    >>> encoder([np.zeros((1, 64, 64, 3)), np.ones((1, 64, 64, 3))]).shape
    (1, 64, 64, 3)
    """
    _check(embedding)
    cover = keras.Input((None, None, 3), name="cover")
    secret = keras.Input((None, None, 3), name="secret")
    if embedding == "robust":
        stego = robust_encoder(cover, secret, filters=filters, num_blocks=num_blocks)
        return keras.Model([cover, secret], stego, name=name)
    features = [_centred(cover, "cover"), _centred(secret, "secret")]
    if embedding == "modular":
        features.append(Phase(period, name="cover_phase")(cover))
        correction = multi_level_network(features, filters, num_blocks=num_blocks)
        message = SecretToMessage(period, name="message")(_corrected(secret, correction, name="corrected_secret"))
        stego = ModularEmbedding(period, name="embedding")(cover, message)
    else:
        correction = multi_level_network(features, filters, num_blocks=num_blocks)
        bounded = keras.layers.Activation("tanh", dtype="float32", name="bounded")(correction)
        residual = keras.layers.Rescaling(LARGEST_RESIDUAL, dtype="float32", name="residual")(bounded)
        stego = ResidualEmbedding(name="embedding")(cover, residual)
    return keras.Model([cover, secret], stego, name=name)


def build_decoder(embedding="modular", period=8, *, filters=64, num_blocks=2, name="decoder"):
    """Builds the network that reveals a secret from a stego image alone.

    Args:
        embedding: The embedding of the encoder, `"modular"`, `"residual"` or `"robust"`. Defaults to `"modular"`.
        period: The period of the encoder. Defaults to `8`.
        filters: Channels at half and quarter resolution, or of a block. Defaults to `64`.
        num_blocks: Residual blocks at half resolution, or on blocks. Defaults to `2`.
        name: Name of the model. Defaults to `"decoder"`.

    Input shape:
        Stego image, `(batch, height, width, 3)` in [0, 1], sides multiples of 4; of 8 for the robust embedding.

    Output shape:
        Revealed secret, `(batch, height, width, 3)`; may leave [0, 1] by a little.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If the embedding is unknown.
        RuntimeError: If Keras is set to another data format or float type than the networks have.

    Example:

    >>> build_decoder(filters=16, num_blocks=1)(np.zeros((1, 64, 64, 3))).shape
    (1, 64, 64, 3)
    """
    _check(embedding)
    stego = keras.Input((None, None, 3), name="stego")
    if embedding == "robust":
        revealed = robust_decoder(stego, filters=filters, num_blocks=num_blocks)
    elif embedding == "modular":
        phase = Phase(period, name="stego_phase")(stego)
        start, *cells = MessageToSecret(period, name="message")(phase)
        correction = multi_level_network(
            [_centred(start, "start")], filters, num_blocks=num_blocks, quarter_features=cells
        )
        revealed = _corrected(start, correction, name="revealed")
    else:
        correction = multi_level_network([_centred(stego, "stego")], filters, num_blocks=num_blocks)
        revealed = keras.layers.Rescaling(1.0, 0.5, dtype="float32", name="revealed")(correction)
    return keras.Model(stego, revealed, name=name)


def _corrected(image, correction, *, name):
    """The image and a small part of the correction, so that training starts with small steps."""
    correction = keras.layers.Rescaling(0.01, dtype="float32", name=f"{name}_correction")(correction)
    return keras.layers.Add(dtype="float32", name=name)([image, correction])


def _centred(image, name):
    return keras.layers.Rescaling(2.0, -1.0, name=f"centred_{name}")(image)


def _check(embedding):
    check_keras()
    if embedding not in EMBEDDINGS:
        raise ValueError(f"`embedding` must be one of {EMBEDDINGS}. Received: embedding={embedding}")
