"""Whether an update rule is defined for what an estimator asks of it."""

from __future__ import annotations

from .schedules import Constant

__all__ = ["check_rates", "check_use"]

_ROWS = {
    "one": 'one row per update (solver="sgd")',
    "some": "mini-batches",
    "all": 'all rows per update (solver="batch")',
}


def check_use(estimator, optimizer, loss, schedule, batch_size) -> None:
    """Whether the rule is defined for what the estimator asks of it."""
    which = f"optimizer={estimator.optimizer!r}"
    rows = "all" if batch_size is None else "one" if batch_size == 1 else "some"
    if rows not in optimizer.rows:
        wanted = " or ".join(_ROWS[known] for known in optimizer.rows)
        raise ValueError(f"{which} needs {wanted}, but solver={estimator.solver!r}.")
    if not optimizer.networks and hasattr(estimator, "hidden_layer_sizes"):
        raise ValueError(f"{which} is defined for linear models only.")
    if optimizer.losses is not None and loss.name not in optimizer.losses:
        known = " or ".join(f"loss={name!r}" for name in optimizer.losses)
        raise ValueError(f"{which} is defined for {known} only, not {estimator.loss!r}.")
    if optimizer.searches and not loss.smooth:
        raise ValueError(f"{which} needs a loss without kinks, but loss={estimator.loss!r}.")
    if optimizer.searches and not isinstance(schedule, Constant):
        raise ValueError(
            f'{which} chooses its own rates: schedule must be "constant", not {estimator.schedule!r}.'
        )
    explicit = not isinstance(estimator.average, str) and estimator.average is not False
    if explicit and (optimizer.searches or optimizer.blend is not None):
        raise ValueError(f'{which} needs average="auto" or False, not {estimator.average!r}.')


def check_rates(estimator, optimizer, network) -> None:
    """Whether the rule can have other rates in one layer than in another."""
    if network is None or network.rates is None or not optimizer.searches:
        return
    raise ValueError(
        f"optimizer={estimator.optimizer!r} finds one rate for all layers: rate_factors must be None, and "
        f'parametrization "standard".'
    )
