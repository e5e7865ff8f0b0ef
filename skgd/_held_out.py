"""Rows held out of training, and what is measured on them at every check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._core import core
from ._design import design_of
from ._problem import Problem
from ._scoring import Scorer, with_offset
from ._targets import Targets, Task

__all__ = ["HeldOut", "Validation"]


class HeldOut(NamedTuple):
    """Rows that no update sees."""

    X: Any  # validated
    y: np.ndarray  # as given
    weight: np.ndarray | None  # of the scores: the sample weights
    targets: Targets  # of the loss; their weights are also those of the classes


class Validation:
    """Loss and scores on held-out rows, as functions of the parameters of a problem."""

    def __init__(
        self,
        problem: Problem,
        task: Task,
        rows: HeldOut,
        scorers: Sequence[Scorer] = (),
        model_at: Callable[[np.ndarray], Any] | None = None,  # a fitted estimator, for the scorers
        check: Callable[[], None] = lambda: None,  # that X is finite, where raw scores are not
    ):
        weight = rows.targets.weight
        if weight is not None and not weight.any():
            raise ValueError("The weights of all rows to validate with are zero.")
        self.loss, self.task, self.rows = problem.loss, task, rows
        self.scorers, self.model_at, self.check = scorers, model_at, check
        linear = problem.network is None  # whose scores are made of the rows as they are
        X = rows.X.astype(problem.dtype, copy=False) if linear else rows.X
        self.problem = problem.on(design_of(X), rows.targets)

    @property
    def columns(self) -> list[str]:
        """Columns of the history, beside those of one loss and one score, that `__call__` gives."""
        return [f"validation_{scorer.name}" for scorer in self.scorers if scorer.name != "score"]

    def __call__(self, theta: np.ndarray) -> dict[str, float]:
        """What is measured at these parameters: the loss without the penalty, the score, and further ones."""
        raw = self.raw(theta)
        if not np.isfinite(raw).all():
            self.check()
        return {"validation_loss": self._mean_loss(theta, raw), **self._scores(theta, raw)}

    def raw(self, theta: np.ndarray) -> np.ndarray:
        """Raw scores (n, K) of the rows."""
        problem = self.problem
        if problem.shared is not None:
            return self.task.mean_raw(problem.scores_of_each(theta), self.loss)
        if problem.network is not None or problem.design.is_sparse:
            return problem.scores(theta)
        raw = np.empty((problem.n, problem.targets.columns), dtype=problem.dtype)
        core.linear_scores(problem.design.X, problem.for_original(theta), raw, 1)  # at the speed of reading X
        return problem.targets.offset_to(raw)

    def _mean_loss(self, theta: np.ndarray, raw: np.ndarray) -> float:
        if self.problem.has_cheap_value:
            return self.problem.value(theta)
        targets = self.rows.targets
        values = self.loss._values(targets.y, raw)
        return float(np.average(values.astype(float, copy=False), weights=targets.weight))

    def _scores(self, theta: np.ndarray, raw: np.ndarray) -> dict[str, float]:
        X, y, weight, targets = self.rows
        if self.model_at is None or not self.scorers:
            raw = raw if targets.shift is None else raw + targets.shift
            return {"validation_score": self.task.score_encoded(targets.unshifted, raw, self.loss, weight)}
        model = with_offset(self.model_at(theta), targets.shift if targets.offset is None else targets.offset)
        scores = {f"validation_{scorer.name}": scorer(model, X, y, weight) for scorer in self.scorers}
        return {"validation_score": next(iter(scores.values())), **scores}
