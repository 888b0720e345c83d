"""Training on two devices: virtual ones, on the CPU, in processes of their own."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from stego_lib.plots import read_history

SCRIPT = """
import os, sys
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[2]))
import keras
from stego_lib.data import load_pairs
from stego_lib.training import PRESETS, train

assert len(keras.distribution.list_devices()) == int(sys.argv[2])
settings = {"filters": 8, "num_blocks": 1, "epochs": 2, "steps_per_epoch": 4, "batch_size": 16, "crop_size": 32}
PRESETS["tiny"] = settings
covers, secrets = load_pairs("bundled", "validation")
end = 41 + int(sys.argv[2])  # 26 pairs for one device, 27 for two, which leave out the last
pairs, validation = (covers[:16], secrets[:16]), (covers[16:end], secrets[16:end])
train(sys.argv[1], pairs, validation, "tiny", "residual", all_devices=True)
"""


def trained(folder, devices):
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    environment["KERAS_BACKEND"] = keras.backend.backend()
    command = [sys.executable, "-c", SCRIPT, str(folder), str(devices)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    return read_history(folder / "history.csv")


@pytest.mark.slow
@pytest.mark.backend
def test_two_devices_learn_what_one_learns(tmp_path):
    one, two = (trained(tmp_path / str(devices), devices) for devices in (1, 2))
    tolerance = 0.02 if keras.backend.backend() == "tensorflow" else 1e-3  # gradients are clipped on each device
    for name in ("loss", "revealed_loss", "val_loss", "val_revealed_psnr"):
        np.testing.assert_allclose(two[name], one[name], rtol=tolerance)
