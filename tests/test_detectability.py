import csv
from importlib import resources
from pathlib import Path

import pytest

from stego_lib.hiding import detectability
from stego_lib.hiding.detectability import area_under_roc, highest_rate, in_words, pixels_needed


@pytest.fixture(autouse=True)
def table(monkeypatch, tmp_path):
    """A table of two sizes; at the larger one less was measured."""
    (tmp_path / "detectability.csv").write_text(
        "embedding,rate,side,auc\nadaptive,0.4,128,0.8\nadaptive,0.2,128,0.6\nadaptive,0.1,128,0.55\n"
        "adaptive,0.2,512,0.9\nuniform,0.1,128,0.95\nuniform,0.2,128,0.94\nuniform,0.4,128,1.0\n"
    )
    with monkeypatch.context() as patch:
        patch.setattr(resources, "files", lambda package: tmp_path)
        detectability._table.cache_clear()
        yield
    detectability._table.cache_clear()


def test_what_was_measured_is_told():
    assert area_under_roc(0.2, 128**2) == pytest.approx(0.6)
    assert area_under_roc(0.4, 128**2) == pytest.approx(0.8)
    assert area_under_roc(0.2, 512**2) == pytest.approx(0.9)
    assert area_under_roc(0.1, 128**2, embedding="uniform") == pytest.approx(0.95)
    assert area_under_roc(0, 128**2) == 0.5


def test_between_rates_and_sizes_it_is_interpolated():
    assert 0.6 < area_under_roc(0.3, 128**2) < 0.8
    assert area_under_roc(0.2, 128**2) < area_under_roc(0.2, 256**2) < area_under_roc(0.2, 512**2)


def test_other_sizes_follow_the_square_root_law():
    assert area_under_roc(0.4, 64**2) == pytest.approx(0.6)
    assert area_under_roc(0.1, 1024**2) == pytest.approx(0.9)


def test_more_is_never_found_less_easily_and_nothing_is_certain():
    areas = [area_under_roc(rate / 50, 200**2, embedding="uniform") for rate in range(51)]
    assert areas == sorted(areas)
    assert areas[-1] < 1


@pytest.mark.parametrize("area", [0.51, 0.6, 0.9])
@pytest.mark.parametrize("pixels", [40**2, 300**2, 12_000_000])
def test_the_highest_rate_is_found_just_so_easily(area, pixels):
    rate = highest_rate(area, pixels)
    assert area_under_roc(rate, pixels) <= area
    assert area_under_roc(1.01 * rate, pixels) > area or rate == 1


@pytest.mark.parametrize(("area", "num_bytes"), [(0.55, 20_000), (0.8, 20_000), (0.501, 20_000), (0.55, 200_000_000)])
def test_a_cover_that_is_large_enough_is_hardly_found(area, num_bytes):
    pixels = pixels_needed(area, num_bytes)
    assert area_under_roc(8 * num_bytes / 3 / pixels, pixels) <= area
    assert area_under_roc(8 * num_bytes / 3 / (pixels / 1.1), pixels / 1.1) > area


def test_words_tell_what_the_number_means():
    words = [in_words(area) for area in (0.5, 0.6, 0.7, 0.9, 0.99)]
    assert words == ["hardly found", "seldom found", "often found", "easily found", "found nearly always"]


def test_the_table_of_the_package_can_be_used():
    path = Path(detectability.__file__).with_name("detectability.csv")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["embedding"] for row in rows} == {"adaptive", "uniform", "jpeg"}
    assert all(0.4 <= float(row["auc"]) <= 1 and 0 < float(row["rate"]) <= 4 and float(row["side"]) for row in rows)
