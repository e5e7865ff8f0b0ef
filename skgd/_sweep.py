"""One epoch of many learning rates, as columns of one parameter matrix where the model allows it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from ._callbacks import clone_unwatched
from ._core import core
from ._descent import Descent
from ._epochs import EpochPlan, Stretch, run_epochs
from ._fitting import initial_descent
from ._options import Options, options_of
from ._problem import Problem
from ._rate_choice import base_rate, largest_stable, schedule_for
from ._rates import Rates
from ._targets import Targets
from .exceptions import DivergenceError
from .optimizers import Plain

_CHUNK = 8192  # rows whose targets are repeated for all rates at a time
_LOST = 1e4  # times the objective at the start: diverged
_FEWEST_UPDATES = 20  # that tell a good rate from a bad one


@dataclass
class Sweep:
    """What came of each rate.

    Attributes
    ----------
    rates, losses : ndarray of shape (n_rates,)
        The rates, and the objective after the epoch; infinite where it diverged.
    start : float
        The objective before.
    stable : float or None
        The largest stable rate of plain updates; None for other optimizers.
    adaptive : bool
        Whether the optimizer divides its steps by the size of past gradients.
    """

    rates: np.ndarray
    losses: np.ndarray
    start: float
    stable: float | None
    adaptive: bool = False


def sweep(estimator, X, y, sample_weight=None, rates=None, epochs: int | None = None) -> Sweep:
    """The objective after some epochs from the start, for each rate; the estimator is left alone."""
    if not hasattr(estimator, "learning_rate"):
        raise ValueError(
            f"{type(estimator).__name__} has no learning_rate to find: give a GDRegressor, GDClassifier, "
            f"GDMLPRegressor or GDMLPClassifier, or a Pipeline that ends with one."
        )
    model = clone_unwatched(estimator)
    model.set_params(early_stopping=False, max_time=None, tol=None, warm_start=False, record_path=False)
    if isinstance(model.standardize, str):  # "auto" leaves the features as they are under a given rate
        model.set_params(standardize=False)
    problem = model._objective_of(X, y, sample_weight)
    options = options_of(model)
    if options.optimizer.searches:
        raise ValueError(f"optimizer={model.optimizer!r} chooses its own rates: there is nothing to find.")
    if epochs is None:
        epochs = -(-_FEWEST_UPDATES // options.updates_per_epoch(problem.n))
    options = options.with_stopping(max_iter=epochs)
    rates = _grid(options, problem) if rates is None else _checked(rates)
    given = options_of(model.set_params(learning_rate=1.0, max_iter=epochs))  # not chosen, whatever its value
    if _fits_columns(given, problem):
        losses = _by_columns(given, problem, rates)
    else:
        losses = [_alone(clone(model).set_params(learning_rate=rate), X, y, sample_weight) for rate in rates]
    start = initial_descent(given, problem)
    before = problem.value(start.theta)
    lost = _LOST * max(before, np.finfo(float).tiny)
    ends = np.where(np.asarray(losses) <= lost, losses, np.inf)
    stable = None
    if isinstance(options.optimizer, Plain):
        stable = largest_stable(problem, start, options.rows_per_update(problem.n))
    return Sweep(rates, ends, before, stable, options.optimizer.adaptive)


def _checked(rates) -> np.ndarray:
    rates = np.atleast_1d(np.asarray(rates, dtype=float))
    if rates.ndim != 1 or not rates.size or not np.isfinite(rates).all() or (rates <= 0).any():
        raise ValueError(f"rates={rates!r} must be positive numbers, at least one.")
    return np.unique(rates)


def _grid(options: Options, problem: Problem, count=40) -> np.ndarray:
    """Rates around twice the automatic one, mostly below: for plain updates that is the largest stable."""
    automatic, _ = base_rate(problem, initial_descent(options, problem), options.with_rate(None), False)
    return 2 * automatic * np.geomspace(1e-3, 100 if options.optimizer.adaptive else 10, count)


def _fits_columns(options: Options, problem: Problem) -> bool:
    """Whether columns of one linear model are the models of the rates: nothing may tie columns together."""
    coupled = problem.targets.codes and problem.targets.columns > 1 and problem.loss._ties_classes
    in_python = callable(problem.loss._core_spec(problem.targets.columns, problem.targets.codes))
    reacts = getattr(schedule_for(options, problem.n, 1.0), "reacting", None) is not None
    together = problem.penalty.joint
    return not (problem.network or coupled or in_python or reacts or together or options.optimizer.restarts)


def _alone(model, X, y, sample_weight) -> float:
    """The objective after a fit of its own."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return model.fit(X, y, sample_weight=sample_weight).loss_
        except DivergenceError:
            return np.inf


