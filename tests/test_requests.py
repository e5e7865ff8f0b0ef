"""Models that users have asked for in other projects: one test each, named after the question.

Where it was asked is named by each docstring and by a row of the guide's page "Asked for elsewhere".
The parts are tested in depth elsewhere; here they are used as the question would have it.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from _data import csr, make
from scipy.optimize import lsq_linear
from scipy.special import expit
from sklearn.datasets import make_multilabel_classification
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skgd import (
    GDClassifier,
    GDMLPClassifier,
    GDMLPRegressor,
    GDOneClassSVM,
    GDRegressor,
    GDRegressorCV,
)
from skgd.inference import StreamBootstrap, summarize
from skgd.losses import LogLoss, Quantile
from skgd.optimizers import PassiveAggressive
from skgd.penalties import GroupLasso, Penalty

PAGE = Path(__file__).parent.parent / "docs" / "guide" / "requests.rst"
EXACT = {"solver": "batch", "tol": 1e-14, "max_iter": 20_000, "n_iter_no_change": 20}
FREE = {**EXACT, "penalty": None}


# ---------------------------------------------------------------- penalties


def test_penalty_factors_for_each_coefficient_as_in_glmnet():
    """scikit-learn #11566: a factor of zero keeps a feature in the model, whatever becomes of the others."""
    X, y = make(n=200)
    factors = np.array([1.0, 0.0, 1.0, 1.0, 1.0])
    model = GDRegressor(penalty="l1", alpha=1e3 * factors, **EXACT).fit(X, y)
    assert model.coef_.nonzero()[0].tolist() == [1]
    alone = LinearRegression().fit(X[:, [1]], y)
    np.testing.assert_allclose(model.coef_[1], alone.coef_[0], rtol=1e-6)


def test_elastic_net_with_a_strength_for_each_feature():
    """skglm #338: penalty.factor for the elastic net, which is a change of units for its l1 part only."""
    X, y = make(n=200)
    factors = np.array([0.02, 0.1, 0.3, 0.0, 0.05])
    model = GDRegressor(penalty="elasticnet", l1_ratio=0.5, alpha=factors, **EXACT).fit(X, y)
    of_loss = X.T @ (model.predict(X) - y) / len(y) + 0.5 * factors * model.coef_
    kept = model.coef_ != 0
    np.testing.assert_allclose(of_loss[kept], -0.5 * (factors * np.sign(model.coef_))[kept], atol=1e-7)
    assert (np.abs(of_loss[~kept]) <= 0.5 * factors[~kept] + 1e-9).all()


@pytest.mark.parametrize("storage", [np.asarray, csr])
def test_a_positive_argument_for_the_sgd_classifier(storage):
    """scikit-learn #10746: no weight of the classifier is negative, also under stochastic updates."""
    X, y = make("log_loss", n=300)
    free = GDClassifier(solver="sgd", random_state=0).fit(storage(X), y)
    model = GDClassifier(solver="sgd", positive=True, random_state=0).fit(storage(X), y)
    assert free.coef_.min() < 0 <= model.coef_.min() and (model.coef_ == 0).any()


def test_a_positive_constraint_in_the_elastic_net():
    """cuML #1794: positive=True as in scikit-learn's ElasticNet, with its weights."""
    X, y = make(n=200)
    expected = ElasticNet(alpha=0.1, l1_ratio=0.3, positive=True, tol=1e-12).fit(X, y)
    model = GDRegressor(penalty="elasticnet", alpha=0.1, l1_ratio=0.3, positive=True, **EXACT).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-6)
    boxed = lsq_linear(np.c_[X, np.ones(200)], y, ([-0.1] * 5 + [-np.inf], [0.2] * 5 + [np.inf]), tol=1e-14)
    bounded = GDRegressor(bounds=(-0.1, 0.2), **FREE).fit(X, y)
    np.testing.assert_allclose(bounded.coef_, boxed.x[:5], atol=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.3])
def test_group_lasso_and_sparse_group_lasso(l1_ratio):
    """scikit-learn #9967: whole groups are zero, and with an l1 part also single weights of the others."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 9))
    y = X[:, :3] @ [2.0, -1.0, 0.0] + 0.1 * rng.normal(size=300)
    penalty = GroupLasso(np.repeat([0, 1, 2], 3), l1_ratio=l1_ratio)
    model = GDRegressor(penalty=penalty, alpha=0.1, **EXACT).fit(X, y)
    assert (model.coef_[3:] == 0).all() and (model.coef_[:2] != 0).all()
    assert (model.coef_[2] == 0) == (l1_ratio > 0)


def test_group_lasso_on_sparse_rows():
    """skglm #226: GroupLasso with X in CSR."""
    X, y = make(n=200, d=6)
    options = {"penalty": GroupLasso([[0, 1], [2, 3], [4, 5]]), "alpha": 0.2, **EXACT}
    sparse, dense = GDRegressor(**options).fit(csr(X), y), GDRegressor(**options).fit(X, y)
    np.testing.assert_allclose(sparse.coef_, dense.coef_, atol=1e-8)


