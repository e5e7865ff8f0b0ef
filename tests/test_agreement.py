"""Two ways to the same numbers."""

import time
from concurrent.futures import ThreadPoolExecutor

import _reference as reference
import numpy as np
import pytest
from _data import SOLVERS, STILL, covering, csr, estimator, make, pairs, theta, thin
from scipy import sparse

from skgd import GDClassifier, GDRegressor

PENALTIES = [None, "l2", "l1", "elasticnet"]
LOSSES = ["squared_error", "huber", "poisson", "log_loss", "hinge"]


def model_of(loss="squared_error", **params):
    """Four epochs at a fixed rate, rows in order, a noticeable penalty."""
    fixed = {"learning_rate": 0.03, "max_iter": 4, "alpha": 0.05, "l1_ratio": 0.4, **STILL}
    return estimator(loss, **{**fixed, **params})


def assert_same(model, other, **tolerance):
    np.testing.assert_allclose(theta(model), theta(other), **{"rtol": 1e-9, "atol": 1e-11, **tolerance})


# ---------------------------------------------------------------- one solver inside another


@pytest.mark.parametrize(
    ("optimizer", "penalty", "outputs", "storage"),
    covering([name for name, _ in pairs(["sgd"])], PENALTIES, [1, 3], [np.asarray, csr]),
)
def test_batches_of_one_row_are_sgd(optimizer, penalty, outputs, storage):
    X, y = make(n=40, outputs=outputs)
    X = storage(thin(X))
    single = model_of(optimizer=optimizer, penalty=penalty, solver="sgd").fit(X, y)
    batches = model_of(optimizer=optimizer, penalty=penalty, batch_size=1).fit(X, y)
    assert_same(batches, single)
    np.testing.assert_allclose(batches.loss_curve_, single.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize(
    ("optimizer", "penalty", "loss"),
    covering([name for name, _ in pairs(["minibatch"], without=["nesterov"])], PENALTIES, LOSSES),
)
def test_batches_of_all_rows_are_batch(optimizer, penalty, loss):
    X, y = make(loss, n=40)
    whole = model_of(loss, optimizer=optimizer, penalty=penalty, solver="batch").fit(X, y)
    batches = model_of(loss, optimizer=optimizer, penalty=penalty, batch_size=40).fit(X, y)
    larger = model_of(loss, optimizer=optimizer, penalty=penalty, batch_size=1000).fit(X, y)
    assert_same(batches, whole)
    assert_same(larger, whole)


def one_epoch_by_hand(X, y, loss, rate, l2):
    """Weights, intercept and their means after one row after the other, in NumPy."""
    weights, total = np.zeros(X.shape[1] + 1), np.zeros(X.shape[1] + 1)
    for x, target in zip(reference.with_ones(X), y, strict=True):
        z = x @ weights
        slope = z - target if loss == "squared_error" else 0.5 + 0.5 * np.tanh(z / 2) - target
        weights = weights - rate * (slope * x + l2 * np.append(weights[:-1], 0))
        total += weights
    return weights, total / len(y)


@pytest.mark.parametrize("scale", [1, 30], ids=["plain", "far"])  # far: log loss at scores beyond +-40
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("d", [1, 3, 4, 9, 20, 101, 600])
def test_rows_of_any_length_are_descended_by_hand(d, loss, average, scale):
    """Short rows, rows that end within a vector, rows longer than a page; more rows than one stretch."""
    rng = np.random.default_rng(d)
    X = rng.standard_normal((603, d)) * (scale if loss == "log_loss" else 1)
    y = (X[:, 0] + rng.standard_normal(603) > 0).astype(float)
    rate, l2 = 0.3 / d, 0.01
    settings = {"learning_rate": rate, "alpha": l2, "penalty": "l2", "max_iter": 1, "average": average}
    model = model_of(loss, solver="sgd", **settings).fit(X, y)
    wanted = one_epoch_by_hand(X, y, loss, rate, l2)[average]
    np.testing.assert_allclose(theta(model).ravel(), wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("solver", SOLVERS)
def test_shuffled_epochs_visit_every_row_once(solver, seed):
    """Without momentum, weights or curvature the sum of an epoch does not depend on its order."""
    X, y = make(n=48)
    model = model_of(solver=solver, batch_size=8, penalty=None, max_iter=1, learning_rate=1e-9)
    ordered = theta(model.fit(X, y))
    shuffled = theta(model.set_params(shuffle=True, random_state=seed).fit(X, y))
    np.testing.assert_allclose(shuffled, ordered, rtol=1e-6)


# ---------------------------------------------------------------- many outputs at once


@pytest.mark.parametrize(
    ("rule", "penalty", "storage"),
    covering(pairs(without=["nesterov", "barzilai_borwein"]), PENALTIES, [np.asarray, csr]),
)
def test_several_outputs_at_once_are_several_fits(rule, penalty, storage):
    optimizer, solver = rule
    X, y = make(n=40, outputs=3)
    X = storage(thin(X))
    model = model_of(optimizer=optimizer, penalty=penalty, solver=solver, batch_size=16)
    together = theta(model.fit(X, y))
    alone = np.hstack([theta(model.fit(X, y[:, k])) for k in range(3)])
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "modified_huber", "perceptron"])
def test_one_versus_rest_at_once_is_one_fit_a_class(loss, solver):
    X, y = make(loss, n=60, outputs=4)
    model = model_of(loss, solver=solver, batch_size=16)
    together = theta(model.fit(X, y))
    alone = np.hstack([theta(model.fit(X, y == k)) for k in range(4)])
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-11)


