"""Weights that may not be negative, or that lie within bounds.

Asked for in scikit-learn #10746 and cuML #1794.
"""

import pickle

import numpy as np
import pytest
from _data import csr, make, pairs
from scipy.optimize import lsq_linear, minimize, minimize_scalar
from sklearn.base import clone
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV

from skgd import GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV
from skgd._bounds import Bounds
from skgd._penalty import ElasticNet as ElasticNetPenalty
from skgd._remaining_gain import remaining_gain
from skgd.losses import LOSSES

STORAGES = {"dense": np.asarray, "csr": csr}
EXACT = {"solver": "batch", "tol": 1e-14, "max_iter": 20_000, "n_iter_no_change": 20}
LOW, HIGH = np.array([-0.1, 0.1, -np.inf, 0.0, -0.3]), np.array([0.1, 0.5, 0.2, np.inf, -0.2])


def kind_of(loss):
    return GDClassifier if LOSSES[loss].task == "classification" else GDRegressor


def fitted(loss, X, y, **params):
    return kind_of(loss)(loss, **{**EXACT, **params}).fit(X, y)


def units(X):
    """The same rows with features of other units, far from zero."""
    return X * [1.0, 30.0, 0.02, 5.0, 1.0] + [0.0, 100.0, 0.0, -20.0, 3.0]


def test_proximal_steps_in_other_units_keep_to_the_bounds():
    """argmin (u - v)^2 / 2 + step alpha R(scale u) for scale u within bounds, by search."""
    v, scale, step = np.array([0.7, -2.0, 0.4, 0.9, 1.5]), np.array([0.5, 2.0, 0.1, 30.0, 1.0]), 0.3
    bounds = Bounds(np.full(5, -0.3), np.array([0.1, 1.0, 1.0, 0.2, 9.0]))
    penalty = ElasticNetPenalty(alpha=0.2, l1_ratio=0.4, bounds=bounds)
    found = penalty.prox(v, step, scale)
    for u, at, s, low, high in zip(found, v, scale, bounds.low, bounds.high, strict=True):
        best = minimize_scalar(
            lambda t, at=at, s=s: (t - at) ** 2 / 2 + step * 0.2 * (0.4 * abs(s * t) + 0.3 * (s * t) ** 2),
            bounds=(low / s, high / s), method="bounded", options={"xatol": 1e-10},
        )  # fmt: skip
        assert u == pytest.approx(best.x, abs=1e-6)


# ---------------------------------------------------------------- scikit-learn's own


@pytest.mark.parametrize("change", [np.asarray, units], ids=["standard", "units"])
@pytest.mark.parametrize("storage", STORAGES)
def test_sklearn_10746_positive_weights_equal_those_of_scikit_learn(storage, change):
    X, y = make(n=80)
    X = change(X)
    rows = STORAGES[storage](X)
    scale = X.std(axis=0)
    for own, other in [
        ({"penalty": None}, LinearRegression(positive=True)),
        ({"alpha": 0.1}, Ridge(alpha=8, positive=True, tol=1e-13)),
        ({"penalty": "l1", "alpha": 0.05}, Lasso(alpha=0.05, positive=True, tol=1e-13, max_iter=10**6)),
        ({"penalty": "elasticnet", "alpha": 0.05, "l1_ratio": 0.5},
         ElasticNet(alpha=0.05, positive=True, tol=1e-13, max_iter=10**6)),
    ]:  # fmt: skip
        model, other = fitted("squared_error", rows, y, positive=True, **own), other.fit(X, y)
        np.testing.assert_allclose(model.coef_ * scale, other.coef_ * scale, atol=1e-6)
        assert model.intercept_[0] == pytest.approx(float(other.intercept_), rel=1e-5)
        assert (model.coef_ == 0).any()
        assert (model.coef_ >= 0).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("storage", STORAGES)
