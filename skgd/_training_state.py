"""The state of a training at a check, from which another goes on to the same end."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from ._look import Look

__all__ = ["Keeper", "onward", "state_of", "take_up"]

_ENDS = ("tol", "early_stopping", "interrupted", "error")  # with nothing to go on to


class Keeper:
    """Keeps states of a training; this one the last, if it ``remembers``. ``saved`` is one to go on from."""

    def __init__(self, saved: dict | None = None, remembers: bool = False):
        self.saved, self.remembers = saved, remembers
        self.last: dict | None = None

    @property
    def is_due(self) -> bool:
        """Whether the state at this check is asked for."""
        return False

    def keep(self, state: dict) -> None:
        """Keep a state."""

    def close(self, state: Callable[[], dict]) -> None:
        """The training has come to its end."""
        if self.remembers:
            self.last = state()


def state_of(training) -> dict:
    """All that the rest of a training depends on, as numbers, arrays and plain containers.

    The objects that it is made of are those of a fit to the same rows under the same parameters.
    """
    descent, rule, record = training.fit.descent, training.plateau_rule, training.record
    history = {name: np.asarray(values) for name, values in record.history.items()}
    return {
        "descent": descent.copy(),
        "random": training.random.copy(),
        "rates": training.fit.rates.state(),
        "window": {**vars(training.window), "parts": np.array(training.window.parts).reshape(-1, 3)},
        "rule": (rule.best, rule.waits, rule.plateaus),
        "record": {**vars(record), "history": history, "path": np.array(record.path)},
        "waiting": None if training.waiting is None else dict(vars(training.waiting)),
        "place": training.place,
        "seconds": training.seconds,
    }


def take_up(training, state: dict) -> None:
    """Go on where the state was taken, with a descent that is there and rates that have begun."""
    window, record, rule = training.window, training.record, training.plateau_rule
    training.fit.descent.random[:] = training.random[:] = state["random"]
    training.fit.rates.take_up(state["rates"])
    parts = [(loss, weight, int(rows)) for loss, weight, rows in state["window"]["parts"].tolist()]
    vars(window).update({**state["window"], "parts": type(window.parts)(parts)})
    rule.best, rule.waits, rule.plateaus = state["rule"]
    history = {name: values.tolist() for name, values in state["record"]["history"].items()}
    vars(record).update({**state["record"], "history": history, "path": list(state["record"]["path"])})
    training.waiting = None if state["waiting"] is None else Look(**state["waiting"])
    training.begins = training.place = state["place"]
    training.began = time.perf_counter() - state["seconds"]


def onward(state: dict) -> dict | None:
    """The state for more epochs, with a record of their own, after those that ``max_iter`` allowed or a
    callback or the clock ended; None after an end that the stopping rule found."""
    record = state["record"]
    if record["stop_reason"] in _ENDS:
        return None
    empty = {name: values[:0] for name, values in record["history"].items()}
    fresh = {"history": empty, "path": np.array([]), "epochs": 0, "place": 0.0, "stop_reason": "error"}
    record = {**record, **fresh, "best_epoch": 0.0}
    return {**state, "random": state["descent"].random, "record": record, "place": (0, 0), "seconds": 0.0}
