"""The notebooks on machines like those of Colab and Kaggle: no clone, other folders, read-only input, offline."""

import json
import os
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import nbformat
import pytest
from kagglesdk import kaggle_env
from nbclient.exceptions import CellExecutionError, DeadKernelError
from skimage.io import imsave
from test_notebooks import NOTEBOOKS, PARAMETERS, ROOT, bare_machine, execute, prepared, text_of

from stego_lib.data import bundled_photographs, save_pairs
from stego_lib.photographs import DIV2K_FOLDERS
from stego_lib.plots import read_history

sys.path.insert(0, str(ROOT / "notebooks"))
import publish

REPOSITORY = "https://github.com/somebody/stego_lib"
PATHS = {path.stem: path for path in NOTEBOOKS}
EAGERLY = """
import tensorflow
tensorflow.config.run_functions_eagerly(True)
"""
DISCONNECT = """
import keras, os
def disconnect(self, *arguments, backup=keras.callbacks.BackupAndRestore.on_epoch_end):
    backup(self, *arguments)
    os._exit(1)
keras.callbacks.BackupAndRestore.on_epoch_end = disconnect
"""


@pytest.fixture
def machine(dist, tmp_path):
    """A function that starts a machine without the package, and runs cells there."""

    def start(cells, folder, **variables):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        cells = execute(cells, tmp_path / folder, bare_machine(tmp_path, dist) | variables)
        assert (tmp_path / "site" / "stego_lib" / "layers.py").exists()
        return cells

    return start


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if "outputs" not in path.parts}


@pytest.mark.slow
def test_on_kaggle_data_are_found_and_nothing_is_written_elsewhere(machine, tmp_path):
    dataset = tmp_path / "kaggle" / "input" / "datasets" / "joe1995" / "div2k-dataset"
    photographs = list(bundled_photographs())
    for (part, number), nested in zip({"train": 6, "validation": 2}.items(), (True, False), strict=True):
        folder = dataset / DIV2K_FOLDERS[part] / (DIV2K_FOLDERS[part] if nested else "")
        folder.mkdir(parents=True)
        for index in range(number):
            imsave(folder / f"{index:04d}.png", photographs[index])
    before = contents(tmp_path / "kaggle")
    places = "import stego_lib.photographs\nstego_lib.photographs.DIV2K_PLACES = "
    places += f"tuple({str(tmp_path)!r} + place for place in stego_lib.photographs.DIV2K_PLACES)"
    cells = prepared(PATHS["01_data"], places, tmp_path)
    printed = text_of(machine(cells, "kaggle/working", KAGGLE_KERNEL_RUN_TYPE="Batch"))
    assert "training: 3 covers" in printed
    assert f"outputs go to {tmp_path}/kaggle/working" in printed
    assert (tmp_path / "kaggle" / "working" / "outputs" / "pairs.npz").exists()
    after = contents(tmp_path / "kaggle")
    assert all("working" in path.parts for path in after.keys() - before.keys())
    assert {path: after[path] for path in before if "input" in path.parts} == {
        path: time for path, time in before.items() if "input" in path.parts
    }


