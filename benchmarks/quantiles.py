"""Several quantiles in one fit: what they cost, whether they cross, and how many new rows lie below each.

Cost: CPU seconds of 10 epochs (perceptrons: 3) of Quantile([.1, .5, .9]) over those of Quantile(.5), and of
three fits of one quantile over the same; medians of five. Target: at most 1.5. Then, for ten data sets of
which half is held out, the share of rows whose predictions cross (target: none), the largest difference
between a quantile and the share of the rows held out that lie below it (target: .01, beside the standard
error of such a share), and D2.
"""

import warnings
from functools import partial

import _bench
import numpy as np
from sklearn.datasets import make_friedman1, make_friedman2
from sklearn.preprocessing import StandardScaler

from skgd import GDMLPRegressor, GDRegressor
from skgd.losses import Quantile

LEVELS = [0.1, 0.5, 0.9]


def fit_each(model, X, y, levels):
    for level in levels:
        model.set_params(loss=Quantile(level)).fit(X, y)


def models_of():
    for solver in ("batch", "minibatch", "sgd"):
        yield f"linear, {solver}", GDRegressor(solver=solver, max_iter=10, tol=None, random_state=0)
    for sizes in ((64,), (128, 128)):
        options = {"hidden_layer_sizes": sizes, "max_iter": 3, "tol": None, "random_state": 0}
        yield f"perceptron {sizes}", GDMLPRegressor(**options)


def costs(quick):
    table = _bench.Table(
        "cost over one quantile", model=22, n=8, d=5, together=9, apart=9, target=9, verdict=8
    )
    rng = np.random.default_rng(0)
    for n, d in ((20_000, 20), (20_000, 100), (5_000, 500)):
        X = rng.normal(size=(n, d))
        y = X @ rng.normal(size=d) + rng.normal(size=n)
        for name, model in models_of():
            each = {"one": [0.5], "together": [LEVELS], "apart": LEVELS}
            runs = {what: partial(fit_each, model, X, y, levels) for what, levels in each.items()}
            seconds = _bench.medians(runs, 1 if quick else 5)
            together, apart = (seconds[what] / seconds["one"] for what in ("together", "apart"))
            shown = (f"{together:.2f}", f"{apart:.2f}", "<= 1.5", _bench.verdict(together <= 1.5))
            table.add(name, n, d, *shown)


def noise(kind, rng, x):
    n = len(x)
    if kind == "normal":
        return rng.normal(size=n)
    if kind == "heavy":
        return rng.standard_t(3, n)
    return (0.2 + np.abs(x)) * (rng.normal(size=n) if kind == "uneven" else rng.gumbel(size=n))


def data_sets():
    rng = np.random.default_rng(0)
    for kind in ("normal", "heavy", "uneven", "skewed"):
        X = rng.normal(size=(20_000, 5))
        yield f"linear, {kind}", X, X @ [1, -1, 0.5, 0, 2] + noise(kind, rng, X[:, 0])
        yield f"curved, {kind}", X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + noise(kind, rng, X[:, 0])
    yield "friedman 1", *make_friedman1(20_000, noise=1.0, random_state=0)
    X, y = make_friedman2(20_000, noise=50.0, random_state=0)
    yield "friedman 2", StandardScaler().fit_transform(X), y


def coverage():
    table = _bench.Table("coverage", data=18, model=12, crossing=9, gap=8, verdict=8, D2=7)
    options = {"hidden_layer_sizes": 32, "max_iter": 20, "tol": None, "random_state": 0}
    for name, X, y in data_sets():
        half = len(X) // 2
        for family, model in (
            ("linear", GDRegressor(Quantile(LEVELS), alpha=0, random_state=0)),
            ("perceptron", GDMLPRegressor(Quantile(LEVELS), **options)),
        ):
            predicted = model.fit(X[:half], y[:half]).predict(X[half:])
            crossing = np.mean(np.any(np.diff(predicted, axis=1) < 0, axis=1))
            gap = np.abs((y[half:, None] <= predicted).mean(axis=0) - LEVELS).max()
            well = _bench.verdict(gap <= 0.01 and not crossing)
            table.add(
                name, family, f"{crossing:.3f}", f"{gap:.4f}", well, f"{model.score(X[half:], y[half:]):.3f}"
            )


if __name__ == "__main__":
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore")
    costs(quick)
    coverage()
