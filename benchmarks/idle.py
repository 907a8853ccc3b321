"""What do 5000 idle keep-alive connections cost in memory?

Each connection makes one request of 4 kB and stays open.  The figure is the growth of the PSS of
the whole tree of processes, from after a warm-up to when all connections are idle.  nginx, with as
many workers, is measured for comparison if it is installed.
"""

from __future__ import annotations

import argparse

from benchmarks import clients, kinds, servers
from benchmarks.environment import MB, UnavailableError, allow_files, directory, program
from benchmarks.report import Report, progress, show

WARM_UP = 200
"""Connections that are opened, used and closed first, so that no start-up cost is in the growth."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--connections", type=int, default=5000, metavar="N")
    add("--workers", type=int, default=2, metavar="N")
    add("--threads", type=int, default=4, metavar="N", help="loops per worker (not nginx)")
    add("--server", choices=["phttpd", "nginx"], action="append", help="default: both")
    bars = parser.add_argument_group("bars")
    bars.add_argument("--max-growth", type=float, default=20, metavar="MB", help="default: 20 MB")


def run(args: argparse.Namespace, report: Report) -> None:
    allow_files(args.connections)
    names = args.server or ["phttpd", *(["nginx"] if has_nginx() else [])]
    with directory(None) as docroot:
        (docroot / "4k.txt").write_bytes(b"x" * 4096)
        for kind in names:
            setup = kinds.Setup(
                kind,
                docroot,
                workers=args.workers,
                threads=args.threads,
                connections=args.connections + WARM_UP,
            )
            report.figures[kind] = measure(setup, args.connections)
    rows = [
        (kind, *(f"{figure:.2f}" for figure in report.figures[kind].values())) for kind in names
    ]
    columns = ["server", "PSS before, MB", "with them, MB", "growth, MB", "bytes each"]
    show(f"idle: {args.connections} keep-alive connections", columns, rows)
    for kind in names:
        if kind == "phttpd" or args.server:
            report.at_most(
                f"growth of {kind}, MB", report.figures[kind]["growth_mb"], args.max_growth
            )


def has_nginx() -> bool:
    try:
        return bool(program("nginx", "nginx-light"))
    except UnavailableError:
        return False


def measure(setup: kinds.Setup, count: int) -> dict[str, float]:
    head = clients.request("/4k.txt")
    with servers.run(setup) as server, progress() as bar:
        with clients.connections(server.port, [head] * WARM_UP) as opened:
            for client in opened:
                clients.read_response(client)
        before = server.pss()
        with clients.connections(server.port, [head] * count) as opened:
            for client in bar.track(opened, description=setup.kind):
                clients.read_response(client)
            memory = server.pss()
    return {
        "before_mb": before / MB,
        "with_mb": memory / MB,
        "growth_mb": (memory - before) / MB,
        "bytes_per_connection": (memory - before) / count,
    }
