"""Streams that drift: the automatic mean does not lag behind, and rates of adaptive rules follow the rows."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import ttest_1samp
from sklearn.linear_model import LogisticRegression

from skgd import GDClassifier, GDRegressor
from skgd._design import design_of
from skgd._fitting import descent_of_stream
from skgd._options import options_of
from skgd._problem import Problem
from skgd._targets import Targets
from skgd.losses import Quantile


def progressive(model, X, y, chunk=1, **options):
    """Predictions of each row before it is learnt; zeros before the first."""
    found = [np.zeros(len(y[:chunk]))]
    for start in range(0, len(y), chunk):
        rows = slice(start, start + chunk)
        if start:
            found.append(model.predict(X[rows]))
        model.partial_fit(X[rows], y[rows], **options)
    return np.concatenate(found)


def rows(n, seed=0, d=5, noise=0.1, turn=0.0):
    """Rows whose weights turn by an angle from the first to the last."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    angle = turn * np.arange(n) / n
    y = np.cos(angle) * X[:, 0] + np.sin(angle) * X[:, 1] + noise * rng.normal(size=n)
    return X, y


def mean_error(model, X, y, chunk=1, burn_in=100):
    return np.abs(progressive(model, X, y, chunk) - y)[burn_in:].mean()


@pytest.mark.parametrize("chunk", [1, 20])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_weights_that_turn(chunk, seed):
    X, y = rows(1200, seed, turn=2 * np.pi)
    found = mean_error(GDRegressor(random_state=0), X, y, chunk)
    followed = mean_error(GDRegressor(random_state=0, average=False), X, y, chunk)
    plain_mean = mean_error(GDRegressor(random_state=0, average=True), X, y, chunk)
    assert found < 1.6 * followed
    assert found < 0.6 * plain_mean


@pytest.mark.parametrize("chunk", [1, 50])
def test_weights_that_change_at_once(chunk):
    X, y = rows(2000)
    y[1000:] = -y[1000:]
    errors = np.abs(progressive(GDRegressor(random_state=0), X, y, chunk) - y)
    assert errors[900:1000].mean() < 0.1
    assert errors[1300:].mean() < 0.12


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_stream_that_rests_keeps_its_mean(seed):
    """No false alarms once the start is forgotten: the mean is better than the iterates."""
    X, y = rows(2500, seed, noise=1.0)
    model = GDRegressor(random_state=0)
    iterates = GDRegressor(random_state=0, average=False)
    progressive(model, X, y), progressive(iterates, X, y)
    assert model._descent["average_start"] < 1000
    weights = np.eye(5)[0]
    assert np.linalg.norm(model.coef_ - weights) < 0.6 * np.linalg.norm(iterates.coef_ - weights)


