import keras
import numpy as np
import pytest
from conftest import numpy

from stego_lib.optimizers import ConvMuon

pytestmark = pytest.mark.backend


def numpy_muon(kernel, gradients, learning_rate, momentum=0.95, steps=5, rms_rate=0.2):
    """Muon after the paper, on the matrix of a kernel."""
    shape, kernel = kernel.shape, kernel.reshape(-1, kernel.shape[-1]).astype(float)
    average = np.zeros_like(kernel)
    for gradient in gradients:
        gradient = gradient.reshape(kernel.shape)
        average = momentum * average + gradient
        update = gradient + momentum * average
        tall = update.shape[0] > update.shape[1]
        x = update.T if tall else update
        x = x / np.linalg.norm(x)
        for _ in range(steps):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        update = x.T if tall else x
        kernel = kernel - learning_rate * rms_rate * np.sqrt(max(kernel.shape)) * update
    return kernel.reshape(shape)


def test_kernels_follow_muon():
    rng = np.random.default_rng(0)
    kernel, gradients = rng.normal(size=(3, 3, 4, 8)), rng.normal(size=(3, 3, 3, 4, 8)) * 0.01
    variable = keras.Variable(kernel.astype("float32"))
    optimizer = ConvMuon(0.1)
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")])
    expected = numpy_muon(kernel, gradients, 0.1)
    np.testing.assert_allclose(numpy(variable), expected, atol=2e-3)


@pytest.mark.parametrize(("shape", "name"), [((8,), "bias"), ((3, 3, 4, 8), "correction_kernel")])
def test_biases_and_the_last_layer_follow_adam(shape, name):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=shape).astype("float32"), rng.normal(size=(3, *shape)).astype("float32")
    values = []
    for optimizer in (ConvMuon(0.1), keras.optimizers.Adam(0.1, global_clipnorm=1.0)):
        variable = keras.Variable(start, name=name)
        optimizer.build([variable])
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient)])
        values.append(numpy(variable))
    np.testing.assert_allclose(*values, atol=1e-5)


def test_it_survives_its_config():
    optimizer = ConvMuon(3e-3, exclude_layers=("last",), momentum=0.9)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert copy.get_config() == optimizer.get_config()


def test_nothing_private_of_keras_is_replaced():
    inherited = {name for base in ConvMuon.__mro__[1:] for name in vars(base)}
    own = {name for name in vars(ConvMuon) if name.startswith("_") and not name.endswith("__")}
    assert own & inherited == set()
