"""Hide and reveal in a browser: a page of this machine that needs no internet, made with Gradio."""

import collections
import contextlib
import math
import os
import re
import shutil
import tempfile
import threading
import warnings
from pathlib import Path

import cv2
import numpy as np

from stego_lib.hiding.capacity import capacity
from stego_lib.hiding.detectability import in_words
from stego_lib.hiding.outcome import NothingHiddenError
from stego_lib.hiding.stego import hide_file, reveal_file
from stego_lib.images import read_image, write_image
from stego_lib.paths import sentence

LARGEST_FILE = 200  # MB
PREVIEW = 1400  # pixels, longer side of a picture that is only looked at
AMPLIFIED = 100
# A picture that is only looked at must not be saved in place of the file.
LOOKED_AT = {"visible": False, "type": "filepath", "interactive": False, "buttons": ["fullscreen"]}
KEPT = 3600  # seconds that files stay whose page was never closed
WAYS = {  # what hide_file is told, by what somebody wants
    "Balanced: a good copy of the secret, and as few changes as that takes": {},
    "Hard to find: the best copy that a detector hardly notices": {"find_at_most": 0.55},
    "Best picture: uses much room, and is easily found": {"bits": 3},
    "Exact: the secret comes back bit for bit, if there is room": {"quality": math.inf},
}
KINDS = [".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif"]
NOTHING = (
    "Nothing was revealed: nothing is hidden in this file, or the passphrase is wrong, or the image was changed after "
    "the secret was hidden. Chat programs change pictures unless they are sent as files."
)


