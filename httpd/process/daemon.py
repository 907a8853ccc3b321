"""Detaching from the terminal, with the outcome of the start as the exit status for the shell.

A child becomes the daemon (python-daemon does the steps of daemon(7)) and reports over a pipe.  The
launching process waits for the report, and exits with its status.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence

import daemon

from httpd.process.errors import EX_OK, EX_OSERR, StartError

_UMASK = 0o022


def launch(serve: Callable[[Callable[[], None]], int], keep: Sequence[socket.socket] = ()) -> int:
    """Run `serve` in a daemon, and return when it has reported that it is ready.

    Args:
        serve: runs the server until it ends; calls its argument when it is ready, or raises
            StartError.
        keep: sockets that stay open in the daemon.

    Returns:
        The exit status for the shell.

    Raises:
        StartError: when the start failed in the daemon, or no process could be made.
    """
    read_fd, write_fd = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        raise StartError(EX_OSERR, f"cannot start a process: {error.strerror}") from None
    if pid == 0:
        os.close(read_fd)
        _be_daemon(serve, write_fd, keep)
    os.close(write_fd)
    with open(read_fd, "rb") as reports:
        status, _, text = reports.readline().decode("utf-8", "replace").rstrip("\n").partition(" ")
    os.waitpid(pid, 0)
    if status == str(EX_OK):
        return EX_OK
    if not status:
        raise StartError(EX_OSERR, "the daemon ended before it was ready")
    raise StartError(int(status), text)


def _be_daemon(
    serve: Callable[[Callable[[], None]], int], report_fd: int, keep: Sequence[socket.socket]
) -> None:
    """Become the daemon, and end this process when `serve` returns."""
    status = EX_OSERR
    report = Report(report_fd)
    try:
        ignored = (signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP)
        daemon.DaemonContext(
            files_preserve=[report_fd, *keep],
            umask=_UMASK,
            signal_map=dict.fromkeys(ignored),
            detach_process=True,
        ).open()
        status = serve(lambda: report.send(EX_OK, ""))
    except StartError as error:
        status = error.status
        report.send(status, error.text)
    except BaseException as error:
        report.send(status, f"internal error: {error!r}")
    finally:
        sys.stdout.flush()
        os._exit(status)


class Report:
    """Sends the launching process the outcome of the start, and closes the pipe.

    Args:
        fd: the pipe to the launching process.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def send(self, status: int, text: str) -> None:
        """Send the outcome; only the first call has an effect.

        Args:
            status: exit status of the start.
            text: the reason of a failure.
        """
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        line = "; ".join(f"{status} {text}".splitlines())
        try:
            os.write(fd, f"{line}\n".encode("utf-8", "backslashreplace"))
        except OSError:
            pass  # the launching process has ended
        os.close(fd)
