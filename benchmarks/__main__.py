"""Runs one benchmark: `python -m benchmarks NAME`, from the top directory of the project.

    fairness   1000 downloads of a 100 GB file: does every one move, equally, in little memory?
    idle       what do 5000 idle keep-alive connections cost in memory?
    spread     do connections spread evenly over the workers and their loops, however they arrive?
    watched    10 000 downloads: what does `phttpd top` cost the server that it watches?
    slow       1000 clients that are slow on purpose: how long does another client wait?
    race       CPU time per request, requests per second, latency and memory, side by side with
               nginx, lighttpd, h2o, Apache, and the servers of the Python world
    instructions
               user-space instructions of a hit, of a miss by its parts, and of a listing
    pythons    what a request costs under each Python that phttpd supports

Each one but `instructions` starts its own servers on free ports of 127.0.0.1 with files in a
temporary directory, loads them for a bounded time, stops them, and prints a table of figures and
one of bars.  The bars are options.  `--json FILE` also writes everything as JSON.  `--help` after a
name shows its options.

Needed: Linux, `pip install --group bench` (rich, matplotlib); for `race` also the group race, the
Debian packages apache2-bin, h2o, lighttpd, nginx-light and wrk, and gcc for the floor;
`make race` installs all of them.  `slow` needs slowhttptest, and `instructions` valgrind; `idle`
compares with nginx if it is there.  `--server nginx` measures nginx in place of phttpd.

Exit status: 0 all bars are met, 1 one is missed or the server fails, 2 wrong usage, 69 something
needed is not there.

A quiet machine with at least two cores is assumed, except by `instructions`; the load average at
the start is in the figures.
"""

from __future__ import annotations

import argparse
import signal
import sys

try:
    import rich  # noqa: F401
except ModuleNotFoundError:
    print("rich is missing; pip install --group bench", file=sys.stderr)
    sys.exit(69)

from benchmarks import fairness, idle, pythons, slow, spread, watched
from benchmarks.environment import MeasurementError, UnavailableError
from benchmarks.instructions import command as instructions
from benchmarks.race import command as race
from benchmarks.report import Report

BENCHMARKS = {
    "fairness": fairness,
    "idle": idle,
    "spread": spread,
    "watched": watched,
    "slow": slow,
    "race": race,
    "instructions": instructions,
    "pythons": pythons,
}

MISSED = 1
UNAVAILABLE = 69


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = parser.add_subparsers(dest="name", metavar="NAME", required=True)
    for name, module in BENCHMARKS.items():
        assert module.__doc__ is not None
        sub = names.add_parser(
            name,
            help=module.__doc__.splitlines()[0],
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--json", metavar="FILE", help="also write all figures to FILE")
        module.add_arguments(sub)
    args = parser.parse_args()
    # Also a terminated benchmark stops its servers.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    report = Report(args.name, vars(args))
    try:
        BENCHMARKS[args.name].run(args, report)
    except UnavailableError as reason:
        print(f"{parser.prog} {args.name}: {reason}", file=sys.stderr)
        return UNAVAILABLE
    except (MeasurementError, ConnectionError, TimeoutError) as reason:
        print(f"{parser.prog} {args.name}: failed: {reason}", file=sys.stderr)
        return MISSED
    except KeyboardInterrupt:
        return 130
    report.finish(args.json)
    return 0 if report.passed else MISSED


if __name__ == "__main__":
    sys.exit(main())
