"""What a client gets of a site, without connections."""

from __future__ import annotations

import os
from dataclasses import replace

from httpd.gateway.gateway import Gateway
from httpd.protocol.response import Response
from httpd.site.settings import SiteSettings
from tests.support import raw
from tests.unit.gateway.gateways import make_gateway, respond
from tests.unit.protocol.heads import head
from tests.unit.protocol.responses import in_memory


def serve(docroot: object, **changed: object) -> Gateway:
    """Return a gateway for one site."""
    return make_gateway(SiteSettings(docroot=str(docroot), **changed))  # type: ignore[arg-type]


def ask(gateway: Gateway, target: str, *lines: str, method: str = "GET") -> raw.Response:
    """Return what a client gets; a malformed response is an AssertionError."""
    return see(respond(gateway, head(*lines, target=target, method=method)))


def see(response: Response) -> raw.Response:
    """Return a response as a client sees it."""
    start, end, body = in_memory(response).partition(b"\r\n\r\n")
    for part in response.body.segments:
        if isinstance(part, range):
            assert response.body.source is not None
            body += os.pread(response.body.source.fd, len(part), part.start)
        else:
            body += part
    return replace(raw.parse_head(start + end), body=body)