def _by_columns(options: Options, problem: Problem, rates) -> list[float]:
    """All rates in one pass. Each is what a fit of its own with the same order of rows would be."""
    plan = EpochPlan.of(options, problem.n, problem.d)
    if plan.batches > 1:
        most = max(1, _CHUNK * plan.batches // problem.n)
        plan = EpochPlan.of(options, problem.n, problem.d, most_updates=most)
    columns = _RateColumns(options, problem, rates, plan)
    run_epochs(columns, plan, columns.descent.random)
    return columns.losses()


class _RateColumns:
    """Rate r owns columns r K .. (r + 1) K - 1 of one theta; columns that overflow do so alone."""

    def __init__(self, options: Options, problem: Problem, rates, plan: EpochPlan):
        self.problem, self.plan, self.K, self.copies = problem, plan, problem.targets.columns, len(rates)
        self.rates = [Rates(float(rate), schedule_for(options, problem.n, float(rate))) for rate in rates]
        self.rule = options.rule(problem.n)
        self.descent = Descent.begin(options, _repeated(problem, slice(0, 1), self.copies), self.rule)

    def begin_epoch(self, epoch: int) -> None:
        """Nothing changes between epochs."""

    def advance(self, stretch: Stretch) -> bool:
        index = slice(stretch.position, stretch.position + stretch.count)
        index = index if stretch.order is None else stretch.order.values[index]
        part, descent = _repeated(self.problem, index, self.copies), self.descent
        values = self._values(descent.t, stretch.updates, part.columns)
        bound, steps = descent.bind(), (stretch.cut, values, 1, 0.0)
        core.run(part.core, bound, self.rule.core_spec, None, (0, part.n), steps)
        descent.t = bound.t
        return True

    def check(self, stretch: Stretch) -> str | None:
        """Rates run side by side to the end."""

    def _values(self, t: int, count: int, columns: int) -> np.ndarray:
        """Rates (updates or 1, columns), those of the padding zero."""
        given = [of_rate(t, count) for of_rate in self.rates]
        values = np.zeros((max(map(len, given)), columns))
        for r, of_rate in enumerate(given):
            values[:, r * self.K : (r + 1) * self.K] = of_rate[:, None]
        return values

    def losses(self) -> list[float]:
        """The objective of each rate; infinite where it diverged."""
        found = self.descent.parameters
        return [_objective(self.problem, found[:, r * self.K : (r + 1) * self.K]) for r in range(self.copies)]


def _repeated(problem: Problem, index, copies: int) -> Problem:
    """Some rows of the problem, their targets once for each copy."""
    part, K = problem.targets.rows(index), problem.targets.columns
    y = part.y.reshape(len(part.y), -1)
    if part.codes and K > 1:  # one-versus-rest
        y = (y == np.arange(K)).astype(y.dtype)
    targets = Targets(np.tile(y, copies), part.weight, K * copies, False)
    return Problem(problem.design.take(index), targets, problem.objective)


def _objective(problem: Problem, theta: np.ndarray) -> float:
    if not np.isfinite(theta).all():
        return np.inf
    alone = problem.zeros()
    alone[:, : theta.shape[1]] = theta
    return problem.value(alone)
