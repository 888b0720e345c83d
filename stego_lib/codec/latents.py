"""Latents to bytes and back, with one set of networks."""

import itertools
import logging
import threading
from typing import NamedTuple

import numpy as np

from stego_lib.codec.distributions import LARGEST_VALUE, centres_and_tables
from stego_lib.codec.entropy import RangeDecoder, RangeEncoder
from stego_lib.codec.fixed_point import Exactness
from stego_lib.codec.networks import ContextModel, build_synthesis
from stego_lib.codec.passes import PADDING, channel_groups, run_passes
from stego_lib.codec.probability_tables import FRACTIONS, SCALES, Tables
from stego_lib.codec.scaling import STEPS, Scaling, integer_scaling
from stego_lib.codec.tiling import in_windows, reach
from stego_lib.codec.transform import Transform, blocks_to_images
from stego_lib.codec.trellis import NEXT_STATE, quantize
from stego_lib.devices import check_keras, jit_compile
from stego_lib.threads import map_chunks

CHAIN = 1024  # values of a chain of the trellis: 0.05 dB from one without end, and chains enough for many threads
CHUNK = 64 * CHAIN  # values that a thread quantizes at once
# The squared error, in squared units, that is worth a bit. At high rates the error falls by 2 ln 2 times itself with a
# bit, and the trellis leaves 0.27 squared units: 0.37. docs/experiments.md has other values.
MULTIPLIER = np.float32(2 * np.log(2) * 0.267)
# The last groups of channels are left out where next to nothing of them would be coded: few latents are larger than
# SMALL units, and what is larger than LARGE units adds next to nothing to the error (docs/experiments.md).
SMALL, FEW = 1.1, 5e-3
LARGE, NEGLIGIBLE = 2.2, 1e-3
SPARSE = 4  # every so many-th latent in both directions tells the error


class Quantized(NamedTuple):
    """Index of the step, number of groups of channels that are left out, latents, and the bits they take.

    Latents are in units of the step, an int16 array of shape `(batch, height, width, depth)`; those that are left out,
    the same groups of all images, are zero.
    """

    index: int
    left_out: int
    values: np.ndarray
    bits: float


