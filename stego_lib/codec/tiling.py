"""Networks over windows of large photographs, and patches that stand for a whole one."""

import itertools
import threading

import numpy as np

from stego_lib.threads import map_chunks


def reach(network):
    """Counts how far a network looks around a latent.

    Args:
        network: Model of convolutions.

    Returns:
        Number of latents.
    """
    return sum(weight.shape[0] // 2 for weight in network.weights if len(weight.shape) == 4)


def in_windows(function, inputs, *, margin, window, batch_size=1):
    """Applies a function to arrays in windows, where they are larger than one.

    Args:
        function: From arrays of shape `(batch, height, width, channels)` to a list of such arrays.
        inputs: List of arrays of shape `(batch, height, width, channels)`, the same but for the channels.
        margin: How far the function looks around a place; windows overlap by that much.
        window: Side of the part of a window that is kept.
        batch_size: Windows that are computed at once. Defaults to `1`.

    Returns:
        List of arrays of shape `(batch, height, width, channels)`.
    """
    batch, *sides = inputs[0].shape[:3]
    if max(sides) <= window + 2 * margin:
        return function(*inputs)
    # As few windows as there must be, all of one size, and no larger than that takes.
    steps = [-(-side // -(-side // window)) for side in sides]
    cuts = [
        [(start, min(start + step, side)) for start in range(0, side, step)]
        for side, step in zip(sides, steps, strict=True)
    ]
    sizes = [min(step + 2 * margin, side) for side, step in zip(sides, steps, strict=True)]
    places = list(itertools.product(range(batch), *cuts))
    results = []

    def compute(chunk):
        starts = [
            [min(max(cut[0] - margin, 0), side - size) for cut, side, size in zip(cuts, sides, sizes, strict=True)]
            for _, *cuts in places[chunk]
        ]
        windows = [
            np.stack(
                [
                    x[image, top : top + sizes[0], left : left + sizes[1]]
                    for (image, *_), (top, left) in zip(places[chunk], starts, strict=True)
                ]
            )
            for x in inputs
        ]
        outputs = function(*windows)
        with lock:
            if not results:
                results.extend(np.empty((batch, *sides, output.shape[-1]), output.dtype) for output in outputs)
        for result, output in zip(results, outputs, strict=True):
            for (image, *cuts), start, kept in zip(places[chunk], starts, output, strict=True):
                inner = [slice(a - begin, b - begin) for (a, b), begin in zip(cuts, start, strict=True)]
                result[image, *(slice(a, b) for a, b in cuts)] = kept[*inner]

    lock = threading.Lock()
    map_chunks(
        compute, len(places), chunk=batch_size
    )  # what surrounds a network is done while it computes another window
    return results


def patches(latents, number, *, side, least=1):
    """Cuts patches out of a large photograph, spread evenly.

    Args:
        latents: Array of shape `(1, height, width, channels)`.
        number: About how many.
        side: Of a patch, in latents.
        least: How many times larger than all patches a photograph must be. Defaults to `1`.

    Returns:
        Array of shape `(patches, side, side, channels)`, narrower for a photograph that is; a smaller photograph as it
        is.
    """
    sides = np.array(latents.shape[1:3])
    if sides.prod() <= least * number * side**2:
        return latents
    sizes = np.minimum(sides, side)
    counts = np.clip(np.rint(np.sqrt(number * sides / sides[::-1])).astype(int), 1, sides // sizes)
    rows, columns = (
        np.linspace(0, side - size, 2 * count + 1)[1::2].astype(int)
        for side, size, count in zip(sides, sizes, counts, strict=True)
    )
    corners = itertools.product(rows, columns)
    return np.concatenate([latents[:, top : top + sizes[0], left : left + sizes[1]] for top, left in corners])
