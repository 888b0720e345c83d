import gc

import keras
import numpy as np
import pytest
import skimage.data

from stego_lib.cli import main
from stego_lib.codec import training
from stego_lib.codec.codec import load_codec
from stego_lib.codec.crops import CropDataset, QuantizedDataset, draw_crops, load_crops, validation_latents
from stego_lib.codec.training import decibels, train_codec
from stego_lib.images import write_image

TINY = {
    "block": 4,
    "filters": 4,
    "synthesis_filters": 4,
    "synthesis_blocks": 1,
    "epochs": 2,
    "steps_per_epoch": 1,
    "synthesis_epochs": 2,
    "synthesis_steps_per_epoch": 1,
    "synthesis_crops": 32,
    "batch_size": 2,
    "learning_rate": 2e-3,
}


@pytest.fixture
def photographs(tmp_path):
    """Twelve photographs in a folder."""
    image = skimage.data.astronaut()
    for number in range(12):
        write_image(tmp_path / "photographs" / f"{number:02d}.png", image[20 * number :][:150, 10 * number :][:, :200])
    return tmp_path / "photographs"


def paths(folder):
    return sorted(folder.iterdir())


def test_crops_are_those_of_photographs_and_the_same_for_the_same_seed(photographs):
    frames, cuts = load_crops(paths(photographs))
    assert {frame.shape for frame in frames} == {cut.shape for cut in cuts} == {(150, 200, 3)}
    transform = load_codec().coder.transform
    batches = CropDataset(frames, cuts, transform=transform, batch_size=6, steps_per_epoch=2, seed=3)
    inputs, targets = batches[1]
    assert inputs["latents"].shape == (6, 16, 16, transform.depth)
    assert inputs["index"].shape == targets.shape == (6,)
    again = CropDataset(frames, cuts, transform=transform, batch_size=6, steps_per_epoch=2, seed=3)
    np.testing.assert_array_equal(again[1][0]["latents"], inputs["latents"])
    batches.set_epoch(1)
    assert not np.array_equal(batches[1][0]["latents"], inputs["latents"])


@pytest.mark.parametrize("block", [4, 8, 16])
def test_crops_have_one_size_whatever_the_photographs_have(photographs, block):
    crops = draw_crops(*load_crops(paths(photographs)), number=6, block=block, generator=np.random.default_rng(0))
    assert crops.shape == (6, 18 * block, 18 * block, 3)
    assert crops.dtype == np.uint8
    assert crops.std((1, 2, 3)).min() > 10


def test_large_photographs_are_reduced_and_cut(tmp_path):
    write_image(tmp_path / "large.png", np.tile(skimage.data.astronaut(), (2, 3, 1)))
    (frame,), (cut,) = load_crops([tmp_path / "large.png"])
    assert frame.shape == (256, 384, 3)
    assert cut.shape == (384, 384, 3)


def test_unreadable_and_small_photographs_are_left_out_by_name(photographs):
    (photographs / "text.png").write_text("text")
    write_image(photographs / "tiny.png", np.zeros((63, 200, 3), "uint8"))
    with (
        pytest.warns(UserWarning, match=r"text\.png"),
        pytest.warns(UserWarning, match=r"tiny\.png is smaller than 64"),
    ):
        assert len(load_crops(paths(photographs))[0]) == 12
    with pytest.warns(UserWarning, match="Left out"), pytest.raises(ValueError, match="No photograph"):
        load_crops([photographs / "text.png"])


def test_decibels_are_those_of_the_mean_squared_error_of_every_image():
    targets = np.zeros((2, 4, 4, 3), "float32")
    outputs = np.stack([np.full((4, 4, 3), 1.0), np.full((4, 4, 3), 10.0)]).astype("float32")
    assert float(decibels(targets, outputs)) == pytest.approx(10, abs=0.05)


@pytest.mark.slow
def test_the_synthesis_learns_on_what_the_codec_makes_of_crops(photographs):
    coder = load_codec().coder
    inputs = validation_latents(load_crops(paths(photographs))[1], coder.transform)
    latents, index = inputs["latents"], inputs["index"]
    assert sorted(set(index.tolist())) == [256, 384, 512, 640]
    batches = QuantizedDataset(coder, [(latents[:8], 256), (latents[8:], 512)], batch_size=5)
    assert len(batches) == 3
    inputs, targets = batches[2]
    assert inputs["values"].shape == targets.shape == (2, 16, 16, coder.transform.depth)
    assert inputs["index"].tolist() == [512, 512]
    np.testing.assert_array_equal(inputs["values"], coder.quantize(latents[8:], 512).values[-2:])
    np.testing.assert_array_equal(targets, latents[-2:])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the history of what was interrupted
def test_train_codec_resumes_where_it_was_interrupted(photographs, tmp_path, monkeypatch, capsys, eager):
    monkeypatch.setitem(training.CODEC_PRESETS, "small", TINY)
    assert main(["train-codec", str(photographs), "--output", str(tmp_path / "whole")]) == 0
    assert "codec.npz" in capsys.readouterr().out
    codec = load_codec(tmp_path / "whole" / "codec.npz")
    image = skimage.data.chelsea()[:50, :70]
    assert codec.decode(codec.encode(image, quality=30)).shape == image.shape

    class Interruption(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    interrupted = [Interruption()]  # the first epoch of all
    monkeypatch.setattr(keras.callbacks, "TerminateOnNaN", lambda **_: interrupted.pop())
    command = ["train-codec", str(photographs), "--output", str(tmp_path / "resumed")]
    assert main(command) == 130
    gc.collect()
    assert "goes on where it stopped" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setitem(training.CODEC_PRESETS, "small", TINY)
    assert main([*command, "--seed", "1"]) == 1
    assert "other settings" in capsys.readouterr().err
    assert main(command) == 0
    resumed = load_codec(tmp_path / "resumed" / "codec.npz")
    for name, array in codec.content.items():
        np.testing.assert_array_equal(resumed.content[name], array, name)
    for part in ("context", "synthesis"):
        files = [tmp_path / run / part / "history.csv" for run in ("whole", "resumed")]
        assert files[0].read_text() == files[1].read_text()


def test_train_codec_names_what_is_wrong(tmp_path, capsys):
    assert main(["train-codec", str(tmp_path / "nowhere"), "--output", str(tmp_path / "run")]) == 1
    assert "no folder" in capsys.readouterr().err
    with pytest.raises(ValueError, match="`preset` must be one of"):
        train_codec(tmp_path, [], [], preset="huge")
