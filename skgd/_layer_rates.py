"""Factors of the learning rate by layer, and the neural tangent parametrization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

__all__ = ["PARAMETRIZATIONS", "LayerRates", "layer_rates_of"]

PARTS = ("intercepts", "activations", "scaling", "frequencies", "adapters")  # beside the weights of layers
PARAMETRIZATIONS = ("standard", "ntp")


@dataclass(frozen=True)
class LayerRates:
    """Factors of the learning rate in the layers of a perceptron.

    The weights of layer l, with n_l inputs, have the factor ``weights[l] * n_l ** -power``.
    """

    weights: tuple[float, ...]
    intercepts: float = 1.0
    activations: float = 1.0  # of the shares of them that units take
    scaling: float = 1.0  # of factors of the features
    frequencies: float = 1.0  # and phases, of waves of the features
    adapters: float = 1.0  # of networks that share weights
    power: float = 0.0

    @property
    def of_features(self) -> tuple[float, float]:
        """Factors of the layer of features, if there is one: of scaling, and of frequencies."""
        return self.weights[0] * self.scaling, self.weights[0] * self.frequencies

    def of_weights(self, inputs: Sequence[int]) -> list[float]:
        """Factors of the weights of layers with so many inputs."""
        return [factor * max(1, n) ** -self.power for factor, n in zip(self.weights, inputs, strict=True)]

    def core_spec(self, inputs: Sequence[int]) -> list[tuple]:
        """For each layer the factors of runs of inputs, with their ends, that of its intercepts, and that of
        shares."""
        factors = zip(inputs, self.of_weights(inputs), strict=True)
        return [([(n, factor)] if n else [], self.intercepts, self.activations) for n, factor in factors]

    def fill(self, blocks: list[np.ndarray]) -> None:
        """Write the factor of each parameter; layers are (inputs + 1, width), the intercepts last."""
        for block, factor in zip(blocks, self.of_weights([len(b) - 1 for b in blocks]), strict=True):
            block[:-1], block[-1] = factor, self.intercepts

    def typical(self, inputs: Sequence[int]) -> float:
        """The geometric mean of what the parametrization makes of the rates of the layers' weights."""
        return float(np.exp(-self.power * np.mean(np.log(np.maximum(1, inputs)))))


def layer_rates_of(given, parametrization: str, rate_unit: float, layers: int) -> LayerRates | None:
    """Factors for a dict by layer and a parametrization; None where all are one.

    ``rate_unit``: the power of s by which the rate of a weight s v is that of v.
    """
    weights, others = [1.0] * layers, dict.fromkeys(PARTS, 1.0)
    for part, factor in ({} if given is None else given).items():
        known = part in others or (isinstance(part, Integral) and -layers <= int(part) < layers)
        if not known:
            raise ValueError(
                f"rate_factors={given!r} must be a dict whose keys are numbers of layers, from 0 to "
                f"{layers - 1} or from -{layers} to -1, and {list(others)}; {part!r} is none of them."
            )
        if not isinstance(factor, Real) or not 0 < float(factor) < np.inf:
            raise ValueError(f"rate_factors={given!r} must have positive numbers as values.")
        if part in others:
            others[part] = float(factor)
        else:
            weights[int(part)] *= float(factor)
    power = 0.5 * rate_unit if parametrization == "ntp" else 0.0
    plain = not power and {*others.values(), *weights} == {1.0}
    return None if plain else LayerRates(tuple(weights), **others, power=power)
