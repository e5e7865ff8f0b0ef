"""Callbacks of scikit-learn: told of every check, and able to stop the training."""

import pickle
import warnings

import numpy as np
import pytest
from _data import KINDS, SOLVERS, data_of, flat, make, small
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import _rates
from skgd._landscape import landscape_of
from skgd._splits import split_rows
from skgd.learning_rate import find_learning_rate

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9 has no callbacks")


SCORES = dict(zip(KINDS, 2 * [r2_score, accuracy_score], strict=True))


class Recorder:
    """Keeps what it is told; stops the training at the end of a task on request."""

    def __init__(self, stop_at=None, fail_at=None, error=RuntimeError):
        self.stop_at, self.fail_at, self.error = stop_at, fail_at, error
        self.events, self.models, self.data, self.told = [], [], [], []
        self.most = None

    def setup(self, estimator, context):
        self.events.append("setup")
        self.most = context.max_subtasks

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, fitted_estimator=None):
        self.events.append(("begin", context.task_name, context.task_id))
        if context.parent is not None and not self.models:
            self.start = fitted_estimator

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.events.append(("end", context.task_name, context.task_id))
        self.data.append((X, y, metadata))
        (self.told if context.task_name == "fit" else self.models).append(fitted_estimator)
        if context.task_id == self.fail_at:
            raise self.error("on request")
        return context.task_id == self.stop_at and context.task_name != "fit"


def monitor_name(kind):
    return SCORES[kind].__name__.removesuffix("_score")


def monitor_for(kind):
    return callback.ScoringMonitor(scoring=monitor_name(kind))


class Propagated(Recorder):
    """Set on a meta-estimator, handed on to what it fits."""

    max_propagation_depth = None


def events_of(checks, name="epoch"):
    inner = [(when, name, k) for k in range(checks) for when in ("begin", "end")]
    return ["setup", ("begin", "fit", 0), *inner, ("end", "fit", 0), "teardown"]


# ---------------------------------------------------------------- what they are told


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_check_is_a_task_with_the_model_of_that_moment(kind, solver):
    X, y = data_of(kind)
    recorder = Recorder()
    model = small(kind, solver=solver, learning_rate=0.01, max_iter=4, tol=None, record_path=True)
    model.set_callbacks(recorder).fit(X, y)
    assert recorder.events == events_of(4)
    assert recorder.most == 4
    np.testing.assert_array_equal(flat(recorder.start), model.path_[0])
    np.testing.assert_array_equal([flat(seen) for seen in recorder.models], model.path_[1:])
    for k, seen in enumerate(recorder.models):
        assert seen.n_iter_ == k + 1
        assert seen.n_updates_ == model.history_["update"][k]
        np.testing.assert_array_equal(seen.loss_curve_, model.loss_curve_[: k + 1])
        assert seen.predict(X).shape == y.shape
    np.testing.assert_array_equal(flat(recorder.told[0]), flat(model))
    assert not {"_callback_fit_ctx", "_skl_callbacks_to_teardown"} & set(vars(model))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_watching_changes_nothing(kind, solver):
    X, y = data_of(kind)
    model = small(kind, solver=solver, max_iter=30, tol=None)
    alone = clone(model).fit(X, y)
    watched = clone(model).set_callbacks(Recorder()).fit(X, y)
    np.testing.assert_array_equal(flat(watched), flat(alone))
    np.testing.assert_array_equal(watched.loss_curve_, alone.loss_curve_)
    assert watched.stop_reason_ == alone.stop_reason_ == "max_iter"


