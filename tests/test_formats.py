"""Files of every format and kind are read right, or refused with the reason."""

import io
import struct
import zlib

import numpy as np
import PIL
import pytest
import skimage.data
from PIL import Image, ImageCms

from stego_lib import images
from stego_lib.images import image_psnr, read_image

PHOTOGRAPH = np.ascontiguousarray(skimage.data.chelsea()[60:124, 100:180])
GREY = np.ascontiguousarray(PHOTOGRAPH[..., 1])
GREY_RGB = np.repeat(GREY[..., None], 3, axis=-1)
ALPHA = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[:, None], 80, axis=1)
RGB, CMYK, YCBCR, CIELAB = 2, 5, 6, 8  # photometric interpretations of TIFF


def on_white(image):
    alpha = ALPHA[..., None] / 255
    return np.rint(image * alpha + 255 * (1 - alpha)).astype(np.uint8)


def saved(array, file_format, **options):
    content = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(content, file_format, **options)
    return content.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows, bits, colour_type, *chunks):
    """A PNG file of rows of bytes."""
    header = struct.pack(">IIBBBBB", 80, 64, bits, colour_type, 0, 0, 0)
    content = zlib.compress(np.pad(rows.reshape(64, -1), ((0, 0), (1, 0))).tobytes())
    chunks = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", content), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def packed(samples, bits):
    """Samples of less than 8 bits, or of 12, in bytes."""
    unpacked = np.unpackbits(samples.astype(">u2")[..., None].view(np.uint8), axis=-1)[..., -bits:]
    return np.packbits(unpacked.reshape(len(samples), -1), axis=1)


