"""The notebooks in a real browser: JupyterLab, and headless Chromium.

Needs Chromium (`apt install chromium`) and Playwright (`pip install -e ".[browser]"`); skipped without them. The
screenshots are left in the folder that `BROWSER_SCREENSHOTS` names, to be looked at.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from test_notebooks import PARAMETERS, ROOT

from stego_lib.data import save_pairs

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory, pairs):
    """Address of a JupyterLab that serves the notebooks, with small parameters."""
    project = tmp_path_factory.mktemp("lab") / "stego_lib"
    shutil.copytree(ROOT / "stego_lib", project / "stego_lib")
    shutil.copytree(ROOT / "notebooks", project / "notebooks")
    for path in (project / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[3].source += "\n" + PARAMETERS.get(path.stem, "")
        nbformat.write(notebook, path)
    save_pairs(project / "outputs" / "pairs.npz", pairs, pairs)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [f"--ServerApp.port={port}", "--IdentityProvider.token=", "--allow-root", "--no-browser"]
    home = {"HOME": str(project.parent), "JUPYTER_CONFIG_DIR": str(project.parent / "jupyter")}
    command = [sys.executable, "-m", "jupyterlab", *settings, str(project)]
    with open(project.parent / "lab.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | home)
    address = f"http://127.0.0.1:{port}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                opener.open(address, timeout=5).close()
                break
            time.sleep(0.3)
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def page():
    with playwright.sync_playwright() as api:
        browser = api.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 6000})  # cells out of sight are not in the page
        page.set_default_timeout(300_000)
        yield page
        browser.close()


def start(page, lab, name):
    """Opens a notebook and runs all of its cells; their outputs are returned."""
    page.goto(f"{lab}/lab/tree/notebooks/{name}.ipynb?reset")
    page.get_by_text("| Idle").wait_for()
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
    page.get_by_text("Run All Cells", exact=True).click()
    return page.locator(".jp-OutputArea-output")


def look(page, name):
    if folder := os.environ.get("BROWSER_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def finished(page):
    page.wait_for_function("!document.body.innerText.includes('[*]:')")  # no cell runs or waits
    page.wait_for_timeout(1000)
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0


def test_training_shows_a_gallery_that_is_renewed_and_a_progress_bar(lab, page):
    outputs = start(page, lab, "03_train")
    gallery = outputs.locator("img").nth(1)  # after the learning rate
    gallery.wait_for()
    first = gallery.get_attribute("src")
    look(page, "03_train-running")
    finished(page)
    look(page, "03_train-finished")
    assert gallery.get_attribute("src") != first
    assert outputs.get_by_text("Epoch 2/2").count() == 2
    assert outputs.locator("img").count() == 5


def test_comparing_shows_progress_bars_and_tables(lab, page):
    outputs = start(page, lab, "08_compare")
    outputs.get_by_text("Comparing").wait_for()
    look(page, "08_compare-running")
    finished(page)
    look(page, "08_compare-finished")
    assert outputs.locator("table").count() == 2
    assert page.get_by_text("Disturbing: 100%").is_visible()
    assert outputs.locator("img").count() == 4
