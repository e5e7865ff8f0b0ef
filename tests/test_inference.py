"""Standard errors: those of statsmodels, closed forms, second derivatives, coverage, warnings and errors."""

import builtins
import warnings

import numpy as np
import pytest
from _data import csr
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_loss import VARIANTS, sample

from skgd import GDClassifier, GDClassifierCV, GDMLPRegressor, GDRegressor, GDRegressorCV, losses
from skgd.inference import summarize
from skgd.penalties import MCP, SCAD, GroupLasso

EXACT = {"penalty": None, "solver": "batch", "tol": 1e-14, "max_iter": 100_000}
N = 300


def rows(seed=0, n=N):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1, 2, 0.5] + [0, 1, 0]
    return rng, X, X @ [0.5, -0.3, 0.4] + 0.2


def targets(name, seed=0, n=N):
    """X, y that the model of a loss gives, and groups."""
    rng, X, score = rows(seed, n)
    y = {
        "squared_error": lambda: score + rng.normal(size=n) * (1 + np.abs(X[:, 0])),
        "log_loss": lambda: (rng.uniform(size=n) < 1 / (1 + np.exp(-score))).astype(int),
        "poisson": lambda: rng.poisson(np.exp(score)).astype(float),
        "gamma": lambda: rng.gamma(2, np.exp(score) / 2),
    }
    return X, y["squared_error" if name not in y else name](), rng.integers(0, 30, n)


def fitted(loss, X, y, weight=None, **params):
    kind = GDClassifier if loss == "log_loss" else GDRegressor
    return kind(loss, **{**EXACT, **params}).fit(X, y, weight)


def ones(X):
    return np.c_[X, np.ones(len(X))]


def statsmodels_fit(name, X, y, **covariance):
    api = pytest.importorskip("statsmodels.api")
    if name == "squared_error":
        return api.OLS(y, ones(X)).fit(**covariance)
    if name == "log_loss":
        return api.Logit(y, ones(X)).fit(disp=0, tol=1e-14, **covariance)
    log = api.families.links.Log()
    family = api.families.Poisson() if name == "poisson" else api.families.Gamma(log)
    if name == "tweedie":
        family = api.families.Tweedie(log, var_power=1.5)
    return api.GLM(y, ones(X), family).fit(tol=1e-14, maxiter=200, **covariance)


