"""Encoders of the columns of a table."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.utils.estimator_checks import check_estimator

from skgd import GDRegressor
from skgd.preprocessing import PeriodicEncoder, PiecewiseLinearEncoder, SmoothClipScaler, TableEncoder

polars = pytest.importorskip("polars")


def frame(n=400, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "size": rng.exponential(size=n) * 1e4,
            "count": rng.integers(0, 50, n),
            "kind": pd.Categorical(rng.choice(["a", "b", "c"], n)),
            "flag": rng.random(n) < 0.3,
            "town": rng.choice(["here", "there"], n),
        }
    )
    table.loc[::7, "size"] = np.nan
    table.loc[::11, "town"] = None
    return table


@pytest.mark.parametrize(
    "encoder",
    [
        SmoothClipScaler(),
        PiecewiseLinearEncoder(),
        PiecewiseLinearEncoder(4, sparse_output=True),
        PeriodicEncoder(random_state=0),
    ],
)
def test_encoders_of_numbers_keep_the_conventions(encoder):
    check_estimator(encoder)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_smooth_clip_is_its_formula_and_its_inverse_undoes_it(dtype):
    X = np.random.default_rng(0).standard_cauchy((300, 3)).astype(dtype)
    scaler = SmoothClipScaler(limit=2.5).fit(X)
    low, middle, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0)
    z = (X - middle) / (high - low)
    out = scaler.transform(X)
    assert out.dtype == dtype and np.abs(out).max() <= 2.5
    np.testing.assert_allclose(out, z / np.sqrt(1 + (z / 2.5) ** 2), rtol=2e-5)
    near = np.abs(z) < 5
    np.testing.assert_allclose(scaler.inverse_transform(out)[near], X[near], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_waves_have_random_frequencies_of_the_scaled_features(dtype):
    X = np.random.default_rng(0).standard_normal((300, 3)).astype(dtype) * [1, 50, 1e-3] + 7
    X = X.astype(dtype)
    encoder = PeriodicEncoder(5, scale=0.3, random_state=1).fit(X)
    out, (low, middle, high) = encoder.transform(X), np.quantile(X, [0.25, 0.5, 0.75], axis=0)
    assert out.dtype == dtype and out.shape == (300, 30)
    angle = 2 * np.pi * ((X - middle) / (high - low))[:, 1:2] * encoder.frequencies_[1]
    np.testing.assert_allclose(out[:, 10:20], np.hstack([np.sin(angle), np.cos(angle)]), atol=2e-5)
    np.testing.assert_allclose(out[:, 0:5] ** 2 + out[:, 5:10] ** 2, 1, rtol=1e-5)
    assert encoder.get_feature_names_out()[[0, 4, 5, 10, 29]].tolist() == [
        "x0_sin0",
        "x0_sin4",
        "x0_cos0",
        "x1_sin0",
        "x2_cos4",
    ]


def test_frequencies_are_drawn_from_the_seed():
    X = np.random.default_rng(0).standard_normal((50, 40))
    encoder = PeriodicEncoder(100, scale=0.2, random_state=3).fit(X)
    assert encoder.frequencies_.std() == pytest.approx(0.2, rel=0.05)
    assert encoder.frequencies_.mean() == pytest.approx(0, abs=0.01)
    same = PeriodicEncoder(100, scale=0.2, random_state=3).fit(X)
    np.testing.assert_array_equal(encoder.transform(X), same.transform(X))
    X[3, 2] = np.nan
    assert not encoder.transform(X)[3, 400:600].any()


def test_equal_quartiles_and_constants_have_a_scale():
    X = np.array([[0.0, 5.0]] * 9 + [[4.0, 5.0]])
    scaler = SmoothClipScaler().fit(X)
    np.testing.assert_array_equal(scaler.scale_, [2.0, 1.0])  # half the range; a constant
    np.testing.assert_array_equal(scaler.transform(X)[:, 1], 0)


def test_nan_stay_nan_in_the_scaler_and_are_no_bin_in_the_encoder():
    X = np.array([[1.0], [np.nan], [2.0], [3.0], [5.0]])
    assert np.isnan(SmoothClipScaler().fit_transform(X)[1, 0])
    np.testing.assert_array_equal(PiecewiseLinearEncoder(2).fit_transform(X)[1], 0)
    only = np.full((4, 1), np.nan)
    assert not SmoothClipScaler().fit(only).transform(np.ones((1, 1))).any() or True
    np.testing.assert_array_equal(PiecewiseLinearEncoder(2).fit_transform(only), 0)


@pytest.mark.parametrize("n_bins", [1, 3, 16])
def test_bins_sum_up_to_interpolation_between_their_ends(n_bins):
    """With weights f(b_t) - f(b_{t-1}) the encoding is the piecewise linear interpolation of f."""
    rng = np.random.default_rng(1)
    X = rng.exponential(size=(500, 2))
    encoder = PiecewiseLinearEncoder(n_bins).fit(X)
    Z = encoder.transform(X)
    assert Z.shape == (500, 2 * n_bins) and Z.min() == 0 and Z.max() == 1
    begin = 0
    for j, edges in enumerate(encoder.edges_):
        values = np.sin(3 * edges)
        part = Z[:, begin : begin + len(edges) - 1]
        begin += len(edges) - 1
        found = values[0] + part @ np.diff(values)
        np.testing.assert_allclose(found, np.interp(X[:, j], edges, values), atol=1e-12)


def test_sparse_output_is_the_same_in_pieces():
    X = np.random.default_rng(2).standard_normal((9000, 2)).astype(np.float32)
    encoder = PiecewiseLinearEncoder(8, sparse_output=True).fit(X)
    Z = encoder.transform(X)
    assert sparse.issparse(Z) and Z.format == "csr" and Z.dtype == np.float32
    np.testing.assert_array_equal(Z.toarray(), encoder.set_params(sparse_output=False).transform(X))


def test_equal_quantiles_make_fewer_bins():
    X = np.column_stack([np.repeat([0.0, 1.0], 50), np.full(100, 3.0)])
    encoder = PiecewiseLinearEncoder(16).fit(X)
    assert [len(edges) for edges in encoder.edges_] == [2, 2]
    np.testing.assert_array_equal(encoder.transform(X)[:, 0], X[:, 0])
    np.testing.assert_array_equal(encoder.transform(X)[:, 1], 0)
    assert encoder.get_feature_names_out().tolist() == ["x0_bin0", "x1_bin0"]


def test_a_table_is_clipped_numbers_bins_missing_and_categories():
    table = frame()
    encoder = TableEncoder(n_bins=4, scale=1).fit(table)
    Z = encoder.transform(table)
    assert sparse.issparse(Z) and Z.format == "csr" and Z.dtype == np.float32
    names = encoder.get_feature_names_out().tolist()
    assert names == [
        "size",
        "count",
        "flag",
        "size_missing",
        *(f"size_bin{t}" for t in range(4)),
        *(f"count_bin{t}" for t in range(4)),
        *(f"kind_{k}" for k in "abc"),
        *("town_here", "town_there", "town_None"),
    ]
    Z, numbers = pd.DataFrame(Z.toarray(), columns=names), table[["size"]].to_numpy()
    missing = np.isnan(numbers[:, 0])
    np.testing.assert_array_equal(Z["size_missing"], missing)
    np.testing.assert_array_equal(Z.loc[missing, ["size", "size_bin0", "size_bin3"]], 0)
    clipped = SmoothClipScaler().fit_transform(numbers)[~missing, 0]
    np.testing.assert_allclose(Z["size"][~missing], clipped, rtol=1e-6)
    bins = PiecewiseLinearEncoder(4).fit_transform(numbers)[~missing]
    np.testing.assert_allclose(Z.loc[~missing, names[4:8]], bins, atol=1e-6)
    np.testing.assert_array_equal(Z["kind_b"], table["kind"] == "b")
    np.testing.assert_array_equal(Z["town_None"], table["town"].isna())


def test_rare_and_unknown_categories_share_a_column():
    table = pd.DataFrame({"kind": ["a"] * 20 + ["b"] * 20 + ["c", "d"], "x": np.arange(42.0)})
    encoder = TableEncoder(n_bins=0, scale=1, min_frequency=5).fit(table)
    assert encoder.get_feature_names_out().tolist() == ["x", "kind_a", "kind_b", "kind_infrequent_sklearn"]
    new = pd.DataFrame({"kind": ["a", "c", "e", None], "x": [0.0, 1.0, 2.0, np.nan]})
    Z = encoder.transform(new).toarray()
    np.testing.assert_array_equal(Z[:, 1:], [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    assert Z[3, 0] == 0  # a number that was never missing: its median


def test_a_number_that_was_never_missing_is_its_median_where_it_is():
    X = np.arange(9.0).reshape(-1, 1)
    encoder = TableEncoder(n_bins=4).fit(X)
    missing, median = encoder.transform(np.array([[np.nan], [4.0]])).toarray()
    np.testing.assert_array_equal(missing, median)


@pytest.mark.parametrize("categorical", [["kind", "town"], [2, 4], [False, False, True, False, True]])
def test_columns_can_be_named_as_categories(categorical):
    table = frame()
    named, by_dtype = TableEncoder(categorical_features=categorical), TableEncoder()
    found, wanted = (each.fit_transform(table).toarray() for each in (named, by_dtype))
    np.testing.assert_array_equal(found, wanted)


def test_numbers_can_be_categories():
    X = np.random.default_rng(0).integers(0, 3, (60, 2)).astype(float)
    encoder = TableEncoder(categorical_features=[1], min_frequency=1).fit(X)
    assert encoder.get_feature_names_out().tolist()[-3:] == ["x1_0.0", "x1_1.0", "x1_2.0"]


def test_polars_gives_what_pandas_gives():
    table = frame().astype({"kind": str})
    columns = {name: [None if pd.isna(v) else v for v in table[name].tolist()] for name in table}
    frames = table, polars.DataFrame(columns)
    found = [TableEncoder().fit_transform(each).toarray() for each in frames]
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_all_columns_but_bins_are_scaled():
    table = pd.DataFrame({"x": [0.0, 1.0, 2.0, np.nan] * 10, "kind": list("abab") * 10})
    one, three = (TableEncoder(n_bins=2, scale=scale).fit(table) for scale in (1, 3))
    factor = np.array([1 if "_bin" in name else 3 for name in one.get_feature_names_out()])
    assert 1 in factor
    np.testing.assert_allclose(three.transform(table).toarray(), factor * one.transform(table).toarray())


def test_pandas_own_missing_values_are_missing():
    numbers = pd.DataFrame({"x": pd.array([1, None, 3, 4, 5], dtype="Int64")})
    Z = TableEncoder(n_bins=0, scale=1).fit_transform(numbers).toarray()
    np.testing.assert_array_equal(Z[:, 1], [0, 1, 0, 0, 0])


def test_other_tables_are_clear_errors():
    table = frame()
    encoder = TableEncoder().fit(table)
    with pytest.raises(ValueError, match="now missing:\n- size"):
        encoder.transform(table.drop(columns="size"))
    with pytest.raises(ValueError, match="same order"):
        encoder.transform(table[table.columns[::-1]])
    with pytest.raises(ValueError, match="X has 3 features, but TableEncoder is expecting 2"):
        TableEncoder().fit(np.ones((5, 2))).transform(np.ones((5, 3)))
    with pytest.raises(ValueError, match="infinity"):
        TableEncoder().fit(np.array([[1.0], [np.inf]]))
    with pytest.raises(ValueError, match="Column 'x0' of X holds what is no number"):
        TableEncoder().fit(np.array([["a"], ["b"]], dtype=object))
    with pytest.raises(ValueError, match="names columns that X does not have"):
        TableEncoder(categorical_features=["colour"]).fit(table)
    with pytest.raises(ValueError, match='must be "from_dtype"'):
        TableEncoder(categorical_features="auto").fit(table)
    with pytest.raises(ValueError, match="mask of shape"):
        TableEncoder(categorical_features=[True]).fit(table)
    with pytest.raises(ValueError, match=r"'day' of X holds datetime64.*year, month"):
        TableEncoder().fit(table.assign(day=pd.Timestamp("2026-01-01")))
    with pytest.raises(TypeError, match="dense"):
        TableEncoder().fit(sparse.eye(4, format="csr"))
    with pytest.raises(ValueError, match="one of each"):
        TableEncoder().fit(table[:0])


def test_a_linear_model_of_a_table_follows_curves():
    rng = np.random.default_rng(3)
    X = rng.uniform(-3, 3, (2000, 1))
    y = np.sin(2 * X[:, 0])
    plain = GDRegressor(solver="batch").fit(X, y).score(X, y)
    Z = TableEncoder(n_bins=24).fit_transform(X).astype(float)
    bent = GDRegressor(solver="batch", alpha=0, tol=1e-7, max_iter=5000).fit(Z, y).score(Z, y)
    assert plain < 0.2 and bent > 0.97


def test_a_column_of_categories_that_were_not_there_in_fit_is_told():
    """Codes in place of names, say; single rows and single new categories are news, not mistakes."""
    names = np.resize(["north", "south"], 40)
    frame = pd.DataFrame({"size": np.arange(40.0), "district": names})
    encoder = TableEncoder(n_bins=2).fit(frame)
    for wrong in (
        frame.assign(district=np.arange(40) % 2),
        frame.assign(district=names.astype(object) + " "),
    ):
        with pytest.warns(
            UserWarning, match="No value of column 'district' of X was there in fit: it had 'north'"
        ):
            encoded = encoder.transform(wrong)
        assert not encoded[:, -2:].toarray().any()
    one = names.astype(object)
    one[:39] = "west"
    for new in (frame, frame.assign(district="west").head(9), frame.assign(district=one)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encoder.transform(new)
