"""Several quantiles in one fit: what they cost, whether they cross, and how many new rows lie below each.

Cost: CPU seconds of 10 epochs (perceptrons: 3) of Quantile([.1, .5, .9]) over those of Quantile(.5), and of
three fits of one quantile over the same; medians of five. Target: at most 1.5. Then, for ten data sets of
which half is held out, the share of rows whose predictions cross (target: none), the largest difference
between a quantile and the share of the rows held out that lie below it (target: .01), and D2.

The share below the median of n rows has the standard error .5 / sqrt(n), .005 for 10,000 rows, and the rows
that a model is fitted to move its quantiles by as much: of exact models, one in six misses the target by
chance. So the last table has fits to more rows, of seeds that nothing was chosen by, beside other rows, and
the difference on the rows of the fit, which is small where the optimum was reached.
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


def data_sets(n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    for kind in ("normal", "heavy", "uneven", "skewed"):
        X = rng.normal(size=(n, 5))
        yield f"linear, {kind}", X, X @ [1, -1, 0.5, 0, 2] + noise(kind, rng, X[:, 0])
        yield f"curved, {kind}", X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + noise(kind, rng, X[:, 0])
    yield "friedman 1", *make_friedman1(n, noise=1.0, random_state=seed)
    X, y = make_friedman2(n, noise=50.0, random_state=seed)
    yield "friedman 2", StandardScaler().fit_transform(X), y


def models():
    options = {"hidden_layer_sizes": 32, "max_iter": 20, "tol": None, "random_state": 0}
    yield "linear", GDRegressor(Quantile(LEVELS), alpha=0, random_state=0)
    yield "perceptron", GDMLPRegressor(Quantile(LEVELS), **options)


def gap(model, X, y):
    return float(np.abs((y[:, None] <= model.predict(X)).mean(axis=0) - LEVELS).max())


def coverage():
    table = _bench.Table("coverage", data=18, model=12, crossing=9, gap=8, verdict=8, D2=7)
    for name, X, y in data_sets():
        half = len(X) // 2
        for family, model in models():
            predicted = model.fit(X[:half], y[:half]).predict(X[half:])
            crossing = np.mean(np.any(np.diff(predicted, axis=1) < 0, axis=1))
            found = gap(model, X[half:], y[half:])
            well = _bench.verdict(found <= 0.01 and not crossing)
            table.add(
                name,
                family,
                f"{crossing:.3f}",
                f"{found:.4f}",
                well,
                f"{model.score(X[half:], y[half:]):.3f}",
            )


def coverage_of_more_rows():
    table = _bench.Table(
        "coverage by rows", model=12, rows=8, new=8, fits=6, own=8, mean=8, largest=8, within=8
    )
    sizes = ((100, 5, 10_000, 10_000), (100, 5, 10_000, 200_000), (200, 2, 100_000, 200_000))
    for first, count, n, m in sizes:
        found = {"linear": [], "perceptron": []}
        for seed in range(first, first + count):
            for _, X, y in data_sets(n + m, seed):
                for family, model in models():
                    model.fit(X[:n], y[:n])
                    found[family].append((gap(model, X[:n], y[:n]), gap(model, X[n:], y[n:])))
        for family, gaps in found.items():
            own, new = np.array(gaps).T
            shown = (
                f"{own.mean():.4f}",
                f"{new.mean():.4f}",
                f"{new.max():.4f}",
                f"{(new <= 0.01).mean():.2f}",
            )
            table.add(family, n, m, len(new), *shown)


if __name__ == "__main__":
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore")
    costs(quick)
    coverage()
    if not quick:
        coverage_of_more_rows()
