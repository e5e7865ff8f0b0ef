"""Training: what is recorded, when it stops, what is kept."""

import warnings
from dataclasses import replace

import _reference as reference
import numpy as np
import pytest
from _data import SOLVERS, STILL, covering, csr, estimator, make, theta, unpack
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier
from skgd._design import design_of
from skgd._options import options_of
from skgd._problem import Problem
from skgd._stopping import value_of_constant
from skgd._targets import Targets
from skgd._training import Record
from skgd.losses import LogLoss

KEYS = {
    "epoch",
    "update",
    "loss",
    "validation_loss",
    "validation_score",
    "learning_rate",
    "gradient_norm",
    "seconds",
}
PENALTIES = [None, "l2", "l1", "elasticnet"]
LOSSES = ["squared_error", "huber", "poisson", "log_loss", "hinge"]
L1_RATIO = 0.4


def model_of(loss="squared_error", **params):
    fixed = {"learning_rate": 0.05, "alpha": 0.1, "l1_ratio": L1_RATIO, "batch_size": 16}
    return estimator(loss, **{**fixed, **params})


def F(at, X, y, loss="squared_error", penalty="l2", weights=None):
    l1, l2 = reference.strengths(penalty, 0.1, L1_RATIO)
    return reference.objective(at, X, y, loss, l1=l1, l2=l2, weights=weights)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge", "modified_huber"])
def test_the_best_constant_of_counted_classes_is_that_of_reading_the_rows(loss, classes, weighted):
    """An offset of zeros takes the way over all rows."""
    rng = np.random.default_rng(classes)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, classes, 60).astype(float)
    columns = 1 if classes == 2 else classes
    targets = Targets(y, rng.uniform(0, 2, 60) if weighted else None, columns, True)
    objective = options_of(GDClassifier(loss)).objective
    counted = value_of_constant(Problem(design_of(X), targets, objective))
    read = Problem(design_of(X), replace(targets, offset=np.zeros((60, columns))), objective)
    assert counted == pytest.approx(value_of_constant(read), rel=1e-12)


def test_the_best_constant_of_shares_of_classes_reads_the_rows():
    X, share = np.zeros((40, 1)), np.linspace(0.1, 0.7, 40)
    objective = options_of(GDClassifier(LogLoss(soft_labels=True))).objective
    mean = share.mean()
    entropy = -mean * np.log(mean) - (1 - mean) * np.log(1 - mean)
    problem = Problem(design_of(X), Targets(share[:, None], None, 1, False), objective)
    assert value_of_constant(problem) == pytest.approx(entropy, rel=1e-12)


# ---------------------------------------------------------------- what is recorded


@pytest.mark.parametrize(("check_every", "checks"), [("epoch", 7), (1, 28), (5, 6), (1000, 1)])
def test_history_has_one_entry_a_check(check_every, checks):
    X, y = make(n=64)
    model = model_of(max_iter=7, tol=None, check_every=check_every, record_path=True).fit(X, y)
    assert set(model.history_) == KEYS
    assert {len(column) for column in model.history_.values()} == {checks}
    assert model.path_.shape == (checks + 1, 6)
    assert model.n_iter_ == 7
    assert model.n_updates_ == 28
    assert model.history_["update"][-1] == 28
    assert model.history_["epoch"][-1] == 7
    assert np.all(np.diff(model.history_["update"]) > 0)
    assert np.all(np.diff(model.history_["seconds"]) >= 0)
    np.testing.assert_array_equal(model.history_["loss"], model.loss_curve_)


@pytest.mark.parametrize(("solver", "updates"), [("batch", 1), ("minibatch", 4), ("sgd", 60)])
def test_updates_of_an_epoch(solver, updates):
    X, y = make(n=60)
    model = model_of(solver=solver, max_iter=3, tol=None).fit(X, y)
    np.testing.assert_array_equal(model.history_["update"], updates * np.arange(1, 4))
    np.testing.assert_array_equal(model.history_["epoch"], [1, 2, 3])
    assert model.n_updates_ == 3 * updates


