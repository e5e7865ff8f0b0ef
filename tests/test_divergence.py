"""What happens when the rate is too high, the features badly scaled, or the user impatient."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import _reference as reference
import numpy as np
import pytest
from _data import SOLVERS, covering, csr, estimator, make, theta
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import GDRegressor, GDRegressorCV
from skgd.learning_rate import find_learning_rate, largest_stable_learning_rate

QUIET = {"penalty": None, "tol": None}


def largest_stable(X, rows):
    """2 / ((1 - 1/b) lambda_max + R2 / b), squared loss, the constant column included."""
    X1 = reference.with_ones(X)
    squares = (X1**2).sum(axis=1)
    top = np.linalg.eigvalsh(X1.T @ X1 / len(X1))[-1]
    return 2 / ((1 - 1 / rows) * top + (squares**2).sum() / squares.sum() / rows)


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize(("solver", "rows"), [("batch", None), ("minibatch", 8), ("sgd", 1)])
def test_too_high_a_rate_is_an_error_with_numbers(solver, rows, storage):
    X, y = make(n=200)
    limit = 2 / np.linalg.eigvalsh(reference.with_ones(X).T @ reference.with_ones(X) / 200)[-1]
    limit = limit if rows is None else largest_stable(X, rows)
    rate = round(5 * limit, 3)
    model = estimator(solver=solver, batch_size=8, learning_rate=rate, max_iter=500, **QUIET)
    with pytest.raises(skgd.DivergenceError) as caught:
        model.fit(storage(X), y)
    error = caught.value
    assert isinstance(error, ValueError)
    assert error.learning_rate == rate
    assert error.largest_stable_learning_rate == pytest.approx(limit, rel=0.02)
    message = str(error)
    assert f"{rate:g}" in message
    assert f"{error.largest_stable_learning_rate:.3g}" in message
    assert "learning_rate" in message
    assert "scale" in message.lower()


@pytest.mark.parametrize("optimizer", ["plain", "momentum", "nesterov"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "squared_epsilon_insensitive"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_divergence_is_noticed_within_one_long_epoch(solver, loss, optimizer):
    """Not only at the next check: nothing is wasted on numbers that have left the range."""
    X, y = make(loss, n=500)
    model = estimator(
        loss,
        solver=solver,
        learning_rate=1e3,
        optimizer=optimizer,
        max_iter=10**6,
        check_every=10**9,
        **QUIET,
    )
    begun = time.perf_counter()
    with pytest.raises(skgd.DivergenceError):
        model.fit(X, y)
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize(
    ("scale", "loss", "solver", "dtype"),
    covering(
        [1e-3, 1.0, 1e3],
        ["squared_error", "log_loss", "huber", "squared_hinge", "poisson"],
        SOLVERS,
        [np.float32, np.float64],
    ),
)
def test_the_automatic_rate_never_diverges(scale, loss, solver, dtype):
    X, y = make(loss, n=300, dtype=dtype)
    X = (scale * X).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = estimator(loss, solver=solver, max_iter=20, **QUIET).fit(X, y)
    start = reference.objective(np.zeros_like(theta(model)), X, y, loss)
    assert np.isfinite(theta(model)).all()
    assert model.loss_ <= start * 1.01  # noise, where there is next to nothing to learn


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "absolute_error"])
def test_losses_that_cannot_overflow_warn(loss, solver):
    X, y = make(loss, n=200)
    model = estimator(loss, solver=solver, learning_rate=1e4, max_iter=30)
    with pytest.warns(ConvergenceWarning, match="(?s)learning_rate.*10000|10000.*learning_rate"):
        model.fit(X, y)
    assert np.isfinite(theta(model)).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_a_good_rate_does_not_warn(loss, solver):
    X, y = make(loss, n=200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator(loss, solver=solver).fit(X, y)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_badly_scaled_features_are_told(loss, solver):
    X, y = make(loss, n=300)
    X = X * [1, 1, 1, 1, 1e4]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = estimator(loss, solver=solver, max_iter=50).fit(X, y)
    told = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
    told = any("standardize=True" in text and "StandardScaler" in text for text in told)
    start = reference.objective(np.zeros((6, 1)), X, y, loss)
    low = estimator(loss, solver="batch", standardize=True, tol=1e-10).fit(X, y).loss_
    assert told or model.loss_ - low < 0.01 * (start - low)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator(loss, solver=solver, standardize=True).fit(X, y)
        estimator(loss, solver=solver).fit(StandardScaler().fit_transform(X), y)


# ---------------------------------------------------------------- rates that no error stops


@pytest.mark.parametrize(
    ("family", "params"),
    [
        (skgd.GDMLPRegressor, {}),
        (skgd.GDMLPRegressor, {"activation": "tanh"}),
        (skgd.GDMLPClassifier, {}),
        (skgd.GDMLPClassifier, {"optimizer": "rmsprop"}),
        (skgd.GDRegressor, {"optimizer": "rmsprop"}),
        (skgd.GDClassifier, {"optimizer": "adam"}),
    ],
)
def test_bounded_steps_that_only_do_harm_are_told(family, params):
    X, y = make(n=200)
    y = y if family._task == "regression" else (y > np.median(y)).astype(int)
    model = family(learning_rate=100.0, max_iter=20, random_state=0, **params)
    with pytest.warns(ConvergenceWarning, match=r"diverged.*learning_rate=100 is too high"):
        model.fit(X, y)
    constant = np.var(y) / 2 if family._task == "regression" else np.log(2)
    assert model.loss_ > constant
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.set_params(learning_rate=0.01).fit(X, y)
    assert not [w for w in caught if "too high" in str(w.message)]


# ---------------------------------------------------------------- numbers beyond the range


@pytest.mark.parametrize("rate", ["auto", 0.01])
@pytest.mark.parametrize("optimizer", ["plain", "momentum", "adam", "rmsprop", "adagrad"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("dtype", "scale"), [(np.float64, 1e154), (np.float32, 1e20)])
def test_overflow_is_no_convergence(dtype, scale, solver, optimizer, rate):
    X, y = make(n=100)
    model = skgd.GDRegressor(solver=solver, optimizer=optimizer, learning_rate=rate)
    with pytest.raises(ValueError, match=rf"overflows {np.dtype(dtype)}.* in y"):
        model.fit(X.astype(dtype), (y * scale).astype(dtype))


@pytest.mark.parametrize("solver", SOLVERS)
def test_large_targets_end_at_the_optimum_or_are_an_error(solver):
    X, y = make(n=100)
    best = np.linalg.lstsq(reference.with_ones(X), y, rcond=None)[0]
    for dtype, exponent in [(np.float64, e) for e in (140, 150, 151, 152, 153)] + [(np.float32, 15)]:
        scaled = (y * 10.0**exponent).astype(dtype)
        try:
            model = skgd.GDRegressor(solver=solver, random_state=0).fit(X.astype(dtype), scaled)
        except ValueError as error:
            assert "overflows" in str(error)
            continue
        residual = model.predict(X.astype(dtype)) / 10.0**exponent - y
        assert np.var(residual) < 1.02 * np.var(reference.with_ones(X) @ best - y)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_features_whose_squares_overflow_are_an_error_of_searches_and_tools_too():
    X, y = make(n=100)
    X[3, 1] = 1e300
    for search in (skgd.GDRegressorCV(cv=3), skgd.GDRegressorCV(cv=3, standardize=True)):
        with pytest.raises(ValueError, match=r"X is too large.*is 1e\+300, in column 1"):
            search.fit(X, y)
    for solver in SOLVERS:
        with pytest.raises(ValueError, match=r"X is too large.*is 1e\+300, in column 1"):
            largest_stable_learning_rate(X, solver=solver)
        with pytest.raises(ValueError, match=r"X is too large.*is 1e\+300, in column 1"):
            find_learning_rate(skgd.GDRegressor(solver=solver), X, y)


def test_an_overflow_in_a_search_names_the_targets():
    X, y = make(n=100)
    with pytest.raises(ValueError, match=r"overflows float64.* in y"):
        skgd.GDRegressorCV(learning_rates=3).fit(X, y * 1e154)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("optimizer", ["plain", "momentum", "adam"])
def test_the_automatic_rate_of_zeros_is_one_to_remember(optimizer, solver):
    """No curvature, no limit: a number near the smallest that there is was divided by."""
    model = skgd.GDRegressor(solver=solver, optimizer=optimizer, penalty=None, fit_intercept=False)
    assert 0.01 <= model.fit(np.zeros((50, 3)), np.arange(50.0)).learning_rate_ <= 1


# ---------------------------------------------------------------- a short last batch


def test_the_advised_rate_is_stable_whatever_the_last_batch():
    """n = 33: a last batch of one row would have the limit of single rows."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((33, 10))
        y = 10 * X[:, 0] + 30 + 0.5 * rng.standard_normal(33)
        params = {"tol": None, "max_iter": 500, "random_state": 0}
        with pytest.raises(skgd.DivergenceError) as caught:
            skgd.GDRegressor(learning_rate=100.0, **params).fit(X, y)
        advised = 0.95 * caught.value.largest_stable_learning_rate
        model = skgd.GDRegressor(learning_rate=advised, **params).fit(X, y)
        assert model.loss_ < np.mean(y**2) / 2


