"""Multi-layer perceptrons as the core takes them: widths, activation, dropout; and where they start."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np

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


@dataclass(frozen=True)
class Network:
    """Hidden layers of a perceptron."""

    hidden: tuple[int, ...]
    activation: str
    dropout: float = 0.0

    def core_spec(self) -> tuple[list[int], list, float, list[bool]]:
        return list(self.hidden), [self.activation] * len(self.hidden), self.dropout, []

    def initialise(self, blocks, rng) -> None:
        """Draw the weights of each layer, (inputs + 1, width) with the intercepts last, which stay zero.

        U(-r, r) with r^2 = 6 / fan_in or 6 / (fan_in + fan_out); the last layer has no activation.
        """
        numerator, both = ACTIVATIONS[self.activation]
        for i, block in enumerate(blocks):
            inputs, width = block.shape[0] - 1, block.shape[1]
            if i + 1 == len(blocks):
                numerator, both = 0.06, True  # a tenth of the bound: scores start near their constant
            bound = np.sqrt(numerator / max(1, inputs + width if both else inputs))
            block[:-1] = rng.uniform(-bound, bound, (inputs, width))


def network_of(estimator) -> Network:
    """The hidden layers that an estimator asks for."""
    sizes = np.atleast_1d(np.asarray(estimator.hidden_layer_sizes, dtype=object)).ravel()
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes={estimator.hidden_layer_sizes!r} must be positive integers, one for each "
            f"hidden layer."
        )
    return Network(tuple(int(size) for size in sizes), estimator.activation, float(estimator.dropout))


def blocks(theta: np.ndarray, layers) -> list[np.ndarray]:
    """Views (inputs + 1, width) of each layer in theta: weights over intercepts, without padding."""
    flat = theta.reshape(-1)
    return [
        flat[offset : offset + (inputs + 1) * columns].reshape(inputs + 1, columns)[:, :width]
        for inputs, width, columns, offset in layers
    ]
