"""Early stopping finds the number of epochs, and another fit to all rows makes as many."""

import numpy as np
import pytest
from _data import KINDS, SOLVERS, csr, make
from sklearn.base import clone
from sklearn.model_selection import ShuffleSplit

import skgd
from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor
from skgd import _estimator as module
from skgd.schedules import Adaptive

BY_SIZE = {"hidden_layer_sizes": (8,)}
STOPS = {"early_stopping": True, "refit": True, "max_iter": 40, "n_iter_no_change": 4, "random_state": 0}


def model_of(kind, **params):
    return kind(**{**STOPS, **(BY_SIZE if "MLP" in kind.__name__ else {}), **params})


def data_of(kind, n=120, seed=0):
    return make("log_loss" if "Classifier" in kind.__name__ else "squared_error", n=n, seed=seed)


def parameters(model):
    return model.coefs_ if hasattr(model, "coefs_") else [model.coef_, model.intercept_]


def assert_same(one, other, rtol=1e-9):
    for found, expected in zip(parameters(one), parameters(other), strict=True):
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-12)


def best_epoch(model):
    return int(model.history_["epoch"][np.argmin(model.history_["validation_loss"])])


@pytest.mark.parametrize("schedule", ["constant", "exponential"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_a_fit_to_all_rows_of_as_many_epochs(kind, solver, schedule):
    X, y = data_of(kind)
    rate = {"learning_rate": 0.3 if "MLP" not in kind.__name__ else 0.01, "solver": solver}
    rate |= {"schedule": schedule, "learning_rate": 0.02 if solver == "sgd" else rate["learning_rate"]}
    model = model_of(kind, **rate).fit(X, y)
    first = model_of(kind, **{**rate, "refit": False}).fit(X, y)
    for name in ("epoch", "update", "loss", "validation_loss", "learning_rate"):
        np.testing.assert_array_equal(model.history_[name], first.history_[name])
    assert model.stop_reason_ == first.stop_reason_
    assert model.n_iter_ == best_epoch(first)
    plain = {"early_stopping": False, "refit": False, "tol": None, "max_iter": best_epoch(first)}
    alone = model_of(kind, **{**rate, **plain}).fit(X, y)
    assert_same(model, alone)
    assert model.loss_ == pytest.approx(alone.loss_)
    assert (model.n_updates_, model.learning_rate_) == (alone.n_updates_, alone.learning_rate_)


@pytest.mark.parametrize("schedule", ["cosine", "polynomial"])
def test_a_schedule_keeps_its_length(schedule):
    X, y = data_of(GDRegressor)
    model = model_of(GDRegressor, learning_rate=0.2, schedule=schedule, record_path=True).fit(X, y)
    end = model.n_iter_
    assert end < 40
    longer = {"early_stopping": False, "refit": False, "tol": None, "average": False}
    path = model_of(GDRegressor, learning_rate=0.2, schedule=schedule, record_path=True, **longer)
    path = path.set_params(average="auto").fit(X, y).path_
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), path[end], rtol=1e-9)