@pytest.mark.parametrize("optimizer", ["plain", "momentum", "adam"])
def test_a_few_rows_more_than_whole_batches_do_no_harm(optimizer):
    """To 1e-2 of what there is to gain; a last batch of one row used to end at .02 to .27."""
    gaps = []
    for n in (33, 65, 97):
        rng = np.random.default_rng(1)
        X = rng.standard_normal((n, 5))
        y = X @ rng.standard_normal(5) + rng.standard_normal(n) > 0
        low = skgd.GDClassifier(solver="batch", tol=1e-9, max_iter=5000).fit(X, y).loss_
        model = skgd.GDClassifier(optimizer=optimizer, random_state=0).fit(X, y)
        gaps.append((model.loss_ - low) / (np.log(2) - low))
    assert max(gaps) < 0.01


# ---------------------------------------------------------------- Ctrl-C

SCRIPT = """
    import itertools
    import time
    import signal
    import numpy as np
    import skgd

    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    X = np.random.default_rng(0).normal(size=(50_000, 20))
    y = X.sum(axis=1) ** 2
    for loss, solver, check_every in itertools.product(
        ["squared_error", "huber"], ["batch", "minibatch", "sgd"], ["epoch", 10**9]
    ):
        model = skgd.GDRegressor(loss, solver=solver, learning_rate=1e-6, tol=None,
                                 max_iter=10**8, check_every=check_every, average=False)
        try:
            print("ready", flush=True)
            model.fit(X, y)
        except KeyboardInterrupt:
            caught = time.monotonic()
            assert np.isfinite(model.predict(X)).all()
            assert np.isfinite(model.loss_)
            assert len(model.loss_curve_) == len(model.history_["epoch"])
            print(caught, model.stop_reason_, np.abs(model.coef_).max() > 0, flush=True)
"""


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("case", "told"),
    [
        (lambda X: 1000 * X, "badly scaled"),
        (lambda X: X + 1000, "badly scaled"),
        (lambda X: X + 1, None),
    ],
    ids=["one unit for all", "far from zero", "near zero"],
)
def test_units_that_keep_a_fit_from_its_optimum_are_told(case, told, solver):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 5))
    y = 150 + X @ [30.0, 20.0, -10.0, 5.0, 0.0] + rng.standard_normal(400)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        skgd.GDRegressor(solver=solver, standardize=False, random_state=0).fit(case(X), y)
    texts = [str(each.message) for each in found if each.category is ConvergenceWarning]
    assert (not texts) if told is None else any(told in text for text in texts)


