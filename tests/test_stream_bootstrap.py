"""StreamBootstrap: copies beside a stream, under random weights of its rows."""

import pickle

import numpy as np
import pytest
from _data import csr, make
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skgd import GDClassifier, GDMLPRegressor, GDRegressor, _replicates
from skgd.inference import StreamBootstrap, summarize
from skgd.losses import Quantile
from skgd.optimizers import Adam, Momentum
from skgd.schedules import InvScaling

FALLING = {"solver": "sgd", "schedule": InvScaling(power=0.5)}
STREAMS = {
    "minibatch": GDRegressor(alpha=0.01, random_state=0),
    "sgd": GDRegressor(alpha=0.01, random_state=0, **FALLING),
    "rate": GDRegressor(learning_rate=0.01, average=True, random_state=0),
    "units": GDRegressor(alpha=0.01, standardize=True, random_state=0),
    "momentum": GDRegressor(optimizer=Momentum(), alpha=0, random_state=0),
    "adam": GDRegressor(optimizer=Adam(), alpha=0, random_state=0),
    "huber": GDRegressor("huber", penalty=None, random_state=0),
    "log_loss": GDClassifier(alpha=0.01, random_state=0),
    "factors": GDRegressor(alpha=np.array([0.1, 0.0, 0.2, 0.0, 0.3]), standardize=True, random_state=0),
}


def rows(estimator, n=600, outputs=1, dtype=float, seed=0):
    X, y = make(
        "log_loss" if isinstance(estimator, GDClassifier) else "squared_error", n, outputs=outputs, seed=seed
    )
    return (X * [1, 10, 0.1, 1, 1] + 2).astype(dtype), y


def feed(stream, X, y, size=100, classes=None, **params):
    for k in range(0, len(y), size):
        stream.partial_fit(X[k : k + size], y[k : k + size], classes=classes, **params)
    return stream


def plain(estimator, X, y, size=100, classes=None):
    model = clone(estimator)
    for k in range(0, len(y), size):
        model.partial_fit(
            X[k : k + size], y[k : k + size], **({} if classes is None else {"classes": classes})
        )
    return model


