"""What every notebook needs before it begins: a folder that lasts, files of earlier notebooks, and a quiet start."""

import contextlib
import os
import shutil
import sys
from pathlib import Path

from stego_lib.native_code import silenced_native_code


def prepare(root="/"):
    """Makes a notebook ready: chooses its folder, starts Keras, and says which versions and devices there are.

    The working folder becomes the first that can be written to of: `stego_lib` in a Google Drive that is mounted on
    Colab, Kaggle's `/kaggle/working`, the clone of the repository in or beside which the notebook lies, the folder of
    the notebook, the user's home. What earlier notebooks have written and is among the inputs of a notebook on Kaggle
    is copied there. Nothing changes when it is called again.

    Args:
        root: Folder that holds `content` on Colab and `kaggle` on Kaggle. Defaults to `"/"`.

    Raises:
        ImportError: If Keras cannot be imported; the sentence says what to do.
    """
    os.chdir(_working_folder(Path(root)))
    _copy_inputs(Path(root) / "kaggle" / "input")
    version, devices = _start_keras()
    with contextlib.suppress(ImportError, AttributeError):  # outside of IPython there is nothing to show figures in
        from IPython import get_ipython

        get_ipython().run_line_magic("matplotlib", "inline")
    from stego_lib import __version__

    print(f"stego_lib {__version__}, {version} ({devices}), Python {sys.version.split()[0]}")
    print(f"data and outputs go to {Path.cwd()}")


def _working_folder(root):
    drive = root / "content" / "drive" / "MyDrive"  # outlives the machine of Colab
    if os.access(drive, os.W_OK):
        (drive / "stego_lib").mkdir(exist_ok=True)
    folder = Path.cwd()
    nearby = (folder, *folder.parents, *folder.glob("*/"))
    clones = [path for path in nearby if os.path.exists(path / "stego_lib" / "notebook.py")]
    candidates = (drive / "stego_lib", root / "kaggle" / "working", *clones[:1], folder, Path.home())
    return next(path for path in candidates if os.access(path, os.W_OK))


def _copy_inputs(inputs):
    """Copies the outputs of other notebooks, which Kaggle mounts without the right to write."""
    for depth in ("*", "*/*/*"):
        for pairs in inputs.glob(f"{depth}/outputs/pairs.npz"):
            os.makedirs("outputs", exist_ok=True)
            for earlier in pairs.parent.iterdir():
                if not Path("outputs", earlier.name).exists():
                    (shutil.copytree if earlier.is_dir() else shutil.copy)(earlier, Path("outputs", earlier.name))


def _start_keras():
    """Imports Keras while TensorFlow's native code is silent; returns its version with the backend, and the devices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with silenced_native_code():
            import keras

            from stego_lib.devices import list_devices

            devices = ", ".join(list_devices())
    except (ImportError, ValueError) as error:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        raise ImportError(
            f"Keras does not start with the backend {backend} ({error}): install that backend, or set the environment "
            "variable KERAS_BACKEND to tensorflow or jax before this cell, and restart the kernel."
        ) from None
    return f"Keras {keras.__version__} on {keras.backend.backend()}", devices
