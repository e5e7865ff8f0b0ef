"""An offset of the raw scores: the exposure of counts, or what another model says already.

Asked for in scikit-learn #24614.
"""

import numpy as np
import pytest
import sklearn
from _data import csr, make, pairs
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.metrics import (
    accuracy_score,
    get_scorer,
    log_loss,
    mean_poisson_deviance,
    r2_score,
    roc_auc_score,
)
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skgd import (
    Checkpoint,
    GDClassifier,
    GDClassifierCV,
    GDMLPClassifier,
    GDMLPRegressor,
    GDRegressor,
    GDRegressorCV,
)
from skgd.losses import LOSSES, Loss

STORAGES = {"dense": np.asarray, "csr": csr}
EXACT = {"solver": "batch", "tol": 1e-14, "max_iter": 20_000, "n_iter_no_change": 20}
RESIDUAL = ["squared_error", "huber", "log_cosh", "squared_epsilon_insensitive"]
NEEDS_CORE = ["poisson", "gamma", "tweedie", "log_loss", "squared_hinge", "modified_huber"]


def kind_of(loss):
    return GDClassifier if LOSSES[loss].task == "classification" else GDRegressor


def offset_of(n, columns=None, seed=5):
    return np.random.default_rng(seed).uniform(-1, 1, (n,) if columns is None else (n, columns))


def counts(n=300, seed=0):
    """Features, events and exposures."""
    rng = np.random.default_rng(seed)
    X, exposure = rng.normal(size=(n, 4)), rng.uniform(0.1, 20, n)
    return X, rng.poisson(exposure * np.exp(0.3 * X @ [1.0, -0.5, 0.2, 0.0] - 1)).astype(float), exposure


# ---------------------------------------------------------------- the same model in other ways


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("storage", STORAGES)
def test_sklearn_24614_exposure_is_a_weighted_rate(storage, standardize):
    """Of a Poisson model: events over exposure, weighted by exposure."""
    X, y, exposure = counts()
    params = {**EXACT, "standardize": standardize}
    model = GDRegressor("poisson", alpha=0, **params).fit(STORAGES[storage](X), y, offset=np.log(exposure))
    other = PoissonRegressor(alpha=0, tol=1e-12, max_iter=10_000)
    other.fit(X, y / exposure, sample_weight=exposure)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-6)
    assert model.intercept_[0] == pytest.approx(other.intercept_, abs=1e-6)
    np.testing.assert_allclose(
        model.predict(X, offset=np.log(exposure)), exposure * other.predict(X), rtol=1e-5
    )
    np.testing.assert_allclose(model.predict(X), other.predict(X), rtol=1e-5)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", RESIDUAL)
def test_where_only_residuals_matter_it_is_taken_off_y(loss, storage):
    X, y = make(loss, n=80, outputs=2)
    offset = offset_of(80, 2)
    rows = STORAGES[storage](X)
    model = GDRegressor(loss, **EXACT).fit(rows, y, offset=offset)
    other = GDRegressor(loss, **EXACT).fit(rows, y - offset)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-10)
    np.testing.assert_allclose(model.predict(rows, offset=offset), other.predict(rows) + offset, atol=1e-9)
    assert model.score(rows, y, offset=offset) == pytest.approx(r2_score(y, other.predict(rows) + offset))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("loss", NEEDS_CORE)
def test_an_offset_is_a_feature_whose_weight_is_one(loss, solver, storage):
    """The same updates as with one more feature, whose weight starts at one and cannot move."""
    X, y = make(loss, n=60)
    offset = offset_of(60)
    params = {"solver": solver, "batch_size": 8, "learning_rate": 0.02, "max_iter": 4, "tol": None}
    params |= {"random_state": 0, "average": True}
    alpha = np.append(np.full(5, 0.01), 0.0)
    free = np.append(np.full(5, np.inf), 1.0)
    model = kind_of(loss)(loss, alpha=0.01, **params).fit(STORAGES[storage](X), y, offset=offset)
    other = kind_of(loss)(loss, alpha=alpha, bounds=(np.append(np.full(5, -np.inf), 1.0), free), **params)
    other.fit(STORAGES[storage](np.column_stack([X, offset])), y)
    np.testing.assert_allclose(model.coef_.ravel(), other.coef_.ravel()[:5], rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(model.history_["loss"], other.history_["loss"], rtol=1e-8)
    raw = (X @ model.coef_.ravel() + model.intercept_ + offset)[:, None]
    values, _ = LOSSES[loss]().value_and_slope(y.astype(float), raw)
    assert model.loss_ == pytest.approx(values.mean() + 0.005 * np.sum(model.coef_**2), rel=1e-12)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize(("optimizer", "solver"), pairs(without=["implicit", "barzilai_borwein"]))
def test_every_rule_on_dense_and_sparse_rows(optimizer, solver, penalty):
    X, y, exposure = counts(60)
    params = {"solver": solver, "optimizer": optimizer, "penalty": penalty, "learning_rate": 1e-3}
    params |= {"max_iter": 3, "tol": None, "random_state": 0, "standardize": False}
    models = [
        GDRegressor("poisson", alpha=0.01, **params).fit(rows, y, offset=np.log(exposure))
        for rows in (X, csr(X))
    ]
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-8, atol=1e-10)
    bare = GDRegressor("poisson", alpha=0.01, **params).fit(X, y)
    assert np.abs(models[0].coef_ - bare.coef_).max() > 1e-9


