"""Learning rates from the data: the largest stable one, and what "auto" makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._network import shares
from ._problem import Problem
from ._quadratic import FEW_FEATURES, has_few_features
from ._validation import check_largest

_TINY = float(np.finfo(float).tiny)
_CHUNK = 4096  # rows of a product with X at a time
_SAMPLE = 20_000  # rows from which the largest eigenvalue is taken where a sample will do
_SMALL_SAMPLE = 2_000  # the same where the eigenvalue decides little of the rate
_LITTLE = 0.2  # of R2 / b, up to which it does
_GROWTH = 0.01  # of an eigenvalue, in one more iteration, that is no longer worth it
_BLOCK = 64  # random directions of a search that may read X twice only


@dataclass
class Scale:
    """What the data say about step sizes (coordinates of the descent, intercept included).

    Attributes
    ----------
    n : float
        Rows; infinite for a stream.
    row : float
        R2 = sum |x|^4 / sum |x|^2 over rows; |x|^2 of a row times its weight, as its updates are.
    longest : float
        The largest |x|^2 of a row.
    largest : float
        Largest eigenvalue of X'X / n.
    curvature : float
        Scale of the loss's second derivative.
    penalty : float
        Largest second derivative of the penalty.
    mean : float
        Mean |x|^2 of the rows, which is the sum of the eigenvalues of X'X / n.
    smallest : float
        Smallest eigenvalue of X'X / n; not a number where only the largest was looked for.
    mean_inverse_curvature : float
        Mean over the eigenvalues of the objective's curvature of one over them; infinite where they are
        not known. Divided by a rate it is a number of updates: the time after which the start is forgotten.
    """

    n: float
    row: float
    longest: float
    largest: float
    curvature: float
    penalty: float
    mean: float = np.nan
    smallest: float = np.nan
    mean_inverse_curvature: float = np.inf

    def largest_stable(self, batch_size: int) -> float:
        """2 / (c [(1 - 1/b) lambda_max + R2 / b] + alpha); all rows (b = n) meet lambda_max alone."""
        b = np.inf if batch_size >= max(self.n, 2) else float(batch_size)  # one row alone: R2 is lambda_max
        data = self.curvature * ((1 - 1 / b) * self.largest + self.row / b)
        return 2.0 / max(data + self.penalty, _TINY)

    def automatic_rate(self, batch_size: int) -> float:
        """Half the largest stable rate, and no row overshoots its own target more than fifteenfold.

        One where there is no curvature at all, as with features that are all zero: any rate is stable.
        """
        if not self.curvature * max(self.largest, self.row) + self.penalty > _TINY:
            return 1.0
        rate = self.largest_stable(batch_size) / 2
        if batch_size >= self.n or not self.longest * self.curvature > 0:
            return rate
        return min(rate, 16.0 * batch_size / (self.curvature * self.longest))

    def horizon(self, batch_size: int) -> float:
        """Updates for which the automatic rate can stay: after them noise is most of what is left.

        The more rows an update has, the smaller is its noise beside its rate, and the later that is.
        """
        if self.mean_inverse_curvature == np.inf:
            return np.inf
        noise_reduction = 1 + (batch_size - 1) * self.largest / self.row if self.row > 0 else 1.0
        rate = max(self.automatic_rate(batch_size), _TINY)
        return 1.25 * noise_reduction * self.mean_inverse_curvature / rate

    def critical_batch_size(self) -> float:
        """R2 / lambda_max + 1: there the noise of single rows has lost half its say in the stable rate."""
        return self.row / self.largest + 1 if self.largest > 0 else 1.0

    def condition(self, parameters: int) -> float:
        """Largest over smallest curvature; where the smallest is not known, over the mean: a lower bound."""
        smallest = self.mean / parameters if np.isnan(self.smallest) else max(self.smallest, 0.0)
        low = self.curvature * smallest + self.penalty
        high = self.curvature * self.largest + self.penalty
        return high / low if low > 1e-15 * high else np.inf


def eigenvalues(
    problem: Problem, threads: int = 1, few_passes: bool = False, beside: float = 0.0
) -> tuple[float, float]:
    """Largest and, for few features, smallest eigenvalue of X'X / n.

    `few_passes`: at the cost of reading X twice at most. `beside` is what the largest is added to
    afterwards: beside a large number it need not be known well.
    """
    if has_few_features(problem.design):
        values = problem.spectrum
        return float(values[-1]), float(values[0])
    found = _largest_by_blocks(problem) if few_passes else _largest_by_lanczos(problem, threads, beside)
    return found, np.nan


def _largest_by_lanczos(problem: Problem, threads: int, beside: float = 0.0, iterations: int = 12) -> float:
    """Lanczos' method from a random direction, at a pass over X for each iteration.

    The largest eigenvalue on the directions seen so far grows towards that of X'X / n; it ends where the
    growth is a hundredth of it or less, on random and on real data after 4 to 8 passes.
    """
    squared = problem.with_squared_loss()
    start = squared.zeros()
    start[:, :1] = _random_directions(problem, len(start), 1)
    if not problem.fit_intercept:
        start[-1] = 0
    basis, products, value = [start / np.linalg.norm(start)], [], 0.0
    for _ in range(min(iterations, problem.d + problem.fit_intercept)):
        products.append(squared.loss_gradient(basis[-1], threads)[:, 0].astype(float))
        Q = np.column_stack([direction[:, 0] for direction in basis]).astype(float)
        grown = float(np.linalg.eigvalsh(Q.T @ np.column_stack(products))[-1])
        if not np.isfinite(grown):
            return np.inf
        rest = products[-1] - Q @ (Q.T @ products[-1])
        rest -= Q @ (Q.T @ rest)
        length = float(np.linalg.norm(rest))
        enough = grown - value <= _GROWTH * (grown + beside) and len(basis) > 1
        if enough or not length > 1e-6 * grown:
            return max(value, grown)
        value = grown
        basis.append((rest / length)[:, None].astype(problem.dtype))
    return value


def _largest_by_blocks(problem: Problem) -> float:
    """Two steps of a block Krylov method from random directions (Musco & Musco 2015): two passes over X.

    |A Q| over all directions seen, which weighs eigenvalues higher than the Rayleigh quotient does.
    """
    size = problem.d + problem.fit_intercept
    block = min(_BLOCK, size)
    first = np.linalg.qr(_random_directions(problem, size, block))[0]
    seen = _times_second_moments(problem, first)
    basis = np.linalg.qr(np.hstack([first, seen]))[0][:, block : min(size, 2 * block)]
    seen = np.hstack([seen, _times_second_moments(problem, basis)])
    if not np.isfinite(seen).all():
        return np.inf
    return float(np.linalg.eigvalsh(seen.T @ seen)[-1] ** 0.5)


def _random_directions(problem: Problem, size: int, count: int) -> np.ndarray:
    """Standard normal numbers (size, count), the same for a feature in whatever order the design has them."""
    found = np.random.RandomState(0).standard_normal((size, count))
    if (features := problem.design.features) is not None:
        found[: problem.d] = found[features.ranks()]
    return found


def _times_second_moments(problem: Problem, V: np.ndarray) -> np.ndarray:
    """X'X V / n in the coordinates of the problem, by chunks of rows."""
    d, weight, standard = problem.d, problem.targets.weight, problem.standard
    features, constant = V[:d], V[d:].sum(axis=0)  # what the intercept's column of ones adds
    if standard is not None:
        features = features / standard.scale[:, None]
        constant = constant - standard.center @ features
    features = features.astype(problem.dtype)
    total, ones = np.zeros((d, V.shape[1])), np.zeros(V.shape[1])
    for part, rows in problem.design.blocks(_CHUNK):
        scores = rows @ features + constant.astype(problem.dtype)
        if weight is not None:
            scores *= weight[part, None]
        total += rows.T @ scores
        ones += scores.sum(axis=0, dtype=float)
    if standard is not None:
        total = (total - np.outer(standard.center, ones)) / standard.scale[:, None]
    return np.vstack([total, ones[None]][: 1 + problem.fit_intercept]) / problem.total_weight