@pytest.mark.slow
def test_on_colab_a_training_goes_on_after_a_disconnection(machine, tmp_path, pairs):
    drive = tmp_path / "content" / "drive" / "MyDrive"
    drive.mkdir(parents=True)
    save_pairs(drive / "stego_lib" / "outputs" / "pairs.npz", pairs, pairs)
    cells = prepared(PATHS["03_train"], PARAMETERS["03_train"] + EAGERLY + DISCONNECT, tmp_path)
    with pytest.raises(DeadKernelError):
        machine(cells, "content", COLAB_RELEASE_TAG="release")
    history = drive / "stego_lib" / "outputs" / "train" / "residual" / "history.csv"
    first = read_history(history)
    assert len(first["epoch"]) == 1
    cells = prepared(PATHS["03_train"], PARAMETERS["03_train"] + EAGERLY, tmp_path)
    [trained] = [index for index, cell in enumerate(cells) if cell.source.startswith("before = fit(residual")]
    machine(cells[: trained + 1], "content", COLAB_RELEASE_TAG="release")
    resumed = read_history(history)
    assert list(resumed["epoch"]) == [0, 1]
    assert resumed["loss"][0] == first["loss"][0]
    assert os.listdir(tmp_path / "content") == ["drive"]


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["content", "a clone"])
def test_the_setup_cell_installs_what_is_missing_and_changes_nothing_when_run_again(machine, tmp_path, folder):
    if folder == "a clone":
        shutil.copytree(ROOT / "stego_lib", tmp_path / folder / "stego_lib" / "stego_lib")
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, tmp_path / folder / "stego_lib")
    setup = prepared(PATHS["01_data"], root=tmp_path)[2]
    listed = "from pathlib import Path\nprint([(str(path), path.stat().st_mtime_ns) for path in "
    listed += f"Path({str(tmp_path)!r}).glob('site/*/*.py')])"
    cells = [setup, nbformat.v4.new_code_cell(listed)] * 2
    build_isolation = {"PIP_NO_BUILD_ISOLATION": "0"}  # pip reads it so: there is none, as it would need the network
    printed = [text_of([cell]).splitlines() for cell in machine(cells, folder, **build_isolation)]
    assert printed[0][-2:] == printed[2]  # without what pip says
    assert printed[2][-1].endswith(str(tmp_path / folder / ("stego_lib" if folder == "a clone" else "")).rstrip("/"))
    assert printed[1] == printed[3]
    assert "layers.py" in printed[1][0]


@pytest.mark.slow
def test_without_an_address_the_setup_cell_says_what_to_do(machine):
    with pytest.raises(CellExecutionError, match="next to this notebook, or set STEGO_LIB_SOURCE"):
        machine(prepared(PATHS["01_data"])[2:3], "content", STEGO_LIB_SOURCE="")


class Kaggle(BaseHTTPRequestHandler):
    """What the Kaggle package talks to."""

    def do_POST(self):
        self.server.pushed.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"url": "https://www.kaggle.com/code/somebody/pushed", "versionNumber": 1}')

    def log_message(self, *arguments):
        pass


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Notebooks and README in a folder where `publish` may change them."""
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def test_the_kaggle_package_pushes_every_notebook(copy, monkeypatch):
    from kaggle.api.kaggle_api_extended import KaggleApi

    with pytest.raises(SystemExit):
        publish.main(["--kaggle-user", "somebody"])  # the notebooks could not install the package there
    publish.main(["--repository", REPOSITORY, "--kaggle-user", "somebody"])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Kaggle)
    server.pushed = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", "0123456789abcdef")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, address)
    api = KaggleApi()
    api.authenticate()
    for name in PATHS:
        assert api.kernels_push(str(copy / "outputs" / "kaggle" / name)).version_number == 1
    server.shutdown()
    server.server_close()
    pushed = {kernel["slug"]: kernel for kernel in server.pushed}
    assert len(pushed) == len(PATHS)
    assert pushed["somebody/stego-lib-01-data"]["datasetDataSources"] == ["joe1995/div2k-dataset"]
    train = pushed["somebody/stego-lib-03-train"]
    assert train["enableGpu"]
    assert train["kernelDataSources"] == ["somebody/stego-lib-01-data"]
    cells = json.loads(train["text"])["cells"]
    assert f'REPOSITORY = "git+{REPOSITORY}"' in cells[2]["source"]


def test_address_and_badges_are_written_once(copy):
    for _ in range(2):
        publish.main(["--repository", REPOSITORY])
        written = {path.name: path.read_text() for path in [*copy.glob("notebooks/*.ipynb"), copy / "README.md"]}
        for name in PATHS:
            link = f"https://colab.research.google.com/github/somebody/stego_lib/blob/main/notebooks/{name}.ipynb"
            assert written[f"{name}.ipynb"].count(link) == 1
            assert f"| [{name}](notebooks/{name}.ipynb) [![Open in Colab]" in written["README.md"]
            setup = nbformat.reads(written[f"{name}.ipynb"], as_version=4).cells[2].source
            assert f'REPOSITORY = "git+{REPOSITORY}"' in setup
    assert written["README.md"].count("colab-badge") == len(PATHS)


@pytest.mark.parametrize("arguments", [(), ("--repository", "https://example.org/stego_lib"), ("--repository", "a/b")])
def test_an_address_that_colab_cannot_open_is_refused(copy, arguments):
    with pytest.raises(SystemExit):
        publish.main(arguments)
