"""The migration page names every deliberate difference that scikit-learn's own tests find."""

from pathlib import Path

import pytest
from _differences import BUGS, DELIBERATE_DIFFERENCES

GUIDE = Path(__file__).parent.parent / "docs" / "guide"

sources = pytest.mark.skipif(not GUIDE.exists(), reason="the sources are not here")


def items(text):
    """The points of a list, each on one line."""
    return [" ".join(item.split()) for item in text.split("\n- ")[1:]]


@sources
def test_the_page_lists_the_reasons_and_no_others():
    listed = items((GUIDE / "sklearn_differences.inc").read_text())
    assert len(listed) == len(set(listed))
    assert set(listed) == set(DELIBERATE_DIFFERENCES.values())


@sources
def test_the_page_includes_the_list():
    assert ".. include:: sklearn_differences.inc" in (GUIDE / "from_sklearn.rst").read_text()


def test_no_bug_is_called_deliberate():
    assert not set(BUGS) & set(DELIBERATE_DIFFERENCES)
    assert all(reason.startswith("bug: ") for reason in BUGS.values())
