"""Input: data frames, feature names, and clear words about what is wrong."""

import re
import warnings

import numpy as np
import pytest
from _data import KINDS, SOLVERS, csr, make, theta
from scipy import sparse

from skgd import GDClassifier, GDRegressor, losses, optimizers, schedules

BOTH = [GDRegressor, GDClassifier]


def data_of(kind, **params):
    return make("log_loss" if kind is GDClassifier else "squared_error", **params)


# ---------------------------------------------------------------- arrays


def unaligned(array):
    """The array at an address that is no multiple of the size of its elements."""
    memory = np.zeros(array.nbytes + 1, dtype=np.uint8)
    copy = memory[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    assert not copy.flags.aligned
    return copy


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_that_are_not_aligned_give_the_model_of_aligned_ones(kind, dtype):
    X, y = data_of(kind)
    X, weight = X.astype(dtype), np.random.default_rng(0).random(len(X)).astype(dtype)
    y = y.astype(dtype) if kind is GDRegressor else y
    rows = csr(X)
    parts = [unaligned(part) for part in (rows.data, rows.indices, rows.indptr)]
    scattered = sparse.csr_matrix(rows.shape, dtype=dtype)
    scattered.data, scattered.indices, scattered.indptr = parts
    for plain, odd in ((X, unaligned(X)), (rows, scattered)):
        expected = kind(random_state=0).fit(plain, y, weight)
        model = kind(random_state=0).fit(odd, unaligned(y), unaligned(weight))
        np.testing.assert_array_equal(theta(model), theta(expected))
        np.testing.assert_array_equal(model.predict(odd), expected.predict(plain))
        model.partial_fit(odd, unaligned(y), sample_weight=unaligned(weight))


@pytest.mark.parametrize("alpha", [{}, {"age": 1.0}, {1.0}])
def test_a_collection_without_order_is_no_alpha(alpha):
    with pytest.raises(ValueError, match="alpha must be a number, or an array"):
        GDRegressor(alpha=alpha).fit(*make("squared_error"))


# ---------------------------------------------------------------- data frames

NAMES = ["height", "width", "depth", "age", "price"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("kind", BOTH)
def test_data_frames(kind, library):
    frames = pytest.importorskip(library)
    X, y = data_of(kind)
    frame = frames.DataFrame(dict(zip(NAMES, X.T, strict=True)))
    column = frames.Series(y)
    model = kind(random_state=0)
    expected = theta(model.fit(X, y))
    assert not hasattr(model, "feature_names_in_")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(theta(model.fit(frame, column)), expected, rtol=1e-12)
        predicted = model.predict(frame)
        model.partial_fit(frame, column)
    np.testing.assert_array_equal(model.feature_names_in_, NAMES)
    assert isinstance(predicted, np.ndarray)
    swapped = frame[[*NAMES[1:], NAMES[0]]]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(swapped)
    with pytest.warns(UserWarning, match="valid feature names"):
        model.predict(X)


def test_a_frame_of_several_targets():
    pandas = pytest.importorskip("pandas")
    X, Y = make(outputs=3)
    model = GDRegressor(random_state=0)
    expected = theta(model.fit(X, Y))
    np.testing.assert_array_equal(theta(model.fit(X, pandas.DataFrame(Y))), expected)


def test_shapes_of_regressors():
    X, Y = make(outputs=3)
    one = GDRegressor(max_iter=2, tol=None).fit(X, Y[:, 0])
    assert (one.coef_.shape, one.intercept_.shape, one.predict(X).shape) == ((5,), (1,), (60,))
    many = GDRegressor(max_iter=2, tol=None).fit(X, Y)
    assert (many.coef_.shape, many.intercept_.shape, many.predict(X).shape) == (
        (3, 5),
        (3,),
        (60, 3),
    )
    np.testing.assert_allclose(many.predict(X), X @ many.coef_.T + many.intercept_, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(many.predict(csr(X)), many.predict(X), rtol=1e-12, atol=1e-14)


# ---------------------------------------------------------------- parameters

WRONG = [
    ("solver", "lbfgs", "batch"),
    ("batch_size", 0, "inf"),
    ("batch_size", 2.5, "int"),
    ("learning_rate", -1.0, "auto"),
    ("learning_rate", 0.0, "auto"),
    ("learning_rate", "fast", "auto"),
    ("learning_rate", float("nan"), "auto"),
    ("schedule", "warmup", "invscaling"),
    ("schedule", 3, "callable"),
    ("optimizer", "lion", "adam"),
    ("optimizer", 3, "adam"),
    ("penalty", "l3", "elasticnet"),
    ("alpha", -0.1, "inf"),
    ("l1_ratio", 1.5, "1"),
    ("max_iter", 0, "1"),
    ("tol", -1.0, "None"),
    ("n_iter_no_change", 0, "1"),
    ("check_every", 0, "epoch"),
    ("check_every", "update", "epoch"),
    ("validation_fraction", 1.0, "1"),
    ("validation_fraction", "half", "split"),
    ("scoring", 3, "callable"),
    ("max_time", 0.0, "0"),
    ("average", "always", "auto"),
    ("average", -3, "auto"),
    ("fit_intercept", "yes", "bool"),
    ("standardize", "yes", "bool"),
    ("shuffle", "yes", "bool"),
    ("warm_start", "yes", "bool"),
    ("record_path", "yes", "bool"),
    ("early_stopping", "yes", "bool"),
    ("random_state", "seed", "int"),
    ("n_jobs", 1.5, "int"),
    ("verbose", -1, "0"),
]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("parameter", "value", "allowed"), WRONG)
def test_a_wrong_parameter_is_named_with_its_value_and_what_is_allowed(kind, parameter, value, allowed):
    X, y = data_of(kind)
    with pytest.raises(ValueError) as caught:
        kind(**{parameter: value}).fit(X, y)
    message = str(caught.value)
    for part in (parameter, str(value), allowed):
        assert part in message


@pytest.mark.parametrize(
    ("kind", "loss", "allowed"),
    [
        (GDRegressor, "log_loss", "squared_error"),
        (GDRegressor, "mse", "huber"),
        (GDClassifier, "squared_error", "log_loss"),
        (GDClassifier, "logistic", "hinge"),
        (GDClassifier, 3, "log_loss"),
    ],
)
def test_a_wrong_loss_is_named_with_what_is_allowed(kind, loss, allowed):
    X, y = data_of(kind)
    with pytest.raises(ValueError, match=rf"(?s)loss.*{allowed}") as caught:
        kind(loss).fit(X, y)
    assert str(loss) in str(caught.value)


def test_a_wrong_class_weight_is_refused():
    X, y = data_of(GDClassifier)
    with pytest.raises(ValueError, match="class_weight"):
        GDClassifier(class_weight="even").fit(X, y)


def test_a_misspelt_parameter_is_refused():
    with pytest.raises(TypeError, match="learning_rat"):
        GDRegressor(learning_rat=0.1)
    with pytest.raises(ValueError, match="learning_rat"):
        GDRegressor().set_params(learning_rat=0.1)


# ---------------------------------------------------------------- data


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_values_that_are_not_finite(storage, bad, solver):
    X, y = make()
    spoilt = X.copy()
    spoilt[3, 1] = bad
    model = GDRegressor(solver=solver)
    with pytest.raises(ValueError, match=r"(?i)nan|infinity"):
        model.fit(storage(spoilt), y)
    spoilt = y.copy()
    spoilt[3] = bad
    with pytest.raises(ValueError, match=r"(?i)nan|infinity"):
        model.fit(storage(X), spoilt)
    weights = np.ones(len(y))
    weights[3] = bad
    with pytest.raises(ValueError, match=r"(?i)nan|infinity"):
        model.fit(storage(X), y, sample_weight=weights)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("kind", BOTH)
def test_shapes_that_do_not_match(kind):
    X, y = data_of(kind)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        kind().fit(X, y[:-1])
    with pytest.raises(ValueError, match="sample_weight"):
        kind().fit(X, y, sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="0 sample"):
        kind().fit(X[:0], y[:0])
    model = kind().fit(X, y)
    with pytest.raises(ValueError, match="expecting 5 features"):
        model.predict(X[:, :4])
    with pytest.raises(ValueError, match="expecting 5 features"):
        model.partial_fit(X[:, :4], y)
    with pytest.raises(ValueError, match="coef_init"):
        kind().fit(X, y, coef_init=np.ones(4))
    with pytest.raises(ValueError, match="intercept_init"):
        kind().fit(X, y, intercept_init=np.ones(4))


@pytest.mark.parametrize(("loss", "value"), [("poisson", -1.0), ("gamma", 0.0), ("tweedie", -1.0)])
def test_targets_outside_the_range_of_the_loss(loss, value):
    X, y = make(loss)
    y[4] = value
    with pytest.raises(ValueError, match=rf"(?s)\by\b.*{loss}|{loss}.*\by\b"):
        GDRegressor(loss).fit(X, y)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", SOLVERS)
def test_one_row_and_one_feature(kind, solver):
    X, y = np.array([[1.0], [-1.0]]), np.array([1, 0])
    model = kind(solver=solver, random_state=0).fit(X, y)
    assert model.predict([[2.0]]).shape == (1,)
    if kind is GDRegressor:
        assert np.isfinite(kind(solver=solver).fit(X[:1], y[:1]).predict(X)).all()


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_features_of_enormous_size_raise_nothing_internal(solver):
    X, y = np.random.default_rng(0).standard_normal((50, 3)) * 1e100, np.arange(50.0)
    assert np.isfinite(GDRegressor(solver=solver, max_iter=3).fit(X, y).coef_).all()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("rate", ["auto", 1e-3])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e160, 1e300, 1e308])
