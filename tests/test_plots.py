import csv

import numpy as np
import pytest

from stego_lib.plots import (
    compare_results,
    error_histogram,
    gallery,
    image_grid,
    loss_history,
    read_history,
    trade_off,
)


@pytest.fixture
def images(pairs):
    """Names of three covers, secrets, stego and revealed images, as the functions call them."""
    covers, secrets = pairs[0][:3], pairs[1][:3]
    noise = np.random.default_rng(0).integers(-3, 4, covers.shape)
    stego = np.clip(covers + noise, 0, 255).astype(np.uint8)
    return {"covers": covers, "secrets": secrets, "stego": stego, "revealed": secrets // 2}


def picture(axis):
    return np.asarray(axis.get_images()[0].get_array())


def test_gallery_shows_every_pair_with_both_errors_and_quality(images):
    axes = np.array(gallery(**images, gain=10).axes).reshape(3, 6)
    covers, secrets, stego, revealed = images.values()
    for row in range(3):
        for column, shown in enumerate(images.values()):
            np.testing.assert_array_equal(picture(axes[row, column]), shown[row])
        residual = stego[row].astype(int) - covers[row]
        np.testing.assert_allclose(picture(axes[row, 4]), 127.5 + 10 * residual, atol=1)
        error = np.abs(revealed[row].astype(int) - secrets[row])
        np.testing.assert_allclose(picture(axes[row, 5]), np.minimum(10 * error, 255), atol=1)
    error = np.mean((stego[0].astype(float) - covers[0]) ** 2)
    assert f"{10 * np.log10(255**2 / error):.1f} dB, SSIM 0." in axes[0, 2].get_title()


def test_gallery_takes_floats_and_secrets_of_another_size_too(images):
    small = {name: array[:, :32, :48] for name, array in images.items() if name in ("secrets", "revealed")}
    figure = gallery(**{name: array / np.float32(255) for name, array in (images | small).items()})
    np.testing.assert_array_equal(picture(figure.axes[2]), images["stego"][0])
    np.testing.assert_array_equal(picture(figure.axes[3]), images["revealed"][0, :32, :48])


def test_equal_images_are_called_equal(images):
    figure = gallery(**images | {"stego": images["covers"]})
    assert figure.axes[2].get_title() == "stego\nequal"


def test_results_are_compared_below_one_cover_and_one_secret(images):
    cover, secret, stego, revealed = (array[0] for array in images.values())
    axes = np.array(compare_results(cover, secret, {"1 bit": (stego, revealed), "none": (cover, secret)}).axes)
    axes = axes.reshape(3, 4)
    titles = [[axis.get_title().split("\n")[0] for axis in row] for row in axes]
    assert titles[0] == ["cover", "secret", "", ""]
    assert titles[1] == titles[2] == ["stego", "revealed", "residual x10", "error x10"]
    assert [row[0].get_ylabel() for row in axes] == ["", "1 bit", "none"]
    np.testing.assert_array_equal(picture(axes[1, 1]), revealed)
    np.testing.assert_array_equal(picture(axes[2, 0]), cover)


def test_a_grid_has_labels_and_gaps(images):
    axes = image_grid([*images["covers"], None, images["covers"][0]], 3, row_labels=("above", "below")).axes
    assert [len(axis.get_images()) for axis in axes] == [1, 1, 1, 0, 1, 0]
    assert [axis.get_ylabel() for axis in axes] == ["above", "", "", "below", "", ""]


def test_error_histogram_counts_every_error_once(images):
    figure = error_histogram(**images)
    values, edges, _ = figure.axes[0].patches[0].get_data()
    assert figure.axes[0].get_yscale() == "log"
    assert values.sum() == pytest.approx(1)
    zero = np.argmin(np.abs((edges[:-1] + edges[1:]) / 2))
    assert values[zero] == pytest.approx(np.mean(images["stego"][..., 0] == images["covers"][..., 0]))


def test_legends_cover_no_curve(images):
    history = {f"{prefix}{output}_loss": [3.0, 2.0] for prefix in ("", "val_") for output in ("stego", "revealed")}
    for figure in (error_histogram(**images), loss_history(history)):
        figure.canvas.draw()
        legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes if axis.get_legend())]
        assert legends
        assert not any(
            legend.get_window_extent().overlaps(axis.get_window_extent()) for legend in legends for axis in figure.axes
        )


def test_identical_images_have_a_histogram_too(images):
    images = images | {"stego": images["covers"], "revealed": images["secrets"]}
    error_histogram(**images).canvas.draw()


def test_history_is_read_with_repeated_epochs_counted_once(tmp_path):
    path = tmp_path / "history.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["epoch", "val_loss"], [0, 3.0], [1, 2.5], [1, 2.0], [2, 1.0]])
    history = read_history(path)
    np.testing.assert_array_equal(history["epoch"], [0, 1, 2])
    np.testing.assert_array_equal(history["val_loss"], [3.0, 2.0, 1.0])


def test_loss_history_keeps_encoder_and_decoder_apart():
    history = {f"{prefix}{output}_loss": [3.0, 2.0] for prefix in ("", "val_") for output in ("stego", "revealed")}
    figure = loss_history(history | {"val_stego_psnr": [30.0, 40.0]})
    labels = [line.get_label() for line in figure.axes[0].get_lines()]
    assert labels == ["stego, training", "stego, validation", "revealed, training", "revealed, validation"]
    np.testing.assert_array_equal(figure.axes[1].get_lines()[0].get_ydata(), [30.0, 40.0])


def test_values_before_training_are_epoch_zero_and_equal_images_left_out():
    history = {"val_stego_psnr": [30.0, 40.0], "val_revealed_psnr": [20.0, 25.0]}
    figure = loss_history(history, before={"stego_psnr": 150.0, "revealed_psnr": 12.0})
    stego, revealed = figure.axes[1].get_lines()
    assert stego.get_xydata().tolist() == [[1, 30], [2, 40]]
    assert revealed.get_xydata().tolist() == [[0, 12], [1, 20], [2, 25]]


def test_trade_off_draws_a_curve_for_every_family():
    qualities = {
        name: {"cover_psnr": np.array([cover, cover + 2]), "secret_psnr": np.array([30.0, 34.0])}
        for name, cover in {"LSB, 1 bit": 50.0, "LSB, 2 bits": 44.0, "hide, 1 bit": 51.0}.items()
    }
    axis = trade_off(qualities).axes[0]
    curves = {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines() if line.get_label()[0] != "_"}
    assert curves == {"LSB": [[51, 32], [45, 32]], "hide": [[52, 32]]}
    assert axis.get_xlabel() == "cover, PSNR in dB"
