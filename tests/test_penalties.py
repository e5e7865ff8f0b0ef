"""Groups of features, penalties without bias, and penalties of one's own."""

import pickle
from functools import cache
from itertools import product

import numpy as np
import pytest
from _data import covering, csr, make
from scipy.optimize import minimize_scalar
from sklearn.base import clone
from sklearn.linear_model import Lasso, LinearRegression, MultiTaskLasso
from sklearn.model_selection import GridSearchCV

from skgd import GDClassifier, GDMLPRegressor, GDRegressor, GDRegressorCV
from skgd.losses import LOSSES
from skgd.penalties import MCP, SCAD, GroupLasso, Penalty

STORAGES = {"dense": np.asarray, "csr": csr}
EXACT = {"solver": "batch", "tol": 1e-14, "max_iter": 20_000, "n_iter_no_change": 20}
GROUPS = [0, 0, 1, 1, 1, 2]


def kind_of(loss):
    return GDClassifier if LOSSES[loss].task == "classification" else GDRegressor


def fitted(loss, X, y, penalty, alpha, **params):
    return kind_of(loss)(loss, penalty=penalty, alpha=alpha, **{**EXACT, **params}).fit(X, y)


def grouped(n=100, loss="squared_error", outputs=1):
    """Rows of six features, of which the last alone has no influence."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 6)) * [1.0, 0.5, 1.5, 1.0, 1.0, 1.0]
    raw = X[:, :5] @ rng.normal(size=(5, outputs)) + 0.3 * rng.normal(size=(n, outputs))
    if loss == "log_loss":
        return X, (raw[:, 0] > 0).astype(int) if outputs == 1 else raw.argmax(axis=1)
    y = np.exp(raw / 4) if loss in ("poisson", "gamma") else raw
    return X, y if outputs > 1 else y[:, 0]


class Absolute(Penalty):
    """The l1 norm, in Python."""

    def value(self, weights):
        return np.abs(weights).sum()

    def prox(self, weights, step):
        return np.sign(weights) * np.maximum(np.abs(weights) - step, 0)


# ---------------------------------------------------------------- values and proximal steps


@pytest.mark.parametrize("step", [0.05, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("penalty", [MCP(), MCP(1.5), SCAD(), SCAD(2.2), Absolute()])
def test_proximal_steps_of_single_weights_are_minima(penalty, step):
    for w in np.linspace(-6, 6, 13):
        found = penalty.prox(np.array([[w]]), step)[0, 0]

        def cost(u, w=w):
            return (u - w) ** 2 / 2 + step * penalty.value(np.array([[u]]))

        # |u| is penalised the more the larger it is, so the minimum lies between zero and w
        least = (
            min(
                minimize_scalar(cost, bounds=(u, u + 0.25), method="bounded", options={"xatol": 1e-9}).fun
                for u in np.arange(min(0, w), max(0, w), 0.25)  # a parabola or two in each
            )
            if w
            else cost(0.0)
        )
        assert cost(found) <= min(least, cost(0.0)) + 1e-9


@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("columns", [1, 3])
def test_proximal_steps_of_groups_meet_the_conditions_of_a_minimum(l1_ratio, columns):
    rng = np.random.default_rng(0)
    penalty = GroupLasso([[0, 1], [2, 3, 4]], l1_ratio=l1_ratio)
    w = rng.normal(size=(6, columns))
    u = penalty.prox(w, 0.4)
    np.testing.assert_array_equal(u[5], w[5])  # in no group
    for _ in range(200):  # no other point is better
        other = u + 0.1 * rng.normal(size=u.shape) * rng.integers(0, 2, size=u.shape)
        at, there = (((p - w) ** 2).sum() / 2 + 0.4 * penalty.value(p) for p in (u, other))
        assert at <= there + 1e-12
    sizes = np.sqrt([2.0, 3.0])
    norms = [np.linalg.norm(w[:2]), np.linalg.norm(w[2:5])]
    expected = l1_ratio * np.abs(w[:5]).sum() + (1 - l1_ratio) * sizes @ norms
    assert penalty.value(w) == pytest.approx(expected, rel=1e-13)


def test_values_of_penalties_without_bias():
    w = np.array([[0.5], [-1.5], [10.0]])
    assert MCP(3.0).value(w) == pytest.approx((0.5 - 0.25 / 6) + (1.5 - 2.25 / 6) + 1.5)
    assert SCAD(3.0).value(w) == pytest.approx(0.5 + (9 - 2.25 - 1) / 4 + 2.0)


# ---------------------------------------------------------------- group lasso


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "log_loss", "huber"])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4])
def test_groups_meet_the_conditions_of_a_minimum(loss, storage, standardize, l1_ratio):
    X, y = grouped(loss=loss)
    alpha, penalty = 0.08, GroupLasso(GROUPS, l1_ratio=l1_ratio)
    model = fitted(loss, STORAGES[storage](X), y, penalty, alpha, standardize=standardize)
    w = model.coef_.ravel()
    raw = (X @ w + model.intercept_)[:, None]
    values, slopes = LOSSES[loss]().value_and_slope(y.astype(float), raw)
    gradient = X.T @ slopes[:, 0] / len(X)
    assert model.loss_ == pytest.approx(values.mean() + alpha * penalty.value(w[:, None]), rel=1e-10)
    groups = np.array(GROUPS)
    for group in range(3):
        inside = groups == group
        strength = alpha * (1 - l1_ratio) * np.sqrt(inside.sum())
        left = gradient[inside] + l1_ratio * alpha * np.sign(w[inside])
        if w[inside].any():
            kept = w[inside] != 0
            slope = left + strength * w[inside] / np.linalg.norm(w[inside])
            np.testing.assert_allclose(slope[kept], 0, atol=1e-6)
        else:
            rest = np.maximum(np.abs(gradient[inside]) - l1_ratio * alpha, 0)
            assert np.linalg.norm(rest) <= strength + 1e-8
    assert w[5] == 0
    assert (w != 0).any()


def test_groups_of_one_feature_are_the_lasso_and_the_multi_task_lasso():
    X, y = grouped()
    one = fitted("squared_error", X, y, GroupLasso(np.arange(6)), 0.1)
    np.testing.assert_allclose(one.coef_, Lasso(alpha=0.1, tol=1e-12).fit(X, y).coef_, atol=1e-6)
    l1 = fitted("squared_error", X, y, GroupLasso(GROUPS, l1_ratio=1.0), 0.1)
    np.testing.assert_allclose(l1.coef_, one.coef_, atol=1e-6)
    X, Y = grouped(outputs=3)
    for alpha in (0.05, 0.5):
        several = fitted("squared_error", X, Y, GroupLasso(np.arange(6)), alpha)
        other = MultiTaskLasso(alpha=alpha, tol=1e-12, max_iter=100_000).fit(X, Y)
        np.testing.assert_allclose(several.coef_, other.coef_, atol=1e-5)
        np.testing.assert_array_equal(several.coef_ == 0, other.coef_ == 0)


def test_labels_lists_and_weights_of_groups():
    X, y = grouped()
    labels = fitted("squared_error", X, y, GroupLasso(["a", "a", "b", "b", "b", "c"]), 0.1)
    lists = fitted("squared_error", X, y, GroupLasso([[0, 1], np.array([2, 3, 4]), (5,)]), 0.1)
    np.testing.assert_array_equal(labels.coef_, lists.coef_)
    weighted = fitted("squared_error", X, y, GroupLasso(GROUPS, weights=np.sqrt([2, 3, 1])), 0.1)
    np.testing.assert_allclose(weighted.coef_, labels.coef_, atol=1e-12)
    free = fitted("squared_error", X, y, GroupLasso([[5], [0, 1]]), 100.0)
    assert free.coef_[[0, 1, 5]].tolist() == [0, 0, 0]
    np.testing.assert_allclose(free.coef_[2:5], LinearRegression().fit(X[:, 2:5], y).coef_, atol=1e-5)


def test_skglm_agrees():
    skglm = pytest.importorskip("skglm")
    X, y = grouped()
    for alpha in (0.02, 0.3):
        model = fitted("squared_error", X, y, GroupLasso(GROUPS), alpha)
        other = skglm.GroupLasso(
            groups=[[0, 1], [2, 3, 4], [5]], alpha=alpha, weights=np.sqrt([2.0, 3.0, 1.0]), tol=1e-12
        ).fit(X, y)
        np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-5)
    concave = skglm.MCPRegression(alpha=0.2, gamma=3.0, tol=1e-12).fit(X, y)
    model = fitted("squared_error", X, y, MCP(3.0), 0.2)
    np.testing.assert_allclose(model.coef_, concave.coef_, atol=1e-5)


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
@pytest.mark.parametrize("storage", STORAGES)
def test_groups_under_stochastic_updates(solver, storage):
    X, y = grouped(200)
    exact = fitted("squared_error", X, y, GroupLasso(GROUPS), 0.3)
    model = GDRegressor(penalty=GroupLasso(GROUPS), alpha=0.3, solver=solver, random_state=0)
    model.fit(STORAGES[storage](X), y)
    assert model.loss_ <= 1.01 * exact.loss_


def test_classes_share_their_groups():
    X, y = grouped(150, "log_loss", outputs=3)
    model = fitted("log_loss", X, y, GroupLasso(GROUPS), 0.1)
    assert (model.coef_[:, 5] == 0).all()
    zero = (model.coef_ == 0).all(axis=0)
    assert zero[0] == zero[1] and zero[2] == zero[3] == zero[4]


# ---------------------------------------------------------------- without bias


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("penalty", [MCP(), SCAD()])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_fits_without_bias_are_stationary(loss, penalty, standardize):
    X, y = grouped(300, loss)
    alpha = 0.05
    model = fitted(loss, X, y, penalty, alpha, standardize=standardize)
    w = model.coef_.ravel()
    slopes = LOSSES[loss]().value_and_slope(y.astype(float), (X @ w + model.intercept_)[:, None])[1]
    gradient = X.T @ slopes[:, 0] / len(X)
    h = 1e-6
    for j in range(6):
        if w[j] == 0:
            assert abs(gradient[j]) <= alpha + 1e-8
            continue
        above, below = (penalty._value(np.array([[w[j] + side]]), alpha) for side in (h, -h))
        assert gradient[j] + (above - below) / (2 * h) == pytest.approx(0, abs=1e-5)
    assert w[5] == 0


@pytest.mark.parametrize("penalty", [MCP(), SCAD()])
def test_a_penalty_of_any_strength_leaves_no_weights(penalty):
    X, y = make(n=40, d=3)
    settings = {"alpha": 1e300, "standardize": False, "fit_intercept": False, "max_iter": 3}
    model = GDRegressor(penalty=penalty, average=True, **settings).fit(X, y)
    np.testing.assert_array_equal(model.coef_, 0)


@pytest.mark.parametrize("penalty", [MCP(3.0), SCAD(3.7)])
def test_large_weights_are_those_of_least_squares(penalty):
    X = np.random.default_rng(0).normal(size=(300, 30))
    y = X[:, :3] @ [3.0, -2.0, 2.0] + np.random.default_rng(1).normal(size=300)
    model = fitted("squared_error", X, y, penalty, 0.25)
    assert model.coef_.nonzero()[0].tolist() == [0, 1, 2]
    np.testing.assert_allclose(model.coef_[:3], LinearRegression().fit(X[:, :3], y).coef_, atol=1e-5)
    by_feature = fitted("squared_error", X, y, penalty, np.full(30, 0.25))
    np.testing.assert_allclose(by_feature.coef_, model.coef_, atol=1e-9)


def test_a_penalty_that_hardly_bends_is_l1():
    X, y = grouped()
    l1 = fitted("squared_error", X, y, "l1", 0.1)
    for penalty in (MCP(1e7), SCAD(1e7)):
        np.testing.assert_allclose(fitted("squared_error", X, y, penalty, 0.1).coef_, l1.coef_, atol=1e-5)


# ---------------------------------------------------------------- of one's own


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "absolute_error"])
def test_a_penalty_in_python_is_the_one_of_the_core(loss, storage, standardize):
    X, y = make(loss, n=60)
    params = {"learning_rate": 0.1, "max_iter": 30, "tol": None, "standardize": standardize}
    own = fitted(loss, STORAGES[storage](X), y, Absolute(), 0.05, **params)
    core = fitted(loss, STORAGES[storage](X), y, "l1", 0.05, **params)
    np.testing.assert_allclose(own.coef_, core.coef_, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(own.loss_curve_, core.loss_curve_, rtol=1e-10)
    assert not np.signbit(own.coef_[own.coef_ == 0]).any()


def test_automatic_rates_and_barzilai_borwein():
    X, y = make(n=80)
    core = fitted("squared_error", X, y, "l1", 0.05)
    for optimizer in ("plain", "barzilai_borwein"):
        own = fitted("squared_error", X, y, Absolute(), 0.05, optimizer=optimizer)
        np.testing.assert_allclose(own.coef_, core.coef_, atol=1e-6)


def test_a_penalty_of_all_weights_together_standardises_features_alike():
    class Length(Penalty):
        separable = False

        def value(self, weights):
            return np.linalg.norm(weights)

        def prox(self, weights, step):
            assert np.ndim(step) == 0
            length = np.linalg.norm(weights)
            return weights * max(0.0, 1 - step / length) if length else weights

    X, y = grouped()
    own = fitted("squared_error", X, y, Length(), 0.3, standardize=True)
    other = fitted("squared_error", X, y, GroupLasso(np.zeros(6), weights=[1.0]), 0.3)
    np.testing.assert_allclose(own.coef_, other.coef_, atol=1e-6)


def test_float32_classes_pickles_and_streams():
    X, y = grouped()
    model = GDRegressor(penalty=MCP(), alpha=0.1, solver="batch").fit(X.astype(np.float32), y)
    assert model.coef_.dtype == np.float32
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    stream = GDRegressor(
        penalty=GroupLasso(GROUPS), alpha=0.1, solver="sgd", learning_rate=0.02, shuffle=False
    )
    whole, parts = clone(stream).partial_fit(X, y), clone(stream)
    for start in range(0, 100, 25):
        parts.partial_fit(X[start : start + 25], y[start : start + 25])
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-10)


# ---------------------------------------------------------------- paths and searches


@pytest.mark.parametrize("penalty", [GroupLasso(GROUPS), GroupLasso(GROUPS, l1_ratio=0.5), Absolute(), MCP()])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_paths_begin_where_all_weights_are_zero(loss, penalty):
    X, y = grouped(loss=loss)
    # large weights are free of MCP, and separable classes then have no minimum
    ends = {"max_iter": 1000} if isinstance(penalty, MCP) else {}
    path = kind_of(loss)(loss, penalty=penalty, **{**EXACT, **ends}).path(X, y, n_alphas=5, eps=0.05)
    assert path.n_nonzero[0] == 0
    assert path.n_nonzero[1] > 0
    assert path.n_nonzero[-1] >= 3
    if not isinstance(penalty, MCP):
        alone = fitted(loss, X, y, penalty, path.alphas[2])
        np.testing.assert_allclose(path.coef[2], alone.coef_.ravel(), atol=1e-5)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "log_loss"])
def test_paths_of_single_precision_begin_there_too(loss):
    """Gradients of float32 are known to a few roundings, which left weights of 1e-7."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(300, 6)).astype(np.float32)
        y = X @ [1, -2, 0, 0, 0.5, 0] + rng.normal(size=300)
        y = (y > 0).astype(int) if loss == "log_loss" else y
        model = kind_of(loss)(loss, penalty=GroupLasso(GROUPS))
        path = model.path(X, y, alphas=3, sample_weight=rng.uniform(0.5, 2, 300))
        assert path.n_nonzero[0] == 0 and path.n_nonzero[-1] > 0


