"""Sparse rows whose columns are filled in runs (bins): a perceptron sees them as the dense rows they are."""

import numpy as np
import pytest
from _data import csr
from scipy import sparse

from skgd import GDMLPClassifier, GDMLPRegressor
from skgd.preprocessing import PiecewiseLinearEncoder, TableEncoder

QUICK = {"hidden_layer_sizes": 11, "max_iter": 5, "tol": None, "random_state": 0, "standardize": False}


def table(n=300, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X[:, 1] = rng.integers(0, 4, n)
    return X, X[:, 0] * X[:, 2] + X[:, 1]


def no_run(Z):
    """A row that breaks some runs: what follows a column is there without it."""
    Z = Z.copy()
    Z[7] = 0
    Z[7, 1::5] = 0.5
    return Z


CHANGES = {"bins": lambda Z: Z, "broken": no_run, "scaled": lambda Z: 2 * Z, "few": lambda Z: Z * (Z < 1)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", [GDMLPRegressor, GDMLPClassifier])
def test_loss_and_gradient_are_those_of_dense_rows(kind, change, dtype):
    X, y = table()
    y = np.digitize(y, [0, 2]) if kind is GDMLPClassifier else y
    Z = CHANGES[change](PiecewiseLinearEncoder().fit_transform(X)).astype(dtype)
    found = []
    for rows in (Z, csr(Z)):
        problem = kind(**QUICK)._objective_of(rows, y)
        theta = problem.zeros()
        problem.initialise(theta, 0)
        found.append((problem.evaluate(theta, None), problem.loss_gradient(theta), problem.scores(theta)))
    digits = 1e-5 if dtype == np.float32 else 1e-12
    for dense, coded in zip(*found, strict=True):
        np.testing.assert_allclose(coded, dense, rtol=digits, atol=digits * np.abs(dense).max())


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
def test_fits_are_those_to_dense_rows(solver, members):
    X, y = table()
    Z = TableEncoder().fit_transform(X).astype(float)
    assert sparse.issparse(Z)
    params = {**QUICK, "solver": solver, "n_members": members, "share_weights": True, "learning_rate": 1e-3}
    coded, dense = (GDMLPRegressor(**params).fit(rows, y) for rows in (Z, Z.toarray()))
    np.testing.assert_allclose(coded.predict(Z), dense.predict(Z.toarray()), rtol=1e-9)


def test_unsorted_and_repeated_columns_are_no_runs():
    rows = sparse.csr_array(
        (np.array([1.0, 0.5, 0.5, 1.0, 1.0, 0.25]), np.array([1, 0, 0, 1, 1, 2]), np.array([0, 2, 4, 6]))
    )
    y = np.arange(3.0)
    found = [GDMLPRegressor(**QUICK)._objective_of(each, y) for each in (rows, rows.toarray())]
    theta = found[0].zeros()
    found[0].initialise(theta, 0)
    sparse_part, dense_part = (problem.loss_gradient(theta) for problem in found)
    np.testing.assert_allclose(sparse_part, dense_part, rtol=1e-12, atol=1e-14)
