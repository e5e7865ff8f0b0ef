"""skgd: gradient descent for people who use scikit-learn."""

from . import learning_rate, losses, optimizers, schedules
from ._core import core as _core_is_built  # noqa: F401  (a clear ImportError when it is not)
from .display import DescentPathDisplay, LearningRateDisplay, LossCurveDisplay
from .exceptions import DivergenceError
from .linear import GDClassifier, GDRegressor
from .mlp import GDMLPClassifier, GDMLPRegressor
from .search import GDClassifierCV, GDRegressorCV

__version__ = "0.1.0"

__all__ = [
    "DescentPathDisplay",
    "DivergenceError",
    "GDClassifier",
    "GDClassifierCV",
    "GDMLPClassifier",
    "GDMLPRegressor",
    "GDRegressor",
    "GDRegressorCV",
    "LearningRateDisplay",
    "LossCurveDisplay",
    "learning_rate",
    "losses",
    "optimizers",
    "schedules",
]
