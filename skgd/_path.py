"""A path: the linear models that minimise squared error and penalty, for many alphas."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ._core import core
from ._design import Design
from ._options import Options
from ._penalty import Penalty
from ._quadratic import CentredMoments

__all__ = ["Minimum", "Path", "goes_by_path", "minima_of", "minimisers", "pull_of_zeros"]

_MOST_FEATURES = 2000
_TOLERANCE = 1e-9  # of coordinate descent, in standard deviations of y
_ALIKE = 1e3  # largest over smallest size of the features, up to which one eigendecomposition serves
_SINGULAR = 1e-7  # on the diagonal of a Cholesky factor in units in which that of the matrix is one
_FEW = 8  # alphas up to which a Cholesky factor for each costs less


def goes_by_path(options: Options, design: Design) -> bool:
    """Whether the fits of these options end at the minimum of an objective that second moments determine."""
    return (
        options.objective.loss._quadratic
        and not options.objective.penalty.joint
        and options.learning_rate is None
        and design.d <= _MOST_FEATURES
        and options.stopping.waits
        and not options.stopping.early_stopping
        and not options.optimizer.decays
    )


@dataclass(frozen=True)
class Path:
    """Minimisers of half the mean squared error plus alpha R(w), in the order of the alphas."""

    alphas: np.ndarray  # (m,)
    coef: np.ndarray  # (m, K, d)
    intercept: np.ndarray  # (m, K)
    n_iter: np.ndarray  # (m,) sweeps of coordinate descent; 1 where there is a closed form
    moments: CentredMoments
    penalty: Penalty

    @property
    def objective(self) -> np.ndarray:
        """The objective (m,) at each minimum."""
        products = self.moments.products.T
        loss = self.moments.squares - ((2 * products - self.coef @ self.moments.gram) * self.coef).sum(axis=2)
        penalties = zip(self.coef.swapaxes(1, 2), self.alphas, strict=True)
        return loss.sum(axis=1) / 2 + [replace(self.penalty, alpha=a).value(w) for w, a in penalties]


def minimisers(moments: CentredMoments, alphas: Sequence[float] | np.ndarray, penalty: Penalty) -> Path:
    """The path of a penalty: coordinate descent with an l1 part, linear equations without."""
    alphas = np.asarray(alphas, dtype=float)
    each = [replace(penalty, alpha=alpha) for alpha in alphas.tolist()]
    strengths = np.array([(strength.l1, strength.l2) for strength in each])
    d, K = moments.products.shape
    coef, n_iter = np.empty((len(alphas), K, d)), np.ones(len(alphas), dtype=np.int64)
    falling = np.argsort(-alphas, kind="stable")
    by_steps = (strengths[:, 0] > 0) | (penalty.bounds is not None)
    kinked, smooth = falling[by_steps[falling]], np.flatnonzero(~by_steps)
    coef[smooth] = _ridge(moments, strengths[smooth, 1], penalty.factors)
    if len(kinked):
        coef[kinked], n_iter[kinked] = _lasso(moments, strengths[kinked], penalty)
    intercept = moments.outputs - coef @ moments.features
    return Path(alphas, coef, intercept, n_iter, moments, penalty)


@dataclass(frozen=True)
class Minimum:
    """The model of one alpha on the rows of one fold, by attributes of a fitted estimator."""

    alpha: float
    coef_: np.ndarray  # (d,) or (K, d)
    intercept_: np.ndarray
    n_iter_: int

    def _raw(self, X) -> np.ndarray:
        return X @ np.atleast_2d(self.coef_).T + self.intercept_


def minima_of(
    moments: Sequence[CentredMoments],
    alphas: Sequence[float],
    penalty: Penalty,
    dtype: np.dtype,
    flat: bool,  # whether coef_ has one dimension
    threads: int = 1,
) -> list[list[Minimum]]:
    """For each alpha the minima on the folds with these moments."""

    def of_fold(fold: CentredMoments) -> list[Minimum]:
        path = minimisers(fold, alphas, penalty)
        coef, intercept = path.coef.astype(dtype), path.intercept.astype(dtype)
        coef = coef[:, 0] if flat else coef
        return [Minimum(*each) for each in zip(alphas, coef, intercept, path.n_iter.tolist(), strict=True)]

    if threads == 1:
        folds = [of_fold(fold) for fold in moments]
    else:
        with ThreadPoolExecutor(threads) as pool:
            folds = list(pool.map(of_fold, moments))
    return [list(models) for models in zip(*folds, strict=True)]


def _lasso(moments: CentredMoments, strengths: np.ndarray, penalty: Penalty) -> tuple[np.ndarray, np.ndarray]:
    """Weights (m, K, d) for strengths (m, 2) of the l1 and l2 norm, and the sweeps they took; the penalty
    has their factors and the bounds."""
    (d, K), m = moments.products.shape, len(strengths)
    found, sweeps = np.empty((K, m, d)), np.zeros((K, m), dtype=np.int64)
    strengths, features = np.ascontiguousarray(strengths), _features_of(penalty, d)
    for k, products in enumerate(np.ascontiguousarray(moments.products.T)):
        tolerance = _TOLERANCE * float(np.sqrt(moments.squares[k]))
        core.quadratic_path(moments.gram, products, tolerance, strengths, features, found[k], sweeps[k])
    return found.swapaxes(0, 1), np.maximum(sweeps.max(axis=0), 1)


def _features_of(penalty: Penalty, d: int) -> np.ndarray:
    """Factors of the strength, least and greatest weights (3, d)."""
    features = np.empty((3, d))
    features[0] = 1.0 if penalty.factors is None else penalty.factors
    features[1:] = [[-np.inf], [np.inf]] if penalty.bounds is None else penalty.bounds.of_features(d)
    return features


def _ridge(moments: CentredMoments, l2: np.ndarray, factors: np.ndarray | None = None) -> np.ndarray:
    """Weights (m, K, d) for strengths (m,) of the l2 norm, and factors of it for each feature."""
    found = np.empty((len(l2), *moments.products.T.shape))
    if factors is not None:
        for k, strength in enumerate(l2.tolist()):
            found[k] = _by_cholesky(moments, strength * factors)
        return found
    variances = np.diag(moments.gram)
    sizes = np.sqrt(variances[variances > 0])
    alike = sizes.max(initial=0) <= _ALIKE * sizes.min(initial=np.inf)
    if np.any(l2 == 0):
        found[l2 == 0] = _least_squares(moments)
    if np.count_nonzero(l2) > _FEW and alike:
        found[l2 > 0] = _by_spectrum(moments.gram, moments.products, l2[l2 > 0])
        return found
    for k in np.flatnonzero(l2).tolist():
        found[k] = _by_cholesky(moments, float(l2[k]))
    return found


def _by_spectrum(gram: np.ndarray, products: np.ndarray, l2: np.ndarray) -> np.ndarray:
    """Weights (m, K, d) without the directions in which the features do not vary."""
    values, vectors = np.linalg.eigh(gram)
    there = values > len(values) * np.finfo(float).eps * values[-1]
    vectors, rotated = vectors[:, there], vectors[:, there].T @ products
    shrunk = rotated.T / (values[there] + l2[:, None, None])
    return shrunk @ vectors.T


def _in_units(moments: CentredMoments, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gram matrix and products of features divided by their sizes."""
    return moments.gram / size / size[:, None], moments.products / size[:, None]


