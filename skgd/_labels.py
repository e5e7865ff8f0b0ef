"""Labels of any kind: their classes, and codes of them."""

from __future__ import annotations

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from ._core import core

__all__ = ["UnknownLabelsError", "class_codes", "classes_of"]

_FEW_OBJECTS = 256  # that labels are looked for by identity among


class UnknownLabelsError(ValueError):
    """Labels are none of the classes."""


def classes_of(y) -> np.ndarray:
    """The sorted classes; at least two."""
    classes = _counted(y)
    if classes is None and y.dtype.kind == "O":
        classes = _strings(y)
    if classes is None or 2 * len(classes) > len(y):  # scikit-learn says what is unusual
        check_classification_targets(y)
        classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(f"The number of classes has to be greater than one; got {len(classes)} class.")
    return classes


def _strings(y) -> np.ndarray | None:
    """The sorted values of an array of str objects, which takes less time by a table than by sorting all."""
    objects, _ = _objects(y)
    values = set(objects) if y.ndim == 1 else set()
    kinds = {type(value) for value in values}
    if len(kinds) > 1 and str in kinds:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"The labels in y are of different types ({names}): give all of them one type.")
    return np.array(sorted(values), dtype=object) if kinds == {str} else None


def _counted(y) -> np.ndarray | None:
    """The sorted values of whole numbers that lie close together: much faster than to sort or hash them."""
    if y.ndim != 1 or y.dtype.kind not in "iu" or y.size == 0:
        return None
    low, high = int(y.min()), int(y.max())
    if high - low > len(y) or not -(2**62) < low <= high < 2**62:
        return None
    return (np.flatnonzero(np.bincount(_from(y, low))) + low).astype(y.dtype)


def _from(y: np.ndarray, low: int) -> np.ndarray:
    """Whole numbers as indices, counted from `low`: y itself where that is zero."""
    places = y.astype(np.intp, copy=False)
    return places - low if low else places


def class_codes(y, classes, dtype) -> np.ndarray:
    """Positions of y in the sorted classes, as numbers of X's dtype."""
    y = np.asarray(y)
    found = None
    if y.dtype.kind == classes.dtype.kind == "O":
        found = _codes_of_objects(y, classes, dtype)
    elif y.dtype.kind in "iu" and classes.dtype.kind in "iu":
        found = _codes_of_numbers(y, classes, dtype)
    if found is not None and found.min(initial=0) >= 0:
        return found
    codes = np.searchsorted(classes, y)
    known = codes < len(classes)
    codes[~known] = 0
    known &= classes[codes] == y
    if not np.all(known):
        unknown = np.unique(np.asarray(y)[~known])
        raise UnknownLabelsError(f"y contains labels {unknown} that are not among the classes {classes}.")
    return codes.astype(dtype)


def _objects(y: np.ndarray) -> tuple[list, np.ndarray | None]:
    """The objects in an array of them, and which of these each element is; all of them and None where they
    are many or y is not a vector."""
    if y.ndim == 1:
        number = np.empty(len(y), dtype=np.int32)
        found = core.objects_of(y.__array_interface__["data"][0], y.strides[0], number, _FEW_OBJECTS)
        if found is not None:
            return found, number
    return y.ravel().tolist(), None


def _codes_of_objects(y, classes, dtype) -> np.ndarray:
    """Codes of labels that are objects, -1 of unknown ones."""
    table = {label: code for code, label in enumerate(classes.tolist())}
    objects, number = _objects(y)
    codes = np.fromiter((table.get(label, -1) for label in objects), dtype, len(objects))
    return codes if number is None else codes[number]


def _codes_of_numbers(y, classes, dtype) -> np.ndarray | None:
    """Codes of whole numbers, -1 of unknown ones, by a table; None where they lie far apart."""
    low, high = int(classes[0]), int(classes[-1])
    if high - low > max(len(y), 1024) or not -(2**62) < low <= high < 2**62:
        return None
    if len(y) == 0 or int(y.min()) < low or int(y.max()) > high:
        return None
    places = _from(y, low)
    if high - low + 1 == len(classes):
        return places.astype(dtype)
    table = np.full(high - low + 1, -1, dtype=dtype)
    table[classes.astype(np.intp) - low] = np.arange(len(classes))
    return table[places]