def test_searches_and_grids():
    X, y = grouped()
    search = GDRegressorCV(
        learning_rates="auto", alphas=[1.0, 0.01], penalty=GroupLasso(GROUPS), solver="batch", cv=3
    ).fit(X, y)
    assert search.alpha_ == 0.01
    given = GDRegressorCV(learning_rates=[0.1], alphas=[0.1], penalty=MCP(), solver="batch", cv=3).fit(X, y)
    assert np.isfinite(given.best_score_)
    grid = GridSearchCV(
        GDRegressor(penalty=MCP(), alpha=0.1, solver="batch"), {"penalty__gamma": [1.5, 3.0]}, cv=3
    ).fit(X, y)
    assert grid.best_estimator_.penalty.gamma in (1.5, 3.0)


# ---------------------------------------------------------------- what is not allowed


def test_wrong_penalties_are_errors():
    X, y = grouped()
    for penalty, message in [
        (GroupLasso([0, 1]), "a label for each of the 6 features"),
        (GroupLasso([[0, 1], [1, 2]]), "in one group of GroupLasso only"),
        (GroupLasso([[0, 7]]), "numbers from 0 to 5"),
        (GroupLasso([[0.5, 1]]), "must hold numbers of features"),
        (GroupLasso(GROUPS, weights=[1, 2]), "3 numbers that are not negative"),
        (GroupLasso(GROUPS, weights=[1, 2, -1]), "3 numbers that are not negative"),
        (GroupLasso(GROUPS, l1_ratio=2), "l1_ratio=2 of GroupLasso"),
        (MCP(0), "gamma=0 of MCP"),
        (SCAD(1), "gamma=1 of SCAD"),
        (MCP("a"), "gamma='a' of MCP"),
        (Penalty(), "Penalty must define"),
    ]:
        with pytest.raises((ValueError, NotImplementedError), match=message):
            GDRegressor(penalty=penalty, solver="batch").fit(X, y)
    for params, message in [
        ({"optimizer": "adam"}, 'needs optimizer="plain"'),
        ({"positive": True}, "cannot be combined with bounds"),
        ({"alpha": np.ones(6)}, "needs one number as alpha"),
    ]:
        with pytest.raises(ValueError, match=message):
            GDRegressor(penalty=GroupLasso(GROUPS), **params).fit(X, y)
    with pytest.raises(ValueError, match="penalty"):
        GDMLPRegressor(penalty=MCP()).fit(X, y)


