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
        network, blocks = problem.network, len(problem.layers)
        self.layers = [] if network is None or blocks == 1 else network.layer_numbers(blocks)
        self.names = [f"gradient_norm_{layer}" for layer in sorted(set(self.layers))]
        for name in self.names:
            history.setdefault(name, [])
        if self.names and descent.gradient is None:
            descent.gradient = problem.zeros()

    def __call__(self) -> dict[str, float]:
        gradient = self.descent.gradient
        if not self.names or gradient is None:
            return {}
        squares = np.zeros(len(self.names))
        for layer, part in zip(self.layers, self.problem.blocks(gradient), strict=True):
            squares[layer] += np.linalg.norm(part.astype(float)) ** 2
        return dict(zip(self.names, np.sqrt(squares).tolist(), strict=True))
