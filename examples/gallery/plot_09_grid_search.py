"""
Searching for a learning rate
=============================

``GridSearchCV`` can search for the learning rate like for any other parameter. The score as a function of
the rate has a wide flat range in which the choice hardly matters: lower rates take too long, higher rates
diverge.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier

X, y = load_breast_cancer(return_X_y=True)

# %%
# Every rate gets ten epochs. The log loss cannot overflow, so rates that are too high give a
# ``ConvergenceWarning`` that reports the largest stable rate. The search tries such rates on purpose, so
# the warning is ignored here.
warnings.simplefilter("ignore", ConvergenceWarning)
rates = np.geomspace(1e-5, 100, 15)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for (solver, colour), marker in zip(
    {"sgd": "C0", "minibatch": "C1", "batch": "C2"}.items(), "os^", strict=True
):
    descent = GDClassifier(solver=solver, alpha=0.01, max_iter=10, tol=None, average=False, random_state=0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), descent),
        {"gdclassifier__learning_rate": rates},
        scoring="neg_log_loss",
        cv=5,
    ).fit(X, y)
    losses = -search.cv_results_["mean_test_score"]
    best = search.best_params_["gdclassifier__learning_rate"]
    print(f"{solver:9}  best rate {best:.3g}  log loss {-search.best_score_:.3f}")
    left.loglog(rates, losses, color=colour, marker=marker, markersize=5, label=solver)
    curve = search.best_estimator_[-1].loss_curve_
    right.plot(
        np.arange(1, 11), curve, color=colour, marker=marker, markersize=5, label=f"{solver}, rate {best:.2g}"
    )
left.set(xlabel="learning rate", ylabel="cross-validated log loss", title="Ten epochs at each rate")
right.set(xlabel="epoch", ylabel="training objective", title="The best of each solver")
left.legend()
right.legend()
plt.show()

# %%
# With one row per update there are hundreds of small updates per epoch; batch descent makes a single
# update per epoch, and needs a rate about a hundred times as high to get as far in ten epochs.
# ``learning_rate="auto"`` is a candidate too, and for many problems the only one needed:
candidates = ["auto", 0.1, 0.01]
search = GridSearchCV(
    make_pipeline(StandardScaler(), GDClassifier(alpha=0.01, random_state=0)),
    {"gdclassifier__learning_rate": candidates},
    scoring="neg_log_loss",
    cv=5,
).fit(X, y)
for candidate, score in zip(candidates, search.cv_results_["mean_test_score"], strict=True):
    print(f"{candidate!s:5} log loss {-score:.4f}")
