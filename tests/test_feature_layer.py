"""A first layer that sees one feature a unit: learned factors of the features, and learned waves."""

import pickle

import numpy as np
import pandas as pd
import pytest
from _data import SOLVERS, THREE_EPOCHS, csr, make, thin
from _killed import assert_same, killed_after
from sklearn.base import clone

from skgd import Checkpoint, GDMLPClassifier, GDMLPRegressor
from skgd._feature_layer import FeatureLayer
from skgd.preprocessing import TableEncoder

FIXED = {
    **THREE_EPOCHS,
    "hidden_layer_sizes": (7,),
    "activation": "tanh",
    "optimizer": "plain",
    "standardize": False,
    "n_frequencies": 3,
    "frequency_scale": 0.3,
}


def mlp(kind=GDMLPRegressor, **params):
    return kind(**{**FIXED, **params})


def values(block, X, waves, numbers=None):
    """Values of the layer, and their slopes."""
    layer = FeatureLayer(waves, numbers=numbers)
    seen = X[:, layer.seen(X.shape[1])]
    z, wave = seen * block[0] + block[1], np.arange(block.shape[1]) >= X.shape[1]
    return (
        np.where(wave, np.cos(2 * np.pi * z), z),
        np.where(wave, -2 * np.pi * np.sin(2 * np.pi * z), 1),
        seen,
    )


def blocks_of(model):
    return [np.vstack([w, b]).astype(float) for w, b in zip(model.coefs_, model.intercepts_, strict=True)]


def scores(blocks, X, waves, numbers=None):
    h, _, _ = values(blocks[0], X, waves, numbers)
    h = np.tanh(h @ blocks[1][:-1] + blocks[1][-1])
    return h @ blocks[2][:-1] + blocks[2][-1]


def gradients(blocks, X, y, waves):
    """Of half the mean squared error."""
    first, slope, seen = values(blocks[0], X, waves)
    hidden = np.tanh(first @ blocks[1][:-1] + blocks[1][-1])
    delta = (hidden @ blocks[2][:-1] + blocks[2][-1] - y[:, None]) / len(y)
    out = [np.vstack([hidden.T @ delta, delta.sum(axis=0)])]
    delta = (delta @ blocks[2][:-1].T) * (1 - hidden**2)
    out.insert(0, np.vstack([first.T @ delta, delta.sum(axis=0)]))
    delta = (delta @ blocks[1][:-1].T) * slope
    out.insert(0, np.vstack([np.sum(seen * delta, axis=0), delta.sum(axis=0)]))
    return out


def start_of(X, y, **params):
    return blocks_of(mlp(**{**params, "max_iter": 1, "learning_rate": 1e-300}).fit(X, y))


@pytest.mark.parametrize(("scales", "waves"), [(False, 3), (True, 3), (True, 0)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_it_descends_as_the_account(solver, scales, waves):
    X, y = make(n=48)
    params = {"solver": solver, "scaling_layer": scales, "n_frequencies": waves, "alpha": 0.0}
    blocks = start_of(X, y, **params)
    d = X.shape[1]
    assert blocks[0].shape == (2, d * (1 + waves))
    np.testing.assert_array_equal(blocks[0][:, :d], [[1.0] * d, [0.0] * d])
    size = {"batch": 48, "minibatch": 16, "sgd": 1}[solver]
    for _ in range(3):
        for begin in range(0, 48, size):
            rows = slice(begin, begin + size)
            moves = gradients(blocks, X[rows], y[rows], waves)
            moves[0][1, :d] = 0
            moves[0][0, :d] *= scales
            blocks = [block - 0.05 * move for block, move in zip(blocks, moves, strict=True)]
    model = mlp(**params).fit(X, y)
    for ours, theirs in zip(blocks_of(model), blocks, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.predict(X), scores(blocks, X, waves)[:, 0], rtol=1e-8)
    assert model.n_layers_ == 4


def test_gradients_are_finite_differences():
    X, y = make(n=30)
    params = {"solver": "batch", "max_iter": 1, "scaling_layer": True, "alpha": 0.05}
    before = start_of(X, y, **params)
    after = blocks_of(mlp(**{**params, "learning_rate": 1e-7}).fit(X, y))
    rng = np.random.default_rng(0)
    d = X.shape[1]
    places = [(0, 0, j) for j in range(2 * d)] + [(0, 1, j) for j in range(d, 2 * d)]
    places += [(k, *map(int, rng.integers(before[k].shape))) for k in (1, 2) for _ in range(3)]
    for layer, *at in places:
        at, losses = tuple(at), []
        for shift in (1e-5, -1e-5):
            moved = [block.copy() for block in before]
            moved[layer][at] += shift
            there = mlp(**{**params, "learning_rate": 1e-300})
            there.fit(X, y, coef_init=[b[:-1] for b in moved], intercept_init=[b[-1] for b in moved])
            losses.append(there.loss_)
        step = (before[layer] - after[layer])[at] / 1e-7
        assert step == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-5, abs=1e-5), (layer, at)


@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 5e-15), (np.float32, 2e-6)])
def test_waves_are_exact(dtype, error):
    """Of frequencies from slow to fast."""
    X = np.linspace(-2, 2, 2001, dtype=dtype)[:, None]
    model = mlp(n_frequencies=5, max_iter=1, learning_rate=1e-300, frequency_scale=1.0)
    model.fit(X, X[:, 0])
    block = blocks_of(model)[0]
    block[0, 1:], block[1, 1:] = [0.01, 0.5, 1.0, 3.0, 40.0], [0.0, 0.25, 0.5, 0.1, 0.0]
    block = block.astype(dtype)
    units = np.eye(6, dtype=dtype)
    probe = mlp(
        n_frequencies=5, hidden_layer_sizes=(6,), activation="identity", max_iter=1, learning_rate=1e-300
    )
    probe.fit(
        X, np.zeros((len(X), 1), dtype), coef_init=[block[:1], units, np.ones((6, 1), dtype)],
        intercept_init=[block[1], np.zeros(6, dtype), np.zeros(1, dtype)],
    )  # fmt: skip
    expected, _, _ = values(block.astype(float), X.astype(float), 5)
    reach = np.maximum(1, np.abs(X.astype(float) * block[0] + block[1]))
    assert np.max(np.abs(probe.hidden(X) - expected) / reach) < error * 2 * np.pi


