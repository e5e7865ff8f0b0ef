"""What a finished training should make its user doubt."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._problem import Problem
from ._step_size import scale_of
from ._training import Fit, Record

_SPREAD = 30.0  # largest over smallest size of a feature from which scaling is blamed


class _Features(NamedTuple):
    sizes: np.ndarray  # root mean squares of the non-zeros, of the features that have some
    far: np.ndarray  # (d,), whether a feature hardly varies for its size; constant ones do not count
    means: np.ndarray  # (d,)
    deviations: np.ndarray  # (d,)


def _features_of(X, rows: int = 20_000) -> _Features:
    """What a sample of the rows tells of the units of the features.

    Zeros do not count for sizes, so that columns of rare categories are not taken for small ones.
    """
    part = X[:: max(1, X.shape[0] // rows)]
    if sparse.issparse(part):
        squares = np.asarray(part.multiply(part).sum(axis=0), dtype=float).ravel()
        counts = np.bincount(part.indices, minlength=part.shape[1])
        means = deviations = np.zeros(part.shape[1])  # zeros are there to be far from
    else:
        squares = np.einsum("ij,ij->j", part, part, dtype=float)
        counts = np.count_nonzero(part, axis=0)
        means = part.mean(axis=0, dtype=float)
        deviations = np.sqrt(np.maximum(squares / len(part) - means**2, 0.0))
    whole = np.hypot(means, deviations)
    far = (deviations < 0.3 * whole) & (deviations > 1e-6 * whole)
    return _Features(np.sqrt(squares[squares > 0] / counts[squares > 0]), far, means, deviations)


def _spread(sizes: np.ndarray) -> float:
    """Largest over smallest."""
    return float(sizes.max() / sizes.min()) if len(sizes) else 1.0


def convergence_warnings(fit: Fit, record: Record, loss: float) -> list[str]:
    """Texts of the ConvergenceWarnings that are due; `loss` is the objective at the end."""
    problem, descent, options, found = fit.problem, fit.descent, fit.options, []
    tol, batch_size = options.stopping.tol, options.rows_per_update(fit.problem.n)
    plain = not options.optimizer.adaptive  # else the limit is another one
    if problem.network is None and fit.rates.given and plain and _oscillates(record, loss):
        stable = scale_of(problem, batch_size).largest_stable(batch_size)
        if fit.rates.base > stable:
            found.append(
                f"The objective oscillates: learning_rate={fit.rates.base:.6g} is above {stable:.3g}, about "
                f"the largest stable rate for this data and solver={options.solver!r}. Lower "
                f'learning_rate (or use learning_rate="auto"), or scale the features '
                f"(StandardScaler, or standardize=True)."
            )
    if not found and fit.rates.given and _gained_nothing(problem, record, loss):
        found.append(
            f"The descent diverged: the objective rose above its start and ended at {loss:.4g}, which a "
            f"constant prediction reaches too. learning_rate={fit.rates.base:.6g} is too high for "
            f'optimizer={options.optimizer.name!r}; lower it, or use learning_rate="auto".'
        )
    if tol is None or found or record.stop_reason == "callback":  # stopped on purpose
        return found
    ended = record.stop_reason == "max_iter"
    text = f"Maximum number of epochs (max_iter={options.stopping.max_iter}) reached before convergence."
    short = text if ended else "The fit stopped far from the optimum."
    spread = _blamed_spread(problem, descent, ended, tol)
    if spread:
        found.append(
            f"{short} The features are badly scaled: the largest is {spread:.3g} times the size of the "
            f"smallest (the ones of the intercept count, and deviations from means far from zero). "
            f"Use StandardScaler or standardize=True."
        )
    elif _penalty_rules(problem, descent, tol):
        found.append(
            f"{short} The penalty acts on the weights of the raw columns, and those of columns with small "
            f"units weigh most: their curvature keeps the learning rate low. Lower alpha, or use "
            f"StandardScaler in place of standardize=True."
        )
    elif ended:
        found.append(f"{text} Increase max_iter, or raise tol.")
    return found


def _blamed_spread(problem, descent, ended: bool, tol: float) -> float:
    """The spread of the features where it kept the fit from its optimum, else 0.

    After a plateau it did if there was something to gain along a feature, the intercept's ones, or the
    deviations of a feature from its mean.
    """
    if problem.standard is not None or not problem.d or not problem.loss.smooth:
        return 0.0
    sizes, far, means, deviations = _features_of(problem.design.X)
    spread = _spread(sizes)
    if ended and spread >= _SPREAD:
        return spread
    if problem.network is not None:
        return 0.0
    if problem.fit_intercept:
        spread = _spread(np.concatenate([sizes, deviations[far], [1.0]]))
    if spread < _SPREAD:
        return 0.0
    theta, l2 = descent.parameters, problem.penalty.l2
    gradient = np.array(problem.blocks(problem.loss_gradient(theta) + l2 * theta)[0], dtype=float)
    gradient[-1] -= l2 * problem.blocks(theta)[0][-1]
    squares = np.append(problem.design.mean_squares(), 1.0 if problem.fit_intercept else np.inf)
    if problem.fit_intercept:
        along = gradient[:-1][far] - means[far, None] * gradient[-1]
        gradient, squares = np.vstack([gradient, along]), np.append(squares, deviations[far] ** 2)
    curvature = squares[:, None] * problem.curvature() + l2
    return spread if _something_to_gain(gradient, curvature, descent, tol) else 0.0


def _penalty_rules(problem, descent, tol: float) -> bool:
    """Whether, in standardised coordinates, the penalty of some columns kept the others from the optimum."""
    if problem.standard is None or problem.network is not None or not problem.loss.smooth:
        return False
    l2 = np.append(problem.penalty.l2 / problem.standard.scale**2, 0.0)[:, None]
    curvature = problem.curvature()
    if l2.max() < _SPREAD * curvature:
        return False
    theta = descent.parameters
    gradient = np.asarray(problem.loss_gradient(theta), dtype=float) + l2 * theta
    return _something_to_gain(gradient, curvature + l2, descent, tol)


def _something_to_gain(gradient, curvature, descent, tol: float) -> bool:
    """Whether one coordinate, at a scale of its own, could lower the objective by more than the `tol` of a
    plateau: by g^2 / (2 h), h the curvature along it."""
    gain = np.square(gradient) / (2 * np.maximum(curvature, np.finfo(float).tiny))
    return bool(np.max(gain, initial=0.0) > max(tol, 1e-3) * descent.reference)


def _gained_nothing(problem: Problem, record: Record, loss: float) -> bool:
    """Whether the objective rose above its start, and ended no lower than that of a constant prediction."""
    curve, start = np.asarray(record.history["loss"]), record.start_loss
    if not len(curve) or not np.max(curve) > start + 0.01 * abs(start):
        return False
    constant = problem.zeros()
    if problem.network is not None:
        problem.blocks(constant)[-1][-1] = problem.loss._constant(problem.targets.y, problem.targets.weight)
    limit = min(start, problem.value(constant))
    return not loss < limit - 1e-3 * abs(limit)


def _oscillates(record: Record, loss: float) -> bool:
    """Whether the objective ended above its start or went up about as often as down."""
    curve = np.asarray(record.history["loss"])
    if not len(curve) or not np.isfinite(record.start_loss):
        return False
    if not loss < record.start_loss:
        return True
    steps = np.diff(curve[len(curve) // 2 :])
    return len(steps) >= 4 and np.mean(steps > 1e-3 * abs(record.start_loss)) > 0.3
