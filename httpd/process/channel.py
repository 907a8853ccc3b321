"""A channel between two processes: whole messages, descriptors, and the end of the other process.

The supervisor has one to each worker, and in an upgrade one to its successor.  When one process
ends, however that happens, the other reads an end of file.  To that end a new worker closes the
supervisor's ends of all channels, which it has inherited.
"""

from __future__ import annotations

import enum
import errno
import os
import re
import socket
from array import array
from collections.abc import Iterable, Sequence

from httpd.process.errors import EX_WORKER

_MAX_MESSAGE = 4096
_ATTEMPTS = 3
"""How often to try to send a message that the kernel does not accept."""
_LATER = (errno.EAGAIN, errno.EINTR, errno.ENOMEM, errno.ENOBUFS)
"""Errors that do not mean that the other end is closed."""
_FD_SIZE = array("i").itemsize
MOST_FDS = 253
"""Linux's SCM_MAX_FD: the descriptors that one message may have (unix(7))."""
_FAILURE = re.compile("([1-9][0-9]{0,2}) (.*)", re.DOTALL)


class Message(enum.StrEnum):
    """The first word of a message; a text may follow after a space."""

    READY = "ready"
    """Worker: all my loops serve.  Successor: all my workers serve; the listeners that it does not
    use follow, as a number in base 16 with a bit for each."""
    LEFT = "left"
    """Worker: none of my loops accepts connections any more."""
    FAILED = "failed"
    """Worker or successor: I cannot boot; exit status and reason follow."""
    TAKE_OVER = "take-over"
    """Predecessor: be the server; I drain when you have sent `SERVING`."""
    SERVING = "serving"
    """Successor: I have taken over."""
    DRAIN = "drain"
    """Supervisor: finish the requests that you have received, then end; the seconds that this may
    take follow.  When it is sent again, it shortens the drain.  Predecessor: I drain, and wait
    for your end."""
    STOP = "stop"
    """Supervisor: end now."""
    MODES = "modes"
    """Predecessor: the modes of the server, which the successor keeps, follow."""
    LOG = "log"
    """Supervisor: write the logs whose descriptors have the numbers that follow, in both processes,
    to the descriptors that come along."""
    BOARD = "board"
    """Supervisor, to the monitor: the memory of a generation; its name follows, and the descriptor
    comes along."""
    GONE = "gone"
    """Supervisor, to the monitor: the memory of that name belongs to no generation any more."""
    NOTHING = ""
    """What `Channel.receive` returns when there is nothing to read; never sent."""
    NONSENSE = "?"
    """What `Channel.receive` returns for bytes that are no message; never sent."""


class Channel:
    """One end of a channel."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return both ends of a new channel."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._end.fileno()

    def send(self, message: Message, text: str = "", fds: Sequence[int] = ()) -> None:
        """Send a message, if the other end is open, without waiting for it to be read.

        Args:
            message: its first word.
            text: the rest of it.
            fds: up to `MOST_FDS` descriptors that are sent along; they stay open here.
        """
        data = f"{message} {text}".encode("utf-8", "backslashreplace")[:_MAX_MESSAGE]
        attached = []
        if fds:
            attached.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds)))
        for _ in range(_ATTEMPTS):
            try:
                # Not send_fds(), which takes flags and forgets them.
                self._end.sendmsg([data], attached, socket.MSG_DONTWAIT)
                return
            except ConnectionError:
                return
            except OSError:
                continue  # for want of memory, which may be there the next time

    def receive(self) -> tuple[Message, str, tuple[int, ...]] | None:
        """Return the next message, its text and its descriptors; None when the other end is closed.

        It never waits, and accepts any bytes: the other process may have fewer rights than this
        one.  The caller has to close the descriptors.
        """
        try:
            data, attached = self._receive()
        except OSError as error:
            return (Message.NOTHING, "", ()) if error.errno in _LATER else None
        fds = _read_fds(attached)
        if not data:
            close_all(fds)
            return None
        received = data.decode("utf-8", "replace")
        word, _, text = received.partition(" ")
        if word not in _MESSAGES:
            return Message.NONSENSE, received, fds
        return _MESSAGES[word], text, fds

    def _receive(self) -> tuple[bytes, list[tuple[int, int, bytes]]]:
        # Not recv_fds(), which takes flags and forgets them.
        how = _MAX_MESSAGE, socket.CMSG_LEN(MOST_FDS * _FD_SIZE), socket.MSG_DONTWAIT
        try:
            return self._end.recvmsg(*how)[:2]
        except ConnectionResetError:
            # The other process has ended without reading all messages.  The kernel says so once,
            # before it hands out the messages that the other process has sent.
            return self._end.recvmsg(*how)[:2]

    def has_ended(self) -> bool:
        """Tell whether the other end is closed, and all its messages were received."""
        try:
            return not self._end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError as error:
            return error.errno not in _LATER

    def close(self) -> None:
        """Close this end."""
        self._end.close()


_UNSENT = (Message.NOTHING, Message.NONSENSE)
_MESSAGES = {str(message): message for message in Message if message not in _UNSENT}


def _read_fds(attached: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    fds = array("i")
    for level, kind, data in attached:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) // _FD_SIZE * _FD_SIZE])
    return tuple(fds)


def use_files(text: str, fds: Sequence[int]) -> None:
    """Let descriptors refer to other files, as `Message.LOG` says.

    Args:
        text: the descriptors.
        fds: of the files, in the same order; they are closed.
    """
    try:
        for number, fd in zip(map(int, text.split()), fds, strict=False):
            os.dup2(fd, number, inheritable=False)
    finally:
        close_all(fds)


def close_all(fds: Iterable[int]) -> None:
    """Close descriptors that were received."""
    for fd in fds:
        os.close(fd)


def read_failure(text: str) -> tuple[int, str]:
    """Return the exit status and the reason from the text of `Message.FAILED`, whatever it is."""
    match = _FAILURE.fullmatch(text)
    if not match or int(match[1]) > 255:
        return EX_WORKER, text
    return int(match[1]), match[2]
