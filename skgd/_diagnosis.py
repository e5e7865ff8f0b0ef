"""The warnings about a finished training."""

from __future__ import annotations

import numpy as np

from ._arrays import lost_to_rounding
from ._coordinates import asks_for_units
from ._fit import Fit
from ._problem import Problem
from ._remaining_gain import remaining_gain
from ._step_size import scale_of
from ._stopping import of_little_gain, value_of_constant
from ._training import Record
from .losses import Loss

__all__ = ["convergence_warnings", "too_few_digits"]

_MOST_LOST = 0.05  # of the spread of y, to rounding
_FEW = 1000  # rows that tell whether y is constant
_COARSE = 10.0  # times the objective of the best constant: of which a share is too much of what can be gained


@np.errstate(all="ignore")
def convergence_warnings(fit: Fit, record: Record, loss: float, of_search: bool = False) -> list[str]:
    """Texts of the ConvergenceWarnings that are due; `loss` is the objective at the end.

    `of_search`: the rate is one that a search has found, not the user's.
    """
    return too_few_digits(fit.problem) + _of_training(fit, record, loss, of_search)


def too_few_digits(problem: Problem) -> list[str]:
    """The warning of float32 that hardly tells the values of y apart."""
    y, merged = problem.targets.unshifted, problem.targets.merged
    if problem.dtype != np.float32 or problem.loss.task != "regression" or len(y) < 2:
        return []
    columns = y.reshape(len(y), -1)
    varies = (columns != columns[0]).any(axis=0)
    columns = columns if varies.all() else columns[:, varies]  # a constant is exact
    if not merged and lost_to_rounding(columns, np.float32) < _MOST_LOST:
        return []
    largest = np.max(np.abs(y))
    spread = f"and the standard deviation of y is {np.std(y, dtype=float):.3g}"
    what = "and makes one number of the values of y" if merged else spread
    return [
        f"float32, the precision of the fit, has no numbers between {largest:.9g} and the next one, "
        f"{np.spacing(largest):.3g} farther, {what}. "
        f"Take the mean off y, or fit in float64."
    ]


def _of_training(fit: Fit, record: Record, loss: float, of_search: bool) -> list[str]:
    """What is to be said of how the training ended."""
    problem, stopping = fit.problem, fit.options.stopping
    text = _too_high_a_rate(fit, record, loss) if fit.rates.given else ""
    if text:
        return [text]
    if record.stop_reason == "max_iter" and not record.history["loss"]:
        return [
            f"The model is the one that the fit began with: at all rates tried in max_iter="
            f"{stopping.max_iter} epochs the objective rose, and the updates were undone. Increase max_iter."
        ]
    if stopping.tol is None or record.stop_reason in ("callback", "max_time"):  # stopped on purpose
        return []
    if record.stop_reason == "max_iter":
        text = f"Maximum number of epochs (max_iter={stopping.max_iter}) reached before convergence."
        return [f"{text} {_units(fit) or _few_updates(fit) or _what_to_raise(fit, loss)}"]
    stopped_early = record.stop_reason == "early_stopping"
    if (fit.rates.given or stopped_early) and not _units(fit):  # as near as the user asked for
        texts = _ended_early(fit, record, loss)
        if texts or stopped_early or not of_search:
            return texts
    if problem.network is not None:
        return _nothing_learnt(fit, record, loss)
    return _far_from_optimum(fit, loss, of_search)


def _too_high_a_rate(fit: Fit, record: Record, loss: float) -> str:
    """What is to be said of a rate that the user gave."""
    problem, options, rate = fit.problem, fit.options, fit.rates.base
    if options.optimizer.own_rate is not None:
        return ""
    plain = not (options.optimizer.adaptive or options.optimizer.stable)  # else the limit is another one
    if problem.network is None and plain and _oscillates(record, loss):
        stable = scale_of(problem, options.rows_per_update(problem.n)).largest_stable(
            options.rows_per_update(problem.n)
        )
        if rate > stable:
            return (
                f"The objective oscillates: learning_rate={rate:.6g} is above {stable:.3g}, about "
                f"the largest stable rate for this data and solver={options.solver!r}. Lower "
                f'learning_rate (or use learning_rate="auto"), or scale the features '
                f"(StandardScaler, or standardize=True)."
            )
    if _gained_nothing(problem, record, loss):
        return (
            f"The descent diverged: the objective rose above its start and ended at {loss:.4g}, which a "
            f"constant prediction reaches too. learning_rate={rate:.6g} is too high for "
            f'optimizer={options.optimizer.name!r}; lower it, or use learning_rate="auto".'
        )
    return ""