@pytest.mark.parametrize("optimizer", ["plain", "adam", "nesterov"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", SOLVERS)
def test_sparse_rows_give_the_dense_model(solver, dtype, optimizer):
    X, y = make(n=60, dtype=dtype)
    X = thin(X, 0.5)
    rate = 0.001 if optimizer == "nesterov" else 0.01
    model = mlp(solver=solver, scaling_layer=True, optimizer=optimizer, learning_rate=rate)
    for standardize in (False, True):
        model.set_params(standardize=standardize)
        dense, sparse = (clone(model).fit(rows, y) for rows in (X, csr(X)))
        tolerance = {"rtol": 1e-7, "atol": 1e-9} if dtype == np.float64 else {"rtol": 2e-3, "atol": 5e-4}
        for a, b in zip(blocks_of(dense), blocks_of(sparse), strict=True):
            np.testing.assert_allclose(a, b, **tolerance)
        np.testing.assert_allclose(dense.predict(X), sparse.predict(csr(X)), **tolerance)


@pytest.mark.parametrize("solver", SOLVERS)
def test_coordinates_are_those_of_standardised_rows(solver):
    X, y = make(n=60)
    X = 100 * X + 7
    center, scale = X.mean(axis=0), X.std(axis=0)
    params = {"solver": solver, "scaling_layer": True, "alpha": 0.0, "learning_rate": 0.005}
    ours = mlp(standardize=True, **params).fit(X, y)
    theirs = mlp(**params).fit((X - center) / scale, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict((X - center) / scale), rtol=1e-6, atol=1e-8)
    seen = FeatureLayer(3).seen(X.shape[1])
    np.testing.assert_allclose(ours.coefs_[0][0] * scale[seen], theirs.coefs_[0][0], rtol=1e-6)


def test_rates_of_its_own():
    X, y = make(n=60)
    params = {"solver": "batch", "max_iter": 1, "scaling_layer": True}
    usual = blocks_of(mlp(**params).fit(X, y))
    fast = blocks_of(mlp(**params, rate_factors={"scaling": 6.0, "frequencies": 0.5, 0: 2.0}).fit(X, y))
    start, d = start_of(X, y, **params), X.shape[1]
    moved, faster = usual[0] - start[0], fast[0] - start[0]
    np.testing.assert_allclose(faster[0, :d], 12 * moved[0, :d], rtol=1e-8)
    np.testing.assert_allclose(faster[:, d:], moved[:, d:], rtol=1e-8)
    np.testing.assert_allclose(fast[1], usual[1])


def test_a_frozen_layer_is_a_fixed_embedding():
    X, y = make(n=60)
    model = mlp(freeze=0, max_iter=10, scaling_layer=True).fit(X, y)
    np.testing.assert_array_equal(blocks_of(model)[0], start_of(X, y, scaling_layer=True)[0])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "plain"])
