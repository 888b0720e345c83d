"""Training of the joint autoencoder: presets, `compile`, callbacks, and all of it in one call."""

import contextlib
from pathlib import Path

import keras

from stego_lib.block_transform import CarrierEmbedding
from stego_lib.callbacks import EpochGallery
from stego_lib.channels import everyday_channel
from stego_lib.data import PairDataset
from stego_lib.devices import check_agreement, data_parallel, jit_compile, join_hosts, list_devices, local_share
from stego_lib.layers import ModularEmbedding, ResidualEmbedding
from stego_lib.losses import CombinedLoss
from stego_lib.metrics import psnr, ssim
from stego_lib.models import build_autoencoder, learn_message, load_autoencoder, side_multiple
from stego_lib.optimizers import ConvMuon
from stego_lib.plots import loss_history, read_history
from stego_lib.runs import (
    RESUMABLE,
    epochs_done,
    fingerprint,
    learning_rate_schedule,
    prepare_folder,
    resumable_callbacks,
    verbosity,
)

PRESETS = {
    "small": {  # two minutes on two CPU cores
        "filters": 32,
        "num_blocks": 2,
        "epochs": 5,
        "steps_per_epoch": 280,
        "batch_size": 16,
        "crop_size": 32,
    },
    "default": {  # twenty minutes on two CPU cores
        "filters": 64,
        "num_blocks": 2,
        "epochs": 20,
        "steps_per_epoch": 450,
        "batch_size": 16,
        "crop_size": 32,
    },
    "gpu": {  # longer, on whole images; most of a day on two CPU cores
        "filters": 64,
        "num_blocks": 2,
        "epochs": 50,
        "steps_per_epoch": 2000,
        "batch_size": 16,
        "crop_size": None,
    },
    "robust": {  # an hour and a half; its secret survives JPEG
        "embedding": "robust",
        "filters": 128,
        "num_blocks": 3,
        "epochs": 40,
        "steps_per_epoch": 450,
        "batch_size": 16,
        "crop_size": None,
    },
}
LEARNING_RATES = {"modular": 1e-3, "residual": 2e-3, "robust": 2e-3}  # the modular embedding begins near its best
FILES = ("autoencoder.keras", "loss_history.png", "gallery/epoch_*.png", *RESUMABLE)  # what a training writes


def compile_autoencoder(
    autoencoder, learning_rate=1e-3, *, cover_loss=None, secret_loss=None, cover_weight=None, secret_weight=1.0
):
    """Compiles an autoencoder with `ConvMuon`, and a loss, a weight and metrics for each of its two outputs.

    With the modular embedding the period has settled the quality of the cover, whatever the message is: the loss of the
    cover is computed, but weighs nothing. With the residual one it weighs as much as the secret's, with the robust one
    three times as much, for a cover of about 35 dB. It lacks the PSNR term then: the logarithm rewards a vanishing
    change without bound, and training would end in hiding nothing.

    Args:
        autoencoder: Model made by `build_autoencoder`.
        learning_rate: Number or schedule. Defaults to `1e-3`.
        cover_loss: Loss of `stego` against the cover. Defaults to `None`: `CombinedLoss()`, with `psnr_weight=0` for
            the residual and the robust embedding.
        secret_loss: Loss of `revealed` against the secret. Defaults to `None`: `CombinedLoss()`.
        cover_weight: Weight of `cover_loss`. Defaults to `None`: 0 for the modular embedding, 1 for the residual one, 3
            for the robust one.
        secret_weight: Weight of `secret_loss`. Defaults to `1.0`.

    Returns:
        The same model, compiled.
    """
    embedding = autoencoder.get_layer("encoder").get_layer("embedding")
    if cover_weight is None:
        cover_weight = {ModularEmbedding: 0.0, ResidualEmbedding: 1.0, CarrierEmbedding: 3.0}[type(embedding)]
    cover_loss = cover_loss or CombinedLoss(psnr_weight=1.0 if isinstance(embedding, ModularEmbedding) else 0.0)
    secret_loss = secret_loss or CombinedLoss()
    autoencoder.compile(
        optimizer=ConvMuon(learning_rate, exclude_layers=("correction", "output")),
        loss={"stego": cover_loss, "revealed": secret_loss},
        loss_weights={"stego": cover_weight, "revealed": secret_weight},
        metrics={"stego": [psnr, ssim], "revealed": [psnr, ssim]},
        jit_compile=jit_compile(),
    )
    return autoencoder


