"""Regularisation paths are the minima of scikit-learn, and their models predict."""

import pickle
import warnings

import numpy as np
import pytest
from _data import csr, estimator, make
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LassoCV, LogisticRegression, Ridge, enet_path
from sklearn.preprocessing import scale
from sklearn.utils.validation import check_is_fitted

from skgd import GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV, RegularizationPath, losses

EXACT = {"solver": "batch", "tol": 1e-10, "max_iter": 20_000}
NAMES = sorted(losses.LOSSES)


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return scale(X), y


def their_path(X, y, alphas, l1_ratio):
    """Weights and intercepts by scikit-learn."""
    centre, mean = X.mean(axis=0), y.mean()
    shared = {"l1_ratio": l1_ratio, "alphas": alphas, "tol": 1e-14, "max_iter": 100_000}
    _, coef, _ = enet_path(X - centre, y - mean, **shared)
    return coef.T, mean - coef.T @ centre


def logistic(X, y, alpha):
    """Logistic regression with an l1 penalty by scikit-learn."""
    old = getattr(LogisticRegression(), "penalty", "deprecated") != "deprecated"
    l1 = {"penalty": "l1"} if old else {"l1_ratio": 1.0}
    peer = LogisticRegression(C=1 / (len(y) * alpha), solver="saga", tol=1e-7, max_iter=50_000, **l1)
    return peer.fit(X, y)


# ---------------------------------------------------------------- squared error


@pytest.mark.parametrize(("penalty", "l1_ratio"), [("l1", 1.0), ("elasticnet", 0.4)])
@pytest.mark.parametrize("solver", ["batch", "sgd"])
def test_weights_are_those_of_enet_path(penalty, l1_ratio, solver):
    X, y = diabetes()
    path = GDRegressor(penalty=penalty, l1_ratio=0.4, solver=solver).path(X + 3, y, n_alphas=40)
    coef, intercept = their_path(X + 3, y, path.alphas, l1_ratio)
    assert path.coef.shape == (40, 10) and path.intercept.shape == (40,)
    np.testing.assert_allclose(path.coef, coef, atol=1e-6 * np.abs(coef).max())
    np.testing.assert_allclose(path.intercept, intercept, rtol=1e-6)
    np.testing.assert_array_equal(path.n_nonzero, np.count_nonzero(coef, axis=1))


def test_weights_are_those_of_ridge():
    X, y = diabetes()
    path = GDRegressor(penalty="l2").path(X, y, alphas=[0.1, 10.0, 1.0])
    np.testing.assert_array_equal(path.alphas, [10, 1, 0.1])
    for alpha, coef in zip(path.alphas, path.coef, strict=True):
        peer = Ridge(alpha=alpha * len(y)).fit(X, y)
        np.testing.assert_allclose(coef, peer.coef_, rtol=1e-6)


def test_the_default_alphas_are_those_of_enet_path():
    X, y = diabetes()
    for penalty, share in (("l1", 1.0), ("elasticnet", 0.15), ("l2", 1e-3)):
        largest = np.abs(X.T @ (y - y.mean())).max() / len(y) / share
        path = GDRegressor(penalty=penalty).path(X, y, n_alphas=7, eps=1e-2)
        np.testing.assert_allclose(path.alphas, np.geomspace(largest, largest / 100, 7), rtol=1e-9)


