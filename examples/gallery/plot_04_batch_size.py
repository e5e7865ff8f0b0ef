"""
The batch size M
================

Small batches make many cheap and noisy updates, large batches few and steady ones. Which is better
depends on what one pays for: passes over the data, or time.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDRegressor

rng = np.random.default_rng(0)
n, d = 4000, 20
X = rng.normal(size=(n, d)) * np.geomspace(1, 0.1, d)
y = X @ rng.normal(size=d) + 0.5 * rng.normal(size=n)
best = np.linalg.lstsq(X, y)[0]
lowest = ((X @ best - y) ** 2).mean() / 2

# %%
# Every run uses half the largest stable rate of its batch size, which is what theory advises:
#
# .. math:: \eta_{\max}(M) = \frac{2}{(1 - 1/M)\,\lambda_{\max} + R^2 / M},
#
# where :math:`\lambda_{\max}` is the largest eigenvalue of :math:`X^\top X / n` and :math:`R^2 = \sum_i
# |x_i|^4 / \sum_i |x_i|^2` measures the length of single rows. Larger batches bear larger rates, until
# :math:`M` is about :math:`R^2 / \lambda_{\max}`: beyond it, the rate hardly grows and doubling M just
# halves the number of updates.
lengths = (X**2).sum(axis=1)
largest = np.linalg.eigvalsh(X.T @ X / n)[-1]
R2 = (lengths**2).sum() / lengths.sum()
print(f"beyond M = {R2 / largest + 1:.0f} larger batches save no passes")

sizes = [1, 4, 16, 64, 256, n]
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 4.4), layout="constrained", sharey=True)
colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(sizes)))
for M, colour in zip(sizes, colours, strict=True):
    model = GDRegressor(
        solver="minibatch",
        batch_size=M,
        learning_rate=1 / ((1 - 1 / M) * largest + R2 / M),
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
