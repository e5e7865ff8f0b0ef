"""objective(): the value that fits report, and a gradient that is its derivative."""

import numpy as np
import pytest
from _data import csr, thin
from sklearn.exceptions import NotFittedError

from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor, GDRegressorCV
from skgd.losses import Quantile

RNG = np.random.default_rng(0)
X = thin(RNG.normal(size=(40, 4)))
Y = RNG.normal(size=(40, 2))
LABELS = RNG.integers(0, 3, 40)
CASES = {
    "squares": (GDRegressor(), Y[:, 0]),
    "l1": (GDRegressor("log_cosh", penalty="elasticnet", alpha=0.1), Y[:, 0]),
    "outputs": (GDRegressor("poisson", alpha=0.3), np.abs(Y)),
    "quantiles": (GDRegressor(Quantile([0.2, 0.7])), Y[:, 1]),
    "softmax": (GDClassifier(), LABELS),
    "no intercept": (GDClassifier("squared_hinge", fit_intercept=False), LABELS > 0),
    "balanced": (GDClassifier(class_weight="balanced", standardize=True), LABELS),
    "perceptron": (GDMLPRegressor(hidden_layer_sizes=(3, 2), activation="tanh", alpha=0.1), 100 * Y),
    "classes": (GDMLPClassifier(hidden_layer_sizes=3, activation="silu"), LABELS),
}


def parameters(model, y, seed=0):
    """Shapes of the parameters of a model, filled at random."""
    rng = np.random.default_rng(seed)
    fitted = model.set_params(max_iter=1, tol=None).fit(X, y)
    found = getattr(fitted, "coef_", None), getattr(fitted, "intercept_", None)
    if found[0] is not None:
        return [rng.normal(size=part.shape) for part in found]
    return [[rng.normal(size=part.shape) for part in parts] for parts in (fitted.coefs_, fitted.intercepts_)]


def arrays(parts):
    return [parts] if isinstance(parts, np.ndarray) else list(parts)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_the_derivative_of_the_value(case, storage, weighted):
    model, y = CASES[case]
    weight = np.random.default_rng(1).uniform(0.1, 2, 40) if weighted else None
    coef, intercept = parameters(model, y)
    rows = storage(X)
    _, gradients = model.objective(rows, y, coef, intercept, weight)
    for given, gradient in zip((coef, intercept), gradients, strict=True):
        for part, slopes in zip(arrays(given), arrays(gradient), strict=True):
            assert part.shape == slopes.shape
            for place in np.ndindex(part.shape):
                before, ends = part[place], []
                for step in (1e-6, -1e-6):
                    part[place] = before + step
                    ends.append(model.objective(rows, y, coef, intercept, weight)[0])
                part[place] = before
                assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slopes[place], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_of_a_fitted_model_it_is_the_loss(case):
    model, y = CASES[case]
    model.set_params(max_iter=20, tol=None, random_state=0).fit(X, y)
    kept = dict(vars(model))
    value, _ = model.objective(X, y)
    assert value == pytest.approx(model.loss_, rel=1e-9)
    assert vars(model) == kept or all(vars(model)[name] is kept[name] for name in kept)


def test_at_a_minimum_the_gradient_is_zero():
    model = GDRegressor(solver="batch", tol=1e-14, max_iter=10_000).fit(X, Y[:, 0])
    _, (weights, intercepts) = model.objective(X, Y[:, 0])
    assert np.abs(weights).max() < 1e-6
    assert np.abs(intercepts).max() < 1e-6


def test_what_is_missing_is_told():
    with pytest.raises(NotFittedError):
        GDRegressor().objective(X, Y)
    with pytest.raises(ValueError, match=r"coef_init has shape \(3,\), but \(1, 4\) is needed"):
        GDRegressor().objective(X, Y[:, 0], coef=[1, 2, 3])
    with pytest.raises(AttributeError, match="best_estimator_"):
        GDRegressorCV(learning_rates=2, cv=2).fit(X, Y[:, 0]).objective(X, Y)
    value, gradient = GDRegressor().objective(X, Y[:, 0], coef=np.zeros(4))
    assert value == pytest.approx(np.mean(Y[:, 0] ** 2) / 2)
    np.testing.assert_allclose(gradient[1], [-Y[:, 0].mean()], rtol=1e-12)
