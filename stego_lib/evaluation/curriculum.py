"""A convolutional detector that learns at a high embedding rate first, and then at lower and lower ones."""

import keras
import numpy as np

from stego_lib.evaluation.detection import RATES, middle, possible_rates, rate_name
from stego_lib.evaluation.high_pass import high_pass_detector, square_filters
from stego_lib.evaluation.simulation import EMBEDDINGS
from stego_lib.evaluation.steganalysis import PairBatches, detector_scores, fit_detector

DRAWS = 4  # stego images of a cover that is learned from, with a message and key each
FIRST_STEPS, NEXT_STEPS = 1000, 300  # at the highest rate, and at each of the others
FIRST_RATE, NEXT_RATE = 2e-3, 1e-3  # learning rates at the start
SEEDS = 2  # networks, whose outputs are added
LIMIT = 3  # of the residuals, in quantization steps of the rich model


def detect_by_curriculum(covers, *, rates=RATES, image_sizes=(64, 256), seed=0):
    """Trains networks on half of the photographs, from high to low rates, and tests them on the other half.

    Args:
        covers: uint8 array of shape `(number, height, width, 3)`, every one of another photograph.
        rates: Bits a sample. Defaults to `RATES`.
        image_sizes: Of the covers tested, so many pixels from the middle, a side each. Defaults to `(64, 256)`.
        seed: Of networks and changes. Defaults to `0`.

    Returns:
        Dictionary as `detect` returns it, of the rows of `rate_embeddings` and the detector "curriculum CNN".
    """
    half = len(covers) // 2
    sizes = [size for size in image_sizes if size <= min(covers.shape[1:3])]
    result = {}
    generator = np.random.default_rng(seed)
    for name, embed_at in EMBEDDINGS.items():

        def embed_in(images, rate, embed_at=embed_at):
            return np.stack([embed_at(image, rate, generator=generator) for image in images])

        networks = [None] * SEEDS
        for rate in sorted(possible_rates(name, rates), reverse=True):
            learned = [embed_in(covers[:half], rate) for _ in range(DRAWS)]
            networks = [
                train_network(covers[:half], learned, start=network, seed=seed + index)
                for index, network in enumerate(networks)
            ]
            scores = result[rate_name(name, rate)] = {}
            for size in sizes:
                tested = middle(covers[half:], size)
                stegos = embed_in(tested, rate)
                scores["curriculum CNN", size] = sum(
                    np.stack([detector_scores(network, images) for images in (tested, stegos)]) for network in networks
                )
    return result


def build_network():
    """Builds a convolutional detector: fixed high-pass filters, whose output is limited, and six layers that learn.

    The first layers do not make the image smaller, since the signal is in single samples.

    Input shape:
        `(batch, height, width, 3)`, in 8-bit steps.

    Output shape:
        `(batch, 1)`, logit, higher for stego images.

    Returns:
        A `keras.Model`.

    Reference:
        [Ye, Ni and Yi, 2017](https://doi.org/10.1109/TIFS.2017.2710946) (high-pass filters and truncation)
        [Boroumand, Chen and Fridrich, 2019](https://doi.org/10.1109/TIFS.2018.2871749) (SRNet)
    """
    filters = np.zeros((5, 5, 6))  # first and second differences, across and down, and both squares
    filters[2, 2:4, 0] = filters[2:4, 2, 1] = -1, 1
    filters[2, 1:4, 2] = filters[1:4, 2, 3] = 0.5, -1, 0.5
    filters[..., 4:] = square_filters()
    convolutions = (16, False), (16, False), (16, True), (32, True), (64, False)
    return high_pass_detector(filters, limit=LIMIT, convolutions=convolutions, momentum=0.95)


def train_network(covers, stegos, *, start=None, seed=0):
    """Trains `build_network` at one embedding rate.

    Args:
        covers: uint8 array of shape `(number, height, width, 3)`.
        stegos: List of arrays of the same shape: their stego images, with one message or more.
        start: A network that was trained at a higher rate, which goes on from there; a new one if `None`. Defaults to
            `None`.
        seed: Of weights and batches. Defaults to `0`.

    Returns:
        A `keras.Model`.
    """
    keras.utils.set_random_seed(seed)
    network = keras.models.clone_model(start) if start else build_network()
    if start:
        network.set_weights(start.get_weights())
    steps, rate = (NEXT_STEPS, NEXT_RATE) if start else (FIRST_STEPS, FIRST_RATE)
    fit_detector(network, PairBatches(covers, stegos, steps=steps, seed=seed), rate=rate)
    return network