def test_several_outputs_and_classes():
    X, y, exposure = counts(100)
    Y = np.column_stack([y, y[::-1]])
    both = GDRegressor("poisson", **EXACT).fit(X, Y, offset=np.log(exposure))
    for k in range(2):
        alone = GDRegressor("poisson", **EXACT).fit(X, Y[:, k], offset=np.log(exposure))
        np.testing.assert_allclose(both.coef_[k], alone.coef_, atol=1e-5)
    X, y = make("log_loss", n=120, outputs=3)
    offset = offset_of(120, 3)
    model = GDClassifier(alpha=0.05, **EXACT).fit(X, y, offset=offset)
    slope = X.T @ (model.predict_proba(X, offset=offset) - np.eye(3)[y]) / 120 + 0.05 * model.coef_.T
    np.testing.assert_allclose(slope, 0, atol=1e-6)
    shifted = GDClassifier(alpha=0.05, **EXACT).fit(X, y, offset=offset_of(120))
    np.testing.assert_allclose(shifted.coef_, GDClassifier(alpha=0.05, **EXACT).fit(X, y).coef_, atol=1e-6)


def test_the_raw_scores_of_another_model_go_on():
    """At the optimum of one model another one, on top of it, has nothing to add."""
    X, y = make("log_loss", n=200)
    first = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    model = GDClassifier(penalty=None, **EXACT).fit(X, y, offset=first.decision_function(X))
    np.testing.assert_allclose(model.coef_, 0, atol=1e-6)
    np.testing.assert_allclose(
        model.decision_function(X, offset=first.decision_function(X)), first.decision_function(X), atol=1e-5
    )
    offset = first.decision_function(X)
    np.testing.assert_allclose(
        model.predict_log_proba(X, offset=offset), np.log(model.predict_proba(X, offset=offset))
    )
    assert model.score(X, y, offset=offset) == accuracy_score(y, model.predict(X, offset=offset))


def test_statsmodels_agrees():
    sm = pytest.importorskip("statsmodels.api")
    X, y, exposure = counts()
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    for own, family in [
        ("poisson", sm.families.Poisson()),
        ("gamma", sm.families.Gamma(sm.families.links.Log())),
    ]:
        target = y + 0.5
        model = GDRegressor(own, alpha=0, **EXACT).fit(X, target, weight, offset=np.log(exposure))
        other = sm.GLM(
            target, sm.add_constant(X), family=family, offset=np.log(exposure), freq_weights=weight
        ).fit(tol=1e-14, maxiter=1000)
        np.testing.assert_allclose(np.append(model.intercept_, model.coef_), other.params, atol=1e-6)


def test_glum_agrees():
    glum = pytest.importorskip("glum")
    X, y, exposure = counts()
    for storage in STORAGES.values():
        model = GDRegressor("poisson", alpha=0.1, penalty="elasticnet", l1_ratio=0.3, **EXACT)
        model.fit(storage(X), y, offset=np.log(exposure))
        other = glum.GeneralizedLinearRegressor(
            family="poisson", alpha=0.1, l1_ratio=0.3, gradient_tol=1e-10, max_iter=1000
        ).fit(X, y, offset=np.log(exposure))
        np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-6)


# ---------------------------------------------------------------- everything else that fits do


def test_weights_of_zero_and_repeated_rows():
    X, y, exposure = counts(100)
    weight = np.random.default_rng(0).integers(0, 3, 100)
    offset = np.log(exposure)
    model = GDRegressor("poisson", **EXACT).fit(X, y, weight, offset=offset)
    rows = np.repeat(np.arange(100), weight)
    other = GDRegressor("poisson", **EXACT).fit(X[rows], y[rows], offset=offset[rows])
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-6)


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_automatic_rates_come_to_the_minimum(solver):
    X, y, exposure = counts(500)
    offset = np.log(1000 * exposure)
    exact = GDRegressor("poisson", **EXACT).fit(X, y, offset=offset)
    model = GDRegressor("poisson", solver=solver, random_state=0).fit(X, y, offset=offset)
    constant = exact.intercept_ * 0 + np.log(y.sum() / np.exp(offset).sum())
    gained = _deviance(np.zeros(4), constant, X, y, offset) - exact.loss_
    assert model.loss_ - exact.loss_ < 0.02 * gained


