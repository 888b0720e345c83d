"""JPEG files: taken apart and put together, and what is hidden in their coefficients."""

import hashlib
import io

import cv2
import imagecodecs
import numpy as np
import pytest
import skimage.data
from PIL import ExifTags, Image, ImageCms

from stego_lib.evaluation.jpeg_steganalysis import luminance
from stego_lib.hiding import jpeg as embedding
from stego_lib.hiding.capacity import CapacityError
from stego_lib.hiding.jpeg_file import CodedScan, Component, JPEGFile, read_jpeg, write_jpeg
from stego_lib.hiding.jpeg_huffman import best_table, codes
from stego_lib.hiding.jpeg_metadata import choose_metadata
from stego_lib.hiding.jpeg_stego import jpeg_capacity
from stego_lib.hiding.outcome import AlteredError, NothingHiddenError
from stego_lib.hiding.stego import hide_file, reveal, reveal_file
from stego_lib.images import UnsupportedFileError, image_psnr, read_image, write_image

PHOTOGRAPH = skimage.data.astronaut()[60:205, 100:291]  # of odd sides
SECRET = skimage.data.chelsea()[60:92, 100:132]
LIST = [[*range(1, 65)], [*range(5, 69)]]


def pillow(image=PHOTOGRAPH, **options):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", **options)
    return content.getvalue()


def opencv(*options):
    return cv2.imencode(".jpg", PHOTOGRAPH[..., ::-1], options)[1].tobytes()


def with_trailing_data():
    return pillow(quality=85) + b"\0" * 1000 + b"\xff\xd8\xff more"


def of_several_pictures():
    content, pictures = io.BytesIO(), [Image.fromarray(PHOTOGRAPH), Image.fromarray(PHOTOGRAPH[::2, ::2])]
    pictures[0].save(content, "MPO", save_all=True, append_images=pictures[1:])
    return content.getvalue()


