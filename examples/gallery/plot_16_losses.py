"""
The loss decides what an outlier may do
=======================================

The squared error lets a point pull twice as hard when it lies twice as far away. Other losses limit the
pull, aim at a quantile instead of the mean, or are your own.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDRegressor
from skgd.losses import AbsoluteError, Huber, Loss, Quantile, SquaredError

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 10, 120))
y = 1 + 0.5 * x + 0.4 * rng.normal(size=120)
y[-12:] -= 7  # a sensor that failed


# %%
# A loss of one's own gives values and slopes together, for a whole block of rows. Cauchy's forgets what
# is far away altogether: its slope falls back to zero.
class Cauchy(Loss):
    bounded_slope = True

    def value_and_slope(self, y, raw):
        residual = raw - y.reshape(raw.shape)
        return np.log1p(residual**2).sum(axis=1) / 2, residual / (1 + residual**2)


losses = {
    "squared error": SquaredError(),
    "absolute error": AbsoluteError(),
    "Huber": Huber(epsilon=1.0),
    "90 % quantile": Quantile(quantile=0.9),
    "Cauchy (our own)": Cauchy(),
}

# %%
# The same code draws all of them, and fits all of them.
residuals = np.linspace(-4, 4, 401)
figure, axes = plt.subplot_mosaic([["loss", "slope"], ["fit", "fit"]], figsize=(7, 7), layout="constrained")
left, middle, right = axes.values()
right.plot(x, y, "o", color="0.75", markersize=4)
for (name, loss), style in zip(losses.items(), ["-", "--", "-.", ":", "-"], strict=True):
    values, slopes = loss.value_and_slope(np.zeros(401), residuals[:, None])
    left.plot(residuals, values, style, label=name)
    middle.plot(residuals, slopes.ravel(), style)
    model = GDRegressor(loss, solver="batch", standardize=True, alpha=0, max_iter=5000, tol=1e-8)
    model.fit(x[:, None], y)
    right.plot(x, model.predict(x[:, None]), style)
left.set(title="loss", xlabel="prediction minus target", ylim=(-0.2, 5))
middle.set(title="slope: the pull of a point", xlabel="prediction minus target")
right.set(title="fitted lines", xlabel="x", ylabel="y")
left.legend(loc="upper center")
plt.show()

# %%
# Twelve failed readings drag the squared error's line down. Limited pulls resist, and Cauchy's line
# passes through the healthy points as if there were no others. The quantile's line has nine points in
# ten below it.
