"""Features in any units: the coordinates of a descent, when they change, and what is told of a bad fit."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor, GDRegressorCV
from skgd._coordinates import asks_for_units, standard_of
from skgd._descent import Descent
from skgd._design import design_of
from skgd._moments import Moments
from skgd._remaining_gain import remaining_gain
from skgd.learning_rate import find_learning_rate

SOLVERS = ["batch", "minibatch", "sgd"]


def units(d, seed=0):
    """Units and offsets over eight and six orders of magnitude."""
    rng = np.random.default_rng(seed)
    return 10 ** rng.uniform(-4, 4, d), 10 ** rng.uniform(-3, 3, d) * rng.choice([-1, 1], d)


def table(seed=0, n=600, d=8, noise=1.0):
    """Correlated features in such units, and y."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) @ (np.eye(d) + 0.3 * rng.standard_normal((d, d)))
    y = X @ rng.standard_normal(d) + noise * rng.standard_normal(n)
    unit, offset = units(d, seed)
    return X * unit + offset, y


def told(model, X, y, **params):
    """The fitted model and its ConvergenceWarnings."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model.fit(X, y, **params)
    return model, [str(each.message) for each in found if each.category is ConvergenceWarning]


def ridge(X, y, alpha):
    """The optimum of mean (x'w + b - y)^2 / 2 + alpha |w|^2 / 2, solved in coordinates of equal curvature."""
    scale = np.sqrt(X.var(axis=0) + alpha)
    Z, centred = (X - X.mean(axis=0)) / scale, y - y.mean()
    w = np.linalg.solve(Z.T @ Z / len(y) + np.diag(alpha / scale**2), Z.T @ centred / len(y)) / scale
    residual = X @ w + (y.mean() - X.mean(axis=0) @ w) - y
    return w, np.mean(residual**2) / 2 + alpha / 2 * np.sum(w**2)


# ---------------------------------------------------------------- the optimum, whatever the units


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("seed", range(4))
def test_defaults_reach_the_optimum_of_raw_columns(seed, solver):
    X, y = table(seed)
    model, texts = told(GDRegressor(solver=solver, random_state=0), X, y)
    _, lowest = ridge(X, y, 1e-4)
    assert not texts
    assert model.loss_ - lowest < 0.001 * (np.var(y) / 2 - lowest)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [1e-6, 1e-2, 1.0])
def test_a_penalty_on_weights_of_small_units_holds_nothing_up(alpha, solver):
    """l2 over the square of a small unit is a large curvature: where coordinates are scaled by the deviation
    alone, it keeps the rate low (.27 of the way left after 1000 epochs of mini-batches)."""
    X, y = table(0)
    model, texts = told(GDRegressor(solver=solver, alpha=alpha, random_state=0), X, y)
    _, lowest = ridge(X, y, alpha)
    assert not texts
    assert model.loss_ - lowest < 0.002 * (np.var(y) / 2 - lowest)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_classifiers_reach_the_optimum_of_raw_columns(load, solver):
    X, y = load(return_X_y=True)
    model, texts = told(GDClassifier(solver=solver, random_state=0), X, y)
    assert not texts
    assert remaining_gain_of(model, X, y) < 0.01
    scaled = StandardScaler().fit_transform(X)
    assert model.score(X, y) > LogisticRegression().fit(scaled, y).score(scaled, y) - 0.03


def remaining_gain_of(model, X, y):
    """The gain that a step of Newton's method promises at the fitted parameters."""
    problem = type(model)(**model.get_params())._objective_of(X, y, None)
    theta = Descent(**model._descent).parameters.copy()
    return remaining_gain(problem, problem.standardize(theta), np.inf)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_the_l1_optimum_does_not_depend_on_the_coordinates(penalty):
    """Subgradient conditions at the fitted weights, in units of the deviations."""
    X, y = table(1, d=6)
    params = {"penalty": penalty, "alpha": 0.05, "l1_ratio": 0.5}
    model = GDRegressor(solver="batch", tol=1e-12, n_iter_no_change=30, max_iter=20_000, **params).fit(X, y)
    share = 1.0 if penalty == "l1" else 0.5
    l1, l2 = 0.05 * share, 0.05 * (1 - share)
    gradient = X.T @ (model.predict(X) - y) / len(y) + l2 * model.coef_
    violated = np.where(
        model.coef_ != 0, np.abs(gradient + l1 * np.sign(model.coef_)), np.maximum(np.abs(gradient) - l1, 0)
    )
    assert np.all(violated / np.sqrt(X.var(axis=0) + l2) < 1e-4 * y.std())


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_offset_of_y_changes_nothing(solver):
    X, y = load_diabetes(return_X_y=True)
    model = GDRegressor(solver=solver, random_state=0)
    score = model.fit(X, y).score(X, y)
    for moved in (y + 1e6, y * 1e6, y * 1e-6):
        assert model.fit(X, moved).score(X, moved) == pytest.approx(score, abs=1e-5)
    assert score > Ridge(alpha=1e-4 * len(y)).fit(X, y).score(X, y) - 0.002


