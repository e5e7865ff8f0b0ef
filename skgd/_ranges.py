"""Whether the numbers of losses, update rules and schedules lie in their ranges."""

from __future__ import annotations

import numbers

import numpy as np

from .schedules import SCHEDULES, Schedule, Warmup

__all__ = ["check_range", "check_schedule"]

_SCHEDULE_RANGES = {
    "power": (0, np.inf, True),
    "cycles": (0, np.inf),
    "decay": (0, np.nextafter(1, 2)),
    "factor": (0, 1),
    "patience": (1, np.inf, True),
    "final": (0, np.nextafter(1, 2), True),
    "period": (0, np.inf),
    "start": (0, np.nextafter(1, 2), True),
    "warmup": (0, 1, True),
    "n": (0, np.inf),
}


def check_range(thing, name, low, high, closed_left=False):
    """Raise where an attribute of a loss, a rule or a schedule of ours lies outside of its range."""
    value = getattr(thing, name, None)
    if value is None or thing.__class__.__module__.partition(".")[0] != "skgd":
        return
    if not isinstance(value, numbers.Real):
        raise ValueError(f"{name}={value!r} of {type(thing).__name__} must be one number.")
    if not (low <= value if closed_left else low < value) or not value < high:
        left = "[" if closed_left else "("
        raise ValueError(
            f"{name}={value!r} of {type(thing).__name__} must be in the range {left}{low}, {high})."
        )


def check_schedule(schedule) -> None:
    """Raise where a parameter of a schedule is not what it can be."""
    for name, limits in _SCHEDULE_RANGES.items():
        check_range(schedule, name, *limits)
    if isinstance(schedule, Schedule):
        schedule._check()
    if not isinstance(schedule, Warmup):
        return
    if isinstance(schedule.then, str) and schedule.then not in SCHEDULES:
        raise ValueError(f"then={schedule.then!r} of Warmup must be one of {sorted(SCHEDULES)}.")
    if not callable(schedule.following):
        raise ValueError(f"then={schedule.then!r} of Warmup must be a name, a schedule or a callable.")
    check_schedule(schedule.following)
