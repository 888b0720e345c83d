"""Training of the codec: the context model, then the synthesis network."""

import keras
import numpy as np
from keras import ops

from stego_lib.codec.codec import FORMAT, Codec
from stego_lib.codec.crops import (
    COARSEST,
    FINEST,
    CropDataset,
    QuantizedDataset,
    draw_crops,
    load_crops,
    validation_latents,
)
from stego_lib.codec.networks import ContextModel, build_synthesis
from stego_lib.codec.probability_tables import cumulative_distributions
from stego_lib.codec.rate_model import RateModel
from stego_lib.codec.scaling import PER_OCTAVE
from stego_lib.codec.transform import Transform, design_lapping, principal_components
from stego_lib.devices import jit_compile
from stego_lib.optimizers import ConvMuon
from stego_lib.runs import (
    RESUMABLE,
    fingerprint,
    learning_rate_schedule,
    prepare_folder,
    resumable_callbacks,
    verbosity,
)

FILES = ("codec.npz", *(f"{network}/{name}" for network in ("context", "synthesis") for name in RESUMABLE))
GROUP = 32  # crops quantized at once, with one step
# A bit saved is worth the more the fewer there are: by the slope of PSNR over bits a sample, 6 dB a bit where there are
# many, and 36 at 0.1 bits a sample, the loss is bits + 0.5 log(bits + 0.01).
LOW_RATE_WEIGHT, FEWEST_BITS = 0.5, 0.01
CODEC_PRESETS = {
    "small": {  # two minutes on two CPU cores
        "block": 8,
        "filters": 32,
        "synthesis_filters": 32,
        "synthesis_blocks": 2,
        "epochs": 3,
        "steps_per_epoch": 200,
        "synthesis_epochs": 2,
        "synthesis_steps_per_epoch": 200,
        "synthesis_crops": 1024,
        "batch_size": 16,
        "learning_rate": 2e-3,
    },
    "default": {  # some hours on two CPU cores
        "block": 8,
        "filters": 96,
        "synthesis_filters": 64,
        "synthesis_blocks": 4,
        "epochs": 60,
        "steps_per_epoch": 400,
        "synthesis_epochs": 20,
        "synthesis_steps_per_epoch": 400,
        "synthesis_crops": 8192,
        "batch_size": 16,
        "learning_rate": 2e-3,
    },
    "gpu": {  # a quarter of an hour on a large GPU that gets its batches in time
        "block": 8,
        "filters": 96,
        "synthesis_filters": 64,
        "synthesis_blocks": 4,
        "epochs": 60,
        "steps_per_epoch": 500,
        "synthesis_epochs": 20,
        "synthesis_steps_per_epoch": 500,
        "synthesis_crops": 16384,
        "batch_size": 64,
        "learning_rate": 2e-3,
    },
}


def decibels(targets, outputs):
    """The squared error of every image of a batch in dB, mean over the images; lower is better.

    Args:
        targets: Tensor of shape `(batch, height, width, channels)`.
        outputs: Tensor of the same shape.

    Returns:
        Scalar tensor.
    """
    return ops.mean(ops.log10(ops.mean((targets - outputs) ** 2, axis=(1, 2, 3)) + 0.01)) * 10


def balanced_rate(targets, bits):
    """The loss of a `RateModel`: bits per sample, where savings at low rates count for what they are worth in dB.

    Args:
        targets: Unused.
        bits: Tensor of shape `(batch,)`, what the model says.

    Returns:
        Scalar tensor.
    """
    return ops.mean(bits + LOW_RATE_WEIGHT * ops.log(bits + FEWEST_BITS))