def test_rates_that_followed_plateaus_are_repeated():
    X, y = data_of(GDMLPRegressor, n=300)
    settings = {"learning_rate": 0.01, "schedule": Adaptive(factor=0.5, patience=2), "tol": 0.03}
    model = model_of(GDMLPRegressor, **settings).fit(X, y)
    rates = model.history_["learning_rate"]
    assert len(np.unique(rates[: model.n_iter_])) > 1
    batches = -(-300 // 32)

    def made(t):
        return rates[np.minimum(t // batches, len(rates) - 1)] / 0.01

    plain = {"early_stopping": False, "refit": False, "tol": None, "max_iter": model.n_iter_}
    alone = model_of(GDMLPRegressor, **{**settings, **plain, "schedule": made}).fit(X, y)
    assert_same(model, alone)


def test_automatic_rates_of_perceptrons_are_repeated():
    X, y = data_of(GDMLPRegressor, n=300)
    settings = {"max_iter": 60, "n_iter_no_change": 6, "optimizer": "adam", "batch_size": 32, "tol": 0.1}
    model = model_of(GDMLPRegressor, **settings).fit(X, y)
    rates = model.history_["learning_rate"][: model.n_iter_]
    assert len(np.unique(rates)) > 1
    assert model.n_iter_ == best_epoch(model)
    constant = {"early_stopping": False, "refit": False, "tol": None, "max_iter": model.n_iter_}
    batches, whole = -(-300 // 32), model.history_["learning_rate"] / model.learning_rate_
    alone = model_of(GDMLPRegressor, **{**settings, **constant, "schedule": lambda t: whole[t // batches]})
    assert_same(model, alone.fit(X, y))


@pytest.mark.parametrize("kind", [GDMLPRegressor, GDMLPClassifier])
def test_rates_that_fall_to_zero_fall_over_the_epochs_made(kind):
    X, y = data_of(kind)
    settings = {"tol": None, "max_iter": 100, "hidden_layer_sizes": (64,), "batch_size": 8, "dropout": 0.1}
    model = model_of(kind, **settings).fit(X, y)
    assert 1 <= model.n_iter_ < 100
    plain = {"early_stopping": False, "refit": False, "max_iter": model.n_iter_}
    assert_same(model, model_of(kind, **{**settings, **plain}).fit(X, y))


@pytest.mark.parametrize("kind", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("solver", SOLVERS)
def test_automatic_rates_of_linear_models_are_chosen_anew(kind, solver):
    X, y = data_of(kind, n=300)
    model = model_of(kind, solver=solver).fit(X, y)
    assert 1 <= model.n_iter_ <= best_epoch(model)
    assert model.loss_ <= 1.05 * clone(model).set_params(refit=False, early_stopping=False).fit(X, y).loss_


@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_weights_classes_and_groups(storage):
    X, y = data_of(GDClassifier)
    weight, groups = np.random.default_rng(0).uniform(0, 2, 120), np.arange(120) // 4
    shared = {"learning_rate": 0.1, "class_weight": "balanced"}
    model = model_of(GDClassifier, **shared).fit(storage(X), y, sample_weight=weight, groups=groups)
    plain = {"early_stopping": False, "refit": False, "tol": None, "max_iter": model.n_iter_}
    alone = model_of(GDClassifier, **{**shared, **plain}).fit(storage(X), y, sample_weight=weight)
    assert_same(model, alone)


def test_a_splitter_and_checks_within_epochs():
    X, y = data_of(GDRegressor)
    split = ShuffleSplit(1, test_size=0.3, random_state=1)
    model = model_of(GDRegressor, learning_rate=0.1, validation_fraction=split, check_every=1).fit(X, y)
    where = model.history_["epoch"][np.argmin(model.history_["validation_loss"])]
    assert model.n_iter_ == max(1, round(where))


def test_a_warm_start_goes_on_from_the_same_place():
    X, y = data_of(GDMLPClassifier)
    steps = {"learning_rate": 0.005, "warm_start": True, "optimizer": "adam", "batch_size": 30}
    model = model_of(GDMLPClassifier, **steps, max_iter=3).fit(X, y)
    alone = model_of(GDMLPClassifier, **steps, max_iter=3).fit(X, y)
    assert_same(model, alone)
    model.fit(X, y)
    plain = {"early_stopping": False, "refit": False, "tol": None, "max_iter": model.n_iter_}
    assert_same(model, alone.set_params(**plain).fit(X, y))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_add_changes_nothing(kind):
    X, y = data_of(kind)
    for fit, params in (({"X_val": X[:30], "y_val": y[:30]}, {}), ({}, {"early_stopping": False})):
        with_refit = model_of(kind, **params).fit(X, y, **fit)
        without = model_of(kind, **params, **{"refit": False}).fit(X, y, **fit)
        assert_same(with_refit, without)
        assert with_refit.n_iter_ == without.n_iter_


def test_an_interrupted_refit_leaves_the_first_model(monkeypatch):
    X, y = data_of(GDRegressor)
    first = model_of(GDRegressor, learning_rate=0.1, refit=False).fit(X, y)
    whole = module.train

    def interrupted(fit, *args, epochs=None, **options):
        record = whole(fit, *args, epochs=epochs, **options)
        return record if epochs is None else record.stopped("interrupted")

    monkeypatch.setattr(module, "train", interrupted)
    model = model_of(GDRegressor, learning_rate=0.1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.stop_reason_ == "interrupted"
    assert_same(model, first)


def test_members_are_judged_before_they_see_all_rows():
    X, y = data_of(GDMLPRegressor, n=300)
    settings = {"n_members": 3, "learning_rate": 0.01}
    model = model_of(GDMLPRegressor, **settings).fit(X, y)
    first = model_of(GDMLPRegressor, **settings, refit=False).fit(X, y)
    assert model.oof_score_ == pytest.approx(first.oof_score_)
    for found, expected in zip(model.oof_residuals_, first.oof_residuals_, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert np.abs(model.predict(X) - first.predict(X)).max() > 1e-3
    assert not hasattr(model.members_[0], "_held_out_raw_")
    assert isinstance(model, skgd.GDMLPRegressor)
