"""What an epoch costs: mini-batches of 32 against single rows, batch descent against reading X.

Seconds per epoch are slopes, (T(30) - T(10)) / 20 of two fits that differ in max_iter alone, so
that what a fit does once does not count. Targets: a mini-batch epoch costs no more than a
per-sample epoch; a batch epoch at n = 1,000,000, d = 50, float64 costs at most 1.3 times the
fastest way found to read X once from memory.
"""

import warnings

import _bench
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from speed_linear import PEERS, dense

FEW, MANY = 10, 30


def fits(name, loss, X, y, **settings):
    """Two fits of the same estimator, of FEW and of MANY epochs, by (name, epochs)."""
    estimator = PEERS[loss][0]

    def fit_for(epochs):
        model = estimator(loss, max_iter=epochs, tol=None, random_state=0, **settings)
        return lambda: model.fit(X, y)

    return {(name, epochs): fit_for(epochs) for epochs in (FEW, MANY)}


def per_epoch(seconds, name):
    return (seconds[name, MANY] - seconds[name, FEW]) / (MANY - FEW)


def compare_stochastic(quick):
    table = _bench.Table(
        "ns per row of an epoch",
        **{"loss": 14, "dtype": 8, "n": 7, "d": 5, "minibatch": 9, "sgd": 7},
        **{"ratio": 6, "target": 6, "verdict": 7},
    )
    for loss in PEERS:
        for dtype in (np.float64, np.float32):
            for d in (10, 20, 100, 1000):
                n = (20_000 if d == 1000 else 100_000) // (5 if quick else 1)
                X, y = dense(n, d, loss, dtype)
                settings = {"learning_rate": 0.1 / d, "average": False}
                both = {
                    **fits("minibatch", loss, X, y, solver="minibatch", **settings),
                    **fits("sgd", loss, X, y, solver="sgd", **settings),
                }
                seconds = _bench.medians(both, 3 if quick else 7)
                a, b = (per_epoch(seconds, name) for name in ("minibatch", "sgd"))
                times = [f"{t / n * 1e9:.1f}" for t in (a, b)]
                name, ok = np.dtype(dtype).name, _bench.verdict(a <= b)
                table.add(loss, name, n, d, *times, f"{a / b:.2f}", "<= 1", ok)


def readings(X):
    """Ways to read X once from memory."""
    flat = X.ravel()
    chunks = np.array_split(flat, max(1, flat.nbytes // 2**18))  # a quarter MiB each
    return {
        "np.sum": lambda: flat.sum(),
        "np.max": lambda: flat.max(),
        "np.dot": lambda: flat @ flat,
        "np.dot in chunks": lambda: [chunk @ chunk for chunk in chunks],
        "np.sum in chunks": lambda: [np.add.reduce(chunk) for chunk in chunks],
    }


def compare_batch(quick):
    n, d = (200_000 if quick else 1_000_000), 50
    table = _bench.Table(
        f"Batch descent, n = {n:,}, d = {d}, float64: ms per epoch, and per reading of X",
        **{"loss": 14, "learning_rate": 13, "epoch": 7, "reading": 7, "fastest_by": 16},
        **{"ratio": 6, "target": 6, "verdict": 7},
    )
    for loss in PEERS:
        X, y = dense(n, d, loss, np.float64)
        for rate in (0.1, "auto"):
            both = fits("batch", loss, X, y, solver="batch", learning_rate=rate)
            ways = readings(X)
            seconds = _bench.medians({**both, **ways}, 3 if quick else 5)
            epoch, fastest = per_epoch(seconds, "batch"), min(ways, key=seconds.get)
            times = f"{epoch * 1e3:.1f}", f"{seconds[fastest] * 1e3:.1f}"
            ratio = epoch / seconds[fastest]
            ok = _bench.verdict(ratio <= 1.3)
            table.add(loss, rate, *times, fastest, f"{ratio:.2f}", "<= 1.3", ok)


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    compare_stochastic(quick)
    compare_batch(quick)


if __name__ == "__main__":
    main()
