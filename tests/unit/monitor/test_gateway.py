"""What the monitor serves, to whom, and under which names."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network

import pytest

from httpd.gateway.interface import Hooks
from httpd.monitor.gateway import MonitorGateway, admit, text_builder
from httpd.network.acceptor import Listeners
from httpd.network.listener import Listener
from httpd.network.loop import Loop
from httpd.observe.log import Log
from httpd.observe.scoreboard import Scoreboard
from httpd.protocol.messages import Request
from httpd.site.builder import ResponseBuilder
from tests.support.raw import Client, Response, ask, request
from tests.support.server import DEADLINE
from tests.unit.network.running import SETTINGS


def _broken(_: Request) -> ResponseBuilder:
    raise ZeroDivisionError


PAGES = {
    b"/page": lambda request: text_builder(f"{request.method}\n"),
    b"/large": lambda _: text_builder("x" * 1_000_000),
    b"/broken": _broken,
}


@contextmanager
def monitor(
    name: str | None = "monitor.example", admits: Callable[[str], bool] | None = None
) -> Iterator[int]:
    """Run a loop with a gateway of the monitor; yield its port."""
    seconds: list[int] = []

    def make_gateway(_: object, hooks: Hooks) -> MonitorGateway:
        return MonitorGateway(PAGES, name, admits, hooks, seconds.append)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    log = Log("monitor", nowhere, nowhere, verbose=False)
    listeners = Listeners([Listener(listener, None)], 1)
    loop = Loop(0, listeners, SETTINGS, make_gateway, Scoreboard.private(), log, None)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        loop.drain(listeners.close, 0)
        thread.join(DEADLINE)
        os.close(nowhere)
    assert seconds


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with monitor() as port:
        yield port


def ask_host(port: int, host: str | None, *, version: str = "HTTP/1.1") -> Response:
    with Client(port) as client:
        client.send(request("/page", "Connection: close", version=version, host=host))
        return client.response()


def test_page_is_sent_as_it_is_and_may_not_be_stored(port: int) -> None:
    response = ask(port, "/page")
    assert (response.status, response.body) == (200, b"GET\n")
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in response


def test_head_gets_the_same_head(port: int) -> None:
    with Client(port) as client:
        client.send(request("/large"))
        whole = client.response()
        client.send(request("/large", method="HEAD"))
        head = client.head()
    assert len(whole.body) == 1_000_000
    assert head.timeless() == whole.headless().timeless()


def test_connection_serves_pipelined_requests(port: int) -> None:
    with Client(port) as client:
        client.send(request("/page") * 3)
        assert [client.response().body for _ in range(3)] == [b"GET\n"] * 3


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(port: int, method: str) -> None:
    response = ask(port, "/page", method=method)
    assert (response.status, response["Allow"]) == (405, "GET, HEAD")


def test_other_path_is_not_found_and_those_that_exist_are_named(port: int) -> None:
    response = ask(port, "/index.html")
    assert response.status == 404
    assert b"/page, /large, /broken" in response.body


def test_internal_error_is_no_end(port: int) -> None:
    assert ask(port, "/broken").status == 500
    assert ask(port, "/page").status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9180", 200),
        ("192.0.2.7:80", 200),
        ("[::1]:9180", 200),
        ("[2001:db8::1]", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("localhost.:1", 200),
        ("monitor.localhost:9180", 200),
        ("monitor.example", 200),
        ("Monitor.Example:9180", 200),
        ("attacker.example", 421),
        ("attacker.example:9180", 421),
        ("notlocalhost", 421),
        ("localhost.attacker.example", 421),
        ("127.0.0.1.attacker.example", 421),
        ("xmonitor.example", 421),
    ],
)
def test_name_that_another_site_may_have_given_is_refused(
    port: int, host: str, status: int
) -> None:
    assert ask_host(port, host).status == status
    with Client(port) as client:  # the authority of a target beats Host
        client.send(request(f"http://{host}/page", "Connection: close", host="localhost"))
        assert client.response().status == status


def test_client_without_a_host_is_no_browser(port: int) -> None:
    assert ask_host(port, None, version="HTTP/1.0").status == 200


def test_unix_socket_has_any_name() -> None:
    with monitor(name=None) as port:
        assert ask_host(port, "attacker.example").status == 200


def test_client_that_is_not_admitted_gets_403_whatever_it_asks_for() -> None:
    asked: list[str] = []
    with monitor(admits=asked.append) as port:  # type: ignore[arg-type] # None is no
        assert ask(port, "/page").status == 403
        assert ask(port, "/nothing", method="POST").status == 403
    assert asked == ["127.0.0.1"] * 2


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("10.1.2.3", True),
        ("10.2.2.3", False),
        ("2001:db8::7", True),
        ("2001:db9::7", False),
        ("127.0.0.1", True),
        ("::1", True),
        ("unix:", True),
    ],
)
def test_clients_are_those_of_the_networks_and_of_this_machine(
    address: str, *, admitted: bool
) -> None:
    assert admit((ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")))(address) is admitted
