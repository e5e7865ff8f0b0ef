"""Automatic rates of batch descent: from the gradients and objectives of its own steps."""

from __future__ import annotations

import numpy as np

from ._rates import Rates


class _Backtracking(Rates):
    """Batch rates that keep the best parameters seen and can go back to them.

    Each objective belongs to `before`, the parameters the update just made started from.
    """

    given = False

    def begin(self, descent):
        super().begin(descent)
        self.best, self.best_theta = np.inf, descent.theta.copy()
        self.before = descent.theta.copy()
        self.rate = self.base

    def __call__(self, t, count):
        self.last = self.rate
        return np.array([self.rate])

    def back_to_best(self, descent) -> None:
        descent.theta[:] = self.best_theta
        self.before = descent.theta.copy()

    def _no_smaller_rate(self, rate: float, objective: float) -> bool:
        """Whether an objective has to be accepted, as there is no smaller rate to try."""
        if rate == 0 and not np.isfinite(objective):
            raise self.exploded(self.base)
        return rate == 0

    def finish(self, descent, problem, threads, stop_reason):
        objective = problem.value(descent.theta, threads, as_updates=True)
        if not objective <= self.best:
            self.back_to_best(descent)
            objective = self.best
        return objective


class BatchRates(_Backtracking):
    """Batch descent on smooth losses: 1/L first, then Barzilai-Borwein steps.

    With s the last step and y the change of the gradient, an update takes s.s / s.y, or the least of the
    last s.y / y.y where the two differ much (ABBmin: Frassoldati, Zanni & Zanghirati 2008). How much
    grows with a short step and falls with a long one (Bonettini, Zanella & Zanni 2009), so that neither
    kind takes over. An update from above the highest of the last objectives (Grippo, Lampariello & Lucidi
    1986) is undone, and 1/L, halved each time and recovering after, is used instead.
    """

    memory, few = 100, 6
    ratio, less, more = 0.9, 0.9, 1.1  # where short steps begin, and its changes after short and long ones
    spectrum = np.geomspace(1e-4, 1, 25)  # eigenvalues over L

    def __init__(self, base, schedule, exploded, first: float | None = None):
        super().__init__(base, schedule, exploded)
        self.first = base if first is None else first  # the rate of the first update

    def begin(self, descent):
        super().begin(descent)
        self.most_growth = 1e8 if descent.theta.dtype == np.float64 else 1e3
        self.growth = np.ones_like(self.spectrum)
        self.exact = not descent.l1  # the update is linear in its rate, so it can be corrected
        descent.gradient = np.zeros_like(descent.theta)
        self.recent, self.full = [], self.base
        self._forget()
        self.rate = self.first

    def _forget(self):
        self.rate, self.step, self.gradient, self.short = self.base, None, None, []

    def accept(self, descent, objective):
        limit = max(self.recent, default=np.inf) + 1e-14 * self.reference
        if not (np.isfinite(objective) and objective <= limit):
            self.base *= 0.5
            self.back_to_best(descent)
            self._forget()
            return self._no_smaller_rate(self.base, objective)
        self.recent = [*self.recent, objective][-self.memory :]
        if self.step is not None:  # else it is where the last update was undone: nothing was gained yet
            self.base = min(self.full, 2 * self.base)
        if objective < self.best:
            self.best, self.best_theta = objective, self.before
        step = descent.theta - self.before
        gradient = descent.gradient.copy()
        rate = self._next_rate(gradient)
        if self.exact:
            self.last, step = rate, -rate * gradient
            descent.theta[:] = self.before + step
        self.rate = rate
        self.step, self.gradient, self.before = step, gradient, descent.theta.copy()
        return True

    def _next_rate(self, gradient):
        if self.step is None:
            return self.rate
        step, change = self.step.astype(float), (gradient - self.gradient).astype(float)  # squares of float32
        inner, length = float(np.vdot(step, change)), float(np.vdot(step, step))
        if not inner > 1e-14 * length / self.base:
            self.short = []
            return self.base
        long, short = length / inner, inner / float(np.vdot(change, change))
        self.short = [*self.short, short][-self.few :]
        if short < self.ratio * long:
            rate = min(self.short)
            self.ratio *= self.less
        else:
            rate = long
            self.ratio *= self.more
        return self.base * self._steady(float(np.clip(rate / self.base, 1e-3, 1e6)))

    def _steady(self, long: float) -> float:
        """The rate, over 1/L, kept from blowing up rounding errors.

        Long steps multiply the error along an eigenvalue x by |1 - rate x|; short ones undo that. Where
        a rate would take the growth above its limit, the eigenvalue that has grown most is served first.
        Rates lie on a grid, so that errors do not grow through them either. Equal problems (weights or
        repeated rows, dense or CSR) then keep equal paths.
        """
        worst = self.spectrum[np.argmax(self.growth * self.spectrum)]
        for rate in (2.0 ** (np.round(8 * np.log2(long)) / 8), 1 / worst, 1.0):
            growth = np.maximum(self.growth * np.abs(1 - rate * self.spectrum), 1)
            if growth.max() <= self.most_growth:
                break
        self.growth = growth
        return rate

    def on_plateau(self, descent, plateau_rule):
        """The steps are not monotone: a plateau counts once it follows a restart from the best."""
        if plateau_rule.plateaus:
            return False
        self.back_to_best(descent)
        self._forget()
        plateau_rule.go_on()
        return True


