"""
Several networks that share weights
===================================

The mean of several networks errs less than one of them, and tables get several by default. They share the
weights of their hidden layer, and each multiplies these by factors of its own. Here customers leave a
telephone company if they pay too much and are not bound by contract, or have complained too often: rules that
combine columns.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.metrics import log_loss

from skgd import GDMLPClassifier

rng = np.random.default_rng(0)
TARIFFS = ["basic", "family", "business"]
NOISE = 0.4


def reasons_to_leave(customers):
    dear = customers["price"] > 3 + 0.08 * customers["minutes"]
    bound = customers["months"] % 24 > 4
    angry = (customers["complaints"] >= 4) & (customers["tariff"] != "business")
    family = (customers["tariff"] == "family") & (customers["minutes"] > 300)
    return 3.0 * (dear & ~bound) + 4 * angry + family - 2


def sample(n):
    customers = pd.DataFrame(
        {
            "minutes": rng.gamma(4, 60, n),
            "price": rng.choice([10.0, 15.0, 20.0, 30.0, 40.0], n),
            "complaints": rng.poisson(1.5, n).astype(float),
            "months": rng.uniform(0, 60, n).round(),
            "tariff": pd.Categorical(rng.choice(TARIFFS, n), categories=TARIFFS),
        }
    )
    return customers, reasons_to_leave(customers) + NOISE * rng.logistic(size=n) > 0


X, left = sample(1500)
X_test, left_test = sample(10_000)

# %%
# Networks of 96 units, as they are by default, but other numbers of them: those that share their weights, and
# those that share nothing (``share_weights=False``), which take as many fits.

UNITS = {"hidden_layer_sizes": 96, "random_state": 0}
one = GDMLPClassifier(n_members=1, **UNITS).fit(X, left)
ways = {"share weights": (True, (2, 4, 8)), "share nothing": (False, (2, 4))}
models = {
    (label, k): GDMLPClassifier(n_members=k, share_weights=shared, **UNITS).fit(X, left)
    for label, (shared, numbers) in ways.items()
    for k in numbers
}


def loss_of(model):
    return log_loss(left_test, model.predict_proba(X_test))


figure, (left_axes, right_axes) = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for label, (_, numbers) in ways.items():
    losses = [loss_of(one), *(loss_of(models[label, k]) for k in numbers)]
    left_axes.plot([1, *numbers], losses, "o-", label=label)
left_axes.set(xlabel="networks", ylabel="log loss of new customers", xticks=[1, 2, 4, 8])
left_axes.legend()

# %%
# A customer who talks 100 minutes a month for a price of 20 pays too much, and is free to leave in the first
# five months of every two years. Four networks that share weights, the default, are nearer to the truth than
# one.

months = np.arange(60.0)
customer = pd.DataFrame({"minutes": 100.0, "price": 20.0, "complaints": 1.0, "months": months})
customer["tariff"] = pd.Categorical(["basic"] * len(months), categories=TARIFFS)
truth = expit(reasons_to_leave(customer) / NOISE)
right_axes.step(months, truth, where="mid", color="0.6", label="truth")
for label, model in (("one", one), ("four", models["share weights", 4])):
    right_axes.plot(months, model.predict_proba(customer)[:, 1], label=label)
right_axes.set(xlabel="months", ylabel="probability of leaving", ylim=(-0.03, 1.03))
right_axes.legend()
{label: round(loss_of(model), 3) for label, model in (("one", one), ("four", models["share weights", 4]))}

# %%
# Wrong predictions of one network, of four that share nothing, and of four that share weights.

of_four = (models[label, 4] for label in ("share nothing", "share weights"))
print([round(1 - model.score(X_test, left_test), 4) for model in (one, *of_four)])

plt.show()
