"""What learning_rate="auto" promises: near the best tuned rate at once, and never a divergence."""

from types import SimpleNamespace

import _reference as reference
import numpy as np
import pytest
from _data import csr, pairs
from scipy import sparse
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine, make_blobs
from sklearn.linear_model import LogisticRegression, QuantileRegressor, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skgd import GDClassifier, GDMLPClassifier, GDRegressor
from skgd._rate_choice import _MOST_PENALTY, _affordable
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def awkward(rng, n, d):
    """Heavy tails, columns from 1e-3 to 1e3, a duplicate, a constant."""
    X = rng.standard_t(2, (n, d)) * 10 ** rng.uniform(-3, 3, d)
    X[:, 0], X[:, 1] = X[:, 2], 10 ** rng.uniform(-3, 3)
    return X


def start_and_end(model, loss, X, y, weight):
    """F at zero and at the fitted parameters, from the loss itself."""

    def objective(scale):
        raw = X @ np.atleast_2d(model.coef_).T.astype(float) + np.atleast_1d(model.intercept_)
        values, _ = loss.value_and_slope(y, scale * raw)
        return np.average(values, weights=weight) + model.alpha / 2 * np.sum((scale * model.coef_) ** 2)

    return objective(0.0), objective(1.0)


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
@pytest.mark.parametrize("name", [name for name in LOSSES if name != "perceptron"])
def test_no_random_problem_diverges(name, solver):
    loss, rng = LOSSES[name](), np.random.default_rng(len(name))
    estimator = GDRegressor if loss.task == "regression" else GDClassifier
    rows = {"batch": "all", "sgd": "one", "minibatch": "some"}[solver]
    for rule in OPTIMIZERS.values():
        unfit = rule.losses is not None and name not in rule.losses
        if rows not in rule.rows or unfit or rule.own_rate is not None or (rule.searches and not loss.smooth):
            continue
        X = awkward(rng, 60, 5)
        y = np.exp(rng.standard_normal(60)) if loss.log_link else rng.standard_normal(60)
        y = y if estimator is GDRegressor else (y > 0).astype(int)
        weight = rng.exponential(size=60)
        given = sparse.csr_matrix(X) if rng.random() < 0.5 else X
        model = estimator(name, solver=solver, optimizer=rule.name, max_iter=10, random_state=0)
        start, end = start_and_end(model.fit(given, y, sample_weight=weight), loss, X, y, weight)
        assert end <= start * (1 + 1e-9), rule.name


def formula(logistic, correlated, n=5000, d=20):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((n, d))
    if correlated:
        X = X * np.logspace(0, -1.5, d) @ np.linalg.qr(rng.standard_normal((d, d)))[0]
    scores = X @ rng.standard_normal(d)
    scores *= 2 / scores.std()
    return X, (rng.random(n) < expit(scores)) * 1.0 if logistic else scores + rng.standard_normal(n)


def newton(logistic, X, y, alpha=1e-4):
    """F as a function of the parameters with the intercept last, and its minimum."""
    Z, penalty = reference.with_ones(X), np.append(np.full(X.shape[1], alpha), 0)

    def F(theta):
        z = Z @ theta
        losses = np.logaddexp(0, z) - y * z if logistic else (z - y) ** 2 / 2
        return losses.mean() + penalty @ theta**2 / 2

    theta = np.zeros(Z.shape[1])
    for _ in range(20):
        z = Z @ theta
        p, curvature = (expit(z), expit(z) * expit(-z)) if logistic else (z, np.ones(len(y)))
        hessian = (Z.T * curvature) @ Z / len(y) + np.diag(penalty)
        theta -= np.linalg.solve(hessian, Z.T @ (p - y) / len(y) + penalty * theta)
    return F, F(theta)


@pytest.mark.parametrize(("logistic", "limit"), [(True, 1e-3), (False, 2e-3)])
def test_one_epoch_of_isotropic_rows_is_near_the_noise_of_the_data(logistic, limit):
    """Another sample of 5000 rows would move F by about d / 2n = 2e-3 of the variance of the noise."""
    X, y = formula(logistic, False)
    F, lowest = newton(logistic, X, y)
    estimator = GDClassifier if logistic else GDRegressor
    model = estimator(solver="sgd", max_iter=1, tol=None, random_state=0).fit(X, y)
    assert F(np.append(model.coef_, model.intercept_)) - lowest < limit