def test_every_solver_reaches_the_positive_weights_of_scikit_learn(storage, solver, dtype):
    """Noise moves weights away from zero to one side only, and so a mean of the iterates too."""
    X, y = make(n=400, d=10)
    X, y = X.astype(dtype), y.astype(dtype)
    for own, other in [
        ({"penalty": None}, LinearRegression(positive=True)),
        ({"alpha": 0.1}, Ridge(alpha=40, positive=True, tol=1e-13)),
        ({"penalty": "l1", "alpha": 0.05}, Lasso(alpha=0.05, positive=True, tol=1e-13, max_iter=10**6)),
    ]:
        options = {"solver": solver, "positive": True, "random_state": 0, **own}
        exact = other.fit(X.astype(float), y.astype(float)).coef_
        assert (exact == 0).any()
        for tol, near in [(1e-4, 1e-3), (1e-8, 1e-6)]:
            model = GDRegressor(tol=tol, **options).fit(STORAGES[storage](X), y)
            np.testing.assert_allclose(model.coef_, exact, atol=near * np.abs(exact).max())
            assert (model.coef_[exact == 0] == 0).all()


def test_early_stopping_and_given_rates_keep_their_parameters():
    """Only the end that an automatic rate led to is brought nearer to the minimum."""
    X, y = make(n=400, d=10)
    exact = GDRegressor(solver="batch", tol=1e-12, positive=True).fit(X, y).loss_
    options = {"positive": True, "solver": "sgd", "random_state": 0}
    for params in ({"learning_rate": 0.003}, {"tol": None, "max_iter": 20}):
        assert GDRegressor(**options, **params).fit(X, y).loss_ > exact + 1e-7


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("storage", STORAGES)
def test_bounds_of_each_feature_equal_bounded_least_squares(storage, standardize):
    X, y = make(n=80)
    model = fitted(
        "squared_error", STORAGES[storage](X), y, penalty=None, bounds=(LOW, HIGH), standardize=standardize
    )
    Z = X - X.mean(axis=0)
    exact = lsq_linear(Z, y - y.mean(), bounds=(LOW, HIGH), tol=1e-14).x
    np.testing.assert_allclose(model.coef_, exact, atol=1e-6)
    assert ((model.coef_ >= LOW) & (model.coef_ <= HIGH)).all()
    assert ((model.coef_ == LOW) | (model.coef_ == HIGH)).sum() >= 2


@pytest.mark.parametrize("loss", ["poisson", "gamma", "log_loss", "squared_hinge", "huber", "log_cosh"])
@pytest.mark.parametrize("change", [np.asarray, units], ids=["standard", "units"])
def test_losses_under_bounds_equal_l_bfgs_b(loss, change):
    X, y = make(loss, n=150)
    X, scale = change(X), np.ones(5)
    scale = X.std(axis=0)
    low, high = LOW / scale, HIGH / scale
    model = fitted(loss, X, y, alpha=0.02, bounds=(low, high))
    function = LOSSES[loss]()
    targets = y.astype(float)

    def objective(u):
        w = u[:5] / scale
        values, slopes = function.value_and_slope(targets, ((X - X.mean(axis=0)) @ w + u[5])[:, None])
        gradient = (X - X.mean(axis=0)).T @ slopes[:, 0] / len(X) + 0.02 * w
        return values.mean() + 0.01 * w @ w, np.append(gradient / scale, slopes.mean())

    box = [*zip(LOW, HIGH, strict=True), (None, None)]
    exact = minimize(
        objective, np.zeros(6), jac=True, bounds=box, method="L-BFGS-B",
        options={"ftol": 1e-16, "gtol": 1e-10, "maxiter": 10_000},
    )  # fmt: skip
    np.testing.assert_allclose(model.coef_.ravel() * scale, exact.x[:5], atol=2e-6)
    assert model.loss_ <= exact.fun + 1e-10


