"""A gateway that tells which of its levels had each response, for the verbose log."""

from __future__ import annotations

from collections.abc import Callable

from httpd.gateway.caches import Caches
from httpd.gateway.frontend import Frontend
from httpd.gateway.gateway import Gateway
from httpd.gateway.health import HealthGateway
from httpd.gateway.interface import AnyGateway, Hooks
from httpd.protocol.messages import Request
from httpd.protocol.response import PendingResponse, Response


class TracedGateway:
    """A gateway that has its responses from another one.

    It takes the place of the gateway where the operator asks for that, so that tracing costs
    nothing elsewhere.

    Args:
        gateway: has the responses.
        log: called with the level and the request line of each response.
    """

    __slots__ = (
        "_gateway",
        "_log",
        "begin_second",
        "drain",
        "invalidate_roots",
        "parse",
        "refuse",
        "release",
        "resume",
        "set_paused",
        "take_docroot_faults",
    )

    admits = None

    def __init__(self, gateway: Gateway, log: Callable[[str], None]) -> None:
        self._gateway = gateway
        self._log = log
        self.invalidate_roots = gateway.invalidate_roots
        self.parse = gateway.parse
        self.resume = gateway.resume
        self.refuse = gateway.refuse
        self.begin_second = gateway.begin_second
        self.set_paused = gateway.set_paused
        self.drain = gateway.drain
        self.release = gateway.release
        self.take_docroot_faults = gateway.take_docroot_faults

    def exact(self, head: bytes) -> Response | None:
        """See `Gateway.exact`."""
        response = self._gateway.exact(head)
        if response is not None:
            self._tell("exact", head)
        return response

    def recall(self, head: bytes) -> Response | None:
        """See `Gateway.recall`."""
        level = self._gateway.level_of(head)
        response = self._gateway.recall(head)
        if response is not None:
            self._tell(level, head)
        return response

    def respond(self, head: bytes) -> Response | PendingResponse | None:
        """See `Gateway.respond`."""
        level = self._gateway.level_of(head)
        response = self._gateway.respond(head)
        if response is not None:
            self._tell(level, head)
        return response

    def respond_to(self, head: bytes, request: Request) -> Response | PendingResponse:
        """See `Gateway.respond_to`."""
        level = self._gateway.level_of(head)
        response = self._gateway.respond_to(head, request)
        self._tell(level, head)
        return response

    def _tell(self, level: str, head: bytes) -> None:
        line = head.lstrip(b"\r\n").partition(b"\r\n")[0].decode("ascii", "backslashreplace")
        self._log(f"cache level {level}: {line}")


def make_gateway(
    frontend: Frontend,
    caches: Caches,
    hooks: Hooks,
    log: Callable[[str], None] | None,
    find_why_not: Callable[[], str] = str,
) -> AnyGateway:
    """Return the gateway of a frontend.

    Args:
        frontend: whose clients it serves.
        caches: of the worker.
        hooks: of the loop.
        log: called with the level and the request line of each response, or None.
        find_why_not: see `HealthGateway`.
    """
    plain = Gateway(frontend, caches, hooks)
    gateway: AnyGateway = plain if log is None else TracedGateway(plain, log)
    path = frontend.gateway.health
    return gateway if path is None else HealthGateway(gateway, plain, path, find_why_not)
