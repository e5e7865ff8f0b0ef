"""Batch descent on squared error by second moments: the descent on the rows, by another way."""

import numpy as np
import pytest
from _data import make, theta

from skgd import GDRegressor
from skgd.losses import Loss


class Half(Loss):
    """Half the squared error, of which the core knows nothing."""

    def value_and_slope(self, y, raw):
        residual = raw - y.reshape(raw.shape)
        return (residual**2 / 2).sum(axis=1), residual


def both(X, y, weights=None, **params):
    """A fit by moments, from an early epoch on, and one by rows."""
    shared = {"solver": "batch", "learning_rate": 0.1, "max_iter": 30, "tol": None, "alpha": 0.01, **params}
    fits = [
        GDRegressor(loss, **shared).fit(X, y, sample_weight=weights) for loss in ("squared_error", Half())
    ]
    assert len(X) * X.shape[1] >= 1 << 16
    return fits


def assert_same(by_moments, by_rows, rtol=1e-9):
    np.testing.assert_allclose(theta(by_moments), theta(by_rows), rtol=rtol, atol=rtol / 100)
    np.testing.assert_allclose(by_moments.loss_curve_, by_rows.loss_curve_, rtol=rtol)
    for name in ("gradient_norm", "learning_rate"):
        a, b = by_moments.history_[name], by_rows.history_[name]
        np.testing.assert_allclose(a, b, rtol=1e3 * rtol, atol=rtol)
    assert by_moments.loss_ == pytest.approx(by_rows.loss_, rel=rtol)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("optimizer", ["plain", "momentum", "nesterov", "adam"])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_moments_give_the_descent_on_the_rows(penalty, optimizer, outputs):
    X, y = make(n=17_000, d=5, outputs=outputs)
    assert_same(*both(X, y, optimizer=optimizer, penalty=penalty))


@pytest.mark.parametrize("params", [{"fit_intercept": False}, {"standardize": True}, {"n_jobs": 2}])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_coordinates_and_intercepts(weighted, params):
    X, y = make(n=17_000, d=5)
    weights = np.random.default_rng(0).integers(0, 3, len(X)) if weighted else None
    assert_same(*both(X + np.arange(5), y, weights, **params, learning_rate=0.05))


def test_single_precision():
    X, y = make(n=17_000, d=5, dtype=np.float32)
    by_moments, by_rows = both(X, y)
    assert by_moments.coef_.dtype == np.float32
    assert_same(by_moments, by_rows, rtol=2e-5)


def test_many_features():
    X, y = make(n=2000, d=160)
    by_moments, by_rows = both(X, y, learning_rate=0.01)
    assert_same(by_moments, by_rows)


def test_automatic_rates_reach_least_squares():
    X, y = make(n=17_000, d=20)
    model = GDRegressor(solver="batch", alpha=0.0, tol=1e-12).fit(X, y)
    expected = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
    np.testing.assert_allclose(theta(model)[:, 0], expected, rtol=1e-5, atol=1e-6)


def test_a_mini_batch_of_all_rows_takes_them_too():
    X, y = make(n=17_000, d=5)
    fits = [
        GDRegressor(solver=solver, batch_size=20_000, learning_rate=0.1, max_iter=9, tol=None, average=False)
        for solver in ("batch", "minibatch")
    ]
    assert_same(*(model.fit(X, y) for model in fits))
