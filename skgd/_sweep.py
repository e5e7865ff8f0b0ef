"""One epoch of many learning rates, as columns of one parameter matrix where the model allows it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from . import _options as options
from ._callbacks import quiet
from ._core import core
from ._problem import Problem, Targets
from ._rates import Rates
from .exceptions import DivergenceError
from .schedules import Course

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
    """

    rates: np.ndarray
    losses: np.ndarray
    start: float
    stable: float | None


def sweep(estimator, X, y, sample_weight=None, rates=None, epochs: int | None = None) -> Sweep:
    """The objective after some epochs from the start, for each rate; the estimator is left alone."""
    estimator = quiet(estimator).set_params(
        early_stopping=False, tol=None, warm_start=False, record_path=False
    )
    if isinstance(estimator.standardize, str):  # "auto" leaves the features as they are under a given rate
        estimator.set_params(standardize=False)
    model = clone(estimator)
    problem = model._objective_of(X, y, sample_weight)
    optimizer = options.optimizer_of(model)
    if optimizer.searches:
        raise ValueError(f"optimizer={model.optimizer!r} chooses its own rates: there is nothing to find.")
    batch_size = options.rows_per_update(model, problem.n)
    if epochs is None:
        epochs = -(-_FEWEST_UPDATES // -(-problem.n // batch_size))
    model.set_params(max_iter=epochs)
    start = problem.zeros()
    model._initialise(problem, start, from_zero=True)
    rates = _grid(model, problem, optimizer, batch_size) if rates is None else _checked(rates)
    model.set_params(learning_rate=1.0)  # given, not chosen, whatever its value
    if _fits_columns(model, problem, optimizer):
        losses = _columns(model, problem, optimizer, batch_size, rates)
    else:
        losses = [_alone(clone(model).set_params(learning_rate=rate), X, y, sample_weight) for rate in rates]
    before = problem.objective(start)
    losses = np.where(np.asarray(losses) <= _LOST * max(before, np.finfo(float).tiny), losses, np.inf)
    stable = None
    if optimizer.name == "plain":
        descent = options.new_descent(model, problem, "plain", 0)
        model._initialise(problem, descent.theta, from_zero=True)
        stable = options.largest_stable(problem, descent, batch_size)
    return Sweep(rates, losses, before, stable)


def _checked(rates) -> np.ndarray:
    rates = np.atleast_1d(np.asarray(rates, dtype=float))
    if rates.ndim != 1 or not rates.size or not np.isfinite(rates).all() or (rates <= 0).any():
        raise ValueError(f"rates={rates!r} must be positive numbers, at least one.")
    return np.unique(rates)


def _grid(model, problem, optimizer, batch_size, count=40) -> np.ndarray:
    """Rates around twice the automatic one, mostly below: for plain updates that is the largest stable."""
    model = clone(model).set_params(learning_rate="auto")
    descent = options.new_descent(model, problem, optimizer.name, 0)
    model._initialise(problem, descent.theta, from_zero=True)
    automatic, _ = options.base_rate(model, problem, descent, optimizer, batch_size, stream=False)
    return 2 * automatic * np.geomspace(1e-3, 100 if optimizer.adaptive else 10, count)


def _fits_columns(model, problem, optimizer) -> bool:
    """Whether columns of one linear model are the models of the rates: nothing may tie columns together."""
    coupled = problem.targets.codes and problem.targets.columns > 1 and problem.loss.name == "log_loss"
    in_python = callable(problem.loss._core_spec(problem.targets.columns, problem.targets.codes))
    reacts = getattr(_schedule(model, 1, 1.0), "reacting", None) is not None
    return not (problem.network or coupled or in_python or reacts or optimizer.restarts)


def _schedule(model, updates_per_epoch, rate):
    return options.schedule_of(model, Course(updates_per_epoch, model.max_iter, rate, model.alpha))


def _alone(model, X, y, sample_weight) -> float:
    """The objective after a fit of its own."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return model.fit(X, y, sample_weight=sample_weight).loss_
        except DivergenceError:
            return np.inf


def _columns(model, problem, optimizer, batch_size, rates) -> list[float]:
    """All rates in one pass: rate r owns columns r K .. (r + 1) K - 1.

    Each is what a fit of its own with the same order of rows would be. Columns that overflow do so alone.
    """
    rule, slots = options.rule_of(model, optimizer, problem.penalty, batch_size, problem.n)
    n, K, copies = problem.n, problem.targets.columns, len(rates)
    updates = -(-n // batch_size)
    courses = [Rates(float(rate), _schedule(model, updates, float(rate)), None) for rate in rates]
    order = core.Order(n, problem.d) if model.shuffle and batch_size < n else None
    size = n if batch_size == n else max(1, _CHUNK // batch_size) * batch_size
    descent = None
    for _ in range(model.max_iter):
        if descent is None:
            descent = options.new_descent(model, _repeated(problem, slice(0, 1), copies), rule[0], slots)
        if order is not None:
            order.shuffle(descent.random)
        for begin in range(0, n, size):
            index = slice(begin, begin + size)
            part = _repeated(problem, index if order is None else order.values[index], copies)
            values = _values(courses, descent.t, -(-part.n // batch_size), K, part.columns)
            bound = descent.bind()
            core.run(part.core, bound, rule, None, (0, part.n), (min(batch_size, part.n), values, 1, 0.0))
            descent.t = bound.t
    found = descent.parameters
    return [_objective(problem, found[:, r * K : (r + 1) * K]) for r in range(copies)]


def _repeated(problem: Problem, index, copies: int) -> Problem:
    """Some rows of the problem, their targets once for each copy."""
    part, K = problem.targets.rows(index), problem.targets.columns
    y = part.y.reshape(len(part.y), -1)
    if part.codes and K > 1:  # one-versus-rest
        y = (y == np.arange(K)).astype(y.dtype)
    targets = Targets(np.tile(y, copies), part.weight, K * copies, False)
    X = problem.X[index]
    X = X if sparse.issparse(X) else np.ascontiguousarray(X)
    return Problem(X, targets, problem.loss, problem.penalty, problem.fit_intercept, problem.standard)


def _values(courses, t, count, K, columns) -> np.ndarray:
    """Rates (updates or 1, columns), those of the padding zero."""
    given = [course(t, count) for course in courses]
    values = np.zeros((max(map(len, given)), columns))
    for r, of_rate in enumerate(given):
        values[:, r * K : (r + 1) * K] = of_rate[:, None]
    return values


def _objective(problem: Problem, theta: np.ndarray) -> float:
    if not np.isfinite(theta).all():
        return np.inf
    alone = problem.zeros()
    alone[:, : theta.shape[1]] = theta
    return problem.objective(alone)
