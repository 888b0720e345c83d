import numpy as np
import pytest
import skimage.data

from stego_lib.block_code import images_to_blocks
from stego_lib.codec.transform import Transform, blocks_to_images, design_lapping, principal_components

IMAGE = skimage.data.astronaut()[None, :200, :328]


@pytest.fixture(scope="module")
def lapping():
    return design_lapping(IMAGE, 8)


def test_blocks_are_joined_as_they_were_cut():
    for block in (4, 8):
        np.testing.assert_array_equal(blocks_to_images(images_to_blocks(IMAGE, block)), IMAGE)


def test_the_transform_is_orthonormal_and_ordered_by_variance():
    mean, basis, deviations = principal_components(IMAGE, np.eye(4))
    np.testing.assert_allclose(basis.T @ basis, np.eye(48), atol=1e-9)
    assert (np.diff(deviations) <= 0).all()
    latents = Transform(mean, basis, np.eye(4)).analyze(IMAGE)
    np.testing.assert_allclose(latents, (images_to_blocks(IMAGE, 4) - mean) @ basis, atol=2e-2)
    np.testing.assert_allclose(latents[:, 1:-1, 1:-1].std((0, 1, 2)), deviations, rtol=1e-3)


def test_a_lapped_transform_keeps_the_energy_and_comes_back(lapping):
    np.testing.assert_allclose(lapping @ lapping.T, np.eye(8), atol=1e-9)
    mean, basis, _ = principal_components(IMAGE, lapping)
    transform = Transform(mean, basis, lapping)
    latents = transform.analyze(IMAGE)
    np.testing.assert_array_equal(blocks_to_images(transform.synthesize(latents)), IMAGE)
    noise = np.random.default_rng(0).normal(size=latents.shape).astype("float32") * 10
    error = blocks_to_images(transform.synthesize(latents + noise)).astype(float) - IMAGE
    assert (error**2).mean() == pytest.approx(100, rel=0.1)


def test_strips_of_a_large_image_are_transformed_as_the_whole(lapping, monkeypatch):
    mean, basis, _ = principal_components(IMAGE, lapping)
    transform = Transform(mean, basis, lapping)
    expected = transform.analyze(IMAGE)
    monkeypatch.setattr("stego_lib.codec.transform.ROWS", 4)
    np.testing.assert_allclose(transform.analyze(IMAGE), expected, atol=1e-3)


def test_the_lapping_packs_more_variance_into_few_latents(lapping):
    spread = {
        name: np.log(principal_components(IMAGE, matrix)[2]).sum()
        for name, matrix in (("lapped", lapping), ("not", np.eye(8)))
    }
    assert spread["lapped"] < spread["not"] - 5
