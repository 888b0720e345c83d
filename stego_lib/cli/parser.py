"""The commands and what they take."""

import argparse
from pathlib import Path

from stego_lib import __version__
from stego_lib.cli.app import run_app
from stego_lib.cli.hiding import (
    run_capacity,
    run_choose_cover,
    run_hide,
    run_hide_many,
    run_reveal,
    run_reveal_many,
    run_service,
)
from stego_lib.cli.measuring import run_bench, run_compare, run_detect, run_evaluate, run_survival
from stego_lib.cli.options import (
    add_data_options,
    add_design,
    add_force,
    add_hiding_options,
    add_image_size,
    add_many_options,
    add_passphrase_options,
    add_quality,
    add_surviving_options,
    add_training_options,
)
from stego_lib.cli.training import run_train, run_train_codec

EXAMPLES = """examples:
  stego-lib hide cover.jpg secret.jpg -o stego.jpg --ask-passphrase
  stego-lib reveal stego.jpg -o revealed.png --ask-passphrase
  stego-lib capacity cover.jpg secret.jpg
  stego-lib choose-cover secret.jpg photos/one.jpg photos/two.jpg photos/three.jpg
  stego-lib hide cover.jpg secret.jpg -o stego.jpg --survive 75 --ask-passphrase
  stego-lib service received.jpg
  stego-lib hide-many pairs.csv --passphrase-file passphrase.txt
  stego-lib reveal-many pairs.csv --output revealed --passphrase-file passphrase.txt
  stego-lib app
  stego-lib train --data bundled --output outputs/demo
  stego-lib train --data photos/train --validation photos/valid --preset default --output outputs/run
  stego-lib evaluate outputs/run/autoencoder.keras --data photos/test --output outputs/evaluation
  stego-lib train-codec photos/train --output outputs/codec
  stego-lib bench photos/test --codec outputs/codec/codec.npz
  stego-lib compare photos/test
  stego-lib detect photos/train
"""
PASSPHRASES = "asked for, or read from a file, or taken from the environment variable STEGO_LIB_PASSPHRASE"
HIDE = f"""Hides a photograph in another photograph. The secret may have up to 64 times the pixels of the cover. The
stego image is read again and the secret revealed from it before the file gets its name. The passphrase is
{PASSPHRASES}. Without a passphrase, everybody who has this program can reveal the secret."""
HIDE_MANY = """Hides every secret of a list in its cover, in several processes or on several machines. A pair that fails
does not stop the others. Stego images that exist already are left as they are: run the same command again to finish an
interrupted run. All pairs have the same passphrase, and every stego image has a key of its own."""
REVEAL_MANY = """Reveals what is hidden in every stego image of a list, in several processes or on several machines. An
image that fails, or holds nothing, does not stop the others. Photographs that exist already are left as they are: run
the same command again to finish an interrupted run."""
REVEAL = f"""Reveals the photograph that is hidden in a stego image, with the passphrase that it was hidden with. The
passphrase is {PASSPHRASES}."""
CAPACITY = """Estimates the PSNR of the stego image and of the revealed secret, and how easily it is found, for several
rates. It needs no passphrase, and does not tell whether something is hidden in COVER."""
CHOOSE_COVER = """Ranks photographs by how well they would hide a secret that comes back at 38 dB, or at --quality: by
what all changes would cost together, which is less in a photograph that is large and busy. Nothing is written."""

SERVICE = """Reads what a chat service or a web page did to a photograph from the file that came back: its size,
quantization tables and colour subsampling; and prints the options of hide with which a secret survives that."""


