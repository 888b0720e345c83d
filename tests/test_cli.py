import os
import subprocess
import sys

import numpy as np
import pytest

from stego_lib.cli import main
from stego_lib.images import read_image, write_image
from stego_lib.models import build_autoencoder

pytestmark = pytest.mark.slow


def run(*arguments, cwd, environment=()):
    command = [sys.executable, "-m", "stego_lib", *map(str, arguments)]
    environment = {**os.environ, **dict(environment)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    build_autoencoder(filters=8, num_blocks=1).save(path)
    return path


@pytest.fixture(scope="module")
def photographs(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("my photographs")
    for index, image in enumerate(np.concatenate(pairs)):
        write_image(folder / f"{index:02d}.png", image)
    return folder


def test_evaluate_prints_one_line_and_leaves_pictures(model, photographs, tmp_path):
    result = run("evaluate", model, "--data", photographs, "--split", "all", "--output", "results", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    line = result.stdout.strip().splitlines()[-1]
    assert line.startswith(f"{photographs}, all: n = 8, cover ")
    assert "worst secret" in line
    names = {str(path.relative_to(tmp_path / "results")) for path in (tmp_path / "results").rglob("*.png")}
    assert names >= {"gallery.png", "error_histogram.png", "stego/0001.png", "revealed/0008.png"}
    stego, cover = read_image(tmp_path / "results/stego/0001.png"), read_image(photographs / "00.png")
    assert 0 < np.abs(stego.astype(int) - cover).max() <= 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "none.keras", "--data", "bundled"), "There is no model none.keras"),
        (("evaluate", "{photograph}", "--data", "bundled"), "is not a trained autoencoder"),
        (("evaluate", "{model}", "--data", "nowhere"), "There is no folder nowhere"),
        (("train", "--data", "nowhere", "--output", "run"), "There is no folder nowhere"),
        (("train", "--data", "bundled", "--output", "run", "--period", "7"), "--period must be even"),
        (("train", "--data", "bundled", "--output", "{photograph}"), "00.png is a file, not a folder"),
        (("evaluate", "{model}", "--output", "{photograph}"), "00.png is a file, not a folder"),
        (
            ("evaluate", "modular-9", "--data", "bundled"),
            "the library: modular-4, modular-8, modular-16, residual, robust",
        ),
        (("train", "--data", "few", "--output", "run"), "Every tenth photograph of a folder is for validation"),
        (("train-codec", "few", "--output", "run"), "has 8 photographs. Every tenth photograph is for validation"),
        (("bench", "--codec", "{photograph}"), "00.png is not a codec"),
    ],
)
def test_problems_are_said_in_one_sentence(arguments, message, model, photographs, tmp_path, monkeypatch, capfd):
    places = {"model": model, "photograph": photographs / "00.png"}
    for number in range(8):
        write_image(tmp_path / "few" / f"{number}.png", read_image(photographs / f"{number:02d}.png"))
    monkeypatch.chdir(tmp_path)
    assert main([argument.format(**places) for argument in arguments]) == 1
    error = capfd.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1, error


@pytest.mark.parametrize(
    ("module", "command", "message"),
    [
        ("torch", "capacity", "The backend of Keras is torch, which is not installed"),
        ("imagecodecs", "compare", "This command needs the package imagecodecs: python -m pip install imagecodecs"),
        ("sklearn", "detect", "This command needs the package sklearn: python -m pip install scikit-learn"),
    ],
)
def test_what_is_not_installed_is_named(module, command, message, photographs, tmp_path):
    (tmp_path / f"{module}.py").write_text(f"raise ModuleNotFoundError('No module {module}', name='{module}')")
    environment = {"PYTHONPATH": str(tmp_path)} | ({"KERAS_BACKEND": module} if module == "torch" else {})
    result = run(command, photographs / "00.png", cwd=tmp_path, environment=environment)
    assert result.returncode == 1
    assert result.stderr.startswith(f"stego-lib: {message}")
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def test_only_the_backend_counts_of_the_keras_json_of_a_user(photographs, tmp_path):
    (tmp_path / "keras.json").write_text('{"image_data_format": "channels_first", "floatx": "float16"}')
    result = run("capacity", photographs / "00.png", cwd=tmp_path, environment={"KERAS_HOME": str(tmp_path)})
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 10


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_names_that_the_terminal_cannot_print_are_no_error(encoding, photographs, tmp_path):
    write_image(tmp_path / "日本.png", read_image(photographs / "00.png"))
    command = ("hide", "日本.png", photographs / "01.png", "-o", "秘密.png", "--bits", "1")
    result = run(*command, cwd=tmp_path, environment={"PYTHONIOENCODING": encoding})
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "秘密.png").exists()
    result = run(*command, cwd=tmp_path, environment={"PYTHONIOENCODING": encoding})
    assert result.returncode == 1
    assert result.stderr.endswith(".png exists already. --force replaces it.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("dance",),
        ("evaluate",),
        ("train", "--preset", "huge", "--output", "a"),
        ("evaluate", "m", "--image-size", "30"),
    ],
)
def test_wrong_usage_exits_with_two(arguments, tmp_path):
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert "usage:" in result.stderr


def test_help_shows_examples_and_starts_without_a_deep_learning_framework(tmp_path):
    script = """
import runpy, sys
sys.argv = ["stego-lib", "--help"]
try:
    runpy.run_module("stego_lib", run_name="__main__")
except SystemExit:
    print({"keras", "tensorflow", "jax"} & set(sys.modules))
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "examples:" in result.stdout
    assert result.stdout.strip().endswith("set()")
