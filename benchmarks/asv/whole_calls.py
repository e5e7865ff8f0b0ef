"""What asv follows from commit to commit: whole calls and the memory they take.

    pip install asv && asv run --quick HEAD^! && asv publish

`asv run --python=same --quick` times the installed version without building one.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skgd import GDClassifier, GDMLPClassifier, GDRegressor, GDRegressorCV

SOLVERS = ["batch", "minibatch", "sgd"]


class Calls:
    timeout = 120

    def setup(self, *_):
        warnings.simplefilter("ignore", ConvergenceWarning)
        rng = np.random.default_rng(0)
        self.X = rng.standard_normal((20_000, 50))
        self.y = self.X @ rng.standard_normal(50) / 7 + rng.standard_normal(20_000)
        self.labels = (self.y > 0).astype(int)


class Linear(Calls):
    params = [SOLVERS, ["float32", "float64"]]
    param_names = ["solver", "dtype"]

    def setup(self, solver, dtype):
        super().setup()
        self.X, self.y = self.X.astype(dtype), self.y.astype(dtype)

    def time_default_regressor(self, solver, dtype):
        GDRegressor(solver=solver, random_state=0).fit(self.X, self.y)

    def time_default_classifier(self, solver, dtype):
        GDClassifier(solver=solver, random_state=0).fit(self.X, self.labels)

    def time_ten_epochs(self, solver, dtype):
        rate = {"learning_rate": 1e-3, "tol": None, "max_iter": 10, "random_state": 0}
        GDRegressor(solver=solver, **rate).fit(self.X, self.y)

    def peakmem_default_regressor(self, solver, dtype):
        GDRegressor(solver=solver, random_state=0).fit(self.X, self.y)


class Options(Calls):
    params = [
        {},
        {"standardize": True},
        {"penalty": "l1"},
        {"optimizer": "adam"},
        {"average": True},
        {"early_stopping": True},
    ]
    param_names = ["setting"]

    def time_ten_epochs_of_sgd(self, setting):
        rate = {"solver": "sgd", "learning_rate": 1e-3, "tol": None, "max_iter": 10, "random_state": 0}
        GDRegressor(**rate, **setting).fit(self.X, self.y)


class Perceptrons(Calls):
    params = [1, 32, 200]
    param_names = ["batch_size"]

    def time_two_epochs(self, batch_size):
        model = GDMLPClassifier(
            hidden_layer_sizes=(64,), solver="minibatch", batch_size=batch_size, learning_rate=1e-3,
            encoding=None, tol=None, max_iter=2, random_state=0,
        )  # fmt: skip
        model.fit(self.X[:5000].astype(np.float32), self.labels[:5000])


class Streams(Calls):
    def setup(self):
        super().setup()
        rng = np.random.default_rng(0)
        indices = np.sort(rng.integers(0, 1 << 20, (64, 100)).astype(np.int32), axis=1)
        rows = np.ones(6400), indices.ravel(), 100 * np.arange(65, dtype=np.int32)
        self.words, self.classes = sparse.csr_matrix(rows, (64, 1 << 20)), rng.integers(0, 2, 64)
        self.of_words = GDClassifier(random_state=0).partial_fit(self.words, self.classes, classes=[0, 1])
        self.of_rows = GDRegressor(random_state=0).partial_fit(self.X[:1], self.y[:1])

    def time_hashed_words(self):
        self.of_words.partial_fit(self.words, self.classes)

    def time_one_row(self):
        self.of_rows.partial_fit(self.X[:1], self.y[:1])


class Searches(Calls):
    def time_rates(self):
        GDRegressorCV(learning_rates=10, solver="sgd", max_iter=10, random_state=0).fit(
            self.X[:5000], self.y[:5000]
        )


class Predictions(Calls):
    def setup(self):
        super().setup()
        self.model = GDClassifier(random_state=0).fit(self.X, self.labels)

    def time_predict(self):
        self.model.predict(self.X)

    def time_predict_proba(self):
        self.model.predict_proba(self.X)


class Import:
    def timeraw_import(self):
        return "import skgd"
