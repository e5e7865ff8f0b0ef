"""Perceptrons on Dask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ._dask_estimator import LOCAL_EPOCHS, DaskPerceptron, LazyClassification, LazyRegression
from ._docs import documented
from .losses import Loss
from .mlp import GDMLPClassifier, GDMLPRegressor
from .optimizers import Optimizer
from .schedules import Schedule

__all__ = ["DaskGDMLPClassifier", "DaskGDMLPRegressor"]


@documented
class DaskGDMLPRegressor(LazyRegression, DaskPerceptron, GDMLPRegressor):
    """Multi-layer perceptron regression by batch gradient descent on a Dask cluster.

    The objective, the rates and the fitted attributes are those of :class:`~skgd.GDMLPRegressor` with
    ``solver="batch"``; the rows, which are numbers here, stay on the workers. An update sees all rows, so it
    is worth its pass over them, but a network needs hundreds: where a sample of the rows fits one machine,
    ``solver="minibatch"`` there is faster.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="squared_error"
        As in :class:`~skgd.GDMLPRegressor`.
    {network}
    {parameters}
    local_epochs : int, default=0
        Epochs of descent by mini-batches to begin with: on four parts of the rows, each from partition to
        partition where they lie, and all from the same weights. Batch descent starts at the mean of the
        four networks if the objective is lower there.

    Attributes
    ----------
    coefs_ : list of ndarrays of shape (n_inputs, n_units)
        Weights of each layer.
    intercepts_ : list of ndarrays of shape (n_units,)
        Intercepts of each layer.
    n_layers_ : int
        Number of layers, including the input layer.
    n_outputs_ : int
        Number of columns of the raw scores.
    settings_ : dict
        Values of the parameters that are "auto".
    {attributes}

    See Also
    --------
    skgd.GDMLPRegressor : The same in one process, and with other solvers.
    """

    _local = GDMLPRegressor
    _parameter_constraints = {**GDMLPRegressor._parameter_constraints, **LOCAL_EPOCHS}

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        *,
        hidden_layer_sizes: int | Sequence[int] | str = "auto",
        activation: str | Sequence[str | Callable] | Callable = "auto",
        init: str = "auto",
        freeze: int | Sequence[int] | None = None,
        rate_factors: dict | None = None,
        parametrization: str = "standard",
        max_grad_norm: float | None = None,
        learning_rate: float | str = "auto",
        schedule: str | Schedule | Callable = "constant",
        optimizer: str | Optimizer = "auto",
        penalty: str | None = "l2",
        alpha: float | str = "auto",
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool | str = "auto",
        max_iter: int | str = "auto",
        max_time: float | None = None,
        tol: float | str | None = "auto",
        n_iter_no_change: int = 10,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.init = init
        self.freeze = freeze
        self.rate_factors = rate_factors
        self.parametrization = parametrization
        self.max_grad_norm = max_grad_norm
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
class DaskGDMLPClassifier(LazyClassification, DaskPerceptron, GDMLPClassifier):
    """Multi-layer perceptron classification by batch gradient descent on a Dask cluster.

    The objective, the rates and the fitted attributes are those of :class:`~skgd.GDMLPClassifier` with
    ``solver="batch"``; the rows, which are numbers here, stay on the workers. An update sees all rows, so it
    is worth its pass over them, but a network needs hundreds: where a sample of the rows fits one machine,
    ``solver="minibatch"`` there is faster.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="log_loss"
        As in :class:`~skgd.GDMLPClassifier`.
    {network}
    {parameters}
    local_epochs : int, default=0
        Epochs of descent by mini-batches to begin with: on four parts of the rows, each from partition to
        partition where they lie, and all from the same weights. Batch descent starts at the mean of the
        four networks if the objective is lower there.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with the sample weights.

    Attributes
    ----------
    coefs_ : list of ndarrays of shape (n_inputs, n_units)
        Weights of each layer.
    intercepts_ : list of ndarrays of shape (n_units,)
        Intercepts of each layer.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    n_layers_ : int
        Number of layers, including the input layer.
    n_outputs_ : int
        Number of columns of the raw scores.
    settings_ : dict
        Values of the parameters that are "auto".
    {attributes}

    See Also
    --------
    skgd.GDMLPClassifier : The same in one process, and with other solvers.
    """

    _local = GDMLPClassifier
    _parameter_constraints = {**GDMLPClassifier._parameter_constraints, **LOCAL_EPOCHS}

    def __init__(
        self,
        loss: str | Loss = "log_loss",
        *,
        hidden_layer_sizes: int | Sequence[int] | str = "auto",
        activation: str | Sequence[str | Callable] | Callable = "auto",
        init: str = "auto",
        freeze: int | Sequence[int] | None = None,
        rate_factors: dict | None = None,
        parametrization: str = "standard",
        max_grad_norm: float | None = None,
        learning_rate: float | str = "auto",
        schedule: str | Schedule | Callable = "constant",
        optimizer: str | Optimizer = "auto",
        penalty: str | None = "l2",
        alpha: float | str = "auto",
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool | str = "auto",
        max_iter: int | str = "auto",
        max_time: float | None = None,
        tol: float | str | None = "auto",
        n_iter_no_change: int = 10,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.init = init
        self.freeze = freeze
        self.rate_factors = rate_factors
        self.parametrization = parametrization
        self.max_grad_norm = max_grad_norm
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
