"""Rows held out: their loss, what stops by it, weights, and the time a training may take."""

import pickle
import time

import numpy as np
import pytest
from _data import KINDS, SOLVERS, data_of, estimator, flat, make, small, unpack
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.metrics import log_loss

import skgd
from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor, GDRegressorCV
from skgd.learning_rate import find_learning_rate
from skgd.losses import LOSSES, Loss, Quantile


def objective_on(model, X, y, weight=None):
    """Weighted mean loss of a fitted model on some rows, by the public loss."""
    raw = model._raw_scores(X)
    values, _ = model._fitted_loss.value_and_slope(y, raw)
    return np.average(values.astype(float), weights=weight)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_the_loss_on_held_out_rows_is_that_at_each_check(loss, outputs, solver):
    X, y = make(loss, n=90, outputs=outputs)
    weight = np.random.default_rng(0).random(30)
    model = estimator(loss, solver=solver, max_iter=3, tol=None, average=False, learning_rate=0.01)
    model.set_params(record_path=True)
    model.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:], sample_weight_val=weight)
    columns = len(model.intercept_)
    for point, recorded in zip(model.path_[1:], model.history_["validation_loss"], strict=True):
        raw = np.column_stack([X[60:], np.ones(30)]) @ unpack(point, columns)
        values, _ = LOSSES[loss]().value_and_slope(y[60:].astype(float), raw)
        assert recorded == pytest.approx(np.average(values, weights=weight), rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("storage", [np.asarray, csr_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_lowest_loss_is_restored(kind, storage, dtype):
    X, y = data_of(kind, n=200, dtype=dtype)
    X = storage(X)
    model = small(kind, early_stopping=True, max_iter=40, n_iter_no_change=3).fit(
        X[:140], y[:140], X_val=X[140:], y_val=y[140:]
    )
    losses = model.history_["validation_loss"]
    codes = y if model._task == "regression" else np.searchsorted(model.classes_, y)
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    found = objective_on(model, X[140:], codes[140:].astype(dtype))
    assert found == pytest.approx(losses.min(), rel=tolerance)
    best = model.validation_scores_[np.argmin(losses)]
    assert model.best_validation_score_ == best
    assert model.score(X[140:], y[140:]) == pytest.approx(best, rel=tolerance)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", [GDClassifier, GDMLPClassifier])
def test_the_loss_of_classes_is_the_log_loss(kind, classes):
    X, y = make("log_loss", n=150, outputs=1 if classes == 2 else 3)
    model = small(kind, early_stopping=True, max_iter=10).fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    expected = log_loss(y[100:], model.predict_proba(X[100:]), labels=model.classes_)
    assert model.history_["validation_loss"].min() == pytest.approx(expected, rel=1e-8)


def test_the_loss_of_several_outputs_and_of_labels_is_their_sum():
    X, y = make(n=150, outputs=3)
    model = small(GDMLPRegressor, early_stopping=True, max_iter=10)
    model.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    expected = 0.5 * np.square(y[100:] - model.predict(X[100:])).sum(axis=1).mean()
    assert model.history_["validation_loss"].min() == pytest.approx(expected, rel=1e-10)
    labels = (y > 0).astype(int)
    model = small(GDMLPClassifier, early_stopping=True, max_iter=10)
    model.fit(X[:100], labels[:100], X_val=X[100:], y_val=labels[100:])
    likely = np.where(labels[100:] == 1, model.predict_proba(X[100:]), 1 - model.predict_proba(X[100:]))
    assert model.history_["validation_loss"].min() == pytest.approx(
        -np.log(likely).sum(axis=1).mean(), rel=1e-8
    )


class Cubed(Loss):
    def value_and_slope(self, y, raw):
        residual = raw - y.reshape(raw.shape)
        return (np.abs(residual) ** 3 / 3).sum(axis=1), residual * np.abs(residual)


def test_the_loss_may_be_written_in_python():
    X, y = make(n=100)
    model = GDRegressor(
        Cubed(), solver="batch", learning_rate=0.05, early_stopping=True, max_iter=20, tol=None
    )
    model.fit(X[:70], y[:70], X_val=X[70:], y_val=y[70:])
    expected = (np.abs(y[70:] - model.predict(X[70:])) ** 3 / 3).mean()
    assert model.history_["validation_loss"].min() == pytest.approx(expected, rel=1e-12)


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_held_out_rows_are_repetitions(kind):
    X, y = data_of(kind, n=100)
    counts = np.random.default_rng(0).integers(0, 3, 30)
    repeated = np.repeat(np.arange(70, 100), counts)
    model = small(kind, early_stopping=True, max_iter=6, tol=None, random_state=0)
    weighted = clone(model).fit(X[:70], y[:70], X_val=X[70:], y_val=y[70:], sample_weight_val=counts)
    longer = clone(model).fit(X[:70], y[:70], X_val=X[repeated], y_val=y[repeated])
    for column in ("validation_loss", "validation_score"):
        np.testing.assert_allclose(weighted.history_[column], longer.history_[column], rtol=1e-9)
    np.testing.assert_array_equal(flat(weighted), flat(longer))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtypes", [(np.float64, np.float32), (np.float32, np.float64)])
def test_rows_of_another_precision_keep_their_weights(kind, dtypes):
    X, y = data_of(kind, n=100)
    X = np.round(8 * X) / 8  # the same numbers in both
    train, held = (
        X[part].astype(dtype) for part, dtype in zip((slice(70), slice(70, 100)), dtypes, strict=True)
    )
    weight = np.random.default_rng(0).integers(1, 4, 30)
    model = small(kind, early_stopping=True, max_iter=4, tol=None)
    options = {"y_val": y[70:], "sample_weight_val": weight}
    found = clone(model).fit(train, y[:70], X_val=held, **options)
    expected = clone(model).fit(train, y[:70], X_val=held.astype(dtypes[0]), **options)
    np.testing.assert_allclose(
        found.history_["validation_loss"], expected.history_["validation_loss"], rtol=1e-5
    )


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 7.0}])
def test_class_weights_count_in_the_loss_and_not_in_the_score(class_weight):
    X, y = make("log_loss", n=200, outputs=1)
    y = np.searchsorted(np.unique(y), y) * (X[:, 0] > -0.5)
    model = GDClassifier(class_weight=class_weight, early_stopping=True, max_iter=10, solver="batch")
    model.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
    counts = np.bincount(y[:150])
    each = 150 / (2 * counts) if class_weight == "balanced" else np.array([1.0, 7.0])
    expected = log_loss(y[150:], model.predict_proba(X[150:]), sample_weight=each[y[150:]])
    assert model.history_["validation_loss"].min() == pytest.approx(expected, rel=1e-9)
    assert model.best_validation_score_ == pytest.approx(model.score(X[150:], y[150:]), rel=1e-12)


