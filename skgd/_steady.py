"""partial_fit of one update on rows like those of the call before, without finding out anew what they mean.

In a stream of single rows, or of mini-batches, at a given rate, rows and iterate are all that differs from
call to call. What is not exactly so is left to the general way, its errors included.
"""

from __future__ import annotations

from operator import is_
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ._descent import Descent
from ._design import DenseDesign
from ._fit import Fit
from ._parameters import values_of
from ._problem import run_core
from ._rates import Rates
from ._targets import Classes, Numbers, Task
from ._validation import is_plain
from .schedules import Constant

__all__ = ["CURVE_LENGTH", "goes_on", "keep"]

CURVE_LENGTH = 10_000  # entries of loss_curve_ that are kept

_UNUSUAL = frozenset(("_assigned", "_kept", "feature_names_in_"))  # attributes that ask for more
_KEPT: WeakKeyDictionary = WeakKeyDictionary()  # Steady by estimator, which copies and pickles do not have


class Steady:
    """What a call found that the next one needs; nothing of its rows."""

    def __init__(self, estimator, fit: Fit, task: Task):
        problem, options = fit.problem, fit.options
        self.task, self.options, self.rule = task, options, fit.rule.core_spec
        self.values, self.state = values_of(estimator), vars(estimator)["_descent"]
        self.dtype, self.d, self.columns = problem.dtype, problem.d, problem.targets.columns
        self.form = problem.form
        self.rates = np.array([[fit.rates.base]])
        self.highest = fit.rates.highest
        self.curve, self.end = np.empty(0), 0  # loss_curve_ is what ends there

    def serves(self, estimator, X, y) -> bool:
        """Whether nothing but the rows, which make one update, is new."""
        known = vars(estimator)
        if known.get("_descent") is not self.state or not _UNUSUAL.isdisjoint(known):
            return False
        if not all(map(is_, values_of(estimator), self.values)):
            return False
        if type(X) is not np.ndarray or not is_plain(X, y, isinstance(self.task, Numbers), True):
            return False
        return X.dtype == self.dtype and X.shape[1] == self.d and self.options.updates_per_epoch(len(X)) == 1

    def updated(self, estimator, X, y) -> dict | None:
        """What the estimator is after an update on these rows; None where something is unusual."""
        try:
            targets = estimator._encode(self.task, y, None, self.dtype, self.options.objective.loss)
        except ValueError:
            return None
        if targets.weight is not None:
            return None
        n, options, descent = len(X), self.options, Descent.from_state(self.state).copy()
        bound = descent.bind()
        steps = (n, 1, 0), self.rates, options.threads, options.max_gradient_norm
        loss, weight, penalty, *_ = run_core(self.form, X, targets, bound, self.rule, (0, n), steps)
        descent.t, descent.epochs = bound.t, descent.epochs + 1
        objective = loss / weight + penalty if weight > 0 else penalty
        finite = descent.state_is_finite() and descent.offers_numbers()
        if not (finite and np.isfinite(objective) and objective <= self.highest):
            return None
        block, model = descent.parameters[:, : self.columns], vars(estimator)["_model"]
        return {
            **estimator._attributes(block[:-1].T.copy(), block[-1].copy(), self.task),
            "loss_curve_": self.with_loss(estimator.loss_curve_, objective),
            "loss_": float(objective),
            "n_iter_": descent.epochs,
            "_model": model if model["rows"] == n else {**model, "rows": n},
            "_descent": descent.state(),
            "n_updates_": descent.t,
        }

    def with_loss(self, curve: np.ndarray, loss: float) -> np.ndarray:
        """The curve with one more entry, which is not copied each time; earlier ones do not change."""
        if self.end == len(self.curve):
            kept = curve[1 - CURVE_LENGTH :]
            self.curve, self.end = np.empty(2 * len(kept) + 64), len(kept)
            self.curve[: self.end] = kept
        self.curve[self.end] = loss
        return self.curve[max(0, self.end + 1 - CURVE_LENGTH) : self.end + 1]


def keep(estimator: Any, fit: Fit, task: Task, key: tuple | None) -> None:
    """Let calls to come be short, where they can be, after a call that ended well."""
    if type(estimator).__hash__ is None:
        return
    if key is not None and _is_steady(fit, task):
        _KEPT[estimator] = Steady(estimator, fit, task)
    else:
        _KEPT.pop(estimator, None)


def goes_on(estimator: Any, X, y, classes) -> bool:
    """Whether the estimator has learnt these rows, by an update like that of the call before."""
    if type(estimator).__hash__ is None:  # of a subclass that compares its own way
        return False
    steady = _KEPT.get(estimator)
    if steady is None or not (classes is None or classes is getattr(steady.task, "classes", None)):
        return False
    found = steady.updated(estimator, X, y) if steady.serves(estimator, X, y) else None
    if found is None:
        return False
    estimator._become(found, streams=True)
    steady.state = found["_descent"]
    steady.end += 1
    return True


def _is_steady(fit: Fit, task: Task) -> bool:
    """Whether a call like this one depends on nothing but its rows and the iterate."""
    options, problem, descent, rates = fit.options, fit.problem, fit.descent, fit.rates
    targets, design, penalty = problem.targets, problem.design, problem.penalty
    if problem.network is not None or type(design) is not DenseDesign or design.features is not None:
        return False
    if problem.has_coordinates or problem.limits is not None or penalty.joint or descent.lazy is not None:
        return False
    if any(part is not None for part in (targets.weight, targets.offset, targets.shift, descent.features)):
        return False
    if type(rates) is not Rates or not isinstance(rates.schedule, Constant):
        return False
    if options.mean_is_optional or descent.average_power > 0:  # which go by what earlier rows have shown
        return False
    of_vector = type(task) is Classes or (type(task) is Numbers and task.flat)
    return of_vector and isinstance(options.objective.core_loss(targets.columns, targets.codes), tuple)
