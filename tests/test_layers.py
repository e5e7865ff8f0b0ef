"""What a perceptron's layers may be: activations of their own, starts by name, frozen ones, and what they "
"give."""

import pickle

import numpy as np
import pytest
from _data import SOLVERS, csr, thin
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skgd import GDMLPClassifier, GDMLPRegressor
from skgd._design import design_of
from skgd._network import INITIALISATIONS, Network
from skgd._options import Objective
from skgd._penalty import NoPenalty
from skgd._problem import Problem
from skgd._targets import Targets
from skgd.losses import SquaredError

FIXED = {"hidden_layer_sizes": (7, 5), "max_iter": 4, "tol": None, "random_state": 0, "batch_size": 16}
VALUES = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0), "logistic": expit, "identity": lambda z: z}


def my_tanh(z):
    values = np.tanh(z)
    return values, 1 - values**2


def square(z):
    return z**2 / 2, z


def data(n=120, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=n)


def forward(model, X, functions):
    """Values of the hidden layers."""
    values = [X]
    for coef, intercept, function in zip(model.coefs_, model.intercepts_, functions, strict=False):
        values.append(function(values[-1] @ coef + intercept))
    return values[1:]


# ---------------------------------------------------------------- activations


@pytest.mark.parametrize("activation", [("tanh", "relu"), ["logistic", "tanh"], ("identity", "relu")])
@pytest.mark.parametrize("solver", SOLVERS)
def test_each_layer_has_its_activation(solver, activation):
    X, y = data()
    model = GDMLPRegressor(activation=activation, solver=solver, **FIXED).fit(X, y)
    functions = [VALUES[name] for name in activation]
    expected = forward(model, X, functions)[-1] @ model.coefs_[-1] + model.intercepts_[-1]
    np.testing.assert_allclose(model.predict(X), expected.ravel(), rtol=1e-9)
    fresh = pickle.loads(pickle.dumps(model)).set_params(activation="relu")
    np.testing.assert_array_equal(fresh.predict(X), model.predict(X))


def test_equal_activations_are_one():
    X, y = data()
    one, several = (GDMLPRegressor(activation=a, **FIXED).fit(X, y) for a in ("tanh", ("tanh", "tanh")))
    np.testing.assert_array_equal(one.predict(X), several.predict(X))
    np.testing.assert_allclose(several.to_sklearn().predict(X), one.predict(X), rtol=1e-9)


@pytest.mark.parametrize(
    "activations", [("tanh", "gelu"), (square, "silu"), ("relu", my_tanh), (my_tanh, square)]
)
def test_gradients_are_differences_of_values(activations):
    X, y = data(20)
    objective = Objective(SquaredError(), NoPenalty(), True, Network((5, 3), activations))
    problem = Problem(design_of(X), Targets(y, None, 1, False), objective)
    theta = problem.zeros()
    problem.initialise(theta, 0)
    for block in problem.blocks(theta):
        block += 0.1
    gradient = problem.loss_gradient(theta)
    for block, of_block in zip(problem.blocks(theta), problem.blocks(gradient), strict=True):
        for place in np.ndindex(block.shape):
            before, ends = block[place], []
            for step in (1e-6, -1e-6):
                block[place] = before + step
                ends.append(problem.core.evaluate(theta) / len(y))
            block[place] = before
            assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(of_block[place], rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", SOLVERS)
def test_ones_own_activation_is_as_good_as_a_built_in_one(solver, storage, dtype):
    X, y = data()
    X = storage(thin(X).astype(dtype))
    built_in = GDMLPRegressor(activation="tanh", solver=solver, init="glorot_uniform", **FIXED).fit(X, y)
    own = GDMLPRegressor(activation=my_tanh, solver=solver, init="glorot_uniform", **FIXED).fit(X, y)
    tolerance = 2e-3 if dtype == np.float32 else 1e-8
    np.testing.assert_allclose(own.predict(X), built_in.predict(X), rtol=tolerance, atol=tolerance)
    assert own.predict(X).dtype == dtype
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(own)).predict(X), own.predict(X))


def test_ones_own_activation_with_dropout_threads_streams_and_searches():
    X, y = data()
    model = GDMLPRegressor(
        activation=square, dropout=0.2, solver="batch", n_jobs=2, **{**FIXED, "max_iter": 40}
    )
    assert model.fit(X, y).score(X, y) > 0.1
    stream = GDMLPRegressor(activation=(square, "relu"), hidden_layer_sizes=(7, 5), random_state=0)
    assert np.isfinite(stream.partial_fit(X, y).partial_fit(X, y).loss_)
    search = GridSearchCV(GDMLPRegressor(**FIXED), {"activation": [my_tanh, ("relu", "tanh"), "relu"]}, cv=2)
    assert np.all(np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]))


