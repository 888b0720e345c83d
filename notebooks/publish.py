"""Writes what Colab and Kaggle need to know: the address of the repository, badges, and kernel-metadata.json.

    python notebooks/publish.py --repository https://github.com/OWNER/stego_lib --kaggle-user NAME
    kaggle kernels push -p outputs/kaggle/01_data

The first argument puts the address into the setup cell of every notebook, and badges that open them on Colab at their
heads and into the README; the second makes a folder for each notebook in `outputs/kaggle`, ready to be pushed.
"""

import argparse
import json
import re
from pathlib import Path

import nbformat

from stego_lib.download import KAGGLE_DATASET

ROOT = Path(__file__).parent.parent
KERNELS = {  # name: title, GPU, datasets, the notebook whose outputs it reads
    "00_start": ("stego_lib 00 start", False, [], None),
    "01_data": ("stego_lib 01 data", False, [KAGGLE_DATASET], None),
    "02_model": ("stego_lib 02 model", False, [], "01_data"),
    "03_train": ("stego_lib 03 train", True, [], "01_data"),
    "04_evaluate": ("stego_lib 04 evaluate", True, [], "03_train"),
    "05_use": ("stego_lib 05 use", False, [], "03_train"),
    "06_codec": ("stego_lib 06 codec", True, [], None),
    "07_files": ("stego_lib 07 files", False, [], None),
    "08_compare": ("stego_lib 08 compare", False, [], None),
    "09_steganalysis": ("stego_lib 09 steganalysis", True, [], None),
    "10_survive": ("stego_lib 10 survive", False, [], None),
}
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({})"
ANY_BADGE = re.compile(r" ?" + re.escape(BADGE).replace(r"\{\}", r"[^)]*"))


def kernel_metadata(name, user):
    """Describes a notebook to Kaggle.

    Args:
        name: Key of `KERNELS`.
        user: Name of the Kaggle account that it is pushed to.

    Returns:
        Dictionary, the content of `kernel-metadata.json`.

    Reference:
        [Kernel metadata](https://github.com/Kaggle/kaggle-cli/blob/main/docs/kernels_metadata.md)
    """
    title, gpu, datasets, earlier = KERNELS[name]
    return {
        "id": f"{user}/{_slug(title)}",
        "title": title,
        "code_file": f"../../../notebooks/{name}.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": gpu,
        "enable_internet": True,
        "dataset_sources": datasets,
        "kernel_sources": [f"{user}/{_slug(KERNELS[earlier][0])}"] if earlier else [],
    }


def with_address(name, notebook, repository):
    """Puts the address of the repository into a notebook.

    Args:
        name: Of the notebook, without suffix.
        notebook: `nbformat.NotebookNode`, changed.
        repository: Address of the repository on GitHub.

    Returns:
        The notebook.
    """
    title, _, text = notebook.cells[0].source.partition("\n\n")
    badge = BADGE.format(_colab(repository, name))
    notebook.cells[0].source = f"{title}\n\n{badge}\n\n{ANY_BADGE.sub('', text).lstrip()}"
    setup = notebook.cells[2]
    setup.source = re.sub('(?m)^REPOSITORY = "[^"]*"', f'REPOSITORY = "git+{repository}"', setup.source)
    return notebook


def with_badges(text, repository):
    """Puts a badge beside every notebook in the table of the README.

    Args:
        text: Of the README.
        repository: Address of the repository on GitHub.

    Returns:
        The text with them.
    """
    text = ANY_BADGE.sub("", text)
    for name in KERNELS:
        link = f"| [{name}](notebooks/{name}.ipynb)"
        text = text.replace(link, f"{link} {BADGE.format(_colab(repository, name))}")
    return text


def _colab(repository, name):
    path = repository.removeprefix("https://github.com/").removesuffix(".git").strip("/")
    return f"https://colab.research.google.com/github/{path}/blob/main/notebooks/{name}.ipynb"


def _slug(title):
    return title.replace("_", "-").replace(" ", "-")


def main(arguments=None):
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", metavar="https://github.com/OWNER/NAME", help="address of the repository")
    parser.add_argument("--kaggle-user", metavar="NAME", help="the Kaggle account that notebooks are pushed to")
    options = parser.parse_args(arguments)
    if not (options.repository or options.kaggle_user):
        parser.error("--repository or --kaggle-user is needed")
    if options.repository and not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", options.repository):
        parser.error("--repository has to be like https://github.com/OWNER/NAME: Colab opens notebooks from GitHub")
    setup = nbformat.read(ROOT / "notebooks" / "01_data.ipynb", as_version=4).cells[2].source
    if options.kaggle_user and not options.repository and 'REPOSITORY = ""' in setup:
        parser.error("the notebooks do not know the address of the repository yet: add --repository")
    if options.repository:
        for name in KERNELS:
            path = ROOT / "notebooks" / f"{name}.ipynb"
            nbformat.write(with_address(name, nbformat.read(path, as_version=4), options.repository), path)
        readme = ROOT / "README.md"
        readme.write_text(
            with_badges(readme.read_text(encoding="utf-8"), options.repository), encoding="utf-8", newline="\n"
        )
        print("The address is in the notebooks, and badges are in the notebooks and the README: commit them.")
    if options.kaggle_user:
        for name in KERNELS:
            folder = ROOT / "outputs" / "kaggle" / name
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(kernel_metadata(name, options.kaggle_user), indent=2)
            (folder / "kernel-metadata.json").write_text(text + "\n", encoding="utf-8")
        print("outputs/kaggle/*/kernel-metadata.json are written. Now: kaggle kernels push -p outputs/kaggle/01_data")


if __name__ == "__main__":
    main()
