"""The contract with scikit-learn: arrays at the door, and what differs between its versions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from numbers import Integral
from os import PathLike

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing, compute_class_weight
from sklearn.utils.validation import _check_sample_weight, check_array, validate_data

from ._arrays import is_laid_out, laid_out
from ._core import core
from ._table import text_columns

try:
    from sklearn.utils._repr_html.estimator import _VisualBlock as VisualBlock
except ImportError:  # scikit-learn < 1.7
    from sklearn.utils._estimator_html_repr import _VisualBlock as VisualBlock

__all__ = [
    "RowsCheck",
    "VisualBlock",
    "check_design",
    "check_largest",
    "check_matrix",
    "check_offset",
    "check_rows",
    "check_weights",
    "class_weights",
    "dense",
    "door_of",
    "is_plain",
    "largest_value",
    "positive",
    "refuse_elsewhere",
    "refuse_sparse",
    "rows_of",
    "schema_of",
    "shaped",
    "times_class_weights",
    "weights_of_classes",
]

_DTYPES = (np.float64, np.float32)
_LINEAR = ("GDRegressor", "GDClassifier")
_ON_DASK = {*_LINEAR, *(f"{name}CV" for name in _LINEAR), "GDMLPRegressor", "GDMLPClassifier"}
_TO_FILES = "write it to Parquet files and give skgd.io.parquet_blocks to fit_blocks."
_ELSEWHERE = {"pyspark": _TO_FILES, "ray": _TO_FILES, "LazyFrame": "give X.collect(), which reads its rows."}
_NATIVE = frozenset(np.dtype(dtype).str for dtype in _DTYPES)


def check_design(
    estimator, X, y="no_validation", *, reset: bool, multi_output=True, y_numeric=False, finite=True
):
    """X (and y) as validated by scikit-learn, in the layout of the core.

    Dense X is C-contiguous float32 or float64, CSR has canonical rows; neither is copied when it is so
    already. With ``finite=False`` an array that needs no other validation may hold infinity and NaN, of
    which the caller then has to take care.
    """
    X, y = _unmapped(X), _unmapped(y)
    if is_plain(X, y, y_numeric, finite) and _has_features_of(estimator, X, reset):
        return X if isinstance(y, str) else (X, y)
    refuse_elsewhere(estimator, X, to_fit=reset)
    given = X
    _check_csr(X)
    options = {
        "accept_sparse": "csr",
        "dtype": _DTYPES,
        "order": "C",
        "accept_large_sparse": True,
        "reset": reset,
        "ensure_all_finite": not (_is_core_array(X) and (not finite or core.all_finite(X))),
    }
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # sums that tell whether X is finite
            if isinstance(y, str):
                return _canonical(validate_data(estimator, X, **options), given)
            X, y = validate_data(estimator, X, y, multi_output=multi_output, y_numeric=y_numeric, **options)
    except ValueError as error:
        columns = text_columns(X)
        if not columns or not any(word in str(error) for word in ("could not convert", "Cannot cast")):
            raise
        raise ValueError(
            f"The columns {columns} of X hold text or categories. Turn them into numbers first, for example "
            f"with skgd.preprocessing.TableEncoder, or OneHotEncoder in a ColumnTransformer."
        ) from error
    return _canonical(X, given), y


def refuse_elsewhere(estimator, X, to_fit: bool = True) -> None:
    """Raise where X is not in memory: a collection of a cluster, files, or rows that are still to come."""
    kind = type(X)
    if kind is np.ndarray:
        return
    package, what = kind.__module__.partition(".")[0], f"{kind.__module__}.{kind.__name__}"
    if package in ("dask", "dask_expr"):
        raise TypeError(f"X is a {what}: {_for_dask(type(estimator).__name__, to_fit)}")
    if remedy := _ELSEWHERE.get(package if kind.__name__ != "LazyFrame" else kind.__name__):
        raise TypeError(f"X is a {what}: {remedy}")
    if isinstance(X, (str, PathLike)):
        raise TypeError(
            f"X={str(X)!r} is a path: read the file first, or give blocks of it to fit_blocks (see skgd.io)."
        )
    if isinstance(X, Iterator):
        raise TypeError(
            f"X is a {kind.__name__}: give fit_blocks a list of blocks, or the function that makes the "
            f"{kind.__name__}; or call partial_fit with each part."
        )


def _for_dask(name: str, to_fit: bool) -> str:
    """What to do with a collection of Dask's that an estimator of this name was given."""
    if not to_fit:
        return (
            "apply the model to its parts, by X.map_blocks(model.predict, drop_axis=1, meta=np.empty(0)) of "
            "an array or X.map_partitions(model.predict) of a data frame."
        )
    known = name in _ON_DASK
    twin = f"skgd.dask.Dask{name}" if known else "an estimator of skgd.dask, such as DaskGDClassifier,"
    return f"fit {twin} to it, or this estimator to X.compute() where the rows fit into memory."


