"""Several devices at once, by the means that the backends have."""

import contextlib

import keras


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
    devices = keras.distribution.list_devices()
    if len(devices) == 1:
        return contextlib.nullcontext()
    if batch_size % len(devices):
        raise ValueError(f"Batches of {batch_size} cannot be shared among {len(devices)} devices.")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.MirroredStrategy(devices).scope()
    return keras.distribution.DataParallel(devices=devices).scope()
