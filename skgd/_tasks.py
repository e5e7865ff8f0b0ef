"""What the two tasks ask of an estimator, whatever its model: targets, predictions, scores."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from ._scoring import with_offset
from ._streaming import Streaming, partial_fit_available
from ._targets import Classes, Labels, Numbers, Targets, Task, classes_of
from ._validation import class_weights, dense, refuse_sparse, times_class_weights, weights_of_classes
from .losses import LOSSES


class Regression(Streaming, RegressorMixin):
    """Targets are numbers."""

    _task = "regression"

    @partial_fit_available
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, offset=None) -> Self:
        """Update the model by one pass over the given rows.

        Optimizer state, averages, l1 penalties and schedules continue from call to call. Not
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
        return self._partial_fit(X, y, sample_weight, offset)

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
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions; for losses with a log link, the exponential of the raw score.
        """
        raw = self._raw_with(X, offset)
        return self._fitted_task().predict(raw, self._fitted_loss)

    def score(self, X, y, sample_weight=None, offset=None) -> float:
        """Coefficient of determination R2 of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        score : float
            R2, its mean over outputs.
        """
        model = with_offset(self, offset)
        return RegressorMixin.score(model, X, y, sample_weight)

    def _task_of(self, y, classes=None) -> Task:
        refuse_sparse(y)
        return Numbers(flat=y.ndim == 1)

    def _fitted_task(self) -> Task:
        return Numbers(flat=self._model["flat"])

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


class Classification(Streaming, ClassifierMixin):
    """Targets are labels of any kind."""

    _task = "classification"
    _takes_labels = False  # y may be a matrix of zeros and ones, a column for each label

    @partial_fit_available
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None, offset=None) -> Self:
        """Update the model by one pass over the given rows.

        Optimizer state, averages, l1 penalties and schedules continue from call to call. Not
        available for ``solver="batch"``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of the stream.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels of the stream; needed at the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, used as they are.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        self : object
            The updated estimator.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} is not supported by partial_fit, which does not "
                f"see all labels: give a dict of weights."
            )
        return self._partial_fit(X, y, sample_weight, offset, self._known_classes(classes))

    def _known_classes(self, classes):
        known = getattr(self, "classes_", None) if hasattr(self, "_descent") else None
        if classes is None:
            if known is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            return known
        classes = classes_of(np.asarray(classes))
        if known is not None and not np.array_equal(known, classes):
            raise ValueError(f"classes={classes} is not the same as on the last call: {known}.")
        return classes

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
            Labels; a matrix of zeros and ones after a fit to one.
        """
        raw = self._raw_with(X, offset)
        return self._fitted_task().predict(raw, self._fitted_loss)

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
        raw = self._raw_with(X, offset)
        return self._fitted_task().probabilities(raw, self._fitted_loss)

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

    def score(self, X, y, sample_weight=None, offset=None) -> float:
        """Accuracy of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        score : float
            Share of the rows that are predicted right.
        """
        model = with_offset(self, offset)
        return ClassifierMixin.score(model, X, y, sample_weight)

    def _task_of(self, y, classes=None) -> Task:
        if self._takes_labels and type_of_target(y) == "multilabel-indicator":
            if self.class_weight is not None:
                raise ValueError("class_weight is not supported for multilabel y: use sample_weight.")
            return Labels(np.arange(y.shape[1]))
        refuse_sparse(y)
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(
                f"y has shape {y.shape}: {type(self).__name__} predicts one class a row and takes y as a 1d "
                f"array. For several labels a row use GDMLPClassifier (y of zeros and ones), or "
                f"sklearn.multioutput.MultiOutputClassifier."
            )
        return Classes(classes_of(_one_label_a_row(y)) if classes is None else classes)

    def _fitted_task(self) -> Task:
        return {"classes": Classes, "labels": Labels}[self._model["task"]](self.classes_)

    def _encode(self, task, y, weight, dtype, loss) -> Targets:
        if isinstance(task, Labels):
            return task.encode(dense(y), weight, dtype, loss)
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
        tags.classifier_tags.multi_label = self._takes_labels
        return tags


def _one_label_a_row(y) -> np.ndarray:
    return y if np.ndim(y) == 1 else column_or_1d(y, warn=True)
