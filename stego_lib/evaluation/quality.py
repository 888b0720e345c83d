"""Quality through a real PNG: hide, encode, decode, reveal; PSNR and SSIM of every image."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from stego_lib.evaluation.disturbances import DISTURBANCES
from stego_lib.images import decode_image, encode_image, image_psnr
from stego_lib.metrics import psnr, ssim
from stego_lib.models import PRETRAINED, hide_images, load_pretrained, reveal_images


class Method(NamedTuple):
    """A way to hide: cover and secret to a stego image (`None` where it cannot), and that to the revealed image."""

    hide: Callable
    reveal: Callable


def joint_methods(names=PRETRAINED):
    """Loads joint autoencoders that come with the library, as ways to hide.

    Args:
        names: Of `PRETRAINED`. Defaults to all.

    Returns:
        Dictionary of `Method` for single images, uint8 arrays of shape `(height, width, 3)`, named
        `"joint modular, period 8"` and so on.
    """
    methods = {}
    for name in names:
        autoencoder = load_pretrained(name)
        methods[f"joint {name.replace('-', ', period ')}"] = Method(
            functools.partial(_hide_image, autoencoder), functools.partial(_reveal_image, autoencoder)
        )
    return methods


def hide_and_reveal(autoencoder, covers, secrets, *, batch_size=16):
    """Hides every secret in its cover, writes and reads the stego image as PNG, and reveals the secret again.

    Args:
        autoencoder: Model made by `build_autoencoder`.
        covers: uint8 array of shape `(number, height, width, 3)`.
        secrets: uint8 array of the same shape.
        batch_size: Images per batch. Defaults to `16`.

    Returns:
        Stego and revealed images, two uint8 arrays of the same shape.
    """
    stego = through_png(hide_images(autoencoder, covers, secrets, batch_size=batch_size))
    return stego, reveal_images(autoencoder, stego, batch_size=batch_size)


def survival(autoencoder, secrets, stego, *, batch_size=16):
    """Measures what an autoencoder reveals after something has happened to the stego images.

    Args:
        autoencoder: The model that has hidden the secrets.
        secrets: uint8 array of shape `(number, height, width, 3)`.
        stego: uint8 array of the same shape, from `hide_images`.
        batch_size: Images per batch. Defaults to `16`.

    Returns:
        Dictionary of arrays of shape `(number,)` for each of the `DISTURBANCES`: PSNR in dB of the revealed secrets
        (cropped, where the stego image was), higher is better.
    """
    remaining = {}
    for name, change in DISTURBANCES.items():
        revealed = reveal_images(autoencoder, np.stack(list(map(change, stego))), batch_size=batch_size)
        expected = np.stack(list(map(change, secrets))) if name == "crop" else secrets
        remaining[name] = np.array(list(map(image_psnr, expected, revealed)))
    return remaining


def survival_table(remaining):
    """Puts what `survival` measured into a Markdown table.

    Args:
        remaining: Dictionary returned by `survival`.

    Returns:
        String: mean PSNR in dB of the secrets, and the worst one.
    """
    rows = [f"| {name} | {values.mean():.2f} | {values.min():.1f} |" for name, values in remaining.items()]
    return "\n".join(["| after | secret dB | worst secret dB |", "| --- | --- | --- |", *rows])


def through_png(images):
    """Encodes images as PNG files in memory and decodes them again.

    Args:
        images: uint8 array of shape `(number, height, width, 3)`.

    Returns:
        What was decoded, same shape.
    """
    return np.stack([decode_image(encode_image(image, "image.png")) for image in images])


def measure(covers, secrets, stego, revealed):
    """Measures PSNR and SSIM of stego images against covers and of revealed images against secrets.

    Args:
        covers: uint8 array of shape `(number, height, width, 3)`, at least 11 pixels high and wide.
        secrets: uint8 array of the same shape.
        stego: uint8 array of the same shape.
        revealed: uint8 array of the same shape.

    Returns:
        Dictionary of `cover_psnr`, `cover_ssim`, `secret_psnr` and `secret_ssim`, arrays of shape `(number,)`;
        PSNR in dB; higher is better.
    """
    return {
        f"{name}_{metric.__name__}": keras.ops.convert_to_numpy(metric(true, predicted))
        for name, true, predicted in (("cover", covers, stego), ("secret", secrets, revealed))
        for metric in (psnr, ssim)
    }


def summary(quality):
    """Puts the means of `measure` into one line.

    Args:
        quality: Dictionary returned by `measure`.

    Returns:
        String with the number of pairs, mean PSNR and SSIM of cover and secret, and the worst secret.
    """
    mean = {name: values.mean() for name, values in quality.items()}
    return (
        f"n = {len(quality['cover_psnr'])}, "
        f"cover {mean['cover_psnr']:.2f} dB / {mean['cover_ssim']:.4f}, "
        f"secret {mean['secret_psnr']:.2f} dB / {mean['secret_ssim']:.4f}, "
        f"worst secret {quality['secret_psnr'].min():.2f} dB"
    )


def _hide_image(autoencoder, cover, secret):
    return hide_images(autoencoder, cover[None], secret[None])[0]


def _reveal_image(autoencoder, stego):
    return reveal_images(autoencoder, stego[None])[0]
