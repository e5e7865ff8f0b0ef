"""The l1 norm and its mix with l2 on the weights of perceptrons."""

import numpy as np
import pytest
from _data import csr, make

from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor
from skgd.losses import LOSSES


def penalty_of(model, penalty, alpha, l1_ratio=0.15):
    """alpha R of all layers."""
    share = {"l1": 1.0, "l2": 0.0, "elasticnet": l1_ratio, None: 0.0}[penalty]
    l1 = sum(np.abs(w).sum() for w in model.coefs_)
    l2 = sum(np.square(w).sum() for w in model.coefs_) / 2
    return 0.0 if penalty is None else alpha * (share * l1 + (1 - share) * l2)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet", None])
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("optimizer", ["plain", "adam", "nesterov", "adagrad"])
def test_without_hidden_layers_it_is_the_linear_model(optimizer, solver, penalty):
    X, y = make(n=40)
    params = {"optimizer": optimizer, "solver": solver, "batch_size": 8, "penalty": penalty, "alpha": 0.05}
    params |= {"learning_rate": 0.02, "max_iter": 5, "tol": None, "random_state": 0, "l1_ratio": 0.3}
    for rows in (X, csr(X)):
        network = GDMLPRegressor(hidden_layer_sizes=[], **params).fit(rows, y)
        linear = GDRegressor(average=False, **params).fit(rows, y)
        np.testing.assert_allclose(network.coefs_[0].ravel(), linear.coef_, rtol=1e-9, atol=1e-12)
        assert network.loss_ == pytest.approx(linear.loss_, rel=1e-10)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "l2", None])
@pytest.mark.parametrize(("kind", "loss"), [(GDMLPRegressor, "squared_error"), (GDMLPClassifier, "log_loss")])
def test_the_objective_has_the_penalty_of_all_layers(kind, loss, penalty, standardize):
    X, y = make(loss, n=60)
    y = 30 * y if loss == "squared_error" else y
    model = kind(
        loss, hidden_layer_sizes=(6, 4), activation="tanh", penalty=penalty, alpha=0.01, random_state=0,
        max_iter=20, standardize=standardize,
    ).fit(X, y)  # fmt: skip
    raw = model._raw_scores(X)
    mean = LOSSES[loss]().value_and_slope(y.astype(float), raw)[0].mean()
    assert model.loss_ == pytest.approx(mean + penalty_of(model, penalty, 0.01), rel=1e-9)


@pytest.mark.parametrize("params", [
    {"solver": "batch", "optimizer": "plain", "max_iter": 1500},
    {"solver": "batch", "optimizer": "nesterov", "max_iter": 1500},
    {"solver": "minibatch", "optimizer": "adam", "max_iter": 300},
    {"solver": "minibatch", "optimizer": "plain", "max_iter": 150},
])  # fmt: skip
def test_features_without_influence_are_switched_off(params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8))
    y = np.sin(X[:, 0]) + X[:, 1] ** 2 / 2
    model = GDMLPRegressor(
        hidden_layer_sizes=(8,),
        activation="tanh",
        penalty="l1",
        alpha=0.005,
        random_state=0,
        tol=None,
        **params,
    ).fit(X, y)
    sizes = np.abs(model.coefs_[0]).max(axis=1)
    assert sizes[:2].min() > 5 * sizes[2:].max()
    assert (model.coefs_[0][2:] == 0).mean() > 0.3
    assert model.score(X, y) > 0.5


def test_float32_classes_and_wrong_parameters():
    X, y = make("log_loss", n=90, outputs=3)
    model = GDMLPClassifier(
        hidden_layer_sizes=(5,), penalty="elasticnet", l1_ratio=0.5, alpha=0.01, random_state=0, max_iter=10
    ).fit(X.astype(np.float32), y)
    assert model.coefs_[0].dtype == np.float32
    assert model.score(X, y) > 0.5
    linear = GDClassifier(penalty="l1", solver="batch", alpha=0.02).fit(X, y)
    assert (linear.coef_ == 0).any()
    for params, message in [
        ({"penalty": "l3"}, "penalty"),
        ({"l1_ratio": 2.0}, "l1_ratio"),
        ({"penalty": "elasticnet", "l1_ratio": None}, "l1_ratio=None has no meaning"),
    ]:
        with pytest.raises(ValueError, match=message):
            GDMLPClassifier(**params).fit(X, y)
