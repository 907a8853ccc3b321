"""phttpd side by side with nginx, lighttpd, h2o, Apache and the servers of the Python world.

Each kind of request is a cell.  Its servers run side by side, each with one worker on one core; wrk
loads them in turns from another core, so that changes of the machine affect all of them.  The
figure that counts is CPU time per request, user and system, of all processes of a server.  Every
server's responses are checked before it is measured.  phttpd runs under the distribution's Python.

A whole race takes less than 15 minutes and writes race-PROCESSOR.md, .svg and .json to
benchmarks/results, or to build/race if the machine was not quiet or a server failed.  One of some
cells or servers, or a quick one, only prints its table, unless --output names a directory.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
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
from benchmarks.race import further, interpreter, machine, page, plot, published, quiet, site
from benchmarks.race.cells import CELLS, RACERS, US
from benchmarks.race.interpreter import Interpreter
from benchmarks.race.plan import Plan, make_plan
from benchmarks.race.published import RESULTS
from benchmarks.race.results import Results
from benchmarks.race.running import SPARE, run_cell
from benchmarks.report import Report, console

BUILD = servers.PROJECT / "build" / "race"
"""Where a whole race goes that is not published."""


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
    add("--python", metavar="PATH", help=f"runs phttpd (default: {interpreter.DISTRIBUTION})")
    add("--output", type=Path, metavar="DIR", help="where to write the page, picture and figures")
    add(
        "--from", dest="source", type=Path, metavar="FILE", help="write them again from the figures"
    )
    add("--against", type=Path, metavar="FILE", help="show what has changed since these figures")
    add("--server-core", type=int, default=cores[0], metavar="N", help=f"default: {cores[0]}")
    add("--client-core", type=int, default=cores[-1], metavar="N", help=f"default: {cores[-1]}")


def run(args: argparse.Namespace, report: Report) -> None:
    earlier = read_results(args.against) if args.against else None  # which may be written over
    output = args.output
    if args.source is not None:
        results = read_results(args.source)
    else:
        plan = make_plan(args)
        if not plan.whole and is_public(output):
            raise UnavailableError(f"{output} has whole races only; give another --output")
        python = interpreter.choose(args.python)
        prepare(plan)
        output = output or (RESULTS if plan.whole else None)
        results = race(plan, python, args, BUILD if is_public(output) else output)
        report.figures = asdict(results)
        if plan.whole:
            report.bars = results.bars()
    write(results, output if results.is_fit or not is_public(output) else BUILD)
    if earlier is not None:
        console.print(page.compare(earlier, results), markup=False, soft_wrap=True)


def is_public(output: Path | None) -> bool:
    return output is not None and output.resolve() == RESULTS


def read_results(path: Path) -> Results:
    """Read the figures of a race that was run before."""
    try:
        return Results.load(path)
    except (OSError, ValueError) as error:
        raise UnavailableError(str(error)) from None


def prepare(plan: Plan) -> None:
    """Prepare all that a plan needs before it runs."""
    require(plan)
    most = max(cell.connections for cell in plan.cells.values())
    allow_files(most + SPARE + kinds.OPEN_FILES)


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


def race(plan: Plan, python: Interpreter, args: argparse.Namespace, output: Path | None) -> Results:
    """Measure all cells and questions, and save the results after each one."""
    if plan.whole:
        quiet.settle()
    noise = quiet.Noise(os.getloadavg()[0])
    results = Results(machine.describe(), asdict(python), noise)
    warn(results)
    with directory(None) as docroot, directory(None) as library, progress() as bar:
        phttpd = interpreter.install(python, library)
        ground = further.Ground(docroot, phttpd, args.server_core, args.client_core)
        total = bar.add_task("writing the files", total=plan.total())
        site.write(docroot, plan.paths())
        begin = quiet.Times.now(ground.cores)
        for name in plan.cells:
            bar.update(total, description=f"{name}: starting")
            run_cell(name, plan, ground, results, bar)
            console.print(line(name, results), markup=False, soft_wrap=True)
            save(results, output)
        for name in plan.questions:
            question = further.QUESTIONS[name]
            bar.update(total, description=question.title)
            ask(question, ground, results)
            bar.advance(total, question.seconds)
            save(results, output)
        noise.stolen = quiet.Times.now(ground.cores).since(begin).stolen_share
    return results


def ask(question: further.Question, ground: further.Ground, results: Results) -> None:
    """Find the answer to a question, or why there is none."""
    for path in question.paths:
        site.read(ground.docroot, path)
    try:
        results.further[question.title] = question.ask(ground)
    except (MeasurementError, UnavailableError, OSError) as reason:
        results.failures[question.title] = {US: str(reason)}


def save(results: Results, output: Path | None) -> None:
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        results.save(output / f"{published.name_of(results)}.json")


def warn(results: Results) -> None:
    """Say before a race what will keep it from being published; it goes on all the same."""
    for bar in quiet.bars(results.noise, {}):
        if not bar.met:
            console.print(f"not quiet: {quiet.sentence(bar)}", markup=False, soft_wrap=True)


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
    save(results, output)
    name = published.name_of(results)
    plot.draw(results, output / f"{name}.svg")
    text = page.render(results, f"{name}.svg")
    (output / f"{name}.md").write_text(text, encoding="utf-8")
    console.print(page.summary(results), markup=False, soft_wrap=True)
    console.print(f"written: {output}/{name}.md, .svg, .json")
    if is_public(output):
        console.print("README.md and docs/ quote it after: make docs")


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
