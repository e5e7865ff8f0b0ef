"""Sample weights and class weights."""

import decimal

import _reference as reference
import numpy as np
import pytest
from _data import KINDS, SOLVERS, STILL, csr, estimator, make, pairs, theta, thin
from sklearn.base import clone
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    check_sample_weight_equivalence_on_sparse_data,
)

import skgd
from skgd._design import design_of
from skgd._residuals import spread
from skgd.optimizers import OPTIMIZERS

LOSSES = ["squared_error", "huber", "poisson", "log_loss", "hinge"]
STORAGES = [np.asarray, csr]


def model_of(loss="squared_error", **params):
    fixed = {"learning_rate": 0.03, "max_iter": 6, "alpha": 0.05, "batch_size": 16}
    return estimator(loss, **{**fixed, **STILL, **params})


def assert_same(model, other, rtol=1e-9, **tolerance):
    np.testing.assert_allclose(theta(model), theta(other), rtol=rtol, atol=1e-11, **tolerance)


@pytest.mark.parametrize("rate", [0.03, "auto"])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", LOSSES)
def test_integer_weights_are_repeated_rows(loss, storage, rate):
    X, y = make(loss, outputs=1 if loss == "poisson" else 3)
    times = np.random.default_rng(0).integers(0, 4, len(y))
    params = {"solver": "batch", "learning_rate": rate}
    weighted = model_of(loss, **params).fit(storage(X), y, sample_weight=times)
    repeated = model_of(loss, **params).fit(storage(np.repeat(X, times, axis=0)), np.repeat(y, times, axis=0))
    tolerance = 1e-9 if rate == 0.03 else 1e-6
    assert weighted.learning_rate_ == pytest.approx(repeated.learning_rate_, rel=1e-6)
    assert_same(weighted, repeated, rtol=tolerance)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=tolerance)
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=tolerance)


