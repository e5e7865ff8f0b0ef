"""Arrays that do not fit together are errors, not crashes, and errors in threads reach the user."""

import subprocess
import sys

import numpy as np
import pytest
from _data import KINDS, SOLVERS, csr, estimator, make
from scipy import sparse

import skgd
from skgd import losses
from skgd._core import core

PROBLEMS = {np.float32: core.Problem32, np.float64: core.Problem64}


def problem(X, y=None, loss=("squared_error", 0.0), penalty=(0.0, 0.0), columns=1, codes=False):
    """A linear problem of the core with an intercept, on arrays as they are."""
    dtype = (X[0] if isinstance(X, tuple) else X).dtype.type
    n = len(X[2]) - 1 if isinstance(X, tuple) else len(X)
    y = np.zeros(n * columns, dtype) if y is None else y
    return PROBLEMS[dtype](X, None, (y, None, columns, codes), loss, penalty, True, None)


# ---------------------------------------------------------------- rows


def broken_csr(index, **changes):
    """The arrays of a 3 x 4 CSR matrix with some elements changed: {name: (place, value)}."""
    arrays = {
        "data": np.ones(5),
        "indices": np.array([0, 3, 1, 2, 3], index),
        "indptr": np.array([0, 2, 3, 5], index),
    }
    for name, (place, value) in changes.items():
        arrays[name][place] = value
    return (*arrays.values(), 4)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": (1, 4)}, "column indices outside of 0 .. 3"),
        ({"indices": (4, 10**6)}, "column indices outside of 0 .. 3"),
        ({"indices": (0, -1)}, "column indices outside of 0 .. 3"),
        ({"indptr": (0, 1)}, "must start with 0"),
        ({"indptr": (1, 4)}, "must never decrease"),
        ({"indptr": (3, 6)}, "ends at 6, but only 5 values"),
    ],
)
def test_csr_arrays_that_do_not_fit_together_are_an_error(index, changes, message):
    problem(broken_csr(index))
    with pytest.raises(ValueError, match=message):
        problem(broken_csr(index, **changes))


def test_features_that_indices_of_32_bits_cannot_tell_apart_are_an_error():
    with pytest.raises(ValueError, match=f"has {2**31} features; at most 2.31 - 1 = {2**31 - 1}"):
        problem((*broken_csr(np.int64)[:3], 2**31))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_fit_refuses_csr_indices_out_of_range(solver, index):
    X, y = make(n=40)
    X = csr(X, index)
    X.indices[7] = 10_000_000
    with pytest.raises(ValueError, match="indices"):
        estimator(solver=solver, learning_rate=0.01).fit(X, y)
    X.indices[7] = -3
    with pytest.raises(ValueError, match="indices"):
        estimator(solver=solver, learning_rate=0.01).fit(X, y)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_refuse_csr_indices_out_of_range(kind, index):
    X, y = make("log_loss", n=40)
    model = kind(max_iter=2, tol=None, learning_rate=0.01).fit(csr(X), y)
    names = ("predict", "decision_function", "predict_proba")
    methods = [getattr(model, name) for name in names if hasattr(model, name)]
    for column in (5, 10**6, -1):
        broken = csr(X, index)
        broken.indices[0] = column
        for method in (*methods, lambda X: model.score(X, y)):
            with pytest.raises(ValueError, match=r"column indices outside of 0 \.\. 4"):
                method(broken)
    broken = csr(X, index)
    broken.indptr[3] += 10**6
    with pytest.raises(ValueError, match="must never decrease"):
        model.predict(broken)


def test_csr_without_rows_or_columns_passes_the_check():
    empty = sparse.csr_matrix((0, 3))
    assert problem((empty.data, empty.indices, empty.indptr, 3)).evaluate(np.zeros(4)) == 0
    flat = sparse.csr_matrix((3, 0))
    assert problem((flat.data, flat.indices, flat.indptr, 0), np.ones(3)).evaluate(np.zeros(1)) == 1.5


def test_more_rows_than_an_order_can_number_are_an_error():
    n = 2**31
    with pytest.raises(ValueError, match=r"2\^31 - 1"):
        problem(np.empty((n, 0)), np.zeros(1))
    with pytest.raises(ValueError, match=r"2\^31 - 1"):
        core.Order(n, 1)


