"""How near default fits come to the minimum of their objective F, for every loss and solver.

Standardised data, learning_rate="auto", defaults otherwise; the distance is (F - F*) / (F(0) - F*),
at most 1e-2 for each solver, and at most 1e-6 for solver="batch" with tol=1e-10; of the stochastic
solvers the worst of several random states. F* is the lowest value found by scipy's L-BFGS or by any
of the fits. Losses with kinks are smoothed for L-BFGS: with max(0, u) a parabola for 0 < u < mu,
F falls by at most mu times the slopes' sum / 2, and mu is lowered until that is below 1e-8 F(0).

The perceptron loss is zero at zero weights and cannot be lower: F* = F(0) = 0, and dividing by
F(0) - F* has no meaning. Its unit here is its value where all rows are wrong by a margin of one,
the number of columns of raw scores, as F(0) is for the hinge loss. A fit that ends at zero weights
has learned nothing and counts as 1, whatever its F; and as a low value says little about a model,
accuracies are shown beside those of the log loss.
"""

import warnings

import _bench
import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    make_classification,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier, GDRegressor
from skgd.losses import LOSSES

ALPHA = 1e-4
# Losses with kinks as sums of c max(0, a u + b), u the residual or the margin: (c, a, b).
KINKED = {
    "absolute_error": [(1, 1, 0), (1, -1, 0)],
    "quantile": [(0.5, 1, 0), (0.5, -1, 0)],
    "epsilon_insensitive": [(1, 1, -0.1), (1, -1, -0.1)],
    "hinge": [(1, -1, 1)],
}


def correlated(n=5000, d=30):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) @ (rng.standard_normal((d, d)) * np.logspace(0, -1.5, d))
    return X, X @ rng.standard_normal(d) + 3 + rng.standard_normal(n)


def data_sets(quick):
    """name, estimator, X, y."""
    yield "diabetes", GDRegressor, *load_diabetes(return_X_y=True)
    yield "correlated", GDRegressor, *correlated()
    yield "cancer", GDClassifier, *load_breast_cancer(return_X_y=True)
    yield "iris", GDClassifier, *load_iris(return_X_y=True)
    if quick:
        return
    yield "digits", GDClassifier, *load_digits(return_X_y=True)
    options = {"n_samples": 20_000, "n_features": 40, "n_informative": 10, "flip_y": 0.05}
    yield "synthetic", GDClassifier, *make_classification(**options, random_state=0)


class Objective:
    """F of a loss on X, y as a function of a flat vector: weights (d, K), then intercepts."""

    def __init__(self, name, X, y):
        self.name, self.loss, self.X, self.y = name, LOSSES[name](), X, y
        self.task = self.loss.task
        classes = len(np.unique(y)) if self.task == "classification" else 0
        self.columns = classes if classes > 2 else 1
        self.size = (X.shape[1] + 1) * self.columns
        codes = y[:, None] == np.arange(self.columns) if self.columns > 1 else y[:, None]
        self.signs = 2.0 * codes - 1  # of margins

    def __call__(self, flat, mu=None):
        """F and its gradient; with mu, of the smoothed loss."""
        n, d = self.X.shape
        theta = flat.reshape(d + 1, self.columns)
        raw = self.X @ theta[:-1] + theta[-1]
        values, slopes = self.loss.value_and_slope(self.y, raw) if mu is None else self.soft(raw, mu)
        gradient = np.vstack([self.X.T @ slopes / n + ALPHA * theta[:-1], slopes.mean(axis=0)])
        return values.sum() / n + ALPHA / 2 * np.sum(theta[:-1] ** 2), gradient.ravel()

    def soft(self, raw, mu):
        regression = self.task == "regression"
        u = raw - self.y[:, None] if regression else self.signs * raw
        values, slopes = np.zeros_like(u), np.zeros_like(u)
        for c, a, b in KINKED[self.name]:
            gap = a * u + b
            part = np.clip(gap, 0, mu)
            values += c * (part**2 / (2 * mu) + np.maximum(gap - mu, 0))
            slopes += c * a * part / mu
        return values, slopes if regression else slopes * self.signs

    def of(self, model):
        theta = np.vstack([np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)])
        return self(theta.ravel())[0]

    def lowest(self):
        """F(0), and the lowest value L-BFGS finds."""
        flat = np.zeros(self.size)
        start = self(flat)[0]
        if self.name == "perceptron":
            return float(self.columns), 0.0
        options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-12, "maxcor": 30}
        kinked = self.name in KINKED
        for mu in start * 10.0 ** -np.arange(1, 9) if kinked else [None] * 3:  # None: start again
            method = {"jac": True, "method": "L-BFGS-B", "options": options}
            flat = minimize(self, flat, (mu,), **method).x
        return start, self(flat)[0]


