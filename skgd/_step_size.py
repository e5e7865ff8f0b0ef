"""Learning rates from the data: the largest stable one, and what "auto" makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ._problem import Problem

_FEW = 128  # features up to which X'X is formed
_SAMPLE = 20_000  # rows from which the largest eigenvalue is taken where a sample will do


@dataclass
class Scale:
    """What the data say about step sizes (coordinates of the descent, intercept included).

    Attributes
    ----------
    n : float
        Rows; infinite for a stream.
    row : float
        R2 = sum |x|^4 / sum |x|^2 over rows.
    longest : float
        The largest |x|^2 of a row.
    largest : float
        Largest eigenvalue of X'X / n.
    curvature : float
        Scale of the loss's second derivative.
    penalty : float
        Largest second derivative of the penalty.
    """

    n: float
    row: float
    longest: float
    largest: float
    curvature: float
    penalty: float

    def largest_stable(self, batch_size: int) -> float:
        """2 / (c [(1 - 1/b) lambda_max + R2 / b] + alpha); all rows (b = n) meet lambda_max alone."""
        b = np.inf if batch_size >= self.n else float(batch_size)
        data = self.curvature * ((1 - 1 / b) * self.largest + self.row / b)
        return 2.0 / max(data + self.penalty, np.finfo(float).tiny)

    def comfortable(self, batch_size: int) -> float:
        """Half the largest stable rate, and no row overshoots its own target more than threefold."""
        rate = self.largest_stable(batch_size) / 2
        if batch_size >= self.n or not self.longest * self.curvature > 0:
            return rate
        return min(rate, 4.0 * batch_size / (self.curvature * self.longest))


def largest_eigenvalue(problem: Problem, iterations: int = 20, threads: int = 1) -> float:
    """Largest eigenvalue of X'X / n: from the matrix for few features, else by power iterations."""
    if problem.standard is None and problem.d <= _FEW:
        return float(np.linalg.eigvalsh(problem.second_moments() / problem.total_weight)[-1])
    squared = problem.with_squared_loss()
    v = squared.zeros()
    v[:, 0] = np.random.RandomState(0).standard_normal(len(v))
    if not problem.fit_intercept:
        v[-1] = 0
    value = 0.0
    for _ in range(iterations):
        norm = float(np.linalg.norm(v))
        if norm == 0 or not np.isfinite(norm):
            return value
        v /= norm
        v = squared.loss_gradient(v, threads)
        grown = float(np.linalg.norm(v))
        if grown <= value * (1 + 1e-4):
            return max(value, grown)
        value = grown
    return value


def scale_of(problem: Problem, batch_size: int, threads: int = 1) -> Scale:
    """The Scale of a problem for updates of `batch_size` rows."""
    first, second, longest = problem.core.row_moments()
    row = second / first if first > 0 else 0.0
    largest = 0.0
    if batch_size > 1:
        largest = largest_eigenvalue(_sample(problem, batch_size), threads=threads)
    targets = problem.targets
    curvature = problem.loss._curvature(targets.y, targets.weight)
    return Scale(problem.n, row, longest, largest, curvature, _penalty(problem))


def scale_of_stream(problem: Problem, stream: dict) -> Scale:
    """The Scale of a stream after some more of its rows; `stream` keeps the sums from call to call.

    The largest eigenvalue is bounded by the mean of |x|^2; rows larger than those before count at once.
    """
    first, second, longest = problem.core.row_moments()
    curvature = problem.loss._curvature(problem.targets.y, problem.targets.weight)
    for name, value in (
        ("weight", problem.total_weight),
        ("first", first),
        ("second", second),
        ("curvature", curvature * problem.total_weight),
    ):
        stream[name] = stream.get(name, 0.0) + value
    row = max(stream["second"] / stream["first"], second / first) if first > 0 else 0.0
    weight = stream["weight"] or 1.0
    stream["longest"] = max(stream.get("longest", 0.0), longest)
    return Scale(
        np.inf,
        row,
        stream["longest"],
        stream["first"] / weight,
        stream["curvature"] / weight,
        _penalty(problem),
    )


def _penalty(problem: Problem) -> float:
    """Largest second derivative of the penalty, in the coordinates of the descent."""
    if problem.standard is None:
        return problem.penalty.l2
    return problem.penalty.l2 * float(np.max(problem.standard.scale**-2.0, initial=0.0))


def _sample(problem: Problem, batch_size: int) -> Problem:
    """The problem on a sample of its rows, where updates see few of very many."""
    if batch_size * 4 > problem.n or problem.n <= 2 * _SAMPLE:
        return problem
    return _part(problem, np.linspace(0, problem.n - 1, _SAMPLE).astype(np.intp))


def _part(problem: Problem, index: np.ndarray) -> Problem:
    """The problem on some of its rows."""
    return Problem(
        problem.X[index],
        problem.targets.rows(index),
        problem.loss,
        problem.penalty,
        problem.fit_intercept,
        problem.standard,
        problem.network,
    )


def mean_squares(X) -> np.ndarray:
    """Mean square of each feature."""
    if sparse.issparse(X):
        return np.asarray(X.multiply(X).sum(axis=0), dtype=float).ravel() / X.shape[0]
    return np.einsum("ij,ij->j", X, X, dtype=float) / X.shape[0]


def sharpness(problem: Problem, theta: np.ndarray, batch_size: int, iterations: int = 12) -> float:
    """Largest eigenvalue (in size) of the Hessian at theta that updates of `batch_size` rows see.

    Power iterations on differences of gradients; the mean over a few batches, as a batch's own largest
    eigenvalue is what limits its step.
    """
    batches = [problem] if batch_size >= problem.n else _batches(problem, batch_size)
    return float(np.mean([_sharpness(batch, theta, iterations) for batch in batches]))


def _batches(problem: Problem, batch_size: int, count: int = 8) -> list[Problem]:
    rng = np.random.RandomState(0)
    size = min(batch_size, problem.n)
    return [_part(problem, np.sort(rng.choice(problem.n, size, replace=False))) for _ in range(count)]


def _sharpness(problem: Problem, theta: np.ndarray, iterations: int) -> float:
    def gradient(at):
        return problem.loss_gradient(at).astype(np.float64) + problem.penalty.l2 * at

    start = gradient(theta)
    v = np.random.RandomState(0).standard_normal(theta.shape)
    used = np.zeros_like(theta)
    for block in problem.blocks(used):
        block[:] = 1
    length = (1e-5 if theta.dtype == np.float64 else 1e-2) * (1 + float(np.linalg.norm(theta)))
    value = 0.0
    for _ in range(iterations):
        v *= used * (length / max(float(np.linalg.norm(v * used)), np.finfo(float).tiny))
        v = gradient((theta + v).astype(theta.dtype)) - start
        grown = float(np.linalg.norm(v)) / length
        if not np.isfinite(grown) or grown == 0:
            break
        if abs(grown - value) <= 1e-2 * grown:
            return grown
        value = grown
    return value
