"""A seeded fuzzer of the public API: random data of any kind, parameters and calls.

    python tests/_fuzz.py [--seconds 60] [--seed 0] [--cases N] [--first I] [--verbose]

Case i of a seed is always the same. What is reported: a crash, a hang, parameters or predictions that are not
finite, an error that is no ValueError or TypeError with a message, and a failed call that changed the model.
Cases run in a process of their own, so that a crash is seen; the number of cases and reports comes last.
"""

import argparse
import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from _fuzz_case import Case

LIMIT = 30  # seconds for a case


class Hang(BaseException):
    """A case that took too long."""


def work(seed, first, last, seconds, verbose):
    """Run cases; each is named on the standard output before it runs, its reports after."""
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _end_unless_paused)
    os.fsync = lambda number: None  # checkpoints need not reach the disk
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:  # one for all, as to make and remove it takes time
        for number in range(first, last):
            if time.monotonic() > until:
                break
            print(f"case {number}", flush=True)
            case = _work_on(Case(seed, number, folder), number)
            if verbose or case.reports:
                print(f"{case.kind}: {case.done}", flush=True)
            for text in case.reports:
                print(f"REPORT {number}: {text}", flush=True)
            for name in os.listdir(folder):
                os.remove(os.path.join(folder, name))
    print("end", flush=True)


def _work_on(case, number):
    np.random.seed(number)  # noqa: NPY002
    _end_unless_paused.since = time.process_time()
    signal.alarm(LIMIT)
    try:
        case.run()
    except Hang:
        case.report(f"took more than {LIMIT} s", None)
    finally:
        signal.alarm(0)
    return case


def _end_unless_paused(*_):
    """Raise `Hang`, if the processor has worked on the case; what waits for ever is seen by `_Watch`."""
    if time.process_time() - _end_unless_paused.since > LIMIT / 4:
        raise Hang
    signal.alarm(LIMIT)


def run(seed, first, last, seconds, verbose=False):
    """Cases in processes of their own; gives the number of cases and the reports."""
    reports, until, number = [], time.monotonic() + seconds, first - 1
    while number + 1 < last and time.monotonic() < until:
        left = until - time.monotonic()
        command = [sys.executable, __file__, "--worker", "--seed", str(seed), "--first", str(number + 1)]
        command += ["--cases", str(last - number - 1), "--seconds", str(left), *["--verbose"] * verbose]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watch = _Watch(process)
        ended = False
        for line in process.stdout:
            watch.alive()
            if line.startswith("case "):
                number = int(line.split()[1])
                if (number + 1 - first) % 10_000 == 0:
                    print(f"{number + 1 - first} cases, {len(reports)} reports", flush=True)
            elif line == "end\n":
                ended = True
            else:
                reports += [line] if line.startswith("REPORT") else []
                print(line, end="", flush=True)
        process.wait()
        watch.stop()
        if ended:
            break
        errors = watch.errors()
        reports.append(f"REPORT {number}: the process ended with {process.returncode}\n{errors}")
        print(reports[-1], flush=True)
    return number + 1 - first, reports


class _Watch:
    """Ends a process that says nothing for twice the limit, and keeps the end of what it wrote."""

    def __init__(self, process):
        self.process, self.text, self.over = process, "", threading.Event()
        self.alive()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._look, daemon=True).start()

    def alive(self):
        self.silent = 0

    def stop(self):
        self.over.set()

    def errors(self):
        return self.text[-3000:]

    def _read(self):
        for line in self.process.stderr:
            self.text = (self.text + line)[-6000:]

    def _look(self):
        while not self.over.wait(1):
            self.silent += (
                1  # not seconds of the clock: those in which this process was paused too do not count
            )
            if self.silent == 2 * LIMIT:
                self.process.send_signal(signal.SIGABRT)  # which shows where it is
            elif self.silent > 2 * LIMIT + 5:
                self.process.kill()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=10**9)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    last = given.first + given.cases
    if given.worker:
        return work(given.seed, given.first, last, given.seconds, given.verbose)
    cases, reports = run(given.seed, given.first, last, given.seconds, given.verbose)
    print(f"{cases} cases, {len(reports)} reports")
    return bool(reports)


if __name__ == "__main__":
    sys.exit(main())
