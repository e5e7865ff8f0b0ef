"""What a finished training should make its user doubt."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ._step_size import mean_squares, scale_of
from .optimizers import OPTIMIZERS

_SPREAD = 30.0  # largest over smallest size of a feature from which scaling is blamed


def _sample_of(X, rows: int = 20_000):
    return X[:: max(1, X.shape[0] // rows)]


def feature_spread(X, ones: bool = False) -> float:
    """Largest over smallest size of a feature: the root mean square of its non-zeros.

    Zeros do not count, so that columns of rare categories are not taken for small ones. With `ones`
    the constant column of the intercept is a feature too, and so are the deviations of features that lie
    far from zero. A sample of rows is looked at.
    """
    part = _sample_of(X)
    if sparse.issparse(part):
        squares = np.asarray(part.multiply(part).sum(axis=0), dtype=float).ravel()
        counts = np.bincount(part.indices, minlength=part.shape[1])
    else:
        squares = np.einsum("ij,ij->j", part, part, dtype=float)
        counts = np.count_nonzero(part, axis=0)
    sizes = np.sqrt(squares[squares > 0] / counts[squares > 0])
    if ones:
        far, _, deviations = _far_from_zero(part)
        sizes = np.concatenate([sizes, deviations[far], [1.0]])
    return float(sizes.max() / sizes.min()) if len(sizes) else 1.0


def _far_from_zero(part):
    """Which features hardly vary for their size (constant ones do not count), means, standard deviations."""
    if sparse.issparse(part):  # zeros are there to be far from
        nothing = np.zeros(part.shape[1])
        return nothing > 0, nothing, nothing
    means, squares = part.mean(axis=0, dtype=float), np.einsum("ij,ij->j", part, part, dtype=float)
    sizes = np.sqrt(squares / len(part))
    deviations = np.sqrt(np.maximum(sizes**2 - means**2, 0.0))
    return (deviations < 0.3 * sizes) & (deviations > 1e-6 * sizes), means, deviations


def doubts(estimator, problem, descent, rates, settings, record) -> list[str]:
    """Texts of the ConvergenceWarnings that are due."""
    found = []
    plain = not getattr(OPTIMIZERS.get(settings.rule[0]), "adaptive", False)  # else the limit is another one
    if problem.network is None and rates.exploded is not None and plain and _oscillates(estimator, record):
        stable = scale_of(problem, settings.batch_size).largest_stable(settings.batch_size)
        if rates.base > stable:
            found.append(
                f"The objective oscillates: learning_rate={rates.base:.6g} is above {stable:.3g}, about "
                f"the largest stable rate for this data and solver={estimator.solver!r}. Lower "
                f'learning_rate (or use learning_rate="auto"), or scale the features '
                f"(StandardScaler, or standardize=True)."
            )
    if settings.tol is None or found or record.stop_reason == "callback":  # stopped on purpose
        return found
    ended = record.stop_reason == "max_iter"
    text = f"Maximum number of epochs (max_iter={settings.max_iter}) reached before convergence."
    spread = _blamed_spread(problem, descent, ended, settings.tol)
    if spread:
        text = text if ended else "The fit stopped far from the optimum."
        found.append(
            f"{text} The features are badly scaled: the largest is {spread:.3g} times the size of the "
            f"smallest (the ones of the intercept count, and deviations from means far from zero). "
            f"Use StandardScaler or standardize=True."
        )
    elif _penalty_rules(problem, descent, settings.tol):
        text = text if ended else "The fit stopped far from the optimum."
        found.append(
            f"{text} The penalty acts on the weights of the raw columns, and those of columns with small "
            f"units weigh most: their curvature keeps the learning rate low. Lower alpha, or use "
            f"StandardScaler in place of standardize=True."
        )
    elif ended:
        found.append(f"{text} Increase max_iter, or raise tol.")
    return found


def _blamed_spread(problem, descent, ended: bool, tol: float) -> float:
    """The spread of the features where it kept the fit from its optimum, else 0.

    After a plateau it did if one coordinate, at a scale of its own, could lower the objective by more
    than the plateau's `tol`: by g_j^2 / (2 c h_j), h_j the mean square of the feature, of the intercept's
    ones, or of the deviations from the mean.
    """
    if problem.standard is not None or not problem.d or not problem.loss.smooth:
        return 0.0
    spread = feature_spread(problem.X)
    if ended and spread >= _SPREAD:
        return spread
    if problem.network is not None:
        return 0.0
    if problem.fit_intercept:
        spread = max(spread, feature_spread(problem.X, ones=True))
    if spread < _SPREAD:
        return 0.0
    theta, l2 = descent.parameters, problem.penalty.l2
    gradient = np.array(problem.blocks(problem.loss_gradient(theta) + l2 * theta)[0], dtype=float)
    gradient[-1] -= l2 * problem.blocks(theta)[0][-1]
    squares = np.append(mean_squares(problem.X), 1.0 if problem.fit_intercept else np.inf)
    if problem.fit_intercept:
        far, means, deviations = _far_from_zero(_sample_of(problem.X))
        along = gradient[:-1][far] - means[far, None] * gradient[-1]
        gradient, squares = np.vstack([gradient, along]), np.append(squares, deviations[far] ** 2)
    curvature = problem.loss._curvature(problem.targets.y, problem.targets.weight)
    scale = np.maximum(squares[:, None] * curvature + l2, np.finfo(float).tiny)
    gain = np.max(np.square(gradient) / (2 * scale), initial=0.0)
    return spread if gain > max(tol, 1e-3) * descent.reference else 0.0


def _penalty_rules(problem, descent, tol: float) -> bool:
    """Whether, in standardised coordinates, the penalty of some columns kept the others from the optimum."""
    if problem.standard is None or problem.network is not None or not problem.loss.smooth:
        return False
    l2 = np.append(problem.penalty.l2 / problem.standard.scale**2, 0.0)[:, None]
    curvature = problem.loss._curvature(problem.targets.y, problem.targets.weight)
    if l2.max() < _SPREAD * curvature:
        return False
    theta = descent.parameters
    gradient = np.asarray(problem.loss_gradient(theta), dtype=float) + l2 * theta
    gain = np.max(np.square(gradient) / (2 * (curvature + l2)))
    return bool(gain > max(tol, 1e-3) * descent.reference)


def _oscillates(estimator, record) -> bool:
    """Whether the objective ended above its start or went up about as often as down."""
    curve = np.asarray(record.history["loss"])
    if not len(curve) or not np.isfinite(record.start_loss):
        return False
    if not estimator.loss_ < record.start_loss:
        return True
    steps = np.diff(curve[len(curve) // 2 :])
    return len(steps) >= 4 and np.mean(steps > 1e-3 * abs(record.start_loss)) > 0.3
