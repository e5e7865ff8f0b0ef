"""GDOneClassSVM: the minimum that scikit-learn's exact solver finds, and its conventions."""

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDOneClassSVM
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import check_estimator

import skgd
from skgd import GDOneClassSVM, GDRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def objective(w, rho, X, nu, weight=None):
    return nu / 2 * w @ w - nu * rho + np.average(np.maximum(0, rho - X @ w), weights=weight)


def exact(X, nu, weight=None):
    """Weights and offset of the minimum, of libsvm, whose dual variables sum to nu n."""
    weight = np.ones(len(X)) if weight is None else weight * len(X) / weight.sum()
    peer = OneClassSVM(kernel="linear", nu=nu, tol=1e-10).fit(X, sample_weight=weight)
    scale = peer.dual_coef_.sum()
    return peer.coef_[0] / scale, float(-peer.intercept_[0]) / scale


@pytest.fixture(scope="module")
def X():
    return load_iris().data[:120]


@pytest.mark.parametrize("nu", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize(("solver", "near"), [("batch", 2e-3), ("minibatch", 1e-2), ("sgd", 1e-2)])
def test_minimum(X, nu, solver, near):
    low = objective(*exact(X, nu), X, nu)
    model = GDOneClassSVM(nu, solver=solver, random_state=0, tol=1e-6).fit(X)
    found = objective(model.coef_[0], model.offset_[0], X, nu)
    assert model.loss_ == pytest.approx(found, rel=1e-9)
    assert -1e-9 * max(1.0, abs(low)) <= found - low <= near * abs(low)  # low is as exact as libsvm makes it
    assert abs((model.predict(X) == -1).mean() - nu) < 0.06


def test_lower_than_sgd_of_scikit_learn(X):
    peer = SGDOneClassSVM(nu=0.2, random_state=0).fit(X)
    model = GDOneClassSVM(0.2, random_state=0).fit(X)
    theirs = objective(peer.coef_, peer.offset_[0], X, 0.2)
    assert objective(model.coef_[0], model.offset_[0], X, 0.2) <= theirs + 1e-9


def test_nu_of_one(X):
    model = GDOneClassSVM(1.0, solver="batch").fit(X)
    np.testing.assert_allclose(model.coef_[0], X.mean(axis=0), rtol=1e-2)


def test_scores(X):
    model = GDOneClassSVM(0.3, random_state=0).fit(X)
    np.testing.assert_allclose(model.score_samples(X), X @ model.coef_[0], rtol=1e-12)
    np.testing.assert_allclose(model.decision_function(X), model.score_samples(X) - model.offset_, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), np.where(model.decision_function(X) >= 0, 1, -1))
    np.testing.assert_array_equal(clone(model).fit_predict(X), model.predict(X))


def test_weights_are_repetitions(X):
    weight = np.random.default_rng(0).integers(0, 4, len(X))
    options = {"solver": "batch", "tol": 1e-7}
    weighted = GDOneClassSVM(0.3, **options).fit(X, sample_weight=weight)
    repeated = GDOneClassSVM(0.3, **options).fit(np.repeat(X, weight, axis=0))
    low = objective(*exact(np.repeat(X, weight, axis=0), 0.3), X, 0.3, weight)
    for model in (weighted, repeated):
        assert objective(model.coef_[0], model.offset_[0], X, 0.3, weight) - low < 5e-3 * abs(low)


