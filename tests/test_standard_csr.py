"""Standardised CSR rows, which are never formed, against standardised dense rows, which are."""

import time

import numpy as np
import pytest
from _data import csr, make, thin

from skgd._core import core
from skgd._problem import aligned_zeros

PROBLEMS = {np.float32: core.Problem32, np.float64: core.Problem64}
DESCENTS = {np.float32: core.Descent32, np.float64: core.Descent64}
HIDDEN = {"linear": None, "perceptron": ([5], ["tanh"], 0.0, [], [], [False], [], 0)}
RULES = {"plain": ([], 0), "adam": ([0.9, 0.999, 1e-8], 2), "adagrad": ([1e-8], 1), "implicit": ([], 0)}


def standard_of(X, centered=True):
    """Center and inverse scale of columns with offsets; one column is constant."""
    rng = np.random.default_rng(5)
    center = rng.normal(size=X.shape[1]) if centered else np.zeros(X.shape[1])
    return center.astype(X.dtype), rng.uniform(0.3, 3, X.shape[1]).astype(X.dtype)


def both(outputs=1, model="linear", dtype=np.float64, centered=True, index=np.int32, weights=None):
    """The same problem on dense rows and on CSR rows, in the same coordinates."""
    X, y = make(n=150, d=11, outputs=outputs, dtype=dtype)
    X, y = thin(X).astype(dtype), np.ascontiguousarray(y)
    X_csr, standard = csr(X, index), standard_of(X, centered)
    for rows in (X, (X_csr.data, X_csr.indices, X_csr.indptr, 11)):
        targets, loss = (y, weights, outputs, False), ("squared_error", 0.0)
        yield PROBLEMS[dtype](rows, standard, targets, loss, ("l2", [0.1]), True, HIDDEN[model])


def parameters(problem, dtype, seed=0):
    """Some parameters; the padding of columns stays zero."""
    theta = aligned_zeros((sum((i + 1) * c for i, _, c, _ in problem.layers),), np.dtype(dtype))
    rng = np.random.default_rng(seed)
    for inputs, width, columns, offset in problem.layers:
        block = theta[offset : offset + (inputs + 1) * columns].reshape(inputs + 1, columns)
        block[:, :width] = rng.normal(size=(inputs + 1, width)) / 2
    return theta


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 3e-5)])
@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("model", HIDDEN)
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_scores_loss_gradient_and_moments(model, outputs, centered, dtype, rtol, index):
    weights = np.random.default_rng(2).uniform(0, 2, 150).astype(dtype)
    results = []
    for problem in both(outputs, model, dtype, centered, index, weights):
        theta = parameters(problem, dtype)
        z, gradient = np.zeros((150, problem.columns), dtype), np.zeros_like(theta)
        problem.scores(theta, z)
        loss = problem.evaluate(theta, gradient)
        results.append((z, loss, gradient, problem.row_moments()))
    for dense, implied in zip(*results, strict=True):
        np.testing.assert_allclose(implied, dense, rtol=rtol, atol=100 * rtol)


@pytest.mark.parametrize(
    ("model", "name", "size", "outputs"),
    [
        ("linear", "implicit", 1, 1),
        *(
            (model, name, size, outputs)
            for model in HIDDEN
            for name in RULES
            for size in (1, 16, 150)
            for outputs in (1, 3)
            if name != "implicit"
        ),
    ],
)
def test_descents_are_those_of_dense_rows(model, name, size, outputs):
    hyper, slots = RULES[name]
    ends = []
    for problem in both(outputs, model):
        theta = parameters(problem, np.float64)
        state = tuple(np.zeros_like(theta) for _ in range(slots))
        descent = core.Descent64(theta, state, None, (0, 0.0), None, (0, 0))
        plan = ((150, -(-150 // size), 0), np.full((1, 1), 0.02), 1, 0.0)
        sums = [core.run(problem, descent, (name, hyper), None, (0, 150), plan) for _ in range(3)]
        ends.append((theta, np.array(sums)))
    for dense, implied in zip(*ends, strict=True):
        assert np.isfinite(dense).all()
        np.testing.assert_allclose(implied, dense, rtol=1e-9, atol=1e-10)


def test_a_gradient_costs_the_non_zeros_and_not_the_columns():
    """Twenty values in rows of 20,000 columns: formed rows would cost a thousand times as much."""
    n, d, stored = 2000, 20_000, 20
    rng = np.random.default_rng(0)
    indices = rng.integers(0, d, n * stored).astype(np.int32)
    rows = rng.normal(size=n * stored), indices, np.arange(0, n * stored + 1, stored, dtype=np.int32), d
    y = rng.normal(size=n)
    seconds = {}
    for name, standard in (("as it is", None), ("standardised", (rng.normal(size=d), np.ones(d)))):
        problem = core.Problem64(
            rows, standard, (y, None, 1, False), ("squared_error", 0.0), ("none", []), True, None
        )
        theta, gradient, times = rng.normal(size=d + 1), np.zeros(d + 1), []
        for _ in range(5):
            begin = time.process_time()
            problem.evaluate(theta, gradient)
            times.append(time.process_time() - begin)
        seconds[name] = min(times)
    # two passes over the columns for each block of 64 rows add to the non-zeros
    assert seconds["standardised"] < 60 * seconds["as it is"]
