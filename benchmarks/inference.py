"""How often 95 % intervals of skgd.inference.summarize hold the true coefficient, in 1000 simulations each.

500 rows, two features and an intercept; "uneven" noise grows with the size of the first feature. Shown are
the shares for each coefficient; with the right covariance 94 to 96 % are aimed at (the standard error of a
share is .7 %). "model" on uneven noise is shown for comparison. Last, seconds for one summary of 1e6 x 20
rows.
"""

import time
import warnings

import numpy as np

from skgd import GDClassifier, GDRegressor
from skgd.inference import summarize
from skgd.losses import Quantile

RUNS, N, TRUTH = 1000, 500, np.array([0.5, -0.3, 0.2])
GROUPS = np.repeat(np.arange(100), N // 100)


def noise(rng, X, kind):
    e = rng.normal(size=N)
    if kind == "uneven":
        return e * (0.5 + np.abs(X[:, 0]))
    return e + rng.normal(size=100)[GROUPS] if kind == "grouped" else e


def target(rng, loss, X, kind):
    score = X @ TRUTH[:2] + TRUTH[2]
    if loss == "log_loss":
        return (rng.uniform(size=N) < 1 / (1 + np.exp(-score))).astype(int)
    if loss == "poisson":
        return rng.poisson(np.exp(score)).astype(float)
    if loss == "gamma":
        return rng.gamma(2, np.exp(score) / 2)
    return score + noise(rng, X, kind)


def coverage(loss, kind, covariance):
    rng, inside = np.random.default_rng(0), np.zeros(3)
    estimator = GDClassifier if loss == "log_loss" else GDRegressor
    for _ in range(RUNS):
        X = rng.normal(size=(N, 2))
        if kind == "grouped":
            X[:, 0] = rng.normal(size=100)[GROUPS]
        y = target(rng, loss, X, kind)
        model = estimator(loss, penalty=None, solver="batch", tol=1e-9, max_iter=5000).fit(X, y)
        found = summarize(
            model, X, y, covariance=covariance, groups=GROUPS if covariance == "clustered" else None
        )
        inside += (found["low"].to_numpy() <= TRUTH) & (found["high"].to_numpy() >= TRUTH)
    return inside / RUNS


CASES = [
    *(
        (loss, "even", "model")
        for loss in ("squared_error", "huber", "log_loss", "poisson", "gamma", Quantile(0.5))
    ),
    *((loss, "even", "robust") for loss in ("squared_error", "log_loss", "poisson", "gamma")),
    ("squared_error", "uneven", "model"),
    ("squared_error", "uneven", "robust"),
    (Quantile(0.5), "uneven", "model"),
    (Quantile(0.5), "uneven", "robust"),
    ("squared_error", "grouped", "robust"),
    ("squared_error", "grouped", "clustered"),
]

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for case in CASES:
        print(
            f"{case[0]!s:24} {case[1]:8} {case[2]:10}",
            *(f"{share:.3f}" for share in coverage(*case)),
            flush=True,
        )
    X = np.random.default_rng(0).normal(size=(1_000_000, 20))
    y = X @ np.ones(20) + np.random.default_rng(1).normal(size=len(X))
    model = GDRegressor(penalty=None, solver="batch", tol=1e-10).fit(X, y)
    for covariance in ("model", "robust"):
        start = time.perf_counter()
        summarize(model, X, y, covariance=covariance)
        print(f"1e6 x 20, {covariance}: {time.perf_counter() - start:.2f} s")