@pytest.mark.parametrize("rate", [0.05, "auto"])
@pytest.mark.parametrize(("outputs", "weighted"), [(1, False), (3, True)])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_of_batch_descent_is_the_objective_along_its_path(loss, penalty, outputs, weighted, rate):
    X, y = make(loss, outputs=outputs)
    weights = np.random.default_rng(0).uniform(0, 3, len(y)) if weighted else None
    model = model_of(
        loss,
        penalty=penalty,
        solver="batch",
        learning_rate=rate,
        max_iter=12,
        tol=None,
        record_path=True,
    ).fit(X, y, sample_weight=weights)
    path = [unpack(row, outputs) for row in model.path_]
    values = [F(at, X, y, loss, penalty, weights) for at in path]
    np.testing.assert_allclose(model.loss_curve_, values[:-1], rtol=1e-12)
    if rate == "auto":  # which ends with the best it has seen
        assert model.loss_ <= min(values) * (1 + 1e-12)
    else:
        np.testing.assert_array_equal(path[-1], theta(model))
        assert model.loss_ == pytest.approx(values[-1], rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "solver", "penalty", "average", "storage"),
    covering(LOSSES, SOLVERS, PENALTIES, [False, True, "auto"], [np.asarray, csr]),
)
def test_the_final_loss_is_the_objective(loss, solver, penalty, average, storage):
    X, y = make(loss, outputs=3)
    weights = np.random.default_rng(1).uniform(0, 3, len(y))
    model = model_of(
        loss,
        penalty=penalty,
        solver=solver,
        average=average,
        learning_rate="auto",
        max_iter=5,
        tol=None,
    ).fit(storage(X), y, sample_weight=weights)
    assert model.loss_ == pytest.approx(F(theta(model), X, y, loss, penalty, weights), rel=1e-10)


