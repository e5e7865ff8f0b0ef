"""How often a fit reads X: the passes that are left, and that they give what they gave."""

import os
import signal
import time
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from itertools import product, repeat

import numpy as np
import pytest
from _data import SOLVERS, estimator, make, pairs
from scipy.sparse import csr_matrix, issparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.utils import check_array

from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor
from skgd._core import core
from skgd._labels import class_codes, classes_of
from skgd._options import options_of
from skgd._problem import padded
from skgd._splits import split_rows
from skgd._step_size import _largest_by_lanczos, scale_of
from skgd.losses import LOSSES


@pytest.fixture
def readings(monkeypatch):
    """Names of the core's passes over all rows, as they are made."""
    seen = []

    def counted(name, kind):
        made = getattr(kind, name)

        def method(problem, *args):
            gradient = name == "evaluate" and len(args) > 1 and args[1] is not None
            seen.append("gradient" if gradient else name)
            return made(problem, *args)

        monkeypatch.setattr(kind, name, method)

    for kind in (core.Problem32, core.Problem64):
        counted("evaluate", kind)
        counted("row_moments", kind)
    return seen


def problem_of(loss, X, y, standardize=False, weight=None):
    estimator = GDRegressor if LOSSES[loss].task == "regression" else GDClassifier
    model = estimator(loss, solver="sgd", standardize=standardize, learning_rate=0.1)
    return model._objective_of(X, y, weight)


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(("n", "d"), [(5, 1), (700, 3), (4500, 21), (999, 70)])
def test_objective_is_the_mean_of_the_losses(loss, standardize, n, d):
    rng = np.random.default_rng(n)
    X = rng.normal(3, 1, (n, d))
    y = rng.integers(0, 2, n) if LOSSES[loss].task == "classification" else rng.random(n) + 0.1
    y[:2] = 0, 1
    if LOSSES[loss].task == "regression":
        y[0] = 0.5
    for weight in (None, rng.random(n)):
        for dtype, rtol in ((np.float64, 1e-12), (np.float32, 2e-6)):
            problem = problem_of(loss, X.astype(dtype), y, standardize, weight)
            theta = problem.zeros()
            theta[:, 0] = rng.standard_normal(d + 1) / 3
            for scale in (1, 0, 1e-3) if loss != "log_loss" else (1, 0, 40):
                at = (theta * scale).astype(dtype)
                gradient = problem.zeros()
                by_blocks = problem.core.evaluate(at, gradient, 1)
                assert problem.core.evaluate(at, None, 1) == pytest.approx(by_blocks, rel=rtol)


