"""Parametric activations: each unit learns how much of its activation it takes."""

import pickle
from itertools import chain

import _perceptron as perceptron
import _reference as reference
import numpy as np
import pytest
from _data import SIZES, SOLVERS, csr, make, perceptron_of, thin
from _killed import assert_same, killed_after
from sklearn.base import clone

from skgd import Checkpoint

FIXED = {"activation": "parametric_tanh", "optimizer": "plain"}


def mlp(loss="squared_error", **params):
    return perceptron_of(loss, **{**FIXED, **params})


def parts_of(model):
    return perceptron.layers_of(model), [share.astype(float) for share in model.activation_shares_]


def start_of(X, y, loss="squared_error", **params):
    return parts_of(mlp(loss, **{**params, "max_iter": 1, "learning_rate": 1e-300}).fit(X, y))


def forward(layers, shares, X, activation):
    """Values of the layers, their slopes, and what a share is multiplied by."""
    values, slopes, bends = [np.asarray(X, dtype=float)], [], []
    for layer, share in zip(layers, [*shares, None], strict=True):
        z = reference.with_ones(values[-1]) @ layer
        if share is not None:
            value, slope = perceptron.ACTIVATIONS[activation](z)
            bends.append(value - z)
            z, slope = z + share * (value - z), 1 + share * (slope - 1)
            slopes.append(slope)
        values.append(z)
    return values, slopes, bends


def gradients(layers, shares, X, y, loss, activation, l2):
    values, slopes, bends = forward(layers, shares, X, activation)
    losses, delta = reference.value_and_slope(loss, y, values[-1])
    total, delta = float(np.mean(losses)), delta / len(delta)
    of_layers, of_shares = [], []
    for i in reversed(range(len(layers))):
        penalty = np.vstack([l2 * layers[i][:-1], np.zeros((1, layers[i].shape[1]))])
        of_layers.insert(0, reference.with_ones(values[i]).T @ delta + penalty)
        total += l2 * float(np.sum(layers[i][:-1] ** 2)) / 2
        if i:
            back = delta @ layers[i][:-1].T
            of_shares.insert(0, np.sum(back * bends[i - 1], axis=0))
            delta = back * slopes[i - 1]
    return total, of_layers, of_shares


def assert_parts(model, layers, shares, **tolerance):
    for ours, theirs in zip(chain(*parts_of(model)), [*layers, *shares], strict=True):
        np.testing.assert_allclose(ours, theirs, **{"rtol": 1e-8, "atol": 1e-10, **tolerance})


@pytest.mark.parametrize("activation", ["tanh", "relu", "mish", "softplus"])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_it_descends_as_the_account(solver, loss, activation):
    X, y = make(loss, n=40, outputs=3)
    params = {"solver": solver, "activation": f"parametric_{activation}", "alpha": 0.01}
    layers, shares = start_of(X, y, loss, **params)
    assert all(np.array_equal(share, np.ones_like(share)) for share in shares)
    for rows in reference.batches(40, SIZES[solver] or 40) * 3:
        _, of_layers, of_shares = gradients(layers, shares, X[rows], y[rows], loss, activation, 0.01)
        layers = [w - 0.05 * g for w, g in zip(layers, of_layers, strict=True)]
        shares = [s - 0.05 * g for s, g in zip(shares, of_shares, strict=True)]
    model = mlp(loss, **params).fit(X, y)
    assert_parts(model, layers, shares)
    total, _, _ = gradients(layers, shares, X, y, loss, activation, 0.01)
    assert model.loss_ == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "poisson"])
def test_gradients_are_finite_differences(loss):
    X, y = make(loss, n=30, outputs=1)
    params = {"solver": "batch", "max_iter": 1, "alpha": 0.05}
    layers, shares = start_of(X, y, loss, **params)
    shares = [share * np.linspace(0.3, 1.5, len(share)) for share in shares]

    def fitted(rate, shares):
        model = mlp(loss, **params, learning_rate=rate)
        vectors = [*(w[-1] for w in layers), *shares]
        return model.fit(X, y, coef_init=[w[:-1] for w in layers], intercept_init=vectors)

    after = fitted(1e-6, shares).activation_shares_
    for layer in range(2):
        for at in range(len(shares[layer])):
            values = []
            for shift in (1e-5, -1e-5):
                moved = [share.copy() for share in shares]
                moved[layer][at] += shift
                values.append(fitted(1e-300, moved).loss_)
            slope = (values[0] - values[1]) / 2e-5
            assert (shares[layer] - after[layer])[at] / 1e-6 == pytest.approx(slope, rel=1e-5, abs=2e-6)


