"""Losses with a log link do not depend on the unit of y: coefficients of y and of c y agree, and the
intercept moves by log c.

With the variance proportional to mu^p (Poisson: p = 1, Tweedie: 1 < p < 2, gamma: p = 2) half the deviance of
c y at z + log c is c^(2 - p) times that of y at z. So the same alpha means the same for gamma, and
alpha c^(2 - p) for the others.
"""

import warnings

import numpy as np
import pytest
from _data import covering
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import GammaRegressor, PoissonRegressor

from skgd import GDMLPRegressor, GDRegressor, GDRegressorCV
from skgd.losses import Gamma, Poisson, Tweedie

POWERS = {Poisson(): 1.0, Tweedie(1.5): 1.5, Gamma(): 2.0}
CASES = [pytest.param(loss, p, id=loss.name) for loss, p in POWERS.items()]
UNITS = [1e-6, 1e-3, 1e3, 1e6]


def rows(p, n=1500, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    mean = np.exp(0.5 + X @ np.linspace(0.5, -0.3, d))
    if p == 1:
        return X, rng.poisson(mean).astype(float)
    y = mean * rng.gamma(2, 0.5, size=n)
    return X, y if p == 2 else np.where(rng.random(n) < 0.3, 0.0, y)


def fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.fit(X, y)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("solver", "tolerance"), [("batch", 1e-5), ("minibatch", 1e-10), ("sgd", 1e-10)])
@pytest.mark.parametrize(("loss", "p"), CASES)
def test_the_unit_of_y_moves_the_intercept_alone(loss, p, solver, tolerance, unit):
    X, y = rows(p)
    alpha, options = 0.01, {"loss": loss, "solver": solver, "random_state": 0}
    one = fitted(GDRegressor(alpha=alpha, **options), X, y)
    other = fitted(GDRegressor(alpha=alpha * unit ** (2 - p), **options), X, unit * y)
    np.testing.assert_allclose(other.coef_, one.coef_, atol=tolerance)
    assert other.intercept_[0] - np.log(unit) == pytest.approx(one.intercept_[0], abs=tolerance)
    assert other.n_iter_ == pytest.approx(one.n_iter_, abs=3 if solver == "batch" else 0)
    assert other.learning_rate_ == pytest.approx(one.learning_rate_ * unit ** (p - 2), rel=1e-6)


@pytest.mark.parametrize("unit", [1, *UNITS])
@pytest.mark.parametrize(
    ("loss", "p", "twin"), [("poisson", 1, PoissonRegressor), ("gamma", 2, GammaRegressor)]
)
def test_large_and_small_numbers_reach_the_optimum(loss, p, twin, unit):
    X, y = rows(p)
    found = fitted(GDRegressor(loss, solver="batch", alpha=0, tol=1e-9), X, unit * y)
    best = twin(alpha=0, tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(found.coef_, best.coef_, atol=2e-4)
    assert found.intercept_[0] - np.log(unit) == pytest.approx(best.intercept_, abs=2e-4)


@pytest.mark.parametrize("unit", [1e-3, 1e6])
@pytest.mark.parametrize(("loss", "p"), CASES)
def test_perceptrons_too(loss, p, unit):
    """Adam divides by the size of gradients, plus an epsilon of 1e-8."""
    X, y = rows(p)
    options = {
        "loss": loss,
        "hidden_layer_sizes": 8,
        "alpha": 0,
        "random_state": 0,
        "max_iter": 20,
        "tol": None,
    }
    one, other = (fitted(GDMLPRegressor(**options), X, factor * y) for factor in (1, unit))
    np.testing.assert_allclose(other.predict(X) / unit, one.predict(X), rtol=2e-3)


@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize(("loss", "p"), CASES)
def test_streams_in_other_units(loss, p, size):
    """They start at the logarithm of the mean of the first rows, which must not all be zero."""
    X, y = rows(p)
    first = int(np.argmax(y > 0))
    X, y = X[first:], y[first:]
    one, other = GDRegressor(loss, alpha=0, random_state=0), GDRegressor(loss, alpha=0, random_state=0)
    for start in range(0, len(y), size):
        part = slice(start, start + size)
        one.partial_fit(X[part], y[part]), other.partial_fit(X[part], 1e6 * y[part])
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-10)
    assert other.intercept_[0] - np.log(1e6) == pytest.approx(one.intercept_[0], abs=1e-10)
    best = GDRegressor(loss, alpha=0, solver="batch", random_state=0).fit(X, y)
    assert loss._values(y, np.log(one.predict(X))[:, None]).mean() < best.loss_ + 0.05