KINDS = {
    "model": lambda groups: ({}, {}),
    "robust": lambda groups: ({"cov_type": "HC0"}, {"correction": False}),
    "clustered": lambda groups: ({"cov_type": "cluster", "cov_kwds": {"groups": groups}}, {"groups": groups}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["squared_error", "log_loss", "poisson", "gamma", "tweedie"])
def test_errors_are_those_of_statsmodels(name, kind):
    X, y, groups = targets("gamma" if name == "tweedie" else name)
    theirs, ours = KINDS[kind](groups)
    expected = statsmodels_fit(name, X, y, **theirs)
    found = summarize(fitted(name, X, y), X, y, covariance=kind, **ours)
    np.testing.assert_allclose(found["coefficient"], expected.params, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found["standard_error"], expected.bse, rtol=1e-6)
    if name != "squared_error" or kind != "model":  # where statsmodels takes Student's distribution
        np.testing.assert_allclose(found["p_value"], expected.pvalues, rtol=1e-4, atol=1e-12)
        np.testing.assert_allclose(np.c_[found["low"], found["high"]], expected.conf_int(), rtol=1e-5)


def test_robust_errors_of_few_rows_are_hc1():
    X, y, _ = targets("squared_error", n=40)
    expected = statsmodels_fit("squared_error", X, y, cov_type="HC1")
    found = summarize(fitted("squared_error", X, y), X, y, covariance="robust")
    np.testing.assert_allclose(found["standard_error"], expected.bse, rtol=1e-6)


def test_weighted_squares_have_the_errors_of_wls():
    api = pytest.importorskip("statsmodels.api")
    X, y, _ = targets("squared_error")
    weight = np.random.default_rng(1).uniform(0.2, 3, N)
    expected = api.WLS(y, ones(X), weights=weight).fit()
    found = summarize(fitted("squared_error", X, y, weight), X, y, weight)
    np.testing.assert_allclose(found["standard_error"], expected.bse, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["squared_error", "log_loss", "poisson", "gamma", "tweedie"])
def test_weights_and_an_offset_count_as_in_statsmodels(name, kind):
    """Its var_weights are ours where the dispersion is estimated, or the covariance is a sandwich."""
    api = pytest.importorskip("statsmodels.api")
    X, y, groups = targets("gamma" if name == "tweedie" else name)
    rng = np.random.default_rng(1)
    weight, offset = rng.uniform(0.2, 3, N), rng.normal(0, 0.3, N) * (name != "log_loss")
    if name in ("poisson", "log_loss") and kind == "model":  # without a dispersion their size counts
        weight /= weight.mean()
    families, log = api.families, api.families.links.Log()
    family = {
        "squared_error": lambda: families.Gaussian(),
        "log_loss": lambda: families.Binomial(),
        "poisson": lambda: families.Poisson(),
        "gamma": lambda: families.Gamma(log),
        "tweedie": lambda: families.Tweedie(log, var_power=1.5),
    }[name]()
    theirs, ours = KINDS[kind](groups)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "not fully supported"
        expected = api.GLM(y, ones(X), family, var_weights=weight, offset=offset).fit(
            tol=1e-14, maxiter=300, **theirs
        )
    model = GDClassifier(**EXACT) if name == "log_loss" else GDRegressor(name, **EXACT)
    given = {} if name == "log_loss" else {"offset": offset}
    model.fit(X, y, weight, **given)
    found = summarize(model, X, y, weight, covariance=kind, **ours, **given)
    np.testing.assert_allclose(found["coefficient"], expected.params, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["standard_error"], expected.bse, rtol=1e-6)


def test_huber_has_the_errors_of_rlm(monkeypatch):
    """With the scale that epsilon is in."""
    api = pytest.importorskip("statsmodels.api")
    X, y, _ = targets("squared_error")
    model = api.RLM(y, ones(X), M=api.robust.norms.HuberT(t=1.35))
    monkeypatch.setattr(model, "_estimate_scale", lambda *args: 1.0)
    expected = model.fit(tol=1e-12, maxiter=500, update_scale=False)
    found = summarize(fitted(losses.Huber(1.35), X, y), X, y)
    np.testing.assert_allclose(found["coefficient"], expected.params, atol=1e-6)
    np.testing.assert_allclose(found["standard_error"], expected.bse, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["squared_error", "huber", "log_loss", "poisson", "gamma", "absolute_error"])
def test_frequencies_are_equal_rows(name, kind):
    X, y, groups = targets(name)
    counts = np.random.default_rng(3).integers(0, 4, N)
    own = {"groups": groups} if kind == "clustered" else {}
    every = {"groups": np.repeat(groups, counts)} if kind == "clustered" else {}
    model = fitted(name, X, y, counts, **({"tol": 1e-6} if name == "absolute_error" else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the absolute error, near its minimum only
        found = summarize(model, X, y, counts, covariance=kind, frequencies=True, **own)
        repeated = np.repeat(X, counts, axis=0), np.repeat(y, counts)
        expected = summarize(model, *repeated, np.ones(counts.sum()), covariance=kind, **every)
    np.testing.assert_allclose(found["standard_error"], expected["standard_error"], rtol=1e-9)


def test_frequencies_of_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    X, y, _ = targets("poisson")
    counts = np.random.default_rng(3).integers(1, 4, N)
    expected = api.GLM(y, ones(X), api.families.Poisson(), freq_weights=counts).fit(tol=1e-14)
    found = summarize(fitted("poisson", X, y, counts), X, y, counts, frequencies=True)
    np.testing.assert_allclose(found["standard_error"], expected.bse, rtol=1e-6)
    for weight in (None, counts + 0.5):
        with pytest.raises(ValueError, match="frequencies"):
            summarize(fitted("poisson", X, y), X, y, weight, frequencies=True)


def test_the_quantile_has_the_errors_of_quantreg():
    api = pytest.importorskip("statsmodels.api")
    X, y, _ = targets("squared_error", n=400)
    expected = api.QuantReg(y, ones(X)).fit(q=0.3, vcov="iid")
    model = GDRegressor(losses.Quantile(0.3), penalty=None).fit(X, y)
    model.coef_, model.intercept_ = expected.params[:3], expected.params[3:]
    residual = (
        y - ones(X) @ expected.params
    )  # they take the deviation of y where it is smaller, R that of residuals
    assert np.subtract(*np.percentile(residual, [75, 25])) / 1.34 < min(residual.std(), y.std())
    found = summarize(model, X, y, density="kernel")
    np.testing.assert_allclose(found["standard_error"], expected.bse, rtol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_density_of_residuals_is_that_between_two_of_their_quantiles(weighted):
    """Of exponential noise; statsmodels tells the bandwidth."""
    bandwidth = pytest.importorskip("statsmodels.regression.quantile_regression").hall_sheather
    rng = np.random.default_rng(0)
    X, q, n = rng.normal(size=(2000, 2)), 0.8, 2000
    y = X @ [1, -1] + rng.exponential(size=n)
    weight = rng.integers(1, 4, n) if weighted else None
    model = GDRegressor(losses.Quantile(q), penalty=None, solver="batch").fit(X, y, weight)
    counts = np.ones(n, dtype=int) if weight is None else weight
    residual = np.repeat(y - model.predict(X), counts)
    h, below = bandwidth(n, q), (residual < 0).mean()
    low, high = np.quantile(residual, [below - h, below + h])
    Z = np.repeat(ones(X), counts, axis=0) / np.sqrt(counts.mean())
    iid = np.sqrt(q * (1 - q) * np.diag(np.linalg.inv(Z.T @ Z))) * (high - low) / (2 * h)
    found = summarize(model, X, y, weight)["standard_error"]
    np.testing.assert_allclose(found, iid, rtol=0.01)
    exact = np.sqrt(q * (1 - q) * np.diag(np.linalg.inv(Z.T @ Z))) / 0.2  # the density is .2
    np.testing.assert_allclose(found, exact, rtol=0.15)


@pytest.mark.parametrize("covariance", ["model", "robust"])
def test_intervals_of_an_outer_quantile_cover(covariance):
    """Under heavy tails, where a kernel makes them too narrow."""
    rng, n, runs = np.random.default_rng(3), 300, 150
    X = rng.normal(size=(n, 2))
    y = (X @ [1.0, -1.0])[:, None] + rng.standard_t(3, (n, runs))
    model = GDRegressor(losses.Quantile(0.9), penalty=None, solver="batch").fit(X, y)
    share = {}
    for density in ("window", "kernel"):
        found = summarize(model, X, y, covariance=covariance, density=density)
        low, high = (np.reshape(found[side], (runs, 3))[:, :2] for side in ("low", "high"))
        share[density] = np.mean((low <= [1, -1]) & (high >= [1, -1]))
    assert 0.925 < share["window"] < 0.975
    assert share["kernel"] < share["window"] - 0.01


def test_softmax_has_the_errors_of_mnlogit():
    api = pytest.importorskip("statsmodels.api")
    rng, X, score = rows()
    shares = np.exp(np.c_[0 * score, score, -score])
    y = (rng.uniform(size=N)[:, None] > np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)).sum(
        axis=1
    )
    expected = api.MNLogit(y, ones(X)).fit(disp=0, tol=1e-14)
    centre = np.kron(np.eye(3)[:, 1:] - 1 / 3, np.eye(4))  # from contrasts with the first class
    covariance = centre @ np.asarray(expected.cov_params()) @ centre.T
    found = summarize(fitted("log_loss", X, y), X, y)
    np.testing.assert_allclose(found["coefficient"], centre @ expected.params.T.ravel(), atol=1e-6)
    np.testing.assert_allclose(found["standard_error"], np.sqrt(np.diag(covariance)), rtol=1e-6)
    assert found["class"].tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_least_squares_follow_the_closed_forms():
    X, y, groups = targets("squared_error")
    model, Z = fitted("squared_error", X, y), ones(X)
    inverse, residual = np.linalg.inv(Z.T @ Z), y - Z @ np.linalg.lstsq(Z, y)[0]
    plain = inverse * (residual @ residual) / (N - 4)
    white = inverse @ (Z.T * residual**2) @ Z @ inverse * N / (N - 4)
    sums = np.array([(Z * residual[:, None])[groups == g].sum(axis=0) for g in np.unique(groups)])
    clustered = inverse @ sums.T @ sums @ inverse * len(sums) / (len(sums) - 1) * (N - 1) / (N - 4)
    for kind, matrix in (("model", plain), ("robust", white), ("clustered", clustered)):
        found = summarize(model, X, y, covariance=kind, groups=groups if kind == "clustered" else None)
        np.testing.assert_allclose(found["standard_error"], np.sqrt(np.diag(matrix)), rtol=1e-9)


def test_groups_of_one_row_are_robust():
    X, y, _ = targets("poisson")
    model = fitted("poisson", X, y)
    one = summarize(model, X, y, covariance="clustered", groups=np.arange(N), correction=False)
    other = summarize(model, X, y, covariance="robust", correction=False)
    np.testing.assert_allclose(one["standard_error"], other["standard_error"], rtol=1e-12)


SMOOTH = [case for case in VARIANTS if losses.LOSSES[case[0]].smooth]


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize(("name", "params"), SMOOTH)
def test_second_derivatives_are_differences_of_slopes(name, params, outputs):
    loss = losses.LOSSES[name](**params)
    y, raw = sample(name, outputs, seed=3)
    second = loss.second_derivative(y, raw)
    expected = losses.Loss.second_derivative(loss, y, raw)
    diagonal = expected if expected.ndim == 2 else np.diagonal(expected, axis1=1, axis2=2)
    if second.ndim == 3:
        np.testing.assert_allclose(second, expected, atol=1e-7)
    else:
        away = np.isclose(diagonal, second, rtol=1e-5, atol=1e-6)
        assert away.mean() > 0.99  # but for rows at a kink of the slope
        if expected.ndim == 3:
            np.testing.assert_allclose(expected, diagonal[:, :, None] * np.eye(outputs), atol=1e-7)


class Cauchy(losses.Loss):
    bounded_slope = True

    def value_and_slope(self, y, raw):
        residual = raw - np.reshape(y, raw.shape)
        return np.log1p(residual**2).sum(axis=1) / 2, residual / (1 + residual**2)


def test_a_loss_of_ones_own_has_robust_errors():
    X, y, _ = targets("squared_error")
    model = GDRegressor(Cauchy(), **EXACT).fit(X, y)
    Z, r = ones(X), ones(X) @ [*model.coef_, *model.intercept_] - y
    bread = np.linalg.inv((Z.T * ((1 - r**2) / (1 + r**2) ** 2)) @ Z)
    meat = (Z.T * (r / (1 + r**2)) ** 2) @ Z
    found = summarize(model, X, y, covariance="robust", correction=False)
    np.testing.assert_allclose(found["standard_error"], np.sqrt(np.diag(bread @ meat @ bread)), rtol=1e-6)
    with pytest.raises(ValueError, match=r"Cauchy\(\) is no likelihood"):
        summarize(model, X, y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["squared_error", "log_loss", "poisson", "absolute_error"])
def test_storage_and_precision_change_nothing(name, kind):
    X, y, groups = targets(name, n=2500)  # more than a block of many columns
    weight = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    model = fitted(name, X, y, weight, max_iter=300, tol=1e-8)
    options = {"covariance": kind, "groups": groups if kind == "clustered" else None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = summarize(model, X, y, weight, **options)
        sparse = summarize(model, csr(X), y, weight, **options)
        np.testing.assert_allclose(sparse["standard_error"], expected["standard_error"], rtol=1e-9)
        if name != "absolute_error":
            single = summarize(model, X.astype(np.float32), y, weight.astype(np.float32), **options)
            np.testing.assert_allclose(single["standard_error"], expected["standard_error"], rtol=1e-4)
        kept = weight > 0
        options["groups"] = None if options["groups"] is None else groups[kept]
        part = summarize(model, X[kept], y[kept], 7 * weight[kept], **options)
        np.testing.assert_allclose(part["standard_error"], expected["standard_error"], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_several_outputs_are_fits_of_their_own(kind):
    X, y, groups = targets("squared_error")
    Y, groups = np.c_[y, X[:, 0] ** 2], groups if kind == "clustered" else None
    found = summarize(fitted("squared_error", X, Y), X, Y, covariance=kind, groups=groups)
    parts = [
        summarize(fitted("squared_error", X, Y[:, k]), X, Y[:, k], covariance=kind, groups=groups)
        for k in (0, 1)
    ]
    assert found["output"].tolist() == [0] * 4 + [1] * 4
    for name in ("coefficient", "standard_error"):
        np.testing.assert_allclose(found[name], np.concatenate([part[name] for part in parts]), rtol=1e-6)


def test_intervals_hold_the_truth_as_often_as_they_say():
    inside = np.zeros(4)
    for seed in range(200):
        X, y, _ = targets("squared_error", seed=seed)
        found = summarize(fitted("squared_error", X, y, tol=1e-9), X, y, covariance="robust")
        truth = [0.5, -0.3, 0.4, 0.2]
        inside += (found["low"].to_numpy() <= truth) & (truth <= found["high"].to_numpy())
    assert np.all(np.abs(inside / 200 - 0.95) < 0.05)  # three of its standard deviations


def test_names_intercepts_and_searches():
    pandas = pytest.importorskip("pandas")
    X, y, _ = targets("squared_error")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    found = summarize(fitted("squared_error", frame, y, fit_intercept=False), frame, y)
    assert found["name"].tolist() == ["a", "b", "c"]
    options = {"solver": "batch", "alphas": [1e-9], "learning_rates": "auto", "tol": 1e-14}
    search = summarize(GDRegressorCV(**options).fit(X, y), X, y)
    alone = summarize(fitted("squared_error", X, y), X, y)
    np.testing.assert_allclose(search["standard_error"], alone["standard_error"], rtol=1e-4)
    labels = np.where(y > 0, "yes", "no")
    model = GDClassifierCV(solver="batch", alphas=[1e-9], learning_rates="auto", tol=1e-14).fit(X, labels)
    assert list(summarize(model, X, labels)["name"]) == ["x0", "x1", "x2", "intercept"]


def test_without_pandas_there_is_a_dict(monkeypatch):
    X, y, _ = targets("squared_error")
    known = builtins.__import__

    def without_pandas(name, *arguments, **keywords):
        if name == "pandas":
            raise ImportError
        return known(name, *arguments, **keywords)

    model = fitted("squared_error", X, y)
    monkeypatch.setattr(builtins, "__import__", without_pandas)
    found = summarize(model, X, y)
    assert type(found) is dict
    assert {len(column) for column in found.values()} == {4}


def test_a_penalty_that_moves_weights_is_told():
    X, y, _ = targets("squared_error")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summarize(fitted("squared_error", X, y, penalty="l2", alpha=1e-4), X, y)
    with pytest.warns(UserWarning, match="penalty moves a weight by"):
        found = summarize(fitted("squared_error", X, y, penalty="l2", alpha=0.5), X, y)
    Z, D = ones(X), 0.5 * N * np.diag([1, 1, 1, 0])
    inverse = np.linalg.inv(Z.T @ Z + D)
    residual = y - Z @ inverse @ Z.T @ y
    covariance = inverse @ Z.T @ Z @ inverse * (residual @ residual) / (N - 4)
    np.testing.assert_allclose(found["standard_error"], np.sqrt(np.diag(covariance)), rtol=1e-6)


def test_a_fit_that_is_not_at_its_minimum_is_told():
    X, y, _ = targets("log_loss")
    model = fitted("log_loss", X, y, max_iter=1, tol=None)
    with pytest.warns(ConvergenceWarning, match="standard errors away from the minimum"):
        summarize(model, X, y)


def test_what_has_no_errors_says_so():
    X, y, groups = targets("squared_error")
    model = fitted("squared_error", X, y)
    with pytest.raises(ValueError, match="penalty='l1' selects weights"):
        summarize(GDRegressor(penalty="l1", solver="batch").fit(X, y), X, y)
    with pytest.raises(TypeError, match="not GDMLPRegressor"):
        summarize(GDMLPRegressor(max_iter=1, tol=None).fit(X, y), X, y)
    with pytest.raises(TypeError, match="of a pipeline give the last step"):
        summarize(make_pipeline(StandardScaler(), GDRegressor()).fit(X, y), X, y)
    with pytest.raises(NotFittedError):
        summarize(GDRegressor(), X, y)
    with pytest.raises(ValueError, match="covariance='hc3' must be one of"):
        summarize(model, X, y, covariance="hc3")
    with pytest.raises(ValueError, match="belong together"):
        summarize(model, X, y, covariance="clustered")
    with pytest.raises(ValueError, match="belong together"):
        summarize(model, X, y, groups=groups)
    with pytest.raises(ValueError, match="one group only"):
        summarize(model, X, y, covariance="clustered", groups=np.zeros(N))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        summarize(model, X, y, covariance="clustered", groups=groups[1:])
    with pytest.raises(ValueError, match="level=95"):
        summarize(model, X, y, level=95)
    with pytest.raises(ValueError, match="4 rows are too few for 4 parameters"):
        summarize(model, X[:4], y[:4])
    labels = (y > 0).astype(int)
    with pytest.raises(ValueError, match="has kinks"):
        summarize(GDClassifier("hinge", penalty=None).fit(X, labels), X, labels, covariance="robust")
    with pytest.raises(ValueError, match="knows no class_weight"):
        summarize(GDClassifier(penalty=None, class_weight="balanced").fit(X, labels), X, labels)
    smoothed = GDClassifier(losses.LogLoss(label_smoothing=0.1), **EXACT).fit(X, labels)
    with pytest.raises(ValueError, match=r"LogLoss\(label_smoothing=0.1\) is no likelihood"):
        summarize(smoothed, X, labels)


def test_features_that_depend_on_each_other_are_named():
    X, y, _ = targets("squared_error")
    X = np.c_[X, X[:, 0] - X[:, 2]]
    with pytest.raises(ValueError, match="x0, x2, x3 can be traded for each other"):
        summarize(fitted("squared_error", X, y), X, y)


def test_class_weights_are_weights_of_rows():
    X, y, _ = targets("log_loss")
    model = fitted("log_loss", X, y, class_weight={0: 1.0, 1: 3.0})
    found = summarize(model, X, y, covariance="robust")
    weight = np.where(y == 1, 3.0, 1.0)
    alone = summarize(fitted("log_loss", X, y, weight), X, y, weight, covariance="robust")
    np.testing.assert_allclose(found["standard_error"], alone["standard_error"], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["squared_error", "poisson", "log_loss"])
def test_an_offset_counts_as_in_the_fit(name, kind):
    api = pytest.importorskip("statsmodels.api")
    X, y, groups = targets(name)
    offset = np.random.default_rng(5).uniform(-1, 1, N)
    theirs, ours = KINDS[kind](groups)
    model = GDClassifier if name == "log_loss" else GDRegressor
    model = model(name, penalty=None, solver="batch", tol=1e-14, max_iter=10_000).fit(X, y, offset=offset)
    family = {"squared_error": "Gaussian", "poisson": "Poisson", "log_loss": "Binomial"}[name]
    glm = api.GLM(y, ones(X), family=getattr(api.families, family)(), offset=offset)
    expected = glm.fit(tol=1e-14, maxiter=200, **theirs)
    found = summarize(model, X, y, covariance=kind, offset=offset, **ours)
    np.testing.assert_allclose(found["coefficient"], expected.params, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found["standard_error"], expected.bse, rtol=1e-6)
    with pytest.warns(ConvergenceWarning, match="away from the minimum"):
        summarize(model, X, y)


def test_strengths_of_features_are_those_of_the_penalty():
    """White's covariance with n alpha_j for each feature, by hand."""
    X, y, _ = targets("squared_error")
    alpha = np.array([0.0, 0.001, 0.002])
    model = GDRegressor(alpha=alpha, solver="batch", tol=1e-14, max_iter=10_000).fit(X, y)
    A = ones(X)
    H = np.linalg.inv(A.T @ A + N * np.diag(np.append(alpha, 0.0)))
    residual = y - model.predict(X)
    errors = np.sqrt(np.diag(H @ (A.T @ (A * residual[:, None] ** 2)) @ H))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = summarize(model, X, y, covariance="robust", correction=False)
    np.testing.assert_allclose(found["standard_error"], errors, rtol=1e-8)


def test_bounds_that_hold_nothing_change_nothing():
    X, y, _ = targets("squared_error")
    free = fitted("squared_error", X, y)
    bounded = GDRegressor(penalty=None, bounds=(-100, 100), solver="batch", tol=1e-14, max_iter=10_000)
    found = summarize(bounded.fit(X, y), X, y)
    np.testing.assert_allclose(found["standard_error"], summarize(free, X, y)["standard_error"], rtol=1e-6)
    tight = bounded.set_params(bounds=(None, float(free.coef_.max()) - 0.1)).fit(X, y)
    with pytest.raises(ValueError, match="at a bound"):
        summarize(tight, X, y)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet", GroupLasso([[0, 1], [2]]), MCP(), SCAD()], ids=str)
def test_penalties_that_select_have_no_errors(penalty):
    X, y, _ = targets("squared_error")
    model = GDRegressor(penalty=penalty, alpha=0.01, solver="batch").fit(X, y)
    with pytest.raises(ValueError, match="selects weights") as raised:
        summarize(model, X, y)
    assert repr(penalty) in str(raised.value)
