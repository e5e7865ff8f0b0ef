"""Learning rates by layer, and the neural tangent parametrization as such rates."""

import pickle

import _perceptron as perceptron
import _reference as reference
import numpy as np
import pytest
from _data import SIZES, SOLVERS, covering, csr, make, pairs, perceptron_of, thin
from _killed import assert_same, killed_after
from sklearn.base import clone

from skgd import Checkpoint
from skgd.optimizers import OPTIMIZERS, Adam, RMSProp

FACTORS = {0: 6.0, -1: 0.5, "intercepts": 0.1}
BY_LAYER = [6.0, 1.0, 0.5]
RULES = [
    rule
    for rule in pairs(without=["implicit", "barzilai_borwein", "ftrl", "adagrad", "schedule_free", "adamw"])
    if rule != ("nesterov", "batch")  # which restarts
]


def mlp(loss="squared_error", **params):
    return perceptron_of(loss, **{"learning_rate": 0.01, **params})


def start_of(X, y, loss="squared_error", **params):
    """The layers a fit starts from."""
    model = mlp(loss, **{**params, "max_iter": 1, "learning_rate": 1e-300, "optimizer": "plain"}).fit(X, y)
    return perceptron.layers_of(model)


def as_arrays(layers, weights=BY_LAYER, intercepts=0.1):
    """The factor of each parameter."""
    rows = [np.append(np.full(len(layer) - 1, factor), intercepts)
            for layer, factor in zip(layers, weights, strict=True)]  # fmt: skip
    return [row[:, None] * np.ones_like(layer) for row, layer in zip(rows, layers, strict=True)]


def assert_layers(model, layers, **tolerance):
    for ours, theirs in zip(perceptron.layers_of(model), layers, strict=True):
        np.testing.assert_allclose(ours, theirs, **{"rtol": 1e-7, "atol": 1e-9, **tolerance})


# ---------------------------------------------------------------- rates by layer