@pytest.mark.parametrize("rule", ["barzilai_borwein", "nesterov"])
def test_condition_1000_needs_few_gradients(rule):
    X, y = formula(True, True)
    F, lowest = newton(True, X * 3, y)
    model = GDClassifier(solver="batch", optimizer=rule, tol=None, max_iter=210).fit(X * 3, y)
    assert F(np.append(model.coef_, model.intercept_)) - lowest < 1e-6


def test_rates_do_not_fall_for_ever_where_the_last_iterate_is_worse_than_the_mean():
    X, y = make_blobs(100, centers=2, random_state=0, cluster_std=20)
    model = GDClassifier(class_weight={0: 1000, 1: 1e-4}, n_iter_no_change=20, random_state=0)
    model.fit(X[:50], y[:50])
    assert model.loss_ < 0.1
    assert model.history_["learning_rate"].min() > 1e-3 * model.history_["learning_rate"].max()


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize(("optimizer", "solver"), pairs())
def test_the_rate_of_one_row_is_that_of_its_length(optimizer, solver, storage):
    """The largest eigenvalue of X'X is the squared length of the row, whatever the solver."""
    X = np.random.default_rng(0).uniform(size=(1, 10))
    model = GDRegressor(solver=solver, optimizer=optimizer, penalty=None, standardize=False)
    assert model.fit(storage(X), [1.0]).predict(X) == pytest.approx([1.0])
    if optimizer == "plain":
        assert model.learning_rate_ == pytest.approx(1 / (1 + np.sum(X**2)), rel=1e-6)


def test_no_slope_is_no_infinite_rate():
    """All rows within epsilon: Polyak's rate would be the quotient of anything and zero."""
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    y = np.linspace(-0.05, 0.05, 20)
    model = GDRegressor("epsilon_insensitive", solver="batch", alpha=0).fit(X, y)
    np.testing.assert_array_equal(model.coef_, 0)


def test_batch_descent_comes_near_the_lowest_absolute_error():
    """66 correlated features: the minimum is that of the linear program, and more epochs come nearer."""
    X, y = load_diabetes(return_X_y=True)
    X = PolynomialFeatures(2).fit_transform(StandardScaler().fit_transform(X))[:, 1:]
    peer = QuantileRegressor(alpha=0).fit(X, y)
    lowest, start = np.abs(y - peer.predict(X)).mean(), np.abs(y - np.median(y)).mean()
    model = GDRegressor("absolute_error", solver="batch", penalty=None)
    for tol, epochs, gap in ((1e-4, 1000, 0.032), (1e-9, 2000, 0.018), (1e-9, 5000, 0.014)):
        model.set_params(tol=tol, max_iter=epochs).fit(X, y)
        assert 0 <= model.loss_ - lowest < gap * (start - lowest)


def test_implicit_updates_survive_a_rate_a_thousand_times_too_high():
    """The mean of the iterates ends at the minimum to 1e-2 of what there was to gain."""
    X, y = formula(False, False)
    F, lowest = newton(False, X, y)
    model = GDRegressor(solver="sgd", max_iter=1, tol=None, random_state=0).fit(X, y)
    settings = {"optimizer": "implicit", "learning_rate": 1000 * model.learning_rate_, "average": True}
    model.set_params(max_iter=20, **settings).fit(X, y)
    gap = F(np.append(model.coef_, model.intercept_)) - lowest
    assert gap < 0.01 * (F(np.zeros(21)) - lowest)


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_diabetes])
def test_raw_columns_score_as_a_pipeline_does(load, solver):
    X, y = load(return_X_y=True)
    regression = load is load_diabetes
    cv = (KFold if regression else StratifiedKFold)(5, shuffle=True, random_state=0)
    peer = make_pipeline(StandardScaler(), Ridge() if regression else LogisticRegression())
    estimator = GDRegressor if regression else GDClassifier
    model = estimator(solver=solver, standardize=True, alpha=1e-5, random_state=0)
    score = cross_val_score(model, X, y, cv=cv).mean()
    assert score >= cross_val_score(peer, X, y, cv=cv).mean() - 0.01


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_l1_finds_the_support_in_twenty_epochs(solver, storage):
    """11 of 200, from 2000 rows; alpha is far above the noise of the gradient and far below the weights."""
    rng = np.random.default_rng(0)
    X, true = rng.standard_normal((2000, 200)), np.zeros(200)
    true[:11] = rng.choice([-1, 1], 11)
    y = X @ true + rng.standard_normal(2000)
    model = GDRegressor(solver=solver, penalty="l1", alpha=0.12, max_iter=20, tol=None, random_state=0)
    np.testing.assert_array_equal(model.fit(storage(X), y).coef_ != 0, true != 0)


