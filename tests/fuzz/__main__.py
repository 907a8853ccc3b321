"""Fuzzes for as long as one likes: ``python -m tests.fuzz [--seconds N] [TARGET…]``.

What it learns is kept in ``.fuzz/``, so that the next run goes on from there.  An input that breaks
something is put into ``tests/fuzz/found/``, where the tests try it from then on.
"""

from __future__ import annotations

import argparse
import sys

from tests.fuzz import campaign
from tests.fuzz.check import NAMES


def main() -> int:
    """Return 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz phttpd.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(NAMES):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    broken = []
    for name in options.targets or NAMES:
        print(f"fuzzing {name} for {options.seconds} s", flush=True)
        done = campaign.run(
            name,
            campaign.ROOT / ".fuzz" / name,
            campaign.FOUND / name,
            f"-max_total_time={options.seconds}",
            "-print_final_stats=1",
            quiet=False,
        )
        if done.returncode:
            broken.append(name)
    if broken:
        print(f"something is wrong with {', '.join(broken)}; see tests/fuzz/found/")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
