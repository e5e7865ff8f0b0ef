"""What y may be: classes that come later, several labels a row, probabilities, sparse matrices."""

import pickle

import numpy as np
import pytest
from _data import SOLVERS, STILL, csr, thin
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification, make_multilabel_classification
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier

from skgd import GDClassifier, GDClassifierCV, GDMLPClassifier
from skgd.inference import summarize
from skgd.losses import LogLoss, Loss

FAMILIES = [GDClassifier, GDMLPClassifier]
SOFT = LogLoss(soft_labels=True)


# ---------------------------------------------------------------- classes first seen later


def blobs(n=3000, K=5, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, K, n)
    return 1.5 * np.random.default_rng(seed + 1).normal(size=(K, 8))[y] + rng.normal(size=(n, 8)), y


def late(y, last, since):
    """The order in which a class appears late."""
    early = np.flatnonzero(y != last)
    return np.concatenate(
        [early[:since], np.random.default_rng(0).permutation(np.setdiff1d(np.arange(len(y)), early[:since]))]
    )


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("K", [3, 5])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_that_comes_late_costs_no_accuracy(family, K, loss):
    names, gaps = np.array(list("vwxyz")), []
    for seed in range(4):
        X, y = blobs(6000, K, seed)
        grown, known = family(loss, random_state=0), family(loss, random_state=0)
        for part in np.array_split(late(y[:4000], K - 1, 1000), 40):
            labels = names[y[part]]
            grown.partial_fit(X[part], labels, classes=so_far(grown, labels))
            known.partial_fit(X[part], labels, classes=names[:K])
        assert grown.classes_.tolist() == list("vwxyz"[:K])
        test = names[y[4000:]]
        gaps.append(known.score(X[4000:], test) - grown.score(X[4000:], test))
    assert np.mean(gaps) < 0.005


def test_a_class_that_comes_late_is_not_held_back_by_the_mean():
    """The mean of the iterates held the zeros of the new class: four such streams lost .006 by it."""
    gaps = []
    for seed in (1, 2, 4, 6):
        X, y = make_classification(
            9000, 20, n_informative=10, n_classes=4, class_sep=0.8, flip_y=0.02, random_state=seed
        )
        rows = np.r_[np.flatnonzero(y[:2400] != 3), 2400:6000]
        grown, known = (GDClassifier(solver="sgd", random_state=0) for _ in range(2))
        for part in np.split(rows, range(200, len(rows), 200)):
            grown.partial_fit(X[part], y[part], classes=so_far(grown, y[part]))
            known.partial_fit(X[part], y[part], classes=np.arange(4))
        gaps.append(known.score(X[6000:], y[6000:]) - grown.score(X[6000:], y[6000:]))
    assert np.mean(gaps) < 0.002 and np.max(gaps) < 0.005


def so_far(model, labels):
    """All classes that a stream has brought."""
    return np.unique(labels) if not hasattr(model, "classes_") else np.union1d(model.classes_, labels)


def test_digits_that_come_one_after_another():
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = np.concatenate(
        [rng.permutation(np.flatnonzero(y < 5))[:400], *(rng.permutation(len(y)) for _ in range(3))]
    )
    grown, known = GDClassifier(random_state=0), GDClassifier(random_state=0)
    for part in np.array_split(order, 60):
        grown.partial_fit(X[part], y[part], classes=so_far(grown, y[part]))
        known.partial_fit(X[part], y[part], classes=np.arange(10))
    assert grown.score(X, y) > known.score(X, y) - 0.005


@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize(
    "params", [{}, {"optimizer": "adam"}, {"optimizer": "momentum", "average": True}, {"penalty": "l1"}]
)
@pytest.mark.parametrize("labels", [[0, 2], [0, 2, 3]])
def test_growing_changes_no_probability_of_the_old_classes(labels, params, storage):
    X, y = blobs()
    old = np.isin(y, labels)
    model = GDClassifier(random_state=0, **params).partial_fit(storage(X[old]), y[old], classes=labels)
    before, updates = model.predict_proba(X), model.n_updates_
    model.partial_fit(storage(X[:1]), y[old][:1], classes=[0, 1, *labels[1:], 7], sample_weight=[1e-12])
    after = model.predict_proba(X)[:, [0, *range(2, 1 + len(labels))]]
    np.testing.assert_allclose(after / after.sum(axis=1, keepdims=True), before, atol=0.03)
    assert model.classes_.tolist() == [0, 1, *labels[1:], 7]
    assert model.n_updates_ == updates + 1
    assert model.coef_.shape == (len(labels) + 2, 8)
    pickle.loads(pickle.dumps(model)).partial_fit(storage(X[old]), y[old])


