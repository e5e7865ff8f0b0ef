"""Several quantiles in one fit: those of separate fits, sorted, calibrated, and part of all that "
"estimators do."""

import pickle
import warnings

import numpy as np
import pytest
from _data import SOLVERS, STILL, csr, thin
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_friedman1, make_regression
from sklearn.metrics import d2_pinball_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from skgd import GDMLPRegressor, GDRegressor, GDRegressorCV
from skgd._residuals import quantiles_of, spread, weighted_quantile
from skgd.inference import summarize
from skgd.losses import Quantile

LEVELS = [0.1, 0.5, 0.9]
FIXED = {"learning_rate": 0.05, "max_iter": 3, "batch_size": 8, **STILL}


def uneven(n=400, d=3, seed=0):
    """Rows whose noise grows with a feature."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, X @ np.linspace(1, -1, d) + (0.3 + np.abs(X[:, 0])) * rng.normal(size=n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", SOLVERS)
def test_each_column_is_a_fit_of_its_own(solver, storage, weighted, dtype):
    X, y = uneven(60)
    X, weight = (
        storage(thin(X).astype(dtype)),
        np.random.default_rng(1).uniform(0, 2, 60) if weighted else None,
    )
    joint = GDRegressor(Quantile(LEVELS), solver=solver, **FIXED).fit(X, y, weight)
    alone = [GDRegressor(Quantile(q), solver=solver, **FIXED).fit(X, y, weight) for q in LEVELS]
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(joint.coef_, [each.coef_ for each in alone], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(joint.intercept_, [each.intercept_[0] for each in alone], atol=tolerance)
    np.testing.assert_allclose(joint.loss_, sum(each.loss_ for each in alone), rtol=10 * tolerance)
    assert joint.coef_.dtype == dtype


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 7, 16, 17])
@pytest.mark.parametrize("d", [4, 9, 21, 130])
@pytest.mark.parametrize("solver", SOLVERS)
def test_any_number_of_columns_on_rows_of_any_length(solver, d, count, average):
    """Columns are taken by threes, and single rows by fours: 61 rows leave one."""
    X, y = uneven(61, d)
    levels = list(np.arange(1, count + 1) / (count + 1))
    options = {"solver": solver, **FIXED, "average": average, "standardize": False, "alpha": 0.01}
    joint = GDRegressor(Quantile(levels), **options).fit(X, y)
    for k in range(0, count, 3):
        alone = GDRegressor(Quantile(levels[k]), **options).fit(X, y)
        np.testing.assert_allclose(joint.coef_[k], alone.coef_, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(joint.intercept_[k], alone.intercept_[0], atol=1e-12)


@pytest.mark.parametrize("levels", [LEVELS, [0.5]])
def test_constants_of_the_same_column_are_found_once(levels):
    rng = np.random.default_rng(0)
    for y in (rng.normal(size=57), rng.integers(0, 3, 40).astype(float), np.ones(1)):
        columns = np.repeat(y[:, None], len(levels), axis=1)
        expected = [weighted_quantile(y[:, None], None, q)[0] for q in levels]
        np.testing.assert_array_equal(quantiles_of(columns, None, levels), expected)
        assert spread(columns, None) == pytest.approx(spread(y, None), rel=1e-15)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_automatic_rate_reaches_the_optimum_of_each(solver):
    X, y = uneven()
    options = {"solver": solver, "alpha": 0, "random_state": 0, "tol": 1e-5}
    joint = GDRegressor(Quantile(LEVELS), **options).fit(X, y)
    for k, q in enumerate(LEVELS):
        best = GDRegressor(Quantile(q), solver="batch", alpha=0, tol=1e-9, max_iter=5000).fit(X, y)
        residual = y - X @ joint.coef_[k] - joint.intercept_[k]
        assert np.mean(np.maximum(q * residual, (q - 1) * residual)) < 1.01 * best.loss_


@pytest.mark.parametrize("family", [GDRegressor, GDMLPRegressor])
@pytest.mark.parametrize("seed", range(5))
def test_predictions_do_not_cross(family, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_t(2, (80, 12)), rng.standard_t(2, 80)  # much noise, few rows
    model = family(Quantile([0.25, 0.4, 0.5, 0.6, 0.75]), random_state=0, max_iter=30, tol=None).fit(X, y)
    predicted = model.predict(3 * rng.standard_normal((500, 12)))
    assert predicted.shape == (500, 5)
    assert np.all(np.diff(predicted, axis=1) >= 0)
    if family is GDRegressor:  # so there was something to sort
        raw = X @ model.coef_.T + model.intercept_
        assert np.any(np.diff(raw, axis=1) < 0)
        np.testing.assert_allclose(model.predict(X), np.sort(raw, axis=1), rtol=1e-12, atol=1e-13)


def shares(model, X, y):
    return (y[:, None] <= model.predict(X)).mean(axis=0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_shares_of_new_rows_are_the_quantiles(solver):
    X, y = uneven(40_000)
    X = np.c_[X, np.abs(X[:, 0])]  # the quantiles are then linear
    model = GDRegressor(Quantile([0.05, 0.25, 0.5, 0.75, 0.95]), solver=solver, alpha=0, random_state=0)
    model.fit(X[:20_000], y[:20_000])
    np.testing.assert_allclose(shares(model, X[20_000:], y[20_000:]), model.loss.levels, atol=0.01)


def test_shares_of_a_perceptron_are_the_quantiles():
    X, y = make_friedman1(30_000, noise=1.0, random_state=0)
    options = {"hidden_layer_sizes": 32, "max_iter": 12, "tol": None, "batch_size": 64, "random_state": 0}
    model = GDMLPRegressor(Quantile(LEVELS), **options).fit(X[:20_000], y[:20_000])
    np.testing.assert_allclose(shares(model, X[20_000:], y[20_000:]), LEVELS, atol=0.015)
    assert model.score(X[20_000:], y[20_000:]) > 0.6


def test_the_score_is_the_mean_of_d2_pinball_scores():
    X, y = uneven()
    weight = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    model = GDRegressor(Quantile(LEVELS), random_state=0).fit(X, y)
    expected = [
        d2_pinball_score(y, column, alpha=q) for column, q in zip(model.predict(X).T, LEVELS, strict=True)
    ]
    assert model.score(X, y) == pytest.approx(np.mean(expected), rel=1e-3)
    assert model.score(X, y, weight) == pytest.approx(
        model.score(np.repeat(X, weight.astype(int), axis=0), np.repeat(y, weight.astype(int))), rel=1e-9
    )
    constant = GDRegressor(Quantile(LEVELS)).fit(X, np.ones(len(y)))
    assert constant.score(X, np.ones(len(y))) == 1
    assert np.isnan(model.score(X[:1], y[:1]))


@pytest.mark.parametrize("family", [GDRegressor, GDMLPRegressor])
def test_early_stopping_goes_by_the_pinball_loss(family):
    X, y = uneven()
    model = family(Quantile(LEVELS), early_stopping=True, random_state=0, max_iter=20).fit(X, y)
    assert np.all(np.isfinite(model.validation_scores_))
    own = family(Quantile(LEVELS), early_stopping=True, random_state=0, max_iter=20, n_iter_no_change=30)
    own.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    assert own.best_validation_score_ == pytest.approx(own.score(X[300:], y[300:]), rel=1e-6)
    with pytest.raises(ValueError, match="y_val has shape"):
        own.fit(X[:300], y[:300], X_val=X[300:], y_val=np.c_[y, y][300:])


@pytest.mark.parametrize("family", [GDRegressor, GDMLPRegressor])
def test_streams_warm_starts_copies_and_pickles(family):
    X, y = uneven(200)
    numbers = {"encoding": None} if family is GDMLPRegressor else {}
    model = family(Quantile(LEVELS), random_state=0, **numbers)
    for part in np.array_split(np.arange(200), 4):
        model.partial_fit(X[part], y[part])
    assert model.predict(X).shape == (200, 3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    fresh = clone(model).set_params(warm_start=True, max_iter=3, tol=None)
    first = fresh.fit(X, y).loss_
    assert fresh.fit(X, y).loss_ < first
    fresh.set_params(loss=Quantile(0.5))
    with pytest.raises(ValueError, match="fitted with"):
        fresh.fit(X, y)
    changed = family(Quantile(LEVELS), random_state=0, max_iter=2, tol=None).fit(X, y)
    changed.set_params(loss="squared_error")
    assert changed.predict(X).shape == (200, 3)


def test_searches_and_paths():
    X, y = uneven(200)
    search = GridSearchCV(
        GDRegressor(random_state=0, max_iter=5, tol=None), {"loss__quantile": [LEVELS, [0.2, 0.8]]}
    )
    search.estimator.set_params(loss=Quantile())
    assert np.all(np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]))
    found = GDRegressorCV(
        Quantile(LEVELS), learning_rates="auto", alphas=[1e-4, 1.0], cv=3, random_state=0
    ).fit(X, y)
    assert found.alpha_ == 1e-4
    assert found.predict(X).shape == (200, 3)
    scores = cross_val_score(GDRegressor(Quantile(LEVELS), alpha=found.alpha_, random_state=0), X, y, cv=3)
    assert found.best_score_ == pytest.approx(scores.mean(), abs=1e-3)
    path = GDRegressor(Quantile(LEVELS), solver="batch").path(X, y, alphas=[1.0, 0.1])
    assert path.coef.shape == (2, 3, 3)
    assert path.select(0.1).predict(X).shape == (200, 3)


def test_networks_that_hold_out_rows_give_conformal_intervals():
    X, y = uneven(3000)
    model = GDMLPRegressor(
        Quantile([0.05, 0.95]),
        n_members=3,
        early_stopping=True,
        hidden_layer_sizes=16,
        max_iter=15,
        random_state=0,
    ).fit(X[:1500], y[:1500])
    low, high = model.predict_interval(X[1500:], 0.9).T
    inside = (low <= y[1500:]) & (y[1500:] <= high)
    assert abs(inside.mean() - 0.9) < 0.03
    size = np.abs(X[1500:, 0])
    assert (high - low)[size > 1.5].mean() > 1.3 * (high - low)[size < 0.3].mean()
    assert model.oof_residuals_[0].shape[1] == 2
    narrow = model.predict_interval(X, 0.01)
    assert np.all(narrow[:, 0] <= narrow[:, 1])


def test_each_quantile_has_standard_errors():
    X, y = uneven(2000)
    options = {"penalty": None, "solver": "batch", "tol": 1e-8, "max_iter": 3000}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        joint = summarize(GDRegressor(Quantile(LEVELS), **options).fit(X, y), X, y, covariance="robust")
        alone = [
            summarize(GDRegressor(Quantile(q), **options).fit(X, y), X, y, covariance="robust")
            for q in LEVELS
        ]
    expected = np.concatenate([part["standard_error"] for part in alone])
    np.testing.assert_allclose(joint["standard_error"], expected, rtol=0.1)


def test_one_level_in_a_list_is_a_column():
    X, y = uneven(100)
    options = {"solver": "batch", "random_state": 0}
    one = GDRegressor(Quantile([0.3]), **options).fit(X, y)
    np.testing.assert_allclose(
        one.predict(X)[:, 0], GDRegressor(Quantile(0.3), **options).fit(X, y).predict(X)
    )


def test_tables_of_the_uci_kind():
    for X, y in (load_diabetes(return_X_y=True), make_regression(300, 10, noise=20, random_state=0)):
        model = GDRegressor(Quantile(np.array(LEVELS)), random_state=0).fit(X, y)
        predicted = model.predict(X)
        assert np.all(np.diff(predicted, axis=1) >= 0)
        np.testing.assert_allclose((y[:, None] <= predicted).mean(axis=0), LEVELS, atol=0.03)


@pytest.mark.parametrize("quantile", [[], [0.9, 0.1], [0.1, 0.1], [0, 0.5], [0.5, 1.0], [0.5, np.nan]])
def test_levels_rise_between_zero_and_one(quantile):
    X, y = uneven(30)
    with pytest.raises(ValueError, match=r"must be a number between 0 and 1, or several that rise"):
        GDRegressor(Quantile(quantile)).fit(X, y)


def test_what_several_quantiles_cannot_do_says_so():
    X, y = uneven(60)
    with pytest.raises(ValueError, match=r"y has shape \(60, 2\): fit a model for each"):
        GDRegressor(Quantile(LEVELS)).fit(X, np.c_[y, y])
    for family in (GDRegressor, GDMLPRegressor):
        model = family(Quantile(LEVELS), max_iter=2, tol=None).fit(X, y)
        with pytest.raises(ValueError, match="several quantiles, which are sorted, has no counterpart"):
            model.to_sklearn()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", SOLVERS)
def test_one_quantile_in_a_list_is_that_quantile(solver, storage, dtype):
    """To the bit, as it takes the same loops, and so the same time."""
    X, y = uneven(100)
    X = storage(thin(X).astype(dtype))
    listed, alone = (GDRegressor(Quantile(q), solver=solver, **FIXED).fit(X, y) for q in ([0.3], 0.3))
    np.testing.assert_array_equal(listed.coef_.ravel(), alone.coef_)
    assert listed.coef_.shape == (1, X.shape[1]) and listed.predict(X).shape == (100, 1)
    assert listed.loss_ == alone.loss_ and listed.score(X, y) == pytest.approx(
        d2_pinball_score(y, alone.predict(X), alpha=0.3)
    )
    network = GDMLPRegressor(
        Quantile([0.3]), hidden_layer_sizes=(4,), random_state=0, max_iter=3, tol=None
    ).fit(X, y)
    other = GDMLPRegressor(Quantile(0.3), hidden_layer_sizes=(4,), random_state=0, max_iter=3, tol=None).fit(
        X, y
    )
    np.testing.assert_array_equal(network.predict(X).ravel(), other.predict(X))


def test_scores_under_weights_of_zero_are_refused():
    X, y = np.arange(6.0)[:, None], np.arange(6.0)
    model = GDRegressor(Quantile([0.5])).fit(X, y)
    with pytest.raises(ValueError, match="zero"):
        model.score(X, y, sample_weight=np.zeros(6))
