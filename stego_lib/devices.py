"""What depends on the backend and on the devices: XLA, and several devices at once."""

import contextlib
import os
import zlib

import keras


def check_keras():
    """Makes sure that Keras is set to the data format and the float type that the networks have.

    Raises:
        RuntimeError: If the user's `keras.json` or a program has set something else.
    """
    needed = {"image_data_format": "channels_last", "floatx": "float32"}
    for name, value in needed.items():
        if (actual := getattr(keras.config, name)()) != value:
            raise RuntimeError(
                f"Keras is set to {actual}, and stego_lib needs {value}: change {name} in keras.json, in the folder "
                f"~/.keras or KERAS_HOME, or call keras.config.set_{name}('{value}') first."
            )


def list_devices():
    """Lists the devices of the kind that computes, on any backend.

    Returns:
        List of strings such as `"gpu:0"` or `"cpu:0"`.
    """
    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()
    import torch  # for which Keras has no list

    return [f"gpu:{number}" for number in range(torch.cuda.device_count())] or ["cpu:0"]


def jit_compile():
    """Decides about XLA: under TensorFlow it makes convolutions on a CPU slower, and JAX cannot do without it.

    Returns:
        The argument `jit_compile` for `compile`.
    """
    if keras.backend.backend() != "tensorflow":
        return "auto"
    return False if list_devices()[0].startswith("cpu") else "auto"


def join_hosts():
    """Joins the processes on several machines that train together, before anything is computed.

    They are those that the environment variables of `keras.distribution.initialize` name; without them nothing happens.

    Raises:
        ValueError: If the backend is not JAX. Keras 3 does not work with TensorFlow's `MultiWorkerMirroredStrategy`.
    """
    if "KERAS_DISTRIBUTION_JOB_ADDRESSES" not in os.environ:
        return
    if keras.backend.backend() != "jax":
        raise ValueError("Training on several machines works with JAX only: set KERAS_BACKEND=jax.")
    import jax

    if not jax.distributed.is_initialized():
        keras.distribution.initialize()


def check_agreement(settings):
    """Checks that all machines that train together have the same settings, in place of a hang or a crash later.

    Args:
        settings: Anything with a `repr`.

    Raises:
        ValueError: If they differ.
    """
    if not _on_several_machines():
        return
    import numpy as np
    from jax.experimental import multihost_utils

    codes = multihost_utils.process_allgather(np.uint32(zlib.crc32(repr(settings).encode())))
    if len(set(codes.ravel().tolist())) > 1:
        raise ValueError(
            "The machines do not agree: photographs, settings and the epochs that are done have to be the same on all "
            "of them. Copy the output folder of one to the others, or take `restart=True` on all."
        )


def _on_several_machines():
    """Whether this is within `data_parallel`, of several processes."""
    if keras.backend.backend() != "jax" or keras.distribution.distribution() is None:
        return False
    import jax

    return jax.process_count() > 1


def data_parallel(batch_size):
    """Makes a context in which a model is built, compiled and fitted, so that all devices share every batch.

    TensorFlow's `MirroredStrategy` or Keras's `DataParallel` on JAX; nothing where there is one device. Under
    TensorFlow gradients are clipped on each device before they are summed, so that numbers differ a little from those
    of one device.

    Args:
        batch_size: Of all devices together.

    Returns:
        Context manager.

    Raises:
        ValueError: If the batches cannot be shared out evenly.
    """
    devices = list_devices()
    if len(devices) < 2 or keras.backend.backend() == "torch":  # for which Keras shares nothing
        return contextlib.nullcontext()
    if batch_size % len(devices):
        raise ValueError(f"Batches of {batch_size} cannot be shared among {len(devices)} devices.")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.MirroredStrategy(devices).scope()
    return keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope()


class LocalShare(keras.utils.PyDataset):
    """Takes of every batch the part that belongs to this of several processes.

    Args:
        batches: A `PyDataset` of tuples of dictionaries, the same in all processes.
        index: Of this process.
        count: Of all processes.
    """

    def __init__(self, batches, *, index, count):
        super().__init__()
        self.batches, self.index, self.count = batches, index, count

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return tuple({name: self._part(images) for name, images in tensors.items()} for tensors in self.batches[index])

    def _part(self, images):
        size = len(images) // self.count
        return images[self.index * size : (self.index + 1) * size]


def local_share(batches):
    """Wraps batches in `LocalShare` where processes on several machines train together; the same anywhere else."""
    if not _on_several_machines():
        return batches
    import jax

    return LocalShare(batches, index=jax.process_index(), count=jax.process_count())
