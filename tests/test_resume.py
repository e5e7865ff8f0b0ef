"""Fits cut in pieces: partial_fit, warm_start and averaging continue where they stopped."""

import pickle
from copy import copy
from unittest import mock

import _reference as reference
import numpy as np
import pytest
from _data import (
    KINDS,
    SOLVERS,
    STILL,
    covering,
    csr,
    data_of,
    estimator,
    flat,
    make,
    pairs,
    small,
    theta,
    thin,
    unpack,
    wide,
)

import skgd
from skgd import schedules
from skgd._rates import Rates

STREAMS = ("minibatch", "sgd")
SCHEDULES = [
    "constant",
    "invscaling",
    "optimal",
    schedules.InvScaling(power=0.5),
    lambda t: 1 / (1 + 0.1 * t),
]


def model_of(loss="squared_error", **params):
    fixed = {"learning_rate": 0.03, "max_iter": 1, "alpha": 0.05, "l1_ratio": 0.4, "batch_size": 8}
    return estimator(loss, **{**fixed, **STILL, **params})


def in_slices(model, X, y, rows=16, **first):
    for start in range(0, len(y), rows):
        model.partial_fit(X[start : start + rows], y[start : start + rows], **first)
        first = {}
    return model


@pytest.mark.parametrize(
    ("rule", "penalty", "width", "storage"),
    covering(pairs(STREAMS), [None, "l2", "l1", "elasticnet"], ["narrow", "wide"], [np.asarray, csr]),
)
def test_slices_of_rows_are_one_epoch(rule, penalty, width, storage):
    optimizer, solver = rule
    X, y = make(n=64, d=8) if width == "narrow" else wide(n=64)
    X = storage(thin(X) if width == "narrow" else X)
    model = model_of(optimizer=optimizer, penalty=penalty, solver=solver)
    whole = theta(model.fit(X, y))
    pieces = in_slices(model_of(optimizer=optimizer, penalty=penalty, solver=solver), X, y)
    np.testing.assert_allclose(theta(pieces), whole, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("solver", STREAMS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_go_on_over_slices(schedule, solver):
    X, y = make(n=64)
    whole = model_of(schedule=schedule, solver=solver).fit(X, y)
    pieces = in_slices(model_of(schedule=schedule, solver=solver), X, y)
    np.testing.assert_allclose(theta(pieces), theta(whole), rtol=1e-10)
    assert pieces.n_updates_ == whole.n_updates_ == {"minibatch": 8, "sgd": 64}[solver]


@pytest.mark.parametrize("solver", STREAMS)
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("average", [True, 5])
@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_averages_go_on_over_slices(storage, average, penalty, solver):
    X, y = wide(n=64)
    X = storage(X)
    whole = model_of(average=average, penalty=penalty, solver=solver).fit(X, y)
    pieces = in_slices(model_of(average=average, penalty=penalty, solver=solver), X, y)
    np.testing.assert_allclose(theta(pieces), theta(whole), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("solver", STREAMS)
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_classes_named_up_front(loss, outputs, solver):
    """The first slice shows one class only; the rest is announced."""
    X, y = make(loss, n=64, outputs=outputs)
    order = np.argsort(y, kind="stable")
    X, y, names = X[order], np.array(["ash", "elm", "oak"])[y[order]], ["oak", "ash", "elm"]
    names = names if outputs > 1 else ["elm", "ash"]
    whole = model_of(loss, solver=solver).fit(X, y)
    pieces = in_slices(model_of(loss, solver=solver), X, y, rows=8, classes=names)
    np.testing.assert_array_equal(pieces.classes_, whole.classes_)
    np.testing.assert_allclose(theta(pieces), theta(whole), rtol=1e-10, atol=1e-12)


def test_partial_fit_takes_weights_as_they_are():
    X, y = make(n=32)
    weights = np.random.default_rng(0).uniform(0, 3, 32)
    model = model_of(penalty="l2").partial_fit(X, y, sample_weight=weights)
    at = np.zeros((6, 1))
    for start in range(0, 32, 8):
        rows = slice(start, start + 8)
        slope = reference.loss_gradient(at, X[rows], y[rows], weights=weights[rows])
        slope[:-1] += 0.05 * at[:-1]
        at = at - 0.03 * slope
    np.testing.assert_allclose(theta(model), at, rtol=1e-10)


def test_partial_fit_after_fit_goes_on():
    X, y = make(n=64)
    twice = theta(model_of(max_iter=2, optimizer="momentum").fit(X, y))
    once = model_of(optimizer="momentum").fit(X, y).partial_fit(X, y)
    np.testing.assert_allclose(theta(once), twice, rtol=1e-10)


def test_batch_descent_has_no_partial_fit():
    assert not hasattr(model_of(solver="batch"), "partial_fit")
    assert hasattr(model_of(solver="sgd"), "partial_fit")


@pytest.mark.parametrize("refused", [{"early_stopping": True}, {"class_weight": "balanced"}])
def test_partial_fit_refuses_what_needs_all_rows(refused):
    X, y = make("log_loss")
    with pytest.raises(ValueError, match=next(iter(refused))):
        model_of("log_loss", **refused).partial_fit(X, y, classes=[0, 1])


# ---------------------------------------------------------------- warm starts


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize(("optimizer", "solver"), pairs(without=["barzilai_borwein"]))
def test_a_warm_start_continues(optimizer, penalty, solver):
    X, y = make(n=40)
    params = {"optimizer": optimizer, "penalty": penalty, "solver": solver}
    straight = model_of(max_iter=5, schedule="invscaling", **params).fit(X, y)
    stopped = model_of(max_iter=3, schedule="invscaling", warm_start=True, **params).fit(X, y)
    stopped.set_params(max_iter=2).fit(X, y)
    np.testing.assert_allclose(theta(stopped), theta(straight), rtol=1e-9, atol=1e-11)


def assert_calls_add_up(kind, X, y, first=5, second=5, **params):
    """Bit for bit: two calls make the checks of one."""
    one = small(kind, warm_start=True, max_iter=first + second, **params).fit(X, y)
    two = small(kind, warm_start=True, max_iter=first, **params).fit(X, y)
    losses = two.loss_curve_
    two.set_params(max_iter=second).fit(X, y)
    np.testing.assert_array_equal(np.append(losses, two.loss_curve_), one.loss_curve_)
    np.testing.assert_array_equal(flat(two), flat(one))
    assert (two.loss_, two.learning_rate_, two.n_updates_) == (one.loss_, one.learning_rate_, one.n_updates_)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("optimizer", "solver"), pairs(without=["implicit"]))
def test_automatic_rates_go_on(kind, optimizer, solver):
    X, y = data_of(kind, n=64)
    fixed = {"optimizer": optimizer, "solver": solver, "batch_size": 8, "tol": 1e-9}
    assert_calls_add_up(kind, X, y, **fixed)


@pytest.mark.parametrize(
    "params",
    [
        {"schedule": "invscaling"},
        {"schedule": "adaptive", "tol": 0.3, "n_iter_no_change": 6},
        {"early_stopping": True},
        {"average": True},
        {"standardize": True},
        {"record_path": True},
        {"check_every": 4},
        {"loss": "absolute_error", "solver": "batch"},
        {"random_state": None, "shuffle": False},
    ],
    ids=str,
)
def test_calls_of_a_warm_start_add_up(params):
    X, y = make(n=64, outputs=2)
    assert_calls_add_up(skgd.GDRegressor, X, y, **{"batch_size": 8, "tol": 1e-9, **params})


def test_calls_of_one_epoch_add_up():
    X, y = make(n=64)
    one = small(skgd.GDRegressor, warm_start=True, max_iter=12, tol=1e-9).fit(X, y)
    many = small(skgd.GDRegressor, warm_start=True, max_iter=1, tol=1e-9)
    for _ in range(12):
        many.fit(X, y)
    np.testing.assert_array_equal(flat(many), flat(one))
    again = pickle.loads(pickle.dumps(many)).set_params(max_iter=3).fit(X, y)
    np.testing.assert_array_equal(flat(many.set_params(max_iter=3).fit(X, y)), flat(again))


@pytest.mark.parametrize("change", ["X", "y", "weights", "alpha", "partial_fit", "strip", "coef_init"])
def test_rates_of_other_problems_begin_anew(change):
    """What the rates know is of rows and parameters; the descent goes on all the same, as far as it can."""
    X, y = make(n=64)
    model = small(skgd.GDRegressor, warm_start=True, max_iter=5, tol=1e-9).fit(X, y)
    given = {}
    if change in ("X", "y"):
        X, y = (X + (change == "X"), 100 * y)
    elif change == "weights":
        given["sample_weight"] = np.linspace(1, 2, 64)
    elif change == "alpha":
        model.set_params(alpha=0.1)
    elif change == "coef_init":
        given["coef_init"] = np.ones(5)
    else:
        getattr(model, change)(*((X, y) if change == "partial_fit" else ()))
    rates = []
    with mock.patch.object(Rates, "take_up", lambda self, state: rates.append(state)):
        model.fit(X, y, **given)
    assert not rates
    assert np.isfinite(flat(model)).all()


def test_an_end_by_tol_is_an_end():
    """Another call waits for a plateau anew, with rates of its own."""
    X, y = make(n=64)
    model = small(skgd.GDRegressor, warm_start=True).fit(X, y)
    assert model.stop_reason_ == "tol"
    first = model.loss_
    model.fit(X, y)
    assert model.n_iter_ >= model.n_iter_no_change
    assert model.loss_ <= first * (1 + 1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_warm_start_a_second_fit_begins_anew(solver):
    X, y = make(n=40)
    model = model_of(solver=solver, optimizer="momentum").fit(X, y)
    first = theta(model)
    np.testing.assert_array_equal(theta(model.fit(X, y)), first)


@pytest.mark.parametrize("solver", SOLVERS)
def test_initial_parameters_are_where_the_path_begins(solver):
    X, y = make(n=40, outputs=3)
    coef, intercept = np.arange(15.0).reshape(3, 5) / 10, np.array([1.0, 2.0, 3.0])
    model = model_of(solver=solver, record_path=True)
    model.fit(X, y, coef_init=coef, intercept_init=intercept)
    np.testing.assert_array_equal(unpack(model.path_[0], 3), np.vstack([coef.T, intercept]))


# ---------------------------------------------------------------- averages


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("optimizer", ["plain", "momentum", "adagrad", "adam"])
@pytest.mark.parametrize(("average", "first"), [(True, 1), (1, 2), (4, 5)])
def test_the_average_is_the_mean_of_the_iterates(average, first, optimizer, solver):
    """Of those after update number `average`, counted from 0 as schedules do."""
    X, y = make(n=40)
    params = {"optimizer": optimizer, "solver": solver, "max_iter": 6, "check_every": 1}
    iterates = model_of(record_path=True, **params).fit(X, y).path_
    mean = unpack(iterates[first:].mean(axis=0))
    averaged = model_of(**{**params, "average": average}).fit(X, y)
    np.testing.assert_allclose(theta(averaged), mean, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_averaging_with_sparse_rows_is_averaging_with_dense_ones(storage):
    X, y = wide(n=40)
    model = model_of(average=True, solver="sgd", max_iter=3)
    expected = reference.descend(X, y, rate=0.03, batch_size=1, epochs=3, l2=0.05)[1:].mean(axis=0)
    np.testing.assert_allclose(theta(model.fit(storage(X), y)), expected, rtol=1e-9, atol=1e-12)


def test_the_automatic_average_is_near_the_least_squares_solution():
    """Where the last iterate of a constant rate would still hover at a distance."""
    X, y = make(n=2000)
    best = np.linalg.lstsq(reference.with_ones(X), y, rcond=None)[0]
    automatic = estimator(penalty=None, solver="sgd", max_iter=20, tol=None).fit(X, y)
    rough = estimator(
        penalty=None,
        solver="sgd",
        max_iter=20,
        tol=None,
        average=False,
        learning_rate=automatic.learning_rate_,
    ).fit(X, y)
    distance = np.linalg.norm(theta(automatic)[:, 0] - best)
    assert distance < 0.01
    assert distance < np.linalg.norm(theta(rough)[:, 0] - best) / 5


@pytest.mark.parametrize("flag", [True, False])
def test_flags_of_numpy_are_flags(flag):
    X, y = make(n=40)
    for name in ("average", "shuffle", "fit_intercept", "standardize", "record_path"):
        plain = theta(model_of(**{name: flag, "random_state": 0}).fit(X, y))
        numpy = theta(model_of(**{name: np.bool_(flag), "random_state": 0}).fit(X, y))
        np.testing.assert_array_equal(numpy, plain)


@pytest.mark.parametrize("solver", STREAMS)
def test_what_was_owed_to_a_stronger_l1_is_forgiven(solver):
    X, y = make(n=400, d=5)
    params = {"penalty": "l1", "l1_ratio": 1.0, "solver": solver, "learning_rate": 0.01, "max_iter": 100}
    warm = model_of(**{**params, "alpha": 2.5}).set_params(warm_start=True).fit(X, y)
    warm.set_params(alpha=0.01).fit(X, y)
    cold = model_of(**{**params, "alpha": 0.01}).fit(X, y)
    assert warm.loss_ < 1.02 * cold.loss_
    np.testing.assert_array_equal(warm.coef_ == 0, cold.coef_ == 0)


@pytest.mark.parametrize("average", [False, True])
def test_a_call_that_fails_leaves_no_trace(average):
    X, y = make(n=64)
    failing = []

    def schedule(t):
        if failing:
            raise RuntimeError("now")
        return np.ones(len(t))

    params = {"standardize": True, "learning_rate": 0.05, "average": average, "schedule": schedule}
    model, twin = (in_slices(model_of(**params), 3 * X + 1, y) for _ in range(2))
    failing.append(True)
    with pytest.raises(RuntimeError, match="now"):
        model.partial_fit(100 * X, y)
    failing.clear()
    for each in (model, twin):
        each.partial_fit(3 * X + 1, y)
    np.testing.assert_array_equal(theta(model), theta(twin))


def test_what_a_warm_start_keeps_is_plain():
    """Arrays, numbers, strings and containers of them; without `warm_start`, nothing."""
    X, y = make(n=64)

    def leaves(value):
        if isinstance(value, dict | list | tuple):
            return [
                leaf
                for each in (value.values() if isinstance(value, dict) else value)
                for leaf in leaves(each)
            ]
        return [value]

    model = small(skgd.GDRegressor, warm_start=True, max_iter=5, tol=1e-9).fit(X, y)
    assert {type(leaf).__module__ for leaf in leaves(vars(model)["_kept"])} <= {"builtins", "numpy"}
    assert "_kept" not in vars(model.partial_fit(X, y))
    assert "_kept" not in vars(small(skgd.GDRegressor, max_iter=5, tol=1e-9).fit(X, y))


@pytest.mark.parametrize("name", ["GDRegressor", "GDClassifier", "GDMLPRegressor", "GDMLPClassifier"])
def test_what_a_stream_shows_is_not_what_it_goes_on_with(name):
    """Fitted arrays may be written to, and copies go on by themselves."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = (X[:, 0] > 0).astype(int) if "Classifier" in name else X[:, 0]
    known = {"classes": [0, 1]} if "Classifier" in name else {}

    def begun():
        return getattr(skgd, name)(random_state=0).partial_fit(X[:20], y[:20], **known)

    expected = begun().partial_fit(X[20:], y[20:])
    model = begun()
    other = copy(model)
    for array in model.coefs_ if "MLP" in name else [model.coef_, model.intercept_]:
        array[:] = 1.0
    other.partial_fit(X[40:], y[40:])
    model.partial_fit(X[20:], y[20:])
    for attribute in ("coefs_", "intercepts_") if "MLP" in name else ("coef_", "intercept_"):
        for part, same in zip(getattr(model, attribute), getattr(expected, attribute), strict=True):
            np.testing.assert_array_equal(part, same)
    assert model.loss_curve_.tolist() == expected.loss_curve_.tolist()
    assert other.n_updates_ != model.n_updates_
