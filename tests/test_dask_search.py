"""Alphas chosen by cross-validation on Dask: those of GDRegressorCV on the same rows."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score

import skgd

pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

from skgd._dask_blocks import DaskBlocks  # noqa: E402
from skgd.dask import DaskGDRegressor, DaskGDRegressorCV  # noqa: E402

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
