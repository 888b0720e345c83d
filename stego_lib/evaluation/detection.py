"""How detectable each way to hide is: detectors trained on it, and tested on other photographs."""

import functools
import itertools
import os

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve
from tqdm.auto import tqdm

from stego_lib.evaluation.disturbances import noise
from stego_lib.evaluation.quality import joint_methods
from stego_lib.evaluation.simulation import EMBEDDINGS
from stego_lib.evaluation.steganalysis import DETECTORS
from stego_lib.hiding.adaptive import MOST
from stego_lib.hiding.filling import capacity_bytes, embed, nearest_values
from stego_lib.hiding.payload import HEADER
from stego_lib.models import PRETRAINED

RATES = (0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)  # bits a sample
FRACTIONS = (1.0, 0.5, 0.2, 0.1, 0.05)  # of the room of one bit a sample


def embed_file(cover, secret, *, bits, fraction=1.0):
    """Embeds as `stego_lib.hide` does, random bytes in place of the sealed ones, from which nothing distinguishes them.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        secret: Not used.
        bits: 1 to 4, of every sample.
        fraction: Of the room that is used; less than 1 as with `quality`. Defaults to `1.0`.

    Returns:
        uint8 array of the same shape.
    """
    length = int(fraction * capacity_bytes(cover.shape, HEADER, bits=bits))
    return embed(cover, os.urandom(HEADER), os.urandom(length), bits=bits, seed=os.urandom(32), fill=fraction == 1)


def lsb_replacement(cover, secret, fraction=1.0):
    """Replaces the last bit of a share of the samples by random bits."""
    return _at_random_places(cover, (cover & 254) | _bits(cover.shape), fraction=fraction)


def lsb_matching(cover, secret, fraction=1.0):
    """Changes a share of the samples by -1, 0 or 1, at random, so that their last bits are random."""
    return _at_random_places(cover, nearest_values(cover, _bits(cover.shape), bits=1), fraction=fraction)


def benign_noise(cover, secret, *, variance):
    """Adds rounded Gaussian noise, of that variance after rounding: a change that hides nothing."""
    return noise(cover, (variance - 1 / 12) ** 0.5, seed=None)


def _bits(shape):
    return np.random.default_rng().integers(2, size=shape, dtype="uint8")


def _at_random_places(cover, changed, *, fraction):
    return np.where(np.random.default_rng().random(cover.shape) < fraction, changed, cover)


def all_embeddings(*, fractions=FRACTIONS, bits=(2, 3, 4), pretrained=PRETRAINED):
    """Collects what is to be detected: the methods at several rates, and noise of the same variance as a control.

    Args:
        fractions: Of the room of one bit a sample. Defaults to `FRACTIONS`.
        bits: Bits with which `hide` fills covers, beside 1. Defaults to `(2, 3, 4)`.
        pretrained: Names of joint autoencoders. Defaults to all.

    Returns:
        Dictionary of functions from cover and secret to a stego image.
    """
    embeddings = {}
    for name, function in {
        "hide, 1 bit": functools.partial(embed_file, bits=1),
        "LSB matching": lsb_matching,
        "LSB replacement": lsb_replacement,
    }.items():
        for fraction in fractions:
            embeddings[f"{name}, {100 * fraction:g} %"] = functools.partial(function, fraction=fraction)
    for number in bits:
        embeddings[f"hide, {number} bits"] = functools.partial(embed_file, bits=number)
    for number in (1, *bits):
        variance = 4**number / 12 + 1 / 6  # of the change to the nearest value with a random residue
        embeddings[f"noise like {number} bit{'s' * (number > 1)}"] = functools.partial(benign_noise, variance=variance)
    return embeddings | {name: method.hide for name, method in joint_methods(pretrained).items()}


def rate_name(embedding, rate):
    """Names a row of `rate_embeddings`."""
    return f"{embedding}, {rate:g} bits a sample"


def possible_rates(embedding, rates):
    """Leaves out the rates that an embedding does not carry.

    Args:
        embedding: Name in `EMBEDDINGS`.
        rates: Bits a sample.

    Returns:
        List of rates.
    """
    return [rate for rate in rates if rate <= MOST or embedding != "adaptive"]


def rate_embeddings(rates=RATES):
    """Collects what `EMBEDDINGS` simulates at several rates, each up to the most that it carries.

    Args:
        rates: Bits a sample. Defaults to `RATES`.

    Returns:
        Dictionary of functions from cover and secret to a stego image.
    """
    return {
        rate_name(name, rate): functools.partial(_embed_random_bits, embed_at=embed_at, rate=rate)
        for name, embed_at in EMBEDDINGS.items()
        for rate in possible_rates(name, rates)
    }


def _embed_random_bits(cover, secret, *, embed_at, rate):
    return embed_at(cover, rate, generator=np.random.default_rng())


