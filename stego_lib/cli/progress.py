"""What somebody who waits at a terminal sees; nothing is shown in a file or a pipe."""

import contextlib
import sys

LOADING = "Loading ..."


@contextlib.contextmanager
def loading():
    """Says that the backend of Keras is being loaded, which takes seconds, until the block ends."""
    at_terminal = sys.stderr is not None and sys.stderr.isatty()
    if at_terminal:
        print(LOADING, end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if at_terminal:
            print("\r" + " " * len(LOADING), end="\r", file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress(what):
    """Shows a bar at once: `Loading` until the work begins, and then what is done.

    Args:
        what: Name of the work.

    Returns:
        Context manager of a function to call with the part that is done, from 0 to 1.
    """
    from tqdm import tqdm

    with tqdm(
        total=100,
        desc="Loading",
        miniters=0,
        disable=None,
        leave=False,
        bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}",
    ) as bar:

        def report(part):
            bar.set_description_str(what, refresh=False)
            bar.update(100 * part - bar.n)

        yield report
