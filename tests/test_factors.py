"""A strength of the penalty for each feature (penalty factors), 0 for none.

Asked for in scikit-learn #11566 and skglm #338; R's glmnet calls it penalty.factor.
"""

import numpy as np
import pytest
from _data import csr, estimator, make, pairs
from sklearn.base import clone
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV

from skgd import GDClassifier, GDClassifierCV, GDMLPRegressor, GDRegressor, GDRegressorCV

FACTORS = np.array([0.0, 0.3, 1.0, 2.0, 0.05])
STORAGES = {"dense": np.asarray, "csr": csr}
EXACT = {"solver": "batch", "tol": 1e-14, "max_iter": 20_000, "n_iter_no_change": 20}
LOSSES = ["squared_error", "poisson", "log_loss", "squared_hinge"]


def kind_of(loss):
    return GDClassifier if loss in ("log_loss", "squared_hinge", "hinge") else GDRegressor


def fitted(loss, X, y, **params):
    return kind_of(loss)(loss, **{**EXACT, **params}).fit(X, y)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", LOSSES)
def test_skglm_338_l1_factors_are_a_lasso_on_rescaled_features(loss, storage, standardize):
    """With w_j = v_j / f_j the penalty is the same for all v."""
    X, y = make(loss, n=80, d=5)
    factors = np.array([0.5, 0.3, 1.0, 2.0, 0.05])
    own = fitted(loss, STORAGES[storage](X), y, penalty="l1", alpha=0.05 * factors, standardize=standardize)
    other = fitted(loss, X / factors, y, penalty="l1", alpha=0.05, standardize=True)
    np.testing.assert_allclose(own.coef_, other.coef_ / factors, atol=1e-6)
    assert own.loss_ == pytest.approx(other.loss_, rel=1e-9)
    np.testing.assert_array_equal(own.coef_ == 0, other.coef_ == 0)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("storage", STORAGES)
def test_sklearn_11566_l2_factors_are_the_solution_of_linear_equations(storage, standardize):
    X, y = make(n=80, d=5, outputs=2)
    model = fitted("squared_error", STORAGES[storage](X), y, alpha=0.3 * FACTORS, standardize=standardize)
    Z = X - X.mean(axis=0)
    exact = np.linalg.solve(Z.T @ Z / 80 + np.diag(0.3 * FACTORS), Z.T @ y / 80)
    np.testing.assert_allclose(model.coef_, exact.T, atol=1e-6)


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_features_without_a_penalty_are_those_of_least_squares(penalty):
    X, y = make(n=60)
    free = fitted("squared_error", X, y, penalty=penalty, alpha=np.zeros(5))
    np.testing.assert_allclose(free.coef_, LinearRegression().fit(X, y).coef_, atol=1e-6)
    strong = fitted("squared_error", X, y, penalty="l1", alpha=[0.0, 0.0, 100.0, 100.0, 100.0])
    assert strong.coef_[2:].tolist() == [0, 0, 0]
    np.testing.assert_allclose(strong.coef_[:2], LinearRegression().fit(X[:, :2], y).coef_, atol=1e-6)


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize(("optimizer", "solver"), pairs(without=["implicit"]))
def test_equal_factors_are_one_alpha(optimizer, solver, penalty):
    X, y = make(n=40)
    params = {"solver": solver, "optimizer": optimizer, "penalty": penalty, "batch_size": 10, "max_iter": 4}
    params |= {"random_state": 0, "tol": None, "standardize": False}
    params |= {} if optimizer == "barzilai_borwein" else {"learning_rate": 0.02}
    one = GDRegressor(alpha=0.05, **params).fit(X, y)
    for rows in (X, csr(X)):
        each = GDRegressor(alpha=np.full(5, 0.05), **params).fit(rows, y)
        np.testing.assert_allclose(each.coef_, one.coef_, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    "optimizer", ["plain", "momentum", "nesterov", "adam", "adagrad", "rmsprop", "amsgrad"]
)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_every_rule_comes_to_the_same_minimum(optimizer, storage, penalty):
    X, y = make(n=80)
    alpha = 0.2 * FACTORS
    exact = fitted("squared_error", X, y, penalty=penalty, alpha=alpha)
    model = GDRegressor(
        solver="batch", optimizer=optimizer, penalty=penalty, alpha=alpha, tol=1e-9, max_iter=20_000
    )
    model.fit(STORAGES[storage](X), y)
    assert model.loss_ <= exact.loss_ + 1e-5
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=5e-3)


