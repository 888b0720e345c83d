"""Files and folders: written whole or not at all, and errors that name what the user named."""

import contextlib
import os
import secrets
from pathlib import Path


def check_folder(path):
    """Makes sure that no file is in the place of a folder, which need not exist yet.

    Args:
        path: Path of the folder.

    Raises:
        NotADirectoryError: If the path, or what it is in, is a file.
    """
    for folder in (Path(path), *Path(path).parents):
        if folder.is_dir():
            return
        if folder.exists():
            raise NotADirectoryError(f"{folder} is a file, not a folder.")


def write_file(path, content, *, overwrite=False):
    """Writes a file, all of it or nothing: under another name, which it loses only when it is safely on the disk.

    Args:
        path: Path of the file, in a folder that exists.
        content: bytes.
        overwrite: Whether an existing file may be replaced. Defaults to `False`.

    Raises:
        FileExistsError: If the file exists and may not be replaced.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        try:
            with open(partial, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                partial.replace(path)
            else:
                _name(partial, path)
        finally:
            with contextlib.suppress(OSError):  # what was wrong before matters more
                partial.unlink(missing_ok=True)
    except FileExistsError:
        raise FileExistsError(f"{path} exists already.") from None
    except OSError as error:
        raise type(error)(f"Cannot write {path}: {error.strerror or error}.") from error


def _name(partial, path):
    """Gives a file a name that no other file has."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # perhaps a file system without links
        if path.exists():
            raise FileExistsError from None
        partial.replace(path)


def sentence(error):
    """Says what went wrong; where it was the operating system, with the file.

    Args:
        error: Exception.

    Returns:
        String.
    """
    return f"{error.filename}: {error.strerror}." if isinstance(error, OSError) and error.filename else str(error)
