"""What the tests share: real photographs, a tiny autoencoder, a check that every layer passes."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")
# What JAX has compiled, all processes of the tests use again: it compiles for longer than these small networks compute.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import keras
import numpy as np
import pytest

from stego_lib.data import load_pairs
from stego_lib.models import build_autoencoder

# Files that take long, longest first: begun last, one of them would keep one process waiting for the other.
LONGEST = ("notebooks", "codec", "stego", "training", "project", "many", "devices", "hosts", "files_cli", "quality")


def pytest_collection_modifyitems(items):
    order = {f"test_{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="session")
def pairs():
    """Eight covers and eight secrets of 64x64, cut from photographs."""
    covers, secrets = load_pairs("bundled", "validation")
    return covers[::7][:8], secrets[::7][:8]


@pytest.fixture(scope="session")
def tiny_autoencoder():
    keras.utils.set_random_seed(0)
    return build_autoencoder(filters=8, num_blocks=1)


@contextlib.contextmanager
def jax_compiles_quickly():
    """For a few steps compiling takes longest: JAX has to, but need not do it well."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def eager():
    """JAX compiles quickly, and TensorFlow not at all."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
        yield
        tf.config.run_functions_eagerly(False)
    else:
        with jax_compiles_quickly():
            yield


def numpy(x):
    """Tensor of any backend as NumPy array."""
    return keras.ops.convert_to_numpy(x)


def gradient(function, x):
    """Gradient of a function of one array that returns a scalar, on any backend, as NumPy array."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(x))
    if keras.backend.backend() == "torch":
        x = keras.ops.convert_to_tensor(x).requires_grad_()
        function(x).backward()
        return numpy(keras.ops.zeros_like(x) if x.grad is None else x.grad)
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x, unconnected_gradients="zero").numpy()


def check_progress(call):
    """Checks that what a function reports as progress rises to 1."""
    parts = []
    call(parts.append)
    assert parts == sorted(parts)
    assert len(parts) > 5
    assert parts[-1] == 1


def check_layer(layer, *inputs, output_shape, tmp_path, differentiable=-1):
    """Checks what every layer must do: config, symbolic call, values, mixed precision, file, gradient.

    `differentiable` is the index of the input whose gradient must not vanish.
    """
    cls, config = type(layer), layer.get_config()
    assert cls.from_config(json.loads(json.dumps(config))).get_config() == config

    symbols = [keras.Input((*(None for _ in x.shape[1:-1]), x.shape[-1])) for x in inputs]
    symbolic = layer(*symbols)
    assert symbolic.shape == (None, *(None for _ in output_shape[1:-1]), output_shape[-1])
    assert layer.compute_output_shape(*(x.shape for x in inputs)) == output_shape

    output = numpy(layer(*inputs))
    assert output.shape == output_shape
    assert np.isfinite(output).all()

    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    half = cls.from_config({name: value for name, value in config.items() if name != "dtype"})
    assert np.isfinite(numpy(keras.ops.cast(half(*inputs), "float32"))).all()
    keras.mixed_precision.set_global_policy("float32")

    path = tmp_path / "layer.keras"
    keras.Model(symbols if len(symbols) > 1 else symbols[0], symbolic).save(path)
    loaded = keras.saving.load_model(path)
    arguments = list(inputs) if len(inputs) > 1 else inputs[0]
    np.testing.assert_allclose(numpy(loaded(arguments)), output, atol=1e-6)

    weights = keras.ops.convert_to_tensor(np.random.default_rng(1).normal(size=output.shape).astype("float32"))

    def weighted_sum(x):
        changed = list(inputs)
        changed[differentiable] = x
        return keras.ops.sum(layer(*changed) * weights)

    slope = gradient(weighted_sum, inputs[differentiable])
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """Folder with the sdist and the wheel that is built from it."""
    root, source = Path(__file__).parent.parent, tmp_path_factory.mktemp("source") / "stego_lib"
    shutil.copytree(root / "stego_lib", source / "stego_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    return folder
