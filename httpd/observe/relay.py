"""A process that writes the log to a console which may block, so that no other process has to.

Some consoles cannot be opened again: a pipe of another user, a socket, some terminals.  They can
only be written to through the inherited descriptor, and O_NONBLOCK would be set for all processes
that share it.  So the log goes through a pipe of the server's own, which never blocks.  Lines that
do not fit into the pipe are kept or counted by their writers.

It is a process and not a thread, since the supervisor forks workers.  Called by `httpd.service`.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
import time

from httpd.observe.log import name_thread

LAST_WORDS_SECONDS = 2.0
"""How long the server waits at its end for a console that accepts nothing."""
_LOOK_SECONDS = 0.01
_INT = struct.Struct("@i")


class Relay:
    """A relay to a console; the log is written to its `fd`, which never blocks.

    Args:
        console: a descriptor that may block.

    Raises:
        OSError: when no process or pipe can be made.
    """

    def __init__(self, console: int) -> None:
        read_fd, self.fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.fd, False)
        self._pid = os.fork()
        if self._pid == 0:
            _relay(read_fd, console)
        os.close(read_fd)
        self._process = os.pidfd_open(self._pid)

    def close(self) -> int:
        """End the relay when the console has accepted everything, or after `LAST_WORDS_SECONDS`.

        To be called when no other process writes any more.

        Returns:
            How many bytes are lost.
        """
        until = time.monotonic() + LAST_WORDS_SECONDS
        while (left := self._unread()) and time.monotonic() < until:
            if self._has_ended(_LOOK_SECONDS):
                break
        os.close(self.fd)
        if not self._has_ended(0.0 if left else LAST_WORDS_SECONDS):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        os.close(self._process)
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            pass  # the supervisor has reaped it
        return left

    def _unread(self) -> int:
        return int(_INT.unpack(fcntl.ioctl(self.fd, termios.FIONREAD, bytes(_INT.size)))[0])

    def _has_ended(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._process, select.POLLIN)
        return bool(poll.poll(seconds * 1000))


def _relay(read_fd: int, console: int) -> None:
    """Run the relay until the last writer has closed the pipe; signals are ignored."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        first = 0
        for kept in sorted((read_fd, console)):  # close all inherited locks, sockets, channels
            os.closerange(first, kept)
            first = kept + 1
        os.closerange(first, 1 << 20)
        name_thread("log")
        while data := os.read(read_fd, 65536):
            while data:
                data = data[os.write(console, data) :]
    except OSError:
        pass  # the console is closed; the writers get EPIPE and count lost messages
    finally:
        os._exit(0)
