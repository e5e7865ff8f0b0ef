"""Perceptrons with encoded columns, and several networks in one estimator."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDMLPClassifier, GDMLPRegressor, GDRegressor
from skgd._members import _shared
from skgd.preprocessing import TableEncoder

QUICK = {
    "max_iter": 6,
    "hidden_layer_sizes": (16,),
    "activation": "relu",
    "dropout": 0.0,
    "alpha": 1e-4,
    "batch_size": 32,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "random_state": 0,
    "tol": None,
    "standardize": False,
    "share_weights": False,
}


def table(n=300, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "size": rng.exponential(size=n) * 1e4,
            "count": rng.standard_normal(n),
            "kind": pd.Categorical(rng.choice(["a", "b", "c"], n)),
        }
    )
    X.loc[::9, "size"] = np.nan
    y = (X["count"] > 0).to_numpy() * 1 + (X["kind"] == "a").to_numpy()
    return X, np.minimum(y, classes - 1)


# ---------------------------------------------------------------- encoded columns


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
@pytest.mark.parametrize("kind", [GDMLPClassifier, GDMLPRegressor])
def test_encoding_is_an_encoder_before_the_network(kind, solver):
    X, y = table()
    model = kind(encoding="table", solver=solver, **QUICK).fit(X, y)
    assert model.n_features_in_ == 3
    assert model.feature_names_in_.tolist() == list(X.columns)
    Z = TableEncoder().fit_transform(X)
    bare = kind(solver=solver, **QUICK).fit(Z, y)
    np.testing.assert_array_equal(model.predict(X), bare.predict(Z))
    np.testing.assert_array_equal(model.coefs_[0], bare.coefs_[0])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert "encoder_" not in vars(clone(model))


def test_any_transformer_encodes():
    X = np.random.default_rng(0).standard_normal((200, 3)) * 50
    y = X[:, 0] / 50
    scaler = StandardScaler()
    model = GDMLPRegressor(encoding=scaler, **QUICK).fit(X, y)
    bare = GDMLPRegressor(**QUICK).fit(StandardScaler().fit_transform(X), y)
    np.testing.assert_allclose(model.predict(X), bare.predict(StandardScaler().fit_transform(X)), rtol=1e-12)
    assert not hasattr(scaler, "mean_")


def test_held_out_rows_and_scorers_see_encoded_columns():
    X, y = table()
    model = GDMLPClassifier(encoding="table", early_stopping=True, scoring="roc_auc", **QUICK).fit(X, y)
    assert model.history_["validation_score"].max() > 0.9
    own = GDMLPClassifier(encoding="table", **QUICK).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert own.validation_scores_[-1] == pytest.approx(own.score(X[200:], y[200:]))


def test_a_stream_is_encoded_by_its_first_rows():
    X, y = table(600)
    model = GDMLPClassifier(encoding="table", hidden_layer_sizes=(16,), random_state=0)
    for start in [0, 200, 400] * 6:
        model.partial_fit(X[start : start + 200], y[start : start + 200], classes=[0, 1])
    first = TableEncoder().fit(X[:200])
    np.testing.assert_array_equal(model.encoder_.center_, first.center_)
    assert model.score(X, y) > 0.8


def test_a_stream_of_a_table_stays_one_where_nothing_is_missing():
    X, y = table(400)
    gaps, whole = X[["size", "count"]].to_numpy()[:200], X[["size", "count"]].fillna(1.0).to_numpy()[200:]
    streams = [GDMLPClassifier(encoding=how, random_state=0) for how in ("auto", "table")]
    for model in streams:
        model.partial_fit(gaps, y[:200], classes=[0, 1]).partial_fit(whole, y[200:])
    np.testing.assert_array_equal(*(model.predict_proba(whole) for model in streams))


def test_a_warm_start_keeps_the_encoder():
    X, y = table()
    model = GDMLPClassifier(encoding="table", warm_start=True, **QUICK).fit(X, y)
    encoder, loss = model.encoder_, model.loss_
    model.fit(X[:150], y[:150])
    assert model.encoder_ is encoder
    assert model.loss_ < loss
    model.set_params(warm_start=False).fit(X[:150], y[:150])
    assert model.encoder_ is not encoder
    model.set_params(encoding=None).fit(X[["count"]], y)
    assert not hasattr(model, "encoder_") and model.n_features_in_ == 1


def test_other_columns_are_named():
    X, y = table()
    model = GDMLPClassifier(encoding="table", **QUICK).fit(X, y)
    with pytest.raises(ValueError, match="now missing:\n- count"):
        model.predict(X.rename(columns={"count": "number"}))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y[:-1])
    with pytest.raises(ValueError, match="put the encoder into a Pipeline"):
        model.to_sklearn()
    with pytest.raises(ValueError, match="'encoding' parameter"):
        GDMLPClassifier(encoding="bins").fit(X, y)


# ---------------------------------------------------------------- several networks


def members_alone(kind, X, y, n, **settings):
    Z = TableEncoder().fit_transform(X)
    alone = {**QUICK, **settings}
    return Z, [kind(**{**alone, "random_state": seed}).fit(Z, y) for seed in range(n)]


def test_one_weight_for_all_rows_is_none():
    X = np.random.default_rng(0).normal(size=(80, 3))
    settings = {"n_members": 2, "share_weights": False, "early_stopping": True, "max_iter": 3}
    one, none = (
        GDMLPRegressor(random_state=0, **settings).fit(X, X[:, 0], sample_weight=w) for w in (2.0, None)
    )
    assert one.oof_score_ == none.oof_score_


def test_probabilities_of_two_classes_are_means():
    X, y = table()
    model = GDMLPClassifier(encoding="table", n_members=3, **QUICK).fit(X, y)
    Z, alone = members_alone(GDMLPClassifier, X, y, 3)
    mean = np.mean([member.predict_proba(Z) for member in alone], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), mean, rtol=1e-5)
    np.testing.assert_allclose(expit(model.decision_function(X)), mean[:, 1], rtol=1e-5)
    np.testing.assert_array_equal(model.predict(X), mean.argmax(axis=1))


def test_probabilities_of_more_classes_are_means():
    X, y = table(classes=3)
    model = GDMLPClassifier(encoding="table", n_members=3, **QUICK).fit(X, y)
    Z, alone = members_alone(GDMLPClassifier, X, y, 3)
    mean = np.mean([softmax(member.decision_function(Z), axis=1) for member in alone], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), mean, rtol=1e-5, atol=1e-7)


def test_probabilities_of_labels_are_means():
    X, y = table()
    Y = np.column_stack([y, X["kind"] == "b"]).astype(int)
    model = GDMLPClassifier(encoding="table", n_members=2, **QUICK).fit(X, Y)
    Z, alone = members_alone(GDMLPClassifier, X, Y, 2)
    mean = np.mean([expit(member.decision_function(Z)) for member in alone], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), mean, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "quantile"])
def test_predictions_of_numbers_are_means(loss):
    X, y = table()
    model = GDMLPRegressor(loss, encoding="table", n_members=3, **QUICK).fit(X, y)
    Z, alone = members_alone(GDMLPRegressor, X, y, 3, loss=loss)
    np.testing.assert_allclose(model.predict(X), np.mean([m.predict(Z) for m in alone], axis=0), rtol=1e-5)


def test_a_margin_is_a_mean_of_margins():
    X, y = table()
    model = GDMLPClassifier("hinge", encoding="table", n_members=2, **QUICK).fit(X, y)
    Z, alone = members_alone(GDMLPClassifier, X, y, 2, loss="hinge")
    mean = np.mean([member.decision_function(Z) for member in alone], axis=0)
    np.testing.assert_allclose(model.decision_function(X), mean, rtol=1e-5, atol=1e-6)


def test_each_network_holds_out_rows_of_its_own():
    X, y = table(400)
    weight = np.random.default_rng(0).random(400)
    model = GDMLPClassifier(encoding="table", n_members=4, early_stopping=True, **QUICK)
    model.fit(X, y, sample_weight=weight)
    held = [member.validation_fraction[0][1] for member in model.members_]
    assert len(np.unique(np.concatenate(held))) == 160  # four different tenths
    Z = model.encoder_.transform(X)
    right = [member.predict(Z[rows]) == y[rows] for member, rows in zip(model.members_, held, strict=True)]
    weights = weight[np.concatenate(held)]
    assert model.oof_score_ == pytest.approx(np.average(np.concatenate(right), weights=weights))
    scores = [member.best_validation_score_ for member in model.members_]
    assert model.best_validation_score_ == pytest.approx(np.mean(scores))


def test_groups_stay_together():
    X, y = table(400)
    groups = np.repeat(np.arange(40), 10)
    model = GDMLPRegressor(encoding="table", n_members=3, early_stopping=True, **QUICK)
    model.fit(X, y, groups=groups)
    for member in model.members_:
        kept, held = member.validation_fraction[0]
        assert not set(groups[kept]) & set(groups[held])
    shared = clone(model).set_params(validation_fraction=GroupKFold(5)).fit(X, y, groups=groups)
    assert shared.oof_score_ is None


def test_threads_change_nothing():
    X, y = table()
    one, two = (
        GDMLPRegressor(encoding="table", n_members=3, n_jobs=jobs, **QUICK).fit(X, y) for jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.predict(X), two.predict(X))


def test_an_array_needs_no_encoder():
    X = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    y = X[:, 0] * X[:, 1]
    model = GDMLPRegressor(n_members=2, **QUICK).fit(X, y)
    alone = [GDMLPRegressor(**{**QUICK, "random_state": seed}).fit(X, y).predict(X) for seed in (0, 1)]
    np.testing.assert_allclose(model.predict(X), np.mean(alone, axis=0), rtol=1e-5, atol=1e-6)
    assert model.n_features_in_ == 4
    assert model.loss_ == pytest.approx(np.mean([member.loss_ for member in model.members_]))
    model.set_params(n_members=1).fit(X, y)
    assert not hasattr(model, "members_") and not hasattr(model, "oof_score_")


def test_what_is_shared_leaves_out_what_one_network_goes_on_from():
    X = np.random.default_rng(0).standard_normal((60, 2))
    member = GDMLPRegressor(**QUICK).fit(X, X[:, 0])
    assert {"_descent", "_units"}.isdisjoint(_shared([member]))


def test_one_network_is_needed_to_go_on():
    X, y = table()
    model = GDMLPClassifier(encoding="table", n_members=2, **QUICK)
    with pytest.raises(ValueError, match="partial_fit updates one network, but n_members=2"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="warm_start"):
        clone(model).set_params(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="n_members=2 has no counterpart"):
        model.fit(X, y).to_sklearn()
    assert model.strip().predict(X).shape == (300,)


def test_networks_can_be_cross_validated():
    X, y = table(300)
    quick = {**QUICK, "max_iter": 30}
    model = GDMLPClassifier(encoding="table", n_members=2, early_stopping=True, **quick)
    assert cross_val_score(model, X, y, cv=3).mean() > 0.8


# ---------------------------------------------------------------- "auto"


@pytest.mark.parametrize("solver", ["batch", "sgd", "minibatch"])
def test_a_table_gets_the_settings_of_tables(solver):
    X, y = table()
    model = GDMLPClassifier(solver=solver, random_state=0, max_iter=3, batch_size=50).fit(X, y)
    assert isinstance(model.encoder_, TableEncoder)
    rule = model.settings_["optimizer"]
    assert rule.get_params() == {"beta_1": 0.9, "beta_2": 0.95, "epsilon": 1e-8}
    assert model.settings_ == {
        "hidden_layer_sizes": (96,),
        "activation": "silu",
        "dropout": 0.3,
        "optimizer": rule,
        "alpha": pytest.approx(2 * 10 / 27 / len(X)),  # the least: the classes can be told apart
        "tol": None,
        "n_members": 4,
        "share_weights": True,
        "early_stopping": False,
    }
    bare = GDMLPClassifier(
        **{**QUICK, "learning_rate": "auto", "solver": solver, "batch_size": 50, "encoding": None}
    )
    rate = bare.fit(X[["count"]], y).learning_rate_
    assert model.learning_rate_ == pytest.approx(2.5 * rate)
    chosen = {**model.settings_, "encoding": "table", "max_iter": 3, "batch_size": 50}
    same = GDMLPClassifier(solver=solver, random_state=0, **chosen).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), same.predict_proba(X))
    assert model.get_params()["alpha"] == "auto"


def test_numbers_get_the_settings_of_numbers():
    X = np.random.default_rng(0).standard_normal((99, 3))
    y = X[:, 0] > 0
    chosen = {
        "hidden_layer_sizes": (100,),
        "activation": "relu",
        "dropout": 0.0,
        "batch_size": 32,
        "optimizer": "adam",
        "alpha": 1e-4,
        "max_iter": 200,
        "tol": 1e-4,
        "n_members": 1,
        "share_weights": False,
        "early_stopping": False,
    }
    for rows in (X, pd.DataFrame(X, columns=list("abc"))):  # few rows
        model = GDMLPClassifier(random_state=0).fit(rows, y)
        assert model.settings_ == chosen
        assert not hasattr(model, "encoder_")
    same = GDMLPClassifier(random_state=0, encoding=None, **chosen).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], same.coefs_[0])


def test_many_rows_of_few_numbers_are_a_table_unless_the_network_is_described(tmp_path):
    """In a data frame, an array or a list; a stream, a memory map and a described network see numbers."""
    X = np.random.default_rng(0).standard_normal((200, 257))
    y = X[:, 0] > 0

    def is_table(rows, stream=False, **given):
        model = GDMLPClassifier(max_iter=1, random_state=0, **given)
        fit = model.partial_fit if stream else model.fit
        classes = {"classes": [0, 1]} if stream else {}
        n = len(rows) if isinstance(rows, list) else rows.shape[0]
        return hasattr(fit(rows, y[:n], **classes), "encoder_")

    np.save(tmp_path / "X.npy", X[:, :3])
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    frame = pd.DataFrame(X[:, :3], columns=list("abc"))
    for rows in (X[:, :3], frame, X[:, :3].astype(np.float32), X[:100, :3].tolist(), X[:, :256]):
        assert is_table(rows)
    for rows in (X, X[:99, :3], frame[:99], csr_array(X[:, :3]), mapped):
        assert not is_table(rows)
    for rows in (X[:, :3], frame):
        assert not is_table(rows, encoding=None)
        assert not is_table(rows, hidden_layer_sizes=(9,))
        assert is_table(rows, hidden_layer_sizes=(9,), encoding="table")
        assert not is_table(rows, stream=True)
    same = [GDMLPClassifier(max_iter=2, random_state=0).fit(rows, y) for rows in (X[:, :3], frame)]
    np.testing.assert_array_equal(
        *(model.predict_proba(rows) for model, rows in zip(same, (X[:, :3], frame), strict=True))
    )


def test_a_linear_model_names_columns_that_are_no_numbers():
    X, y = table()
    for rows in (X, X.assign(kind=X["kind"].astype(object))):
        with pytest.raises(ValueError, match=r"columns \['kind'\] of X hold text.*TableEncoder"):
            GDRegressor().fit(rows, y)
    assert make_pipeline(TableEncoder(), GDRegressor()).fit(X, y).score(X, y) > 0.5


def test_what_is_missing_makes_a_table():
    X, y = table()
    numbers = X[["size", "count"]]
    for rows in (numbers, numbers.to_numpy(), pd.DataFrame({"kind": X["kind"].astype(str)})):
        assert hasattr(GDMLPClassifier(max_iter=2, random_state=0).fit(rows, y), "encoder_")
    with pytest.raises(ValueError, match="NaN"):
        GDMLPClassifier(encoding=None).fit(numbers, y)
    with pytest.raises(ValueError, match="infinity"):
        GDMLPClassifier().fit(numbers.fillna(np.inf), y)


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_a_table_is_learnt_in_any_unit_of_y(scale):
    X, _ = table(1000)
    y = scale * (np.sin(2 * X["count"]) + (X["kind"] == "a") + 3).to_numpy()
    model = GDMLPRegressor(random_state=0).fit(X[:800], y[:800])
    assert model.score(X[800:], y[800:]) > 0.95
    assert model.settings_["batch_size"] == 64


def test_networks_of_a_table_use_its_settings():
    X, y = table()
    model = GDMLPClassifier(n_members=2, max_iter=2, random_state=0).fit(X, y)
    assert [len(coef) for coef in model.members_[1].coefs_[1:]] == [128]
    one = GDMLPClassifier(n_members=1, max_iter=2, random_state=0).fit(X, y)
    assert model.members_[0].learning_rate_ == one.learning_rate_
    np.testing.assert_array_equal(model.members_[0].coefs_[0], one.coefs_[0])
    assert model.settings_ == {**one.settings_, "optimizer": model.settings_["optimizer"]}
    assert {member.alpha for member in model.members_} == {one.settings_["alpha"]}


def test_a_stream_keeps_its_settings():
    X, y = table(600)
    model = GDMLPClassifier(random_state=0)
    for start in (0, 300):
        model.partial_fit(X[start : start + 300], y[start : start + 300], classes=[0, 1])
    assert model.settings_["hidden_layer_sizes"] == (96,)
    assert len(model.adapters_[0][0]) == 4
    assert model.predict(X.dropna()[:5]).shape == (5,)


def test_batch_descent_on_few_rows_of_a_table_does_not_learn_them_by_heart():
    X, y = load_iris(return_X_y=True)
    batch = {"solver": "batch", "random_state": 0}
    models = [GDMLPClassifier(**given) for given in (batch, {**batch, "max_iter": 300}, {"random_state": 0})]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    short, long, usual = (
        -cross_val_score(model, X, y, cv=folds, scoring="neg_log_loss").mean() for model in models
    )
    assert short < 0.7 * long
    assert short < 1.3 * usual
    rows = np.random.default_rng(0).standard_normal((2500, 2))
    for n, epochs in ((150, 40), (800, 100), (2500, 300)):
        model = GDMLPRegressor(solver="batch", random_state=0, hidden_layer_sizes=(2,), encoding="table")
        assert model.fit(rows[:n], rows[:n, 0]).settings_["max_iter"] == model.n_iter_ == epochs
