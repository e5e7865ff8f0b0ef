"""A fit ends with the model of its objective or says that it does not; nothing changes before its end."""

import pickle
import warnings
from cProfile import Profile
from pstats import Stats

import numpy as np
import pytest
from _data import KINDS, SOLVERS, data_of, flat, make, small
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

import skgd
from skgd import DivergenceError, GDClassifier, GDClassifierCV, GDMLPRegressor, GDRegressor, GDRegressorCV
from skgd._splits import split_rows
from skgd.losses import Loss


class Raising(Loss):
    def value_and_slope(self, y, raw):
        raise ArithmeticError("no value")


def state(estimator):
    return pickle.dumps(vars(estimator))


# ---------------------------------------------------------------- the estimator changes at its end only


def test_a_fit_that_diverges_leaves_no_fitted_attribute():
    X, y = np.random.default_rng(0).normal(size=(300, 5)), np.random.default_rng(1).normal(size=300)
    model = GDRegressor(
        solver="batch", learning_rate=3.0, early_stopping=True, n_iter_no_change=1000, max_iter=1000
    )
    with pytest.raises(DivergenceError):
        model.fit(X, y)
    assert set(vars(model)) == set(model.get_params(deep=False))
    with pytest.raises(NotFittedError):
        check_is_fitted(model)


@pytest.mark.parametrize("kind", KINDS)
def test_a_refit_that_fails_leaves_the_model_as_it_was(kind):
    X, y = data_of(kind)
    model = small(kind, max_iter=3, tol=None).fit(X, y)
    before = state(model)
    raising = Raising()
    raising.task = model._task
    params = model.get_params(deep=False)
    with pytest.raises(ArithmeticError):
        model.set_params(loss=raising, solver="batch").fit(X[:, :3], y)
    assert state(model.set_params(**params)) == before


def test_a_failed_refit_to_other_classes_keeps_the_classes():
    X, y = make("log_loss", outputs=3)
    model = GDClassifier("hinge", solver="batch", random_state=0).fit(X, y)
    raising = Raising()
    raising.task = "classification"
    with pytest.raises(ArithmeticError):
        model.set_params(loss=raising).fit(X, y > 1)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert model.coef_.shape == (3, 5)


@pytest.mark.parametrize("search", [GDRegressorCV, GDClassifierCV])
def test_a_failed_search_leaves_no_attribute(search):
    X, y = data_of(GDRegressor if search is GDRegressorCV else GDClassifier)
    model = search(scoring=lambda *_: np.nan)
    with pytest.raises(ValueError, match="finite mean score"):
        model.fit(X, y)
    assert set(vars(model)) == set(model.get_params(deep=False))


def test_a_refit_drops_what_the_fit_before_it_left():
    X, y = make()
    model = GDRegressor(record_path=True, random_state=0).fit(X, y)
    assert not hasattr(model.set_params(record_path=False).fit(X, y), "path_")


@pytest.mark.parametrize("kind", [GDRegressor, GDMLPRegressor])
def test_predictions_do_not_follow_later_changes_of_parameters(kind):
    X, y = make()
    model = small(kind, max_iter=3, tol=None).fit(X, y)
    before = model.predict(X)
    model.set_params(loss="poisson", fit_intercept=False)
    if kind is GDMLPRegressor:
        model.set_params(activation="tanh", hidden_layer_sizes=(3, 3))
    np.testing.assert_array_equal(model.predict(X), before)


def test_probabilities_are_those_of_the_loss_fitted_with():
    X, y = make("log_loss")
    model = GDClassifier(random_state=0).fit(X, y)
    before = model.predict_proba(X)
    np.testing.assert_array_equal(model.set_params(loss="hinge").predict_proba(X), before)