class RowsCheck:
    """The checks of X that are made once something shows that they are needed.

    Whether X is finite, where that is still ``due``: 0 * inf and 0 * nan are nan, so what is not finite in a
    row reaches the parameters with the first update that sees the row, and the sums of the rows' squares
    before it. A fit therefore needs no reading of X for this check alone. And whether the squares of X
    overflow. As a context, both are made where something raises: these errors name the cause.
    """

    def __init__(self, door, X, due: bool):
        self.door, self.X, self.due = door, X, due and _is_core_array(X)

    def __call__(self) -> None:
        """Raise scikit-learn's error if X is not finite, and an error if its squares overflow."""
        if self.due and not core.all_finite(self.X):
            check_design(self.door, self.X, reset=False)
        self.due = False
        check_largest(self.X)

    def __enter__(self):
        self.settings = np.errstate(all="ignore")
        self.settings.__enter__()
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self.settings.__exit__(None, None, None)
        if isinstance(error, Exception):
            try:
                self()
            except ValueError as found:
                raise found from None


def check_largest(X) -> None:
    """Raise where the squares of X overflow, in its precision or in sums over all rows."""
    (n, d), (value, column) = X.shape, largest_value(X)
    of_row, of_all = float(np.finfo(X.dtype).max) / max(1, d), float(np.finfo(float).max) / max(1, n * d)
    if value > min(of_row, of_all) ** 0.5:
        raise ValueError(
            f"X is too large: the squares of its values overflow {X.dtype}. The largest absolute value is "
            f"{value:.3g}, in column {column}. Scale the features first (MinMaxScaler), or leave out "
            f"the rows that hold such values."
        )


def largest_value(X) -> tuple[float, int]:
    """The largest absolute value in X, dense or CSR, and its column."""
    if sparse.issparse(X):
        if not X.nnz:
            return 0.0, 0
        at = np.argmax(np.abs(X.data))
        return float(abs(X.data[at])), int(X.indices[at])
    if not X.size:
        return 0.0, 0
    largest = np.maximum(X.max(axis=0), -X.min(axis=0))
    column = int(np.argmax(largest))
    return float(largest[column]), column


def door_of(estimator):
    """A stand-in for the estimator, for scikit-learn's validation to write what it learns of X to."""
    door = object.__new__(type(estimator))
    door.__dict__.update(vars(estimator))
    return door


def schema_of(door) -> dict:
    """What validation learned of X: the number of its features, their names where they have some, and of
    perceptrons their encoder and the parameters chosen for them."""
    names = ("n_features_in_", "feature_names_in_", "encoder_", "settings_")
    return {name: vars(door)[name] for name in names if name in vars(door)}


def check_matrix(X):
    """X without an estimator, in the layout of the core."""
    given = X
    _check_csr(X)
    options = {"accept_sparse": "csr", "dtype": _DTYPES, "order": "C", "accept_large_sparse": True}
    return _canonical(check_array(X, input_name="X", **options), given)


def is_plain(X, y, y_numeric, finite) -> bool:
    """Whether scikit-learn's validation would pass these arrays through as they are.

    It takes longer than an update of one row; what fails here is left to it, messages included.
    """
    return (
        ((_is_core_array(X) and (not finite or core.all_finite(X))) or _is_finite_core_csr(X))
        and min(X.shape) > 0
        and (
            isinstance(y, str)
            or (
                type(y) is np.ndarray
                and y.ndim == 1
                and len(y) == X.shape[0]
                and (
                    y.dtype.kind in ("biu" if y_numeric else "biuU")
                    or (y.dtype.kind == "f" and _is_finite_vector(y))
                )
            )
        )
    )


