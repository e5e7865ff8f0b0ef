"""Scores on held-out rows: scikit-learn's numbers, and scorers that decide."""

import pickle
import warnings

import numpy as np
import pytest
from _data import KINDS, SOLVERS, data_of, make, small
from sklearn.base import clone
from sklearn.metrics import accuracy_score, make_scorer, mean_pinball_loss, r2_score

from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor
from skgd._scoring import accuracy, r2
from skgd._splits import split_rows
from skgd._targets import Classes, Labels, Numbers
from skgd.losses import LOSSES


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_r2_is_that_of_scikit_learn(dtype, outputs, weighted):
    random = np.random.default_rng(0)
    y = random.normal(5, 2, (50, outputs))
    raw = (y + random.normal(size=y.shape)).astype(dtype)
    weight = random.random(50) if weighted else None
    expected = r2_score(y, raw.astype(float), sample_weight=weight)
    assert r2(y, raw, weight) == pytest.approx(expected, rel=1e-12)
    task, loss = Numbers(flat=outputs == 1), LOSSES["squared_error"]()
    y = y.ravel() if outputs == 1 else y
    assert task.score(y, raw, loss, weight) == pytest.approx(expected, rel=1e-12)
    assert Numbers(True).score(np.exp(y.ravel()), raw.reshape(-1, 1), LOSSES["poisson"]()) == pytest.approx(
        r2_score(np.exp(y.ravel()), np.exp(raw.ravel().astype(float))),
        rel=1e-12 if dtype == np.float64 else 1e-6,
    )


@pytest.mark.parametrize("exact", [False, True])
def test_r2_of_a_constant(exact):
    y = np.full((6, 2), 3.0)
    y[:, 1] = np.arange(6)
    raw = y if exact else y + 0.1
    assert r2(y, raw, None) == pytest.approx(r2_score(y, raw), rel=1e-12)
    assert np.isnan(r2(y[:1], raw[:1], None))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("names", [None, list("zxy")])
def test_accuracy_is_that_of_scikit_learn(names, classes, weighted):
    random = np.random.default_rng(1)
    codes, raw = random.integers(classes, size=70), random.normal(size=(70, 1 if classes == 2 else 3))
    weight = random.random(70) if weighted else None
    labels = np.arange(classes) if names is None else np.sort(np.array(names[:classes], dtype=object))
    task, loss = Classes(labels), LOSSES["log_loss"]()
    expected = accuracy_score(labels[codes], task.predict(raw, loss), sample_weight=weight)
    assert task.score(labels[codes], raw, loss, weight) == pytest.approx(expected, rel=1e-12)
    assert task.score_encoded(codes.astype(float), raw, loss, weight) == pytest.approx(expected, rel=1e-12)
    y, many = (random.random((70, 2)) < 0.5).astype(int), random.normal(size=(70, 2))
    expected = accuracy_score(y, Labels(np.arange(2)).predict(many, loss), sample_weight=weight)
    assert Labels(np.arange(2)).score(y, many, loss, weight) == pytest.approx(expected, rel=1e-12)
    assert accuracy(np.array([True, False]), np.array([3.0, 1.0])) == 0.75


def by_first_feature(estimator, X, y):
    """A scorer that takes no weights."""
    return float(-np.abs(estimator.predict(X) - y).mean())


