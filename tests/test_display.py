"""Displays show the numbers that the estimators have."""

import subprocess
import sys

import _reference as reference
import numpy as np
import pytest
from _data import make
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skgd
from skgd import (
    DescentPathDisplay,
    GDClassifier,
    GDMLPRegressor,
    GDRegressor,
    GDRegressorCV,
    LearningRateDisplay,
    LossCurveDisplay,
    RegularizationPathDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_matplotlib_is_imported_only_to_draw():
    code = "import sys, skgd; assert 'matplotlib' not in sys.modules; print('fine')"
    command = [sys.executable, "-P", "-c", code]  # -P: from the root the sources would hide the package
    assert subprocess.run(command, capture_output=True, text=True).stdout == "fine\n"


def test_without_matplotlib_the_remedy_is_named(monkeypatch):
    X, y = make()
    model = GDRegressor(max_iter=3, tol=None).fit(X, y)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"skgd\[plot\]"):
        LossCurveDisplay.from_estimator(model)


# ---------------------------------------------------------------- loss curves


@pytest.mark.parametrize("x", ["epoch", "update", "rows", "seconds"])
def test_loss_curves_are_the_history(x):
    X, y = make(n=90)
    models = [GDRegressor(solver=s, max_iter=7, tol=None).fit(X, y) for s in ("batch", "sgd")]
    display = LossCurveDisplay.from_estimators(models, x=x)
    for model, line in zip(models, display.lines_, strict=True):
        places = 90 * model.history_["epoch"] if x == "rows" else model.history_[x]
        np.testing.assert_array_equal(line.get_xdata(), places)
        np.testing.assert_array_equal(line.get_ydata(), model.loss_curve_)
    assert [line.get_label() for line in display.lines_] == ["solver='batch'", "solver='sgd'"]
    assert display.ax_.get_xlabel() == {"rows": "rows seen"}.get(x, x)
    assert display.figure_ is display.ax_.figure
    assert display.validation_ax_ is None
    assert display.lines_[0].get_color() != display.lines_[1].get_color()


def test_validation_losses_are_drawn_beside_objectives():
    X, y = make(n=90)
    model = GDRegressor(max_iter=7, tol=None).fit(X, y, X_val=X[:30], y_val=y[:30])
    display = LossCurveDisplay.from_estimator(model, name="mine")
    (line,) = display.validation_loss_lines_
    np.testing.assert_array_equal(line.get_ydata(), model.history_["validation_loss"])
    assert line.axes is display.ax_
    assert display.validation_lines_ == []
    assert display.validation_ax_ is None
    legend = display.ax_.get_legend()
    assert legend.get_title().get_text() == "mine"
    assert [text.get_text() for text in legend.get_texts()] == ["objective", "validation loss"]
    display = LossCurveDisplay.from_estimator(model, scores=True)
    shown = [text.get_text() for text in display.validation_ax_.get_legend().get_texts()]
    assert shown == ["objective", "validation loss", "validation score"]


