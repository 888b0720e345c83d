import csv
import os
import resource
import signal
import subprocess
import sys
import time

import fsspec
import numpy as np
import pytest
import skimage.data
from distributed import KilledWorker, LocalCluster

from stego_lib.hiding import many
from stego_lib.hiding.many import hide_many, reveal_many
from stego_lib.hiding.stego import hide_file, reveal
from stego_lib.hiding.workers import run_tasks
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
    assert "take a JPEG file as the cover" in rows[3]["message"]
    assert float(rows[0]["secret_psnr"]) >= 30
    command[3:] = [
        "reveal-many",
        str(folder / "pairs.report.csv"),
        "--output",
        str(folder / "back"),
        "--processes",
        "1",
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert "2 revealed, 0 existed already, 1 hold nothing, or with another passphrase, 2 failed" in result.stdout
    assert "3 of 5 images failed" in result.stderr
    for name in ("one.png", "new/four.png"):
        assert image_psnr(SECRET, read_image(folder / "back" / name)) >= 30
    assert (read_image(folder / "done.png") == COVER).all()

    write_image(folder / "missing.png", SECRET)
    before = (folder / "one.png").read_bytes()
    again = hide_many(folder / "pairs.csv", "right", quality=30, processes=1, report=folder / "pairs.report.csv")
    assert [row["status"] for row in again] == ["exists", "hidden", "exists", "failed", "exists"]
    assert again[0] == rows[0] | {"status": "exists"}  # what was measured is not lost
    assert again[2]["secret_psnr"] == ""
    assert (folder / "one.png").read_bytes() == before


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing_and_a_pair_that_kills_every_time_fails_alone(folder, monkeypatch):
    for name in ("after.png", "before.png", "always.png"):
        write_image(folder / name, COVER)
    with open(folder / "pairs.csv", "w") as file:
        file.write("cover,secret,output\n")
        for name in ("after", "always", "before", "cover"):
            file.write(f"{name}.png,secret.png,{name}-stego.png\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setattr(many, "_hide_one", hide_or_die)
    rows = hide_many(folder / "pairs.csv", "right", quality=30, processes=2)
    status = {row["cover"]: row["status"] for row in rows}
    assert status == {"after.png": "hidden", "always.png": "failed", "before.png": "hidden", "cover.png": "hidden"}
    assert "killed 3 times" in rows[1]["message"]
    assert sorted(path.stem for path in folder.glob("*.died")) == ["after", "always", "before"]
    for row in rows:
        if row["status"] == "hidden":
            revealed = reveal(read_image(folder / row["output"]), "right")
            assert f"{image_psnr(SECRET, revealed):.2f}" == row["secret_psnr"]


def hide_or_die(cover, secret, output, options):
    """The worker dies before it hides or after it has hidden, once or always, as the cover is called."""
    from stego_lib.hiding.many import _hide_one

    def die():
        died = cover.with_suffix(".died")
        if cover.stem == "always" or not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    if cover.stem in ("before", "always"):
        die()
    result = _hide_one(cover, secret, output, options)
    if cover.stem == "after":
        die()
    return result


@pytest.mark.slow
def test_a_worker_that_takes_more_than_its_part_of_the_memory_is_stopped(monkeypatch):
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", 400 * 2**20)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    tasks = [(2 * 2**30,), (1,)]
    results = {number: error or length for number, length, error in run_tasks(take, tasks, announce=str)}
    assert isinstance(results[0], KilledWorker)
    assert results[1] == 1


def take(number):
    taken = np.ones(number, "uint8")
    time.sleep(2 if number > 1 else 0)
    return len(taken)


@pytest.fixture
def scheduler():
    """Address of a scheduler that was there before."""
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.mark.slow
def test_a_scheduler_hides_and_reveals_behind_addresses(scheduler, tmp_path):
    memory = fsspec.filesystem("memory")
    write_image(tmp_path / "cover.png", COVER)
    write_image(tmp_path / "secret.png", SECRET)
    memory.put_file(str(tmp_path / "cover.png"), "/in/cover.png")
    (tmp_path / "pairs.csv").write_text(
        "cover,secret,output\nmemory://in/cover.png,secret.png,memory://out/new/one.png\n"
        "memory://in/missing.png,secret.png,memory://out/two.png\n"
        "memory://in/cover.png,secret.png,memory://in/cover.jpg\n"
    )
    report = tmp_path / "report.csv"
    options = {"scheduler": scheduler, "report": report}
    rows = hide_many(tmp_path / "pairs.csv", "right", quality=30, **options)
    assert [row["status"] for row in rows] == ["hidden", "failed", "failed"]
    assert rows[1]["message"] == "There is no file memory://in/missing.png."
    assert "memory://in/cover.jpg" in rows[2]["message"]
    assert memory.ls("/out/new", detail=False) == ["/out/new/one.png"]
    again = hide_many(tmp_path / "pairs.csv", "right", quality=30, **options)
    assert [row["status"] for row in again] == ["exists", "failed", "failed"]

    (tmp_path / "stegos.csv").write_text(
        "stego,output\nmemory://out/new/one.png,memory://back/one.png\ncover.png,memory://back/two.png\n"
    )
    rows = reveal_many(tmp_path / "stegos.csv", "right", scheduler=scheduler)
    assert [row["status"] for row in rows] == ["revealed", "nothing"]
    assert (rows[0]["width"], rows[0]["height"]) == (64, 64)
    assert memory.ls("/back", detail=False) == ["/back/one.png"]
    memory.rm("/", recursive=True)


def test_stego_images_of_a_list_of_hide_many_are_revealed_into_a_folder(folder, monkeypatch):
    monkeypatch.setattr(
        many, "run_tasks", lambda work, tasks, **_: ((n, work(*task), None) for n, task in enumerate(tasks))
    )
    (folder / "pairs.csv").write_text(
        "cover,secret,output\na.png,b.png,sub/one.tif\na.png,b.png,../two.png\na.png,b.png,s3://bucket/x/three.png\n"
    )
    rows = reveal_many(folder / "pairs.csv", output=folder / "back")
    assert [row["output"] for row in rows] == [
        str(folder / "back" / name) for name in ("sub/one.png", "two.png", "three.png")
    ]
    assert {row["status"] for row in rows} == {"failed"}
    (folder / "stegos.csv").write_text("stego,output\none.png,two.png\n")
    with pytest.raises(ValueError, match=r"says itself where .* leave out `output`"):
        reveal_many(folder / "stegos.csv", output=folder / "back")


@pytest.mark.slow
def test_what_a_killed_worker_has_revealed_is_taken_and_nothing_else_replaced(folder):
    hide_file(folder / "cover.png", folder / "secret.png", folder / "one.png", "right", quality=30)
    options = many._Options("right")
    paths = folder / "one.png", folder / "revealed.png"
    assert many._reveal_one(*paths, options) == many._reveal_one(*paths, options)
    with pytest.raises(FileExistsError):
        many._reveal_one(folder / "one.png", folder / "done.png", options)
    with pytest.raises(FileExistsError):
        many._hide_one(folder / "cover.png", folder / "secret.png", folder / "done.png", options)


def test_no_passphrase_is_shown_by_a_log_of_a_worker():
    assert "right" not in repr(many._Options("right"))


def test_there_is_no_scheduler(folder, monkeypatch):
    monkeypatch.setattr("stego_lib.hiding.workers.PATIENCE", 0.1)
    with pytest.raises(OSError, match=r"There is no scheduler at tcp://127\.0\.0\.1:9"):
        hide_many(folder / "pairs.csv", scheduler="tcp://127.0.0.1:9")


def test_no_worker_comes(folder, monkeypatch):
    monkeypatch.setattr("stego_lib.hiding.workers.PATIENCE", 1)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        pytest.raises(OSError, match=r"No worker has come .*: start one with `dask worker inproc"),
    ):
        hide_many(folder / "pairs.csv", scheduler=cluster.scheduler_address)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cover,secret\na.png,b.png\n", "cover, secret and output; there is no output"),
        ("cover;secret;output\na.png;b.png;c.png\n", "has semicolons between its columns: save it with commas"),
        ("cover,secret,output\n", "lists no photographs"),
        ("cover\tsecret\toutput\na.png\tb.png\tc.png\n", "has tabs between its columns"),
        ("\ncover,secret,output\na.png,b.png,c.png\n", "there is no cover"),
        ("Gr\xfc\xdfe", "is not a CSV file in UTF-8"),
        ("", "there is no cover"),
        ("cover,secret,output\n\n , ,\n", "lists no photographs"),
        ("cover,secret,output\n\n,,\na.png,b.png, \n", "line 4: cover, secret or output is missing"),
        ("cover,secret,output\na.png,b.png\n", "line 2: cover, secret or output is missing"),
        ("cover,secret,output\na,b,c.png\nd,e,./c.png\n", r"lines 2 and 3 write the same file, \./c.png"),
        (
            "cover,secret,output\na.png,b.png,c.png\nd.png,c.png,e.png\n",
            "line 2: the output c.png is a secret of the list, too",
        ),
        ("cover,secret,output\na,b,c.png\nd,e,{folder}/c.png\n", "lines 2 and 3 write the same file"),
        ("cover,secret,output\na,b,{folder}/a\n", "line 2: the output .* is a cover of the list, too"),
    ],
)
def test_a_wrong_list_is_refused_before_anything_is_done(text, message, tmp_path):
    (tmp_path / "pairs.csv").write_text(text.replace("{folder}", str(tmp_path)), encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        hide_many(tmp_path / "pairs.csv")


def test_a_stego_image_is_not_replaced_by_what_is_revealed(folder):
    with pytest.raises(ValueError, match="is a stego of the list, too"):
        reveal_many(folder / "pairs.csv", output=folder)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bits": 7}, "`bits` must be"),
        ({"quality": -3}, "`quality` must be"),
        ({"find_at_most": 2}, "`find_at_most` must be"),
        ({"bits": 0.1, "find_at_most": 0.6}, "choose one of them"),
        ({"passphrase": ""}, "passphrase"),
        ({"processes": 0}, "`processes` must be 1 or more"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_done(folder, wrong, message):
    with pytest.raises(ValueError, match=message):
        hide_many(folder / "pairs.csv", report=folder / "report.csv", **wrong)
    assert not (folder / "report.csv").exists()


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


def test_an_interrupted_run_leaves_its_report(folder, monkeypatch):
    def interrupted(work, tasks, **options):
        yield 1, {"status": "hidden"}, None
        raise KeyboardInterrupt

    monkeypatch.setattr(many, "run_tasks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hide_many(folder / "pairs.csv", report=folder / "report.csv")
    with open(folder / "report.csv", newline="") as file:
        statuses = [row["status"] for row in csv.DictReader(file)]
    assert statuses == ["pending", "hidden", "exists", "pending", "pending"]


def test_a_report_that_was_opened_in_a_spreadsheet_is_still_one(folder):
    (folder / "report.csv").write_text(
        "cover,secret,output,status,bits,num_bytes,changed,cover_psnr,secret_psnr,message\n"
        "cover.png,secret.png,done.png,hidden,2,100,0.75,46.30,40.00,\n",
        encoding="utf-8-sig",
    )
    (folder / "pairs.csv").write_text("cover,secret,output\ncover.png,secret.png,done.png\n")
    [row] = hide_many(folder / "pairs.csv", report=folder / "report.csv")
    assert (row["status"], row["secret_psnr"]) == ("exists", "40.00")
