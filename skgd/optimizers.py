"""Optimizers: rules that turn a gradient into an update of the parameters.

In the formulas, g is the gradient of the objective including the l2 penalty, rate is the learning rate
of the update, and w is a parameter; all state starts at zero. With an l1 penalty, every update is
followed by the proximal step of the penalty, with the step size of the weight (exact zeros). With
stochastic updates, the plain rule uses the cumulative form instead (Tsuruoka et al. 2009). Rules that
treat penalties differently say so.

On CSR rows with few non-zeros, an update costs O(non-zeros) with "plain", "adagrad" and "ftrl", and equals
the dense update up to rounding. The state of the other rules changes for every feature at every update, so
they make the dense update, O(features).
"""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, clone

__all__ = [
    "FTRL",
    "OPTIMIZERS",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "BarzilaiBorwein",
    "Implicit",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "PassiveAggressive",
    "Plain",
    "RMSProp",
    "ScheduleFree",
]


class Optimizer(BaseEstimator):
    """Base class of the optimizers of this module."""

    name: str
    _order: tuple[str, ...] = ()  # parameters in the order of the core
    slots = 0  # number of state arrays, each the size of the parameters
    adaptive = False  # whether the step is divided by the size of past gradients
    lazy = False  # whether an update of sparse rows costs their non-zeros, whatever weights of others do
    lazy_l1 = False  # whether it does so under an l1 penalty, in the units of X
    rate_unit = 2.0  # power of s by which the rate of a weight s v is that of v, for equal steps
    mlp_rate_factor = 1.0  # adaptive rules: automatic rate of a perceptron divided by Adam's
    has_velocity = False  # whether slots[0] is a mean of past gradients or steps, which zeros forget
    restarts = False  # whether batch descent restarts when it would go uphill; it is stable at 1/L then
    decays = False  # whether weights shrink by rate * l2 independently of the gradients (weight decay)
    stable = False  # whether every rate is stable
    searches = False  # whether the rates of batch descent are computed from its gradients
    amplifies_rounding = False  # whether batch descent near a minimum multiplies what rounding leaves
    rows: tuple[str, ...] = ("one", "some", "all")  # rows per update for which the rule is defined
    losses: tuple[str, ...] | None = None  # losses for which the rule is defined; None: all
    own_rate: float | None = None  # what learning_rate="auto" means for a rule that finds its steps itself
    networks = True  # whether the rule is defined for perceptrons
    takes_joint = False  # whether its update is a step along the gradient, which any proximal step can follow
    keeps_bounds = True  # whether its updates can end with a step into the bounds of the weights
    # parameters of the rule given by name, in batch descent with an automatic rate
    by_name: dict[str, Any] = {}

    @property
    def auto_rate_scale(self) -> float:
        """Adaptive rules: automatic rate divided by the expected size of the parameters."""
        return 1.0

    @property
    def momentum(self) -> float:
        """Share of the last step that an update repeats; the last step is then slots[0]."""
        return 0.0

    @property
    def blend(self) -> float | None:
        """Weight of the mean in theta, for a rule that averages by itself."""
        return None

    @property
    def effective_gain(self) -> float:
        """How far a steady gradient leads, in plain steps; the automatic rate is divided by it."""
        return 1 / (1 - self.momentum)

    def core_rule(self, *, l1: bool, noisy: bool) -> tuple[str, tuple[float, ...], int]:
        """Name, parameters and number of state arrays of the core's rule.

        ``l1``: whether the penalty has an l1 part; ``noisy``: whether updates see a part of the rows.
        """
        return self.name, tuple(float(getattr(self, parameter)) for parameter in self._order), self.slots


class Plain(Optimizer):
    """Plain gradient descent, w <- w - rate g.

    References
    ----------
    Cauchy (1847). Méthode générale pour la résolution des systèmes d'équations simultanées.

    Examples
    --------
    >>> from skgd import GDRegressor, optimizers
    >>> model = GDRegressor(optimizer=optimizers.Plain()).fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "plain"
    lazy_l1 = True
    takes_joint = True

    def core_rule(self, *, l1, noisy):
        if l1 and noisy:  # the noise of updates would undo exact zeros
            return "cumulative", (), 2  # Tsuruoka et al. 2009
        return super().core_rule(l1=l1, noisy=noisy)


class Momentum(Optimizer):
    """Heavy-ball momentum (Polyak 1964): v <- beta v - rate g, w <- w + v.

    Parameters
    ----------
    beta : float in [0, 1), default=0.9
        Momentum coefficient, the fraction of the last step that is kept.

    References
    ----------
    Polyak (1964). Some methods of speeding up the convergence of iteration methods.

    Examples
    --------
    >>> from skgd import GDRegressor, optimizers
    >>> model = GDRegressor(optimizer=optimizers.Momentum(beta=0.8)).fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "momentum"
    slots = 1
    has_velocity = True
    _order = ("beta",)

    def __init__(self, beta: float = 0.9):
        self.beta = beta

    @property
    def momentum(self):
        return self.beta


