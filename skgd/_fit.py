"""A Fit: what was asked for, what is minimised, where the descent is, and the rates that carry it on."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from ._descent import Descent
from ._epochs import EpochPlan, Stretch
from ._options import CoreRule, Options
from ._problem import Problem
from ._rates import Rates
from ._stopping import PRECISE, unit_of_tol, value_of_constant

__all__ = ["Fit"]


@dataclass
class Fit:
    """A fit under way: what was asked for, what is minimised, where the descent is, and its rates."""

    options: Options
    problem: Problem
    rule: CoreRule
    descent: Descent
    rates: Rates
    stream: bool = False  # partial_fit: one pass over some rows of many
    check: Callable[[], None] | None = None  # of X, where something shows that it is needed
    plan: Callable[..., EpochPlan] = EpochPlan.of  # how the rows are visited
    dropout: Callable | None = None  # schedule of the dropout; None: it is constant

    def check_rows(self, epochs: float) -> None:
        """Check X where parameters and optimizer state, after so many epochs, cannot vouch for it."""
        finite = self.descent.state_is_finite()
        if self.check is not None and (epochs < 1 or not finite):
            self.check()
        if self.options.optimizer.adaptive and not finite and np.isfinite(self.descent.theta).all():
            raise self.problem.overflow()  # steps are divided by an infinite state

    def check_parameters(self) -> None:
        """Raise where what the descent has to offer is no number, in the coordinates of X and y."""
        descent, problem = self.descent, self.problem
        if not descent.offers_numbers():
            raise self.rates.exploded(self.rates.base)
        if problem.has_coordinates and not np.isfinite(problem.for_original(descent.parameters)).all():
            raise problem.overflow()

    def copy(self) -> Fit:
        """One to end here, while this one goes on."""
        return replace(self, descent=self.descent.copy(), rates=copy(self.rates))

    @property
    def constant_of_units(self) -> float:
        """What automatic rates take off objectives, so that the unit of y does not matter to them; of a
        stream, whose calls have rows of their own, nothing."""
        return 0.0 if self.stream or self.rates.given else self.problem.units_of_y

    @property
    def unit_of_tol(self) -> float:
        """What `tol` is a share of, once there is a reference.

        Of linear classifiers under an automatic rate it is at most twice the objective at the best constant,
        which is small where a class is rare.
        """
        problem, reference = self.problem, self.descent.reference or 1.0
        if self.rates.given:
            return unit_of_tol(problem, reference)
        unused = self.stream or self.options.stopping.tol is None
        if unused or problem.network is not None or problem.loss.task == "regression":
            return reference
        return min(reference, 2 * value_of_constant(problem, self.options.threads)) or reference

    @property
    def is_precise(self) -> bool:
        """Whether `tol` asks a linear model of a smooth loss for more than stochastic updates give, so that
        its fit ends at the minimum."""
        problem, stopping = self.problem, self.options.stopping
        if stopping.tol is None or stopping.tol > PRECISE or stopping.early_stopping or self.rates.given:
            return False
        return problem.network is None and problem.loss.smooth and not self.options.optimizer.decays

    @property
    def ends_with_all_rows(self) -> bool:
        """Whether steps over all rows follow stochastic updates, as `tol` asks for more than these give."""
        return self.is_precise and self.options.batch_size is not None

    def value(self) -> float:
        """F at what the descent has to offer."""
        return self.problem.value(self.descent.parameters, self.options.threads)

    def run(self, stretch: Stretch, beside: np.ndarray | None = None):
        """Make the updates of a stretch; gives sums over its rows, the last of them that of weight * loss at
        the parameters `beside` (NaN where it cannot be found)."""
        options, descent = self.options, self.descent
        values = self.rates(descent.t, stretch.updates).reshape(-1, 1)
        bound = descent.bind()
        if beside is not None:
            bound.beside(beside)
        if self.dropout is not None:
            bound.drop(self._dropped(stretch.updates))
        plan = (stretch.cut, values, options.threads, options.max_gradient_norm)
        try:
            return self.problem.run(descent, bound, self.rule.core_spec, stretch, plan)
        finally:
            descent.t = bound.t

    def _dropped(self, updates: int) -> np.ndarray:
        """The shares of the hidden units that the next updates drop."""
        network, schedule = self.problem.network, self.dropout
        assert network is not None and schedule is not None
        t = np.arange(self.descent.t, self.descent.t + updates)
        shares = network.dropout * np.asarray(schedule(t), dtype=float)
        if shares.shape != t.shape or not ((shares >= 0) & (shares < 1)).all():
            raise ValueError(
                f"dropout_schedule={schedule!r} must give a factor for each of {updates} updates, with which "
                f"dropout={network.dropout:.3g} lies in [0, 1)."
            )
        return shares

    def epoch_plan(self, deadline: float = np.inf) -> EpochPlan:
        """How its rows are visited."""
        design = self.problem.design
        plan = self.plan(self.options, design.n, design.d, kept=design.kept, deadline=deadline)
        mapping = design.mapping
        if mapping is None:
            return plan
        most = max(1, mapping.window * plan.batches // plan.n)
        return replace(plan, block=mapping.block, most_updates=min(plan.most_updates, most))

    def take_reference(self) -> float:
        """Take the objective at the start, which it gives, as the unit of improvements; or that where fits
        start, if it is larger."""
        problem, descent, threads = self.problem, self.descent, self.options.threads
        at_start = problem.value(descent.theta, threads)
        network_or_stream = self.stream or problem.network is not None
        from_zero = self.rates.given or (network_or_stream and not problem.loss.log_link)
        zero = problem.zeros() if from_zero else problem.constant
        at_zero = at_start if np.array_equal(descent.theta, zero) else problem.value(zero, threads)
        # the perceptron loss is 0 at 0; its unit is a margin of 1
        constant = self.constant_of_units
        descent.reference = max(abs(at_start - constant), abs(at_zero - constant)) or 1.0
        return at_start
