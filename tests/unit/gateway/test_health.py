"""Health checks: which requests are some, and what their responses are."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from httpd.gateway.caches import Caches
from httpd.gateway.frontend import Frontend
from httpd.gateway.gateway import Gateway
from httpd.gateway.health import HealthCheck, HealthGateway
from httpd.gateway.interface import AnyGateway, Hooks
from httpd.gateway.settings import GatewaySettings
from httpd.gateway.trace import make_gateway
from httpd.observe.scoreboard import Mode, Scoreboard
from httpd.process.status_text import describe_unready
from httpd.protocol.messages import HTTPError
from httpd.protocol.response import Response
from httpd.site.settings import SiteSettings
from tests.support import raw
from tests.unit.gateway.gateways import done
from tests.unit.protocol.heads import head, join
from tests.unit.protocol.responses import in_memory
from tests.unit.site.directories import write

HOOKS = Hooks(lambda: None, lambda: None, lambda _: None, lambda: None)


class State:
    why_not = ""


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def gateway(tmp_path: Path, state: State) -> HealthGateway:
    """A gateway of a docroot with a file whose path is that of health checks."""
    write(tmp_path / "readyz", "a file")
    write(tmp_path / "a.txt", "text")
    frontend = Frontend(
        SiteSettings(docroot=str(tmp_path)), GatewaySettings(health="/readyz", cache=1 << 20)
    )
    caches = Caches(frontend.gateway.cache)
    gateway = make_gateway(frontend, caches, HOOKS, None, lambda: state.why_not)
    gateway.begin_second(1)
    assert isinstance(gateway, HealthGateway)
    return gateway


def respond_to(gateway: AnyGateway, sent: bytes) -> Response:
    return done(gateway.respond_to(sent, gateway.parse(sent)))


def check(gateway: AnyGateway, sent: bytes) -> bytes:
    """Return the response to a health check."""
    for _ in range(3):
        assert gateway.exact(sent) is None
        assert gateway.recall(sent) is None
        assert gateway.respond(sent) is None
        with pytest.raises(HealthCheck) as raised:
            respond_to(gateway, sent)
        assert raised.value.is_silent
    response = gateway.refuse(raised.value, head_only=sent.startswith(b"HEAD"))
    assert not response.keep_alive
    return in_memory(response)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("why_not", "status", "body"),
    [("", 200, "ready\n"), ("paused\nfor a while\n", 503, "paused\nfor a while\n")],
)
def test_health_check_gets_the_state(
    gateway: HealthGateway, state: State, method: str, why_not: str, status: int, body: str
) -> None:
    for is_paused in (False, True):
        gateway.set_paused(is_paused)
        gateway.begin_second(2 + is_paused)
        state.why_not = why_not
        for sent in (
            head(target="/readyz", method=method),
            head("Range: bytes=0-1", target="/readyz", method=method),
            join(f"{method} /readyz HTTP/1.0"),
            join(f"{method} /readyz HTTP/1.1", "Host: other.example", "Connection: close"),
        ):
            first, _, text = check(gateway, sent).partition(b"\r\n\r\n")
            got = raw.parse_head(first + b"\r\n\r\n")
            assert got.status == status
            assert got["Connection"] == "close"
            assert got["Cache-Control"] == "no-store"
            assert got["Content-Type"] == "text/plain; charset=utf-8"
            assert got["Content-Length"] == str(len(body))
            assert text.decode() == ("" if method == "HEAD" else body)


@pytest.mark.parametrize("target", ["/a.txt", "/readyz?", "/readyz/", "/readyzz", "/%72eadyz"])
def test_other_request_is_no_health_check(gateway: HealthGateway, target: str) -> None:
    for _ in range(3):
        assert respond_to(gateway, head(target=target)).status in (200, 404)


def test_other_method_is_no_health_check(gateway: HealthGateway) -> None:
    assert respond_to(gateway, head(target="/readyz", method="POST")).status == 405


def test_hit_of_a_gateway_with_health_checks_costs_nothing_more(gateway: HealthGateway) -> None:
    """`exact` is still the method of a dictionary."""
    known = head(target="/a.txt")
    for _ in range(3):
        gateway.respond(known)
    assert gateway.exact(known)
    bound: object = gateway.exact
    assert type(bound) is type({}.get)
    gateway.begin_second(2)
    assert gateway.exact(known) is None
    for _ in range(3):
        gateway.respond(known)
    assert gateway.exact(known)
    gateway.drain()
    assert gateway.exact(known) is None


def test_error_of_another_request_has_its_page(gateway: HealthGateway) -> None:
    response = gateway.refuse(HTTPError(400, "Bad."), head_only=False)
    assert (response.status, b"<h1>" in response.head) == (400, True)


def test_traced_client_has_the_health_path(tmp_path: Path) -> None:
    write(tmp_path / "readyz", "a file")
    write(tmp_path / "a.txt", "text")
    frontend = Frontend(SiteSettings(docroot=str(tmp_path)), GatewaySettings(health="/readyz"))
    told: list[str] = []
    networks = [ip_network("192.0.2.0/24")]
    for log in None, told.append:
        made = make_gateway(frontend, Caches(0), HOOKS, log, traced=networks, log_trace=told.append)
        made.begin_second(1)
        assert made.for_client is not None
        assert made.for_client("192.0.3.1") is None
        traced = made.for_client("192.0.2.7")
        assert traced is not None
        response = check(traced, head(target="/readyz"))
        assert response.endswith(b"\r\n\r\nready\n")
        assert told == []
        respond_to(traced, head(target="/a.txt"))
        (line,) = told
        assert line.startswith("192.0.2.7: cache level built: GET /a.txt HTTP/1.1: 200 by file")
        told.clear()


def test_gateway_without_health_is_the_plain_one(tmp_path: Path) -> None:
    frontend = Frontend(SiteSettings(docroot=str(tmp_path)), GatewaySettings(cache=1 << 20))
    gateway = make_gateway(frontend, Caches(1 << 20), HOOKS, None)
    assert type(gateway) is Gateway


def test_each_mode_is_a_reason_not_to_be_ready() -> None:
    board = Scoreboard.create(1, 1, 1)
    assert describe_unready(board) == ""
    words = {}
    for mode in Mode:
        board.set_mode(mode, 1_700_000_000)
        words[mode] = describe_unready(board).split("\n")[0]
        assert "since 2023-11-1" in describe_unready(board)
        board.set_mode(mode, 0)
    assert words == {
        Mode.PAUSED: "paused",
        Mode.MAINTENANCE: "paused",
        Mode.UNREADY: "unready",
        Mode.STARTING: "starting",
        Mode.STOPPING: "draining",
    }
    for mode in Mode:
        board.set_mode(mode, 1_700_000_000)
    assert describe_unready(board).startswith("draining\nthe server stops, since ")
