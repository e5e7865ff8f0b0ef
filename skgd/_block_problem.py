"""Design and Problem of rows that lie in blocks: sums over rows are sums over blocks, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any
from uuid import uuid4

import numpy as np

from ._blocks import Block, Summary, whole_groups
from ._core import core
from ._design import SAMPLE, Design, Standard, design_of
from ._options import Objective
from ._penalty import NoPenalty
from ._problem import Problem
from ._quadratic import has_few_features, sums_of_products
from ._targets import OutputUnits, Targets, Task
from .losses import Loss, SquaredError

__all__ = ["BlockDesign", "BlockProblem", "Encoding", "ProblemOfBlock"]

_REMEMBERED = 2  # problems that are kept with a block, and sums


@dataclass(frozen=True)
class Encoding:
    """How y and weights of a block become targets."""

    door: Any  # a stand-in for the estimator, whose class_weight says what each class counts
    task: Task
    loss: Loss
    factor: float | None  # makes the mean weight of all rows one; None: no row has a weight

    def __call__(self, block: Block) -> Targets:
        weight, dtype = block.weight, block.X.dtype
        if weight is None and self.factor is not None:
            weight = np.ones(len(block), dtype)
        return self.scaled(self.door._encode(self.task, block.y, weight, dtype, self.loss))

    def scaled(self, targets: Targets) -> Targets:
        if targets.weight is None or self.factor is None:
            return targets
        return targets.with_weight((targets.weight * self.factor).astype(targets.weight.dtype))


def moments_of_block(block: Block, encoding: Encoding):
    """Moments of the features."""
    return design_of(block.X)._moments_of_rows(encoding(block).weight)


def squares_of_block(block: Block, encoding: Encoding) -> np.ndarray:
    """Weighted sum of squares of each feature."""
    return design_of(block.X)._sum_of_squares(encoding(block).weight)


class BlockDesign(Design):
    """The rows of all blocks, of which a sample is at hand, as X: sums over rows are made block by block."""

    def __init__(self, blocks, encoding: Encoding, summary: Summary, standard: Standard | None = None):
        super().__init__(summary.sample, standard)
        self.source, self.encoding, self.summary = blocks, encoding, summary
        self.n, self.is_sparse, self.rows_of_blocks = summary.n, summary.is_sparse, summary.rows

    def standardized(self, standard: Standard | None) -> BlockDesign:
        return type(self)(self.source, self.encoding, self.summary, standard)

    def sample(self) -> Design:
        """The rows at hand, in the same coordinates."""
        return design_of(self.X).standardized(self.standard)

    def sampled_targets(self, targets: Targets) -> Targets:
        """Those of the rows at hand."""
        return targets.rows(slice(None, None, self.summary.sample_stride // self.summary.y_stride))

    def sampled_moments(self, weight=None):
        step = self.summary.sample_stride // self.summary.y_stride
        return design_of(self.X).sampled_moments(None if weight is None else weight[::step])

    def moments(self, weight=None):
        if self.n <= SAMPLE:
            return self.sampled_moments(weight)
        parts = iter(self.source.map(moments_of_block, self.encoding))
        return sum(parts, next(parts))

    def mean_squares(self, weight=None):
        if self.standard is not None:
            return np.ones(self.d)
        return sum(self.source.map(squares_of_block, self.encoding)) / self.n

    def core_rows(self):
        """One row, which stands for all of them."""
        index = np.zeros(2, dtype=np.int32)
        return np.empty(0, self.dtype), index[:0], index, self.d


@dataclass
class ProblemOfBlock:
    """Makes the problem of a block; it can move to where the block is."""

    encoding: Encoding
    standard: Standard | None
    units: OutputUnits | None
    objective: Objective
    squared: bool = False  # half the squared error with zero targets instead
    key: str = field(default_factory=lambda: uuid4().hex)

    def __call__(self, block: Block) -> Problem:
        return self._kept(block, self.key, lambda: self._made(block))

    def of_groups(self, block: Block, offset: int) -> Problem | None:
        """On its rows in whole groups of all rows, `offset` of which lie before the block; None: on none."""
        inner = whole_groups(len(block), offset)
        if inner == slice(0, len(block)):
            return self(block)
        if inner.start == inner.stop:
            return None
        weight = None if block.weight is None else block.weight[inner]
        return self._kept(
            block, self.key + " groups", lambda: self._made(Block(block.X[inner], block.y[inner], weight))
        )

    @staticmethod
    def _kept(block: Block, key: str, make: Callable[[], Problem]) -> Problem:
        known = block.problems.get(key)
        if known is None:
            known = make()
            while len(block.problems) >= 2 * _REMEMBERED:
                del block.problems[next(iter(block.problems))]
            block.problems[key] = known
        return known

    def _made(self, block: Block) -> Problem:
        design, targets = design_of(block.X).standardized(self.standard), self.encoding(block)
        problem = Problem(design, targets.in_units(self.units), self.objective)
        return problem.with_squared_loss() if self.squared else problem


def sums_of_block(block: Block, offset: int | None, problem_of: ProblemOfBlock, theta, wants_gradient: bool):
    """Sum of weight * loss and, if it is wanted, the gradient of that sum, in float64.

    Over the rows in whole groups of all rows, if a block is told how many rows lie before it.
    """
    problem = problem_of(block) if offset is None else problem_of.of_groups(block, offset)
    if problem is None:
        return 0.0, np.zeros(theta.shape) if wants_gradient else None
    if not wants_gradient:
        return problem.evaluate(theta, None), None
    sums = np.zeros(theta.shape)
    return problem.core.evaluate(theta, problem.zeros(), 1, sums), sums


def products_of_block(block: Block, problem_of: ProblemOfBlock, outputs: bool) -> np.ndarray:
    problem = problem_of(block)
    return sums_of_products(problem.design, problem.targets, outputs)


def look_at_block(block: Block, offset: int | None, problem_of: ProblemOfBlock, theta, products: bool | None):
    """Row moments, sums at theta and, if they are wanted, products, with those of y or without."""
    moments = None if products is None else products_of_block(block, problem_of, products)
    return problem_of(block).row_moments(), sums_of_block(block, offset, problem_of, theta, True), moments


class BlockProblem(Problem):
    """The objective over all blocks; targets are those that are at hand (see Summary)."""

    design: BlockDesign

    def __init__(
        self,
        design: BlockDesign,
        targets: Targets,
        objective: Objective,
        together: bool = True,  # whether an update sees the rows of all blocks
    ):
        super().__init__(design, targets, objective)
        self.source, self.total_weight, self.together = design.source, float(self.n), together
        self.of_block = ProblemOfBlock(design.encoding, design.standard, targets.units, objective)
        self._visits: np.ndarray | None = None
        self._row_moments: tuple[float, float, float] | None = None
        self._known: dict[bytes, tuple[float, np.ndarray]] = {}  # sums at the last parameters

    def _core_targets(self, design: Design, targets: Targets) -> tuple:
        return replace(targets, weight=None).rows(slice(0, 1)).core_arrays(None, 1)

    # -- sums over all rows -----------------------------------------------------------------------

    def evaluate(self, theta, gradient, threads: int = 1) -> float:
        loss, total = self._sums(theta, self.together or gradient is not None)
        if gradient is not None:
            gradient[...] = total
        return loss

    def _sums(self, theta, wants_gradient: bool) -> tuple[float, np.ndarray]:
        """Sums over blocks; at the last parameters they are known.

        Where an update sees all rows the objective comes with its gradient: that of the start serves the
        first update, that of the end the question what is left to gain.
        """
        key = theta.tobytes()
        if key not in self._known:
            parts = self._map(sums_of_block, theta, wants_gradient, each=self._offsets)
            found = self._summed(theta, parts, wants_gradient)
            if not wants_gradient:
                return found
            self._remember(key, found)
        return self._known[key]

    def _remember(self, key: bytes, sums: tuple[float, np.ndarray]) -> None:
        if len(self._known) == _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = sums

    def _summed(self, theta, parts, wants_gradient: bool = True) -> tuple[float, np.ndarray]:
        """In float64, in the order of the blocks, and then of the rows at their edges."""
        edges: Any = self.design.summary.edges
        if self._by_groups and len(edges):
            parts = chain(parts, [sums_of_block(edges, None, self.of_block, theta, wants_gradient)])
        loss, total = 0.0, np.zeros(theta.shape)
        for of_block, gradient in parts:
            loss += of_block
            if gradient is not None:
                total += gradient
        return loss, total

    @property
    def _by_groups(self) -> bool:
        """Whether sums in float32 are over the same groups of rows as in memory, however blocks are cut."""
        return self.together and self.network is None and self.design.summary.edges is not None

    @cached_property
    def _offsets(self) -> list[tuple]:
        """Rows before each block, where sums go by groups."""
        offsets = self.design.summary.offsets
        return [(before if self._by_groups else None,) for before in offsets]

    def row_moments(self) -> tuple[float, float, float]:
        """Found in the reading that gives what else an automatic rate and the start of a fit ask for."""
        if self._row_moments is None:
            self._row_moments = self._look()
        return self._row_moments

    def _look(self) -> tuple[float, float, float]:
        theta, wanted = self.constant, None
        if (
            self.together
            and self._moments is None
            and (has_few_features(self.design) or self._may_condense())
        ):
            wanted = self.loss._quadratic
        found = self._map(look_at_block, theta, wanted, each=self._offsets)
        rows, sums, moments = zip(*found, strict=True)
        self._remember(theta.tobytes(), self._summed(theta, sums))
        if wanted is not None:
            self._moments = sum(moments[1:], moments[0])
        first, second, longest = np.transpose(rows)
        return float(first.sum()), float(second.sum()), float(longest.max())

    def scores(self, theta, threads=1):
        raise NotImplementedError("Raw scores are those of blocks.")

    def _all_moments(self) -> np.ndarray:
        if self._moments is None:
            parts = iter(self._map(products_of_block, self.loss._quadratic))
            self._moments = sum(parts, next(parts))
        return self._moments

    def condense(self, epoch: int) -> None:
        """At once: forming second moments reads the blocks once, as an epoch does."""
        super().condense(self.d)

    @property
    def _is_worth_moments(self) -> bool:
        """As in memory: few standardised rows go by rows there, and so do they here."""
        return self.standard is None or super()._is_worth_moments

    def use_moments(self, moments: np.ndarray) -> None:
        super().use_moments(moments / self.n)

    def _map(self, function: Callable, *arguments, each: list[tuple] | None = None) -> Iterator:
        return self.source.map(function, self.of_block, *arguments, each=each)

    # -- other problems ---------------------------------------------------------------------------

    @cached_property
    def _sample(self) -> Problem:
        """The problem on the rows at hand."""
        targets = self.design.sampled_targets(self.targets)
        return Problem(self.design.sample(), targets, self.objective)

    def part(self, index) -> Problem:
        """About these rows: those at hand that are near them."""
        return self._sample.part(np.asarray(index) * self._sample.n // self.n)

    def sample(self, rows: int) -> Problem:
        return self._sample.sample(rows)

    def with_squared_loss(self) -> BlockProblem:
        y = np.zeros(len(self.targets.y), dtype=self.dtype)
        targets = Targets(y, self.targets.weight, 1, False)
        objective = Objective(SquaredError(), NoPenalty(), self.fit_intercept)
        problem = BlockProblem(self.design, targets, objective)
        problem.of_block = replace(self.of_block, squared=True, key=uuid4().hex)
        return problem

    # -- updates ----------------------------------------------------------------------------------

    def run(self, descent, bound, rule, stretch, steps):
        _, rates, threads, longest = steps
        if stretch.visits is not None:
            problem = self.of_block(self._block_of(stretch))
            return problem.run(descent, bound, rule, stretch, steps)
        if not self.condensed:
            loss, gradient = self._sums(descent.theta, True)
            self.core.give(loss / self.n, gradient * (1.0 / self.n))
        return core.run(self.core, bound, rule, None, (0, 1), ((1, 1, 0), rates, threads, longest))

    def _block_of(self, stretch) -> Block:
        """The block whose turn it is, while the next is read."""
        if stretch.visits is not self._visits:
            self._visits, self._reading = stretch.visits, self.source.read(stretch.visits[stretch.visit :])
            self._visit = stretch.visit - 1
        while self._visit < stretch.visit:
            _, self._block = next(self._reading)
            self._visit += 1
        return self._block
