"""
Why features should be scaled
=============================

Metres beside millimetres make a long, narrow valley. One learning rate must serve both directions: the
steep one caps it, and along the flat one it is then far too low. Scaling makes the valley round.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import StandardScaler

from skgd import GDRegressor

rng = np.random.default_rng(0)
raw = rng.normal(size=(300, 2)) * [1.0, 8.0]  # the second feature is in smaller units
y = raw @ [2.0, 0.25] + rng.normal(size=300)
scaled = StandardScaler().fit_transform(raw)
y = y - y.mean()

# %%
# For each version of the features we take the best constant learning rate, 2 / (smallest + largest
# curvature), and make 12 batch updates.


def surface(X, w1, w2):
    grid = np.stack([w1.ravel(), w2.ravel()])
    return (((X @ grid - y[:, None]) ** 2).mean(axis=0) / 2).reshape(w1.shape)


figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for axis, (name, X), colour in zip(
    axes[:2], {"raw features": raw, "standardised features": scaled}.items(), ["C1", "C0"], strict=True
):
    curvatures = np.linalg.eigvalsh(X.T @ X / len(X))
    rate = 2 / (curvatures[0] + curvatures[-1])
    model = GDRegressor(
        solver="batch",
        learning_rate=rate,
        alpha=0,
        fit_intercept=False,
        max_iter=12,
        tol=None,
        average=False,
        record_path=True,
    ).fit(X, y)
    best = np.linalg.lstsq(X, y)[0]
    lowest = ((X @ best - y) ** 2).mean() / 2
    path = model.path_[:, :2]
    far = 1.25 * np.abs(path - best).max(axis=0).max()
    w1, w2 = np.meshgrid(*(np.linspace(c - far, c + far, 150) for c in best))
    axis.contour(
        w1, w2, surface(X, w1, w2), levels=lowest + np.geomspace(0.01, 100, 14), colors="0.75", linewidths=0.8
    )
    axis.plot(*path.T, "o-", color=colour, markersize=3.5)
    axis.plot(*best, "k*", markersize=12)
    condition = curvatures[-1] / curvatures[0]
    axis.set(
        title=f"{name}\ncondition number {condition:.1f}, rate {rate:.3f}",
        xlabel="weight 1",
        ylabel="weight 2",
    )
    gaps = ((X @ path.T - y[:, None]) ** 2).mean(axis=0) / 2 - lowest
    axes[2].semilogy(np.maximum(gaps, 1e-12), "o-", color=colour, markersize=3.5, label=name)
axes[2].set(xlabel="update", ylabel="cost above its minimum", title="The same number of updates")
axes[2].legend()
plt.show()

# %%
# In practice put a ``StandardScaler`` in front of the estimator, or let it descend in standardised
# coordinates with ``standardize=True``: the data is then not copied, and ``coef_`` belongs to the
# original features.
model = GDRegressor(solver="batch", standardize=True, alpha=0, tol=1e-10).fit(raw, y)
print(model.coef_.round(2), "after", model.n_iter_, "updates")
