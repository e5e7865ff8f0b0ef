"""What estimators on Dask share: a fit to rows on the workers, and lazy predictions."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
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
from ._checkpoint import Session
from ._dask_blocks import DaskBlocks, prepared
from ._dask_collections import (
    agreement,
    held_parts,
    is_collection,
    lazily,
    mean_and_squares,
    parts_of,
    scored,
)
from ._options import Options
from ._recipe import settings_of
from ._rows import TrainingRows
from ._tasks import Classification, Regression, _loss_has_probabilities
from .schedules import Schedule

__all__ = ["LOCAL_EPOCHS", "DaskDescent", "DaskPerceptron", "LazyClassification", "LazyRegression"]

LOCAL_EPOCHS = {"local_epochs": [Interval(Integral, 0, None, closed="left")]}

_OBJECTIVE = (
    "loss",
    "penalty",
    "alpha",
    "l1_ratio",
    "fit_intercept",
    "class_weight",
    "hidden_layer_sizes",
    "activation",
    "init",
)


@dataclass(frozen=True)
class Falling:
    """1 / sqrt(1 + t / updates).

    The automatic rate of a stream stays until the stream is known to rest, as it may go on for ever; until
    then the mean of its iterates lies beside the minimum of a loss that is no square.
    """

    updates: int

    def __call__(self, t):
        return 1 / np.sqrt(1 + np.asarray(t) / self.updates)


class DaskDescent:
    """What estimators share; the parameters of stochastic descent are those of batch descent."""

    solver = "batch"
    batch_size: int | str = 32
    average: bool | int | str = False
    shuffle = False
    refit = False
    validation_fraction: float | object = 0.1
    n_jobs: int | None = None

    local_epochs: int
    warm_start: bool
    _local: Callable  # the estimator of rows in memory
    _weights: tuple = ("coef_", "intercept_")
    _task: str
    _start_at: Callable
    _fit_summary: Callable
    _check_blocks: Callable
    _door_of_blocks: Callable

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        classes=None,
        client=None,
        checkpoint=None,
    ) -> Self:
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
        checkpoint : str, os.PathLike or skgd.Checkpoint, default=None
            A file that the state of the fit is written to, about every second, and from which the fit goes on
            after a crash, bit for bit: see :class:`~skgd.Checkpoint`. Partitions have to be the same,
            workers may be others.

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
        session = None if checkpoint is None else Session(checkpoint, self)
        given = (X, y, sample_weight), classes, (X_val, y_val), session
        for message in estimator._fit_on(_client(client), *given):
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self

    def _fit_on(self, client, collections: tuple, classes, validation: tuple, session) -> list[str]:
        self._check_blocks(classes, validation)
        door: Any = self._door_of_blocks()
        parts, schema = parts_of(*collections)
        vars(door).pop("feature_names_in_", None)
        vars(door).update(schema.features)
        prepare = Preparation(door, schema.dtype, schema.shape)
        held = held_parts(*collections)
        if held is None:
            made = [parts.delayed(prepared)(prepare, i, *each) for i, each in enumerate(parts.rows)]
            blocks = DaskBlocks(client, [(future,) for future in client.compute(made)])
        else:
            blocks = DaskBlocks(client, held, prepare)
        summary = blocks.survey(classes=self._task == "classification")
        return self._fit_summary(blocks, summary, door, classes, validation, session)

    def _start_on_blocks(self, options: Options, rows: TrainingRows) -> tuple:
        """The mean of models of parts of the rows, if it is better than where every fit starts."""
        if not self.local_epochs or self.warm_start:
            return None, None
        design: Any = rows.design
        coef, intercept = self._mean_of_parts(design, rows.task)
        problem = BlockProblem(design, rows.targets, options.objective)
        usual, theta = problem.zeros(), problem.zeros()
        problem.initialise(usual, options.seed, at_constant=options.learning_rate is None)
        self._start_at(problem, theta, options.seed, coef, intercept)
        return (coef, intercept) if problem.value(theta) < problem.value(usual) else (None, None)

    @staticmethod
    def _of_parts(d: int) -> dict:
        """Parameters of the models of parts of the rows, of d features."""
        return {"solver": "sgd", "schedule": Falling(10 * d)}

    def _mean_of_parts(self, design: BlockDesign, task) -> tuple:
        """Weights and intercepts; of a perceptron lists of those of its layers."""
        step = partial(one_more_pass, classes=getattr(task, "classes", None))
        model = self._local(random_state=0, **self._of_parts(design.d), **_shared_with(self._local, design))
        models, rows = design.source.in_chains(step, model, self.local_epochs)
        weights, intercepts = ([getattr(model, name) for model in models] for name in self._weights)
        return _mean(weights, rows), _mean(intercepts, rows)

    def to_local(self):
        """The fitted model as an estimator that needs no Dask.

        Returns
        -------
        model : GDRegressor, GDClassifier, GDMLPRegressor or GDMLPClassifier
            With copies of the fitted attributes.
        """
        estimator: Any = self
        known = inspect.signature(self._local).parameters
        given = {**estimator.get_params(deep=False), "solver": "batch"}
        for name, chosen, searched in (
            ("alpha", "alpha_", "alpha_"),
            ("learning_rate", "learning_rate_", "learning_rates_"),
        ):
            given |= {name: getattr(estimator, chosen)} if hasattr(estimator, searched) else {}
        model = self._local(**{name: value for name, value in given.items() if name in known})
        fitted = {name: value for name, value in vars(self).items() if _is_fitted(name)}
        model._become(deepcopy(fitted))
        return model


def _shared_with(kind, design: BlockDesign) -> dict:
    """Parameters of the objective of a fit, which a model of this kind has too."""
    given, known = design.encoding.door.get_params(deep=False), inspect.signature(kind).parameters
    return {name: given[name] for name in _OBJECTIVE if name in given and name in known}


def _mean(arrays: list, weights: list[int]):
    """Of arrays, or of lists of them, one by one."""
    if isinstance(arrays[0], list):
        return [np.average(each, axis=0, weights=weights) for each in zip(*arrays, strict=True)]
    return np.average(arrays, axis=0, weights=weights)


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


class DaskPerceptron(DaskDescent):
    """What perceptrons have beside; parameters of theirs that Dask leaves no choice of."""

    dropout: float | str = 0.0
    scaling_layer, n_frequencies, frequency_scale = False, 0, 0.1
    dropout_schedule: str | Schedule | Callable = "constant"
    encoding = None
    categorical_features: str | Sequence | None = "from_dtype"
    n_members, share_weights = 1, False
    _weights = ("coefs_", "_vectors")

    @staticmethod
    def _of_parts(d: int) -> dict:
        return {"solver": "minibatch"}

    def _door_of_blocks(self):
        door = super()._door_of_blocks()
        vars(door)["settings_"] = settings_of(self, table=False)
        return door


class LazyRegression(Regression):
    """Predictions and scores of rows on the workers."""

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
        check_is_fitted(self, self._fitted)
        return lazily(self, super().predict, "predict", X)

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
        if is_collection(X) and "levels" in self._model:
            raise ValueError("Several quantiles have no score on Dask: score to_local() on rows in memory.")
        found = scored(self, X, y, sample_weight, mean_and_squares)
        if found is None:
            return super().score(X, y, sample_weight)
        _, _, total, residual = found
        constant = np.where(residual > 0, 0.0, 1.0)
        return float(np.mean(np.where(total > 0, 1 - residual / np.where(total > 0, total, 1.0), constant)))


class LazyClassification(Classification):
    """The same of classes."""

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
        check_is_fitted(self, self._fitted)
        return lazily(self, super().predict, "predict", X)

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
        check_is_fitted(self, self._fitted)
        return lazily(self, super().decision_function, "decision_function", X)

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
        return lazily(self, super().predict_proba, "predict_proba", X)

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