@pytest.mark.parametrize("check_every", [1, 7, 16, 1000])
def test_checks_between_epochs(check_every):
    X, y = make(n=60)
    recorder = Recorder()
    model = small(
        skgd.GDRegressor, solver="sgd", learning_rate=0.01, check_every=check_every, max_iter=3, tol=None
    )
    model.set_callbacks(recorder).fit(X, y)
    checks = len(model.loss_curve_)
    assert recorder.most == checks == -(-180 // check_every)
    assert recorder.events == events_of(checks, "check")


def test_a_check_whose_updates_were_undone_ends_without_a_model(monkeypatch):
    monkeypatch.setattr(_rates.AutoRates, "accept", lambda rates, descent, objective: False)
    X, y = make()
    recorder = Recorder()
    model = small(skgd.GDRegressor, max_iter=3, tol=None).set_callbacks(recorder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    assert recorder.events == events_of(1)
    assert recorder.models == [None]


def test_rows_and_weights_are_those_trained_on():
    X, y = make("log_loss", n=80)
    labels, weight = np.array(["no", "yes"])[y], np.linspace(0.5, 2, 80)
    recorder = Recorder()
    model = small(skgd.GDClassifier, max_iter=2, tol=None, early_stopping=True)
    model.set_callbacks(recorder).fit(X, labels, sample_weight=weight)
    kept, _ = split_rows(0.1, 0, X, labels, y)
    for seen, target, metadata in recorder.data:
        np.testing.assert_array_equal(seen, X[kept])
        np.testing.assert_array_equal(target, labels[kept])
        np.testing.assert_allclose(metadata["sample_weight"], weight[kept])
    seen = recorder.models[-1]
    np.testing.assert_array_equal(seen.validation_scores_, model.validation_scores_)


def test_callbacks_see_models_of_fits_with_scorers():
    X, y = make("log_loss", n=90)
    recorder = Recorder()
    model = small(
        skgd.GDClassifier, max_iter=3, tol=None, early_stopping=True, scoring=["roc_auc", "accuracy"]
    )
    model.set_callbacks(recorder).fit(X, y)
    assert recorder.events == events_of(3)
    seen = recorder.models[-1]
    assert set(seen.history_) == set(model.history_)
    np.testing.assert_array_equal(seen.history_["validation_roc_auc"], model.validation_scores_)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_told_of_as_frames(kind, library, early_stopping):
    frames = pytest.importorskip(library)
    X, y = data_of(kind, n=80)
    frame = frames.DataFrame({f"x{j}": X[:, j] for j in range(5)})
    recorder = Recorder()
    model = small(kind, max_iter=2, tol=None, early_stopping=early_stopping)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scoring an array would warn of missing names
        monitor = monitor_for(kind)
        model.set_callbacks(recorder, monitor).fit(frame, y)
    assert type(recorder.data[0][0]) is frames.DataFrame
    assert len(recorder.data[0][0]) == (72 if early_stopping else 80)


# ---------------------------------------------------------------- what they may do


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_callback_stops_the_training(kind, solver):
    X, y = data_of(kind)
    params = {"solver": solver, "learning_rate": 0.01, "average": False, "tol": None}
    recorder = Recorder(stop_at=2)
    model = small(kind, **params, max_iter=50).set_callbacks(recorder).fit(X, y)
    assert model.stop_reason_ == "callback"
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert recorder.events == events_of(3)
    np.testing.assert_array_equal(flat(model), flat(small(kind, **params, max_iter=3).fit(X, y)))


def test_a_stop_on_purpose_is_no_reason_to_warn():
    X, y = make()
    X = X * [1, 1, 1, 1, 1e3]  # badly scaled
    with pytest.warns(ConvergenceWarning):
        small(skgd.GDRegressor, max_iter=3).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(skgd.GDRegressor).set_callbacks(Recorder(stop_at=2)).fit(X, y)


def test_all_callbacks_hear_of_the_check_at_which_one_stops():
    X, y = make()
    first, second = Recorder(stop_at=0), Recorder()
    small(skgd.GDRegressor).set_callbacks(first, second).fit(X, y)
    assert first.events == second.events == events_of(1)


def test_a_stop_with_early_stopping_restores_the_best():
    X, y = make(n=80)
    recorder = Recorder(stop_at=4)
    model = small(skgd.GDRegressor, solver="sgd", learning_rate=0.05, early_stopping=True, average=False)
    model.set_params(record_path=True).set_callbacks(recorder).fit(X, y)
    best = np.argmin(model.history_["validation_loss"])
    assert model.stop_reason_ == "callback"
    np.testing.assert_array_equal(flat(model), flat(recorder.models[best]))


@pytest.mark.parametrize(
    ("recorder", "params", "expected"),
    [
        (Recorder(fail_at=1), {}, RuntimeError),
        (Recorder(fail_at=1, error=KeyboardInterrupt), {}, KeyboardInterrupt),
        (Recorder(), {"learning_rate": 1e3, "solver": "batch"}, skgd.DivergenceError),
    ],
    ids=["error", "interrupt", "divergence"],
)
def test_callbacks_are_torn_down_whatever_happens(recorder, params, expected):
    X, y = make()
    model = small(skgd.GDRegressor, **params).set_callbacks(recorder)
    with pytest.raises(expected):
        model.fit(X, y)
    assert recorder.events[-1] == "teardown"
    assert not hasattr(model, "_callback_fit_ctx")
    if expected is KeyboardInterrupt:
        assert model.stop_reason_ == "interrupted"
        assert np.isfinite(model.predict(X)).all()


def test_partial_fit_tells_nothing():
    X, y = make()
    recorder = Recorder()
    small(skgd.GDRegressor).set_callbacks(recorder).partial_fit(X, y).partial_fit(X, y)
    assert recorder.events == []


def test_fits_of_our_own_tell_nothing(capsys):
    X, y = make("log_loss")
    recorder = Recorder()
    params = {"optimizer": "nesterov", "record_path": True, "max_iter": 3, "tol": None, "verbose": 1}
    model = small(skgd.GDClassifier, **params).fit(X, y).set_callbacks(recorder)
    capsys.readouterr()
    find_learning_rate(model, X, y, rates=[0.1, 0.2])
    landscape_of([model], X, y)
    assert recorder.events == []
    assert capsys.readouterr() == ("", "")


def test_without_callbacks_a_fit_is_no_task(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a task nobody listens to")

    monkeypatch.setattr(callback.CallbackContext, "_from_estimator", refuse)
    X, y = make()
    assert small(skgd.GDRegressor).fit(X, y).stop_reason_ == "tol"


def test_clones_and_second_fits():
    X, y = make()
    recorder = Recorder()
    model = small(skgd.GDRegressor, max_iter=2, tol=None).set_callbacks(recorder)
    model.fit(X, y), clone(model).fit(X, y)
    model.set_params(warm_start=True).fit(X, y)
    assert recorder.events == 3 * events_of(2)
    again = pickle.loads(pickle.dumps(model.set_callbacks()))
    np.testing.assert_array_equal(flat(again.fit(X, y)), flat(model.fit(X, y)))


# ---------------------------------------------------------------- scikit-learn's own


SETTINGS = {
    "defaults": {},
    "early_stopping": {"early_stopping": True, "n_iter_no_change": 99, "record_path": True},
    "standardize": {"standardize": True, "schedule": "cosine"},
    "mean": {"average": True, "learning_rate": 0.01},
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_logged_score_is_that_of_a_fit_stopped_there(kind, solver, settings):
    X, y = data_of(kind, n=80)
    weight = np.linspace(0.5, 2, 80)
    model = small(kind, solver=solver, max_iter=12, tol=None, **SETTINGS[settings])
    monitor, recorder = monitor_for(kind), Recorder()
    clone(model).set_callbacks(monitor, recorder).fit(X, y, sample_weight=weight)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in rows] == list(range(12))
    for epoch in (0, 1, 5, 11):
        stopped = clone(model).set_callbacks(Recorder(stop_at=epoch)).fit(X, y, sample_weight=weight)
        seen = recorder.models[epoch]
        np.testing.assert_array_equal(flat(seen), flat(stopped))
        for name in ("loss_", "n_iter_", "n_updates_", "learning_rate_", "stop_reason_"):
            assert getattr(seen, name) == getattr(stopped, name), name
        for name in ("loss_curve_", "validation_scores_", "path_")[: 1 + 2 * (model.early_stopping is True)]:
            np.testing.assert_array_equal(getattr(seen, name), getattr(stopped, name))
        rows_seen, target, metadata = recorder.data[epoch]
        score = SCORES[kind](target, stopped.predict(rows_seen), **metadata)
        assert rows[epoch][monitor_name(kind)] == pytest.approx(score, rel=1e-12)


def test_the_model_told_of_is_one_to_keep():
    X, y = make()
    recorder = Recorder()
    model = small(skgd.GDRegressor, solver="sgd", learning_rate=0.01, max_iter=6, tol=None, average=False)
    model.set_callbacks(recorder).fit(X, y)
    again = pickle.loads(pickle.dumps(recorder.models[2]))
    assert again.set_params(max_iter=3, warm_start=True).set_callbacks() is again
    np.testing.assert_array_equal(flat(again.fit(X, y)), flat(recorder.models[5]))


@pytest.mark.parametrize("kind", KINDS)
def test_progress_bar_alone_and_composed(kind, capsys):
    pytest.importorskip("rich")
    X, y = data_of(kind)
    model = small(kind, max_iter=3, tol=None)
    name = f"{type(model).__name__.lower()}__alpha"
    pipeline = make_pipeline(StandardScaler(), clone(model))
    search = GridSearchCV(clone(pipeline), {name: [1e-4, 1.0]}, cv=2)
    for estimator in (model, pipeline, search):
        estimator.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
        shown = capsys.readouterr().out
        assert f"{type(model).__name__} - fit" in shown
        assert "100%" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_inside_a_pipeline(kind):
    X, y = data_of(kind)
    recorder, inner = Propagated(stop_at=3), Recorder()
    model = small(kind, learning_rate=0.01, tol=None).set_callbacks(inner)
    pipeline = make_pipeline(StandardScaler(), model).set_callbacks(recorder).fit(X, y)
    assert pipeline[-1].stop_reason_ == "callback"
    assert pipeline[-1].n_iter_ == 4
    epochs = [event for event in recorder.events if event[1] == "epoch"]
    assert epochs == [event for event in inner.events if event[1] == "epoch"] == events_of(4)[2:-2]


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_inside_a_grid_search(kind, n_jobs):
    X, y = data_of(kind)
    monitor = monitor_for(kind)
    model = small(kind, max_iter=3, tol=None, learning_rate=0.01, average=False).set_callbacks(monitor)
    search = GridSearchCV(make_pipeline(StandardScaler(), model), {}, cv=2, n_jobs=n_jobs)
    search.set_params(param_grid={f"{kind.__name__.lower()}__alpha": [1e-4, 1.0]}).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 3 * (2 * 2 + 1)  # epochs, of two folds of two candidates and the last fit
    refit = min(len(row["task_id_path"]) for row in rows)  # nearer the root than candidates and folds
    scores = [row[monitor_name(kind)] for row in rows if len(row["task_id_path"]) == refit]
    assert scores[-1] == pytest.approx(search.score(X, y), rel=1e-12)


def test_a_grid_search_whose_fits_are_stopped():
    X, y = make()
    model = small(skgd.GDRegressor, tol=None)
    search = GridSearchCV(model, {"alpha": [1e-4, 1.0]}, cv=2).set_callbacks(Propagated(stop_at=1))
    assert search.fit(X, y).best_estimator_.stop_reason_ == "callback"
    assert search.best_estimator_.n_iter_ == 2
