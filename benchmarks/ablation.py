"""Ablation: the recipe for tables, piece by piece.

On the tables that may be tuned on (benchmarks/_tables.py), of at most 4,000 rows, split into four fifths to
fit on and a fifth to score (--splits 3 such splits, each with a random state of its own). Every row of the
table below changes one thing of GDMLPRegressor() and GDMLPClassifier(), and shows geometric means over tables
of the ratios to the defaults: more than 1 is worse. From one choice of random states to another the mean of
the wrong classes changes by about .02, the other two by half of that.
"""

from dataclasses import dataclass
from statistics import geometric_mean, mean
from time import process_time

import _bench
import _tables
import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import make_pipeline

from skgd import GDMLPClassifier, GDMLPRegressor
from skgd.losses import LogLoss
from skgd.optimizers import Adam
from skgd.preprocessing import PeriodicEncoder, TableEncoder

N_ROWS, N_SPLITS = 4000, 3
OF_NUMBERS = "numbers"  # the defaults for arrays of numbers, behind one-hot codes and standardised numbers


class WithWaves(TransformerMixin, BaseEstimator):
    """Periodic features of the numbers beside what TableEncoder gives."""

    encodes_tables = True

    def fit(self, X, y=None):
        self.table_, self.waves_ = TableEncoder().fit(X), None
        numbers = X.select_dtypes(float)
        if numbers.shape[1]:
            self.waves_ = PeriodicEncoder(4, random_state=0).fit(numbers.to_numpy())
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        encoded = self.table_.transform(X)
        if self.waves_ is None:
            return encoded
        waves = self.waves_.transform(X.select_dtypes(float).to_numpy()).astype(np.float32)
        return sparse.csr_array(sparse.hstack([encoded, waves], format="csr"))


@dataclass(frozen=True)
class Change:
    both: dict  # parameters
    regression: dict | None = None  # None: of classes only
    classes: dict | None = None  # None: of regression only

    def parameters(self, classes, n):
        """What is given to the estimator for n rows; None where nothing changes."""
        own = self.classes if classes else self.regression
        if own is None:
            return None
        given = {**self.both, **own}
        return {name: value(n) if callable(value) else value for name, value in given.items()}


def both(**parameters):
    return Change(parameters, {}, {})


BY_ROWS = Change(
    {"dropout": 0.15},
    {"alpha": lambda n: min(3e-4, 0.5 / n)},
    {"alpha": lambda n: min(3e-3, max(1e-3, 8 / n))},
)
CHANGES = {
    "the recipe": both(),
    "no part of it": both(encoding=OF_NUMBERS),
    "alpha and dropout by n alone": BY_ROWS,
    "alpha=1e-4": both(alpha=1e-4),
    "dropout=0": both(dropout=0),
    "dropout=.15, classes": Change({"dropout": 0.15}, None, {}),
    "no scale": both(encoding=TableEncoder(scale=1)),
    "no bins": both(encoding=TableEncoder(n_bins=0)),
    "8 bins": both(encoding=TableEncoder(n_bins=8)),
    "32 bins": both(encoding=TableEncoder(n_bins=32)),
    "waves beside the bins": both(encoding=WithWaves()),
    "activation='relu'": both(activation="relu"),
    "beta_2=.999": both(optimizer=Adam()),
    "half the epochs": both(max_iter=20),
    "twice the epochs": both(max_iter=80),
    "batch_size=32": both(batch_size=32),
    "64 units": both(hidden_layer_sizes=(64,)),
    "256 units": both(hidden_layer_sizes=(256,)),
    "two layers of 128": both(hidden_layer_sizes=(128, 128)),
    "schedule='cosine'": both(schedule="cosine"),
    "schedule='coslog'": both(schedule="coslog"),
    "label_smoothing=.05": Change({"loss": LogLoss(label_smoothing=0.05)}, None, {}),
    "early_stopping": both(early_stopping=True),
    "early_stopping, refit": both(early_stopping=True, refit=True),
    "one network": both(n_members=1),
    "as many that share nothing": Change({}, {"n_members": 2}, {"n_members": 4}),
    "8 that share weights": both(n_members=8, share_weights=True),
    "5 that share nothing": both(n_members=5),
    "5, early_stopping": both(n_members=5, early_stopping=True),
}


def model_of(classes, parameters, seed):
    kind = GDMLPClassifier if classes else GDMLPRegressor
    if parameters.get("encoding") == OF_NUMBERS:
        return make_pipeline(_tables.encoder(), kind(random_state=seed))
    return kind(random_state=seed, **{name: clone(value, safe=False) for name, value in parameters.items()})


def measure(data, parameters, seed):
    """Error, log loss or None, CPU seconds."""
    model = model_of(data.classes, parameters, seed)
    begin = process_time()
    model.fit(data.X, data.y)
    seconds = process_time() - begin
    return *_tables.scores(model, data), seconds


def splits_of(name, n_splits):
    X, y, source = _tables.load(name)
    X, y = X.iloc[:N_ROWS], y[:N_ROWS]
    if source.task != "regression":  # classes that are left with too few rows
        labels, counts = np.unique(y, return_counts=True)
        rows = np.isin(y, labels[counts >= 10])
        X, y = X[rows], np.unique(y[rows], return_inverse=True)[1]
    return [_tables.split(X, y, source, i) for i in range(n_splits)]


def measure_table(name, n_splits):
    """Means over splits of the three figures, for each change."""
    runs = {change: [] for change in CHANGES}
    for seed, data in enumerate(splits_of(name, n_splits)):
        for change, what in CHANGES.items():
            parameters = what.parameters(data.classes, len(data.X))
            if parameters is not None:
                runs[change].append(measure(data, parameters, seed))
    columns = {change: zip(*figures, strict=True) for change, figures in runs.items() if figures}
    return {
        change: [None if None in column else mean(column) for column in each]
        for change, each in columns.items()
    }


def ratios(tables, change, figure, classes):
    """Geometric mean over the tables of a task, of a figure to that of the recipe."""
    found = [
        max(table[change][figure], 1e-3) / max(table["the recipe"][figure], 1e-3)
        for table in tables
        if change in table and (table[change][1] is not None) in classes
    ]
    return f"{geometric_mean(found):.3f}" if found else "-"


def main():
    given = _bench.options(__doc__, splits=f"how many splits (default {N_SPLITS}; --quick 1)")
    n_splits = int(given.splits or (1 if given.quick else N_SPLITS))
    tables = [measure_table(name, n_splits) for name in _tables.TUNE]
    out = _bench.Table("Ratios to the recipe", change=30, RMSE=6, wrong_classes=13, log_loss=8, CPU=5)
    for change in CHANGES:
        figures = [(0, {False}), (0, {True}), (1, {True}), (2, {False, True})]
        out.add(change, *(ratios(tables, change, figure, kind) for figure, kind in figures))


if __name__ == "__main__":
    main()
