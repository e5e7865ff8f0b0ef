"""Parameters with standard errors as a table."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

__all__ = ["names_of", "table_of"]


def names_of(model, d: int) -> list[str]:
    """Names of the features, and of the intercept where there is one."""
    known = getattr(model, "feature_names_in_", None)
    names = [f"x{j}" for j in range(d)] if known is None else list(map(str, known))
    return names + ["intercept"] * bool(model.fit_intercept)


def table_of(model, theta: np.ndarray, errors: np.ndarray, level: float, df: float = np.inf):
    """Estimates and errors (K, p) with tests and intervals, by Student's distribution or, for infinite
    degrees of freedom, the normal one; a data frame where pandas is there."""
    K, p = theta.shape
    names = names_of(model, p - bool(model.fit_intercept)) * K
    columns = _columns(names, theta.ravel(), errors.ravel(), level, df)
    if K > 1:
        classes = getattr(model, "classes_", None)
        name, values = ("output", np.arange(K)) if classes is None else ("class", classes)
        columns = {name: np.repeat(values, p), **columns}
    try:
        from pandas import DataFrame
    except ImportError:
        return columns
    return DataFrame(columns)


def _columns(names: list[str], coefficient, errors, level: float, df: float) -> dict[str, np.ndarray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        z = coefficient / errors
    normal, upper = np.isinf(df), (1 + level) / 2
    half = (ndtri(upper) if normal else stdtrit(df, upper)) * errors
    return {
        "name": np.array(names, dtype=object),
        "coefficient": coefficient,
        "standard_error": errors,
        "z": z,
        "p_value": 2 * (ndtr(-np.abs(z)) if normal else stdtr(df, -np.abs(z))),
        "low": coefficient - half,
        "high": coefficient + half,
    }
