"""
A learning rate too low, right, and too high
============================================

The learning rate says how far to go along the gradient. Too low and the minimum is never reached in the
time one has; too high and each step overshoots by more than the last.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import DivergenceError, GDRegressor

rng = np.random.default_rng(1)
X = rng.normal(size=(300, 2)) * [1.0, 0.5]
y = X @ [1.5, 2.0] + 0.3 * rng.normal(size=300)

# %%
# How high is too high? A rate that makes the cost explode is an error in skgd, and the error carries
# the largest rate that is stable for this data and solver.
try:
    GDRegressor(solver="batch", learning_rate=100.0, alpha=0, fit_intercept=False).fit(X, y)
except DivergenceError as error:
    limit = error.largest_stable_learning_rate
print(f"largest stable learning rate: {limit:.3f}")

# %%
# Below half the limit the steps never overshoot; between half the limit and the limit they zigzag, and
# still arrive. At 1.02 times the limit every zigzag is longer than the one before.
rates = {"too low": 0.03 * limit, "right": 0.5 * limit, "high": 0.95 * limit, "too high": 1.02 * limit}
best = np.linalg.lstsq(X, y)[0]
lowest = ((X @ best - y) ** 2).mean() / 2


def descend(rate, steps=20):
    """Batch gradient descent in three lines, to show that there is no magic (and to draw what diverges)."""
    path = [np.array([0.0, 0.0])]
    for _ in range(steps):
        path.append(path[-1] - rate * X.T @ (X @ path[-1] - y) / len(X))
    return np.array(path)


w1, w2 = np.meshgrid(np.linspace(-0.9, 3.9, 120), np.linspace(-0.6, 2.8, 120))
grid = np.stack([w1.ravel(), w2.ravel()])
cost = (((X @ grid - y[:, None]) ** 2).mean(axis=0) / 2).reshape(w1.shape)

figure, axes = plt.subplots(2, 4, figsize=(12, 6), layout="constrained", sharey="row")
for (above, below), (name, rate), colour in zip(axes.T, rates.items(), ["C0", "C2", "C4", "C1"], strict=True):
    path = descend(rate)
    above.contour(w1, w2, cost, levels=lowest + np.geomspace(0.01, 5, 10), colors="0.75", linewidths=0.8)
    above.plot(*path.T, "o-", color=colour, markersize=3, linewidth=1)
    above.plot(*best, "k*", markersize=12)
    above.set(title=f"{name}: rate {rate:.2f}", xlabel="weight 1", xlim=(-0.9, 3.9), ylim=(-0.6, 2.8))
    below.semilogy(
        ((X @ path.T - y[:, None]) ** 2).mean(axis=0) / 2 - lowest, "o-", color=colour, markersize=3
    )
    below.set(xlabel="update", ylim=(1e-7, 10))
axes[0, 0].set_ylabel("weight 2")
axes[1, 0].set_ylabel("cost above its minimum")
plt.show()

# %%
# The estimator makes the very same steps.
model = GDRegressor(
    solver="batch",
    learning_rate=rates["right"],
    alpha=0,
    fit_intercept=False,
    max_iter=20,
    tol=None,
    average=False,
).fit(X, y)
print(np.abs(model.coef_ - descend(rates["right"])[-1]).max() < 1e-12)

# %%
# With ``learning_rate="auto"``, the default, the rate comes from the data.
auto = GDRegressor(solver="batch", alpha=0, fit_intercept=False, tol=1e-10).fit(X, y)
distance = np.linalg.norm(auto.coef_ - best)
print(f"started at {auto.learning_rate_:.3f}, {auto.n_iter_} updates, distance {distance:.1e}")
