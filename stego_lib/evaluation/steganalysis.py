"""Detectors: two that estimate how much was embedded by LSB replacement, and two that learn from examples."""

import functools
import warnings
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stego_lib.batches import SeededDataset, augment
from stego_lib.devices import jit_compile
from stego_lib.evaluation.high_pass import high_pass_detector, square_filters
from stego_lib.evaluation.rich_model import rich_features

PENALTIES = 10.0 ** np.arange(-7, 1)
RANGE = 3  # differences of neighbours that SPAM looks at, from -3 to 3


def sample_pair_analysis(image):
    """Estimates which share of the samples carries a bit, if it was embedded by LSB replacement.

    Args:
        image: uint8 array of shape `(height, width, channels)`.

    Returns:
        Number, about 0 for photographs and 1 where every sample carries a bit; mean over the channels.

    Reference:
        [Dumitrescu, Wu and Wang, 2003](https://doi.org/10.1109/TSP.2003.812753)
    """
    return np.mean([_sample_pairs(image[..., channel]) for channel in range(image.shape[-1])])


def _sample_pairs(samples):
    samples = samples.astype(int)
    first = np.concatenate([samples[:, :-1].ravel(), samples[:-1].ravel()])
    second = np.concatenate([samples[:, 1:].ravel(), samples[1:].ravel()])
    even = second % 2 == 0
    x = np.sum(np.where(even, first < second, first > second))
    y = np.sum(np.where(even, first > second, first < second))
    same = np.sum(first // 2 == second // 2)
    return _smaller_root(same / 2, 2 * x - first.size, y - x)


def rs_analysis(image):
    """Estimates which share of the samples carries a bit, if it was embedded by LSB replacement.

    Groups of four neighbours become less regular when their middle is flipped; how often, with flips of LSBs and flips
    the other way, for the image and for the image with all LSBs flipped, tells the share. Where every sample carries a
    bit, the four numbers are about equal and the estimate goes astray: beyond 1.5 either way it counts as 1.

    Args:
        image: uint8 array of shape `(height, width, channels)`.

    Returns:
        Number, about 0 for photographs and 1 where every sample carries a bit; mean over the channels.

    Reference:
        [Fridrich, Goljan and Du, 2001](https://doi.org/10.1109/93.959097)
    """
    return np.mean([_regular_singular(image[..., channel]) for channel in range(image.shape[-1])])


def _regular_singular(samples):
    samples = samples.astype(int)
    groups = []
    for lines in (samples, samples.T):
        width = lines.shape[1] // 4 * 4
        groups.append(lines[:, :width].reshape(-1, 4))
    groups = np.concatenate(groups)
    (d0, d0_minus), (d1, d1_minus) = (
        [_excess(samples, flip) for flip in (_flip, lambda x: _flip(x + 1) - 1)] for samples in (groups, _flip(groups))
    )
    z = _smaller_root(2 * (d1 + d0), d0_minus - d1_minus - d1 - 3 * d0, d0 - d0_minus)
    rate = z / (z - 0.5) if z != 0.5 else 1.0
    return rate if abs(rate) <= 1.5 else 1.0


def _flip(samples):
    return samples ^ 1


def _excess(groups, flip):
    """How many more groups get rougher than smoother when their two middle samples are flipped, as a share."""
    flipped = groups.copy()
    flipped[:, 1:3] = flip(flipped[:, 1:3])
    change = _roughness(flipped) - _roughness(groups)
    return np.mean(np.sign(change))


def _roughness(groups):
    return np.abs(np.diff(groups, axis=1)).sum(1)


def _smaller_root(a, b, c):
    """The root of a quadratic with the smaller absolute value; the vertex where there is none."""
    if a == 0:
        return -c / b if b else 0.0
    root = max(b * b - 4 * a * c, 0) ** 0.5
    return min((-b + root) / (2 * a), (-b - root) / (2 * a), key=abs)


def spam_features(image):
    """Computes how likely a difference of neighbours is after the two before it: second-order SPAM features.

    As in the authors' program, differences beyond 3 count as 3; theirs takes grey images, here the channels are
    averaged.

    Args:
        image: uint8 array of shape `(height, width, channels)`.

    Returns:
        float64 array of shape `(686,)`: transition probabilities of differences from -3 to 3, mean over the four
        directions along the axes and mean over the four diagonals, and over the channels.

    Reference:
        [Pevny, Bas and Fridrich, 2010](https://doi.org/10.1109/TIFS.2010.2045842)
    """
    along = [_transitions(image, down=0, right=1), _transitions(image, down=1, right=0)]
    diagonal = [_transitions(side, down=1, right=1) for side in (image, image[:, ::-1])]
    return np.concatenate([np.mean(along, 0), np.mean(diagonal, 0)])


def _transitions(image, *, down, right):
    """Probability of every third difference given two, on lines of one direction, both ways along them."""
    height, width, channels = image.shape
    image = image.astype("int16")
    differences = image[: height - down, : width - right] - image[down:, right:]
    size = 2 * RANGE + 1
    symbols = np.clip(differences, -RANGE, RANGE) + RANGE
    height, width = symbols.shape[0] - 2 * down, symbols.shape[1] - 2 * right
    first, second, third = (symbols[i * down : height + i * down, i * right : width + i * right] for i in range(3))
    codes = ((np.arange(channels) * size + first) * size + second) * size + third
    forth = np.bincount(codes.ravel(), minlength=channels * size**3).reshape(channels, size, size, size)
    back = forth.transpose(0, 3, 2, 1)[:, ::-1, ::-1, ::-1]
    counts = np.stack([forth, back])
    return (counts / np.maximum(counts.sum(-1, keepdims=True), 1)).mean((0, 1)).ravel()


def linear_discriminant(covers, stegos, *, seed=0):
    """Trains a linear discriminant.

    Args:
        covers: Features of covers, array of shape `(number, features)`.
        stegos: Features of stego images, array of shape `(number, features)`.
        seed: Not used: nothing is random.

    Returns:
        Function from an array of features to scores, higher for stego images.
    """
    model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
    model.fit(np.concatenate([covers, stegos]), np.repeat([0, 1], [len(covers), len(stegos)]))
    return model.decision_function


def regularized_discriminant(covers, stegos, *, seed=0):
    """Trains a linear discriminant for more features than images: ridge regression of the label.

    Features are frequencies; their square roots are used, of which rare and frequent ones vary alike. The strength of
    the penalty is chosen by cross-validation that keeps a cover and its stego image together.

    Args:
        covers: Features of covers, array of shape `(number, features)`, 0 or more.
        stegos: Features of their stego images, array of the same shape.
        seed: Not used: nothing is random.

    Returns:
        Function from an array of features to scores, higher for stego images.

    Reference:
        [Cogranne, Sedighi, Fridrich and Pevny, 2015](https://doi.org/10.1109/WIFS.2015.7368597)
    """
    scaler = StandardScaler()
    features = scaler.fit_transform(np.sqrt(np.concatenate([covers, stegos])))
    labels, photographs = np.repeat([-1.0, 1.0], len(covers)), np.tile(np.arange(len(covers)), 2)
    ridge = KernelRidge(kernel="precomputed")  # with products of images, which are fewer than the features
    search = GridSearchCV(ridge, {"alpha": PENALTIES}, scoring=make_scorer(roc_auc_score), cv=GroupKFold(5))
    with warnings.catch_warnings(action="ignore"):  # of penalties too small for few images, which the search rates so
        search.fit(features @ features.T / features.shape[1], labels, groups=photographs)
    weights = features.T @ search.best_estimator_.dual_coef_
    return lambda images: scaler.transform(np.sqrt(images)) @ weights


def build_detector(channels=3):
    """Builds a small convolutional detector whose first layer is a fixed bank of high-pass filters.

    Args:
        channels: Of the images. Defaults to `3`.

    Input shape:
        `(batch, height, width, channels)`, in 8-bit steps.

    Output shape:
        `(batch, 1)`, logit, higher for stego images.

    Returns:
        A `keras.Model`.

    Reference:
        [Fridrich and Kodovsky, 2012](https://doi.org/10.1109/TIFS.2012.2190402) (the filters)
    """
    filters = np.zeros((5, 5, 4))  # differences across and down, and both squares
    filters[2, 2:4, 0] = filters[2:4, 2, 1] = 1, -1
    filters[..., 2:] = square_filters()
    convolutions = (16, True), (32, True), (64, False)
    return high_pass_detector(filters, limit=4.0, convolutions=convolutions, momentum=0.9, channels=channels)


class PairBatches(SeededDataset):
    """Covers and their stego images together in every batch, cut, flipped and turned alike.

    Args:
        covers: Array of shape `(number, height, width, channels)`, in 8-bit steps.
        stegos: List of arrays of the same shape: stego images of all covers, with one message or more.
        steps: Batches of an epoch.
        seed: Of what is drawn.
        pairs: Of a batch. Defaults to `16`.
        crop_size: Side of the crops. Defaults to `64`.
    """

    def __init__(self, covers, stegos, *, steps, seed, pairs=16, crop_size=64):
        super().__init__(seed)
        self.covers, self.stegos, self.steps = covers, stegos, steps
        self.pairs, self.size = pairs, (crop_size, crop_size)

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        generator = self.generator(index)
        chosen = (
            generator.integers(len(self.covers), size=self.pairs),
            generator.integers(len(self.stegos), size=self.pairs),
        )
        joined = [
            augment(
                np.concatenate([self.covers[number], self.stegos[draw][number]], -1), self.size, generator=generator
            )
            for number, draw in zip(*chosen, strict=True)
        ]
        covers, stegos = np.split(np.stack(joined).astype("float32"), 2, axis=-1)
        return np.concatenate([covers, stegos]), np.repeat([0.0, 1.0], self.pairs)[:, None]


def convolutional_detector(covers, stegos, *, seed=0, steps=400, crop_size=64):
    """Trains `build_detector` on covers and stego images.

    Args:
        covers: Array of shape `(number, height, width, channels)`, in 8-bit steps.
        stegos: The stego images of the covers, same shape.
        seed: Seed of weights and batches. Defaults to `0`.
        steps: Training steps, of 16 pairs each. Defaults to `400`.
        crop_size: Side of the random crops that it is trained on. Defaults to `64`.

    Returns:
        Function from an array of images, of any size, to their scores, higher for stego images.
    """
    keras.utils.set_random_seed(seed)
    detector = build_detector(covers.shape[-1])
    fit_detector(detector, PairBatches(covers, [stegos], steps=steps, seed=seed, crop_size=crop_size), rate=3e-3)
    return functools.partial(detector_scores, detector)


def fit_detector(detector, batches, *, rate):
    """Trains a network to tell stego images from covers, with a learning rate that falls along a cosine.

    Args:
        detector: A `keras.Model` whose output is a logit.
        batches: `PairBatches`.
        rate: Learning rate at the start.
    """
    schedule = keras.optimizers.schedules.CosineDecay(rate, len(batches), alpha=0.01)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    detector.compile(keras.optimizers.Adam(schedule), loss, jit_compile=jit_compile())
    detector.fit(batches, shuffle=False, verbose=0)


def detector_scores(detector, images):
    """Computes what a network says of images.

    Args:
        detector: A `keras.Model`.
        images: Array of shape `(number, height, width, channels)`, in 8-bit steps.

    Returns:
        float32 array of shape `(number,)`, higher for stego images.
    """
    batches = [images[start : start + 16].astype("float32") for start in range(0, len(images), 16)]
    return np.concatenate([keras.ops.convert_to_numpy(detector(batch, training=False))[:, 0] for batch in batches])


class Detector(NamedTuple):
    """What it looks at in an image, and how it learns, from arrays of that, a function to scores."""

    look: Callable
    learn: Callable


def _nothing_learned(covers, stegos, *, seed=0):
    return np.asarray


DETECTORS = {
    "SPA": Detector(sample_pair_analysis, _nothing_learned),
    "RS": Detector(rs_analysis, _nothing_learned),
    "SPAM": Detector(spam_features, linear_discriminant),
    "SRM": Detector(functools.partial(rich_features, complete=False), regularized_discriminant),
    "CNN": Detector(np.asarray, convolutional_detector),
}
