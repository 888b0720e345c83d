import numpy as np
import pytest
import skimage.data

from stego_lib.cli import main
from stego_lib.hiding.capacity import GOOD
from stego_lib.hiding.covers import choose_cover
from stego_lib.hiding.stego import hide
from stego_lib.images import write_image

pytestmark = pytest.mark.slow
SECRET = skimage.data.chelsea()[60:108, 100:148]
BUSY, SMOOTH = skimage.data.coffee()[100:196, 200:296], skimage.data.astronaut()[:96, :96]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("covers")
    write_image(folder / "busy.png", BUSY)
    write_image(folder / "smooth.png", np.clip(SMOOTH // 8 * 2 + 90, 0, 255).astype("uint8"))
    write_image(folder / "small.png", BUSY[:20, :20])
    write_image(folder / "large.png", skimage.data.coffee())
    write_image(folder / "pure.png", np.full((96, 96, 3), (255, 0, 0), "uint8"))
    write_image(folder / "secret.png", SECRET)
    return folder


def paths(folder):
    return [str(folder / f"{name}.png") for name in ("smooth", "small", "pure", "busy", "large")]


def test_large_and_busy_covers_come_first_and_those_without_room_are_left_out(folder):
    rated = choose_cover(SECRET, paths(folder))
    assert [cover.path for cover in rated] == [str(folder / f"{name}.png") for name in ("large", "busy", "smooth")]
    assert rated[0].cost < rated[1].cost < rated[2].cost
    hidden = hide(BUSY, SECRET, quality=GOOD, details=True)
    assert rated[1].bits == pytest.approx(hidden.bits, rel=0.05)
    assert rated[1].changed == pytest.approx(hidden.changed, rel=0.15)
    assert rated[1].roc_auc == pytest.approx(hidden.roc_auc, abs=0.05)


def test_the_command_prints_a_row_for_every_cover_that_has_room(folder, capsys):
    assert main(["choose-cover", str(folder / "secret.png"), *paths(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[2:-1]] == [cover.path for cover in choose_cover(SECRET, paths(folder))]
    assert lines[-1] == "2 of the photographs have no room for the secret."


def test_what_is_wrong_is_said(folder, capsys):
    assert main(["choose-cover", str(folder / "large.png"), str(folder / "small.png")]) == 1
    assert "take larger ones, or a lower --quality" in capsys.readouterr().err
    assert main(["choose-cover", str(folder / "secret.png"), str(folder / "none.png")]) == 1
    assert "There is no file" in capsys.readouterr().err
