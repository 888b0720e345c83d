"""The optimizer of the convolutional networks: Muon for kernels, Adam for the rest."""

import keras
from keras import ops

RMS = 0.2  # of an update, about that of Adam: both kinds of variables take the same learning rate
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the Newton-Schulz iteration, chosen to be steep at zero
ITERATIONS = 5


@keras.saving.register_keras_serializable(package="stego_lib")
class ConvMuon(keras.optimizers.Adam):
    """Muon for the kernels of convolutions, each taken as a matrix of `height * width * inputs` rows.

    `keras.optimizers.Muon` treats 2-D variables only and leaves kernels of convolutions to Adam. Orthogonalized updates
    serve them as well: docs/experiments.md shows how much faster the autoencoder learns. Biases, and layers named in
    `exclude_layers` (the last one should be), are left to Adam.

    Args:
        learning_rate: Number or schedule. Defaults to `2e-3`.
        exclude_layers: Parts of the paths of variables that are left to Adam. Defaults to `("correction",)`, the
            last layer of encoder and decoder.
        momentum: How much of the average of earlier gradients is kept, in [0, 1). Defaults to `0.95`.
        global_clipnorm: Largest norm of all gradients together. Defaults to `1.0`.
        **kwargs: Other arguments of `keras.optimizers.Adam`.

    Example:

    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    >>> model.compile(ConvMuon(2e-3), loss="mse")

    Reference:
        [Jordan et al., 2024](https://kellerjordan.github.io/posts/muon/),
        [Liu et al., 2025](https://arxiv.org/abs/2502.16982)
    """

    def __init__(
        self, learning_rate=2e-3, exclude_layers=("correction",), *, momentum=0.95, global_clipnorm=1.0, **kwargs
    ):
        super().__init__(learning_rate, global_clipnorm=global_clipnorm, **kwargs)
        self.exclude_layers, self.momentum = tuple(exclude_layers), momentum

    def build(self, variables):
        """Makes the variables of the optimizer.

        Args:
            variables: List of the variables to be trained.
        """
        if self.built:
            return
        super().build(variables)
        self.kernel_momentums = [
            self.add_variable_from_reference(variable, "kernel_momentum") if self._is_kernel(variable) else None
            for variable in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable.

        Args:
            gradient: Tensor of its shape.
            variable: Variable that the optimizer was built with.
            learning_rate: Scalar tensor.
        """
        momentum = self.kernel_momentums[self._get_variable_index(variable)]
        if momentum is None:
            super().update_step(gradient, variable, learning_rate)
            return
        self.assign(momentum, self.momentum * momentum + gradient)
        update = ops.reshape(gradient + self.momentum * momentum, (-1, variable.shape[-1]))
        scale = RMS * max(update.shape) ** 0.5
        update = ops.reshape(orthogonalized(update), variable.shape)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * scale * update)

    def _is_kernel(self, variable):
        return len(variable.shape) == 4 and not any(name in variable.path for name in self.exclude_layers)

    def get_config(self):
        """Returns what makes an equal optimizer.

        Returns:
            Dictionary.
        """
        return {**super().get_config(), "exclude_layers": self.exclude_layers, "momentum": self.momentum}


def orthogonalized(matrix):
    """Moves all singular values of a matrix near 1 by the Newton-Schulz iteration, a polynomial of degree 5.

    Args:
        matrix: Tensor of shape `(rows, columns)`.

    Returns:
        Tensor of the same shape, with the same singular vectors.
    """
    a, b, c = COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = ops.transpose(matrix) if is_tall else matrix
    x = x / (ops.norm(x) + 1e-7)  # no singular value is larger than 1
    for _ in range(ITERATIONS):
        square = x @ ops.transpose(x)
        x = a * x + (b * square + c * square @ square) @ x
    return ops.transpose(x) if is_tall else x
