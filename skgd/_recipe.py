"""What "auto" parameters of perceptrons mean: for rows of numbers, and for tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from ._mapped import file_behind
from ._table import has_missing, is_frame, text_columns
from .optimizers import Adam

__all__ = [
    "BY_NOISE",
    "MOST_LOST",
    "PILOT",
    "PILOT_OF_BINS",
    "PILOT_OF_CLASSES",
    "STRENGTHS",
    "STRENGTH_STEP",
    "TABLE_RATE",
    "USUAL_STRENGTH",
    "are_table",
    "explicit",
    "in_use",
    "is_auto",
    "sees_table",
    "settings_by_noise",
    "settings_of",
    "strength_of_classes",
]

TABLE_RATE = 2.5  # factor of the automatic rate for tables
BY_NOISE = ("alpha", "dropout")  # parameters that go by the noise of a table, where a pilot fit can tell it
PILOT: dict[str, Any] = {"units": 64, "activation": "silu", "dropout": 0.15, "batch_size": 32, "max_iter": 6}
PILOT_OF_BINS = {**PILOT, "max_iter": 80}  # of a regression, with bins and without them
PILOT_OF_CLASSES = {**PILOT, "units": 32, "batch_size": 64, "max_iter": 25}
STRENGTH_STEP = 3.0
STRENGTHS = tuple(10 * STRENGTH_STEP**k for k in range(-3, 4))  # penalties for classes times rows, to try
USUAL_STRENGTH = STRENGTHS[3]
MOST_LOST = 1e-3  # of the spread of y, to rounding, where an encoded table is float32
_FEWEST_ROWS, _MOST_COLUMNS = 100, 256  # of numbers alone that are taken for a table
_MOST_NUMBERS = 1 << 25  # likewise: encoded, a number takes about 70 bytes
_FEWEST_TO_HOLD_OUT = 100  # rows of a fit of several quantiles that stops early

_ROWS = {  # one hidden layer, as in scikit-learn
    "hidden_layer_sizes": (100,),
    "activation": "relu",
    "dropout": 0.0,
    "batch_size": 32,
    "optimizer": "adam",
    "alpha": 1e-4,
    "max_iter": 200,
    "tol": 1e-4,
    "n_members": 1,
    "share_weights": False,
}
# networks of a table that share weights, and units of each, by whether it is a regression
_SHARED = {True: (2, 128), False: (4, 96)}
_STRENGTH_OF_SHARED = 2.0  # factor of the penalty for classes
_LITTLE = 4e-5  # penalty of regressions, two noises over n, below which dropout shrinks


def settings_by_noise(noise: float, n: int, shared: bool = False) -> dict:
    """A penalty and a dropout for this noise of n rows, as a share of the variance of y.

    The penalty is that of ridge regression under a prior for the weights, noise / n times a constant. Where
    there is little noise to learn, dropout keeps a regression from its optimum; networks that share
    weights are held back by that already, and have the less dropout the smaller the penalty is.
    """
    alpha, dropout = 2 * noise / n, min(0.3, 0.05 + 0.8 * noise)
    return {"alpha": alpha, "dropout": dropout * min(1.0, alpha / _LITTLE) if shared else dropout}


def strength_of_classes(strength: float, shared: bool) -> float:
    """The penalty for classes times rows, from that which pilots of single networks have found."""
    return strength * (_STRENGTH_OF_SHARED if shared else 1.0)


def _table_settings(solver: str, regression: bool, n: int) -> dict:
    """A layer that is held back by dropout and a penalty; the number of updates is known, so that the rate
    falls to zero over them. The more rows there are, the less has a network to be held back; classes can be
    learnt by heart from any number of rows, so that batch descent makes the fewer updates the fewer rows
    there are. What goes by pilots is for where they do not tell."""
    batch_size = 64 if n <= 16_000 else 128 if n <= 64_000 else 256
    return {
        "hidden_layer_sizes": (128,),
        "activation": "silu",
        "dropout": 0.3 if not regression else 0.05 if n > 8_000 else 0.15,
        "batch_size": batch_size,
        "optimizer": Adam(beta_2=0.95),
        "alpha": min(3e-4, 0.5 / n) if regression else min(3e-3, max(1e-3, 8 / n)),
        "max_iter": min(300, max(40, n // 8)) if solver == "batch" else 40,
        "tol": None,
    }


def sees_table(encoding, X, numbers: bool = False) -> bool:
    """Whether the columns of X are to be encoded as those of a table.

    "auto": where some are categories, or numbers are missing; with `numbers` also where all are numbers, and
    there are rows enough to find bins of a few columns; pixels and words have many.
    """
    if not is_auto(encoding):
        return getattr(encoding, "encodes_tables", encoding == "table")
    if text_columns(X) or has_missing(X):
        return True
    return numbers and are_table(*_shape_of_numbers(X))


def are_table(n: int, d: int) -> bool:
    """Whether n rows of d numbers are taken for a table where nobody describes the network."""
    return n >= _FEWEST_ROWS and d <= _MOST_COLUMNS and n * d <= _MOST_NUMBERS


def _shape_of_numbers(X) -> tuple[int, int]:
    """Rows and columns of a data frame, or of a dense array-like of numbers in memory; (0, 0) of others."""
    if not is_frame(X):
        if issparse(X):
            return 0, 0
        X = np.asarray(X, dtype=object) if isinstance(X, list | tuple) else np.asarray(X)
        if X.dtype.kind not in "biufO" or file_behind(X):
            return 0, 0
    return (X.shape[0], X.shape[1]) if len(X.shape) == 2 else (0, 0)


def settings_of(estimator, table: bool, n: int = 1) -> dict:
    """The values of the parameters that are "auto", for n rows of numbers or of a table."""
    regression = estimator._task == "regression"
    chosen = _table_settings(estimator.solver, regression, max(1, n)) if table else _ROWS
    held_out = len(getattr(estimator.loss, "levels", None) or ()) > 1 and n >= _FEWEST_TO_HOLD_OUT
    chosen = {**chosen, **_networks(estimator, regression, table), "early_stopping": held_out}
    return {name: value for name, value in chosen.items() if is_auto(getattr(estimator, name))}


def _networks(estimator, regression: bool, table: bool) -> dict:
    """How many networks there are, and whether they share weights, which is for tables unless somebody asks
    for a number of networks."""
    several, units = _SHARED[regression]
    members, shares = estimator.n_members, estimator.share_weights
    if is_auto(members):
        shares = table if is_auto(shares) else shares
        members = several if shares else 1
    shares = members > 1 and not is_auto(shares) and bool(shares)
    found = {"n_members": members, "share_weights": shares}
    return {**found, "hidden_layer_sizes": (units,)} if table and shares else found


def in_use(settings: dict, objective) -> dict:
    """The values with those that a fit by this objective has chosen."""
    found = {"alpha": objective.penalty.alpha, "dropout": objective.network.dropout}
    return {**settings, **{name: value for name, value in found.items() if name in settings}}


def is_auto(value) -> bool:
    return isinstance(value, str) and value == "auto"


def explicit(estimator, settings: dict | None = None):
    """The estimator, or a stand-in with these values of its parameters; without them those for numbers."""
    if not hasattr(estimator, "hidden_layer_sizes"):
        return estimator
    settings = settings_of(estimator, False) if settings is None else settings
    if not settings:
        return estimator
    stand_in = object.__new__(type(estimator))
    vars(stand_in).update({**vars(estimator), **settings})
    return stand_in
