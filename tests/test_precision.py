"""dtype: perceptrons in another precision than that of X."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skgd import GDMLPClassifier, GDMLPRegressor, GDRegressor
from skgd._coordinates import standard_of
from skgd._design import design_of

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def make(offset=0.0, n=300, dtype=np.float64):
    X = np.random.default_rng(0).standard_normal((n, 5))
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
    return (X + offset).astype(dtype), y


def net(kind=GDMLPRegressor, **given):
    return kind(**{"hidden_layer_sizes": (8,), "max_iter": 10, "tol": None, "random_state": 0, **given})


def kinds(X):
    return [X, sparse.csr_array(np.where(np.abs(X) > 1, X, 0))]


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
def test_float32_gives_the_model_of_float64_to_rounding(solver):
    X, y = make()
    for rows in kinds(X):
        double = net(solver=solver).fit(rows, y)
        single = net(solver=solver, dtype="float32").fit(rows, y)
        assert single._descent["slots"][0].dtype == SINGLE
        np.testing.assert_allclose(single.predict(rows), double.predict(rows), atol=2e-3)
        same = net(solver=solver).fit(rows.astype(np.float32), y.astype(np.float32))
        np.testing.assert_allclose(single.coefs_[0], same.coefs_[0], atol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", [np.float32, np.float64])
def test_the_model_has_the_precision_of_X(given, dtype):
    X, y = make(dtype=given)
    for rows in kinds(X):
        model = net(dtype=dtype).fit(rows, y)
        assert {array.dtype for array in (*model.coefs_, *model.intercepts_)} == {np.dtype(given)}
        assert model.predict(rows).dtype == given
        assert model._descent["theta"].dtype == given


def test_auto_is_the_precision_of_X():
    X, y = make()
    for given in (np.float32, np.float64):
        rows = X.astype(given)
        one, same = net().fit(rows, y), net(dtype=np.dtype(given).name).fit(rows, y)
        np.testing.assert_array_equal(one.coefs_[0], same.coefs_[0])


def test_float64_is_more_exact_than_the_rows():
    X, y = make(dtype=np.float32)
    wide = net(dtype="float64", solver="batch").fit(X, y)
    exact = net(solver="batch").fit(X.astype(np.float64), y)
    np.testing.assert_allclose(wide.coefs_[0], exact.coefs_[0], rtol=1e-5)


@pytest.mark.parametrize("held_out", [False, True])
def test_what_lies_far_from_zero_loses_no_digits(held_out):
    (near, y), (far, _) = make(), make(offset=1e7)
    longer = {"standardize": True, "hidden_layer_sizes": (32,), "max_iter": 60}
    scores = {}
    for name, X in (("near", near), ("far", far)):
        model = net(dtype="float32", early_stopping=held_out, **longer).fit(X, y)
        scores[name] = [model.score(X, y), *([model.best_validation_score_] if held_out else [])]
    np.testing.assert_allclose(scores["far"], scores["near"], atol=5e-3)
    rounded = far.astype(np.float32)  # to units of 1
    assert net(**longer).fit(rounded, y).score(rounded, y) < scores["near"][0] - 0.02


def test_rounding_keeps_rows_weights_and_coordinates():
    X, _ = make(offset=1e6)
    design = design_of(X, np.arange(0, 300, 2, dtype=np.int32))
    design = design.standardized(standard_of(design.moments(), True))
    rounded = design.in_precision(SINGLE)
    assert (rounded.n, rounded.dtype, rounded.given) == (150, SINGLE, DOUBLE)
    ((_, exact),), ((_, found),) = design.dense_blocks(150), rounded.dense_blocks(150)
    np.testing.assert_allclose(found, exact, atol=1e-6)
    ((_, some),) = rounded.take(np.array([3, 5])).dense_blocks(2)
    np.testing.assert_array_equal(some, found[[3, 5]])
    assert design.in_precision(None) is design.in_precision(DOUBLE) is design


@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_a_warm_start_and_a_stream_go_on(offset):
    X, y = make(offset)
    model = net(dtype="float32", warm_start=True, max_iter=5).fit(X, y)
    first = model.loss_
    assert model.fit(X[::-1], y[::-1]).loss_ < first  # other rows: from its parameters alone
    stream, exact = net(dtype="float32"), net()
    for start in (0, 100, 200):
        part = slice(start, start + 100)
        stream.partial_fit(X[part], y[part])
        exact.partial_fit(X[part], y[part])
    np.testing.assert_allclose(stream.predict(X), exact.predict(X), atol=0.01)


def test_a_descent_goes_on_in_another_precision():
    X, y = make()
    model = net(warm_start=True, max_iter=5).fit(X, y)
    losses = [model.loss_]
    for dtype in ("float32", "float64", "auto"):
        losses.append(model.set_params(dtype=dtype).fit(X[::-1], y[::-1]).loss_)
    assert losses == sorted(losses, reverse=True)


def test_weights_offsets_and_validation_sets_are_rounded_too():
    X, y = make()
    weight = np.linspace(1, 2, len(X))
    given = {"sample_weight": weight, "offset": X[:, 0], "X_val": X[:50], "y_val": y[:50]}
    given |= {"sample_weight_val": weight[:50], "offset_val": X[:50, 0]}
    for kind, target in ((GDMLPRegressor, y), (GDMLPClassifier, y > 0)):
        given["y_val"] = target[:50]
        single = net(kind, dtype="float32", early_stopping=True).fit(X, target, **given)
        double = net(kind, early_stopping=True).fit(X, target, **given)
        np.testing.assert_allclose(
            single.history_["validation_loss"], double.history_["validation_loss"], rtol=1e-3
        )


@pytest.mark.parametrize("kind", [net, lambda: GDRegressor(max_iter=5, tol=None, random_state=0)])
def test_a_validation_set_may_have_another_precision(kind):
    (X, y), (rows, _) = make(offset=10.0), make(offset=10.0, dtype=np.float32)
    for train, held_out in ((X, rows), (rows, X)):
        mixed = kind().fit(train, y, X_val=held_out[:50], y_val=y[:50]).history_["validation_loss"]
        same = kind().fit(train, y, X_val=train[:50], y_val=y[:50]).history_["validation_loss"]
        np.testing.assert_allclose(mixed, same, rtol=1e-4)


def test_blocks_are_rounded_as_they_are_read():
    X, y = make()
    blocks = [(X[:150], y[:150]), (X[150:], y[150:])]
    single = net(dtype="float32", solver="batch").fit_blocks(blocks)
    double = net(solver="batch").fit_blocks(blocks)
    assert single._descent["theta"].dtype == SINGLE
    np.testing.assert_allclose(single.predict(X), double.predict(X), atol=1e-3)


def test_a_table_in_float64():
    X, y = make()
    table = pd.DataFrame(X, columns=list("abcde"))
    single, double = (net(encoding="table", dtype=name).fit(table, y) for name in ("auto", "float64"))
    assert (single._descent["slots"][0].dtype, double._descent["slots"][0].dtype) == (SINGLE, DOUBLE)
    np.testing.assert_allclose(single.predict(table), double.predict(table), atol=1e-2)


def test_values_that_float32_cannot_hold_are_an_error():
    X, y = make()
    X[0, 0] = 1e39
    with pytest.raises(ValueError, match=r"too large.*float32"):
        net(dtype="float32", standardize=False).fit(X, y)
    with pytest.raises(ValueError, match="dtype"):
        net(dtype="float16").fit(X, y)


def test_a_model_can_be_cloned_searched_and_pickled():
    X, y = make()
    model = net(dtype="float32", n_members=2).fit(X, y)
    assert clone(model).dtype == "float32"
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    search = GridSearchCV(net(), {"dtype": ["float32", "float64"]}, cv=2).fit(X, y)
    assert np.ptp(search.cv_results_["mean_test_score"]) < 1e-2


@pytest.mark.parametrize("offset", [1e6, 1e8])
@pytest.mark.parametrize("settings", [{}, {"n_members": 2}, {"early_stopping": True}])
def test_a_table_has_the_digits_that_y_needs(offset, settings):
    """Its columns are float32, in which 1e8 and 1e8 + 1 are one number."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 3))
    y = X[:, 0] + np.sin(X[:, 1]) + offset
    model = GDMLPRegressor(random_state=0, **settings).fit(X, y)
    assert model.score(X, y) > 0.99
    model.partial_fit(X[:50], y[:50]) if not settings else None
    assert model.predict(X).dtype == np.float64
    assert model.score(X, y) > 0.98


