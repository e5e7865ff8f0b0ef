"""y <-> Y: targets of the core from what the user gave, and predictions back."""

from __future__ import annotations

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from ._problem import Targets


def regression_targets(y, weight, dtype, loss) -> Targets:
    """Values (n, K) of the dtype of X."""
    y = np.ascontiguousarray(y, dtype=dtype)
    loss._check_targets(y)
    return Targets(y, weight, 1 if y.ndim == 1 else y.shape[1], False)


def classes_of(y) -> np.ndarray:
    """The sorted classes; at least two."""
    classes = _counted(y)
    if classes is None or 2 * len(classes) > len(y):  # scikit-learn says what is unusual
        check_classification_targets(y)
        classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(f"The number of classes has to be greater than one; got {len(classes)} class.")
    return classes


def _counted(y) -> np.ndarray | None:
    """The sorted values of whole numbers that lie close together: much faster than to sort or hash them."""
    if y.ndim != 1 or y.dtype.kind not in "iu" or y.size == 0:
        return None
    low, high = int(y.min()), int(y.max())
    if high - low > len(y) or not -(2**62) < low <= high < 2**62:
        return None
    return (np.flatnonzero(np.bincount(y.astype(np.intp) - low)) + low).astype(y.dtype)


def class_codes(y, classes, dtype) -> np.ndarray:
    """Positions of y in the sorted classes, as numbers of X's dtype."""
    codes = np.searchsorted(classes, y)
    known = codes < len(classes)
    codes[~known] = 0
    known &= classes[codes] == y
    if not np.all(known):
        unknown = np.unique(np.asarray(y)[~known])
        raise ValueError(f"y contains labels {unknown} that are not among the classes {classes}.")
    return codes.astype(dtype)


def classification_targets(codes, weight, n_classes) -> Targets:
    """One column for two classes, one a class for more."""
    return Targets(codes, weight, 1 if n_classes == 2 else n_classes, True)
