"""Encodings of the columns of a table, for perceptrons and for linear models."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import copy
from numbers import Integral, Real
from typing import Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import (
    _check_feature_names,
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from ._table import Table, table_of

__all__ = ["PeriodicEncoder", "PiecewiseLinearEncoder", "SmoothClipScaler", "TableEncoder"]

_ROWS = 4096  # that are encoded at a time
_LIMIT = 3.0  # of the smooth clip in TableEncoder
_ENOUGH_STRANGERS = 10  # rows of which a category that all lack is worth a warning


def _validated(transformer, X, reset: bool) -> np.ndarray:
    """Dense floating-point numbers, NaN among them."""
    return validate_data(
        transformer, X, dtype=(np.float64, np.float32), ensure_all_finite="allow-nan", reset=reset
    )


def _spread(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and interquartile range of the columns, without NaN; where that range is zero half the whole
    range, and one for constants."""
    columns = [column[~np.isnan(column)] for column in X.T]
    columns = [column if len(column) else np.zeros(1, X.dtype) for column in columns]
    quartiles = np.array([np.quantile(column, (0.25, 0.5, 0.75)) for column in columns]).reshape(-1, 3)
    half = np.array([np.ptp(column) / 2 for column in columns])
    scale = quartiles[:, 2] - quartiles[:, 0]
    scale = np.where(scale > 0, scale, half)
    return quartiles[:, 1], np.where(scale > 0, scale, 1.0)


def _measured(X: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Numbers from their medians in interquartile ranges, in the precision of X."""
    return (X - center.astype(X.dtype)) / scale.astype(X.dtype)


def _smooth_clip(z: np.ndarray, limit: float) -> np.ndarray:
    return z / np.sqrt(1 + (z / limit) ** 2)


class _OfNumbers(TransformerMixin, BaseEstimator):
    """What the encoders of dense numbers share: NaN may be among them, and float32 stays float32."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class SmoothClipScaler(OneToOneFeatureMixin, _OfNumbers):
    """Scale features by their quartiles and clip them smoothly.

    A value x of a feature with the median m and the quartiles q1 and q3 becomes

    .. math:: \\frac{z}{\\sqrt{1 + (z / c)^2}}, \\quad z = \\frac{x - m}{q_3 - q_1},

    which is about z near the median and tends to the limit c far from it (Holzmueller, Grinsztajn &
    Steinwart 2024). Where the quartiles are equal, half the range of the feature stands for their
    distance. Outliers keep their order, and none is farther than c from zero.

    Parameters
    ----------
    limit : float, default=3.0
        The limit c, in units of the interquartile range.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        Medians, in the units of the features.
    scale_ : ndarray of shape (n_features,)
        Interquartile ranges, or what stands for them, in the units of the features; 1 for constants.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X has them.

    See Also
    --------
    TableEncoder : The same, with bins, categories and missing values, for whole tables.
    sklearn.preprocessing.RobustScaler : Without the clip.

    Notes
    -----
    NaN stay NaN, and do not count in the quartiles.

    References
    ----------
    Holzmueller, Grinsztajn & Steinwart (2024). Better by default: strong pre-tuned MLPs and boosted trees
    on tabular data. NeurIPS 37.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.preprocessing import SmoothClipScaler
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0], [1000.0]])
    >>> SmoothClipScaler().fit_transform(X).round(2)
    array([[-0.95],
           [-0.49],
           [ 0.  ],
           [ 0.49],
           [ 3.  ]])
    """

    _parameter_constraints: dict = {"limit": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, *, limit: float = 3.0):
        self.limit = limit

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None) -> Self:
        """Find the quartiles of the features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to find them from; NaN are left out.
        y : None
            Not used.

        Returns
        -------
        self : object
            The fitted scaler.
        """
        self.center_, self.scale_ = _spread(_validated(self, X, True))
        return self

    def transform(self, X) -> np.ndarray:
        """Scale and clip.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to transform.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features)
            float32 for float32 X, else float64.
        """
        check_is_fitted(self)
        X = _validated(self, X, False)
        return _smooth_clip(_measured(X, self.center_, self.scale_), X.dtype.type(self.limit))

    def inverse_transform(self, X) -> np.ndarray:
        """The values before scaling and clipping.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Transformed rows, each value between -limit and limit.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows in the units of the features.
        """
        check_is_fitted(self)
        Z = _validated(self, X, False)
        with np.errstate(divide="ignore"):
            z = Z / np.sqrt(np.maximum(1 - (Z / Z.dtype.type(self.limit)) ** 2, 0))
        return z * self.scale_.astype(Z.dtype) + self.center_.astype(Z.dtype)


