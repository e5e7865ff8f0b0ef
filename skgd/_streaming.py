"""partial_fit: one pass over some more rows, from where the last call ended."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if

from ._coordinates import ALMOST_EMPTY, Units
from ._descent import Descent
from ._design import design_of
from ._diagnosis import too_few_digits
from ._fitting import begin_fit
from ._options import Options
from ._steady import CURVE_LENGTH, goes_on, keep
from ._training import pass_over
from ._validation import RowsCheck, check_offset, check_weights, dense, door_of, schema_of

__all__ = ["Streaming", "has_partial_fit", "partial_fit_available"]


def has_partial_fit(estimator) -> bool:
    """Raises where updates need all rows."""
    if estimator.solver == "batch":
        raise AttributeError(
            'partial_fit is not available for solver="batch": an update would need all rows at once.'
        )
    return True


class Streaming:
    """What estimators do with a stream of rows."""

    def _partial_fit(self: Any, X, y, sample_weight, offset, classes=None, beside: Callable | None = None):
        """`beside` is called with the fit, and with what carries descents on, for copies that follow it."""
        if sample_weight is None and offset is None and beside is None and goes_on(self, X, y, classes):
            return self
        first = "_descent" not in vars(self)
        key = self._validate_new_params()
        options = self._options(X, first, key, stream=True)
        self._check_stream(options)
        door = door_of(self) if first else self
        X, y = self._check_rows(door, X, y, reset=first, stream=True)
        options = self._known_columns(options, vars(door))
        options.objective.penalty.check_features(X.shape[1])
        weight = None if sample_weight is None else check_weights(sample_weight, X)
        task, y = self._task_of(y, classes), dense(y)
        loss = options.objective.loss
        targets = self._encode(task, y, weight, X.dtype, loss)
        if offset is not None:
            self._check_offsets((offset,))
            targets = targets.with_offset(check_offset(offset, X, targets.columns), loss)
        previous = None if first else self._continued(task, Descent.from_state(self._descent))
        start = self._assigned_start(options)
        previous = previous if start is None else None
        shown = _shown_by_rows(options, X, previous)
        options = options.without_mean if shown.get("almost_empty") else options
        known = self._known_units(options)
        design = design_of(X)
        check = RowsCheck(door, X, due=False)
        with check:
            units = known.after(design, targets, options.objective)
            if previous is not None and units.standardize and known.standardize is None:
                previous = previous.copy()
                previous.forget_units()
            design, targets = units.applied(options, design, targets)
            fit = begin_fit(options, design, targets, previous, start, stream=True, check=check)
            fit.descent.stream |= shown
            copies = None if beside is None else beside(fit, lambda one: self._continued(task, one))
            fit = fit if copies is None else copies.fit
            fit.descent.open(fit.problem, fit.options.batch_size or fit.problem.n)
            try:
                losses, interrupted = pass_over(fit)
                fit.check_rows(1)
                if copies is not None:
                    copies.follow()
                found = self._state_of(fit, task) | self._streamed(fit.descent, losses)
                if units is not known or units.standardize != vars(self).get("_units", {}).get("standardize"):
                    found["_units"] = units.state()
                self._become(found | schema_of(door) if first else found, streams=True)
            except BaseException:
                for each in (fit.descent, copies):
                    if each is not None:
                        each.undo()
                raise
            fit.descent.close()
        if interrupted:
            raise KeyboardInterrupt
        for message in too_few_digits(fit.problem) if first or targets.merged else ():
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
        if copies is None:
            keep(self, fit, task, key)
        return self

    def _continued(self, task, descent: Descent) -> Descent:
        """A descent of the calls so far, for this task."""
        return descent

    def _known_units(self, options: Options) -> Units:
        """What a stream has told of the units of the features before the next rows."""
        state, wanted = vars(self).get("_units"), options.standardize
        if state is None or (wanted is not None and wanted != state["standardize"]):
            return Units(wanted, of_y=options.standardize_outputs)
        return Units.from_state(state)

    def _streamed(self, descent: Descent, losses: list[float]) -> dict:
        """What a stream tells of itself: its last rows' objectives."""
        curve = np.concatenate((vars(self).get("loss_curve_", ()), losses))[-CURVE_LENGTH:]
        loss = float(curve[-1]) if len(curve) else np.nan
        return {"n_iter_": descent.epochs, "loss_curve_": curve, "loss_": loss}


def _shown_by_rows(options: Options, X, previous: Descent | None) -> dict[str, bool]:
    """Whether the rows of a stream, by the first of them, have hardly any non-zeros, where that matters: a
    mean of the iterates lags behind weights that few rows move."""
    if not options.mean_is_optional:
        return {}
    if previous is not None and "almost_empty" in previous.stream:
        return {"almost_empty": previous.stream["almost_empty"]}
    filled = X.nnz if issparse(X) else np.count_nonzero(X)
    return {"almost_empty": bool(ALMOST_EMPTY * filled < X.shape[0] * X.shape[1])}


partial_fit_available = available_if(has_partial_fit)
