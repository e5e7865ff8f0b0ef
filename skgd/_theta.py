"""Theta: the parameters of a problem by layer, where they start, and in other coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._bounds import sides_of
from ._feature_layer import moved_by_features
from ._network import Network, blocks, shares
from ._shared_weights import SharedWeights, moved_by_members

__all__ = ["Theta"]


class Theta:
    """What a Problem knows of its parameters."""

    layers: tuple  # (inputs, width, columns, offset) of each block
    network: Network | None
    d: int

    def initialise(self: Any, theta: np.ndarray, seed: int, at_constant: bool = False) -> None:
        """Fill theta, zeros, with where a fit starts: linear models at zero or the best constant."""
        if self.network is None:
            theta[:] = self.constant if at_constant else 0
            return
        if not (self.network.hidden or self.network.features):
            return
        self.network.initialise(self.blocks(theta), np.random.RandomState(seed), self.d)
        for share in shares(theta, self.layers):
            share[:] = 1
        if self.fit_intercept:
            intercepts = self.last_layer(theta)[1]
            intercepts[:] = self._constant
            if (units := self.targets.units) is not None:
                intercepts[:] = (intercepts - units.shift) / units.scale

    def blocks(self, theta: np.ndarray) -> list[np.ndarray]:
        """Views (inputs + 1, width) of the layers in theta, intercepts last."""
        return blocks(theta, self.layers)

    @property
    def shared(self) -> SharedWeights | None:
        """How several networks share weights; None where there is one model."""
        return None if self.network is None else self.network.shared

    def parts(self: Any, theta: np.ndarray) -> tuple[list, list]:
        """Views of the weights of each layer of a network, and of intercepts, then of shares of activations,
        then of adapters, for each member where several share weights."""
        layers = self.blocks(theta)
        if self.shared is not None:
            return self.shared.parts(layers, self.network.matrices)
        of_shares = shares(theta, self.layers)
        return [layer[:-1] for layer in layers], [*(layer[-1] for layer in layers), *of_shares]

    def last_layer(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Views of its weights and its intercepts."""
        weights, vectors = self.parts(theta)
        return weights[-1], vectors[len(weights) - 1]

    def features(self, theta: np.ndarray) -> np.ndarray:
        """View (d + 1, columns) of the layer that sees the features, padding included."""
        columns = self.layers[0][2]
        return theta.reshape(-1)[: (self.d + 1) * columns].reshape(self.d + 1, columns)

    def standardize(self: Any, theta: np.ndarray) -> np.ndarray:
        """Parameters for X and y moved, in place, into the coordinates of the descent."""
        if self.standard is not None and not self._moved(theta, "to_standardized"):
            features = self.features(theta)
            features[:] = self.standard.to_standardized(features)
        if (units := self.targets.units) is not None:
            weights, intercepts = self.last_layer(theta)
            intercepts -= units.shift
            intercepts /= units.scale
            weights /= units.scale
        return theta

    def _moved(self, theta: np.ndarray, way: str) -> bool:
        return moved_by_features(self, theta, way) or moved_by_members(self, theta, way)

    def unstandardize(self: Any, theta: np.ndarray) -> np.ndarray:
        """The way back, in place."""
        if self.standard is not None and not self._moved(theta, "to_original"):
            features = self.features(theta)
            original = self.standard.to_original(features)
            features[:] = original if self.limits is None else self._at_bounds(features, original)
        if (units := self.targets.units) is not None:
            weights, intercepts = self.last_layer(theta)
            weights *= units.scale
            intercepts *= units.scale
            intercepts += units.shift
        return theta

    def _at_bounds(self: Any, theta: np.ndarray, original: np.ndarray) -> np.ndarray:
        """Parameters for X of which those are exactly at a bound that were so in the coordinates."""
        assert self.penalty.bounds is not None and self.limits is not None
        weights, moved = (array[:-1, : self.targets.columns] for array in (theta, original))
        (low, high), (least, greatest) = map(sides_of, (self.limits, self.penalty.bounds.of_features(self.d)))
        inside = np.clip(moved, least, greatest)
        moved[:] = np.where(weights <= low, least, np.where(weights >= high, greatest, inside))
        return original

    def for_original(self: Any, theta: np.ndarray) -> np.ndarray:
        """Parameters for X and y, in the precision of X: theta itself where the descent has no others."""
        return self.unstandardize(theta.astype(self.design.given)) if self.has_coordinates else theta