@pytest.mark.parametrize("solver", ["sgd", "minibatch"])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "poisson"])
def test_stochastic_fits_come_near_the_minimum(loss, solver):
    X, y = make(loss, n=400)
    exact = fitted(loss, X, y, penalty="elasticnet", alpha=0.1 * FACTORS)
    model = kind_of(loss)(
        loss, solver=solver, penalty="elasticnet", alpha=0.1 * FACTORS, random_state=0, tol=1e-6
    ).fit(X, y)
    assert model.loss_ <= exact.loss_ * 1.002 + 1e-6


def test_classes_and_float32():
    X, y = make("log_loss", n=90, outputs=3)
    double = fitted("log_loss", X, y, alpha=0.1 * FACTORS)
    single = fitted("log_loss", X.astype(np.float32), y, alpha=0.1 * FACTORS, tol=1e-7)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, double.coef_, atol=2e-3)
    gradient = double.predict_proba(X) - np.eye(3)[y]
    slope = (X.T @ gradient / 90).T + 0.1 * FACTORS * double.coef_
    np.testing.assert_allclose(slope, 0, atol=1e-6)


def test_a_stream_in_pieces_is_the_same_stream():
    X, y = make(n=120)
    for rows in (X, csr(X)):
        model = GDRegressor(
            solver="sgd", penalty="l1", alpha=0.02 * FACTORS, learning_rate=0.01, shuffle=False
        )
        whole, parts = clone(model), clone(model)
        whole.partial_fit(rows, y)
        for start in range(0, 120, 40):
            parts.partial_fit(rows[start : start + 40], y[start : start + 40])
        np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-12, atol=1e-14)


# ---------------------------------------------------------------- paths and searches


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_a_path_multiplies_the_factors(loss, penalty):
    X, y = make(loss, n=80)
    model = kind_of(loss)(loss, **EXACT, penalty=penalty, alpha=FACTORS)
    path = model.path(X, y, n_alphas=4, eps=0.02)
    for alpha, coef, objective in zip(path.alphas, path.coef, path.objective, strict=True):
        alone = fitted(loss, X, y, penalty=penalty, alpha=alpha * FACTORS)
        np.testing.assert_allclose(coef, alone.coef_.ravel(), atol=1e-5)
        assert objective == pytest.approx(alone.loss_, rel=1e-7)
    np.testing.assert_allclose(path.select(path.alphas[2]).alpha, path.alphas[2] * FACTORS)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_a_path_begins_where_all_penalised_weights_are_zero(loss):
    X, y = make(loss, n=80)
    path = kind_of(loss)(loss, **EXACT, penalty="l1", alpha=FACTORS).path(X, y, n_alphas=30)
    assert np.count_nonzero(path.coef[0, 1:]) == 0
    assert path.coef[0, 0] != 0
    assert np.count_nonzero(path.coef[1, 1:]) > 0


def test_paths_of_many_features_equal_separate_lassos():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 200)) + rng.normal(size=(60, 1))
    y = X[:, :3] @ [1.0, -2.0, 1.0] + rng.normal(size=60)
    factors = rng.uniform(0.2, 3, 200)
    path = GDRegressor(penalty="l1", alpha=factors).path(X, y, n_alphas=8, eps=0.05)
    from sklearn.linear_model import Lasso

    for alpha, coef in zip(path.alphas, path.coef, strict=True):
        lasso = Lasso(alpha=alpha, tol=1e-12, max_iter=100_000).fit(X / factors, y)
        np.testing.assert_allclose(coef, lasso.coef_ / factors, atol=1e-6)


def test_collinear_features_without_a_penalty():
    X, y = make(n=50)
    X = np.column_stack([X, X[:, 0]])
    factors = np.array([0, 1, 1, 1, 1, 0.0])
    path = GDRegressor(alpha=factors).path(X, y, alphas=[1.0, 0.1])
    other = GDRegressor(alpha=factors[:-1]).path(X[:, :-1], y, alphas=[1.0, 0.1])
    np.testing.assert_allclose(path.objective, other.objective, rtol=1e-10)


def test_searches_multiply_the_factors():
    X, y = make(n=120)
    alphas = [1.0, 0.1, 0.01]
    search = GDRegressorCV(learning_rates="auto", alphas=alphas, alpha=FACTORS, solver="batch").fit(X, y)
    grid = GridSearchCV(GDRegressor(**EXACT), {"alpha": [alpha * FACTORS for alpha in alphas]}, cv=5).fit(
        X, y
    )
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], grid.cv_results_["mean_test_score"], atol=1e-6
    )
    np.testing.assert_allclose(search.best_estimator_.alpha, search.alpha_ * FACTORS)
    np.testing.assert_allclose(search.coef_, grid.best_estimator_.coef_, atol=2e-2)


