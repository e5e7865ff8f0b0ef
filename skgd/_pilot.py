"""Pilot fits: what a few epochs on some of the rows tell of their noise, by which a table's penalty goes."""

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
from ._recipe import PILOT, TABLE_RATE, settings_by_noise
from ._targets import Targets
from ._training import train
from .optimizers import Adam
from .schedules import Constant

__all__ = ["noise_of", "with_noise_known"]

_ROWS, _FOLDS = 2500, 3  # at most, of which two thirds are fitted and a third is predicted, three times
_FEWEST = 50
_LEAST_NOISE = 0.01


def with_noise_known(options: Options, design: Design, targets: Targets) -> Options:
    """The options with numbers for those that go by the noise of the rows, and with the time that is left."""
    if not options.by_noise:
        return options
    began, limit = time.perf_counter(), options.stopping.max_time
    noise, objective = noise_of(options, design, targets), options.objective
    names, network, options = options.by_noise, objective.network, replace(options, by_noise=())
    if limit is not None:
        left = limit - (time.perf_counter() - began)
        options = options.with_stopping(max_time=max(left, np.finfo(float).tiny))
    if noise is None or network is None:
        return options
    chosen = settings_by_noise(noise, design.n)
    if "alpha" in names:
        objective = objective.with_alpha(chosen["alpha"])
    if "dropout" in names:
        objective = replace(objective, network=replace(network, dropout=chosen["dropout"]))
    return replace(options, objective=objective)


def noise_of(options: Options, design: Design, targets: Targets) -> float | None:
    """The share of the loss of the best constant that pilots leave on rows that they have not seen.

    None for losses other than the squared error, and of few rows. It depends neither on random_state
    nor on max_time: a table has one noise.
    """
    if not options.objective.loss._quadratic or design.n < _FEWEST:
        return None
    rows = np.random.RandomState(0).permutation(design.n)[:_ROWS]
    parts = [_losses(options, design, targets, rows, k) for k in range(_FOLDS)]
    left, whole = np.sum(parts, axis=0)
    return float(np.clip(left / whole, _LEAST_NOISE, 1.0)) if whole > 0 and np.isfinite(left) else None


def _losses(options: Options, design: Design, targets: Targets, rows: np.ndarray, k: int) -> tuple:
    """Losses of a pilot and of the best constant, summed over a fold of the rows that they have not seen."""
    held = np.arange(len(rows)) % _FOLDS == k
    unseen, seen = np.sort(rows[held]), np.sort(rows[~held])
    if targets.weight is not None and not targets.weight[seen].any():
        return 0.0, 0.0
    fit = _pilot(options, design.take(seen), targets.rows(seen).weighted_to_mean_one())
    if train(fit).stop_reason == "interrupted":
        raise KeyboardInterrupt
    problem = fit.problem.on(design.take(unseen), targets.rows(unseen))
    return problem.evaluate(fit.descent.parameters, None), problem.evaluate(fit.problem.constant, None)


def _pilot(options: Options, design: Design, targets: Targets) -> Fit:
    """A small network for all losses and parameters of the user alike, but the penalty."""
    network = Network((PILOT["units"],), (PILOT["activation"],), PILOT["dropout"])
    options = replace(
        options,
        objective=replace(options.objective, network=network),
        optimizer=Adam(beta_2=0.95),
        schedule=Constant(),
        learning_rate=None,
        batch_size=PILOT["batch_size"],
        averaging=None,
        stopping=Stopping(PILOT["max_iter"], None, 1, None, False, None),
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