def run_app(*, host="127.0.0.1", port=None, share=False, open_browser=True):
    """Serves the page until it is interrupted; in a notebook, shows it.

    Args:
        host: Address to listen on. Defaults to `"127.0.0.1"`, which only this machine reaches. What is sent to any
            other address is not encrypted.
        port: Port to listen on. Defaults to `None`, the first free one from 7860.
        share: Whether Gradio makes a public address, which leads through servers of others: they see photographs and
            passphrases. Only for Colab, and for what need not be kept secret. Defaults to `False`.
        open_browser: Whether a browser is opened. Defaults to `True`.

    Raises:
        OSError: If the port is not free.
    """
    with tempfile.TemporaryDirectory(prefix="stego_lib-app-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        page, looks = build_app()
        options = {"server_name": host, "server_port": port, "share": share, "inbrowser": open_browser}
        page.queue(default_concurrency_limit=2, max_size=20)
        options |= {"quiet": True, "prevent_thread_lock": True, "ssr_mode": False, "footer_links": []}
        page.launch(max_file_size=f"{LARGEST_FILE}mb", **options, **looks)
        print(f"The page is at {page.local_url} until Ctrl-C ends it.", flush=True)
        page.block_thread()


def build_app():
    """Builds the page.

    Returns:
        `gradio.Blocks`, and a dictionary of what it looks like, for `launch`.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported
    import gradio as gr

    files = _Files()
    with gr.Blocks(title="stego_lib", analytics_enabled=False, delete_cache=(KEPT // 4, KEPT)) as page:
        gr.Markdown("# Hide a photograph in a photograph\nNothing leaves this machine. Files are deleted when you go.")
        with gr.Tab("Hide"):
            _hide_tab(gr, files)
        with gr.Tab("Reveal"):
            _reveal_tab(gr, files)
        with gr.Tab("What fits"):
            _capacity_tab(gr, files)

        def forget(request: gr.Request):
            files.forget(request)

        page.unload(forget)
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["monospace"]}  # others would come from the internet
    return page, {"theme": gr.themes.Default(**fonts), "css": ".gradio-container {max-width: 1100px !important}"}


class _Files:
    """Which pages use which files of Gradio's cache, where equal files are one."""

    def __init__(self):
        self._users, self._lock = collections.defaultdict(set), threading.Lock()

    def keep(self, request, *paths):
        """Notes that a page uses files."""
        with self._lock:
            for path in paths:
                self._users[str(path)].add(request.session_hash)

    def output(self, request, folder, name):
        """Moves a file to where Gradio would copy it; returns its path there."""
        from gradio.processing_utils import hash_file

        path = Path(os.environ["GRADIO_TEMP_DIR"]) / hash_file(Path(folder) / name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(Path(folder) / name, path)
        self.keep(request, path)
        return str(path)

    def forget(self, request):
        """Deletes the files of a page that was closed, unless another one uses them."""
        with self._lock:
            for path, users in list(self._users.items()):
                users.discard(request.session_hash)
                if not users:
                    del self._users[path]
                    shutil.rmtree(Path(path).parent, ignore_errors=True)


def _hide_tab(gr, files):
    with gr.Row():
        cover = gr.File(label="Cover: the photograph that everybody may see", file_types=KINDS, height=140)
        secret = gr.File(label="Secret: the photograph to hide", file_types=KINDS, height=140)
    way = gr.Radio(list(WAYS), value=next(iter(WAYS)), label="What matters most")
    with gr.Row():
        passphrase = gr.Textbox(type="password", label="Passphrase: several words; without one, everybody can reveal")
        again = gr.Textbox(type="password", label="The same again")
    button = gr.Button("Hide", variant="primary")
    said = gr.Markdown()
    download = gr.File(label="The stego image: save it, and send it as a file", visible=False)
    slider = gr.ImageSlider(label="Cover and stego image", **LOOKED_AT)
    difference = gr.Image(label=f"What was changed, amplified {AMPLIFIED} times", **LOOKED_AT)

    def hide(cover, secret, way, passphrase, again, request: gr.Request, progress=gr.Progress()):  # noqa: B008
        _need(gr, ("a cover", cover), ("a secret", secret))
        files.keep(request, cover, secret)
        if passphrase != again:
            raise gr.Error("The two passphrases are not the same.", print_exception=False)
        with _told(gr, cover, secret), tempfile.TemporaryDirectory() as folder:
            progress(0, "Loading")
            stego = Path(folder) / f"{Path(cover).stem}-stego.png"
            hidden = hide_file(
                cover, secret, stego, passphrase or None, progress=lambda part: progress(part, "Hiding"), **WAYS[way]
            )
            pictures = _pictures(folder, read_image(cover), hidden.stego)
            shown = [files.output(request, folder, name) for name in (stego.name, *pictures)]
        values = shown[0], (shown[1], shown[2]), shown[3]
        return _said_of(hidden, passphrase), *(gr.update(value=value, visible=True) for value in values)

    inputs, outputs = [cover, secret, way, passphrase, again], [said, download, slider, difference]
    button.click(hide, inputs, outputs, api_visibility="private", show_progress_on=said)


def _reveal_tab(gr, files):
    stego = gr.File(label="The stego image, as it was saved", file_types=KINDS, height=140)
    passphrase = gr.Textbox(type="password", label="Passphrase")
    button = gr.Button("Reveal", variant="primary")
    said = gr.Markdown()
    download = gr.File(label="The secret", visible=False)
    picture = gr.Image(label="The secret", **LOOKED_AT)

    def reveal(stego, passphrase, request: gr.Request, progress=gr.Progress()):  # noqa: B008
        _need(gr, ("a stego image", stego))
        files.keep(request, stego)
        with _told(gr, stego), tempfile.TemporaryDirectory() as folder:
            progress(0, "Loading")
            revealed = reveal_file(
                stego,
                Path(folder) / "revealed.png",
                passphrase or None,
                progress=lambda part: progress(part, "Revealing"),
            )
            write_image(Path(folder) / "preview.png", _small(revealed))
            shown = [files.output(request, folder, name) for name in ("revealed.png", "preview.png")]
        text = f"**The secret has {revealed.shape[1]}x{revealed.shape[0]} pixels.**"
        return text, *(gr.update(value=value, visible=True) for value in shown)

    hidden = [gr.update(visible=False)] * 2
    button.click(lambda: ("", *hidden), None, [said, download, picture], api_visibility="private").then(
        reveal, [stego, passphrase], [said, download, picture], api_visibility="private", show_progress_on=said
    )


def _capacity_tab(gr, files):
    with gr.Row():
        cover = gr.File(label="Cover", file_types=KINDS, height=140)
        secret = gr.File(label="Secret", file_types=KINDS, height=140)
    button = gr.Button("What fits?", variant="primary")
    names = ["bits a sample", "bytes", "samples changed", "cover", "secret", "how easily found"]
    table = gr.Dataframe(headers=names, interactive=False, wrap=True)

    def estimate(cover, secret, request: gr.Request):
        _need(gr, ("a cover", cover), ("a secret", secret))
        files.keep(request, cover, secret)
        with _told(gr, cover, secret):
            rows = capacity(read_image(cover), read_image(secret))
        return [
            [
                f"{row.bits}",
                row.num_bytes,
                f"{100 * row.changed:.3g} %",
                _decibels(row.cover_psnr),
                "no room" if math.isnan(row.secret_psnr) else _decibels(row.secret_psnr),
                f"{in_words(row.roc_auc)} ({row.roc_auc:.2f})",
            ]
            for row in rows
        ]

    button.click(estimate, [cover, secret], table, api_visibility="private")


def _need(gr, *given):
    for name, path in given:
        if path is None:
            raise gr.Error(f"Choose {name} first.", print_exception=False)


@contextlib.contextmanager
def _told(gr, *paths):
    """Shows warnings and errors, with names of files as the user knows them."""

    def words(text):
        for path in paths:
            text = text.replace(str(path), Path(path).name)
        return re.sub(r"`bits=([\d.]+)`", r"\1 bits a sample", text).replace("`", "")

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


def _pictures(folder, cover, stego):
    """Writes what is only looked at; returns the names of cover, stego image and what differs."""
    difference = np.abs(stego.astype("int16") - cover) * AMPLIFIED
    pictures = {"cover-preview.png": cover, "stego-preview.png": stego, "difference.png": np.minimum(difference, 255)}
    for name, picture in pictures.items():
        write_image(Path(folder) / name, _small(picture.astype("uint8")))
    return list(pictures)


def _small(image):
    scale = PREVIEW / max(image.shape)
    return image if scale >= 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _said_of(hidden, passphrase):
    text = (
        f"**Cover {_decibels(hidden.cover_psnr)}, secret {_decibels(hidden.secret_psnr)}** (from 40 dB on hardly "
        f"anybody sees a difference); {hidden.num_bytes} bytes hidden, {hidden.bits:.2g} bits a sample, "
        f"{100 * hidden.changed:.3g} % of the samples changed. "
        f"{in_words(hidden.roc_auc).capitalize()}: area under the ROC curve of a detector {hidden.roc_auc:.2f} "
        "(0.5 is guessing, 1 is certain)."
    )
    return text + ("" if passphrase else "\n\nThere is no passphrase: everybody who has this program can reveal it.")


def _decibels(psnr):
    return f"{psnr:.1f} dB" if math.isfinite(psnr) else "lossless"