def test_features_whose_squares_overflow_are_an_error(size, kind, solver, rate):
    X, y = np.random.default_rng(0).uniform(-1, 1, (50, 3)), np.arange(50) % 2
    X[:, 1] *= size
    X[7, 1] = -size
    model = kind(solver=solver, learning_rate=rate, max_iter=20)
    classes = {} if model._task == "regression" else {"classes": [0, 1]}
    for storage in (np.asarray, sparse.csr_array):
        largest = re.escape(f"overflow float64. The largest absolute value is {size:.3g}, in column 1. Scale")
        with pytest.raises(ValueError, match=f"X is too large: .*{largest}"):
            model.fit(storage(X), y)
        if solver != "batch" and rate == "auto":
            with pytest.raises(ValueError, match="X is too large"):
                model.partial_fit(storage(X), y, **classes)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e20, 1e38])
def test_single_precision_serves_features_whose_squares_overflow_it_in_other_units_only(size, kind, solver):
    X, y = np.random.default_rng(0).uniform(-1, 1, (50, 3)), np.arange(50) % 2
    X[:, 1] *= size
    single = X.astype(np.float32)
    params = {"solver": solver, "max_iter": 20, "tol": None, "random_state": 0}
    with pytest.raises(ValueError, match=r"X is too large: .* overflow float32"):
        kind(standardize=False, **params).fit(single, y)
    expected = kind(**params).fit(X, y).loss_
    assert kind(**params).fit(single, y).loss_ == pytest.approx(expected, rel=1e-3)