@pytest.mark.parametrize("check_every", ["epoch", 1, 2, 3, 7])
@pytest.mark.parametrize(("solver", "size"), [("minibatch", 16), ("sgd", 1)])
def test_the_loss_of_a_stream_is_that_of_its_last_n_rows(solver, size, check_every):
    """Every row is evaluated just before its update; the penalty before the last one is added."""
    X, y = make(n=48)
    weights = np.random.default_rng(2).uniform(0, 3, 48)
    model = model_of(solver=solver, max_iter=3, penalty="elasticnet", check_every=check_every, **STILL).fit(
        X, y, sample_weight=weights
    )
    l1, l2 = reference.strengths("elasticnet", 0.1, L1_RATIO)
    path = reference.descend(X, y, rate=0.05, batch_size=size, epochs=3, l1=l1, l2=l2, weights=weights)
    batches = np.array_split(np.arange(48), 48 // size)
    expected = []
    for update in model.history_["update"].astype(int):
        rows, values = [], []
        for step in range(max(0, update - len(batches)), update):
            batch = batches[step % len(batches)]
            rows.extend(batch)
            raw = reference.with_ones(X[batch]) @ path[step]
            values.extend(reference.value_and_slope("squared_error", y[batch], raw)[0])
        mean = np.average(values, weights=weights[rows])
        at = path[update - 1][:-1]
        expected.append(mean + l1 * np.abs(at).sum() + l2 * (at**2).sum() / 2)
    np.testing.assert_allclose(model.loss_curve_, expected, rtol=1e-9)


def test_gradient_norm_of_batch_descent():
    X, y = make()
    model = model_of(solver="batch", max_iter=6, tol=None, record_path=True).fit(X, y)
    norms = []
    for row in model.path_[:-1]:
        slope = reference.loss_gradient(unpack(row), X, y)
        slope[:-1] += 0.1 * unpack(row)[:-1]
        norms.append(np.linalg.norm(slope))
    np.testing.assert_allclose(model.history_["gradient_norm"], norms, rtol=1e-8)


# ---------------------------------------------------------------- when it stops


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("patience", [1, 5])
@pytest.mark.parametrize("tol", [1e-2, 1e-5])
def test_tol_stops_where_the_curve_stops_improving(tol, patience, scale):
    """The epoch can be read off the curve, and does not depend on the scale of y."""
    X, y = make()
    params = {"solver": "batch", "penalty": None}
    model = model_of(tol=tol, n_iter_no_change=patience, max_iter=5000, **params).fit(X, scale * y)
    curve = model_of(tol=None, max_iter=5000, **params).fit(X, scale * y).loss_curve_
    last, stop = 0, 1  # the check that last improved on the one that did before
    while stop - last <= patience:
        last = stop if curve[stop] < curve[last] - tol * curve[0] else last
        stop += 1
    assert model.stop_reason_ == "tol"
    assert model.n_iter_ == stop
    np.testing.assert_allclose(model.loss_curve_, curve[:stop], rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_tol_every_epoch_is_run(solver):
    X, y = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = model_of(solver=solver, tol=None, max_iter=30).fit(X, y)
    assert model.n_iter_ == 30
    assert model.stop_reason_ == "max_iter"


@pytest.mark.parametrize("solver", SOLVERS)
def test_running_out_of_epochs_is_told(solver):
    X, y = make()
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model = model_of(solver=solver, tol=1e-12, max_iter=3, learning_rate=1e-3).fit(X, y)
    assert model.n_iter_ == 3
    assert model.stop_reason_ == "max_iter"


def test_checks_within_an_epoch_can_stop_it():
    X, y = make(n=1000)
    model = model_of(solver="sgd", check_every=50, tol=1e-3, n_iter_no_change=3).fit(X, y)
    assert model.stop_reason_ == "tol"
    assert model.n_updates_ % 50 == 0
    assert model.n_updates_ == model.history_["update"][-1]


# ---------------------------------------------------------------- held-out rows


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_early_stopping_gives_the_best_parameters_back(solver, loss):
    X, y = make(loss, n=200, d=30, seed=7)
    X, X_val, y, y_val = train_test_split(X, y, random_state=0)
    model = model_of(
        loss,
        solver=solver,
        early_stopping=True,
        max_iter=5000,
        record_path=True,
        alpha=0.0,
        n_iter_no_change=4,
        learning_rate=0.02,
    ).fit(X, y, X_val=X_val, y_val=y_val)
    scores = np.asarray(model.validation_scores_)
    best = np.argmin(model.history_["validation_loss"])
    assert model.stop_reason_ == "early_stopping"
    assert len(scores) == len(model.history_["loss"])
    np.testing.assert_array_equal(model.history_["validation_score"], scores)
    assert model.best_validation_score_ == scores[best]
    assert model.score(X_val, y_val) == pytest.approx(scores[best], rel=1e-12)
    np.testing.assert_array_equal(theta(model), unpack(model.path_[1 + best]))


@pytest.mark.parametrize("solver", SOLVERS)
def test_early_stopping_without_patience_for_ever(solver):
    """After the last improvement by tol, n_iter_no_change checks follow and no more."""
    X, y = make(n=200, d=30, seed=7)
    model = model_of(solver=solver, early_stopping=True, tol=0.0, n_iter_no_change=3).fit(X, y)
    losses = model.history_["validation_loss"]
    assert model.stop_reason_ == "early_stopping"
    assert len(losses) - 1 - np.argmin(losses) == 3


def test_the_fraction_held_out():
    """The rows that train are those a fit without early stopping would be given."""
    X, y = np.zeros((50, 1)), np.zeros(50)
    y[7] = 1.0  # one step from zero leaves the mean of the training targets in the intercept
    seen = set()
    for seed in range(20):
        model = model_of(
            solver="batch",
            learning_rate=1.0,
            early_stopping=True,
            validation_fraction=0.2,
            max_iter=1,
            tol=None,
            random_state=seed,
        ).fit(X, y)
        seen.add(round(model.intercept_[0], 12))
    assert seen == {0.0, 1 / 40}


def test_held_out_rows_of_ones_own_need_both_parts():
    X, y = make()
    with pytest.raises(ValueError, match="y_val"):
        model_of(early_stopping=True).fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="features"):
        model_of(early_stopping=True).fit(X, y, X_val=X[:, :2], y_val=y)


def test_held_out_labels_have_been_seen():
    X, y = make("log_loss", outputs=1)
    model = estimator("log_loss", early_stopping=True)
    with pytest.raises(ValueError, match="not among the classes"):
        model.fit(X, y, X_val=X, y_val=np.full(len(y), "no such class"))


def test_without_held_out_rows_there_are_no_scores():
    X, y = make()
    model = model_of(max_iter=3, tol=None).fit(X, y)
    assert np.isnan(model.history_["validation_score"]).all()
    assert np.isnan(model.history_["validation_loss"]).all()
    assert getattr(model, "validation_scores_", None) is None


def test_verbose_tells_epoch_loss_and_rate(capsys):
    X, y = make(n=48)
    model_of(max_iter=3, tol=None, verbose=0).fit(X, y)
    silent = capsys.readouterr()
    assert silent.out + silent.err == ""
    model = model_of(max_iter=3, tol=None, verbose=1).fit(X, y)
    told = "".join(capsys.readouterr())
    assert f"{model.loss_curve_[-1]:.6g}" in told
    for word in ("epoch", "loss", "learning rate", "3"):
        assert word in told.lower().replace("_", " ")


@pytest.mark.parametrize("loss", ["squared_hinge", "modified_huber"])
@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
def test_automatic_rates_reach_a_hundredth_on_nearly_separable_classes(solver, loss):
    """There the slopes are flat, and a rate that fears noise stalls: the objective at the end, over
    that at zero, against the lowest a long batch descent finds."""
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    lowest = GDClassifier(loss, solver="batch", tol=1e-10).fit(X, y).loss_
    for state in range(3):
        model = GDClassifier(loss, solver=solver, random_state=state).fit(X, y)
        assert model.loss_ - lowest <= 1e-2 * (1 - lowest)  # both losses are 1 at zero
        assert model.n_iter_ < 400


def test_a_mini_batch_of_all_rows_takes_weights_as_repetitions():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = StandardScaler().fit_transform(X)[10:25], y[10:25]
    weight = np.arange(15) % 4
    weighted = GDClassifier(random_state=0).fit(X, y, sample_weight=weight)
    repeated = GDClassifier(random_state=0).fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-9)


def test_an_interrupt_within_a_row_of_the_history_leaves_whole_rows():
    record = Record()
    row = dict.fromkeys(record.history, 1.0)
    record.add(**row)
    record.history["epoch"].append(2.0)
    record.drop_partial_row()
    assert {len(values) for values in record.history.values()} == {1}
