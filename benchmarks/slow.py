"""Clients that are slow on purpose, or cause much work: how long does another client wait?

slowhttptest plays 1000 slow clients, in each of its modes: heads that never end (Slowloris), bodies
that never end, responses that are hardly read, and heads with hundreds of overlapping ranges.
Meanwhile, one client requests 4 kB again and again, each time over a new connection.  The figures
are the time that it waits, before and during the attack, the PSS of all processes of the server,
and how many of the attack's connections the server has closed at the end.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import clients, flood, kinds, servers
from benchmarks.environment import (
    MB,
    MeasurementError,
    allow_files,
    directory,
    program,
    write_sparse,
)
from benchmarks.report import Report, show
from benchmarks.servers import Server

MODES = {
    "head": ["-H", "-i", "5"],
    "body": ["-B", "-i", "5"],
    "read": ["-X", "-k", "5"],
    "range": ["-R", "-t", "GET"],
}
"""The options of slowhttptest; `-i` is the interval between two pieces in seconds."""

PACE = 0.02
"""Seconds between two requests of the well-behaved client."""
LOOKS = 25
"""Requests between two looks at the memory."""
LARGE = 10 << 20
"""Bytes of the file that is read slowly: more than the kernel takes of it for a client."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--mode", choices=[*MODES, *flood.KINDS], action="append", help="default: each of them")
    add("--connections", type=int, default=1000, metavar="N")
    add("--floods", type=int, default=4, metavar="N", help="clients that make work (default: 4)")
    add("--duration", type=int, default=30, metavar="S", help="of an attack (default: 30)")
    add("--before", type=float, default=5.0, metavar="S", help="without one (default: 5)")
    add("--workers", type=int, default=2, metavar="N")
    add("--threads", type=int, default=2, metavar="N", help="loops per worker (not nginx)")
    add("--server", choices=["phttpd", "nginx"], default="phttpd")
    bars = parser.add_argument_group("bars")
    bars.add_argument("--max-wait", type=float, default=500, metavar="MS", help="default: 500 ms")
    bars.add_argument("--max-growth", type=float, default=20, metavar="MB", help="default: 20 MB")


def run(args: argparse.Namespace, report: Report) -> None:
    allow_files(args.connections)
    with directory(None) as docroot:
        (docroot / "4k.txt").write_bytes(b"x" * 4096)
        write_sparse(docroot / "large.bin", LARGE)
        for mode in args.mode or [*MODES, *flood.KINDS]:
            setup = kinds.Setup(
                args.server,
                docroot,
                workers=args.workers,
                threads=args.threads,
                connections=args.connections + 1000,
            )
            with servers.run(setup) as server, directory(None) as results:
                report.figures[mode] = measure(server, mode, args, results)
    columns = ["attack", "before, ms", "99 %", "longest", "during, ms", "99 %", "longest"]
    rows = [(mode, *map(shown, figures.values())) for mode, figures in report.figures.items()]
    title = f"slow: {args.connections} connections for {args.duration} s"
    show(title, [*columns, "PSS before, MB", "peak", "closed", "open"], rows)
    for mode, figures in report.figures.items():
        growth = figures["pss_peak_mb"] - figures["pss_before_mb"]
        report.at_most(f"{mode}: longest wait, ms", figures["longest_ms"], args.max_wait)
        if mode in MODES:  # what makes work may fill the cache as well
            report.at_most(f"{mode}: growth, MB", growth, args.max_growth)


def shown(figure: object) -> str:
    return f"{figure:.1f}" if isinstance(figure, float) else str(figure)


def measure(server: Server, mode: str, args: argparse.Namespace, results: Path) -> dict[str, Any]:
    """Ask before and during an attack."""
    end = time.monotonic() + args.before
    before, _ = ask(server, lambda: time.monotonic() < end)
    memory = server.pss()
    if mode in flood.KINDS:
        return measure_flood(server, mode, args, before, memory)
    command = [program("slowhttptest", "slowhttptest"), *MODES[mode]]
    command += ["-c", str(args.connections), "-r", str(max(1, args.connections // 5))]
    command += ["-l", str(args.duration), "-p", "5", "-g", "-o", str(results / "attack")]
    path = "/large.bin" if mode in ("read", "range") else "/4k.txt"
    command += ["-u", f"http://{kinds.HOST}:{server.port}{path}"]
    with (results / "output").open("w+") as output:
        attack = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            during, peak = ask(server, lambda: attack.poll() is None)
        finally:
            attack.kill()
            attack.wait()
        output.seek(0)
        said = output.read()
    if "Exit status:" not in said:
        raise MeasurementError(f"slowhttptest said nothing of its end: {said[-500:]}")
    with (results / "attack.csv").open(newline="") as file:
        *_, last = csv.DictReader(file)
    closed, left_open = int(last["Closed"]), int(last["Connected"])
    return figures_of(before, during, memory, peak) | {"closed": closed, "open": left_open}


def measure_flood(
    server: Server, kind: str, args: argparse.Namespace, before: list[float], memory: int
) -> dict[str, Any]:
    """Ask while a few clients make work."""
    command = [sys.executable, "-m", "benchmarks.flood", kind, str(server.port)]
    command += [str(args.duration), str(args.floods)]
    attack = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        during, peak = ask(server, lambda: attack.poll() is None)
    finally:
        attack.kill()
        attack.wait()
    return figures_of(before, during, memory, peak) | {"closed": "", "open": args.floods}


def figures_of(
    before: list[float], during: list[float], memory: int, peak: int
) -> dict[str, float]:
    return {
        "before_ms": median(before) * 1000,
        "before_p99_ms": percentile_99(before) * 1000,
        "longest_before_ms": max(before) * 1000,
        "during_ms": median(during) * 1000,
        "during_p99_ms": percentile_99(during) * 1000,
        "longest_ms": max(during) * 1000,
        "pss_before_mb": memory / MB,
        "pss_peak_mb": peak / MB,
    }


def percentile_99(waits: list[float]) -> float:
    return sorted(waits)[len(waits) * 99 // 100]


def ask(server: Server, goes_on: Callable[[], bool]) -> tuple[list[float], int]:
    """Ask for a small file as long as something goes on.

    Returns:
        The seconds that each request took, with its connection, and the greatest PSS in bytes.
    """
    waits: list[float] = []
    peak = 0
    while not waits or goes_on():
        start = time.monotonic()
        with clients.connect(server.port, 0) as client:
            client.sendall(clients.request("/4k.txt"))
            clients.read_response(client)
        waits.append(time.monotonic() - start)
        if len(waits) % LOOKS == 1:
            peak = max(peak, server.pss())
        time.sleep(PACE)  # this is the pace, not a wait for anything
    return waits, peak