def test_what_belongs_to_held_out_rows_only():
    X, y = make(n=60)
    with pytest.raises(ValueError, match="sample_weight_val needs X_val and y_val"):
        GDRegressor().fit(X, y, sample_weight_val=np.ones(60))
    rows = {"X_val": X[:9], "y_val": y[:9]}
    for weight, words in (
        (np.zeros(9), "non-zero|sample_weight_val are zero"),
        (-np.ones(9), "Negative values in sample_weight_val"),
        (np.ones(8), "shape"),
    ):
        with pytest.raises(ValueError, match=words):
            GDRegressor().fit(X, y, sample_weight_val=weight, **rows)
    with pytest.raises(ValueError, match="y_val has shape"):
        GDRegressor().fit(X, y, X_val=X[:9], y_val=np.ones((9, 2)))
    column = GDRegressor(random_state=0, max_iter=3, tol=None).fit(X, y, X_val=X[:9], y_val=y[:9, None])
    vector = GDRegressor(random_state=0, max_iter=3, tol=None).fit(X, y, **rows)
    np.testing.assert_array_equal(column.validation_scores_, vector.validation_scores_)
    labels = (y > 0).astype(int)
    with pytest.raises(ValueError, match="rows to validate with are zero"):
        GDClassifier(class_weight={0: 0.0}).fit(X, labels, X_val=X[labels == 0], y_val=labels[labels == 0])


# ---------------------------------------------------------------- stopping


def test_the_loss_has_to_improve_by_tol_times_that_at_the_start():
    X, y = make(n=300)
    for unit in (1.0, 1000.0):
        model = GDRegressor(
            early_stopping=True, tol=0.02, n_iter_no_change=4, learning_rate=1e-3, random_state=0, alpha=0
        ).fit(X[:200], unit * y[:200], X_val=X[200:], y_val=unit * y[200:])
        margin = 0.02 * 0.5 * np.mean(np.square(unit * y[:200]))
        best, waits = np.inf, 0
        for loss in model.history_["validation_loss"]:
            best, waits = (loss, 0) if loss < best - margin else (best, waits + 1)
        assert (model.stop_reason_, waits) == ("early_stopping", 4)


