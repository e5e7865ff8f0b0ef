"""skgd behind the names of scikit-learn, so that scikit-learn's own tests can run on it.

The translation is that of docs/guide/from_sklearn.rst: names of parameters and attributes, the unit of a
perceptron's alpha, the rate from which "optimal" starts, and nothing else.
"""

import functools
import importlib.util
import inspect
import os
import re
import sys
import warnings
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from _differences import BUGS, DELIBERATE_DIFFERENCES, ONE_CLASS
from sklearn import linear_model, neural_network
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

import skgd
from skgd.losses import LOSSES
from skgd.optimizers import Adam, Momentum, Nesterov
from skgd.schedules import Adaptive, InvScaling

# ---------------------------------------------------------------- estimators


def initialiser(peer):
    """An `__init__` with the signature of the peer's, which keeps the arguments as attributes."""
    signature = inspect.signature(peer.__init__)

    def __init__(self, *args, **kwargs):
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        vars(self).update(list(bound.arguments.items())[1:])

    __init__.__signature__ = signature
    return __init__


def there(method):
    """Whether the estimator of skgd has a method; raises its AttributeError if not."""
    return lambda self: getattr(self.model, method) is not None


class Translated(BaseEstimator):
    """An estimator with the parameters of scikit-learn's; everything fitted is asked of one of skgd."""

    ours: type
    attributes = {}  # name in scikit-learn -> function of this estimator

    def __init_subclass__(cls, peer=None, **kwargs):
        super().__init_subclass__(**kwargs)
        if peer is not None:
            cls.__init__ = initialiser(peer)

    def parameters(self, rows):
        """Parameters of skgd for so many rows of data."""
        raise NotImplementedError

    def prepared(self, rows=1):
        if "_model" not in vars(self):
            self._model = self.ours()
        return self._model.set_params(**self.parameters(rows))

    def __getattr__(self, name):
        if name.startswith("__") or name == "_model":
            raise AttributeError(name)
        if name in self.attributes:
            return self.attributes[name](self)
        return getattr(self.model, name)

    @property
    def model(self):
        """The one of skgd, fitted or not."""
        model = vars(self).get("_model")
        return self.ours(**self.parameters(1)) if model is None else model

    def fit(self, X, y, **kwargs):
        self.prepared(np.shape(X)[0]).fit(X, y, **kwargs)
        return self

    @available_if(there("partial_fit"))
    def partial_fit(self, X, y, **kwargs):
        self.prepared(np.shape(X)[0]).partial_fit(X, y, **kwargs)
        return self

    @available_if(there("decision_function"))
    def decision_function(self, X):
        return self.model.decision_function(X)

    @available_if(there("predict_proba"))
    def predict_proba(self, X):
        return self.model.predict_proba(X)

    def predict(self, X):
        return self.model.predict(X)


def loss_of(name, epsilon):
    kind = LOSSES.get(name)
    takes_epsilon = kind is not None and "epsilon" in inspect.signature(kind).parameters
    return kind(epsilon=epsilon) if takes_epsilon else name


def score_of(ours):
    """What scikit-learn's early stopping goes by."""
    return "r2" if ours._task == "regression" else "accuracy"


def start_of_optimal(loss, alpha):
    """The rate of the first update under scikit-learn's learning_rate="optimal"."""
    typical = alpha**-0.25 if alpha else 1.0
    loss = LOSSES[loss]() if isinstance(loss, str) and loss in LOSSES else loss
    if isinstance(loss, str):
        return typical
    _, slope = loss.value_and_slope(np.ones(1), np.full((1, 1), -typical))
    return typical / max(1.0, abs(slope[0, 0]))


class TranslatedSGD(Translated):
    attributes = {"t_": lambda self: self._model.n_updates_ + 1}
    same = (
        *("penalty", "alpha", "fit_intercept", "max_iter", "tol", "n_iter_no_change", "early_stopping"),
        *("validation_fraction", "shuffle", "random_state", "warm_start", "verbose"),
    )

    def parameters(self, rows):
        loss = loss_of(self.loss, self.epsilon)
        schedules = {
            "constant": "constant",
            "optimal": "optimal",
            "invscaling": InvScaling(power=self.power_t),
            "adaptive": Adaptive(factor=0.2, patience=self.n_iter_no_change),
        }
        start = start_of_optimal(loss, self.alpha) if self.learning_rate == "optimal" else self.eta0
        counted = isinstance(self.average, int) and not isinstance(self.average, bool)
        return {
            **{name: getattr(self, name) for name in self.same},
            "scoring": score_of(self.ours),
            "solver": "sgd",
            "loss": loss,
            "l1_ratio": self.l1_ratio,
            "learning_rate": start,
            "schedule": schedules.get(self.learning_rate, self.learning_rate),
            "average": self.average - 1 if counted and self.average else bool(self.average),
        }


class SGDRegressor(RegressorMixin, TranslatedSGD, peer=linear_model.SGDRegressor):
    ours = skgd.GDRegressor


class SGDClassifier(ClassifierMixin, TranslatedSGD, peer=linear_model.SGDClassifier):
    ours = skgd.GDClassifier
    loss_functions = linear_model.SGDClassifier.loss_functions  # the names that the tests go through

    def parameters(self, rows):
        more = {"class_weight": self.class_weight, "n_jobs": self.n_jobs}
        return {**super().parameters(rows), **more}


class SGDOneClassSVM(TranslatedSGD, peer=linear_model.SGDOneClassSVM):
    """GDOneClassSVM makes other updates."""

    def fit(self, X, y=None, **kwargs):
        raise NotImplementedError("GDOneClassSVM is not translated.")

    partial_fit = fit


