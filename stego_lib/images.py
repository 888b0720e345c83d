"""Photographs as arrays: reading, lossless writing, 8-bit conversion, sharpening and smoothing."""

import contextlib
import io
import math
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from stego_lib.colours import colour_space, to_srgb
from stego_lib.formats import UnsupportedFileError, decode, has_more_pictures, open_photograph
from stego_lib.paths import check_folder, write_file

LOSSLESS_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")
JPEG_SUFFIXES = (".jpg", ".jpeg")
MAX_PIXELS = 2**27
TOO_LARGE = "more than the limit of 134 megapixels (2**27 pixels); make it smaller"


def read_image(path, *, as_stored=False):
    """Reads a photograph, a JPEG, PNG, WebP, AVIF, TIFF, BMP or GIF file, as 8-bit RGB.

    The EXIF orientation is applied; colours of another profile become sRGB; grey, palette and CMYK become RGB; 16 bits
    become 8; transparent parts are laid on white. Of several frames or pages the first is read, with a warning.

    Args:
        path: Path of the file.
        as_stored: Whether orientation, transparency and colour profile are left alone: what is hidden in a stego image
            is in its samples. Defaults to `False`.

    Returns:
        uint8 array of shape `(height, width, 3)`.

    Raises:
        FileNotFoundError: If there is no such file.
        IsADirectoryError: If it is a folder.
        UnsupportedFileError: If the file is damaged, of another kind, or has more than 2**27 pixels (134 megapixels).
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not an image.")
    with open(path, "rb") as file, _named_in_errors(path):
        image = open_photograph(file, path.suffix)
        _check_num_pixels(*image.size)
        several = has_more_pictures(image)
        pixels = _pixels(image, path, as_stored=as_stored)
    if several:
        warnings.warn(f"{path} has several pictures: only the first one is read.", stacklevel=2)
    return pixels


@contextlib.contextmanager
def _named_in_errors(path):
    try:
        yield
    except UnsupportedFileError as error:
        raise UnsupportedFileError(f"{path} cannot be read: {error}.") from error
    except Image.DecompressionBombError as error:
        raise UnsupportedFileError(f"{path} cannot be read: it has {TOO_LARGE}.") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow and its plugins raise what they like
        reason = f"it is damaged, or of a kind that cannot be decoded ({' '.join(str(error).split()).rstrip('.')})"
        raise UnsupportedFileError(f"{path} cannot be read: {reason}.") from error


def _pixels(image, name, *, as_stored):
    picture = decode(image, as_stored=as_stored)
    if as_stored:
        return np.asarray(picture.convert("RGB"))
    alpha = picture.getchannel("A") if picture.mode in ("LA", "RGBA") else None
    opaque = picture.convert(picture.mode.removesuffix("A")) if alpha else picture
    rgb = to_srgb(opaque, colour_space(image), name=name)
    if alpha:
        rgb = Image.composite(rgb, Image.new("RGB", rgb.size, "white"), alpha)
    return np.asarray(rgb)


def _check_num_pixels(width, height):
    if width * height > MAX_PIXELS:
        raise UnsupportedFileError(f"it has {width * height / 1e6:.1f} megapixels, {TOO_LARGE}")


def write_image(path, image, *, overwrite=False):
    """Writes an image to a lossless file, all of it or nothing.

    Args:
        path: Path of the file; the suffix `.png`, `.bmp` or `.tif` decides about the format.
        image: uint8 or float array in [0, 1] of shape `(height, width, 3)`. Written as it is, never sharpened or
            smoothed: a stego image would lose its secret.
        overwrite: Whether an existing file may be replaced. Defaults to `False`.

    Raises:
        ValueError: If the suffix is not one of a lossless format.
        FileExistsError: If the file exists and may not be replaced.
        OSError: If the path is a folder, or the file cannot be written.
    """
    check_output(path, overwrite=overwrite)
    content = encode_image(image, path)
    check_folder(Path(path).parent)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"Cannot write {path}: {error.strerror}.") from error
    write_file(path, content, overwrite=overwrite)


def check_output(path, *, suffixes=LOSSLESS_SUFFIXES, overwrite=False):
    """Makes sure that an image may be written to a file.

    Args:
        path: Path of the file.
        suffixes: Those that the file may have. Defaults to those of lossless formats.
        overwrite: Whether an existing file may be replaced. Defaults to `False`.

    Raises:
        ValueError: If the suffix is another one.
        FileExistsError: If the file exists and may not be replaced.
        IsADirectoryError: If the path is a folder.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(
            f"Cannot write {path}: a hidden photograph survives only in lossless files, {', '.join(LOSSLESS_SUFFIXES)}"
            f"{', or in a .jpg of a cover that is one' if '.jpg' in suffixes else ''}."
        )
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already.")


