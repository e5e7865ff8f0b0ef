"""The one path from fit and partial_fit to the core, shared by all estimators."""

from __future__ import annotations

import warnings
from copy import copy
from numbers import Integral, Real
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import _options as options
from ._callbacks import CallbackSupportMixin, Tasks, has_callbacks
from ._coordinates import Units, into, moved, out_of
from ._diagnosis import doubts
from ._problem import Problem, Standard
from ._training import Record, Settings, train
from ._validation import VisualBlock, check_design, check_rows, check_weights, rows_of
from .optimizers import OPTIMIZERS, Optimizer
from .schedules import SCHEDULES


def _has_partial_fit(estimator):
    if estimator.solver == "batch":
        raise AttributeError(
            'partial_fit is not available for solver="batch": an update would need all rows at once.'
        )
    return True


class GradientDescent(CallbackSupportMixin, BaseEstimator):
    """What all estimators share: validation, descent, fitted attributes."""

    _task: str
    _parameter_constraints = {
        "solver": [StrOptions({"batch", "sgd", "minibatch"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "schedule": [StrOptions(set(SCHEDULES)), callable],
        "optimizer": [StrOptions(set(OPTIMIZERS)), Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "standardize": ["boolean", StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "check_every": [StrOptions({"epoch"}), Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "average": ["boolean", StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
        "record_path": ["boolean"],
    }

    # -- what a task adds -------------------------------------------------------------------------

    def _encode(self, X, y, weight, loss, classes=None):
        """Targets of the core; sets what the task knows of y (classes)."""
        raise NotImplementedError

    def _score_rows(self, X, y, weight) -> float:
        raise NotImplementedError

    # -- what a model adds ------------------------------------------------------------------------

    _fitted: str  # the attribute that tells a fitted model
    _twin = None  # (estimator, loss) -> the same in scikit-learn
    _network = None  # hidden layers
    _max_gradient_norm = 0.0

    def _penalty(self):
        raise NotImplementedError

    def _initialise(self, problem, theta, from_zero=False):
        """Fill theta, zeros, with where a fit starts."""
        raise NotImplementedError

    def _start_at(self, problem, theta, coef_init, intercept_init):
        """Fill theta, for X, with where the user wants to start."""
        raise NotImplementedError

    def _set_parameters(self, theta, problem):
        """Fitted weights and intercepts, for X, from parameters of the problem."""
        raise NotImplementedError

    def _flat(self, theta, problem):
        """Weights, then intercepts, for X, as one vector."""
        raise NotImplementedError

    def _fill(self, problem, theta, flat):
        """Fill theta, for X, from such a vector."""
        raise NotImplementedError

    def _raw(self, X):
        """Raw scores (n, K) of validated rows."""
        raise NotImplementedError

    # -- fit --------------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X, y, sample_weight=None, coef_init=None, intercept_init=None, X_val=None, y_val=None
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
            A validation set of your own: it is scored at every check, and used by
            ``early_stopping`` in place of a held-out part of X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        DivergenceError
            If a given ``learning_rate`` is too high for the data.
        """
        loss, given, kept = options.loss_of(self, self._task), X, None
        X, y = check_design(self, X, y, reset=True, y_numeric=self._task == "regression")
        weight = check_weights(sample_weight, X)
        targets = self._encode(X, y, weight, loss)
        held_out = self._held_out(X_val, y_val)
        if self.early_stopping and held_out is None:
            kept, held_out = self._split(X, y, weight)
            X, targets = X[kept], targets.rows(kept)
        problem = self._problem_of_fit(X, targets, loss)
        batch_size = options.rows_per_update(self, problem.n)
        optimizer = options.optimizer_of(self)
        rule, slots = options.rule_of(self, optimizer, problem.penalty, batch_size, problem.n)
        descent = self._start(problem, rule[0], slots, coef_init, intercept_init)
        rates = options.rates_of(self, problem, descent, loss, optimizer, batch_size)
        settings = self._settings(
            rule,
            batch_size,
            problem.n,
            threads=self._threads(),
            max_gradient_norm=self._max_gradient_norm,
            record_path=self.record_path,
            early_stopping=self.early_stopping,
            score=None if held_out is None else self._scorer(held_out, problem),
        )
        settings.watchers = self._watchers(problem, rates, settings, (given, X, y, weight, kept))
        record = train(problem, descent, rates, settings)
        self._finish(problem, descent, rates, settings, record)
        if record.stop_reason == "interrupted":
            raise KeyboardInterrupt
        for watcher in settings.watchers:
            watcher.end()
        for message in doubts(self, problem, descent, rates, settings, record):
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self

    def _settings(self, rule, batch_size: int, n: int, **more) -> Settings:
        """How to train on n rows."""
        return Settings(
            batch_size=batch_size,
            rule=rule,
            max_iter=self.max_iter,
            check_every=-(-n // batch_size) if self.check_every == "epoch" else self.check_every,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            shuffle=self.shuffle,
            **more,
        )

    def _objective_of(self, X, y, sample_weight) -> Problem:
        """The problem of a fit to all rows; for an unfitted copy, as it sets what `fit` learns of X and y."""
        self._validate_params()
        loss = options.loss_of(self, self._task)
        X, y = check_design(self, X, y, reset=True, y_numeric=self._task == "regression")
        targets = self._encode(X, y, check_weights(sample_weight, X), loss)
        return self._problem_of_fit(X, targets, loss)

    def _problem_of_fit(self, X, targets, loss) -> Problem:
        """The problem of rows that are all there: their weights are one in the mean."""
        targets.weight = of_mean_one(targets.weight)
        asked = options.standardize_of(self)
        units = Units.of_fit(asked, X, targets, loss, bool(self.fit_intercept))
        return self._problem(X, targets, loss, units)

    def _problem(self, X, targets, loss, units: Units) -> Problem:
        intercept, penalty = bool(self.fit_intercept), self._penalty()
        standard = units.standard(penalty, intercept, X.dtype)
        problem = Problem(X, targets, loss, penalty, intercept, standard, self._network)
        problem.units = units
        return problem

    def _watchers(self, problem, rates, settings, rows) -> list:
        """Those who asked to be told how the fit goes."""

        def fitted(record, descent):
            model = copy(self)
            model._finish(problem, descent.copy(), copy(rates), settings, record.stopped("callback"))
            return vars(model)

        watchers = []
        if self.verbose:
            from ._progress import progress_of  # late: slow to import

            watchers.append(progress_of(self.verbose, self.max_iter))
        if has_callbacks(self):
            updates = self.max_iter * -(-problem.n // settings.batch_size)
            tasks = ("epoch" if self.check_every == "epoch" else "check", -(-updates // settings.check_every))
            watchers.append(Tasks(self, tasks, rows_of(self, *rows), fitted))
        return watchers

    def _threads(self) -> int:
        jobs = 1 if self.n_jobs is None else self.n_jobs
        if jobs < 0:
            from joblib import cpu_count

            jobs = cpu_count() + 1 + jobs
        return max(1, jobs)

    def _held_out(self, X_val, y_val):
        rows = check_rows(X_val, y_val, self)
        if rows is None:
            return None
        self._check_held_out(rows[1])
        return (*rows, None)

    def _check_held_out(self, y):
        """Raises where y holds what cannot be predicted."""

    def _split(self, X, y, weight):
        """Rows to train on, and (X, y, weight) held out; stratified by class."""
        from sklearn.model_selection import train_test_split  # late: slow to import

        stratify = y if self._task == "classification" and np.ndim(y) == 1 else None
        kept, held = train_test_split(
            np.arange(X.shape[0]),
            test_size=self.validation_fraction,
            random_state=self.random_state,
            stratify=stratify,
        )
        return kept, (X[held], y[held], None if weight is None else weight[held])

    def _scorer(self, held_out, problem):
        def score(theta):
            self._set_parameters(theta, problem)
            return self._score_rows(*held_out)

        return score

    def _start(self, problem, rule, slots, coef_init, intercept_init):
        """The descent to begin or, with warm_start, to continue."""
        descent = options.new_descent(self, problem, rule, slots)
        if self.warm_start and hasattr(self, "_descent"):
            descent = into(self._descent.continued_as(descent), problem)
        else:
            self._initialise(problem, descent.theta)
        if coef_init is not None or intercept_init is not None:
            theta = problem.zeros()
            self._start_at(problem, theta, coef_init, intercept_init)
            descent.theta[:] = moved(theta, problem, Standard.into)
        return descent

    def _finish(self, problem, descent, rates, settings, record: Record):
        """Fitted attributes from a descent that has ended."""
        if record.best_parameters is not None:
            descent.settle_at(record.best_parameters)
        if record.stop_reason == "interrupted":  # another pass over the rows could take long
            self.loss_ = record.history["loss"][-1] if record.history["loss"] else record.start_loss
        elif record.best_parameters is not None:
            self.loss_ = problem.objective(descent.parameters, settings.threads)
        else:
            self.loss_ = rates.finish(descent, problem, settings.threads, record.stop_reason)
        self._store(problem, descent, rates)
        history = {name: np.asarray(values) for name, values in record.history.items()}
        history["update"] = history["update"].astype(np.int64)
        self.history_ = history
        self.loss_curve_ = history["loss"]
        self.n_iter_ = max(1, record.epochs)
        self._n_rows = problem.n
        self.stop_reason_ = record.stop_reason
        self.validation_scores_ = history["validation_score"] if settings.score else None
        self.best_validation_score_ = record.best_score if settings.early_stopping else None
        if self.record_path:
            record.path[-1] = descent.parameters.copy()  # what the fit ends with
            self.path_ = np.array([self._flat(theta, problem) for theta in record.path])

    # -- partial_fit ------------------------------------------------------------------------------

    def _partial_fit(self, X, y, sample_weight, classes=None):
        if self.early_stopping:
            raise ValueError(
                "early_stopping=True is not supported by partial_fit, which cannot hold out rows."
            )
        loss = options.loss_of(self, self._task)
        first = not hasattr(self, "_descent")
        X, y = check_design(self, X, y, reset=first, y_numeric=self._task == "regression")
        weight = check_weights(sample_weight, X)
        targets = self._encode(X, y, weight, loss, classes)
        known = self._units_of_stream(first)
        units = known.after(X, targets, loss, bool(self.fit_intercept))
        problem = self._problem(X, targets, loss, units)
        batch_size = options.rows_per_update(self, problem.n)
        optimizer = options.optimizer_of(self)
        rule, slots = options.rule_of(self, optimizer, problem.penalty, self._batch_size())
        if first or not options.continues(self, self._descent, problem, rule[0]):
            descent = options.new_descent(self, problem, rule[0], slots)
            if first:
                self._initialise(problem, descent.theta, from_zero=True)
            else:
                descent = self._descent.continued_as(descent)
        else:
            descent = self._descent.copy()
        if not first and units.standardize is True and known.standardize == "auto":
            descent.forget_units()
        descent = into(descent, problem)
        rates = options.rates_of(self, problem, descent, loss, optimizer, batch_size, stream=True)
        updates = -(-problem.n // batch_size)
        settings = Settings(batch_size, rule, 1, updates, None, 1, self.shuffle, self._threads())
        settings.max_gradient_norm = self._max_gradient_norm
        record = train(problem, descent, rates, settings, stream=True)
        self._store(problem, descent, rates)
        self.n_iter_ = descent.epochs
        curve = record.history["loss"]
        self.loss_curve_ = np.append(getattr(self, "loss_curve_", ()), curve)
        self.loss_ = self.loss_curve_[-1] if len(self.loss_curve_) else np.nan
        if record.stop_reason == "interrupted":
            raise KeyboardInterrupt
        return self

    def _units_of_stream(self, first: bool) -> Units:
        """What is known of the units of the features before the next rows."""
        asked = options.standardize_of(self)
        known = None if first else getattr(self, "_units", None)
        changed = known is None or (asked != "auto" and asked != known.standardize)
        return Units(asked) if changed else known

    def _batch_size(self) -> int:
        return 1 if self.solver == "sgd" else self.batch_size

    # -- parameters -------------------------------------------------------------------------------

    def _store(self, problem, descent, rates):
        descent.gradient = None
        self._set_parameters(descent.parameters, problem)
        self.n_updates_ = descent.t
        self.learning_rate_ = descent.rate
        self._descent = out_of(descent, problem)
        self._units = problem.units

    def to_sklearn(self) -> BaseEstimator:
        """The fitted estimator of scikit-learn that predicts the same.

        For tools that know scikit-learn's own classes only (converters to ONNX or PMML, SHAP). Linear
        models become SGDRegressor or SGDClassifier; softmax LogisticRegression; a log link
        PoissonRegressor, GammaRegressor or TweedieRegressor; several outputs LinearRegression.
        Perceptrons become MLPRegressor or MLPClassifier.

        Returns
        -------
        twin : object
            A fitted scikit-learn estimator that shares the fitted arrays.

        Raises
        ------
        ValueError
            If scikit-learn has no estimator of the kind: other activations, losses of your own,
            perceptrons with a log link or a loss without probabilities.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skgd import GDClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> GDClassifier(random_state=0).fit(X, y).to_sklearn().predict(X[:2])
        array([0, 0])
        """
        check_is_fitted(self, self._fitted)
        return type(self)._twin(self, options.loss_of(self, self._task))

    def _raw_scores(self, X):
        check_is_fitted(self, self._fitted)
        return self._raw(check_design(self, X, reset=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _sk_visual_block_(self):
        """What scikit-learn's diagrams show: the name, and below it how the descent went."""
        name, caption = type(self).__name__, self._outcome() if hasattr(self, "n_iter_") else None
        return VisualBlock("single", self, names=name, name_details=str(self), name_caption=caption)

    def _outcome(self) -> str:
        streamed_on = len(getattr(self, "history_", {}).get("loss", ())) < len(self.loss_curve_)
        why = "" if streamed_on else f"stopped: {self.stop_reason_}, "
        epochs = "1 epoch" if self.n_iter_ == 1 else f"{self.n_iter_} epochs"
        return f"{why}{epochs}, loss {self.loss_:.4g}, learning rate {self.learning_rate_:.3g}"

    @property
    def _doc_link_module(self):
        return "skgd"

    _doc_link_template = "https://skgd.readthedocs.io/en/latest/generated/skgd.{estimator_name}.html"


partial_fit_available = available_if(_has_partial_fit)


def of_mean_one(weight):
    """Weights of which only the ratios matter."""
    if weight is None:
        return None
    return (weight * (len(weight) / weight.sum(dtype=float))).astype(weight.dtype)


def shaped(array, name, shape):
    array = np.asarray(array, dtype=float)
    if array.size != np.prod(shape):
        raise ValueError(f"{name} has shape {array.shape}, but {shape} is needed.")
    return array.reshape(shape)
