"""Progress of a fit (``verbose``): a rewritten line in a terminal, a bar in a notebook, or log lines."""

from __future__ import annotations

import html
import math
import multiprocessing
import os
import re
import shutil
import sys
import threading
import time

from ._training import Watcher

__all__ = ["progress_of"]

_WIDE = 140  # terminals with at least this many columns get full labels and a longer bar
_INCOMPLETE = ("error", "interrupted")  # stop reasons that leave the bar where it was


def progress_of(verbose: int, max_iter: int) -> Log:
    """The display that suits the standard error; nothing is written to the standard output."""
    if verbose > 1:
        return Log(max_iter, pause=0.0)
    alone = threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None
    if alone and _in_notebook():
        return Notebook(max_iter)
    if alone and sys.stderr is not None and sys.stderr.isatty():
        return Terminal(max_iter)
    return Log(max_iter)


def _in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel; found without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class Log(Watcher):
    """Whole lines: at most one every `pause` seconds, and one at the end."""

    pause = 2.0
    at_once = False  # whether to show the start, before the first epoch has ended
    base = None  # the base learning rate, once it is known

    def __init__(self, max_iter: int, pause: float | None = None, clock=time.perf_counter):
        self.max_iter, self.clock = max_iter, clock
        self.pause = self.pause if pause is None else pause
        self.began = clock()
        self.due = self.began + (0.0 if self.at_once else self.pause)
        self.shown = False

    def begin(self, record, descent) -> None:
        if self.pause:  # without a pause, every check is shown and nothing else
            self._look(record.history, record.place)

    def check(self, record, descent) -> bool:
        self.base = getattr(descent, "rate", None)
        self._look(record.history, record.history["epoch"][-1])
        return False

    def close(self, record) -> None:
        if record.history["epoch"] or self.shown:
            seconds = _duration(self.clock() - self.began)
            epoch = record.history["epoch"][-1] if record.history["epoch"] else record.place
            end = f"{seconds}, stopped: {record.stop_reason}"
            share = epoch / self.max_iter if record.stop_reason in _INCOMPLETE else 1.0
            self._show(record.history, epoch, end, share, last=True)

    def _look(self, history, epoch: float) -> None:
        now = self.clock()
        if now >= self.due:
            self.due, self.shown = now + self.pause, True
            left = (self.max_iter - epoch) * (now - self.began) / epoch if epoch else 0.0
            end = f"up to {_duration(left)} left" if epoch else ""
            self._show(history, epoch, end, epoch / self.max_iter)

    def _show(self, history, epoch: float, end: str, share: float, last: bool = False) -> None:
        facts = []
        if history["epoch"]:
            facts.append(f"loss {history['loss'][-1]:.6g}")
            for what, digits in (("loss", 6), ("score", 4)):
                value = history[f"validation_{what}"][-1]
                if not math.isnan(value):
                    facts.append(f"validation {what} {value:.{digits}g}")
            facts.append(f"learning rate {self._rate(history['learning_rate'][-1], last)}")
        whole = str(self.max_iter)
        epoch_of = f"epoch {format(round(epoch, 2), '.9g').rjust(len(whole))}/{whole}"
        self.show(share, epoch_of, "  ".join([*facts, end]), last)

    def _rate(self, rate: float, last: bool) -> str:
        """The rate of the last update; at the end also the base rate, ``learning_rate_``, if it differs."""
        base = "" if self.base is None else f"{self.base:.3g}"
        return f"{rate:.3g} (base {base})" if last and base not in ("", f"{rate:.3g}") else f"{rate:.3g}"

    def show(self, share: float, epoch: str, facts: str, last: bool) -> None:
        _write(f"{epoch}  {facts}\n")


class Terminal(Log):
    """One line that is rewritten, with a bar if it fits."""

    pause, at_once = 0.1, True
    width = 0  # length of the line on the screen

    def show(self, share, epoch, facts, last):
        columns = _columns() - 1  # a line of full width would wrap
        bar = 20
        if columns < _WIDE:
            bar, facts = 8, facts.replace("validation loss", "val. loss")
            facts = re.sub("validation |learning |up to ", "", facts)
        line = f"{epoch} [{('#' * round(share * bar)).ljust(bar, '-')}] {facts}".rstrip()
        if len(line) > columns:
            line = f"{epoch}  {facts}"
        line = line if last else line[:columns]
        _write(f"\r{line.ljust(self.width)}" + "\n" * last)
        self.width = len(line)


class Notebook(Log):
    """A progress bar drawn by the browser."""

    pause, at_once = 0.1, True
    handle = None

    def show(self, share, epoch, facts, last):
        text = f"{epoch}  {facts}"
        bar = f'<progress value="{share:.4f}" max="1"></progress> <code>{html.escape(text)}</code>'
        bundle = {"text/html": bar, "text/plain": text}
        if self.handle is None:
            from IPython.display import display  # available, since this runs in a kernel

            self.handle = display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)


def _columns() -> int:
    """Columns of the terminal of the standard error; the standard output may be a file."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or shutil.get_terminal_size().columns


def _write(text: str) -> None:
    """Write in one call, so that lines of several processes do not mix."""
    if sys.stderr is not None:  # None in programs without a console
        sys.stderr.write(text)
        sys.stderr.flush()


def _duration(seconds: float) -> str:
    """0.012 s, 12.3 s, then minutes and hours: 3:25, 1:03:25."""
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2g} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
