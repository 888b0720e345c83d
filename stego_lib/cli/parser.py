"""The parser of all commands."""

import argparse

from stego_lib import __version__
from stego_lib.cli.hiding_commands import add_hiding_commands
from stego_lib.cli.learning_commands import add_learning_commands

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


def build_parser():
    """Builds the parser of all commands.

    Returns:
        `argparse.ArgumentParser`. The namespace that it makes has `run`, a function of the namespace, `parser`, that of
        the command, and `debug`.
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

    def add(name, run, *, summary, description=None):
        description = description or f"{summary[0].upper()}{summary[1:]}."
        command = commands.add_parser(name, help=summary, description=description, allow_abbrev=False)
        command.add_argument("--debug", default=argparse.SUPPRESS, **debug)  # where it is absent, that before counts
        command.set_defaults(run=run, parser=command)
        return command

    add_hiding_commands(add)
    add_learning_commands(add)
    return parser
