"""Linear models and perceptrons on Dask: the rows stay on the workers, batch descent goes on at the client.

Each update asks the workers for sums over their rows: the loss and its gradient. Squared error asks once, for
second moments, and then no more. The sums of the partitions are added in order, so the model does not
depend on the number of workers, and not on workers that are lost on the way::

    from dask.distributed import Client
    from skgd.dask import DaskGDClassifier

    client = Client()
    model = DaskGDClassifier().fit(X, y, client=client)  # Dask arrays or data frames
    model.predict(X)  # a Dask collection too
    model.to_local()  # a GDClassifier

It needs Dask with its distributed scheduler: ``pip install skgd[dask]``.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from ._dask_blocks import LostBlocks
from ._dask_collections import from_blocks
from ._dask_columns import SearchesRates
from ._dask_estimator import LOCAL_EPOCHS, DaskDescent, LazyClassification, LazyRegression
from ._dask_mlp import DaskGDMLPClassifier, DaskGDMLPRegressor
from ._dask_search import SearchesAlphas
from ._docs import documented
from ._hints import Names
from .linear import GDClassifier, GDRegressor
from .losses import Loss
from .optimizers import Optimizer
from .schedules import Schedule

__all__ = [
    "DaskGDClassifier",
    "DaskGDClassifierCV",
    "DaskGDMLPClassifier",
    "DaskGDMLPRegressor",
    "DaskGDRegressor",
    "DaskGDRegressorCV",
    "LostBlocks",
    "from_blocks",
]


@documented
class DaskGDRegressor(LazyRegression, DaskDescent, GDRegressor):  # type: ignore[misc]  # offsets are of rows in memory
    """Linear regression by batch gradient descent on a Dask cluster.

    The objective, the rates and the fitted attributes are those of :class:`~skgd.GDRegressor` with
    ``solver="batch"``; the rows stay on the workers.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="squared_error"
        As in :class:`~skgd.GDRegressor`.
    {parameters}
    local_epochs : int, default=0
        Epochs of stochastic descent to begin with: on four parts of the rows, each from partition to
        partition where they lie. Batch descent starts at the mean of the four models if the objective is
        lower there. With rows in random order the first digits then cost a fraction of the epochs;
        squared error has no use for it.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_outputs, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_outputs,)
        Intercepts.
    {attributes}

    See Also
    --------
    skgd.GDRegressor : The same in one process, and with other solvers.
    """

    _local = GDRegressor
    _parameter_constraints = {**GDRegressor._parameter_constraints, **LOCAL_EPOCHS}

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        *,
        learning_rate: float | str = "auto",
        schedule: str | Schedule | Callable = "constant",
        optimizer: str | Optimizer = "plain",
        penalty: str | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool | str = "auto",
        max_iter: int = 1000,
        max_time: float | None = None,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 5,
        check_every: int | str = "epoch",
        early_stopping: bool = False,
        scoring: str | Callable | list | tuple | dict | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        record_path: bool = False,
        local_epochs: int = 0,
    ):
        self.loss = loss
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.optimizer = optimizer
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.max_time = max_time
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.check_every = check_every
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.record_path = record_path
        self.local_epochs = local_epochs


@documented
class DaskGDRegressorCV(SearchesAlphas, DaskGDRegressor):  # type: ignore[misc]  # offsets are of rows in memory
    """Least squares on a Dask cluster, with alpha chosen by cross-validation in one reading of the rows.

    The workers give second moments of the rows of each fold. They determine the minima of all alphas on all
    folds, and their R2 on the rows held out, as :class:`~skgd.GDRegressorCV` with
    ``learning_rates="auto"`` finds them. Then a fit to all rows with the best alpha follows, that of
    :class:`DaskGDRegressor`. Only squared error has such moments: for other losses fit each alpha.

    Parameters
    ----------
    alphas : array-like of float, default=(1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
        Strengths of the penalty to choose from.
    {parameters}
    cv : int, default=5
        Number of folds: as many runs of consecutive rows, as ``KFold`` makes them.
    selection : {"best", "one_standard_error"}, default="best"
        The alpha with the best mean score, or the largest whose mean is within one standard error of it.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_outputs, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_outputs,)
        Intercepts.
    alpha_ : float
        The alpha that was chosen.
    best_score_ : float
        Its mean R2 over the folds.
    cv_results_ : dict
        ``"params"``, ``"param_alpha"``, ``"split0_test_score"`` and so on, ``"mean_test_score"`` and
        ``"std_test_score"``, in the order of ``alphas``.
    {attributes}

    See Also
    --------
    skgd.GDRegressorCV : The same in one process, and with other losses and solvers.
    """

    _parameter_constraints = {
        **DaskGDRegressor._parameter_constraints,
        "alphas": ["array-like"],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "selection": [Names({"best", "one_standard_error"})],
    }
    loss = "squared_error"
    learning_rate, schedule, optimizer, alpha = "auto", "constant", "plain", 1e-4
    check_every, early_stopping, scoring, random_state = "epoch", False, None, None
    warm_start, local_epochs = False, 0

    def __init__(
        self,
        alphas: ArrayLike = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        *,
        penalty: str | None = "l2",
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool | str = "auto",
        max_iter: int = 1000,
        max_time: float | None = None,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 5,
        verbose: int = 0,
        record_path: bool = False,
        cv: int = 5,
        selection: str = "best",
    ):
        self.alphas = alphas
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.max_time = max_time
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.verbose = verbose
        self.record_path = record_path
        self.cv = cv
        self.selection = selection


@documented
class DaskGDClassifier(LazyClassification, DaskDescent, GDClassifier):  # type: ignore[misc]  # offsets are of rows in memory
    """Linear classification by batch gradient descent on a Dask cluster.

    The objective, the rates and the fitted attributes are those of :class:`~skgd.GDClassifier` with
    ``solver="batch"``; the rows stay on the workers.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="log_loss"
        As in :class:`~skgd.GDClassifier`.
    {parameters}
    local_epochs : int, default=0
        Epochs of stochastic descent to begin with: on four parts of the rows, each from partition to
        partition where they lie. Batch descent starts at the mean of the four models if the objective is
        lower there. With rows in random order the first digits then cost a fraction of the epochs;
        squared error has no use for it.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with the sample weights.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    {attributes}

    See Also
    --------
    skgd.GDClassifier : The same in one process, and with other solvers.
    """

    _local = GDClassifier
    _parameter_constraints = {**GDClassifier._parameter_constraints, **LOCAL_EPOCHS}

    def __init__(
        self,
        loss: str | Loss = "log_loss",
        *,
        learning_rate: float | str = "auto",
        schedule: str | Schedule | Callable = "constant",
        optimizer: str | Optimizer = "plain",
        penalty: str | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool | str = "auto",
        max_iter: int = 1000,
        max_time: float | None = None,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 5,
        check_every: int | str = "epoch",
        early_stopping: bool = False,
        scoring: str | Callable | list | tuple | dict | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        record_path: bool = False,
        local_epochs: int = 0,
        class_weight: dict | str | None = None,
    ):
        self.loss = loss
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.optimizer = optimizer
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.max_time = max_time
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.check_every = check_every
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.record_path = record_path
        self.local_epochs = local_epochs
        self.class_weight = class_weight


@documented
class DaskGDClassifierCV(SearchesRates, DaskGDClassifier):  # type: ignore[misc]  # offsets are of rows in memory
    """Classification of two classes on a Dask cluster, with cross-validation of rate and alpha.

    All rates, alphas and folds are columns of one array of weights, and descend together: an update of all of
    them is one map over the partitions, which reads each row once. Scores and results are those that
    :class:`~skgd.GDClassifierCV` finds with ``solver="batch"`` and the same folds:

    .. math:: \\frac{1}{k} \\sum_{f=1}^{k} \\mathrm{accuracy}_f(w_{-f}(\\eta, \\alpha)),

    where :math:`w_{-f}` is the result of descent with the rate :math:`\\eta` and the penalty
    :math:`\\alpha` on the rows outside fold f. Then a fit to all rows with the best candidate follows, that
    of :class:`DaskGDClassifier`. Columns know no coordinates of their own: give features of about the same
    scale.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="log_loss"
        As in :class:`~skgd.GDClassifier`.
    learning_rates : int or array-like of float, default=10
        So many rates, each twice the one before, up to the largest stable one; or the rates themselves.
    alphas : array-like of float, default=None
        Strengths of the penalty to choose from; None: ``alpha`` alone.
    {parameters}
    cv : int, default=5
        Number of folds: as many runs of consecutive rows, as ``KFold`` makes them. Where rows are sorted by
        their class, mix them first.
    selection : {"best", "one_standard_error"}, default="best"
        The candidate with the best mean score, or that with the largest alpha whose mean is within one
        standard error of it.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is so on the rows of each fold.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features)
        Weights.
    intercept_ : ndarray of shape (1,)
        Intercept.
    classes_ : ndarray of shape (2,)
        The class labels.
    learning_rate_ : float
        The rate that was chosen.
    learning_rates_ : ndarray of float
        The rates that were tried.
    alpha_ : float
        The alpha that was chosen.
    best_score_ : float
        Mean accuracy over the folds of the candidate that was chosen.
    cv_results_ : dict
        ``"params"``, ``"param_alpha"``, ``"param_learning_rate"``, ``"split0_test_score"`` and so on,
        ``"mean_test_score"`` and ``"std_test_score"``; scores of candidates that diverged are NaN.
    {attributes}

    Raises
    ------
    ValueError
        If there are more than two classes, or if rows are sparse, for which columns are not made.

    See Also
    --------
    skgd.GDClassifierCV : The same in one process, with any number of classes and with other solvers.
    """

    _parameter_constraints = {
        **DaskGDClassifier._parameter_constraints,
        "learning_rates": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "alphas": ["array-like", None],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "selection": [Names({"best", "one_standard_error"})],
    }
    learning_rate, standardize, max_time = "auto", False, None
    check_every, early_stopping, scoring, random_state = "epoch", False, None, None
    warm_start, local_epochs = False, 0

    def __init__(
        self,
        loss: str | Loss = "log_loss",
        *,
        learning_rates: int | ArrayLike = 10,
        alphas: ArrayLike | None = None,
        schedule: str | Schedule | Callable = "constant",
        optimizer: str | Optimizer = "plain",
        penalty: str | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 5,
        verbose: int = 0,
        record_path: bool = False,
        cv: int = 5,
        selection: str = "best",
        class_weight: dict | str | None = None,
    ):
        self.loss = loss
        self.learning_rates = learning_rates
        self.alphas = alphas
        self.schedule = schedule
        self.optimizer = optimizer
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.verbose = verbose
        self.record_path = record_path
        self.cv = cv
        self.selection = selection
        self.class_weight = class_weight
