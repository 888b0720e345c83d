"""What tells JPEG files with something hidden from others."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy.fft import dctn
from sklearn.metrics import roc_auc_score

from stego_lib.data import bundled_photographs, cut_squares
from stego_lib.evaluation.jpeg_detection import detect_in_jpeg
from stego_lib.evaluation.jpeg_steganalysis import dctr_features, embed_in_order, luminance
from stego_lib.hiding.jpeg_file import read_jpeg
from stego_lib.hiding.jpeg_scans import ZIGZAG


def camera(quality=75):
    content = io.BytesIO()
    Image.fromarray(skimage.data.camera()[200:264, 200:280]).save(content, "JPEG", quality=quality)
    return read_jpeg(content.getvalue())


def test_features_count_the_coefficients_of_cosine_transforms_at_every_place():
    jpeg = camera()
    picture, step = luminance(jpeg, jpeg.blocks), 3.7
    features = dctr_features(picture, step).reshape(8, 8, 5, 5, 5)
    np.testing.assert_allclose(features.sum(-1), 1, rtol=1e-5)
    for row, column in (0, 0), (1, 0), (4, 3), (2, 2):
        places = [
            (y, x)
            for y in range(picture.shape[0] - 7)
            for x in range(picture.shape[1] - 7)
            if min(y % 8, 8 - y % 8) == row and min(x % 8, 8 - x % 8) == column
        ]
        transforms = [dctn(picture[y : y + 8, x : x + 8], norm="ortho") for y, x in places]
        counted = np.minimum(np.rint(np.abs(transforms) / step), 4)
        for value in range(5):
            expected = np.mean(counted == value, axis=0)
            np.testing.assert_allclose(features[:, :, row, column, value], expected, atol=1e-3)


def test_at_the_corners_of_blocks_features_count_the_coefficients_of_the_file():
    jpeg = camera()
    features = dctr_features(luminance(jpeg, jpeg.blocks), 4).reshape(8, 8, 5, 5, 5)
    steps = jpeg.components[0].quantization
    for place in range(1, 64):
        zeros = np.mean(np.abs(jpeg.blocks[:, place] * steps[place]) < 2)
        assert features[place // 8, place % 8, 0, 0, 0] == pytest.approx(zeros)


def test_bits_are_in_the_lowest_bits_of_the_first_coefficients():
    blocks = camera().blocks
    bits = np.random.default_rng(0).integers(2, size=300)
    stego = embed_in_order(blocks, bits)
    order = stego[:, ZIGZAG][:, 1:].reshape(-1)
    np.testing.assert_array_equal(order[(order != 0) & (order != 1)][:300] & 1, bits)
    assert np.abs(stego - blocks).max() == 1
    np.testing.assert_array_equal(stego[:, 0], blocks[:, 0])


@pytest.mark.slow
def test_old_tools_are_found_more_easily():
    squares = cut_squares(bundled_photographs(), 128, number=6)
    result = detect_in_jpeg(squares, qualities=(75,), rates=(0.4,))
    areas = {
        (name, detector): roc_auc_score(np.repeat([0, 1], scores.shape[1]), scores.ravel())
        for name, columns in result.items()
        for (detector, _), scores in columns.items()
    }
    assert {detector for _, detector in areas} == {"DCTR", "CNN"}
    for name, found_at_least, easier in ("DCTR", 0.8, 0.1), ("CNN", 0.58, 0.02):
        naive, ours = (areas[f"{kind}, quality 75, 0.4", name] for kind in ("LSB in order", "hide"))
        assert naive > found_at_least
        assert ours < naive - easier
