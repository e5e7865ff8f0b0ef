"""What a finished training should make its user doubt."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ._step_size import scale_of

_SPREAD = 30.0  # largest over smallest standard deviation from which scaling is blamed


def feature_spread(X, rows: int = 20_000) -> float:
    """Largest over smallest standard deviation of the non-constant features (on a sample of rows)."""
    part = X[:: max(1, X.shape[0] // rows)]
    if sparse.issparse(part):
        mean = np.asarray(part.mean(axis=0)).ravel()
        variance = np.asarray(part.multiply(part).mean(axis=0)).ravel() - mean**2
        deviation = np.sqrt(np.maximum(variance, 0))
    else:
        deviation = np.std(part, axis=0, dtype=float)
    deviation = deviation[deviation > 1e-9 * deviation.max(initial=0.0)]
    return float(deviation.max() / deviation.min()) if len(deviation) else 1.0


def doubts(estimator, problem, rates, settings, record) -> list[str]:
    """Texts of the ConvergenceWarnings that are due."""
    found = []
    if rates.exploded is not None and _oscillates(estimator, record):
        stable = scale_of(problem, settings.batch_size).largest_stable(settings.batch_size)
        if rates.base > stable:
            found.append(
                f"The objective oscillates: learning_rate={rates.base:.6g} is above {stable:.3g}, about "
                f"the largest stable rate for this data and solver={estimator.solver!r}. Lower "
                f'learning_rate (or use learning_rate="auto"), or scale the features '
                f"(StandardScaler, or standardize=True)."
            )
    if record.stop_reason == "max_iter" and settings.tol is not None:
        text = f"Maximum number of epochs (max_iter={settings.max_iter}) reached before convergence."
        spread = feature_spread(problem.X) if problem.standard is None and problem.d else 1.0
        if spread > _SPREAD:
            text += (
                f" The features are badly scaled: the largest standard deviation is {spread:.3g} times "
                f"the smallest. Use StandardScaler or standardize=True."
            )
        else:
            text += " Increase max_iter, or raise tol."
        found.append(text)
    return found


def _oscillates(estimator, record) -> bool:
    """Whether the objective ended above its start or went up about as often as down."""
    curve = np.asarray(record.history["loss"])
    if not len(curve) or not np.isfinite(record.start_loss):
        return False
    if not estimator.loss_ < record.start_loss:
        return True
    steps = np.diff(curve[len(curve) // 2 :])
    return len(steps) >= 4 and np.mean(steps > 1e-3 * abs(record.start_loss)) > 0.3
