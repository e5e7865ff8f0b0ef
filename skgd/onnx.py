"""Conversion of pipelines to ONNX by skl2onnx; single estimators have a method ``to_onnx``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._onnx import OPSETS, add_outliers_to, add_to, labels_of, width_of
from ._onnx_encoders import encoded
from ._onnx_graph import Graph
from .linear import GDClassifier, GDRegressor
from .mlp import GDMLPClassifier, GDMLPRegressor
from .one_class import GDOneClassSVM
from .preprocessing import PeriodicEncoder, PiecewiseLinearEncoder, SmoothClipScaler
from .search import GDClassifierCV, GDRegressorCV

__all__ = ["register_converters"]

_REGRESSORS = (GDRegressor, GDMLPRegressor, GDRegressorCV)
_CLASSIFIERS = (GDClassifier, GDMLPClassifier, GDClassifierCV)
_ENCODERS = (SmoothClipScaler, PiecewiseLinearEncoder, PeriodicEncoder)


def register_converters() -> None:
    """Tell skl2onnx how estimators and encoders of skgd are converted, as steps of a Pipeline.

    Call it once, before ``skl2onnx.to_onnx`` or ``convert_sklearn``. Classifiers take skl2onnx's option
    ``zipmap``; where a loss has no probabilities, the second output has the raw scores, of both classes
    where there are two. A table with categories goes to ``to_onnx`` of the estimator itself.

    Raises
    ------
    ImportError
        Without the packages onnx and skl2onnx.

    Examples
    --------
    >>> import pytest
    >>> skl2onnx = pytest.importorskip("skl2onnx")
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgd import GDClassifier
    >>> from skgd.onnx import register_converters
    >>> X, y = load_iris(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), GDClassifier(random_state=0)).fit(X, y)
    >>> register_converters()
    >>> model = skl2onnx.to_onnx(pipeline, X, options={"zipmap": False})
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    try:
        from skl2onnx import update_registered_converter as register
    except ImportError as error:
        raise ImportError(
            f"Pipelines are converted by skl2onnx: pip install skgd[onnx] skl2onnx. {error}"
        ) from error
    for kind in _REGRESSORS:
        register(kind, f"Skgd{kind.__name__}", _shape_of_model, _convert_model)
    zipmap = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]}
    for kind in _CLASSIFIERS:
        register(kind, f"Skgd{kind.__name__}", _shape_of_model, _convert_model, options=zipmap)
    register(GDOneClassSVM, "SkgdGDOneClassSVM", _shape_of_outliers, _convert_outliers)
    for encoder in _ENCODERS:
        register(encoder, f"Skgd{encoder.__name__}", _shape_of_encoder, _convert_encoder)


def _shape_of_model(operator) -> None:
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    model = operator.raw_operator._exported()
    labels = labels_of(model)
    if labels is not None:
        dtype, columns = labels
        kind = StringTensorType if dtype.kind in "UO" else Int64TensorType
        operator.outputs[0].type = kind([None, *columns])
    operator.outputs[-1].type.shape = [None, width_of(model)]


def _convert_model(scope, operator, container) -> None:
    model = operator.raw_operator._exported()
    if model.takes_columns:
        raise ValueError(
            f"{model.kind} takes a table with categories, whose columns are inputs of their own: use its "
            f"method to_onnx."
        )

    def add(graph, inputs, outputs, dtypes):
        add_to(graph, model, inputs, outputs, dtypes)

    _convert(scope, operator, container, add)


def _shape_of_outliers(operator) -> None:
    from skl2onnx.common.data_types import Int64TensorType

    operator.outputs[0].type = Int64TensorType([None])
    operator.outputs[1].type.shape = [None]


def _convert_outliers(scope, operator, container) -> None:
    model = operator.raw_operator
    coef, offset = model.coef_, np.reshape(model.offset_, (1,))

    def add(graph, inputs, outputs, dtypes):
        add_outliers_to(graph, coef, offset, inputs[0], outputs, dtypes)

    _convert(scope, operator, container, add)


def _shape_of_encoder(operator) -> None:
    operator.outputs[0].type.shape = [None, len(operator.raw_operator.get_feature_names_out())]


def _convert_encoder(scope, operator, container) -> None:
    def add(graph, inputs, outputs, dtypes):
        found, _ = encoded(graph, inputs, operator.raw_operator, np.dtype(dtypes[0]))
        graph.cast(found, dtypes[1], outputs[0])

    _convert(scope, operator, container, add)


def _convert(scope, operator, container, add: Callable) -> None:
    """Have nodes added to a conversion by skl2onnx."""
    from skl2onnx.common.data_types import guess_numpy_type

    graph = Graph(name=scope.get_unique_variable_name)
    dtypes = tuple(guess_numpy_type(end[-1].type) for end in (operator.inputs, operator.outputs))
    rows = graph.joined([graph.cast(each.full_name, dtypes[0]) for each in operator.inputs])
    add(graph, [rows], [each.full_name for each in operator.outputs], dtypes)
    container.nodes.extend(graph.nodes)
    container.initializers.extend(graph.constants)
    container.node_domain_version_pair_sets |= {(node.domain, OPSETS[node.domain]) for node in graph.nodes}
