"""A descent that goes on with more classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ._arrays import aligned_zeros
from ._descent import Descent
from ._network import blocks, shares
from ._targets import padded_columns

__all__ = ["with_classes"]

_COUNTED = 8  # updates that the mean so far counts for, once there is a new class


def with_classes(descent: Descent, old: np.ndarray, new: np.ndarray, tied: bool) -> Descent:
    """The descent of the classes `old` with columns of raw scores for all of `new`, which hold them.

    A class that is new starts at zero, with an optimizer that has no past. Of two classes there is one
    column, z; it becomes -z and z, or, where classes are ``tied`` by softmax, -z / 2 and z / 2, which have
    the same probabilities; what the optimizer knew of it is forgotten. A stream that brings a class does not
    rest: an automatic rate no longer falls. An automatic mean of the iterates is where the descent goes on,
    and counts for a few updates only.
    """
    descent = descent.copy()
    places = np.searchsorted(new, old)
    layers = (*descent.layers[: -descent.last], *_last_layers(descent, len(new)))
    factors = np.ones(len(old))
    if len(old) == 2:
        factors = np.array([-1.0, 1.0]) * (0.5 if tied else 1.0)

    def moved(array: np.ndarray, factors: np.ndarray) -> np.ndarray:
        into = aligned_zeros(_shape(array, layers), array.dtype)
        pairs = list(zip(blocks(into, layers), blocks(array, descent.layers), strict=True))
        for place, block in pairs[: -descent.last]:
            place[:] = block
        for place, share in zip(shares(into, layers), shares(array, descent.layers), strict=True):
            place[:] = share
        for place, block in pairs[-descent.last :]:
            place[:, places] = block * factors.astype(array.dtype)
        return into

    state = factors if len(old) > 2 else 0 * factors
    stream = dict(descent.stream)
    if len(old) == 2 and tied and "curvature" in stream:
        stream["curvature"] *= 2  # of softmax, twice that of the logistic function
    for name in ("rests_from", "rests_after", "looked_at", "lag", "lag_squares"):
        stream.pop(name, None)
    anew = descent.average is not None and descent.average_power > 0
    grown = replace(
        descent,
        theta=moved(descent.parameters if anew else descent.theta, factors),
        slots=tuple(moved(slot, state) for slot in descent.slots),
        average=None if descent.average is None else moved(descent.average, factors),
        layers=layers,
        stream=stream,
    )
    if anew:
        grown.average_start = max(grown.average_start, grown.t - _COUNTED)
    return grown


def _last_layers(descent: Descent, classes: int) -> list[tuple[int, int, int, int]]:
    found, columns = [], padded_columns(classes, descent.theta.dtype)
    offset = descent.layers[-descent.last][-1]
    for inputs, *_ in descent.layers[-descent.last :]:
        found.append((inputs, classes, columns, offset))
        offset += (inputs + 1) * columns
    return found


def _shape(array: np.ndarray, layers: tuple) -> tuple[int, ...]:
    """Of theta, as `Problem.zeros` has it."""
    inputs, _, columns, offset = layers[-1]
    return (inputs + 1, columns) if array.ndim == 2 else (offset + (inputs + 1) * columns,)
