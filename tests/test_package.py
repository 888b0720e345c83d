"""The package as it is published: built, installed where nothing else of it is, used there."""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from stego_lib import __version__

ROOT = Path(__file__).parent.parent
WEIGHTS = sorted(f"stego_lib/weights/{path.name}" for path in (ROOT / "stego_lib" / "weights").iterdir())


def run(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module", params=["whl", "tar.gz"])
def installed(request, dist, tmp_path_factory):
    """Python of an environment with the package from a wheel or sdist, and what it needs from this environment."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder)
    python = next(folder.glob("bin/python*"), folder / "Scripts" / "python.exe")
    [archive] = dist.glob(f"*.{request.param}")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
    (site / "needed.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-build-isolation", "--target", site)
    result = run(*pip, archive)
    assert result.returncode == 0, result.stderr
    return python, site


@pytest.mark.slow
def test_archives_hold_the_package_with_its_weights_and_nothing_else(dist):
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    assert sorted(name for name in names if "/weights/" in name) == WEIGHTS
    assert {name.split("/")[0] for name in names} == {"stego_lib", f"stego_lib-{__version__}.dist-info"}
    assert "stego_lib/py.typed" in names
    assert wheel.stat().st_size < 32e6
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert sorted(name for name in names if "/weights/" in name) == WEIGHTS


@pytest.mark.slow
def test_an_installed_package_hides_and_reveals(installed, tmp_path):
    python, site = installed
    where = run(python, "-c", "import stego_lib; print(stego_lib.__file__)", cwd=tmp_path).stdout
    assert Path(where.strip()).parent == site / "stego_lib"
    assert "hide-many" in run(python, "-m", "stego_lib", "--help", cwd=tmp_path).stdout
    photographs = run(python, "-c", "import skimage.data; print(skimage.data.__path__[0])").stdout.strip()
    cover, secret = f"{photographs}/astronaut.png", f"{photographs}/chelsea.png"
    result = run(python, "-m", "stego_lib", "hide", cover, secret, "-o", "stego.png", "--bits", "1", cwd=tmp_path)
    assert re.search(r"secret 5\d\.\d dB", result.stdout), result.stderr
    result = run(python, "-m", "stego_lib", "reveal", "stego.png", "-o", "revealed.png", cwd=tmp_path)
    assert "the secret, 451x300 pixels" in result.stdout, result.stderr


@pytest.mark.slow
def test_the_package_needs_neither_kaggle_nor_jupyter_nor_a_screen_to_be_imported(tmp_path):
    script = (
        "import sys\n"
        "for name in ('kaggle', 'IPython', 'ipykernel', 'imagecodecs', 'sklearn', 'tkinter', 'jax', 'torch', "
        "'distributed', 'dask', 'fsspec', 'gradio'):\n"
        "    sys.modules[name] = None\n"
        "import keras, stego_lib\n"
        "for name in stego_lib.__all__:\n"
        "    getattr(stego_lib, name)\n"
        "from stego_lib import devices, download\n"
        "import numpy as np\n"
        "stego_lib.plots.image_grid(np.zeros((2, 8, 8, 3), 'uint8')).savefig('grid.png')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    result = run(sys.executable, "-c", script, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "grid.png").exists()


@pytest.mark.slow
def test_installing_it_touches_nothing_that_is_new_enough(dist):
    [wheel] = dist.glob("*.whl")
    needed = f"stego-lib[evaluation] @ {wheel.as_uri()}"
    result = run(sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--ignore-installed", needed)
    assert result.returncode != 0  # nothing to be had: whatever is missing would be noticed
    result = run(sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", needed)
    assert re.findall("Would install (.*)", result.stdout) == [f"stego-lib-{__version__}"], (
        result.stdout + result.stderr
    )
