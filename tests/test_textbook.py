"""Runs printed in textbooks, and rates and errors that the theory of descent predicts.

squared_error is half the square: gradients are half those of a book whose objective is the mean
squared error, and learning rates twice as large.
"""

import numpy as np
import pytest
from _data import estimator

import skgd
from skgd import optimizers

QUIET = {"penalty": None, "tol": None, "average": False}


# ---------------------------------------------------------------- Geron, Hands-On ML, chapter 4


def geron():
    """y = 4 + 3 x + noise, as printed; the start of his batch descent."""
    rng = np.random.RandomState(42)
    X = 2 * rng.rand(100, 1)
    y = (4 + 3 * X + rng.randn(100, 1)).ravel()
    return X, y, np.random.RandomState(42).randn(2, 1).ravel()


def geron_descent(rate, epochs=1000, **params):
    X, y, start = geron()
    model = estimator(solver="batch", learning_rate=2 * rate, max_iter=epochs, **QUIET, **params)
    return model.fit(X, y, coef_init=start[1:], intercept_init=start[:1])


def test_geron_batch_gradient_descent():
    model = geron_descent(0.1)
    assert model.intercept_[0] == pytest.approx(4.21509616, abs=5e-9)
    assert model.coef_[0] == pytest.approx(2.77011339, abs=5e-9)


def test_geron_rate_that_diverges():
    with pytest.raises(skgd.DivergenceError) as caught:
        geron_descent(0.5)
    assert caught.value.learning_rate == 1.0
    assert caught.value.largest_stable_learning_rate / 2 == pytest.approx(0.48426, abs=1e-5)


def test_geron_limit_divides_convergence_from_divergence():
    """Along the steepest direction the error is multiplied by 1 - 4.13006 rate a step."""
    X, y, _ = geron()
    best = np.linalg.lstsq(np.c_[np.ones(100), X], y, rcond=None)[0]
    for rate, closer in [(0.4840, True), (0.4845, False)]:
        path = geron_descent(rate, 400, record_path=True).path_[:, ::-1]
        error = np.linalg.norm(path - best, axis=1)
        assert (error[-1] < error[200]) == closer
        growth = (error[-1] / error[200]) ** (1 / 200)
        assert growth == pytest.approx(abs(1 - rate * 4.13006), rel=1e-5)


# ---------------------------------------------------------------- d2l.ai, chapter 12


def quadratic(curvatures):
    """X and y = 0 whose mean half squared error is sum(curvatures * x^2) / 2."""
    curvatures = np.asarray(curvatures, dtype=float)
    return np.diag(np.sqrt(len(curvatures) * curvatures)), np.zeros(len(curvatures))


def descend(curvatures, start, rate, steps, optimizer="plain"):
    """The path of batch descent on the quadratic, one fit of one step after another: divergence
    is then nobody's business but the book's."""
    X, y = quadratic(curvatures)
    model = estimator(
        solver="batch",
        learning_rate=rate,
        optimizer=optimizer,
        max_iter=1,
        warm_start=True,
        fit_intercept=False,
        **QUIET,
    )
    path = [np.asarray(start, dtype=float)]
    for step in range(steps):
        model.fit(X, y, **({} if step else {"coef_init": path[0]}))
        path.append(model.coef_.copy())
    return np.array(path)


D2L = [
    (0.4, "plain", (-0.943467, -0.000073)),
    (0.6, "plain", (-0.387814, -1673.365109)),
    (0.6, optimizers.Momentum(beta=0.5), (0.007188, 0.002553)),
    (0.6, optimizers.Momentum(beta=0.25), (-0.126340, -0.186632)),
    (0.4, optimizers.Adagrad(epsilon=1e-6), (-2.382563, -0.158591)),
    (2.0, optimizers.Adagrad(epsilon=1e-6), (-0.002295, 0.0)),
    (0.4, optimizers.RMSProp(rho=0.9, epsilon=1e-6), (-0.010599, 0.0)),
]


@pytest.mark.parametrize(("rate", "optimizer", "printed"), D2L)
def test_d2l_twenty_steps(rate, optimizer, printed):
    """f = 0.1 x1^2 + 2 x2^2 from (-5, -2)."""
    end = descend([0.2, 4.0], [-5, -2], rate, 20, optimizer)[-1]
    np.testing.assert_allclose(end, printed, rtol=1e-6, atol=1e-6)


