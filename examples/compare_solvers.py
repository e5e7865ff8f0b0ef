"""Compare batch, mini-batch and stochastic gradient descent.

All solvers minimise the same objective, mean loss + alpha * |w|^2 / 2, on two data sets that come
with scikit-learn: the diabetes data (squared error) and the breast cancer data (log loss). The table
shows the objective that a default fit reaches, its epochs, updates, time and score on held-out rows, also
for SGDRegressor or SGDClassifier and for an exact solver. Since default fits stop at different objectives,
the last columns show the time that each takes to the same one: the shortest fit that comes within 1 % or
0.1 % of the minimum (of its distance from the objective of zero weights). All times are medians of whole
pipeline fits, including scaling, after one warm-up fit.

Run it with

    python compare_solvers.py [--output compare_solvers.png] [--repeats 7]

It needs no network and takes a few seconds. If matplotlib is installed, it saves a plot of the
objective after every epoch.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec

import numpy as np
from _common import epochs, fit_seconds, print_table
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier, GDRegressor

ALPHA = 1e-3
GAPS = (1e-2, 1e-3)  # above the minimum, of the distance between it and the objective of zero weights
SHARED = {"alpha": ALPHA, "random_state": 0}


@dataclass
class Case:
    """A data set, its loss as a function of raw scores and targets, and the models to compare."""

    title: str
    X_train: np.ndarray
    X_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray
    loss: Callable
    models: dict

    @cached_property
    def span(self):
        """The minimum of the objective, by the exact solver, and how far above it the zero vector lies."""
        *_, exact = self.models.values()
        make_pipeline(StandardScaler(), exact).fit(self.X_train, self.y_train)
        minimum = self.objective(theta_of(exact))
        return minimum, self.objective(np.zeros(self.X_train.shape[1] + 1)) - minimum

    def gap(self, model):
        """Objective of a fitted model above the minimum; 1 for zero weights."""
        minimum, span = self.span
        return (self.objective(theta_of(model)) - minimum) / span

    def objective(self, theta):
        """Mean loss + alpha * |w|^2 / 2 on the training rows, theta = (w, intercept)."""
        w, intercept = theta[:-1], theta[-1]
        z = StandardScaler().fit_transform(self.X_train) @ w + intercept
        return self.loss(z, self.y_train).mean() + ALPHA * (w @ w) / 2


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    models = {
        "GDRegressor batch": GDRegressor(solver="batch", **SHARED),
        "GDRegressor minibatch": GDRegressor(solver="minibatch", **SHARED),
        "GDRegressor sgd": GDRegressor(solver="sgd", **SHARED),
        "SGDRegressor": SGDRegressor(**SHARED),
        "Ridge (exact)": Ridge(alpha=ALPHA * len(y_train)),
    }
    title = "Diabetes, squared error"
    return Case(title, X_train, X_test, y_train, y_test, squared_error, models)


def breast_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    models = {
        "GDClassifier batch": GDClassifier(solver="batch", **SHARED),
        "GDClassifier minibatch": GDClassifier(solver="minibatch", **SHARED),
        "GDClassifier sgd": GDClassifier(solver="sgd", **SHARED),
        "SGDClassifier": SGDClassifier(loss="log_loss", **SHARED),
        "LogisticRegression (exact)": LogisticRegression(
            C=1 / (ALPHA * len(y_train)), tol=1e-8, max_iter=10_000
        ),
    }
    title = "Breast cancer, log loss"
    return Case(title, X_train, X_test, y_train, y_test, log_loss, models)


def squared_error(z, y):
    return (z - y) ** 2 / 2


def log_loss(z, y):
    return np.logaddexp(0, z) - y * z


def theta_of(model):
    return np.append(model.coef_, model.intercept_)


def updates(model):
    """Number of parameter updates, as text; '-' for an exact solver."""
    if hasattr(model, "n_updates_"):
        return str(model.n_updates_)
    return str(int(model.t_ - 1)) if hasattr(model, "t_") else "-"


def fit_to(case, model, gap):
    """The pipeline with the fewest epochs that comes so near to the minimum; None where 1,000 do not."""
    if not hasattr(model, "tol") or not hasattr(model, "learning_rate"):
        return make_pipeline(StandardScaler(), model)  # the exact solver

    def fitted(max_iter):
        shorter = clone(model).set_params(max_iter=max_iter, tol=None)
        pipeline = make_pipeline(StandardScaler(), shorter).fit(case.X_train, case.y_train)
        return pipeline, case.gap(shorter) <= gap

    for power in range(11):
        pipeline, reached = fitted(2**power)
        if reached:
            break
    else:
        return None
    for max_iter in range(2**power // 2 + 1, 2**power):
        shorter, reached = fitted(max_iter)
        if reached:
            return shorter
    return pipeline


def milliseconds_to(case, model, gap, repeats):
    """Time of the shortest fit to so small a gap, as text; '-' where none gets there."""
    pipeline = fit_to(case, model, gap)
    if pipeline is None:
        return "-"
    pipeline.fit(case.X_train, case.y_train)
    return f"{1000 * fit_seconds(pipeline, case.X_train, case.y_train, repeats):.2f}"


def print_comparison(case, repeats):
    rows = []
    for name, model in case.models.items():
        pipeline = make_pipeline(StandardScaler(), model).fit(case.X_train, case.y_train)
        seconds = fit_seconds(pipeline, case.X_train, case.y_train, repeats)
        objective = case.objective(theta_of(model))
        score = pipeline.score(case.X_test, case.y_test)
        rows.append(
            [
                name,
                f"{objective:#.6g}",
                epochs(model),
                updates(model),
                f"{1000 * seconds:.2f}",
                f"{score:.4f}",
                *(milliseconds_to(case, model, gap, repeats) for gap in GAPS),
            ]
        )
    score_name = "accuracy" if is_classifier(model) else "R2"
    n, d = case.X_train.shape
    to_gaps = [f"ms to {100 * gap:g} %" for gap in GAPS]
    header = ["", "objective", "epochs", "updates", "fit ms", f"test {score_name}", *to_gaps]
    print_table(f"{case.title}: {n} rows, {d} features", header, rows)


def objective_by_epoch(case, model):
    """Epochs of a fitted model, and the objective after each of them."""
    X, y = StandardScaler().fit_transform(case.X_train), case.y_train
    if hasattr(model, "history_"):
        recorded = clone(model).set_params(record_path=True).fit(X, y)
        passes, path = recorded.history_["epoch"], recorded.path_[1:]
    else:
        passes = np.arange(1, model.n_iter_ + 1)
        shorter = (clone(model).set_params(max_iter=k, tol=None) for k in passes)
        path = [theta_of(each.fit(X, y)) for each in shorter]
    return passes, np.array([case.objective(theta) for theta in path])


def save_picture(cases, path):
    """One panel per data set: the difference between the objective and its minimum at every epoch."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colors = ["#1f6fb4", "#e08214", "#2c9b5a", "#8a8a8a"]
    figure, axes = plt.subplots(1, len(cases), figsize=(11, 4.2), layout="constrained")
    for ax, case in zip(axes, cases, strict=True):
        *descents, exact = case.models.items()
        minimum = case.objective(theta_of(exact[1]))
        for color, (name, model) in zip(colors, descents, strict=True):
            passes, objectives = objective_by_epoch(case, model)
            excess = objectives - minimum
            style = "-" if hasattr(model, "history_") else "--"
            ax.plot(passes, excess, style, color=color, lw=2, label=name)
            ax.plot(passes[-1], excess[-1], "o", color=color, ms=6)
        ax.set(xscale="log", yscale="log", xlabel="epoch", title=case.title)
        ax.set_ylabel("objective above its minimum")
        ax.grid(color="0.92")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
    figure.savefig(path, dpi=150)
    print(f"\nPicture saved to {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="compare_solvers.png", help="where the picture goes")
    parser.add_argument("--repeats", type=int, default=7, help="timed fits of each pipeline")
    options = parser.parse_args()

    cases = [diabetes(), breast_cancer()]
    for case in cases:
        print_comparison(case, options.repeats)
    if find_spec("matplotlib") is None:
        print("\nInstall matplotlib to get a picture of the descent.")
    else:
        save_picture(cases, options.output)


if __name__ == "__main__":
    main()
