r"""Viterbi search through the trellis of a syndrome-trellis code, compiled by numba.

The trellis of one chunk has a step for every sample and a row for every bit of the message. A state holds what the
changes so far add to the next `height` bits of the syndrome, the lowest bit being that of the present row. A step
either leaves its sample, or changes it, pays its price, and adds a column of the parity-check matrix to the state.
After the last step of a row the lowest bit has to be what the message asks for; then it leaves the state.

    state   .. 0 1 1 0      stay
               |         \  change: ^ column, + price
    state   .. 1 1 0 1

Several chunks are searched at once: every metric is a vector with a lane for every chunk. Numba can not be told that
two rows of an array never overlap, and so would not compute with vectors here: the two operations that take all the
time are written in LLVM's own language. It knows vectors on every processor.

The decisions of all steps would fill the memory. So the search runs twice: the first time only the metrics at the
start of every window are kept; then, from the last window to the first, its decisions are made again and traced back.
"""

import itertools

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from stego_lib.compilation import compiled

LANES = 16  # chunks that are searched at once
WET = 16383  # price of a sample that must not change; twice this and a bit more is what 16 bits hold
WINDOW = 512  # steps, about, whose decisions are kept

_INTEGER = ir.IntType(64)
_DECISIONS = ir.IntType(LANES)
_VECTOR = ir.VectorType(ir.IntType(16), LANES)
_UNREACHABLE = ir.Constant(_VECTOR, [WET] * LANES)


class NoSolutionError(ValueError):
    """The samples that may change can not have the syndrome that is asked for."""


@intrinsic
def _relax(context, metrics, low, high, prices, decisions):
    """Lets two states, which differ by a column, each change into the other where that is cheaper.

    All arguments are integers: the addresses of the metrics, of the prices and of the decisions, and the two states.
    Instead of the address of the decisions, `None` says that they are not wanted.
    """

    def generate(context, builder, signature, arguments):
        metrics, low, high, prices, decisions = arguments
        price = builder.load(_pointer(builder, prices, _VECTOR), align=2)
        pointers = [_pointer(builder, metrics, _VECTOR, state) for state in (low, high)]
        stay = [builder.load(pointer, align=2) for pointer in pointers]
        change = [builder.add(metric, price) for metric in reversed(stay)]
        for i, state in enumerate((low, high)):
            cheaper = builder.icmp_signed("<", change[i], stay[i])
            builder.store(builder.select(cheaper, change[i], stay[i]), pointers[i], align=2)
            if signature.args[-1] != types.none:
                word = builder.bitcast(cheaper, _DECISIONS)
                builder.store(word, _pointer(builder, decisions, _DECISIONS, state), align=1)
        return context.get_dummy_value()

    return types.void(metrics, low, high, prices, decisions), generate


@intrinsic
def _shift(context, metrics, state, bits, offset, least):
    """Lets one of the states `2 * state` and `2 * state + 1` live on as `state`: the one whose lowest bit is asked for.

    Subtracts the offset from its metric, and notes the least metric. All arguments are integers, addresses but `state`.
    """

    def generate(context, builder, signature, arguments):
        metrics, state, *others = arguments
        bits, offset, least = (_pointer(builder, address, _VECTOR) for address in others)
        even = builder.load(_pointer(builder, metrics, _VECTOR, builder.shl(state, _INTEGER(1))), align=2)
        odd_state = builder.add(builder.shl(state, _INTEGER(1)), _INTEGER(1))
        odd = builder.load(_pointer(builder, metrics, _VECTOR, odd_state), align=2)
        wanted = builder.icmp_signed("!=", builder.load(bits, align=2), ir.Constant(_VECTOR, [0] * LANES))
        metric = builder.select(wanted, odd, even)
        reached = builder.icmp_signed("<", metric, _UNREACHABLE)
        metric = builder.select(reached, builder.sub(metric, builder.load(offset, align=2)), _UNREACHABLE)
        builder.store(metric, _pointer(builder, metrics, _VECTOR, state), align=2)
        smallest = builder.load(least, align=2)
        smaller = builder.icmp_signed("<", metric, smallest)
        builder.store(builder.select(smaller, metric, smallest), least, align=2)
        return context.get_dummy_value()

    return types.void(metrics, state, bits, offset, least), generate


def _pointer(builder, address, kind, index=None):
    if index is not None:
        size = kind.width // 8 if isinstance(kind, ir.IntType) else 2 * LANES
        address = builder.add(address, builder.mul(index, _INTEGER(size)))
    return builder.inttoptr(address, kind.as_pointer())


