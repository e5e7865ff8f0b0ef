"""Training: a fit under way, its checks, its history, and one reason to stop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ._descent import Descent
from ._epochs import EpochPlan, Stretch, run_epochs
from ._fit import Fit
from ._held_out import Validation
from ._layer_norms import LayerNorms
from ._look import Look
from ._stopping import PRECISE, LossWindow, PlateauRule
from ._training_state import Keeper, state_of, take_up

__all__ = ["COLUMNS", "Record", "Watcher", "pass_over", "train"]

_LONG_ROW, _MANY_BYTES = 1 << 10, 1 << 20  # of a row, and of X: from which on a reading of it costs more
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
    shift: np.ndarray | None = None  # of quantiles, by the rows held out

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


def train(
    fit: Fit,
    validation: Validation | None = None,  # what is measured on held-out rows
    watchers: Sequence[Watcher] = (),
    epochs: int | None = None,
    keeper: Keeper | None = None,  # of the state, and of one to go on from
) -> Record:
    """Carry the descent through at most `max_iter` epochs, or `epochs` of them; KeyboardInterrupt leaves it
    consistent."""
    record, keeper, training = Record(), keeper or Keeper(), None
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
            training.catch_up()
            keeper.close(training.state)
    except KeyboardInterrupt:
        record.stop_reason = "interrupted"
        record.drop_partial_row()
        if training is not None:
            training.catch_up()
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
        self.waiting: Look | None = (
            None  # whose objective the next updates find, or of which rates will be told
        )

    def begin_epoch(self, epoch: int) -> None:
        """There is one only."""

    def advance(self, stretch: Stretch) -> bool:
        descent, look = self.fit.descent, self.waiting
        look = None if look is None or look.objective is not None else look
        found = self.fit.run(stretch, None if look is None else look.theta)
        loss, weight, penalty, self.gradient_norm, beside = found
        descent.epochs += stretch.ends_epoch
        self.window.add(loss, weight, stretch.count)
        self.objective = self.window.mean() + penalty
        accepted = self.fit.rates.accept(descent, self.objective - self.fit.constant_of_units)
        if look is not None:
            look.add(beside, stretch.count, accepted)
        if not accepted:
            self.window.clear()
        return accepted

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
        if keeper.saved is not None:
            fit.descent.take_up(keeper.saved["descent"])
        stopping = fit.options.stopping
        if fit.ends_with_all_rows:  # from where it ends those reach what `tol` asks for
            stopping = replace(stopping, tol=PRECISE)
        self.plateau_rule = PlateauRule(stopping, fit.unit_of_tol)
        fit.rates.begin(fit.descent)
        if keeper.saved is not None:
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
        """Add a row to the history; the reason to stop, if there is one.

        At a mean of the iterates at which training cannot end, the rates are told after the next updates,
        and the row may wait for their loss beside.
        """
        self.settle()
        look, waits = self.look(stretch), self.may_wait
        self.waiting = look if waits else None
        if waits and self.finds_loss_beside:
            return None
        if self.show(look):
            return "callback"
        return None if waits else self.decide(look)

    @property
    def may_wait(self) -> bool:
        """Whether nothing can end at this check, and the rates may be told of it later."""
        fit, rule = self.fit, self.plateau_rule
        if not fit.descent.averages or fit.problem.network is not None or fit.rates.reacts:
            return False
        return not fit.options.stopping.early_stopping and np.isfinite(rule.best) and not rule.may_end

    @property
    def finds_loss_beside(self) -> bool:
        """Whether the next updates find the objective of a check, and nobody wants it before."""
        options, problem = self.fit.options, self.fit.problem
        shown_now = bool(self.watchers) or self.validation is not None or options.record_path
        if shown_now or options.stopping.check_every is not None:
            return False
        if self.keeper.remembers:  # another training goes on from the end, with the same sums to the last bit
            return False
        if problem.design.rows_of_blocks:  # whose form only they know: where no loss is found, it is NaN
            return True
        mapped = problem.design.mapping is not None
        row = problem.d * problem.dtype.itemsize * problem.targets.columns
        worth = mapped or (row >= _LONG_ROW and row * problem.n >= _MANY_BYTES)
        return worth and problem.core.finds_loss_beside

    def settle(self) -> None:
        """Tell the rates of the check before, if it waits for that."""
        look, self.waiting = self.waiting, None
        if look is not None:
            if look.cost is None:
                self.show(look)
            self.decide(look)

    def catch_up(self) -> None:
        """Show the last check, if that is still to be done."""
        if self.waiting is not None and self.waiting.cost is None:
            self.show(self.waiting)

    def look(self, stretch: Stretch) -> Look:
        descent, rates = self.fit.descent, self.fit.rates
        row = {
            "epoch": stretch.ends,
            "update": descent.t,
            "learning_rate": rates.last,
            "gradient_norm": self.gradient_norm,
            **self.norms(),
            "seconds": self.seconds,
        }
        if descent.averages:
            mean = descent.parameters.copy()
            return Look(row, rates.look(mean), mean)
        return Look(row, rates.look(None), objective=self.objective)

    def show(self, look: Look) -> bool:
        """Add the row of a check to the history; whether somebody stops the training."""
        record, descent = self.record, self.fit.descent
        if look.objective is None:
            look.objective = look.measure(self.fit.problem, self.fit.options.threads)
        measured = {"validation_loss": np.nan, "validation_score": np.nan}
        if self.validation is not None:
            measured |= self.validation(descent.parameters)
        look.cost = self.fit.options.stopping.cost(look.objective, measured)
        record.add(loss=look.objective, **measured, **look.row)
        self.record_path()
        self.keep_the_best(look.cost, measured["validation_score"])
        stops = [watcher.check(record, descent) for watcher in self.watchers]  # all of them are told
        return any(stops)

    def decide(self, look: Look) -> str | None:
        """Apply the stopping rule and the control of the rates to a check that was shown."""
        descent, rates, rule = self.fit.descent, self.fit.rates, self.plateau_rule
        assert look.objective is not None and look.cost is not None
        rule.update(look.cost)
        rates.observe(descent, rule.waits, look.objective - self.fit.constant_of_units, look.of_rates)
        if not rule.plateau:
            return None
        if rates.on_plateau(descent, rule):
            self.record.replace_last_point(descent)
            return None
        return "early_stopping" if self.fit.options.stopping.early_stopping else "tol"

    def keep_the_best(self, cost: float, score: float) -> None:
        record = self.record
        if self.fit.options.stopping.early_stopping and cost < record.best_cost:
            record.best_cost, record.best_score, record.best_epoch = cost, score, record.seen
            record.best_parameters = self.fit.descent.parameters.copy()
