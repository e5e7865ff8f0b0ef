"""Quantiles of a perceptron, moved to where rows held out have them."""

from __future__ import annotations

import numpy as np

from ._fit import Fit
from ._held_out import Validation
from ._residuals import quantiles_of

__all__ = ["has_quantiles", "quantile_shift", "settle_shifted", "shifted"]


def has_quantiles(fit: Fit) -> bool:
    """Whether several quantiles are fitted, and their scores can be moved."""
    levels = getattr(fit.problem.loss, "levels", None) or ()
    return len(levels) > 1 and fit.problem.fit_intercept


def quantile_shift(fit: Fit, theta: np.ndarray, held_out: Validation) -> np.ndarray:
    """What the scores of each quantile (K,) lack of those that split the rows held out as they should.

    The residuals of a network scatter less about its quantiles on the rows that it has learnt than on new
    ones, as it has learnt some of their noise. The intercept that lowers the loss of the rows held out most
    is higher by the quantile of the residuals there.
    """
    loss, rows = fit.problem.loss, held_out.rows
    predicted = held_out.task.predict(held_out.raw(theta), loss).astype(float)
    residuals = np.reshape(np.asarray(rows.y, dtype=float), (-1, 1)) - predicted
    return quantiles_of(residuals, rows.weight, loss.levels)


def shifted(fit: Fit, theta: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Parameters of a network, or of several that share weights, whose scores are higher by `shift`."""
    units, moved = fit.problem.targets.units, theta.copy()
    intercepts = fit.problem.last_layer(moved)[1]
    intercepts += shift if units is None else shift / units.scale
    return moved


def settle_shifted(fit: Fit, loss: float, shift: np.ndarray | None) -> float:
    """Let the descent offer scores that are higher by `shift`; gives the objective there, `loss` without."""
    if shift is None:
        return loss
    fit.descent.settle_at(shifted(fit, fit.descent.parameters, shift))
    return fit.value()
