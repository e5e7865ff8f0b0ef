"""Multi-layer perceptrons: the core against NumPy, finite differences, and the linear models."""

import warnings

import _perceptron as perceptron
import _reference as reference
import numpy as np
import pytest
from _data import SIZES, SOLVERS, THREE_EPOCHS, covering, csr, make, pairs, thin
from _data import perceptron_of as mlp
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor, losses
from skgd._design import design_of
from skgd._options import options_of
from skgd._problem import Problem
from skgd._stopping import value_of_constant
from skgd._targets import Targets


def linear(loss="squared_error", **params):
    kind = GDClassifier if loss in reference.CLASSIFICATION else GDRegressor
    return kind(loss, **{**THREE_EPOCHS, **params})


def start_of(X, y, loss="squared_error", **params):
    """The layers a fit starts from."""
    model = mlp(loss, **{**params, "max_iter": 1, "learning_rate": 1e-300, "optimizer": "plain"}).fit(X, y)
    return perceptron.layers_of(model)


def assert_layers(model, layers, **tolerance):
    for ours, theirs in zip(perceptron.layers_of(model), layers, strict=True):
        np.testing.assert_allclose(ours, theirs, **{"rtol": 1e-9, "atol": 1e-11, **tolerance})


# ---------------------------------------------------------------- against NumPy


@pytest.mark.parametrize("activation", perceptron.ACTIVATIONS)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_activation_and_solver_descends_as_the_account(solver, outputs, activation):
    X, y = make(n=40, outputs=outputs)
    params = {"activation": activation, "solver": solver, "optimizer": "plain", "alpha": 0.01}
    model = mlp(**params).fit(X, y)
    layers = start_of(X, y, **params)
    expected = perceptron.descend(
        layers, X, y, "squared_error", activation, rate=0.05, size=SIZES[solver], epochs=3, l2=0.01
    )
    assert_layers(model, expected)
    total, _ = perceptron.gradients(expected, X, y, "squared_error", activation, l2=0.01)
    assert model.loss_ == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("hidden", [(1,), (4,), (9, 3, 6), (40,), (3, 130)])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 50])
def test_every_width_and_batch_size(n, hidden):
    X, y = make(n=50, d=6, outputs=2)
    params = {"hidden_layer_sizes": hidden, "optimizer": "plain", "batch_size": n, "max_iter": 2}
    model = mlp(**params).fit(X, y)
    expected = perceptron.descend(
        start_of(X, y, **params), X, y, "squared_error", "tanh", rate=0.05, size=n, epochs=2, l2=1e-4
    )
    assert_layers(model, expected)


