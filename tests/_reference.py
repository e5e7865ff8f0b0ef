"""Plain NumPy accounts of what the package computes: losses, penalties, update rules, the loop.

Each is the textbook formula, written for reading and not for speed. Parameters are one matrix
theta (d + 1, K): the weights in the first d rows, the intercepts in the last.
"""

from itertools import pairwise

import numpy as np
from scipy.special import expit, log_softmax, softmax

# ---------------------------------------------------------------- losses, element by element


def _huber(y, z, epsilon=1.35):
    r = z - y
    inside = np.abs(r) <= epsilon
    value = np.where(inside, r**2 / 2, epsilon * np.abs(r) - epsilon**2 / 2)
    return value, np.clip(r, -epsilon, epsilon)


def _quantile(y, z, quantile=0.5):
    value = quantile * np.maximum(y - z, 0) + (1 - quantile) * np.maximum(z - y, 0)
    return value, np.where(z > y, 1 - quantile, -quantile)


def _log_cosh(y, z):
    r = np.abs(z - y)
    return r + np.log1p(np.exp(-2 * r)) - np.log(2), np.tanh(z - y)


def _epsilon_insensitive(y, z, epsilon=0.1):
    r = z - y
    return np.maximum(0, np.abs(r) - epsilon), np.sign(r) * (np.abs(r) > epsilon)


def _squared_epsilon_insensitive(y, z, epsilon=0.1):
    excess = np.maximum(0, np.abs(z - y) - epsilon)
    return excess**2, 2 * excess * np.sign(z - y)


def _tweedie(y, z, power=1.5):
    p = power
    value = np.exp((2 - p) * z) / (2 - p) - y * np.exp((1 - p) * z) / (1 - p)
    return value, np.exp((2 - p) * z) - y * np.exp((1 - p) * z)


def _modified_huber(t, z):
    value = np.where(t * z >= -1, np.maximum(0, 1 - t * z) ** 2, -4 * t * z)
    return value, np.where(t * z >= -1, -2 * t * np.maximum(0, 1 - t * z), -4 * t)


REGRESSION = {  # (y, z) -> value, d value / d z
    "squared_error": lambda y, z: ((z - y) ** 2 / 2, z - y),
    "huber": _huber,
    "absolute_error": lambda y, z: (np.abs(z - y), np.sign(z - y)),
    "quantile": _quantile,
    "log_cosh": _log_cosh,
    "epsilon_insensitive": _epsilon_insensitive,
    "squared_epsilon_insensitive": _squared_epsilon_insensitive,
    "poisson": lambda y, z: (np.exp(z) - y * z, np.exp(z) - y),
    "gamma": lambda y, z: (z + y * np.exp(-z), 1 - y * np.exp(-z)),
    "tweedie": _tweedie,
}
LOG_LINK = {"poisson", "gamma", "tweedie"}
MARGIN = {  # (t, z) with t = -1 or 1
    "hinge": lambda t, z: (np.maximum(0, 1 - t * z), -t * (t * z < 1)),
    "squared_hinge": lambda t, z: (
        np.maximum(0, 1 - t * z) ** 2,
        -2 * t * np.maximum(0, 1 - t * z),
    ),
    "modified_huber": _modified_huber,
    "perceptron": lambda t, z: (np.maximum(0, -t * z), -t * (t * z <= 0)),
}
CLASSIFICATION = {"log_loss", *MARGIN}


def value_and_slope(loss, y, raw, **params):
    """Values (m,) and slopes (m, K) of a named loss; y holds targets, or class codes 0..K-1."""
    raw = np.asarray(raw, dtype=float).reshape(len(raw), -1)
    if loss in REGRESSION:
        value, slope = REGRESSION[loss](np.reshape(y, raw.shape), raw, **params)
        return value.sum(axis=1), slope
    code = np.asarray(y).reshape(-1).astype(int)
    binary = raw.shape[1] == 1
    onehot = (code == 1)[:, None] if binary else code[:, None] == np.arange(raw.shape[1])
    if loss in MARGIN:
        value, slope = MARGIN[loss](2.0 * onehot - 1, raw)
        return value.sum(axis=1), slope
    return _log_loss(onehot, raw, **params)


