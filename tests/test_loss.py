"""Every loss: formula, slope, behaviour far out, and the same loss written in Python."""

import _reference as reference
import numpy as np
import pytest
import sklearn._loss as oracle
from _data import SOLVERS, STILL, csr, estimator, make, theta, thin

from skgd import GDRegressor, losses

VARIANTS = [
    *((name, {}) for name in losses.LOSSES),
    ("huber", {"epsilon": 0.4}),
    ("quantile", {"quantile": 0.1}),
    ("quantile", {"quantile": 0.85}),
    ("epsilon_insensitive", {"epsilon": 0.6}),
    ("squared_epsilon_insensitive", {"epsilon": 0.0}),
    ("tweedie", {"power": 1.2}),
    ("tweedie", {"power": 1.9}),
    ("log_loss", {"label_smoothing": 0.1}),
    ("log_loss", {"label_smoothing": 0.7}),
]
CASES = [(name, params, outputs) for name, params in VARIANTS for outputs in (1, 3)]
ORACLES = {
    "squared_error": lambda: oracle.HalfSquaredError(),
    "absolute_error": lambda: oracle.AbsoluteError(),
    "quantile": lambda quantile=0.5: oracle.PinballLoss(quantile=quantile),
    "huber": lambda epsilon=1.35: oracle.HuberLoss(delta=epsilon),
    "poisson": lambda: oracle.HalfPoissonLoss(),
    "gamma": lambda: oracle.HalfGammaLoss(),
    "tweedie": lambda power=1.5: oracle.HalfTweedieLoss(power=power),
}


def sample(name, outputs, rows=80, seed=0):
    """Targets and raw scores of one loss, away from the kinks."""
    rng = np.random.default_rng(seed)
    raw = 2 * rng.normal(size=(rows, outputs))
    if name in reference.CLASSIFICATION:
        return rng.integers(0, max(2, outputs), rows), raw
    return np.exp(rng.normal(size=(rows, outputs))), raw


def test_the_table_names_every_documented_loss():
    assert set(losses.LOSSES) == set(reference.REGRESSION) | reference.CLASSIFICATION
    for loss in losses.LOSSES.values():
        assert issubclass(loss, losses.Loss)


@pytest.mark.parametrize(("name", "params", "outputs"), CASES)
def test_value_and_slope_follow_the_formula(name, params, outputs):
    y, raw = sample(name, outputs)
    values, slopes = losses.LOSSES[name](**params).value_and_slope(y, raw)
    expected_values, expected_slopes = reference.value_and_slope(name, y, raw, **params)
    assert values.shape == (80,)
    assert slopes.shape == (80, outputs)
    np.testing.assert_allclose(values, expected_values, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(slopes, expected_slopes, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "params", "outputs"), CASES)
def test_slope_is_the_derivative_of_value(name, params, outputs):
    loss, step = losses.LOSSES[name](**params), 1e-6
    y, raw = sample(name, outputs, seed=1)
    _, slopes = loss.value_and_slope(y, raw)
    for k, shift in enumerate(step * np.eye(outputs)):
        above, _ = loss.value_and_slope(y, raw + shift)
        below, _ = loss.value_and_slope(y, raw - shift)
        np.testing.assert_allclose((above - below) / (2 * step), slopes[:, k], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "params"), [case for case in VARIANTS if case[0] in ORACLES])