@pytest.mark.skipif(os.name == "nt", reason="SIGINT is not sent to one process there")
def test_ctrl_c_stops_and_keeps_the_model(tmp_path):
    """In every solver, also where the checks are a billion updates apart."""
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as child:
        try:
            for _ in range(12):
                assert child.stdout.readline().strip() == "ready"
                time.sleep(0.15)
                sent = time.monotonic()
                child.send_signal(signal.SIGINT)
                caught, reason, learnt = child.stdout.readline().split()
                assert float(caught) - sent < 1.0
                assert (reason, learnt) == ("interrupted", "True")
        finally:
            child.kill()


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_a_rate_that_is_too_low_is_told(loss, solver):
    """The lower objective that is named is between the minimum and half of the way there."""
    X, y = make(loss, n=200, d=5)
    settings = {"solver": solver, "random_state": 0}
    best = estimator(loss, **settings).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="learning_rate=1e-09 is too low") as caught:
        model = estimator(loss, learning_rate=1e-9, **settings).fit(X, y)
    lower = float(str(caught[0].message).split(" to ")[1].split(". ")[0])
    assert 0.999 * best.loss_ < lower + 1e-3 * model.loss_ and lower < (model.loss_ + best.loss_) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator(loss, learning_rate=0.1, max_iter=5000, **settings).fit(X, y)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "squared_epsilon_insensitive"])