def test_arrays_of_wrong_sizes_are_an_error():
    X = np.ones((6, 2))
    with pytest.raises(ValueError, match="y has 5 elements instead of 6"):
        problem(X, np.zeros(5))
    with pytest.raises(ValueError, match="theta has 4 elements instead of 3"):
        problem(X).evaluate(np.zeros(4))
    with pytest.raises(ValueError, match="z has 7 elements instead of 6"):
        problem(X).scores(np.zeros(3), np.zeros((7, 1)))
    descent = core.Descent64(np.zeros(4), (), None, (0, 0.0), None, (0, 0))
    plan = ((6, 6, 0), np.full((1, 1), 0.1), 1, 0.0)
    with pytest.raises(ValueError, match="theta"):
        core.run(problem(X), descent, ("plain", []), None, (0, 6), plan)
    descent = core.Descent64(np.zeros(3), (), None, (0, 0.0), None, (0, 0))
    with pytest.raises(ValueError, match="span"):
        core.run(problem(X), descent, ("plain", []), None, (0, 7), plan)
    with pytest.raises(ValueError, match="array of the descent"):
        core.Descent64(np.zeros(3), (np.zeros(2),), None, (0, 0.0), None, (0, 0))


# ---------------------------------------------------------------- class codes


@pytest.mark.parametrize("loss", [losses.LogLoss(), losses.Hinge()])
@pytest.mark.parametrize("code", [1e9, 3.0, -1.0, 0.5, np.nan, np.inf, -np.inf])
def test_class_codes_out_of_range_are_an_error(loss, code):
    with pytest.raises(ValueError, match=r"whole numbers 0 to 2; y\[1\]"):
        loss.value_and_slope(np.array([1.0, code]), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="whole numbers 0 to 1"):
        loss.value_and_slope(np.array([1.0, code]), np.zeros((2, 1)))


def test_targets_and_scores_of_different_lengths_are_an_error():
    for loss in (losses.LogLoss(), losses.SquaredError()):
        with pytest.raises(ValueError, match="y has 1 rows and raw has 3"):
            loss.value_and_slope(np.array([1.0]), np.zeros((3, 1)))


def test_a_problem_checks_its_class_codes():
    with pytest.raises(ValueError, match="class codes"):
        problem(np.ones((2, 2)), np.array([0.0, 7.0]), ("softmax", 0.0), columns=3, codes=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 3, 9, 64])  # whole vectors of the core and rests of them
