"""Many linear models in one pass: learning rates, strengths of the penalty and folds as columns of theta."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

import numpy as np

from ._arrays import aligned_zeros
from ._core import core
from ._design import Design
from ._epochs import EpochPlan, Stretch, run_epochs
from ._options import CoreRule, Options
from ._penalty import NoPenalty
from ._problem import Problem
from ._quadratic import sums_of_folds
from ._rates import Rates
from ._stopping import LossWindow, PlateauRule, unit_of_tol
from ._targets import Targets

__all__ = [
    "CandidateFit",
    "Columns",
    "Diverged",
    "SharedProblem",
    "can_share_pass",
    "descend",
    "goes_by_moments",
    "lines_of",
]

_FEW_COLUMNS = 4  # for a thread
_MOST_LINES = 256  # of different weights, for which those of all columns are laid out


class Diverged(ArithmeticError):
    """A column's objective left the finite range or exploded."""


@dataclass
class CandidateFit:
    """One column: what it is and what became of it; to its Rates it is the descent."""

    rate: float
    alpha: float
    fold: int
    drops: int = 0  # plateaus of the adaptive schedule
    averages: bool = False
    t: int = 0  # the update that it begins with
    reference: float = np.nan
    rates: Rates = field(init=False)
    plateau_rule: PlateauRule = field(init=False)
    window: LossWindow = field(init=False)
    parameters: np.ndarray = field(init=False)  # (d + 1, outputs)
    epochs: int = 0
    watched: bool = True  # whether the sum of its losses decides anything
    diverged: bool = False
    stop_reason: str = "max_iter"

    def begin(self, options: Options, reference: float, unit: float, n: int) -> None:
        self.reference = reference
        self.plateau_rule = PlateauRule(options.stopping, unit)
        self.window = LossWindow(n)
        self.watched = options.stopping.waits or self.rates.reacts or not self.rates.bounded
        try:
            self.rates.begin(self)
        except Diverged:  # the objective overflows at the start
            self.diverged, self.parameters = True, np.full((1, 1), np.nan)

    def accept(self, loss: float, weight: float, penalty: float, rows: int) -> None:
        """Look at a stretch of updates, as a fit of its own does; notes a divergence."""
        if not self.watched:
            self.diverged |= not np.isfinite(penalty)
            return
        self.window.add(loss, weight, rows)
        self.objective = self.window.mean() + penalty
        try:
            self.rates.accept(self, self.objective)
        except Diverged:
            self.diverged = True

    def goes_on(self) -> bool:
        """After a check: whether neither divergence nor the stopping rule ends this column."""
        if self.diverged or not self.watched:
            return not self.diverged
        self.plateau_rule.update(self.objective)
        self.rates.observe(self, self.plateau_rule.waits, self.objective)
        if self.plateau_rule.plateau and not self.rates.on_plateau(self, self.plateau_rule):
            self.stop_reason = "tol"
            return False
        return True


@dataclass
class SharedProblem:
    """What the columns have in common: rows, targets, and the weights of each fold."""

    design: Design
    targets: Targets  # of one output; its weight is not used
    weights: np.ndarray  # (n, folds), each of mean one
    folds: list  # (train, test) rows
    options: Options  # the strength of whose penalty is 1
    rule: CoreRule
    sample_weight: np.ndarray | None = None
    problems: list = field(default_factory=list)  # the objective of each fold, without its penalty

    def __post_init__(self):
        bare = replace(self.options.objective, penalty=NoPenalty())
        for weight in np.ascontiguousarray(self.weights.T):
            self.problems.append(Problem(self.design, self.targets.with_weight(weight), bare))
        self.lines = lines_of(self.weights)

    @property
    def n(self) -> int:
        return self.design.n

    def at_zero(self) -> list[float]:
        """The objective of each fold where all weights are zero."""
        return [problem.value(problem.zeros()) for problem in self.problems]

    def units_of_tol(self, at_zero: list[float]) -> list[float]:
        """What `tol` is a share of in each fold."""
        return [unit_of_tol(problem, value) for problem, value in zip(self.problems, at_zero, strict=True)]

    def loss_of(self, candidate: CandidateFit) -> float:
        """Mean loss on its fold at the parameters where a candidate has ended."""
        problem = self.problems[candidate.fold]
        padded = problem.zeros()
        padded[:] = candidate.parameters
        return problem.value(padded)

    def columns(self, candidates: list[CandidateFit]) -> Columns:
        """What carries candidates through the epochs."""
        moments = _moments_of_folds(self) if goes_by_moments(self.options, self.design) else []
        return Columns(self, candidates, moments)


