"""Raw columns with standardize=True against scikit-learn's pipeline with a StandardScaler.

Means of 5-fold scores (accuracy, R2) on load_breast_cancer, load_wine and load_diabetes as they come, with
the defaults otherwise: of ours, worst of three random states; and of LogisticRegression and Ridge.
Target: at most 0.01 below the pipeline.
"""

import warnings

import _bench
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier, GDRegressor

SETS = {  # data -> loader, ours, peer, folds
    "breast_cancer": (load_breast_cancer, GDClassifier, LogisticRegression, StratifiedKFold),
    "wine": (load_wine, GDClassifier, LogisticRegression, StratifiedKFold),
    "diabetes, raw": (lambda **options: load_diabetes(scaled=False, **options), GDRegressor, Ridge, KFold),
    "diabetes": (load_diabetes, GDRegressor, Ridge, KFold),
}


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    widths = {"data": 14, "solver": 9, "ours": 6, "peer": 6, "target": 8, "verdict": 7}
    table = _bench.Table("Cross-validated score", **widths)
    for name, (load, ours, peer, folds) in SETS.items():
        X, y = load(return_X_y=True)
        cv = folds(5, shuffle=True, random_state=0)
        pipeline = make_pipeline(StandardScaler(), peer())
        theirs = cross_val_score(pipeline, X, y, cv=cv).mean()
        for solver in ("batch", "minibatch", "sgd"):
            states = range(1 if quick or solver == "batch" else 3)
            models = [ours(solver=solver, standardize=True, random_state=state) for state in states]
            score = min(cross_val_score(model, X, y, cv=cv).mean() for model in models)
            ok = score >= theirs - 0.01
            table.add(
                name, solver, f"{score:.3f}", f"{theirs:.3f}", f">= {theirs - 0.01:.3f}", _bench.verdict(ok)
            )


if __name__ == "__main__":
    main()
