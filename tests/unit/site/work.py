"""Does the work of an answer that takes several turns of a loop."""

from __future__ import annotations

from httpd.protocol.response import PendingResponse, Response


def done(response: Response | PendingResponse) -> Response:
    """Return the answer, after all of its steps."""
    if isinstance(response, Response):
        return response
    while True:
        try:
            next(response)
        except StopIteration as end:
            assert isinstance(end.value, Response)
            return end.value
