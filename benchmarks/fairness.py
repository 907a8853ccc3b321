"""1000 downloads of a 100 GB file: does every one move, equally, in little memory?

The file is sparse and takes no space on the disk.  All clients ask for it at the same time and read
as fast as it comes, for a bounded time.  Counted are the bytes of each client in each window of 2
seconds.  Jain's fairness index is 1 for equal shares and 1/n if one of n gets all.  Memory is the
PSS of the whole tree of processes, which leaves out the page cache and counts shared pages once.

With --memory-limit the server runs in a cgroup that is also charged for the page cache.  With
--apart each client resumes at another place of the file: nothing is in the page cache then, and
making the pages is the bottleneck, as a slow disk would be.
"""

from __future__ import annotations

import argparse
import socket
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from rich.progress import Progress

from benchmarks import clients, kinds, processes, servers
from benchmarks.cgroup import limited, out_of_memory_kills
from benchmarks.environment import MB, allow_files, directory, size, write_sparse
from benchmarks.processes import Loop
from benchmarks.report import Report, progress, show
from benchmarks.servers import Server

RECEIVE_MEMORY = 640 << 20
"""Receive buffers of all clients.  Both ends of every connection are on this machine, whose TCP
memory is limited (tcp_mem in tcp(7)); when that is full, segments are dropped and clients stall."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--server", choices=["phttpd", "nginx"], default="phttpd")
    add("--workers", type=int, default=2, metavar="N")
    add("--threads", type=int, default=4, metavar="N", help="loops per worker (not nginx)")
    add("--clients", type=int, default=1000, metavar="N")
    add("--size", type=size, default="100G", metavar="SIZE", help="of the file (default: 100G)")
    add("--duration", type=float, default=20.0, metavar="S", help="seconds (default: 20)")
    add("--window", type=float, default=2.0, metavar="S", help="seconds (default: 2)")
    add("--read", type=size, default="64K", metavar="SIZE", help="of a client (default: 64K)")
    add("--copy", action="store_true", help="copy what is received; else the kernel discards it")
    add(
        "--receive-buffer",
        type=size,
        metavar="SIZE",
        help="of each client (default: 256K, less for very many)",
    )
    add("--apart", action="store_true", help="each client starts at another place of the file")
    add("--memory-limit", type=size, metavar="SIZE", help="run the server in a cgroup, like 512M")
    add("--tmp", metavar="DIR", help="directory for the file; its file system must know holes")
    bars = parser.add_argument_group("bars")
    bars.add_argument("--max-starved", type=int, default=0, metavar="N", help="default: 0 clients")
    bars.add_argument("--min-jain", type=float, default=0.99, metavar="X", help="default: 0.99")
    bars.add_argument("--max-pss", type=float, default=60, metavar="MB", help="default: 60 MB")


@dataclass
class Samples:
    """Figures of the server that are read while the clients receive."""

    server: Server
    bar: Progress
    pss: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    tcp: list[int] = field(default_factory=list)
    drops: list[int] = field(default_factory=list)

    def take(self) -> None:
        self.pss.append(self.server.pss())
        self.cpu.append(self.server.cpu_seconds())
        self.tcp.append(processes.tcp_memory())
        self.drops.append(processes.tcp_drops())
        self.bar.update(self.bar.task_ids[0], completed=len(self.cpu) - 1, refresh=True)


def run(args: argparse.Namespace, report: Report) -> None:
    allow_files(args.clients)
    killed = out_of_memory_kills()
    with directory(args.tmp) as docroot, limited(args.memory_limit) as group:
        write_sparse(docroot / "large.bin", args.size)
        setup = kinds.Setup(
            args.server,
            docroot,
            workers=args.workers,
            threads=args.threads,
            connections=args.clients + 1000,
            prefix=group.prefix if group else (),
        )
        with servers.run(setup) as server:
            result, samples, loops = measure(server, args)
        report.figures = figures(result, samples)
        if group:
            report.figures["cgroup_peak_mb"] = group.peak() / MB
    title = f"fairness: {args.server}, {args.clients} clients, {result.seconds:.0f} s"
    show(title, ["figure", ""], flat(report.figures))
    show_shares(loops, result.totals, report)
    report.at_most("clients with an empty window", result.starved, args.max_starved)
    report.at_most("downloads cut short", result.closed, 0)
    report.at_least("Jain's index over bytes", jain(result.totals), args.min_jain)
    report.at_most("PSS at its peak, MB", max(samples.pss) / MB, args.max_pss)
    if group:
        report.at_most("processes killed for want of memory", out_of_memory_kills() - killed, 0)


def measure(
    server: Server, args: argparse.Namespace
) -> tuple[clients.Downloads, Samples, list[Loop | None]]:
    """Download; return what the clients received, what the server used, and each client's loop."""
    windows = max(1, round(args.duration / args.window))
    receive_buffer = args.receive_buffer or min(256 << 10, RECEIVE_MEMORY // args.clients)
    with (
        clients.connections(server.port, requests(args), receive_buffer) as opened,
        progress() as bar,
    ):
        bar.add_task("downloading", total=windows * args.window)
        samples = Samples(server, bar)
        result = clients.download(
            opened,
            windows=windows,
            window=args.window,
            read=args.read,
            flags=0 if args.copy else socket.MSG_TRUNC,
            tick=samples.take,
        )
        samples.take()
        owned = processes.owners(server.pid, server.port)
        return result, samples, [owned.get(client.getsockname()) for client in opened]


def jain(send_budget: Sequence[int]) -> float:
    """Return Jain's fairness index, from 1/n to 1."""
    squares = sum(share * share for share in send_budget)
    return sum(send_budget) ** 2 / (len(send_budget) * squares) if squares else 0.0


def figures(result: clients.Downloads, samples: Samples) -> dict[str, Any]:
    totals = result.totals
    cpu = samples.cpu[-1] - samples.cpu[0]
    return {
        "clients": len(totals),
        "closed_by_server": result.closed,
        "clients_with_an_empty_window": result.starved,
        "jain": jain(totals),
        "bytes_per_client": {"least": min(totals), "mean": fmean(totals), "most": max(totals)},
        "throughput_mb_per_s": sum(totals) / result.seconds / MB,
        "server_cpu_cores": cpu / result.seconds,
        "server_cpu_ms_per_gb": cpu * 1e12 / max(1, sum(totals)),
        "pss_at_start_mb": samples.pss[0] / MB,
        "pss_peak_mb": max(samples.pss) / MB,
        "kernel_tcp_memory_peak_mb": max(samples.tcp) / MB,
        "segments_dropped_for_want_of_it": samples.drops[-1] - samples.drops[0],
    }


def requests(args: argparse.Namespace) -> list[bytes]:
    step = args.size // args.clients if args.apart else 0
    return [clients.request("/large.bin", number * step) for number in range(args.clients)]


def flat(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Return rows for a table of named figures, one level deep."""
    rows = []
    for name, value in figures.items():
        inner = value if isinstance(value, dict) else {"": value}
        for key, number in inner.items():
            label = f"{name} {key}".replace("_", " ").strip()
            rows.append((label, f"{number:,.4g}" if abs(number) < 1000 else f"{number:,.0f}"))
    return rows


def show_shares(loops: Sequence[Loop | None], totals: Sequence[int], report: Report) -> None:
    """Show how the clients of each loop fared at the end of the run."""
    send_budget: dict[tuple[str, str], list[int]] = defaultdict(list)
    for loop, total in zip(loops, totals, strict=True):
        if loop is None:
            key = ("gone", "")
        else:
            key = (str(loop.pid), "ready" if loop.epoll == processes.NOWHERE else str(loop.epoll))
        send_budget[key].append(total)
    table = [
        (*key, len(own), f"{fmean(own) / MB:.1f}", f"{min(own) / MB:.1f}", f"{max(own) / MB:.1f}")
        for key, own in sorted(send_budget.items())
    ]
    columns = ["worker", "loop (epoll descriptor)", "clients", "mean MB", "least MB", "most MB"]
    show("shares by loop", columns, table)
    report.figures["shares"] = [dict(zip(columns, row, strict=True)) for row in table]
