"""Networks: the encoder that hides, the decoder that reveals, and the autoencoder that trains both together."""

import math
from importlib.resources import files
from pathlib import Path

import keras
import numpy as np

from stego_lib.block_code import learn_code
from stego_lib.block_transform import BLOCK, CarrierEmbedding
from stego_lib.devices import check_keras
from stego_lib.images import pad_to_multiple, to_float, to_uint8
from stego_lib.layers import ModularEmbedding, Phase, ResidualEmbedding
from stego_lib.levels import multi_level_network
from stego_lib.messages import MessageToSecret, SecretToMessage
from stego_lib.model_files import why_unreadable
from stego_lib.robust_networks import robust_decoder, robust_encoder

EMBEDDINGS = ("modular", "residual", "robust")
PRETRAINED = ("modular-4", "modular-8", "modular-16", "residual", "robust")
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
        message = SecretToMessage(period, name="message")(_corrected(secret, correction, "corrected_secret"))
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
        revealed = _corrected(start, correction, "revealed")
    else:
        correction = multi_level_network([_centred(stego, "stego")], filters, num_blocks=num_blocks)
        revealed = keras.layers.Rescaling(1.0, 0.5, dtype="float32", name="revealed")(correction)
    return keras.Model(stego, revealed, name=name)


def build_autoencoder(embedding="modular", period=8, *, filters=64, num_blocks=2, channel=None, name="autoencoder"):
    """Builds encoder and decoder as one model, to be trained together.

    The decoder is given what a PNG file of the stego image would hold, or what the channel makes of that. The parts are
    `get_layer("encoder")` and `get_layer("decoder")`.

    Args:
        embedding: `"modular"`, `"residual"` or `"robust"`. Defaults to `"modular"`.
        period: Positive even integer, period of the modular embedding in 8-bit steps. Defaults to `8`.
        filters: Channels at half and quarter resolution, or of a block. Defaults to `64`.
        num_blocks: Residual blocks at half resolution, or on blocks, on each side. Defaults to `2`.
        channel: Layer between the stego image and the decoder: what the secret shall survive, as `JPEG(75)`, or
            `everyday_channel()`. Defaults to `None`.
        name: Name of the model. Defaults to `"autoencoder"`.

    Input shape:
        Dictionary of `cover` and `secret`: `(batch, height, width, 3)` in [0, 1], sides multiples of 4; of 8 for the
        robust embedding.

    Output shape:
        Dictionary of `stego`, before the channel, and `revealed`, same shape.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If the embedding is unknown.
        RuntimeError: If Keras is set to another data format or float type than the networks have.

    Example:

    >>> autoencoder = build_autoencoder(filters=16, num_blocks=1)
    >>> images = np.zeros((1, 64, 64, 3))
    >>> autoencoder({"cover": images, "secret": images})["revealed"].shape
    (1, 64, 64, 3)

    Reference:
        [Baluja, 2017](https://papers.nips.cc/paper/6802-hiding-images-in-plain-sight-deep-steganography)
    """
    cover = keras.Input((None, None, 3), name="cover")
    secret = keras.Input((None, None, 3), name="secret")
    stego = build_encoder(embedding, period, filters=filters, num_blocks=num_blocks)([cover, secret])
    received = channel(stego) if channel else stego
    revealed = build_decoder(embedding, period, filters=filters, num_blocks=num_blocks)(received)
    return keras.Model(
        {"cover": cover, "secret": secret},
        {"stego": stego, "revealed": revealed},
        name=name,
    )


def learn_message(autoencoder, secrets, *, iterations=4):
    """Learns the code of the message from photographs, where the embedding is modular: the first part of training.

    The networks, trained next, correct what the code leaves.

    Args:
        autoencoder: Model made by `build_autoencoder`.
        secrets: uint8 array of shape `(number, height, width, 3)`, sides multiples of 4; photographs to train on.
        iterations: Of `learn_code`, about ten seconds each. Defaults to `4`.

    Returns:
        The same model.
    """
    messages = [
        layer
        for part in ("encoder", "decoder")
        for layer in autoencoder.get_layer(part).layers
        if isinstance(layer, (SecretToMessage, MessageToSecret))
    ]
    if messages:
        code = learn_code(secrets, messages[0].bits_per_sample, iterations)
        for layer in messages:
            layer.set_code(code)
    return autoencoder


def load_autoencoder(path):
    """Loads a trained autoencoder for hiding and revealing.

    Args:
        path: Path of a `.keras` file that `train` or the notebooks have written, or of the folder it is in.

    Returns:
        A `keras.Model`, not compiled.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not a trained autoencoder, is damaged, or was saved by a version of Keras that
            differs too much.
        RuntimeError: If Keras is set to another data format or float type than the networks have.
    """
    check_keras()
    path = Path(path) / "autoencoder.keras" if Path(path).is_dir() else Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no model {path}: train one first, or take one that comes with the library: "
            f"{', '.join(PRETRAINED)}."
        )
    try:
        autoencoder = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises what it likes
        raise ValueError(why_unreadable(path)) from error
    if not {"encoder", "decoder"} <= {layer.name for layer in autoencoder.layers}:
        raise ValueError(f"{path} is a model of Keras, but not a trained autoencoder.")
    return autoencoder


