"""Single sparse rows, standardised or with a strength for each feature, against the same dense rows."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

import skgd

N, D = 300, 500
TOLERANCE = {np.float64: 1e-10, np.float32: 2e-4}


def rows(dtype=np.float64, index=np.int32):
    """Rows of about three of 500 features, in units of their own."""
    rng = np.random.default_rng(0)
    X = sparse.random(N, D, density=3 / D, format="csr", random_state=1, data_rvs=rng.standard_normal)
    X = (X @ sparse.diags(10.0 ** rng.uniform(-1, 1, D))).tocsr().astype(dtype)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    return X, (np.asarray(X @ rng.standard_normal(D)) + rng.standard_normal(N)).astype(dtype)


def assert_same(model, X, y, dtype=np.float64, **fit):
    """Fits to CSR rows and to dense ones end at the same weights."""
    ends = [clone(model).fit(each, y, **fit) for each in (X, X.toarray())]
    for name in ("coef_", "intercept_"):
        lazy, dense = (getattr(each, name) for each in ends)
        np.testing.assert_allclose(lazy, dense, rtol=0, atol=TOLERANCE[dtype] * np.abs(dense).max() + 1e-300)
    np.testing.assert_allclose(ends[0].history_["loss"], ends[1].history_["loss"], rtol=TOLERANCE[dtype])
    assert np.abs(ends[0].coef_).max() > 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("average", [False, True, 200])
@pytest.mark.parametrize("alpha", [0.0, 1e-4, 1e-2])
@pytest.mark.parametrize("rate", [{"learning_rate": 1e-3}, {"learning_rate": 2e-3, "schedule": "cosine"}])
def test_standardised_rows(rate, alpha, average, dtype):
    X, y = rows(dtype)
    settings = {"max_iter": 4, "tol": None, "random_state": 0, "standardize": True}
    assert_same(skgd.GDRegressor(alpha=alpha, average=average, solver="sgd", **rate, **settings), X, y, dtype)


@pytest.mark.parametrize("outputs", [1, 3, 5])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_several_outputs(outputs, index, fit_intercept):
    X, y = rows(index=index)
    Y = np.column_stack([np.roll(y, shift) for shift in range(outputs)])
    model = skgd.GDRegressor(
        solver="sgd", learning_rate=1e-3, max_iter=3, tol=None, random_state=0, standardize=True, average=50
    )
    assert_same(model.set_params(fit_intercept=fit_intercept), X, Y)


@pytest.mark.parametrize("size", [2, 7])
def test_small_batches(size):
    X, y = rows()
    model = skgd.GDClassifier(
        solver="minibatch", batch_size=size, learning_rate=2e-3, max_iter=5, tol=None, standardize=True
    )
    assert_same(model.set_params(random_state=0), X, y > 0)


def test_weights_classes_and_automatic_rates():
    X, y = rows()
    labels, weight = np.digitize(y, [-0.5, 0.5]), np.random.default_rng(1).uniform(0, 2, N)
    model = skgd.GDClassifier(solver="sgd", standardize=True, max_iter=6, tol=None, random_state=0)
    assert_same(model, X, labels, sample_weight=weight)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
def test_a_strength_for_each_feature(standardize, average):
    X, y = rows()
    alpha = 10.0 ** np.random.default_rng(2).uniform(-6, -2, D)
    alpha[:50] = 0
    model = skgd.GDRegressor(
        solver="sgd", alpha=alpha, learning_rate=1e-3, max_iter=5, tol=None, random_state=0, average=average
    )
    assert_same(model.set_params(standardize=standardize), X, y)


def test_weights_are_settled_often_where_penalties_are_strong():
    """An update takes up to 1/256 off the weights; beyond that, all weights are updated."""
    X, y = rows()
    for alpha in (0.1, 3.0, 30.0):
        strengths = np.full(D, alpha)
        strengths[::2] *= 0.1
        model = skgd.GDRegressor(
            solver="sgd", alpha=strengths, learning_rate=1e-3, max_iter=30, tol=None, random_state=0
        )
        assert_same(model.set_params(standardize=False), X, y)


def test_rows_without_non_zeros():
    X, y = rows()
    X = sparse.csr_matrix(X.multiply((np.arange(N) % 3 > 0)[:, None]))
    model = skgd.GDRegressor(solver="sgd", learning_rate=1e-3, max_iter=3, tol=None, standardize=True)
    assert_same(model.set_params(random_state=0), X, y)