@pytest.mark.parametrize("intercept", [True, False])
def test_every_feature_is_as_curved_as_the_loss(intercept):
    """(c s^2 + l2) / t^2 = c, with deviations from zero where there is no intercept."""
    X, _ = table(2)
    c, l2 = 0.25, 0.03
    standard = standard_of(design_of(X).moments(), intercept, l2 / c)
    squares = X.var(axis=0) if intercept else (X**2).mean(axis=0)
    np.testing.assert_allclose((c * squares + l2) / standard.scale**2, c, rtol=1e-10)
    np.testing.assert_allclose(standard.center, X.mean(axis=0) * intercept, rtol=1e-7)


# ---------------------------------------------------------------- moments


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_moments_of_parts_are_those_of_all(storage):
    rng = np.random.default_rng(0)
    X = np.where(rng.random((500, 6)) < 0.4, rng.normal(3, 2, (500, 6)), 0.0)
    weight = rng.integers(0, 3, 500).astype(float)
    parts = [slice(0, 7), slice(7, 8), slice(8, 300), slice(300, 500)]
    found = Moments.none(6)
    for part in parts:
        found = found + design_of(storage(X[part])).moments(weight[part])
    repeated = np.repeat(X, weight.astype(int), axis=0)
    np.testing.assert_allclose(found.mean, repeated.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.deviations(found.mean), repeated.std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.sizes() ** 2, (repeated**2).sum(0) / (repeated != 0).sum(0), rtol=1e-12)
    assert found.rows == np.count_nonzero(weight)


def test_moments_keep_small_deviations_beside_large_means():
    x = 1e8 + np.random.default_rng(0).normal(size=(40_000, 1))
    found = design_of(x).moments()
    assert found.deviations(found.mean)[0] == pytest.approx((x - 1e8).std(), rel=1e-7)


# ---------------------------------------------------------------- when "auto" standardises

GAUSSIAN = np.random.default_rng(0).standard_normal((400, 4))
CASES = {
    "standardised": (GAUSSIAN, False),
    "near zero": (GAUSSIAN + 1, False),
    "one-hot": (np.eye(4)[np.arange(400) % 4], False),
    "a rare category": (np.c_[GAUSSIAN, np.arange(400) == 7], False),
    "counts of words": (np.where(GAUSSIAN > 1, 1.0, 0.0), False),
    "constant columns": (np.c_[GAUSSIAN, np.full(400, 1e6), np.zeros(400)], False),
    "a unit": (GAUSSIAN * [1, 1, 1, 30], True),
    "a small unit": (GAUSSIAN * [1, 1, 1, 0.03], True),
    "one unit for all": (GAUSSIAN * 1000, True),
    "far from zero": (GAUSSIAN + np.array([0, 0, 0, 5]), True),
}


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize(("X", "expected"), CASES.values(), ids=CASES)
def test_auto_asks_the_features(X, expected, storage):
    """The same of dense and sparse rows, of weights and repeated rows, and of rows in any order."""
    weight = np.arange(len(X)) % 3
    for rows, weights in ((X, None), (X[::-1], None), (X, weight), (np.repeat(X, weight, axis=0), None)):
        assert asks_for_units(design_of(storage(rows)).sampled_moments(weights), True) is expected


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_pixels_that_are_small_and_rare_keep_the_units_of_a_perceptron(storage):
    """Of 64 features and more, those with at most a fiftieth of the non-zeros may be small."""
    rng = np.random.default_rng(0)
    X = rng.uniform(0.3, 1, (400, 80)) * (rng.random((400, 80)) < 0.2)
    X[:, 0] = 0.01 * (rng.random(400) < 0.1)
    y = np.digitize(X[:, 1], [0.1])

    def same(kind, X, other, **params):
        params |= {"encoding": None} if kind is GDMLPClassifier else {}
        fits = (kind(standardize=how, max_iter=2, random_state=0, **params) for how in ("auto", other))
        first, second = (model.fit(storage(X), y).predict_proba(storage(X)) for model in fits)
        return np.array_equal(first, second)

    assert same(GDMLPClassifier, X, False) and not same(GDMLPClassifier, X, True)
    assert same(GDClassifier, X, True)
    many = X.copy()
    many[:, 1:12] *= 0.1  # more than a fiftieth
    large = X.copy()
    large[:, 0] *= 1000
    for other in (X[:, :60], many, large):
        assert same(GDMLPClassifier, other, True)


