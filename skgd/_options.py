"""Names and parameters of an estimator turned, once, into the objects they stand for."""

from __future__ import annotations

import numbers

import numpy as np
from sklearn.utils import check_random_state

from ._batch_rates import BatchRates, PolyakRates
from ._network_rates import PerceptronRates
from ._problem import Descent, Penalty, Problem
from ._rates import AutoRates, Rates
from ._step_size import mean_squares, scale_of, scale_of_stream, sharpness
from .exceptions import DivergenceError
from .losses import LOSSES, Loss
from .optimizers import OPTIMIZERS
from .schedules import SCHEDULES, Constant, Course, Schedule, Warmup

_AVERAGE_POWER = 0.5  # of the automatic mean: iterate k counts as the root of k


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
    optimizer = estimator.optimizer
    if isinstance(optimizer, str):
        rule = OPTIMIZERS[optimizer]
        optimizer = rule(**rule.by_name) if _finds_rate_of_batch(estimator) else rule()
    for name in ("beta", "beta_1", "beta_2", "rho"):
        _check_range(optimizer, name, 0, 1, closed_left=True)
    _check_range(optimizer, "epsilon", 0, np.inf)
    _check_range(optimizer, "momentum_decay", 0, np.inf, closed_left=True)
    _check_use(estimator, optimizer)
    return optimizer


def _finds_rate_of_batch(estimator) -> bool:
    """Whether the fit is one whose convergence is known: convex, without noise and with a rate of ours."""
    ours = isinstance(estimator.learning_rate, str) and estimator.solver == "batch"
    linear = not hasattr(estimator, "hidden_layer_sizes")
    return ours and linear and loss_of(estimator, estimator._task).smooth


_ROWS = {
    "one": 'one row per update (solver="sgd")',
    "some": "mini-batches",
    "all": 'all rows per update (solver="batch")',
}


def _check_use(estimator, optimizer) -> None:
    """Whether the rule is defined for what the estimator asks of it."""
    which = f"optimizer={estimator.optimizer!r}"
    rows = {"batch": "all", "sgd": "one"}.get(
        estimator.solver, "one" if estimator.batch_size == 1 else "some"
    )
    if rows not in optimizer.rows:
        wanted = " or ".join(_ROWS[known] for known in optimizer.rows)
        raise ValueError(f"{which} needs {wanted}, but solver={estimator.solver!r}.")
    if not optimizer.networks and hasattr(estimator, "hidden_layer_sizes"):
        raise ValueError(f"{which} is defined for linear models only.")
    loss = loss_of(estimator, estimator._task)
    if optimizer.losses is not None and loss.name not in optimizer.losses:
        raise ValueError(f"{which} is defined for loss={optimizer.losses[0]!r} only, not {estimator.loss!r}.")
    if optimizer.searches and not loss.smooth:
        raise ValueError(f"{which} needs a loss without kinks, but loss={estimator.loss!r}.")
    if optimizer.searches and not isinstance(_schedule_object(estimator), Constant):
        raise ValueError(
            f'{which} chooses its own rates: schedule must be "constant", not {estimator.schedule!r}.'
        )
    flag = isinstance(estimator.average, (bool, np.bool_))
    averages = bool(estimator.average) if flag else not isinstance(estimator.average, str)
    if averages and (optimizer.searches or optimizer.blend is not None):
        raise ValueError(f'{which} needs average="auto" or False, not {estimator.average!r}.')