@pytest.mark.parametrize(
    ("rule", "loss", "outputs"), covering(RULES, ["squared_error", "log_loss", "huber"], [1, 3])
)
def test_layers_descend_at_their_own_rates(rule, loss, outputs):
    name, solver = rule
    X, y = make(loss, n=40, outputs=outputs)
    params = {"optimizer": name, "solver": solver, "alpha": 0.01}
    start = start_of(X, y, loss, **params)
    expected = perceptron.descend(
        start, X, y, loss, "tanh", rule=name, rate=0.01, size=SIZES[solver], epochs=3, l2=0.01,
        factors=as_arrays(start),
    )  # fmt: skip
    assert_layers(mlp(loss, rate_factors=FACTORS, **params).fit(X, y), expected)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_a_step_is_the_factor_times_the_finite_difference(loss):
    X, y = make(loss, n=30, outputs=3)
    params = {"solver": "batch", "optimizer": "plain", "max_iter": 1, "alpha": 0.05}
    before = start_of(X, y, loss, **params)
    model = mlp(loss, learning_rate=1e-6, rate_factors=FACTORS, **params).fit(X, y)
    after, factors = perceptron.layers_of(model), as_arrays(before)
    rng = np.random.default_rng(0)
    for layer in range(3):
        for at in [tuple(rng.integers(before[layer].shape)) for _ in range(4)] + [(-1, 0)]:
            values = []
            for shift in (1e-5, -1e-5):
                moved = [w.copy() for w in before]
                moved[layer][at] += shift
                there = mlp(loss, **{**params, "learning_rate": 1e-300})
                there.fit(X, y, coef_init=[w[:-1] for w in moved], intercept_init=[w[-1] for w in moved])
                values.append(there.loss_)
            step = (before[layer] - after[layer])[at] / 1e-6
            slope = (values[0] - values[1]) / 2e-5
            assert step == pytest.approx(factors[layer][at] * slope, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_factors_of_one_change_nothing(solver):
    X, y = make(n=60)
    ones = {0: 1.0, 1: 1.0, "intercepts": 1}
    models = [mlp(solver=solver, optimizer="adam", rate_factors=each).fit(X, y) for each in (None, ones)]
    for ours, theirs in zip(*map(perceptron.layers_of, models), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", SOLVERS)
def test_sparse_rows_give_the_dense_model(solver, dtype):
    X, y = make(n=60, dtype=dtype)
    X = thin(X, 0.5)
    model = mlp(solver=solver, optimizer="adam", rate_factors=FACTORS)
    dense, sparse = (clone(model).fit(rows, y) for rows in (X, csr(X)))
    tolerance = {"rtol": 1e-9} if dtype == np.float64 else {"rtol": 2e-4, "atol": 2e-5}
    assert dense.coefs_[0].dtype == dtype
    assert_layers(dense, perceptron.layers_of(sparse), **tolerance)


@pytest.mark.parametrize("optimizer", ["plain", "momentum", "adam"])
def test_factors_hold_beside_a_frozen_layer_and_clipped_gradients(optimizer):
    X, y = make(n=60)
    params = {"optimizer": optimizer, "alpha": 0.0}
    start = start_of(X, y)
    model = mlp(rate_factors=FACTORS, freeze=1, **params).fit(X, y)
    assert np.array_equal(model.coefs_[1], start[1][:-1])
    frozen = [*as_arrays(start)]
    frozen[1] = 0 * frozen[1]
    # a batch of 16 of 60 rows: the batches differ by one row at most
    expected = perceptron.descend(
        start, X, y, "squared_error", "tanh", rule=optimizer, rate=0.01, size=16, epochs=3, factors=frozen
    )
    assert_layers(model, expected)
    clipped = mlp(rate_factors=FACTORS, max_grad_norm=0.1, **params).fit(X, y)
    expected = perceptron.descend(
        start, X, y, "squared_error", "tanh", rule=optimizer, rate=0.01, size=16, epochs=3, most=0.1,
        factors=as_arrays(start),
    )  # fmt: skip
    assert_layers(clipped, expected)


@pytest.mark.parametrize("optimizer", ["plain", "momentum", "nesterov", "adam", "schedule_free"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_automatic_rates_know_of_the_factors(solver, optimizer):
    """They descend though the first layer is a hundred times as fast."""
    X, y = make(n=200)
    free = {"learning_rate": "auto", "max_iter": 60, "optimizer": optimizer, "solver": solver}
    plain = mlp(**free).fit(X, y)
    fast = mlp(rate_factors={0: 100.0}, **free).fit(X, y)
    assert fast.loss_ < 0.5 * np.var(y)
    if not OPTIMIZERS[optimizer].adaptive:
        assert fast.learning_rate_ < 0.6 * plain.learning_rate_


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
def test_pieces_of_a_stream_are_a_fit(solver):
    X, y = make(n=96)
    model = mlp(solver=solver, optimizer="adam", rate_factors=FACTORS, standardize=False, max_iter=1)
    begun = model.partial_fit(X[:32], y[:32])
    pieces, whole = (pickle.loads(pickle.dumps(begun)) for _ in range(2))
    pieces.partial_fit(X[32:64], y[32:64]).partial_fit(X[64:], y[64:])
    assert_layers(pieces, perceptron.layers_of(whole.partial_fit(X[32:], y[32:])))


def test_a_killed_fit_goes_on(monkeypatch, tmp_path):
    X, y = make(n=90)
    path = tmp_path / "fit.ckpt"

    def fresh():
        return mlp(rate_factors=FACTORS, parametrization="ntp", max_iter=12, shuffle=True)

    whole = fresh().fit(X, y)
    killed_after(monkeypatch, 4, lambda: fresh().fit(X, y, checkpoint=Checkpoint(path, 0)))
    assert_same(fresh().fit(X, y, checkpoint=Checkpoint(path, 0)), whole)


# ---------------------------------------------------------------- the neural tangent parametrization


def tangent(layers, X, y, loss, rule, rate, size, l2, epochs=3, intercepts=1.0, **hyper):
    """W = V / sqrt(n) descends on V; returns W."""
    roots = [np.append(np.full(len(w) - 1, (len(w) - 1) ** -0.5), 1.0)[:, None] for w in layers]
    V, states = [w / root for w, root in zip(layers, roots, strict=True)], [{} for _ in layers]
    rates = [np.append(np.ones(len(w) - 1), intercepts)[:, None] * rate for w in layers]
    for rows in reference.batches(len(X), size or len(X)) * epochs:
        W = [v * root for v, root in zip(V, roots, strict=True)]
        _, gradients = perceptron.gradients(W, X[rows], y[rows], loss, "tanh", l2=l2)
        V = [
            reference.RULES[rule](v, root * g, each, state, lambda w, time: w, **hyper)
            for v, g, root, each, state in zip(V, gradients, roots, rates, states, strict=True)
        ]
    return [v * root for v, root in zip(V, roots, strict=True)]


EXACT = {"plain": {}, "momentum": {}, "adam": {"epsilon": 1e-300}, "rmsprop": {"epsilon": 1e-300}}
OURS = {"adam": Adam(epsilon=1e-300), "rmsprop": RMSProp(epsilon=1e-300)}


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_it_is_a_descent_on_weights_over_the_root_of_the_inputs(loss, solver, rule):
    X, y = make(loss, n=40, outputs=3)
    params = {"solver": solver, "alpha": 0.02, "rate_factors": {"intercepts": 0.1}}
    model = mlp(loss, optimizer=OURS.get(rule, rule), parametrization="ntp", **params).fit(X, y)
    expected = tangent(
        start_of(X, y, loss, solver=solver), X, y, loss, rule, 0.01, SIZES[solver], 0.02, intercepts=0.1,
        **EXACT[rule],
    )  # fmt: skip
    assert_layers(model, expected, rtol=1e-6)


def test_automatic_rates_of_the_layers_have_the_usual_mean():
    X, y = make(n=400)
    free = {"learning_rate": "auto", "optimizer": "adam"}
    usual, ntp = (mlp(parametrization=each, **free).fit(X, y) for each in ("standard", "ntp"))
    inputs = [len(weights) for weights in ntp.coefs_]
    effective = ntp.learning_rate_ / np.sqrt(inputs)
    assert np.exp(np.mean(np.log(effective))) == pytest.approx(usual.learning_rate_, rel=1e-6)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"rate_factors": {3: 2.0}}, "from 0 to 2"),
        ({"rate_factors": {"bias": 2.0}}, "intercepts"),
        ({"rate_factors": {0: 0.0}}, "positive"),
        ({"rate_factors": {0: np.inf}}, "positive"),
        ({"parametrization": "mup"}, "parametrization"),
        ({"rate_factors": {0: 2}, "optimizer": "barzilai_borwein", "solver": "batch"}, "all layers"),
    ],
)
def test_what_cannot_be_says_so(params, words):
    X, y = make()
    with pytest.raises(ValueError, match=words):
        mlp(**params).fit(X, y)
