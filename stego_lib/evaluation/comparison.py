"""All ways to hide a photograph in another of the same size, measured the same way."""

import functools
import warnings
from collections.abc import Callable
from typing import NamedTuple

import cv2
import imagecodecs
import numpy as np
from tqdm.auto import tqdm

from stego_lib.evaluation.baselines import (
    avif,
    codec_hide,
    codec_reveal,
    jpeg2000,
    jpegxl,
    lsb_hide,
    lsb_reveal,
    webp,
)
from stego_lib.evaluation.compression import EQUAL
from stego_lib.evaluation.quality import measure, through_png
from stego_lib.files.stego import BITS, hide, reveal
from stego_lib.images import image_psnr
from stego_lib.models import PRETRAINED, hide_images, load_pretrained, reveal_images

CODECS = {
    "AVIF": (avif, imagecodecs.avif_decode),
    "JPEG XL": (jpegxl, imagecodecs.jpegxl_decode),
    "JPEG 2000": (jpeg2000, imagecodecs.jpeg2k_decode),
    "WebP": (webp, imagecodecs.webp_decode),
}


class Method(NamedTuple):
    """A way to hide: cover and secret to a stego image (`None` where it cannot), and that to the revealed image."""

    hide: Callable
    reveal: Callable


def all_methods(bits=BITS):
    """Collects all ways to hide: LSB, files of image codecs in low bits, joint autoencoders, and `stego_lib.hide`.

    Args:
        bits: Bits of every sample, for the methods that have a choice. Defaults to `(1, 2, 3, 4)`.

    Returns:
        Dictionary of `Method`, named by family and setting: `"AVIF, 2 bits"`, `"joint modular, period 8"`.
    """
    methods = {}
    for rate in bits:
        setting = f"{rate} bit{'s' * (rate > 1)}"
        plain = {"adjust": False}, {"midpoint": False}
        for family, (options, choices) in {"LSB": ({}, {}), "plain LSB": plain}.items():
            methods[f"{family}, {setting}"] = Method(
                functools.partial(lsb_hide, bits=rate, **options), functools.partial(lsb_reveal, bits=rate, **choices)
            )
        for family, (compress, decode) in CODECS.items():
            methods[f"{family}, {setting}"] = Method(
                functools.partial(codec_hide, bits=rate, compress=compress),
                functools.partial(codec_reveal, bits=rate, decode=decode),
            )
        methods[f"files, {setting}"] = Method(functools.partial(_hide, bits=rate), reveal)
    for name in PRETRAINED:
        autoencoder = load_pretrained(name)
        methods[f"joint {name.replace('-', ', period ')}"] = Method(
            functools.partial(_hide_one, autoencoder), functools.partial(_reveal_one, autoencoder)
        )
    return dict(sorted(methods.items(), key=lambda item: item[0].split(",")[0]))


def compare(methods, covers, secrets):
    """Measures methods on the same pairs, every stego image through a real PNG.

    Args:
        methods: Dictionary returned by `all_methods`.
        covers: uint8 array of shape `(number, height, width, 3)`.
        secrets: uint8 array of the same shape.

    Returns:
        Dictionary of what `measure` returns; PSNR at most 68 dB, which is as good as equal, and NaN for secrets that a
        method cannot hide.
    """
    qualities = {}
    for name, method in tqdm(methods.items(), desc="Comparing", disable=None):
        hidden = [method.hide(cover, secret) for cover, secret in zip(covers, secrets, strict=True)]
        fits = np.array([stego is not None for stego in hidden])
        quality = {each: np.full(len(covers), np.nan) for each in measure(*[covers[:1]] * 4)}
        if fits.any():
            stego = through_png(np.stack([image for image in hidden if image is not None]))
            revealed = np.stack(list(map(method.reveal, stego)))
            for each, values in measure(covers[fits], secrets[fits], stego, revealed).items():
                quality[each][fits] = np.minimum(values, EQUAL)
        qualities[name] = quality
    return qualities