@pytest.mark.parametrize("rule", ["momentum", "nesterov", "rmsprop", "adam", "adadelta", "amsgrad", "nadam"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_rule_updates_all_layers(solver, rule):
    X, y = make(n=40)
    params = {"optimizer": rule, "solver": solver, "alpha": 0.01, "learning_rate": 0.003}
    if rule == "nesterov" and solver == "batch":
        pytest.skip("restarts")
    expected = perceptron.descend(
        start_of(X, y, **params), X, y, "squared_error", "tanh",
        rule=rule, rate=0.003, size=SIZES[solver], epochs=3, l2=0.01,
    )  # fmt: skip
    assert_layers(mlp(**params).fit(X, y), expected, rtol=1e-7, atol=1e-9)


LOSSES = [*sorted(reference.REGRESSION), *sorted(reference.CLASSIFICATION)]


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_layers(loss, outputs):
    X, y = make(loss, n=40, outputs=outputs)
    params = {"optimizer": "plain", "activation": "softplus"}
    expected = perceptron.descend(
        start_of(X, y, loss, **params), X, y, loss, "softplus", rate=0.05, size=16, epochs=3, l2=1e-4
    )
    assert_layers(mlp(loss, **params).fit(X, y), expected)


def test_a_loss_of_ones_own():
    class Half(losses.Loss):
        def value_and_slope(self, y, raw):
            residual = raw - y.reshape(raw.shape)
            return (residual**2 / 2).sum(axis=1), residual

    X, y = make(n=40, outputs=2)
    assert_layers(mlp().set_params(loss=Half()).fit(X, y), perceptron.layers_of(mlp().fit(X, y)))


# ---------------------------------------------------------------- finite differences


@pytest.mark.parametrize("activation", perceptron.ACTIVATIONS)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "poisson", "squared_hinge"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_gradients_are_finite_differences(outputs, loss, activation):
    """One plain step of a tiny rate is the gradient; the objective is the core's own."""
    X, y = make(loss, n=30, outputs=outputs)
    model = mlp(
        loss,
        activation=activation,
        solver="batch",
        optimizer="plain",
        max_iter=1,
        learning_rate=1e-6,
        alpha=0.05,
    )
    before = start_of(X, y, loss, activation=activation)
    after = perceptron.layers_of(model.fit(X, y))
    rng = np.random.default_rng(0)
    for layer in range(3):
        gradient = (before[layer] - after[layer]) / 1e-6
        for _ in range(3):
            at = tuple(rng.integers(before[layer].shape))
            values = []
            for shift in (1e-5, -1e-5):
                moved = [w.copy() for w in before]
                moved[layer][at] += shift
                there = mlp(loss, activation=activation, optimizer="plain", alpha=0.05, max_iter=1)
                there.set_params(learning_rate=1e-300, solver="batch")
                there.fit(X, y, coef_init=[w[:-1] for w in moved], intercept_init=[w[-1] for w in moved])
                values.append(there.loss_)
            assert gradient[at] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=2e-6)


# ---------------------------------------------------------------- one family in the other


@pytest.mark.parametrize(
    ("rule", "outputs", "loss"),
    covering(
        pairs(without=["implicit", "barzilai_borwein"]),
        [1, 3],
        ["squared_error", "huber", "poisson", "log_loss", "hinge"],
    ),
)
def test_no_hidden_layer_is_the_linear_model(rule, outputs, loss):
    optimizer, solver = rule
    X, y = make(loss, n=40, outputs=outputs)
    params = {"solver": solver, "optimizer": optimizer, "alpha": 0.01, "learning_rate": 0.01}
    flat = mlp(loss, hidden_layer_sizes=(), **params).fit(X, y)
    model = linear(loss, **params).fit(X, y)
    np.testing.assert_allclose(flat.coefs_[0].T, np.atleast_2d(model.coef_), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(flat.intercepts_[0], model.intercept_, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(flat.predict(X), model.predict(X), rtol=1e-10)
    np.testing.assert_allclose(flat.loss_curve_, model.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_hidden_layer_with_automatic_rates_is_as_good_as_the_linear_model(solver):
    X, y = make(n=60)
    flat = GDMLPRegressor(hidden_layer_sizes=(), solver=solver, optimizer="plain", random_state=0)
    assert flat.fit(X, y).loss_ <= GDRegressor(solver=solver, random_state=0).fit(X, y).loss_ * 1.02


def test_identity_layers_are_a_linear_model():
    X, y = make(n=60, seed=1)
    model = mlp(activation="identity", solver="batch", optimizer="plain", max_iter=10000, learning_rate=0.1)
    model.set_params(alpha=0.0).fit(X, y)
    least = np.linalg.lstsq(reference.with_ones(X), y, rcond=None)[0]
    np.testing.assert_allclose(model.predict(X), reference.with_ones(X) @ least, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_rows_give_the_dense_model(dtype, index, solver):
    X, y = make("log_loss", n=50, d=30, outputs=3, dtype=dtype)
    X = thin(X, 0.2).astype(dtype)
    tolerance = 1e-4 if dtype == np.float32 else 1e-9
    dense, rows = (
        mlp("log_loss", solver=solver).fit(X, y),
        mlp("log_loss", solver=solver).fit(csr(X, index), y),
    )
    assert rows.coefs_[0].dtype == dtype
    assert_layers(rows, perceptron.layers_of(dense), rtol=tolerance, atol=tolerance / 10)
    np.testing.assert_allclose(
        rows.predict_proba(csr(X, index)), dense.predict_proba(X), rtol=10 * tolerance, atol=tolerance
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_single_precision_follows_double(solver):
    X, y = make(n=60)
    double, single = mlp(solver=solver).fit(X, y), mlp(solver=solver).fit(X.astype(np.float32), y)
    assert {w.dtype for w in single.coefs_} == {np.dtype(np.float32)}
    assert single.predict(X.astype(np.float32)).dtype == np.float32
    assert_layers(single, perceptron.layers_of(double), rtol=1e-3, atol=1e-3)


def test_large_products_take_the_blas_and_agree():
    """Batches large enough for the BLAS, against the same rows in batches that are not."""
    X, y = make(n=700, d=300, outputs=1)
    params = {"hidden_layer_sizes": (250, 300), "solver": "batch", "max_iter": 2, "optimizer": "plain"}
    model = mlp(**params).fit(X, y)
    expected = perceptron.descend(
        start_of(X, y, **params), X, y, "squared_error", "tanh", rate=0.05, epochs=2, l2=1e-4
    )
    assert_layers(model, expected)


def test_threads_do_not_change_the_model():
    X, y = make("log_loss", n=70_000, d=4)
    params = {"solver": "batch", "max_iter": 3, "hidden_layer_sizes": (3,)}
    one = mlp("log_loss", **params).fit(X, y)
    two = mlp("log_loss", n_jobs=2, **params).fit(X, y)
    for a, b in zip(one.coefs_, two.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [64, 200, 450])
@pytest.mark.parametrize("hidden", [(90, 70), (400, 350)])
def test_threads_share_mini_batches_and_predictions(hidden, rows, dtype):
    """Layers in registers and such as the BLAS multiplies; batches of one span of rows and of many."""
    X, y = make("log_loss", n=1000, d=200, outputs=3)
    X = X.astype(dtype)
    params = {"hidden_layer_sizes": hidden, "batch_size": rows, "solver": "minibatch", "dropout": 0.1}
    one, *others = (
        mlp("log_loss", n_jobs=n_jobs, optimizer="adam", learning_rate=1e-3, **params).fit(X, y)
        for n_jobs in (1, 2, 5)
    )
    many = np.tile(X, (5, 1))
    probabilities = one.predict_proba(many)
    for several in others:
        for a, b in zip(one.coefs_ + one.intercepts_, several.coefs_ + several.intercepts_, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(one.loss_curve_, several.loss_curve_)
        np.testing.assert_array_equal(probabilities, several.predict_proba(many))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_loss_is_the_objective_at_the_parameters(outputs, weighted):
    X, y = make(n=45, outputs=outputs)
    weights = np.random.default_rng(0).random(45) + 0.1 if weighted else None
    model = mlp(alpha=0.1, learning_rate="auto").fit(X, y, sample_weight=weights)
    total, _ = perceptron.gradients(
        perceptron.layers_of(model), X, y, "squared_error", "tanh", l2=0.1, weights=weights
    )
    assert model.loss_ == pytest.approx(total, rel=1e-10)


def test_weights_are_repetitions():
    X, y = make("log_loss", n=30, outputs=3)
    times = np.arange(30) % 3 + 1
    model = mlp("log_loss", solver="batch", max_iter=20)
    weighted = perceptron.layers_of(model.fit(X, y, sample_weight=times))
    assert_layers(model.fit(np.repeat(X, times, axis=0), np.repeat(y, times)), weighted)
    balanced = model.set_params(class_weight="balanced").fit(X, y)
    by_hand = (30 / (3 * np.bincount(y)))[y]
    expected = perceptron.layers_of(model.set_params(class_weight=None).fit(X, y, sample_weight=by_hand))
    assert_layers(balanced, perceptron.layers_of(balanced))
    assert_layers(model.set_params(class_weight="balanced").fit(X, y), expected)


# ---------------------------------------------------------------- options of the perceptron


def test_long_gradients_are_shortened():
    X, y = make(n=40)
    params = {"optimizer": "plain", "max_grad_norm": 0.1}
    expected = perceptron.descend(
        start_of(X, y, **params),
        X,
        y,
        "squared_error",
        "tanh",
        rate=0.05,
        size=16,
        epochs=3,
        l2=1e-4,
        most=0.1,
    )
    assert_layers(mlp(**params).fit(X, y), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_the_mean_and_drops_its_share(dtype):
    """With identity units and one input the score is linear in the mask, so its mean is undropped."""
    X, y = np.ones((20_000, 1), dtype=dtype), np.zeros(20_000, dtype=dtype)
    start = {
        "coef_init": [np.ones((1, 64)), np.full((64, 1), 1 / 64)],
        "intercept_init": [np.zeros(64), [0.0]],
    }
    params = {"hidden_layer_sizes": (64,), "activation": "identity", "solver": "batch", "alpha": 0.0}
    model = mlp(dropout=0.25, max_iter=20, learning_rate=1e-30, optimizer="plain", **params).fit(
        X, y, **start
    )
    # mean of z^2 / 2 for z the mean of 64 variables that are 0 or 4/3
    assert model.loss_curve_.mean() == pytest.approx((1 + (1 / 3) / 64) / 2, rel=1e-3)
    assert model.loss_ == pytest.approx(0.5, rel=1e-5)  # nothing is dropped from the fitted model


def test_dropout_is_new_for_each_update_and_the_same_for_a_seed():
    X, y = make("log_loss", n=200, outputs=3)
    model = mlp("log_loss", dropout=0.5, max_iter=10)
    first, again = model.fit(X, y).loss_curve_, model.fit(X, y).loss_curve_
    np.testing.assert_array_equal(first, again)
    other = model.set_params(random_state=1, max_iter=10).fit(X, y).loss_curve_
    assert np.all(first != other)
    frozen = mlp("log_loss", dropout=0.5, solver="batch", learning_rate=1e-30, optimizer="plain", max_iter=5)
    assert len(set(frozen.fit(X, y).loss_curve_)) == 5


@pytest.mark.parametrize(
    ("activation", "bound"),
    [("relu", np.sqrt(6 / 50)), ("tanh", np.sqrt(6 / 450)), ("logistic", 4 * np.sqrt(6 / 450))],
)
def test_weights_start_uniform(activation, bound):
    X, y = make(n=10, d=50)
    first, last = start_of(X, y, activation=activation, hidden_layer_sizes=(400,))
    assert np.abs(first).max() <= bound
    assert np.abs(first[:-1]).mean() == pytest.approx(bound / 2, rel=0.02)
    assert np.abs(last[:-1]).max() <= 0.1 * np.sqrt(6 / 401)
    assert np.abs(first[-1]).max() < 1e-299
    assert last[-1] == pytest.approx(y.mean(), rel=1e-12)


def test_several_labels_a_row():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    Y = (X @ rng.normal(size=(5, 3)) > 0).astype(int)
    model = mlp("log_loss", learning_rate=0.01, max_iter=100).fit(X, Y)
    assert model.predict(X).shape == model.predict_proba(X).shape == Y.shape
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X) > 0.5)
    assert model.score(X, Y) > 0.9
    values = np.logaddexp(0, model.decision_function(X)) - Y * model.decision_function(X)
    penalty = 1e-4 * sum(np.sum(w**2) for w in model.coefs_) / 2
    assert model.loss_ == pytest.approx(values.sum(axis=1).mean() + penalty, rel=1e-10)
    sparse_model = mlp("log_loss", learning_rate=0.01, max_iter=100).fit(X, sparse.csr_matrix(Y))
    assert_layers(sparse_model, perceptron.layers_of(model))


# ---------------------------------------------------------------- as the linear models


@pytest.mark.parametrize(("optimizer", "solver"), pairs(["minibatch", "sgd"], without=["implicit"]))
def test_partial_fits_are_epochs(optimizer, solver):
    X, y = make(n=48)
    whole = mlp(solver=solver, optimizer=optimizer).fit(X, y)
    parts = mlp(solver=solver, optimizer=optimizer)
    for _ in range(3):
        parts.partial_fit(X, y)
    assert_layers(parts, perceptron.layers_of(whole))


def test_warm_start_continues():
    X, y = make(n=48)
    whole = mlp(max_iter=6).fit(X, y)
    parts = mlp(warm_start=True).fit(X, y).fit(X, y)
    assert_layers(parts, perceptron.layers_of(whole))
    assert parts.set_params(max_iter=1).fit(X.astype(np.float32), y).coefs_[0].dtype == np.float32
    with pytest.raises(ValueError, match="layers of widths"):
        parts.set_params(hidden_layer_sizes=(7, 6)).fit(X, y)


def test_standardized_descent_is_descent_on_standardized_rows():
    X, y = make(n=60)
    y = (y - y.mean()) / y.std()  # which is standardised with X
    X = X * [1, 10, 100, 0.1, 1] + [0, 5, -3, 1, 100]
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    inside = mlp(standardize=True, alpha=0.0, max_iter=30).fit(X, y)
    outside = mlp(alpha=0.0, max_iter=30).fit(Z, y)
    np.testing.assert_allclose(inside.predict(X), outside.predict(Z), rtol=1e-7, atol=1e-9)


def test_the_path_holds_weights_then_intercepts():
    X, y = make(n=48, outputs=2)
    model = mlp(record_path=True).fit(X, y)
    flat = np.concatenate([*(w.ravel() for w in model.coefs_), *model.intercepts_])
    assert model.path_.shape == (4, 5 * 7 + 7 * 5 + 5 * 2 + 7 + 5 + 2)
    np.testing.assert_array_equal(model.path_[-1], flat)


def test_averages_are_means_of_the_iterates():
    X, y = make(n=48)
    model = mlp(average=True, record_path=True, check_every=1, max_iter=2, optimizer="plain").fit(X, y)
    last = mlp(average=False, record_path=True, check_every=1, max_iter=2, optimizer="plain").fit(X, y)
    flat = np.concatenate([*(w.ravel() for w in model.coefs_), *model.intercepts_])
    np.testing.assert_allclose(flat, last.path_[1:].mean(axis=0), rtol=1e-9, atol=1e-12)


def test_too_high_a_rate_is_an_error_with_a_stable_one():
    from skgd import DivergenceError

    X, y = make(n=60)
    with pytest.raises(DivergenceError) as error:
        mlp(activation="identity", optimizer="plain", learning_rate=50.0, max_iter=100).fit(100 * X, y)
    assert 0 < error.value.largest_stable_learning_rate < 50


def test_early_stopping_restores_the_best():
    X, y = make("log_loss", n=300, outputs=3)
    model = mlp("log_loss", early_stopping=True, max_iter=200, learning_rate=0.01).fit(
        X[:200], y[:200], X_val=X[200:], y_val=y[200:]
    )
    best = np.argmin(model.history_["validation_loss"])
    assert model.score(X[200:], y[200:]) == model.best_validation_score_ == model.validation_scores_[best]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hidden_layer_sizes", (5, 0), "hidden_layer_sizes"),
        ("hidden_layer_sizes", (2.5,), "hidden_layer_sizes"),
        ("hidden_layer_sizes", -1, "hidden_layer_sizes"),
        ("activation", "sine", "activation"),
        ("dropout", 1.0, "dropout"),
        ("max_grad_norm", 0, "max_grad_norm"),
    ],
)
def test_wrong_parameters_are_named(name, value, message):
    X, y = make()
    with pytest.raises(ValueError, match=message):
        mlp(**{name: value}).fit(X, y)


def test_wrong_starts_are_named():
    X, y = make()
    with pytest.raises(ValueError, match="coef_init has 1 arrays, but there are 3 layers"):
        mlp().fit(X, y, coef_init=[np.zeros((5, 7))])
    with pytest.raises(ValueError, match=r"coef_init\[1\]"):
        mlp().fit(X, y, coef_init=[np.zeros((5, 7)), np.zeros((7, 7)), np.zeros((5, 1))])


# ---------------------------------------------------------------- optimizers


def test_implicit_is_for_linear_models():
    X, y = make(n=20)
    with pytest.raises(ValueError, match=r"(?s)implicit.*linear"):
        mlp(optimizer="implicit", solver="sgd").fit(X, y)


@pytest.mark.parametrize(("optimizer", "solver"), pairs(without=["implicit"]))
def test_automatic_rates_train_layers_with_every_rule(optimizer, solver):
    X, y = make(n=120, seed=1)
    model = mlp(optimizer=optimizer, solver=solver, learning_rate="auto", average="auto", max_iter=40)
    start = start_of(X, y, optimizer="plain")
    begun, _ = perceptron.gradients(start, X, y, "squared_error", "tanh", l2=1e-4)
    assert model.fit(X, y).loss_ < 0.8 * begun


# ---------------------------------------------------------------- automatic rates


def test_the_automatic_rate_falls_to_zero_over_a_known_number_of_updates():
    X, y = make(n=64)
    model = mlp(learning_rate="auto", optimizer="adam", max_iter=8)
    rates = model.fit(X, y).history_["learning_rate"]
    shares = 1 - (4 * np.arange(1, 9) - 1) / 32  # the last of four updates an epoch
    np.testing.assert_allclose(rates, model.learning_rate_ * shares, rtol=1e-12)
    rates = model.set_params(tol=1e-9).fit(X, y).history_["learning_rate"]
    np.testing.assert_array_equal(rates, model.learning_rate_)


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "schedule_free"])
def test_an_automatic_fit_ends_where_it_was_lowest(optimizer):
    X, y = make(n=200, seed=3)
    model = mlp(learning_rate="auto", optimizer=optimizer, max_iter=60, tol=1e-6, average="auto").fit(X, y)
    assert model.loss_ <= model.loss_curve_.min()


@pytest.mark.parametrize("optimizer", ["plain", "momentum"])
def test_an_automatic_rate_under_which_units_die_is_lowered(optimizer):
    X, y = make_blobs(300, random_state=0)
    params = {"solver": "sgd", "optimizer": optimizer, "hidden_layer_sizes": (5,), "random_state": 2}
    model = GDMLPClassifier(**params).fit(X, y)
    assert model.history_["learning_rate"][-1] < 0.51 * model.history_["learning_rate"][0]
    assert model.loss_ < np.log(3) / 2


@pytest.mark.parametrize("optimizer", ["plain", "momentum"])
def test_a_fit_whose_units_have_died_begins_anew(optimizer):
    """Rows with heavy tails start high above the best constant; dead units end below that."""
    rng = np.random.default_rng(0)
    X = rng.lognormal(size=(400, 6))
    y = X / X.std(axis=0) @ [1.0, -1.0, 0.5, 0.2, 0.0, 2.0] + rng.normal(size=400)
    options = {"solver": "sgd", "optimizer": optimizer, "hidden_layer_sizes": (32,), "max_iter": 120}
    losses = []
    for seed in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            losses.append(GDMLPRegressor("absolute_error", random_state=seed, **options).fit(X, y).loss_)
    assert max(losses) < 0.7 * np.abs(y - np.median(y)).mean()


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_a_classifier_that_ends_no_better_than_a_constant_says_so(loss):
    X, y = np.random.default_rng(0).normal(size=(200, 3)), np.arange(200) % 10 == 0
    with pytest.warns(ConvergenceWarning, match="learnt next to nothing"):
        GDMLPClassifier(loss, alpha=10, encoding=None, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    ("loss", "classes", "expected"),
    [
        ("hinge", 2, 0.2),
        ("log_loss", 2, -0.1 * np.log(0.1) - 0.9 * np.log(0.9)),
        ("hinge", 3, 0.8),
        ("log_loss", 3, -0.2 * np.log(0.1) - 0.8 * np.log(0.8)),
    ],
)
def test_the_best_constant_of_classes_follows_from_their_shares(loss, classes, expected):
    y = np.maximum(np.arange(100) % 10 - (10 - classes), 0)
    columns = 1 if classes == 2 else classes
    objective = options_of(GDMLPClassifier(loss)).objective
    problem = Problem(design_of(np.zeros((100, 1))), Targets(y.astype(float), None, columns, True), objective)
    assert value_of_constant(problem) == pytest.approx(expected, rel=1e-6)
