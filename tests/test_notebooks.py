"""Runs all notebooks in order, in one kernel and in a folder of their own, with small parameters."""

import os
import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from stego_lib.images import write_image

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BAR = re.compile("(Reading|Quantizing|Compressing|Comparing|Disturbing|Detecting)")  # what a progress bar begins with
HIDING = """
import sys  # the package that is installed here is not on the machine
sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in getattr(finder, "__name__", "")]
"""
NEXT = """
for name in [name for name in globals() if not name.startswith("_")]:
    del globals()[name]  # no notebook may use what another one has imported
__import__("os").chdir({folder!r})
"""
# Compiling takes longer than the few steps of these trainings; whatever else they do is faster compiled.
TRAINING = {"03_train": "", "06_codec": "train_codec("}
EAGERLY = """
if "tensorflow" in __import__("sys").modules:
    __import__("tensorflow").config.run_functions_eagerly({})
"""
FEW = '{"filters": 8, "num_blocks": 1, "epochs": 2, "steps_per_epoch": 3, "crop_size": 16}'
PARAMETERS = {
    "00_start": 'SECRET = "small/1.png"',
    "01_data": 'SOURCE, IMAGE_SIZE = "bundled", 16',
    "02_model": "FILTERS = 8",
    "03_train": f"RESIDUAL_SETTINGS = MODULAR_SETTINGS = {FEW}",
    "05_use": "MAX_SIDE = 96",
    "06_codec": "TRAIN = VALIDATION = 'small'\nRATES, SHOWN, SIDE = (0.05, 6), (0.05, 3), 72\n"
    "from stego_lib.codec.training import CODEC_PRESETS\n"
    "CODEC_PRESETS[PRESET].update(filters=8, epochs=2, steps_per_epoch=3, synthesis_filters=8, synthesis_blocks=1,"
    " synthesis_epochs=1, synthesis_steps_per_epoch=3, synthesis_crops=64)",
    "07_files": "BITS, MAX_SIDE = (0.3, 1), 256",
    "08_compare": "BITS, PAIRS = (2,), 1",
    "09_steganalysis": 'SIZE, DETECTED, FRACTIONS, BITS, MODELS = 64, ("SPA", "SPAM"), (1.0, 0.2), (2,), ()',
    "10_survive": "MAX_SIDE, STEP, COVER_QUALITY = 160, 20, 36.0",
}
WRITTEN = {
    "00_start": ["outputs/start/stego.png", "outputs/start/revealed.png", "outputs/start/gallery.png"],
    "01_data": ["outputs/pairs.npz"],
    "03_train": [
        f"outputs/train/{name}/{file}"
        for name in ("residual", "modular")
        for file in ("autoencoder.keras", "history.csv", "gallery/epoch_000.png", "gallery/epoch_002.png")
    ],
    "04_evaluate": ["outputs/evaluation/best.png", "outputs/evaluation/error_histogram.png"],
    "05_use": ["outputs/use/stego.png", "outputs/use/revealed.png", "outputs/use/gallery.png"],
    "06_codec": ["outputs/codec/codec.npz", "outputs/codec/context/history.csv", "outputs/codec/compared.png"],
    "07_files": ["outputs/files/stego-0.3.png", "outputs/files/revealed-1.png", "outputs/files/gallery.png"],
    "08_compare": ["outputs/compare/psnr.png", "outputs/compare/ssim.png", "outputs/compare/pictures.png"],
    "09_steganalysis": [
        "outputs/steganalysis/roc.png",
        "outputs/steganalysis/shares.png",
        "outputs/steganalysis/changes.png",
        "outputs/steganalysis/rates.png",
    ],
    "10_survive": ["outputs/survive/stego.jpg", "outputs/survive/revealed.png", "outputs/survive/survived.png"],
}
FIGURES = {
    "00_start": 1,
    "01_data": 4,
    "02_model": 8,
    "03_train": 5,
    "04_evaluate": 8,
    "05_use": 3,
    "06_codec": 5,
    "07_files": 4,
    "08_compare": 4,
    "09_steganalysis": 6,
    "10_survive": 4,
}


def prepared(path, parameters="", root="/"):
    """Cells of a notebook with other parameters; `root` takes the place of that of Colab and Kaggle."""
    cells = nbformat.read(path, as_version=4).cells
    cells[2].source = cells[2].source.replace("prepare()", f"prepare({str(root)!r})")
    [tagged] = [index for index, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", ())]
    cells[tagged].source += f"\n{parameters}"
    return cells


def execute(cells, folder, environment):
    """Runs cells in a kernel of their own; they get their outputs."""
    cells = [nbformat.v4.new_code_cell(cell.source, metadata=cell.metadata) for cell in cells if is_code(cell)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    kernel = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, resources=kernel).execute(env=environment)
    return notebook.cells


def is_code(cell):
    return cell.cell_type == "code"


def text_of(cells):
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs)


