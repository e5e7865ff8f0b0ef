"""Checks whose objective the next updates find: the same fits, with fewer readings of X."""

import sys
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import make_regression

from skgd import GDClassifier, GDRegressor
from skgd._look import Look
from skgd._problem import Problem
from skgd._training import _Training
from skgd.losses import Quantile

N, D = 1400, 260  # rows and numbers enough for updates to find a loss beside


def data(dtype=np.float64, classes=False):
    X, z = make_regression(N, D, n_informative=20, noise=30.0, random_state=0)
    y = z / z.std()
    return X.astype(dtype), (y > 0).astype(int) if classes else y.astype(dtype)


def both(monkeypatch, fit):
    """The fit as it is, and one that reads X at each check; and how often each reads it for an objective."""
    found = []
    for beside in (True, False):
        with monkeypatch.context() as patched:
            reads = []
            evaluate = Problem.evaluate
            patched.setattr(
                Problem,
                "evaluate",
                lambda self, *a, r=reads, e=evaluate: r.append(self.n == N) or e(self, *a),
            )
            if not beside:
                patched.setattr(_Training, "finds_loss_beside", property(lambda self: False))
            found.append((fit(), sum(reads)))
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["sgd", "minibatch"])
@pytest.mark.parametrize(
    ("classes", "params"),
    [
        (False, {}),
        (True, {}),
        (False, {"loss": "huber", "optimizer": "adam"}),
        (False, {"penalty": "l1", "alpha": 0.01}),
        (True, {"optimizer": "schedule_free", "loss": "hinge"}),
        (False, {"standardize": True, "learning_rate": 1e-4, "average": True, "max_iter": 20}),
        (True, {"learning_rate": 1e-4, "average": 100, "max_iter": 12, "tol": None}),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_fits_are_those_that_read_the_rows_at_each_check(
    monkeypatch, solver, dtype, classes, params, weighted
):
    X, y = data(dtype, classes)
    weight = np.random.default_rng(1).uniform(0.5, 2, N).astype(dtype) if weighted else None
    model = (GDClassifier if classes else GDRegressor)(
        **{"max_iter": 15, **params}, solver=solver, random_state=0
    )
    (found, few), (plain, many) = both(monkeypatch, lambda: model.fit(X, y, weight).__getstate__())
    rtol = 1e-9 if dtype == np.float64 else 1e-4
    assert (found["n_iter_"], found["stop_reason_"]) == (plain["n_iter_"], plain["stop_reason_"])
    np.testing.assert_allclose(found["loss_curve_"], plain["loss_curve_"], rtol=rtol)
    np.testing.assert_allclose(found["coef_"], plain["coef_"], rtol=rtol, atol=rtol)
    for name in ("epoch", "update", "learning_rate", "gradient_norm"):
        np.testing.assert_allclose(found["history_"][name], plain["history_"][name], rtol=10 * rtol)
    assert few < many


@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_are_read_once_an_epoch(monkeypatch, weighted):
    X, y = data()
    weight = np.random.default_rng(1).uniform(0.5, 2, N)
    parts = np.array_split(np.arange(N), 4)
    read = []

    def block(i):
        read.append(len(i))
        return (X[i], y[i], weight[i]) if weighted else (X[i], y[i])

    model = GDRegressor(solver="minibatch", max_iter=12, tol=None, random_state=0)
    blocks = [partial(block, i) for i in parts]

    def fit():
        read.clear()
        model.fit_blocks(blocks)
        return {**model.__getstate__(), "read": sum(read) / N}

    (found, _), (plain, _) = both(monkeypatch, fit)
    np.testing.assert_allclose(found["loss_curve_"], plain["loss_curve_"], rtol=1e-9)
    np.testing.assert_allclose(found["coef_"], plain["coef_"], rtol=1e-9, atol=1e-9)
    assert found["read"] <= plain["read"] - 8


def test_the_curve_is_the_objective_at_the_means():
    X, y = data()
    params = {"solver": "sgd", "max_iter": 10, "random_state": 0}
    curve = GDRegressor(**params).fit(X, y).loss_curve_
    model = GDRegressor(record_path=True, **params).fit(X, y)
    np.testing.assert_allclose(curve, model.loss_curve_, rtol=1e-12)
    for value, point in zip(curve, model.path_[1:], strict=True):
        expected, _ = model.objective(X, y, coef=point[:-1], intercept=point[-1])
        np.testing.assert_allclose(value, expected, rtol=1e-10)


def test_a_callback_or_a_clock_changes_nothing(monkeypatch):
    X, y = data()
    params = {"solver": "minibatch", "max_iter": 10, "random_state": 0}
    plain = GDRegressor(**params).fit(X, y)
    for more in ({"verbose": 1}, {"max_time": 1e6}, {"check_every": 10}):
        model = GDRegressor(**params, **more).fit(X, y)
        assert len(model.history_["loss"]) == len(model.history_["epoch"])
        if "check_every" not in more:
            np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9)
            np.testing.assert_allclose(model.loss_curve_, plain.loss_curve_, rtol=1e-12)
    stopped = GDRegressor(**params | {"max_iter": 1000, "tol": None}, max_time=1e-9).fit(X, y)
    assert (stopped.stop_reason_, stopped.n_iter_, len(stopped.loss_curve_)) == ("max_time", 1, 1)


def test_rows_held_out_are_measured_at_each_check():
    X, y = data()
    fitted, held_out = slice(0, -200), slice(-200, None)
    params = {"solver": "minibatch", "max_iter": 10, "random_state": 0, "record_path": True}
    model = GDRegressor(**params).fit(X[fitted], y[fitted], X_val=X[held_out], y_val=y[held_out])
    later = GDRegressor(**params | {"record_path": False})
    later.fit(X[fitted], y[fitted], X_val=X[held_out], y_val=y[held_out])
    np.testing.assert_array_equal(later.history_["validation_loss"], model.history_["validation_loss"])
    for value, point in zip(later.history_["validation_loss"], model.path_[1:], strict=True):
        residuals = X[held_out] @ point[:-1] + point[-1] - y[held_out]
        np.testing.assert_allclose(value, np.mean(residuals**2) / 2, rtol=1e-9)


def test_an_interrupt_leaves_a_row_for_each_check(monkeypatch):
    X, y = data()
    model, run, calls = GDRegressor(solver="minibatch", random_state=0), Problem.run, []

    def interrupted(self, *args):
        calls.append(0)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return run(self, *args)

    monkeypatch.setattr(Problem, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert len(model.loss_curve_) == 4
    monkeypatch.undo()
    whole = GDRegressor(solver="minibatch", random_state=0).fit(X, y)
    np.testing.assert_allclose(model.loss_curve_, whole.loss_curve_[:4], rtol=1e-12)


def test_rows_that_were_visited_again_are_read():
    X, y = data()
    model = GDRegressor()
    problem = model._objective_of(X, y)
    theta = problem.zeros()
    expected = problem.value(theta)
    for parts in ([(1.0, 10, True)], [(5.0, N, False)], [(np.nan, N, True)]):
        look = Look({}, (), theta)
        for part in parts:
            look.add(*part)
        assert look.measure(problem, 1) == expected
    look = Look({}, (), theta)
    look.add(expected * N, N, True)
    np.testing.assert_allclose(look.measure(problem, 1), expected, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", [Quantile([0.1, 0.5, 0.9]), "squared_error", "huber"])
def test_several_outputs_find_the_loss_beside_single_rows(monkeypatch, loss, weighted, dtype):
    """Scores of fours are found while their rows are at work, those of the last rows of an epoch later."""
    X, y = data(dtype)
    X, y = X[: N - 3], y[: N - 3]
    monkeypatch.setattr(sys.modules[__name__], "N", N - 3)
    Y = y if isinstance(loss, Quantile) else np.column_stack([y, -y, y**2, y, 2 * y])
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X)).astype(dtype) if weighted else None
    model = GDRegressor(loss, solver="sgd", max_iter=12, tol=None, random_state=0)
    (found, few), (plain, many) = both(monkeypatch, lambda: model.fit(X, Y, weight).__getstate__())
    rtol = 1e-9 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(found["loss_curve_"], plain["loss_curve_"], rtol=rtol)
    np.testing.assert_allclose(found["coef_"], plain["coef_"], rtol=rtol, atol=rtol)
    assert few < many
