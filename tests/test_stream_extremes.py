"""Streams of sparse rows under rates and penalties that leave the range of numbers."""

import numpy as np
import pytest
from _data import covering, csr, estimator, theta, wide

from skgd.optimizers import FTRL, Adagrad

RULES = {"plain": "plain", "adagrad": Adagrad(), "ftrl": FTRL()}


def feed(model, X, y, **options):
    """Feed rows by tens, between rows without entries: a call that fails leaves the model as it was."""
    X = csr(X)
    for part in range(0, len(y), 10):
        for rows in (X[:10] * 0, X[part : part + 10]):
            before = theta(model) if hasattr(model, "coef_") else None
            try:
                model.partial_fit(rows, y[part : part + 10], **options)
            except ValueError:
                if before is not None:
                    np.testing.assert_array_equal(theta(model), before)
            if hasattr(model, "coef_"):
                assert np.isfinite(theta(model)).all()


@pytest.mark.parametrize("rate", [1e-300, 0.1, 1e38, 1e300])
@pytest.mark.parametrize("alpha", [0.1, 1e38, 1e300])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize("rule", RULES)
def test_no_stream_ends_with_parameters_that_are_not_finite(rule, penalty, alpha, rate):
    X, y = wide(n=30)
    fixed = {
        "optimizer": RULES[rule],
        "penalty": penalty,
        "alpha": alpha,
        "learning_rate": rate,
        "batch_size": 3,
    }
    for dtype, average, solver in covering((np.float32, np.float64), (False, True), ("sgd", "minibatch")):
        params = {**fixed, "average": average, "solver": solver, "batch_size": 3}
        feed(estimator("squared_error", **params), X.astype(dtype), y)
        feed(estimator("perceptron", **params), X.astype(dtype), (y > 0).astype(int), classes=[0, 1])


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_rate_that_no_weight_survives_is_an_error_of_rows_without_entries_too(dtype, outputs):
    """No feature is touched, and all are multiplied by a factor that is infinite."""
    X, y = csr(np.zeros((20, 70), dtype=dtype)), np.full((20, outputs), 5.0)
    model = estimator("squared_error", alpha=1e300, learning_rate=1e300, solver="minibatch", batch_size=32)
    with pytest.raises(ValueError):
        model.partial_fit(X, y if outputs > 1 else y.ravel())
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("shape", [csr, np.asarray])
@pytest.mark.parametrize("rule", RULES)
def test_a_model_too_large_for_float32_is_an_error_of_a_call_in_float32(rule, shape):
    X, y = wide(n=30)
    rate = 0.1 if rule == "plain" else 1e60
    model = estimator("squared_error", optimizer=RULES[rule], learning_rate=rate, solver="minibatch")
    model.partial_fit(csr(X), 1e60 * y)
    before = theta(model)
    assert np.abs(before).max() > np.finfo(np.float32).max
    with pytest.raises(ValueError, match="overflows float32"):
        model.partial_fit(shape(np.zeros((20, X.shape[1]), dtype=np.float32)), np.zeros(20))
    np.testing.assert_array_equal(theta(model), before)
    model.partial_fit(shape(np.zeros((20, X.shape[1]))), np.zeros(20))
    assert np.isfinite(theta(model)).all()
