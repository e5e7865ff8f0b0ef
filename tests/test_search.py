"""Learning rates (and alphas) chosen by cross-validation: many fits at once are the fits one by one."""

import inspect
import re
import warnings
from threading import current_thread, main_thread

import numpy as np
import pandas as pd
import pytest
from _data import csr, estimator, make, theta
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LassoCV
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgd import DivergenceError, GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV, losses
from skgd._columns import Columns, can_share_pass
from skgd._design import design_of
from skgd._options import options_of
from skgd._selection import Candidates

RATES = [0.003, 0.03, 0.1]
KINDS = {"regression": (GDRegressor, GDRegressorCV), "classification": (GDClassifier, GDClassifierCV)}


def search_for(loss, **params):
    name = loss if isinstance(loss, str) else loss.name
    kind = GDClassifierCV if losses.LOSSES[name].task == "classification" else GDRegressorCV
    return kind(loss, **{"random_state": 0, "learning_rates": RATES, "cv": 3, **params})


def by_one_pass(search, X, y, weight=None, groups=None):
    """Candidates, and what they were fitted to, by columns."""
    candidates = Candidates(search, X, y, weight, groups)
    return candidates, candidates.fitted()


def assert_equal_to_separate_fits(search, X, y, weight=None, groups=None, tol=1e-9, epochs=True):
    candidates, fitted = by_one_pass(search, X, y, weight, groups)
    for (alpha, rate), models in zip(candidates.params, fitted, strict=True):
        for fold, model in enumerate(models):
            alone = candidates._fit(alpha, rate, fold)
            assert (alone is None) == (model is None), (alpha, rate, fold)
            if alone is None:
                continue
            np.testing.assert_allclose(theta(model), theta(alone), rtol=0, atol=tol)
            if epochs:
                assert model.n_iter_ == alone.n_iter_


def is_together(search, X, y):
    estimator = search._estimator(learning_rate=1.0)
    problem = estimator._objective_of(X, y)
    return can_share_pass(options_of(estimator), design_of(X), problem.targets)


