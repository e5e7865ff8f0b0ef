"""
Penalties and weights
=====================

With increasing ``alpha`` the weights shrink: smoothly with l2, one after the other to exact zeros with l1;
the elastic net combines both effects.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

from skgd import GDRegressor

data = load_diabetes(as_frame=True)
X, y = StandardScaler().fit_transform(data.data), data.target
y = (y - y.mean()) / y.std()

# %%
# One fit per value of ``alpha``, from the strongest penalty to the weakest; with ``warm_start=True`` each
# fit starts where the last one ended.
alphas = np.geomspace(3, 1e-3, 40)
figure, axes = plt.subplots(1, 3, figsize=(7.5, 4), layout="constrained", sharey=True)
for axis, penalty in zip(axes, ["l2", "elasticnet", "l1"], strict=True):
    model = GDRegressor(solver="batch", penalty=penalty, l1_ratio=0.5, tol=1e-8, warm_start=True)
    weights = np.array([model.set_params(alpha=alpha).fit(X, y).coef_ for alpha in alphas])
    zeros = (weights == 0).sum(axis=1)
    axis.semilogx(alphas, weights, linewidth=1.3)
    axis.axhline(0, color="0.4", linewidth=0.8)
    axis.set(title=f"{penalty}\n{zeros[np.argmin(abs(alphas - 0.1))]} zeros at alpha 0.1", xlabel="alpha")
axes[0].set_ylabel("weights of the ten standardised features")
plt.show()

# %%
# The intercept is never penalised, and ``alpha`` means the same for every solver and batch size.
