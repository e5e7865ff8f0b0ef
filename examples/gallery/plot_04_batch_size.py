"""
The batch size M
================

Small batches make many cheap, noisy updates, large batches make few, accurate ones. Which is better
depends on whether passes over the data or updates are counted.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDRegressor
from skgd.learning_rate import largest_stable_learning_rate

rng = np.random.default_rng(0)
n, d = 4000, 20
X = rng.normal(size=(n, d)) * np.geomspace(1, 0.1, d)
y = X @ rng.normal(size=d) + 0.5 * rng.normal(size=n)
best = np.linalg.lstsq(X, y)[0]
lowest = ((X @ best - y) ** 2).mean() / 2

# %%
# Every run uses half the largest stable rate for its batch size, as theory recommends. Larger batches
# allow higher rates, up to a point: beyond the critical batch size the rate hardly increases, and doubling
# M only halves the number of updates.
for M in (1, 4, 16, 64):
    limit = largest_stable_learning_rate(X, batch_size=M, fit_intercept=False)
    print(f"M = {M:2}: largest stable rate {limit:.2f}")
print(f"beyond M = {limit.critical_batch_size:.0f} larger batches save no passes")

# %%
sizes = [1, 4, 16, 64, 256, n]
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 4.4), layout="constrained", sharey=True)
colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(sizes)))
for M, colour in zip(sizes, colours, strict=True):
    model = GDRegressor(
        solver="minibatch",
        batch_size=M,
        learning_rate=largest_stable_learning_rate(X, batch_size=M, fit_intercept=False) / 2,
        alpha=0,
        fit_intercept=False,
        max_iter=12,
        tol=None,
        check_every=max(1, n // (4 * M)),
        average=False,
        record_path=True,
        random_state=0,
    ).fit(X, y)
    gaps = [((X @ w - y) ** 2).mean() / 2 - lowest for w in model.path_[:, :d]]
    label = f"M = {M}" if n > M else "M = n (batch)"
    passes, updates = (np.concatenate([[0], model.history_[key]]) for key in ("epoch", "update"))
    left.semilogy(updates * M / n, gaps, color=colour, label=label)
    right.loglog(updates[1:], gaps[1:], color=colour)
left.set(xlabel="passes over the data", ylabel="cost above its minimum")
right.set(xlabel="updates")
figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %%
# Left: against passes over the data, the cost of small batches decreases fastest at first, and then stays
# at a level set by their noise: the smaller the batch and the higher the rate, the higher this level.
# Right: against updates, large batches are better. In skgd a pass takes about the same time for every M,
# because the loop is compiled; for models with many parameters, larger batches are more efficient.
