"""
Three ways down the same valley
===============================

Batch, stochastic and mini-batch gradient descent minimise the same function. They differ in how many
rows of the data each update looks at, and so in what a step costs and in how straight the way down is.
With two weights the function is a surface over the plane and the whole descent can be drawn.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 2)) @ [[1.0, 0.0], [0.7, 0.7]]
y = X @ [2.0, -1.0] + rng.normal(size=200)

# %%
# ``record_path=True`` keeps the weights at every check, and ``check_every`` says how many updates lie
# between two checks. Batch descent makes 20 updates here, each from all 200 rows; the other two make
# one pass over the rows: 20 updates from ten rows each, and 200 updates from one row each. A fixed
# learning rate and ``average=False`` show the bare updates.
ways = {
    "batch": {"solver": "batch", "max_iter": 20, "learning_rate": 0.5},
    "minibatch": {"solver": "minibatch", "batch_size": 10, "max_iter": 1, "learning_rate": 0.3},
    "sgd": {"solver": "sgd", "max_iter": 1, "learning_rate": 0.1},
}
models = {
    name: GDRegressor(
        **way,
        alpha=0,
        fit_intercept=False,
        check_every=1,
        tol=None,
        average=False,
        record_path=True,
        random_state=0,
    ).fit(X, y)
    for name, way in ways.items()
}

# %%
# The contours are lines of equal cost :math:`F(w) = \frac{1}{2n} \sum_i (x_i^\top w - y_i)^2`, computed
# with NumPy on a grid.
w1, w2 = np.meshgrid(np.linspace(-0.6, 3.0, 120), np.linspace(-2.2, 1.1, 120))
grid = np.stack([w1.ravel(), w2.ravel()])
cost = (((X @ grid - y[:, None]) ** 2).mean(axis=0) / 2).reshape(w1.shape)
best = np.linalg.lstsq(X, y)[0]
lowest = ((X @ best - y) ** 2).mean() / 2

figure, axes = plt.subplots(1, 3, figsize=(11, 4), sharex=True, sharey=True, layout="constrained")
levels = lowest + np.geomspace(0.005, 6, 14)
for axis, (name, model), colour in zip(axes, models.items(), ["C0", "C1", "C2"], strict=True):
    axis.contour(w1, w2, cost, levels=levels, colors="0.75", linewidths=0.8)
    path = model.path_[:, :2]
    axis.plot(*path.T, "o-", color=colour, markersize=2.5, linewidth=1.2)
    axis.plot(*path[0], "ks", markersize=6, label="start")
    axis.plot(*best, "k*", markersize=12, label="minimum")
    axis.set(title=f"{name}: {len(path) - 1} updates", xlabel="weight 1", aspect="equal")
axes[0].set_ylabel("weight 2")
axes[0].legend(loc="upper right")
plt.show()

# %%
# Batch descent goes straight downhill: each step is at right angles to the contour it starts from. One
# row at a time the steps point only roughly downhill, and near the minimum they keep wandering, because
# each row would like a slightly different answer. Mini-batches lie between. Yet batch descent has read
# the data twenty times for its twenty steps, and the other two only once.
for name, model in models.items():
    print(f"{name:9}  rows read: {len(X) * model.n_iter_:4}  updates: {model.n_updates_:3}", end="  ")
    print(f"distance from the minimum: {np.linalg.norm(model.coef_ - best):.3f}")