# ---------------------------------------------------------------- agreement with separate fits


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("loss", sorted(losses.LOSSES))
def test_columns_are_separate_fits(loss, solver):
    X, y = make(loss, n=70, d=5)
    search = search_for(loss, solver=solver, batch_size=8, alphas=[1e-3, 0.1], max_iter=20)
    assert is_together(search, X, y)
    assert_equal_to_separate_fits(search, X, y)


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize(
    "params",
    [
        {"penalty": "l1"},
        {"penalty": "elasticnet", "l1_ratio": 0.3},
        {"penalty": None},
        {"fit_intercept": False},
        {"shuffle": False},
        {"schedule": "invscaling"},
        {"schedule": "optimal"},
        {"schedule": "adaptive"},
        {"schedule": "cosine"},
        {"check_every": 7},
        {"tol": None, "max_iter": 7},
        {"tol": 1e-2, "n_iter_no_change": 2, "max_iter": 200},
        {"batch_size": 13},
    ],
    ids=str,
)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_settings_reach_every_column(loss, params, solver):
    X, y = make(loss, n=71, d=6)
    search = search_for(loss, solver=solver, **{"alphas": [1e-4, 0.05], "max_iter": 25, **params})
    assert is_together(search, X, y)
    assert_equal_to_separate_fits(search, X, y)


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize(
    "name",
    ["momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "amsgrad", "nadam", "adamw", "ftrl"],
)
def test_every_rule_descends_in_columns(name, penalty):
    X, y = make("log_loss", n=60, d=5)
    search = search_for("log_loss", optimizer=name, penalty=penalty, alphas=[0.001, 0.1], max_iter=15)
    assert is_together(search, X, y)
    assert_equal_to_separate_fits(search, X, y)


@pytest.mark.parametrize("name", ["momentum", "adagrad", "adam", "ftrl"])
@pytest.mark.parametrize("params", [{}, {"penalty": "elasticnet"}, {"fit_intercept": False}], ids=str)
def test_every_rule_descends_on_second_moments(name, params):
    X, y = make(n=60, d=5)
    search = search_for("squared_error", solver="batch", optimizer=name, alphas=[0.001, 0.1], **params)
    assert is_together(search, X, y)
    assert_equal_to_separate_fits(search.set_params(max_iter=30), X, y)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tol", [None, 1e-3])
def test_logarithms_of_products_are_sums_of_logarithms(weighted, tol):
    X, y = make("log_loss", n=3000, d=3)  # more rows than factors in a product
    weight = np.random.default_rng(0).uniform(0.5, 2, 3000) if weighted else None
    search = search_for("log_loss", learning_rates=[1e-3, 0.1, 1.0], tol=tol, n_iter_no_change=2, max_iter=12)
    assert_equal_to_separate_fits(search, X, y, weight)


@pytest.mark.parametrize(
    "cv",
    [
        KFold(4),
        StratifiedKFold(3, shuffle=True, random_state=1),
        RepeatedKFold(n_splits=2, n_repeats=2, random_state=0),
        ShuffleSplit(3, test_size=0.3, train_size=0.5, random_state=0),
        TimeSeriesSplit(3),
        GroupKFold(3),
        [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(10))],
        [(np.arange(40) // 2, np.arange(40, 60)), (np.arange(60) // 3 + 10, np.arange(10))],  # rows repeated
    ],
    ids=lambda cv: type(cv).__name__,
)
@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
@pytest.mark.parametrize("solver", ["batch", "minibatch"])
def test_any_splitter_and_weights(solver, loss, cv):
    X, y = make("hinge", n=60)
    weight = np.random.default_rng(3).uniform(0.2, 3, 60)
    groups = np.arange(60) % 5
    search = search_for(loss, solver=solver, cv=cv, max_iter=20)
    assert_equal_to_separate_fits(search, X, y, weight, groups)
    assert search.fit(X, y, weight, groups).n_splits_ == len(
        list(cv.split(X, y, groups)) if hasattr(cv, "split") else cv
    )


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5}])
def test_weights_of_classes_are_those_of_the_fold(class_weight):
    X, y = make("log_loss", n=60)
    search = search_for("log_loss", class_weight=class_weight, max_iter=20)
    assert_equal_to_separate_fits(search, X, y)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_single_precision(loss, solver):
    X, y = make(loss, n=60, dtype=np.float32)
    search = search_for(loss, solver=solver, max_iter=10)
    assert_equal_to_separate_fits(search, X, y, tol=5e-5, epochs=False)
    assert search.fit(X, y).coef_.dtype == np.float32


def test_one_candidate_in_one_fold():
    X, y = make(n=50)
    search = search_for("squared_error", learning_rates=[0.05], cv=[(np.arange(30), np.arange(30, 50))])
    assert_equal_to_separate_fits(search, X, y)


@pytest.mark.parametrize(
    "params",
    [
        {"standardize": True},
        {"early_stopping": True},
        {"average": True},
        {"optimizer": "implicit", "solver": "sgd"},
        {"optimizer": "schedule_free"},
        {"optimizer": "barzilai_borwein", "solver": "batch"},
        {"optimizer": "nesterov", "solver": "batch"},
    ],
    ids=str,
)
def test_what_columns_cannot_do_is_fitted_one_by_one(params):
    X, y = make(n=60)
    search = search_for("squared_error", max_iter=10, **params)
    assert not is_together(search, X, y)
    assert_equal_to_separate_fits(search, X, y, tol=0)
    assert search.fit(X, y).best_score_ == max(search.cv_results_["mean_test_score"])
    coef = search.coef_
    np.testing.assert_array_equal(search.set_params(n_jobs=2).fit(X, y).coef_, coef)


