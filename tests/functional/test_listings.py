"""Listings of directories: their content, and that other clients are not kept waiting."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.functional.configured import serve_with
from tests.functional.test_memory import MIB, proportional_size
from tests.process import proc
from tests.support.raw import Client, request
from tests.support.server import Server

MANY = 20_000
JSON = "Accept: application/json"
NAMES = [
    b"a",
    b"a b",
    b"100%",
    b"%41",
    b"a:b",
    b"?query",
    b"#part",
    b"<b>&\"'",
    b"back\\slash",
    b"new\nline",
    b"\xff\xfe",
    b"\xc3\xa9",
    b"\xf0\x9f\x99\x82",
    b"\xe2\x80\xaeevil",
    b"a+b=c&d;e",
    b"javascript:alert(1)",
    b"-",
    b"~",
    b"\x01\x7f",
    b"x" * 255,
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("listings") / "site"
    for directory in ("names", "empty", "sizes/folder", "indexed", "many"):
        (site / directory).mkdir(parents=True)
    for raw in NAMES:
        (site / "names" / os.fsdecode(raw)).write_bytes(raw)
    for number, name in enumerate(("c", "a", "b")):
        path = site / "sizes" / name
        path.write_bytes(bytes(number))
        os.utime(path, (10**9 - number, 10**9 - number))
    (site / "indexed" / "index.html").write_bytes(b"index")
    (site / "a.txt").write_bytes(b"a")
    (site / "large.bin").write_bytes(bytes(3 * MIB))
    for hidden in (".hidden", ".htpasswd"):
        (site / "sizes" / hidden).write_bytes(b"hidden")
    (site.parent / "outside").write_bytes(b"outside")
    (site / "sizes" / "out").symlink_to("../../outside")
    os.mkfifo(site / "sizes" / "fifo")
    for number in range(MANY):
        (site / "many" / f"{number:05}.txt").touch()
    return site


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[Server]:
    with serve_with(site, listing=True) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


def names(client: Client, target: str) -> list[str]:
    return [entry["name"] for entry in json.loads(client.ask(target, JSON).body)]


# ---------------------------------------------------------------- responses


@pytest.mark.parametrize("lines", [[], [JSON]], ids=["html", "json"])
@pytest.mark.parametrize("target", ["/", "/sizes/", "/empty/", "/many/", "/names/?sort=size"])
def test_listing_answers_head_and_conditions(client: Client, target: str, lines: list[str]) -> None:
    response = client.ask(target, *lines)
    assert response.status == 200
    assert response["Content-Type"] == ("application/json" if lines else "text/html; charset=utf-8")
    assert response["Vary"] == "Accept"
    assert response["Cache-Control"] == "no-cache"
    for name in ("Last-Modified", "Expires", "Accept-Ranges"):
        assert name not in response
    head = client.ask(target, *lines, method="HEAD")
    assert head.timeless() == response.timeless().headless()
    assert client.ask(target, *lines, "Range: bytes=0-9").body == response.body
    for method in ("GET", "HEAD"):
        for tag in (response["ETag"], f'"x", W/{response["ETag"]}', "*"):
            same = client.ask(target, *lines, f"If-None-Match: {tag}", method=method)
            assert (same.status, same["ETag"], same["Vary"]) == (304, response["ETag"], "Accept")
        assert client.ask(target, *lines, 'If-Match: "x"', method=method).status == 412
    assert client.ask(target, *lines, 'If-None-Match: "x"').body == response.body
    date = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"
    assert client.ask(target, *lines, date).status == 200


def test_listing_has_another_tag_after_a_change(client: Client, site: Path) -> None:
    before = client.ask("/empty/", JSON)
    assert before.body == b"[]\n"
    (site / "empty" / "new").touch()
    line = f"If-None-Match: {before['ETag']}"
    while (response := client.ask("/empty/", JSON, line)).status == 304:
        pass  # for up to a second
    assert response["ETag"] != before["ETag"]
    assert [entry["name"] for entry in json.loads(response.body)] == ["new"]
    (site / "empty" / "new").unlink()


def test_listing_is_in_the_order_that_is_asked_for(client: Client) -> None:
    for query, expected in [
        ("", ["folder", "a", "b", "c"]),
        ("?sort=name&order=desc", ["folder", "c", "b", "a"]),
        ("?sort=size", ["folder", "c", "a", "b"]),
        ("?sort=size&order=desc", ["folder", "b", "a", "c"]),
        ("?sort=modified", ["folder", "b", "a", "c"]),
        ("?order=desc&sort=modified", ["folder", "c", "a", "b"]),
        ("?sort=%73ize", ["folder", "a", "b", "c"]),
        ("?sort=<script>", ["folder", "a", "b", "c"]),
    ]:
        assert names(client, f"/sizes/{query}") == expected, query
        page = client.ask(f"/sizes/{query}").body
        assert re.findall(rb'<td><a href="(\w+)', page) == [name.encode() for name in expected]
        assert page.count(b"<script>") == 1  # that of the filter
        assert b"?sort=" not in page


def test_listing_has_nothing_that_is_hidden_or_outside(client: Client) -> None:
    assert not {".hidden", ".htpasswd", "out", "fifo"} & set(names(client, "/sizes/"))


def test_listing_is_made_only_where_it_is_allowed(client: Client, site: Path) -> None:
    assert client.ask("/indexed/").body == b"index"
    assert client.ask("/sizes").status == 301
    assert client.ask("/missing/").status == 404
    assert client.ask("/a.txt/").status == 404
    assert client.ask("/sizes/..%2f/", JSON).body == client.ask("/", JSON).body
    assert client.ask("/.hidden/").status == 404
    assert client.ask("/sizes/", method="POST").status == 405
    assert client.ask("/sizes/", method="OPTIONS").body == b""
    (site / "way-out").symlink_to("..")
    assert client.ask("/way-out/").status == 404
    (site / "way-out").unlink()
    with serve_with(site) as server, Client(server.port) as other:
        assert other.ask("/sizes/").status == 403
        assert other.ask("/sizes/", JSON).status == 403


@pytest.mark.parametrize("lines", [[], [JSON]], ids=["html", "json"])
def test_listing_leads_from_every_name_to_its_file(client: Client, lines: list[str]) -> None:
    body = client.ask("/names/", *lines).body
    if lines:
        links = [entry["href"] for entry in json.loads(body)]
    else:
        found = re.findall(r'<td><a href="([^"]*)"', body.decode())
        links = [link.replace("&#x27;", "'").replace("&amp;", "&") for link in found]
    bodies = []
    for link in links:
        address = urlsplit(urljoin("http://host/names/", link))
        assert (address.netloc, address.query, address.fragment) == ("host", "", "")
        response = client.ask(address.path)
        assert response.status == 200
        bodies.append(response.body)
    assert sorted(bodies) == sorted(NAMES)


# ---------------------------------------------------------------- beside others


@pytest.mark.parametrize("lines", [[], [JSON]], ids=["html", "json"])
def test_listing_of_many_entries_is_complete(client: Client, lines: list[str]) -> None:
    body = client.ask("/many/?sort=size", *lines).body
    assert len(set(re.findall(rb"(\d{5}\.txt)", body))) == MANY


def test_listing_in_the_making_holds_up_nobody(server: Server) -> None:
    """Again and again before its first byte: it takes many turns, and they one each."""
    with Client(server.port) as asking, Client(server.port) as client:
        assert client.ask("/a.txt").body == b"a"
        asking.send(request("/many/?sort=modified&order=desc", JSON))
        asking.socket.setblocking(False)
        answered = 0
        while True:
            try:
                assert asking.socket.recv(1)
                break
            except BlockingIOError:
                assert client.ask("/a.txt").body == b"a"
                answered += 1
        assert answered >= 20


def test_listing_that_is_read_slowly_holds_up_nobody(server: Server) -> None:
    with Client(server.port, receive_buffer=4096) as slow, Client(server.port) as client:
        slow.send(request("/many/"))
        head = slow.head()
        other = client.ask("/many/?sort=size&order=desc")
        assert other["Content-Length"] == head["Content-Length"]
        assert len(slow.body(int(head["Content-Length"]))) == len(other.body)


def test_listing_for_200_clients_at_once_reaches_all(server: Server) -> None:
    before = proportional_size(server.pid)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(200)]
        for number, client in enumerate(clients):
            client.send(request(f"{'/' * (1 + number % 5)}many/?{number}", JSON))
        heads = [client.head() for client in clients]
        assert len({head["ETag"] for head in heads}) == 1
        assert proportional_size(server.pid) - before < 40 * MIB
        size = int(heads[0]["Content-Length"])
        assert len({client.body(size) for client in clients}) == 1


def test_listing_among_pipelined_requests_comes_in_turn(client: Client) -> None:
    targets = ["/a.txt", "/many/", "/a.txt", "/sizes/", "/empty/", "/missing", "/many/", "/a.txt"]
    data = request("/a.txt", "Content-Length: 4", method="PUT") + b"body"
    client.send(b"".join(map(request, targets)) + data + request("/sizes/", JSON) + b"GET /a.")
    responses = [client.response() for _ in targets]
    assert [response.status for response in responses] == [200, 200, 200, 200, 200, 404, 200, 200]
    assert responses[1].body == responses[6].body
    assert client.response().status == 405
    assert len(json.loads(client.response().body)) == 4
    client.send(b"txt HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().body == b"a"


def test_listing_in_the_making_comes_before_later_requests(client: Client) -> None:
    client.send(request("/many/?sort=modified"), request("/a.txt"), request("/sizes/"))
    assert client.response().status == 200
    assert client.response().body == b"a"
    assert client.response().status == 200
    assert client.ask("/a.txt", "Connection: close").body == b"a"
    assert client.rest() == b""


def test_listings_by_the_hundred_over_one_connection_all_arrive(client: Client) -> None:
    client.send(request("/sizes/") * 100 + request("/a.txt"))
    assert len({client.response().timeless() for _ in range(100)}) == 1
    assert client.response().body == b"a"


def test_listing_can_be_the_last_response(client: Client) -> None:
    for version, lines in (("HTTP/1.1", ["Connection: close"]), ("HTTP/1.0", [])):
        with Client(int(client.socket.getpeername()[1])) as other:
            response = other.ask("/many/", *lines, version=version)
            assert response["Connection"] == "close"
            assert other.rest() == b""


# ---------------------------------------------------------------- clients that go away


def held_for_clients(pid: int) -> int:
    """Return the number of sockets and listings that a process has open."""
    return sum(to.startswith(("socket:", "/memfd:")) for to in proc.descriptors(pid).values())


@pytest.mark.parametrize("reset", [True, False])
def test_listing_whose_clients_go_away_leaves_nothing(site: Path, reset: bool) -> None:
    # The client is idle while it waits for the log, on a busy machine for long.
    settings = {"keepalive_timeout": "10m"}
    with serve_with(site, listing=True, **settings) as server, Client(server.port) as client:
        assert client.ask("/many/").status == 200
        (worker,) = proc.children(server.pid)
        before = held_for_clients(worker)
        addresses = set()
        for number in range(30):
            with Client(server.port) as gone:
                gone.send(request(f"/many/?sort={('name', 'size', 'modified')[number % 3]}", JSON))
                client.ask("/a.txt")  # it is being made
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                addresses.add(gone.address)
        while addresses:
            addresses.discard(server.out.wait_for("connection ([0-9.:]+) closed: client")[1])
        while True:  # a listing of this second is dropped in the next one
            if held_for_clients(worker) <= before:
                break
            client.ask("/a.txt")
        assert client.ask("/many/", JSON).status == 200


def test_listing_that_nobody_takes_is_given_up(site: Path) -> None:
    """Whatever it has pipelined, and wherever its socket became full."""
    (site / "7k").write_bytes(bytes(7000))
    settings = {"send_timeout": "1s", "keepalive_timeout": "1s", "header_timeout": "1s"}
    with serve_with(site, listing=True, **settings) as server, ExitStack() as stack:
        waiting = set()
        for count in range(4, 128, 4):
            client = stack.enter_context(Client(server.port, receive_buffer=4096))
            client.send(request("/7k") * count + request("/sizes/"))
            waiting.add(client.address)
        while waiting:
            match = server.out.wait_for("connection ([0-9.:]+) closed: (send|keep-alive) timeout")
            waiting.discard(match[1])


# ---------------------------------------------------------------- drain


def test_listing_in_the_making_is_waited_for_by_a_drain(site: Path) -> None:
    with serve_with(site, listing=True) as server, ExitStack() as stack:
        idle = stack.enter_context(Client(server.port))
        clients = [stack.enter_context(Client(server.port)) for _ in range(3)]
        assert idle.ask("/a.txt").body == b"a"
        for client, order in zip(clients, ("name", "size", "modified"), strict=True):
            client.send(request(f"/many/?sort={order}", JSON) + request("/a.txt"))
        assert idle.ask("/a.txt").body == b"a"
        server.signal(signal.SIGTERM)
        assert idle.rest() == b""
        for client in clients:
            assert len(json.loads(client.response().body)) == MANY
            last = client.response()
            assert (last.body, last["Connection"]) == (b"a", "close")
            assert client.rest() == b""
            client.close()
        assert server.wait() == 0


# ---------------------------------------------------------------- the log


def test_listing_is_logged_with_its_size(site: Path) -> None:
    with serve_with(site, listing=True) as server, Client(server.port) as client:
        for target in ("/sizes/", "/many/"):
            size = len(client.ask(target).body)
            assert int(server.out.wait_for(f'"GET {target} .*" 200 (\\d+) ')[1]) == size
