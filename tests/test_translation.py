"""The tables of "Coming from scikit-learn": settings that agree update for update, and the differences."""

from inspect import signature

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier, GDMLPRegressor, GDRegressor
from skgd.losses import EpsilonInsensitive, Huber, SquaredEpsilonInsensitive
from skgd.optimizers import Momentum, Nesterov
from skgd.schedules import InvScaling

STEPS = {"shuffle": False, "tol": None, "max_iter": 3}
OURS = {"solver": "sgd", "learning_rate": 0.01, "average": False} | STEPS
CONSTANT = {"learning_rate": "constant", "eta0": 0.01}


def regression():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X), (y - y.mean()) / y.std()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (CONSTANT, {}),
        ({"learning_rate": "invscaling", "power_t": 0.3}, {"schedule": InvScaling(power=0.3)}),
        ({"loss": "huber", "epsilon": 0.2}, {"loss": Huber(epsilon=0.2)}),
        ({"loss": "epsilon_insensitive", "epsilon": 0.2}, {"loss": EpsilonInsensitive(epsilon=0.2)}),
        (
            {"loss": "squared_epsilon_insensitive", "epsilon": 0.2},
            {"loss": SquaredEpsilonInsensitive(epsilon=0.2)},
        ),
        ({"penalty": "l1", "alpha": 0.01}, {"penalty": "l1", "alpha": 0.01}),
        ({"average": True}, {"average": True}),
        ({"average": 100}, {"average": 99}),
    ],
    ids=repr,
)
def test_sgd_regressor(theirs, ours):
    X, y = regression()
    theirs = SGDRegressor(**CONSTANT | STEPS | theirs).fit(X, y)
    ours = GDRegressor(**OURS | ours).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9, atol=1e-12)
    assert theirs.t_ == ours.n_updates_ + 1


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge", "modified_huber", "perceptron"])
def test_sgd_classifier(loss):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    theirs = SGDClassifier(loss=loss, alpha=0.01, **CONSTANT, **STEPS).fit(X, y)
    ours = GDClassifier(loss=loss, alpha=0.01, **OURS).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.1, 1e-3])
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_the_optimal_schedule(loss, alpha):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    theirs = SGDClassifier(loss=loss, alpha=alpha, learning_rate="optimal", **STEPS).fit(X, y)
    ours = GDClassifier(
        loss=loss, alpha=alpha, **OURS | {"learning_rate": alpha**-0.25, "schedule": "optimal"}
    )
    np.testing.assert_allclose(ours.fit(X, y).coef_, theirs.coef_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("theirs", "ours", "rtol"),
    [
        ({"solver": "adam", "learning_rate_init": 1e-3}, {"optimizer": "adam", "learning_rate": 1e-3}, 1e-3),
        ({"nesterovs_momentum": False}, {"optimizer": Momentum(beta=0.9)}, 1e-9),
        ({"nesterovs_momentum": True}, {"optimizer": Nesterov(beta=0.9)}, 1e-9),
        ({"momentum": 0.0}, {"optimizer": "plain"}, 1e-9),
    ],
    ids=repr,
)
def test_mlp_regressor(theirs, ours, rtol):
    """Equal batches of 34 rows; Adam has its epsilon in a slightly different place."""
    X, y = regression()
    shared = {"hidden_layer_sizes": (6,), "batch_size": 34, "shuffle": False}
    theirs = (
        {"solver": "sgd", "learning_rate_init": 0.01} | theirs | shared | {"random_state": 0, "tol": 1e-300}
    )
    start = MLPRegressor(**theirs | {"solver": "sgd", "learning_rate_init": 1e-200, "max_iter": 1})
    with pytest.warns(match="Maximum iterations"):
        start.fit(X, y)
        theirs = MLPRegressor(alpha=0.34, max_iter=3, **theirs).fit(X, y)
    ours = {"learning_rate": 0.01, "average": False, "max_iter": 3, "tol": None} | ours | shared
    ours = GDMLPRegressor(alpha=0.01, **ours).fit(
        X, y, coef_init=start.coefs_, intercept_init=start.intercepts_
    )
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * 1e-2)


# ---------------------------------------------------------------- differences


def weights_of(n, mean=3.0):
    weights = np.random.default_rng(0).uniform(0.5, 2.0, n)
    return weights * (mean / weights.mean())


def test_sgd_takes_sample_weights_as_they_are():
    """Weights of mean m there are a rate m times as high and alpha / m here."""
    X, y = regression()
    weights, mean = weights_of(len(y)), 3.0
    theirs = SGDRegressor(alpha=0.01, **CONSTANT | STEPS).fit(X, y, sample_weight=weights)
    ours = GDRegressor(**OURS | {"alpha": 0.01 / mean, "learning_rate": 0.01 * mean})
    np.testing.assert_allclose(ours.fit(X, y, sample_weight=weights).coef_, theirs.coef_, rtol=1e-9)
    np.testing.assert_allclose(ours.fit(X, y, sample_weight=7 * weights).coef_, theirs.coef_, rtol=1e-9)
    theirs_of_7 = SGDRegressor(alpha=0.01, **CONSTANT | STEPS).fit(X, y, sample_weight=weights / 7)
    assert abs(theirs_of_7.coef_ - theirs.coef_).max() > 0.05 * abs(theirs.coef_).max()