class LogSum(Penalty):
    """log(1 + |w| / e), summed: it draws large weights towards zero less than l1 does."""

    def __init__(self, e=0.1):
        self.e = e

    def value(self, weights):
        return np.log1p(np.abs(weights) / self.e).sum()

    def prox(self, weights, step):
        """Zero, or the larger root of (t - |u|) (t + e) + step = 0, whichever is lower."""
        size = np.abs(weights)
        inside = (size + self.e) ** 2 - 4 * step
        root = np.maximum((size - self.e + np.sqrt(np.maximum(inside, 0))) / 2, 0)
        lower = (root - size) ** 2 / 2 + step * np.log1p(root / self.e) < size**2 / 2
        return np.sign(weights) * np.where((inside > 0) & lower, root, 0)


def test_the_log_sum_penalty():
    """skglm #108: a penalty that is not there, as value and proximal step in Python."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    y = X @ [2.0, -1.0, 0, 0, 0, 0] + 0.1 * rng.normal(size=200)
    model = GDRegressor(penalty=LogSum(), alpha=0.02, **EXACT).fit(X, y)
    assert model.coef_.nonzero()[0].tolist() == [0, 1]
    slope = X[:, :2].T @ (model.predict(X) - y) / 200
    pull = 0.02 * np.sign(model.coef_[:2]) / (np.abs(model.coef_[:2]) + 0.1)
    np.testing.assert_allclose(slope, -pull, atol=1e-7)
    lasso = GDRegressor(penalty="l1", alpha=0.2, **EXACT).fit(X, y)  # the same slope at zero
    assert (np.abs(model.coef_) > np.abs(lasso.coef_))[:2].all()


def test_the_simplest_alpha_within_one_standard_error():
    """scikit-learn #6630: lambda.1se of glmnet in the search over alphas."""
    X, y = make(n=80, d=20)
    alphas = np.geomspace(1, 1e-3, 40)
    shared = {"learning_rates": "auto", "alphas": alphas, "penalty": "l1", "cv": 5}
    best = GDRegressorCV(**shared).fit(X, y)
    simple = GDRegressorCV(selection="one_standard_error", **shared).fit(X, y)
    scores = np.stack([best.cv_results_[f"split{k}_test_score"] for k in range(5)])
    top = scores.mean(axis=0).argmax()
    error = scores[:, top].std(ddof=1) / np.sqrt(5)
    within = scores.mean(axis=0) >= scores[:, top].mean() - error
    tried = np.array([float(each["alpha"]) for each in best.cv_results_["params"]])
    assert simple.alpha_ == pytest.approx(tried[within].max()) and simple.alpha_ > best.alpha_


# ---------------------------------------------------------------- targets


def test_an_offset_for_generalised_linear_models():
    """scikit-learn #24614: counts with an exposure, equal to rates weighted by it."""
    rng = np.random.default_rng(0)
    X, years = rng.normal(size=(400, 2)), rng.uniform(0.2, 5, 400)
    y = rng.poisson(years * np.exp(X @ [0.5, -0.3]))
    expected = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(X, y / years, sample_weight=years)
    model = GDRegressor("poisson", **FREE).fit(X, y, offset=np.log(years))
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-6)
    np.testing.assert_allclose(model.predict(X, offset=np.log(years)), years * model.predict(X))


def test_several_quantiles_in_one_model_that_do_not_cross():
    """scikit-learn #19851: a fixed grid of quantiles in one fit, monotone in the quantile."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 2))
    y = X[:, 0] + (1 + X[:, 1] ** 2) * rng.normal(size=2000)
    for kind in (GDRegressor, GDMLPRegressor):
        found = kind(Quantile([0.1, 0.5, 0.9]), max_iter=50, tol=None, random_state=0).fit(X, y).predict(X)
        assert found.shape == (2000, 3) and (np.diff(found, axis=1) >= 0).all()
        np.testing.assert_allclose((y[:, None] <= found).mean(axis=0), [0.1, 0.5, 0.9], atol=0.05)


def test_a_label_that_was_not_there_when_the_stream_began():
    """scikit-learn #10680: rows of 5 and 6, then one of 8."""
    model = GDClassifier(random_state=0)
    model.partial_fit([[8.0, 9.0], [20.0, 22.0]], [5, 6], classes=[5, 6])
    model.partial_fit([[10.0, 12.0]], [8], classes=[5, 6, 8])
    assert model.classes_.tolist() == [5, 6, 8]
    assert model.predict_proba([[20.0, 22.0]]).shape == (1, 3)


