"""skgd.dask: the model of the same rows in one process, whatever the workers."""

import os
import pickle
import signal
import threading
import time
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from _killed import assert_same, killed_after
from scipy import sparse
from sklearn.base import clone

import skgd

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

from skgd._dask_blocks import DaskBlocks, shared_out  # noqa: E402
from skgd._dask_collections import agreement, mean_and_squares, together  # noqa: E402
from skgd.dask import DaskGDClassifier, DaskGDRegressor, LostBlocks, from_blocks  # noqa: E402

ENDS = (0, 300, 300, 301, 900, 1400)  # unequal partitions, one of them empty


def rows(n=1400, d=6, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(n, d)) * np.linspace(0.5, 2, d) + 0.3).astype(dtype)
    raw = X @ rng.normal(size=d) + rng.normal(size=n)
    return X, raw.astype(dtype)


def made(array, ends=ENDS, as_sparse=False):
    """A Dask array whose partitions the workers make."""
    kind = sparse.csr_array if as_sparse else np.asarray
    meta = kind(array[:0])
    parts = [
        da.from_delayed(
            dask.delayed(lambda a, b: kind(array[a:b]))(a, b),
            (b - a, *array.shape[1:]),
            array.dtype,
            meta=meta,
        )
        for a, b in pairwise(ends)
    ]
    return da.concatenate(parts)


