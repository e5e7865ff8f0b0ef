"""Spread of several networks, and intervals from the rows that they held out."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skgd import GDMLPClassifier, GDMLPRegressor
from skgd._intervals import cross_conformal
from skgd.losses import Quantile

QUICK = {
    "hidden_layer_sizes": (16,),
    "learning_rate": 0.01,
    "max_iter": 8,
    "tol": None,
    "n_members": 4,
    "random_state": 0,
}


def rows(n=400, outputs=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    noise = rng.standard_normal(n if outputs is None else (n, outputs))
    signal = X[:, 0] * X[:, 1]
    return X, (signal if outputs is None else signal[:, None]) + noise


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.99])
@pytest.mark.parametrize("sizes", [(40,), (13, 7, 30), (1, 20)])
def test_bounds_are_order_statistics_of_shifted_residuals(sizes, coverage):
    rng = np.random.default_rng(0)
    residuals = [rng.standard_normal(size) for size in sizes]
    predictions = rng.standard_normal((len(sizes), 5))
    n, found = sum(sizes), cross_conformal(predictions, residuals, coverage)
    low, high = int(np.floor((1 - coverage) * (n + 1) + 1e-9)), int(np.ceil(coverage * (n + 1) - 1e-9))
    owner = np.repeat(np.arange(len(sizes)), sizes)
    for x in range(5):
        centre, radius = predictions[owner, x], np.abs(np.concatenate(residuals))
        below, above = np.sort(centre - radius), np.sort(centre + radius)
        expected = [below[low - 1] if low else -np.inf, above[high - 1] if high <= n else np.inf]
        np.testing.assert_allclose(found[x], expected, rtol=1e-12, atol=1e-12)


def test_one_model_gives_split_conformal_intervals():
    residuals = np.arange(1, 20) * np.where(np.arange(19) % 2, 1, -1)
    found = cross_conformal(np.array([[0.0, 10.0]]), [residuals], 0.9)
    np.testing.assert_allclose(found, [[-18, 18], [-8, 28]], rtol=1e-12)


# ---------------------------------------------------------------- estimators


@pytest.mark.parametrize("outputs", [None, 2])
def test_the_spread_is_that_of_the_members(outputs):
    X, y = rows(outputs=outputs)
    model = GDMLPRegressor(**QUICK).fit(X, y)
    each = [member.predict(X) for member in model.members_]
    np.testing.assert_allclose(model.predict_std(X), np.std(each, axis=0, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(model.predict(X), np.mean(each, axis=0), rtol=1e-9, atol=1e-12)
    assert model.predict_std(X).shape == y.shape


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("outputs", [None, 2])
def test_residuals_are_those_of_rows_that_were_held_out(loss, outputs):
    X, y = rows(outputs=outputs)
    y = np.abs(y)
    model = GDMLPRegressor(loss, early_stopping=True, **QUICK).fit(X, y)
    for member, residuals in zip(model.members_, model.oof_residuals_, strict=True):
        held = member.validation_fraction[0][1]
        np.testing.assert_allclose(residuals, y[held] - member.predict(X[held]), rtol=1e-9, atol=1e-12)
    each = np.stack([member.predict(X) for member in model.members_])
    if outputs is None:
        np.testing.assert_array_equal(
            model.predict_interval(X, 0.8), cross_conformal(each, model.oof_residuals_, 0.8)
        )
    else:
        second = [residuals[:, 1] for residuals in model.oof_residuals_]
        np.testing.assert_array_equal(
            model.predict_interval(X, 0.8)[:, 1], cross_conformal(each[..., 1], second, 0.8)
        )


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_new_rows_are_covered(coverage):
    X, y = rows(3000)
    model = GDMLPRegressor(early_stopping=True, **QUICK).fit(X[:1500], y[:1500])
    low, high = model.predict_interval(X[1500:], coverage).T
    assert np.mean((low <= y[1500:]) & (y[1500:] <= high)) == pytest.approx(coverage, abs=0.04)


@pytest.mark.parametrize("params", [{}, {"refit": True}, {"loss": Quantile([0.05, 0.95])}])
def test_one_network_has_intervals_of_split_conformal_prediction(params):
    X, y = rows(3000)
    one = {
        **QUICK,
        "n_members": 1,
        "max_iter": 30,
        "early_stopping": True,
        "validation_fraction": 0.4,
        **params,
    }
    model = GDMLPRegressor(**one).fit(X[:1500], y[:1500])
    (residuals,) = model.oof_residuals_
    assert len(residuals) == 600 and not hasattr(model, "oof_score_")
    ends, rank = model.predict(X[1500:]).reshape(1500, -1)[:, [0, -1]], int(np.ceil(0.9 * 601))
    outside = np.maximum(-residuals[:, 0], residuals[:, -1]) if "loss" in params else np.abs(residuals)
    width = np.sort(outside)[rank - 1]
    interval = model.predict_interval(X[1500:], 0.9)
    np.testing.assert_allclose(interval, ends + np.array([-width, width]), rtol=1e-9)
    assert np.mean((interval[:, 0] <= y[1500:]) & (y[1500:] <= interval[:, 1])) == pytest.approx(
        0.9, abs=0.04
    )
    stream = model.set_params(early_stopping=False).partial_fit(X[:10], y[:10])
    with pytest.raises(ValueError, match="predict_interval needs rows"):
        stream.predict_interval(X)


def test_rows_of_weight_zero_do_not_count():
    X, y = rows()
    weight = np.ones(400)
    weight[::3] = 0
    model = GDMLPRegressor(early_stopping=True, **QUICK).fit(X, y, sample_weight=weight)
    held = [member.validation_fraction[0][1] for member in model.members_]
    assert [len(part) for part in model.oof_residuals_] == [np.count_nonzero(weight[part]) for part in held]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_spread_of_classifiers_is_that_of_probabilities(classes):
    X, y = rows()
    labels = np.digitize(y, np.quantile(y, np.linspace(0, 1, classes + 1)[1:-1]))
    model = GDMLPClassifier(**QUICK).fit(X, labels)
    each = [member.predict_proba(X) for member in model.members_]
    np.testing.assert_allclose(model.predict_std(X), np.std(each, axis=0, ddof=1), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(model.predict_proba(X), np.mean(each, axis=0), rtol=1e-9)
    shared = GDMLPClassifier(**QUICK, share_weights=True).fit(X, labels)
    assert shared.predict_std(X).shape == (len(X), classes)
    assert shared.predict_std(X).min() > 0


def test_what_an_interval_needs_is_said():
    X, y = rows()
    model = GDMLPRegressor(**{**QUICK, "n_members": 1}).fit(X, y)
    assert not hasattr(model, "predict_std") and model.oof_residuals_ is None
    with pytest.raises(ValueError, match="early_stopping=True"):
        model.predict_interval(X)
    with pytest.raises(NotFittedError):
        clone(model).predict_interval(X)
    assert not hasattr(GDMLPClassifier(n_members=1), "predict_std")
    assert not hasattr(GDMLPClassifier(loss="hinge", n_members=3), "predict_std")
    with pytest.raises(NotFittedError):
        GDMLPRegressor(n_members=2).predict_std(X)
    several = GDMLPRegressor(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match="early_stopping=True"):
        several.predict_interval(X)
    own = clone(several).set_params(early_stopping=True).fit(X, y, X_val=X, y_val=y)
    with pytest.raises(ValueError, match="without X_val"):
        own.predict_interval(X)
    with pytest.raises(ValueError, match="coverage=90"):
        own.predict_interval(X, coverage=90)


def test_too_few_rows_bound_nothing():
    X, y = rows(40)
    model = GDMLPRegressor(early_stopping=True, **{**QUICK, "n_members": 2}).fit(X, y)
    assert np.isinf(model.predict_interval(X, 0.95)).all()
    assert np.isfinite(model.predict_interval(X, 0.5)).all()


def test_targets_that_are_written_as_words_have_residuals():
    X = np.random.default_rng(0).normal(size=(120, 3))
    numbers = np.round(X @ [1.0, 2.0, -1.0], 3)
    settings = {"hidden_layer_sizes": 4, "early_stopping": True, "max_iter": 3, "random_state": 0}
    by_words = GDMLPRegressor(**settings).fit(X, numbers.astype(str))
    by_numbers = GDMLPRegressor(**settings).fit(X, numbers)
    np.testing.assert_array_equal(by_words.oof_residuals_[0], by_numbers.oof_residuals_[0])
