"""Losses for training images against images: MSE, SSIM, PSNR and colour histogram, alone and combined.

Every function takes images in [0, 1] of shape `(batch, height, width, channels)` and returns one value per image.
"""

import keras
from keras import ops

from stego_lib.metrics import mean_squared_error, ssim


@keras.saving.register_keras_serializable(package="stego_lib")
def ssim_loss(y_true, y_pred):
    """Computes `1 - ssim(y_true, y_pred)`.

    Args:
        y_true: Images in [0, 1], `(batch, height, width, channels)`, at least 11 pixels high and wide.
        y_pred: Images in [0, 1], same shape.

    Returns:
        Tensor of shape `(batch,)`, at least 0, lower is better.

    Example:

    >>> ssim_loss(np.ones((1, 16, 16, 3)), np.ones((1, 16, 16, 3)))
    [0.0]

    Reference:
        [Zhao et al., 2015](https://arxiv.org/abs/1511.08861)
    """
    return 1.0 - ssim(y_true, y_pred)


@keras.saving.register_keras_serializable(package="stego_lib")
def psnr_loss(y_true, y_pred):
    """Computes the negative PSNR in bel, the logarithm of the mean squared error: `log10(mse + 1e-8)`.

    Its gradient does not fade as images get better, and every image counts alike, easy or hard. The constant caps it
    at 80 dB, so that equal images have a finite loss.

    Args:
        y_true: Images in [0, 1], `(batch, height, width, channels)`.
        y_pred: Images in [0, 1], same shape.

    Returns:
        Tensor of shape `(batch,)`; -4.0 is 40 dB, lower is better.

    Example:

    >>> psnr_loss(np.zeros((1, 8, 8, 3)), np.full((1, 8, 8, 3), 0.1))
    [-2.0]
    """
    return ops.log10(mean_squared_error(y_true, y_pred) + 1e-8)


@keras.saving.register_keras_serializable(package="stego_lib")
def histogram_loss(y_true, y_pred, *, bins=16):
    """Computes how far the colour histograms of two images are apart: the Wasserstein distance of each channel.

    A pixel value counts for its two neighbouring bins in proportion to its nearness (triangular windows), so that the
    histogram has a gradient. The distance is the mean absolute difference of the cumulated histograms: how far values
    have to be shifted on average to turn one histogram into the other.

    Args:
        y_true: Images in [0, 1], `(batch, height, width, channels)`.
        y_pred: Images in [0, 1], same shape; values outside count as 0 or 1.
        bins: Integer, at least 2, bins over [0, 1]. Defaults to `16`.

    Returns:
        Tensor of shape `(batch,)` in units of the images, mean over the channels; at least 0, lower is better.

    Raises:
        ValueError: If there are fewer than two bins.

    Example:

    >>> histogram_loss(np.zeros((1, 8, 8, 3)), np.full((1, 8, 8, 3), 0.25))
    [0.25]

    Reference:
        [Avi-Aharon et al., 2020](https://arxiv.org/abs/2004.12219)
    """
    if bins < 2:
        raise ValueError(f"`bins` must be at least 2. Received: bins={bins}")
    difference = _cumulated_histogram(y_true, bins) - _cumulated_histogram(y_pred, bins)
    return ops.mean(ops.abs(difference), axis=(1, 2))


def _cumulated_histogram(images, bins):
    """The share of each channel's pixels at or below each bin but the last: `(batch, channels, bins - 1)`."""
    images = ops.convert_to_tensor(images, "float32")
    centres = ops.arange(bins - 1, dtype="float32")
    return ops.mean(ops.clip(centres + 1.0 - images[..., None] * (bins - 1), 0.0, 1.0), axis=(1, 2))


@keras.saving.register_keras_serializable(package="stego_lib")
class CombinedLoss(keras.losses.Loss):
    """A weighted sum of MSE, SSIM, PSNR and histogram losses.

    `mse_weight * mse + ssim_weight * ssim_loss + psnr_weight * psnr_loss + histogram_weight * histogram_loss`

    The default weights give the four gradients sizes of the same order between 30 and 40 dB.

    Args:
        mse_weight: Weight of the mean squared error. Defaults to `1000.0`.
        ssim_weight: Weight of `ssim_loss`. Defaults to `10.0`.
        psnr_weight: Weight of `psnr_loss`. Defaults to `1.0`.
        histogram_weight: Weight of `histogram_loss`. Defaults to `10.0`.
        reduction: How the values of a batch are reduced. Defaults to `"sum_over_batch_size"`.
        name: Name of the loss. Defaults to `"combined_loss"`.

    Returns:
        Scalar, lower is better; negative for good images, since PSNR counts as `-PSNR / 10`.

    Example:

    >>> loss = CombinedLoss(mse_weight=0, ssim_weight=0, histogram_weight=0)
    >>> loss(np.zeros((1, 16, 16, 3)), np.full((1, 16, 16, 3), 0.1))
    -2.0
    """

    def __init__(
        self,
        mse_weight=1000.0,
        ssim_weight=10.0,
        psnr_weight=1.0,
        histogram_weight=10.0,
        reduction="sum_over_batch_size",
        name="combined_loss",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.mse_weight = mse_weight
        self.ssim_weight = ssim_weight
        self.psnr_weight = psnr_weight
        self.histogram_weight = histogram_weight

    def call(self, y_true, y_pred):
        terms = (
            (self.mse_weight, mean_squared_error),
            (self.ssim_weight, ssim_loss),
            (self.psnr_weight, psnr_loss),
            (self.histogram_weight, histogram_loss),
        )
        return sum(weight * term(y_true, y_pred) for weight, term in terms if weight)

    def get_config(self):
        return {
            **super().get_config(),
            "mse_weight": self.mse_weight,
            "ssim_weight": self.ssim_weight,
            "psnr_weight": self.psnr_weight,
            "histogram_weight": self.histogram_weight,
        }


def full_loss(cover, stego, secret, revealed, *, cover_weight=0.1, secret_weight=1.0, loss=None):
    """Computes the loss of both outputs, which `compile` with a loss and a weight per output minimizes.

    `cover_weight * loss(cover, stego) + secret_weight * loss(secret, revealed)`

    Args:
        cover: Images in [0, 1], `(batch, height, width, channels)`.
        stego: Images in [0, 1], same shape.
        secret: Images in [0, 1], same shape.
        revealed: Images, same shape.
        cover_weight: Weight of the stego image. Defaults to `0.1`.
        secret_weight: Weight of the revealed image. Defaults to `1.0`.
        loss: A `CombinedLoss`. Defaults to `None`, one with the default weights.

    Returns:
        Tensor of shape `(batch,)`, lower is better.
    """
    loss = loss or CombinedLoss()
    return cover_weight * loss.call(cover, stego) + secret_weight * loss.call(secret, revealed)