def test_labels_that_were_not_announced_are_named():
    """scikit-learn #11759: the error says which label is new, and what to pass."""
    X, y = make("log_loss", n=60, outputs=3)
    model = GDClassifier(random_state=0).partial_fit(X[y < 2], y[y < 2], classes=[0, 1])
    with pytest.raises(ValueError, match=r"y contains labels \[2\].*classes=np.union1d"):
        model.partial_fit(X, y)


def test_several_labels_a_row_in_a_stream():
    """scikit-learn #13320: multilabel y in partial_fit."""
    X, Y = make_multilabel_classification(400, n_classes=4, random_state=0)
    model = GDClassifier(random_state=0)
    for _ in range(5):
        for part in np.array_split(np.arange(400), 8):
            model.partial_fit(X[part], Y[part])
    constant = np.maximum(Y.mean(axis=0), 1 - Y.mean(axis=0)).mean()
    assert model.predict(X).shape == Y.shape and (model.predict(X) == Y).mean() > constant + 0.05


def test_probabilities_as_labels():
    """scikit-learn #16248: cross entropy with probabilities, equal to weighted copies of rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    p = expit(X @ [1.0, -1.0, 0.5])
    model = GDClassifier(LogLoss(soft_labels=True), alpha=0.01, **EXACT).fit(X, np.c_[1 - p, p])
    copies, labels = np.r_[X, X], np.repeat([0, 1], 200)
    expected = LogisticRegression(C=1 / (0.01 * 200), tol=1e-12, max_iter=10_000)
    expected.fit(copies, labels, sample_weight=np.r_[1 - p, p])
    np.testing.assert_allclose(
        model.decision_function(X), expected.decision_function(X), rtol=1e-4, atol=1e-5
    )


# ---------------------------------------------------------------- inference


def test_p_values_of_logistic_regression():
    """scikit-learn #16802: p-values by the information matrix."""
    X, y = make("log_loss", n=400)
    model = GDClassifier(**FREE).fit(X, y)
    A, p = np.c_[X, np.ones(400)], model.predict_proba(X)[:, 1]
    errors = np.sqrt(np.diag(np.linalg.inv(A.T @ (A * (p * (1 - p))[:, None]))))
    found = summarize(model, X, y)
    np.testing.assert_allclose(found["standard_error"], errors, rtol=1e-6)
    assert ((found["p_value"] >= 0) & (found["p_value"] <= 1)).all()


def test_statistics_of_a_regression():
    """scikit-learn #5155: statistics, p-values and confidence intervals of a regression."""
    X, y = make(n=200)
    found = summarize(GDRegressor(**FREE).fit(X, y), X, y)
    assert {"coefficient", "standard_error", "z", "p_value", "low", "high"} <= set(found)
    np.testing.assert_allclose(found["z"], found["coefficient"] / found["standard_error"])


def test_standard_deviations_of_the_weights_of_a_regression():
    """scikit-learn #8870: standard deviations of linear regression, by the closed form."""
    X, y = make(n=200)
    found = summarize(GDRegressor(**FREE).fit(X, y), X, y)
    A = np.c_[X, np.ones(200)]
    residual = y - A @ np.linalg.lstsq(A, y)[0]
    variance = residual @ residual / (200 - 6)
    np.testing.assert_allclose(
        found["standard_error"], np.sqrt(variance * np.diag(np.linalg.inv(A.T @ A))), rtol=1e-6
    )


def test_standard_errors_of_logistic_regression_and_other_models():
    """cuML #3523: analytic errors of logistic regression and other generalised linear models."""
    for loss, kind in (("log_loss", GDClassifier), ("poisson", GDRegressor), ("gamma", GDRegressor)):
        X, y = make(loss, n=300)
        found = summarize(kind(loss, **FREE).fit(X, y), X, y, covariance="robust")
        assert (found["standard_error"] > 0).all(), loss


def test_models_of_rows_that_are_larger_than_memory(tmp_path):
    """statsmodels #1963: a logistic regression out of core, with standard errors, also of a stream."""
    X, y = make("log_loss", n=4000)
    np.save(tmp_path / "X.npy", X)
    X, parts = np.load(tmp_path / "X.npy", mmap_mode="r"), [slice(a, a + 500) for a in range(0, 4000, 500)]
    model = GDClassifier(**FREE).fit_blocks([(X[part], y[part]) for part in parts])
    found = summarize(model, X, y)
    A, w = np.c_[X, np.ones(4000)], np.zeros(6)
    for _ in range(20):
        p = expit(A @ w)
        H = A.T @ (A * (p * (1 - p))[:, None])
        w += np.linalg.solve(H, A.T @ (y - p))
    np.testing.assert_allclose(found["coefficient"], w, atol=1e-6)
    np.testing.assert_allclose(found["standard_error"], np.sqrt(np.diag(np.linalg.inv(H))), rtol=1e-6)
    stream = StreamBootstrap(GDClassifier(alpha=0, random_state=0), n_replicates=200, random_state=0)
    for part in parts:
        stream.partial_fit(X[part], y[part], classes=[0, 1])
    errors = stream.summarize()["standard_error"]
    assert (np.abs(errors / found["standard_error"] - 1) < 0.4).all()


