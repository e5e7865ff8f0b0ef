"""The largest stable rate against its formula and against measured divergence; many rates in one pass."""

import copy
import pickle

import _reference as reference
import numpy as np
import pytest
from _data import SOLVERS, covering, csr, estimator, make, thin
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import _step_size, _sweep
from skgd._options import options_of
from skgd.learning_rate import StableRate, find_learning_rate, largest_stable_learning_rate
from skgd.losses import Huber, Loss
from skgd.schedules import Cosine


def formula(X, b, weight=None, intercept=True, curvature=1.0, alpha=0.0):
    """Rate, R2 / lambda_max + 1, and condition, by NumPy."""
    X = reference.with_ones(X) if intercept else X
    weight = np.ones(len(X)) if weight is None else weight / np.mean(weight)
    values = np.linalg.eigvalsh((weight[:, None] * X).T @ X / len(X))
    squares = weight * (X**2).sum(axis=1)
    row = (squares**2).sum() / squares.sum()
    one = 0 if b == len(X) else 1 / b
    rate = 2 / (curvature * ((1 - one) * values[-1] + row * one) + alpha)
    high, low = curvature * values[-1] + alpha, curvature * values[0] + alpha
    return rate, row / values[-1] + 1, high / low


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("b", [1, 7, 200])
def test_the_formula(b, weighted, intercept, storage):
    X, _ = make(n=200)
    X = thin(X)
    weight = np.random.default_rng(1).random(200) if weighted else None
    options = {"solver": {1: "sgd", 200: "batch"}.get(b, "minibatch"), "batch_size": b}
    options |= {"loss": "log_loss", "alpha": 0.02, "sample_weight": weight, "fit_intercept": intercept}
    rate = largest_stable_learning_rate(storage(X), **options)
    expected = formula(X, b, weight, intercept, curvature=0.25, alpha=0.02)
    np.testing.assert_allclose([rate, rate.critical_batch_size, rate.condition], expected, rtol=1e-10)


def test_a_minibatch_of_one_row_is_sgd_and_of_all_rows_is_batch():
    X, _ = make(n=50)
    of = largest_stable_learning_rate
    assert of(X, batch_size=1) == of(X, solver="sgd")
    assert of(X, batch_size=50) == of(X, batch_size=500) == of(X, solver="batch")


def test_half_the_rate_of_all_rows_at_the_critical_batch_size():
    """2 / (lambda + (R2 - lambda) / b) with b = R2 / lambda - 1 is half of 2 / lambda; the +1 rounds up."""
    X, _ = make(n=5000, d=40)
    limit = largest_stable_learning_rate(X, solver="batch")
    b = round(limit.critical_batch_size)
    share = largest_stable_learning_rate(X, batch_size=b) / limit
    assert 0.5 <= share < 0.53


def test_the_unit_of_targets_where_the_curvature_depends_on_them():
    X, y = make(n=100)
    of = largest_stable_learning_rate
    assert of(X, loss=Huber(0.1)) < of(X, 100 * y, loss=Huber(0.1))
    classes = np.arange(100) % 3
    assert of(X, classes, loss="log_loss") == pytest.approx(of(X, classes > 0, loss="log_loss") / 2)
    assert of(X, classes > 0, loss="log_loss") == of(X, loss="log_loss")


def test_a_rate_is_a_float():
    rate = StableRate(0.5, 12.0, 100.0)
    assert isinstance(rate, float)
    assert rate == 0.5
    assert type(rate / 2) is float
    for other in (pickle.loads(pickle.dumps(rate)), copy.deepcopy(rate)):
        assert (other, other.critical_batch_size, other.condition) == (0.5, 12.0, 100.0)
    X, y = make()
    skgd.GDRegressor(learning_rate=largest_stable_learning_rate(X) / 2).fit(X, y)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"solver": "newton"}, "solver"),
        ({"batch_size": 0}, "batch_size"),
        ({"loss": "nonsense"}, "loss"),
        ({"alpha": -1}, "alpha"),
        ({"y": np.zeros(3)}, "inconsistent"),
    ],
)
def test_wrong_parameters_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        largest_stable_learning_rate(make()[0], **wrong)


