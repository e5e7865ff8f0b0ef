"""What whole calls cost beside their epochs, and predictions beside a product.

An epoch is the slope (T(7) - T(2)) / 5 of two fits at a given rate, without a mean of the iterates, that
differ in max_iter alone. Targets: a default fit takes at most 1.4 times its epochs; a fit of one epoch at
a given rate at most 1.15 times an epoch and one reading of X; predict at most 1.15 times X @ w, and
predict_proba with ten classes at most 1.5 times X @ W; early_stopping, a mean of the iterates and labels
that are objects at most 1.2, 1.2 and 1.3 times the plain fit of three epochs; two threads at least 1.7
times as fast as one (elapsed time; both have to be free).
"""

import warnings
from time import perf_counter

import _bench
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from speed_linear import PEERS, dense

from skgd import GDClassifier

SHAPES = ((100_000, 20), (20_000, 300), (20_000, 1000))
FEW, MANY = 2, 7
CASE = {"loss": 14, "n": 7, "d": 5}
RESULT = {"ratio": 6, "target": 7, "verdict": 7}


def estimator(loss, solver="sgd", **settings):
    return PEERS[loss][0](loss, solver=solver, random_state=0, **settings)


def at_given_rate(loss, d, epochs, **settings):
    fixed = {"learning_rate": 0.1 / d, "tol": None, "average": False}
    return estimator(loss, max_iter=epochs, **{**fixed, **settings})


def reading(X):
    flat = X.ravel()
    return lambda: flat @ flat


def epochs_of(loss, solver, X, y):
    """Fits of few and of many epochs, and a reading of X, by name."""
    fits = {epochs: at_given_rate(loss, X.shape[1], epochs, solver=solver) for epochs in (1, FEW, MANY)}
    return {epochs: (lambda fit=fit: fit.fit(X, y)) for epochs, fit in fits.items()}


def slope(seconds):
    return (seconds[MANY] - seconds[FEW]) / (MANY - FEW)


def add(table, cells, ratio, target, above=False):
    ok = ratio >= target if above else ratio <= target
    table.add(*cells, f"{ratio:.2f}", f"{'>=' if above else '<='} {target}", _bench.verdict(ok))


def fits(repeats, quick):
    """Default fits over their epochs, and fits of one epoch over an epoch and a reading."""
    columns = {**CASE, "solver": 9, "what": 14, "whole_ms": 8, "beside_ms": 9, **RESULT}
    table = _bench.Table("Whole fits", **columns)
    for n, d in SHAPES[:2] if quick else SHAPES:
        for loss in PEERS:
            X, y = dense(n, d, loss, np.float64)
            for solver in ("sgd", "minibatch", "batch"):
                model = estimator(loss, solver)
                calls = {
                    **epochs_of(loss, solver, X, y),
                    "default": lambda model=model, X=X, y=y: model.fit(X, y),
                    "reading": reading(X),
                }
                seconds = _bench.medians(calls, repeats)
                epoch = slope(seconds)
                beside = {"default": model.n_iter_ * epoch, 1: epoch + seconds["reading"]}
                for what, name, target in (("default", "default", 1.4), (1, "one epoch", 1.15)):
                    if loss == "squared_error" and solver == "batch" and d <= 128:
                        continue  # its epochs cost nothing once the second moments are known
                    times = (f"{1e3 * time:.1f}" for time in (seconds[what], beside[what]))
                    add(table, (loss, n, d, solver, name, *times), seconds[what] / beside[what], target)


def predictions(repeats, quick):
    columns = {"call": 28, "dtype": 8, "n": 7, "d": 5, "product_ms": 10, **RESULT}
    table = _bench.Table("Predictions over the product with the weights", **columns)
    classes = np.random.default_rng(0).integers(10, size=SHAPES[0][0])
    for dtype in (np.float64, np.float32):
        for n, d in SHAPES[:2] if quick else SHAPES:
            name = np.dtype(dtype).name
            for loss in PEERS:
                X, y = dense(n, d, loss, dtype)
                model = at_given_rate(loss, d, 1).fit(X, y)
                w = model.coef_.ravel()
                calls = {
                    "product": lambda X=X, w=w: X @ w,
                    "predict": lambda X=X, model=model: model.predict(X),
                }
                seconds = _bench.medians(calls, repeats, loops=3)
                cells = (f"{type(model).__name__}.predict", name, n, d, f"{1e3 * seconds['product']:.2f}")
                add(table, cells, seconds["predict"] / seconds["product"], 1.15)
            model = at_given_rate("log_loss", d, 1, solver="minibatch").fit(X, classes[:n])
            W = np.ascontiguousarray(model.coef_.T)
            calls = {
                "product": lambda X=X, W=W: X @ W,
                "predict_proba": lambda X=X, model=model: model.predict_proba(X),
            }
            seconds = _bench.medians(calls, repeats, loops=3)
            cells = ("predict_proba, 10 classes", name, n, d, f"{1e3 * seconds['product']:.2f}")
            add(table, cells, seconds["predict_proba"] / seconds["product"], 1.5)


def settings(repeats, quick):
    table = _bench.Table("Three epochs with a setting over plain ones", **CASE, setting=15, **RESULT)
    for n, d in ((100_000, 20), (100_000, 100)):
        n = n // 5 if quick else n
        for loss in PEERS:
            X, y = dense(n, d, loss, np.float64)
            chosen = {"plain": {}, "early_stopping": {"early_stopping": True}, "average": {"average": True}}
            calls = {
                name: lambda more=more, X=X, y=y, loss=loss: at_given_rate(loss, X.shape[1], 3, **more).fit(
                    X, y
                )
                for name, more in chosen.items()
            }
            targets = {"early_stopping": 1.2, "average": 1.2}
            if loss == "log_loss":
                labels = np.array(["no", "yes"], dtype=object)[y]
                calls["object labels"] = lambda X=X, labels=labels: at_given_rate(
                    "log_loss", X.shape[1], 3
                ).fit(X, labels)
                targets["object labels"] = 1.3
            seconds = _bench.medians(calls, repeats)
            for name, target in targets.items():
                add(table, (loss, n, d, name), seconds[name] / seconds["plain"], target)


def threads(repeats, quick):
    table = _bench.Table("Two threads over one: batch descent on log loss", n=9, d=5, ms=7, **RESULT)
    for n, d in ((10_000, 50), (20_000, 300), (200_000 if quick else 1_000_000, 50)):
        X, y = dense(n, d, "log_loss", np.float64)
        many = min(203, 3 + max(8, 40_000_000 // (n * d)))
        calls = {}
        for jobs in (1, 2):
            for epochs in (3, many):
                model = GDClassifier(
                    solver="batch", learning_rate=0.1, tol=None, max_iter=epochs, n_jobs=jobs
                )
                calls[jobs, epochs] = lambda model=model, X=X, y=y: model.fit(X, y)
        seconds = _bench.medians(calls, repeats, clock=perf_counter)
        one, two = ((seconds[jobs, many] - seconds[jobs, 3]) / (many - 3) for jobs in (1, 2))
        add(table, (n, d, f"{1e3 * one:.2f}"), one / two, 1.7, above=True)


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    repeats = 3 if quick else 7
    for part in (fits, predictions, settings, threads):
        part(repeats, quick)


if __name__ == "__main__":
    main()
