"""The line between the supervisor and one worker: whole messages, descriptors, and the news of
death.

When one of the two is gone, however it ended, the other reads an end of file.  For that to be true
a new worker closes the supervisor's ends of all channels, which it has inherited.
"""

from __future__ import annotations

import enum
import errno
import os
import re
import socket
import sys
from array import array

from httpd.process.errors import EX_WORKER

_MAX_MESSAGE = 4096
_ATTEMPTS = 3
"""How often a message is sent that the kernel does not take."""
_LATER = (errno.EAGAIN, errno.EINTR, errno.ENOMEM, errno.ENOBUFS)
"""Errors that say nothing of the other end."""
_FD_SIZE = array("i").itemsize
_FAILURE = re.compile("([1-9][0-9]{0,2}) (.*)", re.DOTALL)


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
    NOTHING = ""
    """What `Channel.receive` returns when there is nothing to read; never sent."""
    NONSENSE = "?"
    """What `Channel.receive` returns for bytes that are no message; never sent."""


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
        """Return the next message, its text and its descriptor; None when the other end is gone.

        It never waits, and any bytes will do: the other end may be a process with fewer rights than
        this one.  Who gets a descriptor has to close it.
        """
        try:
            # Not recv_fds(), which takes flags and forgets them.
            data, attached, _, _ = self._end.recvmsg(
                _MAX_MESSAGE, socket.CMSG_LEN(_FD_SIZE), socket.MSG_DONTWAIT
            )
        except OSError as error:
            return (Message.NOTHING, "", None) if error.errno in _LATER else None
        fd = _read_fd(attached)
        if not data:
            if fd is not None:
                os.close(fd)
            return None
        said = data.decode("utf-8", "replace")
        word, _, text = said.partition(" ")
        if word not in _MESSAGES:
            return Message.NONSENSE, said, fd
        return _MESSAGES[word], text, fd

    def has_ended(self) -> bool:
        """Tell whether the other end is gone, and all that it said was received."""
        try:
            return not self._end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError as error:
            return error.errno not in _LATER

    def close(self) -> None:
        """Hang up."""
        self._end.close()


_UNSENT = (Message.NOTHING, Message.NONSENSE)
_MESSAGES = {str(message): message for message in Message if message not in _UNSENT}


def _read_fd(attached: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in attached:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS) and len(data) >= _FD_SIZE:
            return int.from_bytes(data[:_FD_SIZE], sys.byteorder)
    return None


def read_failure(text: str) -> tuple[int, str]:
    """Return the exit status and the reason from the text of `Message.FAILED`, whatever it is."""
    match = _FAILURE.fullmatch(text)
    if not match or int(match[1]) > 255:
        return EX_WORKER, text
    return int(match[1]), match[2]
