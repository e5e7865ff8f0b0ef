"""
Noise and averaging
===================

With a constant rate, stochastic descent does not converge to the minimum: it fluctuates around it, at a
distance that grows with the rate. The mean of the iterates is much closer to the minimum.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDRegressor

rng = np.random.default_rng(3)
X = rng.normal(size=(1000, 2))
y = X @ [1.0, 1.0] + rng.normal(size=1000)
best = np.linalg.lstsq(X, y)[0]
shared = {
    "solver": "sgd",
    "alpha": 0,
    "fit_intercept": False,
    "max_iter": 3,
    "tol": None,
    "record_path": True,
    "check_every": 1,
    "random_state": 0,
}

# %%
# ``average=300`` returns the mean of all iterates from update 300 on; before that, and with
# ``average=False``, the path shows the last iterate.
last = GDRegressor(learning_rate=0.1, average=False, **shared).fit(X, y)
mean = GDRegressor(learning_rate=0.1, average=300, **shared).fit(X, y)
falling = GDRegressor(learning_rate=0.1, average=False, schedule=lambda t: 1 / (1 + t / 100), **shared).fit(
    X, y
)

models = {"last iterate": last, "falling rate": falling, "mean of the iterates": mean}
colours = {"last iterate": "0.7", "falling rate": "C0", "mean of the iterates": "C1"}
figure, axis = plt.subplots(figsize=(7, 6), layout="constrained")
for name, model in models.items():
    axis.plot(*model.path_[300:, :2].T, color=colours[name], linewidth=1, label=name)
axis.plot(*best, "*", color="#F0E442", markeredgecolor="black", markersize=15, zorder=5, label="optimum")
axis.set(xlim=(0.4, 1.6), ylim=(0.4, 1.6), aspect="equal", title="From update 300 on")
axis.set(xlabel="weight 0", ylabel="weight 1")
axis.legend(loc="upper left")
plt.show()

# %%
# The distance from the minimum, update by update.
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for name, model in models.items():
    distance = np.linalg.norm(model.path_[1:, :2] - best, axis=1)
    axis.loglog(model.history_["update"], distance, color=colours[name], linewidth=0.8, label=name)
axis.set(xlabel="update", ylabel="distance from the minimum")
axis.legend()
plt.show()

# %%
# The two remedies work differently. A decreasing rate reduces the noise of the iterates themselves, but
# how fast it should decrease has to be chosen; averaging cancels the noise of the iterates, so the rate can
# stay high. The default, ``learning_rate="auto"`` with ``average="auto"``, does both: it decreases the
# rate slowly, and averages with less weight on early iterates.
auto = GDRegressor(solver="sgd", alpha=0, fit_intercept=False, random_state=0).fit(X, y)
for name, model in {**models, "auto": auto}.items():
    print(f"{name:21} {np.linalg.norm(model.coef_ - best):.4f}")
