"""Rates and alphas chosen by cross-validation on Dask: those of the searches in memory on the same rows."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score

import skgd

pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

from skgd import _dask_columns  # noqa: E402
from skgd._dask_blocks import DaskBlocks  # noqa: E402
from skgd.dask import DaskGDClassifierCV, DaskGDRegressor, DaskGDRegressorCV  # noqa: E402

CHUNKS = (300, 1, 99, 203)
ALPHAS = [1e-3, 0.1, 1.0, 10.0]


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def rows(outputs=1, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(603, 30)) + offset
    y = (X - offset) @ rng.normal(size=(30, outputs)) / 5 + 2 * rng.normal(size=(603, outputs)) + offset
    return X, (y if outputs > 1 else y[:, 0])


def cut(*arrays):
    return [da.from_array(array, chunks=(CHUNKS, *array.shape[1:])) for array in arrays]


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize(
    "fixed", [{}, {"penalty": "l1"}, {"penalty": "elasticnet"}, {"fit_intercept": False, "cv": 3}]
)
def test_scores_and_choice_are_those_of_one_process(client, fixed, offset, outputs):
    X, y = rows(outputs, 0.0 if fixed.get("fit_intercept") is False else offset)
    model = DaskGDRegressorCV(ALPHAS, **fixed).fit(*cut(X, y), client=client)
    expected = skgd.GDRegressorCV(learning_rates="auto", alphas=ALPHAS, solver="batch", **fixed).fit(X, y)
    for name in ("mean_test_score", "std_test_score", "split2_test_score", "param_alpha"):
        np.testing.assert_allclose(
            np.asarray(model.cv_results_[name], dtype=float),
            np.asarray(expected.cv_results_[name], dtype=float),
            rtol=1e-6,
            atol=1e-9,
        )
    assert model.alpha_ == expected.alpha_
    assert model.best_score_ == pytest.approx(expected.best_score_, rel=1e-6)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-4, atol=1e-6)


def test_ridge_agrees(client):
    X, y = rows()
    model = DaskGDRegressorCV(ALPHAS, cv=4).fit(*cut(X, y), client=client)
    for alpha, mean in zip(ALPHAS, model.cv_results_["mean_test_score"], strict=True):
        each = [
            Ridge(alpha * len(train)).fit(X[train], y[train]).score(X[test], y[test])
            for train, test in KFold(4).split(X)
        ]
        assert mean == pytest.approx(np.mean(each), rel=1e-9)
    assert cross_val_score(Ridge(1.0), X, y, cv=4).mean() <= model.best_score_ + 0.01


def test_weights_are_those_of_rows(client):
    X, y = rows()
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    model = DaskGDRegressorCV(ALPHAS).fit(*cut(X, y, weight), client=client)
    expected = skgd.GDRegressorCV(learning_rates="auto", alphas=ALPHAS, solver="batch").fit(X, y, weight)
    np.testing.assert_allclose(
        model.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"], rtol=1e-6
    )


def test_the_fit_is_that_of_the_alpha(client, monkeypatch):
    X, y = rows()
    calls, whole = [], DaskBlocks.map

    def counted(self, function, *arguments, **options):
        calls.append(function.__name__)
        return whole(self, function, *arguments, **options)

    monkeypatch.setattr(DaskBlocks, "map", counted)
    model = DaskGDRegressorCV(ALPHAS).fit(*cut(X, y), client=client)
    assert calls.count("sums_by_fold") == 1
    fit = DaskGDRegressor(alpha=model.alpha_).fit(*cut(X, y), client=client)
    np.testing.assert_array_equal(fit.coef_, model.coef_)
    alone = model.to_local()
    assert type(alone) is skgd.GDRegressor
    assert alone.alpha == model.alpha_
    np.testing.assert_array_equal(alone.predict(X), model.predict(X))
    np.testing.assert_allclose(model.predict(cut(X)[0]).compute(), model.predict(X), rtol=1e-12)
    assert clone(model).get_params() == model.get_params()
    cautious = clone(model).set_params(selection="one_standard_error").fit(*cut(X, y), client=client)
    assert cautious.alpha_ >= model.alpha_


def test_bad_searches_are_told(client):
    X, y = rows()
    given = cut(X, y)
    for alphas in ([], [-1.0], [[1.0]], [np.nan]):
        with pytest.raises(ValueError, match="alphas="):
            DaskGDRegressorCV(alphas).fit(*given, client=client)
    with pytest.raises(ValueError, match="needs tol"):
        DaskGDRegressorCV(tol=None).fit(*given, client=client)
    with pytest.raises(ValueError, match="cv=400 folds need 800 rows"):
        DaskGDRegressorCV(cv=400).fit(*given, client=client)
    with pytest.raises(ValueError, match="cv"):
        DaskGDRegressorCV(cv=1).fit(*given, client=client)


def labelled(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(603, 8)) * np.geomspace(0.3, 1, 8)
    raw = X @ rng.normal(size=8) + rng.logistic(size=603)
    return X, np.where(raw > 0, "yes", "no")


@pytest.mark.parametrize(
    "fixed",
    [
        {},
        {"loss": "squared_hinge", "cv": 3},
        {"penalty": "elasticnet", "schedule": "invscaling"},
        {"optimizer": "adam", "learning_rates": [0.03, 0.1]},
        {"loss": "hinge", "learning_rates": [0.1, 1.0], "fit_intercept": False},
        {"class_weight": "balanced", "learning_rates": 2},
        {"class_weight": {"no": 3.0, "yes": 1.0}, "learning_rates": 1, "tol": None, "max_iter": 20},
        {"loss": "squared_hinge", "learning_rates": [0.1, 1e3], "alphas": [1e-3]},  # some diverge
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_rates_and_alphas_of_classifiers_are_those_of_one_process(client, fixed, weighted):
    X, y = labelled()
    weight = (np.random.default_rng(1).integers(0, 3, len(y)).astype(float),) if weighted else ()
    settings = {"learning_rates": 3, "alphas": [1e-4, 1e-2], "max_iter": 60, **fixed}
    model = DaskGDClassifierCV(**settings).fit(*cut(X, y, *weight), client=client)
    settings["cv"] = KFold(settings.get("cv", 5))
    expected = skgd.GDClassifierCV(solver="batch", standardize=False, average=False, **settings)
    expected.fit(X, y, *weight)
    for name in ("mean_test_score", "std_test_score", "split2_test_score", "param_learning_rate"):
        np.testing.assert_allclose(
            np.asarray(model.cv_results_[name], dtype=float),
            np.asarray(expected.cv_results_[name], dtype=float),
            rtol=1e-9,
            atol=1e-12,
        )
    assert model.alpha_ == expected.alpha_
    assert model.learning_rate_ == pytest.approx(expected.learning_rate_, rel=1e-9)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-9, atol=1e-9)
    alone = model.to_local()
    assert (alone.alpha, alone.learning_rate) == (model.alpha_, model.learning_rate_)
    np.testing.assert_array_equal(alone.predict(X), model.predict(X))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_columns_end_where_single_fits_do(client, dtype, monkeypatch):
    X, y = labelled()
    found = []

    def seen(shared, candidates, random):
        descend(shared, candidates, random)
        found.extend(candidates)

    descend = _dask_columns.descend
    monkeypatch.setattr(_dask_columns, "descend", seen)
    DaskGDClassifierCV(learning_rates=[0.5, 2.0], alphas=[0.1, 1e-3], max_iter=200).fit(
        *cut(X.astype(dtype), y), client=client
    )
    folds = list(KFold(5).split(X))
    assert len(found) == 20
    for each in found:
        weight = np.ones(len(y), dtype)
        weight[folds[each.fold][1]] = 0
        model = skgd.GDClassifier(
            solver="batch", learning_rate=each.rate, alpha=each.alpha, max_iter=200, standardize=False
        ).fit(X.astype(dtype), y, weight)
        assert each.parameters.dtype == dtype
        assert each.epochs == model.n_iter_
        theta = np.append(model.coef_.ravel(), model.intercept_)[:, None]
        np.testing.assert_allclose(
            each.parameters, theta, rtol=0, atol=1e-12 if dtype == np.float64 else 1e-5
        )


def test_columns_share_the_maps(client, monkeypatch):
    X, y = labelled()
    calls, whole = [], DaskBlocks.map

    def counted(self, function, *arguments, **options):
        calls.append(function.__name__)
        return whole(self, function, *arguments, **options)

    monkeypatch.setattr(DaskBlocks, "map", counted)
    model = DaskGDClassifierCV(learning_rates=4, alphas=[1e-3, 1e-1], tol=None, max_iter=7)
    model.fit(*cut(X, y), client=client)
    assert calls.count("columns_of_block") == 1 + 7  # at zero, and an update of forty columns each
    assert calls.count("totals_of_block") == calls.count("right_of_block") == 1
    assert clone(model).get_params() == model.get_params()
    cautious = clone(model).set_params(selection="one_standard_error").fit(*cut(X, y), client=client)
    assert cautious.alpha_ >= model.alpha_


def test_bad_searches_of_rates_are_told(client):
    X, y = labelled()
    given = cut(X, y)
    with pytest.raises(ValueError, match="one over two classes"):
        DaskGDClassifierCV().fit(*cut(X, np.arange(len(y)) % 3), client=client)
    with pytest.raises(ValueError, match="possible for sparse rows"):
        DaskGDClassifierCV(optimizer="barzilai_borwein").fit(*given, client=client)
    with pytest.raises(ValueError, match="cv=400 folds need 800 rows"):
        DaskGDClassifierCV(cv=400).fit(*given, client=client)
    for name in ("alphas", "learning_rates"):
        with pytest.raises(ValueError, match=name):
            DaskGDClassifierCV(**{name: [-1.0]}).fit(*given, client=client)
    with pytest.raises(ValueError, match="is judged by are zero"):
        DaskGDClassifierCV().fit(*cut(X, y, (np.arange(603) > 200).astype(float)), client=client)
