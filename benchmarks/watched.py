"""10 000 downloads: what do the loops pay while `phttpd top` watches them?

Each client reads a little of a large file each second, so that each record changes each second.
Counted is the CPU time of the server in phases of equal length, with and without a watcher in turn.
The figure is the difference of the medians, in per cent of one core, over all loops.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import suppress
from socket import MSG_DONTWAIT, socket
from statistics import median

from benchmarks import clients, kinds, servers
from benchmarks.environment import MeasurementError, allow_files, directory, write_sparse
from benchmarks.report import Report, show
from benchmarks.servers import Server
from httpd.observe.transfers import WATCH_SECONDS, TransferTable, read_all

RECEIVE_BUFFER = 16384
"""Of a client: so little that each read lets the server send more."""
PIECE = 12288
"""Bytes that each client reads in a second."""
TURN = 1.0
"""Seconds between two reads, and between two looks of the watcher."""
SPARSE = 100 << 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--downloads", type=int, default=10_000, metavar="N")
    add("--workers", type=int, default=2, metavar="N")
    add("--threads", type=int, default=4, metavar="N", help="loops per worker")
    add("--rounds", type=int, default=3, metavar="N", help="of two phases (default: 3)")
    add("--duration", type=int, default=5, metavar="S", help="of a phase (default: 5)")
    bars = parser.add_argument_group("bars")
    bars.add_argument("--max-cost", type=float, default=4, metavar="X", help="%% (default: 4)")


def run(args: argparse.Namespace, report: Report) -> None:
    allow_files(args.downloads)
    with directory(None) as docroot:
        write_sparse(docroot / "large.bin", SPARSE)
        setup = kinds.Setup(
            "phttpd",
            docroot,
            workers=args.workers,
            threads=args.threads,
            connections=args.downloads + 100,
        )
        heads = [clients.request("/large.bin")] * args.downloads
        with (
            servers.run(setup) as server,
            clients.connections(server.port, heads, RECEIVE_BUFFER) as opened,
        ):
            report.figures = measure(server, opened, args.rounds, args.duration)
    figures = report.figures
    show(
        f"watched: {args.downloads} downloads",
        ["records", "CPU alone, %", "CPU watched, %", "difference, %"],
        [[f"{value:.2f}" for value in figures.values()]],
    )
    report.at_most("CPU time for the watcher, %", figures["cost"], args.max_cost)


def measure(
    server: Server, opened: Sequence[socket], rounds: int, seconds: int
) -> dict[str, float]:
    """Return the CPU time per second of each kind of phase, in per cent of one core."""
    for client in opened:
        clients.read_head(client)
    (table,) = read_all(server.pid)
    alone, watched = [], []
    for _ in range(rounds):
        alone.append(cpu_per_second(server, opened, seconds, None))
        trickle(opened, 2, table)  # the first records are written in full
        watched.append(cpu_per_second(server, opened, seconds, table))
        found = len(table.running())
        trickle(opened, WATCH_SECONDS + 1, None)
    if found < len(opened):
        raise MeasurementError(f"{found} of {len(opened)} downloads have a record")
    return {
        "records": found,
        "alone": 100 * median(alone),
        "watched": 100 * median(watched),
        "cost": 100 * (median(watched) - median(alone)),
    }


def cpu_per_second(
    server: Server,
    opened: Sequence[socket],
    seconds: int,
    table: TransferTable | None,
) -> float:
    before, start = server.cpu_seconds(), time.monotonic()
    trickle(opened, seconds, table)
    return (server.cpu_seconds() - before) / (time.monotonic() - start)


def trickle(opened: Sequence[socket], turns: int, table: TransferTable | None) -> None:
    """Have each client read a little once a second, and watch if there is a table."""
    buffer = bytearray(PIECE)
    due = time.monotonic()
    for _ in range(turns):
        if table is not None:
            table.watch(time.monotonic())
        for client in opened:
            with suppress(BlockingIOError):
                client.recv_into(buffer, 0, MSG_DONTWAIT)
        due += TURN
        time.sleep(max(0.0, due - time.monotonic()))  # this is the pace, not a wait for an event
