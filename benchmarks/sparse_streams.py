"""Wide sparse rows: partial_fit on a stream of hashed words, fits, and single precision.

Rows have 100 non-zeros of 2^20 features, as HashingVectorizer gives them; log loss. Targets: partial_fit of
64 rows takes at most a third of the time of SGDClassifier.partial_fit, by default settings, at a given rate
without a mean of the iterates, by FTRL, by Adagrad and under an l1 penalty (the peer too); its time depends
on the rows (100 rows take longer than one) and not on the features (2^20 take at most 1.5 times as long as
2^16). A fit takes at most half the time of SGDClassifier(average=True) for as many epochs, under l2 and l1.
Loss and gradient of all rows take at most 0.8 times as long in float32 as in float64. A fit to standardised
rows (solver="sgd", 20,000 x 1,000, 20 non-zeros) takes at most twice as long as one to the rows as they are.
"""

import warnings

import _bench
import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier

from skgd import GDClassifier
from skgd._core import core

COLUMNS = {"case": 38, "ours": 8, "peer": 8, "ratio": 6, "target": 7, "verdict": 7}
STREAMS = {
    "default": {},
    "given rate, no mean": {"learning_rate": 0.1, "average": False},
    "FTRL": {"optimizer": "ftrl"},
    "Adagrad": {"optimizer": "adagrad"},
    "l1": {"penalty": "l1"},
}


def hashed(n, d, stored=100, dtype=np.float64, seed=0):
    """Rows of signed words, each of length one, and two classes."""
    rng = np.random.default_rng(seed)
    indices = np.sort(rng.integers(0, d, (n, stored)).astype(np.int32), axis=1)
    values = rng.choice([-1.0, 1.0], (n, stored)) / np.sqrt(stored)
    X = sparse.csr_matrix(
        (values.ravel(), indices.ravel(), stored * np.arange(n + 1, dtype=np.int32)), (n, d)
    )
    X.sum_duplicates()
    return X.astype(dtype), rng.integers(0, 2, n)


def blocks_of(n, d, count):
    X, y = hashed(n * count, d)
    return [(X[start : start + n].copy(), y[start : start + n]) for start in range(0, n * count, n)]


def streaming(model, blocks):
    """A function that feeds the next block to a model that has seen all of them."""
    for X, y in blocks:
        model.partial_fit(X, y, classes=[0, 1])
    turn = 0

    def feed():
        nonlocal turn
        turn = (turn + 1) % len(blocks)
        model.partial_fit(*blocks[turn])

    return feed


def partial_fit_cost(repeats):
    table = _bench.Table("partial_fit of 64 rows, 2^20 features, ms", **COLUMNS)
    blocks = blocks_of(64, 1 << 20, 20)
    for name, settings in STREAMS.items():
        functions = {
            "ours": streaming(GDClassifier(random_state=0, **settings), blocks),
            "peer": streaming(
                SGDClassifier(loss="log_loss", penalty=settings.get("penalty", "l2"), random_state=0), blocks
            ),
        }
        seconds = _bench.medians(functions, repeats, loops=10)
        ratio = seconds["peer"] / seconds["ours"]
        times = (f"{1e3 * time:.2f}" for time in seconds.values())
        table.add(name, *times, f"{ratio:.1f}", ">= 3", _bench.verdict(ratio >= 3))


def what_a_call_depends_on(repeats):
    table = _bench.Table("partial_fit, us", **{**COLUMNS, "ours": 8, "peer": 8})
    table.add("(ours: 2^20 features or 100 rows,", "peer:", "2^16", "or", "1 row)", "")
    for name, settings in STREAMS.items():
        wide, narrow, many, one = (
            streaming(GDClassifier(random_state=0, **settings), blocks_of(n, d, 20))
            for n, d in ((64, 1 << 20), (64, 1 << 16), (100, 1 << 20), (1, 1 << 20))
        )
        functions = {"wide": wide, "narrow": narrow, "many": many, "one": one}
        seconds = _bench.medians(functions, repeats, loops=10)
        features, rows = seconds["wide"] / seconds["narrow"], seconds["many"] / seconds["one"]
        times = {key: f"{1e6 * time:.0f}" for key, time in seconds.items()}
        ok = _bench.verdict(features <= 1.5)
        table.add(f"{name}: features", times["wide"], times["narrow"], f"{features:.2f}", "<= 1.5", ok)
        ok = _bench.verdict(rows > 1.1)
        table.add(f"{name}: rows", times["many"], times["one"], f"{rows:.2f}", "> 1.1", ok)


