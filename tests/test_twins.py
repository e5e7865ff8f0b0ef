"""to_sklearn: estimators of scikit-learn that predict the same."""

from inspect import signature

import numpy as np
import pandas as pd
import pytest
from _data import csr, estimator, make
from sklearn import linear_model, neural_network

from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor, losses

REGRESSION = {
    "squared_error": linear_model.SGDRegressor,
    "huber": linear_model.SGDRegressor,
    "absolute_error": linear_model.SGDRegressor,
    "quantile": linear_model.SGDRegressor,
    "log_cosh": linear_model.SGDRegressor,
    "epsilon_insensitive": linear_model.SGDRegressor,
    "squared_epsilon_insensitive": linear_model.SGDRegressor,
    "poisson": linear_model.PoissonRegressor,
    "gamma": linear_model.GammaRegressor,
    "tweedie": linear_model.TweedieRegressor,
}
SIZES = {"hidden_layer_sizes": (6, 4), "max_iter": 20, "random_state": 0}


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("loss", REGRESSION)
def test_linear_regressors(loss, storage):
    X, y = make(loss)
    model = estimator(loss).fit(storage(X), y)
    twin = model.to_sklearn()
    assert type(twin) is REGRESSION[loss]
    np.testing.assert_allclose(twin.predict(storage(X)), model.predict(storage(X)), rtol=1e-10)


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_several_outputs(loss):
    X, y = make(outputs=3)
    model = estimator(loss).fit(X, y)
    assert type(model.to_sklearn()) is linear_model.LinearRegression
    np.testing.assert_allclose(model.to_sklearn().predict(X), model.predict(X), rtol=1e-10)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge", "modified_huber", "perceptron"])
def test_linear_classifiers(loss, classes):
    X, y = make(loss, outputs=classes if classes > 2 else 1)
    y = np.array(["a", "b", "c", "d"])[y]
    model = estimator(loss).fit(X, y)
    twin = model.to_sklearn()
    softmax = loss == "log_loss" and classes > 2
    assert type(twin) is (linear_model.LogisticRegression if softmax else linear_model.SGDClassifier)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    np.testing.assert_allclose(twin.decision_function(X), model.decision_function(X), rtol=1e-10)
    if hasattr(model, "predict_proba"):
        np.testing.assert_allclose(twin.predict_proba(X), model.predict_proba(X), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_perceptron_regressors(activation, outputs, dtype):
    X, y = make(outputs=outputs, dtype=dtype)
    model = GDMLPRegressor(activation=activation, **SIZES).fit(X, y)
    twin = model.to_sklearn()
    assert type(twin) is neural_network.MLPRegressor
    tolerance = 1e-5 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(twin.predict(X), model.predict(X), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("classes", [2, 4, "labels"])
def test_perceptron_classifiers(classes, storage):
    if classes == "labels":
        X, y = make(outputs=3)
        y = (y > 0.5).astype(int)
    else:
        X, y = make("log_loss", outputs=classes if classes > 2 else 1)
        y = np.array(["a", "b", "c", "d"])[y]
    model = GDMLPClassifier(**SIZES).fit(storage(X), y)
    twin = model.to_sklearn()
    assert type(twin) is neural_network.MLPClassifier
    np.testing.assert_array_equal(twin.predict(storage(X)), model.predict(storage(X)))
    np.testing.assert_allclose(twin.predict_proba(storage(X)), model.predict_proba(storage(X)), rtol=1e-6)


def test_names_of_features_carry_over():
    X, y = make()
    frame = pd.DataFrame(X, columns=list("abcde"))
    twin = GDRegressor().fit(frame, y).to_sklearn()
    np.testing.assert_array_equal(twin.feature_names_in_, frame.columns)
    assert twin.n_features_in_ == 5


def test_what_has_no_twin_is_named():
    class Own(losses.Loss):
        task = "classification"

        def value_and_slope(self, y, raw):
            return losses.LogLoss().value_and_slope(y, raw)

    X, y = make("log_loss")
    with pytest.raises(ValueError, match="activation='gelu'"):
        GDMLPClassifier(activation="gelu", **SIZES).fit(X, y).to_sklearn()
    with pytest.raises(ValueError, match="loss='hinge'"):
        GDMLPClassifier("hinge", **SIZES).fit(X, y).to_sklearn()
    with pytest.raises(ValueError, match="log link"):
        GDMLPRegressor("gamma", **SIZES).fit(X, y + 1).to_sklearn()
    with pytest.raises(ValueError, match="loss=Own"):
        GDClassifier(Own()).fit(X, y).to_sklearn()


def test_a_perceptron_of_counts():
    X, y = make("poisson")
    model = GDMLPRegressor("poisson", **SIZES).fit(X, np.round(4 * y))
    if "loss" not in signature(neural_network.MLPRegressor).parameters:  # scikit-learn < 1.7
        with pytest.raises(ValueError, match="log link"):
            model.to_sklearn()
        return
    np.testing.assert_allclose(model.to_sklearn().predict(X), model.predict(X), rtol=1e-10)
