"""Encoders of the columns of a table as graphs of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._onnx_graph import Graph, Numeric

__all__ = ["column_types", "encoded"]


def _clip_scaled(o: Numeric, x: str, encoder, limit: float) -> str:
    z = o.Div(o.Sub(x, encoder.center_), encoder.scale_)
    share = o.Div(z, limit)
    return o.Div(z, o.Sqrt(o.Add(o.Mul(share, share), 1.0)))


def _bins(o: Numeric, x: str, edges: list) -> str:
    """Shares of the bins of each column below its value; NaN as they come."""
    places = np.repeat(np.arange(len(edges)), [len(each) - 1 for each in edges])
    low = np.concatenate([each[:-1] for each in edges])
    width = np.concatenate([np.diff(each) for each in edges])
    return o.clipped(o.Div(o.Sub(o.graph.columns(x, places), low), width), 0.0, 1.0)


def _known(o: Numeric, x: str, otherwise) -> tuple[str, str]:
    """Which values are missing, and x with others in their place."""
    missing = o.graph.add("IsNaN", x)
    return missing, o.where(missing, otherwise, x)


def _smooth_clip(o: Numeric, x: str, encoder) -> str:
    return _clip_scaled(o, x, encoder, encoder.limit)


def _piecewise(o: Numeric, x: str, encoder) -> str:
    lowest = np.array([each[0] for each in encoder.edges_])
    return _bins(o, _known(o, x, lowest)[1], encoder.edges_)


def _periodic(o: Numeric, x: str, encoder) -> str:
    missing, known = _known(o, x, encoder.center_)
    z, waves = o.Div(o.Sub(known, encoder.center_), encoder.scale_), encoder.frequencies_.shape[1]
    features = np.arange(encoder.n_features_in_)
    angles = o.Mul(o.graph.columns(z, np.repeat(features, waves)), (2 * np.pi * encoder.frequencies_).ravel())
    both = o.graph.joined([o.Sin(angles), o.Cos(angles)])
    count = len(features) * waves
    order = np.arange(2 * count).reshape(2, len(features), waves).transpose(1, 0, 2).ravel()
    gone = o.graph.columns(missing, np.repeat(features, 2 * waves))
    return o.where(gone, 0.0, o.graph.columns(both, order))


def _table_numbers(o: Numeric, x: str, encoder) -> list[str]:
    """Clipped numbers, what is missing, and bins, in float32."""
    graph, can_miss, binned = o.graph, encoder._missing, encoder._binned_numbers
    missing, known = _known(o, x, encoder.center_)
    parts = [o.Mul(_clip_scaled(o, known, encoder, _preprocessing()._LIMIT), float(encoder.scale))]
    if can_miss.any():
        gone = graph.cast(graph.columns(missing, np.flatnonzero(can_miss)), o.dtype)
        parts.append(o.Mul(gone, float(encoder.scale)))
    if len(binned):
        lowest = np.array([encoder.edges_[j][0] for j in binned])
        instead = np.where(can_miss[binned], lowest, encoder.center_[binned])
        shown = o.where(graph.columns(missing, binned), instead, graph.columns(known, binned))
        parts.append(_bins(o, shown, [encoder.edges_[j] for j in binned]))
    return [graph.cast(part, np.float32) for part in parts]


def _codes(encoder, j: int) -> tuple[dict, int, int]:
    """Columns of the categories of categorical column j, how many there are, and the one of unknown ones
    (past the others: none)."""
    rare = encoder._one_hot.infrequent_categories_[j]
    rare = [] if rare is None else rare.tolist()
    kept = [one for one in encoder.categories_[j].tolist() if one not in rare]
    codes = {one: k for k, one in enumerate(kept)} | dict.fromkeys(rare, len(kept))
    return codes, len(kept) + bool(rare), len(kept)


def _keys(encoder, j: int) -> dict:
    """The same codes by what a tensor can hold: text, empty where it is missing, or whole numbers."""
    codes, _, _ = _codes(encoder, j)
    kinds = {type(key) for key in codes if key is not None}
    if kinds <= {str} and not (None in codes and "" in codes):
        return {key or "": code for key, code in codes.items()}
    if kinds <= {int, bool} and None not in codes:
        return {int(key): code for key, code in codes.items()}
    raise ValueError(
        f"Categories that are neither text nor whole numbers cannot be converted to ONNX: {list(codes)[:5]}."
    )


def _one_hot(graph: Graph, x: str, encoder, j: int) -> str:
    """Zeros and ones (n, columns) of categories (n, 1)."""
    keys, (_, columns, unknown) = _keys(encoder, j), _codes(encoder, j)
    name = "keys_strings" if isinstance(next(iter(keys)), str) else "keys_int64s"
    codes: dict = {name: list(keys), "values_int64s": list(keys.values()), "default_int64": unknown}
    numbers = graph.add("LabelEncoder", x, domain="ai.onnx.ml", **codes)
    flat = graph.add("Reshape", numbers, graph.constant(np.array([-1])))
    off_on = graph.constant(np.array([0, encoder.scale], dtype=np.float32))
    return graph.add("OneHot", flat, graph.constant(np.array([columns])), off_on, axis=-1)


def _table(o: Numeric, inputs: list[str], encoder) -> str:
    """All columns: one input each where some are categories, else all in one."""
    graph, categorical = o.graph, encoder._categorical
    if not categorical.any():
        return graph.joined(_table_numbers(o, inputs[0], encoder))
    numbers = [graph.cast(inputs[j], o.dtype) for j in np.flatnonzero(~categorical)]
    parts = _table_numbers(o, graph.joined(numbers), encoder) if numbers else []
    return graph.joined(
        parts + [_one_hot(graph, inputs[j], encoder, k) for k, j in enumerate(np.flatnonzero(categorical))]
    )


def _preprocessing():
    from . import preprocessing  # late: slow to import

    return preprocessing


def _graphs() -> dict:
    known = _preprocessing()
    return {
        known.SmoothClipScaler: _smooth_clip,
        known.PiecewiseLinearEncoder: _piecewise,
        known.PeriodicEncoder: _periodic,
    }


def encoded(graph: Graph, inputs: list[str], encoder: Any, dtype: np.dtype) -> tuple[str, np.dtype]:
    """The columns that an encoder gives, and their precision; the inputs have the precision `dtype`."""
    if encoder is None:
        return inputs[0], dtype
    if getattr(encoder, "encodes_tables", False) and hasattr(encoder, "_categorical"):
        o = Numeric(graph, np.float64)
        inputs = inputs if encoder._categorical.any() else [graph.cast(inputs[0], o.dtype)]
        return _table(o, inputs, encoder), np.dtype(np.float32)
    found = _graphs().get(type(encoder))
    if found is None:
        raise ValueError(
            f"encoding={encoder!r} cannot be converted to ONNX: put it into a Pipeline before an estimator "
            f"with encoding=None, and convert that with skl2onnx."
        )
    return found(Numeric(graph, dtype), inputs[0], encoder), dtype


def column_types(encoder: Any) -> list | None:
    """Types of the columns where each is an input of its own: of tables with categories; else None."""
    categorical = getattr(encoder, "_categorical", np.zeros(0, dtype=bool))
    if not categorical.any():
        return None
    types: list = [np.float64] * len(categorical)
    for k, j in enumerate(np.flatnonzero(categorical)):
        types[j] = str if isinstance(next(iter(_keys(encoder, k))), str) else np.int64
    return types
