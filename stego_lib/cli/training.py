"""The commands that train."""

from pathlib import Path

from stego_lib.cli.progress import loading


def run_train(options):
    """Trains the joint autoencoder."""
    with loading():
        from stego_lib.data import load_pairs
        from stego_lib.training import train

    if options.validation:
        if options.data and Path(options.data).resolve() == Path(options.validation).resolve():
            raise ValueError("--data and --validation must name different folders.")
        split = "train" if options.data in (None, "bundled") else "all"
        train_pairs = load_pairs(options.data, split, image_size=options.image_size)
        validation_pairs = load_pairs(options.validation, "all", image_size=options.image_size)
    else:
        train_pairs, validation_pairs = (
            load_pairs(options.data, split, image_size=options.image_size) for split in ("train", "validation")
        )
    train(
        options.output,
        train_pairs,
        validation_pairs,
        preset=options.preset,
        embedding=options.embedding,
        period=options.period,
        seed=options.seed,
        mixed_precision=options.mixed_precision,
        restart=options.restart,
        all_devices=options.devices == "all",
    )
    print(f"The trained model is {options.output / 'autoencoder.keras'}.")


def run_train_codec(options):
    """Trains the codec."""
    with loading():
        from stego_lib.codec.training import train_codec
        from stego_lib.data import BUNDLED, bundled_photographs, find_photographs

    if options.validation and Path(options.folder).resolve() == Path(options.validation).resolve():
        raise ValueError("FOLDER and --validation must name different folders.")
    if options.folder == "bundled":
        if options.validation:
            raise ValueError("Some of the bundled photographs are for validation already: leave --validation out.")
        parts = (bundled_photographs(BUNDLED[split]) for split in ("train", "validation"))
    elif options.validation:
        parts = find_photographs(options.folder), find_photographs(options.validation)
    else:
        parts = [find_photographs(options.folder, split) for split in ("train", "validation")]
        if not parts[1]:
            raise ValueError(
                f"{options.folder} has {len(parts[0])} photographs. Every tenth photograph is for validation: use 10 "
                "or more, or another folder as --validation."
            )
    train_codec(options.output, *parts, preset=options.preset, seed=options.seed, restart=options.restart)
    print(f"The trained codec is {options.output / 'codec.npz'}.")
