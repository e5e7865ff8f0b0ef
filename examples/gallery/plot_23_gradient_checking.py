"""
Checking a gradient
===================

Who derives a gradient by hand makes mistakes, and descent along a wrong gradient often still goes downhill.
The check is a finite difference: :math:`(F(w + h e_j) - F(w - h e_j)) / 2h` must come near the derivative
along :math:`w_j`. ``objective`` gives the value F that ``fit`` minimises, and its gradient, at any
parameters.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X[:, :6])
model = GDClassifier(alpha=0.01)
w = np.random.default_rng(0).normal(size=X.shape[1])
value, (of_weights, of_intercept) = model.objective(X, y, coef=w[None])

# %%
# By hand, with :math:`p_i = 1 / (1 + e^{-x_i^\top w})`, the gradient is
# :math:`\frac{1}{n} \sum_i (p_i - y_i)\, x_i + \alpha w`.
p = 1 / (1 + np.exp(-X @ w))
by_hand = X.T @ (p - y) / len(y) + 0.01 * w
np.abs(by_hand - of_weights[0]).max()


# %%
# Now suppose that somebody forgot the penalty, or lost a row. The finite difference finds out.
def difference(h):
    steps = h * np.eye(len(w))
    return np.array(
        [
            (model.objective(X, y, coef=[w + step])[0] - model.objective(X, y, coef=[w - step])[0]) / (2 * h)
            for step in steps
        ]
    )


gradients = {
    "right": by_hand,
    "without the penalty": by_hand - 0.01 * w,
    "one row left out": X[1:].T @ (p - y)[1:] / len(y) + 0.01 * w,
}
widths = np.geomspace(1e-12, 1, 17)
measured = np.array([difference(h) for h in widths])
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for name, gradient in gradients.items():
    distances = np.linalg.norm(gradient - measured, axis=1) / np.linalg.norm(measured, axis=1)
    axis.loglog(widths, distances, "o-", markersize=4, label=name)
axis.set(xlabel="h", ylabel="relative distance from the difference")
axis.legend()
plt.show()

# %%
# The right gradient goes down to about :math:`10^{-10}`; wrong ones stay where their mistake is, whatever
# h. The valley has two sides. For large h the difference is off by a multiple of :math:`h^2`, as F is
# curved; for small h by rounding, about :math:`10^{-16} F / h`. Between them lies the best h, about
# :math:`10^{-5}`.
distances = np.linalg.norm(by_hand - measured, axis=1)
print(f"best h of those tried: {widths[distances.argmin()]:.0e}, distance {distances.min():.0e}")
