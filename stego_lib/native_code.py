"""What TensorFlow's native code says, as it starts, kept off the terminal."""

import contextlib
import os
import sys


@contextlib.contextmanager
def silenced_native_code():
    """Makes a context in which native code says nothing on the terminal; Python still writes there."""
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
