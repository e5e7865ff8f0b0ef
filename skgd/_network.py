"""Multi-layer perceptrons as the core takes them: widths, activations, dropout; and where they start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from numbers import Integral

import numpy as np

from ._feature_layer import FeatureLayer, feature_layer_of
from ._layer_rates import LayerRates, layer_rates_of

__all__ = [
    "ACTIVATIONS",
    "INITIALISATIONS",
    "NAMES",
    "Network",
    "blocks",
    "is_parametric",
    "network_of",
    "shares",
    "without_shares",
]

# name -> numerator of the squared bound of the initial weights, and whether the fan-out counts
# (Glorot & Bengio 2010 for curves through the origin, He et al. 2015 for those that are flat on one side)
ACTIVATIONS = {
    "identity": (6.0, True),
    "logistic": (96.0, True),  # four times tanh's bound: its slope at 0 is 1/4
    "tanh": (6.0, True),
    "relu": (6.0, False),
    "leaky_relu": (6.0, False),
    "elu": (6.0, False),
    "gelu": (6.0, False),
    "silu": (6.0, False),
    "selu": (3.0, False),  # variance one over the fan-in (LeCun et al. 1998), as its scale asks for
    "mish": (6.0, False),
    "softplus": (6.0, False),
}
_PARAMETRIC = "parametric_"  # before the name of one that units learn how much of they take
NAMES = {*ACTIVATIONS, *(_PARAMETRIC + name for name in ACTIVATIONS)}
_OF_ONES_OWN = (6.0, False)  # of an activation in Python
_LAST = (0.06, True)  # of the last layer, a tenth of the bound: scores start near their constant

# name -> numerator of the variance of the initial weights, whether the fan-out counts, and whether they are
# normal
INITIALISATIONS = {
    "glorot_uniform": (2.0, True, False),
    "glorot_normal": (2.0, True, True),
    "he_uniform": (2.0, False, False),
    "he_normal": (2.0, False, True),
    "lecun_uniform": (1.0, False, False),
    "lecun_normal": (1.0, False, True),
}


@dataclass(frozen=True)
class Network:
    """Hidden layers of a perceptron."""

    hidden: tuple[int, ...]
    activations: tuple[str | Callable, ...]  # one for each hidden layer
    dropout: float = 0.0
    init: str | None = None  # None: by activation
    frozen: tuple[bool, ...] = ()  # layers that stay as they are, the last one included; empty: none
    rates: LayerRates | None = None  # factors of the learning rate by layer; None: all are one
    features: FeatureLayer | None = None  # before the hidden layers; None: there is no such layer

    @property
    def activation(self) -> str | Callable | tuple:
        """The activation of all hidden layers, or those of each."""
        if not self.activations:
            return "identity"
        return self.activations[0] if len(set(self.activations)) == 1 else self.activations

    def kept(self, d: int) -> dict:
        """What predictions need of it, but the widths of the layers, for rows of d features."""
        if self.features is None:
            return {"activation": self.activation}
        return {"activation": self.activation, "features": (self.features.numbers_of(d), self.features.waves)}

    def core_spec(self, d: int) -> tuple[list[int], list, float, list[bool], list, list, list]:
        """What the core takes for rows of d features."""
        activations = [
            without_shares(a) if isinstance(a, str) else partial(_activate, a) for a in self.activations
        ]
        features: list[float] = []
        first: tuple[bool, ...] = ()
        inputs = (d, *self.hidden)
        if self.features is not None:
            scaling, frequencies = (1.0, 1.0) if self.rates is None else self.rates.of_features
            features, first = self.features.core_spec(d, scaling, frequencies), (False,)
            inputs = (1, self.features.units(d), *self.hidden)
        rates = [] if self.rates is None else self.rates.core_spec(inputs)
        parametric = [*first, *(is_parametric(activation) for activation in self.activations)]
        return list(self.hidden), activations, self.dropout, list(self.frozen), rates, parametric, features

    def initialise(self, blocks, rng, d: int = 0) -> None:
        """Draw the weights of each layer, (inputs + 1, width) with the intercepts last, which stay zero.

        By default U(-r, r) with r^2 = 6 / fan_in or 6 / (fan_in + fan_out); the last layer has no activation.
        """
        if self.features is not None:
            first, *blocks = blocks
            self.features.initialise(first, d, rng)
        for i, block in enumerate(blocks):
            inputs, width = block.shape[0] - 1, block.shape[1]
            if self.init is not None and i + 1 < len(blocks):
                numerator, both, normal = INITIALISATIONS[self.init]
                variance = numerator / max(1, inputs + width if both else inputs)
                bound = np.sqrt(3 * variance)
                draw = rng.normal(0, np.sqrt(variance), (inputs, width)) if normal else None
            else:
                numerator, both = _LAST if i + 1 == len(blocks) else self._bound_of(i)
                bound, draw = np.sqrt(numerator / max(1, inputs + width if both else inputs)), None
            block[:-1] = rng.uniform(-bound, bound, (inputs, width)) if draw is None else draw

    def _bound_of(self, layer: int) -> tuple[float, bool]:
        activation = self.activations[layer]
        return ACTIVATIONS[without_shares(activation)] if isinstance(activation, str) else _OF_ONES_OWN


def is_parametric(activation: str | Callable) -> bool:
    """Whether each unit learns the share of the activation that it takes."""
    return isinstance(activation, str) and activation.startswith(_PARAMETRIC)


def without_shares(activation: str) -> str:
    """The name of the activation that shares are taken of."""
    return activation.removeprefix(_PARAMETRIC)


def _activate(function: Callable, z: np.ndarray, slopes: np.ndarray | None, width: int) -> None:
    """Called by the core: writes values and slopes of an activation in Python into its arguments."""
    name = getattr(function, "__name__", type(function).__name__)
    result = function(z[:, :width].copy())
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise ValueError(f"The activation {name} must return two arrays, (values, slopes).")
    for what, given, into in zip(("values", "slopes"), result, (z, slopes), strict=True):
        if np.shape(given) != (len(z), width):
            raise ValueError(
                f"The activation {name} must return {what} of the shape of its argument, {(len(z), width)}; "
                f"they have shape {np.shape(given)}."
            )
        if into is not None:
            into[:, :width] = given


def network_of(estimator, rate_unit: float) -> Network:
    """The hidden layers that an estimator asks for, under a rule whose rates have this unit."""
    sizes = np.atleast_1d(np.asarray(estimator.hidden_layer_sizes, dtype=object)).ravel()
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes={estimator.hidden_layer_sizes!r} must be positive integers, one for each "
            f"hidden layer."
        )
    activations = _activations_of(estimator.activation, len(sizes))
    init = None if estimator.init == "auto" else estimator.init
    hidden, features = tuple(int(size) for size in sizes), feature_layer_of(estimator)
    layers = len(sizes) + 1 + (features is not None)
    frozen = _frozen_of(estimator.freeze, layers)
    rates = layer_rates_of(estimator.rate_factors, estimator.parametrization, rate_unit, layers)
    return Network(hidden, activations, float(estimator.dropout), init, frozen, rates, features)


def _activations_of(given, layers: int) -> tuple[str | Callable, ...]:
    if isinstance(given, str) or callable(given):
        return (given,) * layers
    unknown = [each for each in given if not callable(each) and each not in NAMES]
    if unknown or len(given) != layers:
        raise ValueError(
            f"activation={given!r} must be one name or callable, or one for each of the {layers} hidden "
            f"layers; the names are {sorted(NAMES)}."
        )
    return tuple(given)


def _frozen_of(given: int | Sequence[int] | None, layers: int) -> tuple[bool, ...]:
    if given is None:
        return ()
    numbers = np.atleast_1d(np.asarray(given, dtype=object)).ravel().tolist()
    if not all(isinstance(number, Integral) and -layers <= int(number) < layers for number in numbers):
        raise ValueError(
            f"freeze={given!r} must be numbers of layers, from 0 (the first) to {layers - 1} (the last, "
            f"which gives the raw scores), or from -{layers} to -1."
        )
    frozen = {int(number) % layers for number in numbers}
    if len(frozen) == layers:
        raise ValueError(f"freeze={given!r} leaves none of the {layers} layers to fit.")
    return tuple(layer in frozen for layer in range(layers)) if frozen else ()


def blocks(theta: np.ndarray, layers) -> list[np.ndarray]:
    """Views (inputs + 1, width) of each layer in theta: weights over intercepts, without padding."""
    flat = theta.reshape(-1)
    return [
        flat[offset : offset + (inputs + 1) * columns].reshape(inputs + 1, columns)[:, :width]
        for inputs, width, columns, offset in layers
    ]


def shares(theta: np.ndarray, layers) -> list[np.ndarray]:
    """Views (width,) of the shares that units take of their activation, of the layers that learn them."""
    flat, found = theta.reshape(-1), []
    for (inputs, width, columns, offset), (*_, following) in pairwise(layers):
        begin = offset + (inputs + 1) * columns
        if following > begin:
            found.append(flat[begin : begin + width])
    return found
