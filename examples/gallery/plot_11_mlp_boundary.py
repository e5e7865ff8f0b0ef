"""
The decision boundary of a perceptron
=====================================

The boundary of a linear classifier is a straight line. With hidden layers the boundary can be curved.
Descent starts from an arbitrary boundary, finds the rough shape within a few epochs, and then refines the
details.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from skgd import GDClassifier, GDMLPClassifier

X, y = make_moons(400, noise=0.2, random_state=0)
X = (X - X.mean(axis=0)) / X.std(axis=0)

# %%
# With ``warm_start=True``, ``fit`` continues where the last call ended, so that one model can be drawn at
# several epochs.
model = GDMLPClassifier(
    hidden_layer_sizes=(32, 32),
    learning_rate=3e-3,
    batch_size=16,
    alpha=1e-4,
    tol=None,
    warm_start=True,
    random_state=0,
)
x1, x2 = np.meshgrid(np.linspace(-2.4, 2.4, 160), np.linspace(-2.4, 2.4, 160))
plane = np.column_stack([x1.ravel(), x2.ravel()])


def draw(axis, fitted, title):
    probability = fitted.predict_proba(plane)[:, 1].reshape(x1.shape)
    axis.contourf(x1, x2, probability, levels=np.linspace(0, 1, 11), cmap="PuOr", alpha=0.8)
    axis.contour(x1, x2, probability, levels=[0.5], colors="k", linewidths=1.5)
    for label, colour, marker in ((0, "#7f3b08", "o"), (1, "#2d004b", "^")):
        axis.scatter(*X[y == label].T, s=9, color=colour, marker=marker)
    axis.set(title=title, xticks=[], yticks=[])


figure, axes = plt.subplots(2, 3, figsize=(7, 5.2), layout="constrained")
linear = GDClassifier(random_state=0).fit(X, y)
draw(axes[0, 0], linear, f"linear model: {linear.score(X, y):.2f}")
total = 0
for axis, more in zip(axes.flat[1:], [1, 2, 5, 20, 100], strict=True):
    total += more
    model.set_params(max_iter=more).fit(X, y)
    draw(axis, model, f"epoch {total}: {model.score(X, y):.2f}")
plt.show()

# %%
# Colour shows the probability of the second class; on the black line it is one half. The numbers are
# accuracies on the training rows: with more epochs or more units, the line would start to enclose single
# points. Early stopping, ``alpha`` and ``dropout`` prevent such overfitting.
