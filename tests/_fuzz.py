"""A seeded fuzzer of the public API: random data of any kind, parameters and calls.

    python tests/_fuzz.py [--seconds 60] [--seed 0] [--cases N] [--first I] [--verbose]

Case i of a seed is always the same. What is reported: a crash, a hang, parameters or predictions that are not
finite, an error that is no ValueError or TypeError with a message, and a failed call that changed the model.
Cases run in a process of their own, so that a crash is seen; the number of cases and reports comes last.
"""

import argparse
import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings

import numpy as np
from scipy import sparse
from sklearn.base import clone

import skgd
from skgd import losses, optimizers, penalties, schedules

LIMIT = 30  # seconds for a case
SOLVERS = ["batch", "minibatch", "sgd"]


class Planned(Exception):
    """What losses, schedules and callbacks of a case raise."""


class Hang(BaseException):
    """A case that took too long."""


def choose(rng, values):
    return values[int(rng.integers(len(values)))]


# ---------------------------------------------------------------- data


def values_of(rng, shape):
    """Numbers of some kind, mostly tame."""
    kind = int(rng.integers(12))
    X = rng.normal(size=shape)
    if kind == 0:
        return X * 10.0 ** rng.uniform(-300, 300)
    if kind == 1:
        return X * 10.0 ** rng.uniform(-40, 40, shape[-1:])
    if kind == 2:
        return rng.standard_cauchy(shape) ** 3
    if kind == 3:
        return np.round(X)
    if kind == 4:
        return np.zeros(shape)
    if kind == 5:
        return X * (rng.random(shape) < 0.1)
    if kind == 6:
        return X + 10.0 ** rng.uniform(0, 12)
    return X


def spoiled(rng, array):
    """The array with some NaN or infinity."""
    if array.size and array.dtype.kind == "f":
        array = array.copy()
        array.flat[int(rng.integers(array.size))] = choose(rng, [np.nan, np.inf, -np.inf])
    return array


def in_layout(rng, X):
    """The same numbers in other types, orders and containers."""
    kinds = [np.float64, np.float64, np.float64, np.float32, np.float32, np.float16, np.int64, np.uint8, bool]
    with np.errstate(all="ignore"):
        X = X.astype(choose(rng, [*kinds, object, np.longdouble]))
    kind = int(rng.integers(10))
    if kind == 0:
        X = np.asfortranarray(X)
    elif kind == 1:
        X = np.repeat(X, 2, axis=1)[:, ::2]
    elif kind == 2:
        X = X[::-1]
    elif kind == 3:
        X = X.copy()
        X.setflags(write=False)
    elif kind == 4 and X.dtype.kind == "f":
        X = X.astype(X.dtype.newbyteorder())
    elif kind == 5:
        X = X.tolist()
    elif kind == 6 and X.dtype != object:
        memory = np.zeros(X.nbytes + 1, dtype=np.uint8)[1:]
        odd = memory[: X.nbytes].view(X.dtype).reshape(X.shape)
        odd[...] = X
        X = odd
    return X


def in_frame(rng, X):
    import pandas as pd

    X = pd.DataFrame(np.array(X, dtype=float), columns=[f"x{j}" for j in range(np.shape(X)[1])])
    if rng.random() < 0.5 and X.shape[1]:
        X["x0"] = pd.Categorical(rng.choice(["a", "b", "c"], len(X)))
    if rng.random() < 0.3 and X.shape[1] > 1:
        X["x1"] = X["x1"].astype("Float64").mask(rng.random(len(X)) < 0.2)
    return X


