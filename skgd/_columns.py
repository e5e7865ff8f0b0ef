"""Many linear models in one pass: learning rates, strengths of the penalty and folds as columns of theta."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from . import _options as options
from ._core import core
from ._problem import Penalty, Problem, Targets, aligned_zeros, second_moments
from ._rates import Rates
from ._training import _CHUNK, Progress, Settings, Window

_MOST_LINES = 256  # of different weights, for which those of all columns are laid out


class _Diverged(ArithmeticError):
    """A column's objective left the finite range or exploded."""


@dataclass
class Model:
    """One column: what it is and what became of it; to its Rates it is the descent."""

    rate: float
    alpha: float
    fold: int
    drops: int = 0  # plateaus of the adaptive schedule
    averages: bool = False
    reference: float = np.nan
    rates: Rates | None = None
    progress: Progress | None = None
    window: Window | None = None
    parameters: np.ndarray | None = None  # (d + 1, outputs)
    epochs: int = 0
    watched: bool = True  # whether the sum of its losses decides anything
    diverged: bool = False
    stop_reason: str = "max_iter"

    def accept(self, loss: float, weight: float, penalty: float, rows: int) -> None:
        """Look at a stretch of updates, as `train` does; raises _Diverged."""
        if not self.watched:
            if not np.isfinite(penalty):
                raise _Diverged
            return
        self.window.add(loss, weight, rows)
        self.objective = self.window.mean() + penalty
        self.rates.accept(self, self.objective)

    def stops(self) -> bool:
        """A check: whether the stopping rule ends this column."""
        if not self.watched:
            return False
        self.progress.update(self.objective, np.nan)
        self.rates.observe(self, self.progress.waits, self.objective)
        return self.progress.plateau and not self.rates.drop(self, self.progress)


@dataclass
class Search:
    """What the columns have in common: rows, targets, and the weights of each fold."""

    X: np.ndarray
    targets: Targets  # of one output; its weight is not used
    weights: np.ndarray  # (n, folds), each of mean one
    folds: list  # (train, test) rows
    loss: object
    penalty: Penalty  # for alpha = 1
    fit_intercept: bool
    settings: Settings
    slots: int
    sample_weight: np.ndarray | None = None
    problems: list = field(default_factory=list)  # the objective of each fold, without its penalty

    def __post_init__(self):
        for weight in np.ascontiguousarray(self.weights.T):
            targets = Targets(self.targets.y, weight, 1, self.targets.codes)
            self.problems.append(Problem(self.X, targets, self.loss, Penalty(), self.fit_intercept))
        self.lines = _lines(self.weights)


def _lines(weights: np.ndarray):
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


def together(estimator, X, targets, loss, optimizer, batch_size: int) -> bool:
    """Whether the columns of one theta can stand for fits of the estimator on these data.

    Not for several columns a model, sparse rows, losses in Python, rules that look at all of theta, means of
    the iterates, and what each fold would have of its own (coordinates, a validation set).
    """
    return (
        isinstance(X, np.ndarray)
        and targets.columns == 1
        and not callable(loss._core_spec(1, targets.codes))
        and not (optimizer.searches or optimizer.stable or optimizer.blend is not None)
        and not (optimizer.restarts and batch_size == X.shape[0])
        and not (batch_size > 4096 and X.dtype == np.float32 and not by_moments(X, loss, batch_size))
        and not options.averaging_of(estimator, None)[0]
        and not estimator.early_stopping
        and not options.standardize_of(estimator)
    )


def by_moments(X, loss, batch_size: int) -> bool:
    """Whether second moments of the folds serve in place of the rows."""
    return loss._quadratic and batch_size == X.shape[0] and X.shape[1] <= 2000


def _part(n: int, *rows) -> bool:
    """Whether these hold each of n rows once (a splitter may repeat rows)."""
    return bool((np.bincount(np.concatenate(rows), minlength=n) == 1).all())


def moments_of_folds(search: Search) -> list[np.ndarray]:
    """Second moments of the rows that each fold trains on, under weights of mean one: those of all rows less
    those held out, where these are the rest."""
    X, y, weight, n = search.X, search.targets.y, search.sample_weight, search.X.shape[0]

    def of(rows):
        targets = Targets(y, weight, 1, search.targets.codes).rows(rows)
        return second_moments(Problem(X[rows], targets, search.loss, Penalty()))

    complements = [_part(n, *fold) for fold in search.folds]
    held_out = [of(test) if rest else None for (_, test), rest in zip(search.folds, complements, strict=True)]
    everything = None
    if any(complements):  # each row once, if the folds part them
        parted = all(complements) and _part(n, *(test for _, test in search.folds))
        everything = sum(held_out) if parted else of(slice(None))
    found = []
    for (train, _), held in zip(search.folds, held_out, strict=True):
        total = of(train) if held is None else everything - held
        found.append(total * (n / total[-2, -2]))
    return found


