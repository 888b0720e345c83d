import io

import cv2
import numpy as np
import pytest
import skimage.data
from conftest import check_progress
from PIL import Image

from stego_lib import hide, hide_file, reveal, reveal_file
from stego_lib.cli import main
from stego_lib.evaluation.disturbances import jpeg, noise
from stego_lib.evaluation.survival import measure_survival, survival_table
from stego_lib.hiding import survival
from stego_lib.hiding.capacity import CapacityError
from stego_lib.hiding.channels import channels
from stego_lib.hiding.jpeg_blocks import quantization_tables
from stego_lib.hiding.outcome import AlteredError, NothingHiddenError
from stego_lib.hiding.services import learn_service
from stego_lib.hiding.survival import Design, make_design, robust_capacity
from stego_lib.images import UnsupportedFileError, image_psnr, read_image, write_image

COVER = skimage.data.astronaut()[100:356, 100:356]
SECRET = cv2.resize(skimage.data.coffee(), (90, 60), interpolation=cv2.INTER_AREA)
DESIGN = Design(75, 38.0, False)


def progressive(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, progressive=True, optimize=True, subsampling=1)
    return np.asarray(Image.open(file))


@pytest.fixture(scope="module")
def hidden():
    return hide(COVER, SECRET, "right", survive=75, details=True)


@pytest.mark.slow
def test_the_secret_survives_and_how_much_was_wrong_is_said(hidden):
    for image in jpeg(hidden.stego, 75), progressive(hidden.stego, 79), noise(jpeg(hidden.stego, 90), 1):
        revealed = reveal(image, "right", details=True)
        assert image_psnr(SECRET, revealed.secret) == pytest.approx(hidden.secret_psnr)
        assert 0 < revealed.wrong < 0.1
        assert revealed.original_size is None
    assert 37.9 < hidden.cover_psnr < 39  # it depends on chance how soon what is hidden survives
    assert hidden.secret_psnr > 28


@pytest.mark.slow
def test_a_wrong_passphrase_reveals_nothing(hidden):
    with pytest.raises(NothingHiddenError):
        reveal(hidden.stego, "wrong")
    with pytest.raises(NothingHiddenError):
        reveal(jpeg(hidden.stego, 80), None)


@pytest.mark.slow
@pytest.mark.parametrize("quality", [60, 40, 10])
def test_too_strong_compression_never_gives_a_wrong_picture(hidden, quality):
    with pytest.raises((AlteredError, NothingHiddenError)):
        reveal(jpeg(hidden.stego, quality), "right")


@pytest.mark.slow
def test_a_quality_changes_only_as_much_as_that_takes(hidden):
    less = hide(COVER, SECRET, "right", survive=75, quality=25.0, details=True)
    assert less.secret_psnr == pytest.approx(25, abs=0.5)
    assert less.cover_psnr > hidden.cover_psnr + 2
    np.testing.assert_array_equal(reveal(jpeg(less.stego, 75), "right"), reveal(less.stego, "right"))


@pytest.mark.slow
def test_a_large_secret_is_shrunk_or_warned_of():
    cover, secret = COVER[:160, :160], skimage.data.coffee()[:200, :300]
    shrunk = hide(cover, secret, survive=75, shrink=True, details=True)
    revealed = reveal(jpeg(shrunk.stego, 75), details=True)
    assert revealed.original_size == secret.shape[:2]
    assert revealed.secret.shape[:2] == shrunk.secret_size
    assert shrunk.secret_size < secret.shape[:2]
    assert shrunk.secret_psnr >= 27.5
    with pytest.warns(UserWarning, match="a secret of about [0-9]+x[0-9]+ pixels; `shrink=True`"):
        hide(cover, secret, survive=75)


@pytest.mark.slow
def test_progress_rises_to_one():
    check_progress(lambda report: hide(COVER[:128, :128], SECRET[:20, :30], survive=75, progress=report))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_files_survive(tmp_path, suffix):
    write_image(tmp_path / "cover.png", skimage.data.astronaut())
    write_image(tmp_path / "secret.png", SECRET)
    stego, again = tmp_path / f"stego{suffix}", tmp_path / "again.jpg"
    how = {"survive": 80, "fit": 250}
    hidden = hide_file(tmp_path / "cover.png", tmp_path / "secret.png", stego, "right", **how)
    assert read_image(stego).shape == (250, 250, 3)
    assert 37.9 < hidden.cover_psnr < 39
    Image.open(stego).save(again, quality=80)
    revealed = reveal_file(again, tmp_path / "revealed.png", "right", details=True)
    np.testing.assert_array_equal(read_image(tmp_path / "revealed.png"), revealed.secret)
    assert image_psnr(SECRET, revealed.secret) == pytest.approx(hidden.secret_psnr)