def in_rows(rng, X):
    """Sparse, with odd rows, indices and formats."""
    with np.errstate(all="ignore"):
        X = sparse.csr_array(X * (rng.random(X.shape) < rng.uniform(0, 1))).astype(
            choose(rng, [np.float64, np.float32, np.int64])
        )
    kind = int(rng.integers(12))
    if kind == 0 and X.nnz:  # duplicates and unsorted
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        order = np.argsort(np.tile(rows, 2), kind="stable")
        indices, data = np.tile(X.indices, 2)[order][::1], np.tile(X.data, 2)[order]
        X = sparse.csr_array((data, indices, 2 * X.indptr), shape=X.shape)
    elif kind == 1:  # explicit zeros
        X.data[rng.random(X.nnz) < 0.5] = 0
    elif kind == 2:
        X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    elif kind == 3:
        X.indptr = X.indptr.astype(np.int64)
    elif kind == 4 and X.nnz:  # out of range
        X.indices = X.indices.copy()
        X.indices[-1] = choose(rng, [-1, X.shape[1], 2**31 - 1])
    elif kind == 5 and len(X.indptr) > 2:  # falls
        X.indptr = X.indptr.copy()
        X.indptr[1] = X.nnz + choose(rng, [0, 1, 1000])
    elif kind == 6:
        X = X.asformat(choose(rng, ["csc", "coo", "lil", "dok", "bsr", "dia"]))
    elif kind == 7:
        X = sparse.csr_matrix(X)
    elif kind == 8:
        X.data = np.repeat(X.data, 2)[::2]
    return X


def rows_of(rng, n, d):
    X = values_of(rng, (n, d))
    kind = rng.random()
    if kind < 0.04:
        X = spoiled(rng, X)
    if kind < 0.3:
        return in_rows(rng, X)
    if kind < 0.36:
        return in_frame(rng, X)
    return in_layout(rng, X) if kind < 0.7 else X


def targets_of(rng, X, classifies):
    n = length_of(X)
    outputs = choose(rng, [(), (), (), (), (1,), (2,), (3,)])
    if rng.random() < 0.04:
        n = max(0, n + int(rng.integers(-2, 3)))
    if classifies:
        if rng.random() < 0.06:  # probabilities of classes
            parts = rng.dirichlet(np.ones(3), n)
            return spoiled(rng, parts) if rng.random() < 0.1 else parts
        y = rng.integers(0, int(rng.integers(1, 5)), (n, *(outputs if rng.random() < 0.2 else ())))
        kind = int(rng.integers(8))
        if kind == 0 and y.ndim == 1:
            return np.array(["no", "yes", "maybe", "never", "x"])[y]
        if kind == 1:
            return y.astype(float) - 1
        if kind == 2:
            return y.astype(bool)
        if kind == 3 and y.ndim == 1:
            return np.array(["no", None, 3, 2.5, ()], dtype=object)[y] if rng.random() < 0.3 else y.tolist()
        return y
    y = values_of(rng, (n, *outputs))
    y = np.abs(y) if rng.random() < 0.6 else y
    y = spoiled(rng, y) if rng.random() < 0.04 else y
    kind = int(rng.integers(8))
    with np.errstate(all="ignore"):
        if kind == 0:
            return y.astype(np.float32)
        if kind == 1:
            return y.tolist()
        if kind == 2:
            return y.astype(choose(rng, [object, np.int64, bool, np.float16, "U8"]))
    return np.asfortranarray(y) if kind == 3 else y


def weights_of(rng, n):
    kind = int(rng.integers(14))
    if kind < 8:
        return None
    weights = rng.uniform(0, 3, n)
    if kind == 8:
        weights *= rng.random(n) < 0.5
    elif kind == 9:
        weights *= 10.0 ** rng.uniform(-300, 300)
    elif kind == 10:
        weights = choose(rng, [weights - 1, weights[:-1], 0 * weights, spoiled(rng, weights), 2.5, "no"])
    elif kind == 11:
        weights = rng.integers(0, 3, n)
    return weights


# ---------------------------------------------------------------- parameters


class Raising(losses.Loss):
    """Half the square, in Python; raises after some blocks, or gives what is not finite."""

    task = "regression"
    calls = 0  # since the last call of the case

    def __init__(self, after=5, with_nan=False):
        self.after, self.with_nan = after, with_nan

    def value_and_slope(self, y, raw):
        Raising.calls += 1
        if Raising.calls > self.after:
            if not self.with_nan:
                raise Planned
            return np.full(len(raw), np.nan), np.full_like(raw, np.nan)
        error = raw - y.reshape(raw.shape)
        return 0.5 * (error**2).sum(axis=1), error


