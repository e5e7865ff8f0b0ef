"""Dense rows that are mostly zeros: perceptrons skip the zeros, and nothing else changes."""

import _perceptron as perceptron
import numpy as np
import pytest
from _data import SOLVERS, csr, make

from skgd import GDMLPClassifier, GDMLPRegressor


def gappy(n=150, d=40, outputs=3, share=0.15, dtype=np.float64):
    """Rows of which a share is not zero, some of them empty; one column is empty, one is full."""
    X, y = make(n=n, d=d, outputs=outputs, dtype=dtype)
    X = X * (np.random.default_rng(1).random((n, d)) < share)
    X[:, 3], X[:, 5] = 0, 1
    X[7] = 0
    return np.ascontiguousarray(X, dtype=dtype), y


def layers(kind, X, y, **params):
    fixed = {"shuffle": False, "tol": None, "learning_rate": 0.02, "max_iter": 3, "random_state": 0}
    return perceptron.layers_of(kind(**{**fixed, **params}).fit(X, y))


def assert_same(ones, others, **tolerance):
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


@pytest.mark.parametrize("hidden", [(1,), (4,), (9, 3), (60,), (130,)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_zeros_of_dense_rows_are_skipped_without_a_trace(solver, hidden):
    X, y = gappy()
    params = {"hidden_layer_sizes": hidden, "solver": solver, "optimizer": "plain", "activation": "tanh"}
    skipping = layers(GDMLPRegressor, X, y, **params)
    assert_same(skipping, layers(GDMLPRegressor, csr(X), y, **params), rtol=1e-9, atol=1e-12)
    start = {"coef_init": [w[:-1] for w in skipping], "intercept_init": [w[-1] for w in skipping]}
    model = GDMLPRegressor(**params, shuffle=False, tol=None, learning_rate=0.02, max_iter=1, alpha=0.0)
    model.fit(X, y, **start)
    expected = perceptron.descend(
        skipping,
        X,
        y,
        "squared_error",
        "tanh",
        rate=0.02,
        size={"batch": None, "minibatch": 32, "sgd": 1}[solver],
    )
    assert_same(perceptron.layers_of(model), expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.34, 0.9])
def test_any_share_of_zeros_gives_the_model_of_csr(share):
    X, y = gappy(share=share)
    params = {"hidden_layer_sizes": (20,), "batch_size": 70}
    assert_same(
        layers(GDMLPRegressor, X, y, **params),
        layers(GDMLPRegressor, csr(X), y, **params),
        rtol=1e-6,
        atol=1e-9,
    )


def test_float32_and_classes():
    X, y = gappy(dtype=np.float32)
    params = {"hidden_layer_sizes": (30,), "batch_size": 16}
    ones = layers(GDMLPClassifier, X, y.argmax(axis=1), **params)
    others = layers(GDMLPClassifier, csr(X), y.argmax(axis=1), **params)
    assert_same(ones, others, rtol=1e-3, atol=1e-4)