@pytest.mark.parametrize("rate", [0.03, "auto"])
@pytest.mark.parametrize("loss", LOSSES)
def test_zero_weights_are_absent_rows(loss, rate):
    X, y = make(loss)
    weights = np.where(np.arange(len(y)) % 3 == 0, 0.0, 2.5)
    kept = weights > 0
    params = {"solver": "batch", "learning_rate": rate}
    weighted = model_of(loss, **params).fit(X, y, sample_weight=weights)
    without = model_of(loss, **params).fit(X[kept], y[kept])
    assert_same(weighted, without, rtol=1e-9 if rate == 0.03 else 1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_only_the_proportions_of_weights_count(loss, solver):
    X, y = make(loss)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(y))
    one = model_of(loss, solver=solver).fit(X, y, sample_weight=weights)
    hundred = model_of(loss, solver=solver).fit(X, y, sample_weight=100 * weights)
    assert_same(hundred, one)
    np.testing.assert_allclose(hundred.loss_curve_, one.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_equal_weights_are_no_weights(loss, solver):
    X, y = make(loss)
    plain = model_of(loss, solver=solver).fit(X, y)
    assert_same(model_of(loss, solver=solver).fit(X, y, sample_weight=np.full(len(y), 7.0)), plain)
    assert_same(model_of(loss, solver=solver).fit(X, y, sample_weight=7.0), plain)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(("optimizer", "solver"), pairs(without=["nesterov"]))
def test_a_weight_multiplies_the_gradient_of_its_row(solver, optimizer, storage):
    size = {"batch": None, "minibatch": 16, "sgd": 1}[solver]
    X, y = make(n=40)
    X = storage(thin(X))
    weights = np.random.default_rng(2).uniform(0, 2, 40)
    model = model_of(solver=solver, optimizer=optimizer, max_iter=3)
    model.fit(X, y, sample_weight=weights)
    path = reference.descend(
        X, y, rule=optimizer, rate=0.03, batch_size=size, epochs=3, l2=0.05, weights=weights
    )
    np.testing.assert_allclose(theta(model), path[-1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(("optimizer", "solver"), pairs(["minibatch", "sgd"]))
def test_a_minibatch_of_zero_weights_is_an_update_without_a_gradient(solver, optimizer, storage):
    size = {"minibatch": 8, "sgd": 1}[solver]
    X, y = make(n=40)
    weights = np.where(np.arange(40) // 8 == 2, 0.0, 1.0)  # the third batch of eight
    X = storage(X)
    model = model_of(solver=solver, batch_size=8, optimizer=optimizer, max_iter=2)
    model.fit(X, y, sample_weight=weights)
    path = reference.descend(
        X, y, rule=optimizer, rate=0.03, batch_size=size, epochs=2, l2=0.05, weights=weights
    )
    assert np.isfinite(theta(model)).all()
    assert np.isfinite(model.loss_curve_).all()
    np.testing.assert_allclose(theta(model), path[-1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_all_weights_zero_is_refused(solver):
    X, y = make()
    with pytest.raises(ValueError, match=r"(?i)weight"):
        model_of(solver=solver).fit(X, y, sample_weight=np.zeros(len(y)))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson"])
def test_weights_that_vanish_in_the_precision_of_a_fit_are_zero(loss):
    X, y = make(n=40, d=3)
    stream = skgd.GDMLPRegressor(loss, dtype="float32", random_state=0)
    stream.partial_fit(X, np.abs(y), sample_weight=np.full(40, 1e-300))
    assert np.isfinite(stream.partial_fit(X, np.abs(y)).predict(X)).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_negative_weights_are_refused(solver):
    X, y = make()
    with pytest.raises(ValueError, match=r"(?i)weight"):
        model_of(solver=solver).fit(X, y, sample_weight=np.r_[-1.0, np.ones(len(y) - 1)])


# ---------------------------------------------------------------- class weights


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_class_weights_multiply_sample_weights(outputs, loss, solver):
    X, y = make(loss, outputs=outputs)
    sample = np.random.default_rng(3).uniform(0.5, 2, len(y))
    classes = {0: 0.5, 1: 2.0, 2: 3.0} if outputs == 3 else {0: 0.5, 1: 2.0}
    factor = np.array([classes[label] for label in y])
    by_class = model_of(loss, solver=solver, class_weight=classes)
    assert_same(
        by_class.fit(X, y, sample_weight=sample),
        model_of(loss, solver=solver).fit(X, y, sample_weight=sample * factor),
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_balanced_weights_undo_the_frequencies(solver):
    X, y = make("log_loss", outputs=3)
    counts = np.bincount(y)
    balanced = model_of("log_loss", solver=solver, class_weight="balanced").fit(X, y)
    by_hand = model_of("log_loss", solver=solver).fit(X, y, sample_weight=1 / counts[y])
    assert_same(balanced, by_hand)


@pytest.mark.parametrize("solver", SOLVERS)
def test_most_weights_zero(solver):
    X, y = make(n=20_000, d=3)
    weight = np.zeros(len(y))
    weight[:: len(y) // 20] = 1
    model = estimator("squared_error", solver=solver, max_iter=3).fit(X, y, sample_weight=weight)
    assert np.isfinite(theta(model)).all()


@pytest.mark.parametrize("rate", ["auto", 0.001])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_balanced_class_without_weight(solver, rate):
    X, y = make("log_loss", outputs=1)
    params = {"solver": solver, "learning_rate": rate, "max_iter": 3}
    weight = (y == y[0]).astype(float)
    balanced = estimator("log_loss", class_weight="balanced", **params).fit(X, y, sample_weight=weight)
    plain = estimator("log_loss", **params).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(theta(balanced), theta(plain), rtol=1e-9)


# ---------------------------------------------------------------- the automatic rate sees the weights


@pytest.mark.parametrize("weight", [[1, 1, 2, 0, 3], [0, 2, 0, 2, 1], [1, 1, 1, 1, 0]])
def test_the_spread_of_the_targets_is_that_of_repeated_rows(weight):
    y = np.array([3.0, -1.0, 7.0, 2.0, 11.0])
    repeated = spread(np.repeat(y, weight), None)
    assert spread(y, np.array(weight, dtype=float)) == pytest.approx(repeated, rel=1e-12)
    both = np.column_stack([y, y**2])
    of_both = spread(np.repeat(both, weight, axis=0), None)
    assert spread(both, np.array(weight, dtype=float)) == pytest.approx(of_both, rel=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
def test_mean_squares_are_those_of_repeated_rows(storage):
    X, _ = make(n=50)
    weight = np.random.default_rng(0).integers(0, 4, 50)
    expected = design_of(np.repeat(X, weight, axis=0)).mean_squares()
    found = design_of(storage(X)).mean_squares(weight.astype(float))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "log_loss"])
@pytest.mark.parametrize("optimizer", [name for name, rule in OPTIMIZERS.items() if "all" in rule.rows])
def test_automatic_rates_do_not_see_rows_without_weight(optimizer, loss, storage):
    if OPTIMIZERS[optimizer].searches and loss == "absolute_error":
        pytest.skip("needs a loss without kinks")
    X, y = make(loss, n=60)
    X[::3] *= 10
    kept = np.arange(60) % 3 != 0
    model = estimator(loss, solver="batch", optimizer=optimizer, max_iter=3)
    weighted = model.fit(storage(X), y, sample_weight=kept * 2.5)
    rate = weighted.learning_rate_
    assert model.fit(storage(X[kept]), y[kept]).learning_rate_ == pytest.approx(rate, rel=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("family", [skgd.GDRegressor, skgd.GDClassifier])
@pytest.mark.parametrize("optimizer", [name for name, rule in OPTIMIZERS.items() if "all" in rule.rows])
def test_weights_and_repeated_rows_are_equal_to_scikit_learn(optimizer, family):
    model = family(solver="batch", optimizer=optimizer)
    check_sample_weight_equivalence_on_dense_data(family.__name__, model)
    check_sample_weight_equivalence_on_sparse_data(family.__name__, model)


def few_rows_and_weights():
    rng = np.random.RandomState(40)
    return rng.rand(15, 30), rng.randint(0, 3, size=15), rng.randint(0, 5, size=15)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("optimizer", [name for name, rule in OPTIMIZERS.items() if rule.amplifies_rounding])
def test_rules_that_amplify_rounding_keep_equal_paths(optimizer, loss, standardize):
    """Until they stop: their gradients are rounded to a grid far above rounding errors."""
    X, y, times = few_rows_and_weights()
    X = X * np.geomspace(0.01, 100, 30)
    model = estimator(loss, solver="batch", optimizer=optimizer, standardize=standardize)
    weighted = clone(model).fit(X, y, sample_weight=times)
    repeated = clone(model).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert weighted.n_iter_ == repeated.n_iter_ > 50
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(theta(weighted), theta(repeated), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", [name for name, rule in OPTIMIZERS.items() if "all" in rule.rows])
def test_weights_are_repeated_rows_for_every_rule(optimizer, kind):
    """Before rounding errors can have grown."""
    X, y, times = few_rows_and_weights()
    size = {"hidden_layer_sizes": (5,)} if "MLP" in kind.__name__ else {}
    model = kind(solver="batch", optimizer=optimizer, max_iter=20, tol=None, random_state=0, **size)
    scores = model.predict_proba if "Classifier" in kind.__name__ else model.predict
    model.fit(X, y, sample_weight=times)
    weighted = scores(X)
    model.fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(scores(X), weighted, rtol=1e-8, atol=1e-10)


def decimal_descent(rule, rate, digits, steps):
    """Batch descent on ridge regression in decimal numbers; parameters and objective at the end."""
    X, y, times = few_rows_and_weights()
    decimal.getcontext().prec = digits
    number = np.vectorize(lambda value: decimal.Decimal(str(value)), otypes=[object])
    root = np.vectorize(lambda value: value.sqrt(), otypes=[object])
    rows, y, share = number(np.hstack([X, np.ones((15, 1))])), number(y), number(times) / int(times.sum())
    rate, l2 = number(rate), number(np.r_[np.full(30, 1e-4), 0])
    theta = number(np.r_[np.zeros(30), 1])
    m, s, u = (0 * theta for _ in range(3))
    one, small, product = number(1), number(1e-8), number(1)
    for t in range(1, steps + 1):
        g = rows.T @ (share * (rows @ theta - y)) + l2 * theta
        if rule == "rmsprop":
            s = number(0.9) * s + number(0.1) * g * g
            theta = theta - rate * g / (root(s) + small)
        elif rule == "adadelta":
            s = number(0.95) * s + number(0.05) * g * g
            change = g * root(u + number(1e-6)) / root(s + number(1e-6))
            u = number(0.95) * u + number(0.05) * change * change
            theta = theta - rate * change
        else:
            beta_1, beta_2 = number(0.9), number(0.999)
            now, next_one = (beta_1 * (one - number(0.96) ** (number(0.004) * k) / 2) for k in (t, t + 1))
            product *= now
            m, s = beta_1 * m + (one - beta_1) * g, beta_2 * s + (one - beta_2) * g * g
            ahead = next_one * m / (one - product * next_one) + (one - now) * g / (one - product)
            theta = theta - rate * ahead / (root(s / (one - beta_2**t)) + small)
    return theta, (share * (rows @ theta - y) ** 2).sum() / 2


@pytest.mark.parametrize(
    ("rule", "rate", "steps"), [("rmsprop", 0.00345, 110), ("adadelta", 2.07, 140), ("nadam", 0.0069, 350)]
)
def test_rounding_grows_in_every_precision(rule, rate, steps):
    """What rounding leaves, in the last of 25 or of 35 digits, grows by the same factor of 1e15 and more: it
    is the rule that is unstable near a minimum, whatever the precision and the order of sums."""
    with decimal.localcontext():
        exact, objective = decimal_descent(rule, rate, 60, steps)
        for digits in (25, 35):
            theta, _ = decimal_descent(rule, rate, digits, steps)
            assert max(abs(theta - exact)) > 10.0 ** (15 - digits)
    assert objective < 0.01  # it is a descent all the same


# ---------------------------------------------------------------- rows held out


@pytest.mark.parametrize("solver", SOLVERS)
def test_class_weights_count_in_the_loss_of_held_out_rows(solver):
    X, y = make("log_loss", n=200)
    params = {"solver": solver, "early_stopping": True, "max_iter": 20, "learning_rate": 0.01}
    by_class = model_of("log_loss", class_weight={0: 5.0, 1: 1.0}, **params).fit(X, y)
    by_row = model_of("log_loss", **params).fit(X, y, sample_weight=np.where(y == 0, 5.0, 1.0))
    losses = (model.history_["validation_loss"] for model in (by_class, by_row))
    np.testing.assert_allclose(*losses, rtol=1e-12)
    assert_same(by_class, by_row)
