"""partial_fit of one update like the one before: the bits of the general way, and its errors."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
from sklearn.base import clone

from skgd import GDClassifier, GDRegressor, _steady, _streaming
from skgd.losses import Huber
from skgd.optimizers import OPTIMIZERS

N, D = 120, 7
RNG = np.random.default_rng(5)
X = RNG.standard_normal((N, D))
Y = X @ RNG.standard_normal(D) + 0.1 * RNG.standard_normal(N)
CLASSES = np.digitize(Y, [-1.0, 1.0])


@pytest.fixture
def count(monkeypatch):
    """How many calls were short."""
    calls = [0]
    updated = _steady.Steady.updated

    def counted(self, *given):
        found = updated(self, *given)
        calls[0] += found is not None
        return found

    monkeypatch.setattr(_steady.Steady, "updated", counted)
    return calls


def streamed(model, rows, y=Y, size=1, dtype=float, between=None):
    """The model after calls of so many rows each."""
    for begin in range(0, rows, size):
        given = {"classes": np.unique(y)} if begin == 0 and isinstance(model, GDClassifier) else {}
        part = slice(begin, begin + size)
        model.partial_fit(X.astype(dtype)[part], y[part], **given)
        if between is not None:
            model = between(model, begin)
    return model


def general(monkeypatch):
    """Let all calls take the general way."""
    monkeypatch.setattr(_streaming, "goes_on", lambda *_: False)


def assert_same(one, other):
    """All that both tell is the same to the last bit."""

    def assert_equal(left, right, name):
        if isinstance(left, dict):
            assert left.keys() == right.keys(), name
            for key in left:
                assert_equal(left[key], right[key], key)
        elif isinstance(left, tuple):
            assert len(left) == len(right), name
            for a, b in zip(left, right, strict=True):
                assert_equal(a, b, name)
        elif isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, name
            np.testing.assert_array_equal(left, right, err_msg=name)
        else:
            assert type(left) is type(right), name
            assert left == right or isinstance(left, Huber), name

    assert_equal(vars(one), vars(other), "estimator")


CASES = {
    "plain": {},
    "minibatch": {"solver": "minibatch", "batch_size": 8},
    "mean": {"average": True},
    "mean later": {"average": 20},
    "l1": {"penalty": "l1", "alpha": 0.01},
    "elastic net": {"penalty": "elasticnet", "l1_ratio": 0.3},
    "no intercept": {"fit_intercept": False},
    **{name: {"optimizer": name} for name in OPTIMIZERS},
}
OTHERS = ("barzilai_borwein", "implicit", "passive_aggressive")


@pytest.mark.parametrize("name", [name for name in CASES if name not in OTHERS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["regression", "two classes", "three classes"])
def test_a_short_call_has_the_bits_of_a_long_one(name, dtype, kind, monkeypatch, count):
    settings = {"solver": "sgd", "learning_rate": 0.01, "random_state": 0} | CASES[name]
    y = {"regression": Y, "two classes": (Y > 0).astype(int), "three classes": CLASSES}[kind]
    make = GDRegressor if kind == "regression" else GDClassifier
    size = 8 if settings["solver"] == "minibatch" else 1
    short = streamed(make(**settings), 64, y, size, dtype)
    assert count[0] in (0, 64 // size - 1)  # a rule that keeps what rows have shown takes the long way
    general(monkeypatch)
    assert_same(short, streamed(make(**settings), 64, y, size, dtype))


def test_most_rules_are_short(count):
    for name in ("plain", "momentum", "adam", "adagrad"):
        count[0] = 0
        streamed(GDRegressor(solver="sgd", learning_rate=0.01, optimizer=name), 20)
        assert count[0] == 19, name


def test_an_automatic_rate_looks_at_the_rows(count):
    streamed(GDRegressor(solver="sgd"), 20)
    assert count[0] == 0


def change_rate(model, begin):
    return model.set_params(learning_rate=0.02) if begin == 20 else model


def assign(model, begin):
    if begin == 20:
        model.coef_ = np.ones(D)
    return model


def copied(model, begin):
    return copy.deepcopy(model) if begin % 7 == 0 else model


def pickled(model, begin):
    return pickle.loads(pickle.dumps(model)) if begin % 7 == 0 else model


def weighted(model, begin):
    return model.partial_fit(X[:2], Y[:2], sample_weight=[1.0, 3.0]) if begin % 9 == 0 else model


def several(model, begin):
    return model.partial_fit(X[:5], Y[:5]) if begin % 9 == 0 else model


def other_precision(model, begin):
    return model.partial_fit(X[:1].astype(np.float32), Y[:1]) if begin == 30 else model


def sparsified(model, begin):
    return model.sparsify() if begin % 9 == 0 else model


@pytest.mark.parametrize(
    "between", [change_rate, assign, copied, pickled, weighted, several, other_precision, sparsified]
)
def test_what_comes_between_counts(between, monkeypatch, count):
    settings = {"solver": "sgd", "learning_rate": 0.01, "random_state": 0, "average": True}
    short = streamed(GDRegressor(**settings), 40, between=between)
    assert count[0] > 10
    general(monkeypatch)
    assert_same(short, streamed(GDRegressor(**settings), 40, between=between))


def test_errors_are_those_of_a_long_call():
    model = streamed(GDRegressor(solver="sgd", learning_rate=0.01), 20)
    before = model.coef_.copy()
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match="contains"):
            model.partial_fit(np.full((1, D), wrong), Y[:1])
        with pytest.raises(ValueError, match="contains"):
            model.partial_fit(X[:1], [wrong])
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:1, :3], Y[:1])
    with pytest.raises(ValueError, match="inconsistent"):
        model.partial_fit(X[:1], Y[:2])
    with pytest.raises(ValueError):
        model.partial_fit(np.full((1, D), 1e200), Y[:1])
    np.testing.assert_array_equal(model.coef_, before)
    model.partial_fit(X[:1], Y[:1])
    assert np.any(model.coef_ != before)


def test_a_rate_that_is_too_high_diverges_as_ever():
    model = GDRegressor(solver="sgd", learning_rate=50.0, random_state=0)
    with pytest.raises(ValueError, match=r"diverged|overflows"):
        streamed(model, N)


def test_unknown_labels_are_an_error_and_may_be_added():
    y = (Y > 0).astype(int)
    model = streamed(GDClassifier(solver="sgd", learning_rate=0.01), 20, y)
    with pytest.raises(ValueError, match="labels"):
        model.partial_fit(X[:1], [7])
    model.partial_fit(X[:1], [7], classes=[0, 1, 7])
    assert model.coef_.shape == (3, D)


def test_class_weights_count():
    y = (Y > 0).astype(int)
    settings = {"solver": "sgd", "learning_rate": 0.01, "random_state": 0}
    weighted = streamed(GDClassifier(class_weight={0: 1.0, 1: 5.0}, **settings), 40, y)
    assert np.any(weighted.coef_ != streamed(GDClassifier(**settings), 40, y).coef_)


def test_an_object_that_was_changed_counts(monkeypatch):
    def change(model, begin):
        if begin == 20:
            model.loss.epsilon = 0.1
        return model

    settings = {"solver": "sgd", "learning_rate": 0.01, "random_state": 0}
    short = streamed(GDRegressor(Huber(), **settings), 40, between=change)
    general(monkeypatch)
    assert_same(short, streamed(GDRegressor(Huber(), **settings), 40, between=change))


def test_nothing_keeps_the_rows_or_the_estimator():
    model = GDRegressor(solver="sgd", learning_rate=0.01)
    rows = X[:1].copy()
    seen = weakref.ref(rows)
    model.partial_fit(rows, Y[:1]).partial_fit(X[1:2], Y[1:2])
    del rows
    gc.collect()
    assert seen() is None
    known = weakref.ref(model)
    assert model in _steady._KEPT and clone(model) not in _steady._KEPT
    del model
    gc.collect()
    assert known() is None


def test_a_long_curve_keeps_its_last_entries(monkeypatch):
    monkeypatch.setattr(_steady, "CURVE_LENGTH", 50)
    monkeypatch.setattr(_streaming, "CURVE_LENGTH", 50)
    settings = {"solver": "sgd", "learning_rate": 0.01, "random_state": 0}
    seen = []

    def look(model, begin):
        seen.append((model.loss_curve_, model.loss_curve_.copy()))
        return copy.copy(model) if begin == 70 else model  # which then goes its own way

    short = streamed(GDRegressor(**settings), N, between=look)
    assert len(short.loss_curve_) == 50
    for curve, then in seen:
        np.testing.assert_array_equal(curve, then)
    general(monkeypatch)
    assert_same(short, streamed(GDRegressor(**settings), N))
