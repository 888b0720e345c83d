"""The page of `stego-lib app` in headless Chromium, where both are installed; `BROWSER_SCREENSHOTS` keeps pictures."""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from stego_lib.app.files import Files
from stego_lib.app.ways import BALANCED, BEST, CHOSEN, EXACT, HARD_TO_FIND, SURVIVING
from stego_lib.hiding.stego import reveal_file
from stego_lib.images import image_psnr, read_image

pytest.importorskip("gradio")
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")]
PATIENCE = 300_000  # ms


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    Image.fromarray(skimage.data.coffee()[:240, :320]).save(folder / "cover.jpg", quality=95)
    Image.fromarray(skimage.data.chelsea()[60:188, 100:260]).save(folder / "secret.jpg", quality=95)
    (folder / "letter.jpg").write_text("no photograph")
    return folder


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """Address of the page, and the folder that it keeps files in."""
    folder = tmp_path_factory.mktemp("app")
    environment = {**os.environ, "TMPDIR": str(folder), "HOME": str(folder)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "stego_lib", "app", "--port", str(port), "--no-browser"]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
    with server:
        try:
            assert "The page is at http://127.0.0.1:" in server.stdout.readline(), (folder / "log").read_text()
            yield f"http://127.0.0.1:{port}", folder
        finally:
            server.terminate()
            server.wait(PATIENCE / 1000)
    assert not list(folder.glob("stego_lib-app-*"))


@pytest.fixture
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(app, chromium):
    """A page that can reach nothing but this machine, and that asks for nothing else."""
    address, _ = app
    elsewhere = []

    def route(request):
        if request.request.url.startswith((address, "blob:", "data:")):
            request.continue_()
        else:
            elsewhere.append(request.request.url)
            request.abort()

    context = chromium.new_context(viewport={"width": 1200, "height": 1400})
    context.route("**/*", route)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.get_by_role("button", name="Hide", exact=True).wait_for()
    yield page
    context.close()
    assert not elsewhere


def screenshot(page, name):
    if "BROWSER_SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["BROWSER_SCREENSHOTS"]) / f"app-{name}.png", full_page=True)


def choose(page, number, path):
    page.locator("input[type=file]").nth(number).set_input_files(path)


def fill(page, *texts):
    for field, text in zip(page.locator("input[type=password]:visible").all(), texts, strict=True):
        field.fill(text)


def is_said(page, text):
    page.locator(".toast-body").filter(has_text=text).first.wait_for()


def downloaded(page, name, path):
    with page.expect_download() as download:
        page.locator(f"a[download='{name}']:visible").last.click()
    download.value.save_as(path)
    return path


def hide(page, photographs, passphrase, way=BALANCED):
    choose(page, 0, photographs / "cover.jpg")
    page.get_by_text("cover.jpg").first.wait_for()
    choose(page, 0, photographs / "secret.jpg")
    page.get_by_text("secret.jpg").first.wait_for()
    hide_what_is_chosen(page, passphrase, way)


def hide_what_is_chosen(page, passphrase, way):
    page.get_by_label(way, exact=True).check()
    fill(page, passphrase, passphrase)
    page.get_by_role("button", name="Hide", exact=True).click()
    page.get_by_text("From 40 dB on, hardly anybody").wait_for(state="hidden")  # of an earlier one
    page.get_by_text("From 40 dB on, hardly anybody").wait_for()


def test_somebody_hides_saves_and_reveals(app, page, photographs, tmp_path):
    screenshot(page, "start")
    hide(page, photographs, "right")
    page.wait_for_timeout(1500)
    screenshot(page, "hidden")
    stego = downloaded(page, "cover-stego.jpg", tmp_path / "stego.jpg")

    page.get_by_role("tab", name="Reveal").click()
    page.locator("input[type=file]:not(:disabled)").last.wait_for(state="attached")
    page.locator("[role=tabpanel]:visible input[type=file]").set_input_files(stego)
    page.get_by_text("stego.jpg").last.wait_for()
    fill(page, "wrong")
    page.get_by_role("button", name="Reveal", exact=True).click()
    is_said(page, "the passphrase is wrong")
    screenshot(page, "wrong-passphrase")
    fill(page, "right")
    page.get_by_role("button", name="Reveal", exact=True).click()
    page.get_by_text("The secret, 160x128 pixels.").wait_for()
    page.wait_for_timeout(1500)
    screenshot(page, "revealed")
    revealed = downloaded(page, "revealed.png", tmp_path / "revealed.png")
    assert image_psnr(read_image(revealed), read_image(photographs / "secret.jpg")) > 30
    assert "right" not in (app[1] / "log").read_text()