def lines_of(weights: np.ndarray):
    """The weights (lines, folds) as the core takes them, the line of each row, and whether they are even.

    Where those of a fold are 0 or all the same, rows have few different lines.
    """
    largest = weights.max(axis=0)
    inside = weights > 0
    even = bool((weights == inside * largest).all() and largest.all())
    if not even or weights.shape[1] > 16:
        return weights, None, even
    code = sum(inside[:, fold].astype(np.uint16) << fold for fold in range(weights.shape[1]))
    _, first, line_of = np.unique(code, return_index=True, return_inverse=True)
    if len(first) > _MOST_LINES:
        return weights, None, even
    return weights[first], line_of.astype(np.int32), even


def can_share_pass(options: Options, design: Design, targets: Targets, chunked: bool = False) -> bool:
    """Whether the columns of one theta can stand for fits with these options.

    Not for several columns a model, sparse rows, losses in Python, rules that look at all of theta, means of
    the iterates, and what each fold would have of its own (coordinates, a validation set). `chunked`: sums
    over many rows are in double from chunk to chunk.
    """
    optimizer, batch_size = options.optimizer, options.rows_per_update(design.n)
    long_float32 = batch_size > 4096 and design.dtype == np.float32 and not chunked
    return (
        not design.is_sparse
        and targets.columns == 1
        and targets.offset is None
        and not options.objective.penalty.joint
        and not callable(options.objective.loss._core_spec(1, targets.codes))
        and not (optimizer.searches or optimizer.stable or optimizer.blend is not None)
        and not (optimizer.restarts and batch_size == design.n)
        and not (long_float32 and not goes_by_moments(options, design))
        and options.averaging is None
        and not options.stopping.early_stopping
        and options.stopping.max_time is None
        and options.standardize is False
    )


def goes_by_moments(options: Options, design: Design) -> bool:
    """Whether second moments of the folds serve in place of the rows."""
    all_rows = options.rows_per_update(design.n) == design.n
    return options.objective.loss._quadratic and all_rows and design.d <= 2000


def _moments_of_folds(shared: SharedProblem) -> list[np.ndarray]:
    """Second moments of the rows that each fold trains on, under weights of mean one."""
    n, targets = shared.design.n, shared.targets.with_weight(shared.sample_weight)
    found = sums_of_folds(shared.design, targets, shared.folds)
    return [sums * (n / sums[-2, -2]) for sums in found]