SETTINGS = {
    "regression": {"r2": "r2", "mae": "neg_mean_absolute_error", "mine": by_first_feature},
    "classification": {"acc": "accuracy", "auc": "roc_auc", "logloss": "neg_log_loss"},
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_all_scores_are_recorded_and_the_first_decides(kind, solver):
    X, y = data_of(kind, n=160)
    scoring = SETTINGS[kind._task]
    weight = np.random.default_rng(0).random(160)
    model = small(kind, solver=solver, max_iter=12, tol=None, early_stopping=True, scoring=scoring)
    model.set_params(random_state=5, learning_rate=0.01).fit(X, y, sample_weight=weight)
    history, first = model.history_, next(iter(scoring))
    assert {len(values) for values in history.values()} == {12}
    np.testing.assert_array_equal(history["validation_score"], history[f"validation_{first}"])
    np.testing.assert_array_equal(history["validation_score"], model.validation_scores_)
    assert model.best_validation_score_ == model.validation_scores_.max()
    default = clone(model).set_params(scoring=None).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(default.validation_scores_, model.validation_scores_, rtol=1e-12)
    np.testing.assert_array_equal(default.history_["validation_loss"], history["validation_loss"])
    if kind._task == "classification":
        np.testing.assert_allclose(history["validation_logloss"], -history["validation_loss"], rtol=1e-6)
    codes = None if kind._task == "regression" else np.unique(y, return_inverse=True)[1]
    _, held = split_rows(0.1, 5, X, y, codes)
    best = model.score(X[held], y[held], sample_weight=weight[held])
    assert best == pytest.approx(model.best_validation_score_, rel=1e-12)


def test_a_list_of_names_and_a_single_one():
    X, y = make("log_loss", n=150)
    shared = {"early_stopping": True, "random_state": 0, "max_iter": 8, "tol": None}
    several = GDClassifier(scoring=["roc_auc", "accuracy"], **shared).fit(X, y)
    one = GDClassifier(scoring="roc_auc", **shared).fit(X, y)
    np.testing.assert_array_equal(several.history_["validation_roc_auc"], one.validation_scores_)
    assert "validation_accuracy" not in one.history_
    np.testing.assert_array_equal(several.coef_, one.coef_)


def test_a_score_has_to_improve_by_tol():
    X, y = make(n=300)
    shared = {"early_stopping": True, "random_state": 0, "n_iter_no_change": 3, "learning_rate": 1e-3}
    model = GDRegressor(scoring="r2", tol=0.05, **shared).fit(X, y)
    scores = model.validation_scores_
    best, waits = -np.inf, 0
    for score in scores:
        best, waits = (score, 0) if score > best + 0.05 else (best, waits + 1)
    assert (model.stop_reason_, waits) == ("early_stopping", 3)
    constant = GDRegressor(scoring=make_scorer(lambda y, p: 0.5), tol=0.05, **shared).fit(X, y)
    assert constant.n_iter_ == 4


def test_what_the_scorer_sees_is_a_fitted_model():
    """With the parameters of the check, in the coordinates of X; the estimator itself does not change."""
    X, y = make(n=120, d=3)
    X, seen = X * [1, 100, 0.01] + 5, []

    def spy(estimator, X, y):
        seen.append((estimator.coef_.copy(), estimator.intercept_.copy(), estimator.n_features_in_))
        assert estimator is not model
        assert len(X) == len(y) == 12
        return 0.0

    model = GDRegressor(
        scoring=spy, early_stopping=True, record_path=True, max_iter=4, tol=None, standardize=True
    )
    model.fit(X, y)
    for (coef, intercept, d), point in zip(seen, model.path_[1:-1], strict=False):
        np.testing.assert_allclose(np.append(coef, intercept), point, rtol=1e-12)
        assert d == 3


@pytest.mark.parametrize("kind", [GDRegressor, GDMLPRegressor])
def test_several_outputs_single_precision_and_quantiles(kind):
    X, y = make(n=150, outputs=2, dtype=np.float32)
    pinball = make_scorer(mean_pinball_loss, alpha=0.5, greater_is_better=False)
    model = small(kind, loss="absolute_error", scoring={"pinball": pinball, "r2": "r2"}, early_stopping=True)
    model.set_params(max_iter=6, tol=None).fit(X, y)
    history = model.history_
    np.testing.assert_allclose(history["validation_loss"], -4 * history["validation_pinball"], rtol=1e-5)


def test_labels_and_probabilities():
    X, _ = make(n=150)
    y = (X[:, :2] > 0).astype(int)
    model = small(GDMLPClassifier, scoring=["roc_auc", "accuracy"], early_stopping=True, max_iter=6, tol=None)
    model.fit(X, y)
    plain = clone(model).set_params(scoring=None).fit(X, y)
    np.testing.assert_array_equal(plain.validation_scores_, model.history_["validation_accuracy"])


@pytest.mark.parametrize("kind", KINDS)
def test_frames_scorers_and_pickles(kind):
    """No warning about names; a clone, a pickle and a second fit have the same scores."""
    pandas = pytest.importorskip("pandas")
    X, y = data_of(kind, n=120)
    frame = pandas.DataFrame(X, columns=list("abcde"))
    scoring = list(SETTINGS[kind._task])[:1] if kind._task == "regression" else ["roc_auc", "accuracy"]
    model = small(kind, scoring=scoring, early_stopping=True, max_iter=5, tol=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(frame, y)
    assert model.get_params()["scoring"] == scoring
    for other in (clone(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.fit(X, y).validation_scores_, model.validation_scores_)


def test_scores_that_are_not_numbers_stop_nothing():
    X, y = make(n=60)
    params = {"scoring": lambda estimator, X, y: np.nan, "early_stopping": True, "tol": None, "max_iter": 3}
    model = GDRegressor(**params).fit(X, y)
    assert np.isnan(model.best_validation_score_)
    assert model.n_iter_ == 3


@pytest.mark.parametrize(
    ("scoring", "words"),
    [
        ("accurate", "accurate"),
        ([], "must be a name"),
        (["r2", "r2"], "different names"),
        ({"loss": "r2"}, "other than 'loss'"),
        ({3: "r2"}, "strings"),
        (lambda estimator, X, y: "good", "must return a number"),
    ],
)
def test_what_is_no_scorer_is_told(scoring, words):
    X, y = make(n=60)
    with pytest.raises(ValueError, match=words):
        GDRegressor(scoring=scoring, early_stopping=True).fit(X, y)
