import csv

import numpy as np
import pytest

from stego_lib.plots import error_histogram, gallery, loss_history, read_history, trade_off


@pytest.fixture
def images(pairs):
    covers, secrets = pairs[0][:3], pairs[1][:3]
    noise = np.random.default_rng(0).integers(-3, 4, covers.shape)
    return covers, secrets, np.clip(covers + noise, 0, 255).astype(np.uint8), secrets // 2


def picture(axis):
    return np.asarray(axis.get_images()[0].get_array())


def test_gallery_shows_every_pair_with_its_residual_and_quality(images):
    covers, secrets, stego, revealed = images
    figure = gallery(*images, gain=10)
    axes = np.array(figure.axes).reshape(3, 5)
    for row in range(3):
        for column, shown in enumerate((covers, secrets, stego, revealed)):
            np.testing.assert_array_equal(picture(axes[row, column]), shown[row])
        residual = stego[row].astype(int) - covers[row]
        np.testing.assert_allclose(picture(axes[row, 4]), 127.5 + 10 * residual, atol=1)
    error = np.mean((stego[0].astype(float) - covers[0]) ** 2)
    assert f"{10 * np.log10(255**2 / error):.1f} dB" in axes[0, 2].get_title()


def test_gallery_takes_floats_too(images):
    figure = gallery(*(image / np.float32(255) for image in images))
    np.testing.assert_array_equal(picture(figure.axes[2]), images[2][0])


def test_error_histogram_counts_every_error_once(images):
    covers, _, stego, _ = images
    figure = error_histogram(*images)
    values, edges, _ = figure.axes[0].patches[0].get_data()
    assert figure.axes[0].get_yscale() == "log"
    assert values.sum() == pytest.approx(1)
    zero = np.argmin(np.abs((edges[:-1] + edges[1:]) / 2))
    assert values[zero] == pytest.approx(np.mean(stego[..., 0] == covers[..., 0]))


def test_identical_images_have_a_histogram_too(images):
    error_histogram(images[0], images[1], images[0], images[1]).canvas.draw()


def test_history_is_read_with_repeated_epochs_counted_once(tmp_path):
    path = tmp_path / "history.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["epoch", "val_loss"], [0, 3.0], [1, 2.5], [1, 2.0], [2, 1.0]])
    history = read_history(path)
    np.testing.assert_array_equal(history["epoch"], [0, 1, 2])
    np.testing.assert_array_equal(history["val_loss"], [3.0, 2.0, 1.0])


def test_loss_history_keeps_encoder_and_decoder_apart():
    history = {f"{part}{output}_loss": [3.0, 2.0] for part in ("", "val_") for output in ("stego", "revealed")}
    figure = loss_history(history | {"val_stego_psnr": [30.0, 40.0]})
    labels = [line.get_label() for line in figure.axes[0].get_lines()]
    assert labels == ["stego, training", "stego, validation", "revealed, training", "revealed, validation"]
    np.testing.assert_array_equal(figure.axes[1].get_lines()[0].get_ydata(), [30.0, 40.0])


def test_trade_off_draws_a_curve_for_every_family():
    qualities = {
        name: {"cover_psnr": np.array([cover, cover + 2]), "secret_psnr": np.array([30.0, 34.0])}
        for name, cover in {"LSB, 1 bit": 50.0, "LSB, 2 bits": 44.0, "hide, 1 bit": 51.0}.items()
    }
    axis = trade_off(qualities).axes[0]
    curves = {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines() if line.get_label()[0] != "_"}
    assert curves == {"LSB": [[51, 32], [45, 32]], "hide": [[52, 32]]}
    assert axis.get_xlabel() == "cover, PSNR in dB"