def fit_cost(repeats):
    table = _bench.Table("fit, 2^20 features, 10 epochs, ms", **COLUMNS)
    shared = {"average": True, "max_iter": 10, "tol": None, "random_state": 0}
    for n, penalty in ((5000, "l2"), (2000, "l2"), (5000, "l1")):
        X, y = hashed(n, 1 << 20)
        model = GDClassifier(solver="sgd", learning_rate=0.5, penalty=penalty, **shared)
        peer = SGDClassifier(loss="log_loss", penalty=penalty, **shared)
        functions = {
            "ours": lambda m=model, X=X, y=y: m.fit(X, y),
            "peer": lambda m=peer, X=X, y=y: m.fit(X, y),
        }
        seconds = _bench.medians(functions, repeats)
        ratio = seconds["peer"] / seconds["ours"]
        times = (f"{1e3 * time:.1f}" for time in seconds.values())
        table.add(f"n = {n}, {penalty}", *times, f"{ratio:.2f}", ">= 2", _bench.verdict(ratio >= 2))


def single_precision(repeats):
    columns = {**COLUMNS, "ours": 8, "peer": 8}
    table = _bench.Table("loss and gradient of all rows, ms (ours: float32, peer: float64)", **columns)
    for n, d in ((5000, 1 << 20), (2000, 1 << 20), (20_000, 1 << 17)):
        functions = {}
        for name, dtype, problem in (
            ("ours", np.float32, core.Problem32),
            ("peer", np.float64, core.Problem64),
        ):
            X, y = hashed(n, d, dtype=dtype)
            rows, targets = (X.data, X.indices, X.indptr, d), (y.astype(dtype), None, 1, True)
            bound = problem(rows, None, targets, ("log_loss", 0.0), ("l2", [1e-4]), True, None)
            theta, gradient = np.full(d + 1, 1e-3, dtype), np.zeros(d + 1, dtype)
            functions[name] = lambda p=bound, t=theta, g=gradient: p.evaluate(t, g)
        seconds = _bench.medians(functions, repeats, loops=3)
        ratio = seconds["ours"] / seconds["peer"]
        times = (f"{1e3 * time:.2f}" for time in seconds.values())
        table.add(f"{n} x {d}", *times, f"{ratio:.2f}", "<= 0.8", _bench.verdict(ratio <= 0.8))


def standardised(repeats):
    columns = {**COLUMNS, "ours": 8, "peer": 8}
    table = _bench.Table("fit, 3 epochs, ms (ours: standardised, peer: as they are)", **columns)
    X, y = hashed(20_000, 1000, stored=20)
    functions = {}
    for name, standardize in (("ours", True), ("peer", False)):
        settings = {"solver": "sgd", "learning_rate": 1e-3, "max_iter": 3, "tol": None, "random_state": 0}
        model = GDClassifier(standardize=standardize, **settings)
        functions[name] = lambda m=model: m.fit(X, y)
    seconds = _bench.medians(functions, max(1, repeats // 4))
    ratio = seconds["ours"] / seconds["peer"]
    times = (f"{1e3 * time:.0f}" for time in seconds.values())
    table.add("20000 x 1000, 20 non-zeros, sgd", *times, f"{ratio:.1f}", "<= 2", _bench.verdict(ratio <= 2))


def main():
    repeats = 5 if _bench.start(__doc__) else 15
    warnings.simplefilter("ignore", ConvergenceWarning)
    partial_fit_cost(repeats)
    what_a_call_depends_on(repeats)
    fit_cost(repeats)
    single_precision(repeats)
    standardised(repeats)


if __name__ == "__main__":
    main()
