import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from conftest import numpy

from stego_lib.channels import JPEG
from stego_lib.encoder_decoder import build_decoder, build_encoder
from stego_lib.models import (
    build_autoencoder,
    hide_images,
    load_autoencoder,
    multiply_accumulates,
    reveal_images,
)
from stego_lib.training import compile_autoencoder

pytestmark = pytest.mark.backend


EMBEDDINGS = ["modular", "residual", "robust"]


@pytest.fixture(scope="module", params=EMBEDDINGS)
def autoencoder(request):
    keras.utils.set_random_seed(0)
    return build_autoencoder(request.param, filters=12, num_blocks=1)


def predict(autoencoder, pairs, **changes):
    inputs = {"cover": pairs[0][:2] / np.float32(255), "secret": pairs[1][:2] / np.float32(255), **changes}
    return {name: numpy(output) for name, output in autoencoder(inputs).items()}


def test_outputs_are_images_of_the_input_size(autoencoder, pairs):
    outputs = predict(autoencoder, pairs)
    assert set(outputs) == {"stego", "revealed"}
    assert outputs["stego"].shape == outputs["revealed"].shape == (2, 64, 64, 3)


def test_stego_is_what_a_png_holds(autoencoder, pairs):
    stego = 255 * predict(autoencoder, pairs)["stego"]
    np.testing.assert_allclose(stego, np.rint(stego), atol=1e-3)
    assert stego.min() >= -1e-3
    assert stego.max() <= 255 + 1e-3


@pytest.mark.parametrize(("embedding", "multiple"), [("modular", 4), ("residual", 4), ("robust", 8)])
def test_any_multiple_of_four_or_eight_is_welcome(embedding, multiple):
    autoencoder = build_autoencoder(embedding, filters=12, num_blocks=1)
    for shape in ((1, multiple, multiple, 3), (1, 5 * multiple, 9 * multiple, 3)):
        images = np.random.default_rng(0).random(shape, dtype=np.float32)
        assert autoencoder({"cover": images, "secret": images})["revealed"].shape == shape


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (3, 30, 50, 3)])
def test_hide_and_reveal_work_on_any_size(autoencoder, shape):
    covers, secrets = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    stego = hide_images(autoencoder, covers, secrets, batch_size=2)
    revealed = reveal_images(autoencoder, stego)
    assert stego.dtype == revealed.dtype == np.uint8
    assert stego.shape == revealed.shape == shape


def test_odd_sizes_are_refused_by_the_network_itself(autoencoder):
    images = np.zeros((1, 31, 31, 3), "float32")
    with pytest.raises(ValueError, match="must be multiples"):
        autoencoder({"cover": images, "secret": images})


def test_the_decoder_sees_the_stego_image_alone(autoencoder, pairs):
    outputs = predict(autoencoder, pairs)
    revealed = autoencoder.get_layer("decoder")(outputs["stego"])
    np.testing.assert_allclose(numpy(revealed), outputs["revealed"], atol=1e-5)


def test_a_modular_network_reveals_before_the_first_training_step(pairs):
    autoencoder = build_autoencoder(period=8, filters=12, num_blocks=1)
    outputs = predict(autoencoder, pairs)
    error = np.clip(outputs["revealed"], 0, 1) - pairs[1][:2] / 255
    assert -10 * np.log10(np.mean(error**2)) > 38


def test_a_channel_is_between_the_stego_image_and_the_decoder(pairs, tmp_path):
    autoencoder = build_autoencoder("robust", filters=12, num_blocks=1, channel=JPEG(60))
    autoencoder.save(tmp_path / "autoencoder.keras")
    for model in (autoencoder, load_autoencoder(tmp_path / "autoencoder.keras")):
        outputs = predict(model, pairs)
        received = JPEG(60)(outputs["stego"])
        np.testing.assert_allclose(numpy(model.get_layer("decoder")(received)), outputs["revealed"], atol=1e-4)
        assert np.abs(numpy(received) - outputs["stego"]).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_every_weight_gets_a_gradient(embedding, pairs, eager):
    autoencoder = build_autoencoder(embedding, filters=12, num_blocks=1)
    compile_autoencoder(autoencoder)  # with an optimizer whose steps do not vanish with the gradients
    inputs = {name: part[:4, :32, :32] / np.float32(255) for name, part in zip(("cover", "secret"), pairs, strict=True)}
    before = [numpy(weight) for weight in autoencoder.trainable_weights]
    autoencoder.fit(inputs, {"stego": inputs["cover"], "revealed": inputs["secret"]}, epochs=2, verbose=0)
    unchanged = [
        weight.path
        for weight, old in zip(autoencoder.trainable_weights, before, strict=True)
        if np.array_equal(numpy(weight), old)
    ]
    assert unchanged == []


@pytest.mark.slow
def test_a_saved_model_loads_without_custom_objects(autoencoder, pairs, tmp_path):
    path = tmp_path / "autoencoder.keras"
    autoencoder.save(path)
    expected = predict(autoencoder, pairs)
    for load in (keras.saving.load_model, load_autoencoder):
        outputs = predict(load(path), pairs)
        np.testing.assert_allclose(outputs["stego"], expected["stego"], atol=1e-6)
        np.testing.assert_allclose(outputs["revealed"], expected["revealed"], atol=1e-5)


