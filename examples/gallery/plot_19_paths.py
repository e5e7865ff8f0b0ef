"""
Regularisation paths and the one-standard-error rule
====================================================

``path`` fits the models of many values of ``alpha``, from the smallest at which all weights are zero to a
thousandth of it. Cross-validation then says which of them to use.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skgd import GDClassifier, GDRegressor, GDRegressorCV, RegularizationPathDisplay

# %%
# The ten features of the diabetes data, their squares and their products: 65 features for 442 rows.
data = load_diabetes(as_frame=True)
squares = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler())
X, y = squares.set_output(transform="pandas").fit_transform(data.data), data.target
path = GDRegressor(penalty="l1").path(X, y)
print(path)
for alpha in (20, 5, 1, 0.1):
    model = path.select(alpha)
    used = path.feature_names[model.coef_ != 0]
    print(
        f"alpha {model.alpha:6.3f}: R2 on these rows {model.score(X, y):.3f}, {len(used)} features {used[:4]}"
    )

# %%
# Two searches over the alphas of the path. The best mean score belongs to a model of 15 features. But scores
# of ten folds vary, and models with a stronger penalty are about as good: with
# ``selection="one_standard_error"`` the search takes the largest alpha whose mean score lies within one
# standard error of the best one.
shared = {"penalty": "l1", "learning_rates": "auto", "alphas": path.alphas, "cv": 10, "random_state": 0}
best = GDRegressorCV(**shared).fit(X, y)
simple = GDRegressorCV(selection="one_standard_error", **shared).fit(X, y)
scores = best.cv_results_["mean_test_score"]
errors = best.cv_results_["std_test_score"] / np.sqrt(best.n_splits_ - 1)
for name, search in (("best", best), ("one standard error", simple)):
    used = (search.coef_ != 0).sum()
    print(f"{name:18}  alpha {search.alpha_:.2f}, R2 {search.best_score_:.3f}, {used} features")

# %%
# Above the scores and their standard errors, below the weights, with the largest few coloured and a line at
# the alpha of one standard error.
figure, (top, bottom) = plt.subplots(
    2, 1, figsize=(7.5, 7.5), layout="constrained", sharex=True, height_ratios=(2, 3)
)
top.plot(path.alphas, scores, color="0.4")
top.fill_between(path.alphas, scores - errors, scores + errors, color="0.9", linewidth=0)
for colour, name, search in (("C0", "best", best), ("C1", "one standard error", simple)):
    top.plot(search.alpha_, search.best_score_, "o", color=colour, label=name, zorder=3)
top.axhline(best.best_score_ - errors[best.best_index_], color="0.4", linewidth=0.8, linestyle="--")
top.set(ylabel="R2 of ten folds", ylim=(0.3, 0.55))
top.legend()
RegularizationPathDisplay.from_path(path, alpha=simple.alpha_, n_labels=5, ax=bottom)
bottom.set_ylabel("weights of standardised features")
plt.show()

# %%
# Other losses have paths too: each model is fitted by the solver of the estimator, from the model before it.
# Batch descent with a low ``tol`` gives weights as exact as those of ``LogisticRegression``.
cancer = load_breast_cancer(as_frame=True)
model = make_pipeline(StandardScaler(), GDClassifier(penalty="l1", solver="batch", tol=1e-8, max_iter=10_000))
display = RegularizationPathDisplay.from_estimator(model, cancer.data, cancer.target, eps=1e-2, n_labels=5)
display.ax_.set_title("Logistic regression with an l1 penalty")
plt.show()