class RaisingClasses(Raising):
    """The same for classes."""

    task = "classification"

    def value_and_slope(self, y, raw):
        return super().value_and_slope(np.broadcast_to(np.reshape(y, (-1, 1)), raw.shape), raw)


def raising_schedule(t):
    if t[-1] > 20:
        raise Planned
    return np.ones(len(t))


def odd_schedule(t):
    return np.array([-1.0, np.nan, np.inf, 0.0])[np.asarray(t) % 4]


SCHEDULES = [
    *schedules.SCHEDULES,
    schedules.Adaptive(patience=1),
    schedules.Warmup(3),
    schedules.Warmup(3, then="cosine"),
    schedules.Step(period=1),
    schedules.MultiStep([1, 2]),
    schedules.Cosine(period=2),
    raising_schedule,
    odd_schedule,
    lambda t: 1 / (1 + t),
    lambda t: 1.0,
    lambda t: np.ones(1),
]
FACTORS = {"scaling": 6.0, "frequencies": 0.0, 0: 1e-300}
ODD = [
    -1,
    0,
    0.0,
    np.nan,
    np.inf,
    "auto",
    "no",
    None,
    True,
    10**9,
    1e-300,
    1e300,
    [],
    (),
    {},
    np.float32(0.5),
]


class RaisingPenalty(penalties.Penalty):
    """The l1 norm, in Python; raises after some steps, or gives what is not finite."""

    def __init__(self, after=5, with_nan=False):
        self.after, self.with_nan = after, with_nan

    def value(self, weights):
        return np.abs(weights).sum()

    def prox(self, weights, step):
        Raising.calls += 1
        if Raising.calls > self.after:
            if not self.with_nan:
                raise Planned
            return np.full_like(weights, np.nan)
        return np.sign(weights) * np.maximum(np.abs(weights) - step, 0)


def raising_activation(z):
    Raising.calls += 1
    if Raising.calls > 40:
        raise Planned
    return np.tanh(z), 1 - np.tanh(z) ** 2


def loss_for(rng, classifies):
    names = [name for name, loss in losses.LOSSES.items() if (loss.task == "classification") == classifies]
    if rng.random() < 0.85:
        return choose(rng, names)
    if classifies:
        own = RaisingClasses(int(rng.integers(30)), bool(rng.random() < 0.3))
        return choose(rng, [own, own, losses.LogLoss(0.1), losses.LogLoss(soft_labels=True)])
    own = Raising(int(rng.integers(30)), bool(rng.random() < 0.3))
    named = [losses.Huber(epsilon=1e-3), losses.Quantile(0.9), losses.Tweedie(1.2)]
    several = [losses.Quantile(q) for q in ([0.5], [0.1, 0.5, 0.9], list(np.linspace(0.01, 0.99, 17)))]
    return choose(rng, [own, own, *named, *several])