def build_parser():
    """Builds the parser of all commands.

    Returns:
        `argparse.ArgumentParser`. The namespace that it makes has `run`, a function of the namespace, and `debug`.
    """
    parser = argparse.ArgumentParser(
        prog="stego-lib",
        description="Hide photographs in photographs with convolutional autoencoders.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"stego-lib {__version__}")
    debug = {"action": "store_true", "help": "show the traceback of an error"}
    parser.add_argument("--debug", **debug)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name, run, summary, description=None):
        description = description or f"{summary[0].upper()}{summary[1:]}."
        command = commands.add_parser(name, help=summary, description=description, allow_abbrev=False)
        command.add_argument("--debug", default=argparse.SUPPRESS, **debug)  # where it is absent, that before counts
        command.set_defaults(run=run)
        return command

    _add_hide(add)
    _add_hide_many(add)
    _add_reveal(add)
    _add_reveal_many(add)
    _add_capacity(add)
    _add_choose_cover(add)
    _add_service(add)
    _add_app(add)
    _add_train(add)
    _add_evaluate(add)
    _add_train_codec(add)
    _add_bench(add)
    _add_compare(add)
    _add_detect(add)
    _add_survival(add)
    return parser


def _add_hide(add):
    parser = add("hide", run_hide, "hide a photograph in another photograph", HIDE)
    parser.add_argument("cover", metavar="COVER", help="the photograph that everybody may see")
    parser.add_argument("secret", metavar="SECRET", help="the photograph to hide, of any size")
    parser.add_argument(
        "-o",
        "--output",
        metavar="STEGO",
        required=True,
        help="the stego image: a .jpg, if COVER is a JPEG file or with --survive, or a lossless file such as a .png",
    )
    add_hiding_options(parser)
    parser.add_argument(
        "--keep-metadata",
        action="store_true",
        help="keep all metadata of a JPEG cover, also where and when it was taken; by default a .jpg keeps only colour "
        "profile and orientation",
    )
    add_surviving_options(parser)
    add_passphrase_options(parser)
    add_force(parser)


def _add_hide_many(add):
    parser = add("hide-many", run_hide_many, "hide many photographs, listed in a CSV file", HIDE_MANY)
    parser.add_argument(
        "pairs",
        metavar="PAIRS.csv",
        help="a CSV file with the columns cover, secret and output: paths, relative to the folder of PAIRS.csv",
    )
    add_hiding_options(parser)
    add_many_options(parser, "pair", "PAIRS.report.csv, beside PAIRS.csv")
    add_passphrase_options(parser)


def _add_reveal(add):
    parser = add("reveal", run_reveal, "reveal the photograph that is hidden in a stego image", REVEAL)
    parser.add_argument("stego", metavar="STEGO", help="the file that hide has written, not changed since")
    parser.add_argument(
        "-o", "--output", metavar="REVEALED.png", required=True, help="the revealed photograph, a lossless file"
    )
    add_passphrase_options(parser)
    add_force(parser)


def _add_reveal_many(add):
    summary = "reveal what is hidden in many stego images, listed in a CSV file"
    parser = add("reveal-many", run_reveal_many, summary, REVEAL_MANY)
    parser.add_argument(
        "stegos",
        metavar="LIST.csv",
        help="a CSV file with the columns stego and output: paths, relative to its folder; or, with --output, the list "
        "or the report of hide-many",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        help="the folder for what is revealed from the stego images of a list of hide-many",
    )
    add_many_options(parser, "image", "LIST.revealed.csv, beside LIST.csv")
    add_passphrase_options(parser)


def _add_capacity(add):
    summary = "estimate how good stego image and revealed secret will be, and how easily it is found, at several rates"
    parser = add("capacity", run_capacity, summary, CAPACITY)
    parser.add_argument("cover", metavar="COVER", help="the photograph that everybody may see")
    parser.add_argument(
        "secret", metavar="SECRET", nargs="?", help="the photograph to hide (default: a photograph like COVER)"
    )
    add_quality(parser)


def _add_choose_cover(add):
    summary = "rank photographs by how well they would hide a secret"
    parser = add("choose-cover", run_choose_cover, summary, CHOOSE_COVER)
    parser.add_argument("secret", metavar="SECRET", help="the photograph to hide")
    parser.add_argument("covers", metavar="COVER", nargs="+", help="photographs that everybody may see")
    add_quality(parser)


def _add_service(add):
    parser = add("service", run_service, "say what a service did to a photograph, and how to survive it", SERVICE)
    parser.add_argument("received", metavar="RECEIVED.jpg", help="the photograph as it came back from the service")


