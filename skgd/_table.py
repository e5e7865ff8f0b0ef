"""A Table: the columns of a data frame or an array, numbers and categories."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from numbers import Number
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array

__all__ = ["Table", "has_missing", "is_frame", "precision_of", "table_of", "text_columns"]

_UNKNOWN = (
    *("date", "time", "duration", "period", "interval", "complex", "list", "struct", "array"),
    *("ndarray", "dict", "set"),  # types of objects
)
_NUMBERS = ("int", "uint", "float", "bool", "decimal", "double")  # dtypes of pandas, polars and pyarrow
_NUMBER = (Number, np.bool_)
_UNKNOWN_VALUES = (date, time, timedelta, np.datetime64, np.timedelta64, complex, list, dict, set, np.ndarray)


@dataclass(frozen=True)
class Table:
    """Columns by position."""

    names: list
    columns: list[Any]  # (n,) each
    categorical: np.ndarray  # (d,) bool

    def numbers(self) -> np.ndarray:
        """(n, columns that are numbers) in float64, NaN where they are missing."""
        found = [_numbers(self.columns[j], self.names[j]) for j in np.flatnonzero(~self.categorical)]
        values = np.column_stack(found) if found else np.empty((self.n, 0))
        if np.isinf(values).any():
            raise ValueError("Input X contains infinity or a value too large for dtype('float64').")
        return values

    def categories(self, as_text=None) -> tuple[np.ndarray, list[bool]]:
        """(n, columns that are categories) of objects, None where they are missing, and which columns are
        told apart as text: as said, or those whose values are of several kinds."""
        found = [_values(self.columns[j]) for j in np.flatnonzero(self.categorical)]
        as_text = [_are_mixed(values) for values in found] if as_text is None else as_text
        found = [_text(values) if text else values for values, text in zip(found, as_text, strict=True)]
        return np.column_stack(found) if found else np.empty((self.n, 0), dtype=object), as_text

    @property
    def n(self) -> int:
        return len(self.columns[0])


def is_frame(X) -> bool:
    """Whether X is a data frame, of pandas or polars."""
    return hasattr(X, "columns") and hasattr(X, "dtypes")


def precision_of(X) -> np.dtype:
    """That of predictions for X: float32 where all its numbers have it, else float64."""
    dtypes = list(X.dtypes) if is_frame(X) else [getattr(X, "dtype", None)]
    single = all(str(dtype).lower() == "float32" for dtype in dtypes)
    return np.dtype(np.float32 if single else np.float64)


def text_columns(X) -> list[str]:
    """Names of the columns of a data frame that are no numbers; none of other X."""
    return (
        [str(name) for name, text in zip(X.columns, _are_texts(X), strict=True) if text]
        if is_frame(X)
        else []
    )


def _are_texts(X) -> list[bool]:
    """Whether the columns of a data frame are no numbers."""
    return [
        not (_is_number(dtype) or (str(dtype).lower() == "object" and _are_numbers(column)))
        for dtype, column in zip(X.dtypes, _columns(X), strict=True)
    ]


def _columns(X) -> list:
    """The columns of a data frame, whatever their names."""
    return [X.iloc[:, j] for j in range(X.shape[1])] if hasattr(X, "iloc") else list(X.get_columns())


def has_missing(X) -> bool:
    """Whether numbers are missing in X, a data frame or a dense array."""
    if is_frame(X):
        if hasattr(X, "null_count"):  # polars
            return any(column.null_count() > 0 or _has_nan(column.to_numpy()) for column in _columns(X))
        return bool(X.isna().to_numpy().any())
    return isinstance(X, np.ndarray) and _has_nan(X)


def _has_nan(values: np.ndarray) -> bool:
    return values.dtype.kind == "f" and bool(np.isnan(np.min(values, initial=np.inf)))


def table_of(X, categorical, features: int | None = None) -> Table:
    """The columns of X, a data frame or array-like.

    `categorical` says which are categories ("from_dtype", names, indices or a mask), `features` how many
    columns were seen before.
    """
    if sparse.issparse(X):
        raise TypeError("A table must be dense: a data frame or an array. Sparse data is not encoded.")
    if is_frame(X):
        given, columns, texts = list(X.columns), _columns(X), _are_texts(X)
    else:
        X = check_array(X, dtype=None, ensure_all_finite=False, ensure_min_samples=1)
        columns = list(X.T)
        given, texts = [f"x{j}" for j in range(len(columns))], [False] * len(columns)
    n = len(columns[0]) if columns else 0
    if not n:
        raise ValueError(
            f"Found a table of {n} sample(s) and {len(columns)} feature(s); one of each is required."
        )
    if features is not None and len(given) != features:
        raise ValueError(
            f"X has {len(given)} features, but TableEncoder is expecting {features} features as input."
        )
    _check_kinds(given, columns)
    return Table(given, columns, _mask(categorical, given, texts))


def _mask(categorical, names: list, texts: list[bool]) -> np.ndarray:
    """Which columns are categories; `texts` are those whose dtype says so."""
    if isinstance(categorical, str):
        if categorical != "from_dtype":
            raise ValueError(
                f'categorical_features={categorical!r} must be "from_dtype", None, names, indices or a mask.'
            )
        return np.array(texts, dtype=bool)
    if categorical is None:
        return np.zeros(len(names), dtype=bool)
    chosen = np.asarray(categorical)
    if chosen.dtype == bool:
        if chosen.shape != (len(names),):
            raise ValueError(
                f"categorical_features is a mask of shape {chosen.shape} for {len(names)} columns."
            )
        return chosen
    known = {name: j for j, name in enumerate(names)}
    try:
        places = [known[one] if isinstance(one, str) else range(len(names))[one] for one in chosen.tolist()]
    except (KeyError, IndexError):
        raise ValueError(
            f"categorical_features={categorical!r} names columns that X does not have."
        ) from None
    mask = np.zeros(len(names), dtype=bool)
    mask[places] = True
    return mask


def _check_kinds(names: list, columns: list) -> None:
    """Raise where a column is neither numbers nor categories."""
    for name, column in zip(names, columns, strict=True):
        kind = str(column.dtype)
        if kind.lower() == "object":
            first = next((value for value in column if not _is_missing(value)), None)
            kind = type(first).__name__ if isinstance(first, _UNKNOWN_VALUES) else ""
        if kind.lower().startswith(_UNKNOWN):
            raise ValueError(
                f"Column {name!r} of X holds {kind}: turn it into numbers or categories first, for "
                f"example a date into year, month and day of the week."
            )


def _is_number(dtype) -> bool:
    """Whether a column of this dtype, of a data frame or an array, holds numbers."""
    name = str(dtype).lower()
    return (str(dtype.subtype) if name.startswith("sparse") else name).startswith(_NUMBERS)


def _are_numbers(objects) -> bool:
    """Whether there are numbers among these objects, and nothing else but missing ones."""
    known = (value for value in objects if not _is_missing(value))
    return isinstance(next(known, None), _NUMBER) and all(isinstance(value, _NUMBER) for value in known)


def _is_missing(value) -> bool:
    """Whether it is None, NaN, or pandas' NA or NaT."""
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, Number) and value != value)
    )


def _numbers(column, name) -> np.ndarray:
    try:
        if hasattr(column, "isna"):  # pandas, whose own missing values become NaN
            return column.to_numpy(dtype=float, na_value=np.nan)
        if str(column.dtype) == "object":
            column = [np.nan if _is_missing(value) else value for value in column]
        return np.asarray(column, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {name!r} of X holds what is no number: name it in categorical_features, or give it a "
            f"category dtype. {error}"
        ) from error


def _values(column) -> np.ndarray:
    """(n,) of objects, None where they are missing."""
    values = np.empty(len(column), dtype=object)
    values[:] = column.to_list() if hasattr(column, "to_list") else column.tolist()
    values[[_is_missing(value) for value in values]] = None
    return values


def _are_mixed(values: np.ndarray) -> bool:
    """Whether there are values of several kinds, which have no order."""
    kinds = (Number if isinstance(value, _NUMBER) else type(value) for value in values)
    return len({kind for kind in kinds if kind is not type(None)}) > 1


def _text(values: np.ndarray) -> np.ndarray:
    return np.array([None if value is None else str(value) for value in values], dtype=object)
