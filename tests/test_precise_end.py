"""Stochastic fits that are asked for more than noise allows end with steps over all rows."""

from itertools import product

import numpy as np
import pytest
from _data import covering, csr, estimator, make
from sklearn.linear_model import ElasticNet, LogisticRegression

EXACT = {"solver": "batch", "tol": 1e-15, "max_iter": 50_000, "n_iter_no_change": 20}
FACTORS = np.array([0.0, 0.02, 0.1, 0.3, 0.05])
OPTIONS = {
    "l2 factors": {"alpha": FACTORS},
    "l1 factors": {"penalty": "l1", "alpha": FACTORS},
    "elasticnet factors": {"penalty": "elasticnet", "l1_ratio": 0.5, "alpha": FACTORS},
    "offset": {},
    "bounds": {"bounds": (-0.1, 0.3)},
}


def mixed(loss, n=200, outputs=1):
    """Rows whose features go together, of unequal units and far from zero, with y and weights."""
    X, y = make(loss, n=n, outputs=outputs)
    rng = np.random.default_rng(1)
    X = X @ (np.eye(5) + 0.3 * rng.normal(size=(5, 5)))
    return X * np.geomspace(0.1, 10, 5) + np.geomspace(10, 0.1, 5), y, rng.uniform(0.2, 3, n)


@pytest.mark.parametrize(
    ("what", "solver", "storage"),
    covering(
        list(product(OPTIONS, ["squared_error", "poisson", "gamma", "log_loss", "squared_hinge", "huber"])),
        ["minibatch", "sgd"],
        [np.asarray, csr],
    ),
)
def test_stochastic_solvers_reach_the_minimum_of_batch_descent(what, solver, storage):
    (name, loss), options = what, OPTIONS[what[0]]
    X, y, weight = mixed(loss)
    scale, rows = X.std(axis=0), {"sample_weight": weight}
    if name == "offset":
        rows["offset"] = np.random.default_rng(2).uniform(-1, 1, len(y))
    exact = estimator(loss, **EXACT, **options).fit(X, y, **rows)
    model = estimator(loss, solver=solver, tol=1e-8, max_iter=5000, **options).fit(storage(X), y, **rows)
    atol = 1e-6 * np.abs(exact.coef_ * scale).max()
    np.testing.assert_allclose(model.coef_ * scale, exact.coef_ * scale, atol=atol)
    assert ((model.coef_ == 0) == (exact.coef_ == 0)).all()
    assert model.loss_ == pytest.approx(exact.loss_, rel=1e-9)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_several_outputs_and_classes_reach_it_too(loss):
    X, y, weight = mixed(loss, outputs=3)
    exact = estimator(loss, **EXACT, alpha=0.01).fit(X, y, sample_weight=weight)
    model = estimator(loss, tol=1e-8, alpha=0.01).fit(X, y, sample_weight=weight)
    scale = X.std(axis=0)
    atol = 1e-6 * np.abs(exact.coef_ * scale).max()
    np.testing.assert_allclose(model.coef_ * scale, exact.coef_ * scale, atol=atol)


DERIVATIVES = {  # slope and second derivative at raw scores z
    "squared_error": lambda y, z: (z - y, np.ones_like(z)),
    "poisson": lambda y, z: (np.exp(z) - y, np.exp(z)),
    "gamma": lambda y, z: (1 - y * np.exp(-z), y * np.exp(-z)),
    "log_loss": lambda y, z: (1 / (1 + np.exp(-z)) - y, 1 / (2 + np.exp(z) + np.exp(-z))),
}


def newton(loss, X, y, l2, offset):
    """Weights at the minimum, by Newton's method with gradients of extended precision."""
    A, y, offset = (np.asarray(a, dtype=np.longdouble) for a in (np.c_[X, np.ones(len(X))], y, offset))
    w, strength = np.zeros(A.shape[1], np.longdouble), np.append(l2, 0)
    w[-1] = {"squared_error": y.mean(), "log_loss": 0}.get(loss, np.log(np.maximum(y.mean(), 1e-3)))
    for _ in range(100):
        slope, second = DERIVATIVES[loss](y, A @ w + offset)
        gradient = A.T @ slope / len(y) + strength * w
        w = w - np.linalg.solve(
            (A.T @ (A * second[:, None]) / len(y) + np.diag(strength)).astype(float), gradient.astype(float)
        )
    assert np.abs(gradient).max() < 1e-15
    return w[:-1].astype(float)


@pytest.mark.parametrize(
    ("case", "solver", "storage"),
    covering(
        list(product(DERIVATIVES, ["factors", "offset"], [0.1, 1.0])),
        ["batch", "minibatch", "sgd"],
        [np.asarray, csr],
    ),
)
def test_the_minimum_is_that_of_newtons_method(case, solver, storage):
    """Of features that go together, in units that differ by up to 100."""
    loss, what, least = case
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 8)) @ (np.eye(8) + 0.4 * rng.normal(size=(8, 8)))
    X *= np.geomspace(least, 1 / least, 8) / X.std(axis=0)
    z = X @ (rng.normal(size=8) * 0.3 / X.std(axis=0)) + (offset := rng.normal(size=500) * 0.5)
    y = {
        "squared_error": lambda: z + rng.normal(size=500),
        "poisson": lambda: rng.poisson(np.exp(z)).astype(float),
        "gamma": lambda: rng.gamma(2, np.exp(z) / 2),
        "log_loss": lambda: (z + rng.logistic(size=500) > 0).astype(float),
    }[loss]()
    options, rows = {"alpha": 0.0}, {"offset": offset}
    if what == "factors":
        options, rows = {"alpha": 0.02 * np.arange(8)}, {}
    expected = newton(loss, X, y, np.broadcast_to(options["alpha"], 8), rows.get("offset", np.zeros(500)))
    model = estimator(loss, solver=solver, tol=1e-7, max_iter=5000, **options).fit(storage(X), y, **rows)
    atol = 1e-9 * np.abs(expected * X.std(axis=0)).max()
    np.testing.assert_allclose(model.coef_.ravel() * X.std(axis=0), expected * X.std(axis=0), atol=atol)