def test_small_log_losses_keep_their_digits():
    X, y = np.linspace(30, 40, 2000)[:, None], np.ones(2000, dtype=int)
    y[0] = 0
    problem = problem_of("log_loss", X, y)
    theta = np.array([[1.0], [0.0]])
    expected = X[0, 0] + np.log1p(np.exp(-X[1:, 0])).sum()
    assert problem.core.evaluate(theta, None, 1) == pytest.approx(expected, rel=1e-15)
    rest = problem_of("log_loss", np.vstack([X[1:], -X[1:2]]), np.append(y[1:], 0))
    expected = np.log1p(np.exp(-X[1:, 0])).sum() + np.log1p(np.exp(-X[1, 0]))
    assert rest.core.evaluate(theta, None, 1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_objective_does_not_depend_on_the_threads(dtype):
    X, y = make("log_loss", n=40_000, d=20)
    problem = problem_of("log_loss", X.astype(dtype), y)
    theta = problem.zeros()
    theta[:, 0] = np.linspace(-1, 1, 21)
    one = problem.core.evaluate(theta, None, 1)
    assert all(problem.core.evaluate(theta, None, threads) == one for threads in (2, 3, 8))


def test_callers_in_threads_share_a_problem():
    """Its crew works for one of them at a time; the others have threads of their own."""
    X, y = make("log_loss", n=20_000, d=20)
    problem = problem_of("log_loss", X, y)
    thetas = [np.full((21, 1), value) for value in np.linspace(-1, 1, 12)]

    def value_and_gradient(theta, threads):
        gradient = problem.zeros()
        values = [problem.core.evaluate(theta, into, threads) for into in (None, gradient)]
        return [*values, gradient.tobytes()]

    alone = [value_and_gradient(theta, 1) for theta in thetas]
    with ThreadPoolExecutor(4) as callers:
        for threads in (2, 3):
            assert list(callers.map(value_and_gradient, thetas, repeat(threads))) == alone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_threads():
    """It has none of those that a problem keeps: it can go on alone, and drop the problem."""
    problem = problem_of("log_loss", *make("log_loss", n=20_000, d=20))
    theta = np.ones((21, 1))
    value = problem.core.evaluate(theta, None, 2)
    child = os.fork()
    if child == 0:
        same = problem.core.evaluate(theta, None, 2) == value
        del problem
        os._exit(0 if same else 1)
    for _ in range(300):
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
    assert found and status == 0


@pytest.mark.parametrize("rows", ["isotropic", "decaying", "far from zero", "narrow"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_largest_eigenvalue_takes_few_passes(readings, rows, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 200))
    if rows == "decaying":
        X *= np.geomspace(1, 0.01, 200)
    if rows == "far from zero":
        X += 5
    if rows == "narrow":
        X *= np.linspace(1, 0.5, 200)
    problem = problem_of("squared_error", X.astype(dtype), X[:, 0])
    Z = np.column_stack([X, np.ones(len(X))])
    true = np.linalg.eigvalsh(Z.T @ Z / len(Z))[-1]
    assert 0.96 * true <= _largest_by_lanczos(problem, 1) <= true * (1 + 1e-5)
    assert len(readings) <= 10  # 20 power iterations gave .97 to .99


def test_lanczos_ends_where_all_directions_are_seen(readings):
    X = np.zeros((50, 200))
    X[:, :2] = [3.0, 0.0]
    problem = problem_of("squared_error", X, np.arange(50.0))
    assert _largest_by_lanczos(problem, 1) == pytest.approx(np.linalg.eigvalsh([[9.0, 3], [3, 1]])[-1])
    assert len(readings) <= 4


@pytest.mark.parametrize("batch_size", [8, 32, 128])
def test_few_rows_tell_the_rate_of_mini_batches(monkeypatch, batch_size):
    rng = np.random.default_rng(1)
    problem = problem_of("squared_error", rng.standard_normal((20_000, 300)), rng.standard_normal(20_000))
    fast = scale_of(problem, batch_size).largest_stable(batch_size)
    monkeypatch.setattr("skgd._step_size._SMALL_SAMPLE", 10**9)
    assert fast == pytest.approx(scale_of(problem, batch_size).largest_stable(batch_size), rel=0.06)


def test_the_objective_is_evaluated_once_for_each_check(readings):
    X, y = make("squared_error", n=3000, d=30)
    model = GDRegressor(solver="sgd", random_state=0).fit(X, y)
    checks = len(model.loss_curve_)
    # the start, then a mean for each check; the last iterate and two steps of the diagnosis at the end
    assert readings.count("evaluate") <= checks + 4
    assert readings.count("row_moments") == 1


def test_a_given_rate_costs_one_evaluation(readings):
    X, y = make("squared_error", n=3000, d=30)
    GDRegressor(solver="sgd", learning_rate=1e-3, max_iter=1, tol=None).fit(X, y)
    assert readings == ["evaluate", "evaluate"]  # where it starts (weights of zero: no row is read), loss_


def assert_refuses(model, X, y, bad, row, **fit):
    """fit raises scikit-learn's own error for a bad value in a row, and leaves no model."""
    X = X.copy()
    X[row, 1] = bad
    with pytest.raises(ValueError) as expected:
        check_array(X, input_name="X", estimator=model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError) as found:
            model.fit(X, y, **fit)
    assert str(found.value).splitlines()[0] == str(expected.value).splitlines()[0]
    assert not hasattr(model, "coef_")


RATES = ("auto", 1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("solver", SOLVERS)
def test_no_loss_hides_a_bad_value(loss, solver, bad):
    X, y = make(loss, n=90, d=5)
    for rate, row in product(RATES, (0, 44, 89)):
        model = estimator(loss, solver=solver, learning_rate=rate, max_iter=2, batch_size=7)
        assert_refuses(model, X, y, bad, row)


@pytest.mark.parametrize(("optimizer", "solver"), pairs())
@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
def test_no_optimizer_or_penalty_hides_a_bad_value(optimizer, solver, penalty):
    X, y = make(n=90, d=5, dtype=np.float32)
    shared = {"solver": solver, "optimizer": optimizer, "penalty": penalty, "alpha": 0.1}
    for rate, standardize, bad in product(RATES, (False, True), (np.nan, np.inf)):
        for epochs in (1, 3):
            model = GDRegressor(learning_rate=rate, max_iter=epochs, standardize=standardize, **shared)
            assert_refuses(model, X, y, bad, 60)


@pytest.mark.parametrize("loss", ["squared_error", "hinge", "epsilon_insensitive", "log_loss"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_bad_value_counts_in_rows_that_do_not(loss, solver):
    X, y = make(loss, n=90, d=5)
    weight = np.ones(90)
    weight[30:60] = 0
    for rate, schedule in product(RATES, ("constant", lambda t: np.zeros_like(t, dtype=float))):
        model = estimator(loss, solver=solver, learning_rate=rate, schedule=schedule, max_iter=1)
        assert_refuses(model, X, y, np.nan, 45, sample_weight=weight)


@pytest.mark.parametrize("settings", [{"early_stopping": True}, {"check_every": 1}, {"average": True}])
@pytest.mark.parametrize("rate", RATES)
def test_a_bad_value_in_a_row_not_trained_on_is_found(settings, rate):
    X, y = make(n=90, d=5)
    for row in range(0, 90, 5):  # some of them are held out, or come after the fit has stopped
        stopping = {"tol": 1e9, "n_iter_no_change": 1}
        assert_refuses(
            GDRegressor(solver="sgd", learning_rate=rate, **stopping, **settings), X, y, np.nan, row
        )


def test_a_bad_value_is_found_before_the_second_epoch(readings):
    X, y = make("hinge", n=90, d=5)
    model = GDClassifier("hinge", solver="sgd", learning_rate=0.1, max_iter=10**6, tol=None)
    assert_refuses(model, X, y, np.nan, 50)


def test_finite_rows_that_overflow_keep_their_own_error():
    X, y = make(n=90, d=5)
    with pytest.raises(ValueError, match="overflow"):
        GDRegressor(solver="sgd").fit(X * 1e200, y)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_predictions_refuse_bad_values(loss, bad):
    X, y = make(loss, n=60, d=5, outputs=3)
    model = estimator(loss, max_iter=1, tol=None).fit(X, y)
    names = ["predict"] + (["predict_proba", "decision_function"] if loss == "log_loss" else [])
    for zeros, name in product((False, True), names):
        if zeros:
            model.coef_[:] = 0
        for row in (0, 59):
            rows = X.copy()
            rows[row, 4] = bad
            for container in (np.asarray, np.asfortranarray, csr_matrix):
                with pytest.raises(ValueError, match="Input X contains"):
                    getattr(model, name)(container(rows))
    model.sparsify()
    with pytest.raises(ValueError, match="Input X contains"):
        model.predict(rows)


def test_scores_that_overflow_are_no_error():
    X, y = make(n=60, d=5)
    model = GDRegressor(max_iter=1, tol=None).fit(X, y)
    model.coef_[:] = 1e308
    assert np.isinf(model.predict(np.full((1, 5), 1e10))).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("K", [1, 3, 8, 10])
def test_scores_and_probabilities_are_those_of_numpy(dtype, K):
    rng = np.random.default_rng(K)
    rtol = 1e-12 if dtype == np.float64 else 1e-4
    for n, d in ((1, 1), (47, 3), (500, 20), (9000, 40)):
        X, theta = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal((K, d + 1)).astype(dtype)
        padded_theta = padded(theta[:, :-1], theta[:, -1])
        z = np.empty((n, K), dtype)
        assert core.linear_scores(X, padded_theta, z, 1)
        expected = X.astype(float) @ theta[:, :-1].T + theta[:, -1]
        np.testing.assert_allclose(z, expected, rtol=rtol, atol=rtol)
        for threads in (2, 3):
            again = np.empty_like(z)
            core.linear_scores(X, padded_theta, again, threads)
            np.testing.assert_array_equal(z, again)
        for scale in (1, 100):
            found = LOSSES["log_loss"]().probabilities(z * dtype(scale))
            raw = z.astype(float) * scale
            expected = np.hstack([expit(-raw), expit(raw)]) if K == 1 else softmax(raw, axis=1)
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, rtol=100 * scale * rtol, atol=1e-30)
        index = np.empty(n, np.int64)
        core.largest(z, index)
        np.testing.assert_array_equal(index, z.argmax(axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "names", [[0, 1], ["no", "yes"], [2.0, -1.0], [True, False], [3, 1, 2], list("xyzuvwst")]
)
def test_predictions_in_the_cache_are_those_from_raw_scores(dtype, names):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5000, 7)).astype(dtype)
    model = GDClassifier(max_iter=1, tol=None, solver="minibatch").fit(X, np.resize(np.array(names), 5000))
    zeros = np.zeros((5000, np.size(model.intercept_)), dtype)  # an offset goes by the raw scores
    for rows in (slice(1), slice(49), slice(None)):
        found, expected = model.predict(X[rows]), model.predict(X[rows], offset=zeros[rows])
        assert found.dtype == expected.dtype == model.classes_.dtype
        np.testing.assert_array_equal(found, expected)
        p, expected = model.predict_proba(X[rows]), model.predict_proba(X[rows], offset=zeros[rows])
        assert p.dtype == dtype
        np.testing.assert_array_equal(p, expected)
    sorted_codes = np.searchsorted(model.classes_, found)
    np.testing.assert_array_equal(sorted_codes, model.predict_proba(X).argmax(axis=1))
    with pytest.raises(ValueError, match="contains NaN"):
        model.predict(np.where(X > 3, np.nan, X))
    with pytest.raises(ValueError, match="contains infinity"):
        model.predict_proba(np.where(X > 3, np.inf, X))


NUMBERS = [
    np.array([3, 5, 9]),
    np.array([-128, 0, 127], np.int8),
    np.array([0, 1, 3], np.uint8),
    np.array([2**40, 2**40 + 1, 2**40 + 7]),
    np.array([-(2**63), 0, 2**63 - 1]),
    np.array([0, 2**64 - 1], np.uint64),
]
WORDS = [f"label {i}" for i in range(700)]
NAMES = [np.array(["no", "yes"], object), np.array(WORDS, object)]


@pytest.mark.parametrize("classes", NUMBERS + NAMES, ids=lambda c: f"{c.dtype}-{len(c)}")
def test_codes_are_places_in_the_sorted_classes(classes):
    rng = np.random.default_rng(0)
    expected = np.append(rng.permutation(len(classes)), rng.integers(len(classes), size=3000))
    y = classes[expected]
    np.testing.assert_array_equal(classes_of(y), np.sort(classes))
    order = np.argsort(classes)
    for labels in (y, y[::2], y[::-1], np.array([*map(copy, y)], dtype=y.dtype)):
        codes = class_codes(labels, classes[order], np.float32)
        assert codes.dtype == np.float32
        np.testing.assert_array_equal(classes[order][codes.astype(int)], labels)
    unknown = y.copy()
    unknown[7] = classes.max() - 1 if classes.dtype.kind in "iu" else "another"
    with pytest.raises(ValueError, match="that are not among the classes"):
        class_codes(unknown, classes[order], float)


def test_equal_labels_may_be_different_objects():
    y = np.array(["".join(letters) for letters in [("a", "b"), ("c", "d")] * 50], dtype=object)
    assert len({id(label) for label in y}) == 100
    np.testing.assert_array_equal(classes_of(y), ["ab", "cd"])
    np.testing.assert_array_equal(class_codes(y, np.array(["ab", "cd"], object), float), [0, 1] * 50)


def held_out_by(model, X, y):
    """The rows that early_stopping trains on and holds out."""
    options, task = options_of(model), model._task_of(y)
    targets = task.encode(y, None, float, options.objective.loss)
    codes = targets.y if targets.codes else None
    return split_rows(options.stopping.validation_fraction, options.seed, X, y, codes)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("storage", [np.asarray, csr_matrix])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_early_stopping_is_a_fit_to_the_rows_kept(solver, storage, loss, outputs):
    X, y = make(loss, n=400, d=9, outputs=outputs)
    X[np.abs(X) < 0.5] = 0
    weight = np.random.default_rng(0).random(400)
    for kind, settings in product(
        ("linear", "perceptron"),
        ({}, {"learning_rate": 0.05, "standardize": True}, {"optimizer": "adam", "penalty": "l1"}),
    ):
        if kind == "perceptron":
            settings = {name: value for name, value in settings.items() if name != "penalty"}
            estimators = {"squared_error": GDMLPRegressor, "log_loss": GDMLPClassifier}
            model = estimators[loss](loss=loss, hidden_layer_sizes=(5,), solver=solver, **settings)
            model.set_params(max_iter=6)
        else:
            model = estimator(loss, solver=solver, max_iter=6, **settings)
        model.set_params(early_stopping=True, random_state=3, tol=None)
        kept, held = held_out_by(model, X, y)
        by_view = clone(model).fit(storage(X), y, sample_weight=weight)
        validation = {"X_val": storage(X[held]), "y_val": y[held], "sample_weight_val": weight[held]}
        by_copy = model.fit(storage(X[kept]), y[kept], sample_weight=weight[kept], **validation)
        for name, value in vars(by_copy).items():
            if name in ("coef_", "intercept_", "loss_curve_", "loss_"):
                np.testing.assert_allclose(getattr(by_view, name), value, rtol=1e-9, atol=1e-12)
            if name in ("coefs_", "intercepts_"):
                for a, b in zip(getattr(by_view, name), value, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("storage", [np.asarray, csr_matrix])
def test_early_stopping_copies_the_rows_held_out_only(storage):
    X, y = make(n=20_000, d=100)
    X = storage(X)
    size = sum(part.nbytes for part in ((X.data, X.indices, X.indptr) if issparse(X) else (X,)))
    model = GDRegressor(solver="sgd", learning_rate=1e-4, early_stopping=True, max_iter=2)
    model.fit(X[:100], y[:100])
    tracemalloc.start()
    model.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (0.6 if issparse(X) else 0.3) * size  # it was 1.26 and 1.2


@pytest.mark.parametrize(("n", "d"), [(10_000, 50), (3_000, 100), (1_024, 300)])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_threads_give_the_same_bits(n, d, loss, dtype):
    X, y = make(loss, n=n, d=d, dtype=dtype)
    shared = {"solver": "batch", "learning_rate": 0.1, "max_iter": 4, "tol": None}
    one, two, three = (estimator(loss, n_jobs=jobs, **shared).fit(X, y) for jobs in (1, 2, 3))
    for other in (two, three):
        np.testing.assert_array_equal(one.coef_, other.coef_)
        assert one.loss_ == other.loss_
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