def _deviance(coef, intercept, X, y, offset):
    raw = X @ coef + intercept + offset
    return np.mean(np.exp(raw) - y * raw)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "log_loss"])
@pytest.mark.parametrize("storage", STORAGES)
def test_held_out_rows_take_their_offsets(loss, storage):
    X, y = make(loss, n=200)
    X, offset = STORAGES[storage](X), offset_of(200)
    params = {"early_stopping": True, "random_state": 0, "max_iter": 20, "learning_rate": 0.05}
    fold = [(np.arange(150), np.arange(150, 200))]
    model = kind_of(loss)(loss, validation_fraction=fold, **params).fit(X, y, offset=offset)
    given = kind_of(loss)(loss, **params).fit(
        X[:150], y[:150], X_val=X[150:], y_val=y[150:], offset=offset[:150], offset_val=offset[150:]
    )
    np.testing.assert_allclose(model.coef_, given.coef_, rtol=1e-9)
    np.testing.assert_allclose(
        model.history_["validation_loss"], given.history_["validation_loss"], rtol=1e-9
    )
    score = model.score(X[150:], y[150:], offset=offset[150:])
    assert model.best_validation_score_ == pytest.approx(score, rel=1e-9)
    raw = (X[150:] @ model.coef_.ravel() + model.intercept_ + offset[150:])[:, None]
    values = LOSSES[loss]().value_and_slope(y[150:].astype(float), raw)[0]
    assert np.min(model.history_["validation_loss"]) == pytest.approx(values.mean(), rel=1e-9)


@pytest.mark.parametrize(
    ("loss", "scoring"), [("poisson", "neg_mean_poisson_deviance"), ("log_loss", "roc_auc")]
)
def test_scorers_get_the_offset(loss, scoring):
    X, y = make(loss, n=200)
    offset = offset_of(200)
    fold = [(np.arange(150), np.arange(150, 200))]
    model = kind_of(loss)(
        loss, early_stopping=True, validation_fraction=fold, scoring=scoring, random_state=0, max_iter=10
    ).fit(X, y, offset=offset)
    raw = X[150:] @ model.coef_.ravel() + model.intercept_ + offset[150:]

    expected = (
        roc_auc_score(y[150:], raw) if loss == "log_loss" else -mean_poisson_deviance(y[150:], np.exp(raw))
    )
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-9)


def test_refit_and_warm_start():
    X, y, exposure = counts(200)
    offset = np.log(exposure)
    model = GDRegressor("poisson", early_stopping=True, refit=True, random_state=0, max_iter=30)
    model.fit(X, y, offset=offset)
    exact = GDRegressor("poisson", **EXACT).fit(X, y, offset=offset)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=0.05)
    again = GDRegressor("poisson", **EXACT, warm_start=True).fit(X, y, offset=offset).fit(X, y, offset=offset)
    np.testing.assert_allclose(again.coef_, exact.coef_, atol=1e-6)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "log_loss"])
def test_streams(loss, storage):
    X, y = make(loss, n=120)
    X, offset = STORAGES[storage](X), offset_of(120)
    model = kind_of(loss)(loss, solver="sgd", learning_rate=0.02, shuffle=False)
    known = {"classes": [0, 1]} if loss == "log_loss" else {}
    whole, parts = clone(model).partial_fit(X, y, **known, offset=offset), clone(model)
    for start in range(0, 120, 40):
        part = slice(start, start + 40)
        parts.partial_fit(X[part], y[part], **known, offset=offset[part])
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-10)
    bare = clone(model).partial_fit(X, y, **known)
    assert np.abs(bare.coef_ - whole.coef_).max() > 1e-4


def test_a_checkpoint_is_of_one_offset_and_one_penalty(tmp_path):
    X, y, exposure = counts(100)
    offset, path = np.log(exposure), tmp_path / "fit.ckpt"
    params = {"solver": "sgd", "penalty": "l1", "positive": True, "random_state": 0, "max_iter": 5}
    model = GDRegressor("poisson", alpha=[0.0, 0.1, 0.2, 0.1], **params)
    whole = clone(model).fit(X, y, offset=offset, checkpoint=Checkpoint(path, every=0))
    again = clone(model).fit(X, y, offset=offset, checkpoint=path)
    np.testing.assert_array_equal(again.coef_, whole.coef_)
    with pytest.raises(ValueError, match="offset"):
        clone(model).fit(X, y, offset=offset + X[:, 0], checkpoint=path)
    with pytest.raises(ValueError, match="alpha was"):
        GDRegressor("poisson", alpha=[0.0, 0.1, 0.2, 0.3], **params).fit(X, y, offset=offset, checkpoint=path)