def _log_loss(onehot, raw, label_smoothing=0.0):
    target = (1 - label_smoothing) * onehot + label_smoothing / max(2, raw.shape[1])
    if raw.shape[1] == 1:
        return (np.logaddexp(0, raw) - target * raw)[:, 0], expit(raw) - target
    return -(target * log_softmax(raw, axis=1)).sum(axis=1), softmax(raw, axis=1) - target


# ---------------------------------------------------------------- objective and its gradient


def strengths(penalty, alpha, l1_ratio=0.15):
    """The factors (l1, l2) of the l1 norm and of half the squared l2 norm."""
    share = {None: None, "l2": 0.0, "l1": 1.0, "elasticnet": l1_ratio}[penalty]
    return (0.0, 0.0) if share is None else (alpha * share, alpha * (1 - share))


def with_ones(X):
    X = X.toarray() if hasattr(X, "toarray") else np.asarray(X, dtype=float)
    return np.c_[X, np.ones(len(X))]


def mean_one(weights, n):
    return np.ones(n) if weights is None else np.asarray(weights) * n / np.sum(weights)


def objective(theta, X, y, loss="squared_error", *, l1=0.0, l2=0.0, weights=None, **params):
    """F(theta) = weighted mean loss + l1 |W| + l2 |W|^2 / 2, the intercepts left alone."""
    values, _ = value_and_slope(loss, y, with_ones(X) @ theta, **params)
    mean = np.average(values, weights=weights)
    return mean + l1 * np.abs(theta[:-1]).sum() + l2 * (theta[:-1] ** 2).sum() / 2


def loss_gradient(theta, X, y, loss="squared_error", *, weights=None, **params):
    """Gradient (d + 1, K) of the weighted mean loss alone, weights used as they are."""
    X1 = with_ones(X)
    _, slopes = value_and_slope(loss, y, X1 @ theta, **params)
    omega = np.ones(len(X1)) if weights is None else np.asarray(weights)
    return X1.T @ (omega[:, None] * slopes) / len(X1)


# ---------------------------------------------------------------- update rules: (w, g) -> next w
# prox(w, time) applies the penalties for a time (a step length, a number or one a coordinate).


def plain(w, g, rate, state, prox):
    return prox(w - rate * g, rate)


def momentum(w, g, rate, state, prox, beta=0.9):
    new = prox(w + beta * state.get("v", 0.0) - rate * g, rate)
    state["v"] = new - w
    return new


def nesterov(w, g, rate, state, prox, beta=0.9):
    previous = w - beta * state.get("v", 0.0)  # w is the point looked ahead to, as in the papers' y
    new = prox(w - rate * g, rate)
    state["v"] = new - previous
    state["restarts"] = state.get("restarts", 0) + (np.sum(g * state["v"]) > 0)
    return new + beta * state["v"]


def adagrad(w, g, rate, state, prox, epsilon=1e-8):
    state["G"] = state.get("G", 0.0) + g**2
    step = rate / (np.sqrt(state["G"]) + epsilon)
    return prox(w - step * g, np.where(state["G"] > 0, step, 0.0))


def rmsprop(w, g, rate, state, prox, rho=0.9, epsilon=1e-8):
    state["s"] = rho * state.get("s", 0.0) + (1 - rho) * g**2
    step = rate / (np.sqrt(state["s"]) + epsilon)
    return prox(w - step * g, step)


