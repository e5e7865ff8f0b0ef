"""Fits that end while they train, and what has to be equal after another."""

import numpy as np
from _data import flat

from skgd._checkpoint import FileKeeper


class Killed(Exception):
    """Stands for the end of the process."""


def killed_after(monkeypatch, writings, fit):
    """Run a fit that ends right after a number of writings; whether it did."""
    left, keep = [writings], FileKeeper.keep

    def keep_and_die(self, state):
        keep(self, state)
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(FileKeeper, "keep", keep_and_die)
        try:
            fit()
        except Killed:
            return True
    return False


def assert_same(one, other):
    np.testing.assert_array_equal(flat(one), flat(other))
    assert flat(one).dtype == flat(other).dtype
    assert (one.stop_reason_, one.loss_, one.n_iter_) == (other.stop_reason_, other.loss_, other.n_iter_)
    assert (one.n_updates_, one.learning_rate_) == (other.n_updates_, other.learning_rate_)
    assert one.history_.keys() == other.history_.keys()
    for name in one.history_.keys() - {"seconds"}:
        np.testing.assert_array_equal(one.history_[name], other.history_[name], err_msg=name)
    for name in ("path_", "validation_scores_", "oof_score_"):
        np.testing.assert_array_equal(getattr(one, name, None), getattr(other, name, None))
