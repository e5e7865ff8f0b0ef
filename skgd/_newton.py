"""The end of a fit that is asked for many digits: Newton's method over all rows."""

from __future__ import annotations

import time

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ._penalty import Kinks
from ._problem import Problem

__all__ = ["at_minimum", "has_newton_steps"]

_MOST = 1000  # parameters whose second derivatives are formed together
_BLOCK = 1 << 20  # numbers of X at a time
_STEPS = 50
_SHORTER = (1.0, 0.5, 0.25, 0.1)  # lengths of a step that are tried
_SLOW = 0.01  # share of what the step before promised, from which on second derivatives are formed anew
_NOTHING = 1e-22  # share of the objective
_SURE, _NONE = (
    1e-10,
    1e-12,
)  # shares of the curvature that is left along a direction: enough, and mere rounding


def has_newton_steps(problem: Problem) -> bool:
    """Whether second derivatives over all rows are known, and cost no more than some tens of gradients."""
    design, penalty, K = problem.design, problem.penalty, problem.targets.columns
    if problem.network is not None or penalty.joint or not problem.loss.smooth or problem.dtype != np.float64:
        return False
    tied = K if problem.loss._ties_classes else 1
    return design.mapping is None and not design.rows_of_blocks and tied * (problem.d + 1) <= _MOST


def at_minimum(
    problem: Problem,
    theta: np.ndarray,
    loss: float,
    least: float,
    most_steps: int,
    deadline: float = np.inf,
    threads: int = 1,
) -> tuple[np.ndarray, float, bool]:
    """Parameters, the objective there, and whether they are at the minimum, to rounding where it is reached
    fast; those given where steps do not shrink, as if there were no minimum (classes that are separated).

    Weights at zero under an l1 norm, and at bounds, stay there as long as the gradient holds them.
    """
    standard, K = problem.standard, problem.targets.columns
    scale = np.ones(problem.d) if standard is None else standard.scale
    l2 = np.append(problem.penalty.l2_of_features / scale**2, 0.0)[:, None]
    kinks, rounding = Kinks.of(problem.penalty, scale), 64 * float(np.finfo(float).eps)
    gradient, before, solve = problem.loss_gradient(theta, threads), np.inf, None
    start, fast = (theta, loss, False), False
    for _ in range(min(most_steps, _STEPS)):
        if time.perf_counter() > deadline:
            break
        u, fresh = theta[:, :K], solve is None
        force = kinks.held(u, gradient[:, :K] + l2 * u)
        solve = solve or _solver(problem, theta, l2, threads)
        step = solve(force)
        promised = 0.5 * float(np.sum(step * force))
        if not np.isfinite(promised):
            break
        slow = promised > _SLOW * before
        fast |= not slow and np.isfinite(before)
        little = promised <= max(least * fast, rounding * abs(loss))
        if promised <= _NOTHING * abs(loss) or (slow and fresh and little):
            return theta, loss, True
        if slow and not fresh:
            before, solve = promised, None
            continue
        for part in _SHORTER:
            found = theta.copy()
            found[:, :K] = kinks.after(u, part * step, force)
            there = problem.zeros()
            value = problem.value_of(problem.evaluate(found, there, threads), found)
            if value <= loss + rounding * abs(loss):
                break
        else:
            fast |= promised <= rounding * abs(loss)
            break
        theta, loss, gradient, before = found, value, there / problem.total_weight, promised
    return (theta, loss, True) if fast else start


def _solver(problem: Problem, theta: np.ndarray, l2: np.ndarray, threads: int):
    """forces (d + 1, K) -> steps, by second derivatives at some parameters; weights without a force stay."""
    curvature = _curvature(problem, theta, threads)
    tied = curvature.shape[1] > len(theta)

    def solve(force: np.ndarray) -> np.ndarray:
        if tied:
            strengths = np.tile(l2[:, 0], force.shape[1])
            return _solution(curvature[0], strengths, force.T.ravel()).reshape(force.T.shape).T
        each = np.broadcast_to(curvature, (force.shape[1], *curvature.shape[1:]))
        columns = [_solution(H, l2[:, 0], g) for H, g in zip(each, force.T, strict=True)]
        return np.column_stack(columns)

    return solve


def _solution(H: np.ndarray, l2: np.ndarray, force: np.ndarray) -> np.ndarray:
    """Newton's step. Along directions without curvature (features that depend on each other, what is added to
    all classes) parameters stay."""
    step, free = np.zeros_like(force), np.flatnonzero(force)
    if not len(free):
        return step
    part = H[np.ix_(free, free)] + np.diag(l2[free])
    if not np.isfinite(part).all():
        return np.full_like(force, np.nan)
    size = np.sqrt(np.maximum(np.diagonal(part), np.finfo(float).tiny))
    part /= np.outer(size, size)
    try:
        factor = cho_factor(part)
        sure = np.diagonal(factor[0]).min(initial=1.0) ** 2 > _SURE
    except LinAlgError:
        sure = False
    if sure:
        step[free] = cho_solve(factor, force[free] / size) / size
        return step
    values, directions = np.linalg.eigh(part)
    bent = values > _NONE * values[-1]
    directions = directions[:, bent]
    step[free] = directions @ (directions.T @ (force[free] / size) / values[bent]) / size
    return step


def _curvature(problem: Problem, theta: np.ndarray, threads: int) -> np.ndarray:
    """Second derivatives (K, d + 1, d + 1) of the mean loss; (1, ...) where they are the same for all
    columns, and (1, K (d + 1), K (d + 1)) where slopes of a column depend on the scores of others."""
    targets, p = problem.targets, problem.d + 1
    second = problem.loss.second_derivative(targets.y, problem.scores(theta, threads))
    weight = np.ones(problem.n) if targets.weight is None else targets.weight.astype(float)
    second = np.asarray(second, dtype=float) * (weight / problem.total_weight).reshape(
        (-1,) + (1,) * (np.ndim(second) - 1)
    )
    if problem.loss._quadratic:  # the same for all outputs
        second = second[:, :1]
    K = second.shape[1]
    pairs = [(a, b) for a in range(K) for b in range(a, K if second.ndim == 3 else a + 1)]
    total = {pair: np.zeros((p, p)) for pair in pairs}
    for part, rows in problem.design.dense_blocks(max(64, _BLOCK // p)):
        Z = np.full((len(rows), p), float(problem.fit_intercept))
        Z[:, :-1] = rows
        for a, b in pairs:
            factor = second[part, a, b] if second.ndim == 3 else second[part, a]
            total[a, b] += Z.T @ (Z * factor[:, None])
    if second.ndim == 2:
        return np.stack([total[a, a] for a in range(K)])
    whole = np.block([[total[min(a, b), max(a, b)] for b in range(K)] for a in range(K)])
    return whole[None]
