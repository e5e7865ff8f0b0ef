"""
Optimizers on a ravine
======================

In a ravine, the gradient points to the opposite wall rather than along the bottom. Optimizers use past
gradients to do better: with momentum, the components across the ravine cancel; adaptive rules use a
separate rate for every weight.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import DescentPathDisplay, GDRegressor
from skgd.optimizers import Adagrad, Adam, Momentum, Nesterov, Plain, RMSProp

# %%
# A least-squares problem with two rows and the cost
# :math:`F(w) = \frac12 (0.05\, w_1^2 + 2\, w_2^2)`. Its curvature is forty times as large in one direction
# as in the other.
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

models = {}
for name, (optimizer, rate) in optimizers.items():
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
    models[f"{name}, rate {rate}: cost {np.mean((X @ model.coef_) ** 2) / 2:.4f}"] = model

names = list(models)
figure, axes = plt.subplots(2, 1, figsize=(7, 8), layout="constrained")
for axis, some in zip(axes, (names[:3], names[3:]), strict=True):
    DescentPathDisplay.from_estimators({name: models[name] for name in some}, X, y, ax=axis)
plt.show()

# %%
# All paths have 30 updates. The plain rule crosses the ravine at every step and moves slowly along it,
# because the steep walls limit its rate (to less than 2 / 2 = 1). Momentum accelerates along the bottom,
# overshoots a little and comes back. The adaptive rules divide each weight's step by the size of its
# past gradients, which compensates for different curvatures along the two weights. Batch descent with
# ``learning_rate="auto"`` estimates the curvature during the descent (Barzilai-Borwein steps):
auto = GDRegressor(solver="batch", alpha=0, fit_intercept=False, max_iter=30, tol=None).fit(
    X, y, coef_init=start
)
print(f"auto: cost {auto.loss_:.1e}")