def test_gradients_that_overflow_the_state_of_a_rule_are_an_error():
    X, y = make()
    model = GDRegressor(optimizer="adam", learning_rate=0.1, solver="batch", standardize=False, max_iter=2)
    with pytest.raises(ValueError, match=r"overflows float64: the largest absolute values are .* in y"):
        model.fit(X * 1e100, y * 1e75)


# ---------------------------------------------------------------- what to write instead


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        ("learning_rate", "constant", 'Write schedule="constant"'),
        ("learning_rate", "optimal", 'Write schedule="optimal"'),
        ("solver", "adam", 'Write optimizer="adam"'),
        ("solver", "lbfgs", 'Write solver="batch"'),
        ("optimizer", "sgd", 'Write optimizer="plain"'),
        ("optimizer", "adm", "Did you mean 'adam'"),
        ("loss", "mse", "Did you mean 'squared_error'"),
        ("loss", "hubber", "Did you mean 'huber'"),
        ("loss", "Smooth-L1", "Did you mean 'huber'"),
        ("penalty", "lasso", "Did you mean 'l1'"),
        ("penalty", "L2", "Did you mean 'l2'"),
        ("schedule", "inv", "Did you mean 'invscaling'"),
        ("schedule", "cosin", "Did you mean 'cosine'"),
    ],
)
def test_words_of_other_libraries(parameter, value, words):
    X, y = make()
    with pytest.raises(ValueError, match=parameter) as caught:
        GDRegressor(**{parameter: value}).fit(X, y)
    assert words in str(caught.value)
    assert "'adadelta', 'adagrad', 'adam'" in str(caught.value) or parameter != "optimizer"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("eta0", "Write learning_rate"),
        ("learning_rate_init", "Write learning_rate"),
        ("epochs", "Write max_iter"),
        ("batchsize", "Did you mean 'batch_size'"),
        ("momentum", "optimizer=skgd.optimizers.Momentum"),
    ],
)
def test_parameters_of_other_libraries(name, words):
    with pytest.raises(TypeError, match=f"GDRegressor has no parameter '{name}'") as caught:
        GDRegressor(**{name: 1})
    assert words in str(caught.value)
    with pytest.raises(ValueError, match=f"GDRegressor has no parameter '{name}'") as caught:
        GDRegressor().set_params(**{name: 1})
    assert words in str(caught.value)