@pytest.mark.parametrize("solver", ["batch", "sgd"])
def test_what_a_penalty_raises_comes_out_of_fit(solver):
    class Wrong(Absolute):
        def __init__(self, kind="raises"):
            self.kind = kind

        def prox(self, weights, step):
            if self.kind == "raises":
                raise ZeroDivisionError("of my own")
            return {"shape": weights[1:], "nan": np.full_like(weights, np.nan)}[self.kind]

    X, y = grouped()
    with pytest.raises(ZeroDivisionError, match="of my own"):
        GDRegressor(penalty=Wrong(), solver=solver).fit(X, y)
    with pytest.raises(ValueError, match=r"Wrong.prox must return an array of shape \(6, 1\)"):
        GDRegressor(penalty=Wrong("shape"), solver=solver).fit(X, y)
    with pytest.raises(ValueError, match=r"Wrong\.prox returned nan"):
        GDRegressor(penalty=Wrong("nan"), solver=solver).fit(X, y)


PAIRS = [[0, 1], [2, 3], [4, 5], [6, 7]]
KINKED = {
    "group": {"penalty": GroupLasso(PAIRS), "alpha": 0.09},
    "sparse group": {"penalty": GroupLasso(PAIRS, l1_ratio=0.5), "alpha": 0.08},
    "positive": {"positive": True, "alpha": 0.02},
    "bounds": {"bounds": (-0.2, 0.3), "alpha": 0.02},
    "positive l1": {"positive": True, "penalty": "l1", "alpha": 0.02},
}


