"""Fitted models as graphs of ONNX: encoders, layers, links; alone or in a conversion by skl2onnx."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import erfcx

from ._feature_layer import FeatureLayer
from ._network import is_parametric, without_shares
from ._onnx_encoders import column_types, encoded
from ._onnx_graph import Graph, Numeric, element, onnx
from ._targets import Classes, Labels, Numbers, Quantiles, Task
from .losses import LOSSES, LogLoss, Loss, ModifiedHuber

__all__ = ["OPSETS", "Model", "Net", "add_to", "converted", "labels_of", "width_of"]

OPSETS = {
    "": 15,
    "ai.onnx.ml": 2,
}  # old enough for runtimes of 2022; what is used means the same in later ones
_IR = 8


class Net(NamedTuple):
    """Layers (weights, intercepts), the activation between them, and shares of it that units take."""

    layers: list[tuple[np.ndarray, np.ndarray]]
    activation: Any = (
        "identity"  # of all hidden layers, or a tuple of those of each; of linear models none is seen
    )

    shares: Sequence[np.ndarray] = ()  # of the hidden layers whose units have learnt them
    features: tuple[int, int] | None = None  # numbers and waves of a first layer that sees one feature a unit

    @property
    def activations(self) -> tuple:
        """That of each hidden layer."""
        given, hidden = self.activation, len(self.layers) - 1 - (self.features is not None)
        return given if isinstance(given, tuple) else (given,) * hidden


@dataclass(frozen=True)
class Model:
    """All that predictions of a fitted estimator need."""

    kind: str  # its class, for messages and names
    nets: list[Net]  # whose mean is predicted
    task: Task
    loss: Loss
    n_features: int
    names: Sequence[str] | None = None  # of the features
    encoder: Any = None  # of the columns

    def __post_init__(self) -> None:
        own = type(self.loss) not in LOSSES.values()
        if own and (self.loss.has_probabilities or type(self.loss).inverse_link is not Loss.inverse_link):
            raise ValueError(
                f"{self.kind} cannot be converted to ONNX: its predictions are computed by Python code, that "
                f"of loss={self.loss!r}."
            )
        for net in self.nets:
            for activation in net.activations:
                known = isinstance(activation, str) and without_shares(activation) in _ACTIVATIONS
                if not known:
                    raise ValueError(f"activation={activation!r} cannot be converted to ONNX.")

    @property
    def takes_columns(self) -> bool:
        """Whether each column is an input of its own."""
        return column_types(self.encoder) is not None

    @property
    def has_probabilities(self) -> bool:
        return not isinstance(self.task, Numbers) and self.loss.has_probabilities


# -- activations, in terms of operators that runtimes have in both precisions -----------------------


def _elu(o: Numeric, z: str, scale: float = 1.0, alpha: float = 1.0) -> str:
    below = o.Mul(o.Sub(o.Exp(o.Min(z, 0.0)), 1.0), scale * alpha)
    return o.Add(o.Mul(o.Max(z, 0.0), scale), below)


def _gelu(o: Numeric, z: str) -> str:
    """z times the normal distribution function; runtimes have Erf in float32 only.

    With u = |z| / sqrt(2) and t = 2 / (2 + u), erfc(u) is t exp(-u^2 + p(2 t - 1)) for a polynomial p, to
    thirteen digits (the form is that of Press et al. 2007, section 6.2).
    """
    if o.dtype == np.float32:
        return o.Mul(z, o.Mul(o.Add(o.Erf(o.Mul(z, 0.5**0.5)), 1.0), 0.5))
    u = o.Mul(o.Abs(z), 0.5**0.5)
    t = o.Div(2.0, o.Add(u, 2.0))
    s, p = o.Sub(o.Mul(t, 2.0), 1.0), o.of(_ERFC[-1])
    for coefficient in _ERFC[-2::-1]:
        p = o.Add(o.Mul(p, s), coefficient)
    beyond = o.Mul(o.Mul(t, 0.5), o.Exp(o.Sub(p, o.Mul(u, u))))
    return o.Sub(o.Max(z, 0.0), o.Mul(o.Abs(z), beyond))


def _erfc_polynomial(degree: int = 24) -> np.ndarray:
    """Coefficients of p, lowest first."""

    def exponent(s):
        t = (np.asarray(s) + 1) / 2
        return np.log(erfcx(2 / t - 2) / t)

    return Chebyshev.interpolate(exponent, degree).convert(kind=Polynomial).coef


_ERFC = _erfc_polynomial()


_ACTIVATIONS: dict[str, Callable[[Numeric, str], str]] = {
    "identity": lambda o, z: z,
    "logistic": lambda o, z: o.Sigmoid(z),
    "tanh": lambda o, z: o.Tanh(z),
    "relu": lambda o, z: o.Max(z, 0.0),
    "leaky_relu": lambda o, z: o.Max(z, o.Mul(z, 0.01)),
    "elu": _elu,
    "gelu": _gelu,
    "silu": lambda o, z: o.Mul(z, o.Sigmoid(z)),
    "selu": lambda o, z: _elu(o, z, 1.0507009873554805, 1.6732632423543772),
    "mish": lambda o, z: o.Mul(z, o.Tanh(o.softplus(z))),
    "softplus": lambda o, z: o.softplus(z),
}


def _features(o: Numeric, features: tuple[int, int], weights, intercepts, x: str) -> str:
    """Values of units that see one feature each."""
    numbers, waves = features
    layer = FeatureLayer(waves, numbers=numbers)
    d = weights.shape[1] - numbers * waves
    seen = o.graph.constant(layer.seen(d).astype(np.int64))
    z = o.Add(o.Mul(o.graph.add("Gather", x, seen, axis=1), weights), intercepts)
    is_wave = o.graph.constant(np.arange(weights.shape[1])[None] >= d)
    return o.where(is_wave, o.Cos(o.Mul(z, 2 * np.pi)), z)


def _raw(o: Numeric, net: Net, x: str) -> str:
    """Raw scores (n, K) of a network."""
    of_shares, layers = iter(net.shares), list(net.layers)
    if net.features is not None:
        x = _features(o, net.features, *layers.pop(0), x)
    for i, (weights, intercepts) in enumerate(layers):
        x = z = o.Add(o.MatMul(x, weights), intercepts)
        if i + 1 < len(layers):
            x = _ACTIVATIONS[without_shares(net.activations[i])](o, z)
            if is_parametric(net.activations[i]):
                x = o.Add(z, o.Mul(o.Sub(x, z), next(of_shares)))
    return x


# -- the mean of several networks -------------------------------------------------------------------


def _mean(o: Numeric, values: list[str]) -> str:
    return o.Mul(o.graph.total(values), 1 / len(values))


def _log_mean(o: Numeric, logs: list[str]) -> str:
    """Logarithm of the mean of what these are the logarithms of."""
    most = o.Max(*logs)
    total = o.graph.total([o.Exp(o.Sub(log, most)) for log in logs])
    return o.Add(most, o.Log(o.Mul(total, 1 / len(logs))))


def _mean_logit(o: Numeric, raws: list[str]) -> str:
    """Raw scores of the mean probability of each column."""
    yes, no = ([o.Neg(o.softplus(z)) for z in signed] for signed in ([o.Neg(z) for z in raws], raws))
    return o.Sub(_log_mean(o, yes), _log_mean(o, no))


def _mean_raw(o: Numeric, model: Model, raws: list[str], columns: int) -> str:
    """What Task.mean_raw gives."""
    if len(raws) == 1:
        return raws[0]
    if isinstance(model.task, Quantiles):
        raws = [o.graph.rising(raw, columns) for raw in raws]
    if model.loss.log_link:
        return _log_mean(o, raws)
    if not model.loss.logistic:
        return _mean(o, raws)
    if columns > 1 and not isinstance(model.task, Labels):
        return _log_mean(o, [o.LogSoftmax(z, axis=1) for z in raws])
    return _mean_logit(o, raws)


# -- from raw scores to predictions -----------------------------------------------------------------


def _logistic(o: Numeric, raw: str, columns: int) -> str:
    if columns > 1:
        return o.Softmax(raw, axis=1)
    return o.graph.joined([o.Sigmoid(o.Neg(raw)), o.Sigmoid(raw)])


def _modified_huber(o: Numeric, raw: str, columns: int) -> str:
    positive = o.Mul(o.Add(o.clipped(raw, -1.0, 1.0), 1.0), 0.5)
    if columns == 1:
        return o.graph.joined([o.Sub(1.0, positive), positive])
    total = o.MatMul(positive, np.ones((columns, 1)))
    some = o.Greater(total, 0.0)
    return o.where(some, o.Div(positive, o.where(some, total, 1.0)), 1 / columns)


_PROBABILITIES = {LogLoss: _logistic, ModifiedHuber: _modified_huber}


def _label_probabilities(o: Numeric, model: Model, raw: str, columns: int) -> str:
    """Of each label by itself."""
    of_loss = _PROBABILITIES[type(model.loss)]
    single = [o.graph.columns(raw, [k]) for k in range(columns)]
    return o.graph.joined([o.graph.columns(of_loss(o, z, 1), [1]) for z in single])


def _scores(o: Numeric, model: Model, raw: str, columns: int) -> str:
    """Probabilities where the loss has them, else raw scores."""
    if not model.has_probabilities:
        return raw
    if isinstance(model.task, Labels):
        return _label_probabilities(o, model, raw, columns)
    return _PROBABILITIES[type(model.loss)](o, raw, columns)


def _class_values(task: Classes) -> np.ndarray:
    """The classes as ONNX knows them: whole numbers, floats or text."""
    kind = task.classes.dtype.kind
    if kind in "biu":
        return task.classes.astype(np.int64)
    if kind == "f" or kind == "U" or all(isinstance(label, str) for label in task.classes):
        return task.classes
    raise ValueError(f"Labels of dtype {task.classes.dtype} cannot be converted to ONNX: {task.classes}.")


def _labels(o: Numeric, task: Classes, raw: str, columns: int, into: str | None) -> str:
    graph = o.graph
    if isinstance(task, Labels):
        return graph.cast(o.Greater(raw, 0.0), np.int64, into)
    if columns > 1:
        chosen = graph.add("ArgMax", raw, axis=1, keepdims=0)
    else:
        flat = graph.add("Reshape", raw, graph.constant(np.array([-1])))
        chosen = graph.cast(o.Greater(flat, 0.0), np.int64)
    return graph.add("Gather", graph.constant(_class_values(task)), chosen, axis=0, into=into)


# -- the whole --------------------------------------------------------------------------------------


def _outputs(graph: Graph, model: Model, inputs: list[str], dtype: np.dtype) -> tuple[Numeric, str, int]:
    """Raw scores in no less than the precision of the inputs, and how many columns they have."""
    x, given = encoded(graph, inputs, model.encoder, dtype)
    weights, _ = model.nets[0].layers[-1]
    o, columns = Numeric(graph, np.result_type(given, weights.dtype)), weights.shape[1]
    x = x if given == o.dtype else graph.cast(x, o.dtype)
    raws, wide = [_raw(o, net, x) for net in model.nets], np.result_type(o.dtype, dtype)
    if wide != o.dtype:
        o, raws = Numeric(graph, wide), [graph.cast(raw, wide) for raw in raws]
    return o, _mean_raw(o, model, raws, columns), columns


def _predictions(o: Numeric, model: Model, raw: str, columns: int) -> str:
    found = o.Exp(raw) if model.loss.log_link else raw
    return o.graph.rising(found, columns) if isinstance(model.task, Quantiles) else found


def converted(model: Model, dtype) -> Any:
    """A ModelProto that takes rows of this precision and gives what predict gives, with probabilities or
    scores of classes."""
    helper, graph, types = onnx().helper, Graph(), column_types(model.encoder)
    n = "n_samples"
    if types is None:
        inputs = [helper.make_tensor_value_info("X", element(dtype), [n, model.n_features])]
    else:
        names = model.names or [f"x{j}" for j in range(model.n_features)]
        inputs = [
            helper.make_tensor_value_info(str(name), element(kind), [n, 1])
            for name, kind in zip(names, types, strict=True)
        ]
    o, raw, columns = _outputs(graph, model, [each.name for each in inputs], np.dtype(dtype))
    if isinstance(model.task, Classes):
        found = _class_outputs(o, model, raw, columns)
    else:
        found = [_number_output(o, model, raw, columns)]
    return _checked(graph, model.kind, inputs, found)


def _checked(graph: Graph, kind: str, inputs: list, found: list[tuple]) -> Any:
    """A ModelProto of a graph whose outputs are (name, element type, shape of a row)."""
    helper = onnx().helper
    outputs = [
        helper.make_tensor_value_info(name, element_type, ["n_samples", *shape])
        for name, element_type, shape in found
    ]
    whole = helper.make_graph(graph.nodes, kind, inputs, outputs, graph.constants)
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    proto = helper.make_model(whole, opset_imports=opsets, ir_version=_IR, producer_name="skgd")
    onnx().checker.check_model(proto)
    return proto


def converted_outliers(kind: str, coef: np.ndarray, offset: np.ndarray, dtype) -> Any:
    """A ModelProto that gives the scores of rows less the offset, and 1 or, where that is negative, -1."""
    graph, given = Graph(), np.dtype(dtype)
    inputs = [onnx().helper.make_tensor_value_info("X", element(given), ["n_samples", coef.shape[1]])]
    found = np.result_type(given, coef.dtype)
    add_outliers_to(graph, coef, offset, "X", ["label", "scores"], (given, found))
    return _checked(graph, kind, inputs, [("label", element(np.int64), []), ("scores", element(found), [])])


def _number_output(o: Numeric, model: Model, raw: str, columns: int) -> tuple:
    found = _predictions(o, model, raw, columns)
    flat = isinstance(model.task, Numbers) and model.task.flat and columns == 1
    shape = o.graph.constant(np.array([-1] if flat else [-1, columns]))
    o.graph.add("Reshape", found, shape, into="prediction")
    return "prediction", element(o.dtype), [] if flat else [columns]


def _class_outputs(o: Numeric, model: Model, raw: str, columns: int) -> list[tuple]:
    task, several = model.task, isinstance(model.task, Labels)
    assert isinstance(task, Classes)
    _labels(o, task, raw, columns, "label")
    name = "probabilities" if model.has_probabilities else "scores"
    o.graph.add("Identity", _scores(o, model, raw, columns), into=name)
    width = 2 if model.has_probabilities and columns == 1 and not several else columns
    kind = np.int64 if several else _class_values(task).dtype
    return [("label", element(kind), [columns] if several else []), (name, element(o.dtype), [width])]


# -- steps of a Pipeline, by skl2onnx ---------------------------------------------------------------


def width_of(model: Model) -> int:
    """Columns of scores in a Pipeline: raw ones of two classes are given for both."""
    columns = len(model.nets[0].layers[-1][1])
    two = isinstance(model.task, Classes) and not isinstance(model.task, Labels) and columns == 1
    return 2 if two else columns


def labels_of(model: Model) -> tuple[np.dtype, list] | None:
    """Type of the labels, and columns of them if there are several; None where numbers are predicted."""
    if not isinstance(model.task, Classes):
        return None
    if isinstance(model.task, Labels):
        return np.dtype(np.int64), [width_of(model)]
    return _class_values(model.task).dtype, []


def add_to(graph: Graph, model: Model, inputs: list[str], outputs: list[str], dtypes: tuple) -> None:
    """Add what computes the outputs, (labels and) scores, from inputs; `dtypes` are those of both ends."""
    o, raw, columns = _outputs(graph, model, inputs, np.dtype(dtypes[0]))
    *labels, last = outputs
    if isinstance(model.task, Classes):
        _labels(o, model.task, raw, columns, *labels)
        found = _scores(o, model, raw, columns)
        if columns == 1 and width_of(model) == 2 and not model.has_probabilities:
            found = graph.joined([o.Neg(found), found])
    else:
        found = _predictions(o, model, raw, columns)
    graph.cast(found, dtypes[1], last)


def add_outliers_to(graph: Graph, coef, offset, x: str, outputs: list[str], dtypes: tuple) -> None:
    """Add what computes labels, 1 and -1, and scores from rows x; `dtypes` are those of rows and scores."""
    o = Numeric(graph, np.result_type(dtypes[0], coef.dtype))
    x = x if dtypes[0] == o.dtype else graph.cast(x, o.dtype)
    scores = o.Sub(o.MatMul(x, coef.T.astype(o.dtype)), float(offset[0]))
    flat = graph.add("Reshape", scores, graph.constant(np.array([-1])))
    graph.cast(flat, dtypes[1], outputs[1])
    outside = graph.cast(o.Less(flat, 0.0), np.int64)
    graph.add("Gather", graph.constant(np.array([1, -1])), outside, axis=0, into=outputs[0])
