"""The end of a stochastic descent: weights exactly at zero or at a bound, and steps over all rows."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from ._bounds import sides_of
from ._problem import Problem
from ._step_size import curvature_in_units

__all__ = ["at_kinks", "has_kinks", "nearer_the_minimum"]

_TRIES, _SHORTER = 4, 0.25  # steps that are tried, and what each is of the one before
_MEMORY = 10  # objectives up to the highest of which one may rise


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
    step = _first_step(problem)
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


def nearer_the_minimum(
    problem: Problem,
    theta: np.ndarray,
    loss: float,
    least: float,
    most_steps: int,
    deadline: float = np.inf,
    threads: int = 1,
) -> tuple[np.ndarray, float]:
    """Parameters, and the objective there, after proximal steps along the gradient over all rows, of the
    lengths of Barzilai & Borwein, until two of them promise to gain less than `least`.

    Noise moves a weight away from a bound to one side only. A mean of the iterates is therefore off by about
    the rate, and so are means of weights that go with it. Objectives may rise up to the highest of the last
    ten (for the steps: Wright, Nowak & Figueiredo 2009); the end is the last of the lowest, up to rounding.
    """
    step, gradient, K = _first_step(problem), problem.loss_gradient(theta, threads), problem.targets.columns
    rounding, little, best, recent = float(np.finfo(problem.dtype).eps), 0, (theta, loss), [loss]
    for _ in range(most_steps):
        highest = max(recent[-_MEMORY:])
        for _ in range(2 * _TRIES):
            found = theta.copy()
            found[:-1, :K] = _proximal_step(problem, theta[:-1, :K], gradient[:-1, :K], step)
            found[-1] -= np.asarray(step * gradient[-1], dtype=theta.dtype)  # zero without an intercept
            there = problem.zeros()
            value = problem.value_of(problem.evaluate(found, there, threads), found)
            if value <= highest + rounding * abs(highest):
                break
            step *= _SHORTER
        else:
            break
        there /= problem.total_weight
        moved, turned = (found - theta).astype(float), (there - gradient).astype(float)
        theta, gradient = found, there
        recent.append(value)
        if value <= min(recent) + rounding * abs(value):
            best = theta, value
        length, curved = float(np.vdot(moved, moved)), float(np.vdot(moved, turned))
        little = little + 1 if length < 2 * step * least else 0
        if little == 2 or not curved > 0 or time.perf_counter() > deadline:
            break
        step = length / curved
    return best


def _first_step(problem: Problem) -> float:
    squares = float(np.max(problem.design.mean_squares(problem.targets.weight), initial=0.0))
    return 1.0 / max(curvature_in_units(problem) * squares, np.finfo(float).tiny)


def _proximal_step(problem: Problem, weights: np.ndarray, slopes: np.ndarray, step: float) -> np.ndarray:
    """The weights (d, K) after it, in the coordinates of the descent."""
    penalty, standard = problem.penalty, problem.standard
    moved = weights - np.asarray(step * slopes, dtype=weights.dtype)
    if penalty.joint:
        scale = None if standard is None else standard.scale
        penalty.core_spec(scale=scale, columns=weights.shape[1])[-1].prox(moved, step)
        return moved
    units = 1.0 if standard is None else 1.0 / standard.scale
    moved = replace(penalty, bounds=None).prox(moved, step, units)
    if problem.limits is not None:
        moved = np.clip(moved, *sides_of(problem.limits))
    return moved.astype(weights.dtype)
