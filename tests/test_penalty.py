"""Penalties: closed forms, conditions of optimality, paths, and the meaning of alpha."""

import _reference as reference
import numpy as np
import pytest
from _data import SOLVERS, STILL, covering, csr, estimator, make, pairs, theta, thin, wide
from sklearn.linear_model import ElasticNet, Lasso, Ridge

SIZES = {"batch": None, "minibatch": 16, "sgd": 1}
PENALTIES = [(None, 0.0), ("l2", 0.1), ("l1", 0.05), ("elasticnet", 0.1)]


# ---------------------------------------------------------------- closed forms


@pytest.mark.parametrize(
    ("penalty", "twin"),
    [
        ("l2", Ridge(alpha=0.3 * 60)),
        ("l1", Lasso(alpha=0.3, tol=1e-14, max_iter=100_000)),
        ("elasticnet", ElasticNet(alpha=0.3, l1_ratio=0.4, tol=1e-14, max_iter=100_000)),
    ],
)
@pytest.mark.parametrize(
    "optimizer", ["plain", "momentum", "nesterov", "adam", "amsgrad", "nadam", "barzilai_borwein"]
)
def test_batch_descent_reaches_the_optimum_of_scikit_learn(optimizer, penalty, twin):
    X, y = make(n=60, seed=3)
    model = estimator(
        penalty=penalty,
        alpha=0.3,
        l1_ratio=0.4,
        solver="batch",
        optimizer=optimizer,
        learning_rate=0.1,
        schedule="cosine" if "ad" in optimizer else "constant",  # at a constant rate Adam never settles
        tol=None,
        max_iter=4000,
    ).fit(X, y)
    twin.fit(X, y)
    np.testing.assert_allclose(model.coef_, twin.coef_, rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(model.coef_ == 0, twin.coef_ == 0)
    assert model.intercept_[0] == pytest.approx(twin.intercept_, rel=1e-7)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "huber", "poisson"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_subgradient_at_the_end_contains_zero(loss, outputs):
    X, y = make(loss, outputs=outputs, seed=4)
    l1, l2 = reference.strengths("elasticnet", 0.1, 0.6)
    model = estimator(
        loss,
        penalty="elasticnet",
        alpha=0.1,
        l1_ratio=0.6,
        solver="batch",
        learning_rate=0.1,
        tol=None,
        max_iter=5000,
    ).fit(X, y)
    at = theta(model)
    slope = reference.loss_gradient(at, X, y, loss)
    weights, slope_of_weights = at[:-1], slope[:-1] + l2 * at[:-1]
    active = weights != 0
    assert active.sum() > 0
    np.testing.assert_allclose(slope_of_weights[active], -l1 * np.sign(weights[active]), atol=1e-8)
    assert np.all(np.abs(slope_of_weights[~active]) <= l1 + 1e-8)
    np.testing.assert_allclose(slope[-1], 0, atol=1e-8)


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize("storage", [np.asarray, lambda X: csr(thin(X))])
def test_single_rows_follow_the_cumulative_penalty(storage):
    """Tsuruoka et al. 2009: a weight is charged what it has not paid yet, and stops at zero."""
    X, y = make(n=50, d=8, seed=5)
    X = storage(X)
    model = estimator(penalty="l1", alpha=0.05, solver="sgd", learning_rate=0.02, max_iter=4, **STILL).fit(
        X, y
    )
    path = reference.descend(X, y, rate=0.02, batch_size=1, epochs=4, l1=0.05)
    np.testing.assert_allclose(theta(model), path[-1], rtol=1e-10, atol=1e-12)
    assert np.any(path[1:, :-1] == 0)
    np.testing.assert_array_equal(theta(model)[:-1] == 0, path[-1, :-1] == 0)


@pytest.mark.parametrize(
    ("rule", "penalty", "outputs", "width", "index"),
    covering(pairs(), PENALTIES, [1, 3], ["narrow", "wide"], [np.int32, np.int64]),
)
def test_sparse_rows_give_the_dense_model(rule, penalty, outputs, width, index):
    if width == "wide":
        X, y = wide(outputs=outputs)
    else:
        X, y = make(n=50, d=8, outputs=outputs)
        X = thin(X, 0.3)
        X[:, 3] = 0  # never seen
    (kind, alpha), (optimizer, solver) = penalty, rule
    model = estimator(
        penalty=kind,
        alpha=alpha,
        l1_ratio=0.4,
        optimizer=optimizer,
        solver=solver,
        batch_size=16,
        learning_rate=0.05,
        max_iter=4,
        **STILL,
    )
    dense = theta(model.fit(X, y))
    curve = model.loss_curve_
    np.testing.assert_allclose(theta(model.fit(csr(X, index), y)), dense, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(model.loss_curve_, curve, rtol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("average", [True, 20])
def test_sparse_rows_give_the_dense_average(average, penalty, solver):
    X, y = wide(outputs=3)
    kind, alpha = penalty
    model = estimator(
        penalty=kind,
        alpha=alpha,
        average=average,
        solver=solver,
        learning_rate=0.05,
        batch_size=4,
        schedule="invscaling",
        shuffle=False,
        tol=None,
        max_iter=30,
    )
    dense = theta(model.fit(X, y))
    np.testing.assert_allclose(theta(model.fit(csr(X), y)), dense, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_a_strong_penalty_on_sparse_rows(penalty, solver):
    """The weights shrink to a tenth every update: no factor kept aside may underflow."""
    X, y = wide()
    model = estimator(
        penalty=penalty,
        alpha=9.0,
        l1_ratio=1e-4,
        solver=solver,
        learning_rate=0.1,
        max_iter=20,
        **STILL,
    )
    dense = theta(model.fit(X, y))
    np.testing.assert_allclose(theta(model.fit(csr(X), y)), dense, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_a_feature_never_seen_still_decays_from_its_start(penalty, solver):
    """The penalty acts on every weight, also where all of X's column is zero."""
    X, y = make(n=40, d=4)
    X[:, 2] = 0
    l1, l2 = reference.strengths(penalty, 0.5, 0.4)
    start = np.vstack([np.ones((4, 1)), [[0.0]]])
    expected = reference.descend(
        X, y, rate=0.01, batch_size=SIZES[solver], epochs=3, l1=l1, l2=l2, start=start
    )[-1]
    for rows in (X, csr(X)):
        model = estimator(
            penalty=penalty,
            alpha=0.5,
            l1_ratio=0.4,
            solver=solver,
            batch_size=16,
            max_iter=3,
            learning_rate=0.01,
            **STILL,
        ).fit(rows, y, coef_init=np.ones(4), intercept_init=np.zeros(1))
        assert model.coef_[2] < 1
        np.testing.assert_allclose(theta(model), expected, rtol=1e-9, atol=1e-11)


# ---------------------------------------------------------------- meaning


@pytest.mark.parametrize(
    ("rule", "penalty", "storage"),
    covering(pairs(without=["barzilai_borwein"]), ["l2", "l1", "elasticnet"], [np.asarray, csr]),
)  # without the rule whose 1/L knows the penalty
def test_the_intercept_is_never_penalised(rule, penalty, storage):
    """No features to speak of: the intercept moves as if there were no penalty at all."""
    optimizer, solver = rule
    X, y = np.zeros((40, 2)), np.linspace(1, 3, 40)
    params = {"solver": solver, "optimizer": optimizer, "learning_rate": 0.02, "max_iter": 3}
    heavy = estimator(penalty=penalty, alpha=10.0, **params, **STILL).fit(storage(X), y)
    free = estimator(penalty=None, **params, **STILL).fit(storage(X), y)
    np.testing.assert_allclose(heavy.intercept_, free.intercept_, rtol=1e-12)
    np.testing.assert_array_equal(heavy.coef_, 0)


@pytest.mark.parametrize("batch_size", [1, 4, 15, 60])
def test_alpha_means_the_same_for_every_batch_size(batch_size):
    """A falling rate leads every batch size to the one ridge solution."""
    X, y = make(n=60, seed=6)
    ridge = Ridge(alpha=0.5 * 60).fit(X, y)
    model = estimator(
        penalty="l2",
        alpha=0.5,
        batch_size=batch_size,
        learning_rate=0.2,
        max_iter=4000,
        tol=None,
        schedule=lambda t: 1 / (1 + t * batch_size / 600),
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_, ridge.coef_, rtol=0, atol=2e-3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_penalty_is_alpha_zero(solver):
    X, y = make()
    params = {"solver": solver, "learning_rate": 0.05, "max_iter": 5, **STILL}
    none = theta(estimator(penalty=None, alpha=3.0, **params).fit(X, y))
    for penalty in ("l2", "l1", "elasticnet"):
        zero = theta(estimator(penalty=penalty, alpha=0.0, **params).fit(X, y))
        np.testing.assert_allclose(zero, none, rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("l1_ratio", "twin"), [(0.0, "l2"), (1.0, "l1")])
def test_elasticnet_ends_in_l2_and_l1(l1_ratio, twin, solver):
    X, y = make()
    params = {"solver": solver, "learning_rate": 0.05, "max_iter": 5, "alpha": 0.1, **STILL}
    mix = theta(estimator(penalty="elasticnet", l1_ratio=l1_ratio, **params).fit(X, y))
    pure = theta(estimator(penalty=twin, **params).fit(X, y))
    np.testing.assert_allclose(mix, pure, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adagrad_gives_each_part_of_an_elastic_net_its_due(dtype):
    """Hardly any l2 beside the l1: both precisions and l1 alone agree on where the noise ends."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 8))
    y = X[:, 0] + 0.1 * rng.standard_normal(2000)
    params = {"optimizer": "adagrad", "alpha": 0.03, "learning_rate": 0.01, "max_iter": 30, "solver": "sgd"}
    kept = [
        estimator("squared_error", penalty="elasticnet", l1_ratio=ratio, **params, **STILL)
        .fit(X.astype(kind), y.astype(kind))
        .coef_
        for ratio, kind in ((0.9999, dtype), (1.0, np.float64))
    ]
    np.testing.assert_allclose(kept[0], kept[1], atol=1e-3)
