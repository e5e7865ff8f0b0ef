"""
Why features should be scaled
=============================

Features in very different units, such as metres and millimetres, make a long, narrow valley. Both
directions share one learning rate: the steep direction limits it, and along the flat direction it is
then far too low. Scaling makes the valley round.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import StandardScaler

from skgd import DescentPathDisplay, GDRegressor, LossCurveDisplay
from skgd.learning_rate import largest_stable_learning_rate

rng = np.random.default_rng(0)
raw = rng.normal(size=(300, 2)) * [1.0, 8.0]  # the second feature is in smaller units
y = raw @ [2.0, 0.25] + rng.normal(size=300)
y = y - y.mean()
features = {"raw features": raw, "standardised features": StandardScaler().fit_transform(raw)}

# %%
# The condition number is the ratio of the largest to the smallest curvature. Together with the largest
# stable rate it determines the best constant rate, :math:`\eta_{\max} / (1 + 1 / \kappa)`. Both versions
# of the features use their best rate for 12 batch updates.
models = {}
for name, X in features.items():
    limit = largest_stable_learning_rate(X, solver="batch", fit_intercept=False)
    rate = limit / (1 + 1 / limit.condition)
    print(f"{name:22} condition number {limit.condition:4.1f}, best rate {rate:.3f}")
    model = GDRegressor(solver="batch", learning_rate=rate, max_iter=12, record_path=True)
    model.set_params(alpha=0, fit_intercept=False, tol=None, average=False)
    models[name] = model.fit(X, y)

# %%
figure, axes = plt.subplots(2, 1, figsize=(6, 7.5), height_ratios=(1, 3), layout="constrained")
for axis, (name, X) in zip(axes, features.items(), strict=True):
    DescentPathDisplay.from_estimator(models[name], X, y, name="path", ax=axis)
    axis.set(title=name, aspect="equal")
axes[0].get_legend().remove()
plt.show()

# %%
# The raw features make a narrow valley: the path zigzags between its walls and moves slowly along it. If
# the contours are round, the first step points to the minimum and almost reaches it.
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
LossCurveDisplay.from_estimators(models, ax=axis)
plt.show()

# %%
# In practice, put a ``StandardScaler`` in front of the estimator, or let it use standardised coordinates
# with ``standardize=True``: the data is then not copied, and ``coef_`` refers to the original features.
model = GDRegressor(solver="batch", standardize=True, alpha=0, tol=1e-10).fit(raw, y)
print(model.coef_.round(2), "after", model.n_iter_, "updates")
