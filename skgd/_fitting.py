"""The recipe of a fit: options, rows and targets to a Fit, and from its end to what is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import stdtrit
from sklearn.base import clone

from ._coordinates import to_standardized
from ._descent import Descent
from ._design import Design
from ._drift import follow
from ._epochs import MOST_UPDATES
from ._fit import Fit
from ._kinks import at_kinks, has_kinks, nearer_the_minimum
from ._log_link import LogLink, column_means
from ._newton import at_minimum, has_newton_steps
from ._options import CoreRule, Options
from ._problem import Problem
from ._rate_choice import choose_rates, dropout_schedule_for, with_unit_of_weights
from ._residuals import median
from ._rows import TOGETHER, Form
from ._targets import Targets
from ._training import Record
from ._validation import RowsCheck, check_largest
from .losses import Quantile
from .optimizers import Optimizer
from .schedules import Constant

_STEPS = 30  # over all rows, that put weights beside bounds and kinks right
_NO_GAIN = 1e-7  # of the margin of the stopping rule: what such steps have to promise
_CHANCE = 1e-3  # that a mean is as far from zero as the first rows of a stream have to be

__all__ = ["begin_fit", "descent_of_stream", "end_fit", "for_all_rows", "initial_descent"]


def begin_fit(
    options: Options,
    design: Design,
    targets: Targets,
    previous: Descent | None = None,  # to continue, in the coordinates of X
    start: Callable[[Problem, np.ndarray], None] | None = None,  # fills theta, for X, with where to start
    stream: bool = False,
    check: RowsCheck | None = None,  # of X
    form: Form = TOGETHER,
) -> Fit:
    """Problem, descent and rates of a fit to these rows."""
    problem = form.problem(design, targets, options.objective)
    if problem.network is not None and design.standard is None:
        check_largest(design.X)  # of a perceptron no update has to show it
    _check_squares(options.optimizer, targets)
    optimizer = _in_small_units(options.optimizer, targets)
    options = options if optimizer is options.optimizer else replace(options, optimizer=optimizer)
    rule = options.rule_of_stream if stream else options.rule(problem.n)
    if stream:
        descent = descent_of_stream(options, problem, rule, previous)
        follow(problem, descent, options)
    else:
        descent = _settled_descent_of(options, problem, rule, previous, False)
    if options.optimizer.decays:
        options = with_unit_of_weights(options, problem, descent.stream if stream else None)
        rule = options.rule_of_stream if stream else options.rule(problem.n)
    if start is not None:
        theta = problem.zeros()
        start(problem, theta)
        descent.theta[:] = problem.standardize(theta)
    if problem.limits is not None:
        for array in (descent.theta, descent.average):
            if array is not None:
                problem.keep_bounds(array)
    rates = choose_rates(problem, descent, options, stream)
    network, dropout = problem.network, None
    if network is not None and network.dropout > 0 and options.dropout_schedule is not None:
        dropout = dropout_schedule_for(options, problem.n, descent.rate)
    options = options.of_stream if stream else options
    return Fit(options, problem, rule, descent, rates, stream, check, form.plan, dropout)


def _check_squares(optimizer: Optimizer, targets: Targets) -> None:
    """Raise where the squares of gradients, which adaptive rules take, overflow in the units of the outputs.

    In units s the gradient of the squared error is s^2 times what it is for standardised y.
    """
    if targets.units is None or not optimizer.adaptive:
        return
    if float(targets.units.scale.max()) > (1e-3 * float(np.finfo(targets.y.dtype).max)) ** 0.25:
        raise ValueError(
            f"The objective or its gradient overflows {targets.y.dtype}: the largest absolute value of y is "
            f"{np.max(np.abs(targets.y)):.3g}. Divide y by a constant before fitting."
        )


def _in_small_units(optimizer: Optimizer, targets: Targets) -> Optimizer:
    """The rule with an epsilon that stays small beside gradients where the outputs have small units."""
    smallest = 1.0 if targets.units is None else float(targets.units.scale.min())
    if smallest >= 1 or not optimizer.adaptive or not hasattr(optimizer, "epsilon"):
        return optimizer
    return clone(optimizer).set_params(epsilon=max(optimizer.epsilon * smallest**2, np.finfo(float).tiny))


def descent_of_stream(
    options: Options, problem: Problem, rule: CoreRule, previous: Descent | None
) -> Descent:
    """The descent that goes on from a call before, or begins; on sparse rows it owes what it can."""
    if not (problem.design.is_sparse and options.updates_per_epoch(problem.n) <= MOST_UPDATES):
        return _settled_descent_of(options, problem, rule, previous, True)
    size, fits = (
        options.batch_size or problem.n,
        previous is not None and previous.fits(options, problem, rule),
    )
    if previous is not None and fits and previous.stays_lazy(problem, rule, size):
        return previous.shared()
    descent = _settled_descent_of(options, problem, rule, previous, True)
    descent.become_lazy(problem, rule, size)
    return descent


def _settled_descent_of(options, problem, rule, previous, stream) -> Descent:
    if previous is not None and previous.fits(options, problem, rule):
        return to_standardized(previous.copy(), problem)
    if previous is not None:
        settled = previous if previous.lazy is None else previous.copy()
        return to_standardized(settled.continued_as(Descent.begin(options, problem, rule)), problem)
    if options.learning_rate is not None:
        return initial_descent(options, problem, rule)
    if not stream:  # at the best constant, so that an offset of y changes nothing
        return initial_descent(options, problem, rule, at_constant=True)
    units = _units_of_stream(problem)
    descent = initial_descent(options, problem, rule, at_constant=units is not None)
    if units is not None:
        descent.stream["units"] = units
    elif problem.network is None and problem.fit_intercept:
        descent.theta[-1, : problem.targets.columns] = _start_of_stream(problem)
    return descent


def _start_of_stream(problem: Problem) -> np.ndarray:
    """Intercepts (K,) of a regression that starts on the first rows of a stream: the best constant of each
    output whose mean is as far from zero as means are, by chance, once in a thousand times; else zero.

    Few rows tell little: a start at their mean would be worse than one at zero where y is centred. Quantiles
    start at the median, from where the loss is steep towards them.
    """
    targets, weight, loss = problem.targets, problem.targets.weight, problem.loss
    if loss.task != "regression" or loss.log_link:
        return np.zeros(targets.columns)
    y = targets.y.reshape(len(targets.y), -1).astype(float)
    if targets.offset is not None:
        y = y - targets.offset
    weight = np.ones(len(y)) if weight is None else weight.astype(float)
    count = weight.sum() ** 2 / max(np.square(weight).sum(), np.finfo(float).tiny)  # of equal weights
    if not count > 1 + 1e-6:
        return np.zeros(targets.columns)
    mean = np.average(y, axis=0, weights=weight)
    with np.errstate(over="ignore"):
        error = np.sqrt(np.average(np.square(y - mean), axis=0, weights=weight) / (count - 1))
    best = median(y, weight) if isinstance(loss, Quantile) else problem.constant[-1, : targets.columns]
    return np.where(np.abs(mean) > stdtrit(count - 1, 1 - _CHANCE / 2) * error, best, 0.0)


def _units_of_stream(problem: Problem) -> tuple | None:
    """The mean of each column of y in the first rows of a stream, under a log link; None where it is zero."""
    if not (isinstance(problem.loss, LogLink) and problem.fit_intercept and problem.network is None):
        return None
    if problem.targets.offset is not None or not problem.total_weight > 0:
        return None
    means = column_means(problem.targets.y, problem.targets.weight)
    return tuple(map(float, means)) if np.all(means > 2 * np.finfo(np.float32).tiny) else None


def initial_descent(
    options: Options, problem: Problem, rule: CoreRule | None = None, at_constant: bool = False
) -> Descent:
    """Where a fit to these rows starts."""
    descent = Descent.begin(options, problem, rule or options.rule(problem.n))
    problem.initialise(descent.theta, options.seed, at_constant)
    return descent


def for_all_rows(fit: Fit, record: Record, n: int) -> Options:
    """Options of another fit, to n rows, that makes the updates of one with early stopping: at its rates,
    and without a stop of its own unless its rates go by plateaus of the objective. Automatic rates that fall
    to zero do so over the updates that will be made."""
    max_iter = record.best_epochs if fit.rates.falls else fit.options.stopping.max_iter
    options = fit.options.with_stopping(early_stopping=False, max_iter=max_iter)
    schedule = fit.rates.repeated(record.history, options.updates_per_epoch(n))
    steered = schedule is None and not fit.rates.given and isinstance(options.schedule, Constant)
    options = options if schedule is None else replace(options, schedule=schedule)
    return options if steered else options.with_stopping(tol=None)


def end_fit(fit: Fit, record: Record) -> float:
    """Let the descent offer the best parameters it knows, within bounds; gives the objective there."""
    loss, problem = _end(fit, record), fit.problem
    if problem.network is None and record.stop_reason != "interrupted":
        loss = _settle(fit, record, loss)
    if problem.limits is None:
        return loss
    found = fit.descent.parameters
    inside = problem.keep_bounds(found.copy())
    if np.array_equal(inside, found):
        return loss
    fit.descent.settle_at(inside)  # a look-ahead point can lie outside
    return problem.value(inside, fit.options.threads)


def _settle(fit: Fit, record: Record, loss: float) -> float:
    """Put weights at kinks of the penalty and at bounds, and go on to the minimum, where noise or rounding
    left a linear model beside them; gives the objective there."""
    problem, options, threads = fit.problem, fit.options, fit.options.threads
    stopping, rough = options.stopping, options.batch_size is not None or problem.dtype == np.float32
    beside = rough and has_kinks(problem)
    found = before = fit.descent.parameters
    if beside:
        found, loss = at_kinks(problem, before, loss, threads)
    deadline = np.inf
    if stopping.max_time is not None:
        spent = record.history["seconds"][-1:] or [0.0]  # a fit can end before anything is recorded
        deadline = time.perf_counter() + stopping.max_time - spent[0]
    least = _NO_GAIN * (stopping.tol or 0.0) * fit.unit_of_tol
    left = stopping.max_iter - record.epochs
    newton = fit.is_precise and record.stop_reason == "tol" and left > 0 and has_newton_steps(problem)
    arrived = False
    if newton:
        found, loss, arrived = at_minimum(problem, found, loss, least, left, deadline, threads)
    steps = 0 if arrived else _steps_over_all_rows(fit, record, beside)
    if steps:
        found, loss = nearer_the_minimum(problem, found, loss, least, steps, deadline, threads)
    if steps and newton:
        found, loss, _ = at_minimum(problem, found, loss, least, left, deadline, threads)
    if found is not before:
        fit.descent.settle_at(found)
    return loss


def _steps_over_all_rows(fit: Fit, record: Record, beside: bool) -> int:
    """How many steps over all rows a fit may end with: as many as epochs were left to it, where `tol` asks
    for more than stochastic updates give; some where weights may be beside kinks or bounds."""
    stopping, left = fit.options.stopping, 0
    if fit.rates.given or stopping.tol is None or not fit.problem.loss.smooth:
        return 0
    if record.stop_reason == "tol":
        left = stopping.max_iter - record.epochs
    elif record.stop_reason == "max_iter" and beside:
        left = record.epochs
    return left if fit.ends_with_all_rows else min(_STEPS, left) if beside else 0


class _Above:
    """Values of the objective less a constant."""

    def __init__(self, problem: Problem, constant: float):
        self.problem, self.constant = problem, constant

    def value(self, theta, threads: int = 1, as_updates: bool = False) -> float:
        return self.problem.value(theta, threads, as_updates) - self.constant


def _end(fit: Fit, record: Record) -> float:
    if record.best_parameters is not None:
        fit.descent.settle_at(record.best_parameters)
    if record.stop_reason == "interrupted" and record.history["loss"]:
        return record.history["loss"][-1]  # another pass over the rows could take long
    if record.stop_reason == "interrupted" or record.best_parameters is not None:
        return fit.value()
    constant = fit.constant_of_units
    above = _Above(fit.problem, constant) if constant else fit.problem
    loss = fit.rates.finish(fit.descent, above, fit.options.threads, record.stop_reason) + constant
    if record.start_parameters is None or not loss > record.start_loss:
        return loss
    fit.descent.settle_at(record.start_parameters)  # with an automatic rate no fit ends above its start
    return record.start_loss
