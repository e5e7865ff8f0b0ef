"""Linear models on Dask: the rows stay on the workers of a cluster, batch descent goes on beside the client.

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

import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._block_problem import BlockDesign, BlockProblem
from ._blocks import Preparation
from ._dask_blocks import DaskBlocks, LostBlocks, prepared
from ._dask_collections import agreement, from_blocks, lazily, mean_and_squares, parts_of, scored
from ._docs import documented
from ._options import Options
from ._rows import TrainingRows
from ._tasks import _loss_has_probabilities
from ._validation import door_of
from .linear import GDClassifier, GDRegressor
from .losses import Loss
from .optimizers import Optimizer
from .schedules import Schedule

__all__ = ["DaskGDClassifier", "DaskGDRegressor", "LostBlocks", "from_blocks"]

_OBJECTIVE = ("loss", "penalty", "alpha", "l1_ratio", "fit_intercept", "class_weight")
_LOCAL_EPOCHS = {"local_epochs": [Interval(Integral, 0, None, closed="left")]}


class DaskLinear:
    """What both estimators share; the parameters of stochastic descent are those of batch descent."""

    solver = "batch"
    batch_size = 32
    average: bool | int | str = False
    shuffle = False
    refit = False
    validation_fraction: float | object = 0.1
    n_jobs: int | None = None

    local_epochs: int
    warm_start: bool
    _local: type
    _task: str
    _start_at: Callable
    _fit_summary: Callable
    _check_blocks: Callable

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, classes=None, client=None) -> Self:
        """Fit the model to rows on the workers.

        Parameters
        ----------
        X : dask.array.Array or dask.dataframe.DataFrame of shape (n_samples, n_features)
            Rows; partitions may hold CSR matrices, differ in size, or be empty. float32 is kept. The rows are
            computed once and stay on the workers during the fit.
        y : dask.array.Array, dask.dataframe.Series or DataFrame
            Targets, in the same partitions.
        sample_weight : dask.array.Array or dask.dataframe.Series, default=None
            Weights of the rows; only their ratios matter.
        X_val, y_val : array-likes, default=None
            A validation set, in memory: loss and scores of it are recorded at every check, and used by
            ``early_stopping``.
        classes : array-like of shape (n_classes,), default=None
            All labels, for classifiers; found in y by default.
        client : distributed.Client, default=None
            The client of the cluster; the current one by default.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If X is no Dask collection.
        LostBlocks
            If rows are lost with a worker that Dask cannot compute again.
        """
        estimator: Any = self
        for message in estimator._fit_on(_client(client), (X, y, sample_weight), classes, (X_val, y_val)):
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self

    def _fit_on(self, client, collections: tuple, classes, validation: tuple) -> list[str]:
        self._check_blocks(classes, validation)
        door: Any = door_of(self)
        parts, schema = parts_of(*collections)
        vars(door).pop("feature_names_in_", None)
        vars(door).update(schema.features)
        prepare = Preparation(door, schema.dtype, schema.shape)
        futures = client.compute(
            [parts.delayed(prepared)(prepare, i, *each) for i, each in enumerate(parts.rows)]
        )
        blocks = DaskBlocks(client, futures)
        summary = blocks.survey(classes=self._task == "classification")
        return self._fit_summary(blocks, summary, door, classes, validation)

    def _start_on_blocks(self, options: Options, rows: TrainingRows) -> tuple:
        """The mean of models of parts of the rows, if it is better than where every fit starts."""
        if not self.local_epochs or self.warm_start:
            return None, None
        design: Any = rows.design
        coef, intercept = self._mean_of_parts(design, rows.task)
        problem = BlockProblem(design, rows.targets, options.objective)
        usual = problem.zeros() if options.learning_rate is not None else problem.constant()
        theta = problem.zeros()
        self._start_at(problem, theta, options.seed, coef, intercept)
        return (coef, intercept) if problem.value(theta) < problem.value(usual) else (None, None)

    def _mean_of_parts(self, design: BlockDesign, task) -> tuple[np.ndarray, np.ndarray]:
        shared: Any = design.encoding.door.get_params(deep=False)
        shared = {name: shared[name] for name in _OBJECTIVE if name in shared}
        model = self._local(solver="sgd", random_state=0, **shared)
        step = partial(one_more_pass, classes=getattr(task, "classes", None))
        models, weights = design.source.in_chains(step, model, self.local_epochs)
        coef = np.average([each.coef_ for each in models], axis=0, weights=weights)
        return coef, np.average([each.intercept_ for each in models], axis=0, weights=weights)

    def to_local(self) -> GDRegressor | GDClassifier:
        """The fitted model as an estimator that needs no Dask.

        Returns
        -------
        model : GDRegressor or GDClassifier
            With copies of the fitted attributes.
        """
        estimator: Any = self
        parameters = {**estimator.get_params(deep=False), "solver": "batch"}
        del parameters["local_epochs"]
        model = self._local(**parameters)
        fitted = {name: value for name, value in vars(self).items() if _is_fitted(name)}
        model._become(deepcopy(fitted))
        return model


def one_more_pass(model, block, classes=None):
    """A model after stochastic descent on one more block."""
    if block.weight is not None and not block.weight.any():
        return model
    options = {} if classes is None else {"classes": classes}
    return deepcopy(model).partial_fit(block.X, block.y, sample_weight=block.weight, **options)


def _is_fitted(name: str) -> bool:
    return name in ("_model", "_descent", "_units") or (name.endswith("_") and not name.startswith("_"))


def _client(client):
    try:
        from distributed import default_client
    except ImportError as error:
        raise ImportError("skgd.dask needs Dask and its scheduler: pip install skgd[dask].") from error
    if client is not None:
        return client
    try:
        return default_client()
    except ValueError:
        raise ValueError(
            "There is no client of a cluster: make one (client = dask.distributed.Client()) and give it to "
            "fit(..., client=client)."
        ) from None


@documented
class DaskGDRegressor(DaskLinear, GDRegressor):
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
    _parameter_constraints = {**GDRegressor._parameter_constraints, **_LOCAL_EPOCHS}

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

    def predict(self, X):  # type: ignore[override]  # offsets are of rows in memory
        """Predict targets.

        Parameters
        ----------
        X : Dask collection or array-like of shape (n_samples, n_features)
            Rows to predict for.

        Returns
        -------
        y : dask.array.Array, dask.dataframe.Series or DataFrame, or ndarray
            Predictions, computed when they are asked for where X is a Dask collection.
        """
        check_is_fitted(self)
        shape = () if self._model["flat"] else (len(np.atleast_1d(self.intercept_)),)
        return lazily(self, super().predict, "predict", X, shape, self.coef_.dtype)

    def score(self, X, y, sample_weight=None) -> float:  # type: ignore[override]  # offsets are of rows in memory
        """R2 of the predictions, computed on the workers.

        Parameters
        ----------
        X : Dask collection or array-like of shape (n_samples, n_features)
            Rows.
        y : Dask collection or array-like
            Their targets, in the same partitions.
        sample_weight : Dask collection or array-like, default=None
            Weights of the rows.

        Returns
        -------
        score : float
            The mean over the outputs.
        """
        found = scored(self, X, y, sample_weight, mean_and_squares)
        if found is None:
            return super().score(X, y, sample_weight)
        _, _, total, residual = found
        constant = np.where(residual > 0, 0.0, 1.0)
        return float(np.mean(np.where(total > 0, 1 - residual / np.where(total > 0, total, 1.0), constant)))


@documented
class DaskGDClassifier(DaskLinear, GDClassifier):
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
    _parameter_constraints = {**GDClassifier._parameter_constraints, **_LOCAL_EPOCHS}

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

    def predict(self, X):  # type: ignore[override]  # offsets are of rows in memory
        """Predict labels.

        Parameters
        ----------
        X : Dask collection or array-like of shape (n_samples, n_features)
            Rows to predict for.

        Returns
        -------
        y : dask.array.Array, dask.dataframe.Series or ndarray
            Labels, computed when they are asked for where X is a Dask collection.
        """
        check_is_fitted(self)
        return lazily(self, super().predict, "predict", X, (), self.classes_.dtype)

    def decision_function(self, X):  # type: ignore[override]  # offsets are of rows in memory
        """Raw scores.

        Parameters
        ----------
        X : Dask collection or array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : Dask collection or ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, positive means ``classes_[1]``.
        """
        check_is_fitted(self)
        shape = () if len(self.classes_) == 2 else (len(self.classes_),)
        return lazily(self, super().decision_function, "decision_function", X, shape, self.coef_.dtype)

    @available_if(_loss_has_probabilities)
    def predict_proba(self, X):
        """Class probabilities; for losses that have them.

        Parameters
        ----------
        X : Dask collection or array-like of shape (n_samples, n_features)
            Rows to predict for.

        Returns
        -------
        probabilities : Dask collection or ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        shape = (len(self.classes_),)
        return lazily(self, super().predict_proba, "predict_proba", X, shape, self.coef_.dtype)

    def score(self, X, y, sample_weight=None) -> float:  # type: ignore[override]  # offsets are of rows in memory
        """Accuracy of the predictions, computed on the workers.

        Parameters
        ----------
        X : Dask collection or array-like of shape (n_samples, n_features)
            Rows.
        y : Dask collection or array-like of shape (n_samples,)
            Their labels, in the same partitions.
        sample_weight : Dask collection or array-like, default=None
            Weights of the rows.

        Returns
        -------
        score : float
            The share of right predictions.
        """
        found = scored(self, X, y, sample_weight, agreement)
        return super().score(X, y, sample_weight) if found is None else float(found[1][0])
