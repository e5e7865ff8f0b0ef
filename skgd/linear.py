"""Linear models fitted by gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils._param_validation import Interval
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from . import _twins as twins
from ._core import core
from ._descent import Descent
from ._docs import documented
from ._estimator import GradientDescent
from ._hints import Names
from ._options import loss_names, threads_of
from ._penalty import PENALTIES
from ._problem import padded
from ._tasks import Classification, Regression
from ._validation import check_design, shaped
from .losses import Loss
from .optimizers import Optimizer
from .penalties import Penalty
from .schedules import Schedule

if TYPE_CHECKING:
    from ._regularization import RegularizationPath

__all__ = ["GDClassifier", "GDRegressor"]


class LinearModel(GradientDescent):
    """Raw scores x'w + b, with parameters that start at zero."""

    _parameter_constraints = {
        **GradientDescent._parameter_constraints,
        "penalty": [Names({name for name in PENALTIES if name}), Penalty, None],
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "positive": ["boolean"],
        "bounds": [tuple, list, None],
    }
    _fitted = "coef_"
    coef_: Any  # (d,) or (K, d), sparse after sparsify
    intercept_: np.ndarray

    @staticmethod
    def _start_at(problem, theta, seed, coef_init, intercept_init):
        (block,) = problem.blocks(theta)
        K = problem.targets.columns
        if coef_init is not None:
            block[:-1] = shaped(coef_init, "coef_init", (K, problem.d)).T
        if intercept_init is not None and problem.fit_intercept:
            block[-1] = shaped(intercept_init, "intercept_init", (K,))

    @staticmethod
    def _unpack(theta, problem):
        block = problem.for_original(theta)[:, : problem.targets.columns]
        return problem.design.of_all_features(block[:-1].T.copy()), block[-1].copy()

    @staticmethod
    def _attributes(weights, intercepts, task):
        if weights is None:  # of a stream: see __getattr__
            return {"intercept_": intercepts}
        coef = weights.ravel() if task.coef_is_flat else weights
        return {"coef_": coef, "intercept_": intercepts}

    def __getattr__(self, name: str):
        """``coef_`` of a stream of sparse rows, when it is read: a call to partial_fit leaves it out."""
        state = vars(self).get("_descent") if name == "coef_" else None
        if state is None or state["lazy"] is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        descent = Descent.from_state(state).copy()
        weights = np.ascontiguousarray(descent.parameters[:-1, : descent.widths[-1]].T)
        coef = self._attributes(weights, self.intercept_, self._fitted_task())["coef_"]
        self.__dict__["coef_"] = coef
        return coef

    def __getstate__(self):
        """What a pickle or a copy holds: arrays and plain values, nothing compiled and nothing owed."""
        state = super().__getstate__()
        descent = state.get("_descent")
        if descent is None or descent["lazy"] is None:
            return state
        settled = Descent.from_state(descent).copy().state()
        return {**state, "_descent": settled, "coef_": self.coef_}

    def _nets(self):
        coef = self.coef_.toarray() if sparse.issparse(self.coef_) else self.coef_
        return [([(coef.reshape(-1, self.n_features_in_).T, self.intercept_)],)]

    @staticmethod
    def _flatten(weights, intercepts):
        return np.concatenate([weights.ravel(), intercepts])

    @classmethod
    def _fill(cls, problem, theta, flat):
        size = problem.targets.columns * problem.d
        cls._start_at(problem, theta, 0, flat[:size], flat[size:])

    def sparsify(self) -> Self:
        """Turn ``coef_`` into a CSR matrix, which takes less memory where an l1 penalty left many zeros.

        Predictions stay as they are; further training turns it back.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_is_fitted(self, self._fitted)
        self.__dict__["coef_"] = sparse.csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """Turn ``coef_`` back into an array.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_is_fitted(self, self._fitted)
        if not isinstance(self.coef_, np.ndarray):
            coef = self.coef_.toarray()
            self.__dict__["coef_"] = coef.ravel() if self._fitted_task().coef_is_flat else coef
        return self

    def path(
        self,
        X,
        y,
        *,
        alphas: ArrayLike | int | None = None,
        n_alphas: int = 100,
        eps: float = 1e-3,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> RegularizationPath:
        """Fit the models of many strengths of the penalty; the estimator stays as it is.

        For squared error with up to 2000 features and ``learning_rate="auto"`` they are exact minima, found
        from X'X from alpha to alpha, whatever the solver. Otherwise, and with ``tol=None``,
        ``early_stopping`` or "adamw", each is the end of a descent by the solver of the estimator, which
        starts where that of the next larger alpha ended, the first at the best constant. Weights are then as
        exact as ``tol`` asks for, and batch descent is the most exact. An ``alpha`` of the estimator that is
        an array is multiplied by each of the alphas (penalty factors); else ``alpha`` has no effect, nor have
        ``warm_start``, ``record_path``, ``verbose`` and callbacks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        alphas : int or array-like of shape (n_alphas,), default=None
            Strengths of the penalty, in any order, or how many of them (as ``n_alphas``, which it then
            replaces). None: ``n_alphas`` values a constant factor apart, from
            the smallest (of losses with kinks, about the smallest) at which all weights are zero,

            .. math:: \\alpha_{\\max} = \\frac{1}{\\rho} \\max_{jk} \\left| \\frac{1}{\\sum_i s_i}
                      \\sum_i s_i\\, x_{ij} \\frac{\\partial \\ell}{\\partial z_k}(y_i, b) \\right|,

            with the best constant b, down to ``eps`` times it. :math:`\\rho` is the fraction of l1 in the
            penalty, and at least 0.001: l2 alone never makes all weights zero. With penalty factors the
            slopes are divided by them, and those features that are not penalised are at their best weights.
        n_alphas : int, default=100
            Number of alphas, where none are given.
        eps : float in (0, 1), default=1e-3
            Ratio of the smallest and the largest alpha, where none are given.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; only their ratios matter.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Offset of the raw scores; see :meth:`fit`.

        Returns
        -------
        path : RegularizationPath
            Weights, intercepts, objectives, and a fitted estimator for each alpha.

        Warns
        -----
        ConvergenceWarning
            If some of the descents ended too early, once for all of them.
        """
        from ._regularization import path_of  # late: few need it

        return path_of(self, X, y, alphas, n_alphas, eps, sample_weight, offset)

    def _raw_scores(self, X):
        return self._of_rows(X, self._scored)

    def _predicted(self, X, offset, from_raw, directly=None):
        if offset is not None or directly is None:
            return super()._predicted(X, offset, from_raw)

        def found(X):
            theta = self._theta_for(X)
            if theta is not None:
                return directly(X, theta, threads_of(self.n_jobs))
            raw, finite = self._scored(X)
            return from_raw(raw), finite

        return self._of_rows(X, found)

    def _of_rows(self, X, found):
        """What ``found(X)`` of validated rows gives, beside whether all scores are finite."""
        self._check_fitted()
        checked = check_design(self, X, reset=False, finite=not isinstance(self.coef_, np.ndarray))
        result, finite = found(checked)
        if not finite:  # 0 * inf and 0 * nan are nan: what is not finite in X reaches the scores
            check_design(self, X, reset=False)
        return result

    def _raw(self, X):
        """Raw scores (n, K) for validated X."""
        return self._scored(X)[0]

    def _theta_for(self, X) -> np.ndarray | None:
        """Parameters as the core takes them, if it can score these rows itself: dense ones of one dtype."""
        coef = self.coef_
        if not (isinstance(X, np.ndarray) and isinstance(coef, np.ndarray)):
            return None
        if not coef.dtype == self.intercept_.dtype == X.dtype:
            return None
        return padded(coef.reshape(-1, X.shape[1]), self.intercept_)

    def _scored(self, X):
        """Raw scores (n, K) for validated X, and whether all are finite."""
        theta = self._theta_for(X)
        if theta is None:
            coef = self.coef_.reshape(-1, X.shape[1])
            raw = safe_sparse_dot(X, coef.T, dense_output=True) + self.intercept_
            return raw, raw.dtype not in (np.float32, np.float64) or core.all_finite(
                np.ascontiguousarray(raw)
            )
        raw = np.empty((X.shape[0], np.size(self.intercept_)), dtype=X.dtype)
        return raw, core.linear_scores(X, theta, raw, threads_of(self.n_jobs))


@documented
class GDRegressor(Regression, LinearModel):
    """Linear regression by gradient descent.

    Minimises over the weights w and intercept b the weighted mean loss plus penalty,

    .. math:: F(w, b) = \\frac{1}{\\sum_i s_i} \\sum_i s_i\\, \\ell(y_i, x_i^\\top w + b) + \\alpha R(w),

    ``solver`` sets the number of rows that each update uses. Several outputs are fitted together, in
    the same passes over the data.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="squared_error"
        "squared_error" (half the square), "huber", "absolute_error", "quantile", "log_cosh",
        "epsilon_insensitive", "squared_epsilon_insensitive", "poisson", "gamma", "tweedie" (the last
        three with a log link), or an object from :mod:`skgd.losses` with its own parameters.
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
    sklearn.linear_model.SGDRegressor : Stochastic gradient descent in scikit-learn.

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

    _twin = staticmethod(twins.linear_regressor)
    _parameter_constraints = {
        **LinearModel._parameter_constraints,
        "loss": [Names(loss_names("regression")), Loss],
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
        penalty: str | Penalty | None = "l2",
        alpha: float | ArrayLike = 1e-4,
        l1_ratio: float = 0.15,
        positive: bool = False,
        bounds: tuple | None = None,
        fit_intercept: bool = True,
        standardize: bool | str = "auto",
        max_iter: int = 1000,
        max_time: float | None = None,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 5,
        check_every: int | str = "epoch",
        early_stopping: bool = False,
        validation_fraction: float | object = 0.1,
        refit: bool = False,
        scoring: str | Callable | list | tuple | dict | None = None,
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
        self.positive = positive
        self.bounds = bounds
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.max_time = max_time
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.check_every = check_every
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.scoring = scoring
        self.average = average
        self.shuffle = shuffle
        self.random_state = random_state
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.record_path = record_path


@documented
class GDClassifier(Classification, LinearModel):
    """Linear classification by gradient descent.

    Minimises over the weights w and intercepts b the weighted mean loss plus penalty,

    .. math:: F(w, b) = \\frac{1}{\\sum_i s_i} \\sum_i s_i\\, \\ell(y_i, x_i^\\top w + b) + \\alpha R(w),

    ``solver`` sets the number of rows that each update uses. More than two classes are fitted together,
    with softmax for "log_loss" and one column per class (one-versus-rest) for the other losses. For
    multilabel classification, y is a matrix of zeros and ones, dense or sparse, and there is one column of
    raw scores per label.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="log_loss"
        "log_loss" (softmax for more than two classes), "hinge", "squared_hinge", "modified_huber",
        "perceptron", or an object from :mod:`skgd.losses`.
    {parameters}
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with the sample weights, also in the loss of rows that
        ``early_stopping`` holds out; not available for multilabel y and soft labels.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    classes_ : ndarray of shape (n_classes,)
        The class labels; the column numbers where y is a matrix.
    {attributes}

    See Also
    --------
    GDRegressor : Linear regression by gradient descent.
    sklearn.linear_model.SGDClassifier : Stochastic gradient descent in scikit-learn.

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

    _twin = staticmethod(twins.linear_classifier)
    _parameter_constraints = {
        **LinearModel._parameter_constraints,
        "loss": [Names(loss_names("classification")), Loss],
        "class_weight": [dict, Names({"balanced"}), None],
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
        penalty: str | Penalty | None = "l2",
        alpha: float | ArrayLike = 1e-4,
        l1_ratio: float = 0.15,
        positive: bool = False,
        bounds: tuple | None = None,
        fit_intercept: bool = True,
        standardize: bool | str = "auto",
        max_iter: int = 1000,
        max_time: float | None = None,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 5,
        check_every: int | str = "epoch",
        early_stopping: bool = False,
        validation_fraction: float | object = 0.1,
        refit: bool = False,
        scoring: str | Callable | list | tuple | dict | None = None,
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
        self.positive = positive
        self.bounds = bounds
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.max_time = max_time
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.check_every = check_every
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.scoring = scoring
        self.average = average
        self.shuffle = shuffle
        self.random_state = random_state
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.record_path = record_path
        self.class_weight = class_weight
