"""
A learning rate too low, right, and too high
============================================

The learning rate sets how far a step moves along the gradient. If it is too low, the minimum is not
reached in reasonable time; if it is too high, each step overshoots by more than the last one.
"""

import warnings
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np

from skgd import DescentPathDisplay, DivergenceError, GDRegressor, LearningRateDisplay, LossCurveDisplay
from skgd.learning_rate import largest_stable_learning_rate

rng = np.random.default_rng(1)
X = rng.normal(size=(300, 2)) * [1.0, 0.5]
y = X @ [1.5, 2.0] + 0.3 * rng.normal(size=300)

# %%
# The limit follows from the data, without any training.
limit = largest_stable_learning_rate(X, solver="batch", fit_intercept=False)
print(f"largest stable learning rate: {limit:.3f}")

# %%
# Below half the limit the steps never overshoot; between half the limit and the limit the path zigzags
# but still converges. At 1.02 times the limit every step overshoots more than the one before. (Twenty
# such updates do not overflow yet, so the result is a warning and not an error.)
rates = {"too low": 0.03 * limit, "right": 0.5 * limit, "high": 0.95 * limit, "too high": 1.02 * limit}
shared = {"solver": "batch", "alpha": 0, "fit_intercept": False, "average": False, "tol": None}
models = {}
for name, rate in rates.items():
    model = GDRegressor(learning_rate=rate, max_iter=20, record_path=True, **shared)
    with warnings.catch_warnings(record=True) as heard:
        models[f"{name}: {rate:.2f}"] = model.fit(X, y)
print(fill(str(heard[0].message)))

# %%
figure, axes = plt.subplots(2, 2, figsize=(7, 5.8), layout="constrained")
for axis, (name, model) in zip(axes.flat, models.items(), strict=True):
    DescentPathDisplay.from_estimator(model, X, y, name="path", ax=axis)
    axis.set_title(name)
    if axis is not axes[0, 0]:
        axis.get_legend().remove()
plt.show()

# %%
# The cost along these paths. The cost of the last one soon increases by the same factor at every step.
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
LossCurveDisplay.from_estimators(models, ax=axis)
plt.show()

# %%
# If the cost explodes, skgd raises an error that reports the limit.
try:
    GDRegressor(learning_rate=100.0, **shared).fit(X, y)
except DivergenceError as error:
    print(fill(str(error)))

# %%
# Forty rates, each for 20 updates from the same start: on the left the rates are too low for 20 updates,
# on the right updates overshoot.
figure, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
display = LearningRateDisplay.from_estimator(GDRegressor(**shared), X, y, ax=axis)
plt.show()
print(f"suggestion: {display.suggestion_:.2f}")

# %%
# With ``learning_rate="auto"``, the default, the rate is chosen from the data.
auto = GDRegressor(solver="batch", alpha=0, fit_intercept=False, tol=1e-10).fit(X, y)
distance = np.linalg.norm(auto.coef_ - np.linalg.lstsq(X, y)[0])
print(f"started at {auto.learning_rate_:.3f}, {auto.n_iter_} updates, distance {distance:.1e}")