def tiff(samples, photometric, *, bits, tags=None, order="<"):
    """An uncompressed TIFF file of one strip, or of one for every plane where tag 284 says so."""
    planes = len(bits) if tags and 284 in tags else 1
    content = samples.tobytes()
    offsets = [8 + len(content) // planes * plane for plane in range(planes)]
    entries = {256: [80], 257: [64], 258: bits, 259: [1], 262: [photometric], 273: offsets, 277: [len(bits)], 278: [64]}
    entries |= {279: [len(content) // planes] * planes, **(tags or {})}
    directory, position = [], 8 + len(content) + 2 + 12 * len(entries) + 4
    behind = b""
    for tag, values in sorted(entries.items()):
        value = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            value, behind = struct.pack(f"{order}I", position + len(behind)), behind + value
        directory.append(struct.pack(f"{order}HHI", tag, 4, len(values)) + value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(content))
    return head + content + struct.pack(f"{order}H", len(entries)) + b"".join(directory) + bytes(4) + behind


def grey_levels(bits):
    """The photograph in grey of few levels, as samples and as 8 bits."""
    samples = GREY >> (8 - bits)
    return samples, np.repeat(samples[..., None] * (255 // (2**bits - 1)), 3, axis=-1)


def keyed(image, key):
    return np.where((image == key).all(-1, keepdims=True), 255, image).astype(np.uint8)


SIXTEEN, GREY_16 = PHOTOGRAPH.astype(np.uint16) * 257, GREY.astype(np.uint16) * 257
RGBA, GREY_ALPHA = np.dstack([PHOTOGRAPH, ALPHA]), np.dstack([GREY, ALPHA])
PALETTE = Image.fromarray(PHOTOGRAPH).quantize(200)
PALETTE_RGB = np.asarray(PALETTE.convert("RGB"))
PALETTE_KEY = PALETTE_RGB[np.asarray(PALETTE) == 7][0]
LEVELS_2, LEVELS_2_RGB = grey_levels(2)
CMYK_SAMPLES = np.dstack([255 - PHOTOGRAPH, np.zeros_like(GREY)])
KEY, GREY_KEY = PHOTOGRAPH[5, 5], int(GREY[5, 5])

EXACT = {  # content, and the picture that it is
    "png": (saved(PHOTOGRAPH, "PNG"), PHOTOGRAPH),
    "png rgba": (saved(RGBA, "PNG"), on_white(PHOTOGRAPH)),
    "png grey": (saved(GREY, "PNG"), GREY_RGB),
    "png grey alpha": (saved(GREY_ALPHA, "PNG"), on_white(GREY_RGB)),
    "png 1 bit": (png(packed(GREY >> 7, 1), 1, 0), grey_levels(1)[1]),
    "png 2 bits": (png(packed(LEVELS_2, 2), 2, 0), LEVELS_2_RGB),
    "png 16 bits": (png(SIXTEEN.astype(">u2").view(np.uint8), 16, 2), PHOTOGRAPH),
    "png grey 16 bits": (saved(GREY_16, "PNG"), GREY_RGB),
    "png palette": (saved(PALETTE, "PNG"), PALETTE_RGB),
    "png palette, a transparent colour": (saved(PALETTE, "PNG", transparency=7), keyed(PALETTE_RGB, PALETTE_KEY)),
    "png transparent colour": (
        png(PHOTOGRAPH, 8, 2, chunk(b"tRNS", struct.pack(">3H", *KEY))),
        keyed(PHOTOGRAPH, KEY),
    ),
    "png grey 2 bits, a transparent level": (
        png(packed(LEVELS_2, 2), 2, 0, chunk(b"tRNS", struct.pack(">H", 2))),
        keyed(LEVELS_2_RGB, 170),
    ),
    "png grey 16 bits, a transparent level": (
        png(GREY_16.astype(">u2").view(np.uint8), 16, 0, chunk(b"tRNS", struct.pack(">H", GREY_KEY * 257))),
        keyed(GREY_RGB, GREY_KEY),
    ),
    "webp": (saved(PHOTOGRAPH, "WEBP", lossless=True), PHOTOGRAPH),
    "webp rgba": (saved(RGBA, "WEBP", lossless=True, exact=True), on_white(PHOTOGRAPH)),
    "bmp": (saved(PHOTOGRAPH, "BMP"), PHOTOGRAPH),
    "bmp palette": (saved(PALETTE, "BMP"), PALETTE_RGB),
    "gif": (saved(PALETTE, "GIF"), PALETTE_RGB),
    "tiff": (tiff(PHOTOGRAPH, RGB, bits=[8, 8, 8]), PHOTOGRAPH),
    "tiff lzw": (saved(PHOTOGRAPH, "TIFF", compression="tiff_lzw"), PHOTOGRAPH),
    "tiff 1 bit, white is zero": (tiff(packed(~GREY >> 7, 1), 0, bits=[1]), grey_levels(1)[1]),
    "tiff rgba": (tiff(RGBA, RGB, bits=[8] * 4, tags={338: [2]}), on_white(PHOTOGRAPH)),
    "tiff grey alpha": (tiff(GREY_ALPHA, 1, bits=[8] * 2, tags={338: [2]}), on_white(GREY_RGB)),
    "tiff cmyk": (tiff(CMYK_SAMPLES, CMYK, bits=[8] * 4), PHOTOGRAPH),
    "tiff palette": (saved(PALETTE, "TIFF"), PALETTE_RGB),
    "tiff 16 bits": (tiff(SIXTEEN, RGB, bits=[16] * 3), PHOTOGRAPH),
    "tiff 16 bits, big-endian": (tiff(SIXTEEN.astype(">u2"), RGB, bits=[16] * 3, order=">"), PHOTOGRAPH),
    "tiff grey 16 bits": (tiff(GREY_16, 1, bits=[16]), GREY_RGB),
    "tiff grey 16 bits, big-endian": (tiff(GREY_16.astype(">u2"), 1, bits=[16], order=">"), GREY_RGB),
    "tiff grey 16 bits, white is zero": (tiff(65535 - GREY_16, 0, bits=[16]), GREY_RGB),
    "tiff grey 12 bits": (tiff(packed(GREY_16 >> 4, 12), 1, bits=[12]), GREY_RGB),
    "tiff planes": (tiff(np.moveaxis(PHOTOGRAPH, -1, 0), RGB, bits=[8] * 3, tags={284: [2]}), PHOTOGRAPH),
}
CLOSE = {  # content, and the picture that it is, but for 40 dB
    "jpeg": (saved(PHOTOGRAPH, "JPEG", quality=95, subsampling=0), PHOTOGRAPH),
    "jpeg grey": (saved(GREY, "JPEG", quality=95), GREY_RGB),
    "jpeg cmyk, inverted as Adobe's are": (
        saved(Image.fromarray(PHOTOGRAPH).convert("CMYK"), "JPEG", quality=98),
        PHOTOGRAPH,
    ),
    "avif": (saved(PHOTOGRAPH, "AVIF", quality=95, subsampling="4:4:4"), PHOTOGRAPH),
    "avif rgba": (saved(RGBA, "AVIF", quality=95, subsampling="4:4:4"), on_white(PHOTOGRAPH)),
    "tiff ycbcr": (
        tiff(np.asarray(Image.fromarray(PHOTOGRAPH).convert("YCbCr")), YCBCR, bits=[8] * 3, tags={530: [1, 1]}),
        PHOTOGRAPH,
    ),
}
HEADERS = {  # of files that are refused by their first bytes
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "canon cr3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "canon cr2": b"II*\0\x10\0\0\0CR\2\0",
    "fujifilm raf": b"FUJIFILMCCD-RAW 0201",
    "olympus orf": b"IIRO\x08\0\0\0",
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
}
RAW, OTHER = "it is a camera raw file; export it as JPEG", "it is not a JPEG, PNG, WebP, AVIF, TIFF, BMP or GIF file"
REFUSED = {  # content, and the reason
    "heic": (HEADERS["heic"], "it is a HEIC file; export it as JPEG"),
    **{name: (HEADERS[name], RAW) for name in ("canon cr3", "canon cr2", "fujifilm raf", "olympus orf")},
    "dng": (tiff(PHOTOGRAPH, RGB, bits=[8] * 3, tags={50706: [1]}), RAW),
    "nikon nef": (tiff(PHOTOGRAPH, RGB, bits=[8] * 3, tags={254: [1]}), "it begins with a small preview"),
    "jpeg 2000": (HEADERS["jpeg 2000"], OTHER),
    "nothing": (b"", OTHER),
    "text": (b"text", OTHER),
    "zeros": (bytes(1000), OTHER),
    "tiff float": (saved(np.float32(GREY), "TIFF"), "not whole numbers of 8 or 16 bits"),
    "tiff float rgb": (tiff(np.float32(PHOTOGRAPH), RGB, bits=[32] * 3, tags={339: [3, 3, 3]}), "cannot be decoded"),
    "tiff 32 bits": (saved(np.int32(GREY), "TIFF"), "not whole numbers of 8 or 16 bits"),
    "tiff planes 16 bits": (
        tiff(np.moveaxis(SIXTEEN, -1, 0), RGB, bits=[16] * 3, tags={284: [2]}),
        "a plane for every",
    ),
    "tiff planes grey alpha": (
        tiff(np.moveaxis(GREY_ALPHA, -1, 0), 1, bits=[8] * 2, tags={284: [2], 338: [2]}),
        "a plane for every colour; save it with interleaved colours",
    ),
    "tiff planes lab": (
        tiff(np.moveaxis(PHOTOGRAPH, -1, 0), CIELAB, bits=[8] * 3, tags={284: [2]}),
        "a plane for every",
    ),
    "tiff ycbcr, subsampled": (tiff(PHOTOGRAPH, YCBCR, bits=[8] * 3), "with subsampled colours; save it as RGB"),
    "tiff jpeg 12 bits": (tiff(GREY_16, 1, bits=[12], tags={259: [7]}), "JPEG compression of more than 8 bits"),
    "png 16 bits, a transparent colour": (
        png(SIXTEEN.astype(">u2").view(np.uint8), 16, 2, chunk(b"tRNS", bytes(6))),
        "it is a PNG file of 16 bits with a transparent colour",
    ),
}


def read(content, folder, name="photograph", **options):
    path = folder / name
    path.write_bytes(content)
    return np.ascontiguousarray(read_image(path, **options))


@pytest.mark.parametrize("kind", EXACT)
def test_lossless_kinds_are_read_exactly(kind, tmp_path):
    content, picture = EXACT[kind]
    np.testing.assert_array_equal(read(content, tmp_path), picture)


@pytest.mark.parametrize("kind", CLOSE)
def test_lossy_kinds_are_read_right(kind, tmp_path):
    if kind == "tiff ycbcr" and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow 13 is the first that reads such files")
    content, picture = CLOSE[kind]
    assert image_psnr(read(content, tmp_path), picture) > 40


def test_lab_is_read_right(tmp_path):
    image, profiles = Image.fromarray(PHOTOGRAPH), [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    lab = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    assert image_psnr(read(saved(lab, "TIFF"), tmp_path), PHOTOGRAPH) > 40


@pytest.mark.parametrize("kind", REFUSED)
def test_other_kinds_are_refused_with_the_reason(kind, tmp_path):
    content, reason = REFUSED[kind]
    with pytest.raises(images.UnsupportedFileError, match=reason) as caught:
        read(content, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'photograph'} cannot be read: it ")
    assert str(caught.value).endswith(".")


def test_a_tiff_file_that_is_called_raw_is_refused(tmp_path):
    with pytest.raises(ValueError, match="camera raw"):
        read(saved(PHOTOGRAPH, "TIFF"), tmp_path, "photograph.NEF")
    np.testing.assert_array_equal(read(saved(PHOTOGRAPH, "PNG"), tmp_path, "photograph.NEF"), PHOTOGRAPH)


TRUNCATED = {
    **{kind: EXACT[kind][0] for kind in ("png", "webp", "bmp", "gif", "tiff", "tiff lzw", "tiff 16 bits")},
    **{kind: CLOSE[kind][0] for kind in ("jpeg", "avif")},
    "jpeg progressive": saved(PHOTOGRAPH, "JPEG", progressive=True),
    "tiff jpeg": saved(PHOTOGRAPH, "TIFF", compression="jpeg"),
}


@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF data")
@pytest.mark.parametrize("kind", TRUNCATED)
def test_truncated_files_are_refused(kind, tmp_path):
    content = TRUNCATED[kind]
    for length in np.linspace(1, len(content) - 100, 20).astype(int):
        with pytest.raises(images.UnsupportedFileError, match="cannot be read"):
            read(content[:length], tmp_path)


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "WEBP", "AVIF", "TIFF"])
def test_of_several_pictures_the_first_is_read_and_it_is_said(file_format, tmp_path):
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(file_format, {})
    first, second = (Image.fromarray(image).quantize(200).convert("RGB") for image in (PHOTOGRAPH, PHOTOGRAPH[::-1]))
    content = saved(first, file_format, save_all=True, append_images=[second], **options)
    with pytest.warns(UserWarning, match="photograph has several pictures: only the first one is read"):
        assert image_psnr(read(content, tmp_path), np.array(first)) > 40


def test_a_smaller_copy_of_a_picture_is_no_other_picture(tmp_path):
    pages = saved(PHOTOGRAPH, "TIFF", save_all=True, append_images=[Image.fromarray(GREY)], tiffinfo={254: 0})
    full, reduced = (struct.pack("<HHII", 254, 4, 1, value) for value in (0, 1))
    assert pages.count(full) == 2
    last = pages.rindex(full)
    content = pages[:last] + reduced + pages[last + len(full) :]
    np.testing.assert_array_equal(read(content, tmp_path), PHOTOGRAPH)


def test_the_first_picture_of_a_phone_file_is_read(tmp_path):
    other = Image.fromarray(PHOTOGRAPH[::-1])
    content = saved(PHOTOGRAPH, "MPO", quality=95, subsampling=0, save_all=True, append_images=[other])
    assert image_psnr(read(content, tmp_path, "photograph.jpg"), PHOTOGRAPH) > 40


UPRIGHT = {  # what a viewer shows, by orientation
    1: PHOTOGRAPH,
    2: PHOTOGRAPH[:, ::-1],
    3: PHOTOGRAPH[::-1, ::-1],
    4: PHOTOGRAPH[::-1],
    5: PHOTOGRAPH.swapaxes(0, 1),
    6: np.rot90(PHOTOGRAPH, -1),
    7: PHOTOGRAPH[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(PHOTOGRAPH),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(
    ("file_format", "options"), [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})], ids=repr
)
def test_photographs_are_turned_upright_unless_read_as_stored(file_format, options, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(PHOTOGRAPH, file_format, exif=exif, **options)
    np.testing.assert_array_equal(read(content, tmp_path), UPRIGHT[orientation])
    np.testing.assert_array_equal(read(content, tmp_path, as_stored=True), PHOTOGRAPH)


def test_transparency_is_left_alone_when_read_as_stored(tmp_path):
    np.testing.assert_array_equal(read(saved(RGBA, "PNG"), tmp_path, as_stored=True), PHOTOGRAPH)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "GIF", "TIFF"])
def test_more_pixels_than_the_limit_are_refused_before_they_are_decoded(file_format, tmp_path, monkeypatch):
    content = saved(np.zeros((10, 10), np.uint8), file_format)
    monkeypatch.setattr(images, "MAX_PIXELS", 99)
    with pytest.raises(ValueError, match=r"it has 0\.0 megapixels, more than the limit of 134 megapixels"):
        read(content, tmp_path)
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    assert read(content, tmp_path).shape == (10, 10, 3)


def test_a_photograph_of_200_megapixels_is_refused_with_the_limit(tmp_path):
    content = png(np.zeros((64, 10), np.uint8), 1, 0)
    content = content[:16] + struct.pack(">II", 16320, 12240) + content[24:29]
    content += struct.pack(">I", zlib.crc32(content[12:])) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match=r"it has 199\.8 megapixels, more than the limit of 134 megapixels \(2\*\*27"):
        read(content, tmp_path)


@pytest.mark.slow
def test_a_webp_file_of_more_pixels_than_pillow_opens_is_refused_with_the_limit(tmp_path):
    Image.new("RGB", (16000, 12000)).save(tmp_path / "large.webp", lossless=True, method=0)
    with pytest.raises(ValueError, match="more than the limit of 134 megapixels"):
        read_image(tmp_path / "large.webp")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "AVIF"])
def test_the_limit_that_pillow_has_for_a_process_changes_nothing(file_format, tmp_path, monkeypatch):
    content = saved(PHOTOGRAPH, file_format)
    expected = read(content, tmp_path)
    for limit in (PHOTOGRAPH.size // 3 - 1, 10):  # of the first Pillow warns, the second it refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        np.testing.assert_array_equal(read(content, tmp_path), expected)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "photograph")


@pytest.mark.slow
def test_a_photograph_of_121_megapixels_is_read(tmp_path):
    Image.new("L", (11000, 11000), 90).save(tmp_path / "large.jpg")
    image = read_image(tmp_path / "large.jpg")
    assert image.shape == (11000, 11000, 3)
    assert image.min() == image.max() == 90
