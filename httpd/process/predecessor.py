"""The predecessor: in an upgrade, the supervisor whose place this one takes.

`httpd.process.successor` is the other end, and says how the two agree.  Called by
`httpd.process.supervisor`, `httpd.service` and `httpd.cli`.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
from collections.abc import MutableMapping, Sequence

from httpd.network.unix_listener import FileId, UnixListener
from httpd.observe.scoreboard import Scoreboard, read_all
from httpd.observe.shared_memory import find_generations
from httpd.process.accounts import Accounts
from httpd.process.channel import Channel, Message, close_all
from httpd.process.others import ends_within, send_signal
from httpd.process.plan import Endpoint
from httpd.process.successor import UPGRADE_VARIABLE


class Predecessor:
    """The running supervisor as its successor sees it.

    Args:
        pid: of the process.
        channel: the end of the successor.
        endpoint: what the listeners that it passed were opened for; None if a service manager has
            opened them.
        files: for each of these listeners the path and the file of a Unix socket that phttpd has
            bound, or None.
    """

    def __init__(
        self,
        pid: int,
        channel: Channel,
        endpoint: Endpoint | None,
        files: Sequence[tuple[str, FileId] | None] = (),
    ) -> None:
        self.pid = pid
        self.endpoint = endpoint
        self._files = files
        self.unused: Sequence[bool] = ()
        """For each listener that was passed, whether this process does not use it."""
        self.has_hung_up = False
        """Whether this process is the only server: the predecessor drains, or has ended."""
        self._modes = ""
        self._was_asked = False
        self._has_yielded = False
        self._is_replaced = False
        self._waits = False
        self._channel = channel
        self._handle = _open_process(pid)
        # If the predecessor has ended, another process may have got its pid.
        if self._handle is not None and channel.has_ended():
            os.close(self._handle)
            self._handle = None
        if self._handle is None:
            self._has_yielded = self.has_hung_up = True

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Predecessor | None:
        """Return the predecessor of this process, if it has one.

        To be called before `take_listeners`.

        Args:
            environment: of this process; the variable is removed.
        """
        text = environment.pop(UPGRADE_VARIABLE, None)
        if text is None or environment.get("LISTEN_PID") != str(os.getpid()):
            return None
        pid, fd, endpoint, *more = json.loads(text)  # an older phttpd sends no files
        os.set_inheritable(fd, False)
        if endpoint is not None:
            hosts, port = endpoint
            endpoint = Endpoint(tuple(hosts), port)
        files = [one and (one[0], tuple(one[1])) for one in (more[0] if more else ())]
        predecessor = cls(pid, Channel(socket.socket(fileno=fd)), endpoint, files)
        predecessor.receive()  # the modes, before a worker serves
        return predecessor

    def recognise(self, listeners: Sequence[socket.socket]) -> list[socket.socket]:
        """Return the listeners that were passed, those with a file of phttpd as `UnixListener`."""
        files = itertools.chain(self._files, itertools.repeat(None))
        return [
            one if file is None else UnixListener(file[0], one.detach(), file[1])
            for one, file in zip(listeners, files, strict=False)
        ]

    def take_modes(self) -> str:
        """Return the modes of the server, or nothing if none were sent since the last call."""
        modes, self._modes = self._modes, ""
        return modes

    def ask_to_take_over(self) -> bool:
        """Say once that all workers serve; return whether this process may take over."""
        if not self._was_asked:
            self._was_asked = True
            bits = sum(is_unused << number for number, is_unused in enumerate(self.unused))
            self._channel.send(Message.READY, f"{bits:x}")
        return self._has_yielded

    def send_serving(self) -> None:
        """Say that this process has taken over."""
        self._is_replaced = True
        self._channel.send(Message.SERVING)

    def send_failed(self, status: int, why: str) -> None:
        """Say that this process gives up.

        Args:
            status: an exit status.
            why: for the log of the predecessor and the waiting command.
        """
        self._channel.send(Message.FAILED, f"{status} {why}")

    def fileno(self) -> int:
        """Return the descriptor to wait for: of the channel, and after the hang-up, of the end of
        the process.
        """
        if self.has_hung_up and self._handle is not None:
            return self._handle
        return self._channel.fileno()

    def receive(self) -> None:
        """Read one message: the modes, or that this process may take over, or has to end first; or
        the hang-up.
        """
        if self.has_hung_up:
            return
        received = self._channel.receive()
        if received is None:
            self._has_yielded = self.has_hung_up = True
            return
        message, text, fds = received
        close_all(fds)
        if message is Message.TAKE_OVER:
            self._has_yielded = True
        elif message is Message.DRAIN:
            self._waits = True
        elif message is Message.MODES:
            self._modes = text

    def is_awaited(self) -> bool:
        """Tell whether this process must not end before the predecessor has.

        That is so once this process has taken over, unless the predecessor waits for its end.
        """
        return self.has_hung_up or (self._is_replaced and not self._waits)

    def has_ended(self) -> bool:
        """Tell whether the process has ended, and all its workers with it."""
        return self._handle is None or ends_within(self._handle, 0)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        send_signal(self._handle, number)

    def last_generation(self) -> int:
        """Return the number of its last generation."""
        try:
            found = {} if self._handle is None else find_generations(self.pid)
        except OSError:
            found = {}
        return max((number for number, _ in found.values()), default=0)

    def hand_over(self, accounts: Accounts) -> None:
        """Let this process take over what its workers have counted, as long as it runs."""
        try:
            if self._handle is not None:
                accounts.inherit(self.pid)
        except (OSError, ValueError):
            pass  # it has ended just now, or is a process of another version

    def boards(self) -> list[Scoreboard]:
        """Return the scoreboards of its workers."""
        try:
            return [] if self._handle is None else read_all(self.pid)
        except OSError:
            return []

    def close(self) -> None:
        """Close the descriptors; also called in a worker, which has inherited them."""
        self._channel.close()
        if self._handle is not None:
            os.close(self._handle)


def _open_process(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
