"""MAPIE's conformalized quantile regression on quantiles of this package."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from skgd import GDMLPRegressor, GDRegressor
from skgd.losses import Quantile

regression = pytest.importorskip("mapie.regression")


class Column(RegressorMixin, BaseEstimator):
    """One column of what a fitted model predicts."""

    def __init__(self, model, column):
        self.model = model
        self.column = column

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self.model.predict(X)[:, self.column]


def rows(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, size=(n, 3))
    return X, X[:, 0] + (0.3 + np.abs(X[:, 1])) * rng.normal(size=n)


def conformal(parts, level=0.9):
    """Share of new rows within the intervals, and these, after calibration on rows of their own."""
    mapie = regression.ConformalizedQuantileRegressor(estimator=parts, confidence_level=level, prefit=True)
    mapie.conformalize(*rows(4000, 1))
    X, y = rows(20_000, 2)
    middle, intervals = mapie.predict_interval(X)
    low, high = intervals[:, 0, 0], intervals[:, 1, 0]
    return ((low <= y) & (y <= high)).mean(), middle, high - low, X


MODELS = {
    "linear": GDRegressor(Quantile([0.05, 0.5, 0.95]), alpha=0, random_state=0),
    "perceptron": GDMLPRegressor(
        Quantile([0.05, 0.5, 0.95]), hidden_layer_sizes=16, max_iter=30, tol=None, random_state=0
    ),
}


@pytest.mark.parametrize("family", MODELS)
def test_one_fit_serves_as_its_three_models(family):
    model = MODELS[family].fit(*rows(4000, 0))
    share, middle, width, X = conformal([Column(model, k) for k in (0, 2, 1)])
    assert abs(share - 0.9) < 0.015  # standard error of the calibration: .005
    np.testing.assert_allclose(middle, model.predict(X)[:, 1], rtol=1e-6)
    if family == "perceptron":  # whose intervals widen with the noise
        noisy = np.abs(X[:, 1]) > 1.5
        assert width[noisy].mean() > 2 * width[np.abs(X[:, 1]) < 0.5].mean()


def test_three_models_of_one_quantile_each():
    X, y = rows(4000, 0)
    parts = [GDRegressor(Quantile(q), alpha=0, random_state=0).fit(X, y) for q in (0.1, 0.9, 0.5)]
    share, *_ = conformal(parts, 0.8)
    assert abs(share - 0.8) < 0.02


def test_its_correction_is_that_of_the_guide():
    """The margin of Romano, Patterson & Candes, found by hand."""
    model = MODELS["linear"].fit(*rows(4000, 0))
    mapie = regression.ConformalizedQuantileRegressor(
        estimator=[Column(model, k) for k in (0, 2, 1)], confidence_level=0.9, prefit=True
    )
    X, y = rows(4000, 1)
    mapie.conformalize(X, y)
    _, intervals = mapie.predict_interval(X[:50], symmetric_correction=True)
    low, _, high = model.predict(X).T
    outside = np.maximum(low - y, y - high)
    margin = np.quantile(outside, np.ceil(0.9 * 4001) / 4000, method="higher")
    np.testing.assert_allclose(intervals[:, 0, 0], low[:50] - margin, atol=1e-3)
    np.testing.assert_allclose(intervals[:, 1, 0], high[:50] + margin, atol=1e-3)
