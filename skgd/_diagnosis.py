"""The warnings about a finished training."""

from __future__ import annotations

import numpy as np

from ._coordinates import asks_for_units, standard_of
from ._design import Design, Standard
from ._problem import Problem
from ._step_size import scale_of
from ._training import Fit, Record

__all__ = ["convergence_warnings", "remaining_gain"]

_ROWS = 2048  # from which second derivatives are taken
_FLOPS = 2e8  # up to which features are taken together, not one by one
_STEPS = (1.0, 0.5, 0.25, 0.1)  # lengths of the step that are tried
_GAP = {"regression": 0.002, "classification": 0.01}  # of what can be gained, that may be left


def convergence_warnings(fit: Fit, record: Record, loss: float) -> list[str]:
    """Texts of the ConvergenceWarnings that are due; `loss` is the objective at the end."""
    problem, stopping = fit.problem, fit.options.stopping
    text = _too_high_a_rate(fit, record, loss) if fit.rates.given else ""
    if text:
        return [text]
    if stopping.tol is None or record.stop_reason == "callback":  # stopped on purpose
        return []
    units = _units(problem)
    if record.stop_reason == "max_iter":
        text = f"Maximum number of epochs (max_iter={stopping.max_iter}) reached before convergence."
        return [f"{text} {units or 'Increase max_iter, or raise tol.'}"]
    chosen = fit.rates.given or record.stop_reason == "early_stopping"
    if chosen and not units:  # as near as the user asked for
        return []
    return _far_from_optimum(fit, loss, units)


def _too_high_a_rate(fit: Fit, record: Record, loss: float) -> str:
    """What is to be said of a rate that the user gave."""
    problem, options, rate = fit.problem, fit.options, fit.rates.base
    plain = not options.optimizer.adaptive  # else the limit is another one
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


def _units(problem) -> str:
    """What is to be said of the features where their units can have kept the fit from its optimum."""
    if problem.standard is not None or not problem.d:
        return ""
    moments = problem.design.sampled_moments(problem.targets.weight)
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


def _far_from_optimum(fit: Fit, loss: float, units: str) -> list[str]:
    """The warning of a fit that stopped although its objective can still fall."""
    problem, stopping = fit.problem, fit.options.stopping
    if problem.network is not None or problem.loss.least_at_zero:
        return []
    share = max(_GAP[problem.loss.task], 10 * (stopping.tol or 0.0))
    constant = problem.value(problem.constant())
    least = share * constant
    rounding = 8 * np.finfo(problem.dtype).eps
    if constant < rounding ** (2 if problem.loss._quadratic else 1) * problem.value(problem.zeros()):
        return []  # y is constant
    if problem.loss.task == "classification":  # where a constant's objective does not tell of the rest
        least = share * max(constant - loss, 0.1 * constant)
    gain = remaining_gain(problem, fit.descent.parameters, least, fit.options.threads)
    if not gain > least:
        return []
    todo = units or (
        f"Lower tol (now {stopping.tol:g}) or raise n_iter_no_change (now {stopping.n_iter_no_change}), "
        f'and max_iter with them; solver="batch" is the most exact.'
    )
    return [
        f"The fit stopped before it reached the optimum: a single further step lowers the objective from "
        f"{loss:.6g} to {loss - gain:.6g}. {todo}"
    ]


def remaining_gain(problem, theta, least: float = 0.0, threads: int = 1) -> float:
    """By how much one step of Newton's method lowers the objective.

    The gradient is that of all rows, second derivatives are those of a sample, in standardised coordinates.
    Where a quadratic model promises more than `least` the step is tried, and the gain is a measured one: the
    optimum lies at least as much lower. Else the gain promised is returned.
    """
    standard = problem.standard
    if standard is None:
        moments = problem.design.sampled_moments(problem.targets.weight)
        standard = standard_of(moments, problem.fit_intercept, dtype=problem.dtype)
    u, gradient, l1 = _at(problem, theta, standard)
    step = _newton_step(problem, theta, standard, gradient)
    if problem.targets.codes and problem.targets.columns > 1:  # softmax: classes move against each other
        step *= 2
    promised = max(0.5 * float(np.sum(step * gradient)), 0.0)
    if not promised > least:
        return promised
    here = problem.value(theta, threads)
    gains = (here - _tried(problem, u, part * step, gradient, l1, standard, threads) for part in _STEPS)
    return next((gain for gain in gains if gain > least), 0.0)