def scale_of(
    problem: Problem, batch_size: int, threads: int = 1, few_passes: bool = False, at_best: bool = False
) -> Scale:
    """The Scale of a problem for updates of `batch_size` rows; `few_passes`: in three passes over X;
    `at_best`: with the curvature near the best constant."""
    first, second, longest = problem.row_moments()
    if not np.isfinite(first):
        check_largest(problem.design.X)
    row = second / first if first > 0 else 0.0
    row = min(row, longest)  # which bounds it, where the fourth powers overflow
    largest, smallest = 0.0, np.nan
    if batch_size > 1 and problem.total_weight > 0:
        unit = problem.total_weight / problem.n  # updates divide by rows, not by weights
        values = _eigenvalues_for(problem, batch_size, row / batch_size / unit, threads, few_passes)
        largest, smallest = (unit * value for value in values)
    curvature = curvature_in_units(problem) if at_best else problem.curvature()
    mean, penalty = first / problem.n, _penalty(problem)
    noisy = batch_size < problem.n and not few_passes
    inverse = _mean_inverse_curvature(problem, curvature, penalty) if noisy else np.inf
    return Scale(problem.n, row, longest, largest, curvature, penalty, mean, smallest, inverse)


def _mean_inverse_curvature(problem: Problem, curvature: float, penalty: float) -> float:
    """Mean over eigenvalues of one over the curvature there, from some of the rows; for few features."""
    if problem.d > FEW_FEATURES:
        return np.inf
    problem = _sample(problem, max(FEW_FEATURES * 16, 16 * problem.d))
    if not problem.total_weight > 0:  # none of these rows counts
        return np.inf
    if problem.penalty.factors is None:
        values = curvature * np.maximum(problem.spectrum, 0) + penalty
    else:
        values = _curvatures(problem, curvature)
    return float(np.mean(1 / values)) if values[0] > 1e-12 * values[-1] else np.inf


