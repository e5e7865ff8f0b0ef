"""Perceptrons against PyTorch, where it is installed: the same updates from the same start."""

from itertools import pairwise

import numpy as np
import pytest
from _data import STILL, make

from skgd import GDMLPClassifier, GDMLPRegressor, optimizers

torch = pytest.importorskip("torch")

THEIRS = {
    "adam": (optimizers.Adam(), lambda groups: torch.optim.Adam(groups, lr=0.01)),
    "momentum": (
        optimizers.Momentum(beta=0.9),
        lambda groups: torch.optim.SGD(groups, lr=0.02, momentum=0.9),
    ),
}
RATES = {"adam": 0.01, "momentum": 0.02}
ALPHA, ROWS, BATCH, WIDTHS = 0.05, 50, 10, (7, 6)


def start_of(widths, seed=0):
    """Weights and intercepts of every layer."""
    rng = np.random.default_rng(seed)
    coefs = [rng.normal(0, 0.5, shape) for shape in pairwise(widths)]
    return coefs, [rng.normal(0, 0.1, width) for width in widths[1:]]


def their_path(X, y, start, loss, optimizer):
    """Parameters before the first and after each of fifty updates, laid out as in path_."""
    weights, intercepts = ([torch.tensor(each, requires_grad=True) for each in part] for part in start)
    groups = [{"params": weights, "weight_decay": ALPHA}, {"params": intercepts}]
    rule, path = optimizer(groups), []

    def remember():
        path.append(np.concatenate([each.detach().numpy().ravel() for each in (*weights, *intercepts)]))

    X, y = torch.tensor(X), torch.tensor(y)
    remember()
    for first in [*range(0, ROWS, BATCH)] * (50 * BATCH // ROWS):
        rows = slice(first, first + BATCH)
        rule.zero_grad()
        z = X[rows]
        for i, (weight, intercept) in enumerate(zip(weights, intercepts, strict=True)):
            z = torch.tanh(z) if i else z
            z = z @ weight + intercept
        loss(z, y[rows]).backward()
        rule.step()
        remember()
    return path


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("name", THEIRS)
def test_the_same_fifty_updates(name, task, dtype):
    X, y = make(n=ROWS, outputs=3, dtype=dtype)
    kind, loss = GDMLPRegressor, lambda z, y: torch.mean(torch.sum((z - y) ** 2, dim=1)) / 2
    if task == "classification":
        kind, loss, y = GDMLPClassifier, torch.nn.functional.cross_entropy, y.argmax(axis=1)
    start = tuple([each.astype(dtype) for each in part] for part in start_of((X.shape[1], *WIDTHS, 3)))
    rule, theirs = THEIRS[name]
    model = kind(
        hidden_layer_sizes=WIDTHS, activation="tanh", alpha=ALPHA, optimizer=rule, learning_rate=RATES[name]
    )
    model.set_params(batch_size=BATCH, max_iter=50 * BATCH // ROWS, check_every=1, record_path=True, **STILL)
    model.fit(X, y, coef_init=start[0], intercept_init=start[1])
    assert model.n_updates_ == 50
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    path = their_path(X, y, start, loss, theirs)
    np.testing.assert_allclose(model.path_, path, rtol=tolerance, atol=tolerance)
