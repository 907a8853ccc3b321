"""One connection: an automaton that receives requests and sends answers.

It belongs to the loop that accepted it, and no other thread touches it.  What it waits for and when
that times out follow from its state; only `_enter` and `close` change the state, and every close
has a reason.

                    ┌───────────── answered, keep-alive ─────────────┐
                    ▼                                                │
    accept ──▶ IDLE ──── some bytes ───▶ HEAD ──── a whole head ──▶ SENDING
                 │ └──── a whole head, known to the memo ────────────▶ │
                 ▼                        ▼                            ▼
               CLOSED ◀───────────────────────────────────────── LINGERING
"""

from __future__ import annotations

import enum
import os
import select
import socket
import time
from typing import TYPE_CHECKING

from httpd.protocol.messages import HTTPError
from httpd.protocol.parser import find_head_end
from httpd.site.answer import Answer

if TYPE_CHECKING:
    from httpd.network.loop import Loop

SLICE = 256 * 1024
"""Bytes of a large body that a connection sends before it is the next one's turn."""
TAIL = 4096
"""Bytes at the end of a large body that are sent from memory, after a last look at the file."""
PIPELINED = 32
"""Pipelined requests that are answered before it is the next connection's turn."""
LINGER_SECONDS = 2.0
"""How long a client may go on sending after its last answer (RFC 9112 §9.6)."""
FIRST_REQUEST_SECONDS = 0.2
"""How long a drain waits for the first request of a connection that was accepted just before."""
_REFUSALS = {500: "internal error", 503: "too many open files"}
NOTHING = memoryview(b"")
READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class State(enum.Enum):
    """What a connection is doing."""

    IDLE = enum.auto()
    """Waiting for a request."""
    HEAD = enum.auto()
    """In the middle of receiving a request head."""
    SENDING = enum.auto()
    """In the middle of sending an answer, or about to answer pipelined requests."""
    LINGERING = enum.auto()
    """Answered for the last time; discards what the client still sends."""
    CLOSED = enum.auto()


IDLE, HEAD, SENDING, LINGERING, CLOSED = State


