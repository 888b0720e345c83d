"""What `evaluate` leaves in its folder, and what of others it leaves alone."""

import json

import numpy as np
import pytest

from stego_lib.cli import main
from stego_lib.cli.measuring import MANIFEST
from stego_lib.images import read_image, write_image

pytestmark = pytest.mark.slow


@pytest.fixture
def evaluate(tiny_autoencoder, pairs, tmp_path, capsys):
    """A function that evaluates so many pairs into `results`; it returns the exit code and what was printed."""
    tiny_autoencoder.save(tmp_path / "model.keras")

    def run(number):
        for index, image in enumerate(np.concatenate([images[:number] for images in pairs])):
            write_image(tmp_path / f"{number} pairs" / f"{index}.png", image)
        data = ("--data", str(tmp_path / f"{number} pairs"), "--split", "all", "--image-size", "16")
        code = main(["evaluate", str(tmp_path / "model.keras"), *data, "--output", str(tmp_path / "results")])
        return code, "".join(capsys.readouterr())

    return run


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the photographs that were resized are kept
    return tmp_path / "results"


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(number):
    images = {f"{kind}/{index:04d}.png" for kind in ("stego", "revealed") for index in range(1, number + 1)}
    return images | {"gallery.png", "error_histogram.png", MANIFEST}


def test_all_pairs_are_left_and_replaced_by_those_of_the_next_time(evaluate, results):
    assert evaluate(3)[0] == 0
    assert contents(results).keys() == names(3)
    assert read_image(results / "stego" / "0003.png").shape == (16, 16, 3)
    assert evaluate(2)[0] == 0
    assert contents(results).keys() == names(2)


def test_files_of_others_stay(evaluate, results):
    assert evaluate(2)[0] == 0
    others = {"stego/0007.png": b"mine", "stego/holiday.png": b"mine", "revealed/0002.png": b"mine now"}
    for name, content in others.items():
        (results / name).write_bytes(content)
    assert evaluate(1)[0] == 0
    assert contents(results).items() >= others.items()
    assert contents(results).keys() == names(1) | others.keys()


@pytest.mark.parametrize("name", ["stego/0001.png", "gallery.png", MANIFEST, "stego"])
def test_a_file_of_others_in_the_way_is_said_before_anything_is_written(evaluate, results, name):
    (results / name).parent.mkdir(parents=True, exist_ok=True)
    (results / name).write_text('["mine"]')
    before = contents(results)
    code, printed = evaluate(1)
    assert code == 1
    assert f"{results / name} is in the way, and evaluate has not written it" in printed
    assert contents(results) == before


def test_after_an_interruption_it_is_known_whose_the_files_are(evaluate, results, monkeypatch):
    from stego_lib import images

    write_file = images.write_file

    def interrupted(path, content, *, overwrite=False):
        if path.name == "gallery.png":
            raise KeyboardInterrupt
        write_file(path, content, overwrite=overwrite)

    with monkeypatch.context() as patch:
        patch.setattr(images, "write_file", interrupted)
        assert evaluate(2)[0] == 130
    assert "gallery.png" in json.loads((results / MANIFEST).read_text())["stego-lib evaluate"]
    assert not (results / "gallery.png").exists()
    assert evaluate(1)[0] == 0
    assert contents(results).keys() == names(1)