def bare_machine(root, dist):
    """Environment of a machine that lacks the package, and has pip find it as a wheel, and no network."""
    site = root / "site"
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir()
    (site / "sitecustomize.py").write_text(HIDING)
    [wheel] = dist.glob("*.whl")
    pip = {"TARGET": str(site), "NO_DEPS": "1", "NO_INDEX": "1", "ROOT_USER_ACTION": "ignore"}
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    package = {"PYTHONPATH": str(site), "STEGO_LIB_SOURCE": wheel.as_uri(), "HOME": str(root / "home")}
    return os.environ | {f"PIP_{name}": value for name, value in pip.items()} | nowhere | package


@pytest.fixture(scope="module")
def executed(tmp_path_factory, dist, pairs):
    """Cells of the notebooks after a run from the first to the last, and the folder they ran in, without a clone.

    All run in one kernel, which imports TensorFlow once; before the next begins, the names of the last are forgotten.
    In an empty folder, "first" is notebook 05, and "refused ..." are the notebooks that need what 01 has not written.
    """
    root = tmp_path_factory.mktemp("a folder")
    runs = {path.stem: (path, "content") for path in NOTEBOOKS}
    runs |= {f"refused {path.stem}": (path, "empty") for path in NOTEBOOKS if path.stem[:2] in ("02", "03", "04")}
    runs["first"] = ROOT / "notebooks" / "05_use.ipynb", "empty"
    cells, ends = [], {}
    for name, (path, folder) in runs.items():
        (root / folder).mkdir(exist_ok=True)
        cells.append(nbformat.v4.new_code_cell(NEXT.format(folder=str(root / folder))))
        for cell in filter(is_code, prepared(path, PARAMETERS.get(path.stem, ""), root)):
            eagerly = name in TRAINING and TRAINING[name] in cell.source
            cells += [nbformat.v4.new_code_cell(EAGERLY.format(eagerly)), cell]
            if name.startswith("refused") and "read_pairs" in cell.source:
                cell.metadata["tags"] = ["raises-exception"]  # and the next notebook goes on
                break
        ends[name] = len(cells)
    for index, image in enumerate(pairs[0][:4]):
        side = 64 + 8 * (index % 3)
        write_image(root / "content" / "small" / f"{index}.png", np.tile(image, (2, 2, 1))[:side, :72])
    eagerly = {
        "PYTHONWARNINGS": "ignore:Even though the `tf.config:UserWarning"
    }  # TensorFlow's, as tf.data is compiled
    done = execute(cells, root, bare_machine(root, dist) | eagerly)
    starts = [0, *ends.values()]
    return {name: done[start:end] for start, (name, end) in zip(starts, ends.items(), strict=False)}, root / "content"


@pytest.mark.slow
def test_notebooks_run_in_order_and_write_what_they_say(executed):
    _, folder = executed
    assert [name for names in WRITTEN.values() for name in names if not (folder / name).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_shown_and_nothing_is_complained_about(executed, name):
    outputs = [output for cell in executed[0][name] for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == FIGURES[name]
    stderr = [output.text for output in outputs if output.get("name") == "stderr"]
    assert [text for text in stderr if not BAR.match(text.strip())] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["02_model", "03_train", "04_evaluate"])
def test_a_missing_file_says_which_notebook_writes_it(executed, name):
    [error] = [output for cell in executed[0][f"refused {name}"] for output in cell.outputs if "evalue" in output]
    assert "run the notebook 01_data first" in error.evalue


@pytest.mark.slow
def test_without_a_training_the_weights_of_the_library_are_taken(executed):
    assert "modular-8, which comes with the library" in text_of(executed[0]["first"])
    assert "modular-8" not in text_of(executed[0]["05_use"])


@pytest.mark.slow
def test_what_was_learned_from_nothing_is_seen_from_epoch_zero_on(executed):
    assert "modular, before the networks were trained: secret" in text_of(executed[0]["03_train"])
    for name in ("residual", "modular"):
        assert f"{name}: outputs/train/{name}/autoencoder.keras" in text_of(executed[0]["04_evaluate"])


@pytest.mark.parametrize("photographs", [4, 5])
def test_no_photograph_is_in_both_halves_of_the_steganalysis(photographs, tmp_path):
    for number in range(photographs):
        write_image(tmp_path / f"{number}.png", np.full((32, 48, 3), 10 * number, "uint8"))
    [cell] = [c for c in prepared(ROOT / "notebooks" / "09_steganalysis.ipynb") if "cut_squares" in c.source]
    names = {"SOURCE": tmp_path, "SIZE": 16, "SQUARES": 6, "OUTPUT": tmp_path / "outputs"}
    exec(cell.source, names)
    covers, secrets = (names[name][:, 0, 0, 0] for name in ("covers", "secrets"))
    half = len(covers) // 2
    assert half == 12
    assert not {*covers[:half], *secrets[:half]} & {*covers[half:], *secrets[half:]}
    assert (covers != secrets).all()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_keep_to_the_form(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if is_code(cell)]
    assert notebook.cells[0].source.startswith("# ")
    assert code[0].source == nbformat.read(NOTEBOOKS[0], as_version=4).cells[2].source
    assert sum("parameters" in cell.metadata.get("tags", ()) for cell in code) == 1
    assert max(len(cell.source.splitlines()) for cell in code) <= 20
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
