"""How visible every change of a pixel is: red, green and blue each by -1, 0 or 1.

What a high-pass filter leaves of a photograph is noise to a detector. Its mean is 0, and it is described by its
covariance around every pixel, three by three numbers. A change is visible as far as it is unlike this noise: its cost
is `change^T A change`, with the inverse `A` of the covariance, averaged over the neighbourhood, times a power of what
it costs to change all three by 1, so that smooth places change still less. Where all channels are busy together, as in
photographs that were JPEG files, it is cheap to change them together by the same 1; where the colours are busy, too,
single samples change. The sum is written as one of six terms, so that the cost of changing all alike is no difference
of large numbers: of the square of every change, times its row of `A` added up, and of the square of the difference of
any two, times their `-A`.

At a temperature `T`, the best of all codes would make a change with a probability that grows as `e^(-cost / T)`. The
three samples of a pixel are settled one after the other, greens first: what a change of one costs takes into account
how likely the others are to follow, and what was settled before (the chain rule).

Reference:
    [Sedighi, Cogranne and Fridrich, 2016](https://doi.org/10.1109/TIFS.2015.2486744) (costs from a model of the noise)
    [Filler and Fridrich, 2010](https://doi.org/10.1109/TIFS.2010.2077629) (Gibbs construction)
    W. Zhang, Z. Zhang, L. Zhang, H. Li, N. Yu, Decomposing Joint Distortion for Adaptive Steganography, IEEE Trans.
    Circuits and Systems for Video Technology, 2017 (chain rule)
"""

import math

import cv2
import numpy as np

from stego_lib.compilation import compiled
from stego_lib.threads import map_chunks

HIGH_PASS = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], "float32") / 4
NEAR, WIDE = 3, 7  # sides of the squares over which the covariance, and its inverse, are averaged
FLOOR = 0.5  # variance that is added: less makes changes of single samples rarer (docs/experiments.md)
STEEPER = 0.3  # busy places cost still less: by this power of what it costs to change all three samples
GREY = (
    1e6  # added to the cost of differences where there are no colours, or nothing but one, so that there will be none
)
BORDER = 1 + NEAR // 2 + WIDE // 2  # pixels around one that matter to it
STRIP = 2**19  # pixels at once
ORDER = 1, 0, 2  # greens, reds, blues
CHUNK = 2**12  # pixels of a thread
UNLIKELY = 20.0  # by so many temperatures more, a change does not count beside another


def cost_terms(cover):
    """Computes of what the cost of every change is the sum.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.

    Returns:
        float32 array of shape `(height * width, 6)`: what the squares of the changes cost, in the order of `ORDER`, and
        then the squares of the differences between those of green and red, green and blue, and red and blue.
    """
    height, width, _ = cover.shape
    result = np.empty((height, width, 6), "float32")
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        above, end = max(top - BORDER, 0), min(top + rows, height)
        strip = _terms_of_strip(cover[above : end + BORDER])
        result[top:end] = strip[top - above :][: end - top]
    return result.reshape(-1, 6)


def _terms_of_strip(strip):
    channels = [strip[..., channel].astype("float32") for channel in ORDER]
    first, second, third = (
        cv2.filter2D(channel, cv2.CV_32F, HIGH_PASS, borderType=cv2.BORDER_REFLECT) for channel in channels
    )
    pairs = (first, first), (second, second), (third, third), (first, second), (first, third), (second, third)
    planes = np.stack([_mean(one * other, NEAR) for one, other in pairs])
    map_chunks(lambda rows: _invert(planes[:, rows]), planes.shape[1], chunk=64)
    terms = np.stack([_mean(plane, WIDE) for plane in planes], -1)
    return terms * terms[..., :3].sum(-1, keepdims=True) ** np.float32(STEEPER)


def _mean(plane, side):
    return cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)


@compiled
def _invert(planes):
    """Makes terms of the numbers of covariance matrices, six planes, in place."""
    _, height, width = planes.shape
    for y in range(height):
        for x in range(width):
            a, b, c = np.float64(planes[0, y, x]), np.float64(planes[1, y, x]), np.float64(planes[2, y, x])
            ab, ac, bc = np.float64(planes[3, y, x]), np.float64(planes[4, y, x]), np.float64(planes[5, y, x])
            grey = GREY if a == b == c == ab == ac == bc else 0.0
            a, b, c = a + FLOOR, b + FLOOR, c + FLOOR
            inverse_ab, inverse_ac, inverse_bc = ac * bc - ab * c, ab * bc - ac * b, ab * ac - a * bc
            determinant = a * (b * c - bc * bc) + ab * inverse_ab + ac * inverse_ac
            planes[0, y, x] = (b * c - bc * bc + inverse_ab + inverse_ac) / determinant
            planes[1, y, x] = (a * c - ac * ac + inverse_ab + inverse_bc) / determinant
            planes[2, y, x] = (a * b - ab * ab + inverse_ac + inverse_bc) / determinant
            planes[3, y, x] = grey - inverse_ab / determinant
            planes[4, y, x] = grey - inverse_ac / determinant
            planes[5, y, x] = grey - inverse_bc / determinant


def whole_costs(terms, pixels):
    """Computes what it costs to change all channels of a pixel by the same 1.

    Args:
        terms: Array returned by `cost_terms`.
        pixels: uint8 array of shape `(pixels, 3)`, the cover.

    Returns:
        What it costs to subtract 1 and to add it, two float32 arrays of shape `(pixels,)`, infinite where a sample
        would leave 0 to 255.
    """
    costs = terms[:, :3].sum(1)
    return [np.where((pixels == limit).any(1), np.float32(np.inf), costs) for limit in (0, 255)]