def test_rows_of_weight_zero_are_not_asked():
    X = np.r_[GAUSSIAN, 1e6 * GAUSSIAN]
    weight = np.r_[np.ones(400), np.zeros(400)]
    assert not asks_for_units(design_of(X).sampled_moments(weight), True)
    assert asks_for_units(design_of(X).sampled_moments(), True)


def test_without_an_intercept_only_sizes_beside_each_other_count():
    assert not asks_for_units(design_of(GAUSSIAN * 1000 + 5000).sampled_moments(), False)
    assert asks_for_units(design_of(GAUSSIAN * [1, 1, 1, 30]).sampled_moments(), False)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("X", [GAUSSIAN, GAUSSIAN * [1, 10, 100, 1e-3]], ids=["standardised", "raw"])
def test_auto_is_one_of_the_two_exactly(X, solver):
    y = GAUSSIAN @ [1.0, 2.0, 3.0, 4.0]
    asked = X is not GAUSSIAN
    auto, chosen = (
        GDRegressor(solver=solver, standardize=choice, random_state=0).fit(X, y) for choice in ("auto", asked)
    )
    np.testing.assert_array_equal(auto.coef_, chosen.coef_)
    np.testing.assert_array_equal(auto.loss_curve_, chosen.loss_curve_)


def test_a_given_rate_is_one_for_the_features_as_they_are():
    X, y = GAUSSIAN * [1, 2, 5, 4], GAUSSIAN.sum(axis=1)
    params = {"solver": "batch", "learning_rate": 0.01, "max_iter": 20, "tol": None}
    auto, bare = (GDRegressor(standardize=s, **params).fit(X, y) for s in ("auto", False))
    np.testing.assert_array_equal(auto.coef_, bare.coef_)
    found = find_learning_rate(GDRegressor(solver="batch"), X, y)
    assert found.stable_limit_ == pytest.approx(
        2
        / np.linalg.eigvalsh(np.c_[X, np.ones(400)].T @ np.c_[X, np.ones(400)] / 400 + np.diag([1e-4] * 5))[
            -1
        ],
        rel=1e-3,
    )


