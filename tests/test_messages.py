import itertools

import keras
import numpy as np
import pytest
from conftest import check_layer, gradient, numpy

from stego_lib.block_code import CLASSES, DEPTH, design_code, learn_code
from stego_lib.layers import ModularEmbedding, Phase
from stego_lib.messages import MessageToSecret, SecretToMessage
from stego_lib.metrics import psnr

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def secrets(pairs):
    return pairs[1] / np.float32(255)


def test_secret_to_message_is_a_good_layer(secrets, tmp_path):
    check_layer(SecretToMessage(8), secrets[:2, :16, :24], output_shape=(2, 16, 24, 3), tmp_path=tmp_path)


def test_message_to_secret_is_a_good_layer(secrets, tmp_path):
    layer = MessageToSecret(8)
    phase = numpy(SecretToMessage(8)(secrets[:2, :16, :24]))
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layer(inputs))
    assert [output.shape for output in model.outputs] == [(None, None, None, 3)] + 2 * [(None, None, None, 48)]
    assert layer.compute_output_shape(phase.shape) == ((2, 16, 24, 3), (2, 4, 6, 48), (2, 4, 6, 48))
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras")
    for output, expected in zip(loaded(phase), layer(phase), strict=True):
        np.testing.assert_allclose(numpy(output), numpy(expected), atol=1e-6)


@pytest.mark.parametrize("period", [2, 4, 8, 16, 6, 10])
def test_what_is_embedded_in_any_cover_is_what_comes_out(pairs, secrets, period):
    message = SecretToMessage(period)(secrets[:2])
    stego = ModularEmbedding(period)(pairs[0][:2] / np.float32(255), message)
    for found, sent in zip(
        MessageToSecret(period)(Phase(period)(stego)), MessageToSecret(period)(message), strict=True
    ):
        np.testing.assert_allclose(numpy(found), numpy(sent), atol=1e-5)


@pytest.mark.parametrize(("period", "expected"), [(2, 27), (4, 34), (8, 40), (16, 45)])
def test_secrets_come_back_well_before_any_training(secrets, period, expected):
    revealed, _, _ = MessageToSecret(period)(SecretToMessage(period)(secrets))
    assert numpy(psnr(secrets, keras.ops.clip(revealed, 0, 1))).mean() > expected


def test_black_and_white_come_back_and_noise_can_be_recognized():
    images = np.stack([np.zeros((8, 8, 3)), np.ones((8, 8, 3)), np.random.default_rng(0).random((8, 8, 3))])
    revealed, _, _ = MessageToSecret(8)(SecretToMessage(8)(images.astype("float32")))
    assert (numpy(psnr(images.astype("float32"), revealed)) > (50, 50, 12)).all()


@pytest.mark.parametrize("bits_per_sample", [1, 2, 3, 4])
def test_every_class_fills_the_digits_of_a_block(bits_per_sample):
    code = design_code(bits_per_sample)
    assert set(code.bits.sum(1)) == {DEPTH * bits_per_sample - 5}
    np.testing.assert_allclose(code.bases.swapaxes(1, 2) @ code.bases, np.tile(np.eye(48), (CLASSES, 1, 1)), atol=1e-5)


def test_digits_are_those_of_the_best_class_written_bit_by_bit(secrets):
    message = numpy(SecretToMessage(8)(secrets[:1, :8, :8]))
    code = design_code(3)
    for top, left in itertools.product((0, 4), (0, 4)):
        pixels = 255 * secrets[0, top : top + 4, left : left + 4].reshape(48) - 127.5
        candidates = []
        for kind in range(CLASSES):
            latents = pixels @ code.bases[kind]
            scale, reach, number = code.scales[kind], code.reaches[kind], 2.0 ** code.bits[kind]
            companded = np.sign(latents) * np.log1p(np.abs(latents) / scale) / reach
            levels = np.clip(np.rint((companded + 1) / 2 * number - 0.5), 0, number - 1)
            companded = (2 * levels + 1) / number - 1
            quantized = np.sign(companded) * scale * np.expm1(np.abs(companded) * reach)
            candidates.append((((quantized - latents) ** 2).sum(), kind, levels.astype(int)))
        _, kind, levels = min(candidates)
        bits = f"{kind:05b}"[::-1] + "".join(
            f"{level:0{int(count)}b}"[::-1] for level, count in zip(levels, code.bits[kind], strict=True) if count
        )
        digits = [int(bits[i : i + 3][::-1], 2) for i in range(0, 144, 3)]
        np.testing.assert_allclose(
            message[0, top : top + 4, left : left + 4].ravel(), (np.array(digits) + 0.5) / 8 - 0.5
        )


def test_gradients_pass_through_fine_quantizers_and_digits_as_if_they_were_not_there(secrets):
    to_message, to_secret = SecretToMessage(8), MessageToSecret(8)
    slope = gradient(lambda x: keras.ops.sum(to_secret(to_message(x))[0]), secrets[:2])
    np.testing.assert_allclose(slope, 1, atol=0.1)


@pytest.mark.slow
def test_a_code_that_was_learned_is_better_and_saved_with_the_layer(pairs, secrets, tmp_path):
    code = learn_code(np.concatenate(pairs), 3, iterations=1)
    to_message, to_secret = SecretToMessage(8), MessageToSecret(8)
    before = numpy(psnr(secrets, to_secret(to_message(secrets))[0])).mean()
    to_message.set_code(code)
    to_secret.set_code(code)
    after = numpy(psnr(secrets, to_secret(to_message(secrets))[0]))
    assert after.mean() > before + 0.3
    inputs = keras.Input((None, None, 3))
    keras.Model(inputs, to_secret(to_message(inputs))[0]).save(tmp_path / "code.keras")
    loaded = keras.saving.load_model(tmp_path / "code.keras")
    np.testing.assert_allclose(numpy(psnr(secrets, loaded(secrets))), after, atol=1e-3)


def test_a_code_for_another_period_is_refused():
    layer = SecretToMessage(8)
    layer.build((1, 8, 8, 3))
    with pytest.raises(ValueError, match="must have 139 bits in every class"):
        layer.set_code(design_code(4))


def test_odd_periods_are_refused():
    for layer in (SecretToMessage, MessageToSecret):
        with pytest.raises(ValueError, match="must be even"):
            layer(period=7)
