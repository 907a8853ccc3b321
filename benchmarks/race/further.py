"""What else is promised, beside the cost of a request: each question has one function here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from threading import Thread

from benchmarks import clients, servers, wrk
from benchmarks.environment import MB, MeasurementError, pinned
from benchmarks.kinds import HOST, Setup
from benchmarks.race import site
from benchmarks.race.cells import AS_SHIPPED, CELLS, US
from benchmarks.race.interpreter import Installation
from benchmarks.race.load import Round, in_turns

Figures = dict[str, float]

PAUSE = 0.005
"""Seconds between two small requests beside the downloads."""

FEW = 1000

BLAST = 10
"""Seconds of load at a time on the way to very many requests."""


@dataclass(frozen=True)
class Ground:
    """Where and for how long to measure.

    Args:
        docroot: with the files of the race.
        phttpd: how to run it.
        server_core: that servers are kept on; client_core: that the load is kept on.
        rounds: of each server, where they run in turns.
        requests: that are very many.
    """

    docroot: Path
    phttpd: Installation
    server_core: int
    client_core: int
    rounds: int = 3
    requests: int = 1_000_000

    @property
    def cores(self) -> set[int]:
        return {self.server_core, self.client_core}

    def setup(self, kind: str, *, workers: int = 1, threads: int = 4, pinned: bool = True) -> Setup:
        return Setup(
            kind,
            self.docroot,
            workers=workers,
            threads=threads,
            core=self.server_core if pinned else None,
            phttpd=self.phttpd.command,
        )

    def costs(self, setups: dict[str, Setup]) -> dict[str, float]:
        """Return the CPU time of a small request under each setup, measured in turns."""
        with ExitStack() as stack:
            running = {
                name: stack.enter_context(servers.run(setup)) for name, setup in setups.items()
            }
            measured, failures = in_turns(running, CELLS["4k"], self.rounds, 1, self.client_core)
        for name, reason in failures.items():
            raise MeasurementError(f"{name}: {reason}")
        return {name: _cost(own) for name, own in measured.items()}


def _cost(rounds: list[Round]) -> float:
    return median(each.cpu for each in rounds)


def two_workers(ground: Ground) -> Figures:
    """CPU time per request of two workers on two cores, which they share with the load, and of one
    worker on a core of its own.  Twice the one divided by the other is how much more two can do.
    """
    figures: Figures = {}
    for kind in (US, AS_SHIPPED):
        one, two = f"{kind}, one worker on one core, µs", f"{kind}, two on two, µs"
        costs = ground.costs(
            {one: ground.setup(kind), two: ground.setup(kind, workers=2, pinned=False)}
        )
        figures |= costs
        figures[f"{kind}, what two can do, times one"] = 2 * costs[one] / costs[two]
    return figures


def threads(ground: Ground) -> Figures:
    """CPU time per request with 1 to 8 threads in one worker."""
    names = {count: f"{count} thread{'s' * (count > 1)}, µs" for count in (1, 2, 4, 8)}
    costs = ground.costs({name: ground.setup(US, threads=count) for count, name in names.items()})
    return {**costs, "8 threads, times 1 thread": costs[names[8]] / costs[names[1]]}


def beside_downloads(ground: Ground) -> Figures:
    """Time to the response of 4 kB, beside 64 downloads of 1 GB."""
    figures: Figures = {}
    for kind in (US, AS_SHIPPED, "lighttpd", "h2o"):
        with servers.run(ground.setup(kind)) as server:
            url = f"http://{HOST}:{server.port}/{site.LARGE}"
            downloads = Thread(target=_load, args=(url, ground.rounds, ground.client_core))
            downloads.start()
            try:
                latencies = _ask_during(downloads, server.port, ground)
            finally:
                downloads.join()
        figures[f"{kind}, median, ms"] = median(latencies) * 1000
        figures[f"{kind}, 99th percentile, ms"] = clients.quantile(latencies, 0.99) * 1000
    return figures


def _load(url: str, seconds: int, core: int) -> None:
    wrk.run(url, connections=64, seconds=seconds, core=core)


def _ask_during(downloads: Thread, port: int, ground: Ground) -> list[float]:
    latencies = []
    client = clients.connect(port, 0)
    with pinned(ground.client_core), client:
        while downloads.is_alive():
            start = time.monotonic()
            client.sendall(clients.request("/4k.txt"))
            clients.read_response(client)
            latencies.append(time.monotonic() - start)
            time.sleep(PAUSE)  # this is the pace, not a wait for anything
    return latencies


def start(ground: Ground) -> Figures:
    """Time from the command to the first response, the interpreter's start included."""
    ours, nginx = (ground.setup(kind, pinned=False) for kind in (US, AS_SHIPPED))
    setups = {
        f"{US}, ms": ours,
        f"{US} without compiled bytecode, ms": replace(ours, phttpd=ground.phttpd.uncompiled),
        f"{AS_SHIPPED}, ms": nginx,
    }
    return {
        name: median(time_to_answer(setup) for _ in range(5)) * 1000
        for name, setup in setups.items()
    }


def time_to_answer(setup: Setup) -> float:
    """Return the seconds from the start of a server to its first response."""
    with tempfile.TemporaryDirectory(prefix="phttpd-bench-") as name:
        begun = time.monotonic()
        with servers.spawn(setup, Path(name)) as (process, port):
            while not servers.accepts(port):
                if process.poll() is not None or time.monotonic() > begun + servers.DEADLINE:
                    raise MeasurementError(f"{setup.kind} did not start")
                time.sleep(0.001)  # nothing announces it
            with clients.connect(port, 0) as client:
                client.sendall(clients.request("/4k.txt"))
                clients.read_response(client)
            return time.monotonic() - begun


def memory(ground: Ground) -> Figures:
    """Memory after some requests and after very many."""
    with servers.run(ground.setup(US)) as server:
        for _ in range(FEW // 100):
            with clients.connections(server.port, [clients.request("/4k.txt")] * 100) as opened:
                for client in opened:
                    clients.read_response(client)
        first = server.pss() / MB
        figures = {f"after {FEW:,} requests, MB": first}
        responses = 0
        deadline = time.monotonic() + 60
        while responses < ground.requests and time.monotonic() < deadline:
            load = wrk.run(
                f"http://{HOST}:{server.port}/4k.txt",
                connections=64,
                seconds=max(1, BLAST * ground.requests // 1_000_000),
                core=ground.client_core,
            )
            responses += load.responses
        last = server.pss() / MB
        figures |= {f"after {responses:,} requests, MB": last, "growth, times": last / first}
    return figures


@dataclass(frozen=True)
class Question:
    """What is asked, who finds out, the seconds that it takes, about, and the files it needs."""

    title: str
    ask: Callable[[Ground], Figures]
    seconds: int
    paths: tuple[str, ...] = ("/4k.txt",)


QUESTIONS = {
    "workers": Question("Two workers", two_workers, 16),
    "threads": Question("Threads", threads, 15),
    "beside": Question(
        "A small request beside 64 downloads of 1 GB",
        beside_downloads,
        18,
        ("/4k.txt", f"/{site.LARGE}"),
    ),
    "start": Question("From the start to the first answer", start, 10),
    "memory": Question("Memory", memory, 25),
}
