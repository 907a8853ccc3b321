"""The first moments of a connection: what happens to a socket that was just accepted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from httpd.gateway.interface import AnyGateway
from httpd.network.connection import Connection
from httpd.network.connections import Connections
from httpd.network.context import Context
from httpd.network.failures import Failures
from httpd.network.listener import format_peer
from httpd.network.response_queue import ResponseQueue
from httpd.network.transport import Transport
from httpd.protocol.messages import HTTPError


class AcceptHandler:
    """Takes over the connections of one frontend in one loop.

    Args:
        context: of the loop.
        gateway: of the frontend in this loop.
        connections: of the loop.
        queue: of the loop.
        failures: of the loop.
    """

    def __init__(
        self,
        context: Context,
        gateway: AnyGateway,
        connections: Connections,
        queue: ResponseQueue,
        failures: Failures,
    ) -> None:
        self._context = context
        self._gateway = gateway
        self._connections = connections
        self._queue = queue
        self._failures = failures
        self._recv = context.recv
        # What is logged of a connection needs one.
        self._reads_at_once = context.access_log is None and not context.log.verbose

    def on_accept(self, fd: int, address: Any) -> None:
        """Serve an accepted connection at once, as its request has mostly arrived with it.

        Args:
            fd: the socket, which is non-blocking.
            address: of the client, as accept(2) gives it.
        """
        if self._reads_at_once:
            try:
                data = Transport.read(fd, self._recv)
            except OSError:  # the connection will get it as well
                data = b""
            if self._respond_and_close(fd, address, data):
                return
        else:
            data = b""
        connection = self._connect(fd, address)
        if self._context.room.is_full() and not self._connections.make_place():
            self._context.counts.refused["max_connections"] += 1
            text = "The server is busy. Please try again."
            error = HTTPError(503, text, (("Retry-After", "1"),), "too many connections")
            self._failures.guard(connection, partial(self._refuse, connection, fd, data, error))
            return
        self._gateway.invalidate_roots()  # the client may have connected during this very turn
        serve = partial(connection.receive, data) if data else connection.on_event
        self._failures.guard(connection, serve)
        self._queue.send()

    def _connect(self, fd: int, address: Any) -> Connection:
        self._context.counts.connected += 1
        return Connection(self._context, Transport(fd, format_peer(address)), self._gateway)

    def _respond_and_close(self, fd: int, address: Any, data: bytes) -> bool:
        """Respond to a client that asks for a small cached response and for nothing more.

        No per-connection state is needed, nor a place among the open connections.

        Returns:
            Whether that was possible.
        """
        response = self._gateway.exact(data)
        if response is None or response.lingers or response.after_head:
            return False
        if len(data) == self._recv:  # there may be more, and closing would reset the connection
            return False
        head = response.head
        try:
            sent = Transport.write(fd, head)
        except OSError:  # the connection will get it as well
            return False
        if sent < len(head):
            connection = self._connect(fd, address)
            self._failures.guard(connection, partial(connection.resume, response, (head,), sent))
            return True
        response.tally.requests += 1
        response.tally.sent += sent
        try:
            Transport.close_fd(fd)
            return True
        except OSError:
            return True  # it is closed all the same (close(2))

    def turn_away(self, fd: int, address: Any) -> None:
        """Refuse a client that is not to be served; the arguments are those of `on_accept`."""
        self._context.counts.refused["clients"] += 1
        error = HTTPError(403, "This server is not for clients of your network.")
        connection = self._connect(fd, address)
        self._failures.guard(connection, partial(self._refuse, connection, fd, b"", error))

    def _refuse(self, connection: Connection, fd: int, data: bytes, error: HTTPError) -> None:
        """Refuse a client, whatever it asks for.

        Args:
            connection: to the client.
            fd: its socket.
            data: what was read from it, if that was tried.
            error: what the response says.
        """
        if not data:
            try:
                data = Transport.read(fd, self._recv)
            except OSError:  # nothing has arrived yet, or the client is gone
                pass
        connection.refuse(error, data)


class Guard:
    """Turns away the clients that a gateway does not serve, before it hears of them.

    Args:
        handler: for the others.
        admits: tells whether a client is served, given its address.
    """

    def __init__(self, handler: AcceptHandler, admits: Callable[[str], bool]) -> None:
        self._handler = handler
        self._admits = admits

    def on_accept(self, fd: int, address: Any) -> None:
        """Pass an accepted connection on; see `AcceptHandler.on_accept`."""
        host, _ = format_peer(address)
        take = self._handler.on_accept if self._admits(host) else self._handler.turn_away
        take(fd, address)


class Diverter:
    """Gives some clients a gateway of their own, before the other one hears of them.

    Args:
        on_accept: for the other clients.
        for_client: see `AnyGateway`.
        make_handler: returns a function like `on_accept` for a gateway.
    """

    def __init__(
        self,
        on_accept: Callable[[int, Any], None],
        for_client: Callable[[str], AnyGateway | None],
        make_handler: Callable[[AnyGateway], Callable[[int, Any], None]],
    ) -> None:
        self._on_accept = on_accept
        self._for_client = for_client
        self._make_handler = make_handler

    def on_accept(self, fd: int, address: Any) -> None:
        """Pass an accepted connection on; see `AcceptHandler.on_accept`."""
        gateway = self._for_client(format_peer(address)[0])
        take = self._on_accept if gateway is None else self._make_handler(gateway)
        take(fd, address)
