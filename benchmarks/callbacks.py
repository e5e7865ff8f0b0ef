"""What an epoch costs because it can be watched, and what those who watch add.

Target: with no callback set and verbose=0 at most 10 us an epoch, beside the same loop with every mention
of watchers cut out of it. The rest has no target: a callback of scikit-learn that does nothing, one that
looks at the fitted estimator, ScoringMonitor, and verbose=1 where the standard error is a file.
"""

import inspect
import os
import re
import warnings
from contextlib import redirect_stderr
from unittest import mock

import _bench
import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skgd import GDMLPRegressor, GDRegressor, _training

try:
    from sklearn.callback import ScoringMonitor
except ImportError:  # scikit-learn < 1.9
    ScoringMonitor = None


class Idle:
    """Asks for nothing."""

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass


class Looking(Idle):
    """Asks for the model of the moment."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        pass


def unwatched():
    """The loop of training without the lines about watchers."""
    source = inspect.getsource(_training._train)
    source = re.sub(r" +for watcher in settings\.watchers:\n.*\n", "", source)
    source = re.sub(r" +stops = .*\n +if any\(stops\):\n.*\n +return\n", "", source)
    if "watcher" in source or "stops" in source:
        raise RuntimeError("cut something else out of the loop: it has changed")
    names = dict(vars(_training))
    exec(compile(source, "unwatched", "exec"), names)
    return names["_train"]


def cases(model, X, y):
    """Fits to be timed in turn."""
    bare = unwatched()

    def fit_bare():
        with mock.patch.object(_training, "_train", bare):
            model.fit(X, y)

    found = {"no mention of watchers": fit_bare, "none": lambda: model.fit(X, y)}
    if ScoringMonitor is not None:
        watched = {
            "one that does nothing": Idle(),
            "one that looks at the model": Looking(),
            "ScoringMonitor": ScoringMonitor(scoring="r2"),
        }
        for name, callback in watched.items():
            copy = clone(model).set_callbacks(callback)
            found[name] = lambda copy=copy: copy.fit(X, y)
    loud = clone(model).set_params(verbose=1)
    found["verbose=1, to a file"] = lambda: loud.fit(X, y)
    return found


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    epochs, repeats = (200, 5) if quick else (1000, 15)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((64, 4)), rng.standard_normal(64)
    columns = {"watched by": 28, "epoch": 7, "beyond": 7, "target": 7, "verdict": 7}
    settings = {"max_iter": epochs, "tol": None, "random_state": 0, "learning_rate": 0.01}
    for kind in (GDRegressor, GDMLPRegressor):
        for solver in ("batch", "minibatch", "sgd"):
            layers = {} if kind is GDRegressor else {"hidden_layer_sizes": (8,)}
            model = kind(solver=solver, **layers, **settings)
            title = f"{kind.__name__}, {solver}: {epochs} epochs of 64 x 4 rows, us each"
            with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
                seconds = _bench.medians(cases(model, X, y), repeats)
            table = _bench.Table(title, **columns)
            base = seconds["no mention of watchers"]
            for name, time in seconds.items():
                beyond = (time - base) / epochs
                judged = ("<= 10", _bench.verdict(beyond <= 10e-6)) if name == "none" else ("", "")
                table.add(name, f"{1e6 * time / epochs:.1f}", f"{1e6 * beyond:.1f}", *judged)


if __name__ == "__main__":
    main()