def _add_app(add):
    parser = add("app", run_app, "hide and reveal in a browser; nothing leaves this machine")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen on; any other than %(default)s lets others in, and passphrases travel unencrypted "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--port", type=int, metavar="N", help="the port to listen on (default: the first free one from 7860)"
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")


def _add_train(add):
    parser = add("train", run_train, "train the joint autoencoder, or continue an interrupted training")
    add_data_options(parser)
    add_training_options(
        parser,
        {"small": "two minutes", "default": "twenty minutes", "gpu": "a day", "robust": "an hour and a half"},
        validation="a part of --data",
        output="model, history and pictures",
    )
    parser.add_argument(
        "--embedding",
        choices=("modular", "residual", "robust"),
        help="how the secret is embedded in the cover (default: modular, or what the preset is named after)",
    )
    parser.add_argument(
        "--period",
        type=int,
        default=8,
        metavar="N",
        help="period of the modular embedding, an even number: a larger one gives a better secret and a noisier stego "
        "image (default: %(default)s)",
    )
    parser.add_argument(
        "--mixed-precision", action="store_true", help="compute convolutions in half precision, for GPUs"
    )
    parser.add_argument(
        "--devices",
        default="one",
        choices=("one", "all"),
        help="train on one device, or share every batch among all GPUs (default: %(default)s)",
    )


def _add_evaluate(add):
    parser = add("evaluate", run_evaluate, "measure PSNR and SSIM of a joint autoencoder through real PNG files")
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a trained autoencoder.keras, or one that comes with stego-lib: modular-4, modular-8, modular-16, "
        "residual, robust",
    )
    add_data_options(parser)
    parser.add_argument(
        "--split",
        default="validation",
        choices=("validation", "all", "train"),
        help="the part of --data: what training holds back for validation, all of a folder that was never trained on, "
        "or what training uses (default: %(default)s)",
    )
    parser.add_argument(
        "--output", metavar="FOLDER", type=Path, help="the folder for gallery, error histogram and stego images"
    )
    parser.add_argument(
        "--disturb",
        action="store_true",
        help="measure too what noise, JPEG, resizing and cropping the stego images leave of the secrets",
    )


def _add_train_codec(add):
    parser = add("train-codec", run_train_codec, "train the codec, or continue an interrupted training")
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="photographs of at least 64x64 pixels, or 'bundled' for those of scikit-image",
    )
    add_training_options(
        parser,
        {"small": "two minutes", "default": "some hours", "gpu": "a quarter of an hour on a large GPU"},
        validation="every tenth photograph of FOLDER",
        output="codec.npz and the histories",
    )


def _add_bench(add):
    summary = "measure the codec beside AVIF and JPEG XL: quality in the same number of bytes, time and memory"
    parser = add("bench", run_bench, summary)
    parser.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="photographs: the second half is measured at 64x64 pixels, and every second one of that half at its own "
        "size (default: parts of the photographs of scikit-image)",
    )
    parser.add_argument("--codec", metavar="FILE", help="a codec.npz (default: the codec that comes with stego-lib)")


def _add_compare(add):
    summary = "measure all ways to hide on the same pairs, and what disturbances leave of the secret"
    parser = add("compare", run_compare, summary)
    _add_measured_folder(parser, "the first half are covers, the second half secrets")
    add_image_size(parser)


def _add_detect(add):
    parser = add("detect", run_detect, "measure how detectable all ways to hide are; hours for 1200 photographs")
    _add_measured_folder(parser, "40 or more of at least 256x256 pixels; at most 1200 are used, the middle of each")
    parser.add_argument(
        "--csv",
        metavar="FILE",
        type=Path,
        help="also write what the strongest detector found of uniform and adaptive embedding, by rate and size",
    )


def _add_survival(add):
    summary = "measure what a secret survives: every JPEG quality, several encoders, noise, and twice"
    parser = add("survival", run_survival, summary)
    _add_measured_folder(parser, "the first half are covers, the second half secrets, at their own size")
    add_design(parser, default=75)


def _add_measured_folder(parser, which):
    parser.add_argument(
        "folder",
        nargs="?",
        default="bundled",
        metavar="FOLDER",
        help=f"photographs: {which} (default: squares cut from the photographs of scikit-image)",
    )
