"""Bins of a table, which are left out where pilots predict better without them."""

import pickle
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skgd import GDMLPClassifier, GDMLPRegressor, _pilot
from skgd.preprocessing import TableEncoder


def frame(n=1500, d=12, seed=0):
    """Correlated numbers, and their shared direction."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return pd.DataFrame(X, columns=[f"c{j}" for j in range(d)])


def smooth(X, seed=1):
    rng = np.random.default_rng(seed)
    return X.to_numpy() @ rng.normal(size=X.shape[1]) + 3 * rng.normal(size=len(X))


def jumps(X, seed=1):
    ranks = X.rank().to_numpy() / len(X)
    return np.sum(np.floor(7 * ranks[:, :3]) % 2, axis=1) + 0.1 * np.random.default_rng(seed).normal(
        size=len(X)
    )


def classes_of(values, seed=2):
    noise = np.random.default_rng(seed).logistic(size=len(values))
    return (values - np.median(values) + noise > 0).astype(int)


def columns(encoder):
    return len(encoder.get_feature_names_out())


@pytest.mark.parametrize("solver", ["minibatch", "batch", "sgd"])
@pytest.mark.parametrize(("target", "bins"), [(smooth, 0), (jumps, 16)])
def test_a_regression_has_bins_where_they_help(target, bins, solver):
    X = frame()
    model = GDMLPRegressor(random_state=0, max_iter=2, solver=solver).fit(X, target(X))
    assert model.encoder_.n_bins == bins
    assert len(model.coefs_[0]) == columns(model.encoder_) == 12 * (1 + bins)
    assert model.predict(X[:5]).shape == (5,)


def test_classes_have_bins_where_they_help():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(4000, 20)))
    scores = X.to_numpy() @ rng.normal(size=(20, 6))
    y = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
    model = GDMLPClassifier(random_state=0, max_iter=2).fit(X, y)
    assert model.encoder_.n_bins == 0
    assert model.predict_proba(X[:5]).shape == (5, 6)
    X = frame()
    model = GDMLPClassifier(random_state=0, max_iter=2).fit(X, classes_of(6 * jumps(X)))
    assert model.encoder_.n_bins == 16


def test_what_is_better_without_is_the_fit_without():
    """The model is that of an encoder without bins."""
    X = frame()
    y = smooth(X)
    ours = GDMLPRegressor(random_state=0, max_iter=3).fit(X, y)
    theirs = GDMLPRegressor(random_state=0, max_iter=3, encoding=TableEncoder(n_bins=0)).fit(X, y)
    for name in ("alpha", "dropout"):
        assert ours.settings_[name] == theirs.settings_[name]
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(
        ours.encoder_.transform(X).toarray(), theirs.encoder_.transform(X).toarray()
    )
    again = pickle.loads(pickle.dumps(ours))
    np.testing.assert_array_equal(again.predict(X), ours.predict(X))


def test_a_gain_by_chance_leaves_bins_where_they_are(monkeypatch):
    X = frame()
    y = smooth(X)
    monkeypatch.setattr(_pilot, "_STANDARD_ERRORS", 1e3)
    assert GDMLPRegressor(random_state=0, max_iter=1).fit(X, y).encoder_.n_bins == 16


def test_an_encoder_that_was_given_is_kept():
    X = frame()
    model = GDMLPRegressor(random_state=0, max_iter=1, encoding=TableEncoder()).fit(X, smooth(X))
    assert model.encoder_.n_bins == 16


@pytest.mark.parametrize("held_out", ["part", "own"])
def test_rows_held_out_have_the_same_columns(held_out):
    X = frame(1800)
    y = smooth(X)
    model = GDMLPRegressor(random_state=0, max_iter=3, early_stopping=True)
    train, rest = slice(0, 1500), slice(1500, 1800)
    own = {"X_val": X[rest], "y_val": y[rest]} if held_out == "own" else {}
    model.fit(X[train], y[train], **own)
    assert model.encoder_.n_bins == 0
    assert np.isfinite(model.validation_scores_).all()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_members_have_one_encoder(early_stopping):
    X = frame()
    y = smooth(X)
    model = GDMLPRegressor(random_state=0, max_iter=2, n_members=2, early_stopping=early_stopping).fit(X, y)
    assert model.encoder_.n_bins == 0
    assert all(len(member.coefs_[0]) == 12 for member in model.members_)
    assert model.settings_["alpha"] == pytest.approx(
        GDMLPRegressor(random_state=0, max_iter=1).fit(X, y).settings_["alpha"]
    )
    assert model.predict(X).shape == (1500,)


def test_rows_without_weight_have_no_say():
    X = frame(3000)
    counted = np.arange(3000) % 2 == 0
    y = np.where(counted, smooth(X), 50 * jumps(X))
    model = GDMLPRegressor(random_state=0, max_iter=1)
    assert model.fit(X, y, sample_weight=counted.astype(float)).encoder_.n_bins == 0


def test_a_warm_start_keeps_its_columns():
    X = frame()
    model = GDMLPRegressor(random_state=0, max_iter=2, warm_start=True).fit(X, smooth(X))
    assert model.encoder_.n_bins == 0
    before = model.encoder_
    model.fit(X, jumps(X))
    assert model.encoder_ is before


def test_a_stream_has_bins():
    X = frame()
    model = GDMLPRegressor(encoding="table", random_state=0).partial_fit(X, smooth(X))
    assert model.encoder_.n_bins == 16
    model.partial_fit(X, smooth(X))


@pytest.mark.parametrize("loss", ["huber", "absolute_error"])
def test_other_losses_keep_their_bins(loss):
    X = frame()
    assert GDMLPRegressor(loss, random_state=0, max_iter=1).fit(X, smooth(X)).encoder_.n_bins == 16


def test_pilots_count_in_the_time():
    X = frame(3000)
    model = GDMLPRegressor(random_state=0, max_time=1e-3, max_iter=500, alpha=1e-3, dropout=0.1)
    began = time.perf_counter()
    model.fit(X, smooth(X))
    assert model.stop_reason_ == "max_time"
    assert model.n_iter_ <= 2
    assert time.perf_counter() - began < 30


def test_a_pipeline_clones_it():
    X = frame()
    model = GDMLPRegressor(random_state=0, max_iter=1).fit(X, smooth(X))
    assert clone(model).encoding == "auto"
