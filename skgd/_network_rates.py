"""Automatic rates of perceptrons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._rates import AutoRates


class PerceptronRates(AutoRates):
    """Automatic rates of the stochastic solvers for perceptrons: steady until the objective stalls.

    Four checks without improvement lower the rate to three tenths. Where it is known how many updates
    will be made, the rate falls to zero over them, linearly: the noise of the last ones would stay.
    Adaptive steps can leave a minimum that they had found; a fit then ends where it was lowest.

    Single long rows can switch units off for good without an objective above the start, where that lies high
    above the best constant. A fit that stalls about there begins anew at a quarter of the rate, and ends
    where the lowest of its beginnings has come. One that stalls far above is slow: its units are alive.
    """

    decay, patience = 1.0, 4
    most_beginnings = 4

    def __init__(
        self,
        base,
        schedule,
        exploded=None,
        *,
        updates: int | None = None,
        little: Callable[[], float] | None = None,  # gives an objective little below that of a constant
        **options,
    ):
        super().__init__(base, schedule, exploded, **options)
        self.little = little
        self.updates = updates  # that will be made; None: until a plateau
        self.falls = updates is not None

    def begin(self, descent):
        super().begin(descent)
        self.least, self.at_least = np.inf, descent.parameters.copy()  # of all beginnings
        self.beginnings = 1

    def on_plateau(self, descent, plateau_rule):
        if super().on_plateau(descent, plateau_rule):
            return True
        if self.stream or self.little is None or self.beginnings == self.most_beginnings:
            return False
        little = self.little()
        if not 0 <= self.lowest - little <= abs(little):
            return False
        descent.restore(self.origin)
        self.base *= 0.25
        descent.rate = self.base
        self.saved = self.good = self.origin
        self.lowest, self.factor = self.reference, 1.0
        self.beginnings += 1
        plateau_rule.go_on()
        return True

    def repeated(self, history, per_epoch):
        return self._repeated(history, per_epoch) if self.updates is None else None

    def _limit(self):
        """Above the start, which predicts about the best constant, units die of too long steps."""
        return super()._limit() if self.stream else min(super()._limit(), 1.02 * self.reference)

    def __call__(self, t, count):
        rates = super().__call__(t, count)
        if self.updates is not None:
            made = np.arange(t - self.update_at_start, t - self.update_at_start + count)
            rates = rates * np.maximum(1 - made / self.updates, 0.0)
            self.last = float(rates[-1])
        return rates

    def accept(self, descent, objective):
        accepted = super().accept(descent, objective)
        if accepted and objective == self.lowest and objective <= self.least:
            self.least, self.at_least[:] = objective, descent.parameters
        return accepted

    def finish(self, descent, problem, threads, stop_reason):
        objective = super().finish(descent, problem, threads, stop_reason)
        if self.least < objective and not descent.averages:
            lower = problem.value(self.at_least, threads)
            if lower < objective:
                descent.settle_at(self.at_least)
                objective = lower
        return objective
