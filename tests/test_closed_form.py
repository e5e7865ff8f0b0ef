"""Batch descent against closed forms, exact solvers and scipy.optimize."""

import _reference as reference
import numpy as np
import pytest
from _data import estimator, make, theta
from scipy.optimize import linprog, minimize
from sklearn import linear_model, svm

OPTIMUM = {"solver": "batch", "tol": 1e-14, "n_iter_no_change": 20, "max_iter": 50_000}
SMOOTH_REGRESSION = [
    "squared_error",
    "huber",
    "log_cosh",
    "squared_epsilon_insensitive",
    "poisson",
    "gamma",
    "tweedie",
]
SMOOTH_CLASSIFICATION = ["log_loss", "squared_hinge", "modified_huber"]


def scipy_optimum(loss, X, y, outputs=1, l2=0.0, weights=None, **params):
    """The minimiser of F by L-BFGS, polished until the gradient vanishes."""
    shape = (X.shape[1] + 1, outputs)
    total = None if weights is None else weights * len(y) / weights.sum()

    def value_and_gradient(flat):
        at = flat.reshape(shape)
        slope = reference.loss_gradient(at, X, y, loss, weights=total, **params)
        slope[:-1] += l2 * at[:-1]
        value = reference.objective(at, X, y, loss, l2=l2, weights=weights, **params)
        return value, slope.ravel()

    options = {"maxiter": 20_000, "ftol": 0, "gtol": 1e-11, "maxcor": 30}
    result = minimize(
        value_and_gradient, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options
    )
    return result.x.reshape(shape), result.fun


def assert_close(model, coef, intercept, rtol=1e-5):
    np.testing.assert_allclose(model.coef_, np.reshape(coef, model.coef_.shape), rtol=rtol, atol=1e-8)
    np.testing.assert_allclose(model.intercept_, np.atleast_1d(intercept), rtol=rtol, atol=1e-8)


# ---------------------------------------------------------------- least squares


@pytest.mark.parametrize("optimizer", ["plain", "momentum", "nesterov"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_least_squares(fit_intercept, optimizer):
    X, y = make(n=60, outputs=3)
    design = reference.with_ones(X) if fit_intercept else X
    best = np.linalg.lstsq(design, y, rcond=None)[0]
    model = estimator(penalty=None, fit_intercept=fit_intercept, optimizer=optimizer, **OPTIMUM)
    model.fit(X, y)
    intercept = best[5] if fit_intercept else np.zeros(3)
    assert_close(model, best[:5].T, intercept)
    assert model.loss_ == pytest.approx(((design @ best - y) ** 2).sum() / 120, rel=1e-12)


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 10.0])
def test_ridge(alpha):
    X, y = make(n=60)
    weights = np.random.default_rng(0).uniform(0.2, 3, 60)
    model = estimator(alpha=alpha, **OPTIMUM).fit(X, y, sample_weight=weights)
    ridge = linear_model.Ridge(alpha=alpha * weights.sum()).fit(X, y, sample_weight=weights)
    assert_close(model, ridge.coef_, ridge.intercept_, rtol=1e-6)


# ---------------------------------------------------------------- estimators of scikit-learn


def test_huber_regressor():
    """Ours fixes the scale; at the scale HuberRegressor found, both minimise the same function."""
    X, y = make(n=80)
    y[::7] += 5
    twin = linear_model.HuberRegressor(epsilon=1.5, alpha=2.0, tol=1e-12, max_iter=10_000).fit(X, y)
    from skgd.losses import Huber

    model = estimator(alpha=2.0 * twin.scale_ / 80, **OPTIMUM)
    model.set_params(loss=Huber(epsilon=1.5 * twin.scale_)).fit(X, y)
    assert_close(model, twin.coef_, twin.intercept_, rtol=1e-4)