_SCHEDULE_RANGES = {
    "power": (0, np.inf, True),
    "decay": (0, np.nextafter(1, 2)),
    "factor": (0, 1),
    "patience": (1, np.inf, True),
    "final": (0, np.nextafter(1, 2), True),
    "period": (0, np.inf),
    "start": (0, np.nextafter(1, 2), True),
    "warmup": (0, 1, True),
    "n": (0, np.inf),
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


def _schedule_object(estimator):
    given = estimator.schedule
    return SCHEDULES[given]() if isinstance(given, str) else given


def _check_schedule(schedule) -> None:
    for name, limits in _SCHEDULE_RANGES.items():
        _check_range(schedule, name, *limits)
    if not isinstance(schedule, Warmup):
        return
    if isinstance(schedule.then, str) and schedule.then not in SCHEDULES:
        raise ValueError(f"then={schedule.then!r} of Warmup must be one of {sorted(SCHEDULES)}.")
    if not callable(schedule.following):
        raise ValueError(f"then={schedule.then!r} of Warmup must be a name, a schedule or a callable.")
    _check_schedule(schedule.following)


def schedule_of(estimator, course: Course):
    schedule = _schedule_object(estimator)
    _check_schedule(schedule)
    return schedule.bind(course) if isinstance(schedule, Schedule) else schedule


def rows_of(solver: str, batch_size: int, n: int) -> int:
    return {"batch": n, "sgd": 1, "minibatch": min(batch_size, n)}[solver]


def rows_per_update(estimator, n: int) -> int:
    return rows_of(estimator.solver, estimator.batch_size, n)


def rule_of(estimator, optimizer, penalty: Penalty, batch_size: int, n: float = np.inf):
    """The core's rule and how many state arrays it keeps; n rows, or a stream of them."""
    noisy = estimator.solver != "batch" and (batch_size < n or batch_size == 1)
    if optimizer.name == "plain" and penalty.l1 > 0 and noisy:
        return ("cumulative", []), 2  # Tsuruoka et al. 2009
    return optimizer._rule(), optimizer.slots


def averaging_of(estimator, network) -> tuple[bool, int, float]:
    """Whether, from which update and with which power the iterates are averaged."""
    average = estimator.average
    if isinstance(average, str):  # "auto"
        noisy = estimator.learning_rate == "auto" and estimator.solver != "batch"
        noisy = noisy and network is None and optimizer_of(estimator).blend is None
        return noisy, 0, _AVERAGE_POWER
    if isinstance(average, (bool, np.bool_)):
        return bool(average), 0, 0.0
    return True, int(average), 0.0


def _seed(random_state) -> int:
    """State of the shuffling generator: the int itself, or drawn from NumPy's generator."""
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return check_random_state(random_state).randint(0, 2**32, dtype=np.uint64)


def standardize_of(estimator) -> bool | str:
    """Whether to descend in standardised coordinates; "auto" where only the data can tell.

    Never under a rate that was given: it is meant for the features as they are.
    """
    if not isinstance(estimator.standardize, str):
        return bool(estimator.standardize)
    return "auto" if isinstance(estimator.learning_rate, str) else False


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
        owed=_owed(problem, rule),
        blend=optimizer_of(estimator).blend,
    )


def _owed(problem: Problem, rule: str):
    return (problem.penalty.l1, problem.penalty.l2) if rule == "cumulative" else None


def continues(estimator, descent: Descent, problem: Problem, rule: str) -> bool:
    """Whether the descent can go on as it is."""
    averaged, _, power = averaging_of(estimator, problem.network)
    return (
        descent.rule == rule
        and descent.theta.dtype == problem.dtype
        and descent.layers == problem.layers
        and (descent.average is not None, descent.average_power) == (averaged, power)
        and descent.l1 == (problem.penalty.l1 > 0)
        and descent.owed == _owed(problem, rule)
        and descent.blend == optimizer_of(estimator).blend
    )


