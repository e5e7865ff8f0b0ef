"""Weights that are exactly zero, or exactly at a bound, at the end of a stochastic descent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ._bounds import sides_of
from ._problem import Problem
from ._step_size import curvature_in_units

__all__ = ["at_kinks", "has_kinks"]

_TRIES, _SHORTER = 4, 0.25  # steps that are tried, and what each is of the one before


def has_kinks(problem: Problem) -> bool:
    """Whether noise and means of the iterates leave weights beside where the penalty or a bound holds them.

    An l1 norm alone does not: its cumulative penalty knows which weights are zero.
    """
    return problem.network is None and (problem.penalty.joint or problem.limits is not None)


def at_kinks(problem: Problem, theta: np.ndarray, loss: float, threads: int = 1) -> tuple[np.ndarray, float]:
    """Parameters, and the objective there, of which those weights are at zero or at a bound that a proximal
    step along the gradient over all rows leads there; where the objective is not higher for it.

    Others stay as they are. Near a minimum such a step finds all that are held (Hare & Lewis 2004).
    """
    gradient, K = problem.loss_gradient(theta, threads), problem.targets.columns
    weights, slopes = theta[:-1, :K], gradient[:-1, :K]
    squares = float(np.max(problem.design.mean_squares(problem.targets.weight), initial=0.0))
    step = 1.0 / max(curvature_in_units(problem) * squares, np.finfo(float).tiny)
    most = loss + float(np.finfo(problem.dtype).eps) * abs(loss)
    for _ in range(_TRIES):
        moved = _proximal_step(problem, weights, slopes, step)
        held = moved == 0
        if problem.limits is not None:
            low, high = sides_of(problem.limits)
            held |= (moved <= low) | (moved >= high)
        if np.array_equal(moved[held], weights[held]):
            return theta, loss
        found = theta.copy()
        found[:-1, :K][held] = moved[held]
        value = problem.value(found, threads)
        if value <= most:
            return found, value
        step *= _SHORTER
    return theta, loss


def _proximal_step(problem: Problem, weights: np.ndarray, slopes: np.ndarray, step: float) -> np.ndarray:
    """The weights (d, K) after it, in the coordinates of the descent."""
    penalty, standard = problem.penalty, problem.standard
    moved = weights - np.asarray(step * slopes, dtype=weights.dtype)
    if penalty.joint:
        scale = None if standard is None else standard.scale
        penalty.core_spec(scale=scale, columns=weights.shape[1])[-1].prox(moved, step)
        return moved
    assert problem.limits is not None
    shrunk = replace(penalty, bounds=None).prox(
        moved, step, 1.0 if standard is None else 1.0 / standard.scale
    )
    return np.clip(shrunk, *sides_of(problem.limits)).astype(weights.dtype)
