"""
Learning-rate schedules
=======================

A schedule multiplies the learning rate by a factor that changes from update to update. High rates make
fast progress, low rates reduce the noise: most schedules start high and end low.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

from skgd import GDRegressor
from skgd.schedules import Cosine, Exponential, InvScaling, OneCycle, Polynomial, Step, Warmup

X, y = load_diabetes(return_X_y=True)
X, y = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()

# %%
# The rates over 30 epochs, and the difference between the objective at the end of each epoch and its
# minimum. ``history_`` contains the rates, ``path_`` (with ``record_path=True``) the weights.
schedules = {
    "constant": "constant",
    "invscaling": InvScaling(power=0.4),
    "exponential": Exponential(decay=0.85),
    "step": Step(factor=0.2, period=10),
    "polynomial": Polynomial(power=1.0),
    "cosine": Cosine(),
    "one cycle": OneCycle(),
    "warm-up, then cosine": Warmup(100, then="cosine"),
}
alpha = 1e-3
lowest = GDRegressor(solver="batch", alpha=alpha, tol=1e-12, max_iter=5000).fit(X, y).loss_


def objective(theta):
    w, b = theta[:-1], theta[-1]
    return np.mean((X @ w + b - y) ** 2) / 2 + alpha * (w @ w) / 2


figure, axes = plt.subplots(4, 2, figsize=(7, 9), layout="constrained", sharex=True, sharey=True)
for axis, (name, schedule) in zip(axes.flat, schedules.items(), strict=True):
    model = GDRegressor(
        solver="minibatch",
        batch_size=8,
        learning_rate=0.1,
        schedule=schedule,
        alpha=alpha,
        max_iter=30,
        tol=None,
        average=False,
        record_path=True,
        random_state=0,
    ).fit(X, y)
    gaps = np.array([objective(theta) for theta in model.path_[1:]]) - lowest
    axis.plot(model.history_["epoch"], model.history_["learning_rate"], color="C0", label="learning rate")
    axis.plot(model.history_["epoch"], gaps, color="C1", label="objective above its minimum")
    axis.set(title=f"{name}: gap {gaps[-1]:.4f}", yscale="log", ylim=(1e-4, 1))
for axis in axes[-1]:
    axis.set_xlabel("epoch")
axes[0, 0].legend(loc="lower left")
plt.show()

# %%
# The minimum was computed by batch descent. With a constant rate the weights keep fluctuating. With
# schedules that end low they converge, and those that stay high for longer end lower. Any function of an
# array of update numbers can be used as a schedule, too:
model = GDRegressor(learning_rate=0.1, schedule=lambda t: np.exp(-t / 100), random_state=0).fit(X, y)
print(model.stop_reason_, model.n_iter_)
