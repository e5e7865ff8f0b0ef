"""Networks that share weights and differ by adapters of rank one (TabM)."""

import pickle

import numpy as np
import pandas as pd
import pytest
from _data import csr, make
from scipy.special import expit, logsumexp, softmax
from sklearn.base import clone
from sklearn.metrics import log_loss

import skgd
from skgd import Checkpoint, GDMLPClassifier, GDMLPRegressor, optimizers
from skgd._recipe import settings_by_noise, strength_of_classes
from skgd.optimizers import OPTIMIZERS

QUICK = {
    "hidden_layer_sizes": (12, 8),
    "activation": "tanh",
    "n_members": 3,
    "share_weights": True,
    "max_iter": 6,
    "tol": None,
    "random_state": 0,
}
SOLVERS = ["batch", "sgd", "minibatch"]


def rows(n=120, d=4, classes=0, seed=0, dtype=np.float64):
    X, rng = (
        np.random.default_rng(seed).standard_normal((n, d)).astype(dtype),
        np.random.default_rng(seed + 1),
    )
    y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + 0.1 * rng.standard_normal(n)
    return X, np.digitize(y, np.linspace(-1, 1, classes + 1)[1:-1]) if classes else y.astype(dtype)


def layers_of(model, i):
    """Weights and intercepts of member i, from the attributes by the formula W * (r s')."""
    pairs = zip(model.coefs_[:-1], model.adapters_, strict=True)
    weights = [W * np.outer(r[i], s[i]) for W, (r, s) in pairs]
    return [*weights, model.coefs_[-1][i]], [each[i] for each in model.intercepts_]


def raw_of(model, X, i):
    h, (weights, intercepts) = X, layers_of(model, i)
    for W, b in zip(weights[:-1], intercepts[:-1], strict=True):
        h = np.tanh(h @ W + b)
    return h @ weights[-1] + intercepts[-1]


def perturbed(problem, scale=0.3):
    """Parameters at which nothing is zero or one."""
    theta, rng = problem.zeros(), np.random.default_rng(0)
    problem.initialise(theta, 0)
    for part in (part for parts in problem.parts(theta) for part in parts):
        part += scale * rng.standard_normal(part.shape)
    return theta


# ---------------------------------------------------------------- the gradient


@pytest.mark.parametrize("storage", [np.asarray, csr], ids=["dense", "csr"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"hidden_layer_sizes": 5, "activation": "parametric_tanh"},
        {"scaling_layer": True, "n_frequencies": 2},
        {"fit_intercept": False},
        {"standardize": True},
        {"freeze": 1},
    ],
    ids=["plain", "parametric", "features", "no intercept", "standardized", "frozen"],
)
@pytest.mark.parametrize("classes", [0, 3])
def test_the_gradient_is_that_of_finite_differences(classes, params, storage):
    X, y = rows(40, 3, classes)
    kind = GDMLPClassifier if classes else GDMLPRegressor
    model = kind(**{**QUICK, "hidden_layer_sizes": (5, 4), **params})
    problem = model._objective_of(storage(X), y, np.random.default_rng(2).uniform(0.5, 2, 40))
    theta = perturbed(problem)
    gradient, used = problem.loss_gradient(theta), np.zeros_like(theta)
    weights, vectors = problem.parts(used)
    for layer, part in enumerate(weights):
        part[:] = layer != params.get("freeze")
    for part in vectors:
        part[:] = params.get("fit_intercept", True)
    if params.get("freeze") == 1:
        for j in (1, -2, -1):  # intercepts and adapters of this layer
            vectors[j][:] = 0
    if not params.get("fit_intercept", True):
        for part in vectors[len(weights) :]:
            part[:] = 1
    if "scaling_layer" in params:
        vectors[0][:3] = 0  # intercepts of factors
    assert not gradient[used == 0].any()

    def value(at):
        return problem.evaluate(at, None) / problem.total_weight

    for j in np.random.default_rng(0).permutation(np.flatnonzero(used))[:60]:
        step = np.zeros_like(theta)
        step[j] = 1e-6
        slope = (value(theta + step) - value(theta - step)) / 2e-6
        assert gradient[j] == pytest.approx(slope, abs=2e-8)