def _ended_early(fit: Fit, record: Record, loss: float) -> list[str]:
    """The warning of a fit under a rate of the user's that `tol` ended far from the optimum.

    Looked for where no check was far from the start, or the objective there, of which `tol` is a share, is
    much larger than that of the best constant; so other fits cost no readings of the rows.
    """
    problem, tol = fit.problem, fit.options.stopping.tol or 0.0
    if problem.network is not None or record.stop_reason != "tol":
        return []
    if problem.loss.least_at_zero or problem.penalty.joint:
        return []
    far = fit.options.stopping.n_iter_no_change * tol * record.start_loss
    near_start = np.abs(np.asarray(record.history["loss"]) - record.start_loss).max() <= far
    constant, of_units = problem.value(problem.constant), fit.problem.units_of_y
    size, unit = abs(constant - of_units), fit.unit_of_tol
    coarse = _COARSE * size < unit and not _is_constant(problem, constant)
    if not near_start and not coarse:
        return _worse_than_constant(fit, loss, constant, size)
    least = _least_gain(problem.loss, constant - of_units, loss - of_units, tol)
    # a tenth of all that can be gained and a hundredth of y's variance, or half of the way from the start
    least = max(least, *((constant - loss) / 9, 0.01 * size) if coarse else (constant - loss,))
    gain = remaining_gain(problem, fit.descent.parameters, least, fit.options.threads)
    if not gain > least:
        return []
    text = f"further steps lower the objective from {loss:.6g} to {loss - gain:.6g}."
    if near_start:
        return [
            f"The fit stopped near its start, where tol={tol:g} saw no progress: {text} "
            f'learning_rate={fit.rates.base:.6g} is too low; raise it, or use learning_rate="auto".'
        ]
    return [
        f"The fit stopped before it reached the optimum: {text} tol={tol:g} is a share of {unit:.3g}, the "
        f"objective where the fit started, and that of the best constant prediction is {constant:.3g}. "
        f'Take the mean off y, lower tol, or use learning_rate="auto".'
    ]


def _worse_than_constant(fit: Fit, loss: float, constant: float, size: float) -> list[str]:
    """The warning of a regression that ended above the best constant, whose objective is of that size."""
    passive = fit.options.optimizer.own_rate is not None
    if fit.problem.loss.task != "regression" or passive or not loss > constant + 0.01 * size:
        return []
    return [
        f"The model is worse than a constant prediction: the objective ended at {loss:.6g}, and that of the "
        f"best constant is {constant:.6g}. Change learning_rate (now {fit.rates.base:.6g}), lower tol, or "
        f'use learning_rate="auto".'
    ]


def _is_constant(problem: Problem, constant: float) -> bool:
    """Whether y is, up to rounding, from the objective at the best constant."""
    rounding = (8 * np.finfo(problem.dtype).eps) ** (2 if problem.loss._quadratic else 1)
    return bool(0 <= constant < rounding * _value_at_zero(problem))


