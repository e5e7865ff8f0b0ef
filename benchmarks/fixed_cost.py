"""What a call costs however small the data: fit on 150 x 4 rows, partial_fit of one row, import.

Targets: 20 epochs on 150 x 4 rows take at most 1.5 ms beyond scikit-learn's own validation
(parameter constraints and validate_data), partial_fit of one row at most 40 us in all, and
importing skgd adds at most 50 ms to importing sklearn.linear_model. The peers are SGDRegressor and
SGDClassifier, for as many epochs.
"""

import os
import subprocess
import sys
import warnings
from tempfile import TemporaryDirectory

import _bench
import numpy as np
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.utils.validation import validate_data

from skgd import GDClassifier, GDRegressor

COLUMNS = {"case": 34, "ours": 6, "peer": 6, "validation": 10, "beyond": 6}
COLUMNS |= {"target": 7, "verdict": 7}
PEERS = {GDRegressor: SGDRegressor, GDClassifier: SGDClassifier}


def fit_cost(repeats):
    table = _bench.Table("fit on 150 x 4 rows, 20 epochs, ms", **COLUMNS)
    X, species = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    cases = {
        "GDRegressor": (GDRegressor, species.astype(float)),
        "GDClassifier, 2 classes": (GDClassifier, (species == 0).astype(int)),
        "GDClassifier, 3 classes": (GDClassifier, species),
    }
    settings = {"max_iter": 20, "tol": None, "random_state": 0}
    for name, (estimator, y) in cases.items():
        for solver in ("batch", "minibatch", "sgd"):
            model, peer = estimator(solver=solver, **settings), PEERS[estimator](**settings)

            def validate(model=model, y=y):
                model._validate_params()
                validate_data(model, X, y)

            functions = {
                "ours": lambda model=model, y=y: model.fit(X, y),
                "peer": lambda peer=peer, y=y: peer.fit(X, y),
                "validation": validate,
            }
            seconds = _bench.medians(functions, repeats, loops=20)
            beyond = seconds["ours"] - seconds["validation"]
            times = (f"{1e3 * time:.2f}" for time in (*seconds.values(), beyond))
            table.add(f"{name}, {solver}", *times, "<= 1.5", _bench.verdict(beyond <= 1.5e-3))


def partial_fit_cost(repeats):
    table = _bench.Table("partial_fit of one row, us", **COLUMNS)
    X, y = np.random.default_rng(0).standard_normal((1, 4)), np.array([1])
    for estimator in (GDRegressor, GDClassifier):
        classes = {} if estimator is GDRegressor else {"classes": [0, 1]}
        peer = PEERS[estimator](random_state=0).partial_fit(X, y, **classes)
        for solver in ("minibatch", "sgd"):
            for rate in ("auto", 0.01):
                model = estimator(solver=solver, learning_rate=rate, random_state=0)
                model.partial_fit(X, y, **classes)
                functions = {
                    "ours": lambda model=model: model.partial_fit(X, y),
                    "peer": lambda peer=peer: peer.partial_fit(X, y),
                    "validation": lambda model=model: validate_data(model, X, y, reset=False),
                }
                seconds = _bench.medians(functions, repeats, loops=200)
                beyond = seconds["ours"] - seconds["validation"]
                times = (f"{1e6 * time:.0f}" for time in (*seconds.values(), beyond))
                ok = _bench.verdict(seconds["ours"] <= 40e-6)
                table.add(f"{estimator.__name__}, {solver}, {rate}", *times, "<= 40", ok)


def import_cost(repeats):
    columns = {"case": 34, "both": 6, "alone": 6, "beyond": 6, "target": 7, "verdict": 7}
    table = _bench.Table("import, ms", **columns)
    alone = "import sklearn.linear_model"
    programs = {"both": f"{alone}, skgd", "alone": alone}
    seconds = {name: [] for name in programs}
    with TemporaryDirectory() as bytecode:  # compiled once, as pip leaves a package, wherever this one lies
        settings = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        settings.pop("PYTHONDONTWRITEBYTECODE", None)
        for turn in range(repeats + 1):
            for name, program in programs.items():
                program = f"import time; {program}; print(time.process_time())"
                command = [sys.executable, "-c", program]
                run = subprocess.run(command, capture_output=True, text=True, check=True, env=settings)
                if turn:
                    seconds[name].append(float(run.stdout))
    both, alone = (float(np.median(seconds[name])) for name in programs)
    times = (f"{1e3 * time:.0f}" for time in (both, alone, both - alone))
    ok = _bench.verdict(both - alone <= 50e-3)
    table.add("skgd beyond sklearn.linear_model", *times, "<= 50", ok)


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    repeats = 5 if quick else 21
    fit_cost(repeats)
    partial_fit_cost(repeats)
    import_cost(repeats)


if __name__ == "__main__":
    main()