def test_parameters_of_objects_are_set():
    model = GDRegressor(optimizer=optimizers.Adam()).set_params(alpha=0.5, optimizer__beta_1=0.8)
    assert (model.alpha, model.optimizer.beta_1) == (0.5, 0.8)
    with pytest.raises(ValueError, match="'beta'"):
        model.set_params(optimizer__beta=0.8)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (
            {"loss": losses.Quantile([0.9, 0.1])},
            "quantile=.* must be a number between 0 and 1, or several that rise",
        ),
        ({"loss": losses.Quantile("median")}, "quantile='median' must be a number between 0 and 1"),
        ({"schedule": schedules.Step(period=[15, 30])}, "period=.* must be one number"),
        ({"penalty": "elasticnet", "l1_ratio": None}, "l1_ratio=None"),
    ],
)
def test_one_number_is_wanted(params, words):
    X, y = make()
    with pytest.raises(ValueError, match=words):
        GDRegressor(**params).fit(X, y)


def test_no_ratio_is_needed_where_it_has_no_use():
    X, y = make()
    expected = GDRegressor(random_state=0).fit(X, y).coef_
    np.testing.assert_array_equal(GDRegressor(l1_ratio=None, random_state=0).fit(X, y).coef_, expected)


def test_a_subclass_of_an_optimizer_is_an_error():
    class Mine(optimizers.Adam):
        """With a rule of its own."""

    X, y = make()
    with pytest.raises(ValueError, match=r"optimizer=.*subclasses of Optimizer cannot be used"):
        GDRegressor(optimizer=Mine()).fit(X, y)


@pytest.mark.parametrize("kind", BOTH)
def test_a_sparse_y_is_an_error(kind):
    X, y = data_of(kind)
    with pytest.raises((ValueError, TypeError), match=r"(?i)sparse"):
        kind().fit(X, csr(y[:, None]))


def test_several_classes_a_row_are_an_error_that_says_what_to_pass():
    X, y = data_of(GDClassifier)
    with pytest.raises(
        ValueError, match=r"several labels a row as a matrix of zeros and ones.*MultiOutputCl"
    ):
        GDClassifier().fit(X, np.column_stack([y, 1 - y, 2 * y]))


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("kind", BOTH)
def test_columns_of_text_are_named(kind, library):
    frames = pytest.importorskip(library)
    X, y = data_of(kind)
    frame = frames.DataFrame({"size": X[:, 0], "city": ["Bonn"] * len(y)})
    with pytest.raises(ValueError, match=r"columns \['city'\] of X hold text"):
        kind().fit(frame, y)


def test_labels_of_different_types_are_an_error():
    X, y = data_of(GDClassifier)
    mixed = np.array([1, "one"], dtype=object)[y]
    with pytest.raises(ValueError, match="different types"):
        GDClassifier().fit(X, mixed)


@pytest.mark.parametrize("name", ["coef_init", "intercept_init"])
def test_a_start_that_is_not_finite_is_an_error(name):
    X, y = make()
    start = np.full(5 if name == "coef_init" else 1, np.nan)
    with pytest.raises(ValueError, match=f"{name} contains NaN"):
        GDRegressor().fit(X, y, **{name: start})
