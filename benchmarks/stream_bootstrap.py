"""Coverage of the intervals of StreamBootstrap in simulations, and its cost beside a plain partial_fit.

    python benchmarks/stream_bootstrap.py [--simulations 200] [--rows 20000]

Each simulation is a stream of its own, of standard normal features in calls of 1,000 rows; counted is how
many of the 95 % intervals hold the weight that made the targets. Beside it the standard deviation of the
model over the simulations, its root mean square error, and the mean standard error that the bootstrap gave.
"""

import argparse
from statistics import median
from time import process_time

import numpy as np
from scipy.special import expit
from sklearn.base import clone

from skgd import GDClassifier, GDRegressor
from skgd.inference import StreamBootstrap
from skgd.schedules import InvScaling

CHUNK, FEATURES = 1000, 5
STREAMS = {
    "minibatch": {"solver": "minibatch"},
    "minibatch, t^-0.25": {"solver": "minibatch", "schedule": InvScaling(power=0.25)},
    "sgd, t^-0.5": {"solver": "sgd", "schedule": InvScaling(power=0.5)},
}


def rows(kind, n, d, seed):
    """X, y and the parameters behind them, the intercept last."""
    rng = np.random.default_rng(seed)
    truth = np.append(np.linspace(-1, 1, d), 0.3)
    X = rng.normal(size=(n, d))
    z = X @ truth[:-1] + truth[-1]
    y = z + rng.normal(size=n) if kind is GDRegressor else (rng.uniform(size=n) < expit(z)).astype(int)
    return X, y, truth


def feed(stream, X, y, classes):
    for k in range(0, len(X), CHUNK):
        stream.partial_fit(X[k : k + CHUNK], y[k : k + CHUNK], **classes)
    return stream


def coverage(kind, params, simulations, n):
    held, models, errors = [], [], []
    for seed in range(simulations):
        X, y, truth = rows(kind, n, FEATURES, seed)
        stream = StreamBootstrap(kind(alpha=0, random_state=seed, **params), random_state=seed)
        found = feed(stream, X, y, {"classes": [0, 1]}).summarize()
        held.append((found["low"] <= truth) & (truth <= found["high"]))
        models.append(found["coefficient"] - truth)
        errors.append(found["standard_error"])
    off = np.array(models)
    return np.mean(held), off.std(axis=0).mean(), np.sqrt((off**2).mean()), np.mean(errors)


def seconds(stream, X, y, classes):
    begin = process_time()
    feed(stream, X, y, classes)
    return process_time() - begin


def cost(kind, params, n, d, replicates):
    """CPU time of the bootstrap over that of the model alone, run by turns; medians of seven."""
    X, y, _ = rows(kind, n, d, 0)
    model, classes = kind(alpha=0, random_state=0, **params), {"classes": [0, 1]}
    alone, beside = [], []
    for _ in range(7):
        alone.append(seconds(clone(model), X, y, classes if kind is GDClassifier else {}))
        stream = StreamBootstrap(model, n_replicates=replicates, random_state=0)
        beside.append(seconds(stream, X, y, classes))
    return median(beside) / median(alone)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--rows", type=int, default=20_000)
    arguments = parser.parse_args()
    for kind in (GDRegressor, GDClassifier):
        for name, params in STREAMS.items():
            share, sd, rmse, error = coverage(kind, params, arguments.simulations, arguments.rows)
            times = [cost(kind, params, arguments.rows, d, 50) for d in (5, 20, 100)]
            print(
                f"{kind.__name__:12}  {name:18}  coverage {share:.3f}  sd {sd:.4f}  rmse {rmse:.4f}  "
                f"standard error {error:.4f}  cost at d = 5, 20, 100: {', '.join(f'{t:.1f}' for t in times)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
