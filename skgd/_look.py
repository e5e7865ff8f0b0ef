"""A check of a training whose objective is found, or acted on, later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._problem import Problem

__all__ = ["Look"]


@dataclass
class Look:
    """A check, until its objective is known and the rates have been told of it.

    At a mean of the iterates the updates up to the next check, which read the rows anyway, can sum the loss.
    """

    row: dict  # of the history, without what is still to be found
    of_rates: tuple
    theta: np.ndarray | None = None  # whose objective is wanted
    objective: float | None = None  # None: not known
    cost: float | None = None  # what the stopping rule goes by; None: the check was not shown
    loss: float = 0.0  # sum of weight * loss
    rows: int = 0  # over so many rows

    def add(self, loss: float, rows: int, accepted: bool) -> None:
        self.loss += loss if accepted else np.nan  # rows are visited again
        self.rows += rows

    def measure(self, problem: Problem, threads: int) -> float:
        """The objective."""
        assert self.theta is not None
        if self.rows == problem.n and np.isfinite(self.loss):
            return problem.value_of(self.loss, self.theta)
        return problem.value(self.theta, threads)