def test_sparse_rows_of_many_features_update_lazily():
    rng = np.random.default_rng(0)
    X = np.where(rng.random((200, 500)) < 0.01, rng.normal(size=(200, 500)), 0.0)
    y, offset = rng.poisson(1.0, 200).astype(float), offset_of(200)
    params = {"learning_rate": 0.05, "max_iter": 3, "tol": None, "random_state": 0, "average": False}
    for penalty in ("l2", "l1"):
        models = [
            GDRegressor("poisson", solver="sgd", penalty=penalty, **params).fit(rows, y, offset=offset)
            for rows in (X, csr(X))
        ]
        np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-8, atol=1e-12)


def test_float32_stays_float32():
    X, y, exposure = counts()
    model = GDRegressor("poisson", solver="batch", tol=1e-8)
    single = clone(model).fit(X.astype(np.float32), y, offset=np.log(exposure))
    assert single.coef_.dtype == np.float32
    assert single.predict(X.astype(np.float32), offset=np.log(exposure)).dtype == np.float32
    np.testing.assert_allclose(single.coef_, clone(model).fit(X, y, offset=np.log(exposure)).coef_, atol=1e-3)


def test_bounds_factors_and_offset_together():
    X, y, exposure = counts()
    model = GDRegressor("poisson", alpha=[0, 0.1, 0.1, 0.1], penalty="l1", positive=True, **EXACT)
    model.fit(X, y, offset=np.log(exposure))
    other = GDRegressor("poisson", alpha=0.1 * y.sum() / exposure.sum(), penalty="l1", positive=True, **EXACT)
    assert model.coef_[1] == 0
    assert other.fit(X, y / exposure, sample_weight=exposure).coef_[1] == 0


def test_a_loss_in_python():
    class Exponential(Loss):
        log_link = False

        def value_and_slope(self, y, raw):
            rate = np.exp(raw)
            return (rate - y.reshape(raw.shape) * raw).sum(axis=1), rate - y.reshape(raw.shape)

    X, y, exposure = counts(100)
    params = {"solver": "batch", "optimizer": "plain", "alpha": 0, "learning_rate": 0.005, "tol": None}
    params |= {"max_iter": 50}
    own = GDRegressor(Exponential(), **params).fit(X, y, offset=np.log(exposure))
    other = GDRegressor("poisson", **params).fit(X, y, offset=np.log(exposure))
    np.testing.assert_allclose(own.coef_, other.coef_, rtol=1e-9)


# ---------------------------------------------------------------- paths and searches


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_paths(loss):
    X, y = make(loss, n=100)
    offset = offset_of(100)
    path = GDRegressor(loss, penalty="l1", **EXACT).path(X, y, n_alphas=4, eps=0.02, offset=offset)
    assert path.n_nonzero[0] == 0
    for alpha, coef, predicted in zip(path.alphas, path.coef, path.predict(X, offset=offset), strict=True):
        alone = GDRegressor(loss, penalty="l1", alpha=alpha, **EXACT).fit(X, y, offset=offset)
        np.testing.assert_allclose(coef, alone.coef_, atol=1e-5)
        np.testing.assert_allclose(predicted, alone.predict(X, offset=offset), rtol=1e-4)


@pytest.mark.parametrize(("loss", "scoring"), [
    ("squared_error", None), ("poisson", None), ("poisson", "neg_mean_poisson_deviance"), ("log_loss", None),
    ("log_loss", "neg_log_loss"), ("squared_error", "neg_mean_absolute_error"),
])  # fmt: skip
@pytest.mark.parametrize("rates", ["auto", [0.05]])
def test_searches(loss, scoring, rates):
    X, y = make(loss, n=120)
    offset, alphas = offset_of(120), [1.0, 0.01]
    folds = list(KFold(3).split(X))
    kind = GDClassifierCV if loss == "log_loss" else GDRegressorCV
    params = {"solver": "batch", "tol": 1e-12, "max_iter": 3000, "standardize": False}
    search = kind(loss, learning_rates=rates, alphas=alphas, cv=folds, scoring=scoring, **params)
    search.fit(X, y, offset=offset)
    rate = rates if rates == "auto" else rates[0]
    for k, alpha in enumerate(alphas):
        for f, (train, test) in enumerate(folds):
            model = kind_of(loss)(loss, alpha=alpha, learning_rate=rate, **params)
            model.fit(X[train], y[train], offset=offset[train])
            if scoring is None:
                expected = model.score(X[test], y[test], offset=offset[test])
            elif scoring == "neg_log_loss":
                expected = -log_loss(y[test], model.predict_proba(X[test], offset=offset[test]))
            else:
                metric = get_scorer(scoring)
                expected = metric._sign * metric._score_func(
                    y[test], model.predict(X[test], offset=offset[test])
                )
            assert search.cv_results_[f"split{f}_test_score"][k] == pytest.approx(expected, abs=1e-4)
    assert search.score(X, y, offset=offset) == pytest.approx(
        search.best_estimator_.score(X, y, offset=offset)
    )


