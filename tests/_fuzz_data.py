"""Random data of any kind for the fuzzer: rows, targets and weights, in all containers."""

import numpy as np
from scipy import sparse


def choose(rng, values):
    return values[int(rng.integers(len(values)))]


def length_of(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)


def values_of(rng, shape):
    """Numbers of some kind, mostly tame."""
    kind = int(rng.integers(12))
    X = rng.normal(size=shape)
    if kind == 0:
        return X * 10.0 ** rng.uniform(-300, 300)
    if kind == 1:
        return X * 10.0 ** rng.uniform(-40, 40, shape[-1:])
    if kind == 2:
        return rng.standard_cauchy(shape) ** 3
    if kind == 3:
        return np.round(X)
    if kind == 4:
        return np.zeros(shape)
    if kind == 5:
        return X * (rng.random(shape) < 0.1)
    if kind == 6:
        return X + 10.0 ** rng.uniform(0, 12)
    return X


def spoiled(rng, array):
    """The array with some NaN or infinity."""
    if array.size and array.dtype.kind == "f":
        array = array.copy()
        array.flat[int(rng.integers(array.size))] = choose(rng, [np.nan, np.inf, -np.inf])
    return array


def in_layout(rng, X):
    """The same numbers in other types, orders and containers."""
    kinds = [np.float64, np.float64, np.float64, np.float32, np.float32, np.float16, np.int64, np.uint8, bool]
    with np.errstate(all="ignore"):
        X = X.astype(choose(rng, [*kinds, object, np.longdouble]))
    kind = int(rng.integers(10))
    if kind == 0:
        X = np.asfortranarray(X)
    elif kind == 1:
        X = np.repeat(X, 2, axis=1)[:, ::2]
    elif kind == 2:
        X = X[::-1]
    elif kind == 3:
        X = X.copy()
        X.setflags(write=False)
    elif kind == 4 and X.dtype.kind == "f":
        X = X.astype(X.dtype.newbyteorder())
    elif kind == 5:
        X = X.tolist()
    elif kind == 6 and X.dtype != object:
        memory = np.zeros(X.nbytes + 1, dtype=np.uint8)[1:]
        odd = memory[: X.nbytes].view(X.dtype).reshape(X.shape)
        odd[...] = X
        X = odd
    return X


def in_frame(rng, X):
    import pandas as pd

    X = pd.DataFrame(np.array(X, dtype=float), columns=[f"x{j}" for j in range(np.shape(X)[1])])
    if rng.random() < 0.5 and X.shape[1]:
        X["x0"] = pd.Categorical(rng.choice(["a", "b", "c"], len(X)))
    if rng.random() < 0.3 and X.shape[1] > 1:
        X["x1"] = X["x1"].astype("Float64").mask(rng.random(len(X)) < 0.2)
    return X


def in_rows(rng, X):
    """Sparse, with odd rows, indices and formats."""
    with np.errstate(all="ignore"):
        X = sparse.csr_array(X * (rng.random(X.shape) < rng.uniform(0, 1))).astype(
            choose(rng, [np.float64, np.float32, np.int64])
        )
    kind = int(rng.integers(12))
    if kind == 0 and X.nnz:  # duplicates and unsorted
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        order = np.argsort(np.tile(rows, 2), kind="stable")
        indices, data = np.tile(X.indices, 2)[order][::1], np.tile(X.data, 2)[order]
        X = sparse.csr_array((data, indices, 2 * X.indptr), shape=X.shape)
    elif kind == 1:  # explicit zeros
        X.data[rng.random(X.nnz) < 0.5] = 0
    elif kind == 2:
        X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    elif kind == 3:
        X.indptr = X.indptr.astype(np.int64)
    elif kind == 4 and X.nnz:  # out of range
        X.indices = X.indices.copy()
        X.indices[-1] = choose(rng, [-1, X.shape[1], 2**31 - 1])
    elif kind == 5 and len(X.indptr) > 2:  # falls
        X.indptr = X.indptr.copy()
        X.indptr[1] = X.nnz + choose(rng, [0, 1, 1000])
    elif kind == 6:
        X = X.asformat(choose(rng, ["csc", "coo", "lil", "dok", "bsr", "dia"]))
    elif kind == 7:
        X = sparse.csr_matrix(X)
    elif kind == 8:
        X.data = np.repeat(X.data, 2)[::2]
    return X


def rows_of(rng, n, d):
    X = values_of(rng, (n, d))
    kind = rng.random()
    if kind < 0.04:
        X = spoiled(rng, X)
    if kind < 0.3:
        return in_rows(rng, X)
    if kind < 0.36:
        return in_frame(rng, X)
    return in_layout(rng, X) if kind < 0.7 else X


def targets_of(rng, X, classifies):
    n = length_of(X)
    outputs = choose(rng, [(), (), (), (), (1,), (2,), (3,)])
    if rng.random() < 0.04:
        n = max(0, n + int(rng.integers(-2, 3)))
    if classifies:
        if rng.random() < 0.06:  # probabilities of classes
            parts = rng.dirichlet(np.ones(3), n)
            return spoiled(rng, parts) if rng.random() < 0.1 else parts
        y = rng.integers(0, int(rng.integers(1, 5)), (n, *(outputs if rng.random() < 0.2 else ())))
        kind = int(rng.integers(8))
        if kind == 0 and y.ndim == 1:
            return np.array(["no", "yes", "maybe", "never", "x"])[y]
        if kind == 1:
            return y.astype(float) - 1
        if kind == 2:
            return y.astype(bool)
        if kind == 3 and y.ndim == 1:
            return np.array(["no", None, 3, 2.5, ()], dtype=object)[y] if rng.random() < 0.3 else y.tolist()
        return y
    y = values_of(rng, (n, *outputs))
    y = np.abs(y) if rng.random() < 0.6 else y
    y = spoiled(rng, y) if rng.random() < 0.04 else y
    kind = int(rng.integers(8))
    with np.errstate(all="ignore"):
        if kind == 0:
            return y.astype(np.float32)
        if kind == 1:
            return y.tolist()
        if kind == 2:
            return y.astype(choose(rng, [object, np.int64, bool, np.float16, "U8"]))
    return np.asfortranarray(y) if kind == 3 else y


def weights_of(rng, n):
    kind = int(rng.integers(14))
    if kind < 8:
        return None
    weights = rng.uniform(0, 3, n)
    if kind == 8:
        weights *= rng.random(n) < 0.5
    elif kind == 9:
        weights *= 10.0 ** rng.uniform(-300, 300)
    elif kind == 10:
        weights = choose(rng, [weights - 1, weights[:-1], 0 * weights, spoiled(rng, weights), 2.5, "no"])
    elif kind == 11:
        weights = rng.integers(0, 3, n)
    return weights