class Connection:
    """Args: loop: its owner; fd: a non-blocking socket; peer: the client's host and port."""

    __slots__ = (
        "_answer",
        "_buffer",
        "_head",
        "_interest",
        "_loop",
        "_more",
        "_offset",
        "_pending",
        "_reason",
        "_started",
        "deadline",
        "fd",
        "peer",
        "remaining",
        "served",
        "state",
    )

    def __init__(self, loop: Loop, fd: int, peer: tuple[str, int]) -> None:
        self._loop = loop
        self.fd = fd
        self.peer = peer
        self.state = IDLE
        self.deadline = loop.now + loop.settings.header_timeout
        self.served = 0
        """Answers sent."""
        self.remaining = 0
        """Bytes of the running answer's file that are still to be sent."""
        self._interest = 0
        self._buffer: bytearray | None = None  # received and not yet used
        self._head = b""  # of the running answer, for the log
        self._answer: Answer | None = None  # the running one
        self._pending = NOTHING  # of the running answer's memory
        self._offset = 0  # of its file
        self._more = False  # whether the kernel may have received more than was read
        self._reason = "answered"  # for a close after the last answer
        self._started = 0.0  # when its request began to arrive

    # ---------------------------------------------------------------- what the loop calls

    def on_event(self) -> None:
        """Go on: the socket is ready for what the state waits for, or broken."""
        state = self.state
        if state is IDLE or state is HEAD:
            self._receive()
        elif state is SENDING:
            self._send()
        elif state is LINGERING:
            self._discard()

    def is_quiet(self) -> bool:
        """Tell whether nothing is in hand: no request, and none that waits in the socket."""
        if self.state is not IDLE:
            return False
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return not poll.poll(0)

    def on_deadline(self) -> None:
        """Give up what has taken too long."""
        if self.state is IDLE:
            self.close("keep-alive timeout" if self.served else "header timeout")
        elif self.state is HEAD:
            self._refuse(HTTPError(408, "The request took too long to arrive."), "header timeout")
        elif self.state is SENDING:
            self.close("send timeout")
        else:
            self.close(self._reason)

    def on_drain(self) -> None:
        """Finish what is in hand, and close at once if that is nothing.

        The request of an idle connection may have arrived already, and that of a new one is on its
        way; the one is served, the other is given a moment.
        """
        if self.state is not IDLE:
            return
        self._receive()
        if self.state is IDLE:
            if self.served:
                self.close("drain")
            else:
                self.deadline = min(self.deadline, self._loop.now + FIRST_REQUEST_SECONDS)

    def close(self, reason: str) -> None:
        """Close the socket, whatever was going on; `reason` is for the log."""
        if self.state is CLOSED:
            return
        if self._answer is not None:
            self._log_answer(self._answer)
        self.state = CLOSED
        self._answer = None
        self._buffer = None
        self._loop.forget(self)
        os.close(self.fd)
        if self._loop.verbose:
            host, port = self.peer
            self._loop.log.debug(f"connection {host}:{port} closed: {reason}")

    # ---------------------------------------------------------------- receiving

    def _receive(self) -> None:
        loop = self._loop
        try:
            data = os.read(self.fd, loop.settings.recv)
        except BlockingIOError:
            self._wait_for(READ)
            return
        except OSError:
            self.close("client reset")
            return
        if not data:
            self.close("client closed")
            return
        self._more = len(data) == loop.settings.recv
        if self._buffer:
            self._buffer += data
            self._answer_buffer(len(self._buffer) - len(data))
        else:
            self._started = loop.now
            if answer := loop.recall(data):
                self._head = data
                self._begin(answer)
            else:
                self._buffer = bytearray(data)
                self._answer_buffer(0)

    def _answer_buffer(self, seen: int) -> None:
        """Answer the requests in the buffer, of which `seen` bytes were looked at before."""
        loop = self._loop
        buffer = self._buffer
        for _ in range(PIPELINED):
            if not buffer:
                self._buffer = None
                return
            self._head = b""
            if self.state is IDLE:
                self._enter(HEAD, loop.now + loop.settings.header_timeout)
            try:
                end = find_head_end(buffer, seen)
                if not end:
                    self._wait_for(READ)
                    return
                self._head = bytes(buffer[:end])
                del buffer[:end]
                answer = loop.respond(self._head)
            except HTTPError as error:
                self._refuse(error, _REFUSALS.get(error.status, "bad request"))
                return
            self._begin(answer)
            if self.state is not IDLE:
                return
            seen = 0
        self._enter(SENDING, loop.now + loop.settings.send_timeout)
        self._wait_for(WRITE)  # for the next turn

    def _refuse(self, error: HTTPError, reason: str) -> None:
        """Send a last answer to what is no request, and read no further."""
        if not self._head and self._buffer:
            self._head = bytes(self._buffer[:8192])
        self._buffer = None
        self._reason = reason
        is_head = self._head.lstrip(b"\r\n").startswith(b"HEAD ")
        self._begin(self._loop.refuse(error, head_only=is_head))

    def refuse_at_accept(self, error: HTTPError) -> None:
        """Answer a connection that there is no room for."""
        self._refuse(error, "too many connections")

    # ---------------------------------------------------------------- sending

    def _begin(self, answer: Answer) -> None:
        """Send an answer, all of it at once if the socket takes it."""
        wire = answer.wire
        try:
            sent = os.write(self.fd, wire)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = -1
        self._answer = answer
        if sent == len(wire) and not answer.length:
            self._loop.sent += sent
            self._finish(answer)
            return
        self._pending = memoryview(wire)
        self._offset = answer.offset
        self.remaining = answer.length
        if sent < 0:
            self.close("client reset")
            return
        self._note_sent(sent)
        self._enter(SENDING, self._loop.now + self._loop.settings.send_timeout)
        self._progress(answer)

    def _send(self) -> None:
        """Go on with the running answer, and then with pipelined requests."""
        if self._answer is not None:
            self._progress(self._answer)
            if self.state is not IDLE:
                return
        else:
            self._enter(IDLE, self._loop.now + self._loop.settings.keepalive_timeout)
        self._answer_buffer(0)
        if self.state is IDLE:
            self._wait_for(READ)

    def _progress(self, answer: Answer) -> None:
        """Send a slice of the running answer."""
        try:
            self._send_slice(answer)
        except BlockingIOError:
            pass
        except OSError as error:
            self.close("client reset" if isinstance(error, ConnectionError) else "read error")
        if self.state is CLOSED:
            return
        if self._pending or self.remaining:
            self._wait_for(WRITE)
        else:
            self._finish(answer)

    def _send_slice(self, answer: Answer) -> None:
        """Send until the slice is full, or BlockingIOError says that the socket is."""
        budget = SLICE
        while budget > 0 and self.state is SENDING:
            if self._pending:
                sent = self._send_pending()
            elif self.remaining:
                sent = self._send_file(answer, budget)
            else:
                return
            budget -= sent
            self.deadline = self._loop.now + self._loop.settings.send_timeout

    def _send_pending(self) -> int:
        sent = os.write(self.fd, self._pending)
        self._note_sent(sent)
        return sent

    def _note_sent(self, sent: int) -> None:
        self._pending = self._pending[sent:]
        self._loop.sent += sent

    def _send_file(self, answer: Answer, budget: int) -> int:
        """Send some of the file, as long as it is the one that the head announced.

        The last bytes wait in memory for a last check, so that a client never receives all of what
        was announced when some of it may be of a later version.
        """
        resource = answer.resource
        assert resource is not None
        if self.remaining > TAIL:
            count = min(budget, self.remaining - TAIL)
            sent = os.sendfile(self.fd, resource.fd, self._offset, count)
            self._offset += sent
            self.remaining -= sent
            self._loop.sent += sent
            is_checked_next = self.remaining <= TAIL
            if sent and (is_checked_next or resource.is_intact()):
                return sent
        else:
            tail = os.pread(resource.fd, self.remaining, self._offset)
            if len(tail) == self.remaining and resource.is_intact():
                self._pending = memoryview(tail)
                self.remaining = 0
                return self._send_pending()
        self._abort(os.fsdecode(resource.name))
        return 0

    def _abort(self, name: str) -> None:
        host, port = self.peer
        self._loop.log.warning(
            f"{name} changed during a download by {host}:{port}; the transfer was ended"
        )
        self.close("file changed")

    def _finish(self, answer: Answer) -> None:
        loop = self._loop
        loop.requests += 1
        self.served += 1
        if loop.access_log is not None:
            self._log_answer(answer)
        self._answer = None
        self._pending = NOTHING
        if answer.keep_alive:
            self._enter(IDLE, loop.now + loop.settings.keepalive_timeout)
            if not self._interest:
                self._wait_for(READ)
        elif self._buffer or self._more or answer.lingers or answer.length:
            self._linger()
        else:
            self.close(self._reason)

    def _log_answer(self, answer: Answer) -> None:
        log = self._loop.access_log
        if log is None:
            return
        head_length = len(answer.wire) - len(answer.body)
        sent = len(answer.wire) - len(self._pending) + answer.length - self.remaining
        body = max(0, sent - head_length)
        duration = time.monotonic() - self._started
        log.add(
            self.peer[0].encode(), self._loop.describe(answer, self._head), body, duration, sent
        )

    # ---------------------------------------------------------------- the end

    def _linger(self) -> None:
        """Wait for the client to stop sending: closing earlier could reset the connection before
        the client has read its answer (RFC 9112 §9.6).
        """
        self._buffer = None
        try:
            end = socket.socket(fileno=self.fd)
        except OSError:
            self.close("client reset")
            return
        try:
            end.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client has gone; reading will tell
        end.detach()
        self._enter(LINGERING, self._loop.now + LINGER_SECONDS)
        self._wait_for(READ)

    def _discard(self) -> None:
        try:
            data = os.read(self.fd, 64 * 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(self._reason)

    # ---------------------------------------------------------------- the automaton

    def _enter(self, state: State, deadline: float) -> None:
        self.state = state
        self.deadline = deadline

    def _wait_for(self, interest: int) -> None:
        if interest == self._interest:
            return
        if self._interest:
            self._loop.epoll.modify(self.fd, interest)
        else:
            self._loop.adopt(self, interest)
        self._interest = interest