def test_every_class_code_is_checked(dtype, n):
    X, codes = np.ones((n, 2), dtype), np.arange(n, dtype=dtype) % 3
    parameters = {"columns": 3, "codes": True}
    problem(X, codes, ("softmax", 0.0), **parameters)
    for at in {0, n // 2, n - 1}:
        for wrong in (3, -1, 0.5, 2.0 + 2**-20, np.nan, np.inf, -np.inf, 1e30):
            y = codes.copy()
            y[at] = wrong
            with pytest.raises(ValueError, match=rf"whole numbers 0 to 2; y\[{at}\]"):
                problem(X, y, ("softmax", 0.0), **parameters)


# ---------------------------------------------------------------- threads

FEW_THREADS = """
import resource
import numpy as np
import skgd
X = np.random.default_rng(0).normal(size=(70_000, 4))
y = X @ np.arange(4.0)
params = dict(solver="batch", learning_rate=0.1, max_iter=3, tol=None, optimizer="momentum", loss="huber")
alone = skgd.GDRegressor(**params).fit(X, y)
everything = resource.getrlimit(resource.RLIMIT_AS)[1]
for megabytes in (1, 12, 30):
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, everything))
    try:
        model = skgd.GDRegressor(**params, n_jobs=16).fit(X, y)
    except MemoryError:
        found = "MemoryError"
    else:
        found = (model.coef_ == alone.coef_).all()
    resource.setrlimit(resource.RLIMIT_AS, (everything, everything))
    print(found)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory as Linux has them")
def test_threads_that_cannot_start_are_done_without():
    """A thread takes some 8 MB of addresses for its stack: of 15 none, one or three can start."""
    run = subprocess.run(
        [sys.executable, "-P", "-c", FEW_THREADS], capture_output=True, text=True, check=False
    )
    least, *others = run.stdout.split()
    assert least in ("True", "MemoryError"), run.stderr
    assert others == ["True", "True"], run.stdout


class Raises(losses.Loss):
    """Raises in some thread after a few calls; the others must end, too."""

    def __init__(self, after=5, error=ZeroDivisionError):
        self.after, self.error = after, error

    def value_and_slope(self, y, raw):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls > self.after:
            raise self.error("my own mistake")
        residual = raw - y[:, None]
        return (residual**2).sum(axis=1) / 2, residual


@pytest.mark.parametrize("error", [ZeroDivisionError, MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("jobs", [1, 4, 16])
def test_a_loss_that_raises_on_several_threads(jobs, error):
    X, y = make(n=70_000, d=2)
    for after in range(0, 200, 23):
        model = skgd.GDRegressor(
            Raises(after, error), solver="batch", learning_rate=0.1, max_iter=9, n_jobs=jobs
        )
        with pytest.raises(error):
            model.fit(X, y)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_loss_that_raises_in_a_shared_mini_batch(error):
    X, y = make(n=400, d=40)
    for after in range(0, 40, 3):
        model = skgd.GDMLPRegressor(
            Raises(after, error),
            hidden_layer_sizes=(150, 100),
            batch_size=200,
            learning_rate=1e-3,
            max_iter=9,
            n_jobs=4,
            encoding=None,
        )
        with pytest.raises(error):
            model.fit(X, y)


# ---------------------------------------------------------------- losses written in Python


class Returns(losses.Loss):
    """What a loss should not return."""

    def __init__(self, what="nothing"):
        self.what = what

    def value_and_slope(self, y, raw):
        residual = raw - y.reshape(raw.shape)
        values, slopes = (residual**2).sum(axis=1) / 2, residual
        doubled = np.stack([values, values], axis=1)
        return {
            "right": (values, slopes),
            "column": (values[:, None], slopes),
            "nothing": None,
            "one array": values,
            "text": (values, "steep"),
            "a number": (values.sum(), slopes),
            "short values": (values[:-1], slopes),
            "values by column": (doubled, slopes),
            "short slopes": (values, slopes[:-1]),
            "transposed slopes": (values, slopes.T),
            "no slopes": (values, None),
            "nan values": (values * np.nan, slopes),
            "nan slopes": (values, np.where(residual > 0, np.nan, 1.0)),
        }[self.what]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("rate", ["auto", 0.01])
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nothing", "must return two arrays, .*it returned NoneType"),
        ("one array", r"must return two arrays, .*it returned an array of shape \("),
        ("text", "must return slopes of shape .*it returned str"),
        ("a number", "must return values of shape"),
        ("short values", "must return values of shape"),
        ("values by column", "must return values of shape"),
        ("short slopes", "must return slopes of shape"),
        ("no slopes", "must return slopes of shape .*it returned NoneType"),
        ("nan values", "returned nan for y = .* and raw ="),
        ("nan slopes", "returned nan for y = .* and raw ="),
    ],
)
def test_a_loss_that_returns_something_else_is_named(solver, rate, what, message):
    X, y = make()
    with pytest.raises(ValueError, match=rf"Returns\.value_and_slope {message}"):
        estimator(solver=solver, learning_rate=rate).set_params(loss=Returns(what)).fit(X, y)


def test_slopes_are_not_transposed_silently():
    X, y = make(n=30, outputs=3)
    with pytest.raises(ValueError, match="must return slopes of shape"):
        estimator(solver="batch", learning_rate=0.1).set_params(loss=Returns("transposed slopes")).fit(X, y)


def test_values_may_be_a_column():
    X, y = make(n=30)
    fits = [
        estimator(solver="batch", learning_rate=0.1, max_iter=5, tol=None).set_params(loss=loss).fit(X, y)
        for loss in (Returns("right"), Returns("column"))
    ]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)


# ---------------------------------------------------------------- finite numbers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_finite_finds_one_bad_element_anywhere(dtype):
    for size in [*range(1, 40), 64, 100]:
        x = np.full((1, size), np.finfo(dtype).max, dtype)
        assert core.all_finite(x)
        for place in range(size):
            for bad in (np.nan, np.inf, -np.inf):
                x[0, place] = bad
                assert not core.all_finite(x)
            x[0, place] = -0.0


# ---------------------------------------------------------------- paths


def path_arrays(d=37, m=5):
    """Second moments (d, d), products (d,), tolerance, strengths (m, 2), their factors and bounds of weights
    (3, d), weights (m, d) and sweeps (m,)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, d))  # fewer rows than features
    strengths = np.column_stack([np.geomspace(1, 1e-3, m), np.full(m, 1e-4)])
    products = X.T @ rng.normal(size=20) / 20
    features = np.broadcast_to([[1.0], [-np.inf], [np.inf]], (3, d)).copy()
    return [X.T @ X / 20, products, 1e-10, strengths, features, np.empty((m, d)), np.empty(m, np.int64)]


