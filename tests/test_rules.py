"""What single update rules promise beyond their formula."""

import warnings

import _reference as reference
import numpy as np
import pytest
from _data import STILL, covering, csr, estimator, make, pairs, theta, thin, unpack, wide
from sklearn.exceptions import ConvergenceWarning

import skgd
from skgd import optimizers, schedules

# ---------------------------------------------------------------- where a rule is defined


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("implicit", {"solver": "batch"}, "one row"),
        ("implicit", {"solver": "minibatch"}, "one row"),
        ("implicit", {"solver": "sgd", "loss": "huber"}, "squared_error"),
        ("implicit", {"solver": "sgd", "loss": "log_loss"}, "squared_error"),
        ("barzilai_borwein", {"solver": "sgd"}, "all rows"),
        ("barzilai_borwein", {"solver": "minibatch"}, "all rows"),
        ("barzilai_borwein", {"solver": "batch", "loss": "hinge"}, "kinks"),
        ("barzilai_borwein", {"solver": "batch", "loss": "quantile"}, "kinks"),
        ("barzilai_borwein", {"solver": "batch", "schedule": "cosine"}, "schedule"),
        ("barzilai_borwein", {"solver": "batch", "average": True}, "average"),
        ("schedule_free", {"average": True}, "average"),
        ("schedule_free", {"average": 0}, "average"),
    ],
)
def test_a_use_without_a_definition_is_refused(name, params, says):
    loss = params.pop("loss", "squared_error")
    X, y = make(loss)
    with pytest.raises(ValueError, match=rf"(?s){name}.*{says}"):
        estimator(loss, optimizer=name, **params).fit(X, y)


def test_mini_batches_of_one_row_are_single_rows_to_implicit_too():
    X, y = make(n=40)
    params = {"optimizer": "implicit", "learning_rate": 0.1, "max_iter": 2, **STILL}
    single = estimator(solver="sgd", **params).fit(X, y)
    np.testing.assert_array_equal(theta(estimator(batch_size=1, **params).fit(X, y)), theta(single))


# ---------------------------------------------------------------- automatic rates


