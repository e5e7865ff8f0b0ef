"""A fitted model whose parameters or data change before it goes on."""

import multiprocessing
import sys

import numpy as np
import pytest
from _data import STILL, csr, estimator, make, theta
from sklearn.base import clone

from skgd import GDMLPRegressor, GDRegressor
from skgd.losses import Huber

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")

CHANGES = [
    {"optimizer": "momentum"},
    {"optimizer": "adam"},
    {"penalty": "l1"},
    {"penalty": None},
    {"average": True},
    {"solver": "sgd"},
    {"solver": "minibatch"},
    {"loss": Huber(epsilon=0.5)},
    {"learning_rate": 0.001},
    {"schedule": "cosine"},
    {"standardize": True},
    {"fit_intercept": False},
]


def in_a_process_of_its_own(work, *arguments):
    """What work(*arguments) gives; a crash of the interpreter is then an error like any other."""

    def run():
        try:
            answers.put(("answer", work(*arguments)))
        except Exception as error:
            answers.put(("error", f"{type(error).__name__}: {error}"))

    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=run)
    child.start()
    child.join(60)
    child.kill()
    assert child.exitcode == 0, f"the interpreter ended with {child.exitcode}"
    return answers.get()


def first(**params):
    X, y = make(n=40)
    fixed = {"solver": "sgd", "learning_rate": 0.01, "max_iter": 2, **STILL, **params}
    return estimator(warm_start=True, **fixed).fit(X, y), X, y


def changed_fit(change, start):
    model, X, y = first(solver=start)
    model.set_params(**change).fit(X, y)
    return theta(model)


@pytest.mark.parametrize("start", ["sgd", "batch"])
@pytest.mark.parametrize("change", CHANGES, ids=repr)
def test_a_warm_start_with_other_parameters(change, start):
    """It goes on from where it is, by the new rules: as a fresh model begun there would."""
    kind, answer = in_a_process_of_its_own(changed_fit, change, start)
    assert kind == "answer", answer
    if change.keys() & {"schedule", "fit_intercept"}:
        return
    model, X, y = first(solver=start)
    fresh = estimator(**{**model.get_params(deep=False), **change, "warm_start": False})
    fresh.fit(X, y, coef_init=model.coef_, intercept_init=model.intercept_)
    np.testing.assert_allclose(answer, theta(fresh), rtol=1e-9, atol=1e-12)


def changed_partial_fit(change):
    model, X, y = first()
    model.set_params(**change).partial_fit(X, y)
    return theta(model)


@pytest.mark.parametrize("change", CHANGES, ids=repr)
def test_partial_fit_with_other_parameters(change):
    kind, answer = in_a_process_of_its_own(changed_partial_fit, change)
    assert kind == "answer", answer
    assert np.isfinite(answer).all()


def other_rows(method, kind):
    model, X, y = first()
    rows = {
        "float32": (X.astype(np.float32), y.astype(np.float32)),
        "csr": (csr(X), y),
        "csr64": (csr(X, np.int64), y),
        "two outputs": (X, np.c_[y, y]),
        "fewer features": (X[:, :3], y),
    }[kind]
    getattr(model, method)(*rows)
    return theta(model)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("kind", ["float32", "csr", "csr64"])
def test_rows_of_another_form(kind, method):
    outcome, answer = in_a_process_of_its_own(other_rows, method, kind)
    assert outcome == "answer", answer
    model, X, y = first()
    getattr(model, method)(X, y)
    np.testing.assert_allclose(answer, theta(model), rtol=1e-5)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("kind", ["two outputs", "fewer features"])
def test_rows_of_another_shape_are_refused(kind, method):
    outcome, answer = in_a_process_of_its_own(other_rows, method, kind)
    assert outcome == "error"
    assert answer.startswith("ValueError")


def classes_after(method, change):
    X, y = make("log_loss", n=40, outputs=3)
    model = estimator("log_loss", solver="sgd", warm_start=True, max_iter=2, tol=None).fit(X, y)
    getattr(model, method)(X, change(y))
    return model.classes_


def test_a_warm_start_with_as_many_other_classes():
    """The columns of the parameters belong to the old labels."""
    kind, answer = in_a_process_of_its_own(classes_after, "fit", lambda y: y + 1)
    assert kind == "error"
    assert answer.startswith("ValueError")
    assert "class" in answer


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("optimizer", ["plain", "momentum", "adam", "adagrad"])
@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_weights_that_were_assigned_are_where_it_goes_on(storage, optimizer, method):
    """As in scikit-learn, where models of several machines are averaged that way."""
    model, X, y = first(optimizer=optimizer, max_iter=1)
    X = storage(X)
    getattr(model, method)(X, y)
    given = np.linspace(-1, 1, X.shape[1]), np.array([0.5])
    model.coef_, model.intercept_ = given
    getattr(model, method)(X, y)
    fresh = estimator(**{**model.get_params(deep=False), "warm_start": False})
    fresh.fit(X, y, coef_init=given[0], intercept_init=given[1])
    np.testing.assert_allclose(theta(model), theta(fresh), rtol=1e-9, atol=1e-12)
    going = model.n_updates_
    getattr(model, method)(X, y)  # what a fit tells is not assigned
    assert model.n_updates_ == 2 * going


def test_layers_that_were_assigned_are_where_a_stream_goes_on():
    X, y = make(n=40)
    model = GDMLPRegressor(hidden_layer_sizes=(3,), learning_rate=0.01, max_iter=1, random_state=0, **STILL)
    model.partial_fit(X, y)
    given = [weights + 1 for weights in model.coefs_], model.intercepts_
    model.coefs_ = given[0]
    fresh = clone(model).fit(X, y, coef_init=given[0], intercept_init=given[1])
    model.partial_fit(X, y)
    for found, expected in zip(model.coefs_, fresh.coefs_, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_stream_goes_on_after_sparsify():
    X, y = make(n=40)
    model, twin = (GDRegressor(solver="sgd", random_state=0).partial_fit(X, y) for _ in range(2))
    model.sparsify().partial_fit(X, y)
    twin.partial_fit(X, y)
    np.testing.assert_array_equal(model.coef_, twin.coef_)
