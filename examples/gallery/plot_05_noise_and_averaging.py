"""
Noise, and what averaging does about it
=======================================

With a constant rate stochastic descent never settles: it circles the minimum, at a distance that grows
with the rate. The mean of its iterates lies in the middle of the circle.
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
# ``average=300`` offers the mean of all iterates from update 300 on; before that, and with
# ``average=False``, the path is that of the last iterate.
last = GDRegressor(learning_rate=0.1, average=False, **shared).fit(X, y)
mean = GDRegressor(learning_rate=0.1, average=300, **shared).fit(X, y)
falling = GDRegressor(learning_rate=0.1, average=False, schedule=lambda t: 1 / (1 + t / 100), **shared).fit(
    X, y
)

runs = {"last iterate": (last, "0.7"), "falling rate": (falling, "C0"), "mean of the iterates": (mean, "C1")}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
for name, (model, colour) in runs.items():
    path = model.path_[:, :2]
    left.plot(*path[300:].T, color=colour, linewidth=0.7 if colour == "0.7" else 1.3, label=name)
    right.loglog(
        np.arange(1, len(path)), np.linalg.norm(path[1:] - best, axis=1), color=colour, linewidth=0.8
    )
left.plot(*best, "k*", markersize=13, zorder=5, label="minimum")
left.set(
    title="from update 300 on",
    xlabel="weight 1",
    ylabel="weight 2",
    xlim=(0.4, 1.6),
    ylim=(0.4, 1.6),
    aspect="equal",
)
left.legend(loc="upper left", fontsize="small")
right.set(xlabel="update", ylabel="distance from the minimum")
plt.show()

# %%
# The two cures are different. A falling rate quietens the iterates themselves, and has to know how fast
# to fall; averaging leaves them noisy and cancels the noise, so that the rate may stay high. The
# default, ``learning_rate="auto"`` with ``average="auto"``, does both: a mean that forgets early
# iterates, of iterates whose rate falls slowly.
auto = GDRegressor(solver="sgd", alpha=0, fit_intercept=False, random_state=0).fit(X, y)
for name, model in {**{name: model for name, (model, _) in runs.items()}, "auto": auto}.items():
    print(f"{name:21} {np.linalg.norm(model.coef_ - best):.4f}")
