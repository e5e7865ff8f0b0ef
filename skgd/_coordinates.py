"""standardize: the coordinates of a descent, and the way of parameters into them and out of them."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ._descent import Descent
from ._design import Standard
from ._problem import Problem

__all__ = ["convert", "scale_in_chunks", "scaler_for", "standard_of", "to_original", "to_standardized"]


def scaler_for(X):
    from sklearn.preprocessing import StandardScaler  # late: slow to import

    return StandardScaler(with_mean=not sparse.issparse(X))


def scale_in_chunks(scaler, X, weight, rows=1 << 14):
    for start in range(0, X.shape[0], rows):
        part = slice(start, start + rows)
        scaler.partial_fit(X[part], sample_weight=None if weight is None else weight[part])


def standard_of(scaler, fit_intercept) -> Standard:
    center = np.zeros(len(scaler.scale_)) if scaler.mean_ is None else scaler.mean_
    if not fit_intercept:  # no intercept could take up the centre
        center = np.zeros_like(center)
    return Standard(np.asarray(center, dtype=float), np.asarray(scaler.scale_, dtype=float))


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
