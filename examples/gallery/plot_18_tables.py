"""
A perceptron for tables
=======================

A table of flats: numbers in all kinds of units, a category, and gaps. The rent depends on the area, on the
district, and on the year of construction, with jumps at two years in which building laws changed. A
perceptron takes the data frame as it is; what the bins of its encoding are good for shows along the year.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skgd import GDMLPRegressor
from skgd.preprocessing import TableEncoder

rng = np.random.default_rng(0)
n = 3000
flats = pd.DataFrame(
    {
        "area": rng.lognormal(4.2, 0.35, n),
        "year": rng.integers(1900, 2024, n).astype(float),
        "district": pd.Categorical(rng.choice(["north", "east", "south", "west"], n)),
    }
)


def rent_of(flats):
    of_year = 8 + 2.5 * (flats["year"] >= 1949) + 4 * (flats["year"] >= 1996)
    of_district = flats["district"].map({"north": 0.9, "east": 1.0, "south": 1.3, "west": 1.1}).astype(float)
    return of_year * of_district * flats["area"]


rent = rent_of(flats) * rng.lognormal(0, 0.05, n)
flats.loc[rng.random(n) < 0.05, "area"] = np.nan
train, test = slice(0, 2000), slice(2000, n)

# %%
# Three encodings before the same network: numbers alone, 16 bins (the default), 64 bins.

models = {}
for label, bins in (("numbers alone", 0), ("16 bins", 16), ("64 bins", 64)):
    model = GDMLPRegressor(encoding=TableEncoder(n_bins=bins), random_state=0)
    models[label] = model.fit(flats[train], rent[train])
{label: round(model.score(flats[test], rent[test]), 3) for label, model in models.items()}

# %%
# Predictions along the year, for a flat of 60 square metres in the south.

years = np.arange(1900, 2024.0)
one = pd.DataFrame({"area": 60.0, "year": years, "district": pd.Categorical(["south"] * len(years))})
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.step(years, rent_of(one), where="mid", color="0.6", label="without noise")
for label, model in models.items():
    axes.plot(years, model.predict(one), label=label)
axes.set(xlabel="year of construction", ylabel="rent")
axes.legend()

# %%
# Some networks together err less, and tell how well they do from the rows that each of them held out.

several = GDMLPRegressor(n_members=4, early_stopping=True, random_state=0).fit(flats[train], rent[train])
test_score = several.score(flats[test], rent[test])
print(f"on rows held out {several.oof_score_:.3f}, on the test rows {test_score:.3f}")

plt.show()
