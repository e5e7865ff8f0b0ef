"""standardize: the coordinates of a descent, and the way of parameters into them and out of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ._problem import Standard

__all__ = [
    "Moments",
    "Units",
    "asks_for_units",
    "into",
    "moved",
    "out_of",
    "sampled_moments",
    "standard_of",
    "standardizes",
]

_ROWS = 1 << 14  # of a part of X whose moments are taken at a time
_SAMPLE = 2048  # rows that tell whether the units of the features differ
_ENOUGH = 32  # rows of a stream before they do
_APART = 3.0  # size of a feature, over or under one, from which its unit matters
_FAR = 1.5  # mean over standard deviation from which a feature lies far from zero


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
    def of(cls, X, weight=None) -> Moments:
        """The moments of all rows of X."""
        moments = cls(*np.zeros((3, X.shape[1])))
        for start in range(0, X.shape[0], _ROWS):
            part = slice(start, start + _ROWS)
            moments = moments + _moments_of(X[part], None if weight is None else weight[part])
        return moments

    def __add__(self, other: Moments) -> Moments:
        total = self.weight + other.weight
        if other.weight == 0 or self.weight == 0:
            return self if other.weight == 0 else other
        share = other.weight / total
        apart = other.mean - self.mean
        squares = self.squares + other.squares + apart**2 * (self.weight * share)
        mean = self.mean + share * apart
        return Moments(mean, squares, self.filled + other.filled, total, self.rows + other.rows)

    def deviations(self, center) -> np.ndarray:
        """Root mean square of x - center; 0 where that is nothing but rounding."""
        apart = self.mean - center
        found = np.sqrt(self.squares / max(self.weight, np.finfo(float).tiny) + apart**2)
        return np.where(found > 1e-14 * np.abs(self.mean), found, 0.0)

    def sizes(self) -> np.ndarray:
        """Root mean square of the non-zeros; 0 for features without any."""
        squares = self.squares + self.weight * self.mean**2
        return np.sqrt(np.divide(squares, self.filled, out=np.zeros_like(squares), where=self.filled > 0))


def _moments_of(rows, weight) -> Moments:
    rows_of = _sparse_moments if sparse.issparse(rows) else _dense_moments
    weight = np.ones(rows.shape[0]) if weight is None else np.asarray(weight, dtype=float)
    total = float(weight.sum())
    if total == 0:
        return Moments(*np.zeros((3, rows.shape[1])))
    return Moments(*rows_of(rows, weight, total), total, int(np.count_nonzero(weight)))


def _dense_moments(rows, weight, total):
    mean = weight @ rows / total
    deviations = rows - mean
    mean += weight @ deviations / total  # what rounding left of it
    np.square(deviations, out=deviations)
    return mean, weight @ deviations, weight @ (rows != 0)


def _sparse_moments(rows, weight, total):
    d, of_row = rows.shape[1], np.repeat(weight, np.diff(rows.indptr))
    values = rows.data.astype(float)
    mean = np.bincount(rows.indices, of_row * values, d) / total
    filled = np.bincount(rows.indices, of_row * (values != 0), d)
    stored = np.bincount(rows.indices, of_row, d)
    squares = np.bincount(rows.indices, of_row * (values - mean[rows.indices]) ** 2, d)
    return mean, squares + (total - stored) * mean**2, filled


def sampled_moments(X, weight=None, rows: int = _SAMPLE) -> Moments:
    """The moments of about so many rows, evenly spaced among those that count."""
    n = X.shape[0]
    if weight is None:
        index = np.linspace(0, n - 1, rows).astype(np.intp) if n > rows else slice(None)
    else:
        index = np.flatnonzero(weight)
        index = index[np.linspace(0, len(index) - 1, rows).astype(np.intp)] if len(index) > rows else index
    return Moments.of(X[index], None if weight is None else weight[index])


def asks_for_units(moments: Moments, fit_intercept: bool) -> bool:
    """Whether features differ in size from each other (from one, the intercept's) or lie far from zero."""
    if moments.rows < 2:
        return False
    sizes, deviations = moments.sizes(), moments.deviations(moments.mean)
    varies = deviations > 0
    if not varies.any():
        return False
    sizes = sizes[varies]
    if not fit_intercept:
        return bool(sizes.max() > _APART**2 * sizes.min())
    far = np.abs(moments.mean[varies]) > _FAR * deviations[varies]
    return bool(sizes.max() > _APART or sizes.min() < 1 / _APART or far.any())


def standard_of(moments: Moments, fit_intercept: bool, softening: float = 0.0, dtype=np.float64) -> Standard:
    """Coordinates u_j = t_j w_j in which the objective is about equally curved along every feature.

    t_j^2 = s_j^2 + softening, with s_j the standard deviation of the feature (its root mean square where no
    intercept could take up its mean), and softening = l2 / c the penalty's curvature over that of the loss.
    The objective's curvature along u_j is then (c s_j^2 + l2) / t_j^2 = c, whatever the unit of the feature.
    """
    center = np.zeros_like(moments.mean)
    if fit_intercept:  # which takes up the centre; exact in the precision of the rows
        center = moments.mean.astype(dtype).astype(float)
    scale = np.sqrt(moments.deviations(center) ** 2 + softening)
    return Standard(center, np.where(scale > 0, scale, 1.0))


def standardizes(standardize, X, weight, fit_intercept: bool) -> bool:
    """True and False as they are; "auto": whether the units of X ask for it."""
    if isinstance(standardize, str):
        return asks_for_units(sampled_moments(X, weight), fit_intercept)
    return bool(standardize)


@dataclass(frozen=True)
class Units:
    """What is known of the units of the features, and whether to standardise.

    Of a stream they are judged once, by the first rows that are enough for it.
    """

    standardize: object = "auto"  # True, False, or "auto" while it is not known
    moments: Moments | None = None
    curvature: float = 0.0  # sum over rows

    @classmethod
    def of_fit(cls, standardize, X, targets, loss, fit_intercept: bool) -> Units:
        """Those of a fit to all rows of X."""
        choice = standardizes(standardize, X, targets.weight, fit_intercept)
        return cls(choice).after(X, targets, loss, fit_intercept)

    def after(self, X, targets, loss, fit_intercept: bool) -> Units:
        """With some more rows."""
        if self.standardize is False:
            return self
        moments = Moments.of(X, targets.weight)
        curvature = moments.weight * loss._curvature(targets.y, targets.weight) if moments.weight else 0.0
        if self.moments is not None:
            moments, curvature = self.moments + moments, self.curvature + curvature
        choice = self.standardize
        if choice == "auto" and moments.rows >= _ENOUGH:
            choice = asks_for_units(moments, fit_intercept)
        return Units(choice, moments, curvature) if choice else Units(False)

    def standard(self, penalty, fit_intercept: bool, dtype) -> Standard | None:
        """The coordinates of the rows to come; None for those of X."""
        if self.standardize is not True or not self.moments.weight:
            return None
        softening = penalty.l2 * self.moments.weight / self.curvature
        return standard_of(self.moments, fit_intercept, softening, dtype)


def into(descent, problem):
    """The descent in the coordinates of the problem (optimizer state stays as it is)."""
    moved(descent.theta, problem, Standard.into)
    if descent.average is not None:
        moved(descent.average, problem, Standard.into)
    return descent


def out_of(descent, problem):
    """A copy of the descent in the coordinates of X."""
    descent = descent.copy()
    moved(descent.theta, problem, Standard.out_of)
    if descent.average is not None:
        moved(descent.average, problem, Standard.out_of)
    return descent


def moved(theta, problem, move):
    """Parameters moved, in place, to or from the coordinates of a standardised problem."""
    if problem.standard is not None:
        features = problem.features(theta)
        features[:] = move(problem.standard, features)
    return theta