def test_a_number_of_alphas_stands_for_them():
    """As in scikit-learn's LassoCV, in a path and in a search, which takes those of a path to all rows."""
    X, y = load_diabetes(return_X_y=True)
    estimator_ = GDRegressor(penalty="l1")
    path = estimator_.path(X, y, alphas=7)
    np.testing.assert_array_equal(path.alphas, estimator_.path(X, y, n_alphas=7).alphas)
    shared = {"penalty": "l1", "learning_rates": "auto", "random_state": 0}
    search = GDRegressorCV(alphas=7, scoring="neg_mean_squared_error", **shared).fit(X, y)
    np.testing.assert_allclose(search.cv_results_["param_alpha"].data.astype(float), path.alphas)
    assert search.alpha_ == pytest.approx(LassoCV(alphas=path.alphas).fit(X, y).alpha_)
    factors = np.append(0.0, np.ones(9))  # they are multiplied by the alphas
    search = GDRegressorCV(alphas=4, alpha=factors, **shared).fit(X, y)
    expected = GDRegressor(penalty="l1", alpha=factors).path(X, y, n_alphas=4).alphas
    np.testing.assert_allclose(search.cv_results_["param_alpha"].data.astype(float), expected)
    cancer = load_breast_cancer(return_X_y=True)
    found = GDClassifierCV(alphas=3, cv=2, **shared).fit(*cancer)
    expected = GDClassifier(penalty="l1", random_state=0).path(*cancer, n_alphas=3).alphas
    np.testing.assert_allclose(found.cv_results_["param_alpha"].data.astype(float), expected)


def test_several_outputs_are_as_many_paths():
    X, y = make(n=80, outputs=3)
    alphas = [0.3, 0.1, 0.01]
    path = GDRegressor(penalty="l1").path(X, y, alphas=alphas)
    assert path.coef.shape == (3, 3, 5) and path.intercept.shape == (3, 3)
    alone = [GDRegressor(penalty="l1").path(X, y[:, k], alphas=alphas) for k in range(3)]
    np.testing.assert_allclose(path.coef, np.stack([each.coef for each in alone], axis=1), atol=1e-8)
    np.testing.assert_allclose(path.objective, sum(each.objective for each in alone))
    np.testing.assert_array_equal(path.n_nonzero, sum(each.n_nonzero for each in alone))
    assert path.predict(X).shape == (3, 80, 3)


def test_one_output_as_a_matrix_keeps_its_dimension():
    X, y = make()
    path = GDRegressor().path(X, y[:, None], alphas=[0.1, 1.0])
    assert path.coef.shape == (2, 1, 5)
    assert path.select(1.0).predict(X).shape == (60, 1)


def test_a_constant_y_has_a_path():
    X, _ = make()
    path = GDRegressor(penalty="l1").path(X, np.full(60, 2.0), n_alphas=3)
    assert np.all(path.alphas > 0) and not path.coef.any()
    np.testing.assert_allclose(path.intercept, 2.0)


# ---------------------------------------------------------------- other losses


def test_two_classes_are_those_of_logistic_regression():
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    path = GDClassifier(penalty="l1", **EXACT).path(X, y, n_alphas=12, eps=0.05)
    assert path.coef.shape == (12, 30) and path.intercept.shape == (12,)
    for k in (3, 7, 11):
        peer = logistic(X, y, path.alphas[k])
        np.testing.assert_allclose(path.coef[k], peer.coef_[0], atol=1e-3)
        np.testing.assert_allclose(path.intercept[k], peer.intercept_[0], atol=1e-3)


def test_several_classes_are_those_of_logistic_regression():
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    path = GDClassifier(penalty="l1", **EXACT).path(X, y, n_alphas=6, eps=0.05)
    assert path.coef.shape == (6, 3, 4) and path.intercept.shape == (6, 3)
    for k in (2, 4):
        np.testing.assert_allclose(path.coef[k], logistic(X, y, path.alphas[k]).coef_, atol=2e-3)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", NAMES)
