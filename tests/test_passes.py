"""How often a fit reads X: the passes that are left, and that they give what they gave."""

import numpy as np
import pytest
from _data import make

from skgd import GDClassifier, GDRegressor
from skgd._core import core
from skgd._step_size import _largest_by_lanczos, scale_of
from skgd.losses import LOSSES


@pytest.fixture
def readings(monkeypatch):
    """Names of the core's passes over all rows, as they are made."""
    seen = []

    def counted(name, kind):
        made = getattr(kind, name)

        def method(problem, *args):
            gradient = name == "evaluate" and len(args) > 1 and args[1] is not None
            seen.append("gradient" if gradient else name)
            return made(problem, *args)

        monkeypatch.setattr(kind, name, method)

    for kind in (core.Problem32, core.Problem64):
        counted("evaluate", kind)
        counted("row_moments", kind)
    return seen


def problem_of(loss, X, y, standardize=False, weight=None):
    estimator = GDRegressor if LOSSES[loss].task == "regression" else GDClassifier
    model = estimator(loss, solver="sgd", standardize=standardize, learning_rate=0.1)
    return model._objective_of(X, y, weight)


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(("n", "d"), [(5, 1), (700, 3), (4500, 21), (999, 70)])
def test_objective_is_the_mean_of_the_losses(loss, standardize, n, d):
    rng = np.random.default_rng(n)
    X = rng.normal(3, 1, (n, d))
    y = rng.integers(0, 2, n) if LOSSES[loss].task == "classification" else rng.random(n) + 0.1
    y[:2] = 0, 1
    if LOSSES[loss].task == "regression":
        y[0] = 0.5
    for weight in (None, rng.random(n)):
        for dtype, rtol in ((np.float64, 1e-12), (np.float32, 2e-6)):
            problem = problem_of(loss, X.astype(dtype), y, standardize, weight)
            theta = problem.zeros()
            theta[:, 0] = rng.standard_normal(d + 1) / 3
            for scale in (1, 0, 1e-3) if loss != "log_loss" else (1, 0, 40):
                at = (theta * scale).astype(dtype)
                gradient = problem.zeros()
                by_blocks = problem.core.evaluate(at, gradient, 1)
                assert problem.core.evaluate(at, None, 1) == pytest.approx(by_blocks, rel=rtol)


def test_small_log_losses_keep_their_digits():
    X, y = np.linspace(30, 40, 2000)[:, None], np.ones(2000, dtype=int)
    y[0] = 0
    problem = problem_of("log_loss", X, y)
    theta = np.array([[1.0], [0.0]])
    expected = X[0, 0] + np.log1p(np.exp(-X[1:, 0])).sum()
    assert problem.core.evaluate(theta, None, 1) == pytest.approx(expected, rel=1e-15)
    rest = problem_of("log_loss", np.vstack([X[1:], -X[1:2]]), np.append(y[1:], 0))
    expected = np.log1p(np.exp(-X[1:, 0])).sum() + np.log1p(np.exp(-X[1, 0]))
    assert rest.core.evaluate(theta, None, 1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_objective_does_not_depend_on_the_threads(dtype):
    X, y = make("log_loss", n=40_000, d=20)
    problem = problem_of("log_loss", X.astype(dtype), y)
    theta = problem.zeros()
    theta[:, 0] = np.linspace(-1, 1, 21)
    one = problem.core.evaluate(theta, None, 1)
    assert all(problem.core.evaluate(theta, None, threads) == one for threads in (2, 3, 8))


@pytest.mark.parametrize("rows", ["isotropic", "decaying", "far from zero", "narrow"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_largest_eigenvalue_takes_few_passes(readings, rows, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 200))
    if rows == "decaying":
        X *= np.geomspace(1, 0.01, 200)
    if rows == "far from zero":
        X += 5
    if rows == "narrow":
        X *= np.linspace(1, 0.5, 200)
    problem = problem_of("squared_error", X.astype(dtype), X[:, 0])
    Z = np.column_stack([X, np.ones(len(X))])
    true = np.linalg.eigvalsh(Z.T @ Z / len(Z))[-1]
    assert 0.96 * true <= _largest_by_lanczos(problem, 1) <= true * (1 + 1e-5)
    assert len(readings) <= 10  # 20 power iterations gave .97 to .99


def test_lanczos_ends_where_all_directions_are_seen(readings):
    X = np.zeros((50, 200))
    X[:, :2] = [3.0, 0.0]
    problem = problem_of("squared_error", X, np.arange(50.0))
    assert _largest_by_lanczos(problem, 1) == pytest.approx(np.linalg.eigvalsh([[9.0, 3], [3, 1]])[-1])
    assert len(readings) <= 4


@pytest.mark.parametrize("batch_size", [8, 32, 128])
def test_few_rows_tell_the_rate_of_mini_batches(monkeypatch, batch_size):
    rng = np.random.default_rng(1)
    problem = problem_of("squared_error", rng.standard_normal((20_000, 300)), rng.standard_normal(20_000))
    fast = scale_of(problem, batch_size).largest_stable(batch_size)
    monkeypatch.setattr("skgd._step_size._SMALL_SAMPLE", 10**9)
    assert fast == pytest.approx(scale_of(problem, batch_size).largest_stable(batch_size), rel=0.06)


def test_the_objective_is_evaluated_once_for_each_check(readings):
    X, y = make("squared_error", n=3000, d=30)
    model = GDRegressor(solver="sgd", random_state=0).fit(X, y)
    checks = len(model.loss_curve_)
    # the start, then a mean for each check; the last iterate and two steps of the diagnosis at the end
    assert readings.count("evaluate") <= checks + 4
    assert readings.count("row_moments") == 1


def test_a_given_rate_costs_one_evaluation(readings):
    X, y = make("squared_error", n=3000, d=30)
    GDRegressor(solver="sgd", learning_rate=1e-3, max_iter=1, tol=None).fit(X, y)
    assert readings == ["evaluate", "evaluate"]  # where it starts (weights of zero: no row is read), loss_
