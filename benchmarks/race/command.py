"""phttpd side by side with nginx, lighttpd, h2o, Apache and the servers of the Python world.

Each kind of request is a cell.  Its servers run side by side, each with one worker on one core; wrk
loads them in turns from another core, so that changes of the machine affect all of them.  The
figure that counts is CPU time per request, user and system, of all processes of a server.  Every
server's responses are checked before it is measured.

A whole race takes less than 15 minutes and writes race.md, race.svg and race.json to
benchmarks/results.  One of some cells or servers, or a quick one, only prints its table, unless
--output names a directory.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks import kinds, servers
from benchmarks.environment import (
    MeasurementError,
    UnavailableError,
    allow_files,
    directory,
    program,
)
from benchmarks.race import further, machine, page, plot, site
from benchmarks.race.cells import CELLS, RACERS, US, Cell
from benchmarks.race.check import check, response_of
from benchmarks.race.floor import has_compiler
from benchmarks.race.load import Round, in_turns, rounds_of
from benchmarks.race.results import Results
from benchmarks.report import Report, console

RESULTS = servers.PROJECT / "benchmarks" / "results"

OVERHEAD = 0.15
"""Seconds that a round takes beside its load: start and end of wrk, and reading of figures."""

SPARE = 1000
"""Connections that servers can hold beside those of the load."""

RUN_UP = 0.6
"""Seconds that a server takes to start, to be checked and to stop."""


@dataclass(frozen=True)
class Plan:
    """What is to be run, in this order."""

    cells: dict[str, Cell]
    questions: tuple[str, ...]
    rounds: int | None
    seconds: int | None

    def paths(self) -> set[str]:
        """Return the paths of all requests."""
        asked = {path for name in self.questions for path in further.QUESTIONS[name].paths}
        return asked | {cell.path for cell in self.cells.values()}

    def rounds_of(self, cell: Cell) -> int:
        return min(self.rounds or cell.rounds, cell.rounds)

    def starts_of(self, cell: Cell) -> list[int]:
        """Return how many rounds follow each start of the servers."""
        rounds = self.rounds_of(cell)
        return [1] * rounds if cell.starts_anew else [cell.warm_up + rounds]

    def seconds_of(self, cell: Cell) -> int:
        return max(self.seconds or 1, cell.seconds)

    def estimate(self, cell: Cell) -> float:
        starts = self.starts_of(cell)
        rounds = sum(rounds_of(racer, sum(starts)) for racer in cell.racers)
        run_up = len(starts) * len(cell.racers) * RUN_UP
        return run_up + rounds * (self.seconds_of(cell) + OVERHEAD)

    def total(self) -> float:
        """Return about how many seconds the whole race takes."""
        return sum(map(self.estimate, self.cells.values())) + sum(
            further.QUESTIONS[name].seconds for name in self.questions
        )


def names(allowed: Sequence[str], text: str) -> list[str]:
    """Parse a list of names for argparse."""
    found = text.split(",")
    for name in found:
        if name not in allowed:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(allowed)}")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    cores = sorted(os.sched_getaffinity(0))
    add = parser.add_argument
    add("--quick", action="store_true", help="one round of each, few cells; a few minutes")
    add(
        "--cells",
        type=lambda text: names(list(CELLS), text),
        metavar="NAME,...",
        help=f"some of {','.join(CELLS)}",
    )
    add(
        "--servers",
        type=lambda text: names(list(RACERS), text),
        metavar="NAME,...",
        help=f"some of {','.join(RACERS)}",
    )
    add(
        "--questions",
        type=lambda text: names(list(further.QUESTIONS), text),
        metavar="NAME,...",
        help=f"what else to measure, some of {','.join(further.QUESTIONS)} (default: all or, "
        "unless the race is a whole one, nothing)",
    )
    add("--rounds", type=int, metavar="N", help="at most (default: 3 or 5)")
    add("--seconds", type=int, metavar="S", help="per round, at least (default: 1 or 2)")
    add("--output", type=Path, metavar="DIR", help="where to write race.md, race.svg, race.json")
    add(
        "--from", dest="source", type=Path, metavar="FILE", help="write them again from a race.json"
    )
    add("--against", type=Path, metavar="FILE", help="show what has changed since a race.json")
    add("--server-core", type=int, default=cores[0], metavar="N", help=f"default: {cores[0]}")
    add("--client-core", type=int, default=cores[-1], metavar="N", help=f"default: {cores[-1]}")


QUICK = ("1k", "4k", "4k-512", "close", "100k", "1m", "1g", "304", "404", "mix", "cold", "log")


def run(args: argparse.Namespace, report: Report) -> None:
    whole = not (args.quick or args.cells or args.servers or args.questions)
    output = args.output or (RESULTS if whole else None)
    earlier = read_results(args.against) if args.against else None  # which may be written over
    if args.source is not None:
        results, output = read_results(args.source), args.output
    else:
        plan = make_plan(args, whole=whole)
        prepare(plan, output)
        results = race(plan, args, output)
        report.figures = asdict(results)
    write(results, output)
    if earlier is not None:
        console.print(page.compare(earlier, results), markup=False, soft_wrap=True)


def read_results(path: Path) -> Results:
    """Read the figures of a race that was run before."""
    try:
        return Results.load(path)
    except (OSError, ValueError) as error:
        raise UnavailableError(str(error)) from None


def prepare(plan: Plan, output: Path | None) -> None:
    """Prepare all that a plan needs before it runs."""
    require(plan)
    most = max(cell.connections for cell in plan.cells.values())
    allow_files(most + SPARE + kinds.OPEN_FILES)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)


def make_plan(args: argparse.Namespace, *, whole: bool) -> Plan:
    wanted = args.cells or (QUICK if args.quick else CELLS)
    left_out = set() if has_compiler() else {"floor"}
    racers = [name for name in args.servers or RACERS if name not in left_out]
    cells = {}
    for name in wanted:
        own = tuple(racer for racer in CELLS[name].racers if racer in racers)
        if own:
            cells[name] = replace(CELLS[name], racers=own)
    if not cells:
        raise UnavailableError("none of these servers takes part in any of these cells")
    rounds = args.rounds or (1 if args.quick else None)
    questions = args.questions or (list(further.QUESTIONS) if whole else [])
    return Plan(cells, tuple(questions), rounds, args.seconds)


def require(plan: Plan) -> None:
    """Look for everything that is needed, and say at once all that is missing."""
    missing = []
    try:
        program("wrk", "wrk")
    except UnavailableError as reason:
        missing.append(str(reason))
    with tempfile.TemporaryDirectory(prefix="phttpd-bench-") as name:
        for racer in dict.fromkeys(racer for cell in plan.cells.values() for racer in cell.racers):
            try:
                kinds.KINDS[racer].command(kinds.Setup(racer, Path(name)), Path(name), 0)
            except UnavailableError as reason:
                missing.append(str(reason))
    if missing:
        raise UnavailableError("; ".join(dict.fromkeys(missing)))


def race(plan: Plan, args: argparse.Namespace, output: Path | None) -> Results:
    """Measure all cells and questions, and save the results after each one."""
    results = Results(machine=machine.describe())
    with directory(None) as docroot, progress() as bar:
        total = bar.add_task("writing the files", total=plan.total())
        site.write(docroot, plan.paths())
        for name in plan.cells:
            bar.update(total, description=f"{name}: starting")
            run_cell(name, plan, args, docroot, results, bar)
            console.print(line(name, results), markup=False, soft_wrap=True)
            if output is not None:
                results.save(output / "race.json")
        ground = further.Ground(docroot, args.server_core, args.client_core)
        for name in plan.questions:
            question = further.QUESTIONS[name]
            bar.update(total, description=question.title)
            for path in question.paths:
                site.read(docroot, path)
            try:
                results.further[question.title] = question.ask(ground)
            except (MeasurementError, UnavailableError, OSError) as reason:
                results.failures[question.title] = {US: str(reason)}
            bar.advance(total, question.seconds)
            if output is not None:
                results.save(output / "race.json")
    return results


def run_cell(
    name: str,
    plan: Plan,
    args: argparse.Namespace,
    docroot: Path,
    results: Results,
    bar: Progress,
) -> None:
    """Measure all servers of a cell that answer correctly."""
    cell = plan.cells[name]
    measured: dict[str, list[Round]] = {}
    failures: dict[str, str] = {}
    site.read(docroot, cell.path)
    for rounds in plan.starts_of(cell):
        found, failed = run_side_by_side(cell, rounds, plan, args, docroot, bar)
        for racer, own in found.items():
            measured.setdefault(racer, []).extend(own)
            if racer not in results.versions:
                results.versions[racer] = machine.version_of(racer)
        failures |= failed
    measured = {racer: own for racer, own in measured.items() if racer not in failures}
    if cell.warm_up:
        results.titles[f"{name}-first"] = f"{cell.title}, while they are new to the server"
        results.rounds[f"{name}-first"] = {
            racer: own[: cell.warm_up] for racer, own in measured.items()
        }
    results.titles[name] = cell.title
    results.rounds[name] = {racer: own[cell.warm_up :] for racer, own in measured.items()}
    if failures:
        results.failures[name] = failures


def run_side_by_side(
    cell: Cell,
    rounds: int,
    plan: Plan,
    args: argparse.Namespace,
    docroot: Path,
    bar: Progress,
) -> tuple[dict[str, list[Round]], dict[str, str]]:
    """Start the servers of a cell, check their responses, and load those that answer correctly.

    Returns:
        The rounds of each server, and why a server has none.
    """
    seconds = plan.seconds_of(cell)
    task, step = bar.task_ids[0], seconds + OVERHEAD

    def on_round(racer: str) -> None:
        bar.update(task, description=f"{cell.title}: {racer}")
        bar.advance(task, step)

    measured: dict[str, list[Round]] = {}
    failures: dict[str, str] = {}
    try:
        with ExitStack() as stack:
            running: dict[str, servers.Server] = {}
            for racer in cell.racers:
                try:
                    running[racer] = start(racer, cell, args, docroot, running, stack)
                except (MeasurementError, UnavailableError, OSError) as reason:
                    failures[racer] = str(reason)
                bar.advance(task, RUN_UP)
            measured, failed = in_turns(running, cell, rounds, seconds, args.client_core, on_round)
            failures |= failed
    except MeasurementError as reason:  # at the end: one has ended by itself, complained, or hangs
        failures["one of them"] = str(reason)
    return measured, failures


def start(
    racer: str,
    cell: Cell,
    args: argparse.Namespace,
    docroot: Path,
    running: dict[str, servers.Server],
    stack: ExitStack,
) -> servers.Server:
    """Start one server and check its responses; it stops with the stack."""
    setup = kinds.Setup(
        racer,
        docroot,
        workers=1,
        connections=cell.connections + SPARE,
        core=args.server_core,
        log=cell.log,
        response=response_of(running[US].port, cell) if racer == "floor" and US in running else b"",
    )
    server = stack.enter_context(servers.run(setup))
    check(server.port, cell, docroot)
    return server


def line(name: str, results: Results) -> str:
    """Return a cell's outcome in one line, for the person who waits."""
    parts = [
        f"{racer} {page.number(own.cpu)}"
        for racer in results.rounds[name]
        if (own := results.medians(name, racer))
    ]
    parts += [f"{racer} failed" for racer in results.failures.get(name, {})]
    return f"{results.titles[name]}, µs: {', '.join(parts)}"


def write(results: Results, output: Path | None) -> None:
    """Write the page, the picture and the figures into a directory, or print the table."""
    if output is None:
        console.print(page.render(results, None), markup=False, soft_wrap=True)
        return
    output.mkdir(parents=True, exist_ok=True)
    results.save(output / "race.json")
    plot.draw(results, output / "race.svg")
    (output / "race.md").write_text(page.render(results, "race.svg"), encoding="utf-8")
    console.print(page.summary(results), markup=False, soft_wrap=True)
    console.print(f"written: {output}/race.md, race.svg, race.json")


def progress() -> Progress:
    return Progress(
        TextColumn("{task.description:36.36}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("of about"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        refresh_per_second=2,
        disable=not console.is_terminal,
    )
