"""Some cases of the fuzzer; more of them, by hand: python tests/_fuzz.py --seconds 600 --seed 1."""

import _fuzz


def test_random_calls_do_what_they_should_or_say_why():
    cases, reports = _fuzz.run(seed=0, first=0, last=1200, seconds=300)
    assert not reports
    assert cases == 1200
