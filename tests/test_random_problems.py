"""Random problems in raw units; 1,000 of them: benchmarks/random_problems.py."""

import warnings

import _random_problems as problems
import _reference as reference
import numpy as np
import pytest
from sklearn.datasets import load_linnerud
from sklearn.exceptions import ConvergenceWarning

import skgd
from skgd._design import design_of
from skgd._options import options_of
from skgd._problem import Problem
from skgd._remaining_gain import remaining_gain
from skgd._targets import Targets


@pytest.mark.parametrize("seed", range(40))
def test_a_fit_ends_at_the_minimum_or_warns(seed):
    outcome = problems.outcome(problems.random_problem(seed))
    assert outcome.violation is None, outcome


def of_the_constant(problem):
    """The least objective without weights."""
    constant = problems.Problem(**{**vars(problem), "X": np.zeros((len(problem.X), 1))})
    return problems.objective(constant, problems.minimum(constant, 1))


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "modified_huber", "log_loss"])
@pytest.mark.parametrize("optimizer", ["plain", "momentum", "rmsprop", "adam"])
def test_of_rare_classes_fits_reach_more_than_a_constant_or_warn(loss, solver, optimizer):
    """Each twentieth row is of a class, so that zero scores are far above the best constant."""
    rng = np.random.default_rng(4)
    X = rng.lognormal(0, 2, (300, 4))
    scores = np.log1p(X).sum(axis=1) + rng.normal(size=300)
    y = (scores > np.quantile(scores, 0.95)).astype(int)
    settings = {"solver": solver, "optimizer": optimizer, "penalty": "l2", "alpha": 1e-4, "random_state": 0}
    settings["fit_intercept"] = True
    outcome = problems.outcome(problems.Problem(4, loss, X, y, None, X, settings, False))
    left = (outcome.end - outcome.lowest) / (of_the_constant(outcome.problem) - outcome.lowest)
    assert left < 0.03 or outcome.cause is not None, (left, outcome.stop)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "epsilon_insensitive", "huber"])
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_a_search_ends_at_the_minimum_or_warns(loss, solver):
    """The rate is not the user's, who may not know that `tol` ended the fit on all rows early."""
    X, y = load_linnerud(return_X_y=True)
    y = y[:, 0]
    settings = {"penalty": "l2", "fit_intercept": True}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search = skgd.GDRegressorCV(loss, solver=solver, cv=3, random_state=0).fit(X, y)
    problem = problems.Problem(0, loss, X, y, None, X, {**settings, "alpha": 1e-4}, False)
    lowest = problems.objective(problem, problems.minimum(problem, 1))
    end = problems.objective(problem, np.append(search.coef_, search.intercept_)[:, None])
    left = (end - lowest) / (of_the_constant(problem) - lowest)
    assert left < 0.05 or any(each.category is ConvergenceWarning for each in caught), left


@pytest.mark.parametrize("loss", ["absolute_error", "epsilon_insensitive", "huber", "log_cosh"])
@pytest.mark.parametrize("unit", [1.0, 1e2, 1e4])
def test_what_a_fit_left_under_a_loss_that_is_linear_far_out_is_found(loss, unit):
    """Steps from beside the minimum, with heavy tails, find at least a fifth of what is left."""
    rng = np.random.default_rng(0)
    X = rng.standard_t(3, (150, 6))
    y = unit * (X @ rng.normal(size=6) + rng.standard_t(2, 150))
    settings = {"solver": "batch", "penalty": None, "alpha": 0.0, "fit_intercept": True}
    problem = problems.Problem(0, loss, X, y, None, X, settings, False)
    theta = problems.minimum(problem, 1) + unit * 0.05 * rng.normal(size=(7, 1))
    left = problems.objective(problem, theta) - problems.objective(problem, problems.minimum(problem, 1))
    objective = options_of(skgd.GDRegressor(loss, penalty=None)).objective
    given = Problem(design_of(X), Targets(y, None, 1, False), objective)
    found = remaining_gain(given, theta, least=left / 5)
    assert left / 5 < found < left * (1 + 1e-6)


