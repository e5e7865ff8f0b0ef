"""Checkpoints of fits: files from which a fit goes on that was ended from outside."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from ._fingerprint import digest, marks_of_parameters, marks_of_rows
from ._options import Options
from ._packing import read_tree, with_descents, with_states, write_tree
from ._training_state import Keeper, onward

__all__ = ["Checkpoint", "Keeping", "Session"]

_MAY_DIFFER = ("verbose", "n_jobs", "max_time")  # parameters that do not change what a fit ends with
_OF_A_CALL = (*_MAY_DIFFER, "max_iter", "random_state", "record_path", "warm_start")
_FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A file for ``fit(..., checkpoint=)`` or ``fit_blocks`` from which a fit that was killed goes on.

    The file is written at checks (``check_every``): at the first that is ``every`` seconds after the
    start or the last writing, and at the end. It is replaced as a whole (a new file, ``path`` + ".part",
    is flushed to the disk and renamed), so that there is a whole one at any moment, and it holds arrays
    and numbers, nothing that is executed. ``fit`` with the same arguments then goes on from the last
    writing, and ends with the same model, history and ``stop_reason_``, bit for bit (but for
    ``history_["seconds"]``, which count the time of all calls). The seed that ``random_state=None`` or a
    generator drew is in the file.

    A fit that has ended leaves its file, from which the next ``fit`` has its result without training:
    delete it when the model is saved. After an end by ``max_time``, a call with more time goes on. The
    parameters ``verbose``, ``n_jobs`` and ``max_time`` may change between calls; other parameters,
    another version of skgd and rows that differ (in shape, type, or in a sample of their values) are an
    error (``verbose`` and an end by ``max_time`` may change the last digits of objectives in
    ``history_``). Callbacks are told of the checks that are still to come.

    A path in place of a ``Checkpoint`` stands for ``Checkpoint(path)``.

    Parameters
    ----------
    path : str or os.PathLike
        Where to write. Of several networks (``n_members``) each has a file of its own beside it:
        ``path`` + ".0" and so on.
    every : float, default=1.0
        Seconds between two writings at least; 0 writes at every check.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import Checkpoint, GDRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "diabetes.ckpt"
    >>> model = GDRegressor(random_state=0).fit(X, y, checkpoint=Checkpoint(path, every=0))
    >>> again = GDRegressor(random_state=0).fit(X, y, checkpoint=path)  # has ended: nothing is left to do
    >>> bool((again.coef_ == model.coef_).all()), again.n_iter_ == model.n_iter_
    (True, True)
    """

    path: str | os.PathLike
    every: float = 1.0

    def __post_init__(self):
        if not isinstance(self.path, str | os.PathLike):
            raise TypeError(f"checkpoint={self.path!r} must be a path or a skgd.Checkpoint.")
        if not isinstance(self.every, Real) or not self.every >= 0:
            raise ValueError(f"every={self.every!r} of Checkpoint must be a number of seconds, 0 or more.")


class Session:
    """The checkpoint of one call to fit: what it found, and what it writes.

    The fit may have several trainings, each with a name: the one with rows held out and the refit.
    """

    def __init__(self, checkpoint: Checkpoint | str | os.PathLike, estimator):
        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        self.path = Path(self.checkpoint.path)
        self.seed: int | None = None
        self.trainings: dict[str, dict] = {}  # {"marks", "state"} of each
        self.marks = {"version": version("skgd"), **marks_of_parameters(estimator, _MAY_DIFFER)}
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"checkpoint={str(self.path)!r}: there is no such folder.")
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        try:
            found = read_tree(self.path)
        except ValueError as error:
            raise ValueError(f"checkpoint={str(self.path)!r} is no checkpoint: {error}") from error
        if found.get("format") != _FORMAT:
            raise ValueError(f"checkpoint={str(self.path)!r} has a format that this version does not read.")
        self._compare(found["marks"], self.marks, "{} was {} and is {}")
        self.seed, self.trainings = found["seed"], found["trainings"]

    def _compare(self, before: dict, now: dict, message: str) -> None:
        for name in [*before, *now]:
            then, here = before.get(name), now.get(name)
            if then != here:
                raise ValueError(
                    f"checkpoint={str(self.path)!r} is of another fit: {message.format(name, then, here)}. "
                    f"Call fit as before, delete the file, or give another path."
                )

    def seeded(self, options: Options, random_state: Any) -> Options:
        """The options with the seed that was drawn when the fit began."""
        if self.seed is None or isinstance(random_state, Integral):
            self.seed = options.seed
        return replace(options, seed=self.seed)

    def write(self) -> None:
        found = {"marks": self.marks, "seed": self.seed, "trainings": self.trainings}
        write_tree(self.path, {"format": _FORMAT, **found})

    def of_member(self, k: int) -> Checkpoint:
        """The checkpoint of one of several networks."""
        return replace(self.checkpoint, path=f"{os.fspath(self.checkpoint.path)}.{k}")

    def keeper(self, name: str, marks: dict, remembers: bool) -> FileKeeper:
        """What keeps a training of this name, on what has these marks."""
        found = self.trainings.get(name)
        if found is not None:
            self._compare(found["marks"], marks, "{} has changed")
        return FileKeeper(self, name, marks, None if found is None else found["state"], remembers)


class FileKeeper(Keeper):
    """Writes states to the file of a session."""

    def __init__(self, session: Session, name: str, marks: dict, saved: dict | None, remembers: bool):
        super().__init__(saved, remembers)
        self.session, self.name, self.marks = session, name, marks
        self.written = time.perf_counter()

    @property
    def is_due(self):
        return time.perf_counter() - self.written >= self.session.checkpoint.every

    def keep(self, state):
        self.session.trainings[self.name] = {"marks": self.marks, "state": state}
        self.session.write()
        self.written = time.perf_counter()

    def close(self, state):
        super().close(state)
        self.keep(self.last or state())


class Keeping:
    """What is kept of a call to fit, in a file or for the next call, and what that call goes on from.

    Under automatic rates, a warm start goes on where the last call was when its epochs were over, rates and
    stopping rule included, if rows and parameters have stayed the same.
    """

    def __init__(self, estimator, session: Session | None, rows, starts_anew: bool):
        self.session, self.of_calls = session, estimator.warm_start and not estimator.refit
        self.rows = marks_of_rows(rows) if session is not None or self.of_calls else {}
        self.marks, self.before = {}, None  # of the call; the state that it goes on from
        if self.of_calls:
            self.marks = {**self.rows, **marks_of_parameters(estimator, _OF_A_CALL)}
            kept = None if starts_anew else vars(estimator).get("_kept")
            if kept is not None and kept["marks"] == self.marks:
                self.before = onward(with_descents(kept["state"]))

    def keeper(self, name: str, theta: np.ndarray) -> Keeper:
        """What keeps a training, which starts at theta unless it goes on."""
        if self.session is None:
            return Keeper(self.before, self.of_calls)
        theta = theta if self.before is None else self.before["descent"].theta
        keeper = self.session.keeper(name, {**self.rows, "start": digest(theta)}, self.of_calls)
        keeper.saved = keeper.saved or self.before
        return keeper

    def found(self, keeper: Keeper, rates) -> dict:
        """What the next call goes on from, as an attribute of the estimator."""
        if not self.of_calls or keeper.last is None or rates.given or rates.falls:
            return {}
        return {"_kept": {"marks": self.marks, "state": with_states(keeper.last)}}