def test_weights_are_zero_at_the_largest_alpha_only(loss, fit_intercept):
    X, y = make(loss, n=90)
    model = estimator(loss, penalty="l1", fit_intercept=fit_intercept, solver="batch", tol=1e-7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        largest = model.path(X, y, n_alphas=2).alphas[0]
        path = model.path(X, y, alphas=[largest, 0.8 * largest])
    assert path.n_nonzero[0] == 0
    assert path.n_nonzero[1] > 0 or not losses.LOSSES[loss].smooth  # a kink allows for many slopes


@pytest.mark.parametrize("loss", ["absolute_error", "hinge", "log_loss", "poisson", "huber"])
def test_slopes_at_the_best_constant_leave_no_slope_of_the_intercept(loss):
    """So that moving a feature changes nothing of the alphas."""
    X, y = make(loss, n=91)
    model = estimator(loss, penalty="l1", max_iter=1, tol=None)
    path, moved = (model.path(Z, y, n_alphas=2) for Z in (X, X + 10))
    np.testing.assert_allclose(moved.alphas, path.alphas, rtol=1e-6)


@pytest.mark.parametrize("loss", ["log_loss", "huber", "poisson"])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "l2"])
def test_warm_starts_end_where_fits_do(loss, penalty):
    X, y = make(loss, n=90)
    model = estimator(loss, penalty=penalty, l1_ratio=0.5, **EXACT)
    path = model.path(X, y, alphas=[0.1, 0.03, 0.01])
    for alpha, coef, objective in zip(path.alphas, path.coef, path.objective, strict=True):
        alone = estimator(loss, penalty=penalty, l1_ratio=0.5, alpha=alpha, **EXACT).fit(X, y)
        np.testing.assert_allclose(coef, alone.coef_.ravel(), atol=1e-4)
        assert objective == pytest.approx(alone.loss_, rel=1e-7)


@pytest.mark.parametrize(
    "params", [{"tol": None, "max_iter": 60}, {"early_stopping": True}, {"learning_rate": 0.1}]
)
def test_what_asks_for_more_than_the_minimum_is_fitted(params):
    X, y = make(n=200)
    model = GDRegressor(random_state=0, penalty="l1", **params)
    path = model.path(X, y, alphas=[0.1, 0.01])
    assert path.select(0.1).n_iter_ > 0
    exact = GDRegressor(penalty="l1").path(X, y, alphas=[0.1, 0.01])
    assert not np.array_equal(path.coef, exact.coef)
    np.testing.assert_allclose(path.coef, exact.coef, atol=0.2)


def test_descents_that_end_too_early_are_told_of_once():
    X, y = make("log_loss")
    with pytest.warns(
        ConvergenceWarning, match="3 of the 3 fits of the path, the first at alpha=0.01: "
    ) as told:
        GDClassifier(max_iter=1, solver="batch").path(X, y, alphas=[1e-2, 1e-3, 1e-4])
    assert len(told) == 1


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_weights_of_rows_are_repetitions(loss):
    X, y = make(loss)
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    model = estimator(loss, penalty="l1", **EXACT)
    weighted = model.path(X, y, n_alphas=5, eps=0.1, sample_weight=weight)
    repeated = model.path(np.repeat(X, weight, axis=0), np.repeat(y, weight), n_alphas=5, eps=0.1)
    np.testing.assert_allclose(weighted.alphas, repeated.alphas, rtol=1e-7)
    np.testing.assert_allclose(weighted.coef, repeated.coef, atol=1e-4)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_sparse_rows_have_the_path_of_dense_ones(loss):
    X, y = make(loss)
    X[X < 0] = 0
    model = estimator(loss, penalty="l1", **EXACT)
    path, dense = (model.path(Z, y, n_alphas=5, eps=0.1) for Z in (csr(X), X))
    np.testing.assert_allclose(path.alphas, dense.alphas, rtol=1e-9)
    np.testing.assert_allclose(path.coef, dense.coef, atol=1e-5)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_single_precision_is_kept(loss):
    X, y = make(loss)
    model = estimator(loss, penalty="l1", solver="batch", tol=1e-7)
    path, single = (model.path(X.astype(dtype), y, n_alphas=5, eps=0.1) for dtype in (float, np.float32))
    assert single.coef.dtype == single.intercept.dtype == np.float32
    assert single.select(path.alphas[2]).coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef, path.coef, atol=5e-3)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_alpha_refers_to_the_features_as_they_are(loss):
    X, y = make(loss, n=100)
    X = X * [1, 5, 0.2, 1, 1] + 1
    paths = [
        estimator(loss, penalty="l1", standardize=standardize, **EXACT).path(X, y, alphas=[0.05, 0.01])
        for standardize in (True, False)
    ]
    np.testing.assert_allclose(paths[0].coef, paths[1].coef, atol=1e-3)


