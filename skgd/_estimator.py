"""The one path from fit and partial_fit to the core, and back to fitted attributes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import HasMethods, Interval

from ._assigned import AssignedWeights
from ._calibration import settle_shifted
from ._callbacks import CallbackSupportMixin, Tasks, has_callbacks
from ._checkpoint import Keeping, Session
from ._coordinates import Units, of_present_features, to_original
from ._descent import Descent
from ._design import Design, design_of
from ._diagnosis import convergence_warnings
from ._diagram import Diagram
from ._fit import Fit
from ._fitted import FittedModel
from ._fitting import begin_fit, end_fit, for_all_rows
from ._held_out import Validation
from ._hints import HelpfulParameters, Names
from ._options import Options, options_of
from ._pilot import with_noise_known
from ._problem import Problem
from ._rows import TakesRows, TrainingRows
from ._scoring import Scorer, scorers_of
from ._targets import Targets, Task
from ._training import Record, Watcher, train
from ._validation import check_design, door_of, rows_of
from .losses import Loss
from .optimizers import OPTIMIZERS, Optimizer
from .schedules import SCHEDULES


class GradientDescent(
    AssignedWeights, TakesRows, HelpfulParameters, Diagram, FittedModel, CallbackSupportMixin, BaseEstimator
):
    """What all estimators share: validation, descent, fitted attributes.

    A fitted estimator has private attributes beside the public ones, all of plain values and arrays:
    ``_model``, what predictions need beside the weights; ``_descent`` and ``_units``, what continues the fit;
    with ``warm_start``, ``_kept``, from which a fit to the same rows goes on.
    """

    _task: str
    _parameter_constraints: dict = {
        "solver": [Names({"batch", "sgd", "minibatch"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), Names({"auto"})],
        "schedule": [Names(set(SCHEDULES)), callable],
        "optimizer": [Names(set(OPTIMIZERS)), Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "standardize": ["boolean", Names({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "check_every": [Names({"epoch"}), Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "refit": ["boolean"],
        "validation_fraction": [
            Interval(Real, 0, 1, closed="neither"),
            HasMethods(["split", "get_n_splits"]),
            list,
            tuple,
        ],
        "scoring": [str, callable, list, tuple, dict, None],
        "average": ["boolean", Names({"auto"}), Interval(Integral, 0, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
        "record_path": ["boolean"],
    }

    # -- what a task adds -------------------------------------------------------------------------

    def _task_of(self, y, classes=None) -> Task:
        """What y is; raises where the task cannot have such a y."""
        raise NotImplementedError

    def _fitted_task(self) -> Task:
        """The task of the fitted model."""
        raise NotImplementedError

    def _encode(self, task: Task, y, weight, dtype, loss: Loss) -> Targets:
        """Targets of the core."""
        return task.encode(y, weight, dtype, loss)

    def _encode_held_out(
        self, task: Task, rows: tuple, trained: tuple, targets: Targets, loss: Loss
    ) -> Targets:
        """Targets of held-out rows (y, weight), where `targets` and (y, weight) are of those trained on."""
        y, weight = rows
        return task.encode(y, weight, targets.y.dtype, loss)

    # -- what a model adds ------------------------------------------------------------------------

    def _check_rows(self, door, X, y="no_validation", *, reset: bool, finite=True, stream=False):
        """X (and y), of a stream or not, validated as the core takes them; what is learned of X is written to
        the door."""
        numeric = self._task == "regression"
        return check_design(door, X, y, reset=reset, y_numeric=numeric, finite=finite)

    @staticmethod
    def _start_at(problem: Problem, theta, seed, coef_init, intercept_init) -> None:
        """Fill theta, zeros for X, with where the user wants to start."""
        raise NotImplementedError

    @staticmethod
    def _unpack(theta, problem: Problem) -> tuple:
        """(weights, intercepts) for X, from parameters of the problem."""
        raise NotImplementedError

    @staticmethod
    def _attributes(weights, intercepts, task: Task) -> dict:
        """Fitted attributes of weights and intercepts."""
        raise NotImplementedError

    @staticmethod
    def _flatten(weights, intercepts) -> np.ndarray:
        """Weights, then intercepts, as one vector: a row of path_."""
        raise NotImplementedError

    @staticmethod
    def _fill(problem: Problem, theta, flat) -> None:
        """Fill theta, for X, from such a vector."""
        raise NotImplementedError

    def _raw(self, X) -> np.ndarray:
        """Raw scores (n, K) of validated rows."""
        raise NotImplementedError

    # -- fit --------------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        coef_init=None,
        intercept_init=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        groups=None,
        offset=None,
        offset_val=None,
        checkpoint=None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 and float64 are kept, C-contiguous and CSR are not copied.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; only their ratios matter.
        coef_init : ndarray, shape of ``coef_``, default=None
            Where to start; zero by default.
        intercept_init : ndarray, shape of ``intercept_``, default=None
            Where to start; zero by default.
        X_val, y_val : array-likes, default=None
            A validation set of your own: loss and scores of it are recorded at every check, and used
            by ``early_stopping`` in place of a held-out part of X.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of the rows of ``X_val`` in loss and scores.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows: ``early_stopping`` holds out whole groups, or as the splitter in
            ``validation_fraction`` says.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            What is added to the raw scores: they are :math:`o_i + x_i^\\top w + b`. With a log link and the
            logarithm of an exposure the model is one of rates. Predictions take an ``offset`` of their own.
        offset_val : array-like, default=None
            Offset of the rows of ``X_val``.
        checkpoint : str, os.PathLike or skgd.Checkpoint, default=None
            A file that the state of the fit is written to, about every second. If it exists, the fit goes on
            from there: after a crash, ``fit`` with the same arguments ends with the same model, bit for bit.
            See :class:`~skgd.Checkpoint`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        DivergenceError
            If a given ``learning_rate`` is too high for the data.
        ValueError
            If ``checkpoint`` is a file of another fit: of other rows or parameters.
        """
        validation, offsets = (X_val, y_val, sample_weight_val), (offset, offset_val)
        init, session = (coef_init, intercept_init), None
        if checkpoint is not None:
            session = Session(checkpoint, self)
        for message in self._fit(X, y, sample_weight, init, validation, groups, offsets, session):
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self

    def _fit(
        self, X, y, sample_weight, init: tuple, validation: tuple, groups, offsets: tuple, session=None
    ) -> list[str]:
        """Fit, and tell what is to be warned of."""
        options, scorers = self._options(X), scorers_of(self, self.scoring)
        options = options if session is None else session.seeded(options, self.random_state)
        late = self._may_check_late(options, any(part is not None for part in validation))
        rows = self._training_rows(options, X, y, sample_weight, validation, groups, late, offsets)
        return self._fit_rows(options, rows, init, scorers, session)

    def _fit_rows(
        self, options: Options, rows: TrainingRows, init: tuple, scorers, session=None
    ) -> list[str]:
        """Fit to validated rows, and tell what is to be warned of."""
        with rows.check:
            keeping = Keeping(self, session, rows, any(part is not None for part in init))
            fit, units = self._begin(options, rows.design, rows.targets, init, rows, keeping.before)
            held_out, watchers = self._validation(fit.problem, rows, scorers), self._watchers(fit, rows)
            keeper = keeping.keeper("fit", fit.descent.theta)
            record = train(fit, held_out, watchers, keeper=keeper)
            fit.check_rows(record.seen)
            found = {**self._outcome(fit, record, rows), **keeping.found(keeper, fit.rates)}
            found["_units"] = units.among(fit.problem.design.features).state()
            loss, best = found["loss_"], record.found_best
            if held_out is not None and best is not None and options.stopping.refit and rows.is_split:
                found["_held_out_raw_"] = held_out.raw(best)
                found |= self._refit(fit, record, init, rows, keeping)
            messages = self._diagnosed(fit, record, loss, found)
        self._become(found)
        if self.stop_reason_ == "interrupted":
            raise KeyboardInterrupt
        for watcher in watchers:
            watcher.end()
        return messages

    def _diagnosed(self, fit: Fit, record: Record, loss: float, found: dict) -> list[str]:
        """What is to be warned of; an interrupt leaves what was found."""
        if found["stop_reason_"] == "interrupted":
            return []
        try:
            return convergence_warnings(fit, record, loss, vars(self).get("_rate_of_search", False))
        except KeyboardInterrupt:
            self._become(found)
            raise

    def _begin(self, options, design: Design, targets: Targets, init: tuple, rows: TrainingRows, state=None):
        """A fit to these rows, and the units of its descent; one that a `state` is for begins anew."""
        options = with_noise_known(options, design, targets, rows.told, rows.spent)
        previous = self._previous(rows.task) if self.warm_start and state is None else None
        start = self._start(options, *init)
        if previous is not None and start is None:
            start = self._assigned_start(options)
            previous = previous if start is None else None
        design = of_present_features(design, options.objective, previous is None and start is None, state)
        units = Units.of_fit(options, design, targets)
        design, targets = units.applied(options, design, targets)
        return begin_fit(options, design, targets, previous, start, check=rows.check, form=rows.form), units

    def _refit(self, first: Fit, record: Record, init: tuple, rows: TrainingRows, keeping: Keeping) -> dict:
        """What another fit changes, to all rows, for the epochs that were best."""
        _, X, y, weight, _ = rows.shown
        options = for_all_rows(first, record, len(y))
        targets = self._encode(rows.task, y, weight, X.dtype, options.objective.loss)
        targets = targets.with_offset(rows.offset, options.objective.loss).weighted_to_mean_one()
        fit, units = self._begin(options, design_of(X), targets, init, rows)
        keeper = keeping.keeper("refit", fit.descent.theta)
        again = train(fit, epochs=record.best_epochs, keeper=keeper)
        fit.check_rows(again.seen)
        if again.stop_reason == "interrupted":
            return {"stop_reason_": "interrupted"}
        ended = {
            "loss_": settle_shifted(fit, end_fit(fit, again), record.shift),
            "n_iter_": max(1, again.epochs),
            "_units": units.among(fit.problem.design.features).state(),
        }
        return {**self._state_of(fit, rows.task), **ended}

    def _options(self, X, reset: bool = True, key: tuple | None = None, stream: bool = False) -> Options:
        """What the parameters, with this key, mean for these rows, or for those of a stream; without `reset`
        as for those of the last fit."""
        return options_of(self, reset, key)

    def _check_stream(self, options: Options) -> None:
        """Raise where partial_fit cannot do what was asked for."""
        if options.stopping.early_stopping and not isinstance(self.early_stopping, str):
            raise ValueError("early_stopping=True is not for partial_fit, which cannot hold out rows.")

    def _door_of_blocks(self):
        """A stand-in for the estimator, for what validation learns of the rows in blocks."""
        return door_of(self)

    def _may_check_late(self, options: Options, validates: bool) -> bool:
        """Whether the updates of a fit can tell whether X is finite: of a perceptron a unit that is at zero
        hides it; and nobody shall see parameters before the check."""
        watched = bool(self.verbose) or has_callbacks(self)
        return options.objective.network is None and not watched and not validates

    def _objective_of(self, X, y, sample_weight=None) -> Problem:
        """The problem of a fit to all rows; the estimator stays as it is."""
        self._validate_params()
        options = self._options(X).with_stopping(early_stopping=False)
        rows = self._training_rows(options, X, y, sample_weight)
        return self._problem_of(self._known_columns(options, rows.schema), rows.design, rows.targets)

    @staticmethod
    def _problem_of(options: Options, design: Design, targets: Targets) -> Problem:
        """The problem of a fit to these rows."""
        units = Units.of_fit(options, design, targets)
        return Problem(*units.applied(options, design, targets), options.objective)

    def _start(self, options: Options, coef_init, intercept_init) -> Callable | None:
        """What fills theta with where the user wants to start."""
        if coef_init is None and intercept_init is None:
            return None
        return lambda problem, theta: self._start_at(problem, theta, options.seed, coef_init, intercept_init)

    def _previous(self, task: Task) -> Descent | None:
        """The descent of the last fit, in the coordinates of X."""
        state = getattr(self, "_descent", None)
        return None if state is None else Descent.from_state(state).copy()

    def _watchers(self, fit: Fit, rows: TrainingRows) -> list:
        """Those who asked to be told how the fit goes."""
        options, n = fit.options, fit.problem.n
        watchers: list[Watcher] = []
        if self.verbose:
            from ._progress import progress_of  # late: slow to import

            watchers.append(progress_of(self.verbose, options.stopping.max_iter))
        if has_callbacks(self):

            def fitted(record, descent):
                return self._outcome(fit.copy(), record.stopped("callback"), rows)

            checks = options.updates_per_check(n)
            updates = options.stopping.max_iter * options.updates_per_epoch(n)
            name = "epoch" if options.stopping.check_every is None else "check"
            shown = rows_of(rows.schema, *rows.shown)
            watchers.append(Tasks(self, (name, -(-updates // checks)), shown, fitted))
        return watchers

    def _validation(self, problem: Problem, rows: TrainingRows, scorers: list[Scorer]) -> Validation | None:
        """What is measured on the rows held out."""
        if rows.held_out is None:
            return None

        def model_at(theta):
            weights = self._unpack(theta.copy(), problem)
            model = door_of(self)
            model._become(
                {
                    "n_features_in_": problem.design.all_features,
                    **self._model_of(rows.task, problem, *weights),
                }
            )
            return model

        return Validation(problem, rows.task, rows.held_out, scorers, model_at, rows.check)

    # -- what a fit leaves ------------------------------------------------------------------------

    def _outcome(self, fit: Fit, record: Record, rows: TrainingRows) -> dict:
        """The attributes of a fit that has ended; nothing is written to the estimator."""
        loss = end_fit(fit, record)
        history = {name: np.asarray(values) for name, values in record.history.items()}
        history["update"] = history["update"].astype(np.int64)
        found = {
            **rows.schema,
            **self._state_of(fit, rows.task),
            "loss_": loss,
            "history_": history,
            "loss_curve_": history["loss"],
            "n_iter_": max(1, record.epochs),
            "stop_reason_": record.stop_reason,
            "validation_scores_": None if rows.held_out is None else history["validation_score"],
            "best_validation_score_": (record.best_score if fit.options.stopping.early_stopping else None),
        }
        if fit.options.record_path:
            found["path_"] = self._path(fit, record)
        return found

    def _path(self, fit: Fit, record: Record) -> np.ndarray:
        checks = len(record.history["loss"])
        points = record.path[:checks]
        points += [fit.descent.parameters] * (checks + 1 - len(points))  # what the fit ends with
        return np.array([self._flatten(*self._unpack(theta, fit.problem)) for theta in points])

    def _state_of(self, fit: Fit, task: Task) -> dict:
        """Parameters, what predictions need beside them, and what continues the fit."""
        descent, problem = fit.descent, fit.problem
        fit.check_parameters()
        if descent.lazy is None:
            parameters = self._unpack(descent.parameters, problem)
        else:
            parameters = None, descent.intercepts  # weights are settled when they are read
        return {
            **self._model_of(task, problem, *parameters),
            "_descent": to_original(descent, problem).state(),
            "n_updates_": descent.t,
            "learning_rate_": descent.rate,
        }

    def _model_of(self, task: Task, problem: Problem, weights, intercepts) -> dict:
        """All that predictions need."""
        model = {**task.spec(), "loss": problem.objective.plain_loss, "rows": problem.n}
        if problem.network is not None:
            model |= problem.network.kept(problem.d)
        return {**self._attributes(weights, intercepts, task), "_model": model}

    def _become(self, found: dict, streams: bool = False) -> None:
        """The one place where a fit changes the estimator: all that earlier fits left is replaced. What
        `streams` replaces its weights and what it tells anew."""
        kept = dict(vars(self))
        if not streams:
            left = ("_model", "_descent", "_units")
            kept = {name: value for name, value in kept.items() if name[-1:] != "_" and name not in left}
        kept.pop(self._fitted, None)
        for name in ("_kept", "_assigned"):
            kept.pop(name, None)
        object.__setattr__(self, "__dict__", {**kept, **found})

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
