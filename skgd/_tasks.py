"""What the two tasks ask of an estimator, whatever its model: targets, predictions, scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from ._blockwise import Blockwise
from ._evaluation import Evaluation
from ._export import Export
from ._growth import with_classes
from ._labels import UnknownLabelsError, classes_of
from ._scoring import with_offset
from ._streaming import Streaming, partial_fit_available
from ._targets import Classes, Labels, Numbers, Quantiles, Shares, Targets, Task
from ._validation import (
    check_weights,
    class_weights,
    kind_of_sparse,
    refuse_sparse,
    times_class_weights,
    weights_of_classes,
)
from .losses import LOSSES, LogLoss


class Regression(Evaluation, Streaming, Blockwise, Export, RegressorMixin):
    """Targets are numbers."""

    _task = "regression"

    @partial_fit_available
    def partial_fit(self, X, y, sample_weight=None, offset=None) -> Self:
        """Update the model by one pass over the given rows.

        Optimizer state, averages, l1 penalties and schedules continue from call to call. Where
        weights (``coef_``, ``intercept_``; of perceptrons ``coefs_``, ``intercepts_``) were assigned in
        between, a new descent starts there; entries that are changed in place do not count. Not
        available for ``solver="batch"``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of the stream.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, used as they are.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        self : object
            The updated estimator.
        """
        return self._stream(X, y, sample_weight=sample_weight, offset=offset)

    def _stream(self, X, y, classes=None, sample_weight=None, offset=None, beside=None):
        return self._partial_fit(X, y, sample_weight, offset, None, beside)

    def predict(self, X, offset=None) -> np.ndarray:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        y : ndarray of shape (n_samples,), (n_samples, n_outputs) or (n_samples, n_quantiles)
            Predictions; for losses with a log link, the exponential of the raw score. Of several quantiles
            there is a column for each, sorted in each row.
        """
        raw = self._raw_with(X, offset)
        return self._fitted_task().predict(raw, self._fitted_loss)

    def _task_of(self, y, classes=None) -> Task:
        refuse_sparse(y)
        levels = getattr(self.loss, "levels", None)
        if levels is None:
            return Numbers(flat=y.ndim == 1)
        if np.size(y) != len(y):
            raise ValueError(
                f"Several quantiles are predicted of one number a row, but y has shape {y.shape}: fit a "
                f"model for each column, or one quantile of all."
            )
        return Quantiles(y.ndim == 1, levels)

    def _fitted_task(self) -> Task:
        flat, levels = self._model["flat"], self._model.get("levels")
        return Numbers(flat) if levels is None else Quantiles(flat, levels)

    def score(self, X, y, sample_weight=None, offset=None) -> float:
        """Coefficient of determination of the predictions; of several quantiles their D2 pinball score.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        score : float
            At most 1, and 0 for the best constant. For several quantiles the mean over them of
            :math:`1 - L / L_0`, with the pinball loss L and that of the quantile of y,
            :math:`L_0` (Koenker & Machado 1999).
        """
        check_is_fitted(self, self._fitted)
        if self._model.get("levels") is None:
            return RegressorMixin.score(with_offset(self, offset), X, y, sample_weight)
        y = column_or_1d(y)
        check_consistent_length(X, y, sample_weight)
        weight = None if sample_weight is None else check_weights(sample_weight, np.asarray(y, dtype=float))
        return self._fitted_task().score(y, self._raw_with(X, offset), self._fitted_loss, weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        loss = LOSSES.get(self.loss) if isinstance(self.loss, str) else self.loss
        tags.target_tags.positive_only = getattr(loss, "log_link", False)
        return tags


def _loss_has_probabilities(estimator):
    loss = estimator._fitted_loss
    if not loss.has_probabilities:
        raise AttributeError(
            f"predict_proba is not available for loss={loss.name or loss!r}: it has no probabilities. "
            f'Use loss="log_loss" or "modified_huber", or sklearn.calibration.CalibratedClassifierCV.'
        )
    return True


class Classification(Evaluation, Streaming, Blockwise, Export, ClassifierMixin):
    """Targets are labels of any kind."""

    _task = "classification"

    @partial_fit_available
    def partial_fit(self, X, y, classes=None, sample_weight=None, offset=None) -> Self:
        """Update the model by one pass over the given rows.

        Optimizer state, averages, l1 penalties and schedules continue from call to call. Where
        weights (``coef_``, ``intercept_``; of perceptrons ``coefs_``, ``intercepts_``) were assigned in
        between, a new descent starts there; entries that are changed in place do not count. Not
        available for ``solver="batch"``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of the stream.
        y : array-like of shape (n_samples,)
            Labels; or a matrix, as in ``fit``.
        classes : array-like of shape (n_classes,), default=None
            All labels of the stream so far; needed at the first call (not where y is a matrix). A later call
            may bring more of them, for example with ``classes=np.union1d(model.classes_, y)``: the model goes
            on with a column of zeros for each class that is new. Where two classes become more, one column
            becomes several with the same probabilities, and the optimizer's state for them begins anew.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, used as they are.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        self : object
            The updated estimator.
        """
        return self._stream(X, y, classes, sample_weight, offset)

    def _stream(self, X, y, classes=None, sample_weight=None, offset=None, beside=None):
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} is not supported by partial_fit, which does not "
                f"see all labels: give a dict of weights."
            )
        try:
            known = self._known_classes(classes, y)
            return self._partial_fit(X, y, sample_weight, offset, known, beside)
        except UnknownLabelsError as error:
            raise ValueError(
                f"{error} To go on with more classes, pass all of them: classes=np.union1d(model.classes_, "
                "y)."
            ) from None

    def _known_classes(self, classes, y):
        known = getattr(self, "classes_", None) if hasattr(self, "_descent") else None
        if classes is None:
            if known is None and not _is_matrix(y):
                raise ValueError("classes must be passed on the first call to partial_fit.")
            return known
        given = np.asarray(classes)
        if known is not None and given.dtype == known.dtype and np.array_equal(given, known):
            return known
        classes = classes_of(given)
        lost = np.setdiff1d(classes if known is None else known, classes)
        if len(lost):
            raise ValueError(
                f"classes={classes} is not the same as on the last call, {known}, and lacks {lost}: pass all "
                f"classes, those known and those that are new."
            )
        return classes

    def _continued(self, task, descent):
        known = self._model["task"]
        if task.spec()["task"] != known:
            raise ValueError(f"The model was fitted to {known}, but y holds {task.spec()['task']}.")
        if known != Classes(self.classes_).spec()["task"] or len(task.classes) == len(self.classes_):
            return descent
        return with_classes(descent, self.classes_, task.classes, self._fitted_loss._ties_classes)

    def decision_function(self, X, offset=None) -> np.ndarray:
        """Raw scores.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, positive means ``classes_[1]``; of many labels, that the row has it.
        """
        raw = self._raw_with(X, offset)
        return raw.ravel() if raw.shape[1] == 1 else raw

    def predict(self, X, offset=None) -> np.ndarray:
        """Predict labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Labels; after a multilabel fit a matrix of zeros and ones, in CSR where it was sparse there.
        """
        self._check_fitted()
        task, loss = self._fitted_task(), self._fitted_loss
        return self._predicted(X, offset, lambda raw: task.predict(raw, loss), task.labels_of_rows)

    @available_if(_loss_has_probabilities)
    def predict_proba(self, X, offset=None) -> np.ndarray:
        """Class probabilities; for losses that have them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        self._check_fitted()
        task, loss = self._fitted_task(), self._fitted_loss
        directly = task.probabilities_of_rows if type(loss) is LogLoss else None
        return self._predicted(X, offset, lambda raw: task.probabilities(raw, loss), directly)

    @available_if(_loss_has_probabilities)
    def predict_log_proba(self, X, offset=None) -> np.ndarray:
        """Logarithms of the class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        raw = self._raw_with(X, offset)
        return self._fitted_task().log_probabilities(raw, self._fitted_loss)

    def _task_of(self, y, classes=None) -> Task:
        if getattr(self.loss, "takes_shares", False):
            return self._without_class_weight(Shares, y, "soft labels")
        if _is_matrix(y) and type_of_target(y) == "multilabel-indicator":
            return replace(self._without_class_weight(Labels, y, "multilabel y"), sparse=kind_of_sparse(y))
        if _is_matrix(y):
            raise ValueError(
                f"y has shape {y.shape}: {type(self).__name__} takes one class a row as a 1d array, several "
                f"labels a row as a matrix of zeros and ones, and probabilities of classes with "
                f"loss=LogLoss(soft_labels=True). For several outputs of many classes each use "
                f"sklearn.multioutput.MultiOutputClassifier."
            )
        refuse_sparse(y)
        return Classes(classes_of(_one_label_a_row(y)) if classes is None else classes)

    def _without_class_weight(self, kind, y, what: str) -> Any:
        if self.class_weight is not None:
            raise ValueError(f"class_weight is not supported for {what}: use sample_weight.")
        if not _is_matrix(y):
            raise ValueError(
                "With soft_labels=True y must hold the probability of each class, in a matrix of shape "
                f"(n_samples, n_classes); it has shape {np.shape(y)}."
            )
        return kind(np.arange(y.shape[1]))

    def _fitted_task(self) -> Task:
        if self._model["task"] == "labels":
            return Labels(self.classes_, self._model.get("sparse"))
        return {"classes": Classes, "shares": Shares}[self._model["task"]](self.classes_)

    def score(self, X, y, sample_weight=None, offset=None) -> float:
        """Accuracy: the share of the rows whose class, or all of whose labels, are predicted.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            True labels; after a fit to soft labels also probabilities, of which the largest counts.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        score : float
            From 0 to 1.
        """
        check_is_fitted(self, self._fitted)
        if self._fitted_loss.takes_shares and _is_matrix(y):
            y = self.classes_[np.argmax(np.asarray(y), axis=1)]
        return ClassifierMixin.score(with_offset(self, offset), X, y, sample_weight)

    def _encode(self, task, y, weight, dtype, loss) -> Targets:
        if not task.one_label:
            return task.encode(y, weight, dtype, loss)
        y = column_or_1d(y) if np.ndim(y) != 1 else y
        targets = task.encode(y, weight, dtype, loss)
        found = class_weights(self.class_weight, task.classes, y, targets.y, weight, dtype)
        return targets.with_weight(found)

    def _encode_held_out(self, task, rows, trained, targets, loss) -> Targets:
        found = super()._encode_held_out(task, rows, trained, targets, loss)
        if self.class_weight is None:
            return found
        y, weight = trained
        per_class = weights_of_classes(self.class_weight, task.classes, y, targets.y, weight)
        return found.with_weight(times_class_weights(per_class, found.y, found.weight, targets.y.dtype))

    def _previous(self, task):
        previous = super()._previous(task)
        if previous is not None and not np.array_equal(task.classes, self.classes_):
            raise ValueError(
                f"warm_start=True, but the classes changed: {self.classes_} before, {task.classes} now."
            )
        return previous

    def _model_of(self, task, problem, weights, intercepts):
        return {**super()._model_of(task, problem, weights, intercepts), "classes_": task.classes}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _is_matrix(y) -> bool:
    """Whether there are several columns of y."""
    shape = np.shape(y) if not hasattr(y, "shape") else y.shape
    return len(shape) == 2 and shape[1] > 1


def _one_label_a_row(y) -> np.ndarray:
    return y if np.ndim(y) == 1 else column_or_1d(y, warn=True)
