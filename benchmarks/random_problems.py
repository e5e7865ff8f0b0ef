"""1,000 random problems in raw units: each ends at the minimum of its objective, or says that it does not.

Columns in units of 10^U(-4, 4), with offsets, heavy tails, duplicates and constants; every loss, solver and
optimizer that learning_rate="auto" serves; linear models and perceptrons (tests/_random_problems.py). A fit
is at fault if it raises, if its objective ends above its start or not finite, or if it ends without a
warning more than 1e-2 of F(0) - F* above the minimum F* that L-BFGS-B finds in standardised coordinates
(perceptrons: above the best constant).
"""

import _bench  # isort: skip
import sys
from collections import Counter, defaultdict
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from _random_problems import Outcome, outcome, random_problem

PROBLEMS = 1000
COLUMNS = ("fits", "at the minimum", "warned", "silent", "rose", "overflow", "error")


def result(outcome: Outcome) -> str:
    if outcome.violation:
        return outcome.violation
    return "warned" if outcome.cause else "at the minimum"


def table(title, outcomes, key):
    groups = defaultdict(Counter)
    for each in outcomes:
        groups[key(each.problem)][result(each)] += 1
    print(f"\n{title:30}" + "".join(f"{name:>16}" for name in COLUMNS))
    for name in sorted(groups):
        counts = groups[name]
        cells = [sum(counts.values()), *(counts[column] for column in COLUMNS[1:])]
        print(f"{name:30}" + "".join(f"{cell:16}" for cell in cells))


def measured(seed):
    return outcome(random_problem(seed))


def report(outcomes):
    linear = [each for each in outcomes if not each.problem.perceptron]
    perceptrons = [each for each in outcomes if each.problem.perceptron]
    for family, members in (("linear", linear), ("perceptron", perceptrons)):
        table(family, members, lambda problem: "all")
        for name in ("solver", "optimizer", "penalty"):
            table(f"{family}, by {name}", members, lambda problem, name=name: str(problem.settings.get(name)))
        table(f"{family}, by loss", members, lambda problem: problem.loss)
    pairs = lambda problem: f"{problem.settings['solver']}, {problem.settings['optimizer']}"  # noqa: E731
    table("linear, by solver, optimizer", linear, pairs)
    causes = Counter((each.cause, each.gap > 1e-2) for each in linear if not each.error and each.cause)
    print("\nwarnings of linear fits, by cause (further than 1e-2 from the minimum, or not):")
    for (cause, far), count in sorted(causes.items()):
        print(f"  {cause:12}{'far' if far else 'near':6}{count:6}")


def main():
    given = _bench.options(__doc__, count="how many problems", first="seed of the first")
    count, first = int(given.count or (100 if given.quick else PROBLEMS)), int(given.first or 0)
    with get_context("spawn").Pool(1, maxtasksperchild=200) as pool:
        outcomes = pool.map(measured, range(first, first + count), chunksize=10)
    report(outcomes)
    faults = [each for each in outcomes if each.violation]
    print(f"\n{len(outcomes) - len(faults)} of {len(outcomes)} fits without a fault:")
    print(_bench.verdict(not faults))
    for each in faults:
        values = f"F(0) = {each.start:.4g}, F = {each.end:.4g}, F* = {each.lowest:.4g}"
        what = each.error or f"{values}, {each.gap:.2g} of the way left"
        print(f"{each.violation}, {each.stop}: {what} ({each.problem})")


if __name__ == "__main__":
    main()