def comparison_table(qualities):
    """Puts what `compare` measured into a Markdown table.

    Args:
        qualities: Dictionary returned by `compare`.

    Returns:
        String: means of PSNR in dB and SSIM, and the worst secret.
    """
    lines = ["| method | cover dB / SSIM | secret dB / SSIM | worst secret dB |", "| --- | --- | --- | --- |"]
    for name, quality in qualities.items():
        cells = [
            f"{quality[f'{image}_psnr'].mean():.2f} / {quality[f'{image}_ssim'].mean():.4f}"
            for image in ("cover", "secret")
        ]
        failed = np.isnan(quality["secret_psnr"]).sum()
        if failed:
            cells = [f"cannot hide {failed} of {len(quality['secret_psnr'])}"] * 2
        lines.append(f"| {name} | {' | '.join(cells)} | {quality['secret_psnr'].min():.1f} |")
    return "\n".join(lines)


def one_sample(image):
    """Changes one sample in the middle by 1."""
    changed = image.copy()
    changed[image.shape[0] // 2, image.shape[1] // 2, 1] ^= 1
    return changed


def noise(image, sigma):
    """Adds rounded Gaussian noise.

    Args:
        image: uint8 array.
        sigma: Standard deviation in 8-bit steps.

    Returns:
        uint8 array of the same shape, the same for the same image.
    """
    values = np.random.default_rng(0).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + values), 0, 255).astype("uint8")


def jpeg(image, quality):
    """Compresses an image as JPEG and decompresses it.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        quality: 1 to 100.

    Returns:
        uint8 array of the same shape.
    """
    return imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(image, level=quality))


def half_and_back(image):
    """Resizes an image to half its size by area and back by cubic interpolation."""
    size = image.shape[1::-1]
    half = cv2.resize(image, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(half, size, interpolation=cv2.INTER_CUBIC)


def cropped(image, margin=5):
    """Cuts a margin off every side."""
    return image[margin:-margin, margin:-margin]


DISTURBANCES = {
    "none": np.copy,
    "one sample": one_sample,
    **{f"noise, sigma {sigma}": functools.partial(noise, sigma=sigma) for sigma in (0.5, 1, 2, 5)},
    **{f"JPEG, quality {quality}": functools.partial(jpeg, quality=quality) for quality in (95, 85, 75)},
    "half size and back": half_and_back,
    "crop": cropped,
}


def disturb(methods, covers, secrets):
    """Measures what is left of secrets after something has happened to the stego images.

    Args:
        methods: Dictionary returned by `all_methods`.
        covers: uint8 array of shape `(number, height, width, 3)`.
        secrets: uint8 array of the same shape.

    Returns:
        Dictionary of dictionaries, for every method and each of the `DISTURBANCES`: array of shape `(number,)`, PSNR in
        dB of the revealed secret, at most 68; NaN where the method refuses, by an error, to reveal anything.
    """
    left = {}
    for name, method in tqdm(methods.items(), desc="Disturbing", disable=None):
        left[name] = {each: np.full(len(covers), np.nan) for each in DISTURBANCES}
        for index, (cover, secret) in enumerate(zip(covers, secrets, strict=True)):
            stego = method.hide(cover, secret)
            for each, change in DISTURBANCES.items() if stego is not None else ():
                try:
                    revealed = method.reveal(change(stego))
                except ValueError:
                    continue
                expected = change(secret) if each == "crop" and revealed.shape != secret.shape else secret
                left[name][each][index] = min(image_psnr(expected, revealed), EQUAL)
    return left


def disturbance_table(left):
    """Puts what `disturb` measured into a Markdown table.

    Args:
        left: Dictionary returned by `disturb`.

    Returns:
        String: mean PSNR in dB of the secrets, or "refused".
    """
    lines = [f"| method | {' | '.join(DISTURBANCES)} |", "| --- |" + " --- |" * len(DISTURBANCES)]
    for name, columns in left.items():
        cells = []
        for values in columns.values():
            refused = np.isnan(values).sum()
            cell = f"{np.nanmean(values):.1f}" if refused < len(values) else "refused"
            cells.append(cell + (f" ({refused} of {len(values)} refused)" if 0 < refused < len(values) else ""))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _hide(cover, secret, bits):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a secret will come back poorly is what is measured
        return hide(cover, secret, bits=bits)


def _hide_one(autoencoder, cover, secret):
    return hide_images(autoencoder, cover[None], secret[None])[0]


def _reveal_one(autoencoder, stego):
    return reveal_images(autoencoder, stego[None])[0]