def test_every_way_gives_the_bytes_that_were_written(app, page, photographs, tmp_path):
    hide(page, photographs, "right")
    secret = read_image(photographs / "secret.jpg")
    for way, suffix, least in ((HARD_TO_FIND, "jpg", 20), (CHOSEN, "jpg", 31.9), (BEST, "png", 40), (EXACT, "png", 99)):
        hide_what_is_chosen(page, "right", way)
        stego = downloaded(page, f"cover-stego.{suffix}", tmp_path / f"stego.{suffix}")
        assert stego.read_bytes() in [path.read_bytes() for path in app[1].rglob(f"cover-stego.{suffix}")]
        revealed = reveal_file(stego, tmp_path / "revealed.png", "right", overwrite=True)
        assert image_psnr(revealed, secret) > least


def test_what_has_to_survive_a_chat_app_survives(page, photographs, tmp_path):
    hide(page, photographs, "right", SURVIVING)
    page.wait_for_timeout(1500)
    screenshot(page, "surviving")
    stego = downloaded(page, "cover-stego.jpg", tmp_path / "stego.jpg")
    with Image.open(stego) as image:
        image.save(tmp_path / "received.jpg", quality=80)
    revealed = reveal_file(tmp_path / "received.jpg", tmp_path / "revealed.png", "right")
    assert 0 < revealed.shape[1] <= 160


def test_what_is_no_photograph_is_said(page, photographs):
    page.get_by_role("button", name="Hide", exact=True).click()
    is_said(page, "Choose a cover first.")
    choose(page, 0, photographs / "letter.jpg")
    page.get_by_text("letter.jpg").first.wait_for()
    choose(page, 0, photographs / "secret.jpg")
    page.get_by_text("secret.jpg").first.wait_for()
    fill(page, "one", "other")
    page.get_by_role("button", name="Hide", exact=True).click()
    is_said(page, "The two passphrases are not the same.")
    fill(page, "one", "one")
    page.get_by_role("button", name="Hide", exact=True).click()
    is_said(page, "letter.jpg cannot be read")
    screenshot(page, "no-photograph")


def test_a_file_that_is_too_large_is_refused(app):
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="huge.png"\r\n\r\n'
    connection = http.client.HTTPConnection(app[0].removeprefix("http://"), timeout=100)
    with contextlib.closing(connection):
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        connection.request("POST", "/gradio_api/upload", part + bytes(201 * 2**20) + b"\r\n--x--\r\n", headers)
        assert connection.getresponse().status == 413


def test_files_are_deleted_when_the_page_is_closed_but_not_those_of_others(app, page, chromium, photographs):
    def names():
        return [path.name for path in app[1].rglob("*.*")]

    hide(page, photographs, "right")
    with contextlib.closing(chromium.new_context(viewport={"width": 390, "height": 844})) as phone:
        second = phone.new_page()
        second.set_default_timeout(PATIENCE)

        def wait_until_deleted(name, *, left):
            for _ in range(PATIENCE // 200):
                if names().count(name) <= left:
                    break
                second.wait_for_timeout(200)

        second.goto(app[0])
        hide(second, photographs, "other")
        second.wait_for_timeout(1500)
        screenshot(second, "phone")
        assert {"cover.jpg", "secret.jpg", "cover-stego.jpg"} <= set(names())
        page.goto("about:blank")
        wait_until_deleted("cover.jpg", left=1)
        second.wait_for_timeout(1000)
        assert names().count("cover.jpg") == names().count("cover-stego.jpg") == 1
        second.goto("about:blank")
        wait_until_deleted("cover.jpg", left=0)
        second.wait_for_timeout(1000)
    assert not {"cover.jpg", "secret.jpg", "cover-stego.jpg", "cover-preview.png", "difference.png"} & set(names())


def test_what_fits_is_shown(page, photographs):
    page.get_by_role("tab", name="What fits").click()
    for name in ("cover.jpg", "secret.jpg"):
        page.locator("[role=tabpanel]:visible input[type=file]").first.set_input_files(photographs / name)
        page.get_by_text(name).last.wait_for()
    page.get_by_role("button", name="What fits?").click()
    page.get_by_text("dB").locator("visible=true").first.wait_for()
    page.wait_for_timeout(1000)
    screenshot(page, "capacity")


def test_what_is_made_for_a_page_that_was_closed_is_deleted(tmp_path):
    files, request, folder = Files(tmp_path / "cache"), types.SimpleNamespace(session_hash="one"), tmp_path / "made"
    folder.mkdir()
    for closed in (False, True):
        if closed:
            files.forget(request)
        (folder / "stego.png").write_text("stego")
        assert Path(files.output(request, folder, "stego.png")).exists() != closed