class Nesterov(Optimizer):
    """Nesterov's momentum (1983), in the form of Sutskever et al. 2013.

    v <- beta v - rate g, w <- w + beta v - rate g, where w is the look-ahead point at which the
    gradient is evaluated. With ``solver="batch"``, v is reset to zero whenever it would lead uphill
    (adaptive restart: O'Donoghue & Candes 2015), so that a high beta does no harm: for linear models,
    smooth losses and ``learning_rate="auto"``, the name "nesterov" means beta = 0.99.

    Parameters
    ----------
    beta : float in [0, 1), default=0.9
        Momentum coefficient, the fraction of the last step that is kept.

    References
    ----------
    O'Donoghue & Candes (2015). Adaptive restart for accelerated gradient schemes. Found. Comput. Math. 15.

    Examples
    --------
    >>> from skgd import GDRegressor, optimizers
    >>> model = GDRegressor(optimizer=optimizers.Nesterov(beta=0.8)).fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "nesterov"
    slots = 1
    has_velocity = True
    restarts = True
    by_name = {"beta": 0.99}
    _order = ("beta",)

    def __init__(self, beta: float = 0.9):
        self.beta = beta

    @property
    def momentum(self):
        return self.beta


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan & Singer 2011): G <- G + g^2, w <- w - rate g / (sqrt(G) + epsilon).

    The penalty does not enter G: it is applied separately, as the exact flow of the penalty over the
    time rate / (sqrt(G) + epsilon) of each weight. With sparse rows, an update then costs only the
    non-zeros.

    Parameters
    ----------
    epsilon : float, default=1e-8
        Avoids division by zero.

    References
    ----------
    Duchi, Hazan & Singer (2011). Adaptive subgradient methods. JMLR 12.

    Examples
    --------
    >>> from skgd import GDRegressor, optimizers
    >>> model = GDRegressor(optimizer=optimizers.Adagrad()).fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "adagrad"
    slots = 1
    adaptive, rate_unit = True, 1.0
    lazy = True
    auto_rate_scale = 1.0
    mlp_rate_factor = 10.0
    _order = ("epsilon",)

    def __init__(self, epsilon: float = 1e-8):
        self.epsilon = epsilon


class RMSProp(Optimizer):
    """RMSProp (Tieleman & Hinton 2012): s <- rho s + (1 - rho) g^2, w <- w - rate g / (sqrt(s) + epsilon).

    Parameters
    ----------
    rho : float in [0, 1), default=0.9
        Decay factor of the running mean of squares.
    epsilon : float, default=1e-8
        Avoids division by zero.

    References
    ----------
    Tieleman & Hinton (2012). Lecture 6.5: RMSProp. Neural networks for machine learning.

    Examples
    --------
    >>> from skgd import GDRegressor, optimizers
    >>> model = GDRegressor(optimizer=optimizers.RMSProp(rho=0.95)).fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "rmsprop"
    slots = 1
    adaptive, rate_unit = True, 1.0
    amplifies_rounding = True
    auto_rate_scale = 0.1
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
        Decay factors of the running means of the gradient and of its square.
    epsilon : float, default=1e-8
        Avoids division by zero.

    References
    ----------
    Kingma & Ba (2015). Adam: a method for stochastic optimization. ICLR.

    Examples
    --------
    >>> from skgd import GDRegressor, optimizers
    >>> model = GDRegressor(optimizer=optimizers.Adam(beta_1=0.8)).fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "adam"
    slots = 2
    has_velocity = True
    adaptive, rate_unit = True, 1.0
    auto_rate_scale = 0.1
    _order: tuple[str, ...] = ("beta_1", "beta_2", "epsilon")

    def __init__(self, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012): the gradient times the ratio of the RMS of past steps and past gradients.

    s <- rho s + (1 - rho) g^2, d = g sqrt(u + epsilon) / sqrt(s + epsilon),
    u <- rho u + (1 - rho) d^2, w <- w - rate d.

    The published rule has rate 1, and the size of its first steps depends on epsilon only;
    ``learning_rate="auto"`` adapts it to the data.

    Parameters
    ----------
    rho : float in [0, 1), default=0.95
        Decay factor of the running means.
    epsilon : float, default=1e-6
        Its square root is proportional to the size of the first steps.

    References
    ----------
    Zeiler (2012). ADADELTA: an adaptive learning rate method. arXiv:1212.5701.

    Examples
    --------
    >>> from skgd import GDRegressor
    >>> from skgd.optimizers import Adadelta
    >>> model = GDRegressor(optimizer=Adadelta(rho=0.9)).fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "adadelta"
    slots = 2
    adaptive, rate_unit = True, 0.0  # its steps have the unit of the weight
    amplifies_rounding = True
    mlp_rate_factor = 300.0
    _order = ("rho", "epsilon")

    def __init__(self, rho: float = 0.95, epsilon: float = 1e-6):
        self.rho = rho
        self.epsilon = epsilon

    @property
    def auto_rate_scale(self):
        return 0.03 / self.epsilon**0.5