@pytest.mark.parametrize(
    ("loss", "twin"),
    [
        ("poisson", linear_model.PoissonRegressor(alpha=0.1, tol=1e-12, max_iter=10_000)),
        ("gamma", linear_model.GammaRegressor(alpha=0.1, tol=1e-12, max_iter=10_000)),
        (
            "tweedie",
            linear_model.TweedieRegressor(power=1.5, link="log", alpha=0.1, tol=1e-12, max_iter=10_000),
        ),
    ],
)
def test_generalised_linear_models(loss, twin):
    X, y = make(loss, n=80)
    weights = np.random.default_rng(0).uniform(0.2, 3, 80)
    model = estimator(loss, alpha=0.1, **OPTIMUM).fit(X, y, sample_weight=weights)
    twin.fit(X, y, sample_weight=weights)
    assert_close(model, twin.coef_, twin.intercept_)
    np.testing.assert_allclose(model.predict(X), twin.predict(X), rtol=1e-5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_logistic_regression(outputs):
    X, y = make("log_loss", n=80, outputs=outputs)
    model = estimator("log_loss", alpha=0.02, **OPTIMUM).fit(X, y)
    twin = linear_model.LogisticRegression(C=1 / (0.02 * 80), tol=1e-12, max_iter=10_000).fit(X, y)
    assert_close(model, twin.coef_, twin.intercept_ - twin.intercept_.mean() * (outputs > 1), 1e-5)
    np.testing.assert_allclose(model.predict_proba(X), twin.predict_proba(X), rtol=1e-5)
    np.testing.assert_allclose(model.decision_function(X), twin.decision_function(X), atol=1e-5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_linear_svc_of_squared_hinge(outputs):
    X, y = make("hinge", n=80, outputs=outputs)
    model = estimator("squared_hinge", alpha=0.1, fit_intercept=False, **OPTIMUM).fit(X, y)
    twin = svm.LinearSVC(C=1 / (0.1 * 80), fit_intercept=False, dual=False, tol=1e-12)
    twin.set_params(max_iter=100_000).fit(X, y)
    assert_close(model, twin.coef_, np.zeros(outputs))


# ---------------------------------------------------------------- scipy.optimize on the objective


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", [*SMOOTH_REGRESSION, *SMOOTH_CLASSIFICATION])
def test_smooth_losses_reach_the_optimum(loss, outputs):
    X, y = make(loss, n=60, outputs=outputs, seed=1)
    weights = np.random.default_rng(1).uniform(0.2, 3, 60)
    best, low = scipy_optimum(loss, X, y, outputs, l2=0.05, weights=weights)
    model = estimator(loss, alpha=0.05, **OPTIMUM).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(theta(model), best, rtol=1e-5, atol=1e-6)
    assert model.loss_ == pytest.approx(low, rel=1e-9)


@pytest.mark.parametrize("loss", ["log_loss", "huber", "squared_error"])
@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam"])
def test_every_rule_reaches_the_optimum(loss, optimizer):
    X, y = make(loss, n=60, seed=2)
    best, low = scipy_optimum(loss, X, y, l2=0.05)
    patient = OPTIMUM | {"n_iter_no_change": 1000}  # longer than a swing of the momentum
    model = estimator(loss, alpha=0.05, optimizer=optimizer, **patient).fit(X, y)
    np.testing.assert_allclose(theta(model), best, rtol=1e-4, atol=1e-5)
    assert model.loss_ == pytest.approx(low, rel=1e-7)


# ---------------------------------------------------------------- losses with kinks


def falling(t):
    return 1 / (1 + 0.005 * t)


@pytest.mark.parametrize("quantile", [0.2, 0.5, 0.9])
def test_quantile_regressor(quantile):
    from skgd.losses import Quantile

    X, y = make(n=60)
    twin = linear_model.QuantileRegressor(quantile=quantile, alpha=0.02).fit(X, y)
    at = np.r_[twin.coef_, twin.intercept_][:, None]
    low = reference.objective(at, X, y, "quantile", l1=0.02, quantile=quantile)
    model = (
        estimator(
            penalty="l1",
            alpha=0.02,
            solver="batch",
            learning_rate=1.0,
            schedule=falling,
            tol=None,
            max_iter=20_000,
        )
        .set_params(loss=Quantile(quantile=quantile))
        .fit(X, y)
    )
    assert low * (1 - 1e-6) <= model.loss_ <= low * (1 + 5e-4)


def test_absolute_error_is_twice_the_median_regression():
    X, y = make(n=60)
    params = {"solver": "batch", "schedule": falling, "tol": None, "max_iter": 500}
    median = estimator("quantile", alpha=0.01, learning_rate=0.2, **params).fit(X, y)
    absolute = estimator("absolute_error", alpha=0.02, learning_rate=0.1, **params).fit(X, y)
    np.testing.assert_allclose(theta(absolute), theta(median), rtol=1e-10)
    assert absolute.loss_ == pytest.approx(2 * median.loss_, rel=1e-10)


def linear_program(X, residuals, width):
    """Minimum over theta of the mean over rows of max(0, A theta + b), over all pairs (A, b)."""
    n = len(X)
    A = np.vstack([slope for slope, _ in residuals])
    b = np.concatenate([offset for _, offset in residuals])
    slack = -np.tile(np.eye(n), (len(residuals), 1))
    cost = np.r_[np.zeros(width), np.full(n, 1 / n)]
    bounds = [(None, None)] * width + [(0, None)] * n
    return linprog(cost, A_ub=np.hstack([A, slack]), b_ub=-b, bounds=bounds).fun


def test_hinge_against_a_linear_program():
    X, y = make("hinge", n=60, seed=3)
    t, X1 = 2.0 * y - 1, reference.with_ones(X)
    low = linear_program(X, [(-t[:, None] * X1, np.ones(60))], 6)
    model = estimator(
        "hinge",
        penalty=None,
        solver="batch",
        learning_rate=1.0,
        schedule=falling,
        tol=None,
        max_iter=20_000,
    ).fit(X, y)
    assert low * (1 - 1e-6) <= model.loss_ <= low * (1 + 5e-4)


def test_epsilon_insensitive_against_a_linear_program():
    X, y = make(n=60, seed=3)
    X1 = reference.with_ones(X)
    low = linear_program(X, [(X1, -y - 0.1), (-X1, y - 0.1)], 6)
    model = estimator(
        "epsilon_insensitive",
        penalty=None,
        solver="batch",
        learning_rate=1.0,
        schedule=falling,
        tol=None,
        max_iter=20_000,
    ).fit(X, y)
    assert low * (1 - 1e-6) <= model.loss_ <= low * (1 + 5e-4)


def test_perceptron_separates_what_can_be_separated():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = (X @ [1.0, -2.0, 0.5] > 0).astype(int)
    X += 0.2 * np.outer(2 * y - 1, [1.0, -2.0, 0.5])  # a margin, so that Novikoff's bound holds
    model = estimator(
        "perceptron",
        penalty=None,
        solver="sgd",
        learning_rate=1.0,
        tol=None,
        max_iter=300,
        average=False,
    ).fit(X, y)
    assert model.score(X, y) == 1
    assert model.loss_ == 0


# ---------------------------------------------------------------- standardised coordinates


@pytest.mark.parametrize("solver", ["batch", "minibatch"])
@pytest.mark.parametrize(
    ("penalty", "loss", "outputs"),
    [
        ("l2", "squared_error", 1),
        ("l1", "squared_error", 3),
        ("elasticnet", "huber", 1),
        ("l2", "log_loss", 3),
    ],
)
def test_standardize_leaves_the_optimum_where_it_is(penalty, loss, outputs, solver):
    X, y = make(loss, n=60, outputs=outputs, seed=4)
    X = X + 3
    params = {"penalty": penalty, "alpha": 0.05, "l1_ratio": 0.4, **OPTIMUM}
    plain = estimator(loss, **params).fit(X, y)
    params |= {"standardize": True}
    if solver == "minibatch":
        params |= {"solver": "minibatch", "batch_size": 60, "average": False, "learning_rate": 0.3}
    standardized = estimator(loss, **params).fit(X, y)
    np.testing.assert_allclose(theta(standardized), theta(plain), rtol=1e-4, atol=1e-5)
    assert standardized.loss_ == pytest.approx(plain.loss_, rel=1e-7)
    np.testing.assert_allclose(standardized.predict(X), plain.predict(X), rtol=1e-4)


def test_standardize_copes_with_scales_far_apart():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)) * [1e-4, 1.0, 1e3, 1e6] + [0.0, 5.0, -1e3, 1e7]
    y = X @ [1e4, 1.0, -1e-3, 2e-6] + rng.normal(size=200)
    scale, centred = X.std(axis=0), X - X.mean(axis=0)
    best = np.linalg.lstsq(centred / scale, y - y.mean(), rcond=None)[0] / scale
    model = estimator(penalty=None, standardize=True, **OPTIMUM).fit(X, y)
    np.testing.assert_allclose(model.coef_, best, rtol=1e-5)
    np.testing.assert_allclose(model.predict(X).mean(), y.mean(), rtol=1e-6)
