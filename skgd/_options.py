"""Names and parameters of an estimator turned, once, into the objects they stand for."""

from __future__ import annotations

import numbers

import numpy as np
from sklearn.utils import check_random_state

from ._problem import Descent, Penalty, Problem
from ._rates import AutoRates, BatchRates, PerceptronRates, PolyakRates, Rates
from ._step_size import mean_squares, scale_of, scale_of_stream, sharpness
from .exceptions import DivergenceError
from .losses import LOSSES, Loss
from .optimizers import OPTIMIZERS
from .schedules import SCHEDULES, Constant, Course, Schedule

_AVERAGE_POWER = 1.0  # of the automatic mean: iterate k counts as k


def loss_names(task: str) -> set[str]:
    return {name for name, loss in LOSSES.items() if loss.task == task}


def loss_of(estimator, task: str) -> Loss:
    """The estimator's loss as an object that fits its task."""
    loss = LOSSES[estimator.loss]() if isinstance(estimator.loss, str) else estimator.loss
    if loss.task != task:
        raise ValueError(
            f"loss={estimator.loss!r} is not a {task} loss; {type(estimator).__name__} takes one of "
            f"{sorted(loss_names(task))} or a skgd.losses.Loss of that task."
        )
    _check_range(loss, "epsilon", 0, np.inf, closed_left=loss.name != "huber")
    _check_range(loss, "quantile", 0, 1)
    _check_range(loss, "power", 1, 2)
    return loss


def optimizer_of(estimator):
    given = estimator.optimizer
    optimizer = OPTIMIZERS[given]() if isinstance(given, str) else given
    for name in ("beta", "beta_1", "beta_2", "rho"):
        _check_range(optimizer, name, 0, 1, closed_left=True)
    _check_range(optimizer, "epsilon", 0, np.inf)
    return optimizer


_SCHEDULE_RANGES = {
    "power": (0, np.inf, True),
    "decay": (0, np.nextafter(1, 2)),
    "factor": (0, 1),
    "patience": (1, np.inf, True),
    "final": (0, np.nextafter(1, 2), True),
    "period": (0, np.inf),
}


def _check_range(thing, name, low, high, closed_left=False):
    value = getattr(thing, name, None)
    if value is None or thing.__class__.__module__.partition(".")[0] != "skgd":
        return
    if not (low <= value if closed_left else low < value) or not value < high:
        left = "[" if closed_left else "("
        raise ValueError(
            f"{name}={value!r} of {type(thing).__name__} must be in the range {left}{low}, {high})."
        )


