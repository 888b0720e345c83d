"""What the page shows: a tab to hide, one to reveal, and one that tells what fits."""

import contextlib
import math
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np

from stego_lib.app.ways import ALIKE, BALANCED, CHOSEN, KINDS, SURVIVING, WAYS, arguments, in_page_words, suffix
from stego_lib.hiding.capacity import capacity
from stego_lib.hiding.detectability import in_words
from stego_lib.hiding.jpeg_file import read_if_jpeg
from stego_lib.hiding.jpeg_stego import jpeg_capacity
from stego_lib.hiding.outcome import NothingHiddenError
from stego_lib.hiding.stego import hide_file, reveal_file
from stego_lib.hiding.wording import decibels, describe_hidden, describe_revealed, percent
from stego_lib.images import UnsupportedFileError, read_image, write_image
from stego_lib.paths import sentence
from stego_lib.photographs import resized

PREVIEW = 1400  # pixels, longer side of a picture that is only looked at
FEW, MANY = 100, 30  # times that changes are amplified, of 1 or 2 and of more
# A picture that is only looked at must not be saved in place of the file.
LOOKED_AT = {"visible": False, "type": "filepath", "interactive": False, "buttons": ["fullscreen"]}
# Warnings are caught for the whole process, and memory is for one: others wait, and are told so.
ONE_AT_A_TIME = {"concurrency_limit": 1, "concurrency_id": "photographs", "api_visibility": "private"}
PHOTOGRAPHS = [".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif"]
COLUMNS = ["file", "bits", "bytes", "changed", "cover", "secret", "how easily found"]
NOTHING = (
    "Nothing was revealed: nothing is hidden in this file, or the passphrase is wrong, or the image was changed after "
    "the secret was hidden. Chat programs change pictures unless they are sent as files."
)


def hide_tab(gr, files):
    """Adds the tab that hides.

    Args:
        gr: The module `gradio`.
        files: `Files`.
    """
    with gr.Row():
        cover = gr.File(label="Cover: the photograph that everybody may see", file_types=PHOTOGRAPHS, height=140)
        secret = gr.File(label="Secret: the photograph to hide", file_types=PHOTOGRAPHS, height=140)
    way = gr.Radio(list(WAYS), value=BALANCED, label="What matters most")
    quality = gr.Slider(25, 55, value=32, step=1, label="Quality of the secret, PSNR in dB", visible=False)
    with gr.Group(visible=False) as surviving:
        cover_quality = gr.Slider(30, 45, value=38, step=1, label="Quality of the cover, PSNR in dB: less is more room")
        label = "A photograph that came back from the app, to learn from"
        received = gr.File(label=label, file_types=PHOTOGRAPHS[:2], height=150)
    kind = gr.Radio(list(KINDS), value=ALIKE, label="The stego image is")
    with gr.Row():
        passphrase = gr.Textbox(type="password", label="Passphrase, several words")
        again = gr.Textbox(type="password", label="The same again")
    button = gr.Button("Hide", variant="primary")
    said = gr.Markdown(min_height=80)  # in which progress is shown
    download = gr.File(label="The stego image", visible=False)
    slider = gr.ImageSlider(label="Cover and stego image", **LOOKED_AT)
    difference = gr.Image(**LOOKED_AT)

    def choose(way):
        return gr.update(visible=way == CHOSEN), gr.update(visible=way == SURVIVING)

    def hide(
        cover,
        secret,
        way,
        quality,
        cover_quality,
        received,
        kind,
        passphrase,
        again,
        request: gr.Request,
        progress=gr.Progress(),  # noqa: B008
    ):
        _need(gr, ("a cover", cover), ("a secret", secret))
        if passphrase != again:
            raise gr.Error("The two passphrases are not the same.", print_exception=False)
        with tempfile.TemporaryDirectory() as folder, _told(gr, cover, secret, received, folder=folder):
            progress(0, "Loading")
            how = arguments(way, quality=quality, cover_quality=cover_quality, received=received)
            stego = Path(folder) / f"{Path(cover).stem}-stego{suffix(way, kind, cover)}"
            how["progress"] = lambda part: progress(part, "Hiding")
            hidden = hide_file(cover, secret, stego, passphrase or None, **how)
            times = _write_previews(folder, read_image(cover), read_image(stego))
            names = stego.name, "cover-preview.png", "stego-preview.png", "difference.png"
            shown = [files.output(request, folder, name) for name in names]
        is_jpeg = stego.suffix == ".jpg" and way != SURVIVING
        text = describe_hidden(hidden, passphrase=passphrase or None, is_jpeg=is_jpeg, survive=how.get("survive"))
        how_to_send = "save it, and send it" + ("" if way == SURVIVING else " as a file, or it is lost")
        return (
            _paragraphs(text) + "\n\nFrom 40 dB on, hardly anybody sees a difference.",
            gr.update(value=shown[0], visible=True, label=f"The stego image: {how_to_send}"),
            gr.update(value=(shown[1], shown[2]), visible=True),
            gr.update(value=shown[3], visible=True, label=f"What was changed, amplified {times} times"),
        )

    _keep_uploads(gr, files, cover, secret, received)
    way.change(choose, way, [quality, surviving], api_visibility="private")
    inputs = [cover, secret, way, quality, cover_quality, received, kind, passphrase, again]
    outputs = [said, download, slider, difference]
    _on_click(gr, button, hide, inputs, outputs)


