"""A worker process as the supervisor sees it: how far it is, and why it ended.

Called by `httpd.process.generation` and `httpd.process.worker_pool`.
"""

from __future__ import annotations

import os
import signal
import time

from httpd.process.channel import Channel, Message, close_all, read_failure

BOOT_SECONDS = 30.0
"""How long a worker may take until it serves."""
_MAX_QUOTED = 80
"""Characters of an invalid message that the log shows."""


class WorkerProcess:
    """A worker process.

    Args:
        index: number of the worker, from 0; a replacement gets the number of the worker that died.
        pid: of the process.
        channel: the supervisor's end of the channel to the worker.
        failures: how many workers with this index have failed in a row before this one.
    """

    def __init__(self, index: int, pid: int, channel: Channel, failures: int) -> None:
        self.index = index
        self.pid = pid
        self.channel = channel
        self.failures = failures
        self.started = time.monotonic()
        self.ready = False
        """Whether all its loops serve."""
        self.has_left = False
        """Whether none of its loops accepts connections any more."""
        self.has_ended = False
        """Whether it was reaped; another process may have its pid by now."""
        self.complaint: tuple[int, str] | None = None
        """Exit status and reason that the worker gave for not booting."""
        self.fault = ""
        """Why the supervisor killed it, as the end of a sentence."""

    def __repr__(self) -> str:
        state = (
            "ended"
            if self.has_ended
            else "killed"
            if self.fault
            else "left the listeners"
            if self.has_left
            else "serving"
            if self.ready
            else "booting"
        )
        return f"<WorkerProcess {self.index} pid={self.pid} {state}>"

    @property
    def boots_until(self) -> float:
        """When the boot has taken too long, by the monotonic clock; infinite after the boot."""
        is_booting = not (self.ready or self.has_ended or self.complaint or self.fault)
        return self.started + BOOT_SECONDS if is_booting else float("inf")

    def receive(self) -> None:
        """Read one message: the worker serves, has left the listeners, or cannot boot.

        A worker serves clients and may be compromised, so it is killed when it sends an invalid
        message, or closes the channel before it serves.
        """
        received = self.channel.receive()
        if received is None:
            self._on_hang_up()
            return
        message, text, fds = received
        close_all(fds)  # no valid message of a worker has any
        if message is Message.READY and not self.ready:
            self.ready = True
        elif message is Message.LEFT:
            self.has_left = True
        elif message is Message.FAILED:
            self.complaint = read_failure(text)
            self.kill()  # a worker that is not compromised ends by itself
        elif message is not Message.NOTHING:
            self.has_left = True
            quoted = text if message is Message.NONSENSE else f"{message} {text}"
            self.kill_for(f"was killed for an invalid message: {quoted.rstrip()[:_MAX_QUOTED]!a}")

    def _on_hang_up(self) -> None:
        """Kill a worker that did not serve yet: without the channel, it cannot be told to end."""
        self.has_left = True
        if not self.ready and self.complaint is None and not self.fault:
            self.kill_for("was killed by SIGKILL before it served")

    def describe_end(self, status: int) -> str:
        """Return why the worker ended, as the end of a sentence.

        Args:
            status: what waitpid(2) returned for it.
        """
        if self.complaint is not None:
            return self.complaint[1]
        is_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        return self.fault if self.fault and is_killed else describe_exit(status)

    def kill_for(self, fault: str) -> None:
        """Kill the worker for what it did.

        Args:
            fault: for the log, as the end of a sentence.
        """
        self.fault = fault
        self.kill()

    def kill(self) -> None:
        """Kill the worker, unless it has ended."""
        if not self.has_ended:
            os.kill(self.pid, signal.SIGKILL)


def describe_exit(status: int) -> str:
    """Return how a process ended, from the status of waitpid(2), as the end of a sentence."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:  # most real-time signals have no name
            return f"was killed by signal {-code}"
    return f"ended with exit status {code}"
