"""What the command line sets for its own process: a quiet terminal that prints any name, and Keras as it is needed."""

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import threading
from pathlib import Path

from stego_lib.native_code import silenced_native_code

# Where they are installed, Keras and TensorFlow import them for parts that nobody here uses, in half of the time that
# they take themselves.
UNUSED = {"jax", "matplotlib", "pandas", "sklearn", "torch"}
BACKENDS = ("tensorflow", "jax", "torch", "numpy", "openvino")  # that Keras has


@contextlib.contextmanager
def environment():
    """Makes a context in which a command runs, with environment variables of its own.

    Raises:
        ValueError: If the backend of Keras that is set does not exist.
    """
    before = dict(os.environ)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # JAX compiles everything before it computes: what it compiled is kept, also what took less than a second.
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(cache) / "stego_lib" / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    try:
        _set_keras()
        with silenced_native_code():
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def interruptible():
    """Makes a context that a closed terminal or a request to end leaves as Ctrl-C does: nothing is left behind."""
    signals = {getattr(signal, name) for name in ("SIGHUP", "SIGTERM") if hasattr(signal, name)}
    # What is ignored, as after nohup, stays so; and only the main thread may say what signals do.
    in_main = threading.current_thread() is threading.main_thread()
    handled = {number for number in signals if in_main and signal.getsignal(number) == signal.SIG_DFL}
    try:
        for number in handled:
            signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)


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
    backend = os.environ.get("KERAS_BACKEND") or _installed_backend(in_file or BACKENDS[0])
    if backend not in BACKENDS:
        source = "The environment variable KERAS_BACKEND" if os.environ.get("KERAS_BACKEND") else path
        raise ValueError(f"{source} names a backend that Keras does not have, {backend}: put tensorflow or jax there.")
    os.environ["KERAS_BACKEND"] = backend
    if not any(isinstance(finder, _LeanKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LeanKeras())
    os.environ["KERAS_HOME"] = os.devnull  # where there is no keras.json, and none can be written


def _installed_backend(wanted):
    """Another one if that is missing: Keras writes TensorFlow into `keras.json` also where there is only JAX."""
    candidates = (wanted, *BACKENDS[:3]) if wanted in BACKENDS else ()
    return next((name for name in candidates if importlib.util.find_spec(name)), wanted)


class _LeanKeras:
    """Lets Keras believe, while it is imported, that packages that it can do without are not installed."""

    def find_spec(self, fullname, path=None, target=None):
        """Finds Keras; other modules are for other finders."""
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target) if fullname == "keras" else None
        if spec:
            execute = spec.loader.exec_module

            def execute_without(module):
                hidden = UNUSED - sys.modules.keys() - {os.environ.get("KERAS_BACKEND")}
                sys.modules.update(dict.fromkeys(hidden))
                try:
                    execute(module)
                finally:
                    for name in hidden:
                        del sys.modules[name]

            spec.loader.exec_module = execute_without
        return spec
