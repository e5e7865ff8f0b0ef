"""Dropout that changes from update to update."""

from copy import deepcopy

import numpy as np
import pytest
from _data import SOLVERS, csr, make, thin
from _killed import assert_same, killed_after
from sklearn.base import clone

from skgd import Checkpoint, GDMLPClassifier, GDMLPRegressor
from skgd.schedules import Polynomial, Step

FIXED = {
    "hidden_layer_sizes": (40, 30),
    "batch_size": 16,
    "learning_rate": 0.01,
    "tol": None,
    "random_state": 0,
    "max_iter": 6,
}


def mlp(kind=GDMLPRegressor, **params):
    return kind(**{**FIXED, **params})


def assert_equal(one, other):
    for a, b in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)


def times(factor):
    return lambda t: np.full(len(t), factor)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", [GDMLPRegressor, GDMLPClassifier])
def test_a_factor_is_one_of_the_dropout(kind, solver, dtype):
    X, y = make("squared_error" if kind is GDMLPRegressor else "log_loss", n=60, outputs=3, dtype=dtype)
    model = mlp(kind, solver=solver, dropout=0.4).fit(X, y)
    assert_equal(mlp(kind, solver=solver, dropout=0.4, dropout_schedule=times(1.0)).fit(X, y), model)
    half = mlp(kind, solver=solver, dropout=0.4, dropout_schedule=times(0.5)).fit(X, y)
    assert_equal(half, mlp(kind, solver=solver, dropout=0.2).fit(X, y))
    none = mlp(kind, solver=solver, dropout=0.4, dropout_schedule=times(0.0)).fit(X, y)
    assert_equal(none, mlp(kind, solver=solver, dropout=0.0).fit(X, y))
    assert np.abs(none.coefs_[0] - model.coefs_[0]).max() > 1e-4


@pytest.mark.parametrize("solver", SOLVERS)
def test_epochs_without_follow_epochs_with_dropout(solver):
    X, y = make(n=64)
    epoch = {"batch": 1, "minibatch": 4, "sgd": 64}[solver]
    whole = mlp(solver=solver, dropout=0.3, dropout_schedule=lambda t: np.where(t < 2 * epoch, 1.0, 0.0))
    first = mlp(solver=solver, dropout=0.3, max_iter=2, warm_start=True).fit(X, y)
    assert_equal(whole.fit(X, y), first.set_params(dropout=0.0, max_iter=4).fit(X, y))


def test_names_are_those_of_the_rates():
    X, y = make(n=64)
    named = mlp(dropout=0.3, dropout_schedule="polynomial").fit(X, y)
    total = 4 * FIXED["max_iter"]
    own = mlp(dropout=0.3, dropout_schedule=lambda t: 1 - t / total).fit(X, y)
    for a, b in zip(named.coefs_, own.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    steps = mlp(dropout=0.3, dropout_schedule=Step(factor=0.5, period=2)).fit(X, y)
    halved = mlp(dropout=0.3, dropout_schedule=lambda t: 0.5 ** (t // 8)).fit(X, y)
    assert_equal(steps, halved)


def test_dropout_that_falls_to_zero_ends_with_the_network_that_predicts():
    """The rows of the last epoch are scored as the fitted model scores them."""
    X, y = make(n=400, d=8)
    curves = {}
    for schedule in ("constant", Polynomial(power=1)):
        model = mlp(dropout=0.5, dropout_schedule=schedule, max_iter=30, alpha=0, learning_rate=0.002).fit(
            X, y
        )
        curves[str(schedule)] = model.loss_curve_[-1] - model.loss_
    constant, falling = curves.values()
    assert abs(falling) < 0.5 * abs(constant)


def test_sparse_rows_give_the_dense_model():
    X, y = make(n=60)
    X = thin(X, 0.5)
    model = mlp(dropout=0.3, dropout_schedule="polynomial")
    dense, sparse = (clone(model).fit(rows, y) for rows in (X, csr(X)))
    for a, b in zip(dense.coefs_, sparse.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


def test_a_stream_goes_on_with_its_update_number():
    X, y = make(n=64)
    falls = mlp(
        dropout=0.3, dropout_schedule=lambda t: np.where(t < 2, 1.0, 0.0), standardize=False, shuffle=False
    )
    begun = falls.partial_fit(X[:16], y[:16])
    whole, pieces = (deepcopy(begun) for _ in range(2))
    whole.partial_fit(X[16:], y[16:])
    pieces.partial_fit(X[16:32], y[16:32]).partial_fit(X[32:], y[32:])
    for a, b in zip(whole.coefs_, pieces.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_threads_change_nothing():
    X, y = make(n=900, d=120)
    params = {"hidden_layer_sizes": (90, 70), "batch_size": 200, "dropout": 0.4, "dropout_schedule": "cosine"}
    assert_equal(*(mlp(n_jobs=jobs, **params).fit(X, y) for jobs in (1, 2)))


def test_a_killed_fit_goes_on(monkeypatch, tmp_path):
    X, y = make(n=90)
    path = tmp_path / "fit.ckpt"

    def fresh():
        return mlp(dropout=0.3, dropout_schedule="polynomial", max_iter=12)

    whole = fresh().fit(X, y)
    killed_after(monkeypatch, 4, lambda: fresh().fit(X, y, checkpoint=Checkpoint(path, 0)))
    assert_same(fresh().fit(X, y, checkpoint=Checkpoint(path, 0)), whole)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (times(4.0), "lies in"),
        (times(-1.0), "lies in"),
        (lambda t: np.ones(3), "factor for each"),
        ("adaptive", "plateaus"),
        ("falling", "dropout_schedule"),
    ],
)
def test_what_cannot_be_says_so(schedule, words):
    X, y = make(n=64)
    with pytest.raises(ValueError, match=words):
        mlp(dropout=0.3, dropout_schedule=schedule).fit(X, y)


def test_without_dropout_the_schedule_is_not_asked():
    def refuses(t):
        raise AssertionError

    X, y = make(n=64)
    mlp(dropout=0.0, dropout_schedule=refuses).fit(X, y)
