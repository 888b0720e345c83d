"""The codec: photographs to bytes and back, with a learned context model and a range coder."""

import binascii
import contextlib
import io
import itertools
import logging
import math
import struct
import zipfile
import zlib
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import constriction
import numpy as np
from PIL import Image

from stego_lib.codec.entropy import NEXT_STATE, Tables, quantize
from stego_lib.codec.networks import (
    BLOCK,
    DEPTH,
    FRACTIONS,
    KERNEL_GRID,
    MULTIPLIER,
    SCALES,
    STEPS,
    ContextModel,
    blocks_of,
    build_synthesis,
    check_exactness,
)
from stego_lib.devices import jit_compile
from stego_lib.images import check_photograph, image_psnr, pad_to_multiple

FORMAT = 1
PADDING = 16  # the context model wants sides of the latents in multiples of this
LARGE = 2**19  # samples of an image for which a step next to the best one is good enough,
TOLERANCE = 2  # or the one beside that
ROWS = 64  # of blocks that are transformed, or quantized, at once
PATCH = 48  # side, in latents, of the patches of a large photograph by which its step is guessed
MAX_SIDE = 2**16 - 1
DECIBELS = 5.5 / 64  # of the PSNR that a step makes
BEST = 58.0  # dB; for more, as for an exact image, the search begins at the step that makes this
REST = 0.6  # part of the search for a step that is thought to remain after every trial
EXCELLENT = 50.0  # dB, estimated, from which nobody asks whether the image even comes back exactly
LOSSLESS = len(STEPS)  # in place of the index of a step: the payload is a lossless WebP file,
LOSSLESS_SIDE, LOSSLESS_PIXELS = 16383, 2**26  # which may not be larger than this

HEAD = 9  # bytes before the payload
DAMAGED = "The data are not a whole stream: damaged or cut short."
ESCAPED = constriction.stream.model.Uniform(2**16)


@contextlib.contextmanager
def _without_retracing_warnings():
    """Many networks, each compiled for a few shapes, are not the repeated tracing that TensorFlow takes them for."""

    def is_other(record):
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


class TooFewBytesError(ValueError):
    """Not even the coarsest step fits into the bytes that are allowed."""


class Quantized(NamedTuple):
    """What was found for one step: values in units of it, int16, and the bits they take; and those as 32-bit words."""

    index: int
    values: np.ndarray
    bits: float
    words: np.ndarray


def load_codec(path=None):
    """Loads a trained codec.

    Args:
        path: Path of a `codec.npz` made by `train_codec`. Defaults to `None`, the weights that come with the library.

    Returns:
        `Codec`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not a codec, or the sums of its context model could grow too large to be exact.
        RuntimeError: If this machine does not convolve in float32.

    Example:

    >>> codec = load_codec()
    >>> codec.decode(codec.encode(skimage.data.astronaut()[:100, :150], quality=40)).shape
    (100, 150, 3)
    """
    path = Path(path or files("stego_lib") / "weights" / "codec.npz")
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
            return Codec(dict(content))
    except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a codec, or not one of this version.") from error


class Strip(NamedTuple):
    """Some rows of the latents that one pass of the context model decides, in chains that do not leave them.

    A chain runs through the channels of the group, both phases where a pass has two, and some columns; the longer it
    is, the more the trellis gains. `places` and `shape` are those before chaining; `numbers` are the tables for even
    values, `centres` what values are relative to, and `active` whether they are coded, of shape `(length, chains)`. The
    chains of all strips of a pass follow each other.
    """

    places: list
    shape: tuple
    numbers: np.ndarray
    centres: np.ndarray
    active: np.ndarray


class _Latents:
    """Latents of blocks, computed where they are looked at: those of a large photograph would fill the memory."""

    def __init__(self, blocks, mean, basis):
        self.blocks, self.mean, self.basis = blocks, mean, basis
        self.shape, self.size = blocks.shape, blocks.size

    def __getitem__(self, places):
        return (self.blocks[places[:3]] - self.mean) @ self.basis[:, places[3] if len(places) > 3 else slice(None)]


