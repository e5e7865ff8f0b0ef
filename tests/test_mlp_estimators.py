"""Perceptrons among scikit-learn's tools."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from _data import make
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDMLPClassifier, GDMLPRegressor, optimizers

BOTH = [GDMLPRegressor, GDMLPClassifier]
SMALL = {"hidden_layer_sizes": (6,), "max_iter": 15, "tol": None, "random_state": 0}


def data_of(kind, **params):
    return make("log_loss" if kind is GDMLPClassifier else "squared_error", **params)


@pytest.mark.parametrize("kind", BOTH)
def test_pipeline_is_its_parts_by_hand(kind):
    X, y = data_of(kind, n=80)
    scaled = StandardScaler().fit_transform(X)
    pipeline = make_pipeline(StandardScaler(), kind(**SMALL)).fit(X, y)
    np.testing.assert_array_equal(pipeline.predict(X), kind(**SMALL).fit(scaled, y).predict(scaled))


@pytest.mark.parametrize("kind", BOTH)
def test_grid_search_in_two_processes_is_a_loop(kind):
    X, y = data_of(kind, n=80)
    grid = {"hidden_layer_sizes": [(), (4,), (5, 3)], "learning_rate": ["auto", 0.01]}
    search = GridSearchCV(kind(**SMALL), grid, n_jobs=2, cv=3).fit(X, y)
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        by_hand = cross_val_score(kind(**SMALL).set_params(**params), X, y, cv=3).mean()
        assert score == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_calibration(loss):
    X, y = make(loss, n=90, outputs=3)
    model = CalibratedClassifierCV(GDMLPClassifier(loss, **SMALL), cv=3).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-12)


def test_bagging_of_whole_samples_is_the_model():
    X, y = make("log_loss", n=60)
    model = GDMLPClassifier(**{**SMALL, "solver": "batch"})
    bag = BaggingClassifier(model, n_estimators=1, bootstrap=False, n_jobs=2, random_state=0).fit(X, y)
    inner = bag.estimators_[0]  # bagging seeds its members
    np.testing.assert_array_equal(clone(inner).fit(X, y).predict(X), bag.predict(X))


def test_stacking_and_several_outputs():
    X, y = make(n=80, outputs=2)
    stack = StackingRegressor([("net", GDMLPRegressor(**SMALL))], RidgeCV(), cv=3).fit(X, y[:, 0])
    net = clone(stack.named_estimators_["net"]).fit(X, y[:, 0])
    np.testing.assert_allclose(stack.transform(X)[:, 0], net.predict(X), rtol=1e-12)
    apart = MultiOutputRegressor(GDMLPRegressor(**SMALL), n_jobs=2).fit(X, y)
    alone = GDMLPRegressor(**SMALL).fit(X, y[:, 1])
    np.testing.assert_allclose(apart.predict(X)[:, 1], alone.predict(X), rtol=1e-12)


@pytest.mark.parametrize("kind", BOTH)
def test_copies_predict_the_same_and_go_on_the_same(kind, tmp_path):
    X, y = data_of(kind)
    model = kind(**SMALL).set_params(warm_start=True, dropout=0.2).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    for copy in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
        copy.fit(X, y)
    further = model.fit(X, y)
    for ours, theirs in zip(further.coefs_, copy.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nested_parameters_and_clone():
    model = GDMLPRegressor(optimizer=optimizers.Adam()).set_params(optimizer__beta_1=0.8)
    assert clone(model).optimizer.beta_1 == 0.8
    X, y = make()
    X_other, y_other = X[:50], y[:50]
    before = model.get_params()
    model.fit(X_other, y_other)
    assert model.get_params() == before


@pytest.mark.parametrize("kind", BOTH)
def test_data_frames_and_names(kind):
    X, y = data_of(kind)
    expected = kind(**SMALL).fit(X, y).predict(X)
    for frame in (pd.DataFrame(X, columns=list("abcde")), pl.DataFrame(X, schema=list("abcde"))):
        model = kind(**SMALL).fit(frame, y)
        np.testing.assert_array_equal(model.predict(frame), expected)
        np.testing.assert_array_equal(model.feature_names_in_, list("abcde"))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(pd.DataFrame(X, columns=list("abcdz")))


@pytest.mark.parametrize("kind", BOTH)
def test_html_shows_the_estimator(kind):
    X, y = data_of(kind)
    assert kind.__name__ in kind(**SMALL).fit(X, y)._repr_html_()


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_the_decay_of_adamw_knows_no_unit_of_y(solver):
    """It took the square of the unit, and y of 1e5 left a constant."""
    X, y = make(n=200)
    model = GDMLPRegressor(
        solver=solver, optimizer="adamw", hidden_layer_sizes=16, max_iter=10, tol=None, random_state=0
    )
    one, large = (clone(model).fit(X, unit * y).predict(X) for unit in (2.0**10, 2.0**20))
    np.testing.assert_allclose(large, 2.0**10 * one, rtol=1e-4)
    assert np.corrcoef(one, y)[0, 1] > 0.3


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
def test_a_penalty_that_outweighs_small_units_of_y_is_told(solver):
    """The loss falls with the square of the unit, the penalty does not."""
    X, y = make(n=300)
    model = GDMLPRegressor(solver=solver, encoding=None, random_state=0)
    for scale in (1e-3, 1e-6):
        with pytest.warns(ConvergenceWarning, match=r"predicts about a constant: .* outweighs"):
            assert model.fit(X, scale * y).score(X, scale * y) < 0.4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.fit(X, y).score(X, y) > 0.7
        assert model.set_params(alpha=1e-16).fit(X, 1e-6 * y).score(X, 1e-6 * y) > 0.7
