"""Checkpoints: a fit that was killed goes on to the same model, history and reason to stop, bit for bit."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from _data import KINDS, covering, csr, data_of, estimator, flat, make, pairs, small
from _killed import assert_same, killed_after

import skgd
from skgd import Checkpoint, schedules
from skgd._checkpoint import FileKeeper
from skgd._packing import read_tree, write_tree


def assert_resumes(monkeypatch, path, fresh, X, y, writings=(1, 4), every=0, whole=None, **given):
    """Killed twice, after so many writings each, it ends as without."""
    whole = whole or fresh().fit(X, y, **given)
    for count in writings:
        killed_after(
            monkeypatch, count, lambda: fresh().fit(X, y, checkpoint=Checkpoint(path, every), **given)
        )
    assert path.exists()
    assert_same(fresh().fit(X, y, checkpoint=Checkpoint(path, every), **given), whole)
    return whole


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.ckpt"


def settings(optimizer, solver):
    return {"optimizer": optimizer, "solver": solver, "batch_size": 8, "max_iter": 12, "tol": 1e-3}


@pytest.mark.parametrize(
    ("rule", "rate", "penalty", "dtype", "loss"),
    covering(
        pairs(without=["implicit"]),
        ["auto", 0.01],
        ["l2", "elasticnet"],
        [np.float64, np.float32],
        ["squared_error", "log_loss"],
    ),
)
def test_linear_models(rule, rate, penalty, dtype, loss, path, monkeypatch):
    X, y = make(loss, n=90, dtype=dtype)
    fixed = {**settings(*rule), "learning_rate": rate, "penalty": penalty}
    assert_resumes(monkeypatch, path, lambda: estimator(loss, **fixed), X, y)


@pytest.mark.parametrize(
    ("rule", "rate", "tol", "dtype"),
    covering(pairs(without=["implicit"]), ["auto", 0.01], [1e-3, None], [np.float64, np.float32]),
)
def test_perceptrons(rule, rate, tol, dtype, path, monkeypatch):
    X, y = make(n=90, dtype=dtype)
    fixed = {**settings(*rule), "learning_rate": rate, "tol": tol, "dropout": 0.2}
    assert_resumes(monkeypatch, path, lambda: small(skgd.GDMLPRegressor, **fixed), X, y)


VARIANTS = {
    "kinks": {"loss": "absolute_error"},
    "kinks, all rows": {"loss": "absolute_error", "solver": "batch", "max_iter": 60},
    "no mean": {"average": False, "max_iter": 60},
    "a mean": {"average": True, "learning_rate": 0.01},
    "checks between epochs": {"check_every": 7},
    "several checks an epoch": {"check_every": 2, "record_path": True},
    "adaptive": {"schedule": schedules.Adaptive(patience=1), "tol": 0.1, "learning_rate": 0.02},
    "adaptive, automatic": {"schedule": "adaptive", "tol": 0.3, "n_iter_no_change": 6},
    "cosine": {"schedule": "cosine", "tol": None},
    "in order": {"shuffle": False},
    "early stopping": {"early_stopping": True},
    "refit": {"early_stopping": True, "refit": True},
    "scorers": {"early_stopping": True, "scoring": ["r2", "neg_mean_absolute_error"]},
    "refit, all rows": {"early_stopping": True, "refit": True, "solver": "batch"},
    "raw units": {"standardize": True},
    "seed drawn": {"random_state": None},
    "seed drawn, early stopping": {"random_state": None, "early_stopping": True},
    "seed drawn from a generator": {"random_state": np.random.RandomState(3)},
    "implicit": {"optimizer": "implicit", "solver": "sgd", "learning_rate": 0.02},
    "schedule-free": {"optimizer": "schedule_free", "max_iter": 40},
}


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_a_fit(variant, outputs, path, monkeypatch):
    X, y = make(n=120, outputs=outputs)
    fixed = {"batch_size": 8, "max_iter": 20, "random_state": 0, **VARIANTS[variant]}
    if not isinstance(fixed["random_state"], int):
        first = skgd.GDRegressor(**fixed)
        killed_after(monkeypatch, 3, lambda: first.fit(X, y, checkpoint=Checkpoint(path, 0)))
        seed = read_tree(path)["seed"]
        whole = skgd.GDRegressor(**{**fixed, "random_state": seed}).fit(X, y)
        assert_same(skgd.GDRegressor(**fixed).fit(X, y, checkpoint=path), whole)
        return
    whole = None
    for writings in ((2, 5), (18,)):
        path.unlink(missing_ok=True)
        whole = assert_resumes(
            monkeypatch, path, lambda: skgd.GDRegressor(**fixed), X, y, writings, whole=whole
        )


@pytest.mark.parametrize("kind", KINDS)
def test_weights_sparse_rows_and_a_validation_set(kind, path, monkeypatch):
    X, y = data_of(kind, n=120)
    weights = np.random.default_rng(0).uniform(0.5, 2, 100)
    given = {"sample_weight": weights, "X_val": X[100:], "y_val": y[100:]}
    fresh = lambda: small(kind, max_iter=12, early_stopping=True)  # noqa: E731
    assert_resumes(monkeypatch, path, fresh, csr(X)[:100], y[:100], **given)


@pytest.mark.parametrize("random_state", [0, None])
def test_members(random_state, path, monkeypatch):
    X, y = make(n=120)
    fixed = {"hidden_layer_sizes": 4, "n_members": 3, "max_iter": 6, "random_state": random_state}
    fixed |= {"early_stopping": True}
    fresh = lambda: skgd.GDMLPRegressor(**fixed)  # noqa: E731
    assert killed_after(monkeypatch, 7, lambda: fresh().fit(X, y, checkpoint=Checkpoint(path, 0)))
    seed = read_tree(path)["seed"]
    resumed = fresh().fit(X, y, checkpoint=path)
    whole = skgd.GDMLPRegressor(**{**fixed, "random_state": seed}).fit(X, y)
    assert {each.name for each in path.parent.iterdir()} == {f"fit.ckpt{k}" for k in ("", ".0", ".1", ".2")}
    np.testing.assert_array_equal(resumed.oof_score_, whole.oof_score_)
    for one, other in zip(resumed.members_, whole.members_, strict=True):
        assert_same(one, other)


def test_a_table_and_its_encoder(path, monkeypatch):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=120), "b": pd.Categorical(rng.choice(["x", "y"], 120))})
    y = X["a"].to_numpy() + (X["b"] == "x")
    assert_resumes(monkeypatch, path, lambda: small(skgd.GDMLPRegressor, max_iter=8), X, y)


# ---------------------------------------------------------------- what is written, and when


def test_a_finished_fit_is_not_made_again(path, monkeypatch):
    X, y = make()
    model = estimator().fit(X, y, checkpoint=path)
    monkeypatch.setattr("skgd._training.run_epochs", None)
    assert_same(estimator().fit(X, y, checkpoint=path), model)


@pytest.mark.parametrize("every", [0.0, 1e9])
def test_writings_keep_a_distance(every, path, monkeypatch):
    X, y = make()
    count, keep = [], FileKeeper.keep
    monkeypatch.setattr(FileKeeper, "keep", lambda self, state: (count.append(1), keep(self, state)))
    model = estimator(max_iter=19, tol=None).fit(X, y, checkpoint=Checkpoint(path, every=every))
    assert len(count) == 1 + (0 if every else len(model.loss_curve_))


def test_a_fit_with_more_time_goes_on(path):
    X, y = make()
    fixed = {"max_iter": 100, "tol": None}
    short = estimator(max_time=1e-9, **fixed).fit(X, y, checkpoint=path)
    assert short.stop_reason_ == "max_time"
    assert short.n_iter_ < 100
    assert_same(estimator(max_time=1e-9, **fixed).fit(X, y, checkpoint=path), short)
    long = estimator(max_time=60, **fixed).fit(X, y, checkpoint=path)
    assert long.stop_reason_ == "max_iter"
    np.testing.assert_array_equal(flat(long), flat(estimator(**fixed).fit(X, y)))


def test_a_writing_that_fails_leaves_the_last_one(path, monkeypatch):
    X, y = make()
    whole = estimator(max_iter=9, tol=None).fit(X, y)
    fit = lambda: estimator(max_iter=9, tol=None).fit(X, y, checkpoint=Checkpoint(path, 0))  # noqa: E731
    killed_after(monkeypatch, 4, fit)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError("the disk is full")))
        with pytest.raises(OSError, match="full"):
            fit()
    assert path.read_bytes() == before
    assert_same(fit(), whole)


def test_an_interrupt_leaves_what_was_written(path, monkeypatch):
    X, y = make()
    fixed = {"max_iter": 9, "tol": None}
    whole, keep, left = estimator(**fixed).fit(X, y), FileKeeper.keep, [3]

    def interrupted(self, state):
        keep(self, state)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FileKeeper, "keep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            estimator(**fixed).fit(X, y, checkpoint=Checkpoint(path, 0))
    assert_same(estimator(**fixed).fit(X, y, checkpoint=path), whole)


# ---------------------------------------------------------------- what is refused


CHANGES = {
    "alpha": {"alpha": 0.2},
    "tol": {"tol": 1e-7},
    "schedule": {"schedule": schedules.Step(factor=0.2)},
    "random_state": {"random_state": 1},
    "optimizer": {"optimizer": skgd.optimizers.Momentum(beta=0.5)},
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_parameters_are_an_error(name, path):
    X, y = make()
    estimator().fit(X, y, checkpoint=path)
    with pytest.raises(ValueError, match=rf"another fit: {name} was .* and is "):
        estimator(**CHANGES[name]).fit(X, y, checkpoint=path)


@pytest.mark.parametrize("changed", ["X", "y", "sample_weight", "X_val", "start"])
def test_other_rows_are_an_error(changed, path):
    X, y = make()
    weights, init = np.ones(60) + np.arange(60), np.zeros(5)
    given = {"sample_weight": weights, "X_val": X, "y_val": y, "coef_init": init}
    estimator().fit(X, y, checkpoint=path, **given)
    name = {"start": "coef_init"}.get(changed, changed)
    if changed in ("X", "y"):
        X, y = (X + (changed == "X"), y + (changed == "y"))
    else:
        given[name] = (given[name].T + np.arange(len(given[name]))).T
    with pytest.raises(ValueError, match=f"another fit: {changed} has changed"):
        estimator().fit(X, y, checkpoint=path, **given)


def test_another_kind_of_estimator_is_an_error(path):
    X, y = make("log_loss")
    estimator("log_loss").fit(X, y, checkpoint=path)
    with pytest.raises(ValueError, match="estimator was GDClassifier and is GDRegressor"):
        estimator().fit(X, y, checkpoint=path)


def test_threads_and_verbosity_may_change(path, monkeypatch, capsys):
    X, y = make(n=90)
    fixed = settings("plain", "batch")
    whole = estimator(**fixed).fit(X, y)
    killed_after(monkeypatch, 3, lambda: estimator(**fixed).fit(X, y, checkpoint=Checkpoint(path, 0)))
    assert_same(estimator(**fixed, n_jobs=2, verbose=2).fit(X, y, checkpoint=path), whole)
    assert f"{whole.n_iter_}/{fixed['max_iter']}" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nothing of ours" * 100])
def test_a_foreign_file_is_an_error_and_stays(content, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no checkpoint"):
        estimator().fit(*make(), checkpoint=path)
    assert path.read_bytes() == content


def test_bad_places(tmp_path):
    X, y = make()
    with pytest.raises(FileNotFoundError, match="no such folder"):
        estimator().fit(X, y, checkpoint=tmp_path / "nowhere" / "a")
    with pytest.raises(TypeError, match="must be a path"):
        estimator().fit(X, y, checkpoint=3)
    with pytest.raises(ValueError, match="every=-1"):
        Checkpoint("a", every=-1)


def test_trees_come_back_as_they_were(path):
    tree = {"a": (1, [2.5, None, True], "x"), "inf": np.inf, "b": np.float32(0.1), "c": {"d": np.arange(3)}}
    tree["nan"] = np.float64(np.nan)
    write_tree(path, tree)
    found = read_tree(path)
    assert found["a"] == tree["a"]
    assert found["inf"] == np.inf
    assert type(found["b"]) is np.float32
    assert type(found["nan"]) is np.float64
    np.testing.assert_array_equal(found["c"]["d"], np.arange(3))
    with pytest.raises(TypeError, match="object cannot be part"):
        write_tree(path, {"a": object()})


# ---------------------------------------------------------------- processes that are killed


FIT = """
    import sys, numpy as np, skgd
    path, every = sys.argv[1:3]
    X = np.random.default_rng(0).normal(size=(3000, 10))
    y = X @ np.arange(10.0) + np.sin(9 * X[:, 0])
    model = skgd.GDRegressor(solver="sgd", max_iter=400, tol=None, random_state=0)
    print("begins", flush=True)
    model.fit(X, y, checkpoint=skgd.Checkpoint(path, every=float(every)))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_killed_process(path, tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(FIT), str(path), "0.01"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"begins"
    until = time.monotonic() + 60
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.005)
    process.kill()
    process.wait()
    process.stdout.close()
    X = np.random.default_rng(0).normal(size=(3000, 10))
    y = X @ np.arange(10.0) + np.sin(9 * X[:, 0])
    fresh = lambda: skgd.GDRegressor(solver="sgd", max_iter=400, tol=None, random_state=0)  # noqa: E731
    assert read_tree(path)["trainings"]["fit"]["state"]["place"][0] < 399
    assert_same(fresh().fit(X, y, checkpoint=path), fresh().fit(X, y))
