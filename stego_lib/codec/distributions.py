"""What predictions are for the range coder: where the table of a latent has its middle, and which table it is."""

import numpy as np

from stego_lib.codec.fixed_point import KERNEL_GRID, UNIT
from stego_lib.codec.probability_tables import FRACTIONS, LEVELS, LEVELS_PER_OCTAVE
from stego_lib.codec.scaling import OCTAVES_PER_UNIT, PER_OCTAVE, SCALE_ORIGIN, SHIFT
from stego_lib.compilation import compiled
from stego_lib.threads import map_chunks

CHUNK = 2**16  # parameters that a thread looks at
NO_BASE = np.empty((0, 0), "int32")
LARGEST_VALUE = 2**15 - 2**11  # of int16, with a margin for what the trellis adds


def centres_and_tables(parameters, base, *, gains, origins):
    """Computes what `Scaling.means_and_scales` does, in integers.

    Args:
        parameters: float32 array of shape `(batch, height, width, 2 * channels)`, what a network gives.
        base: float32 array of shape `(batch, height, width, channels)` that means are relative to, or `None`.
        gains: int64 array of shape `(channels,)`, as of `integer_scaling`.
        origins: int64 array of the same shape, likewise.

    Returns:
        centres: int16 array of shape `(batch, height, width, channels)`, in units of the step.
        table_indices: uint16 array of the same shape, for the even quantizer.
    """
    *shape, channels = parameters.shape
    parameters = parameters.reshape(-1, channels)
    has_base = base is not None
    base = (base * FRACTIONS).astype("int32").reshape(-1, channels // 2) if has_base else NO_BASE
    centres = np.empty((len(parameters), channels // 2), "int16")
    table_indices = np.empty(centres.shape, "uint16")
    # A parameter is an odd multiple of 1/512, by the half unit in the bias of `FixedPointConv2D`; so many make a UNIT.
    units = 2 * KERNEL_GRID * UNIT
    level_origins = SCALE_ORIGIN * units + origins * (LEVELS_PER_OCTAVE * units // PER_OCTAVE) + units // 2
    # Numba keeps compiled code as long as this file is the same: what other files say are arguments.
    constants = KERNEL_GRID, 1 << SHIFT, FRACTIONS, LEVELS, OCTAVES_PER_UNIT * LEVELS_PER_OCTAVE, units, LARGEST_VALUE

    def work(rows):
        base_of_rows = base[rows] if has_base else base
        _fill(
            parameters[rows],
            base_of_rows,
            has_base,
            gains,
            level_origins,
            constants,
            centres[rows],
            table_indices[rows],
        )

    map_chunks(work, len(parameters), chunk=max(CHUNK // channels, 1))
    return [x.reshape(*shape, channels // 2) for x in (centres, table_indices)]


@compiled
def _fill(parameters, base, has_base, gains, level_origins, constants, centres, table_indices):
    grid, one, fractions, levels, level_gain, units, largest = constants
    channels = len(gains)
    for i in range(len(parameters)):
        for k in range(channels):
            mean = 2 * np.int64(np.floor(parameters[i, k] * grid)) + 1
            scale = 2 * np.int64(np.floor(parameters[i, channels + k] * grid)) + 1
            eighths = (mean * gains[k] + one // 2) // one
            if has_base:
                eighths += base[i, k]
            eighths = min(max(eighths, -fractions * largest), fractions * largest)
            centre = (eighths + fractions // 2) // fractions
            level = min(max((level_gain * scale + level_origins[k]) // units, 0), levels - 1)
            centres[i, k] = centre
            table_indices[i, k] = level * fractions + eighths - fractions * centre + fractions // 2
