"""The command line: `python -m stego_lib train | evaluate`."""

import argparse
import contextlib
import os
import sys
import warnings
from pathlib import Path

EXAMPLES = """examples:
  python -m stego_lib train --data bundled --output outputs/demo
  python -m stego_lib train --data photos/train --validation photos/valid --preset default --output outputs/run
  python -m stego_lib evaluate outputs/run/autoencoder.keras --data photos/test --output outputs/evaluation
"""


def main(arguments=None):
    """Runs the command line.

    Args:
        arguments: List of strings; `None` means those of the process. Defaults to `None`.

    Returns:
        Exit code: 0 done, 1 a problem with what was given (2, wrong usage, exits at once).
    """
    options = _parser().parse_args(arguments)
    warnings.formatwarning = lambda message, *_, **__: f"stego-lib: {message}\n"
    try:
        with _silenced_stderr():
            import keras  # noqa: F401
        options.run(options)
    except (OSError, ValueError, FloatingPointError) as error:
        print(f"stego-lib: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stego-lib: interrupted; a training goes on where it stopped when run again.", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _silenced_stderr():
    """Keeps what TensorFlow's native code says while it is imported off the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    terminal = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m stego_lib",
        description="Hide photographs in photographs with a convolutional autoencoder.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train the autoencoder, or resume a training that was interrupted")
    _add_data_options(train)
    train.add_argument(
        "--validation", metavar="FOLDER", help="other photographs, for validation (default: a part of --data)"
    )
    train.add_argument("--output", metavar="FOLDER", required=True, help="where model, history and pictures go")
    train.add_argument(
        "--preset",
        default="small",
        choices=("small", "default", "gpu"),
        help="size and length: two minutes, twenty minutes, or a day on two CPU cores (default: %(default)s)",
    )
    train.add_argument(
        "--embedding",
        default="modular",
        choices=("modular", "residual"),
        help="how the secret is put in (default: %(default)s)",
    )
    train.add_argument(
        "--period",
        type=int,
        default=8,
        help="of the modular embedding, even: larger hides better and shows more (default: %(default)s)",
    )
    train.add_argument("--seed", type=int, default=0, help="of weights and batches (default: %(default)s)")
    train.add_argument("--mixed-precision", action="store_true", help="convolutions in half precision, for GPUs")
    train.add_argument("--restart", action="store_true", help="delete an earlier training in --output and begin anew")
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("evaluate", help="measure PSNR and SSIM through a real PNG")
    evaluate.add_argument("model", type=Path, help="a trained autoencoder.keras")
    _add_data_options(evaluate)
    evaluate.add_argument(
        "--split",
        default="validation",
        choices=("validation", "all", "train"),
        help="which part of --data: what is held back from training (default), or all of a folder never trained on",
    )
    evaluate.add_argument(
        "--output", metavar="FOLDER", type=Path, help="where gallery, error histogram and stego images go"
    )
    evaluate.set_defaults(run=_evaluate)
    return parser


def _add_data_options(parser):
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="a folder of photographs, or 'bundled' (default: DIV2K, downloaded where needed)",
    )
    parser.add_argument(
        "--image-size",
        type=_image_size,
        default=64,
        help="side to which photographs are resized, a multiple of 4 (default: %(default)s)",
    )


def _image_size(text):
    size = int(text)
    if size < 12 or size % 4:
        raise argparse.ArgumentTypeError("must be a multiple of 4, at least 12")
    return size


def _train(options):
    from stego_lib.data import load_pairs
    from stego_lib.training import train

    if options.validation:
        if options.data and Path(options.data).resolve() == Path(options.validation).resolve():
            raise ValueError("--data and --validation must be different photographs.")
        train_pairs = load_pairs(
            options.data, "train" if options.data in (None, "bundled") else "all", options.image_size
        )
        validation_pairs = load_pairs(options.validation, "all", options.image_size)
    else:
        train_pairs = load_pairs(options.data, "train", options.image_size)
        validation_pairs = load_pairs(options.data, "validation", options.image_size)
    train(
        options.output,
        train_pairs,
        validation_pairs,
        options.preset,
        options.embedding,
        options.period,
        options.seed,
        options.mixed_precision,
        options.restart,
    )
    print(f"The trained model is {Path(options.output) / 'autoencoder.keras'}.")


def _evaluate(options):
    from stego_lib.data import load_pairs
    from stego_lib.evaluation.quality import hide_and_reveal, measure, summary
    from stego_lib.models import load_autoencoder

    autoencoder = load_autoencoder(options.model)
    covers, secrets = load_pairs(options.data, options.split, options.image_size)
    stego, revealed = hide_and_reveal(autoencoder, covers, secrets)
    if options.output:
        _write_pictures(options.output, covers, secrets, stego, revealed)
    print(f"{options.data or 'DIV2K'}, {options.split}: {summary(measure(covers, secrets, stego, revealed))}")


def _write_pictures(folder, covers, secrets, stego, revealed):
    from stego_lib.images import write_image
    from stego_lib.plots import error_histogram, gallery

    for leftover in folder.glob("*/[0-9][0-9][0-9][0-9].png"):
        if leftover.parent.name in ("stego", "revealed"):
            leftover.unlink()
    for index, (hidden, shown) in enumerate(zip(stego, revealed, strict=True), start=1):
        write_image(folder / "stego" / f"{index:04d}.png", hidden, overwrite=True)
        write_image(folder / "revealed" / f"{index:04d}.png", shown, overwrite=True)
    some = slice(0, 6)
    gallery(covers[some], secrets[some], stego[some], revealed[some]).savefig(folder / "gallery.png", dpi=100)
    error_histogram(covers, secrets, stego, revealed).savefig(folder / "error_histogram.png", dpi=100)


if __name__ == "__main__":
    sys.exit(main())
