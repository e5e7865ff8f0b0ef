"""scikit-learn's check_estimator in a cover of the settings; in all of them: benchmarks/conventions.py."""

import pytest
from _conventions import (
    AXES,
    allowed,
    complete,
    cover,
    estimator_of,
    failures,
    name_of,
    parts_of,
)

SETTINGS = cover()


@pytest.mark.parametrize("setting", SETTINGS, ids=name_of)
def test_conventions_of_scikit_learn(setting):
    found, may_fail = failures(estimator_of(setting)), allowed(setting)
    assert not {check: error for check, error in found.items() if check not in may_fail}


def test_the_settings_cover_what_is_possible():
    possible = set().union(*map(parts_of, complete()))
    assert set().union(*map(parts_of, SETTINGS)) == possible
    for name, values in AXES.items():
        assert {setting[name] for setting in SETTINGS} == set(values)
