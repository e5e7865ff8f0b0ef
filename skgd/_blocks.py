"""Rows in blocks: each validated, and what the first reading of all of them tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array

from ._reading import ahead
from ._table import has_missing, is_frame, text_columns
from ._validation import dense

__all__ = [
    "Block",
    "Facts",
    "LocalBlocks",
    "Preparation",
    "Summary",
    "Survey",
    "Thinned",
    "edges_of",
    "every",
    "facts_of",
    "joined",
    "whole_groups",
]

_MOST_BYTES = 1 << 26  # of a sample of the rows
_LEAST_ROWS, _MOST_ROWS = 2048, 20_000  # in it
_GROUP = 64  # rows that the core adds in float32 before it adds in float64 (Model::few_rows)
MOST_TARGETS = 1 << 22  # y of so many rows is kept; of more rows a part of it


@dataclass
class Block:
    """Some rows: X as the core takes it, y and weights as they are given."""

    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    problems: dict = field(default_factory=dict)  # made of it, by what they were made for

    def __len__(self) -> int:
        return self.X.shape[0]

    def __getstate__(self) -> dict:
        """What moves to another process: compiled problems stay."""
        return {**vars(self), "problems": {}}


@dataclass
class Preparation:
    """Validates blocks: all have the features, the precision and the kind of y of the first."""

    door: Any  # a stand-in for the estimator, to which the first block writes its features
    dtype: Any = None  # None: that of the first block
    shape: tuple | None = None  # of y of one row

    def __call__(self, number: int, given) -> Block | None:
        """The rows of a block; None where there are none."""
        try:
            return self._prepared(*_parts_of(given))
        except (TypeError, ValueError) as error:
            raise type(error)(f"Block {number}: {error}{_hint(given)}") from error

    def _prepared(self, X, y, weight) -> Block | None:
        if getattr(X, "shape", None) is not None and X.shape[0] == 0:
            return None
        first = self.shape is None
        X, y = self.door._check_rows(self.door, X, y, reset=first)
        self.dtype = X.dtype if self.dtype is None else self.dtype
        X, y = X.astype(self.dtype, copy=False), dense(y)
        if self.shape is None:
            self.shape = y.shape[1:]
        if y.shape[1:] != self.shape:
            raise ValueError(f"y of a row has shape {y.shape[1:]}, but {self.shape} in the first block.")
        return Block(X, y, None if weight is None else _checked_weight(weight, X))


def _hint(given) -> str:
    """What to do about words and holes."""
    X = given[0] if isinstance(given, (tuple, list)) and given else None
    if not (is_frame(X) and (text_columns(X) or has_missing(X))):
        return ""
    return (
        " Words and holes are for an encoder, such as skgd.preprocessing.TableEncoder: fit it to some of the "
        "rows, and let it transform each block (transformer= in skgd.io)."
    )


def _parts_of(given) -> tuple:
    """X, y and weights, or None in place of them."""
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise TypeError(f"a block is (X, y) or (X, y, sample_weight), but this is {_described(given)}.")
    return (*given, None) if len(given) == 2 else tuple(given)


def _described(given) -> str:
    size = f" of {len(given)}" if isinstance(given, (tuple, list)) else ""
    return type(given).__name__ + size


def _checked_weight(weight, X) -> np.ndarray:
    weight = check_array(weight, ensure_2d=False, dtype=X.dtype, input_name="sample_weight")
    if weight.shape != X.shape[:1]:
        raise ValueError(f"sample_weight has shape {weight.shape}, but there are {X.shape[0]} rows.")
    if np.any(weight < 0):
        raise ValueError("Negative values in sample_weight: weights must be non-negative.")
    return weight


def joined(parts: list):
    """Rows of all parts, dense or CSR."""
    if any(sparse.issparse(part) for part in parts):
        return sparse.vstack([sparse.csr_array(part) for part in parts], format="csr")
    return np.concatenate(parts)


def every(stride: int, offset: int) -> slice:
    """Rows of a block, before which there are `offset` others, whose number is a multiple of the stride."""
    return slice(-offset % stride, None, stride)


def whole_groups(rows: int, offset: int) -> slice:
    """Rows of a block, before which there are `offset` others, that lie in whole groups of 64 of all rows."""
    begin = min(rows, -offset % _GROUP)
    return slice(begin, max(begin, (offset + rows) // _GROUP * _GROUP - offset))


def edges_of(block: Block, offset: int) -> Block | None:
    """The other rows, whose groups lie in several blocks; None where sums do not go by groups."""
    if sparse.issparse(block.X) or block.X.dtype != np.float32:
        return None
    inner = whole_groups(len(block), offset)

    def cut(rows):
        return np.concatenate([rows[: inner.start], rows[inner.stop :]])

    return Block(cut(block.X), cut(block.y), None if block.weight is None else cut(block.weight))


def _joined_edges(edges: list) -> Block | None:
    """Those of all blocks in order, which make whole groups; None where they would take much memory."""
    if any(part is None for part in edges) or sum(part.X.nbytes for part in edges) > _MOST_BYTES:
        return None
    weights = [part.weight for part in edges]
    if all(weight is None for weight in weights):
        weight = None
    else:
        weight = np.concatenate(
            [np.ones(len(part), part.X.dtype) if part.weight is None else part.weight for part in edges]
        )
    return Block(joined([part.X for part in edges]), joined([part.y for part in edges]), weight)


class Thinned:
    """Every 2^k-th of all rows, with the least k for which they are `most` or fewer."""

    def __init__(self, most: int):
        self.most, self.stride, self.seen = most, 1, 0
        self.parts: list = []

    def add(self, rows) -> None:
        self.parts.append(rows[every(self.stride, self.seen)].copy())
        self.seen += rows.shape[0]
        while sum(part.shape[0] for part in self.parts) > self.most:
            self.parts = [joined(self.parts)[::2]]
            self.stride *= 2

    def all(self):
        return joined(self.parts)


def most_sampled(X) -> int:
    """How many rows like these are kept as a sample."""
    size = X.data.nbytes + X.indices.nbytes if sparse.issparse(X) else X.nbytes
    return int(np.clip(_MOST_BYTES * X.shape[0] // max(1, size), _LEAST_ROWS, _MOST_ROWS))


@dataclass
class Summary:
    """What the first reading of all blocks tells."""

    rows: tuple[int, ...]  # of each block; none is empty
    sample: Any  # every 2^k-th row of X
    sample_stride: int
    y: np.ndarray  # that of every 2^k-th row, of all rows where these are few enough
    y_stride: int
    weight: np.ndarray | None  # of the same rows
    weighted: bool  # whether some rows have weights
    labels: np.ndarray | None  # all labels of classes
    totals: np.ndarray | None  # weight of the rows of each of them
    total: float  # weight of all rows
    is_sparse: bool
    edges: Block | None  # rows outside of whole groups, of all blocks; None: sums do not go by groups

    @property
    def n(self) -> int:
        return sum(self.rows)

    @property
    def like_all_rows(self):
        """What has the shape of X of all rows, but for sparse ones."""
        X = self.sample
        return X if self.is_sparse else np.broadcast_to(X[:1], (self.n, X.shape[1]))

    @property
    def offsets(self) -> list[int]:
        """Rows before each block."""
        return list(accumulate(self.rows[:-1], initial=0))


@dataclass
class Facts:
    """What a block tells beside its rows."""

    rows: int
    total: float  # weight
    weighted: bool
    is_sparse: bool
    most_sampled: int  # how many rows like these make a sample
    labels: dict  # weight of the rows of each, where y holds labels


def facts_of(block: Block, classes: bool) -> Facts:
    """Those of a block; with `classes`, y holds labels."""
    total = float(len(block)) if block.weight is None else float(block.weight.sum(dtype=float))
    labels = {}
    if classes and block.y.ndim == 1:
        found, places = np.unique(block.y, return_inverse=True)
        totals = np.bincount(places, weights=block.weight, minlength=len(found)).astype(float)
        labels = dict(zip(found.tolist(), totals.tolist(), strict=True))
    X = block.X
    return Facts(len(block), total, block.weight is not None, sparse.issparse(X), most_sampled(X), labels)


@dataclass
class Survey:
    """A first reading, block by block."""

    classes: bool  # whether y holds labels
    rows: list = field(default_factory=list)
    sample: Thinned | None = None
    y: Thinned = field(default_factory=lambda: Thinned(MOST_TARGETS))
    weight: Thinned = field(default_factory=lambda: Thinned(MOST_TARGETS))
    weighted: bool = False
    labels: dict = field(default_factory=dict)  # weight of the rows of each
    total: float = 0.0
    is_sparse: bool = False
    edges: list = field(default_factory=list)

    def add(self, block: Block) -> None:
        self.edges.append(edges_of(block, sum(self.rows)))
        self.merge(facts_of(block, self.classes))
        weight = np.ones(len(block), block.X.dtype) if block.weight is None else block.weight
        for kept, part in ((self.sample, block.X), (self.y, block.y), (self.weight, weight)):
            assert kept is not None
            kept.add(part)

    def merge(self, facts: Facts) -> None:
        self.sample = Thinned(facts.most_sampled) if self.sample is None else self.sample
        self.rows.append(facts.rows)
        self.weighted |= facts.weighted
        self.total += facts.total
        self.is_sparse |= facts.is_sparse
        for label, total in facts.labels.items():
            self.labels[label] = self.labels.get(label, 0.0) + total

    def summary(self) -> Summary:
        if not self.rows or self.sample is None:
            raise ValueError("There are no rows in blocks: at least one has to hold some.")
        if self.weighted and not self.total > 0:
            raise ValueError("All values of sample_weight are zero: at least one must be positive.")
        y, labels = self.y.all(), None
        if self.labels:
            labels = np.array(sorted(self.labels), dtype=y.dtype)
        return Summary(
            tuple(self.rows),
            self.sample.all(),
            self.sample.stride,
            y,
            self.y.stride,
            self.weight.all() if self.weighted else None,
            self.weighted,
            labels,
            None if labels is None else np.array([self.labels[label] for label in labels.tolist()]),
            self.total,
            self.is_sparse,
            _joined_edges(self.edges),
        )


class LocalBlocks:
    """Blocks that this process reads, in order: one while the next is read, or several in threads."""

    def __init__(self, source, prepare: Preparation, threads: int = 1):
        self.source, self.prepare, self.threads = source, prepare, threads
        self.numbers: list[int] | None = None  # of blocks that are not empty, once they are known
        self.rows: list[int] = []
        self.kept: dict[int, Block] = {}  # that are in memory anyway

    @property
    def can_permute(self) -> bool:
        return self.source.can_permute

    def survey(self, classes: bool) -> Summary:
        survey, numbers = Survey(classes), []
        for number, block in self.source.read(self._loaded):
            if block is not None:
                survey.add(block)
                numbers.append(number)
        self.numbers, self.rows = numbers, survey.rows
        return survey.summary()

    def read(self, order=None) -> Iterator[tuple[int, Block]]:
        """Blocks that are not empty, with their places among these; in this order where it can be chosen."""
        assert self.numbers is not None
        place_of = {number: place for place, number in enumerate(self.numbers)}
        wanted = self.numbers if order is None else [self.numbers[place] for place in order]
        count = 0
        for number, block in self.source.read(self._loaded, wanted):
            if block is None:
                continue
            place = place_of.get(number, -1)
            if place < 0 or len(block) != self.rows[place]:
                raise ValueError(_changed(number, len(block)))
            count += 1
            yield place, block
        if count < len(wanted):
            raise ValueError(f"There were {len(wanted)} blocks with rows at first, and {count} now.")

    def map(self, function: Callable, *arguments, each: list[tuple] | None = None) -> Iterator:
        """function(block, *own, *arguments) of all blocks, in order; `each` has their own arguments."""

        def result(numbered):
            place, block = numbered
            return function(block, *(each[place] if each else ()), *arguments)

        return map(result, self.read()) if self.threads == 1 else ahead(result, self.read(), self.threads)

    def _loaded(self, number: int, given) -> tuple[int, Block | None]:
        if number in self.kept:
            return number, self.kept[number]
        block = self.prepare(number, given)
        if (
            block is not None
            and self.source.in_memory
            and np.may_share_memory(_data(block.X), _data(given[0]))
        ):
            self.kept[number] = block
        return number, block


def _data(X):
    return X.data if sparse.issparse(X) else np.asarray(X) if isinstance(X, np.ndarray) else np.empty(0)


def _changed(number: int, rows: int) -> str:
    return (
        f"Block {number} has {rows} rows, which is not what it had at first: each pass over the data has to "
        f"give the same blocks."
    )