@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_several_columns_a_model_and_sparse_rows(storage):
    X, y = make("log_loss", n=90, outputs=3)
    search = search_for("log_loss", max_iter=30).fit(storage(X), y)
    alone = GDClassifier(learning_rate=search.learning_rate_, random_state=0, max_iter=30).fit(storage(X), y)
    np.testing.assert_array_equal(search.coef_, alone.coef_)
    assert search.predict_proba(storage(X)).shape == (90, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_threads_share_the_columns_of_a_search(loss, solver, dtype):
    X, y = make(loss, n=90, d=6)
    search = search_for(loss, solver=solver, alphas=[1e-3, 0.1], max_iter=15)
    one, *others = (
        clone(search).set_params(n_jobs=n_jobs).fit(X.astype(dtype), y) for n_jobs in (None, 2, 3)
    )
    for other in others:
        np.testing.assert_array_equal(other.coef_, one.coef_)
        for name in (name for name in one.cv_results_ if name.startswith("split")):
            np.testing.assert_array_equal(other.cv_results_[name], one.cv_results_[name])


@pytest.mark.parametrize("in_main", [True, False])
def test_an_error_in_one_thread_ends_all(in_main, monkeypatch):
    X, y = make("log_loss", n=90, d=6)
    advance = Columns.advance

    def interrupted(columns, stretch):
        if stretch.epoch == 3 and (current_thread() is main_thread()) == in_main:
            raise KeyboardInterrupt
        return advance(columns, stretch)

    monkeypatch.setattr(Columns, "advance", interrupted)
    search = search_for("log_loss", solver="sgd", tol=None, max_iter=10**6, n_jobs=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert not hasattr(search, "coef_")


# ---------------------------------------------------------------- divergence


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_diverged_columns_are_abandoned_and_leave_the_others_alone(solver):
    X, y = make(n=80)
    search = search_for("squared_error", solver=solver, learning_rates=[0.05, 5.0, 1e3], max_iter=40)
    assert_equal_to_separate_fits(search, X, y)
    with pytest.warns(FitFailedWarning, match=r"6 of 9 fits diverged, the lowest at learning_rate=5:"):
        search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).tolist() == [True, False, False]
    assert search.learning_rate_ == 0.05
    assert search.cv_results_["rank_test_score"].tolist() == [1, 2, 2]


def test_only_diverging_rates_are_an_error():
    X, y = make(n=80)
    with pytest.raises(DivergenceError) as raised:
        search_for("squared_error", learning_rates=[1e3, 1e4]).fit(X, y)
    assert raised.value.learning_rate == 1e3


# ---------------------------------------------------------------- the choice


@pytest.mark.parametrize("alphas", [None, [1e-4, 1.0]])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_results_have_the_shape_of_a_grid_search(loss, alphas):
    X, y = make(loss, n=80)
    grid = {"learning_rate": RATES} if alphas is None else {"learning_rate": RATES, "alpha": alphas}
    search = search_for(loss, alphas=alphas, max_iter=20).fit(X, y)
    peer = GridSearchCV(estimator(loss, max_iter=20), grid, cv=3).fit(X, y)
    assert set(search.cv_results_) == set(peer.cv_results_)
    assert search.cv_results_["params"] == peer.cv_results_["params"]
    for name, values in peer.cv_results_.items():
        ours = search.cv_results_[name]
        assert len(ours) == len(values), name
        if name.startswith("param_"):
            np.testing.assert_array_equal(ours, values)
    splits = [search.cv_results_[f"split{i}_test_score"] for i in range(3)]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], np.mean(splits, axis=0))
    np.testing.assert_allclose(search.cv_results_["std_test_score"], np.std(splits, axis=0))
    best = search.best_index_
    assert search.cv_results_["rank_test_score"][best] == 1
    assert search.best_params_ == search.cv_results_["params"][best]
    assert search.best_score_ == search.cv_results_["mean_test_score"][best]


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "log_loss", "hinge"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scoring", [None, "name", "callable"])
def test_scores_are_those_of_the_separate_fits(loss, weighted, scoring):
    X, y = make(loss, n=80)
    weight = np.random.default_rng(0).uniform(0.1, 2, 80) if weighted else None
    name = "balanced_accuracy" if loss in ("log_loss", "hinge") else "neg_mean_absolute_error"
    given = {None: None, "name": name, "callable": get_scorer(name)}[scoring]
    search = search_for(loss, scoring=given, max_iter=20).fit(X, y, weight)
    splitter = StratifiedKFold(3) if loss in ("log_loss", "hinge") else KFold(3)
    for fold, (train, test) in enumerate(splitter.split(X, y)):
        mask = np.isin(np.arange(80), train) * (1.0 if weight is None else weight)
        own = None if weight is None else weight[test]
        for c, rate in enumerate(RATES):
            alone = estimator(loss, learning_rate=rate, max_iter=20).fit(X, y, mask)
            score = alone.score if given is None else get_scorer(name)
            of_model = () if given is None else (alone,)
            expected = score(*of_model, X[test], y[test], sample_weight=own)
            assert search.cv_results_[f"split{fold}_test_score"][c] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rates", [RATES, "auto"])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_of_several_scorers_the_first_chooses(loss, rates):
    """Each has the scores that it has alone; those that are recorded at checks are those of the fit alone."""
    X, y = make(loss, n=90)
    first, second = ("neg_log_loss", "accuracy") if loss == "log_loss" else ("neg_mean_absolute_error", "r2")
    given = {"learning_rates": rates, "alphas": [1e-4, 1.0], "max_iter": 20}
    for scoring in ([first, second], {first: first, second: get_scorer(second)}):
        both = search_for(loss, scoring=scoring, **given).fit(X, y)
        for name, alone in ((first, None), (second, None), ("score", first)):
            scored = search_for(loss, scoring=alone or name, **given).fit(X, y)
            for part in ("split0_test", "split2_test", "mean_test", "std_test", "rank_test"):
                expected = scored.cv_results_[f"{part}_score"]
                np.testing.assert_allclose(both.cv_results_[f"{part}_{name}"], expected, rtol=1e-12)
        assert both.best_index_ == np.argmax(both.cv_results_[f"mean_test_{first}"])
        assert both.best_score_ == both.cv_results_[f"mean_test_{first}"].max()
    stopped = search_for(loss, scoring=[first, second], early_stopping=True, **given).fit(X, y)
    for name in (first, second):
        assert len(stopped.history_[f"validation_{name}"]) == len(stopped.history_["epoch"])
    rate = stopped.learning_rate_ if isinstance(rates, list) else "auto"
    known = {"learning_rate": rate, "alpha": stopped.alpha_, "max_iter": 20}
    alone = estimator(loss, scoring=[first, second], early_stopping=True, **known).fit(X, y)
    np.testing.assert_array_equal(stopped.coef_, alone.coef_)
    with pytest.raises(ValueError, match="must be a name"):
        search_for(loss, scoring={}).fit(X, y)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_rows_held_out_of_ones_own(early_stopping):
    X, y = make("log_loss", n=120)
    (X, held), (y, y_held), weight = (X[:80], X[80:]), (y[:80], y[80:]), np.linspace(0.5, 2, 40)
    given = {"X_val": held, "y_val": y_held, "sample_weight_val": weight}
    params = {"early_stopping": early_stopping, "max_iter": 20}
    search = search_for("log_loss", **params).fit(X, y, **given)
    alone = estimator("log_loss", learning_rate=search.learning_rate_, **params).fit(X, y, **given)
    np.testing.assert_array_equal(search.coef_, alone.coef_)
    losses = search.history_["validation_loss"]
    np.testing.assert_array_equal(losses, alone.history_["validation_loss"])
    assert np.isfinite(losses).all()
    for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
        mask = np.isin(np.arange(80), train) * 1.0
        rows = given if early_stopping else {}
        one = estimator("log_loss", learning_rate=RATES[0], **params).fit(X, y, mask, **rows)
        expected = one.score(X[test], y[test])
        assert search.cv_results_[f"split{fold}_test_score"][0] == pytest.approx(expected, abs=1e-12)
    frame, rows = (pd.DataFrame(part, columns=[f"c{j}" for j in range(X.shape[1])]) for part in (X, held))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        named = search_for("log_loss", **params).fit(frame, y, **{**given, "X_val": rows})
    np.testing.assert_array_equal(named.coef_, search.coef_)
    with pytest.raises(ValueError, match="belong together"):
        search_for("log_loss", **params).fit(X, y, X_val=held)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_the_model_is_the_chosen_one_fitted_on_all_rows(loss):
    X, y = make(loss, n=80)
    weight = np.random.default_rng(0).uniform(0.1, 2, 80)
    search = search_for(loss, alphas=[1e-3, 0.1]).fit(X, y, weight)
    alone = estimator(loss, learning_rate=search.learning_rate_, alpha=search.alpha_).fit(X, y, weight)
    np.testing.assert_array_equal(search.coef_, alone.coef_)
    np.testing.assert_array_equal(search.intercept_, alone.intercept_)
    np.testing.assert_array_equal(search.predict(X), alone.predict(X))
    assert search.n_iter_ == alone.n_iter_
    assert search.loss_ == alone.loss_
    np.testing.assert_allclose(search.to_sklearn().predict(X), alone.predict(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["densify", "partial_fit", "path", "sparsify"])
@pytest.mark.parametrize("kind", [GDRegressorCV, GDClassifierCV])
def test_what_a_search_leaves_to_its_best_estimator(kind, name):
    assert not hasattr(kind(), name)
    with pytest.raises(AttributeError, match=rf"use best_estimator_\.{name}\."):
        getattr(kind(), name)


def test_callbacks_and_progress_see_the_fit_to_all_rows(capfd):
    pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9 has no callbacks")

    class Counter:
        rows, checks = set(), 0

        def setup(self, estimator, context):
            """Nothing to prepare."""

        teardown = setup

        def on_fit_task_begin(self, estimator, context, *, X=None):
            self.rows.add(len(X))

        def on_fit_task_end(self, estimator, context, *, X=None):
            self.checks += context.task_name == "epoch"

    X, y = make(n=60)
    for params in ({}, {"standardize": True}):
        counter = Counter()
        search = search_for("squared_error", max_iter=7, tol=None, verbose=2, **params)
        search.set_callbacks(counter).fit(X, y)
        assert (counter.rows, counter.checks) == ({60}, 7)
        assert capfd.readouterr().err.count("epoch 3/7") == 1


def test_rates_lie_a_factor_of_two_apart_below_the_largest_stable_one():
    X, y = make(n=200)
    rates = GDRegressorCV(learning_rates=6, solver="batch", random_state=0).fit(X, y).learning_rates_
    np.testing.assert_allclose(rates[1:] / rates[:-1], 2)
    hessian = np.c_[X, np.ones(200)].T @ np.c_[X, np.ones(200)] / 200
    assert rates[-1] == pytest.approx(2 / (np.linalg.eigvalsh(hessian)[-1] + 1e-4), rel=1e-6)


def test_the_order_of_a_random_generator_is_one_for_all():
    X, y = make(n=60)
    first = search_for("squared_error", random_state=np.random.RandomState(3)).fit(X, y)
    again = search_for("squared_error", random_state=np.random.RandomState(3)).fit(X, y)
    np.testing.assert_array_equal(first.coef_, again.coef_)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"learning_rates": [0.1, -1.0]}, "learning_rates="),
        ({"learning_rates": []}, "learning_rates="),
        ({"learning_rates": 0}, "learning_rates"),
        ({"alphas": [-1.0]}, "alphas="),
        ({"alphas": [np.nan]}, "alphas="),
        ({"scoring": "nonsense"}, "nonsense"),
    ],
)
def test_bad_parameters_are_named(params, message):
    X, y = make(n=40)
    with pytest.raises(ValueError, match=message):
        search_for("squared_error", **params).fit(X, y)


