"""What the connections of one loop share: its clock, limits and counters, and what it does for
them.

A connection gets this record in place of the loop, so that neither needs to know the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from httpd.network.connection_counts import ConnectionCounts
from httpd.network.recorder import Recorder
from httpd.network.room import Room
from httpd.network.send_budget import SendBudget
from httpd.network.settings import LoopSettings
from httpd.observe.access_log import AccessLog
from httpd.observe.log import Log
from httpd.protocol.response import Response

PATIENCE = 0.002
"""Seconds: when a turn has taken longer, queued responses are sent before a cache miss, which may
wait for a disk, and pipelined requests wait for the next turn."""


@dataclass(slots=True, eq=False)
class Context:
    """The record that a loop shares with its connections.

    Args:
        limits: what the operator says about connections.
        send_budget: how much of each download is sent at a time.
        recorder: has the running downloads.
        room: how many connections there may be.
        log: for messages.
        access_log: for a line per request, or None.
        watch: has the loop watch a connection for an event of epoll(7), instead of the one that it
            was watched for before.
        unwatch: has the loop forget a connection that is about to be closed.
        before_blocking: to be called before anything that may keep the loop busy or waiting for a
            disk: sends the queued responses, and wakes resting loops to accept in its place.
        now: the monotonic clock in seconds, read once a turn.
    """

    limits: LoopSettings
    send_budget: SendBudget
    recorder: Recorder
    room: Room
    log: Log
    access_log: AccessLog | None
    watch: Callable[[Any, int], None]
    unwatch: Callable[[Any], None]
    before_blocking: Callable[[], None]
    now: float
    is_draining: bool = False
    """Whether the loop finishes the requests that it has received, and accepts no more."""
    queued: list[tuple[Any, Response]] = field(default_factory=list)
    """Connections and the responses that `Connection.begin` sends to them at the end of the turn.

    The first response wakes a client that sleeps on another core; responses that follow at once do
    not wake it again.
    """
    counts: ConnectionCounts = field(default_factory=ConnectionCounts)
    """What the loop counts of its connections."""
    recv: int = field(init=False)
    """`limits.recv`, which each request needs; likewise the next one."""
    keepalive_timeout: float = field(init=False)

    def __post_init__(self) -> None:
        self.recv = self.limits.recv
        self.keepalive_timeout = self.limits.keepalive_timeout

    def silenced(self) -> Context:
        """Return a context for the last response of a connection that is not counted and logged."""
        return replace(self, access_log=None)

    def is_late(self) -> bool:
        """Tell whether the turn has taken longer than `PATIENCE`."""
        return time.monotonic() - self.now > PATIENCE
