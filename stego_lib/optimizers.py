"""The optimizer of the convolutional networks: Muon for kernels, Adam for the rest."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="stego_lib")
class ConvMuon(keras.optimizers.Muon):
    """Muon for the kernels of convolutions, each taken as a matrix of `height * width * inputs` rows.

    `keras.optimizers.Muon` treats 2-D variables only and leaves kernels of convolutions to Adam. Orthogonalized updates
    serve them as well: docs/experiments.md shows how much faster the autoencoder learns. Biases, and layers named in
    `exclude_layers` (the last one should be), are left to Adam.

    Args:
        learning_rate: Number or schedule. Defaults to `2e-3`.
        exclude_layers: Parts of the paths of variables that are left to Adam. Defaults to `("correction",)`, the
            last layer of encoder and decoder.
        weight_decay: Decoupled weight decay of kernels. Defaults to `0.0`.
        adam_weight_decay: Decoupled weight decay of the rest. Defaults to `0.0`.
        global_clipnorm: Largest norm of all gradients together. Defaults to `1.0`.
        **kwargs: Other arguments of `keras.optimizers.Muon`.

    Example:

    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    >>> model.compile(ConvMuon(2e-3), loss="mse")

    Reference:
        [Jordan et al., 2024](https://kellerjordan.github.io/posts/muon/),
        [Liu et al., 2025](https://arxiv.org/abs/2502.16982)
    """

    def __init__(
        self,
        learning_rate=2e-3,
        exclude_layers=("correction",),
        weight_decay=0.0,
        adam_weight_decay=0.0,
        global_clipnorm=1.0,
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            exclude_layers=list(exclude_layers),
            weight_decay=weight_decay,
            adam_weight_decay=adam_weight_decay,
            global_clipnorm=global_clipnorm,
            **kwargs,
        )

    def _should_use_adamw(self, variable):
        excluded = any(pattern in variable.path for pattern in self.exclude_layers)
        return len(variable.shape) != 4 or excluded

    def _muon_update_step(self, gradient, variable, lr, m):
        self.assign_add(m, gradient + m * (self.momentum - 1))
        update = gradient + self.momentum * m if self.nesterov else m
        update = self.zeropower_via_newtonschulz5(ops.reshape(update, (-1, update.shape[-1])), self.ns_steps)
        self.assign_sub(variable, ops.reshape(self.lr_adjust(lr * update), variable.shape))
