"""Schedules: factors of the learning rate as functions of the update number.

A schedule is any callable that takes an array of update numbers, counted from 0, and returns an array
of factors. When training starts, the schedules of this module are told the number of updates per epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator

__all__ = [
    "SCHEDULES",
    "Adaptive",
    "Constant",
    "CosLog",
    "Cosine",
    "Exponential",
    "InvScaling",
    "MultiStep",
    "OneCycle",
    "Optimal",
    "Polynomial",
    "Schedule",
    "Step",
    "Warmup",
]


@dataclass
class ScheduleContext:
    """Facts about the training that a schedule may use."""

    updates_per_epoch: float = 1.0
    max_iter: int = 1
    learning_rate: float = 1.0
    alpha: float = 0.0
    drops: int = 0  # number of plateaus of the objective so far (Adaptive)


class Schedule(BaseEstimator):
    """Base class of schedules: called with update numbers t, returns factors of the same shape."""

    name: str
    context = ScheduleContext()

    def bind(self, context: ScheduleContext) -> Schedule:
        """Return a copy with the given facts about the training."""
        bound = type(self)(**self.get_params(deep=False))
        bound.context = context
        return bound

    def __call__(self, t: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _check(self) -> None:
        """Raise where parameters are not what they can be, beyond the ranges of single numbers."""

    @property
    def reacting(self) -> Adaptive | None:
        """The part of the schedule that reacts to plateaus of the objective, if any."""
        return None


class Constant(Schedule):
    """Constant factor 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import Constant
    >>> Constant()(np.arange(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    name = "constant"

    def bind(self, context):
        return self

    def __call__(self, t):
        return np.ones(np.shape(t))


class InvScaling(Schedule):
    """1 / (1 + t)^power.

    Parameters
    ----------
    power : float, default=0.25
        The exponent, like SGDRegressor's ``power_t``.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import InvScaling
    >>> InvScaling(power=0.5)(np.array([0, 3, 99])).tolist()
    [1.0, 0.5, 0.1]
    """

    name = "invscaling"

    def __init__(self, power: float = 0.25):
        self.power = power

    def __call__(self, t):
        return (1.0 + np.asarray(t, dtype=float)) ** -self.power


class Optimal(Schedule):
    """1 / (1 + learning_rate alpha t), for strongly convex objectives (Bottou 2012).

    Constant if ``alpha=0``.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import ScheduleContext, Optimal
    >>> schedule = Optimal().bind(ScheduleContext(learning_rate=1.0, alpha=0.1))
    >>> schedule(np.array([0, 10, 30])).tolist()
    [1.0, 0.5, 0.25]
    """

    name = "optimal"

    def __call__(self, t):
        return 1.0 / (1.0 + self.context.learning_rate * self.context.alpha * np.asarray(t, dtype=float))


class Adaptive(Schedule):
    """Constant until the objective stops improving, then multiplied by ``factor``.

    Parameters
    ----------
    factor : float in (0, 1), default=0.2
        Factor applied at each plateau.
    patience : int, default=5
        Number of checks without an improvement by ``tol`` after which the objective is on a plateau.
        Training stops at a plateau if the new factor would be below 1e-4.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import Adaptive, ScheduleContext
    >>> schedule = Adaptive(factor=0.5).bind(ScheduleContext(drops=2))
    >>> schedule(np.arange(2)).tolist()
    [0.25, 0.25]
    """

    name = "adaptive"
    lowest = 1e-4

    def __init__(self, factor: float = 0.2, patience: int = 5):
        self.factor = factor
        self.patience = patience

    def __call__(self, t):
        return np.full(np.shape(t), self.factor**self.context.drops)

    @property
    def reacting(self):
        return self

    def exhausted(self) -> bool:
        """Whether the factor would fall below its lower limit at the next plateau."""
        return self.factor ** (self.context.drops + 1) < self.lowest


class Exponential(Schedule):
    """Exponential decay: decay^epoch, changing at every update.

    Parameters
    ----------
    decay : float in (0, 1], default=0.95
        Factor per epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import ScheduleContext, Exponential
    >>> schedule = Exponential(decay=0.5).bind(ScheduleContext(updates_per_epoch=2))
    >>> schedule(np.arange(5)).round(3).tolist()
    [1.0, 0.707, 0.5, 0.354, 0.25]
    """

    name = "exponential"

    def __init__(self, decay: float = 0.95):
        self.decay = decay

    def __call__(self, t):
        return self.decay ** (np.asarray(t, dtype=float) / self.context.updates_per_epoch)


class _Ending(Schedule):
    """A schedule over ``period`` epochs; None means all epochs."""

    period: float | None

    def _updates(self) -> float:
        period = self.context.max_iter if self.period is None else self.period
        return period * self.context.updates_per_epoch


class Cosine(_Ending):
    """Half a cosine from 1 to ``final`` over ``period`` epochs, then constant (Loshchilov & Hutter 2017).

    Parameters
    ----------
    period : float or None, default=None
        Length in epochs; None means ``max_iter``.
    final : float in [0, 1], default=0.0
        The last factor.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import Cosine, ScheduleContext
    >>> schedule = Cosine().bind(ScheduleContext(updates_per_epoch=1, max_iter=4))
    >>> schedule(np.arange(6)).round(3).tolist()
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    name = "cosine"

    def __init__(self, period: float | None = None, final: float = 0.0):
        self.period = period
        self.final = final

    def __call__(self, t):
        done = np.clip(np.asarray(t, dtype=float) / self._updates(), 0, 1)
        return self.final + (1 - self.final) * 0.5 * (1 + np.cos(np.pi * done))


class CosLog(_Ending):
    """Cosines of a logarithm: (1 - cos(2 pi u)) / 2, where u = log2(1 + (2^cycles - 1) t / T).

    T is the number of updates in ``period`` epochs; after update T the factor is 0. It rises from 0 to 1 and
    falls to 0 once in each cycle, and each cycle is twice as long as the one before (Holzmueller, Grinsztajn
    & Steinwart 2024).

    Parameters
    ----------
    cycles : float > 0, default=4
        Number of cycles; 4 is the schedule of RealMLP.
    period : float or None, default=None
        Length in epochs; None means ``max_iter``.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import CosLog, ScheduleContext
    >>> schedule = CosLog(cycles=2).bind(ScheduleContext(updates_per_epoch=1, max_iter=6))
    >>> schedule(np.arange(7)).round(3).tolist()
    [0.0, 0.93, 0.0, 0.718, 0.93, 0.324, 0.0]
    """

    name = "coslog"

    def __init__(self, cycles: float = 4, period: float | None = None):
        self.cycles = cycles
        self.period = period

    def __call__(self, t):
        done = np.clip(np.asarray(t, dtype=float) / self._updates(), 0, 1)
        turns = np.log2(1 + (2.0**self.cycles - 1) * done)
        return np.where(done < 1, np.sin(np.pi * turns) ** 2, 0.0)


class Polynomial(_Ending):
    """Polynomial decay: final + (1 - final) (1 - t / T)^power until update T, then constant.

    T is the number of updates in ``period`` epochs. With power 1 the decay is linear.

    Parameters
    ----------
    power : float >= 0, default=1.0
        The exponent.
    final : float in [0, 1], default=0.0
        The last factor.
    period : float or None, default=None
        Length in epochs; None means ``max_iter``.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import ScheduleContext, Polynomial
    >>> falling = Polynomial(power=2.0).bind(ScheduleContext(updates_per_epoch=1, max_iter=4))
    >>> falling(np.arange(5)).tolist()
    [1.0, 0.5625, 0.25, 0.0625, 0.0]
    """

    name = "polynomial"

    def __init__(self, power: float = 1.0, final: float = 0.0, period: float | None = None):
        self.power = power
        self.final = final
        self.period = period

    def __call__(self, t):
        left = 1 - np.clip(np.asarray(t, dtype=float) / self._updates(), 0, 1)
        return self.final + (1 - self.final) * left**self.power


class Step(Schedule):
    """Step decay: factor^floor(epoch / period), a drop after every ``period`` epochs.

    Parameters
    ----------
    factor : float in (0, 1), default=0.1
        Factor applied at each drop.
    period : float or None, default=None
        Epochs between two drops; None means a third of ``max_iter`` (as in He et al. 2016).

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import ScheduleContext, Step
    >>> halved = Step(factor=0.5, period=2).bind(ScheduleContext(updates_per_epoch=1, max_iter=6))
    >>> halved(np.arange(6)).tolist()
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """

    name = "step"

    def __init__(self, factor: float = 0.1, period: float | None = None):
        self.factor = factor
        self.period = period

    def __call__(self, t):
        period = self.context.max_iter / 3 if self.period is None else self.period
        periods = np.asarray(t, dtype=float) / (period * self.context.updates_per_epoch)
        return self.factor ** np.floor(periods + 1e-9)  # robust to rounding errors


class MultiStep(Schedule):
    """Drops at given epochs: factor^k once k of the ``milestones`` are reached.

    Parameters
    ----------
    milestones : sequence of float or None, default=None
        Epochs of the drops, in ascending order; None means one half and three quarters of ``max_iter``
        (as in He et al. 2016).
    factor : float in (0, 1), default=0.1
        Factor applied at each drop.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import MultiStep, ScheduleContext
    >>> schedule = MultiStep([2, 3], factor=0.5).bind(ScheduleContext(updates_per_epoch=2))
    >>> schedule(np.arange(8)).tolist()
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """

    name = "multi_step"

    def __init__(self, milestones=None, factor: float = 0.1):
        self.milestones = milestones
        self.factor = factor

    def _check(self):
        if self.milestones is None:
            return
        epochs = np.asarray(self.milestones)
        numbers = epochs.ndim == 1 and epochs.size > 0 and epochs.dtype.kind in "iuf"
        if not numbers or not np.isfinite(epochs).all() or epochs[0] < 0 or (np.diff(epochs) <= 0).any():
            raise ValueError(
                f"milestones={self.milestones!r} of MultiStep must be epochs from 0 on, in ascending order."
            )

    def __call__(self, t):
        half = self.context.max_iter / 2
        epochs = np.asarray([half, 1.5 * half] if self.milestones is None else self.milestones, dtype=float)
        places = np.asarray(t, dtype=float) + 1e-9  # robust to rounding errors
        return self.factor ** np.searchsorted(epochs * self.context.updates_per_epoch, places, side="right")


class OneCycle(_Ending):
    """Increase from ``start`` to 1, then decrease to ``final``, along half cosines (Smith & Topin 2019).

    Let T be the number of updates in ``period`` epochs and p = ``warmup``. The factor is ``start`` at
    update 0, 1 at update p T - 1, and ``final`` at update T - 1. From a factor a to a factor b it changes
    as a + (b - a) (1 - cos(pi s)) / 2, where s goes from 0 to 1. After update T - 1 it is constant.
    Momentum is not changed.

    Parameters
    ----------
    warmup : float in [0, 1), default=0.3
        Fraction of the updates during which the factor increases.
    start : float in (0, 1], default=0.04
        The first factor, 1/25.
    final : float in [0, 1], default=4e-6
        The last factor.
    period : float or None, default=None
        Length in epochs; None means ``max_iter``.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import ScheduleContext, OneCycle
    >>> cycle = OneCycle(warmup=0.3, start=0.0, final=0.0).bind(ScheduleContext(updates_per_epoch=10))
    >>> np.round(cycle(np.arange(10)), 2).tolist()
    [0.0, 0.5, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05, 0.0]
    """

    name = "one_cycle"

    def __init__(
        self,
        warmup: float = 0.3,
        start: float = 0.04,
        final: float = 4e-6,
        period: float | None = None,
    ):
        self.warmup = warmup
        self.start = start
        self.final = final
        self.period = period

    def __call__(self, t):
        t = np.asarray(t, dtype=float)
        last = max(self._updates() - 1, 0.0)
        peak = min(max(self.warmup * self._updates() - 1, 0.0), last)
        up = np.clip(t / peak, 0, 1) if peak > 0 else np.ones_like(t)
        down = np.clip((t - peak) / (last - peak), 0, 1) if last > peak else np.zeros_like(t)
        rising = self.start + (1 - self.start) * 0.5 * (1 - np.cos(np.pi * up))
        return np.where(t <= peak, rising, self.final + (1 - self.final) * 0.5 * (1 + np.cos(np.pi * down)))


class Warmup(Schedule):
    """Linear warm-up, (t + 1) / n for the first n updates (Goyal et al. 2017), then another schedule.

    The other schedule starts at update n, with the remaining epochs of ``max_iter``.

    Parameters
    ----------
    n : int
        Number of updates of the warm-up.
    then : str, Schedule or callable, default="constant"
        The schedule after the warm-up.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import ScheduleContext, Warmup
    >>> schedule = Warmup(4, then="polynomial").bind(ScheduleContext(updates_per_epoch=1, max_iter=8))
    >>> schedule(np.arange(9)).tolist()
    [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """

    name = "warmup"
    _after = None  # the schedule after the warm-up, once bound

    def __init__(self, n: int, then: str | Schedule | Callable = "constant"):
        self.n = n
        self.then = then

    def bind(self, context):
        bound = super().bind(context)
        bound._after = self.following
        if isinstance(bound._after, Schedule):
            left = max(context.max_iter - self.n / context.updates_per_epoch, 1 / context.updates_per_epoch)
            bound._after = bound._after.bind(replace(context, max_iter=left))
        return bound

    @property
    def following(self):
        """The schedule given by ``then``."""
        return SCHEDULES[self.then]() if isinstance(self.then, str) else self.then

    @property
    def reacting(self):
        return getattr(self._after, "reacting", None)

    def __call__(self, t):
        t = np.asarray(t)
        after = self.following if self._after is None else self._after
        if t.size == 0 or t.min() >= self.n:
            return after(t - self.n)
        return np.where(t < self.n, (t + 1) / self.n, after(np.maximum(t - self.n, 0)))


SCHEDULES = {
    schedule.name: schedule
    for schedule in (
        Constant,
        InvScaling,
        Optimal,
        Adaptive,
        Exponential,
        Step,
        MultiStep,
        Polynomial,
        Cosine,
        CosLog,
        OneCycle,
    )
}
