import csv
import os
import resource
import signal
import subprocess
import sys

import pytest
import skimage.data

from stego_lib.hiding import many
from stego_lib.hiding.many import hide_many
from stego_lib.hiding.stego import reveal
from stego_lib.images import image_psnr, read_image, write_image

COVER, SECRET = skimage.data.coffee()[:96, :96], skimage.data.chelsea()[60:124, 100:164]


@pytest.fixture
def folder(tmp_path):
    """Four pairs, of which one lacks its secret and one is hidden already."""
    write_image(tmp_path / "cover.png", COVER)
    write_image(tmp_path / "secret.png", SECRET)
    write_image(tmp_path / "done.png", COVER)
    (tmp_path / "pairs.csv").write_text(
        "cover,secret,output\ncover.png,secret.png,one.png\ncover.png,missing.png,two.png\n"
        "cover.png,secret.png,done.png\ncover.png,secret.png,three.jpg\ncover.png,secret.png,new/four.png\n"
    )
    return tmp_path


@pytest.mark.slow
def test_a_list_is_hidden_whatever_fails_and_resumed(folder):
    arguments = ["hide-many", folder / "pairs.csv", "--processes", "2", "--quality", "30"]
    environment = {**os.environ, "STEGO_LIB_PASSPHRASE": "right"}
    command = [sys.executable, "-m", "stego_lib", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert result.returncode == 1
    assert "2 hidden, 1 existed already, 2 failed" in result.stdout
    assert "2 of 5 pairs failed. The first is two.png: There is no file" in result.stderr
    assert "Traceback" not in result.stderr
    with open(folder / "pairs.report.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["hidden", "failed", "exists", "failed", "hidden"]
    assert "lossless" in rows[3]["message"]
    assert float(rows[0]["secret_psnr"]) >= 30
    for name in ("one.png", "new/four.png"):
        revealed = reveal(read_image(folder / name), "right")
        assert image_psnr(SECRET, revealed) >= 30
    assert (read_image(folder / "done.png") == COVER).all()

    write_image(folder / "missing.png", SECRET)
    before = (folder / "one.png").read_bytes()
    again = hide_many(folder / "pairs.csv", "right", quality=30, processes=1, report=folder / "pairs.report.csv")
    assert [row["status"] for row in again] == ["exists", "hidden", "exists", "failed", "exists"]
    assert again[0] == rows[0] | {"status": "exists"}  # what was measured is not lost
    assert again[2]["secret_psnr"] == ""
    assert (folder / "one.png").read_bytes() == before


@pytest.mark.slow
def test_a_process_that_is_killed_costs_one_pair(folder, monkeypatch):
    (folder / "killer.png").write_bytes(b"")
    with open(folder / "pairs.csv", "a") as file:
        file.write("killer.png,secret.png,five.png\n")
    monkeypatch.setattr(many, "_hide_one", kill_or_hide)
    status = {row["output"]: row["status"] for row in hide_many(folder / "pairs.csv", processes=2)}
    assert status.pop("five.png") == "failed"
    hidden = ("one.png", "two.png", "three.jpg", "new/four.png")
    assert status == dict.fromkeys(hidden, "hidden") | {"done.png": "exists"}


def kill_or_hide(paths, *others):
    if paths[0].name == "killer.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"status": "hidden"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cover,secret\na.png,b.png\n", "cover, secret and output; there is no output"),
        ("cover;secret;output\na.png;b.png;c.png\n", "has semicolons between its columns: save it with commas"),
        ("cover,secret,output\n", "lists no pairs"),
        ("cover\tsecret\toutput\na.png\tb.png\tc.png\n", "has tabs between its columns"),
        ("\ncover,secret,output\na.png,b.png,c.png\n", "there is no cover"),
        ("Gr\xfc\xdfe", "is not a CSV file in UTF-8"),
        ("", "there is no cover"),
        ("cover,secret,output\n\n , ,\n", "lists no pairs"),
        ("cover,secret,output\n\n,,\na.png,b.png, \n", "line 4: cover, secret or output is missing"),
        ("cover,secret,output\na.png,b.png\n", "line 2: cover, secret or output is missing"),
        ("cover,secret,output\na,b,c.png\nd,e,./c.png\n", r"lines 2 and 3 write the same file, \./c.png"),
        (
            "cover,secret,output\na.png,b.png,c.png\nd.png,c.png,e.png\n",
            "line 2: the output c.png is a cover or a secret",
        ),
    ],
)
def test_a_wrong_list_is_refused_before_anything_is_done(text, message, tmp_path):
    (tmp_path / "pairs.csv").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        hide_many(tmp_path / "pairs.csv")


def test_column_names_in_any_case_spaces_and_empty_rows_are_read(folder):
    text = "Output , note,SECRET, Cover\n done.png ,mine, secret.png,cover.png\n\n,,,\n \n"
    (folder / "pairs.csv").write_text(text, encoding="utf-8-sig")
    [row] = hide_many(folder / "pairs.csv")
    assert {name: row[name] for name in ("cover", "secret", "output", "status")} == {
        "cover": "cover.png",
        "secret": "secret.png",
        "output": "done.png",
        "status": "exists",
    }


def test_a_report_that_does_not_fit_on_the_disk_is_named_and_leaves_the_one_before(folder):
    (folder / "pairs.csv").write_text("cover,secret,output\ncover.png,secret.png,done.png\n")
    hide_many(folder / "pairs.csv", report=folder / "report.csv")
    before = (folder / "report.csv").read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match=r"Cannot write .*report\.csv: File too large"):
            hide_many(folder / "pairs.csv", report=folder / "report.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (folder / "report.csv").read_text() == before


def test_a_report_that_cannot_be_written_is_said_at_once(folder):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere for the report"):
        hide_many(folder / "pairs.csv", report=folder / "nowhere" / "report.csv")
    (folder / "mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"mine\.csv is not a report"):
        hide_many(folder / "pairs.csv", report=folder / "mine.csv")
    assert (folder / "mine.csv").read_text() == "a,b\n1,2\n"
    assert not (folder / "one.png").exists()


@pytest.mark.slow
def test_an_interrupted_run_leaves_its_report(folder, monkeypatch):
    def interrupted(futures, **options):
        yield next(futures)
        raise KeyboardInterrupt

    monkeypatch.setattr(many, "_hide_one", kill_or_hide)
    monkeypatch.setattr(many, "tqdm", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hide_many(folder / "pairs.csv", processes=1, report=folder / "report.csv")
    with open(folder / "report.csv", newline="") as file:
        statuses = [row["status"] for row in csv.DictReader(file)]
    assert statuses == ["hidden", "pending", "exists", "pending", "pending"]


def test_a_report_that_was_opened_in_a_spreadsheet_is_still_one(folder):
    (folder / "report.csv").write_text(
        "cover,secret,output,status,bits,num_bytes,changed,cover_psnr,secret_psnr,message\n"
        "cover.png,secret.png,done.png,hidden,2,100,0.75,46.30,40.00,\n",
        encoding="utf-8-sig",
    )
    (folder / "pairs.csv").write_text("cover,secret,output\ncover.png,secret.png,done.png\n")
    [row] = hide_many(folder / "pairs.csv", report=folder / "report.csv")
    assert (row["status"], row["secret_psnr"]) == ("exists", "40.00")
