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
        "more bits give a better secret (default: what brings the secret back at 38 dB, or better where that is hardly "
        "found). In a .jpg a fraction up to 0.6, bits for every coefficient that is not 0",
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


def add_design(parser, default=None):
    """Adds what quality has to be survived and what quality the cover keeps.

    Args:
        parser: Parser of a command.
        default: Quality that has to be survived. Defaults to `None`, none.
    """
    parser.add_argument(
        "--survive",
        type=int,
        default=default,
        metavar="Q",
        help="hide so that the secret survives when the stego image is saved again as JPEG of quality Q, 30 to 95, or "
        "a better one, or twice as the same; such images are easily detected"
        + ("" if default is None else " (default: %(default)s)"),
    )
    parser.add_argument(
        "--cover-quality",
        type=_decibels,
        metavar="DB",
        help="PSNR in dB that the cover keeps; a lower one leaves more room (default: 38)",
    )


def add_surviving_options(parser):
    """Adds what the secret has to survive.

    Args:
        parser: Parser of a command.
    """
    group = parser.add_argument_group("a secret that survives JPEG, chat services and web pages")
    add_design(group)
    group.add_argument(
        "--like",
        metavar="RECEIVED.jpg",
        help="learn quality and size, --survive and --fit, from a photograph that came back from the service",
    )
    group.add_argument(
        "--fit",
        type=positive,
        metavar="PIXELS",
        help="make the longer side of COVER so short first, so that a service need not",
    )
    group.add_argument(
        "--shrink", action="store_true", help="make a secret smaller that would come back at less than 28 dB"
    )


def add_many_options(parser, *, what, report):
    """Adds who works on a list, and where it is reported.

    Args:
        parser: Parser of a command.
        what: What the list lists.
        report: Where the report is by default.
    """
    workers = parser.add_mutually_exclusive_group()
    workers.add_argument(
        "--processes",
        type=positive,
        metavar="N",
        help="how many work at once, with an equal part of the memory each (default: one for every CPU for which "
        "there are 2 GB, what 12 megapixels take)",
    )
    workers.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="let the workers of a scheduler of dask.distributed do it, such as tcp://HOST:8786: they must find the "
        "files under the same names, or at addresses such as s3://bucket/name.png. They are told the passphrase, "
        "encrypted only with tls://HOST:8786",
    )
    parser.add_argument(
        "--report", metavar="REPORT.csv", help=f"the CSV file that lists the result of every {what} (default: {report})"
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
        type=_seed,
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


def _seed(text):
    with contextlib.suppress(ValueError):
        if 0 <= (number := int(text)) < 2**32:
            return number
    raise argparse.ArgumentTypeError("must be a whole number, 0 or more")


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