def test_automatic_rates_learn_frequencies(optimizer, solver):
    """A sine that starts at another frequency than the data's."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 2))
    y = np.cos(2 * np.pi * (1.5 * X[:, 0] + 0.2))
    model = GDMLPRegressor(
        hidden_layer_sizes=(16,), n_frequencies=8, frequency_scale=1.0, optimizer=optimizer, solver=solver,
        random_state=0, max_iter=300 if solver == "batch" else 40, tol=None,
    ).fit(X, y)  # fmt: skip
    assert model.score(X, y) > 0.8


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
def test_pieces_of_a_stream_are_one(solver):
    X, y = make(n=96)
    model = mlp(solver=solver, optimizer="adam", scaling_layer=True, learning_rate=0.01)
    begun = model.partial_fit(X[:32], y[:32])
    pieces, whole = (pickle.loads(pickle.dumps(begun)) for _ in range(2))
    pieces.partial_fit(X[32:64], y[32:64]).partial_fit(X[64:], y[64:])
    whole.partial_fit(X[32:], y[32:])
    for a, b in zip(blocks_of(pieces), blocks_of(whole), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_threads_change_nothing():
    X, y = make("log_loss", n=1000, d=100, outputs=3)
    params = {"hidden_layer_sizes": (90,), "batch_size": 200, "dropout": 0.1, "optimizer": "adam"}
    one, two = (mlp(GDMLPClassifier, n_jobs=jobs, learning_rate=1e-3, **params).fit(X, y) for jobs in (1, 2))
    for a, b in zip(blocks_of(one), blocks_of(two), strict=True):
        np.testing.assert_array_equal(a, b)


def table(n=700):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "wave": rng.uniform(-1, 1, n),
            "kind": pd.Categorical(rng.choice(["a", "b"], n)),
            "line": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
        }
    )
    y = np.cos(9 * X["wave"]) + (X["kind"] == "a") + X["line"].fillna(0)
    return X, y.to_numpy()


@pytest.mark.parametrize("members", [1, 2])
def test_of_a_table_numbers_alone_have_waves(members):
    X, y = table()
    model = GDMLPRegressor(
        n_frequencies=4,
        scaling_layer=True,
        encoding=TableEncoder(n_bins=0),
        dropout=0.0,  # with which four waves are found or not by chance
        random_state=0,
        n_members=members,
    ).fit(X, y)
    columns = len(model.encoder_.get_feature_names_out())
    assert columns == 2 + 1 + 2
    assert model.coefs_[0].shape == (1, columns + 2 * 4)
    assert model.score(X, y) > 0.99
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_the_objective_and_a_stream_of_a_table_know_its_numbers():
    X, y = table()
    model = GDMLPRegressor(
        n_frequencies=4, random_state=0, max_iter=2, encoding=TableEncoder(), alpha=1e-3
    ).fit(X, y)
    value, _ = model.objective(X, y)
    assert value == pytest.approx(model.loss_, rel=1e-5)
    stream = GDMLPRegressor(n_frequencies=4, random_state=0, encoding="table").partial_fit(X, y)
    assert stream.coefs_[0].shape[1] == len(stream.encoder_.get_feature_names_out()) + 2 * 4
    stream.partial_fit(X, y)


def test_a_killed_fit_goes_on(monkeypatch, tmp_path):
    X, y = make(n=90)
    path = tmp_path / "fit.ckpt"

    def fresh():
        return mlp(optimizer="adam", max_iter=12, scaling_layer=True, learning_rate=0.01)

    whole = fresh().fit(X, y)
    killed_after(monkeypatch, 4, lambda: fresh().fit(X, y, checkpoint=Checkpoint(path, 0)))
    assert_same(fresh().fit(X, y, checkpoint=Checkpoint(path, 0)), whole)


def test_hidden_layers_are_those_behind_it():
    X, y = make(n=60)
    model = mlp(hidden_layer_sizes=(7, 5), max_iter=5).fit(X, y)
    first, _, _ = values(blocks_of(model)[0], X, 3)
    first = np.tanh(first @ model.coefs_[1] + model.intercepts_[1])
    np.testing.assert_allclose(model.hidden(X, 0), first, rtol=1e-9)
    assert model.hidden(X).shape == (60, 5)


def test_onnx_has_the_waves():
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    X, y = make(n=60)
    model = mlp(max_iter=20, scaling_layer=True).fit(X, y)
    session = runtime.InferenceSession(
        model.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"X": X})
    np.testing.assert_allclose(np.ravel(found), model.predict(X), rtol=1e-8)


def test_scikit_learn_has_no_such_layer():
    X, y = make(n=60)
    with pytest.raises(ValueError, match="layer of features"):
        mlp(activation="tanh").fit(X, y).to_sklearn()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_waves_of_numbers_without_a_fraction_are_numbers(dtype):
    X, y = make(n=40, d=3, dtype=dtype)
    model = mlp().fit(X, y)
    assert np.isfinite(model.predict(np.full((2, 3), 1e30, dtype))).all()
    assert np.isnan(model._raw(np.full((1, 3), np.inf, dtype))).all()