WIDE = {
    "steep": (lambda rng: rng.normal(size=(900, 400)) * np.arange(1, 401) ** -0.5, 0.01),
    "shifted": (lambda rng: rng.normal(size=(900, 400)) + 1, 0.01),
    "flat": (lambda rng: rng.normal(size=(900, 400)), 0.2),
    "more features than rows": (lambda rng: rng.normal(size=(300, 900)), 0.25),
    "sparse": (lambda rng: sparse.random(900, 400, 0.02, format="csr", random_state=0), 0.05),
}


@pytest.mark.parametrize("name", WIDE)
def test_wide_data_are_read_three_times_at_most(name, monkeypatch):
    """And the largest eigenvalue found is near the true one, never above it."""
    generate, slack = WIDE[name]
    X = generate(np.random.default_rng(0))
    seen, count = [], _step_size._times_second_moments
    monkeypatch.setattr(
        _step_size, "_times_second_moments", lambda *args: seen.append(len(args)) or count(*args)
    )
    rate = largest_stable_learning_rate(X, solver="batch")
    assert len(seen) == 2  # and one for the lengths of rows
    full = reference.with_ones(X.toarray() if sparse.issparse(X) else X)
    true = 2 / np.linalg.norm(full, 2) ** 2 * len(full)
    assert true * (1 - 1e-9) <= rate <= true * (1 + slack) / (1 - slack * (slack > 0.1))
    assert rate.condition <= np.linalg.cond(full) ** 2 * (1 + 1e-9)


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("intercept", [True, False])
def test_products_with_second_moments(intercept, storage):
    """In the coordinates of a standardised problem too."""
    X, y = make(n=80, d=6)
    X = thin(X) + (0.5 if storage is np.asarray else 0)
    weight = np.random.default_rng(0).random(80)
    model = skgd.GDRegressor(standardize=True, fit_intercept=intercept)
    problem = model._objective_of(storage(X), y, weight)
    V = np.random.default_rng(1).normal(size=(6 + intercept, 3))
    Z = (X - problem.standard.center) / problem.standard.scale
    Z = reference.with_ones(Z) if intercept else Z
    weight = weight / weight.mean()
    expected = Z.T @ (weight[:, None] * (Z @ V)) / 80
    np.testing.assert_allclose(_step_size._times_second_moments(problem, V), expected, rtol=1e-10)


