"""Whatever way a file says what its colours are: they become sRGB, or it is refused with the reason."""

import io
import struct
import zlib

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageCms

from stego_lib.images import image_psnr, read_image

PHOTOGRAPH = np.ascontiguousarray(skimage.data.chelsea()[60:124, 100:180])
GREY = np.ascontiguousarray(PHOTOGRAPH[..., 1])
GREY_RGB = np.repeat(GREY[..., None], 3, axis=-1)
ALPHA = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[:, None], 80, axis=1)
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XYZ = {  # matrices from light of red, green and blue to XYZ, from the standards
    "sRGB": [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    "Display P3": [[0.4865709, 0.2656677, 0.1982173], [0.2289746, 0.6917385, 0.0792869], [0, 0.0451134, 1.0439444]],
    "Adobe RGB": [
        [0.5767309, 0.1855540, 0.1881852],
        [0.2973769, 0.6273491, 0.0752741],
        [0.0270343, 0.0706872, 0.9911085],
    ],
}
ADOBE_GAMMA = 563 / 256


def srgb_to_light(image):
    codes = image / 255
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def light_to_srgb(light):
    codes = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clip(0) ** (1 / 2.4) - 0.055)
    return np.rint(255 * codes.clip(0, 1)).astype(np.uint8)


def in_colours(name):
    """Light of the photograph, mixed from other primaries."""
    return (srgb_to_light(PHOTOGRAPH) @ np.linalg.solve(XYZ[name], XYZ["sRGB"]).T).clip(0, 1)


def with_gamma(light, gamma):
    return np.rint(255 * light ** (1 / gamma)).astype(np.uint8)


DISPLAY_P3 = light_to_srgb(in_colours("Display P3"))
ADOBE_RGB = with_gamma(in_colours("Adobe RGB"), ADOBE_GAMMA)
LINEAR = with_gamma(srgb_to_light(PHOTOGRAPH), 1)


def on_white(image, alpha=ALPHA):
    alpha = alpha[..., None] / 255
    return np.rint(image * alpha + 255 * (1 - alpha)).astype(np.uint8)


def profile(gamma):
    """An ICC profile that is called sRGB and has its primaries, but another curve."""
    curve = SRGB_PROFILE.index(b"para") + 12  # g, a, b, c, d of (a x + b)^g from d on, c x before
    parameters = struct.pack(">5i", *(round(65536 * value) for value in (gamma, 1, 0, 1, 0)))
    return SRGB_PROFILE[:curve] + parameters + SRGB_PROFILE[curve + 20 :]