def test_sgd_takes_class_weights_as_they_are():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    classes = {0: 1.0, 1: 5.0}
    mean = np.mean([classes[label] for label in y])
    theirs = SGDClassifier(loss="log_loss", class_weight=classes, alpha=0.01, **CONSTANT, **STEPS).fit(X, y)
    ours = GDClassifier(class_weight=classes, **OURS | {"alpha": 0.01 / mean, "learning_rate": 0.01 * mean})
    np.testing.assert_allclose(ours.fit(X, y).coef_, theirs.coef_, rtol=1e-8, atol=1e-10)


def test_sgd_weights_only_the_positive_rows_of_each_of_several_classes():
    """Class k against the rest: there the rest has weight one, here each row has the weight of its class."""
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    classes = np.array([1.0, 2.0, 5.0])
    given = {"loss": "hinge", "alpha": 0.01}
    weighted = {"class_weight": dict(enumerate(classes))}
    theirs = SGDClassifier(**given, **weighted, **CONSTANT, **STEPS).fit(X, y)
    ours = GDClassifier(**given, **weighted, **OURS).fit(X, y)
    for k in range(3):
        binary = GDClassifier(**given | OURS).fit(X, y == k, sample_weight=classes[y])
        np.testing.assert_allclose(ours.coef_[k], binary.coef_[0], rtol=1e-9, atol=1e-12)
        weights = np.where(y == k, classes[k], 1.0)
        mean = weights.mean()
        binary.set_params(alpha=0.01 / mean, learning_rate=0.01 * mean).fit(X, y == k, sample_weight=weights)
        np.testing.assert_allclose(theirs.coef_[k], binary.coef_[0], rtol=1e-8, atol=1e-10)


def test_sgd_moves_the_intercept_of_sparse_rows_by_a_hundredth():
    X, y, steps = np.ones((1, 1)), np.ones(1), STEPS | {"max_iter": 1}
    for rows, intercept in ((X, 0.01), (csr_array(X), 0.0001)):
        theirs = SGDRegressor(**CONSTANT | steps).fit(rows, y)
        np.testing.assert_allclose(theirs.intercept_, intercept, rtol=1e-12)
        ours = GDRegressor(**OURS | steps).fit(rows, y)
        np.testing.assert_allclose(ours.intercept_, 0.01, rtol=1e-12)


@pytest.mark.parametrize(("theirs", "ours"), [(SGDRegressor, GDRegressor), (SGDClassifier, GDClassifier)])
def test_the_positional_order_of_fit(theirs, ours):
    assert list(signature(theirs.fit).parameters)[3:] == ["coef_init", "intercept_init", "sample_weight"]
    assert list(signature(ours.fit).parameters)[3:6] == ["sample_weight", "coef_init", "intercept_init"]


def test_slow_progress_that_adds_up_is_no_plateau():
    """F falls by 0.4 tol an epoch: there no epoch counts as an improvement, here every third one does."""
    X, y = np.ones((4, 1)), np.ones(4)
    slow = {"alpha": 0, "fit_intercept": False, "n_iter_no_change": 5, "max_iter": 60, "shuffle": False}
    theirs = SGDRegressor(learning_rate="constant", eta0=1e-4, tol=1e-3, **slow).fit(X, y)
    assert theirs.n_iter_ == 6
    with pytest.warns(match="max_iter"):
        ours = GDRegressor(solver="sgd", learning_rate=1e-4, tol=1e-3 / 0.5, average=False, **slow).fit(X, y)
    falls = -np.diff(ours.loss_curve_)
    assert 0.3e-3 < falls.min() <= falls.max() < 0.5e-3
    assert ours.n_iter_ == 60


@pytest.mark.skipif(
    "sample_weight" not in signature(MLPRegressor.fit).parameters, reason="scikit-learn < 1.7"
)
@pytest.mark.parametrize("batch_size", [442, 34])
def test_mlp_divides_by_the_weights_of_each_batch(batch_size):
    """Here each batch is divided by its rows, and the mean weight is one: the same for one batch only."""
    X, y = regression()
    weights = weights_of(len(y))
    shared = {"hidden_layer_sizes": (6,), "batch_size": batch_size, "shuffle": False}
    theirs = {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "random_state": 0, "tol": 1e-300} | shared
    with pytest.warns(match="Maximum iterations"):
        start = MLPRegressor(learning_rate_init=1e-200, max_iter=1, **theirs).fit(X, y)
        theirs = MLPRegressor(learning_rate_init=0.01, max_iter=3, **theirs).fit(X, y, sample_weight=weights)
    ours = GDMLPRegressor(optimizer="plain", learning_rate=0.01, alpha=0, average=False, **shared)
    ours.set_params(max_iter=3, tol=None)
    ours.fit(X, y, sample_weight=weights, coef_init=start.coefs_, intercept_init=start.intercepts_)
    difference = max(abs(a - b).max() for a, b in zip(ours.coefs_, theirs.coefs_, strict=True))
    assert (difference < 1e-12) == (batch_size == 442)