def _has_features_of(estimator, X, reset: bool) -> bool:
    """Whether these unnamed features are those of the estimator; with `reset` they are from now on."""
    if reset:
        estimator.n_features_in_ = X.shape[1]
        vars(estimator).pop("feature_names_in_", None)
        return True
    known = vars(estimator)
    return X.shape[1] == known.get("n_features_in_") and "feature_names_in_" not in known


def _unmapped(array):
    """A mapped array as a plain one, of the same memory."""
    return np.asarray(array) if type(array) is np.memmap else array


def _is_core_array(X) -> bool:
    return type(X) is np.ndarray and X.dtype.str in _NATIVE and X.ndim == 2 and is_laid_out(X)


def _is_finite_vector(y: np.ndarray) -> bool:
    known = y.dtype.str in _NATIVE and is_laid_out(y)
    return core.all_finite(y.reshape(1, -1)) if known else bool(np.isfinite(y.sum()))


def _is_finite_core_csr(X) -> bool:
    """Whether these are finite CSR rows as the core takes them; raises where indices are out of range."""
    if type(X) not in (sparse.csr_matrix, sparse.csr_array) or X.ndim != 2 or X.dtype not in _DTYPES:
        return False
    parts = X.data, X.indices, X.indptr
    same = X.indices.dtype == X.indptr.dtype and X.indices.dtype in (np.int32, np.int64)
    if not same or not all(type(part) is np.ndarray and is_laid_out(part) for part in parts):
        return False
    _check_csr(X)
    return X.has_canonical_format and core.all_finite(X.data[None])


def _canonical(X, given):
    """X in the layout of the core; CSR rows are checked unless they are those that were given."""
    if not sparse.issparse(X):
        return X if is_laid_out(X) else laid_out(X)
    data, (indices, indptr) = laid_out(X.data), _indices_of(X)
    if X is not given:
        core.check_csr(indices, indptr, len(X.data), X.shape[1])
    if not (data is X.data and indices is X.indices and indptr is X.indptr):
        X = type(X)((data, indices, indptr), shape=X.shape)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def _indices_of(X) -> tuple[np.ndarray, np.ndarray]:
    """Column indices and row pointers of CSR rows, as the core takes them."""
    wide = np.promote_types(X.indptr.dtype, X.indices.dtype)
    return laid_out(X.indices, wide), laid_out(X.indptr, wide)


def _check_csr(X) -> None:
    """Raise where CSR rows have indices that are out of range: SciPy, which may sort them, trusts them."""
    if sparse.issparse(X) and X.format == "csr":
        core.check_csr(*_indices_of(X), len(X.data), X.shape[1])


def refuse_sparse(y) -> None:
    if type(y) is not np.ndarray and sparse.issparse(y):
        raise ValueError("y is a sparse matrix: give a dense array, such as y.toarray().")


def kind_of_sparse(y) -> str | None:
    """Whether y is a sparse "array" or "matrix"."""
    return ("matrix" if sparse.isspmatrix(y) else "array") if sparse.issparse(y) else None


def dense(y) -> np.ndarray:
    """y as an array, also where it came sparse."""
    return y if type(y) is np.ndarray or not sparse.issparse(y) else y.toarray()


def check_rows(validation, estimator):
    """A validation set of the user's own: X, y and weights."""
    X_val, y_val, weight_val = validation
    if X_val is None or y_val is None:
        raise ValueError(
            "X_val and y_val belong together: give both or neither."
            if weight_val is None
            else "sample_weight_val needs X_val and y_val, whose rows it is for."
        )
    X_val = estimator._check_rows(estimator, X_val, reset=False)
    y_val = dense(check_array(y_val, ensure_2d=False, dtype=None, accept_sparse="csr"))
    if len(y_val) != X_val.shape[0]:
        raise ValueError(
            f"X_val and y_val have inconsistent numbers of samples: {X_val.shape[0]} and {len(y_val)}."
        )
    return X_val, y_val, check_weights(weight_val, X_val, "sample_weight_val")


