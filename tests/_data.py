"""Small data sets and the estimators that go with each loss."""

from itertools import combinations, product

import numpy as np
from _reference import CLASSIFICATION, LOG_LINK
from scipy import sparse

import skgd
from skgd.optimizers import OPTIMIZERS

KINDS = [skgd.GDRegressor, skgd.GDClassifier, skgd.GDMLPRegressor, skgd.GDMLPClassifier]

SOLVERS = ("batch", "minibatch", "sgd")
SIZES = {"batch": None, "minibatch": 16, "sgd": 1}  # rows of an update, None: all
THREE_EPOCHS = {  # that NumPy can make too
    "learning_rate": 0.05,
    "shuffle": False,
    "tol": None,
    "average": False,
    "random_state": 0,
    "max_iter": 3,
    "batch_size": 16,
}
ROWS = {"batch": "all", "minibatch": "some", "sgd": "one"}


def pairs(solvers=SOLVERS, without=(), loss="squared_error"):
    """Every optimizer with every solver, (name, solver), where the rule is defined."""
    return [
        (name, solver)
        for name, rule in OPTIMIZERS.items()
        for solver in solvers
        if name not in without and ROWS[solver] in rule.rows and loss in (rule.losses or (loss,))
    ]


def covering(*axes):
    """Few tuples of values in which each pair of values of two axes occurs, instead of the whole product."""
    whole = list(product(*(range(len(axis)) for axis in axes)))
    np.random.default_rng(0).shuffle(whole)
    missing = {pair for case in whole for pair in combinations(enumerate(map(int, case)), 2)}
    chosen = []
    for least in range(len(axes) * (len(axes) - 1) // 2, 0, -1):  # new pairs that a case has to bring
        for case in whole:
            new = missing & set(combinations(enumerate(map(int, case)), 2))
            if len(new) >= least:
                missing -= new
                chosen.append(tuple(axis[i] for axis, i in zip(axes, case, strict=True)))
    return chosen


# updates in the order of the rows, nothing that stops, averages or chooses on its own
STILL = {"shuffle": False, "tol": None, "average": False}


def make(loss="squared_error", n=60, d=5, outputs=1, seed=0, dtype=np.float64):
    """X (n, d) and the targets a loss wants: numbers, positive numbers, or class codes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.linspace(0.5, 1.5, d)
    raw = X @ rng.normal(size=(d, outputs)) / np.sqrt(d) + 0.5 + 0.5 * rng.normal(size=(n, outputs))
    if loss in CLASSIFICATION:
        y = np.argmax(raw, axis=1) if outputs > 1 else (raw[:, 0] > 0.4).astype(int)
        return X.astype(dtype), y
    y = np.exp(raw / 4) if loss in LOG_LINK else raw
    return X.astype(dtype), (y if outputs > 1 else y[:, 0]).astype(dtype)


def estimator(loss="squared_error", **params):
    """The linear estimator whose kind of loss this is, seeded."""
    kind = skgd.GDClassifier if loss in CLASSIFICATION else skgd.GDRegressor
    return kind(loss, **{"random_state": 0, **params})


def perceptron_of(loss="squared_error", **params):
    """Three epochs of the perceptron whose kind of loss this is, of two layers of tanh."""
    kind = skgd.GDMLPClassifier if loss in CLASSIFICATION else skgd.GDMLPRegressor
    layers = {"hidden_layer_sizes": (7, 5), "activation": "tanh"}
    return kind(loss, **{**THREE_EPOCHS, **layers, **params})


def is_perceptron(kind):
    return kind in (skgd.GDMLPRegressor, skgd.GDMLPClassifier)


def small(kind, **params):
    """An estimator of this kind that is quick to fit: perceptrons of five hidden units."""
    layers = {"hidden_layer_sizes": (5,)} if is_perceptron(kind) else {}
    return kind(**{"random_state": 0, **layers, **params})


def data_of(kind, **params):
    """X and the targets that this kind of estimator takes."""
    is_classifier = kind in (skgd.GDClassifier, skgd.GDMLPClassifier)
    return make("log_loss" if is_classifier else "squared_error", **params)


def flat(model):
    """All parameters as in path_: weights, then intercepts."""
    if is_perceptron(type(model)):
        return np.concatenate([np.ravel(part) for part in (*model.coefs_, *model.intercepts_)])
    return np.concatenate([np.ravel(model.coef_), model.intercept_])


def theta(model):
    """Parameters (d + 1, K), weights over intercepts."""
    intercept = np.atleast_1d(model.intercept_)
    return np.vstack([np.atleast_2d(model.coef_).T, intercept]).astype(float)


def unpack(row, outputs=1):
    """One row of path_, [weights as in coef_ flattened, intercepts], as theta (d + 1, K)."""
    weights, intercepts = row[:-outputs].reshape(outputs, -1), row[-outputs:]
    return np.vstack([weights.T, intercepts])


def csr(X, index=np.int32):
    """X in compressed rows with index arrays of the given type."""
    X = sparse.csr_matrix(X)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    return X


def wide(n=50, d=400, outputs=1, seed=0):
    """Rows of three non-zeros in hundreds of features, where only those are worth touching."""
    rng = np.random.default_rng(seed)
    X = np.zeros((n, d))
    for row in X:
        row[rng.choice(d // 4, 3, replace=False) ** 2 % d] = rng.normal(size=3)
    y = X @ rng.normal(size=(d, outputs)) + 0.1 * rng.normal(size=(n, outputs))
    return X, y if outputs > 1 else y[:, 0]


def thin(X, density=0.4, seed=0):
    """X with most of its entries set to zero."""
    return X * (np.random.default_rng(seed).random(X.shape) < density)
