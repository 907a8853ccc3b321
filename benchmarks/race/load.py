"""One round of load on one server: what it costs the server, and what the clients see."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from benchmarks import clients, wrk
from benchmarks.environment import MeasurementError, pinned
from benchmarks.kinds import HOST
from benchmarks.race import site
from benchmarks.race.cells import RIVALS, US, Cell
from benchmarks.race.check import fields_of
from benchmarks.servers import Server

FEW_ROUNDS = 2


@dataclass(frozen=True)
class Round:
    """The figures of one server: in one round, or the medians over several."""

    cpu: float
    """Microseconds of CPU time per request, user and system, of all the server's processes."""

    per_second: float
    """Requests."""

    p50: float | None
    """Microseconds to the end of a response, and the 99th percentile; None if there are too few."""

    p99: float | None

    pss: float
    """Bytes of memory of all the server's processes, in the middle of the load."""


def measure(server: Server, cell: Cell, seconds: int, core: int) -> Round:
    """Load a server with a cell's requests from a core.

    Raises:
        MeasurementError: a response was wrong, or a connection broke.
    """
    if not cell.by_downloads:
        return _measure_by_wrk(server, cell, seconds, core)
    with pinned(core):
        return (_measure_one if cell.connections == 1 else _measure_many)(server, cell, seconds)


def _measure_by_wrk(server: Server, cell: Cell, seconds: int, core: int) -> Round:
    memory: list[int] = []
    headers = fields_of(server.port, cell)
    before = server.cpu_seconds()
    load = wrk.run(
        f"http://{HOST}:{server.port}{cell.path}",
        connections=cell.connections,
        seconds=seconds,
        core=core,
        headers=headers,
        script=cell.script,
        halfway=lambda: memory.append(server.pss()),
    )
    spent = server.cpu_seconds() - before
    wrong = load.responses if cell.status >= 400 else 0
    if load.socket_errors or load.not_2xx_3xx != wrong or not load.responses:
        raise MeasurementError(str(load))
    cpu = spent / load.responses * 1e6
    return Round(cpu, load.per_second, load.p50 * 1e6, load.p99 * 1e6, memory[0])


def _measure_one(server: Server, cell: Cell, seconds: int) -> Round:
    before = server.cpu_seconds()
    durations = clients.download_again(server.port, cell.path, seconds)
    cpu = (server.cpu_seconds() - before) * 1e6 / len(durations)
    middle = median(durations)
    return Round(cpu, len(durations) / sum(durations), middle * 1e6, None, server.pss())


def _measure_many(server: Server, cell: Cell, seconds: int) -> Round:
    """None of these downloads ends in time, so their number is that of the bytes received."""
    cpu: list[float] = []
    heads = [clients.request(cell.path)] * cell.connections
    with clients.connections(server.port, heads) as opened:
        result = clients.download(
            opened,
            windows=1,
            window=seconds,
            read=1 << 20,
            flags=clients.DISCARD,
            tick=lambda: cpu.append(server.cpu_seconds()),
        )
        cpu.append(server.cpu_seconds())
        memory = server.pss()
    if result.closed or not sum(result.totals):
        raise MeasurementError(f"{result.closed} of {cell.connections} downloads were cut short")
    downloads = sum(result.totals) / site.GB
    spent = (cpu[-1] - cpu[0]) * 1e6
    return Round(spent / downloads, downloads / result.seconds, None, None, memory)


def rounds_of(name: str, rounds: int) -> int:
    """Return how many of the rounds a server takes part in: few, if nothing is compared with it."""
    return rounds if name in (US, *RIVALS) else min(rounds, FEW_ROUNDS)


def in_turns(
    servers: dict[str, Server],
    cell: Cell,
    rounds: int,
    seconds: int,
    core: int,
    on_round: Callable[[str], None] = lambda _: None,
) -> tuple[dict[str, list[Round]], dict[str, str]]:
    """Measure several servers side by side: each round of one has a round of the others beside it.

    Another one begins each round, since what one leaves behind may slow down the next.

    Returns:
        The rounds of each server, and why a server has none: it failed.
    """
    measured: dict[str, list[Round]] = {name: [] for name in servers}
    failures: dict[str, str] = {}
    order = deque(servers)
    for number in range(rounds):
        for name in order:
            if name in failures or number >= rounds_of(name, rounds):
                continue
            on_round(name)
            try:
                measured[name].append(measure(servers[name], cell, seconds, core))
            except (MeasurementError, OSError) as reason:
                failures[name] = str(reason)
        order.rotate(-1)
    return {name: own for name, own in measured.items() if name not in failures}, failures
