"""The code of the message: blocks of 4x4 pixels in a fixed number of bits, as designed or learned from photographs.

Classified transform coding: [Chen and Smith, 1977](https://doi.org/10.1109/TCOM.1977.1093763). Plain NumPy; the layers
that use it are in `messages`.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

BLOCK = 4  # side of a block in pixels
DEPTH = 3 * BLOCK**2
CONTRASTS = np.geomspace(2.0, 60.0, 8)  # of the classes, in grey levels
ORIENTATIONS = 4
CLASSES = len(CONTRASTS) * ORIENTATIONS
CLASS_BITS = int(math.log2(CLASSES))
MOST_BITS = 10  # of a latent
ANISOTROPY = 4.0  # how much further a block is alike along its edges than across them
COLOURS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]])  # brightness, red against blue, green against both
COLOUR_DEVIATIONS = np.array([1.0, 0.28, 0.14])  # of natural images, relative to brightness
MEAN_DEVIATIONS = np.array([440.0, 151.0, 67.0])  # of the means of blocks, in grey levels times 4
# Mean squared error of the best quantizer of a Laplace distribution with 0, 1, 2 ... bits, variance 1.
LAPLACE_ERRORS = np.array([1, 0.5, 0.176, 0.0545, 0.0154, 0.0041, *(0.0041 * 3.9 ** -np.arange(1.0, MOST_BITS - 4))])
WIDTHS = (0.3, 0.5, 0.8, 1.3)  # scales of the compander that are tried, in deviations of the latent,
REACHES = (1.0, 1.4, 1.8, 2.2, 2.6, 3.1, 3.7)  # and reaches


class BlockCode(NamedTuple):
    """How the blocks of every class are coded, float32 arrays that begin with the class.

    A block, 48 values around 0 in grey levels, times `bases` makes its latents. A latent `x` is companded to
    `sign(x) log(1 + |x| / scales) / reaches`, and (-1, 1) divided into `2**bits` equal cells.
    """

    bases: np.ndarray
    scales: np.ndarray
    reaches: np.ndarray
    bits: np.ndarray


def design_code(bits_per_sample):
    """Designs a code for natural images without looking at any.

    A block is thought of as a sample of a random field whose values differ in proportion to their distance, four times
    as fast across an edge as along it. Its principal components are the directions of the latents. Bits go one by one
    to the latent whose error they lower most.

    Args:
        bits_per_sample: Positive integer.

    Returns:
        `BlockCode`.
    """
    colours = COLOURS / np.linalg.norm(COLOURS, axis=1, keepdims=True)
    classes = []
    for contrast, turn in itertools.product(CONTRASTS, range(ORIENTATIONS)):
        patterns, strengths = _oriented_field(math.pi * turn / ORIENTATIONS)
        deviations = np.vstack([MEAN_DEVIATIONS, contrast * strengths[:, None] * COLOUR_DEVIATIONS]).ravel()
        bits = _shared_bits(deviations**2 * LAPLACE_ERRORS[:, None], bits_per_sample)
        basis = np.einsum("pq,kc->pcqk", patterns, colours).reshape(DEPTH, DEPTH)
        classes.append((basis, 0.8 * deviations, np.minimum(2.3, 1.0 + 0.4 * bits), bits))
    return BlockCode(*map(np.float32, zip(*classes, strict=True)))


def learn_code(images, bits_per_sample, *, iterations=4, samples=160_000, seed=0):
    """Learns a code from photographs, beginning with the one that was designed.

    As in the generalized Lloyd algorithm, two steps take turns: every block chooses the class that makes the smallest
    error; and every class gets the principal components of its blocks, the companders that make the smallest errors
    with 0, 1, 2 ... bits, and the best use of its bits. Errors count relative to those of the whole photograph: that
    makes the mean PSNR best.

    Args:
        images: uint8 array of shape `(number, height, width, 3)`, sides multiples of 4.
        bits_per_sample: Positive integer.
        iterations: Positive integer. Defaults to `4`, of ten seconds each.
        samples: Blocks that are looked at, drawn at random. Defaults to `160_000`.
        seed: Integer. Defaults to `0`.

    Returns:
        `BlockCode`.

    Reference:
        [Linde, Buzo and Gray, 1980](https://doi.org/10.1109/TCOM.1980.1094577)
    """
    generator = np.random.default_rng(seed)
    blocks = images_to_blocks(images).reshape(len(images), -1, DEPTH) - np.float32(127.5)
    of_image = np.repeat(np.arange(len(blocks)), len(blocks[0]))
    blocks = blocks.reshape(-1, DEPTH)
    chosen = generator.choice(len(blocks), min(samples, len(blocks)), replace=False)
    blocks, of_image = blocks[chosen], of_image[chosen]
    code = design_code(bits_per_sample)
    for _ in tqdm(range(iterations), desc="Learning the message", disable=None, leave=False):
        errors = np.stack([_errors(blocks, code_of_class) for code_of_class in zip(*code, strict=True)])
        kinds, errors = errors.argmin(0), errors.min(0) / DEPTH
        mean = np.bincount(of_image, errors) / np.maximum(np.bincount(of_image), 1)
        weights = 1 / (mean[of_image] + 0.3)  # rounding to 8 bits adds as much to every error, or nearly
        for kind in range(CLASSES):
            if (members := np.flatnonzero(kinds == kind)).size > 300:
                learned = _learned_class(blocks[members], weights[members], bits_per_sample=bits_per_sample)
                for array, values in zip(code, learned, strict=True):
                    array[kind] = values
    return code


def pad_to_multiple(images, multiple=4):
    """Pads images at the bottom and the right by reflection until both sides are multiples of a number.

    Args:
        images: Array of shape `(number, height, width, channels)`.
        multiple: Positive integer. Defaults to `4`, what the networks need.

    Returns:
        Array of the same kind; `[:, :height, :width]` are the images.
    """
    height, width = images.shape[1:3]
    return np.pad(images, ((0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0)), mode="symmetric")


def images_to_blocks(images, block=BLOCK):
    """Cuts images into blocks, as `SpaceToDepth(block)` does.

    Args:
        images: Array of shape `(number, height, width, 3)`, sides multiples of the block.
        block: Side of a block in pixels. Defaults to `4`.

    Returns:
        Array of shape `(number, height / block, width / block, 3 * block**2)`.
    """
    number, height, width, channels = images.shape
    blocks = images.reshape(number, height // block, block, width // block, block, channels).swapaxes(2, 3)
    return blocks.reshape(number, height // block, width // block, channels * block**2)


def _oriented_field(angle):
    """The constant pattern, then the principal components of a 4x4 field around it, and their relative deviations."""
    rows, columns = np.indices((BLOCK, BLOCK)).reshape(2, -1, 1)
    rows, columns = rows - rows.T, columns - columns.T
    along = (rows * math.cos(angle) + columns * math.sin(angle)) / math.sqrt(ANISOTROPY)
    across = (columns * math.cos(angle) - rows * math.sin(angle)) * math.sqrt(ANISOTROPY)
    without_mean = np.eye(BLOCK**2) - 1 / BLOCK**2
    variances, patterns = np.linalg.eigh(without_mean @ -np.hypot(along, across) @ without_mean)
    kept = np.argsort(-variances, kind="stable")[: BLOCK**2 - 1]
    strengths = np.sqrt(variances[kept] / variances[kept].mean())
    return np.hstack([np.full((BLOCK**2, 1), 1 / BLOCK), patterns[:, kept]]), strengths


def _shared_bits(errors, bits_per_sample):
    """Bits for every latent, of errors with 0, 1, 2 ... bits that do not grow: each bit where it helps most."""
    bits, every = np.zeros(DEPTH, int), np.arange(DEPTH)
    for _ in range(DEPTH * bits_per_sample - CLASS_BITS):
        following = np.minimum(bits + 1, MOST_BITS)
        gains = np.where(bits < MOST_BITS, errors[bits, every] - errors[following, every], -1.0)
        bits[np.argmax(gains)] += 1
    return bits


def _learned_class(blocks, weights, *, bits_per_sample):
    basis = np.linalg.eigh((blocks * weights[:, None]).T @ blocks)[1][:, ::-1]
    latents = blocks[:3000] @ basis
    weights = weights[:3000, None] / weights[:3000].sum()
    deviations = np.sqrt(np.maximum((weights * latents**2).sum(0), 0.01))
    errors, widths, reaches = (np.zeros((MOST_BITS + 1, DEPTH)) for _ in range(3))
    errors[0], widths[0], reaches[0] = deviations**2, 1.0, 1.0
    for bits in range(1, MOST_BITS + 1):
        errors[bits] = np.inf
        for width, reach in itertools.product(WIDTHS, REACHES):
            quantized = _quantized(latents, scales=width * deviations, reaches=reach, bits=bits)
            error = (weights * (quantized - latents) ** 2).sum(0)
            better = error < errors[bits]
            errors[bits, better], widths[bits, better], reaches[bits, better] = error[better], width, reach
    bits = _shared_bits(np.minimum.accumulate(errors), bits_per_sample)
    every = np.arange(DEPTH)
    return basis, widths[bits, every] * deviations, reaches[bits, every], bits


def _errors(blocks, code_of_class):
    basis, scales, reaches, bits = code_of_class
    latents = blocks @ basis
    return ((_quantized(latents, scales=scales, reaches=reaches, bits=bits) - latents) ** 2).sum(1)


def _quantized(latents, *, scales, reaches, bits):
    cells = np.float32(2.0) ** bits
    companders = {"scales": np.float32(scales), "reaches": np.float32(reaches), "cells": cells}
    return expand(quantization_levels(latents, **companders), **companders)[0]


def quantization_levels(latents, *, scales, reaches, cells, ops=np):
    """Compands latents, and divides what comes of it into equal cells.

    Args:
        latents: Array, in grey levels.
        scales: Scales of the companders.
        reaches: Their reaches.
        cells: Numbers of cells, `2**bits`.
        ops: `numpy` or `keras.ops`. Defaults to `numpy`.

    Returns:
        Array of the same shape: the number of the cell, from 0 on.
    """
    companded = ops.sign(latents) * ops.log1p(ops.abs(latents) / scales) / reaches
    return ops.clip(ops.round((companded + 1) * (cells / 2) - 0.5), 0, cells - 1)


def expand(levels, *, scales, reaches, cells, ops=np):
    """Turns cells back into latents.

    Args:
        levels: What `quantization_levels` returned.
        scales: As then.
        reaches: As then.
        cells: As then.
        ops: `numpy` or `keras.ops`. Defaults to `numpy`.

    Returns:
        The latents, their companded values in (-1, 1), and how wide the cells are in grey levels.
    """
    companded = (2 * levels + 1) / cells - 1
    size = ops.abs(companded) * reaches
    return ops.sign(companded) * scales * ops.expm1(size), companded, scales * reaches * ops.exp(size) * 2 / cells