@pytest.mark.slow
def test_a_saved_model_loads_in_another_process(tmp_path):
    path = tmp_path / "autoencoder.keras"
    compile_autoencoder(build_autoencoder(filters=12, num_blocks=1)).save(path)
    script = f"import keras, stego_lib; print(keras.saving.load_model({str(path)!r}).name)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "autoencoder"


def test_config_survives_json(autoencoder):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(autoencoder)))
    assert keras.saving.deserialize_keras_object(config).count_params() == autoencoder.count_params()


def test_mixed_precision_keeps_image_outputs_in_float32():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    autoencoder = build_autoencoder(filters=12, num_blocks=1)
    images = np.random.default_rng(0).random((1, 16, 16, 3), dtype=np.float32)
    outputs = autoencoder({"cover": images, "secret": images})
    assert {keras.backend.standardize_dtype(output.dtype) for output in outputs.values()} == {"float32"}
    assert autoencoder.get_layer("encoder").get_layer("half_block_1_conv_1").compute_dtype == "bfloat16"


def test_multiply_accumulates_counts_positions_times_kernels():
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same")(image)
    x = keras.layers.Conv2D(5, 4, strides=2, padding="same")(x)
    assert multiply_accumulates(keras.Model(image, x), height=16, width=8) == 16 * 8 * 9 * 3 * 8 + 8 * 4 * 16 * 8 * 5


def test_the_default_model_keeps_within_its_budget():
    autoencoder = build_autoencoder()
    assert autoencoder.count_params() < 1.2e6
    assert multiply_accumulates(autoencoder) < 2e9


@pytest.mark.parametrize("build", [build_encoder, build_decoder, build_autoencoder])
def test_an_unknown_embedding_is_refused(build):
    with pytest.raises(ValueError, match="Received: embedding=magic"):
        build(embedding="magic")


def test_a_missing_model_is_said():
    with pytest.raises(FileNotFoundError, match="train one first"):
        load_autoencoder("none.keras")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "saved.keras"
    build_autoencoder(filters=8, num_blocks=1).save(path)
    return path


def flipped(content):
    return content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 0xFF]) + content[len(content) // 2 + 1 :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"not a model", "is not a trained autoencoder"),
        (lambda content: b"", "is not a trained autoencoder"),
        (lambda content: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run `git lfs pull`"),
        (lambda content: b"\x89HDF\r\n\x1a\n" + bytes(99), "save the model as a .keras file"),
        (lambda content: content[: len(content) // 2], "is damaged or cut short"),
        (flipped, "is damaged"),
    ],
)
def test_files_that_are_no_model_are_told_apart(saved, tmp_path, change, message):
    (tmp_path / "model.keras").write_bytes(change(saved.read_bytes()))
    with pytest.raises(ValueError, match=f"model.keras .*{message}"):
        load_autoencoder(tmp_path / "model.keras")


def rewritten(path, target, *, version, old, new):
    """The file as another version of Keras would have saved it, with something that this version does not know."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            content = source.read(name)
            if name == "metadata.json":
                content = json.dumps(json.loads(content) | {"keras_version": version}).encode()
            copy.writestr(name, content.replace(old, new) if name == "config.json" else content)
    return target


def test_a_model_of_another_keras_is_refused_with_both_versions_if_it_cannot_be_read(saved, tmp_path):
    readable = rewritten(saved, tmp_path / "readable.keras", version="9.8.7", old=b"", new=b"")
    assert load_autoencoder(readable).name == "autoencoder"
    unknown = {"old": b'"class_name": "Conv2D"', "new": b'"class_name": "Conv2D2"'}
    other = rewritten(saved, tmp_path / "other.keras", version="9.8.7", **unknown)
    with pytest.raises(ValueError, match=f"saved by Keras 9.8.7, and Keras {keras.__version__} cannot read it"):
        load_autoencoder(other)
    same = rewritten(saved, tmp_path / "same.keras", version=keras.__version__, **unknown)
    with pytest.raises(ValueError, match="is not a trained autoencoder"):
        load_autoencoder(same)


def test_another_model_of_keras_is_refused(tmp_path):
    image = keras.Input((None, None, 3))
    keras.Model(image, image * 2.0).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="but not a trained autoencoder"):
        load_autoencoder(tmp_path / "other.keras")


@pytest.mark.parametrize(("name", "value"), [("image_data_format", "channels_first"), ("floatx", "float16")])
def test_other_settings_of_keras_are_named_with_their_file(saved, name, value):
    before = getattr(keras.config, name)()
    set_value = getattr(keras.config, f"set_{name}")
    set_value(value)
    try:
        for build in (build_autoencoder, lambda: load_autoencoder(saved)):
            with pytest.raises(RuntimeError, match=f"Keras is set to {value}.* change {name} in keras.json"):
                build()
    finally:
        set_value(before)