def test_several_outputs_and_classes():
    X, y = make(n=80, outputs=3)
    model = fitted("squared_error", X, y, penalty=None, positive=True)
    np.testing.assert_allclose(model.coef_, LinearRegression(positive=True).fit(X, y).coef_, atol=1e-6)
    X, y = make("log_loss", n=120, outputs=3)
    model = fitted("log_loss", X, y, alpha=0.05, bounds=(-0.2, 0.3))
    slope = X.T @ (model.predict_proba(X) - np.eye(3)[y]) / 120 + 0.05 * model.coef_.T
    inside = (model.coef_.T > -0.2) & (model.coef_.T < 0.3)
    np.testing.assert_allclose(slope[inside], 0, atol=1e-6)
    assert (slope[model.coef_.T == -0.2] >= 0).all()
    assert (slope[model.coef_.T == 0.3] <= 0).all()
    assert not inside.all()


# ---------------------------------------------------------------- every rule


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize(
    ("optimizer", "solver"), pairs(without=["implicit", "ftrl", "schedule_free", "adadelta"])
)
def test_every_rule_keeps_the_bounds(optimizer, solver, penalty):
    X, y = make(n=80)
    exact = fitted("squared_error", X, y, penalty=penalty, alpha=0.01, bounds=(LOW, HIGH))
    for rows in (X, csr(X)):
        model = GDRegressor(
            solver=solver,
            optimizer=optimizer,
            penalty=penalty,
            alpha=0.01,
            bounds=(LOW, HIGH),
            random_state=0,
        ).fit(rows, y)
        assert ((model.coef_ >= LOW) & (model.coef_ <= HIGH)).all()
        assert model.loss_ <= 1.02 * exact.loss_
        alone = GDRegressor(optimizer=optimizer, solver=solver, random_state=0).fit(rows, y)
        assert alone.loss_ < exact.loss_


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam", "adagrad"])
def test_other_rules_come_to_the_same_minimum(optimizer):
    X, y = make(n=80)
    exact = fitted("squared_error", X, y, alpha=0.01, bounds=(LOW, HIGH))
    model = fitted("squared_error", X, y, alpha=0.01, bounds=(LOW, HIGH), optimizer=optimizer, tol=1e-10)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-3)
    assert model.loss_ == pytest.approx(model._objective_of(X, y).value(_theta(model)), rel=1e-9)


def _theta(model):
    return np.append(model.coef_, model.intercept_)[:, None]


def test_given_rates_and_bounds_without_zero():
    X, y = make(n=80)
    params = {"penalty": None, "bounds": (0.2, 0.4)}
    exact = fitted("squared_error", X, y, **params)
    model = fitted("squared_error", X, y, **params, learning_rate=0.1, tol=1e-12)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-5)
    assert ((model.coef_ >= 0.2) & (model.coef_ <= 0.4)).all()
    for solver in ("sgd", "minibatch"):
        model = GDRegressor(solver=solver, random_state=0, **params).fit(X, y)
        assert ((model.coef_ >= 0.2) & (model.coef_ <= 0.4)).all()
        assert model.loss_ <= 1.02 * exact.loss_


def test_bounds_that_are_equal_fix_weights():
    X, y = make(n=80)
    low = [0.5, -np.inf, -np.inf, -np.inf, -np.inf]
    high = [0.5, np.inf, np.inf, np.inf, np.inf]
    model = fitted("squared_error", X, y, penalty=None, bounds=(low, high))
    rest = LinearRegression().fit(X[:, 1:], y - 0.5 * X[:, 0])
    assert model.coef_[0] == 0.5
    np.testing.assert_allclose(model.coef_[1:], rest.coef_, atol=1e-6)


def test_losses_with_kinks():
    X, y = make(n=100)
    for loss in ("absolute_error", "quantile"):
        model = GDRegressor(loss, solver="batch", bounds=(-0.1, 0.1), alpha=0).fit(X, y)
        assert ((model.coef_ >= -0.1) & (model.coef_ <= 0.1)).all()
        free = GDRegressor(loss, solver="batch", alpha=0).fit(X, y)
        assert free.loss_ < model.loss_ < GDRegressor(loss, bounds=(0, 0), alpha=0).fit(X, y).loss_