# ---------------------------------------------------------------- the contract


@parametrize_with_checks(
    [
        kind(solver=solver, learning_rates=3, max_iter=50)
        for kind, solver in [(GDRegressorCV, "batch"), (GDClassifierCV, "minibatch"), (GDRegressorCV, "sgd")]
    ],
    expected_failed_checks=lambda model: (
        {
            "check_sample_weight_equivalence_on_dense_data": "repeated rows change the order of the updates",
            "check_sample_weight_equivalence_on_sparse_data": "repeated rows change the order of the updates",
        }
        if model.solver != "batch"  # with cv these checks have more rows than a mini-batch
        else {}
    ),
)
def test_conventions_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", [GDRegressorCV, GDClassifierCV])
def test_every_parameter_and_attribute_is_described(kind):
    parameters, attributes = kind.__doc__.split("Attributes\n", 1)
    for parameter in inspect.signature(kind).parameters:
        assert len(re.findall(rf"(?m)^\s*(\w+, )*{parameter}(, \w+)* : ", parameters)) == 1, parameter
    loss = "log_loss" if kind is GDClassifierCV else "squared_error"
    X, y = make(loss, n=40)
    model = clone(kind(learning_rates=2, random_state=0)).fit(X, y)
    for attribute in vars(model):
        if attribute.endswith("_") and not attribute.startswith("_"):
            assert len(re.findall(rf"(?m)^\s*(\w+, )*{attribute}(, \w+)* : ", attributes)) == 1, attribute


