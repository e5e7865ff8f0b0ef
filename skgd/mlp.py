"""Multi-layer perceptrons fitted by gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import _num_samples

from . import _twins as twins
from ._docs import documented
from ._estimator import GradientDescent
from ._hints import Names
from ._intervals import Uncertainty
from ._layers import HiddenLayers, scores_of
from ._members import Members
from ._network import ACTIVATIONS, INITIALISATIONS
from ._options import loss_names, options_of, threads_of
from ._penalty import PENALTIES
from ._recipe import BY_NOISE, TABLE_RATE, explicit, in_use, sees_table, settings_of
from ._tasks import Classification, Regression
from ._validation import refuse_elsewhere, schema_of, shaped
from .losses import Loss
from .optimizers import OPTIMIZERS, Optimizer
from .schedules import Schedule

__all__ = ["GDMLPClassifier", "GDMLPRegressor"]


_AUTO = Names({"auto"})
_SHARED = ("batch_size", "alpha", "max_iter", "tol")  # parameters of linear models that may be "auto" here


class PerceptronModel(HiddenLayers, Members):
    """Raw scores by layers h <- activation(h W + b); the last layer has no activation."""

    _parameter_constraints = {
        **GradientDescent._parameter_constraints,
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), _AUTO],
        "activation": [Names({*ACTIVATIONS, "auto"}), list, tuple, callable],
        "init": [Names({*INITIALISATIONS, "auto"})],
        "freeze": [Integral, list, tuple, None],
        "dropout": [Interval(Real, 0, 1, closed="left"), _AUTO],
        **{name: [*GradientDescent._parameter_constraints[name], _AUTO] for name in _SHARED},
        "optimizer": [Names({*OPTIMIZERS, "auto"}), Optimizer],
        "penalty": [Names({name for name in PENALTIES if name}), None],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "encoding": [Names({"auto", "table"}), HasMethods(["fit", "transform"]), None],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "dtype": [Names({"auto", "float32", "float64"})],
    }
    _fitted = "coefs_"

    def _check_rows(self, door, X, y="no_validation", *, reset, finite=True):
        encoder = self._learn_columns(door, X) if reset else vars(door).get("encoder_")
        if encoder is None:
            return super()._check_rows(door, X, y, reset=reset, finite=finite)
        return super()._check_rows(BaseEstimator(), encoder.transform(X), y, reset=True)

    def _options(self, X, reset=True, key=None):
        refuse_elsewhere(self, X, to_fit=reset)
        fitted = not reset and "settings_" in vars(self)
        known = self.settings_ if fitted else {}
        table = sees_table(vars(self).get("encoder_") if fitted else self.encoding, X)
        settings = {name: known.get(name, value) for name, value in self._settings(X, table).items()}
        options = options_of(explicit(self, settings), reset)
        if not table:
            return options
        # "auto" does not standardise columns whose encoding has given them their units
        by_noise = tuple(name for name in BY_NOISE if name in settings)
        standardize = bool(options.standardize)
        return replace(options, standardize=standardize, rate_factor=TABLE_RATE, by_noise=by_noise)

    def _outcome(self, fit, record, rows):
        found = super()._outcome(fit, record, rows)
        return {**found, "settings_": in_use(found["settings_"], fit.options.objective)}

    def _settings(self, X, table: bool) -> dict:
        """Values of the parameters that are "auto"."""
        return settings_of(self, table, _num_samples(X))

    def _learn_columns(self, door, X):
        """The encoder of the columns of X, if there is one; it and the "auto" parameters are written to the
        door. A warm start keeps the encoder of the last fit."""
        known, table = vars(door).pop("encoder_", None), sees_table(self.encoding, X)
        vars(door)["settings_"] = self._settings(X, table)
        if not (table or hasattr(self.encoding, "transform")):
            return None
        if known is None or not self.warm_start:
            from .preprocessing import TableEncoder  # late: slow to import

            known = (TableEncoder() if isinstance(self.encoding, str) else clone(self.encoding)).fit(X)
        vars(door).update({**schema_of(known), "encoder_": known})
        return known

    @staticmethod
    def _start_at(problem, theta, seed, coef_init, intercept_init):
        blocks = problem.blocks(theta)
        problem.initialise(theta, seed)
        for name, arrays in (("coef_init", coef_init), ("intercept_init", intercept_init)):
            if arrays is not None and len(arrays) != len(blocks):
                raise ValueError(f"{name} has {len(arrays)} arrays, but there are {len(blocks)} layers.")
        for i, block in enumerate(blocks):
            if coef_init is not None:
                block[:-1] = shaped(coef_init[i], f"coef_init[{i}]", block[:-1].shape)
            if intercept_init is not None and problem.fit_intercept:
                block[-1] = shaped(intercept_init[i], f"intercept_init[{i}]", block[-1].shape)

    @staticmethod
    def _unpack(theta, problem):
        blocks = problem.blocks(problem.for_original(theta))
        return [block[:-1].copy() for block in blocks], [block[-1].copy() for block in blocks]

    @staticmethod
    def _attributes(weights, intercepts, task):
        return {
            "coefs_": weights,
            "intercepts_": intercepts,
            "n_layers_": len(weights) + 1,
            "n_outputs_": len(intercepts[-1]),
        }

    def _nets(self):
        return [
            (list(zip(one.coefs_, one.intercepts_, strict=True)), one._model["activation"])
            for one in vars(self).get("members_") or [self]
        ]

    @staticmethod
    def _flatten(weights, intercepts):
        return np.concatenate([*(w.ravel() for w in weights), *intercepts])

    @staticmethod
    def _fill(problem, theta, flat):
        blocks, begin = problem.blocks(theta), 0
        for part in (*(b[:-1] for b in blocks), *(b[-1] for b in blocks)):
            part[...] = np.reshape(flat[begin : begin + part.size], part.shape)
            begin += part.size

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = isinstance(self.encoding, str) or sees_table(self.encoding, None)
        return tags

    def _raw_of_one(self, X):
        """Raw scores (n, K) for validated X, computed by the core."""
        dtype = np.result_type(X.dtype, self.coefs_[0].dtype)
        X, threads = X.astype(dtype, copy=False), threads_of(self.n_jobs)
        return scores_of(X, self._network, self.coefs_, self.intercepts_, threads)


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
        y less the prediction, for the rows that each network held out; see :meth:`predict_interval`.
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
        max_grad_norm: float | None = None,
        encoding: str | BaseEstimator | None = "auto",
        n_members: int = 1,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.init = init
        self.freeze = freeze
        self.dropout = dropout
        self.max_grad_norm = max_grad_norm
        self.encoding = encoding
        self.n_members = n_members
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
class GDMLPClassifier(Classification, PerceptronModel):
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
        max_grad_norm: float | None = None,
        encoding: str | BaseEstimator | None = "auto",
        n_members: int = 1,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.init = init
        self.freeze = freeze
        self.dropout = dropout
        self.max_grad_norm = max_grad_norm
        self.encoding = encoding
        self.n_members = n_members
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