def test_float32_keeps_the_bounds_exactly():
    X, y = make(n=80, dtype=np.float32)
    for change in (np.asarray, units):
        model = fitted("squared_error", change(X).astype(np.float32), y, bounds=(-0.1, 0.1), tol=1e-7)
        assert model.coef_.dtype == np.float32
        assert ((model.coef_ >= np.float32(-0.1)) & (model.coef_ <= np.float32(0.1))).all()
        assert (np.abs(model.coef_) == np.float32(0.1)).any()


# ---------------------------------------------------------------- streams, paths, searches


@pytest.mark.parametrize("storage", STORAGES)
def test_streams_keep_the_bounds(storage):
    X, y = make(n=200)
    model = GDRegressor(solver="sgd", positive=True, random_state=0)
    for start in range(0, 200, 50):
        model.partial_fit(STORAGES[storage](X[start : start + 50]), y[start : start + 50])
        assert (model.coef_ >= 0).all()
    again = pickle.loads(pickle.dumps(model)).partial_fit(X[:50], y[:50])
    np.testing.assert_array_equal(again.coef_, model.partial_fit(X[:50], y[:50]).coef_)


def test_warm_starts_are_moved_into_the_bounds():
    X, y = make(n=80)
    model = GDRegressor(**EXACT, warm_start=True).fit(X, y)
    assert (model.coef_ < 0).any()
    exact = fitted("squared_error", X, y, positive=True)
    model.set_params(positive=True).fit(X, y)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-6)
    start = GDRegressor(**EXACT, positive=True).fit(X, y, coef_init=np.full(5, -3.0))
    np.testing.assert_allclose(start.coef_, exact.coef_, atol=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_paths_within_bounds(loss, penalty):
    X, y = make(loss, n=80)
    bounds = (LOW.clip(None, 0), HIGH.clip(0, None))
    model = kind_of(loss)(loss, **EXACT, penalty=penalty, bounds=bounds)
    path = model.path(X, y, n_alphas=5, eps=0.01)
    for alpha, coef, objective in zip(path.alphas, path.coef, path.objective, strict=True):
        alone = fitted(loss, X, y, penalty=penalty, bounds=bounds, alpha=alpha)
        np.testing.assert_allclose(coef, alone.coef_.ravel(), atol=1e-5)
        assert objective == pytest.approx(alone.loss_, rel=1e-7)
    if penalty == "l1":
        assert path.n_nonzero[0] == 0
        assert path.n_nonzero[-1] > 0


def test_paths_of_correlated_features_equal_scikit_learn():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 200)) + 2 * rng.normal(size=(60, 1))
    y = X[:, :10] @ rng.normal(size=10) + rng.normal(size=60)
    path = GDRegressor(penalty="l1", positive=True).path(X, y, n_alphas=8, eps=0.01)
    for alpha, coef in zip(path.alphas, path.coef, strict=True):
        lasso = Lasso(alpha=alpha, positive=True, tol=1e-12, max_iter=10**6).fit(X, y)
        np.testing.assert_allclose(coef, lasso.coef_, atol=1e-5)


def test_a_path_of_least_squares_with_bounds_that_leave_out_zero():
    X, y = make(n=80)
    path = GDRegressor(bounds=(LOW, HIGH)).path(X, y, alphas=[0.0, 0.1])
    exact = lsq_linear(X - X.mean(axis=0), y - y.mean(), bounds=(LOW, HIGH), tol=1e-14).x
    np.testing.assert_allclose(path.coef[-1], exact, atol=1e-7)


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_searches_keep_the_bounds(solver):
    X, y = make("log_loss", n=80)
    params = {"solver": solver, "standardize": False, "average": False, "max_iter": 5, "positive": True}
    params |= {"random_state": 0, "alpha": 0.01}
    folds = [(np.arange(60), np.arange(60, 80))]
    search = GDClassifierCV(learning_rates=[0.05, 0.02], cv=folds, **params).fit(X, y)
    weight = (np.arange(80) < 60).astype(float)
    for k, rate in enumerate([0.05, 0.02]):
        alone = GDClassifier(**params, learning_rate=rate).fit(X, y, sample_weight=weight)
        assert search.cv_results_["mean_test_score"][k] == pytest.approx(alone.score(X[60:], y[60:]))
    assert (search.coef_ >= 0).all()


