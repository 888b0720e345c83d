import numpy as np
import pytest
from skimage.filters import gaussian, unsharp_mask

from stego_lib.block_code import pad_to_multiple
from stego_lib.images import (
    LOSSLESS_SUFFIXES,
    MAX_PIXELS,
    check_photograph,
    decode_image,
    encode_image,
    read_image,
    sharpen,
    smooth,
    to_float,
    to_uint8,
    write_image,
)


@pytest.fixture
def photograph(pairs):
    return pairs[0][0]


def test_png_round_trip_is_exact(photograph, tmp_path):
    write_image(tmp_path / "a.png", photograph)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), photograph)
    write_image(tmp_path / "b.png", to_float(photograph))
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), photograph)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*none\.png"):
        read_image(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError, match="is a folder, not an image"):
        read_image(tmp_path)


def test_lossy_formats_are_refused_with_the_reason(photograph, tmp_path):
    with pytest.raises(ValueError, match="survives only in lossless files"):
        write_image(tmp_path / "a.jpg", photograph)
    assert not list(tmp_path.iterdir())


def test_existing_files_are_kept_unless_asked(photograph, tmp_path):
    path = tmp_path / "a.png"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        write_image(path, photograph)
    assert path.read_text() == "mine"
    write_image(path, photograph, overwrite=True)
    np.testing.assert_array_equal(read_image(path), photograph)


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError):
        write_image(tmp_path / "new" / "a.png", np.zeros((4, 4, 7), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_folder_cannot_be_made_where_a_file_is(photograph, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is a file, not a folder"):
        write_image(tmp_path / "file" / "new" / "a.png", photograph)


def test_errors_name_the_file_when_its_folder_cannot_be_made(photograph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").symlink_to("nowhere/at/all")
    with pytest.raises(OSError, match=r"^Cannot write gone/a\.png: File exists\.$"):
        write_image("gone/a.png", photograph)


@pytest.mark.parametrize("suffix", LOSSLESS_SUFFIXES)
def test_what_is_encoded_is_decoded_exactly(photograph, suffix):
    np.testing.assert_array_equal(decode_image(encode_image(photograph, f"a{suffix}")), photograph)


def test_arrays_beyond_the_limit_are_refused():
    largest = np.broadcast_to(np.uint8(0), (2**13, 2**14, 3))
    assert check_photograph("cover", largest).size == 3 * MAX_PIXELS
    with pytest.raises(ValueError, match="`cover` has more than the limit of 134 megapixels"):
        check_photograph("cover", np.broadcast_to(np.uint8(0), (2**13 + 1, 2**14, 3)))


def test_rounding_to_eight_bits():
    np.testing.assert_array_equal(to_uint8(np.array([-1, 0, 0.5, 1, 2])), [0, 0, 128, 255, 255])
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(to_float(values)), values)


def test_sharpen_equals_scikit_image(photograph):
    channels = to_float(photograph).astype(float)
    expected = np.stack([unsharp_mask(channels[..., c], radius=1.5, amount=0.8) for c in range(3)], -1)
    inner = (slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(sharpen(to_float(photograph), 0.8, sigma=1.5)[inner], expected[inner], atol=0.01)


def test_gaussian_smoothing_equals_scikit_image(photograph):
    expected = gaussian(to_float(photograph), 1.5, channel_axis=-1)
    inner = (slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(smooth(to_float(photograph), "gaussian", sigma=1.5)[inner], expected[inner], atol=0.01)


def test_bilateral_smoothing_keeps_edges(photograph):
    edge = np.zeros((32, 32, 3), np.float32)
    edge[:, 16:] = 0.8
    noisy = np.clip(edge + np.random.default_rng(0).normal(0, 0.02, edge.shape), 0, 1).astype(np.float32)
    assert np.abs(smooth(noisy, "bilateral") - edge).mean() < 0.7 * np.abs(noisy - edge).mean()
    assert np.abs(smooth(noisy, "gaussian") - edge)[:, 15:17].mean() > 3 * np.abs(smooth(noisy) - edge)[:, 15:17].mean()


@pytest.mark.parametrize("function", [sharpen, smooth, lambda image: smooth(image, "gaussian")])
def test_filters_treat_uint8_and_float_alike(function, photograph):
    as_float, as_uint8 = function(to_float(photograph)), function(photograph)
    assert as_float.dtype == np.float32
    assert as_uint8.dtype == np.uint8
    np.testing.assert_array_equal(to_uint8(as_float), as_uint8)


def test_unknown_smoothing_is_refused(photograph):
    with pytest.raises(ValueError, match="Received: method=median"):
        smooth(photograph, "median")


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 8, 3), (7, 2, 3), (8, 8, 3)])
def test_padding_reflects_up_to_the_next_multiple(shape):
    images = np.random.default_rng(0).random((2, *shape))
    padded = pad_to_multiple(images, 4)
    assert all(size % 4 == 0 and size < old + 4 for size, old in zip(padded.shape[1:3], shape[:2], strict=True))
    np.testing.assert_array_equal(padded[:, : shape[0], : shape[1]], images)


@pytest.mark.parametrize("dtype", [int, np.uint16, bool])
def test_other_kinds_of_numbers_are_refused(dtype):
    with pytest.raises(ValueError, match="Received: dtype="):
        to_uint8(np.zeros((2, 2, 3), dtype))
