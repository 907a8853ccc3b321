"""Connections: served by a real loop in a thread, over loopback.

Wherever a test waits it waits for an event: bytes, a close, a line of the log.
"""

from __future__ import annotations

import hashlib
import os
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from httpd.network import pace
from httpd.network.connection import PIPELINED
from httpd.network.send_budget import LEAST, MOST, TOTAL
from httpd.network.transfer import TAIL
from httpd.network.transport import Transport
from httpd.observe.scoreboard import Column, Scoreboard
from tests.support.raw import Client, Response, request
from tests.support.server import DEADLINE
from tests.unit.guard import descriptors_left, open_descriptors, opened_since
from tests.unit.network.running import HUGE, SETTINGS, RunningLoop, running_loop
from tests.unit.site.directories import write, write_sparse

SHORT = 0.05
"""Seconds of a timeout that a test wants to see reached."""
CLOSED = r"closed: (.*)$"


def is_closed(client: Client) -> bool:
    """Wait until the server closes, in whatever way."""
    try:
        return client.rest() == b""
    except ConnectionResetError:
        return True


# ---------------------------------------------------------------- requests


@pytest.mark.parametrize("recv", [1, 2, 3, 100, 65536])
def test_any_size_of_recv_gives_the_same_answers(site: Path, recv: int) -> None:
    requests = [
        request("/a.txt"),
        request("/medium.bin", "Range: bytes=1000-1999"),
        b"\r\n" + request("/nothing", "X-Long: " + "x" * 2000),
        request("/", method="HEAD"),
        request("/a.txt", "Connection: close"),
    ]
    with running_loop(site, replace(SETTINGS, recv=recv)) as running, running.connect() as client:
        client.send(b"".join(requests))
        responses = [client.response(data.lstrip().split()[0].decode()) for data in requests]
        assert [response.status for response in responses] == [200, 206, 404, 200, 200]
        assert responses[0].body == b"content of a"
        assert responses[1].body == (bytes(range(256)) * 400)[1000:2000]
        assert responses[4]["Connection"] == "close"
        assert client.rest() == b""
        client.close()
        assert running.log.wait_for(CLOSED)[1] == "answered"


def test_a_head_cut_anywhere(site: Path) -> None:
    data = request("/a.txt")
    with running_loop(site) as running, running.connect() as client:
        for place in range(1, len(data)):
            client.send(data[:place], data[place:])
            assert client.response().body == b"content of a"


def test_a_head_byte_by_byte(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(*[bytes([byte]) for byte in request("/a.txt")])
        assert client.response().body == b"content of a"


@pytest.mark.parametrize("count", [1, PIPELINED - 1, PIPELINED, PIPELINED + 1, 500])
def test_pipelined_requests_are_answered_in_order(site: Path, count: int) -> None:
    for number in range(10):
        write(site / f"{number}.txt", str(number))
    with running_loop(site) as running, running.connect() as client:
        client.send(b"".join(request(f"/{number % 10}.txt") for number in range(count)))
        bodies = [client.response().body for _ in range(count)]
        assert bodies == [str(number % 10).encode() for number in range(count)]
        assert client.ask("/a.txt").status == 200


@pytest.mark.parametrize("target", ["/medium.bin", "/huge.bin"])
def test_many_pipelined_requests_for_a_byte_of_a_large_file(site: Path, target: str) -> None:
    """They come from the file and not from memory, and yet one ends as the next begins."""
    count = 800
    with running_loop(site) as running, running.connect() as client:
        client.send(request(target, "Range: bytes=7-7") * count)
        assert {client.response().status for _ in range(count)} == {206}


def test_a_pipelining_client_does_not_hold_up_others(site: Path) -> None:
    """It gets a bounded number of answers, then it is the other one's turn."""
    running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
    with running.connect() as greedy, running.connect() as modest:
        greedy.send(request("/a.txt") * 600)
        modest.send(request("/index.html"))
        running.start()  # when all of this is there already
        assert modest.response().status == 200
        for _ in range(600):
            assert greedy.response().status == 200
        running.access.wait_for("GET /index.html ")
        assert len(running.access.seen) < 600
    running.close()


def test_after_close_nothing_more_is_answered(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/a.txt", "Connection: close") + request("/index.html"))
        assert client.response().body == b"content of a"
        assert client.rest() == b""


def test_a_client_that_has_said_all_is_answered(site: Path) -> None:
    """Half-closed: it will not send any more, but it reads."""
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/medium.bin") * 5)
        client.finish_sending()
        for _ in range(5):
            assert len(client.response().body) == 102400
        assert client.rest() == b""
        assert running.log.wait_for(CLOSED)[1] == "client closed"


def test_http_1_0(site: Path) -> None:
    with running_loop(site) as running:
        with running.connect() as client:
            assert client.ask("/a.txt", version="HTTP/1.0")["Connection"] == "close"
            assert client.rest() == b""
        with running.connect() as client:
            for _ in range(3):
                response = client.ask("/a.txt", "Connection: keep-alive", version="HTTP/1.0")
                assert response["Connection"] == "keep-alive"


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 6000, 431),
        (request("/", "Expect: more"), 417),
        (request("https://localhost/"), 421),
    ],
    ids=["empty", "no-host", "version", "long-line", "long-head", "expectation", "https"],
)
def test_what_is_no_request_ends_the_connection(site: Path, data: bytes, status: int) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(data + request("/a.txt") * 2)
        response = client.response()
        assert response.status == status
        assert response["Connection"] == "close"
        assert client.rest() == b"", "what follows is never a second request"
        client.close()
        assert running.log.wait_for(CLOSED)[1] == "bad request"


