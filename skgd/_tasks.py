"""What the two tasks ask of an estimator, whatever its model: targets, predictions, scores."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from . import _options as options
from ._estimator import partial_fit_available
from ._problem import Targets
from ._targets import class_codes, classes_of, classification_targets, regression_targets
from ._validation import class_weights


class Regression(RegressorMixin):
    """Targets are numbers."""

    _task = "regression"

    @partial_fit_available
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None) -> Self:
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

        Returns
        -------
        self : object
            The updated estimator.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X) -> np.ndarray:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions; for losses with a log link, the exponential of the raw score.
        """
        return self._predictions(self._raw_scores(X))

    def _predictions(self, raw):
        out = options.loss_of(self, self._task).inverse_link(raw)
        return out.ravel() if self._flat_y else out

    def _encode(self, X, y, weight, loss, classes=None):
        self._flat_y = y.ndim == 1
        return regression_targets(y, weight, X.dtype, loss)

    @property
    def _flat_coef(self):
        return self._flat_y

    def _score_rows(self, X, y, weight):
        from sklearn.metrics import r2_score  # late: slow to import

        return r2_score(y, self._predictions(self._raw(X)), sample_weight=weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _loss_has_probabilities(estimator):
    loss = options.loss_of(estimator, "classification")
    if not loss.has_probabilities:
        raise AttributeError(
            f"predict_proba is not available for loss={estimator.loss!r}: it has no probabilities. "
            f'Use loss="log_loss" or "modified_huber", or sklearn.calibration.CalibratedClassifierCV.'
        )
    return True


class Classification(ClassifierMixin):
    """Targets are labels of any kind."""

    _task = "classification"
    _flat_coef = False
    _takes_indicators = False  # y may be a matrix of zeros and ones, a column for each label
    _indicators = False

    @partial_fit_available
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None) -> Self:
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
        return self._partial_fit(X, y, sample_weight, self._known_classes(classes))

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

    def decision_function(self, X) -> np.ndarray:
        """Raw scores.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, positive means ``classes_[1]``; of many labels, that the row has it.
        """
        raw = self._raw_scores(X)
        return raw.ravel() if raw.shape[1] == 1 else raw

    def predict(self, X) -> np.ndarray:
        """Predict labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Labels; a matrix of zeros and ones after a fit to one.
        """
        return self._labels(self._raw_scores(X))

    @available_if(_loss_has_probabilities)
    def predict_proba(self, X) -> np.ndarray:
        """Class probabilities; for losses that have them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return self._by_label(options.loss_of(self, self._task).probabilities, self._raw_scores(X))

    @available_if(_loss_has_probabilities)
    def predict_log_proba(self, X) -> np.ndarray:
        """Logarithms of the class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return self._by_label(options.loss_of(self, self._task).log_probabilities, self._raw_scores(X))

    def _by_label(self, probabilities, raw):
        """Probabilities of the classes; of each label where a row may have several."""
        if not self._indicators:
            return probabilities(raw)
        return np.hstack([probabilities(raw[:, k : k + 1])[:, 1:] for k in range(raw.shape[1])])

    def _labels(self, raw):
        if self._indicators:
            return (raw > 0).astype(np.intp)
        index = (raw[:, 0] > 0).astype(np.intp) if raw.shape[1] == 1 else raw.argmax(axis=1)
        return self.classes_[index]

    def _encode(self, X, y, weight, loss, classes=None):
        self._indicators = self._takes_indicators and type_of_target(y) == "multilabel-indicator"
        if self._indicators:
            return self._encode_indicators(X, y, weight)
        if np.ndim(y) != 1:  # else a validated array, for which this call would only take time
            y = column_or_1d(y, warn=True)
        classes = classes_of(y) if classes is None else classes
        if self.warm_start and hasattr(self, "_descent") and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start=True, but the classes changed: {self.classes_} before, {classes} now."
            )
        self.classes_ = classes
        codes = class_codes(y, self.classes_, X.dtype)
        weight = class_weights(self.class_weight, self.classes_, y, codes, weight, X.dtype)
        return classification_targets(codes, weight, len(self.classes_))

    def _check_held_out(self, y):
        if not self._indicators:
            class_codes(np.asarray(y), self.classes_, float)

    def _encode_indicators(self, X, y, weight):
        if self.class_weight is not None:
            raise ValueError("class_weight is not supported for multilabel y: use sample_weight.")
        y = y.toarray() if sparse.issparse(y) else y
        self.classes_ = np.arange(y.shape[1])
        return Targets(np.ascontiguousarray(y, dtype=X.dtype), weight, y.shape[1], False)

    def _score_rows(self, X, y, weight):
        from sklearn.metrics import accuracy_score  # late: slow to import

        return accuracy_score(y, self._labels(self._raw(X)), sample_weight=weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self._takes_indicators
        return tags
