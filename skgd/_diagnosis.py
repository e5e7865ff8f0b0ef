"""The warnings about a finished training."""

from __future__ import annotations

import numpy as np

from ._coordinates import asks_for_units, standard_of
from ._design import Design, Standard
from ._fit import Fit
from ._penalty import Kinks
from ._problem import Problem
from ._step_size import scale_of
from ._training import Record
from .losses import Loss

__all__ = ["convergence_warnings", "remaining_gain"]

_ROWS = 2048  # from which second derivatives are taken
_FLOPS = 2e8  # up to which features are taken together, not one by one
_STEPS = (1.0, 0.5, 0.25, 0.1)  # lengths of the step that are tried
_MORE_STEPS = 16  # of Newton's method, where one does not tell


@np.errstate(all="ignore")
def convergence_warnings(fit: Fit, record: Record, loss: float) -> list[str]:
    """Texts of the ConvergenceWarnings that are due; `loss` is the objective at the end."""
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
        return [f"{text} {_units(fit) or 'Increase max_iter, or raise tol.'}"]
    chosen = fit.rates.given or record.stop_reason == "early_stopping"
    if chosen and not _units(fit):  # as near as the user asked for
        return _too_low_a_rate(fit, record, loss)
    if problem.network is not None:
        return _nothing_learnt(fit, record, loss)
    return _far_from_optimum(fit, loss)


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


def _too_low_a_rate(fit: Fit, record: Record, loss: float) -> list[str]:
    """The warning of a fit under a rate of the user's that `tol` ended before it had gone half of the way.

    Looked for where no check was far from the start, so that other fits cost no readings of the rows.
    """
    problem, stopping = fit.problem, fit.options.stopping
    if problem.network is not None or record.stop_reason != "tol":
        return []
    far = stopping.n_iter_no_change * (stopping.tol or 0.0) * record.start_loss
    if np.abs(np.asarray(record.history["loss"]) - record.start_loss).max() > far:
        return []
    if problem.loss.least_at_zero or problem.penalty.joint:
        return []
    constant = problem.value(problem.constant)
    least = _least_gain(problem.loss, constant, loss, stopping.tol or 0.0)
    gain = remaining_gain(problem, fit.descent.parameters, least, fit.options.threads)
    if not gain > max(least, constant - loss):
        return []
    return [
        f"The fit stopped near its start, where tol={stopping.tol:g} saw no progress: further steps lower "
        f"the objective from {loss:.6g} to {loss - gain:.6g}. learning_rate={fit.rates.base:.6g} is too low; "
        f'raise it, or use learning_rate="auto".'
    ]


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


