"""The codec: photographs to bytes and back."""

import contextlib
import functools
import math
from importlib.resources import files
from pathlib import Path

import numpy as np

from stego_lib.codec.container import (
    DAMAGED,
    HALF,
    LATENTS,
    MAX_SIDE,
    OVERHEAD,
    OVERHEADS,
    SLOW,
    Stream,
    avif_streams,
    checksum,
    decode_file,
    lossless,
    pack,
    unpack,
)
from stego_lib.codec.half_size import enlarged, half, half_size_stream, reduced
from stego_lib.codec.latents import LatentCodec
from stego_lib.codec.rate_control import StepSearch, rate_distortion_curve
from stego_lib.codec.scaling import STEPS, nearest_index
from stego_lib.codec.weights import UNREADABLE, read_weights, write_weights
from stego_lib.images import MAX_PIXELS, check_photograph, image_psnr

FORMAT = 2  # of codec.npz
AVIF_BITS = 2.0  # bits a pixel up to which an AVIF file may be better (docs/experiments.md)
SMALL_BITS = 0.75  # bits a pixel from which the networks for small photographs may be better, likewise
HALF_BITS, HALVED = 0.25, 32  # bits a pixel to which, and sides from which half the size may be better, likewise
EXCELLENT = 50.0  # dB, estimated, from which nobody asks whether the image even comes back exactly


class TooFewBytesError(ValueError):
    """Not even the coarsest step fits into the bytes that are allowed."""


def load_codec(path=None):
    """Loads a trained codec.

    Args:
        path: Path of a `codec.npz` made by `train_codec`. Defaults to `None`, the weights that come with the library.

    Returns:
        `Codec`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not a codec, or the sums of its context model could grow too large to be exact.

    Example:

    >>> codec = load_codec()
    >>> codec.decode(codec.encode(skimage.data.astronaut()[:100, :150], quality=40)).shape
    (100, 150, 3)
    """
    if path is not None:
        return _load(Path(path))
    folder = Path(files("stego_lib") / "weights")
    return _load(folder / "codec.npz", small=functools.cache(lambda: _load(folder / "codec_small.npz")))


def _load(path, *, small=None):
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        content = read_weights(path)
        if int(content["format"]) != FORMAT:
            raise ValueError(f"its format is {int(content['format'])}, not {FORMAT}")
        return Codec(content, small=small)
    except UNREADABLE as error:
        raise ValueError(f"{path} is not a codec, or not one of this version.") from error


