"""The commands that hide and reveal, and what they take."""

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
from stego_lib.cli.options import (
    add_force,
    add_hiding_options,
    add_many_options,
    add_passphrase_options,
    add_quality,
    add_surviving_options,
)

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


def add_hiding_commands(add):
    """Adds the commands.

    Args:
        add: Function that makes the parser of a command, of its name, what runs it, a summary and a description.
    """
    _add_hide(add)
    _add_hide_many(add)
    _add_reveal(add)
    _add_reveal_many(add)
    _add_capacity(add)
    _add_choose_cover(add)
    _add_service(add)
    _add_app(add)


def _add_hide(add):
    parser = add("hide", run_hide, summary="hide a photograph in another photograph", description=HIDE)
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
    parser = add(
        "hide-many", run_hide_many, summary="hide many photographs, listed in a CSV file", description=HIDE_MANY
    )
    parser.add_argument(
        "pairs",
        metavar="PAIRS.csv",
        help="a CSV file with the columns cover, secret and output: paths, relative to the folder of PAIRS.csv",
    )
    add_hiding_options(parser)
    add_many_options(parser, what="pair", report="PAIRS.report.csv, beside PAIRS.csv")
    add_passphrase_options(parser)


def _add_reveal(add):
    parser = add(
        "reveal", run_reveal, summary="reveal the photograph that is hidden in a stego image", description=REVEAL
    )
    parser.add_argument("stego", metavar="STEGO", help="the file that hide has written, not changed since")
    parser.add_argument(
        "-o", "--output", metavar="REVEALED.png", required=True, help="the revealed photograph, a lossless file"
    )
    add_passphrase_options(parser)
    add_force(parser)


def _add_reveal_many(add):
    summary = "reveal what is hidden in many stego images, listed in a CSV file"
    parser = add("reveal-many", run_reveal_many, summary=summary, description=REVEAL_MANY)
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
    add_many_options(parser, what="image", report="LIST.revealed.csv, beside LIST.csv")
    add_passphrase_options(parser)


def _add_capacity(add):
    summary = "estimate how good stego image and revealed secret will be, and how easily it is found, at several rates"
    parser = add("capacity", run_capacity, summary=summary, description=CAPACITY)
    parser.add_argument("cover", metavar="COVER", help="the photograph that everybody may see")
    parser.add_argument(
        "secret", metavar="SECRET", nargs="?", help="the photograph to hide (default: a photograph like COVER)"
    )
    add_quality(parser)


def _add_choose_cover(add):
    summary = "rank photographs by how well they would hide a secret"
    parser = add("choose-cover", run_choose_cover, summary=summary, description=CHOOSE_COVER)
    parser.add_argument("secret", metavar="SECRET", help="the photograph to hide")
    parser.add_argument("covers", metavar="COVER", nargs="+", help="photographs that everybody may see")
    add_quality(parser)


def _add_service(add):
    parser = add(
        "service",
        run_service,
        summary="say what a service did to a photograph, and how to survive it",
        description=SERVICE,
    )
    parser.add_argument("received", metavar="RECEIVED.jpg", help="the photograph as it came back from the service")


def _add_app(add):
    parser = add("app", run_app, summary="hide and reveal in a browser; nothing leaves this machine")
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
