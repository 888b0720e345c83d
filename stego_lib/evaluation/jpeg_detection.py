"""How detectable it is that something is hidden in a JPEG file, beside what old tools do."""

import io
import os

import numpy as np
from PIL import Image
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

from stego_lib.evaluation.jpeg_steganalysis import dctr_features, embed_in_order, luminance
from stego_lib.hiding.jpeg import capacity_bytes, choose_band, embed, num_nonzero
from stego_lib.hiding.jpeg_file import read_jpeg

QUALITIES = 75, 95
RATES = 0.4, 0.2, 0.1, 0.05  # bits for every AC coefficient that is not 0
PENALTY = 100.0  # of the discriminant


def embed_as_hide_does(jpeg, rate):
    """Embeds random bytes in place of header and body, from which nothing distinguishes them.

    Args:
        jpeg: `JPEGFile`.
        rate: Bits for every AC coefficient that is not 0.

    Returns:
        int16 array of the shape of `jpeg.blocks`.
    """
    body = os.urandom(capacity_bytes(jpeg, 0, rate=rate))
    return embed(jpeg, b"", body, band=choose_band(jpeg, len(body)), seed=os.urandom(32))


def embed_as_jsteg_does(jpeg, rate):
    """Embeds random bits in the lowest bits of the first coefficients.

    Args:
        jpeg: `JPEGFile`.
        rate: Bits for every AC coefficient that is not 0; if there are not so many coefficients, as many as there are.

    Returns:
        int16 array of the shape of `jpeg.blocks`.
    """
    return embed_in_order(jpeg.blocks, np.random.default_rng().integers(2, size=int(rate * num_nonzero(jpeg))))


EMBEDDINGS = {"hide": embed_as_hide_does, "LSB in order": embed_as_jsteg_does}


def detect_in_jpeg(covers, *, qualities=QUALITIES, rates=RATES, embeddings=EMBEDDINGS):
    """Trains a discriminant of DCTR features on every embedding, and tests it on other photographs.

    Args:
        covers: uint8 array of shape `(number, height, width, 3)`, every one of another photograph; the first half is
            trained on, the second one tested.
        qualities: Of the JPEG files that are made of them, with chrominance of half the size. Defaults to `(75, 95)`.
        rates: Bits for every AC coefficient that is not 0. Defaults to `RATES`.
        embeddings: Dictionary of functions from a `JPEGFile` and a rate to coefficients. Defaults to `EMBEDDINGS`.

    Returns:
        Dictionary as of `detect`, with names of embedding, quality and rate.
    """
    result, half = {}, len(covers) // 2
    side = covers.shape[1]
    for quality in qualities:
        names = [f"{name}, quality {quality}, {rate:g}" for name in embeddings for rate in rates]
        features = []
        for cover in tqdm(covers, desc=f"Quality {quality}", disable=None):
            jpeg = read_jpeg(_encode(cover, quality))
            stegos = [embedding(jpeg, rate) for embedding in embeddings.values() for rate in rates]
            step = 8 * (2 - quality / 50)
            features.append([dctr_features(luminance(jpeg, blocks), step) for blocks in (jpeg.blocks, *stegos)])
        negative, *positives = np.swapaxes(features, 0, 1)
        for name, positive in zip(names, positives, strict=True):
            scores = ridge_discriminant(negative[:half], positive[:half])
            result[name] = {("DCTR", side): np.stack([scores(negative[half:]), scores(positive[half:])])}
    return result


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
