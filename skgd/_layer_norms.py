"""Norms of the gradients of the layers of a perceptron, for its history."""

from __future__ import annotations

import numpy as np

from ._descent import Descent
from ._problem import Problem

__all__ = ["LayerNorms"]


class LayerNorms:
    """Columns of a history: the norm of each layer's gradient in the last update; none of linear models."""

    def __init__(self, problem: Problem, descent: Descent, history: dict):
        self.problem, self.descent = problem, descent
        layers = range(len(problem.layers) if len(problem.layers) > 1 else 0)
        self.names = [f"gradient_norm_{layer}" for layer in layers]
        for name in self.names:
            history.setdefault(name, [])
        if self.names and descent.gradient is None:
            descent.gradient = problem.zeros()

    def __call__(self) -> dict[str, float]:
        gradient = self.descent.gradient
        if not self.names or gradient is None:
            return {}
        pairs = zip(self.names, self.problem.blocks(gradient), strict=True)
        return {name: float(np.linalg.norm(part.astype(float))) for name, part in pairs}
