"""A case of the fuzzer: one estimator, the calls made to it, and what is wrong about them."""

import os
import pickle
import traceback
import warnings

import numpy as np
from _fuzz_data import choose, length_of, rows_of, targets_of, values_of, weights_of
from _fuzz_parameters import Planned, Raising, loss_for, some_parameters
from scipy import sparse
from sklearn.base import clone

import skgd

KINDS = ["GDRegressor", "GDClassifier", "GDMLPRegressor", "GDMLPClassifier"]
KINDS = [*KINDS, *KINDS, "GDRegressorCV", "GDClassifierCV", "GDOneClassSVM"]
OUTPUTS = ["predict", "decision_function", "predict_proba", "predict_log_proba", "predict_interval"]


class Case:
    """One estimator and the calls made to it."""

    def __init__(self, seed, number, folder):
        self.number = number
        self.rng = rng = np.random.default_rng([seed, number])
        self.kind, self.done, self.reports = choose(rng, KINDS), [], []
        self.classifies = "Classifier" in self.kind
        self.d = int(choose(rng, [0, 1, 2, 3, 5, 8, 16, 17, 33, 70]))
        self.file = os.path.join(folder, "checkpoint")

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
            if isinstance(error, TypeError):
                inside = traceback.extract_tb(error.__traceback__)[-1]
                if "/skgd/" in inside.filename and "raise" not in inside.line:
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
            options["checkpoint"] = skgd.Checkpoint(self.file, every=0)
        if self.rng.random() < 0.05 and "CV" not in self.kind:
            options["coef_init"] = values_of(self.rng, (self.d,))
        before = self.fitted()
        self.call("fit", lambda: self.model.fit(X, y, **options), before)
        if os.path.exists(self.file) and self.rng.random() < 0.5:
            os.remove(self.file)
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
        if self.number % 4 == 0:  # which says the same of most models
            self.call("repr", lambda: repr(self.model))
        if self.number % 64 == 0:  # which takes as long as all other calls of a case
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
