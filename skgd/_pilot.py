"""Pilot fits: what short fits to some of the rows tell of a table, by which its penalty goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
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
    PILOT_OF_BINS,
    PILOT_OF_CLASSES,
    STRENGTH_STEP,
    STRENGTHS,
    TABLE_RATE,
    USUAL_STRENGTH,
    settings_by_noise,
    strength_of_classes,
)
from ._rows import TrainingRows
from ._targets import Targets
from ._training import train
from .losses import LogLoss
from .optimizers import Adam
from .schedules import Constant

__all__ = ["noise_of", "strength_of", "told_of", "with_noise_known", "without_useless_bins"]

_ROWS, _FOLDS = 2500, 3  # at most, of which two thirds are fitted and a third is predicted, three times
_FOLDS_OF_CLASSES = 2  # of these: pilots with one penalty and another are compared on the same rows
_FEWEST = 50
_LEAST_NOISE = 0.01
_STANDARD_ERRORS = 2.0  # of what pilots gain without bins, from which it is no chance


def with_noise_known(
    options: Options, design: Design, targets: Targets, told: dict | None = None, spent: float = 0.0
) -> Options:
    """The options with numbers for those that go by the noise of the rows or the unit of y, and with the time
    that is left; `told` by pilots to these rows that took the time `spent` before."""
    names = options.by_noise
    if options.by_unit:
        options = _with_alpha_of_unit(options, targets)
    if not (names or spent):
        return options
    began, limit = time.perf_counter() - spent, options.stopping.max_time
    chosen = _chosen(options, design, targets, told) if names else {}
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


def _with_alpha_of_unit(options: Options, targets: Targets) -> Options:
    """The options with a penalty that is to a loss linear far out what it is to squared error.

    With the unit of y such a loss grows as residuals do, but the penalty on the weights of the last layer as
    their squares. The curvature of the loss, its largest slope over the spread of y, makes up for it.
    """
    objective = options.objective
    factor = min(1.0, float(objective.loss._curvature(targets.y, targets.weight)))
    return replace(options, by_unit=False, objective=objective.with_alpha(objective.penalty.alpha * factor))


def without_useless_bins(options: Options, rows: TrainingRows) -> TrainingRows:
    """Encoded rows of a table without bins, and with an encoder that makes none, where pilots without them
    predict rows that they have not seen better.

    That is where the sum of the differences of their losses is more than two standard errors above zero.
    """
    encoder, began = rows.schema["encoder_"], time.perf_counter()
    bins = encoder._columns_of_bins
    tells = options.objective.loss._quadratic or isinstance(options.objective.loss, LogLoss)
    if not (bins.any() and tells and rows.design.n >= _FEWEST):
        return rows
    told = told_of(options, rows.design, rows.targets)
    lean = rows.among(np.flatnonzero(~bins), {**rows.schema, "encoder_": encoder._without_bins()})
    better = _gains(_pilot_for(told), options, rows.targets, (rows.design, lean.design))
    chosen = lean if better else rows._replace(told=told)
    return chosen._replace(spent=time.perf_counter() - began)


def _pilot_for(told: dict) -> dict:
    """The pilot with and without bins, under the penalty and dropout of these rows."""
    if "strength" in told:
        return {**PILOT_OF_CLASSES, "strength": told["strength"] or USUAL_STRENGTH}
    found = settings_by_noise(told["noise"] or 1.0, 1)
    return {**PILOT_OF_BINS, "dropout": found["dropout"], "strength": found["alpha"]}


def _gains(pilot: dict, options: Options, targets: Targets, designs: tuple[Design, Design]) -> bool:
    """Whether pilots on the second design predict rows that they have not seen better than those on the
    first, by more than chance would have it; where the first fold says no, the next is not fitted."""
    gains = np.zeros(0)
    for k in range(_FOLDS_OF_CLASSES):
        unseen = _each(options, lambda design, k=k: _unseen(options, design, targets, k, pilot), designs)
        found = [_values(*each) for each in unseen if each is not None]
        if len(found) < len(designs):
            continue
        first, second = found
        gains = np.append(gains, first - second)
        if not gains.sum() > 0:
            return False
    return bool(gains.sum() > _STANDARD_ERRORS * np.std(gains) * len(gains) ** 0.5)


def _values(problem: Problem, theta: np.ndarray, _) -> np.ndarray:
    """Losses of the rows (m,) times their weights."""
    targets = problem.targets
    values = problem.loss._values(targets.y, problem.scores(theta)).astype(float)
    return values if targets.weight is None else values * targets.weight


def told_of(options: Options, design: Design, targets: Targets) -> dict:
    """The strength of the penalty for classes, or the noise of a regression; None where they are not told."""
    if isinstance(options.objective.loss, LogLoss):
        return {"strength": strength_of(options, design, targets)}
    return {"noise": noise_of(options, design, targets)}


def _chosen(options: Options, design: Design, targets: Targets, told: dict | None) -> dict:
    """Values of parameters for these rows; none where pilots do not tell."""
    if isinstance(options.objective.loss, LogLoss) and "alpha" not in options.by_noise:
        return {}
    told = told_of(options, design, targets) if told is None else told
    network = options.objective.network
    shared = network is not None and network.shared is not None
    if told.get("strength") is not None:
        return {"alpha": strength_of_classes(told["strength"], shared) / design.n}
    noise = told.get("noise")
    return {} if noise is None else settings_by_noise(noise, design.n, shared)


def noise_of(options: Options, design: Design, targets: Targets) -> float | None:
    """The share of the loss of the best constant that pilots leave on rows that they have not seen.

    None for losses other than the squared error, and of few rows. It depends neither on random_state
    nor on max_time: a table has one noise.
    """
    if not options.objective.loss._quadratic or design.n < _FEWEST:
        return None
    left, whole = _losses(options, design, targets, _FOLDS, PILOT)
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
    pilot = {**PILOT_OF_CLASSES, "strength": strength}
    return float(_losses(options, design, targets, _FOLDS_OF_CLASSES, pilot)[0])


def _losses(options: Options, design: Design, targets: Targets, folds: int, pilot: dict) -> np.ndarray:
    """Losses of pilots and of the best constants, summed over the rows of the first folds, which they have
    not seen."""

    def of_fold(k: int) -> tuple[float, float]:
        found = _unseen(options, design, targets, k, pilot)
        if found is None:
            return 0.0, 0.0
        problem, theta, constant = found
        return problem.evaluate(theta, None), problem.evaluate(constant, None)

    return np.sum(_each(options, of_fold, range(folds)), axis=0)


def _each(options: Options, function: Callable, items: Sequence) -> list:
    """The function of each item, in as many threads as the fit may use."""
    if options.threads == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(options.threads, len(items)), thread_name_prefix="skgd-pilot") as pool:
        calls = [pool.submit(copy_context().run, function, item) for item in items]
        try:
            return [call.result() for call in calls]
        except BaseException:  # an interrupt, too, waits for those that have begun alone
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _unseen(options: Options, design: Design, targets: Targets, k: int, pilot: dict) -> tuple | None:
    """A fold of the rows as a problem, and parameters of a pilot that has not seen them and of the best
    constant; None where the weights of all rows are zero."""
    rows = np.random.RandomState(0).permutation(design.n)[:_ROWS]
    held = np.arange(len(rows)) % _FOLDS == k
    unseen, seen = np.sort(rows[held]), np.sort(rows[~held])
    if targets.weight is not None and not (targets.weight[seen].any() and targets.weight[unseen].any()):
        return None
    if "strength" in pilot:
        alpha = pilot["strength"] / len(seen)
        options = replace(options, objective=options.objective.with_alpha(alpha))
    fit = _pilot(options, design.take(seen), targets.rows(seen).weighted_to_mean_one(), pilot)
    if train(fit).stop_reason == "interrupted":
        raise KeyboardInterrupt
    problem = fit.problem.on(design.take(unseen), targets.rows(unseen))
    return problem, fit.descent.parameters, fit.problem.constant


def _pilot(options: Options, design: Design, targets: Targets, pilot: dict) -> Fit:
    """A small network for all losses and parameters of the user alike, but the penalty."""
    network = Network((pilot["units"],), (pilot["activation"],), pilot["dropout"])
    options = replace(
        options,
        objective=replace(options.objective, network=network),
        optimizer=Adam(beta_2=0.95),
        schedule=Constant(),
        dropout_schedule=None,
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
        threads=1,  # there are several pilots
    )
    units = Units(False, of_y=True).after(design, targets, options.objective)
    problem = Problem(design, targets.in_units(units.output_units(options.objective)), options.objective)
    rule = options.rule(problem.n)
    descent = Descent.begin(options, problem, rule)
    problem.initialise(descent.theta, options.seed)
    return Fit(options, problem, rule, descent, choose_rates(problem, descent, options))
