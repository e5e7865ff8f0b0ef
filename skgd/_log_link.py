"""Losses whose raw scores are logarithms of means, and the unit of their targets."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

__all__ = ["LogLink", "column_means"]


def column_means(y, weight) -> np.ndarray:
    """The mean of each column of y, above zero."""
    mean = np.average(np.reshape(y, (len(y), -1)).astype(np.float64), axis=0, weights=weight)
    return np.maximum(mean, np.finfo(np.float32).tiny)


class LogLink:
    """What these losses have in common.

    With y in units of s and raw scores less log s the loss is s^(p - 2) times what it was, up to a constant;
    p is the power of the mean that the variance is proportional to.
    """

    name: str
    log_link = True
    falls_to_zero = False
    _lowest = 0.0  # y must be greater, or equal if _lowest_allowed
    _lowest_allowed = True

    @property
    def _power(self) -> float:
        """p."""
        raise NotImplementedError

    def _curvature_from_zero(self, mean):
        """The largest curvature between z = 0 and the logarithm of a mean of at least one."""
        raise NotImplementedError

    def _of_unit(self, means):
        """What the unit of y adds to the loss, from the means of y."""
        p = self._power
        return -means * np.log(means) if p == 1 else np.log(means) * (p == 2)

    def _of_exact_fit(self, y):
        """The loss of each row where the mean that is predicted is y: the least that it can be."""
        p = self._power
        if p == 1:
            return y - xlogy(y, y)
        return 1 + np.log(y) if p == 2 else y ** (2 - p) / ((2 - p) * (p - 1))

    def _constant_of_units(self, y, weight):
        """What the unit of y adds to the loss, or nearly the loss of an exact fit, whichever is larger: what
        lies above the latter is half the deviance, small where y varies little beside its mean."""
        y = np.reshape(y, (len(y), -1))
        means, rounding = column_means(y, weight), np.sqrt(np.finfo(y.dtype).eps)
        exact = np.average(self._of_exact_fit(y.astype(np.float64)), axis=0, weights=weight)
        return float(np.maximum(self._of_unit(means), exact - rounding * means ** (2 - self._power)).sum())

    def _curvature(self, y, weight):
        mean = np.average(np.asarray(y, dtype=np.float64), axis=0, weights=weight)
        return float(np.max(self._curvature_from_zero(np.maximum(mean, 1.0))))

    def _curvature_in_units(self, y, weight, units=None):
        means = column_means(y, weight)
        if units is None:
            return float(np.max(means ** (2 - self._power)))
        units = np.asarray(units)
        relative = self._curvature_from_zero(np.maximum(means / units, 1.0))
        return float(np.max(relative * units ** (2 - self._power)))

    def _check_targets(self, y):
        low = y < self._lowest if self._lowest_allowed else y <= self._lowest
        if np.any(low):
            allowed = "non-negative" if self._lowest_allowed else "positive"
            raise ValueError(
                f"Some value(s) of y are out of the valid range of the loss {self.name!r}: "
                f"y must be {allowed}; its smallest value is {y.min():g}."
            )
