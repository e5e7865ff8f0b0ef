"""Cross-validation of alphas over blocks: squared error, from one reading of second moments by fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._block_problem import BlockDesign, Encoding
from ._blocks import Block
from ._design import design_of
from ._folds import ends_of_folds, order_of_choice, parts_of_folds, results_of
from ._options import Options
from ._path import goes_by_path, minimisers
from ._penalty import Penalty
from ._quadratic import CentredMoments, sums_of_products
from ._rows import TrainingRows

__all__ = ["SearchesAlphas"]


def sums_by_fold(block: Block, offset: int, ends: np.ndarray, encoding: Encoding, origin) -> list:
    """Sums of products of the rows of each fold, of which the block, after `offset` others, has some."""
    design, targets = design_of(block.X), encoding(block)
    return [
        sums_of_products(design.take(part), targets.rows(part), True, origin)
        if part.start < part.stop
        else None
        for part in parts_of_folds(ends, len(block), offset)
    ]


def r2_of(coef: np.ndarray, intercept: np.ndarray, sums: np.ndarray, origin: np.ndarray) -> float:
    """R2 of weights (K, d) on rows with these sums of products about an origin; the mean over outputs."""
    (K, d), scores = coef.shape, []
    for k in range(K):
        one = np.eye(K)[k]
        constant = intercept[k] + coef[k] @ origin[:d] - origin[d + k]
        residual = np.concatenate([-coef[k], [-constant], one])
        y = d + 1 + k
        squares, total = residual @ sums @ residual, sums[y, y] - sums[y, d] ** 2 / sums[d, d]
        scores.append(1 - squares / total if total > 0 else float(not squares > 0))
    return float(np.mean(scores))


def scores_of_folds(
    sums: Sequence[np.ndarray], d: int, origin: np.ndarray | None, alphas: np.ndarray, penalty: Penalty
) -> np.ndarray:
    """R2 (alphas, folds) on each fold of the minima on the others."""
    everything, scores = np.sum(sums, axis=0), np.empty((len(alphas), len(sums)))
    about = np.zeros(everything.shape[0] - 1) if origin is None else origin
    for fold, held in enumerate(sums):
        path = minimisers(CentredMoments.of_sums(everything - held, d, origin), alphas, penalty)
        scores[:, fold] = [
            r2_of(*model, held, about) for model in zip(path.coef, path.intercept, strict=True)
        ]
    return scores


class SearchesAlphas:
    """Chooses alpha before a fit to blocks."""

    alphas: Any
    cv: int
    selection: str

    def _fit_rows(
        self, options: Options, rows: TrainingRows, init: tuple, scorers, session=None
    ) -> list[str]:
        alphas = np.asarray(self.alphas, dtype=float)
        if alphas.ndim != 1 or not len(alphas) or not (np.isfinite(alphas) & (alphas >= 0)).all():
            raise ValueError(f"alphas={self.alphas!r} must be a list of numbers, 0 or more.")
        if not goes_by_path(options, rows.design):
            raise ValueError("The search needs tol, a penalty of single weights and at most 2000 features.")
        scores = self._scores(options, rows, alphas)
        best = int(order_of_choice(scores, alphas, self.selection)[0])
        found = {**rows.schema, **self._results(scores, alphas, best)}
        options = options.with_rate(None, float(alphas[best]))
        return super()._fit_rows(options, rows._replace(schema=found), init, scorers, session)  # type: ignore[misc]

    def _scores(self, options: Options, rows: TrainingRows, alphas: np.ndarray) -> np.ndarray:
        design: Any = rows.design
        objective, ends = options.objective, ends_of_folds(design.n, self.cv)
        origin = _about_the_means(design, rows) if objective.fit_intercept else None
        parts = design.source.map(
            sums_by_fold,
            ends,
            design.encoding,
            origin,
            each=[(offset,) for offset in design.summary.offsets],
        )
        sums = [sum(found for found in fold if found is not None) for fold in zip(*parts, strict=True)]
        if not np.isfinite(sums).all():
            raise ValueError("Second moments overflow: divide X and y by constants before fitting.")
        if not all(fold[design.d, design.d] > 0 for fold in sums):
            raise ValueError("The sample weights of all rows that a fold is judged by are zero.")
        return scores_of_folds(sums, design.d, origin, alphas, objective.penalty)

    @staticmethod
    def _results(scores: np.ndarray, alphas: np.ndarray, best: int) -> dict:
        results = results_of({"alpha": alphas}, scores)
        score = float(results["mean_test_score"][best])
        return {"alpha_": float(alphas[best]), "best_score_": score, "cv_results_": results}


def _about_the_means(design: BlockDesign, rows: TrainingRows) -> np.ndarray:
    """Means of features and outputs (d + K,) of the rows at hand, so that an offset costs no digits."""
    ((_, X),) = design.sample().dense_blocks(len(design.X))
    y = rows.targets.y.reshape(len(rows.targets.y), -1)
    return np.concatenate([X.mean(axis=0, dtype=float), y.mean(axis=0, dtype=float)])