def test_agrees_with_the_losses_of_scikit_learn(name, params):
    y, raw = sample(name, 1, seed=2)
    values, slopes = losses.LOSSES[name](**params).value_and_slope(y, raw)
    expected = ORACLES[name](**params).loss_gradient(y[:, 0].copy(), raw[:, 0].copy())
    np.testing.assert_allclose(values, expected[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(slopes[:, 0], expected[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("outputs", [1, 3, 5])
def test_log_loss_agrees_with_scikit_learn(outputs):
    y, raw = sample("log_loss", outputs, seed=3)
    twin = oracle.HalfBinomialLoss() if outputs == 1 else oracle.HalfMultinomialLoss(n_classes=outputs)
    scores = raw[:, 0].copy() if outputs == 1 else raw
    expected = twin.loss_gradient(y.astype(float), scores)
    values, slopes = losses.LogLoss().value_and_slope(y, raw)
    np.testing.assert_allclose(values, expected[0], rtol=1e-12)
    np.testing.assert_allclose(slopes, expected[1].reshape(slopes.shape), rtol=1e-12, atol=1e-15)


def test_softmax_of_two_columns_is_the_binary_log_loss():
    y, raw = sample("log_loss", 1, seed=4)
    values, slopes = losses.LogLoss().value_and_slope(y, raw)
    pair, pair_slopes = losses.LogLoss().value_and_slope(y, np.c_[np.zeros(80), raw[:, 0]])
    np.testing.assert_allclose(values, pair, rtol=1e-12)
    np.testing.assert_allclose(slopes[:, 0], pair_slopes[:, 1], rtol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("scale", [1, 50, 700])
@pytest.mark.parametrize("outputs", [3, 7])
def test_softmax_slopes_sum_to_zero(outputs, scale, smoothing):
    y, raw = sample("log_loss", outputs, seed=5)
    _, slopes = losses.LogLoss(smoothing).value_and_slope(y, scale * raw / np.abs(raw).max())
    np.testing.assert_allclose(slopes.sum(axis=1), 0, atol=1e-14)


@pytest.mark.parametrize("outputs", [1, 4])
def test_no_smoothing_is_the_plain_log_loss(outputs):
    y, raw = sample("log_loss", outputs, seed=9)
    plain = losses.LogLoss().value_and_slope(y, raw)
    for found, expected in zip(losses.LogLoss(0.0).value_and_slope(y, raw), plain, strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(losses.LogLoss(1e-12).value_and_slope(y, raw), plain, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def test_labels_are_smoothed_one_by_one():
    y = np.random.default_rng(0).integers(0, 2, (60, 3))
    raw = np.random.default_rng(1).normal(size=(60, 3))
    values, slopes = losses.LogLoss(0.2).value_and_slope(y, raw)
    alone = [losses.LogLoss(0.2).value_and_slope(y[:, k], raw[:, k]) for k in range(3)]
    np.testing.assert_allclose(values, sum(part[0] for part in alone), rtol=1e-12)
    np.testing.assert_allclose(slopes, np.column_stack([part[1] for part in alone]), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", SOLVERS)
def test_fits_with_smoothed_labels_follow_the_formula(solver, storage, outputs, weighted):
    X, y = make("log_loss", n=50, outputs=outputs)
    X, weight = storage(thin(X)), np.random.default_rng(0).uniform(0, 2, 50) if weighted else None
    params = {"solver": solver, "batch_size": 8, "learning_rate": 0.05, "max_iter": 3, **STILL}
    built_in = estimator("log_loss", **params).set_params(loss=losses.LogLoss(0.2))
    built_in.fit(X, y, sample_weight=weight)
    written = estimator("log_loss", **params).set_params(loss=Smoothed()).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(theta(written), theta(built_in), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(written.loss_curve_, built_in.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(written.loss_, built_in.loss_, rtol=1e-9)


def test_the_optimum_has_smoothed_probabilities():
    """Of rows that only their class tells apart, probabilities become the targets."""
    y = np.repeat([0, 1, 2], 40)
    model = estimator("log_loss", solver="batch", max_iter=2000, alpha=0.0)
    model.set_params(loss=losses.LogLoss(0.3)).fit(np.eye(3)[y], y)
    expected = 0.7 * np.eye(3) + 0.1
    np.testing.assert_allclose(model.predict_proba(np.eye(3)), expected, atol=1e-3)


@pytest.mark.parametrize("size", [50, 700])
@pytest.mark.parametrize(("name", "params", "outputs"), CASES)
def test_extreme_raw_scores_stay_finite(name, params, outputs, size):
    y, raw = sample(name, outputs, seed=6)
    raw = size * np.sign(raw)
    y = y if name in reference.CLASSIFICATION else np.clip(y, 0.5, 2)
    values, slopes = losses.LOSSES[name](**params).value_and_slope(y, raw)
    expected_values, expected_slopes = reference.value_and_slope(name, y, raw, **params)
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()
    np.testing.assert_allclose(values, expected_values, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(slopes, expected_slopes, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "params", "outputs"), CASES)
def test_single_precision_stays_single(name, params, outputs):
    y, raw = sample(name, outputs, seed=7)
    raw = raw.astype(np.float32)
    y = y if name in reference.CLASSIFICATION else y.astype(np.float32)
    values, slopes = losses.LOSSES[name](**params).value_and_slope(y, raw)
    assert values.dtype == np.float32
    assert slopes.dtype == np.float32
    expected_values, expected_slopes = reference.value_and_slope(name, y, raw, **params)
    np.testing.assert_allclose(values, expected_values, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(slopes, expected_slopes, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("name", "params"), VARIANTS)
def test_one_output_may_be_flat(name, params):
    y, raw = sample(name, 1, seed=8)
    loss = losses.LOSSES[name](**params)
    values, slopes = loss.value_and_slope(y, raw)
    flat_values, flat_slopes = loss.value_and_slope(y.ravel(), raw.ravel())
    np.testing.assert_array_equal(flat_values, values)
    np.testing.assert_array_equal(np.reshape(flat_slopes, (80, 1)), slopes)


def test_a_perceptron_leaves_zero():
    _, slopes = losses.Perceptron().value_and_slope(np.array([0, 1]), np.zeros((2, 1)))
    np.testing.assert_array_equal(slopes, [[1], [-1]])  # the one-sided derivative that learns


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("huber", {"epsilon": -1.0}),
        ("quantile", {"quantile": 1.5}),
        ("epsilon_insensitive", {"epsilon": -0.1}),
        ("tweedie", {"power": 0.5}),
        ("log_loss", {"label_smoothing": 1.0}),
    ],
)
def test_parameters_out_of_range_are_refused_by_fit(name, params):
    X, y = make(name)
    ((parameter, value),) = params.items()
    with pytest.raises(ValueError, match=rf"(?s){parameter}.*{value}"):
        estimator(name).set_params(loss=losses.LOSSES[name](**params)).fit(X, y)


# ---------------------------------------------------------------- losses written in Python


class Written(losses.Loss):
    """Any loss of the table by its NumPy formula, as a user would write it."""

    def __init__(self, formula="squared_error"):
        self.formula = formula

    @property
    def task(self):
        return "classification" if self.formula in reference.CLASSIFICATION else "regression"

    def value_and_slope(self, y, raw):
        return reference.value_and_slope(self.formula, y, raw)


class Smoothed(losses.Loss):
    """Log loss of smoothed labels by its NumPy formula."""

    task = "classification"

    def value_and_slope(self, y, raw):
        return reference.value_and_slope("log_loss", y, raw, label_smoothing=0.2)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["squared_error", "huber", "poisson", "log_loss", "squared_hinge"])
def test_a_loss_in_python_gives_the_model_of_the_built_in_one(name, solver, storage, outputs):
    X, y = make(name, n=50, outputs=outputs)
    X = storage(thin(X))
    params = {"solver": solver, "batch_size": 8, "learning_rate": 0.05, "max_iter": 3, **STILL}
    built_in = estimator(name, **params).fit(X, y)
    written = estimator(name, **params).set_params(loss=Written(name)).fit(X, y)
    np.testing.assert_allclose(theta(written), theta(built_in), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(written.loss_curve_, built_in.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(written.loss_, built_in.loss_, rtol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_loss_in_python_with_weights_and_l1(solver):
    X, y = make(n=50)
    weights = np.random.default_rng(0).uniform(0, 2, 50)
    params = {"solver": solver, "learning_rate": 0.05, "max_iter": 4, "penalty": "l1", "alpha": 0.1}
    built_in = estimator(**params, **STILL).fit(X, y, sample_weight=weights)
    written = estimator(**params, **STILL).set_params(loss=Written())
    written.fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(theta(written), theta(built_in), rtol=1e-9, atol=1e-11)


class Doubled(losses.SquaredError):
    """A built-in loss with its formula overridden: the formula counts, not the ancestor."""

    def value_and_slope(self, y, raw):
        values, slopes = super().value_and_slope(y, raw)
        return 2 * values, 2 * slopes


@pytest.mark.parametrize("solver", SOLVERS)
def test_overriding_a_built_in_loss_is_heard(solver):
    X, y = make(n=50)
    params = {"solver": solver, "max_iter": 3, "penalty": None, **STILL}
    twice = estimator(learning_rate=0.1, **params).fit(X, y)
    doubled = estimator(learning_rate=0.05, **params).set_params(loss=Doubled()).fit(X, y)
    np.testing.assert_allclose(theta(doubled), theta(twice), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_error_in_a_written_loss_reaches_the_user(solver):
    class Broken(losses.Loss):
        def value_and_slope(self, y, raw):
            raise ZeroDivisionError("my own mistake")

    X, y = make()
    with pytest.raises(ZeroDivisionError, match="my own mistake"):
        estimator(solver=solver, learning_rate=0.05).set_params(loss=Broken()).fit(X, y)


# ---------------------------------------------------------------- where fits start


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", [1e-2, 1.0, 50.0])
@pytest.mark.parametrize(
    ("name", "params"),
    [
        *(("quantile", {"quantile": share}) for share in (0.2, 0.5, 0.9)),
        *((name, {}) for name in ("absolute_error", "huber", "log_cosh", "squared_error")),
    ],
)
def test_fits_start_at_about_the_best_constant(name, params, scale, weighted):
    rng = np.random.default_rng(0)
    y = scale * (rng.standard_t(2, size=101) + 2)  # heavy tails
    weight = rng.integers(0, 4, 101).astype(float) if weighted else None
    loss = losses.LOSSES[name](**params)

    def objective(constant):
        return np.average(loss.value_and_slope(y, np.full((101, 1), constant))[0], weights=weight)

    best = min(map(objective, np.linspace(*np.quantile(y, [0.01, 0.99]), 2001)))
    assert objective(float(loss._constant(y, weight)[0])) < 1.01 * best


def test_log_cosh_of_small_residuals():
    """log cosh r = log(1 + 2 sinh^2(r / 2)) to all digits; differences of exponentials lose them."""
    r = np.logspace(-150, 0, 400)
    for sign in (-1.0, 1.0):
        values, slopes = losses.LogCosh().value_and_slope(np.zeros(400), sign * r[:, None])
        np.testing.assert_allclose(values, np.log1p(2 * np.sinh(r / 2) ** 2), rtol=1e-12)
        np.testing.assert_allclose(slopes[:, 0], sign * np.tanh(r), rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_log_cosh_fits_small_units_of_y_in_float32(solver):
    """Rounding left a model of 1e-8 y at its start, or worse than a constant, without a word."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)).astype(np.float32)
    y = X @ [1.0, -0.5, 0.0, 2.0] + rng.normal(size=300)
    model = GDRegressor("log_cosh", solver=solver, penalty=None, random_state=0)
    scores = [model.fit(X, (unit * y).astype(np.float32)).score(X, unit * y) for unit in (1e-3, 1e-6, 1e-8)]
    np.testing.assert_allclose(scores, scores[0], atol=1e-3)
