"""
The batch size M
================

Small batches make many cheap and noisy updates, large batches few and steady ones. Which is better
depends on what one pays for: passes over the data, or time.
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
# Every run uses half the largest stable rate of its batch size, which is what theory advises. Larger
# batches bear larger rates, up to a point: beyond the critical batch size the rate hardly grows, and
# doubling M just halves the number of updates.
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
# Left: in passes over the data, small batches fall fastest at first, and then hover at a level set by
# their noise: the smaller the batch and the higher the rate, the higher the level. Right: per update,
# it is the other way round. A pass costs about the same for every M in skgd, since the loop is
# compiled; with a larger M rows are read together, which pays for models with many parameters.
