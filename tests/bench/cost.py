"""CPU time per request, requests per second and latency, side by side with nginx.

Both servers run all the time, each with one worker pinned to one core; wrk loads them in turns from
another core.  So every round of one server has a round of the other right beside it, and what the
machine does to one it does to the other.  The CPU time is user and system time of the whole tree of
processes.  Shown are medians over the rounds, and of the ratio to nginx also its range.

    phttpd-N      with N threads
    nginx         as shipped: sendfile and tcp_nopush; no access log here
    nginx-cache   and with open_file_cache, valid for one second, as phttpd does it
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from tests.bench import clients, servers, wrk
from tests.bench.environment import MeasurementError, allow_files, folder, program
from tests.bench.report import Report, progress, show

BASELINE = "nginx"

FILES = {"1k.txt": 1000, "4k.txt": 4096, "100k.bin": 100_000, "1m.bin": 1_000_000}

OPEN_FILE_CACHE = "open_file_cache max=1000; open_file_cache_valid 1s;"


@dataclass(frozen=True)
class Cell:
    """One kind of request."""

    path: str
    headers: tuple[str, ...] = ()
    fails: bool = False
    revalidates: bool = False


CELLS = {
    "4k": Cell("/4k.txt"),
    "1k": Cell("/1k.txt"),
    "4k-close": Cell("/4k.txt", headers=("Connection: close",)),
    "100k": Cell("/100k.bin"),
    "1m": Cell("/1m.bin"),
    "404": Cell("/missing.txt", fails=True),
    "304": Cell("/4k.txt", revalidates=True),
}


@dataclass(frozen=True)
class Figures:
    """One server's medians in one cell; times in microseconds."""

    cpu: float
    per_second: float
    p50: float
    p99: float
    ratio: float = 0.0
    """CPU time to that of nginx, and the least and the most of it over the rounds."""
    ratio_min: float = 0.0
    ratio_max: float = 0.0


def names(allowed: Sequence[str], text: str) -> list[str]:
    """Parse a list of names for argparse."""
    found = text.split(",")
    for name in found:
        if name not in allowed:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(allowed)}")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--server",
        type=lambda text: names(["phttpd", "nginx", "nginx-cache"], text),
        default=["phttpd", "nginx", "nginx-cache"],
        metavar="NAME,...",
        help="default: phttpd,nginx,nginx-cache",
    )
    add(
        "--cells",
        type=lambda text: names(list(CELLS), text),
        default=list(CELLS),
        metavar="NAME,...",
        help=f"default: {','.join(CELLS)}",
    )
    add(
        "--threads-list",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[4],
        metavar="N,...",
        help="run phttpd with each of these (default: 4)",
    )
    add("--rounds", type=int, default=5, metavar="N", help="default: 5")
    add("--seconds", type=int, default=3, metavar="S", help="per round (default: 3)")
    add("--connections", type=int, default=64, metavar="N", help="default: 64")
    add("--server-core", type=int, default=0, metavar="N", help="default: 0")
    add("--client-core", type=int, default=1, metavar="N", help="default: 1")
    bars = parser.add_argument_group("bars")
    bars.add_argument(
        "--max-ratio",
        type=float,
        default=1.0,
        metavar="X",
        help="CPU time of phttpd to that of nginx, 4k cell (default: 1)",
    )


def setups(args: argparse.Namespace, docroot: Path) -> dict[str, servers.Setup]:
    """Return the servers to run, by name."""
    found = {}
    for kind in args.server:
        for threads in args.threads_list if kind == "phttpd" else [1]:
            found[f"phttpd-{threads}" if kind == "phttpd" else kind] = servers.Setup(
                kind.partition("-")[0],
                docroot,
                workers=1,
                threads=threads,
                connections=args.connections + 1000,
                core=args.server_core,
                extra=OPEN_FILE_CACHE if kind == "nginx-cache" else "",
            )
    return found


