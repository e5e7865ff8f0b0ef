"""Options: what the parameters of an estimator mean for a fit, resolved and checked once, at the door."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ._loss_spec import loss_spec
from ._network import Network, network_of
from ._parameters import Memo, parameter_key
from ._penalty import Penalty, penalty_from
from ._ranges import check_range, check_schedule
from ._recipe import explicit
from ._uses import check_rates, check_use
from .losses import LOSSES, Loss
from .optimizers import OPTIMIZERS, Optimizer
from .schedules import SCHEDULES, Constant, Schedule

__all__ = [
    "Averaging",
    "CoreRule",
    "Objective",
    "Options",
    "Stopping",
    "dtype_of",
    "loss_names",
    "loss_of",
    "options_of",
    "threads_of",
]

_AVERAGE_POWER = 0.5  # of the automatic mean: iterate k has a weight proportional to the root of k


@dataclass(frozen=True)
class Objective:
    """What is made small: mean loss of a model plus penalty."""

    loss: Loss
    penalty: Penalty
    fit_intercept: bool = True
    network: Network | None = None  # None: a linear model

    def with_alpha(self, alpha: float) -> Objective:
        return replace(self, penalty=replace(self.penalty, alpha=float(alpha)))

    def core_loss(self, columns: int, codes: bool):
        """What names the loss to the core, for so many columns of raw scores."""
        specs = self._core_losses
        if (columns, codes) not in specs:
            specs[columns, codes] = self.loss._core_spec(columns, codes)
        return specs[columns, codes]

    @cached_property
    def _core_losses(self) -> dict:
        return {}

    @cached_property
    def plain_loss(self) -> tuple[str, dict] | Loss:
        """The loss as a fitted model keeps it."""
        return loss_spec(self.loss)


@dataclass(frozen=True)
class Stopping:
    """When training ends."""

    max_iter: int
    tol: float | None
    n_iter_no_change: int
    check_every: int | None  # updates between two checks; None: an epoch
    early_stopping: bool
    validation_fraction: Any  # a number, or what says which rows
    by_score: bool = False  # early stopping goes by a score, not by the loss
    max_time: float | None = None  # seconds
    refit: bool = False  # to all rows, for the epochs that early stopping found

    def cost(self, objective: float, measured: dict[str, float]) -> float:
        """What is to become small, of the objective and of what is measured on held-out rows."""
        if not self.early_stopping:
            return objective
        return -measured["validation_score"] if self.by_score else measured["validation_loss"]

    @property
    def waits(self) -> bool:
        """Whether a plateau of what is watched ends training."""
        return self.tol is not None


@dataclass(frozen=True)
class Averaging:
    """From which update on, and with which power of its number, an iterate counts in the mean."""

    start: int = 0
    power: float = 0.0


@dataclass(frozen=True)
class CoreRule:
    """An update rule as the core takes it."""

    name: str
    parameters: tuple[float, ...]
    slots: int  # state arrays, each the size of the parameters

    @cached_property
    def core_spec(self) -> tuple[str, list[float]]:
        return self.name, list(self.parameters)


@dataclass(frozen=True)
class Options:
    """All that a user chose, as objects and numbers; nothing below takes an estimator or compares a name."""

    objective: Objective
    optimizer: Optimizer
    schedule: Schedule | Callable
    learning_rate: float | None  # None: automatic
    solver: str  # for messages only
    batch_size: int | None  # rows per update; None: all rows
    averaging: Averaging | None
    stopping: Stopping
    standardize: bool | None  # None: where the units of the features ask for it
    standardize_y: (
        bool | None
    )  # of perceptrons, by the user's parameter alone; None: where its unit asks for it
    shuffle: bool
    seed: int
    threads: int = 1
    max_gradient_norm: float = 0.0  # longer gradients of the loss are shortened to it; 0: none is
    record_path: bool = False
    rate_factor: float = 1.0  # of the automatic rate of perceptrons under adaptive rules
    blocks: tuple[int, ...] | None = None  # rows of each, where no update sees rows of two blocks
    by_noise: tuple[str, ...] = ()  # what of them a pilot fit is to choose; see _pilot
    by_unit: bool = False  # whether the strength of the penalty is still to be divided by the spread of y
    dtype: np.dtype | None = None  # that updates are computed in; None: that of the rows
    dropout_schedule: Schedule | Callable | None = None  # factors of the dropout; None: ones
    open_ended: bool = False  # further calls may follow: max_iter says nothing about the number of updates

    def updates_per_epoch(self, n: int) -> int:
        if self.batch_size is None:
            return 1
        return sum(self.cuts) if self.blocks else -(-n // self.batch_size)

    @property
    def cuts(self) -> tuple[int, ...]:
        """Updates that each block makes in an epoch; none where an update sees all rows."""
        size = self.batch_size
        return () if size is None or self.blocks is None else tuple(-(-n // size) for n in self.blocks)

    def rows_per_update(self, n: int) -> int:
        """At least; the batches of an epoch differ by one row at most."""
        return n // self.updates_per_epoch(n)

    def updates_per_check(self, n: int) -> int:
        return self.stopping.check_every or self.updates_per_epoch(n)

    @cached_property
    def rule_of_stream(self) -> CoreRule:
        """The core's rule for a stream of rows."""
        return self.rule(np.inf)

    def rule(self, n: float) -> CoreRule:
        """The core's rule for n rows."""
        b = self.batch_size
        noisy = b is not None and (b < n or b == 1)
        return CoreRule(*self.optimizer.core_rule(l1=self.objective.penalty.l1 > 0, noisy=noisy))

    def describe_rows(self, n: int) -> str:
        """The solver and its rows per update, for messages."""
        b = n if self.batch_size is None else min(self.batch_size, n)
        rows = {n: "all rows", 1: "one row"}.get(b, f"{b} rows")
        return f"solver={self.solver!r} ({rows} per update)"

    @property
    def standardize_outputs(self) -> bool | None:
        """Whether perceptrons standardise y; None: where its unit asks for it. Never under a given rate."""
        return self.standardize_y if self.learning_rate is None else False

    def with_rate(self, rate: float | None, alpha: float | None = None) -> Options:
        """The same with another learning rate (None: automatic) and strength of the penalty."""
        objective = self.objective if alpha is None else self.objective.with_alpha(alpha)
        return replace(self, learning_rate=rate, objective=objective)

    def with_stopping(self, **changes) -> Options:
        return replace(self, stopping=replace(self.stopping, **changes))

    @cached_property
    def of_stream(self) -> Options:
        """Those of one pass over some rows of a stream, whatever it brings."""
        once = {"max_iter": 1, "tol": None, "check_every": None, "early_stopping": False, "max_time": None}
        return replace(self.with_stopping(**once), record_path=False)

    @property
    def mean_is_optional(self) -> bool:
        """Whether there is a mean of the iterates that nobody asked for, under a rule whose steps shrink by
        themselves."""
        return self.averaging is not None and self.averaging.power > 0 and self.optimizer.lazy

    @cached_property
    def without_mean(self) -> Options:
        return replace(self, averaging=None)


