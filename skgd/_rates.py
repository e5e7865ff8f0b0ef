"""Rates of the updates: base rate x schedule, and the care that "auto" takes of them."""

from __future__ import annotations

import numpy as np

from .schedules import Constant

_EXPLODED = 1e4  # times the objective at the start


class Rates:
    """A learning rate the user chose, times a schedule."""

    bounded = True  # slopes are bounded: too high a rate oscillates, it does not explode
    noisy = True  # updates see a part of the rows
    automatic = False  # chosen from the data, for a start at the best constant

    def __init__(self, base: float, schedule, exploded):
        self.base, self.schedule = base, schedule
        self.exploded = exploded  # called with the rate when the objective exploded; gives the error
        self.last = base

    def begin(self, descent) -> None:
        self.reference = max(descent.reference, np.finfo(float).tiny)

    def __call__(self, t: int, count: int) -> np.ndarray:
        """The rates of updates t .. t + count - 1; one where it is the same for all."""
        if isinstance(self.schedule, Constant):
            self.last = self.base
            return np.array([self.base])
        multipliers = np.asarray(self.schedule(np.arange(t, t + count)), dtype=float)
        if multipliers.shape not in ((), (count,)):
            raise ValueError(
                f"schedule={self.schedule!r} gave an array of shape {multipliers.shape} for {count} "
                f"update numbers; one multiplier for each is needed."
            )
        if not np.all(multipliers >= 0) or np.isinf(multipliers).any():
            raise ValueError(f"schedule={self.schedule!r} gave a multiplier that is negative or not finite.")
        rates = np.full(count, self.base * multipliers)
        self.last = float(rates[-1])
        return rates

    @property
    def reacts(self) -> bool:
        """Whether the schedule waits for plateaus of the objective."""
        return getattr(self.schedule, "reacting", None) is not None

    def accept(self, descent, objective: float) -> bool:
        """Look at the objective after a stretch of updates; False undoes the stretch."""
        exploded = objective > _EXPLODED * self.reference and not self.bounded
        if exploded or not np.isfinite(objective):
            raise self.exploded(self.base)
        return True

    def finish(self, descent, problem, threads, stop_reason) -> float:
        """Choose the parameters to end with; gives the objective there."""
        objective = problem.objective(descent.parameters, threads)
        limit = 2.0 if self.noisy else 1.0 + 1e-9
        exploding = stop_reason == "tol" and not objective <= limit * self.reference
        if exploding and not self.bounded:
            raise self.exploded(self.base)  # a plateau on the way up
        return objective

    def observe(self, descent, waits: int, objective: float) -> None:
        """After a check that gave `objective`; `waits` of them in a row have brought no improvement."""
        adaptive = getattr(self.schedule, "reacting", None)
        plateau = adaptive is not None and waits > 0 and waits % adaptive.patience == 0
        if plateau and not adaptive.exhausted():
            adaptive.course.drops += 1
            descent.drops = adaptive.course.drops

    def drop(self, descent, progress) -> bool:
        """At a plateau: True if training should go on, with other rates."""
        adaptive = getattr(self.schedule, "reacting", None)
        return adaptive is not None and not adaptive.exhausted()


