"""Perceptrons on Dask: the networks of the same rows in one process."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.preprocessing import OneHotEncoder

import skgd

pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

from skgd.dask import DaskGDMLPClassifier, DaskGDMLPRegressor  # noqa: E402

CHUNKS = (300, 1, 599, 500)


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def rows(dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1400, 5)).astype(dtype)
    return X, (np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=1400)).astype(dtype)


def cut(*arrays):
    return [da.from_array(array, chunks=(CHUNKS, *array.shape[1:])) for array in arrays]


def parameters(model):
    return np.concatenate([np.ravel(part) for part in (*model.coefs_, *model.intercepts_)])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "fixed",
    [
        {},
        {"hidden_layer_sizes": (8, 4), "activation": "tanh", "penalty": "elasticnet"},
        {"optimizer": "plain", "learning_rate": 0.1, "max_grad_norm": 0.2},
        {"freeze": 0, "learning_rate": 0.01},
    ],
)
def test_the_network_is_that_of_one_process(client, fixed, weighted):
    X, y = rows()
    fixed = {"hidden_layer_sizes": 8, "max_iter": 25, "tol": None, "random_state": 0, **fixed}
    weight = (np.random.default_rng(1).uniform(0.1, 2, len(y)),) if weighted else ()
    for kind, target in ((DaskGDMLPRegressor, y), (DaskGDMLPClassifier, np.digitize(y, [-0.5, 0.5]))):
        model = kind(**fixed).fit(*cut(X, target, *weight), client=client)
        expected = clone(model.to_local()).fit(X, target, *weight)
        assert expected.solver == "batch"
        np.testing.assert_allclose(parameters(model), parameters(expected), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(model.history_["loss"], expected.history_["loss"], rtol=1e-11)
        assert model.settings_.items() <= expected.settings_.items()
        (DX, Dy) = cut(X, target)
        np.testing.assert_allclose(model.score(DX, Dy), expected.score(X, target), rtol=1e-6)
        found = model.predict(DX)
        assert found.chunks == (CHUNKS,)
        np.testing.assert_array_equal(found.compute(), model.to_local().predict(X))


def test_probabilities_labels_and_outputs(client):
    X, y = rows(np.float32)
    (DX,) = cut(X)
    fixed = {"hidden_layer_sizes": 4, "max_iter": 3, "tol": None, "random_state": 0}
    codes = np.digitize(y, [-0.5, 0.5])
    model = DaskGDMLPClassifier(**fixed).fit(DX, *cut(np.array(["a", "b", "c"])[codes]), client=client)
    lazy = model.predict_proba(DX)
    assert lazy.dtype == np.float32
    assert lazy.shape == model.decision_function(DX).shape == (1400, 3)
    np.testing.assert_allclose(lazy.compute(), model.to_local().predict_proba(X))
    assert model.predict(DX).dtype == model.classes_.dtype
    labels = OneHotEncoder(sparse_output=False).fit_transform(codes[:, None])
    DY = da.from_array(labels, chunks=(CHUNKS, (3,)))
    several = DaskGDMLPClassifier(**fixed).fit(DX, DY, client=client)
    assert several.predict(DX).shape == (1400, 3)
    np.testing.assert_array_equal(several.predict(DX).compute(), several.to_local().predict(X))
    assert several.score(DX, DY) == pytest.approx(several.to_local().score(X, labels))
    Y = da.from_array(np.column_stack([y, -y]), chunks=(CHUNKS, (2,)))
    two = DaskGDMLPRegressor(**fixed).fit(DX, Y, client=client)
    assert two.predict(DX).shape == (1400, 2)


def test_local_epochs_begin_lower(client):
    X, y = rows()
    given = cut(X, y)
    model = DaskGDMLPRegressor(hidden_layer_sizes=16, max_iter=10, tol=None, random_state=0)
    usual = clone(model).fit(*given, client=client).history_["loss"]
    nearer = clone(model).set_params(local_epochs=5).fit(*given, client=client)
    assert nearer.history_["loss"][0] < 0.85 * usual[0]
    again = clone(nearer).fit(*given, client=client)
    np.testing.assert_array_equal(parameters(again), parameters(nearer))


def test_clones_pickles_and_local_networks(client):
    X, y = rows()
    given = cut(X, y)
    model = DaskGDMLPRegressor(hidden_layer_sizes=4, max_iter=3, tol=None, random_state=0)
    assert clone(model).get_params() == model.get_params()
    for name in ("solver", "dropout", "encoding", "n_members", "n_jobs"):
        assert name not in model.get_params()
    assert not hasattr(model, "partial_fit")
    model.fit(*given, client=client)
    np.testing.assert_array_equal(parameters(pickle.loads(pickle.dumps(model))), parameters(model))
    local = model.to_local()
    assert type(local) is skgd.GDMLPRegressor
    np.testing.assert_array_equal(local.predict(X), model.predict(X))
    model.set_params(warm_start=True).fit(*given, client=client)
    assert model.n_updates_ == 6


def test_data_frames_are_taken_as_numbers(client):
    pandas = pytest.importorskip("pandas")
    frames = pytest.importorskip("dask.dataframe")
    X, y = rows()
    frame = pandas.DataFrame(X, columns=list("abcde")).assign(y=y)
    table = frames.from_pandas(frame, npartitions=4)
    model = DaskGDMLPRegressor(hidden_layer_sizes=4, max_iter=5, tol=None, random_state=0)
    model.fit(table[list("abcde")], table["y"], client=client)
    assert model.feature_names_in_.tolist() == list("abcde")
    assert not hasattr(model, "encoder_")
    found = model.predict(table[list("abcde")])
    assert found.compute().index.equals(frame.index)
    expected = clone(model.to_local()).set_params(encoding=None).fit(X, y)
    np.testing.assert_allclose(parameters(model), parameters(expected), rtol=1e-8, atol=1e-10)
