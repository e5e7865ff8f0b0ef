"""Paths over alphas from second moments are the minima that scikit-learn finds."""

import numpy as np
import pytest
from _data import csr
from sklearn.datasets import make_regression
from sklearn.linear_model import ElasticNet, Lasso, LassoCV, LinearRegression, Ridge, RidgeCV, enet_path
from sklearn.model_selection import KFold, RepeatedKFold, ShuffleSplit, TimeSeriesSplit

from skgd import GDRegressor, GDRegressorCV
from skgd._design import design_of
from skgd._path import Minimum, minimisers
from skgd._penalty import PENALTIES
from skgd._quadratic import CentredMoments
from skgd._selection import Candidates
from skgd._targets import Targets

ALPHAS = [0.3, 3.0, 0.03, 1.0]  # in no order
KINDS = {"l1": 1.0, "elasticnet": 0.4, "l2": 0.0}


def rows(n=120, d=8, seed=0, outputs=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + rng.normal(size=d)
    y = X @ rng.normal(size=(d, outputs)) + rng.normal(size=(n, outputs)) + 3
    return X, y[:, 0] if outputs == 1 else y


def path_of(X, y, alphas, penalty="l1", weight=None, fit_intercept=True, l1_ratio=0.4):
    """The path on all rows."""
    targets = Targets(y, weight, 1 if y.ndim == 1 else y.shape[1], False)
    moments = CentredMoments.of(design_of(X), targets, fit_intercept)
    return minimisers(moments, alphas, PENALTIES[penalty].build(1.0, l1_ratio))


def theirs(X, y, alpha, penalty="l1", weight=None, fit_intercept=True, l1_ratio=0.4):
    """The same minimum by scikit-learn."""
    ratio = {"l1": 1.0, "l2": 0.0}.get(penalty, l1_ratio)
    if alpha == 0:
        return LinearRegression(fit_intercept=fit_intercept).fit(X, y, weight)
    if ratio == 0:
        total = len(y) if weight is None else weight.sum()
        return Ridge(alpha * total, fit_intercept=fit_intercept).fit(X, y, weight)
    shared = {"tol": 1e-13, "max_iter": 100_000, "fit_intercept": fit_intercept}
    return ElasticNet(alpha, l1_ratio=ratio, **shared).fit(X, y, weight)


def assert_minima(path, X, y, atol=1e-6, **params):
    for k, alpha in enumerate(path.alphas):
        peer = theirs(X, y, alpha, **params)
        size = np.abs(peer.coef_).max()
        np.testing.assert_allclose(path.coef[k], np.atleast_2d(peer.coef_), atol=atol * size)
        np.testing.assert_allclose(path.intercept[k], peer.intercept_, atol=atol * (1 + abs(peer.intercept_)))


def optimality(path, k):
    """The largest violation of the conditions of a minimum, over the largest slope at zero."""
    moments, penalty, alpha = path.moments, path.penalty, path.alphas[k]
    w, ratio = path.coef[k].T, penalty.l1_ratio
    slope = moments.products - moments.gram @ w - alpha * (1 - ratio) * w
    off = np.where(w != 0, slope - alpha * ratio * np.sign(w), np.maximum(np.abs(slope) - alpha * ratio, 0))
    return np.abs(off).max() / np.abs(moments.products).max()


# ---------------------------------------------------------------- minima


@pytest.mark.parametrize("penalty", KINDS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_minima_are_those_of_scikit_learn(penalty, fit_intercept, weighted):
    X, y = rows()
    weight = np.random.default_rng(1).uniform(0, 3, len(y)) if weighted else None
    params = {"penalty": penalty, "fit_intercept": fit_intercept, "weight": weight}
    assert_minima(path_of(X, y, [*ALPHAS, 0.0], **params), X, y, **params)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_a_path_is_that_of_scikit_learn(penalty):
    X, y = make_regression(300, 60, n_informative=15, noise=20, random_state=0)
    X, y = X - X.mean(axis=0), y - y.mean()
    alphas = np.geomspace(100, 0.1, 40)
    _, coef, _ = enet_path(X, y, l1_ratio=KINDS[penalty], alphas=alphas, tol=1e-14, max_iter=100_000)
    found = path_of(X, y, alphas, penalty)
    np.testing.assert_allclose(found.coef[:, 0], coef.T, atol=1e-6 * np.abs(coef).max())
    np.testing.assert_array_equal(found.coef[:, 0] != 0, coef.T != 0)


@pytest.mark.parametrize("penalty", KINDS)
def test_the_objective_is_that_of_a_fit(penalty):
    X, y = rows(outputs=2)
    path = path_of(X, y, ALPHAS, penalty)
    for k, alpha in enumerate(ALPHAS):
        fit = GDRegressor(
            solver="batch", penalty=penalty, alpha=alpha, l1_ratio=0.4, tol=1e-12, random_state=0
        )
        assert path.objective[k] == pytest.approx(fit.fit(X, y).loss_, rel=1e-7)
        np.testing.assert_allclose(path.coef[k], fit.coef_, atol=1e-3)


@pytest.mark.parametrize("alphas", [[0.5], [0.5] * 3, np.geomspace(1e-3, 10, 12)])
def test_alphas_do_not_depend_on_each_other(alphas):
    X, y = rows()
    for penalty in KINDS:
        together = path_of(X, y, alphas, penalty)
        apart = np.array([path_of(X, y, [alpha], penalty).coef[0] for alpha in alphas])
        np.testing.assert_allclose(together.coef, apart, atol=1e-7)


@pytest.mark.parametrize("penalty", KINDS)
def test_offsets_take_no_digits(penalty):
    X, y = rows()
    path, moved = path_of(X, y, ALPHAS, penalty), path_of(X + 1e4, y + 1e6, ALPHAS, penalty)
    np.testing.assert_allclose(moved.coef, path.coef, atol=1e-9)
    expected = path.intercept + 1e6 - 1e4 * path.coef.sum(axis=2)
    np.testing.assert_allclose(moved.intercept, expected, rtol=1e-9)


@pytest.mark.parametrize("penalty", KINDS)
def test_units_of_features(penalty):
    X, y = rows()
    units = np.geomspace(1e-4, 1e4, X.shape[1])
    path = path_of(X * units, y, [1e-9, 1e-3, 0.0], penalty)
    assert max(optimality(path, k) for k in range(3)) < 1e-9
    np.testing.assert_allclose(path.coef[2, 0] * units, LinearRegression().fit(X, y).coef_, rtol=1e-9)


def test_single_precision_is_computed_in_double():
    X, y = rows()
    X, y = (X + 100).astype(np.float32), y.astype(np.float32)
    exact = path_of(X.astype(float), y.astype(float), ALPHAS)
    np.testing.assert_allclose(path_of(X, y, ALPHAS).coef, exact.coef, rtol=1e-12)


# ---------------------------------------------------------------- degenerate rows


@pytest.mark.parametrize("penalty", KINDS)
@pytest.mark.parametrize("apart", [0.0, 1e-6])
def test_copies_of_columns(penalty, apart):
    X, y = rows()
    noise = np.random.default_rng(2).normal(size=X.shape)
    path = path_of(np.hstack([X, X + apart * noise, X]), y, [*ALPHAS, 1e-4], penalty)
    assert max(optimality(path, k) for k in range(5)) < 1e-8
    if penalty == "l1" and apart == 0:
        folded = path.coef.reshape(5, 1, 3, -1).sum(axis=2)
        np.testing.assert_allclose(folded, path_of(X, y, [*ALPHAS, 1e-4]).coef, atol=1e-7)


@pytest.mark.parametrize("penalty", KINDS)
def test_constant_columns_have_no_weight(penalty):
    X, y = rows()
    path = path_of(np.c_[np.full(len(y), 0.1), X, np.zeros(len(y))], y, [*ALPHAS, 0.0], penalty)
    np.testing.assert_array_equal(path.coef[:, :, [0, -1]], 0)
    assert_minima(path_of(X, y, [*ALPHAS, 0.0], penalty), X, y, penalty=penalty)
    np.testing.assert_allclose(path.coef[:, :, 1:-1], path_of(X, y, [*ALPHAS, 0.0], penalty).coef, atol=1e-9)


@pytest.mark.parametrize("penalty", KINDS)
def test_more_features_than_rows(penalty):
    X, y = rows(n=30, d=80)
    alphas = [1.0, 1e-3, 0.1]
    path = path_of(X, y, alphas, penalty)
    assert max(optimality(path, k) for k in range(3)) < 1e-8
    assert_minima(path_of(X, y, [1.0], penalty), X, y, penalty=penalty)


def test_no_penalty_with_more_features_than_rows_gives_the_least_norm():
    X, y = rows(n=20, d=50)
    path, centred = path_of(X, y, [0.0]), X - X.mean(axis=0)
    scale = centred.std(axis=0)
    expected = np.linalg.pinv(centred / scale) @ (y - y.mean()) / scale
    np.testing.assert_allclose(path.coef[0, 0], expected, atol=1e-9)


def test_a_constant_y():
    X, _ = rows()
    for penalty in KINDS:
        path = path_of(X, np.full(len(X), 7.0), ALPHAS, penalty)
        np.testing.assert_array_equal(path.coef, 0)
        np.testing.assert_allclose(path.intercept, 7.0)


def test_correlated_features_take_few_sweeps():
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.normal(size=(500, 60)), axis=1)
    y = X[:, ::7].sum(axis=1) + rng.normal(size=500)
    path = path_of(X, y, np.geomspace(10, 1e-3, 30))
    assert max(optimality(path, k) for k in range(30)) < 1e-10
    assert path.n_iter.sum() < 1500


# ---------------------------------------------------------------- folds


def search(**params):
    defaults = {"learning_rates": "auto", "alphas": ALPHAS, "penalty": "l1", "random_state": 0, "cv": 3}
    return GDRegressorCV(**{**defaults, **params})


def by_folds(model, X, y, weight=None):
    candidates = Candidates(model, X, y, weight, None)
    return candidates, candidates.fitted()


@pytest.mark.parametrize(
    "cv",
    [
        KFold(4),
        RepeatedKFold(n_splits=2, n_repeats=2, random_state=0),
        ShuffleSplit(3, test_size=0.3, train_size=0.5, random_state=0),
        TimeSeriesSplit(3),
        [(np.arange(80) // 2, np.arange(80, 120)), (np.arange(60), np.arange(100, 120))],  # rows repeated
    ],
    ids=lambda cv: type(cv).__name__,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_models_of_folds_are_minima_on_their_rows(cv, weighted):
    X, y = rows()
    weight = np.random.default_rng(1).uniform(0.1, 3, len(y)) if weighted else None
    candidates, found = by_folds(search(cv=cv), X, y, weight)
    for alpha, models in zip(ALPHAS, found, strict=True):
        for (train, _), model in zip(candidates.folds, models, strict=True):
            peer = theirs(X[train], y[train], alpha, weight=None if weight is None else weight[train])
            np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-6)
            np.testing.assert_allclose(model.intercept_, peer.intercept_, atol=1e-6)


@pytest.mark.parametrize(
    "params",
    [
        {"solver": "batch"},
        {"solver": "sgd"},
        {"standardize": True},
        {"standardize": False},
        {"penalty": "elasticnet", "l1_ratio": 0.4},
        {"penalty": "l2"},
        {"penalty": None},
        {"optimizer": "adam"},
        {"fit_intercept": False},
    ],
    ids=str,
)
def test_separate_fits_end_near_the_minima(params):
    X, y = rows(n=200, d=5)
    model = search(max_iter=5000, tol=1e-7, **params)
    candidates, found = by_folds(model, X, y)
    for (alpha, rate), models in zip(candidates.params, found, strict=True):
        assert isinstance(models[0], Minimum)
        fit = candidates._fit(alpha, rate, 0)
        np.testing.assert_allclose(models[0].coef_, fit.coef_, atol=0.05)


@pytest.mark.parametrize(
    "params",
    [
        {"tol": None},
        {"early_stopping": True},
        {"optimizer": "adamw"},
        {"loss": "huber"},
        {"learning_rates": [0.1]},
    ],
    ids=str,
)
def test_other_searches_fit(params):
    X, y = rows()
    _, found = by_folds(search(max_iter=5, **params), X, y)
    assert all(isinstance(model, GDRegressor) for models in found for model in models)


@pytest.mark.parametrize("scale", [1e8, 1e-8])
def test_a_fold_without_the_large_rows_keeps_its_digits(scale):
    X, y = rows()
    X[:40, 0] *= scale  # the first fold's rows held out, or the rest, are far smaller
    candidates, found = by_folds(search(standardize=False), X, y)
    for fold, (train, _) in enumerate(candidates.folds):
        for k, alpha in enumerate(ALPHAS):
            np.testing.assert_allclose(
                found[k][fold].coef_, path_of(X[train], y[train], [alpha]).coef[0, 0], rtol=1e-6, atol=1e-9
            )


def test_sparse_rows_and_several_outputs():
    X, y = rows(outputs=2)
    X[np.abs(X) < 0.7] = 0
    dense, sparse = search().fit(X, y), search().fit(csr(X), y)
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_allclose(sparse.cv_results_[name], dense.cv_results_[name], rtol=1e-9)
    alone = [search().fit(X, y[:, k]).cv_results_["mean_test_score"] for k in range(2)]
    np.testing.assert_allclose(dense.cv_results_["mean_test_score"], np.mean(alone, axis=0), rtol=1e-6)


def test_single_precision_folds():
    X, y = rows()
    found = search().fit(X.astype(np.float32), y.astype(np.float32))
    assert found.coef_.dtype == np.float32
    expected = search().fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_allclose(found.cv_results_["mean_test_score"], expected, rtol=1e-5)


def test_threads_change_nothing():
    X, y = rows()
    one, two = (search(n_jobs=jobs).fit(X, y).cv_results_["mean_test_score"] for jobs in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_scores_by_any_scorer():
    X, y = rows()
    weight = np.random.default_rng(1).uniform(0.1, 3, len(y))

    def scorer(model, X, y):
        assert model.n_iter_ >= 1 and model.get_params()["learning_rate"] == "auto"
        return -np.mean((model.predict(X) - y) ** 2)

    by_name = search(scoring="neg_mean_squared_error").fit(X, y).cv_results_["mean_test_score"]
    by_function = search(scoring=scorer).fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_allclose(by_name, by_function, rtol=1e-12)
    r2 = [
        search(scoring=scoring).fit(X, y, weight).cv_results_["mean_test_score"] for scoring in (None, "r2")
    ]
    np.testing.assert_array_equal(*r2)


def test_an_overflow_is_that_of_the_fits():
    X, y = rows()
    with pytest.raises(ValueError):
        search().fit(X, y * 1e200)


# ---------------------------------------------------------------- the choice


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["sparse", "dense", "low rank"])
def test_the_alpha_is_that_of_lasso_cv(seed, kind):
    shape = {
        "sparse": {"n_informative": 8},
        "dense": {"n_informative": 30},
        "low rank": {"effective_rank": 10},
    }
    X, y = make_regression(400, 40, noise=20 if kind != "low rank" else 2, random_state=seed, **shape[kind])
    alphas = np.geomspace(10, 0.01, 30) / (1 if kind != "low rank" else 30)
    peer = LassoCV(alphas=alphas, cv=5, tol=1e-10, max_iter=100_000).fit(X, y)
    found = search(alphas=alphas, cv=5, scoring="neg_mean_squared_error", solver="batch").fit(X, y)
    assert found.alpha_ == pytest.approx(peer.alpha_)
    scores = -found.cv_results_["mean_test_score"]
    np.testing.assert_allclose(scores, peer.mse_path_.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error"])
@pytest.mark.parametrize("seed", range(3))
def test_the_alpha_is_that_of_ridge_cv(seed, scoring):
    """Whose alpha is of the sum over rows, and which scores by R2 too."""
    X, y = make_regression(240, 30, noise=100, random_state=seed)
    alphas = np.geomspace(1e-3, 10, 20)
    found = search(alphas=alphas, penalty="l2", cv=4, scoring=scoring, solver="batch").fit(X, y)
    peer = RidgeCV(alphas * 180, cv=4, scoring=scoring).fit(X, y)
    assert found.alpha_ * 180 == pytest.approx(peer.alpha_)
    assert found.best_score_ == pytest.approx(peer.best_score_, rel=1e-9)


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_the_model_is_an_ordinary_fit():
    X, y = rows()
    found = search(solver="batch").fit(X, y)
    alone = GDRegressor(solver="batch", penalty="l1", alpha=found.alpha_, random_state=0).fit(X, y)
    np.testing.assert_array_equal(found.coef_, alone.coef_)
    assert found.stop_reason_ == "tol" and found.n_iter_ == alone.n_iter_
    peer = Lasso(found.alpha_, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(found.coef_, peer.coef_, atol=1e-2)
