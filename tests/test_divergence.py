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
from _data import SOLVERS, csr, estimator, make, theta
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

import skgd

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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "huber", "squared_hinge", "poisson"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
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


# ---------------------------------------------------------------- Ctrl-C

SCRIPT = """
    import itertools
    import time
    import numpy as np
    import skgd

    X = np.random.default_rng(0).normal(size=(50_000, 20))
    y = X.sum(axis=1) ** 2
    for solver, check_every in itertools.product(["batch", "minibatch", "sgd"], ["epoch", 10**9]):
        model = skgd.GDRegressor("{loss}", solver=solver, learning_rate=1e-6, tol=None,
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
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_ctrl_c_stops_and_keeps_the_model(loss, tmp_path):
    """In every solver, also where the checks are a billion updates apart."""
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT).format(loss=loss)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as child:
        try:
            for _ in range(6):
                assert child.stdout.readline().strip() == "ready"
                time.sleep(0.3)
                sent = time.monotonic()
                child.send_signal(signal.SIGINT)
                caught, reason, learnt = child.stdout.readline().split()
                assert float(caught) - sent < 1.0
                assert (reason, learnt) == ("interrupted", "True")
        finally:
            child.kill()