def test_twenty_fits_of_one_step_are_one_fit_of_twenty():
    X, y = quadratic([0.2, 4.0])
    model = estimator(
        solver="batch",
        learning_rate=0.4,
        max_iter=20,
        fit_intercept=False,
        record_path=True,
        **QUIET,
    ).fit(X, y, coef_init=[-5, -2])
    stepwise = descend([0.2, 4.0], [-5, -2], 0.4, 20)
    np.testing.assert_allclose(model.path_[:, :2], stepwise, rtol=1e-12)


# ---------------------------------------------------------------- rates on a quadratic

MU, L = 0.05, 4.0
KAPPA = L / MU
SPECTRUM = np.linspace(MU, L, 6)
START = np.ones(6)


def test_gradient_descent_with_rate_one_over_l():
    path = descend(SPECTRUM, START, 1 / L, 60)
    ratio = np.linalg.norm(path[1:], axis=1) / np.linalg.norm(path[:-1], axis=1)
    assert ratio.max() <= 1 - 1 / KAPPA + 1e-12
    assert ratio[-1] == pytest.approx(1 - 1 / KAPPA, rel=1e-4)


def test_gradient_descent_with_the_best_constant_rate():
    path = descend(SPECTRUM, START, 2 / (L + MU), 60)
    ratio = np.linalg.norm(path[1:], axis=1) / np.linalg.norm(path[:-1], axis=1)
    assert ratio.max() <= (KAPPA - 1) / (KAPPA + 1) + 1e-12
    assert ratio[-1] == pytest.approx((KAPPA - 1) / (KAPPA + 1), rel=1e-4)


def test_heavy_ball():
    """Best rate and momentum: the error falls by (sqrt kappa - 1) / (sqrt kappa + 1) a step."""
    root = np.sqrt(KAPPA)
    beta = ((root - 1) / (root + 1)) ** 2
    rate = 4 / (np.sqrt(L) + np.sqrt(MU)) ** 2
    path = descend(SPECTRUM, START, rate, 150, optimizers.Momentum(beta=beta))
    error = np.linalg.norm(path, axis=1)
    fall = (error[150] / error[50]) ** (1 / 100)
    assert fall == pytest.approx(np.sqrt(beta), rel=0.02)


def test_nesterov():
    """beta for a known condition: the objective falls by 1 - 1 / sqrt kappa a step or faster."""
    root = np.sqrt(KAPPA)
    path = descend(SPECTRUM, START, 1 / L, 120, optimizers.Nesterov(beta=(root - 1) / (root + 1)))
    objective = (SPECTRUM * path**2).sum(axis=1) / 2
    bound = (objective[0] + MU * (START**2).sum() / 2) * (1 - 1 / root) ** np.arange(121)
    assert np.all(objective <= bound * (1 + 1e-9))


@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_the_stability_limit_of_batch_descent(factor):
    path = descend(SPECTRUM, START, factor * 2 / L, 200)
    assert (np.abs(path[-1, -1]) < 1) == (factor < 1)
    assert np.abs(path[-1, -1]) == pytest.approx(np.abs(1 - 2 * factor) ** 200, rel=1e-9)


# ---------------------------------------------------------------- stochastic descent


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_stationary_error_of_single_row_descent(rate):
    """On isotropic Gaussian rows with noise s2, every coordinate hovers about the truth with mean
    square rate s2 / (2 - rate (d + 2)); rows never seen twice."""
    n, d, s2 = 200_000, 4, 0.5
    rng = np.random.default_rng(0)
    X, truth = rng.normal(size=(n, d)), np.arange(1.0, d + 1)
    y = X @ truth + np.sqrt(s2) * rng.normal(size=n)
    model = estimator(
        solver="sgd",
        learning_rate=rate,
        shuffle=False,
        max_iter=1,
        check_every=50,
        record_path=True,
        fit_intercept=False,
        **QUIET,
    ).fit(X, y)
    settled = model.path_[len(model.path_) // 20 :, :d]
    error = np.mean((settled - truth) ** 2)
    assert error == pytest.approx(rate * s2 / (2 - rate * (d + 2)), rel=0.05)


def test_one_pass_over_the_benchmark_of_the_r_package_sgd():
    """N = 1e5, d = 100, theta = 5, unit noise: nothing unbiased gets below d / N; one averaged pass
    comes within a factor of three of it."""
    n, d = 100_000, 100
    rng = np.random.default_rng(0)
    X = rng.standard_normal(size=(n, d), dtype=np.float32)
    y = 5 * X.sum(axis=1) + rng.standard_normal(n, dtype=np.float32)
    model = estimator(solver="sgd", penalty=None, fit_intercept=False, max_iter=1, tol=None)
    assert np.sum((model.fit(X, y).coef_ - 5) ** 2) < 3 * d / n