def test_searches_over_alphas_and_grids():
    X, y = make(n=100)
    alphas = [1.0, 0.1, 0.01]
    search = GDRegressorCV(learning_rates="auto", alphas=alphas, penalty="l1", positive=True, solver="batch")
    grid = GridSearchCV(Lasso(positive=True, tol=1e-10), {"alpha": alphas}, cv=5).fit(X, y)
    search.fit(X, y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], grid.cv_results_["mean_test_score"], atol=1e-7
    )
    grid = GridSearchCV(GDRegressor(**EXACT), {"bounds": [None, (0, None), (-0.1, 0.1)]}, cv=3).fit(X, y)
    assert grid.best_params_["bounds"] is None
    assert clone(search).get_params()["positive"] is True


# ---------------------------------------------------------------- what is not allowed, and warnings


def test_wrong_bounds_are_errors():
    X, y = make()
    for params, message in [
        ({"bounds": (1, 0)}, "at most the upper bound"),
        ({"bounds": (np.nan, 1)}, "at most the upper bound"),
        ({"bounds": (np.inf, np.inf)}, "below inf"),
        ({"bounds": (0, 1, 2)}, "must be a pair"),
        ({"bounds": 3}, "bounds"),
        ({"bounds": ("a", 1)}, "must hold numbers"),
        ({"bounds": ([0, 0], 1)}, "The lower bound has 2 elements, but X has 5 features"),
        ({"bounds": (None, np.ones((5, 2)))}, "shape"),
        ({"bounds": (0, None), "positive": True}, "give one of the two"),
        ({"positive": "yes"}, "positive"),
        ({"positive": True, "optimizer": "ftrl"}, "cannot keep weights within bounds"),
        ({"bounds": (0, 1), "optimizer": "schedule_free"}, "cannot keep weights within bounds"),
        ({"positive": True, "optimizer": "implicit", "solver": "sgd"}, "cannot keep weights within bounds"),
    ]:
        with pytest.raises(ValueError, match=message):
            GDRegressor(**params).fit(X, y)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "log_loss", "hinge", "huber"])
def test_default_fits_come_to_the_minimum(loss):
    X, y = make(loss, n=200)
    for change in (np.asarray, units):
        exact = fitted(loss, change(X), y, positive=True, tol=1e-9)
        for solver in ("batch", "minibatch"):
            model = kind_of(loss)(loss, solver=solver, positive=True, random_state=0).fit(change(X), y)
            assert model.loss_ <= 1.002 * exact.loss_


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_what_can_be_gained_within_bounds_is_known(loss):
    X, y = make(loss, n=200)
    model = kind_of(loss)(loss, alpha=0.01, bounds=(LOW, HIGH), **EXACT)
    problem = model._objective_of(X, y)
    start = problem.keep_bounds(problem.constant)
    exact = model.fit(X, y)
    whole = problem.value(start) - exact.loss_
    assert 0.2 * whole < remaining_gain(problem, start) <= whole + 1e-9
    end = problem.standardize(np.append(exact.coef_, exact.intercept_)[:, None])
    assert remaining_gain(problem, end) < 1e-6 * whole


# ---------------------------------------------------------------- for each output