class AutoRates(Rates):
    """Automatic rates of the stochastic solvers.

    The base rate is careful, since the curvature assumed is a bound; checks steer a factor of it.
    If the objective explodes the stretch is undone and the rate halved.

    With a mean of the iterates, a check knows F there and the progressive objective of the iterates
    themselves. The excess of the second is the noise of the updates, less the lag of the mean: the rate
    is halved while it is a large part of what has been gained, and grows while it is hardly there. The
    first plateau in a row starts the mean anew: from the best one at a quarter of the rate or, if the
    iterates have left it behind, from the last of them at twice the rate. The second ends the fit.

    Without a mean all noise shows, and a check without improvement lowers the rate.
    """

    automatic = True

    grow, faster, most_grown = 1.05, 1.2, 1.0
    loud = 0.1  # excess over what was gained, from which the rate is halved
    quiet = 0.0  # excess over the objective at the start, below which the mean only lags: tol
    room = 0.1  # of the objective at the start, for it to rise beyond twice its lowest value
    shrink, plunge = 0.85, 0.3
    swings, settle = 4, 1.0

    def __init__(self, base, schedule, horizon: float | None, patience: float = 3, stream=False):
        super().__init__(base, schedule, exploded=None)
        self.horizon = horizon  # updates over which the rate stays near its base; None: no decay
        self.patience = patience  # checks without improvement after which the rate falls; inf: momentum
        self.stream = stream

    def begin(self, descent):
        super().begin(descent)
        self.saved = self.good = self.origin = descent.copy()
        self.retries = self.in_a_row = 0
        self.lowest, self.factor = self.reference, 1.0
        self.best, self.best_theta = np.inf, None  # of the means at checks
        self.progressive = np.inf
        self.excess = np.inf  # at the last check, if it halved the rate

    def __call__(self, t, count):
        rates = super().__call__(t, count) * self.factor
        if self.horizon is not None and np.isfinite(self.horizon):
            decay = np.arange(t, t + count, dtype=float)
            decay /= self.horizon
            decay += 1.0
            rates = rates / np.sqrt(decay, out=decay)
        self.last = float(rates[-1])
        return rates

    def accept(self, descent, objective):
        limit = self.lowest + abs(self.lowest) + self.room * self.reference
        if self.stream:
            limit = 1e4 * self.reference
        fine = np.isfinite(objective) and objective <= limit and np.isfinite(descent.theta).all()
        if fine or self.retries >= 60:
            if objective <= self.lowest:
                self.lowest, self.good = objective, self.saved
            self.saved, self.in_a_row = descent.copy(), 0
            self.progressive = objective
            return True
        if self.in_a_row == 0:
            descent.restore(self.saved)
        else:  # a stretch can end at a bad point: go back to where the best one began
            descent.restore(self.good)
            self.saved, self.lowest = self.good, self.reference
        self.base *= 0.5
        self.retries += 1
        self.in_a_row += 1
        descent.rate = self.base
        return False

    def observe(self, descent, waits, objective):
        super().observe(descent, waits, objective)
        if self.stream or not np.isfinite(self.patience):
            return
        if not descent.averages:
            if waits == 0:
                self._grow(self.grow)
            else:
                self.factor *= self.shrink * (self.plunge if waits % self.patience == 0 else 1.0)
            return
        if objective < self.best:
            self.best, self.best_theta = objective, descent.parameters.copy()
        excess, unit = self.progressive - objective, self.quiet * self.reference
        if excess > self.loud * max(self.reference - objective, unit):
            self._calm(descent, excess)
            return
        self.excess = np.inf
        if excess < unit:
            self._grow(self.faster)
        elif waits == 0:
            self._grow(self.grow)

    def _calm(self, descent, excess: float) -> None:
        """Halve the rate; where that did not help the last time, the iterates are not noisy but in a bad
        place, which lower rates would only keep them in: they go on from the best mean."""
        if excess > 0.9 * self.excess:
            descent.theta[:] = self.best_theta
            self.saved, self.excess = descent.copy(), np.inf
        else:
            self.factor, self.excess = 0.5 * self.factor, excess

    def _grow(self, by: float) -> None:
        self.factor = max(self.factor, min(self.factor * by, self.most_grown))

    def drop(self, descent, progress):
        if np.isfinite(self.patience):
            if progress.drops or not (descent.averages and descent.average_power):
                return False
            self._start_mean_anew(descent)
        elif progress.drops >= self.swings:  # momentum swings: a few plateaus before one counts
            return False
        else:
            self.factor *= self.settle
        progress.go_on()
        return True

    def _start_mean_anew(self, descent):
        if self.best < self.progressive:
            descent.theta[:] = self.best_theta
            self.factor *= 0.25
        else:
            self._grow(2.0)
        descent.start_mean_anew()
        self.saved = descent.copy()

    def finish(self, descent, problem, threads, stop_reason):
        """The best of the last mean, the last iterate and the means at checks."""
        mean = descent.parameters
        objective = problem.objective(mean, threads)
        if mean is not descent.theta:
            at_last = problem.objective(descent.theta, threads)
            if at_last < objective:
                descent.settle_at(descent.theta)
                objective = at_last
        if self.best < objective:
            descent.settle_at(self.best_theta)
            objective = self.best
        for earlier in (self.good, self.origin):
            if not objective <= self.reference:  # noise took it above the start
                at_earlier = problem.objective(earlier.parameters, threads)
                if not at_earlier >= objective:
                    descent.settle_at(earlier.parameters)
                    objective = at_earlier
        return objective
