"""Training runs: folders that hold one training each, what resumes them, and what every training needs."""

import hashlib
import json
import sys
from pathlib import Path

import keras
from tqdm.auto import tqdm

from stego_lib.paths import check_folder, write_file

SETTINGS = "settings.json"
RESUMABLE = (  # what `resumable_callbacks` leave in a folder
    "history.csv",
    *(f"backup/{name}{old}" for name in ("latest.weights.h5", "training_metadata.json") for old in ("", ".bkp")),
)


def fingerprint(*arrays):
    """Makes a short name for photographs. If anything in them changes, the name changes.

    Args:
        *arrays: Arrays of any shape.

    Returns:
        String of 16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode() + array.tobytes())
    return digest.hexdigest()[:16]


def prepare_folder(folder, settings, *, files, restart=False):
    """Makes the folder of a training, or makes sure that the folder belongs to a training with the same settings.

    Nothing is deleted or overwritten but files of an earlier training of the same kind, and those only to restart.

    Args:
        folder: Path of the folder.
        settings: Dictionary of all that must stay the same for a training to go on; kept there as `settings.json`.
            `settings["training"]` names the kind of training.
        files: Names or patterns of the files that the training writes, relative to the folder.
        restart: Whether to delete what an earlier training has left there. Defaults to `False`.

    Returns:
        The folder as a `pathlib.Path`.

    Raises:
        ValueError: If the folder holds a training with other settings or of another kind, or such files but no
            training.
        OSError: If the folder is a file, or cannot be written.
    """
    folder = Path(folder)
    check_folder(folder)
    earlier = _earlier_settings(folder, settings["training"], files=files)
    if earlier and not restart and earlier != settings:
        names = [name for name in {**earlier, **settings} if earlier.get(name) != settings.get(name)]
        differing = ", ".join(f"{name} {earlier.get(name)} and not {settings.get(name)}" for name in names)
        raise ValueError(
            f"{folder} holds a training with other settings ({differing}): choose another folder, or `restart=True` to "
            "replace it."
        )
    if restart:
        _delete(folder, files)
    if restart or not earlier:
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / SETTINGS, json.dumps(settings, indent=2).encode(), overwrite=True)
    return folder


def _earlier_settings(folder, kind, *, files):
    """The settings of the training in a folder, or `None` if the folder is free."""
    path = folder / SETTINGS
    if not path.exists():
        existing = next((existing for name in files for existing in sorted(folder.glob(name))), None)
        if existing:
            raise ValueError(
                f"{existing} exists already, and {folder} holds no training that it could belong to: choose another "
                "folder."
            )
        return None
    try:
        earlier = json.loads(path.read_bytes())
        if earlier["training"] == kind:
            return earlier
    except (ValueError, TypeError, KeyError, IndexError):
        pass
    raise ValueError(f"{path} does not belong to a training of this kind ({kind}): choose another folder.")


def _delete(folder, files):
    """Deletes the files of a training, and the folders in it that are empty then."""
    paths = [path for name in files for path in folder.glob(name) if not path.is_dir()]
    for path in paths:
        path.unlink()
    parents = {parent for path in paths for parent in path.parents if folder in parent.parents}
    for parent in sorted(parents, reverse=True):  # those inside first
        if not any(parent.iterdir()):
            parent.rmdir()


def epochs_done(folder):
    """Reads how many epochs of a training are backed up in a folder.

    Args:
        folder: The folder that `resumable_callbacks` was given.

    Returns:
        Integer.
    """
    path = Path(folder) / "backup" / "training_metadata.json"
    return json.loads(path.read_text())["epoch"] if path.exists() else 0


def resumable_callbacks(folder, batches, *others):
    """Builds the callbacks of a training that can be interrupted and keeps its history.

    Args:
        folder: Where `history.csv` and `backup/` go, a `pathlib.Path`.
        batches: Dataset with `set_epoch`, so that a resumed training gets the batches of its epoch.
        *others: Callbacks to be called before an epoch is logged and backed up.

    Returns:
        List of callbacks for `fit`, which needs `shuffle=False` with them: the batches are shuffled already.
    """
    if not epochs_done(folder):  # perhaps killed while the first backup was written
        (folder / "backup" / "latest.weights.h5").unlink(missing_ok=True)
    return [
        keras.callbacks.TerminateOnNaN(raise_error=True),
        keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.set_epoch(epoch)),
        *others,
        keras.callbacks.CSVLogger(folder / "history.csv", append=True),
        keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True, delete_checkpoint=False),
        EpochProgress(),
    ]


class EpochProgress(keras.callbacks.Callback):
    """Shows at a terminal how far an epoch is, in one line of any width, and that it is validated."""

    def on_epoch_begin(self, epoch, logs=None):
        """Keeps the number of the epoch, which Keras prints next."""
        self.epoch = epoch + 1

    def on_train_batch_begin(self, batch, logs=None):
        """Shows an empty bar before the first batch, which may take long."""
        if not batch:
            self.bar = tqdm(
                total=self.params["steps"],
                desc=f"Epoch {self.epoch}/{self.params['epochs']}",
                disable=None,
                leave=False,
                miniters=1,  # else tqdm waits as long as a step took that was fast
            )

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        self.bar.update()

    def on_test_begin(self, logs=None):
        """Says that the validation has begun."""
        self.bar.set_description(f"Epoch {self.epoch}/{self.params['epochs']}, validating")

    def on_epoch_end(self, epoch, logs=None):
        """Removes the bar."""
        self.bar.close()


def learning_rate_schedule(peak, steps, *, warmup_steps=100):
    """Builds the default learning rate: a linear warm-up, then a cosine down to a hundredth of the peak.

    `keras.optimizers.schedules.ExponentialDecay` and the callback `keras.callbacks.ReduceLROnPlateau` are the other
    usual choices and can be used in its place.

    Args:
        peak: Highest learning rate.
        steps: Training steps in all.
        warmup_steps: Steps from zero to the peak, at most a tenth of all. Defaults to `100`.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.
    """
    warmup_steps = min(warmup_steps, max(steps // 10, 1))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - warmup_steps, 1), alpha=0.01, warmup_target=peak, warmup_steps=warmup_steps
    )


def verbosity():
    """Chooses for `fit` the progress bar of Keras in a notebook, and else a line an epoch, below an `EpochProgress`.

    Returns:
        The argument `verbose` for `fit`.
    """
    return 1 if "ipykernel" in sys.modules else 2
