"""``phttpd stop``, ``reload``, ``upgrade`` and ``status``: talking to a running daemon.

Signals go one way; what the daemon does about them is read off its scoreboards.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from httpd.observe.log import is_journal, printable
from httpd.observe.scoreboard import Column, Phase, Scoreboard, read_all
from httpd.process.errors import (
    EX_NOPERM,
    EX_NOT_RUNNING,
    EX_OK,
    EX_UNAVAILABLE,
    StartError,
    describe_failure,
)
from httpd.process.others import ends_within
from httpd.process.output import write_error, write_output
from httpd.process.pidfile import find_supervisor
from httpd.process.status_text import describe_drain, format_bytes, total

_LOOK_SECONDS = 1.0
_CHANGE_LOOK_SECONDS = 0.02
_CHANGE_SECONDS = 60.0
_STDERR = 2
_MAX_PID = 64
"""Bytes of a pidfile that are looked at."""


def stop(pidfile: str) -> int:
    """Ask the daemon to drain, and wait until it has; show what it waits for.

    Raises:
        StartError: when no daemon runs or it may not be touched.
    """
    pid = _find(pidfile)
    with _permission(pid):
        handle = os.pidfd_open(pid)
        # A second signal would end the requests in hand.
        if not any(board.phase is Phase.STOPPING for board in read_all(pid)):
            signal.pidfd_send_signal(handle, signal.SIGTERM)
    shown = ""
    while not ends_within(handle, _LOOK_SECONDS):
        try:
            text = _describe_drain(read_all(pid))
        except (ProcessLookupError, PermissionError):
            continue
        if text != shown:
            with suppress(StartError):  # the drain goes on whether or not it can be shown
                write_output(text)
            shown = text
    os.close(handle)
    return EX_OK


def reload(pidfile: str) -> int:
    """Ask the daemon to read its configuration anew, and wait for the outcome.

    Raises:
        StartError: when no daemon runs, it may not be touched, or the reload failed.
    """
    return _change(pidfile, signal.SIGHUP, "reload")


def upgrade(pidfile: str) -> int:
    """Ask the daemon to let the code as it is now take its place, and wait for the outcome.

    Raises:
        StartError: when no daemon runs, it may not be touched, or the upgrade failed.
    """
    return _change(pidfile, signal.SIGUSR2, "upgrade")


def _change(pidfile: str, number: signal.Signals, what: str) -> int:
    pid = _find(pidfile)
    with _permission(pid):
        serving = _serving(pid)
        if serving is None:
            text = f"the daemon (pid {pid}) is just starting or ending"
            raise StartError(EX_UNAVAILABLE, text)
        before = serving.changes
        handle = os.pidfd_open(pid)
        signal.pidfd_send_signal(handle, number)
    until = time.monotonic() + _CHANGE_SECONDS
    try:
        while time.monotonic() < until:
            has_ended = ends_within(handle, _CHANGE_LOOK_SECONDS)
            if find_supervisor(pidfile) not in (pid, None):  # a successor serves
                return EX_OK if number is signal.SIGUSR2 else _change(pidfile, number, what)
            if has_ended:
                raise StartError(EX_UNAVAILABLE, f"the daemon (pid {pid}) ended instead")
            try:
                serving = _serving(pid)  # none when a successor has just taken its place
            except ProcessLookupError:
                continue
            if serving is not None and serving.changes != before:
                return _tell_outcome(pid, serving, what)
    finally:
        os.close(handle)
    raise StartError(EX_UNAVAILABLE, f"no answer in {_CHANGE_SECONDS:g} s from pid {pid}")


def _tell_outcome(pid: int, serving: Scoreboard, what: str) -> int:
    with _permission(pid):
        outcome, why_not = serving.facts["outcome"]
        if outcome != EX_OK:
            # Under a service manager, the daemon has just written the reasons to the same journal.
            if is_journal(_STDERR) and serving.facts.get("log_file", "") is None:
                why_not = f"see what pid {pid} said of it"
            raise StartError(int(outcome), *describe_failure(what, why_not))
        if why_not:
            write_error(f"phttpd: {printable(str(why_not))}\n")
    return EX_OK


def status(pidfile: str, *, as_json: bool) -> int:
    """Print what the daemon is doing.

    Args:
        pidfile: path.
        as_json: for programs.

    Raises:
        StartError: when no daemon runs or it may not be looked at.
    """
    pid = _find(pidfile)
    with _permission(pid):
        boards = read_all(pid)
        if not boards:
            raise StartError(EX_NOT_RUNNING, f"the daemon (pid {pid}) is just starting or ending")
        report = _report(pid, boards)
        text = json.dumps(report, indent=2) if as_json else _format_report(report)
    write_output(text)
    return EX_OK


def _find(pidfile: str) -> int:
    pid = find_supervisor(pidfile)
    if pid is None:
        raise StartError(EX_NOT_RUNNING, f"phttpd is not running (pidfile {pidfile})")
    if pid == 0:  # fcntl(2), F_GETLK: the holder of the lock is not visible in this namespace
        raise StartError(EX_UNAVAILABLE, _describe_elsewhere(pidfile))
    return pid


def _describe_elsewhere(pidfile: str) -> str:
    """Say where a daemon runs that has no pid here."""
    try:
        with open(pidfile, "rb") as file:
            text = file.read(_MAX_PID).decode("ascii", "replace").strip()
    except OSError:
        text = ""
    number = f", where its pid is {text}" if text.isdecimal() else ""
    return (
        f"phttpd (pidfile {pidfile}) runs in another PID namespace{number}; "
        "give this command there: in its container, or on the host"
    )


@contextmanager
def _permission(pid: int) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        text = f"the daemon (pid {pid}) belongs to another user; try again as root"
        raise StartError(EX_NOPERM, text) from None
    except ProcessLookupError:
        raise StartError(EX_NOT_RUNNING, "phttpd has just ended") from None
    except (KeyError, TypeError, ValueError):
        text = f"the process {pid} is no phttpd of this version; it cannot be understood"
        raise StartError(EX_UNAVAILABLE, text) from None


def _serving(pid: int) -> Scoreboard | None:
    """Return the scoreboard of the generation that serves, if there is one."""
    boards = read_all(pid)
    return next((board for board in boards if board.phase is Phase.SERVING), None)


def _describe_drain(boards: list[Scoreboard]) -> str:
    return describe_drain(total(boards, Column.ACTIVE), total(boards, Column.REMAINING))


def _report(pid: int, boards: list[Scoreboard]) -> dict[str, Any]:
    newest, *older = boards
    totals = {
        column.name.lower(): total(boards, column)
        for column in (Column.CONNECTIONS, Column.ACTIVE, Column.REQUESTS, Column.SENT)
    }
    return {
        "pid": pid,
        "phase": newest.phase.name.lower(),
        **newest.facts,
        **totals,
        "draining_connections": total(older, Column.CONNECTIONS),
        "workers": newest.snapshot(),
    }


def _format_report(report: dict[str, Any]) -> str:
    workers = report["workers"]
    loops = len(workers[0]["loops"])
    lines = [
        f"phttpd {report['version']} is {report['phase']} with pid {report['pid']}, "
        f"{len(workers)} workers of {loops} loops",
        f"  docroot      {report['docroot']}",
        f"  addresses    {', '.join(report['addresses'])}",
        f"  since        {report['started']}",
        f"  connections  {report['connections']}, {report['active']} of them busy",
        f"  requests     {report['requests']}",
        f"  sent         {format_bytes(report['sent'])}",
    ]
    for worker in workers:
        connections = ", ".join(str(loop["connections"]) for loop in worker["loops"])
        who = f"worker {worker['worker']}"
        lines.append(f"  {who:<12} pid {worker['pid']}, connections by loop: {connections}")
    return "\n".join(map(printable, lines))  # the daemon may be another user's
