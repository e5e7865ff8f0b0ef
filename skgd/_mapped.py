"""Rows in a file that is mapped into memory: which part of it is read when."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from ._direct import Reader, reader_of

__all__ = ["Mapping", "Segments", "file_behind", "in_blocks", "mapping_of"]

SHARE = 0.5  # of the machine's memory, from which on an array is read from its file again and again
_WINDOW = 6 << 20  # bytes that rows are shuffled among
_BLOCK = 256 << 10  # bytes that are read at once
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container
_ADVISES = hasattr(mmap, "MADV_WILLNEED")
_ODD = 0xD1342543DE82EF95  # keeps the states of stretches apart


class Mapping:
    """The file behind an array of rows (n, d)."""

    def __init__(self, X: np.ndarray, file: mmap.mmap):
        self.file, self.row, self.address = file, max(1, X[:1].nbytes), X.ctypes.data
        self.offset = X.ctypes.data - np.frombuffer(file, dtype=np.uint8).ctypes.data

    @property
    def block(self) -> int:
        """Rows that are read at once."""
        return max(1, _BLOCK // self.row)

    @property
    def window(self) -> int:
        """Rows that are shuffled among each other."""
        return max(1, _WINDOW // self.row)

    @cached_property
    def reader(self) -> Reader | None:
        """What reads the file without its mapping, where that can be."""
        return reader_of(self.address)

    def will_need(self, start: int, stop: int) -> None:
        """Have rows start .. stop - 1 read ahead, without waiting for them."""
        if not _ADVISES:
            return
        begin, end = (self.offset + row * self.row for row in (start, stop))
        begin -= begin % mmap.PAGESIZE
        self.file.madvise(mmap.MADV_WILLNEED, begin, end - begin)

    def read(self, spans: list[tuple[int, int]], following: list[list[tuple[int, int]]]) -> np.ndarray:
        """Bytes of some rows (first, after the last), by the reader; those of the next readings are asked
        for."""
        assert self.reader is not None
        wanted, *later = (
            [(start * self.row, stop * self.row) for start, stop in each] for each in (spans, *following)
        )
        return self.reader.take(wanted, later)


@contextmanager
def in_blocks(*mappings: Mapping) -> Iterator[None]:
    """Meanwhile, what is missing is read without megabytes around it."""
    files = [mapping.file for mapping in mappings if _ADVISES]
    for file in files:
        file.madvise(mmap.MADV_RANDOM)
    try:
        yield
    finally:
        for file in files:
            file.madvise(mmap.MADV_NORMAL)


def file_behind(X: np.ndarray | None) -> Mapping | None:
    """The file that an array is mapped from, if it is."""
    base: object = X
    while isinstance(base, np.ndarray):
        base = base.base
    return Mapping(X, base) if X is not None and isinstance(base, mmap.mmap) else None


def mapping_of(X) -> Mapping | None:
    """The file behind X, if it is too large to stay in memory."""
    found = file_behind(X)
    return None if found is None or X.nbytes < SHARE * _memory() else found


def _memory() -> float:
    """Bytes of memory of this machine, or of the container; infinite where neither says."""
    try:
        found: float = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        found = np.inf
    for limit in _LIMITS:
        with suppress(OSError, ValueError):  # "max"
            found = min(found, int(Path(limit).read_text()))
    return found


class Segments:
    """A fresh order of blocks of n rows for every epoch, and of the rows in any part of that order.

    A file is then read a block at a time, each once in an epoch, and few blocks have to be in memory.
    """

    def __init__(self, n: int, block: int):
        self.n, self.block, self.seed = n, block, 0

    def shuffle(self, random: np.ndarray) -> None:
        """A fresh order; `random` (1,) is the state of its generator."""
        self.seed = int(random[0])
        rng = np.random.default_rng(self.seed)
        starts = rng.permutation(-(-self.n // self.block)) * self.block
        lengths = np.minimum(self.block, self.n - starts)
        self.starts, self.ends = starts, np.cumsum(lengths)
        random[0] = rng.integers(2**64, dtype=np.uint64)

    def blocks(self, position: int, count: int) -> list[tuple[int, int]]:
        """(first row, row after the last) of each block among order[position : position + count]."""
        stop, found = min(self.n, position + count), []
        k = int(np.searchsorted(self.ends, position, side="right"))
        while position < stop:
            begins = self.starts[k] + position - (self.ends[k - 1] if k else 0)
            length = min(stop, self.ends[k]) - position
            found.append((int(begins), int(begins + length)))
            position, k = position + length, k + 1
        return found

    def state(self, position: int) -> np.ndarray:
        """State (1,) of the generator that the rows of a stretch are shuffled by."""
        return np.array([(self.seed + (position + 1) * _ODD) % 2**64], dtype=np.uint64)