def test_class_weights_are_weights_of_rows():
    X, y = make("log_loss")
    path = GDClassifier(penalty="l1", class_weight={0: 1, 1: 3}, **EXACT).path(X, y, alphas=[0.1])
    weight = np.where(y == 1, 3.0, 1.0)
    same = GDClassifier(penalty="l1", **EXACT).path(X, y, alphas=[0.1], sample_weight=weight)
    np.testing.assert_allclose(path.coef, same.coef, atol=1e-6)


# ---------------------------------------------------------------- the path as an object


def test_the_objective_is_that_of_the_model():
    for loss in ("squared_error", "log_loss"):
        X, y = make(loss)
        path = estimator(loss, penalty="l1").path(X, y, n_alphas=4)
        for k, alpha in enumerate(path.alphas):
            problem = estimator(loss, penalty="l1", alpha=alpha, standardize=False)._objective_of(X, y)
            theta = problem.zeros()
            theta[:-1, 0], theta[-1, 0] = path.coef[k], path.intercept[k]
            assert path.objective[k] == pytest.approx(problem.value(theta), rel=1e-9)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "softmax", "poisson"])
def test_models_of_a_path_predict(loss):
    outputs, loss = (3, "log_loss") if loss == "softmax" else (1, loss)
    X, y = make(loss, outputs=outputs)
    model = estimator(loss, penalty="l1")
    path = model.path(X, y, n_alphas=6)
    chosen = path.select(path.alphas[3])
    assert type(chosen) is type(model) and chosen.alpha == path.alphas[3]
    np.testing.assert_array_equal(np.squeeze(chosen.coef_), path.coef[3])
    np.testing.assert_array_equal(np.squeeze(chosen.intercept_), path.intercept[3])
    assert chosen.loss_ == path.objective[3]
    np.testing.assert_array_equal(chosen.predict(X), path.predict(X)[3])
    start = {"coef_init": chosen.coef_, "intercept_init": chosen.intercept_}
    still = estimator(loss, max_iter=1, tol=None, learning_rate=1e-12, average=False).fit(X, y, **start)
    np.testing.assert_allclose(still.predict(X), chosen.predict(X), rtol=1e-6)
    if loss == "log_loss":
        assert chosen.predict_proba(X).shape == (60, len(chosen.classes_))
    assert chosen.fit(X, y).n_iter_ > 1


def test_the_nearest_alpha_is_nearest_by_ratio():
    X, y = make()
    path = GDRegressor().path(X, y, alphas=[0.0, 1e-4, 1e-2, 1.0])
    chosen = [path.select(alpha).alpha for alpha in (9.0, 0.2, 0.09, 1.1e-3, 1e-6, 0)]
    assert chosen == [1.0, 1.0, 1e-2, 1e-2, 1e-4, 0]
    with pytest.raises(ValueError, match="must not be negative"):
        path.select(-1.0)


def test_a_selected_model_goes_on_by_itself():
    X, y = make()
    path = GDRegressor(penalty="l1", random_state=0).path(X, y, n_alphas=5)
    kept = path.coef.copy()
    chosen = path.select(0.1)
    assert "GDRegressor" in chosen._repr_html_()
    chosen.partial_fit(X, y)
    chosen.coef_ += 1
    np.testing.assert_array_equal(path.coef, kept)
    assert not np.array_equal(path.select(0.1).coef_, chosen.coef_)


def test_a_path_can_be_pickled():
    X, y = make("log_loss")
    path = GDClassifier(penalty="l1", random_state=0).path(X, np.array(["no", "yes"])[y], n_alphas=4)
    again = pickle.loads(pickle.dumps(path))
    assert isinstance(again, RegularizationPath)
    for name in ("alphas", "coef", "intercept", "objective", "n_nonzero", "feature_names"):
        np.testing.assert_array_equal(getattr(again, name), getattr(path, name))
    np.testing.assert_array_equal(again.predict(X), path.predict(X))
    assert repr(again) == repr(path)
    assert "4 alphas" in repr(path) and len(repr(path)) < 200


