"""What the displays share: axes, colours, names of estimators, log scales. matplotlib is imported late."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

__all__ = ["COLORS", "MARKERS", "axes_of", "log_scale", "named", "spans", "split", "transformed"]

# Okabe & Ito (2008): can be distinguished by colour-blind readers
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
_SAYING_LITTLE = {"check_every", "max_iter", "random_state", "record_path", "verbose"}


def axes_of(ax):
    """The axes to draw on; new axes if none are given."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('Displays need matplotlib: pip install "skgd[plot]".') from error
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def named(estimators, names):
    """The estimators (of a pipeline, its last step) and a name for each."""
    if isinstance(estimators, dict):
        names, estimators = list(estimators), list(estimators.values())
    last = [split(estimator)[1] for estimator in estimators]
    if not last:
        raise ValueError("At least one estimator is needed.")
    if names is None:
        names = _telling_names(last)
    if len(names) != len(last):
        raise ValueError(f"There are {len(names)} names for {len(last)} estimators.")
    return last, list(names)


def split(estimator):
    """The transformers of a pipeline (None if there are none) and its last step."""
    estimator = getattr(estimator, "best_estimator_", estimator)  # if it is a search
    steps = getattr(estimator, "steps", None)
    return (None, estimator) if steps is None else (estimator[:-1] if len(steps) > 1 else None, steps[-1][1])


def transformed(before, X, y):
    """X after transformers fitted to it (None: as it is), and the names of its features; None if unknown."""
    if before is None:
        return X, None
    before = clone(before)
    X = before.fit_transform(X, y)
    try:
        return X, before.get_feature_names_out()
    except AttributeError:  # of a transformer that does not know them
        return X, None


def _telling_names(estimators) -> list[str]:
    """Names made from the classes if they differ, and from the parameters that differ."""
    kinds = [type(estimator).__name__ for estimator in estimators]
    params = [estimator.get_params(deep=False) for estimator in estimators]
    common = set.intersection(*map(set, params)) - _SAYING_LITTLE
    telling = sorted(name for name in common if len({repr(each[name]) for each in params}) > 1)
    names = []
    for kind, given in zip(kinds, params, strict=True):
        parts = [kind] if len(set(kinds)) > 1 or not telling else []
        names.append(", ".join(parts + [f"{name}={given[name]!r}" for name in telling]))
    return names


def spans(values, factor: float) -> bool:
    """Whether all values are positive and their ratios exceed a factor, so that a log scale is better."""
    values = np.concatenate([np.ravel(each) for each in values])
    values = values[np.isfinite(values)]
    return bool(len(values) and values.min() > 0 and values.max() > factor * values.min())


def log_scale(ax, values) -> None:
    """Set a vertical log scale, with plain numbers if the range is small."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ax.set_yscale("log")
    if not spans(values, 100):
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