@pytest.mark.parametrize("kind", [GDRegressor, GDMLPRegressor])
def test_values_of_y_that_float32_hardly_tells_apart_are_told(kind):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 3))
    y = X[:, 0] + np.sin(X[:, 1])
    settings = {"random_state": 0} | ({"encoding": None} if kind is GDMLPRegressor else {})
    with pytest.warns(ConvergenceWarning, match="float32, the precision of the fit"):
        kind(**settings).fit(X.astype(np.float32), y + 1e8)
    for rows, target in ((X, y + 1e8), (X.astype(np.float32), y + 1e3)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kind(**settings).fit(rows, target)


def test_targets_of_a_table_that_cannot_be_are_named():
    X = np.random.default_rng(0).standard_normal((200, 3))
    y = X[:, 0]
    words = GDMLPRegressor(max_iter=2, random_state=0).fit(X, y.astype(str))
    numbers = GDMLPRegressor(max_iter=2, random_state=0).fit(X, y)
    np.testing.assert_array_equal(words.predict(X), numbers.predict(X))
    wrong = {
        "y is a sparse matrix": sparse.csr_array(y[:, None]),
        "could not convert string to float": np.full(200, "a"),
        "requires y to be passed": None,
        "Input y contains NaN": np.full(200, np.nan),
    }
    for message, target in wrong.items():
        with pytest.raises(ValueError, match=message):
            GDMLPRegressor(max_iter=2).fit(X, target)


@pytest.mark.parametrize("kind", [GDRegressor, GDMLPRegressor])
def test_values_of_y_that_float32_makes_one_number_are_told(kind):
    X = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
    few = {
        "random_state": 0,
        **({"encoding": None, "max_iter": 3, "tol": None} if kind is not GDRegressor else {}),
    }
    far, near = 1e9 + X[:, 0].astype(float), X[:, 0].astype(float)
    for y in (far, np.column_stack([near, far])):
        assert len(np.unique(far.astype(np.float32))) == 1
        with pytest.warns(ConvergenceWarning, match="makes one number of the values of y"):
            kind(**few).fit(X, y)
    five = np.full(200, 5.0)
    for y in (five, np.column_stack([near, five])):  # of which nothing is lost
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kind(**few).fit(X, y)


def test_a_table_in_float32_tells_y_that_it_makes_one_number():
    X = np.random.default_rng(0).standard_normal((200, 3))
    with pytest.warns(ConvergenceWarning, match="makes one number of the values of y"):
        GDMLPRegressor(dtype="float32", max_iter=2, random_state=0).fit(X, 1e9 + X[:, 0])


@pytest.mark.parametrize("settings", [{}, {"n_members": 2}, {"dtype": "float32"}])
def test_predictions_of_a_table_have_the_precision_of_X(settings):
    """Its encoded rows are float32, but probabilities of float64 add up to one in float64."""
    X = np.random.default_rng(0).standard_normal((200, 3))
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    for rows in (X, pd.DataFrame(X, columns=list("abc")), np.rint(4 * X).astype(int), X.tolist()):
        classifier = GDMLPClassifier(max_iter=3, random_state=0, **settings).fit(rows, y)
        shares = classifier.predict_proba(rows)
        assert {each.dtype for each in (shares, classifier.decision_function(rows))} == {DOUBLE}
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-15)
        regressor = GDMLPRegressor(max_iter=3, random_state=0, **settings).fit(rows, X[:, 0])
        assert {each(rows).dtype for each in (regressor.predict, regressor.predict_std)} == {DOUBLE}
    single = X.astype(np.float32)
    for rows in (single, pd.DataFrame(single, columns=list("abc"))):
        model = GDMLPRegressor(max_iter=3, random_state=0, **settings).fit(rows, X[:, 0])
        assert model.predict(rows).dtype == SINGLE


