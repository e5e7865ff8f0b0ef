"""Targets of the core from the y of the user, and predictions and scores from raw scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array, csr_matrix
from sklearn.utils.validation import column_or_1d

from ._arrays import laid_out, merges
from ._core import core
from ._labels import class_codes
from ._mapped import Mapping, file_behind, in_blocks
from ._scoring import accuracy, d2_pinball, r2
from .losses import Loss

__all__ = [
    "Classes",
    "Labels",
    "Numbers",
    "OutputUnits",
    "Quantiles",
    "Targets",
    "Shares",
    "Task",
    "padded_columns",
]

_UNSURE = 1e-5  # that the sum of probabilities may differ from one by


def padded_columns(K: int, dtype: np.dtype) -> int:
    """Columns of the core for K raw scores: whole vectors, but for one."""
    lanes = 32 // dtype.itemsize
    return 1 if K == 1 else -(-K // lanes) * lanes


@dataclass(frozen=True)
class OutputUnits:
    """Units of the outputs of a perceptron: raw scores are shift + scale times what its last layer gives."""

    shift: np.ndarray  # (K,)
    scale: np.ndarray  # (K,)

    def core_arrays(self, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """Shift and scale as the core takes them: padded to whole vectors as its columns are."""
        K = len(self.shift)
        width = padded_columns(K, dtype)
        shift, scale = np.zeros(width, dtype), np.ones(width, dtype)
        shift[:K], scale[:K] = self.shift, self.scale
        return shift, scale


@dataclass
class Targets:
    """y as the core takes it: (n, K) values, or (n,) class codes."""

    y: np.ndarray
    weight: np.ndarray | None  # (n,)
    columns: int  # outputs, or columns of raw scores
    codes: bool
    units: OutputUnits | None = None
    of_all: np.ndarray | None = None  # y of all rows of X, where these are the kept ones
    offset: np.ndarray | None = None  # (n, columns), added to raw scores
    shift: np.ndarray | None = None  # the same, but taken off y: of losses that depend on y - z alone
    merged: bool = False  # whether rounding has made one number of a y that varies

    def kept(self, index) -> Targets:
        """Those of the rows of X that are kept."""
        return replace(self.rows(index), of_all=self.y)

    def read_ahead(self, start: int, stop: int) -> None:
        """Have those of some rows read, without waiting for them, where they are mapped from files."""
        for file in self._files:
            file.will_need(start, stop)

    @property
    def _files(self) -> list[Mapping]:
        found = map(file_behind, (self.y, self.weight, self.offset, self.shift))
        return [file for file in found if file is not None]

    def rows(self, index) -> Targets:
        def some(part: np.ndarray | None) -> np.ndarray | None:
            return None if part is None else np.ascontiguousarray(part[index])

        with in_blocks(*self._files):
            parts = {"weight": some(self.weight), "offset": some(self.offset), "shift": some(self.shift)}
            return replace(self, y=np.ascontiguousarray(self.y[index]), of_all=None, **parts)  # type: ignore[arg-type]

    def with_offset(self, offset: np.ndarray | None, loss: Loss) -> Targets:
        """The same with an offset (n, columns) of the raw scores."""
        if offset is None:
            return self
        if not _of_residuals(loss):
            return replace(self, offset=offset)
        return replace(self, y=self.y - offset.reshape(self.y.shape), shift=offset)

    def offset_to(self, raw: np.ndarray) -> np.ndarray:
        """Raw scores (n, columns) with the offset that the core adds to them."""
        return raw if self.offset is None else raw + self.offset

    @property
    def unshifted(self) -> np.ndarray:
        """y without an offset."""
        return self.y if self.shift is None else self.y + self.shift.reshape(self.y.shape)

    def core_arrays(self, kept: np.ndarray | None, n: int) -> tuple:
        """y, weights, columns, codes and offset as the core takes them: for n rows of which these are the
        kept."""

        def spread(part):
            if kept is None or part is None:
                return part
            whole = np.zeros((n, *part.shape[1:]), dtype=part.dtype)
            whole[kept] = part
            return whole

        y = spread(self.y) if self.of_all is None else self.of_all
        return y, spread(self.weight), self.columns, self.codes, spread(self.offset)

    def with_weight(self, weight: np.ndarray | None) -> Targets:
        return replace(self, weight=weight)

    def in_units(self, units: OutputUnits | None) -> Targets:
        return self if units is self.units else replace(self, units=units)

    def in_precision(self, dtype: np.dtype | None) -> Targets:
        """The same in another precision; None: as they are."""
        if dtype is None:
            return self
        parts = {name: getattr(self, name) for name in ("y", "weight", "of_all", "offset", "shift")}
        given = {name: part for name, part in parts.items() if part is not None}
        others = {name: part.astype(dtype) for name, part in given.items() if part.dtype != dtype}
        if "y" in others:
            others["merged"] = self.merged or merges(self.y, others["y"])
        return replace(self, **others) if others else self

    def weighted_to_mean_one(self) -> Targets:
        """The same with weights of which only the ratios matter."""
        return self.with_weight(of_mean_one(self.weight))


def _of_residuals(loss: Loss) -> bool:
    """Whether a loss depends on y - z alone, as all built-in ones of regression do without a log link."""
    built_in = not callable(loss._core_spec(1, False))
    return loss.task == "regression" and not loss.log_link and built_in


def of_mean_one(weight: np.ndarray | None) -> np.ndarray | None:
    """Weights of which only the ratios matter."""
    if weight is None:
        return None
    return (weight * (len(weight) / weight.sum(dtype=float))).astype(weight.dtype)


class Task:
    """What y is and how it is predicted; a fitted model keeps ``spec`` and, for labels, ``classes_``."""

    @property
    def coef_is_flat(self) -> bool:
        """Whether coef_ of a linear model has one dimension."""
        return False

    # Of dense rows under a linear model: (X, theta, threads) -> (result, whether all scores are finite).
    labels_of_rows: ClassVar[Callable | None] = None
    probabilities_of_rows: ClassVar[Callable | None] = None

    def spec(self) -> dict:
        """Plain values from which the task can be rebuilt."""
        raise NotImplementedError

    def encode(self, y, weight, dtype, loss: Loss) -> Targets:
        raise NotImplementedError

    def predict(self, raw: np.ndarray, loss: Loss) -> np.ndarray:
        """Predictions from raw scores (m, K)."""
        raise NotImplementedError

    def probabilities(self, raw: np.ndarray, loss: Loss) -> np.ndarray:
        """Of each class or label."""
        raise NotImplementedError

    def log_probabilities(self, raw: np.ndarray, loss: Loss) -> np.ndarray:
        """Their logarithms."""
        raise NotImplementedError

    def mean_raw(self, raws: list[np.ndarray], loss: Loss) -> np.ndarray:
        """Raw scores of the mean prediction of several models, or the mean of their raw scores."""
        return np.mean(raws, axis=0)

    def score(self, y, raw: np.ndarray, loss: Loss, weight=None) -> float:
        """R2 or accuracy."""
        raise NotImplementedError

    def score_encoded(self, y, raw: np.ndarray, loss: Loss, weight=None) -> float:
        """The same, of y as the core takes it."""
        return self.score(y, raw, loss, weight)

    def held_out(self, y, targets: Targets) -> np.ndarray:
        """A y of held-out rows in the shape of that of these targets; raises where it cannot be predicted."""
        raise NotImplementedError


@dataclass(frozen=True)
class Numbers(Task):
    """One number a row, or one for each output."""

    flat: bool  # whether y has one dimension

    @property
    def coef_is_flat(self):
        return self.flat

    def spec(self):
        return {"task": "numbers", "flat": self.flat}

    def encode(self, y, weight, dtype, loss):
        given, y = y, laid_out(y, dtype)
        loss._check_targets(y)
        columns = 1 if y.ndim == 1 else y.shape[1]
        return Targets(y, weight, columns, False, merged=merges(given, y))

    def predict(self, raw, loss):
        out = loss.inverse_link(raw)
        return out.ravel() if self.flat else out

    def mean_raw(self, raws, loss):
        return _log_mean(raws) if loss.log_link else np.mean(raws, axis=0)

    def score(self, y, raw, loss, weight=None):
        return r2(y, loss.inverse_link(raw), weight)

    def held_out(self, y, targets):
        y, outputs = np.asarray(y), targets.columns
        if y.size != len(y) * outputs or y.ndim > 2:
            raise ValueError(
                f"y_val has shape {y.shape}, but the y that is trained on has {outputs} outputs."
            )
        return y.reshape(len(y), *targets.y.shape[1:])


@dataclass(frozen=True)
class Quantiles(Numbers):
    """One number a row, of which several quantiles are predicted: a column of raw scores for each."""

    levels: tuple[float, ...] = ()

    @property
    def coef_is_flat(self):
        return False

    def spec(self):
        return {"task": "quantiles", "flat": self.flat, "levels": self.levels}

    def encode(self, y, weight, dtype, loss):
        given, K = np.reshape(y, (len(y), 1)), len(self.levels)
        y = given.astype(dtype, copy=False)
        merged = merges(given, y)
        return Targets(laid_out(np.broadcast_to(y, (len(y), K))), weight, K, False, merged=merged)

    def predict(self, raw, loss):
        return np.sort(loss.inverse_link(raw), axis=1)

    def mean_raw(self, raws, loss):
        return np.mean([np.sort(raw, axis=1) for raw in raws], axis=0)

    def score(self, y, raw, loss, weight=None):
        return d2_pinball(y, self.predict(raw, loss), self.levels, weight)

    def score_encoded(self, y, raw, loss, weight=None):
        return self.score(y[:, 0], raw, loss, weight)

    def held_out(self, y, targets):
        if np.size(y) != len(y):
            raise ValueError(
                f"y_val has shape {np.shape(y)}, but quantiles are predicted of one number a row."
            )
        return np.ravel(y)


@dataclass(frozen=True)
class Classes(Task):
    """One of several classes a row: one column of raw scores for two classes, one a class for more."""

    classes: np.ndarray
    one_label: ClassVar[bool] = True  # whether y is a label of each row

    def spec(self):
        return {"task": "classes"}

    def encode(self, y, weight, dtype, loss):
        codes = class_codes(y, self.classes, dtype)
        return Targets(codes, weight, 1 if len(self.classes) == 2 else len(self.classes), True)

    def predict(self, raw, loss):
        return self.classes[self._chosen(raw)]

    @staticmethod
    def _chosen(raw) -> np.ndarray:
        """Codes of the classes with the largest raw scores."""
        if raw.shape[1] == 1:
            return (raw[:, 0] > 0).view(np.int8)
        index = np.empty(len(raw), dtype=np.int64)
        core.largest(np.ascontiguousarray(raw), index)
        return index

    def labels_of_rows(self, X, theta, threads: int) -> tuple[np.ndarray, bool]:
        """Labels of dense rows under a linear model, and whether all scores are finite."""
        as_integers = self.classes.dtype.itemsize == 8 and not self.classes.dtype.hasobject
        names = self.classes.view(np.int64) if as_integers else np.arange(len(self.classes))
        labels = np.empty(len(X), dtype=np.int64)
        finite = core.linear_labels(X, theta, names, labels, threads)
        return (labels.view(self.classes.dtype) if as_integers else self.classes[labels]), finite

    def probabilities_of_rows(self, X, theta, threads: int) -> tuple[np.ndarray, bool]:
        """Of the classes under a linear model with log loss, for dense rows; and as above."""
        found = np.empty((len(X), len(self.classes)), dtype=X.dtype)
        return found, core.linear_probabilities(X, theta, found, threads)

    def score(self, y, raw, loss, weight=None):
        return self.score_encoded(class_codes(y, self.classes, float), raw, loss, weight)

    def score_encoded(self, y, raw, loss, weight=None):
        return accuracy(self._chosen(raw) == y, weight)

    def mean_raw(self, raws, loss):
        if not loss.logistic:
            return np.mean(raws, axis=0)
        if raws[0].shape[1] > 1:
            return _log_mean([loss.log_probabilities(raw) for raw in raws])
        return _mean_logits(raws, loss)

    def probabilities(self, raw, loss):
        return loss.probabilities(raw)

    def log_probabilities(self, raw, loss):
        return loss.log_probabilities(raw)

    def held_out(self, y, targets):
        y = column_or_1d(y)
        class_codes(y, self.classes, float)
        return y


_SPARSE: dict[str, Callable] = {"array": csr_array, "matrix": csr_matrix}


@dataclass(frozen=True)
class Labels(Classes):
    """Any number of labels a row: y is a matrix of zeros and ones, a column of raw scores for each label.

    ``sparse`` says whether y was a sparse "array" or "matrix", as predictions then are, in CSR.
    """

    sparse: str | None = None
    one_label = False
    labels_of_rows = probabilities_of_rows = None  # type: ignore[assignment]  # labels are decided one by one

    def spec(self):
        return {"task": "labels", "sparse": self.sparse}

    def encode(self, y, weight, dtype, loss):
        if np.any((y != 0) & (y != 1)):
            raise ValueError(f"Multilabel y must be a matrix of zeros and ones, but it holds {np.unique(y)}.")
        return Targets(laid_out(y, dtype), weight, y.shape[1], False)

    def predict(self, raw, loss):
        chosen = (raw > 0).astype(np.intp)
        return chosen if self.sparse is None else _SPARSE[self.sparse](chosen)

    def mean_raw(self, raws, loss):
        if not loss.logistic:
            return np.mean(raws, axis=0)
        columns = range(raws[0].shape[1])
        return np.hstack([_mean_logits([raw[:, k : k + 1] for raw in raws], loss) for k in columns])

    def probabilities(self, raw, loss):
        return self._by_label(loss.probabilities, raw)

    def log_probabilities(self, raw, loss):
        return self._by_label(loss.log_probabilities, raw)

    @staticmethod
    def _by_label(probabilities, raw):
        return np.hstack([probabilities(raw[:, k : k + 1])[:, 1:] for k in range(raw.shape[1])])

    def score(self, y, raw, loss, weight=None):
        return self.score_encoded(y, raw, loss, weight)

    def score_encoded(self, y, raw, loss, weight=None):
        return accuracy(((raw > 0) == y).all(axis=1), weight)

    def held_out(self, y, targets):
        if np.shape(y)[1:] != (len(self.classes),):
            raise ValueError(f"y_val has shape {np.shape(y)}, but there are {len(self.classes)} labels.")
        return np.asarray(y)


@dataclass(frozen=True)
class Shares(Classes):
    """The probability of each class in a row: y is a matrix of them, each row of which sums to one."""

    one_label = False

    def spec(self):
        return {"task": "shares"}

    def encode(self, y, weight, dtype, loss):
        y = np.asarray(y, dtype=float)
        wrong = ~((y >= 0).all(axis=1) & (np.abs(y.sum(axis=1) - 1) <= _UNSURE))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                "With soft labels each row of y holds the probabilities of the classes, which sum to one; "
                f"row {row} is {y[row].tolist()}."
            )
        y = y[:, 1:] if y.shape[1] == 2 else y
        return Targets(laid_out(y, dtype), weight, y.shape[1], False)

    def score(self, y, raw, loss, weight=None):
        y = np.asarray(y)
        if y.ndim == 1:
            return super().score(y, raw, loss, weight)
        return accuracy(self._chosen(raw) == np.argmax(y, axis=1), weight)

    def score_encoded(self, y, raw, loss, weight=None):
        chosen = y[:, 0] > 0.5 if y.shape[1] == 1 else np.argmax(y, axis=1)
        return accuracy(self._chosen(raw) == chosen, weight)

    def held_out(self, y, targets):
        if np.shape(y)[1:] != (len(self.classes),):
            raise ValueError(f"y_val has shape {np.shape(y)}, but there are {len(self.classes)} classes.")
        return np.asarray(y)


def _log_mean(logs: list[np.ndarray]) -> np.ndarray:
    """Logarithm of the mean of what these are the logarithms of."""
    return np.logaddexp.reduce(np.stack(logs), axis=0) - np.asarray(np.log(len(logs)), dtype=logs[0].dtype)


def _mean_logits(raws: list[np.ndarray], loss: Loss) -> np.ndarray:
    """Raw scores (m, 1) of the mean probability of two classes."""
    log = _log_mean([loss.log_probabilities(raw) for raw in raws])
    return log[:, 1:] - log[:, :1]