def measured(X, y, rows, predicted, sample_weight=None):
    """The lowest of many rates that ends one of several runs above the start."""
    n, first = len(X), np.inf
    solver = {1: "sgd", n: "batch"}.get(rows, "minibatch")
    rates = predicted * np.arange(0.5, 2.2, 0.05)
    for seed in range(1 if rows == n else 5):
        model = skgd.GDRegressor(solver=solver, batch_size=rows, penalty=None, random_state=seed)
        for updates in (150, 300, 600):
            options = {"max_iter": -(-updates * rows // n), "sample_weight": sample_weight}
            found = find_learning_rate(model, X, y, rates=rates, **options)
            first = min(first, found.rates[~(found.losses < found.start)].min(initial=np.inf))
    return first


DATA = {
    "isotropic": lambda rng: rng.normal(size=(400, 15)),
    "correlated": lambda rng: rng.normal(size=(400, 8)) @ rng.normal(size=(8, 8)),
    "heavy tails": lambda rng: rng.standard_t(5, size=(600, 10)),
    "shifted": lambda rng: rng.normal(size=(400, 5)) + 1,
    "counts": lambda rng: rng.poisson(1, size=(400, 12)).astype(float),
}


@pytest.mark.parametrize("rows", [1, 8, 32, 128, "n"])
@pytest.mark.parametrize("name", DATA)
def test_divergence_is_predicted(name, rows):
    rng = np.random.default_rng(0)
    X = DATA[name](rng)
    y = X @ rng.normal(size=X.shape[1]) + 0.1 * rng.normal(size=len(X))
    rows = len(X) if rows == "n" else rows
    solver = {1: "sgd", len(X): "batch"}.get(rows, "minibatch")
    predicted = largest_stable_learning_rate(X, solver=solver, batch_size=rows)
    assert 0.75 <= predicted / measured(X, y, rows, predicted) <= 1.35


@pytest.mark.parametrize("rows", [1, 8, 400])
def test_divergence_is_predicted_under_uneven_weights(rows):
    """A quarter of the rows with all of the weight: steps four times as long."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 10))
    y = X @ rng.normal(size=10)
    weight = np.where(rng.random(400) < 0.25, 4.0, 1e-6)
    solver = {1: "sgd", 400: "batch"}.get(rows, "minibatch")
    predicted = largest_stable_learning_rate(X, solver=solver, batch_size=rows, sample_weight=weight)
    assert 0.75 <= predicted / measured(X, y, rows, predicted, weight) <= 1.35


# ---------------------------------------------------------------- many rates in one pass

CASES = [
    ("squared_error", {}),
    ("squared_error", {"outputs": 3}),
    ("squared_error", {"optimizer": "implicit", "solver": "sgd"}),
    ("huber", {"standardize": True}),
    ("absolute_error", {"average": True}),
    ("poisson", {"fit_intercept": False}),
    ("log_loss", {}),
    ("log_loss", {"optimizer": "adam"}),
    ("log_loss", {"optimizer": "momentum", "penalty": "elasticnet", "alpha": 0.01}),
    ("log_loss", {"optimizer": "schedule_free"}),
    ("log_loss", {"schedule": "optimal", "alpha": 0.1}),
    ("hinge", {"outputs": 3}),
    ("hinge", {"outputs": 3, "schedule": "invscaling", "optimizer": "adagrad", "average": False}),
    ("squared_hinge", {"penalty": "l1", "alpha": 0.02}),
    ("squared_hinge", {"optimizer": "ftrl", "penalty": "l1", "alpha": 0.02}),
    ("modified_huber", {"schedule": Cosine(), "average": True}),
    ("perceptron", {"shuffle": False}),
]


@pytest.mark.parametrize(("case", "solver", "storage"), covering(CASES, SOLVERS, [np.asarray, csr]))
def test_columns_are_fits_of_their_own(case, solver, storage, monkeypatch):
    """On several epochs of data that come in several pieces, beside rates that overflow."""
    loss, params = case
    monkeypatch.setattr(_sweep, "_CHUNK", 40)
    params = dict(params)
    X, y = make(loss, n=117, outputs=params.pop("outputs", 1))
    X = storage(thin(X))
    weight = np.random.default_rng(0).random(117)
    model = estimator(loss, **{"solver": solver, "batch_size": 8, **params})
    rates = np.array([0.001, 0.01, 0.03, 0.1, 1e30])
    found = _sweep.sweep(model, X, y, weight, rates, epochs=3)
    monkeypatch.setattr(_sweep, "_fits_columns", lambda *_: False)
    alone = _sweep.sweep(model, X, y, weight, rates, epochs=3)
    np.testing.assert_allclose(found.losses[:4], alone.losses[:4], rtol=1e-9)
    assert found.start == alone.start
    if (loss, params) == ("squared_error", {}):
        assert np.isinf(found.losses[4])


def fits_columns(model, X, y):
    problem = model._objective_of(X, y, None)
    return _sweep._fits_columns(options_of(model), problem)


def test_what_ties_columns_together_is_fitted_alone():
    class Own(Loss):
        def value_and_slope(self, y, raw):
            return ((raw - y.reshape(raw.shape)) ** 2).sum(axis=1) / 2, raw - y.reshape(raw.shape)

    X, y = make()
    _, classes = make("log_loss", outputs=3)
    assert fits_columns(skgd.GDRegressor(), X, y)
    assert fits_columns(skgd.GDClassifier(), X, classes > 0)
    for model, target in (
        (skgd.GDClassifier(), classes),
        (skgd.GDRegressor(Own()), y),
        (skgd.GDRegressor(optimizer="nesterov"), y),
        (skgd.GDRegressor(schedule="adaptive"), y),
        (skgd.GDMLPRegressor(hidden_layer_sizes=(3,), optimizer="plain"), y),
    ):
        assert not fits_columns(model, X, target)
        found = find_learning_rate(model, X, target, rates=[1e-4, 1e-2, 1e9])
        assert found.suggestion_ == 1e-2


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_suggestion_is_the_lowest_and_a_good_rate(solver):
    X, y = make(n=500)
    model = skgd.GDRegressor(solver=solver, random_state=0)
    before = repr(model), set(vars(model))
    found = find_learning_rate(model, X, y)
    assert (repr(model), set(vars(model))) == before
    assert found.suggestion_ == found.rates[np.argmin(found.losses)]
    b = {"batch": 500, "sgd": 1}.get(solver, 31)  # 16 batches of 31 or 32 rows
    assert found.stable_limit_ == pytest.approx(formula(X, b, alpha=1e-4)[0])
    assert 0.02 * found.stable_limit_ < found.suggestion_ < found.stable_limit_
    assert np.isinf(found.losses[-1]) or found.losses[-1] > found.start
    epochs = {"batch": 20, "minibatch": 2}.get(solver, 1)  # 20 updates at least
    params = {"learning_rate": found.suggestion_, "max_iter": epochs, "tol": None, "random_state": 0}
    fitted = skgd.GDRegressor(solver=solver, **params).fit(X, y)
    assert fitted.loss_ == pytest.approx(found.losses.min(), rel=1e-9)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "adagrad"])
def test_the_suggestion_for_adaptive_rules_is_a_tenth_of_the_minimum(optimizer):
    X, y = make(n=500)
    found = find_learning_rate(skgd.GDRegressor(optimizer=optimizer, random_state=0), X, y)
    tenth = found.rates[np.argmin(found.losses)] / 10
    assert found.suggestion_ in found.rates
    assert abs(np.log(found.suggestion_ / tenth)) <= 0.51 * np.log(found.rates[1] / found.rates[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "momentum"])
def test_the_suggestion_ends_about_as_low_as_the_automatic_rate(optimizer, load):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = skgd.GDMLPClassifier(hidden_layer_sizes=(20,), optimizer=optimizer, max_iter=60, random_state=0)
    automatic = model.fit(X, y).loss_
    suggestion = find_learning_rate(model, X, y).suggestion_
    assert model.set_params(learning_rate=suggestion).fit(X, y).loss_ < 1.25 * automatic


def test_searches_have_no_learning_rate_to_find():
    X, y = make()
    with pytest.raises(ValueError, match="GDRegressorCV has no learning_rate to find"):
        find_learning_rate(skgd.GDRegressorCV(), X, y)


def test_pipelines_scale_first():
    X, y = make(n=300)
    pipeline = make_pipeline(StandardScaler(), skgd.GDRegressor(random_state=0))
    found = find_learning_rate(pipeline, 1e4 * X, y)
    scaled = find_learning_rate(pipeline[-1], StandardScaler().fit_transform(X), y)
    np.testing.assert_allclose(found.losses, scaled.losses, rtol=1e-6)


def test_what_cannot_be_found():
    X, y = make()
    with pytest.raises(ValueError, match="All rates diverged"):
        find_learning_rate(skgd.GDRegressor(), X, y, rates=[1e9, 1e10])
    with pytest.raises(ValueError, match="rates"):
        find_learning_rate(skgd.GDRegressor(), X, y, rates=[0.1, -1])
    with pytest.raises(ValueError, match="chooses its own rates"):
        find_learning_rate(skgd.GDRegressor(solver="batch", optimizer="barzilai_borwein"), X, y)
