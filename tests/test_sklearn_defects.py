"""Defects of scikit-learn's own descent estimators, each of which must not come back here.

That Ctrl-C is honoured at once, and not at the end of a fit, is tested with divergence.
"""

import _reference as reference
import numpy as np
import pytest
from _data import SOLVERS, STILL, csr, estimator, make, theta
from sklearn.linear_model import Lasso

import skgd

STREAMS = ("minibatch", "sgd")


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_loss_that_stops_counts_the_weights(solver):
    """Half of the rows are noise without weight; stopping must not see them."""
    X, y = make(n=80)
    weights = np.repeat([1.0, 0.0], 40)
    y[40:] *= 100
    params = {"solver": solver, "learning_rate": 0.01, "shuffle": False, "average": False}
    weighted = estimator(max_iter=3000, **params).fit(X, y, sample_weight=weights)
    at_start = reference.objective(np.zeros((6, 1)), X[:40], y[:40])
    assert weighted.loss_curve_[0] <= at_start * (1 + 1e-9)
    assert weighted.stop_reason_ == "tol"
    assert weighted.loss_ == pytest.approx(
        reference.objective(theta(weighted), X, y, l2=1e-4, weights=weights), rel=1e-10
    )


@pytest.mark.parametrize("solver", STREAMS)
def test_an_average_with_l1_is_near_the_lasso(solver):
    """SGDRegressor(average=True, penalty="l1") ends 56% off."""
    X, y = make(n=500, d=10, seed=2)
    lasso = Lasso(alpha=0.1, tol=1e-12).fit(X, y)
    model = estimator(
        penalty="l1",
        alpha=0.1,
        average=True,
        solver=solver,
        learning_rate=0.01,
        max_iter=100,
        tol=None,
    ).fit(X, y)
    best = np.r_[lasso.coef_, lasso.intercept_][:, None]
    low = reference.objective(best, X, y, l1=0.1)
    assert model.loss_ == pytest.approx(low, rel=1e-2)
    np.testing.assert_allclose(model.coef_, lasso.coef_, atol=0.05)


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", STREAMS)
def test_partial_fit_with_l1_is_fit_with_l1(solver, storage):
    """The penalty owed belongs to the descent, not to one call."""
    X, y = make(n=64, d=10)
    X = storage(X)
    params = {"penalty": "l1", "alpha": 0.2, "solver": solver, "batch_size": 8, **STILL}
    whole = estimator(learning_rate=0.02, max_iter=3, **params).fit(X, y)
    pieces = estimator(learning_rate=0.02, **params)
    for _ in range(3):
        for first in range(0, 64, 16):
            pieces.partial_fit(X[first : first + 16], y[first : first + 16])
    np.testing.assert_allclose(theta(pieces), theta(whole), rtol=1e-10, atol=1e-13)


def test_every_epoch_has_an_order_of_its_own():
    """On the identity, a row moves its own coefficient only: the path shows the order."""
    n, epochs = 30, 6
    model = estimator(
        solver="sgd",
        penalty=None,
        fit_intercept=False,
        learning_rate=0.1,
        max_iter=epochs,
        tol=None,
        average=False,
        check_every=1,
        record_path=True,
    ).fit(np.eye(n), np.ones(n))
    rows = np.argmax(np.abs(np.diff(model.path_[:, :n], axis=0)), axis=1)
    orders = rows.reshape(epochs, n)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(n), (epochs, 1)))
    assert len({tuple(order) for order in orders}) == epochs
    repeats = np.mean(orders[1:] == orders[:-1])
    assert repeats < 0.2


@pytest.mark.parametrize("solver", STREAMS)
def test_features_of_scale_100_do_not_diverge_silently(solver):
    """SGDRegressor() answers with coefficients of 4e11 and says nothing."""
    X, y = make(n=200)
    with pytest.raises(skgd.DivergenceError, match="learning_rate"):
        estimator(solver=solver, learning_rate=0.01).fit(100 * X, y)
    best = np.linalg.lstsq(reference.with_ones(X), y, rcond=None)[0]
    model = estimator(solver=solver, penalty=None, standardize=True, max_iter=300, tol=None)
    np.testing.assert_allclose(100 * model.fit(100 * X, y).coef_, best[:-1], atol=0.05)


