"""The command line of hide, reveal and capacity, mostly what people do wrong."""

import contextlib
import hashlib
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import skimage.data
from PIL import Image

from stego_lib.cli import hiding as command_line
from stego_lib.cli import main
from stego_lib.cli.messages import with_options
from stego_lib.hiding import payload
from stego_lib.hiding.outcome import Hidden
from stego_lib.hiding.stego import hide, reveal_file
from stego_lib.hiding.wording import how_easily_found
from stego_lib.images import image_psnr, read_image, write_image

pytestmark = pytest.mark.slow
SECRET = skimage.data.chelsea()[60:124, 100:164]
COVER = skimage.data.coffee()[100:196, 200:296]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A folder of files to go wrong with."""
    folder = tmp_path_factory.mktemp("files")
    write_image(folder / "cover.png", COVER)
    write_image(folder / "secret.png", SECRET)
    stego = hide(COVER, SECRET, "right", bits=2)
    write_image(folder / "stego.png", stego)
    write_image(folder / "open.png", hide(COVER, SECRET, bits=2))
    write_image(folder / "existing.png", COVER[:20, :20])
    Image.fromarray(stego).save(folder / "stego.jpg", quality=95)
    changed = stego.copy()
    changed[30:60] ^= 1
    write_image(folder / "changed.png", changed)
    write_image(folder / "cropped.png", stego[:, 1:])
    Image.fromarray(stego).resize((64, 64)).save(folder / "resized.png")
    Image.fromarray(stego).quantize(256).save(folder / "palette.png")
    Image.fromarray(stego).convert("L").save(folder / "grey.png")
    write_image(folder / "pixel.png", COVER[:1, :1])
    write_image(folder / "small.png", COVER[:8, :8])
    write_image(folder / "least.png", COVER[:16, :16])
    write_image(folder / "large.png", np.tile(COVER, (2, 2, 1)))
    write_image(folder / "wide.png", np.resize(COVER, (2, 4000, 3)))
    content = (folder / "cover.png").read_bytes()
    (folder / "truncated.png").write_bytes(content[: len(content) // 2])
    content = (folder / "stego.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(content[: len(content) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("this is no image")
    (folder / "zeros.png").write_bytes(bytes(5000))
    (folder / "folder.png").mkdir()
    Image.fromarray(np.float32(COVER[..., 0])).save(folder / "float.tif")
    (folder / "right.txt").write_text("right\n")
    (folder / "wrong.txt").write_text("wrong\n")
    (folder / "no_passphrase.txt").write_text("")
    (folder / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    (folder / "blank.txt").write_text("\nsecond line\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "VERSION", payload.VERSION + 1)
        write_image(folder / "future.png", hide(COVER, SECRET, bits=1))
    return folder


def state(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        for path in folder.iterdir()
    }


def run(folder, *arguments, environment=None, **options):
    command = [sys.executable, "-m", "stego_lib", *arguments]
    variables = {**os.environ, "COLUMNS": "200", **(environment or {})}
    pipes = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "start_new_session": True}
    return subprocess.run(command, cwd=folder, env=variables, **pipes, **options)


HIDE = ["hide", "cover.png", "secret.png", "-o", "new.png"]
REVEAL = ["reveal", "stego.png", "-o", "new.png"]
NO_IMAGE = "cannot be read: it"
NOTHING = ", or the passphrase is wrong, or the image was changed after the secret was hidden. If a joint autoencoder"
UNGIVEN = NOTHING.replace("the passphrase is wrong", "it needs a passphrase (--ask-passphrase)")
PROBLEMS = {
    "cover missing": ("hide none.png secret.png -o new.png", "There is no file none.png"),
    "secret missing": ("hide cover.png none.png -o new.png", "There is no file none.png"),
    "cover empty": ("hide empty.png secret.png -o new.png", NO_IMAGE),
    "cover text": ("hide text.png secret.png -o new.png", NO_IMAGE),
    "cover zeros": ("hide zeros.png secret.png -o new.png", NO_IMAGE),
    "cover truncated": ("hide truncated.png secret.png -o new.png", NO_IMAGE),
    "cover truncated jpeg": ("hide truncated.jpg secret.png -o new.png", NO_IMAGE),
    "cover folder": ("hide folder.png secret.png -o new.png", "folder.png is a folder"),
    "cover float": ("hide float.tif secret.png -o new.png", NO_IMAGE),
    "cover one pixel": ("hide pixel.png secret.png -o new.png", "is too small: take one of 16x16 pixels or more"),
    "cover small": ("hide small.png secret.png -o new.png", "is too small: take one of 16x16 pixels or more"),
    "cover two pixels high": ("hide wide.png secret.png -o new.png", "is too small: take one of 16x16 pixels or more"),
    "secret too large": ("hide least.png large.png -o new.png", "more than 64 times the pixels"),
    "capacity for a secret too large": ("capacity least.png large.png", "more than 64 times the pixels"),
    "survive too little": (" ".join([*HIDE, "--survive 20"]), "--survive must be a JPEG quality from 30 to 95"),
    "survive with bits": (" ".join([*HIDE, "--survive 75 --bits 2"]), "--bits is for a secret that need not survive"),
    "shrink alone": (" ".join([*HIDE, "--shrink"]), "has to survive: --survive 75 says what"),
    "like no JPEG": (" ".join([*HIDE, "--like cover.png"]), "cover.png is no JPEG file"),
    "service no JPEG": ("service cover.png", "cover.png is no JPEG file"),
    "service missing": ("service none.jpg", "There is no file none.jpg"),
    "cover too small to survive": ("hide least.png secret.png -o new.png --survive 75", "too small for what survives"),
    "secret empty": ("hide cover.png empty.png -o new.png", NO_IMAGE),
    "secret text": ("hide cover.png text.png -o new.png", NO_IMAGE),
    "secret zeros": ("hide cover.png zeros.png -o new.png", NO_IMAGE),
    "secret truncated": ("hide cover.png truncated.png -o new.png", NO_IMAGE),
    "secret folder": ("hide cover.png folder.png -o new.png", "folder.png is a folder"),
    "secret float": ("hide cover.png float.tif -o new.png", NO_IMAGE),
    "output jpg": (
        "hide cover.png secret.png -o new.jpg",
        "take a JPEG file as the cover, just as",
    ),
    "output jpeg": (
        "hide cover.png secret.png -o new.JPEG",
        "take a JPEG file as the cover, just as",
    ),
    "output webp": ("hide cover.png secret.png -o new.webp", "survives only in lossless files"),
    "output gif": ("hide cover.png secret.png -o new.gif", "survives only in lossless files"),
    "output without suffix": ("hide cover.png secret.png -o new", "survives only in lossless files"),
    "output exists": ("hide cover.png secret.png -o existing.png", "exists already. --force replaces it."),
    "output is a folder": ("hide cover.png secret.png -o folder.png --force", "folder.png is a folder"),
    "output is the cover": ("hide cover.png secret.png -o cover.png --force", "is the input itself"),
    "output is the secret": ("hide cover.png secret.png -o ./secret.png --force", "is the input itself"),
    "output folder missing": ("hide cover.png secret.png -o none/new.png", "There is no folder none"),
    "passphrase file missing": (" ".join([*HIDE, "--passphrase-file none.txt"]), "none.txt"),
    "passphrase file empty": (" ".join([*HIDE, "--passphrase-file no_passphrase.txt"]), "no passphrase in the first"),
    "passphrase file blank": (" ".join([*HIDE, "--passphrase-file blank.txt"]), "no passphrase in the first"),
    "passphrase file not text": (" ".join([*HIDE, "--passphrase-file latin.txt"]), "is not text in UTF-8"),
    "passphrase file folder": (" ".join([*HIDE, "--passphrase-file folder.png"]), "folder.png"),
    "nobody to ask": (" ".join([*HIDE, "--ask-passphrase"]), "no terminal to ask"),
    "stego missing": ("reveal none.png -o new.png", "There is no file none.png"),
    "stego empty": ("reveal empty.png -o new.png", NO_IMAGE),
    "stego text": ("reveal text.png -o new.png", NO_IMAGE),
    "stego zeros": ("reveal zeros.png -o new.png", NO_IMAGE),
    "stego truncated": ("reveal truncated.png -o new.png", NO_IMAGE),
    "stego folder": ("reveal folder.png -o new.png", "folder.png is a folder"),
    "stego float": ("reveal float.tif -o new.png", NO_IMAGE),
    "no passphrase where there is one": ("reveal stego.png -o new.png", UNGIVEN),
    "wrong passphrase": ("reveal stego.png -o new.png --passphrase-file wrong.txt", NOTHING),
    "passphrase where there is none": ("reveal open.png -o new.png --passphrase-file right.txt", NOTHING),
    "plain photograph": ("reveal cover.png -o new.png", UNGIVEN),
    "one pixel": ("reveal pixel.png -o new.png", UNGIVEN),
    "stego after jpeg": ("reveal stego.jpg -o new.png --passphrase-file right.txt", NOTHING),
    "stego cropped": ("reveal cropped.png -o new.png --passphrase-file right.txt", NOTHING),
    "stego resized": ("reveal resized.png -o new.png --passphrase-file right.txt", NOTHING),
    "stego in 256 colours": ("reveal palette.png -o new.png --passphrase-file right.txt", NOTHING),
    "stego in grey": ("reveal grey.png -o new.png --passphrase-file right.txt", NOTHING),
    "stego changed": ("reveal changed.png -o new.png --passphrase-file right.txt", NOTHING),
    "stego of a later version": ("reveal future.png -o new.png", "take a newer stego_lib"),
    "revealed jpg": ("reveal stego.png -o new.jpg", "the revealed photograph would lose quality"),
    "revealed exists": ("reveal stego.png -o existing.png --passphrase-file right.txt", "exists already"),
    "revealed is the stego": ("reveal stego.png -o stego.png --force --passphrase-file right.txt", "the input itself"),
    "revealed folder missing": ("reveal stego.png -o none/new.png --passphrase-file right.txt", "There is no folder"),
    "reveal: passphrase file missing": ("reveal stego.png -o new.png --passphrase-file none.txt", "none.txt"),
    "capacity of nothing": ("capacity none.png", "There is no file none.png"),
    "capacity of text": ("capacity text.png", NO_IMAGE),
    "capacity of one pixel": ("capacity pixel.png", "is too small: take one of 16x16 pixels or more"),
    "capacity for nothing": ("capacity cover.png none.png", "There is no file none.png"),
    "capacity for a folder": ("capacity cover.png folder.png", "folder.png is a folder"),
}
MISUSES = {
    "no command": "",
    "unknown command": "conceal cover.png",
    "no secret": "hide cover.png -o new.png",
    "no output": "hide cover.png secret.png",
    "no bits": "hide cover.png secret.png -o new.png --bits 0",
    "too many bits": "hide cover.png secret.png -o new.png --bits 5",
    "no fraction": "hide cover.png secret.png -o new.png --bits 0.0",
    "whole and a fraction": "hide cover.png secret.png -o new.png --bits 1.5",
    "found by nobody": "hide cover.png secret.png -o new.png --find-at-most 0.5",
    "bits in words": "hide cover.png secret.png -o new.png --bits two",
    "no quality": "hide cover.png secret.png -o new.png --quality 0",
    "quality in words": "hide cover.png secret.png -o new.png --quality good",
    "quality not a number": "hide cover.png secret.png -o new.png --quality nan",
    "two sources of the passphrase": "reveal stego.png -o new.png --ask-passphrase --passphrase-file right.txt",
    "revealed nowhere": "reveal stego.png",
    "capacity of no cover": "capacity",
    "no such option": "hide cover.png secret.png -o new.png --qualty 32",
}


# Run as a user does, in processes of their own; the others call `main`, which is all that such a process does.
IN_A_PROCESS = ("cover missing", "nobody to ask", "stego after jpeg", "capacity of text", "service no JPEG")


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_gets_one_sentence_and_nothing_changes(originals, name, monkeypatch, capfd):
    arguments, message = PROBLEMS[name]
    before = state(originals)
    if name in IN_A_PROCESS:
        result = run(originals, *arguments.split())
        code, output, error = result.returncode, result.stdout, result.stderr
    else:
        monkeypatch.chdir(originals)
        code = main(arguments.split())
        output, error = capfd.readouterr()
    assert code == 1
    assert message in error
    assert "Traceback" not in error
    assert error.startswith("stego-lib: ")
    assert error.endswith(".\n")
    assert len(error.splitlines()) == 1
    assert output == ""
    assert state(originals) == before


@pytest.mark.parametrize("name", MISUSES)
def test_wrong_usage_is_explained_at_once(originals, name, monkeypatch, capsys):
    before = state(originals)
    monkeypatch.chdir(originals)
    with pytest.raises(SystemExit, match="2"):
        main(MISUSES[name].split())
    error = capsys.readouterr().err
    assert f"usage: stego-lib {'' if 'command' in name else MISUSES[name].split()[0]}" in error
    assert "error:" in error
    assert state(originals) == before


@pytest.mark.parametrize("passphrase", ["--passphrase open-sesame", "--passphrase=open-sesame", "--passphrase"])
def test_a_passphrase_in_the_command_is_refused_with_what_to_do_instead(capsys, passphrase):
    for command in ("hide c.png s.png -o o.png", "reveal o.png -o r.png", "hide-many pairs.csv"):
        with pytest.raises(SystemExit, match="2"):
            main([*command.split(), *passphrase.split()])
        message = capsys.readouterr().err
        for source in ("--ask-passphrase", "--passphrase-file", "STEGO_LIB_PASSPHRASE"):
            assert source in message.splitlines()[-1]
        assert "open-sesame" not in message


def test_a_traceback_is_shown_where_it_is_asked_for_before_or_after_the_command(capsys):
    command = ["reveal", "none.png", "-o", "r.png"]
    for arguments in (["--debug", *command], [*command, "--debug"]):
        assert main(arguments) == 1
        assert "Traceback" in capsys.readouterr().err
    assert main(command) == 1
    assert capsys.readouterr().err == "stego-lib: There is no file none.png.\n"


def test_an_empty_passphrase_in_the_environment_is_refused(originals):
    result = run(originals, *HIDE, environment={"STEGO_LIB_PASSPHRASE": ""})
    assert result.returncode == 1
    assert result.stderr.startswith("stego-lib: The environment variable STEGO_LIB_PASSPHRASE is empty")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder where nobody can write")
def test_a_folder_where_nobody_can_write_is_named(originals, capsys):
    paths = [str(originals / name) for name in ("cover.png", "secret.png")]
    assert main(["hide", *paths, "-o", "/proc/new.png", "--bits", "1"]) == 1
    error = capsys.readouterr().err
    assert "Cannot write /proc/new.png" in error
    assert len(error.splitlines()) == 1


def test_a_full_disk_leaves_nothing_behind(originals):
    before = state(originals)
    result = run(
        originals, *HIDE, "--bits", "1", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    )
    assert result.returncode == 1
    assert "Cannot write new.png: File too large." in result.stderr
    assert "Traceback" not in result.stderr
    assert state(originals) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing_behind(originals, tmp_path, monkeypatch, capsys, number):
    for moment in (0.1, 0.7, 1.0):

        @contextlib.contextmanager
        def interrupted(what, moment=moment):
            def progress(part):
                if part >= moment:
                    signal.raise_signal(number)

            yield progress

        monkeypatch.setattr(command_line, "progress", interrupted)
        paths = [str(originals / name) for name in ("cover.png", "secret.png")]
        assert main(["hide", *paths, "-o", str(tmp_path / "new.png"), "--bits", "1"]) == 130
        assert capsys.readouterr().err == "stego-lib: interrupted.\n"
        assert list(tmp_path.iterdir()) == []


def test_a_secret_travels_from_one_process_to_another_quietly(originals, tmp_path):
    paths = [str(originals / name) for name in ("cover.png", "secret.png")]
    hidden = run(tmp_path, "hide", *paths, "-o", "s.png", environment={"STEGO_LIB_PASSPHRASE": "from outside"})
    assert (hidden.returncode, hidden.stderr) == (0, "")
    assert hidden.stdout.startswith("s.png: cover 5")
    assert "from outside" not in hidden.stdout
    (tmp_path / "passphrase.txt").write_text("from outside\r\n")
    revealed = run(tmp_path, "reveal", "s.png", "-o", "r.png", "--passphrase-file", "passphrase.txt")
    assert (revealed.returncode, revealed.stderr) == (0, "")
    assert revealed.stdout == "r.png: the secret, 64x64 pixels.\n"
    assert image_psnr(read_image(tmp_path / "r.png"), SECRET) >= 37.95
    assert sorted(path.name for path in tmp_path.iterdir()) == ["passphrase.txt", "r.png", "s.png"]


def test_a_passphrase_is_asked_for_twice(originals, tmp_path, monkeypatch, capsys):
    answers = iter(["one", "another", "one", "one", "one"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    paths = [str(originals / name) for name in ("cover.png", "secret.png")]
    stego, revealed = str(tmp_path / "s.png"), str(tmp_path / "r.png")
    assert main(["hide", *paths, "-o", stego, "--ask-passphrase"]) == 1
    assert "are not the same" in capsys.readouterr().err
    assert main(["hide", *paths, "-o", stego, "--ask-passphrase"]) == 0
    assert "no passphrase" not in capsys.readouterr().out
    assert main(["reveal", stego, "-o", revealed, "--ask-passphrase"]) == 0
    assert next(answers, None) is None


def test_without_a_passphrase_it_is_said(originals, tmp_path, capsys):
    paths = [str(originals / name) for name in ("cover.png", "secret.png")]
    assert main(["hide", *paths, "-o", str(tmp_path / "s.png"), "--bits", "1"]) == 0
    assert "everybody who has this program can reveal" in capsys.readouterr().out


def test_force_replaces_an_output(originals, tmp_path):
    write_image(tmp_path / "s.png", COVER)
    paths = [str(originals / name) for name in ("cover.png", "secret.png")]
    assert main(["hide", *paths, "-o", str(tmp_path / "s.png"), "--bits", "1", "--force"]) == 0
    reveal_file(tmp_path / "s.png", tmp_path / "r.png")


def test_capacity_prints_a_line_for_every_number_of_bits(originals, capsys):
    assert main(["capacity", str(originals / "cover.png"), str(originals / "secret.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["0.05", "0.1", "0.2", "0.3", "1", "2", "3", "4"]
    assert main(["capacity", str(originals / "stego.png")]) == 0


def test_capacity_knows_that_a_jpeg_file_is_hidden_as_it_is(originals, tmp_path, capsys):
    Image.fromarray(SECRET).save(tmp_path / "secret.jpg", quality=60)
    assert main(["capacity", str(originals / "cover.png"), str(tmp_path / "secret.jpg")]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:-1]]
    expected = {row[0]: row[-2] for row in rows}
    assert expected["2"] == "lossless"
    paths = [str(originals / "cover.png"), str(tmp_path / "secret.jpg"), "-o", str(tmp_path / "stego.png")]
    assert main(["hide", *paths, "--bits", "2"]) == 0
    assert "lossless" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (
            {"roc_auc": 0.503},
            "Hardly found: area under the ROC curve of a detector 0.50 (0.5 is guessing, 1 is certain).",
        ),
        ({"roc_auc": 0.9, "num_bytes": 2000, "secret_psnr": 45}, r"times the pixels or --quality \d\d would make that"),
        ({"roc_auc": 0.9, "num_bytes": 2000, "secret_psnr": 28}, r"times the pixels would make that 0\.55\."),
        ({"roc_auc": 0.9, "num_bytes": 2000, "secret_psnr": np.inf}, r"times the pixels would make that 0\.55\."),
        ({"roc_auc": 1.0, "num_bytes": 1, "secret_psnr": 30}, r"A fraction as --bits would make that 0\.55\."),
    ],
)
def test_how_easily_it_is_found_is_said_with_what_helps(measured, expected):
    usual = {"stego": COVER, "bits": 0.1, "num_bytes": 100, "changed": 0.1, "cover_psnr": 50.0, "secret_psnr": 40.0}
    usual["secret_size"] = 40, 60
    sentence = with_options(how_easily_found(Hidden(**usual | measured)))
    assert re.search(expected, sentence) or sentence == expected


def kinds(folder):
    """Images of many kinds, and how they should look."""
    image = Image.fromarray(COVER)
    grey = np.asarray(image.convert("L"))
    image.save(folder / "photo.jpg", quality=92)
    image.save(folder / "photo.webp", lossless=True)
    image.save(folder / "photo.avif", quality=95)
    image.save(folder / "photo.bmp")
    image.save(folder / "photo.tif")
    image.convert("L").save(folder / "grey.png")
    Image.fromarray(grey.astype("uint16") * 257).save(folder / "grey16.png")
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    image.quantize(200).save(folder / "palette.png")
    image.convert("RGBA").save(folder / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "turned.jpg", exif=exif)
    return sorted(folder.iterdir())


@pytest.mark.filterwarnings("ignore:The cover is grey")
@pytest.mark.filterwarnings("ignore:.*hides better:UserWarning")  # a JPEG cover, and another output
def test_covers_and_secrets_of_many_kinds(tmp_path):
    for path in kinds(tmp_path):
        output, revealed = tmp_path / f"{path.name}.out.png", tmp_path / f"{path.name}.revealed.png"
        assert main(["hide", str(path), str(path), "-o", str(output), "--bits", "4"]) == 0
        assert main(["reveal", str(output), "-o", str(revealed)]) == 0
        assert image_psnr(read_image(path), read_image(output)) > 33
        assert image_psnr(read_image(path), read_image(revealed)) > 38, path.name


def test_a_profile_that_a_program_adds_does_not_hide_the_secret(originals, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(read_image(originals / "open.png")).save(tmp_path / "turned.png", exif=exif)
    assert reveal_file(tmp_path / "turned.png", tmp_path / "revealed.png").shape == SECRET.shape


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_noise_and_flipped_bits_never_make_a_wrong_picture(originals, tmp_path):
    generator = np.random.default_rng(0)
    whole = (originals / "open.png").read_bytes()
    expected = reveal_file(originals / "open.png", tmp_path / "expected.png")
    Image.fromarray(COVER).save(tmp_path / "photo.avif")
    avif = (tmp_path / "photo.avif").read_bytes()
    pictures = 0
    for number in range(200):
        content = bytearray(avif if number % 4 == 0 else whole)
        if number % 5 == 0:
            header = struct.pack(">II", *generator.integers(0, 200, 2)) + generator.integers(0, 9, 5, "uint8").tobytes()
            content = bytearray(whole[:8] + chunk(b"IHDR", header) + whole[33:])
        else:
            for _ in range(1 + number % 3):
                content[generator.integers(len(content))] ^= 1 << generator.integers(8)
        (tmp_path / "fuzz.png").write_bytes(content)
        try:
            revealed = reveal_file(tmp_path / "fuzz.png", tmp_path / "revealed.png", overwrite=True)
        except (ValueError, OSError) as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            np.testing.assert_array_equal(revealed, expected, str(number))
            pictures += 1
    assert pictures < 40


def test_a_passphrase_comes_through_a_pipe(originals, tmp_path):
    reading, writing = os.pipe()
    os.write(writing, b"right\n")
    os.close(writing)
    with open(reading, "rb"):
        stego, revealed = str(originals / "stego.png"), str(tmp_path / "revealed.png")
        assert main(["reveal", stego, "-o", revealed, "--passphrase-file", f"/dev/fd/{reading}"]) == 0
