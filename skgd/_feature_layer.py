"""A first layer of units that see one feature each: factors of the features, and waves of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["FeatureLayer", "feature_layer_of", "moved_by_features"]


@dataclass(frozen=True)
class FeatureLayer:
    """Units w_j x_j, one for each feature, then cos(2 pi (w x_j + b)), several for each number.

    Its block in theta is (2, units): weights, and intercepts, which only waves have.
    """

    waves: int = 0  # of each number
    deviation: float = 0.1  # standard deviation of the frequencies at the start
    scales: bool = False  # whether factors of the features are learnt
    numbers: int | None = None  # the first features, which have waves; None: all

    def numbers_of(self, d: int) -> int:
        """How many of d features have waves."""
        return d if self.numbers is None else self.numbers

    def units(self, d: int) -> int:
        return d + self.waves * self.numbers_of(d)

    def seen(self, d: int) -> np.ndarray:
        """The feature (units,) that each unit sees."""
        return np.append(np.arange(d), np.repeat(np.arange(self.numbers_of(d)), self.waves))

    def core_spec(self, d: int, scaling: float, frequencies: float) -> list[float]:
        """Numbers, waves, and the factors of the rates of scales, frequencies and phases."""
        return [self.numbers_of(d), self.waves, scaling if self.scales else 0.0, frequencies, frequencies]

    def fill_rates(self, block: np.ndarray, d: int, scaling: float, frequencies: float) -> None:
        """Write the factor of the rate of each parameter; of those that stay a tiny one."""
        still = np.finfo(block.dtype).tiny
        block[0, :d], block[1, :d] = scaling if self.scales else still, still
        block[:, d:] = frequencies

    def initialise(self, block: np.ndarray, d: int, rng) -> None:
        """Factors of one, normal frequencies and uniform phases."""
        block[0, :d], block[1, :d] = 1, 0
        waves = block.shape[1] - d
        block[0, d:], block[1, d:] = rng.normal(0, self.deviation, waves), rng.uniform(0, 1, waves)

    def to_standardized(self, block: np.ndarray, standard, d: int) -> None:
        """Move a block for X, in place, into coordinates (x - center) / scale."""
        seen = self.seen(d)
        block[1] += block[0] * standard.center[seen]
        block[0] *= standard.scale[seen]

    def to_original(self, block: np.ndarray, standard, d: int) -> None:
        """The way back."""
        seen = self.seen(d)
        block[0] /= standard.scale[seen]
        block[1] -= block[0] * standard.center[seen]


def moved_by_features(problem, theta: np.ndarray, way: str) -> bool:
    """Whether the first layer of a problem sees one feature a unit; its parameters are then moved, in place,
    "to_standardized" coordinates or "to_original" ones."""
    layer = None if problem.network is None else problem.network.features
    if layer is not None:
        getattr(layer, way)(problem.blocks(theta)[0], problem.standard, problem.d)
    return layer is not None


def feature_layer_of(estimator) -> FeatureLayer | None:
    """The layer that an estimator asks for, if it does."""
    waves, scales = int(estimator.n_frequencies), bool(estimator.scaling_layer)
    if not (waves or scales):
        return None
    return FeatureLayer(waves, float(estimator.frequency_scale), scales)
