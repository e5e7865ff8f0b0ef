"""Which rows are held out of training: a fraction of them, whole groups, or what a splitter says."""

from __future__ import annotations

from numbers import Real

import numpy as np

__all__ = ["split_rows"]

_FEW_CLASSES = 16  # whose rows are found one class after the other


def split_rows(validation_fraction, seed: int, X, y, codes=None, groups=None):
    """Numbers of the rows to train on (int32, as in the core) and of those held out, both rising.

    A fraction keeps the shares of the classes, whose ``codes`` are whole numbers from 0; with ``groups``
    it holds out whole groups. Of a splitter the last split is taken.
    """
    n = X.shape[0]
    if not isinstance(validation_fraction, Real):
        kept, held = _last_split(validation_fraction, X, y, groups)
    elif groups is not None:
        kept, held = _whole_groups(validation_fraction, seed, X, y, groups)
    else:
        outside = np.ones(n, dtype=bool)
        outside[_drawn(float(validation_fraction), seed % 2**32, n, codes)] = False
        kept, held = np.flatnonzero(outside), np.flatnonzero(~outside)
    if len(held) < 2:
        raise ValueError(
            f"The validation set is too small: validation_fraction={validation_fraction} of n_samples={n} "
            f"rows is {len(held)}. Increase validation_fraction, or give fit X_val and y_val."
        )
    if not len(kept):
        raise ValueError(
            f"validation_fraction={validation_fraction} of n_samples={n} leaves no rows to train on."
        )
    return kept.astype(np.int32), held


def _drawn(fraction: float, seed: int, n: int, codes) -> np.ndarray:
    """A fraction of the rows, rounded up; of each class as many as its share, by largest remainders."""
    random, size = np.random.default_rng(seed), min(n, int(np.ceil(fraction * n)))
    if codes is None:
        return random.choice(n, size, replace=False, shuffle=False)
    members = _members(codes)
    counts = np.array([len(rows) for rows in members])
    _check_classes(fraction, counts, size, n)
    parts = zip(members, _shares(random, counts, size), strict=True)
    return np.concatenate(
        [rows[random.choice(len(rows), k, replace=False, shuffle=False)] for rows, k in parts]
    )


def _check_classes(fraction: float, counts: np.ndarray, size: int, n: int) -> None:
    rarest = counts[counts > 0].min()
    if rarest < 2:
        raise ValueError(
            f"The least populated class in y has only {rarest} member: a class needs two at least to be "
            f"among the rows to train on and those held out. Give fit X_val and y_val."
        )
    classes = np.count_nonzero(counts)
    if min(size, n - size) < classes:
        raise ValueError(
            f"validation_fraction={fraction} parts n_samples={n} into {n - size} rows to train on and {size} "
            f"held out, but there are {classes} classes: each needs a row in both."
        )


def _members(codes: np.ndarray) -> list[np.ndarray]:
    """The rows of each class."""
    classes = int(codes.max()) + 1
    if classes <= _FEW_CLASSES:
        return [np.flatnonzero(codes == k) for k in range(classes)]
    whole = codes.astype(np.intp)
    return np.split(np.argsort(whole, kind="stable"), np.cumsum(np.bincount(whole))[:-1])


def _shares(random, counts: np.ndarray, size: int) -> np.ndarray:
    """`size` shared out in proportion to counts; equal remainders by lot."""
    exact = counts * (size / counts.sum())
    shares = np.floor(exact).astype(np.intp)
    largest = np.lexsort((random.random(len(counts)), shares - exact))
    shares[largest[: size - shares.sum()]] += 1
    return shares


def _whole_groups(fraction, seed: int, X, y, groups):
    from sklearn.model_selection import GroupShuffleSplit  # late: slow to import

    splitter = GroupShuffleSplit(1, test_size=float(fraction), random_state=seed % 2**32)
    return _last_split(splitter, X, y, groups)


def _last_split(splitter, X, y, groups):
    """Of a splitter of scikit-learn, or of a list of one pair (rows to train on, rows held out)."""
    n = X.shape[0]
    splits = list(splitter.split(X, y, groups) if hasattr(splitter, "split") else splitter)
    if not splits or (not hasattr(splitter, "split") and len(splits) != 1):
        raise ValueError(
            f"validation_fraction has {len(splits)} splits: give one pair (rows to train on, rows held out), "
            f"or a splitter, of which the last split is taken."
        )
    kept, held = (np.sort(_numbers(part, n)) for part in _pair(splits[-1]))
    if (np.bincount(np.concatenate([kept, held]), minlength=n) > 1).any():
        raise ValueError(
            "The split given as validation_fraction has rows twice, or both to train on and held out."
        )
    return kept, held


def _pair(split):
    if not isinstance(split, tuple | list) or len(split) != 2:
        raise ValueError(
            f"A split given as validation_fraction must be a pair (rows to train on, rows held out), "
            f"not {split!r}."
        )
    return split


def _numbers(part, n: int) -> np.ndarray:
    """Row numbers, which may be given as a mask."""
    try:
        return np.arange(n)[np.asarray(part)].ravel()
    except IndexError as error:
        raise ValueError(f"The split given as validation_fraction does not fit {n} rows: {error}.") from None