def costs_of_channel(terms, pixels, changes, *, settled, temperature):
    """Computes what changes of one channel cost, when those before it in `ORDER` are settled.

    Args:
        terms: Array returned by `cost_terms`.
        pixels: uint8 array of shape `(pixels, 3)`, the cover.
        changes: int8 array of shape `(pixels, 3)`; only those of channels that are settled matter.
        settled: How many channels are.
        temperature: That of the embedding.

    Returns:
        likely: int8 array of shape `(pixels,)`, the likeliest change of this channel: -1, 0 or 1.
        down, up: float32 arrays of shape `(pixels,)`, in units of the temperature: what it costs to change it by 1
            less, and by 1 more, infinite where that must not be.
    """
    likely = np.empty(len(pixels), "int8")
    down, up = np.empty((2, len(pixels)), "float32")

    def compute(chunk):
        arrays = (array[chunk] for array in (terms, pixels, changes, likely, down, up))
        _compute_costs(*arrays, np.array(ORDER), settled, temperature)

    map_chunks(compute, len(pixels), chunk=CHUNK)
    return likely, down, up


@compiled
def _compute_costs(terms, pixels, changes, likely, down, up, order, settled, temperature):
    lows, highs = np.empty(3, np.int64), np.empty(3, np.int64)  # changes of every channel that are possible
    sums, energies = np.empty(27), np.empty(5)  # free energies of a change by -2, which is none, to 2
    energies[0] = energies[4] = np.inf
    for pixel in range(len(pixels)):
        for place in range(3):
            if place < settled:
                lows[place] = highs[place] = changes[pixel, order[place]]
            else:
                lows[place], highs[place] = _possible(pixels[pixel, order[place]])
        low, high, best = lows[settled], highs[settled], 2
        for own in (0, -1, 1):
            energies[own + 2] = np.inf
            if not low <= own <= high:
                continue
            lows[settled] = highs[settled] = own
            count, least = 0, np.inf
            for first in range(lows[0], highs[0] + 1):
                for second in range(lows[1], highs[1] + 1):
                    for third in range(lows[2], highs[2] + 1):
                        total = _cost(terms[pixel], first, second, third) / temperature
                        sums[count] = total
                        count += 1
                        least = min(least, total)
            weight = 0.0
            for index in range(count):
                if sums[index] - least < UNLIKELY:
                    weight += math.exp(least - sums[index])
            energies[own + 2] = least - math.log(weight)
            if energies[own + 2] < energies[best]:
                best = own + 2
        likely[pixel] = best - 2
        down[pixel], up[pixel] = energies[best - 1] - energies[best], energies[best + 1] - energies[best]


@compiled
def _cost(terms, first, second, third):
    alone = terms[0] * first**2 + terms[1] * second**2 + terms[2] * third**2
    pairs = terms[3] * (first - second) ** 2 + terms[4] * (first - third) ** 2 + terms[5] * (second - third) ** 2
    return alone + pairs


@compiled
def _possible(sample):
    return -1 if sample > 0 else 0, 1 if sample < 255 else 0


def expected_changes(terms, pixels, temperature):
    """Computes what the best of all codes would do at a temperature.

    Args:
        terms: Array returned by `cost_terms`.
        pixels: uint8 array of shape `(pixels, 3)`, the cover.
        temperature: That of the embedding.

    Returns:
        bits: float64 array of shape `(3,)`: what the channels carry, in bits a pixel, in the order of `ORDER`.
        changed: The fraction of the samples that change.
        cost: The mean cost of a pixel.
    """

    def expect(chunk):
        return _expect(terms[chunk], pixels[chunk], np.array(ORDER), temperature)

    *bits, changed, cost = np.sum(map_chunks(expect, len(pixels), chunk=CHUNK), axis=0) / len(pixels)
    return np.array(bits), changed, cost


@compiled
def _expect(terms, pixels, order, temperature):
    lows, highs = np.empty(3, np.int64), np.empty(3, np.int64)
    total, ones, pairs, triples = np.zeros(5), np.empty(3), np.empty(9), np.empty(27)
    for pixel in range(len(pixels)):
        ones[:] = pairs[:] = triples[:] = 0
        changed = cost = 0.0
        for place in range(3):
            lows[place], highs[place] = _possible(pixels[pixel, order[place]])
        for first in range(lows[0], highs[0] + 1):
            for second in range(lows[1], highs[1] + 1):
                for third in range(lows[2], highs[2] + 1):
                    price = _cost(terms[pixel], first, second, third)
                    weight = math.exp(-price / temperature)
                    changed += weight * (abs(first) + abs(second) + abs(third))
                    cost += weight * price
                    code = (first + 1) * 9 + (second + 1) * 3 + third + 1
                    triples[code] = weight
                    pairs[code // 3] += weight
                    ones[code // 9] += weight
        partition = ones.sum()
        bits = _entropy(ones, partition), _entropy(pairs, partition), _entropy(triples, partition)
        total[0] += bits[0]
        total[1] += bits[1] - bits[0]
        total[2] += bits[2] - bits[1]
        total[3] += changed / partition / 3
        total[4] += cost / partition
    return total


@compiled
def _entropy(weights, partition):
    bits = 0.0
    for weight in weights:
        probability = weight / partition
        if probability > 0:
            bits -= probability * math.log2(probability)
    return bits