def wrong_shape(z):
    return z[:, :1], z


def one_array(z):
    return np.tanh(z)


def of_roots(z):
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(z), 0.5 / np.sqrt(z)


def without_slope(z):
    return z, np.where(z > 0, 1.0, np.nan)


def raises(z):
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("activation", "error", "words"),
    [
        (wrong_shape, ValueError, "activation wrong_shape must return values of the shape"),
        (one_array, ValueError, "activation one_array must return two arrays"),
        (of_roots, ValueError, "activation of_roots returned values that are nan"),
        (without_slope, ValueError, "activation without_slope returned slopes that are nan"),
        (raises, RuntimeError, "broken"),
        (("relu",), ValueError, "one for each of the 2 hidden layers"),
        (("relu", "rely"), ValueError, r"activation=\('relu', 'rely'\) must be one name or callable"),
        (3, ValueError, "'activation' parameter"),
    ],
)
def test_wrong_activations_are_errors(activation, error, words):
    X, y = data()
    model = GDMLPRegressor(**FIXED).fit(X, y)
    before = model.predict(X)
    with pytest.raises(error, match=words):
        model.set_params(activation=activation).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), before)


# ---------------------------------------------------------------- starts


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_starts_have_their_distribution(name):
    network, blocks = (
        Network((300, 200), ("relu", "relu"), init=name),
        [np.zeros((101, 300)), np.zeros((301, 200))],
    )
    network.initialise([*blocks, np.zeros((201, 1))], np.random.RandomState(0))
    for block, (inputs, outputs) in zip(blocks, ((100, 300), (300, 200)), strict=True):
        fan = {"glorot": (inputs + outputs) / 2, "he": inputs / 2, "lecun": inputs}[name.split("_")[0]]
        assert block[:-1].var() == pytest.approx(1 / fan, rel=0.03)
        assert not block[-1].any()
        bounded = np.abs(block).max() <= np.sqrt(3 / fan) * (1 + 1e-12)
        assert bounded == name.endswith("uniform")


def test_a_start_by_name_is_that_of_the_activation_it_belongs_to():
    X, y = data()
    for activation, init in (("relu", "he_uniform"), ("tanh", "glorot_uniform"), ("selu", "lecun_uniform")):
        auto, named = (
            GDMLPRegressor(activation=activation, init=i, **FIXED).fit(X, y) for i in ("auto", init)
        )
        np.testing.assert_allclose(named.predict(X), auto.predict(X), rtol=1e-9)
    with pytest.raises(ValueError, match=r"'init' parameter.*Did you mean 'glorot_uniform'"):
        GDMLPRegressor(init="xavier").fit(X, y)


# ---------------------------------------------------------------- what layers give


@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_hidden_gives_the_values_of_a_layer(storage):
    X, y = data()
    model = GDMLPRegressor(activation=("tanh", "relu"), dropout=0.3, **FIXED).fit(storage(X), y)
    first, second = forward(model, X, [VALUES["tanh"], VALUES["relu"]])
    np.testing.assert_allclose(model.hidden(storage(X), 0), first, rtol=1e-9, atol=1e-12)
    for layer in (1, -1):
        np.testing.assert_allclose(model.hidden(storage(X), layer), second, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        model.hidden(storage(X)) @ model.coefs_[-1][:, 0] + model.intercepts_[-1], model.predict(X)
    )
    assert model.hidden(X.astype(np.float32)).dtype == np.float64


def test_hidden_values_are_features_for_others():
    X, y = data(300)
    labels = (y > 0).astype(int)
    network = GDMLPClassifier(hidden_layer_sizes=16, random_state=0, max_iter=60).fit(
        X.astype(np.float32), labels
    )
    assert network.hidden(X.astype(np.float32)).dtype == np.float32
    pipeline = make_pipeline(FunctionTransformer(network.hidden), LogisticRegression(max_iter=1000)).fit(
        X, labels
    )
    assert pipeline.score(X, labels) > LogisticRegression().fit(X, labels).score(X, labels) + 0.05


