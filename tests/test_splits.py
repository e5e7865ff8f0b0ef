"""Which rows are held out: shares of classes, groups, splitters, and what cannot be split."""

import numpy as np
import pytest
from _data import KINDS, data_of, flat, make, small
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    PredefinedSplit,
    ShuffleSplit,
    TimeSeriesSplit,
    train_test_split,
)

from skgd import GDClassifier, GDRegressor, GDRegressorCV
from skgd._splits import split_rows

X, Y = make(n=120, d=3)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 1 / 3, 0.9])
@pytest.mark.parametrize("n", [20, 97, 1000])
def test_a_fraction_is_as_large_as_that_of_scikit_learn(n, fraction):
    kept, held = split_rows(fraction, 0, np.zeros((n, 1)), np.zeros(n))
    theirs, their_held = train_test_split(np.arange(n), test_size=fraction, random_state=0)
    assert (len(kept), len(held)) == (len(theirs), len(their_held))
    assert kept.dtype == np.int32
    np.testing.assert_array_equal(np.sort(np.append(kept, held)), np.arange(n))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()


def test_each_row_is_held_out_as_often():
    counts = np.zeros(40)
    for seed in range(400):
        counts[split_rows(0.25, seed, np.zeros((40, 1)), np.zeros(40))[1]] += 1
    assert np.abs(counts - 100).max() < 4.5 * np.sqrt(400 * 0.25 * 0.75)


@pytest.mark.parametrize("classes", [2, 5, 40])
def test_classes_keep_their_shares(classes):
    random = np.random.default_rng(classes)
    codes = np.append(np.repeat(np.arange(classes), 5), random.geometric(0.3, 1000) % classes)
    random.shuffle(codes)
    kept, held = split_rows(0.2, 0, codes[:, None], codes, codes.astype(float))
    counts, shares = np.bincount(codes), np.bincount(codes[held], minlength=classes)
    assert len(held) == np.ceil(0.2 * len(codes))
    assert np.abs(shares - 0.2 * counts).max() < 1
    np.testing.assert_array_equal(np.bincount(codes[kept], minlength=classes), counts - shares)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "splitter",
    [
        ShuffleSplit(3, test_size=0.2, random_state=1),
        TimeSeriesSplit(4),
        TimeSeriesSplit(4, gap=7),
        PredefinedSplit(np.where(np.arange(120) % 5, -1, 0)),
        [(np.arange(30, 120), np.arange(30))],
        [(np.arange(120) >= 50, np.arange(120) < 40)],
    ],
    ids=lambda each: type(each).__name__,
)
def test_the_last_split_is_taken(kind, splitter):
    X, y = data_of(kind, n=120)
    *_, (kept, held) = splitter.split(X, y) if hasattr(splitter, "split") else splitter
    params = {"max_iter": 4, "tol": None, "solver": "batch", "early_stopping": True}
    ours = small(kind, validation_fraction=splitter, **params).fit(X, y)
    theirs = small(kind, **params).fit(X[kept], y[kept], X_val=X[held], y_val=y[held])
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-9)
    again = clone(ours).fit(csr_matrix(X), y)
    np.testing.assert_allclose(flat(again), flat(ours), rtol=1e-6, atol=1e-8)


def test_groups_stay_together():
    groups = np.arange(120) // 4
    kept, held = split_rows(0.2, 3, X, Y, groups=groups)
    assert not set(groups[kept]) & set(groups[held])
    assert len(held) == 24
    params = {"early_stopping": True, "random_state": 3, "max_iter": 5, "tol": None}
    model = GDRegressor(validation_fraction=0.2, **params).fit(X, Y, groups=groups)
    assert model.score(X[held], Y[held]) == pytest.approx(model.best_validation_score_, rel=1e-12)
    splitter = GroupShuffleSplit(1, test_size=0.2, random_state=3)
    same = GDRegressor(validation_fraction=splitter, **params).fit(X, Y, groups=groups)
    np.testing.assert_array_equal(same.coef_, model.coef_)


def test_a_search_passes_groups_on():
    groups = np.arange(120) // 4
    search = GDRegressorCV(
        learning_rates=[0.01, 0.1],
        cv=GroupKFold(3),
        early_stopping=True,
        validation_fraction=GroupShuffleSplit(1, test_size=0.2, random_state=3),
        random_state=0,
        max_iter=20,
    ).fit(X, Y, groups=groups)
    alone = clone(search.best_estimator_).fit(X, Y, groups=groups)
    np.testing.assert_array_equal(alone.coef_, search.coef_)


@pytest.mark.parametrize(
    ("splitter", "words"),
    [
        ([], "0 splits"),
        ([(np.arange(9), np.arange(9, 12)), (np.arange(9), np.arange(9, 12))], "2 splits"),
        ([np.arange(3)], "pair"),
        ([(np.arange(9), np.arange(5, 12))], "twice"),
        ([(np.append(np.arange(9), 3), np.arange(9, 12))], "twice"),
        ([(np.arange(9), np.arange(9, 130))], "does not fit 120 rows"),
        ([(np.arange(9), np.array([9]))], "too small"),
        ([(np.arange(0), np.arange(9))], "no rows to train on"),
        (GroupKFold(3), "groups"),
    ],
)
def test_what_is_no_split_is_told(splitter, words):
    with pytest.raises(ValueError, match=words):
        GDRegressor(early_stopping=True, validation_fraction=splitter).fit(X, Y)


def test_classes_that_cannot_be_parted_are_told():
    lonely = np.append(np.arange(119) % 2, 2)
    with pytest.raises(ValueError, match="least populated class in y has only 1 member"):
        GDClassifier(early_stopping=True).fit(X, lonely)
    many = np.arange(120) % 40
    with pytest.raises(ValueError, match="40 classes"):
        GDClassifier(early_stopping=True).fit(X, many)
    with pytest.raises(ValueError, match="no rows to train on"):
        GDRegressor(early_stopping=True, validation_fraction=0.9).fit(X[:3], Y[:3])
