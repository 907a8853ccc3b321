"""What does a request cost under each Python that phttpd supports?

Measured are the system's Python and those in the virtual environments that `make test-matrix` makes
(.venv-3.12.1, for example), or those that --python names.  phttpd runs from a copy with compiled
bytecode.  The servers run side by side, one worker each, on one core; wrk loads them in turns from
another.  Medians over rounds.  Instructions are counted as by the benchmark of that name, where
valgrind is installed.
"""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks import clients, servers
from benchmarks.environment import MB, MeasurementError, UnavailableError, directory
from benchmarks.instructions.counting import count
from benchmarks.processes import pss, tree
from benchmarks.race import site
from benchmarks.race.cells import CELLS, US, Cell, script
from benchmarks.race.check import check
from benchmarks.race.further import Ground, time_to_answer
from benchmarks.race.interpreter import DISTRIBUTION, Interpreter, examine, install, optimisation
from benchmarks.race.load import in_turns
from benchmarks.report import Report, console, show

COSTS = {
    "a hit, µs": CELLS["4k"],
    "a close, µs": CELLS["close"],
    "a new header section, µs": Cell("4 kB, a new header section", script=script("section")),
    "a first request, µs": CELLS["first"],
}
"""CPU time per request, by the cell of the race that has such requests."""

INSTRUCTIONS = ("hit", "close", "new header section", "cold")

STARTS = 5

CLIENTS = 200

Figures = dict[str, float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    cores = sorted(os.sched_getaffinity(0))
    add = parser.add_argument
    add("--python", action="append", metavar="PATH", help="another one each time")
    add("--rounds", type=int, default=3, metavar="N", help="of each kind of request; default: 3")
    add("--part", choices=["times", "instructions"], help="default: both")
    add("--server-core", type=int, default=cores[0], metavar="N")
    add("--client-core", type=int, default=cores[-1], metavar="N")


def run(args: argparse.Namespace, report: Report) -> None:
    found = interpreters(args.python)
    figures: dict[str, Figures] = {each.version: {} for each in found}
    if args.part != "instructions":
        measure(found, args, figures)
    if args.part != "times":
        for each in found:
            try:
                instructions = count(each.path).instructions
            except UnavailableError as reason:
                console.print(str(reason))
                break
            for kind in INSTRUCTIONS:
                figures[each.version][f"{kind}, instructions"] = instructions[kind]
    report.figures |= {"pythons": figures, "builds": {each.version: build(each) for each in found}}
    names = dict.fromkeys(name for own in figures.values() for name in own)
    rows = [(name, *(text(own.get(name)) for own in figures.values())) for name in names]
    show("pythons", ["phttpd on Python", *figures], rows)
    for each in found:
        console.print(f"{each.version}: {build(each)}")


def text(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def build(python: Interpreter) -> str:
    """Return the compiler and the optimisation of a Python in words."""
    return f"{python.compiler}, {optimisation(python.configured, python.flags, python.package)}"


def interpreters(wanted: list[str] | None) -> list[Interpreter]:
    """Return one interpreter of each version that phttpd can run on, oldest version first.

    Raises:
        UnavailableError: one that is wanted cannot run phttpd, or none is found.
    """
    if wanted is not None:
        found = [examine(os.path.abspath(path), "was asked for") for path in wanted]
    else:
        found = []
        environments = sorted(servers.PROJECT.glob(".venv*/bin/python"))
        for path in (Path(DISTRIBUTION), *environments):
            try:
                found.append(examine(str(path), "is there"))
            except UnavailableError as reason:
                console.print(f"without {path}: {reason}")
    if not found:
        raise UnavailableError("no Python can run phttpd; make test-matrix installs what it needs")
    first = {each.version: each for each in reversed(found)}
    return sorted(first.values(), key=lambda each: [*map(int, each.version.split("."))])


def measure(
    found: list[Interpreter], args: argparse.Namespace, figures: dict[str, Figures]
) -> None:
    """Add CPU time, memory and start time of a server under each interpreter."""
    with directory(None) as docroot, ExitStack() as stack:
        site.write(docroot, {cell.path for cell in COSTS.values()})
        grounds = {
            each.version: Ground(
                docroot,
                install(each, stack.enter_context(directory(None))),
                args.server_core,
                args.client_core,
                args.rounds,
            )
            for each in found
        }
        for name, cell in COSTS.items():
            site.read(docroot, cell.path)
            for version, cost in costs(cell, grounds).items():
                figures[version][name] = cost
        for version, ground in grounds.items():
            setup = ground.setup(US, pinned=False)
            starts = [time_to_answer(setup) for _ in range(STARTS)]
            figures[version]["start, ms"] = median(starts) * 1000
            figures[version]["memory of a worker, MB"] = memory_of_worker(ground) / MB


def costs(cell: Cell, grounds: dict[str, Ground]) -> Figures:
    """Return the CPU time of a request under each interpreter, whose servers are loaded in turns.

    Raises:
        MeasurementError: a server responds wrongly.
    """
    measured: dict[str, list[float]] = {version: [] for version in grounds}
    ground = next(iter(grounds.values()))
    for rounds in [1] * ground.rounds if cell.starts_anew else [ground.rounds]:
        with ExitStack() as stack:
            running = {
                version: stack.enter_context(servers.run(each.setup(US)))
                for version, each in grounds.items()
            }
            for server in running.values():
                check(server.port, cell, ground.docroot)
            found, failures = in_turns(running, cell, rounds, cell.seconds, ground.client_core)
        for version, reason in failures.items():
            raise MeasurementError(f"Python {version}: {reason}")
        for version, own in found.items():
            measured[version] += [each.cpu for each in own]
    return {version: median(own) for version, own in measured.items()}


def memory_of_worker(ground: Ground) -> int:
    """Return the PSS of a worker, one of two, that has served some requests."""
    with servers.run(ground.setup(US, workers=2)) as server:
        with clients.connections(server.port, [clients.request("/4k.txt")] * CLIENTS) as opened:
            for client in opened:
                clients.read_response(client)
        return max(pss(worker) for worker in tree(server.pid)[1:])
