"""The command that serves the page."""


def run_app(options):
    """Serves the page for a browser."""
    from stego_lib import app

    app.run_app(host=options.host, port=options.port, open_browser=not options.no_browser)