_RESOLVED = Memo()  # options of parameters that came before


def options_of(estimator, draws: bool = True, key: tuple | None = None) -> Options:
    """The options of an estimator, the types of whose parameters scikit-learn has validated.

    With ``draws=False`` the seed is not drawn anew where random_state asks for it: nobody will need it.
    ``key`` is that of the parameters, where it is known.
    """
    key = parameter_key(estimator) if key is None else key
    known = None if key is None else _RESOLVED.get(key)
    if known is None:
        options = _resolved(estimator)
        return options if key is None else _RESOLVED.remember(key, options)
    if not draws or isinstance(estimator.random_state, numbers.Integral):
        return known
    return replace(known, seed=_seed(estimator.random_state))


def _resolved(estimator) -> Options:
    estimator = explicit(estimator)
    is_network = hasattr(estimator, "hidden_layer_sizes")
    loss = loss_of(estimator)
    rate = getattr(estimator, "learning_rate", "auto")  # a search has none
    learning_rate = None if isinstance(rate, str) else float(rate)
    batch_size = {"batch": None, "sgd": 1, "minibatch": estimator.batch_size}[estimator.solver]
    schedule = _schedule_of(estimator.schedule)
    known = learning_rate is None and batch_size is None and not is_network and loss.smooth
    optimizer = _optimizer_of(estimator, convex_batch=known)
    network = network_of(estimator, optimizer) if is_network else None
    check_use(estimator, optimizer, loss, schedule, batch_size)
    check_rates(estimator, optimizer, network)
    learning_rate = optimizer.own_rate if learning_rate is None else learning_rate
    penalty = _penalty_of(estimator)
    penalty.check_rule(optimizer, estimator.penalty, estimator.optimizer)
    noisy_auto = learning_rate is None and batch_size is not None and not is_network
    return Options(
        objective=Objective(
            loss,
            penalty,
            bool(estimator.fit_intercept),
            network,
        ),
        optimizer=optimizer,
        schedule=schedule,
        dropout_schedule=_dropout_schedule_of(estimator) if is_network else None,
        learning_rate=learning_rate,
        solver=estimator.solver,
        batch_size=batch_size,
        averaging=_averaging_of(estimator.average, noisy_auto and optimizer.blend is None),
        stopping=Stopping(
            max_iter=estimator.max_iter,
            tol=estimator.tol,
            n_iter_no_change=estimator.n_iter_no_change,
            check_every=None if estimator.check_every == "epoch" else int(estimator.check_every),
            early_stopping=bool(estimator.early_stopping),
            validation_fraction=estimator.validation_fraction,
            by_score=bool(estimator.early_stopping) and estimator.scoring is not None,
            max_time=estimator.max_time,
            refit=bool(estimator.early_stopping and getattr(estimator, "refit", False)),
        ),
        standardize=_standardize_of(estimator.standardize, learning_rate),
        standardize_y=_standardize_of(estimator.standardize, learning_rate),
        shuffle=bool(estimator.shuffle),
        seed=_seed(estimator.random_state),
        threads=threads_of(estimator.n_jobs),
        max_gradient_norm=float(getattr(estimator, "max_grad_norm", None) or 0.0),
        record_path=bool(estimator.record_path),
        dtype=dtype_of(estimator),
        open_ended=bool(getattr(estimator, "warm_start", False)),
    )