def test_the_loss_is_the_mean_of_the_members_losses():
    X, y = rows()
    model = GDMLPRegressor(alpha=0.1, **QUICK).fit(X, y)
    losses = [np.mean((raw_of(model, X, i)[:, 0] - y) ** 2) / 2 for i in range(3)]
    squares = sum(np.sum(W**2) for W in model.coefs_[:-1]) + np.sum(model.coefs_[-1] ** 2) / 3
    assert model.loss_ == pytest.approx(np.mean(losses) + 0.1 * squares / 2, rel=1e-12)
    value, (of_weights, of_intercepts) = model.objective(X, y)
    assert value == pytest.approx(model.loss_, rel=1e-12)
    assert [each.shape for each in of_weights] == [each.shape for each in model.coefs_]
    assert [each.shape for each in of_intercepts] == [(3, 12), (3, 8), (3, 1)]
    shifted = [*model.coefs_[:-1], model.coefs_[-1] + 1e-6 * of_weights[-1]]
    grown, _ = model.objective(X, y, coef=shifted, intercept=model._vectors)
    assert (grown - value) / 1e-6 == pytest.approx(np.sum(of_weights[-1] ** 2), rel=1e-4)


@pytest.mark.parametrize(
    ("solver", "optimizer", "classes", "digits"),
    [
        ("batch", "plain", 0, 9),
        ("sgd", "momentum", 2, 9),
        ("minibatch", "plain", 3, 9),
        ("minibatch", "adam", 0, 3),  # whose epsilon is larger beside gradients of a mean
        ("batch", "adam", 3, 3),
    ],
)
def test_equal_members_with_adapters_of_one_are_a_network(solver, optimizer, classes, digits):
    """A tiny rate keeps the adapters where they are. What members own gets k times the rate under rules whose
    steps grow with gradients, as it has a k-th of the gradients."""
    X, y = rows(classes=classes)
    kind = GDMLPClassifier if classes else GDMLPRegressor
    params = {**QUICK, "solver": solver, "learning_rate": 0.01, "optimizer": optimizer, "alpha": 0.01}
    plain = kind(**{**params, "n_members": 1})
    begin = clone(plain).set_params(learning_rate=1e-300, max_iter=1).fit(X, y)
    shapes = [(3, 4), (3, 12), (3, 12), (3, 8)]
    both = kind(**params, rate_factors={"adapters": 1e-30}).fit(
        X,
        y,
        coef_init=[*begin.coefs_[:-1], np.stack([begin.coefs_[-1]] * 3)],
        intercept_init=[*([b] * 3 for b in begin.intercepts_), *map(np.ones, shapes)],
    )
    one = plain.fit(X, y)
    assert both.loss_ == pytest.approx(one.loss_, rel=10**-digits)
    for i in range(3):
        for got, expected in zip(layers_of(both, i)[0], one.coefs_, strict=True):
            np.testing.assert_allclose(got, expected, rtol=10**-digits, atol=10**-digits)


# ---------------------------------------------------------------- predictions


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", SOLVERS)
def test_predictions_are_means_of_the_members(solver, dtype):
    X, y = rows(dtype=dtype)
    model = GDMLPRegressor(solver=solver, **QUICK).fit(X, y)
    assert {part.dtype for pair in model.adapters_ for part in pair} == {np.dtype(dtype)}
    each = np.stack([raw_of(model, X, i)[:, 0] for i in range(3)])
    np.testing.assert_allclose(model.predict(X), each.mean(axis=0), rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(model.predict_std(X), each.std(axis=0, ddof=1), rtol=2e-3, atol=2e-6)
    assert model.predict_std(X).min() > 0
    X, y = rows(classes=3, dtype=dtype)
    model = GDMLPClassifier(solver=solver, **QUICK).fit(X, y)
    mean = np.mean([softmax(raw_of(model, X, i), axis=1) for i in range(3)], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), mean, atol=2e-6)
    np.testing.assert_array_equal(model.predict(X), model.classes_[mean.argmax(axis=1)])


@pytest.mark.parametrize("solver", SOLVERS)
def test_sparse_rows_give_the_model_of_dense_ones(solver):
    X, y = rows()
    X[np.abs(X) < 0.7] = 0
    dense, sparse = (GDMLPRegressor(solver=solver, **QUICK).fit(of(X), y) for of in (np.asarray, csr))
    np.testing.assert_allclose(dense.predict(X), sparse.predict(csr(X)), rtol=1e-8)


