"""Quantiles of perceptrons, and the rows held out that they are moved by."""

import numpy as np
import pytest

from skgd import GDMLPRegressor
from skgd.losses import Quantile

LEVELS = [0.05, 0.5, 0.95]


def rows(n=300, seed=0):
    """Noise that grows with a feature, and features that say nothing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 20))
    return X, 1e3 * (X[:, 0] + (1 + np.abs(X[:, 1])) * rng.normal(size=n))


def regressor(**parameters):
    settings = {"loss": Quantile(LEVELS), "max_iter": 20, "encoding": None, "random_state": 0}
    return GDMLPRegressor(**{**settings, **parameters})


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"encoding": "table"},
        {"n_members": 2},
        {"refit": True},
        {"n_members": 2, "share_weights": True},
        {"hidden_layer_sizes": (8, 4), "scaling_layer": True, "activation": "parametric_silu"},
        {"solver": "batch", "standardize": False, "dtype": "float32"},
    ],
)
def test_rows_held_out_are_split_as_the_levels_say(parameters):
    X, y = rows()
    model = regressor(**parameters).fit(X, y)
    for residuals in model.oof_residuals_:
        assert len(residuals) == 30
        for k, level in enumerate(LEVELS):
            assert np.sum(residuals[:, k] < -1e-2) <= level * 30 + 1e-6
            assert np.sum(residuals[:, k] <= 1e-2) >= level * 30 - 1e-6


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("refit", [False, True])
def test_scores_are_moved_by_quantiles_of_the_residuals(refit, weighted, monkeypatch):
    X, y = rows()
    held = np.arange(len(X)) % 7 == 0
    fold = [(np.flatnonzero(~held), np.flatnonzero(held))]
    given = {"loss": Quantile([0.1, 0.9]), "early_stopping": True, "alpha": 0.0, "validation_fraction": fold}
    weight = np.random.default_rng(2).integers(0, 3, len(X)) if weighted else None
    moved, again = (regressor(refit=each, **given).fit(X, y, weight) for each in (False, refit))
    assert moved.best_validation_score_ == pytest.approx(
        moved.score(X[held], y[held], None if weight is None else weight[held]), rel=1e-9
    )
    monkeypatch.setattr("skgd._members.has_quantiles", lambda _: False)
    before, other = (regressor(refit=each, **given).fit(X, y, weight) for each in (False, refit))
    shift = moved.intercepts_[-1] - before.intercepts_[-1]
    times = 1 if weight is None else weight[held]
    for k, level in enumerate((0.1, 0.9)):
        residuals = np.repeat(y[held] - before.predict(X[held])[:, k], times)
        assert np.mean(residuals < shift[k] - 1e-6) <= level <= np.mean(residuals <= shift[k] + 1e-6)
    np.testing.assert_allclose(again.intercepts_[-1] - other.intercepts_[-1], shift, rtol=1e-9)
    np.testing.assert_allclose(raw(moved, X), raw(before, X) + shift, rtol=1e-9)
    np.testing.assert_allclose(raw(again, X), raw(other, X) + shift, rtol=1e-9)
    if weight is None:
        trained = np.ones(len(X), dtype=bool) if refit else ~held
        errors = y[trained, None] - raw(again, X[trained])
        pinball = np.maximum([0.1, 0.9] * errors, [-0.9, -0.1] * errors).sum(axis=1).mean()
        np.testing.assert_allclose(again.loss_, pinball, rtol=1e-9)


def raw(model, X):
    """Scores before they are sorted."""
    h = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    return h @ model.coefs_[1] + model.intercepts_[1]


def test_a_validation_set_of_ones_own_moves_them_too(monkeypatch):
    X, y = rows()
    X_val, y_val = rows(101, 1)
    moved = regressor(early_stopping=True).fit(X, y, X_val=X_val, y_val=y_val)
    monkeypatch.setattr("skgd._members.has_quantiles", lambda _: False)
    before = regressor(early_stopping=True).fit(X, y, X_val=X_val, y_val=y_val)
    residuals = y_val[:, None] - before.predict(X_val)
    wanted = [np.sort(residuals[:, k])[int(101 * level)] for k, level in enumerate(LEVELS)]
    np.testing.assert_allclose(moved.intercepts_[-1] - before.intercepts_[-1], wanted, rtol=1e-9)


def test_several_quantiles_hold_out_rows_by_default():
    X, y = rows(1000)
    new, y_new = rows(5000, 1)
    found, learnt = (regressor(max_iter=200, **more).fit(X, y) for more in ({}, {"early_stopping": False}))
    inside = [
        np.mean((low <= y_new) & (y_new <= high))
        for low, _, high in (one.predict(new).T for one in (found, learnt))
    ]
    assert 0.83 < inside[0] < 0.97 and inside[1] < 0.5
    assert found.settings_["early_stopping"] is True and "early_stopping" not in learnt.settings_
    assert found.stop_reason_ == "early_stopping"


def test_other_fits_hold_out_nothing_by_default():
    X, y = rows()
    for model in (
        regressor(loss=Quantile(0.9)).fit(X, y),
        regressor(loss=Quantile([0.9])).fit(X, y),
        regressor().fit(X[:99], y[:99]),
        regressor().partial_fit(X, y).partial_fit(X, y),
        regressor().fit_blocks([(X[:150], y[:150]), (X[150:], y[150:])]),
    ):
        assert not model.settings_.get("early_stopping") and vars(model).get("oof_residuals_") is None
    with pytest.raises(ValueError, match="early_stopping=True is not for partial_fit"):
        regressor(early_stopping=True).partial_fit(X, y)
    assert regressor().fit(X, y).partial_fit(X, y).oof_residuals_ is None
