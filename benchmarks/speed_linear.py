"""Speed of per-sample descent against scikit-learn's SGDRegressor and SGDClassifier.

Both do the same work: fit with a constant learning rate, l2 penalty 1e-4, a fixed number of
epochs, shuffled rows, no stopping rule. Dense rows are compared by whole calls of 3 epochs (targets: at
least 3.5 times as fast in every case, 8 times in the geometric mean) and by the slope of an epoch, from fits
of 3 and 13 epochs, to which what a call does once does not count (4.5 and 10 times). Sparse rows with 20
classes (softmax in one pass against one-versus-rest in 20): at least 5 times.
"""

import warnings

import _bench
import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor

from skgd import GDClassifier, GDRegressor

PEERS = {
    "squared_error": (GDRegressor, SGDRegressor),
    "log_loss": (GDClassifier, SGDClassifier),
}


def pair(loss, rate, epochs):
    """Our estimator and its peer with the same settings."""
    ours, peer = PEERS[loss]
    shared = {"loss": loss, "alpha": 1e-4, "max_iter": epochs, "tol": None, "random_state": 0}
    return (
        ours(solver="sgd", learning_rate=rate, average=False, **shared),
        peer(learning_rate="constant", eta0=rate, **shared),
    )


def dense(n, d, loss, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=dtype)
    y = X @ rng.standard_normal(d, dtype=dtype) + rng.standard_normal(n, dtype=dtype)
    return X, (y > 0).astype(int) if loss == "log_loss" else y


def text(n, d, words=40, classes=20):
    """CSR rows like those of documents: words by Zipf's law, tf-idf-like values of norm 1."""
    rng = np.random.default_rng(0)
    y = rng.integers(classes, size=n)
    frequency = 1 / (np.arange(d) + 10.0)
    common = rng.choice(d, size=(n, words), p=frequency / frequency.sum())
    topical = (d // 100 + rng.integers(200, size=(n, words)) + 200 * y[:, None]) % d
    columns = np.where(rng.random((n, words)) < 0.1, topical, common)
    values = np.full(n * words, words**-0.5)
    X = sparse.csr_matrix((values, columns.ravel(), np.arange(0, n * words + 1, words)), (n, d))
    X.sum_duplicates()
    return X, y


def ratio(models, X, y, repeats):
    """Medians of our and the peer's fit time, and theirs by ours."""
    ours, peer = models
    fits = {"ours": lambda: ours.fit(X, y), "peer": lambda: peer.fit(X, y)}
    seconds = _bench.medians(fits, repeats)
    return seconds["ours"], seconds["peer"], seconds["peer"] / seconds["ours"]


FEW, MANY = 3, 13  # epochs
SIZES = ((100_000, 10), (100_000, 20), (100_000, 100), (20_000, 1000))


def whole_and_slope(loss, X, y, repeats):
    """(Seconds of a call of FEW epochs, seconds of an epoch by slope), ours and the peer's."""
    models = {epochs: pair(loss, 0.1 / X.shape[1], epochs) for epochs in (FEW, MANY)}
    fits = {(who, epochs): (lambda m=models[epochs][who]: m.fit(X, y)) for epochs in models for who in (0, 1)}
    seconds = _bench.medians(fits, repeats)
    return [(seconds[who, FEW], (seconds[who, MANY] - seconds[who, FEW]) / (MANY - FEW)) for who in (0, 1)]


def compare_dense(quick, repeats):
    widths = {"calls": 11, "ratio": 5, "epochs": 11, "slope": 5, "target": 10, "verdict": 7}
    table = _bench.Table("Dense rows, ns per row", loss=14, dtype=8, n=7, d=5, **widths)
    wholes, slopes = [], []
    for loss in PEERS:
        for dtype in (np.float64, np.float32):
            for rows, d in SIZES:
                n = rows // (5 if quick else 1)
                X, y = dense(n, d, loss, dtype)
                (call, epoch), (peer_call, peer_epoch) = whole_and_slope(loss, X, y, repeats)
                whole, slope = peer_call / call, peer_epoch / epoch
                calls = "/".join(f"{t / (n * FEW) * 1e9:.0f}" for t in (call, peer_call))
                epochs = "/".join(f"{t / n * 1e9:.0f}" for t in (epoch, peer_epoch))
                ok = _bench.verdict(whole >= 3.5 and slope >= 4.5)
                name = np.dtype(dtype).name
                table.add(loss, name, n, d, calls, f"{whole:.1f}", epochs, f"{slope:.1f}", ">= 3.5/4.5", ok)
                wholes.append(whole)
                slopes.append(slope)
    whole, slope = (np.exp(np.mean(np.log(ratios))) for ratios in (wholes, slopes))
    ok = _bench.verdict(whole >= 8 and slope >= 10)
    table.add("geometric mean", "", "", "", "", f"{whole:.1f}", "", f"{slope:.1f}", ">= 8/10", ok)


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    epochs, repeats = (3, 3) if quick else (5, 7)
    compare_dense(quick, repeats)
    widths = {"ns_per_row": 10, "peer": 7, "ratio": 6, "target": 6, "verdict": 7}

    n, d = (5_000 if quick else 50_000), 30_000
    X, y = text(n, d)
    table = _bench.Table("CSR rows, 20 classes", loss=14, dtype=8, n=7, d=5, **widths)
    for dtype in (np.float64, np.float32):
        a, b, r = ratio(pair("log_loss", 1.0, epochs), X.astype(dtype), y, min(repeats, 5))
        times = [f"{t / (n * epochs) * 1e9:.0f}" for t in (a, b)]
        name = np.dtype(dtype).name
        table.add("log_loss", name, n, d, *times, f"{r:.1f}", ">= 5", _bench.verdict(r >= 5))


if __name__ == "__main__":
    main()
