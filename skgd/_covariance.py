"""Covariance of the weights of linear models, from sums over blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from ._design import Design
from .losses import Loss

__all__ = ["Estimates", "Rows", "SingularError", "estimates_of"]

_BLOCK = 1 << 20  # numbers of X at a time
_DEPENDENT = 1e-11  # share of the curvature left along a direction, below which there is nothing but rounding


class SingularError(ValueError):
    """Some parameters can be traded for others: ``columns`` are the numbers of those that take part."""

    def __init__(self, columns: np.ndarray):
        super().__init__("The parameters are not determined.")
        self.columns = columns


@dataclass(frozen=True)
class Rows:
    """Rows, their targets as a loss takes them, their raw scores, and weights: with a mean of one, or the
    numbers of equal rows that they stand for."""

    design: Design
    y: np.ndarray
    raw: np.ndarray  # (n, K), float64
    weight: np.ndarray | None
    intercept: bool
    frequencies: bool = False

    @property
    def p(self) -> int:
        """Parameters of each column."""
        return self.design.d + self.intercept

    @property
    def counted(self) -> int:
        """Rows that count."""
        if self.weight is None:
            return self.design.n
        return round(self.weight.sum()) if self.frequencies else int(np.count_nonzero(self.weight))

    def blocks(self) -> Iterator[tuple[slice, Any]]:
        """Slices, and the rows in them in float64 with a one for the intercept."""
        for part, X in self.design.blocks(max(64, _BLOCK // max(1, self.p))):
            ones = np.ones((X.shape[0], int(self.intercept)))
            if sparse.issparse(X):
                yield part, sparse.csr_array(sparse.hstack([X.astype(float), ones], format="csr"))
            else:
                yield part, np.hstack([X.astype(float), ones])

    def weighted(self, values: np.ndarray, power: int = 1) -> np.ndarray:
        """Values (n, ...), of losses to a power, times their weights."""
        if self.weight is None:
            return values
        power = 1 if self.frequencies else power
        return values * np.reshape(self.weight.astype(float) ** power, (-1,) + (1,) * (values.ndim - 1))


@dataclass(frozen=True)
class Estimates:
    """What is known of the parameters (K, p), intercepts last."""

    errors: np.ndarray  # (K, p), standard errors
    distance: float  # from the minimum, in standard errors, the largest
    shift: float  # by the penalty, in standard errors, the largest
    covariance: np.ndarray  # (K, p, p) of each column, or (1, K p, K p) of all


def estimates_of(
    rows: Rows,
    loss: Loss,
    theta: np.ndarray,  # (K, p)
    l2: np.ndarray | float,  # of the penalty, for each feature or all
    kind: str,
    groups: np.ndarray | None,  # numbers of the groups
    correction: bool,
) -> Estimates:
    """Covariance by the curvature of the mean loss, alone (under a model) or around that of the slopes."""
    slopes = np.asarray(loss.value_and_slope(rows.y, rows.raw)[1], dtype=float).reshape(rows.raw.shape)
    df = rows.counted - rows.p
    if df < 1:
        raise ValueError(f"{rows.counted} rows are too few for {rows.p} parameters.")
    dispersion: np.ndarray | float = 1.0
    if kind == "model":
        second, dispersion = loss._model_based(
            rows.y, rows.raw, rows.weight, df if correction else rows.counted
        )
    else:
        second = loss._mean_second(rows.y, rows.raw, rows.weight)
    ties = second.ndim == 3
    second = second if ties else second[:, :, None, None]
    second = second[:, None] if ties else second
    slopes = slopes[:, None, :] if ties else slopes[:, :, None]
    curvature = _sums_of_products(rows, rows.weighted(second))
    ridge = _ridge(rows, l2, theta.size // (rows.p * len(curvature)))
    solve = _solver(curvature, ridge, rows.p if ties else 0)
    if kind == "model":
        middle = curvature * np.reshape(dispersion, (-1, 1, 1))
    elif kind == "robust":
        outer = slopes[:, :, :, None] * slopes[:, :, None, :]
        middle = _sums_of_products(rows, rows.weighted(outer, 2)) * (rows.counted / df if correction else 1.0)
    else:
        assert groups is not None
        middle = _sums_over_groups(rows, rows.weighted(slopes), groups)
        count = len(np.unique(groups))
        middle *= count / (count - 1) * (rows.counted - 1) / df if correction else 1.0
    covariance = np.stack([solve(g, solve(g, part).T) for g, part in enumerate(middle)])
    errors = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0)).reshape(theta.shape)
    flat = theta.reshape(len(curvature), -1)
    pulls = flat * ridge
    distance = _in_errors(solve, _gradients(rows, rows.weighted(slopes)) + pulls, errors)
    return Estimates(errors, distance, _in_errors(solve, pulls, errors), covariance)


def _in_errors(solve, forces: np.ndarray, errors: np.ndarray) -> float:
    """The longest of the steps that forces call for, in standard errors."""
    steps = np.stack([solve(g, force) for g, force in enumerate(forces)]).reshape(errors.shape)
    ratio = np.divide(np.abs(steps), errors, out=np.zeros_like(steps), where=errors > 0)
    return float(ratio.max(initial=0.0))


def _ridge(rows: Rows, l2: np.ndarray | float, columns: int) -> np.ndarray:
    """Second derivatives of the penalty for the parameters of so many columns, as sums over rows."""
    one = np.zeros(rows.p)
    one[: rows.design.d] = np.multiply(l2, rows.counted)
    return np.tile(one, columns)


def _solver(curvature: np.ndarray, ridge: np.ndarray, tied: int):
    """(number of a system, right-hand sides) -> solutions, of curvature plus ridge.

    Columns of softmax (`tied`: parameters of each) are determined but for what is added to all of them. That
    is kept at zero: the solution is the one whose columns sum to zero.
    """
    factors = []
    for matrix in curvature:
        whole = matrix + np.diag(ridge)
        if tied:
            K = len(whole) // tied
            size = np.diagonal(whole).reshape(K, tied).mean(axis=0)
            whole = whole + np.kron(np.full((K, K), 1 / K), np.diag(size))
        scale = np.sqrt(np.maximum(np.diagonal(whole), np.finfo(float).tiny))
        scaled = whole / np.outer(scale, scale)
        _check_determined(scaled, tied or len(whole))
        factors.append((cho_factor(scaled), scale))

    def solve(g: int, right: np.ndarray) -> np.ndarray:
        factor, scale = factors[g]
        columns = right.reshape(len(scale), -1)
        found = (cho_solve(factor, columns / scale[:, None]) / scale[:, None]).reshape(right.shape)
        if not tied:
            return found
        by_column = found.reshape(-1, tied, *found.shape[1:])
        return (by_column - by_column.mean(axis=0)).reshape(found.shape)

    return solve


def _check_determined(scaled: np.ndarray, p: int) -> None:
    values, directions = np.linalg.eigh(scaled)
    if values[0] > _DEPENDENT * values[-1]:
        return
    sizes = np.abs(directions[:, 0]).reshape(-1, p).max(axis=0)
    raise SingularError(np.flatnonzero(sizes > 0.1 * sizes.max()))


def _sums_of_products(rows: Rows, factors: np.ndarray) -> np.ndarray:
    """Sum over rows of factors (n, G, k, k) times x x', as matrices (G, k p, k p)."""
    _, G, k, _ = factors.shape
    total = np.zeros((G, k, rows.p, k, rows.p))
    for part, X in rows.blocks():
        for g in range(G):
            for a in range(k):
                for b in range(a, k):
                    total[g, a, :, b] += _product(X, factors[part, g, a, b])
    for a in range(k):
        for b in range(a):
            total[:, a, :, b] = total[:, b, :, a].transpose(0, 2, 1)
    return total.reshape(G, k * rows.p, k * rows.p)