def adam(w, g, rate, state, prox, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    t = state["t"] = state.get("t", 0) + 1
    state["m"] = beta_1 * state.get("m", 0.0) + (1 - beta_1) * g
    state["s"] = beta_2 * state.get("s", 0.0) + (1 - beta_2) * g**2
    step = rate / (np.sqrt(state["s"] / (1 - beta_2**t)) + epsilon)
    return prox(w - step * state["m"] / (1 - beta_1**t), step)


def adadelta(w, g, rate, state, prox, rho=0.95, epsilon=1e-6):
    state["s"] = rho * state.get("s", 0.0) + (1 - rho) * g**2
    ratio = np.sqrt(state.get("u", 0.0) + epsilon) / np.sqrt(state["s"] + epsilon)
    state["u"] = rho * state.get("u", 0.0) + (1 - rho) * (ratio * g) ** 2
    return prox(w - rate * ratio * g, rate * ratio)


def amsgrad(w, g, rate, state, prox, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    t = state["t"] = state.get("t", 0) + 1
    state["m"] = beta_1 * state.get("m", 0.0) + (1 - beta_1) * g
    state["s"] = beta_2 * state.get("s", 0.0) + (1 - beta_2) * g**2
    state["h"] = np.maximum(state.get("h", 0.0), state["s"])
    step = rate / (np.sqrt(state["h"] / (1 - beta_2**t)) + epsilon)
    return prox(w - step * state["m"] / (1 - beta_1**t), step)


def nadam(w, g, rate, state, prox, beta_1=0.9, beta_2=0.999, epsilon=1e-8, momentum_decay=0.004):
    t = state["t"] = state.get("t", 0) + 1
    mu, following = (beta_1 * (1 - 0.96 ** (k * momentum_decay) / 2) for k in (t, t + 1))
    state["product"] = state.get("product", 1.0) * mu
    state["m"] = beta_1 * state.get("m", 0.0) + (1 - beta_1) * g
    state["s"] = beta_2 * state.get("s", 0.0) + (1 - beta_2) * g**2
    ahead = following * state["m"] / (1 - state["product"] * following)
    ahead = ahead + (1 - mu) * g / (1 - state["product"])
    step = rate / (np.sqrt(state["s"] / (1 - beta_2**t)) + epsilon)
    both = following * (1 - beta_1**t) / (1 - state["product"] * following)
    both += (1 - mu) / (1 - state["product"])  # what becomes of a gradient that is always 1
    return prox(w - step * ahead, step * both)


def adamw(w, g, rate, state, prox, **hyper):
    shrunk = w - rate * np.append(np.full(len(w) - 1, prox.l2), 0.0)[:, None] * w
    return adam(w, g, rate, state, lambda new, time: prox(new + (shrunk - w), time), **hyper)


def ftrl(w, g, rate, state, prox, epsilon=1e-8):
    t = state["t"] = state.get("t", 0) + 1
    state["G"] = state.get("G", 0.0) + g**2
    inverse = (np.sqrt(state["G"]) + epsilon) / rate
    state["z"] = state.get("z", 0.0) + g - (inverse - state.get("inverse", 0.0)) * w
    state["inverse"] = inverse
    return np.where(state["G"] > 0, prox(-state["z"] / inverse, t / inverse), w)


def schedule_free(w, g, rate, state, prox, beta=0.9):
    z = prox(state.get("z", w) - rate * g, rate)
    state["weight"] = state.get("weight", 0.0) + rate**2
    c = rate**2 / state["weight"]
    x = state["x"] = (1 - c) * state.get("x", w) + c * z
    state["z"], state["offered"] = z, np.where((z == 0) & (prox.l1 > 0), 0, x)
    return (1 - beta) * z + beta * x


def barzilai_borwein(w, g, rate, state, prox):
    step = rate
    if "g" in state:
        s, y = w - state["w"], g - state["g"]
        long, short = np.sum(s * s) / np.sum(s * y), np.sum(s * y) / np.sum(y * y)
        state["short"] = [*state.get("short", []), short][-6:]
        ratio = state.get("ratio", 0.9)
        step = min(state["short"]) if short < ratio * long else long
        state["ratio"] = ratio * (0.9 if short < ratio * long else 1.1)
        step = state["1/L"] * 2 ** (np.round(8 * np.log2(step / state["1/L"])) / 8)  # on a grid
    state.update(w=w, g=g)
    return prox(w - step * g, step)


def implicit(w, g, rate, state, prox):
    return prox(w - g * rate / (1 + rate * state["squares"]), rate)


RULES = {
    rule.__name__: rule
    for rule in (
        *(plain, momentum, nesterov, adagrad, adadelta, rmsprop, adam, amsgrad, nadam, adamw),
        *(ftrl, schedule_free, barzilai_borwein, implicit),
    )
}
DECOUPLED = {"adagrad", "adamw", "ftrl", "implicit"}  # their gradient is of the loss alone


def shrink(w, time, l1):
    """Soft threshold: the proximal step of the l1 norm."""
    return np.sign(w) * np.maximum(np.abs(w) - time * l1, 0)


def penalty_flow(w, time, l1, l2):
    """Where w' = -l1 sign(w) - l2 w arrives after `time`, stopping at zero."""
    if l2 == 0:
        return shrink(w, time, l1)
    return np.sign(w) * np.maximum(0, (np.abs(w) + l1 / l2) * np.exp(-l2 * time) - l1 / l2)


class Cumulative:
    """The cumulative l1 penalty of Tsuruoka, Tsujii and Ananiadou (2009), figure 2.

    Beside an l2 penalty what is owed (u) and what is paid (q) shrink as the weights do.
    """

    def __init__(self, l1, l2):
        self.l1, self.l2, self.u, self.q = l1, l2, 0.0, 0.0

    def __call__(self, w, rate):
        self.u = self.u * (1 - rate * self.l2) + rate * self.l1
        self.q = self.q * (1 - rate * self.l2)
        down, up = np.maximum(0, w - (self.u + self.q)), np.minimum(0, w + (self.u - self.q))
        new = np.where(w > 0, down, np.where(w < 0, up, w))
        self.q = self.q + new - w
        return new


def _penalty_step(rule, l1, l2, some):
    """What the penalties do to the weights (the intercepts, the last row, are left alone)."""
    penalise = {
        "adagrad": lambda w, time: penalty_flow(w, time, l1, l2),
        "ftrl": lambda w, time: shrink(w, time, l1) / (1 + time * l2),  # the proximal step of both
        "implicit": lambda w, time: shrink(w, time, l1) / (1 + time * l2),
    }.get(rule, lambda w, time: shrink(w, time, l1))
    if rule == "plain" and some:
        penalise = Cumulative(l1, l2)

    def prox(w, time):
        time = time[:-1] if np.ndim(time) else time
        return np.concatenate([penalise(w[:-1], time), w[-1:]])

    prox.l1, prox.l2 = l1, l2
    return prox


def batches(n, size):
    """The rows of each batch of an epoch: at most `size`, and sizes that differ by one at most."""
    count = -(-n // size)
    return [slice(first, last) for first, last in pairwise(np.arange(count + 1) * n // count)]


def descend(
    X,
    y,
    loss="squared_error",
    *,
    rule="plain",
    rate=0.1,
    multiplier=None,
    batch_size=None,
    epochs=1,
    l1=0.0,
    l2=0.0,
    weights=None,
    start=None,
    intercept=True,
    outputs=1,
    state=None,
    loss_params=None,
    **hyper,
):
    """Rows in order, batch after batch; returns the path (n_updates + 1, d + 1, K)."""
    X, y, n = np.asarray(X.toarray() if hasattr(X, "toarray") else X), np.asarray(y), X.shape[0]
    size, omega = batch_size or n, mean_one(weights, n)
    theta = np.zeros((X.shape[1] + 1, outputs)) if start is None else np.array(start, dtype=float)
    state = {} if state is None else state
    prox = _penalty_step(rule, l1, l2, size == 1 or size < n)
    path = [theta]
    for rows in batches(n, size) * epochs:
        g = loss_gradient(theta, X[rows], y[rows], loss, weights=omega[rows], **(loss_params or {}))
        g[:-1] += 0 if rule in DECOUPLED else l2 * theta[:-1]
        g[-1] *= intercept
        if rule == "barzilai_borwein":
            X1 = with_ones(X)[:, : X.shape[1] + intercept]
            moments = X1.T @ (omega[:, None] * X1) / n
            state["1/L"] = 1 / (np.linalg.eigvalsh(moments)[-1] + l2)
        if rule == "implicit":
            state["squares"] = omega[rows.start] * (np.sum(X[rows.start] ** 2) + intercept)
        eta = rate * (1 if multiplier is None else multiplier(len(path) - 1))
        theta = RULES[rule](theta, g, eta, state, prox, **hyper)
        path.append(state.get("offered", theta))
    return np.array(path)