def train_codec(folder, train_photographs, validation_photographs, *, preset="small", seed=0, restart=False):
    """Trains a codec, or goes on with a training that was interrupted.

    First the context model, on bits per sample; then the synthesis network, on PSNR, on what that codec makes of crops.

    Args:
        folder: Where `codec.npz`, the histories and the backups go.
        train_photographs: Those to train on, paths or uint8 arrays of shape `(height, width, 3)`.
        validation_photographs: Other ones.
        preset: Name of one of the `CODEC_PRESETS`. Defaults to `"small"`.
        seed: Of weights and batches. Defaults to `0`.
        restart: Whether to begin anew where a training has been before. Defaults to `False`.

    Returns:
        The trained `Codec`.

    Raises:
        ValueError: If the preset is unknown, there are no photographs, or the folder holds another training.
    """
    if preset not in CODEC_PRESETS:
        raise ValueError(f"`preset` must be one of {tuple(CODEC_PRESETS)}. Received: preset={preset}")
    settings = {**CODEC_PRESETS[preset], "seed": seed}
    crops, validation = load_crops(train_photographs, seed), load_crops(validation_photographs, seed)
    identified = {"training": "stego_lib codec", **settings, "data": fingerprint(*crops[0], *validation[0])}
    folder = prepare_folder(folder, identified, files=FILES, restart=restart)
    keras.utils.set_random_seed(seed)
    images = draw_crops(*crops, number=2048, block=settings["block"], generator=np.random.default_rng(seed))
    lapping = design_lapping(images, settings["block"])
    mean, basis, deviations = principal_components(images, lapping)
    transform = Transform(mean, basis, lapping)
    octaves = np.rint(np.log2(deviations) * PER_OCTAVE) / PER_OCTAVE
    rate = RateModel(ContextModel(deviations, octaves, settings["filters"]), seed)
    synthesis = build_synthesis(
        deviations, filters=settings["synthesis_filters"], num_blocks=settings["synthesis_blocks"]
    )
    validation = validation_latents(validation[1], transform)
    how = {"crops": crops, "validation": validation, "settings": settings}
    _train_context(folder / "context", rate, transform=transform, **how)
    coder = Codec(pack_weights(rate, transform, synthesis)).coder
    _train_synthesis(folder / "synthesis", synthesis, coder=coder, **how)
    codec = Codec(pack_weights(rate, transform, synthesis))
    codec.save(folder / "codec.npz")
    return codec


def _train_context(folder, rate, *, transform, crops, validation, settings):
    batches = CropDataset(
        *crops,
        transform=transform,
        batch_size=settings["batch_size"],
        steps_per_epoch=settings["steps_per_epoch"],
        seed=settings["seed"],
    )
    schedule = learning_rate_schedule(settings["learning_rate"], settings["epochs"] * len(batches))
    rate.compile(ConvMuon(schedule, ("parameters",)), loss=balanced_rate, jit_compile=jit_compile())
    targets = np.zeros(len(validation["index"]), "float32")
    _fit(folder, rate, batches=batches, validation=(validation, targets), epochs=settings["epochs"])


def _train_synthesis(folder, synthesis, *, coder, crops, validation, settings):
    generator = np.random.default_rng(settings["seed"] + 1)
    quantized = []
    for _ in range(settings["synthesis_crops"] // GROUP):
        images = draw_crops(*crops, number=GROUP, block=settings["block"], generator=generator)
        index = int(generator.integers(FINEST, COARSEST + 1))
        quantized.append((coder.transform.analyze(images)[:, 1:-1, 1:-1], index))
    batches = QuantizedDataset(
        coder,
        quantized,
        batch_size=settings["batch_size"],
        steps_per_epoch=settings["synthesis_steps_per_epoch"],
        seed=settings["seed"],
    )
    latents, indices = validation["latents"], validation["index"]
    held_back = QuantizedDataset(coder, [(latents[indices == index], int(index)) for index in np.unique(indices)])
    schedule = learning_rate_schedule(settings["learning_rate"], settings["synthesis_epochs"] * len(batches))
    synthesis.compile(ConvMuon(schedule, ("correction",)), loss=decibels, jit_compile=jit_compile())
    _fit(folder, synthesis, batches=batches, validation=held_back, epochs=settings["synthesis_epochs"])


def _fit(folder, model, *, batches, validation, epochs):
    folder.mkdir(exist_ok=True)
    model.fit(
        batches,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,
        callbacks=resumable_callbacks(folder, batches),
        verbose=verbosity(),
    )


def pack_weights(rate, transform, synthesis):
    """Collects what `codec.npz` holds.

    Args:
        rate: `RateModel`.
        transform: `Transform`.
        synthesis: Synthesis network.

    Returns:
        Dictionary of arrays.
    """
    cdfs = cumulative_distributions(*map(ops.convert_to_numpy, rate.mixture()))
    context = rate.context
    return {
        "format": np.array(FORMAT),
        "filters": np.array(context.filters),
        "mean": transform.mean,
        "basis": transform.basis,
        "lapping": transform.lapping,
        "deviations": context.deviations,
        "octaves": context.octaves,
        "cdfs": np.concatenate(cdfs),
        "ends": np.cumsum([len(cdf) for cdf in cdfs]),
        **context.fixed_point(),
        "synthesis_weights": np.array(len(synthesis.weights)),
        **{f"synthesis_{number}": np.float16(weight) for number, weight in enumerate(synthesis.get_weights())},
    }