@pytest.mark.parametrize("solver", ["batch", "minibatch"])
def test_weights_stand_for_repeated_rows(solver):
    X, y = rows(60)
    counts = np.resize([1, 2, 1], 60)
    params = {**QUICK, "solver": solver, "batch_size": 100, "max_iter": 3, "learning_rate": 0.01}
    weighted = GDMLPRegressor(standardize=False, **params).fit(X, y, counts)
    repeated = GDMLPRegressor(standardize=False, **params).fit(np.repeat(X, counts, 0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-9)


def test_several_outputs_labels_and_quantiles():
    X, y = rows()
    long = {**QUICK, "max_iter": 100, "learning_rate": 0.02}
    Y = np.column_stack([y, X[:, 0]])
    model = GDMLPRegressor(**long).fit(X, Y)
    assert model.predict(X).shape == (120, 2) and model.score(X, Y) > 0.9
    assert model.predict_std(X).shape == (120, 2)
    assert model.coefs_[-1].shape == (3, 8, 2)
    Y = (np.column_stack([y, X[:, 0]]) > 0) * 1
    labels = GDMLPClassifier(**long).fit(X, Y)
    mean = np.mean([expit(raw_of(labels, X, i)) for i in range(3)], axis=0)
    np.testing.assert_allclose(labels.predict_proba(X), mean, atol=1e-9)
    assert labels.score(X, Y) > 0.8
    quantiles = GDMLPRegressor(skgd.losses.Quantile([0.1, 0.9]), **QUICK).fit(X, y)
    each = np.mean([np.sort(raw_of(quantiles, X, i), axis=1) for i in range(3)], axis=0)
    np.testing.assert_allclose(quantiles.predict(X), each, rtol=1e-9)


def test_poisson_predictions_are_means_too():
    X, y = rows()
    model = GDMLPRegressor("poisson", **QUICK).fit(X, np.exp(y))
    raws = np.stack([raw_of(model, X, i)[:, 0] for i in range(3)])
    np.testing.assert_allclose(model.predict(X), np.exp(logsumexp(raws, axis=0)) / 3, rtol=1e-10)


@pytest.mark.parametrize(
    "name",
    [name for name, rule in OPTIMIZERS.items() if rule.networks],
)
def test_all_optimizers_learn(name):
    X, y = rows()
    rule = OPTIMIZERS[name]
    solver = "minibatch" if "some" in rule.rows else "batch" if "all" in rule.rows else "sgd"
    model = GDMLPRegressor(solver=solver, **{**QUICK, "optimizer": name, "max_iter": 30}).fit(X, y)
    assert model.loss_ < 0.9 * np.var(y) / 2
    assert model.history_["gradient_norm_2"].shape == model.history_["loss"].shape


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
@pytest.mark.parametrize("solver", ["batch", "minibatch"])
def test_an_l1_penalty_makes_zeros_that_all_members_share(solver, penalty):
    X, y = rows()
    fixed = {**QUICK, "max_iter": 60, "optimizer": "plain"}
    model = GDMLPRegressor(penalty=penalty, alpha=0.02, l1_ratio=0.8, solver=solver, **fixed).fit(X, y)
    assert (model.coefs_[0] == 0).mean() > 0.1
    assert all((r != 0).all() for r, _ in model.adapters_)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "log_loss"])
def test_an_offset_is_that_of_each_member(loss):
    X, y = rows(200)
    y = np.exp(y) if loss == "poisson" else (y > 0) * 1 if loss == "log_loss" else y
    offset = 0.5 * X[:, 3]
    kind = GDMLPClassifier if loss == "log_loss" else GDMLPRegressor
    model = kind(loss, early_stopping=True, **{**QUICK, "max_iter": 20}).fit(X, y, offset=offset)
    raws = [raw_of(model, X, i)[:, 0] + offset for i in range(3)]
    link = {"squared_error": lambda z: z, "poisson": np.exp, "log_loss": expit}[loss]
    predict = model.predict_proba if loss == "log_loss" else model.predict
    got = predict(X, offset=offset)
    mean = np.mean([link(raw) for raw in raws], axis=0)
    np.testing.assert_allclose(got[:, 1] if got.ndim == 2 else got, mean, rtol=1e-9)
    again = kind(loss, **QUICK)
    again.partial_fit(X, y, **({"classes": [0, 1]} if loss == "log_loss" else {}), offset=offset)


