"""Networks that share the weights of their hidden layers, and differ by adapters of rank one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["Matrix", "SharedWeights", "adapters_among", "member_of", "moved_by_members"]


class Matrix(NamedTuple):
    """One of the matrices that theta holds."""

    part: str  # "features", "weights", "outputs", "intercepts", "shares", "inputs" or "heads"
    layer: int  # the number of its layer


@dataclass(frozen=True)
class SharedWeights:
    """Member i has the weights W * (r_i s_i') in a hidden layer whose weights W all share."""

    members: int
    rate: float = 1.0  # factor of the learning rate of what each has of its own: k times smaller gradients

    def matrices(self, first: int, parametric: Sequence[bool]) -> tuple[Matrix, ...]:
        """What theta holds, in order, with `first` layers of features before the hidden ones."""
        found = [("features", 0)] * first
        for layer, learns in enumerate(parametric, start=first):
            own = ("outputs", "intercepts", *(["shares"] if learns else []), "inputs")
            found += [(part, layer) for part in ("weights", *own)]
        last = first + len(parametric)
        return tuple(Matrix(*each) for each in (*found, ("heads", last), ("intercepts", last)))

    def parts(self, blocks: Sequence[np.ndarray], matrices: Sequence[Matrix]) -> tuple[list, list]:
        """Views of the weights of each layer, those of the last for each member, and of intercepts, then of
        shares of activations, then of adapters: r (members, inputs) and s (members, units) of each layer."""
        found: dict[str, list] = {
            name: [] for name in ("weights", "intercepts", "shares", "inputs", "outputs")
        }
        for block, (part, _) in zip(blocks, matrices, strict=True):
            if part == "features":
                found["weights"].append(block[:-1])
                found["intercepts"].append(block[-1])
            elif part == "heads":
                found["weights"].append(block[:-1].reshape(self.members, -1, block.shape[1]))
            else:
                found[part].append(block[:-1])
        adapters = [each for pair in zip(found["inputs"], found["outputs"], strict=True) for each in pair]
        return found["weights"], [*found["intercepts"], *found["shares"], *adapters]

    def core_rates(self, matrices: Sequence[Matrix], inputs: Sequence[int], rates) -> list[tuple]:
        """Factors of the learning rate of each matrix, of layers with so many inputs; `rates` are LayerRates,
        or None."""
        if rates is None and self.rate == 1:
            return []
        factors = dict.fromkeys(("intercepts", "shares", "adapters"), self.rate)
        of_weights = [1.0] * len(inputs)
        if rates is not None:
            of_weights = rates.of_weights(inputs)
            own = {"intercepts": rates.intercepts, "shares": rates.activations, "adapters": rates.adapters}
            factors = {part: self.rate * factor for part, factor in own.items()}
        k, found = self.members, []
        for part, layer in matrices:
            if part in ("features", "weights"):
                rows, factor = inputs[layer], of_weights[layer]
            elif part == "heads":
                rows, factor = k * inputs[layer], self.rate * of_weights[layer]
            else:
                rows, factor = k, factors[part if part in factors else "adapters"]
            found.append(([(rows, factor)] if rows else [], factor, 1.0))
        return found


def adapters_among(intercepts: Sequence[np.ndarray], vectors: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """Those of all hidden layers, which come last; none of a single network."""
    hidden = sum(each.ndim == 2 for each in intercepts[:-1])
    return vectors[-2 * hidden :] if hidden else []


def member_of(weights: Sequence[np.ndarray], vectors: Sequence[np.ndarray], i: int) -> tuple[list, list]:
    """Weights, and intercepts and shares, of member i by itself, from parts of all members."""
    intercepts = vectors[: len(weights)]
    first = sum(each.ndim == 1 for each in intercepts)  # layers of features, which all share
    hidden = len(weights) - 1 - first
    of_shares, adapters = vectors[len(weights) : -2 * hidden], vectors[-2 * hidden :]
    of_hidden = zip(weights[first:-1], adapters[::2], adapters[1::2], strict=True)
    formed = [W * (r[i][:, None] * s[i]) for W, r, s in of_hidden]
    own = [each[i] for each in (*intercepts[first:], *of_shares)]
    return [*weights[:first], *formed, weights[-1][i]], [*intercepts[:first], *own]


def moved_by_members(problem, theta: np.ndarray, way: str) -> bool:
    """Whether networks share the weights of the first layer of a problem; its parameters are then moved, in
    place, "to_standardized" coordinates or "to_original" ones."""
    if problem.shared is None:
        return False
    weights, vectors = problem.parts(theta)
    W, intercepts, (r, s) = weights[0], vectors[0], vectors[-2 * len(problem.network.hidden) :][:2]
    scale, center = problem.standard.scale[:, None], problem.standard.center
    if way == "to_original":
        W /= scale
    shift = s * ((r * center) @ W)
    if way == "to_standardized":
        W *= scale
    intercepts += shift if way == "to_standardized" else -shift
    return True
