"""How detectable it is that something is hidden in a JPEG file, beside what old tools do."""

import functools
import io
import itertools

import numpy as np
from PIL import Image
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

from stego_lib.evaluation.jpeg_steganalysis import dctr_features, embed_in_order, luminance
from stego_lib.evaluation.steganalysis import convolutional_detector
from stego_lib.hiding.jpeg import capacity_bytes, choose_band, embed, num_nonzero
from stego_lib.hiding.jpeg_file import read_jpeg

QUALITIES = 75, 95
RATES = 0.4, 0.2, 0.1, 0.05  # bits for every AC coefficient that is not 0
PENALTY = 100.0  # of the discriminant


def embed_as_hide_does(jpeg, rate, *, generator):
    """Embeds random bytes in place of header and body, from which nothing distinguishes them.

    Args:
        jpeg: `JPEGFile`.
        rate: Bits for every AC coefficient that is not 0.
        generator: NumPy random generator, of the bytes and of the key.

    Returns:
        int16 array of the shape of `jpeg.blocks`.
    """
    body = generator.bytes(capacity_bytes(jpeg, 0, rate=rate))
    return embed(jpeg, b"", body, band=choose_band(jpeg, len(body)), seed=generator.bytes(32))


def embed_as_jsteg_does(jpeg, rate, *, generator):
    """Embeds random bits in the lowest bits of the first coefficients.

    Args:
        jpeg: `JPEGFile`.
        rate: Bits for every AC coefficient that is not 0; if there are not so many coefficients, as many as there are.
        generator: NumPy random generator, of the bits.

    Returns:
        int16 array of the shape of `jpeg.blocks`.
    """
    return embed_in_order(jpeg.blocks, generator.integers(2, size=int(rate * num_nonzero(jpeg))))


EMBEDDINGS = {"hide": embed_as_hide_does, "LSB in order": embed_as_jsteg_does}


def detect_in_jpeg(covers, *, qualities=QUALITIES, rates=RATES, embeddings=EMBEDDINGS, seed=0):
    """Trains two detectors on every embedding, and tests them on other photographs.

    Both look at the luminance as it is decoded, before it is rounded: a discriminant at DCTR features of it, and the
    convolutional network of `detect`, called CNN, at the picture itself.

    Args:
        covers: uint8 array of shape `(number, height, width, 3)`, every one of another photograph; the first half is
            trained on, the second one tested.
        qualities: Of the JPEG files that are made of them, with chrominance of half the size. Defaults to `(75, 95)`.
        rates: Bits for every AC coefficient that is not 0. Defaults to `RATES`.
        embeddings: Dictionary of functions from a `JPEGFile`, a rate and a NumPy random generator to coefficients.
            Defaults to `EMBEDDINGS`.
        seed: Of the embedding and of the network. Defaults to `0`.

    Returns:
        Dictionary as of `detect`, with names of embedding, quality and rate.
    """
    result, half, side = {}, len(covers) // 2, covers.shape[1]
    generator = np.random.default_rng(seed)
    for quality in qualities:
        jpegs = [read_jpeg(_encode(cover, quality)) for cover in covers]
        detectors = {
            "DCTR": (functools.partial(dctr_features, step=8 * (2 - quality / 50)), ridge_discriminant),
            "CNN": (lambda picture: picture[..., None], functools.partial(convolutional_detector, seed=seed)),
        }
        looked = {name: _look(look, jpegs, [jpeg.blocks for jpeg in jpegs]) for name, (look, _) in detectors.items()}
        for name, rate in tqdm(list(itertools.product(embeddings, rates)), desc=f"Quality {quality}", disable=None):
            stegos = [embeddings[name](jpeg, rate, generator=generator) for jpeg in jpegs]
            scores = result[f"{name}, quality {quality}, {rate:g}"] = {}
            for detector, (look, learn) in detectors.items():
                negative, positive = looked[detector], _look(look, jpegs, stegos)
                score = learn(negative[:half], positive[:half])
                scores[detector, side] = np.stack([score(negative[half:]), score(positive[half:])])
    return result


def _look(look, jpegs, blocks):
    return np.stack([look(luminance(*pair)) for pair in zip(jpegs, blocks, strict=True)])


def ridge_discriminant(covers, stegos):
    """Trains a linear discriminant of many features on few photographs.

    Args:
        covers: Features of covers, array of shape `(number, features)`.
        stegos: Those of their stego images, same shape.

    Returns:
        Function from an array of features to scores, higher for stego images.

    Reference:
        [Cogranne, Sedighi, Fridrich and Pevny, 2015](https://doi.org/10.1109/WIFS.2015.7368597) (as good as ensembles)
    """
    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=PENALTY))
    model.fit(np.concatenate([covers, stegos]), np.repeat([0, 1], [len(covers), len(stegos)]))
    return model.decision_function


def _encode(image, quality):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=quality)
    return content.getvalue()