def test_tol_as_a_share_of_an_offset_of_y_is_told(loss):
    """A fit ended at R2 = -4900 without a word: `tol` is a share of the objective at zero."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 5))
    y = X @ [0.5, -0.3, 0.2, 0, 0.1] + 0.3 * rng.normal(size=500)
    rate = 10.0 if loss == "absolute_error" else 0.01
    with pytest.warns(ConvergenceWarning, match="Take the mean off y, lower tol") as caught:
        model = GDRegressor(loss, learning_rate=rate, random_state=0).fit(X, y + 1e4)
    lower = float(str(caught[0].message).split(" to ")[1].split(". ")[0])
    best = GDRegressor(loss, solver="batch", tol=1e-7).fit(X, y + 1e4)
    constant = GDRegressor(loss, alpha=1e9, solver="batch").fit(X, y + 1e4)
    assert best.loss_ - 1e-6 < lower < 0.9 * model.loss_ + 0.1 * constant.loss_
    with pytest.warns(ConvergenceWarning, match="Take the mean off y"):  # of the fit to all rows
        GDRegressorCV(loss, learning_rates=[rate, rate / 1.01], random_state=0).fit(X, y + 1e4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GDRegressor(loss, learning_rate=0.03, random_state=0).fit(X, y)
        GDRegressor(loss, random_state=0).fit(X, y + 1e4)


@pytest.mark.parametrize("family", [GDRegressor, skgd.GDMLPRegressor])
def test_batches_of_more_than_all_rows_are_named(family):
    X, y = make(n=200, d=5)
    settings = {"random_state": 0, "max_iter": 5, "learning_rate": 1e-3}
    settings |= {"encoding": None} if "MLP" in family.__name__ else {}
    with pytest.warns(ConvergenceWarning, match="batch_size=1000 is more than the 200 rows"):
        family(batch_size=1000, **settings).fit(X, y)
    for options in ({"batch_size": 200}, {"solver": "batch"}, {"solver": "sgd"}):
        with pytest.warns(ConvergenceWarning) as caught:
            family(**options, **settings).fit(X, y)
        assert "batch_size" not in str(caught[0].message)


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error", "quantile", "poisson", "gamma"])
def test_good_fits_at_a_given_rate_are_not_warned_about(loss, solver):
    """Among them y far from zero, which makes fits longer, and y without a pattern."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    for noise, offset in [(0.1, 0.0), (0.1, 3.0), (1.0, 0.0), (30.0, 0.0), (1.0, 3.0)]:
        raw = X @ [0.5, -0.3, 0.2, 0, 0.1] + noise * rng.normal(size=400)
        y = np.exp(raw / max(1, noise)) if loss in ("poisson", "gamma") else raw + offset
        rate = {"batch": 0.3, "minibatch": 0.03, "sgd": 0.003}[solver]
        unit = max(1.0, noise) if loss in ("huber", "absolute_error", "quantile") else 1.0
        options = {"max_iter": 5000, "random_state": 0}
        best = GDRegressor(loss, **options).fit(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = GDRegressor(loss, solver=solver, learning_rate=rate * unit, **options).fit(X, y)
        assert model.score(X, y) > best.score(X, y) - 0.1


def test_a_warm_start_near_the_minimum_has_not_diverged():
    X, y = make(n=200, d=5)
    y = y + np.random.default_rng(0).normal(scale=y.std(), size=200)
    model = GDRegressor(solver="sgd", learning_rate=0.05, average=False, warm_start=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(10):
            model.fit(X, y)
    assert model.score(X, y) > 0.2


def test_a_stream_of_single_rows_names_them():
    X, y = make(n=40)
    model = estimator(solver="sgd", learning_rate=1e3)
    with pytest.raises(skgd.DivergenceError, match="one row per update"):
        for i in range(40):
            model.partial_fit(X[i : i + 1], y[i : i + 1])


def test_rows_without_weight_end_an_exploded_stream_by_a_word():
    X = np.random.default_rng(0).normal(size=(20, 3))
    model = skgd.GDClassifier(solver="minibatch", learning_rate=1e300, class_weight={0: 2.0, 1: 0.0})
    model.partial_fit(X, np.arange(20) % 2, classes=[0, 1])
    assert np.abs(model.coef_).max() > 1e290
    with pytest.raises(skgd.exceptions.DivergenceError, match="too high"):
        model.partial_fit(X, np.ones(20, dtype=int))
