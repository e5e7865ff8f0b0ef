"""Perceptrons on data frames: columns of all kinds, and scikit-learn's tools around them."""

import pickle
from datetime import date
from decimal import Decimal
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skgd import GDMLPClassifier, GDMLPRegressor
from skgd.preprocessing import TableEncoder

polars = pytest.importorskip("polars")

N = 240
RANDOM = np.random.default_rng(0)
NUMBER = RANDOM.normal(size=N)
COUNT = RANDOM.integers(0, 9, N)
FLAG = RANDOM.random(N) < 0.5
WORD = RANDOM.choice(["a", "b", "c"], N)
HOLE = np.arange(N) % 8 == 0
Y = np.where(NUMBER + (WORD == "a") + FLAG + COUNT / 9 > 1.3, "yes", "no")


def with_holes(values, missing=None):
    return [missing if hole else value for value, hole in zip(values.tolist(), HOLE, strict=True)]


def objects(values):
    return pd.Series(values, dtype=object)


def classifier(**parameters):
    return GDMLPClassifier(**{"max_iter": 3, "random_state": 0, **parameters})


@cache
def fitted():
    return classifier().fit(table(), Y)


def table(**changes):
    columns = {
        "number": np.where(HOLE, np.nan, NUMBER),
        "word": WORD,
        "count": pd.array(COUNT, dtype="Int64"),
    }
    return pd.DataFrame(columns | {"level": pd.Categorical(COUNT % 3), "flag": FLAG} | changes)