@pytest.mark.parametrize("solver", ["sgd", "minibatch", "batch"])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_searches_in_one_pass_equal_separate_fits(solver, penalty):
    X, y = make("log_loss", n=80)
    params = {"solver": solver, "penalty": penalty, "standardize": False, "average": False, "max_iter": 5}
    params |= {"alpha": FACTORS, "random_state": 0, "cv": [(np.arange(60), np.arange(60, 80))]}
    search = GDClassifierCV(learning_rates=[0.02], alphas=[0.1, 0.01], **params).fit(X, y)
    del params["cv"]
    weight = (np.arange(80) < 60).astype(float)
    for k, alpha in enumerate([0.1, 0.01]):
        alone = GDClassifier(**{**params, "learning_rate": 0.02, "alpha": alpha * FACTORS})
        alone.fit(X, y, sample_weight=weight)
        assert search.cv_results_["mean_test_score"][k] == pytest.approx(alone.score(X[60:], y[60:]))


# ---------------------------------------------------------------- what is not allowed


def test_wrong_factors_are_errors():
    X, y = make()
    for alpha, message in [
        ([1.0, 2.0], "alpha has 2 elements, but X has 5 features"),
        (np.ones((5, 1)), "shape"),
        ([1, 1, 1, 1, -1], "finite and not negative"),
        ([1, 1, 1, 1, np.nan], "finite and not negative"),
        (["a"] * 5, "must hold numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            GDRegressor(alpha=alpha).fit(X, y)
        with pytest.raises(ValueError, match=message):
            GDRegressor(alpha=alpha).partial_fit(X, y)
        with pytest.raises(ValueError, match=message):
            GDRegressorCV(alpha=alpha).fit(X, y)
        with pytest.raises(ValueError, match=message):
            GDRegressor(alpha=alpha).path(X, y)
    with pytest.raises(ValueError, match="all elements of alpha are zero"):
        GDRegressor(alpha=np.zeros(5)).path(X, y)
    with pytest.raises(ValueError, match="alpha"):
        GDMLPRegressor(alpha=np.ones(5)).fit(X, y)


def test_no_warning_at_the_minimum_and_one_far_from_it(recwarn):
    X, y = make(n=200)
    GDRegressor(solver="batch", penalty="l1", alpha=0.3 * FACTORS).fit(X, y)
    assert not recwarn.list


@pytest.mark.parametrize("l1_ratio", [0.0, 0.4])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "gamma", "log_loss"])
def test_glum_weights_its_penalties_alike(loss, l1_ratio):
    glum = pytest.importorskip("glum")
    X, y = make(loss, n=200)
    family = {"squared_error": "normal", "log_loss": "binomial"}.get(loss, loss)
    link = "log" if loss in ("poisson", "gamma") else "auto"
    shared = {"alpha": 0.05, "l1_ratio": l1_ratio, "P1": FACTORS, "P2": FACTORS}
    bounds = {"lower_bounds": np.full(5, -0.2), "upper_bounds": np.full(5, 0.3)}
    for other, own in ({}, {}), (bounds, {"bounds": (-0.2, 0.3)}):
        theirs = glum.GeneralizedLinearRegressor(
            family=family, link=link, gradient_tol=1e-12, max_iter=1000, **shared, **other
        ).fit(X, y)
        for solver in ("batch", "minibatch", "sgd"):
            model = estimator(
                loss, solver=solver, tol=1e-8, penalty="elasticnet", l1_ratio=l1_ratio, **own
            ).set_params(alpha=0.05 * FACTORS)
            np.testing.assert_allclose(model.fit(X, y).coef_.ravel(), theirs.coef_, atol=1e-6)


def test_ridge_and_elastic_net_of_scikit_learn():
    X, y = make(n=100)
    factors = np.array([0.5, 0.3, 1.0, 2.0, 0.7])
    own = fitted("squared_error", X, y, alpha=0.2 * factors)
    ridge = Ridge(alpha=20, tol=1e-12).fit(X / np.sqrt(factors), y)
    np.testing.assert_allclose(own.coef_, ridge.coef_ / np.sqrt(factors), atol=1e-6)
    own = fitted("squared_error", X, y, penalty="elasticnet", l1_ratio=0.5, alpha=np.full(5, 0.2))
    net = ElasticNet(alpha=0.2, l1_ratio=0.5, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(own.coef_, net.coef_, atol=1e-6)