class PolyakRates(_Backtracking):
    """Batch descent on losses with kinks: Polyak's rate (F - target) / |gradient|^2 (Polyak 1969).

    The target lies `delta` below the best objective seen; delta grows when it is halfway met. It
    shrinks after `patience` updates that did not meet it and a path as long as the way from the start to
    the best parameters (Goffin & Kiwiel 1999): deltas that shrink by the number of updates alone make
    steps whose sum is finite, and end before a minimum that is far away.
    """

    patience, shrink, grow, most_drops = 15, 0.5, 1.5, 8
    near = 30  # times the margin of the stopping rule: a target this close is good enough to stop

    def __init__(self, base, schedule, exploded=None, *, free=lambda theta, gradient: gradient):
        super().__init__(base, schedule, exploded)
        self.free = free  # the part of a gradient that can be followed: bounds hold back the other

    def begin(self, descent):
        super().begin(descent)
        descent.gradient = np.zeros_like(descent.theta)
        self.exact = not descent.l1  # the update is linear in its rate, so it can be corrected
        self.start = descent.theta.copy()
        self.delta, self.mark, self.waits, self.path = 0.25 * self.reference, np.inf, 0, 0.0

    def accept(self, descent, objective):
        if not np.isfinite(objective):
            self.back_to_best(descent)
            self.delta *= self.shrink
            self.rate *= self.shrink
            return self._no_smaller_rate(self.rate, objective)
        if objective < self.best:
            self.best, self.best_theta = objective, self.before
        gradient = self.free(self.before, descent.gradient)
        squares = float(np.vdot(gradient, gradient))
        if self._missed(objective) and objective > self.best + 4 * self.delta:
            self.back_to_best(descent)
            self.rate = self._over(self.delta, squares)
            return True
        self.rate = self._over(objective - self.best + self.delta, squares)
        self.path += self.rate * squares**0.5
        if self.exact:
            self.last = self.rate
            descent.theta[:] = self.before - self.rate * descent.gradient
        self.before = descent.theta.copy()
        return True

    def _over(self, gap: float, squares: float) -> float:
        """Polyak's rate; where there is no slope left it does not matter, but has to be finite in float32."""
        return gap / squares if squares > np.finfo(np.float32).tiny else self.base

    def _missed(self, objective) -> bool:
        """Moves the target; True when it was given up."""
        if objective <= self.mark - 0.5 * self.delta:
            self.delta *= self.grow if np.isfinite(self.mark) else 1.0
            self.mark, self.waits, self.path = objective, 0, 0.0
            return False
        self.waits += 1
        if self.waits < self.patience or not self._far_enough():
            return False
        self._come_nearer()
        self.mark = self.best
        return True

    def _far_enough(self) -> bool:
        return self.path >= float(np.linalg.norm(self.best_theta - self.start))

    def _come_nearer(self) -> None:
        self.delta, self.waits, self.path = self.shrink * self.delta, 0, 0.0

    def on_plateau(self, descent, plateau_rule):
        held_out = plateau_rule.stopping.early_stopping
        if not held_out and self.delta > self.near * plateau_rule.margin and not self._far_enough():
            plateau_rule.waits = 0
            return True
        if plateau_rule.plateaus >= self.most_drops:
            return False
        self._come_nearer()
        plateau_rule.go_on()
        return True
