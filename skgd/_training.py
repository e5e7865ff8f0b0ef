"""The training loop: epochs of the core, checks, history, and one reason to stop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ._core import core
from ._problem import Descent, Problem
from ._rates import Rates

_CHUNK = 1 << 16  # updates per call of the core at most

COLUMNS = (
    "epoch",
    "update",
    "loss",
    "validation_score",
    "learning_rate",
    "gradient_norm",
    "seconds",
)


class Watcher:
    """Somebody told of every check: the progress on the screen, the callbacks of scikit-learn."""

    def begin(self, record: Record, descent: Descent) -> None:
        """Before updates; more than once for a check, where the core is called more than once."""

    def check(self, record: Record, descent: Descent) -> bool:
        """After a check; True stops the training."""
        return False

    def close(self, record: Record) -> None:
        """Training is over, for whatever reason, an error included."""

    def end(self) -> None:
        """The estimator is fitted."""


@dataclass
class Settings:
    """How to train; `batch_size` is n for solver="batch", `check_every` a number of updates."""

    batch_size: int
    rule: tuple  # (name, parameters) of the core's update rule
    max_iter: int
    check_every: int
    tol: float | None
    n_iter_no_change: int
    shuffle: bool = True
    threads: int = 1
    max_gradient_norm: float = 0.0  # 0: gradients are taken as they are
    record_path: bool = False
    early_stopping: bool = False
    score: Callable[[np.ndarray], float] | None = None  # validation score of parameters
    watchers: Sequence[Watcher] = ()


@dataclass
class Record:
    """What happened: one row per check."""

    history: dict = field(default_factory=lambda: {name: [] for name in COLUMNS})
    path: list = field(default_factory=list)
    epochs: int = 0
    place: float = 0.0  # epochs gone by, with their fraction, when the core was last called
    stop_reason: str = "error"  # until training ends otherwise
    start_loss: float = np.nan
    best_score: float = -np.inf
    best_parameters: np.ndarray | None = None

    def stopped(self, reason: str) -> Record:
        """The record of a training that ends here."""
        return replace(self, stop_reason=reason, path=list(self.path))

    def correct(self, descent: Descent) -> None:
        """The last point of the path was undone: the descent went on from elsewhere."""
        if self.path:
            self.path[-1] = descent.parameters.copy()

    def add(self, **row) -> None:
        for name, values in self.history.items():
            values.append(row[name])

    def even(self) -> None:
        """Drop a row that an interrupt left half written."""
        whole = min(map(len, self.history.values()))
        for values in self.history.values():
            del values[whole:]


class Window:
    """Mean loss over the last n rows visited, each as it was just before its update."""

    def __init__(self, n: int):
        self.n = n
        self.clear()

    def add(self, loss: float, weight: float, rows: int) -> None:
        self.parts.append((loss, weight, rows))
        self.loss, self.weight, self.rows = self.loss + loss, self.weight + weight, self.rows + rows
        while self.rows - self.parts[0][2] >= self.n:
            loss, weight, rows = self.parts.popleft()
            self.loss, self.weight, self.rows = (
                self.loss - loss,
                self.weight - weight,
                self.rows - rows,
            )
            self.dropped += 1
        if self.dropped >= len(self.parts):  # sums afresh, before differences lose digits
            self.loss = sum(part[0] for part in self.parts)
            self.weight = sum(part[1] for part in self.parts)
            self.dropped = 0

    def clear(self) -> None:
        self.parts, self.dropped = deque(), 0
        self.loss, self.weight, self.rows = 0.0, 0.0, 0

    def mean(self) -> float:
        return self.loss / self.weight if self.weight > 0 else 0.0


class Progress:
    """The stopping rules: plateaus of the objective, or of the validation score.

    Both are kept as costs; a check improves when it lies `least` below the last one that did.
    """

    def __init__(self, settings: Settings, start_loss: float):
        self.settings = settings
        tol = settings.tol or 0.0
        self.least = tol if settings.early_stopping else tol * start_loss
        self.best = np.inf
        self.waits = 0  # checks since the last improvement
        self.drops = 0  # times the rates were lowered since then

    def update(self, loss: float, score: float) -> None:
        cost = -score if self.settings.early_stopping else loss
        if cost < self.best - self.least:
            self.best, self.waits, self.drops = cost, 0, 0
        else:
            self.waits += 1

    def go_on(self) -> None:
        """Wait anew, with other rates."""
        self.waits = 0
        self.drops += 1

    @property
    def plateau(self) -> bool:
        """Whether n_iter_no_change checks in a row brought no improvement."""
        settings = self.settings
        stops = settings.tol is not None or settings.early_stopping
        return stops and self.waits >= settings.n_iter_no_change


def train(problem: Problem, descent: Descent, rates: Rates, settings: Settings, stream=False) -> Record:
    """Carry the descent through at most `max_iter` epochs; KeyboardInterrupt leaves it consistent.

    A stream (partial_fit) takes the objective of its first rows as what later ones are held against.
    """
    record = Record()
    try:
        if not stream or descent.reference is None:
            _take_reference(problem, descent, rates.automatic and not stream, settings, record)
        _train(problem, descent, rates, settings, record, stream)
    except KeyboardInterrupt:
        record.stop_reason = "interrupted"
        record.even()
    finally:
        for watcher in settings.watchers:
            watcher.close(record)
    return record


def _take_reference(problem, descent, automatic, settings, record):
    record.start_loss = problem.objective(descent.theta, settings.threads)
    at_zero, zero = 0.0, problem.constant() if automatic else problem.zeros()
    if not np.array_equal(descent.theta, zero):
        at_zero = problem.objective(zero, settings.threads)
    # the perceptron loss is 0 at 0; its unit is a margin of 1
    descent.reference = max(abs(record.start_loss), abs(at_zero)) or 1.0


def _train(problem, descent, rates, settings, record, stream):
    n, batch_size = problem.n, settings.batch_size
    order = core.Order(n, problem.d) if settings.shuffle and batch_size < n else None
    window, clock = Window(n), time.perf_counter()
    progress = Progress(settings, descent.reference)
    rates.begin(descent)
    if settings.record_path:
        record.path.append(descent.parameters.copy())
    since_check, epoch = 0, 0
    # Besides the checks, cut where a coming window of n rows will begin: an epoch before a check.
    updates_per_epoch = -(-n // batch_size)
    cut = -updates_per_epoch % settings.check_every
    while epoch < settings.max_iter:
        if order is not None:
            order.shuffle(descent.random)
        elif batch_size >= n and not stream:
            problem.condense(epoch)
        position = 0
        while position < n:
            until = cut if since_check < cut else settings.check_every
            room = min(until - since_check, _CHUNK)
            count = min(room * batch_size, n - position)
            record.place = epoch + position / n
            for watcher in settings.watchers:
                watcher.begin(record, descent)
            record.epochs = epoch + 1
            outcome = _advance(problem, descent, rates, settings, order, (position, count))
            loss, weight, penalty, gradient_norm, updates = outcome
            window.add(loss, weight, count)
            position += count
            since_check += updates
            objective = window.mean() + penalty
            if not rates.accept(descent, objective):
                record.correct(descent)
                window.clear()
                since_check = 0
                continue
            last = position == n and epoch + 1 == settings.max_iter
            if since_check < settings.check_every and not last:
                continue
            since_check = 0
            descent.epochs += position == n
            if descent.averages and not stream:
                objective = problem.objective(descent.parameters, settings.threads)
            score = settings.score(descent.parameters) if settings.score else np.nan
            record.add(
                epoch=epoch + position / n,
                update=descent.t,
                loss=objective,
                validation_score=score,
                learning_rate=rates.last,
                gradient_norm=gradient_norm,
                seconds=time.perf_counter() - clock,
            )
            if settings.record_path:
                record.path.append(descent.parameters.copy())
            if settings.early_stopping and score > record.best_score:
                record.best_score, record.best_parameters = score, descent.parameters.copy()
            stops = [watcher.check(record, descent) for watcher in settings.watchers]
            if any(stops):
                record.stop_reason = "callback"
                return
            progress.update(objective, score)
            rates.observe(descent, progress.waits, objective)
            if progress.plateau:
                if rates.drop(descent, progress):
                    record.correct(descent)
                else:
                    record.stop_reason = "early_stopping" if settings.early_stopping else "tol"
                    return
        epoch += 1
    record.stop_reason = "max_iter"


def _advance(problem, descent, rates, settings, order, span):
    """One call of the core over rows [start, start + count) of the order."""
    updates = -(-span[1] // settings.batch_size)
    values = rates(descent.t, updates)
    bound = descent.bind()
    plan = (settings.batch_size, values.reshape(-1, 1), settings.threads, settings.max_gradient_norm)
    try:
        return core.run(problem.core, bound, settings.rule, order, span, plan)
    finally:
        descent.t = bound.t