def test_without_early_stopping_held_out_rows_are_looked_at_only():
    X, y = make(n=90)
    model = GDRegressor(random_state=0)
    plain, watched = clone(model).fit(X, y), clone(model).fit(X, y, X_val=X[:20], y_val=y[:20])
    np.testing.assert_array_equal(plain.coef_, watched.coef_)
    assert watched.best_validation_score_ is None
    assert plain.validation_scores_ is None


def test_quantiles_stop_by_their_loss():
    X, y = make(n=400)
    model = GDRegressor(Quantile(0.9), early_stopping=True, random_state=0, n_iter_no_change=3).fit(X, y)
    losses = model.history_["validation_loss"]
    assert model.stop_reason_ == "early_stopping"
    assert np.argmin(losses) < len(losses) - 1


def test_a_warm_start_goes_on_with_early_stopping():
    X, y = make(n=200)
    model = GDRegressor(
        early_stopping=True, warm_start=True, random_state=0, max_iter=3, tol=None, solver="sgd"
    )
    first = model.fit(X, y).history_["validation_loss"]
    again = pickle.loads(pickle.dumps(model)).fit(X, y).history_["validation_loss"]
    assert again[0] < first[0]
    np.testing.assert_array_equal(again, model.fit(X, y).history_["validation_loss"])


# ---------------------------------------------------------------- max_time


class Slow(skgd.schedules.Schedule):
    """Takes a hundredth of a second for each stretch."""

    def __call__(self, t):
        time.sleep(0.01)
        return np.ones(np.shape(t))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_ends_when_its_time_is_over(kind, solver):
    X, y = data_of(kind, n=60)
    params = {"schedule": Slow(), "learning_rate": 1e-3, "solver": solver, "tol": None, "max_iter": 100_000}
    model = small(kind, max_time=0.1, **params).fit(X, y)
    assert model.stop_reason_ == "max_time"
    assert 0.1 <= model.history_["seconds"][-1] < 5
    assert (model.history_["seconds"][:-2] < 0.1).all()  # and one just after the look at the time
    same = small(kind, **{**params, "max_iter": model.n_iter_, "schedule": "exponential"})
    same.set_params(schedule=skgd.schedules.Exponential(decay=1.0)).fit(X, y)
    np.testing.assert_array_equal(flat(same), flat(model))


def test_the_time_may_be_over_in_the_middle_of_an_epoch():
    X, y = make(n=200_000, d=2)
    model = GDRegressor(
        solver="sgd", schedule=Slow(), learning_rate=1e-3, max_time=1e-6, average=False, tol=None, max_iter=9
    ).fit(X, y)
    assert model.stop_reason_ == "max_time"
    assert model.n_updates_ == 65_536
    np.testing.assert_allclose(model.history_["epoch"], 65_536 / 200_000)
    enough = GDRegressor(max_time=1000.0, random_state=0).fit(X[:99], y[:99])
    np.testing.assert_array_equal(enough.coef_, GDRegressor(random_state=0).fit(X[:99], y[:99]).coef_)
    assert enough.stop_reason_ == "tol"


def test_searches_streams_and_rate_ranges_under_a_time():
    X, y = make(n=90)
    shared = {"random_state": 0, "learning_rates": [0.01, 0.1], "max_iter": 20}
    apart = GDRegressorCV(max_time=1000.0, **shared).fit(X, y)
    np.testing.assert_allclose(apart.coef_, GDRegressorCV(**shared).fit(X, y).coef_, rtol=1e-9)
    assert GDRegressorCV(max_time=1e-9, **shared).fit(X, y).stop_reason_ == "max_time"
    rushed, free = GDRegressor(max_time=1e-9, random_state=0), GDRegressor(random_state=0)
    np.testing.assert_array_equal(rushed.partial_fit(X, y).coef_, free.partial_fit(X, y).coef_)
    losses = [find_learning_rate(model, X, y).losses for model in (rushed, free)]
    np.testing.assert_array_equal(*losses)
