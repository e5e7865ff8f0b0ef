"""What steps from where a fit ended would still gain."""

from __future__ import annotations

import numpy as np

from ._coordinates import standard_of
from ._design import Design, Standard
from ._penalty import Kinks

__all__ = ["remaining_gain"]

_ROWS = 2048  # from which second derivatives are taken
_FLOPS = 2e8  # up to which features are taken together, not one by one
_STEPS = (1.0, 0.5, 0.25, 0.1)  # lengths of the step that are tried
_MORE_STEPS = 16  # of Newton's method, where one does not tell
_NEAR = 2.0**-4  # of the size of residuals: kinks that are nearer count as if they were there
_MISSES = 4  # of such steps in a row that gain nothing
_LEAST_DAMPING = 1e-6  # share of the curvature


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

    The curvature of a loss with kinks is that of parabolas above it (see `_derivatives`), so that steps go
    down (iteratively reweighted least squares). Where one does not, the parabolas get narrower.
    """
    if _is_large(sample, u):
        return u
    Z = _standardized(sample.design, standard)
    value, distance, damping = sample.value(_theta(sample, u, standard)), _NEAR, _LEAST_DAMPING
    start, gains, misses = value, [np.inf], 0
    for left in range(_MORE_STEPS, 0, -1):
        reach = min(left, _MORE_STEPS / 2) * max(gains[-4:])
        if start - value > 1.1 * enough or start - value + reach < enough or misses == _MISSES:
            break  # known, or out of reach
        slopes, curvatures = _derivatives(sample, sample.targets.offset_to(Z @ u), distance)
        gradient = Z.T @ slopes + l2 * u
        gradient[-1] *= problem.fit_intercept
        gradient = kinks.held(u, gradient)
        step = _solved(Z, curvatures, l2 + damping * curvatures.sum(axis=0).max(), gradient, 1e-8)
        tried = [kinks.after(u, part * step, gradient) for part in (2.0, *_STEPS)]
        values = [sample.value(_theta(sample, each, standard)) for each in tried]
        best = int(np.argmin([one if np.isfinite(one) else np.inf for one in values]))
        if values[best] < value:
            gains.append(value - values[best])
            misses = 0
            u, value = tried[best], values[best]
            damping = max(damping / 10, _LEAST_DAMPING)
        else:
            misses += 1
            distance, damping = distance / 4, 10 * damping
    return u


def _standardized(design: Design, standard: Standard, precision=np.float64) -> np.ndarray:
    """Standardised rows with a column of ones, dense."""
    Z = np.ones((design.n, design.d + 1), dtype=precision)
    for part, rows in design.standardized(standard).dense_blocks(256):  # which stay in the cache
        Z[part, :-1] = rows
    return Z


def _derivatives(problem, raw, distance: float = 1.0):
    """First and second derivatives (n, K) of the losses at raw scores, times the rows' shares of the weight.

    They are means and differences of slopes at a distance. Where curvature sits in kinks the second are the
    largest such differences up to there: over a kink a parabola that touches the loss where the row is, and
    lies above it.
    """
    targets, loss = problem.targets, problem.loss
    weight = np.ones(problem.n) if targets.weight is None else targets.weight.astype(float)
    share = (weight / max(weight.sum(), 1e-300))[:, None]
    if loss._quadratic:
        return share * (raw - targets.y.reshape(raw.shape)), np.broadcast_to(share, raw.shape)
    steps = np.array([1.0])
    if distance < 1 and not _is_smooth(loss):
        steps = np.exp2(np.arange(3.0, np.log2(distance) - 0.5, -1.0))
    apart = _distance(loss, targets.y, raw) * steps[:, None]  # (S, K)
    first, second = np.zeros_like(raw), np.zeros_like(raw)
    for k in range(raw.shape[1]):
        above, below = _slopes_at(loss, targets.y, raw, k, np.concatenate([apart[:, k], -apart[:, k]]))
        first[:, k] = (above[-1] + below[-1]) / 2
        second[:, k] = np.maximum(((above - below) / (2 * apart[:, k, None])).max(axis=0), 0.0)
    return share * first, share * second


def _slopes_at(loss, y, raw, k, distances):
    """Slopes (2, S, n) of the losses where column k of the raw scores has moved by 2 S distances."""
    moved = np.repeat(raw[None], len(distances), axis=0)
    moved[:, :, k] += distances[:, None]
    every = np.concatenate([y] * len(distances))
    slopes = loss.value_and_slope(every, moved.reshape(-1, raw.shape[1]))[1]
    return slopes.reshape(moved.shape)[:, :, k].reshape(2, -1, len(raw))


def _is_smooth(loss) -> bool:
    """Whether curvature is the same over some distance, not in kinks or near small residuals only."""
    return loss.smooth and not (loss.bounded_slope and loss.task == "regression")


def _distance(loss, y, raw):
    """How far apart slopes are taken, for each column.

    Where curvature sits in kinks, or near small residuals only, that is the size of residuals or half a
    margin: the rows near a kink then tell what it adds to the curvature of all.
    """
    if _is_smooth(loss):
        size = np.abs(raw - raw.mean(axis=0)).mean(axis=0) + 1e-3 * np.abs(raw).mean(axis=0)
        has_unit = loss.task == "regression" and not loss.log_link  # else that of raw scores is one
        return 1e-4 * (size + 1e-12 if has_unit else np.maximum(size, 0.1))
    if loss.task == "classification":
        return np.full(raw.shape[1], 0.5)
    return np.maximum(np.abs(y.reshape(raw.shape) - raw).mean(axis=0), 1e-300)


def _theta(problem, u, standard):
    """Parameters of the problem from those in the coordinates of `standard`."""
    theta = problem.zeros()
    theta[:, : u.shape[1]] = u if problem.standard is not None else standard.to_original(u)
    return theta
