"""Callbacks of scikit-learn, from 1.9 on: a fit, and the checks in it, as the tasks that they are told of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sklearn.base import clone

from ._training import Watcher

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support: there is no `set_callbacks`."""


__all__ = ["CallbackSupportMixin", "Tasks", "clone_unwatched", "has_callbacks", "with_callbacks_of"]


def has_callbacks(estimator) -> bool:
    return bool(getattr(estimator, "_skl_callbacks", ()))


def clone_unwatched(estimator):
    """A clone for fits that nobody asked to watch."""
    fresh = clone(estimator).set_params(verbose=0)
    vars(fresh).pop("_skl_callbacks", None)
    return fresh


def with_callbacks_of(estimator, other):
    """The estimator, with the callbacks of another."""
    if has_callbacks(other):
        estimator.set_callbacks(*other._skl_callbacks)
    return estimator


class Tasks(Watcher):
    """The task of a fit, with a task inside it for each check.

    `tasks` are the name and the greatest number of the checks; `rows` (X, y, metadata) may be functions,
    called for callbacks that ask for them only, and so is `fitted`, which gives the attributes of a fit
    that stops at a record and a descent.
    """

    def __init__(self, estimator, tasks: tuple[str, int], rows: dict, fitted: Callable):
        (self.name, most), self.fitted = tasks, fitted
        self.told = {"estimator": estimator, **rows}
        self.of_fit = estimator._init_callback_context(max_subtasks=most)
        self.of_check: Any = None
        self.of_fit.call_on_fit_task_begin(**self.told)

    def begin(self, record, descent) -> None:
        if self.of_check is None:  # else what it did was undone, and it lasts
            self.of_check = self.of_fit.subcontext(task_name=self.name)
            so_far = partial(self.fitted, record, descent)
            self.of_check.call_on_fit_task_begin(**self.told, reconstruction_attributes=so_far)

    def check(self, record, descent) -> bool:
        so_far = partial(self.fitted, record, descent)
        stop = self.of_check.call_on_fit_task_end(**self.told, reconstruction_attributes=so_far)
        self.of_check = None
        return stop

    def close(self, record) -> None:
        """A check whose updates were undone to the last ends without a result."""
        if self.of_check is not None and record.stop_reason == "max_iter":
            self.of_check.call_on_fit_task_end(estimator=self.told["estimator"])

    def end(self) -> None:
        self.of_fit.call_on_fit_task_end(**self.told, reconstruction_attributes={})
