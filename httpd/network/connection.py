"""One connection: an automaton that receives requests and sends answers.

It belongs to the loop that accepted it, and no other thread touches it.  What it waits for and when
that times out follow from its state; only `_enter`, `_finish` and `close` change the state, and
every close has a reason.

                    ┌──────────────── answered, keep-alive ──────────────────┐
                    ▼                                                        │
    accept ──▶ IDLE ──── some bytes ───▶ HEAD ───▶ BODY ── all of it ──▶ SENDING
                 │ └──── a whole head, known to the memo ────────────────▶ │ ▲
                 │                                                         ▼ ▼
                 │                                                       WAITING
                 ▼                                                           │
               CLOSED ◀──────────────────── LINGERING ◀── the last answer ───┘
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from httpd.network import socket_ops
from httpd.network.pace import Pace
from httpd.network.pipelining import take_known
from httpd.network.send_budget import UNLIMITED
from httpd.network.state import BODY, CLOSED, HEAD, IDLE, LINGERING, SENDING, WAITING, State
from httpd.network.transfer import FileChangedError, StillUnsentError, Transfer, send_beginning
from httpd.protocol.body import Body
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.parser import find_head_end
from httpd.protocol.response import PendingResponse, Response

if TYPE_CHECKING:
    from httpd.network.loop import Loop

PIPELINED = 32
"""Known requests that are answered before it is the next connection's turn, if they came together.
"""
_UNKNOWN = 4
"""For how many of these one counts that is not known: it may have to be read from a disk."""
_LEAST_PIECE = 32 * 1024
"""Bytes of a slice that any system call counts for, however little it sends: a part of a file of
one byte costs as much as one of this size."""
STALL_SECONDS = 10.0
"""How long nothing may arrive of a request that has begun."""
LINGER_SECONDS = 2.0
"""How long a client may go on sending after its last answer (RFC 9112 §9.6)."""
BUSY_SECONDS = 1.0  # before a drain: who connected or was served since may be about to ask again
NEXT_REQUEST_SECONDS = 0.2
"""How long a drain waits for the request of such a client."""
READ, WRITE = select.EPOLLIN, select.EPOLLOUT


class Connection:
    """Args: loop: its owner; fd: a non-blocking socket; peer: the client's host and port."""

    __slots__ = (
        "_arrived",
        "_body",
        "_buffer",
        "_gateway",
        "_head",
        "_interest",
        "_loop",
        "_pace",
        "_pending",
        "_reason",
        "_received",
        "_request",
        "_response",
        "_started",
        "_transfer",
        "_unsent_limit",
        "_until",
        "deadline",
        "fd",
        "peer",
        "served",
        "state",
    )

    def __init__(self, loop: Loop, fd: int, peer: tuple[str, int]) -> None:
        self._loop = loop
        self._gateway = loop.gateway
        self.fd = fd
        self.peer = peer
        self.state = IDLE
        self.deadline = loop.now + loop.settings.header_timeout
        self.served = 0
        """Answers sent."""
        self._interest = 0
        self._buffer: bytearray | None = None  # received and not yet used
        self._head = b""  # of the running request
        self._request: Request | None = None  # the one whose body arrives
        self._body: Body | None = None
        self._pending: PendingResponse | None = None  # that makes its answer
        self._until = 0.0  # when the head or body must have arrived
        self._response: Response | None = None  # the running one
        self._transfer: Transfer | None = None  # of the running answer, if it needs several turns
        self._pace: Pace | None = None  # of that transfer, once a drain waits for it
        self._unsent_limit = UNLIMITED  # bytes that the kernel holds at the most and has not sent
        self._received = 0  # bytes that were read last; there may be more if all that was asked for
        self._reason = "answered"  # for a close after the last answer
        self._arrived = 0.0  # when something was received last
        self._started = 0.0  # when the running request began to arrive

    # ---------------------------------------------------------------- what the loop calls

    def unsent(self) -> int:
        """Return the bytes of the running answer that are still to be sent."""
        return self._transfer.unsent() if self._transfer else 0

    def on_event(self) -> None:
        """Go on: the socket is ready for what the state waits for, or broken."""
        state = self.state
        if state is IDLE or state is HEAD or state is BODY:
            try:
                data = os.read(self.fd, self._loop.recv)
            except BlockingIOError:
                self._wait_for(READ)
            except OSError:
                self.close("client reset")
            else:
                self.receive(data)
            return
        self._loop.send_responses()
        if state is SENDING:
            self._send()
        elif state is WAITING:
            self._go_on()
        elif state is LINGERING:
            self._discard()

    def is_quiet(self, *states: State) -> bool:
        """Tell whether it is in one of these states, and nothing waits in the socket."""
        return self.state in states and not socket_ops.has_data(self.fd)

    def on_deadline(self) -> None:
        """Give up what has taken too long."""
        if self.state is IDLE:
            self.close("keep-alive timeout" if self.served else "header timeout")
        elif self.state in (HEAD, BODY) or self._body is not None:
            reason = "header timeout" if self.state is HEAD else "body timeout"
            detail = "The request took too long to arrive."
            self.refuse(HTTPError(408, detail, close_reason=reason))
        elif self._transfer and self._transfer.is_being_taken(self.fd):
            self.deadline = self._loop.now + self._loop.settings.send_timeout
        elif self.state in (SENDING, WAITING):
            self.cut("send timeout") if self._loop.is_draining() else self.close("send timeout")
        else:
            self.close(self._reason)

    def on_drain(self, started: float) -> None:
        """Finish what is in hand, and close if that is nothing.

        A request that has arrived is served.  The next one may be on its way right after a
        connection or a response, so the connection stays open for a moment; clients that were idle
        for longer are expected to retry (RFC 9110 §9.2.2, RFC 9112 §9.3.1).

        Args:
            started: when the drain began, by the monotonic clock.
        """
        if self.state is IDLE:
            self.on_event()
        if self.state is SENDING:
            self._look_at_pace()
        if self.state is not IDLE:
            return
        settings = self._loop.settings
        timeout = settings.keepalive_timeout if self.served else settings.header_timeout
        idle_since = self.deadline - timeout
        is_busy = idle_since >= started - BUSY_SECONDS
        if not is_busy or self._loop.now >= max(started, idle_since) + NEXT_REQUEST_SECONDS:
            self.close("drain")

    def _look_at_pace(self) -> None:
        """Give up a download that hardly moves: without an end to it, the drain would have none."""
        now = self._loop.now
        if self._pace is not None and not self._pace.is_due(now):
            return
        left = self.unsent() + socket_ops.count_unsent(self.fd)
        if self._pace is None:
            self._pace = Pace(left, now)
        elif not self._pace.suffices(left, now):
            self.cut("too slow for a drain")

    def cut(self, reason: str) -> None:
        """Close the socket, and log that the client gets a response only in part, if it does."""
        if self.state in (SENDING, WAITING):
            host, port = self.peer
            self._loop.log.warning(
                f"the response with {self._name()} to {host}:{port} was cut, "
                f"{self.unsent()} bytes were left to send: {reason}"
            )
        self.close(reason)

    def _name(self) -> str:
        """Return what the running response is of: its file, or else the request line."""
        if self._response is not None and self._response.source is not None:
            return os.fsdecode(self._response.source.name)
        return self._head.partition(b"\r\n")[0].decode("latin-1")

    def close(self, reason: str) -> None:
        """Close the socket, whatever was going on; `reason` is for the log."""
        if self.state is CLOSED:
            return
        if self._response is not None:
            self._log_response(self._response)
        self.state = CLOSED
        self._response = None
        self._end_transfer()
        self._buffer = self._body = self._request = self._pending = None
        self._loop.forget(self)
        socket_ops.close(self.fd)
        if self._loop.verbose:
            host, port = self.peer
            self._loop.log.debug(f"connection {host}:{port} closed: {reason}")

    # ---------------------------------------------------------------- receiving

    def receive(self, data: bytes) -> None:
        """Go on with what has been read from the socket; nothing at its end."""
        if not data:
            self.close("client closed")
            return
        loop = self._loop
        self._received = len(data)
        if self._buffer is not None:
            self._arrived = loop.now
            self._buffer += data
            if self.state is not IDLE:
                self.deadline = min(self._until, loop.now + STALL_SECONDS)
            self._answer_buffer(len(self._buffer) - len(data))
        elif response := self._gateway.exact(data):
            self._head = data
            self._started = loop.now
            self.state = SENDING
            loop.answered.append((self, response))
        else:
            self._receive_unknown(data)

    def _receive_unknown(self, data: bytes) -> None:
        """Go on with what was received alone, and is no head of the response cache."""
        loop = self._loop
        self._arrived = self._started = loop.now
        self._head = data
        self.state = SENDING  # not idle: the loop closes idle connections to free descriptors
        try:
            response = self._gateway.respond(data)
        except HTTPError as error:
            self.refuse(error)
            return
        if response is None:
            self.state = IDLE
            self._buffer = bytearray(data)
            self._answer_buffer(0)
        elif isinstance(response, Response):
            loop.answered.append((self, response))
        else:
            self._pending = response
            self._wait_for_turn()

    def _answer_buffer(self, seen: int) -> None:
        """Answer the requests in the buffer, of which `seen` bytes were looked at before."""
        turns = PIPELINED
        while turns > 0:
            if self._body is None and not seen:
                turns -= self._answer_known(turns)
                if self.state is not IDLE:
                    return
            if not self._buffer and self._body is None:
                self._buffer = None
                return
            turns -= _UNKNOWN
            try:
                response = self._take_request(seen)
            except HTTPError as error:
                self.refuse(error)
                return
            if response is None:
                self._wait_for_rest()
                return
            if not isinstance(response, Response):
                self._pending = response
                break
            self.begin(response)
            if self.state is not IDLE:
                return
            if self._buffer and self._loop.is_late():
                break
            seen = 0
        self._wait_for_turn()

    def _wait_for_rest(self) -> None:
        """Go on when more of the request is here, or, if it is a body of many chunks, by and by."""
        is_paused = self._body is not None and self._body.is_paused
        self._wait_for_turn() if is_paused else self._wait_for(READ)

    def _wait_for_turn(self) -> None:
        """Go on in the next turn: at once, but for a client that takes none of its answers."""
        timeout = self._loop.now + self._loop.settings.send_timeout
        self._enter(WAITING, timeout if self._body is None else self._until)
        self._wait_for(WRITE)

    def _answer_known(self, most: int) -> int:
        """Answer known requests that have come together, at most so many; return their number.

        Of the responses that the socket does not take, only the first is kept; the others are
        requests again.
        """
        loop = self._loop
        known = take_known(self._buffer, self._gateway.recall, most) if self._buffer else []
        if not known:
            return 0
        parts = [part for _, response in known for part in (response.wire, response.behind)]
        sent = socket_ops.send_parts(self.fd, parts)
        self._started = self._arrived
        for place, (self._head, response) in enumerate(known, 1):
            own = parts[2 * place - 2 : 2 * place]
            size = len(own[0]) + len(own[1])
            if sent < size:
                assert self._buffer is not None
                self._buffer[:0] = b"".join([head for head, _ in known[place:]])
                self.resume(response, own, sent)
                return place
            loop.sent += size
            sent -= size
            if place < len(known):
                loop.requests += 1
                self.served += 1
                if loop.access_log is not None:
                    self._log_response(response)
            else:
                self._finish(response)
        return len(known)

    def _take_request(self, seen: int) -> Response | PendingResponse | None:
        """Take the next request from the buffer, and return its answer; None if more is needed."""
        if self._body is None:
            if not self._take_head(seen):
                return None
            if response := self._gateway.recall(self._head):
                return response
            self._request = self._gateway.parse(self._head)
            self._expect_body(self._request)
        if self._body is not None:
            if not self._body.is_complete():
                return None
            self._body = None
        request, self._request = self._request, None
        assert request is not None
        return self._gateway.respond_to(self._head, request)

    def _take_head(self, seen: int) -> bool:
        buffer = self._buffer
        assert buffer is not None
        if self.state is IDLE:
            self._head = b""
            if b"\r\n".startswith(bytes(buffer[:3])):  # a blank line is not yet a request
                return False
            self._started = self._arrived  # of what is here nothing came earlier
            self._enter_receiving(HEAD)
        end = find_head_end(buffer, seen)
        self._head = bytes(buffer[:end])
        del buffer[:end]
        return end > 0

    def _expect_body(self, request: Request) -> None:
        """A client that waits to be asked for its body is answered at once (RFC 9110 §10.1.1)."""
        if request.has_body and not request.header.expects_continue:
            assert self._buffer is not None
            max_body = self._loop.settings.max_body
            self._body = Body(self._buffer, request.header.body_length, max_body)
            self._enter_receiving(BODY)

    def _go_on(self) -> None:
        """Take a turn: a step of the work that makes an answer, or the next pipelined requests."""
        if self._body is not None:
            self._enter(BODY, min(self._until, self._loop.now + STALL_SECONDS))
            self._answer_rest()
            return
        if self._pending is None:
            self._enter(IDLE, self._loop.now + self._loop.settings.keepalive_timeout)
        else:
            self.deadline = self._loop.now + self._loop.settings.send_timeout
            try:
                response = self._gateway.resume(self._pending)
            except HTTPError as error:
                self._pending = None
                self.refuse(error)
                return
            if response is None:
                return
            self._pending = None
            self.begin(response)
        if self.state is IDLE:
            self._answer_rest()

    def _answer_rest(self) -> None:
        """Answer what has been pipelined, and then wait for more."""
        self._answer_buffer(0)
        if self.state is IDLE:
            self._wait_for(READ)

    def refuse(self, error: HTTPError, data: bytes = b"") -> None:
        """Send a last answer to a bad request or an unserved client, and read no further.

        Args:
            error: what the answer tells of, and why the connection is closed.
            data: what was received, if it did not go through `receive`.
        """
        if not self._head:
            self._head = bytes(self._buffer or data)[:8192]
        self._buffer = self._body = self._request = None
        self._reason = error.close_reason
        method = self._head.lstrip(b"\r\n")[:5]  # of which only a part may have been read
        is_head = method != b"" and b"HEAD ".startswith(method)
        self.begin(self._gateway.refuse(error, head_only=is_head))

    # ---------------------------------------------------------------- sending

    def begin(self, response: Response) -> None:
        """Send an answer, all at once if the socket takes it."""
        wire = response.wire
        size = len(wire)
        try:
            if response.behind:
                size += len(response.behind)
                sent = os.writev(self.fd, (wire, response.behind))
            elif response.length:
                size += response.length
                sent = send_beginning(self.fd, response, self._loop.send_budget.each // 2)
            else:
                sent = os.write(self.fd, wire)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = -1
        if sent == size:
            self._loop.sent += sent
            self._finish(response)
            return
        self.resume(response, (wire, response.behind), sent)

    def resume(self, response: Response, parts: Sequence[bytes], sent: int) -> None:
        """Go on with an answer of which the socket has taken some; -1 if that is broken."""
        self._response = response
        self._transfer = Transfer(response, parts, max(0, sent))
        self._loop.send_budget.begin()
        if sent < 0:
            self.close("client reset")
            return
        self._loop.sent += sent
        self._enter(SENDING, self._loop.now + self._loop.settings.send_timeout)
        self._progress(response, self._transfer)

    def _send(self) -> None:
        """Go on with the running answer, and then with pipelined requests."""
        assert self._response is not None
        assert self._transfer is not None
        self._progress(self._response, self._transfer)
        if self.state is IDLE:
            self._answer_rest()

    def _progress(self, response: Response, transfer: Transfer) -> None:
        """Send a slice of the running answer."""
        try:
            self._send_slice(transfer)
        except StillUnsentError:
            self._limit_unsent(1)
        except BlockingIOError:
            pass
        except FileChangedError:
            self._abort()
        except OSError as error:
            self._on_send_error(error)
        if self.state is CLOSED:
            return
        if transfer.unsent():
            self._wait_for(WRITE)
        else:
            self._response = None
            self._end_transfer()
            self._finish(response)

    def _on_send_error(self, error: OSError) -> None:
        """Close: the network fails, or else it is the file that cannot be read."""
        if error.errno in socket_ops.NETWORK_ERRORS:
            self.close("client reset")
            return
        host, port = self.peer
        self._loop.log.error(f"cannot send {self._name()} to {host}:{port}: {error.strerror}")
        self.close("read error")

    def _send_slice(self, transfer: Transfer) -> None:
        """Send until the slice is full, or the socket is, which BlockingIOError may say."""
        loop = self._loop
        loop.rouse()
        self._limit_unsent(loop.send_budget.limit)
        budget = loop.send_budget.each // 2
        if transfer.unsent() > budget:
            # Whole segments: a small one that is sent before the next turn costs as much as a full
            # one, and wakes the client as well.
            budget -= budget % transfer.segment_size(self.fd)
        while budget > 0 and transfer.unsent():
            sent = transfer.send(self.fd, budget, loop.send_budget.piece)
            budget -= max(sent, _LEAST_PIECE)
            loop.sent += sent
            self.deadline = loop.now + loop.look_after
            if transfer.is_blocked:
                break

    def _limit_unsent(self, size: int) -> None:
        if size != self._unsent_limit:
            socket_ops.limit_unsent(self.fd, size)
            self._unsent_limit = size

    def _abort(self) -> None:
        host, port = self.peer
        self._loop.log.warning(
            f"{self._name()} changed during a download by {host}:{port}; the transfer was ended"
        )
        self.close("file changed")

    def _finish(self, response: Response) -> None:
        loop = self._loop
        loop.requests += 1
        self.served += 1
        if loop.access_log is not None:
            self._log_response(response)
        if response.keep_alive:
            self.state = IDLE  # as `_enter` does; each hit comes by here
            self.deadline = loop.now + loop.settings.keepalive_timeout
            if not self._interest:
                self._wait_for(READ)
        elif self._buffer or self._received == loop.recv or response.lingers or response.length:
            self._linger()
        else:
            self.close(self._reason)

    def _end_transfer(self) -> None:
        if self._transfer is not None:
            self._transfer = self._pace = None
            self._loop.send_budget.end()

    def _log_response(self, response: Response) -> None:
        log = self._loop.access_log
        if log is None:
            return
        size = len(response.wire) + len(response.behind) + response.length
        sent = size if self._transfer is None else size - self._transfer.unsent()
        body = max(0, sent - size + len(response.body) + response.length)
        duration = time.monotonic() - self._started
        log.add(self.peer[0].encode(), self._head, response.status, body, duration, sent)

    # ---------------------------------------------------------------- the end

    def _linger(self) -> None:
        """Wait for the client to stop sending: closing earlier could reset the connection before
        the client has read its answer (RFC 9112 §9.6).  There is no room for any number of those.
        """
        if not self._interest and not self._loop.room.may_linger():
            self.close(self._reason)
            return
        self._buffer = None
        socket_ops.end_sending(self.fd)
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

    def _enter_receiving(self, state: State) -> None:
        now = self._loop.now
        self._until = now + self._loop.settings.header_timeout
        self._enter(state, min(self._until, now + STALL_SECONDS))

    def _enter(self, state: State, deadline: float) -> None:
        self.state = state
        self.deadline = deadline

    def _wait_for(self, interest: int) -> None:
        if not self._interest:
            self._loop.adopt(self, interest)
        elif interest != self._interest:
            self._loop.epoll.modify(self.fd, interest)
        self._interest = interest
