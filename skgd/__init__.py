"""skgd: gradient descent for people who use scikit-learn."""

from importlib import import_module
from typing import TYPE_CHECKING

from . import losses, optimizers, penalties, schedules
from ._core import core as _core_is_built  # noqa: F401  (a clear ImportError when it is not)
from .exceptions import DivergenceError
from .linear import GDClassifier, GDRegressor
from .mlp import GDMLPClassifier, GDMLPRegressor

if TYPE_CHECKING:
    from . import inference, learning_rate, onnx, preprocessing
    from ._checkpoint import Checkpoint
    from ._regularization import RegularizationPath
    from .display import (
        DescentPathDisplay,
        LearningRateDisplay,
        LossCurveDisplay,
        RegularizationPathDisplay,
    )
    from .one_class import GDOneClassSVM
    from .search import GDClassifierCV, GDRegressorCV

__version__ = "0.1.0"

__all__ = [
    "Checkpoint",
    "DescentPathDisplay",
    "DivergenceError",
    "GDClassifier",
    "GDClassifierCV",
    "GDMLPClassifier",
    "GDMLPRegressor",
    "GDOneClassSVM",
    "GDRegressor",
    "GDRegressorCV",
    "LearningRateDisplay",
    "LossCurveDisplay",
    "RegularizationPath",
    "RegularizationPathDisplay",
    "inference",
    "io",
    "learning_rate",
    "losses",
    "onnx",
    "optimizers",
    "penalties",
    "preprocessing",
    "schedules",
]

_LATE = {  # imported when they are asked for: importing skgd should not wait for them
    "Checkpoint": "_checkpoint",
    "DescentPathDisplay": "display",
    "LearningRateDisplay": "display",
    "LossCurveDisplay": "display",
    "RegularizationPath": "_regularization",
    "RegularizationPathDisplay": "display",
    "GDClassifierCV": "search",
    "GDOneClassSVM": "one_class",
    "GDRegressorCV": "search",
}


def __getattr__(name: str):
    if name in ("inference", "io", "learning_rate", "onnx", "preprocessing"):
        return import_module(f".{name}", __name__)
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_LATE[name]}", __name__), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