class AMSGrad(Adam):
    """AMSGrad (Reddi, Kale & Kumar 2018): Adam with a second moment that never decreases.

    m and v as in :class:`Adam`, h <- max(h, v), w <- w - rate m' / (sqrt(h') + epsilon) with
    m' = m / (1 - beta_1^t), h' = h / (1 - beta_2^t). The paper has no bias correction; like most
    implementations, this one has.

    Parameters
    ----------
    beta_1, beta_2 : float in [0, 1), default=0.9, 0.999
        Decay factors of the running means of the gradient and of its square.
    epsilon : float, default=1e-8
        Avoids division by zero.

    References
    ----------
    Reddi, Kale & Kumar (2018). On the convergence of Adam and beyond. ICLR.

    Examples
    --------
    >>> from skgd import GDRegressor
    >>> model = GDRegressor(optimizer="amsgrad").fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "amsgrad"
    slots = 3


class NAdam(Adam):
    """NAdam (Dozat 2016): Adam with Nesterov's momentum.

    m and v as in :class:`Adam`; with the momenta mu_t = beta_1 (1 - 0.96^(t momentum_decay) / 2) and
    M_t = mu_1 ... mu_t,
    m' = mu_(t+1) m / (1 - M_(t+1)) + (1 - mu_t) g / (1 - M_t),
    w <- w - rate m' / (sqrt(v / (1 - beta_2^t)) + epsilon).
    The threshold of an l1 penalty is multiplied by the value that m' has for a constant gradient of 1.

    Parameters
    ----------
    beta_1, beta_2 : float in [0, 1), default=0.9, 0.999
        Decay factors of the running means of the gradient and of its square.
    epsilon : float, default=1e-8
        Avoids division by zero.
    momentum_decay : float >= 0, default=0.004
        How fast the momentum grows from beta_1 / 2 to beta_1.

    References
    ----------
    Dozat (2016). Incorporating Nesterov momentum into Adam. ICLR workshop.

    Examples
    --------
    >>> from skgd import GDRegressor
    >>> model = GDRegressor(optimizer="nadam").fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "nadam"
    amplifies_rounding = True
    _order = ("beta_1", "beta_2", "epsilon", "momentum_decay")

    def __init__(
        self,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 0.004,
    ):
        super().__init__(beta_1, beta_2, epsilon)
        self.momentum_decay = momentum_decay