def run_settings(preset, train_pairs, validation_pairs, *, embedding=None, **settings):
    """Collects all that must stay the same for an interrupted training to go on.

    Args:
        preset: Name of one of the `PRESETS`.
        train_pairs: Covers and secrets, two uint8 arrays.
        validation_pairs: Covers and secrets for validation.
        embedding: `"modular"`, `"residual"` or `"robust"`. Defaults to `None`: the preset's, `"modular"` if it has
            none.
        **settings: Settings beyond the preset's, or in their place.

    Returns:
        Dictionary for `prepare_folder`; `data` is a fingerprint of the photographs.

    Raises:
        ValueError: If the preset is unknown.
    """
    if preset not in PRESETS:
        raise ValueError(f"`preset` must be one of {tuple(PRESETS)}. Received: preset={preset}")
    embedding = embedding or PRESETS[preset].get("embedding", "modular")
    return {
        "training": "stego_lib autoencoder",
        **PRESETS[preset],
        "learning_rate": LEARNING_RATES.get(embedding),
        "embedding": embedding,
        **settings,
        "data": fingerprint(*train_pairs, *validation_pairs),
    }


def training_callbacks(folder, batches, validation_pairs, *, show=False):
    """Builds the callbacks of a training run that leaves everything in one folder and can be interrupted.

    The folder gets `history.csv` (losses and metrics of every epoch), `autoencoder.keras` (the best epoch by validation
    loss), `gallery/epoch_001.png` and so on, and `backup/`, from which `fit` resumes after the last whole epoch.

    Args:
        folder: Where the files go.
        batches: The `PairDataset` that is trained on, so that a resumed training gets the batches of its epoch.
        validation_pairs: Covers and secrets for validation, two uint8 arrays; the first four pairs are drawn.
        show: Whether to show the gallery in the notebook too. Defaults to `False`.

    Returns:
        List of callbacks for `fit`, which needs `shuffle=False` with them: the batches are shuffled already.
    """
    folder = Path(folder)
    history = read_history(folder / "history.csv") if (folder / "history.csv").exists() else {}
    covers, secrets = validation_pairs
    return resumable_callbacks(
        folder,
        batches,
        EpochGallery(covers[:4], secrets[:4], folder=folder / "gallery", show=show),
        keras.callbacks.ModelCheckpoint(
            folder / "autoencoder.keras",
            monitor="val_loss",
            mode="min",
            save_best_only=True,
            initial_value_threshold=min(history["val_loss"]) if history else None,
        ),
    )


