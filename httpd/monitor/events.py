"""Server-sent events of the monitor (HTML, section 9.2): a snapshot, and each second what changed.

A stream is a pending response that is sent part by part and has no end.  All streams get the same
bytes, which are made once a second, and only while there is a stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from httpd.monitor.snapshot import Snapshots, changes_between
from httpd.protocol.messages import HTTPError
from httpd.protocol.response import Part, Pause, PendingResponse

STREAMS = 32
"""The most streams at the same time."""
RETRY_SECONDS = 2
"""When a client connects again that has lost its stream, or was refused one."""
PING_SECONDS = 15


class Events:
    """The streams of events, and what they tell.

    Args:
        snapshots: of the server.
        is_draining: tells whether the streams have to end.
    """

    def __init__(self, snapshots: Snapshots, is_draining: Callable[[], bool]) -> None:
        self._snapshots = snapshots
        self._is_draining = is_draining
        self._number = 0  # of the last snapshot
        self._delta = b""
        self._streams = 0

    def on_second(self) -> None:
        """Take the snapshot of this second, and make its event."""
        before = self._snapshots.latest
        now = self._snapshots.take()
        self._number += 1
        if self._streams and before:
            self._delta = format_event("delta", self._number, changes_between(before, now))
            if self._number % PING_SECONDS == 0:
                self._delta += b": ping\n\n"

    def stream(self, head: bytes) -> PendingResponse:
        """Return a stream, which has begun with its head.

        Args:
            head: of the response.

        Raises:
            HTTPError: 503, there are too many streams.
        """
        if self._streams >= STREAMS:
            text = f"The monitor sends events to {STREAMS} clients, and not to more."
            raise HTTPError(503, text, (("Retry-After", str(RETRY_SECONDS)),))
        steps = self._steps(head)
        next(steps)  # from now on, its end is noticed
        return steps

    def _steps(self, head: bytes) -> PendingResponse:
        self._streams += 1
        try:
            yield None
            yield Part(head + b"retry: %d\n\n" % (1000 * RETRY_SECONDS))
            known = 0
            while not self._is_draining():
                # A client that was too slow for an event begins anew.
                if known == self._number:
                    yield Pause.UNTIL_WOKEN
                elif known == self._number - 1 and known:
                    known = self._number
                    yield Part(self._delta)
                else:
                    known = self._number
                    yield Part(format_event("snapshot", known, self._snapshots.latest))
            while True:
                yield Part(b": the monitor ends\n\n", is_last=True)
        finally:
            self._streams -= 1


def format_event(name: str, number: int, data: Mapping[str, Any]) -> bytes:
    """Return an event as it is sent.

    Args:
        name: of the event.
        number: its ID.
        data: for JSON, which has no line breaks.
    """
    text = json.dumps(data, separators=(",", ":"))
    return f"event: {name}\nid: {number}\ndata: {text}\n\n".encode()