class AdamW(Adam):
    """AdamW (Loshchilov & Hutter 2019): Adam with decoupled weight decay.

    w <- (1 - rate alpha_2) w - rate m' / (sqrt(v') + epsilon), with m' and v' as in :class:`Adam`, but
    for the gradient of the loss without penalty. alpha_2, the weight decay, is the estimator's ``alpha``
    times the fraction of l2. Because the decay is not divided by the moments, the result is near the
    minimum of the objective only if alpha_2 is small. An l1 penalty acts as in Adam.

    An automatic rate grows with the unit of the weights, and so with that of y in a regression. There a
    linear model shrinks its weights by rate alpha_2 / s, where s is the standard deviation of y (of a stream,
    the size of its residuals), so that it fits y of any unit alike. (A loss with a log link knows no unit.)

    Parameters
    ----------
    beta_1, beta_2 : float in [0, 1), default=0.9, 0.999
        Decay factors of the running means of the gradient and of its square.
    epsilon : float, default=1e-8
        Avoids division by zero.

    References
    ----------
    Loshchilov & Hutter (2019). Decoupled weight decay regularization. ICLR.

    Examples
    --------
    >>> from skgd import GDRegressor
    >>> model = GDRegressor(optimizer="adamw", alpha=0.01).fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "adamw"
    decays = True
    _unit = 1.0  # of the weights: what the rate is divided by where it makes them decay

    def core_rule(self, *, l1, noisy):
        name, parameters, slots = super().core_rule(l1=l1, noisy=noisy)
        return name, (1 / self._unit, *parameters), slots

    def _in_unit(self, unit: float) -> AdamW:
        """The same for weights of this unit."""
        rule = clone(self)
        rule._unit = unit
        return rule


class FTRL(Optimizer):
    """FTRL-proximal (McMahan 2011): follow the regularised leader.

    After t updates, every weight minimises the sum of the linearised losses, the penalties, and a
    proximal term,

    ``sum g w + t (alpha_1 |w| + alpha_2 w^2 / 2) + sum sigma_s (w - w_s)^2 / 2``,

    where g is the gradient of the loss without penalty, G the sum of g^2, and sigma_s the increase of
    (sqrt(G) + epsilon) / rate at update s; alpha_1 and alpha_2 are the estimator's ``alpha`` times the
    fractions of l1 and l2. Without a penalty it is :class:`Adagrad`. With l1, zeros are exact and stable
    even with one row per update, because a weight becomes non-zero only when its summed gradients exceed
    the sum of all penalties so far. A weight whose gradient was always zero does not change. The
    penalties grow with t, so that ``alpha`` means the same as with other optimizers; in the form in which
    they do not (McMahan et al. 2013), the penalty corresponds to ``alpha`` divided by the number of
    updates.

    Parameters
    ----------
    epsilon : float, default=1e-8
        Avoids division by zero; called "beta" in McMahan et al. 2013, who use 1. With a small value,
        the descent does not depend on the units of y.

    References
    ----------
    McMahan (2011). Follow-the-regularized-leader and mirror descent. AISTATS.
    McMahan et al. (2013). Ad click prediction: a view from the trenches. KDD.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> model = GDRegressor(solver="sgd", optimizer="ftrl", penalty="l1", alpha=0.1, average=False)
    >>> int(np.count_nonzero(model.set_params(random_state=0).fit(X, X[:, 0]).coef_))
    1
    """

    name = "ftrl"
    slots = 3
    adaptive, rate_unit = True, 1.0
    lazy = True
    keeps_bounds = False
    auto_rate_scale = 1.0
    mlp_rate_factor = 10.0
    _order = ("epsilon",)

    def __init__(self, epsilon: float = 1e-8):
        self.epsilon = epsilon


class ScheduleFree(Optimizer):
    """Schedule-free SGD (Defazio et al. 2024): descent combined with a mean of its iterates.

    The gradient g is evaluated at y = (1 - beta) z + beta x, then z <- z - rate g and
    x <- (1 - c) x + c z with c = rate^2 / (sum of rate^2 so far). x is the fitted model; it converges
    with a constant rate. With an l1 penalty z takes the proximal step, and x is zero where z is. Because
    x is already a mean, ``average`` must be "auto" or False.

    Parameters
    ----------
    beta : float in [0, 1), default=0.9
        Weight of the mean x in the point y; 0 gives averaged SGD (Polyak & Juditsky 1992).

    References
    ----------
    Defazio et al. (2024). The road less scheduled. NeurIPS.

    Examples
    --------
    >>> from skgd import GDRegressor
    >>> model = GDRegressor(optimizer="schedule_free").fit([[-1.0], [1.0]], [-1.0, 1.0])
    >>> bool(model.coef_[0] > 0.8)
    True
    """

    name = "schedule_free"
    slots = 2
    keeps_bounds = False
    _order = ("beta",)

    def __init__(self, beta: float = 0.9):
        self.beta = beta

    @property
    def blend(self):
        return self.beta


class BarzilaiBorwein(Optimizer):
    """Barzilai-Borwein steps (1988) for ``solver="batch"`` and smooth losses.

    w <- w - r g. With the last step s and the change y of the gradient over it, r is s.s / s.y, or the
    smallest of the last six s.y / y.y if that is below a fraction of it (ABBmin: Frassoldati, Zanni &
    Zanghirati 2008). The first r is ``learning_rate``, or 1/L with "auto". If the objective exceeds the
    highest of the last values, the update is undone (Grippo, Lampariello & Lucidi 1986) and repeated with
    1/L, so that it does not diverge for any ``learning_rate``. With "auto", the plain rule does the same.
    ``average`` and ``schedule`` would change the steps and are not allowed.

    References
    ----------
    Barzilai & Borwein (1988). Two-point step size gradient methods. IMA J. Numer. Anal. 8.
    Frassoldati, Zanni & Zanghirati (2008). New adaptive stepsize selections in gradient methods.
    J. Ind. Manag. Optim. 4.

    Examples
    --------
    >>> from skgd import GDRegressor
    >>> model = GDRegressor(solver="batch", optimizer="barzilai_borwein", learning_rate=0.1, tol=1e-8)
    >>> round(float(model.fit([[-1.0], [1.0]], [-1.0, 1.0]).coef_[0]), 3)
    1.0
    """

    name = "barzilai_borwein"
    rows = ("all",)
    searches = True
    takes_joint = True
    stable = True

    def core_rule(self, *, l1, noisy):
        return "plain", (), 0


class Implicit(Optimizer):
    """The proximal-point update of one row under squared error (implicit SGD: Toulis & Airoldi 2017).

    ``w <- w - rate / (1 + rate s |x|^2) s r x``, where r is the residual of the row x (including a 1 for
    the intercept) and s its weight. This is the gradient step with the gradient evaluated after the
    step, and does not diverge at any rate. It is followed by the proximal step of the penalty,
    ``w <- sign(w) max(0, |w| - rate alpha_1) / (1 + rate alpha_2)``, where alpha_1 and alpha_2 are the
    estimator's ``alpha`` times the fractions of l1 and l2. Only for ``loss="squared_error"`` and one row
    per update.

    References
    ----------
    Toulis & Airoldi (2017). Asymptotic and finite-sample properties of estimators based on stochastic
    gradients. Annals of Statistics 45.

    Examples
    --------
    >>> from skgd import GDRegressor
    >>> model = GDRegressor(solver="sgd", optimizer="implicit", learning_rate=1000.0, alpha=0)
    >>> round(float(model.fit([[-1.0], [1.0]], [-1.0, 1.0]).coef_[0]), 1)
    1.0
    """

    name = "implicit"
    rows = ("one",)
    keeps_bounds = False
    losses = ("squared_error",)
    networks = False
    stable = True


class PassiveAggressive(Optimizer):
    """Passive-aggressive updates of one row under a margin loss (Crammer et al. 2006).

    ``w <- w - rate s tau g`` with the gradient g of "hinge" or "epsilon_insensitive" (-1, 0 or 1 times x),
    the weight s of the row and, for a row x with the loss l,

    ``tau = min(C, l / |x|^2)`` ("pa1") or ``tau = l / (|x|^2 + 1 / (2 C))`` ("pa2"),

    the shortest step after which the loss of the row is zero, as far as C allows. ``|x|^2`` does not count
    the intercept, as in scikit-learn's ``PassiveAggressiveClassifier`` (up to version 1.9) and
    ``SGDClassifier(learning_rate="pa1")``. A row of zeros changes nothing under "pa1". With several classes
    each has a step of its own. ``learning_rate="auto"`` is 1, the published step. A penalty acts as in
    :class:`Plain`; the published rule has none (``penalty=None``). One row per update, linear models.

    Parameters
    ----------
    C : float, default=1.0
        Aggressiveness: the longest step, or how little it is held back; positive.
    variant : {"pa1", "pa2"}, default="pa1"
        Which of the two steps.

    References
    ----------
    Crammer, Dekel, Keshet, Shalev-Shwartz & Singer (2006). Online passive-aggressive algorithms. JMLR 7.

    Examples
    --------
    >>> from skgd import GDRegressor, optimizers
    >>> rule = optimizers.PassiveAggressive(C=10.0)
    >>> model = GDRegressor("epsilon_insensitive", solver="sgd", optimizer=rule, alpha=0, random_state=0)
    >>> model = model.partial_fit([[2.0]], [3.1])  # the loss is 3, |x|^2 is 4
    >>> float(model.coef_[0]), float(model.intercept_[0])
    (1.5, 0.75)
    """

    name = "passive_aggressive"
    rows = ("one",)
    losses = ("hinge", "epsilon_insensitive")
    networks = False
    stable = True
    own_rate = 1.0

    def __init__(self, C: float = 1.0, variant: str = "pa1"):
        self.C = C
        self.variant = variant

    def core_rule(self, *, l1, noisy):
        return self.name, (float(self.C), float(self.variant == "pa2")), self.slots


OPTIMIZERS = {
    rule.name: rule
    for rule in (
        Plain,
        Momentum,
        Nesterov,
        Adagrad,
        Adadelta,
        RMSProp,
        Adam,
        AMSGrad,
        NAdam,
        AdamW,
        FTRL,
        ScheduleFree,
        BarzilaiBorwein,
        Implicit,
        PassiveAggressive,
    )
}