def test_validation_scores_have_an_axis_of_their_own():
    X, y = make(n=90)
    model = GDRegressor(max_iter=7, tol=None).fit(X, y, X_val=X[:30], y_val=y[:30])
    plain = GDRegressor(max_iter=5, tol=None).fit(X, y)
    figure, ax = plt.subplots()
    display = LossCurveDisplay.from_estimators({"a": model, "b": plain}, scores=True, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    (line,) = display.validation_lines_
    np.testing.assert_array_equal(line.get_ydata(), model.validation_scores_)
    assert display.validation_ax_ is not ax
    assert [line.get_label() for line in display.lines_] == ["a", "b"]
    assert [line.get_label() for line in display.validation_loss_lines_] == ["a, validation loss"]
    again = display.plot()
    assert again is display
    assert display.ax_ is not ax


def test_log_scales_where_they_show_more():
    x = [np.arange(1, 6.0), np.arange(1, 1001.0)]
    near, far = np.linspace(1, 2, 5), np.geomspace(1, 1e-3, 1000)
    display = LossCurveDisplay(x, [near, far], [None, None], ["near", "far"]).plot()
    assert (display.ax_.get_xscale(), display.ax_.get_yscale()) == ("log", "log")
    display = LossCurveDisplay(x[:1], [near], [None], ["near"]).plot()
    assert (display.ax_.get_xscale(), display.ax_.get_yscale()) == ("linear", "linear")
    display = LossCurveDisplay(x[1:], [far - 0.5], [None], ["negative"]).plot()
    assert display.ax_.get_yscale() == "linear"


def test_loss_curves_of_pipelines_and_perceptrons():
    X, y = make()
    params = {"max_iter": 4, "tol": None}
    fitted = [make_pipeline(StandardScaler(), kind(**params)) for kind in (GDRegressor, GDMLPRegressor)]
    display = LossCurveDisplay.from_estimators([pipeline.fit(X, y) for pipeline in fitted])
    first, second = (line.get_label() for line in display.lines_)
    assert first.startswith("GDRegressor")
    assert second.startswith("GDMLPRegressor")
    np.testing.assert_array_equal(display.losses[0], fitted[0][-1].loss_curve_)


def test_what_has_no_curve_says_so():
    X, y = make()
    with pytest.raises(NotFittedError, match="fit"):
        LossCurveDisplay.from_estimator(GDRegressor())
    model = GDRegressor(max_iter=3, tol=None).fit(X, y)
    with pytest.raises(ValueError, match="x='days'"):
        LossCurveDisplay.from_estimator(model, x="days")
    with pytest.raises(ValueError, match="2 names for 1"):
        LossCurveDisplay.from_estimators([model], names=["a", "b"])
    with pytest.raises(ValueError, match="At least one"):
        LossCurveDisplay.from_estimators([])


# ---------------------------------------------------------------- learning rates


def test_learning_rates_are_drawn():
    X, y = make(n=300)
    model = GDRegressor(random_state=0)
    rates = [1e-3, 1e-2, 1e-1, 1e9]
    display = LearningRateDisplay.from_estimator(model, X, y, rates=rates)
    np.testing.assert_array_equal(display.line_.get_xdata(), rates)
    np.testing.assert_array_equal(display.line_.get_ydata()[:3], display.losses[:3])
    assert np.isnan(display.line_.get_ydata()[3])
    np.testing.assert_array_equal(display.diverged_.get_xdata(), [1e9])
    assert display.suggestion_ == rates[np.argmin(display.losses)]
    assert display.ax_.get_xscale() == "log"
    stable = [line for line in display.ax_.lines if "stable" in line.get_label()]
    assert stable[0].get_xdata()[0] == display.stable_limit_
    assert display.start == pytest.approx(np.mean(y**2) / 2)


# ---------------------------------------------------------------- paths


def path_models(X, y, **params):
    params = {"record_path": True, "max_iter": 15, "tol": None, "random_state": 0, **params}
    return [
        GDRegressor(solver="batch", learning_rate=0.3, **params).fit(X, y),
        GDRegressor(solver="sgd", learning_rate=0.02, **params).fit(X, y),
    ]


def test_paths_of_two_parameters_are_the_parameters():
    X, y = make(n=80, d=1)
    models = path_models(X, y, alpha=0.1)
    display = DescentPathDisplay.from_estimators(models, X, y, resolution=21)
    for model, line in zip(models, display.lines_, strict=True):
        np.testing.assert_allclose(line.get_xydata(), model.path_)
    assert display.labels == ("weight 0", "intercept")
    a, b, values = display.grid
    assert values.shape == (21, 21)
    for i, j in ((0, 0), (3, 17), (20, 8)):  # the objective of the user, penalty included
        theta = np.array([[a[j]], [b[i]]])
        expected = reference.objective(theta, X, y, "squared_error") + 0.05 * a[j] ** 2
        assert values[i, j] == pytest.approx(expected, rel=1e-10)
    X1 = reference.with_ones(X)
    best = np.linalg.solve(X1.T @ X1 / 80 + np.diag([0.1, 0]), X1.T @ y / 80)
    np.testing.assert_allclose(display.optimum, best, atol=1e-5)
    np.testing.assert_allclose(display.optimum_.get_xydata()[0], display.optimum)
    assert a[0] < display.optimum[0] < a[-1]


def test_paths_of_many_parameters_lie_in_their_principal_plane():
    X, y = make(n=80, d=6)
    weight = np.random.default_rng(0).random(80)
    models = path_models(X, y)
    display = DescentPathDisplay.from_estimators(models, X, y, sample_weight=weight, resolution=9)
    assert all(label.startswith("principal direction") for label in display.labels)
    np.testing.assert_allclose(display.optimum, 0, atol=1e-12)  # the middle of the plane
    # distances in the plane are at most those in space, and nearly those for a path that hardly leaves it
    for model, path in zip(models, display.paths, strict=True):
        steps = np.linalg.norm(np.diff(model.path_, axis=0), axis=1)
        seen = np.linalg.norm(np.diff(path, axis=0), axis=1)
        assert (seen <= steps + 1e-12).all()
        assert seen.sum() > 0.65 * steps.sum()
    a, b, values = display.grid
    low = np.unravel_index(values.argmin(), values.shape)  # the point nearest to the optimum, or beside it
    steps = np.array([b[1] - b[0], a[1] - a[0]])
    assert (np.abs([b[low[0]], a[low[1]]]) <= steps).all()


def test_two_parameters_may_be_chosen():
    pandas = pytest.importorskip("pandas")
    X, y = make(n=80, d=4)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    (model, _) = path_models(frame, y)
    for chosen in (("b", "intercept"), (1, -1), (1, 4)):
        display = DescentPathDisplay.from_estimator(model, frame, y, parameters=chosen, resolution=5)
        np.testing.assert_allclose(display.paths[0], model.path_[:, [1, 4]], atol=1e-12)
        assert display.labels == ("weight of b", "intercept")
    for wrong, message in ((("z", 0), "'z'"), ((0, 9), "9"), ((1, 1), "different")):
        with pytest.raises(ValueError, match=message):
            DescentPathDisplay.from_estimator(model, frame, y, parameters=wrong)


def test_paths_of_classes_perceptrons_and_pipelines():
    X, y = make("log_loss", n=80, outputs=3)
    options = {"record_path": True, "max_iter": 5, "tol": None, "random_state": 0}
    model = skgd.GDClassifier(**options).fit(X, y)
    display = DescentPathDisplay.from_estimator(model, X, y, parameters=(0, 6), resolution=5)
    assert display.labels == ("weight 0, output 0", "weight 1, output 1")
    pipeline = make_pipeline(StandardScaler(), skgd.GDMLPClassifier(hidden_layer_sizes=(3,), **options))
    display = DescentPathDisplay.from_estimator(pipeline.fit(X, y), X, y, resolution=5)
    np.testing.assert_allclose(display.paths[0][-1], display.optimum)
    assert display.optimum_.get_label() == "lowest end"
    assert np.isfinite(display.grid[2]).all()


def test_the_objective_at_the_end_of_a_perceptrons_path_is_its_loss():
    from skgd._landscape import landscape_of

    X, y = make(n=80)
    model = GDMLPRegressor(hidden_layer_sizes=(4, 3), record_path=True, max_iter=5, tol=None).fit(X, y)
    land, _ = landscape_of([model], X, y)
    assert land.objective(model.path_[-1]) == pytest.approx(model.loss_, rel=1e-12)


def test_animation_grows_the_paths(tmp_path):
    X, y = make(n=80, d=1)
    display = DescentPathDisplay.from_estimators(path_models(X, y), X, y, resolution=5)
    animation = display.animate(frames=4)
    animation._draw_frame(3)
    np.testing.assert_array_equal(display.lines_[0].get_xydata(), display.paths[0][:3])
    frames = list(animation.new_frame_seq())
    assert frames == [1, 6, 11, 16]
    pytest.importorskip("PIL")
    animation.save(tmp_path / "paths.gif", writer="pillow", dpi=30)
    assert (tmp_path / "paths.gif").stat().st_size > 1000


def test_paths_must_be_there_and_alike():
    X, y = make(n=80)
    (model, _) = path_models(X, y)
    with pytest.raises(NotFittedError, match="record_path=True"):
        DescentPathDisplay.from_estimator(GDRegressor(max_iter=2, tol=None).fit(X, y), X, y)
    (other, _) = path_models(X[:, :3], y)
    with pytest.raises(ValueError, match="different numbers of parameters"):
        DescentPathDisplay.from_estimators([model, other], X, y)
    with pytest.raises(ValueError, match="shape of the data"):
        DescentPathDisplay.from_estimator(model, X[:, :3], y)


def test_searches_show_their_best_estimator():
    X, y = make(n=60)
    search = skgd.GDRegressorCV(learning_rates=[0.01, 0.1], record_path=True, random_state=0, cv=3).fit(X, y)
    for kind, data in ((skgd.LossCurveDisplay, ()), (skgd.DescentPathDisplay, (X, y))):
        shown, alone = (kind.from_estimator(each, *data) for each in (search, search.best_estimator_))
        for line, other in zip(shown.lines_, alone.lines_, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), other.get_ydata())


