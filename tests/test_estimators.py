"""The estimators among scikit-learn's tools."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import sklearn
from _data import covering, estimator, make, pairs, theta
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingRegressor
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor, losses, optimizers, schedules

BOTH = [GDRegressor, GDClassifier]
PERCEPTRONS = [GDMLPRegressor, GDMLPClassifier]


@parametrize_with_checks([kind() for kind in BOTH + PERCEPTRONS])  # other settings: test_conventions
def test_conventions_of_scikit_learn(estimator, check):
    check(estimator)


def data_of(kind, **params):
    return make("log_loss" if kind is GDClassifier else "squared_error", **params)


# ---------------------------------------------------------------- composition


@pytest.mark.parametrize("kind", BOTH)
def test_pipeline_is_its_parts_by_hand(kind):
    X, y = data_of(kind, n=80)
    model = kind(random_state=0)
    scaled = StandardScaler().fit_transform(X)
    pipeline = make_pipeline(StandardScaler(), clone(model)).fit(X, y)
    np.testing.assert_array_equal(pipeline.predict(X), model.fit(scaled, y).predict(scaled))


@pytest.mark.parametrize("kind", BOTH)
def test_grid_search_in_two_processes_is_a_loop(kind):
    X, y = data_of(kind, n=80)
    grid = {"alpha": [1e-4, 1.0], "optimizer__beta": [0.5, 0.9]}
    model = kind(optimizer=optimizers.Momentum(), random_state=0, max_iter=30, tol=None)
    search = GridSearchCV(model, grid, n_jobs=2, cv=3).fit(X, y)
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        by_hand = cross_val_score(clone(model).set_params(**params), X, y, cv=3).mean()
        assert score == pytest.approx(by_hand, rel=1e-12)
    assert theta(search.best_estimator_).shape == (6, 1)


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_calibration(loss):
    X, y = make(loss, n=90, outputs=3)
    model = CalibratedClassifierCV(GDClassifier(loss, random_state=0), cv=3).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-12)


def test_bagging_of_one_whole_sample_is_the_model():
    X, y = make("log_loss", n=60)
    bag = BaggingClassifier(
        GDClassifier(solver="batch"), n_estimators=2, bootstrap=False, n_jobs=2, random_state=0
    ).fit(X, y)
    alone = GDClassifier(solver="batch").fit(X, y)
    np.testing.assert_allclose(bag.predict_proba(X), alone.predict_proba(X), rtol=1e-6)


def test_stacking():
    X, y = make(n=80)
    base = GDRegressor(solver="batch")
    stack = StackingRegressor([("gd", base)], RidgeCV(alphas=[1e-9]), cv=4).fit(X, y)
    folds = cross_val_predict(base, X, y, cv=4)[:, None]
    outer = RidgeCV(alphas=[1e-9]).fit(folds, y)
    expected = outer.predict(base.fit(X, y).predict(X)[:, None])
    np.testing.assert_allclose(stack.predict(X), expected, rtol=1e-9)


def test_one_model_an_output():
    X, Y = make(n=60, outputs=3)
    model = GDRegressor(solver="batch", learning_rate=0.1, tol=None, max_iter=50)
    wrapped = MultiOutputRegressor(model).fit(X, Y)
    joint = clone(model).fit(X, Y)
    np.testing.assert_allclose(wrapped.predict(X), joint.predict(X), rtol=1e-9)
    labels = (Y > 0).astype(int)
    several = MultiOutputClassifier(GDClassifier(solver="batch")).fit(X, labels)
    first = GDClassifier(solver="batch").fit(X, labels[:, 0])
    np.testing.assert_array_equal(several.predict(X)[:, 0], first.predict(X))


@pytest.mark.parametrize("kind", BOTH)
def test_feature_selection_by_coefficients(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    raw = 3 * X[:, 1] - 2 * X[:, 4]
    y = (raw > 0).astype(int) if kind is GDClassifier else raw
    model = kind(penalty="l1", alpha=0.05, solver="batch")
    np.testing.assert_array_equal(
        np.flatnonzero(RFE(model, n_features_to_select=2).fit(X, y).support_), [1, 4]
    )
    kept = SelectFromModel(model, threshold=1e-9).fit(X, y).get_support()
    np.testing.assert_array_equal(np.flatnonzero(kept), [1, 4])


# ---------------------------------------------------------------- copies and parameters


COPIES = {
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "joblib": lambda model, folder: joblib.load(joblib.dump(model, folder / "model")[0]),
}


@pytest.mark.parametrize(
    ("kind", "rule", "way"),
    [
        *covering(BOTH, pairs(loss="log_loss"), list(COPIES)),
        *((GDRegressor, ("implicit", "sgd"), way) for way in COPIES),
        *((GDRegressor, (optimizers.Adam(beta_1=0.8), "sgd"), way) for way in COPIES),
    ],
)
def test_copies_predict_and_go_on_alike(kind, rule, way, tmp_path):
    optimizer, solver = rule
    X, y = data_of(kind, n=60)
    model = kind(solver=solver, optimizer=optimizer, warm_start=True, random_state=0)
    model.set_params(max_iter=3, tol=None, learning_rate=0.02, penalty="l1").fit(X, y)
    twin = COPIES[way](model, tmp_path)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    np.testing.assert_array_equal(theta(twin.fit(X, y)), theta(model.fit(X, y)))
    if solver != "batch":
        twin.partial_fit(X, y), model.partial_fit(X, y)
        np.testing.assert_array_equal(theta(twin), theta(model))


@pytest.mark.parametrize("kind", BOTH)
def test_a_fitted_model_holds_nothing_compiled(kind):
    X, y = data_of(kind)
    state = vars(kind(max_iter=2, tol=None).fit(X, y))
    for name, value in state.items():
        assert type(value).__module__.split(".")[-1] not in {"_core", "engine"}, name
    assert b"skgd._core" not in pickle.dumps(state)


def test_parameters_of_nested_objects():
    model = GDRegressor(
        losses.Huber(), optimizer=optimizers.Adam(), schedule=schedules.InvScaling()
    ).set_params(optimizer__beta_1=0.7, loss__epsilon=0.3, schedule__power=0.6)
    assert (model.optimizer.beta_1, model.loss.epsilon, model.schedule.power) == (0.7, 0.3, 0.6)
    assert model.get_params()["optimizer__beta_1"] == 0.7
    twin = clone(model)
    assert twin.optimizer is not model.optimizer
    assert twin.get_params()["loss__epsilon"] == 0.3
    X, y = make()
    by_hand = GDRegressor(
        losses.Huber(epsilon=0.3),
        optimizer=optimizers.Adam(beta_1=0.7),
        schedule=schedules.InvScaling(power=0.6),
        random_state=0,
    )
    np.testing.assert_array_equal(theta(model.set_params(random_state=0).fit(X, y)), theta(by_hand.fit(X, y)))


@pytest.mark.parametrize("kind", BOTH)
def test_fit_writes_to_no_parameter(kind):
    X, y = data_of(kind)
    model = kind(optimizer=optimizers.Momentum(), schedule=schedules.Adaptive())
    before = {name: repr(value) for name, value in model.get_params().items()}
    held = model.get_params(deep=False)
    model.fit(X, y)
    assert {name: repr(value) for name, value in model.get_params().items()} == before
    for name, value in model.get_params(deep=False).items():
        assert value is held[name], name


@pytest.mark.parametrize("kind", BOTH)
def test_only_the_loss_is_positional(kind):
    kind("huber")
    with pytest.raises(TypeError, match="positional"):
        kind("huber", "sgd")


def test_representations():
    model = GDRegressor(losses.Huber(epsilon=2.0), optimizer=optimizers.Adam(beta_1=0.5))
    assert repr(model) == "GDRegressor(loss=Huber(epsilon=2.0), optimizer=Adam(beta_1=0.5))"
    html = model._repr_html_()
    assert "GDRegressor" in html
    assert "Huber" in html


# ---------------------------------------------------------------- metadata


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("kind", BOTH)
def test_weights_are_routed_to_fit(kind):
    X, y = data_of(kind)
    weights = np.random.default_rng(0).uniform(0.1, 3, len(y))
    model = kind(random_state=0, solver="batch").set_fit_request(sample_weight=True)
    pipeline = make_pipeline(clone(model)).fit(X, y, sample_weight=weights)
    expected = kind(random_state=0, solver="batch").fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(theta(pipeline[-1]), theta(expected))


@pytest.mark.usefixtures("routing")
def test_held_out_rows_are_routed_to_fit():
    X, y = make(n=80)
    model = GDRegressor(random_state=0, early_stopping=True)
    model.set_fit_request(X_val=True, y_val=True)
    pipeline = make_pipeline(model).fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    expected = clone(model).fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    np.testing.assert_array_equal(theta(pipeline[-1]), theta(expected))


@pytest.mark.usefixtures("routing")
def test_weights_and_groups_of_held_out_rows_are_routed_to_fit():
    X, y = make(n=80)
    model = GDRegressor(random_state=0, early_stopping=True, max_iter=5, tol=None)
    rows = {"X_val": X[60:], "y_val": y[60:], "sample_weight_val": np.arange(1.0, 21.0)}
    for more, n in ((rows, 60), ({"groups": np.arange(80) // 4}, 80)):
        routed = clone(model).set_fit_request(**dict.fromkeys(more, True))
        pipeline = make_pipeline(routed).fit(X[:n], y[:n], **more)
        expected = clone(model).fit(X[:n], y[:n], **more)
        np.testing.assert_array_equal(pipeline[-1].validation_scores_, expected.validation_scores_)
        np.testing.assert_array_equal(theta(pipeline[-1]), theta(expected))


def test_estimator_tags():
    from sklearn.utils import get_tags

    for kind in BOTH:
        tags = get_tags(kind())
        assert tags.input_tags.sparse
        assert tags.target_tags.required
    assert get_tags(GDRegressor()).target_tags.multi_output
    assert get_tags(GDClassifier()).classifier_tags.multi_class
    assert get_tags(estimator("poisson")).target_tags.positive_only is True