def grey_profile(gamma):
    """An ICC profile of grey, of the fewest tags that are taken."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * gamma)) + b"\0\0"
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 156 + len(white), len(curve))
    header = bytearray(SRGB_PROFILE[:128])
    header[8:12], header[16:20] = b"\x02\x40\0\0", b"GRAY"
    header[:4] = struct.pack(">I", 156 + len(white) + len(curve))
    return bytes(header) + tags + white + curve


def saved(array, file_format="PNG", **options):
    content = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(content, file_format, **options)
    return content.getvalue()


def with_chunks(png, **chunks):
    """A PNG file with more chunks behind its header."""
    added = b""
    for name, content in chunks.items():
        kind = name.encode()
        added += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return png[:33] + added + png[33:]


def camera_exif(space, index):
    """What cameras write about colours."""
    exif = Image.Exif()
    exif[0x8769] = {0xA001: space, 0xA005: {1: index}}
    return exif.tobytes()


def avif(array, primaries, transfer=13, **options):
    content = saved(array, "AVIF", quality=100, subsampling="4:4:4", **options)
    return content.replace(b"nclx\0\1\0\x0d", b"nclx" + struct.pack(">HH", primaries, transfer))


def bmp(array, icc_profile):
    """A BMP file with an embedded profile, of the fifth version of the header."""
    size, rows = len(array) * array.shape[1] * 3, array[::-1, :, ::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", 124, array.shape[1], len(array), 1, 24, 0, size, 0, 0, 0, 0)
    header += bytes(16) + b"DEBM" + bytes(52) + struct.pack("<III", 124 + size, len(icc_profile), 0)
    return b"BM" + struct.pack("<IHHI", 138 + size + len(icc_profile), 0, 0, 138) + header + rows + icc_profile


def fixed(*values):
    return struct.pack(f">{len(values)}I", *(round(100_000 * value) for value in values))


WHITE_AND_ADOBE = fixed(0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
WHITE_AND_SRGB = fixed(0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
LINEAR_GREY = with_gamma(srgb_to_light(GREY), 1)
PALETTE = Image.fromarray(LINEAR).quantize(200)
INDICES = np.asarray(PALETTE)
PALETTE_ALPHA = np.linspace(0, 255, 200).astype(np.uint8)
PALETTE_RGB = light_to_srgb(np.asarray(PALETTE.convert("RGB")) / 255)
CONVERTED = {  # content, and the picture in sRGB
    "profile called sRGB, linear": (saved(LINEAR, icc_profile=profile(1)), PHOTOGRAPH),
    "profile, rgba": (saved(np.dstack([LINEAR, ALPHA]), icc_profile=profile(1)), on_white(PHOTOGRAPH)),
    "profile, grey": (saved(LINEAR_GREY, icc_profile=profile(1)), GREY_RGB),
    "profile, grey alpha": (saved(np.dstack([LINEAR_GREY, ALPHA]), icc_profile=profile(1)), on_white(GREY_RGB)),
    "profile of grey, grey": (saved(LINEAR_GREY, icc_profile=grey_profile(1)), GREY_RGB),
    "profile of grey, 16 bits": (saved(LINEAR_GREY.astype(np.uint16) * 257, icc_profile=grey_profile(1)), GREY_RGB),
    "profile of grey, alpha": (saved(np.dstack([LINEAR_GREY, ALPHA]), icc_profile=grey_profile(1)), on_white(GREY_RGB)),
    "profile, palette": (saved(PALETTE, icc_profile=profile(1)), PALETTE_RGB),
    "profile, palette alpha": (
        saved(PALETTE, icc_profile=profile(1), transparency=PALETTE_ALPHA.tobytes()),
        on_white(PALETTE_RGB, PALETTE_ALPHA[INDICES]),
    ),
    "profile, tiff": (saved(LINEAR, "TIFF", icc_profile=profile(1)), PHOTOGRAPH),
    "profile, webp": (saved(LINEAR, "WEBP", lossless=True, icc_profile=profile(1)), PHOTOGRAPH),
    "profile, bmp": (bmp(LINEAR, profile(1)), PHOTOGRAPH),
    "exif r03, jpeg": (
        saved(ADOBE_RGB, "JPEG", quality=98, subsampling=0, exif=camera_exif(65535, "R03")),
        PHOTOGRAPH,
    ),
    "exif r03, png": (saved(ADOBE_RGB, exif=camera_exif(65535, "R03")), PHOTOGRAPH),
    "exif colour space 2": (saved(ADOBE_RGB, exif=camera_exif(2, "R98")), PHOTOGRAPH),
    "avif nclx": (avif(DISPLAY_P3, 12), PHOTOGRAPH),
    "avif nclx, rgba": (avif(np.dstack([DISPLAY_P3, ALPHA]), 12), on_white(PHOTOGRAPH)),
    "png cicp": (with_chunks(saved(DISPLAY_P3), cICP=bytes([12, 13, 0, 1])), PHOTOGRAPH),
    "png cicp, rgba": (
        with_chunks(saved(np.dstack([DISPLAY_P3, ALPHA])), cICP=bytes([12, 13, 0, 1])),
        on_white(PHOTOGRAPH),
    ),
    "png cicp, before a profile": (
        with_chunks(saved(DISPLAY_P3, icc_profile=profile(1)), cICP=bytes([12, 13, 0, 1])),
        PHOTOGRAPH,
    ),
    "png cicp, linear": (with_chunks(saved(LINEAR), cICP=bytes([1, 8, 0, 1])), PHOTOGRAPH),
    "png gamma": (with_chunks(saved(LINEAR), gAMA=fixed(1)), PHOTOGRAPH),
    "png gamma and primaries": (
        with_chunks(saved(ADOBE_RGB), gAMA=fixed(1 / ADOBE_GAMMA), cHRM=WHITE_AND_ADOBE),
        PHOTOGRAPH,
    ),
}
UNTOUCHED = {  # files of the photograph in sRGB that say so in words, or say nothing
    "profile": saved(PHOTOGRAPH, icc_profile=SRGB_PROFILE),
    "profile of another name": saved(PHOTOGRAPH, icc_profile=SRGB_PROFILE.replace(b"\0s\0R\0G\0B", b"\0x\0Y\0Z\0A")),
    "png cicp": with_chunks(saved(PHOTOGRAPH), cICP=bytes([1, 13, 0, 1])),
    "png gamma and primaries": with_chunks(saved(PHOTOGRAPH), gAMA=fixed(0.45455), cHRM=WHITE_AND_SRGB),
    "png srgb before gamma": with_chunks(saved(PHOTOGRAPH), sRGB=b"\0", gAMA=fixed(1)),
    "exif srgb": saved(PHOTOGRAPH, exif=camera_exif(1, "R98")),
    "exif uncalibrated": saved(PHOTOGRAPH, exif=camera_exif(65535, "R98")),
}


def read(content, folder, **options):
    (folder / "photograph").write_bytes(content)
    return np.ascontiguousarray(read_image(folder / "photograph", **options))


@pytest.mark.parametrize("kind", CONVERTED)
def test_colours_become_srgb(kind, tmp_path):
    content, picture = CONVERTED[kind]
    assert image_psnr(read(content, tmp_path), picture) > 42
    assert image_psnr(read(content, tmp_path, as_stored=True), picture) < 36


@pytest.mark.parametrize("kind", UNTOUCHED)
def test_what_is_srgb_stays_as_it_is(kind, tmp_path):
    np.testing.assert_array_equal(read(UNTOUCHED[kind], tmp_path), PHOTOGRAPH)


def test_of_an_avif_file_the_profile_counts_more_than_code_points(tmp_path):
    image = read(avif(PHOTOGRAPH, 12, icc_profile=SRGB_PROFILE), tmp_path)
    assert image_psnr(image, PHOTOGRAPH) > 42


def test_wide_primaries_and_other_whites_keep_white_and_grey(tmp_path):
    for primaries in (5, 6, 7, 9, 11, 12):
        image = read(with_chunks(saved(GREY_RGB), cICP=bytes([primaries, 13, 0, 1])), tmp_path)
        np.testing.assert_allclose(image.astype(int), GREY_RGB, atol=1)


@pytest.mark.parametrize("icc_profile", [b"no profile", grey_profile(1)], ids=["broken", "of grey"])
def test_a_profile_that_does_not_fit_is_said(icc_profile, tmp_path):
    with pytest.warns(UserWarning, match="photograph has a colour profile that does not fit: it is read as sRGB"):
        image = read(saved(PHOTOGRAPH, icc_profile=icc_profile), tmp_path)
    np.testing.assert_array_equal(image, PHOTOGRAPH)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            with_chunks(saved(PHOTOGRAPH), cICP=bytes([9, 16, 0, 1])),
            "it is an HDR picture; export it as an SDR picture",
        ),
        (avif(PHOTOGRAPH, 9, 18), "it is an HDR picture; export it as an SDR picture"),
        (with_chunks(saved(PHOTOGRAPH), cICP=bytes([10, 13, 0, 1])), "it has colours of an unusual kind, 10/13/0"),
        (with_chunks(saved(PHOTOGRAPH), cICP=bytes([1, 13, 0, 0])), "it has colours of an unusual kind"),
    ],
    ids=["pq", "hlg", "xyz", "narrow range"],
)
def test_colours_that_cannot_be_shown_are_refused(content, reason, tmp_path):
    with pytest.raises(ValueError, match=f"photograph cannot be read: {reason}"):
        read(content, tmp_path)