def _edges(column: np.ndarray, n_bins: int) -> np.ndarray:
    """Ends of the bins of a feature, rising: quantiles that differ, each a value of the feature."""
    column = column[~np.isnan(column)]
    if not len(column):
        return np.array([0.0, 1.0])
    edges = np.unique(np.quantile(column, np.linspace(0, 1, n_bins + 1), method="nearest").astype(float))
    return edges if len(edges) > 1 else np.array([edges[0], edges[0] + max(1.0, abs(edges[0]))])


def _in_bins(column: np.ndarray, edges: np.ndarray, out: np.ndarray) -> None:
    """Shares of the bins that lie below each value, into out (n, bins); zero for NaN."""
    shares = (column[:, None] - edges[:-1].astype(column.dtype)) / np.diff(edges).astype(column.dtype)
    np.clip(np.nan_to_num(shares, copy=False, nan=0.0), 0, 1, out=out)


class PiecewiseLinearEncoder(_OfNumbers):
    """Encode each feature by the shares of its quantile bins that lie below the value.

    With the ends b_0 < ... < b_k of the bins of a feature, a value x becomes

    .. math:: e_t = \\min\\left(1, \\max\\left(0, \\frac{x - b_{t-1}}{b_t - b_{t-1}}\\right)\\right),
              \\quad t = 1, ..., k

    (Gorishniy, Rubachev & Babenko 2022): ones below the bin of x, its share in that bin, zeros above. A
    linear model of the encoding is a continuous, piecewise linear function of each feature; a network
    finds sharp changes along a feature without many units.

    Parameters
    ----------
    n_bins : int, default=16
        Bins of a feature at most; fewer where quantiles are equal.
    sparse_output : bool, default=False
        Whether to give a CSR array.

    Attributes
    ----------
    edges_ : list of ndarray
        Ends of the bins of each feature, in its units.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X has them.

    See Also
    --------
    TableEncoder : The same beside the features themselves, with categories and missing values.
    sklearn.preprocessing.SplineTransformer : Smooth functions of each feature.

    Notes
    -----
    NaN become zeros in all bins, as do values below all those seen in fit.

    References
    ----------
    Gorishniy, Rubachev & Babenko (2022). On embeddings for numerical features in tabular deep learning.
    NeurIPS 35.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.preprocessing import PiecewiseLinearEncoder
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    >>> PiecewiseLinearEncoder(n_bins=2).fit_transform(X)
    array([[0. , 0. ],
           [0.5, 0. ],
           [1. , 0. ],
           [1. , 0.5],
           [1. , 1. ]])
    """

    _parameter_constraints: dict = {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "sparse_output": ["boolean"],
    }

    def __init__(self, n_bins: int = 16, *, sparse_output: bool = False):
        self.n_bins = n_bins
        self.sparse_output = sparse_output

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None) -> Self:
        """Find the bins.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to find them from; NaN are left out.
        y : None
            Not used.

        Returns
        -------
        self : object
            The fitted encoder.
        """
        self.edges_ = [_edges(column, self.n_bins) for column in _validated(self, X, True).T]
        return self

    def transform(self, X) -> np.ndarray | sparse.csr_array:
        """Encode.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        Z : ndarray or CSR array of shape (n_samples, n_bins_of_all_features)
            float32 for float32 X, else float64.
        """
        check_is_fitted(self)
        X = _validated(self, X, False)
        if self.sparse_output:
            return _csr(map(self._encoded, _pieces(X)))
        return self._encoded(X)

    def _encoded(self, X: np.ndarray) -> np.ndarray:
        return _binned(X, self.edges_)

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the columns: name of the feature, and number of the bin.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features, where X had none.

        Returns
        -------
        names : ndarray of str
            Names such as "x0_bin3".
        """
        check_is_fitted(self)
        return np.array(_bin_names(_check_feature_names_in(self, input_features), self.edges_), dtype=object)


class PeriodicEncoder(_OfNumbers):
    """Encode each feature by sines and cosines of random frequencies.

    A value x of a feature with the median m and the quartiles q1 and q3 becomes

    .. math:: \\sin(2 \\pi c_t z), \\; \\cos(2 \\pi c_t z), \\quad z = \\frac{x - m}{q_3 - q_1},
              \\quad c_t \\sim N(0, \\sigma^2), \\quad t = 1, ..., k

    (Gorishniy, Rubachev & Babenko 2022): what changes quickly along a feature becomes linear, or nearly so,
    in its encoding. The frequencies are drawn for each feature in fit, and not learnt. Where the quartiles
    are equal, half the range of the feature stands for their distance.

    Parameters
    ----------
    n_frequencies : int, default=16
        Frequencies k of each feature, which give twice as many columns.
    scale : float, default=0.1
        Standard deviation :math:`\\sigma` of the frequencies, in periods per interquartile range.
    random_state : int, RandomState instance or None, default=None
        Seed of the frequencies.

    Attributes
    ----------
    frequencies_ : ndarray of shape (n_features, n_frequencies)
        The frequencies, in periods per interquartile range.
    center_ : ndarray of shape (n_features,)
        Medians, in the units of the features.
    scale_ : ndarray of shape (n_features,)
        Interquartile ranges, or what stands for them, in the units of the features; 1 for constants.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X has them.

    See Also
    --------
    PiecewiseLinearEncoder : Shares of quantile bins, for changes at any place of a feature.
    sklearn.kernel_approximation.RBFSampler : Random frequencies of all features together.

    Notes
    -----
    NaN become zeros in all columns, which no number does.

    References
    ----------
    Gorishniy, Rubachev & Babenko (2022). On embeddings for numerical features in tabular deep learning.
    NeurIPS 35.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.preprocessing import PeriodicEncoder
    >>> encoder = PeriodicEncoder(n_frequencies=1, scale=0.5, random_state=0)
    >>> encoder.fit_transform(np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])).round(2)
    array([[ 0.68,  0.74],
           [-0.36, -0.93],
           [ 0.  ,  1.  ],
           [ 0.36, -0.93],
           [-0.68,  0.74]])
    """

    _parameter_constraints: dict = {
        "n_frequencies": [Interval(Integral, 1, None, closed="left")],
        "scale": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(self, n_frequencies: int = 16, *, scale: float = 0.1, random_state=None):
        self.n_frequencies = n_frequencies
        self.scale = scale
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None) -> Self:
        """Find the quartiles of the features, and draw their frequencies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to find them from; NaN are left out.
        y : None
            Not used.

        Returns
        -------
        self : object
            The fitted encoder.
        """
        X = _validated(self, X, True)
        self.center_, self.scale_ = _spread(X)
        random = check_random_state(self.random_state)
        self.frequencies_ = random.normal(scale=self.scale, size=(X.shape[1], self.n_frequencies))
        return self

    def transform(self, X) -> np.ndarray:
        """Encode.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        Z : ndarray of shape (n_samples, 2 * n_frequencies * n_features)
            Of each feature the sines, then the cosines; float32 for float32 X, else float64.
        """
        check_is_fitted(self)
        X = _validated(self, X, False)
        z = _measured(X, self.center_, self.scale_)
        angles = z[:, :, None] * (2 * np.pi * self.frequencies_).astype(X.dtype)
        waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=2).reshape(len(X), -1)
        return np.nan_to_num(waves, copy=False, nan=0.0)

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the columns: name of the feature, function, and number of the frequency.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features, where X had none.

        Returns
        -------
        names : ndarray of str
            Names such as "x0_sin3".
        """
        check_is_fitted(self)
        names, waves = _check_feature_names_in(self, input_features), range(self.frequencies_.shape[1])
        kinds = ("sin", "cos")
        return np.array(
            [f"{name}_{kind}{t}" for name in names for kind in kinds for t in waves], dtype=object
        )


