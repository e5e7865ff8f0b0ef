"""What only classifiers have: labels of any kind, decisions, probabilities."""

import _reference as reference
import numpy as np
import pytest
from _data import SOLVERS, STILL, estimator, make, theta
from scipy.special import expit, log_expit, log_softmax, softmax

from skgd import GDClassifier, losses

WITHOUT = ["hinge", "squared_hinge", "perceptron"]
KINDS = {
    "strings": np.array(["yes", "no", "maybe"]),
    "objects": np.array(["yes", "no", "maybe"], dtype=object),
    "negative": np.array([-7, 0, 12]),
    "floats": np.array([-1.0, 5.0, 2.0]),
    "unsigned": np.array([200, 3, 100], dtype=np.uint8),
    "bools": np.array([True, False]),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_any_kind(kind, outputs, loss, solver):
    """The model is that of the codes of the sorted labels; answers come in the labels' own type."""
    labels = np.sort(KINDS[kind])
    if outputs == 3 and len(labels) < 3:
        pytest.skip("there are two of them")
    X, code = make(loss, outputs=outputs)
    coded = estimator(loss, solver=solver, max_iter=5, **STILL).fit(X, code)
    model = estimator(loss, solver=solver, max_iter=5, **STILL).fit(X, labels[code])
    np.testing.assert_array_equal(model.classes_, labels[np.unique(code)])
    np.testing.assert_array_equal(theta(model), theta(coded))
    answers = model.predict(X)
    np.testing.assert_array_equal(answers, labels[coded.predict(X)])
    assert answers.dtype == labels.dtype


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", sorted(reference.CLASSIFICATION))
def test_shapes_and_decisions(loss, outputs):
    X, y = make(loss, n=60, outputs=outputs)
    model = estimator(loss, max_iter=5, tol=None).fit(X, y)
    assert model.coef_.shape == (outputs, 5)
    assert model.intercept_.shape == (outputs,)
    raw = X @ model.coef_.T + model.intercept_
    decision = model.decision_function(X)
    np.testing.assert_allclose(decision, raw if outputs > 1 else raw[:, 0], rtol=1e-12, atol=1e-14)
    chosen = np.argmax(raw, axis=1) if outputs > 1 else (raw[:, 0] > 0).astype(int)
    np.testing.assert_array_equal(model.predict(X), chosen)
    assert model.score(X, y) == np.mean(chosen == y)


@pytest.mark.parametrize("outputs", [1, 3])
def test_probabilities_of_the_log_loss(outputs):
    X, y = make("log_loss", outputs=outputs)
    model = estimator("log_loss").fit(X, y)
    raw = model.decision_function(X)
    expected = softmax(raw, axis=1) if outputs > 1 else np.c_[expit(-raw), expit(raw)]
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-12)
    logs = log_softmax(raw, axis=1) if outputs > 1 else np.c_[log_expit(-raw), log_expit(raw)]
    np.testing.assert_allclose(model.predict_log_proba(X), logs, rtol=1e-12)


@pytest.mark.parametrize("outputs", [1, 3])
def test_log_probabilities_do_not_underflow(outputs):
    X, y = make("log_loss", outputs=outputs)
    model = estimator("log_loss").fit(X, y)
    far = model.predict_log_proba(1e5 * X)
    assert np.isfinite(far).all()
    assert far.min() < -1000


@pytest.mark.parametrize("loss", WITHOUT)
def test_no_probabilities_without_a_likelihood(loss):
    X, y = make(loss)
    for given in (loss, losses.LOSSES[loss]()):
        model = estimator("log_loss").set_params(loss=given)
        for method in ("predict_proba", "predict_log_proba"):
            assert not hasattr(model, method)
            assert not hasattr(model.fit(X, y), method)
            with pytest.raises(AttributeError, match="proba"):
                getattr(model, method)


def test_probabilities_of_modified_huber_are_those_of_scikit_learn():
    from sklearn.linear_model import SGDClassifier

    X, y = make("modified_huber")
    model = estimator("modified_huber", max_iter=5, tol=None).fit(X, y)
    twin = SGDClassifier(loss="modified_huber").fit(X, y)
    twin.coef_, twin.intercept_ = model.coef_, model.intercept_
    np.testing.assert_allclose(model.predict_proba(X), twin.predict_proba(X), atol=1e-12)


def test_two_classes_the_second_is_positive():
    X = np.array([[-1.0], [1.0]] * 20)
    y = np.array(["b", "a"] * 20)  # "b" sorts last, and lies on the negative side
    model = GDClassifier(random_state=0).fit(X, y)
    assert model.coef_[0, 0] < 0
    np.testing.assert_array_equal(model.predict([[-1.0], [1.0]]), ["b", "a"])


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_class_is_refused(solver):
    X, y = make()
    with pytest.raises(ValueError, match="class"):
        GDClassifier(solver=solver).fit(X, np.zeros(len(y)))


def test_numbers_are_no_classes():
    X, y = make()
    with pytest.raises(ValueError, match="Unknown label type"):
        GDClassifier().fit(X, y)


def test_a_label_not_announced_is_refused():
    X, y = make("log_loss", outputs=3)
    model = GDClassifier().partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"(?s)classes|label"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="classes"):
        GDClassifier().partial_fit(X, y)
