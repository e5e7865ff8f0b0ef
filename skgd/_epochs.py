"""The one epoch loop: rows in order, in stretches that end where a check is due."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ._core import core
from ._mapped import Segments
from ._options import Options

__all__ = ["MOST_UPDATES", "EpochPlan", "Stretch", "Trainee", "run_epochs"]

MOST_UPDATES = 1 << 16  # of a stretch


@dataclass(slots=True)
class EpochPlan:
    """How many rows there are, and how they are cut into updates, checks and epochs."""

    n: int
    d: int
    batches: int  # of an epoch: batch u begins at row u n / batches, so that sizes differ by one at most
    check_every: int  # updates
    max_iter: int  # epochs
    shuffle: bool
    most_updates: int = MOST_UPDATES  # of a stretch
    kept: np.ndarray | None = None  # the rows of X that are visited; None: all
    block: int | None = None  # rows of a file that are read at once; None: rows are in memory
    deadline: float = np.inf  # on the clock of time.perf_counter: when to check once more and stop

    @classmethod
    def of(cls, options: Options, n: int, d: int, **changes) -> EpochPlan:
        """The plan of a fit to n rows of d features."""
        batches, stopping = options.updates_per_epoch(n), options.stopping
        return cls(
            n, d, batches, stopping.check_every or batches, stopping.max_iter, options.shuffle, **changes
        )

    def order(self):
        """The core's generator of orders, or one of blocks of a file; None where rows stay in theirs."""
        if not self.shuffle or self.batches == 1:
            return None
        if self.block is not None:
            return Segments(self.n, self.block)
        order = core.Order(self.n, self.d)
        if self.kept is not None:
            order.of_rows(self.kept)
        return order

    def stretch(self, epoch: int, first: int, updates: int, order) -> Stretch:
        """Batches `first` to `first + updates` of an epoch, or to its end."""
        last = min(first + updates, self.batches)
        begin, end = (batch * self.n // self.batches for batch in (first, last))
        return Stretch(epoch, begin, end - begin, self.n, order, (self.n, self.batches, first), last - first)


@dataclass(slots=True)
class Stretch:
    """Rows order[position : position + count] of an epoch, visited between two looks at the sums."""

    epoch: int  # counted from 0
    position: int
    count: int
    n: int
    order: Any
    cut: tuple[int, int, int]  # rows and batches of the epoch, its own first batch: how the core cuts it
    updates: int

    @property
    def span(self) -> tuple[int, int]:
        return self.position, self.count

    @property
    def next_batch(self) -> int:
        return self.cut[2] + self.updates

    @property
    def begins(self) -> float:
        """Epochs gone by when it begins, with their fraction."""
        return self.epoch + self.position / self.n

    @property
    def ends(self) -> float:
        return self.epoch + (self.position + self.count) / self.n

    @property
    def ends_epoch(self) -> bool:
        return self.position + self.count == self.n


class Trainee(Protocol):
    """What the loop carries through the epochs: one model, or many as columns."""

    def begin_epoch(self, epoch: int) -> None:
        """Before the rows of an epoch are put into a new order, or that of an epoch that was begun again."""

    def advance(self, stretch: Stretch) -> bool:
        """Make the updates of a stretch; False where they were undone and the next check waits anew."""

    def check(self, stretch: Stretch) -> str | None:
        """After the last stretch before a check; the reason to stop, if there is one."""


def run_epochs(
    trainee: Trainee, plan: EpochPlan, random: np.ndarray, begins: tuple[int, int] = (0, 0)
) -> str:
    """Carry the trainee through the epochs; gives the reason why it stopped.

    `random` (1,) is the state of the generator of orders. `begins` is where, epoch and batch, a training goes
    on after a check; `random` is then what it was before the order of that epoch was made. Besides the
    checks, stretches end where the last n rows before a check begin, so that a mean over them is one over
    whole stretches.
    """
    order = plan.order()
    window_begins = -plan.batches % plan.check_every
    since_check = 0  # updates
    for epoch in range(begins[0], plan.max_iter):
        trainee.begin_epoch(epoch)
        if order is not None:
            order.shuffle(random)
        batch = begins[1] if epoch == begins[0] else 0
        while batch < plan.batches:
            until = window_begins if since_check < window_begins else plan.check_every
            updates = min(until - since_check, plan.most_updates)
            stretch = plan.stretch(epoch, batch, updates, order)
            accepted = trainee.advance(stretch)
            batch += stretch.updates
            since_check = since_check + stretch.updates if accepted else 0
            last = stretch.ends_epoch and epoch + 1 == plan.max_iter
            over = time.perf_counter() >= plan.deadline
            if accepted and (since_check >= plan.check_every or last or over):
                since_check = 0
                reason = trainee.check(stretch)
                if reason is not None or (over and not last):
                    return reason or "max_time"
    return "max_iter"
