"""What each part of the joint autoencoder is worth: variants without it, trained for the same CPU time.

`python -m stego_lib.evaluation.ablations TRAIN VALIDATION --minutes 3`
"""

import argparse
import contextlib
import time
from unittest.mock import patch

import keras

from stego_lib import levels, models
from stego_lib.data import PairDataset, load_pairs
from stego_lib.evaluation.quality import hide_and_reveal, measure, summary
from stego_lib.losses import CombinedLoss
from stego_lib.runs import learning_rate_schedule
from stego_lib.training import LEARNING_RATES, compile_autoencoder

TERMS = ("mse", "ssim", "psnr", "histogram")


def _one_kernel(filters, name):
    return keras.layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=name)


def _transposed_conv(inputs, filters, name):
    layer = keras.layers.Conv2DTranspose(
        filters, 4, strides=2, padding="same", activation="relu", kernel_initializer="he_normal", name=name
    )
    return layer(inputs)


def _without_shortcut(before, after, name):
    return after


EMBEDDINGS = {
    "residual": ("residual", 8),
    **{f"modular, period {period}": ("modular", period) for period in (4, 8, 16)},
}
PARTS = {
    "one kernel size": {"MultiKernelConv": _one_kernel},
    "transposed convolution": {"_sub_pixel_conv": _transposed_conv},
    "no concatenation of levels": {"_joined": _without_shortcut},
}
LOSSES = {
    **{f"{term} loss alone": {f"{other}_weight": 0.0 for other in TERMS if other != term} for term in TERMS},
    **{f"no {term} loss": {f"{term}_weight": 0.0} for term in TERMS},
}
VARIANTS = (*EMBEDDINGS, *PARTS, *LOSSES)


def ablation(variant, train_pairs, *, validation_pairs, minutes, seed=0, filters=64, num_blocks=2):
    """Trains a variant of the joint autoencoder for a time, and measures it.

    Parts and losses are those of the `residual` embedding, where everything is the networks' work. A loss is changed on
    both outputs; that of the cover never has a PSNR term, and is the MSE where nothing else would be left.

    Args:
        variant: One of `VARIANTS`.
        train_pairs: Covers and secrets, two uint8 arrays of shape `(number, height, width, 3)`.
        validation_pairs: Covers and secrets to measure.
        minutes: Of CPU time, for training after the message of a modular embedding has been learned. The number of
            steps follows from the time of some first ones.
        seed: Seed of weights and batches. Defaults to `0`.
        filters: As of `build_autoencoder`. Defaults to `64`.
        num_blocks: As of `build_autoencoder`. Defaults to `2`.

    Returns:
        Number of steps, and the dictionary that `measure` returns.

    Raises:
        ValueError: If there is no such variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f"`variant` must be one of {VARIANTS}. Received: variant={variant}")
    embedding, period = EMBEDDINGS.get(variant, EMBEDDINGS["residual"])
    losses = {}
    if variant in LOSSES:
        cover = {**LOSSES[variant], "psnr_weight": 0.0}
        if variant == "psnr loss alone":
            del cover["mse_weight"]
        losses = {"cover_loss": CombinedLoss(**cover), "secret_loss": CombinedLoss(**LOSSES[variant])}

    def compiled(steps):
        keras.utils.set_random_seed(seed)
        with contextlib.ExitStack() as patches:
            for name, replacement in PARTS.get(variant, {}).items():
                patches.enter_context(patch.object(levels, name, replacement))
            autoencoder = models.build_autoencoder(embedding, period, filters=filters, num_blocks=num_blocks)
        return compile_autoencoder(autoencoder, learning_rate_schedule(LEARNING_RATES[embedding], steps), **losses)

    def fit(autoencoder, steps, **options):
        batches = PairDataset(*train_pairs, training=True, crop_size=32, steps_per_epoch=steps, seed=seed)
        return autoencoder.fit(batches, shuffle=False, verbose=0, **options)

    times = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: times.append(time.process_time()))
    fit(compiled(40), 20, epochs=2, callbacks=[clock])  # the first epoch compiles
    steps = max(int(60 * minutes / (times[1] - times[0]) * 20), 1)
    autoencoder = models.learn_message(compiled(steps), train_pairs[1])
    fit(autoencoder, steps)
    stego, revealed = hide_and_reveal(autoencoder, *validation_pairs)
    return steps, measure(*validation_pairs, stego, revealed)


def main(arguments=None):
    """Prints one row for every variant and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("train", metavar="TRAIN", help="folder of photographs")
    parser.add_argument("validation", metavar="VALIDATION", help="folder of other photographs, to measure")
    parser.add_argument("--minutes", type=float, default=3, help="of CPU time for each (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="(default: 0)")
    parser.add_argument("--only", nargs="+", default=VARIANTS, choices=VARIANTS, metavar="VARIANT", help="some of them")
    options = parser.parse_args(arguments)
    train_pairs, validation_pairs = load_pairs(options.train, "all"), load_pairs(options.validation, "all")
    print(f"{options.minutes:g} CPU minutes each, quality on {options.validation}", flush=True)
    for seed in options.seeds:
        for variant in options.only:
            how = {"validation_pairs": validation_pairs, "minutes": options.minutes, "seed": seed}
            steps, quality = ablation(variant, train_pairs, **how)
            print(f"{variant}, seed {seed}, {steps} steps: {summary(quality)}", flush=True)


if __name__ == "__main__":
    main()