def _curvatures(problem: Problem, curvature: float) -> np.ndarray:
    """Eigenvalues of the curvature of the objective, where features have penalties of their own; rising."""
    H = curvature * problem.second_moments() / problem.total_weight
    H[np.arange(problem.d), np.arange(problem.d)] += _penalty_of_features(problem)
    return np.maximum(np.linalg.eigvalsh(H), 0)


def scale_of_stream(problem: Problem, stream: dict) -> Scale:
    """The Scale of a stream after some more of its rows; `stream` keeps the sums from call to call.

    The largest eigenvalue is bounded by the mean of |x|^2; rows larger than those before count at once.
    """
    first, second, longest = problem.row_moments()
    curvature = curvature_of_stream(problem, stream)
    for name, value in (
        ("rows", problem.n),
        ("weight", problem.total_weight),
        ("first", first),
        ("second", second),
        ("curvature", curvature * problem.total_weight),
    ):
        stream[name] = stream.get(name, 0.0) + value
    row = max(stream["second"] / stream["first"], second / first) if first > 0 else 0.0
    weight = stream["weight"] or 1.0
    stream["longest"] = max(stream.get("longest", 0.0), longest)
    return Scale(
        np.inf,
        row,
        stream["longest"],
        stream["first"] / stream["rows"],
        stream["curvature"] / weight,
        _penalty(problem),
    )


def curvature_in_units(problem: Problem) -> float:
    """Scale of the second derivative of the loss, where a descent starts at the best constant if it can."""
    targets = problem.targets
    if not problem.fit_intercept or targets.offset is not None:
        return problem.curvature()
    return problem.loss._curvature_in_units(targets.y, targets.weight)


def curvature_of_stream(problem: Problem, stream: dict) -> float:
    """The same on rows of a stream, which began at the units of y that its first rows told of."""
    if "units" not in stream:
        return problem.curvature()
    return problem.loss._curvature_in_units(problem.targets.y, problem.targets.weight, stream["units"])


def _penalty(problem: Problem) -> float:
    """Largest second derivative of the penalty, in the coordinates of the descent."""
    strongest = _penalty_of_features(problem)
    return strongest if isinstance(strongest, float) else float(np.max(strongest, initial=0.0))


