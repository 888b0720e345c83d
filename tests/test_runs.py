"""Folders of trainings: nothing of the user's is deleted or overwritten."""

import io
import json
import sys

import keras
import numpy as np
import pytest

from stego_lib.codec.training import FILES as CODEC_FILES
from stego_lib.runs import EpochProgress, learning_rate_schedule, prepare_folder, verbosity
from stego_lib.training import FILES

SETTINGS = {"training": "test", "filters": 8, "seed": 0}
OURS = ("autoencoder.keras", "history.csv", "gallery/epoch_001.png", "backup/latest.weights.h5")
MINE = ("holiday.png", "gallery/holiday.png", "gallery/epoch.png", "backup/tax.pdf", "context/novel.txt", "codec.npz")


def write(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"this is {name}")


def files(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_restart_deletes_what_the_training_wrote_and_nothing_of_the_users(tmp_path):
    prepare_folder(tmp_path, SETTINGS, files=FILES)
    write(tmp_path, (*OURS, *MINE))
    prepare_folder(tmp_path, {**SETTINGS, "filters": 16}, files=FILES, restart=True)
    assert files(tmp_path).keys() == {"settings.json", *MINE}
    assert json.loads((tmp_path / "settings.json").read_text())["filters"] == 16


def test_folders_of_a_training_that_are_empty_are_deleted_too(tmp_path):
    prepare_folder(tmp_path, SETTINGS, files=CODEC_FILES)
    write(tmp_path, ("context/history.csv", "context/backup/latest.weights.h5.bkp", "codec.npz"))
    prepare_folder(tmp_path, SETTINGS, files=CODEC_FILES, restart=True)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("name", OURS)
def test_a_file_in_the_way_where_no_training_was_is_neither_deleted_nor_overwritten(tmp_path, name, restart):
    write(tmp_path, [name])
    before = files(tmp_path)
    with pytest.raises(ValueError, match=f"{name} exists already, and .* holds no training"):
        prepare_folder(tmp_path, SETTINGS, files=FILES, restart=restart)
    assert files(tmp_path) == before


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("content", ["{}", "[1]", "colour = blue", '{"training": "another"}', "", '"training"'])
def test_settings_of_something_else_are_left_alone(tmp_path, content, restart):
    write(tmp_path, OURS)
    (tmp_path / "settings.json").write_text(content)
    before = files(tmp_path)
    with pytest.raises(ValueError, match="does not belong to a training of this kind"):
        prepare_folder(tmp_path, SETTINGS, files=FILES, restart=restart)
    assert files(tmp_path) == before


def test_the_two_trainings_do_not_share_a_folder(tmp_path):
    prepare_folder(tmp_path, {"training": "stego_lib codec"}, files=CODEC_FILES)
    with pytest.raises(ValueError, match="choose another folder"):
        prepare_folder(tmp_path, {"training": "stego_lib autoencoder"}, files=FILES, restart=True)


def test_restart_begins_where_nothing_was(tmp_path):
    assert prepare_folder(tmp_path / "new" / "run", SETTINGS, files=FILES, restart=True).is_dir()


def test_other_settings_in_the_same_folder_are_refused(tmp_path):
    prepare_folder(tmp_path, SETTINGS, files=FILES)
    prepare_folder(tmp_path, SETTINGS, files=FILES)
    with pytest.raises(ValueError, match=r"other settings \(filters 8 and not 16\)"):
        prepare_folder(tmp_path, {**SETTINGS, "filters": 16}, files=FILES)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    write(tmp_path, ["run"])
    with pytest.raises(NotADirectoryError, match="run is a file"):
        prepare_folder(tmp_path / "run", SETTINGS, files=FILES)


class Stream(io.StringIO):
    """What is written to a terminal, or to a file."""

    def __init__(self, at_terminal):
        super().__init__()
        self.at_terminal = at_terminal

    def isatty(self):
        return self.at_terminal


@pytest.mark.parametrize("at_terminal", [True, False])
def test_an_epoch_and_its_validation_are_seen_at_a_terminal_only(at_terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(at_terminal))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    data = np.zeros((4, 1)), np.zeros((4, 1))
    model.fit(*data, validation_data=data, batch_size=1, epochs=2, verbose=0, callbacks=[EpochProgress()])
    lines = sys.stderr.getvalue().split("\r")
    assert ("Epoch 1/2:   0%" in sys.stderr.getvalue()) == at_terminal
    assert any(line.startswith("Epoch 2/2, validating") for line in lines) == at_terminal
    assert lines[-1].strip() == ""  # nothing is left


def test_keras_draws_its_bar_in_notebooks_only(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert verbosity() == 2
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    assert verbosity() == 1


def test_learning_rate_warms_up_and_decays():
    schedule = learning_rate_schedule(1e-3, 1000)
    rates = [float(schedule(step)) for step in (0, 50, 100, 550, 1000, 2000)]
    assert rates[0] == 0
    assert rates[1] == pytest.approx(5e-4, rel=0.05)
    assert rates[2] == pytest.approx(1e-3, rel=0.01)
    assert rates[2] > rates[3] > rates[4]
    assert rates[4:] == [pytest.approx(1e-5, rel=0.05)] * 2
