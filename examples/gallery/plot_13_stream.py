"""
Learning from a stream that changes
===================================

``partial_fit`` updates the model with the rows it is given; optimizer state, schedule and averages
continue from call to call. If the distribution of the data changes, a constant rate adapts; a rate that has
decreased to almost zero cannot.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDRegressor

# %%
# Batches of 20 rows arrive one after the other. After 300 batches the relation between features and
# target changes.
rng = np.random.default_rng(0)
before, after = np.array([1.0, -2.0, 0.5]), np.array([-1.0, 0.5, 1.5])


def arrive(step):
    X = rng.normal(size=(20, 3))
    return X, X @ (before if step < 300 else after) + 0.3 * rng.normal(size=20)


shared = {"solver": "sgd", "alpha": 0, "average": False, "random_state": 0}
models = {
    "constant rate 0.03": GDRegressor(learning_rate=0.03, **shared),
    "constant rate 0.002": GDRegressor(learning_rate=0.002, **shared),
    "falling rate, 0.3 / (1 + t)^0.75": GDRegressor(
        learning_rate=0.3, schedule=lambda t: (1 + t) ** -0.75, **shared
    ),
}

# %%
# Each batch is predicted before the model is updated with it: an unbiased score of a model that keeps
# learning.
errors = {name: [] for name in models}
for step in range(600):
    X, y = arrive(step)
    for name, model in models.items():
        predicted = model.predict(X) if step else np.zeros(len(y))
        errors[name].append(np.mean((predicted - y) ** 2))
        model.partial_fit(X, y)

figure, axis = plt.subplots(figsize=(7, 4.8), layout="constrained")
for (name, values), style in zip(errors.items(), ["-", "--", "-."], strict=True):
    smooth = np.convolve(values, np.ones(10) / 10, mode="valid")
    axis.semilogy(np.arange(len(smooth)) + 10, smooth, style, label=name)
axis.axhline(0.09, color="0.5", linestyle=":", label="noise of the target")
axis.axvline(300, color="0.5", linewidth=0.8)
axis.annotate("the data change", (306, 18))
axis.set(ylim=(0.05, 40), xlabel="batch of 20 rows", ylabel="squared error before learning (mean of 10)")
figure.legend(loc="outside lower center", ncols=2)
plt.show()

# %%
# With the high constant rate, the model adapts within a few batches; the price is a little noise while
# nothing changes. With the default ``learning_rate="auto"``, the rate of a stream is computed from the rows
# seen so far; the scale of the features does not have to be known in advance.
model = GDRegressor(solver="sgd", random_state=0)
for step in range(100):
    model.partial_fit(*arrive(step))
print(model.coef_.round(2), "after", model.n_updates_, "rows")
