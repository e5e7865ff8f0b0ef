"""Graphs of ONNX under construction: nodes, constants, and arithmetic of one precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np

__all__ = ["Graph", "Numeric", "element", "onnx"]


def onnx():
    """The packages, imported where they are needed."""
    try:
        return import_module("onnx")
    except ImportError as error:
        raise ImportError(f"to_onnx needs onnx: pip install skgd[onnx]. {error}") from error


def element(dtype) -> int:
    """The number of a type of NumPy, or of text, in ONNX."""
    kind = np.dtype(dtype)
    return onnx().TensorProto.STRING if kind.kind in "UO" else onnx().helper.np_dtype_to_tensor_dtype(kind)


@dataclass
class Graph:
    """Nodes and constants of a graph under construction; values go by their names."""

    name: Callable[[str], str] | None = None  # makes names unique
    nodes: list = field(default_factory=list)
    constants: list = field(default_factory=list)

    def _fresh(self, kind: str) -> str:
        name = f"{kind.lower()}_{len(self.nodes) + len(self.constants)}"
        return name if self.name is None else self.name(name)

    def constant(self, values) -> str:
        array, name = np.asarray(values), self._fresh("constant")
        if array.dtype.kind in "UO":
            array = array.astype(object)
        self.constants.append(onnx().numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, into: str | None = None, domain: str = "", **attributes) -> str:
        """The output of another node."""
        output = into or self._fresh(kind)
        name, helper = self._fresh("node"), onnx().helper
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name, domain=domain, **attributes))
        return output

    def cast(self, x: str, dtype, into: str | None = None) -> str:
        return self.add("Cast", x, into=into, to=element(dtype))

    def columns(self, x: str, places) -> str:
        """Some columns of x, in this order."""
        return self.add("Gather", x, self.constant(np.asarray(places, dtype=np.int64)), axis=1)

    def rising(self, x: str, columns: int) -> str:
        """Each row of x in rising order."""
        kept, where, name = self._fresh("sorted"), self._fresh("order"), self._fresh("node")
        inputs = [x, self.constant(np.array([columns], dtype=np.int64))]
        self.nodes.append(onnx().helper.make_node("TopK", inputs, [kept, where], name, axis=1, largest=0))
        return kept

    def total(self, values: list[str]) -> str:
        return values[0] if len(values) == 1 else self.add("Sum", *values)

    def joined(self, values: list[str]) -> str:
        """Columns of these, side by side."""
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=1)


class Numeric:
    """Arithmetic of values of one precision in a graph, whose constants it makes."""

    def __init__(self, graph: Graph, dtype):
        self.graph, self.dtype = graph, np.dtype(dtype)

    def of(self, value) -> str:
        """A value of the graph by its name, or a constant."""
        return value if isinstance(value, str) else self.graph.constant(np.asarray(value, dtype=self.dtype))

    def __getattr__(self, kind: str) -> Callable[..., str]:
        """The operator of ONNX of this name."""
        if kind.startswith("_"):
            raise AttributeError(kind)
        return lambda *inputs, **attributes: self.graph.add(kind, *map(self.of, inputs), **attributes)

    def clipped(self, x, low, high) -> str:
        return self.Min(self.Max(x, low), high)

    def softplus(self, x) -> str:
        """log(1 + exp(x)), of any x."""
        return self.Add(self.Max(x, 0.0), self.Log(self.Add(self.Exp(self.Neg(self.Abs(x))), 1.0)))

    def where(self, condition: str, then, otherwise) -> str:
        return self.graph.add("Where", condition, self.of(then), self.of(otherwise))
