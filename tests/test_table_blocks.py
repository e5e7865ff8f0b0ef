"""Numbers in blocks are a table where ``fit`` sees one: encoder and penalty are from a sample of all."""

import warnings
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from _killed import killed_after
from sklearn.datasets import load_breast_cancer, make_friedman1

import skgd
from skgd.io import npy_blocks
from skgd.preprocessing import TableEncoder


def cut(X, y, parts=5):
    ends = np.linspace(0, len(X), parts + 1).astype(int)
    return [(X[a:b], y[a:b]) for a, b in pairwise(ends)]


@cache
def friedman():
    X, y = make_friedman1(1100, noise=1.0, random_state=0)
    return (X[:800], y[:800]), (X[800:], y[800:])


@cache
def fitted():
    return skgd.GDMLPRegressor(random_state=0).fit_blocks(cut(*friedman()[0]))


def test_several_blocks_are_the_table_that_fit_sees():
    train, test = friedman()
    whole, blocks = skgd.GDMLPRegressor(random_state=0).fit(*train), fitted()
    rows = skgd.GDMLPRegressor(random_state=0, encoding=None).fit_blocks(cut(*train))
    assert abs(blocks.score(*test) - whole.score(*test)) < 0.02
    assert 1 - blocks.score(*test) < 0.9 * (1 - rows.score(*test))
    for name in ("batch_size", "max_iter", "n_members", "hidden_layer_sizes"):
        assert blocks.settings_[name] == whole.settings_[name]
    assert blocks.settings_["alpha"] == pytest.approx(
        whole.settings_["alpha"], rel=0.2
    )  # by the noise of a sample
    assert not hasattr(rows, "encoder_")


def test_classes_hold_as_many_rows_apart():
    X, y = load_breast_cancer(return_X_y=True)
    test = np.arange(len(y)) % 4 == 0
    whole = skgd.GDMLPClassifier(random_state=0).fit(X[~test], y[~test])
    blocks = skgd.GDMLPClassifier(random_state=0).fit_blocks(cut(X[~test], y[~test], 3))
    assert abs(blocks.score(X[test], y[test]) - whole.score(X[test], y[test])) < 0.015


def test_one_block_is_fit():
    (X, y), (X_test, _) = friedman()
    params = {"random_state": 0, "max_iter": 2}
    whole, one = (
        skgd.GDMLPRegressor(**params).fit(X, y),
        skgd.GDMLPRegressor(**params).fit_blocks([(X, y)]),
    )
    np.testing.assert_array_equal(one.predict(X_test), whole.predict(X_test))


def test_however_blocks_come_the_bits_are_the_same():
    train, (X_test, _) = friedman()
    blocks, expected = cut(*train), fitted().predict(X_test)
    loaders = [lambda block=block: block for block in blocks]
    frames = [(pd.DataFrame(X, columns=list("abcdefghij")), y) for X, y in blocks]
    for given in (loaders, frames):
        model = skgd.GDMLPRegressor(random_state=0).fit_blocks(given)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rows = X_test if given is loaders else pd.DataFrame(X_test, columns=list("abcdefghij"))
            np.testing.assert_array_equal(model.predict(rows), expected)
    assert list(model.feature_names_in_) == list("abcdefghij")
    in_order = skgd.GDMLPRegressor(random_state=0, max_iter=2)
    in_order.fit_blocks(lambda: iter(blocks))
    assert hasattr(in_order, "encoder_")


def test_rows_that_an_encoder_has_encoded_are_not_encoded_again(tmp_path):
    (X, y), (X_test, y_test) = friedman()
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    encoder = TableEncoder().fit(X)
    blocks = npy_blocks(tmp_path / "X.npy", tmp_path / "y.npy", rows=200, transformer=encoder)
    model = skgd.GDMLPRegressor(random_state=0).fit_blocks(blocks)
    assert not hasattr(model, "encoder_")
    assert model.n_features_in_ == encoder.transform(X).shape[1]
    assert model.settings_["batch_size"] == fitted().settings_["batch_size"]
    assert model.score(encoder.transform(X_test), y_test) > 0.9


def test_a_killed_fit_goes_on(tmp_path, monkeypatch):
    blocks, path, params = cut(*friedman()[0]), tmp_path / "ckpt", {"random_state": 0, "max_iter": 8}
    whole = skgd.GDMLPRegressor(**params).fit_blocks(blocks)

    def fit():
        return skgd.GDMLPRegressor(**params).fit_blocks(blocks, checkpoint=skgd.Checkpoint(path, 0))

    assert killed_after(monkeypatch, 4, fit)
    resumed = fit()
    for found, expected in zip(resumed.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_validation_sets_and_streams_know_the_encoder():
    train, test = friedman()
    model = skgd.GDMLPRegressor(random_state=0, early_stopping=True)
    model.fit_blocks(cut(*train), X_val=test[0], y_val=test[1])
    assert model.best_validation_score_ == pytest.approx(model.score(*test), abs=1e-5)
    before = model.score(*test)
    model.set_params(early_stopping="auto").partial_fit(*train)
    assert model.score(*test) > before - 0.05


@pytest.mark.parametrize(
    "params", [{"solver": "batch"}, {"hidden_layer_sizes": (8,)}, {"encoding": None}], ids=str
)
def test_where_numbers_stay_numbers(params):
    model = skgd.GDMLPRegressor(random_state=0, max_iter=2, **params).fit_blocks(cut(*friedman()[0]))
    assert not hasattr(model, "encoder_")


@pytest.mark.parametrize("column", [["u", "v"] * 400, [1.0, np.nan] * 400], ids=["words", "holes"])
def test_words_and_holes_are_told_where_to_go(column):
    X, y = friedman()[0]
    frame = pd.DataFrame(X).add_prefix("x").assign(new=column)
    with pytest.raises(ValueError, match=r"(?s)Block 0: .*transformer= in skgd\.io"):
        skgd.GDMLPRegressor().fit_blocks(cut(frame, y))