def logistic_rows(n, d=10, seed=0):
    """Rows of a logistic model whose weights have length two, and the weights of greatest likelihood."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=d)
    weights *= 2 / np.linalg.norm(weights)
    X = rng.normal(size=(n, d))
    y = (rng.random(n) < 1 / (1 + np.exp(-X @ weights))).astype(int)
    return X, y, LogisticRegression(C=1e6, tol=1e-8).fit(X, y).coef_[0]


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("chunk", "n"), [(1, 3000), (64, 25_000), (500, 25_000)])
def test_the_mean_of_a_logistic_stream_is_the_maximum_of_the_likelihood(chunk, n, storage):
    """At a constant rate the mean of the iterates lies half as far again from zero."""
    if storage is not np.asarray and chunk == 1:
        n = 2000
    X, y, best = logistic_rows(n)
    X, model = storage(X), GDClassifier(solver="sgd", random_state=0)
    for start in range(0, n, chunk):
        model.partial_fit(X[start : start + chunk], y[start : start + chunk], classes=[0, 1])
    found = model.coef_[0]
    assert found @ best / (best @ best) == pytest.approx(1, abs=0.12)
    assert np.linalg.norm(found - best) < 0.15 * np.linalg.norm(best)


def test_the_rate_of_a_stream_that_rests_falls_until_it_drifts():
    """base / sqrt(1 + (t - rests_from) / rests_after), and the base again once the mean lags behind."""
    X, y, _ = logistic_rows(3000)
    model = GDClassifier(solver="sgd", random_state=0)
    for start in range(0, 2000, 20):
        model.partial_fit(X[start : start + 20], y[start : start + 20], classes=[0, 1])
    stream = model._descent["stream"]
    assert stream["rests_after"] >= X.shape[1] + 1
    assert stream["rests_from"] < 1000
    for start in range(2000, 3000, 20):
        model.partial_fit(X[start : start + 20], 1 - y[start : start + 20])
        if "rests_from" not in model._descent["stream"]:
            break
    assert start < 2500
    # squared error is curved alike everywhere, so its mean is right at any rate
    squared = GDRegressor(solver="sgd", random_state=0)
    for start in range(0, 2000, 20):
        squared.partial_fit(X[start : start + 20], y[start : start + 20].astype(float))
    assert squared.learning_rate_ == pytest.approx(squared._descent["rate"])


def test_a_mean_that_was_asked_for_is_kept():
    X, y = rows(500, turn=np.pi)
    model = GDRegressor(random_state=0, average=True, standardize=False)
    progressive(model, X, y)
    assert model._descent["average_start"] == 0


def test_classes_that_change():
    X, z = rows(1800, turn=2 * np.pi)
    y = (z > 0).astype(int)
    right = progressive(GDClassifier(random_state=0), X, y, classes=[0, 1]) == y
    followed = progressive(GDClassifier(random_state=0, average=False), X, y, classes=[0, 1]) == y
    assert right[200:].mean() > followed[200:].mean() - 0.03


@pytest.mark.parametrize("optimizer", ["plain", "adagrad", "ftrl", "adam"])
@pytest.mark.parametrize("chunk", [1, 30])
def test_sparse_streams_drift_as_dense_ones_do(optimizer, chunk):
    X, y = rows(400, d=40, turn=2 * np.pi)
    X[np.abs(X) < 1.5] = 0
    options = {"optimizer": optimizer, "random_state": 0, "standardize": False}
    dense, csr = GDRegressor(**options), GDRegressor(**options)
    expected = progressive(dense, X, y, chunk)
    np.testing.assert_allclose(
        progressive(csr, sparse.csr_array(X), y, chunk), expected, rtol=1e-7, atol=1e-9
    )
    assert csr._descent["average_start"] == dense._descent["average_start"]
    np.testing.assert_allclose(csr.learning_rate_, dense.learning_rate_, rtol=1e-9)


def test_a_pickle_goes_on_as_the_stream_does():
    X, y = rows(300, turn=np.pi)
    whole, half = GDRegressor(random_state=0), GDRegressor(random_state=0)
    progressive(whole, X, y), progressive(half, X[:150], y[:150])
    half = pickle.loads(pickle.dumps(half))
    for i in range(150, 300):
        half.partial_fit(X[i : i + 1], y[i : i + 1])
    np.testing.assert_array_equal(half.coef_, whole.coef_)


def test_rows_of_weight_zero_do_not_count():
    X, y = rows(100)
    more, far = np.vstack([X, 1e3 * X]), np.concatenate([y, 1e6 * y])
    weight = np.repeat([1.0, 0.0], 100)
    model, alone = (GDRegressor(optimizer="adam", standardize=False, random_state=0) for _ in range(2))
    model.partial_fit(more, far, sample_weight=weight)
    alone.partial_fit(X, y)
    np.testing.assert_allclose(model.learning_rate_, alone.learning_rate_, rtol=1e-12)


# -- rates of adaptive rules ---------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error", Quantile(0.1), Quantile(0.9)])
@pytest.mark.parametrize("chunk", [3, 10, 100])
def test_a_stream_starts_at_the_constant_of_its_first_rows(loss, chunk):
    """However far y lies from zero, the rows after the first call are predicted as if it did not."""
    X, y = rows(600, noise=0.5)
    centred, far = (progressive(GDRegressor(loss, random_state=0), X, y + c, chunk) for c in (0, 1000))
    error, expected = (np.abs(each[chunk:] - y[chunk:]).mean() for each in (far - 1000, centred))
    assert error < 1.3 * expected


def test_few_rows_do_not_move_the_start_of_a_stream():
    """Only a mean that differs from zero by a t test, as it would by chance once in a thousand times."""
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 2, size=12).astype(float)
    options, starts = options_of(GDRegressor()), []
    for shift in np.linspace(0, 4, 40):
        Y = shift + rng.normal(size=(12, 2))
        problem = Problem(design_of(np.zeros((12, 1))), Targets(Y, weight, 2, False), options.objective)
        descent = descent_of_stream(options, problem, options.rule_of_stream, None)
        for k in range(2):
            start = descent.theta[-1, k]
            assert (start != 0) == (ttest_1samp(Y[weight > 0, k], 0).pvalue < 1e-3)
            starts.append(start)
    assert 20 < np.count_nonzero(starts) < 70
    one = GDRegressor(random_state=0).partial_fit([[0.0]], [1000.0])  # a single row tells nothing
    assert abs(one.intercept_[0]) < 1000


@pytest.mark.parametrize(
    "optimizer", ["adam", "amsgrad", "nadam", "adamw", "rmsprop", "adagrad", "ftrl", "adadelta"]
)
def test_rates_follow_the_stream(optimizer):
    """A feature of a million in the first row, or a first target far from the others."""
    X, y = rows(900, noise=0.3)
    X[:, 4] = 1e6 + 100 * X[:, 4]
    errors = np.abs(progressive(GDRegressor(optimizer=optimizer, random_state=0), X, y + 40.0) - y - 40)
    assert errors[1:].max() < 400  # the first rows overshoot by some times y at most
    assert errors[-300:].mean() < 1.0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("chunk", [10, 32])
@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "rmsprop"])
def test_errors_that_a_rate_makes_do_not_raise_it(optimizer, chunk, seed):
    """Features that move with y: the errors of Adagrad rose, and with them its rate, to 3000 times y."""
    rng = np.random.default_rng(seed)
    y = 44 + 0.15 * np.cumsum(rng.normal(size=1000))
    X = np.c_[736000 + np.arange(1000), y[:, None] + 0.5 * rng.normal(size=(1000, 5)) + np.linspace(0, 4, 5)]
    for storage in (np.asarray, sparse.csr_array):
        errors = progressive(GDRegressor(optimizer=optimizer, random_state=0), storage(X), y, chunk) - y
        assert np.abs(errors[chunk:]).mean() < 0.7 * y.std()


def test_constants_of_a_stream_follow_its_rows():
    """With a log link they are means, of which calls of zeros alone have none."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    Y = rng.poisson(3.0, size=(200, 2)).astype(float)
    Y[:50] = 0
    model = GDRegressor("poisson", optimizer="adam", random_state=0)
    for start in range(0, 200, 50):
        model.partial_fit(X[start : start + 50], Y[start : start + 50])
    np.testing.assert_allclose(model._descent["stream"]["constant"], Y.mean(axis=0))
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_units_of_y_do_not_matter(factor):
    X, y = rows(400)
    one, other = GDRegressor(optimizer="adam", random_state=0), GDRegressor(optimizer="adam", random_state=0)
    expected = progressive(one, X, y)
    np.testing.assert_allclose(progressive(other, X, factor * y) / factor, expected, rtol=1e-3, atol=1e-3)


# -- streams of river ----------------------------------------------------------------------------------------


def of_river(name):
    datasets = pytest.importorskip("river.datasets")
    found = [(list(x.values()), y) for x, y in getattr(datasets, name)()]
    return np.array([x for x, _ in found], dtype=float), np.array([y for _, y in found])


def test_trump_approval():
    """River's linear regression after a StandardScaler: 0.5587."""
    X, y = of_river("TrumpApproval")
    assert np.abs(progressive(GDRegressor(random_state=0), X, y) - y).mean() <= 0.5587
    assert np.abs(progressive(GDRegressor(optimizer="adam", random_state=0), X, y) - y).mean() < 2
    for chunk in (1, 10, 50):
        found = progressive(GDRegressor(optimizer="adagrad", random_state=0), X, y, chunk)
        assert np.abs(found - y)[chunk:].mean() < 2


def test_phishing():
    """River's logistic regression after a StandardScaler: 88.96 %."""
    X, y = of_river("Phishing")
    assert (progressive(GDClassifier(random_state=0), X, y, classes=[False, True]) == y).mean() >= 0.89