def penalty_for(rng, d):
    """Mostly one of the names; else of groups of features, without bias, or in Python."""
    if rng.random() < 0.75:
        return choose(rng, [None, "l2", "l1", "elasticnet"])
    groups = rng.integers(0, max(1, d // 2), d)
    own = RaisingPenalty(int(rng.integers(60)), bool(rng.random() < 0.3))
    given = [penalties.GroupLasso(groups), penalties.GroupLasso(groups, l1_ratio=0.5), penalties.MCP()]
    return choose(rng, [*given, penalties.SCAD(), own])


def bounds_for(rng, d):
    low, high = np.sort(rng.normal(size=(2, d)), axis=0)
    return choose(rng, [(-0.1, 0.2), (None, 1.0), (0.0, None), (low, high), (low, None), (1.0, 1.0)])


def shared_parameters(rng):
    return {
        "solver": choose(rng, SOLVERS),
        "batch_size": choose(rng, [1, 2, 7, 32, 1000]),
        "learning_rate": choose(rng, ["auto", "auto", "auto", 1e-3, 0.1, 10.0, 1e-300, 1e300]),
        "schedule": "constant" if rng.random() < 0.6 else choose(rng, SCHEDULES),
        "optimizer": choose(
            rng,
            [
                *optimizers.OPTIMIZERS,
                *(rule() for rule in optimizers.OPTIMIZERS.values()),
                optimizers.PassiveAggressive(C=0.1, variant="pa2"),
            ],
        ),
        "alpha": choose(rng, [0, 1e-4, 0.1, 1e6, 1e-300, 1e300]),
        "fit_intercept": choose(rng, [True, True, False]),
        "standardize": choose(rng, ["auto", True, False]),
        "max_iter": choose(rng, [1, 2, 5, 20]),
        "max_time": choose(rng, [None, None, None, 1e-6, 0.01]),
        "tol": choose(rng, [1e-4, None, 0, 1e300]),
        "n_iter_no_change": choose(rng, [1, 3]),
        "check_every": choose(rng, ["epoch", "epoch", 1, 3, 1000]),
        "early_stopping": choose(rng, [False, False, True]),
        "validation_fraction": choose(rng, [0.1, 0.5, 0.99, [(np.arange(2), np.arange(2, 5))]]),
        "refit": choose(rng, [False, True]),
        "scoring": choose(rng, [None, None, "r2", "accuracy", ["r2", "max_error"], "roc_auc"]),
        "average": choose(rng, ["auto", "auto", True, False, 3, 10**6]),
        "shuffle": choose(rng, [True, True, False]),
        "random_state": choose(rng, [0, None, 7, np.random.RandomState(1), 2**31]),
        "warm_start": choose(rng, [False, True]),
        "n_jobs": choose(rng, [None, None, 2]),
        "verbose": choose(rng, [0, 0, 0, 0, 0, 2]),
        "record_path": choose(rng, [False, True]),
    }


def own_parameters(rng, kind, d):
    found = {}
    activations = ["relu", "tanh", "logistic", "identity", "gelu", "softplus", "mish", "selu", "leaky_relu"]
    activations += ["parametric_silu", "parametric_relu", "parametric_tanh", raising_activation]
    if "MLP" in kind:
        found |= {
            "hidden_layer_sizes": choose(rng, [(), 3, (5,), (4, 4), "auto", (1,) * 5]),
            "activation": choose(rng, ["auto", *activations, tuple(choose(rng, activations) for _ in "ab")]),
            "init": choose(rng, ["auto", "glorot_normal", "he_uniform", "lecun_normal"]),
            "freeze": choose(rng, [None, None, 0, -1, [0, 1], []]),
            "penalty": choose(rng, [None, "l2", "l1", "elasticnet"]),
            "l1_ratio": choose(rng, [0, 0.15, 1]),
            "rate_factors": choose(
                rng, [None, {0: 3.0, -1: 0.5}, {"intercepts": 0.1, "activations": 0.1}, FACTORS]
            ),
            "parametrization": choose(rng, ["standard", "ntp"]),
            "dropout_schedule": choose(rng, ["constant", *SCHEDULES]),
            "scaling_layer": choose(rng, [False, True]),
            "n_frequencies": choose(rng, [0, 1, 5]),
            "frequency_scale": choose(rng, [0.1, 10.0]),
            "dtype": choose(rng, ["auto", "float32", "float64"]),
            "dropout": choose(rng, ["auto", 0.0, 0.5, 0.999]),
            "max_grad_norm": choose(rng, [None, 1.0, 1e-12]),
            "encoding": choose(rng, ["auto", "auto", "table", None]),
            "n_members": choose(rng, [1, 1, 1, 2]),
        }
    else:
        found |= {"penalty": penalty_for(rng, d), "l1_ratio": choose(rng, [0, 0.15, 1])}
        if rng.random() < 0.3:  # which most rules and penalties cannot keep together
            found |= choose(rng, [{"positive": True}, {"bounds": bounds_for(rng, d)}])
        if rng.random() < 0.3:
            found |= {"alpha": rng.uniform(0, 1, d) * (rng.random(d) < 0.8)}
    found |= {"nu": choose(rng, [0.1, 0.5, 1.0])}
    if "Classifier" in kind:
        found |= {"class_weight": choose(rng, [None, None, "balanced", {0: 2.0, 1: 0.0}, {"no": 1.0}])}
    if "CV" in kind:
        found |= {"learning_rates": choose(rng, [3, [1e-3, 0.1], "auto", [1e300]])}
        found |= {"alphas": choose(rng, [None, [1e-4, 1.0]]), "cv": choose(rng, [2, 3, None])}
    return found


def some_parameters(rng, kind, share, d):
    """Each parameter with some probability; now and then one of a value that it cannot have."""
    known = getattr(skgd, kind)().get_params(deep=False)
    everything = {**shared_parameters(rng), **own_parameters(rng, kind, d)}
    chosen = {name: value for name, value in everything.items() if name in known and rng.random() < share}
    chosen.setdefault("max_iter", 3)
    if rng.random() < 0.08:
        chosen[choose(rng, sorted(known))] = choose(rng, ODD)
        chosen["max_iter"] = min(chosen["max_iter"], 20) if type(chosen["max_iter"]) is int else 3
    for name in ("n_members", "learning_rates"):
        if chosen.get(name) == 10**9:  # would take as long as it should
            chosen[name] = 2
    if rng.random() < 0.2 and "loss" in known:
        chosen["loss"] = loss_for(rng, "Classifier" in kind)
    return chosen


# ---------------------------------------------------------------- calls


KINDS = ["GDRegressor", "GDClassifier", "GDMLPRegressor", "GDMLPClassifier"]
KINDS = [*KINDS, *KINDS, "GDRegressorCV", "GDClassifierCV", "GDOneClassSVM"]
OUTPUTS = ["predict", "decision_function", "predict_proba", "predict_log_proba", "predict_interval"]


def length_of(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)


class Case:
    """One estimator and the calls made to it."""

    def __init__(self, seed, number):
        self.rng = rng = np.random.default_rng([seed, number])
        self.kind, self.done, self.reports = choose(rng, KINDS), [], []
        self.classifies = "Classifier" in self.kind
        self.d = int(choose(rng, [0, 1, 2, 3, 5, 8, 16, 17, 33, 70]))
        self.finite = True

    def rows(self):
        n = int(choose(self.rng, [0, 1, 2, 3, 5, 9, 20, 40, 70]))
        d = self.d if self.rng.random() < 0.97 else self.d + 1
        X = rows_of(self.rng, n, d)
        return X, targets_of(self.rng, X, self.classifies), weights_of(self.rng, n)

    def offset(self, X, y):
        """Now and then an offset of the raw scores, of one output or several."""
        if self.rng.random() < 0.9:
            return {}
        outputs = np.shape(y)[1:] if isinstance(y, np.ndarray) else ()
        return {"offset": values_of(self.rng, (length_of(X), *outputs))}

    def run(self):
        params = some_parameters(self.rng, self.kind, 0.35, self.d)
        if "loss" not in params and self.kind != "GDOneClassSVM" and self.rng.random() < 0.7:
            params["loss"] = loss_for(self.rng, self.classifies)
        self.model = self.call("construct", lambda: getattr(skgd, self.kind)(**params))
        self.done.append(params)
        for _ in range(int(self.rng.integers(1, 6))):
            self.step()

    def step(self):
        step = choose(
            self.rng, [self.fit, self.fit, self.stream, self.change, self.look, self.move, self.path]
        )
        step()

    def call(self, name, function, before=None):
        """Make a call; what it raises has to be explained."""
        Raising.calls = 0
        self.done.append(name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return function()
        except Planned:
            pass
        except (pickle.PicklingError, MemoryError):  # of functions; of a layer of 1e9 units
            pass
        except (ValueError, TypeError, ImportError) as error:
            if not str(error).strip():
                self.report(f"{name}: {type(error).__name__} without a message")
            inside = traceback.extract_tb(error.__traceback__)[-1]
            if isinstance(error, TypeError) and "/skgd/" in inside.filename and "raise" not in inside.line:
                self.report(f"{name}: {type(error).__name__}: {error}", error)
        except AttributeError as error:
            if hasattr(type(self.model), name) and hasattr(self.model, name):
                self.report(f"{name}: AttributeError: {error}", error)
        except Exception as error:
            self.report(f"{name}: {type(error).__name__}: {error}", error)
        else:
            return None
        if before is not None and self.fitted() != before:
            self.report(f"{name} failed and changed the model")
        return None

    def report(self, text, error=None):
        trace = "" if error is None else "".join(traceback.format_exception(error)[-6:])
        self.reports.append(f"{text}\n{trace}")

    def fitted(self):
        """Bytes of what predictions are made of."""
        found = vars(self.model)
        names = [
            name for name in ("coef_", "intercept_", "coefs_", "intercepts_") if hasattr(self.model, name)
        ]
        return [pickle.dumps(found.get(name)) for name in names]

    def fit(self):
        X, y, weight = self.rows()
        options = {} if weight is None else {"sample_weight": weight}
        options |= self.offset(X, y)
        if self.rng.random() < 0.1:
            options["groups"] = self.rng.integers(0, 4, length_of(X))
        if self.rng.random() < 0.15 and "CV" not in self.kind:
            X_val, y_val, weight_val = self.rows()
            options |= {"X_val": X_val, "y_val": y_val}
            options |= {} if weight_val is None else {"sample_weight_val": weight_val}
            options |= {f"{name}_val": value for name, value in self.offset(X_val, y_val).items()}
        if self.rng.random() < 0.15 and "CV" not in self.kind:
            options["checkpoint"] = skgd.Checkpoint(os.path.join(FOLDER, "fuzz"), every=0)
        if self.rng.random() < 0.05 and "CV" not in self.kind:
            options["coef_init"] = values_of(self.rng, (self.d,))
        before = self.fitted()
        self.call("fit", lambda: self.model.fit(X, y, **options), before)
        if os.path.exists(os.path.join(FOLDER, "fuzz")) and self.rng.random() < 0.5:
            os.remove(os.path.join(FOLDER, "fuzz"))
        self.check()

    def stream(self):
        if not hasattr(self.model, "partial_fit"):
            return
        for _ in range(int(self.rng.integers(1, 4))):
            X, y, weight = self.rows()
            options = {} if weight is None else {"sample_weight": weight}
            options |= self.offset(X, y)
            if self.classifies and self.rng.random() < 0.7:
                options["classes"] = choose(
                    self.rng, [[0, 1, 2, 3, 4], [0, 1], ["no", "yes", "maybe", "never", "x"]]
                )
            before = self.fitted()
            self.call("partial_fit", lambda: self.model.partial_fit(X, y, **options), before)  # noqa: B023
            if self.rng.random() < 0.3:
                self.change()
        self.check()

    def change(self):
        params = some_parameters(self.rng, self.kind, 0.08, self.d)
        self.done.append(params)
        self.call("set_params", lambda: self.model.set_params(**params))

    def look(self):
        X, y, weight = self.rows()
        for name in OUTPUTS:
            if self.rng.random() < 0.5 and hasattr(self.model, name):
                self.call(name, lambda: getattr(self.model, name)(X))  # noqa: B023
        self.call("score", lambda: self.model.score(X, y, weight))
        self.call("repr", lambda: repr(self.model))
        self.call("html", lambda: self.model._repr_html_())

    def move(self):
        what = choose(self.rng, ["pickle", "clone", "strip", "sparsify", "densify", "to_sklearn", "tags"])
        if what == "pickle":
            found = self.call("pickle", lambda: self.moved(pickle.loads(pickle.dumps(self.model))))
            return found
        if what == "clone":
            return self.call("clone", lambda: clone(self.model))
        if what == "tags":
            return self.call("tags", lambda: self.model.__sklearn_tags__())
        if hasattr(self.model, what):
            self.call(what, getattr(self.model, what))
        return None

    def moved(self, model):
        self.model = model

    def path(self):
        if self.kind not in ("GDRegressor", "GDClassifier") or self.rng.random() < 0.5:
            return
        X, y, weight = self.rows()
        options = {"n_alphas": 3} if self.rng.random() < 0.7 else {"alphas": [1.0, 0.1]}
        self.call("path", lambda: self.model.path(X, y, sample_weight=weight, **options))

    def check(self):
        """Whether parameters and predictions are numbers."""
        parts = [getattr(self.model, name, ()) for name in ("coef_", "intercept_", "coefs_", "intercepts_")]
        flat = [
            part.data if sparse.issparse(part) else part
            for each in parts
            for part in (each if isinstance(each, list) else [each])
        ]
        if not all(np.isfinite(np.asarray(part, dtype=float)).all() for part in flat):
            self.report("parameters that are not finite")
        largest = max((np.abs(np.asarray(part, dtype=float)).max(initial=0) for part in flat), default=0)
        known = hasattr(self.model, "n_features_in_") and not hasattr(self.model, "feature_names_in_")
        if not known or largest > 1e100:  # whose scores may overflow
            return
        X = self.rng.normal(size=(3, self.model.n_features_in_))
        for name in OUTPUTS[:3]:
            if not hasattr(self.model, name):
                continue
            try:
                found = getattr(self.model, name)(X)
            except (ValueError, TypeError, Planned):
                continue
            if found.dtype.kind == "f" and np.isnan(found).any():
                self.report(f"{name} gives NaN")


# ---------------------------------------------------------------- processes


FOLDER = ""


def work(seed, first, last, seconds, verbose):
    """Run cases; each is named on the standard output before it runs, its reports after."""
    global FOLDER

    def hang(*_):
        raise Hang

    faulthandler.enable()
    signal.signal(signal.SIGALRM, hang)
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as FOLDER:
        for number in range(first, last):
            if time.monotonic() > until:
                break
            print(f"case {number}", flush=True)
            for name in os.listdir(FOLDER):
                os.remove(os.path.join(FOLDER, name))
            np.random.seed(number)  # noqa: NPY002
            case = Case(seed, number)
            signal.alarm(LIMIT)
            try:
                case.run()
            except Hang:
                case.report(f"took more than {LIMIT} s", None)
            finally:
                signal.alarm(0)
            if verbose or case.reports:
                print(f"{case.kind}: {case.done}", flush=True)
            for text in case.reports:
                print(f"REPORT {number}: {text}", flush=True)
    print("end", flush=True)


def run(seed, first, last, seconds, verbose=False):
    """Cases in processes of their own; gives the number of cases and the reports."""
    reports, until, number = [], time.monotonic() + seconds, first - 1
    while number + 1 < last and time.monotonic() < until:
        left = until - time.monotonic()
        command = [sys.executable, __file__, "--worker", "--seed", str(seed), "--first", str(number + 1)]
        command += ["--cases", str(last - number - 1), "--seconds", str(left), *["--verbose"] * verbose]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watch = _Watch(process)
        ended = False
        for line in process.stdout:
            watch.alive()
            if line.startswith("case "):
                number = int(line.split()[1])
            elif line == "end\n":
                ended = True
            else:
                reports += [line] if line.startswith("REPORT") else []
                print(line, end="", flush=True)
        process.wait()
        watch.stop()
        if ended:
            break
        errors = watch.errors()
        reports.append(f"REPORT {number}: the process ended with {process.returncode}\n{errors}")
        print(reports[-1], flush=True)
    return number + 1 - first, reports


class _Watch:
    """Kills a process that says nothing for twice the limit, and keeps the end of what it wrote."""

    def __init__(self, process):
        import threading

        self.process, self.text, self.over = process, "", threading.Event()
        self.alive()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._look, daemon=True).start()

    def alive(self):
        self.seen = time.monotonic()

    def stop(self):
        self.over.set()

    def errors(self):
        return self.text[-3000:]

    def _read(self):
        for line in self.process.stderr:
            self.text = (self.text + line)[-6000:]

    def _look(self):
        while not self.over.wait(1):
            if time.monotonic() > self.seen + 2 * LIMIT:
                self.process.kill()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=10**9)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    last = given.first + given.cases
    if given.worker:
        return work(given.seed, given.first, last, given.seconds, given.verbose)
    cases, reports = run(given.seed, given.first, last, given.seconds, given.verbose)
    print(f"{cases} cases, {len(reports)} reports")
    return bool(reports)


if __name__ == "__main__":
    sys.exit(main())
