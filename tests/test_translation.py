"""The tables "Coming from scikit-learn": what is said there to be the same is, update for update."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
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
