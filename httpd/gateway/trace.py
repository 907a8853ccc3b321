"""Gateways that tell which level had each response: for the verbose log, or for some clients."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from httpd.gateway.caches import Caches
from httpd.gateway.explainer import Explainer
from httpd.gateway.frontend import Frontend
from httpd.gateway.gateway import Gateway
from httpd.gateway.health import HealthGateway
from httpd.gateway.interface import AnyGateway, Hooks
from httpd.protocol.messages import Request
from httpd.protocol.response import PendingResponse, Response
from httpd.settings.networks import Network


class TracedGateway:
    """A gateway that has its responses from another one.

    It takes the place of the gateway where the operator asks for that, so that tracing costs
    nothing elsewhere.

    Args:
        gateway: has the responses.
        level_of: that of the `Gateway` behind it, or the same.
        log: called with the level and the request line of each response.
        explain: returns what else is to be told of a request, given its head.

    Attributes:
        for_client: see `AnyGateway`.
    """

    __slots__ = (
        "_explain",
        "_gateway",
        "_level_of",
        "_log",
        "begin_second",
        "drain",
        "for_client",
        "invalidate_roots",
        "parse",
        "refuse",
        "release",
        "resume",
        "set_paused",
        "take_docroot_faults",
    )

    admits = None

    def __init__(
        self,
        gateway: AnyGateway,
        level_of: Callable[[bytes], str],
        log: Callable[[str], None],
        explain: Callable[[bytes], str] = lambda _: "",
    ) -> None:
        self._gateway = gateway
        self._level_of = level_of
        self._log = log
        self._explain = explain
        self.for_client: Callable[[str], AnyGateway | None] | None = None
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
        level = self._level_of(head)
        response = self._gateway.recall(head)
        if response is not None:
            self._tell(level, head)
        return response

    def respond(self, head: bytes) -> Response | PendingResponse | None:
        """See `Gateway.respond`."""
        level = self._level_of(head)
        response = self._gateway.respond(head)
        if response is not None:
            self._tell(level, head)
        return response

    def respond_to(self, head: bytes, request: Request) -> Response | PendingResponse:
        """See `Gateway.respond_to`."""
        level = self._level_of(head)
        response = self._gateway.respond_to(head, request)
        self._tell(level, head)
        return response

    def _tell(self, level: str, head: bytes) -> None:
        line = head.lstrip(b"\r\n").partition(b"\r\n")[0].decode("ascii", "backslashreplace")
        self._log(f"cache level {level}: {line}{self._explain(head)}")


class ClientTrace:
    """The gateways of the clients about whose requests the operator wants to know all.

    What decides is found out by putting each request through an `Explainer` as well, which uses no
    cache.  So the response is the same as for other clients.

    Args:
        gateway: has the responses.
        plain: the gateway of sites behind it, or the same.
        frontend: of the gateway.
        networks: of the clients.
        log: called with a line for each response.
    """

    def __init__(
        self,
        gateway: AnyGateway,
        plain: Gateway,
        frontend: Frontend,
        networks: Sequence[Network],
        log: Callable[[str], None],
    ) -> None:
        self._gateway = gateway
        self._plain = plain
        self._networks = networks
        self._log = log
        self._explainer = Explainer(frontend, lambda _: None)  # the gateway complains itself

    def find(self, host: str) -> TracedGateway | None:
        """Return the gateway of a client; None if the client is not traced.

        Args:
            host: the address of the client; of a Unix socket, no address.
        """
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return None
        if not any(address in network for network in self._networks):
            return None
        return TracedGateway(
            self._gateway,
            self._plain.level_of,
            lambda text: self._log(f"{host}: {text}"),
            self._explain,
        )

    def _explain(self, head: bytes) -> str:
        if self._plain.is_paused:
            return ": 503 while the server is paused"
        return f": {self._explainer.explain(head).summary}"


def make_gateway(
    frontend: Frontend,
    caches: Caches,
    hooks: Hooks,
    log: Callable[[str], None] | None,
    find_why_not: Callable[[], str] = str,
    traced: Sequence[Network] = (),
    log_trace: Callable[[str], None] = lambda _: None,
) -> AnyGateway:
    """Return the gateway of a frontend.

    Args:
        frontend: whose clients it serves.
        caches: of the worker.
        hooks: of the loop.
        log: called with the level and the request line of each response, or None.
        find_why_not: see `HealthGateway`.
        traced: the networks of the clients that are traced.
        log_trace: called with a line for each response to these.
    """
    plain = Gateway(frontend, caches, hooks)
    path = frontend.gateway.health
    gateway: Gateway | HealthGateway = plain
    if path is not None:
        gateway = HealthGateway(plain, path, find_why_not)
    made = gateway if log is None else TracedGateway(gateway, plain.level_of, log)
    if traced:
        made.for_client = ClientTrace(gateway, plain, frontend, traced, log_trace).find
    return made
