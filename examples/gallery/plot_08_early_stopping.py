"""
Early stopping
==============

A flexible model first learns the structure that all data of its kind share, and then the noise of its
training rows. Held-out rows show when this begins.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import StandardScaler

from skgd import GDMLPRegressor, LossCurveDisplay

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-3, 3, 60))
y = np.sin(2 * x) + 0.4 * rng.normal(size=60)
x_val = rng.uniform(-3, 3, 200)
y_val = np.sin(2 * x_val) + 0.4 * rng.normal(size=200)


def features(x):
    return np.column_stack([x**k for k in range(1, 6)]) / [3**k for k in range(1, 6)]


scaler = StandardScaler().fit(features(x))
X, X_val = scaler.transform(features(x)), scaler.transform(features(x_val))

# %%
# The same network is trained twice: once for all epochs, once with early stopping. Both are given a separate
# validation set, whose loss is recorded. (Without ``X_val`` and ``y_val``, early stopping holds out a part,
# ``validation_fraction``, of the rows.) Early stopping goes by this loss, and keeps the best parameters, not
# the last ones.
shared = {
    "hidden_layer_sizes": (64, 64),
    "batch_size": 10,
    "learning_rate": 3e-3,
    "alpha": 0,
    "random_state": 0,
}
full = GDMLPRegressor(max_iter=600, tol=None, **shared)
full.fit(X, y, X_val=X_val, y_val=y_val)
stopped = GDMLPRegressor(max_iter=600, tol=1e-4, n_iter_no_change=60, early_stopping=True, **shared)
stopped.fit(X, y, X_val=X_val, y_val=y_val)
print(f"stopped after {stopped.n_iter_} epochs: {stopped.stop_reason_}")

# %%
# Solid lines: the objective on the training rows. Dashed lines: the loss on the validation rows. The star
# marks the parameters that are kept.
models = {"all epochs": full, "early stopping": stopped}
figure, axis = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
LossCurveDisplay.from_estimators(models, ax=axis)
history = stopped.history_
best = np.argmin(history["validation_loss"])
at = history["epoch"][best], history["validation_loss"][best]
axis.plot(*at, "*", color="#F0E442", markeredgecolor="black", markersize=14)
plt.show()

# %%
# The predictions of the two models.
figure, axis = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
line = np.linspace(-3, 3, 400)
axis.plot(x, y, "o", color="0.6", markersize=4, label="training rows")
axis.plot(line, np.sin(2 * line), "k:", label="truth")
for name, model in models.items():
    curve = model.predict(scaler.transform(features(line)))
    axis.plot(line, curve, label=f"{name}: R² {model.score(X_val, y_val):.2f}")
axis.set(xlabel="x", ylabel="y", ylim=(-2.6, 2.4))
axis.legend(loc="lower left", ncols=2)
plt.show()

# %%
# The training loss of the long run keeps decreasing, and its curve bends towards single points. Early
# stopping keeps a smoother curve. The reported score is computed on the rows used for stopping, and is
# therefore slightly too high: evaluate the final model on rows that neither training nor stopping has used.
