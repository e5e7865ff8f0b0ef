"""
Comparison with SGDRegressor and SGDClassifier
==============================================

The same problems and the same objective, solved by stochastic gradient descent in scikit-learn and by the
three solvers of skgd, on data sets that come with scikit-learn.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier, GDRegressor

# %%
# Default settings throughout, with the same penalty.
shared = {"alpha": 1e-3, "random_state": 0}
cases = {
    "diabetes, R²": (load_diabetes, SGDRegressor(**shared), GDRegressor(**shared)),
    "breast cancer, accuracy": (
        load_breast_cancer,
        SGDClassifier(loss="log_loss", **shared),
        GDClassifier(**shared),
    ),
    "digits, accuracy": (load_digits, SGDClassifier(loss="log_loss", **shared), GDClassifier(**shared)),
}


def seconds(model, X, y):
    times = []
    for _ in range(3):
        begin = perf_counter()
        model.fit(X, y)
        times.append(perf_counter() - begin)
    return min(times)


figure, axes = plt.subplots(3, 1, figsize=(7, 8), layout="constrained")
for axis, (title, (load, theirs, ours)) in zip(axes, cases.items(), strict=True):
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    models = {type(theirs).__name__: theirs}
    models |= {solver: type(ours)(solver=solver, **shared) for solver in ("sgd", "minibatch", "batch")}
    print(title)
    for i, (name, model) in enumerate(models.items()):
        spent = seconds(model, X_train, y_train)
        score = model.score(X_test, y_test)
        axis.barh(i, 1e3 * spent, color="0.7" if model is theirs else "C0")
        axis.annotate(f" {score:.3f}", (1e3 * spent, i), va="center")
        print(f"  {name:14} {np.max(model.n_iter_):4} epochs  {1e3 * spent:6.1f} ms  score {score:.4f}")
    axis.set(title=f"{title} beside the bar", xlabel="time of a fit, ms", yticks=range(4), yticklabels=models)
    axis.invert_yaxis()
    axis.margins(x=0.25)
plt.show()

# %%
# On the first two data sets the objective is the same, and the scores agree up to a few thousandths.
# The stopping rules differ: on breast cancer skgd runs more epochs, and its bars are longer. The ten
# digits are fitted together by softmax in ``GDClassifier``, and as ten separate one-versus-rest problems in
# ``SGDClassifier``. The times were measured on the machine that built this page; only their ratios are
# meaningful, and on data this small much of the time is spent on input validation. The folder
# ``benchmarks`` of the repository has longer comparisons.
