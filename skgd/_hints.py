"""What to write instead: words of other libraries for parameters and their values, and near misses."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from sklearn import get_config
from sklearn.utils._param_validation import InvalidParameterError, StrOptions

from ._parameters import Memo, names_of, parameter_key

__all__ = ["HelpfulParameters", "Names"]

_OPTIMIZERS = ("adam", "adagrad", "rmsprop", "momentum", "nesterov", "adamw", "nadam", "ftrl")
_SGD_SCHEDULES = ("constant", "optimal", "invscaling", "adaptive")

# values of parameters, as scikit-learn, Keras and PyTorch call them
_VALUES: dict[str, dict[str, str | None]] = {
    "loss": {
        "mse": "squared_error",
        "mean_squared_error": "squared_error",
        "squared_loss": "squared_error",
        "l2": "squared_error",
        "mae": "absolute_error",
        "mean_absolute_error": "absolute_error",
        "l1": "absolute_error",
        "pinball": "quantile",
        "logcosh": "log_cosh",
        "smooth_l1": "huber",
        "log": "log_loss",
        "logistic": "log_loss",
        "cross_entropy": "log_loss",
        "crossentropy": "log_loss",
        "categorical_crossentropy": "log_loss",
        "binary_crossentropy": "log_loss",
        "bce": "log_loss",
        "softmax": "log_loss",
        "svm": "hinge",
    },
    "activation": {"sigmoid": "logistic", "swish": "silu", "linear": "identity", "leakyrelu": "leaky_relu"},
    "init": {
        "xavier": "glorot_uniform",
        "xavier_uniform": "glorot_uniform",
        "xavier_normal": "glorot_normal",
        "kaiming": "he_uniform",
        "kaiming_uniform": "he_uniform",
        "kaiming_normal": "he_normal",
    },
    "penalty": {"ridge": "l2", "lasso": "l1", "elastic_net": "elasticnet", "none": None},
    "solver": {"full": "batch", "gd": "batch", "stochastic": "sgd", "mini_batch": "minibatch"},
    "schedule": {"cosine_annealing": "cosine", "onecycle": "one_cycle", "linear": "polynomial"},
    "dropout_schedule": {"linear": "polynomial"},
}

# names of parameters that other libraries have for what skgd calls otherwise
_PARAMETERS = {
    "eta0": "learning_rate",
    "eta": "learning_rate",
    "lr": "learning_rate",
    "learning_rate_init": "learning_rate",
    "step_size": "learning_rate",
    "power_t": "schedule=skgd.schedules.InvScaling(power=...)",
    "momentum": "optimizer=skgd.optimizers.Momentum(beta=...)",
    "nesterovs_momentum": 'optimizer="nesterov"',
    "beta_1": "optimizer=skgd.optimizers.Adam(beta_1=...)",
    "beta_2": "optimizer=skgd.optimizers.Adam(beta_2=...)",
    "epsilon": "loss=skgd.losses.Huber(epsilon=...) or EpsilonInsensitive, or an optimizer's epsilon",
    "quantile": "loss=skgd.losses.Quantile(quantile=...)",
    "power": "loss=skgd.losses.Tweedie(power=...)",
    "C": "alpha (about 1 / (C n_samples))",
    "lambda_": "alpha",
    "weight_decay": "alpha",
    "epochs": "max_iter",
    "n_epochs": "max_iter",
    "n_iter": "max_iter",
    "eps": "tol",
    "patience": "n_iter_no_change",
    "seed": "random_state",
    "criterion": "loss",
    "hidden_layers": "hidden_layer_sizes",
    "clipnorm": "max_grad_norm",
    "normalize": "standardize",
}


_VALID = Memo()  # parameters that were validated before
_NAMES: dict[type, list[str]] = {}  # of the parameters of a class


class Names(StrOptions):
    """Strings that a parameter takes, told in alphabetical order."""

    def __str__(self):
        return f"a str among {{{', '.join(repr(name) for name in sorted(self.options))}}}"


class HelpfulParameters:
    """Mixin of the estimators: messages about wrong parameters also say what to write instead."""

    def __new__(cls, *args, **parameters):
        _check_parameter_names(cls, parameters)
        return super().__new__(cls)

    @classmethod
    def _get_param_names(cls):
        """Those that scikit-learn reads from the constructor: once for each class, as that takes its time."""
        if cls not in _NAMES:
            _NAMES[cls] = super()._get_param_names()  # type: ignore[misc]  # of BaseEstimator
        return list(_NAMES[cls])

    def _validate_new_params(self) -> tuple | None:
        """Validate parameters that have not been validated before, unless scikit-learn is told not to; gives
        their key."""
        key = parameter_key(self)
        if key not in _VALID and not get_config()["skip_parameter_validation"]:
            self._validate_params()
        return key

    def set_params(self, **params):
        """Set parameters of this estimator, and of objects in them as ``<parameter>__<name>``.

        Parameters
        ----------
        **params : dict
            Their new values.

        Returns
        -------
        self : object
            The estimator.
        """
        _check_parameter_names(type(self), [name.partition("__")[0] for name in params], ValueError)
        return super().set_params(**params)  # type: ignore[misc]  # of BaseEstimator

    def _validate_params(self):
        key = parameter_key(self)
        if key is not None and key in _VALID:
            return
        try:
            super()._validate_params()  # type: ignore[misc]  # of BaseEstimator
        except InvalidParameterError as error:
            raise InvalidParameterError(f"{error}{_hint_for(self)}") from None
        if key is not None:
            _VALID.remember(key, True)


def _check_parameter_names(kind: type, given: Iterable[str], error: type[Exception] = TypeError) -> None:
    """Raise for a parameter that there is not, TypeError as Python would; say what to write instead."""
    known = names_of(kind)
    for name in given:
        if name not in known:
            raise error(f"{kind.__name__} has no parameter {name!r}.{_other_parameter(name, known)}")


def _other_parameter(name: str, known: list[str]) -> str:
    if name in _PARAMETERS:
        return f" Write {_PARAMETERS[name]} instead."
    return _close(name, known)


def _close(name: str, known) -> str:
    known = sorted(known)
    found = get_close_matches(name, known, n=1, cutoff=0.6) or [
        each for each in known if each.startswith(name)
    ]
    return f" Did you mean {found[0]!r}?" if found else ""


def _hint_for(estimator) -> str:
    """What to write instead of the first value that is not allowed; empty where nothing comes to mind."""
    for name, value in estimator.get_params(deep=False).items():
        constraints = estimator._parameter_constraints.get(name, ())
        allowed = [each.options for each in constraints if isinstance(each, Names)]
        known = set().union(*allowed)
        if isinstance(value, str) and known and value not in known:
            return _hint_for_value(name, value, known)
    return ""


def _hint_for_value(name: str, value: str, known: set[str]) -> str:
    if name == "learning_rate" and value in _SGD_SCHEDULES:
        return f' Write schedule="{value}", and a number (eta0 of SGD*) or "auto" for learning_rate.'
    if name == "solver" and value in _OPTIMIZERS:
        return f' Write optimizer="{value}": solver says how many rows an update sees.'
    if name == "solver" and value in ("lbfgs", "newton-cg", "newton-cholesky", "liblinear", "sag", "saga"):
        return ' Write solver="batch"; with optimizer="nesterov" it converges fastest.'
    if name == "optimizer" and value in ("sgd", "gd", "gradient_descent"):
        return ' Write optimizer="plain"; solver="sgd" says that an update sees one row.'
    simple = value.lower().replace(" ", "_").replace("-", "_")
    if simple in _VALUES.get(name, {}) and _VALUES[name][simple] in known | {None}:
        return f" Did you mean {_VALUES[name][simple]!r}?"
    return _close(simple, known)