@cache
def by_batch_descent(name, standardize):
    """Rows, the model at the minimum, and the sizes of the slopes of the objective there."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 8)) * np.geomspace(1, 3, 8)
    raw = X @ (np.array([2, -1.5, 0, 0, 1, 0, 0, -0.5]) / np.geomspace(1, 3, 8))
    y = (raw + rng.logistic(size=400) > 0).astype(int)
    options = {**KINKED[name], "standardize": standardize, "random_state": 0}
    exact = GDClassifier(solver="batch", tol=1e-10, max_iter=5000, **options).fit(X, y)
    return X, y, exact, np.abs(exact.objective(X, y)[1][0])


@pytest.mark.parametrize(
    ("fit", "dtype", "storage"),
    covering(
        list(product(KINKED, ["minibatch", "sgd"], [False, True])),
        [np.float64, np.float32],
        [np.asarray, csr],
    ),
)
def test_stochastic_fits_end_at_kinks_and_bounds(fit, dtype, storage):
    """The weights that batch descent finds to be zero, or at a bound, are exactly there by every solver."""
    name, solver, standardize = fit
    X, y, exact, slopes = by_batch_descent(name, standardize)
    options = {**KINKED[name], "standardize": standardize, "random_state": 0}
    model = GDClassifier(solver=solver, **options).fit(storage(X.astype(dtype)), y)
    assert model.loss_ < exact.loss_ * 1.01
    for value in [-0.2, 0.3] if name == "bounds" else [0.0]:
        expected = exact.coef_ == value
        if name in ("positive", "bounds"):  # without those that hardly any slope holds
            expected &= slopes > 0.01
        assert expected.any()
        assert (model.coef_[expected] == dtype(value)).all()
        free = np.abs(exact.coef_ - value) > 0.02
        assert (model.coef_[free] != dtype(value)).all()


def test_a_strength_that_is_no_number_is_named():
    X, y = make(n=20, d=3)
    with pytest.raises(ValueError, match="alpha must be a number"):
        GDRegressor(penalty=MCP(), alpha={}).fit(X, y)