class Codec:
    """Compresses photographs into any number of bytes.

    Blocks of 4x4 pixels are transformed to 48 principal components, quantized along a trellis, and written by a range
    coder under probabilities that a network predicts from what is written already. That network computes in fixed
    point: every machine and backend predicts the same. Another network refines what was quantized. Where a lossless
    WebP file is no longer than what is asked for, the stream is that.

    Args:
        content: Dictionary of arrays, the content of a `codec.npz`.
        window: Side, in latents, of the windows in which large photographs are computed; changes speed and memory, not
            the streams. Defaults to `128`.
        batch_size: Windows that are computed at once, likewise. Defaults to `1`.
    """

    def __init__(self, content, window=128, batch_size=1):
        if int(content["format"]) != FORMAT:
            raise ValueError(f"its format is {int(content['format'])}, not {FORMAT}")
        check_exactness()
        self.content, self.window, self.batch_size = content, window, batch_size
        self.mean, self.basis = content["mean"], content["basis"]
        self.tables = Tables(np.split(content["masses"], content["ends"][:-1]))
        self.context = ContextModel(content["deviations"], content["octaves"], int(content["filters"]))
        self.context.set_fixed_point(content)
        weights = [content[f"synthesis_{number}"] for number in range(int(content["synthesis_weights"]))]
        self.synthesis = build_synthesis(content["deviations"], weights[0].shape[-1], len(weights) // 4 - 1)
        self.synthesis.set_weights(weights)
        for network in (*self.context.networks, self.synthesis):
            network.compile(jit_compile=jit_compile())

    def save(self, path):
        """Writes the codec into one file.

        Args:
            path: Path of the `.npz` file.
        """
        np.savez_compressed(path, **self.content)

    def encode(self, image, max_bytes=None, step=None, quality=None, progress=None):
        """Compresses a photograph: to a number of bytes, to a quality, or with a given step of the quantizer.

        Where a lossless WebP file fits into the bytes, or is shorter than what reaches the quality, it is taken: for
        most photographs that takes 2 to 6 bits a sample. Of more than half a million samples that is tried only if a
        quick one is not much too long. With the finest step, 1/8, the image comes back exactly too.

        Args:
            image: uint8 array of shape `(height, width, 3)`, RGB, any size.
            max_bytes: The most bytes; the quality is the best that fits, of more than half a million samples nearly so.
            step: Step of the quantizer in grey levels, 0.125 to 254; the nearest of the 705 steps there are is taken.
            quality: PSNR in dB, or `float("inf")`; the bytes are the fewest that reach it, likewise.
            progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

        Returns:
            bytes.

        Raises:
            TooFewBytesError: If not even the coarsest step fits into the bytes.
            ValueError: If the image is not of that kind, or not exactly one of the three is given.
        """
        image = check_photograph("image", image)
        if max(image.shape) > MAX_SIDE:
            raise ValueError(f"`image` must not be longer than {MAX_SIDE} pixels. Received: shape={image.shape}")
        if [max_bytes, step, quality].count(None) != 2:
            raise ValueError("Exactly one of `max_bytes`, `step` and `quality` must be given.")
        if step is not None and not 2 * STEPS[0] <= step <= 2 * STEPS[-1]:
            raise ValueError(f"`step` must be from {2 * STEPS[0]} to {2 * STEPS[-1]}. Received: step={step}")
        limit = math.inf if quality == math.inf else max_bytes
        if limit is not None and (data := _lossless(image, limit)):
            if progress:
                progress(1.0)
            return data
        latents = self._latents(image[None])
        evaluations = itertools.count()

        def quantized(index):
            rest = REST ** next(evaluations)
            report = progress and (lambda part: progress(1 - rest * (1 - (1 - REST) * part)))
            return self._quantized(latents, index, report, constriction.stream.queue.RangeEncoder())

        if step is not None:
            data = _stream(image.shape, quantized(_nearest(step)))
        elif max_bytes is not None:
            index, data = self._fitting(image.shape, latents, quantized, 8 * (max_bytes - HEAD))
            while len(data) > max_bytes:
                if index == len(STEPS) - 1:
                    raise TooFewBytesError(f"At least {len(data)} bytes are needed. Received: max_bytes={max_bytes}")
                index += 1
                data = _stream(image.shape, quantized(index))
        else:
            _, data = self._reaching(image, latents, quantized, quality)
            data = _lossless(image, len(data)) or data
        if progress:
            progress(1.0)
        return data

    def decode(self, data, max_pixels=2**27, progress=None):
        """Decompresses a photograph.

        Args:
            data: bytes that `encode` returned.
            max_pixels: The most pixels that the image may have. Defaults to `2**27`.
            progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

        Returns:
            uint8 array of shape `(height, width, 3)`.

        Raises:
            ValueError: If the data are not a whole stream of this format, or the image is larger than allowed. Of
                65536 damaged streams one passes the check and makes a wrong image.
        """
        (height, width), index, payload = _parsed(data)
        if height * width > max_pixels:
            raise ValueError(f"The image has {height} x {width} pixels, and only {max_pixels} are allowed.")
        if index == LOSSLESS:
            image = _from_lossless(payload, height, width)
        else:
            image = self._from_latents(payload, height, width, index, progress)
        if progress:
            progress(1.0)
        return image

    def _from_latents(self, payload, height, width, index, progress):
        words = np.frombuffer(payload + bytes(-len(payload) % 4), "<u4").astype("uint32")
        coder = constriction.stream.queue.RangeDecoder(words)
        try:
            latents = self._dequantized(-(-height // BLOCK), -(-width // BLOCK), index, coder, progress)
        except AssertionError as error:  # so says the range coder that no symbol fits
            raise ValueError(DAMAGED) from error
        if not coder.maybe_exhausted():
            raise ValueError(DAMAGED)
        return self._restored(latents, index)[:height, :width]

    def estimate(self, image, max_bytes):
        """Estimates how good an image will be in so many bytes, without compressing all of a large one.

        Args:
            image: uint8 array of shape `(height, width, 3)`.
            max_bytes: List of numbers of bytes.

        Returns:
            List of PSNR in dB, higher is better: infinite where the image is known to fit as it is, and NaN where it
            does not fit.
        """
        latents = self._latents(image[None])
        patches = _patches(latents, 6)
        bits, decibels = [], []
        for index in range(64, len(STEPS), 64):
            quantized = self._quantized(patches, index)
            bits.append(quantized.bits / patches.size)
            decibels.append(_decibels(self._refined(quantized.values, index), patches))
        wanted = [8 * (number - HEAD) / latents.size for number in max_bytes]
        estimated = np.interp(wanted, bits[::-1], decibels[::-1], left=np.nan)
        doubtful = [number for number, psnr in zip(max_bytes, estimated, strict=True) if not psnr > EXCELLENT]
        if doubtful and (lossless := _lossless(image, max(doubtful))):
            estimated[np.array(max_bytes) >= len(lossless)] = np.inf
        return estimated.tolist()

    def analyze(self, images):
        """Transforms images to latents.

        Args:
            images: uint8 array of shape `(batch, height, width, 3)`; sides that are not multiples of 4 are padded by
                reflection.

        Returns:
            float32 array of shape `(batch, height / 4, width / 4, 48)`, in grey levels.
        """
        return self._latents(images)[:, :, :]

    def _latents(self, images):
        return _Latents(blocks_of(pad_to_multiple(images, BLOCK)), self.mean, self.basis)

    def quantize(self, images, index):
        """Quantizes the latents of images as they would be coded.

        Args:
            images: uint8 array of shape `(batch, height, width, 3)`.
            index: Of the step.

        Returns:
            int16 array of shape `(batch, height / 4, width / 4, 48)`, in units of the step.
        """
        return self._quantized(self.analyze(images), index).values

    def predict_scales(self, image, step):
        """Looks at what the context model expects of an image.

        Args:
            image: uint8 array of shape `(height, width, 3)`.
            step: Step of the quantizer in grey levels.

        Returns:
            float32 array of shape `(height / 4, width / 4, 48)`: the scale of the distribution that was predicted for
            every latent, in grey levels; small where the network is sure.
        """
        index = _nearest(step)
        latents = self.analyze(image[None])
        levels = np.zeros((1, *_padded(latents.shape[1:3]), DEPTH), "uint8")

        def seen(strip):
            for place, part in zip(strip.places, _unchained(strip.numbers // FRACTIONS, strip.shape), strict=True):
                levels[:, *place] = np.moveaxis(part, 0, -1)

        self._quantized(latents, index, seen=seen)
        return np.float32(SCALES)[levels[0, : latents.shape[1], : latents.shape[2]]] * STEPS[index]

    def _refined(self, values, index, finish=lambda refined: refined):
        def refined(values):
            inputs = [values.astype("float32"), np.full(len(values), index, "int32")]
            return [finish(self.synthesis.predict_on_batch(inputs))]

        return self._in_windows(refined, [values], _halo(self.synthesis))[0]

    def _restored(self, values, index):
        """The image, to the next whole block."""

        def pixels(refined):
            return np.clip(np.rint(refined @ self.basis.T + self.mean), 0, 255).astype("uint8")

        blocks = self._refined(values, index, pixels)[0]
        height, width, _ = blocks.shape
        blocks = blocks.reshape(height, width, BLOCK, BLOCK, 3).swapaxes(1, 2)
        return blocks.reshape(height * BLOCK, width * BLOCK, 3)

    def _fitting(self, shape, latents, quantized, bits):
        """The finest step that takes no more than so many bits, and the stream."""
        bits = bits * 0.9995 - 32  # what the range coder adds
        wanted = bits / latents.size
        best = {}

        def excess(patches, result):
            ratio = _activity(latents[:, ::8, ::8], result.index) / _activity(patches, result.index)
            return _steps_between(result.bits / patches.size * ratio, wanted)

        def kept(index):
            result = quantized(index)
            if result.bits <= bits:  # only the stream is kept: it is small
                best["fits"] = index, _stream(shape, result)
            return _steps_between(result.bits / latents.size, wanted)

        guess, tolerance = self._guessed(latents, excess, 500 - 85 * wanted)
        _bracketed(kept, guess, tolerance)
        last = len(STEPS) - 1
        return best.get("fits") or (last, _stream(shape, quantized(last)))

    def _reaching(self, image, latents, quantized, quality):
        """The coarsest step that reaches a PSNR, and the stream."""
        aim = min(quality, BEST)
        best = {}

        def excess(patches, result):
            reached = _decibels(self._refined(result.values, result.index), patches)
            return (reached - aim) / DECIBELS - TOLERANCE

        def kept(index):
            result = quantized(index)
            restored = self._restored(result.values, index)[: image.shape[0], : image.shape[1]]
            reached = image_psnr(restored, image)
            if reached >= quality:
                best["reaches"] = index, _stream(image.shape, result)
            if np.isinf(reached) or np.isinf(quality):
                return np.inf if reached >= quality else -np.inf
            return (reached - quality) / DECIBELS - tolerance + 1e-9

        guess, tolerance = self._guessed(latents, excess, 256 - (aim - 53) / DECIBELS)
        _bracketed(kept, guess, tolerance)
        return best.get("reaches") or (0, _stream(image.shape, quantized(0)))

    def _guessed(self, latents, excess, guess):
        """A guess of the step, and by how many steps the best one may be missed; of a large photograph by patches."""
        guess = _nearby(guess)
        if latents.size <= LARGE:
            return guess, 0
        patches = _patches(latents, 24)
        if len(patches) > 1:
            for _ in range(2):
                guess = _nearby(guess + excess(patches, self._quantized(patches, guess)) + TOLERANCE / 2)
        return guess, TOLERANCE

    def _go_through(self, shape, index, decide, progress=None):
        """Goes through the passes of the context model.

        `decide` is called for every pass with an iterator of its strips, and yields every `Strip` with the values of
        its latents relative to the centres.
        """
        batch, height, width = shape
        padded = batch, *_padded((height, width))
        inside = np.zeros(padded[1:], bool)
        inside[:height, :width] = True
        values = np.zeros((*padded, DEPTH), "int16")
        done = 0

        def decided(places, distributions):
            nonlocal done
            starts = range(0, len(range(padded[1])[places[0][0]]), ROWS)
            rows = [slice(start, min(start + ROWS, starts.stop)) for start in starts]
            for strip, offsets in decide(_strip(places, part, inside, distributions) for part in rows):
                found = _unchained(strip.centres + offsets, strip.shape)
                for place, part in zip(strip.places, found, strict=True):
                    values[:, *place] = np.moveaxis(part, 0, -1)
            found = [values[:, *place].astype("float32") for place in places]
            done += sum(part.size for part in found)
            if progress:
                progress(done / values.size)
            return found

        def small(activations):
            return activations.astype("int16")

        self.context.go_through(np.full(batch, index, "int32"), padded, self._predicted, decided, np, small)
        return values[:, :height, :width]

    def _quantized(self, latents, index, progress=None, coder=None, seen=None):
        """Quantizes latents, of shape `(batch, height, width, 48)`; with a coder (and a batch of 1), writes them."""
        bits = []

        def decide(strips):
            coded = []
            for strip in strips:
                if seen:
                    seen(strip)
                x = np.zeros(strip.shape, "float32")
                for plane, place in zip(x, strip.places, strict=True):
                    here = np.moveaxis(latents[:, *place], -1, 0) / STEPS[index]
                    plane[..., : here.shape[2], : here.shape[3]] = here
                x = _chained(x)
                x -= strip.centres
                offsets, odd = quantize(x, self.tables, strip.numbers, strip.active, MULTIPLIER)
                del x
                numbers = (strip.numbers + odd.astype("uint16") * np.uint16(len(self.tables) // 2))[strip.active]
                symbols = ((offsets + odd * np.sign(offsets)) // 2).astype("int16")[strip.active]
                bits.append(self.tables.bits(numbers, symbols).sum(dtype="float64"))
                ends = np.cumsum(np.count_nonzero(strip.active, 1))[:-1]
                kept = numbers, symbols, (strip.centres + offsets)[strip.active]
                coded.append([np.split(array, ends) for array in kept])
                yield strip, offsets
            if coder:
                self._write(coder, coded)

        values = self._go_through(latents.shape[:3], index, decide, progress)
        return Quantized(index, values, sum(bits), coder and coder.get_compressed())

    def _write(self, coder, strips):
        """Writes the tables, symbols and values of one pass: first all beginnings of chains, last all their ends."""
        for position in zip(*(zip(*strip, strict=True) for strip in strips), strict=True):
            numbers, symbols, values = map(np.concatenate, zip(*position, strict=True))
            reach = self.tables.reach[numbers]
            escaped = np.abs(symbols) > reach
            symbols = np.where(escaped, 2 * reach + 1, symbols + reach).astype("int32")
            order, groups = _grouped(numbers)
            symbols = symbols[order]
            for number, start, end in groups:
                coder.encode(symbols[start:end], self.tables.model(number))
            if escaped.any():
                coder.encode(values[escaped].astype("int32") + 2**15, ESCAPED)

    def _dequantized(self, height, width, index, coder, progress):
        def decide(strips):
            strips = list(strips)
            numbers, centres, active = (
                np.concatenate([getattr(strip, name) for strip in strips], 1) for name in Strip._fields[2:]
            )
            offsets = np.zeros(centres.shape, "int16")
            states = np.zeros(centres.shape[1], "uint8")
            for i, here in enumerate(active):
                here = slice(None) if here.all() else here
                state = states[here]
                odd = state >> 1
                tables = numbers[i, here] + odd * np.uint16(len(self.tables) // 2)
                reach = self.tables.reach[tables]
                symbols = np.empty(len(tables), "int32")
                order, groups = _grouped(tables)
                symbols[order] = np.concatenate(
                    [coder.decode(self.tables.model(number), end - start) for number, start, end in groups] or [symbols]
                )
                symbols -= reach
                found = 2 * symbols - odd * np.sign(symbols)
                if (escaped := symbols > reach).any():
                    found[escaped] = coder.decode(ESCAPED, int(escaped.sum())) - 2**15 - centres[i, here][escaped]
                    symbols = (found + odd * np.sign(found)) // 2
                offsets[i, here] = found
                states[here] = NEXT_STATE.ravel()[2 * state + (symbols & 1)]
            ends = np.cumsum([strip.centres.shape[1] for strip in strips])[:-1]
            yield from zip(strips, np.split(offsets, ends, axis=1), strict=True)

        return self._go_through((1, height, width), index, decide, progress)

    def _predicted(self, network, *inputs):
        """What a network of the context model says, exactly."""

        def predicted(*windows):
            windows = iter(windows)
            joined = [np.concatenate([next(windows) for _ in parts], -1) for parts in inputs]
            outputs = network.predict_on_batch(joined)
            return [outputs[0].astype("int16"), outputs[1]] if isinstance(outputs, list) else [outputs]

        *state, parameters = self._in_windows(predicted, list(itertools.chain(*inputs)), _halo(network))
        parameters = parameters * np.float32(KERNEL_GRID)
        parameters -= 0.5
        np.rint(parameters, out=parameters)
        parameters += 0.5
        parameters /= KERNEL_GRID
        return (*state, parameters) if state else parameters

    @_without_retracing_warnings()
    def _in_windows(self, function, inputs, halo):
        """Applies a function from arrays (batch, height, width, channels) to a list of such, in windows if large."""
        batch, *sides = inputs[0].shape[:3]
        if max(sides) <= self.window + 2 * halo:
            return function(*inputs)
        # As few windows as there must be, all of one size, and no larger than that takes.
        steps = [-(-side // -(-side // self.window)) for side in sides]
        cuts = [
            [(start, min(start + step, side)) for start in range(0, side, step)]
            for side, step in zip(sides, steps, strict=True)
        ]
        sizes = [min(step + 2 * halo, side) for side, step in zip(sides, steps, strict=True)]
        places = list(itertools.product(range(batch), *cuts))
        results = None
        for start in range(0, len(places), self.batch_size):
            some = places[start : start + self.batch_size]
            seen = [
                [_seen(cut, side, size, halo) for cut, side, size in zip(cuts, sides, sizes, strict=True)]
                for _, *cuts in some
            ]
            windows = [
                np.stack([x[image, *cuts] for (image, *_), cuts in zip(some, seen, strict=True)]) for x in inputs
            ]
            outputs = function(*windows)
            if results is None:
                results = [np.empty((batch, *sides, output.shape[-1]), output.dtype) for output in outputs]
            for result, output in zip(results, outputs, strict=True):
                for (image, *cuts), around, window in zip(some, seen, output, strict=True):
                    inner = [slice(a - s.start, b - s.start) for (a, b), s in zip(cuts, around, strict=True)]
                    result[image, *(slice(a, b) for a, b in cuts)] = window[*inner]
        return results


def _stream(shape, quantized):
    payload = quantized.words.astype("<u4").tobytes().rstrip(b"\0")
    return _head(shape, quantized.index, payload) + payload


def _lossless(image, max_bytes):
    """The stream of a lossless WebP file, or `None` if that is too long."""
    if not _may_be_lossless(*image.shape[:2]):
        return None
    if image.size > LARGE:
        quick = len(_webp(image, quality=0, method=0))  # up to 30 % more for photographs, far more for drawings
        if quick > 1.3 * max_bytes and 8 * quick > 1.5 * image.size:
            return None
    payload = _webp(image, quality=75, method=4)
    return _head(image.shape, LOSSLESS, payload) + payload if HEAD + len(payload) <= max_bytes else None


def _may_be_lossless(height, width):
    return max(height, width) <= LOSSLESS_SIDE and height * width <= LOSSLESS_PIXELS


def _webp(image, **effort):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, **effort)
    return file.getvalue()


def _from_lossless(payload, height, width):
    sides = int.from_bytes(payload[21:25], "little")  # 14 bits each, less 1: looked at before the decoder makes room
    expected = width - 1 | (height - 1) << 14
    if not _may_be_lossless(height, width) or payload[12:16] != b"VP8L" or sides & 2**28 - 1 != expected:
        raise ValueError(DAMAGED)
    try:
        with Image.open(io.BytesIO(payload), formats=["WEBP"]) as image:
            return np.array(image.convert("RGB"))
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises what it likes
        raise ValueError(DAMAGED) from error


def _padded(sides):
    """Sides that the context model takes."""
    return [side + -side % PADDING for side in sides]


def _halo(network):
    """How far a network looks around a latent."""
    return sum(weight.shape[0] // 2 for weight in network.weights if len(weight.shape) == 4)


def _strip(places, rows, inside, distributions):
    """Makes a strip of some rows of the places of a pass."""
    strip = []
    for down, across, channels in places:
        first = down.start or 0
        strip.append(
            (slice(first + rows.start * down.step, first + rows.stop * down.step, down.step), across, channels)
        )
    distributions = distributions(rows)
    *sides, channels = distributions[0][0].shape
    shape = len(places), channels, *sides
    eighths, levels = np.empty(shape, "int32"), np.empty(shape, "uint16")
    for number, (mean, scale) in enumerate(distributions):
        eighths[number] = np.moveaxis(np.rint(mean * FRACTIONS), -1, 0)
        levels[number] = np.moveaxis(np.clip(np.rint(scale), 0, len(SCALES) - 1), -1, 0)
    centres = (eighths + FRACTIONS // 2) // FRACTIONS
    numbers = levels * FRACTIONS + (eighths - FRACTIONS * centres + FRACTIONS // 2)
    active = np.stack([inside[down, across] for down, across, _ in strip])[:, None, None]
    return Strip(
        strip,
        shape,
        _chained(numbers.astype("uint16")),
        _chained(centres.astype("int16")),
        _chained(np.broadcast_to(active, shape)),
    )


def _columns(shape):
    """How many columns one chain runs through."""
    return next(columns for columns in (8, 4, 2, 1) if columns * shape[1] <= 48 and not shape[-1] % columns)


def _chained(x):
    """Array of phases, channels, images, rows, columns -> array of shape `(length, chains)`."""
    columns = _columns(x.shape)
    x = x.reshape(*x.shape[:-1], -1, columns)
    return np.moveaxis(x, -1, 0).reshape(columns * x.shape[0] * x.shape[1], -1)


def _unchained(x, shape):
    columns = _columns(shape)
    return np.moveaxis(x.reshape(columns, *shape[:-1], -1), 0, -1).reshape(shape)


def _nearest(step):
    """Index of a step of the quantizer, which is twice the unit of the values."""
    return int(np.abs(np.log2(2 * STEPS / step)).argmin())


def _grouped(numbers):
    """The order in which symbols are sorted by their tables, and every table with the first and last of its own."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    return order, list(
        zip(ordered[starts].tolist(), starts.tolist(), [*starts[1:].tolist(), len(ordered)], strict=False)
    )


def _seen(cut, side, size, halo):
    start = min(max(cut[0] - halo, 0), side - size)
    return slice(start, start + size)


def _decibels(refined, latents):
    """PSNR of the image that these latents make, about: rounding it to 8 bits adds a twelfth to the error."""
    return 10 * np.log10(255**2 / (((refined - latents) ** 2).mean(dtype="float64") + 1 / 12))


def _bracketed(excess, guess, tolerance):
    """Finds the two neighbouring steps between which something that falls as they grow, by about 1, passes zero."""
    low, high, last, slope = -1, len(STEPS), None, 1.0
    while high - low > 1:
        value = excess(guess)
        low, high = (guess, high) if value > 0 else (low, guess)
        if -tolerance <= value <= 0:
            break
        if np.isinf(value):
            guess, last = (low + high) // 2, None
            continue
        if last and last[0] != guess:
            slope = np.clip((last[1] - value) / (guess - last[0]), slope / 2, slope * 2)
        last = guess, value
        guess = int(np.clip(guess + np.ceil(value / slope), low + 1, high - 1))


def _nearby(index):
    return int(np.clip(np.rint(index), 0, len(STEPS) - 1))


def _steps_between(bits, wanted):
    """How many steps are about between two numbers of bits a sample, which fall as a softplus."""
    bits, wanted = np.log(np.expm1(np.clip([bits, wanted], 1e-6, 64) / 1.5))
    return 88 * (bits - wanted)


def _patches(latents, number):
    """About so many patches, spread over a large photograph; a small one as it is."""
    sides = np.array(latents.shape[1:3])
    if sides.prod() < 3 * number * PATCH**2:
        return latents[:, :, :]
    counts = np.clip(np.rint(np.sqrt(number * sides / sides[::-1])).astype(int), 1, sides // PATCH)
    rows, columns = (
        np.linspace(0, side - PATCH, 2 * count + 1)[1::2].astype(int) for side, count in zip(sides, counts, strict=True)
    )
    places = itertools.product(rows, columns)
    return np.concatenate([latents[:, i : i + PATCH, j : j + PATCH] for i, j in places])


def _activity(latents, index):
    """Grows nearly as the bits that latents take: what is sampled is scaled by it to the whole."""
    return np.log2(1 + np.abs(latents) / STEPS[index]).mean()


def _head(shape, index, payload):
    fields = struct.pack("<BHHH", FORMAT, index, *shape[:2])
    return fields + struct.pack("<H", binascii.crc_hqx(fields + payload, 0))


def _parsed(data):
    """Sides, index of the step, and payload of a stream."""
    data = bytes(data)
    if len(data) < HEAD:
        raise ValueError(DAMAGED)
    version, index, height, width, check = struct.unpack("<BHHHH", data[:HEAD])
    if binascii.crc_hqx(data[: HEAD - 2] + data[HEAD:], 0) != check:
        raise ValueError(DAMAGED)
    if version != FORMAT:
        raise ValueError(f"The stream has format {version}, and only {FORMAT} can be read.")
    if not height or not width or index > LOSSLESS:
        raise ValueError(DAMAGED)
    return (height, width), index, data[HEAD:]
