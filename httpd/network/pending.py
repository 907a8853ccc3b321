"""A pending response of a connection: its steps, and the parts of it that are sent meanwhile.

Called by `httpd.network.connection`.
"""

from __future__ import annotations

from httpd.gateway.interface import AnyGateway
from httpd.network.context import Context
from httpd.network.transport import Transport
from httpd.protocol.response import Part, Pause, PendingResponse, Response


class Pending:
    """A response that takes several turns to make.

    Args:
        context: of the loop.
        transport: to the client.
        gateway: takes the steps.
        response: the steps.
    """

    __slots__ = ("_context", "_gateway", "_part", "_response", "_transport")

    def __init__(
        self,
        context: Context,
        transport: Transport,
        gateway: AnyGateway,
        response: PendingResponse,
    ) -> None:
        self._context = context
        self._transport = transport
        self._gateway = gateway
        self._response = response
        self._part: Part | None = None  # as far as it is still to be sent

    def take_step(self) -> Response | Pause | str | None:
        """Take a step, or send more of the part that the last step has made.

        Returns:
            The response after the last step; why the connection is to be closed; None to go on when
            the socket takes more; or what to wait for before.

        Raises:
            HTTPError: an internal error, or a failure of the disk.
        """
        self._context.before_blocking()
        if self._part is None:
            made = self._gateway.resume(self._response)
            if not isinstance(made, Part):
                return made
            self._part = made
        return self._send(self._part)

    def _send(self, part: Part) -> str | None:
        try:
            sent = self._transport.write(self._transport.fd, part.data)
        except BlockingIOError:
            return None
        except OSError:
            return "client reset"
        is_whole = sent == len(part.data)
        self._part = None if is_whole else part._replace(data=part.data[sent:])
        return "answered" if is_whole and part.is_last else None

    def close(self) -> None:
        """End it, whatever it holds open."""
        self._response.close()