def losses_for(estimator, y):
    """name, y of the losses of an estimator; those with a log link get positive y."""
    task = "regression" if estimator is GDRegressor else "classification"
    for name, loss in LOSSES.items():
        if loss.task == task:
            lifted = loss.log_link and y.min() <= 0
            yield name, 3 * np.exp((y - y.mean()) / y.std() / 2) if lifted else y


RUNS = {
    "batch": ({"solver": "batch"}, 1e-2),
    "minibatch": ({"solver": "minibatch"}, 1e-2),
    "sgd": ({"solver": "sgd"}, 1e-2),
    "batch to 1e-10": ({"solver": "batch", "tol": 1e-10}, 1e-6),
}


def worst_fit(F, estimator, loss, settings, states):
    """The fit with the highest objective over random states (which batch descent does not use)."""
    states = states[:1] if settings["solver"] == "batch" else states
    fits = [estimator(loss, random_state=state, **settings).fit(F.X, F.y) for state in states]
    return max(fits, key=F.of)


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    widths = {"data": 10, "loss": 27, **dict.fromkeys(RUNS, 14), "verdict": 7}
    table = _bench.Table("(F - F*) / (F(0) - F*) after epochs", **widths)
    gaps, accuracies, states = {run: {} for run in RUNS}, {}, range(1 if quick else 5)
    for data, estimator, X, labels in data_sets(quick):
        X = StandardScaler().fit_transform(X)
        for loss, y in losses_for(estimator, labels):
            F = Objective(loss, X, y)
            models = {
                run: worst_fit(F, estimator, loss, settings, states) for run, (settings, _) in RUNS.items()
            }
            reached = {run: F.of(model) for run, model in models.items()}
            start, lowest = F.lowest()
            lowest = min([lowest, *reached.values()])
            cells = []
            for run, model in models.items():
                gap = (reached[run] - lowest) / (start - lowest) if model.coef_.any() else 1.0
                gaps[run][data, loss] = gap
                cells.append(f"{gap:.1e} ({model.n_iter_:4d})")
            ok = all(gaps[run][data, loss] <= limit for run, (_, limit) in RUNS.items())
            table.add(data, loss, *cells, _bench.verdict(ok))
            if loss in ("log_loss", "perceptron"):
                for run, model in models.items():
                    accuracies[run, data, loss] = model.score(X, y)
    summary(gaps, accuracies)


def summary(gaps, accuracies):
    table = _bench.Table("Summary", **{"run": 15, "fits": 5, "missed": 6, "worst": 8, "target": 7, "at": 40})
    for run, by_case in gaps.items():
        limit = RUNS[run][1]
        worst = max(by_case, key=by_case.get)
        missed = sum(gap > limit for gap in by_case.values())
        cells = len(by_case), missed, f"{by_case[worst]:.1e}", f"<= {limit:.0e}", ", ".join(worst)
        table.add(run, *cells)
    table = _bench.Table("Training accuracy", data=10, run=15, log_loss=8, perceptron=10)
    for run, data, loss in accuracies:
        if loss == "perceptron":
            scores = (f"{accuracies[run, data, name]:.4f}" for name in ("log_loss", "perceptron"))
            table.add(data, run, *scores)


if __name__ == "__main__":
    main()
