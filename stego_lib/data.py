"""Photographs for training: DIV2K, any folder, or those that scikit-image ships; halves; batches of pairs."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from stego_lib.batches import SeededDataset, augment
from stego_lib.download import download_div2k
from stego_lib.images import read_image, to_float
from stego_lib.photographs import find_div2k, find_photographs, load_photographs, read_each

BUNDLED = {
    "train": ("coffee", "hubble_deep_field", "retina", "rocket", "stereo_motorcycle", "immunohistochemistry"),
    "validation": ("astronaut", "chelsea"),
}


def load_pairs(source=None, split="train", *, image_size=64, download=True, data_folder="data"):
    """Loads photographs and halves them: the first half are covers, the second half secrets.

    Args:
        source: A folder of photographs, `"bundled"` for those that scikit-image ships, or `None` for DIV2K, wherever it
            is found or downloaded to. Defaults to `None`.
        split: `"train"`, `"validation"` or `"all"`. DIV2K has its own two parts; of any other folder every tenth
            photograph is for validation. Defaults to `"train"`.
        image_size: Side of the images in pixels. Defaults to `64`.
        download: Whether DIV2K may be downloaded. If not, and it is not found, the bundled photographs are used, and
            a warning says so. Defaults to `True`.
        data_folder: Folder for downloads and for the cache of resized images. Defaults to `"data"`.

    Returns:
        Covers and secrets, two uint8 arrays of shape `(pairs, image_size, image_size, 3)`. No photograph is in both,
        nor are equal copies of one.

    Raises:
        ValueError: If there are fewer than two readable photographs, or the split is unknown.
        OSError: If the folder does not exist, the download fails, or nothing is where `DIV2K_DIR` points to.
    """
    if split not in ("train", "validation", "all"):
        raise ValueError(f"`split` must be 'train', 'validation' or 'all'. Received: split={split}")
    if source is None:
        source = find_div2k(data_folder=data_folder)
        if source is None and download:
            source = download_div2k(Path(data_folder) / "DIV2K")
        if source is None:
            warnings.warn("DIV2K was not found: using the few photographs that scikit-image ships.", stacklevel=2)
            source = "bundled"
    if source == "bundled":
        images, photographs = _bundled_crops(split, image_size)
    else:
        paths, cache_folder = find_photographs(source, split), Path(data_folder) / "cache"
        images = load_photographs(paths, image_size, cache_folder=cache_folder)
        photographs = _numbered(images)
    number = len(np.unique(photographs))
    if number < 2:
        raise ValueError(
            f"A pair needs two readable photographs; the part '{split}' of {source} has {number}. Every tenth "
            "photograph of a folder is for validation: use 20 or more, or another folder for that, or, to evaluate, "
            "the split 'all'."
        )
    of_covers = photographs < number // 2
    pairs = min(of_covers.sum(), (~of_covers).sum())
    return images[of_covers][:pairs], images[~of_covers][:pairs]


def _numbered(images):
    """A number for every image, the same for equal ones."""
    numbers = {}
    return np.array([numbers.setdefault(image.tobytes(), len(numbers)) for image in images])


def bundled_photographs(names=None):
    """Reads photographs that scikit-image ships.

    Args:
        names: Names in `skimage.data`. Defaults to `None`, all that are used here.

    Returns:
        List of uint8 arrays of shape `(height, width, 3)`.
    """
    names = sum(BUNDLED.values(), ()) if names is None else names
    photographs = [getattr(skimage.data, name)() for name in names]
    photographs = [image[0] if isinstance(image, tuple) else image for image in photographs]  # one of a stereo pair
    return [np.ascontiguousarray(image[..., :3]) for image in photographs]


def _bundled_crops(split, image_size):
    """Squares of three sizes from every photograph of a split, half overlapping, resized by area."""
    images, photographs = [], []
    for index, photograph in enumerate(bundled_photographs(None if split == "all" else BUNDLED[split])):
        for divisor in (1, 2, 4):
            side = min(photograph.shape[:2]) // divisor
            for top in range(0, photograph.shape[0] - side + 1, max(side // 2, 1)):
                for left in range(0, photograph.shape[1] - side + 1, max(side // 2, 1)):
                    crop = photograph[top : top + side, left : left + side]
                    images.append(cv2.resize(crop, (image_size, image_size), interpolation=cv2.INTER_AREA))
                    photographs.append(index)
    return np.stack(images), np.array(photographs)


def cut_squares(photographs, size, *, number=1):
    """Cuts squares out of photographs at their own resolution, evenly spread and not overlapping.

    Args:
        photographs: List of paths or of uint8 arrays of shape `(height, width, 3)`; those with less than `number`
            squares are left out.
        size: Side of the squares in pixels.
        number: Squares of each photograph; 1 takes one near the middle. With more, the photographs are an even number,
            of which the last may be left out for that: no photograph is in both halves of the result. Defaults to `1`.

    Returns:
        uint8 array of shape `(photographs * number, size, size, 3)`, all of the first photograph first.

    Raises:
        ValueError: If no photograph, or with more squares of each no two photographs, are large enough.
    """

    def cut(photograph):
        image = photograph if isinstance(photograph, np.ndarray) else read_image(photograph)
        rows, columns = image.shape[0] // size, image.shape[1] // size
        if rows * columns < number:
            return None
        top, left = (image.shape[0] - rows * size) // 2, (image.shape[1] - columns * size) // 2
        corners = [(top + size * row, left + size * column) for row in range(rows) for column in range(columns)]
        chosen = (2 * np.arange(number) + 1) * len(corners) // (2 * number)
        return [image[y : y + size, x : x + size].copy() for y, x in (corners[index] for index in chosen)]

    squares = [photograph for photograph in read_each(cut, photographs) if photograph is not None]
    if number > 1:
        squares = squares[: len(squares) // 2 * 2]
    if not squares:
        few = "No photograph has" if number == 1 else "No two photographs have"
        raise ValueError(f"{few} {number} squares of {size}x{size} pixels.")
    return np.concatenate(squares)


def save_pairs(path, train, validation):
    """Writes the pairs for training and validation into one file.

    Args:
        path: Path of the `.npz` file.
        train: Covers and secrets, two uint8 arrays.
        validation: Covers and secrets, two uint8 arrays.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    names = ("train_covers", "train_secrets", "validation_covers", "validation_secrets")
    np.savez(path, **dict(zip(names, (*train, *validation), strict=True)))


