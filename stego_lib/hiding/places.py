"""Files that are on this machine or behind an address such as s3://bucket/name, through fsspec."""

import contextlib
import posixpath
import tempfile
from pathlib import Path


def absolute(path, folder):
    """Makes a path of a list independent of the folder that a process works in.

    Args:
        path: String, path or address.
        folder: Path that it is relative to.

    Returns:
        String.
    """
    return path if _is_address(path) else str(Path(folder).resolve() / path)


def existing(paths):
    """Looks which files there are; behind addresses one look for every folder.

    Args:
        paths: List of strings, absolute paths or addresses.

    Returns:
        Set of those of the paths where there is a file.
    """
    files = {path for path in paths if not _is_address(path) and Path(path).is_file()}
    folders = {}
    for address in filter(_is_address, paths):
        folder, _, name = address.rpartition("/")
        folders.setdefault(f"{folder}/", []).append(name)
    for folder, names in folders.items():
        system, inner = _system(folder)
        with contextlib.suppress(FileNotFoundError):
            there = {posixpath.basename(path) for path in system.ls(inner, detail=False, refresh=True)}
            files.update(folder + name for name in names if name in there)
    return files


@contextlib.contextmanager
def at_hand(inputs, output):
    """Brings files to this machine, and what is written back to where it belongs.

    Args:
        inputs: List of strings, absolute paths or addresses of files that are read.
        output: The same of the file that is written; where it exists, it is brought, too.

    Returns:
        Context manager of a list of paths, of the inputs and then of the output. At an address the output gets its
        name when the block has ended without an error.

    Raises:
        FileNotFoundError: If there is no file at an address.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            Path(folder) / str(number) / posixpath.basename(path) if _is_address(path) else Path(path)
            for number, path in enumerate([*inputs, output])
        ]
        for path, local in zip(inputs, paths, strict=False):
            if _is_address(path) and not _fetch(path, local):
                raise FileNotFoundError(f"There is no file {path}.")
        if _is_address(output):
            _fetch(output, paths[-1])
        else:
            paths[-1].parent.mkdir(parents=True, exist_ok=True)
        yield paths
        if _is_address(output):
            _send(paths[-1], output)


def _is_address(path):
    return "://" in path


def _system(address):
    import fsspec

    return fsspec.core.url_to_fs(address)


def _fetch(address, path):
    """Copies a file that may be there; returns whether it is."""
    system, inner = _system(address)
    path.parent.mkdir()
    system.invalidate_cache()
    if not system.isfile(inner):
        return False
    system.get_file(inner, str(path))
    return True


def _send(path, address):
    """Copies a file under another name, which it loses only when it is whole."""
    system, inner = _system(address)
    folder, name = posixpath.split(inner)
    partial = posixpath.join(folder, f".{name}.partial")
    system.makedirs(folder, exist_ok=True)
    system.put_file(str(path), partial)
    system.mv(partial, inner)