# ---------------------------------------------------------------- what goes on


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_early_stopping_goes_by_the_mean_prediction(classes):
    X, y = rows(200, classes=classes)
    kind = GDMLPClassifier if classes else GDMLPRegressor
    fit = {"early_stopping": True, "max_iter": 30, "validation_fraction": 0.25}
    model = kind(**{**QUICK, **fit}).fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
    best = model.history_["validation_loss"].min()
    if classes:
        assert best == pytest.approx(log_loss(y[150:], model.predict_proba(X[150:])), rel=1e-6)
    else:
        assert best == pytest.approx(np.mean((y[150:] - model.predict(X[150:])) ** 2) / 2, rel=1e-6)
    assert model.best_validation_score_ == pytest.approx(model.score(X[150:], y[150:]))
    assert model.oof_score_ is None
    own = kind(**{**QUICK, **fit}).fit(X, y)
    assert own.oof_score_ == pytest.approx(own.best_validation_score_)


def test_intervals_are_split_conformal():
    X, y = rows(600)
    model = GDMLPRegressor(**{**QUICK, "early_stopping": True, "max_iter": 40}).fit(X[:400], y[:400])
    (residuals,) = model.oof_residuals_
    assert len(residuals) == 40
    interval, rank = model.predict_interval(X[400:], 0.9), int(np.ceil(0.9 * 41))
    width = np.sort(np.abs(residuals))[rank - 1]
    np.testing.assert_allclose(interval, model.predict(X[400:])[:, None] + [-width, width], rtol=1e-9)
    assert 0.8 < np.mean((interval[:, 0] <= y[400:]) & (y[400:] <= interval[:, 1])) < 0.99
    again = clone(model).set_params(refit=True).fit(X[:400], y[:400])
    np.testing.assert_allclose(again.oof_residuals_[0], residuals)
    with pytest.raises(ValueError, match="early_stopping=True"):
        GDMLPRegressor(**QUICK).fit(X, y).predict_interval(X)


def test_streams_grow_and_go_on_from_what_they_were():
    X, y = rows(300, classes=4)
    model = GDMLPClassifier(**QUICK)
    model.partial_fit(X[y < 2], y[y < 2], classes=[0, 1])
    before = [raw_of(model, X, i) for i in range(3)]
    grown = clone(model).set_params(learning_rate=1e-300)
    grown.partial_fit(X[y < 2], y[y < 2], classes=[0, 1])
    start = [raw_of(grown, X, i) for i in range(3)]
    grown.partial_fit(X, y, classes=[0, 1, 2, 3])
    for i in range(3):
        halves = np.hstack([-start[i] / 2, start[i] / 2])
        np.testing.assert_allclose(raw_of(grown, X, i), np.pad(halves, ((0, 0), (0, 2))), atol=1e-12)
    for _ in range(20):
        model.partial_fit(X, y, classes=[0, 1, 2, 3])
    assert model.classes_.tolist() == [0, 1, 2, 3]
    assert before[0].shape[1] == 1 and model.predict_proba(X).shape[1] == 4
    assert model.score(X, y) > 0.5
    again = pickle.loads(pickle.dumps(model))
    for each in (model, again):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_warm_start_goes_on(solver):
    X, y = rows()
    fixed = {**QUICK, "solver": solver, "learning_rate": 0.01, "optimizer": "adam"}
    whole = GDMLPRegressor(**{**fixed, "max_iter": 8}).fit(X, y)
    part = GDMLPRegressor(**{**fixed, "max_iter": 4}, warm_start=True).fit(X, y).fit(X, y)
    np.testing.assert_allclose(part.predict(X), whole.predict(X), rtol=1e-9)
    part.adapters_ = [(2 * r, s / 2) for r, s in part.adapters_]  # the same networks
    np.testing.assert_allclose(part.predict(X), whole.predict(X), rtol=1e-9)
    assert part.set_params(learning_rate=1e-300, max_iter=1).fit(X, y).loss_ == pytest.approx(whole.loss_)


