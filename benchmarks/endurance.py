"""Resident memory over 10,000 fits, and the time from Ctrl-C to the end of a fit, 100 times.

    python benchmarks/endurance.py [fits] [interrupts]

Fits are of all estimators, solvers and storages. Signals are sent at random moments of fits, streams, fits of
blocks and searches that would take minutes; the time ends when KeyboardInterrupt has left the call.
"""

import contextlib
import gc
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse

import skgd

SOLVERS = ("batch", "minibatch", "sgd")
CALLS = ("fit", "fit", "partial_fit", "fit_blocks", "search")
KINDS = ("GDRegressor", "GDClassifier", "GDMLPRegressor", "GDMLPClassifier")


def resident():
    """Resident memory in MB."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def problem(rng, n=60, d=8):
    X = rng.normal(size=(n, d)).astype(rng.choice([np.float32, np.float64]))
    y = X @ rng.normal(size=d)
    return sparse.csr_array(X * (rng.random(X.shape) < 0.3)) if rng.random() < 0.3 else X, y


def one_fit(rng):
    kind, solver = str(rng.choice(KINDS)), str(rng.choice(SOLVERS))
    params = {"hidden_layer_sizes": 5} if "MLP" in kind else {"penalty": str(rng.choice(["l1", "l2"]))}
    params |= {"early_stopping": bool(rng.random() < 0.2), "warm_start": bool(rng.random() < 0.2)}
    model = getattr(skgd, kind)(solver=solver, max_iter=3, random_state=0, **params)
    X, y = problem(rng)
    y = (y > 0).astype(int) if "Classifier" in kind else y
    model.fit(X, y).predict(X)
    if rng.random() < 0.1:
        model.set_params(learning_rate=1e30)
        with contextlib.suppress(ValueError):
            model.fit(1e30 * X, y)
    elif solver != "batch" and not model.early_stopping:
        model.partial_fit(X, y)


def growth(fits):
    """MB of resident memory that the second half of the fits adds."""
    rng, halfway = np.random.default_rng(0), np.nan
    for number in range(fits):
        if number == fits // 2:
            gc.collect()
            halfway = resident()
        one_fit(rng)
    gc.collect()
    return resident() - halfway, halfway


def interrupted(rng, kind, call):
    """Seconds from a signal in the midst of a call to its end, and whether it left a model."""
    solver = str(rng.choice(SOLVERS[call == "partial_fit" :]))
    X = rng.normal(size=(20_000, 50))
    y = X @ rng.normal(size=50) + rng.normal(size=len(X))
    y = (y > 0).astype(int) if "Classifier" in kind else y
    X = (
        sparse.csr_array(X * (rng.random(X.shape) < 0.2))
        if rng.random() < 0.4 and call != "fit_blocks"
        else X
    )
    if call == "search":
        model = getattr(skgd, f"{kind}CV")(solver=solver, max_iter=10**6, tol=None, random_state=0)
    else:
        model = getattr(skgd, kind)(solver=solver, max_iter=10**6, tol=None, random_state=0)
    sent = []

    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(rng.uniform(0.05, 1.0), interrupt)
    timer.start()
    with contextlib.suppress(KeyboardInterrupt):
        if call == "fit_blocks":
            model.fit_blocks([(X[:10_000], y[:10_000]), (X[10_000:], y[10_000:])])
        elif call == "partial_fit":
            while True:
                model.partial_fit(X, y, **{"classes": [0, 1]} if "Classifier" in kind else {})
        else:
            model.fit(X, y)
        raise AssertionError("the call ended by itself")
    seconds = time.perf_counter() - sent[0]
    if not hasattr(model, "n_features_in_") or call == "search":  # nothing to keep before updates begin
        return seconds, False
    assert call == "partial_fit" or getattr(model, "stop_reason_", "interrupted") == "interrupted"
    return seconds, hasattr(model, "n_updates_")


def main(fits=10_000, interrupts=100):
    warnings.simplefilter("ignore")
    more, base = growth(fits)
    print(f"{fits} fits: {base:.1f} MB after half of them, {more:+.2f} MB after all", flush=True)
    rng = np.random.default_rng(1)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # which shells turn off for jobs in the background
    found = []
    for number in range(interrupts):
        call = CALLS[number % len(CALLS)]
        found.append(interrupted(rng, str(rng.choice(KINDS[: 2 if call == "search" else 4])), call))
    delays = [seconds for seconds, _ in found]
    print(f"{interrupts} interrupts: {np.median(delays):.3f} s in the median, {max(delays):.3f} s at most")
    print(f"{sum(each <= 0.2 for each in delays)} of {interrupts} within 0.2 s")
    print(
        f"{sum(kept for _, kept in found)} left a model; others came before its first update or in a search"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