def cheapest_changes(prices, syndrome, row_ends, columns, *, height):
    """Finds the changes of least total price that have a given syndrome, in `LANES` chunks at once.

    Args:
        prices: int16 array of shape `(samples, LANES)`: 0 to `WET`, which forbids a change.
        syndrome: int16 array of shape `(rows, LANES)`, 0 or 1.
        row_ends: int64 array of shape `(rows,)`: where the samples of every row end.
        columns: int64 array: columns of the parity-check matrix, numbers of `height` bits of which the lowest and the
            highest are 1. Those of a row are used from the first on, and again when they come to an end.
        height: Rows that a sample reaches, the constraint height.

    Returns:
        bool array of shape `(samples, LANES)`: what changes.

    Raises:
        NoSolutionError: If no changes of one of the chunks have its syndrome.
    """
    prices, syndrome = np.ascontiguousarray(prices, "int16"), np.ascontiguousarray(syndrome, "int16")
    rows = len(row_ends)
    row_starts = np.append(0, row_ends[:-1])
    bounds = np.append(np.arange(0, rows, max(1, WINDOW * rows // row_ends[-1])), rows)
    windows = list(itertools.pairwise(bounds))
    longest = max(row_ends[stop - 1] - row_starts[start] for start, stop in windows)
    # The last row of metrics is no state: it holds what the next shift subtracts, so that metrics stay small.
    metrics = np.full((2**height + 1, LANES), WET, "int16")
    metrics[[0, -1]] = 0
    checkpoints = []
    for window in windows:
        checkpoints.append(metrics.copy())
        _advance(metrics, prices, syndrome, row_starts, row_ends, columns, window, None)
    survivors = metrics[:-1].argmin(axis=0)
    if (metrics[survivors, np.arange(LANES)] == WET).any():
        raise NoSolutionError
    changes = np.empty(prices.shape, bool)
    decisions = np.empty((longest, 2**height), "uint16")
    for window in reversed(windows):
        _advance(checkpoints.pop(), prices, syndrome, row_starts, row_ends, columns, window, decisions)
        _trace_back(survivors, syndrome, row_starts, row_ends, columns, window, decisions, changes)
    return changes


@compiled
def _advance(metrics, prices, syndrome, row_starts, row_ends, columns, window, decisions):
    states = len(metrics) - 1
    least = np.empty((8, LANES), np.int16)  # eight, because waiting for one would take longer than all the rest
    for row in range(window[0], window[1]):
        for step in range(row_starts[row], row_ends[row]):
            column = columns[(step - row_starts[row]) % len(columns)]
            price = prices[step].ctypes.data
            if decisions is None:
                for state in range(states // 2):
                    _relax(metrics.ctypes.data, state, state ^ column, price, None)
            else:
                decision = decisions[step - row_starts[window[0]]].ctypes.data
                for state in range(states // 2):
                    _relax(metrics.ctypes.data, state, state ^ column, price, decision)
        least[:] = WET
        bits, offset = syndrome[row].ctypes.data, metrics[states].ctypes.data
        for state in range(states // 2):
            _shift(metrics.ctypes.data, state, bits, offset, least[state % 8].ctypes.data)
        metrics[states // 2 : states] = WET
        for lane in range(LANES):
            metrics[states, lane] = least[:, lane].min()


@compiled
def _trace_back(survivors, syndrome, row_starts, row_ends, columns, window, decisions, changes):
    for row in range(window[1] - 1, window[0] - 1, -1):
        for lane in range(LANES):
            survivors[lane] = 2 * survivors[lane] + syndrome[row, lane]
        for step in range(row_ends[row] - 1, row_starts[row] - 1, -1):
            column = columns[(step - row_starts[row]) % len(columns)]
            words = decisions[step - row_starts[window[0]]]
            for lane in range(LANES):
                changed = (words[survivors[lane]] >> lane) & 1
                changes[step, lane] = changed
                survivors[lane] ^= column * changed


@compiled
def compute_syndrome(bits, row_ends, columns):
    """Multiplies the bits of one chunk by the parity-check matrix.

    Args:
        bits: uint8 array of shape `(samples,)`, 0 or 1.
        row_ends: int64 array of shape `(rows,)`: where the samples of every row end.
        columns: int64 array: columns of the parity-check matrix.

    Returns:
        uint8 array of shape `(rows,)`, 0 or 1.
    """
    syndrome = np.empty(len(row_ends), np.uint8)
    state, start = 0, 0
    for row in range(len(row_ends)):
        for step in range(start, row_ends[row]):
            state ^= columns[(step - start) % len(columns)] * bits[step]
        start = row_ends[row]
        syndrome[row] = state & 1
        state >>= 1
    return syndrome
