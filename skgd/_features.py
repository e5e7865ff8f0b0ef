"""Features that wide sparse rows have: a descent leaves out those that no row has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Present", "present_in"]

_WIDE = 4096  # features, from which leaving some out pays
_MOST_NON_ZEROS = 16  # a feature: their column numbers then take no more memory than eight vectors of all
_MOST_PRESENT = 0.5  # share of the features, up to which it pays


@dataclass(frozen=True)
class Present:
    """Which of the features there are."""

    numbers: np.ndarray  # (d,), rising: their numbers in X
    total: int  # features of X

    def in_all(self, values: np.ndarray) -> np.ndarray:
        """Values (..., d) of the features as those (..., total) of all features of X, zero for the others."""
        out = np.zeros((*values.shape[:-1], self.total), dtype=values.dtype)
        out[..., self.numbers] = values
        return out


def present_in(X) -> tuple[Present, np.ndarray] | None:
    """The features of a CSR matrix that are stored in some row, and the columns of its non-zeros among these;
    None where leaving out the others would not pay."""
    total = X.shape[1]
    if total < _WIDE or X.nnz > _MOST_NON_ZEROS * total:
        return None
    found = np.zeros(total, dtype=bool)
    found[X.indices] = True
    numbers = np.flatnonzero(found)
    if not 0 < len(numbers) <= _MOST_PRESENT * total:
        return None
    columns = np.empty(total, dtype=X.indices.dtype)
    columns[numbers] = np.arange(len(numbers), dtype=columns.dtype)
    return Present(numbers, total), columns.take(X.indices)
