"""A Table: the columns of a data frame or an array, numbers and categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array

__all__ = ["Table", "has_missing", "is_frame", "table_of", "text_columns"]

_UNKNOWN = ("date", "time", "duration", "period", "interval", "complex", "list", "struct", "array")
_NUMBERS = ("int", "uint", "float", "bool", "decimal", "double")  # dtypes of pandas, polars and pyarrow


@dataclass(frozen=True)
class Table:
    """Columns by position."""

    names: list
    named: bool  # whether the names are the user's
    columns: list[Any]  # (n,) each
    categorical: np.ndarray  # (d,) bool

    def numbers(self) -> np.ndarray:
        """(n, columns that are numbers) in float64, NaN where they are missing."""
        found = [_numbers(self.columns[j], self.names[j]) for j in np.flatnonzero(~self.categorical)]
        values = np.column_stack(found) if found else np.empty((self.n, 0))
        if np.isinf(values).any():
            raise ValueError("Input X contains infinity or a value too large for dtype('float64').")
        return values

    def categories(self) -> np.ndarray:
        """(n, columns that are categories) of objects, None where they are missing."""
        found = [_categories(self.columns[j]) for j in np.flatnonzero(self.categorical)]
        return np.column_stack(found) if found else np.empty((self.n, 0), dtype=object)

    @property
    def n(self) -> int:
        return len(self.columns[0])


def is_frame(X) -> bool:
    """Whether X is a data frame, of pandas or polars."""
    return hasattr(X, "columns") and hasattr(X, "dtypes")


def text_columns(X) -> list[str]:
    """Names of the columns of a data frame that are no numbers; none of other X."""
    schema = zip(X.columns, X.dtypes, strict=True) if is_frame(X) else ()
    return [str(name) for name, dtype in schema if not _is_number(dtype)]


def has_missing(X) -> bool:
    """Whether numbers are missing in X, a data frame or a dense array."""
    if is_frame(X):
        if hasattr(X, "null_count"):  # polars
            return any(X[name].null_count() > 0 or _has_nan(X[name].to_numpy()) for name in X.columns)
        return bool(X.isna().to_numpy().any())
    return isinstance(X, np.ndarray) and _has_nan(X)


def _has_nan(values: np.ndarray) -> bool:
    return values.dtype.kind == "f" and bool(np.isnan(np.min(values, initial=np.inf)))


def table_of(X, categorical, names=None, features: int | None = None) -> Table:
    """The columns of X, a data frame or array-like.

    `categorical` says which are categories ("from_dtype", names, indices or a mask); `names`, and how many
    `features` there are, those that were seen before.
    """
    if sparse.issparse(X):
        raise TypeError("A table must be dense: a data frame or an array. Sparse data is not encoded.")
    if is_frame(X):
        given, named = list(X.columns), all(isinstance(name, str) for name in X.columns)
        if names is not None and named and given != list(names):
            raise ValueError(_other_names(given, list(names)))
        columns = [X[name] for name in given]
    else:
        X = check_array(X, dtype=None, ensure_all_finite=False, ensure_min_samples=1)
        named, columns = False, list(X.T)
        given = [f"x{j}" for j in range(len(columns))]
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
    texts = text_columns(X)  # an array has none
    return Table(given, named, columns, _mask(categorical, given, texts))


def _other_names(given: list, names: list) -> str:
    text = "The feature names should match those that were passed during fit."
    missing = [name for name in names if name not in given]
    unseen = [name for name in given if name not in names]
    if missing:
        text += f"\nFeature names seen at fit time, yet now missing: {missing}"
    if unseen:
        text += f"\nFeature names unseen at fit time: {unseen}"
    return (
        text if missing or unseen else text + "\nFeature names must be in the same order as they were in fit."
    )


def _mask(categorical, names: list, texts: list[str]) -> np.ndarray:
    """Which columns are categories; `texts` are those whose dtype says so."""
    if isinstance(categorical, str):
        if categorical != "from_dtype":
            raise ValueError(
                f'categorical_features={categorical!r} must be "from_dtype", or names, indices or a mask.'
            )
        return np.array([str(name) in texts for name in names], dtype=bool)
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
        if str(column.dtype).lower().startswith(_UNKNOWN):
            raise ValueError(
                f"Column {name!r} of X holds {column.dtype}: turn it into numbers or categories first, for "
                f"example a date into year, month and day of the week."
            )


def _is_number(dtype) -> bool:
    """Whether a column of this dtype, of a data frame or an array, holds numbers."""
    return str(dtype).lower().startswith(_NUMBERS)


def _numbers(column, name) -> np.ndarray:
    try:
        if hasattr(column, "isna"):  # pandas, whose own missing values become NaN
            return column.to_numpy(dtype=float, na_value=np.nan)
        return np.asarray(column, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {name!r} of X holds what is no number: name it in categorical_features, or give it a "
            f"category dtype. {error}"
        ) from error


def _categories(column) -> np.ndarray:
    values = np.empty(len(column), dtype=object)
    values[:] = column.to_list() if hasattr(column, "to_list") else column.tolist()
    values[[value is not None and value != value for value in values]] = None  # NaN
    if len({type(value) for value in values if value is not None}) > 1:
        values = np.array([None if value is None else str(value) for value in values], dtype=object)
    return values
