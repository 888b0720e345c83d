"""What the page of `stego-lib app` asks of the library, and in which words it answers."""

import math

import pytest
import skimage.data
from PIL import Image

from stego_lib.app.ways import ALIKE, BEST, CHOSEN, EXACT, PNG, SURVIVING, WAYS, arguments, in_page_words, suffix
from stego_lib.hiding.outcome import Hidden
from stego_lib.hiding.wording import describe_hidden

CHOICES = {"quality": 33, "cover_quality": 36, "received": None}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    image = Image.fromarray(skimage.data.coffee()[:240, :320])
    image.save(folder / "cover.jpg", quality=95)
    image.save(folder / "cover.png")
    image.save(folder / "received.jpg", quality=60)
    image.save(folder / "ruined.jpg", quality=5)
    return folder


def test_what_is_wanted_decides_what_hide_is_told():
    assert arguments(CHOSEN, **CHOICES) == {"quality": 33}
    assert arguments(EXACT, **CHOICES) == {"quality": math.inf}
    assert arguments(SURVIVING, **CHOICES) == {"survive": 75, "fit": 1280, "cover_quality": 36, "shrink": True}


def test_a_service_is_learned_from_what_came_back(photographs):
    how = arguments(SURVIVING, **CHOICES | {"received": photographs / "received.jpg"})
    assert how["fit"] == 320
    assert 50 < how["survive"] <= 60
    with pytest.raises(ValueError, match=r"ruined\.jpg was compressed so strongly that no secret survives it"):
        arguments(SURVIVING, **CHOICES | {"received": photographs / "ruined.jpg"})


def test_a_jpeg_stays_one_where_its_coefficients_have_room(photographs):
    kinds = {way: suffix(way, ALIKE, photographs / "cover.jpg") for way in WAYS}
    assert [way for way, kind in kinds.items() if kind == ".png"] == [BEST, EXACT]
    kinds = {way: suffix(way, ALIKE, photographs / "cover.png") for way in WAYS}
    assert [way for way, kind in kinds.items() if kind == ".jpg"] == [SURVIVING]
    assert {suffix(way, PNG, photographs / "cover.jpg") for way in WAYS} == {".png"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("With `bits=3` there is no room.", "With 3 bits a sample there is no room."),
        ("or a lower `quality`", "or a lower quality"),
        ("The secret does not fit with `find_at_most=0.55`: no.", "The secret does not fit with “Hard to find”: no."),
        ("take a smaller secret; `shrink=True` makes it smaller.", "take a smaller secret."),
        ("or an output that ends in .png.", "or a PNG."),
        ("at `cover_quality=38`: take a lower one", "at a quality of the cover of 38 dB: take a lower one"),
        ("/tmp/x/photo.jpg cannot be read.", "photo.jpg cannot be read."),
    ],
)
def test_sentences_are_in_the_words_of_the_page(text, expected):
    assert in_page_words(text, ["/tmp/x/photo.jpg"]) == expected


def test_what_helps_can_be_chosen_on_the_page():
    cover = skimage.data.coffee()[:240, :320]
    hidden = Hidden(cover, 0.1, 2000, 0.1, 50.0, 45.0, (40, 60), 0.9)
    text = in_page_words(" ".join(describe_hidden(hidden, passphrase=None)))
    assert "times the pixels or a quality of" in text
    assert "There is no passphrase" in text
    assert "`" not in text