@pytest.mark.parametrize("follow", [b"", request("/second"), b"GET /half"], ids=repr)
@pytest.mark.parametrize("before", [b"", request("/a.txt")], ids=["first", "second"])
def test_the_access_log_names_the_bad_request(site: Path, before: bytes, follow: bytes) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(before + b"BAD /bad\r\n\r\n" + follow)
        if before:
            assert client.response().status == 200
        assert client.response().status == 400
        assert running.access.wait_for('" 400 ').string.split('"')[1] == "BAD /bad"


def test_an_answer_reaches_a_client_that_goes_on_sending(site: Path) -> None:
    """RFC 9112 §9.6: no reset before it is read."""
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/a.txt", "Content-Length: 3000000", method="POST"))
        for _ in range(30):
            client.send(b"x" * 100_000)
        client.finish_sending()
        assert client.response().status == 413
        assert client.rest() == b""
        client.close()
        assert running.log.wait_for(CLOSED)[1] == "body too large"


def test_a_body_is_never_a_request(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        body = request("/a.txt")
        client.send(request("/index.html", f"Content-Length: {len(body)}") + body)
        assert client.response().body == b"index"
        client.finish_sending()
        assert client.rest() == b""


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "size", [65536, 65537, TAIL, 65536 + TAIL, LEAST, MOST // 2, MOST // 2 + 1, 5_000_001]
)
def test_bodies_arrive_as_they_are(site: Path, size: int) -> None:
    content = os.urandom(size)
    write(site / "random.bin", content)
    with running_loop(site) as running, running.connect() as client:
        for _ in range(2):
            assert client.ask("/random.bin").body == content
        for first in (0, 1, size // 2, max(0, size - TAIL - 1), size - 1):
            part = client.ask("/random.bin", f"Range: bytes={first}-")
            assert part.body == content[first:]


def test_all_downloads_move(site: Path) -> None:
    """Twenty clients on one huge file: each one gets the next megabyte, again and again."""
    with ExitStack() as stack:
        running = stack.enter_context(running_loop(site))
        clients = [stack.enter_context(running.connect()) for _ in range(20)]
        for client in clients:
            client.send(request("/huge.bin"))
            assert client.head()["Content-Length"] == str(HUGE)
        for _ in range(3):
            for client in clients:
                assert client.body(1_000_000) == bytes(1_000_000)
        for client in clients:
            client.close()
        for _ in clients:
            assert running.log.wait_for(CLOSED)[1] == "client reset"


HEAD = 1024
"""Bytes that a response head takes at the most here."""


@pytest.mark.alone
def test_the_kernel_holds_less_of_many_downloads_than_of_one(site: Path) -> None:
    """Clients that read nothing: what was sent is what the kernel has taken."""
    count = TOTAL // LEAST * 3 // 2
    settings = replace(SETTINGS, send_timeout=SHORT * 10)
    with ExitStack() as stack:
        running = stack.enter_context(running_loop(site, settings))
        held = []
        for clients in (1, count):
            for _ in range(clients):
                client = stack.enter_context(Client(running.port, receive_buffer=32768))
                client.send(request("/huge.bin"))
            lines = [running.access.wait_for("GET /huge.bin").string for _ in range(clients)]
            held.append([int(line.rsplit(" ", 1)[1]) for line in lines])
        assert held[0][0] > MOST // 2
        # The first ones did not know how many would come.
        assert sorted(held[1])[count // 2] < 2 * LEAST + HEAD
        running.log.wait_for("send timeout")
        assert running.loop.context.send_budget.each == MOST


@pytest.mark.parametrize("way", ["client closed", "client reset", "file changed"])
def test_a_download_that_has_ended_takes_no_share(
    site: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("httpd.files.fingerprint.COMPARE_SECONDS", 0.0)
    with running_loop(site) as running:
        for _ in range(TOTAL // MOST + 1):
            with running.connect() as client:
                if way == "client closed":
                    for _ in range(2):
                        client.ask("/huge.bin", "Range: bytes=0-999999")
                else:
                    client.send(request("/huge.bin"))
                    client.head()
                if way == "file changed":
                    change(site / "huge.bin")
                    while client.socket.recv(1 << 20):
                        pass
            assert running.log.wait_for(CLOSED)[1] == way
        assert running.loop.context.send_budget.each == MOST


def test_a_client_that_reads_nothing_costs_the_others_nothing(site: Path) -> None:
    with running_loop(site) as running, running.connect() as lazy, running.connect() as client:
        lazy.send(request("/huge.bin"))
        for _ in range(20):
            assert client.ask("/a.txt").status == 200


# ---------------------------------------------------------------- files that change


def shrink(path: Path) -> None:
    os.truncate(path, 1000)


def change(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(8))


@pytest.mark.parametrize("alter", [shrink, change], ids=lambda f: f.__name__)
def test_a_download_of_a_changed_file_ends_short(site: Path, alter: Callable[[Path], None]) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        client.head()
        client.body(100_000)
        alter(site / "huge.bin")
        received = 100_000
        while data := client.socket.recv(1 << 20):
            received += len(data)
        assert received < HUGE
        warning = running.log.wait_for(" warning loop 0.0").string
        assert "huge.bin changed during a download by 127.0.0.1:" in warning
        assert running.log.wait_for(CLOSED)[1] == "file changed"


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def swap(path: Path) -> None:
    write_sparse(path.with_name("new"), HUGE).rename(path)


@pytest.mark.parametrize("alter", [grow, swap, Path.touch, Path.unlink], ids=lambda f: f.__name__)
def test_a_download_goes_on_if_its_bytes_stay(site: Path, alter: Callable[[Path], None]) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        client.head()
        alter(site / "huge.bin")
        for _ in range(8):
            assert client.body(MOST) == bytes(MOST)


def test_a_file_that_changes_while_the_kernel_holds_all_of_it(site: Path) -> None:
    """What it has not sent yet are the pages of the file itself: the last look comes after that."""
    size = LEAST
    path = write(site / "held.bin", b"o" * size)
    with running_loop(site) as running, running.connect() as other:
        with Client(running.port, receive_buffer=32768) as client:
            client.send(request("/held.bin"))
            client.head()
            assert other.ask("/a.txt").status == 200  # the other's turn is over
            with path.open("r+b") as file:
                file.write(b"n" * size)
            assert len(client.rest()) < size
        assert running.log.wait_for(CLOSED)[1] == "file changed"


def test_the_last_look_waits_for_an_event(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    count_unsent = Transport.count_unsent

    def count(transport: Transport) -> int:
        looks.append(transport.fd)
        return count_unsent(transport)

    monkeypatch.setattr(Transport, "count_unsent", count)
    write(site / "held.bin", bytes(LEAST))
    with (
        running_loop(site) as running,
        running.connect() as other,
        Client(running.port, receive_buffer=32768) as client,
    ):
        client.send(request("/held.bin"))
        client.head()
        for _ in range(50):  # turns in which nothing happens to the download
            assert other.ask("/a.txt").status == 200
        assert 1 <= len(looks) < 10
        assert client.body(LEAST) == bytes(LEAST)


@pytest.mark.parametrize(
    "spec", ["1-5,7-", f"{HUGE - 1}-,0-{HUGE - 3}", "0-8000000000,9000000000-"]
)
def test_several_ranges_of_a_changed_file_end_short(site: Path, spec: str) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin", f"Range: bytes={spec}"))
        length = int(client.head()["Content-Length"])
        received = len(client.body(100_000))
        change(site / "huge.bin")
        while data := client.socket.recv(1 << 20):
            received += len(data)
        assert received < length
        assert running.log.wait_for(CLOSED)[1] == "file changed"


def test_a_deleted_file_is_finished(site: Path) -> None:
    content = os.urandom(20_000_000)
    write(site / "gone.bin", content)
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/gone.bin"))
        client.head()
        (site / "gone.bin").unlink()
        digest = hashlib.sha256(client.body(len(content))).digest()
        assert digest == hashlib.sha256(content).digest()
        assert client.ask("/gone.bin").status == 404


# ---------------------------------------------------------------- timeouts


def test_a_connection_without_a_request(site: Path) -> None:
    """Is closed without a word: there is nothing to answer."""
    settings = replace(SETTINGS, header_timeout=SHORT)
    with running_loop(site, settings) as running, running.connect() as client:
        assert client.rest() == b""
        assert running.log.wait_for(CLOSED)[1] == "header timeout"


def test_a_connection_without_a_second_request(site: Path) -> None:
    settings = replace(SETTINGS, keepalive_timeout=SHORT)
    with running_loop(site, settings) as running, running.connect() as client:
        assert client.ask("/a.txt").status == 200
        assert client.rest() == b""
        assert running.log.wait_for(CLOSED)[1] == "keep-alive timeout"


@pytest.mark.parametrize("before", [b"", request("/a.txt")], ids=["first", "second"])
def test_a_head_that_does_not_end(site: Path, before: bytes) -> None:
    settings = replace(SETTINGS, header_timeout=SHORT * 10)
    with running_loop(site, settings) as running, running.connect() as client:
        client.send(before + b"GET /slow HTTP/1.1\r\nHost:")
        if before:
            assert client.response().status == 200
        response = client.response()
        assert response.status == 408
        assert response["Connection"] == "close"
        assert client.rest() == b""
        assert running.access.wait_for(" 408 ").string.split('"')[1] == "GET /slow HTTP/1.1"
        client.close()
        assert running.log.wait_for(CLOSED)[1] == "header timeout"


def test_progress_does_not_extend_the_time_for_a_head(site: Path) -> None:
    """A total deadline, as slow-header attacks send a little now and then."""
    settings = replace(SETTINGS, header_timeout=SHORT * 4)
    with running_loop(site, settings) as running, running.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n")
        client.socket.settimeout(SHORT / 2)
        while True:
            try:
                seen = client.socket.recv(100)
                break
            except TimeoutError:
                client.send(b"X: y\r\n")
        assert seen.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_takes_nothing(site: Path) -> None:
    settings = replace(SETTINGS, send_timeout=SHORT * 4)
    with running_loop(site, settings) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        assert running.log.wait_for(CLOSED)[1] == "send timeout"
        line = running.access.wait_for("GET /huge.bin").string
        sent = int(line.rsplit(" ", 1)[1])
        assert 0 < sent < HUGE
        assert len(client.rest()) <= sent


def test_a_client_that_takes_little_of_what_the_kernel_holds(site: Path) -> None:
    """It takes something all the time, though not so much that there is room for more."""
    settings = replace(SETTINGS, send_timeout=SHORT * 3)
    taken = 65536
    with (
        running_loop(site, settings) as running,
        running.connect() as other,
        Client(running.port, receive_buffer=32768) as client,
    ):
        client.send(request("/huge.bin"))
        client.head()
        for _ in range(10):
            client.body(taken)
            due = running.loop.context.now + SHORT
            while running.loop.context.now < due:
                other.ask("/a.txt")
        client.body(2 * MOST)
        assert running.log.wait_for(CLOSED)[1] == "send timeout"


# ---------------------------------------------------------------- clients that go


def test_a_client_that_closes(site: Path) -> None:
    with running_loop(site) as running:
        running.connect().close()
        assert running.log.wait_for(CLOSED)[1] == "client closed"
        with running.connect() as client:
            client.send(b"GET / HT")
        assert running.log.wait_for(CLOSED)[1] == "client closed"


def test_a_client_that_resets(site: Path) -> None:
    with running_loop(site) as running:
        client = running.connect()
        assert client.ask("/a.txt").status == 200
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert running.log.wait_for(CLOSED)[1] == "client reset"


def test_a_client_that_resets_while_the_kernel_holds_all_of_its_file(site: Path) -> None:
    write(site / "held.bin", bytes(LEAST))
    with running_loop(site) as running, running.connect() as other:
        with Client(running.port, receive_buffer=32768) as client:
            client.send(request("/held.bin"))
            client.head()
            assert other.ask("/a.txt").status == 200  # the other's turn is over
        assert running.log.wait_for(CLOSED)[1] == "client reset"


def test_nothing_is_left_of_connections(site: Path) -> None:
    with running_loop(site) as running:
        with running.connect() as client:
            client.ask("/a.txt")
        running.log.wait_for(CLOSED)
        before = open_descriptors()
        for number in range(100):
            with running.connect() as client:
                client.ask(f"/{'a.txt' if number % 2 else 'nothing'}")
            running.log.wait_for(CLOSED)
        # The docroot is kept open until the next tick.
        assert set(opened_since(before)) <= {str(site)}
        assert list(running.board.column(Column.CONNECTIONS)) == [0]


# ---------------------------------------------------------------- draining and stopping


def test_a_drain_closes_what_is_idle_at_once(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        assert client.ask("/a.txt").status == 200
        released = running.drain()
        assert client.rest() == b""
        assert running.log.wait_for(CLOSED)[1] == "drain"
        assert released.wait(DEADLINE)
        running.join()


def test_a_drain_finishes_a_head_in_hand(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(b"GET /a.txt HTTP/1.1\r\nHo")
        wait_for_connections(running, 1)
        assert running.drain().wait(DEADLINE)
        client.send(b"st: a\r\n\r\n")
        response = client.response()
        assert response.body == b"content of a"
        assert response["Connection"] == "close"
        assert client.rest() == b""
        client.close()
        running.join()


def wait_for_connections(running: RunningLoop, count: int) -> None:
    """Let the loop answer a client of ours, until it holds so many others."""
    while True:
        with running.connect() as client:
            client.ask("/a.txt")
            if running.board.column(Column.CONNECTIONS)[0] >= count + 1:
                break
    running.log.wait_for("client closed")


def test_a_drain_finishes_a_download_and_then_ends(site: Path) -> None:
    """Also when its head has promised to keep the connection: nobody waits for a timeout."""
    content = os.urandom(30_000_000)
    write(site / "large.bin", content)
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/large.bin"))
        assert client.head().get("Connection") is None
        assert running.drain().wait(DEADLINE)
        assert client.body(len(content)) == content
        assert client.rest() == b""
        client.close()
        running.join()


def test_a_drain_answers_all_that_was_sent(site: Path) -> None:
    """Pipelined requests were received before the drain began: they are requests in hand."""
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin", "Range: bytes=0-20000000") + request("/a.txt"))
        client.head()
        assert running.drain().wait(DEADLINE)
        client.body(20_000_001)
        response = client.response()
        assert response.body == b"content of a"
        assert response["Connection"] == "close"
        assert client.rest() == b""
        client.close()
        running.join()


def test_a_drain_serves_the_backlog(site: Path) -> None:
    """What the kernel has accepted before the loop could."""
    with ExitStack() as stack:
        running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
        clients = [stack.enter_context(running.connect()) for _ in range(200)]
        for client in clients:
            client.send(request("/a.txt"))
        released = running.drain()
        running.start()
        for client in clients:
            assert client.response().body == b"content of a"
            assert client.rest() == b""
            client.close()
        assert released.wait(DEADLINE)
        running.join()
        running.close()


def test_a_drain_waits_a_moment_for_a_first_request(site: Path) -> None:
    with ExitStack() as stack:
        running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
        silent = stack.enter_context(running.connect())
        late = stack.enter_context(running.connect())
        running.drain()
        running.start()
        late.send(request("/a.txt"))
        assert late.response().status == 200
        assert silent.rest() == b""
        late.close()
        running.join()
        running.close()


def test_a_drain_has_an_end(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        client.head()
        running.drain(SHORT)
        assert running.log.wait_for(CLOSED)[1] == "drain timeout"
        running.join()
        client.rest()


def test_drain_cuts_a_download_that_is_too_slow(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "WINDOW", SHORT)
    monkeypatch.setattr(pace, "LEAST_RATE", 1 << 40)
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        client.head()
        running.drain()
        running.log.wait_for("was cut")
        assert running.log.wait_for(CLOSED)[1] == "too slow for a drain"
        running.join()
        client.rest()


def test_drain_spares_a_download_that_moves(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "WINDOW", SHORT)
    monkeypatch.setattr(pace, "LEAST_RATE", 0)
    content = os.urandom(4 * MOST)
    write(site / "random.bin", content)
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/random.bin"))
        client.head()
        running.drain()
        assert client.body(len(content)) == content
        client.close()
        running.join()


def test_a_stop_closes_everything(site: Path) -> None:
    with running_loop(site) as running, running.connect() as idle, running.connect() as busy:
        idle.ask("/a.txt")
        busy.send(request("/huge.bin"))
        busy.head()
        running.loop.stop()
        reasons = {running.log.wait_for(CLOSED)[1] for _ in range(2)}
        assert reasons == {"stop"}
        running.join()
        assert is_closed(idle)


def test_a_stop_in_the_middle_of_a_drain(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        client.head()
        assert running.drain().wait(DEADLINE)
        running.loop.stop()
        running.join()


def test_a_drain_after_a_stop_still_lets_go_of_the_listeners(site: Path) -> None:
    with running_loop(site) as running:
        running.loop.stop()
        running.join()


# ---------------------------------------------------------------- limits


def test_too_many_connections_close_an_idle_one(site: Path) -> None:
    settings = replace(SETTINGS, max_connections=3)
    with ExitStack() as stack:
        running = stack.enter_context(running_loop(site, settings))
        idle = [stack.enter_context(running.connect()) for _ in range(3)]
        for client in idle:
            assert client.ask("/a.txt").status == 200
        newcomer = stack.enter_context(running.connect())
        assert newcomer.ask("/a.txt").status == 200
        assert running.log.wait_for(CLOSED)[1] == "too many connections"
        assert is_closed(idle[0])


def test_too_many_busy_connections_are_refused(site: Path) -> None:
    settings = replace(SETTINGS, max_connections=2)
    with ExitStack() as stack:
        running = stack.enter_context(running_loop(site, settings))
        for _ in range(2):
            busy = stack.enter_context(running.connect())
            busy.send(request("/huge.bin"))
            busy.head()
        newcomer = stack.enter_context(running.connect())
        newcomer.send(request("/a.txt"))
        response = newcomer.response()
        assert response.status == 503
        assert "Retry-After" in response
        assert newcomer.rest() == b""
        newcomer.close()
        assert running.log.wait_for(CLOSED)[1] == "too many connections"


def test_no_descriptor_for_a_connection(site: Path) -> None:
    """It waits in the backlog until there is one, and others are served meanwhile."""
    write(site / "old.txt", "old", age=3600)
    with running_loop(site) as running, running.connect() as first, socket.socket() as late:
        for _ in range(2):
            assert first.ask("/old.txt").body == b"old"
        first.send(b"GET /old.txt HTTP/1.1\r\n")
        while not running.board.column(Column.ACTIVE)[0]:
            pass  # it must be busy, or it would be given up to make room
        late.settimeout(DEADLINE)
        with descriptors_left(0):
            late.connect(("127.0.0.1", running.port))
            late.sendall(request("/old.txt", "Connection: close"))
            running.log.wait_for("cannot accept connections: Too many open files")
        first.send(b"Host: a\r\n\r\n")
        assert first.response().body == b"old"
        data = b""
        while piece := late.recv(65536):
            data += piece
        assert data.startswith(b"HTTP/1.1 200 OK\r\n")
        running.expects_errors = True


def test_no_descriptor_for_a_file(site: Path) -> None:
    """The answer is 503 and not 404, and the connection ends."""
    with running_loop(site) as running, running.connect() as client:
        for _ in range(2):  # the second one is answered when all accepting is done
            assert client.ask("/nothing").status == 404
        with descriptors_left(0):
            response = client.ask("/a.txt")
        assert response.status == 503
        assert "Retry-After" in response
        assert client.rest() == b""
        with running.connect() as another:
            assert another.ask("/a.txt").status == 200
        running.expects_errors = True


def test_no_descriptor_for_a_listing(site: Path) -> None:
    """The connection ends, and those that are idle are given up to make room."""
    write(site / "folder" / "b.txt")
    with running_loop(site) as running, running.connect() as client, running.connect() as idle:
        for _ in range(2):
            assert client.ask("/nothing").status == 404
            assert idle.ask("/nothing").status == 404
        with descriptors_left(2):
            response = client.ask("/folder/")
            assert (response.status, response["Connection"]) == (503, "close")
            assert "Retry-After" in response
            assert client.rest() == b""
            assert idle.rest() == b""
        with running.connect() as another:
            assert another.ask("/folder/").status == 200
        running.log.wait_for("cannot list a directory: Too many open files")
        running.expects_errors = True


def test_no_descriptor_for_a_link_in_a_listing(site: Path) -> None:
    """What cannot be looked at is not left out as if it were not there."""
    write(site / "folder" / "b.txt")
    (site / "folder" / "link").symlink_to("b.txt")
    statuses = []
    for left in range(12):
        with running_loop(site) as running, running.connect() as client:
            for _ in range(2):
                assert client.ask("/nothing").status == 404
            with descriptors_left(left):
                response = client.ask("/folder/", "Accept: application/json")
            statuses.append(response.status)
            if response.status == 200:
                assert b'"link"' in response.body
            running.expects_errors = response.status != 200
    assert set(statuses) == {200, 503}


def test_no_descriptor_for_a_precompressed_form(site: Path) -> None:
    """The form is not taken for missing."""
    write_sparse(site / "large.txt", 200_000)
    write(site / "large.txt.gz", "gzip")
    statuses = []
    for left in range(8):
        with running_loop(site) as running, running.connect() as client:
            for _ in range(2):
                assert client.ask("/nothing").status == 404
            with descriptors_left(left):
                response = client.ask("/large.txt", "Accept-Encoding: gzip", method="HEAD")
            statuses.append(response.status)
            if response.status == 200:
                assert response["Content-Encoding"] == "gzip"
            running.expects_errors = response.status != 200
    assert set(statuses) == {200, 503}


# ---------------------------------------------------------------- what is seen


def test_access_lines_count_what_was_sent(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        for target, line in (("/a.txt", []), ("/medium.bin", []), ("/a.txt", ["Range: bytes=0-1"])):
            client.send(request(target, *line))
            response = client.response()
            seen = running.access.wait_for(f'"GET {target} ').string
            status, body = seen.split('"')[2].split()
            head = seen.rsplit(" ", 1)[1]
            assert int(status) == response.status
            assert int(body) == len(response.body)
            assert int(head) == len(response.body) + length_of_head(response)


def length_of_head(response: Response) -> int:
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in response.fields]
    return sum(len(line) + 2 for line in lines) + 2


def test_the_scoreboard_shows_what_goes_on(site: Path) -> None:
    with running_loop(site) as running, running.connect() as idle, running.connect() as busy:
        idle.ask("/a.txt")
        busy.send(request("/huge.bin"))
        busy.head()
        seen = dict.fromkeys(Column, 0)
        # A row is written number by number, and read likewise.
        while (
            (seen[Column.CONNECTIONS], seen[Column.ACTIVE]) != (2, 1)
            or seen[Column.SENT] < 100_000
            or not seen[Column.REMAINING]
        ):
            seen = {column: running.board.column(column)[0] for column in Column}
        assert seen[Column.REQUESTS] >= 1
        assert seen[Column.REMAINING] <= HUGE
        assert seen[Column.TICKS] > 0


def test_a_worker_that_takes_over_goes_on_counting(site: Path) -> None:
    board = Scoreboard.create(1, 1, 1)
    for expected in 1, 2:
        running = RunningLoop(site, SETTINGS, board)
        running.start()
        with running.connect() as client:
            client.ask("/a.txt", "Connection: close")
        running.close()
        assert board.column(Column.REQUESTS)[0] == expected
