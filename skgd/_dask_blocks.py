"""Rows in the partitions of a Dask collection: functions go to the workers that hold them."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from ._blocks import Block, Summary, Survey, Thinned, every, facts_of

__all__ = ["DaskBlocks"]

_LOOK = 1.0  # seconds between two looks at what became of the blocks while results are awaited
_CHAINS = 4  # parts of the blocks that are descended on side by side
_REFRESH = 2.0  # seconds for which it is believed which workers there are


class Group(NamedTuple):
    """Blocks that one thread of a worker takes."""

    worker: str
    blocks: list[int]
    held: Any  # the future of a list of them: one result to depend on, however many they are


class LostBlocks(RuntimeError):
    """Rows were lost with the worker that held them, and nothing tells how to get them again."""


def run_group(payload: bytes, each: list, blocks: list) -> tuple[str, bytes]:
    """Results for some blocks, on the worker that holds them; and where it is."""
    import cloudpickle
    from distributed import get_worker

    function, arguments = cloudpickle.loads(payload)
    results = [function(block, *own, *arguments) for block, own in zip(blocks, each, strict=True)]
    return get_worker().address, pickle.dumps(results, protocol=5)


def size_of(block: Block | None) -> int:
    return 0 if block is None else len(block)


def part_of(block: Block, offset: int, strides: tuple[int, int]) -> tuple:
    """Every so many rows of X; y and weights of every so many."""
    sample, targets = (every(stride, offset) for stride in strides)
    weight = None if block.weight is None else block.weight[targets]
    return block.X[sample].copy(), block.y[targets], weight


class DaskBlocks:
    """Blocks that are results on the workers of a cluster; `map` has one task for each of their threads."""

    can_permute = False

    def __init__(self, client, futures: Sequence):
        self.client, self.futures = client, list(futures)
        self.rows: list[int] = []
        self.looked = -np.inf
        self.threads: dict[str, int] = {}
        self.groups: list[Group] = []

    def survey(self, classes: bool) -> Summary:
        """What all blocks hold; those without rows are left out from here on."""
        sizes = self.map(size_of)
        self.futures = [future for future, size in zip(self.futures, sizes, strict=True) if size]
        self.rows = [size for size in sizes if size]
        self.looked = -np.inf
        survey = Survey(classes)
        for facts in self.map(facts_of, classes) if self.rows else ():
            survey.merge(facts)
        if survey.sample is None:
            return survey.summary()
        strides = tuple(_stride(sum(self.rows), kept) for kept in (survey.sample, survey.y))
        offsets = [(offset,) for offset in accumulate(self.rows[:-1], initial=0)]
        parts = self.map(part_of, strides, each=offsets)
        X, y, weight = (list(column) for column in zip(*parts, strict=True))
        weight = [
            np.ones(len(of_y), X[0].dtype) if w is None else w for w, of_y in zip(weight, y, strict=True)
        ]
        for kept, found, stride in (
            (survey.sample, X, strides[0]),
            (survey.y, y, strides[1]),
            (survey.weight, weight, strides[1]),
        ):
            kept.parts, kept.stride = found, stride
        return survey.summary()

    def map(self, function: Callable, *arguments, each: list[tuple] | None = None) -> list:
        """function(block, *own, *arguments) of all blocks, in order; `each` has their own arguments."""
        import cloudpickle

        payload, own = cloudpickle.dumps((function, arguments)), each or [()] * len(self.futures)
        groups = self._groups()
        tasks = [
            self._submit(group.worker, run_group, payload, [own[i] for i in group.blocks], group.held)
            for group in groups
        ]
        results: list[Any] = [None] * len(self.futures)
        for group, (where, found) in zip(groups, self._gathered(tasks), strict=True):
            if where != group.worker:
                self.looked = -np.inf
            for i, result in zip(group.blocks, pickle.loads(found), strict=True):
                results[i] = result
        return results

    def _submit(self, worker: str, function: Callable, *arguments):
        """The future of a call on a worker; on another one where that is lost."""
        return self.client.submit(
            function, *arguments, workers=[worker], allow_other_workers=True, pure=False
        )

    def in_chains(self, step: Callable, first: Any, times: int) -> tuple[list, list[int]]:
        """step(..., block) over the blocks of each part, one after another, so many times, beginning with
        `first`; and the rows of each part. Parts depend on the blocks alone, not on the workers."""
        ends = np.cumsum(self.rows)
        part_of_block = np.minimum((ends - 1) * _CHAINS // ends[-1], _CHAINS - 1)
        states, rows = [], []
        for part in np.unique(part_of_block):
            blocks, state = np.flatnonzero(part_of_block == part), first
            for i in np.tile(blocks, times):
                state = self.client.submit(step, state, self.futures[i], pure=False)
            states.append(state)
            rows.append(sum(self.rows[i] for i in blocks))
        return self._gathered(states), rows

    # -- where blocks are -------------------------------------------------------------------------

    def _groups(self) -> list[Group]:
        """Blocks for each thread of the workers that hold them; looked up anew now and then."""
        if time.monotonic() - self.looked > _REFRESH:
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
            threads = {address: max(1, worker["nthreads"]) for address, worker in workers.items()}
            if self.looked == -np.inf or threads != self.threads:
                self._assign(threads)
            self.threads, self.looked = threads, time.monotonic()
        return self.groups

    def _assign(self, threads: dict[str, int]) -> None:
        holders = self.client.who_has(self.futures)
        held = [
            [address for address in holders.get(future.key, ()) if address in threads]
            for future in self.futures
        ]
        self.groups = [
            Group(worker, blocks, self._submit(worker, list, [self.futures[i] for i in blocks]))
            for worker, blocks in shared_out(held, self.rows or [1] * len(held), threads)
        ]

    # -- results ----------------------------------------------------------------------------------

    def _gathered(self, tasks: list) -> list:
        """Results of the tasks; raises where blocks are lost for good."""
        from concurrent.futures import CancelledError

        from distributed import TimeoutError as Late
        from distributed import wait

        try:
            while True:
                try:
                    wait(tasks, timeout=_LOOK)
                    return self.client.gather(tasks)
                except Late:
                    self._check()
        except CancelledError as error:
            raise self._lost() from error
        except BaseException:
            self.client.cancel(tasks)
            raise

    def _check(self) -> None:
        """Raise where a block cannot be had any more."""
        if any(future.status in ("lost", "cancelled") for future in self.futures):
            raise self._lost()

    @staticmethod
    def _lost() -> LostBlocks:
        return LostBlocks(
            "Rows were lost with a worker, and Dask does not know how to make them again: they were sent to "
            "the workers (client.scatter), not read or computed by them. Make the collection of files, or of "
            "functions that load its parts, or keep several copies (client.replicate)."
        )


def shared_out(
    held: list[list[str]], rows: list[int], threads: dict[str, int]
) -> list[tuple[str, list[int]]]:
    """(worker, blocks) of each task: a worker takes blocks that it holds, up to its share of the rows; others
    go to those with the least."""
    share = {address: sum(rows) * n / max(1, sum(threads.values())) for address, n in threads.items()}
    taken: dict[str, list[int]] = {address: [] for address in threads}
    load = dict.fromkeys(threads, 0)
    left = []
    for i, holders in enumerate(held):
        room = [address for address in holders if load[address] + rows[i] / 2 <= share[address]]
        if not room:
            left.append(i)
            continue
        chosen = min(room, key=lambda address: load[address] / threads[address])
        taken[chosen].append(i)
        load[chosen] += rows[i]
    for i in left:
        chosen = min(threads, key=lambda address: (load[address] + rows[i]) / threads[address])
        taken[chosen].append(i)
        load[chosen] += rows[i]
    return [
        (address, sorted(blocks)[k::n])
        for address, blocks in taken.items()
        for n in [min(threads[address], len(blocks))]
        for k in range(n)
    ]


def _stride(n: int, kept: Thinned) -> int:
    """The least power of two for which every so many of n rows are no more than are kept."""
    stride = 1
    while -(-n // stride) > kept.most:
        stride *= 2
    return stride


def prepared(prepare, number: int, X, y, weight) -> Block | None:
    """A block of parts of collections."""
    return replace(prepare)(number, (X, y) if weight is None else (X, y, weight))
