"""Numbers in blocks as tables: their encoder is fitted to a sample of the rows of all blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from ._arrays import lost_to_rounding
from ._block_problem import BlockDesign
from ._blocks import Summary
from ._blockwise import Blockwise
from ._members import EncodedTable
from ._options import Options
from ._pilot import told_of, without_useless_bins
from ._recipe import MOST_LOST, are_table, is_auto
from ._rows import TrainingRows

__all__ = ["TablesInBlocks"]


class TablesInBlocks(Blockwise):
    """What perceptrons do with rows in blocks that ``fit`` would take for a table.

    Not where an update sees all rows: over blocks it knows no dropout, which tables have.
    """

    def _fit_summary(self: Any, blocks, summary: Summary, door, *given) -> list[str]:
        if is_auto(self._encoding) and is_auto(self.hidden_layer_sizes) and self.solver != "batch":
            encoder = getattr(getattr(blocks, "source", None), "transformer", None)
            if getattr(encoder, "encodes_tables", False):  # the blocks are encoded
                self._know_table(door, summary, encoder)
            elif not summary.is_sparse and are_table(summary.n, summary.sample.shape[1]):
                summary = self._encoded(blocks, summary, door)
        return super()._fit_summary(blocks, summary, door, *given)

    @staticmethod
    def _know_table(door, summary: Summary, encoder) -> None:
        vars(door)["encoding"] = EncodedTable(encoder._n_numbers)
        vars(door)["settings_"] = door._settings(summary.like_all_rows, True)

    def _encoded(self: Any, blocks, summary: Summary, door) -> Summary:
        """The summary of encoded blocks; the door knows the encoder, by which it takes blocks from now on."""
        known = vars(self).get("encoder_") if self.warm_start else None
        if known is None:
            from .preprocessing import TableEncoder  # late: slow to import

            known = TableEncoder().fit(summary.sample)
            names = vars(door).get("feature_names_in_")
            if names is not None:
                known.feature_names_in_ = names
        wide = self._task == "regression" and lost_to_rounding(summary.y, np.float32) > MOST_LOST
        encoded = known.transform(summary.sample).astype(np.float64 if wide else np.float32, copy=False)
        door.encoder_ = known
        self._know_table(door, summary, known)
        blocks.prepare = replace(blocks.prepare, dtype=encoded.dtype)
        blocks.kept.clear()
        return replace(summary, sample=encoded, edges=None)

    def _rows_of_blocks(self: Any, options: Options, blocks, summary: Summary, door, *given) -> TrainingRows:
        """With what pilots on the sample tell, and with bins where they are of use."""
        rows = super()._rows_of_blocks(options, blocks, summary, door, *given)
        if not isinstance(door.encoding, EncodedTable):
            return rows
        encoder, design = vars(door).get("encoder_"), cast(BlockDesign, rows.design)
        shown = (None, summary.sample, None, None, None)
        targets = design.sampled_targets(rows.targets)
        sample = rows._replace(design=design.sample(), targets=targets, held_out=None, shown=shown)
        if encoder is not None and not (self.warm_start and "encoder_" in vars(self)):
            sample = without_useless_bins(options, sample)
            if sample.schema["encoder_"] is not encoder:
                door.encoder_ = sample.schema["encoder_"]
                summary = replace(summary, sample=sample.shown[1])
                rows = super()._rows_of_blocks(options, blocks, summary, door, *given)
        told = sample.told
        if told is None and options.by_noise:
            told = told_of(options, sample.design, sample.targets)
        return rows._replace(told=told, spent=sample.spent)