def test_a_checkpoint_goes_on(tmp_path):
    X, y = rows()
    model = GDMLPRegressor(**{**QUICK, "max_iter": 12})
    whole = clone(model).fit(X, y)
    file = Checkpoint(tmp_path / "fit", every=0)
    clone(model).set_params(max_time=1e-9).fit(X, y)
    resumed = clone(model).fit(X, y, checkpoint=file)
    again = clone(model).fit(X, y, checkpoint=file)
    for each in (resumed, again):
        np.testing.assert_array_equal(each.predict(X), whole.predict(X))


def test_blocks_of_rows_give_the_fit_to_all():
    X, y = rows()
    params = {**QUICK, "solver": "batch", "learning_rate": 0.01, "standardize": False}
    whole = GDMLPRegressor(**params).fit(X, y)
    blocks = GDMLPRegressor(**params).fit_blocks([(X[:50], y[:50]), (X[50:], y[50:])])
    np.testing.assert_allclose(blocks.predict(X), whole.predict(X), rtol=1e-9)


def same_of_threads(kind, X, y, **params):
    one, two, five = (kind(n_jobs=jobs, **{**QUICK, **params}).fit(X, y) for jobs in (1, 2, 5))
    for other in (two, five):
        assert other.loss_ == one.loss_
        for ours, theirs in zip((*one.coefs_, *one._vectors), (*other.coefs_, *other._vectors), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_threads_change_nothing():
    X, y = make(n=9000, d=5)
    same_of_threads(GDMLPRegressor, X, y, solver="batch")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("storage", [np.asarray, csr], ids=["dense", "csr"])
@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": 64, "dropout": 0.3, "batch_size": 300},
        {"scaling_layer": True, "n_frequencies": 2, "activation": "parametric_mish", "max_grad_norm": 1.0},
        {"freeze": 0, "optimizer": "momentum", "learning_rate": 0.01, "solver": "batch"},
    ],
    ids=["dropout", "features", "frozen"],
)
def test_members_share_threads(params, storage, dtype):
    X, y = rows(700, 12, classes=3, dtype=dtype)
    params = {"hidden_layer_sizes": (40, 24), "batch_size": 256, "n_members": 4, "max_iter": 3, **params}
    same_of_threads(GDMLPClassifier, storage(X), y, **params)


# ---------------------------------------------------------------- attributes and other formats


def test_attributes_say_what_is_shared():
    X, y = rows()
    model = GDMLPRegressor(**QUICK).fit(X, y)
    assert [each.shape for each in model.coefs_] == [(4, 12), (12, 8), (3, 8, 1)]
    assert [each.shape for each in model.intercepts_] == [(3, 12), (3, 8), (3, 1)]
    assert [(r.shape, s.shape) for r, s in model.adapters_] == [((3, 4), (3, 12)), ((3, 12), (3, 8))]
    assert (model.n_layers_, model.n_outputs_) == (4, 1)
    assert not hasattr(model, "members_")
    hidden = model.hidden(X, 0)
    W, b = (part[0] for part in layers_of(model, 1))
    np.testing.assert_allclose(hidden[:, 12:24], np.tanh(X @ W + b), rtol=1e-10)
    assert hidden.shape == (120, 36)
    frozen = GDMLPRegressor(freeze=0, **QUICK).fit(X, y)
    start = GDMLPRegressor(**{**QUICK, "learning_rate": 1e-300, "max_iter": 1}).fit(X, y)
    np.testing.assert_allclose(frozen.coefs_[0], start.coefs_[0], rtol=1e-12)
    for ours, first in zip(frozen.adapters_[0], start.adapters_[0], strict=True):
        np.testing.assert_array_equal(ours, first)
    assert set(np.unique(start.adapters_[0][0])) == {-1, 1}
    path = GDMLPRegressor(record_path=True, **QUICK).fit(X, y).path_
    assert path.shape == (7, sum(part.size for part in (*model.coefs_, *model._vectors)))
    single = GDMLPRegressor(**{**QUICK, "n_members": 1}).fit(X, y)
    assert not hasattr(single, "adapters_") and single.coefs_[-1].shape == (8, 1)


