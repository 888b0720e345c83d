"""All ways to hide a photograph in another of the same size, measured the same way."""

import functools
import warnings

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
from stego_lib.evaluation.disturbances import DISTURBANCES
from stego_lib.evaluation.quality import Method, joint_methods, measure, through_png
from stego_lib.hiding.capacity import BITS, CapacityError
from stego_lib.hiding.stego import hide, reveal
from stego_lib.images import image_psnr

CODECS = {
    "AVIF": (avif, imagecodecs.avif_decode),
    "JPEG XL": (jpegxl, imagecodecs.jpegxl_decode),
    "JPEG 2000": (jpeg2000, imagecodecs.jpeg2k_decode),
    "WebP": (webp, imagecodecs.webp_decode),
}
RATES = (0.1, 0.2, *BITS)  # bits a sample
SURVIVED = 75  # JPEG quality
FAMILIES = ("hide", "joint modular", "joint residual", "joint robust", *CODECS, "LSB", "plain LSB")


def all_methods(bits=RATES):
    """Collects all ways to hide: `stego_lib.hide`, joint autoencoders, files of image codecs in low bits, and LSB.

    Args:
        bits: Bits a sample, for the methods that have a choice; fractions are only for `hide`. Defaults to `RATES`.

    Returns:
        Dictionary of `Method`, named by family, one of `FAMILIES`, and setting: `"AVIF, 2 bits"`, `"joint modular,
        period 8"`.
    """
    methods = {}
    for rate in bits:
        setting = f"{rate} bit{'s' * (rate != 1)}"
        methods[f"hide, {setting}"] = Method(functools.partial(_hide, bits=rate), reveal)
        if isinstance(rate, float):
            continue
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
    methods[f"hide, survives JPEG {SURVIVED}"] = Method(functools.partial(_hide, survive=SURVIVED), reveal)
    return dict(sorted((methods | joint_methods()).items(), key=lambda item: FAMILIES.index(item[0].split(",")[0])))


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
        quality = {metric: np.full(len(covers), np.nan) for metric in measure(*[covers[:1]] * 4)}
        if fits.any():
            stego = through_png(np.stack([image for image in hidden if image is not None]))
            revealed = np.stack(list(map(method.reveal, stego)))
            for metric, values in measure(covers[fits], secrets[fits], stego, revealed).items():
                quality[metric][fits] = np.minimum(values, EQUAL)
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
        cells.append(f"{quality['secret_psnr'].min():.1f}")
        failed = np.isnan(quality["secret_psnr"]).sum()
        if failed:
            cells = [f"cannot hide {failed} of {len(quality['secret_psnr'])}", "", ""]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def disturb(methods, covers, secrets):
    """Measures what is left of secrets after something has happened to the stego images.

    Args:
        methods: Dictionary returned by `all_methods`.
        covers: uint8 array of shape `(number, height, width, 3)`.
        secrets: uint8 array of the same shape.

    Returns:
        Dictionary of dictionaries, for every method and each of the `DISTURBANCES`: array of shape `(number,)`, PSNR in
        dB of the revealed secret, at most 68; NaN where the method refuses, by an error, to reveal anything, returns a
        picture of another size, or cannot hide the secret.
    """
    remaining = {}
    for name, method in tqdm(methods.items(), desc="Disturbing", disable=None):
        remaining[name] = {disturbance: np.full(len(covers), np.nan) for disturbance in DISTURBANCES}
        for index, (cover, secret) in enumerate(zip(covers, secrets, strict=True)):
            stego = method.hide(cover, secret)
            for disturbance, change in DISTURBANCES.items() if stego is not None else ():
                try:
                    revealed = method.reveal(change(stego))
                except ValueError:
                    continue
                is_crop = disturbance == "crop" and revealed.shape != secret.shape
                expected = change(secret) if is_crop else secret
                if revealed.shape == expected.shape:
                    remaining[name][disturbance][index] = min(image_psnr(expected, revealed), EQUAL)
    return remaining


def disturbance_table(remaining):
    """Puts what `disturb` measured into a Markdown table.

    Args:
        remaining: Dictionary returned by `disturb`.

    Returns:
        String: mean PSNR in dB of the secrets, "refused", or "cannot hide".
    """
    lines = [f"| method | {' | '.join(DISTURBANCES)} |", "| --- |" + " --- |" * len(DISTURBANCES)]
    for name, columns in remaining.items():
        hidden = ~np.isnan(columns["none"])
        cells = []
        for column in columns.values():
            values = column[hidden]
            refused = np.isnan(values).sum()
            cell = f"{np.nanmean(values):.1f}" if refused < len(values) else "refused" if len(values) else "cannot hide"
            cells.append(cell + (f" ({refused} of {len(values)} refused)" if 0 < refused < len(values) else ""))
        count = f" ({hidden.sum()} of {len(hidden)} hidden)" if 0 < hidden.sum() < len(hidden) else ""
        lines.append(f"| {name}{count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _hide(cover, secret, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a secret will come back poorly is what is measured
        try:
            return hide(cover, secret, **how)
        except CapacityError:
            return None
