"""Trees of numbers, arrays and descents in one file that holds nothing to be executed."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ._descent import Descent

__all__ = ["read_tree", "write_tree"]

_PLAIN = (bool, int, float, str, type(None))
_TREE = "tree"  # the entry that says how the arrays belong together


def write_tree(path: Path, tree: dict) -> None:
    """Write a tree in place of the file: whoever reads it, after a crash too, finds either whole."""
    arrays: dict[int, tuple[str, np.ndarray]] = {}
    text = json.dumps(_packed(tree, arrays)).encode()
    named = dict(arrays.values())
    fresh = path.with_name(path.name + ".part")
    with fresh.open("wb") as file:
        np.savez(file, **{_TREE: np.frombuffer(text, dtype=np.uint8)}, **named)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)


def read_tree(path: Path) -> dict:
    """The tree in a file; ValueError where it holds none."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return _unpacked(json.loads(arrays[_TREE].tobytes()), arrays)
    except OSError:
        raise
    except Exception as error:  # whatever a foreign file makes of the readers
        raise ValueError(f"{str(path)!r} is not a file of skgd: {error}") from error


def _sync_folder(folder: Path) -> None:
    """Make the new name last, where folders can be opened."""
    if os.name != "posix":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _packed(value: Any, arrays: dict) -> Any:
    """The value as JSON takes it; arrays, once each, are left to `arrays`."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, np.ndarray | np.generic):
        name, _ = arrays.setdefault(id(value), (f"array_{len(arrays)}", value))
        return {"array" if isinstance(value, np.ndarray) else "scalar": name}
    if isinstance(value, dict):
        return {"dict": {key: _packed(each, arrays) for key, each in value.items()}}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_packed(each, arrays) for each in value]}
    if isinstance(value, Descent):
        return {"descent": _packed(value.state(), arrays)}
    raise TypeError(f"{type(value).__name__} cannot be part of a checkpoint.")


def _unpacked(value: Any, arrays) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind in ("array", "scalar"):
        return arrays[content] if kind == "array" else arrays[content][()]
    if kind == "dict":
        return {key: _unpacked(each, arrays) for key, each in content.items()}
    if kind == "descent":
        return Descent(**_unpacked(content, arrays))
    return {"list": list, "tuple": tuple}[kind](_unpacked(each, arrays) for each in content)