class LatentCodec:
    """Codes the latents of photographs with one set of networks.

    The context model predicts the distribution of every latent, the trellis quantizes it, a range coder writes it; the
    synthesis network refines what was quantized.

    Args:
        content: Dictionary of arrays: what `pack_weights` returns.
        window: Side, in latents, of the windows in which large photographs are computed; changes speed and memory, not
            the bytes.
        batch_size: Windows that are computed at once, likewise.
    """

    def __init__(self, content, *, window, batch_size):
        check_keras()
        self._window, self._batch_size = window, batch_size
        self.transform = Transform(content["mean"], content["basis"], content["lapping"])
        self._groups = channel_groups(self.transform.depth)
        self.most_left_out = len(self._groups) - 2  # all but the first
        self.tables = Tables(np.split(content["cdfs"], content["ends"][:-1]))
        self.context = ContextModel(content["deviations"], content["octaves"], int(content["filters"]))
        self.context.set_fixed_point(content)
        weights = [content[f"synthesis_{number}"] for number in range(int(content["synthesis_weights"]))]
        self.synthesis = build_synthesis(
            content["deviations"], filters=weights[0].shape[-1], num_blocks=len(weights) // 4 - 1
        )
        self.synthesis.set_weights(weights)
        # Finer ones could make values that do not fit into 16 bits.
        self.finest = int(np.searchsorted(STEPS, self.transform.largest_latent() / LARGEST_VALUE))
        self._exactness = Exactness(content["stage_1_2"] if "stage_1_2" in content else content["coarse_0_2"])
        self._lock = threading.Lock()
        self.curves = {}  # that `stego_lib.codec.estimates` has found, of the last images
        for network in (*self.context.networks, self.synthesis):
            network.compile(jit_compile=jit_compile())

    def quantize(self, latents, index, *, encoder=None, progress=None):
        """Quantizes latents along the trellis, as the context model predicts them.

        Args:
            latents: float32 array of shape `(batch, height, width, depth)`, in grey levels.
            index: Index of the step.
            encoder: `RangeEncoder` that the symbols are written to. Defaults to `None`.
            progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

        Returns:
            `Quantized`.
        """
        unit, total, left_out = STEPS[index], 0.0, self._left_out(latents, index)
        assert max(latents.max(), -latents.min()) / unit <= LARGEST_VALUE, "such latents do not fit into 16 bits"
        tables = self.tables.bits, self.tables.middle, self.tables.largest, self.tables.num_even

        def code_place(place, centres, table_indices):
            nonlocal total
            x = (latents[:, *place.slices] * np.float32(1 / unit)).reshape(-1) - centres
            offsets, symbols = np.empty(len(x), "int32"), np.empty(len(x), "int32")
            odd_tables = np.empty_like(table_indices)

            def work(chunk):
                arrays = offsets[chunk], symbols[chunk], odd_tables[chunk]
                return quantize(x[chunk], table_indices[chunk], tables, CHAIN, MULTIPLIER, *arrays)

            total += sum(map_chunks(work, len(x), chunk=CHUNK))
            if encoder:
                encoder.encode(odd_tables, symbols, (centres + offsets).astype("int16"))
            return offsets

        values = self._run_passes(latents.shape[:3], index, left_out, code_place=code_place, progress=progress)
        return Quantized(index, left_out, values, total)

    def decode(self, payload, height, width, index, left_out, *, progress=None):
        """Reads the values of one image.

        Args:
            payload: bytes that a `RangeEncoder` wrote.
            height: Height of the latents.
            width: Width of the latents.
            index: Index of the step.
            left_out: Number of groups of channels that are not in the payload.
            progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

        Returns:
            int16 array of shape `(1, height, width, depth)`, or `None` if the payload is longer than what was read.
        """
        decoder = RangeDecoder(self.tables, payload)

        def code_place(place, centres, table_indices):
            return decoder.decode(table_indices, centres, CHAIN, NEXT_STATE)

        values = self._run_passes((1, height, width), index, left_out, code_place=code_place, progress=progress)
        return values if decoder.is_exhausted() else None

    def encoder(self):
        """Makes a `RangeEncoder` for `quantize`."""
        return RangeEncoder(self.tables)

    def refine(self, values, index):
        """Refines quantized latents.

        Args:
            values: int16 array of shape `(batch, height, width, depth)`, in units.
            index: Index of the step.

        Returns:
            float32 array of the same shape, in grey levels.
        """
        return self._refined(values, index, finish=lambda latents: latents)

    def restore(self, values, index):
        """Makes images of quantized latents.

        Args:
            values: int16 array of shape `(batch, height, width, depth)`, in units.
            index: Index of the step.

        Returns:
            uint8 array of shape `(batch, height * block, width * block, 3)`.
        """
        return blocks_to_images(self._refined(values, index, finish=self.transform.synthesize))

    def predict_scales(self, latents, index):
        """Looks at what the context model expects of an image.

        Args:
            latents: float32 array of shape `(1, height, width, depth)`, in grey levels.
            index: Index of the step.

        Returns:
            float32 array of shape `(height, width, depth)`: the scale of the distribution that was predicted for every
            latent, in grey levels; small where the network is sure.
        """
        scales, quantized = np.zeros(latents.shape, "float32"), self.quantize(latents, index)

        def code_place(place, centres, table_indices):
            known = quantized.values[:, *place.slices]
            scales[:, *place.slices] = SCALES[table_indices // FRACTIONS].reshape(known.shape)
            return known.reshape(-1) - centres

        self._run_passes(latents.shape[:3], index, 0, code_place=code_place)
        return scales[0] * STEPS[index]

    def _left_out(self, latents, index):
        """How many of the last groups of channels are so small that they may as well be zero."""
        sparse = np.minimum(np.abs(latents[:, ::SPARSE, ::SPARSE]), STEPS[index] / 2)
        allowed = NEGLIGIBLE * np.square(sparse).mean(dtype="float64") * latents.size
        for left_out in range(self.most_left_out):
            start, stop = self._groups[-2 - left_out], self._groups[-1 - left_out]
            group = np.abs(latents[..., start:stop])
            allowed -= np.square(group[group > LARGE * STEPS[index]]).sum(dtype="float64")
            if allowed < 0 or np.count_nonzero(group > SMALL * STEPS[index]) > FEW * group.size:
                return left_out
        return self.most_left_out

    def _run_passes(self, shape, index, left_out, *, code_place, progress=None):
        """Goes through the passes.

        `code_place` is called with every `Place` and the centres and tables of its latents, flat arrays, and returns
        their values less the centres.
        """
        batch, height, width = shape
        padded = [side + -side % PADDING for side in (height, width)]
        values = np.zeros((batch, *padded, self.transform.depth), "int16")
        gains, origins = integer_scaling(index, self.context.deviations, self.context.octaves)
        indices = np.full(batch, index, "int32")
        scaling = Scaling(indices, self.context.deviations, self.context.octaves, ops=np)
        num_values = values[..., : self._groups[-1 - left_out]].size
        done = 0

        def code_pass(places, prediction):
            nonlocal done
            start, stop = places[0].start, places[0].stop
            split = np.split(prediction.parameters, len(places), axis=-1)
            results = []
            for parameters, base, place in zip(split, prediction.bases or [None] * len(places), places, strict=True):
                centres, table_indices = centres_and_tables(
                    parameters, base, gains=gains[start:stop], origins=origins[start:stop]
                )
                # Beyond the edges the centres stand for latents that nobody codes.
                values[:, *place.slices] = centres
                inside = values[:, :height, :width][:, *place.slices]
                rows, columns = inside.shape[1:3]
                active = [x[:, :rows, :columns].reshape(-1) for x in (centres, table_indices)]
                inside += code_place(place, *active).astype("int16").reshape(inside.shape)
                results.append(values[:, *place.slices].astype("float32"))
                done += results[-1].size
            if progress:
                progress(done / num_values)
            return results

        run_passes(
            self.context,
            scaling,
            shape=(batch, *padded),
            predict=self._predict,
            code_pass=code_pass,
            left_out=left_out,
            ops=np,
            store=lambda x: x.astype("int16"),
        )
        return values[:, :height, :width]

    def _predict(self, network, *inputs):
        """What a network of the context model gives, exactly."""

        def predicted(*windows):
            windows = iter(windows)
            joined = [np.concatenate([next(windows) for _ in arrays], -1, dtype="float32") for arrays in inputs]
            with self._lock:
                self._exactness.check(joined[0].shape[:3])
                outputs = network.predict_on_batch(joined)
            return [outputs[0].astype("int16"), outputs[1]] if isinstance(outputs, list) else [outputs]

        *state, parameters = in_windows(
            predicted,
            list(itertools.chain(*inputs)),
            margin=reach(network),
            window=self._window,
            batch_size=self._batch_size,
        )
        return (*state, parameters) if state else parameters

    def _refined(self, values, index, *, finish):
        def refined(values):
            inputs = [values.astype("float32"), np.full(len(values), index, "int32")]
            with self._lock:
                latents = self.synthesis.predict_on_batch(inputs)
            return [finish(latents)]

        margin = reach(self.synthesis) + 1  # a block of its own for the inverse of the lapping
        [result] = in_windows(refined, [values], margin=margin, window=self._window, batch_size=self._batch_size)
        return result


class _RetracingFilter(logging.Filter):
    """Many networks, each compiled for a few shapes, are not the repeated tracing that TensorFlow takes them for."""

    def filter(self, record):
        return "triggered tf.function retracing" not in record.getMessage()


logging.getLogger("tensorflow").addFilter(_RetracingFilter())
