"""A response that takes several turns to send, in slices that are as large as those of others.

Called by `httpd.network.connection`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from httpd.network.context import Context
from httpd.network.pace import Pace
from httpd.network.recorder import Origin
from httpd.network.transfer import StillUnsentError, Transfer
from httpd.network.transport import Transport
from httpd.protocol.response import Response

_LEAST_PIECE = 32 * 1024
"""Bytes of a slice that any system call counts for, however little it sends.  So a response of many
small parts does not take longer turns than others."""


class Download:
    """The running response of a connection, and its share of what the server sends.

    Args:
        context: of the loop.
        transport: to the client.
        response: what is sent.
        parts: the bytes that come before its segments.
        sent: bytes that have been sent already.
        origin: where the response comes from.
    """

    __slots__ = ("_context", "_pace", "_transfer", "origin", "response", "transport")

    def __init__(
        self,
        context: Context,
        transport: Transport,
        response: Response,
        parts: Sequence[bytes],
        sent: int,
        origin: Origin,
    ) -> None:
        self._context = context
        self.transport = transport
        self.response = response
        self.origin = origin
        self._transfer = Transfer(response, parts, sent)
        self._pace: Pace | None = None  # once a drain waits for the download
        context.send_budget.begin()
        context.recorder.begin(self)

    def end(self) -> None:
        """Give back the share; to be called once, while the socket is open."""
        self._context.send_budget.end()
        self._context.recorder.end(self, self._context.now)

    def unsent(self) -> int:
        """Return the bytes that are still to be sent."""
        return self._transfer.unsent()

    def send_slice(self) -> bool:
        """Send until the slice is full, or the socket is.

        Returns:
            Whether the client has taken something.

        Raises:
            FileChangedError: the rest must not be sent.
            OSError: of the socket or of the file.
        """
        context, transport, transfer = self._context, self.transport, self._transfer
        context.before_blocking()
        transport.limit_unsent(context.send_budget.limit)
        budget = context.send_budget.slice
        if transfer.unsent() > budget:
            # Whole segments: the kernel would send the rest of one before the next slice comes, as
            # a small segment that costs as much as a full one and wakes the client as well.
            budget -= budget % transfer.segment_size(transport)
        has_sent = False
        try:
            while budget > 0 and transfer.unsent():
                sent = transfer.send(transport, budget, context.send_budget.piece)
                budget -= max(sent, _LEAST_PIECE)
                self.response.tally.sent += sent
                has_sent = True
                if transfer.is_blocked:
                    break
        except StillUnsentError:
            transport.limit_unsent(1)  # the socket becomes writable when the kernel has sent all
        except BlockingIOError:
            pass
        return has_sent

    def is_being_taken(self) -> bool:
        """Tell whether the client has taken something since the last call, or may have."""
        return self._transfer.is_being_taken(self.transport)

    def is_too_slow(self) -> bool:
        """Tell whether it makes too little progress for a drain to wait for its end."""
        now = self._context.now
        if self._pace is not None and not self._pace.is_due(now):
            return False
        left = self.unsent() + self.transport.count_unsent()
        if self._pace is None:
            self._pace = Pace(left, now)
            return False
        return not self._pace.suffices(left, now)


def name_of(download: Download | None, head: bytes) -> str:
    """Return the name of the file that is being sent, or else the request line.

    Args:
        download: the running response, if it takes several turns.
        head: of the request.
    """
    if download is not None and download.response.body.source is not None:
        return os.fsdecode(download.response.body.source.name)
    return head.partition(b"\r\n")[0].decode("latin-1")