def optimum_of_ridge(X, y, alpha=1e-4):
    """F at zero and at its minimum, by the normal equations."""
    Z, penalty = reference.with_ones(X), np.append(np.full(X.shape[1], alpha), 0)
    best = np.linalg.solve(Z.T @ Z / len(y) + np.diag(penalty), Z.T @ y / len(y))
    return np.mean(y**2) / 2, np.mean((Z @ best - y) ** 2) / 2 + penalty @ best**2 / 2


@pytest.mark.parametrize("shift", [0.0, 1.0])
@pytest.mark.parametrize(
    "optimizer", ["plain", "momentum", "nesterov", "adam", "amsgrad", "adamw", "nadam", "rmsprop", "adagrad"]
)
@pytest.mark.parametrize("rows", [25, 50, None])
def test_a_swing_past_the_minimum_is_no_explosion(rows, optimizer, shift):
    """With 1 to 4 updates an epoch momentum carries the parameters past a minimum that is nearly zero."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 3)) + shift
    z = X @ rng.standard_normal(3)
    y = 10 * z / z.std() + 30 + 0.5 * rng.standard_normal(100)
    start, low = optimum_of_ridge(X, y)
    solver = {"solver": "batch"} if rows is None else {"batch_size": rows}
    model = GDRegressor(optimizer=optimizer, random_state=0, **solver).fit(X, y)
    assert (model.loss_ - low) / (start - low) < 0.01


@pytest.mark.parametrize(
    "loss", ["squared_hinge", "modified_huber", "poisson", "gamma", "huber", "absolute_error"]
)
@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam", "amsgrad"])
def test_momentum_ends_batch_descent_where_plain_updates_do(optimizer, loss):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((100, 3)) * [1, 0.3, 0.1]
    z = X @ [1.0, 1.0, -2.0] + 0.3 * rng.standard_normal(100)
    task = LOSSES[loss]
    y = z > 0 if task.task == "classification" else np.exp(z) if task.log_link else 10 * z + 30
    estimator = GDClassifier if task.task == "classification" else GDRegressor
    plain = estimator(loss, solver="batch", tol=1e-8, max_iter=5000).fit(X, y)
    model = estimator(loss, solver="batch", optimizer=optimizer).fit(X, y)
    start, _ = start_and_end(model, task(), X, y, None)
    assert model.loss_ - plain.loss_ < 0.01 * (start - plain.loss_)


@pytest.mark.parametrize("optimizer", ["plain", "momentum"])
def test_few_units_are_not_switched_off_by_single_rows(optimizer):
    X, y = make_blobs(300, random_state=0)
    X = StandardScaler().fit_transform(X)
    settings = {"hidden_layer_sizes": (5,), "solver": "sgd", "optimizer": optimizer, "max_iter": 60}
    losses = [GDMLPClassifier(random_state=seed, **settings).fit(X, y).loss_ for seed in range(6)]
    assert max(losses) < 0.2


def test_an_infinite_step_is_lowered_to_what_the_penalty_affords():
    problem = SimpleNamespace(
        dtype=np.float64,
        targets=SimpleNamespace(columns=1),
        core=SimpleNamespace(penalty=lambda theta: float((theta**2).sum())),
        value=lambda theta: 1.0,
        zeros=lambda: np.zeros((4, 1)),
    )
    with np.errstate(over="ignore"):
        rate = _affordable(problem, SimpleNamespace(theta=None), np.inf)
    assert _MOST_PENALTY / 4 <= 3 * rate**2 <= _MOST_PENALTY
