"""The command that serves the page."""

import contextlib
import signal


def run_app(options):
    """Serves the page for a browser."""
    from stego_lib import app

    for name in ("SIGHUP", "SIGTERM"):  # a terminal that is closed leaves no photographs behind, as Ctrl-C does not
        with contextlib.suppress(AttributeError):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.default_int_handler)
    app.run_app(host=options.host, port=options.port, open_browser=not options.no_browser)
