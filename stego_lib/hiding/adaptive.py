"""The adaptive embedding: bytes in few changes by 1 where a photograph is busy, and out again.

The three samples of a pixel change together or one by one, whichever is hard to see there: costs are those of
`pixel_costs`. Neighbours change in the same direction where they can, which looks less like noise. Syndrome-trellis
codes embed with nearly the least total cost, a part of the body in the greens, then one in the reds and one in the
blues, and whoever extracts does not need the costs. How the body is divided is told by the header. That is in pixels
that need no key and change as a whole, the body in all others, in an order that the seed decides.

Reference:
    [Filler, Judas and Fridrich, 2011](https://doi.org/10.1109/TIFS.2011.2134094) (syndrome-trellis codes)
    [Li, Wang, Li, Tan and Huang, 2015](https://doi.org/10.1109/TIFS.2015.2434600) (clustering of directions)
"""

import bisect
import functools
import itertools
import math

import cv2
import numpy as np

from stego_lib.hiding.keyed_order import EVERYBODY, keyed_order
from stego_lib.hiding.pixel_costs import ORDER, cost_terms, costs_of_channel, expected_changes, whole_costs
from stego_lib.hiding.syndrome_trellis import HEIGHT, LOW_HEIGHT, embed_ternary, extract_ternary
from stego_lib.progress import of_part

MOST = 0.3  # bits a sample, 0.9 a pixel
UNEVEN = 0.1  # at this, 0 of 80 embeddings failed with 70 and 90 % of the pixels of a pure colour; without it, 2 of 80
# Of the header: pixels for a byte, and the part of all pixels, if that is more; but no more than it has a use for.
LEAST_WIDTH, PART, LARGEST_WIDTH = 10, 16, 256
HEIGHTS = HEIGHT, LOW_HEIGHT, LOW_HEIGHT  # of greens, reds and blues, which carry little
SHARES = 15  # parts of the body that the header tells apart
ALIKE = 1 / 4  # of its cost is left of a change in the direction of most of the four neighbours
# Because neighbours should change alike, more samples change than costs alone would have it, by the more the fewer they
# are, and at a higher cost: fitted to 18 photographs.
SPREAD, DEARER = 0.026, 1.08
LOOKED = 2**14  # pixels that tell what embedding would do
EFFICIENCY = 0.92  # syndrome-trellis codes carry so much of what the best of all codes would for the same cost
TINY = 1e-9  # bits a pixel; less is what rounding makes of nothing
TEMPERATURES = 2.0 ** np.arange(-26, 14, 1 / 16)
GREEN = ORDER[0]


def longest_body(shape, header):
    """Computes how long a body may be in any cover of this size.

    Args:
        shape: Of the cover.
        header: Length of the header in bytes.

    Returns:
        Number of bytes; negative where not even the header fits.
    """
    pixels, channels = math.prod(shape[:2]), shape[2]
    return math.floor(MOST * channels * (pixels - _header_pixels(pixels, header)) / 8)


def capacity_bytes(cover, header):
    """Computes how long a body this cover has room for.

    A pixel that can only go up, or only down, counts half, and one that can do neither as a whole, not at all: single
    samples of pure colours could change, but would be seen. Where these are many, up to a tenth less fits, since they
    are not spread evenly.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        header: Length of the header in bytes.

    Returns:
        Number of bytes; negative where not even the header fits.
    """
    channels = cv2.split(cover)
    darkest, lightest = (functools.reduce(function, channels) for function in (cv2.min, cv2.max))
    pixels = darkest.size
    part = (cv2.countNonZero(darkest) + cv2.countNonZero(255 - lightest)) / (2 * pixels)
    part *= 1 - UNEVEN * (1 - part)
    if 8 * header > MOST * len(channels) * _header_pixels(pixels, header) * part:
        return -1
    return math.floor(longest_body(cover.shape, header) * part)


