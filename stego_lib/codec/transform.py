"""The transform of the codec: blocks of photographs to their principal components, and back."""

import numpy as np
from scipy.fft import dct
from scipy.linalg import block_diag, expm, toeplitz
from scipy.optimize import minimize

from stego_lib.block_code import images_to_blocks, pad_to_multiple

ROWS = 64  # of blocks that are transformed at once: no copies of a whole large photograph


class Transform:
    """Turns blocks of photographs into latents, by falling variance, and back.

    Blocks may be lapped: an orthonormal filter first mixes the samples on both sides of every edge between blocks, and
    the inverse filter comes last in decoding. A basis function then reaches half a block into the neighbours, and
    blocks do not show where little is coded.

    Args:
        mean: Mean block, shape `(depth,)`, in grey levels.
        basis: Principal components, shape `(depth, depth)`, one a column.
        lapping: The filter, orthonormal, shape `(block, block)`, from half a block before an edge to half a block
            behind it; the unit matrix for none.

    Reference:
        [Tran, Liang and Tu, 2003](https://doi.org/10.1109/TSP.2003.811222) (lapped transforms by filters across edges)
    """

    def __init__(self, mean, basis, lapping):
        self.mean, self.basis, self.lapping = (np.float32(array) for array in (mean, basis, lapping))
        self.depth, self.block = len(mean), len(lapping)
        self.is_lapped = not np.array_equal(lapping, np.eye(self.block))

    def largest_latent(self):
        """Computes how large a latent of any image can be.

        Returns:
            Number in grey levels: that of the image whose samples give the largest product with a basis function.
        """
        half, block = self.block // 2, self.block
        across = block_diag(self.lapping[half:], self.lapping[:half])  # a block, from what lies around its two edges
        components = self.basis.reshape(block, block, 3, self.depth)
        functions = np.einsum("ip,jq,ijck->pqck", across, across, components, optimize=True)
        centre = np.einsum("pqck->k", functions) * 127.5 - self.mean @ self.basis
        return float((127.5 * np.abs(functions).sum((0, 1, 2)) + np.abs(centre)).max())

    def analyze(self, images):
        """Transforms images to latents.

        Args:
            images: uint8 array of shape `(batch, height, width, 3)`; sides that are not multiples of the block are
                padded by reflection.

        Returns:
            float32 array of shape `(batch, height / block, width / block, depth)`, in grey levels.
        """
        images = pad_to_multiple(images, self.block)
        batch, height, width, _ = images.shape
        latents = np.empty((batch, height // self.block, width // self.block, self.depth), "float32")
        for start in range(0, latents.shape[1], ROWS):
            before = 1 if start else 0  # a row of blocks that only the filter looks at, and one behind
            strip = images[:, (start - before) * self.block : (start + ROWS + 1) * self.block]
            blocks = images_to_blocks(self._lapped(strip, self.lapping), self.block)[:, before : before + ROWS]
            latents[:, start : start + ROWS] = _product(blocks - self.mean, self.basis)
        return latents

    def synthesize(self, latents):
        """Transforms latents back.

        Args:
            latents: float32 array of shape `(batch, rows, columns, depth)`, in grey levels.

        Returns:
            uint8 array of the same shape: blocks of samples.
        """
        blocks = _product(latents, self.basis.T) + self.mean
        if self.is_lapped:
            blocks = images_to_blocks(self._lapped(blocks_to_images(blocks), self.lapping.T), self.block)
        return np.clip(np.rint(blocks), 0, 255).astype("uint8")

    def _lapped(self, images, lapping):
        """Filters across all edges between blocks, in both directions."""
        if not self.is_lapped:
            return images
        images, half = images.astype("float32"), self.block // 2
        for axis in (1, 2):
            images = np.moveaxis(images, axis, 1)
            inner = images[:, half:-half]
            if inner.shape[1]:
                edges = inner.reshape(len(inner), -1, self.block, inner.shape[2] * 3)
                inner[:] = (lapping @ edges).reshape(inner.shape)
            images = np.moveaxis(images, 1, axis)
        return images


def _product(vectors, matrix):
    """One product and not one for every row of blocks, between which NumPy's threads would wait for each other."""
    return (vectors.reshape(-1, len(matrix)) @ matrix).reshape(vectors.shape)


def blocks_to_images(blocks):
    """Joins blocks to images: the inverse of `images_to_blocks`.

    Args:
        blocks: Array of shape `(batch, rows, columns, 3 * block**2)`.

    Returns:
        Array of shape `(batch, rows * block, columns * block, 3)`.
    """
    batch, rows, columns, depth = blocks.shape
    block = round((depth / 3) ** 0.5)
    blocks = blocks.reshape(batch, rows, columns, block, block, 3).swapaxes(2, 3)
    return blocks.reshape(batch, rows * block, columns * block, 3)


def principal_components(images, lapping):
    """Finds the principal components of the blocks of photographs.

    Args:
        images: uint8 array of shape `(number, height, width, 3)`, sides multiples of the block, three blocks or more.
        lapping: As of `Transform`.

    Returns:
        The mean block, shape `(depth,)`, the components, shape `(depth, depth)`, one a column, by falling variance, and
        the standard deviations along them, shape `(depth,)`; all in grey levels. The depth is `3 * block**2`.
    """
    depth = 3 * len(lapping) ** 2
    blocks = Transform(np.zeros(depth), np.eye(depth), lapping).analyze(images)[:, 1:-1, 1:-1]
    blocks = blocks.reshape(-1, depth).astype("float64")
    mean = blocks.mean(0)
    variances, basis = np.linalg.eigh(np.cov(blocks - mean, rowvar=False))
    return mean, basis[:, ::-1], np.sqrt(np.maximum(variances[::-1], 1e-6))


def design_lapping(images, block, *, noise=20.0):
    """Designs the filter across the edges between blocks for photographs.

    Among the orthonormal filters that treat both sides alike, it is the one after which the cosine transform of a block
    packs the variance of a row of samples best: the sum of the logarithms of its variances is the smallest.

    Args:
        images: uint8 array of shape `(number, height, width, 3)`, at least `2 * block` pixels wide.
        block: Side of a block in pixels, even.
        noise: Variance, in squared grey levels, that is added to each: what is smaller is not coded anyway. Defaults to
            `20.0`.

    Returns:
        float64 array of shape `(block, block)`.

    Reference:
        [Tran, Liang and Tu, 2003](https://doi.org/10.1109/TSP.2003.811222)
    """
    half = block // 2
    rows = images[:, :, : images.shape[2] // (2 * block) * 2 * block].mean(-1).reshape(-1, 2 * block) - 128
    covariance = rows.T @ rows / len(rows)
    stationary = toeplitz([np.diag(covariance, lag).mean() for lag in range(2 * block)])
    cosines = dct(np.eye(block), axis=0, norm="ortho")
    unit, flip = np.eye(half), np.eye(half)[::-1]
    butterfly = np.block([[unit, flip], [flip, -unit]]) / np.sqrt(2)

    def lapping(angles):
        skew = np.zeros((half, half))
        skew[np.triu_indices(half, 1)] = angles
        return butterfly @ block_diag(unit, expm(skew - skew.T)) @ butterfly

    def spread(angles):
        filters = lapping(angles)
        rows = block_diag(filters[half:], filters[:half])  # a block, from what lies around its two edges
        variances = np.diag(cosines @ rows @ stationary @ rows.T @ cosines.T)
        return np.log(variances + noise).sum()

    return lapping(minimize(spread, np.zeros(half * (half - 1) // 2)).x)
