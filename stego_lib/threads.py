"""Threads for compiled loops, as many as there are CPUs."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor


def num_threads():
    """Counts the CPUs that this process may use; the environment variable `OMP_NUM_THREADS` may say fewer."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cpus, int(limit)) if limit.isdigit() and int(limit) else cpus


def map_chunks(function, length, *, chunk, progress=None):
    """Applies a function to slices in threads; worthwhile for functions that release the global interpreter lock.

    Args:
        function: Of a slice.
        length: Where the last slice ends.
        chunk: Length of a slice.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        List of what the function returned, in order.
    """
    slices = [slice(start, min(start + chunk, length)) for start in range(0, length, chunk)]
    mapped = map if len(slices) < 2 or num_threads() < 2 else _pool().map
    results = []
    for result in mapped(function, slices):
        results.append(result)
        if progress:
            progress(len(results) / len(slices))
    return results


@functools.cache
def _pool():
    return ThreadPoolExecutor(num_threads(), "stego_lib")


if hasattr(os, "register_at_fork"):  # threads do not live on in the child, and the pool would wait for them for ever
    os.register_at_fork(after_in_child=_pool.cache_clear)
