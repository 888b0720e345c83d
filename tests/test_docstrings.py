import doctest
import importlib

import keras
import numpy as np
import pytest
import skimage.data

import stego_lib

pytestmark = pytest.mark.backend
MODULES = [
    importlib.import_module(f"stego_lib.{name}")
    for name in (
        *("block_transform", "channels", "data", "layers", "losses", "metrics", "models", "optimizers"),
        *("codec.codec", "codec.networks", "codec.entropy", "hiding.seal", "hiding.stego", "codec.training"),
        *("encoder_decoder", "hiding.syndrome_trellis"),
    )
]
EXAMPLES = [
    test for module in MODULES for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples
]


@pytest.mark.parametrize("test", EXAMPLES, ids=lambda test: test.name)
def test_examples_run_and_give_what_they_say(test):
    names = {
        "keras": keras,
        "np": np,
        "skimage": skimage,
        **{name: getattr(stego_lib, name) for name in stego_lib.__all__},
    }
    names |= test.globs
    for example in test.examples:
        if example.want:
            result = np.asarray(eval(example.source, names))
            np.testing.assert_allclose(result, eval(example.want), atol=1e-4)
        else:
            exec(example.source, names)
