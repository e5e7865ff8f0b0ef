"""Which learning rate a fit begins with, and which Rates look after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ._batch_rates import BatchRates, PolyakRates
from ._descent import Descent
from ._network_rates import PerceptronRates
from ._options import Options
from ._problem import Problem
from ._rates import AutoRates, GuardedRates, Rates, RestartRates
from ._step_size import curvature_in_units, factors_of, scale_of, scale_of_stream, sharpness
from ._stopping import of_little_gain
from .exceptions import DivergenceError
from .schedules import Constant, Schedule, ScheduleContext

__all__ = [
    "RATIO",
    "TRIES",
    "base_rate",
    "choose_rates",
    "dropout_schedule_for",
    "largest_stable",
    "rates_up_to_stable",
    "schedule_for",
    "with_unit_of_weights",
]

RATIO = 2.0  # between neighbouring rates of a search
TRIES = 8  # of lower and lower rates where all diverge, unless they were given
_FEW_UNITS = 16  # of a hidden layer, each of which is missed
_MOST_PENALTY = 16  # times the objective at the start


def schedule_for(options: Options, n: int, rate: float, drops: int = 0):
    """The schedule, told of the training that it is for."""
    return _told(options.schedule, options, n, rate, drops)


def dropout_schedule_for(options: Options, n: int, rate: float):
    """The schedule of the dropout, likewise."""
    return _told(options.dropout_schedule, options, n, rate, 0)


def _told(schedule, options: Options, n: int, rate: float, drops: int):
    if not isinstance(schedule, Schedule) or isinstance(schedule, Constant):
        return schedule
    alpha = options.objective.penalty.typical_alpha
    return schedule.bind(
        ScheduleContext(options.updates_per_epoch(n), options.stopping.max_iter, rate, alpha, drops)
    )


def base_rate(problem: Problem, descent: Descent, options: Options, stream: bool) -> tuple[float, float]:
    """The learning rate that was given, or half the largest stable one for the data; with the number of
    updates for which it can stay near there."""
    batch_size, optimizer = options.rows_per_update(problem.n), options.optimizer
    if options.learning_rate is not None:
        return options.learning_rate, np.inf
    if problem.network is not None:
        return _network_rate(problem, descent, options), np.inf
    scale = (
        scale_of_stream(problem, descent.stream) if stream else scale_of(problem, batch_size, at_best=True)
    )
    step = scale.automatic_rate(batch_size)
    if not optimizer.adaptive:
        restarts = optimizer.restarts and options.batch_size is None and problem.loss.smooth
        return (step if restarts else step / optimizer.effective_gain), scale.horizon(batch_size)
    far = _stream_scale(descent.stream) if stream else _parameter_scale(problem, descent)
    rate = optimizer.auto_rate_scale * far
    if optimizer.decays and scale.penalty > 0:  # by at most a tenth an update
        rate = min(rate, 0.1 * optimizer._unit / scale.penalty)
    return (rate if stream else _affordable(problem, descent, rate)), np.inf


def with_unit_of_weights(options: Options, problem: Problem, stream: dict | None) -> Options:
    """Options whose rule makes weights of a linear regression decay as those of standardised y do, under an
    automatic rate; `stream`: what is known of one."""
    loss, optimizer = problem.loss, options.optimizer
    of_location = loss.task == "regression" and not loss.log_link and problem.network is None
    if not (optimizer.decays and of_location and options.learning_rate is None):
        return options
    if stream is not None:
        unit = stream.get("residual", 0.0)
    else:
        y = problem.targets.y.reshape(problem.n, -1).astype(float)
        away = y - problem.constant[-1, : y.shape[1]]
        unit = float(np.sqrt(np.average(np.square(away), axis=0, weights=problem.targets.weight).max()))
    return replace(options, optimizer=optimizer._in_unit(unit)) if 0 < unit < np.inf else options


def _affordable(problem: Problem, descent: Descent, rate: float) -> float:
    """The rate, lowered to where the penalty of weights that are all as large as one step does not dwarf the
    objective at the start, which bounds that of the minimum."""
    most = _MOST_PENALTY * problem.value(descent.theta)
    step = problem.zeros()
    step[:-1, : problem.targets.columns] = 1
    rate = min(rate, float(np.finfo(problem.dtype).max))  # half of infinity would be no less
    while np.isfinite(most) and most > 0 and problem.core.penalty(rate * step) > most:
        rate *= 0.5
    return rate


def rates_up_to_stable(problem: Problem, start: Descent, options: Options, count: int) -> list[float]:
    """The rates that a search tries: so many, a factor of two apart, up to the largest stable one."""
    half, _ = base_rate(problem, start, options, False)
    if count == 1:  # not at the limit of stability
        return [float(half)]
    return (2 * half * RATIO ** np.arange(1.0 - count, 1.0)).tolist()


def _network_rate(problem: Problem, descent: Descent, options: Options) -> float:
    """For a perceptron: with adaptive rules 5e-4 sqrt(batch size), at most 0.01, as the noise that their
    steps are divided by falls with its root; else one over the largest curvature at the start, and half of
    that where steps for single rows can switch off one of few units for good. What a parametrization makes of
    rates is made up for in the mean of the layers."""
    optimizer, batch_size = options.optimizer, options.rows_per_update(problem.n)
    if descent.rate > 0 and descent.t > 0:
        return descent.rate
    if optimizer.adaptive:
        rate = min(1e-2, 5e-4 * batch_size**0.5) if batch_size < problem.n else 1e-2
        return optimizer.mlp_rate_factor * options.rate_factor * rate / _typical_factor(problem)
    largest = sharpness(problem, descent.theta, batch_size)
    if not largest > 0:
        return 1e-3
    hidden = () if problem.network is None else problem.network.hidden
    few = batch_size == 1 and min(hidden, default=_FEW_UNITS) < _FEW_UNITS
    return (0.5 if few else 1.0) / (optimizer.effective_gain * largest)


def _typical_factor(problem: Problem) -> float:
    """What the parametrization makes of the rate, in the mean of the layers."""
    network = problem.network
    if network is None or network.rates is None:
        return 1.0
    first = 0 if network.features is None else 1
    return network.rates.typical(network.inputs(problem.d)[first:])


def largest_stable(problem: Problem, descent: Descent, batch_size: int) -> float:
    if problem.network is None:
        return scale_of(problem, batch_size).largest_stable(batch_size)
    return 2.0 / max(sharpness(problem, descent.theta, batch_size), np.finfo(float).tiny)


def _parameter_scale(problem: Problem, descent: Descent) -> float:
    """How far a parameter will have to go: the largest step of a coordinate at a scale of its own."""
    (gradient,) = problem.blocks(problem.loss_gradient(descent.theta))
    gradient = np.abs(gradient).max(axis=1)
    scale = curvature_in_units(problem) * np.append(problem.design.mean_squares(problem.targets.weight), 1.0)
    return float(np.max(gradient / np.maximum(scale, 1e-300), initial=0.0, where=scale > 0)) or 1.0


def _grid_of_gradients(problem: Problem, descent: Descent) -> np.ndarray:
    """Powers of two, about a billionth of the size that gradients of the loss start with: far above the
    rounding errors of their sums.

    The size of one along a feature is that of the slopes times the root mean square of the feature.
    """
    (gradient,) = problem.blocks(problem.loss_gradient(descent.theta))
    features = np.sqrt(np.append(problem.design.mean_squares(problem.targets.weight), 1.0))
    slopes = np.max(
        np.abs(gradient).max(axis=1) / np.maximum(features, 1e-300), initial=0.0, where=features > 0
    )
    with np.errstate(divide="ignore"):
        grid = np.exp2(np.floor(np.log2(features * slopes)) - 30)
    return np.repeat(grid[:, None], problem.columns, axis=1).astype(problem.dtype)


def _stream_scale(stream: dict) -> float:
    """How far a parameter will have to go, of a stream: the step of a coordinate that makes up for the
    largest residuals so far, in the feature of the largest values."""
    return stream.get("residual", 0.0) / stream.get("largest_square", 1.0) ** 0.5 or 1.0


def choose_rates(
    problem: Problem,
    descent: Descent | Any,  # or what stands for one: see CandidateFit
    options: Options,
    stream: bool = False,
    exploded: Callable[[float], Exception] | None = None,
) -> Rates:
    """The rates of a fit, or of the next rows of a stream; sets the descent's base rate.

    `exploded` gives the error to raise for a rate at which the objective exploded, by default one for users.
    """
    optimizer, batch_size = options.optimizer, options.rows_per_update(problem.n)
    descent.rate, horizon = base_rate(problem, descent, options, stream)
    schedule = schedule_for(options, problem.n, descent.rate, descent.drops)
    exploded = exploded or _divergence_error(problem, descent, options)
    shared = (descent.rate, schedule, exploded)
    if optimizer.searches:
        auto = options.learning_rate is None
        base = descent.rate if auto else largest_stable(problem, descent, batch_size) / 2
        return BatchRates(base, schedule, exploded, first=descent.rate)
    if options.learning_rate is not None:
        bounded = problem.loss.bounded_slope or optimizer.adaptive or optimizer.stable
        return Rates(*shared, bounded=bounded, noisy=batch_size < problem.n)
    guard: dict[str, Any] = {"momentum": optimizer.momentum, "has_velocity": optimizer.has_velocity}
    if (factors := factors_of(problem)) is not None:
        guard["factors"] = factors
    if options.batch_size is None:
        return _rates_of_batch(shared, guard, descent, problem, optimizer)
    guard["stream"] = stream
    if not isinstance(schedule, Constant):
        return GuardedRates(*shared, **guard)
    updates = options.stopping.max_iter * options.updates_per_epoch(problem.n)
    if problem.network is not None:
        stops = stream or options.stopping.tol is not None

        def little() -> float:  # as objectives are given to rates
            return of_little_gain(problem, 0.02, options.threads) - problem.units_of_y

        return PerceptronRates(*shared, updates=None if stops else updates, little=little, **guard)
    if optimizer.adaptive:
        horizon = max(100.0, options.updates_per_epoch(problem.n))
    elif stream:
        if (
            problem.loss.smooth and not problem.loss._quadratic
        ):  # the mean under a constant rate is biased where curvature varies
            guard["falls_from"] = descent.stream.get("rests_from", 0)
            horizon = descent.stream.get("rests_after", np.inf)
    elif not options.open_ended:  # at most a quarter of all updates at about the full rate
        horizon = min(horizon, updates / 4)
    if batch_size < problem.n:
        guard["growth_limit"] = min(16.0, 2 * batch_size**0.5)  # single rows are too noisy for higher rates
    guard |= {"noise_floor": options.stopping.tol or 0.0, "headroom": 0.01, "horizon": horizon}
    return AutoRates(*shared, **guard)


def _rates_of_batch(shared: tuple, guard: dict, descent: Descent, problem: Problem, optimizer) -> Rates:
    """Automatic rates where updates see all rows."""
    (_, schedule, _), loss = shared, problem.loss
    constant, one_rate = isinstance(schedule, Constant), "factors" not in guard
    plain = one_rate and not optimizer.slots and descent.average is None
    if constant and plain and not loss.least_at_zero:
        if loss.smooth:
            return BatchRates(*shared)
        return PolyakRates(*shared, free=problem.free_gradient)
    if optimizer.amplifies_rounding and problem.network is None:
        guard["grid"] = _grid_of_gradients(problem, descent)
    if optimizer.adaptive and optimizer.has_velocity:
        guard["headroom"] = 1.0  # they may swing back to the height they came from
    if constant and (optimizer.adaptive or optimizer.restarts or not loss.smooth):
        guard |= {"plateau_factor": 0.5, "most_plateaus": 8}  # steps that do not shrink by themselves
    return RestartRates(*shared, **guard)


def _divergence_error(problem: Problem, descent: Descent, options: Options) -> Callable[[float], Exception]:
    """Gives the error for a rate at which the objective exploded."""
    start = descent.theta.copy() if problem.network is not None else None

    def exploded(rate):
        if options.learning_rate is None or not np.isfinite(problem.value(problem.zeros())):
            return problem.overflow()
        if start is not None:
            descent.theta[:] = start
        stable = largest_stable(problem, descent, options.rows_per_update(problem.n))
        return DivergenceError(rate, stable, options.describe_rows(problem.n))

    return exploded
