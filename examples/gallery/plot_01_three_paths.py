"""
Batch, mini-batch and stochastic descent
========================================

Batch, stochastic and mini-batch gradient descent minimise the same function. They differ in how many
rows of the data each update uses, and therefore in the cost and the accuracy of a step.
With two weights the function is a surface over the plane, and the whole descent can be drawn.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import DescentPathDisplay, GDRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 2)) @ [[1.0, 0.0], [0.7, 0.7]]
y = X @ [2.0, -1.0] + rng.normal(size=60)

# %%
# All three make 60 updates: batch descent with all 60 rows each time, mini-batch descent with ten rows,
# stochastic descent with one row. ``record_path=True`` stores the weights at every check, and
# ``check_every=1`` checks after every update. With a fixed learning rate and ``average=False`` the path
# shows the updates as they are.
shared = {"alpha": 0, "fit_intercept": False, "tol": None, "average": False, "random_state": 0}
shared |= {"record_path": True, "check_every": 1}
models = {
    "batch": GDRegressor(solver="batch", learning_rate=0.3, max_iter=60, **shared),
    "minibatch": GDRegressor(solver="minibatch", batch_size=10, learning_rate=0.3, max_iter=10, **shared),
    "sgd": GDRegressor(solver="sgd", learning_rate=0.15, max_iter=1, **shared),
}
for model in models.values():
    model.fit(X, y)

# %%
# The contours are lines of equal cost :math:`F(w) = \frac{1}{2n} \sum_i (x_i^\top w - y_i)^2`.
figure, axis = plt.subplots(figsize=(7, 5.2), layout="constrained")
display = DescentPathDisplay.from_estimators(models, X, y, ax=axis)
axis.set_aspect("equal")
plt.show()

# %%
# Batch descent goes straight downhill: each step is perpendicular to the contour at its starting point.
# Steps computed from one row point downhill only roughly, and near the minimum they keep fluctuating,
# because each row has a slightly different minimum of its own. Mini-batches are in between.
#
# The same as an animation, one update per frame:
figure, axis = plt.subplots(figsize=(6, 4.4))
animation = display.animate(interval=150, ax=axis)
axis.set_aspect("equal")
plt.show()

# %%
# For 60 updates, batch descent has read the data sixty times, mini-batch descent ten times, and
# stochastic descent once. Batch descent ends closest to the minimum, at the highest cost.
best = np.linalg.lstsq(X, y)[0]
for name, model in models.items():
    print(f"{name:9}  rows read: {len(X) * model.n_iter_:4}  updates: {model.n_updates_}", end="  ")
    print(f"distance from the minimum: {np.linalg.norm(model.coef_ - best):.3f}")