def _least_squares(moments: CentredMoments) -> np.ndarray:
    """Weights (K, d) without a penalty: of least norm in standardised features where they are not unique."""
    size = np.sqrt(np.diag(moments.gram))
    size[size == 0] = 1.0
    return _by_spectrum(*_in_units(moments, size), np.zeros(1))[0] / size


def _by_cholesky(moments: CentredMoments, l2: np.ndarray | float) -> np.ndarray:
    """Weights (K, d), from equations in units in which the diagonal is one."""
    size = np.sqrt(np.diag(moments.gram) + l2)
    size[size == 0] = 1.0
    gram, products = _in_units(moments, size)
    gram[np.diag_indices_from(gram)] = 1.0
    try:
        factor = cho_factor(gram, check_finite=False)
    except LinAlgError:
        factor = None
    if factor is None or np.diag(factor[0]).min(initial=1.0) < _SINGULAR:
        return _by_spectrum(gram, products, np.zeros(1))[0] / size  # some depend on each other
    return cho_solve(factor, products, check_finite=False).T / size


def pull_of_zeros(moments: CentredMoments, factors: np.ndarray | None) -> np.ndarray:
    """Minus the slopes (d, K) of the loss where weights with a penalty are zero, the others at their best."""
    free = np.flatnonzero(factors == 0) if factors is not None else np.array([], dtype=int)
    if not len(free):
        return moments.products
    part = replace(moments, gram=moments.gram[np.ix_(free, free)], products=moments.products[free])
    return moments.products - moments.gram[:, free] @ _least_squares(part).T
