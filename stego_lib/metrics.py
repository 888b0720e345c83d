"""Image quality: one value per image, so that batches of any size average to the same number.

`psnr` and `ssim` can be given to `compile(metrics=...)` as they are. uint8 images are taken as 255ths.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="stego_lib")
def psnr(y_true, y_pred):
    """Computes the peak signal-to-noise ratio of every image, over all its pixels and channels.

    `10 log10(1 / mean((y_true - y_pred)**2))`.

    Args:
        y_true: Images in [0, 1], `(batch, height, width, channels)`.
        y_pred: Images in [0, 1], same shape.

    Returns:
        Tensor of shape `(batch,)` in dB, higher is better; infinite for equal images.

    Example:

    >>> psnr(np.zeros((1, 8, 8, 3)), np.full((1, 8, 8, 3), 0.1))
    [20.0]
    """
    return -10.0 * ops.log10(mean_squared_error(y_true, y_pred))


@keras.saving.register_keras_serializable(package="stego_lib")
def ssim(y_true, y_pred):
    """Computes the structural similarity of every image with a Gaussian window (11 pixels, sigma 1.5).

    Args:
        y_true: Images in [0, 1], `(batch, height, width, channels)`, at least 11 pixels high and wide.
        y_pred: Images in [0, 1], same shape.

    Returns:
        Tensor of shape `(batch,)`, at most 1, higher is better.

    Raises:
        ValueError: If the images are smaller than the window.

    Example:

    >>> ssim(np.ones((1, 16, 16, 3)), np.ones((1, 16, 16, 3)))
    [1.0]

    Reference:
        [Wang et al., 2004](https://doi.org/10.1109/TIP.2003.819861)
    """
    y_true, y_pred = _as_float(y_true), _as_float(y_pred)
    if any(size is not None and size < 11 for size in y_true.shape[1:3]):
        raise ValueError(f"SSIM needs images of at least 11x11 pixels. Received: shape={tuple(y_true.shape)}")
    return ops.image.ssim(y_true, y_pred, max_val=1.0, data_format="channels_last")


def mean_squared_error(y_true, y_pred):
    """Computes the mean squared error of every image.

    Args:
        y_true: Images, `(batch, height, width, channels)`.
        y_pred: Images, same shape.

    Returns:
        Tensor of shape `(batch,)`, in squared units of the images, lower is better.
    """
    y_true, y_pred = _as_float(y_true), _as_float(y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=(1, 2, 3))


def _as_float(images):
    images = ops.convert_to_tensor(images)
    scale = 1 / 255 if keras.backend.standardize_dtype(images.dtype) == "uint8" else 1
    return ops.cast(images, "float32") * scale
