"""What the command line says of an error: one sentence, in the words of the command line."""

import re
import sys

from stego_lib.paths import sentence

OPTIONS = {  # by the arguments that errors of the library name
    "bits": "--bits",
    "cover_quality": "--cover-quality",
    "embedding": "--embedding",
    "find_at_most": "--find-at-most",
    "fit": "--fit",
    "image_size": "--image-size",
    "keep_metadata": "--keep-metadata",
    "output": "--output",
    "overwrite": "--force",
    "period": "--period",
    "preset": "--preset",
    "processes": "--processes",
    "quality": "--quality",
    "report": "--report",
    "restart": "--restart",
    "seed": "--seed",
    "shrink": "--shrink",
    "source": "--data",
    "split": "--split",
    "survive": "--survive",
}
NAMES = "|".join(OPTIONS)
VALUE = r"(?P<quote>'?)(?P<value>[\w+-]+(\.\w+)*)(?P=quote)"
NAMED = re.compile(rf"`(?P<name>{NAMES})`|(?P<open>`|Received: )(?P<given>{NAMES})={VALUE}`?")
OPTIONAL = {  # what to install for packages that not everybody needs, by their modules
    "dask": "distributed bokeh",
    "distributed": "distributed bokeh",
    "fsspec": "distributed bokeh",
    "gradio": "gradio",
    "imagecodecs": "imagecodecs",
    "sklearn": "scikit-learn",
}


def with_options(message):
    """Names options in place of arguments: `--bits 2` for `bits=2`, `--restart` for `restart=True`.

    Args:
        message: String, in which arguments stand in backticks, or with what was received; names of files do not.

    Returns:
        String.
    """

    def option(match):
        value = "" if match["value"] in (None, "True") else f" {match['value']}"
        before = "Received: " if match["open"] == "Received: " else ""
        return before + OPTIONS[match["name"] or match["given"]] + value

    return NAMED.sub(option, message)


def explain(error, options):
    """Says in one sentence what went wrong and what to do.

    Args:
        error: Exception.
        options: Namespace of the options of the command.

    Returns:
        String; `None` for an error that nobody foresaw, whose traceback is worth more.
    """
    if isinstance(error, KeyboardInterrupt):
        trained = "restart" in options
        return "interrupted" + ("; the training goes on where it stopped when run again." if trained else ".")
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing(error.name)
    if isinstance(error, FileExistsError) and "force" in options:
        return f"{error} --force replaces it."
    if isinstance(error, (OSError, ValueError, FloatingPointError)) or type(error) is RuntimeError:
        return with_options(sentence(error))
    return None


def _missing(module):
    package = module.partition(".")[0]
    if package in ("tensorflow", "jax", "torch"):
        return (
            f"The backend of Keras is {package}, which is not installed: set KERAS_BACKEND=tensorflow, or "
            "python -m pip install jax and set KERAS_BACKEND=jax."
        )
    if package in OPTIONAL:
        return f"This command needs the package {package}: python -m pip install {OPTIONAL[package]}."
    if package == "stego_lib":
        return None
    return (
        f"The package {package} is not installed for {sys.executable}. Activate the environment in which stego_lib is "
        "installed (source .venv/bin/activate, on Windows .venv\\Scripts\\activate), or install it as README.md says."
    )
