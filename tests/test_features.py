"""Features that no row has are left out of a descent, and nothing else changes."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skgd import GDClassifier, GDClassifierCV, GDOneClassSVM, GDRegressor, GDRegressorCV
from skgd._core import core
from skgd._design import design_of
from skgd._features import present_in

ALL = 10_000  # features
SOME = np.random.default_rng(0).choice(ALL, 60, replace=False)
SOME.sort()


def scattered(shape, density, rng, dtype=np.float64):
    """A CSR array with so many of its entries not zero."""
    return sparse.csr_array(sparse.random(*shape, density, "csr", dtype, random_state=rng))


def rows(n=300, seed=0, dtype=np.float64):
    """Sparse rows with SOME of the features, the same without the others, and targets."""
    rng = np.random.default_rng(seed)
    few = scattered((n, len(SOME)), 0.1, rng, dtype)
    wide = sparse.csr_array((few.data, SOME.astype(np.int32)[few.indices], few.indptr), shape=(n, ALL))
    y = few @ rng.normal(size=len(SOME)) + 0.1 * rng.normal(size=n)
    return wide, few, y


def fitted(model, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*arguments, **options)


def assert_same(wide, few, tolerance=1e-12):
    """A model of wide rows is that of the rows without the features that are not there."""
    coef = np.atleast_2d(wide.coef_)
    assert coef.shape[-1] == wide.n_features_in_ == ALL
    assert_allclose(coef[:, SOME], np.atleast_2d(few.coef_), rtol=tolerance, atol=tolerance)
    assert not np.delete(coef, SOME, axis=1).any()
    assert_allclose(wide.intercept_, few.intercept_, rtol=tolerance, atol=tolerance)
    assert_allclose(wide.loss_, few.loss_, rtol=tolerance)
    assert wide.n_iter_ == few.n_iter_


def test_which_features_there_are():
    wide, few, _ = rows()
    features, columns = present_in(wide)
    assert_array_equal(features.numbers, list(dict.fromkeys(wide.indices)))  # in the order of the rows
    assert_array_equal(features.ranks(), np.argsort(np.argsort(features.numbers)))
    assert_array_equal(features.numbers[columns], wide.indices)
    assert features.total == ALL
    assert present_in(few) is None  # there are not enough features for it to pay
    assert present_in(sparse.csr_array((5, ALL))) is None  # there would be none
    assert present_in(sparse.csr_array(np.ones((1, 5000)))) is None


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_columns_of_the_core_are_checked(index):
    columns = np.empty(3, index)
    found = core.present_features(np.array([7, 2, 7], index), 9, 2, columns)
    assert_array_equal(found, [7, 2])
    assert_array_equal(columns, [0, 1, 0])
    assert not len(core.present_features(np.array([7, 2, 0], index), 9, 2, columns))  # they are more than two
    for outside in (-1, 9):
        with pytest.raises(IndexError, match="out of range"):
            core.present_features(np.array([0, 1, outside], index), 9, 3, columns)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
@pytest.mark.parametrize("solver", ["sgd", "minibatch"])
def test_l1_keeps_almost_empty_rows_in_their_units(penalty, solver):
    X = scattered((400, 20_000), 2e-4, np.random.default_rng(0))
    y = np.asarray(X @ np.random.default_rng(1).normal(size=20_000))
    shared = {"penalty": penalty, "solver": solver, "batch_size": 4, "max_iter": 5, "random_state": 0}
    found = fitted(GDRegressor(**shared), X, y)
    assert_array_equal(found.coef_, fitted(GDRegressor(standardize=False, **shared), X, y).coef_)
    assert (found.coef_ != fitted(GDRegressor(standardize=True, **shared), X, y).coef_).any()


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
@pytest.mark.parametrize("optimizer", ["plain", "nesterov", "adagrad", "adam", "ftrl", "schedule_free"])
@pytest.mark.parametrize("penalty", ["l2", "l1", None])
def test_every_descent_is_that_of_the_features_there_are(solver, optimizer, penalty):
    wide, few, y = rows()
    model = GDRegressor(
        solver=solver, optimizer=optimizer, penalty=penalty, max_iter=5, random_state=0, standardize=True
    )
    assert_same(fitted(model, wide, y), fitted(GDRegressor(**model.get_params()), few, y), 1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_classes_and_weights(dtype):
    wide, few, y = rows(dtype=dtype)
    labels, weight = np.digitize(y, [-0.1, 0.1]), np.random.default_rng(1).integers(0, 3, len(y))
    model = GDClassifier(max_iter=5, random_state=0, early_stopping=True)
    found = fitted(model, wide, labels, sample_weight=weight)
    again = fitted(GDClassifier(**model.get_params()), few, labels, sample_weight=weight)
    assert found.coef_.dtype == dtype
    assert_same(found, again, 1e-4 if dtype == np.float32 else 1e-9)
    assert_allclose(found.validation_scores_, again.validation_scores_)
    assert_allclose(found.predict_proba(wide), again.predict_proba(few), rtol=1e-4)


def test_rows_to_validate_with_may_have_other_features():
    wide, few, y = rows()
    other = wide[:50].tolil()
    other[:, np.setdiff1d(np.arange(0, ALL, 100), SOME)] = 1.0  # their weights are zero
    model = GDRegressor(max_iter=5, random_state=0)
    found = fitted(model, wide, y, X_val=other.tocsr(), y_val=y[:50])
    again = fitted(GDRegressor(**model.get_params()), few, y, X_val=few[:50], y_val=y[:50])
    assert_allclose(found.history_["validation_loss"], again.history_["validation_loss"])
    dense = fitted(GDRegressor(**model.get_params()), wide, y, X_val=wide[:50].toarray(), y_val=y[:50])
    assert_allclose(dense.history_["validation_loss"], again.history_["validation_loss"])


def test_scorers_see_all_features():
    wide, _, y = rows()
    model = GDRegressor(max_iter=3, early_stopping=True, scoring="neg_mean_absolute_error", random_state=0)
    assert np.isfinite(fitted(model, wide, y).history_["validation_score"]).all()


@pytest.mark.parametrize("optimizer", ["plain", "adagrad", "adam"])
@pytest.mark.parametrize("average", [True, False])
def test_training_goes_on_with_features_that_come_later(optimizer, average, monkeypatch):
    """partial_fit after fit, and a pickle between them, as after a fit that left nothing out."""
    wide, _, y = rows()
    more = scattered((20, ALL), 1e-3, np.random.default_rng(2))
    model = GDRegressor(optimizer=optimizer, average=average, max_iter=3, shuffle=False)
    found = pickle.loads(pickle.dumps(fitted(model, wide, y)))
    monkeypatch.setattr("skgd._design.present_in", lambda X: None)
    again = fitted(GDRegressor(**model.get_params()), wide, y)
    for each in (found, again):
        each.partial_fit(more, np.ones(20))
    assert_allclose(found.coef_, again.coef_, rtol=1e-6, atol=1e-9)


def test_a_warm_start_goes_on_where_it_was():
    wide, _, y = rows()
    parameters = {"warm_start": True, "tol": None, "random_state": 0, "solver": "sgd"}
    whole = fitted(GDRegressor(max_iter=6, **parameters), wide, y)
    model = fitted(GDRegressor(max_iter=3, **parameters), wide, y)
    fitted(model, wide, y)
    assert_array_equal(model.coef_, whole.coef_)
    started = GDRegressor(max_iter=3, **parameters)  # of all features, as some weights are not zero
    fitted(started, wide, y, coef_init=np.ones(ALL))
    absent = np.setdiff1d(np.arange(ALL), SOME)
    assert (started.coef_[absent] != 0).all()
    fitted(started, wide, y)
    assert (started.coef_[absent] != 0).all()


def test_what_differs_by_feature_keeps_all_features():
    wide, _, y = rows()
    factors = fitted(GDRegressor(alpha=np.linspace(0, 1, ALL), max_iter=2, random_state=0), wide, y)
    bounded = fitted(GDRegressor(bounds=(np.full(ALL, 0.5), None), max_iter=2, random_state=0), wide, y)
    assert factors.coef_.shape == bounded.coef_.shape == (ALL,)
    assert (bounded.coef_ >= 0.5).all()


def test_paths_have_all_features():
    wide, _, y = rows()
    model = fitted(GDRegressor(record_path=True, max_iter=3, random_state=0), wide, y)
    assert model.path_.shape[1] == ALL + 1
    assert_array_equal(model.path_[-1, :-1], model.coef_)


def test_messages_name_the_columns_of_X():
    wide, _, y = rows()
    wide.data[wide.indices == SOME[7]] *= 1e4
    model = GDRegressor(standardize=False, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match=f"column {SOME[7]}"):
        model.fit(wide, y)
    wide.data[wide.indices == SOME[7]] = 1e200
    with pytest.raises(ValueError, match=f"column {SOME[7]}"):
        GDRegressor().fit(wide, y)


def test_one_class():
    wide, few, _ = rows()
    found, again = (GDOneClassSVM(max_iter=5, random_state=0) for _ in range(2))
    fitted(found, wide), fitted(again, few)
    assert_allclose(found.score_samples(wide), again.score_samples(few), rtol=1e-9)


def test_adagrad_keeps_sparse_rows_sparse():
    """Its updates cost non-zeros in the units of X, which it finds by itself."""
    rng = np.random.default_rng(0)
    X = scattered((400, 20_000), 0.002, rng)
    X.data[:] = 1
    y = (X @ rng.normal(size=20_000) > 0).astype(int)
    model = fitted(GDClassifier(solver="sgd", optimizer="adagrad", max_iter=400, random_state=0), X, y)
    assert model._units["standardize"] is False
    batch = GDClassifier(solver="batch", max_iter=2000, tol=1e-9).fit(X, y)
    assert model.loss_ < 1.05 * batch.loss_


def test_a_fit_whose_updates_were_all_undone_says_so():
    """Every rate that it had time for raised the objective."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 5)), rng.integers(0, 2, 200)
    X[:, 0] *= 1e6
    model = GDClassifier(
        solver="sgd", optimizer="adagrad", standardize=False, max_iter=1, tol=None, random_state=0
    )
    start = np.log(2)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model.fit(X, y)
    undone = not len(model.loss_curve_)
    assert undone == any("updates were undone" in str(each.message) for each in found)
    assert model.loss_ <= start + 1e-3


