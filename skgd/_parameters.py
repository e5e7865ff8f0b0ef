"""The parameters of an estimator, and what they were found to mean, for fits that come again and again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import signature
from operator import itemgetter
from types import NoneType

import numpy as np

__all__ = ["Memo", "names_of", "parameter_key", "values_of"]

_PLAIN = frozenset((str, bool, int, float, NoneType, np.float64, np.float32, np.int64, np.int32, np.bool_))
_MOST = 256  # entries of a memo


@cache
def names_of(kind: type) -> list[str]:
    """Names of the parameters of a class, in the order of its constructor."""
    return list(signature(kind).parameters)


@cache
def _values_of(kind: type) -> Callable[[dict], tuple]:
    """A function from the attributes of an estimator of this class to the values of its parameters."""
    names = names_of(kind)
    return itemgetter(*names) if len(names) > 1 else lambda attributes: tuple(attributes[n] for n in names)


def values_of(estimator) -> tuple:
    """The values of the parameters, in the order of the constructor; raises KeyError where a subclass keeps
    them elsewhere."""
    return _values_of(type(estimator))(vars(estimator))  # type: ignore[arg-type]


def parameter_key(estimator) -> tuple | None:
    """Class, types and values of the parameters, to look up by; None where one is an object."""
    try:
        values = values_of(estimator)
    except KeyError:  # a subclass keeps them elsewhere
        return None
    kinds = tuple(map(type, values))
    if not _PLAIN.issuperset(kinds) and not all(map(_is_plain, values)):
        return None
    return type(estimator), kinds, values


def _is_plain(value) -> bool:
    return type(value) in _PLAIN or (type(value) is tuple and all(type(each) is int for each in value))


class Memo(dict):
    """Results by key, a limited number of them."""

    def remember(self, key, result):
        if len(self) >= _MOST:
            self.clear()
        self[key] = result
        return result