def run(args: argparse.Namespace, report: Report) -> None:
    allow_files(args.connections)
    program("wrk", "wrk")
    with folder(None) as docroot, ExitStack() as stack:
        for name, length in FILES.items():
            (docroot / name).write_bytes(b"x" * length)
        running = {
            name: stack.enter_context(servers.run(setup))
            for name, setup in setups(args, docroot).items()
        }
        bar = stack.enter_context(progress())
        task = bar.add_task("", total=len(args.cells) * len(running) * args.rounds)
        for name in args.cells:
            rounds: list[dict[str, tuple[float, wrk.Load]]] = []
            for _ in range(args.rounds):
                rounds.append({})
                for kind, server in running.items():
                    bar.update(task, description=f"{name} {kind}", advance=1, refresh=True)
                    rounds[-1][kind] = measure(CELLS[name], server, args)
            report.figures[name] = {kind: asdict(figures(kind, rounds)) for kind in running}
    columns = ["request", "server", "CPU µs", "ratio", "least", "most", "requests/s"]
    columns += ["p50 µs", "p99 µs"]
    show(f"cost: one core, {args.connections} connections", columns, rows(report))
    for kind, figure in report.figures.get("4k", {}).items():
        if kind.startswith("phttpd") and BASELINE in report.figures["4k"]:
            report.at_most(f"4k: CPU time of {kind} to nginx", figure["ratio"], args.max_ratio)


def measure(cell: Cell, server: servers.Server, args: argparse.Namespace) -> tuple[float, wrk.Load]:
    """Load a server for one round; return the CPU seconds per request and what wrk saw."""
    headers = list(cell.headers)
    if cell.revalidates:
        headers.append(f"If-None-Match: {etag(server.port, cell.path)}")
    before = server.cpu_seconds()
    load = wrk.run(
        f"http://{servers.HOST}:{server.port}{cell.path}",
        connections=args.connections,
        seconds=args.seconds,
        core=args.client_core,
        headers=headers,
    )
    spent = server.cpu_seconds() - before
    if load.socket_errors or load.not_2xx_3xx != (load.answers if cell.fails else 0):
        raise MeasurementError(f"{cell.path}: {load}")
    return spent / load.answers, load


def etag(port: int, path: str) -> str:
    """Return the ETag that a server gives a file."""
    with socket.create_connection((servers.HOST, port), clients.TIMEOUT) as client:
        client.sendall(clients.request(path))
        head = client.recv(clients.HEAD_LIMIT).decode("latin-1")
    return wrk.find(r"(?i)\r\nETag: *(\S+)", head)


def figures(kind: str, rounds: Sequence[dict[str, tuple[float, wrk.Load]]]) -> Figures:
    """Return a server's medians over all rounds of a cell."""
    own = [each[kind] for each in rounds]
    medians = {
        "cpu": median(cpu for cpu, _ in own) * 1e6,
        "per_second": median(load.per_second for _, load in own),
        "p50": median(load.p50 for _, load in own) * 1e6,
        "p99": median(load.p99 for _, load in own) * 1e6,
    }
    if BASELINE not in rounds[0]:
        return Figures(**medians)
    base = [each[BASELINE][0] for each in rounds]
    ratios = [cpu / of_nginx for (cpu, _), of_nginx in zip(own, base, strict=True)]
    return Figures(
        **medians,
        ratio=medians["cpu"] / (median(base) * 1e6),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
    )


def rows(report: Report) -> list[tuple[str, ...]]:
    return [
        (
            cell,
            kind,
            f"{figure['cpu']:.2f}",
            *(f"{figure[key]:.2f}" for key in ("ratio", "ratio_min", "ratio_max")),
            *(f"{figure[key]:,.0f}" for key in ("per_second", "p50", "p99")),
        )
        for cell, kinds in report.figures.items()
        for kind, figure in kinds.items()
    ]