def test_the_optimizer_remembers_the_old_classes():
    X, y = blobs(K=3)
    model = GDClassifier(optimizer="adagrad", solver="sgd", random_state=0, average=False).partial_fit(
        X, y, classes=[0, 1, 2]
    )
    squares = model._descent["slots"][0]
    grown = clone(model)
    grown.__dict__.update({**vars(model), "_descent": {**model._descent}})
    grown.partial_fit(X[:1], y[:1], classes=[0, 1, 2, 3], sample_weight=[1e-12])
    np.testing.assert_allclose(grown._descent["slots"][0][:, :3], squares[:, :3], rtol=1e-6)
    np.testing.assert_allclose(grown._descent["slots"][0][:, 3], 0, atol=1e-20)


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_not_announced_say_what_to_pass(family):
    X, y = blobs()
    model = family(random_state=0).partial_fit(X, y, classes=np.arange(5))
    before = model.predict(X)
    with pytest.raises(ValueError, match=r"y contains labels \[9\].*classes=np.union1d\(model.classes_, y\)"):
        model.partial_fit(X, np.where(y == 4, 9, y))
    with pytest.raises(ValueError, match=r"lacks \[4\]"):
        model.partial_fit(X, y, classes=np.arange(4))
    np.testing.assert_array_equal(model.predict(X), before)
    with pytest.raises(ValueError, match="the classes changed"):
        model.set_params(warm_start=True).fit(X, y + 1)


# ---------------------------------------------------------------- several labels a row


