"""What the command line says before anything heavy is loaded: fast tests."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stego_lib import __version__
from stego_lib.cli import main
from stego_lib.cli.messages import explain, with_options

ROOT = Path(__file__).parent.parent


def run(*command, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", *variables)}
    return subprocess.run(command, cwd=ROOT, env=environment | variables, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("With `bits=1` there is no room.", "With --bits 1 there is no room."),
        ("There is no file holiday/seed=3.png.", "There is no file holiday/seed=3.png."),
        ("bits=2.png exists already.", "bits=2.png exists already."),
        ("It takes `bits=0.5`.", "It takes --bits 0.5."),
        ("`period` must be even. Received: period=7", "--period must be even. Received: --period 7"),
        ("Choose another folder, or `restart=True`.", "Choose another folder, or --restart."),
        ("Or use `source='bundled'` for others.", "Or use --data bundled for others."),
        ("take more bits, or a lower quality", "take more bits, or a lower quality"),
        ("`cover` must be a uint8 array", "`cover` must be a uint8 array"),
        ("my_bits=3.png is missing", "my_bits=3.png is missing"),
    ],
)
def test_options_are_named_in_place_of_arguments(message, expected):
    assert with_options(message) == expected


@pytest.mark.parametrize("error", [RuntimeError("not exact"), ValueError("not exact"), FloatingPointError("not exact")])
def test_errors_that_the_library_documents_are_one_sentence(error):
    assert explain(error, argparse.Namespace()) == "not exact"


def test_an_error_that_nobody_foresaw_is_not_explained():
    assert explain(TypeError("no such thing"), argparse.Namespace()) is None
    assert explain(ModuleNotFoundError(name="stego_lib.nothing"), argparse.Namespace()) is None


def test_an_error_of_the_system_names_the_file(tmp_path):
    with pytest.raises(OSError, match="directory") as caught:
        tmp_path.read_bytes()
    assert explain(caught.value, argparse.Namespace()) == f"{tmp_path}: Is a directory."


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"stego-lib {__version__}\n"


def test_without_its_packages_a_sentence_says_to_activate_the_environment():
    result = run(sys.executable, "-S", "-m", "stego_lib", "hide", "a.png", "b.png", "-o", "c.png")
    assert result.returncode == 1
    assert "is not installed for" in result.stderr
    assert "source .venv/bin/activate" in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr


@pytest.mark.parametrize("option", [["--version"], ["--help"], ["hide", "--help"]])
def test_without_its_packages_it_still_helps(option):
    result = run(sys.executable, "-S", "-m", "stego_lib", *option)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_backend_that_does_not_exist_is_named_with_its_file(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "theano"}')
    command = (sys.executable, "-m", "stego_lib", "capacity", "cover.png")
    result = run(*command, KERAS_HOME=str(tmp_path), KERAS_BACKEND="", PYTHONPATH=str(ROOT))
    assert result.stderr.startswith(f"stego-lib: {tmp_path / 'keras.json'} names a backend that Keras does not have")
    result = run(*command, KERAS_BACKEND="caffe", PYTHONPATH=str(ROOT))
    assert result.stderr.startswith("stego-lib: The environment variable KERAS_BACKEND names a backend")


@pytest.mark.parametrize(("variables", "expected"), [({}, "3"), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")])
def test_tensorflow_is_quiet_unless_the_user_wants_to_hear_it(variables, expected):
    script = "import os, stego_lib; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"} | variables
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == expected


@pytest.mark.parametrize(
    ("installed", "backend"), [("jax", "jax"), ("tensorflow jax", "tensorflow"), ("", "tensorflow")]
)
def test_a_backend_is_taken_that_is_installed(installed, backend, tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "tensorflow"}')  # as Keras writes it, whatever there is
    for name in installed.split():
        (tmp_path / f"{name}.py").touch()
    script = (
        "import os; from stego_lib.cli.environment import environment\n"
        "with environment(): print(os.environ['KERAS_BACKEND'])"
    )
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    result = run(sys.executable, "-S", "-c", script, KERAS_BACKEND="", KERAS_HOME=str(tmp_path), PYTHONPATH=path)
    assert result.stdout.strip() == backend, result.stderr
