"""Writes the generated files, or with ``--check`` compares them; see `tools.docs`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.docs import config_file, man_page, race, reference, schema

ROOT = Path(__file__).parents[2]
FILES: dict[str, Callable[[str], str]] = {
    "etc/phttpd.schema.json": lambda _: schema.generate(),
    "etc/phttpd.yaml": lambda _: config_file.generate(),
    "docs/man/phttpd.yaml.5": man_page.replace_keys,
    "docs/reference/settings.md": lambda _: reference.generate(),
    "benchmarks/results/README.md": lambda _: race.overview(),
    "README.md": race.replace_readme,
    "docs/explanation/performance.md": race.replace_summary,
}
"""The files, and what makes their text of the present one."""


def run(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write or compare the files below `root`, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; fail on a difference")
    only_compares = parser.parse_args(arguments).check
    stale = []
    for name, make in FILES.items():
        path = root / name
        present = path.read_text("utf-8") if path.exists() else ""
        wanted = make(present)
        if wanted == present:
            continue
        stale.append(name)
        if not only_compares:
            path.write_text(wanted, "utf-8")
            print(f"wrote {name}")
    if stale and only_compares:
        for name in stale:
            print(f"{name} is not what it is made of; run: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