@pytest.mark.slow
def test_covers_that_clip_are_hidden_in_or_refused():
    page = np.full((128, 128, 3), 255, "uint8")
    for line in range(20, 120, 20):
        cv2.putText(page, "a white page", (10, line), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (200, 0, 0))
    night = (COVER[:128, :128] // 16).astype("uint8")
    night[night < 6] = 0
    drawing = np.where(COVER[:128, :128] > 128, 255, 0).astype("uint8")
    hidden = 0
    for cover in page, night, drawing:
        for quality in 38.0, 30.0:
            try:
                stego = hide(cover, SECRET[:16, :24], survive=75, cover_quality=quality, shrink=True)
            except CapacityError:
                continue
            hidden += 1
            for change in jpeg(stego, 75), jpeg(stego, 78), jpeg(jpeg(stego, 78), 75):
                assert reveal(change).shape[2] == 3
    assert hidden


def test_small_covers_have_room_for_a_thumbnail_or_none():
    with pytest.raises(CapacityError, match="too small"):
        robust_capacity(COVER[:40, :40], DESIGN)
    with pytest.raises(CapacityError, match="leaves this cover less"):
        robust_capacity(COVER[:64, :64], Design(75, 42.0, False))
    assert robust_capacity(COVER[:64, :64], Design(75, 34.0, False))[0][-1] < 150
    room, hardest = robust_capacity(COVER[:128, :128], DESIGN)
    assert {len(changes) for changes in hardest} == {len(channels(75))}
    assert 200 < room[-1] < 128 * 128 * (len(room) - 1) / 256 / 8
    assert (np.diff(room) >= 0).all()


def test_more_room_for_a_worse_cover():
    rooms = [robust_capacity(COVER, Design(75, quality, False))[0][-1] for quality in (40.0, 38.0, 34.0)]
    assert rooms == sorted(rooms)
    assert rooms[2] > 1.5 * rooms[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("survive", "cover"),
    [
        (50, COVER),
        (75, skimage.data.chelsea()[:256, :256]),
        (85, skimage.data.rocket()[:256, 200:456]),
    ],
)
def test_small_secrets_survive_and_change_little(survive, cover):
    hidden = hide(cover, SECRET[:20, :30], survive=survive, quality=30, details=True)
    assert hidden.cover_psnr > 39.5
    for change in channels(survive):
        assert image_psnr(SECRET[:20, :30], reveal(change(hidden.stego))) > 29


@pytest.mark.slow
def test_what_does_not_survive_is_tried_again_with_less_and_then_refused(monkeypatch):
    lengths = []

    def never(stego, payload, **_):
        lengths.append(len(payload.body))
        return False

    monkeypatch.setattr(survival, "_survives", never)
    with pytest.raises(CapacityError, match="does not survive JPEG of quality 75"):
        hide(COVER[:128, :128], SECRET, survive=75)
    assert len(lengths) == survival.TRIALS
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < lengths[0]


def test_arguments_that_do_not_go_together_are_refused():
    for how in {"cover_quality": 38.0}, {"shrink": True}:
        with pytest.raises(ValueError, match="for a secret that has to survive"):
            hide(COVER, SECRET, **how)
    with pytest.raises(ValueError, match="need not survive"):
        hide(COVER, SECRET, survive=75, bits=2)
    for survive in 20, 96, 75.0, True:
        with pytest.raises(ValueError, match="JPEG quality from 30 to 95"):
            hide(COVER, SECRET, survive=survive)
    with pytest.raises(ValueError, match="from 20 to 60"):
        hide(COVER, SECRET, survive=75, cover_quality=5.0)
    with pytest.raises(ValueError, match="`fit` must be"):
        make_design(75, cover_quality=None, shrink=False, bits=None, fit=5)


def test_all_channels_change_something_but_the_first():
    first, *others = channels(75)
    np.testing.assert_array_equal(first(COVER), COVER)
    assert len(others) >= 10
    for change in others:
        assert change(COVER).shape == COVER.shape
        assert 20 < image_psnr(COVER, change(COVER)) < 50


def test_a_service_is_learned_from_a_file(tmp_path):
    path = tmp_path / "received.jpg"
    for quality, subsampling, name in (75, 2, "4:2:0"), (86, 0, "4:4:4"), (97, 1, "4:2:2"), (20, 2, "4:2:0"):
        Image.fromarray(COVER[:100]).save(path, quality=quality, subsampling=subsampling)
        service = learn_service(path)
        assert service.size == (256, 100)
        assert (service.quality, service.subsampling) == (quality, name)
        assert service.survive == (None if quality < 30 else min(quality, 95))
    Image.fromarray(COVER[..., 0]).save(path, quality=75)
    assert learn_service(path).survive == 75


def test_a_service_with_tables_of_its_own_is_survived_by_coarser_steps(tmp_path):
    path = tmp_path / "received.jpg"
    tables = [np.full(64, 7), np.full(64, 9)]
    Image.fromarray(COVER).save(path, qtables=[table.tolist() for table in tables])
    service = learn_service(path)
    steps = quantization_tables(service.survive)[:2]
    assert (steps >= service.tables).all()
    assert (quantization_tables(service.survive + 1)[:2] < service.tables).any()


def test_only_jpeg_files_tell_of_a_service(tmp_path):
    write_image(tmp_path / "image.png", COVER)
    (tmp_path / "text.jpg").write_text("this is no image")
    with pytest.raises(UnsupportedFileError, match="no JPEG file"):
        learn_service(tmp_path / "image.png")
    with pytest.raises(UnsupportedFileError, match="cannot be read"):
        learn_service(tmp_path / "text.jpg")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        learn_service(tmp_path / "none.jpg")


def test_of_a_large_cover_the_hardest_changes_are_tried(monkeypatch):
    monkeypatch.setattr(survival, "TRIED", 2**15)
    room, hardest = robust_capacity(COVER, DESIGN)
    assert all(0 < len(changes) <= len(channels(75)) for changes in hardest)
    assert len(hardest[-1]) < len(channels(75))
    monkeypatch.undo()
    assert room[-1] == pytest.approx(robust_capacity(COVER, DESIGN)[0][-1], rel=0.15)


@pytest.mark.slow
def test_what_survives_is_measured(monkeypatch):
    monkeypatch.setattr(
        "stego_lib.evaluation.survival.ways", lambda quality: {"JPEG 75": lambda image: jpeg(image, 75)}
    )
    results = measure_survival([COVER, skimage.data.coffee()[:256, :256]], DESIGN)
    assert 37.6 < results[0]["cover"] < 38.8  # more where the stream leaves some of the room
    assert 0.2 < results[0]["rate"] < 0.4
    assert "| JPEG 75 | 1 of 1 | " in survival_table(results)
    with pytest.raises(ValueError, match="None of the covers has room"):
        measure_survival([COVER[:32, :32]] * 2, DESIGN)


@pytest.mark.slow
def test_the_command_line_hides_for_a_service_and_says_what_was_corrected(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEGO_LIB_PASSPHRASE", "right")
    write_image("cover.png", skimage.data.astronaut())
    write_image("secret.png", SECRET)
    Image.fromarray(COVER[:144]).save("received.jpg", quality=80)
    assert main(["service", "received.jpg"]) == 0
    assert "256x144 pixels, colours 4:2:0, JPEG of about quality 80" in (printed := capsys.readouterr().out)
    assert "--survive 80 --fit 256" in printed
    assert main(["hide", "cover.png", "secret.png", "-o", "stego.png", "--like", "received.jpg"]) == 0
    assert "The secret, 90x60 pixels, survives JPEG of quality 80 and better" in capsys.readouterr().out
    with Image.open("stego.png") as image:
        assert image.size == (256, 256)
        image.save("again.jpg", quality=83)
    assert main(["reveal", "again.jpg", "-o", "revealed.png"]) == 0
    assert "of the bits wrong, all corrected." in capsys.readouterr().out
    assert image_psnr(SECRET, read_image("revealed.png")) > 28
    monkeypatch.setenv("STEGO_LIB_PASSPHRASE", "wrong")
    assert main(["reveal", "again.jpg", "-o", "other.png"]) == 1
    assert not (tmp_path / "other.png").exists()
