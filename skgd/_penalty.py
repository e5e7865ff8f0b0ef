"""Penalties: alpha R(w) on the weights, never on intercepts; one class each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

__all__ = ["PENALTIES", "ElasticNet", "L1", "L2", "NoPenalty", "Penalty"]


@dataclass(frozen=True)
class Penalty:
    """alpha [l1_ratio |w|_1 + (1 - l1_ratio) |w|_2^2 / 2].

    ``scale`` (d,), where it is given, multiplies the weights before they are penalised: the penalty then
    keeps its meaning for the original features while the descent goes in other coordinates.
    """

    alpha: float = 0.0
    l1_ratio: float = 0.0

    name: ClassVar[str | None] = None

    @property
    def l1(self) -> float:
        """Strength of |w|_1."""
        return self.alpha * self.l1_ratio

    @property
    def l2(self) -> float:
        """Strength of |w|_2^2 / 2: its second derivative."""
        return self.alpha * (1 - self.l1_ratio)

    def value(self, weights: np.ndarray, scale: np.ndarray | float = 1.0) -> float:
        """alpha R(w) of weights (d, ...)."""
        w = np.asarray(weights, dtype=float) * np.reshape(scale, (-1,) + (1,) * (np.ndim(weights) - 1))
        return float(self.l1 * np.abs(w).sum() + self.l2 / 2 * np.square(w).sum())

    def prox(self, weights: np.ndarray, step: float, scale: np.ndarray | float = 1.0) -> np.ndarray:
        """The proximal step argmin_u |u - w|^2 / 2 + step alpha R(u)."""
        s = np.reshape(scale, (-1,) + (1,) * (np.ndim(weights) - 1))
        shrunk = np.sign(weights) * np.maximum(np.abs(weights) - step * self.l1 * s, 0.0)
        return shrunk / (1 + step * self.l2 * s**2)

    def core_spec(self) -> tuple[float, float]:
        """What names this penalty to the core: its strengths (l1, l2)."""
        return self.l1, self.l2

    @classmethod
    def build(cls, alpha: float, l1_ratio: float) -> Penalty:
        """From the parameters of an estimator."""
        return cls(float(alpha))


class NoPenalty(Penalty):
    """Zero, whatever alpha, which schedules may still ask for."""

    l1 = l2 = 0.0


class L2(Penalty):
    """alpha |w|_2^2 / 2: ridge."""

    name = "l2"


class L1(Penalty):
    """alpha |w|_1: lasso, with exact zeros."""

    name = "l1"

    @classmethod
    def build(cls, alpha, l1_ratio):
        return cls(float(alpha), 1.0)


class ElasticNet(Penalty):
    """alpha [l1_ratio |w|_1 + (1 - l1_ratio) |w|_2^2 / 2] (Zou & Hastie 2005)."""

    name = "elasticnet"

    @classmethod
    def build(cls, alpha, l1_ratio):
        return cls(float(alpha), float(l1_ratio))


PENALTIES = {penalty.name: penalty for penalty in (NoPenalty, L2, L1, ElasticNet)}
