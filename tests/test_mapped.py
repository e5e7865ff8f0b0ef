"""Rows in a mapped file: the same fits, and an order in which each part of the file is read once an epoch."""

import mmap
import os
import sys
import tracemalloc

import numpy as np
import pytest
from _data import KINDS, data_of, estimator, flat, make, small
from _killed import killed_after

import skgd
from skgd import _mapped
from skgd._design import design_of
from skgd._direct import Reader, reader_of
from skgd._mapped import Segments, mapping_of


@pytest.fixture
def large(monkeypatch):
    """Every mapped file is taken to be larger than memory, and has many blocks."""
    monkeypatch.setattr(_mapped, "SHARE", 0.0)
    monkeypatch.setattr(_mapped, "_BLOCK", 1024)
    monkeypatch.setattr(_mapped, "_WINDOW", 64 * 1024)


def mapped(folder, array, name="X", mode="r"):
    np.save(folder / f"{name}.npy", array)
    return np.load(folder / f"{name}.npy", mmap_mode=mode)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_small_mapped_file_is_an_array(kind, dtype, tmp_path):
    X, y = data_of(kind, n=80, dtype=dtype)
    weights = np.linspace(1, 2, 80).astype(dtype)
    files = [mapped(tmp_path, array, name) for array, name in ((X, "X"), (y, "y"), (weights, "w"))]
    whole = small(kind, max_iter=5).fit(X, y, weights)
    np.testing.assert_array_equal(flat(small(kind, max_iter=5).fit(*files)), flat(whole))


@pytest.mark.parametrize(("offset", "mode"), [(0, "r"), (0, "c"), (0, "r+"), (7, "r")])
def test_what_is_mapped(offset, mode, tmp_path, large):
    X = mapped(tmp_path, np.arange(4000.0).reshape(1000, 4), mode=mode)[offset:]
    found = mapping_of(np.asarray(X))
    assert found.row == 32
    memory = np.frombuffer(found.file, dtype=np.uint8)
    np.testing.assert_array_equal(memory[found.offset :][:32].view(float), X[0])
    found.will_need(0, 3)
    found.will_need(len(X) - 3, len(X))


def test_only_files_larger_than_memory_are_read_in_blocks(tmp_path):
    X = mapped(tmp_path, np.zeros((1000, 4)))
    assert mapping_of(X) is None
    assert mapping_of(np.zeros((3, 4))) is None


@pytest.mark.parametrize(("n", "block"), [(1000, 64), (1000, 1000), (1000, 3), (5, 64), (1, 1)])
def test_blocks_of_an_order_are_all_rows_once(n, block):
    order, random = Segments(n, block), np.array([5], dtype=np.uint64)
    orders = []
    for _ in range(3):
        order.shuffle(random)
        parts = [order.blocks(position, 37) for position in range(0, n, 37)]
        rows = np.concatenate([np.arange(*pair) for part in parts for pair in part])
        assert all(stop - start <= block for part in parts for start, stop in part)
        np.testing.assert_array_equal(np.sort(rows), np.arange(n))
        orders.append(tuple(rows))
        assert order.state(0) != order.state(37)
    assert len(set(orders)) == (3 if n > 2 * block else 1)
    assert order.blocks(n, 37) == []


def evicted(array, path):
    """The same array, whose pages are in the file alone."""
    number = os.open(path, os.O_RDONLY)
    os.fsync(number)
    array.base.madvise(mmap.MADV_DONTNEED)
    os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(number)
    return array


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asynchronous reads are those of Linux")


@on_linux
def test_parts_of_a_file_are_read_past_the_page_cache(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, 1_000_003, dtype=np.uint8)
    X, rng = mapped(tmp_path, data), np.random.default_rng(1)
    reader = reader_of(X.ctypes.data)
    assert reader is None or reader.position == 128  # None: on a file system that cannot
    for cold in (True, False) if reader else ():
        X = evicted(X, tmp_path / "X.npy") if cold else X
        parts = [sorted(map(int, rng.integers(0, len(data), 2))) for _ in range(40)]
        parts = [[(a, b + 1) for a, b in parts[k : k + 8]] for k in range(0, 40, 8)]
        parts.append([(len(data) - 5, len(data)), (0, 1)])
        for k, now in enumerate(parts):  # not always followed by what was said
            found = reader.take(now, [[*parts[1:], []][k], [*parts[3:], [], [], parts[0]][k]])
            np.testing.assert_array_equal(found, np.concatenate([data[a:b] for a, b in now]))


@on_linux
def test_what_is_not_the_mapped_file_is_not_read(tmp_path):
    own = mapped(tmp_path, np.zeros(5000), mode="c")
    own[:] = 1.0
    assert reader_of(own.ctypes.data) is None
    X = mapped(tmp_path, np.zeros(5000))
    np.save(tmp_path / "other.npy", np.ones(5000))
    (tmp_path / "other.npy").rename(tmp_path / "X.npy")
    assert reader_of(X.ctypes.data) is None
    assert reader_of(np.zeros(5000).ctypes.data) is None


