"""l1: the support and the gap after 20 epochs, with 11 true non-zeros among 200 features.

n = 2000, standard normal rows, log loss (labels drawn from the model), squared loss (noise of one). alpha is
the one of a grid at which the minimum itself recovers the support best. F1 is that of the non-zero
weights against the true ones; the gap is F - F*, F* by FISTA. Peers: SGDClassifier and SGDRegressor with
penalty="l1", once by default and once with the best gap of 20 (schedule, eta0) pairs. The worst of five
random states. Targets: F1 >= .95, a gap of at most 3e-4, no worse than the peers in either.
"""

import itertools
import warnings

import _bench
import numpy as np
from scipy.special import expit
from sklearn.linear_model import SGDClassifier, SGDRegressor

from skgd import GDClassifier, GDRegressor

N, D, TRUE = 2000, 200, 11
ALPHAS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1)


class Problem:
    def __init__(self, logistic, seed):
        rng = np.random.default_rng([seed, logistic])
        self.logistic, self.X = logistic, rng.standard_normal((N, D))
        self.true = np.zeros(D)
        self.true[rng.permutation(D)[:TRUE]] = rng.choice([-1, 1], TRUE) * rng.uniform(0.7, 1.3, TRUE)
        z = self.X @ self.true
        self.y = (rng.random(N) < expit(z)) * 1.0 if logistic else z + rng.standard_normal(N)
        minima = {alpha: self.fista(alpha) for alpha in ALPHAS}
        self.alpha = max(ALPHAS, key=lambda alpha: (self.support(minima[alpha]), -alpha))
        self.best = minima[self.alpha]
        self.lowest = self(self.best)

    def __call__(self, theta):
        z = self.X @ theta[:-1] + theta[-1]
        losses = np.logaddexp(0, z) - self.y * z if self.logistic else (z - self.y) ** 2 / 2
        return losses.mean() + self.alpha * np.abs(theta[:-1]).sum()

    def fista(self, alpha, iterations=2000):
        Z = np.c_[self.X, np.ones(N)]
        rate = 1 / np.linalg.eigvalsh(Z.T @ Z / N)[-1] * (4 if self.logistic else 1)
        theta = ahead = np.zeros(D + 1)
        for t in range(iterations):
            z = Z @ ahead
            after = ahead - rate * (Z.T @ ((expit(z) if self.logistic else z) - self.y)) / N
            after[:-1] = np.sign(after[:-1]) * np.maximum(np.abs(after[:-1]) - rate * alpha, 0)
            theta, ahead = after, after + t / (t + 3) * (after - theta)
        return theta

    def support(self, theta):
        """F1 of the non-zero weights."""
        found, true = theta[:-1] != 0, self.true != 0
        return 2 * np.sum(found & true) / (found.sum() + true.sum())

    def judge(self, model):
        """F1, gap, number of non-zeros."""
        theta = np.append(model.coef_, model.intercept_)
        return self.support(theta), self(theta) - self.lowest, np.count_nonzero(theta[:-1])


def ours(problem, solver):
    estimator = GDClassifier if problem.logistic else GDRegressor
    return [
        estimator(solver=solver, penalty="l1", alpha=problem.alpha, max_iter=20, tol=None, random_state=state)
        for state in range(1 if solver == "batch" else 5)
    ]


def theirs(problem, **settings):
    peer, loss = (SGDClassifier, "log_loss") if problem.logistic else (SGDRegressor, "squared_error")
    options = {"penalty": "l1", "alpha": problem.alpha, "max_iter": 20, "tol": None, **settings}
    return [peer(loss, random_state=state, **options) for state in range(5)]


def worst(problem, models):
    judged = [problem.judge(model.fit(problem.X, problem.y)) for model in models]
    return min(f1 for f1, _, _ in judged), max(gap for _, gap, _ in judged), max(k for *_, k in judged)


def tuned(problem):
    pairs = itertools.product(
        ("constant", "invscaling", "optimal", "adaptive"), (1e-3, 3e-3, 1e-2, 3e-2, 0.1)
    )
    runs = [worst(problem, theirs(problem, learning_rate=rule, eta0=eta0)) for rule, eta0 in pairs]
    return min(runs, key=lambda run: run[1])


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore")
    widths = {"problem": 13, "model": 18, "F1": 5, "gap": 8, "non_zero": 8, "verdict": 7}
    for seed in range(1 if quick else 3):
        for logistic in (True, False):
            problem = Problem(logistic, seed)
            table = _bench.Table(f"Seed {seed}, alpha = {problem.alpha}", **widths)
            name = "log loss" if logistic else "squared loss"
            f1, *_ = problem.support(problem.best), 0
            table.add(name, "minimum", f"{f1:.2f}", "0", np.count_nonzero(problem.best[:-1]), "")
            default, best = worst(problem, theirs(problem)), tuned(problem)
            for label, (f1, gap, k) in (("SGD, default", default), ("SGD, best of 20", best)):
                table.add(name, label, f"{f1:.2f}", f"{gap:.1e}", k, "")
            for solver in ("sgd", "minibatch", "batch"):
                f1, gap, k = worst(problem, ours(problem, solver))
                no_worse = f1 >= max(default[0], best[0]) and gap <= min(default[1], best[1])
                ok = f1 >= 0.95 and gap <= 3e-4 and no_worse
                table.add(name, f"ours, {solver}", f"{f1:.2f}", f"{gap:.1e}", k, _bench.verdict(ok))


if __name__ == "__main__":
    main()