def detect(embeddings, covers, secrets, *, image_sizes=(64, 256), seed=0, detectors=DETECTORS):
    """Trains every detector on every embedding with half of the photographs, and tests it on the other half.

    Args:
        embeddings: Dictionary returned by `all_embeddings`.
        covers: uint8 array of shape `(number, height, width, 3)`, every one of another photograph.
        secrets: uint8 array of the same shape.
        image_sizes: Covers are so many pixels from the middle, a side each. Defaults to `(64, 256)`.
        seed: Of detectors and of the shuffled labels, not of what is embedded. Defaults to `0`.
        detectors: Dictionary of `Detector`. Defaults to `DETECTORS`.

    Returns:
        Dictionary from names of embeddings to dictionaries from `(detector, image_size)` to the scores of covers and
        of stego images of the test half, `(2, number / 2)`. In one more, "labels shuffled", it is drawn for every
        photograph which of the two, cover or stego of the first embedding, counts as which: what is told apart is
        chance.
    """
    half = len(covers) // 2
    generator = np.random.default_rng(seed)  # swaps as many as not in either half, since a surplus could be learned
    drawn = np.concatenate([generator.permutation(number) % 2 for number in (half, len(covers) - half)]) == 1
    result = {name: {} for name in [*embeddings, "labels shuffled"]}
    for size in (size for size in image_sizes if size <= min(covers.shape[1:3])):
        pairs = list(zip(middle(covers, size), middle(secrets, size), strict=True))
        looked = {name: _look(detector, [cover for cover, _ in pairs]) for name, detector in detectors.items()}
        for name in tqdm(result, desc=f"Detecting, {size}x{size}", disable=None):
            embedding = embeddings.get(name, next(iter(embeddings.values())))
            stegos = [embedding(cover, secret) for cover, secret in pairs]
            for detector, negative in looked.items():
                positive = _look(detectors[detector], stegos)
                if name not in embeddings:
                    swap = drawn.reshape(-1, *[1] * (negative.ndim - 1))
                    negative, positive = np.where(swap, positive, negative), np.where(swap, negative, positive)
                scores = detectors[detector].learn(negative[:half], positive[:half], seed=seed)
                result[name][detector, size] = np.stack([scores(negative[half:]), scores(positive[half:])])
    return result


def middle(images, size):
    """Cuts squares out of the middle of images.

    Args:
        images: Array of shape `(number, height, width, channels)`.
        size: Side of the squares.

    Returns:
        View of shape `(number, size, size, channels)`.
    """
    top, left = (images.shape[1] - size) // 2, (images.shape[2] - size) // 2
    return images[:, top : top + size, left : left + size]


def _look(detector, images):
    return np.stack(list(map(detector.look, images)))


def detectability(scores, *, seed=0, resamples=500):
    """Measures how well scores tell stego images from covers.

    Args:
        scores: Array `(2, number)`, of covers and of their stego images.
        seed: Of the bootstrap. Defaults to `0`.
        resamples: Of the bootstrap, over photographs. Defaults to `500`.

    Returns:
        Area under the ROC curve (0.5 chance, 1 always right), its 95 % confidence interval, and P_E, the smallest mean
        of the rates of false alarms and of misses (0.5 chance, 0 always right).
    """
    labels = np.repeat([0, 1], scores.shape[1])
    generator = np.random.default_rng(seed)
    drawn = (scores[:, generator.integers(scores.shape[1], size=scores.shape[1])] for _ in range(resamples))
    low, high = np.quantile([roc_auc_score(labels, sample.ravel()) for sample in drawn], (0.025, 0.975))
    alarms, hits, _ = roc_curve(labels, scores.ravel())
    return roc_auc_score(labels, scores.ravel()), (low, high), (alarms + 1 - hits).min() / 2


def detection_table(result):
    """Puts what `detect` found into a Markdown table.

    Args:
        result: Dictionary returned by `detect`.

    Returns:
        String: area under the ROC curve, its 95 % confidence interval, and P_E.
    """
    columns = list(dict.fromkeys(column for scores in result.values() for column in scores))
    head = " | ".join(f"{detector}, {size}x{size}" for detector, size in columns)
    lines = [f"| embedding | {head} |", "| --- |" + " --- |" * len(columns)]
    for name, scores in result.items():
        cells = [_cell(scores[column]) if column in scores else "" for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(scores):
    area, (low, high), error = detectability(scores)
    return f"{area:.3f} ({low:.2f} to {high:.2f}), {error:.2f}"


def detectability_csv(result, rates=RATES):
    """Tells what the strongest detector found of the two ways in which `hide` embeds, as a CSV file.

    Args:
        result: Dictionary returned by `detect`.
        rates: Those of `rate_embeddings` in the result. Defaults to `RATES`.

    Returns:
        String with a line for every embedding, rate in bits a sample, and side of the cover in pixels, in the columns
        `embedding`, `rate`, `side` and `auc`, the largest area under the ROC curve.
    """
    lines = ["embedding,rate,side,auc"]
    for embedding, rate in itertools.product(("uniform", "adaptive"), rates):
        areas = {}
        for (_, side), scores in result.get(rate_name(embedding, rate), {}).items():
            areas[side] = max(areas.get(side, 0), roc_auc_score(np.repeat([0, 1], scores.shape[1]), scores.ravel()))
        lines += [f"{embedding},{rate:g},{side},{area:.3f}" for side, area in areas.items()]
    return "\n".join(lines) + "\n"