@pytest.mark.parametrize("classes", [0, 3])
def test_a_table_of_any_columns_is_encoded(classes):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.standard_normal(300), "kind": pd.Categorical(rng.choice(list("xyz"), 300))})
    y = X["a"].to_numpy() + (X["kind"] == "x").to_numpy()
    X.loc[::7, "a"] = np.nan
    y = np.digitize(y, [0, 1]) if classes else y
    kind = GDMLPClassifier if classes else GDMLPRegressor
    model = kind(n_members=4, share_weights=True, max_iter=20, random_state=0).fit(X, y)
    assert model.adapters_[0][1].shape == (4, 96 if classes else 128)
    assert model.score(X, y) > 0.6
    assert model.settings_["dropout"] > 0


@pytest.mark.parametrize("params", [{}, {"activation": "parametric_silu", "n_frequencies": 2}])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_onnx_predicts_the_same(classes, params):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    X, y = rows(classes=classes)
    kind = GDMLPClassifier if classes else GDMLPRegressor
    model = kind(**{**QUICK, **params}).fit(X, y)
    found = runtime.InferenceSession(model.to_onnx().SerializeToString()).run(None, {"X": X})
    expected = model.predict_proba(X) if classes else model.predict(X)
    got = found[1] if classes else found[0]
    np.testing.assert_allclose(np.reshape(got, expected.shape), expected, atol=1e-6)


def test_errors_say_what_is_not_possible():
    X, y = rows()
    with pytest.raises(ValueError, match="share_weights=True needs a hidden layer"):
        GDMLPRegressor(**{**QUICK, "hidden_layer_sizes": ()}).fit(X, y)
    model = GDMLPRegressor(**QUICK)
    with pytest.raises(ValueError, match="n_members=3 has no counterpart"):
        model.fit(X, y).to_sklearn()
    with pytest.raises(ValueError, match=r"coef_init\[2\]"):
        model.fit(X, y, coef_init=[np.ones((4, 12)), np.ones((12, 8)), np.ones((8, 1))])
    with pytest.raises(ValueError, match="finds one rate for all layers"):
        bb = {**QUICK, "optimizer": optimizers.BarzilaiBorwein(), "solver": "batch"}
        GDMLPRegressor(rate_factors={"adapters": 2.0}, **bb).fit(X, y)


@pytest.mark.parametrize(
    ("given", "members", "shared", "units"),
    [
        ({}, 4, True, 96),
        ({"n_members": 1}, 1, False, 128),
        ({"n_members": 3}, 3, False, 128),
        ({"share_weights": False}, 1, False, 128),
        ({"n_members": 2, "share_weights": True}, 2, True, 96),
    ],
)
def test_tables_have_several_networks_unless_somebody_asks(given, members, shared, units):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((500, 2)), columns=["a", "b"])
    model = GDMLPClassifier(max_iter=1, random_state=0, **given).fit(X, X["a"] > 0)
    assert model.settings_.get("n_members", members) == members
    assert model.settings_.get("share_weights", shared) == shared
    assert model.settings_["hidden_layer_sizes"] == (units,)
    assert hasattr(model, "adapters_") == shared
    assert hasattr(model, "members_") == (members > 1 and not shared)
    bare = GDMLPClassifier(max_iter=1, encoding=None, random_state=0).fit(X, X["a"] > 0)
    assert (bare.settings_["n_members"], bare.settings_["share_weights"]) == (1, False)


def test_the_dropout_of_those_that_share_weights_shrinks_with_the_penalty():
    assert settings_by_noise(0.1, 1000, True) == settings_by_noise(0.1, 1000)
    found = settings_by_noise(0.1, 10_000, True)
    assert found == {"alpha": pytest.approx(2e-5), "dropout": pytest.approx(0.13 / 2)}
    assert strength_of_classes(3.0, True) == 6.0 and strength_of_classes(3.0, False) == 3.0


def test_streams_have_no_intervals():
    """Rows that were held out may be learnt by a stream."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    model = GDMLPRegressor(n_members=2, share_weights=True, encoding=None, max_iter=3, random_state=0)
    model.set_params(early_stopping=True).fit(X, X[:, 0])
    assert model.predict_interval(X[:2]).shape == (2, 2)
    model.set_params(early_stopping=False).partial_fit(X, X[:, 0])
    assert (model.oof_score_, model.oof_residuals_) == (None, None)
    for stream in (model, clone(model).partial_fit(X, X[:, 0])):
        with pytest.raises(ValueError, match="predict_interval needs rows"):
            stream.predict_interval(X)
