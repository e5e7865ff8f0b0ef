"""Streams that drift or rest: whether the mean of the iterates lags behind or the iterates are but noise, and
how large residuals have been."""

from __future__ import annotations

import math

import numpy as np

from ._core import core
from ._descent import Descent
from ._log_link import column_means
from ._options import Options
from ._problem import Problem
from ._step_size import curvature_of_stream

__all__ = ["follow"]

_ROWS = 256  # of a call that are looked at
_SIGNIFICANT = 2.5  # standard deviations that the mean must have lost by
_SHARE, _FEWEST = 0.5, 8  # the recent rows: this share of those that the mean has counted, and some more
_SHARE_OF_FULL_RATE = 0.5  # of the updates until then: the horizon of the rate of a stream that rests
_MEMORY = 32  # rows whose residuals count
_MANY, _VISITS_OF_MANY = 1 << 14, 16  # features that leave the cache; visits of each between two looks


def follow(problem: Problem, descent: Descent, options: Options) -> None:
    """Look at the next rows of a stream before they are learnt.

    An automatic mean of the iterates starts anew where, over recent rows, the iterate predicted better than
    the mean, and a stream is known to rest where the mean predicted better; for the rates of adaptive rules
    the size of the residuals is kept.
    """
    automatic_mean = descent.average is not None and descent.average_power > 0 and descent.averages
    adaptive = options.optimizer.adaptive and options.learning_rate is None
    if problem.network is not None or not (adaptive or automatic_mean) or not problem.total_weight > 0:
        return
    rows = problem.sample(_ROWS)
    if not _is_due(rows, descent.stream):
        return
    settled = descent if descent.lazy is None else descent.copy()
    raw = rows.scores(settled.theta)
    if not core.all_finite(np.ascontiguousarray(raw)):
        return
    if adaptive:
        _measure_residuals(rows, raw, curvature_of_stream(problem, descent.stream), descent.stream)
    if automatic_mean:
        _compare(rows, raw, settled, options, descent)


def _is_due(rows: Problem, stream: dict) -> bool:
    """Whether as many non-zeros have gone by since the last look as there are features, or several times as
    many of very many features: a look costs all of them, where weights of sparse rows have to be settled."""
    X, wanted = rows.design.X, rows.d * (_VISITS_OF_MANY if rows.d > _MANY else 1)
    visits = stream.get("visits", wanted) + np.count_nonzero(X.data if rows.design.is_sparse else X)
    due = visits >= wanted
    stream["visits"] = 0 if due else int(visits)
    return due


def _measure_residuals(rows: Problem, raw: np.ndarray, curvature: float, stream: dict) -> None:
    """The largest mean so far of recent residuals: slopes of the loss over its curvature, units of raw
    scores; and mean squares of the features so far, the intercept's one.

    Residuals beyond those of the constant of the rows before are the work of too high a rate, which they
    must not raise: they do not count.
    """
    slopes = np.minimum(_slopes(rows, raw), _slopes_at_constant(rows, stream))
    kept = np.exp(-rows.n / _MEMORY)
    mean = float(np.average(slopes, weights=rows.targets.weight)) if rows.total_weight > 0 else 0.0
    total = kept * stream.get("slopes", 0.0) + mean * rows.n
    count = kept * stream.get("slopes_of", 0.0) + rows.n
    stream["slopes"], stream["slopes_of"] = total, count
    stream["residual"] = max(stream.get("residual", 0.0), total / (count * max(curvature, 1e-300)))
    squares = np.append(rows.design.mean_squares(rows.targets.weight), 1.0)
    seen = stream.get("rows_measured", 0) + rows.n
    if "squares" in stream:
        squares = stream["squares"] + (squares - stream["squares"]) * (rows.n / seen)
    stream["squares"], stream["rows_measured"] = squares, seen
    stream["largest_square"] = float(squares.max())


def _slopes(rows: Problem, raw: np.ndarray) -> np.ndarray:
    """Sizes (n,) of the slopes of rows, mean over outputs."""
    return np.abs(rows.loss.value_and_slope(rows.targets.y, raw)[1]).mean(axis=1)


def _slopes_at_constant(rows: Problem, stream: dict) -> np.ndarray | float:
    """Those of regression at the constant (K,) of the rows before, a mean over calls (of their means, with a
    log link); infinite for the first rows."""
    targets, loss = rows.targets, rows.loss
    if loss.task != "regression" or not rows.total_weight > 0:
        return np.inf
    find = column_means if loss.log_link else loss._constant
    constant = np.broadcast_to(find(targets.y, targets.weight), targets.columns).astype(float)
    before = stream.get("constant")
    share = rows.n / (stream.get("rows_measured", 0) + rows.n)
    stream["constant"] = constant if before is None else before + share * (constant - before)
    if before is None:
        return np.inf
    raw = np.log(before) if loss.log_link else before
    return _slopes(rows, np.repeat(raw[None, :], rows.n, axis=0).astype(targets.y.dtype))


def _compare(rows: Problem, raw: np.ndarray, settled: Descent, options: Options, descent: Descent) -> None:
    """Start the mean anew where it has lost to the iterate over recent rows, by more than chance would have
    it; where it has won by as much, the stream rests.

    With d the loss of a row at the mean less that at the iterate, both before its update, and weights k that
    fall by age: sum k d > 2.5 (sum k^2 d^2)^(1/2), or < -2.5 (...)^(1/2).
    """
    stream = descent.stream
    raws = np.concatenate((rows.scores(settled.parameters), raw))
    at_mean, at_iterate = _losses(rows, raws).reshape(2, -1)
    lost = at_mean - at_iterate
    if rows.targets.weight is not None:
        lost = lost * rows.targets.weight
    counted = (settled.t - settled.average_start) * options.rows_per_update(rows.n)
    memory = _FEWEST + _SHARE * counted
    if rows.n > 1:
        lost = lost * np.exp(np.arange(1 - rows.n, 1) / memory)
    kept = math.exp(-rows.n / memory)
    lag = kept * stream.get("lag", 0.0) + float(lost.sum())
    if not math.isfinite(lag):
        return
    squares = kept**2 * stream.get("lag_squares", 0.0) + float(lost @ lost)
    chance = _SIGNIFICANT * squares**0.5
    if lag > chance:
        for name in ("rests_from", "rests_after", "looked_at"):
            stream.pop(name, None)
        lag = squares = 0.0
        descent.start_mean_anew()
    elif lag < -chance and "rests_from" not in stream:
        # it may have begun to rest right after the look before
        before = _SHARE_OF_FULL_RATE * (stream.get("looked_at", 0) - settled.average_start)
        stream["rests_from"], stream["rests_after"] = settled.t, float(max(before, rows.d + 1))
    else:
        stream["looked_at"] = settled.t
    stream["lag"], stream["lag_squares"] = lag, squares


def _losses(rows: Problem, raws: np.ndarray) -> np.ndarray:
    """Losses (2 n,) of two sets of raw scores, which are overwritten, of the same n rows."""
    targets, loss = rows.targets, rows.objective.core_loss(rows.targets.columns, rows.targets.codes)
    y = np.concatenate((targets.y, targets.y))
    if not isinstance(loss, tuple):  # written in Python
        return rows.loss._values(y, raws)
    values = np.empty(len(raws), dtype=raws.dtype)
    core.value_and_slope(loss, y.reshape(len(y), -1), raws, values, targets.codes)
    return values
