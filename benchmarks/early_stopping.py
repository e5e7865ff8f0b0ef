"""What early stopping costs in quality, and by what it should stop: perceptrons on 20,000 rows, ten seeds.

Rare positives: 3 % of two classes of make_classification with 2 % of the labels drawn anew; the area under
the ROC curve on 20,000 other rows. Target: by the validation loss at least that of a fit without early
stopping, less .002. Quantiles: a linear function of eight features, and Friedman's first function of ten,
under noise whose scale depends on a feature; the share of 20,000 other rows below the prediction. Target:
by the validation loss within .005 of the quantile. All in the mean over the seeds; sd is that of one seed.
Rows are given as arrays with encoding=None, for the defaults of numbers, and as data frames, for tables.
"""

import warnings
from itertools import product

import _bench
import numpy as np
import pandas as pd
from sklearn.datasets import make_classification, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score

from skgd import GDMLPClassifier, GDMLPRegressor
from skgd.losses import Quantile

ROWS = 20_000
HOW = {
    "no early stopping": {},
    "by the loss": {"early_stopping": True},
    "by the score": {"early_stopping": True, "scoring": "accuracy"},
}
KINDS = {"array": tuple(HOW), "frame": ("no early stopping", "by the loss")}
MEASURED = {"mean": 7, "sd": 6, "epochs": 7, "target": 12, "verdict": 7}


def rare(seed):
    X, y = make_classification(
        2 * ROWS,
        20,
        n_informative=6,
        n_redundant=4,
        weights=[0.97],
        flip_y=0.02,
        class_sep=0.8,
        random_state=seed,
    )
    return X[:ROWS], y[:ROWS], X[ROWS:], y[ROWS:]


def linear(seed):
    random = np.random.default_rng(seed)
    X = random.normal(size=(2 * ROWS, 8))
    y = X @ random.normal(size=8) + (0.5 + np.abs(X[:, 0])) * random.normal(size=2 * ROWS)
    return X[:ROWS], y[:ROWS], X[ROWS:], y[ROWS:]


def friedman(seed):
    X, y = make_friedman1(2 * ROWS, random_state=seed)
    y += (0.5 + 2 * X[:, 5]) * np.random.default_rng(seed).normal(size=2 * ROWS)
    return X[:ROWS], y[:ROWS], X[ROWS:], y[ROWS:]


def measured(seeds, data, kind, fitted, measure):
    """Measures (seeds, ways) of fits, and their epochs."""
    found, epochs = np.empty((seeds, len(KINDS[kind]))), np.empty((seeds, len(KINDS[kind])))
    for seed in range(seeds):
        X, y, X_test, y_test = data(seed)
        if kind == "frame":
            X, X_test = pd.DataFrame(X), pd.DataFrame(X_test)
        for k, how in enumerate(KINDS[kind]):
            model = fitted(seed, HOW[how]).set_params(encoding="auto" if kind == "frame" else None).fit(X, y)
            found[seed, k], epochs[seed, k] = measure(model, X_test, y_test), model.n_iter_
    return found, epochs


def add(table, first, kind, found, epochs, target, ok):
    for k, how in enumerate(KINDS[kind]):
        numbers = (f"{found[:, k].mean():.4f}", f"{found[:, k].std():.4f}", f"{epochs[:, k].mean():.0f}")
        judged = (target, _bench.verdict(ok(found[:, k].mean()))) if how == "by the loss" else ("", "")
        table.add(*first, kind, how, *numbers, *judged)


def areas(seeds):
    table = _bench.Table("Area under the ROC curve, 3 % positives", rows=5, stops=18, **MEASURED)
    for kind in KINDS:
        found, epochs = measured(
            seeds,
            rare,
            kind,
            lambda seed, params: GDMLPClassifier(random_state=seed, **params),
            lambda model, X, y: roc_auc_score(y, model.predict_proba(X)[:, 1]),
        )
        least = found[:, 0].mean() - 0.002
        add(table, (), kind, found, epochs, f">= {least:.4f}", lambda mean, least=least: mean >= least)


def coverages(seeds):
    columns = {"data": 8, "quantile": 8, "rows": 5, "stops": 18, **MEASURED}
    table = _bench.Table("Share of the rows below a quantile", **columns)
    for data, q, kind in product((linear, friedman), (0.05, 0.5, 0.95), KINDS):

        def fitted(seed, params, q=q):
            params = {name: "r2" if name == "scoring" else value for name, value in params.items()}
            return GDMLPRegressor(Quantile(q), random_state=seed, **params)

        found, epochs = measured(
            seeds, data, kind, fitted, lambda model, X, y: np.mean(y <= model.predict(X))
        )
        first, target = (data.__name__, q), f"{q} +- .005"
        add(table, first, kind, found, epochs, target, lambda mean, q=q: abs(mean - q) <= 0.005)


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    for part in (areas, coverages):
        part(2 if quick else 10)


if __name__ == "__main__":
    main()