def test_float64_that_was_asked_for_is_that_of_a_table_too():
    X = np.random.default_rng(0).standard_normal((300, 3))
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "high", "low")})
    y = X[:, 0] + (X[:, 1] > 0)
    held_out = {"X_val": frame[200:], "y_val": y[200:]}
    double, single = (
        GDMLPRegressor(dtype=dtype, max_iter=5, early_stopping=True, random_state=0).fit(frame, y, **held_out)
        for dtype in ("float64", "auto")
    )
    assert double.coefs_[0].dtype == double._descent["slots"][0].dtype == DOUBLE
    assert single.coefs_[0].dtype == SINGLE
    np.testing.assert_allclose(double.predict(frame), single.predict(frame), atol=1e-3)
    assert np.abs(double.predict(frame) - single.predict(frame)).max() > 0
    stream = GDMLPRegressor(dtype="float64", random_state=0)
    for part in (slice(0, 200), slice(200, 300)):
        stream.partial_fit(frame[part], y[part])
    assert stream.coefs_[0].dtype == DOUBLE


@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize(
    "model", [GDRegressor(), GDMLPRegressor(hidden_layer_sizes=4)], ids=["linear", "perceptron"]
)
def test_streams_whose_y_rounds_to_one_number_say_so(model, calls):
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    y = 1e9 + X[:, 0].astype(float)
    stream = clone(model)
    for _ in range(calls):
        with pytest.warns(ConvergenceWarning, match="makes one number of the values of y"):
            stream.partial_fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        clone(model).partial_fit(X, y - 1e9)
        clone(model).partial_fit(X, np.full(40, 1e9))
        clone(model).partial_fit(X.astype(float), y)
