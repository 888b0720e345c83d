import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from kagglesdk import kaggle_env
from PIL import Image

from stego_lib.data import find_div2k, load_pairs
from stego_lib.download import ARCHIVES, download_div2k, fetch, unpack

DATASET = "/v1/datasets.DatasetApiService/DownloadDataset"


def zip_of(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def photograph(value):
    buffer = io.BytesIO()
    noise = np.random.default_rng(value).integers(0, 256, (200, 150, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def server():
    """A web server on this machine with the two archives; its faults can be switched on."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.requests.append((self.path, self.headers.get("Range")))
            content = server.files.get(self.path)
            if content is None:
                return self.send_error(server.error)
            start = 0
            if server.ranges and (range_ := self.headers.get("Range")):
                start = int(range_.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    return self.send_error(416)
                self.send_response(206)
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(server.announced or len(content) - start))
            if server.ranges:
                self.send_header("Accept-Ranges", "bytes")
            self.end_headers()
            self.wfile.write(content[start : server.break_after or None])
            server.break_after = None
            return None

        def do_POST(self):  # the question of the Kaggle package; the answer is where the file is
            self.rfile.read(int(self.headers["Content-Length"]))
            server.keys.append(self.headers["Authorization"])
            if self.path not in server.files:
                return self.send_error(server.error)
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
            return None

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files = {
        f"/{name}": zip_of(
            **{f"{name.removesuffix('.zip')}/{index:04d}.png": photograph(index) for index in range(number)}
        )
        for name, number in zip(ARCHIVES, (6, 2), strict=True)
    }
    server.requests, server.keys, server.ranges, server.error = [], [], True, 404
    server.break_after = server.announced = None
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_kaggle_key(monkeypatch, tmp_path):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "no_kaggle"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_without_a_kaggle_key_the_authors_archives_are_used(server, tmp_path):
    folder = download_div2k(tmp_path / "DIV2K", server.url)
    train, validation = (
        load_pairs(folder, "train", data_folder=tmp_path),
        load_pairs(folder, "validation", data_folder=tmp_path),
    )
    assert [len(part) for part in (*train, *validation)] == [3, 3, 1, 1]
    assert not list(folder.glob("*.zip*"))

    server.requests.clear()
    download_div2k(folder, server.url)
    assert server.requests == []


@pytest.fixture
def kaggle(server, monkeypatch):
    """The Kaggle package with a key, and this machine's web server in place of Kaggle's."""
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", "0123456789abcdef")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.url)
    return server


def test_with_a_key_the_dataset_comes_from_kaggle(kaggle, tmp_path):
    parts = {name.removesuffix(".zip"): number for name, number in zip(ARCHIVES, (6, 2), strict=True)}
    nested = {f"{part}/{part}/{i:04d}.png": photograph(i) for part, number in parts.items() for i in range(number)}
    kaggle.files = {DATASET: zip_of(**nested)}
    folder = download_div2k(tmp_path / "DIV2K")
    assert [path for path, _ in kaggle.requests] == [DATASET]
    assert kaggle.keys[0].startswith("Basic ")
    assert find_div2k(folder) == folder
    assert not list(folder.glob("*.zip"))


@pytest.mark.parametrize("error", [401, 403, 404, 500])
def test_when_kaggle_refuses_the_authors_archives_are_used(kaggle, tmp_path, error):
    kaggle.error = error
    with pytest.warns(UserWarning, match=f"Kaggle refused the download.*{error}.*trying the authors' server"):
        folder = download_div2k(tmp_path / "DIV2K", kaggle.url)
    assert len(kaggle.keys) == 1
    assert find_div2k(folder) == folder


@pytest.mark.slow
def test_a_download_from_kaggle_that_breaks_off_goes_on(kaggle, tmp_path):
    archive = zip_of(**{f"{name[:-4]}/{index}.png": photograph(index) for name in ARCHIVES for index in range(20)})
    kaggle.files, kaggle.break_after = {DATASET: archive}, 2_500_000
    assert find_div2k(download_div2k(tmp_path / "DIV2K"))
    assert kaggle.requests == [(DATASET, None), (DATASET, f"bytes={2 << 20}-")]


def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    content = server.files[f"/{ARCHIVES[0]}"]
    server.break_after = len(content) // 2
    with pytest.raises(OSError, match="Run again to resume"):
        fetch(f"{server.url}/{ARCHIVES[0]}", tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
    server.break_after = None
    assert fetch(f"{server.url}/{ARCHIVES[0]}", tmp_path / "a.zip").read_bytes() == content
    start = int(server.requests[-1][1].removeprefix("bytes=").rstrip("-"))
    assert len(content) // 2 - 2**16 < start <= len(content) // 2


def test_a_server_without_ranges_starts_over(server, tmp_path):
    content = server.files[f"/{ARCHIVES[0]}"]
    (tmp_path / "a.zip.partial").write_bytes(b"something else")
    server.ranges = False
    assert fetch(f"{server.url}/{ARCHIVES[0]}", tmp_path / "a.zip").read_bytes() == content


def test_a_whole_file_that_was_not_renamed_is_not_loaded_again(server, tmp_path):
    content = server.files[f"/{ARCHIVES[0]}"]
    (tmp_path / "a.zip.partial").write_bytes(content)
    assert fetch(f"{server.url}/{ARCHIVES[0]}", tmp_path / "a.zip").read_bytes() == content


def test_an_interrupted_unpacking_is_not_taken_for_the_photographs(server, tmp_path, monkeypatch):
    folder = tmp_path / "DIV2K"
    extract, done = zipfile.ZipFile.extract, []

    def extract_two(*arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(extract(*arguments))

    monkeypatch.setattr(zipfile.ZipFile, "extract", extract_two)
    with pytest.raises(KeyboardInterrupt):
        download_div2k(folder, server.url)
    assert find_div2k(data_folder=tmp_path) is None
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(tmp_path))
    download_div2k(folder, server.url)
    assert len(list(folder.rglob("*.png"))) == 8


def test_leftovers_larger_than_the_file_are_removed(server, tmp_path):
    (tmp_path / "a.zip.partial").write_bytes(bytes(10**6))
    with pytest.raises(OSError, match="has been removed"):
        fetch(f"{server.url}/{ARCHIVES[0]}", tmp_path / "a.zip")
    fetch(f"{server.url}/{ARCHIVES[0]}", tmp_path / "a.zip")


def test_what_is_no_zip_is_refused_and_removed(server, tmp_path):
    server.files["/page.zip"] = b"<html>Please log in</html>"
    with pytest.raises(OSError, match="did not send the zip file"):
        fetch(f"{server.url}/page.zip", tmp_path / "page.zip")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [403, 404, 500])
def test_refusals_say_what_to_do(server, tmp_path, error):
    server.error = error
    with pytest.raises(OSError, match=f"(?s)Cannot download.*{error}.*DIV2K_DIR"):
        download_div2k(tmp_path / "DIV2K", f"{server.url}/nowhere")


def test_no_network_says_what_to_do(tmp_path):
    with pytest.raises(OSError, match=r"(?s)Cannot download.*DIV2K_DIR"):
        fetch("http://127.0.0.1:9/a.zip", tmp_path / "a.zip")


def test_too_little_room_is_said_before_anything_is_written(server, tmp_path):
    server.announced = 10**15
    with pytest.raises(OSError, match=r"2000000\.0 GB are needed"):
        fetch(f"{server.url}/{ARCHIVES[0]}", tmp_path / "a.zip")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png"])
def test_names_that_lead_out_of_the_folder_are_refused(name, tmp_path):
    archive = tmp_path / "a.zip"
    archive.write_bytes(zip_of(**{"good.png": b"good", name: b"evil"}))
    with pytest.raises(OSError, match="leads out of its folder"):
        unpack(archive, tmp_path / "here")
    assert not list(tmp_path.rglob("*.png"))


def test_a_damaged_archive_is_removed_so_that_the_next_try_is_fresh(server, tmp_path):
    content = bytearray(server.files[f"/{ARCHIVES[0]}"])
    content[len(content) // 3] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(OSError, match="damaged"):
        unpack(tmp_path / "a.zip", tmp_path / "here")
    assert not (tmp_path / "a.zip").exists()
