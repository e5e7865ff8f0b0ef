"""Multi-layer perceptrons fitted by gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.base import BaseEstimator

from . import _twins as twins
from ._docs import documented
from ._hints import Names
from ._intervals import Spread, Uncertainty
from ._options import loss_names
from ._perceptron import PerceptronModel
from ._tasks import Classification, Regression
from .losses import Loss
from .optimizers import Optimizer
from .schedules import Schedule

__all__ = ["GDMLPClassifier", "GDMLPRegressor"]


@documented
class GDMLPRegressor(Uncertainty, Regression, PerceptronModel):
    """Multi-layer perceptron regression by gradient descent.

    Minimises over the weights and intercepts of all layers the weighted mean loss plus penalty,

    .. math:: F = \\frac{1}{\\sum_i s_i} \\sum_i s_i\\, \\ell(y_i, z(x_i))
              + \\alpha \\sum_l R(W_l),

    where :math:`z(x) = h_L W_{L+1} + b_{L+1}`, :math:`h_l = \\sigma(h_{l-1} W_l + b_l)` and
    :math:`h_0 = x`. The gradient is computed by back-propagation (Rumelhart, Hinton & Williams 1986).
    ``solver`` sets the number of rows that each update uses, as in the linear models.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="squared_error"
        "squared_error" (half the square), "huber", "absolute_error", "quantile", "log_cosh",
        "epsilon_insensitive", "squared_epsilon_insensitive", "poisson", "gamma", "tweedie" (the last
        three with a log link), or an object from :mod:`skgd.losses` with its own parameters.
    {network}
    {parameters}

    Attributes
    ----------
    {layers}
    oof_residuals_ : list of ndarrays of shape (n_held_out,) or (n_held_out, n_outputs), or None
        y less the prediction, for the rows that each network, or the only one, held out; see
        :meth:`predict_interval`.
    {attributes}

    See Also
    --------
    GDMLPClassifier : Multi-layer perceptron classification by gradient descent.
    GDRegressor : Linear regression by gradient descent.
    sklearn.neural_network.MLPRegressor : Multi-layer perceptron regression in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgd import GDMLPRegressor
    >>> X, y = make_friedman1(1000, noise=1.0, random_state=0)
    >>> model = make_pipeline(StandardScaler(), GDMLPRegressor(random_state=0)).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    _twin = staticmethod(twins.perceptron_regressor)
    _parameter_constraints = {
        **PerceptronModel._parameter_constraints,
        "loss": [Names(loss_names("regression")), Loss],
    }

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        *,
        hidden_layer_sizes: int | Sequence[int] | str = "auto",
        activation: str | Sequence[str | Callable] | Callable = "auto",
        init: str = "auto",
        freeze: int | Sequence[int] | None = None,
        dropout: float | str = "auto",
        dropout_schedule: str | Schedule | Callable = "constant",
        scaling_layer: bool = False,
        n_frequencies: int = 0,
        frequency_scale: float = 0.1,
        rate_factors: dict | None = None,
        parametrization: str = "standard",
        max_grad_norm: float | None = None,
        encoding: str | BaseEstimator | None = "auto",
        categorical_features: str | Sequence | None = "from_dtype",
        n_members: int | str = "auto",
        share_weights: bool | str = "auto",
        dtype: str = "auto",
        solver: str = "minibatch",
        batch_size: int | str = "auto",
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
        early_stopping: bool | str = "auto",
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.init = init
        self.freeze = freeze
        self.dropout = dropout
        self.dropout_schedule = dropout_schedule
        self.scaling_layer = scaling_layer
        self.n_frequencies = n_frequencies
        self.frequency_scale = frequency_scale
        self.rate_factors = rate_factors
        self.parametrization = parametrization
        self.max_grad_norm = max_grad_norm
        self.encoding = encoding
        self.categorical_features = categorical_features
        self.n_members = n_members
        self.share_weights = share_weights
        self.dtype = dtype
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
class GDMLPClassifier(Spread, Classification, PerceptronModel):
    """Multi-layer perceptron classification by gradient descent.

    Minimises over the weights and intercepts of all layers the weighted mean loss plus penalty,

    .. math:: F = \\frac{1}{\\sum_i s_i} \\sum_i s_i\\, \\ell(y_i, z(x_i))
              + \\alpha \\sum_l R(W_l),

    where :math:`z(x) = h_L W_{L+1} + b_{L+1}`, :math:`h_l = \\sigma(h_{l-1} W_l + b_l)` and
    :math:`h_0 = x`. More than two classes are fitted with softmax for "log_loss" and one column per
    class (one-versus-rest) for the other losses. For multilabel classification, y is a matrix of zeros
    and ones, and there is one column of raw scores per label.

    Parameters
    ----------
    loss : str or skgd.losses.Loss, default="log_loss"
        "log_loss" (softmax for more than two classes), "hinge", "squared_hinge", "modified_huber",
        "perceptron", or an object from :mod:`skgd.losses`.
    {network}
    {parameters}
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with the sample weights; not available for multilabel y
        and soft labels.

    Attributes
    ----------
    {layers}
    classes_ : ndarray of shape (n_classes,)
        The class labels; the column numbers where y is a matrix.
    {attributes}

    See Also
    --------
    GDMLPRegressor : Multi-layer perceptron regression by gradient descent.
    GDClassifier : Linear classification by gradient descent.
    sklearn.neural_network.MLPClassifier : Multi-layer perceptron classification in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skgd import GDMLPClassifier
    >>> from sklearn.model_selection import train_test_split
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> model = GDMLPClassifier(hidden_layer_sizes=(32,), random_state=0).fit(X_train, y_train)
    >>> model.score(X_test, y_test) > 0.95
    True
    """

    _twin = staticmethod(twins.perceptron_classifier)
    _parameter_constraints = {
        **PerceptronModel._parameter_constraints,
        "loss": [Names(loss_names("classification")), Loss],
        "class_weight": [dict, Names({"balanced"}), None],
    }

    def __init__(
        self,
        loss: str | Loss = "log_loss",
        *,
        hidden_layer_sizes: int | Sequence[int] | str = "auto",
        activation: str | Sequence[str | Callable] | Callable = "auto",
        init: str = "auto",
        freeze: int | Sequence[int] | None = None,
        dropout: float | str = "auto",
        dropout_schedule: str | Schedule | Callable = "constant",
        scaling_layer: bool = False,
        n_frequencies: int = 0,
        frequency_scale: float = 0.1,
        rate_factors: dict | None = None,
        parametrization: str = "standard",
        max_grad_norm: float | None = None,
        encoding: str | BaseEstimator | None = "auto",
        categorical_features: str | Sequence | None = "from_dtype",
        n_members: int | str = "auto",
        share_weights: bool | str = "auto",
        dtype: str = "auto",
        solver: str = "minibatch",
        batch_size: int | str = "auto",
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
        early_stopping: bool | str = "auto",
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.init = init
        self.freeze = freeze
        self.dropout = dropout
        self.dropout_schedule = dropout_schedule
        self.scaling_layer = scaling_layer
        self.n_frequencies = n_frequencies
        self.frequency_scale = frequency_scale
        self.rate_factors = rate_factors
        self.parametrization = parametrization
        self.max_grad_norm = max_grad_norm
        self.encoding = encoding
        self.categorical_features = categorical_features
        self.n_members = n_members
        self.share_weights = share_weights
        self.dtype = dtype
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