# ---------------------------------------------------------------- perceptrons


def test_another_activation_in_each_hidden_layer():
    """scikit-learn #10097: a list of activations."""
    X, y = make(n=100)
    model = GDMLPRegressor(
        hidden_layer_sizes=(6, 4), activation=["tanh", "relu"], max_iter=5, tol=None, random_state=0
    )
    model.fit(X, y)
    first = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    np.testing.assert_allclose(model.hidden(X, 0), first, rtol=1e-6, atol=1e-9)
    second = np.maximum(first @ model.coefs_[1] + model.intercepts_[1], 0)
    np.testing.assert_allclose(model.hidden(X, 1), second, rtol=1e-6, atol=1e-9)


def test_an_activation_of_my_own():
    """scikit-learn #14807: a function in Python."""

    def softsign(z):
        return z / (1 + np.abs(z)), 1 / (1 + np.abs(z)) ** 2

    X, y = make(n=100)
    model = GDMLPRegressor(
        hidden_layer_sizes=6, activation=softsign, max_iter=5, tol=None, random_state=0
    ).fit(X, y)
    z = X @ model.coefs_[0] + model.intercepts_[0]
    np.testing.assert_allclose(model.hidden(X), softsign(z)[0], rtol=1e-6, atol=1e-9)


def test_the_activation_mish():
    """scikit-learn #30199: x tanh(softplus(x))."""
    X, y = make(n=100)
    model = GDMLPRegressor(hidden_layer_sizes=6, activation="mish", max_iter=5, tol=None, random_state=0).fit(
        X, y
    )
    z = X @ model.coefs_[0] + model.intercepts_[0]
    np.testing.assert_allclose(model.hidden(X), z * np.tanh(np.logaddexp(0, z)), rtol=1e-6, atol=1e-9)


def test_features_that_a_network_has_learnt_for_another_model():
    """scikit-learn #8291: values of the last hidden layer as features of another estimator."""
    X, _ = make(n=300)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    network = GDMLPClassifier(hidden_layer_sizes=16, random_state=0, max_iter=100).fit(X, y)
    other = make_pipeline(FunctionTransformer(network.hidden), LogisticRegression(max_iter=1000)).fit(X, y)
    assert other.score(X, y) > LogisticRegression().fit(X, y).score(X, y) + 0.2


# ---------------------------------------------------------------- streams


def test_passive_aggressive_updates_without_the_estimators_of_that_name():
    """scikit-learn 1.10 drops PassiveAggressiveClassifier: the step ends the hinge loss of its row."""
    X, y = make("log_loss", n=40)
    rule = PassiveAggressive(C=1e6)
    model = GDClassifier("hinge", solver="sgd", optimizer=rule, penalty=None, average=False, shuffle=False)
    for row, label in zip(X, y, strict=True):
        model.partial_fit(row[None], [label], classes=[0, 1])
        assert (2 * label - 1) * model.decision_function(row[None])[0] >= 1 - 1e-6


def test_a_one_class_svm_for_streams():
    """SGDOneClassSVM of scikit-learn: a stream of rows, of which a share of nu is outside."""
    rng = np.random.default_rng(0)
    kernel = Nystroem(gamma=0.2, n_components=50, random_state=0).fit(rng.normal(size=(500, 2)))
    model = GDOneClassSVM(nu=0.1, random_state=0)
    for _ in range(10):
        model.partial_fit(kernel.transform(rng.normal(size=(500, 2))))
    new = kernel.transform(rng.normal(size=(4000, 2)))
    assert abs((model.predict(new) == -1).mean() - 0.1) < 0.03
    assert (model.predict(kernel.transform(rng.normal(6, 1, size=(100, 2)))) == -1).all()


# ---------------------------------------------------------------- the page


def asked():
    """Where the questions of the tests here were asked, by the first lines of their docstrings."""
    docs = [thing.__doc__ for name, thing in globals().items() if name.startswith("test_") and thing.__doc__]
    return {found[0] for doc in docs if (found := re.match(r"[\w-]+ #\d+", doc))}


@pytest.mark.skipif(not PAGE.exists(), reason="the sources are not here")
def test_each_has_a_line_in_the_guide():
    """The page and the tests name the same questions."""
    assert len(asked()) == 23
    named = set(re.findall(r"`([\w-]+ #\d+) <", PAGE.read_text()))
    assert named == asked()
