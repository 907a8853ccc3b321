"""A gateway of a server that is paused."""

from __future__ import annotations

from pathlib import Path

import pytest

from httpd.gateway.gateway import Gateway
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from tests.support import raw
from tests.unit.gateway.gateways import make_gateway, respond
from tests.unit.protocol.heads import head
from tests.unit.protocol.responses import in_memory
from tests.unit.site.directories import write

RULES = (Rule(("/a.txt",), fields=(("X-Ruled", "yes"),)),)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """A gateway whose caches have /a.txt."""
    write(tmp_path / "a.txt", "text")
    gateway = make_gateway(SiteSettings(docroot=str(tmp_path), rules=RULES))
    for _ in range(3):
        assert respond(gateway, head(target="/a.txt")).status == 200
    assert gateway.exact(head(target="/a.txt"))
    return gateway


def test_paused_gateway_uses_no_cached_response(gateway: Gateway) -> None:
    gateway.set_paused(True)
    gateway.begin_second(2)
    known = head(target="/a.txt")
    assert gateway.exact(known) is None
    assert gateway.recall(known) is None
    assert gateway.respond(known) is None
    assert respond(gateway, known).status == 503
    assert gateway.exact(known) is None
    gateway.set_paused(False)
    gateway.begin_second(3)
    response = gateway.respond(known)
    assert response is not None
    assert respond(gateway, known).status == 200
    assert gateway.exact(known)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "BREW"])
@pytest.mark.parametrize("target", ["/a.txt", "/", "/nothing", "/../..", "/%00", "*"])
def test_paused_gateway_refuses_each_request_and_keeps_the_connection(
    gateway: Gateway, method: str, target: str
) -> None:
    gateway.set_paused(True)
    gateway.begin_second(2)
    if target == "*" and method != "OPTIONS":
        return  # refused by the parser
    response = respond(gateway, head(target=target, method=method))
    assert (response.status, response.keep_alive) == (503, True)
    got = raw.parse_head(response.head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert got["Retry-After"] == "60"
    assert got["Cache-Control"] == "no-store"
    assert got.get("Connection") is None
    assert ("X-Ruled" in got) is (target == "/a.txt")
    body = in_memory(response).partition(b"\r\n\r\n")[2]
    assert (b"down for maintenance" in body) is (method != "HEAD")


def test_paused_gateway_that_drains_closes_the_connection(gateway: Gateway) -> None:
    gateway.set_paused(True)
    gateway.drain()
    gateway.begin_second(2)
    response = respond(gateway, head(target="/a.txt"))
    assert (response.status, response.keep_alive) == (503, False)
    gateway.set_paused(False)
    gateway.begin_second(3)
    assert gateway.respond(head(target="/a.txt")) is None
    response = respond(gateway, head(target="/a.txt"))
    assert (response.status, response.keep_alive) == (200, False)


def test_paused_gateway_refuses_names_that_are_no_site(tmp_path: Path) -> None:
    gateway = make_gateway(SiteSettings(docroot=""))
    assert respond(gateway, head()).status == 421
    gateway.set_paused(True)
    gateway.begin_second(2)
    assert respond(gateway, head()).status == 503
