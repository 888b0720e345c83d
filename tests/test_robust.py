import hashlib

import numpy as np
import pytest
import skimage.data
from PIL import Image

from stego_lib.evaluation.disturbances import jpeg, noise
from stego_lib.hiding import carriers, jpeg_blocks, robust
from stego_lib.hiding.jpeg_blocks import coefficients, quantization_tables, unclipped
from stego_lib.hiding.soft_values import expected_information, soft_values
from stego_lib.images import image_psnr

COVER = skimage.data.astronaut()[100:356, 100:356]
SEED = bytes(range(32))
HEADER = bytes(range(100, 138))
DESIGN = {"quality": 75, "level": 60, "seed": SEED}
BODY = bytes(np.random.default_rng(0).integers(0, 256, 1200, "uint8"))


@pytest.fixture(scope="module")
def stego():
    return robust.embed(COVER, HEADER, BODY, **DESIGN)


def extracted(image, **how):
    received = robust.Received(image)
    for header, distrust in robust.find_headers(received, len(HEADER)):
        if header == HEADER:
            return robust.extract_body(received, len(HEADER), len(BODY), **{**DESIGN, **how}, distrust=distrust)[0]
    return None


@pytest.mark.parametrize("quality", [75, 77, 78, 82, 90, 100])
def test_header_and_body_come_through_jpeg(stego, quality):
    assert extracted(jpeg(stego, quality)) == BODY


@pytest.mark.parametrize(("first", "second"), [(75, 75), (78, 75), (85, 75), (78, 78)])
def test_header_and_body_come_through_jpeg_twice(stego, first, second):
    assert extracted(jpeg(jpeg(stego, first), second)) == BODY


@pytest.mark.parametrize("sigma", [0, 1, 2])
def test_header_and_body_come_through_noise(stego, sigma):
    assert extracted(noise(stego, sigma)) == BODY


def test_what_is_wrong_is_counted(stego):
    received = robust.Received(jpeg(stego, 78))
    body, wrong = robust.extract_body(received, len(HEADER), len(BODY), **DESIGN, distrust=1)
    assert body == BODY
    assert 0.002 < wrong < 0.1


def test_the_cover_is_changed_as_much_as_expected(stego):
    expected = robust.expected_errors(COVER, len(HEADER), quality=75)[DESIGN["level"]]
    assert image_psnr(COVER, stego) == pytest.approx(10 * np.log10(255**2 / expected), abs=0.5)


def test_another_seed_finds_another_body(stego):
    assert extracted(stego, seed=bytes(32)) is None


def test_too_strong_compression_is_noticed(stego):
    assert extracted(jpeg(stego, 40)) is None


@pytest.mark.parametrize("quality", [40, 85])
def test_other_designs_are_found(quality):
    stego = robust.embed(COVER, HEADER, BODY, quality=quality, level=60, seed=SEED)
    assert extracted(jpeg(stego, quality + 3), quality=quality) == BODY


@pytest.mark.parametrize("quality", [0, 75, 90])
def test_nothing_is_found_in_photographs(quality):
    image = jpeg(COVER, quality) if quality else COVER
    assert not list(robust.find_headers(robust.Received(image), len(HEADER)))


def test_odd_sides_keep_what_is_beyond_whole_blocks():
    cover = COVER[:139, :151]
    stego = robust.embed(cover, HEADER, BODY[:100], **DESIGN)
    np.testing.assert_array_equal(stego[128:], cover[128:])
    np.testing.assert_array_equal(stego[:, 144:], cover[:, 144:])
    received = robust.Received(jpeg(stego, 75))
    assert next(robust.find_headers(received, len(HEADER)))[0] == HEADER


def test_covers_without_room_for_the_header_have_none():
    assert carriers.capacity_bits((15, 4000, 3), len(HEADER), level=100) == 0
    assert carriers.capacity_bits((48, 48, 3), len(HEADER), level=100) == 0
    assert carriers.capacity_bits((64, 64, 3), len(HEADER), level=100) == 1600