@contextmanager
def two_workers(folder):
    """A client of two workers that are processes."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=str(folder),
            memory_limit=None,
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with two_workers(tmp_path_factory.mktemp("dask")) as client:
        yield client


@pytest.fixture(scope="module")
def workers_that_die(tmp_path_factory):
    with two_workers(tmp_path_factory.mktemp("dask")) as client:
        yield client


@pytest.fixture
def mortal(workers_that_die):
    """The same for tests that kill workers, which come back."""
    workers_that_die.wait_for_workers(2)
    return workers_that_die


def local(model):
    """The same model for one process."""
    return clone(model.to_local())


@pytest.mark.parametrize(
    "model, classes",
    [
        (DaskGDRegressor("huber", learning_rate=0.2, max_iter=15, tol=None), 0),
        (DaskGDRegressor(tol=None, max_iter=20, learning_rate=0.1), 0),
        (DaskGDClassifier(learning_rate=0.2, max_iter=15, tol=None, class_weight="balanced"), 3),
        (DaskGDClassifier("hinge", penalty="l1", alpha=0.01, max_iter=15, tol=None), 2),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_model_is_that_of_one_process(client, model, classes, weighted):
    X, y = rows()
    if classes:
        y = np.digitize(y, np.quantile(y, np.linspace(0, 1, classes + 1)[1:-1] ** 2))
    weight = np.random.default_rng(1).uniform(0.1, 2, len(y)) if weighted else None
    model = clone(model).fit(made(X), made(y), None if weight is None else made(weight), client=client)
    expected = local(model).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(model.history_["loss"], expected.history_["loss"], rtol=1e-11)
    assert (model.stop_reason_, model.n_iter_) == (expected.stop_reason_, expected.n_iter_)
    found = model.predict(made(X)).compute()
    compare = np.testing.assert_array_equal if classes else np.testing.assert_allclose
    compare(found, model.to_local().predict(X))
    assert abs(model.score(made(X), made(y)) - expected.score(X, y)) < 1e-9


def test_automatic_rates_and_units(client):
    X, y = rows()
    X[:, 2] *= 1e4
    model = DaskGDClassifier().fit(made(X), made(y > 0), client=client)
    expected = local(model).fit(X, y > 0)
    np.testing.assert_allclose(model.learning_rate_, expected.learning_rate_, rtol=1e-9)
    np.testing.assert_allclose(model.loss_, expected.loss_, rtol=1e-10)
    assert model.stop_reason_ == "tol"
    assert model.classes_.tolist() == [False, True]


def test_float32_and_sparse_partitions(client):
    X, y = rows(dtype=np.float32)
    X = np.where(np.abs(X) > 1, X, 0)
    model = DaskGDRegressor("huber", learning_rate=0.2, max_iter=20, tol=None)
    dense = clone(model).fit(made(X), made(y), client=client)
    csr = clone(model).fit(made(X, as_sparse=True), made(y), client=client)
    assert dense.coef_.dtype == csr.coef_.dtype == np.float32
    expected = local(dense).fit(X, y)
    np.testing.assert_allclose(dense.coef_, expected.coef_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(csr.coef_, expected.coef_, rtol=1e-5, atol=1e-6)
    predictions = csr.predict(made(X, as_sparse=True))
    assert predictions.dtype == np.float32
    np.testing.assert_allclose(predictions.compute(), expected.predict(X), atol=1e-4)


def test_data_frames(client):
    pandas = pytest.importorskip("pandas")
    frames = pytest.importorskip("dask.dataframe")
    X, y = rows()
    frame = pandas.DataFrame(X.astype(np.float32), columns=list("abcdef")).assign(y=y > 0)
    table = frames.from_pandas(frame, npartitions=4)
    names = list("abcdef")
    model = DaskGDClassifier(max_iter=10, tol=None).fit(table[names], table["y"], client=client)
    np.testing.assert_array_equal(model.feature_names_in_, names)
    assert model.coef_.dtype == np.float32
    expected = local(model).fit(frame[names], frame["y"])
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-4, atol=1e-5)
    found = model.predict(table[names])
    assert found.dtype == bool
    series = found.compute()
    np.testing.assert_array_equal(series.index, frame.index)
    assert (series.to_numpy() == expected.predict(frame[names])).mean() > 0.999
    assert model.predict_proba(table[names]).compute().shape == (1400, 2)
    assert abs(model.score(table[names], table["y"]) - expected.score(frame[names], frame["y"])) < 1e-2
    only_some = table[table["a"] > 100]  # all partitions are empty
    with pytest.raises(ValueError, match="no rows"):
        clone(model).fit(only_some[names], only_some["y"], client=client)


def test_scores_with_several_columns(client):
    X, y = rows()
    codes = np.digitize(y, [-1, 1])
    model = DaskGDClassifier(max_iter=5, tol=None).fit(made(X), made(codes), client=client)
    alone = model.to_local()
    for method, options in (("predict_proba", {}), ("decision_function", {})):
        lazy = getattr(model, method)(made(X))
        assert lazy.shape == (1400, 3)
        np.testing.assert_allclose(lazy.compute(), getattr(alone, method)(X), **options)
    assert not hasattr(DaskGDClassifier("hinge"), "predict_proba")
    Y = np.column_stack([y, -y])
    regressor = DaskGDRegressor(max_iter=5, tol=None).fit(made(X), made(Y), client=client)
    np.testing.assert_allclose(regressor.predict(made(X)).compute(), regressor.predict(X))
    assert abs(regressor.score(made(X), made(Y)) - regressor.to_local().score(X, Y)) < 1e-9


def test_bits_do_not_depend_on_the_workers(client):
    X, y = rows()
    model = DaskGDClassifier(max_iter=12, tol=None)
    two = clone(model).fit(made(X), made(y > 0), client=client)
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=2, processes=False, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as other,
    ):
        six = clone(model).fit(made(X), made(y > 0), client=other)
    np.testing.assert_array_equal(six.coef_, two.coef_)
    np.testing.assert_array_equal(six.history_["loss"], two.history_["loss"])
    blocks = [(X[a:b], (y > 0)[a:b]) for a, b in pairwise(ENDS)]
    np.testing.assert_array_equal(local(two).fit_blocks(blocks).coef_, two.coef_)


def test_a_fit_waits_for_the_first_worker():
    X, y = rows()
    model = DaskGDClassifier(max_iter=3, tol=None)
    with (
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        later = threading.Timer(1.0, cluster.scale, (1,))
        later.start()
        try:
            found = clone(model).fit(made(X), made(y > 0), client=client)
        finally:
            later.join()
    assert found.n_iter_ == 3


def killing(monkeypatch, client, at, data=None):
    """SIGKILL of a worker, of one that holds the data, before the map of that number."""
    calls, whole = [], DaskBlocks.map

    def map_and_kill(self, function, *arguments, **options):
        calls.append(time.monotonic())
        if len(calls) == at:
            pids = client.run(os.getpid)
            holder = next(iter(pids)) if data is None else next(iter(client.who_has(data).values()))[0]
            os.kill(pids[holder], signal.SIGKILL)
        return whole(self, function, *arguments, **options)

    monkeypatch.setattr(DaskBlocks, "map", map_and_kill)
    return calls


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signals")
@pytest.mark.parametrize("at, persisted", [(2, False), (9, False), (9, True)])
def test_a_lost_worker_changes_nothing(mortal, monkeypatch, at, persisted):
    X, y = rows()
    model = DaskGDClassifier(max_iter=12, tol=None)
    expected = clone(model).fit(made(X), made(y > 0), client=mortal).coef_
    given = [made(X), made(y > 0)]
    if persisted:
        given = mortal.persist(given)
        distributed.wait(given)
    calls = killing(monkeypatch, mortal, at)
    found = clone(model).fit(*given, client=mortal)
    assert len(calls) > at
    np.testing.assert_array_equal(found.coef_, expected)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signals")
def test_rows_that_cannot_be_made_again_are_an_error(mortal, monkeypatch):
    X, y = rows()
    cuts = [slice(start, start + 140) for start in range(0, 1400, 140)]
    parts, labels = (mortal.scatter([array[part] for part in cuts]) for array in (X, y > 0))
    DX = da.concatenate([da.from_delayed(part, (np.nan, 6), float) for part in parts])
    Dy = da.concatenate([da.from_delayed(part, (np.nan,), bool) for part in labels])
    calls = killing(monkeypatch, mortal, 9, data=parts[:1])
    with pytest.raises(LostBlocks, match=r"client\.replicate"):
        DaskGDClassifier(max_iter=200, tol=None, learning_rate=0.1).fit(DX, Dy, client=mortal)
    assert time.monotonic() - calls[8] < 60  # it does not hang


def test_an_interrupt_keeps_the_model_so_far(client, monkeypatch):
    X, y = rows()
    calls, whole = [], DaskBlocks.map

    def map_and_interrupt(self, function, *arguments, **options):
        calls.append(1)
        if len(calls) == 15:
            raise KeyboardInterrupt
        return whole(self, function, *arguments, **options)

    monkeypatch.setattr(DaskBlocks, "map", map_and_interrupt)
    model = DaskGDClassifier(max_iter=1000, tol=None, learning_rate=0.2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(made(X), made(y > 0), client=client)
    assert model.stop_reason_ == "interrupted"
    assert 5 < len(model.history_["loss"]) < 15


def test_early_stopping_by_rows_in_memory(client):
    X, y = rows()
    model = DaskGDClassifier(early_stopping=True, max_iter=50)
    with pytest.raises(ValueError, match="X_val and y_val"):
        model.fit(made(X), made(y > 0), client=client)
    model.fit(made(X), made(y > 0), X_val=X[:200], y_val=y[:200] > 0, client=client)
    assert np.isfinite(model.history_["validation_loss"]).all()


def test_clones_pickles_and_local_models(client):
    X, y = rows()
    model = DaskGDRegressor(alpha=0.1)
    assert clone(model).get_params() == model.get_params()
    assert "solver" not in model.get_params()
    assert not hasattr(model, "partial_fit")
    model.fit(made(X), made(y), client=client)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.coef_, model.coef_)
    alone = model.to_local()
    assert type(alone) is skgd.GDRegressor
    shared = {name: value for name, value in model.get_params().items() if name != "local_epochs"}
    assert alone.get_params() == {**skgd.GDRegressor().get_params(), **shared, "solver": "batch"}
    np.testing.assert_array_equal(alone.predict(X), model.predict(X))
    warm = model.set_params(warm_start=True, max_iter=3, tol=None).fit(made(X), made(y), client=client)
    assert warm.n_updates_ == alone.n_updates_ + 3


def test_the_current_client_is_found(client):
    X, y = rows()
    assert DaskGDRegressor(max_iter=3, tol=None).fit(made(X), made(y)).n_iter_ == 3


def test_bad_input_is_told(client):
    X, y = rows()
    model = DaskGDRegressor()
    with pytest.raises(TypeError, match=r"numpy\.ndarray: give a Dask array"):
        model.fit(X, y, client=client)
    with pytest.raises(TypeError, match="y is a ndarray: give a Dask collection"):
        model.fit(made(X), y, client=client)
    with pytest.raises(ValueError, match="y with 1399 rows for X of 1400"):
        model.fit(made(X), made(y)[:-1], client=client)
    with pytest.raises(ValueError, match=r"Block \d: .*contains NaN"):
        model.fit(made(np.where(np.arange(1400)[:, None] == 500, np.nan, X)), made(y), client=client)
    with pytest.raises(ValueError, match="y is None"):
        model.fit(made(X), None, client=client)
    with pytest.raises(ValueError, match="Expected 2D array"):
        model.fit(made(y), made(y), client=client)
    with pytest.raises(TypeError, match=r"skgd\.dask\.DaskGDRegressor"):
        skgd.GDRegressor().fit(made(X), y)
    with pytest.raises(skgd.DivergenceError):
        DaskGDRegressor(learning_rate=50.0).fit(made(X), made(y), client=client)


def test_columns_in_several_chunks(client):
    X, y = rows()
    model = DaskGDRegressor(max_iter=5, tol=None, learning_rate=0.1)
    expected = clone(model).fit(made(X), made(y), client=client).coef_
    cut = da.from_array(X, chunks=(500, 2))
    found = clone(model).fit(cut, da.from_array(y, chunks=700), client=client)
    np.testing.assert_allclose(found.coef_, expected, rtol=1e-11)
    np.testing.assert_allclose(found.predict(cut).compute(), found.to_local().predict(X))


@pytest.mark.parametrize("kind", [DaskGDClassifier, DaskGDRegressor])
def test_a_killed_fit_goes_on(client, kind, tmp_path, monkeypatch):
    X, y = rows()
    given = made(X), made(y > 0 if kind is DaskGDClassifier else y)
    fresh = lambda: kind(max_iter=25, tol=None, local_epochs=1)  # noqa: E731
    whole = fresh().fit(*given, client=client)
    path = skgd.Checkpoint(tmp_path / "fit.ckpt", 0)
    for writings in (3, 8):
        assert killed_after(
            monkeypatch, writings, lambda: fresh().fit(*given, client=client, checkpoint=path)
        )
    assert_same(fresh().fit(*given, client=client, checkpoint=path), whole)


# ---------------------------------------------------------------- parts without a cluster


def test_blocks_are_shared_out_where_they_are():
    held = [["a"], ["a"], ["b"], ["b"]]
    assert sorted(shared_out(held, [1, 1, 1, 1], {"a": 1, "b": 1})) == [("a", [0, 1]), ("b", [2, 3])]
    moved = shared_out([["a"]] * 4, [1, 1, 1, 1], {"a": 1, "b": 1})  # a worker has joined
    assert sorted(len(blocks) for _, blocks in moved) == [2, 2]
    lost = shared_out([[], ["b"]], [1, 1], {"b": 2})
    assert sorted(lost) == [("b", [0]), ("b", [1])]


def test_scores_are_added_up():
    rng = np.random.default_rng(0)
    y, found, weight = rng.normal(size=90), rng.normal(size=90), rng.uniform(size=90)
    whole = mean_and_squares(y, found, weight)
    parts = [mean_and_squares(y[p], found[p], weight[p]) for p in (slice(0, 20), slice(20, 90))]
    for a, b in zip(together(*parts), whole, strict=True):
        np.testing.assert_allclose(a, b)
    assert agreement(np.array(["a", "b"]), np.array(["a", "c"]))[1] == 0.5


# ---------------------------------------------------------------- blocks of files, local epochs


def test_arrays_of_blocks_that_workers_load(client, tmp_path):
    X, y = rows()
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    blocks = skgd.io.npy_blocks(tmp_path / "X.npy", tmp_path / "y.npy", rows=500)
    assert pickle.loads(pickle.dumps(blocks))[1][0].shape == (500, 6)
    DX, Dy = from_blocks(blocks)
    model = DaskGDRegressor("huber", learning_rate=0.2, max_iter=8, tol=None)
    found = clone(model).fit(DX, Dy, client=client)
    expected = clone(model).fit(made(X), made(y), client=client)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-11)
    assert found.predict(DX).compute().shape == (1400,)
    as_sparse = from_blocks([(sparse.csr_array(X), y)])
    np.testing.assert_allclose(clone(model).fit(*as_sparse, client=client).coef_, expected.coef_, rtol=1e-9)


def test_local_epochs_begin_nearer_to_the_optimum(client):
    X, y = rows()
    X = X @ np.diag(np.geomspace(1, 0.03, 6))
    given = made(X), made(y > 0)
    options = {"standardize": False, "tol": None, "max_iter": 30, "alpha": 1e-6}
    usual = DaskGDClassifier(**options).fit(*given, client=client)
    nearer = DaskGDClassifier(local_epochs=2, **options).fit(*given, client=client)
    best = DaskGDClassifier(standardize=True, alpha=1e-6, tol=1e-10).fit(*given, client=client).loss_
    assert nearer.history_["loss"][0] - best < 0.2 * (usual.history_["loss"][0] - best)
    again = DaskGDClassifier(local_epochs=2, **options).fit(*given, client=client)
    np.testing.assert_array_equal(again.coef_, nearer.coef_)
    assert "local_epochs" not in nearer.to_local().get_params()


def test_a_local_epoch_makes_three_digits(client):
    """At a rate that stays, the mean of the iterates keeps a gap of a tenth, however many rows there are."""
    rng = np.random.default_rng(0)
    scales = np.geomspace(1, 1000**-0.5, 20)
    X = rng.normal(size=(40_000, 20)) * scales
    y = 2 * X @ (rng.normal(size=20) / scales) / 20**0.5 + rng.logistic(size=40_000) > 0
    given = [da.from_array(array, chunks=(5000, *array.shape[1:])) for array in (X, y)]
    options = {"standardize": False, "alpha": 1e-6}
    model = DaskGDClassifier(local_epochs=1, max_iter=1, tol=None, **options).fit(*given, client=client)
    best = skgd.GDClassifier(solver="batch", tol=1e-10, max_iter=5000, alpha=1e-6).fit(X, y).loss_
    assert model.history_["loss"][0] - best < 5e-3 * (np.log(2) - best)


def test_a_mean_that_is_no_better_is_no_start(client):
    X, y = rows()
    order = np.argsort(y, kind="stable")  # a label for each part, but for one
    given = made(X[order] * 1e-3), made(y[order] > 0)
    options = {"standardize": False, "tol": None, "max_iter": 5, "alpha": 1e-6}
    usual = DaskGDClassifier(**options).fit(*given, client=client).history_["loss"]
    sorted_rows = DaskGDClassifier(local_epochs=1, **options).fit(*given, client=client).history_["loss"]
    assert sorted_rows[0] <= usual[0]


# ---------------------------------------------------------------- what maps cost


def counting(monkeypatch, name):
    """Arguments of the calls of a method of DaskBlocks, from now on."""
    calls, whole = [], getattr(DaskBlocks, name)

    def counted(self, *arguments, **options):
        calls.append(arguments)
        return whole(self, *arguments, **options)

    monkeypatch.setattr(DaskBlocks, name, counted)
    return calls


def mapped(calls):
    return [function.__name__ for function, *_ in calls]


def test_a_fit_makes_few_maps(client, monkeypatch):
    X, y = rows()
    calls = counting(monkeypatch, "map")
    model = DaskGDClassifier(max_iter=12, tol=None, standardize=False)
    model.fit(made(X), made(y > 0), client=client)
    first = ["facts_or_none", "part_of", "look_at_block"]
    assert mapped(calls) == first + 12 * ["sums_of_block"]  # 11 more updates, and the end
    calls.clear()
    DaskGDRegressor(max_iter=200, tol=None, standardize=False).fit(made(X), made(y), client=client)
    assert mapped(calls) == [*first, "sums_of_block"]
    calls.clear()
    DaskGDRegressor(max_iter=9, tol=None, learning_rate=0.1).fit(made(X), made(y), client=client)
    assert mapped(calls) == [*first[:2], "sums_of_block", "products_of_block", "sums_of_block"]


@pytest.mark.parametrize("as_sparse", [False, True])
def test_arrays_on_the_workers_are_taken_as_they_are(client, as_sparse, monkeypatch):
    """No task is made for each of their partitions; the model is the same."""
    X, y = rows()
    weight, asked = made(np.linspace(1, 2, len(X))), []
    model = DaskGDClassifier(max_iter=9, tol=None, local_epochs=0 if as_sparse else 1)
    whole = clone(model).fit(made(X, as_sparse=as_sparse), made(y > 0), weight, client=client)
    given = client.persist([made(X, as_sparse=as_sparse), made(y > 0), weight])
    compute = client.compute
    monkeypatch.setattr(client, "compute", lambda *each, **more: asked.append(each) or compute(*each, **more))
    held = clone(model).fit(*given, client=client)
    assert not asked
    np.testing.assert_array_equal(held.coef_, whole.coef_)
    np.testing.assert_array_equal(held.history_["loss"], whole.history_["loss"])
    with pytest.raises(ValueError, match=r"Block 1: .*NaN"):
        bad = X.copy()
        bad[ENDS[2]] = np.nan
        clone(model).fit(client.persist(made(bad)), given[1], client=client)


def test_updates_are_no_tasks_of_dasks(client, monkeypatch):
    X, y = rows()
    maps, tasks = counting(monkeypatch, "map"), counting(monkeypatch, "_submit")
    DaskGDClassifier(max_iter=100, tol=None, learning_rate=0.2).fit(made(X), made(y > 0), client=client)
    assert len(maps) >= 100
    assert len(tasks) < 20  # lists of blocks, and the first maps, when the actors are new


def test_an_error_on_a_worker_is_told(client):
    X, y = rows()

    class Fails(skgd.losses.Loss):
        task = "regression"

        def value_and_slope(self, y, z):
            if len(y) > 1:
                raise ArithmeticError("no such number")
            return 0.5 * (z - y[:, None]) ** 2, z - y[:, None]

    with pytest.raises(ArithmeticError, match="no such number"):
        DaskGDRegressor(Fails(), learning_rate=0.1, max_iter=5).fit(made(X), made(y), client=client)
