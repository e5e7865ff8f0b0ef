"""Arrays as the core reads them."""

from __future__ import annotations

from math import prod

import numpy as np

__all__ = ["aligned_zeros", "is_laid_out", "laid_out", "lost_to_rounding", "merges"]

_PART = 1 << 16  # rows that are looked at together, so that copies of them are small


def is_laid_out(array: np.ndarray) -> bool:
    """Whether the core can read an array where it lies: C-contiguous and aligned."""
    return array.flags.c_contiguous and array.flags.aligned


def laid_out(array, dtype=None) -> np.ndarray:
    """The array, or a copy, as the core can read it."""
    if type(array) is np.ndarray and (dtype is None or array.dtype == dtype) and is_laid_out(array):
        return array
    return np.require(array, dtype, ["C", "A", "E"])


def aligned_zeros(shape, dtype) -> np.ndarray:
    """Zeros that start a cache line: vectors of the core then never lie across two."""
    size, line = (prod(shape) if isinstance(shape, tuple) else int(shape)) * dtype.itemsize, 64
    memory = np.zeros(size + line, dtype=np.uint8)
    start = -memory.__array_interface__["data"][0] % line
    return memory[start : start + size].view(dtype).reshape(shape)


def lost_to_rounding(values: np.ndarray, dtype) -> float:
    """Distance of neighbouring numbers of a precision at the largest of these values, as a share of their
    standard deviation; the largest share of several columns."""
    values = np.asarray(values)
    starts = range(0, len(values), _PART)

    def part(start: int) -> np.ndarray:
        return np.asarray(values[start : start + _PART], dtype=float)

    largest = np.max([np.max(np.abs(part(start)), axis=0) for start in starts], axis=0)
    mean = np.sum([part(start).sum(axis=0) for start in starts], axis=0) / len(values)
    squares = np.sum([np.square(part(start) - mean).sum(axis=0) for start in starts], axis=0)
    spread = np.sqrt(squares / len(values))
    distance = np.finfo(dtype).eps * largest
    share = np.where(distance > 0, np.inf, 0.0)
    return float(np.max(np.divide(distance, spread, out=share, where=spread > 0), initial=0.0))


def merges(values, rounded: np.ndarray) -> bool:
    """Whether rounding has made one number of all values of a column that are several."""
    if rounded is values or not len(rounded):
        return False
    values, same = np.asarray(values), (rounded == rounded[0]).all(axis=0)
    return bool(same.any() and (same & (values != values[0]).any(axis=0)).any())