@pytest.mark.parametrize("record_path", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_an_interrupt_at_any_call_leaves_a_whole_model(solver, record_path, monkeypatch):
    X, y = make()
    core, calls = skgd._problem.core, []

    class Interrupting:
        def __getattr__(self, name):
            return getattr(core, name)

        def run(self, *arguments):
            calls.append(len(calls))
            if len(calls) > after:
                raise KeyboardInterrupt
            return core.run(*arguments)

    monkeypatch.setattr(skgd._problem, "core", Interrupting())
    for after in (0, 1, 4):
        calls.clear()
        model = GDRegressor(solver=solver, record_path=record_path, tol=None, random_state=0)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        assert model.stop_reason_ == "interrupted"
        assert np.isfinite(model.loss_)
        assert len(model.history_["loss"]) == after
        if record_path:
            assert model.path_.shape == (after + 1, 6)
            np.testing.assert_array_equal(model.path_[-1], [*model.coef_, *model.intercept_])


def test_options_are_resolved_once():
    X, y = make()
    model = GDRegressor("huber", optimizer="adam", schedule="cosine", max_iter=5, tol=None)
    skgd._options._RESOLVED.clear()
    profile = Profile()
    profile.runcall(model.fit, X, y)
    calls = {name: count for (_, _, name), (count, *_) in Stats(profile).stats.items()}
    assert calls["options_of"] == calls["loss_of"] == calls["_optimizer_of"] == calls["_schedule_of"] == 1
    ranges = calls["check_range"]
    profile = Profile()
    profile.runcall(skgd._options._resolved, model)
    calls = {name: count for (_, _, name), (count, *_) in Stats(profile).stats.items()}
    assert ranges == calls["check_range"]


def test_options_of_equal_parameters_are_resolved_once():
    model, same = GDRegressor(alpha=0.37), GDRegressor(alpha=0.37)
    first, again = skgd._options.options_of(model), skgd._options.options_of(same)
    assert first.objective is again.objective
    assert first.seed != again.seed  # random_state=None
    other = skgd._options.options_of(same.set_params(alpha=1))
    assert other.objective.penalty.alpha == 1
    whole = skgd._options.options_of(GDRegressor(max_iter=1, random_state=3))
    with pytest.raises(ValueError, match="'max_iter'"):  # 1.0 is equal to 1, but no integer
        GDRegressor(max_iter=1.0, random_state=3).fit([[1.0], [2.0]], [1.0, 2.0])
    assert whole.seed == 3
    rule = skgd.optimizers.Momentum(beta=0.5)
    model = GDRegressor(optimizer=rule)
    assert skgd._options.options_of(model).optimizer.beta == 0.5
    rule.beta = 0.25  # an object may change
    assert skgd._options.options_of(model).optimizer.beta == 0.25


# ---------------------------------------------------------------- early stopping


@pytest.mark.parametrize("kind", KINDS)
def test_without_tol_all_epochs_are_run_under_early_stopping(kind):
    X, y = data_of(kind, n=200)
    model = small(kind, tol=None, early_stopping=True, n_iter_no_change=1, max_iter=30).fit(X, y)
    assert (model.n_iter_, model.stop_reason_) == (30, "max_iter")
    best = np.argmin(model.history_["validation_loss"])
    assert model.best_validation_score_ == model.validation_scores_[best]


def test_rows_keep_their_order_under_early_stopping():
    X, y = make(n=100)
    params = {"shuffle": False, "solver": "sgd", "learning_rate": 0.01, "average": False, "tol": None}
    model = GDRegressor(**params, max_iter=2, early_stopping=True, random_state=0).fit(X, y)
    kept, held_out = split_rows(0.1, 0, X, y)
    alone = GDRegressor(**params, max_iter=1 + int(np.argmin(model.history_["validation_loss"])))
    np.testing.assert_allclose(model.coef_, alone.fit(X[kept], y[kept]).coef_, rtol=1e-12)
    assert model.score(X[held_out], y[held_out]) == pytest.approx(model.best_validation_score_, rel=1e-12)


def test_a_column_of_labels_is_stratified():
    X, y = make("log_loss", n=100)
    y = (np.arange(100) < 10).astype(int)  # rare
    expected = GDClassifier(early_stopping=True, random_state=0, max_iter=5).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        column = GDClassifier(early_stopping=True, random_state=0, max_iter=5).fit(X, y[:, None])
    np.testing.assert_array_equal(column.coef_, expected.coef_)


@pytest.mark.parametrize("kind", KINDS)
def test_one_held_out_row_is_an_error(kind):
    X, y = data_of(kind)
    with pytest.raises(ValueError, match="validation_fraction"):
        small(kind, early_stopping=True, validation_fraction=0.01).fit(X, y)


def test_weights_of_zero_in_a_part_are_an_error():
    X, y = make(n=50)
    kept, held_out = split_rows(0.1, 0, X, y)
    for part, words in ((kept, "train on"), (held_out, "validate with")):
        weight = np.ones(50)
        weight[part] = 0
        with pytest.raises(ValueError, match=words):
            GDRegressor(early_stopping=True, random_state=0).fit(X, y, sample_weight=weight)


# ---------------------------------------------------------------- pickles, twins, searches


def plain_types(value):
    """The types of all that a value holds."""
    if isinstance(value, dict):
        return {type(value)}.union(*(plain_types(part) for pair in value.items() for part in pair), set())
    if isinstance(value, (list, tuple)):
        return {type(value)}.union(*map(plain_types, value), set())
    return {type(value)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fitted_estimator_holds_no_class_of_skgd(kind):
    X, y = data_of(kind)
    model = small(kind, max_iter=3, tol=None, solver="sgd").fit(X, y)
    assert not [each for each in plain_types(vars(model)) if each.__module__.startswith("skgd")]
    model.set_params(standardize=True).partial_fit(X, y)
    assert not [each for each in plain_types(vars(model)) if each.__module__.startswith("skgd")]


@pytest.mark.parametrize("kind", KINDS)
def test_stripped_models_predict_the_same_and_are_smaller(kind):
    X, y = data_of(kind, d=40)
    model = small(kind, max_iter=3, tol=None, solver="sgd", optimizer="adam").fit(X, y)
    before, size = model.predict(X), len(pickle.dumps(model))
    model.strip()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), before)
    assert len(pickle.dumps(model)) < 0.7 * size
    labels = {"classes": np.unique(y)} if model._task == "classification" else {}
    fresh = clone(model).partial_fit(X, y, **labels)  # where a stripped model begins too
    np.testing.assert_array_equal(flat(model.partial_fit(X, y, **labels)), flat(fresh))


