"""The order in which latents are coded, and what the context model knows before every pass.

The first three channels, the brightness and colours of the blocks, come first, as a picture of its own: blind at every
16th latent in both directions, then lattice by lattice what lies between those that are known,

    1 . . . 1 . . . 1        1 known    . not yet
    . . . . . . . . .        2 the middles of four known ones, in one pass
    . . 2 . . . 2 . .        3 the middles of their sides, in the next
    . . . . . . . . .
    1 . 3 . 1 . 3 . 1        then the same between lattices of 8, 4, 2 and 1 latents
    . . . . . . . . .
    3 . 2 . 3 . 2 . 3

The other channels follow in groups, each as large as all before it together; the last ones may be left out. A group is
coded in two passes: first the dark squares of a checkerboard of latents, then the light ones, whose four neighbours are
known by then.

    A B A B        the phases of 2x2 latents are channels of the networks: (0, 0) and (1, 1) are A, the first pass;
    B A B A        (0, 1) and (1, 0) are B, the second
    A B A B
"""

from typing import NamedTuple

import numpy as np
from keras import ops

from stego_lib.codec.fixed_point import UNIT

LATTICES = (8, 4, 2, 1)  # spacings of what is coded of the first group; no latent tells anything of one farther away
PADDING = 2 * LATTICES[0]  # the sides of the latents are multiples of this
PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))  # of 2x2 latents; the first two are coded before the last two
DARK, LIGHT = PHASES[:2], PHASES[2:]
FIRST = 3  # channels of the first group: a brightness and two colours


def channel_groups(depth):
    """Lists the channels that are coded together.

    Args:
        depth: Number of channels of the latents, 3 times a power of two.

    Returns:
        Tuple of numbers: a group begins at each but the last, and ends before the next.
    """
    groups = [0, FIRST]
    while groups[-1] < depth:
        groups.append(2 * groups[-1])
    return tuple(groups)


class Place(NamedTuple):
    """Latents of one pass: from a first row and column on, every `step`-th; channels from `start` to `stop`."""

    row: int
    column: int
    step: int
    start: int
    stop: int

    @property
    def slices(self):
        """Slices of rows, columns and channels."""
        return slice(self.row, None, self.step), slice(self.column, None, self.step), slice(self.start, self.stop)


class Prediction(NamedTuple):
    """What is predicted of the latents of one pass.

    `parameters` has the shape `(batch, rows, columns, places * 2 * channels)`: for every place the means, then the
    scales, as the network gives them. `bases`, where there are some, are what the means are relative to, one array for
    each place, in units.
    """

    parameters: object
    bases: tuple


def run_passes(
    context, scaling, *, shape, predict, code_pass, left_out=0, ops=ops, store=lambda activations: activations
):
    """Goes through all passes.

    Args:
        context: `ContextModel`.
        scaling: `Scaling` of the images.
        shape: Batch, height and width of the latents, both sides multiples of 16.
        predict: Called with one of the networks and its inputs, each a list of arrays to be concatenated; returns what
            the network gives.
        code_pass: Called with the list of `Place` of every pass and its `Prediction`; returns a list of the values
            there.
        left_out: Number of the last groups of channels that are left out, at most all but the first. Defaults to `0`.
        ops: `keras.ops`, or `numpy` for what must be the same on every machine. Defaults to `keras.ops`.
        store: Called with all activations that are kept for long, integers; may return them in a smaller type. Defaults
            to returning them as they are.
    """
    known = _run_lattices(context, scaling, shape=shape, predict=predict, code_pass=code_pass, ops=ops)
    groups = channel_groups(scaling.deviations.shape[0])
    groups = groups[: len(groups) - left_out]
    activations = [scaling.compand(x, 0, FIRST) for x in (known, *_slopes(known, ops))]
    inputs = [store(x[:, row::2, column::2]) for row, column in PHASES for x in activations]
    constants = scaling.constants(inputs[0])
    state = None
    for stage, second, start, stop in zip(context.stages, context.seconds, groups[1:], groups[2:], strict=False):
        inputs += constants
        state, parameters = predict(stage, inputs) if state is None else predict(stage, [state], inputs)
        inputs = []
        for phases in (DARK, LIGHT):
            if inputs:
                parameters = predict(second, [state, *inputs, *constants])
            places = [Place(row, column, 2, start, stop) for row, column in phases]
            values = code_pass(places, Prediction(parameters, ()))
            del parameters  # they are large
            if stop < groups[-1] or phases is DARK:  # after the last pass nothing is predicted
                inputs += [store(x) for value in values for x in scaling.features(value, start, stop)]


def _run_lattices(context, scaling, *, shape, predict, code_pass, ops):
    """The passes of the first group. Returns its values."""
    batch, height, width = shape
    step = 2 * LATTICES[0]
    blind = ops.zeros((batch, height // step, width // step, 2 * FIRST), "float32")
    (known,) = code_pass([Place(0, 0, step, 0, FIRST)], Prediction(blind, ()))
    for level, spacing in enumerate(LATTICES):
        step = 2 * spacing
        to_right, to_below = _slopes(known, ops)
        inputs = [scaling.compand(x, 0, FIRST) for x in (known, to_right, to_below)]
        inputs += [*scaling.constants(known), ops.ones_like(known[..., :1]) * np.float32(level * UNIT)]
        right, below = known + to_right, known + to_below
        base = (known + right + below + _next(right, 1, ops)) / 4
        parameters = predict(context.coarse[0], inputs)
        (middle,) = code_pass([Place(spacing, spacing, step, 0, FIRST)], Prediction(parameters, (base,)))
        bases = (known + right + middle + _previous(middle, 1, ops)) / 4
        bases = bases, (known + below + middle + _previous(middle, 2, ops)) / 4
        parameters = predict(context.coarse[1], [*inputs, scaling.compand(middle - base, 0, FIRST)])
        places = [Place(0, spacing, step, 0, FIRST), Place(spacing, 0, step, 0, FIRST)]
        above, beside = code_pass(places, Prediction(parameters, bases))
        pairs = ops.stack([ops.stack([known, above], 3), ops.stack([beside, middle], 3)], 2)
        known = ops.reshape(pairs, (batch, height // spacing, width // spacing, FIRST))
    return known


def _slopes(x, ops):
    """Differences to the next latent to the right and below; 0 at the last one."""
    return _next(x, 2, ops) - x, _next(x, 1, ops) - x


def _next(x, axis, ops):
    """The next neighbours along an axis; the last has itself."""
    before = (slice(None),) * axis
    return ops.concatenate([x[(*before, slice(1, None))], x[(*before, slice(-1, None))]], axis)


def _previous(x, axis, ops):
    before = (slice(None),) * axis
    return ops.concatenate([x[(*before, slice(0, 1))], x[(*before, slice(0, -1))]], axis)
