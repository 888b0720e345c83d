"""What a service does to the photographs that are sent through it, learned from a file that came back."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import JpegImagePlugin

from stego_lib.formats import open_photograph
from stego_lib.hiding.jpeg_blocks import quantization_tables
from stego_lib.hiding.robust import QUALITIES
from stego_lib.images import UnsupportedFileError

SUBSAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}  # by the numbers of Pillow


class Service(NamedTuple):
    """What a file tells of a service.

    Width and height in pixels; the quantization tables, int64 array of shape `(2, 8, 8)`, luminance and chrominance, or
    `(1, 8, 8)` of a grey photograph; the quality with the most similar tables; the subsampling of colours, `None` of a
    grey photograph; and the quality to survive, `None` if none is low enough.
    """

    size: tuple
    tables: np.ndarray
    quality: int
    subsampling: str | None
    survive: int


def learn_service(path):
    """Learns what a service does from a JPEG file that came back from it.

    Args:
        path: Path of the file.

    Returns:
        `Service`.

    Raises:
        FileNotFoundError: If there is no such file.
        UnsupportedFileError: If it is no JPEG file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    with open(path, "rb") as file:
        try:
            image = open_photograph(file, path.suffix)
        except (UnsupportedFileError, OSError, SyntaxError) as error:
            raise UnsupportedFileError(f"{path} cannot be read.") from error
    if image.format not in ("JPEG", "MPO"):
        raise UnsupportedFileError(f"{path} is no JPEG file: only of those it is known what was done to them.")
    tables = np.array(list(image.quantization.values())[:2]).reshape(-1, 8, 8)
    subsampling = SUBSAMPLINGS.get(JpegImagePlugin.get_sampling(image), "another") if len(image.layer) > 1 else None
    nearest = min(range(1, 101), key=lambda quality: _distance(tables, quality))
    coarser = [quality for quality in QUALITIES if (quantization_tables(quality)[: len(tables)] >= tables).all()]
    return Service(image.size, tables, nearest, subsampling, max(coarser, default=None))


def surviving_options(path):
    """Tells what `hide_file` needs for a secret that survives a service.

    Args:
        path: Path of a JPEG file that came back from it.

    Returns:
        Dictionary of `survive`, a quality, and `fit`, pixels.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no JPEG file, or no secret survives what was done to it.
    """
    service = learn_service(path)
    if service.survive is None:
        raise ValueError(f"{path} was compressed so strongly that no secret survives it.")
    return {"survive": service.survive, "fit": max(service.size)}


def _distance(tables, quality):
    return np.abs(np.log(quantization_tables(quality)[: len(tables)] / tables)).sum()
