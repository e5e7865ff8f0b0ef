"""Schedules: multipliers of the learning rate as functions of the update number.

A schedule is any callable that takes an array of update numbers (the first update is 0) and gives an
array of multipliers. The named ones know, once training starts, how many updates an epoch has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator

__all__ = [
    "SCHEDULES",
    "Adaptive",
    "Constant",
    "Cosine",
    "Exponential",
    "InvScaling",
    "Optimal",
    "Schedule",
]


@dataclass
class Course:
    """What a schedule may know of the training it steers."""

    updates_per_epoch: float = 1.0
    max_iter: int = 1
    learning_rate: float = 1.0
    alpha: float = 0.0
    drops: int = 0  # times the objective stopped improving (Adaptive)


class Schedule(BaseEstimator):
    """Base class: called with update numbers t, gives multipliers of the same shape."""

    name: str
    course = Course()

    def bind(self, course: Course) -> Schedule:
        """A copy that knows its course."""
        bound = type(self)(**self.get_params())
        bound.course = course
        return bound

    def __call__(self, t: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Constant(Schedule):
    """Always 1."""

    name = "constant"

    def __call__(self, t):
        return np.ones(np.shape(t))


class InvScaling(Schedule):
    """1 / (1 + t)^power.

    Parameters
    ----------
    power : float, default=0.25
        How fast the rate falls, as SGDRegressor's ``power_t``.
    """

    name = "invscaling"

    def __init__(self, power: float = 0.25):
        self.power = power

    def __call__(self, t):
        return (1.0 + np.asarray(t, dtype=float)) ** -self.power


class Optimal(Schedule):
    """1 / (1 + learning_rate alpha t): Bottou's rate for strongly convex objectives (Bottou 2012).

    With ``alpha=0`` it is constant.
    """

    name = "optimal"

    def __call__(self, t):
        return 1.0 / (1.0 + self.course.learning_rate * self.course.alpha * np.asarray(t, dtype=float))


class Adaptive(Schedule):
    """Constant until the objective stops improving, then multiplied by ``factor``.

    Parameters
    ----------
    factor : float in (0, 1), default=0.2
        Multiplier at each plateau.
    patience : int, default=5
        Checks without an improvement by ``tol`` that make a plateau. Training stops at a plateau
        whose multiplier would be below 1e-4.
    """

    name = "adaptive"
    lowest = 1e-4

    def __init__(self, factor: float = 0.2, patience: int = 5):
        self.factor = factor
        self.patience = patience

    def __call__(self, t):
        return np.full(np.shape(t), self.factor**self.course.drops)

    def exhausted(self) -> bool:
        """Whether the next drop would take the multiplier below the lowest useful one."""
        return self.factor ** (self.course.drops + 1) < self.lowest


class Exponential(Schedule):
    """decay^epoch, falling smoothly from update to update.

    Parameters
    ----------
    decay : float in (0, 1], default=0.95
        Multiplier of one epoch.
    """

    name = "exponential"

    def __init__(self, decay: float = 0.95):
        self.decay = decay

    def __call__(self, t):
        return self.decay ** (np.asarray(t, dtype=float) / self.course.updates_per_epoch)


class Cosine(Schedule):
    """Half a cosine from 1 to ``final`` over ``period`` epochs (Loshchilov & Hutter 2017), then flat.

    Parameters
    ----------
    period : float or None, default=None
        Length in epochs; None means ``max_iter``.
    final : float in [0, 1], default=0.0
        The last multiplier.
    """

    name = "cosine"

    def __init__(self, period: float | None = None, final: float = 0.0):
        self.period = period
        self.final = final

    def __call__(self, t):
        period = self.course.max_iter if self.period is None else self.period
        done = np.clip(np.asarray(t, dtype=float) / (period * self.course.updates_per_epoch), 0, 1)
        return self.final + (1 - self.final) * 0.5 * (1 + np.cos(np.pi * done))


SCHEDULES = {
    schedule.name: schedule for schedule in (Constant, InvScaling, Optimal, Adaptive, Exponential, Cosine)
}
