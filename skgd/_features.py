"""Features that wide sparse rows have: a descent leaves out those that no row has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._core import core

__all__ = ["Present", "present_in"]

_WIDE = 4096  # features, from which leaving some out pays
_MOST_NON_ZEROS = 16  # a feature: their column numbers then take no more memory than eight vectors of all
_MOST_PRESENT = 0.5  # share of the features, up to which it pays


@dataclass(frozen=True)
class Present:
    """Which of the features there are."""

    numbers: np.ndarray  # (d,) their numbers in X, in the order in which its non-zeros have them
    total: int  # features of X

    def ranks(self) -> np.ndarray:
        """How many of the features (d,) come before each one in X."""
        there = np.zeros(self.total, dtype=bool)
        there[self.numbers] = True
        return (np.cumsum(there) - 1)[self.numbers]

    def in_all(self, values: np.ndarray) -> np.ndarray:
        """Values (..., d) of the features as those (..., total) of all features of X, zero for the others."""
        out = np.zeros((*values.shape[:-1], self.total), dtype=values.dtype)
        for row, present in zip(np.atleast_2d(out), np.atleast_2d(values), strict=True):
            row[self.numbers] = present
        return out


def present_in(X) -> tuple[Present, np.ndarray] | None:
    """The features of a CSR matrix that are stored in some row, and the columns of its non-zeros among these;
    None where leaving out the others would not pay."""
    total = X.shape[1]
    if total < _WIDE or X.nnz > _MOST_NON_ZEROS * total:
        return None
    columns = np.empty_like(X.indices)
    numbers = core.present_features(X.indices, total, int(_MOST_PRESENT * total), columns)
    return (Present(numbers, total), columns) if len(numbers) else None