def dtype_of(estimator) -> np.dtype | None:
    """The precision that was asked for; None: that of the rows."""
    name = getattr(estimator, "dtype", "auto")
    return None if name == "auto" else np.dtype(name)


def loss_names(task: str) -> set[str]:
    return {name for name, loss in LOSSES.items() if loss.task == task}


def loss_of(estimator) -> Loss:
    """The estimator's loss as an object that fits its task."""
    loss = LOSSES[estimator.loss]() if isinstance(estimator.loss, str) else estimator.loss
    if loss.task != estimator._task:
        raise ValueError(
            f"loss={estimator.loss!r} is not a {estimator._task} loss; {type(estimator).__name__} takes one "
            f"of {sorted(loss_names(estimator._task))} or a skgd.losses.Loss of that task."
        )
    loss._check()
    for name, limits in ({} if loss.levels else loss._ranges).items():
        check_range(loss, name, *limits)
    return loss


def _optimizer_of(estimator, convex_batch: bool) -> Optimizer:
    """The update rule; a name may stand for other parameters where all rows meet a convex objective."""
    optimizer = estimator.optimizer
    if isinstance(optimizer, str):
        rule = OPTIMIZERS[optimizer]
        optimizer = rule(**rule.by_name) if convex_batch else rule()
    if type(optimizer) not in OPTIMIZERS.values():
        raise ValueError(
            f"optimizer={optimizer!r} is not one of skgd.optimizers: rules are compiled, so subclasses "
            f"of Optimizer cannot be used. Take one of {sorted(OPTIMIZERS)}, with its parameters."
        )
    for name in ("beta", "beta_1", "beta_2", "rho"):
        check_range(optimizer, name, 0, 1, closed_left=True)
    check_range(optimizer, "epsilon", 0, np.inf)
    check_range(optimizer, "momentum_decay", 0, np.inf, closed_left=True)
    check_range(optimizer, "C", 0, np.inf)
    if getattr(optimizer, "variant", "pa1") not in ("pa1", "pa2"):
        raise ValueError(
            f'variant={optimizer.variant!r} of {type(optimizer).__name__} must be "pa1" or "pa2".'
        )
    return optimizer


def _schedule_of(given) -> Schedule | Callable:
    schedule = SCHEDULES[given]() if isinstance(given, str) else given
    check_schedule(schedule)
    return schedule


def _dropout_schedule_of(estimator) -> Schedule | Callable | None:
    schedule = _schedule_of(estimator.dropout_schedule)
    if getattr(schedule, "reacting", None) is not None:
        raise ValueError(
            f"dropout_schedule={estimator.dropout_schedule!r} must be a function of the update: plateaus of "
            f"the objective do not change the dropout."
        )
    return None if isinstance(schedule, Constant) else schedule


def _penalty_of(estimator) -> Penalty:
    name, l1_ratio = estimator.penalty, estimator.l1_ratio
    if name == "elasticnet" and l1_ratio is None:
        raise ValueError('l1_ratio=None has no meaning for penalty="elasticnet": give a number from 0 to 1.')
    positive, bounds = getattr(estimator, "positive", False), getattr(estimator, "bounds", None)
    return penalty_from(name, estimator.alpha, l1_ratio, positive, bounds)


def _standardize_of(standardize, learning_rate: float | None) -> bool | None:
    """A rate that was given is meant for the features as they are."""
    if isinstance(standardize, str):  # "auto"
        return None if learning_rate is None else False
    return bool(standardize)


def _averaging_of(average, by_default: bool) -> Averaging | None:
    if isinstance(average, str):  # "auto"
        return Averaging(0, _AVERAGE_POWER) if by_default else None
    if isinstance(average, (bool, np.bool_)):
        return Averaging() if average else None
    return Averaging(int(average))


def _seed(random_state) -> int:
    """State of the shuffling generator: the int itself, or drawn from NumPy's generator."""
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(0, 2**32, dtype=np.uint64))


def threads_of(n_jobs: int | None) -> int:
    if n_jobs is None:
        return 1
    if not isinstance(n_jobs, numbers.Integral):
        raise TypeError(f"n_jobs={n_jobs!r} must be a whole number or None.")
    if n_jobs < 0:
        from joblib import cpu_count  # late: slow to import

        n_jobs = cpu_count() + 1 + n_jobs
    return max(1, n_jobs)
