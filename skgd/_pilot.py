"""Pilot fits: what short fits to some of the rows tell of a table, by which its penalty goes."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from ._coordinates import Units
from ._descent import Descent
from ._design import Design
from ._fit import Fit
from ._network import Network
from ._options import Options, Stopping
from ._problem import Problem
from ._rate_choice import choose_rates
from ._recipe import (
    PILOT,
    PILOT_OF_CLASSES,
    STRENGTH_STEP,
    STRENGTHS,
    TABLE_RATE,
    USUAL_STRENGTH,
    settings_by_noise,
)
from ._targets import Targets
from ._training import train
from .losses import LogLoss
from .optimizers import Adam
from .schedules import Constant

__all__ = ["noise_of", "strength_of", "with_noise_known"]

_ROWS, _FOLDS = 2500, 3  # at most, of which two thirds are fitted and a third is predicted, three times
_FOLDS_OF_CLASSES = 2  # of these: pilots with one penalty and another are compared on the same rows
_FEWEST = 50
_LEAST_NOISE = 0.01


def with_noise_known(options: Options, design: Design, targets: Targets) -> Options:
    """The options with numbers for those that go by the noise of the rows, and with the time that is left."""
    if not options.by_noise:
        return options
    began, limit = time.perf_counter(), options.stopping.max_time
    chosen, names = _chosen(options, design, targets), options.by_noise
    objective, options = options.objective, replace(options, by_noise=())
    if limit is not None:
        left = limit - (time.perf_counter() - began)
        options = options.with_stopping(max_time=max(left, np.finfo(float).tiny))
    network = objective.network
    if "alpha" in names and "alpha" in chosen:
        objective = objective.with_alpha(chosen["alpha"])
    if "dropout" in names and "dropout" in chosen and network is not None:
        objective = replace(objective, network=replace(network, dropout=chosen["dropout"]))
    return replace(options, objective=objective)


def _chosen(options: Options, design: Design, targets: Targets) -> dict:
    """Values of parameters for these rows; none where pilots do not tell."""
    if isinstance(options.objective.loss, LogLoss):
        strength = strength_of(options, design, targets) if "alpha" in options.by_noise else None
        return {} if strength is None else {"alpha": strength / design.n}
    noise = noise_of(options, design, targets)
    return {} if noise is None else settings_by_noise(noise, design.n)


def noise_of(options: Options, design: Design, targets: Targets) -> float | None:
    """The share of the loss of the best constant that pilots leave on rows that they have not seen.

    None for losses other than the squared error, and of few rows. It depends neither on random_state
    nor on max_time: a table has one noise.
    """
    if not options.objective.loss._quadratic or design.n < _FEWEST:
        return None
    losses = np.sum([_losses(options, design, targets, k, PILOT) for k in range(_FOLDS)], axis=0)
    left, whole = losses
    return float(np.clip(left / whole, _LEAST_NOISE, 1.0)) if whole > 0 and np.isfinite(left) else None


def strength_of(options: Options, design: Design, targets: Targets) -> float | None:
    """The penalty for classes, times the number of rows: the one under which pilots predict rows that they
    have not seen best. None of few rows.

    From the usual strength on, weaker ones are tried while they are better, else stronger ones. The result
    lies where a parabola in the logarithm through the best of them and its neighbours is lowest.
    """
    if design.n < _FEWEST:
        return None
    losses: dict[int, float] = {}

    def loss_at(step: int) -> float:
        if step not in losses:
            losses[step] = _loss_under(STRENGTHS[step], options, design, targets)
        return losses[step]

    best = STRENGTHS.index(USUAL_STRENGTH)
    for direction in (-1, 1):
        while 0 <= best + direction < len(STRENGTHS) and loss_at(best + direction) < loss_at(best):
            best += direction
    if not np.isfinite(losses[best]):
        return None
    return STRENGTHS[best] * STRENGTH_STEP ** _vertex([losses.get(best + k) for k in (-1, 0, 1)])


def _vertex(values: list) -> float:
    """Where the parabola through values at -1, 0 and 1, the lowest of which is that at 0, is lowest; 0
    without neighbours."""
    before, at, after = values
    if before is None or after is None or not np.isfinite([before, after]).all():
        return 0.0
    curvature = before - 2 * at + after
    return float((before - after) / (2 * curvature)) if curvature > 0 else 0.0


def _loss_under(strength: float, options: Options, design: Design, targets: Targets) -> float:
    """The loss of pilots with this penalty on the rows that they have not seen."""
    parts = [
        _losses(options, design, targets, k, {**PILOT_OF_CLASSES, "strength": strength})
        for k in range(_FOLDS_OF_CLASSES)
    ]
    return float(np.sum(parts, axis=0)[0])


def _losses(options: Options, design: Design, targets: Targets, k: int, pilot: dict) -> tuple:
    """Losses of a pilot and of the best constant, summed over a fold of the rows that they have not seen."""
    rows = np.random.RandomState(0).permutation(design.n)[:_ROWS]
    held = np.arange(len(rows)) % _FOLDS == k
    unseen, seen = np.sort(rows[held]), np.sort(rows[~held])
    if targets.weight is not None and not (targets.weight[seen].any() and targets.weight[unseen].any()):
        return 0.0, 0.0
    if "strength" in pilot:
        alpha = pilot["strength"] / len(seen)
        options = replace(options, objective=options.objective.with_alpha(alpha))
    fit = _pilot(options, design.take(seen), targets.rows(seen).weighted_to_mean_one(), pilot)
    if train(fit).stop_reason == "interrupted":
        raise KeyboardInterrupt
    problem = fit.problem.on(design.take(unseen), targets.rows(unseen))
    return problem.evaluate(fit.descent.parameters, None), problem.evaluate(fit.problem.constant, None)


def _pilot(options: Options, design: Design, targets: Targets, pilot: dict) -> Fit:
    """A small network for all losses and parameters of the user alike, but the penalty."""
    network = Network((pilot["units"],), (pilot["activation"],), pilot["dropout"])
    options = replace(
        options,
        objective=replace(options.objective, network=network),
        optimizer=Adam(beta_2=0.95),
        schedule=Constant(),
        learning_rate=None,
        batch_size=pilot["batch_size"],
        averaging=None,
        stopping=Stopping(pilot["max_iter"], None, 1, None, False, None),
        shuffle=True,
        seed=0,
        max_gradient_norm=0.0,
        record_path=False,
        rate_factor=TABLE_RATE,
        dtype=None,
    )
    units = Units(False, of_y=True).after(design, targets, options.objective)
    problem = Problem(design, targets.in_units(units.output_units(options.objective)), options.objective)
    rule = options.rule(problem.n)
    descent = Descent.begin(options, problem, rule)
    problem.initialise(descent.theta, options.seed)
    return Fit(options, problem, rule, descent, choose_rates(problem, descent, options))
