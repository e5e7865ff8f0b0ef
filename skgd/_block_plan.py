"""Epochs over blocks: blocks in a fresh order, and the rows of each in a fresh order of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._core import core
from ._epochs import EpochPlan, Stretch

__all__ = ["BlockPlan", "BlockStretch"]

_APART = np.uint64(0xD1B54A32D192ED03)  # states of the generator for two blocks
_OTHER_STREAM = np.uint64(0x2545F4914F6CDD1D)  # of random numbers: for rows, not for blocks


@dataclass(slots=True)
class BlockStretch(Stretch):
    """Rows of one block that are visited between two looks at the sums; or all rows, in one update."""

    visits: np.ndarray | None = None  # blocks in the order of the epoch; None: all at once
    visit: int = 0  # the place of its own among them
    start: int = 0  # its first row in the order of the block

    before: int = 0  # updates of the epoch before its block

    @property
    def next_batch(self) -> int:
        return self.before + self.cut[2] + self.updates

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.count


@dataclass(slots=True)
class BlockPlan(EpochPlan):
    """How epochs are cut where no update sees rows of two blocks, unless it sees all."""

    rows: tuple[int, ...] = ()  # of each block
    cuts: tuple[int, ...] = ()  # updates of an epoch that each block makes; none: an update sees all rows
    permuted: bool = True  # whether blocks can be read in any order

    def order(self):
        return BlockOrder(self) if self.cuts else None

    def stretch(self, epoch: int, first: int, updates: int, order) -> Stretch:
        if not self.cuts:
            return BlockStretch(epoch, 0, self.n, self.n, None, (self.n, 1, 0), 1)
        visit = int(np.searchsorted(order.ends, first, side="right"))
        block = int(order.visits[visit])
        n, batches = self.rows[block], self.cuts[block]
        before = int(order.ends[visit]) - batches
        first -= before
        last = min(first + updates, batches)
        begin, end = (batch * n // batches for batch in (first, last))
        place, cut = int(order.rows_before[visit]) + begin, (n, batches, first)
        rows = order.rows_of(visit, n)
        return BlockStretch(
            epoch, place, end - begin, self.n, rows, cut, last - first, order.visits, visit, begin, before
        )


class BlockOrder:
    """The order of an epoch: of the blocks, and of the rows in each once it is its turn."""

    visits: np.ndarray
    ends: np.ndarray  # updates made after each visit
    rows_before: np.ndarray

    def __init__(self, plan: BlockPlan):
        self.plan, self.shuffles = plan, plan.shuffle
        self.current: tuple[int, Any] = (-1, None)

    def shuffle(self, random: np.ndarray) -> None:
        """A fresh order; the generator's state moves on."""
        plan, blocks = self.plan, len(self.plan.rows)
        self.visits = np.arange(blocks)
        if self.shuffles:
            order = core.Order(blocks, 1)
            order.shuffle(random)
            self.visits = order.values.copy() if plan.permuted else self.visits
            self.state = random ^ _OTHER_STREAM
        self.ends = np.cumsum(np.array(plan.cuts)[self.visits])
        self.rows_before = np.cumsum(np.array(plan.rows)[self.visits]) - np.array(plan.rows)[self.visits]
        self.current = (-1, None)

    def rows_of(self, visit: int, n: int):
        """The order of the rows of a block, or None where they stay in theirs."""
        if not self.shuffles:
            return None
        if self.current[0] != visit:
            order = core.Order(n, self.plan.d)
            order.shuffle(self.state + _APART * np.array([visit], dtype=np.uint64))
            self.current = visit, order
        return self.current[1]
