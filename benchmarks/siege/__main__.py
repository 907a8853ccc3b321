"""Makes the Siege report: phttpd and a sequential server under Siege with 1 to 512 users.

Siege loads index.html of the demo site over the loopback interface, for the same time with each
number of users, first from a server that takes one client at a time, then from phttpd, silent and
with its defaults.  Beyond that, phttpd gets 1024 and 2048 users, and persistent connections.
Where a server breaks down, its series ends, and the report says so.

The report is written twice: FILE.json has the figures, FILE.pdf is made of them.  With --from
nothing is measured, and the PDF is made from a JSON file.

Needed: Linux, `pip install --group report`, and the Debian package siege.

Exit status: 0 fine, 1 a server does not serve, 2 wrong usage, 69 something needed is
not there.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

try:
    import matplotlib  # noqa: F401
    import reportlab  # noqa: F401
    import rich  # noqa: F401
except ModuleNotFoundError as missing:
    print(f"{missing.name} is missing; pip install --group report", file=sys.stderr)
    sys.exit(69)

from benchmarks.environment import MeasurementError, UnavailableError
from benchmarks.siege.document import write
from benchmarks.siege.figures import FiguresError, Report, report_from
from benchmarks.siege.measure import PLANS, Plan, measure
from benchmarks.siege.servers import PROJECT

WHOLE = 60
"""Seconds of each run of the report that is published."""
FAILED = 1
USAGE = 2
UNAVAILABLE = 69


def duration(text: str) -> int:
    """Parse `60s` or `60` for argparse."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})s?", text)
    if match is None or int(match[1]) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 60s, of at least 2s")
    return int(match[1])


def numbers(text: str) -> tuple[int, ...]:
    """Parse `1,8` for argparse."""
    if not re.fullmatch(r"[1-9][0-9]*(,[1-9][0-9]*)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers like 1,8")
    return tuple(sorted(set(map(int, text.split(",")))))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.siege",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--time", type=duration, default=WHOLE, metavar="TIME", help="of each run (default: 60s)")
    add("--users", type=numbers, metavar="N,...", help="only these numbers of users")
    add("--from", type=Path, dest="source", metavar="FILE.json", help="measure nothing")
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="without .json and .pdf (default: benchmarks/results/siege-report for the whole "
        "report, build/siege-report for a quick look, and with --from the place of the figures)",
    )
    args = parser.parse_args()
    if args.output is None:
        args.output = place(args)
    if not chosen(args.users):
        parser.error("--users has none of 1, 8, 64, 128, 256, 512, 1024 and 2048")
    return args


def place(args: argparse.Namespace) -> Path:
    """Return where a report goes: a quick look does not take the place of the published one."""
    if args.source is not None:
        return Path(args.source).with_suffix("")
    is_whole = args.time == WHOLE and args.users is None
    return PROJECT / ("benchmarks/results" if is_whole else "build") / "siege-report"


def chosen(users: Sequence[int] | None) -> list[Plan]:
    """Return what to measure."""
    if users is None:
        return list(PLANS)
    plans = [replace(plan, users=tuple(n for n in plan.users if n in users)) for plan in PLANS]
    return [plan for plan in plans if plan.users]


def obtain(args: argparse.Namespace) -> Report:
    """Read a report, or measure and write down the figures at once."""
    if args.source is not None:
        return report_from(args.source.read_text("utf-8"))
    report = measure(PROJECT / "www", args.time, chosen(args.users))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.with_name(f"{args.output.name}.json").write_text(report.to_json(), "utf-8")
    return report


def main() -> int:
    args = parse()
    # Also a terminated run stops its server and Siege.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        report = obtain(args)
        pdf = args.output.with_name(f"{args.output.name}.pdf")
        write(report, pdf)
    except UnavailableError as reason:
        print(f"siege report: {reason}", file=sys.stderr)
        return UNAVAILABLE
    except (OSError, FiguresError) as reason:
        print(f"siege report: {reason}", file=sys.stderr)
        return USAGE if args.source else FAILED
    except MeasurementError as reason:
        print(f"siege report: failed: {reason}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130
    print(f"written: {pdf}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
