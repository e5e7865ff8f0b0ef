"""Streams of sparse rows: a call costs its non-zeros, and nothing else is different."""

import copy
import pickle

import numpy as np
import pytest
from _data import csr, estimator, make, theta, wide
from scipy import sparse

from skgd import GDClassifier, GDMLPRegressor, GDRegressor
from skgd._core import core
from skgd.optimizers import FTRL, Adagrad

RULES = {"plain": "plain", "adagrad": Adagrad(), "ftrl": FTRL()}
SOLVERS = ["sgd", "minibatch"]
PENALTIES = [None, "l2", "l1", "elasticnet"]


def stream(loss="squared_error", **params):
    fixed = {"learning_rate": 0.05, "alpha": 0.02, "l1_ratio": 0.4, "batch_size": 3, "shuffle": False}
    return estimator(loss, **{**fixed, **params})


def feed(model, X, y, rows=10, **first):
    """The rows in pieces, by partial_fit."""
    for start in range(0, len(y), rows):
        model.partial_fit(X[start : start + rows], y[start : start + rows], **first)
        first = {}
    return model


def is_lazy(model):
    """Whether the model owes to its arrays what rows did not touch."""
    return vars(model)["_descent"]["lazy"] is not None


def assert_same(model, other, rtol=1e-9):
    largest = np.abs(theta(other)).max()
    np.testing.assert_allclose(theta(model), theta(other), rtol=rtol, atol=rtol * largest)


# ---------------------------------------------------------------- the same numbers as with dense rows