def test_designs_know_all_features():
    wide, _, _ = rows()
    design = design_of(wide).of_present_features()
    assert design.d == len(np.unique(wide.indices)) and design.all_features == ALL
    assert design.take(slice(0, 10)).all_features == ALL
    assert design.in_precision(np.dtype(np.float32)).all_features == ALL


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("alphas", [None, [1e-3, 1e-2]])
def test_searches(standardize, alphas):
    wide, few, y = rows()
    parameters = {"standardize": standardize, "alphas": alphas, "max_iter": 5, "random_state": 0, "cv": 3}
    for kind, target in ((GDRegressorCV, y), (GDClassifierCV, np.digitize(y, [-0.1, 0.1]))):
        found = fitted(kind(learning_rates=4, **parameters), wide, target)
        again = fitted(kind(learning_rates=4, **parameters), few, target)
        assert_allclose(found.learning_rate_, again.learning_rate_, rtol=1e-9)
        assert_allclose(found.cv_results_["mean_test_score"], again.cv_results_["mean_test_score"])
        assert_same(found, again, 1e-9)


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
def test_several_outputs(solver):
    wide, few, y = rows()
    targets = np.column_stack([y, -2 * y, y**2])
    model = GDRegressor(solver=solver, max_iter=5, random_state=0)
    found, again = fitted(model, wide, targets), fitted(GDRegressor(**model.get_params()), few, targets)
    assert_same(found, again, 1e-9)
    assert_allclose(found.predict(wide), again.predict(few), rtol=1e-6, atol=1e-9)
