"""skgd.io: blocks of files."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import io

pandas = pytest.importorskip("pandas")


def frame_of(n=1000, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4)).astype(dtype)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    frame["y"] = (X @ [1, -2, 3, 0.5] + rng.normal(size=n)).astype(dtype)
    frame["w"] = rng.uniform(0.5, 2, n)
    return frame


def parquet(frame, path, **options):
    pyarrow = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pyarrow.Table.from_pandas(frame, preserve_index=False), path, **options)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_parquet_gives_the_model_of_the_table(tmp_path, dtype):
    frame = frame_of(dtype=dtype)
    parquet(frame[:600], tmp_path / "1.parquet", row_group_size=100)
    parquet(frame[600:], tmp_path / "2.parquet", row_group_size=250)
    blocks = io.parquet_blocks(tmp_path, target="y", weight="w", rows=150)
    assert [len(y) for _, y, _ in blocks] == [200, 200, 200, 250, 150]
    X, y = frame[list("abcd")], frame["y"]
    np.testing.assert_array_equal(np.vstack([block for block, _, _ in blocks]), X)
    assert blocks[0][0].dtypes.eq(dtype).all()
    model = skgd.GDRegressor("huber", solver="batch", learning_rate=0.5, max_iter=50, tol=None)
    expected = clone(model).fit(X, y, frame["w"])
    fitted = model.fit_blocks(blocks)
    np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-9 if dtype is np.float64 else 1e-5)
    np.testing.assert_array_equal(fitted.feature_names_in_, list("abcd"))
    assert fitted.coef_.dtype == dtype


def test_numbers_of_parquet_are_not_copied_on_the_way(tmp_path):
    parquet(frame_of(), tmp_path / "rows.parquet")
    X, _ = io.parquet_blocks(tmp_path / "rows.parquet", target="y", columns=["a", "c"])[0]
    array = np.asarray(X)
    assert array.flags.c_contiguous
    assert np.shares_memory(array, np.asarray(X))


def test_columns_and_transformers(tmp_path):
    frame = frame_of()
    frame["kind"] = np.where(frame["a"] > 0, "plus", "minus")
    parquet(frame, tmp_path / "rows.parquet", row_group_size=200)
    path = tmp_path / "rows.parquet"
    blocks = io.parquet_blocks(path, target="y", columns=["a", "kind"], rows=1)
    encoder = skgd.preprocessing.TableEncoder().fit(blocks[0][0])
    encoded = io.parquet_blocks(path, target="y", columns=["a", "kind"], transformer=encoder, rows=1)
    model = skgd.GDRegressor(solver="batch").fit_blocks(encoded)
    expected = skgd.GDRegressor(solver="batch").fit(encoder.transform(frame[["a", "kind"]]), frame["y"])
    assert abs(model.loss_ - expected.loss_) < 1e-3 * expected.loss_
    with pytest.raises(ValueError, match=r"Block 0: The columns \['kind'\] of X hold text"):
        skgd.GDRegressor().fit_blocks(blocks)


def test_several_targets(tmp_path):
    frame = frame_of()
    parquet(frame, tmp_path / "rows.parquet", row_group_size=300)
    blocks = io.parquet_blocks(tmp_path / "rows.parquet", target=["y", "d"], rows=1)
    model = skgd.GDRegressor(solver="batch").fit_blocks(blocks)
    assert model.coef_.shape == (2, 4)  # a, b, c and w


def test_parquet_that_is_not_there(tmp_path):
    parquet(frame_of(), tmp_path / "rows.parquet")
    with pytest.raises(FileNotFoundError, match="no file"):
        io.parquet_blocks(tmp_path / "other.parquet", target="y")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no .parquet files"):
        io.parquet_blocks(tmp_path / "empty", target="y")
    with pytest.raises(ValueError, match=r"no columns \['z'\]; the file has"):
        io.parquet_blocks(tmp_path / "rows.parquet", target="z")
    with pytest.raises(ValueError, match=r"no columns \['z'\]"):
        io.parquet_blocks(tmp_path / "rows.parquet", target="y", columns=["a", "z"])


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    (tmp_path / "rows.csv").write_text("a,y\n1,2\n")
    monkeypatch.setattr(io, "import_module", missing)
    with pytest.raises(ImportError, match=r"pandas is needed .* pip install skgd\[io\]"):
        io.csv_blocks(tmp_path / "rows.csv", target="y")


def test_npy_blocks(tmp_path):
    frame = frame_of(dtype=np.float32)
    X, y = frame[list("abcd")].to_numpy(), frame["y"].to_numpy()
    for number, part in enumerate((slice(0, 450), slice(450, 1000))):
        np.save(tmp_path / f"X{number}.npy", np.ascontiguousarray(X[part]))
        np.save(tmp_path / f"y{number}.npy", y[part])
        np.save(tmp_path / f"w{number}.npy", frame["w"].to_numpy()[part])
    files = [sorted(tmp_path.glob(f"{name}*.npy")) for name in "Xyw"]
    blocks = io.npy_blocks(*files[:2], weight=files[2], rows=200)
    assert [len(each[1]) for each in blocks] == [200, 200, 50, 200, 200, 150]
    assert not isinstance(blocks[0][0], np.memmap)
    assert len(blocks[1:3]) == 2
    model = skgd.GDRegressor("huber", solver="batch", learning_rate=0.5, max_iter=40, tol=None)
    expected = clone(model).fit(X, y, frame["w"]).coef_
    np.testing.assert_allclose(model.fit_blocks(blocks).coef_, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="different numbers of rows"):
        len(io.npy_blocks(files[0][0], files[1][1]))
    with pytest.raises(ValueError, match="different numbers of files"):
        io.npy_blocks(files[0], files[1][0])


def test_npy_blocks_with_a_transformer(tmp_path):
    frame = frame_of()
    X, y = frame[list("abcd")].to_numpy(), frame["y"].to_numpy()
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    scaler = StandardScaler().fit(X)
    blocks = io.npy_blocks(tmp_path / "X.npy", tmp_path / "y.npy", transformer=scaler, rows=300)
    np.testing.assert_allclose(np.vstack([part for part, _ in blocks]), scaler.transform(X))


def test_csv_blocks(tmp_path):
    frame = frame_of()
    frame.to_csv(tmp_path / "rows.csv", index=False)
    blocks = io.csv_blocks(
        tmp_path / "rows.csv", target="y", columns=list("abcd"), rows=300, dtype=np.float32
    )
    assert [len(y) for _, y in blocks] == [300, 300, 300, 100]
    assert len(list(blocks())) == 4
    model = skgd.GDRegressor(solver="batch", learning_rate=0.5, max_iter=40, tol=None).fit_blocks(blocks)
    expected = clone(model).fit(frame[list("abcd")].astype(np.float32), frame["y"].astype(np.float32))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-5)
    assert model.coef_.dtype == np.float32
