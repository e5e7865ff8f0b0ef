"""1,000 random problems for learning_rate="auto": it should never diverge.

Columns scaled by 10^U(-3, 3), heavy tails, duplicated and constant columns; a random loss, solver,
batch size, optimizer, penalty, weights, dense or CSR, float32 or float64, standardised or not. A fit has
failed if it raises, if a parameter or the objective is not finite, or if it ends above where it started,
F(0), the objective at zero parameters. Both are evaluated here, in float64.

The perceptron loss is left out: it is least at zero, so that all that is learned lies above F(0).
"""

import warnings

import _bench
import numpy as np
from scipy import sparse

from skgd import GDClassifier, GDRegressor
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS

PROBLEMS = 1000


def random_rows(rng, n, d):
    tails = [
        rng.standard_normal,
        lambda size: rng.standard_t(2, size),
        lambda size: rng.lognormal(0, 2, size),
    ]
    X = tails[rng.integers(3)]((n, d)) + rng.choice([0, 5]) * rng.standard_normal(d)
    X *= 10 ** rng.uniform(-3, 3, d)
    X[:, rng.random(d) < 0.15] = X[:, :1]  # duplicates
    X[:, rng.random(d) < 0.15] = 10 ** rng.uniform(-3, 3)  # constants
    if rng.random() < 0.5:
        X[rng.random((n, d)) < 0.6] = 0
    return X


def random_targets(rng, loss, X):
    n = len(X)
    scores = (X / (np.abs(X).max(axis=0) + 1e-300)) @ rng.standard_normal(X.shape[1])
    scores = (scores - scores.mean()) / (scores.std() or 1.0) + rng.standard_normal(n)
    if loss.task == "classification":
        classes = int(rng.integers(2, 4))
        y = np.searchsorted(np.quantile(scores, np.arange(1, classes) / classes), scores)
        y[:classes] = np.arange(classes)  # all of them occur
        return y
    if loss.log_link:
        return np.exp(scores)
    return scores * 10 ** rng.uniform(-3, 3)


def random_settings(rng, loss):
    """solver, batch size, optimizer and more, such as fit together."""
    solver = str(rng.choice(["batch", "sgd", "minibatch"]))
    rows = {"batch": "all", "sgd": "one", "minibatch": "some"}[solver]
    rules = [
        name
        for name, rule in OPTIMIZERS.items()
        if rows in rule.rows
        and (rule.losses is None or loss.name in rule.losses)
        and (loss.smooth or not rule.searches)
    ]
    return {
        "solver": solver,
        "batch_size": int(rng.choice([2, 8, 32])),
        "optimizer": str(rng.choice(["plain", *rules])),
        "penalty": [None, "l2", "l1", "elasticnet"][rng.integers(4)],
        "alpha": float(10 ** rng.uniform(-6, -1)),
        "standardize": bool(rng.random() < 0.25),
        "fit_intercept": bool(rng.random() < 0.8),
        "max_iter": int(rng.integers(1, 30)),
        "random_state": int(rng.integers(1000)),
    }


def objective(model, loss, X, y, weight, coef, intercept):
    """F in float64, from the loss's own value_and_slope."""
    raw = X @ np.atleast_2d(coef).T + np.atleast_1d(intercept)
    values, _ = loss.value_and_slope(y, raw)
    mean = np.average(values, weights=weight)
    share = {None: 0, "l2": 0, "l1": 1, "elasticnet": model.l1_ratio}[model.penalty]
    alpha = model.alpha if model.penalty else 0
    return mean + alpha * (share * np.abs(coef).sum() + (1 - share) / 2 * np.sum(coef**2))


def trial(seed):
    """What failed, or None; with a description of the problem."""
    rng = np.random.default_rng([7, seed])
    name = str(rng.choice([name for name in LOSSES if name != "perceptron"]))
    loss = LOSSES[name]()
    n, d = int(rng.integers(20, 300)), int(rng.integers(1, 15))
    dtype = rng.choice([np.float32, np.float64])
    X = random_rows(rng, n, d).astype(dtype)
    y = random_targets(rng, loss, X.astype(float))
    weight = rng.exponential(size=n) if rng.random() < 0.4 else None
    settings = random_settings(rng, loss)
    given = sparse.csr_matrix(X) if rng.random() < 0.3 else X
    text = f"seed {seed}: {name}, {n} x {d}, {np.dtype(dtype)}, {settings}"
    estimator = GDRegressor if loss.task == "regression" else GDClassifier
    try:
        model = estimator(name, **settings).fit(given, y, sample_weight=weight)
    except Exception as error:
        return f"{type(error).__name__}: {error}", text
    parameters = model.coef_.astype(float), np.asarray(model.intercept_, dtype=float)
    if not all(np.isfinite(part).all() for part in parameters) or not np.isfinite(model.loss_):
        return "not finite", text
    X = X.astype(float)
    start = objective(model, loss, X, y, weight, *(0 * part for part in parameters))
    end = objective(model, loss, X, y, weight, *parameters)
    if not end <= start * (1 + 1e-5 if dtype == np.float32 else 1 + 1e-9):
        return f"F(0) = {start:.6g} < {end:.6g} = F at the end", text
    return None, text


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore")
    count, failures = PROBLEMS // 10 if quick else PROBLEMS, []
    for seed in range(count):
        failure, text = trial(seed)
        if failure:
            failures.append(f"{failure} ({text})")
    print(f"\n{count - len(failures)} of {count} fits ended finite and not above F(0): ", end="")
    print(_bench.verdict(not failures), *failures, sep="\n")


if __name__ == "__main__":
    main()
