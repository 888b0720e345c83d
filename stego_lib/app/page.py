"""The page, and the server that shows it."""

import atexit
import contextlib
import os
import tempfile

from stego_lib.app.files import Files
from stego_lib.app.tabs import capacity_tab, hide_tab, reveal_tab

LARGEST_FILE = 200  # MB
KEPT = 3600  # seconds that files stay whose page was never closed


def run_app(*, host="127.0.0.1", port=None, share=False, open_browser=True, wait=True):
    """Serves the page until it is interrupted; in a notebook, shows it.

    Args:
        host: Address to listen on. Defaults to `"127.0.0.1"`, which only this machine reaches. What is sent to any
            other address is not encrypted.
        port: Port to listen on. Defaults to `None`, the first free one from 7860.
        share: Whether Gradio makes a public address, which leads through servers of others: they see photographs and
            passphrases. Only for Colab, and for what need not be kept secret. Defaults to `False`.
        open_browser: Whether a browser is opened. Defaults to `True`.
        wait: Whether to return only when the page is no longer served. Defaults to `True`.

    Returns:
        Without `wait`, `gradio.Blocks`: its `close` ends the page, as does the end of the program.

    Raises:
        OSError: If the port is not free.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stego_lib-app-"))
        page, looks = build_app(folder)
        options = {"server_name": host, "server_port": port, "share": share, "inbrowser": open_browser}
        page.queue(max_size=20)
        options |= {"quiet": True, "prevent_thread_lock": True, "ssr_mode": False, "footer_links": []}
        page.launch(max_file_size=f"{LARGEST_FILE}mb", **options, **looks)
        if not wait:
            atexit.register(stack.pop_all().close)
            return page
        print(f"The page is at {page.local_url} until Ctrl-C ends it.", flush=True)
        page.block_thread()


def build_app(folder):
    """Builds the page.

    Args:
        folder: Path of a folder for the files of those who use it.

    Returns:
        `gradio.Blocks`, and a dictionary of what it looks like, for `launch`.
    """
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": folder}  # before Gradio is imported
    import gradio as gr

    files = Files(folder)
    with gr.Blocks(title="stego_lib", analytics_enabled=False, delete_cache=(KEPT // 4, KEPT)) as page:
        gr.Markdown("# Hide a photograph in a photograph\nNothing leaves this machine. Files are deleted when you go.")
        with gr.Tab("Hide"):
            hide_tab(gr, files)
        with gr.Tab("Reveal"):
            reveal_tab(gr, files)
        with gr.Tab("What fits"):
            capacity_tab(gr, files)

        def forget(request: gr.Request):
            files.forget(request)

        page.unload(forget)
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["monospace"]}  # others would come from the internet
    return page, {"theme": gr.themes.Default(**fonts), "css": ".gradio-container {max-width: 1100px !important}"}
