"""Files are written whole or not at all, and errors name the file that was asked for."""

import contextlib
import os
import resource

import pytest

from stego_lib.paths import check_folder, write_file


def test_a_file_is_written_and_nothing_else(tmp_path):
    write_file(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["file"]


def test_an_existing_file_is_kept_unless_asked(tmp_path):
    write_file(tmp_path / "file", b"mine")
    with pytest.raises(FileExistsError, match=r"file exists already\.$"):
        write_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"mine"
    write_file(tmp_path / "file", b"new", overwrite=True)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_every_name_that_the_file_system_takes_can_be_written(tmp_path):
    name = "\N{HIRAGANA LETTER A}" * 85  # 255 bytes
    write_file(tmp_path / name, b"content")
    assert os.listdir(tmp_path) == [name]


@contextlib.contextmanager
def a_full_disk(folder):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        yield folder / "file", "File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextlib.contextmanager
def a_read_only_folder(folder):
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:  # whom no permission stops
        os.seteuid(65534)
    try:
        yield folder / "file", "Permission denied"
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


@contextlib.contextmanager
def a_long_name(folder):
    yield folder / ("long" * 64), "File name too long"


@contextlib.contextmanager
def a_missing_folder(folder):
    yield folder / "missing" / "file", "No such file or directory"


@contextlib.contextmanager
def a_file_for_a_folder(folder):
    (folder / "existing").touch()
    yield folder / "existing" / "file", "Not a directory"
    (folder / "existing").unlink()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "obstacle", [a_full_disk, a_read_only_folder, a_long_name, a_missing_folder, a_file_for_a_folder]
)
def test_errors_name_the_file_and_nothing_is_left(obstacle, overwrite, tmp_path):
    with obstacle(tmp_path) as (path, reason), pytest.raises(OSError, match="Cannot write") as caught:
        write_file(path, bytes(100), overwrite=overwrite)
    assert str(caught.value) == f"Cannot write {path}: {reason}."
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_the_place_of_the_file_is_kept(overwrite, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=f"{tmp_path / 'folder'}"):
        write_file(tmp_path / "folder", b"content", overwrite=overwrite)
    assert os.listdir(tmp_path) == ["folder"]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "folder")
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(NotADirectoryError, match=r"file is a file, not a folder\.$"):
            check_folder(path)
