"""Copies of the descent of a stream that make the same updates under random weights of the rows."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._arrays import aligned_zeros
from ._coordinates import to_original
from ._core import core
from ._descent import Descent
from ._design import Design, design_of
from ._epochs import Stretch, run_epochs
from ._fit import Fit
from ._fitting import descent_of_stream
from ._penalty import L2, NoPenalty, Penalty
from ._problem import Problem
from ._rates import Rates
from ._targets import Targets, padded_columns
from ._training import pass_over
from .schedules import Constant

__all__ = ["Following", "Replicates"]

_LONG = 4096  # rows of an update, from which columns of float32 lose digits


class _Logged:
    """Rates of a stream that keep what they gave: [updates, rates, whether they were kept]."""

    def __init__(self, rates: Rates):
        self.rates, self.log = rates, []  # type: ignore[var-annotated]

    def __getattr__(self, name: str):
        return getattr(self.rates, name)

    def __call__(self, t: int, count: int) -> np.ndarray:
        values = self.rates(t, count)
        self.log.append([count, values, True])
        return values

    def accept(self, descent, objective: float) -> bool:
        self.log[-1][2] = self.rates.accept(descent, objective)
        return self.log[-1][2]


class _Repeated(Rates):
    """The rates that another descent had, and its undoing of updates."""

    def __init__(self, log: list, base: float):
        super().__init__(base, Constant())
        self.log = iter(log)

    def begin(self, descent) -> None:
        self.descent = descent

    def __call__(self, t: int, count: int) -> np.ndarray:
        _, values, self.kept = next(self.log)
        self.start = None if self.kept else self.descent.checkpoint()
        return values

    def accept(self, descent, objective: float) -> bool:
        if not self.kept:
            descent.restore(self.start)
        return self.kept


@dataclass
class Replicates:
    """Copies of a stream's descent: columns of one Descent where the core can carry them so, else one each.

    Copy b updates by W_ib times the slope of row i where the stream itself does by that slope, at the same
    rates and in the same order (Fang, Xu & Yang 2018). Between calls parameters are in the coordinates of X.
    """

    count: int
    random: np.random.Generator
    columns: Descent | None = None
    single: tuple[Descent, ...] = ()
    standardized: bool = False  # whether the last rows were

    def parameters(self) -> np.ndarray:
        """(copies, columns of raw scores, features + 1)."""
        each = map(_settled, self.each())
        return np.stack([one.parameters[:, : one.widths[-1]].T for one in each]).astype(float)

    def settled(self) -> Replicates:
        """The same without anything compiled."""
        return replace(self, single=tuple(map(_settled, self.single)))

    def each(self) -> tuple[Descent, ...]:
        return self.single if self.columns is None else _split(self.columns, self.count)


class Following:
    """One call to a stream, which the copies follow: its Fit keeps for them what they need."""

    def __init__(self, before: Replicates):
        self.before = before
        self.opened: list[Descent] = []

    def __call__(self, fit: Fit, grown: Callable[[Descent], Descent]) -> Following:
        """Before the updates; `grown` gives a descent of the calls before in the shape of this one."""
        logged: Any = _Logged(fit.rates)
        self.grown, self.log, self.fit = grown, logged.log, replace(fit, rates=logged)
        self.shuffling, self.t = fit.descent.random.copy(), fit.descent.t
        self.start = None if self.before.each() else to_original(fit.descent.copy(), fit.problem)
        return self

    def follow(self) -> None:
        """Make the updates that the stream has made; those of an interrupted call are made by nobody."""
        if self.fit.descent.t != self.t + sum(count for count, _, kept in self.log if kept):
            raise KeyboardInterrupt
        before, problem = self.before, self.fit.problem
        random = deepcopy(before.random)
        weight = _weights(problem, before.count, random)
        after = replace(before, random=random, standardized=problem.standard is not None)
        if _share_columns(self.fit):
            self.after = replace(after, columns=self._columns(weight), single=())
        else:
            self.after = replace(after, columns=None, single=tuple(self._single(weight)))

    def undo(self) -> None:
        for descent in self.opened:
            descent.undo()

    def close(self) -> Replicates:
        """Keep what changed; gives the copies as they are now."""
        for descent in self.opened:
            descent.close()
        return self.after

    def _previous(self) -> list[Descent]:
        """The copies before the call; of a first call they are where the stream starts."""
        if self.start is not None:
            return [self.start] * self.before.count
        found = [self._continued(self.grown(one)) for one in self.before.each()]
        if self.fit.problem.standard is not None and not self.before.standardized:
            for one in found:
                one.forget_units()
        return found

    def _columns(self, weight: np.ndarray) -> Descent:
        """Of all copies after the updates, as columns."""
        fit = self.fit
        standard = fit.problem.standard
        stacked = self.before.columns
        if stacked is None or not self._goes_on(stacked):
            stacked = _stack(self._previous())
        stacked = stacked.copy()
        stacked.t, stacked.average_start = self.t, fit.descent.average_start
        _move(stacked, None if standard is None else standard.to_standardized)
        columns = _Columns(fit, stacked, weight, iter(self.log))
        run_epochs(columns, fit.plan(fit.options, fit.problem.n, fit.problem.d), self.shuffling.copy())
        _move(stacked, None if standard is None else standard.to_original)
        return stacked

    def _continued(self, descent: Descent) -> Descent:
        """A copy in the form that rule, dtype and mean of the call ask for."""
        fit = self.fit
        if descent.fits(fit.options, fit.problem, fit.rule):
            return descent
        return _settled(descent).continued_as(Descent.begin(fit.options, fit.problem, fit.rule))

    def _goes_on(self, stacked: Descent) -> bool:
        """Whether the columns of the call before can go on as they are."""
        main = self.fit.descent
        return (
            (self.fit.problem.standard is not None) == self.before.standardized
            and (stacked.rule, stacked.theta.dtype) == (main.rule, main.theta.dtype)
            and (stacked.average is None, stacked.average_power) == (main.average is None, main.average_power)
        )

    def _single(self, weight: np.ndarray) -> list[Descent]:
        """Each copy after the updates, by a training of its own."""
        return [self._trained(one, column) for one, column in zip(self._previous(), weight.T, strict=True)]

    def _trained(self, previous: Descent, weight: np.ndarray) -> Descent:
        fit, main = self.fit, self.fit.descent
        targets = fit.problem.targets.with_weight(np.ascontiguousarray(weight))
        problem = Problem(fit.problem.design, targets, fit.problem.objective)
        descent = descent_of_stream(fit.options, problem, fit.rule, previous)
        descent.random[:], descent.t, descent.reference = self.shuffling, self.t, main.reference
        descent.average_start = main.average_start
        descent.open(problem, fit.options.batch_size or problem.n)
        self.opened.append(descent)
        rates = _Repeated(self.log, main.rate)
        _, interrupted = pass_over(Fit(fit.options, problem, fit.rule, descent, rates, True))
        if interrupted:
            raise KeyboardInterrupt
        return to_original(descent, problem)


class _Columns:
    """The copies as columns of theta, as the epoch loop carries them."""

    def __init__(self, fit: Fit, stacked: Descent, weight: np.ndarray, log):
        self.fit, self.stacked, self.log, problem = fit, stacked, log, fit.problem
        count, width = weight.shape[1], stacked.theta.shape[1]
        design, penalty = _plain(problem)
        ends, strength = list(range(1, count + 1)), np.zeros(width, problem.dtype)
        strength[:count] = 1
        targets = Targets(problem.targets.y, None, count, False)
        folds = (np.ascontiguousarray(weight), None, ends, strength, False, False)
        self.problem = Problem(design, targets, replace(problem.objective, penalty=penalty), folds)

    def begin_epoch(self, epoch: int) -> None:
        """There is one."""

    def advance(self, stretch: Stretch) -> bool:
        _, values, kept = next(self.log)
        if not kept:
            return False
        rates = np.repeat(np.reshape(values, (-1, 1)), self.stacked.widths[-1], axis=1)
        bound = self.stacked.bind()
        plan = (stretch.cut, rates, 1, 0.0)
        core.run_columns(self.problem.core, bound, self.fit.rule.core_spec, stretch.order, stretch.span, plan)
        self.stacked.t = bound.t
        return True

    def check(self, stretch: Stretch) -> str | None:
        return None


def _share_columns(fit: Fit) -> bool:
    """Whether the core can carry the copies as columns: see _columns.can_share_pass."""
    problem, optimizer = fit.problem, fit.options.optimizer
    targets, design = problem.targets, problem.design
    return (
        not design.is_sparse
        and design.mapping is None
        and problem.network is None
        and targets.columns == 1
        and targets.offset is None
        and type(problem.penalty) in (NoPenalty, L2)
        and problem.penalty.bounds is None
        and not callable(problem.loss._core_spec(1, targets.codes))
        and not (optimizer.searches or optimizer.stable or optimizer.blend is not None)
        and not (fit.options.rows_per_update(design.n) > _LONG and design.dtype == np.float32)
    )


def _plain(problem: Problem) -> tuple[Design, Penalty]:
    """Rows in the coordinates of the descent, and the penalty there: columns know none."""
    design, penalty = problem.design, problem.penalty
    if design.standard is None:
        return design, penalty
    center, scale = design.standard.center, design.standard.scale
    rows = np.ascontiguousarray((design.X - center) / scale, dtype=design.dtype)
    strength = np.broadcast_to(penalty.l2_of_features / scale**2, len(scale))
    return design_of(rows), L2(1.0, factors=np.array(strength))


def _weights(problem: Problem, count: int, random: np.random.Generator) -> np.ndarray:
    """(n, copies): independent, 0 or 2, times the weights of the rows."""
    weight = 2.0 * random.integers(0, 2, size=(problem.n, count), dtype=np.int8)
    of_rows = problem.targets.weight
    return (weight if of_rows is None else weight * of_rows[:, None]).astype(problem.dtype)


def _arrays(descent: Descent) -> list[np.ndarray]:
    mean = [] if descent.average is None else [descent.average]
    return [descent.theta, *descent.slots, *mean]


def _with(descent: Descent, arrays: list[np.ndarray], columns: int) -> Descent:
    """The descent with other arrays, of so many columns."""
    theta, *rest = arrays
    slots, mean = tuple(rest[: len(descent.slots)]), rest[len(descent.slots) :]
    layers = ((len(theta) - 1, columns, theta.shape[1], 0),)
    return replace(descent, theta=theta, slots=slots, average=mean[0] if mean else None, layers=layers)


def _stack(each: list[Descent]) -> Descent:
    """Descents of one column as columns of one."""
    arrays = []
    for parts in zip(*map(_arrays, map(_settled, each)), strict=True):
        into = aligned_zeros((len(parts[0]), padded_columns(len(parts), parts[0].dtype)), parts[0].dtype)
        into[:, : len(parts)] = np.hstack([part[:, :1] for part in parts])
        arrays.append(into)
    return _with(each[0], arrays, len(each))


def _split(stacked: Descent, count: int) -> tuple[Descent, ...]:
    """The way back."""
    every = [[np.ascontiguousarray(a[:, k : k + 1]) for a in _arrays(stacked)] for k in range(count)]
    return tuple(_with(stacked, arrays, 1) for arrays in every)


def _settled(descent: Descent) -> Descent:
    return descent if descent.lazy is None else descent.copy()


def _move(descent: Descent, moved: Callable | None) -> None:
    """Parameters and their mean into other coordinates, in place."""
    for array in (descent.theta, descent.average):
        if array is not None and moved is not None:
            array[:] = moved(array)
