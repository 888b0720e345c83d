"""What every notebook calls first: the folder it works in, and what it copies there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stego_lib.data import save_pairs
from stego_lib.notebook import prepare


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The folder of the notebook, on a machine whose root is `tmp_path`."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_a_notebook_works_beside_itself_and_says_where_and_with_what(work, capsys):
    prepare(work.parent)
    assert Path.cwd() == work
    printed = capsys.readouterr().out
    assert f"data and outputs go to {work}" in printed
    assert "stego_lib 0" in printed
    assert "Keras 3" in printed
    assert "cpu:0" in printed or "gpu:0" in printed


@pytest.mark.parametrize("place", [".", "..", "a clone"])
def test_a_notebook_in_or_beside_a_clone_works_in_its_root(work, place):
    (work / place / "stego_lib").mkdir(parents=True)
    (work / place / "stego_lib" / "notebook.py").touch()
    prepare(work.parent / "nowhere")
    assert Path.cwd() == (work / place).resolve()


def test_on_colab_a_notebook_works_in_the_drive_that_is_mounted(work):
    (work.parent / "content" / "drive" / "MyDrive").mkdir(parents=True)
    for _ in range(2):
        prepare(work.parent)
        assert Path.cwd() == work.parent / "content" / "drive" / "MyDrive" / "stego_lib"


@pytest.mark.parametrize("layout", ["stego-lib-01-data", "notebooks/somebody/stego-lib-01-data"])
def test_on_kaggle_outputs_of_earlier_notebooks_are_copied_and_nothing_is_replaced(work, pairs, layout):
    kaggle = work.parent / "kaggle"
    save_pairs(kaggle / "input" / layout / "outputs" / "pairs.npz", pairs, pairs)
    for folder in (kaggle / "input" / layout / "outputs" / "train", kaggle / "working" / "outputs" / "use"):
        folder.mkdir(parents=True)
        (folder / "here.txt").write_text(folder.name)
    for _ in range(2):
        prepare(work.parent)
        assert Path.cwd() == kaggle / "working"
        assert sorted(os.listdir("outputs")) == ["pairs.npz", "train", "use"]
        assert Path("outputs", "train", "here.txt").read_text() == "train"
        Path("outputs", "pairs.npz").write_text("another one")
    assert Path("outputs", "pairs.npz").read_text() == "another one"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "numpie"])
def test_a_backend_that_does_not_start_is_said_in_a_sentence(work, backend):
    (work / "torch.py").write_text("raise ImportError('torch is broken')")
    script = "from stego_lib.notebook import prepare; prepare()"
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join([str(work), *sys.path])}
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert f"ImportError: Keras does not start with the backend {backend}" in result.stderr.splitlines()[-1]