def test_hidden_says_what_it_cannot_give():
    X, y = data()
    model = GDMLPRegressor(**FIXED).fit(X, y)
    for layer in (2, -3, 0.5):
        with pytest.raises(ValueError, match="must be one of the 2 hidden layers, 0 to 1"):
            model.hidden(X, layer)
    with pytest.raises(ValueError, match="0 hidden layers"):
        GDMLPRegressor(hidden_layer_sizes=(), max_iter=2, tol=None).fit(X, y).hidden(X)
    with pytest.raises(ValueError, match="Each of the 2 networks"):
        GDMLPRegressor(n_members=2, max_iter=2, tol=None).fit(X, y).hidden(X)
    with pytest.raises(ValueError, match="features"):
        model.hidden(X[:, :2])


@pytest.mark.parametrize(
    "params", [{}, {"optimizer": "plain"}, {"optimizer": "plain", "learning_rate": 0.01}]
)
@pytest.mark.parametrize("solver", SOLVERS)
def test_gradient_norms_of_layers_make_up_that_of_all(solver, params):
    X, y = data()
    history = GDMLPRegressor(solver=solver, **FIXED, **params).fit(X, y).history_
    parts = np.column_stack([history[f"gradient_norm_{layer}"] for layer in range(3)])
    np.testing.assert_allclose(np.sqrt((parts**2).sum(axis=1)), history["gradient_norm"], rtol=1e-6)
    assert len(parts) == len(history["loss"])
    assert np.all(parts > 0)


# ---------------------------------------------------------------- frozen layers


@pytest.mark.parametrize("freeze", [0, 1, -1, [0, 1], [1, 2], (0, 2)])
@pytest.mark.parametrize("optimizer", ["adam", "plain", "momentum", "adamw", "schedule_free"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_frozen_layers_stay_as_they_are(solver, optimizer, freeze):
    X, y = data()
    options = {
        "solver": solver,
        "optimizer": optimizer,
        "standardize": False,
        "learning_rate": 1e-3,
        "alpha": 0.1,
    }
    model = GDMLPRegressor(**options, **FIXED, warm_start=True).fit(X, y)
    before = [coef.copy() for coef in model.coefs_], [intercept.copy() for intercept in model.intercepts_]
    model.set_params(freeze=freeze).fit(X, y)
    frozen = {number % 3 for number in np.atleast_1d(freeze)}
    for layer in range(3):
        same = layer in frozen
        assert np.array_equal(model.coefs_[layer], before[0][layer]) == same
        assert np.array_equal(model.intercepts_[layer], before[1][layer]) == same
        assert np.any(model.history_[f"gradient_norm_{layer}"] > 0) != same


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_frozen_first_layer_is_a_net_on_its_values(solver, storage):
    X, y = data()
    X = storage(X)
    options = {
        "solver": solver,
        "learning_rate": 0.01,
        "optimizer": "plain",
        "alpha": 0.0,
        "standardize": False,
    }
    whole = GDMLPRegressor(activation="tanh", **options, **FIXED).fit(X, y)
    frozen = (
        clone(whole).set_params(freeze=0).fit(X, y, coef_init=whole.coefs_, intercept_init=whole.intercepts_)
    )
    part = clone(whole).set_params(hidden_layer_sizes=5)
    part.fit(whole.hidden(X, 0), y, coef_init=whole.coefs_[1:], intercept_init=whole.intercepts_[1:])
    np.testing.assert_allclose(frozen.coefs_[1], part.coefs_[0], rtol=1e-8)
    np.testing.assert_allclose(frozen.predict(X), part.predict(whole.hidden(X, 0)), rtol=1e-8)


def test_fine_tuning_with_automatic_rates_and_units():
    X, y = data(400)
    X = X * [1, 10, 1, 100] + 5
    y = 1000 * y + 7000
    model = GDMLPRegressor(hidden_layer_sizes=(16, 8), random_state=0, warm_start=True, max_iter=50).fit(X, y)
    other, first = y + 500 * X[:, 0], model.coefs_[0].copy()
    model.set_params(freeze=[0], max_iter=100).fit(X, other)
    np.testing.assert_allclose(model.coefs_[0], first, rtol=1e-6)
    assert model.score(X, other) > 0.8


def test_wrong_layers_to_freeze_are_errors():
    X, y = data()
    for freeze in (3, -4, [0, 5], ["first"], [0.5]):
        with pytest.raises(
            ValueError, match=r"freeze=.* must be numbers of layers, from 0 \(the first\) to 2"
        ):
            GDMLPRegressor(freeze=freeze, **FIXED).fit(X, y)
    with pytest.raises(ValueError, match=r"freeze=\[0, 1, -1\] leaves none of the 3 layers"):
        GDMLPRegressor(freeze=[0, 1, -1], **FIXED).fit(X, y)
    with pytest.raises(ValueError, match="'freeze' parameter"):
        GDMLPRegressor(freeze="all", **FIXED).fit(X, y)