@pytest.mark.parametrize("solver", ["batch", "minibatch"])
def test_it_is_that_of_scikit_learn_under_an_l1_norm_and_bounds(solver):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 12)) @ (np.eye(12) + 0.3 * rng.normal(size=(12, 12)))
    y = X[:, :6] @ rng.normal(size=6) + rng.normal(size=400)
    net = ElasticNet(alpha=0.1, positive=True, tol=1e-14, max_iter=100_000).fit(X, y)
    options = {"penalty": "elasticnet", "l1_ratio": 0.5, "alpha": 0.1, "positive": True}
    model = estimator(solver=solver, tol=1e-8, **options).fit(X, y)
    np.testing.assert_allclose(model.coef_, net.coef_, atol=1e-10)
    classes = np.digitize(y, [-2, 2])
    softmax = LogisticRegression(C=1 / (400 * 0.01), solver="newton-cg", tol=1e-14, max_iter=1000)
    model = estimator("log_loss", solver=solver, alpha=0.01, tol=1e-8).fit(X, classes)
    np.testing.assert_allclose(model.coef_, softmax.fit(X, classes).coef_, atol=1e-9)


def test_without_a_minimum_it_ends_where_it_ended():
    """Separated classes, whose weights grow without end; more features than rows, whose minima are many."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = (X @ [1, 2, -1] > 0).astype(int)
    model = estimator("log_loss", solver="batch", penalty=None, tol=1e-7, max_iter=2000).fit(X, y)
    assert model.stop_reason_ == "tol" and np.log10(model.loss_) > -5
    X, y = rng.normal(size=(30, 60)), rng.normal(size=30)
    model = estimator(solver="batch", penalty=None, tol=1e-8, fit_intercept=False).fit(X, y)
    np.testing.assert_allclose(model.coef_, np.linalg.pinv(X) @ y, atol=1e-6)


def test_blocks_reach_it_too():
    X, y, weight = mixed("log_loss")
    exact = estimator("log_loss", **EXACT, alpha=0.01).fit(X, y, sample_weight=weight)
    parts = [(X[part], y[part], weight[part]) for part in np.array_split(np.arange(len(y)), 3)]
    model = estimator("log_loss", tol=1e-8, alpha=0.01).fit_blocks(parts, classes=[0, 1])
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-6 * np.abs(exact.coef_).max())


def test_only_a_small_tol_and_an_automatic_rate_ask_for_it():
    """The distances from the minimum without those steps: noise, or what a rule aims at."""
    X, y, _ = mixed("squared_error")
    lowest = estimator(**EXACT, alpha=0.01).fit(X, y).loss_

    def left(**params):
        return estimator(alpha=0.01, **params).fit(X, y).loss_ / lowest - 1

    assert left(tol=1e-6) < 1e-12
    assert left(tol=2e-6) > 1e-9
    assert left(tol=1e-8, optimizer="adamw") > 1e-9
    assert left(tol=1e-8, learning_rate=1e-3, standardize=True, average=False) > 1e-9


def test_epochs_that_are_left_bound_the_steps():
    X, y, _ = mixed("squared_error", n=2000)
    lowest = estimator(**EXACT, alpha=0.01).fit(X, y).loss_
    whole = estimator(alpha=0.01, tol=1e-8, max_iter=1000).fit(X, y)
    assert whole.stop_reason_ == "tol" and whole.loss_ / lowest - 1 < 1e-12
    short = estimator(alpha=0.01, tol=1e-8, max_iter=whole.n_iter_ + 1).fit(X, y)
    assert short.n_iter_ == whole.n_iter_ and short.loss_ / lowest - 1 > 1e-12
    np.testing.assert_array_equal(short.history_["loss"], whole.history_["loss"])


def test_bounds_are_reached_where_epochs_run_out():
    """A rate that falls slowly leaves single rows at a noise that moves weights off their bounds."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 12)) @ (np.eye(12) + 0.3 * rng.normal(size=(12, 12)))
    y = X @ rng.normal(size=12) + rng.normal(size=1000)
    options = {"bounds": (-0.1, 0.2), "alpha": 0.01}
    exact = estimator(**EXACT, **options).fit(X, y)
    with pytest.warns(UserWarning, match="max_iter"):
        model = estimator(solver="sgd", tol=1e-9, max_iter=30, **options).fit(X, y)
    assert model.stop_reason_ == "max_iter"
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=2e-6)


def test_a_fit_of_which_nothing_is_recorded_ends_within_its_time():
    """The objective overflows at each rate, so that no epoch is accepted."""
    X = np.array([[0, 2.0, 0]], dtype=np.float32)
    options = {"optimizer": "rmsprop", "alpha": 1e300, "bounds": (1.0, 1.0), "max_iter": 2, "max_time": 10}
    model = estimator("squared_error", solver="minibatch", random_state=0, **options).fit(X, [-1.0])
    assert model.stop_reason_ == "max_iter"
    np.testing.assert_array_equal(model.coef_, 1)
