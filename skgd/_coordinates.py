"""standardize: the coordinates of a descent, and the way of parameters into them and out of them."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ._problem import Standard

__all__ = ["into", "moved", "out_of", "scale_in_chunks", "scaler_for", "standard_of"]


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