KINDS = {
    "quality 75": lambda: pillow(quality=75),
    "quality 95": lambda: pillow(quality=95),
    "quality 100": lambda: pillow(quality=100, subsampling=0),
    "quality 30": lambda: pillow(quality=30),
    "optimized": lambda: pillow(quality=85, optimize=True),
    "optimized 4:4:4": lambda: pillow(quality=85, optimize=True, subsampling=0),
    "progressive": lambda: pillow(quality=85, progressive=True),
    "progressive 4:4:4": lambda: pillow(quality=92, progressive=True, subsampling=0),
    "progressive 4:2:2": lambda: pillow(quality=75, progressive=True, subsampling=1),
    "4:4:4": lambda: pillow(quality=85, subsampling=0),
    "4:2:2": lambda: pillow(quality=85, subsampling=1),
    "4:1:1": lambda: opencv(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411),
    "4:4:0": lambda: opencv(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440),
    "restarts": lambda: opencv(cv2.IMWRITE_JPEG_RST_INTERVAL, 3),
    "restarts, optimized": lambda: opencv(cv2.IMWRITE_JPEG_RST_INTERVAL, 5, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "restarts, progressive": lambda: opencv(cv2.IMWRITE_JPEG_RST_INTERVAL, 7, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "grey": lambda: pillow(PHOTOGRAPH[..., 1], quality=85),
    "grey, progressive": lambda: pillow(PHOTOGRAPH[..., 1], quality=85, progressive=True),
    "tables of its own": lambda: pillow(qtables=LIST),
    "tables of 16 bits": lambda: pillow(quality=90, qtables=[[300] + [3] * 63, [260] + [9] * 63]),
    "red, green and blue": lambda: pillow(quality=85, keep_rgb=True),
    "another encoder": lambda: imagecodecs.jpeg8_encode(PHOTOGRAPH, level=90, optimize=True),
    "trailing data": with_trailing_data,
    "several pictures": of_several_pictures,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_put_together_again_is_the_same_to_the_byte(kind):
    content = KINDS[kind]()
    jpeg = read_jpeg(content)
    assert write_jpeg(jpeg, jpeg.blocks) == content[: len(content) - jpeg.trailing]
    assert (jpeg.trailing > 0) == (kind in ("trailing data", "several pictures"))


@pytest.mark.parametrize("kind", ["quality 75", "progressive 4:2:2", "restarts", "grey, progressive", "4:4:0"])
def test_coefficients_are_those_that_pillow_decodes(kind):
    content = KINDS[kind]()
    jpeg = read_jpeg(content)
    image = Image.open(io.BytesIO(content))
    image.draft("YCbCr", image.size)
    expected = np.asarray(image)[..., 0] if image.mode == "YCbCr" else np.asarray(image)
    decoded = np.clip(luminance(jpeg, jpeg.blocks) + 128, 0, 255)[: expected.shape[0], : expected.shape[1]]
    assert np.abs(decoded - expected).max() < 1.5


def test_runs_of_flat_blocks_and_corrections_longer_than_one_symbol_are_coded_alike():
    image = np.full((1600, 2000), 90, "uint8")
    image[::400] = 200
    noisy = np.random.default_rng(0).integers(0, 256, (256, 512)).astype("uint8")
    for picture, quality in (image, 90), (noisy, 100):
        content = pillow(picture, quality=quality, progressive=True)
        jpeg = read_jpeg(content)
        assert write_jpeg(jpeg, jpeg.blocks) == content


def test_other_coefficients_are_read_back_and_standard_tables_are_kept():
    jpeg = read_jpeg(KINDS["progressive"]())
    blocks = jpeg.blocks + np.random.default_rng(1).integers(-1, 2, jpeg.blocks.shape, dtype="int16")
    visited = np.unique(np.concatenate([coded.scan.order for coded in jpeg.segments if hasattr(coded, "scan")]))
    again = read_jpeg(write_jpeg(jpeg, blocks))
    np.testing.assert_array_equal(again.blocks[visited, 0], blocks[visited, 0])
    component = jpeg.components[0]
    whole = slice(component.start, component.start + component.height * component.width)
    inside = np.arange(whole.start, whole.stop).reshape(component.height, component.width)
    inside = inside[: component.rows, : component.columns]
    np.testing.assert_array_equal(again.blocks[inside], blocks[inside])
    jpeg = read_jpeg(KINDS["quality 75"]())
    blocks = jpeg.blocks + (jpeg.blocks > 1)
    assert read_jpeg(write_jpeg(jpeg, blocks)).tables == jpeg.tables


def test_a_file_of_the_best_huffman_tables_gets_the_best_ones_again():
    jpeg = read_jpeg(KINDS["optimized"]())
    blocks = jpeg.blocks + 5 * (jpeg.blocks > 1).astype("int16")
    content = write_jpeg(jpeg, blocks)
    again = read_jpeg(content)
    assert again.tables != jpeg.tables
    assert write_jpeg(again, again.blocks) == content
    assert len(content) < len(write_jpeg(again._replace(tables=read_jpeg(KINDS["quality 75"]()).tables), again.blocks))


def test_codes_of_rare_symbols_are_no_longer_than_16_bits():
    counts = np.zeros(256, "int64")
    counts[:40] = 2 ** np.arange(40)  # without a limit, a code of 40 bits
    table = best_table(counts)
    lengths = codes(table)[1]
    assert (lengths[:40] > 0).all()
    assert lengths.max() == 16
    assert sum(2.0 ** -lengths[:40]) < 1  # room for the code of ones alone


def synthetic():
    """A grey file of 12 blocks, some of them flat; of which `conseal` computed the costs."""
    generator = np.random.default_rng(5)
    blocks = generator.integers(-3, 4, (3, 4, 8, 8)) * (generator.random((3, 4, 8, 8)) < 0.3)
    blocks[..., 0, 0] = generator.integers(-50, 50, (3, 4))
    blocks[2] = blocks[1, 1:] = 0
    component = Component(0, 3, 4, 3, 4, 1, 1, 2 * np.arange(1, 65))
    return JPEGFile([], [], blocks.reshape(12, 64).astype("int16"), [component], 0)


def test_costs_are_those_of_conseal():
    costs = embedding.uerd_costs(synthetic()).reshape(3, 4, 8, 8)
    expected = {  # conseal.uerd, version 2025.11
        (0, 0, 0, 0): 0.0014161570646926296,
        (0, 1, 3, 4): 0.01054737224949991,
        (0, 3, 7, 7): 0.02425620617775251,
        (1, 0, 0, 1): 0.0008223684210526315,
        (1, 2, 2, 2): 0.024492426683854335,
        (2, 0, 0, 0): 0.010018214936247723,
        (2, 3, 1, 1): np.inf,
    }
    for place, cost in expected.items():
        assert costs[place] == pytest.approx(cost, rel=1e-6)


def test_the_format_of_what_is_extracted_stays():
    blocks = (np.arange(300 * 64) * 7919 % 13 - 6).reshape(300, 64).astype("int16")
    jpeg = JPEGFile([], [], blocks, [], 0)
    header = embedding.extract_header(jpeg, 38)
    body = embedding.extract_body(jpeg, 38, 100, band=21, seed=bytes(range(32)))
    assert (
        hashlib.sha256(header + body).hexdigest() == "15ebae3683d7193fffe15f9464a8fdb7a1d18c444ecb94335578bfe0e927069c"
    )


@pytest.mark.parametrize("kind", ["optimized", pytest.param("restarts, progressive", marks=pytest.mark.slow)])
def test_what_is_embedded_is_read_from_the_file(kind):
    content = KINDS[kind]()
    jpeg, seed = read_jpeg(content), bytes(range(32))
    header, body = bytes(range(38)), bytes(embedding.capacity_bytes(jpeg, 38, rate=0.4))
    band = embedding.choose_band(jpeg, len(header) + len(body))
    blocks = embedding.embed(jpeg, header, body, band=band, seed=seed)
    written = write_jpeg(jpeg, blocks)
    again = read_jpeg(written)
    assert embedding.extract_header(again, 38) == header
    assert embedding.extract_body(again, 38, len(body), band=band, seed=seed) == body
    changes = again.blocks - jpeg.blocks
    assert np.abs(changes).max() == 1
    assert 0 < np.count_nonzero(changes) < 0.12 * embedding.num_nonzero(jpeg)


def pillow_pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def opencv_pixels(content):
    return cv2.imdecode(np.frombuffer(content, "uint8"), cv2.IMREAD_COLOR)


def test_the_picture_differs_only_by_what_was_embedded():
    jpeg = read_jpeg(KINDS["grey"]())
    body = bytes(embedding.capacity_bytes(jpeg, 38, rate=0.2))
    blocks = embedding.embed(jpeg, bytes(38), body, band=30, seed=bytes(32))
    pixels = [pillow_pixels(write_jpeg(jpeg, each)).astype(int) for each in (jpeg.blocks, blocks)]
    expected = [np.clip(luminance(jpeg, each) + 128, 0, 255) for each in (jpeg.blocks, blocks)]
    expected = (expected[1] - expected[0])[: PHOTOGRAPH.shape[0], : PHOTOGRAPH.shape[1]]
    assert np.abs(pixels[1] - pixels[0] - expected).max() < 2  # two roundings


def test_blocks_that_fill_up_stay_and_flat_parts_do_not_change():
    image = np.full((125, 203, 3), 200, "uint8")
    image[:, :100] = PHOTOGRAPH[:125, :100]
    jpeg = read_jpeg(pillow(image, quality=90))
    body = bytes(embedding.capacity_bytes(jpeg, 38, rate=0.4))
    blocks = embedding.embed(jpeg, bytes(38), body, band=40, seed=bytes(32))
    luma, *_ = jpeg.components
    changed = (blocks != jpeg.blocks)[: luma.height * luma.width].reshape(luma.height, luma.width, 64)
    assert changed[:, :12].any()
    assert not changed[:, 15:].any()
    assert not changed[luma.rows :].any()


@pytest.mark.slow
@pytest.mark.parametrize("quality", [75, 95])
def test_the_file_is_about_as_large(quality):
    jpeg = read_jpeg(pillow(skimage.data.coffee(), quality=quality, optimize=True))
    before = len(write_jpeg(jpeg, jpeg.blocks))
    for rate in 0.1, embedding.MOST:
        body = bytes(embedding.capacity_bytes(jpeg, 38, rate=rate))
        band = embedding.choose_band(jpeg, len(body) + 38)
        after = len(write_jpeg(jpeg, embedding.embed(jpeg, bytes(38), body, band=band, seed=bytes(32))))
        assert abs(after / before - 1) < 0.02


def patched(content, marker, replacement):
    place = content.index(marker)
    return content[:place] + replacement + content[place + len(replacement) :]


REFUSED = {
    "arithmetic-coded": lambda: patched(pillow(), b"\xff\xc0", b"\xff\xc9"),
    "lossless": lambda: patched(pillow(), b"\xff\xc0", b"\xff\xc3"),
    "hierarchical": lambda: patched(pillow(), b"\xff\xc0", b"\xff\xc5"),
    "12 bits": lambda: patched(pillow(), b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"),
    "CMYK": lambda: cmyk(),
    "damaged, or cut off": lambda: pillow()[:4000],
}


def cmyk():
    content = io.BytesIO()
    Image.fromarray(PHOTOGRAPH).convert("CMYK").save(content, "JPEG")
    return content.getvalue()


@pytest.mark.parametrize("reason", REFUSED)
def test_other_kinds_are_refused_and_the_reason_is_said(reason):
    with pytest.raises(UnsupportedFileError, match=reason):
        read_jpeg(REFUSED[reason]())


def test_a_file_cut_off_or_damaged_anywhere_is_refused_or_read_but_never_crashes():
    content = KINDS["restarts, progressive"]()
    for stop in range(2, len(content), 997):
        with pytest.raises(UnsupportedFileError):
            read_jpeg(content[:stop])
    generator = np.random.default_rng(0)
    for name in "quality 75", "progressive", "optimized":
        content = KINDS[name]()
        for _ in range(60):
            damaged = bytearray(content)
            damaged[generator.integers(2, len(content))] = generator.integers(256)
            try:
                jpeg = read_jpeg(bytes(damaged))
            except UnsupportedFileError:
                continue
            assert jpeg.blocks.shape[1] == 64


@pytest.fixture
def folder(tmp_path):
    """A folder with cover.jpg, as of a phone, secret.png and cover.png."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Maker of phones"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    cover = pillow(PHOTOGRAPH, quality=90, exif=exif, icc_profile=profile, comment=b"at home")
    (tmp_path / "cover.jpg").write_bytes(cover)
    write_image(tmp_path / "secret.png", SECRET)
    write_image(tmp_path / "cover.png", PHOTOGRAPH)
    return tmp_path


def hide_in(folder, output="stego.jpg", passphrase="right", cover="cover.jpg", **options):
    return hide_file(folder / cover, folder / "secret.png", folder / output, passphrase, **options)


@pytest.mark.slow
def test_a_secret_comes_back_from_a_jpeg_file_with_its_passphrase_alone(folder):
    hidden = hide_in(folder)
    revealed = reveal_file(folder / "stego.jpg", folder / "revealed.png", "right")
    assert image_psnr(SECRET, revealed) == hidden.secret_psnr
    np.testing.assert_array_equal(revealed, read_image(folder / "revealed.png"))
    np.testing.assert_array_equal(hidden.stego, read_image(folder / "stego.jpg", as_stored=True))
    assert hidden.stego.shape == PHOTOGRAPH.shape  # orientation has not turned it
    assert hidden.secret_psnr >= 37.95
    assert hidden.bits < embedding.MOST
    for wrong in "wrong", None:
        with pytest.raises(NothingHiddenError):
            reveal_file(folder / "stego.jpg", folder / "no.png", wrong)
    with pytest.raises(NothingHiddenError):
        reveal(hidden.stego, "right")
    blocks = read_jpeg((folder / "stego.jpg").read_bytes())
    changed = write_jpeg(blocks, blocks.blocks ^ (np.arange(64) == 1).astype("int16") * (blocks.blocks > 1))
    (folder / "changed.jpg").write_bytes(changed)
    with pytest.raises((AlteredError, NothingHiddenError)):
        reveal_file(folder / "changed.jpg", folder / "no.png", "right")
    assert not (folder / "no.png").exists()


@pytest.mark.slow
def test_a_smooth_secret_gets_what_is_hardly_found(folder):
    Image.fromarray(cv2.GaussianBlur(SECRET, (0, 0), 6)).save(folder / "smooth.png")
    least, usual = (
        hide_file(folder / "cover.jpg", folder / "smooth.png", folder / name, **how)
        for name, how in (("least.jpg", {"quality": 38.0}), ("usual.jpg", {}))
    )
    assert usual.secret_psnr > least.secret_psnr + 1
    assert least.roc_auc <= usual.roc_auc < 0.551


@pytest.mark.slow
def test_bits_and_quality_say_how_much_is_embedded(folder):
    few, more = (hide_in(folder, f"{bits}.jpg", bits=bits) for bits in (0.2, 0.5))
    assert few.bits <= 0.2
    assert more.bits <= 0.5
    assert few.secret_psnr < more.secret_psnr
    assert few.changed < more.changed
    hidden = hide_in(folder, quality=30.0)
    assert hidden.secret_psnr >= 29.9
    assert hidden.num_bytes < more.num_bytes
    with pytest.raises(CapacityError, match=r"take a lower quality, or a larger cover, .* ends in .png"):
        hide_in(folder, "no.jpg", quality=80.0)
    with pytest.raises(ValueError, match=r"fraction such as 0.1.*bits=2"):
        hide_in(folder, "no.jpg", bits=2)
    assert not (folder / "no.jpg").exists()


@pytest.mark.slow
def test_what_is_expected_comes_about(folder):
    content = (folder / "cover.jpg").read_bytes()
    rows = jpeg_capacity(content, SECRET)
    assert [row.bits for row in rows] == [0.05, 0.1, 0.2, 0.4, 0.6]
    hidden, row = hide_in(folder, bits=0.4), rows[3]
    assert hidden.num_bytes <= row.num_bytes
    assert hidden.secret_psnr == pytest.approx(row.secret_psnr, abs=1.5)
    assert hidden.changed == pytest.approx(row.changed, rel=0.25)
    assert hidden.cover_psnr == pytest.approx(row.cover_psnr, abs=1.5)


@pytest.mark.slow
def test_metadata_are_kept_only_where_that_is_asked_for(folder):
    hide_in(folder, bits=0.3)
    hide_in(folder, "kept.jpg", bits=0.3, keep_metadata=True)
    contents = [(folder / name).read_bytes() for name in ("cover.jpg", "stego.jpg", "kept.jpg")]
    cover, stego, kept = (Image.open(io.BytesIO(content)) for content in contents)
    assert dict(stego.getexif()) == {ExifTags.Base.Orientation: 6}
    assert stego.info["icc_profile"] == cover.info["icc_profile"]
    assert "comment" not in stego.info
    assert b"phones" not in contents[1]
    assert kept.info["exif"] == cover.info["exif"]
    assert kept.info["comment"] == b"at home"
    assert kept.size == stego.size == cover.size
    with pytest.raises(ValueError, match="`keep_metadata` is for JPEG covers"):
        hide_in(folder, "no.png", cover="cover.png", keep_metadata=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_comes_back_from_every_kind_of_jpeg_file(kind, folder, recwarn):
    (folder / "cover.jpg").write_bytes(KINDS[kind]())
    write_image(folder / "secret.png", SECRET[::2, ::2], overwrite=True)
    hidden = hide_in(folder)
    revealed = reveal_file(folder / "stego.jpg", folder / "revealed.png", "right")
    assert image_psnr(SECRET[::2, ::2], revealed) == hidden.secret_psnr
    cover, stego = ((folder / name).read_bytes() for name in ("cover.jpg", "stego.jpg"))
    for decode in pillow_pixels, opencv_pixels, imagecodecs.jpeg8_decode:
        assert image_psnr(decode(cover), decode(stego)) > 38
    before, after = read_jpeg(cover), read_jpeg(stego)
    assert np.abs(after.blocks - before.blocks).max() == 1
    for component, other in zip(before.components, after.components, strict=True):
        np.testing.assert_array_equal(component.quantization, other.quantization)
        assert component[:7] == other[:7]
    assert [segment[:2] for segment in after.segments if isinstance(segment, bytes)] == [
        segment[:2] for segment in before.segments if isinstance(segment, bytes) and b"MPF\0" not in segment
    ]
    said = " ".join(str(warning.message) for warning in recwarn if "not kept" in str(warning.message))
    assert bool(said) == (kind in ("trailing data", "several pictures"))


def test_a_jpeg_file_needs_a_jpeg_cover(folder):
    with pytest.raises(ValueError, match=r"cover.png is none: take a JPEG file as the cover.*ends in .png"):
        hide_in(folder, cover="cover.png")
    (folder / "cmyk.jpg").write_bytes(cmyk())
    with pytest.raises(UnsupportedFileError, match=r"cmyk.jpg cannot be the cover of a JPEG file.*choose an output"):
        hide_in(folder, cover="cmyk.jpg")
    (folder / "small.jpg").write_bytes(pillow(PHOTOGRAPH[:8, :8]))
    with pytest.raises(CapacityError, match="too small"):
        hide_in(folder, cover="small.jpg")


@pytest.mark.slow
def test_a_flat_cover_has_no_room(folder):
    (folder / "flat.jpg").write_bytes(pillow(np.full((200, 200, 3), 90, "uint8")))
    with pytest.raises(CapacityError, match="0 coefficients that are not 0 there is room for 0 bytes"):
        hide_in(folder, cover="flat.jpg")


@pytest.mark.slow
def test_another_output_of_a_jpeg_cover_is_made_with_a_warning(folder):
    with pytest.warns(UserWarning, match=r"An output that ends in .jpg hides better"):
        hide_in(folder, "stego.png", bits=0.1)
    assert reveal_file(folder / "stego.png", folder / "revealed.png", "right").shape == SECRET.shape


def test_a_file_that_lacks_its_last_scans_is_refused():
    jpeg = read_jpeg(pillow(progressive=True))
    scans = [i for i, segment in enumerate(jpeg.segments) if isinstance(segment, CodedScan)]
    for number in 1, 3:
        cut = [segment for i, segment in enumerate(jpeg.segments) if i not in scans[-number:]]
        content = write_jpeg(jpeg._replace(segments=cut), jpeg.blocks)
        assert pillow_pixels(content).shape == PHOTOGRAPH.shape  # others show it
        with pytest.raises(UnsupportedFileError, match="some of its scans are missing"):
            read_jpeg(content)


@pytest.mark.parametrize("content", [b"garbage!!", b"II*\0", b""])
def test_damaged_metadata_are_left_out(content):
    body = b"Exif\0\0" + content
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    assert choose_metadata([segment], keep=False) == []


def test_nothing_is_said_of_what_a_flat_cover_cannot_carry():
    flat = read_jpeg(pillow(np.full((64, 64, 3), 128, "uint8")))
    assert np.isnan(embedding.expected_effect(flat, [60])).all()
