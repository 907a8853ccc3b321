"""One connection: an automaton that receives requests and sends responses.

A connection belongs to the loop that accepted it, and no other thread touches it.  What it waits
for, for how long, and what it does then follow from its state (`httpd.network.state`).  Only
`_enter`, `_finish`, `receive` and `close` change the state, and every close has a reason.

                     ┌────────────────── sent, keep-alive ──────────────────┐
                     ▼                                                      │
    accept ──▶ IDLE ── bytes ──▶ READING_HEAD ──▶ READING_BODY ── end ──▶ SENDING
                 │ └──────── a whole head with a cached response ──────▶    │ ▲
                 │                                                          ▼ ▼
                 │                            SUSPENDED ◀── paused ──── WAITING
                 ▼                                 └──────── woken ───────▶ │
               CLOSED ◀───────────────── LINGERING ◀── the last response ───┘
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from httpd.gateway.interface import AnyGateway
from httpd.network.access import LONGEST_LOGGED, log_response
from httpd.network.context import Context
from httpd.network.download import Download, name_of
from httpd.network.drain import expects_request
from httpd.network.pending import Pending
from httpd.network.pipelining import parts_of, send_parts
from httpd.network.recorder import Origin
from httpd.network.request_reader import RequestReader, may_be_head
from httpd.network.socket_ops import NETWORK_ERRORS
from httpd.network.state import (
    CLOSED,
    IDLE,
    LINGERING,
    READING_BODY,
    READING_HEAD,
    SENDING,
    STALL_SECONDS,
    SUSPENDED,
    WAITING,
    State,
)
from httpd.network.transfer import FileChangedError, send_beginning
from httpd.network.transport import Transport
from httpd.protocol.messages import HTTPError
from httpd.protocol.response import Pause, Response

PIPELINED = 32
"""The most cached responses in one turn, to requests that arrived together.  The rest waits for the
next turn, so that other connections are served in between."""
_UNCACHED = 4
"""How many cached responses one counts for that is not cached, and may have to be read from a
disk."""
_TAKE_SECONDS = 1.0
"""Seconds from a slice of a download to the first check of whether its client takes it."""
_DISCARDED = 64 * 1024
"""Bytes that are read at a time after the last response."""


class Connection:
    """One client.

    Args:
        context: what its loop shares with it.
        transport: to the client.
        gateway: has the responses.
    """

    __slots__ = (
        "_close_reason",
        "_context",
        "_download",
        "_gateway",
        "_head",
        "_interest",
        "_pending",
        "_reader",
        "_received",
        "_started",
        "_transport",
        "_until",
        "deadline",
        "fd",
        "has_served",
        "state",
    )

    def __init__(self, context: Context, transport: Transport, gateway: AnyGateway) -> None:
        self._context = context
        self._transport = transport
        self._gateway = gateway
        self.fd = transport.fd
        self.state = IDLE
        self.deadline = context.now + context.limits.header_timeout
        """When to call `on_deadline`, by the monotonic clock."""
        self.has_served = False
        """Whether a response was sent."""
        self._interest = 0  # what the loop watches it for
        self._reader: RequestReader | None = None  # of what was received and not yet used
        self._head = b""  # of the running request
        self._pending: Pending | None = None
        self._until = 0.0  # when the head or body must have arrived
        self._download: Download | None = None  # the running response, if it takes several turns
        self._received = 0  # bytes of the last read; more may wait if it read all that it asked for
        self._close_reason = "answered"  # after the last response
        self._started = context.now  # when the running request began to arrive

    def __repr__(self) -> str:
        return f"<Connection {self._transport} {self.state.name}>"

    # ---------------------------------------------------------------- what the loop calls

    def on_event(self) -> None:
        """Continue: the socket is ready for what the state waits for, or broken."""
        if self.state.receives:
            try:
                data = self._transport.read(self.fd, self._context.recv)
            except BlockingIOError:
                self._wait()
            except OSError:
                self.close("client reset")
            else:
                self.receive(data)
            return
        _ON_EVENT[self.state](self)

    def on_deadline(self) -> None:
        """Give up what has taken too long."""
        _ON_DEADLINE[self.state](self)

    def on_drain(self, started: float) -> None:
        """Close if no request has arrived and none is expected; otherwise continue.

        Args:
            started: when the drain began, by the monotonic clock.
        """
        if self.state is IDLE:
            self.on_event()
        if self.state is SENDING and self._download and self._download.is_too_slow():
            self.cut("too slow for a drain")
        self.wake()
        if self.state is not IDLE:
            return
        limits = self._context.limits
        timeout = limits.keepalive_timeout if self.has_served else limits.header_timeout
        if not expects_request(self._context.now, started, self.deadline - timeout):
            self.close("drain")

    def wake(self) -> None:
        """Continue with a suspended response in the next turn, if there is one."""
        if self.state is SUSPENDED:
            self._wait_for_turn()

    def unsent(self) -> int:
        """Return the bytes of the running response that are still to be sent."""
        return self._download.unsent() if self._download else 0

    def is_quiet(self, *states: State) -> bool:
        """Tell whether it is in one of these states, and has received nothing new."""
        return self.state in states and not self._transport.has_data()

    def cut(self, reason: str) -> None:
        """Close, and warn the operator if the client gets only a part of a response.

        Args:
            reason: for the log.
        """
        if self.state in (SENDING, WAITING):
            name = name_of(self._download, self._head)
            self._context.log.warning(
                f"the response with {name} to {self._transport} was cut, "
                f"{self.unsent()} bytes were left to send: {reason}"
            )
        self.close(reason)

    def close(self, reason: str) -> None:
        """Close the socket, whatever is going on.

        Args:
            reason: for the log.
        """
        if self.state is CLOSED:
            return
        if self._download is not None:
            self._log_response(self._download.response)
        self.state = CLOSED
        self._end_download()
        if self._pending is not None:
            self._pending.close()  # it may hold a directory open
        self._reader = self._pending = None
        self._context.counts.closed[reason] += 1
        self._context.unwatch(self)
        self._transport.close()
        if self._context.log.verbose:
            self._context.log.debug(f"connection {self._transport} closed: {reason}")

    # ---------------------------------------------------------------- receiving

    def receive(self, data: bytes) -> None:
        """Continue with what was read from the socket.

        Args:
            data: nothing if the client sends no more.
        """
        if not data:
            self.close("client closed")
            return
        context = self._context
        self._received = len(data)
        if self._reader is not None:
            seen = len(self._reader.buffer)
            self._reader.add(data, context.now)
            if self.state is not IDLE:
                self.deadline = min(self._until, context.now + STALL_SECONDS)
            self._serve(self._reader, seen)
        elif response := self._gateway.exact(data):
            self._head = data
            self._started = context.now
            self.state = SENDING
            context.queued.append((self, response))
        else:
            self._receive_unknown(data)

    def _receive_unknown(self, data: bytes) -> None:
        """Continue with bytes that are not a head of the response cache."""
        context = self._context
        self.state = SENDING  # not idle: the gateway may have idle connections closed
        self._head = data
        self._started = context.now
        try:
            response = self._gateway.respond(data)
        except HTTPError as error:
            self.refuse(error)
            return
        if response is None:
            self.state = IDLE
            self._reader = RequestReader(self._gateway, context.limits.max_body, data, context.now)
            self._serve(self._reader, 0)
            return
        if isinstance(response, Response):
            context.queued.append((self, response))
        else:
            self._pending = Pending(context, self._transport, self._gateway, response)
            self._wait_for_turn()

    def _serve(self, reader: RequestReader, seen: int) -> None:
        """Serve the requests in the buffer.

        Args:
            reader: has the buffer.
            seen: bytes of the buffer in which no head ends.
        """
        turns = PIPELINED
        while turns > 0:
            if reader.state is IDLE and not seen:
                turns -= self._serve_pipelined(reader, turns)
                if self.state is not IDLE:
                    return
            if reader.is_empty():
                self._reader = None
                return
            turns -= _UNCACHED
            before, self.state = self.state, SENDING  # the gateway may have idle ones closed
            try:
                response = reader.take(seen)
            except HTTPError as error:
                self.refuse(error)
                return
            if response is None:
                self.state = before
                self._wait_for_rest(reader)
                return
            self._head = reader.head
            self._started = reader.started
            if not isinstance(response, Response):
                self._pending = Pending(self._context, self._transport, self._gateway, response)
                break
            self.begin(response)
            if self.state is not IDLE:
                return
            if reader.buffer and self._context.is_late():
                break
            seen = 0
        self._wait_for_turn()

    def _serve_pipelined(self, reader: RequestReader, most: int) -> int:
        """Serve the requests with cached responses that the buffer begins with.

        A connection holds one response at most while its client does not read.  So the requests of
        which the socket took nothing of the response return to the buffer.

        Args:
            reader: has the buffer.
            most: the most requests to serve.

        Returns:
            How many were served.
        """
        cached = reader.take_cached(most)
        if not cached:
            return 0
        parts = parts_of([response for _, response in cached])
        sent = send_parts(self._transport, parts)
        self._started = reader.started
        for place, (self._head, response) in enumerate(cached, 1):
            own = parts[2 * place - 2 : 2 * place]
            size = len(own[0]) + len(own[1])
            if sent < size:
                reader.put_back([head for head, _ in cached[place:]])
                self.resume(response, own, sent)
                return place
            response.tally.sent += size
            sent -= size
            if place < len(cached):
                self._count(response)
            else:
                self._finish(response)
        return len(cached)

    def _wait_for_rest(self, reader: RequestReader) -> None:
        """Wait for more of a request; with a body of many chunks, only for the next turn."""
        if self.state is not reader.state:
            self._enter(reader.state)
        if reader.is_paused():
            self._wait_for_turn()
        else:
            self._wait()

    def _take_turn(self) -> None:
        """Take a step of a pending response, or serve the next requests in the buffer."""
        if self._is_in_body():
            self.state = READING_BODY
            self.deadline = min(self._until, self._context.now + STALL_SECONDS)
            self._serve_rest()
            return
        if self._pending is None:
            self._enter(IDLE)
        else:
            self._enter(WAITING)
            try:
                response = self._pending.take_step()
            except HTTPError as error:
                self._pending = None
                self.refuse(error)
                return
            if not isinstance(response, Response):
                if response is Pause.UNTIL_WOKEN:
                    self._enter(SUSPENDED)
                    self._wait()
                elif isinstance(response, str):
                    self.close(response)
                return
            self._pending = None
            self.begin(response)
        if self.state is IDLE:
            self._serve_rest()

    def _is_in_body(self) -> bool:
        return self._reader is not None and self._reader.state is READING_BODY

    def _serve_rest(self) -> None:
        """Serve the requests that were pipelined, and then wait for more."""
        if self._reader is not None:
            self._serve(self._reader, 0)
        if self.state is IDLE:
            self._wait()

    def refuse(self, error: HTTPError, data: bytes = b"") -> None:
        """Send a last response to a bad request or an unserved client, and read no further request.

        Args:
            error: what the response says, and why the connection is closed.
            data: what was received, if `receive` did not get it.
        """
        if self._reader is not None:
            self._started = self._reader.started
            self._head = self._reader.head or bytes(self._reader.buffer)[:LONGEST_LOGGED]
        elif data:
            self._head = data[:LONGEST_LOGGED]
        self._reader = None
        self._close_reason = error.close_reason
        self._context = self._context.silenced() if error.is_silent else self._context
        self.begin(self._gateway.refuse(error, head_only=may_be_head(self._head)))

    # ---------------------------------------------------------------- sending

    def begin(self, response: Response) -> None:
        """Send a response, all of it at once if the socket accepts that."""
        head = response.head
        size = len(head)
        try:
            if not response.after_head:
                sent = self._transport.write(self.fd, head)
            else:
                size += response.after_head
                if response.body.segments:
                    budget = self._context.send_budget.slice
                    sent = send_beginning(self._transport, head, response.body, budget)
                else:
                    sent = self._transport.writev(self.fd, (head, response.body.content))
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = -1
        if sent == size:
            response.tally.sent += sent
            self._finish(response)
            return
        content = response.body.content if response.after_head else b""
        self.resume(response, (head, content), sent)

    def resume(self, response: Response, parts: Sequence[bytes], sent: int) -> None:
        """Continue with a response of which the socket accepted a part.

        Args:
            response: what is sent.
            parts: the bytes that come before its segments.
            sent: the bytes that the socket accepted; -1 if it is broken.
        """
        origin = Origin(self._gateway, self._head, self._started)
        self._download = Download(
            self._context, self._transport, response, parts, max(0, sent), origin
        )
        if sent < 0:
            self.close("client reset")
            return
        response.tally.sent += sent
        self._enter(SENDING)
        self._send_slice(self._download)

    def _send(self) -> None:
        """Continue with the running response, and then with pipelined requests."""
        if self._download is not None:
            self._send_slice(self._download)
        if self.state is IDLE:
            self._serve_rest()

    def _send_slice(self, download: Download) -> None:
        """Send a slice of the running response."""
        context = self._context
        try:
            if download.send_slice():
                self.deadline = context.now + min(_TAKE_SECONDS, context.limits.send_timeout)
        except FileChangedError:
            name = name_of(download, self._head)
            text = f"{name} changed during a download by {self._transport}"
            context.log.warning(f"{text}; the transfer was ended")
            self.close("file changed")
            return
        except OSError as error:
            self._on_send_error(error)
            return
        if download.unsent():
            self._wait()
        else:
            self._end_download()
            self._finish(download.response)

    def _on_send_error(self, error: OSError) -> None:
        """Close, since the connection is broken or the file cannot be read."""
        if error.errno in NETWORK_ERRORS:
            self.close("client reset")
            return
        name = name_of(self._download, self._head)
        text = f"cannot send {name} to {self._transport}: {error.strerror}"
        self._context.log.error(text)
        self.close("read error")

    def _end_download(self) -> None:
        if self._download is not None:
            self._download.end()
            self._download = None

    def _count(self, response: Response) -> None:
        """Count and log a response that was sent."""
        response.tally.requests += 1
        self.has_served = True
        if self._context.access_log is not None:
            self._log_response(response)

    def _finish(self, response: Response) -> None:
        """Wait for the next request after a response that was sent, or close."""
        context = self._context
        response.tally.requests += 1  # as `_count` does; each hit comes by here
        self.has_served = True
        if context.access_log is not None:
            self._log_response(response)
        if response.keep_alive:
            self.state = IDLE  # as `_enter` does
            self.deadline = context.now + context.keepalive_timeout
            if not self._interest:
                self._wait()
        else:
            self._end(response)

    def _log_response(self, response: Response) -> None:
        log, unsent = self._context.access_log, self.unsent()
        log_response(log, self._transport, self._head, response, unsent, self._started)

    # ---------------------------------------------------------------- the end

    def _end(self, response: Response) -> None:
        """Close after the last response, or linger until the client has stopped sending.

        Closing while the client sends could reset the connection before the client has read the
        response (RFC 9112 §9.6).  Where there is no room for connections that linger, one that was
        not watched yet is closed all the same.
        """
        context = self._context
        has_more = self._received == context.recv
        if self._reader is not None and self._reader.buffer:
            has_more = True
        may_send = has_more or response.lingers or response.body.segments
        has_room = self._interest or context.room.may_linger()
        if not may_send or not has_room:
            self.close(self._close_reason)
        else:
            self._reader = None
            self._transport.end_sending()
            self._enter(LINGERING)
            self._wait()

    def _discard(self) -> None:
        """Discard what the client sends after the last response; close when it stops."""
        try:
            data = self._transport.read(self.fd, _DISCARDED)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(self._close_reason)

    def _on_idle_deadline(self) -> None:
        self.close("keep-alive timeout" if self.has_served else "header timeout")

    def _refuse_slow(self) -> None:
        reason = "body timeout" if self._is_in_body() else "header timeout"
        self.refuse(HTTPError(408, "The request took too long to arrive.", close_reason=reason))

    def _on_send_deadline(self) -> None:
        """Close if the client takes nothing, unless the connection waits for a body."""
        context = self._context
        if self._is_in_body():
            self._refuse_slow()
        elif self._download and self._download.is_being_taken():
            self.deadline = context.now + context.limits.send_timeout
        elif context.is_draining:
            self.cut("send timeout")
        else:
            self.close("send timeout")

    # ---------------------------------------------------------------- the automaton

    def _enter(self, state: State) -> None:
        """Change the state, and set the deadline that follows from it."""
        context = self._context
        self.state = state
        self.deadline = context.now + state.timeout(context.limits)
        if state is READING_HEAD or state is READING_BODY:
            self._until = self.deadline
            self.deadline = min(self._until, context.now + STALL_SECONDS)

    def _wait_for_turn(self) -> None:
        """Continue in the next turn, unless the client takes nothing of its responses."""
        self._enter(WAITING)
        if self._is_in_body():
            self.deadline = self._until
        self._wait()

    def _wait(self) -> None:
        """Have the loop watch the connection for what its state waits for."""
        interest = self.state.interest
        if interest != self._interest:
            self._context.watch(self, interest)
            self._interest = interest


_Step = Callable[[Connection], None]

_ON_EVENT: Mapping[State, _Step] = {
    WAITING: Connection._take_turn,
    SUSPENDED: lambda connection: connection.close("client closed"),
    SENDING: Connection._send,
    LINGERING: Connection._discard,
    CLOSED: lambda _: None,
}
"""What a connection does at an event, in the states in which it does not receive requests."""

_ON_DEADLINE: Mapping[State, _Step] = {
    IDLE: Connection._on_idle_deadline,
    READING_HEAD: Connection._refuse_slow,
    READING_BODY: Connection._refuse_slow,
    WAITING: Connection._on_send_deadline,
    SUSPENDED: Connection.wake,
    SENDING: Connection._on_send_deadline,
    LINGERING: lambda connection: connection.close(connection._close_reason),
    CLOSED: lambda _: None,
}