def descend(search: Search, models: list[Model], random: np.ndarray, moments: bool) -> None:
    """Carry all models through their epochs, until each has stopped."""
    at_zero = [abs(problem.objective(problem.zeros())) or 1.0 for problem in search.problems]
    for model in models:
        model.reference = at_zero[model.fold]
        model.progress = Progress(search.settings, model.reference)
        model.window = Window(search.X.shape[0])
        model.rates.exploded = _Diverged
        model.rates.begin(model)
        stops = search.settings.tol is not None
        model.watched = stops or model.rates.reacts or not model.rates.bounded
    live = sorted(models, key=lambda model: model.fold)
    with np.errstate(over="ignore", invalid="ignore"):  # of columns that diverge
        _epochs(search, Columns(search, live, moments_of_folds(search) if moments else []), random)
        for model in models:
            _finish(search, model)


def _epochs(search: Search, columns, random) -> None:
    settings, (n, d) = search.settings, search.X.shape
    batch_size, check_every = settings.batch_size, settings.check_every
    order = core.Order(n, d) if settings.shuffle and batch_size < n else None
    cut, since_check = (-n // batch_size) % check_every, 0
    for epoch in range(settings.max_iter):
        if order is not None:
            order.shuffle(random)
        position = 0
        while position < n:
            until = cut if since_check < cut else check_every
            count = min(min(until - since_check, _CHUNK) * batch_size, n - position)
            *sums, updates = columns.advance(order, (position, count))
            position += count
            since_check += updates
            check = since_check >= check_every or (position == n and epoch + 1 == settings.max_iter)
            since_check = 0 if check else since_check
            keep = [
                _goes_on(model, (*numbers, count), check, epoch + 1)
                for model, *numbers in zip(columns.models, *sums, strict=False)
            ]
            if not all(keep):
                columns.retain(np.flatnonzero(keep))
            if not columns.models:
                return
    columns.retain(np.array([], dtype=np.intp))


def _goes_on(model: Model, sums, check: bool, epochs: int) -> bool:
    model.epochs = epochs
    try:
        model.accept(*sums)
    except _Diverged:
        model.diverged = True
        return False
    if check and model.stops():
        model.stop_reason = "tol"
        return False
    return True


def _finish(search: Search, model: Model) -> None:
    """A plateau on the way up is no end."""
    model.diverged |= not np.isfinite(model.parameters).all()
    if model.diverged or model.stop_reason != "tol" or model.rates.bounded:
        return
    problem = search.problems[model.fold]
    padded = problem.zeros()
    padded[:] = model.parameters
    limit = 2.0 if model.rates.noisy else 1.0 + 1e-9
    penalty, weights = search.penalty, np.abs(model.parameters[:-1]).astype(float)
    value = model.alpha * (penalty.l1 * weights.sum() + penalty.l2 / 2 * (weights**2).sum())
    model.diverged = not problem.objective(padded) + value <= limit * model.rates.reference


class Columns:
    """The models that go on, as columns of theta; those of a fold side by side."""

    def __init__(self, search: Search, models: list[Model], moments: list[np.ndarray]):
        self.search, self.moments, self.t = search, moments, 0
        self.arrays = [
            np.zeros((search.X.shape[1] + 1, len(models)), search.X.dtype) for _ in range(1 + search.slots)
        ]
        self._lay_out(models)

    def _lay_out(self, models: list[Model]) -> None:
        """Problem and arrays for these models, whose parameters are the columns of `arrays`."""
        self.models, search, dtype = models, self.search, self.search.X.dtype
        columns = models if len(models) > 1 else models * 2  # the core takes two at least
        width = -(-len(columns) * dtype.itemsize // 32) * 32 // dtype.itemsize  # whole vectors
        ends = np.cumsum(np.bincount([m.fold for m in columns], minlength=len(search.folds))).tolist()
        strength = np.zeros(width, dtype)
        strength[: len(columns)] = [model.alpha for model in columns]
        targets = Targets(search.targets.y, None, len(columns), False)
        watched = any(model.watched for model in models)
        weights, line_of, even = search.lines
        folds = (weights, line_of, ends, strength, even, watched)
        self.problem = Problem(
            search.X, targets, search.loss, search.penalty, search.fit_intercept, folds=folds
        )
        for of_fold in self.moments:
            self.problem.use_moments(of_fold)
        padded = [aligned_zeros((len(array), width), dtype) for array in self.arrays]
        for new, array in zip(padded, self.arrays, strict=True):
            new[:, : len(columns)] = array
        self.arrays = padded

    def advance(self, order, span):
        """Updates over these rows; sums of loss and weight and the penalty of each column, and updates."""
        settings = self.search.settings
        updates = -(-span[1] // settings.batch_size)
        rates = [model.rates(self.t, updates) for model in self.models]
        rates = np.column_stack(np.broadcast_arrays(*rates))
        theta, *slots = self.arrays
        bound = self.problem.bind(theta, tuple(slots), self.t)
        plan = (settings.batch_size, np.ascontiguousarray(rates), 1, 0.0)
        sums = core.run_columns(self.problem.core, bound, settings.rule, order, span, plan)
        self.t = bound.t
        return sums

    def retain(self, index: np.ndarray) -> None:
        """Let all models but these end where they are."""
        for k in set(range(len(self.models))) - set(index.tolist()):
            self.models[k].parameters = self.arrays[0][:, k : k + 1].copy()
        self.arrays = [array[:, index] for array in self.arrays]
        self.models = [self.models[k] for k in index]
        if self.models:
            self._lay_out(self.models)
