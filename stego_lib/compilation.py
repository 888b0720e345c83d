"""Compilation of loops by numba."""

from numba import njit


def compiled(function):
    """Compiles a function for the types of its arguments when it is called first.

    The function releases the global interpreter lock.

    What was compiled is kept beside the source, or else in the user's folder of caches. Where numba can write to
    neither, every process compiles anew.
    """
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)
