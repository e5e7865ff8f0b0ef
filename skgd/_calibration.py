"""Quantiles of a perceptron, moved to where rows held out have them."""

from __future__ import annotations

import numpy as np

from ._fit import Fit
from ._held_out import Validation
from ._residuals import quantiles_of
from .losses import Quantile

__all__ = ["has_quantiles", "quantile_shift", "settle_shifted", "shifted"]


def has_quantiles(fit: Fit) -> bool:
    """Whether quantiles are fitted whose scores can be moved."""
    return isinstance(fit.problem.loss, Quantile) and fit.problem.fit_intercept


def quantile_shift(fit: Fit, theta: np.ndarray, held_out: Validation) -> np.ndarray:
    """What the scores of each quantile (K,) lack of those that split the rows held out as they should.

    The residuals of a network scatter less about its quantiles on the rows that it has learnt than on new
    ones, as it has learnt some of their noise. The intercept that lowers the loss of the rows held out most
    is higher by the quantile of the residuals there.
    """
    loss = fit.problem.loss
    rows, predicted = held_out.rows, held_out.task.predict(held_out.raw(theta), loss)
    predicted = predicted.reshape(len(predicted), -1).astype(float)
    y = np.reshape(np.asarray(rows.y, dtype=float), (len(predicted), -1))
    shares = np.broadcast_to(loss._quantiles, predicted.shape[1])
    residuals = np.broadcast_to(y, predicted.shape) - predicted
    return np.array(
        [quantiles_of(residuals[:, k : k + 1], rows.weight, shares[k : k + 1])[0] for k in range(len(shares))]
    )


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
