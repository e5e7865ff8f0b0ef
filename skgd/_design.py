"""A Design: the rows of X as a descent sees them, dense or CSR, in the coordinates of the descent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ._features import Present, present_in
from ._mapped import Mapping, in_blocks, mapping_of
from ._moments import Moments, dense_moments, moments_of, sparse_moments

__all__ = ["SAMPLE", "CsrDesign", "DenseDesign", "Design", "RoundedDesign", "Standard", "design_of"]

SAMPLE = 2048  # rows that tell whether the units of the features differ


@dataclass(frozen=True)
class Standard:
    """Coordinates (x - center) / scale of a descent; parameters are (d + 1, columns) arrays."""

    center: np.ndarray  # (d,)
    scale: np.ndarray  # (d,)

    def to_standardized(self, theta: np.ndarray) -> np.ndarray:
        """Parameters for the coordinates from parameters for X."""
        out = theta.copy()
        out[:-1] = theta[:-1] * self.scale[:, None]
        out[-1] = theta[-1] + self.center @ theta[:-1]
        return out

    def to_original(self, theta: np.ndarray) -> np.ndarray:
        """Parameters for X from parameters for the coordinates."""
        out = theta.copy()
        out[:-1] = theta[:-1] / self.scale[:, None]
        out[-1] = theta[-1] - self.center @ out[:-1]
        return out


class Design:
    """Rows of X, (n, d) of float32 or float64, which are neither copied nor owned.

    With a ``standard`` the descent sees (x - center) / scale, computed on the fly. With ``kept`` these are
    some of the rows of X only.
    """

    is_sparse = False
    rows_of_blocks: tuple[int, ...] = ()  # where rows lie in blocks

    def __init__(
        self,
        X,
        standard: Standard | None = None,
        sampled: dict | None = None,
        kept: np.ndarray | None = None,
        given: np.dtype | None = None,
        features: Present | None = None,
    ):
        self.X, self.standard = X, standard
        self.given = X.dtype if given is None else given  # the precision of the X of the user
        self.features = features  # those of the user's X that are these; None: all
        self.kept = kept  # (n,) int32, rising: the rows of X that are these; None: all
        self.n: int = X.shape[0] if kept is None else len(kept)
        self.d: int = X.shape[1]
        self.dtype = X.dtype
        self._sampled = {} if sampled is None else sampled  # moments of a sample, by the identity of weights

    def __len__(self) -> int:
        """Rows of X, those among them that are not kept too."""
        return self.X.shape[0]

    def take(self, index) -> Design:
        """Some rows, by numbers or a slice."""
        return type(self)(self._rows(index), self.standard, given=self.given, features=self.features)

    def in_precision(self, dtype: np.dtype | None) -> Design:
        """The same rows in another precision, to which they are rounded in the coordinates of the descent."""
        return self if dtype is None or dtype == self.dtype else self._rounded(dtype)

    def standardized(self, standard: Standard | None) -> Design:
        """The same rows in other coordinates."""
        if standard is self.standard:
            return self
        return type(self)(self.X, standard, self._sampled, self.kept, features=self.features)

    def of_present_features(self) -> Design:
        """The same rows without features that none of them has, where that pays."""
        return self

    def like(self, other: Design) -> Design:
        """The same rows in the coordinates of another design, with its features."""
        if other.features is None:
            return self.standardized(other.standard)
        return type(self)(self._columns(other.features.numbers), other.standard, features=other.features)

    @property
    def all_features(self) -> int:
        """Features of the user's X."""
        return self.d if self.features is None else self.features.total

    def of_all_features(self, values: np.ndarray) -> np.ndarray:
        """Values (..., d) of the features as those of all features of the user's X."""
        return values if self.features is None else self.features.in_all(values)

    def blocks(self, size: int) -> Iterator[tuple[slice, Any]]:
        """Slices and the rows in them as they are in X."""
        for start in range(0, self.n, size):
            part = slice(start, start + size)
            yield part, self._rows(part)

    def dense_blocks(self, size: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Slices and the rows in them, dense, in the coordinates of the descent."""
        for part, rows in self.blocks(size):
            dense = self._dense(rows)
            if self.standard is not None:
                dense = (dense - self.standard.center) / self.standard.scale
            yield part, dense

    def core_rows(self):
        """The rows as the core takes them: an array, or (data, indices, indptr, d)."""
        return self.X

    def core_coordinates(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Centre and inverse scale as the core takes them."""
        if self.standard is None:
            return None
        return self.standard.center.astype(self.dtype), (1.0 / self.standard.scale).astype(self.dtype)

    def moments(self, weight: np.ndarray | None = None) -> Moments:
        """Weighted moments of the features in X."""
        if self.n <= SAMPLE:
            return self.sampled_moments(weight)
        return self._moments_of_rows(weight)

    def sampled_moments(self, weight: np.ndarray | None = None) -> Moments:
        """The moments of about SAMPLE rows, evenly spaced among those that count; found once and kept."""
        known, found = self._sampled.get(id(weight), (None, None))
        if found is None or known is not weight:
            index = self.sampled_rows(weight)
            part = None if weight is None else weight[index]
            found = self._moments_of_rows(part, index)
            self._sampled[id(weight)] = weight, found
        return found

    def sampled_rows(self, weight: np.ndarray | None) -> np.ndarray:
        """The numbers of about SAMPLE rows, evenly spaced among those that count."""
        if self.n <= SAMPLE:
            return np.arange(self.n)
        if weight is None:
            return np.linspace(0, self.n - 1, SAMPLE).astype(np.intp)
        index = np.flatnonzero(weight)
        return index[np.linspace(0, len(index) - 1, SAMPLE).astype(np.intp)] if len(index) > SAMPLE else index

    def _moments_of_rows(self, weight: np.ndarray | None, index: np.ndarray | None = None) -> Moments:
        """The moments of all rows or of those of an index; weights are those of the same rows."""
        found, size = Moments.none(self.d), self._rows_at_a_time
        for start in range(0, self.n if index is None else len(index), size):
            part = slice(start, start + size)
            rows = self._rows(part if index is None else index[part])
            found = found + moments_of(rows, None if weight is None else weight[part], self._moments_in)
        return found

    @property
    def _rows_at_a_time(self) -> int:
        """Rows that moments are taken from at a time."""
        return 1 << 14

    def mean_squares(self, weight: np.ndarray | None = None) -> np.ndarray:
        """Weighted mean square of each feature (d,); one each in standardised coordinates."""
        if self.standard is not None:
            return np.ones(self.d)
        found = self._sum_of_squares(weight)
        found /= self.n if weight is None else weight.sum(dtype=float)
        return found

    @property
    def mapping(self) -> Mapping | None:
        """The file of the rows, where it is too large to stay in memory."""
        return None

    _moments_in = staticmethod(dense_moments)

    def _rows(self, index):
        return self.X[index if self.kept is None else self.kept[index]]

    def _columns(self, numbers: np.ndarray):
        return self._rows(slice(None))[:, numbers]

    def _dense(self, rows) -> np.ndarray:
        return rows

    def _rounded(self, dtype: np.dtype) -> Design:
        raise NotImplementedError

    def _sum_of_squares(self, weight) -> np.ndarray:
        raise NotImplementedError


class DenseDesign(Design):
    """A C-contiguous array."""

    @property
    def _rows_at_a_time(self) -> int:
        """So many that an interrupt is seen soon; of copies, that they stay in the cache."""
        return self._rows_of(1 << 21) if self.kept is None else self._rows_in_cache

    @property
    def _rows_in_cache(self) -> int:
        """So many that what is computed from them stays in the second-level cache."""
        return self._rows_of(1 << 16)

    def _rows_of(self, values: int) -> int:
        return max(64, values // max(1, self.d))

    _mapping: tuple[Mapping | None] | None = None  # once it was looked for

    @property
    def mapping(self):
        if self._mapping is None:
            self._mapping = (mapping_of(self.X),)
        return self._mapping[0]

    def loaded(
        self, blocks: list[tuple[int, int]], following: list[list[tuple[int, int]]]
    ) -> tuple[Design, np.ndarray]:
        """The rows of these blocks of a mapped file as a design in memory, which they are in until the next
        call, and their numbers; those of the calls to follow are read meanwhile."""
        numbers = np.concatenate([np.arange(*block) for block in blocks])
        rows = self._read(blocks, following)
        if rows is None:
            rows = self._copied(blocks, following)
        return DenseDesign(rows, self.standard), numbers

    def _read(self, blocks: list, following: list) -> np.ndarray | None:
        """The rows read from the file; None where it cannot be read but by its mapping."""
        if self.mapping.reader is None:
            return None
        spans = [self._span(*block) for block in blocks]
        try:
            found = self.mapping.read(spans, [[self._span(*block) for block in each] for each in following])
        except OSError:
            self.mapping.reader = None
            return None
        rows = found.view(self.dtype).reshape(-1, self.d)
        if self.kept is None:
            return rows
        ends = np.cumsum([last - first for first, last in spans])
        places = [
            end - last + self.kept[start:stop]
            for (start, stop), (_, last), end in zip(blocks, spans, ends, strict=True)
        ]
        return rows[np.concatenate(places)]

    def _copied(self, blocks: list, following: list) -> np.ndarray:
        """The rows copied from the mapping."""
        for block in following[0] if following else ():
            self.mapping.will_need(*self._span(*block))
        ends = np.cumsum([stop - start for start, stop in blocks])
        rows = np.empty((ends[-1], self.d), self.dtype)
        with in_blocks(self.mapping):
            for (start, stop), end in zip(blocks, ends.tolist(), strict=True):
                self.mapping.will_need(*self._span(start, stop))  # again: it may have been evicted
                rows[end - stop + start : end] = self._rows(slice(start, stop))
        return rows

    def _span(self, start: int, stop: int) -> tuple[int, int]:
        """First row of X, and that after the last, of some of these rows."""
        if self.kept is None:
            return start, stop
        return int(self.kept[start]), int(self.kept[stop - 1]) + 1

    def _rows(self, index):
        return np.ascontiguousarray(super()._rows(index))

    def _columns(self, numbers):
        return self._rows(slice(None)).take(numbers, axis=1)

    def _rounded(self, dtype):
        rounded = np.empty(self.X.shape, dtype)
        for part, rows in DenseDesign(self.X, self.standard).dense_blocks(self._rows_in_cache):
            rounded[part] = rows
        kind = DenseDesign if self.standard is None else RoundedDesign
        return kind(rounded, self.standard, kept=self.kept, given=self.given)

    def _sum_of_squares(self, weight):
        if weight is None:
            return sum(np.einsum("ij,ij->j", rows, rows, dtype=float) for _, rows in self.blocks(4096))
        return sum(weight[part].astype(float) @ np.square(rows) for part, rows in self.blocks(4096))


class RoundedDesign(DenseDesign):
    """Rows that are in the coordinates of the descent already, so that what they were rounded from, which may
    lie far from zero, has lost no digits."""

    def core_coordinates(self):
        return None

    def dense_blocks(self, size):
        return self.blocks(size)


class CsrDesign(Design):
    """A CSR matrix or array in canonical format."""

    is_sparse = True
    _moments_in = staticmethod(sparse_moments)

    @property
    def _rows_at_a_time(self) -> int:
        """Rows of four million non-zeros, which moments copy."""
        return max(1, (1 << 22) * self.n // max(1, self.X.nnz))

    def of_present_features(self):
        found = present_in(self.X)
        if found is None:
            return self
        features, columns = found
        shape = (len(self), len(features.numbers))
        narrow = type(self.X)((self.X.data, columns, self.X.indptr), shape=shape, copy=False)
        return CsrDesign(narrow, self.standard, kept=self.kept, given=self.given, features=features)

    def core_rows(self):
        return self.X.data, self.X.indices, self.X.indptr, self.d

    def _rows(self, index):
        all_rows = self.kept is None and isinstance(index, slice) and index.indices(self.n) == (0, self.n, 1)
        return self.X if all_rows else super()._rows(index)

    def _dense(self, rows):
        return rows.toarray()

    def _rounded(self, dtype):
        parts = self.X.data.astype(dtype), self.X.indices, self.X.indptr
        rounded = type(self.X)(parts, shape=self.X.shape)
        return CsrDesign(rounded, self.standard, kept=self.kept, given=self.given, features=self.features)

    def _sum_of_squares(self, weight):
        X = self._rows(slice(None))
        squares = np.square(X.data, dtype=float)
        if weight is not None:
            squares *= np.repeat(weight.astype(float), np.diff(X.indptr))
        found = np.bincount(X.indices, squares, minlength=self.d)
        return found.astype(float, copy=False)  # counts where X has no entry


def design_of(X, kept: np.ndarray | None = None) -> Design:
    """The Design of validated rows, or of some of them."""
    is_dense = type(X) is np.ndarray or not sparse.issparse(X)  # the first is found out faster
    return (DenseDesign if is_dense else CsrDesign)(X, kept=kept)
