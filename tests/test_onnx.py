"""to_onnx: graphs of ONNX predict what the models predict, alone and as steps of a Pipeline."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import (
    GDClassifier,
    GDClassifierCV,
    GDMLPClassifier,
    GDMLPRegressor,
    GDOneClassSVM,
    GDRegressor,
    GDRegressorCV,
    losses,
    preprocessing,
)
from skgd._network import ACTIVATIONS
from skgd.onnx import register_converters

runtime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

QUICK = {"max_iter": 3, "tol": None, "random_state": 0}
SMALL = {**QUICK, "hidden_layer_sizes": (7, 5)}
REGRESSION = sorted(name for name, loss in losses.LOSSES.items() if loss.task == "regression")
CLASSIFICATION = sorted(set(losses.LOSSES) - set(REGRESSION))


def run(proto, inputs):
    """Outputs by their names; `inputs` are an array or arrays by name."""
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    given = inputs if isinstance(inputs, dict) else {session.get_inputs()[0].name: np.asarray(inputs)}
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


def fitted(model, X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y, **options)


def same(model, X, inputs=None):
    """Holds the graph of a model to its predictions."""
    found = run(model.to_onnx(X), X if inputs is None else inputs)
    expected = model.predict(X)
    if "prediction" in found:
        assert found["prediction"].shape == expected.shape
        assert found["prediction"].dtype == expected.dtype
        scale = max(1.0, float(np.abs(expected).max())) * (2 if expected.dtype == np.float32 else 1)
        np.testing.assert_allclose(found["prediction"] / scale, expected / scale, rtol=0, atol=1e-6)
        return found
    np.testing.assert_array_equal(found["label"], expected)
    has = "probabilities" in found
    scores = model.predict_proba(X) if has else model.decision_function(X).reshape(len(expected), -1)
    assert has == hasattr(model, "predict_proba")
    np.testing.assert_allclose(found["probabilities" if has else "scores"], scores, rtol=0, atol=1e-6)
    return found


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X)[:200], y[:200] / 100


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X)[:300], y[:300]


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.mark.parametrize("loss", REGRESSION)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_regression(diabetes, loss, dtype):
    X, y = diabetes
    X = X.astype(dtype)
    same(fitted(GDRegressor(loss, **QUICK), X, y), X)
    same(fitted(GDMLPRegressor(loss, **SMALL), X, y), X)


@pytest.mark.parametrize("loss", CLASSIFICATION)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("data", ["cancer", "iris"])
def test_classification(request, loss, dtype, data):
    X, y = request.getfixturevalue(data)
    X = X.astype(dtype)
    same(fitted(GDClassifier(loss, **QUICK), X, y), X)
    same(fitted(GDMLPClassifier(loss, **SMALL), X, y), X)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations(diabetes, activation, dtype):
    X, y = diabetes
    X = 3 * X.astype(dtype)  # far out on both sides, too
    same(fitted(GDMLPRegressor(activation=activation, **SMALL), X, y), X)


def test_several_outputs(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, -y, y**2])
    same(fitted(GDRegressor(**QUICK), X, Y), X)
    same(fitted(GDMLPRegressor(**SMALL), X, Y), X)


@pytest.mark.parametrize("loss", ["log_loss", "modified_huber", "hinge"])
def test_multilabel(loss):
    X, Y = make_multilabel_classification(200, 6, n_classes=3, random_state=0)
    same(fitted(GDMLPClassifier(loss, **SMALL), X, Y), X)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", "bb", "c"]),
        np.array(["a", "bb", "c"], dtype=object),
        np.array([7, -3, 2]),
        np.array([0.0, 1.0, 2.0]),
    ],
    ids=["text", "objects", "integers", "floats"],
)
def test_labels(iris, labels):
    X, y = iris
    found = same(fitted(GDClassifier(**QUICK), X, labels[y]), X)
    assert found["probabilities"].shape == (len(X), 3)
    two = y < 2
    same(fitted(GDClassifier("hinge", **QUICK), X[two], labels[y[two]]), X[two])


def test_truth_values_become_numbers(cancer):
    X, y = cancer
    model = fitted(GDClassifier(**QUICK), X, y.astype(bool))
    np.testing.assert_array_equal(run(model.to_onnx(), X)["label"], model.predict(X).astype(int))


@pytest.mark.parametrize("loss", ["log_loss", "modified_huber", "hinge"])
@pytest.mark.parametrize("data", ["cancer", "iris", "labels"])
def test_members(request, loss, data):
    if data == "labels":
        X, y = make_multilabel_classification(200, 6, n_classes=3, random_state=0)
    else:
        X, y = request.getfixturevalue(data)
    same(fitted(GDMLPClassifier(loss, n_members=3, **SMALL), X, y), X)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_members_of_regression(diabetes, loss):
    X, y = diabetes
    same(fitted(GDMLPRegressor(loss, n_members=2, **SMALL), X, y), X)


@pytest.mark.parametrize("n_members", [1, 2])
def test_several_quantiles(diabetes, n_members):
    levels = losses.Quantile([0.1, 0.5, 0.9])
    same(fitted(GDRegressor(levels, **QUICK), *diabetes), diabetes[0])
    same(fitted(GDMLPRegressor(levels, n_members=n_members, **SMALL), *diabetes), diabetes[0])


def test_activations_of_layers(diabetes):
    same(fitted(GDMLPRegressor(activation=("tanh", "relu"), **SMALL), *diabetes), diabetes[0])


def test_an_activation_in_python_is_refused(diabetes):
    def cube(z):
        return z**3, 3 * z**2

    model = fitted(GDMLPRegressor(activation=cube, **SMALL), *diabetes)
    with pytest.raises(ValueError, match=r"activation=.*cube.* cannot be converted"):
        model.to_onnx(diabetes[0])


def test_soft_labels(iris):
    shares = np.eye(3)[iris[1]] * 0.7 + 0.1
    same(fitted(GDClassifier(losses.LogLoss(soft_labels=True), **QUICK), iris[0], shares), iris[0])


def test_searches(diabetes, iris):
    X, y = diabetes
    same(GDRegressorCV(random_state=0, max_iter=20).fit(X, y), X)
    X, y = iris
    same(GDClassifierCV(random_state=0, max_iter=20).fit(X, y), X)


def test_sparse_weights(diabetes):
    X, y = diabetes
    model = fitted(GDRegressor(penalty="l1", alpha=0.1, **QUICK), X, y)
    same(model.sparsify(), X)


def test_after_partial_fit(iris):
    X, y = iris
    same(GDClassifier(random_state=0).partial_fit(X, y, classes=[0, 1, 2]), X)


def test_precision_of_the_input(iris):
    """Weights in float64 predict in float64 from float32 rows, in both."""
    X, y = iris
    model = fitted(GDClassifier(**QUICK), X, y)
    single = X.astype(np.float32)
    found = run(model.to_onnx(single), single)["probabilities"]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, model.predict_proba(single), rtol=0, atol=1e-12)
    assert model.to_onnx().graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE


ENCODERS = [
    preprocessing.SmoothClipScaler(),
    preprocessing.SmoothClipScaler(limit=1.5),
    preprocessing.PiecewiseLinearEncoder(5),
    preprocessing.PeriodicEncoder(3, random_state=0),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_encoders(diabetes, encoder, dtype):
    X, y = diabetes
    X = X.astype(dtype)
    same(fitted(GDMLPRegressor(encoding=encoder, **SMALL), X, y), X)


def table():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame(
        {
            "size": rng.normal(50, 20, n),
            "colour": rng.choice(["red", "blue", "green", None], n, p=[0.5, 0.3, 0.18, 0.02]),
            "year": rng.integers(1950, 2020, n),
            "town": rng.choice([f"town {k}" for k in range(60)], n),
        }
    )
    frame.loc[rng.random(n) < 0.1, "size"] = np.nan
    y = (frame["colour"] == "red") * 1.0 + (frame["year"] > 1990)
    return frame, y.to_numpy()


def columns_of(frame):
    """The inputs of a graph: one for each column, (n, 1)."""
    inputs = {}
    for name in frame.columns:
        values = frame[name]
        if values.dtype.kind in "if":
            inputs[name] = values.to_numpy(dtype=float)[:, None]
        else:
            inputs[name] = np.array(
                [[value if isinstance(value, str) else ""] for value in values], dtype=object
            )
    return inputs


@pytest.mark.parametrize("n_members", [1, 2])
def test_tables(n_members):
    frame, y = table()
    model = fitted(GDMLPClassifier(n_members=n_members, **SMALL), frame, y)
    assert [each.name for each in model.to_onnx().graph.input] == list(frame.columns)
    same(model, frame, columns_of(frame))
    new = frame.head(5).copy()
    new["colour"] = ["purple", None, "red", "red", "blue"]  # unknown: zeros, or what is rare
    new["town"] = "elsewhere"
    new.loc[0, "year"] = 3000
    same(model, new, columns_of(new))


def test_missing_numbers_where_none_were_missing():
    frame, y = table()
    model = fitted(GDMLPRegressor(**SMALL), frame, y)
    new = frame.head(3).astype({"year": float}).copy()
    new.loc[1, "year"] = np.nan
    same(model, new, columns_of(new))


def test_tables_of_numbers_have_one_input():
    frame, y = table()
    X = frame[["size", "year"]].to_numpy(dtype=float)
    same(fitted(GDMLPRegressor(**SMALL), X, y), X)


def test_tables_of_whole_numbers():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 5, 200), rng.integers(-3, 3, 200)])
    encoder = preprocessing.TableEncoder(categorical_features=[0, 1])
    model = fitted(GDMLPRegressor(encoding=encoder, **SMALL), X, X[:, 0] * 1.0)
    same(model, X, {"x0": X[:, :1], "x1": X[:, 1:]})


# -- steps of a Pipeline -------------------------------------------------------------------------------------


def pipeline_of(model, X, y, encoders=(), **options):
    skl2onnx = pytest.importorskip("skl2onnx")
    register_converters()
    pipeline = fitted(make_pipeline(StandardScaler(), *encoders, model), X, y)
    return pipeline, skl2onnx.to_onnx(pipeline, X, **options)


@pytest.mark.parametrize("kind", [GDRegressor, GDMLPRegressor])
def test_pipeline_of_regression(diabetes, kind):
    X, y = diabetes
    pipeline, proto = pipeline_of(kind(**QUICK), 10 * X, y)
    (found,) = run(proto, 10 * X).values()
    assert found.shape == (len(X), 1)
    np.testing.assert_allclose(found.ravel(), pipeline.predict(10 * X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [GDClassifier, GDMLPClassifier])
@pytest.mark.parametrize("data", ["cancer", "iris"])
@pytest.mark.parametrize("loss", ["log_loss", "modified_huber", "hinge"])
def test_pipeline_of_classification(request, kind, data, loss):
    X, y = request.getfixturevalue(data)
    pipeline, proto = pipeline_of(kind(loss, **QUICK), X, y, options={"zipmap": False})
    labels, scores = run(proto, X).values()
    np.testing.assert_array_equal(labels, pipeline.predict(X))
    if hasattr(pipeline, "predict_proba"):
        np.testing.assert_allclose(scores, pipeline.predict_proba(X), rtol=0, atol=1e-6)
    else:
        expected = pipeline.decision_function(X)
        np.testing.assert_allclose(
            scores[:, -1], expected if expected.ndim == 1 else expected[:, -1], atol=1e-6
        )


def test_pipeline_with_probabilities_by_label(iris):
    """The default of skl2onnx, a dict for each row; runtimes have it in float32 only."""
    X, y = iris
    X = X.astype(np.float32)
    pipeline, proto = pipeline_of(GDClassifier(**QUICK), X, np.array(["a", "b", "c"])[y])
    labels, rows = run(proto, X).values()
    np.testing.assert_array_equal(labels, pipeline.predict(X))
    np.testing.assert_allclose(
        [[row[k] for k in "abc"] for row in rows], pipeline.predict_proba(X), atol=1e-6
    )


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_pipeline_with_an_encoder(diabetes, encoder):
    X, y = diabetes
    pipeline, proto = pipeline_of(GDRegressor(**QUICK), X, y, encoders=[encoder])
    (found,) = run(proto, X).values()
    np.testing.assert_allclose(found.ravel(), pipeline.predict(X), rtol=0, atol=1e-6)


def test_pipeline_of_many_labels():
    X, Y = make_multilabel_classification(200, 6, n_classes=3, random_state=0)
    pipeline, proto = pipeline_of(GDMLPClassifier(**SMALL), X, Y, options={"zipmap": False})
    labels, probabilities = run(proto, X).values()
    np.testing.assert_array_equal(labels, pipeline.predict(X))
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pipeline_of_outliers(cancer, dtype):
    X = cancer[0].astype(dtype)
    pipeline, proto = pipeline_of(GDOneClassSVM(nu=0.1, **QUICK), X, None)
    labels, scores = run(proto, X).values()
    expected, tolerance = pipeline.decision_function(X), 1e-5 if dtype == np.float32 else 1e-9
    assert labels.shape == scores.shape == (len(X),) and scores.dtype == dtype
    np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance)
    clear = np.abs(expected) > tolerance
    np.testing.assert_array_equal(labels[clear], pipeline.predict(X)[clear])
    assert set(labels) == {-1, 1}


def test_pipeline_in_single_precision(iris):
    X, y = iris
    pipeline, proto = pipeline_of(GDClassifier(**QUICK), X.astype(np.float32), y, options={"zipmap": False})
    _, found = run(proto, X.astype(np.float32)).values()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, pipeline.predict_proba(X.astype(np.float32)), rtol=0, atol=1e-6)


# -- what has no counterpart ---------------------------------------------------------------------------------


class Doubled(losses.SquaredError):
    def inverse_link(self, raw):
        return 2 * raw


class Quartic(losses.Loss):
    def value_and_slope(self, y, raw):
        residual = raw - y.reshape(raw.shape)
        return (residual**4 / 4).sum(axis=1), residual**3


def test_a_loss_in_python_needs_no_python_to_predict(diabetes):
    X, y = diabetes
    same(fitted(GDRegressor(Quartic(), **QUICK), X, y), X)


def test_a_link_in_python_is_refused(diabetes):
    model = fitted(GDRegressor(Doubled(), **QUICK), *diabetes)
    with pytest.raises(ValueError, match="Python code"):
        model.to_onnx()


def test_other_encoders_are_refused(diabetes):
    model = fitted(GDMLPRegressor(encoding=StandardScaler(), **SMALL), *diabetes)
    with pytest.raises(ValueError, match="Pipeline"):
        model.to_onnx()


def test_without_the_package(monkeypatch, iris):
    import importlib

    from skgd import _onnx_graph

    model = fitted(GDClassifier(**QUICK), *iris)
    real = importlib.import_module

    def missing(name, *rest):
        if name == "onnx":
            raise ImportError("No module named 'onnx'")
        return real(name, *rest)

    monkeypatch.setattr(_onnx_graph, "import_module", missing)
    with pytest.raises(ImportError, match=r"skgd\[onnx\]"):
        model.to_onnx()


def test_before_a_fit():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        GDRegressor().to_onnx()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", [np.float32, np.float64])
def test_outliers(dtype, given):
    X = StandardScaler().fit_transform(load_breast_cancer().data) + 1
    model = GDOneClassSVM(nu=0.1, **QUICK).fit(X.astype(dtype))
    X = X.astype(given)
    found, scores = run(model.to_onnx(X), X), model.decision_function(X)
    assert found["scores"].dtype == scores.dtype
    np.testing.assert_allclose(found["scores"], scores, rtol=1e-5, atol=1e-5)
    clear = np.abs(scores) > 1e-4
    np.testing.assert_array_equal(found["label"][clear], model.predict(X)[clear])
    assert set(found["label"]) == {-1, 1}
