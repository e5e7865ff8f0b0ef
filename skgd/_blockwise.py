"""fit_blocks: a fit to rows that lie in blocks, of which few are in memory at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning

from ._block_plan import BlockPlan
from ._block_problem import BlockDesign, BlockProblem, Encoding
from ._blocks import LocalBlocks, Preparation, Summary
from ._checkpoint import Session
from ._labels import classes_of
from ._options import Options, dtype_of, threads_of
from ._reading import called, source_of
from ._recipe import is_auto, sees_table
from ._rows import Form, TrainingRows
from ._scoring import scorers_of
from ._validation import RowsCheck, door_of, schema_of, weights_of_classes

__all__ = ["Blockwise"]


class Blockwise:
    """What estimators do with rows in blocks."""

    _fit_rows: Callable
    _fit: Callable

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_blocks(self, blocks, *, classes=None, X_val=None, y_val=None, checkpoint=None) -> Self:
        """Fit the model to rows that lie in blocks, of which two or so are in memory at a time.

        The objective, the automatic learning rate, the stopping rule and the fitted attributes are those
        of ``fit`` to all rows. ``solver="batch"`` sums over blocks in their order, and gives the model of
        ``fit`` up to rounding. With the other solvers no update sees rows of two blocks: in each epoch the
        blocks come in a fresh order, and the rows of each. Where rows are sorted, by their class or by
        time, mix them before they are cut into blocks. A single block is fitted as ``fit`` does, bit by
        bit. Perceptrons take numbers in blocks for a table where ``fit`` does, but for ``solver="batch"``:
        encoder and penalty come from a sample of the rows of all blocks.

        Parameters
        ----------
        blocks : sequence, or callable that gives an iterator
            Each block is ``(X, y)`` or ``(X, y, sample_weight)``, or a function without arguments that loads
            it. X is an array, a CSR matrix or a data frame, with the columns of the first block; float32 is
            kept. Blocks may have different numbers of rows, and some none. They are read several times: once
            for what they hold, once or a few times for the automatic learning rate, then once an epoch. The
            next block is read by a thread while one is at work. A callable is called for each of these
            passes, and its blocks keep their order. See :mod:`skgd.io` for blocks of files.
        classes : array-like of shape (n_classes,), default=None
            All labels, for classifiers; found in the blocks by default.
        X_val, y_val : array-likes, default=None
            A validation set: loss and scores of it are recorded at every check, and used by
            ``early_stopping``, which needs it here.
        checkpoint : str, os.PathLike or skgd.Checkpoint, default=None
            A file that the state of the fit is written to, about every second, and from which the fit goes on
            after a crash, bit for bit: see :class:`~skgd.Checkpoint`. The blocks have to be the same.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If blocks can be read once only, hold no rows, or do not fit each other; or if ``checkpoint`` is a
            file of another fit.

        Examples
        --------
        >>> import numpy as np
        >>> from skgd import GDRegressor
        >>> X = np.arange(12.0).reshape(6, 2)
        >>> y = X @ [1.0, -1.0]
        >>> model = GDRegressor(solver="batch").fit_blocks([(X[:4], y[:4]), (X[4:], y[4:])])
        >>> bool(np.allclose(model.predict(X), y, atol=0.01))
        True
        """
        estimator: Any = self
        session = None if checkpoint is None else Session(checkpoint, self)
        for message in estimator._fit_blocks(source_of(blocks), classes, (X_val, y_val), session):
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self

    def _fit_blocks(self: Any, source, classes, validation: tuple, session=None) -> list[str]:
        self._check_blocks(classes, validation)
        door = self._door_of_blocks()
        local = LocalBlocks(source, Preparation(door, dtype_of(door)), threads_of(self.n_jobs))
        summary = local.survey(classes=self._task == "classification")
        if classes is None and local.numbers and len(local.numbers) == 1 and source.can_permute:
            X, y, weight = (*called(source.blocks[local.numbers[0]]), None)[:3]
            if not sees_table(getattr(self, "_encoding", None), X):
                given = (X, y, weight, (None, None), (*validation, None), None, (None, None))
                return self._fit(*given, session)
        return self._fit_summary(local, summary, door, classes, validation, session)

    def _fit_summary(
        self: Any, blocks, summary: Summary, door, classes, validation: tuple, session=None
    ) -> list[str]:
        """Fit to blocks, wherever they are."""
        options = replace(door._options(summary.like_all_rows), blocks=summary.rows)
        options = options if session is None else session.seeded(options, self.random_state)
        network = options.objective.network
        if network is not None and network.dropout > 0 and options.batch_size is None:
            raise ValueError(f'dropout={network.dropout} of blocks needs solver="sgd" or "minibatch".')
        rows = self._rows_of_blocks(options, blocks, summary, door, classes, validation)
        start = self._start_on_blocks(options, rows)
        return self._fit_rows(options, rows, start, scorers_of(self, self.scoring), session)

    def _start_on_blocks(self, options: Options, rows: TrainingRows) -> tuple:
        """Weights and intercepts to start from; None for those that every fit starts from."""
        return None, None

    def _check_blocks(self: Any, classes, validation: tuple) -> None:
        """Raise where a fit to blocks cannot do what was asked for."""
        if classes is not None and self._task != "classification":
            raise ValueError("classes are those of a classifier: leave them out for regression.")
        stops_early = self.early_stopping and not is_auto(self.early_stopping)
        if stops_early and all(part is None for part in validation):
            raise ValueError("early_stopping holds out no rows of blocks: give fit_blocks X_val and y_val.")

    def _rows_of_blocks(
        self: Any, options: Options, blocks, summary: Summary, door, classes, validation: tuple
    ) -> TrainingRows:
        """What a fit has of its rows; `door` knows their features."""
        loss, dtype = options.objective.loss, summary.sample.dtype
        task = self._task_of(summary.y, _classes(classes, summary))
        door, total = _with_class_weights(door, task, summary)
        factor = summary.n / total if summary.weighted or _weighs_classes(door) else None
        encoding = Encoding(door, task, loss, factor)
        weight = None if summary.weight is None else summary.weight.astype(dtype, copy=False)
        targets = door._encode(task, summary.y, weight, dtype, loss)
        held_out = None
        if any(part is not None for part in validation):
            trained = summary.y, weight
            held_out = door._held_out_of((*validation, None), door, task, trained, targets, loss)
        design = BlockDesign(blocks, encoding, summary)
        plan = partial(
            BlockPlan.of, rows=summary.rows, cuts=options.cuts, permuted=getattr(blocks, "can_permute", True)
        )
        return TrainingRows(
            design,
            encoding.scaled(targets),
            task,
            held_out,
            schema_of(door),
            (summary.sample, summary.sample, summary.y, weight, None),
            RowsCheck(door, summary.sample, due=False),
            Form(partial(BlockProblem, together=options.batch_size is None), plan),
        )


def _classes(classes, summary: Summary) -> np.ndarray | None:
    """The labels that were given, or those that were found where not all of y is at hand."""
    if classes is not None:
        return classes_of(np.asarray(classes))
    return summary.labels if summary.y_stride > 1 else None


def _weighs_classes(door) -> bool:
    return getattr(door, "class_weight", None) is not None


def _with_class_weights(door, task, summary: Summary) -> tuple[Any, float]:
    """The door with the weight of each class, which no block can tell; and the weight of all rows."""
    if not _weighs_classes(door) or summary.labels is None:
        return door, summary.total
    codes = np.searchsorted(task.classes, summary.labels)
    totals = np.zeros(len(task.classes))
    totals[codes] = summary.totals
    weights = weights_of_classes(
        door.class_weight, task.classes, task.classes, np.arange(float(len(totals))), totals
    )
    door = door_of(door)
    door.class_weight = dict(zip(task.classes.tolist(), weights.tolist(), strict=True))
    return door, float(weights @ totals)
