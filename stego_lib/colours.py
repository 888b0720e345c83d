"""Colours of photograph files: what a file says about them, and how they become sRGB."""

import contextlib
import io
import warnings
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms

from stego_lib.formats import UnsupportedFileError

D65 = (0.3127, 0.3290)
SRGB_PRIMARIES = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65)
PRIMARIES = {  # by code point of ITU-T H.273: x, y of red, green, blue and white
    1: SRGB_PRIMARIES,
    2: SRGB_PRIMARIES,  # unspecified
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), D65),  # BT.601, 625 lines
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),  # BT.601, 525 lines
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),  # BT.2020
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),  # DCI-P3
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),  # Display P3
}
SRGB_CURVE = None
GAMMAS = {  # by code point of ITU-T H.273; what is meant for television is shown as if it were sRGB
    **dict.fromkeys((1, 2, 6, 11, 13, 14, 15), SRGB_CURVE),
    4: 2.2,
    5: 2.8,
    8: 1.0,
}
HDR = (16, 18)  # code points of the curves PQ and HLG
UNMOVED = 2  # levels by which profiles that are sRGB differ from it, by rounding
STRIP = 256  # rows converted at a time, which takes little memory
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


class ColourSpace(NamedTuple):
    """What the three samples of a pixel mean.

    `primaries` are the chromaticities x, y of red, green, blue and white; `gamma` is the exponent that makes samples
    proportional to light, or `None` for the curve of sRGB.
    """

    primaries: tuple
    gamma: float | None


SRGB = ColourSpace(SRGB_PRIMARIES, SRGB_CURVE)
ADOBE_RGB = ColourSpace(((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65), 563 / 256)


def colour_space(image):
    """Finds out what the samples of a file mean, by all the ways in which files say so.

    Args:
        image: Pillow image returned by `stego_lib.formats.open_photograph`, decoded.

    Returns:
        bytes of an ICC profile, or `ColourSpace`; sRGB where the file says nothing.

    Raises:
        UnsupportedFileError: If the colours cannot be shown in sRGB; the text is a reason, not a sentence.
    """
    info = image.info
    profile_first = image.format != "PNG"  # the standards say so
    if info.get("icc_profile") and (profile_first or "cicp" not in info):
        return info["icc_profile"]
    if "cicp" in info:
        return _of_code_points(*info["cicp"])
    if "srgb" in info:
        return SRGB
    if "gamma" in info or "chromaticity" in info:
        return _of_png(info.get("gamma"), info.get("chromaticity"))
    return _of_exif(image.getexif())


def _of_code_points(primaries, transfer, matrix=0, full_range=1):
    if transfer in HDR:
        raise UnsupportedFileError("it is an HDR picture; export it as an SDR picture")
    if primaries not in PRIMARIES or transfer not in GAMMAS or matrix or not full_range:
        codes = f"{primaries}/{transfer}/{matrix}"
        raise UnsupportedFileError(f"it has colours of an unusual kind, {codes}; export it in sRGB")
    return ColourSpace(PRIMARIES[primaries], GAMMAS[transfer])


def _of_png(gamma, chromaticity):
    """What the chunks gAMA and cHRM say; like libpng, a gamma within 5 % of that of sRGB is taken for it."""
    primaries = SRGB_PRIMARIES
    if chromaticity:
        white, *colours = zip(chromaticity[::2], chromaticity[1::2], strict=True)
        primaries = (*colours, white)
    if np.allclose(primaries, SRGB_PRIMARIES, atol=0.002) and (not gamma or abs(2.2 * gamma - 1) < 0.05):
        return SRGB
    return ColourSpace(primaries, 1 / gamma if gamma else SRGB_CURVE)


def _of_exif(exif):
    """Cameras say Adobe RGB like this: the colour space is not sRGB, and the interoperability index is R03."""
    space, index = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace), None
    with contextlib.suppress(KeyError):  # of Pillow 11, where there is none
        index = exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex)
    return ADOBE_RGB if space == 2 or (space != 1 and index == "R03") else SRGB


