"""standardize: when to, the scale of each feature, and parameters into those coordinates and out of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._descent import Descent
from ._design import Design, Standard
from ._moments import Moments
from ._options import Objective
from ._problem import Problem
from ._targets import Targets

__all__ = [
    "Units",
    "asks_for_units",
    "convert",
    "sampled_moments",
    "standard_of",
    "to_original",
    "to_standardized",
]

_SAMPLE = 2048  # rows that tell whether the units of the features differ
_ENOUGH = 32  # rows of a stream before they do
_APART = 3.0  # size of a feature, over or under one, from which its unit matters
_FAR = 1.5  # mean over standard deviation from which a feature lies far from zero


def sampled_moments(design: Design, weight=None, rows: int = _SAMPLE) -> Moments:
    """The moments of about so many rows, evenly spaced among those that count."""
    n = design.n
    if weight is None:
        index = np.linspace(0, n - 1, rows).astype(np.intp) if n > rows else slice(None)
    else:
        index = np.flatnonzero(weight)
        index = index[np.linspace(0, len(index) - 1, rows).astype(np.intp)] if len(index) > rows else index
    return design.take(index).moments(None if weight is None else weight[index])


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


@dataclass(frozen=True)
class Units:
    """What is known of the units of the features, and whether to standardise.

    Of a stream they are judged once, by the first rows that are enough for it.
    """

    standardize: bool | None = None  # None while it is not known
    moments: Moments | None = None
    curvature: float = 0.0  # sum over rows of the scale of the loss's second derivative

    @classmethod
    def of_fit(
        cls, standardize: bool | None, design: Design, targets: Targets, objective: Objective
    ) -> Units:
        """Those of a fit to all rows."""
        if standardize is None:
            sample = sampled_moments(design, targets.weight)
            standardize = asks_for_units(sample, objective.fit_intercept)
        return cls(standardize).after(design, targets, objective)

    def after(self, design: Design, targets: Targets, objective: Objective) -> Units:
        """With some more rows."""
        if self.standardize is False:
            return self
        moments, curvature = design.moments(targets.weight), 0.0
        if moments.weight:
            curvature = moments.weight * objective.loss._curvature(targets.y, targets.weight)
        if self.moments is not None:
            moments, curvature = self.moments + moments, self.curvature + curvature
        choice = self.standardize
        if choice is None and moments.rows >= _ENOUGH:
            choice = asks_for_units(moments, objective.fit_intercept)
        return Units(False) if choice is False else Units(choice, moments, curvature)

    def standard(self, objective: Objective, dtype) -> Standard | None:
        """The coordinates of the rows to come; None for those of X."""
        if not self.standardize or self.moments is None or not self.moments.weight:
            return None
        softening = objective.penalty.l2 * self.moments.weight / self.curvature
        return standard_of(self.moments, objective.fit_intercept, softening, dtype)

    def state(self) -> dict:
        """All of it as arrays and numbers."""
        moments = None if self.moments is None else vars(self.moments)
        return {"standardize": self.standardize, "moments": moments, "curvature": self.curvature}

    @classmethod
    def from_state(cls, state: dict) -> Units:
        moments = state["moments"]
        return cls(**{**state, "moments": None if moments is None else Moments(**moments)})


def to_standardized(descent: Descent, problem: Problem) -> Descent:
    """The descent in the coordinates of the problem, in place (optimizer state stays as it is)."""
    convert(descent.theta, problem, Standard.to_standardized)
    if descent.average is not None:
        convert(descent.average, problem, Standard.to_standardized)
    return descent


def to_original(descent: Descent, problem: Problem) -> Descent:
    """A copy of the descent in the coordinates of X."""
    descent = descent.copy()
    convert(descent.theta, problem, Standard.to_original)
    if descent.average is not None:
        convert(descent.average, problem, Standard.to_original)
    return descent


def convert(theta: np.ndarray, problem: Problem, way) -> np.ndarray:
    """Parameters moved, in place, into the coordinates of a standardised problem or out of them."""
    if problem.standard is not None:
        features = problem.features(theta)
        features[:] = way(problem.standard, features)
    return theta
