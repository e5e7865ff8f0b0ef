"""
What an epoch costs
===================

The time of an epoch against the number of rows and of features, for the three solvers, beside two other
numbers: an epoch of ``SGDRegressor``, and the time in which NumPy reads the data once.
"""

from time import process_time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import SGDRegressor

from skgd import GDRegressor

rng = np.random.default_rng(0)
SOLVERS = {"sgd": 1, "minibatch": 32, "batch": 1}


def data(n, d):
    X = rng.standard_normal((n, d))
    return X, X @ rng.standard_normal(d) / np.sqrt(d)


def seconds(function, repeats=3):
    times = []
    for _ in range(repeats):
        begin = process_time()
        function()
        times.append(process_time() - begin)
    return min(times)


# %%
# What a call costs besides its epochs (validation, the objective at the end) cancels in the difference of two
# fits that differ in ``max_iter`` alone.


def epoch(model, X, y):
    model.set_params(tol=None)
    few, many = 2, 6 + 1_000_000 // X.size  # more epochs of small data, which are soon over
    times = [seconds(lambda k=k: model.set_params(max_iter=k).fit(X, y)) for k in (few, many)]
    return max(times[1] - times[0], 1e-9) / (many - few)


def models():
    for solver, size in SOLVERS.items():
        model = GDRegressor(loss="huber", solver=solver, batch_size=size, learning_rate=1e-3, average=False)
        yield solver, model
    yield "SGDRegressor", SGDRegressor(loss="huber", epsilon=1.35, learning_rate="constant", eta0=1e-3)


def measure(shapes):
    found = {name: [] for name, _ in models()} | {"one reading": []}
    for n, d in shapes:
        X, y = data(n, d)
        for name, model in models():
            found[name].append(epoch(model, X, y))
        found["one reading"].append(seconds(X.sum))
    return found


rows = [(n, 20) for n in (1_000, 4_000, 16_000, 64_000)]
features = [(4_000, d) for d in (10, 30, 100, 300, 1_000)]
by_rows, by_features = measure(rows), measure(features)

# %%
# Both panels show nanoseconds for each number in X. A flat line is a cost in proportion to the data.
figure, axes = plt.subplots(2, 1, figsize=(7, 7.5), layout="constrained")
panels = [
    (by_rows, rows, 0, "rows (20 features)"),
    (by_features, features, 1, "features (4,000 rows)"),
]
for axis, (found, shapes, which, label) in zip(axes, panels, strict=True):
    for name, times in found.items():
        style = {"one reading": "k:", "SGDRegressor": "--"}.get(name, "o-")
        each = [1e9 * time / (n * d) for time, (n, d) in zip(times, shapes, strict=True)]
        axis.plot([shape[which] for shape in shapes], each, style, label=name)
    axis.set(xscale="log", yscale="log", xlabel=label, ylabel="ns per number in X")
    axis.grid(color="0.92")
axes[0].legend(ncols=2)
plt.show()

# %%
# With few features, an update by a single row is a chain: score, slope and step of one row end before the
# next can begin, so the row costs the same whether it has ten features or twenty. With many, its numbers are
# what counts, and from some hundred features on the epochs of all solvers come near the time in which memory
# can be read: a faster loop would have nothing to gain. An epoch has about the same price whatever the number
# of updates in it, which is why stochastic solvers are ahead at the start.
#
# With the squared error, batch descent on many rows goes by second moments, :math:`X^\top X`, and an epoch
# costs :math:`d^2` however many rows there are. The Huber loss of this page has no such shortcut. Times are
# those of the machine that built the page; ``benchmarks/roofline.py`` measures more shapes, and perceptrons.
