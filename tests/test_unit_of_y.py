"""Perceptrons under losses that are linear far out, whose automatic penalty goes by the unit of y."""

import numpy as np
import pytest
from sklearn.datasets import make_friedman1

from skgd import GDMLPRegressor
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
