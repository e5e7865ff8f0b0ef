"""fit_blocks: rows in blocks give the model of the same rows together."""

import pickle
import signal
import threading
import time
import warnings
from itertools import pairwise

import numpy as np
import pytest
from _data import KINDS
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import skgd
from skgd._block_plan import BlockPlan
from skgd._blocks import Block, edges_of, whole_groups
from skgd._reading import ahead, source_of

ENDS = (0, 400, 401, 1000, 1603)  # of unequal blocks


def rows(kind=skgd.GDRegressor, n=1603, d=6, dtype=np.float64, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, d)) * np.linspace(0.5, 2, d) + 0.3).astype(dtype)
    raw = X @ rng.normal(size=d) + rng.normal(size=n)
    if kind._task == "regression":
        return X, raw.astype(dtype)
    return X, np.digitize(raw, np.quantile(raw, np.linspace(0, 1, classes + 1)[1:-1]))


def cut(*arrays, ends=ENDS):
    return [tuple(each[a:b] for each in arrays) for a, b in pairwise(ends)]


def weights_of(model):
    parts = (
        [*model.coefs_, *model.intercepts_] if hasattr(model, "coefs_") else [model.coef_, model.intercept_]
    )
    return np.concatenate([np.ravel(part) for part in parts])


def both(model, *arrays, **options):
    """Parameters of a fit to all rows and of one to blocks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        together = weights_of(clone(model).fit(*arrays))
        blocks = clone(model).fit_blocks(cut(*arrays), **options)
    return together, weights_of(blocks), blocks


# ---------------------------------------------------------------- batch descent

BATCH = [
    (skgd.GDRegressor, {"loss": "huber"}),
    (skgd.GDRegressor, {"loss": "absolute_error"}),
    (skgd.GDRegressor, {"loss": "poisson"}),
    (skgd.GDRegressor, {"optimizer": "adam"}),
    (skgd.GDClassifier, {}),
    (skgd.GDClassifier, {"optimizer": "nesterov"}),
    (skgd.GDClassifier, {"loss": "hinge", "penalty": "l1", "alpha": 0.01}),
    (skgd.GDClassifier, {"learning_rate": 0.1, "fit_intercept": False}),
    (skgd.GDMLPRegressor, {"hidden_layer_sizes": 8, "max_iter": 30}),
    (skgd.GDMLPClassifier, {"hidden_layer_sizes": 8, "max_iter": 30, "max_grad_norm": 0.1}),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind, options", BATCH)
def test_batch_descent_on_blocks_is_that_on_all_rows(kind, options, weighted):
    X, y = rows(kind, classes=3 if kind is skgd.GDMLPClassifier else 2)
    if options.get("loss") == "poisson":
        y = np.exp(y / 4)
    weight = (np.random.default_rng(1).uniform(0.1, 2, len(y)),) if weighted else ()
    model = kind(solver="batch", random_state=0, **{"max_iter": 60, "tol": None, **options})
    together, apart, fitted = both(model, X, y, *weight)
    np.testing.assert_allclose(apart, together, rtol=1e-6, atol=1e-6)  # equally good ones
    np.testing.assert_allclose(fitted.loss_, clone(model).fit(X, y, *weight).loss_, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind, options", BATCH)
def test_under_a_given_rate_they_agree_to_the_last_digits(kind, options, weighted):
    X, y = rows(kind)
    weight = (np.random.default_rng(1).uniform(0.1, 2, len(y)),) if weighted else ()
    y = np.exp(y / 4) if options.get("loss") == "poisson" else y
    options = {**options, "learning_rate": 0.05, "max_iter": 40}
    together, apart, _ = both(kind(solver="batch", random_state=0, tol=None, **options), X, y, *weight)
    np.testing.assert_allclose(apart, together, rtol=1e-12, atol=1e-12)


def test_squared_error_takes_one_pass_of_second_moments():
    X, y = rows()
    calls = []

    def loader(part):
        def load():
            calls.append(1)
            return part

        return load

    model = skgd.GDRegressor(solver="batch", learning_rate=0.05, max_iter=200, tol=None)
    model.fit_blocks([loader(part) for part in cut(X, y)])
    assert len(calls) <= 4 * 4  # first reading, objective at the start, second moments, objective at the end
    np.testing.assert_allclose(model.coef_, clone(model).fit(X, y).coef_, rtol=1e-12)


def test_float32_stays_and_agrees():
    X, y = rows(skgd.GDClassifier, dtype=np.float32)
    together, apart, model = both(
        skgd.GDClassifier(solver="batch", learning_rate=0.5, max_iter=100, tol=None), X, y
    )
    assert model.coef_.dtype == np.float32
    np.testing.assert_allclose(apart, together, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cuts", [(0, 1000, 7000), (0, 1, 700, 7000)])
@pytest.mark.parametrize("fixed", [{}, {"tol": 1e-7, "max_iter": 3000}, {"optimizer": "nesterov"}])
@pytest.mark.parametrize("loss", ["huber", "squared_error", "log_loss", "squared_hinge"])
@pytest.mark.parametrize("standardize", [False, True])
def test_automatic_rates_see_the_same_gradients_in_float32(loss, fixed, cuts, standardize):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(7000, 10)) * np.geomspace(1, 0.1, 10)).astype(np.float32)
    raw = (X @ rng.normal(size=10) * 2 + rng.logistic(size=7000)).astype(np.float32)
    kind = skgd.GDRegressor if loss in ("huber", "squared_error") else skgd.GDClassifier
    y = raw if kind is skgd.GDRegressor else raw > 0
    model = kind(loss, solver="batch", standardize=standardize, **fixed)
    together = clone(model).fit(X, y)
    apart = clone(model).fit_blocks([(X[a:b], y[a:b]) for a, b in pairwise(cuts)])
    assert apart.coef_.dtype == np.float32
    np.testing.assert_allclose(apart.coef_, together.coef_, rtol=1e-6, atol=1e-6)
    assert apart.n_iter_ == together.n_iter_


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "d"), [("huber", 10), ("log_loss", 10), ("log_loss", 200)])
def test_several_outputs_in_float32_see_the_same_gradients(loss, d, weighted):
    """Rows of 200 features are taken in blocks whose size does not divide 64 unless it is made to."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(1603, d)).astype(np.float32)
    raw = (X[:, :10] @ rng.normal(size=(10, 3)) + rng.logistic(size=(1603, 3))).astype(np.float32)
    model, y = (skgd.GDRegressor, raw) if loss == "huber" else (skgd.GDClassifier, raw.argmax(axis=1))
    weight = (rng.integers(0, 3, 1603).astype(np.float32),) if weighted else ()
    model = model(loss, solver="batch", max_iter=100, tol=1e-6)
    together, apart, _ = both(model, X, y, *weight)
    np.testing.assert_allclose(apart, together, rtol=1e-7, atol=1e-7)


