"""Photographs on the disk: where they are, and how they are read and resized."""

import contextlib
import hashlib
import io
import os
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from tqdm.auto import tqdm

from stego_lib.images import read_image
from stego_lib.paths import check_folder, write_file

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff")
DIV2K_FOLDERS = {"train": "DIV2K_train_HR", "validation": "DIV2K_valid_HR"}
DIV2K_PLACES = (
    "/kaggle/input/div2k-dataset",
    "/kaggle/input/datasets/joe1995/div2k-dataset",
    "/content/DIV2K",
    "/content/div2k-dataset",
    "/content",
)


def find_div2k(folder=None, data_folder="data"):
    """Finds the DIV2K photographs on this machine.

    Looks at the argument, or else the environment variable `DIV2K_DIR`, or else `data/DIV2K`, Kaggle's input folders
    and Colab's `/content`, each with the folders `DIV2K_train_HR` and `DIV2K_valid_HR` at up to three levels below.

    Args:
        folder: Where to look. Defaults to `None`, the usual places.
        data_folder: The project's data folder. Defaults to `"data"`.

    Returns:
        The first folder that holds both parts, or `None`.

    Raises:
        FileNotFoundError: If a folder is named, here or in `DIV2K_DIR`, and DIV2K is not there.
    """
    named = folder or os.environ.get("DIV2K_DIR")
    for candidate in (named,) if named else (Path(data_folder) / "DIV2K", *DIV2K_PLACES):
        if all(_split_folder(candidate, name) for name in DIV2K_FOLDERS):
            return Path(candidate)
    if named:
        raise FileNotFoundError(f"There are no photographs in {' and '.join(DIV2K_FOLDERS.values())} below {named}.")
    return None


def _split_folder(folder, split):
    """The folder of a DIV2K part that itself holds photographs; archives nest it once or twice."""
    name = DIV2K_FOLDERS[split]
    for pattern in (name, f"{name}/{name}", f"*/{name}", f"*/{name}/{name}", f"*/*/{name}", f"*/*/{name}/{name}"):
        for candidate in sorted(Path(folder).glob(pattern)):
            if _photographs_in(candidate):
                return candidate
    return None


def _photographs_in(folder):
    check_folder(folder)
    if not Path(folder).exists():
        raise FileNotFoundError(f"There is no folder {folder}.")
    return sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def find_photographs(source, split="all"):
    """Lists the photographs of a folder.

    Args:
        source: A folder of photographs, or one with the two parts of DIV2K.
        split: `"train"`, `"validation"` or `"all"`. DIV2K has its own two parts; of any other folder every tenth
            photograph is for validation. Defaults to `"all"`.

    Returns:
        List of paths, sorted by name.

    Raises:
        ValueError: If there are none.
        OSError: If the folder does not exist, or a part of DIV2K is missing.
    """
    folders = {name: folder for name in DIV2K_FOLDERS if (folder := _split_folder(source, name))}
    if folders:
        wanted = DIV2K_FOLDERS if split == "all" else [split]
        if missing := [DIV2K_FOLDERS[name] for name in wanted if name not in folders]:
            raise FileNotFoundError(f"{source} has no photographs in {' and '.join(missing)}.")
        return [path for name in wanted for path in _photographs_in(folders[name])]
    paths = _photographs_in(source)
    if not paths:
        raise ValueError(f"There are no photographs ({', '.join(SUFFIXES)}) in {source}.")
    keep = {"train": lambda i: i % 10 != 9, "validation": lambda i: i % 10 == 9, "all": lambda i: True}[split]
    return [path for index, path in enumerate(paths) if keep(index)]


def load_photographs(paths, image_size=64, *, cache_folder=None):
    """Reads photographs and resizes each whole to a square by area averaging.

    Files that cannot be read are reported by name in a warning and left out.

    Args:
        paths: Paths of the photographs.
        image_size: Side of the square in pixels. Defaults to `64`.
        cache_folder: Folder where the result is kept as one `.npz`; a changed, added or removed file makes a new one.
            Where nothing can be written, a warning says so. Defaults to `None`, no cache.

    Returns:
        uint8 array of shape `(number, image_size, image_size, 3)`.
    """
    cache = None if cache_folder is None else Path(cache_folder) / _cache_name(paths, image_size)
    with contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):  # missing, or damaged: made again
        if cache is not None:
            with open(cache, "rb") as file, np.load(file) as content:
                return content["images"]

    def read(path):
        return cv2.resize(read_image(path), (image_size, image_size), interpolation=cv2.INTER_AREA)

    images = read_each(read, paths)
    images = np.stack(images) if images else np.zeros((0, image_size, image_size, 3), np.uint8)
    if cache is not None and len(images) == len(paths):
        content = io.BytesIO()
        np.savez(content, images=images)
        try:
            cache.parent.mkdir(parents=True, exist_ok=True)
            write_file(cache, content.getbuffer(), overwrite=True)
        except OSError as error:
            warnings.warn(f"The resized photographs are not kept for the next time. {error}", stacklevel=2)
    return images


def _cache_name(paths, image_size):
    states = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in map(Path, paths)]
    return f"photographs-{image_size}-{hashlib.sha256(repr((states, image_size)).encode()).hexdigest()[:16]}.npz"


def resized(image, longest):
    """Makes an image smaller where its longer side has more pixels than it may have.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        longest: The most pixels of the longer side.

    Returns:
        uint8 array, the image itself where it is small enough.
    """
    scale = longest / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(1, round(scale * side)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def read_each(read, photographs):
    """Applies a function that reads to every photograph, in threads, with a progress bar.

    Photographs for which it raises `OSError` or `ValueError` are left out, with the error as a warning.

    Args:
        read: Function of one photograph.
        photographs: List of whatever the function takes.

    Returns:
        List of what the function returned.
    """

    def read_or_error(photograph):
        try:
            return read(photograph)
        except (OSError, ValueError) as error:
            return error

    with ThreadPoolExecutor() as pool:
        results = pool.map(read_or_error, photographs)
        results = list(tqdm(results, total=len(photographs), desc="Reading photographs", disable=None))
    for error in results:
        if isinstance(error, Exception):
            warnings.warn(f"Left out: {error}", stacklevel=3)
    return [result for result in results if not isinstance(result, Exception)]