# ---------------------------------------------------------------- storage, precision, memory


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_single_precision_follows_double(solver, loss):
    X, y = make(loss, n=60)
    model = model_of(loss, solver=solver, max_iter=10)
    double = theta(model.fit(X, y))
    y = y if loss in reference.CLASSIFICATION else y.astype(np.float32)
    single = model.fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    assert single.intercept_.dtype == np.float32
    np.testing.assert_allclose(theta(single), double, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_rows_give_the_dense_model(dtype, solver, outputs, loss):
    X, y = make(loss, n=50, d=30, outputs=outputs, dtype=dtype)
    X = thin(X, 0.2).astype(dtype)
    tolerance = 1e-4 if dtype == np.float32 else 1e-9
    dense = model_of(loss, solver=solver).fit(X, y)
    sparse = model_of(loss, solver=solver).fit(csr(X), y)
    assert sparse.coef_.dtype == dtype
    assert_same(sparse, dense, rtol=tolerance, atol=tolerance)
    rounding = 8 * np.finfo(dtype).eps  # of predictions near zero, sums of some terms of size 1
    np.testing.assert_allclose(sparse.predict(csr(X)), dense.predict(X), rtol=tolerance, atol=rounding)


def as_map(folder, X):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def frozen(_, X):
    X = X.copy()
    X.flags.writeable = False
    return X


FORMS = {
    "read_only": frozen,
    "memory_mapped": as_map,
    "fortran": lambda _, X: np.asfortranarray(X),
    "strided": lambda _, X: np.repeat(X, 2, axis=0)[::2],
    "reversed_columns": lambda _, X: X[:, ::-1].copy()[:, ::-1],
    "big_endian": lambda _, X: X.astype(">f8"),
    "list": lambda _, X: X.tolist(),
    "csr_array": lambda _, X: sparse.csr_array(X),
    "csc": lambda _, X: sparse.csc_matrix(X),
    "coo_array": lambda _, X: sparse.coo_array(X),
    "read_only_csr": lambda _, X: freeze_csr(csr(X)),
}


def freeze_csr(X):
    for part in (X.data, X.indices, X.indptr):
        part.flags.writeable = False
    return X


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_array_does_not_matter(form, solver, tmp_path):
    X, y = make(n=50)
    model = model_of(solver=solver)
    expected = theta(model.fit(X, y))
    other = FORMS[form](tmp_path, X)
    before = X.copy()
    np.testing.assert_allclose(theta(model.fit(other, y)), expected, rtol=1e-12)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("solver", SOLVERS)
def test_unsorted_and_repeated_sparse_entries_add_up(solver):
    X, y = make(n=40)
    rows, columns = np.nonzero(np.ones_like(X))
    halves = np.concatenate([0.25 * X.ravel(), 0.75 * X.ravel()])
    order = np.argsort(np.tile(rows, 2), kind="stable")
    columns = np.tile(columns, 2)[order]
    messy = sparse.csr_matrix((halves[order], columns, np.arange(0, 2 * X.size + 1, 2 * X.shape[1])))
    assert not messy.has_canonical_format
    assert_same(model_of(solver=solver).fit(messy, y), model_of(solver=solver).fit(X, y))


# ---------------------------------------------------------------- standardised coordinates


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "huber"])
@pytest.mark.parametrize("optimizer", ["plain", "momentum", "adam"])
def test_standardize_is_a_scaler_by_hand(optimizer, loss, solver, storage):
    """Without a penalty the path is that on scaled features, told in the original coordinates."""
    X, y = make(loss, n=40)
    X = thin(3 * X + 2, 0.6)
    mean, scale = X.mean(axis=0), X.std(axis=0)
    params = {"optimizer": optimizer, "solver": solver, "penalty": None}
    scaled = theta(model_of(loss, **params).fit((X - mean) / scale, y))
    weights = scaled[:-1] / scale[:, None]
    expected = np.vstack([weights, scaled[-1:] - mean @ weights])
    model = model_of(loss, standardize=True, **params).fit(storage(X), y)
    np.testing.assert_allclose(theta(model), expected, rtol=1e-8, atol=1e-10)


