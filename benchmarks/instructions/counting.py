"""Counts the user-space instructions of each kind of request with callgrind, a tool of valgrind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.environment import MeasurementError, UnavailableError, program
from benchmarks.servers import PROJECT

WORKLOAD = Path(__file__).with_name("workload.py")
LAYOUTS = 3
"""Processes that run the workload, each with other addresses of its objects."""
TIMEOUT = 300
"""Seconds that the workload may take; it takes about 10."""


class Counts(NamedTuple):
    """The instructions of a request of each kind, on one build of Python."""

    build: str
    instructions: dict[str, int]


class Piece(NamedTuple):
    """What was counted between two marks of the workload.

    Args:
        kind: the kind of the requests; None between two marks with nothing in between.
        requests: their number.
        total: the instructions of all of them, with those of the marks.
    """

    kind: str | None
    requests: int
    total: int


def count(python: str, checkout: Path = PROJECT) -> Counts:
    """Count what the requests of the workload take.

    Args:
        python: name or path of the interpreter.
        checkout: top directory of the commit to count.

    Raises:
        UnavailableError: valgrind, the interpreter or the checkout is not there.
        MeasurementError: the workload has failed.
    """
    valgrind = program("valgrind", "valgrind")
    interpreter = shutil.which(python)
    if interpreter is None:
        raise UnavailableError(f"there is no {python}; name another interpreter with --python")
    if not (checkout / "tests" / "unit" / "network" / "bytecodes.py").exists():
        raise UnavailableError(f"{checkout} is no checkout of phttpd with its tests")
    with tempfile.TemporaryDirectory() as directory:
        workload = Workload(os.path.abspath(interpreter), checkout.resolve(), Path(directory))
        workload.run([], 0)  # compiles, so that constants are shared as in bytecode that is loaded
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(partial(workload.pieces, valgrind), range(LAYOUTS)))
    pieces = [piece for _, own in results for piece in own]
    return Counts(results[0][0], per_request(pieces))


class Workload(NamedTuple):
    """The program that is counted.

    Args:
        python: path of the interpreter.
        checkout: top directory of the commit to count.
        directory: for bytecode and dumps.
    """

    python: str
    checkout: Path
    directory: Path

    def run(self, wrapper: Sequence[str], layout: int) -> str:
        """Return what the workload prints; `wrapper` is the command that runs it."""
        command = [*wrapper, self.python, "-sP", str(WORKLOAD), str(layout)]
        environment = {
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": str(self.checkout),
            "PYTHONPYCACHEPREFIX": str(self.directory),
        }
        try:
            done = subprocess.run(
                command,
                cwd=self.checkout,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise MeasurementError(f"{' '.join(command)} does not end in {TIMEOUT} s") from None
        # valgrind tells of a system call that it does not know, and lets it fail.
        if done.returncode != 0 or "unhandled" in done.stderr:
            raise MeasurementError(f"{' '.join(command)} in {self.checkout}:\n{done.stderr}")
        return done.stdout

    def pieces(self, valgrind: str, layout: int) -> tuple[str, list[Piece]]:
        """Return which build of Python has run the workload, and what was counted."""
        dump = self.directory / f"layout-{layout}"
        options = ["--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={dump}"]
        result = json.loads(self.run([valgrind, *options], layout))
        return result["build"], [
            # Every other dump is about what was done between two pieces.
            Piece(kind, requests, total_of(dump.with_suffix(f".{2 * index + 2}").read_text()))
            for index, (kind, requests) in enumerate(result["marked"])
        ]


def total_of(dump: str) -> int:
    """Return the instructions that a dump of callgrind is about."""
    match = re.search(r"^totals: (\d+)$", dump, re.MULTILINE)
    if match is None:
        raise MeasurementError("a dump of callgrind has no totals")
    return int(match[1])


def per_request(pieces: Iterable[Piece]) -> dict[str, int]:
    """Return the median for each kind, without what the marks take."""
    totals = defaultdict(list)
    for kind, requests, total in pieces:
        totals[kind, requests].append(total)
    marks = median(totals.pop((None, 1)))
    return {
        kind: round((median(own) - marks) / requests)
        for (kind, requests), own in totals.items()
        if kind is not None
    }
