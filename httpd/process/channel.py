"""The line between the supervisor and one worker: whole messages, descriptors, and the news of
death.

When one of the two is gone, however it ended, the other reads an end of file.  For that to be true
a new worker closes the supervisor's ends of all channels, which it has inherited.
"""

from __future__ import annotations

import enum
import socket
from array import array

_MAX_MESSAGE = 4096
_ATTEMPTS = 3
"""How often a message is sent that the kernel does not take."""


class Message(enum.StrEnum):
    """What is said; a text may follow after a space."""

    READY = "ready"
    """Worker: all my loops serve."""
    LEFT = "left"
    """Worker: none of my loops accepts connections any more."""
    FAILED = "failed"
    """Worker: I cannot boot; exit status and reason follow."""
    DRAIN = "drain"
    """Supervisor: finish the requests that you have received, then end; the seconds that this may
    take follow.  Said once more, it gives a drain less time."""
    STOP = "stop"
    """Supervisor: end now."""
    LOG = "log"
    """Supervisor: write the log to the descriptor that comes along."""


class Channel:
    """One end of a line."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return the supervisor's end and the worker's end."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._end.fileno()

    def send(self, message: Message, text: str = "", fd: int | None = None) -> None:
        """Say something, if there is still somebody to listen; never wait for one who does not."""
        data = f"{message} {text}".encode("utf-8", "backslashreplace")[:_MAX_MESSAGE]
        attached = []
        if fd is not None:
            attached.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd])))
        for _ in range(_ATTEMPTS):
            try:
                # Not send_fds(), which takes flags and forgets them.
                self._end.sendmsg([data], attached, socket.MSG_DONTWAIT)
                return
            except ConnectionError:
                return
            except OSError:
                continue  # for want of memory, which may be there the next time

    def receive(self) -> tuple[Message, str, int | None] | None:
        """Return the next message, its text and its descriptor; None when the other end is gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self._end, _MAX_MESSAGE, 1)
        except OSError:
            return None
        if not data:
            return None
        word, _, text = data.decode("utf-8", "replace").partition(" ")
        return Message(word), text, fds[0] if fds else None

    def close(self) -> None:
        """Hang up."""
        self._end.close()
