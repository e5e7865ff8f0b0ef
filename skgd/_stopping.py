"""The stopping rule, and the objective over the last rows that it may go by."""

from __future__ import annotations

from collections import deque

import numpy as np

from ._options import Stopping

PRECISE = 1e-6  # a `tol` that asks for more than what the noise of stochastic updates leaves

__all__ = ["PRECISE", "LossWindow", "PlateauRule", "of_little_gain", "unit_of_tol", "value_of_constant"]


class LossWindow:
    """Mean loss over the last n rows visited, each as it was just before its update."""

    loss: float
    weight: float
    rows: int
    dropped: int

    def __init__(self, n: int):
        self.n = n
        self.clear()

    def add(self, loss: float, weight: float, rows: int) -> None:
        self.parts.append((loss, weight, rows))
        self.loss, self.weight, self.rows = self.loss + loss, self.weight + weight, self.rows + rows
        while self.rows - self.parts[0][2] >= self.n:
            loss, weight, rows = self.parts.popleft()
            self.loss, self.weight, self.rows = (
                self.loss - loss,
                self.weight - weight,
                self.rows - rows,
            )
            self.dropped += 1
        if self.dropped >= len(self.parts):  # sums afresh, before differences lose digits
            self.loss = sum(part[0] for part in self.parts)
            self.weight = sum(part[1] for part in self.parts)
            self.dropped = 0

    def clear(self) -> None:
        self.parts: deque[tuple[float, float, int]] = deque()
        self.loss, self.weight, self.rows, self.dropped = 0.0, 0.0, 0, 0

    def mean(self) -> float:
        return self.loss / self.weight if self.weight > 0 else 0.0


class PlateauRule:
    """The stopping rule: `n_iter_no_change` checks in a row without an improvement end training.

    Objectives, validation losses and negative validation scores are costs; a check improves when it lies
    more than `margin` below the last one that did: `tol` for scores, `tol` times the reference for others.
    """

    def __init__(self, stopping: Stopping, reference: float):
        self.stopping = stopping
        tol = stopping.tol or 0.0
        self.margin = tol if stopping.by_score else tol * reference
        self.best = np.inf
        self.waits = 0  # checks since the last improvement
        self.plateaus = 0  # plateaus since then after which training went on

    def update(self, cost: float) -> None:
        if cost < self.best - self.margin:
            self.best, self.waits, self.plateaus = cost, 0, 0
        else:
            self.waits += 1

    def go_on(self) -> None:
        """Wait anew, with other rates."""
        self.waits = 0
        self.plateaus += 1

    @property
    def may_end(self) -> bool:
        """Whether the next check can be a plateau."""
        return self.stopping.waits and self.waits + 1 >= self.stopping.n_iter_no_change

    @property
    def plateau(self) -> bool:
        return self.stopping.waits and self.waits >= self.stopping.n_iter_no_change


def unit_of_tol(problem, reference: float) -> float:
    """What improvements are held against under a rate that the user gave.

    That is the objective's size `reference` where such fits start. With a log link they start at predictions
    of one, whose objective tells about the unit of y alone: there it is the objective at the best constant,
    less what the unit adds to it, if that is smaller.
    """
    if not problem.loss.log_link:
        return reference
    return min(reference, abs(problem.value(problem.constant) - problem.units_of_y)) or reference


def value_of_constant(problem, threads: int = 1) -> float:
    """The objective at about the best constant raw scores: of classes, at the best of some that follow from
    their shares."""
    best, targets, K = problem.constant, problem.targets, problem.targets.columns
    if problem.loss.task != "classification" or not problem.fit_intercept:
        return problem.value(best, threads)
    y, coded, counted = np.reshape(targets.y, (problem.n, -1)), targets.codes and K > 1, _counted(problem)
    if counted is not None:
        share = counted[1] if coded else counted[1][1:]
    else:
        share = np.average(y == np.arange(K) if coded else y, axis=0, weights=targets.weight)
    share = np.clip(share, 1e-9, 1 - 1e-9)
    log_odds = np.log(share if coded else share / (1 - share))
    scores = [problem.blocks(best)[-1][-1, :K], log_odds, np.sign(share - 0.5), 2 * share - 1]
    if counted is not None:
        classes, shares = counted
        of_classes = (problem.loss._values(classes, np.tile(each, (len(classes), 1))) for each in scores)
        return min(float(shares @ values) for values in of_classes)
    return min(problem.value(_with_intercept(problem, each), threads) for each in scores)


def _counted(problem) -> tuple[np.ndarray, np.ndarray] | None:
    """The classes as targets, and the share of the rows (of their weight) in each, where all rows of a class
    have one loss at constant weights: of linear models; else None."""
    targets, K = problem.targets, problem.targets.columns
    y, weight = targets.y.reshape(-1), targets.weight
    if problem.network is not None or targets.offset is not None or len(y) != problem.n or not len(y):
        return None
    if problem.constant[:-1].any():  # bounds leave zero out
        return None
    if targets.codes and K > 1:
        classes, codes = np.arange(K), y.astype(np.intp, copy=False)
    else:
        classes, ones = np.array([0.0, 1.0]), y == 1
        if np.count_nonzero(ones) + np.count_nonzero(y == 0) != len(y):  # shares of classes
            return None
        codes = ones.view(np.int8)
    found = np.bincount(codes, weight, minlength=len(classes)).astype(float)
    return (classes, found / found.sum()) if found.sum() > 0 else None


def _with_intercept(problem, scores: np.ndarray) -> np.ndarray:
    theta = problem.constant.copy()
    problem.blocks(theta)[-1][-1, : len(scores)] = scores
    return theta


def of_little_gain(problem, share: float, threads: int = 1) -> float:
    """An objective that has gained a share of that of the best constant, or nothing where the loss of rows
    that are fitted exactly is not known."""
    loss = problem.loss
    known = loss.falls_to_zero and not (loss.takes_shares or getattr(loss, "label_smoothing", 0))
    constant = value_of_constant(problem, threads)
    return constant - share * abs(constant - problem.units_of_y) * known
