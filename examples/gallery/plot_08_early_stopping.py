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
# The same network is trained twice: once for all epochs, once with early stopping on a separate validation
# set. (Without ``X_val`` and ``y_val``, a fraction ``validation_fraction`` of the rows is held out.)
# Early stopping goes by the loss on these rows, and keeps the best parameters, not the last ones.
shared = {
    "hidden_layer_sizes": (64, 64),
    "batch_size": 10,
    "learning_rate": 3e-3,
    "alpha": 0,
    "random_state": 0,
}
full = GDMLPRegressor(max_iter=600, tol=None, **shared).fit(X, y)
stopped = GDMLPRegressor(max_iter=600, tol=1e-4, n_iter_no_change=60, early_stopping=True, **shared)
stopped.fit(X, y, X_val=X_val, y_val=y_val)
print(f"stopped after {stopped.n_iter_} epochs: {stopped.stop_reason_}")

# %%
# Solid lines: the objective on the training rows. Dashed lines: the loss on the validation rows. Dotted
# lines, right axis: the score (R²) on the validation rows. The stars mark the parameters that are kept.
models = {"all epochs": full, "early stopping": stopped}
figure, axis = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
display = LossCurveDisplay.from_estimators(models, scores=True, ax=axis)
history = stopped.history_
best = np.argmin(history["validation_loss"])
star = {"color": "#F0E442", "markeredgecolor": "black", "markersize": 14}
axis.plot(history["epoch"][best], history["validation_loss"][best], "*", **star)
display.validation_ax_.plot(history["epoch"][best], stopped.best_validation_score_, "*", **star)
display.validation_ax_.set_ylim(0.4, 0.8)
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
