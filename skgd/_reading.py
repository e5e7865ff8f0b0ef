"""Blocks as they are given: a sequence, or what gives one after another; the next is read ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import repeat
from os import PathLike
from typing import Any

__all__ = ["BlockIterator", "BlockSequence", "ahead", "source_of"]

_END = object()


def ahead(get: Callable, items: Iterable, depth: int = 1) -> Iterator:
    """get(item) of each item in order, found by as many threads up to ``depth`` items ahead."""
    pool = ThreadPoolExecutor(depth, thread_name_prefix="skgd-read")
    waiting: deque[Future] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(get, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class BlockSequence:
    """Blocks that can be read in any order; those that are functions are called for what they hold."""

    can_permute = True

    def __init__(self, blocks: Sequence):
        self.blocks = blocks
        plain = isinstance(blocks, (list, tuple))
        self.in_memory = plain and not any(callable(block) for block in blocks)
        self.transformer = getattr(blocks, "transformer", None)  # that their rows come from

    def read(self, prepare: Callable, order: Iterable[int] | None = None) -> Iterator:
        """prepare(number, block) of each, in the order of their numbers or in this one."""

        def get(number: int):
            return prepare(number, called(self.blocks[number]))

        numbers = range(len(self.blocks)) if order is None else order
        return map(get, numbers) if self.in_memory else ahead(get, numbers)


class BlockIterator:
    """Blocks of which each pass over the data asks anew, and which come in an order of their own."""

    can_permute = in_memory = False

    def __init__(self, begin: Callable[[], Iterable]):
        self.begin, self.transformer = begin, getattr(begin, "transformer", None)

    def read(self, prepare: Callable, order: Iterable[int] | None = None) -> Iterator:
        blocks = iter(self._begun())

        def get(number: int):
            block = next(blocks, _END)
            return _END if block is _END else prepare(number, called(block))

        for found in ahead(get, _counted()):
            if found is _END:
                return
            yield found

    def _begun(self) -> Iterable:
        found = self.begin()
        if not hasattr(found, "__iter__"):
            raise TypeError(
                f"blocks is a function, which has to give an iterator of blocks at each call; it gave "
                f"{type(found).__name__}."
            )
        return found


def _counted() -> Iterator[int]:
    return (number for number, _ in enumerate(repeat(None)))


def called(block: Any):
    """The block itself, or what it gives where it is a function that loads it."""
    return block() if callable(block) else block


def _hint(blocks: Any) -> str:
    """Where to go with what holds no blocks."""
    if isinstance(blocks, (str, bytes, PathLike)):
        return " For the blocks of files see skgd.io."
    if type(blocks).__module__.partition(".")[0] in ("dask", "dask_expr"):
        return " For rows on a Dask cluster see skgd.dask."
    return ""


def source_of(blocks: Any):
    """What reads the blocks that were given to ``fit_blocks``."""
    if callable(blocks):
        return BlockIterator(blocks)
    is_sequence = all(hasattr(blocks, name) for name in ("__len__", "__getitem__")) and not hasattr(
        blocks, "keys"
    )
    if _hint(blocks) or not (is_sequence or hasattr(blocks, "__iter__")):
        raise TypeError(
            f"blocks must be a sequence of (X, y) or (X, y, sample_weight), of functions that load them, or "
            f"a function that gives an iterator of them; got {type(blocks).__name__}.{_hint(blocks)}"
        )
    if is_sequence:
        return BlockSequence(blocks)
    if iter(blocks) is blocks:
        raise ValueError(
            "blocks is an iterator, which can be read once only, and a fit reads its rows several times: "
            "give a list, or the function that makes the iterator (make_blocks, not make_blocks()). One "
            "pass over a stream is what partial_fit does."
        )
    return BlockIterator(lambda: blocks)