def test_axes_of_a_path_are_two_different_parameters():
    X, y = make()
    model = GDRegressor(max_iter=3, tol=None, record_path=True, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="two different parameters"):
        DescentPathDisplay.from_estimator(model, X, y, parameters=(1, 1), resolution=5)


def test_rates_that_lower_the_objective_by_orders_of_magnitude_are_drawn_on_a_log_scale():
    rates, losses = np.array([1e-3, 1e-2, 1e-1, 1.0]), np.array([0.5, 0.05, 1e-4, 1e9])
    display = LearningRateDisplay(rates, losses, start=1.0, stable_limit=0.5).plot()
    assert display.ax_.get_yscale() == "log"
    np.testing.assert_array_equal(display.diverged_.get_xdata(), [1.0])
    assert 1.0 < display.diverged_.get_ydata()[0] <= 10.0  # a little above the start
    np.testing.assert_array_equal(np.isnan(display.line_.get_ydata()), [False, False, False, True])


# ---------------------------------------------------------------- regularisation paths


def legend_of(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_lines_are_the_weights_of_a_path():
    X, y = make()
    path = GDRegressor(penalty="l1").path(X, y, n_alphas=20)
    display = RegularizationPathDisplay.from_path(path, n_labels=2)
    assert len(display.lines_) == 5
    for line, weights in zip(display.lines_, path.coef.T, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), path.alphas)
        np.testing.assert_array_equal(line.get_ydata(), weights)
    largest = np.argsort(-np.abs(path.coef[-1]))
    assert legend_of(display) == [f"x{j}" for j in largest[:2]]
    colours = [display.lines_[j].get_color() for j in largest]
    assert colours[0] != colours[1] != colours[2] == colours[3] == colours[4]
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "alpha" and display.ax_.get_ylabel() == "weight"
    assert display.figure_ is display.ax_.figure and display.alpha_line_ is None


