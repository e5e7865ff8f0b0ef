"""Several networks in one estimator: each with a start, an order of the rows and held-out rows of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import islice
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import _safe_indexing

from ._calibration import has_quantiles, quantile_shift, shifted
from ._callbacks import clone_unwatched
from ._estimator import GradientDescent
from ._fitted import NO_OFFSET_OF_MEMBERS
from ._held_out import Validation
from ._options import Options
from ._pilot import with_noise_known, without_useless_bins
from ._recipe import in_use, is_auto, sees_table
from ._scoring import scorers_of
from ._table import precision_of
from ._validation import check_offset, dense, door_of, schema_of

__all__ = ["Members"]


class EncodedTable(BaseEstimator):
    """What stands for the encoder in a network that is given the encoded rows of a table.

    Parameters
    ----------
    numbers : int or None, default=None
        How many of their first columns are numbers; None: not known.
    """

    encodes_tables = True

    def __init__(self, numbers: int | None = None):
        self.numbers = numbers

    @property
    def _n_numbers(self) -> int | None:
        return self.numbers

    def fit(self, Z, y=None) -> Self:
        self.n_features_in_ = Z.shape[1]
        return self

    def transform(self, Z):
        return Z


class Members(GradientDescent):
    """Fits ``n_members`` networks, and predicts their mean."""

    n_members: Any
    share_weights: Any
    encoding: Any

    _learn_columns: Callable  # (door, X) -> the encoder of the columns, or None

    def _fit(self, X, y, sample_weight, init, validation, groups, offsets, session=None) -> list[str]:
        self._check_offsets(offsets)
        if self._is_one_fit:
            return super()._fit(X, y, sample_weight, init, validation, groups, offsets, session)
        if any(part is not None for part in init) or self.warm_start:
            raise ValueError(
                f"n_members={self.n_members} networks start anew: coef_init, intercept_init and warm_start "
                f"need n_members=1, or share_weights=True."
            )
        from joblib import Parallel, delayed  # late: slow to import

        options, door, labels, y = self._options(X), door_of(self), y, dense(y)
        if session is not None:  # whose file says how to seed the others
            options = session.seeded(options, self.random_state)
            session.write()
        encoder = self._learn_columns(door, X)
        if encoder is not None:
            X, X_val = encoder.transform(X), validation[0]
            validation = (None if X_val is None else encoder.transform(X_val), *validation[1:])
        known = getattr(encoder, "_n_numbers", None)
        encoding = EncodedTable(known) if encoder is not None and sees_table(encoder, X) else None
        folds = self._folds(options, X, y, validation, groups)
        rows, encoder = self._rows_of_all(options, encoding, door, (X, y, sample_weight))
        if encoder is not vars(door).get("encoder_"):
            door.encoder_, columns = encoder, ~door.encoder_._columns_of_bins
            X, validation = _among(X, columns), (_among(validation[0], columns), *validation[1:])
        given = (X, labels, sample_weight, None, None, *validation, None if folds else groups)
        options, settings = self._known_of_all(options, door.settings_, rows)
        seconds = self._seconds_of_each(options)
        members = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(self._member(options.seed + k, encoding, folds[k : k + 1], settings, seconds).fit)(
                *given, checkpoint=None if session is None else session.of_member(k)
            )
            for k in range(self.n_members)
        )
        schema = {**schema_of(members[0]), **schema_of(door)}
        schema["settings_"] = settings
        found = self._out_of_fold(members, X, y, sample_weight, folds)
        self._become({**_shared(members), **schema, "members_": members, **found})
        return []  # each has warned

    @property
    def _is_one_fit(self) -> bool:
        """Whether there is one descent: of one network, or of several that share weights."""
        return self.n_members in (1, "auto") or self.share_weights is True

    def _outcome(self, fit, record, rows) -> dict:
        """Also what the network, or the mean of those that share weights, makes of the rows held out."""
        best, held = record.best_parameters, rows.held_out
        if best is not None and held is not None and has_quantiles(fit):
            held_out = self._validation(fit.problem, rows, scorers_of(self, self.scoring))
            assert held_out is not None
            record.shift = quantile_shift(fit, best, held_out)
            record.best_parameters = shifted(fit, best, record.shift)
            record.best_score = held_out(record.best_parameters)["validation_score"]
        found = super()._outcome(fit, record, rows)
        shares, regression = fit.problem.shared, not is_classifier(self)
        names = (["oof_score_"] if shares else []) + (["oof_residuals_"] if regression else [])
        found |= dict.fromkeys(names)
        if not (names and rows.is_split and fit.options.stopping.early_stopping):
            return found
        task, loss = rows.task, fit.problem.loss
        raw = Validation(fit.problem, task, held).raw(fit.descent.parameters)
        if shares:
            found["oof_score_"] = task.score(held.y, raw, loss, held.weight)
        if regression:
            counted = slice(None) if held.weight is None else held.weight > 0
            found["oof_residuals_"] = [_residuals(held.y, slice(None), task.predict(raw, loss), counted)]
        return found

    def _check_offsets(self, offsets):
        if not self._is_one_fit and any(part is not None for part in offsets):
            raise ValueError(NO_OFFSET_OF_MEMBERS)

    def _raw_with(self, X, offset) -> np.ndarray:
        if offset is None or "adapters_" not in vars(self):
            return super()._raw_with(X, offset)
        self._check_fitted()
        raws = self._raws_of(X)
        shift = check_offset(offset, raws[0], raws[0].shape[1])
        return self._mean_raw([raw + shift for raw in raws])

    def _rows_of_all(self, options: Options, encoding, door, given: tuple) -> tuple:
        """What pilots have told of the rows of a table, and its encoder, with bins where they are of use."""
        encoder = vars(door).get("encoder_")
        by_rule = encoding is not None and isinstance(self.encoding, str)
        if not (by_rule or options.by_noise or options.by_unit):
            return None, encoder
        one = self._member(options.seed, encoding, [], door.settings_, None)
        rows = one._training_rows(options.with_stopping(early_stopping=False), *given)
        if by_rule:
            rows = without_useless_bins(options, rows._replace(schema={**rows.schema, "encoder_": encoder}))
            encoder = rows.schema["encoder_"]
        return rows, encoder

    def _known_of_all(self, options: Options, settings: dict, rows) -> tuple[Options, dict]:
        """The options, and values of the parameters that are "auto": the members have one table, and one
        noise."""
        if rows is None:
            return options, settings
        options = with_noise_known(options, rows.design, rows.targets, rows.told, rows.spent)
        return options, in_use(settings, options.objective)

    def _seconds_of_each(self, options: Options) -> float | None:
        """The share of max_time that a member gets of what is left of it."""
        from joblib import effective_n_jobs  # late: slow to import

        left = options.stopping.max_time
        return None if left is None else left / -(-self.n_members // effective_n_jobs(self.n_jobs))

    def _member(self, seed: int, encoding, fold: list, settings: dict, seconds: float | None):
        """A network of the ensemble, to be fitted to encoded rows."""
        member = clone_unwatched(self).set_params(
            n_members=1, encoding=encoding, categorical_features="from_dtype", random_state=seed
        )
        member.set_params(n_jobs=None, max_time=seconds, **settings)
        return member.set_params(validation_fraction=fold) if fold else member

    def _folds(self, options: Options, X, y, validation, groups) -> list:
        """(rows to train on, rows held out) of each member, where they hold out rows of their own."""
        fraction = options.stopping.validation_fraction
        own = options.stopping.early_stopping and validation[0] is None and isinstance(fraction, Real)
        if not own:
            return []
        from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold  # late: slow to import

        parts = max(self.n_members, round(1 / fraction))
        if groups is not None:
            splitter = GroupKFold(parts)
        else:
            kind = StratifiedKFold if is_classifier(self) and np.ndim(y) == 1 else KFold
            splitter = kind(parts, shuffle=True, random_state=options.seed % 2**32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # classes of few rows
            return list(islice(splitter.split(X, y, groups), self.n_members))

    def _out_of_fold(self, members: list, X, y, sample_weight, folds: list) -> dict:
        """The score of each member on the rows that it held out, taken together; of numbers the residuals."""
        if not folds:
            return {"oof_score_": None, **({} if is_classifier(self) else {"oof_residuals_": None})}
        task, loss = members[0]._fitted_task(), members[0]._fitted_loss
        if sample_weight is not None:  # one for all rows, or of each
            sample_weight = np.broadcast_to(np.asarray(sample_weight), np.shape(y)[:1])
        raws = [
            _raw_of(member, _safe_indexing(X, held)) for member, (_, held) in zip(members, folds, strict=True)
        ]
        held = np.concatenate([rows for _, rows in folds])
        weight = None if sample_weight is None else sample_weight[held]
        found = {"oof_score_": task.score(np.asarray(y)[held], np.vstack(raws), loss, weight)}
        if not is_classifier(self):
            parts = zip(raws, (rows for _, rows in folds), strict=True)
            counted = slice(None) if sample_weight is None else sample_weight > 0
            found["oof_residuals_"] = [
                _residuals(y, rows, task.predict(raw, loss), counted) for raw, rows in parts
            ]
        return found

    def _predict_each(self, X) -> np.ndarray:
        """Predictions of each member (n_members, m) or (n_members, m, n_outputs); of classes shares."""
        raws, task = self._raws_of(X), self._fitted_task()
        of = task.probabilities if is_classifier(self) else task.predict
        return np.stack([of(raw, self._fitted_loss) for raw in raws])

    def _raw_scores(self, X) -> np.ndarray:
        self._check_fitted()
        return self._mean_raw(self._raws_of(X))

    def _raws_of(self, X) -> list[np.ndarray]:
        """Raw scores (n, K) of each network, of rows as they are given and in no less than their precision,
        whatever that of their encoding: probabilities of float64 then add up to one in float64."""
        dtype = precision_of(X)
        raws = self._raws_of_all(self._check_rows(self, X, reset=False))
        return [raw.astype(np.result_type(raw, dtype), copy=False) for raw in raws]

    def _raw(self, X) -> np.ndarray:
        return self._mean_raw(self._raws_of_all(X))

    def _mean_raw(self, raws: list[np.ndarray]) -> np.ndarray:
        return raws[0] if len(raws) == 1 else self._fitted_task().mean_raw(raws, self._fitted_loss)

    def _raws_of_all(self, X) -> list[np.ndarray]:
        """Raw scores (n, K) of each network."""
        members = vars(self).get("members_")
        return self._raws(X) if members is None else [member._raw(X) for member in members]

    def _raws(self, X) -> list[np.ndarray]:
        """Raw scores (n, K) of the network, or of each of those that share weights."""
        raise NotImplementedError

    def _door_of_blocks(self):
        if not self._is_one_fit:
            raise ValueError(
                f"fit_blocks fits one network, but n_members={self.n_members}; those with "
                f"share_weights=True are fitted as one."
            )
        if not (self._encoding is None or self._encoding == "auto"):
            raise ValueError(
                f"encoding={self._encoding!r} would see the columns of one block only: fit the encoder to "
                f"some rows, and let it transform each block (transformer= in skgd.io)."
            )
        door = super()._door_of_blocks()
        door.encoding = None
        if is_auto(self.early_stopping):
            door.early_stopping = False  # rows to hold out lie in all blocks
        return door

    def _become(self, found: dict, streams: bool = False) -> None:
        """After a stream has learnt more rows, what was held out before says nothing of the networks."""
        held_out = ("oof_score_", "oof_residuals_") if streams else ()
        if streams and "early_stopping" in found.get("settings_", {}):
            found = {**found, "settings_": {**found["settings_"], "early_stopping": False}}
        super()._become(found | {name: None for name in held_out if name in vars(self)}, streams)

    def _check_stream(self, options):
        super()._check_stream(options)
        if not self._is_one_fit:
            raise ValueError(
                f"partial_fit updates one network, but n_members={self.n_members}; those with "
                f"share_weights=True are updated as one."
            )


def _among(X, columns: np.ndarray):
    """These columns of encoded rows, if there are any rows."""
    return None if X is None else X[:, np.flatnonzero(columns)]


def _raw_of(member, X) -> np.ndarray:
    """Raw scores of rows that the member held out, by what had not seen them."""
    before_refit = vars(member).pop("_held_out_raw_", None)
    if before_refit is not None:
        return before_refit
    return member._raw(member._check_rows(member, X, reset=False))


def _residuals(y, rows, predictions, counted) -> np.ndarray:
    """y less predictions of these rows, of those that count."""
    targets = np.asarray(y, dtype=float)[rows]
    residuals = (
        targets.reshape(predictions.shape if targets.size == predictions.size else (-1, 1)) - predictions
    )
    return residuals if isinstance(counted, slice) else residuals[counted[rows]]


def _shared(members: list) -> dict:
    """Fitted attributes of all members: those of the first, and the mean of their objectives."""
    kept = {
        name: value
        for name, value in vars(members[0]).items()
        if (name.endswith("_") and not name.startswith("_")) or name == "_model"
    }
    scores = [member.best_validation_score_ for member in members]
    mean = None if None in scores else float(np.mean(scores))
    return {
        **kept,
        "loss_": float(np.mean([member.loss_ for member in members])),
        "best_validation_score_": mean,
    }
