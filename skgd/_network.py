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
from ._shared_weights import Matrix, SharedWeights

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
    shared: SharedWeights | None = None  # of several networks; None: there is one

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

    def inputs(self, d: int) -> tuple[int, ...]:
        """Inputs of each layer, for rows of d features."""
        return (d, *self.hidden) if self.features is None else (1, self.features.units(d), *self.hidden)

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """Of networks that share weights, what theta holds."""
        assert self.shared is not None
        return self.shared.matrices(
            int(self.features is not None), list(map(is_parametric, self.activations))
        )

    def layer_numbers(self, blocks: int) -> list[int]:
        """The number of the layer that each block of theta belongs to."""
        return list(range(blocks)) if self.shared is None else [matrix.layer for matrix in self.matrices]

    def core_rates(self, d: int) -> list[tuple]:
        """Factors of the learning rate of each block of theta; none where all are one."""
        inputs = self.inputs(d)
        if self.shared is not None:
            return self.shared.core_rates(self.matrices, inputs, self.rates)
        return [] if self.rates is None else self.rates.core_spec(inputs)

    def core_spec(self, d: int) -> tuple[list[int], list, float, list[bool], list, list, list, int]:
        """What the core takes for rows of d features."""
        activations = [
            without_shares(a) if isinstance(a, str) else partial(_activate, a) for a in self.activations
        ]
        features: list[float] = []
        first: tuple[bool, ...] = ()
        if self.features is not None:
            scaling, frequencies = (1.0, 1.0) if self.rates is None else self.rates.of_features
            features, first = self.features.core_spec(d, scaling, frequencies), (False,)
        parametric = [*first, *(is_parametric(activation) for activation in self.activations)]
        frozen, members = list(self.frozen), 0
        if self.shared is not None:
            members = self.shared.members
            frozen = [frozen[matrix.layer] for matrix in self.matrices] if frozen else []
        rates, hidden = self.core_rates(d), list(self.hidden)
        return hidden, activations, self.dropout, frozen, rates, parametric, features, members

    def initialise(self, blocks, rng, d: int = 0) -> None:
        """Draw the weights of each layer, (inputs + 1, width) with the intercepts last, which stay zero.

        By default U(-r, r) with r^2 = 6 / fan_in or 6 / (fan_in + fan_out); the last layer has no activation.
        """
        if self.features is not None:
            self.features.initialise(blocks[0], d, rng)
        if self.shared is not None:
            return self._initialise_members(blocks, rng)
        for i, block in enumerate(blocks[self.features is not None :]):
            block[:-1] = self._draw(rng, i, (len(block) - 1, block.shape[1]))
        return None

    def _initialise_members(self, blocks, rng) -> None:
        """Shared weights and each last layer as those of one network, adapters of one, but random signs for
        the inputs of the first hidden layer."""
        assert self.shared is not None
        weights, vectors = self.shared.parts(blocks, self.matrices)
        hidden, first = len(self.hidden), int(self.features is not None)
        for i, into in enumerate((*weights[first:-1], *weights[-1])):
            into[:] = self._draw(rng, min(i, hidden), into.shape)
        for vector in vectors[len(weights) :]:  # shares, adapters
            vector[:] = 1
        signs = vectors[-2 * hidden]
        signs[:] = rng.choice([-1.0, 1.0], signs.shape)

    def _draw(self, rng, layer: int, shape: tuple[int, ...]) -> np.ndarray:
        """Initial weights (inputs, width) of a layer, the first hidden one being 0."""
        inputs, width = shape
        last = layer == len(self.hidden)
        if self.init is not None and not last:
            numerator, both, normal = INITIALISATIONS[self.init]
            variance = numerator / max(1, inputs + width if both else inputs)
            if normal:
                return rng.normal(0, np.sqrt(variance), shape)
            bound = np.sqrt(3 * variance)
        else:
            numerator, both = _LAST if last else self._bound_of(layer)
            bound = np.sqrt(numerator / max(1, inputs + width if both else inputs))
        return rng.uniform(-bound, bound, shape)

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
        if np.isnan(np.sum(given)) and np.isnan(given).any() and np.isfinite(z[:, :width]).all():
            raise ValueError(
                f"The activation {name} returned {what} that are nan for scores that are finite."
            )
        if into is not None:
            into[:, :width] = given


def network_of(estimator, optimizer) -> Network:
    """The hidden layers that an estimator asks for, under this rule."""
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
    rates = layer_rates_of(estimator.rate_factors, estimator.parametrization, optimizer.rate_unit, layers)
    shared = _shared_of(estimator, optimizer, hidden)
    return Network(hidden, activations, float(estimator.dropout), init, frozen, rates, features, shared)


def _shared_of(estimator, optimizer, hidden: tuple) -> SharedWeights | None:
    """Where rates have the unit of weights over gradients, what members have of their own gets k times the
    rate: its gradients are those of a mean of k losses."""
    members = int(estimator.n_members)
    if members == 1 or not estimator.share_weights:
        return None
    if not hidden:
        raise ValueError("share_weights=True needs a hidden layer, whose weights the networks share.")
    steps = optimizer.adaptive or optimizer.searches
    return SharedWeights(members, 1.0 if steps else float(members))


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
