import os
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import jax_compiles_quickly

from stego_lib.block_transform import CarrierEmbedding
from stego_lib.callbacks import EpochGallery
from stego_lib.channels import OneOf
from stego_lib.data import PairDataset
from stego_lib.images import read_image
from stego_lib.models import build_autoencoder, learn_message, load_autoencoder
from stego_lib.plots import read_history
from stego_lib.runs import epochs_done
from stego_lib.training import LEARNING_RATES, PRESETS, compile_autoencoder, train, training_callbacks

pytestmark = [pytest.mark.backend, pytest.mark.slow]
TINY = {
    "filters": 8,
    "num_blocks": 1,
    "epochs": 2,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "crop_size": 32,
}
QUICK = TINY | {"embedding": "residual", "epochs": 1}  # where nothing is compared: there is no message to learn


@pytest.fixture(autouse=True)
def _presets(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    monkeypatch.setitem(PRESETS, "quick", QUICK)


@pytest.fixture(scope="module")
def trained(pairs, tmp_path_factory):
    """A folder in which the tiny preset was trained with seed 3; TensorFlow compiles it as for everybody."""
    folder = tmp_path_factory.mktemp("trained")
    with jax_compiles_quickly(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "tiny", TINY)
        train(folder, pairs, pairs, preset="tiny", seed=3)
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    """The same, to be changed."""
    return shutil.copytree(trained, tmp_path / "copy")


def check_history(folder, trained):
    """Checks that a training went as the one with seed 3."""
    history, expected = (read_history(run / "history.csv") for run in (folder, trained))
    np.testing.assert_array_equal(history["epoch"], expected["epoch"])
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-3)


def test_training_leaves_model_history_and_gallery(trained):
    assert {path.name for path in trained.iterdir()} == {
        "settings.json", "history.csv", "autoencoder.keras", "loss_history.png", "gallery", "backup",
    }  # fmt: skip
    assert len(list((trained / "gallery").glob("epoch_*.png"))) == 3  # before training, and after two epochs
    assert read_image(trained / "gallery" / "epoch_001.png").std() > 10
    history = read_history(trained / "history.csv")
    for part in ("", "val_"):
        for output in ("stego", "revealed"):
            for quantity in ("loss", "psnr", "ssim"):
                assert np.isfinite(history[f"{part}{output}_{quantity}"]).all()


def test_a_robust_preset_trains_behind_the_channel(pairs, tmp_path, monkeypatch, eager):
    monkeypatch.setitem(PRESETS, "quick", QUICK | {"embedding": "robust"})
    model = train(tmp_path, pairs, pairs, preset="quick")
    assert isinstance(model.get_layer("channel"), OneOf)
    assert isinstance(model.get_layer("encoder").get_layer("embedding"), CarrierEmbedding)


