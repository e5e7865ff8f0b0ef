"""Training: a fit under way, its checks, its history, and one reason to stop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ._descent import Descent
from ._epochs import EpochPlan, Stretch, run_epochs
from ._fit import Fit
from ._held_out import Validation
from ._layer_norms import LayerNorms
from ._options import Stopping
from ._training_state import Keeper, state_of, take_up

__all__ = ["COLUMNS", "LossWindow", "PlateauRule", "Record", "Watcher", "pass_over", "train"]

COLUMNS = (
    "epoch",
    "update",
    "loss",
    "validation_loss",
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
class Record:
    """What happened: one row per check."""

    history: dict = field(default_factory=lambda: {name: [] for name in COLUMNS})
    path: list = field(default_factory=list)
    epochs: int = 0
    place: float = 0.0  # epochs gone by, with their fraction, when the core was last called
    stop_reason: str = "error"  # until training ends otherwise
    start_loss: float = np.nan
    start_parameters: np.ndarray | None = None
    best_cost: float = np.inf  # of what early stopping goes by
    best_score: float = np.nan  # where that was lowest
    best_epoch: float = 0.0  # at its end, with its fraction
    best_parameters: np.ndarray | None = None

    @property
    def seen(self) -> float:
        """Epochs gone by at the last check, with their fraction."""
        return self.history["epoch"][-1] if self.history["epoch"] else 0.0

    @property
    def found_best(self) -> np.ndarray | None:
        """The best parameters of an early stopping that came to its end."""
        return None if self.stop_reason == "interrupted" else self.best_parameters

    @property
    def best_epochs(self) -> int:
        """Whole epochs until then."""
        return max(1, round(self.best_epoch))

    def stopped(self, reason: str) -> Record:
        """The record of a training that ends here."""
        return replace(self, stop_reason=reason, path=list(self.path))

    def replace_last_point(self, descent: Descent) -> None:
        """The last point of the path was undone: the descent went on from elsewhere."""
        if self.path:
            self.path[-1] = descent.parameters.copy()

    def add(self, **row) -> None:
        for name, values in self.history.items():
            values.append(row[name])

    def drop_partial_row(self) -> None:
        """Make the columns equally long again, and the path as long as they, after an interrupt."""
        whole = min(map(len, self.history.values()))
        for values in self.history.values():
            del values[whole:]
        del self.path[whole + 1 :]


class LossWindow:
    """Mean loss over the last n rows visited, each as it was just before its update."""

    loss: float
    weight: float
    rows: int
    dropped: int

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
        self.parts: deque[tuple[float, float, int]] = deque()
        self.loss, self.weight, self.rows, self.dropped = 0.0, 0.0, 0, 0

    def mean(self) -> float:
        return self.loss / self.weight if self.weight > 0 else 0.0


class PlateauRule:
    """The stopping rule: `n_iter_no_change` checks in a row without an improvement end training.

    Objectives, validation losses and negative validation scores are costs; a check improves when it lies
    more than `margin` below the last one that did: `tol` for scores, `tol` times the reference for others.
    """

    def __init__(self, stopping: Stopping, reference: float):
        self.stopping = stopping
        tol = stopping.tol or 0.0
        self.margin = tol if stopping.by_score else tol * reference
        self.best = np.inf
        self.waits = 0  # checks since the last improvement
        self.plateaus = 0  # plateaus since then after which training went on

    def update(self, cost: float) -> None:
        if cost < self.best - self.margin:
            self.best, self.waits, self.plateaus = cost, 0, 0
        else:
            self.waits += 1

    def go_on(self) -> None:
        """Wait anew, with other rates."""
        self.waits = 0
        self.plateaus += 1

    @property
    def plateau(self) -> bool:
        return self.stopping.waits and self.waits >= self.stopping.n_iter_no_change


def train(
    fit: Fit,
    validation: Validation | None = None,  # what is measured on held-out rows
    watchers: Sequence[Watcher] = (),
    epochs: int | None = None,
    keeper: Keeper | None = None,  # of the state, and of one to go on from
) -> Record:
    """Carry the descent through at most `max_iter` epochs, or `epochs` of them; KeyboardInterrupt leaves it
    consistent."""
    record, keeper = Record(), keeper or Keeper()
    record.history |= {name: [] for name in (validation.columns if validation else ())}
    try:
        if keeper.saved is None:
            record.start_loss = fit.take_reference()
            if not fit.rates.given:  # else a fit ends where it ends
                record.start_parameters = fit.descent.theta.copy()
        training = _Training(fit, record, validation, watchers, keeper)
        if not training.has_ended:
            record.stop_reason = run_epochs(
                training, training.plan(epochs), fit.descent.random, training.begins
            )
            keeper.close(training.state)
    except KeyboardInterrupt:
        record.stop_reason = "interrupted"
        record.drop_partial_row()
    finally:
        for watcher in watchers:
            watcher.close(record)
    return record


def pass_over(fit: Fit) -> tuple[list[float], bool]:
    """Carry the descent of a stream through its next rows once; KeyboardInterrupt leaves it consistent.

    Gives their objective, in a list that is empty where an interrupt came before the end, and whether there
    was one. The objective of the first rows of a stream is what later ones are held against.
    """
    one = _Pass(fit)
    try:
        if fit.descent.reference is None:
            fit.take_reference()
        fit.rates.begin(fit.descent)
        run_epochs(one, fit.epoch_plan(), fit.descent.random)
    except KeyboardInterrupt:
        return one.losses, True
    return one.losses, False


class _Pass:
    """A pass over the next rows of a stream, as the epoch loop carries it."""

    def __init__(self, fit: Fit):
        self.fit, self.window = fit, LossWindow(fit.problem.n)
        self.losses: list[float] = []

    def begin_epoch(self, epoch: int) -> None:
        """There is one only."""

    def advance(self, stretch: Stretch) -> bool:
        descent = self.fit.descent
        loss, weight, penalty, self.gradient_norm, _ = self.fit.run(stretch)
        descent.epochs += stretch.ends_epoch
        self.window.add(loss, weight, stretch.count)
        self.objective = self.window.mean() + penalty
        if self.fit.rates.accept(descent, self.objective - self.fit.constant_of_units):
            return True
        self.window.clear()
        return False

    def check(self, stretch: Stretch) -> str | None:
        self.losses.append(self.objective)
        self.fit.rates.observe(self.fit.descent, 0, self.objective)
        return None


class _Training(_Pass):
    """One fit, as the epoch loop carries it."""

    def __init__(self, fit: Fit, record: Record, validation: Validation | None, watchers, keeper: Keeper):
        super().__init__(fit)
        self.record, self.validation, self.watchers = record, validation, watchers
        self.keeper, self.began = keeper, time.perf_counter()
        self.begins = self.place = (0, 0)  # epoch and batch: of the first update, of the one to come
        self.random = fit.descent.random.copy()  # before the order of the epoch was made
        if keeper.saved is None:
            self.plateau_rule = PlateauRule(fit.options.stopping, fit.descent.reference or 1.0)
            fit.rates.begin(fit.descent)
        else:
            fit.descent.take_up(keeper.saved["descent"])
            self.plateau_rule = PlateauRule(fit.options.stopping, fit.descent.reference or 1.0)
            fit.rates.begin(fit.descent)
            take_up(self, keeper.saved)
        self.norms = LayerNorms(fit.problem, fit.descent, record.history)
        if not record.path:
            self.record_path()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    @property
    def has_ended(self) -> bool:
        """Whether it was taken up where nothing was left to do; more time may have been given since."""
        limit, reason = self.fit.options.stopping.max_time, self.record.stop_reason
        over = reason != "max_time" or (limit is not None and self.seconds >= limit)
        return reason != "error" and over

    def plan(self, epochs: int | None) -> EpochPlan:
        limit = self.fit.options.stopping.max_time
        plan = self.fit.epoch_plan(np.inf if limit is None else self.began + limit)
        return plan if epochs is None else replace(plan, max_iter=epochs)

    def state(self) -> dict:
        return state_of(self)

    def record_path(self) -> None:
        if self.fit.options.record_path:
            self.record.path.append(self.fit.descent.parameters.copy())

    def begin_epoch(self, epoch: int) -> None:
        fit = self.fit
        self.random[:] = fit.descent.random
        if epoch == 1:
            fit.check_rows(epoch)
        if fit.options.rows_per_update(fit.problem.n) >= fit.problem.n:
            fit.problem.condense(epoch)

    def advance(self, stretch: Stretch) -> bool:
        record, descent = self.record, self.fit.descent
        record.place = stretch.begins
        for watcher in self.watchers:
            watcher.begin(record, descent)
        record.epochs = stretch.epoch + 1
        accepted = super().advance(stretch)
        if not accepted:
            record.replace_last_point(descent)
        return accepted

    def check(self, stretch: Stretch) -> str | None:
        reason = self.judge(stretch)
        self.place = stretch.epoch, stretch.next_batch
        if reason is None and self.keeper.is_due:
            self.keeper.keep(self.state())
        return reason

    def judge(self, stretch: Stretch) -> str | None:
        """Add a row to the history; the reason to stop, if there is one."""
        record, descent, rates = self.record, self.fit.descent, self.fit.rates
        if descent.averages:
            self.objective = self.fit.value()
        measured = {"validation_loss": np.nan, "validation_score": np.nan}
        if self.validation is not None:
            measured |= self.validation(descent.parameters)
        cost = self.fit.options.stopping.cost(self.objective, measured)
        self.add_row(stretch, measured)
        self.keep_the_best(cost, measured["validation_score"])
        stops = [watcher.check(record, descent) for watcher in self.watchers]
        if any(stops):
            return "callback"
        self.plateau_rule.update(cost)
        rates.observe(descent, self.plateau_rule.waits, self.objective - self.fit.constant_of_units)
        if not self.plateau_rule.plateau:
            return None
        if rates.on_plateau(descent, self.plateau_rule):
            record.replace_last_point(descent)
            return None
        return "early_stopping" if self.fit.options.stopping.early_stopping else "tol"

    def add_row(self, stretch: Stretch, measured: dict[str, float]) -> None:
        record, descent = self.record, self.fit.descent
        record.add(
            epoch=stretch.ends,
            update=descent.t,
            loss=self.objective,
            **measured,
            learning_rate=self.fit.rates.last,
            gradient_norm=self.gradient_norm,
            **self.norms(),
            seconds=self.seconds,
        )
        self.record_path()

    def keep_the_best(self, cost: float, score: float) -> None:
        record = self.record
        if self.fit.options.stopping.early_stopping and cost < record.best_cost:
            record.best_cost, record.best_score, record.best_epoch = cost, score, record.seen
            record.best_parameters = self.fit.descent.parameters.copy()
