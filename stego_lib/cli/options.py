"""Options that several commands have, and the kinds of values that they take."""

import argparse
import contextlib
from pathlib import Path


class RefusedPassphrase(argparse.Action):
    """Refuses a passphrase that stands in the command, and says what to do instead."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Ends the program."""
        parser.error(
            "a passphrase in a command can be read by other users of this machine, and stays in the history of the "
            "shell: use --ask-passphrase, --passphrase-file FILE or the environment variable STEGO_LIB_PASSPHRASE"
        )


def add_hiding_options(parser):
    """Adds how much of the cover is used.

    Args:
        parser: Parser of a command.
    """
    parser.add_argument(
        "--bits",
        type=_bits,
        metavar="N",
        help="a fraction such as 0.1: at most so many bits for every red, green and blue value, in few changes where "
        "the cover is busy; or 1, 2, 3 or 4: how many low bits of every value are filled, which is easily detected; "
        "more bits give a better secret (default: what brings the secret back at 38 dB)",
    )
    add_quality(parser)
    parser.add_argument(
        "--find-at-most",
        type=_area,
        metavar="AREA",
        help="how easily it may be found, more than 0.5 (guessing) and less than 1 (certain): area under the ROC curve "
        "of a detector; no more is embedded than that allows",
    )


def add_quality(parser):
    """Adds how good the secret has to be.

    Args:
        parser: Parser of a command.
    """
    parser.add_argument(
        "--quality",
        type=_decibels,
        metavar="DB",
        help="PSNR in dB at which the secret comes back, or 'inf' for an exact copy; the cover is changed no more than "
        "this quality needs",
    )


def add_passphrase_options(parser):
    """Adds where the passphrase comes from.

    Args:
        parser: Parser of a command.
    """
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--ask-passphrase", action="store_true", help="ask for the passphrase")
    source.add_argument(
        "--passphrase-file", metavar="FILE", type=Path, help="read the passphrase from the first line of FILE"
    )
    source.add_argument("--passphrase", nargs="?", action=RefusedPassphrase, help=argparse.SUPPRESS)


def add_force(parser):
    """Adds that an output may be replaced.

    Args:
        parser: Parser of a command.
    """
    parser.add_argument("--force", action="store_true", help="replace the output file if it exists")


def add_data_options(parser):
    """Adds the photographs that a command works on.

    Args:
        parser: Parser of a command.
    """
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="a folder of photographs, or 'bundled' for those of scikit-image (default: DIV2K, which is downloaded if "
        "it is missing)",
    )
    add_image_size(parser)


def add_image_size(parser):
    """Adds the size of training images.

    Args:
        parser: Parser of a command.
    """
    parser.add_argument(
        "--image-size",
        type=_image_size,
        default=64,
        metavar="PIXELS",
        help="side of the squares to which photographs are resized, a multiple of 4 (default: %(default)s)",
    )


def add_training_options(parser, presets, *, validation, output):
    """Adds what both trainings have.

    Args:
        parser: Parser of a command.
        presets: Dictionary of the names of presets and how long they take.
        validation: What is validated on by default.
        output: What the output folder gets.
    """
    parser.add_argument(
        "--validation", metavar="FOLDER", help=f"other photographs to validate on (default: {validation})"
    )
    parser.add_argument("--output", metavar="FOLDER", type=Path, required=True, help=f"the folder for {output}")
    lengths = ", ".join(f"{name}: {length}" for name, length in presets.items())
    parser.add_argument(
        "--preset",
        default="small",
        choices=tuple(presets),
        help=f"size of the networks and length of the training; on two CPU cores {lengths} (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the first weights and of the batches (default: %(default)s)",
    )
    parser.add_argument(
        "--restart", action="store_true", help="delete the earlier training in --output and begin a new one"
    )


def positive(text):
    """Reads a number of things.

    Args:
        text: String.

    Returns:
        Integer, 1 or more.

    Raises:
        argparse.ArgumentTypeError: If it is something else.
    """
    with contextlib.suppress(ValueError):
        if (number := int(text)) >= 1:
            return number
    raise argparse.ArgumentTypeError("must be a whole number, 1 or more")


def _bits(text):
    with contextlib.suppress(ValueError):
        if text in ("1", "2", "3", "4") or 0 < float(text) <= 1:
            return int(text) if text.isdigit() else float(text)
    raise argparse.ArgumentTypeError("must be 1, 2, 3 or 4, or a fraction of a bit such as 0.1")


def _area(text):
    with contextlib.suppress(ValueError):
        if 0.5 < (area := float(text)) < 1:
            return area
    raise argparse.ArgumentTypeError("must be more than 0.5 and less than 1, such as 0.6")


def _decibels(text):
    with contextlib.suppress(ValueError):
        if (quality := float(text)) > 0:
            return quality
    raise argparse.ArgumentTypeError("must be a positive number of decibels, such as 40, or inf")


def _image_size(text):
    with contextlib.suppress(ValueError):
        if (size := int(text)) >= 16 and not size % 4:
            return size
    raise argparse.ArgumentTypeError("must be a multiple of 4, at least 16")