@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet"])
@pytest.mark.parametrize("optimizer", ["plain", "adagrad"])
def test_no_penalty_among_the_alphas(optimizer, penalty):
    X, y = make()
    params = {"optimizer": optimizer, "penalty": penalty, "max_iter": 20, "random_state": 0}
    search = GDRegressorCV(alphas=[0.0, 0.01], learning_rates=[0.05], cv=3, **params).fit(X, y)
    first, second = search.cv_results_["mean_test_score"]
    assert abs(first - second) < 0.02
    alone = GDRegressorCV(alphas=[0.0], learning_rates=[0.05], cv=3, **params).fit(X, y)
    np.testing.assert_allclose(alone.best_score_, first, rtol=1e-9)


def test_scores_that_are_no_numbers_are_no_divergence():
    X, y = make(n=60)
    search = GDRegressorCV(learning_rates=[0.01, 0.001], max_iter=5, scoring=lambda *_: np.nan)
    with pytest.raises(ValueError, match="finite mean score") as caught:
        search.fit(X, y)
    assert not isinstance(caught.value, DivergenceError)


def test_folds_without_weight():
    X, y = make(n=60)
    weight = np.r_[np.zeros(20), np.ones(40)]
    search = GDRegressorCV(learning_rates=[0.01], max_iter=5, cv=KFold(3))
    with pytest.raises(ValueError, match="judged by are zero"):
        search.fit(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="trains on are zero"):
        search.fit(X, y, sample_weight=np.r_[np.ones(20), np.zeros(40)])


def test_alphas_under_automatic_rates_are_those_of_lasso_cv():
    """By the same criterion: LassoCV takes the lowest mean squared error."""
    X, y = make_regression(400, 40, n_informative=8, noise=10, random_state=0)
    alphas = np.geomspace(0.1, 10, 8)
    search = GDRegressorCV(learning_rates="auto", alphas=alphas, penalty="l1", solver="batch", tol=1e-7)
    search.set_params(scoring="neg_mean_squared_error", max_iter=3000, random_state=0).fit(X, y)
    theirs = LassoCV(alphas=alphas, cv=5).fit(X, y)
    assert search.alpha_ == pytest.approx(theirs.alpha_)
    assert search.best_params_ == {"alpha": search.alpha_, "learning_rate": "auto"}
    scores = -search.cv_results_["mean_test_score"][::-1]
    np.testing.assert_allclose(scores, theirs.mse_path_.mean(axis=1), rtol=1e-3)