@pytest.mark.parametrize("optimizer", ["plain", "adam", "momentum"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", SOLVERS)
def test_shares_that_stay_at_one_are_the_activation(solver, dtype, optimizer):
    X, y = make(n=64, dtype=dtype)
    params = {"solver": solver, "optimizer": optimizer, "dropout": 0.2, "learning_rate": 0.01}
    plain = mlp(activation="silu", **params).fit(X, y)
    still = mlp(activation="parametric_silu", rate_factors={"activations": 1e-30}, **params).fit(X, y)
    tolerance = {"rtol": 1e-9, "atol": 1e-11} if dtype == np.float64 else {"rtol": 2e-3, "atol": 2e-4}
    for a, b in zip(plain.coefs_ + plain.intercepts_, still.coefs_ + still.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)
    assert still.activation_shares_[0].dtype == dtype


def test_dropped_units_teach_their_shares_nothing():
    X, y = make(n=64)
    model = mlp(dropout=0.5, max_iter=20, activation="parametric_relu", hidden_layer_sizes=(30,)).fit(X, y)
    assert np.isfinite(model.activation_shares_[0]).all()
    assert model.loss_ < np.var(y)


def test_predictions_are_those_of_the_shares():
    X, y = make(n=80)
    model = mlp(activation=("parametric_relu", "tanh"), max_iter=30).fit(X, y)
    (share,) = model.activation_shares_
    assert np.abs(share - 1).max() > 1e-3
    z = X @ model.coefs_[0] + model.intercepts_[0]
    first = z + share * (np.maximum(z, 0) - z)
    second = np.tanh(first @ model.coefs_[1] + model.intercepts_[1])
    np.testing.assert_allclose(model.hidden(X, 0), first, rtol=1e-10)
    np.testing.assert_allclose(model.hidden(X), second, rtol=1e-10)
    np.testing.assert_allclose(model.predict(X), (second @ model.coefs_[2] + model.intercepts_[2])[:, 0])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", SOLVERS)
def test_sparse_rows_give_the_dense_model(solver, dtype):
    X, y = make(n=60, dtype=dtype)
    X = thin(X, 0.5)
    dense, sparse = (mlp(solver=solver).fit(rows, y) for rows in (X, csr(X)))
    tolerance = {"rtol": 1e-8} if dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-4}
    assert_parts(dense, *parts_of(sparse), **tolerance)


def test_threads_change_nothing():
    X, y = make("log_loss", n=1000, d=200, outputs=3)
    params = {"hidden_layer_sizes": (90, 70), "batch_size": 200, "dropout": 0.1, "optimizer": "adam"}
    one, two = (mlp("log_loss", n_jobs=jobs, learning_rate=1e-3, **params).fit(X, y) for jobs in (1, 2))
    for a, b in zip(chain(*parts_of(one)), chain(*parts_of(two)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
def test_streams_and_warm_starts_go_on_with_the_shares(solver):
    X, y = make(n=96)
    model = mlp(solver=solver, optimizer="adam", standardize=False)
    begun = clone(model).partial_fit(X[:32], y[:32])
    pieces, whole = (pickle.loads(pickle.dumps(begun)) for _ in range(2))
    pieces.partial_fit(X[32:64], y[32:64]).partial_fit(X[64:], y[64:])
    assert_parts(pieces, *parts_of(whole.partial_fit(X[32:], y[32:])))
    assert np.abs(whole.activation_shares_[0] - 1).max() > 1e-4
    warm = clone(model).set_params(warm_start=True, max_iter=2, shuffle=True).fit(X, y)
    long = clone(model).set_params(max_iter=4, shuffle=True).fit(X, y)
    assert_parts(warm.set_params(max_iter=2).fit(X, y), *parts_of(long))


def test_weights_that_were_assigned_keep_their_shares():
    X, y = make(n=64)
    model = mlp(warm_start=True, max_iter=10).fit(X, y)
    shares = [share.copy() for share in model.activation_shares_]
    model.coefs_ = [coef.copy() for coef in model.coefs_]
    model.set_params(learning_rate=1e-300, max_iter=1).fit(X, y)
    assert_parts(model, perceptron.layers_of(model), shares)


def test_new_classes_keep_the_shares():
    X, y = make("log_loss", n=90, outputs=3)
    model = mlp("log_loss", standardize=False, learning_rate=1e-300)
    model.set_params(learning_rate=0.05).partial_fit(X[y < 2], y[y < 2], classes=[0, 1])
    shares = [share.copy() for share in model.activation_shares_]
    model.set_params(learning_rate=1e-300).partial_fit(X, y, classes=[0, 1, 2])
    assert len(model.classes_) == 3
    for a, b in zip(model.activation_shares_, shares, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_frozen_layer_keeps_its_shares():
    X, y = make(n=64)
    model = mlp(freeze=0, max_iter=5).fit(X, y)
    assert np.array_equal(model.activation_shares_[0], np.ones(7))
    assert np.abs(model.activation_shares_[1] - 1).max() > 1e-4


def test_shares_have_rates_of_their_own():
    X, y = make(n=64)
    params = {"solver": "batch", "max_iter": 1}
    usual, fast = (mlp(rate_factors=given, **params).fit(X, y) for given in (None, {"activations": 5.0}))
    for a, b in zip(usual.activation_shares_, fast.activation_shares_, strict=True):
        np.testing.assert_allclose(5 * (a - 1), b - 1, rtol=1e-9)
    np.testing.assert_allclose(usual.coefs_[0], fast.coefs_[0])


def test_a_path_has_the_shares():
    X, y = make(n=64)
    model = mlp(record_path=True).fit(X, y)
    ends = np.concatenate([*(w.ravel() for w in model.coefs_), *model.intercepts_, *model.activation_shares_])
    np.testing.assert_allclose(model.path_[-1], ends)


def test_a_killed_fit_goes_on(monkeypatch, tmp_path):
    X, y = make(n=90)
    path = tmp_path / "fit.ckpt"

    def fresh():
        return mlp(optimizer="adam", max_iter=12)

    whole = fresh().fit(X, y)
    killed_after(monkeypatch, 4, lambda: fresh().fit(X, y, checkpoint=Checkpoint(path, 0)))
    assert_same(fresh().fit(X, y, checkpoint=Checkpoint(path, 0)), whole)


def test_onnx_has_the_shares():
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    X, y = make(n=64)
    model = mlp(activation=("parametric_silu", "parametric_relu"), max_iter=20).fit(X, y)
    session = runtime.InferenceSession(
        model.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"X": X})
    np.testing.assert_allclose(np.ravel(found), model.predict(X), rtol=1e-9)


def test_names_are_checked():
    X, y = make()
    with pytest.raises(ValueError, match="parametric_tanh"):
        mlp(activation=("parametric_tanh", "parametric_sine")).fit(X, y)
