"""The responses that wait until a loop has received all requests of a turn."""

from __future__ import annotations

from httpd.network.context import Context
from httpd.network.failures import Failures


class ResponseQueue:
    """Sends `Context.queued`.

    Args:
        context: of the loop.
        failures: of the loop.
    """

    def __init__(self, context: Context, failures: Failures) -> None:
        self._context = context
        self._queued = context.queued
        self._failures = failures

    def send(self) -> None:
        """Send the queued responses; each that does not go out at once continues by itself."""
        queued = self._queued
        if not queued:
            return
        responses = queued[:]
        queued.clear()  # first, since a response that is sent may have the others sent
        for connection, response in responses:
            try:
                connection.begin(response)
            except Exception:
                self._failures.handle(connection)
