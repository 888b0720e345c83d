"""Commands and their options."""

import argparse
import contextlib
from pathlib import Path

from stego_lib.cli.hiding import run_capacity, run_hide, run_hide_many, run_reveal
from stego_lib.cli.measuring import run_bench, run_compare, run_detect, run_evaluate
from stego_lib.cli.training import run_train, run_train_codec

EXAMPLES = """examples:
  stego-lib hide cover.jpg secret.jpg -o stego.png --ask-passphrase
  stego-lib reveal stego.png -o revealed.png --ask-passphrase
  stego-lib capacity cover.jpg secret.jpg
  stego-lib hide-many pairs.csv --passphrase-file passphrase.txt
  stego-lib train --data bundled --output outputs/demo
  stego-lib train --data photos/train --validation photos/valid --preset default --output outputs/run
  stego-lib evaluate outputs/run/autoencoder.keras --data photos/test --output outputs/evaluation
  stego-lib train-codec photos/train --output outputs/codec
  stego-lib bench photos/test --codec outputs/codec/codec.npz
  stego-lib compare photos/test
  stego-lib detect photos/train
"""
HIDE = """Hides a photograph in another one. What is written has been read back and the secret found in it. Without a
passphrase, everybody who has this program can reveal the secret. Passphrases are asked for, or read from a file, or
else from the environment variable STEGO_LIB_PASSPHRASE. The secret may have up to 64 times the pixels of the cover."""
HIDE_MANY = """Hides every secret of a list in its cover, in several processes. A pair that fails does not stop the
others; stego images that exist are left as they are, so that an interrupted run goes on when repeated. All have the
same passphrase, each with a key of its own."""
REVEAL = """Reveals the photograph that is hidden in a stego image, with the passphrase that it was hidden with: asked
for, or read from a file, or else from the environment variable STEGO_LIB_PASSPHRASE."""
CAPACITY = """Estimates the PSNR of cover and secret with every number of bits. Needs no passphrase, and does not tell
whether something is hidden."""


