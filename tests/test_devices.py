"""Training on two devices: virtual ones on the CPU, or those of two processes that stand for two machines."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from stego_lib.data import load_pairs
from stego_lib.devices import join_hosts
from stego_lib.plots import read_history
from stego_lib.training import PRESETS, train

SETTINGS = {"filters": 8, "num_blocks": 1, "epochs": 2, "steps_per_epoch": 4, "batch_size": 16, "crop_size": 32}
SCRIPT = """
import os, sys
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[2]))
import keras
from stego_lib.training import PRESETS
from test_devices import SETTINGS, train_tiny

PRESETS["tiny"] = SETTINGS
train_tiny(sys.argv[1], sys.argv[3], devices=int(sys.argv[2]))
"""


def train_tiny(folder, embedding, *, devices=1):
    covers, secrets = load_pairs("bundled", "validation")
    end = 41 + devices  # 26 pairs for one device, 27 for two, which leave out the last
    pairs, validation = (covers[:16], secrets[:16]), (covers[16:end], secrets[16:end])
    train(folder, pairs, validation, preset="tiny", embedding=embedding, all_devices=True)
    assert len(keras.distribution.list_devices()) == devices
    return read_history(Path(folder) / "history.csv")


def start(folder, embedding, *, local_devices, **variables):
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={local_devices}", **variables}
    environment |= {"KERAS_BACKEND": keras.backend.backend(), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # compiling takes longest
    command = [sys.executable, "-c", SCRIPT, str(folder), "2", embedding]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process, folder):
    try:
        output, _ = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 0, output
    return read_history(folder / "history.csv")


@pytest.fixture
def one(tmp_path, monkeypatch, eager):
    """A function of the embedding: what one device learns."""
    monkeypatch.setitem(PRESETS, "tiny", SETTINGS)
    return lambda embedding: train_tiny(tmp_path / "one" / embedding, embedding)


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras 3 trains on several devices with TensorFlow and JAX"
)
@pytest.mark.parametrize("embedding", ["residual", "modular"])
def test_two_devices_learn_what_one_learns(tmp_path, one, embedding):
    two, expected = finish(start(tmp_path, embedding, local_devices=2), tmp_path), one(embedding)
    tolerance = 0.02 if keras.backend.backend() == "tensorflow" else 1e-3  # gradients are clipped on each device
    for name in ("loss", "revealed_loss", "val_loss", "val_revealed_psnr"):
        np.testing.assert_allclose(two[name], expected[name], rtol=tolerance)


def two_machines(folders):
    """Starts two processes that train together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = []
    for index, folder in enumerate(folders):
        hosts = {"JOB_ADDRESSES": address, "NUM_PROCESSES": "2", "PROCESS_ID": str(index)}
        hosts = {f"KERAS_DISTRIBUTION_{name}": value for name, value in hosts.items()}
        processes.append(start(folder, "modular", local_devices=1, **hosts))
    return processes


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="Keras 3 trains on several machines with JAX only")
def test_two_machines_learn_what_one_learns(tmp_path, one):
    folders = [tmp_path / "first", tmp_path / "second"]
    processes = two_machines(folders)
    first, second = map(finish, processes, folders)
    expected = one("modular")
    for name in ("loss", "revealed_loss", "val_loss", "val_revealed_psnr"):
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_allclose(first[name], expected[name], rtol=1e-3)
    assert (folders[1] / "autoencoder.keras").exists()

    shutil.rmtree(folders[1] / "backup")
    for process in two_machines(folders):
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 1
        assert "The machines do not agree" in output


def test_several_machines_need_jax(monkeypatch):
    monkeypatch.setenv("KERAS_DISTRIBUTION_JOB_ADDRESSES", "127.0.0.1:1")
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax"):
        join_hosts()