def rows_of(schema: dict, given, X, y, weight, kept) -> dict:
    """The rows that a fit trains on, for callbacks: of the X `given`, where names of features are expected.

    They are the `kept` ones (None: all are); what has to be copied is a function.
    """
    X = given if "feature_names_in_" in schema or "encoder_" in schema else X
    if kept is not None:
        y, weight = y[kept], None if weight is None else weight[kept]
        X = partial(_safe_indexing, X, kept)
    return {"X": X, "y": y, "metadata": None if weight is None else {"sample_weight": weight}}


def check_offset(offset, X, columns: int, name="offset") -> np.ndarray | None:
    """Offset (n, columns) of raw scores, of X's dtype, or None; one number a row is for all columns."""
    if offset is None:
        return None
    array = check_array(offset, ensure_2d=False, dtype=X.dtype, input_name=name)
    n = X.shape[0]
    if array.shape not in ((n,), (n, 1), (n, columns)):
        wanted = f"({n},)" if columns == 1 else f"({n},) or ({n}, {columns})"
        raise ValueError(f"{name} has shape {array.shape}, but {wanted} is needed.")
    return laid_out(np.broadcast_to(array.reshape(n, -1), (n, columns)))


def check_weights(sample_weight, X, name="sample_weight"):
    """Sample weights of X's dtype, non-negative, or None."""
    if sample_weight is None:
        return None
    weight = laid_out(_check_sample_weight(sample_weight, X, dtype=X.dtype))
    if np.any(weight < 0):
        raise ValueError(f"Negative values in {name}: weights must be non-negative.")
    if not np.any(weight):
        raise ValueError(f"All values of {name} are zero: at least one must be positive.")
    return weight


def class_weights(class_weight, classes, y, codes, sample_weight, dtype):
    """Sample weights multiplied by those of their classes, or None where all are one."""
    if class_weight is None:
        return sample_weight
    return times_class_weights(
        weights_of_classes(class_weight, classes, y, codes, sample_weight), codes, sample_weight, dtype
    )


def weights_of_classes(class_weight, classes, y, codes, sample_weight) -> np.ndarray:
    """The weight of each class in these rows."""
    options = {} if sample_weight is None else {"sample_weight": sample_weight}
    try:
        per_class = compute_class_weight(class_weight, classes=classes, y=y, **options)
    except TypeError:  # scikit-learn < 1.7 takes no sample_weight
        per_class = _class_weight_before_1_7(class_weight, classes, y, codes, sample_weight)
    return np.where(np.isfinite(per_class), per_class, 0.0)  # a class whose rows all have weight zero


def times_class_weights(per_class, codes, sample_weight, dtype) -> np.ndarray:
    weight = per_class[codes.astype(np.intp)]
    return (weight if sample_weight is None else weight * sample_weight).astype(dtype)


def _class_weight_before_1_7(class_weight, classes, y, codes, sample_weight):
    if not (isinstance(class_weight, str) and class_weight == "balanced"):
        return compute_class_weight(class_weight, classes=classes, y=y)
    totals = np.bincount(codes.astype(np.intp), weights=sample_weight, minlength=len(classes))
    return totals.sum() / (len(classes) * totals)


def shaped(array, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A finite array that was given, in the shape that is needed."""
    array = np.asarray(array, dtype=float)
    if array.size != np.prod(shape):
        raise ValueError(f"{name} has shape {array.shape}, but {shape} is needed.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinity.")
    return array.reshape(shape)


def is_count(value) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def positive(values, name: str, zero: bool = False, count: bool = False) -> np.ndarray:
    """The values of a parameter as an array; raises where they are no positive (or zero) numbers. `count`:
    whether a whole number could be given instead."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):  # no numbers at all
        array = np.array([])
    fine = array.ndim == 1 and array.size and np.isfinite(array).all()
    if not fine or not np.all(array >= 0 if zero else array > 0):
        kind = "non-negative" if zero else "positive"
        instead = ", or how many of them" if count else ""
        raise ValueError(f"{name}={values!r} must be a list of {kind} finite numbers{instead}.")
    return array
