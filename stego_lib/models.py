"""The joint autoencoder: built, loaded, and used to hide and to reveal."""

import math
from importlib.resources import files
from pathlib import Path

import keras
import numpy as np

from stego_lib.block_code import BLOCK, learn_code, pad_to_multiple
from stego_lib.block_transform import BLOCK as CARRIER_BLOCK
from stego_lib.block_transform import CarrierEmbedding
from stego_lib.devices import check_keras
from stego_lib.encoder_decoder import build_decoder, build_encoder
from stego_lib.images import to_float, to_uint8
from stego_lib.messages import MessageToSecret, SecretToMessage
from stego_lib.model_files import why_unreadable

PRETRAINED = ("modular-4", "modular-8", "modular-16", "residual", "robust")


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
        code = learn_code(secrets, messages[0].bits_per_sample, iterations=iterations)
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
    return _in_batches(autoencoder, "encoder", covers, secrets, batch_size=batch_size)


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
    return _in_batches(autoencoder, "decoder", stego, batch_size=batch_size)


def side_multiple(*, is_robust):
    """Tells of what the sides of images must be multiples.

    Args:
        is_robust: Whether the embedding is the robust one.

    Returns:
        Number of pixels, the side of a block.
    """
    return CARRIER_BLOCK if is_robust else BLOCK


def _in_batches(autoencoder, part, *images, batch_size):
    model = autoencoder.get_layer(part)
    is_robust = isinstance(autoencoder.get_layer("encoder").get_layer("embedding"), CarrierEmbedding)
    multiple = side_multiple(is_robust=is_robust)
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