def _product(X, factor: np.ndarray) -> np.ndarray:
    """X' diag(factor) X."""
    if sparse.issparse(X):
        return (X.T @ X.multiply(factor[:, None])).toarray()
    return X.T @ (X * factor[:, None])


def _gradients(rows: Rows, slopes: np.ndarray) -> np.ndarray:
    """Sum over rows of slopes (n, G, k) times x, as vectors (G, k p)."""
    _, G, k = slopes.shape
    total = np.zeros((G * k, rows.p))
    for part, X in rows.blocks():
        total += (X.T @ slopes[part].reshape(-1, G * k)).T
    return total.reshape(G, k * rows.p)


def _sums_over_groups(rows: Rows, slopes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sum over groups of the outer products of their sums of slopes times x, as matrices (G, k p, k p)."""
    _, G, k = slopes.shape
    count = int(groups.max()) + 1
    sums = np.zeros((count, G, k, rows.p))
    for part, X in rows.blocks():
        member = np.arange(X.shape[0])
        of_group = sparse.csr_array(
            (np.ones(len(member)), (groups[part], member)), shape=(count, len(member))
        )
        for g in range(G):
            for a in range(k):
                scored = (
                    X.multiply(slopes[part, g, a, None])
                    if sparse.issparse(X)
                    else X * slopes[part, g, a, None]
                )
                found = of_group @ scored
                sums[:, g, a] += found.toarray() if sparse.issparse(found) else found
    flat = sums.reshape(count, G, -1)
    return np.einsum("cgi,cgj->gij", flat, flat, optimize=True)
