"""Units of y: perceptrons under losses that are linear far out, whose automatic penalty goes by it, and the
decay of AdamW in linear models."""

import numpy as np
import pytest
from sklearn.datasets import make_friedman1

from skgd import GDMLPRegressor, GDRegressor
from skgd.losses import Quantile

OPTIONS = {"hidden_layer_sizes": 20, "max_iter": 20, "tol": None, "random_state": 0}
X, Y = make_friedman1(600, noise=1.0, random_state=0)


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
@pytest.mark.parametrize("loss", ["absolute_error", "epsilon_insensitive", "huber", "log_cosh", "quantile"])
def test_large_y_is_fitted_as_well_as_small(loss, solver):
    small, large = (GDMLPRegressor(loss, solver=solver, **OPTIONS).fit(X, unit * Y) for unit in (1, 1e5))
    assert large.score(X, 1e5 * Y) > small.score(X, Y) - 0.06 > 0.6
    assert large.settings_["alpha"] < 1e-9 < 1e-5 < small.settings_["alpha"]


@pytest.mark.parametrize("loss", ["absolute_error", Quantile([0.2, 0.8])])
def test_models_of_large_units_are_multiples_of_each_other(loss):
    model = GDMLPRegressor(loss, **OPTIONS)
    first, second = (model.fit(X, unit * Y).predict(X) / unit for unit in (2.0**10, 2.0**20))
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-3 * Y.std())


def test_members_and_blocks_have_it_too():
    y = 1e5 * Y
    model = GDMLPRegressor("absolute_error", **OPTIONS)
    alpha = model.fit(X, y).settings_["alpha"]
    several = GDMLPRegressor("absolute_error", n_members=2, **OPTIONS).fit(X, y)
    assert several.settings_["alpha"] == pytest.approx(alpha) and several.score(X, y) > 0.6
    parts = [(X[part], y[part]) for part in np.array_split(np.arange(600), 3)]
    blocks = GDMLPRegressor("absolute_error", **OPTIONS).fit_blocks(parts)
    assert blocks.settings_["alpha"] == pytest.approx(alpha) and blocks.score(X, y) > 0.6


def test_given_numbers_keep_their_meaning():
    y = 1e5 * Y
    given = GDMLPRegressor("absolute_error", alpha=1e-4, **OPTIONS).fit(X, y)
    assert given.score(X, y) < 0.1 and "alpha" not in given.settings_
    rate = GDMLPRegressor("absolute_error", learning_rate=1e-3, **OPTIONS).fit(X, Y)
    squared = GDMLPRegressor(**OPTIONS).fit(X, y)
    assert rate.settings_["alpha"] == squared.settings_["alpha"] == 1e-4


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_the_decay_of_adamw_in_linear_models_knows_no_unit(solver):
    """It grew with the unit as the rate does, and left little of weights of a thousand."""
    target = X[:, :5] @ [3.0, -2.0, 0.0, 1.0, 5.0] + Y / 10
    model = GDRegressor(optimizer="adamw", solver=solver, alpha=1e-3, random_state=0)
    small, large = (model.fit(X, unit * target).coef_ / unit for unit in (2.0**10, 2.0**20))
    np.testing.assert_allclose(large, small, rtol=0, atol=1e-8)
    least = np.linalg.lstsq(np.c_[X, np.ones(len(X))], target)[0][:-1]
    np.testing.assert_allclose(large, least, rtol=0, atol=0.1)


def test_a_stream_under_adamw_knows_no_unit():
    models = [GDRegressor(optimizer="adamw", solver="sgd", random_state=0) for _ in range(2)]
    for part in np.split(np.arange(600), 6):
        for model, unit in zip(models, (1.0, 2.0**16), strict=True):
            model.partial_fit(X[part], unit * Y[part])
    np.testing.assert_allclose(models[1].coef_ / 2.0**16, models[0].coef_, rtol=0, atol=1e-6)


def test_under_a_rate_of_ones_own_adamw_decays_as_published():
    """One update from w = 1 without a gradient: (1 - rate alpha) w, whatever y."""
    options = {"optimizer": "adamw", "solver": "batch", "fit_intercept": False, "max_iter": 1, "tol": None}
    model = GDRegressor(learning_rate=0.1, alpha=0.5, **options)
    rows = np.array([[1.0], [-1.0]])
    assert model.fit(rows, 1e3 * rows[:, 0], coef_init=[1e3]).coef_[0] == pytest.approx(950)
