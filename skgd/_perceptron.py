"""What perceptrons share: layers between theta and fitted attributes, and the columns of tables."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import _num_samples

from ._arrays import lost_to_rounding
from ._estimator import GradientDescent
from ._hints import Names
from ._layer_rates import PARAMETRIZATIONS
from ._layers import HiddenLayers, scores_of
from ._members import Members
from ._network import INITIALISATIONS, NAMES
from ._options import options_of, threads_of
from ._penalty import PENALTIES
from ._pilot import without_useless_bins
from ._recipe import BY_NOISE, MOST_LOST, TABLE_RATE, explicit, in_use, is_auto, sees_table, settings_of
from ._shared_weights import adapters_among
from ._table_blocks import TablesInBlocks
from ._validation import door_of, refuse_elsewhere, refuse_sparse, schema_of, shaped
from .optimizers import OPTIMIZERS, Optimizer
from .schedules import SCHEDULES

__all__ = ["PerceptronModel"]

_AUTO = Names({"auto"})
_SHARED = ("batch_size", "alpha", "max_iter", "tol")  # parameters of linear models that may be "auto" here


class PerceptronModel(HiddenLayers, TablesInBlocks, Members):
    """Raw scores by layers h <- activation(h W + b); the last layer has no activation."""

    _parameter_constraints = {
        **GradientDescent._parameter_constraints,
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), _AUTO],
        "activation": [Names({*NAMES, "auto"}), list, tuple, callable],
        "init": [Names({*INITIALISATIONS, "auto"})],
        "freeze": [Integral, list, tuple, None],
        "dropout": [Interval(Real, 0, 1, closed="left"), _AUTO],
        **{name: [*GradientDescent._parameter_constraints[name], _AUTO] for name in _SHARED},
        "optimizer": [Names({*OPTIMIZERS, "auto"}), Optimizer],
        "penalty": [Names({name for name in PENALTIES if name}), None],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "dropout_schedule": [Names(set(SCHEDULES)), callable],
        "rate_factors": [dict, None],
        "scaling_layer": ["boolean"],
        "n_frequencies": [Interval(Integral, 0, None, closed="left")],
        "frequency_scale": [Interval(Real, 0, None, closed="neither")],
        "parametrization": [Names(set(PARAMETRIZATIONS))],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "encoding": [Names({"auto", "table"}), HasMethods(["fit", "transform"]), None],
        "categorical_features": ["array-like", Names({"from_dtype"}), None],
        "early_stopping": ["boolean", _AUTO],
        "n_members": [Interval(Integral, 1, None, closed="left"), _AUTO],
        "share_weights": ["boolean", _AUTO],
        "dtype": [Names({"auto", "float32", "float64"})],
    }
    _fitted = "coefs_"

    def _check_rows(self, door, X, y="no_validation", *, reset, finite=True, stream=False):
        encoder = self._learn_columns(door, X, stream) if reset else vars(door).get("encoder_")
        if encoder is None:
            return super()._check_rows(door, X, y, reset=reset, finite=finite)
        encoded = encoder.transform(X)
        if self.dtype == "float64" and (reset or not isinstance(y, str)):
            encoded = encoded.astype(np.float64, copy=False)
        found = super()._check_rows(door_of(self), encoded, y, reset=True)
        if isinstance(y, str) or self._task == "classification":
            return found
        X, y = found
        refuse_sparse(y)
        if lost_to_rounding(y, np.float32) > MOST_LOST:
            X = X.astype(np.float64, copy=False)
        return X, y

    def _options(self, X, reset=True, key=None, stream=False):
        refuse_elsewhere(self, X, to_fit=reset)
        fitted = not reset and "settings_" in vars(self)
        known = self.settings_ if fitted else {}
        table = sees_table(vars(self).get("encoder_"), X) if fitted else self._sees_table(X, stream)
        settings = {name: known.get(name, value) for name, value in self._settings(X, table).items()}
        options = options_of(explicit(self, settings), reset)
        loss = options.objective.loss
        chooses = not fitted and "alpha" in settings and options.learning_rate is None
        options = replace(options, by_unit=chooses and loss.task == "regression" and loss.bounded_slope)
        if not table:
            return options
        # "auto" does not standardise columns whose encoding has given them their units
        by_noise = tuple(name for name in BY_NOISE if name in settings)
        standardize = bool(options.standardize)
        return replace(options, standardize=standardize, rate_factor=TABLE_RATE, by_noise=by_noise)

    def _training_rows(self, options, *given, **more):
        """Of a table, with bins only where pilots do not predict better without them; what a warm start
        encodes stays as it is."""
        rows = super()._training_rows(options, *given, **more)
        settled = self.warm_start and "encoder_" in vars(self)
        if settled or not isinstance(self.encoding, str) or "encoder_" not in rows.schema:
            return rows
        return without_useless_bins(options, rows)

    def _known_columns(self, options, learned):
        """With waves for the numbers of a table alone."""
        encoder, network = learned.get("encoder_"), options.objective.network
        numbers = getattr(encoder, "_n_numbers", None)
        if network is None or network.features is None or numbers is None:
            return options
        network = replace(network, features=replace(network.features, numbers=numbers))
        return replace(options, objective=replace(options.objective, network=network))

    def _begin(self, options, design, targets, init, rows, state=None):
        return super()._begin(self._known_columns(options, rows.schema), design, targets, init, rows, state)

    def _outcome(self, fit, record, rows):
        found = super()._outcome(fit, record, rows)
        return {**found, "settings_": in_use(found["settings_"], fit.options.objective)}

    def _settings(self, X, table: bool) -> dict:
        """Values of the parameters that are "auto"."""
        return settings_of(self, table, _num_samples(X))

    @property
    def _encoding(self):
        """`encoding`, "table" where columns are named as categories."""
        named = self.categorical_features
        if named is None or isinstance(named, str):
            return self.encoding
        if not isinstance(self.encoding, str):
            raise ValueError(
                f"categorical_features={named!r} is for encoding='auto' and 'table', but "
                f"encoding={self.encoding!r}: a transformer is told its columns itself."
            )
        return "table"

    def _sees_table(self, X, stream: bool = False) -> bool:
        """Whether the columns of X are those of a table. Numbers are where nobody says what the network is;
        the first rows of a stream tell too little of theirs."""
        return sees_table(self._encoding, X, numbers=is_auto(self.hidden_layer_sizes) and not stream)

    def _learn_columns(self, door, X, stream: bool = False):
        """The encoder of the columns of X, if there is one; it and the "auto" parameters are written to the
        door. A warm start keeps the encoder of the last fit."""
        known, table = vars(door).pop("encoder_", None), self._sees_table(X, stream)
        vars(door)["settings_"] = self._settings(X, table)
        if not (table or hasattr(self.encoding, "transform")):
            return None
        if known is None or not self.warm_start:
            from .preprocessing import TableEncoder  # late: slow to import

            known = clone(self.encoding) if hasattr(self.encoding, "transform") else None
            known = (known or TableEncoder(categorical_features=self.categorical_features)).fit(X)
        vars(door).update({**schema_of(known), "encoder_": known})
        return known

    @staticmethod
    def _start_at(problem, theta, seed, coef_init, intercept_init):
        weights, vectors = problem.parts(theta)
        layers = len(weights)
        problem.initialise(theta, seed)
        if intercept_init is not None and len(intercept_init) == len(vectors):
            intercept_init, given = intercept_init[:layers], intercept_init[layers:]
            for into, share in zip(vectors[layers:], given, strict=True):
                into[:] = share
        for name, arrays in (("coef_init", coef_init), ("intercept_init", intercept_init)):
            if arrays is not None and len(arrays) != layers:
                raise ValueError(f"{name} has {len(arrays)} arrays, but there are {layers} layers.")
        for i, (weight, intercept) in enumerate(zip(weights, vectors[:layers], strict=True)):
            if coef_init is not None:
                weight[:] = shaped(coef_init[i], f"coef_init[{i}]", weight.shape)
            if intercept_init is not None and problem.fit_intercept:
                intercept[:] = shaped(intercept_init[i], f"intercept_init[{i}]", intercept.shape)

    @staticmethod
    def _unpack(theta, problem):
        weights, vectors = problem.parts(problem.for_original(theta))
        return [part.copy() for part in weights], [part.copy() for part in vectors]

    @staticmethod
    def _attributes(weights, intercepts, task):
        intercepts, of_shares = intercepts[: len(weights)], intercepts[len(weights) :]
        adapters = adapters_among(intercepts, of_shares)
        of_shares = of_shares[: len(of_shares) - len(adapters)]
        return {
            "coefs_": weights,
            "intercepts_": intercepts,
            "n_layers_": len(weights) + 1,
            "n_outputs_": intercepts[-1].shape[-1],
            **({"activation_shares_": of_shares} if of_shares else {}),
            **({"adapters_": list(zip(adapters[::2], adapters[1::2], strict=True))} if adapters else {}),
        }

    def _nets(self):
        return [
            (
                list(zip(weights, vectors[: len(weights)], strict=True)),
                one._model["activation"],
                vectors[len(weights) :],
                one._model.get("features"),
            )
            for one in vars(self).get("members_") or [self]
            for weights, vectors in one._networks
        ]

    @staticmethod
    def _flatten(weights, intercepts):
        return np.concatenate([part.ravel() for part in (*weights, *intercepts)])

    @staticmethod
    def _fill(problem, theta, flat):
        weights, vectors = problem.parts(theta)
        begin = 0
        for part in (*weights, *vectors):
            part[...] = np.reshape(flat[begin : begin + part.size], part.shape)
            begin += part.size

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = isinstance(self.encoding, str) or sees_table(self.encoding, None)
        return tags

    def _raws(self, X):
        """Computed by the core."""
        dtype = np.result_type(X.dtype, self.coefs_[0].dtype)
        X, threads = X.astype(dtype, copy=False), threads_of(self.n_jobs)
        return [scores_of(X, self._network, coefs, vectors, threads) for coefs, vectors in self._networks]