@pytest.mark.parametrize(("loss", "p"), CASES)
@pytest.mark.parametrize("unit", UNITS)
def test_the_objective_in_other_units(loss, p, unit):
    """F(c y, z + log c) - U(c y) = c^(2 - p) [F(y, z) - U(y)] for the constant U of the unit."""
    _, y = rows(p, n=200)
    z = np.random.default_rng(1).normal(size=(200, 1))

    def above(y, z):
        return loss._values(y, z).mean() - loss._constant_of_units(y, None)

    assert above(unit * y, z + np.log(unit)) == pytest.approx(unit ** (2 - p) * above(y, z), rel=1e-8)
    assert loss._curvature_in_units(unit * y, None) == pytest.approx(
        unit ** (2 - p) * loss._curvature_in_units(y, None)
    )


def optimum(loss, unit, X, y):
    return fitted(GDRegressor(loss, solver="batch", alpha=0, tol=1e-9), X, unit * y)


RATES = {"batch": 0.3, "minibatch": 0.1, "sgd": 0.003}


@pytest.mark.parametrize(
    ("loss", "solver", "unit", "dtype", "sparse"),
    covering(list(POWERS), list(RATES), [1, *UNITS[1:3]], [np.float64, np.float32], [False, True]),
)
def test_a_given_rate_ends_near_the_optimum_or_says_so(loss, solver, unit, dtype, sparse):
    """A fit from zero ended early, since `tol` was a share of the objective there, which is the unit's."""
    p = POWERS[loss]
    X, y = rows(p)
    best = optimum(loss, unit, X, y)
    X, y = X.astype(dtype), (unit * y).astype(dtype)
    stable = RATES[solver] / max(1, unit, unit ** (2 - p))  # at the start and at the end
    options = {"solver": solver, "alpha": 0, "average": False, "random_state": 0}
    for rate in (stable, stable / 10, stable / 1000):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model = GDRegressor(loss, learning_rate=rate, **options)
            model.fit(csr_array(X) if sparse else X, y)
        if not caught:
            assert model.score(X, y) > best.score(X, y) - 0.06


@pytest.mark.parametrize("unit", [1e-3, 1e3])
@pytest.mark.parametrize(("loss", "p"), CASES)
def test_a_search_over_rates_finds_the_model_in_any_unit(loss, p, unit):
    X, y = rows(p, n=500)
    best = optimum(loss, unit, X, y)
    search = GDRegressorCV(loss, learning_rates=6, cv=3, alpha=0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # where `tol` left a hundredth of the gain
        search.fit(X, unit * y)
    assert search.score(X, unit * y) > best.score(X, unit * y) - 0.03
    apart = GDRegressorCV(loss, learning_rates=[search.learning_rate_], cv=3, alpha=0, random_state=0)
    apart.fit(csr_array(X), unit * y)  # fits one by one, by the same rule
    np.testing.assert_allclose(apart.cv_results_["mean_test_score"][0], search.best_score_, atol=1e-9)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_a_rate_too_low_for_the_unit_is_told(loss):
    X, y = rows(2, n=300)
    with pytest.warns(ConvergenceWarning, match="worse than a constant prediction: raise learning_rate"):
        GDRegressor(loss, learning_rate=1e-4, random_state=0, max_iter=50).fit(X, 1e-3 * y)


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize(("loss", "p"), CASES)
def test_targets_that_vary_little_beside_their_mean(loss, p, solver):
    """The deviance is a thousandth of the objective, of which `tol` must not be a share."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 20))
    y = np.exp(8 + X @ rng.normal(size=20) / 100 + rng.normal(size=400) / 100)
    model = fitted(GDRegressor(loss, solver=solver, alpha=0, random_state=0), X, y)
    best = fitted(GDRegressor(loss, solver="batch", alpha=0, tol=1e-10, max_iter=5000), X, y)
    constant = loss._values(y, np.full((400, 1), np.log(y.mean()))).mean()
    assert best.loss_ < model.loss_ + 1e-12 * abs(constant)
    assert model.loss_ - best.loss_ < 0.003 * (constant - best.loss_)
