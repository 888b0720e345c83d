"""Runs all notebooks in order, in a folder of their own, with small parameters."""

import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BAR = re.compile("(Reading|Quantizing|Compressing|Comparing|Disturbing|Detecting)")  # what a progress bar begins with
HIDING = """
import sys  # the package that is installed here is not on the machine
sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in getattr(finder, "__name__", "")]
"""
PARAMETERS = {
    "01_data": 'SOURCE = "bundled"',
    "02_model": "FILTERS = 8",
    "03_train": 'OVERRIDES = {"filters": 8, "num_blocks": 1, "epochs": 2, "steps_per_epoch": 3}',
    "05_use": "MAX_SIDE = 96",
    "07_files": "BITS, MAX_SIDE = (1, 2), 96",
    "08_compare": "BITS, PAIRS = (1, 2), 2",
    "09_steganalysis": 'SIZE, DETECTED, SHARES, BITS, MODELS = 64, ("SPA", "SPAM"), (1.0, 0.2), (2,), ()',
    "06_codec": "BITS, SIDE = (1, 2), 64\n"
    "from stego_lib.codec.training import CODEC_PRESETS\n"
    "CODEC_PRESETS[PRESET].update(filters=8, epochs=2, steps_per_epoch=3, synthesis_filters=8, synthesis_epochs=1,"
    " synthesis_steps_per_epoch=3, synthesis_crops=64)",
}
WRITTEN = {
    "01_data": ["outputs/pairs.npz"],
    "03_train": ["outputs/train/autoencoder.keras", "outputs/train/history.csv", "outputs/train/gallery/epoch_002.png"],
    "04_evaluate": ["outputs/evaluation/best.png", "outputs/evaluation/error_histogram.png"],
    "05_use": ["outputs/use/stego.png", "outputs/use/revealed.png", "outputs/use/gallery.png"],
    "06_codec": ["outputs/codec/codec.npz", "outputs/codec/context/history.csv", "outputs/codec/compared.png"],
    "08_compare": ["outputs/compare/psnr.png", "outputs/compare/ssim.png", "outputs/compare/pictures.png"],
    "09_steganalysis": ["outputs/steganalysis/roc.png", "outputs/steganalysis/shares.png"],
    "07_files": ["outputs/files/stego-1.png", "outputs/files/revealed-2.png", "outputs/files/gallery.png"],
}


def run(path, folder, parameters=None, root="", environment=None):
    """Runs a notebook with other parameters; `root` takes the place of that of Colab and Kaggle."""
    notebook = nbformat.read(path, as_version=4)
    for host in ("/content", "/kaggle"):
        notebook.cells[2].source = notebook.cells[2].source.replace(f'"{host}/', f'"{root}{host}/')
    if parameters:
        tagged = [i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ())]
        notebook.cells.insert(tagged[0] + 1, nbformat.v4.new_code_cell(parameters))
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute(
        env=environment or dict(os.environ)
    )
    return notebook


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
def executed(tmp_path_factory, dist):
    """The notebooks as they are after a run from the first to the last, and the folder they ran in, without a clone."""
    root = tmp_path_factory.mktemp("a folder")
    environment, folder = bare_machine(root, dist), root / "content"
    folder.mkdir()
    return {path.stem: run(path, folder, PARAMETERS.get(path.stem), root, environment) for path in NOTEBOOKS}, folder


@pytest.mark.slow
def test_notebooks_run_in_order_and_write_what_they_say(executed):
    _, folder = executed
    assert [name for names in WRITTEN.values() for name in names if not (folder / name).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("01_data", 4),
        ("02_model", 8),
        ("03_train", 3),
        ("04_evaluate", 6),
        ("05_use", 3),
        ("06_codec", 5),
        ("07_files", 3),
        ("08_compare", 4),
        ("09_steganalysis", 3),
    ],
)
def test_figures_are_shown_and_nothing_is_complained_about(executed, name, figures):
    outputs = [output for cell in executed[0][name].cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == figures
    assert [
        output.text for output in outputs if output.get("name") == "stderr" and not BAR.match(output.text.strip())
    ] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["02_model", "03_train", "04_evaluate"])
def test_a_missing_file_says_which_notebook_writes_it(name, tmp_path):
    shutil.copytree(ROOT / "stego_lib", tmp_path / "stego_lib")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    with pytest.raises(Exception, match="01_data"):
        run(tmp_path / "notebooks" / f"{name}.ipynb", tmp_path / "notebooks")


@pytest.mark.slow
def test_without_a_training_the_weights_of_the_library_are_taken(tmp_path):
    shutil.copytree(ROOT / "stego_lib", tmp_path / "stego_lib")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    notebook = run(tmp_path / "notebooks" / "05_use.ipynb", tmp_path / "notebooks", PARAMETERS["05_use"])
    printed = [output.text for cell in notebook.cells for output in cell.get("outputs", ()) if "text" in output]
    assert "modular-8, which comes with the library" in "".join(printed)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_keep_to_the_form(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert notebook.cells[0].source.startswith("# ")
    assert code[0].source == nbformat.read(NOTEBOOKS[0], as_version=4).cells[2].source
    assert sum("parameters" in cell.metadata.get("tags", ()) for cell in code) == 1
    assert max(len(cell.source.splitlines()) for cell in code[1:]) <= 20
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
