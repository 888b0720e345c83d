"""What somebody may want, in words, and what `hide_file` is told then."""

import math
import re
from pathlib import Path

from stego_lib.hiding.detectability import HARDLY
from stego_lib.hiding.jpeg_file import is_jpeg
from stego_lib.hiding.services import surviving_options

BALANCED = "Balanced: a good copy of the secret, and as few changes as that takes"
HARD_TO_FIND = "Hard to find: the best copy that a detector hardly notices"
CHOSEN = "As good as I say: no more changes than that quality of the secret takes"
BEST = "Best picture: a PNG that uses much room, and is easily found"
EXACT = "Exact: a PNG from which the secret comes back bit for bit, if there is room"
SURVIVING = "Must survive chat apps and JPEG: easily found, and the secret is made smaller if it has to be"
WAYS = (BALANCED, HARD_TO_FIND, CHOSEN, BEST, EXACT, SURVIVING)
MESSENGERS = {"survive": 75, "fit": 1280}  # pixels, the fewest of the messengers that README lists

ALIKE = "The kind of the cover: a JPEG stays one, which hides better"
PNG = "A PNG, which has more room"
KINDS = (ALIKE, PNG)
WORDS = {  # of the page, for those of the library
    r"A fraction as `bits`": "“Hard to find”",
    r"`find_at_most=[\d.]+`": "“Hard to find”",
    r"; `shrink=True` makes it (smaller|so small)": "",
    r"`cover_quality=([\d.]+)`": r"a quality of the cover of \1 dB",
    r"`cover_quality`": "quality of the cover",
    r"`bits=([\d.]+)`": r"\1 bits a sample",
    r"`quality=([\d.]+)`": r"a quality of \1 dB",
    r"[Aa]n output that ends in \.png": "a PNG",
    r"An output that ends in \.jpg hides better": "A JPEG hides better",
    r"`": "",
}


def arguments(way, *, quality, cover_quality, received):
    """Says what `hide_file` has to be told.

    Args:
        way: One of `WAYS`.
        quality: PSNR in dB of the secret, for `CHOSEN`.
        cover_quality: PSNR in dB of the cover, for `SURVIVING`.
        received: For `SURVIVING`, path of a photograph that came back from the service, or `None`.

    Returns:
        Dictionary of arguments.

    Raises:
        ValueError: If no secret survives what was done to `received`, or it is no JPEG file.
    """
    if way == SURVIVING:
        service = surviving_options(received) if received else MESSENGERS
        return {**service, "cover_quality": cover_quality, "shrink": True}
    return {
        BALANCED: {},
        HARD_TO_FIND: {"find_at_most": HARDLY},
        CHOSEN: {"quality": quality},
        BEST: {"bits": 3},
        EXACT: {"quality": math.inf},
    }[way]


def suffix(way, kind, cover):
    """Says what the name of the stego image ends in.

    Args:
        way: One of `WAYS`.
        kind: One of `KINDS`.
        cover: Path of the cover.

    Returns:
        `".jpg"` or `".png"`.
    """
    if kind == PNG or way in (BEST, EXACT):  # of which coefficients have no room for
        return ".png"
    return ".jpg" if is_jpeg(cover) or way == SURVIVING else ".png"


def in_page_words(text, paths=()):
    """Puts a sentence of the library into the words of the page.

    Args:
        text: String, in which arguments stand in backticks.
        paths: Of files whose names are enough. Defaults to none.

    Returns:
        String.
    """
    for path in paths:
        text = text.replace(str(path), Path(path).name)
    for pattern, words in WORDS.items():
        text = re.sub(pattern, words, text)
    return text