LOWS = np.array([[-0.1, 0.0, -np.inf, 0.1, -np.inf], [-np.inf, -0.2, 0.0, -np.inf, -0.3]])
HIGHS = np.array([[0.1, np.inf, 0.2, 0.3, np.inf], [0.0, 0.2, 0.4, np.inf, 0.3]])
TIGHT = {"solver": "batch", "tol": 1e-14, "max_iter": 20_000, "n_iter_no_change": 20}


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("storage", STORAGES.values(), ids=STORAGES)
def test_outputs_have_bounds_of_their_own(storage, standardize):
    X, Y = make(n=200, outputs=2)
    X = X * [1, 5, 0.2, 1, 1] + 1
    model = GDRegressor(bounds=(LOWS, HIGHS), penalty=None, standardize=standardize, **TIGHT).fit(
        storage(X), Y
    )
    A = np.c_[X, np.ones(200)]
    for k in range(2):
        box = np.append(LOWS[k], -np.inf), np.append(HIGHS[k], np.inf)
        expected = lsq_linear(A, Y[:, k], box, tol=1e-14).x
        np.testing.assert_allclose(model.coef_[k], expected[:5], atol=1e-5)
    assert ((model.coef_ >= LOWS) & (model.coef_ <= HIGHS)).all()
    assert ((model.coef_ == LOWS) | (model.coef_ == HIGHS)).any()  # exactly


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_equal_bounds_of_outputs_are_those_of_features(penalty):
    X, Y = make(n=200, outputs=2)
    low, high = np.full(5, -0.1), np.array([0.1, 0.2, 0.3, 0.4, np.inf])
    shared = {"penalty": penalty, "alpha": [0.1, 0.05, 0.0, 0.2, 0.1], **TIGHT}
    features = GDRegressor(bounds=(low, high), **shared).fit(X, Y)
    outputs = GDRegressor(bounds=(-0.1, np.tile(high, (2, 1))), **shared).fit(X, Y)
    np.testing.assert_allclose(outputs.coef_, features.coef_, atol=1e-6)
    assert outputs.loss_ == pytest.approx(features.loss_, rel=1e-9)


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
def test_classes_have_bounds_of_their_own(solver):
    X, y = make("log_loss", n=200, outputs=3)
    low = np.full((3, 5), -0.2)
    low[1] = -np.inf
    model = GDClassifier(solver=solver, bounds=(low, None), random_state=0, max_iter=5, tol=None).fit(X, y)
    assert (model.coef_ >= low).all() and model.coef_[1].min() < -0.2
    again = pickle.loads(pickle.dumps(clone(model).fit(X, y)))
    np.testing.assert_array_equal(again.coef_, model.coef_)
    stream = clone(model).partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    assert (stream.coef_ >= low).all()


def test_bounds_of_outputs_in_float32_and_searches():
    X, Y = make(n=200, outputs=2, dtype=np.float32)
    model = GDRegressor(bounds=(LOWS, HIGHS), solver="batch").fit(X, Y)
    assert model.coef_.dtype == np.float32
    assert ((model.coef_ >= LOWS.astype(np.float32)) & (model.coef_ <= HIGHS.astype(np.float32))).all()
    search = GDRegressorCV(bounds=(LOWS, HIGHS), alphas=[1e-3, 1.0], learning_rates="auto", cv=3).fit(X, Y)
    assert ((search.coef_ >= LOWS - 1e-6) & (search.coef_ <= HIGHS + 1e-6)).all()
    grid = GridSearchCV(model, {"alpha": [1e-3, 1.0]}, cv=3).fit(X, Y)
    assert grid.best_params_["alpha"] == search.alpha_


def test_wrong_bounds_of_outputs_are_errors():
    X, Y = make(n=60, outputs=2)
    with pytest.raises(ValueError, match="3 outputs"):
        GDRegressor(bounds=(np.zeros((3, 5)), None)).fit(X, Y)
    with pytest.raises(ValueError, match=r"shape \(2, 4\), of outputs and features, but X has 5 features"):
        GDRegressor(bounds=(np.zeros((2, 4)), None)).fit(X, Y)
    with pytest.raises(ValueError, match='optimizer="plain"'):
        GDRegressor(bounds=(LOWS, HIGHS), optimizer="momentum").fit(X, Y)
    with pytest.raises(ValueError, match="elements"):
        GDRegressor(bounds=(LOWS, HIGHS[:, :4])).fit(X, Y)
    with pytest.raises(ValueError, match="shape"):
        GDRegressor(bounds=(np.zeros((2, 2, 2)), None)).fit(X, Y)
