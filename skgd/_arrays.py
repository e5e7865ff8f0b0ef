"""Arrays as the core reads them."""

from __future__ import annotations

import numpy as np

__all__ = ["is_laid_out", "laid_out"]


def is_laid_out(array: np.ndarray) -> bool:
    """Whether the core can read an array where it lies: C-contiguous and aligned."""
    return array.flags.c_contiguous and array.flags.aligned


def laid_out(array, dtype=None) -> np.ndarray:
    """The array, or a copy, as the core can read it."""
    return np.require(array, dtype, ["C", "A", "E"])