def tagged(n=300, labels=4):
    X, Y = make_multilabel_classification(n, 6, n_classes=labels, n_labels=2, random_state=0)
    return X / X.max(), Y


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "modified_huber"])
@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", SOLVERS)
def test_each_label_is_a_model_of_its_own(solver, storage, loss):
    X, Y = tagged()
    X = storage(thin(X))
    options = {"solver": solver, "learning_rate": 0.01, "max_iter": 3, "batch_size": 8, **STILL}
    joint = GDClassifier(loss, **options).fit(X, Y)
    each = MultiOutputClassifier(GDClassifier(loss, **options)).fit(X, Y)
    np.testing.assert_allclose(
        joint.coef_, np.vstack([model.coef_ for model in each.estimators_]), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_array_equal(joint.predict(X), each.predict(X))
    assert joint.score(X, Y) == each.score(X, Y)
    if loss != "hinge":
        expected = np.column_stack([p[:, 1] for p in each.predict_proba(X)])
        np.testing.assert_allclose(joint.predict_proba(X), expected, rtol=1e-9)


@pytest.mark.parametrize("storage", [sparse.csr_matrix, sparse.csc_array, sparse.lil_matrix])
@pytest.mark.parametrize("family", FAMILIES)
def test_sparse_labels_are_those_of_their_array(family, storage):
    X, Y = tagged()
    options = {"random_state": 0, "max_iter": 4, "tol": None}
    dense, thinned = family(**options).fit(X, Y), family(**options).fit(X, storage(Y))
    np.testing.assert_array_equal(thinned.predict_proba(X), dense.predict_proba(X))
    assert thinned.score(X, storage(Y)) == dense.score(X, Y)
    stopped = family(early_stopping=True, **options).fit(X, storage(Y))
    expected = family(early_stopping=True, **options).fit(X, Y).predict(X)
    np.testing.assert_array_equal(stopped.predict(X).toarray(), expected)
    own = family(**options).fit(X, storage(Y), X_val=X[:50], y_val=storage(Y[:50]))
    expected = family(**options).fit(X, Y, X_val=X[:50], y_val=Y[:50]).validation_scores_
    np.testing.assert_array_equal(own.validation_scores_, expected)
    stream = family(random_state=0).partial_fit(X, storage(Y))
    expected = family(random_state=0).partial_fit(X, Y).predict(X)
    np.testing.assert_array_equal(stream.predict(X).toarray(), expected)


@pytest.mark.parametrize(
    "storage", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.coo_array]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_are_sparse_where_labels_were(family, storage):
    """As of scikit-learn's MLPClassifier; arrays after arrays, matrices after matrices."""
    X, Y = tagged()
    options = {"random_state": 0, "max_iter": 4, "tol": None}
    found = family(**options).fit(X, storage(Y)).predict(X)
    assert found.format == "csr" and sparse.isspmatrix(found) == sparse.isspmatrix(storage(Y))
    expected = family(**options).fit(X, Y).predict(X)
    assert isinstance(expected, np.ndarray)
    np.testing.assert_array_equal(found.toarray(), expected)


def test_networks_take_sparse_labels():
    X, Y = tagged()
    options = {"n_members": 2, "random_state": 0, "max_iter": 3, "early_stopping": True}
    one, other = (GDMLPClassifier(**options).fit(X, y) for y in (Y, sparse.csr_matrix(Y)))
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert one.oof_score_ == other.oof_score_
    np.testing.assert_array_equal(one.predict(X), other.predict(X).toarray())


def test_searches_paths_and_errors_of_labels():
    X, Y = tagged()
    search = GDClassifierCV(learning_rates="auto", alphas=[1e-4, 10.0], cv=3, random_state=0).fit(X, Y)
    assert search.alpha_ == 1e-4
    assert search.predict(X).shape == Y.shape
    thinned = clone(search).fit(X, sparse.csr_array(Y))
    np.testing.assert_array_equal(
        thinned.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(thinned.predict(X).toarray(), search.predict(X))
    path = GDClassifier(solver="batch").path(X, Y, alphas=[0.1, 0.01])
    assert path.coef.shape == (2, 4, 6)
    found = summarize(GDClassifier(penalty=None, solver="batch", tol=1e-12, max_iter=5000).fit(X, Y), X, Y)
    alone = GDClassifier(penalty=None, solver="batch", tol=1e-12, max_iter=5000).fit(X, Y[:, 1])
    expected = summarize(alone, X, Y[:, 1])["standard_error"]
    np.testing.assert_allclose(found["standard_error"][7:14], expected, rtol=1e-4)
    model = GDClassifier(random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match="several labels a row"):
        model.to_sklearn()
    with pytest.raises(ValueError, match="class_weight is not supported for multilabel y"):
        GDClassifier(class_weight="balanced").fit(X, Y)
    with pytest.raises(ValueError, match=r"takes one class a row .*loss=LogLoss\(soft_labels=True\)"):
        GDClassifier().fit(X, Y + np.arange(4))
    with pytest.raises(ValueError, match="zeros and ones"):
        GDClassifier().fit(X, Y + 1)
    with pytest.raises(ValueError, match="fitted to labels, but y holds classes"):
        model.partial_fit(X, Y[:, 0])


# ---------------------------------------------------------------- probabilities as y


def votes(n=400, K=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    P = softmax(X @ rng.normal(size=(4, K)), axis=1)
    return X, rng.multinomial(5, P) / 5


@pytest.mark.parametrize("K", [2, 3, 6])
def test_cross_entropy_follows_the_formula(K):
    rng = np.random.default_rng(0)
    raw, y = 3 * rng.normal(size=(50, K)), rng.dirichlet(np.ones(K), 50)
    values, slopes = SOFT.value_and_slope(y, raw)
    np.testing.assert_allclose(values, -(y * log_softmax(raw, axis=1)).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(slopes, softmax(raw, axis=1) - y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        SOFT.second_derivative(y, raw), Loss.second_derivative(SOFT, y, raw), atol=1e-8
    )


@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("storage", [np.asarray, csr])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_certain_rows_are_those_of_labels(family, solver, storage, K):
    X, P = votes(K=K)
    y, X = P.argmax(axis=1), storage(thin(X))
    options = {"solver": solver, "learning_rate": 0.05, "max_iter": 3, "random_state": 0, "tol": None}
    options |= {"encoding": None} if "MLP" in family.__name__ else {}
    hard, soft = family(**options).fit(X, y), family(SOFT, **options).fit(X, np.eye(K)[y])
    np.testing.assert_allclose(soft.predict_proba(X), hard.predict_proba(X), rtol=1e-9, atol=1e-12)
    assert soft.loss_ == pytest.approx(hard.loss_, rel=1e-9)
    assert soft.score(X, np.eye(K)[y]) == soft.score(X, y) == hard.score(X, y)


@pytest.mark.parametrize("K", [2, 3])
def test_shares_are_weights_of_repeated_rows(K):
    X, P = votes(K=K)
    options = {"solver": "batch", "tol": 1e-12, "max_iter": 5000, "alpha": 1e-3}
    soft = GDClassifier(SOFT, **options).fit(X, P)
    rows, labels = np.repeat(np.arange(len(X)), K), np.tile(np.arange(K), len(X))
    hard = GDClassifier(**options).fit(X[rows], labels, P.ravel())
    np.testing.assert_allclose(soft.predict_proba(X), hard.predict_proba(X), atol=1e-5)
    assert soft.loss_ == pytest.approx(hard.loss_, rel=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_soft_labels_take_part_in_all_else(family):
    X, P = votes()
    model = family(SOFT, random_state=0, early_stopping=True, max_iter=20).fit(X.astype(np.float32), P)
    assert np.all((model.validation_scores_ >= 0) & (model.validation_scores_ <= 1))
    assert model.predict_proba(X[:2].astype(np.float32)).dtype == np.float32
    model.fit(X[:300], P[:300], X_val=X[300:], y_val=P[300:])
    streamed = family(SOFT, random_state=0)
    for part in np.array_split(np.arange(400), 4):
        streamed.partial_fit(X[part], P[part])
    assert pickle.loads(pickle.dumps(streamed)).score(X, P) > 0.6
    scores = cross_val_score(family(SOFT, random_state=0, max_iter=10, tol=None), X, P, cv=3)
    assert np.all(scores > 0.5)
    search = GridSearchCV(
        family(SOFT, random_state=0, max_iter=5, tol=None), {"alpha": [1e-4, 1.0]}, cv=3
    ).fit(X, P)
    assert search.best_estimator_.predict_proba(X).shape == (400, 3)
    assert family(SOFT, random_state=0, max_iter=5, tol=None).fit(X, P, np.ones(400)).score(X, P) > 0.5


def test_networks_and_searches_take_soft_labels():
    X, P = votes()
    model = GDMLPClassifier(SOFT, n_members=2, early_stopping=True, max_iter=5, random_state=0).fit(X, P)
    assert 0.4 < model.oof_score_ <= 1
    search = GDClassifierCV(SOFT, learning_rates="auto", alphas=[1e-4, 1.0], cv=3, random_state=0).fit(X, P)
    assert search.predict_proba(X).shape == (400, 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_no_probability_says_so(family):
    X, P = votes()
    wrong = P.copy()
    wrong[7] = [0.5, 0.6, 0.0]
    with pytest.raises(ValueError, match=r"sum to one; row 7 is \[0.5, 0.6, 0.0\]"):
        family(SOFT).fit(X, wrong)
    wrong[7] = [1.5, -0.5, 0.0]
    with pytest.raises(ValueError, match="row 7"):
        family(SOFT).fit(X, wrong)
    with pytest.raises(ValueError, match="y must hold the probability of each class"):
        family(SOFT).fit(X, P.argmax(axis=1))
    with pytest.raises(ValueError, match=r"LogLoss\(soft_labels=True\)"):
        family().fit(X, P)
    with pytest.raises(ValueError, match="class_weight is not supported for soft labels"):
        family(SOFT, class_weight="balanced").fit(X, P)
    with pytest.raises(ValueError, match="soft_labels=True leaves no use"):
        family(LogLoss(0.1, soft_labels=True)).fit(X, P)
    with pytest.raises(ValueError, match="y_val has shape"):
        family(SOFT).fit(X, P, X_val=X, y_val=P[:, :2])