@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_a_minibatch_without_weight_does_not_divide_by_zero(storage):
    X, y = make("log_loss", n=64, outputs=3)
    weights = np.repeat([1.0, 0.0, 1.0, 1.0], 16)
    model = estimator("log_loss", batch_size=16, shuffle=False, max_iter=5, tol=None)
    model.fit(storage(X), y, sample_weight=weights)
    assert np.isfinite(theta(model)).all()
    assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_loss_of_several_outputs_is_the_one_differentiated(solver):
    """A step of length h lowers it by h times the squared norm of the gradient."""
    X, y = make(n=64, outputs=3)
    start = np.zeros((6, 3))
    slope = reference.loss_gradient(start, X, y)
    model = estimator(
        solver=solver, batch_size=64, penalty=None, learning_rate=1e-7, max_iter=1, **STILL
    ).fit(X, y)
    steps = {"batch": 1, "minibatch": 1, "sgd": 64}[solver]
    fall = reference.objective(start, X, y) - model.loss_
    assert fall == pytest.approx(steps * 1e-7 * (slope**2).sum(), rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 64])
def test_alpha_does_not_depend_on_the_batch_size(batch_size):
    """Where the data say nothing, each step leaves 1 - rate alpha of a weight."""
    X, y = np.zeros((64, 2)), np.zeros(64)
    model = estimator(
        penalty="l2", alpha=0.5, batch_size=batch_size, learning_rate=0.01, max_iter=2, **STILL
    ).fit(X, y, coef_init=np.ones(2), intercept_init=np.zeros(1))
    steps = 2 * -(-64 // batch_size)
    np.testing.assert_allclose(model.coef_, (1 - 0.01 * 0.5) ** steps, rtol=1e-12)


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", SOLVERS)
def test_single_precision_data_train_in_single_precision(solver, storage):
    X, y = make("log_loss", dtype=np.float32)
    model = estimator("log_loss", solver=solver, max_iter=5, tol=None).fit(storage(X), y)
    assert model.coef_.dtype == np.float32
    assert model.intercept_.dtype == np.float32
    assert model.decision_function(storage(X)).dtype == np.float32
    assert model.predict_proba(storage(X)).dtype == np.float32


@pytest.mark.parametrize("solver", SOLVERS)
def test_early_stopping_restores_the_best_parameters(solver):
    X, y = make(n=120, d=40, seed=1)
    model = estimator(solver=solver, early_stopping=True, learning_rate=0.01, alpha=0.0, tol=0.0)
    model.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    scores, best = model.validation_scores_, np.argmin(model.history_["validation_loss"])
    assert model.score(X[60:], y[60:]) == pytest.approx(scores[best], rel=1e-12)
    assert len(scores) > 1 + best


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("schedule", ["constant", "invscaling"])
def test_sparse_and_dense_rows_give_one_model(schedule, solver, loss):
    """No slower intercept for sparse rows."""
    X, y = make(loss, n=80)
    model = estimator(loss, solver=solver, schedule=schedule, max_iter=20, tol=None)
    dense = theta(model.fit(X, y))
    np.testing.assert_allclose(theta(model.fit(csr(X), y)), dense, rtol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_the_validation_split_of_many_classes_is_stratified(seed):
    """A step from zero on indicator rows leaves the counts of the training classes."""
    classes, each = 10, 20
    y = np.repeat(np.arange(classes), each)
    model = estimator(
        "log_loss",
        solver="batch",
        learning_rate=1.0,
        penalty=None,
        fit_intercept=False,
        max_iter=1,
        tol=None,
        early_stopping=True,
        record_path=True,
        random_state=seed,
    ).fit(np.eye(classes)[y], y)
    step = model.path_[1][: classes**2].reshape(classes, classes)
    trained = np.diag(step) / (1 - 1 / classes) * (classes * each * 0.9)
    np.testing.assert_allclose(trained, each * 0.9, rtol=1e-9)