def penalty_of(name: str | None, alpha: float, l1_ratio: float) -> Penalty:
    share = {None: 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": l1_ratio}[name]
    alpha = 0.0 if name is None else float(alpha)
    return Penalty(alpha * share, alpha * (1 - share))


def schedule_of(estimator, course: Course):
    given = estimator.schedule
    schedule = SCHEDULES[given]() if isinstance(given, str) else given
    for name, limits in _SCHEDULE_RANGES.items():
        _check_range(schedule, name, *limits)
    return schedule.bind(course) if isinstance(schedule, Schedule) else schedule


def rows_per_update(estimator, n: int) -> int:
    return {"batch": n, "sgd": 1, "minibatch": min(estimator.batch_size, n)}[estimator.solver]


def rule_of(estimator, optimizer, penalty: Penalty, batch_size: int):
    """The core's rule and how many state arrays it keeps."""
    per_sample = batch_size == 1 and estimator.solver != "batch"
    if optimizer.name == "plain" and penalty.l1 > 0 and per_sample:
        return ("cumulative", []), 2  # Tsuruoka et al. 2009
    return optimizer._rule(), optimizer.slots


def averaging_of(estimator, network) -> tuple[bool, int, float]:
    """Whether, from which update and with which power the iterates are averaged."""
    average = estimator.average
    if isinstance(average, str):  # "auto"
        noisy = estimator.learning_rate == "auto" and estimator.solver != "batch"
        return noisy and network is None, 0, _AVERAGE_POWER
    if isinstance(average, (bool, np.bool_)):
        return bool(average), 0, 0.0
    return True, int(average), 0.0


def _seed(random_state) -> int:
    """State of the shuffling generator: the int itself, or drawn from NumPy's generator."""
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return check_random_state(random_state).randint(0, 2**32, dtype=np.uint64)


def new_descent(estimator, problem: Problem, rule: str, slots: int) -> Descent:
    averaged, start, power = averaging_of(estimator, problem.network)
    seed = np.array([_seed(estimator.random_state)], dtype=np.uint64)
    return Descent(
        problem.zeros(),
        tuple(problem.zeros() for _ in range(slots)),
        seed,
        rule=rule,
        layers=problem.layers,
        average=problem.zeros() if averaged else None,
        average_start=start,
        average_power=power,
        l1=problem.penalty.l1 > 0,
    )


def continues(estimator, descent: Descent, problem: Problem, rule: str) -> bool:
    """Whether the descent can go on as it is."""
    averaged, _, power = averaging_of(estimator, problem.network)
    return (
        descent.rule == rule
        and descent.theta.dtype == problem.dtype
        and descent.layers == problem.layers
        and (descent.average is not None, descent.average_power) == (averaged, power)
        and descent.l1 == (problem.penalty.l1 > 0)
    )


def base_rate(estimator, problem: Problem, descent: Descent, optimizer, batch_size: int, stream) -> float:
    """The learning rate that was given, or half the largest stable one for the data."""
    if not isinstance(estimator.learning_rate, str):
        return float(estimator.learning_rate)
    if problem.network is not None:
        return _network_rate(problem, descent, optimizer, batch_size)
    scale = scale_of_stream(problem, descent.stream) if stream else scale_of(problem, batch_size)
    step = scale.comfortable(batch_size)
    if not optimizer.adaptive:
        return step * (1 - getattr(optimizer, "beta", 0.0))
    if stream and descent.rate > 0:
        return descent.rate
    return optimizer.reach * _parameter_scale(problem, descent)


def _network_rate(problem: Problem, descent: Descent, optimizer, batch_size: int) -> float:
    """For a perceptron: with adaptive rules 5e-4 sqrt(batch size), at most 0.01, as the noise that their
    steps are divided by falls with its root; else one over the largest curvature at the start."""
    if descent.rate > 0 and descent.t > 0:
        return descent.rate
    if optimizer.adaptive:
        return min(1e-2, 5e-4 * batch_size**0.5) if batch_size < problem.n else 1e-2
    largest = sharpness(problem, descent.theta, batch_size)
    return (1 - getattr(optimizer, "beta", 0.0)) / largest if largest > 0 else 1e-3


def _largest_stable(problem: Problem, descent: Descent, batch_size: int) -> float:
    if problem.network is None:
        return scale_of(problem, batch_size).largest_stable(batch_size)
    return 2.0 / max(sharpness(problem, descent.theta, batch_size), np.finfo(float).tiny)


def _parameter_scale(problem: Problem, descent: Descent) -> float:
    """How far a parameter will have to go: the largest step of a coordinate at a scale of its own."""
    (gradient,) = problem.blocks(problem.loss_gradient(descent.theta))
    gradient = np.abs(gradient).max(axis=1)
    squares = np.ones(problem.d) if problem.standard is not None else mean_squares(problem.X)
    curvature = problem.loss._curvature(problem.targets.y, problem.targets.weight)
    scale = curvature * np.append(squares, 1.0)
    return float(np.max(gradient / np.maximum(scale, 1e-300), initial=0.0, where=scale > 0)) or 1.0


def rates_of(
    estimator, problem: Problem, descent: Descent, loss, optimizer, batch_size: int, stream=False
) -> Rates:
    """The rates of a fit, or of the next rows of a stream; sets the descent's base rate."""
    auto = isinstance(estimator.learning_rate, str)
    start = descent.theta.copy() if problem.network is not None else None
    descent.rate = base_rate(estimator, problem, descent, optimizer, batch_size, stream)
    updates_per_epoch = -(-problem.n // batch_size)
    schedule = schedule_of(
        estimator,
        Course(updates_per_epoch, estimator.max_iter, descent.rate, estimator.alpha, descent.drops),
    )

    def exploded(rate):
        if start is not None:
            descent.theta[:] = start
        stable = _largest_stable(problem, descent, batch_size)
        rows = {1: "one row", problem.n: "all rows"}.get(batch_size, f"{batch_size} rows")
        return DivergenceError(rate, stable, f"solver={estimator.solver!r} ({rows} per update)")

    if not auto:
        rates = Rates(descent.rate, schedule, exploded)
        rates.bounded = loss.bounded_slope or optimizer.adaptive
        rates.noisy = batch_size < problem.n
        return rates
    batch = estimator.solver == "batch"
    if not isinstance(schedule, Constant):
        return AutoRates(descent.rate, schedule, None, np.inf, stream)
    searches = optimizer.name == "plain" and descent.average is None and not loss.least_at_zero
    if batch and searches:
        return (BatchRates if loss.smooth else PolyakRates)(descent.rate, schedule, exploded)
    if batch:
        rates = AutoRates(descent.rate, schedule, None, np.inf)
        if optimizer.adaptive or not loss.smooth:
            rates.settle, rates.swings = 0.5, 8  # steps that do not shrink by themselves
        return rates
    if problem.network is not None:
        return PerceptronRates(descent.rate, schedule, None, stream=stream)
    if optimizer.adaptive:
        horizon = max(100.0, updates_per_epoch)
    else:  # of the updates that max_iter allows, a quarter at about the full rate
        horizon = np.inf if stream else estimator.max_iter * updates_per_epoch / 4
    rates = AutoRates(descent.rate, schedule, horizon, 3, stream)
    if batch_size < problem.n:
        rates.most_grown = min(16.0, 2 * batch_size**0.5)  # single rows are too noisy for higher rates
    rates.quiet, rates.room = estimator.tol or 0.0, 0.01
    return rates