def reveal_tab(gr, files):
    """Adds the tab that reveals.

    Args:
        gr: The module `gradio`.
        files: `Files`.
    """
    stego = gr.File(label="The stego image, as it was saved", file_types=PHOTOGRAPHS, height=140)
    passphrase = gr.Textbox(type="password", label="Passphrase")
    button = gr.Button("Reveal", variant="primary")
    said = gr.Markdown(min_height=80)  # in which progress is shown
    download = gr.File(label="The secret", visible=False)
    picture = gr.Image(label="The secret", **LOOKED_AT)

    def reveal(stego, passphrase, request: gr.Request, progress=gr.Progress()):  # noqa: B008
        _need(gr, ("a stego image", stego))
        with tempfile.TemporaryDirectory() as folder, _told(gr, stego, folder=folder):
            progress(0, "Loading")
            how = {"details": True, "progress": lambda part: progress(part, "Revealing")}
            revealed = reveal_file(stego, Path(folder) / "revealed.png", passphrase or None, **how)
            write_image(Path(folder) / "preview.png", resized(revealed.secret, PREVIEW))
            shown = [files.output(request, folder, name) for name in ("revealed.png", "preview.png")]
        return _paragraphs(describe_revealed(revealed)), *(gr.update(value=value, visible=True) for value in shown)

    _keep_uploads(gr, files, stego)
    _on_click(gr, button, reveal, [stego, passphrase], [said, download, picture])


def capacity_tab(gr, files):
    """Adds the tab that tells what fits.

    Args:
        gr: The module `gradio`.
        files: `Files`.
    """
    with gr.Row():
        cover = gr.File(label="Cover", file_types=PHOTOGRAPHS, height=140)
        secret = gr.File(label="Secret; without one, a photograph like the cover", file_types=PHOTOGRAPHS, height=140)
    button = gr.Button("What fits?", variant="primary")
    gr.Markdown("Bits for every sample of a PNG, and for every coefficient of a JPEG that is not 0.")
    table = gr.Dataframe(headers=COLUMNS, interactive=False, wrap=True)

    def estimate(cover, secret):
        _need(gr, ("a cover", cover))
        with _told(gr, cover, secret):
            shown, content = read_image(cover), read_if_jpeg(cover)
            hidden, jpeg = (read_image(secret), read_if_jpeg(secret)) if secret else (shown, content)
            rows = [("PNG", row) for row in capacity(shown, hidden, jpeg=jpeg)]
            if content:
                try:
                    rows = [("JPEG", row) for row in jpeg_capacity(content, hidden, jpeg=jpeg)] + rows
                except UnsupportedFileError as error:
                    gr.Warning(f"A JPEG cannot be the stego image: {error}.")
        return [_cells(name, row) for name, row in rows]

    _keep_uploads(gr, files, cover, secret)
    button.click(estimate, [cover, secret], table, **ONE_AT_A_TIME)


def _keep_uploads(gr, files, *boxes):
    """Notes files when they are chosen: if no button is clicked, they are deleted all the same."""

    def keep(path, request: gr.Request):
        files.keep(request, path)

    for box in boxes:
        box.upload(keep, box, None, api_visibility="private")


def _cells(name, row):
    secret = "no room" if math.isnan(row.secret_psnr) else decibels(row.secret_psnr)
    found = "-" if math.isnan(row.roc_auc) else f"{in_words(row.roc_auc)} ({row.roc_auc:.2f})"
    return [name, f"{row.bits}", row.num_bytes, percent(row.changed), decibels(row.cover_psnr), secret, found]


def _on_click(gr, button, function, inputs, outputs):
    """Has a button take away what an earlier click has shown, and then show what a function returns."""
    nothing = "", *[gr.update(visible=False)] * (len(outputs) - 1)
    button.click(lambda: nothing, None, outputs, api_visibility="private").then(
        function, inputs, outputs, show_progress_on=outputs[0], **ONE_AT_A_TIME
    )


def _need(gr, *given):
    for name, path in given:
        if path is None:
            raise gr.Error(f"Choose {name} first.", print_exception=False)


@contextlib.contextmanager
def _told(gr, *paths, folder=None):
    """Shows warnings and errors, in the words of the page and with names of files as the user knows them."""

    def words(text):
        text = text if folder is None else text.replace(f"{folder}{os.sep}", "")
        return in_page_words(text, filter(None, paths))

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            yield
    except NothingHiddenError:
        raise gr.Error(NOTHING, print_exception=False) from None
    except (OSError, ValueError, RuntimeError) as error:
        raise gr.Error(words(sentence(error)), print_exception=False) from None
    for warning in caught:
        if warning.category is UserWarning:
            gr.Warning(words(str(warning.message)))


def _paragraphs(sentences):
    first, *others = map(in_page_words, sentences)
    return "\n\n".join([f"**{first[0].upper()}{first[1:]}**", *others])


def _write_previews(folder, cover, stego):
    """Writes what is only looked at; returns how many times the difference is amplified."""
    cover = resized(cover, max(stego.shape))  # as it was made to fit
    difference = np.abs(stego.astype("int16") - cover)
    times = FEW if difference.max() <= 2 else MANY
    pictures = {"cover-preview": cover, "stego-preview": stego, "difference": np.minimum(difference * times, 255)}
    for name, picture in pictures.items():
        write_image(Path(folder) / f"{name}.png", resized(picture.astype("uint8"), PREVIEW))
    return times
