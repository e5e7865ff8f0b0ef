"""Fits on Dask of which one of two workers is killed (SIGKILL) before a random map: how many end as the fit
whose workers live, in every bit of parameters, history and reason to stop.

Workers are processes without nannies; for each that is killed another one is started before the next fit.

    python benchmarks/kill_workers.py [fits] [seed]
"""

import os
import signal
import subprocess
import sys
import time
import warnings
from itertools import pairwise

import numpy as np

VARIANTS = {
    "log loss": ("DaskGDClassifier", {"max_iter": 40}),
    "softmax, l1": ("DaskGDClassifier", {"max_iter": 30, "penalty": "l1", "alpha": 1e-3}),
    "squared error": ("DaskGDRegressor", {"max_iter": 40}),
    "huber, momentum": ("DaskGDRegressor", {"max_iter": 40, "loss": "huber", "optimizer": "momentum"}),
    "local epochs": ("DaskGDClassifier", {"max_iter": 20, "local_epochs": 1}),
    "perceptron": ("DaskGDMLPRegressor", {"max_iter": 30, "hidden_layer_sizes": 8, "random_state": 0}),
}


def part(number, rows):
    """X and y of a partition, which any worker can make again."""
    rng = np.random.default_rng(number)
    X = rng.normal(size=(rows, 20)) * np.geomspace(1, 0.1, 20)
    return X, X @ np.linspace(-1, 1, 20) + 0.3 * rng.normal(size=rows)


def collections(name, kind):
    import dask
    import dask.array as da

    ends = (0, 4000, 4000, 9000, 15_000, 15_001, 22_000, 30_000)
    parts = [dask.delayed(part, nout=2)(k, b - a) for k, (a, b) in enumerate(pairwise(ends))]
    sizes = [b - a for a, b in pairwise(ends)]
    X, y = (
        da.concatenate(
            [da.from_delayed(p[k], (n, 20)[: 2 - k], float) for p, n in zip(parts, sizes, strict=True)]
        )
        for k in (0, 1)
    )
    if kind == "DaskGDClassifier":
        y = da.digitize(y, [-0.5, 0.5]) if "softmax" in name else y > 0
    return X, y


def fitted(name, client, kill_at=0, victim=0):
    """(The model, its maps, whether a worker was killed.)"""
    import skgd.dask
    from skgd._dask_blocks import DaskBlocks

    kind, fixed = VARIANTS[name]
    X, y = collections(name, kind)
    count, dead, whole = [0], [], DaskBlocks.map

    def map_and_kill(self, *arguments, **options):
        count[0] += 1
        if count[0] == kill_at:
            pids = sorted(client.run(os.getpid).values())
            os.kill(pids[victim % len(pids)], signal.SIGKILL)
            dead.append(pids)
        return whole(self, *arguments, **options)

    DaskBlocks.map = map_and_kill
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = getattr(skgd.dask, kind)(tol=None, **fixed).fit(X, y, client=client)
    finally:
        DaskBlocks.map = whole
    return model, count[0], bool(dead)


def everything(model):
    """Bytes of all that is fitted, but for seconds."""
    parts = (
        (*model.coefs_, *model.intercepts_) if hasattr(model, "coefs_") else (model.coef_, model.intercept_)
    )
    columns = [values for name, values in model.history_.items() if name != "seconds"]
    return [each.tobytes() for each in (*parts, *columns)], model.loss_, model.stop_reason_


def started(address):
    """The process of a worker."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny", "--no-dashboard"]
    options = ["--nthreads", "1", "--memory-limit", "0"]
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def trial(client, workers, rng, expected):
    """(Whether a fit ended the same, whether a worker was killed, seconds, words.)"""
    workers[:] = [each for each in workers if each.poll() is None]
    while len(workers) < 2:
        workers.append(started(client.scheduler.address))
    client.wait_for_workers(2)
    name = str(rng.choice(list(VARIANTS)))
    model, maps = expected[name]
    at, began = int(rng.integers(1, maps + 1)), time.perf_counter()
    found, _, died = fitted(name, client, at, int(rng.integers(2)))
    seconds, equal = time.perf_counter() - began, everything(found) == everything(model)
    return equal, died, seconds, f"{name}, before map {at} of {maps}"


def main(fits=20, seed=0):
    from dask.distributed import Client, LocalCluster

    rng, trials = np.random.default_rng(seed), []
    with (
        LocalCluster(n_workers=0, dashboard_address=None, silence_logs=60) as cluster,
        Client(cluster) as client,
    ):
        workers = [started(client.scheduler.address) for _ in range(2)]
        try:
            client.wait_for_workers(2)
            expected = {name: fitted(name, client)[:2] for name in VARIANTS}
            for number in range(fits):
                trials.append(trial(client, workers, rng, expected))
                equal, _, seconds, words = trials[-1]
                print(f"{number:3d}: {words}: {seconds:.1f} s, equal {equal}", flush=True)
        finally:
            for each in workers:
                each.kill()
    same, killed, seconds, _ = zip(*trials, strict=True)
    print(
        f"{sum(same)} of {fits} fits end the same in every bit; {sum(killed)} kills; the slowest took "
        f"{max(seconds):.1f} s"
    )
    return sum(same) == sum(killed) == fits


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