def test_a_chosen_alpha_is_a_vertical_line():
    X, y = make()
    search = GDRegressorCV(learning_rates="auto", alphas=[0.1, 0.01], penalty="l1", random_state=0).fit(X, y)
    display = RegularizationPathDisplay.from_estimator(search, X, y, n_alphas=5, n_labels=0)
    assert list(display.alpha_line_.get_xdata()) == [search.alpha_] * 2
    assert legend_of(display) == [f"alpha {search.alpha_:.3g}"]
    again = RegularizationPathDisplay.from_estimator(search.best_estimator_, X, y, alpha=0.5, n_alphas=5)
    assert list(again.alpha_line_.get_xdata()) == [0.5, 0.5]
    np.testing.assert_array_equal(again.weights, display.weights)
    pipeline = make_pipeline(FunctionTransformer(), GDRegressor(penalty="l1", random_state=0))
    for found in (
        make_pipeline(FunctionTransformer(), search),
        GridSearchCV(pipeline, {"gdregressor__alpha": [search.alpha_]}).fit(X, y),
    ):
        display = RegularizationPathDisplay.from_estimator(found, X, y, n_alphas=5)
        assert list(display.alpha_line_.get_xdata()) == [search.alpha_] * 2
        np.testing.assert_allclose(display.weights, again.weights)


def test_paths_of_several_classes_show_norms_or_one_class():
    X, y = make("log_loss", outputs=3)
    path = GDClassifier(penalty="l1", solver="batch").path(X, y, n_alphas=5)
    norms = RegularizationPathDisplay.from_path(path)
    np.testing.assert_allclose(norms.weights, np.linalg.norm(path.coef, axis=1))
    assert norms.ax_.get_ylabel() == "norm of the weights over the outputs"
    second = RegularizationPathDisplay.from_path(path, output=1, ax=norms.ax_)
    np.testing.assert_array_equal(second.weights, path.coef[:, 1])
    assert second.ax_ is norms.ax_


def test_a_path_behind_transformers_is_that_of_transformed_rows():
    pandas = pytest.importorskip("pandas")
    X, y = make()
    frame = pandas.DataFrame(X, columns=list("abcde"))
    pipeline = make_pipeline(StandardScaler(), GDRegressor(penalty="l1"))
    display = RegularizationPathDisplay.from_estimator(pipeline, frame, y, n_alphas=4, n_labels=5)
    path = GDRegressor(penalty="l1").path(StandardScaler().fit_transform(X), y, n_alphas=4)
    np.testing.assert_allclose(display.weights, path.coef, atol=1e-12)
    assert sorted(legend_of(display)) == list("abcde")
    nameless = make_pipeline(FunctionTransformer(), GDRegressor(penalty="l1"))
    display = RegularizationPathDisplay.from_estimator(nameless, X, y, n_alphas=4, n_labels=5)
    assert sorted(legend_of(display)) == ["x0", "x1", "x2", "x3", "x4"]