def base_rate(
    estimator, problem: Problem, descent: Descent, optimizer, batch_size: int, stream
) -> tuple[float, float]:
    """The learning rate that was given, or half the largest stable one for the data; with the number of
    updates for which it can stay near there."""
    if not isinstance(estimator.learning_rate, str):
        return float(estimator.learning_rate), np.inf
    if problem.network is not None:
        return _network_rate(problem, descent, optimizer, batch_size), np.inf
    scale = scale_of_stream(problem, descent.stream) if stream else scale_of(problem, batch_size)
    step = scale.comfortable(batch_size)
    if not optimizer.adaptive:
        restarts = optimizer.restarts and estimator.solver == "batch" and problem.loss.smooth
        return (step if restarts else step / optimizer.gain), scale.horizon(batch_size)
    if stream and descent.rate > 0:
        return descent.rate, np.inf
    rate = optimizer.reach * _parameter_scale(problem, descent)
    if optimizer.decays and scale.penalty > 0:  # by at most a tenth an update
        rate = min(rate, 0.1 / scale.penalty)
    return rate, np.inf


def _network_rate(problem: Problem, descent: Descent, optimizer, batch_size: int) -> float:
    """For a perceptron: with adaptive rules 5e-4 sqrt(batch size), at most 0.01, as the noise that their
    steps are divided by falls with its root; else one over the largest curvature at the start."""
    if descent.rate > 0 and descent.t > 0:
        return descent.rate
    if optimizer.adaptive:
        rate = min(1e-2, 5e-4 * batch_size**0.5) if batch_size < problem.n else 1e-2
        return optimizer.in_networks * rate
    largest = sharpness(problem, descent.theta, batch_size)
    return 1 / (optimizer.gain * largest) if largest > 0 else 1e-3


def largest_stable(problem: Problem, descent: Descent, batch_size: int) -> float:
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
    descent.rate, horizon = base_rate(estimator, problem, descent, optimizer, batch_size, stream)
    updates_per_epoch = -(-problem.n // batch_size)
    schedule = schedule_of(
        estimator,
        Course(updates_per_epoch, estimator.max_iter, descent.rate, estimator.alpha, descent.drops),
    )

    def exploded(rate):
        if start is not None:
            descent.theta[:] = start
        stable = largest_stable(problem, descent, batch_size)
        rows = {1: "one row", problem.n: "all rows"}.get(batch_size, f"{batch_size} rows")
        return DivergenceError(rate, stable, f"solver={estimator.solver!r} ({rows} per update)")

    if optimizer.searches:
        base = descent.rate if auto else largest_stable(problem, descent, batch_size) / 2
        return BatchRates(base, schedule, exploded, first=descent.rate)
    if not auto:
        rates = Rates(descent.rate, schedule, exploded)
        rates.bounded = loss.bounded_slope or optimizer.adaptive or optimizer.stable
        rates.noisy = batch_size < problem.n
        return rates
    batch = estimator.solver == "batch"
    if not isinstance(schedule, Constant):
        return AutoRates(descent.rate, schedule, None, np.inf, stream)
    searches = not optimizer.slots and descent.average is None and not loss.least_at_zero
    if batch and searches:
        return (BatchRates if loss.smooth else PolyakRates)(descent.rate, schedule, exploded)
    if batch:
        rates = AutoRates(descent.rate, schedule, None, np.inf)
        if optimizer.adaptive or optimizer.restarts or not loss.smooth:
            rates.settle, rates.swings = 0.5, 8  # steps that do not shrink by themselves
        return rates
    if problem.network is not None:
        stops = stream or estimator.early_stopping or estimator.tol is not None
        updates = None if stops else estimator.max_iter * updates_per_epoch
        return PerceptronRates(descent.rate, schedule, updates, stream=stream)
    if optimizer.adaptive:
        horizon = max(100.0, updates_per_epoch)
    elif not stream:  # of the updates that max_iter allows, at most a quarter at about the full rate
        horizon = min(horizon, estimator.max_iter * updates_per_epoch / 4)
    rates = AutoRates(descent.rate, schedule, horizon, 3, stream)
    if batch_size < problem.n:
        rates.most_grown = min(16.0, 2 * batch_size**0.5)  # single rows are too noisy for higher rates
    rates.quiet, rates.room = estimator.tol or 0.0, 0.01
    return rates
