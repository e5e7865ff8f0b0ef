"""
Quantiles and their coverage
============================

One fit estimates several quantiles. Whether they are right can be counted: below the quantile 0.9 should lie
nine tenths of the targets. Conformal prediction turns two quantiles into intervals whose coverage is
guaranteed.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDMLPRegressor
from skgd.losses import Quantile

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, 6000)
y = np.sin(2 * x) + x / 2 + (0.1 + 0.4 * np.abs(x)) * rng.gumbel(size=6000)
X, train, test = x[:, None], slice(0, 3000), slice(3000, None)

# %%
# Five quantiles in one network. Its predictions have a column for each, and never cross.
levels = [0.05, 0.25, 0.5, 0.75, 0.95]
network = GDMLPRegressor(Quantile(levels), hidden_layer_sizes=(32, 32), max_iter=60, tol=None, random_state=0)
network.fit(X[train], y[train])
grid = np.linspace(-3, 3, 300)[:, None]
curves = network.predict(grid)

figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained", width_ratios=[2, 1])
left.plot(x[test], y[test], ".", color="0.8", markersize=2)
for k in range(2):
    left.fill_between(grid.ravel(), curves[:, k], curves[:, -1 - k], alpha=0.3, color="C0", linewidth=0)
left.plot(grid, curves[:, 2], color="C0", label="median")
left.set(title="quantiles 0.05 to 0.95", xlabel="x", ylabel="y", ylim=(-3, 6))
left.legend()
shares = (y[test, None] <= network.predict(X[test])).mean(axis=0)
right.plot([0, 1], [0, 1], color="0.6")
right.plot(levels, shares, "o")
right.set(title="share below", xlabel="quantile", ylabel="of the test targets", aspect="equal")
plt.show()

# %%
# The points lie near the line: the model is calibrated. A network that fits its training rows too closely is
# not. Several networks that each hold out other rows tell by how much their quantiles have to move;
# ``predict_interval`` does that. Here are 300 rows with ten columns beside x that mean nothing, and the
# coverage of 90 % intervals on the test rows: of the raw quantiles of one network, and of the conformal ones.
few, wide = slice(0, 300), np.hstack([X, rng.normal(size=(6000, 10))])
options = {"hidden_layer_sizes": (32, 32), "max_iter": 200, "random_state": 0}
one = GDMLPRegressor(Quantile([0.05, 0.95]), tol=None, **options).fit(wide[few], y[few])
several = GDMLPRegressor(Quantile([0.05, 0.95]), n_members=5, early_stopping=True, **options)
several.fit(wide[few], y[few])


def coverage(bounds):
    low, high = bounds.T
    return float(((low <= y[test]) & (y[test] <= high)).mean().round(3))


{
    "raw": coverage(one.predict(wide[test])),
    "conformal": coverage(several.predict_interval(wide[test], coverage=0.9)),
}