@pytest.mark.parametrize(
    ("loss", "rule", "scale"),
    [
        *covering(["squared_error", "log_loss", "poisson"], pairs(loss="log_loss"), [1e-3, 1.0, 1e3]),
        *(("squared_error", ("implicit", "sgd"), scale) for scale in (1e-3, 1.0, 1e3)),
    ],
)
def test_automatic_rates_never_end_above_the_start(loss, rule, scale):
    optimizer, solver = rule
    X, y = make(loss, n=100)
    model = estimator(loss, solver=solver, optimizer=optimizer, max_iter=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(scale * X, y)
    start = reference.objective(np.zeros((6, 1)), X, y, loss)
    if optimizer == "adamw":  # decoupled from the objective's penalty, it may find nothing better
        assert model.loss_ <= start
    else:
        assert model.loss_ < start


@pytest.mark.parametrize(("optimizer", "solver"), pairs(without=["adadelta", "adamw"]))
def test_the_unit_of_the_targets_does_not_matter(optimizer, solver):
    """Adadelta's epsilon has a unit, and so has AdamW's decay; a power of two changes no rounding."""
    X, y = make(n=100)
    model = estimator(solver=solver, optimizer=optimizer, max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        one = theta(model.fit(X, y))
        np.testing.assert_allclose(theta(model.fit(X, 1024 * y)), 1024 * one, rtol=1e-5)


# ---------------------------------------------------------------- implicit


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("standardize", [False, True])
def test_implicit_survives_a_rate_a_thousand_times_too_high(standardize, storage):
    X, y = make(n=200)
    params = {"solver": "sgd", "penalty": None, "standardize": standardize, "max_iter": 20, "tol": None}
    with pytest.raises(skgd.DivergenceError) as caught:
        estimator(learning_rate=1e3, average=False, **params).fit(storage(X), y)
    rate = 1e3 * caught.value.largest_stable_learning_rate
    model = estimator(optimizer="implicit", learning_rate=rate, average=True, **params).fit(storage(X), y)
    X1 = reference.with_ones(X)
    least = reference.objective(np.linalg.lstsq(X1, y[:, None], rcond=None)[0], X, y)
    assert model.loss_ < least + 0.2 * (reference.objective(np.zeros((6, 1)), X, y) - least)


def test_implicit_with_an_endless_rate_meets_the_row():
    """The proximal point then is the projection onto the row's own solutions (Kaczmarz 1937)."""
    X, y = make(n=1)
    params = {"solver": "sgd", "learning_rate": 1e12, "max_iter": 1, "penalty": None, **STILL}
    model = estimator(optimizer="implicit", **params).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-9)
    row = np.append(X[0], 1.0)
    np.testing.assert_allclose(theta(model)[:, 0], row * y[0] / (row @ row), rtol=1e-9)


# ---------------------------------------------------------------- FTRL


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("schedule", ["constant", "invscaling", "cosine"])
def test_ftrl_without_a_penalty_is_adagrad(schedule, solver):
    X, y = make(n=40)
    params = {"solver": solver, "penalty": None, "schedule": schedule, "learning_rate": 0.3, "max_iter": 5}
    one = estimator(optimizer=optimizers.FTRL(epsilon=0.1), **params, **STILL).fit(X, y)
    other = estimator(optimizer=optimizers.Adagrad(epsilon=0.1), **params, **STILL).fit(X, y)
    np.testing.assert_allclose(theta(one), theta(other), rtol=1e-10)


@pytest.mark.parametrize("schedule", ["invscaling", schedules.Step(period=1)])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_ftrl_on_sparse_rows_with_falling_rates(penalty, schedule):
    X, y = wide(outputs=3)
    params = {"penalty": penalty, "alpha": 0.02, "schedule": schedule, "learning_rate": 0.5, "max_iter": 4}
    model = estimator(optimizer="ftrl", solver="sgd", **params, **STILL)
    dense = theta(model.fit(X, y))
    np.testing.assert_allclose(theta(model.fit(csr(X), y)), dense, rtol=1e-9, atol=1e-11)


def test_ftrl_reaches_the_optimum_of_the_lasso():
    X, y = make(n=60, seed=3)
    model = estimator(
        penalty="l1", alpha=0.3, solver="batch", optimizer="ftrl", learning_rate=1.0, tol=None, max_iter=4000
    ).fit(X, y)
    slope = reference.loss_gradient(theta(model), X, y)[:-1, 0]
    active = model.coef_ != 0
    assert 0 < active.sum() < 5
    np.testing.assert_allclose(slope[active], -0.3 * np.sign(model.coef_[active]), atol=1e-7)
    assert np.all(np.abs(slope[~active]) <= 0.3)


# ---------------------------------------------------------------- schedule-free


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_schedule_free_with_beta_0_is_descent_averaged(solver):
    X, y = make(n=40)
    params = {"solver": solver, "learning_rate": 0.05, "max_iter": 4, **STILL}
    free = estimator(optimizer=optimizers.ScheduleFree(beta=0.0), **params).fit(X, y)
    averaged = estimator(**{**params, "average": True}).fit(X, y)
    np.testing.assert_allclose(theta(free), theta(averaged), rtol=1e-9, atol=1e-12)


def test_schedule_free_offers_its_mean_everywhere():
    """In coef_, in path_, to the checks of the objective, to early stopping, and to another optimizer."""
    X, y = make(n=60)
    params = {"optimizer": "schedule_free", "learning_rate": 0.3, "max_iter": 30, **STILL}
    model = estimator(record_path=True, warm_start=True, **params).fit(X, y)
    np.testing.assert_array_equal(unpack(model.path_[-1]), theta(model))
    at_end = reference.objective(theta(model), X, y, l2=1e-4)
    np.testing.assert_allclose([model.loss_, model.loss_curve_[-1]], at_end, rtol=1e-9)
    early = estimator(record_path=True, early_stopping=True, **{**params, "learning_rate": 1.0}).fit(X, y)
    best = np.argmin(early.history_["validation_loss"])
    last = np.abs(early.path_[1 + best : -1] - np.append(early.coef_, early.intercept_)).max(axis=1)
    assert best + 2 == len(early.path_) or last[0] == 0
    before = theta(model)
    model.set_params(optimizer="plain", learning_rate=1e-12, max_iter=1).fit(X, y)
    np.testing.assert_allclose(theta(model), before, rtol=1e-9)


# ---------------------------------------------------------------- Barzilai-Borwein


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_barzilai_borwein_is_what_auto_does_in_batch_descent(penalty, loss):
    X, y = make(loss)
    params = {"solver": "batch", "penalty": penalty, "alpha": 0.01, "record_path": True}
    auto = estimator(loss, **params).fit(X, y)
    named = estimator(loss, optimizer="barzilai_borwein", **params).fit(X, y)
    np.testing.assert_array_equal(named.path_, auto.path_)


@pytest.mark.parametrize("rate", [1e-6, 1e-2, 1e2, 1e6])
def test_barzilai_borwein_starts_at_the_given_rate_and_arrives_from_any(rate):
    X, y = make(n=60)
    params = {"solver": "batch", "optimizer": "barzilai_borwein", "tol": 1e-13, "max_iter": 300}
    model = estimator(learning_rate=rate, penalty=None, **params).fit(X, y)
    best = np.linalg.lstsq(reference.with_ones(X), y, rcond=None)[0]
    assert model.learning_rate_ == rate
    assert model.history_["learning_rate"][0] == rate
    np.testing.assert_allclose(theta(model)[:, 0], best, rtol=1e-4)


@pytest.mark.parametrize("kind", [np.asarray, lambda X: csr(thin(X))])
def test_batch_descent_on_wide_sparse_rows_gets_its_gradient(kind):
    """Where a loop that forms no gradient would otherwise have been chosen."""
    X, y = wide(n=20)
    dense = estimator(solver="batch", tol=1e-10, standardize=False).fit(X, y)
    sparse = estimator(solver="batch", tol=1e-10, standardize=False).fit(csr(X), y)
    # the optimum is near zero: to 1e-6 of what there was to gain, as tol is
    np.testing.assert_allclose(sparse.loss_, dense.loss_, rtol=0, atol=1e-6 * dense.history_["loss"][0])


# ---------------------------------------------------------------- PyTorch's, where it is installed

THEIRS = {
    "adadelta": lambda o, p, r: o.Adadelta(p, lr=r, rho=0.95, eps=1e-6, weight_decay=0.1),
    "adagrad": lambda o, p, r: o.Adagrad(p, lr=r, eps=1e-8),
    "adam": lambda o, p, r: o.Adam(p, lr=r, weight_decay=0.1),
    "adamw": lambda o, p, r: o.AdamW(p, lr=r, weight_decay=0.1),
    "amsgrad": lambda o, p, r: o.Adam(p, lr=r, amsgrad=True, weight_decay=0.1),
    "momentum": lambda o, p, r: o.SGD(p, lr=r, momentum=0.9, weight_decay=0.1),
    "nadam": lambda o, p, r: o.NAdam(p, lr=r, betas=(0.9, 0.999), weight_decay=0.1),
    "nesterov": lambda o, p, r: o.SGD(p, lr=r, momentum=0.9, nesterov=True, weight_decay=0.1),
    "plain": lambda o, p, r: o.SGD(p, lr=r, weight_decay=0.1),
    "rmsprop": lambda o, p, r: o.RMSprop(p, lr=r, alpha=0.9, weight_decay=0.1),
}


@pytest.fixture
def torch():
    """With scalars of its own in double too."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)


@pytest.mark.parametrize("name", THEIRS)
def test_pytorch_makes_the_same_fifty_updates(name, torch):
    X, y = make(n=50)
    rate, alpha = (5.0, 0.1) if name == "adadelta" else (0.02, 0.0 if name == "adagrad" else 0.1)
    model = estimator(
        optimizer=name, batch_size=10, learning_rate=rate, alpha=alpha, fit_intercept=False, max_iter=10
    )
    model.set_params(check_every=1, record_path=True, **STILL).fit(X, y)
    w = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    optimizer, path = THEIRS[name](torch.optim, [w], rate), [np.zeros(5)]
    for start in [*range(0, 50, 10)] * 10:
        rows = slice(start, start + 10)
        optimizer.zero_grad()
        (((torch.tensor(X[rows]) @ w - torch.tensor(y[rows])) ** 2).mean() / 2).backward()
        optimizer.step()
        path.append(w.detach().numpy().copy())
    np.testing.assert_allclose(model.path_[:, :-1], path, rtol=1e-10, atol=1e-10)
