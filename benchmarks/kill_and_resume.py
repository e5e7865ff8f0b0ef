"""Fits with a checkpoint in processes that are killed (SIGKILL) at random moments, twice each: how many end
as the fit that was never killed, in every bit of its parameters, history and reason to stop.

    python benchmarks/kill_and_resume.py [fits] [seed] [blocks]

With a third argument, 1, the rows lie in blocks (fit_blocks), and early stopping has rows of its own.
"""

import itertools
import os
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import skgd

IN_BLOCKS = len(sys.argv) > 3 and sys.argv[3] == "1"
SOLVERS = ("batch", "minibatch", "sgd")
LINEAR = {
    "default": {},
    "l1": {"penalty": "l1"},
    "momentum": {"optimizer": "momentum"},
    "adam": {"optimizer": "adam"},
    "adagrad": {"optimizer": "adagrad"},
    "early stopping": {"early_stopping": True, "refit": True},
    "given rate": {"learning_rate": 0.01, "average": True},
    "no tol": {"tol": None, "max_iter": 60},
}
PERCEPTRON = {
    "default": {},
    "dropout": {"dropout": 0.2},
    "momentum": {"optimizer": "momentum"},
    "early stopping": {"early_stopping": True, "refit": True},
    "members": {"n_members": 2, "early_stopping": True},
    "shared weights": {"n_members": 2, "share_weights": True},
    "no tol": {"tol": None},
}


def fit_of(rng):
    """A kind of estimator, its parameters, and what it is called."""
    classifies, perceptron = rng.random(2) < 0.5
    kind = f"GD{'MLP' if perceptron else ''}{'Classifier' if classifies else 'Regressor'}"
    variants = PERCEPTRON if perceptron else LINEAR
    name, solver = str(rng.choice(list(variants))), str(rng.choice(SOLVERS))
    params = {"solver": solver, "max_iter": 30, "random_state": int(rng.integers(1000)), **variants[name]}
    params |= {"hidden_layer_sizes": 8} if perceptron else {}
    return kind, params, f"{kind} {solver} {name}"


def rows_of(rng, classifies):
    X = rng.normal(size=(int(rng.integers(300, 1500)), 8)).astype(rng.choice([np.float32, np.float64]))
    y = X @ rng.normal(size=8) + 0.3 * rng.normal(size=len(X))
    return X, (y > 0).astype(int) if classifies else y


def fitted(kind, params, X, y, checkpoint=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(skgd, kind)(**params)
        if not IN_BLOCKS:
            return model.fit(X, y, checkpoint=checkpoint)
        ends = np.linspace(0, len(X), 6).astype(int)
        blocks = [(X[a:b], y[a:b]) for a, b in itertools.pairwise(ends)]
        given = {"X_val": X[:100], "y_val": y[:100]} if params.get("early_stopping") else {}
        return model.fit_blocks(blocks, checkpoint=checkpoint, **given)


def suits_blocks(params):
    """Whether fit_blocks makes such a fit: of one network, without dropout where an update sees all rows."""
    return "n_members" not in params and not (params["solver"] == "batch" and params.get("dropout"))


def killed(seconds, *arguments):
    """Fit in another process, for so long; whether it was killed before its end."""
    child = os.fork()
    if child == 0:
        fitted(*arguments)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def everything(model):
    """Names and bytes of all that is fitted, but for seconds."""
    if len(getattr(model, "members_", ())) > 1:
        return [everything(member) for member in model.members_]
    parts = (
        (*model.coefs_, *model.intercepts_) if hasattr(model, "coefs_") else (model.coef_, model.intercept_)
    )
    parts += tuple(itertools.chain(*getattr(model, "adapters_", ())))
    columns = [values for name, values in model.history_.items() if name != "seconds"]
    numbers = model.loss_, model.n_iter_, model.n_updates_, model.learning_rate_
    return [each.tobytes() for each in (*parts, *columns)], numbers, model.stop_reason_


def main(fits=100, seed=0):
    rng, same, kills, midway = np.random.default_rng(seed), 0, 0, 0
    for number in range(fits):
        kind, params, name = fit_of(rng)
        while IN_BLOCKS and not suits_blocks(params):
            kind, params, name = fit_of(rng)
        X, y = rows_of(rng, "Classifier" in kind)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            whole = everything(fitted(kind, params, X, y, skgd.Checkpoint(Path(folder) / "whole", 0)))
            seconds = time.perf_counter() - began
            checkpoint = skgd.Checkpoint(Path(folder) / "killed", 0)
            for _ in range(2):
                kills += killed(rng.uniform(0, seconds), kind, params, X, y, checkpoint)
            midway += Path(checkpoint.path).exists()
            equal = everything(fitted(kind, params, X, y, checkpoint)) == whole
            straight = everything(fitted(kind, params, X, y)) == whole
        same += equal and straight
        if not (equal and straight):
            print(f"{number}: {name}: resumed {equal}, without a file {straight}")
    print(
        f"{same} of {fits} fits end the same in every bit; {kills} kills, {midway} fits went on from a file"
    )
    return same == fits


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:3])))