def test_features_have_names():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    path = GDRegressor().path(X, y, n_alphas=2)
    assert list(path.feature_names) == list(X.columns)
    assert list(path.select(1.0).feature_names_in_) == list(X.columns)
    path.select(1.0).predict(X)  # without a warning about names
    assert list(GDRegressor().path(X.to_numpy(), y, n_alphas=2).feature_names[:2]) == ["x0", "x1"]


def test_the_estimator_stays_as_it_is():
    X, y = make()
    fresh = GDRegressor(random_state=0)
    fresh.path(X, y, n_alphas=3)
    with pytest.raises(NotFittedError):
        check_is_fitted(fresh)
    model = GDRegressor(random_state=0, loss="huber", warm_start=True).fit(X, y)
    before = pickle.dumps(model)
    model.path(X, y, n_alphas=3)
    assert pickle.dumps(model) == before


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"alphas": [-1.0]}, "alphas="),
        ({"alphas": []}, "alphas="),
        ({"alphas": "auto"}, "alphas='auto' must be a list of .* numbers, or how many of them"),
        ({"n_alphas": 0}, "n_alphas=0"),
        ({"n_alphas": 2.5}, "n_alphas=2.5"),
        ({"alphas": 0}, "n_alphas=0"),
        ({"eps": 1.0}, "eps=1.0"),
        ({"eps": 0}, "eps=0"),
    ],
)
def test_wrong_arguments_are_named(params, text):
    with pytest.raises(ValueError, match=text):
        GDRegressor().path(*make(), **params)


def test_there_is_no_path_without_a_penalty_or_with_nan():
    X, y = make()
    with pytest.raises(ValueError, match="penalty=None"):
        GDRegressor(penalty=None).path(X, y)
    X[3, 2] = np.nan
    for loss in ("squared_error", "huber"):
        with pytest.raises(ValueError, match="NaN"):
            GDRegressor(loss).path(X, y)


# ---------------------------------------------------------------- one standard error


def chosen_by_hand(search):
    """Index of the candidate of the largest alpha within one standard error of the best."""
    results, n = search.cv_results_, search.n_splits_
    scores = np.column_stack([results[f"split{fold}_test_score"] for fold in range(n)])
    means, best = scores.mean(axis=1), scores.mean(axis=1).argmax()
    error = np.sqrt(((scores[best] - means[best]) ** 2).sum() / (n - 1) / n)
    near = np.flatnonzero(means >= means[best] - error)
    largest = max(results["params"][k]["alpha"] for k in near)
    return max((k for k in near if results["params"][k]["alpha"] == largest), key=lambda k: means[k])


@pytest.mark.parametrize("rates", ["auto", [0.003, 0.03, 0.1]])
@pytest.mark.parametrize("kind", [GDRegressorCV, GDClassifierCV])
def test_one_standard_error(kind, rates):
    X, y = make("log_loss" if kind is GDClassifierCV else "squared_error", n=120, d=8)
    params = {"alphas": np.geomspace(1e-3, 1, 9), "learning_rates": rates, "penalty": "l1", "random_state": 0}
    best = kind(**params).fit(X, y)
    search = kind(selection="one_standard_error", **params).fit(X, y)
    index = chosen_by_hand(search)
    assert search.best_index_ == index
    assert search.alpha_ == search.cv_results_["params"][index]["alpha"] > best.alpha_
    assert search.best_score_ == search.cv_results_["mean_test_score"][index] <= best.best_score_
    assert search.best_params_ == search.cv_results_["params"][index]
    assert search.best_estimator_.alpha == search.alpha_
    assert np.count_nonzero(search.coef_) <= np.count_nonzero(best.coef_)


def test_one_standard_error_needs_folds_and_a_known_name():
    X, y = make()
    one = [(np.arange(40), np.arange(40, 60))]
    with pytest.raises(ValueError, match="at least two folds"):
        GDRegressorCV(selection="one_standard_error", cv=one).fit(X, y)
    with pytest.raises(ValueError, match="selection"):
        GDRegressorCV(selection="1se").fit(X, y)
