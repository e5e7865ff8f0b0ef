"""The rows of a fit, validated: those trained on, and those held out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ._design import Design, design_of
from ._epochs import EpochPlan
from ._held_out import HeldOut
from ._options import Options
from ._problem import Problem
from ._splits import split_rows
from ._targets import Targets, Task
from ._validation import RowsCheck, check_offset, check_rows, check_weights, dense, door_of, schema_of
from .losses import Loss

__all__ = ["TOGETHER", "Form", "TakesRows", "TrainingRows"]


class Form(NamedTuple):
    """How rows are held: together, or in blocks."""

    problem: Callable[..., Problem] = Problem  # of design, targets and objective
    plan: Callable[..., EpochPlan] = EpochPlan.of  # of options, rows and features


TOGETHER = Form()


class TrainingRows(NamedTuple):
    """What a fit has of its rows, validated."""

    design: Design  # those trained on
    targets: Targets
    task: Task
    held_out: HeldOut | None  # the validation set
    schema: dict  # n_features_in_ and, where X has them, feature_names_in_
    shown: tuple  # (X as given, X, y, weight, kept), for callbacks
    check: RowsCheck  # of X, where something shows that it is needed
    form: Form = TOGETHER
    offset: np.ndarray | None = None  # of all rows of X
    told: dict | None = None  # what pilots have told of the rows trained on; see _pilot
    spent: float = 0.0  # seconds of these pilots

    def among(self, columns: np.ndarray, schema: dict) -> TrainingRows:
        """The same rows with these of their columns only."""
        (given, X, y, weight, kept), held_out = self.shown, self.held_out
        X = X[:, columns]
        if held_out is not None:
            held_out = held_out._replace(X=held_out.X[:, columns])
        shown, design = (given, X, y, weight, kept), design_of(X, kept)
        return self._replace(design=design, held_out=held_out, schema=schema, shown=shown, told=None)

    @property
    def is_split(self) -> bool:
        """Whether the validation set is a part of X."""
        return self.shown[-1] is not None


def split_off(options: Options, X, y, targets: Targets, weight, groups=None) -> tuple[np.ndarray, HeldOut]:
    """Rows to train on, by number, and those held out; of classes the shares are kept."""
    codes = targets.y if targets.codes else None
    kept, held = split_rows(options.stopping.validation_fraction, options.seed, X, y, codes, groups)
    for part, what in ((kept, "train on"), (held, "validate with")):
        if targets.weight is not None and not targets.weight[part].any():
            raise ValueError(f"The sample weights of all rows to {what} are zero.")
    rows = X[held] if sparse.issparse(X) else X.take(held, axis=0)
    labels = np.ravel(y)[held] if targets.codes else y[held]
    return kept, HeldOut(rows, labels, None if weight is None else weight[held], targets.rows(held))


class TakesRows:
    """What estimators do with the rows that they are given."""

    def _known_columns(self, options: Options, learned: dict) -> Options:
        """The options once it is known what validation has `learned` of the columns of X."""
        return options

    def _training_rows(
        self: Any,
        options: Options,
        X,
        y,
        sample_weight,
        validation=(None,),
        groups=None,
        late: bool = False,
        offsets: tuple = (None, None),
    ) -> TrainingRows:
        """Validated rows and targets, and those held out; `late`: whether X is finite is checked later."""
        given, held_out, door = X, None, door_of(self)
        X, y = self._check_rows(door, X, y, reset=True, finite=not late)
        check = RowsCheck(door, X, late)
        options.objective.penalty.check_features(X.shape[1])
        weight = check_weights(sample_weight, X)
        task, y = self._task_of(y), dense(y)
        loss = options.objective.loss
        targets = self._encode(task, y, weight, X.dtype, loss)
        offset, offset_val = check_offset(offsets[0], X, targets.columns), offsets[1]
        targets = targets.with_offset(offset, loss)
        kept: np.ndarray | None = None
        if any(part is not None for part in (*validation, offset_val)):
            held_out = self._held_out_of(validation, door, task, (y, weight), targets, loss, offset_val)
        elif options.stopping.early_stopping:
            kept, held_out = split_off(options, X, y, targets, weight, groups)
            targets = targets.kept(kept)
        shown = (given, X, y, weight, kept)
        design, targets = design_of(X, kept), targets.weighted_to_mean_one()
        return TrainingRows(design, targets, task, held_out, schema_of(door), shown, check, offset=offset)

    def _held_out_of(
        self: Any,
        validation: tuple,
        door,
        task: Task,
        trained: tuple,
        targets: Targets,
        loss: Loss,
        offset=None,
    ) -> HeldOut:
        """A validation set of the user's own, where `targets` and (y, weight) are of the rows trained on."""
        X_val, y_val, weight_val = check_rows(validation, door)
        y_val = task.held_out(y_val, targets)
        found = self._encode_held_out(task, (y_val, weight_val), trained, targets, loss)
        found = found.with_offset(check_offset(offset, X_val, targets.columns, "offset_val"), loss)
        return HeldOut(X_val, y_val, weight_val, found)
