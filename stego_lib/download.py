"""Downloads of DIV2K: from Kaggle where there is a key, else from its authors; resumed, checked, unpacked safely."""

import contextlib
import io
import os
import shutil
import warnings
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import requests
from tqdm.auto import tqdm

AUTHORS_URL = "https://data.vision.ee.ethz.ch/cvl/DIV2K"
ARCHIVES = ("DIV2K_train_HR.zip", "DIV2K_valid_HR.zip")
KAGGLE_DATASET = "joe1995/div2k-dataset"


def download_div2k(folder="data/DIV2K", url=AUTHORS_URL):
    """Downloads DIV2K, about 4 GB, unless it is there already.

    With a Kaggle key (`~/.kaggle/kaggle.json`, or `KAGGLE_USERNAME` and `KAGGLE_KEY`) the Kaggle dataset
    `joe1995/div2k-dataset` is used, else the two archives of the authors. An interrupted download goes on where it
    stopped.

    Args:
        folder: Where the photographs go, in `DIV2K_train_HR` and `DIV2K_valid_HR`. Defaults to `"data/DIV2K"`.
        url: Address of the folder with the authors' archives.

    Returns:
        The folder.

    Raises:
        OSError: If the download fails, with what to do about it; what has arrived is kept and resumed next time.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    archive = _kaggle_archive(folder)
    if archive is not None:
        unpack(archive, folder)
        archive.unlink()
        return folder
    for name in ARCHIVES:
        if not (folder / name.removesuffix(".zip")).exists():
            archive = fetch(f"{url}/{name}", folder / name)
            unpack(archive, folder)
            archive.unlink()
    return folder


def _kaggle_archive(folder):
    """The dataset's archive from Kaggle, or `None` without a key that Kaggle accepts."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
    except (ImportError, SystemExit):
        return None
    except (OSError, ValueError) as error:
        warnings.warn(f"The Kaggle key cannot be used ({error}): trying the authors' server.", stacklevel=4)
        return None
    try:
        api.dataset_download_files(KAGGLE_DATASET, path=str(folder), quiet=False)
    except (OSError, ValueError) as error:
        warnings.warn(f"Kaggle refused the download ({error}): trying the authors' server.", stacklevel=4)
        return None
    return folder / f"{KAGGLE_DATASET.split('/')[1]}.zip"


def fetch(url, path):
    """Downloads one file with a progress bar, and goes on where an earlier attempt stopped.

    Args:
        url: Address of the file.
        path: Where it goes; until it is whole it is called `path.partial`.

    Returns:
        The path.

    Raises:
        OSError: If the server refuses, breaks off, or sends another size than it announced, or the disk is full.
    """
    path = Path(path)
    if path.exists():
        return path
    partial = path.with_name(path.name + ".partial")
    have = partial.stat().st_size if partial.exists() else 0
    try:
        headers = {"Range": f"bytes={have}-"} if have else {}
        with requests.get(url, headers=headers, stream=True, timeout=30) as response:
            if response.status_code == 416 and zipfile.is_zipfile(partial):
                return partial.rename(path)
            if response.status_code == 416:
                partial.unlink()
                raise OSError("what was downloaded before does not fit the file there and has been removed")
            response.raise_for_status()
            resumed = response.status_code == 206
            if not resumed:
                have = 0
            size = have + int(response.headers.get("Content-Length", 0))
            _check_room(path.parent, 2 * size - have)
            with (
                open(partial, "ab" if resumed else "wb") as file,
                tqdm(total=size or None, initial=have, unit="B", unit_scale=True, desc=path.name, disable=None) as bar,
            ):
                for chunk in response.iter_content(1 << 16):
                    file.write(chunk)
                    bar.update(len(chunk))
    except OSError as error:
        raise OSError(
            f"Cannot download {url}: {error}. Run again to resume; or download it by hand and set DIV2K_DIR to its "
            "folder; or use source='bundled' for the photographs that need no download."
        ) from error
    if partial.stat().st_size < size:
        raise OSError(f"{url} broke off after {partial.stat().st_size} of {size} bytes. Run again to resume.")
    if 0 < size < partial.stat().st_size or not zipfile.is_zipfile(partial):
        partial.unlink()
        raise OSError(f"{url} did not send the zip file that was expected. Try again later.")
    partial.replace(path)
    return path


def _check_room(folder, size):
    """For what is still to come, and for the photographs unpacked beside it."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(f"{size / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free in {folder}")


def unpack(archive, folder):
    """Unpacks a zip file into a folder: nothing outside of it, and what appears there is whole.

    Args:
        archive: Path of the zip file.
        folder: Where the files go.

    Raises:
        OSError: If the file is damaged, or a name in it leads out of the folder; then nothing is unpacked.
    """
    unpacked = Path(folder) / f"{Path(archive).stem}.unpacking"
    try:
        with zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts or ":" in member.filename:
                    raise OSError(f"{archive} holds a file that leads out of its folder, {member.filename}.")
            for member in tqdm(content.infolist(), desc=f"Unpacking {Path(archive).name}", disable=None):
                content.extract(member, unpacked)
        for path in unpacked.iterdir():
            if not (Path(folder) / path.name).exists():
                path.rename(Path(folder) / path.name)
    except (zipfile.BadZipFile, zlib.error) as error:
        os.unlink(archive)
        raise OSError(
            f"{archive} was damaged and has been removed ({error}). Run again to download it anew."
        ) from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