def last_rate(self):
    return SimpleNamespace(learning_rate=self._model.history_["learning_rate"][-1])


class TranslatedMLP(Translated):
    attributes = {
        "best_loss_": lambda self: None if self.early_stopping else min(self._model.loss_curve_),
        "_optimizer": last_rate,
    }
    same = (
        *("hidden_layer_sizes", "activation", "max_iter", "tol", "n_iter_no_change", "early_stopping"),
        *("validation_fraction", "shuffle", "random_state", "warm_start", "verbose"),
    )

    def parameters(self, rows):
        size = min(200, rows) if self.batch_size == "auto" else self.batch_size
        size = rows if self.solver == "lbfgs" else size
        return {
            **{name: getattr(self, name) for name in self.same},
            "scoring": score_of(self.ours),
            **{"lbfgs": self.all_rows, "sgd": self.momentum_rule, "adam": self.adam}[self.solver](),
            "batch_size": size,
            "alpha": self.alpha / size,
        }

    def all_rows(self):
        return {"solver": "batch", "optimizer": "nesterov", "learning_rate": "auto"}

    def momentum_rule(self):
        rule = Nesterov if self.nesterovs_momentum else Momentum
        schedules = {
            "constant": "constant",
            "invscaling": InvScaling(power=self.power_t),
            "adaptive": Adaptive(factor=0.2, patience=self.n_iter_no_change),
        }
        return {
            "optimizer": rule(beta=self.momentum) if self.momentum else "plain",
            "learning_rate": self.learning_rate_init,
            "schedule": schedules[self.learning_rate],
        }

    def adam(self):
        rule = Adam(beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)
        return {"optimizer": rule, "learning_rate": self.learning_rate_init}


class MLPRegressor(RegressorMixin, TranslatedMLP, peer=neural_network.MLPRegressor):
    ours = skgd.GDMLPRegressor

    def parameters(self, rows):
        return {**super().parameters(rows), "loss": vars(self).get("loss", "squared_error")}


class MLPClassifier(ClassifierMixin, TranslatedMLP, peer=neural_network.MLPClassifier):
    ours = skgd.GDMLPClassifier


# ---------------------------------------------------------------- losses


def loss_at_scalars(loss):
    """The loss with the methods of scikit-learn's compiled ones; labels of classes are -1 and 1."""

    def at(raw, y):
        y = (y + 1) / 2 if loss.task == "classification" else y
        values, slopes = loss.value_and_slope(np.array([float(y)]), np.array([[float(raw)]]))
        return values[0], slopes[0, 0]

    return SimpleNamespace(py_loss=lambda p, y: at(p, y)[0], py_dloss=lambda p, y: at(p, y)[1])


SGD_FAST = SimpleNamespace(
    Hinge=lambda threshold: loss_at_scalars(LOSSES["hinge" if threshold else "perceptron"]()),
    SquaredHinge=lambda threshold: loss_at_scalars(LOSSES["squared_hinge"]()),
    ModifiedHuber=lambda: loss_at_scalars(LOSSES["modified_huber"]()),
    EpsilonInsensitive=lambda epsilon: loss_at_scalars(LOSSES["epsilon_insensitive"](epsilon)),
    SquaredEpsilonInsensitive=lambda epsilon: loss_at_scalars(LOSSES["squared_epsilon_insensitive"](epsilon)),
)

# ---------------------------------------------------------------- modules of tests

LINEAR = {"SGDClassifier": SGDClassifier, "SGDRegressor": SGDRegressor, "SGDOneClassSVM": SGDOneClassSVM}
PERCEPTRONS = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}


@contextmanager
def replaced(package, names):
    before = {name: getattr(package, name) for name in names}
    try:
        for name, value in names.items():
            setattr(package, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(package, name, value)


def translated_tests(name, package, names):
    """The test functions of an installed test module of scikit-learn, run on translated estimators.

    The module is executed once more, under a name of its own, while the package shows the translated
    classes; afterwards only this copy sees them.
    """
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        pytest.skip(f"scikit-learn was installed without {name}", allow_module_level=True)
    module = importlib.util.module_from_spec(spec)
    with replaced(package, names), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # marks that only scikit-learn's own configuration knows
        sys.modules[f"_translated_{name}"] = module
        spec.loader.exec_module(module)
    if hasattr(module, "linear_model"):
        module.linear_model = SimpleNamespace(**{**vars(linear_model), **names})
    if hasattr(module, "sgd_fast"):
        module.sgd_fast = SGD_FAST
    tests = {key: value for key, value in vars(module).items() if key.startswith("test_")}
    return {key: with_expectations(test) for key, test in tests.items()}


def expected_failure(name):
    """The reason for which a test is expected to fail, or None."""
    patterns = {**DELIBERATE_DIFFERENCES, **BUGS}
    return next((reason for pattern, reason in patterns.items() if re.fullmatch(pattern, name)), None)


def with_expectations(test):
    """The test, which must fail where a list says so; without the cost of formatting its traceback."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        reason = expected_failure(os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].rsplit(" ", 1)[0])
        if reason is None or reason == ONE_CLASS:
            return test(*args, **kwargs) if reason is None else pytest.xfail(reason)
        try:
            test(*args, **kwargs)
        except (Exception, pytest.fail.Exception):
            pass
        else:
            pytest.fail(f"This test passes: take it from the list of expected failures ({reason}).")
        pytest.xfail(reason)

    return run
