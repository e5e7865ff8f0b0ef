"""The noise of a table, as pilot fits tell it, and what goes by it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from skgd import GDMLPClassifier, GDMLPRegressor, _estimator, _pilot
from skgd._design import design_of
from skgd._options import options_of
from skgd._pilot import _vertex, noise_of, with_noise_known
from skgd._recipe import settings_by_noise
from skgd._targets import Classes, Numbers
from skgd.losses import LogLoss, SquaredError
from skgd.preprocessing import TableEncoder


def rows(n=1500, d=3, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, d)).astype(np.float32)


def noise(X, task, y, model, weight=None):
    X = TableEncoder().fit_transform(X)
    loss = SquaredError() if isinstance(task, Numbers) else LogLoss()
    weight = None if weight is None else np.asarray(weight, X.dtype)
    return noise_of(options_of(model), design_of(X), task.encode(y, weight, X.dtype, loss))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("unit", [1.0, 1e5])
def test_the_noise_of_a_regression_is_its_share_of_the_variance(share, unit):
    X = rows()
    signal = np.sin(3 * X[:, 0]) + X[:, 1]
    scatter = np.random.default_rng(1).normal(scale=signal.std() * np.sqrt(share / (1 - share)), size=len(X))
    y = unit * (signal + scatter + 10)
    assert noise(X, Numbers(flat=True), y, GDMLPRegressor()) == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize("classes", [2, 3])
def test_other_losses_of_classes_have_a_penalty_by_their_number_of_rows(classes):
    X = rows(400)
    y = np.digitize(X[:, 0], [0] if classes == 2 else [-1 / 3, 1 / 3])
    assert noise(X, Classes(np.arange(classes)), y, GDMLPClassifier()) is None
    model = GDMLPClassifier(loss="hinge", encoding="table", max_iter=1, random_state=0).fit(X, y)
    assert (model.settings_["alpha"], model.settings_["dropout"]) == (3e-3, 0.3)


def labels(X, share, seed=1):
    """Of two classes; so large a share of them is drawn at random."""
    rng = np.random.default_rng(seed)
    clean = np.sin(3 * X[:, 0]) + X[:, 1] > 0
    return np.where(rng.random(len(X)) < share, rng.random(len(X)) < 0.5, clean).astype(int)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_penalty_of_classes_predicts_new_rows(share):
    X, new = rows(1000, 6), rows(4000, 6, seed=2)
    y, of_new = labels(X, share), labels(new, share, seed=3)

    def loss(**given):
        model = GDMLPClassifier(encoding="table", random_state=0, share_weights=False, **given).fit(X, y)
        return model, log_loss(of_new, model.predict_proba(new))

    model, found = loss()
    alpha = model.settings_["alpha"]
    assert found < loss(alpha=alpha * 12)[1]
    assert found < loss(alpha=alpha / 12)[1]


def test_noisy_classes_have_a_stronger_penalty_whatever_the_seed():
    X = rows(800, 8)
    clean, noisy = (
        [
            GDMLPClassifier(encoding="table", max_iter=1, random_state=seed, share_weights=False)
            .fit(X, y)
            .settings_["alpha"]
            for seed in (0, 1)
        ]
        for y in (labels(X, 0.0), labels(X, 0.7))
    )
    assert clean[0] == clean[1]
    assert noisy[0] == noisy[1]
    assert noisy[0] > 5 * clean[0]
    members = GDMLPClassifier(encoding="table", max_iter=1, n_members=2, random_state=3).fit(
        X, labels(X, 0.0)
    )
    assert [each.alpha for each in members.members_] == clean


def test_the_vertex_is_that_of_the_parabola():
    assert _vertex([(x - 0.3) ** 2 + 7 for x in (-1, 0, 1)]) == pytest.approx(0.3)
    assert _vertex([1.0, 0.5, None]) == 0.0
    assert _vertex([1.0, 0.5, np.inf]) == 0.0
    assert _vertex([1.0, 1.0, 1.0]) == 0.0


def test_few_rows_of_classes_have_a_penalty_by_their_number():
    X = rows(40)
    model = GDMLPClassifier(encoding="table", max_iter=1, random_state=0).fit(X, labels(X, 0.0))
    assert model.settings_["alpha"] == 3e-3


def test_rows_of_weight_zero_tell_nothing():
    X, rng = rows(2000), np.random.default_rng(1)
    counts = np.arange(len(X)) % 2 == 0
    y = np.where(counts, X[:, 0] + X[:, 1], rng.normal(size=len(X)))
    task = Numbers(flat=True)
    assert noise(X, task, y, GDMLPRegressor(), counts) < 0.1
    assert noise(X, task, y, GDMLPRegressor()) > 0.5
    assert noise(X, task, y, GDMLPRegressor(), np.zeros(len(X))) is None


@pytest.mark.parametrize("loss", ["huber", "quantile", "poisson"])
def test_other_losses_have_no_noise_to_go_by(loss):
    X = rows(200)
    y = np.abs(X[:, 0])
    assert noise(X, Numbers(flat=True), y, GDMLPRegressor(loss=loss)) is None
    model = GDMLPRegressor(loss=loss, encoding="table", max_iter=1, random_state=0).fit(X, y)
    assert (model.settings_["alpha"], model.settings_["dropout"]) == (3e-4, 0.15)


def test_few_rows_have_none():
    X = rows(49)
    assert noise(X, Numbers(flat=True), X[:, 0], GDMLPRegressor()) is None


def test_options_that_do_not_go_by_the_noise_stay():
    X = rows(100)
    options = options_of(GDMLPRegressor())
    targets = Numbers(flat=True).encode(X[:, 0], None, X.dtype, SquaredError())
    assert with_noise_known(options, design_of(X), targets) is options


def test_the_penalty_grows_with_the_noise_and_falls_with_the_rows():
    assert settings_by_noise(0.1, 1000) == {"alpha": 2e-4, "dropout": pytest.approx(0.13)}
    assert settings_by_noise(1.0, 1000)["dropout"] == 0.3


@pytest.mark.parametrize("noisy", [False, True])
def test_a_table_is_fitted_by_its_noise_whatever_the_seed(noisy):
    X, rng = pd.DataFrame(rows(), columns=list("abc")), np.random.default_rng(1)
    y = X["a"] + noisy * rng.normal(size=len(X))
    models = [GDMLPRegressor(max_iter=2, random_state=seed).fit(X, y) for seed in (0, 1)]
    alpha, dropout = (models[0].settings_[name] for name in ("alpha", "dropout"))
    assert models[1].settings_["alpha"] == alpha
    assert (alpha > 5e-4) == (dropout > 0.2) == noisy
    given = GDMLPRegressor(max_iter=2, random_state=0, alpha=alpha, dropout=dropout).fit(X, y)
    np.testing.assert_array_equal(given.coefs_[0], models[0].coefs_[0])
    only = GDMLPRegressor(max_iter=2, random_state=0, dropout=0.5).fit(X, y)
    assert only.settings_["alpha"] == alpha
    assert "dropout" not in only.settings_


@pytest.mark.parametrize("n_members", [1, 2])
def test_pilots_take_their_time_from_that_of_the_fit(n_members, monkeypatch):
    """Limits are noted of the fits that follow pilots; pilots themselves have none."""
    clock, limits = [0.0], []

    def pilots(*args):
        clock[0] += 40.0
        return 0.5

    def noted(fit, *args, **options):
        limits.append(fit.options.stopping.max_time)
        return train(fit, *args, **options)

    monkeypatch.setattr(_pilot, "noise_of", pilots)
    monkeypatch.setattr(_pilot, "_gains", lambda *args: False)
    monkeypatch.setattr(_pilot.time, "perf_counter", lambda: clock[0])
    train = _estimator.train
    monkeypatch.setattr(_estimator, "train", noted)
    X = pd.DataFrame(rows(500), columns=list("abc"))
    GDMLPRegressor(n_members=n_members, max_iter=1, max_time=60.0, random_state=0).fit(X, X["a"])
    assert limits == pytest.approx([20.0 / n_members] * n_members)
    limits.clear()
    GDMLPRegressor(n_members=n_members, max_iter=1, max_time=30.0, random_state=0).fit(X, X["a"])
    assert len(limits) == n_members
    assert all(0 < limit < 1e-9 for limit in limits)


@pytest.mark.parametrize("kind", [GDMLPRegressor, GDMLPClassifier])
def test_threads_change_nothing(kind):
    X, rng = pd.DataFrame(rows(800), columns=list("abc")), np.random.default_rng(1)
    y = X["a"] - X["b"] + 0.3 * rng.normal(size=len(X))
    y = y > 0 if kind is GDMLPClassifier else y
    one, two = (kind(n_jobs=jobs, max_iter=2, random_state=0).fit(X, y) for jobs in (1, 2))
    assert one.settings_["alpha"] == two.settings_["alpha"]
    np.testing.assert_array_equal(one.predict(X), two.predict(X))


def test_the_objective_is_that_of_the_fit():
    X = pd.DataFrame(rows(600), columns=list("abc"))
    y = X["a"] + np.random.default_rng(1).normal(size=len(X))
    model = GDMLPRegressor(max_iter=3, random_state=0, share_weights=False).fit(X, y)
    assert model.objective(X, y)[0] == pytest.approx(model.loss_, rel=1e-5)
    squares = sum(np.sum(weights**2) for weights in model.coefs_) / 2
    other = model.loss_ + (5 - model.settings_["alpha"]) * squares
    assert model.set_params(alpha=5.0).objective(X, y)[0] == pytest.approx(other, rel=1e-4)
