"""
A data frame with mixed columns
===============================

A ``ColumnTransformer`` prepares numbers, categories and missing values for an estimator of skgd. Scaling
should be part of the pipeline, so that cross-validation computes the scale from the training rows only.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgd import GDRegressor
from skgd.losses import Huber

# %%
# Simulated rents of flats, which depend on the area, the year of construction, the district, and on
# whether there is a lift. A tenth of the areas is missing, and some rents are outliers.
rng = np.random.default_rng(0)
n = 3000
flats = pd.DataFrame(
    {
        "area": rng.gamma(8, 9, n).round(),
        "built": rng.integers(1890, 2024, n),
        "district": rng.choice(["centre", "north", "south", "harbour"], n, p=[0.2, 0.35, 0.3, 0.15]),
        "lift": rng.choice(["yes", "no"], n),
    }
)
premium = flats["district"].map({"centre": 350, "north": 0, "south": 60, "harbour": 180})
rent = 150 + 9.5 * flats["area"] + 1.2 * (flats["built"] - 1950) + premium + 40 * (flats["lift"] == "yes")
rent = rent + 60 * rng.standard_t(3, n)
flats.loc[rng.random(n) < 0.1, "area"] = np.nan
X_train, X_test, y_train, y_test = train_test_split(flats, rent, random_state=0)

# %%
# The Huber loss is quadratic for residuals up to ``epsilon`` (here 60 units of rent) and linear beyond,
# so that outliers have less influence. The estimator stores the names of the features.
columns = make_column_transformer(
    (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["area", "built"]),
    (OneHotEncoder(sparse_output=False), ["district", "lift"]),
    verbose_feature_names_out=False,
).set_output(transform="pandas")
model = make_pipeline(columns, GDRegressor(Huber(epsilon=60.0), random_state=0)).fit(X_train, y_train)
descent = model[-1]
print(f"R2 on held-out flats: {model.score(X_test, y_test):.3f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 4), layout="constrained")
order = np.argsort(descent.coef_)
left.barh(descent.feature_names_in_[order], descent.coef_[order], color="C0")
left.axvline(0, color="0.4", linewidth=0.8)
left.set(xlabel="weight, in units of rent", title="What the model learned")
predicted, missing = model.predict(X_test), X_test["area"].isna()
right.plot(
    y_test[~missing], predicted[~missing], "o", color="C0", markersize=3, alpha=0.4, label="area known"
)
right.plot(y_test[missing], predicted[missing], "^", color="C1", markersize=4, label="area missing")
right.legend()
ends = [y_test.min(), y_test.max()]
right.plot(ends, ends, "k:")
right.set(xlabel="rent", ylabel="predicted rent", title="Held-out flats")
plt.show()

# %%
# The weight of a number is the effect of one standard deviation of the column, the weight of a category is
# the effect of belonging to it. Flats with missing area are far from the line, because their area was
# replaced by the median.
#
# A notebook shows the pipeline as a diagram.
model
