"""Runs a command, and says what went wrong in one sentence."""

import contextlib
import os
import sys
import warnings

from stego_lib.cli.parser import build_parser

MISSING = {  # by the module that cannot be imported
    module: f"This command needs the package {package}: pip install {package}"
    for module, package in {"imagecodecs": "imagecodecs", "sklearn": "scikit-learn"}.items()
} | {
    backend: f"The backend of Keras is {backend}, which is not installed: set KERAS_BACKEND=tensorflow, or pip install "
    "jax and set KERAS_BACKEND=jax."
    for backend in ("tensorflow", "jax", "torch")
}


def main(arguments=None):
    """Runs the command line.

    Args:
        arguments: List of strings; `None` means those of the process. Defaults to `None`.

    Returns:
        Exit code: 0 done, 1 a problem with what was given (2, wrong usage, exits at once).
    """
    options = build_parser().parse_args(arguments)
    warnings.formatwarning = lambda message, *_, **__: f"stego-lib: {message}\n"
    try:
        with _silenced_native_code():
            options.run(options)
    except (OSError, ValueError, FloatingPointError) as error:
        from stego_lib.hiding.many import sentence

        advice = " --force replaces it." if isinstance(error, FileExistsError) and "force" in options else ""
        print(f"stego-lib: {sentence(error)}{advice}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name not in MISSING:
            raise
        print(f"stego-lib: {MISSING[error.name]}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        trained = "restart" in options
        advice = "; the training goes on where it stopped when run again" if trained else ""
        print(f"stego-lib: interrupted{advice}.", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _silenced_native_code():
    """Keeps what TensorFlow's native code says off the terminal; Python still writes there."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr, terminal = sys.stderr, os.dup(2)
    if stderr is sys.__stderr__:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        sys.stderr = stderr
        os.dup2(terminal, 2)
        os.close(terminal)
