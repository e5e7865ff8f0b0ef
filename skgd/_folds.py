"""Folds that are runs of consecutive rows, and which candidate their scores choose."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

__all__ = ["ends_of_folds", "order_of_choice", "parts_of_folds", "results_of", "scores_of_folds"]


def ends_of_folds(n: int, k: int) -> np.ndarray:
    """Rows (k + 1,) before each of k folds of n rows, and all; raises where folds would have one row."""
    if n < 2 * k:
        raise ValueError(f"cv={k} folds need {2 * k} rows, but there are {n}.")
    return np.cumsum([0, *(n // k + (fold < n % k) for fold in range(k))])


def parts_of_folds(ends: np.ndarray, rows: int, offset: int) -> list[slice]:
    """Of each fold the rows of a block of so many, before which there are `offset` others."""
    return [slice(*pair) for pair in pairwise(np.clip(ends - offset, 0, rows).tolist())]


def order_of_choice(scores: np.ndarray, alphas, selection: str) -> np.ndarray:
    """Candidates with a finite mean of their scores (candidates, folds), the one to choose first.

    With "one_standard_error" those come first whose mean is within one of the best, the largest alpha first.
    """
    means = scores.mean(axis=1)
    order = np.argsort(-means, kind="stable")[: np.isfinite(means).sum()]
    if selection == "best" or not len(order):
        return order
    if scores.shape[1] < 2:
        raise ValueError('selection="one_standard_error" needs at least two folds.')
    error = scores[order[0]].std(ddof=1) / np.sqrt(scores.shape[1])
    near = means[order] >= means[order[0]] - error
    return order[np.argsort(np.where(near, -np.asarray(alphas)[order], np.inf), kind="stable")]


def results_of(params: dict[str, np.ndarray], scores: np.ndarray) -> dict:
    """Parameters and scores (candidates, folds) of a search, named as GridSearchCV names them."""
    rows = zip(*(values.tolist() for values in params.values()), strict=True)
    results: dict = {"params": [dict(zip(params, row, strict=True)) for row in rows]}
    results |= {f"param_{name}": values for name, values in params.items()}
    return {**results, **scores_of_folds(scores)}


def scores_of_folds(scores: np.ndarray, name: str = "score") -> dict:
    """Scores (candidates, folds) of this name, named likewise."""
    results = {f"split{fold}_test_{name}": column for fold, column in enumerate(scores.T)}
    return {**results, f"mean_test_{name}": scores.mean(axis=1), f"std_test_{name}": scores.std(axis=1)}
