import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

import stego_lib

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PARTS = (ROOT / "docs" / "parts.md").read_text()


def test_every_public_name_can_be_used():
    for name in stego_lib.__all__:
        assert getattr(stego_lib, name) is not None


def test_requirements_and_pyproject_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {*project["dependencies"], *extras["evaluation"], *extras["notebooks"]} - {"stego-lib[evaluation]"}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    named = {line.split("#")[0].strip() for line in lines}
    assert named - {"", "-e ."} == wanted


def test_the_light_requirements_are_those_with_jax_in_place_of_tensorflow():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {name for name in project["dependencies"] if not name.startswith("tensorflow")}
    [jax] = [name for name in project["optional-dependencies"]["dev"] if name.startswith("jax")]
    lines = (ROOT / "requirements-light.txt").read_text().splitlines()
    assert {line.split("#")[0].strip() for line in lines} - {""} == {*wanted, jax}


def test_the_library_is_pure_keras():
    for path in (ROOT / "stego_lib").rglob("*.py"):
        if path.name == "devices.py":  # strategies are what only the backends have
            continue
        assert not re.search(r"^\s*(import|from) (tensorflow|jax|torch)\b", path.read_text(), re.MULTILINE), path


def imported(path):
    """Names of the modules of the library that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("folder", "above"),
    [
        ("codec", "training models callbacks plots hiding evaluation cli"),
        ("hiding", "training models callbacks plots evaluation cli"),
        ("evaluation", "cli"),
    ],
)
def test_imports_point_one_way(folder, above):
    for path in (ROOT / "stego_lib" / folder).glob("*.py"):
        for name in imported(path):
            assert not re.match(rf"stego_lib\.({'|'.join(above.split())})\b", name), (path, name)


def test_the_commands_of_the_readme_come_after_the_environment():
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    activation = next(number for number, line in enumerate(commands) if line.startswith("source .venv/bin/activate"))
    assert all(line.split()[0] not in ("python", "stego-lib") for line in commands[:activation])
    assert r".venv\Scripts\activate" in commands[activation]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder with cover.jpg and secret.jpg."""
    folder = tmp_path_factory.mktemp("readme")
    Image.fromarray(skimage.data.coffee()[:120, :160]).save(folder / "cover.jpg", quality=92)
    Image.fromarray(skimage.data.chelsea()[60:124, 100:164]).save(folder / "secret.jpg", quality=92)
    return folder


# Where a snippet trains: on two photographs, and without compiling, which takes longer than two steps.
QUICK = """
import stego_lib.data, tensorflow
stego_lib.data.BUNDLED["train"] = ("coffee", "rocket")
tensorflow.config.run_functions_eagerly(True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("snippet", re.findall(r"^```python\n(.*?)^```", README + PARTS, re.MULTILINE | re.DOTALL))
def test_the_python_of_the_readme_and_of_the_parts_runs_as_copied(snippet, photographs):
    short = {"KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "2"}
    command = [sys.executable, "-c", (QUICK if "load_pairs" in snippet else "") + snippet]
    subprocess.run(command, cwd=photographs, env={**os.environ, **short}, check=True, timeout=500)
