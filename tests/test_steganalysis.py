import numpy as np
import pytest
import skimage.data

from stego_lib.evaluation.steganalysis import (
    build_detector,
    linear_discriminant,
    regularized_discriminant,
    rs_analysis,
    sample_pair_analysis,
    spam_features,
)

PHOTOGRAPHS = [getattr(skimage.data, name)()[:256, :256] for name in ("astronaut", "coffee", "chelsea", "rocket")]


def replaced(image, rate):
    generator = np.random.default_rng(0)
    chosen = generator.random(image.shape) < rate
    return np.where(chosen, image & 254 | generator.integers(2, size=image.shape), image).astype("uint8")


@pytest.mark.parametrize("estimate", [sample_pair_analysis, rs_analysis])
@pytest.mark.parametrize("rate", [0, 0.1, 0.3, 0.5, 0.8])
def test_the_rate_of_lsb_replacement_is_estimated(estimate, rate):
    estimates = [estimate(replaced(image, rate)) for image in PHOTOGRAPHS]
    assert np.mean(estimates) == pytest.approx(rate, abs=0.03)
    np.testing.assert_allclose(estimates, rate, atol=0.06)


@pytest.mark.parametrize("estimate", [sample_pair_analysis, rs_analysis])
def test_full_and_odd_images_give_estimates_too(estimate):
    assert [estimate(replaced(image, 1)) > 0.8 for image in PHOTOGRAPHS] == [True] * 4
    for image in (np.zeros((16, 16, 3), "uint8"), PHOTOGRAPHS[0][:13, :7], np.full((8, 8, 3), 255, "uint8")):
        assert np.isfinite(estimate(image))


@pytest.mark.parametrize(("discriminant", "features"), [(linear_discriminant, 5), (regularized_discriminant, 300)])
def test_the_discriminant_separates_what_can_be_separated(discriminant, features):
    generator = np.random.default_rng(0)
    covers, stegos = generator.gamma(9, size=(2, 60, features))
    stegos[:, :5] += 9
    scores = discriminant(covers[:30], stegos[:30])
    assert np.mean(scores(stegos[30:]) > 0) > 0.8
    assert np.mean(scores(covers[30:]) < 0) > 0.8


@pytest.mark.backend
def test_the_first_layer_of_the_detector_sees_no_flat_areas_and_is_not_trained():
    detector = build_detector()
    ramp = np.arange(16, dtype="float32")[None, None, :, None].repeat(16, 1).repeat(3, 3)
    high_pass = detector.get_layer("high_pass")
    assert not high_pass.trainable_variables
    filtered = np.asarray(high_pass(ramp)).reshape(12, 12, 3, 4)
    np.testing.assert_allclose(filtered[..., 0], -1, atol=1e-5)
    np.testing.assert_allclose(filtered[..., 1:], 0, atol=1e-5)
    assert detector(np.zeros((2, 20, 30, 3))).shape == (2, 1)


def test_spam_features_are_those_of_the_authors():
    """Their definition, sample by sample, on a small grey image with differences beyond 3."""
    image = np.random.default_rng(0).integers(0, 9, (12, 14)).astype("uint8")

    def transitions(down, right):
        counts = np.zeros((7, 7, 7))
        for row in range(12):
            for column in range(14):
                places = [(row + step * down, column + step * right) for step in range(4)]
                if all(0 <= y < 12 and 0 <= x < 14 for y, x in places):
                    samples = [int(image[place]) for place in places]
                    differences = np.clip(-np.diff(samples), -3, 3) + 3
                    counts[tuple(differences)] += 1
        return counts / np.maximum(counts.sum(-1, keepdims=True), 1)

    along = np.mean([transitions(*step) for step in ((0, 1), (0, -1), (1, 0), (-1, 0))], 0)
    diagonal = np.mean([transitions(*step) for step in ((1, 1), (1, -1), (-1, 1), (-1, -1))], 0)
    expected = np.concatenate([along.ravel(), diagonal.ravel()])
    np.testing.assert_allclose(spam_features(image[..., None]), expected, atol=1e-12)
