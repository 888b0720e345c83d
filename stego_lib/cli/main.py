"""Runs a command, and says what went wrong in one sentence."""

import sys
import traceback
import warnings

from stego_lib.cli.environment import environment, interruptible, print_any_name
from stego_lib.cli.messages import explain, with_options
from stego_lib.cli.parser import build_parser


def main(arguments=None):
    """Runs the command line.

    Args:
        arguments: List of strings; `None` means those of the process. Defaults to `None`.

    Returns:
        Exit code: 0 done, 1 a problem with what was given, 130 interrupted (2, wrong usage, exits at once).
    """
    print_any_name()
    options, unknown = build_parser().parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")  # with the usage of the command
    try:
        with environment(), interruptible(), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            options.run(options)
    except (Exception, KeyboardInterrupt) as error:
        message = explain(error, options)
        if options.debug:
            traceback.print_exc()
        elif message is None:
            raise
        else:
            after_bar = "\n" if isinstance(error, KeyboardInterrupt) and sys.stderr.isatty() else ""
            print(f"{after_bar}stego-lib: {message}", file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _show_warning(message, *_, **__):
    """Shows a warning on a line of its own, even while a bar is shown."""
    from tqdm import tqdm

    tqdm.write(f"stego-lib: {with_options(str(message))}", file=sys.stderr)
