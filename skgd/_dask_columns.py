"""Cross-validation of rates and alphas over blocks: candidates and folds as columns of the same maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Integral
from typing import Any
from uuid import uuid4

import numpy as np

from ._block_problem import BlockProblem, Encoding
from ._blocks import Block
from ._columns import CandidateFit, Columns, Diverged, can_share_pass, descend, lines_of
from ._core import core
from ._design import Design, design_of
from ._epochs import Stretch
from ._fitting import initial_descent
from ._folds import ends_of_folds, order_of_choice, parts_of_folds, results_of
from ._options import CoreRule, Objective, Options
from ._penalty import NoPenalty
from ._problem import Problem
from ._rate_choice import RATIO, TRIES, choose_rates, rates_up_to_stable
from ._rows import TrainingRows
from ._targets import Targets
from ._validation import door_of, positive, weights_of_classes
from .exceptions import DivergenceError

__all__ = ["SearchesRates"]


@dataclass
class FoldsOfBlock:
    """Rows of a block in the folds, each a run of neighbours among all rows; it can move to the block."""

    encoding: Encoding  # without weights of classes, which differ from fold to fold
    ends: np.ndarray  # (folds + 1,) rows before each fold, and all
    objective: Objective  # without its penalty
    factors: np.ndarray | None = None  # (folds, 2) what multiplies the weight of a row of either class
    key: str = field(default_factory=lambda: uuid4().hex)

    def held_out(self, rows: int, offset: int) -> list[slice]:
        """Of each fold the rows of a block of so many, before which there are `offset` others."""
        return parts_of_folds(self.ends, rows, offset)

    def targets(self, block: Block) -> Targets:
        return self.encoding(block)

    def problem(self, block: Block, offset: int, layout: tuple) -> Problem:
        """Of columns laid out as `Columns` does."""
        known = block.problems.get(self.key)
        if known is None:
            targets = self.targets(block)
            known = block.problems[self.key] = targets.y, lines_of(self._weights(block, targets, offset))
        columns, ends, watched = layout
        y, (weights, line_of, even) = known
        folds = (
            weights,
            line_of,
            ends,
            np.zeros(_width(columns, block.X.dtype), block.X.dtype),
            even,
            watched,
        )
        return Problem(design_of(block.X), Targets(y, None, columns, False), self.objective, folds)

    def _weights(self, block: Block, targets: Targets, offset: int) -> np.ndarray:
        """(rows, folds): zero on the rows that a fold holds out."""
        assert self.factors is not None
        weights = self.factors.T[(targets.y > 0).astype(np.intp)]
        if targets.weight is not None:
            weights = weights * targets.weight[:, None]
        for fold, part in enumerate(self.held_out(len(block), offset)):
            weights[part, fold] = 0
        return np.ascontiguousarray(weights, dtype=block.X.dtype)


def _width(columns: int, dtype) -> int:
    """Columns padded to whole vectors."""
    return -(-columns * dtype.itemsize // 32) * 32 // dtype.itemsize


def totals_of_block(block: Block, offset: int, folds: FoldsOfBlock) -> np.ndarray:
    """Weights (folds, 2) of the rows of each fold and class."""
    targets = folds.targets(block)
    found = np.zeros((len(folds.ends) - 1, 2))
    for fold, part in enumerate(folds.held_out(len(block), offset)):
        weight = None if targets.weight is None else targets.weight[part]
        found[fold] = np.bincount((targets.y[part] > 0).astype(np.intp), weights=weight, minlength=2)
    return found


def columns_of_block(
    block: Block, offset: int, folds: FoldsOfBlock, theta: np.ndarray, layout: tuple
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of losses of each column, and their gradients (d + 1, columns)."""
    sums = np.zeros(theta.shape)
    loss, _ = core.evaluate_columns(folds.problem(block, offset, layout).core, theta, sums)
    return np.array(loss), sums


