"""Random problems in raw units; 1,000 of them: benchmarks/random_problems.py."""

import _random_problems as problems
import _reference as reference
import numpy as np
import pytest


@pytest.mark.parametrize("seed", range(40))
def test_a_fit_ends_at_the_minimum_or_warns(seed):
    outcome = problems.outcome(problems.random_problem(seed))
    assert outcome.violation is None, outcome


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
