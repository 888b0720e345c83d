"""Runs all notebooks in order, in a folder of their own, with small parameters."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BAR = re.compile("(Reading|Quantizing|Compressing|Comparing|Disturbing|Detecting)")  # what a progress bar begins with
PARAMETERS = {
    "01_data": 'SOURCE = "bundled"',
    "02_model": "FILTERS = 8",
    "03_train": 'OVERRIDES = {"filters": 8, "num_blocks": 1, "epochs": 2, "steps_per_epoch": 3}',
    "05_use": "MAX_SIDE = 96",
    "07_files": "BITS, MAX_SIDE = (1, 2), 96",
    "08_compare": "BITS, PAIRS = (1, 2), 2",
    "09_steganalysis": 'SIZE, DETECTED, SHARES, BITS, MODELS = 64, ("SPA", "SPAM"), (1.0, 0.2), (2,), ()',
    "06_codec": "BITS, SIDE = (1, 2), 64\n"
    "from stego_lib.files.training import CODEC_PRESETS\n"
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
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute(env=environment)
    return notebook


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebooks as they are after a run from the first to the last, and the folder they ran in."""
    project = tmp_path_factory.mktemp("a folder") / "stego_lib"  # the name that git clone gives it
    shutil.copytree(ROOT / "stego_lib", project / "stego_lib")
    shutil.copytree(ROOT / "notebooks", project / "notebooks")
    return {path.stem: run(path, project / "notebooks", PARAMETERS.get(path.stem)) for path in NOTEBOOKS}, project


@pytest.mark.slow
def test_notebooks_run_in_order_and_write_what_they_say(executed):
    _, project = executed
    assert [name for names in WRITTEN.values() for name in names if not (project / name).exists()] == []


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
