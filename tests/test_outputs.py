"""Perceptrons for regression: y in any units, standardised inside and undone in the last layer."""

import numpy as np
import pytest
from _data import SOLVERS, csr

from skgd import GDMLPRegressor
from skgd._coordinates import Units
from skgd._design import design_of
from skgd._fitting import begin_fit
from skgd._options import options_of
from skgd._problem import Problem
from skgd._targets import OutputUnits
from skgd._training import train
from skgd.losses import LOSSES

SIZES = {"hidden_layer_sizes": (12,), "random_state": 0, "max_iter": 60}


def friedman(n=400, outputs=1):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(n, 5))
    y = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3] + 5 * X[:, 4]
    return X, y if outputs == 1 else np.column_stack([y, 1e3 * (X[:, 0] - X[:, 1] ** 2), y / 10 - 7])


def problem_in(units, loss="squared_error", outputs=1, storage=np.asarray, dtype=np.float64):
    X, y = friedman(60, outputs)
    model = GDMLPRegressor(loss, alpha=0.1, hidden_layer_sizes=(4, 3), standardize=False)
    bare = model._objective_of(storage(X.astype(dtype)), y.astype(dtype))
    return Problem(bare.design, bare.targets.in_units(units), bare.objective), bare


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("move", [lambda y: 1e6 * y, lambda y: y + 1e6, lambda y: 1e-6 * y])
def test_units_of_y_do_not_matter(solver, move):
    X, y = friedman()
    params = {**SIZES, "solver": solver, "max_iter": 300 if solver == "batch" else 30, "alpha": 0.0}
    expected = GDMLPRegressor(**params).fit(X, y).score(X, y)
    assert expected > (0.7 if solver == "batch" else 0.85)
    assert GDMLPRegressor(**params).fit(X, move(y)).score(X, move(y)) == pytest.approx(expected, abs=0.02)


def test_outputs_of_different_units():
    X, Y = friedman(outputs=3)
    model = GDMLPRegressor(**SIZES).fit(X, Y)
    from sklearn.metrics import r2_score

    scores = r2_score(Y, model.predict(X), multioutput="raw_values")
    assert scores[1] > 0.9  # nearly all of the objective
    assert scores.min() > 0


def test_a_stream_in_any_units():
    X, y = friedman()
    model = GDMLPRegressor(**SIZES)
    for _ in range(40):
        for start in range(0, 400, 50):
            model.partial_fit(X[start : start + 50], 1e6 * y[start : start + 50] + 1e7)
    assert model.score(X, 1e6 * y + 1e7) > 0.8


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile", "log_cosh"])
def test_the_objective_is_that_of_the_original_units(loss, outputs, dtype, storage):
    units = OutputUnits(np.linspace(-2.0, 5.0, outputs), np.linspace(0.5, 30.0, outputs))
    problem, bare = problem_in(units, loss, outputs, storage, dtype)
    theta = problem.zeros()
    problem.network.initialise(problem.blocks(theta), np.random.RandomState(0))
    original = problem.unstandardize(theta.copy())
    eps = 1e-10 if dtype == np.float64 else 1e-3
    assert problem.value(theta) == pytest.approx(bare.value(original), rel=eps)
    np.testing.assert_allclose(problem.scores(theta), bare.scores(original), rtol=eps, atol=eps)
    np.testing.assert_allclose(problem.standardize(original), theta, rtol=eps, atol=eps)


@pytest.mark.parametrize("outputs", [1, 3])
def test_gradients_are_finite_differences(outputs):
    problem, _ = problem_in(
        OutputUnits(np.full(outputs, 3.0), np.linspace(0.5, 4.0, outputs)), outputs=outputs
    )
    theta = problem.zeros()
    problem.network.initialise(problem.blocks(theta), np.random.RandomState(0))
    gradient, step = problem.loss_gradient(theta), 1e-5  # values of 1e5 are rounded by 1e-11
    for i in np.flatnonzero(gradient)[::3]:
        apart = []
        for side in (step, -step):
            moved = theta.copy()
            moved[i] += side
            apart.append(problem.value(moved) - problem.core.penalty(moved))
        assert gradient[i] == pytest.approx((apart[0] - apart[1]) / (2 * step), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("outputs", [1, 3])
def test_an_update_goes_along_the_gradient_of_the_whole_objective(outputs):
    """Its penalty included, which acts on the original weights."""
    X, y = friedman(60, outputs)
    model = GDMLPRegressor(solver="batch", optimizer="plain", learning_rate=1e-3, alpha=0.5, **SIZES)
    model.set_params(max_iter=1, tol=None, hidden_layer_sizes=(4,))
    problem = model._objective_of(X, y / np.abs(y).max(axis=0))
    units = OutputUnits(np.full(outputs, 0.5), np.linspace(0.2, 3.0, outputs))
    fit = begin_fit(options_of(model), problem.design, problem.targets.in_units(units))
    before = fit.descent.theta.copy()
    train(fit)
    along, step = (before - fit.descent.theta) / 1e-3, 1e-6
    for i in np.flatnonzero(along)[::2]:
        apart = []
        for side in (step, -step):
            moved = before.copy()
            moved[i] += side
            apart.append(fit.problem.value(moved))
        assert along[i] == pytest.approx((apart[0] - apart[1]) / (2 * step), rel=1e-4, abs=1e-6)


def test_y_that_is_about_standardised_is_left_alone():
    X, y = friedman()
    y = (y - y.mean()) / y.std()

    def units_of(y, **params):
        options = options_of(GDMLPRegressor(**params))
        targets = GDMLPRegressor(standardize=False)._objective_of(X, y).targets
        return Units.of_fit(options, design_of(X), targets).output_units(options.objective)

    assert units_of(y) is None
    assert units_of(y, standardize=True) is not None
    assert units_of(4 * y, standardize=False) is None
    assert units_of(4 * y, learning_rate=0.1, standardize=True) is None
    assert units_of(4 * y).scale == pytest.approx([4.0])


@pytest.mark.parametrize("loss", sorted(name for name, loss in LOSSES.items() if loss.task == "regression"))
def test_every_loss_in_large_units(loss):
    X, y = friedman()
    y = y + 1 if LOSSES[loss].log_link else 1e4 * y
    model = GDMLPRegressor(loss, **SIZES).fit(X, y)
    assert model.loss_ < model._objective_of(X, y).value(model._objective_of(X, y).zeros())
    predicted = model.predict(X)
    assert np.corrcoef(predicted, y)[0, 1] > 0.8


def test_squares_of_gradients_that_overflow_are_an_error():
    X, y = friedman()
    with pytest.raises(ValueError, match=r"overflows float32.*Divide y"):
        GDMLPRegressor(**SIZES).fit(X.astype(np.float32), (1e15 * y).astype(np.float32))