# ---------------------------------------------------------------- the reference itself


def problem_of(loss, penalty="l2", alpha=0.01, n=80, d=4, seed=0):
    """Columns in units from 1e-3 to 1e3, far from zero."""
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, d)) + 3) * np.logspace(-3, 3, d)
    y = problems.random_targets(rng, problems.LOSSES[loss](), X)
    y = y if loss in reference.REGRESSION else np.minimum(y, 1)
    settings = {"penalty": penalty, "alpha": alpha, "fit_intercept": True}
    return problems.Problem(seed, loss, X, y, rng.exponential(size=n), X, settings, False)


@pytest.mark.parametrize("alpha", [0.0, 1e-2, 1e3])
def test_the_minimum_of_a_ridge_regression_is_the_closed_form(alpha):
    problem = problem_of("squared_error", alpha=alpha)
    share = problem.weights / problem.weights.sum()
    X, y = problem.X - share @ problem.X, problem.y - share @ problem.y
    hessian = X.T * share @ X + alpha * np.eye(4)
    scale = np.sqrt(np.diag(hessian))  # of columns in such different units
    coef = np.linalg.solve(hessian / np.outer(scale, scale), X.T @ (share * y) / scale) / scale
    theta = np.append(coef, share @ problem.y - share @ problem.X @ coef)[:, None]
    lowest, best = (
        problems.objective(problem, problems.minimum(problem, 1)),
        problems.objective(problem, theta),
    )
    assert lowest == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("loss", ["log_loss", "huber", "poisson", "squared_hinge"])
@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
def test_the_subgradient_at_the_minimum_contains_zero(loss, penalty):
    problem = problem_of(loss, penalty)
    theta = problems.minimum(problem, 1)
    l1, l2 = problems.strengths(problem)
    weights = reference.mean_one(problem.weights, len(problem.X))
    slope = reference.loss_gradient(theta, problem.X, problem.y, loss, weights=weights)[:, 0]
    w, slope_of_weights = theta[:-1, 0], slope[:-1] + l2 * theta[:-1, 0]
    excess = np.where(
        w == 0, np.maximum(np.abs(slope_of_weights) - l1, 0), slope_of_weights + l1 * np.sign(w)
    )
    # along deviations from the mean, where the curvature is about one
    along = (excess - problem.X.mean(axis=0) * slope[-1]) / np.sqrt(problem.X.var(axis=0) + l2)
    room = problems.objective(problem, 0 * theta)
    np.testing.assert_allclose(along, 0, atol=1e-4 * room)
    assert abs(slope[-1]) < 1e-4 * room


@pytest.mark.parametrize("loss", sorted(problems.KINKS))
@pytest.mark.parametrize("delta", [1e-1, 1e-4])
def test_smoothed_losses_are_close_to_theirs(loss, delta):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(200, 1))
    y = rng.integers(2, size=200) if loss == "hinge" else rng.normal(size=200)
    values, slopes = problems._smoothed(loss, y, z, delta)
    exact, _ = reference.value_and_slope(loss, y, z)
    assert np.abs(values - exact).max() <= delta
    h = 1e-7
    difference = (
        problems._smoothed(loss, y, z + h, delta)[0] - problems._smoothed(loss, y, z - h, delta)[0]
    ) / (2 * h)
    inside = np.abs(difference - slopes[:, 0]) < 1e-4
    assert inside.mean() > 0.95  # the rest lies next to a change of the formula


def test_no_descent_is_below_the_minimum():
    """A fit with the exact coordinates and a small tolerance ends where the reference does."""
    for loss in ("absolute_error", "log_loss", "hinge"):
        problem = problem_of(loss)
        problem.settings.update(solver="batch", standardize=True, tol=0.0, max_iter=5000, random_state=0)
        model, _ = problems.fitted(problem)
        theta = np.vstack([np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)])
        end, lowest = (
            problems.objective(problem, theta),
            problems.objective(problem, problems.minimum(problem, 1)),
        )
        start = problems.objective(problem, 0 * theta)
        assert end >= lowest - 1e-3 * (start - lowest), loss
