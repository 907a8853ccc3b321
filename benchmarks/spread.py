"""Do connections spread evenly over the workers and their loops, however they arrive?

Connections arrive at a given pace, each makes one request and stays open.  Meanwhile the owner of
each connection is looked up in /proc: the worker by its descriptors, the loop by what its epoll
instance watches.  Looked at are connections that stay idle after a small response, downloads that
trickle at 100 KB/s, and a burst.  The response times show what an even spread costs the client.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import clients, kinds, processes, servers
from benchmarks.environment import allow_files, directory, write_sparse
from benchmarks.processes import Loop
from benchmarks.report import Report, progress, show

STEP = 100
"""The spread is looked at whenever so many more connections are open."""

RATE = 100_000
"""Bytes per second that each download trickles at."""

RECEIVE_BUFFER = 131072
"""Of a trickling client: little, so that the server feels how slow it is, but more than a segment,
which is 64 KB on the loopback interface."""

SPARSE = 100 << 30


@dataclass(frozen=True)
class Case:
    """How connections arrive and what they ask for."""

    name: str
    count: int
    gap: float
    trickle: float = 0
    """Seconds of a download that the client reads slowly; 0 for a small response."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--server", choices=["phttpd", "nginx"], default="phttpd")
    add("--workers", type=int, default=2, metavar="N")
    add("--threads", type=int, default=4, metavar="N", help="loops per worker (not nginx)")
    add("--connections", type=int, default=400, metavar="N")
    add(
        "--gaps",
        type=lambda text: [float(part) for part in text.split(",")],
        default=[2.0, 0.5, 10.0],
        metavar="MS,...",
        help="milliseconds between arrivals (default: 2,0.5,10)",
    )
    add("--burst", type=int, default=1000, metavar="N", help="size of the burst (default: 1000)")
    add("--trickle", type=float, default=5, metavar="S", help="seconds of trickling (default: 5)")
    bars = parser.add_argument_group("bars")
    bars.add_argument(
        "--max-share",
        type=float,
        default=0.6,
        metavar="X",
        help="of the busier of two workers (of more: in proportion; default: 0.6)",
    )
    bars.add_argument(
        "--max-loop", type=float, default=2, metavar="X", help="times the mean (default: 2)"
    )


@dataclass(frozen=True)
class Spread:
    """Who holds how many connections at one moment."""

    by_worker: dict[int, int]
    by_loop: dict[Loop, int]
    unwatched: int
    """Connections of a worker that no epoll instance watches just now; of an unknown loop."""

    @property
    def worst_share(self) -> float:
        return max(self.by_worker.values()) / max(1, sum(self.by_worker.values()))

    @property
    def worst_ratio(self) -> float:
        mean = sum(self.by_loop.values()) / len(self.by_loop)
        return max(self.by_loop.values()) / max(1, mean)


@dataclass(frozen=True)
class Outcome:
    """How a case went: the spread at each look, and the response times in seconds."""

    spreads: list[Spread]
    latencies: list[float]
    short: int
    """Trickling downloads that did not always get their rate."""

    @property
    def worst_share(self) -> float:
        return max(spread.worst_share for spread in self.spreads)

    @property
    def worst_ratio(self) -> float:
        return max(spread.worst_ratio for spread in self.spreads)

    def figures(self) -> dict[str, object]:
        last = self.spreads[-1]
        return {
            "by_worker": list(last.by_worker.values()),
            "by_loop": list(last.by_loop.values()),
            "unwatched": last.unwatched,
            "worst_share": self.worst_share,
            "worst_loop_to_mean": self.worst_ratio,
            "answer_ms_p50": clients.quantile(self.latencies, 0.5) * 1000,
            "answer_ms_p99": clients.quantile(self.latencies, 0.99) * 1000,
            "answer_ms_max": max(self.latencies) * 1000,
            "short_trickles": self.short,
        }


def run(args: argparse.Namespace, report: Report) -> None:
    allow_files(max(args.connections, args.burst))
    cases = [Case(f"{gap:g} ms apart", args.connections, gap / 1000) for gap in args.gaps]
    cases.append(Case("100 KB/s, 2 ms apart", args.connections, 0.002, trickle=args.trickle))
    cases.append(Case(f"burst of {args.burst}", args.burst, 0))
    rows = []
    with directory(None) as docroot, progress() as bar:
        (docroot / "4k.txt").write_bytes(b"x" * 4096)
        write_sparse(docroot / "large.bin", SPARSE)
        setup = kinds.Setup(args.server, docroot, workers=args.workers, threads=args.threads)
        for case in bar.track(cases, description="connections"):
            with servers.run(setup) as server:
                outcome = measure(case, server)
            report.figures[case.name] = outcome.figures()
            report.at_most(
                f"{case.name}: busiest worker's share",
                outcome.worst_share,
                min(1, args.max_share * 2 / args.workers),
            )
            report.at_most(f"{case.name}: busiest loop to mean", outcome.worst_ratio, args.max_loop)
            rows.append((case.name, *map(cell, report.figures[case.name].values())))
    columns = ["arrivals", "by worker", "by loop", "unwatched", "share", "loop/mean"]
    columns += ["p50 ms", "p99 ms", "max ms", "short"]
    show(f"spread: {args.server}", columns, rows)


def cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def measure(case: Case, server: servers.Server) -> Outcome:
    """Let connections arrive and look where they are every now and then."""
    loops = processes.loops(server.pid)
    arrivals = clients.Arrivals(
        server.port,
        "/large.bin" if case.trickle else "/4k.txt",
        RECEIVE_BUFFER if case.trickle else None,
    )
    step = STEP if case.gap else case.count
    spreads, short = [], 0
    try:
        for _ in range(max(1, case.count // step)):
            arrivals.come(step, case.gap)
            spreads.append(look(server, loops, arrivals))
        if case.trickle:
            short = clients.trickle(arrivals.opened, RATE, case.trickle)
            spreads.append(look(server, loops, arrivals))
    finally:
        arrivals.close()
    return Outcome(spreads, arrivals.latencies, short)


def look(server: servers.Server, loops: Sequence[Loop], arrivals: clients.Arrivals) -> Spread:
    owned = processes.owners(server.pid, server.port)
    by_worker = dict.fromkeys((loop.pid for loop in loops), 0)
    by_loop = dict.fromkeys(loops, 0)
    unwatched = 0
    for address in arrivals.addresses():
        loop = owned[address]
        by_worker[loop.pid] += 1
        if loop in by_loop:
            by_loop[loop] += 1
        else:
            unwatched += 1
    return Spread(by_worker, by_loop, unwatched)
