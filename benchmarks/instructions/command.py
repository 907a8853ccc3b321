"""How many user-space instructions does a request of each kind take?

Unlike times, counts repeat within 0.1 %, also on a busy machine.  callgrind counts one loop, which
serves clients over socket pairs (a close: TCP), by the interpreter that the Debian package runs on.
The counts are compared with those in benchmarks/instructions/expected.json.  One that is 2 % higher
or lower fails; --update stores the counts as expected.  Another build of the interpreter has other
counts, so nothing is compared then (exit status 69).

--against compares with another commit, which is counted by the same program:

    git worktree add ../before HEAD~10
    python -m benchmarks instructions --against ../before

valgrind does not know openat2(2); openat is called in its place.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.environment import UnavailableError
from benchmarks.instructions import expected
from benchmarks.instructions.counting import Counts, count
from benchmarks.report import Report, console, show

SYSTEM_PYTHON = "/usr/bin/python3"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--python", default=SYSTEM_PYTHON, metavar="PATH", help=f"default: {SYSTEM_PYTHON}")
    choice = parser.add_mutually_exclusive_group()
    add = choice.add_argument
    add("--update", action="store_true", help="store the counts as the expected ones")
    add("--against", type=Path, metavar="DIR", help="compare with another checkout")


def run(args: argparse.Namespace, report: Report) -> None:
    if args.against:
        before = count(args.python, args.against)
        now = count(args.python)
        report.figures["before"] = before.instructions
        show_beside(before.instructions, now, f"in {args.against}", "here")
    else:
        now = count(args.python)
    report.figures |= {"build": now.build, "instructions": now.instructions}
    if args.update:
        expected.store(now)
    if not args.against:
        compare(now, report)


def compare(now: Counts, report: Report) -> None:
    """Show the counts beside the expected ones, and judge the differences."""
    try:
        wanted = expected.load(now.build)
    except UnavailableError:
        show_beside({}, now, "expected", "measured")
        raise
    show_beside(wanted, now, "expected", "measured")
    outside = expected.outside(wanted, now.instructions)
    for kind, trouble in outside.items():
        console.print(f"{kind} {trouble}")
    if outside:
        console.print("store the counts by --update if that is meant")
    report.at_most(f"kinds that differ by more than {expected.TOLERANCE:.0%}", len(outside), 0)


def show_beside(before: dict[str, int], now: Counts, *columns: str) -> None:
    """Print two counts of each kind and the ratio of the second to the first."""
    rows = []
    for kind in before | now.instructions:
        pair = before.get(kind), now.instructions.get(kind)
        ratio = f"{pair[1] / pair[0]:.3f}" if pair[0] and pair[1] else ""
        rows.append((kind, *(f"{each:,}" if each else "" for each in pair), ratio))
    show(f"instructions: Python {now.build}", ["request", *columns, "ratio"], rows)
