"""Zeros of the l1 penalty: they are exact, whatever the solver, the rule and the averaging."""

import numpy as np
import pytest
from _data import SOLVERS, STILL, estimator, make, pairs


def sparse_truth(n=80, d=20, seed=0):
    """Ten times as many features as the targets depend on."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, 2 * X[:, 0] - X[:, 1] + 0.5 + 0.1 * rng.normal(size=n)


@pytest.mark.parametrize(
    ("optimizer", "solver"),
    [("plain", "sgd"), ("ftrl", "sgd"), *pairs(["batch", "minibatch"])],
)
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_l1_gives_exact_zeros(penalty, optimizer, solver):
    X, y = sparse_truth()
    model = estimator(
        penalty=penalty,
        alpha=0.4,
        l1_ratio=0.8,
        solver=solver,
        optimizer=optimizer,
        learning_rate={"adagrad": 1.0, "ftrl": 1.0, "adadelta": 30.0, "schedule_free": 0.1}.get(
            optimizer, 0.01
        ),
        schedule="constant" if optimizer == "barzilai_borwein" else "invscaling",
        max_iter=400,
        tol=None,
        average=False,
    ).fit(X, y)
    assert np.sum(model.coef_[2:] == 0) >= 15
    assert np.all(np.abs(model.coef_[:2]) > 0.3)


@pytest.mark.parametrize(("optimizer", "solver"), pairs())
def test_zero_is_zero_and_not_nearly_so(optimizer, solver):
    X, y = sparse_truth()
    model = estimator(
        penalty="l1",
        alpha=0.4,
        solver=solver,
        optimizer=optimizer,
        learning_rate=0.005,
        check_every=1,
        record_path=True,
        max_iter=8,
        **STILL,
    ).fit(X, y)
    size = np.abs(model.path_)
    assert not np.any((size > 0) & (size < 1e-13))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("average", [True, "auto", 100])
def test_averaging_keeps_the_zeros(average, solver):
    X, y = sparse_truth()
    model = estimator(penalty="l1", alpha=0.4, solver=solver, average=average, max_iter=100, tol=None).fit(
        X, y
    )
    assert np.sum(model.coef_ == 0) >= 15


def test_a_strong_l1_penalty_leaves_only_the_intercept():
    X, y = make()
    bound = np.abs(X.T @ (y - y.mean())).max() / len(y)  # the smallest alpha that empties coef_
    for alpha, empty in [(1.001 * bound, True), (0.97 * bound, False)]:
        model = estimator(penalty="l1", alpha=alpha, solver="batch", tol=1e-14, max_iter=5000)
        model.fit(X, y)
        assert (not model.coef_.any()) == empty
        if empty:
            assert model.intercept_[0] == pytest.approx(y.mean(), rel=1e-6)