@pytest.mark.parametrize("average", [False, True, 25])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("outputs", [1, 3])
def test_sparse_streams_are_dense_streams(rule, solver, penalty, average, outputs):
    X, y = wide(n=120, outputs=outputs)
    params = {"optimizer": RULES[rule], "solver": solver, "penalty": penalty, "average": average}
    dense = feed(stream(**params), X, y)
    found = feed(stream(**params), csr(X), y)
    assert is_lazy(found)
    assert_same(found, dense)
    np.testing.assert_array_equal(found.coef_ == 0, dense.coef_ == 0)
    assert (found.n_updates_, found.n_iter_) == (dense.n_updates_, dense.n_iter_)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_pieces_are_one_call(rule, solver):
    X, y = wide(n=120)
    params = {"optimizer": RULES[rule], "solver": solver, "average": True}
    assert_same(feed(stream(**params), csr(X), y, rows=6), feed(stream(**params), csr(X), y, rows=120))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", [None, "elasticnet"])
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_updates_of_one_row_and_then_of_several(rule, average, penalty, dtype):
    X, y = wide(n=120)
    models = []
    for rows in (X.astype(dtype), csr(X).astype(dtype)):
        params = {"optimizer": RULES[rule], "average": average, "penalty": penalty}
        model = stream(**params, solver="minibatch", batch_size=1)
        model = feed(model, rows[:60], y[:60].astype(dtype))
        models.append(feed(model.set_params(batch_size=4), rows[60:], y[60:].astype(dtype)))
    assert is_lazy(models[1])
    assert_same(*models, rtol=1e-9 if dtype == np.float64 else 1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("penalty", [None, "elasticnet"])
@pytest.mark.parametrize("rule", RULES)
def test_rows_without_non_zeros_move_the_intercept_alone(rule, penalty, solver):
    X, y = wide(n=60)
    X[::3] = 0
    params = {"optimizer": RULES[rule], "penalty": penalty, "solver": solver}
    models = [feed(stream(**params), rows, y) for rows in (csr(X), X)]
    assert is_lazy(models[0])
    assert_same(*models)


@pytest.mark.parametrize("rule", RULES)
def test_automatic_rates_of_streams(rule):
    X, y = wide(n=160)
    params = {"optimizer": RULES[rule], "learning_rate": "auto", "standardize": False}
    found = feed(stream(**params), csr(X), y)
    assert is_lazy(found)
    assert_same(found, feed(stream(**params), X, y))


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_single_precision_and_long_indices(index):
    X, y = wide(n=120)
    single = feed(stream(average=True), csr(X, index).astype(np.float32), y.astype(np.float32))
    assert single.coef_.dtype == np.float32
    assert is_lazy(single)
    assert_same(single, feed(stream(average=True), X, y), rtol=1e-4)


def test_the_curve_of_a_stream_holds_the_l2_penalty():
    X, y = wide(n=120)
    found, dense = (feed(stream(alpha=0.5), rows, y) for rows in (csr(X), X))
    np.testing.assert_allclose(found.loss_curve_, dense.loss_curve_, rtol=1e-10)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("alpha", [1e-4, 0.05, 3.0])
def test_means_over_long_rests(rule, penalty, alpha):
    """A feature that rests for thousands of updates: its past is summed by blocks of updates."""
    n, d = 5000, 40
    rng = np.random.default_rng(0)
    X = np.zeros((n, d))
    X[np.arange(n), rng.integers(0, 3, n)] = rng.normal(size=n)
    X[::1250, 5:] = rng.normal(size=(4, 35)) * np.geomspace(1e-3, 1, 35)
    y = X @ rng.normal(size=d) + 0.1 * rng.normal(size=n)
    params = {"optimizer": RULES[rule], "penalty": penalty, "alpha": alpha, "solver": "sgd", "average": True}
    params["learning_rate"] = 0.3
    found = feed(stream(**params), csr(X), y, rows=500)
    assert is_lazy(found)
    assert_same(found, feed(stream(**params), X, y, rows=500))


# ---------------------------------------------------------------- what a user does between two calls


@pytest.mark.parametrize("rule", RULES)
def test_what_is_read_between_calls_is_an_array_of_its_own(rule):
    X, y = wide(n=120)
    X = csr(X)
    watched, alone = (stream(optimizer=RULES[rule], average=True) for _ in range(2))
    seen = []
    for start in range(0, 120, 10):
        rows = slice(start, start + 10)
        watched.partial_fit(X[rows], y[rows])
        alone.partial_fit(X[rows], y[rows])
        assert type(watched.coef_) is np.ndarray
        raw = X @ watched.coef_ + watched.intercept_
        np.testing.assert_allclose(watched.predict(X), raw, rtol=1e-12, atol=1e-12)
        seen.append((watched.coef_, watched.coef_.copy()))
    for coef, value in seen:  # later calls leave it alone
        np.testing.assert_array_equal(coef, value)
    np.testing.assert_array_equal(watched.coef_, alone.coef_)  # nor does reading change what comes


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_go_their_own_way(how, rule):
    X, y = wide(n=120)
    X = csr(X)
    model = feed(stream(optimizer=RULES[rule], average=True), X[:60], y[:60])
    kept = how(model)
    before = theta(kept)
    feed(model, X[60:], y[60:])
    np.testing.assert_array_equal(theta(kept), before)
    assert_same(feed(kept, X[60:], y[60:]), model)


CHANGES = [
    {"alpha": 0.3},
    {"penalty": "l1"},
    {"penalty": None},
    {"average": False},
    {"optimizer": FTRL(epsilon=0.5)},
    {"optimizer": "momentum"},
    {"learning_rate": 0.01},
    {"fit_intercept": False},
    {"solver": "sgd"},
    {"standardize": True},
]


@pytest.mark.parametrize("change", CHANGES, ids=repr)
@pytest.mark.parametrize("rule", RULES)
def test_parameters_changed_between_calls(rule, change):
    X, y = wide(n=120)
    models = []
    for rows in (csr(X), X):
        model = feed(stream(optimizer=RULES[rule], average=True), rows[:60], y[:60]).set_params(**change)
        models.append(feed(model, rows[60:], y[60:]))
    assert_same(*models)


@pytest.mark.parametrize("rule", RULES)
def test_dense_rows_between_sparse_ones(rule):
    X, y = wide(n=120)
    mixed = feed(stream(optimizer=RULES[rule], average=True), csr(X)[:40], y[:40])
    mixed = feed(feed(mixed, X[40:80], y[40:80]), csr(X)[80:], y[80:])
    assert is_lazy(mixed)
    assert_same(mixed, feed(stream(optimizer=RULES[rule], average=True), X, y))


def test_a_warm_start_from_a_stream():
    X, y = wide(n=60)
    models = [feed(stream(average=True, max_iter=2, tol=None), rows, y) for rows in (csr(X), X)]
    for model, rows in zip(models, (csr(X), X), strict=True):
        model.set_params(warm_start=True).fit(rows, y)
    assert_same(*models)


def test_strip_keeps_the_weights():
    X, y = wide(n=60)
    model = feed(stream(average=True), csr(X), y)
    expected = theta(feed(stream(average=True), csr(X), y))
    np.testing.assert_array_equal(theta(model.strip()), expected)


def test_there_is_no_coef_before_a_fit():
    assert not hasattr(GDRegressor(), "coef_")
    X, y = make("log_loss")
    model = GDClassifier().partial_fit(csr(X), y, classes=[0, 1])
    assert model.coef_.shape == (1, X.shape[1])


# ---------------------------------------------------------------- calls that fail


class Fails:
    """A schedule that raises, now or from some update on."""

    def __init__(self):
        self.now = False

    def __call__(self, t):
        if self.now:
            raise RuntimeError("now")
        return np.ones(len(t))


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_a_call_that_fails_before_its_updates(rule, average):
    X, y = wide(n=120)
    X, schedule = csr(X), Fails()
    params = {"optimizer": RULES[rule], "average": average, "schedule": schedule}
    model, twin = (feed(stream(**params), X[:60], y[:60]) for _ in range(2))
    schedule.now = True
    with pytest.raises(RuntimeError, match="now"):
        model.partial_fit(X[60:], y[60:])
    schedule.now = False
    np.testing.assert_array_equal(theta(model), theta(twin))
    np.testing.assert_array_equal(theta(feed(model, X[60:], y[60:])), theta(feed(twin, X[60:], y[60:])))


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("penalty", [None, "l2", "elasticnet"])
def test_a_call_whose_objective_overflows(rule, penalty, average):
    """The updates were made, and are taken back."""
    X, y = wide(n=120)
    X = csr(X)
    params = {"optimizer": RULES[rule], "average": average, "penalty": penalty}
    model, twin = (feed(stream(**params), X[:60], y[:60]) for _ in range(2))
    with pytest.raises(ValueError):
        model.partial_fit(1e200 * X[60:], 1e200 * y[60:])
    np.testing.assert_array_equal(theta(model), theta(twin))
    assert (model.n_updates_, model.loss_) == (twin.n_updates_, twin.loss_)
    np.testing.assert_array_equal(theta(feed(model, X[60:], y[60:])), theta(feed(twin, X[60:], y[60:])))


@pytest.mark.parametrize("params", [{"alpha": 10.0}, {"average": 70}])
def test_a_call_that_fails_after_all_features_changed(params):
    """A strong penalty makes the common factor of the weights so small that it is multiplied out; a mean that
    starts is zero everywhere. Both reach features that the rows of the call do not touch."""
    X, y = wide(n=200)
    X = csr(X)
    fixed = {"solver": "sgd", "learning_rate": 0.05, "average": True, **params}
    model, twin = (feed(stream(**fixed), X[:60], y[:60]) for _ in range(2))
    bad = sparse.vstack([X[60:], 1e200 * X[:10]]).tocsr()
    with pytest.raises(ValueError):
        model.partial_fit(bad, np.append(y[60:], 1e200 * y[:10]))
    np.testing.assert_array_equal(theta(model), theta(twin))
    np.testing.assert_array_equal(theta(feed(model, X[60:], y[60:])), theta(feed(twin, X[60:], y[60:])))


def test_an_interrupted_call_keeps_its_updates(monkeypatch):
    X, y = wide(n=120)
    X = csr(X)
    model = feed(stream(), X[:60], y[:60])
    run = core.run

    def interrupted(*arguments):
        run(*arguments)
        raise KeyboardInterrupt

    class Core:
        def __getattr__(self, name):
            return interrupted if name == "run" else getattr(core, name)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("skgd._problem.core", Core())
        model.partial_fit(X[60:], y[60:])
    expected = feed(stream(), X[:60], y[:60]).partial_fit(X[60:], y[60:])
    assert model.n_updates_ == expected.n_updates_
    np.testing.assert_array_equal(theta(model), theta(expected))


# ---------------------------------------------------------------- long streams


def test_what_a_long_stream_owes_is_settled_now_and_then():
    """After four visits a feature on average, and where the common factor of the weights became small."""
    X, y = wide(n=100)
    for alpha in (1e-3, 2.0):
        found, dense = stream(alpha=alpha, average=True), stream(alpha=alpha, average=True)
        for _ in range(30):
            found.partial_fit(csr(X), y)
            dense.partial_fit(X, y)
        assert_same(found, dense)
        np.testing.assert_allclose(found.loss_curve_, dense.loss_curve_, rtol=1e-9)


# ---------------------------------------------------------------- units of the features


def hashed(n, d, size, seed=0):
    rng = np.random.default_rng(seed)
    X = sparse.random(
        n, d, density=5 / d, format="csr", random_state=seed, data_rvs=lambda k: np.full(k, size)
    )
    return X, rng.integers(0, 2, n)


@pytest.mark.parametrize("storage", [csr, lambda X: X.toarray()])
def test_streams_of_almost_empty_rows_keep_their_units(storage):
    X, y = hashed(200, 2000, 0.1)
    model = feed(GDClassifier(random_state=0), storage(X), y, rows=50, classes=[0, 1])
    assert model._units["standardize"] is False


@pytest.mark.parametrize("rule", ["adagrad", "ftrl"])
def test_streams_of_almost_empty_rows_take_no_mean_under_rules_whose_steps_shrink(rule):
    X, y = hashed(200, 2000, 0.1)
    params = {"optimizer": rule, "random_state": 0}

    def found(rows, params, **more):
        return feed(GDClassifier(**params, **more), rows, y, rows=50, classes=[0, 1])

    default, dense = found(X, params), found(X.toarray(), params)
    np.testing.assert_array_equal(default.coef_, found(X, params, average=False).coef_)
    np.testing.assert_allclose(default.coef_, dense.coef_, rtol=1e-9, atol=1e-12)
    for model in (default, dense):
        assert model._descent["average"] is None
        model.partial_fit(np.ones((4, 2000)), [0, 1, 0, 1])  # the first rows have decided
        assert model._descent["average"] is None
    for rows, more in ((np.ones((200, 3)), {}), (X, {"average": True}), (X, {"optimizer": "plain"})):
        assert found(rows, params | more)._descent["average"] is not None


def test_a_large_feature_among_them_asks_for_units():
    X, y = hashed(200, 2000, 0.1)
    X = sparse.hstack([X, np.random.default_rng(0).normal(1000, 50, (200, 1))]).tocsr()
    model = feed(GDClassifier(random_state=0), X, y, rows=50, classes=[0, 1])
    assert model._units["standardize"] is True


@pytest.mark.parametrize("rule", RULES)
def test_a_perceptron_without_hidden_layers_takes_streams_of_sparse_rows(rule):
    X, y = wide()
    params = {"hidden_layer_sizes": (), "optimizer": RULES[rule], "learning_rate": 0.05, "batch_size": 1}
    of_sparse, of_dense = (
        feed(GDMLPRegressor(**params, random_state=0, standardize=False), rows, y) for rows in (csr(X), X)
    )
    np.testing.assert_allclose(of_sparse.coefs_[0], of_dense.coefs_[0], rtol=1e-9, atol=1e-12)
