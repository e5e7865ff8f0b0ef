"""The order of the rows: every row once an epoch, in an order that owes nothing to the file's."""

import numpy as np
import pytest
from _data import csr, estimator

from skgd import losses


class Listener(losses.Loss):
    """The targets it is shown are the numbers of the rows; their order is the order of the rows."""

    heard: list = []

    def value_and_slope(self, y, raw):
        self.heard.extend(np.ravel(y).astype(int))
        return np.zeros(len(raw)), np.zeros_like(raw)


def listen(t):
    """A constant schedule, first asked for when training begins: what came before is not heard."""
    if t[0] == 0:
        Listener.heard = []
    return np.ones(len(t))


def orders(n, d, epochs=2, storage=np.asarray, seed=0, **params):
    """Rows as visited, (epochs, n)."""
    estimator(
        solver="minibatch",
        batch_size=100 if n >= 1000 else 10,
        learning_rate=1e-3,
        schedule=listen,
        penalty=None,
        tol=None,
        max_iter=epochs,
        average=False,
        random_state=seed,
        **params,
    ).set_params(loss=Listener()).fit(storage(np.ones((n, d))), np.arange(float(n)))
    return np.array(Listener.heard[: epochs * n]).reshape(epochs, n)


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 1000, 4097, 70_001])
def test_every_epoch_is_a_permutation(n, storage):
    seen = orders(n, 3, storage=storage)
    np.testing.assert_array_equal(np.sort(seen, axis=1), np.tile(np.arange(n), (2, 1)))
    if n > 60:
        assert np.mean(seen[0] == seen[1]) < 0.1
        assert np.mean(seen[0] == np.arange(n)) < 0.1


def test_without_shuffle_rows_come_as_they_are():
    np.testing.assert_array_equal(orders(1000, 3, shuffle=False), np.tile(np.arange(1000), (2, 1)))


def test_the_seed_decides():
    first, again, other = (orders(1000, 3, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(again, first)
    assert np.mean(first == other) < 0.01


@pytest.mark.parametrize(("n", "d", "excess"), [(2_000, 5, 1.3), (200_000, 8, 3), (200_000, 40, 3)])
def test_sorted_classes_are_mixed(n, d, excess):
    """Rows sorted by class: in a batch of 100 the count of a class varies as it would by chance.
    Files far larger than the caches are shuffled in blocks, at little cost to the mixing."""
    classes = 10
    seen = orders(n, d, epochs=1)[0].reshape(-1, 100) * classes // n
    counts = np.stack([(seen == label).sum(axis=1) for label in range(classes)])
    by_chance = 100 * 0.1 * 0.9
    assert counts.var(axis=1).mean() < excess * by_chance


@pytest.mark.parametrize(("n", "d"), [(2_000, 5), (200_000, 40)])
def test_places_are_spread_evenly(n, d):
    """The distance of a row's place from its number averages n / 3, uncorrelated with it."""
    order = orders(n, d, epochs=1)[0]
    places = np.empty(n)
    places[order] = np.arange(n)
    assert np.mean(np.abs(places - np.arange(n))) == pytest.approx(n / 3, rel=0.08)
    assert np.abs(np.corrcoef(places, np.arange(n))[0, 1]) < 0.1
