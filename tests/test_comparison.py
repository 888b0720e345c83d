import numpy as np
import pytest
import skimage.data

from stego_lib.evaluation.comparison import all_methods, compare, comparison_table, disturb, disturbance_table
from stego_lib.evaluation.disturbances import DISTURBANCES
from stego_lib.evaluation.quality import Method

COVER, SECRET = skimage.data.coffee()[100:164, 200:264], skimage.data.astronaut()[60:124, 180:244]


@pytest.fixture(scope="module")
def methods():
    return all_methods(bits=(3,))


@pytest.mark.slow
def test_all_methods_hide_and_reveal_through_a_png(methods):
    qualities = compare(methods, COVER[None], SECRET[None])
    secret = {name: quality["secret_psnr"][0] for name, quality in qualities.items()}
    best = max(secret[f"{codec}, 3 bits"] for codec in ("AVIF", "JPEG XL", "JPEG 2000", "WebP"))
    assert secret["plain LSB, 3 bits"] < secret["LSB, 3 bits"] < best < secret["hide, 3 bits"]
    assert {name for name, quality in qualities.items() if quality["cover_psnr"][0] < 33} == set()
    assert len(comparison_table(qualities).splitlines()) == len(methods) + 2


@pytest.mark.slow
def test_disturbed_files_are_refused_and_disturbed_pictures_degrade(methods):
    names = ("LSB, 3 bits", "hide, 3 bits", "AVIF, 3 bits", "joint residual", "joint robust")
    chosen = {name: methods[name] for name in names}
    left = disturb(chosen, COVER[None], SECRET[None])
    for name, value in left["hide, 3 bits"].items():
        assert np.isnan(value[0]) == (name != "none")
    assert np.isnan(left["AVIF, 3 bits"]["noise, sigma 1"][0])
    residual = [left["joint residual"][f"noise, sigma {sigma}"][0] for sigma in (0.5, 1, 2, 5)]
    assert residual == sorted(residual, reverse=True)
    assert residual[1] > left["LSB, 3 bits"]["noise, sigma 1"][0] + 5
    robust = [left["joint robust"][f"JPEG, quality {quality}"][0] for quality in (95, 75, 50)]
    assert robust == sorted(robust, reverse=True)
    assert robust[1] > left["joint residual"]["JPEG, quality 75"][0] + 8
    assert left["LSB, 3 bits"]["crop"][0] == pytest.approx(left["LSB, 3 bits"]["none"][0], abs=1)
    rows = {row.split(" | ")[0]: row.split(" | ")[1:] for row in disturbance_table(left).splitlines()}
    assert rows["| hide, 3 bits"] == [f"{left['hide, 3 bits']['none'][0]:.1f}"] + ["refused"] * 11 + ["refused |"]


def test_what_cannot_be_hidden_is_said():
    def never(cover, secret):
        return None

    methods = {"never, 1 bit": Method(never, np.copy), "same, 1 bit": Method(lambda cover, secret: secret, np.copy)}
    qualities = compare(methods, COVER[None], SECRET[None])
    assert np.isnan(qualities["never, 1 bit"]["secret_psnr"]).all()
    assert qualities["same, 1 bit"]["secret_psnr"][0] == 68
    assert "| never, 1 bit | cannot hide 1 of 1 |  |  |" in comparison_table(qualities)
    left = disturb(methods, COVER[None], SECRET[None])
    assert "| never, 1 bit | cannot hide | cannot hide |" in disturbance_table(left)


@pytest.mark.slow
def test_a_secret_without_room_is_none(methods):
    assert methods["hide, 3 bits"].hide(COVER[:16, :16], np.tile(SECRET, (3, 3, 1))) is None


@pytest.mark.parametrize("name", DISTURBANCES)
def test_disturbances_change_what_they_should(name):
    changed = DISTURBANCES[name](COVER)
    assert changed.dtype == np.uint8
    assert changed.shape == ((54, 54, 3) if name == "crop" else COVER.shape)
    if name == "crop":
        np.testing.assert_array_equal(changed, COVER[5:-5, 5:-5])
    else:
        differing = np.sum(changed != COVER)
        assert differing == {"none": 0, "one sample": 1}[name] if name in ("none", "one sample") else differing > 100
