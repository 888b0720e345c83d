"""The weights of a codec in one file of few bytes, which `numpy.load` reads, too.

Integers are written by their distance from zero, -1, 1, -2, 2 ..., tables by the differences of their entries, and the
bytes of all 16-bit numbers apart, the lower ones first: their upper bytes, nearly all alike, then take hardly any room.
LZMA compresses what comes of it to two thirds of what an ordinary `.npz` file takes.
"""

import io
import lzma
import zipfile
import zlib

import numpy as np

from stego_lib.paths import write_file

TABLES = "cdfs"
# What numpy and zipfile raise for a file that is none of theirs, or is damaged.
UNREADABLE = (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def write_weights(path, content):
    """Writes weights, all of them or nothing.

    Args:
        path: Path of the `.npz` file.
        content: Dictionary of arrays: what `pack_weights` returns.

    Raises:
        OSError: If the file cannot be written.
    """
    content_of_file = io.BytesIO()
    with zipfile.ZipFile(content_of_file, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in content.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, _packed(name, array), allow_pickle=False)
    write_file(path, content_of_file.getvalue(), overwrite=True)


def read_weights(path):
    """Reads weights.

    Args:
        path: Path of a file that `write_weights` wrote.

    Returns:
        Dictionary of arrays.

    Raises:
        Exception: One of `UNREADABLE` if it is another file.
    """
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: _unpacked(name, array) for name, array in archive.items()}


def _packed(name, array):
    if name == TABLES:
        return np.diff(array, prepend=array.dtype.type(0))
    if array.dtype == "int16":
        array = (array << 1 ^ array >> 15).view("uint16")
    elif array.dtype != "float16":
        return array
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return np.moveaxis(little.view("uint8").reshape(*array.shape, 2), -1, 0)


def _unpacked(name, array):
    if name == TABLES:
        return np.cumsum(array, dtype=array.dtype)
    if array.dtype != "uint8":
        return array
    whole = array[0] | array[1].astype("uint16") << 8
    if name.startswith("synthesis_"):
        return whole.view("float16")
    return (whole >> 1).astype("int16") ^ -(whole & 1).astype("int16")
