"""Dask's arrays and data frames: their partitions as rows of a fit, and lazy predictions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Parts",
    "Schema",
    "agreement",
    "from_blocks",
    "held_parts",
    "is_collection",
    "lazily",
    "mean_and_squares",
    "parts_of",
    "scored",
]


class Schema(NamedTuple):
    """What is known of the rows before any is computed."""

    features: dict  # n_features_in_ and, where X has them, feature_names_in_
    dtype: Any  # of X
    shape: tuple  # of y of one row


class Parts(NamedTuple):
    """Delayed (X, y, weight or None) of each partition."""

    rows: list[tuple]
    delayed: Callable


def is_collection(X) -> bool:
    """Whether X is a Dask array or data frame."""
    return type(X).__module__.partition(".")[0] in ("dask", "dask_expr") and hasattr(X, "to_delayed")


def parts_of(X, y, weight) -> tuple[Parts, Schema]:
    """The partitions of collections, which have to be the same, and what is known of them."""
    if not is_collection(X):
        raise TypeError(
            f"X is a {type(X).__module__}.{type(X).__name__}: give a Dask array or data frame, or fit "
            f"GDRegressor or GDClassifier to rows in memory."
        )
    from dask import delayed

    parts = _rows(X)
    columns = [parts]
    for name, other in (("y", y), ("sample_weight", weight)):
        columns.append([None] * len(parts) if other is None else _aligned(X, name, other, len(parts)))
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None.")
    return Parts(list(zip(*columns, strict=True)), delayed), _schema(X, y)


def held_parts(X, y, weight) -> list[tuple] | None:
    """Futures (X, y, weight or None) of each partition of arrays that are on the workers (``persist``).

    None where something is still to be computed, or to be cut otherwise.
    """
    from distributed import futures_of

    given = [each for each in (X, y, weight) if each is not None]
    if not all(_is_array(each) and each.chunks[0] == X.chunks[0] for each in given) or _unknown(X):
        return None
    if any(len(columns) > 1 for each in given for columns in each.chunks[1:]):
        return None
    held = []
    for each in given:
        known = {future.key: future for future in futures_of(each)}
        keys = [key[0] if each.ndim > 1 else key for key in each.__dask_keys__()]
        if not all(key in known for key in keys):
            return None
        held.append([known[key] for key in keys])
    weights = [None] * len(held[0]) if weight is None else held.pop()
    return list(zip(*held, weights, strict=True))


def from_blocks(blocks: Sequence) -> tuple:
    """Dask arrays of blocks that the workers load, such as those of :mod:`skgd.io`.

    A worker that is lost costs no rows: others load its blocks again.

    Parameters
    ----------
    blocks : sequence
        Each block is ``(X, y)`` or ``(X, y, sample_weight)``, or a function that loads it. The sequence
        moves to the workers, which have to see the same files.

    Returns
    -------
    arrays : tuple of dask.array.Array
        X, y and, where blocks have them, the weights; a partition for each block.

    Examples
    --------
    >>> import numpy as np
    >>> blocks = [(np.ones((3, 2)), np.zeros(3)), (np.ones((4, 2)), np.zeros(4))]
    >>> X, y = from_blocks(blocks)  # doctest: +SKIP
    """
    import dask.array as da
    from dask import delayed

    first, load = _loaded(blocks, 0), delayed(_loaded, pure=False)
    parts = [load(blocks, number) for number in range(len(blocks))]
    return tuple(
        da.concatenate(
            [
                da.from_delayed(part[k], (np.nan, *array.shape[1:]), array.dtype, meta=array[:0])
                for part in parts
            ],
            allow_unknown_chunksizes=True,
        )
        for k, array in enumerate(first)
    )


def _loaded(blocks: Sequence, number: int) -> tuple:
    """A block as arrays, CSR matrices among them."""
    block = blocks[number]
    block = block() if callable(block) else block
    return tuple(part if hasattr(part, "indptr") else np.asarray(part) for part in block)


def _aligned(X, name: str, other, count: int) -> list:
    """Partitions of y or the weights, cut as those of X."""
    if not is_collection(other):
        raise TypeError(f"{name} is a {type(other).__name__}: give a Dask collection in the partitions of X.")
    if _is_array(X) and _is_array(other) and not _unknown(X) and not _unknown(other):
        if len(other) != len(X):
            raise ValueError(f"Found {name} with {len(other)} rows for X of {len(X)}.")
        other = other.rechunk({0: X.chunks[0]})
    parts = _rows(other)
    if len(parts) != count:
        raise ValueError(f"{name} has {len(parts)} partitions, but X has {count}: cut them alike.")
    return parts


def _is_array(X) -> bool:
    return hasattr(X, "chunks")


def _unknown(X) -> bool:
    return bool(np.isnan(X.chunks[0]).any())


def _rows(X) -> list:
    """Delayed rows of each partition, with all their columns."""
    if not _is_array(X):
        return list(X.to_delayed())
    whole = X.rechunk({1: -1}) if X.ndim > 1 and len(X.chunks[1]) > 1 else X
    return list(whole.to_delayed().ravel())


def _schema(X, y) -> Schema:
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead.")
    shape = (y.shape[1],) if y.ndim == 2 else ()
    features: dict = {"n_features_in_": int(X.shape[1])}
    if _is_array(X):
        return Schema(features, _precision([X.dtype]), shape)
    names = list(X.columns)
    if all(isinstance(name, str) for name in names):
        features["feature_names_in_"] = np.asarray(names, dtype=object)
    return Schema(features, _precision(X.dtypes), shape)


def _precision(dtypes) -> np.dtype:
    narrow = all(dtype == np.float32 for dtype in dtypes)
    return np.dtype(np.float32 if narrow else np.float64)


class _Model:
    """A model without its history, and the name of a method, that move to the workers."""

    def __init__(self, model, method: str):
        self.model, self.method = model, method

    def tried(self, dtype) -> tuple[tuple, np.dtype]:
        """Shape and type of what it gives for a row."""
        row = np.zeros((1, self.model.n_features_in_), dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the row has no names
            found = getattr(self.model, self.method)(row)
        self.shape, self.dtype = found.shape[1:], found.dtype
        return self.shape, self.dtype

    def __call__(self, rows) -> np.ndarray:
        if not rows.shape[0]:
            return np.empty((0, *self.shape), self.dtype)
        return getattr(self.model, self.method)(rows)

    def frame(self, rows):
        """The same with the index of a data frame."""
        import pandas

        found = self(rows)
        return (pandas.Series if found.ndim == 1 else pandas.DataFrame)(found, index=rows.index)


def lazily(estimator, eager: Callable, method: str, X):
    """What a method gives for X: at once, or a collection of it where X is one."""
    if not is_collection(X):
        return eager(X)
    model = _Model(estimator.to_local().strip(), method)
    shape, dtype = model.tried(_precision([X.dtype] if _is_array(X) else X.dtypes))
    if not _is_array(X):
        return X.map_partitions(model.frame, meta=model.frame(X._meta))
    chunks = (X.chunks[0], *((each,) for each in shape))
    whole = X.rechunk({1: -1}) if len(X.chunks[1]) > 1 else X
    options = {"chunks": chunks} if shape else {"drop_axis": 1}
    return whole.map_blocks(model, dtype=dtype, meta=np.empty((0,) * (1 + len(shape)), dtype), **options)


def mean_and_squares(y, found, weight=None) -> tuple:
    """Weight of some rows, mean of y, squares of y about it and of y less what was found, by output."""
    y, found = (np.asarray(each, dtype=float).reshape(len(y), -1) for each in (y, found))
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    total = float(weight.sum())
    mean = weight @ y / total if total > 0 else np.zeros(y.shape[1])
    return total, mean, weight @ (y - mean) ** 2, weight @ (y - found) ** 2


def agreement(y, found, weight=None) -> tuple:
    """The same, where the mean is the share of the rows whose label, or all of whose labels, were found."""
    if y.ndim > found.ndim and y.shape[1] > 1:  # probabilities of classes
        y = np.argmax(y, axis=1)
    right = (y.reshape(found.shape) == found).reshape(len(found), -1).all(axis=1)
    return mean_and_squares(right, np.ones(len(found)), weight)


def together(first: tuple, second: tuple) -> tuple:
    """The same of the rows of both (Chan, Golub & LeVeque 1983)."""
    total = first[0] + second[0]
    if not total > 0:
        return first
    apart, share = second[1] - first[1], second[0] / total
    squares = first[2] + second[2] + apart**2 * (first[0] * share)
    return total, first[1] + share * apart, squares, first[3] + second[3]


def _sums(model: _Model, measure: Callable, X, y, weight):
    if not X.shape[0]:
        return None
    return measure(np.asarray(y), model(X), weight)


def scored(estimator, X, y, weight, measure: Callable) -> tuple | None:
    """mean_and_squares of all rows; None where X is no collection."""
    if not is_collection(X):
        return None
    import dask

    model = _Model(estimator.to_local().strip(), "predict")
    parts, _ = parts_of(X, y, weight)
    sums = dask.compute(*(parts.delayed(_sums)(model, measure, *each) for each in parts.rows))
    known = [each for each in sums if each is not None]
    if not known:
        raise ValueError("X has no rows.")
    found = known[0]
    for each in known[1:]:
        found = together(found, each)
    return found
