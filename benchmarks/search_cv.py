"""Ten learning rates in five folds: GDClassifierCV against GridSearchCV.

All run the same number of epochs on each candidate and fold (tol=None), log loss, and end with a fit on
all rows. Targets: at least 30 times faster than GridSearchCV(SGDClassifier) and 5 times faster than
GridSearchCV(GDClassifier) at d = 20; 10 and 2 times at d = 100.
"""

import warnings

import _bench
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV

from skgd import GDClassifier, GDClassifierCV

EPOCHS, FOLDS, COUNT = 10, 5, 10
TARGETS = {20: (30, 5), 100: (10, 2)}
SHARED = {"max_iter": EPOCHS, "tol": None, "random_state": 0}


def data(n, d):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X, (X @ rng.normal(size=d) / np.sqrt(d) + 0.7 * rng.normal(size=n) > 0).astype(int)


def searches(X, y):
    """The three searches over the same rates, by name."""
    rates = 0.3 / X.shape[1] * 2.0 ** np.arange(1 - COUNT, 1) * 10
    ours = GDClassifierCV(learning_rates=rates, cv=FOLDS, **SHARED)
    grid = GridSearchCV(GDClassifier(**SHARED), {"learning_rate": rates}, cv=FOLDS)
    peer = SGDClassifier("log_loss", learning_rate="constant", **SHARED)
    return {
        "columns": lambda: ours.fit(X, y),
        "GD": lambda: grid.fit(X, y),
        "SGD": lambda: GridSearchCV(peer, {"eta0": rates}, cv=FOLDS).fit(X, y),
    }


def compare(quick):
    table = _bench.Table(
        "seconds of a search",
        **{"n": 7, "d": 4, "columns": 8, "GD": 7, "SGD": 7},
        **{"SGD ratio": 9, "target": 6, "verdict": 7, "GD ratio": 9, "target ": 6, "verdict ": 7},
    )
    for n in (20_000, 100_000):
        for d, (of_sgd, of_gd) in TARGETS.items():
            X, y = data(n // (5 if quick else 1), d)
            seconds = _bench.medians(searches(X, y), 1 if quick else 3)
            columns, gd, sgd = (seconds[name] for name in ("columns", "GD", "SGD"))
            times = [f"{value:.3f}" for value in (columns, gd, sgd)]
            first = [f"{sgd / columns:.1f}", f">= {of_sgd}", _bench.verdict(sgd / columns >= of_sgd)]
            second = [f"{gd / columns:.1f}", f">= {of_gd}", _bench.verdict(gd / columns >= of_gd)]
            table.add(len(y), d, *times, *first, *second)


if __name__ == "__main__":
    quick = _bench.start(__doc__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        compare(quick)
