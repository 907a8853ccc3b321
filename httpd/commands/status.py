"""``phttpd status``: what a running daemon is doing, read from its scoreboards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from httpd.commands.running import find_daemon, reaching
from httpd.observe.counters import read_counters
from httpd.observe.log import printable
from httpd.observe.report import make_report
from httpd.observe.scoreboard import read_all
from httpd.process.errors import EX_NOT_RUNNING, EX_OK, StartError
from httpd.process.output import write_output
from httpd.process.status_text import describe_sites, format_bytes

_MEANINGS = {
    "paused": "every request gets 503",
    "maintenance": "every request gets 503, while the file of maintenance_file exists",
    "unready": "health checks get 503",
    "starting": "health checks get 503",
    "stopping": "health checks get 503",
}


def status(pidfile: str, *, as_json: bool) -> int:
    """Print what the daemon is doing.

    Args:
        pidfile: path of the pidfile.
        as_json: whether to print JSON, for programs.

    Raises:
        StartError: when no daemon runs, or it belongs to another user.
    """
    pid = find_daemon(pidfile)
    with reaching(pid):
        boards = read_all(pid)
        if not boards:
            raise StartError(EX_NOT_RUNNING, f"the daemon (pid {pid}) is just starting or ending")
        report = make_report(pid, boards, read_counters(pid))
        text = json.dumps(report, indent=2) if as_json else _format_report(report)
    write_output(text)
    return EX_OK


def _format_modes(modes: dict[str, str | None]) -> Iterator[str]:
    """Yield a line for each mode that the server is in."""
    for name, since in modes.items():
        if since is not None:
            yield f"  {name:<12} since {since}: {_MEANINGS[name]}"


def _format_report(report: dict[str, Any]) -> str:
    workers = report["workers"]
    loops = len(workers[0]["loops"])
    lines = [
        f"phttpd {report['version']} is {report['phase']} with pid {report['pid']}, "
        f"{len(workers)} workers of {loops} loops",
        f"  docroot      {describe_sites(report)}",
        f"  addresses    {', '.join(report['addresses'])}",
        f"  since        {report['started']}",
        *_format_modes(report["modes"]),
        f"  connections  {report['connections']}, {report['active']} of them busy",
        f"  requests     {report['requests']}",
        f"  sent         {format_bytes(report['sent'])}",
    ]
    for worker in workers:
        connections = ", ".join(str(loop["connections"]) for loop in worker["loops"])
        name = f"worker {worker['worker']}"
        lines.append(f"  {name:<12} pid {worker['pid']}, connections by loop: {connections}")
    return "\n".join(map(printable, lines))  # the daemon may belong to another user
