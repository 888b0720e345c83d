"""Hide and reveal in a browser: a page of this machine that needs no internet, made with Gradio."""

from stego_lib.app.page import build_app, run_app

__all__ = ["build_app", "run_app"]
