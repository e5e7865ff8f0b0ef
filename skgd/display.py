"""Plots of descents: loss curves, paths over the objective, learning rates, weights against alpha.

The displays follow scikit-learn's conventions: ``from_estimator`` creates and draws a display, ``plot``
draws it again, and ``ax_``, ``figure_`` and the lines can be changed afterwards. matplotlib is imported
when something is drawn.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ._drawing import COLORS, MARKERS, axes_of, log_scale, named, spans, split, transformed
from ._sweep import sweep

__all__ = ["DescentPathDisplay", "LearningRateDisplay", "LossCurveDisplay", "RegularizationPathDisplay"]

_X_LABELS = {"epoch": "epoch", "update": "update", "rows": "rows seen", "seconds": "seconds"}


class LossCurveDisplay:
    """The objective during training, and loss and score on a validation set if there is one.

    Use :meth:`from_estimator` or :meth:`from_estimators`. Solid lines are objectives of the rows trained on,
    with the penalty; dashed lines of the same colour validation losses, without it; dotted lines validation
    scores, on an axis of their own.

    Parameters
    ----------
    x : list of ndarray
        Horizontal positions of the checks of each estimator: epochs, updates, rows or seconds.
    losses : list of ndarray
        The objective at the checks.
    validation_scores : list of ndarray or None
        Validation scores at the checks; None for an estimator whose scores are not drawn.
    names : list of str
        Names of the estimators in the legend.
    x_label : str, default="epoch"
        Label of the horizontal axis.
    validation_losses : list of ndarray or None, default=None
        Validation losses at the checks; None for an estimator without a validation set, or for all.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and the figure of the losses.
    validation_ax_ : matplotlib Axes or None
        The axes of the validation scores, with their own scale on the right.
    lines_, validation_loss_lines_, validation_lines_ : list of matplotlib Line2D
        One line per estimator; one per estimator with a validation set; one per estimator with scores.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor, LossCurveDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> models = [GDRegressor(solver=solver, max_iter=30, tol=None, standardize=True).fit(X, y)
    ...           for solver in ("batch", "minibatch", "sgd")]
    >>> display = LossCurveDisplay.from_estimators(models)
    >>> [line.get_label() for line in display.lines_]
    ["solver='batch'", "solver='minibatch'", "solver='sgd'"]
    """

    def __init__(self, x, losses, validation_scores, names, x_label: str = "epoch", validation_losses=None):
        self.x, self.losses, self.validation_scores = x, losses, validation_scores
        self.names, self.x_label = names, x_label
        self.validation_losses = [None] * len(losses) if validation_losses is None else validation_losses

    @classmethod
    def from_estimator(
        cls, estimator, *, x: str = "epoch", name: str | None = None, scores: bool = False, ax=None
    ):
        """Draw the loss curve of one fitted estimator.

        Parameters
        ----------
        estimator : object
            A fitted estimator of skgd, a Pipeline that ends with one, or a fitted search over one.
        x : {"epoch", "update", "rows", "seconds"}, default="epoch"
            Quantity on the horizontal axis.
        name : str, default=None
            Name in the legend; by default the name of the class.
        scores : bool, default=False
            Whether to draw the validation scores too, on an axis of their own.
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        display : LossCurveDisplay
            The display, already drawn.
        """
        names = None if name is None else [name]
        return cls.from_estimators([estimator], x=x, names=names, scores=scores, ax=ax)

    @classmethod
    def from_estimators(cls, estimators, *, x: str = "epoch", names=None, scores: bool = False, ax=None):
        """Draw the loss curves of several fitted estimators.

        Parameters
        ----------
        estimators : list or dict of name -> estimator
            Fitted estimators of skgd, or Pipelines that end with one.
        x : {"epoch", "update", "rows", "seconds"}, default="epoch"
            Quantity on the horizontal axis; use rows or seconds for a fair comparison of solvers.
        names : list of str, default=None
            Names in the legend; by default made from the parameters that differ.
        scores : bool, default=False
            Whether to draw the validation scores too, on an axis of their own.
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        display : LossCurveDisplay
            The display, already drawn.
        """
        if x not in _X_LABELS:
            raise ValueError(f"x={x!r} must be one of {list(_X_LABELS)}.")
        estimators, names = named(estimators, names)
        for estimator in estimators:
            check_is_fitted(estimator, "history_", msg="%(name)s has no history yet: call fit first.")
        histories = [estimator.history_ for estimator in estimators]
        places = [
            history["epoch"] * estimator._model["rows"] if x == "rows" else history[x]
            for estimator, history in zip(estimators, histories, strict=True)
        ]
        losses = [history["loss"] for history in histories]
        held_out, scored = (
            [history[name] if np.isfinite(history[name]).any() else None for history in histories]
            for name in ("validation_loss", "validation_score")
        )
        scored = scored if scores else [None] * len(scored)
        return cls(places, losses, scored, names, _X_LABELS[x], held_out).plot(ax)

    def plot(self, ax=None):
        """Draw the loss curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.
        """
        self.ax_ = ax = axes_of(ax)
        self.figure_ = ax.figure
        self.lines_: list = []
        self.validation_loss_lines_: list = []
        self.validation_lines_: list = []
        scored = any(score is not None for score in self.validation_scores)
        held_out = any(loss is not None for loss in self.validation_losses)
        self.validation_ax_ = ax.twinx() if scored else None
        alone = len(self.names) == 1 and (held_out or scored)
        for i, name in enumerate(self.names):
            self._plot_one(i, "" if alone else name)
        self._scale()
        ax.set_xlabel(self.x_label)
        ax.set_ylabel("objective, validation loss (dashed)" if held_out else "objective")
        lines, title = self.lines_, None
        if alone:
            lines, title = lines + self.validation_loss_lines_ + self.validation_lines_, self.names[0]
        if self.validation_ax_ is None:
            ax.legend(handles=lines, title=title)
        else:  # on the upper axes, so that no lines are drawn over it
            self.validation_ax_.set_ylabel("validation score (dotted)")
            self.validation_ax_.legend(handles=lines, title=title, loc="center right")
        return self

    def _plot_one(self, i: int, name: str) -> None:
        """The lines of one estimator; of the only one without its name."""
        x = self.x[i]
        style = {"color": COLORS[i % len(COLORS)], "marker": "o" if len(x) == 1 else None}
        self.lines_ += self.ax_.plot(x, self.losses[i], label=name or "objective", **style)
        for values, what, dashes, ax, lines in (
            (self.validation_losses[i], "validation loss", "--", self.ax_, self.validation_loss_lines_),
            (self.validation_scores[i], "validation score", ":", self.validation_ax_, self.validation_lines_),
        ):
            if values is not None and ax is not None:
                lines += ax.plot(x, values, dashes, label=f"{name}, {what}" if name else what, **style)

    def _scale(self) -> None:
        """Log scales where curves differ by factors."""
        ax = self.ax_
        if spans([[x[-1]] for x in self.x], 20):  # curves of very different lengths
            ax.set_xscale("log")
        elif self.x_label != "seconds" and ax.get_xscale() == "linear":
            ax.xaxis.get_major_locator().set_params(integer=True)
        drawn = [values for values in (*self.losses, *self.validation_losses) if values is not None]
        if spans(drawn, 5):
            log_scale(ax, drawn)


class LearningRateDisplay:
    """The objective after one epoch as a function of the learning rate.

    Created by :func:`skgd.learning_rate.find_learning_rate`, which does not draw it, or by
    :meth:`from_estimator`, which does.

    Parameters
    ----------
    rates : ndarray of shape (n_rates,)
        Learning rates in ascending order.
    losses : ndarray of shape (n_rates,)
        The objective after the epoch; infinite if it diverged.
    start : float
        The objective before the epoch.
    stable_limit : float or None, default=None
        The largest stable rate, if there is a formula for it.
    name : str, default=""
        Title of the plot.
    adaptive : bool, default=False
        Whether the optimizer divides its steps by the size of past gradients, as Adam does.

    Attributes
    ----------
    suggestion_ : float
        The rate with the lowest objective among the rates up to the stable limit, if there is a limit:
        above it, losses that cannot overflow may decrease faster at first, but oscillate later. For
        adaptive optimizers the tried rate nearest to a tenth of that rate, since their steps do not shrink
        near an optimum: the rate that is best in the first epoch is too high for the later ones
        (Smith 2018 also starts below the minimum of the curve).
    stable_limit_ : float or None
        The largest stable rate for this data, solver and batch size, if the optimizer is "plain".
    ax_, figure_ : matplotlib Axes and Figure
        The axes and the figure.
    line_ : matplotlib Line2D
        The objectives.
    diverged_ : matplotlib Line2D
        Crosses at the rates that diverged or ended far above the initial objective.

    References
    ----------
    Smith (2018). A disciplined approach to neural network hyper-parameters: part 1. arXiv:1803.09820.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor, LearningRateDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> display = LearningRateDisplay.from_estimator(GDRegressor(standardize=True, random_state=0), X, y)
    >>> 0.01 < display.suggestion_ < display.stable_limit_ < 1
    True
    """

    def __init__(
        self,
        rates,
        losses,
        start: float,
        stable_limit: float | None = None,
        name: str = "",
        adaptive: bool = False,
    ):
        self.rates, self.losses, self.start = np.asarray(rates), np.asarray(losses), start
        self.name = name
        if not np.isfinite(self.losses).any():
            raise ValueError(f"All rates diverged, {self.rates[0]:.3g} too: try lower ones.")
        self.stable_limit_ = None if stable_limit is None else float(stable_limit)
        limit = np.inf if stable_limit is None or self.rates[0] > stable_limit else stable_limit
        candidates = np.where(self.rates <= limit, self.losses, np.inf)
        lowest = np.argmin(candidates if np.isfinite(candidates).any() else self.losses)
        if adaptive:
            lowest = np.argmin(np.abs(np.log(10 * self.rates / self.rates[lowest])))
        self.suggestion_ = float(self.rates[lowest])

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, rates=None, sample_weight=None, max_iter: int | None = None, ax=None
    ):
        """Train with many learning rates and draw the objectives.

        Parameters
        ----------
        estimator : object
            An estimator of skgd, or a Pipeline that ends with one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        rates : array-like of shape (n_rates,), default=None
            Rates to try; by default 40 rates around the automatic rate.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        max_iter : int, default=None
            Epochs for each rate; by default one, or as many as needed for 20 updates.
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        display : LearningRateDisplay
            The display, already drawn.
        """
        return cls._found(estimator, X, y, sample_weight, rates, max_iter).plot(ax)

    @classmethod
    def _found(cls, estimator, X, y, sample_weight, rates, max_iter):
        """The display, not yet drawn."""
        before, last = split(estimator)
        if before is not None:
            X = clone(before).fit_transform(X, y)
        found = sweep(last, X, y, sample_weight, rates, max_iter)
        return cls(found.rates, found.losses, found.start, found.stable, type(last).__name__, found.adaptive)

    def plot(self, ax=None):
        """Draw the objectives.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        display : LearningRateDisplay
            The display itself.
        """
        self.ax_ = ax = axes_of(ax)
        self.figure_ = ax.figure
        low, start = self.losses.min(), self.start
        top = max(start, low) + 0.3 * abs(start - low)
        log = low > 0 and top > 10 * low
        if log:
            top = max(start, low) * (max(start, low) / low) ** 0.15
        worse = ~(self.losses <= top)
        (self.line_,) = ax.plot(
            self.rates, np.where(worse, np.nan, self.losses), "o-", color=COLORS[0], ms=4, label="objective"
        )
        (self.diverged_,) = ax.plot(
            self.rates[worse],
            np.full(worse.sum(), top),
            "x",
            color=COLORS[1],
            label="diverged, or far above the start" if worse.any() else None,
        )
        ax.axhline(start, color="0.5", linestyle=":", label="objective at the start")
        if self.stable_limit_ is not None:
            label = f"largest stable rate {self.stable_limit_:.2g}"
            ax.axvline(self.stable_limit_, color=COLORS[1], linestyle="--", label=label)
        label = f"suggestion {self.suggestion_:.2g}"
        at = self.losses[np.searchsorted(self.rates, self.suggestion_)]
        ax.plot(self.suggestion_, at, "*", color=COLORS[2], ms=16, zorder=3, label=label)
        ax.set_xscale("log")
        if log:
            log_scale(ax, [self.losses[~worse]])
        ax.set_xlabel("learning rate")
        ax.set_ylabel("objective after the epochs tried")
        ax.set_title(self.name)
        ax.legend()
        return self


class DescentPathDisplay:
    """Paths of descents over the contours of their objective.

    Use :meth:`from_estimator` or :meth:`from_estimators`, with estimators that were fitted with
    ``record_path=True``.

    Parameters
    ----------
    paths : list of ndarray of shape (n_checks + 1, 2)
        Points of each path in the plane, starting with the initial parameters.
    names : list of str
        Names of the estimators in the legend.
    grid : tuple of ndarray (a, b, values)
        Coordinates (n,) and (m,), and the objective (m, n) at these points.
    optimum : ndarray of shape (2,)
        The point with the lowest objective.
    labels : tuple of two str
        Labels of the axes.
    optimum_name : str, default="optimum"
        Name of the optimum in the legend; for perceptrons it is only the lowest end of a path.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and the figure.
    contours_ : matplotlib QuadContourSet
        The contours of the objective.
    lines_ : list of matplotlib Line2D
        The paths.
    optimum_ : matplotlib Line2D
        The star at the optimum.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import DescentPathDisplay, GDRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X = 20 * X[:, [2, 8]]
    >>> models = [GDRegressor(solver=solver, record_path=True, check_every=check, random_state=0).fit(X, y)
    ...           for solver, check in (("batch", 1), ("sgd", 10))]
    >>> display = DescentPathDisplay.from_estimators(models, X, y, parameters=(0, 1), resolution=20)
    >>> [len(path) == len(model.path_) for path, model in zip(display.paths, models)]
    [True, True]
    """

    def __init__(self, paths, names, grid, optimum, labels, optimum_name: str = "optimum"):
        self.paths, self.names, self.grid = paths, names, grid
        self.optimum, self.labels, self.optimum_name = optimum, labels, optimum_name

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, sample_weight=None, parameters=None, resolution: int = 60, name=None, ax=None
    ):
        """Draw the path of one fitted estimator.

        Parameters
        ----------
        estimator : object
            An estimator fitted with ``record_path=True``, a fitted Pipeline that ends with one, or a
            fitted search over one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data of the objective, the same as for the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        parameters : pair of int or str, default=None
            The two parameters to draw: their indices in ``path_``, or names of features and
            "intercept"; the other parameters are fixed at the optimum. By default, the two parameters
            that change, or, if more change, the plane of the first two principal directions of the paths.
        resolution : int, default=60
            Number of grid points along each axis.
        name : str, default=None
            Name in the legend; by default the name of the class.
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        display : DescentPathDisplay
            The display, already drawn.
        """
        names = None if name is None else [name]
        options = {"sample_weight": sample_weight, "parameters": parameters, "resolution": resolution}
        return cls.from_estimators([estimator], X, y, names=names, ax=ax, **options)

    @classmethod
    def from_estimators(
        cls,
        estimators,
        X,
        y,
        *,
        sample_weight=None,
        parameters=None,
        resolution: int = 60,
        names=None,
        ax=None,
    ):
        """Draw the paths of several fitted estimators over the objective of the first.

        Parameters
        ----------
        estimators : list or dict of name -> estimator
            Estimators fitted with ``record_path=True`` on the same data.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data of the objective, the same as for the fits.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        parameters : pair of int or str, default=None
            As in :meth:`from_estimator`.
        resolution : int, default=60
            Number of grid points along each axis.
        names : list of str, default=None
            Names in the legend; by default made from the parameters that differ.
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        display : DescentPathDisplay
            The display, already drawn.
        """
        first = next(iter(estimators.values() if isinstance(estimators, dict) else estimators), None)
        estimators, names = named(estimators, names)
        for estimator in estimators:
            message = "%(name)s has no path: fit it with record_path=True."
            check_is_fitted(estimator, "path_", msg=message)
        before = split(first)[0]
        X = X if before is None else before.transform(X)
        from ._landscape import landscape_of  # imported here to keep `import skgd` fast

        land, paths = landscape_of(estimators, X, y, sample_weight, parameters)
        optimum = land.coordinates(land.optimum[None])[0]
        grid = land.grid(np.vstack([*paths, optimum[None]]), resolution)
        return cls(paths, names, grid, optimum, land.labels, land.optimum_name).plot(ax)

    def plot(self, ax=None):
        """Draw the paths.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        display : DescentPathDisplay
            The display itself.
        """
        self.ax_ = ax = axes_of(ax)
        self.figure_ = ax.figure
        a, b, values = self.grid
        low = np.nanmin(values[np.isfinite(values)])
        height = np.nanquantile(np.where(np.isfinite(values), values, np.nan), 0.97) - low
        levels = low + max(height, 1e-12 * (1 + abs(low))) * np.linspace(0, 1, 19)[1:] ** 2
        self.contours_ = ax.contour(a, b, values, levels=levels, cmap="Greys_r", linewidths=0.8, alpha=0.5)
        self.contours_.set_clim(levels[0], 1.5 * levels[-1] - 0.5 * levels[0])  # visible on white
        self.lines_ = []
        for i, (path, name) in enumerate(zip(self.paths, self.names, strict=True)):
            color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
            style = {"lw": 1.2, "ms": 3 if len(path) < 200 else 0}
            self.lines_ += ax.plot(*path.T, color=color, marker=marker, label=name, **style)
            ax.plot(
                *path[0],
                "o",
                mfc="none",
                mec="black",
                ms=9,
                label=None if i < len(self.paths) - 1 else "start",
            )
        (self.optimum_,) = ax.plot(
            *self.optimum, "*", color="#F0E442", mec="black", ms=15, zorder=4, label=self.optimum_name
        )
        ax.set_xlim(a[0], a[-1])
        ax.set_ylim(b[0], b[-1])
        ax.set_xlabel(self.labels[0])
        ax.set_ylabel(self.labels[1])
        ax.legend()
        return self

    def animate(self, *, frames: int = 100, interval: float = 50, ax=None):
        """Animate the paths, which grow from their start.

        Parameters
        ----------
        frames : int, default=100
            Maximum number of frames; longer paths skip some of their points.
        interval : float, default=50
            Milliseconds between frames.
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        animation : matplotlib.animation.FuncAnimation
            The animation. Keep a reference to it; use ``animation.save(...)`` to write it to a file and
            ``animation.to_jshtml()`` to play it in a notebook.
        """
        self.plot(ax)
        from matplotlib.animation import FuncAnimation

        longest = max(map(len, self.paths))
        ends = np.unique(np.linspace(1, longest, min(frames, longest)).round().astype(int))

        def draw(end):
            for line, path in zip(self.lines_, self.paths, strict=True):
                line.set_data(*path[:end].T)
            return self.lines_

        return FuncAnimation(self.figure_, draw, frames=ends, interval=interval)


class RegularizationPathDisplay:
    """The weights of a regularisation path against alpha, on a log scale.

    Use :meth:`from_estimator` or :meth:`from_path`. The features with the largest weights at the smallest
    alpha are coloured and named, the others grey.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty.
    weights : ndarray of shape (n_alphas, n_features)
        What is drawn of each feature.
    names : sequence of str
        Names of the features.
    alpha : float or None, default=None
        Where to draw a vertical line.
    n_labels : int, default=6
        Number of features that are named in the legend.
    y_label : str, default="weight"
        Label of the vertical axis.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and the figure.
    lines_ : list of matplotlib Line2D
        One line per feature, in the order of the features.
    alpha_line_ : matplotlib Line2D or None
        The vertical line.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor, RegularizationPathDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> display = RegularizationPathDisplay.from_estimator(GDRegressor(penalty="l1"), X, y, n_labels=3)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['s5', 's1', 'bmi']
    """

    def __init__(self, alphas, weights, names, alpha=None, n_labels: int = 6, y_label: str = "weight"):
        self.alphas, self.weights, self.names = alphas, weights, names
        self.alpha, self.n_labels, self.y_label = alpha, n_labels, y_label

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        alphas=None,
        n_alphas: int = 100,
        eps: float = 1e-3,
        sample_weight=None,
        alpha: float | None = None,
        output: int | None = None,
        n_labels: int = 6,
        ax=None,
    ):
        """Find the path of an estimator and draw it.

        Parameters
        ----------
        estimator : object
            A :class:`~skgd.GDRegressor` or :class:`~skgd.GDClassifier`, fitted or not, a fitted search over
            one, or a Pipeline that ends with either. It stays as it is.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        alphas, n_alphas, eps, sample_weight
            As in :meth:`skgd.GDRegressor.path`.
        alpha : float, default=None
            Where to draw a vertical line; by default at the alpha that a search has found.
        output, n_labels, ax
            As in :meth:`from_path`.

        Returns
        -------
        display : RegularizationPathDisplay
            The display, already drawn.
        """
        before, last = split(estimator)
        model = split(last)[1]  # of a search at the end of a pipeline, what it found
        X, names = transformed(before, X, y)
        path = model.path(X, y, alphas=alphas, n_alphas=n_alphas, eps=eps, sample_weight=sample_weight)
        if alpha is None and (model is not last or hasattr(estimator, "best_estimator_")):
            alpha = 1.0 if np.ndim(model.alpha) else model.alpha  # an array is multiplied by the alphas
        return cls.from_path(path, alpha=alpha, output=output, names=names, n_labels=n_labels, ax=ax)

    @classmethod
    def from_path(
        cls, path, *, alpha: float | None = None, output: int | None = None, names=None, n_labels=6, ax=None
    ):
        """Draw a path.

        Parameters
        ----------
        path : RegularizationPath
            What :meth:`skgd.GDRegressor.path` and :meth:`skgd.GDClassifier.path` return.
        alpha : float, default=None
            Where to draw a vertical line; by default nowhere.
        output : int, default=None
            Of several outputs or classes, the one whose weights are drawn. By default the l2 norms of the
            weights of each feature over the outputs.
        names : sequence of str, default=None
            Names of the features; by default those of the path.
        n_labels : int, default=6
            Number of features that are named in the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        display : RegularizationPathDisplay
            The display, already drawn.
        """
        weights, y_label = path.coef, "weight"
        if weights.ndim == 3 and output is not None:
            weights, y_label = weights[:, output], f"weight (output {output})"
        elif weights.ndim == 3:
            weights, y_label = np.linalg.norm(weights, axis=1), "norm of the weights over the outputs"
        names = path.feature_names if names is None else names
        return cls(path.alphas, weights, names, alpha, n_labels, y_label).plot(ax)

    def plot(self, ax=None):
        """Draw the path.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new axes.

        Returns
        -------
        display : RegularizationPathDisplay
            The display itself.
        """
        self.ax_ = ax = axes_of(ax)
        self.figure_ = ax.figure
        ax.axhline(0, color="0.4", lw=0.8)
        style = {"color": "0.7", "lw": 0.8, "zorder": 1}
        self.lines_ = ax.plot(self.alphas, self.weights, **style)
        largest = np.argsort(-np.abs(self.weights[-1]), kind="stable")[: self.n_labels]
        for place, feature in enumerate(largest):
            color, dashes = COLORS[place % len(COLORS)], ("-", "--", ":")[place // len(COLORS) % 3]
            label = str(self.names[feature])
            self.lines_[feature].set(color=color, ls=dashes, lw=1.5, zorder=2, label=label)
        ax.set(xscale="log", xlabel="alpha", ylabel=self.y_label)
        style = {"color": "black", "ls": "--", "lw": 1, "label": f"alpha {self.alpha or 0:.3g}"}
        self.alpha_line_ = None if self.alpha is None else ax.axvline(self.alpha, **style)
        marked = [] if self.alpha_line_ is None else [self.alpha_line_]
        if named_lines := [self.lines_[feature] for feature in largest] + marked:
            ax.legend(handles=named_lines)
        return self
