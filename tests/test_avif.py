import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from stego_lib.codec.avif import QUICK, SLOWEST, avif_file, decode_avif, lengthen, shorten
from stego_lib.codec.container import AVIF, avif_streams, decode_file, unpack
from stego_lib.images import image_psnr

IMAGE = skimage.data.astronaut()[100:197, 150:270]


def written(image, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "AVIF", **options)
    return file.getvalue()


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("shape", [(97, 120), (1, 1), (9, 200)])
def test_a_file_comes_back_without_its_boxes(sampling, shape):
    image = np.resize(IMAGE, (*shape, 3))
    file = written(image, quality=60, speed=10, subsampling=sampling)
    short = shorten(file)
    assert len(short) < len(file) - 260
    with Image.open(io.BytesIO(file)) as expected:
        np.testing.assert_array_equal(decode_avif(short, *shape), np.array(expected))
    with Image.open(io.BytesIO(lengthen(short, *shape))) as whole:
        assert whole.format == "AVIF"


def psnr(short):
    return image_psnr(IMAGE, decode_avif(short, *IMAGE.shape[:2]))


def test_the_best_of_some_qualities_fits():
    for max_bytes in (400, 1500, 6000):
        short = avif_file(IMAGE, max_bytes, psnr=0, shortest=False)
        assert 0.7 * max_bytes < len(short) <= max_bytes
    assert psnr(short) > 36
    assert avif_file(IMAGE, 30, psnr=0, shortest=False) is None


def test_what_is_worse_than_something_else_is_left_out():
    best = avif_file(IMAGE, 1500, psnr=0, shortest=False)
    assert avif_file(IMAGE, 1500, psnr=psnr(best), shortest=False) is None
    assert avif_file(IMAGE, 1500, psnr=psnr(best) - 0.01, shortest=False) == best


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (50, 1), (30, 30)])
def test_small_and_flat_images_are_compressed_too(shape):
    short = avif_file(np.full((*shape, 3), 90, "uint8"), 500, psnr=20, shortest=True)
    assert len(short) < 500
    assert decode_avif(short, *shape).shape == (*shape, 3)


def test_the_next_quality_would_not_fit():
    short = avif_file(IMAGE, 3000, psnr=0, shortest=False)
    longer = avif_file(IMAGE, 3000, psnr=psnr(short) + 0.25, shortest=False)
    assert longer is None
    assert avif_file(IMAGE, 3200, psnr=psnr(short), shortest=False)


@pytest.mark.slow
def test_what_is_a_little_too_long_may_fit_otherwise(monkeypatch):
    def qualities():
        files = [avif_file(IMAGE, round(1500 * 1.01**number), psnr=0, shortest=False) for number in range(9)]
        return np.array(list(map(psnr, files)))

    varied = qualities()
    monkeypatch.setattr("stego_lib.codec.avif.LITTLE", 0)
    gains = varied - qualities()
    assert gains.min() == 0
    assert gains.max() > 0.1


@pytest.mark.slow
def test_the_shortest_of_some_qualities_reaches_what_is_wanted():
    for wanted in 28.0, 33.0, 38.0:
        short = avif_file(IMAGE, 20000, psnr=wanted, shortest=True)
        assert wanted <= psnr(short) < wanted + 0.6
        assert avif_file(IMAGE, len(short), psnr=wanted, shortest=True) is None
        assert psnr(avif_file(IMAGE, len(short), psnr=0, shortest=False)) == pytest.approx(psnr(short), abs=0.4)


def test_what_is_much_worse_is_not_compressed_slowly(monkeypatch):
    best, save, speeds = psnr(avif_file(IMAGE, 1500, psnr=0, shortest=False)), Image.Image.save, set()
    monkeypatch.setattr(Image.Image, "save", lambda *args, **how: speeds.add(how["speed"]) or save(*args, **how))
    assert avif_file(IMAGE, 1500, psnr=best + 2, shortest=False) is None
    assert speeds == {QUICK}
    assert avif_file(IMAGE, 1500, psnr=best, shortest=False) is None
    assert speeds == {QUICK, SLOWEST}


def test_a_picture_of_another_size_is_refused_before_it_is_decoded():
    short = shorten(written(IMAGE, quality=10, speed=10))
    assert decode_avif(short, 97, 121) is None
    assert decode_avif(short, 120, 97) is None
    large = shorten(written(np.zeros((2048, 2048, 3), "uint8"), quality=10, speed=10))
    assert len(large) < 500
    assert decode_avif(large, 97, 120) is None
    header = short[: 3 + 4 + short[3 + 3]]
    assert decode_avif(header + large[3 + 2 :], 97, 120) is None  # the header of the small one, then the large one


def test_a_damaged_file_is_refused():
    [data] = avif_streams(IMAGE, 1500, psnr=0, shortest=False)
    stream = unpack(data)
    assert stream.kind == AVIF
    for position in range(50, len(stream.payload), 97):
        payload = bytearray(stream.payload)
        payload[position] ^= 0xFF
        with pytest.raises(ValueError, match=r"damaged|other pixels"):
            decode_file(stream._replace(payload=bytes(payload)))
    for length in range(0, 60, 7):
        with pytest.raises(ValueError, match="damaged"):
            decode_file(stream._replace(payload=stream.payload[:length]))
