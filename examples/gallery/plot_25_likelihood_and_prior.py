r"""
Log loss is a likelihood, l2 a prior
====================================

If a row is of class 1 with probability :math:`p_i = 1 / (1 + e^{-z_i})`, the probability of all labels is
the *likelihood* :math:`\prod_i p_i^{y_i} (1 - p_i)^{1 - y_i}`. Its negative logarithm, over n, is the log
loss: the smallest loss is at the largest likelihood. Who thinks, before any row is seen, that weights are
normal about zero with variance :math:`\tau^2` multiplies by that *prior*; its negative logarithm over n is
:math:`\frac{1}{n \tau^2} \frac{\|w\|^2}{2}`, the l2 penalty with :math:`\alpha = 1 / (n \tau^2)`.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit

from skgd import GDClassifier

rng = np.random.default_rng(3)
n = 12
X = rng.normal(size=(n, 1))
y = (rng.uniform(size=n) < expit(2 * X[:, 0])).astype(int)

# %%
# One weight and no intercept, so that all of it can be drawn. ``objective`` is the loss with the penalty; the
# exponential of -n times it is likelihood times prior, the *posterior*, up to a factor.
grid = np.linspace(-2, 8, 400)


def curve(alpha):
    model = GDClassifier(alpha=alpha, fit_intercept=False)
    loss = np.array([model.objective(X, y, coef=[[w]])[0] for w in grid])
    density = np.exp(-n * (loss - loss.min()))
    return density / density.max()


figure, axes = plt.subplots(3, 1, figsize=(7, 5), layout="constrained", sharex=True)
for axis, tau in zip(axes, (0.5, 1.0, 3.0), strict=True):
    alpha = 1 / (n * tau**2)
    axis.plot(grid, np.exp(-(grid**2) / (2 * tau**2)), color="0.6", label="prior")
    axis.plot(grid, curve(0.0), color="C0", label="likelihood")
    axis.plot(grid, curve(alpha), color="C1", label="posterior")
    fitted = GDClassifier(solver="batch", alpha=alpha, fit_intercept=False, tol=1e-10).fit(X, y).coef_[0, 0]
    axis.axvline(fitted, color="C1", linestyle=":", label="fit")
    axis.set(title=f"τ = {tau:g}: alpha = {alpha:.3f}", ylabel="height", yticks=[])
axes[0].legend(loc="upper right")
axes[-1].set(xlabel="w")
plt.show()

# %%
# The fit is at the top of the posterior (*maximum a posteriori*). A narrow prior pulls it to zero; a wide one
# leaves it to the likelihood. As rows are added the likelihood gets narrow and the prior matters less: with
# the same :math:`\tau`, :math:`\alpha` falls as 1/n.
for rows in (12, 120, 1200, 12_000):
    Z = rng.normal(size=(rows, 1))
    labels = (rng.uniform(size=rows) < expit(2 * Z[:, 0])).astype(int)
    shared = {"solver": "batch", "fit_intercept": False, "tol": 1e-10}
    free = GDClassifier(penalty=None, **shared).fit(Z, labels).coef_[0, 0]
    narrow = GDClassifier(alpha=1 / (rows * 0.25), **shared).fit(Z, labels).coef_[0, 0]
    print(f"{rows:6} rows: most likely w {free:.2f}, with a prior of τ = 0.5 {narrow:.2f}")