def right_of_block(
    block: Block, offset: int, folds: FoldsOfBlock, parameters: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Weight of the rows of each fold that are held out and classified right, by its (d + 1, models)."""
    targets, right = folds.targets(block), []
    for theta, part in zip(parameters, folds.held_out(len(block), offset), strict=True):
        raw = block.X[part] @ theta[:-1] + theta[-1]
        agree = (raw > 0) == (targets.y[part] > 0)[:, None]
        right.append(agree.sum(axis=0) if targets.weight is None else targets.weight[part] @ agree)
    return right


@dataclass
class SharedBlocks:
    """What the columns have in common, as a SharedProblem, where the rows are in blocks."""

    source: Any  # of the blocks
    of_block: FoldsOfBlock
    offsets: list  # rows before each block
    n: int
    d: int
    dtype: Any
    options: Options  # the strength of whose penalty is 1
    rule: CoreRule

    @property
    def folds(self) -> range:
        return range(len(self.of_block.ends) - 1)

    @cached_property
    def design(self) -> Design:
        """One row, which stands for all of them."""
        return design_of(np.zeros((1, self.d), self.dtype))

    @cached_property
    def targets(self) -> Targets:
        return Targets(np.zeros(1, self.dtype), None, 1, False)

    @cached_property
    def lines(self) -> tuple:
        return np.ones((1, len(self.folds)), self.dtype), None, False

    def map(self, function, *arguments):
        offsets = [(offset,) for offset in self.offsets]
        return self.source.map(function, self.of_block, *arguments, each=offsets)

    def sums(self, theta: np.ndarray, layout: tuple) -> tuple[np.ndarray, np.ndarray]:
        """Sums of losses and gradients over all blocks, in their order."""
        losses, gradients = zip(*self.map(columns_of_block, theta, layout), strict=True)
        return np.sum(losses, axis=0), np.sum(gradients, axis=0)

    def at_zero(self) -> list[float]:
        ends = [fold + 1 for fold in self.folds]
        theta = np.zeros((self.d + 1, _width(max(len(ends), 2), self.dtype)), self.dtype)
        losses, _ = self.sums(theta, (max(len(ends), 2), ends, True))
        return (losses[: len(ends)] / self.n).tolist()

    def units_of_tol(self, at_zero: list[float]) -> list[float]:
        """What `tol` is a share of in each fold."""
        return at_zero

    def loss_of(self, candidate: CandidateFit) -> float:
        theta = np.zeros((self.d + 1, _width(2, self.dtype)), self.dtype)
        theta[:, :2] = candidate.parameters
        ends = [0 if fold < candidate.fold else 2 for fold in self.folds]
        return float(self.sums(theta, (2, ends, True))[0][0] / self.n)

    def columns(self, candidates: list[CandidateFit]) -> Columns:
        return BlockColumns(self, candidates)


class BlockColumns(Columns):
    """Columns whose gradients are sums over blocks; the core makes updates of them."""

    def _run(self, bound, stretch: Stretch, rates: np.ndarray) -> Sequence:
        shared = self.shared
        losses, gradient = shared.sums(self.arrays[0], self.layout)
        self.problem.core.give(0.0, gradient * (1.0 / shared.n))
        plan = ((1, 1, 0), rates, 1, 0.0)
        _, _, penalties, _ = core.run_columns(
            self.problem.core, bound, shared.rule.core_spec, None, (0, 1), plan
        )
        return losses, np.full(len(losses), float(shared.n)), penalties


class SearchesRates:
    """Chooses learning rate and alpha before a fit to blocks."""

    learning_rates: Any
    alphas: Any
    cv: int
    selection: str
    class_weight: Any

    def _fit_rows(
        self, options: Options, rows: TrainingRows, init: tuple, scorers, session=None
    ) -> list[str]:
        if rows.targets.columns != 1:
            raise ValueError("The search on Dask is one over two classes.")
        if not can_share_pass(options, rows.design, rows.targets, chunked=True):
            raise ValueError(
                "The search on Dask carries candidates as columns of one array of weights, which is not "
                "possible for sparse rows, for a loss in Python, a penalty of all weights together, and the "
                'optimizers "nesterov", "implicit", "schedule_free" and "barzilai_borwein".'
            )
        alphas = [options.objective.penalty.alpha] if self.alphas is None else self.alphas
        alphas = positive(alphas, "alphas", zero=True).tolist()
        rates = self._rates(options, rows, max(alphas))
        shared, held = self._shared(options, rows)
        error = None
        for _ in range(TRIES if isinstance(self.learning_rates, Integral) else 1):
            params = [(alpha, rate) for alpha in alphas for rate in rates]
            scores = self._scores(shared, held, options, rows, params)
            alphas_of = [alpha for alpha, _ in params]
            for best in order_of_choice(scores, alphas_of, self.selection):
                alpha, rate = params[best]
                found = {**rows.schema, **self._results(scores, params, best)}
                try:
                    return super()._fit_rows(  # type: ignore[misc]
                        options.with_rate(rate, alpha), rows._replace(schema=found), init, scorers, session
                    )
                except DivergenceError as diverged:  # on all rows, though on no fold
                    error = diverged
            rates = [rate * RATIO ** -len(rates) for rate in rates]
        raise error or ValueError(f"All fits of the folds diverged: learning_rates={self.learning_rates!r}.")

    def _rates(self, options: Options, rows: TrainingRows, alpha: float) -> list[float]:
        """Those that were given, or so many, a factor of two apart, up to the largest stable one."""
        asked = self.learning_rates
        if not isinstance(asked, Integral):
            return positive(asked, "learning_rates").tolist()
        options = options.with_rate(None, alpha)
        problem = BlockProblem(rows.design, rows.targets, options.objective)  # type: ignore[arg-type]
        return rates_up_to_stable(problem, initial_descent(options, problem), options, int(asked))

    def _shared(self, options: Options, rows: TrainingRows) -> tuple[SharedBlocks, np.ndarray]:
        """What the columns share, and the weights of the rows that each fold holds out."""
        design: Any = rows.design
        n, ends = design.n, ends_of_folds(design.n, self.cv)
        door = door_of(design.encoding.door)
        door.class_weight = None
        encoding = replace(design.encoding, door=door, factor=None)
        bare = replace(options.objective, penalty=NoPenalty())
        of_block = FoldsOfBlock(encoding, ends, bare)
        shared = SharedBlocks(
            design.source,
            of_block,
            design.summary.offsets,
            n,
            design.d,
            design.dtype,
            options.with_rate(None, 1.0),
            options.rule(n),
        )
        held = np.sum(shared.map(totals_of_block), axis=0)
        if not held.sum(axis=1).all():
            raise ValueError("The sample weights of all rows that a fold is judged by are zero.")
        trained = held.sum(axis=0) - held
        if not (trained.sum(axis=1) > 0).all():
            raise ValueError("The sample weights of all rows that a fold trains on are zero.")
        factors = np.ones((self.cv, 2))
        if self.class_weight is not None:
            classes, codes = rows.task.classes, np.arange(2.0)  # type: ignore[attr-defined]
            factors = np.array(
                [weights_of_classes(self.class_weight, classes, classes, codes, each) for each in trained]
            )
        of_block.factors = factors * (n / (factors * trained).sum(axis=1))[:, None]
        return shared, held.sum(axis=1)

    def _scores(
        self, shared: SharedBlocks, held: np.ndarray, options: Options, rows: TrainingRows, params: list
    ) -> np.ndarray:
        """Accuracy (candidates, folds) on the rows held out; NaN where the descent diverged."""
        problem = BlockProblem(rows.design, rows.targets, options.objective)  # type: ignore[arg-type]
        candidates = []
        for alpha, rate in params:
            for fold in shared.folds:
                candidate = CandidateFit(rate, alpha, fold)
                own = options.with_rate(rate, alpha)
                candidate.rates = choose_rates(problem, candidate, own, exploded=Diverged)
                candidates.append(candidate)
        descend(shared, candidates, np.array([options.seed], dtype=np.uint64))
        nothing = np.zeros((shared.d + 1, 1), shared.dtype)
        parameters = [
            np.hstack(
                [nothing if each.diverged else each.parameters for each in candidates[fold :: len(held)]]
            )
            for fold in shared.folds
        ]
        right = [np.sum(each, axis=0) for each in zip(*shared.map(right_of_block, parameters), strict=True)]
        scores = np.column_stack(right) / held
        scores[np.reshape([each.diverged for each in candidates], scores.shape)] = np.nan
        return scores

    @staticmethod
    def _results(scores: np.ndarray, params: list, best: int) -> dict:
        alphas, rates = np.array(params).T
        results = results_of({"alpha": alphas, "learning_rate": rates}, scores)
        score = float(results["mean_test_score"][best])
        found = {"alpha_": float(alphas[best]), "best_score_": score, "cv_results_": results}
        return {**found, "learning_rates_": np.unique(rates)}
