"""
Losses and outliers
===================

With the squared error, the influence of a point is proportional to its distance from the line. Other
losses limit the influence of outliers or estimate a quantile instead of the mean, and you can define your
own.
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
# A custom loss returns values and slopes for a block of rows. The slope of the Cauchy loss tends to zero,
# so points that are far away have almost no influence.
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
# The same code plots the losses and fits a line with each of them.
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
# The twelve failed readings pull the line of the squared error down. The losses with a bounded slope are
# more robust, and the line of the Cauchy loss fits the other points as if the failed readings did not exist.
# The line of the 90 % quantile has 90 % of the points below it.