def build_parser():
    """Builds the parser of all commands; each sets `run`, a function of the options."""
    parser = argparse.ArgumentParser(
        prog="stego-lib",
        description="Hide photographs in photographs with convolutional autoencoders.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    hide = commands.add_parser("hide", help="hide a photograph in another one", description=HIDE, allow_abbrev=False)
    hide.add_argument("cover", metavar="COVER", help="the photograph that everybody may see")
    hide.add_argument("secret", metavar="SECRET", help="the photograph to hide, of any size")
    hide.add_argument("-o", "--output", metavar="STEGO.png", required=True, help="the stego image, a lossless file")
    _add_hiding_options(hide)
    _add_passphrase_options(hide)
    _add_force(hide)
    hide.set_defaults(run=run_hide)

    hide_many = commands.add_parser(
        "hide-many", help="hide many photographs, listed in a CSV file", description=HIDE_MANY, allow_abbrev=False
    )
    hide_many.add_argument(
        "pairs",
        metavar="PAIRS.csv",
        help="columns cover, secret and output: paths, relative to the folder of this file",
    )
    _add_hiding_options(hide_many)
    hide_many.add_argument(
        "--processes", type=_positive, metavar="N", help="how many work at once, 1 to 1.5 GB each (default: one a CPU)"
    )
    hide_many.add_argument(
        "--report", metavar="REPORT.csv", help="where it goes what became of every pair (default: PAIRS.report.csv)"
    )
    _add_passphrase_options(hide_many)
    hide_many.set_defaults(run=run_hide_many)

    reveal = commands.add_parser(
        "reveal", help="reveal the photograph hidden in a stego image", description=REVEAL, allow_abbrev=False
    )
    reveal.add_argument("stego", metavar="STEGO", help="what hide has written, never changed since")
    reveal.add_argument(
        "-o", "--output", metavar="SECRET.png", required=True, help="the revealed image, a lossless file"
    )
    _add_passphrase_options(reveal)
    _add_force(reveal)
    reveal.set_defaults(run=run_reveal)

    capacity = commands.add_parser(
        "capacity", help="how good cover and secret will be with 1, 2, 3 and 4 bits a sample", description=CAPACITY
    )
    capacity.add_argument("cover", metavar="COVER", help="the photograph that everybody may see")
    capacity.add_argument(
        "secret", metavar="SECRET", nargs="?", help="the photograph to hide (default: one like COVER)"
    )
    capacity.set_defaults(run=run_capacity)

    train = commands.add_parser("train", help="train the autoencoder, or resume a training that was interrupted")
    _add_data_options(train)
    _add_training_options(
        train,
        {"small": "two minutes", "default": "twenty minutes", "gpu": "a day"},
        validation="a part of --data",
        output="model, history and pictures",
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
    train.add_argument("--mixed-precision", action="store_true", help="convolutions in half precision, for GPUs")
    train.add_argument(
        "--devices",
        default="one",
        choices=("one", "all"),
        help="whether all GPUs share every batch (default: %(default)s)",
    )
    train.set_defaults(run=run_train)

    evaluate = commands.add_parser("evaluate", help="measure PSNR and SSIM through a real PNG")
    evaluate.add_argument(
        "model", help="a trained autoencoder.keras; or modular-4, modular-8, modular-16, residual: they come with it"
    )
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
    evaluate.set_defaults(run=run_evaluate)

    train_codec = commands.add_parser("train-codec", help="train the codec, or resume a training that was interrupted")
    train_codec.add_argument("folder", metavar="FOLDER", help="photographs, 64x64 pixels or larger, or 'bundled'")
    _add_training_options(
        train_codec,
        {"small": "two minutes", "default": "an hour and a half"},
        validation="every tenth of FOLDER",
        output="codec.npz and the histories",
    )
    train_codec.set_defaults(run=run_train_codec)

    bench = commands.add_parser(
        "bench", help="measure the codec beside AVIF and JPEG XL: quality at the same bytes, time, memory"
    )
    bench.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="photographs; the second half is measured, at 64x64 pixels, and every second of it at its own size "
        "(default: parts of those that scikit-image ships)",
    )
    bench.add_argument("--codec", metavar="FILE", help="a codec.npz (default: the one that comes with the library)")
    bench.set_defaults(run=run_bench)

    compare = commands.add_parser(
        "compare", help="measure all ways to hide on the same pairs, and what disturbances leave of the secret"
    )
    _add_measured_folder(compare, "the first half covers, the second half secrets")
    _add_image_size(compare)
    compare.set_defaults(run=run_compare)

    detect = commands.add_parser(
        "detect", help="measure how detectable all ways to hide are; an hour for 1200 photographs"
    )
    _add_measured_folder(detect, "40 or more of 256x256 pixels or more, of whose middles at most 1200 are taken")
    detect.set_defaults(run=run_detect)
    return parser


def _add_measured_folder(parser, which):
    parser.add_argument(
        "folder",
        nargs="?",
        default="bundled",
        metavar="FOLDER",
        help=f"photographs, {which} (default: squares of those that scikit-image ships)",
    )


def _add_hiding_options(parser):
    parser.add_argument(
        "--bits",
        type=int,
        choices=(1, 2, 3, 4),
        help="how many of the 8 bits of every red, green and blue value are used: more make a better secret and a "
        "noisier cover (default: the fewest with which the secret comes back at 38 dB, or else 4)",
    )
    parser.add_argument(
        "--quality",
        type=_decibels,
        metavar="DB",
        help="PSNR at which the secret shall come back, 'inf' for exactly as it is; the cover is changed no more than "
        "that takes (default: the best that fits)",
    )


def _add_passphrase_options(parser):
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--ask-passphrase", action="store_true", help="ask for the passphrase")
    source.add_argument("--passphrase-file", metavar="FILE", type=Path, help="read it from the first line of a file")


def _add_force(parser):
    parser.add_argument("--force", action="store_true", help="replace an existing output file")


def _decibels(text):
    with contextlib.suppress(ValueError):
        if (quality := float(text)) > 0:
            return quality
    raise argparse.ArgumentTypeError("must be a positive number of decibels, such as 40, or inf")


def _add_data_options(parser):
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="a folder of photographs, or 'bundled' (default: DIV2K, downloaded where needed)",
    )
    _add_image_size(parser)


def _add_image_size(parser):
    parser.add_argument(
        "--image-size",
        type=_image_size,
        default=64,
        help="side to which photographs are resized, a multiple of 4 (default: %(default)s)",
    )


def _add_training_options(parser, presets, validation, output):
    parser.add_argument(
        "--validation", metavar="FOLDER", help=f"other photographs, for validation (default: {validation})"
    )
    parser.add_argument("--output", metavar="FOLDER", type=Path, required=True, help=f"where {output} go")
    lengths = ", ".join(f"{name}: {length}" for name, length in presets.items())
    parser.add_argument(
        "--preset",
        default="small",
        choices=tuple(presets),
        help=f"size and length, on two CPU cores ({lengths}; default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: %(default)s)")
    parser.add_argument("--restart", action="store_true", help="delete an earlier training in --output and begin anew")


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _image_size(text):
    size = int(text)
    if size < 16 or size % 4:
        raise argparse.ArgumentTypeError("must be a multiple of 4, at least 16")
    return size