class Embedding:
    """A cover, and what changes of its pixels cost.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
    """

    def __init__(self, cover):
        self.cover = cover
        self.pixels = cover.reshape(-1, 3)
        self.terms = cost_terms(cover)
        looked = keyed_order(len(self.pixels), EVERYBODY, count=min(LOOKED, len(self.pixels)))
        self.looked = self.terms[looked], self.pixels[looked]

    def shares(self, num_bytes):
        """Decides how a body is divided among the channels: as at the least total cost.

        Args:
            num_bytes: Of header and body together.

        Returns:
            Number from 0 to 255, for the header.
        """
        bits, _, _ = self._expected(self._temperature(num_bytes))
        greens, reds, blues = np.maximum(bits, TINY)
        # Rounded up, so that reds and blues never have to change where it is dear, as where all else is grey.
        of_greens = math.ceil(SHARES * greens / (greens + reds + blues))
        of_reds = round(SHARES * reds / (reds + blues))
        return (SHARES + 1) * of_greens + of_reds

    def embed(self, header, body, *, seed, shares, progress=None):
        """Embeds a header at places that need no key, and a body at the others, in an order that the seed decides.

        Args:
            header: bytes.
            body: bytes, at most `longest_body(cover.shape, len(header))`.
            seed: 32 bytes.
            shares: Number that `shares` returned.
            progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

        Returns:
            uint8 array of the shape of the cover; no sample has changed by more than 1.

        Raises:
            NoSolutionError: If too few pixels can change as a whole, or too many samples in one direction only; hardly
                ever for what `capacity_bytes` has room for.
            ValueError: If header and body do not fit.
        """
        if len(body) > longest_body(self.cover.shape, len(header)):
            raise ValueError(f"{len(body)} bytes do not fit into {self.cover.size} samples.")
        changes = np.zeros(self.pixels.shape, "int8")
        in_header = _header_places(len(self.pixels), len(header))
        in_body = np.delete(np.arange(len(self.pixels), dtype="uint32"), in_header)
        temperature = self._temperature(len(header) + len(body))
        # In small covers the header has to change smooth pixels, too, where changes of single samples would be seen.
        self._change(changes, GREEN, whole_costs(self.terms, self.pixels), header, seed=EVERYBODY, within=in_header)
        of_header = changes[in_header, GREEN]
        for settled, (channel, part) in enumerate(zip(ORDER, _divided(body, shares), strict=True)):
            changes[:, channel], *costs = costs_of_channel(
                self.terms, self.pixels, changes, settled=settled, temperature=temperature
            )
            changes[in_header, channel] = of_header
            how = {"height": HEIGHTS[settled], "progress": of_part(progress, settled / 3, (settled + 1) / 3)}
            if channel == GREEN:
                how["weights"] = self._weights_of_directions
            self._change(changes, channel, costs, part, seed=seed, within=in_body, **how)
        return self.cover + changes.reshape(self.cover.shape).view("uint8")  # modulo 256

    def _change(self, changes, channel, costs, message, **how):
        """Embeds in one channel, by changes that come to those which it has already."""
        samples = self.pixels[:, channel]
        stego = samples + changes[:, channel].view("uint8")
        stego = embed_ternary(stego, *costs, message, **how)
        changes[:, channel] = (stego - samples).view("int8")

    def _weights_of_directions(self, places, greens):
        """What makes neighbours change in the same direction: it costs less than in the other one.

        Args:
            places: Array of indices of pixels.
            greens: uint8 array of shape `(pixels,)`, as they are by now.

        Returns:
            What costs down and up are multiplied by, two float32 arrays of the shape of the places.
        """
        height, width, _ = self.cover.shape
        changes = np.zeros((height + 2, width + 2), "int8")
        changes[1:-1, 1:-1] = (greens - self.pixels[:, GREEN]).view("int8").reshape(height, width)
        row, flat = width + 2, changes.reshape(-1)
        centres = places + np.uint32(row + 1) + places // width * 2
        majority = flat[centres - row] + flat[centres + row] + flat[centres - 1] + flat[centres + 1]
        return [np.where(sign * majority > 0, np.float32(ALIKE), np.float32(1)) for sign in (-1, 1)]

    def expected_effect(self, num_bytes):
        """Computes what embedding would do, without doing it.

        Args:
            num_bytes: List of numbers of bytes, of header and body together.

        Returns:
            float64 array of shape `(number, 2)`: the fraction of the samples that change, and the sum of the costs.
        """
        expected = [self._expected(self._temperature(length)) for length in num_bytes]
        changed, cost = np.transpose([effect for _, *effect in expected])
        more = 1 - SPREAD * np.log(np.maximum(changed, 1 / self.cover.size))
        return np.transpose([more * changed, DEARER * cost * len(self.pixels)])

    def _temperature(self, num_bytes):
        """The lowest at which so many bytes can be embedded."""
        rate = 8 * num_bytes / len(self.pixels) / EFFICIENCY
        step = bisect.bisect(TEMPERATURES, rate, key=lambda temperature: self._expected(temperature)[0].sum())
        return TEMPERATURES[min(step, len(TEMPERATURES) - 1)]

    def _expected(self, temperature):
        return expected_changes(*self.looked, temperature)


def extract_header(stego, length):
    """Extracts what is where a header would be.

    Args:
        stego: uint8 array of shape `(height, width, 3)`.
        length: Of the header in bytes.

    Returns:
        bytes, or `None` where not even a header fits.
    """
    if longest_body(stego.shape, length) < 0:
        return None
    greens = stego[..., GREEN].reshape(-1)
    return extract_ternary(greens[_header_places(greens.size, length)], length, seed=EVERYBODY)


def extract_body(stego, header, length, *, seed, shares):
    """Extracts a body.

    Args:
        stego: uint8 array of shape `(height, width, 3)`.
        header: Length of the header in bytes.
        length: Of the body in bytes, at most `longest_body`.
        seed: 32 bytes.
        shares: How it is divided, a number from 0 to 255.

    Returns:
        bytes.
    """
    samples = np.delete(stego.reshape(-1, 3), _header_places(stego[..., 0].size, header), axis=0)
    parts = [
        extract_ternary(samples[:, channel], end - start, seed=seed, height=height)
        for channel, height, (start, end) in zip(ORDER, HEIGHTS, _bounds(length, shares), strict=True)
    ]
    return b"".join(parts)


def _divided(body, shares):
    return [body[start:end] for start, end in _bounds(len(body), shares)]


def _bounds(length, shares):
    """Where the parts of the greens, reds and blues start and end."""
    of_greens, of_reds = divmod(shares, SHARES + 1)
    greens = length * of_greens // SHARES
    reds = greens + (length - greens) * of_reds // SHARES
    return itertools.pairwise((0, greens, reds, length))


def _header_pixels(pixels, length):
    return min(max(pixels // PART, LEAST_WIDTH * length), LARGEST_WIDTH * length)


def _header_places(pixels, length):
    return keyed_order(pixels, EVERYBODY, count=_header_pixels(pixels, length))
