"""The states of a connection; `httpd.network.connection` draws what leads from one to another."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """What a connection is doing."""

    IDLE = enum.auto()
    """Waiting for a request."""
    HEAD = enum.auto()
    """In the middle of receiving a request head."""
    BODY = enum.auto()
    """In the middle of receiving a request body."""
    WAITING = enum.auto()
    """Waiting for its next turn to make an answer, or to answer pipelined requests."""
    SENDING = enum.auto()
    """In the middle of sending an answer."""
    LINGERING = enum.auto()
    """Answered for the last time; discards what the client still sends."""
    CLOSED = enum.auto()


IDLE, HEAD, BODY, WAITING, SENDING, LINGERING, CLOSED = State