# in older versions a search hands no metadata to the score of its estimator
ROUTES_TO_SCORE = parse_version(sklearn.__version__) >= parse_version("1.7")


def test_grid_search_and_pipeline_route_it_as_metadata():
    X, y, exposure = counts()
    offset = np.log(exposure)
    with config_context(enable_metadata_routing=True):
        model = (
            GDRegressor("poisson", solver="batch")
            .set_fit_request(offset=True)
            .set_predict_request(offset=True)
            .set_score_request(offset=True)
        )
        grid = GridSearchCV(make_pipeline(StandardScaler(), model), {"gdregressor__alpha": [0.01, 1.0]}, cv=3)
        grid.fit(X, y, offset=offset)
        folds = KFold(3).split(X)
        for f, (train, test) in enumerate(folds):
            scaler = StandardScaler().fit(X[train])
            alone = GDRegressor("poisson", solver="batch", alpha=0.01)
            alone.fit(scaler.transform(X[train]), y[train], offset=offset[train])
            expected = alone.score(scaler.transform(X[test]), y[test], offset=offset[test])
            if ROUTES_TO_SCORE:
                assert grid.cv_results_[f"split{f}_test_score"][0] == pytest.approx(expected, abs=1e-6)
        predicted = grid.best_estimator_.predict(X, offset=offset)
    np.testing.assert_allclose(predicted, exposure * grid.best_estimator_.predict(X), rtol=1e-9)


# ---------------------------------------------------------------- perceptrons


@pytest.mark.parametrize("kind", [GDMLPRegressor, GDMLPClassifier])
def test_perceptrons_take_an_offset(kind):
    loss = "poisson" if kind is GDMLPRegressor else "log_loss"
    X, y = make(loss, n=200)
    offset = 2 * offset_of(200)
    linear = {"hidden_layer_sizes": [], "solver": "batch", "optimizer": "nesterov", "alpha": 0.01}
    model = kind(loss, **linear, learning_rate=0.02, max_iter=3000, tol=1e-10).fit(X, y, offset=offset)
    exact = kind_of(loss)(loss, alpha=0.01, **EXACT).fit(X, y, offset=offset)
    np.testing.assert_allclose(model.coefs_[0].ravel(), exact.coef_.ravel(), atol=1e-3)
    deep = kind(loss, hidden_layer_sizes=(8,), random_state=0, max_iter=30).fit(X, y, offset=offset)
    assert deep.loss_ < exact.loss_ + 0.1
    assert deep.score(X, y, offset=offset) != deep.score(X, y)
    with pytest.raises(ValueError, match="An offset needs n_members=1"):
        kind(loss, n_members=2).fit(X, y, offset=offset)


# ---------------------------------------------------------------- what is not allowed


def test_wrong_offsets_are_errors():
    X, y, _ = counts(50)
    model = GDRegressor("poisson")
    for offset, message in [
        (np.ones(40), r"offset has shape \(40,\), but \(50,\) is needed"),
        (np.ones((50, 2)), "is needed"),
        (np.full(50, np.nan), "contains NaN"),
        (np.full(50, np.inf), "infinity"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, offset=offset)
        with pytest.raises(ValueError, match=message):
            clone(model).partial_fit(X, y, offset=offset)
        with pytest.raises(ValueError, match=message):
            clone(model).fit(X, y).predict(X, offset=offset)
        with pytest.raises(ValueError, match=message):
            GDRegressorCV("poisson").fit(X, y, offset=offset)
    with pytest.raises(ValueError, match="offset_val has shape"):
        model.fit(X, y, X_val=X[:10], y_val=y[:10], offset_val=np.ones(5))
    with pytest.raises(ValueError, match="X_val and y_val"):
        model.fit(X, y, offset_val=np.ones(5))