def test_the_best_epoch_is_kept(trained, pairs, eager):
    model = compile_autoencoder(load_autoencoder(trained / "autoencoder.keras"))
    loss = model.evaluate(PairDataset(*pairs), verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(min(read_history(trained / "history.csv")["val_loss"]), rel=1e-4)


def test_a_finished_training_is_not_repeated_and_it_is_said(trained, pairs, capsys):
    content = (trained / "history.csv").read_text()
    train(trained, pairs, pairs, preset="tiny", seed=3)
    assert "was finished before" in capsys.readouterr().out
    assert (trained / "history.csv").read_text() == content


def test_the_same_seed_gives_the_same_training_and_restart_begins_anew(trained, copy, pairs, eager):
    (copy / "history.csv").write_text("epoch,loss,val_loss\n0,9,9\n1,8,8\n2,7,7\n")
    train(copy, pairs, pairs, preset="tiny", seed=3, restart=True)
    check_history(copy, trained)


def test_training_learns(pairs):
    autoencoder = compile_autoencoder(build_autoencoder("residual", filters=12, num_blocks=1), 2e-3)
    batches = PairDataset(*pairs, training=True, crop_size=32, steps_per_epoch=60)
    before = autoencoder.evaluate(PairDataset(*pairs), verbose=0, return_dict=True)
    autoencoder.fit(batches, epochs=1, verbose=0)
    after = autoencoder.evaluate(PairDataset(*pairs), verbose=0, return_dict=True)
    assert after["revealed_psnr"] > before["revealed_psnr"] + 2
    assert after["stego_psnr"] > 18


def test_learning_the_message_makes_secrets_better_and_leaves_a_residual_network_alone(pairs, eager):
    for embedding, gain in (("modular", 0.3), ("residual", 0.0)):
        autoencoder = compile_autoencoder(build_autoencoder(embedding, filters=8, num_blocks=1))
        before = autoencoder.evaluate(PairDataset(*pairs), verbose=0, return_dict=True)["revealed_psnr"]
        learn_message(autoencoder, np.concatenate(pairs), iterations=1)
        after = autoencoder.evaluate(PairDataset(*pairs), verbose=0, return_dict=True)["revealed_psnr"]
        assert after >= before + gain


def test_other_photographs_in_the_same_folder_are_refused(trained, pairs):
    with pytest.raises(ValueError, match="other settings"):
        train(trained, pairs[::-1], pairs, preset="tiny", seed=3)


@pytest.mark.parametrize(("size", "embedding"), [(36, "robust"), (30, "modular"), (16, "modular")])
def test_images_of_a_size_that_cannot_be_trained_on_are_refused(size, embedding, pairs, tmp_path):
    pairs = [images[:, :size, :size] for images in pairs]
    with pytest.raises(ValueError, match=f"`image_size` must be a multiple of .* Received: image_size={size}"):
        train(tmp_path / "run", pairs, pairs, preset="tiny", embedding=embedding)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", [{"period": 7}, {"embedding": "magic"}, {"preset": "huge"}])
def test_refused_settings_leave_the_folder_free(wrong, pairs, tmp_path):
    with pytest.raises(ValueError, match="Received: "):
        train(tmp_path / "run", pairs, pairs, **{"preset": "tiny", **wrong})
    assert not (tmp_path / "run").exists()


SCRIPT = """
import os, signal, sys
import keras, numpy as np
from stego_lib.training import PRESETS, train

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    tf.config.run_functions_eagerly(True)

def killed(self, epoch, *arguments, backup=keras.callbacks.BackupAndRestore.on_epoch_end):
    if epoch == 1:  # which is in the history already
        os.kill(os.getpid(), signal.SIGKILL)
    backup(self, epoch, *arguments)

keras.callbacks.BackupAndRestore.on_epoch_end = killed
PRESETS["tiny"] = {settings}
pairs = tuple(np.load(sys.argv[1]))
train(sys.argv[2], pairs, pairs, preset="tiny", seed=3)
"""


def test_a_killed_training_ends_as_if_it_had_not_been_killed(trained, pairs, tmp_path, eager):
    np.save(tmp_path / "pairs.npy", pairs)
    command = [sys.executable, "-c", SCRIPT.format(settings=TINY), str(tmp_path / "pairs.npy"), str(tmp_path / "run")]
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert epochs_done(tmp_path / "run") == 1
    train(tmp_path / "run", pairs, pairs, preset="tiny", seed=3)
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 1 + 2 + 1  # the second epoch twice
    check_history(tmp_path / "run", trained)


def test_a_first_backup_that_was_not_finished_is_no_backup(tmp_path, pairs):
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "latest.weights.h5").write_bytes(b"half a file")
    (tmp_path / "backup" / "holiday.png").write_bytes(b"mine")
    training_callbacks(tmp_path, PairDataset(*pairs), pairs)
    assert os.listdir(tmp_path / "backup") == ["holiday.png"]


def test_a_backup_that_was_cut_off_leaves_the_one_before(trained, copy, pairs, eager):
    (copy / "backup" / "latest.weights.h5").write_bytes(b"half a file")
    train(copy, pairs, pairs, preset="tiny", seed=3)
    check_history(copy, trained)


def test_the_best_epoch_before_an_interruption_still_counts(tmp_path, pairs):
    (tmp_path / "history.csv").write_text("epoch,val_loss\n0,-1.5\n1,-1.25\n")
    callbacks = training_callbacks(tmp_path, PairDataset(*pairs), pairs)
    checkpoint = next(c for c in callbacks if isinstance(c, keras.callbacks.ModelCheckpoint))
    assert checkpoint.best == -1.5


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # CSVLogger
def test_a_training_that_diverges_ends_with_an_error_and_is_not_kept(pairs, tmp_path, monkeypatch, eager):
    monkeypatch.setitem(LEARNING_RATES, "residual", float("inf"))
    with pytest.raises(FloatingPointError, match="diverged"):
        train(tmp_path, pairs, pairs, preset="quick")
    assert not (tmp_path / "autoencoder.keras").exists()
    assert not (tmp_path / "backup").exists()


def test_other_learning_rates_can_be_used(pairs, eager):
    exponential = keras.optimizers.schedules.ExponentialDecay(1e-3, 100, 0.9)
    assert float(compile_autoencoder(build_autoencoder(filters=8), exponential).optimizer.learning_rate) > 0
    autoencoder = compile_autoencoder(build_autoencoder(filters=8, num_blocks=1), 1e-3)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=0, min_delta=1e9)
    history = autoencoder.fit(PairDataset(*pairs), epochs=2, verbose=0, callbacks=[plateau]).history
    assert history["learning_rate"][1] == pytest.approx(1e-3)
    assert float(autoencoder.optimizer.learning_rate) == pytest.approx(1e-4)


def test_mixed_precision_trains_and_leaves_the_policy_as_it_was(pairs, tmp_path, eager):
    train(tmp_path, pairs, pairs, preset="quick", mixed_precision=True)
    assert np.isfinite(read_history(tmp_path / "history.csv")["loss"]).all()
    assert keras.mixed_precision.global_policy().name == "float32"


def test_gallery_draws_the_epoch_it_is_given(pairs, tiny_autoencoder, tmp_path):
    callback = EpochGallery(pairs[0][:2], pairs[1][:2], folder=tmp_path)
    callback.set_model(tiny_autoencoder)
    callback.on_epoch_begin(4)  # resumed: the picture before training is there already
    callback.on_epoch_end(4)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch_005.png"]
    callback.on_epoch_begin(0)
    assert (tmp_path / "epoch_000.png").exists()
