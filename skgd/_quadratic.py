"""Squared error from second moments: sums of products over rows, those of folds, and centred ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._design import Design
from ._targets import Targets

__all__ = [
    "FEW_FEATURES",
    "CentredMoments",
    "has_few_features",
    "moments_of_folds",
    "sums_of_folds",
    "sums_of_products",
]

FEW_FEATURES = 128  # up to which X'X is formed for its eigenvalues
_LOST = 1e-6  # share of a sum of squares left, below which a difference has lost too many digits
_CONSTANT = 1e-13  # share of the variance in the mean square, below which it is nothing but rounding
_MOST_KEPT = 1 << 19  # numbers of memory that a thread keeps
_KEPT = threading.local()
_SAMPLE = 256  # rows that tell about where the features lie


def sums_of_products(
    design: Design, targets: Targets, outputs: bool, origin: np.ndarray | None = None, chunk: int = 4096
) -> np.ndarray:
    """Weighted sum over rows of z z', z = (x, 1) or, with `outputs`, (x, 1, y); float64.

    An ``origin`` (d + K,) is taken off x and y.
    """
    d, K = design.d, targets.columns if outputs else 0
    origin = np.zeros(d + K) if origin is None else origin
    z = _memory(min(chunk, design.n), d + 1 + K)
    total = np.zeros((z.shape[1], z.shape[1]))
    for part, rows in design.dense_blocks(chunk):
        z = z[: len(rows)]
        z[:, d] = 1
        np.subtract(rows, origin[:d], out=z[:, :d])
        if outputs:
            z[:, d + 1 :] = targets.y[part].reshape(len(rows), -1) - origin[d:]
        if targets.weight is not None:
            z *= np.sqrt(targets.weight[part, None], dtype=float)
        total += z.T @ z
    return total


def _memory(rows: int, columns: int) -> np.ndarray:
    """Memory of this thread, of any content, a little of which is kept for the next call.

    A block is one of many, and in a worker of Dask's fresh pages for each cost as much as its products.
    """
    size = rows * columns
    known = getattr(_KEPT, "memory", None)
    if known is None or len(known) < size:
        known = np.empty(size)
        if size <= _MOST_KEPT:
            _KEPT.memory = known
    return known[:size].reshape(rows, columns)


def has_few_features(design: Design) -> bool:
    """Whether eigenvalues of second moments are found from these, in the coordinates of X."""
    return design.standard is None and design.d <= FEW_FEATURES


def _part(n: int, *rows) -> bool:
    """Whether these hold each of n rows once (a splitter may repeat rows)."""
    return bool((np.bincount(np.concatenate(rows), minlength=n) == 1).all())


def _differences(
    design: Design, targets: Targets, folds: Sequence, origin: np.ndarray | None = None
) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Sums of products over all rows, and over those that each fold trains on where these are all rows less
    those held out."""
    complements = [_part(design.n, *fold) for fold in folds]
    held_out = [
        sums_of_products(design.take(test), targets.rows(test), True, origin) if rest else None
        for (_, test), rest in zip(folds, complements, strict=True)
    ]
    parted = all(complements) and _part(design.n, *(test for _, test in folds))  # each row is held out once
    if parted:
        everything = np.sum([held for held in held_out if held is not None], axis=0)
    else:
        everything = sums_of_products(design, targets, True, origin)
    return everything, [None if held is None else everything - held for held in held_out]


def sums_of_folds(design: Design, targets: Targets, folds: Sequence) -> list[np.ndarray]:
    """Sums of products, with outputs, over the rows that each fold trains on."""
    everything, differences = _differences(design, targets, folds)
    least = _LOST * np.diag(everything)
    return [
        rest
        if rest is not None and (np.diag(rest) >= least).all()
        else sums_of_products(design.take(train), targets.rows(train), True)
        for (train, _), rest in zip(folds, differences, strict=True)
    ]


@dataclass(frozen=True)
class CentredMoments:
    """Weighted means of features and outputs, and of the products of their deviations from them.

    Without an intercept the deviations are from zero.
    """

    features: np.ndarray  # (d,) means
    outputs: np.ndarray  # (K,) means
    gram: np.ndarray  # (d, d)
    products: np.ndarray  # (d, K), of features and outputs
    squares: np.ndarray  # (K,), of outputs

    @classmethod
    def of(cls, design: Design, targets: Targets, fit_intercept: bool = True) -> CentredMoments:
        """Those of some rows."""
        origin = _about_the_means(design, targets) if fit_intercept else None
        return cls.of_sums(sums_of_products(design, targets, True, origin), design.d, origin)

    @classmethod
    def of_sums(cls, sums: np.ndarray, d: int, origin: np.ndarray | None) -> CentredMoments:
        """From sums of products of (x, 1, y) less an origin (d + K,); None: without an intercept."""
        moments = np.delete(np.delete(sums, d, axis=0), d, axis=1) / sums[d, d]
        squares, means = np.diag(moments).copy(), np.zeros(len(moments))
        if origin is not None:
            means = np.delete(sums[d], d) / sums[d, d]
            moments -= np.outer(means, means)
            means += origin
        constant = np.diag(moments) <= _CONSTANT * squares
        moments[constant] = moments[:, constant] = 0.0
        gram, products = moments[:d, :d].copy(), moments[:d, d:].copy()
        return cls(means[:d], means[d:], gram, products, np.diag(moments)[d:].copy())

    @property
    def variances(self) -> np.ndarray:
        """Of features and outputs (d + K,)."""
        return np.concatenate([np.diag(self.gram), self.squares])

    @property
    def is_finite(self) -> bool:
        """Whether no sum has overflown."""
        return all(np.isfinite(part).all() for part in (self.gram, self.products, self.squares))


def _about_the_means(design: Design, targets: Targets) -> np.ndarray:
    """Means of features and outputs (d + K,) over a sample of the rows that count.

    They are taken off before products are formed, so that an offset of X or y costs no digits.
    """
    rows = np.arange(design.n) if targets.weight is None else np.flatnonzero(targets.weight)
    rows = rows[:: max(1, len(rows) // _SAMPLE)]
    part, y = design.take(rows), targets.y[rows].reshape(len(rows), -1)
    features = np.mean([block.mean(axis=0, dtype=float) for _, block in part.dense_blocks(len(rows))], axis=0)
    return np.concatenate([features, y.mean(axis=0, dtype=float)])


def moments_of_folds(
    design: Design, targets: Targets, folds: Sequence, fit_intercept: bool
) -> list[CentredMoments]:
    """Centred moments of the rows that each fold trains on."""
    origin = _about_the_means(design, targets) if fit_intercept else None
    everything, differences = _differences(design, targets, folds, origin)
    variances = CentredMoments.of_sums(everything, design.d, origin).variances

    def of_fold(train, rest) -> CentredMoments:
        moments = None if rest is None else CentredMoments.of_sums(rest, design.d, origin)
        if moments is None or not (moments.variances >= _LOST * variances).all():
            return CentredMoments.of(design.take(train), targets.rows(train), fit_intercept)
        return moments

    return [of_fold(train, rest) for (train, _), rest in zip(folds, differences, strict=True)]