class Codec:
    """Compresses photographs into any number of bytes.

    Blocks of pixels are transformed to principal components, quantized along a trellis, and written by a range coder
    under probabilities that a network predicts from what is written already. That network computes in fixed point:
    every machine and backend predicts the same. Another network refines what was quantized. Where a lossless file of
    another format is no longer than what is asked for, the stream is that; so it is where an AVIF file is better. Of a
    small photograph, a whole view in few pixels, there may be networks of their own, which are used where they are
    better. Where there are hardly any bytes, the stream is that of the photograph at half its size, if that is better.
    May be used by several threads.

    Args:
        content: Dictionary of arrays: what `pack_weights` returns.
        small: Function without arguments that returns the `Codec` for small photographs, called where one is coded.
            Defaults to `None`, the same as for all.
        window: Side, in latents, of the windows in which large photographs are computed; changes speed and memory, not
            the streams. Defaults to `128`.
        batch_size: Windows that are computed at once, likewise. Defaults to `1`.
    """

    def __init__(self, content, *, small=None, window=128, batch_size=1):
        self.content, self._small = content, small
        self.coder = LatentCodec(content, window=window, batch_size=batch_size)

    @functools.cached_property
    def fingerprint(self):
        """16 bits that tell these weights from others."""
        return checksum(*(self.content[name] for name in sorted(self.content)))

    def save(self, path):
        """Writes the codec into one file.

        Args:
            path: Path of the `.npz` file.
        """
        write_weights(path, self.content)

    def encode(self, image, max_bytes=None, *, step=None, quality=None, jpeg=None, progress=None):
        """Compresses a photograph: to a number of bytes, to a quality, or with a given step of the quantizer.

        Where a lossless file fits into the bytes, or is shorter than what reaches the quality, it is taken: for most
        photographs that takes 2 to 6 bits a sample. With the finest step the image comes back exactly, too, or nearly.

        Args:
            image: uint8 array of shape `(height, width, 3)`, RGB, any size.
            max_bytes: The most bytes; the quality is the best that fits, of more than half a million samples nearly so.
            step: Step of the quantizer in grey levels, 0.125 to 512; the nearest that this codec has is taken.
            quality: PSNR in dB, or `float("inf")`; the bytes are the fewest that reach it, likewise.
            jpeg: bytes of the JPEG file that the image was read from, if it was one: it may be the shortest way to keep
                the image exactly. Defaults to `None`.
            progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

        Returns:
            bytes.

        Raises:
            TooFewBytesError: If not even the coarsest step fits into the bytes.
            ValueError: If the image is not of that kind, or not exactly one of the three is given.
            RuntimeError: If this machine does not convolve in float32.
        """
        image = self._checked(image)
        if [max_bytes, step, quality].count(None) != 2:
            raise ValueError("Exactly one of `max_bytes`, `step` and `quality` must be given.")
        if step is not None and not 2 * STEPS[0] <= step <= 2 * STEPS[-1]:
            raise ValueError(f"`step` must be from {2 * STEPS[0]} to {2 * STEPS[-1]}. Received: step={step}")
        if quality is not None and not quality > 0:
            raise ValueError(f"`quality` must be a positive number of decibels. Received: quality={quality}")
        limit = math.inf if quality == math.inf else max_bytes
        data = None if limit is None else lossless(image, limit, jpeg=jpeg)
        if data is None:
            streams = [self._encode_latents(image, max_bytes, step=step, quality=quality, progress=progress)]
            is_small = image.size <= SLOW and (max_bytes is None or 24 * max_bytes >= SMALL_BITS * image.size)
            if self._small and is_small and step is None:
                streams.append(self._small()._encode_latents(image, max_bytes, quality=quality))
            if quality is not None and (data := lossless(image, min(map(len, streams)), jpeg=jpeg)):
                streams.append(data)
            limit = min(map(len, streams)) - 1 if max_bytes is None else max_bytes
            if step is None and image.size <= SLOW and 24 * limit <= AVIF_BITS * image.size:
                streams += avif_streams(image, limit)
            if max_bytes is not None and 24 * max_bytes <= HALF_BITS * image.size and min(image.shape[:2]) >= HALVED:
                with contextlib.suppress(TooFewBytesError):
                    streams.append(half_size_stream(image, self.encode(reduced(image), max_bytes - OVERHEADS[HALF])))
            data = self._best(image, streams, max_bytes=max_bytes, quality=quality)
            if max_bytes is not None and len(data) > max_bytes:
                raise TooFewBytesError(f"At least {len(data)} bytes are needed. Received: max_bytes={max_bytes}")
        if progress:
            progress(1.0)
        return data

    def decode(self, data, *, max_pixels=MAX_PIXELS, progress=None):
        """Decompresses a photograph.

        Args:
            data: bytes that `encode` returned.
            max_pixels: The most pixels that the image may have. Defaults to `2**27`, the largest photograph that is
                encoded.
            progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

        Returns:
            uint8 array of shape `(height, width, 3)`.

        Raises:
            ValueError: If the data are not a whole stream, were written with other weights, or were decoded to other
                latents than were encoded; or if the image is larger than allowed.
            RuntimeError: If this machine does not convolve in float32.
        """
        stream = unpack(data)
        if stream.height * stream.width > max_pixels:
            raise ValueError(
                f"The image has {stream.height} x {stream.width} pixels, and only {max_pixels} are allowed."
            )
        if stream.kind == HALF:
            sides = stream.height, stream.width
            if min(sides) < HALVED or unpack(stream.payload)[1:3] != tuple(map(half, sides)):  # nor halved without end
                raise ValueError(DAMAGED)
            image = enlarged(self.decode(stream.payload, progress=progress), stream.height, stream.width)
        else:
            image = self._decode_latents(stream, progress) if stream.kind == LATENTS else decode_file(stream)
        if progress:
            progress(1.0)
        return image

    def _checked(self, image):
        image = check_photograph("image", image)
        if max(image.shape) > MAX_SIDE:
            raise ValueError(f"`image` must not be longer than {MAX_SIDE} pixels. Received: shape={image.shape}")
        return image

    def _decode_latents(self, stream, progress):
        if stream.index >= len(STEPS):
            raise ValueError(DAMAGED)
        if stream.fingerprint != self.fingerprint:
            if self._small and 3 * stream.height * stream.width <= SLOW:
                return self._small()._decode_latents(stream, progress)
            raise ValueError(
                "The stream was written with the weights of another codec, and only that codec can read it."
            )
        block = self.coder.transform.block
        values = self.coder.decode(
            stream.payload, -(-stream.height // block), -(-stream.width // block), stream.index, progress=progress
        )
        if values is None:
            raise ValueError(DAMAGED)
        if checksum(values) != stream.content_check:
            raise ValueError(
                "The stream is whole, but this machine decodes it to something else than was encoded: its networks do "
                "not compute exactly. Decode it on another machine, or with another backend of Keras."
            )
        return np.ascontiguousarray(self.coder.restore(values, stream.index)[0, : stream.height, : stream.width])

    def _encode_latents(self, image, max_bytes=None, *, step=None, quality=None, progress=None):
        search = StepSearch(self.coder, image, progress)
        if step is not None:
            trial = search.at(nearest_index(step))
        elif max_bytes is not None:
            trial = search.within(max_bytes - OVERHEAD)
        else:
            trial = search.reaching(quality)
        height, width, _ = image.shape
        return pack(Stream(LATENTS, height, width, trial.payload, trial.latents_check, trial.index, self.fingerprint))

    def _best(self, image, streams, *, max_bytes, quality):
        """The best stream that fits into the bytes, or the shortest one that reaches the quality."""
        if len(streams) == 1:
            return streams[0]

        def psnr(data):
            return image_psnr(image, self.decode(data))

        if max_bytes is None:
            return next((data for data in sorted(streams, key=len) if psnr(data) >= quality), streams[0])
        fitting = [data for data in streams if len(data) <= max_bytes] or [min(streams, key=len)]
        return max(fitting, key=psnr) if len(fitting) > 1 else fitting[0]  # decoding a large one takes long

    def estimate(self, image, max_bytes):
        """Estimates how good an image will be in so many bytes, without compressing all of a large one.

        Args:
            image: uint8 array of shape `(height, width, 3)`.
            max_bytes: List of numbers of bytes.

        Returns:
            List of PSNR in dB, higher is better: infinite where the image is known to fit as it is, and NaN where it
            does not fit.
        """
        image = self._checked(image)
        known_bytes, psnr = rate_distortion_curve(self.coder, image)
        payloads = np.log2(np.maximum(np.array(max_bytes) - OVERHEAD, 1e-3))
        estimated = np.interp(payloads, np.log2(known_bytes[::-1]), psnr[::-1], left=np.nan)
        doubtful = [number for number, quality in zip(max_bytes, estimated, strict=True) if not quality > EXCELLENT]
        if doubtful and (data := lossless(image, max(doubtful))):
            estimated[np.array(max_bytes) >= len(data)] = np.inf
        return estimated.tolist()

    def estimate_bytes(self, image, quality):
        """Estimates how many bytes an image takes at a quality.

        Args:
            image: uint8 array of shape `(height, width, 3)`.
            quality: PSNR in dB, or `float("inf")`.

        Returns:
            Number of bytes.
        """
        image, length = self._checked(image), math.inf
        if math.isfinite(quality):
            known_bytes, psnr = rate_distortion_curve(self.coder, image)
            length = OVERHEAD + 2 ** np.interp(quality, psnr[::-1], np.log2(known_bytes[::-1]))
        if quality > EXCELLENT:
            data = lossless(image, length)
            length = len(data) if data else min(length, image.size)
        return round(length)

    def predict_scales(self, image, step):
        """Looks at what the context model expects of an image.

        Args:
            image: uint8 array of shape `(height, width, 3)`.
            step: Step of the quantizer in grey levels.

        Returns:
            float32 array of shape `(height / block, width / block, channels)`: the scale of the distribution that was
            predicted for every latent, in grey levels; small where the network is sure.
        """
        return self.coder.predict_scales(self.coder.transform.analyze(image[None]), nearest_index(step))