def test_groups_and_edges_of_blocks_are_all_rows_once():
    rng = np.random.default_rng(0)
    for ends in ((0, 64, 192), (0, 1, 2, 63, 64, 65, 300), (0, 10, 20, 30), (0, 100, 1000)):
        X, inner, edges = np.arange(ends[-1], dtype=np.float32)[:, None], [], []
        for begin, end in pairwise(ends):
            groups = whole_groups(end - begin, begin)
            inner.append(X[begin:end][groups])
            assert len(inner[-1]) % 64 == 0 and (not len(inner[-1]) or inner[-1][0, 0] % 64 == 0)
            edge = edges_of(Block(X[begin:end], X[begin:end, 0], None), begin)
            edges.append(edge.X)
            np.testing.assert_array_equal(edge.y, edge.X[:, 0])
        np.testing.assert_array_equal(np.sort(np.concatenate([*inner, *edges]), axis=0), X)
        groups = np.concatenate(edges)[:, 0] // 64
        groups = groups[: len(groups) // 64 * 64].reshape(-1, 64)
        np.testing.assert_array_equal(groups, groups[:, :1].repeat(64, axis=1))  # they make whole groups
    assert edges_of(Block(rng.normal(size=(5, 2)), np.zeros(5), None), 0) is None  # float64 needs no groups


def test_sparse_blocks():
    X, y = rows(skgd.GDClassifier)
    X = sparse.csr_array(np.where(np.abs(X) > 1.2, X, 0))
    model = skgd.GDClassifier(solver="batch", max_iter=40, tol=None)
    together, apart, _ = both(model, X, y)
    np.testing.assert_allclose(apart, together, rtol=1e-9, atol=1e-11)


def test_several_outputs():
    X, _ = rows()
    Y = X @ np.random.default_rng(2).normal(size=(6, 3))
    together, apart, _ = both(
        skgd.GDRegressor(solver="batch", learning_rate=0.2, tol=None, max_iter=50), X, Y
    )
    np.testing.assert_allclose(apart, together, rtol=1e-8, atol=1e-9)


def test_class_weights_are_those_of_all_rows():
    X, y = rows(skgd.GDClassifier, classes=3)
    order = np.argsort(y, kind="stable")  # blocks with different shares of the classes
    X, y = X[order], np.array(["low", "mid", "top"])[y[order]]
    model = skgd.GDClassifier(solver="batch", class_weight="balanced", max_iter=40, tol=None)
    together, apart, fitted = both(model, X, y)
    np.testing.assert_allclose(apart, together, rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(fitted.classes_, ["low", "mid", "top"])
    assert fitted.class_weight == "balanced"


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_threads_change_nothing(n_jobs):
    X, y = rows(skgd.GDClassifier)
    model = skgd.GDClassifier(solver="batch", max_iter=30, tol=None)
    one = weights_of(clone(model).fit_blocks(cut(X, y)))
    many = weights_of(clone(model).set_params(n_jobs=n_jobs).fit_blocks(cut(X, y)))
    np.testing.assert_array_equal(many, one)


# ---------------------------------------------------------------- stochastic descent


@pytest.mark.parametrize("solver", ["sgd", "minibatch"])
@pytest.mark.parametrize("kind", KINDS)
def test_stochastic_descent_reaches_what_it_reaches_on_all_rows(kind, solver):
    X, y = rows(kind)
    model = kind(solver=solver, random_state=0)
    if "MLP" in kind.__name__:
        model.set_params(hidden_layer_sizes=8, max_iter=15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        together = clone(model).fit(X, y).loss_
        apart = clone(model).fit_blocks(cut(X, y)).loss_
    assert apart <= 1.05 * together


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_block_is_fit_bit_by_bit(kind, solver):
    X, y = rows(kind, n=200)
    model = kind(solver=solver, random_state=0, max_iter=5, tol=None)
    expected = clone(model).fit(X, y)
    for blocks in ([(X, y)], [(X[:0], y[:0]), lambda: (X, y)]):
        fitted = clone(model).fit_blocks(blocks)
        np.testing.assert_array_equal(weights_of(fitted), weights_of(expected))
        np.testing.assert_array_equal(fitted.history_["loss"], expected.history_["loss"])


@pytest.mark.parametrize("solver", ["sgd", "minibatch"])
def test_one_block_of_an_iterator_without_shuffling_is_fit(solver):
    X, y = rows(n=300)
    model = skgd.GDRegressor(solver=solver, shuffle=False, max_iter=4, tol=None)
    fitted = clone(model).fit_blocks(lambda: iter([(X, y)]))
    np.testing.assert_allclose(fitted.coef_, clone(model).fit(X, y).coef_, rtol=1e-12)


def test_sparse_rows_descend_lazily_in_blocks():
    X, y = rows(skgd.GDClassifier)
    dense = np.where(np.abs(X) > 1.5, X, 0)
    model = skgd.GDClassifier(solver="sgd", random_state=0, max_iter=4, tol=None, standardize=False)
    a = clone(model).fit_blocks(cut(dense, y))
    b = clone(model).fit_blocks(cut(sparse.csr_array(dense), y))
    np.testing.assert_allclose(b.coef_, a.coef_, rtol=1e-8)


def test_every_row_is_visited_once_an_epoch():
    counts, cuts = (5, 3, 70), (2, 1, 18)
    plan = BlockPlan(78, 4, 21, 7, 2, True, rows=counts, cuts=cuts)
    order, random = plan.order(), np.array([3], dtype=np.uint64)
    orders = []
    for epoch in range(2):
        order.shuffle(random)
        batch, place, seen = 0, 0, []
        while batch < plan.batches:
            stretch = plan.stretch(epoch, batch, 5, order)
            block, (start, count) = int(stretch.visits[stretch.visit]), stretch.span
            assert stretch.position == place
            seen += [(block, int(row)) for row in stretch.order.values[start : start + count]]
            batch, place = batch + stretch.updates, place + stretch.count
        assert stretch.ends_epoch
        assert sorted(seen) == [(block, row) for block, n in enumerate(counts) for row in range(n)]
        orders.append(seen)
    assert orders[0] != orders[1]


def test_schedules_know_the_updates_of_blocks():
    X, y = rows(n=1000)
    blocks = cut(X, y, ends=range(0, 1001, 50))  # 20 blocks of 2 updates
    model = skgd.GDRegressor(learning_rate=0.01, schedule="cosine", max_iter=5, tol=None)
    model.fit_blocks(blocks)
    assert model.n_updates_ == 5 * 20 * 2
    assert model.history_["learning_rate"][-1] < 1e-3 * 0.01


def test_checks_within_an_epoch():
    X, y = rows()
    model = skgd.GDRegressor(check_every=7, max_iter=3, tol=None, random_state=0).fit_blocks(cut(X, y))
    updates = model.history_["update"]
    np.testing.assert_array_equal(updates[:-1], np.arange(7, updates[-1], 7))
    assert updates[-1] == model.n_updates_ == 3 * sum(-(-n // 32) for n in np.diff(ENDS))
    assert np.all(np.diff(model.history_["epoch"]) > 0)
    assert model.history_["epoch"][-1] == 3


# ---------------------------------------------------------------- what blocks may be


def test_loaders_sequences_and_iterators_give_the_same_model():
    X, y = rows(skgd.GDClassifier)
    parts = cut(X, y)

    class Lazy:
        def __len__(self):
            return len(parts)

        def __getitem__(self, number):
            if number >= len(parts):
                raise IndexError(number)
            return parts[number]

    model = skgd.GDClassifier(shuffle=False, max_iter=5, tol=None, random_state=0)
    expected = weights_of(clone(model).fit_blocks(parts))
    for blocks in ([lambda part=part: part for part in parts], Lazy(), lambda: iter(parts), lambda: parts):
        np.testing.assert_array_equal(weights_of(clone(model).fit_blocks(blocks)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_data_frames_keep_their_names(kind):
    pandas = pytest.importorskip("pandas")
    X, y = rows(kind, n=1200)
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    model = kind(max_iter=2, tol=None).fit_blocks([(frame[:500], y[:500]), (frame[500:], y[500:])])
    np.testing.assert_array_equal(model.feature_names_in_, list("abcdef"))
    model.predict(frame)
    with pytest.raises(ValueError, match=r"Block 1: .*feature names"):
        kind().fit_blocks([(frame[:500], y[:500]), (frame[500:][list("bacdef")], y[500:])])


def test_the_next_block_is_read_while_one_is_at_work():
    loaded, running = [], []

    def get(number):
        loaded.append((number, threading.current_thread() is threading.main_thread()))
        return number

    for number in ahead(get, range(4)):
        time.sleep(0.02)
        running.append((number, len(loaded)))
    assert [number for number, _ in running] == list(range(4))
    assert not any(main for _, main in loaded)
    assert [count for _, count in running] == [2, 3, 4, 4]  # one more than is at work


def test_blocks_may_have_no_rows_and_few():
    X, y = rows(skgd.GDClassifier, n=90)
    parts = cut(X, y, ends=(0, 0, 1, 40, 40, 89, 90, 90))
    model = skgd.GDClassifier(random_state=0).fit_blocks(parts)
    assert model.score(X, y) > 0.8


def test_some_blocks_may_have_weights():
    X, y = rows(skgd.GDClassifier)
    weight = np.ones(len(y))
    weight[:400] = np.random.default_rng(3).uniform(0, 2, 400)
    parts = cut(X, y)
    parts[0] = (*parts[0], weight[:400])
    model = skgd.GDClassifier(solver="batch", max_iter=20, tol=None)
    expected = weights_of(clone(model).fit(X, y, weight))
    np.testing.assert_allclose(weights_of(clone(model).fit_blocks(parts)), expected, rtol=1e-9)


def test_classes_may_be_given_where_rows_do_not_have_all():
    X, y = rows(skgd.GDClassifier, n=400)
    model = skgd.GDClassifier(random_state=0).fit_blocks(cut(X, y, ends=(0, 200, 400)), classes=[0, 1, 2])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.coef_.shape == (3, 6)
    with pytest.raises(ValueError, match=r"labels \[1\] that are not among the classes"):
        skgd.GDClassifier().fit_blocks(cut(X, y, ends=(0, 200, 400)), classes=[0, 2])


def test_a_warm_start_goes_on():
    X, y = rows(skgd.GDClassifier)
    model = skgd.GDClassifier(solver="batch", learning_rate=0.5, max_iter=10, tol=None, warm_start=True)
    twice = model.fit_blocks(cut(X, y)).fit_blocks(cut(X, y))
    once = skgd.GDClassifier(solver="batch", learning_rate=0.5, max_iter=20, tol=None).fit(X, y)
    np.testing.assert_allclose(twice.coef_, once.coef_, rtol=1e-10)
    assert pickle.loads(pickle.dumps(twice)).n_updates_ == 20


def test_partial_fit_goes_on_after_blocks():
    X, y = rows(skgd.GDClassifier)
    model = skgd.GDClassifier(random_state=0, max_iter=3, tol=None).fit_blocks(cut(X, y))
    before = model.n_updates_
    model.partial_fit(X[:64], y[:64])
    assert model.n_updates_ == before + 2


# ---------------------------------------------------------------- stopping


def test_early_stopping_by_a_validation_set():
    X, y = rows(skgd.GDMLPClassifier)
    X_val, y_val = rows(skgd.GDMLPClassifier, n=300, seed=5)
    model = skgd.GDMLPClassifier(hidden_layer_sizes=8, early_stopping=True, random_state=0, max_iter=50)
    model.fit_blocks(cut(X, y), X_val=X_val, y_val=y_val)
    assert model.stop_reason_ == "early_stopping"
    assert np.isfinite(model.history_["validation_loss"]).all()
    best = np.argmin(model.history_["validation_loss"])
    assert model.best_validation_score_ == model.validation_scores_[best] == model.score(X_val, y_val)
    with pytest.raises(ValueError, match="give fit_blocks X_val and y_val"):
        clone(model).fit_blocks(cut(X, y))


def test_validation_losses_know_the_weights_of_classes():
    X, y = rows(skgd.GDClassifier)
    X_val, y_val = rows(skgd.GDClassifier, n=300, seed=5)
    model = skgd.GDClassifier(solver="batch", class_weight="balanced", max_iter=10, tol=None)
    together = clone(model).fit(X, y, X_val=X_val, y_val=y_val).history_["validation_loss"]
    apart = clone(model).fit_blocks(cut(X, y), X_val=X_val, y_val=y_val).history_["validation_loss"]
    np.testing.assert_allclose(apart, together, rtol=1e-9)


@pytest.fixture
def ctrl_c():
    """Jobs in the background ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("solver", ["batch", "minibatch"])
def test_an_interrupt_keeps_the_model_so_far(solver):
    X, y = rows(skgd.GDClassifier)
    calls = []

    def loader(part):
        def load():
            calls.append(1)
            if len(calls) == 80:
                signal.raise_signal(signal.SIGINT)
            return part

        return load

    model = skgd.GDClassifier(solver=solver, max_iter=10_000, tol=None, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit_blocks([loader(part) for part in cut(X, y)])
    assert model.stop_reason_ == "interrupted"
    assert 0 < len(model.history_["loss"]) < 80
    assert model.score(X, y) > 0.8


def test_the_time_can_be_limited():
    X, y = rows(skgd.GDClassifier)
    model = skgd.GDClassifier(max_time=0.1, max_iter=10**6, tol=None, random_state=0).fit_blocks(cut(X, y))
    assert model.stop_reason_ == "max_time"


# ---------------------------------------------------------------- errors


def bad_blocks():
    X, y = rows(n=60)
    wide = np.hstack([X, X])
    return [
        (iter([(X, y)]), ValueError, "can be read once only"),
        (lambda: 3, TypeError, "has to give an iterator"),
        ("rows.parquet", TypeError, "blocks must be a sequence"),
        (5, TypeError, "blocks must be a sequence"),
        ([], ValueError, "no rows in blocks"),
        ([(X[:0], y[:0])], ValueError, "no rows in blocks"),
        ([X, X], TypeError, r"Block 0: a block is \(X, y\)"),
        ([(X, y), (wide, y)], ValueError, "Block 1: X has 12 features"),
        ([(X, y), (X, y[:-1])], ValueError, "Block 1: .*inconsistent numbers"),
        ([(X, y), (X, np.full(60, np.nan))], ValueError, "Block 1: .*NaN"),
        ([(X, y), (np.where(X > 0, np.inf, X), y)], ValueError, "Block 1: .*infinity"),
        ([(X, y), (X, np.column_stack([y, y]))], ValueError, "Block 1: y of a row"),
        ([(X, y, -y), (X, y, y)], ValueError, "Block 0: Negative values in sample_weight"),
        ([(X, y, 0 * y), (X, y, 0 * y)], ValueError, "All values of sample_weight are zero"),
    ]


@pytest.mark.parametrize("blocks, kind, message", bad_blocks())
def test_bad_blocks_get_clear_words(blocks, kind, message):
    with pytest.raises(kind, match=message):
        skgd.GDRegressor().fit_blocks(blocks)


def test_blocks_that_change_are_noticed():
    X, y = rows(n=60)
    passes = []

    def blocks():
        passes.append(1)
        return iter([(X, y), (X, y)] if len(passes) == 1 else [(X, y)])

    with pytest.raises(ValueError, match="2 blocks with rows at first, and 1 now"):
        skgd.GDRegressor().fit_blocks(blocks)
    with pytest.raises(ValueError, match="Block 1 has 60 rows, which is not"):
        skgd.GDRegressor().fit_blocks(
            lambda: iter([(X, y), (X[len(passes.append(1) or passes) % 2 :], y[len(passes) % 2 :])][::1])
        )


def test_what_blocks_cannot_do_is_said():
    X, y = rows(skgd.GDMLPRegressor, n=60)
    blocks = cut(X, y, ends=(0, 30, 60))
    with pytest.raises(ValueError, match="classes are those of a classifier"):
        skgd.GDRegressor().fit_blocks(blocks, classes=[0, 1])
    with pytest.raises(ValueError, match="n_members=2"):
        skgd.GDMLPRegressor(n_members=2).fit_blocks(blocks)
    with pytest.raises(ValueError, match=r"transformer= in skgd\.io"):
        skgd.GDMLPRegressor(encoding="table").fit_blocks(blocks)
    with pytest.raises(ValueError, match=r'dropout=0\.5 of blocks needs solver="sgd"'):
        skgd.GDMLPRegressor(solver="batch", dropout=0.5).fit_blocks(blocks)


def test_rates_that_are_too_high_are_named():
    X, y = rows()
    with pytest.raises(skgd.DivergenceError, match="largest stable"):
        skgd.GDRegressor(solver="batch", learning_rate=50.0).fit_blocks(cut(X, y))


def test_a_source_is_recognised():
    assert source_of([(1, 2)]).in_memory
    assert not source_of([lambda: 0]).in_memory
    assert not source_of(lambda: []).can_permute


def test_the_model_is_that_before_where_a_fit_fails():
    X, y = rows()
    model = skgd.GDRegressor().fit(X, y)
    before = model.coef_
    with pytest.raises(ValueError):
        model.fit_blocks([(X, y), (X[:, :2], y)])
    assert model.coef_ is before


def test_collections_elsewhere_are_told_where_to_go(tmp_path):
    X, y = rows(n=60)
    for given, message in (
        ("rows.csv", "is a path: .*skgd.io"),
        (tmp_path, "is a path"),
        ((row for row in X), "is a generator: give fit_blocks"),
    ):
        with pytest.raises(TypeError, match=message):
            skgd.GDRegressor().fit(given, y)
        with pytest.raises(TypeError, match=message):
            skgd.GDMLPRegressor().partial_fit(given, y)
    for package, words in (
        ("dask.array.core", "skgd.dask"),
        ("pyspark.sql", "parquet_blocks"),
        ("ray.data", "Parquet"),
    ):
        with pytest.raises(TypeError, match=words):
            skgd.GDRegressor().fit(type("Collection", (), {"__module__": package})(), y)
    array = type("Array", (), {"__module__": "dask.array.core", "__len__": lambda self: 60})()
    for name in ("GDClassifier", "GDRegressorCV", "GDMLPClassifier"):
        with pytest.raises(TypeError, match=f"fit skgd.dask.Dask{name} to it"):
            getattr(skgd, name)().fit(array, y)
    with pytest.raises(TypeError, match="such as DaskGDClassifier"):
        skgd.GDOneClassSVM().fit(array)
    with pytest.raises(TypeError, match="map_blocks"):
        skgd.GDRegressor().fit(X, y).predict(array)
    for blocks, words in (("rows.parquet", "skgd.io"), (tmp_path, "skgd.io"), (array, "skgd.dask")):
        with pytest.raises(TypeError, match=words):
            skgd.GDRegressor().fit_blocks(blocks)
