"""Exceptions of skgd."""

from __future__ import annotations

__all__ = ["DivergenceError"]


class DivergenceError(ValueError):
    """The descent diverged because the learning rate is too high for the data.

    Attributes
    ----------
    learning_rate : float
        The rate that was used.
    largest_stable_learning_rate : float
        An estimate of the largest stable rate for this data, solver and batch size.
    """

    def __init__(self, learning_rate: float, largest_stable: float, where: str):
        self.learning_rate = learning_rate
        self.largest_stable_learning_rate = largest_stable
        super().__init__(
            f"The descent diverged: learning_rate={learning_rate:.6g} is too high. The largest stable "
            f"rate for this data with {where} is about {largest_stable:.3g}. Lower learning_rate (or "
            f'use learning_rate="auto"), or scale the features (StandardScaler, or standardize=True).'
        )

    def __reduce__(self):
        return _rebuild, (self.args[0], self.learning_rate, self.largest_stable_learning_rate)


def _rebuild(message, learning_rate, largest_stable):
    error = DivergenceError.__new__(DivergenceError)
    ValueError.__init__(error, message)
    error.learning_rate = learning_rate
    error.largest_stable_learning_rate = largest_stable
    return error
