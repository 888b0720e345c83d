"""Files that should hold a model of Keras: why one cannot be read."""

import json
import zipfile

import keras


def why_unreadable(path):
    """Says what is wrong with a file that Keras cannot load, and what to do.

    Args:
        path: Path of the file, a `pathlib.Path`.

    Returns:
        String, one or two sentences.
    """
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        return f"{path} is a pointer of Git LFS and not the model: run `git lfs pull`."
    if start.startswith(b"\x89HDF"):
        return f"{path} is an HDF5 file: save the model as a .keras file."
    if not zipfile.is_zipfile(path):
        was_zip = start.startswith(b"PK")
        return f"{path} is damaged or cut short: copy it again." if was_zip else f"{path} is not a trained autoencoder."
    try:
        with zipfile.ZipFile(path) as content:
            if content.testzip():
                return f"{path} is damaged: copy it again."
            saved = json.loads(content.read("metadata.json"))["keras_version"]
    except (ValueError, TypeError, KeyError):
        saved = keras.__version__
    if saved != keras.__version__:
        return (
            f"{path} was saved by Keras {saved}, and Keras {keras.__version__} cannot read it: install Keras {saved}, "
            "or train the model again."
        )
    return f"{path} is not a trained autoencoder."