def encode_image(image, path):
    """Makes the content of a file.

    Args:
        image: uint8 or float array in [0, 1] of shape `(height, width, 3)`.
        path: Path of the file; its suffix decides about the format. JPEG files get quality 98 and whole colours.

    Returns:
        bytes; no metadata.
    """
    content = io.BytesIO()
    kind = Image.registered_extensions()[Path(path).suffix.lower()]
    options = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {}
    Image.fromarray(to_uint8(image)).save(content, format=kind, **options)
    return content.getvalue()


def decode_image(content):
    """Reads the content of a file made by `encode_image`.

    Args:
        content: bytes.

    Returns:
        uint8 array of shape `(height, width, 3)`.
    """
    return np.asarray(decode(open_photograph(io.BytesIO(content)), as_stored=True).convert("RGB"))


def check_photograph(name, image):
    """Makes sure that something is an 8-bit RGB image of at most 2**27 pixels (134 megapixels).

    Args:
        name: How errors call it.
        image: Anything.

    Returns:
        The image, uint8 array of shape `(height, width, 3)`.

    Raises:
        ValueError: If it is something else.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f"`{name}` must be a uint8 array of shape (height, width, 3). "
            f"Received: dtype={image.dtype}, shape={image.shape}"
        )
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise ValueError(f"`{name}` has {TOO_LARGE}. Received: shape={image.shape}")
    return image


def image_psnr(image, other):
    """Computes the PSNR of two 8-bit images of any size, without copies of them.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        other: uint8 array of the same shape.

    Returns:
        Number in dB, higher is better; infinite for equal images.
    """
    error = cv2.norm(image, other, cv2.NORM_L2SQR) / image.size
    return 10 * math.log10(255**2 / error) if error else math.inf


def to_uint8(image):
    """Rounds an image in [0, 1] to 8 bits; uint8 passes unchanged.

    Args:
        image: Float array, clipped to [0, 1], or uint8 array.

    Returns:
        uint8 array of the same shape.

    Raises:
        ValueError: If the values are integers of another kind.
    """
    image = _checked(image)
    return image if image.dtype == np.uint8 else np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def to_float(image):
    """Converts an 8-bit image to float32 in [0, 1]; floats pass unchanged.

    Args:
        image: uint8 array or float array.

    Returns:
        float32 array of the same shape.

    Raises:
        ValueError: If the values are integers of another kind.
    """
    image = _checked(image)
    return image.astype(np.float32) / 255 if image.dtype == np.uint8 else image.astype(np.float32)


def _checked(image):
    image = np.asarray(image)
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"Images must be uint8, or float in [0, 1]. Received: dtype={image.dtype}")
    return image


def sharpen(image, amount=0.5, *, sigma=1.0):
    """Sharpens an image by unsharp masking: `image + amount * (image - gaussian(image))`.

    For looking at a stego or revealed image. The file that carries the secret must stay as it is.

    Args:
        image: uint8 or float array in [0, 1] of shape `(height, width, 3)`.
        amount: Strength, at least 0. Defaults to `0.5`.
        sigma: Standard deviation of the Gaussian in pixels. Defaults to `1.0`.

    Returns:
        Array of the same shape and kind.
    """
    pixels = to_float(image)
    return _as_kind_of(image, pixels + amount * (pixels - cv2.GaussianBlur(pixels, (0, 0), sigma)))


def smooth(image, method="bilateral", *, sigma=1.0):
    """Smooths an image, by default along its edges and not across them.

    For looking at a stego or revealed image. The file that carries the secret must stay as it is.

    Args:
        image: uint8 or float array in [0, 1] of shape `(height, width, 3)`.
        method: `"bilateral"` or `"gaussian"`. Defaults to `"bilateral"`.
        sigma: Standard deviation of the spatial Gaussian in pixels. Defaults to `1.0`.

    Returns:
        Array of the same shape and kind.

    Raises:
        ValueError: If the method is unknown.

    Reference:
        [Tomasi & Manduchi, 1998](https://doi.org/10.1109/ICCV.1998.710815)
    """
    pixels = to_float(image)
    if method == "bilateral":
        return _as_kind_of(image, cv2.bilateralFilter(pixels, -1, 0.1, sigma))
    if method == "gaussian":
        return _as_kind_of(image, cv2.GaussianBlur(pixels, (0, 0), sigma))
    raise ValueError(f"`method` must be 'bilateral' or 'gaussian'. Received: method={method}")


def _as_kind_of(image, pixels):
    return to_uint8(pixels) if np.asarray(image).dtype == np.uint8 else np.clip(pixels, 0, 1)
