"""Passive-aggressive updates: those of scikit-learn, in the same order, and what they promise."""

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn import linear_model
from sklearn.utils.fixes import parse_version

from skgd import GDClassifier, GDRegressor, optimizers

VARIANTS = ("pa1", "pa2")
ORDERED = {"shuffle": False, "tol": None, "random_state": 0}
PEERS = {"regression": linear_model.SGDRegressor, "classification": linear_model.SGDClassifier}
has_peers = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.8"), reason="no pa1 in SGD*"
)


def rule(variant, C):
    return optimizers.PassiveAggressive(C=C, variant=variant)


def ours(kind, loss, variant, C, **params):
    return kind(loss, solver="sgd", optimizer=rule(variant, C), penalty=None, max_iter=3, **ORDERED, **params)


def rows(kind, n=200, d=7, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.6)
    z = X @ rng.normal(size=d) + 0.5 * rng.normal(size=n)
    X[5] = 0  # a row of zeros
    if kind == "regression":
        return X, z
    return X, np.searchsorted(np.quantile(z, np.arange(1, classes) / classes), z)


def by_hand(X, y, loss, variant, C, epochs=3, epsilon=0.1, intercept=True):
    """Weights and intercept of the published updates."""
    w, b = np.zeros(X.shape[1]), 0.0
    for x, target in [*zip(X, y, strict=True)] * epochs:
        z, squares = x @ w + b, x @ x
        if loss == "hinge":
            sign = 2.0 * target - 1
            value = max(0.0, 1 - sign * z)
        else:
            sign = np.sign(target - z)
            value = max(0.0, abs(target - z) - epsilon)
        if variant == "pa1":
            tau = min(C, value / squares) if squares else 0.0
        else:
            tau = value / (squares + 0.5 / C)
        w, b = w + tau * sign * x, b + tau * sign * intercept
    return w, b


CASES = [(GDRegressor, "epsilon_insensitive", "regression"), (GDClassifier, "hinge", "classification")]


@pytest.mark.parametrize(("kind", "loss", "task"), CASES)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array, np.asfortranarray])
def test_published_updates(kind, loss, task, variant, C, storage):
    X, y = rows(task)
    for intercept in (True, False):
        model = ours(kind, loss, variant, C, fit_intercept=intercept).fit(storage(X), y)
        w, b = by_hand(X, y, loss, variant, C, intercept=intercept)
        np.testing.assert_allclose(model.coef_.ravel(), w, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(model.intercept_, [b], rtol=1e-12, atol=1e-12)


@has_peers
@pytest.mark.parametrize(("kind", "loss", "task"), CASES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_scikit_learn(kind, loss, task, variant):
    X, y = rows(task, classes=3)
    peer = PEERS[task](
        loss=loss, learning_rate=variant, eta0=0.5, penalty=None, max_iter=3, shuffle=False, tol=None
    )
    peer.fit(X, y)
    model = ours(kind, loss, variant, 0.5).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, rtol=0, atol=1e-12)


@has_peers
def test_scikit_learn_with_weights():
    X, y = rows("classification")
    weight = np.random.default_rng(1).exponential(size=len(y))
    weight *= len(y) / weight.sum()
    peer = PEERS["classification"](
        loss="hinge", learning_rate="pa1", eta0=0.5, penalty=None, max_iter=3, shuffle=False, tol=None
    ).fit(X, y, sample_weight=weight)
    model = ours(GDClassifier, "hinge", "pa1", 0.5).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=0, atol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", [(200, 7), (40, 600), (60, 3000)])
def test_all_loops_agree(variant, shape):
    """Long rows go by fours, sparse ones touch their non-zeros, wide ones are lazy."""
    X, y = rows("classification", *shape)
    X[np.abs(X) < 1.8] = 0
    w, b = by_hand(X, y, "hinge", variant, 0.3)
    for given in (X, sparse.csr_array(X)):
        model = ours(GDClassifier, "hinge", variant, 0.3).fit(given, y)
        np.testing.assert_allclose(model.coef_[0], w, rtol=0, atol=1e-12)
        np.testing.assert_allclose(model.intercept_, [b], rtol=0, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 200])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
def test_streams(chunk, storage):
    X, y = rows("classification", d=50)
    model = ours(GDClassifier, "hinge", "pa1", 0.5)
    for start in range(0, len(y), chunk):
        part = slice(start, start + chunk)
        model.partial_fit(storage(X[part]), y[part], classes=[0, 1])
    w, _ = by_hand(X, y, "hinge", "pa1", 0.5, epochs=1)
    np.testing.assert_allclose(model.coef_[0], w, rtol=0, atol=1e-12)


def test_single_precision():
    X, y = rows("regression")
    model = ours(GDRegressor, "epsilon_insensitive", "pa1", 0.5).fit(X.astype(np.float32), y)
    assert model.coef_.dtype == np.float32
    np.testing.assert_allclose(model.coef_, by_hand(X, y, "epsilon_insensitive", "pa1", 0.5)[0], atol=1e-3)


def test_an_aggressive_step_ends_the_loss_of_its_row():
    X, y = rows("regression")
    model = ours(GDRegressor, "epsilon_insensitive", "pa1", 1e6, fit_intercept=False)
    for i in range(20):
        if X[i].any():
            model.partial_fit(X[i : i + 1], y[i : i + 1])
            assert abs(model.predict(X[i : i + 1])[0] - y[i]) <= 0.1 + 1e-12


def test_objective_and_rate():
    X, y = rows("classification")
    model = ours(GDClassifier, "hinge", "pa1", 0.1).fit(X, y)
    margin = np.where(y == 1, 1, -1) * model.decision_function(X)
    assert model.loss_ == pytest.approx(np.maximum(0, 1 - margin).mean(), rel=1e-12)
    assert model.learning_rate_ == 1.0
    half = ours(GDClassifier, "hinge", "pa1", 0.1, learning_rate=0.5).fit(X, y)
    assert not np.allclose(half.coef_, model.coef_)


def test_several_outputs():
    X, y = rows("regression")
    Y = np.column_stack([y, -2 * y])
    model = ours(GDRegressor, "epsilon_insensitive", "pa1", 0.5).fit(X, Y)
    for k in range(2):
        w, b = by_hand(X, Y[:, k], "epsilon_insensitive", "pa1", 0.5)
        np.testing.assert_allclose(model.coef_[k], w, rtol=0, atol=1e-12)
        np.testing.assert_allclose(model.intercept_[k], b, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"solver": "minibatch"}, "one row"),
        ({"loss": "log_loss"}, "hinge"),
        ({"optimizer": optimizers.PassiveAggressive(variant="pa3")}, "pa2"),
        ({"optimizer": optimizers.PassiveAggressive(C=-1.0)}, "C=-1.0"),
    ],
)
def test_what_it_is_not_for(params, match):
    X, y = rows("classification")
    settings = {"loss": "hinge", "solver": "sgd", "optimizer": "passive_aggressive", **params}
    with pytest.raises(ValueError, match=match):
        GDClassifier(**settings).fit(X, y)
