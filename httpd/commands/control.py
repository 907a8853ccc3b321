"""``phttpd stop``, ``reload`` and ``upgrade``: they send a signal and wait for the outcome.

The outcome is read from the scoreboards of the daemon.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from httpd.commands.running import find_daemon, reaching
from httpd.observe.log import is_journal, printable
from httpd.observe.report import format_time
from httpd.observe.scoreboard import Column, Phase, Scoreboard, read_all, total
from httpd.process.errors import (
    EX_OK,
    EX_UNAVAILABLE,
    StartError,
    describe_failure,
)
from httpd.process.others import ends_within
from httpd.process.output import write_error, write_output
from httpd.process.pidfile import find_supervisor
from httpd.process.status_text import describe_drain

_LOOK_SECONDS = 1.0
"""Seconds between two looks at a drain."""
_CHANGE_LOOK_SECONDS = 0.02
"""Seconds between two looks at a reload or an upgrade."""
_CHANGE_SECONDS = 60.0
"""How long to wait for the outcome of a reload or an upgrade."""
_STDERR = 2


def stop(pidfile: str) -> int:
    """Let the daemon drain, and wait for its end; print what the drain waits for.

    Args:
        pidfile: path of the pidfile.

    Raises:
        StartError: when no daemon runs, or it belongs to another user.
    """
    pid = find_daemon(pidfile)
    with reaching(pid):
        handle = os.pidfd_open(pid)
        # A second signal would cut the requests in progress.
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
    """Let the daemon read its configuration again, and wait for the outcome.

    Args:
        pidfile: path of the pidfile.

    Raises:
        StartError: when no daemon runs, it belongs to another user, or the reload failed.
    """
    return _change(pidfile, signal.SIGHUP, "reload")


def upgrade(pidfile: str) -> int:
    """Let the daemon start a successor with the code that is on the disk, and wait for the outcome.

    Args:
        pidfile: path of the pidfile.

    Raises:
        StartError: when no daemon runs, it belongs to another user, or the upgrade failed.
    """
    return _change(pidfile, signal.SIGUSR2, "upgrade")


def _change(pidfile: str, number: signal.Signals, what: str) -> int:
    pid = find_daemon(pidfile)
    with reaching(pid):
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
                return _report_outcome(pid, serving, what)
    finally:
        os.close(handle)
    raise StartError(
        EX_UNAVAILABLE, f"pid {pid} has not finished the {what} within {_CHANGE_SECONDS:g} s"
    )


def _report_outcome(pid: int, serving: Scoreboard, what: str) -> int:
    with reaching(pid):
        outcome, why_not = serving.facts["outcome"]
        if outcome != EX_OK:
            # Under a service manager, the daemon has just written the reasons to the same journal.
            if is_journal(_STDERR) and serving.facts.get("log_file", "") is None:
                why_not = f"see the messages of pid {pid}"
            raise StartError(int(outcome), *describe_failure(what, why_not))
        if why_not:
            write_error(f"phttpd: {printable(str(why_not))}\n")
    return EX_OK


def _serving(pid: int) -> Scoreboard | None:
    """Return the scoreboard of the generation that serves, if there is one."""
    boards = read_all(pid)
    return next((board for board in boards if board.phase is Phase.SERVING), None)


def _describe_drain(boards: list[Scoreboard]) -> str:
    if until := max((board.drains_at for board in boards), default=0):
        return f"not ready, and serving until {format_time(until)}"
    return describe_drain(total(boards, Column.ACTIVE), total(boards, Column.REMAINING))