def _pieces(X) -> Iterator:
    return (X[start : start + _ROWS] for start in range(0, len(X), _ROWS))


def _csr(pieces: Iterator[np.ndarray]) -> sparse.csr_array:
    """Dense pieces one after the other; no more than one of them is there at a time."""
    return sparse.csr_array(sparse.vstack([sparse.csr_array(piece) for piece in pieces], format="csr"))


def _binned(X: np.ndarray, edges: list) -> np.ndarray:
    ends = np.cumsum([0, *(len(each) - 1 for each in edges)])
    out = np.empty((len(X), ends[-1]), dtype=X.dtype)
    for j, each in enumerate(edges):
        _in_bins(X[:, j], each, out[:, ends[j] : ends[j + 1]])
    return out


def _bin_names(names, edges) -> list[str]:
    return [f"{name}_bin{t}" for name, each in zip(names, edges, strict=True) for t in range(len(each) - 1)]


class TableEncoder(TransformerMixin, BaseEstimator):
    """Encode the columns of a table, numbers and categories, for perceptrons and linear models.

    Numbers are scaled by their quartiles and clipped smoothly (:class:`SmoothClipScaler`); beside them
    stand the shares of their quantile bins (:class:`PiecewiseLinearEncoder`) where there are at least two.
    Missing numbers become zeros, with a column that says so. Each category gets a column of zeros and
    ones: the weights of a first layer for it are an embedding that is learnt. Categories that are rare
    share a column, which unknown ones use too (without rare ones, unknown ones are all zeros); missing ones
    are a category. All columns but those of bins are multiplied by ``scale``.

    Parameters
    ----------
    n_bins : int, default=16
        Bins of a number at most; 0 for none.
    scale : float, default=2.0
        What all columns but those of bins are multiplied by. The larger it is, the more does a penalty
        prefer smooth functions of the numbers, and of the categories, to ones that bend at the ends of bins.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Which columns are categories: those of a data frame whose dtype is neither a number nor bool, but for
        columns of objects that are all numbers (none of an array); the given names, indices or mask; None:
        none. Categories of several types are told apart as text.
    min_frequency : int, default=10
        Rows that a category needs for a column of its own.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of the table.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where the table has them.
    center_, scale_ : ndarray
        Median and interquartile range of each number, in its units.
    edges_ : list of ndarray
        Ends of the bins of each number, in its units; one bin where there are none.
    categories_ : list of ndarray
        Categories of each categorical column.

    See Also
    --------
    skgd.GDMLPClassifier : Uses it with ``encoding="table"``.
    sklearn.compose.ColumnTransformer : Other encodings, column by column.

    Notes
    -----
    The result is a CSR array of float32. On average half of the bins of a number are not zero.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgd.preprocessing import TableEncoder
    >>> table = pd.DataFrame({"size": [1.0, 2.0, None, 4.0], "colour": ["red", "blue", "red", "red"]})
    >>> encoder = TableEncoder(n_bins=2, scale=1, min_frequency=1).fit(table)
    >>> encoder.get_feature_names_out().tolist()
    ['size', 'size_missing', 'size_bin0', 'size_bin1', 'colour_blue', 'colour_red']
    >>> encoder.transform(table).toarray().round(2)
    array([[-0.65,  0.  ,  0.  ,  0.  ,  0.  ,  1.  ],
           [ 0.  ,  0.  ,  1.  ,  0.  ,  1.  ,  0.  ],
           [ 0.  ,  1.  ,  0.  ,  0.  ,  0.  ,  1.  ],
           [ 1.22,  0.  ,  1.  ,  1.  ,  0.  ,  1.  ]], dtype=float32)
    """

    encodes_tables = True
    _parameter_constraints: dict = {
        "n_bins": [Interval(Integral, 0, None, closed="left")],
        "scale": [Interval(Real, 0, None, closed="neither")],
        "categorical_features": ["array-like", str, None],
        "min_frequency": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_bins: int = 16,
        *,
        scale: float = 2.0,
        categorical_features="from_dtype",
        min_frequency: int = 10,
    ):
        self.n_bins = n_bins
        self.scale = scale
        self.categorical_features = categorical_features
        self.min_frequency = min_frequency

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None) -> Self:
        """Learn medians, quartiles, bins and categories.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Numbers, NaN or None where they are missing, and categories.
        y : None
            Not used.

        Returns
        -------
        self : object
            The fitted encoder.
        """
        table = table_of(X, self.categorical_features)
        self.n_features_in_ = len(table.names)
        _check_feature_names(self, X, reset=True)
        self._categorical = table.categorical
        numbers, (categories, self._as_text) = table.numbers(), table.categories()
        self.center_, self.scale_ = _spread(numbers)
        self._missing = np.isnan(numbers).any(axis=0)
        self.edges_ = [_edges(column, max(1, self.n_bins)) for column in numbers.T]
        self._one_hot = None
        if categories.shape[1]:
            frequency = min(self.min_frequency, max(1, len(categories)))
            self._one_hot = OneHotEncoder(
                min_frequency=frequency, handle_unknown="infrequent_if_exist", dtype=np.float32
            ).fit(categories)
        self.categories_ = [] if self._one_hot is None else self._one_hot.categories_
        return self

    @property
    def _n_numbers(self) -> int:
        """How many of the first columns of the result are numbers."""
        return len(self.edges_)

    @property
    def _columns_of_bins(self) -> np.ndarray:
        """Which columns of the result (n_columns,) are bins."""
        before, bins = len(self.edges_) + self._missing.sum(), sum(len(e) - 1 for e in self._binned_edges)
        of_bins = np.zeros(len(self.get_feature_names_out()), dtype=bool)
        of_bins[before : before + bins] = True
        return of_bins

    def _without_bins(self) -> Self:
        """The same, fitted, with ``n_bins=0``."""
        lean = copy(self)
        lean.n_bins, lean.edges_ = 0, [edges[[0, -1]] for edges in self.edges_]
        return lean

    @property
    def _binned_edges(self) -> list:
        return [self.edges_[j] for j in self._binned_numbers]

    @property
    def _binned_numbers(self) -> np.ndarray:
        """Which numbers have bins."""
        return np.flatnonzero([self.n_bins > 1 and len(edges) > 2 for edges in self.edges_])

    def transform(self, X) -> sparse.csr_array:
        """Encode.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            The same columns as in fit.

        Returns
        -------
        Z : CSR array of shape (n_samples, n_columns)
            float32.
        """
        check_is_fitted(self)
        _check_feature_names(self, X, reset=False)
        table = table_of(X, self._categorical, self.n_features_in_)
        encoded = _csr(map(self._numbers_encoded, _pieces(table.numbers())))
        if self._one_hot is None:
            return encoded
        categories, _ = table.categories(self._as_text)
        self._warn_of_strangers(table, categories)
        ones = self._one_hot.transform(categories) * np.float32(self.scale)
        return sparse.csr_array(sparse.hstack([encoded, ones], format="csr"))

    def _warn_of_strangers(self, table: Table, categories: np.ndarray) -> None:
        """Warn of columns of which no category was there in fit, which is a mistake rather than news."""
        places = np.flatnonzero(self._categorical)
        for j, column, known in zip(places, categories.T, self.categories_, strict=True):
            if len(column) >= _ENOUGH_STRANGERS and set(known).isdisjoint(column):
                warnings.warn(
                    f"No value of column {table.names[j]!r} of X was there in fit: it had {known[0]!r} there "
                    f"and has {column[0]!r} now. All rows count as unknown in it.",
                    UserWarning,
                    stacklevel=2,
                )

    def _numbers_encoded(self, numbers: np.ndarray) -> np.ndarray:
        """Scaled clipped numbers and what is missing, and bins (n, columns), float32."""
        missing = np.isnan(numbers)
        known = np.where(missing, self.center_, numbers)
        clipped = _smooth_clip(_measured(known, self.center_, self.scale_), _LIMIT)
        binned = self._binned_numbers
        seen = np.where(missing & self._missing, np.nan, known)[:, binned]  # what was never missing has bins
        bins = _binned(seen, self._binned_edges)
        plain = self.scale * np.hstack([clipped, missing[:, self._missing]])
        return np.hstack([plain, bins]).astype(np.float32)

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of the table, where it had none.

        Returns
        -------
        names : ndarray of str
            Names such as "size", "size_missing", "size_bin3" and "colour_red".
        """
        check_is_fitted(self)
        given = np.asarray(_check_feature_names_in(self, input_features), dtype=object)
        numbers, categories = given[~self._categorical], given[self._categorical]
        names = [*numbers, *(f"{name}_missing" for name in numbers[self._missing])]
        names += _bin_names(numbers[self._binned_numbers], self._binned_edges)
        if self._one_hot is not None:
            names += list(self._one_hot.get_feature_names_out(categories))
        return np.array(names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
