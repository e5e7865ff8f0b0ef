"""Rates of the updates: base rate x schedule, and the care that "auto" takes of them."""

from __future__ import annotations

import numpy as np

from .exceptions import DivergenceError
from .schedules import Adaptive

_EXPLODED = 1e4  # times the objective at the start


class Rates:
    """A learning rate the user chose, times a schedule.

    Called with the number of the next update and a count, it gives that many rates.
    """

    def __init__(self, base: float, schedule, exploded):
        self.base, self.schedule = base, schedule
        self.exploded = exploded  # called with the rate when the objective exploded; gives the error
        self.last = base

    def begin(self, descent) -> None:
        self.reference = max(descent.reference, np.finfo(float).tiny)

    def __call__(self, t: int, count: int) -> np.ndarray:
        rates = self.base * np.asarray(self.schedule(np.arange(t, t + count)), dtype=float)
        rates = np.broadcast_to(rates, (count,))
        self.last = float(rates[-1])
        return np.ascontiguousarray(rates)

    def accept(self, descent, objective: float) -> bool:
        """Look at the objective after a stretch of updates; False undoes the stretch."""
        if not np.isfinite(objective) or objective > _EXPLODED * self.reference:
            raise self.exploded(self.base)
        return True

    def finish(self, descent, problem, threads) -> None:
        """Choose the parameters to end with."""

    def observe(self, descent, objective: float) -> None:
        """After a check."""

    def drop(self, descent, in_vain: int) -> bool:
        """At a plateau: True if the rate was lowered and training should go on.

        `in_vain` counts the times this was done since the last improvement.
        """
        if not isinstance(self.schedule, Adaptive) or self.schedule.exhausted():
            return False
        self.schedule.course.drops += 1
        descent.drops = self.schedule.course.drops
        return True


class AutoRates(Rates):
    """Automatic rates of the stochastic solvers.

    The base rate is divided by 1 + the number of checks whose objective went up (Kesten 1958): it falls
    only where the noise of the updates hides their progress. If the objective explodes the stretch is
    undone and the rate quartered. At the end the better of the mean and the last of the iterates is kept.
    """

    def __init__(self, base, schedule, horizon: float | None, stream=False):
        super().__init__(base, schedule, exploded=None)
        self.horizon = horizon  # updates over which the rate stays near its base; None: no decay
        self.stream = stream

    def begin(self, descent):
        super().begin(descent)
        self.saved, self.retries = descent.copy(), 0
        self.lowest = self.previous = self.reference
        self.rises = 0

    def __call__(self, t, count):
        rates = super().__call__(t, count) / (1 + self.rises)
        self.last = float(rates[-1])
        if self.horizon is not None:
            rates = rates / np.sqrt(1.0 + np.arange(t, t + count) / self.horizon)
            self.last = float(rates[-1])
        return rates

    def accept(self, descent, objective):
        limit = self.lowest + abs(self.lowest) + 0.1 * self.reference
        if self.stream:
            limit = 1e4 * self.reference
        fine = np.isfinite(objective) and objective <= limit and np.isfinite(descent.theta).all()
        if fine or self.retries >= 60:
            self.saved = descent.copy()
            self.lowest = min(self.lowest, objective)
            return True
        descent.restore(self.saved)
        self.base *= 0.25
        self.retries += 1
        descent.rate = self.base
        return False

    def observe(self, descent, objective):
        self.rises += objective > self.previous
        self.previous = objective

    def finish(self, descent, problem, threads):
        mean = descent.parameters
        if mean is descent.theta:
            return
        if problem.objective(descent.theta, threads) < problem.objective(mean, threads):
            mean[:] = descent.theta


class _Backtracking(Rates):
    """Batch rates that keep the best parameters seen and can go back to them.

    Each objective belongs to `before`, the parameters the update just made started from.
    """

    def begin(self, descent):
        super().begin(descent)
        self.best, self.best_theta = np.inf, descent.theta.copy()
        self.before = descent.theta.copy()
        self.rate = self.base

    def __call__(self, t, count):
        self.last = self.rate
        return np.full(count, self.rate)

    def back_to_best(self, descent) -> None:
        descent.theta[:] = self.best_theta
        self.before = descent.theta.copy()

    def finish(self, descent, problem, threads) -> None:
        objective = problem.objective(descent.theta, threads)
        if not objective <= self.best:
            self.back_to_best(descent)


class BatchRates(_Backtracking):
    """Batch descent on smooth losses: 1/L first, then Barzilai-Borwein steps.

    With s the last step and y the change of the gradient, an update takes s.s / s.y, or the least of the
    last s.y / y.y where the two differ much (ABBmin: Frassoldati, Zanni & Zanghirati 2008). An update
    from above the highest of the last ten objectives (Grippo, Lampariello & Lucidi 1986) is undone,
    and 1/L, halved each time, is used instead.
    """

    memory, few, ratio = 10, 6, 0.8

    def begin(self, descent):
        super().begin(descent)
        self.exact = not descent.l1  # the update is linear in its rate, so it can be corrected
        self.recent = []
        self._forget()

    def _forget(self):
        self.rate, self.step, self.gradient, self.short = self.base, None, None, []

    def accept(self, descent, objective):
        limit = max(self.recent, default=np.inf) + 1e-14 * self.reference
        if not (np.isfinite(objective) and objective <= limit):
            self.base *= 0.5
            self.back_to_best(descent)
            self._forget()
            return self.base == 0
        self.recent = [*self.recent, objective][-self.memory :]
        if objective < self.best:
            self.best, self.best_theta = objective, self.before
        step = descent.theta - self.before
        gradient = -step / self.rate
        rate = self._next_rate(gradient)
        if self.exact:
            self.last, step = rate, -rate * gradient
            descent.theta[:] = self.before + step
        self.rate = rate
        self.step, self.gradient, self.before = step, gradient, descent.theta.copy()
        return True

    def _next_rate(self, gradient):
        if self.step is None:
            return self.base
        change = gradient - self.gradient
        inner, length = float(np.vdot(self.step, change)), float(np.vdot(self.step, self.step))
        if not inner > 1e-14 * length / self.base:
            self.short = []
            return self.base
        long, short = length / inner, inner / float(np.vdot(change, change))
        self.short = [*self.short, short][-self.few :]
        rate = min(self.short) if short < self.ratio * long else long
        return float(np.clip(rate, 1e-3 * self.base, 1e6 * self.base))

    def drop(self, descent, in_vain):
        """The steps are not monotone: a plateau counts once it follows a restart from the best."""
        if in_vain:
            return False
        self.back_to_best(descent)
        self._forget()
        return True


class SubgradientRates(_Backtracking):
    """Batch descent on losses with kinks: the rate falls geometrically.

    After `patience` updates that brought no new best, descent goes back to the best parameters with the
    rate multiplied by `factor` (Goffin 1977: geometric rates converge linearly on sharp objectives).
    """

    patience, factor, most_drops = 6, 0.6, 12

    def begin(self, descent):
        super().begin(descent)
        self.waits = 0

    def accept(self, descent, objective):
        if objective < self.best:
            self.best, self.best_theta = objective, self.before
            self.waits = 0
        else:
            self.waits += 1
        self.before = descent.theta.copy()
        if self.waits >= self.patience or not np.isfinite(objective):
            self._lower(descent)
        return True

    def _lower(self, descent):
        self.rate *= self.factor
        self.waits = 0
        self.back_to_best(descent)

    def drop(self, descent, in_vain):
        if in_vain >= self.most_drops:
            return False
        self._lower(descent)
        return True