# ---------------------------------------------------------------- seeds, jobs, threads


@pytest.mark.parametrize("estimator_class", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"average": True}])
def test_one_seed_gives_one_model_for_any_number_of_jobs(estimator_class, solver, params):
    loss = "log_loss" if estimator_class is GDClassifier else "squared_error"
    X, y = make(loss, n=3000, d=20, outputs=3)
    model = estimator_class(solver=solver, random_state=3, max_iter=3, tol=None, **params)
    first = theta(model.set_params(n_jobs=1).fit(X, y))
    for jobs in (1, 2, -1, None):
        np.testing.assert_array_equal(theta(model.set_params(n_jobs=jobs).fit(X, y)), first)
    other = theta(model.set_params(random_state=4).fit(X, y))
    assert (solver == "batch" and not params.get("early_stopping")) or np.any(other != first)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["huber", "log_loss"])
def test_sums_over_many_rows_do_not_depend_on_the_jobs(loss, dtype):
    X, y = make(loss, n=70_000, d=6, outputs=3, dtype=dtype)
    model = estimator(loss, solver="batch", max_iter=3, tol=None)
    first = theta(model.set_params(n_jobs=1).fit(X, y))
    for jobs in (2, 3):
        np.testing.assert_array_equal(theta(model.set_params(n_jobs=jobs).fit(X, y)), first)


@pytest.mark.parametrize("solver", SOLVERS)
def test_fits_in_threads_are_fits_one_after_another(solver):
    X, y = make("log_loss", n=2000, d=10, outputs=3)

    def fit(seed):
        return theta(GDClassifier(solver=solver, random_state=seed, max_iter=5, tol=None).fit(X, y))

    expected = [fit(seed) for seed in range(6)]
    with ThreadPoolExecutor(4) as pool:
        for got, want in zip(pool.map(fit, range(6)), expected, strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fit_leaves_other_threads_running(solver):
    """A million updates in one run of the core: the thread that waits for them goes on."""
    X, y = make("huber", n=20_000, d=10)
    epochs = {"batch": 3000, "minibatch": 400, "sgd": 200}[solver]
    model = model_of("huber", solver=solver, max_iter=epochs, check_every=10**9, learning_rate=1e-4)
    with ThreadPoolExecutor(1) as pool:
        running, ticks = pool.submit(model.fit, X, y), 0
        while not running.done():
            time.sleep(0.001)
            ticks += 1
    assert running.result() is model
    assert ticks >= 20
