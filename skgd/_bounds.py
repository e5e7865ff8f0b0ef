"""Bounds of the weights: of all, of those of each feature, or of each output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Bounds", "bounds_of", "numbers_of", "same", "sides_of"]


@dataclass(frozen=True, eq=False)
class Bounds:
    """Between which numbers the weights lie: all, those of each feature, or each of several outputs."""

    low: np.ndarray  # (), (d,) or (d, K)
    high: np.ndarray

    def __eq__(self, other) -> bool:
        return isinstance(other, Bounds) and same(self.low, other.low) and same(self.high, other.high)

    __hash__ = None  # type: ignore[assignment]

    def of_features(self, d: int, scale: np.ndarray | float = 1.0, columns: int | None = None) -> np.ndarray:
        """Least and greatest values (2, d), or (2, d, K), of the weights times `scale`; raises where a model
        has another number of columns."""
        if self.of_outputs:
            both = np.broadcast_arrays(self.low, self.high, np.empty((d, 1)))[:2]
            if columns is not None and both[0].shape[1] not in (1, columns):
                raise ValueError(
                    f"bounds are those of {both[0].shape[1]} outputs, but the model has {columns}."
                )
            return np.stack([bound * np.reshape(scale, (-1, 1)) for bound in both])
        return np.stack([np.broadcast_to(bound, d) * scale for bound in (self.low, self.high)])

    @property
    def of_outputs(self) -> bool:
        """Whether they differ between outputs."""
        return self.low.ndim == 2


def bounds_of(positive: bool, bounds) -> Bounds | None:
    if bounds is None:
        return Bounds(np.array(0.0), np.array(np.inf)) if positive else None
    if positive:
        raise ValueError("positive=True is bounds=(0, None): give one of the two.")
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise ValueError(
            f"bounds must be a pair (low, high) of numbers, arrays of shape (n_features,) or None; it is "
            f"{bounds!r}."
        )
    low, high = (
        np.array(missing) if bound is None else numbers_of(bound, "bounds")
        for bound, missing in zip(bounds, (-np.inf, np.inf), strict=True)
    )
    if max(low.ndim, high.ndim) == 2:
        low, high = (np.atleast_1d(bound) for bound in (low, high))
        low, high = (bound.T if bound.ndim == 2 else bound[:, None] for bound in (low, high))
    _check_bounds(low, high)
    return Bounds(low, high)


def _check_bounds(low: np.ndarray, high: np.ndarray) -> None:
    if low.ndim > 2 or high.ndim > 2:
        raise ValueError(
            f"Each of the bounds must be a number or of shape (n_features,) or (n_outputs, n_features); they "
            f"have shapes {low.shape} and {high.shape}."
        )
    try:
        np.broadcast_shapes(low.shape, high.shape)
    except ValueError:
        raise ValueError(f"The bounds have {low.size} and {high.size} elements.") from None
    if np.any(low == np.inf) or np.any(high == -np.inf) or not np.all(low <= high):
        raise ValueError("Each lower bound must be below inf and at most the upper bound, without nan.")


def numbers_of(values, name: str) -> np.ndarray:
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers; it is {values!r}.") from None


def sides_of(limits: np.ndarray) -> np.ndarray:
    """Least and greatest weights (2, d, 1 or K)."""
    return limits if limits.ndim == 3 else limits[..., None]


def same(a, b) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))
