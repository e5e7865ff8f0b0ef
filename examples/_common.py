"""Helpers shared by the example scripts: data files of installed packages, timing, text tables."""

from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

from sklearn.model_selection import GridSearchCV


def package_data(package, folder, *, install):
    """Path of a data folder in an installed package, found without importing the package."""
    spec = find_spec(package)
    if spec is None:
        raise SystemExit(
            f"This example reads data from the package {package!r}. Install it with\n\n    {install}\n"
        )
    return Path(spec.submodule_search_locations[0]) / folder


def subsample(frame, rows):
    """A reproducible random subset of `rows` rows; all rows if `rows` is None or too large."""
    if rows is None or rows >= len(frame):
        return frame
    return frame.sample(rows, random_state=0)


def fit_seconds(estimator, X, y, repeats=1):
    """Median wall-clock seconds of `repeats` fits."""
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        estimator.fit(X, y)
        seconds.append(perf_counter() - start)
    return median(seconds)


def epochs(estimator):
    """Number of epochs of a fitted estimator, as text; '-' for a direct solver."""
    n_iter = getattr(estimator, "n_iter_", None)
    return "-" if n_iter is None else str(max(n_iter) if hasattr(n_iter, "__len__") else n_iter)


def print_table(title, header, rows):
    """Print rows of text in aligned columns; the first is left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells):
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join([first, *others]).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    print("\n".join(["", title, rule, line(header), rule, *map(line, rows), rule]), flush=True)


def search_learning_rate(pipeline, rates, X, y, *, score_name):
    """The best rate for the pipeline's step "model" in a three-fold search; prints all candidates."""
    search = GridSearchCV(pipeline, {"model__learning_rate": rates}, cv=3).fit(X, y)
    scores, seconds = (search.cv_results_[f"mean_{what}"] for what in ("test_score", "fit_time"))
    print_table(
        f"GridSearchCV over learning_rate, {len(X):,} rows, 3 folds",
        ["learning_rate", score_name, "fit s"],
        [
            [str(rate), f"{score:.4f}", f"{second:.2f}"]
            for rate, score, second in zip(rates, scores, seconds, strict=True)
        ],
    )
    return search.best_params_["model__learning_rate"]