def classes_for(estimator, y):
    return np.unique(y) if isinstance(estimator, GDClassifier) else None


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("name", STREAMS)
def test_the_model_is_that_of_a_plain_stream(name, storage):
    estimator = STREAMS[name]
    X, y = rows(estimator)
    classes = classes_for(estimator, y)
    stream = feed(StreamBootstrap(estimator, n_replicates=3, random_state=0), storage(X), y, classes=classes)
    expected = plain(estimator, storage(X), y, classes=classes)
    np.testing.assert_array_equal(stream.estimator_.coef_, expected.coef_)
    np.testing.assert_array_equal(stream.estimator_.intercept_, expected.intercept_)
    assert stream.replicates_.shape == (3, 1, 6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", STREAMS)
def test_columns_are_trainings_of_their_own(name, dtype, monkeypatch):
    estimator = STREAMS[name]
    X, y = rows(estimator, dtype=dtype)
    found = []
    for together in (True, False):
        if not together:
            monkeypatch.setattr(_replicates, "_share_columns", lambda fit: False)
        stream = StreamBootstrap(estimator, n_replicates=5, random_state=0)
        found.append(feed(stream, X, y, classes=classes_for(estimator, y)))
    assert [one._replicates.columns is None for one in found] == [False, True]
    first, second = (one.replicates_ for one in found)
    tolerance = 1e-9 if dtype == np.float64 else 2e-3
    np.testing.assert_allclose(first, second, rtol=tolerance, atol=tolerance * np.abs(second).max())


@pytest.mark.parametrize("name", ["minibatch", "sgd", "rate", "log_loss"])
@pytest.mark.parametrize("together", [True, False])
def test_weights_of_one_leave_copies_where_the_model_is(name, together, monkeypatch):
    estimator = STREAMS[name]
    X, y = rows(estimator)
    monkeypatch.setattr(
        _replicates, "_weights", lambda problem, count, random: np.ones((problem.n, count), problem.dtype)
    )
    if not together:
        monkeypatch.setattr(_replicates, "_share_columns", lambda fit: False)
    stream = feed(
        StreamBootstrap(estimator, n_replicates=2, random_state=0), X, y, classes=classes_for(estimator, y)
    )
    model = np.append(stream.estimator_.coef_, stream.estimator_.intercept_)
    np.testing.assert_allclose(stream.replicates_[:, 0], [model, model], rtol=1e-9)


def test_a_copy_follows_the_formula():
    """One row an update at a given rate: the update of the paper, in NumPy."""
    X, y = make(n=40)
    estimator = GDRegressor(penalty=None, solver="sgd", learning_rate=0.02, shuffle=False, average=True)
    stream = feed(StreamBootstrap(estimator, n_replicates=4, random_state=3), X, y, size=10)
    copies = StreamBootstrap(estimator, random_state=3)._generator()
    W = np.vstack([2 * copies.integers(0, 2, size=(10, 4), dtype=np.int8) for _ in range(4)])
    A, w, mean = np.c_[X, np.ones(40)], np.zeros((6, 4)), np.zeros((6, 4))
    for t in range(40):
        w -= 0.02 * W[t] * (A[t] @ w - y[t]) * A[t][:, None]
        mean += (w - mean) / (t + 1)
    np.testing.assert_allclose(stream.replicates_[:, 0], mean.T, rtol=1e-12)
    errors = stream.replicates_[:, 0].std(axis=0, ddof=1)
    with pytest.warns(UserWarning, match="falling"):
        np.testing.assert_allclose(stream.summarize()["standard_error"], errors)


@pytest.mark.parametrize("kind", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("params", [{}, FALLING], ids=["minibatch", "sgd"])
def test_errors_are_near_the_robust_ones(kind, params):
    X, y = make("squared_error" if kind is GDRegressor else "log_loss", n=20_000)
    stream = StreamBootstrap(kind(alpha=0, random_state=0, **params), n_replicates=200, random_state=0)
    found = feed(stream, X, y, 1000, classes=[0, 1] if kind is GDClassifier else None).summarize()
    whole = kind(penalty=None, solver="batch", tol=1e-10).fit(X, y)
    expected = summarize(whole, X, y, covariance="robust")
    ratio = found["standard_error"] / expected["standard_error"]
    assert ratio.between(0.75, 1.35).all(), ratio.tolist()
    assert (np.abs(found["coefficient"] - expected["coefficient"]) < 4 * found["standard_error"]).all()


def test_intervals_hold_the_truth():
    held = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(4000, 3))
        y = X @ [1.0, 0.0, -1.0] + rng.normal(size=4000) * (1 + X[:, 0] ** 2)
        stream = StreamBootstrap(GDRegressor(alpha=0, random_state=seed), random_state=seed)
        found = feed(stream, X, y, 1000).summarize()
        truth = [1.0, 0.0, -1.0, 0.0]
        held.append((found["low"] <= truth) & (truth <= found["high"]))
    assert 0.9 <= np.mean(held) <= 0.99


@pytest.mark.parametrize(
    ("estimator", "outputs"),
    [
        (GDRegressor(alpha=0, random_state=0), 3),
        (GDRegressor(Quantile([0.2, 0.8]), alpha=0, random_state=0), 1),
        (GDClassifier(alpha=0, random_state=0), 3),
        (GDClassifier("squared_hinge", alpha=0, random_state=0), 3),
    ],
)
def test_several_outputs_quantiles_and_classes(estimator, outputs):
    X, y = rows(estimator, outputs=outputs)
    classes = classes_for(estimator, y)
    stream = feed(StreamBootstrap(estimator, n_replicates=6, random_state=0), X, y, classes=classes)
    expected = plain(estimator, X, y, classes=classes)
    np.testing.assert_array_equal(stream.estimator_.coef_, expected.coef_)
    found = stream.summarize()
    assert len(found) == expected.coef_.size + len(expected.intercept_)
    assert (found["standard_error"] > 0).all()
    if isinstance(estimator, GDClassifier) and estimator.loss == "log_loss":
        assert abs(found["coefficient"].to_numpy().reshape(3, -1).sum(axis=0)).max() < 1e-12


def test_classes_that_come_later():
    X, y = make("log_loss", n=400, outputs=3)
    early = np.flatnonzero(y < 2)
    stream = StreamBootstrap(GDClassifier(random_state=0), n_replicates=4, random_state=0)
    stream.partial_fit(X[early], y[early], classes=[0, 1])
    assert stream._replicates.columns is not None
    stream.partial_fit(X, y, classes=[0, 1, 2])
    assert stream.replicates_.shape == (4, 3, 6)
    assert len(stream.summarize()) == 18


def test_weights_offsets_and_storage():
    X, y = make("poisson", n=300)
    estimator = GDRegressor("poisson", alpha=0, random_state=0)
    dense, sparse = (StreamBootstrap(estimator, n_replicates=3, random_state=0) for _ in range(2))
    params = {"sample_weight": np.linspace(0.5, 1.5, 300), "offset": np.linspace(-1, 1, 300)}
    dense.partial_fit(X, y, **params)
    sparse.partial_fit(csr(X), y, **params)
    np.testing.assert_allclose(dense.replicates_, sparse.replicates_, rtol=1e-8)
    twice = StreamBootstrap(estimator, n_replicates=3, random_state=0)
    twice.partial_fit(X, y, sample_weight=2 * params["sample_weight"], offset=params["offset"])
    np.testing.assert_allclose(twice.replicates_, dense.replicates_, rtol=1e-8)  # at half the rate


def test_dense_and_sparse_calls_may_alternate():
    X, y = make(n=400)
    estimator = GDRegressor(alpha=0.01, standardize=False, random_state=0)
    found = []
    for storages in ((np.asarray,) * 4, (csr,) * 4, (np.asarray, csr, csr, np.asarray)):
        stream = StreamBootstrap(estimator, n_replicates=4, random_state=0)
        for k, storage in enumerate(storages):
            part = slice(100 * k, 100 * (k + 1))
            stream.partial_fit(storage(X[part]), y[part])
        found.append(stream.replicates_)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-8)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-8)


