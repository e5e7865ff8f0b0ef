"""Errors, and what is rarely asked of the public objects."""

import io
import pickle
import sys

import numpy as np
import pytest
from _data import make
from sklearn.base import BaseEstimator, clone

import skgd
from skgd import GDMLPRegressor, GDRegressor
from skgd._arrays import lost_to_rounding
from skgd.losses import Hinge, Loss, SquaredError
from skgd.schedules import Schedule


def test_the_error_of_a_divergence_survives_a_pickle():
    X, y = make()
    with pytest.raises(skgd.DivergenceError) as caught:
        GDRegressor(learning_rate=1e3).fit(X, y)
    error = caught.value
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (skgd.DivergenceError, str(error))
    assert copy.learning_rate == error.learning_rate == 1e3
    assert copy.largest_stable_learning_rate == error.largest_stable_learning_rate < 1e3


def test_a_loss_without_its_formula_says_so():
    with pytest.raises(NotImplementedError, match=r"Loss must define value_and_slope"):
        Loss().value_and_slope(np.zeros(1), np.zeros((1, 1)))


def test_a_loss_without_probabilities_has_none():
    with pytest.raises(NotImplementedError):
        Hinge().probabilities(np.zeros((1, 1)))


def test_columns_of_targets_and_raw_scores_must_agree():
    with pytest.raises(ValueError, match=r"y has 2 columns and raw has 3"):
        SquaredError().value_and_slope(np.zeros((4, 2)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"y has 1 columns and raw has 3"):
        SquaredError().value_and_slope(np.zeros(4), np.zeros((4, 3)))


def test_a_schedule_without_its_formula_says_so():
    with pytest.raises(NotImplementedError):
        Schedule()(np.arange(3))


def test_names_of_the_package():
    assert set(skgd.__all__) <= set(dir(skgd))
    with pytest.raises(AttributeError, match=r"'skgd' has no attribute 'GDRegresor'"):
        skgd.GDRegresor  # noqa: B018


@pytest.mark.parametrize("kind", [GDRegressor, GDMLPRegressor])
def test_a_bar_without_a_console_changes_nothing(kind, monkeypatch):
    """A program without a console has no standard error."""
    X, y = make()
    quiet = kind(max_iter=3, tol=None, random_state=0).fit(X, y)
    monkeypatch.setattr(sys, "stderr", None)
    model = kind(max_iter=3, tol=None, random_state=0, verbose=1).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), quiet.predict(X))


def test_a_bar_is_written_in_lines_to_what_is_no_terminal(monkeypatch):
    X, y = make()
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    GDRegressor(max_iter=3, tol=None, random_state=0, verbose=1).fit(X, y)
    assert "stopped: max_iter" in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_names_of_parameters_are_those_that_scikit_learn_reads():
    class Narrow(skgd.GDRegressor):
        def __init__(self, loss="huber", alpha=0.1):
            super().__init__(loss, alpha=alpha)

    for kind in (skgd.GDRegressor, skgd.GDMLPClassifier, skgd.GDClassifierCV, Narrow):
        assert kind._get_param_names() == BaseEstimator._get_param_names.__func__(kind)
    assert Narrow._get_param_names() == ["alpha", "loss"]
    kept = Narrow._get_param_names()
    kept.append("more")
    assert clone(Narrow(alpha=0.2)).get_params() == {"alpha": 0.2, "loss": "huber"}


def test_precision_that_values_ask_for():
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.normal(size=150_000), 1e6 + rng.normal(size=150_000)])
    expected = np.finfo(np.float32).eps * np.abs(values).max(axis=0) / values.std(axis=0)
    assert lost_to_rounding(values, np.float32) == pytest.approx(expected.max(), rel=1e-9)
    assert lost_to_rounding(values[:, 0], np.float32) == pytest.approx(expected[0], rel=1e-9)
    assert lost_to_rounding(np.full(3, 7.0), np.float32) == np.inf
    assert lost_to_rounding(np.zeros(3), np.float32) == 0