def to_srgb(image, space, *, name="The picture"):
    """Converts colours to sRGB; what is sRGB already stays exactly as it is.

    Args:
        image: Pillow image of mode `"L"`, `"RGB"`, `"CMYK"` or `"LAB"`.
        space: bytes of an ICC profile, or `ColourSpace`, which says nothing of the last two modes.
        name: How a warning calls the picture. Defaults to `"The picture"`.

    Returns:
        Pillow image of mode `"RGB"`.
    """
    if image.mode == "LAB":
        return image.convert("RGB")
    if isinstance(space, bytes):
        return _through_profile(image, space, name=name)
    if image.mode == "CMYK" or space == SRGB:
        return image.convert("RGB")
    return _through_light(image.convert("RGB"), space)


def _through_profile(image, content, *, name):
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        mode = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}[profile.profile.xcolor_space]
        if (image.mode, mode) == ("L", "RGB"):
            image = image.convert("RGB")
        if image.mode != mode:
            raise KeyError(mode)
        flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else 0  # or else dark greys are wrong by up to 10 levels
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB", flags=flags)
    except (ImageCms.PyCMSError, OSError, KeyError):
        warnings.warn(f"{name} has a colour profile that does not fit: it is read as sRGB.", stacklevel=4)
        return image.convert("RGB")
    if mode in PROBES and _moves_nothing(transform, mode):
        return image.convert("RGB")
    if mode == "L":  # every level once is quicker than every pixel
        levels = np.asarray(transform.apply(PROBES["L"]))[0]
        return Image.fromarray(levels[np.asarray(image)])
    return transform.apply(image)


def _moves_nothing(transform, mode):
    """Tells whether a transform to sRGB leaves colours alone, but for rounding: a profile can have any name."""
    before, after = PROBES[mode].convert("RGB"), transform.apply(PROBES[mode])
    return np.abs(np.asarray(before, int) - np.asarray(after, int)).max() <= UNMOVED


def _through_light(image, space):
    """Samples become amounts of light, these are mixed to those of the primaries of sRGB, and get the curve of sRGB."""
    codes = np.arange(256, dtype=np.float32) / 255
    light = _srgb_to_light(codes) if space.gamma is SRGB_CURVE else codes**space.gamma
    matrix = _mixture(space.primaries).astype(np.float32)
    samples = np.array(image)
    for top in range(0, len(samples), STRIP):
        strip = samples[top : top + STRIP]
        mixed = cv2.transform(cv2.LUT(strip, light.astype(np.float32)), matrix)
        strip[:] = LIGHT_TO_SRGB[np.rint(np.clip(mixed, 0, 1) * 65535).astype(np.uint16)]
    return Image.fromarray(samples)


def _srgb_to_light(codes):
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def _mixture(primaries):
    """The 3x3 matrix from amounts of light of some primaries to those of sRGB, seen by an eye adapted to its white."""
    source, white = _to_xyz(primaries)
    target, target_white = _to_xyz(SRGB_PRIMARIES)
    adaptation = np.linalg.solve(BRADFORD, np.diag(BRADFORD @ target_white / (BRADFORD @ white)) @ BRADFORD)
    return np.linalg.solve(target, adaptation @ source)


def _to_xyz(primaries):
    *colours, white = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in primaries)
    colours = np.stack(colours, axis=1)
    return colours * np.linalg.solve(colours, white), white


def _probes():
    """Colours that any conversion would move: a grid of them, and all levels of grey."""
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 17, dtype=np.uint8)] * 3), axis=-1)
    greys = np.arange(256, dtype=np.uint8)[None]
    return {"RGB": Image.fromarray(grid.reshape(1, -1, 3)), "L": Image.fromarray(greys)}


def _light_to_srgb():
    light = np.arange(65536) / 65535
    codes = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * codes).astype(np.uint8)


PROBES = _probes()  # by mode
LIGHT_TO_SRGB = _light_to_srgb()  # by amounts of light of 16 bits
