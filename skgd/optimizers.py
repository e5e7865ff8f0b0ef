"""Optimizers: how a gradient becomes an update of the parameters.

In the formulas g is the gradient, rate the learning rate of the update, w a parameter. With an l1
penalty every rule but Adagrad's is followed by the proximal step of that penalty (exact zeros), for
single rows by the plain rule in its cumulative form (Tsuruoka et al. 2009).
"""

from __future__ import annotations

from sklearn.base import BaseEstimator

__all__ = [
    "OPTIMIZERS",
    "Adagrad",
    "Adam",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "Plain",
    "RMSProp",
]


class Optimizer(BaseEstimator):
    """Base class of the optimizers of this module."""

    name: str
    _order: tuple[str, ...] = ()  # parameters as the core takes them
    slots = 0  # state arrays, each the size of the parameters
    adaptive = False  # the step is divided by the size of past gradients
    reach = 1.0  # of an adaptive rule: automatic rate over the size of the parameters

    def _rule(self) -> tuple[str, list[float]]:
        return self.name, [float(getattr(self, parameter)) for parameter in self._order]


class Plain(Optimizer):
    """Plain gradient descent, w <- w - rate g."""

    name = "plain"


class Momentum(Optimizer):
    """Heavy ball (Polyak 1964): v <- beta v - rate g, w <- w + v.

    Parameters
    ----------
    beta : float in [0, 1), default=0.9
        How much of the last step is kept.
    """

    name = "momentum"
    slots = 1
    _order = ("beta",)

    def __init__(self, beta: float = 0.9):
        self.beta = beta


class Nesterov(Optimizer):
    """Nesterov's momentum (1983), in the form of Sutskever et al. 2013.

    v <- beta v - rate g, w <- w + beta v - rate g, where w is the look-ahead point at which the
    gradient is taken.

    Parameters
    ----------
    beta : float in [0, 1), default=0.9
        How much of the last step is kept.
    """

    name = "nesterov"
    slots = 1
    _order = ("beta",)

    def __init__(self, beta: float = 0.9):
        self.beta = beta


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan & Singer 2011): G <- G + g^2, w <- w - rate g / (sqrt(G) + epsilon).

    The penalty is decoupled from G: it is applied as its exact flow over the time
    rate / (sqrt(G) + epsilon) of each weight, which lets sparse rows cost only their non-zeros.

    Parameters
    ----------
    epsilon : float, default=1e-8
        Keeps the quotient finite.
    """

    name = "adagrad"
    slots = 1
    adaptive = True
    reach = 1.0
    _order = ("epsilon",)

    def __init__(self, epsilon: float = 1e-8):
        self.epsilon = epsilon


class RMSProp(Optimizer):
    """RMSProp (Tieleman & Hinton 2012): s <- rho s + (1 - rho) g^2, w <- w - rate g / (sqrt(s) + epsilon).

    Parameters
    ----------
    rho : float in [0, 1), default=0.9
        How much of the mean square is kept.
    epsilon : float, default=1e-8
        Keeps the quotient finite.
    """

    name = "rmsprop"
    slots = 1
    adaptive = True
    reach = 0.1
    _order = ("rho", "epsilon")

    def __init__(self, rho: float = 0.9, epsilon: float = 1e-8):
        self.rho = rho
        self.epsilon = epsilon


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), with bias-corrected moments of the gradient.

    m <- beta_1 m + (1 - beta_1) g, v <- beta_2 v + (1 - beta_2) g^2,
    w <- w - rate m' / (sqrt(v') + epsilon) with m' = m / (1 - beta_1^t), v' = v / (1 - beta_2^t).

    Parameters
    ----------
    beta_1, beta_2 : float in [0, 1), default=0.9, 0.999
        How much of the first and second moments is kept.
    epsilon : float, default=1e-8
        Keeps the quotient finite.
    """

    name = "adam"
    slots = 2
    adaptive = True
    reach = 0.1
    _order = ("beta_1", "beta_2", "epsilon")

    def __init__(self, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon


OPTIMIZERS = {rule.name: rule for rule in (Plain, Momentum, Nesterov, Adagrad, RMSProp, Adam)}