def _far_from_optimum(fit: Fit, loss: float) -> list[str]:
    """The warning of a fit that stopped although its objective can still fall."""
    problem, stopping = fit.problem, fit.options.stopping
    if problem.loss.least_at_zero or problem.penalty.joint:
        return []
    constant = problem.value(problem.constant)
    rounding = (8 * np.finfo(problem.dtype).eps) ** (2 if problem.loss._quadratic else 1)
    if 0 <= constant < rounding * problem.value(problem.zeros()):
        return []  # y is constant
    of_units = fit.constant_of_units
    least = _least_gain(problem.loss, constant - of_units, loss - of_units, stopping.tol or 0.0)
    gain = remaining_gain(problem, fit.descent.parameters, least, fit.options.threads)
    if not gain > least:
        return []
    todo = _units(fit) or (
        f"Lower tol (now {stopping.tol:g}) or raise n_iter_no_change (now {stopping.n_iter_no_change}), "
        f'and max_iter with them; solver="batch" is the most exact.'
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
    constant = problem.value(problem.constant, fit.options.threads)
    size, unit = abs(constant - fit.constant_of_units), _outweighed_unit(problem)
    if loss > 0.9 * constant and unit is not None:
        return [
            f"The network predicts about a constant: y has a standard deviation of {unit:.3g}, so small that "
            f"the penalty (alpha={problem.penalty.typical_alpha:.3g}) outweighs what weights can gain. "
            f"Divide y by its standard deviation, or lower alpha."
        ]
    if not loss > constant + 0.01 * np.clip(record.start_loss - constant, 1e-3 * size, size):
        return []
    return [
        f"The network has learnt nothing: the objective ended at {loss:.6g}, and that of the best constant "
        f"prediction is {constant:.6g}. Try another random_state, activation or optimizer, or a "
        f"learning_rate of your own."
    ]


def _outweighed_unit(problem: Problem) -> float | None:
    """The unit of y, where the penalty is large beside its square, which is the unit of the loss."""
    units = problem.targets.units
    if units is None or problem.penalty.typical_alpha < units.scale.max() ** 2:
        return None
    return float(units.scale.max())


def remaining_gain(problem, theta, least: float = 0.0, threads: int = 1) -> float:
    """By how much further steps lower the objective, as far as that is known to be more than `least`.

    First a step of Newton's method for all rows, its second derivatives from a sample, in standardised
    coordinates. Where a quadratic model promises more than `least` it is tried, and the gain is a measured
    one: the optimum lies at least as much lower. Losses that are not quadratic can promise too little:
    there some more steps are made on the sample, and what they gain is measured on all rows.
    """
    standard = problem.standard
    if standard is None and problem.knows_second_moments:
        standard = Standard(np.zeros(problem.d), np.ones(problem.d))
    elif standard is None:
        moments = problem.design.sampled_moments(problem.targets.weight)
        standard = standard_of(moments, problem.fit_intercept, dtype=problem.dtype)
    u, gradient, kinks, l2 = _at(problem, theta, standard)
    exact = problem.loss._quadratic and problem.knows_second_moments
    sample = None if exact else problem.sample(_ROWS)
    if sample is None:
        step = _exact_step(problem, gradient, l2)
    else:
        step = _sampled_step(problem, sample, theta, standard, gradient, l2)
    if problem.targets.codes and problem.targets.columns > 1:  # softmax: classes move against each other
        step *= 2
    promised = max(0.5 * float(np.sum(step * gradient)), 0.0)
    if problem.loss._quadratic and not promised > least:
        return promised
    here = problem.value(theta, threads)
    if promised > least:
        for part in _STEPS:
            gain = here - problem.value(
                _theta(problem, kinks.after(u, part * step, gradient), standard), threads
            )
            if gain > least:
                return gain
    if problem.loss.smooth and not promised > least / 8:
        return promised
    lower = _descended(problem, sample or problem.sample(_ROWS), u, standard, kinks, l2, least)
    return max(here - problem.value(_theta(problem, lower, standard), threads), 0.0)


def _at(problem, theta, standard):
    """Parameters and gradient of the objective in the coordinates of `standard`, (d + 1, K) in float64;
    the kinks of the penalty there, and strengths (d + 1, 1) of its l2 part."""
    K, penalty = problem.targets.columns, problem.penalty
    u, gradient = (a.astype(float)[:, :K] for a in (theta, problem.loss_gradient(theta)))
    if problem.standard is None:
        gradient[:-1] = (gradient[:-1] - standard.center[:, None] * gradient[-1]) / standard.scale[:, None]
        u = standard.to_standardized(u)
    l2 = np.append(penalty.l2_of_features / standard.scale**2, 0.0)[:, None]
    kinks = Kinks.of(penalty, standard.scale)
    return u, kinks.held(u, gradient + l2 * u), kinks, l2


def _exact_step(problem, gradient, l2):
    """The Newton step (d + 1, K) of squared error from the second moments of all rows."""
    H = problem.second_moments() / problem.total_weight
    return np.column_stack([_solution(H, l2, column, 1e-8) for column in gradient.T])


def _sampled_step(problem, sample, theta, standard, gradient, l2):
    """The Newton step (d + 1, K) from second derivatives of a sample; of many features one by one."""
    _, curvatures = _derivatives(sample, sample.scores(theta).astype(float))
    if _is_large(sample, gradient):  # deviations are one in these coordinates
        return gradient / np.maximum(curvatures.sum(axis=0) + l2, np.finfo(float).tiny)
    # for what the sample does not see
    ridge = 1e-8 + (len(gradient) / sample.n if sample.n < problem.n else 0.0)
    precision = np.float32 if ridge > 1e-3 else np.float64  # a ridge that covers its rounding
    return _solved(_standardized(sample.design, standard, precision), curvatures, l2, gradient, ridge)


def _is_large(sample, gradient) -> bool:
    size, K = gradient.shape
    return sample.n * size**2 * K > _FLOPS


def _solved(Z, curvatures, l2, gradient, ridge):
    """Newton's step for each column from rows Z (n, d + 1) and curvatures (n, K)."""
    steps: list[np.ndarray] = []
    for curvature, column in zip(curvatures.T, gradient.T, strict=True):
        same = curvature[0] if np.all(curvature == curvature[0]) else None  # of squared error
        rows = Z if same is not None else Z * np.sqrt(curvature).astype(Z.dtype)[:, None]
        H = (rows.T @ rows).astype(float)
        steps.append(_solution(H if same is None else same * H, l2, column, ridge))
    return np.column_stack(steps)


def _solution(H, l2, gradient, ridge):
    """The step for which the curvature H (d + 1, d + 1) and that of the penalty hold the gradient (d + 1,).

    Weights without a gradient stay: those that l1 keeps at zero, or an absent intercept, whose row and
    column H need not have.
    """
    step, free = np.zeros_like(gradient), np.flatnonzero(gradient)
    H = H[np.ix_(free, free)]
    H[np.diag_indices_from(H)] *= 1 + ridge
    H[np.diag_indices_from(H)] += l2[free, 0]
    try:
        step[free] = np.linalg.solve(H, gradient[free])
    except np.linalg.LinAlgError:  # the shortest one
        step[free] = np.linalg.lstsq(H, gradient[free], rcond=1e-12)[0]
    return step


def _descended(problem, sample, u, standard, kinks, l2, enough: float):
    """Parameters u (d + 1, K) after some steps of Newton's method on the sample, up to a gain of `enough`.

    Derivatives are differences over a distance, which smooths a loss with kinks. Where a step does not lower
    the objective the distance shrinks, and the damping of the curvature grows (Levenberg 1944).
    """
    if _is_large(sample, u):
        return u
    Z = _standardized(sample.design, standard)
    value, distance, damping = sample.value(_theta(sample, u, standard)), 1.0, 1e-6
    start = value
    for _ in range(_MORE_STEPS):
        if start - value > 1.1 * enough:
            break
        slopes, curvatures = _derivatives(sample, sample.targets.offset_to(Z @ u), distance)
        gradient = Z.T @ slopes + l2 * u
        gradient[-1] *= problem.fit_intercept
        gradient = kinks.held(u, gradient)
        step = _solved(Z, curvatures, l2 + damping, gradient, 1e-8)
        tried = [kinks.after(u, part * step, gradient) for part in _STEPS]
        values = [sample.value(_theta(sample, each, standard)) for each in tried]
        best = int(np.argmin([one if np.isfinite(one) else np.inf for one in values]))
        if values[best] < value:
            u, value = tried[best], values[best]
            damping /= 3
        else:
            distance, damping = 0.5 * distance, 10 * damping
    return u


def _standardized(design: Design, standard: Standard, precision=np.float64) -> np.ndarray:
    """Standardised rows with a column of ones, dense."""
    Z = np.ones((design.n, design.d + 1), dtype=precision)
    for part, rows in design.standardized(standard).dense_blocks(256):  # which stay in the cache
        Z[part, :-1] = rows
    return Z


def _derivatives(problem, raw, distance: float = 1.0):
    """First and second derivatives (n, K) of the losses at raw scores, times the rows' shares of the weight.

    They are means and differences of slopes at a distance.
    """
    targets = problem.targets
    weight = np.ones(problem.n) if targets.weight is None else targets.weight.astype(float)
    share = (weight / max(weight.sum(), 1e-300))[:, None]
    if problem.loss._quadratic:
        return share * (raw - targets.y.reshape(raw.shape)), np.broadcast_to(share, raw.shape)
    apart = distance * _distance(problem.loss, targets.y, raw)
    first, second = np.zeros_like(raw), np.zeros_like(raw)
    for k in range(raw.shape[1]):
        above, below = (_slopes_at(problem.loss, targets.y, raw, k, side * apart[k]) for side in (1, -1))
        first[:, k], second[:, k] = (above + below) / 2, (above - below) / (2 * apart[k])
    return share * first, share * np.maximum(second, 0.0)


def _slopes_at(loss, y, raw, k, distance):
    moved = raw.copy()
    moved[:, k] += distance
    return loss.value_and_slope(y, moved)[1].reshape(raw.shape)[:, k]


def _distance(loss, y, raw):
    """How far apart slopes are taken, for each column.

    Where curvature sits in kinks, or near small residuals only, that is the size of residuals or half a
    margin: the rows near a kink then tell what it adds to the curvature of all.
    """
    if loss.smooth and not (loss.bounded_slope and loss.task == "regression"):
        return 1e-4 * (np.abs(raw - raw.mean(axis=0)).mean(axis=0) + 1e-3 * np.abs(raw).mean(axis=0) + 1e-12)
    if loss.task == "classification":
        return np.full(raw.shape[1], 0.5)
    return np.maximum(np.abs(y.reshape(raw.shape) - raw).mean(axis=0), 1e-300)


def _theta(problem, u, standard):
    """Parameters of the problem from those in the coordinates of `standard`."""
    theta = problem.zeros()
    theta[:, : u.shape[1]] = u if problem.standard is not None else standard.to_original(u)
    return theta


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
