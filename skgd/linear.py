"""Linear models by gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from . import _options as options
from ._docs import documented
from ._estimator import GradientDescent, partial_fit_available
from ._targets import class_codes, classes_of, classification_targets, regression_targets
from ._validation import class_weights
from .losses import Loss
from .optimizers import Optimizer
from .schedules import Schedule

__all__ = ["GDClassifier", "GDRegressor"]


@documented
class GDRegressor(RegressorMixin, GradientDescent):
    """Linear regression by gradient descent.

    Minimises over the weights w and intercept b the weighted mean loss plus penalty,

    .. math:: F(w, b) = \\frac{1}{\\sum_i s_i} \\sum_i s_i\\, \\ell(y_i, x_i^\\top w + b) + \\alpha R(w),

    with the data each update sees chosen by ``solver``. Several outputs are fitted together, in one
    pass over the rows.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="squared_error"
        "squared_error" (half the square), "huber", "absolute_error", "quantile", "log_cosh",
        "epsilon_insensitive", "squared_epsilon_insensitive", "poisson", "gamma", "tweedie" (log
        link), or an object of :mod:`skgd.losses` with parameters of its own.
    {parameters}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_outputs, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_outputs,)
        Intercepts.
    {attributes}

    See Also
    --------
    GDClassifier : Linear classification by gradient descent.
    sklearn.linear_model.SGDRegressor : Per-sample descent with a fixed recipe.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgd import GDRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), GDRegressor(random_state=0)).fit(X, y)
    >>> round(model.score(X, y), 1)
    0.5
    """

    _task = "regression"
    _parameter_constraints = {
        **GradientDescent._parameter_constraints,
        "loss": [StrOptions(options.loss_names("regression")), Loss],
    }

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        *,
        solver: str = "minibatch",
        batch_size: int = 32,
        learning_rate: float | str = "auto",
        schedule: str | Schedule | Callable = "constant",
        optimizer: str | Optimizer = "plain",
        penalty: str | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool = False,
        max_iter: int = 1000,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 5,
        check_every: int | str = "epoch",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        average: bool | int | str = "auto",
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        verbose: int = 0,
        record_path: bool = False,
    ):
        self.loss = loss
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.optimizer = optimizer
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.check_every = check_every
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.average = average
        self.shuffle = shuffle
        self.random_state = random_state
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.record_path = record_path

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
        return out.ravel() if self.coef_.ndim == 1 else out

    def _encode(self, X, y, weight, loss, classes=None):
        self._flat_y = y.ndim == 1
        return regression_targets(y, weight, X.dtype, loss)

    def _shaped_coef(self, coef, problem):
        return coef.ravel() if self._flat_y else coef

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


@documented
class GDClassifier(ClassifierMixin, GradientDescent):
    """Linear classification by gradient descent.

    Minimises over the weights w and intercepts b the weighted mean loss plus penalty,

    .. math:: F(w, b) = \\frac{1}{\\sum_i s_i} \\sum_i s_i\\, \\ell(y_i, x_i^\\top w + b) + \\alpha R(w),

    with the data each update sees chosen by ``solver``. More than two classes are fitted together:
    softmax for "log_loss", one column a class (one-versus-rest) for the other losses.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="log_loss"
        "log_loss" (softmax for more than two classes), "hinge", "squared_hinge", "modified_huber",
        "perceptron", or an object of :mod:`skgd.losses`.
    {parameters}
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with the sample weights.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    {attributes}

    See Also
    --------
    GDRegressor : Linear regression by gradient descent.
    sklearn.linear_model.SGDClassifier : Per-sample descent with a fixed recipe.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgd import GDClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), GDClassifier(random_state=0)).fit(X, y)
    >>> model.score(X, y) > 0.98
    True
    """

    _task = "classification"
    _parameter_constraints = {
        **GradientDescent._parameter_constraints,
        "loss": [StrOptions(options.loss_names("classification")), Loss],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        loss: str | Loss = "log_loss",
        *,
        solver: str = "minibatch",
        batch_size: int = 32,
        learning_rate: float | str = "auto",
        schedule: str | Schedule | Callable = "constant",
        optimizer: str | Optimizer = "plain",
        penalty: str | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool = False,
        max_iter: int = 1000,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 5,
        check_every: int | str = "epoch",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        average: bool | int | str = "auto",
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        verbose: int = 0,
        record_path: bool = False,
        class_weight: dict | str | None = None,
    ):
        self.loss = loss
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.optimizer = optimizer
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.check_every = check_every
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.average = average
        self.shuffle = shuffle
        self.random_state = random_state
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.record_path = record_path
        self.class_weight = class_weight

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
            For two classes, positive means ``classes_[1]``.
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
        y : ndarray of shape (n_samples,)
            Labels.
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
        return options.loss_of(self, self._task).probabilities(self._raw_scores(X))

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
        return options.loss_of(self, self._task).log_probabilities(self._raw_scores(X))

    def _labels(self, raw):
        index = (raw[:, 0] > 0).astype(np.intp) if raw.shape[1] == 1 else raw.argmax(axis=1)
        return self.classes_[index]

    def _encode(self, X, y, weight, loss, classes=None):
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

    def _score_rows(self, X, y, weight):
        from sklearn.metrics import accuracy_score  # late: slow to import

        return accuracy_score(y, self._labels(self._raw(X)), sample_weight=weight)
