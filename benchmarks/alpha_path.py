"""Fifty alphas in five folds: GDRegressorCV(learning_rates="auto") against LassoCV, ElasticNetCV and RidgeCV.

The same alphas, over three decades, and the same folds; LassoCV and ElasticNetCV with tol=1e-10. Every search
ends with a fit to all rows, ours by gradient descent with the solver named. "same" tells whether the alpha is
theirs by the lowest mean squared error and by the highest mean R2. Target: no slower, and the same alpha by
the mean squared error. "factors": alpha differs between features, from a half to twice; for LassoCV these are
divided by their factors. "positive": no negative weights. A path alone is one set of rows without folds,
minimised by what the searches use.
"""

import warnings
from functools import partial

import _bench
import numpy as np
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNetCV, LassoCV, RidgeCV, enet_path

from skgd import GDRegressorCV
from skgd._bounds import bounds_of
from skgd._design import design_of
from skgd._path import minimisers
from skgd._penalty import PENALTIES
from skgd._quadratic import CentredMoments
from skgd._targets import Targets

COUNT, FOLDS, TOL = 50, 5, 1e-10
RATIOS = {"l1": 1.0, "elasticnet": 0.5, "l2": 0.0}


def correlated(n, d):
    """Features that are random walks, one step apart."""
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.normal(size=(n, d)), axis=1)
    X /= X.std(axis=0)
    return X, X[:, :: d // 20].sum(axis=1) + rng.normal(size=n)


DATA = {
    "10 of 200": partial(make_regression, 2000, 200, n_informative=10, noise=10, random_state=0),
    "100 of 200": partial(make_regression, 2000, 200, n_informative=100, noise=50, random_state=0),
    "low rank": partial(make_regression, 2000, 200, effective_rank=50, noise=5, random_state=0),
    "correlated": partial(correlated, 2000, 200),
    "n < d": partial(make_regression, 200, 400, n_informative=20, noise=10, random_state=0),
}


def alphas_of(X, y):
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    return np.geomspace(largest, largest * 1e-3, COUNT)


def peer_of(penalty, alphas, n):
    """The search of scikit-learn, and its alphas over ours."""
    shared = {"alphas": alphas, "cv": FOLDS, "tol": TOL, "max_iter": 100_000}
    if penalty == "l2":
        rows = n - n // FOLDS  # Ridge has the sum over rows
        return RidgeCV(alphas * rows, cv=FOLDS, scoring="neg_mean_squared_error"), rows
    if penalty == "l1":
        return LassoCV(**shared), 1
    return ElasticNetCV(l1_ratio=RATIOS[penalty], **shared), 1


def variants(penalty, d):
    """Names, parameters of our search, what features are divided by for the peer, and its parameters."""
    yield penalty, {}, 1.0, {}
    if penalty == "l1":
        factors = np.random.default_rng(1).uniform(0.5, 2, d)
        yield "l1, factors", {"alpha": factors}, factors, {}
    if penalty in ("l1", "elasticnet"):
        short = "l1" if penalty == "l1" else "net"
        yield f"{short}, positive", {"positive": True}, 1.0, {"positive": True}


def searches():
    for name, make in DATA.items():
        X, y = make()
        for penalty in RATIOS:
            for label, own, factors, given in variants(penalty, X.shape[1]):
                for solver in ("batch", "minibatch", "sgd") if label == "l1" else ("minibatch",):
                    yield name, X, y, penalty, label, own, factors, given, solver


def compare_searches(quick):
    table = _bench.Table(
        "seconds of a search",
        **{
            "data": 10,
            "penalty": 13,
            "solver": 9,
            "ours": 7,
            "peer": 7,
            "ratio": 6,
            "target": 6,
            "verdict": 7,
        },
        **{"same, mse": 9, "r2": 5},
    )
    shared = {"learning_rates": "auto", "cv": FOLDS, "random_state": 0}
    for name, X, y, penalty, label, own, factors, given, solver in searches():
        alphas = alphas_of(X / factors, y)
        peer, unit = peer_of(penalty, alphas, len(y))
        peer.set_params(**given)
        own = {"penalty": penalty, "l1_ratio": RATIOS[penalty], "alphas": alphas, **shared, **own}
        by_r2 = GDRegressorCV(solver=solver, **own)
        by_error = GDRegressorCV(solver=solver, scoring="neg_mean_squared_error", **own)
        calls = {
            "ours": partial(by_error.fit, X, y),
            "peer": partial(peer.fit, X / factors, y),
            "r2": partial(by_r2.fit, X, y),
        }
        seconds = _bench.medians(calls, 1 if quick else 5)
        gain = seconds["peer"] / seconds["ours"]
        same = [bool(np.isclose(each.alpha_ * unit, peer.alpha_)) for each in (by_error, by_r2)]
        times = f"{seconds['ours']:.4f}", f"{seconds['peer']:.4f}", f"{gain:.1f}"
        verdict = _bench.verdict(gain >= 1 and same[0])
        words = ["yes" if each else "no" for each in same]
        table.add(name, label, solver, *times, ">= 1", verdict, *words)


def our_path(X, y, alphas, penalty):
    moments = CentredMoments.of(design_of(X), Targets(y, None, 1, False))
    return minimisers(moments, alphas, penalty).coef[:, 0]


def objectives(X, y, coef, alphas, penalty):
    """The objective at each point of a path (m, d), with the best intercept."""
    X, y = X - X.mean(axis=0), y - y.mean()
    loss = np.square(y[:, None] - X @ coef.T).mean(axis=0) / 2
    return loss + [
        PENALTIES["elasticnet"](a, penalty.l1_ratio).value(w) for a, w in zip(alphas, coef, strict=True)
    ]


def compare_paths(quick):
    table = _bench.Table(
        "seconds of a path; the largest excess of the objective over the lower of both, relative",
        **{"data": 10, "penalty": 13, "ours": 7, "enet_path": 9, "ratio": 6, "target": 6, "verdict": 7},
        **{"excess": 7, "its": 7},
    )
    for name, make in DATA.items():
        X, y = make()
        for penalty, label, factors, positive in (
            ("l1", "l1", 1.0, False),
            ("l1", "l1, factors", np.random.default_rng(1).uniform(0.5, 2, X.shape[1]), False),
            ("l1", "l1, positive", 1.0, True),
            ("elasticnet", "elasticnet", 1.0, False),
            ("elasticnet", "net, positive", 1.0, True),
        ):
            scaled, bounds = X / factors, bounds_of(positive, None)
            alphas = alphas_of(scaled, y)
            given = {} if np.ndim(factors) == 0 else {"factors": factors}
            ours = PENALTIES[penalty].build(1.0, RATIOS[penalty], bounds=bounds, **given)

            def theirs(X, y, alphas=alphas, ratio=RATIOS[penalty], positive=positive):
                return enet_path(
                    X, y, alphas=alphas, l1_ratio=ratio, tol=TOL, max_iter=100_000, positive=positive
                )

            # enet_path has no intercept: centring is part of its work here
            def centred(X=scaled, y=y, run=theirs):
                return run(X - X.mean(axis=0), y - y.mean())

            calls = {"ours": partial(our_path, X, y, alphas, ours), "peer": centred}
            seconds = _bench.medians(calls, 1 if quick else 5)
            gain = seconds["peer"] / seconds["ours"]
            plain = PENALTIES[penalty].build(1.0, RATIOS[penalty])
            coefs = (calls["ours"]() * factors, calls["peer"]()[1].T)
            values = [objectives(scaled, y, coef, alphas, plain) for coef in coefs]
            excess = [f"{np.max(value / np.minimum(*values) - 1):.0e}" for value in values]
            times = f"{seconds['ours']:.4f}", f"{seconds['peer']:.4f}", f"{gain:.1f}"
            table.add(name, label, *times, ">= 1", _bench.verdict(gain >= 1), *excess)


if __name__ == "__main__":
    quick = _bench.start(__doc__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        compare_searches(quick)
        compare_paths(quick)