@pytest.mark.parametrize("d", [1, 2, 9, 37, 80])
def test_weights_of_a_path_meet_the_conditions_of_a_minimum(d):
    gram, products, tolerance, strengths, features, weights, sweeps = path_arrays(d)
    core.quadratic_path(gram, products, tolerance, strengths, features, weights, sweeps)
    slopes = products - weights @ gram - strengths[:, 1:] * weights
    assert (np.abs(slopes) < strengths[:, :1] + 1e-8).all()
    np.testing.assert_allclose((slopes - np.sign(weights) * strengths[:, :1])[weights != 0], 0, atol=1e-8)
    assert (sweeps > 0).all() and sweeps.sum() < 1000


@pytest.mark.parametrize("d", [9, 37])
def test_weights_within_bounds_under_factors_meet_the_conditions_of_a_minimum(d):
    gram, products, tolerance, strengths, features, weights, sweeps = path_arrays(d)
    features[:] = np.random.default_rng(1).uniform([[0.0], [-0.2], [0.0]], [[2.0], [0.0], [0.2]], (3, d))
    core.quadratic_path(gram, products, tolerance, strengths, features, weights, sweeps)
    factor, low, high = features
    assert ((low <= weights) & (weights <= high)).all()
    l1, l2 = strengths[:, :1] * factor, strengths[:, 1:] * factor
    slopes = products - weights @ gram - l2 * weights
    inside = (weights != 0) & (low < weights) & (weights < high)
    np.testing.assert_allclose((slopes - np.sign(weights) * l1)[inside], 0, atol=1e-8)
    assert (slopes[(weights == high) & (high > 0)] > -1e-8).all()
    assert (slopes[(weights == low) & (low < 0)] < 1e-8).all()
    assert (np.abs(slopes) < l1 + 1e-8)[weights == 0].all()
    assert ((weights[-1] == high) | (weights[-1] == low)).any()
    assert sweeps.sum() < 2000


def test_a_path_without_correlation_is_the_soft_threshold():
    _, products, tolerance, strengths, features, weights, sweeps = path_arrays()
    core.quadratic_path(np.eye(37), products, tolerance, strengths, features, weights, sweeps)
    expected = np.sign(products) * np.maximum(np.abs(products) - strengths[:, :1], 0) / (1 + strengths[:, 1:])
    np.testing.assert_allclose(weights, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("place", "name"), [(0, "gram"), (3, "strengths"), (4, "features"), (5, "weights")])
def test_paths_of_arrays_that_do_not_fit(place, name):
    arrays = path_arrays()
    arrays[place] = arrays[place][1:].copy()
    with pytest.raises(ValueError, match=f"{name} has"):
        core.quadratic_path(*arrays)


def test_a_path_is_interrupted(tmp_path):
    code = """if True:
        import signal
        import numpy as np
        from skgd._core import core
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        X = np.cumsum(np.random.default_rng(0).normal(size=(400, 300)), axis=1)
        m = 1_000_000
        strengths = np.column_stack([np.tile([1.0, 1e-3], m // 2), np.zeros(m)])
        features = np.broadcast_to([[1.0], [-np.inf], [np.inf]], (3, 300)).copy()
        arrays = X.T @ X / 400, X[:, 7] @ X / 400, 1e-9, strengths, features
        arrays += np.empty((m, 300)), np.empty(m, np.int64)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            core.quadratic_path(*arrays)
        except KeyboardInterrupt:
            print("interrupted")
    """
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.stdout == "interrupted\n", done.stderr


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (61, 5), (700, 33), (40, 1500)])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_columns_are_those_of_numpy(shape, dtype, weighted):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal(shape) * 10 ** rng.uniform(-3, 3, shape[1]) + 100).astype(dtype)
    X[rng.random(shape) < 0.2] = 0
    weight = rng.integers(0, 3, shape[0]).astype(float) + (shape[0] == 1) if weighted else None
    found = np.zeros((3, shape[1]))
    core.column_moments(X, weight, found)
    w = np.ones(shape[0]) if weight is None else weight
    exact = X.astype(np.longdouble)
    mean = w @ exact / w.sum()
    np.testing.assert_allclose(found[0], mean.astype(float), rtol=1e-14)
    np.testing.assert_allclose(found[1], (w @ (exact - mean) ** 2).astype(float), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found[2], w @ (X != 0))