def read_pairs(path):
    """Reads what `save_pairs` wrote.

    Args:
        path: Path of the `.npz` file.

    Returns:
        Pairs for training and for validation, each covers and secrets, two uint8 arrays.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no file {path}: run the notebook 01_data first, it writes it.")
    with np.load(path) as content:
        return tuple((content[f"{split}_covers"], content[f"{split}_secrets"]) for split in ("train", "validation"))


class PairDataset(SeededDataset):
    """Batches of cover and secret pairs for `fit`, `evaluate` and `predict`.

    For training, covers and secrets are shuffled apart, so that every epoch makes new pairs; otherwise the n-th cover
    goes with the n-th secret. The order depends on the seed alone.

    Args:
        covers: uint8 array of shape `(pairs, height, width, 3)`.
        secrets: uint8 array of the same shape.
        batch_size: Pairs per batch. Defaults to `16`.
        training: Whether to shuffle, crop, flip and turn. Defaults to `False`.
        crop_size: Side of random square crops for training, or `None` for whole images. Defaults to `None`.
        steps_per_epoch: Batches per epoch of training; `None` means each pair once. Defaults to `None`.
        seed: Integer. Defaults to `0`.

    Returns:
        Each item is a pair of dictionaries of float32 arrays in [0, 1], shape `(batch, height, width, 3)`: inputs
        `cover` and `secret`, and targets `stego` and `revealed`, which are the same images.

    Raises:
        ValueError: If there are no images, or their shapes differ, or the crop is larger than they are.

    Example:

    >>> images = np.zeros((32, 64, 64, 3), "uint8")
    >>> inputs, targets = PairDataset(images, images, training=True, crop_size=32)[0]
    >>> inputs["cover"].shape
    (16, 32, 32, 3)
    """

    def __init__(
        self, covers, secrets, *, batch_size=16, training=False, crop_size=None, steps_per_epoch=None, seed=0, **kwargs
    ):
        super().__init__(seed, **kwargs)
        if not len(covers) or covers.shape != secrets.shape:
            raise ValueError(
                "Covers and secrets must be equally many images of one size, at least one. "
                f"Received: covers.shape={covers.shape}, secrets.shape={secrets.shape}"
            )
        if crop_size is not None and crop_size > min(covers.shape[1:3]):
            raise ValueError(
                f"`crop_size` must fit the images. Received: crop_size={crop_size}, covers.shape={covers.shape}"
            )
        self.covers, self.secrets = covers, secrets
        self.batch_size, self.training, self.crop_size = batch_size, training, crop_size
        self.steps_per_epoch = steps_per_epoch if training else None
        self.set_epoch(0)

    def __len__(self):
        return self.steps_per_epoch or -(-len(self.covers) // self.batch_size)

    def __getitem__(self, index):
        chosen = slice(index * self.batch_size, (index + 1) * self.batch_size)
        covers, secrets = self.covers[self.cover_order[chosen]], self.secrets[self.secret_order[chosen]]
        if self.training:
            generator = self.generator(index)
            covers, secrets = self._augmented(covers, generator), self._augmented(secrets, generator)
        covers, secrets = to_float(covers), to_float(secrets)
        # Copies, as TensorFlow takes arrays as they lie in memory, and on several devices overwrites inputs.
        return {"cover": covers, "secret": secrets}, {"stego": covers.copy(), "revealed": secrets.copy()}

    def set_epoch(self, epoch):
        """Draws the pairs of an epoch.

        Args:
            epoch: Integer, 0 for the first.
        """
        super().set_epoch(epoch)
        self.cover_order = self.secret_order = np.arange(len(self.covers))
        if self.training:
            generator = np.random.default_rng((self.seed, epoch))
            drawn = len(self) * self.batch_size if self.steps_per_epoch else len(self.covers)
            self.cover_order = _shuffled(len(self.covers), drawn, generator=generator)
            self.secret_order = _shuffled(len(self.secrets), drawn, generator=generator)

    def _augmented(self, images, generator):
        size = images.shape[1:3] if self.crop_size is None else (self.crop_size, self.crop_size)
        return np.stack([augment(image, size, generator=generator) for image in images])


def _shuffled(number, length, *, generator):
    """Indices below `number`, `length` of them, each permutation used up before the next begins."""
    repeats = -(-length // number)
    return np.concatenate([generator.permutation(number) for _ in range(repeats)])[:length]