def _at(problem, theta, standard):
    """Parameters and gradient of the objective in the coordinates of `standard`, (d + 1, K) in float64;
    strengths of the l1 penalty (d + 1, 1)."""
    K, penalty = problem.targets.columns, problem.penalty
    u, gradient = (a.astype(float)[:, :K] for a in (theta, problem.loss_gradient(theta)))
    if problem.standard is None:
        gradient[:-1] = (gradient[:-1] - standard.center[:, None] * gradient[-1]) / standard.scale[:, None]
        u = standard.to_standardized(u)
    strengths = penalty.l1 / standard.scale, penalty.l2 / standard.scale**2
    l1, l2 = (np.append(strength, 0.0)[:, None] for strength in strengths)
    gradient += l2 * u
    kept = np.sign(u) * l1  # of zero weights the part of the gradient that the penalty does not hold
    return u, gradient + np.where(u != 0, kept, -np.clip(gradient, -l1, l1)), l1


def _newton_step(problem, theta, standard, gradient):
    """The Newton step (d + 1, K) from second derivatives of a sample; of many features one by one."""
    sample = (
        problem.part(np.linspace(0, problem.n - 1, _ROWS).astype(np.intp)) if problem.n > _ROWS else problem
    )
    curvatures = _second_derivatives(sample, theta)
    l2 = np.append(problem.penalty.l2 / standard.scale**2, 0.0)
    size, K = gradient.shape
    if sample.n * size**2 * K > _FLOPS:  # deviations are one in these coordinates
        return gradient / np.maximum(curvatures.sum(axis=0) + l2[:, None], np.finfo(float).tiny)
    Z, step = _standardized(sample.design, standard), np.zeros_like(gradient)
    ridge = 1e-8 + (size / sample.n if sample.n < problem.n else 0.0)  # for what the sample does not see
    for k in range(K):
        free = np.flatnonzero(gradient[:, k])  # not weights that l1 keeps at zero, nor an absent intercept
        part = Z[:, free]
        H = (part * curvatures[:, k, None]).T @ part + np.diag(l2[free])
        H[np.diag_indices_from(H)] *= 1 + ridge
        step[free, k] = _solved(H, gradient[free, k])
    return step


def _solved(H: np.ndarray, right: np.ndarray) -> np.ndarray:
    """x with H x = right; the shortest where the matrix is singular."""
    try:
        return np.linalg.solve(H, right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(H, right, rcond=1e-12)[0]


def _standardized(design: Design, standard: Standard) -> np.ndarray:
    """Standardised rows with a column of ones, dense in float64."""
    ((_, rows),) = design.standardized(standard).dense_blocks(design.n)
    return np.column_stack([rows, np.ones(len(rows))])


def _second_derivatives(problem, theta):
    """Second derivatives (n, K) of the losses of the rows, times their shares of the weight.

    They are differences of slopes.
    """
    targets = problem.targets
    weight = np.ones(problem.n) if targets.weight is None else targets.weight.astype(float)
    share = (weight / max(weight.sum(), 1e-300))[:, None]
    if problem.loss._quadratic:
        return np.broadcast_to(share, (problem.n, targets.columns))
    raw = problem.scores(theta).astype(float)
    apart = _distance(problem.loss, targets.y, raw)
    found = np.zeros_like(raw)
    for k in range(raw.shape[1]):
        slopes = []
        for side in (1, -1):
            moved = raw.copy()
            moved[:, k] += side * apart[k]
            slopes.append(problem.loss.value_and_slope(targets.y, moved)[1].reshape(raw.shape)[:, k])
        found[:, k] = (slopes[0] - slopes[1]) / (2 * apart[k])
    return np.maximum(found, 0.0) * share


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


def _tried(problem, u, step, gradient, l1, standard, threads: int) -> float:
    """The objective after a step, which an l1 penalty lets no weight take across zero."""
    after = u - step
    side = np.where(u != 0, np.sign(u), -np.sign(gradient))
    after = np.where((l1 > 0) & (np.sign(after) != side), 0.0, after)
    theta = problem.zeros()
    theta[:, : u.shape[1]] = after if problem.standard is not None else standard.to_original(after)
    return problem.value(theta, threads)


def _gained_nothing(problem: Problem, record: Record, loss: float) -> bool:
    """Whether the objective rose above its start, and ended no lower than that of a constant prediction."""
    curve, start = np.asarray(record.history["loss"]), record.start_loss
    if not len(curve) or not np.max(curve) > start + 0.01 * abs(start):
        return False
    constant = problem.zeros()
    if problem.network is not None:
        problem.blocks(constant)[-1][-1] = problem.loss._constant(problem.targets.y, problem.targets.weight)
    limit = min(start, problem.value(constant))
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
