"""A traced gateway names the level that had each response."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from httpd.gateway.frontend import Frontend
from httpd.gateway.settings import GatewaySettings
from httpd.gateway.trace import ClientTrace, TracedGateway
from httpd.protocol.response import Response
from httpd.site.redirects import Redirect
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from tests.unit.gateway.gateways import make_gateway as plain_gateway
from tests.unit.gateway.test_gateway import ClockedGateway
from tests.unit.protocol.heads import head
from tests.unit.site.directories import settle, write


class Traced:
    """A gateway with the levels of the last response."""

    def __init__(self, root: Path) -> None:
        self.loop = ClockedGateway(root)
        self._told: list[str] = []
        gateway = self.loop.gateway
        self._gateway = TracedGateway(gateway, gateway.level_of, self._told.append)

    def ask(self, data: bytes) -> str:
        gateway = self._gateway
        if not gateway.exact(data) and not gateway.respond(data):
            gateway.respond_to(data, gateway.parse(data))
        (told,) = self._told
        self._told.clear()
        level, _, line = told.removeprefix("cache level ").partition(": ")
        assert data.startswith(line.encode() + b"\r\n")
        return level


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Traced:
    settle(monkeypatch)
    write(tmp_path / "a.txt", "content of a")
    return Traced(tmp_path)


def test_trace_of_a_file_names_each_level(traced: Traced) -> None:
    data = head(target="/a.txt")
    assert [traced.ask(data) for _ in range(3)] == ["built", "built", "variant"]
    assert traced.ask(data) == "exact"
    assert traced.ask(head(target="/a.txt?new")) == "variant"
    assert traced.ask(head(target="/a.txt?newer")) == "normalised"
    assert traced.ask(head("Range: bytes=1-2", target="/a.txt")) == "file"
    assert traced.ask(head(target="/a.txt", method="HEAD")) == "file"
    assert traced.ask(head(target="/a.txt", method="HEAD")) == "variant"
    traced.loop.tick()
    assert traced.ask(data) == "variant"


def test_trace_of_an_error_names_two_levels(traced: Traced) -> None:
    data = head(target="/nothing")
    assert [traced.ask(data) for _ in range(2)] == ["built", "exact"]


def test_trace_of_another_method_is_built(traced: Traced) -> None:
    data = head(target="/a.txt", method="POST")
    assert traced.ask(data) == "built"


@pytest.fixture
def frontend(tmp_path: Path) -> Frontend:
    write(tmp_path / "a.txt", "content of a", age=3600)
    rules = (Rule(("*.txt",), 60, line=7),)
    redirects = (Redirect("/old", "/a.txt", line=5),)
    site = SiteSettings(docroot=str(tmp_path), rules=rules, redirects=redirects)
    return Frontend(site, GatewaySettings())


def test_trace_of_a_client_says_why_it_gets_what_it_gets(
    frontend: Frontend, tmp_path: Path
) -> None:
    gateway = plain_gateway(frontend.site)
    told: list[str] = []
    traces = ClientTrace(gateway, gateway, frontend, [ip_network("192.0.2.0/24")], told.append)
    assert [traces.find(host) for host in ("192.0.3.1", "2001:db8::1", "unix:")] == [None] * 3
    traced = traces.find("192.0.2.7")
    assert traced is not None
    for target in "/a.txt", "/old", "/old":
        data = head(target=target)
        made = traced.exact(data) or traced.respond(data)
        assert isinstance(made, Response)
        again = gateway.exact(data) or gateway.respond(data)
        assert isinstance(again, Response)
        assert again.head == made.head
    start = "192.0.2.7: cache level"
    assert told == [
        f"{start} built: GET /a.txt HTTP/1.1: 200 by file, rule in line 7, file {tmp_path}/a.txt",
        f"{start} built: GET /old HTTP/1.1: 308 by redirect, redirect in line 5",
        f"{start} exact: GET /old HTTP/1.1: 308 by redirect, redirect in line 5",
    ]
    told.clear()
    gateway.set_paused(True)
    data = head(target="/a.txt")
    made = traced.respond_to(data, traced.parse(data))
    assert isinstance(made, Response)
    assert made.status == 503
    assert told == [f"{start} built: GET /a.txt HTTP/1.1: 503 while the server is paused"]
