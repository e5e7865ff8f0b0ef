"""Moments of the features: means, deviations and sizes, row by row in any order and from any storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ._core import core

__all__ = ["Moments", "dense_moments", "moments_of", "on_grid", "sparse_moments"]


@dataclass
class Moments:
    """Weighted means, sums of squared deviations and weights of the non-zeros of each feature.

    Rows are added part by part, and the parts combined as Chan, Golub & LeVeque (1983) do, in float64.
    Rows of weight zero change nothing. Sparse rows cost their non-zeros.
    """

    mean: np.ndarray  # (d,)
    squares: np.ndarray  # (d,), of deviations from the mean
    filled: np.ndarray  # (d,), weight of the rows in which the feature is not zero
    weight: float = 0.0
    rows: int = 0  # of positive weight

    @classmethod
    def none(cls, d: int) -> Moments:
        """Those of no rows."""
        return cls(*np.zeros((3, d)))

    def __add__(self, other: Moments) -> Moments:
        total = self.weight + other.weight
        if other.weight == 0 or self.weight == 0:
            return self if other.weight == 0 else other
        share = other.weight / total
        apart = other.mean - self.mean
        squares = self.squares + other.squares + apart**2 * (self.weight * share)
        mean = self.mean + share * apart
        return Moments(mean, squares, self.filled + other.filled, total, self.rows + other.rows)

    def of_each_feature(self, change: Callable[[np.ndarray], np.ndarray]) -> Moments:
        """With changed arrays (d,) of the features."""
        mean, squares, filled = map(change, (self.mean, self.squares, self.filled))
        return Moments(mean, squares, filled, self.weight, self.rows)

    def deviations(self, center) -> np.ndarray:
        """Root mean square of x - center; 0 where that is nothing but rounding."""
        apart = self.mean - center
        found = np.sqrt(self.squares / max(self.weight, np.finfo(float).tiny) + apart**2)
        return np.where(found > 1e-14 * np.abs(self.mean), found, 0.0)

    def sizes(self) -> np.ndarray:
        """Root mean square of the non-zeros; 0 for features without any."""
        squares = self.squares + self.weight * self.mean**2
        return np.sqrt(np.divide(squares, self.filled, out=np.zeros_like(squares), where=self.filled > 0))


def on_grid(values: np.ndarray, unit: np.ndarray | float) -> np.ndarray:
    """Values on a grid of about 6e-11 units.

    Sums of the same rows in another order, or with weights in place of repeated rows, differ by rounding.
    On the grid they are the same number, so that equal problems keep equal paths.
    """
    _, exponent = np.frexp(unit)
    return np.ldexp(np.round(np.ldexp(values, 34 - exponent)), exponent - 34)


@np.errstate(over="ignore", invalid="ignore")  # infinite moments tell of it
def moments_of(rows, weight: np.ndarray | None, moments_in: Callable) -> Moments:
    """The moments of some rows; `moments_in` takes dense_moments or sparse_moments."""
    total = count = rows.shape[0]
    if weight is not None:
        weight = np.asarray(weight, dtype=float)
        total, count = float(weight.sum()), int(np.count_nonzero(weight))
    if total == 0:
        return Moments.none(rows.shape[1])
    mean, squares, filled = moments_in(rows, weight, total)
    return Moments(mean, squares, filled, float(total), count)


def dense_moments(rows, weight, total):
    """Mean, squared deviations and weight of the non-zeros of each column of an array."""
    found = np.zeros((3, rows.shape[1]))
    core.column_moments(rows, weight, found)
    return found


def sparse_moments(rows, weight, total):
    """The same of CSR rows, at the cost of their non-zeros."""

    weight = np.ones(rows.shape[0]) if weight is None else weight

    def sums(values):
        of_the_same_places = sparse.csr_array((values, rows.indices, rows.indptr), shape=rows.shape)
        return of_the_same_places.T @ weight

    values = rows.data.astype(float, copy=False)
    mean = sums(values) / total
    stored = sums(np.ones(len(values)))
    filled = stored if values.all() else sums((values != 0).astype(float))
    deviations = mean[rows.indices]
    np.subtract(values, deviations, out=deviations)
    squares = sums(np.square(deviations, out=deviations))
    return mean, squares + (total - stored) * mean**2, filled
