"""The connections that one loop watches: by descriptor, and which are to be closed for others."""

from __future__ import annotations

import select

from httpd.network.connection import Connection
from httpd.network.room import Room
from httpd.network.state import IDLE, LINGERING, State
from httpd.observe.scoreboard import Column, Scoreboard


class Connections:
    """The connections that a loop watches.

    Args:
        epoll: that of the loop.
        room: how many connections the server may have.
        board: where the loop publishes how many connections it has.
        index: the row of the loop on the board.
    """

    def __init__(self, epoll: select.epoll, room: Room, board: Scoreboard, index: int) -> None:
        self._epoll = epoll
        self._room = room
        self._board = board
        self._counts = board.column(Column.CONNECTIONS)
        self._index = index
        self.by_fd: dict[int, Connection] = {}
        """The connections by their descriptors; only `watch` and `unwatch` change it."""

    def watch(self, connection: Connection, interest: int) -> None:
        """Watch a connection for an event, instead of the one that it was watched for before.

        Args:
            connection: which has just been accepted, or is watched already.
            interest: the event of epoll(7).

        Raises:
            OSError: the kernel cannot watch one more descriptor.
        """
        if connection.fd in self.by_fd:
            self._epoll.modify(connection.fd, interest)
            return
        self._epoll.register(connection.fd, interest)
        self.by_fd[connection.fd] = connection
        self._counts[self._index] = len(self.by_fd)

    def unwatch(self, connection: Connection) -> None:
        """Forget a connection that is about to be closed, which ends the watch of the kernel."""
        if self.by_fd.pop(connection.fd, None) is not None:
            self._counts[self._index] = len(self.by_fd)

    def all(self) -> list[Connection]:
        """Return the connections as a list, which does not change when some are closed."""
        return list(self.by_fd.values())

    def overdue(self, now: float) -> list[Connection]:
        """Return the connections whose deadline has passed."""
        return [connection for connection in self.by_fd.values() if connection.deadline <= now]

    def publish(self) -> None:
        """Write what the connections do to the row of the loop on the board."""
        connections = self.by_fd.values()
        idle = sum(connection.state is IDLE for connection in connections)
        row = {
            Column.ACTIVE: len(connections) - idle,
            Column.REMAINING: sum(connection.unsent() for connection in connections),
            Column.SPARE: idle,
        }
        for column, value in row.items():
            self._board.column(column)[self._index] = value

    # ---------------------------------------------------------------- the limit

    def close_one(self, *states: State) -> bool:
        """Close a connection in one of these states that has sent nothing new.

        Returns:
            Whether there was one.
        """
        for connection in self.by_fd.values():
            if connection.is_quiet(*states):
                if connection.state is IDLE:
                    self._room.take_spare(self._index)
                connection.close("too many connections")
                return True
        return False

    def close_excess(self) -> None:
        """Close the part of this loop in the connections beyond the limit of the server."""
        for _ in range(self._room.share(self._board.column(Column.SPARE)[self._index])):
            self.close_one(IDLE)

    def make_place(self) -> bool:
        """Close connections until there is room for one more; tell whether there is."""
        while self._room.is_full():
            if not self.close_one(LINGERING, IDLE):
                return self._room.may_exceed()
        return True
