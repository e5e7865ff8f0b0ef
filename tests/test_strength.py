"""Penalties whose strength differs from feature to feature: the core against a NumPy loop."""

import _reference as reference
import numpy as np
import pytest
from _data import csr, make, thin, wide

from skgd._core import core
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS

L1, L2 = 0.05, 0.2
KINDS = {"none": (0.0, 0.0), "l2": (0.0, L2), "l1": (L1, 0.0), "elasticnet": (L1, L2)}
PARAMETERS = {"none": [], "l2": [L2], "l1": [L1], "elasticnet": [L1, L2]}
PENALISED = [kind for kind in KINDS if kind != "none"]
RULES = [  # Barzilai-Borwein is the plain rule, to the core
    name
    for name, rule in OPTIMIZERS.items()
    if name != "barzilai_borwein" and "squared_error" in (rule.losses or ("squared_error",))
]
STORAGES = {"dense": lambda X: X, "csr": csr}
RATE, LANES = 0.02, 4


def factors_of(d, seed=1):
    """Strengths of the features, one of them zero."""
    factors = np.random.default_rng(seed).uniform(0.2, 3, d)
    factors[min(2, d - 1)] = 0.0
    return factors


def numpy_penalty(rule, l1, l2, accumulates):
    """What a penalty of strengths l1 and l2 (d, 1) does to the weights of theta in a step of `time`."""
    ratio = np.divide(l1, l2, out=np.zeros_like(l1), where=l2 > 0)

    def flow(w, time):
        left = (np.abs(w) + ratio) * np.exp(-l2 * time) - ratio
        return np.where(l2 > 0, np.sign(w) * np.maximum(0, left), reference.shrink(w, time, l1))

    def both(w, time):
        return reference.shrink(w, time, l1) / (1 + time * l2)

    step = {"adagrad": flow, "ftrl": both, "implicit": both}.get(
        rule, lambda w, time: reference.shrink(w, time, l1)
    )
    if rule == "plain" and accumulates:
        step = reference.Cumulative(l1, l2)

    def prox(w, time):
        return np.concatenate([step(w[:-1], time[:-1] if np.ndim(time) else time), w[-1:]])

    prox.l1, prox.l2 = float(np.max(l1)), l2[:, 0]
    return prox


def numpy_descent(X, y, rule, l1, l2, size, epochs, outputs):
    """Parameters (d + 1, outputs) after some epochs over the rows in order, with strengths (d, 1)."""
    X, n = np.asarray(X.toarray() if hasattr(X, "toarray") else X), len(y)
    theta, state = np.zeros((X.shape[1] + 1, outputs)), {}
    prox = numpy_penalty(rule, l1, l2, size < n)
    for rows in reference.batches(n, size) * epochs:
        g = reference.loss_gradient(theta, X[rows], y[rows])
        if rule not in reference.DECOUPLED:
            g[:-1] += l2 * theta[:-1]
        state["squares"] = np.sum(X[rows.start] ** 2) + 1
        theta = reference.RULES[rule](theta, g, RATE, state, prox)
    return theta


def core_problem(X, y, kind, strength, outputs=1, standard=None):
    rows = (X.data, X.indices, X.indptr, X.shape[1]) if hasattr(X, "indptr") else X
    targets = (np.ascontiguousarray(y), None, outputs, False)
    penalty = (kind, PARAMETERS[kind], strength)
    return core.Problem64(rows, standard, targets, ("squared_error", 0.0), penalty, True, None)


def rule_of(name, kind, size, n):
    """Name and parameters of a rule as the core takes them, and its number of state arrays."""
    if name == "plain" and KINDS[kind][0] > 0 and size < n:
        return ("cumulative", []), 2
    name, parameters, slots = OPTIMIZERS[name]().core_rule(l1=False, noisy=False)
    return (name, list(parameters)), slots


