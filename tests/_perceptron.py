"""A multi-layer perceptron in NumPy, written for reading: the account the core is held against."""

import _reference as reference
import numpy as np
from scipy.special import erf, expit

ACTIVATIONS = {  # z -> value, slope
    "identity": lambda z: (z, np.ones_like(z)),
    "logistic": lambda z: (expit(z), expit(z) * expit(-z)),
    "tanh": lambda z: (np.tanh(z), 1 - np.tanh(z) ** 2),
    "relu": lambda z: (np.maximum(z, 0), 1.0 * (z > 0)),
    "leaky_relu": lambda z: (np.where(z > 0, z, 0.01 * z), np.where(z > 0, 1, 0.01)),
    "elu": lambda z: (np.where(z > 0, z, np.expm1(np.minimum(z, 0))), np.exp(np.minimum(z, 0))),
    "gelu": lambda z: (
        z * (1 + erf(z / np.sqrt(2))) / 2,
        (1 + erf(z / np.sqrt(2))) / 2 + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi),
    ),
    "silu": lambda z: (z * expit(z), expit(z) * (1 + z * expit(-z))),
    "selu": lambda z: (
        1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0))),
        1.0507009873554805 * np.where(z > 0, 1, 1.6732632423543772 * np.exp(np.minimum(z, 0))),
    ),
    "mish": lambda z: (
        z * np.tanh(np.logaddexp(0, z)),
        np.tanh(np.logaddexp(0, z)) + z * expit(z) * (1 - np.tanh(np.logaddexp(0, z)) ** 2),
    ),
    "softplus": lambda z: (np.logaddexp(0, z), expit(z)),
}


def forward(layers, X, activation):
    """Values of every layer, the inputs first; slopes of the hidden ones."""
    values, slopes = [np.asarray(X, dtype=float)], []
    for i, layer in enumerate(layers):
        z = reference.with_ones(values[-1]) @ layer
        if i + 1 < len(layers):
            z, slope = ACTIVATIONS[activation](z)
            slopes.append(slope)
        values.append(z)
    return values, slopes


def gradients(layers, X, y, loss, activation, l2=0.0, weights=None):
    """Objective and its gradient for each layer (inputs + 1, units), the intercepts last."""
    values, slopes = forward(layers, X, activation)
    omega = reference.mean_one(weights, len(values[0]))[:, None]
    losses, delta = reference.value_and_slope(loss, y, values[-1])
    total, delta, out = float(np.mean(omega[:, 0] * losses)), omega * delta / len(delta), []
    for i in reversed(range(len(layers))):
        penalty = np.vstack([l2 * layers[i][:-1], np.zeros((1, layers[i].shape[1]))])
        out.append(reference.with_ones(values[i]).T @ delta + penalty)
        total += l2 * float(np.sum(layers[i][:-1] ** 2)) / 2
        delta = (delta @ layers[i][:-1].T) * slopes[i - 1] if i else None
    return total, out[::-1]


def descend(
    layers, X, y, loss, activation, *, rule="plain", rate=0.1, size=None, epochs=1, l2=0.0, most=None,
    factors=None,
):  # fmt: skip
    """Batches in order; the layers after the last update. `factors` of the rate, one array a layer."""
    states, n = [{} for _ in layers], len(X)
    factors = [1.0] * len(layers) if factors is None else factors
    size = size or n
    for rows in reference.batches(n, size) * epochs:
        _, loss_part = gradients(layers, X[rows], y[rows], loss, activation)
        norm = np.sqrt(sum(float(np.sum(g**2)) for g in loss_part))
        shrink = 1.0 if most is None or norm <= most else most / norm
        new = []
        for layer, g, state, factor in zip(layers, loss_part, states, factors, strict=True):
            g = shrink * g + np.vstack([l2 * layer[:-1], np.zeros((1, layer.shape[1]))])
            new.append(reference.RULES[rule](layer, g, factor * rate, state, lambda w, time: w))
        layers = new
    return layers


def layers_of(model):
    """Parameters of a fitted perceptron, a matrix (inputs + 1, units) for each layer."""
    return [np.vstack([w, b]).astype(float) for w, b in zip(model.coefs_, model.intercepts_, strict=True)]