def test_sparse_rows():
    X = sparse.random_array((200, 30), density=0.2, random_state=0, format="csr")
    dense, csr = (GDOneClassSVM(0.2, random_state=0).fit(rows) for rows in (X.toarray(), X))
    np.testing.assert_allclose(csr.coef_, dense.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(csr.predict(X), dense.predict(X.toarray()))


def test_single_precision(X):
    model = GDOneClassSVM(0.2, random_state=0).fit(X.astype(np.float32))
    assert model.coef_.dtype == model.offset_.dtype == np.float32
    double = GDOneClassSVM(0.2, random_state=0).fit(X)
    assert model.loss_ == pytest.approx(double.loss_, rel=1e-2)


def test_it_is_a_quantile_regression(X):
    """With the mean row m: y = -m'(x - m), v = w - m."""
    mean = X.mean(axis=0)
    y = -(X - mean) @ mean
    model = GDOneClassSVM(0.2, random_state=0).fit(X)
    twin = GDRegressor(skgd.losses.Quantile(0.8), alpha=0.2, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.coef_[0] - mean, twin.coef_, rtol=0, atol=1e-12)
    assert model.n_iter_ == twin.n_iter_


def test_conventions():
    failed = [
        result["check_name"]
        for result in check_estimator(GDOneClassSVM(max_iter=50), on_fail=None, on_skip=None)
        if result["status"] == "failed"
    ]
    assert failed == []


@pytest.mark.parametrize(("nu", "match"), [(0.0, "nu"), (1.5, "nu")])
def test_bad_parameters(X, nu, match):
    with pytest.raises(ValueError, match=match):
        GDOneClassSVM(nu).fit(X)


def test_an_interrupted_fit_has_a_model(X, monkeypatch):
    from skgd import _training

    real, calls = _training._Training.check, []

    def check(self, stretch):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, stretch)

    monkeypatch.setattr(_training._Training, "check", check)
    model = GDOneClassSVM(0.2, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.stop_reason_ == "interrupted"
    assert set(model.predict(X)) <= {1, -1}


# ---------------------------------------------------------------- streams


def blob(n, seed=0, d=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ np.diag(np.linspace(0.5, 1.5, d)) + np.linspace(3, 1, d)


def streamed(X, size, **params):
    model = GDOneClassSVM(**{"nu": 0.1, "random_state": 0, **params})
    for k in range(0, X.shape[0], size):
        model.partial_fit(X[k : k + size])
    return model


@cache
def of_all_rows():
    return GDOneClassSVM(0.1, solver="batch", tol=1e-6).fit(blob(20_000))


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
@pytest.mark.parametrize("size", [20, 500, 20_000])
def test_a_stream_comes_near_the_minimum(solver, size):
    X, new = blob(20_000), blob(20_000, 1)
    best = of_all_rows()
    model = streamed(X, size, solver=solver)
    low = objective(best.coef_[0], best.offset_[0], X, 0.1)
    assert objective(model.coef_[0], model.offset_[0], X, 0.1) - low < 0.02 * abs(low)
    assert abs((model.predict(new) == -1).mean() - 0.1) < 0.03


def test_one_call_is_one_epoch():
    X = blob(400)
    model = streamed(X, 400, shuffle=False)
    mean = X.mean(axis=0)
    twin = GDRegressor(skgd.losses.Quantile(0.9), alpha=0.1, random_state=0, shuffle=False)
    twin.partial_fit(X, -(X - mean) @ mean)
    np.testing.assert_allclose(model.coef_[0], twin.coef_ + mean, rtol=1e-12)


def test_carrying_over_to_another_mean_changes_nothing():
    """Rows without a slope: the model stays, but for its penalty, which is about another mean now."""
    model = streamed(blob(400), 100)
    w, rho = model.coef_[0].copy(), model.offset_[0]
    regression, mean, _ = model._stream
    from skgd.one_class import _carried_over

    moved = skgd._descent.Descent(**_carried_over(regression, mean, mean + 1)["_descent"]).parameters
    np.testing.assert_allclose(moved[:-1, 0] + mean + 1, w, rtol=1e-12)
    assert (mean + 1) @ (mean + 1) - moved[-1, 0] == pytest.approx(rho, rel=1e-12)


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
def test_sparse_and_dense_streams_agree(solver):
    X = sparse.random_array((400, 30), density=0.2, random_state=0, format="csr")
    dense = streamed(X.toarray(), 100, solver=solver, standardize=False)
    csr = streamed(X, 100, solver=solver, standardize=False)
    np.testing.assert_allclose(csr.coef_, dense.coef_, rtol=1e-8, atol=1e-10)


def test_a_stream_goes_on_from_a_fit_and_from_a_pickle():
    X = blob(2000)
    model = GDOneClassSVM(0.1, random_state=0).fit(X[:1000])
    before, start = model.offset_.copy(), model.n_updates_
    copy = pickle.loads(pickle.dumps(model))
    model.partial_fit(X[1000:]), copy.partial_fit(X[1000:])
    np.testing.assert_array_equal(model.coef_, copy.coef_)
    assert model.n_updates_ == start + 32 and abs(model.offset_ - before) < 0.1 * abs(before)
    again = GDOneClassSVM(0.1, random_state=0).fit(X[:1000])
    np.testing.assert_array_equal(model.fit(X[:1000]).coef_, again.coef_)


def test_a_call_that_raises_leaves_the_model():
    X = blob(200)
    model = streamed(X, 100)
    coef = model.coef_.copy()
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(np.full((5, 4), np.nan))
    np.testing.assert_array_equal(model.coef_, coef)
    assert not hasattr(GDOneClassSVM(solver="batch"), "partial_fit")


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_first_call_that_raises_leaves_nothing(call, dtype):
    model = GDOneClassSVM(solver="minibatch")
    given = dict(vars(model))
    X = pd.DataFrame(blob(20) * np.sqrt(np.finfo(dtype).max), columns=list("abcd")).astype(dtype)
    if dtype == np.float32:
        X.iloc[3, 2] = np.nan
    with pytest.raises(ValueError, match="overflow" if dtype == np.float64 else "NaN"):
        getattr(model, call)(X)
    assert vars(model) == given
    with pytest.raises(NotFittedError):
        model.predict(X)
    getattr(model, call)(X.fillna(0) / np.sqrt(np.finfo(dtype).max))
    assert list(model.feature_names_in_) == list("abcd")


def test_parameters_that_are_changed_between_calls_are_validated(X):
    stream = GDOneClassSVM().partial_fit(X).set_params(nu=None)
    with pytest.raises(ValueError, match="'nu' parameter"):
        stream.partial_fit(X)


def test_weights_that_overflow_are_refused(X, monkeypatch):
    stream = GDOneClassSVM().partial_fit(X)
    coef, partial_fit = stream.coef_.copy(), GDRegressor.partial_fit

    def overflowing(model, *rows, **options):
        partial_fit(model, *rows, **options).coef_[:] = np.inf

    monkeypatch.setattr(GDRegressor, "partial_fit", overflowing)
    with pytest.raises(ValueError, match="The weights overflow float64: lower learning_rate='auto'"):
        stream.partial_fit(X)
    np.testing.assert_array_equal(stream.coef_, coef)


def test_weights_and_precision_of_a_stream():
    X = blob(300)
    model = streamed(X.astype(np.float32), 100)
    assert model.coef_.dtype == np.float32
    np.testing.assert_allclose(model.coef_, streamed(X, 100).coef_, rtol=1e-3)
    twice = GDOneClassSVM(0.1, random_state=0).partial_fit(X, sample_weight=np.full(300, 2.0))
    once = GDOneClassSVM(0.1, random_state=0).partial_fit(X)
    assert np.isfinite(twice.coef_).all() and abs(twice.offset_ - once.offset_) < 0.2 * abs(once.offset_)
