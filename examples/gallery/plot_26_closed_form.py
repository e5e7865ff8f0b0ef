"""
Descent beside the closed form and L-BFGS
=========================================

Least squares has a closed form, and for other smooth losses L-BFGS guesses the curvature from the last
gradients. When is gradient descent worth it? The time that each takes to come near the minimum tells, for few
rows and for many.
"""

import warnings
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from skgd import GDRegressor

warnings.simplefilter("ignore", ConvergenceWarning)  # fits are cut short here to look at their course


def rows(n, d=50, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.linspace(0.3, 1.5, d)
    return X, X @ rng.normal(size=d) + rng.normal(size=n)


def cost(w, X, y):
    return np.mean((X @ w - y) ** 2) / 2


# %%
# All start at zero and minimise the same cost. The closed form has one point in time, when it is done. Of
# L-BFGS and batch descent there is a point for each number of iterations allowed, of mini-batches and single
# rows for each number of updates. Times are those of the machine that built this page, on one thread.
def closed_form(X, y):
    begin = perf_counter()
    w = np.linalg.solve(X.T @ X, X.T @ y)
    return [perf_counter() - begin], [cost(w, X, y)]


def lbfgs(X, y):
    def value_and_gradient(w):
        residual = X @ w - y
        return residual @ residual / (2 * len(y)), X.T @ residual / len(y)

    begin, times, costs = perf_counter(), [], []

    def look(w):
        times.append(perf_counter() - begin)
        costs.append(w.copy())

    minimize(value_and_gradient, np.zeros(X.shape[1]), jac=True, method="L-BFGS-B", callback=look)
    return times, [cost(w, X, y) for w in costs]


def seconds(model, X, y):
    begin = perf_counter()
    model.fit(X, y)
    return perf_counter() - begin


def descent(solver, epochs):
    def run(X, y):
        shared = {"alpha": 0, "fit_intercept": False, "tol": None, "random_state": 0, "standardize": False}
        times, costs = [], []
        for count in epochs:
            model = GDRegressor(solver=solver, max_iter=count, **shared)
            times.append(min(seconds(model, X, y) for _ in range(2)))
            costs.append(cost(model.coef_, X, y))
        return times, costs

    return run


ways = {
    "closed form": closed_form,
    "L-BFGS": lbfgs,
    'GDRegressor, "batch"': descent("batch", (1, 2, 4, 8, 16, 32, 64)),
    '"minibatch"': descent("minibatch", (1, 2, 4, 8, 16)),
    '"sgd"': descent("sgd", (1, 2, 4, 8)),
}
figure, axes = plt.subplots(1, 2, figsize=(7, 4.4), layout="constrained", sharey=True)
for axis, n in zip(axes, (1000, 100_000), strict=True):
    X, y = rows(n)
    low = cost(np.linalg.lstsq(X, y)[0], X, y)
    for name, way in ways.items():
        times, costs = way(X, y)
        gap = np.maximum(np.array(costs) / low - 1, 1e-15)
        axis.loglog(1e3 * np.array(times), gap, "o-", markersize=4, label=name)
    axis.set(title=f"{n:,} rows, 50 features", xlabel="milliseconds", xlim=(0.1, 1000))
axes[0].set(ylabel="cost above the minimum, relative")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# - The closed form is exact and hard to beat where it exists, memory holds the rows, and features are few:
#   its time grows with n d² + d³. Batch descent on squared error forms the same matrix, once, and then
#   costs d² a step.
# - L-BFGS reads all rows for each step, and needs few steps. It is a good choice for log loss on data that
#   fit in memory.
# - Single rows and mini-batches come close within the time of a few readings, and then slow down, as their
#   noise remains. Chance moves the minimum itself by about d / n of the cost, 5e-4 for 100,000 rows and
#   5e-2 for 1,000, so a gap far below that is not worth the time.
