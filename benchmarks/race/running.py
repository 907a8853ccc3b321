"""Runs the servers of a cell side by side, and measures those that answer correctly."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from rich.progress import Progress

from benchmarks import kinds, servers
from benchmarks.clients import LENGTH
from benchmarks.environment import MeasurementError, UnavailableError
from benchmarks.race import machine, site
from benchmarks.race.cells import FLOOR, US, Cell
from benchmarks.race.check import check, head_of, response_of
from benchmarks.race.further import Ground
from benchmarks.race.load import Round, in_turns
from benchmarks.race.plan import OVERHEAD, RUN_UP, Plan
from benchmarks.race.quiet import Times
from benchmarks.race.results import Results

SPARE = 1000
"""Connections that servers can hold beside those of the load."""


def run_cell(
    name: str,
    plan: Plan,
    ground: Ground,
    results: Results,
    bar: Progress,
) -> None:
    """Measure all servers of a cell that answer correctly, and what else the machine does."""
    cell = plan.cells[name]
    measured: dict[str, list[Round]] = {}
    failures: dict[str, str] = {}
    site.read(ground.docroot, cell.path)
    begin = Times.now(ground.cores)
    for rounds in plan.starts_of(cell):
        found, failed = run_side_by_side(cell, rounds, plan, ground, bar)
        for racer, own in found.items():
            measured.setdefault(racer, []).extend(own)
            if racer not in results.versions:
                results.versions[racer] = machine.version_of(racer)
        failures |= failed
    if results.noise is not None:
        results.noise.foreign[name] = Times.now(ground.cores).since(begin).foreign
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
    ground: Ground,
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
                    running[racer] = start(racer, cell, ground, running, stack)
                except (MeasurementError, UnavailableError, OSError) as reason:
                    failures[racer] = str(reason)
                bar.advance(task, RUN_UP)
            measured, failed = in_turns(
                running, cell, rounds, seconds, ground.client_core, on_round
            )
            failures |= failed
    except MeasurementError as reason:  # at the end: one has ended by itself, complained, or hangs
        failures["one of them"] = str(reason)
    return measured, failures


def start(
    racer: str,
    cell: Cell,
    ground: Ground,
    running: dict[str, servers.Server],
    stack: ExitStack,
) -> servers.Server:
    """Start one server and check its responses; it stops with the stack."""
    setup = replace(ground.setup(racer), connections=cell.connections + SPARE, log=cell.log)
    if racer == FLOOR and US in running:
        setup = for_floor(setup, cell, running[US].port)
    server = stack.enter_context(servers.run(setup))
    check(server.port, cell, ground.docroot)
    return server


def for_floor(setup: kinds.Setup, cell: Cell, port: int) -> kinds.Setup:
    """Let the floor do what phttpd, which runs on a port, does in a cell."""
    if not cell.floor:
        return replace(setup, response=response_of(port, cell))
    head = head_of(port, cell)
    if cell.floor == "large":
        path = str(setup.docroot / cell.path.lstrip("/"))
        return replace(setup, response=head, mode=("large", path))
    # The floor writes the length itself.
    head = LENGTH.sub(rb"\r\nContent-Length: %zu", head)
    return replace(setup, response=head, mode=(cell.floor, str(setup.docroot)))
