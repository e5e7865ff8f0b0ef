"""A Descent: where a descent is, and all that continues it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._arrays import aligned_zeros
from ._core import core
from ._features import Present
from ._fingerprint import digest
from ._network import blocks, shares
from ._options import CoreRule, Options
from ._penalty import Penalty
from ._problem import DESCENTS, STREAMS, Problem, penalty_problem

__all__ = ["Descent", "Undo"]


@dataclass(frozen=True)
class Lazy:
    """What a descent on a stream of sparse rows owes to its arrays, so that a call costs non-zeros only.

    ``stream`` is an object of the core, and cannot be pickled: what leaves the estimator is settled first.
    """

    stream: Any
    rule: CoreRule
    penalty: Penalty
    fit_intercept: bool


@dataclass(frozen=True)
class Undo:
    """The way back from the updates of a call, where a copy of the descent would cost all its features."""

    t: int
    average_start: int


@dataclass
class Descent:
    """Parameters, optimizer state and step counter: all that continues a descent.

    Parameters are in the coordinates of the Problem; `theta[j]` belongs to feature j, `theta[-1]` to
    the intercepts.
    """

    theta: np.ndarray
    slots: tuple
    random: np.ndarray  # uint64, (1,): state of the shuffling generator
    rule: str = "plain"  # whose state the slots are
    layers: tuple = ()  # (inputs, width, columns, offset) of each layer in theta
    last: int = 1  # so many of them, at the end, have a column for each of the raw scores
    gradient: np.ndarray | None = None  # gets the gradient of the last update, where wanted
    grid: np.ndarray | None = None  # powers of two that batch gradients are rounded to multiples of
    average: np.ndarray | None = None
    average_start: int = 0
    average_power: float = 0.0
    t: int = 0
    epochs: int = 0
    rate: float = 0.0  # the base learning rate
    l1: bool = False  # whether updates end with a proximal step
    owed: tuple | None = None  # strengths, where the slots hold what weights owe such a penalty
    blend: float | None = None  # share of the mean in theta where slots[0] is last iterate - mean
    drops: int = 0  # plateaus of the adaptive schedule
    reference: float | None = None  # the objective that an exploding one is compared with
    stream: dict = field(default_factory=dict)  # running statistics of partial_fit
    features: tuple | None = None  # (their numbers in X, features of X), the others being zero; None: all
    lazy: Lazy | None = None  # what the arrays are owed; None: they are what they say

    @classmethod
    def begin(cls, options: Options, problem: Problem, rule: CoreRule) -> Descent:
        """A descent at zero, with nothing behind it."""
        averaging = options.averaging
        return cls(
            problem.zeros(),
            tuple(problem.zeros() for _ in range(rule.slots)),
            np.array([options.seed], dtype=np.uint64),
            rule=rule.name,
            layers=problem.layers,
            last=1 if problem.shared is None else 2,
            average=None if averaging is None else problem.zeros(),
            average_start=0 if averaging is None else averaging.start,
            average_power=0.0 if averaging is None else averaging.power,
            l1=problem.penalty.kinked,
            owed=_owed(problem, rule.name),
            blend=options.optimizer.blend,
        )

    @classmethod
    def from_state(cls, state: dict) -> Descent:
        """The descent of a fitted estimator, with all features of X."""
        descent = object.__new__(cls)
        descent.__dict__.update(state)
        return descent._of_all_features()

    def among(self, features: Present | None) -> Descent:
        """The same, of which it is known that its features are these of X."""
        if features is None:
            return self
        fresh = self._twin()
        fresh.features = (features.numbers, features.total)
        return fresh

    def _of_all_features(self) -> Descent:
        if self.features is None:
            return self
        numbers, total = self.features

        def in_all(array):
            out = aligned_zeros((total + 1, array.shape[1]), array.dtype)
            for column, values in zip(out.T, array.T, strict=True):
                column[numbers], column[-1] = values[:-1], values[-1]
            return out

        fresh, ((_, width, columns, offset),) = self._twin(), self.layers
        fresh.features, fresh.layers = None, ((total, width, columns, offset),)
        fresh.theta, fresh.slots = in_all(self.theta), tuple(map(in_all, self.slots))
        fresh.average = None if self.average is None else in_all(self.average)
        return fresh

    def state(self) -> dict:
        """All of it as arrays, numbers and plain containers, once it is settled."""
        state = dict(self.__dict__)
        for name in ("gradient", "grid"):  # of a fit under way
            state.pop(name, None)
        return state

    def fits(self, options: Options, problem: Problem, rule: CoreRule) -> bool:
        """Whether it can go on as it is."""
        averaging = options.averaging
        power = 0.0 if averaging is None else averaging.power
        return (
            self.rule == rule.name
            and self.theta.dtype == problem.design.given
            and all(slot.dtype == problem.dtype for slot in self.slots)
            and self.layers == problem.layers
            and (self.average is not None, self.average_power) == (averaging is not None, power)
            and self.l1 == problem.penalty.kinked
            and self.owed == _owed(problem, rule.name)
            and self.blend == options.optimizer.blend
        )

    def _twin(self) -> Descent:
        """Another with the same arrays and counters."""
        twin = object.__new__(Descent)
        twin.__dict__.update(self.__dict__)
        return twin

    def copy(self) -> Descent:
        fresh = self._twin()
        fresh.theta, fresh.random = self.theta.copy(), self.random.copy()
        fresh.stream = dict(self.stream)
        fresh.slots = tuple(slot.copy() for slot in self.slots)
        fresh.average = None if self.average is None else self.average.copy()
        if self.lazy is not None:
            fresh._settle()
        return fresh

    def _settle(self) -> None:
        """Make copies of arrays what they say."""
        lazy, self.lazy = self.lazy, None
        assert lazy is not None
        d, width = self.widths
        problem = penalty_problem(d, width, self.theta.dtype, lazy.penalty, lazy.fit_intercept)
        lazy.stream.settled(problem.core, self.bind(), lazy.rule.core_spec)

    def become_lazy(self, problem: Problem, rule: CoreRule, batch_size: int) -> None:
        """From now on owe to the arrays what rows do not touch, where that can be; the arrays are its own.

        Those of perceptrons, which may have no hidden layer, are flat and owed nothing.
        """
        dtype = problem.dtype.char
        if self.theta.ndim == 2 and STREAMS[dtype].applies(
            problem.core, self.bind(), rule.core_spec, batch_size
        ):
            self.lazy = Lazy(STREAMS[dtype](), rule, problem.penalty, problem.fit_intercept)

    def stays_lazy(self, problem: Problem, rule: CoreRule, batch_size: int) -> bool:
        """Whether it can owe what the next rows do not touch as well."""
        lazy = self.lazy
        return (
            lazy is not None
            and (lazy.rule, lazy.penalty, lazy.fit_intercept)
            == (rule, problem.penalty, problem.fit_intercept)
            and lazy.stream.applies(problem.core, self.bind(), rule.core_spec, batch_size)
        )

    def shared(self) -> Descent:
        """The same arrays with counters and statistics of its own."""
        fresh = self._twin()
        fresh.random, fresh.stream = self.random.copy(), dict(self.stream)
        return fresh

    def open(self, problem: Problem, batch_size: int) -> None:
        """Before the updates of a call to a stream, which undo() takes back."""
        if self.lazy is not None:
            self.lazy.stream.open(problem.core, self.bind(), self.lazy.rule.core_spec, batch_size)

    def undo(self) -> None:
        """Take back what changed in the arrays since then."""
        if self.lazy is not None:
            self.lazy.stream.undo(self.bind())

    def close(self) -> None:
        """Keep what changed."""
        if self.lazy is not None:
            self.lazy.stream.close()

    def checkpoint(self) -> Descent | Undo:
        """What restore() takes to go back to here; of a lazy descent, to where its call began."""
        return self.copy() if self.lazy is None else Undo(self.t, self.average_start)

    def state_is_finite(self) -> bool:
        """Whether parameters and the state of the optimizer are; a stream of sparse rows does not look."""
        return self.lazy is not None or all(map(_is_finite, (self.theta, *self.slots)))

    def is_finite(self) -> bool:
        """Whether all parameters are finite; of a stream those that its last rows can have changed."""
        if self.lazy is not None:
            return self.lazy.stream.finite(self.bind())
        return _is_finite(self.theta)

    def offers_numbers(self) -> bool:
        """Whether all that it has to offer is finite."""
        return self.is_finite() if self.lazy is not None else _is_finite(self.parameters)

    def restore(self, other: Descent | Undo) -> None:
        """Go back to a copy taken earlier (the generator moves on)."""
        if isinstance(other, Undo):
            self.undo()
            self.t, self.average_start = other.t, other.average_start
            return
        self.theta[:] = other.theta
        for slot, saved in zip(self.slots, other.slots, strict=True):
            slot[:] = saved
        if self.average is not None:
            self.average[:] = other.average
        self.t, self.average_start = other.t, other.average_start

    def take_up(self, other: Descent) -> None:
        """Be where another of the same form is, generator included."""
        self.restore(other)
        self.random[:], self.stream = other.random, dict(other.stream)
        self.epochs, self.rate = other.epochs, other.rate
        self.drops, self.reference = other.drops, other.reference

    def continued_as(self, fresh: Descent) -> Descent:
        """This descent in the form of a fresh one: other dtype, optimizer or averaging.

        Parameters and generator carry over; what belongs to an optimizer or a mean only if they stay.
        """
        if self.widths != fresh.widths:
            raise ValueError(
                f"The model was fitted with {self.widths[0]} features and {self.widths[-1]} columns of raw "
                f"scores; now there are {fresh.widths[0]} and {fresh.widths[-1]}."
                if len(self.widths) == len(fresh.widths) == 2
                else f"The model was fitted with layers of widths {self.widths}; now they are {fresh.widths}."
            )

        def carry(into, array):
            with np.errstate(over="ignore"):
                for new, old in zip(blocks(into, fresh.layers), blocks(array, self.layers), strict=True):
                    new[:] = old
                kept = zip(shares(into, fresh.layers), shares(array, self.layers), strict=False)
                for new, old in kept if same_shares else ():
                    new[:] = old
            if into.dtype != array.dtype and not np.isfinite(into).all():
                raise ValueError(
                    f"The model, fitted in {array.dtype}, overflows {into.dtype}: give X as {array.dtype}, "
                    "or divide y by a constant and fit anew."
                )

        same_shares = _place_of_shares(self.layers) == _place_of_shares(fresh.layers)
        for share in shares(fresh.theta, fresh.layers):
            share[:] = 1
        carry(fresh.theta, self.theta if fresh.rule == self.rule or self.blend is None else self.parameters)
        fresh.random, fresh.stream = self.random.copy(), dict(self.stream)
        fresh.epochs, fresh.reference, fresh.drops = self.epochs, self.reference, self.drops
        if fresh.rule == self.rule:
            fresh.t, fresh.rate = self.t, self.rate
            if fresh.owed == self.owed:
                for slot, saved in zip(fresh.slots, self.slots, strict=True):
                    carry(slot, saved)
        if fresh.average is not None:
            if self.average is not None and fresh.t == self.t:
                carry(fresh.average, self.average)
                fresh.average_start = self.average_start
            else:
                fresh.average_start += fresh.t
        return fresh

    def bind(self):
        """The core's view of the arrays."""
        weighting = (self.average_start, self.average_power)
        counters = (self.t, int(self.random[0]))
        stream = None if self.lazy is None else self.lazy.stream
        return DESCENTS[self.theta.dtype.char](
            self.theta, self.slots, self.average, weighting, self.gradient, counters, stream, self.grid
        )

    @property
    def widths(self) -> list[int]:
        """Features, units of the hidden layers, columns of raw scores."""
        return [self.layers[0][0], *(width for _, width, _, _ in self.layers)]

    @property
    def averages(self) -> bool:
        """Whether there is a mean of the iterates yet."""
        if self.blend is not None:
            return self.t > 0
        return self.average is not None and self.t > self.average_start

    @property
    def parameters(self) -> np.ndarray:
        """What the descent has to offer, once it is settled: the mean of the iterates once there is one.

        A mean has no exact zeros; under an l1 penalty it gets those of the current iterate.
        """
        if not self.averages:
            return self.theta
        if self.blend is not None:  # theta = (1 - blend) last + blend mean
            last = self.theta + self.blend * self.slots[0]
            mean = self.theta - (1 - self.blend) * self.slots[0]
        else:
            assert self.average is not None
            last, mean = self.theta, self.average
        return self._offered(last, mean)

    def _offered(self, last: np.ndarray, mean: np.ndarray) -> np.ndarray:
        return np.where(last == 0, last, mean) if self.l1 else mean

    @property
    def intercepts(self) -> np.ndarray:
        """Those of the parameters; of a lazy descent too, to which weights alone are owed."""
        last, width = self.theta[-1], self.widths[-1]
        if self.averages and self.average is not None:
            last = self._offered(last, self.average[-1])
        return last[:width].copy()

    def forget_units(self) -> None:
        """Forget what a stream has told of rates in coordinates that are left, and the optimizer's state."""
        kept = {"units": self.stream["units"]} if "units" in self.stream else {}  # of y
        self.stream, self.rate = kept, 0.0
        self.start_mean_anew()
        for slot in self.slots:
            slot[:] = 0

    def start_mean_anew(self) -> None:
        """Forget the iterates so far."""
        self.average_start = self.t
        if self.blend is not None:
            for slot in self.slots:
                slot[:] = 0

    def settle_at(self, theta: np.ndarray) -> None:
        """Make theta what the descent has to offer."""
        if self.blend is not None:
            self.slots[0][:] = 0
        elif self.averages and self.average is not None:
            self.average[:] = theta
        if self.blend is not None or not self.averages or self.l1:
            self.theta[:] = theta


def _place_of_shares(layers: tuple) -> list[bool]:
    """Which layers, but the last, learn shares of their activation."""
    ends = [offset + (inputs + 1) * columns for inputs, _, columns, offset in layers[:-1]]
    return [end < following for end, (*_, following) in zip(ends, layers[1:], strict=True)]


def _is_finite(array: np.ndarray) -> bool:
    return core.all_finite(array.reshape(1, -1))


def _owed(problem: Problem, rule: str) -> tuple | None:
    """Strengths of the penalty that weights owe a part of, under the rule whose state says so."""
    penalty = problem.penalty
    if rule != "cumulative":
        return None
    return penalty.l1, penalty.l2, None if penalty.factors is None else digest(penalty.factors)