def _penalty_of_features(problem: Problem) -> np.ndarray | float:
    """Second derivatives of the penalty, in the coordinates of the descent: (d,), or one for all features."""
    l2 = problem.penalty.l2_of_features
    return l2 if problem.standard is None else l2 / problem.standard.scale**2.0


def _eigenvalues_for(
    problem: Problem, batch_size: int, noise: float, threads: int, few_passes: bool
) -> tuple[float, float]:
    """Largest and smallest eigenvalue, from a sample of the rows where updates see few of very many.

    The rate depends on the largest eigenvalue plus the `noise` R2 / b of single rows. Beside a large R2 / b
    few rows are enough: they give too large an eigenvalue, which lowers the rate by some percent at most.
    """
    if batch_size * 4 > problem.n:
        return eigenvalues(problem, threads, few_passes)
    if problem.d > FEW_FEATURES and problem.n > 2 * _SMALL_SAMPLE and not few_passes:
        found = eigenvalues(_sample(problem, _SMALL_SAMPLE), threads, beside=noise)
        if found[0] <= _LITTLE * noise:
            return found
    return eigenvalues(_sample(problem, _SAMPLE), threads, few_passes, beside=noise)


def _sample(problem: Problem, rows: int) -> Problem:
    """The problem on so many of its rows, where it has more than twice as many."""
    return problem if problem.n <= 2 * rows else problem.sample(rows)


def factors_of(problem: Problem) -> np.ndarray | None:
    """The factor of the learning rate of each parameter of a problem; None where all are one."""
    network = problem.network
    if network is None or not (network.core_rates(problem.d) or network.features):
        return None
    factors = np.ones_like(problem.zeros())  # padding included
    blocks, rates, of_features = problem.blocks(factors), network.rates, (1.0, 1.0)
    if network.shared is not None:
        for block, (runs, *_) in zip(blocks, network.core_rates(problem.d), strict=False):
            block[:-1] = runs[0][1] if runs else 1.0
    if rates is not None:
        if network.shared is None:
            rates.fill(blocks)
        of_features = rates.of_features
        for share in shares(factors, problem.layers):
            share[:] = rates.activations
    if network.features is not None:
        network.features.fill_rates(blocks[0], problem.d, *of_features)
    return factors


def sharpness(problem: Problem, theta: np.ndarray, batch_size: int, iterations: int = 12) -> float:
    """Largest eigenvalue (in size) of the Hessian at theta that updates of `batch_size` rows see.

    Power iterations on differences of gradients; the mean over a few batches, as a batch's own largest
    eigenvalue is what limits its step. Under factors D of the rates it is that of D^(1/2) H D^(1/2).
    """
    batches = [problem] if batch_size >= problem.n else _batches(problem, batch_size)
    return float(np.mean([_sharpness(batch, theta, iterations) for batch in batches]))


def _batches(problem: Problem, batch_size: int, count: int = 8) -> list[Problem]:
    rng = np.random.RandomState(0)
    size = min(batch_size, problem.n)
    return [problem.part(np.sort(rng.choice(problem.n, size, replace=False))) for _ in range(count)]


def _sharpness(problem: Problem, theta: np.ndarray, iterations: int) -> float:
    factors = factors_of(problem)
    root = 1.0 if factors is None else np.sqrt(factors)

    def gradient(at):
        return root * (problem.loss_gradient(at).astype(np.float64) + problem.penalty.l2 * at)

    start = gradient(theta)
    v = np.random.RandomState(0).standard_normal(theta.shape)
    used = np.zeros_like(theta)
    for block in problem.blocks(used):
        block[:] = 1
    length = (1e-5 if theta.dtype == np.float64 else 1e-2) * (1 + float(np.linalg.norm(theta)))
    value = 0.0
    for _ in range(iterations):
        v *= used * (length / max(float(np.linalg.norm(v * used)), _TINY))
        v = gradient((theta + root * v).astype(theta.dtype)) - start
        grown = float(np.linalg.norm(v)) / length
        if not np.isfinite(grown) or grown == 0:
            break
        if abs(grown - value) <= 1e-2 * grown:
            return grown
        value = grown
    return value