def descend(shared: Any, candidates: list[CandidateFit], random: np.ndarray, threads: int = 1) -> None:
    """Carry all candidates through their epochs, until each has stopped.

    Threads share them; each column is the same for any number of these.
    """
    at_zero = [abs(value) or 1.0 for value in shared.at_zero()]
    units = shared.units_of_tol(at_zero)
    for candidate in candidates:
        candidate.begin(shared.options, at_zero[candidate.fold], units[candidate.fold], shared.n)
    live = sorted((each for each in candidates if not each.diverged), key=lambda each: each.fold)
    parts = min(threads, max(1, len(live) // _FEW_COLUMNS))
    groups = [live[len(live) * i // parts : len(live) * (i + 1) // parts] for i in range(parts) if live]
    _carry(shared, groups, random)
    with np.errstate(over="ignore", invalid="ignore"):  # of columns that diverge
        for candidate in candidates:
            _finish(shared, candidate)


def _carry(shared: Any, groups: list[list[CandidateFit]], random: np.ndarray) -> None:
    """Carry groups of candidates through the same orders of the rows, each on a thread of its own. After an
    error of one of them, or an interrupt, the others end with the updates that they are making."""
    over = Event()

    def carry(group):
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                columns = shared.columns(group)
                columns.over = over
                run_epochs(columns, columns.plan, random.copy())
                columns.retain(np.array([], dtype=np.intp))
        except BaseException:
            over.set()
            raise

    with ThreadPoolExecutor(max(1, len(groups) - 1), thread_name_prefix="skgd-columns") as pool:
        others = [pool.submit(carry, group) for group in groups[1:]]
        with suppress(CancelledError):  # for the error of another one
            for group in groups[:1]:
                carry(group)
        for error in (other.exception() for other in others):
            if error is not None and not isinstance(error, CancelledError):
                raise error


def _finish(shared: Any, candidate: CandidateFit) -> None:
    """A plateau on the way up is no end."""
    candidate.diverged |= not np.isfinite(candidate.parameters).all()
    if candidate.diverged or candidate.stop_reason != "tol" or candidate.rates.bounded:
        return
    limit = 2.0 if candidate.rates.noisy else 1.0 + 1e-9
    penalty = shared.options.objective.with_alpha(candidate.alpha).penalty.value(candidate.parameters[:-1])
    candidate.diverged = not shared.loss_of(candidate) + penalty <= limit * candidate.rates.reference


class Columns:
    """The candidates that go on, as columns of theta; those of a fold side by side."""

    over: Event | None = None  # set where their end is of no use any more

    def __init__(self, shared: Any, candidates: list[CandidateFit], moments: Sequence[np.ndarray] = ()):
        design = shared.design
        self.shared, self.moments, self.t = shared, moments, 0
        self.plan = EpochPlan.of(shared.options, shared.n, design.d)
        shape = (design.d + 1, len(candidates))
        self.arrays = [np.zeros(shape, design.dtype) for _ in range(1 + shared.rule.slots)]
        self._lay_out(candidates)

    def _lay_out(self, candidates: list[CandidateFit]) -> None:
        """Problem and arrays for these candidates, whose parameters are the columns of `arrays`."""
        self.candidates, shared, dtype = candidates, self.shared, self.shared.design.dtype
        columns = candidates if len(candidates) > 1 else candidates * 2  # the core takes two at least
        width = -(-len(columns) * dtype.itemsize // 32) * 32 // dtype.itemsize  # whole vectors
        ends = np.cumsum(np.bincount([c.fold for c in columns], minlength=len(shared.folds))).tolist()
        strength = np.zeros(width, dtype)
        strength[: len(columns)] = [candidate.alpha for candidate in columns]
        targets = Targets(shared.targets.y, None, len(columns), False)
        watched = any(candidate.watched for candidate in candidates)
        weights, line_of, even = shared.lines
        self.layout = len(columns), ends, watched
        folds = (weights, line_of, ends, strength, even, watched)
        self.problem = Problem(shared.design, targets, shared.options.objective, folds)
        for of_fold in self.moments:
            self.problem.use_moments(of_fold)
        padded = [aligned_zeros((len(array), width), dtype) for array in self.arrays]
        for new, array in zip(padded, self.arrays, strict=True):
            new[:, : len(columns)] = array
        self.arrays = padded

    def begin_epoch(self, epoch: int) -> None:
        """Nothing changes between epochs."""

    def advance(self, stretch: Stretch) -> bool:
        if self.over is not None and self.over.is_set():
            raise CancelledError
        each = [candidate.rates(self.t, stretch.updates) for candidate in self.candidates]
        rates = np.ascontiguousarray(np.column_stack(np.broadcast_arrays(*each)))
        theta, *slots = self.arrays
        bound = self.problem.bind(theta, tuple(slots), self.t)
        sums = self._run(bound, stretch, rates)
        self.t = bound.t
        for candidate, *numbers in zip(self.candidates, *sums, strict=False):
            candidate.epochs = stretch.epoch + 1
            if not candidate.diverged:
                candidate.accept(*numbers, stretch.count)
        return True

    def _run(self, bound, stretch: Stretch, rates: np.ndarray) -> Sequence:
        """Makes the updates of a stretch; gives sums of losses and weights, and penalties, of each column."""
        plan = (stretch.cut, rates, 1, 0.0)
        rule = self.shared.rule.core_spec
        return core.run_columns(self.problem.core, bound, rule, stretch.order, stretch.span, plan)[:3]

    def check(self, stretch: Stretch) -> str | None:
        keep = [candidate.goes_on() for candidate in self.candidates]
        if not all(keep):
            self.retain(np.flatnonzero(keep))
        return None if self.candidates else "all stopped"

    def retain(self, index: np.ndarray) -> None:
        """Let all candidates but these end where they are."""
        for k in set(range(len(self.candidates))) - set(index.tolist()):
            self.candidates[k].parameters = self.arrays[0][:, k : k + 1].copy()
        self.arrays = [array[:, index] for array in self.arrays]
        self.candidates = [self.candidates[k] for k in index]
        if self.candidates:
            self._lay_out(self.candidates)
