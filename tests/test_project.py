import re
import tomllib
from pathlib import Path

import stego_lib

ROOT = Path(__file__).parent.parent


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


def test_the_library_is_pure_keras():
    for path in (ROOT / "stego_lib").rglob("*.py"):
        if path.name == "devices.py":  # strategies are what only the backends have
            continue
        assert not re.search(r"^\s*(import|from) (tensorflow|jax|torch)\b", path.read_text(), re.MULTILINE), path
