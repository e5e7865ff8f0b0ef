"""Checkpoints of fits to blocks: a fit that was killed goes on to the same model, bit for bit."""

from itertools import pairwise

import numpy as np
import pytest
from _data import KINDS, covering, csr, data_of, make, small
from _killed import assert_same, killed_after

import skgd
from skgd import Checkpoint
from skgd._packing import read_tree

ENDS = (0, 70, 71, 150, 200)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.ckpt"


def cut(*arrays, ends=ENDS):
    return [tuple(each[a:b] for each in arrays) for a, b in pairwise(ends)]


def assert_resumes(monkeypatch, path, fresh, blocks, writings=(1, 4), **given):
    """Killed after so many writings each, it ends as without."""
    whole = fresh().fit_blocks(blocks, **given)
    for count in writings:
        killed_after(
            monkeypatch, count, lambda: fresh().fit_blocks(blocks, checkpoint=Checkpoint(path, 0), **given)
        )
    assert path.exists()
    assert_same(fresh().fit_blocks(blocks, checkpoint=Checkpoint(path, 0), **given), whole)


@pytest.mark.parametrize(
    ("kind", "solver", "rate", "dtype", "storage"),
    covering(
        KINDS,
        ["batch", "minibatch", "sgd"],
        ["auto", 0.01],
        [np.float64, np.float32],
        [np.asarray, csr],
    ),
)
def test_every_solver_and_estimator(kind, solver, rate, dtype, storage, path, monkeypatch):
    X, y = data_of(kind, n=200)
    blocks = cut(storage(X.astype(dtype)), y)
    fixed = {"solver": solver, "learning_rate": rate, "batch_size": 8, "max_iter": 12}
    assert_resumes(monkeypatch, path, lambda: small(kind, **fixed), blocks)


VARIANTS = {
    "huber": {"loss": "huber", "solver": "batch", "max_iter": 40},
    "kinks": {"loss": "absolute_error", "solver": "batch", "max_iter": 40},
    "no second moments": {"optimizer": "adam", "solver": "batch"},
    "a mean": {"average": True, "learning_rate": 0.01},
    "checks within blocks": {"check_every": 3, "record_path": True},
    "cosine": {"schedule": "cosine", "tol": None},
    "in order": {"shuffle": False},
    "raw units": {"standardize": True, "solver": "batch"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_a_fit(variant, path, monkeypatch):
    X, y = make(n=200)
    fixed = {"batch_size": 8, "max_iter": 20, "random_state": 0, **VARIANTS[variant]}
    assert_resumes(monkeypatch, path, lambda: skgd.GDRegressor(**fixed), cut(X, y), (2, 5))


def test_weights_loaders_and_a_validation_set(path, monkeypatch):
    X, y = make(n=250)
    weights = np.random.default_rng(0).uniform(0.5, 2, 250)
    blocks = [lambda part=part: part for part in cut(X, y, weights)]
    given = {"X_val": X[200:], "y_val": y[200:]}
    fixed = {"early_stopping": True, "random_state": 0, "max_iter": 15}
    for blocks_or_function in (blocks, lambda: iter(blocks)):
        path.unlink(missing_ok=True)
        assert_resumes(monkeypatch, path, lambda: skgd.GDRegressor(**fixed), blocks_or_function, **given)


def test_a_seed_that_was_drawn_is_kept(path, monkeypatch):
    X, y = make(n=200)
    fresh = lambda seed=None: skgd.GDRegressor(max_iter=9, tol=None, random_state=seed)  # noqa: E731
    assert killed_after(monkeypatch, 3, lambda: fresh().fit_blocks(cut(X, y), checkpoint=Checkpoint(path, 0)))
    whole = fresh(read_tree(path)["seed"]).fit_blocks(cut(X, y))
    assert_same(fresh().fit_blocks(cut(X, y), checkpoint=path), whole)


def test_one_block_has_the_file_of_fit(path):
    X, y = make(n=200)
    model = skgd.GDRegressor(random_state=0).fit_blocks([(X, y)], checkpoint=path)
    assert_same(skgd.GDRegressor(random_state=0).fit(X, y, checkpoint=path), model)


def test_other_blocks_are_an_error(path):
    X, y = make(n=200)
    model = skgd.GDRegressor(random_state=0, max_iter=5, tol=None)
    model.fit_blocks(cut(X, y), checkpoint=path)
    with pytest.raises(ValueError, match="another fit: the cut into blocks has changed"):
        model.fit_blocks(cut(X, y, ends=(0, 100, 200)), checkpoint=path)
    with pytest.raises(ValueError, match=r"another fit: .* has changed"):
        model.fit_blocks(cut(X + 1, y), checkpoint=path)
    with pytest.raises(ValueError, match="another fit: "):
        model.fit(X, y, checkpoint=path)
