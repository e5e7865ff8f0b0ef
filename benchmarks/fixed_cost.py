"""What a call costs however small the data: fit on 150 x 4 rows, partial_fit of one row, import.

Targets: 20 epochs on 150 x 4 rows take at most 1.5 ms beyond scikit-learn's own validation
(parameter constraints and validate_data), partial_fit of one row at most 150 us in all, and
importing skgd adds at most 50 ms to importing sklearn.linear_model.
"""

import subprocess
import sys
import warnings

import _bench
import numpy as np
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import validate_data

from skgd import GDClassifier, GDRegressor

COLUMNS = {"case": 36, "ours": 8, "validation": 10, "beyond": 8, "target": 7, "verdict": 7}
CASES = {
    "GDRegressor": (GDRegressor, lambda y: y.astype(float)),
    "GDClassifier, 2 classes": (GDClassifier, lambda y: (y == 0).astype(int)),
    "GDClassifier, 3 classes": (GDClassifier, lambda y: y),
}


def fit_cost(repeats):
    table = _bench.Table("fit on 150 x 4 rows, 20 epochs, ms", **COLUMNS)
    X, labels = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    for name, (estimator, target) in CASES.items():
        for solver in ("batch", "minibatch", "sgd"):
            model = estimator(solver=solver, max_iter=20, tol=None, random_state=0)
            y = target(labels)

            def validate(model=model, y=y):
                model._validate_params()
                validate_data(model, X, y)

            both = {"fit": lambda model=model, y=y: model.fit(X, y), "validation": validate}
            seconds = _bench.medians(both, repeats, loops=20)
            fit, validation = (1e3 * seconds[part] for part in ("fit", "validation"))
            beyond = fit - validation
            times = (f"{time:.2f}" for time in (fit, validation, beyond))
            table.add(f"{name}, {solver}", *times, "<= 1.5", _bench.verdict(beyond <= 1.5))


def partial_fit_cost(repeats):
    table = _bench.Table("partial_fit of one row, us", **COLUMNS)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1, 4))
    for estimator in (GDRegressor, GDClassifier):
        for solver in ("minibatch", "sgd"):
            for rate in ("auto", 0.01):
                model = estimator(solver=solver, learning_rate=rate, random_state=0)
                classes = {} if estimator is GDRegressor else {"classes": [0, 1]}
                y = np.array([1])
                model.partial_fit(X, y, **classes)

                def validate(model=model, y=y):  # parameters are validated by the first call
                    validate_data(model, X, y, reset=False)

                both = {
                    "fit": lambda model=model, y=y: model.partial_fit(X, y),
                    "validation": validate,
                }
                seconds = _bench.medians(both, repeats, loops=200)
                fit, validation = (1e6 * seconds[part] for part in ("fit", "validation"))
                times = (f"{time:.0f}" for time in (fit, validation, fit - validation))
                ok = _bench.verdict(fit <= 150)
                table.add(f"{estimator.__name__}, {solver}, {rate}", *times, "<= 150", ok)


def import_cost(repeats):
    table = _bench.Table("import, ms", **COLUMNS)
    before = "import sklearn.linear_model"
    programs = {"sklearn": before, "skgd": f"{before}, skgd"}
    seconds = {name: [] for name in programs}
    for _ in range(repeats):
        for name, program in programs.items():
            program = f"import time; {program}; print(time.process_time())"
            run = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=True
            )
            seconds[name].append(1e3 * float(run.stdout))
    both, alone = (float(np.median(seconds[name])) for name in ("skgd", "sklearn"))
    times = (f"{time:.0f}" for time in (both, alone, both - alone))
    ok = _bench.verdict(both - alone <= 50)
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
