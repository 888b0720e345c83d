import doctest
import importlib

import keras
import numpy as np
import pytest
import skimage.data

import stego_lib

KERAS = [
    *("block_transform", "channels", "layers", "encoder_decoder", "losses", "metrics", "models", "optimizers"),
    *("codec.codec", "codec.networks", "codec.training"),
]
OTHERS = ["data", "codec.entropy", "hiding.seal", "hiding.stego", "hiding.syndrome_trellis"]
SLOW = ("stego_lib.codec.codec.load_codec", "stego_lib.hiding.stego.hide", "stego_lib.models.load_pretrained")


def examples(names):
    for name in names:
        tests = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(f"stego_lib.{name}"))
        for test in filter(lambda test: test.examples, tests):
            marks = [pytest.mark.backend] * (names is KERAS) + [pytest.mark.slow] * (test.name in SLOW)
            yield pytest.param(test, marks=marks, id=test.name)


@pytest.mark.parametrize("test", [*examples(KERAS), *examples(OTHERS)])
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