def test_places_are_the_same_for_ever():
    places, kinds = carriers.body_places((256, 272, 3), 38, quality=75, level=77, seed=SEED)
    header = carriers.header_places((256, 272, 3), 38)
    assert not set(places) & set(header)
    assert len(set(places)) == len(places) == carriers.capacity_bits((256, 272, 3), 38, level=77)
    digest = hashlib.sha256(np.concatenate([places, kinds, header]).astype("<i8").tobytes()).hexdigest()
    assert digest.startswith("205bcd876b37de77")


def test_cheap_coefficients_come_first():
    order = carriers.carrier_order(75)
    assert order[:4] == ((0, 2), (0, 1), (0, 8), (0, 9))
    assert sorted(order) == [(plane, position) for plane in range(3) for position in range(64)]


@pytest.mark.parametrize("quality", [1, 30, 50, 75, 92, 100])
def test_tables_are_those_of_pillow(quality, tmp_path):
    Image.fromarray(COVER).save(tmp_path / "image.jpg", quality=quality)
    with Image.open(tmp_path / "image.jpg") as image:
        tables = [np.array(table).reshape(8, 8) for table in image.quantization.values()]
    np.testing.assert_array_equal(quantization_tables(quality)[:2], tables)


def test_coefficients_are_those_of_a_jpeg_file():
    steps = quantization_tables(60)[0]
    values = coefficients(jpeg(COVER // 2 + 64, 60))[0] / steps  # nothing is clipped
    assert np.abs(values - np.rint(values))[..., steps > 20].max() < 0.2


def test_changes_of_coefficients_are_what_is_found_afterwards():
    image = (COVER // 2 + 64).astype("float32")
    before = coefficients(image)
    wanted = [np.random.default_rng(1).normal(0, 3, block.shape).astype("float32") for block in before]
    jpeg_blocks.change(image, [block.copy() for block in wanted])
    for old, new, difference in zip(before, coefficients(image), wanted, strict=True):
        np.testing.assert_allclose(new - old, difference, atol=0.01)


def test_clipped_samples_are_guessed():
    bright = np.clip(1.3 * COVER.astype(int) + 20, 0, 255).astype("uint8")
    stego = robust.embed(bright, HEADER, BODY, **DESIGN)
    sent, came = coefficients(stego)[0], jpeg(stego, 75)
    steps = quantization_tables(75)[0]
    carriers = steps < 12
    error = [np.abs(guess[0] - sent)[..., carriers].mean() for guess in (coefficients(came), unclipped(came))]
    assert (came == 255).mean() > 0.05
    assert error[1] < 0.8 * error[0]


def test_blocks_without_clipped_samples_are_not_guessed():
    image = COVER // 2 + 64
    for guessed, plain in zip(unclipped(image), coefficients(image), strict=True):
        np.testing.assert_array_equal(guessed, plain)


def test_soft_values_say_how_likely_parities_are():
    random = np.random.default_rng(0)
    parities = random.integers(0, 2, 40000)
    values = 2 * random.integers(-3, 4, 40000) + parities + random.uniform(-0.44, 0.44, 40000)
    values = (values + random.normal(0, 0.05, 40000)).astype("float32")
    kinds, groups = np.zeros((2, 40000), "uint8")
    soft = soft_values(values, kinds, groups, outliers=np.full((1, 1), 0.001))
    wrong = (soft < 0) != parities
    for low, high in (0.5, 1.5), (1.5, 3):
        some = (np.abs(soft) > low) & (np.abs(soft) < high)
        expected = (1 / (1 + np.exp(np.abs(soft[some])))).mean()
        assert wrong[some].mean() == pytest.approx(expected, abs=0.06)
    assert wrong[np.abs(soft) > 4].mean() < 0.01
    lost = np.logaddexp(0, -soft * (1 - 2.0 * parities)).mean() / np.log(2)
    assert expected_information(soft) == pytest.approx(1 - lost, abs=0.02)