NUMBERS = {
    "float32": (NUMBER.astype("float32"), NUMBER.astype("float32")),
    "int8": (COUNT.astype("int8"), COUNT),
    "Int64": (pd.array(with_holes(COUNT), dtype="Int64"), np.where(HOLE, np.nan, COUNT)),
    "Float64": (pd.array(with_holes(NUMBER), dtype="Float64"), np.where(HOLE, np.nan, NUMBER)),
    "boolean": (pd.array(with_holes(FLAG), dtype="boolean"), np.where(HOLE, np.nan, FLAG)),
    "objects": (objects(with_holes(NUMBER)), np.where(HOLE, np.nan, NUMBER)),
    "objects, NA": (objects(with_holes(COUNT, pd.NA)), np.where(HOLE, np.nan, COUNT)),
    "objects, bool": (objects(with_holes(FLAG)), np.where(HOLE, np.nan, FLAG)),
    "decimals": (objects([Decimal(int(k)) / 2 for k in COUNT]), COUNT / 2),
    "sparse": (pd.arrays.SparseArray(np.where(FLAG, NUMBER, 0.0)), np.where(FLAG, NUMBER, 0.0)),
}
CATEGORIES = {
    "objects": objects(with_holes(WORD)),
    "objects, NaN": objects(with_holes(WORD, np.nan)),
    "objects, NA": objects(with_holes(WORD, pd.NA)),
    "str": pd.Series(with_holes(WORD), dtype="str"),
    "string": pd.Series(with_holes(WORD), dtype="string"),
    "category": pd.Categorical(with_holes(WORD)),
    "ordered": pd.Categorical(with_holes(WORD), categories=["c", "b", "a"], ordered=True),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_any_dtype_are_numbers(kind):
    given, plain = NUMBERS[kind]
    found, wanted = (TableEncoder().fit(pd.DataFrame({"x": x})) for x in (given, plain))
    assert found.categories_ == []
    assert found.get_feature_names_out().tolist() == wanted.get_feature_names_out().tolist()
    Z = (each.transform(pd.DataFrame({"x": x})) for each, x in ((found, given), (wanted, plain)))
    np.testing.assert_array_equal(*(each.toarray() for each in Z))


@pytest.mark.parametrize("kind", CATEGORIES)
def test_words_of_any_dtype_are_categories(kind):
    assert_categories(pd.DataFrame({"x": CATEGORIES[kind]}))


@pytest.mark.parametrize("dtype", ["string[pyarrow]", "arrow"])
def test_words_of_arrow_are_categories(dtype):
    pyarrow = pytest.importorskip("pyarrow")
    dtype = pd.ArrowDtype(pyarrow.string()) if dtype == "arrow" else dtype
    assert_categories(pd.DataFrame({"x": pd.Series(with_holes(WORD), dtype=dtype)}))


def test_numbers_of_arrow_are_numbers():
    pytest.importorskip("pyarrow")
    X = pd.DataFrame({"x": pd.Series(with_holes(COUNT), dtype="int64[pyarrow]")})
    wanted = TableEncoder().fit_transform(pd.DataFrame({"x": np.where(HOLE, np.nan, COUNT)}))
    np.testing.assert_array_equal(TableEncoder().fit_transform(X).toarray(), wanted.toarray())


@pytest.mark.parametrize("dtype", [polars.String, polars.Categorical, polars.Enum(["c", "a", "b"])])
def test_words_of_polars_are_categories(dtype):
    assert_categories(polars.DataFrame({"x": polars.Series(with_holes(WORD), dtype=dtype)}))


def assert_categories(X):
    encoder = TableEncoder(scale=1).fit(X)
    assert encoder.get_feature_names_out().tolist() == ["x_a", "x_b", "x_c", "x_None"]
    wanted = np.column_stack([*((word == WORD) & ~HOLE for word in "abc"), HOLE])
    np.testing.assert_array_equal(encoder.transform(X).toarray(), wanted)


def test_categories_of_several_types_are_told_apart_as_text_row_by_row():
    mixed = objects([word if flag else int(k) for word, flag, k in zip(WORD, FLAG, COUNT % 2, strict=True)])
    X = pd.DataFrame({"x": mixed})
    encoder = TableEncoder(scale=1).fit(X)
    assert encoder.get_feature_names_out().tolist() == ["x_0", "x_1", "x_a", "x_b", "x_c"]
    alone = [encoder.transform(X.iloc[i : i + 1]).toarray() for i in range(30)]
    np.testing.assert_array_equal(np.vstack(alone), encoder.transform(X).toarray()[:30])
    numbered = TableEncoder(scale=1, categorical_features=["x"]).fit(pd.DataFrame({"x": COUNT % 2}))
    new = pd.DataFrame({"x": objects([1, 0.0, "one", None])})
    np.testing.assert_array_equal(numbered.transform(new).toarray(), [[0, 1], [1, 0], [0, 0], [0, 0]])


@pytest.mark.parametrize("value", [date(2026, 1, 2), pd.Timestamp("2026-01-02"), pd.Timedelta("1D"), [1], 1j])
def test_objects_that_are_neither_are_named(value):
    X = pd.DataFrame({"x": NUMBER, "other": objects([None] + [value] * (N - 1))})
    with pytest.raises(ValueError, match="Column 'other' of X holds"):
        classifier().fit(X, Y)


@pytest.mark.parametrize(
    ("change", "as_before"),
    [
        ({"level": COUNT % 3}, True),
        ({"level": (COUNT % 3).astype(float)}, True),
        ({"word": pd.Categorical(WORD)}, True),
        ({"word": pd.Series(WORD, dtype="string")}, True),
        ({"count": COUNT.astype(float), "flag": FLAG.astype(int)}, True),
        ({"word": "new"}, False),
        ({"word": None}, False),
    ],
)
def test_what_is_predicted_depends_on_values_not_on_dtypes(change, as_before):
    model, X = fitted(), table(**change)
    before = np.abs(model.predict_proba(X) - model.predict_proba(table())).max()
    assert (before == 0) == as_before
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-6)
    one = np.vstack([model.predict_proba(X.iloc[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(one, model.predict_proba(X)[:5], rtol=1e-5)


def test_polars_frames_fit_and_predict_as_those_of_pandas():
    X = table(level=COUNT % 3)
    Z = polars.DataFrame({name: [None if pd.isna(v) else v for v in X[name].tolist()] for name in X})
    of_pandas, of_polars = classifier().fit(X, Y), classifier().fit(Z, Y)
    np.testing.assert_array_equal(of_pandas.predict_proba(X), of_polars.predict_proba(Z))
    np.testing.assert_array_equal(of_pandas.predict_proba(Z), of_pandas.predict_proba(X))
    np.testing.assert_array_equal(*(cross_val_score(classifier(), each, Y, cv=2) for each in (X, Z)))
    with pytest.raises(TypeError, match=r"LazyFrame: give X.collect\(\)"):
        classifier().fit(Z.lazy(), Y)


def test_other_columns_at_prediction_are_scikit_learns_errors():
    model, X = fitted(), table()
    with pytest.raises(ValueError, match="in the same order as they were in fit"):
        model.predict(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="unseen at fit time:\n- more"):
        model.predict(X.assign(more=1))
    with pytest.raises(ValueError, match="now missing:\n- flag"):
        model.predict(X.drop(columns="flag"))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        found = model.predict_proba(X.to_numpy(dtype=object))
    np.testing.assert_array_equal(found, model.predict_proba(X))
    with pytest.raises(ValueError, match="in the same order"):
        clone(model).partial_fit(X, Y, classes=["no", "yes"]).partial_fit(X[X.columns[::-1]], Y)


def test_scikit_learns_tools_take_frames():
    X, model = table(), fitted()
    for copy in (pickle.loads(pickle.dumps(model)), clone(model).fit(X, Y)):
        np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    piped = make_pipeline(FunctionTransformer(), clone(model)).fit(X, Y)
    np.testing.assert_array_equal(piped.predict_proba(X), model.predict_proba(X))
    folds = KFold(2)
    by_hand = [classifier().fit(X.iloc[a], Y[a]).score(X.iloc[b], Y[b]) for a, b in folds.split(X)]
    np.testing.assert_array_equal(cross_val_score(classifier(), X, Y, cv=folds), by_hand)
    grid = {"max_iter": [3], "categorical_features": ["from_dtype", ["word", "level", "count"]]}
    search = GridSearchCV(classifier(), grid, cv=folds).fit(X, Y)
    assert search.cv_results_["mean_test_score"][0] == np.mean(by_hand)
    assert len(search.cv_results_["mean_test_score"]) == 2


@pytest.mark.parametrize("members", [{}, {"n_members": 2, "share_weights": False}])
@pytest.mark.parametrize("named", [[0, 2], [True, False, True], ["x", "z"]])
def test_categorical_features_are_those_of_the_encoder(named, members):
    X = pd.DataFrame({"x": COUNT, "y": NUMBER, "z": COUNT % 2})
    X = X if isinstance(named[0], str) else X.to_numpy()
    target = (COUNT % 2) * NUMBER
    shared = {"max_iter": 3, "random_state": 0, **members}
    named_here = GDMLPRegressor(categorical_features=named, **shared).fit(X, target)
    assert [len(each) for each in named_here.encoder_.categories_] == [9, 2]
    told = GDMLPRegressor(encoding=TableEncoder(categorical_features=named, n_bins=16), **shared).fit(
        X, target
    )
    if named_here.encoder_.n_bins:
        np.testing.assert_array_equal(named_here.predict(X), told.predict(X))
    else:
        assert named_here.encoder_.transform(X).shape[1] == 12


def test_categorical_features_need_a_table():
    X = np.column_stack([COUNT, NUMBER])
    for encoding in (None, TableEncoder()):
        with pytest.raises(ValueError, match="is for encoding='auto' and 'table'"):
            classifier(encoding=encoding, categorical_features=[0]).fit(X, Y)
    with pytest.raises(ValueError, match="categorical_features"):
        classifier(categorical_features="all").fit(X, Y)
    with pytest.raises(ValueError, match="Column 'word' of X holds what is no number"):
        classifier(categorical_features=None).fit(table(), Y)
