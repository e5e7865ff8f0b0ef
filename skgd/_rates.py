"""Rates of the updates: base rate x schedule, and the control of the automatic rates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .schedules import Constant

_TINY = float(np.finfo(float).tiny)
_EXPLODED = 1e4  # times the objective at the start
_MOST_RETRIES = 60  # of a stretch of updates, each at half the rate
_GIVEN = (
    "schedule",
    "exploded",
    "free",
    "grid",
    "little",
)  # attributes that are not theirs but of the user or the fit


class Rates:
    """A learning rate that the user gave, times a schedule; also the protocol that all rates follow.

    The training loop calls, in this order::

        begin -> (call -> accept -> [look, observe -> [on_plateau]])* -> finish

    ``begin(descent)``
        Once, before the first update. ``descent.reference``, the size of the objective at the start, is
        known. May keep copies of the descent; may not change it.
    ``rates(t, count)``
        Before each stretch of updates: the rates of updates t .. t + count - 1. Changes nothing but
        ``last``, the rate of the last of these updates, which the history shows.
    ``accept(descent, objective)``
        After each stretch. ``objective`` is F over the last n rows visited, each as it was before its
        update. May change the parameters and the state of the descent. False says that the stretch was
        undone: the loop forgets its objectives, and goes on with the next rows. Raises what ``exploded``
        gives where the descent cannot go on.
    ``look(mean)``
        At each check: what ``observe`` will want to know of it. May keep the mean of the iterates, if any.
    ``observe(descent, waits, objective, look)``
        After each check, with the objective there and the number of checks in a row that brought no
        improvement; perhaps not before the updates up to the next check are made. May change the rates to
        come and the parameters.
    ``on_plateau(descent, plateau_rule)``
        After ``observe`` where the stopping rule sees a plateau. True if training goes on, with other
        rates or from other parameters; it then has called ``plateau_rule.go_on()``, whose calls since the
        last improvement ``plateau_rule.plateaus`` counts.
    ``finish(descent, problem, threads, stop_reason)``
        Once, at the end, also on copies while training goes on. Makes the descent offer the best
        parameters that are known (``descent.settle_at``), and gives the objective there.

    ``state()``
        After a check: all that the calls above have changed, as numbers, arrays, copies of the descent, and
        lists and tuples of them; what is compiled or belongs to the user is left out. May share arrays
        with the rates.
    ``take_up(state)``
        After ``begin``, on a descent that is where that of the state was: the rates go on from there as if
        there had been no interruption. The constructor has been given the same arguments.

    Nobody sets attributes from outside: all that differs between fits is given to the constructor.

    Parameters
    ----------
    base : float
        The learning rate that the schedule multiplies.
    schedule : callable
        Multipliers from update numbers.
    exploded : callable, default=None
        Called with a rate at which the objective exploded or overflowed; gives the error to raise.
    bounded : bool, default=True
        Whether too high a rate oscillates only, since steps are bounded; else the objective explodes.
    noisy : bool, default=True
        Whether updates see a part of the rows.

    Attributes
    ----------
    last : float
        The rate of the last update asked for.
    given : bool
        Whether the user gave the rate; else it is automatic.
    falls : bool
        Whether it falls to zero over the updates that ``max_iter`` allows.
    """

    given = True
    falls = False

    def __init__(self, base: float, schedule, exploded=None, *, bounded=True, noisy=True):
        self.base, self.schedule, self.exploded = base, schedule, exploded
        self.bounded, self.noisy = bounded, noisy
        self.last = base

    def begin(self, descent) -> None:
        if not np.isfinite(descent.reference):
            raise self.exploded(self.base)
        self.reference = max(descent.reference, _TINY)
        self.update_at_start, self.base_at_start = descent.t, self.base

    def state(self) -> dict:
        kept = {name: value for name, value in vars(self).items() if name not in _GIVEN}
        reacting = getattr(self.schedule, "reacting", None)
        return kept if reacting is None else {**kept, "drops": reacting.context.drops}

    def take_up(self, state: dict) -> None:
        state = dict(state)
        drops = state.pop("drops", None)
        if drops is not None:
            self.schedule.reacting.context.drops = drops
        vars(self).update(state)

    def repeated(self, history: dict, per_epoch: int) -> Callable | None:
        """A schedule that repeats the rates of a training where its checks changed them, for another with so
        many updates an epoch; None where they will be the same without."""
        return self._repeated(history, per_epoch) if self.reacts else None

    def _repeated(self, history: dict, per_epoch: int) -> Callable:
        ends, factors = np.array(history["epoch"]), np.array(history["learning_rate"]) / self.base_at_start

        def schedule(t):
            checks = np.searchsorted(ends, (np.asarray(t) - self.update_at_start) / per_epoch, side="right")
            return factors[np.minimum(checks, len(factors) - 1)]

        return schedule

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

    @property
    def highest(self) -> float:
        """The objective above which updates have exploded."""
        return np.inf if self.bounded else _EXPLODED * self.reference

    def accept(self, descent, objective: float) -> bool:
        """Look at the objective after a stretch of updates; False undoes the stretch."""
        if objective > self.highest or not np.isfinite(objective):
            raise self.exploded(self.base)
        return True

    def look(self, mean: np.ndarray | None) -> tuple:
        """What observe() will want to know of a check, as numbers and arrays."""
        return ()

    def observe(self, descent, waits: int, objective: float, look: tuple = ()) -> None:
        """After a check that gave `objective`; `waits` of them in a row have brought no improvement."""
        adaptive = getattr(self.schedule, "reacting", None)
        if adaptive is None or waits == 0 or waits % adaptive.patience:
            return
        if not adaptive.exhausted():
            adaptive.context.drops += 1
            descent.drops = adaptive.context.drops

    def on_plateau(self, descent, plateau_rule) -> bool:
        """At a plateau: True if training should go on, with other rates."""
        adaptive = getattr(self.schedule, "reacting", None)
        return adaptive is not None and not adaptive.exhausted()

    def finish(self, descent, problem, threads, stop_reason) -> float:
        """Choose the parameters to end with; gives the objective there."""
        objective = problem.value(descent.parameters, threads)
        if not np.isfinite(objective):  # by the last update, whose objective nobody has seen
            raise self.exploded(self.base)
        limit = 2.0 if self.noisy else 1.0 + 1e-9
        exploding = stop_reason == "tol" and not objective <= limit * self.reference
        if exploding and not self.bounded:
            raise self.exploded(self.base)  # a plateau on the way up
        return objective


class GuardedRates(Rates):
    """An automatic rate: a stretch in which the objective explodes is undone, and the rate halved.

    Under momentum an objective may rise without any explosion, by the kinetic energy that the velocity v
    had where the objective was lowest: F + beta / (2 rate) |v|^2 never rises under a stable rate
    (Ochs, Chen, Brox & Pock 2014), and at the minimum all of it is in v.

    Parameters
    ----------
    base, schedule, exploded
        As in Rates.
    momentum : float, default=0.0
        beta, of rules whose first state array is v.
    has_velocity : bool, default=False
        Whether the first state array is a mean of past gradients or steps, which zeros forget.
    headroom : float, default=0.1
        How far the objective may rise beyond twice its lowest value, over the objective at the start.
    most_plateaus : int, default=4
        Plateaus in a row before one ends the fit.
    stream : bool, default=False
        Whether rows are those of a stream: only objectives 1e4 times that of the first rows are undone.
    factors : ndarray or float, default=1.0
        Of the rate of each parameter: |v|^2 is the sum of v_i^2 / factor_i.

    References
    ----------
    Ochs, Chen, Brox & Pock (2014). iPiano: inertial proximal algorithm for nonconvex optimization. SIAM J.
    Imaging Sciences 7.
    """

    given, as_updates = False, False  # the second: see Problem.value

    def __init__(
        self,
        base: float,
        schedule,
        exploded=None,
        *,
        momentum: float = 0.0,
        has_velocity: bool = False,
        headroom: float = 0.1,
        most_plateaus: int = 4,
        stream: bool = False,
        factors: np.ndarray | float = 1.0,
    ):
        super().__init__(base, schedule, exploded)
        self.momentum, self.has_velocity, self.headroom = momentum, has_velocity, headroom
        self.factors = factors
        self.most_plateaus, self.stream = most_plateaus, stream

    def begin(self, descent):
        super().begin(descent)
        self.saved = self.good = self.origin = descent.checkpoint()
        self.retries = self.in_a_row = 0
        self.lowest, self.factor = self.reference, 1.0
        self.speed = 0.0  # |v|^2 where the objective was lowest
        self.latest = np.inf  # objective that was accepted

    def __call__(self, t, count):
        rates = super().__call__(t, count) * self.factor
        self.last = float(rates[-1])
        return rates

    def accept(self, descent, objective):
        fine = objective <= self._limit() and np.isfinite(objective) and descent.is_finite()
        if fine or (self.retries >= _MOST_RETRIES and np.isfinite(objective)):
            if objective <= self.lowest:
                self._keep(objective)
            self.saved, self.in_a_row, self.latest = descent.checkpoint(), 0, objective
            return True
        if self.retries >= _MOST_RETRIES:
            raise self.exploded(self.base)
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

    def _limit(self) -> float:
        if self.stream:
            return _EXPLODED * self.reference
        energy = 0.5 * self.momentum * self.speed / self.last if self.last > 0 else 0.0
        return self.lowest + abs(self.lowest) + self.headroom * self.reference + energy

    def _keep(self, objective: float) -> None:
        """The lowest objective so far: that of the stretch which began at `saved`."""
        self.lowest, self.good = objective, self.saved
        if self.momentum > 0:
            velocity = self.good.slots[0]
            self.speed = float(np.vdot(velocity, velocity / self.factors))

    def on_plateau(self, descent, plateau_rule):
        if plateau_rule.plateaus >= self.most_plateaus:
            return False
        plateau_rule.go_on()
        return True

    def _go_back(self, descent, theta) -> None:
        """Go on from parameters seen earlier, at rest."""
        descent.theta[:] = theta
        if self.has_velocity:
            descent.slots[0][:] = 0

    def finish(self, descent, problem, threads, stop_reason):
        """The better of the mean and the last iterate; parameters seen earlier if it lies above the start."""
        mean = descent.parameters
        objective = problem.value(mean, threads, self.as_updates)
        if mean is not descent.theta:
            objective = self._settle(descent, problem, threads, descent.theta, objective)
        for earlier in (self.good, self.origin):
            if not objective <= self.reference:  # noise took it above the start
                objective = self._settle(descent, problem, threads, earlier.parameters, objective)
        return objective

    def _settle(self, descent, problem, threads, theta, objective) -> float:
        """Settle at theta where the objective is lower there; gives the lower one."""
        there = problem.value(theta, threads, self.as_updates)
        if there >= objective or np.isnan(there):
            return objective
        descent.settle_at(theta)
        return there


class RestartRates(GuardedRates):
    """Automatic rates of batch descent by any rule.

    Rules with momentum pass the minimum and swing back, and adaptive rules can leave it. At a plateau the
    descent that has left its best parameters therefore restarts from them, at rest. Only plateaus in a row
    that bring nothing new end the fit.

    Parameters
    ----------
    base, schedule, exploded, **options
        As in GuardedRates.
    plateau_factor : float, default=1.0
        What the rate is multiplied by at a plateau: below 1 where steps do not shrink by themselves.
    grid : ndarray or None, default=None
        Powers of two that the gradients of the loss are rounded to multiples of; None: they are not.
    """

    as_updates = True

    def __init__(self, base, schedule, exploded=None, *, plateau_factor: float = 1.0, grid=None, **options):
        super().__init__(base, schedule, exploded, **options)
        self.noisy, self.plateau_factor, self.grid = False, plateau_factor, grid

    def begin(self, descent):
        super().begin(descent)
        descent.grid = self.grid

    def on_plateau(self, descent, plateau_rule):
        goes_on = super().on_plateau(descent, plateau_rule)
        if goes_on:
            self.factor *= self.plateau_factor
            if self.latest > self.lowest:
                self._go_back(descent, self.good.theta)
                self.saved = descent.copy()
        return goes_on

    def finish(self, descent, problem, threads, stop_reason):
        objective = super().finish(descent, problem, threads, stop_reason)
        if self.lowest < objective:
            objective = self._settle(descent, problem, threads, self.good.theta, objective)
        return objective


class AutoRates(GuardedRates):
    """Automatic rates of the stochastic solvers.

    The base rate is careful, since the curvature assumed is a bound; checks control a factor of it.

    With a mean of the iterates, a check knows F there and the progressive objective of the iterates
    themselves. The excess of the second is the noise of the updates, less the lag of the mean: the rate
    is halved while the excess is a large part of what has been gained, and grows while it is negligible. The
    first plateau in a row starts the mean anew: from the best one at a quarter of the rate or, if the
    iterates have become better than it, from the last of them at twice the rate. The second ends the fit.

    Without a mean all noise shows, and a check without improvement lowers the rate.

    Parameters
    ----------
    base, schedule, exploded, **options
        As in GuardedRates.
    horizon : float or None, default=None
        Updates over which the rate stays near its base, before it falls as their root; None: it does not.
    falls_from : int, default=0
        The update from which they are counted.
    growth_limit : float, default=1.0
        The largest factor of the base rate.
    noise_floor : float, default=0.0
        Excess, over the objective at the start, that is negligible.
    """

    slow_growth, fast_growth = 1.05, 1.2  # of the rate, at a check
    noise_limit = 0.1  # excess over what was gained, from which the rate is halved
    patience = 3  # without a mean: checks without improvement that are a plateau
    decay, plateau_factor = 0.85, 0.3  # of the rate, at such a check and at a plateau

    def __init__(
        self,
        base,
        schedule,
        exploded=None,
        *,
        horizon: float | None = None,
        falls_from: int = 0,
        growth_limit: float = 1.0,
        noise_floor: float = 0.0,
        **options,
    ):
        super().__init__(base, schedule, exploded, **options)
        self.horizon, self.falls_from = horizon, falls_from
        self.growth_limit, self.noise_floor = growth_limit, noise_floor

    def begin(self, descent):
        super().begin(descent)
        self.best, self.best_theta = np.inf, None  # of the means at checks
        self.lowered = self.lowered_then = 0  # times that checks did so; before the last updates
        self.excess = np.inf  # at the last check, if it halved the rate

    def __call__(self, t, count):
        rates = super().__call__(t, count)
        if self.horizon is not None and np.isfinite(self.horizon):
            decay = np.arange(count, dtype=float)  # rate / sqrt(1 + t / horizon), in few passes
            decay += t - self.falls_from + self.horizon
            np.sqrt(decay, out=decay)
            rates = np.divide(rates * np.sqrt(self.horizon), decay, out=decay)
        self.last = float(rates[-1])
        return rates

    def accept(self, descent, objective):
        self.lowered_then = self.lowered
        return super().accept(descent, objective)

    def look(self, mean):
        """The objective of the updates, how often the rate was lowered before them, and the mean."""
        return self.latest, self.lowered_then, mean

    def observe(self, descent, waits, objective, look=()):
        super().observe(descent, waits, objective)
        if self.stream:
            return
        latest, lowered, mean = look or self.look(None)
        if mean is None:
            if waits == 0:
                self._grow(self.slow_growth)
            else:
                self.factor *= self.decay * (self.plateau_factor if waits % self.patience == 0 else 1.0)
            return
        if objective < self.best:
            self.best, self.best_theta = objective, mean
        if lowered != self.lowered:  # since those updates, which say nothing of the rate now
            return
        excess, negligible = latest - objective, self.noise_floor * self.reference
        if excess > self.noise_limit * max(self.reference - objective, negligible):
            self._lower(descent, excess)
            return
        self.excess = np.inf
        if excess < negligible:
            self._grow(self.fast_growth)
        elif waits == 0:
            self._grow(self.slow_growth)

    def _lower(self, descent, excess: float) -> None:
        """Halve the rate; where that did not help the last time, the iterates are not noisy but in a bad
        place, which lower rates would only keep them in: they go on from the best mean."""
        self.lowered += 1
        if excess > 0.9 * self.excess:
            self._go_back(descent, self.best_theta)
            self.saved, self.excess = descent.copy(), np.inf
        else:
            self.factor, self.excess = 0.5 * self.factor, excess

    def _grow(self, by: float) -> None:
        self.factor = max(self.factor, min(self.factor * by, self.growth_limit))

    def on_plateau(self, descent, plateau_rule):
        automatic_mean = descent.averages and (descent.average_power or descent.blend is not None)
        if plateau_rule.plateaus or not automatic_mean:
            return False
        self._start_mean_anew(descent)
        plateau_rule.go_on()
        return True

    def _start_mean_anew(self, descent):
        if self.best < self.latest:
            self._go_back(descent, self.best_theta)
            self.factor *= 0.25
        else:
            self._grow(2.0)
        descent.start_mean_anew()
        self.saved = descent.copy()

    def finish(self, descent, problem, threads, stop_reason):
        """The best of the last mean, the last iterate and the means at checks."""
        objective = super().finish(descent, problem, threads, stop_reason)
        if self.best < objective:
            descent.settle_at(self.best_theta)
            objective = self.best
        return objective
