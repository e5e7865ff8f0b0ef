"""
Optimizers on a ravine
======================

In a ravine the gradient points at the opposite wall rather than along the bottom. Optimizers remember
past gradients to do better: momentum lets the crossing parts cancel, adaptive rules give every weight a
rate of its own.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDRegressor
from skgd.optimizers import Adagrad, Adam, Momentum, Nesterov, Plain, RMSProp

# %%
# A least-squares problem with the cost :math:`F(w) = \frac12 (0.05\, w_1^2 + 2\, w_2^2)`: two rows are
# enough. The valley is forty times as steep in one direction as in the other.
X = np.diag(np.sqrt([2 * 0.05, 2 * 2.0]))
y = np.zeros(2)
start = np.array([-9.0, 2.0])

optimizers = {
    "plain": (Plain(), 0.9),
    "momentum": (Momentum(beta=0.8), 0.35),
    "Nesterov": (Nesterov(beta=0.8), 0.35),
    "Adagrad": (Adagrad(), 2.0),
    "RMSProp": (RMSProp(), 0.35),
    "Adam": (Adam(beta_1=0.8, beta_2=0.95), 0.7),
}
w1, w2 = np.meshgrid(np.linspace(-10.5, 3, 150), np.linspace(-3, 3, 100))
cost = 0.5 * (0.05 * w1**2 + 2 * w2**2)

figure, axes = plt.subplots(2, 3, figsize=(12, 5.6), layout="constrained", sharex=True, sharey=True)
for axis, (name, (optimizer, rate)), i in zip(axes.flat, optimizers.items(), range(6), strict=True):
    model = GDRegressor(
        solver="batch",
        optimizer=optimizer,
        learning_rate=rate,
        alpha=0,
        fit_intercept=False,
        max_iter=30,
        tol=None,
        average=False,
        record_path=True,
    ).fit(X, y, coef_init=start)
    axis.contour(w1, w2, cost, levels=np.geomspace(0.01, 12, 12), colors="0.8", linewidths=0.8)
    path = model.path_[:, :2]
    axis.plot(*path.T, "o-", color=f"C{i % 6}", markersize=3, linewidth=1.2)
    axis.plot(0, 0, "k*", markersize=12)
    axis.set_title(f"{name}, rate {rate}: cost {0.5 * (0.05 * path[-1, 0] ** 2 + 2 * path[-1, 1] ** 2):.4f}")
for axis in axes[1]:
    axis.set_xlabel("weight 1")
for axis in axes[:, 0]:
    axis.set_ylabel("weight 2")
plt.show()

# %%
# All paths have 30 updates. The plain rule crosses the ravine at every step and creeps along it, held
# back by the steep walls (its rate must stay below 2 / 2 = 1). Momentum gathers speed along the bottom,
# overshoots a little and comes back. The adaptive rules divide each weight's step by the size of its
# past gradients, which makes the ravine round, whatever the units of the two weights. Batch descent by
# ``learning_rate="auto"`` instead measures the curvature as it goes (Barzilai-Borwein steps):
auto = GDRegressor(solver="batch", alpha=0, fit_intercept=False, max_iter=30, tol=None).fit(
    X, y, coef_init=start
)
print(f"auto: cost {auto.loss_:.1e}")