def load_pretrained(name="modular-8"):
    """Loads an autoencoder whose weights come with the library.

    Their model card, `stego_lib/weights/README.md`, tells how they were trained and how good they are.

    Args:
        name: `"modular-4"`, `"modular-8"`, `"modular-16"` (with their periods), `"residual"`, or `"robust"`, whose
            secret survives JPEG. Defaults to `"modular-8"`.

    Returns:
        A `keras.Model`, not compiled.

    Raises:
        ValueError: If there are no weights of that name.

    Example:

    >>> covers, secrets = np.zeros((2, 1, 64, 64, 3), "uint8")
    >>> hide_images(load_pretrained("modular-8"), covers, secrets).shape
    (1, 64, 64, 3)
    """
    if name not in PRETRAINED:
        raise ValueError(f"`name` must be one of {PRETRAINED}. Received: name={name}")
    return load_autoencoder(files("stego_lib") / "weights" / f"{name}.keras")


def hide_images(autoencoder, covers, secrets, *, batch_size=16):
    """Hides every secret in its cover.

    Args:
        autoencoder: Model made by `build_autoencoder`.
        covers: uint8 array of shape `(number, height, width, 3)`. Sides that are not multiples of 4 (8 for the robust
            embedding) are padded by reflection and cut again.
        secrets: uint8 array of the same shape.
        batch_size: Images per batch. Defaults to `16`.

    Returns:
        Stego images, uint8 array of the same shape. They keep their secrets as long as not a bit of them changes;
        those of the robust embedding also survive JPEG, a little worse.

    Example:

    >>> covers, secrets = np.zeros((2, 1, 30, 50, 3), "uint8")
    >>> hide_images(build_autoencoder(filters=16), covers, secrets).shape
    (1, 30, 50, 3)
    """
    return _in_batches(autoencoder, "encoder", batch_size, covers, secrets)


def reveal_images(autoencoder, stego, *, batch_size=16):
    """Reveals the secrets of stego images.

    Args:
        autoencoder: The model that has hidden them.
        stego: uint8 array of shape `(number, height, width, 3)`.
        batch_size: Images per batch. Defaults to `16`.

    Returns:
        Revealed secrets, uint8 array of the same shape. An image in which nothing is hidden gives a picture as well, of
        noise.

    Example:

    >>> reveal_images(build_autoencoder(filters=16), np.zeros((1, 30, 50, 3), "uint8")).shape
    (1, 30, 50, 3)
    """
    return _in_batches(autoencoder, "decoder", batch_size, stego)


def _in_batches(autoencoder, part, batch_size, *images):
    model = autoencoder.get_layer(part)
    is_robust = isinstance(autoencoder.get_layer("encoder").get_layer("embedding"), CarrierEmbedding)
    multiple = BLOCK if is_robust else 4
    height, width = images[0].shape[1:3]
    results = []
    for start in range(0, len(images[0]), batch_size):
        batches = [to_float(pad_to_multiple(image[start : start + batch_size], multiple)) for image in images]
        result = keras.ops.convert_to_numpy(model(batches if len(batches) > 1 else batches[0]))
        results.append(to_uint8(result[:, :height, :width]))
    return np.concatenate(results)


def multiply_accumulates(model, *, height=64, width=64):
    """Counts the multiplications of all convolutions of a model for one image, the usual measure of its cost.

    The transforms of the modular embedding, another 5 thousand a pixel on each side, are not counted.

    Args:
        model: Functional model with image inputs, parts included.
        height: Height of the image in pixels. Defaults to `64`.
        width: Width of the image in pixels. Defaults to `64`.

    Returns:
        Integer.
    """
    inputs = keras.tree.map_structure(
        lambda image: keras.Input((height, width, image.shape[-1]), name=image.name), model.input
    )
    count = 0
    for layer in keras.models.clone_model(model, input_tensors=inputs).layers:
        if isinstance(layer, keras.Model):
            count += multiply_accumulates(layer, height=height, width=width)
        else:
            kernels = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) == 4)
            count += kernels and kernels * math.prod(layer.output.shape[1:3])
    return count


def _corrected(image, correction, name):
    """The image and a small part of the correction, so that training starts with small steps."""
    correction = keras.layers.Rescaling(0.01, dtype="float32", name=f"{name}_correction")(correction)
    return keras.layers.Add(dtype="float32", name=name)([image, correction])


def _centred(image, name):
    return keras.layers.Rescaling(2.0, -1.0, name=f"centred_{name}")(image)


def _check(embedding):
    check_keras()
    if embedding not in EMBEDDINGS:
        raise ValueError(f"`embedding` must be one of {EMBEDDINGS}. Received: embedding={embedding}")
