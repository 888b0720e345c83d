"""What the command line sets for its own process: a quiet terminal that prints any name, and Keras as it is needed."""

import contextlib
import json
import os
import sys
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch", "numpy", "openvino")  # that Keras has


@contextlib.contextmanager
def environment():
    """Makes a context in which a command runs, with environment variables of its own.

    Raises:
        ValueError: If the backend of Keras that is set does not exist.
    """
    before = dict(os.environ)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        _set_keras()
        with _silenced_native_code():
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def print_any_name():
    """Lets the terminal show names of files that it has no letters for: escaped, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # there is none, or it is another kind of stream
            stream.reconfigure(errors="backslashreplace")


def _set_keras():
    """Of a `keras.json` only the backend counts: other data formats or float types would break the networks."""
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        in_file = json.loads(path.read_bytes()).get("backend")
    except (OSError, ValueError, AttributeError):
        in_file = None
    backend = os.environ.get("KERAS_BACKEND") or in_file or "tensorflow"
    if backend not in BACKENDS:
        source = "The environment variable KERAS_BACKEND" if os.environ.get("KERAS_BACKEND") else path
        raise ValueError(f"{source} names a backend that Keras does not have, {backend}: put tensorflow or jax there.")
    os.environ["KERAS_BACKEND"] = backend
    os.environ["KERAS_HOME"] = os.devnull  # where there is no keras.json, and none can be written


@contextlib.contextmanager
def _silenced_native_code():
    """Keeps what TensorFlow's native code says off the terminal; Python still writes there."""
    try:
        stderr, terminal = sys.stderr, os.dup(2)
    except OSError:  # it is closed
        yield
        return
    with contextlib.ExitStack() as stack:
        if stderr is sys.__stderr__:
            copy = os.fdopen(os.dup(2), "w", buffering=1, encoding=stderr.encoding, errors="backslashreplace")
            sys.stderr = stack.enter_context(copy)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        try:
            yield
        finally:
            sys.stderr = stderr
            os.dup2(terminal, 2)
            os.close(terminal)