@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_a_pickle_goes_on_as_the_stream_does(storage):
    X, y = make(n=400)
    estimator = GDRegressor(alpha=0.01, random_state=0)
    stream = feed(StreamBootstrap(estimator, n_replicates=4, random_state=0), storage(X[:200]), y[:200])
    copy = pickle.loads(pickle.dumps(stream))
    feed(stream, storage(X[200:]), y[200:]), feed(copy, storage(X[200:]), y[200:])
    np.testing.assert_allclose(copy.replicates_, stream.replicates_, rtol=1e-12)


@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_a_call_that_raises_changes_nothing(storage, monkeypatch):
    X, y = make(n=400)
    stream = StreamBootstrap(GDRegressor(alpha=0.01, random_state=0), n_replicates=4, random_state=0)
    feed(stream, storage(X[:200]), y[:200])
    other = pickle.loads(pickle.dumps(stream))
    before = stream.replicates_
    with pytest.raises(ValueError, match="NaN"):
        stream.partial_fit(storage(X[200:]), np.full(200, np.nan))
    with monkeypatch.context() as patch:
        patch.setattr(_replicates.Following, "follow", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stream.partial_fit(storage(X[200:]), y[200:])
    np.testing.assert_array_equal(stream.replicates_, before)
    for one in (stream, other):
        one.partial_fit(storage(X[200:]), y[200:])
    np.testing.assert_allclose(stream.estimator_.coef_, other.estimator_.coef_, rtol=1e-12)
    np.testing.assert_allclose(stream.replicates_, other.replicates_, rtol=1e-12)


def interrupted(self):
    raise KeyboardInterrupt


def test_names_and_no_intercept():
    pandas = pytest.importorskip("pandas")
    X, y = make(n=200, d=2)
    frame = pandas.DataFrame(X, columns=["a", "b"])
    stream = StreamBootstrap(GDRegressor(fit_intercept=False, random_state=0), n_replicates=5, random_state=0)
    found = stream.partial_fit(frame, y).summarize(level=0.5)
    assert found["name"].tolist() == ["a", "b"]
    wide = stream.summarize(level=0.95)
    assert (wide["high"] > found["high"]).all()


@pytest.mark.parametrize(
    ("stream", "error", "words"),
    [
        (StreamBootstrap(GDMLPRegressor()), TypeError, "must be a GDRegressor or GDClassifier"),
        (StreamBootstrap(3), TypeError, "must be a GDRegressor"),
        (StreamBootstrap(GDRegressor(solver="batch")), AttributeError, "partial_fit is not available"),
        (StreamBootstrap(GDRegressor(penalty="l1")), ValueError, "penalty='l1'"),
        (StreamBootstrap(GDRegressor(positive=True)), ValueError, "bounds"),
        (StreamBootstrap(GDRegressor(alpha=-1)), ValueError, "alpha"),
        (StreamBootstrap(GDRegressor(), n_replicates=1), ValueError, "n_replicates=1"),
        (StreamBootstrap(GDRegressor(), n_replicates=2.5), ValueError, "n_replicates=2.5"),
    ],
)
def test_what_has_no_errors_says_so(stream, error, words):
    X, y = make(n=60)
    with pytest.raises(error, match=words):
        stream.partial_fit(X, y)
    with pytest.raises(NotFittedError, match="no rows"):
        stream.summarize()


def test_iterates_that_do_not_settle_are_told():
    X, y = make(n=200)
    with pytest.warns(UserWarning, match="falling"):
        StreamBootstrap(GDRegressor(solver="sgd", random_state=0)).partial_fit(X, y).summarize()
    with pytest.warns(UserWarning, match="average"):
        StreamBootstrap(GDRegressor(average=False, random_state=0)).partial_fit(X, y).summarize()
