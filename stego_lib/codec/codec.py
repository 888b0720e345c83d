"""The codec: photographs to bytes and back."""

import functools
import math
from importlib.resources import files
from pathlib import Path

import numpy as np

from stego_lib.codec.candidates import TooFewBytesError, best_stream
from stego_lib.codec.container import (
    DAMAGED,
    HALF,
    LATENTS,
    MAX_SIDE,
    OVERHEAD,
    SLOW,
    SMALL_SAMPLES,
    Stream,
    checksum,
    decode_file,
    lossless,
    pack,
    unpack,
)
from stego_lib.codec.estimates import expected_length, expected_psnr
from stego_lib.codec.half_size import can_be_halved, enlarged, half
from stego_lib.codec.latents import LatentCodec
from stego_lib.codec.rate_control import StepSearch
from stego_lib.codec.scaling import STEPS, nearest_index
from stego_lib.codec.weights import UNREADABLE, read_weights, write_weights
from stego_lib.images import MAX_PIXELS, check_photograph

FORMAT = 2  # of codec.npz
EXCELLENT = 50.0  # dB, estimated, from which nobody asks whether a large image even comes back exactly


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
    better. Where the photograph is smooth, or bytes are few, the stream is that of half its size, if that is better.
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
        self.content, self.small = content, small
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
        if step is not None:
            data = self.encode_latents(image, step=step, progress=progress)
        else:
            data = best_stream(self, image, max_bytes=max_bytes, quality=quality, jpeg=jpeg, progress=progress)
        if max_bytes is not None and len(data) > max_bytes:
            raise TooFewBytesError(f"At least {len(data)} bytes are needed. Received: max_bytes={max_bytes}")
        if progress:
            progress(1.0)
        return data

    def encode_latents(self, image, *, max_bytes=None, step=None, quality=None, progress=None):
        """Compresses a photograph as it is, and by the networks of this codec alone.

        Args:
            image: uint8 array of shape `(height, width, 3)`.
            max_bytes: As of `encode`, and so are the others; exactly one of the three must be given.
            step: Step of the quantizer.
            quality: PSNR in dB.
            progress: Called with the part that is done. Defaults to `None`.

        Returns:
            bytes; with the coarsest step where nothing fits, and the finest where no step reaches the quality.
        """
        search = StepSearch(self.coder, image, progress)
        if step is not None:
            trial = search.at(nearest_index(step))
        elif max_bytes is not None:
            trial = search.within(max_bytes - OVERHEAD)
        else:
            trial = search.reaching(quality)
        height, width, _ = image.shape
        made = trial.payload, trial.latents_check, trial.index, self.fingerprint, trial.left_out
        return pack(Stream(LATENTS, height, width, *made))

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
            ValueError: If the data are not a whole stream, were written with other weights, or are decoded to something
                else than was encoded, by these networks or by a JPEG or AVIF decoder; or if the image is larger than
                allowed.
            RuntimeError: If this machine does not convolve in float32.
        """
        stream = unpack(data)
        if stream.height * stream.width > max_pixels:
            raise ValueError(
                f"The image has {stream.height} x {stream.width} pixels, and only {max_pixels} are allowed."
            )
        if stream.kind == HALF:
            sides = height, width = stream.height, stream.width
            if not can_be_halved(*sides) or unpack(stream.payload)[1:3] != (half(height), half(width)):
                raise ValueError(DAMAGED)  # or it could be nested without end
            image = enlarged(self.decode(stream.payload, progress=progress), height, width)
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
            if self.small and 3 * stream.height * stream.width <= SMALL_SAMPLES:
                return self.small()._decode_latents(stream, progress)
            raise ValueError(
                "The stream was written with the weights of another codec, and only that codec can read it."
            )
        if stream.left_out > self.coder.most_left_out:
            raise ValueError(DAMAGED)
        block = self.coder.transform.block
        sides = (-(-side // block) for side in (stream.height, stream.width))
        values = self.coder.decode(stream.payload, *sides, stream.index, stream.left_out, progress=progress)
        if values is None:
            raise ValueError(DAMAGED)
        if checksum(values) != stream.content_check:
            raise ValueError(
                "The stream is whole, but this machine decodes it to something else than was encoded: its networks do "
                "not compute exactly. Decode it on another machine, or with another backend of Keras."
            )
        return np.ascontiguousarray(self.coder.restore(values, stream.index)[0, : stream.height, : stream.width])

    def estimate(self, image, max_bytes, *, jpeg=None):
        """Estimates how good an image will be in so many bytes, without compressing all of a large one.

        Args:
            image: uint8 array of shape `(height, width, 3)`.
            max_bytes: List of numbers of bytes.
            jpeg: As of `encode`. Defaults to `None`.

        Returns:
            List of PSNR in dB, higher is better: infinite where the image is known to fit as it is, and NaN where it
            does not fit.
        """
        image = self._checked(image)
        estimated = expected_psnr(self.coder, image, np.array(max_bytes))
        excellent = EXCELLENT if image.size > SLOW else math.inf
        doubtful = [number for number, quality in zip(max_bytes, estimated, strict=True) if not quality > excellent]
        if doubtful and (data := lossless(image, max(doubtful), jpeg=jpeg)):
            estimated[np.array(max_bytes) >= len(data)] = np.inf
        return estimated.tolist()

    def estimate_bytes(self, image, quality, *, jpeg=None):
        """Estimates how many bytes an image takes at a quality.

        Args:
            image: uint8 array of shape `(height, width, 3)`.
            quality: PSNR in dB, or `float("inf")`.
            jpeg: As of `encode`. Defaults to `None`.

        Returns:
            Number of bytes.
        """
        image, length = self._checked(image), math.inf
        if math.isfinite(quality):
            length = expected_length(expected_psnr, self.coder, image=image, quality=quality)
        if quality > EXCELLENT or jpeg is not None:
            data = lossless(image, length, jpeg=jpeg)
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