def train(
    folder,
    train_pairs,
    validation_pairs,
    *,
    preset="small",
    embedding=None,
    period=8,
    seed=0,
    mixed_precision=False,
    restart=False,
    all_devices=False,
):
    """Trains an autoencoder by a preset, or goes on with a training that was interrupted.

    Args:
        folder: Where model, history, pictures and backup go, see `training_callbacks`.
        train_pairs: Covers and secrets, two uint8 arrays of shape `(number, height, width, 3)`.
        validation_pairs: Covers and secrets for validation.
        preset: Name of one of the `PRESETS`. Defaults to `"small"`.
        embedding: `"modular"`, `"residual"` or `"robust"`, which is trained behind `everyday_channel`. Defaults to
            `None`: the preset's, `"modular"` if it has none.
        period: Period of the modular embedding. Defaults to `8`.
        seed: Seed of weights and batches. Defaults to `0`.
        mixed_precision: Whether the convolutions compute in half precision; for GPUs. Defaults to `False`.
        restart: Whether to begin anew where a training has been before. Defaults to `False`.
        all_devices: Whether all GPUs, or other devices, share every batch, see `data_parallel`. Defaults to `False`.

    Returns:
        The model of the best epoch.

    Raises:
        ValueError: If the settings are wrong, or the folder holds a training with other ones.
        FloatingPointError: If training diverges; the last good epoch is kept.
    """
    names = {"embedding": embedding, "period": period, "seed": seed, "mixed_precision": mixed_precision}
    settings = run_settings(preset, train_pairs, validation_pairs, **names)
    _check_image_size(train_pairs[0].shape[1], settings)
    if all_devices:
        join_hosts()
    keras.utils.set_random_seed(seed)
    if all_devices:  # which share the last batch, too
        devices = len(list_devices())
        number = len(validation_pairs[0]) // devices * devices
        if not number:
            raise ValueError(f"{devices} devices need as many validation pairs. Received: {len(validation_pairs[0])}")
        validation_pairs = tuple(part[:number] for part in validation_pairs)
    with data_parallel(settings["batch_size"]) if all_devices else contextlib.nullcontext():
        history = _fitted(
            Path(folder), train_pairs, validation_pairs=validation_pairs, settings=settings, restart=restart
        )
    if not history.epoch:
        print(f"The training in {folder} was finished before: `restart=True` begins anew.")
    loss_history(read_history(Path(folder) / "history.csv")).savefig(Path(folder) / "loss_history.png", dpi=100)
    return load_autoencoder(Path(folder) / "autoencoder.keras")


def _check_image_size(size, settings):
    embedding, least = settings["embedding"], settings["crop_size"] or 16
    multiple = side_multiple(is_robust=embedding == "robust")
    if size % multiple or size < least:
        raise ValueError(
            f"`image_size` must be a multiple of {multiple} for the embedding {embedding}, and {least} or more with "
            f"this preset. Received: image_size={size}"
        )


def _fitted(folder, train_pairs, *, validation_pairs, settings, restart):
    policy = keras.mixed_precision.global_policy()
    if settings["mixed_precision"]:
        keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        autoencoder = build_autoencoder(
            settings["embedding"],
            settings["period"],
            filters=settings["filters"],
            num_blocks=settings["num_blocks"],
            channel=everyday_channel() if settings["embedding"] == "robust" else None,
        )
    finally:
        keras.mixed_precision.set_global_policy(policy)
    steps = settings["epochs"] * settings["steps_per_epoch"]
    compile_autoencoder(autoencoder, learning_rate_schedule(settings["learning_rate"], steps))
    batches = PairDataset(
        *train_pairs,
        batch_size=settings["batch_size"],
        training=True,
        crop_size=settings["crop_size"],
        steps_per_epoch=settings["steps_per_epoch"],
        seed=settings["seed"],
    )
    prepare_folder(folder, settings, files=FILES, restart=restart)
    check_agreement(settings | {"epochs done": epochs_done(folder)})
    if not epochs_done(folder):
        learn_message(autoencoder, train_pairs[1])
    callbacks = training_callbacks(folder, batches, validation_pairs)
    own = local_share(batches)
    if own is not batches:  # on several machines, of which none can draw the picture alone
        callbacks = [callback for callback in callbacks if not isinstance(callback, EpochGallery)]
    try:
        return autoencoder.fit(
            own,
            validation_data=local_share(PairDataset(*validation_pairs)),
            epochs=settings["epochs"],
            shuffle=False,
            callbacks=callbacks,
            verbose=verbosity(),
        )
    except RuntimeError as error:
        if "NaN" not in str(error):
            raise
        raise FloatingPointError(
            "The training has diverged; the last good epoch is kept. Lower the learning rate and restart."
        ) from error
