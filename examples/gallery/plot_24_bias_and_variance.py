"""
Bias and variance
=================

A model that is too simple is wrong in the same way on all data: it has *bias*. One that is too flexible
follows the noise of its training rows, and would look different on others: it has *variance*. Here both are
measured, and then found again in a validation curve, which needs one data set only.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import ValidationCurveDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from skgd import GDRegressor

rng = np.random.default_rng(0)


def truth(x):
    return np.sin(2 * x) + x / 2


def sample(n=60):
    x = rng.uniform(-2, 2, n)
    return x[:, None], truth(x) + 0.5 * rng.normal(size=n)


def model(alpha):
    curve = SplineTransformer(n_knots=20, extrapolation="continue")
    return make_pipeline(curve, GDRegressor(solver="batch", alpha=alpha, tol=1e-7, max_iter=5000))


# %%
# A curve of 22 splines, fitted to 30 samples of 60 rows each, under penalties of three strengths. The thin
# lines are the fits, the thick one is their mean. Its distance from the truth (dashed) is the bias; the
# scatter of the thin lines about it is the variance.
grid = np.linspace(-1.9, 1.9, 100)
samples = [sample() for _ in range(30)]
figure, axes = plt.subplots(1, 3, figsize=(7, 3.2), layout="constrained", sharey=True)
for axis, alpha in zip(axes, (0.1, 0.002, 1e-7), strict=True):
    fits = np.array([model(alpha).fit(X, y).predict(grid[:, None]) for X, y in samples])
    bias = np.mean((fits.mean(axis=0) - truth(grid)) ** 2)
    variance = fits.var(axis=0).mean()
    axis.plot(grid, fits.T, color="C0", alpha=0.15, linewidth=1)
    axis.plot(grid, fits.mean(axis=0), color="C0", linewidth=2)
    axis.plot(grid, truth(grid), "--", color="0.2")
    axis.set_title(f"alpha = {alpha:g}\nbias² {bias:.3f}\nvariance {variance:.3f}", fontsize="small")
    axis.set(ylim=(-2.6, 2.6))
plt.show()

# %%
# Their sum, with the variance 0.25 of the noise, is the expected squared error on new rows (halved, it is the
# loss). Who has one sample only sees the sum, in cross-validation:
X, y = sample()
figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
display = ValidationCurveDisplay.from_estimator(
    model(1.0),
    X,
    y,
    param_name="gdregressor__alpha",
    param_range=np.geomspace(3e-5, 1, 10),
    scoring="neg_mean_squared_error",
    negate_score=True,
    score_name="mean squared error",
    ax=axis,
)
axis.set(xlabel="alpha", ylim=(0, 1.6))
plt.show()

# %%
# On the right both errors are high: bias. On the left the training error is low and the test error is not:
# variance. More rows help against the second, a richer model against the first.
