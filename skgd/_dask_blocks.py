"""Rows in the partitions of a Dask collection: functions go to the workers that hold them."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from ._blocks import Block, Facts, Summary, Survey, Thinned, edges_of, every, facts_of

__all__ = ["DaskBlocks"]

_LOOK = 1.0  # seconds between two looks at what became of the blocks while results are awaited
_CHAINS = 4  # parts of the blocks that are descended on side by side
_REFRESH = 2.0  # seconds for which it is believed which workers there are


class Group(NamedTuple):
    """Blocks that one thread of a worker takes."""

    worker: str
    blocks: list[int]
    held: Any  # the future of a list of them: one result to depend on, however many they are

    def of(self, keys: list) -> tuple:
        """What makes it the same as another."""
        return self.worker, *(keys[i] for i in self.blocks)


class Courier:
    """Stands on a worker and answers for the lists of blocks there, without the scheduler's queue of tasks.

    It holds no rows: they are results of Dask's, which may be moved, spilled or lost.
    """

    async def answers(self, payload: bytes, groups: list[tuple[Any, list]]) -> list[bytes | None]:
        """Results of each (key of a list of blocks, arguments of each); None where the list is not here."""
        from distributed import get_worker

        worker, loop = get_worker(), asyncio.get_running_loop()
        found: list[tuple[Any, list]] = [(worker.data.get(key), each) for key, each in groups]
        threads = worker.executors["default"]
        calls = [
            loop.run_in_executor(threads, answered, payload, each, blocks) for blocks, each in found if blocks
        ]
        answers = iter(await asyncio.gather(*calls))
        return [next(answers) if blocks else None for blocks, _ in found]


class LostBlocks(RuntimeError):
    """Rows were lost with the worker that held them, and nothing tells how to get them again."""


def answered(payload: bytes, each: list, blocks: list) -> bytes:
    """Results for some blocks, as bytes."""
    import cloudpickle

    function, arguments = cloudpickle.loads(payload)
    results = [function(block, *own, *arguments) for block, own in zip(blocks, each, strict=True)]
    return pickle.dumps(results, protocol=5)


def run_group(payload: bytes, each: list, blocks: list) -> tuple[str, bytes]:
    """The same in a task; and on which worker."""
    from distributed import get_worker

    return get_worker().address, answered(payload, each, blocks)


def listed(prepare: Callable | None, parts: list[tuple[int, tuple]]) -> list[Block | None]:
    """Blocks of some parts of the rows, by number; they are blocks already where nothing prepares them."""
    return [part[0] if prepare is None else prepared(prepare, i, *part) for i, part in parts]


def after_part(step: Callable, state: Any, *part) -> Any:
    """What a step makes of a state and the block of a part of the rows."""
    return step(state, listed(*part)[0])


def facts_or_none(block: Block | None, classes: bool) -> Facts | None:
    return None if block is None else facts_of(block, classes)


def part_of(block: Block, offset: int, strides: tuple[int, int]) -> tuple:
    """Every so many rows of X; y and weights of every so many; and the rows at the edges."""
    sample, targets = (every(stride, offset) for stride in strides)
    weight = None if block.weight is None else block.weight[targets]
    return block.X[sample].copy(), block.y[targets], weight, edges_of(block, offset)


class Post:
    """A courier as the client sees it."""

    def __init__(self, future):
        self.future, self.courier = future, None

    def asked(self, payload: bytes, lists: list):
        """The future of its answers; None where it cannot be asked."""
        if self.future.status != "finished":
            return None
        try:
            self.courier = self.courier or self.future.result()
            return self.courier.answers(payload, lists)
        except Exception:  # its worker is lost
            return None

    def awaited(self, call, check: Callable[[], None]) -> list | None:
        """What it answers; None where it is lost, or has failed, as a task will then tell."""
        while call is not None:
            try:
                return call.result(timeout=_LOOK)
            except TimeoutError:
                check()
                if call.done() or self.future.status != "finished":
                    return None
            except Exception:
                return None
        return None


class DaskBlocks:
    """Blocks that are results on the workers of a cluster; `map` sends one message to each of these.

    A task of Dask's costs ten milliseconds, whatever it does, as clients send theirs to the scheduler at such
    intervals. An actor is asked at once. Where none answers (it is new, its worker or its list of blocks is
    gone) a task does the work: tasks wait for what they need, and find what was lost or make it again.
    """

    can_permute = False

    def __init__(self, client, parts: Sequence[tuple], prepare: Callable | None = None):
        """Futures of blocks, alone in tuples, or of what is prepared from on (X, y, weight or None)."""
        self.client, self.prepare = client, prepare
        self.parts: list[tuple[int, tuple]] = list(enumerate(parts))
        self.rows: list[int] = []
        self.looked = -np.inf
        self.threads: dict[str, int] = {}
        self.groups: list[Group] = []
        self.keys: list = []  # of the futures that the groups are of
        self.posts: dict[str, Post] = {}  # of each worker

    def survey(self, classes: bool) -> Summary:
        """What all blocks hold; those without rows are left out from here on."""
        self._gathered(self._futures(), wanted=False)  # who holds a block shows once it is there
        facts = self.map(facts_or_none, classes)
        self.parts = [part for part, each in zip(self.parts, facts, strict=True) if each is not None]
        survey = Survey(classes)
        for each in facts:
            if each is not None:
                survey.merge(each)
        self.rows, self.looked = survey.rows, -np.inf
        if survey.sample is None:
            return survey.summary()
        self._sample(survey, survey.sample)
        return survey.summary()

    def _sample(self, survey: Survey, sample: Thinned) -> None:
        """Every so many rows of X; y and weights of as many as are kept; and the rows at the edges."""
        strides = tuple(_stride(sum(self.rows), kept) for kept in (sample, survey.y))
        offsets = [(offset,) for offset in accumulate(self.rows[:-1], initial=0)]
        parts = self.map(part_of, strides, each=offsets)
        X, y, weight, survey.edges = (list(column) for column in zip(*parts, strict=True))
        weight = [
            np.ones(len(of_y), X[0].dtype) if w is None else w for w, of_y in zip(weight, y, strict=True)
        ]
        for kept, found, stride in (
            (sample, X, strides[0]),
            (survey.y, y, strides[1]),
            (survey.weight, weight, strides[1]),
        ):
            kept.parts, kept.stride = found, stride

    def map(self, function: Callable, *arguments, each: list[tuple] | None = None) -> list:
        """function(block, *own, *arguments) of all blocks, in order; `each` has their own arguments."""
        import cloudpickle

        payload, own = cloudpickle.dumps((function, arguments)), each or [()] * len(self.parts)
        groups = self._groups()
        calls = [(payload, [own[i] for i in group.blocks]) for group in groups]
        results: list[Any] = [None] * len(self.parts)
        for group, answer in zip(groups, self._answers(groups, calls), strict=True):
            for i, result in zip(group.blocks, pickle.loads(answer), strict=True):
                results[i] = result
        return results

    def _answers(self, groups: list[Group], calls: list[tuple]) -> list[bytes]:
        """What the couriers tell, and of the other groups what tasks do."""
        answers = self._from_couriers(groups, calls)
        silent = [k for k, answer in enumerate(answers) if answer is None]
        tasks = [self._submit(groups[k].worker, run_group, *calls[k], groups[k].held) for k in silent]
        for k, (where, found) in zip(silent, self._gathered(tasks) if tasks else (), strict=True):
            answers[k] = found
            if where != groups[k].worker:
                self.looked = -np.inf
        return answers

    def _from_couriers(self, groups: list[Group], calls: list[tuple]) -> list:
        """The answers for the groups of each worker; None where there is none."""
        answers: list[bytes | None] = [None] * len(groups)
        asked = []
        for worker, post in self.posts.items():
            own = [k for k, group in enumerate(groups) if group.worker == worker]
            lists = [(groups[k].held.key, calls[k][1]) for k in own]
            asked.append((own, post, post.asked(calls[own[0]][0], lists)))
        for own, post, call in asked:
            for k, answer in zip(own, post.awaited(call, self._check) or [None] * len(own), strict=True):
                answers[k] = answer
        return answers

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
                state = self.client.submit(after_part, step, state, *self._made([i]), pure=False)
            states.append(state)
            rows.append(sum(self.rows[i] for i in blocks))
        return self._gathered(states), rows

    def _futures(self) -> list:
        return [each for _, part in self.parts for each in part if each is not None]

    def _made(self, blocks: Sequence[int]) -> tuple:
        """What lists some blocks."""
        return self.prepare, [self.parts[i] for i in blocks]

    # -- where blocks are -------------------------------------------------------------------------

    def _groups(self) -> list[Group]:
        """Blocks for each thread of the workers that hold them; looked up anew now and then."""
        if time.monotonic() - self.looked > _REFRESH:
            threads = {address: max(1, number) for address, number in self._threads().items()}
            if self.looked == -np.inf or threads != self.threads:
                self._assign(threads)
            self.threads, self.looked = threads, time.monotonic()
        return self.groups

    def _threads(self) -> dict[str, int]:
        """Threads by address of each worker; waits while there is none, as Dask's own calls do."""
        from distributed import TimeoutError as Late

        while not (threads := self.client.nthreads()):
            self._check()
            with suppress(Late):
                self.client.wait_for_workers(1, timeout=_LOOK)
        return threads

    def _assign(self, threads: dict[str, int]) -> None:
        rows = [part[0] for _, part in self.parts]
        holders = self.client.who_has(rows)
        held = [[address for address in holders.get(each.key, ()) if address in threads] for each in rows]
        known = {group.of(self.keys): group.held for group in self.groups}
        self.keys = [each.key for each in rows]
        self.groups = []
        for worker, blocks in shared_out(held, self.rows or [1] * len(held), threads):
            group = Group(worker, blocks, None)
            lists = known.get(group.of(self.keys))
            if lists is None:
                lists = self._submit(worker, listed, *self._made(blocks))
            self.groups.append(group._replace(held=lists))
        self.posts = {group.worker: self._post(group.worker) for group in self.groups}

    def _post(self, worker: str) -> Post:
        """The courier on a worker; a new one where there is none."""
        known = self.posts.get(worker)
        if known is not None and known.future.status in ("pending", "finished"):
            return known
        return Post(self.client.submit(Courier, workers=[worker], actor=True, pure=False))

    # -- results ----------------------------------------------------------------------------------

    def _gathered(self, tasks: list, wanted: bool = True) -> list:
        """Results of the tasks, if they are wanted here; raises where blocks are lost for good."""
        from concurrent.futures import CancelledError

        from distributed import TimeoutError as Late
        from distributed import wait

        try:
            while True:
                try:
                    wait(tasks, timeout=_LOOK)
                    return self.client.gather(tasks) if wanted else []
                except Late:
                    self._check()
        except CancelledError as error:
            raise self._lost() from error
        except BaseException:
            self.client.cancel(tasks)
            raise

    def _check(self) -> None:
        """Raise where a block cannot be had any more: the scheduler has forgotten how to make it. One that is
        made again is lost for a while too."""
        lost = [future.key for future in self._futures() if future.status in ("lost", "cancelled")]
        if lost:
            known = self.client.sync(self.client.scheduler.get_task_status, keys=lost)
            if not all(known.values()):
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