def steps_of(n, size, columns=1, rate=RATE):
    """One epoch in batches of at most `size` rows, for the core."""
    return (n, -(-n // size), 0), np.full((1, columns), rate), 1, 0.0


def core_descent(problem, name, kind, shape, size, n, epochs):
    (rule, slots) = rule_of(name, kind, size, n)
    theta = np.zeros(shape)
    state = tuple(np.zeros(shape) for _ in range(slots))
    descent = core.Descent64(theta, state, None, (0, 0.0), None, (0, 0))
    for _ in range(epochs):  # an epoch continues where the one before ended
        core.run(problem, descent, rule, None, (0, n), steps_of(n, size))
    return theta


SIZES = {name: {"implicit": [1], "nesterov": [1, 16]}.get(name, [1, 16, 64]) for name in RULES}


@pytest.mark.parametrize(("kind", "outputs"), [("l2", 1), ("l1", 3), ("elasticnet", 1), ("elasticnet", 3)])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(("name", "size"), [(name, size) for name in RULES for size in SIZES[name]])
def test_every_rule_applies_the_strength_of_each_feature(name, size, storage, outputs, kind):
    X, y = make(n=64, d=9, outputs=outputs)
    X = STORAGES[storage](thin(X))
    compare(X, y, name, size, outputs, kind)


@pytest.mark.parametrize("kind", PENALISED)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("name", ["plain", "adagrad", "ftrl"])
def test_sparse_rows_of_many_features_apply_the_strength_of_each(name, size, outputs, kind):
    """Where the features that a batch does not touch are brought up to date later."""
    X, y = wide(n=50, outputs=outputs)
    compare(csr(X, np.int32 if outputs == 1 else np.int64), y, name, size, outputs, kind)


def compare(X, y, name, size, outputs, kind):
    n, d = X.shape
    factors, (l1, l2) = factors_of(d), KINDS[kind]
    columns = 1 if outputs == 1 else LANES
    problem = core_problem(X, y, kind, factors, outputs)
    theta = core_descent(problem, name, kind, (d + 1, columns), size, n, epochs=3)
    expected = numpy_descent(X, y, name, l1 * factors[:, None], l2 * factors[:, None], size, 3, outputs)
    np.testing.assert_allclose(theta[:, :outputs], expected, rtol=1e-9, atol=1e-11)
    assert np.all(theta[:, outputs:] == 0)
    uniform = core_descent(
        core_problem(X, y, kind, None, outputs), name, kind, (d + 1, columns), size, n, epochs=3
    )
    assert np.abs(uniform - theta).max() > 1e-9  # adadelta begins with small steps


@pytest.mark.parametrize("kind", PENALISED)
@pytest.mark.parametrize("size", [1, 16, 64])
@pytest.mark.parametrize("name", ["plain", "adam", "adagrad", "ftrl"])
def test_strengths_in_other_coordinates(name, size, kind):
    """A penalty on v = s w is one of strengths l1 s and l2 s^2 on w."""
    X, y = make(n=64, d=9)
    rng = np.random.default_rng(3)
    center, inverse_scale = rng.normal(size=9), rng.uniform(0.5, 2, 9)
    factors, (l1, l2) = factors_of(9), KINDS[kind]
    problem = core_problem(X, y, kind, factors, standard=(center, inverse_scale))
    theta = core_descent(problem, name, kind, (10, 1), size, 64, epochs=3)
    strength = (factors * inverse_scale)[:, None]
    expected = numpy_descent(
        (X - center) * inverse_scale,
        y,
        name,
        l1 * strength,
        l2 * strength * inverse_scale[:, None],
        size,
        3,
        1,
    )
    np.testing.assert_allclose(theta, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_value_and_gradient_norm(kind):
    X, y = make(n=30, d=9)
    factors, (l1, l2) = factors_of(9), KINDS[kind]
    problem = core_problem(X, y, kind, factors)
    theta = np.random.default_rng(0).normal(size=(10, 1))
    w = theta[:-1, 0]
    expected = l1 * np.sum(factors * np.abs(w)) + l2 / 2 * np.sum(factors * w**2)
    assert problem.penalty(theta) == pytest.approx(expected, rel=1e-13)
    slope = reference.loss_gradient(theta, X, y)[:, 0] + np.append(l2 * factors * w, 0)
    descent = core.Descent64(theta, (), None, (0, 0.0), None, (0, 0))
    _, _, penalty, norm, _ = core.run(
        problem, descent, ("plain", []), None, (0, 30), steps_of(30, 30, rate=0.01)
    )
    assert penalty == pytest.approx(expected, rel=1e-13)
    assert norm == pytest.approx(np.linalg.norm(slope), rel=1e-12)


@pytest.mark.parametrize("kind", PENALISED)
@pytest.mark.parametrize("size", [1, 16])
def test_columns_apply_the_strength_of_each_feature(size, kind):
    """Models side by side, each with its own factor of the penalty, equal models one by one."""
    X, y = make(n=64, d=9)
    factors, alphas = factors_of(9), np.array([0.5, 1.0, 2.0, 3.0])
    folds = (np.ones((64, 1)), None, [4], alphas, True, True)
    targets, penalty = (y, None, 4, False), (kind, PARAMETERS[kind], factors)
    problem = core.Problem64(X, None, targets, ("squared_error", 0.0), penalty, True, None, folds)
    rule, slots = rule_of("plain", kind, size, 64)
    theta = np.zeros((10, 4))
    state = tuple(np.zeros((10, 4)) for _ in range(slots))
    descent = core.Descent64(theta, state, None, (0, 0.0), None, (0, 0))
    plan = steps_of(64, size, 4)
    core.run_columns(problem, descent, rule, None, (0, 64), plan)
    before = theta.copy()
    _, _, penalties, _ = core.run_columns(problem, descent, rule, None, (0, 64 if size > 1 else 1), plan)
    l1, l2 = KINDS[kind]
    for k, alpha in enumerate(alphas):
        strength = alpha * factors[:, None]
        expected = numpy_descent(X, y, "plain", l1 * strength, l2 * strength, size, 1, 1)
        np.testing.assert_allclose(before[:, k : k + 1], expected, rtol=1e-9, atol=1e-11)
    if size == 1:
        w = before[:-1]
        value = l1 * np.abs(w) + l2 / 2 * w**2
        np.testing.assert_allclose(penalties, alphas * (factors @ value), rtol=1e-12)


def test_strengths_of_one_change_nothing():
    X, y = make(n=64, d=9)
    for kind in PENALISED:
        fits = [
            core_descent(core_problem(X, y, kind, strength), "adam", kind, (10, 1), 16, 64, 2)
            for strength in (None, np.ones(9))
        ]
        np.testing.assert_allclose(fits[0], fits[1], rtol=1e-12)


def test_strengths_of_a_wrong_length_are_an_error():
    X, y = make(n=10, d=9)
    with pytest.raises(ValueError, match="strength has 8 elements instead of 9"):
        core_problem(X, y, "l2", np.ones(8))


# ---------------------------------------------------------------- names


def test_every_name_of_a_table_is_one_struct_of_the_core():
    rules = {name for name in OPTIMIZERS if name != "barzilai_borwein"}
    assert set(core.optimizers) == rules | {"cumulative"}
    assert set(core.losses) == set(LOSSES) | {
        "softmax",
        "smoothed_log_loss",
        "smoothed_softmax",
        "cross_entropy",
        "quantiles",
    }
    assert list(core.penalties) == list(KINDS)
    for names in (core.losses, core.penalties, core.optimizers, core.activations):
        assert len(set(names)) == len(names)


def test_unknown_names_and_missing_parameters_are_errors():
    X, y = make(n=10, d=9)
    with pytest.raises(ValueError, match="no penalty is named l3"):
        core.Problem64(X, None, (y, None, 1, False), ("huber", 1.0), ("l3", []), True, None)
    with pytest.raises(ValueError, match="elasticnet misses a parameter"):
        core.Problem64(X, None, (y, None, 1, False), ("huber", 1.0), ("elasticnet", [1.0]), True, None)
    with pytest.raises(ValueError, match="no loss is named huberts"):
        core.Problem64(X, None, (y, None, 1, False), ("huberts", 1.0), ("none", []), True, None)
