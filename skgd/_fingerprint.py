"""What tells whether two fits are of the same rows under the same parameters, at the cost of a sample."""

from __future__ import annotations

import hashlib
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse

__all__ = ["digest", "marks_of_parameters", "marks_of_rows"]

_VALUES = 1 << 14  # of an array that are looked at


def digest(array: np.ndarray) -> str:
    """Shape, type and a hash of all values of an array."""
    known = hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
    return f"{array.dtype.str} {array.shape} {known}"


def _sampled(array) -> str | None:
    """Shape, type and a hash of rows, evenly spaced, of an array or of CSR rows."""
    if array is None:
        return None
    if sparse.issparse(array):
        parts = (_sampled(part) for part in (array.data, array.indices, array.indptr))
        return " ".join([str(array.shape), *map(str, parts)])
    rows = min(len(array), max(16, _VALUES // max(1, array[:1].size)))
    index = np.linspace(0, len(array) - 1, rows).astype(np.intp)
    return f"{array.shape} {digest(np.take(array, index, axis=0))}"


def marks_of_rows(rows) -> dict[str, Any]:
    """Those of the rows that a fit trains on and of those held out (`_rows.TrainingRows`)."""
    held, blocks = rows.held_out, rows.design.rows_of_blocks
    return {
        **({"the cut into blocks": digest(np.array(blocks))} if blocks else {}),
        "X": _sampled(rows.design.X),
        "y": _sampled(rows.targets.y),
        "classes": _described((rows.task.spec(), getattr(rows.task, "classes", None))),
        "sample_weight": _sampled(rows.targets.weight),
        "offset": _sampled(rows.offset),
        "rows trained on": _sampled(rows.design.kept),
        "X_val": None if held is None else _sampled(held.X),
        "y_val": None if held is None else _sampled(held.targets.y),
        "sample_weight_val": None if held is None else _sampled(held.targets.weight),
        "offset_val": None if held is None else _sampled(held.targets.offset),
    }


def marks_of_parameters(estimator, besides: tuple[str, ...]) -> dict[str, str]:
    """The class and the parameters of an estimator, `besides` some; a seed only where it is a number."""
    marks = {"estimator": type(estimator).__name__}
    for name, value in estimator.get_params(deep=False).items():
        seeds = name == "random_state" and not isinstance(value, Integral)
        if name not in besides:
            marks[name] = "drawn" if seeds else _described(value)
    return marks


def _described(value: Any) -> str:
    """In words, which are the same in another process."""
    if isinstance(value, np.ndarray):
        return digest(value) if value.dtype.kind in "biufc" else repr(value.tolist())
    if isinstance(value, np.generic):
        return _described(value.item())
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_described(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(_described, value))})"
    if hasattr(value, "get_params") and not isinstance(value, type):
        return f"{type(value).__name__}({_described(value.get_params(deep=False))})"
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, str | bytes | int | float | None):
        return repr(value)
    return f"{type(value).__qualname__}({_described(getattr(value, '__dict__', {}))})"
