"""Replays every case in every way, over servers with every recv size: one request, one response.

The response to the whole request, received with the usual recv size, is checked against the case.
All other responses must equal it, but for the clock.
"""

from __future__ import annotations

import random
import re
from functools import cache

import pytest

from tests.corpus.case import ETAG
from tests.corpus.replay import CASES, ways
from tests.corpus.site import FOLLOW, SECRET
from tests.support.raw import Client, Response, ask, request
from tests.support.server import Server

NEXT = request("/follow.txt")

USUAL = 65536
"""The recv size of the server whose answers are the measure."""

every_case = pytest.mark.parametrize("name", CASES)


@cache
def etag(port: int) -> str:
    return ask(port, "/plain.txt")["ETag"]


@cache
def response_to(port: int, name: str) -> Response:
    """The response to a case that is sent whole."""
    case = CASES[name]
    with Client(port) as client:
        client.send(case.bytes(etag(port)))
        return client.response(case.method)


def closes(name: str, response: Response) -> bool:
    return not CASES[name].keeps_after(response.status)


@every_case
def test_response_is_the_one_that_the_case_says(servers: dict[int, Server], name: str) -> None:
    case = CASES[name]
    response = response_to(servers[USUAL].port, name)
    case.check(response)
    assert SECRET not in response.body
    if response.status >= 400 and case.method != "HEAD":
        page = response.body.decode()
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert str(response.status) in page
        assert response.reason in page


@every_case
def test_response_does_not_depend_on_how_the_request_arrives(
    servers: dict[int, Server], name: str, seed: str
) -> None:
    case = CASES[name]
    response = response_to(servers[USUAL].port, name).timeless()
    for recv, server in servers.items():
        data = case.bytes(etag(server.port))
        for pieces in ways(data, recv, random.Random(f"{seed} {name} {recv}")):
            context = f"recv {recv}, pieces {[len(piece) for piece in pieces][:100]}"
            with Client(server.port) as client:
                client.send(*pieces)
                assert client.response(case.method).timeless() == response, context
                if closes(name, response):
                    assert client.rest() == b"", context


@every_case
def test_pipelined_request_is_answered_in_turn_or_not_at_all(
    servers: dict[int, Server], name: str, seed: str
) -> None:
    case = CASES[name]
    response = response_to(servers[USUAL].port, name).timeless()
    for recv, server in servers.items():
        data = case.bytes(etag(server.port)) + NEXT
        for pieces in ways(data, recv, random.Random(f"{seed} {name} {recv} pipelined")):
            context = f"recv {recv}, pieces {[len(piece) for piece in pieces][:100]}"
            with Client(server.port) as client:
                if case.is_last:
                    client.send_if_open(*pieces)
                else:
                    client.send(*pieces)
                assert client.response(case.method).timeless() == response, context
                if not closes(name, response):
                    assert client.response().body == FOLLOW, context
                elif case.is_last:
                    assert client.rest_or_reset() == b"", context
                else:
                    assert client.rest() == b"", context


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.may_keep])
def test_persistent_connection_takes_the_same_request_again(
    servers: dict[int, Server], name: str
) -> None:
    case, port = CASES[name], servers[USUAL].port
    response = response_to(port, name).timeless()
    if closes(name, response):
        return  # of the responses that the case allows it is one that closes
    data = case.bytes(etag(port))
    with Client(port) as client:
        for _ in range(3):
            client.send(data)
            assert client.response(case.method).timeless() == response
        client.send(data * 3)
        for _ in range(3):
            assert client.response(case.method).timeless() == response


GET_LINE = re.compile(rb"GET [!\"$-~]+ HTTP/[0-9]\.[0-9]\r\n")
"""A request line in which the method is beyond doubt."""

HEAD_TWINS = [
    name
    for name, case in CASES.items()
    if GET_LINE.match(case.request)
    and b"\r\nRange:" not in case.request  # which a HEAD ignores
    and not name.startswith("limits/")
]


@pytest.mark.parametrize("name", HEAD_TWINS)
def test_head_gets_what_get_gets_without_the_body(servers: dict[int, Server], name: str) -> None:
    case, port = CASES[name], servers[USUAL].port
    response = response_to(port, name).timeless()
    with Client(port) as client:
        client.send(b"HEAD" + case.bytes(etag(port)).removeprefix(b"GET"))
        assert client.response("HEAD").timeless() == response.headless()
        if closes(name, response):
            assert client.rest() == b""
        else:
            assert client.ask("/follow.txt").body == FOLLOW


def test_etag_of_a_file_is_the_same_from_all_servers(servers: dict[int, Server]) -> None:
    assert len({etag(server.port) for server in servers.values()}) == 1


def test_tables_of_cases_are_sound() -> None:
    assert len(CASES) >= 120
    assert sum(ETAG.encode() in case.request for case in CASES.values()) > 10
    for name, case in CASES.items():
        if case.method == "GET" and 200 in case.statuses and 206 not in case.statuses:
            assert case.body is not None, name