@pytest.mark.parametrize(
    "estimator",
    [GDRegressor(random_state=0), GDMLPRegressor(max_iter=20, encoding=None, random_state=0)],
)
def test_dense_and_sparse_rows_are_standardised_alike(estimator):
    X = np.where(np.random.default_rng(1).random((300, 4)) < 0.5, GAUSSIAN[:300], 0.0) * [1, 50, 1, 1e-2]
    y = X @ [1.0, 0.1, -1.0, 50.0]
    dense, thin = (
        told(estimator, storage(X), y)[0].predict(X) for storage in (np.asarray, sparse.csr_matrix)
    )
    np.testing.assert_allclose(thin, dense, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", ["plain", "momentum", "nesterov", "adam", "adagrad", "rmsprop"])
def test_every_rule_learns_from_raw_columns(optimizer, dtype):
    X, y = table(4)
    X, y = X.astype(dtype), y.astype(dtype)
    model, texts = told(GDRegressor(optimizer=optimizer, random_state=0), X, y)
    scaled = StandardScaler().fit_transform(X.astype(float))
    best = Ridge(alpha=1e-9).fit(scaled, y).score(scaled, y)
    assert texts or model.score(X, y) > best - 0.03  # the penalty is that of raw columns


def test_a_search_standardises_all_candidates_or_none():
    X, y = table(5, n=200)
    found = GDRegressorCV(learning_rates=3, alphas=[1e-6, 1e-3], max_iter=50, random_state=0).fit(X, y)
    assert found.best_estimator_.standardize is True
    assert found.best_score_ > 0.5
    plain = GDRegressorCV(learning_rates=3, max_iter=20, random_state=0).fit(GAUSSIAN, GAUSSIAN.sum(axis=1))
    assert plain.best_estimator_.standardize is False


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("rows", [1, 10, 100])
def test_a_stream_standardises_once_it_has_seen_enough(rows):
    X, y = table(6, n=2000)
    model = GDRegressor(random_state=0, alpha=0)
    for start in range(0, 2000, rows):
        model.partial_fit(X[start : start + rows], y[start : start + rows])
        known = start + rows >= 32
        assert model._units["standardize"] is (True if known else None)
    assert model.score(X, y) > ridge_score(X, y) - 0.02


def ridge_score(X, y):
    scaled = StandardScaler().fit_transform(X)
    return Ridge(alpha=1e-9).fit(scaled, y).score(scaled, y)


def test_a_stream_of_standardised_rows_is_left_alone():
    y = GAUSSIAN.sum(axis=1)
    auto, bare = GDRegressor(random_state=0), GDRegressor(standardize=False, random_state=0)
    for start in range(0, 400, 50):
        part = slice(start, start + 50)
        auto.partial_fit(GAUSSIAN[part], y[part])
        bare.partial_fit(GAUSSIAN[part], y[part])
    assert auto._units["standardize"] is False
    np.testing.assert_array_equal(auto.coef_, bare.coef_)


def test_partial_fit_after_fit_keeps_the_coordinates():
    """A single further row has no deviation of its own."""
    X, y = table(7)
    model = GDRegressor(random_state=0).fit(X, y)
    before = model.score(X, y)
    for i in range(20):
        model.partial_fit(X[i : i + 1], y[i : i + 1])
    assert model._units["moments"]["rows"] == 620
    assert model.score(X, y) > before - 0.02


# ---------------------------------------------------------------- what is told


@pytest.mark.parametrize("loss", ["squared_error", "huber", "log_loss", "squared_hinge"])
def test_the_gain_of_a_step_is_below_the_distance_to_the_optimum(loss):
    estimator = GDClassifier if "log" in loss or "hinge" in loss else GDRegressor
    y = GAUSSIAN @ [1.0, 2.0, -1.0, 0.0] + np.random.default_rng(1).normal(size=400)
    y = y if estimator is GDRegressor else (y > 0).astype(int)
    problem = estimator(loss, solver="batch")._objective_of(GAUSSIAN, y, None)
    best = estimator(loss, solver="batch", tol=1e-14, n_iter_no_change=50, max_iter=5000).fit(GAUSSIAN, y)
    for share in (0.0, 0.5, 0.9):
        theta = problem.zeros()
        theta[:-1, 0], theta[-1] = share * best.coef_.ravel(), best.intercept_
        left = problem.value(theta) - best.loss_
        gain = remaining_gain(problem, theta)
        assert 0.1 * left < gain <= left * (1 + 1e-6)


def test_a_worse_fit_is_not_told_less_than_a_better_one():
    """As the tolerance falls the objective falls, and a warning that ended does not come back."""
    X, y = table(8)
    y = y * 5 + 3
    _, lowest = ridge(X, y, 1e-4)
    ends = []
    for tol in (1e-2, 1e-3, 1e-4):
        params = {"solver": "batch", "standardize": False, "tol": tol, "max_iter": 10**5}
        model, texts = told(GDRegressor(**params), X, y)
        ends.append(((model.loss_ - lowest) / (np.var(y) / 2), bool(texts)))
    assert all(warned for gap, warned in ends if gap > max(0.002, 0.1))
    assert ends[0][1]


def test_the_warning_says_what_to_do():
    X, y = GAUSSIAN * [1, 1, 1, 1e4], 100 * GAUSSIAN.sum(axis=1)
    _, (text,) = told(GDRegressor(solver="batch", standardize=False), X, y)
    for words in ("column 3", "standardize=True", "StandardScaler", "badly scaled"):
        assert words in text
    _, (text,) = told(GDRegressor(solver="batch", standardize=False), GAUSSIAN + np.array([0, 1e4, 0, 0]), y)
    assert "column 1" in text and "far from zero" in text


@pytest.mark.parametrize("value", [0.1, 1e6, 0.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_y_is_no_reason_to_warn(value, dtype):
    y = np.full(400, value, dtype)
    for solver in SOLVERS:
        model, texts = told(GDRegressor(solver=solver, random_state=0), GAUSSIAN.astype(dtype), y)
        assert not texts
        np.testing.assert_allclose(model.predict(GAUSSIAN.astype(dtype)), y, rtol=1e-6)