def _value_at_zero(problem: Problem) -> float:
    """About the objective at raw scores of zero: that of some rows; where y is constant all have it."""
    targets = problem.targets
    if targets.units is not None or targets.codes:
        return problem.value(problem.zeros())
    some = targets.rows(slice(None, None, max(1, len(targets.y) // _FEW)))
    if targets.weight is not None and some.weight is not None:
        counted = some.weight > 0
        some = some.rows(counted) if counted.any() else targets.rows(np.flatnonzero(targets.weight)[:_FEW])
    raw = some.offset_to(np.zeros((len(some.y), some.columns)))
    return float(np.mean(problem.loss._values(some.y, raw)))


def _few_updates(fit: Fit) -> str:
    """What is to be said of mini-batches that could hold more than all rows."""
    asked, n = fit.options.batch_size, fit.problem.n
    if asked is None or not asked > n > 1:
        return ""
    return (
        f"batch_size={asked} is more than the {n} rows, so an epoch has one update: lower batch_size, or "
        f'use solver="batch".'
    )


def _what_to_raise(fit: Fit, loss: float) -> str:
    """What is to be said of a fit that needs more epochs."""
    problem = fit.problem
    bad = problem.network is None and fit.rates.given and not problem.loss.least_at_zero
    if not bad or not loss > problem.value(problem.constant):
        return "Increase max_iter, or raise tol."
    return (
        f"The model is worse than a constant prediction: raise learning_rate (now {fit.rates.base:.6g}) or "
        f'max_iter, or use learning_rate="auto".'
    )


def _units(fit: Fit) -> str:
    """What is to be said of the features where their units can have kept the fit from its optimum."""
    problem = fit.problem
    if problem.standard is not None or not problem.d or fit.options.standardize is None:
        return ""
    moments = problem.design.sampled_moments(problem.targets.weight)
    moments = moments.of_each_feature(problem.design.of_all_features)
    if not asks_for_units(moments, problem.fit_intercept):
        return ""
    return (
        f"The features are badly scaled: {_described(moments, problem.fit_intercept)} "
        f'Use standardize=True (or standardize="auto" with learning_rate="auto"), or put a StandardScaler '
        f"before the estimator in a Pipeline."
    )


def _described(moments, fit_intercept: bool) -> str:
    """The features with the largest and smallest values, or the one farthest from zero."""
    sizes, deviations = moments.sizes(), moments.deviations(moments.mean)
    varies = np.flatnonzero(deviations > 0)
    low, high = varies[np.argmin(sizes[varies])], varies[np.argmax(sizes[varies])]
    far = varies[np.argmax(np.abs(moments.mean[varies]) / deviations[varies])]
    if fit_intercept and np.abs(moments.mean[far]) > sizes[high] / sizes[low] * deviations[far]:
        return (
            f"the values of column {far} lie around {moments.mean[far]:.3g}, far from zero for their "
            f"standard deviation of {deviations[far]:.3g}."
        )
    return (
        f"the typical size of a value is {sizes[low]:.3g} in column {low} and {sizes[high]:.3g} in column "
        f"{high}; gradient descent needs sizes near 1."
    )


def _far_from_optimum(fit: Fit, loss: float, of_search: bool) -> list[str]:
    """The warning of a fit that stopped although its objective can still fall."""
    problem, stopping = fit.problem, fit.options.stopping
    if problem.loss.least_at_zero or problem.penalty.joint:
        return []
    constant = problem.value(problem.constant)
    if problem.loss.task == "classification":  # zero scores are far above the best constant of rare classes
        constant = min(constant, 2 * value_of_constant(problem, fit.options.threads))
    if _is_constant(problem, constant):
        return []
    of_units = problem.units_of_y
    least = _least_gain(problem.loss, constant - of_units, loss - of_units, stopping.tol or 0.0)
    gain = remaining_gain(problem, fit.descent.parameters, least, fit.options.threads)
    if not gain > least:
        return []
    todo = _units(fit) or (
        f"Lower tol (now {stopping.tol:g}) or raise n_iter_no_change (now {stopping.n_iter_no_change}), "
        f'and max_iter with them; solver="batch" is the most exact.'
        + (' Or search with learning_rates="auto".' if of_search else "")
    )
    return [
        f"The fit stopped before it reached the optimum: further steps lower the objective from "
        f"{loss:.6g} to {loss - gain:.6g}. {todo}"
    ]


def _least_gain(loss: Loss, constant: float, end: float, tol: float) -> float:
    """What can be gained that is worth a warning, beside the objective at the best constant and at the end.

    A hundredth of what the fit has gained over the constant; seven thousandths where there are kinks, as
    steps tell less than there is. At least .00002 of the constant's objective, and of regression at most
    .002 (of squared error: so much of R2). More under a larger tol than 1e-4.
    """
    tol = max(tol, 1e-4)
    high = max(2e-3, 10 * tol) if loss.task == "regression" else np.inf
    share = 100 * tol if loss.smooth else 70 * tol
    return float(np.clip(share * (constant - end), 0.2 * tol * abs(constant), high * abs(constant)))


def _nothing_learnt(fit: Fit, record: Record, loss: float) -> list[str]:
    """The warning of a perceptron that ended above the best constant prediction, or not much lower since the
    penalty outweighs a loss in small units."""
    problem = fit.problem
    constant = value_of_constant(problem, fit.options.threads)
    unit = _outweighed_unit(problem)
    if loss > 0.9 * constant and unit is not None:
        return [
            f"The network predicts about a constant: y has a standard deviation of {unit:.3g}, so small that "
            f"the penalty (alpha={problem.penalty.typical_alpha:.3g}) outweighs what weights can gain. "
            f"Divide y by its standard deviation, or lower alpha."
        ]
    if not loss > of_little_gain(problem, 0.01, fit.options.threads):
        return []
    return [
        f"The network has learnt next to nothing: the objective ended at {loss:.6g}, and that of the best "
        f"constant prediction is {constant:.6g}. Try another random_state, activation or optimizer, or a "
        f"learning_rate of your own."
    ]


def _outweighed_unit(problem: Problem) -> float | None:
    """The unit of y, where the penalty is large beside its square, which is the unit of the loss."""
    units = problem.targets.units
    if units is None or problem.penalty.typical_alpha < units.scale.max() ** 2:
        return None
    return float(units.scale.max())


def _gained_nothing(problem: Problem, record: Record, loss: float) -> bool:
    """Whether the objective rose above its start, and ended no lower than that of a constant prediction."""
    curve, start = np.asarray(record.history["loss"]), record.start_loss
    if not len(curve) or not np.max(curve) > start + 0.01 * abs(start):
        return False
    constant = problem.zeros() if problem.network is None else problem.constant
    limit = problem.value(constant)  # a warm start begins far below it
    return not loss < limit - 1e-3 * abs(limit)


def _oscillates(record: Record, loss: float) -> bool:
    """Whether the objective ended above its start or went up about as often as down."""
    curve = np.asarray(record.history["loss"])
    if not len(curve) or not np.isfinite(record.start_loss):
        return False
    if not loss < record.start_loss:
        return True
    steps = np.diff(curve[len(curve) // 2 :])
    return bool(len(steps) >= 4 and np.mean(steps > 1e-3 * abs(record.start_loss)) > 0.3)