@pytest.mark.parametrize("kind", KINDS)
def test_training_a_twin_leaves_the_model(kind):
    X, y = data_of(kind)
    model = small(kind, random_state=0).fit(X, y)
    before, other = flat(model).copy(), y if model._task == "classification" else y + 100
    model.to_sklearn().partial_fit(X, other)
    np.testing.assert_array_equal(flat(model), before)


def test_a_twin_says_that_its_loss_is_another():
    X, y = make()
    with pytest.warns(UserWarning, match="has no loss='quantile'"):
        GDRegressor("quantile", max_iter=3).fit(X, y).to_sklearn()


def test_a_search_follows_its_best_estimator():
    X, y = make()
    search = GDRegressorCV(learning_rates=2, random_state=0).fit(X, y)
    search.best_estimator_.partial_fit(X, y + 10)
    np.testing.assert_array_equal(search.predict(X), search.best_estimator_.predict(X))
    np.testing.assert_array_equal(search.coef_, search.best_estimator_.coef_)


def test_one_learning_rate_is_not_the_limit_of_stability():
    X, y = make()
    search = GDRegressorCV(learning_rates=1, solver="batch", random_state=0).fit(X, y)
    limit = skgd.learning_rate.largest_stable_learning_rate(X, solver="batch", alpha=1e-4)
    assert search.learning_rate_ == pytest.approx(limit / 2, rel=1e-6)


def test_sparse_coefficients():
    X, y = make(d=20)
    for kind, target in ((GDRegressor, y), (GDClassifier, y > 0)):
        model = kind(penalty="l1", alpha=0.1, random_state=0).fit(X, target)
        dense, before = model.coef_, model.predict(X)
        np.testing.assert_allclose(model.sparsify().predict(X), before, rtol=1e-12)
        assert model.coef_.nnz == np.count_nonzero(dense)
        np.testing.assert_array_equal(model.densify().coef_, dense)


@pytest.mark.parametrize(
    ("loss", "positive"), [("squared_error", False), ("poisson", True), ("gamma", True), ("tweedie", True)]
)
def test_tags_tell_of_positive_targets(loss, positive):
    assert GDRegressor(loss).__sklearn_tags__().target_tags.positive_only is positive
    assert GDMLPRegressor(loss).__sklearn_tags__().target_tags.positive_only is positive


def test_the_curve_of_a_stream_is_bounded(monkeypatch):
    monkeypatch.setattr(skgd._streaming, "CURVE_LENGTH", 5)
    X, y = make()
    model = GDRegressor(solver="sgd", random_state=0)
    for _ in range(12):
        model.partial_fit(X, y)
    assert (len(model.loss_curve_), model.n_iter_) == (5, 12)


def test_labels_of_objects_are_those_of_strings():
    X, y = make("log_loss", outputs=3)
    names = np.array(["red", "green", "blue"])[y]
    expected = GDClassifier(random_state=0).fit(X, names)
    found = GDClassifier(random_state=0).fit(X, names.astype(object))
    np.testing.assert_array_equal(found.coef_, expected.coef_)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


def test_a_fit_that_ended_too_early_is_no_silent_one():
    X, y = make()
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        GDRegressor(max_iter=2, random_state=0).fit(X, y)
