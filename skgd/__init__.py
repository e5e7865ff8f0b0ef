"""skgd: gradient descent for people who use scikit-learn."""

from . import losses, optimizers, schedules
from ._core import core as _core_is_built  # noqa: F401  (a clear ImportError when it is not)
from .exceptions import DivergenceError
from .linear import GDClassifier, GDRegressor

__version__ = "0.1.0"

__all__ = [
    "DivergenceError",
    "GDClassifier",
    "GDRegressor",
    "losses",
    "optimizers",
    "schedules",
]
