"""Linear models with cross-validation of the learning rate (and alpha) in shared passes over the data."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ._docs import documented
from ._hints import Names
from ._validation import is_count
from .linear import GDClassifier, GDRegressor, LinearModel
from .losses import Loss
from .optimizers import Optimizer
from .penalties import Penalty
from .schedules import Schedule

__all__ = ["GDClassifierCV", "GDRegressorCV"]


def _constraints(kind):
    """Parameter constraints of the search, from those of its estimator."""
    kept = dict(kind._parameter_constraints)
    del kept["learning_rate"], kept["warm_start"]
    return {
        **kept,
        "learning_rates": [Interval(Integral, 1, None, closed="left"), "array-like", Names({"auto"})],
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "cv": ["cv_object"],
        "scoring": [str, callable, list, tuple, dict, None],
        "selection": [Names({"best", "one_standard_error"})],
    }


class _CrossValidated(LinearModel):
    """The search; it copies the attributes of the refitted estimator, which is of class `_kind`."""

    _kind: type  # the class of the estimators that are fitted
    densify = objective = partial_fit = path = sparsify = property()  # see __getattr__

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        groups=None,
        offset=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        offset_val=None,
    ) -> Self:
        """Search for the best parameters, then refit with them on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 and float64 are kept, C-contiguous and CSR are not copied.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in the fits and in the scores; only their ratios matter.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for cross-validation generators that need them, and for
            ``early_stopping``, which holds out whole groups.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Offset of the raw scores, in the fits and in the scores; see :meth:`GDRegressor.fit`.
        X_val, y_val : array-likes, default=None
            Rows by which all fits stop with ``early_stopping``, which then holds out none of X; their loss
            and scores at each check of the fit to all rows are in ``history_``. Candidates are compared on
            the folds of X.
        sample_weight_val : array-like of shape (n_samples_val,), default=None
            Weights of the rows of ``X_val``.
        offset_val : array-like of shape (n_samples_val,) or (n_samples_val, n_outputs), default=None
            Offset of the rows of ``X_val``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        DivergenceError
            If all learning rates are too high for the data.

        Warns
        -----
        FitFailedWarning
            If some of the fits with given rates diverged.
        """
        from ._selection import Candidates  # imported here to keep `import skgd` fast

        held_out = {"X_val": X_val, "y_val": y_val}
        held_out |= {"sample_weight_val": sample_weight_val, "offset_val": offset_val}
        alphas = self._alphas(X, y, sample_weight, offset)
        chosen = Candidates(self, X, y, sample_weight, groups, offset, alphas, held_out).choose()
        self._become(chosen.attributes())
        return self

    def _alphas(self, X, y, sample_weight, offset):
        """Those of a path to all rows, where their number is given; else None."""
        if not is_count(self.alphas):
            return None
        from ._regularization import alphas_of

        return alphas_of(self._estimator(), X, y, self.alphas, sample_weight, offset)

    def __getattr__(self, name: str):
        """Fitted attributes that are not the search's own are those of its best estimator."""
        if name in ("densify", "objective", "partial_fit", "path", "sparsify"):
            raise AttributeError(f"{name} is not available for a search: use best_estimator_.{name}.")
        best = self.__dict__.get("best_estimator_")
        fitted = name in ("_model", "_descent") or (name.endswith("_") and not name.startswith("__"))
        if best is None or not fitted:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(best, name)

    @property
    def _fitted_loss(self) -> Loss:
        best = self.__dict__.get("best_estimator_")
        return super()._fitted_loss if best is None else best._fitted_loss

    def _fitted_task(self):
        return self.best_estimator_._fitted_task()

    def strip(self) -> Self:
        """Drop what only further training needs; see :meth:`GDRegressor.strip`.

        Returns
        -------
        self : object
            The search, its best estimator without what continues its fit.
        """
        check_is_fitted(self, "best_estimator_")
        self.best_estimator_.strip()
        return self

    def _estimator(self, **params):
        """An estimator with the parameters of the search and the given ones."""
        own = {**self.get_params(deep=False), "scoring": None}
        for name in ("learning_rates", "alphas", "cv", "selection"):
            del own[name]
        return self._kind(**{**own, **params})

    def to_sklearn(self):
        """Return an equivalent fitted scikit-learn estimator; see :meth:`GDRegressor.to_sklearn`.

        Returns
        -------
        twin : object
            A fitted scikit-learn estimator that shares the fitted arrays.
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.to_sklearn()


@documented
class GDRegressorCV(_CrossValidated, GDRegressor):
    """Linear regression by gradient descent, with cross-validation of the learning rate.

    The search chooses the candidate (rate, alpha) with the highest mean score over the folds,

    .. math:: \\frac{1}{k} \\sum_{f=1}^{k} \\mathrm{score}_f(w_{-f}(\\eta, \\alpha)),

    where :math:`w_{-f}` is the result of descent with the rate :math:`\\eta` and the penalty
    :math:`\\alpha` on the rows outside fold f. The best candidate is then refitted on all rows.
    ``selection="one_standard_error"`` prefers a stronger penalty whose mean score is about as high.

    All rates, strengths of the penalty and folds are fitted together: each combination is a column of
    one matrix of weights, and each row is read once for all of them. The rows held out by a fold have
    weight zero in the columns of that fold: the result is the same as that of separate fits of
    :class:`GDRegressor` with ``sample_weight`` zero on the held-out rows and the same order of rows. A
    column stops when its own stopping rule is met or when it diverges; in the second case its score is
    NaN, with a ``FitFailedWarning`` if the rate was given. Batch descent on squared error with up to
    2000 features uses X'X of each fold instead of its rows.

    With ``learning_rates="auto"`` and ``loss="squared_error"`` the search is one over ``alphas``. With up to
    2000 features the model of each alpha and fold is then the exact minimum of the objective, near which
    the descent of every solver ends. The minima of a fold are found from X'X, whatever ``max_iter``: by
    coordinate descent from alpha to alpha where the penalty has an l1 part, by linear equations
    otherwise. Only the refit on all rows is made by descent. ``tol=None``, ``early_stopping`` and "adamw"
    ask for models that are no minima; there each candidate is fitted by descent.

    ``n_jobs`` threads share the columns, with the same results. The following are fitted one by one, on as
    many threads: more than two classes, several outputs, sparse X, ``standardize``, ``early_stopping``,
    ``average``, losses written in Python, and the optimizers "implicit", "schedule_free",
    "barzilai_borwein" and, for batch descent, "nesterov".

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="squared_error"
        As in :class:`GDRegressor`.
    {search}
    {parameters}

    Attributes
    ----------
    learning_rate_ : float
        The rate with the best mean score.
    coef_ : ndarray of shape (n_features,) or (n_outputs, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_outputs,)
        Intercepts.
    {found}
    {attributes}

    See Also
    --------
    GDRegressor : The same model with given parameters.
    sklearn.model_selection.GridSearchCV : Search over any parameters, with separate fits.
    sklearn.linear_model.RidgeCV : Ridge regression with cross-validation of alpha.
    sklearn.linear_model.LassoCV : The lasso with cross-validation of alpha.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skgd import GDRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> search = GDRegressorCV(alphas=[1e-4, 1e-2], random_state=0).fit(scale(X), y)
    >>> search.cv_results_["mean_test_score"].shape
    (20,)
    >>> round(search.best_score_, 1)
    0.5

    A search over alphas alone:

    >>> alphas = [0.01, 0.1, 1.0, 10.0]
    >>> search = GDRegressorCV(learning_rates="auto", alphas=alphas, penalty="l1", random_state=0)
    >>> search.fit(scale(X), y).alpha_
    0.1
    """

    _kind = GDRegressor
    _parameter_constraints = _constraints(GDRegressor)

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        *,
        solver: str = "minibatch",
        batch_size: int = 32,
        learning_rates: int | ArrayLike | str = 10,
        alphas: int | ArrayLike | None = None,
        cv=None,
        scoring: str | Callable | list | tuple | dict | None = None,
        selection: str = "best",
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
        average: bool | int | str = "auto",
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        record_path: bool = False,
    ):
        self.loss = loss
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rates = learning_rates
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
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
        self.average = average
        self.shuffle = shuffle
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.record_path = record_path


@documented
class GDClassifierCV(_CrossValidated, GDClassifier):
    """Linear classification by gradient descent, with cross-validation of the learning rate.

    The search chooses the candidate (rate, alpha) with the highest mean score over the folds,

    .. math:: \\frac{1}{k} \\sum_{f=1}^{k} \\mathrm{score}_f(w_{-f}(\\eta, \\alpha)),

    where :math:`w_{-f}` is the result of descent with the rate :math:`\\eta` and the penalty
    :math:`\\alpha` on the rows outside fold f. The best candidate is then refitted on all rows.
    ``selection="one_standard_error"`` prefers a stronger penalty whose mean score is about as high.

    All rates, strengths of the penalty and folds are fitted together: each combination is a column of
    one matrix of weights, and each row is read once for all of them. The rows held out by a fold have
    weight zero in the columns of that fold: the result is the same as that of separate fits of
    :class:`GDClassifier` with ``sample_weight`` zero on the held-out rows and the same order of rows. A
    column stops when its own stopping rule is met or when it diverges; in the second case its score is
    NaN, with a ``FitFailedWarning`` if the rate was given. Batch descent on squared error with up to
    2000 features uses X'X of each fold instead of its rows.

    ``n_jobs`` threads share the columns, with the same results. The following are fitted one by one, on as
    many threads: more than two classes, several outputs, sparse X, ``standardize``, ``early_stopping``,
    ``average``, losses written in Python, and the optimizers "implicit", "schedule_free",
    "barzilai_borwein" and, for batch descent, "nesterov".

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="log_loss"
        As in :class:`GDClassifier`.
    {search}
    {parameters}
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with the sample weights.

    Attributes
    ----------
    learning_rate_ : float
        The rate with the best mean score.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    {found}
    {attributes}

    See Also
    --------
    GDClassifier : The same model with given parameters.
    sklearn.model_selection.GridSearchCV : Search over any parameters, with separate fits.
    sklearn.linear_model.LogisticRegressionCV : Logistic regression with cross-validation of C.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from skgd import GDClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> search = GDClassifierCV(learning_rates=[0.01, 0.1, 1.0], random_state=0).fit(scale(X), y)
    >>> search.best_score_ > 0.96
    True
    """

    _kind = GDClassifier
    _parameter_constraints = _constraints(GDClassifier)

    def __init__(
        self,
        loss: str | Loss = "log_loss",
        *,
        solver: str = "minibatch",
        batch_size: int = 32,
        learning_rates: int | ArrayLike | str = 10,
        alphas: int | ArrayLike | None = None,
        cv=None,
        scoring: str | Callable | list | tuple | dict | None = None,
        selection: str = "best",
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
        average: bool | int | str = "auto",
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        record_path: bool = False,
        class_weight: dict | str | None = None,
    ):
        self.loss = loss
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rates = learning_rates
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
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
        self.average = average
        self.shuffle = shuffle
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.record_path = record_path
        self.class_weight = class_weight