@pytest.mark.parametrize("early_stopping", [False, True])
def test_bits_do_not_depend_on_how_a_file_is_read(early_stopping, tmp_path, large, monkeypatch):
    X, y = make(n=3001, d=4)
    X = mapped(tmp_path, X)
    params = {"early_stopping": early_stopping, "max_iter": 4}
    whole = estimator(**params).fit(X, y)

    def fails(*_):
        raise OSError("no disk")

    monkeypatch.setattr(Reader, "take", fails)
    np.testing.assert_array_equal(flat(estimator(**params).fit(X, y)), flat(whole))
    monkeypatch.setattr(_mapped, "reader_of", lambda address: None)
    np.testing.assert_array_equal(flat(estimator(**params).fit(X, y)), flat(whole))


def test_the_memory_of_a_container_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("20000\n")
    (tmp_path / "unlimited").write_text("max\n")
    X = mapped(tmp_path, np.zeros((1000, 4)))
    for name, is_large in (("unlimited", False), ("missing", False), ("memory.max", True)):
        monkeypatch.setattr(_mapped, "_LIMITS", (str(tmp_path / name),))
        assert (mapping_of(X) is not None) == is_large


@pytest.mark.parametrize("kept", [None, np.arange(0, 500, 2, dtype=np.int32)])
def test_rows_of_blocks_are_loaded(kept, tmp_path, large):
    X = mapped(tmp_path, np.arange(2000.0).reshape(500, 4))
    design = design_of(np.asarray(X), kept)
    blocks = [(20, 23), (100, 101), (7, 9)]
    rows, numbers = design.loaded(blocks, [[(20, 23)], []])
    np.testing.assert_array_equal(numbers, [20, 21, 22, 100, 7, 8])
    np.testing.assert_array_equal(rows.X, X[numbers if kept is None else kept[numbers]])


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
def test_an_epoch_of_a_large_file_sees_each_row_once(solver, shuffle, standardize, tmp_path, large):
    """So small a rate that all gradients are those at the start, whatever the order of the rows."""
    X, y = make(n=3003, d=4)
    params = {"solver": solver, "standardize": standardize, "learning_rate": 1e-9, "max_iter": 1, "tol": None}
    params |= {"shuffle": shuffle, "batch_size": 7, "penalty": None}
    whole = estimator(**params).fit(X, y)
    part = estimator(**params).fit(mapped(tmp_path, X), mapped(tmp_path, y, "y"))
    np.testing.assert_allclose(flat(part), flat(whole), rtol=1e-5)
    assert part.n_updates_ == whole.n_updates_


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_large_sorted_files_end_where_arrays_do(kind, early_stopping, tmp_path, large):
    X, y = data_of(kind, n=8000, d=4)
    order = np.argsort(y, kind="stable")
    X, y = X[order].astype(np.float32), y[order]
    params = {"early_stopping": early_stopping, "max_iter": 15}
    whole = small(kind, **params).fit(X, y)
    part = small(kind, **params).fit(mapped(tmp_path, X), y)
    assert part.loss_ < whole.loss_ + 0.02 * abs(whole.loss_)


def test_fits_to_a_large_file_repeat_and_resume(tmp_path, large, monkeypatch):
    X, y = make(n=3001, d=4)
    X = mapped(tmp_path, X)
    params = {"check_every": 20, "max_iter": 6}
    whole = estimator(**params).fit(X, y)
    np.testing.assert_array_equal(flat(estimator(**params).fit(X, y)), flat(whole))
    path = tmp_path / "ckpt"

    def fit():
        return estimator(**params).fit(X, y, checkpoint=skgd.Checkpoint(path, 0))

    assert killed_after(monkeypatch, 5, fit)
    resumed = fit()
    np.testing.assert_array_equal(flat(resumed), flat(whole))
    np.testing.assert_array_equal(resumed.loss_curve_, whole.loss_curve_)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_found(bad, tmp_path, large):
    X, y = make(n=3001, d=4)
    X[1700, 2] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        estimator().fit(mapped(tmp_path, X), y)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_fit_does_not_copy_the_file(tmp_path, large):
    n, d = 200_000, 20
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (n, d))
    X[:] = np.random.default_rng(0).normal(size=(n, d))
    X.flush()
    X, y = np.load(tmp_path / "X.npy", mmap_mode="r"), np.zeros(n, np.float32)
    model = estimator(max_iter=2, tol=None, learning_rate=1e-3)
    model.fit(X[:100], y[:100])

    def resident():
        return int(open("/proc/self/status").read().split("RssAnon:")[1].split()[0])

    before = resident()
    model.fit(X, y)
    assert (resident() - before) * 1024 < X.nbytes / 4


@pytest.mark.parametrize("solver", ["sgd", "minibatch"])
def test_a_fit_needs_few_bytes_a_row(solver, tmp_path, large, monkeypatch):
    """Beside the file, whatever the automatic rate and the warnings look at."""
    n = 400_000
    X, y = (
        mapped(tmp_path, np.zeros((n, 4), np.float32)),
        mapped(tmp_path, np.arange(n, dtype=np.float32), "y"),
    )
    monkeypatch.setattr(_mapped, "_WINDOW", 1 << 16)
    tracemalloc.start()
    try:
        estimator(solver=solver, max_iter=1, tol=None).fit(X, y)
        assert tracemalloc.get_traced_memory()[1] < 6 * n
    finally:
        tracemalloc.stop()
