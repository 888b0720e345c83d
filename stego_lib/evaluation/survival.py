"""What a hidden photograph survives: every quality, encoder and kind of file, and what is no JPEG at all."""

import functools
import io
import math
import warnings

import cv2
import imagecodecs
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from stego_lib.evaluation.disturbances import noise
from stego_lib.hiding.capacity import CapacityError
from stego_lib.hiding.channels import jpeg
from stego_lib.hiding.choice import compress
from stego_lib.hiding.finding import find_surviving
from stego_lib.hiding.outcome import AlteredError
from stego_lib.hiding.survival import hide_surviving
from stego_lib.images import decode_image, encode_image
from stego_lib.progress import Progress

DENSE, SPARSE = 10, 5  # steps of quality that are all tried, and how far apart those above are
OTHERS = (0, 6)  # steps of quality at which other encoders and subsamplings are tried


def ways(quality):
    """Lists what may happen to a stego image.

    Args:
        quality: The lowest JPEG quality.

    Returns:
        Dictionary of functions from an image to an image.
    """
    changes = {"PNG, BMP, lossless WebP": _lossless}
    levels = sorted({*range(quality, min(quality + DENSE, 101)), *range(100, quality + DENSE - 1, -SPARSE)})
    changes |= {f"JPEG {level}, 4:2:0": functools.partial(_pillow, level=level) for level in levels}
    for level in (quality + step for step in OTHERS if quality + step <= 100):
        changes |= {
            f"JPEG {level}, 4:4:4": functools.partial(_pillow, level=level, subsampling=0),
            f"JPEG {level}, 4:2:2": functools.partial(_pillow, level=level, subsampling=1),
            f"JPEG {level}, optimized, progressive": functools.partial(
                _pillow, level=level, optimize=True, progressive=True
            ),
            f"JPEG {level}, OpenCV": functools.partial(jpeg, quality=level),
            f"JPEG {level}, imagecodecs": functools.partial(_imagecodecs, level=level),
        }
    for first, second in ((0, 0), (3, 0), (10, 0), (0, 3), (3, 3), (5, 8)):
        first, second = min(quality + first, 100), min(quality + second, 100)
        changes[f"JPEG {first}, then {second}"] = functools.partial(_twice, first=first, second=second)
    changes |= {f"noise, sigma {sigma}": functools.partial(noise, sigma=sigma) for sigma in (1, 2)}
    return changes | {"WebP 90": _webp}


def measure_survival(photographs, design):
    """Measures how much survives in photographs, and what.

    All the room of every cover is used. Secrets are the photographs of the second half, of the size of the cover and of
    a quarter of its pixels.

    Args:
        photographs: List of uint8 arrays of shape `(height, width, 3)`: covers, and then as many secrets.
        design: `Design`.

    Returns:
        List of dictionaries, one for every cover that has room: `rate`, sealed bits a pixel; `cover`, `whole`
        and `quarter`, PSNR in dB of the cover and of the secrets; and `wrong`, a dictionary: for every way that
        something may happen the part of the bits that were wrong, NaN where the secret is lost.

    Raises:
        ValueError: If none of the covers has room.
    """
    half, results = len(photographs) // 2, []
    for cover, secret in tqdm(list(zip(photographs[:half], photographs[half:], strict=False)), desc="Surviving"):
        height, width = cover.shape[:2]
        whole, quarter = (
            cv2.resize(secret, size, interpolation=cv2.INTER_AREA)
            for size in ((width, height), (width // 2, height // 2))
        )
        try:
            hidden = _hide(cover, whole, design=design)
        except CapacityError:
            continue
        stream = find_surviving(hidden.stego, None)[1].stream
        results.append(
            {
                "rate": hidden.bits * 3,
                "cover": hidden.cover_psnr,
                "whole": hidden.secret_psnr,
                "quarter": compress(quarter, max_bytes=hidden.num_bytes)[1],
                "wrong": {name: _wrong(change(hidden.stego), stream) for name, change in ways(design.quality).items()},
            }
        )
    if not results:
        raise ValueError("None of the covers has room for what survives: take others, or a lower `cover_quality`.")
    return results


def survival_table(results):
    """Puts what `measure_survival` found into Markdown.

    Args:
        results: List of dictionaries.

    Returns:
        String: a line with means, and a table with the part of the photographs that survive and of their wrong bits.
    """
    means = {name: np.mean([result[name] for result in results]) for name in ("rate", "cover", "whole", "quarter")}
    lines = [
        f"n = {len(results)}: cover {means['cover']:.2f} dB, {means['rate']:.3f} bits a pixel (at least "
        f"{min(result['rate'] for result in results):.3f}); secrets of the cover's size {means['whole']:.2f} dB, of a "
        f"quarter of it {means['quarter']:.2f} dB",
        "",
        "| what happens | revealed | bits that were wrong, mean (most) |",
        "| --- | --- | --- |",
    ]
    for name in results[0]["wrong"]:
        wrong = np.array([result["wrong"][name] for result in results])
        revealed = ~np.isnan(wrong)
        bits = f"{100 * np.nanmean(wrong):.1f} % ({100 * np.nanmax(wrong):.1f} %)" if revealed.any() else ""
        lines.append(f"| {name} | {revealed.sum()} of {len(wrong)} | {bits} |")
    return "\n".join(lines)


def _hide(cover, secret, *, design):
    how = {
        "passphrase": None,
        "design": design,
        "quality": None,
        "jpeg": None,
        "write": np.copy,
        "progress": Progress(None),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a secret will come back poorly is what is measured
        return hide_surviving(cover, secret, **how)


def _wrong(image, stream):
    extracted = find_surviving(image, None)[1]
    if extracted is None:
        return math.nan
    if extracted.stream != stream:
        raise AlteredError("Another stream was found than was hidden.")
    return extracted.wrong


def _lossless(image):
    for suffix in (".png", ".bmp"):
        image = decode_image(encode_image(image, f"image{suffix}"))
    return imagecodecs.webp_decode(imagecodecs.webp_encode(image, lossless=True))[..., :3]


def _pillow(image, *, level, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=level, **options)
    return np.asarray(Image.open(file))


def _imagecodecs(image, *, level):
    return imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(image, level=level, subsampling="420"))


def _twice(image, *, first, second):
    return _pillow(_pillow(image, level=first), level=second)


def _webp(image):
    return imagecodecs.webp_decode(imagecodecs.webp_encode(image, level=90, lossless=False))[..., :3]
