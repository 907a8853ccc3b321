"""The log: one whole line for each request, whatever happens to clients, disks and files."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.process.events import LogFile, Process, until
from tests.process.launch import (
    daemon,
    foreground,
)
from tests.process.load import connected
from tests.process.log_lines import hammer, marks, requests_in
from tests.support.raw import Client, ask, request
from tests.support.server import DEADLINE

# ---------------------------------------------------------------- lines


def test_log_in_a_file_has_one_whole_line_for_each_request(site: Path) -> None:
    with daemon(site, verbose=True, threads=4) as server:
        sent = hammer(server.port, 8, 200, f"User-Agent: {'agent ' * 60}")
    assert marks(requests_in(server.log.lines())) == sent


def test_log_through_a_pipe_has_one_whole_line_for_each_request(site: Path) -> None:
    with foreground(site, threads=4) as server:
        sent = hammer(server.port, 8, 200, f"User-Agent: {'agent ' * 60}")
    assert marks(requests_in(server.out.seen)) == sent


def test_log_lines_beyond_an_atomic_write_to_a_pipe_are_whole(site: Path) -> None:
    nasty = "\xff" * 3000
    with foreground(site, threads=4) as server:
        fields = [f"User-Agent: {nasty}", f"Referer: {nasty}"]
        with connected(server.port, 8) as clients:
            for number in range(40):
                for client in clients:
                    client.send(request(f"/{'y' * 3000}?{number}", *fields))
                for client in clients:
                    assert client.response().status == 404
    assert len(requests_in(server.out.seen)) == 8 * 40


def test_log_line_has_what_was_sent(site: Path) -> None:
    (site / "data.bin").write_bytes(b"x" * 5000)
    sent = []
    with foreground(site) as server:
        etag = ask(server.port, "/data.bin?first")["ETag"]
        for method, target, field, status, length in [
            ("GET", "/data.bin?a=1", "X: y", 200, 5000),
            ("HEAD", "/data.bin", "X: y", 200, 0),
            ("GET", "/data.bin", "Range: bytes=10-29", 206, 20),
            ("GET", "/data.bin", f"If-None-Match: {etag}", 304, 0),
            ("GET", "/missing", "X: y", 404, None),
            ("POST", "/data.bin", "Content-Length: 0", 405, None),
            ("BREW", "/data.bin", "X: y", 501, None),
        ]:
            with Client(server.port) as client:
                data = request(target, field, "Connection: close", method=method)
                client.send(data)
                got = client.rest()
            body = len(got) - got.index(b"\r\n\r\n") - 4
            assert length is None or body == length
            sent.append((f"{method} {target} HTTP/1.1", str(status), body, len(got)))
    seen = [
        (match[3], match["status"], int(match["body"].replace("-", "0")), int(match["sent"]))
        for match in requests_in(server.out.seen)
        if "first" not in match[3]
    ]
    assert sorted(seen) == sorted(sent)


def test_log_line_has_client_and_time(site: Path) -> None:
    with foreground(site, env={"TZ": "Asia/Kolkata", "LC_ALL": "C"}) as server:
        # The time of day is looked at once a second, and is whole seconds.
        before = datetime.now(UTC) - timedelta(seconds=2)
        with Client(server.port) as client:
            client.ask("/", "Referer: http://example.org/", 'User-Agent: test/1 (of \\ "it")')
        after = datetime.now(UTC)
    (match,) = requests_in(server.out.seen)
    assert match["peer"] == "127.0.0.1"
    assert match[6] == "http://example.org/"
    assert match[7] == r"test/1 (of \x5c \x22it\x22)"
    assert before <= datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z") <= after
    assert float(match["seconds"]) < DEADLINE


def test_log_lines_of_json_are_valid(site: Path) -> None:
    with daemon(site, verbose=True, access_log_format="json") as server:
        assert ask(server.port, "/?a", 'User-Agent: "me"').status == 200
        server.log.wait_for('"request":"GET /')
        [line] = [line for line in server.log.lines() if line.startswith("{")]
        found = json.loads(line)
    assert (found["peer"], found["status"], found["user_agent"]) == ("127.0.0.1", 200, '"me"')


def test_log_names_ipv6_and_mapped_clients_plainly(site: Path) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with foreground(site, host="*") as server:
        for host in ["::1", "127.0.0.1"]:
            with Client(server.port, host=host) as client:
                client.ask("/")
    assert {match["peer"] for match in requests_in(server.out.seen)} == {"::1", "127.0.0.1"}


@pytest.mark.parametrize(
    "data",
    [
        b"GET /%0d%0a127.0.0.1%20-%20- HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x85\xe2\x80\xa8 HTTP/1.1\r\nHost: x\r\n\r\n",
        b'GET /"\\x22\\" HTTP/1.1\r\nHost: x\r\n\r\n',
        b'GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: "\\\x07\x7f\x9b31m\t\xff\r\n\r\n',
        b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a\rforged - - line\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nReferer: a\nforged - - line\r\n\r\n",
        b"GET / HTTP/1.1\nforged - - line\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\r\n\r\n",
        b"\r\n\r\nGET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=range(10),
)
def test_log_lines_cannot_be_forged_by_clients(site: Path, data: bytes) -> None:
    with foreground(site) as server, Client(server.port) as client:
        client.send(data)
        client.finish_sending()
        client.rest()
    assert len(requests_in(server.out.seen)) == 1
    assert not any(line.startswith("forged") for line in server.out.seen)


def test_log_has_no_request_for_a_header_timeout(site: Path) -> None:
    with foreground(site, header_timeout="1s") as server, Client(server.port) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        assert client.response().status == 408
    (match,) = requests_in(server.out.seen)
    assert match["status"] == "408"


def test_log_has_a_reason_for_every_close(site: Path) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(64 << 20)
    with foreground(site, keepalive_timeout="1s") as server:

        def closed(client: Client, reason: str) -> None:
            who = rf"connection 127\.0\.0\.1:{client.socket.getsockname()[1]}"
            server.out.wait_for(rf"debug loop \d\.\d\[\d+\]: {who} closed: {reason}$")

        with Client(server.port) as client:
            client.ask("/")
            client.finish_sending()
            closed(client, "client closed")

        with Client(server.port) as client:
            client.ask("/", "Connection: close")
            client.rest()
            closed(client, "answered")

        with Client(server.port) as client:
            client.send(b"nonsense\r\n\r\n")
            client.rest()
            client.finish_sending()
            closed(client, "bad request")

        with Client(server.port) as client:
            client.ask("/")
            closed(client, "keep-alive timeout")

        with Client(server.port, receive_buffer=4096) as client:
            client.send(request("/large"))
            client.head()
            port = client.socket.getsockname()[1]
        # It was closed with bytes unread: the kernel has sent a reset.
        server.out.wait_for(rf"127\.0\.0\.1:{port} closed: client (reset|closed)$")

        with Client(server.port) as client:
            client.ask("/")
            server.signal(signal.SIGTERM)
            closed(client, "drain")


# ---------------------------------------------------------------- when lines are written


def test_log_lines_are_written_without_more_requests(site: Path) -> None:
    with daemon(site, verbose=True) as server:
        ask(server.port, "/alone")
        server.log.wait_for('"GET /alone HTTP/1.1" 404 ')


@pytest.mark.parametrize("signals", [1, 2])
def test_log_lines_are_there_after_the_end(site: Path, signals: int) -> None:
    with daemon(site, verbose=True) as server:
        sent = hammer(server.port, 2, 50)
        with Process(server.pid) as supervisor:
            for _ in range(signals):
                supervisor.signal(signal.SIGTERM)
            supervisor.wait()
    assert marks(requests_in(server.log.lines())) == sent


def test_log_has_a_line_for_a_download_that_was_cut(site: Path) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(64 << 20)
    with (
        foreground(site, errors="was cut") as server,
        Client(server.port, receive_buffer=4096) as client,
    ):
        client.send(request("/large"))
        client.head()
        server.signal(signal.SIGTERM)
        server.out.wait_for("draining")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    (match,) = requests_in(server.out.seen)
    assert match[3] == "GET /large HTTP/1.1"
    assert int(match["sent"]) < 64 << 20


def test_log_of_a_quiet_daemon_has_no_requests(site: Path) -> None:
    with daemon(site) as server:
        for path in ["/", "/missing"]:
            ask(server.port, path)
    assert server.log.text() == ""


def test_log_is_reopened_on_sigusr1(site: Path) -> None:
    with daemon(site, verbose=True) as server:
        sent = hammer(server.port, 4, 50)
        old = server.log.path.with_suffix(".1")
        server.log.path.rename(old)
        os.kill(server.pid, signal.SIGUSR1)
        # Until then, lines may go to the old file.
        until(server.log_moved, "all loops write to the new file")
        size = old.stat().st_size
        more = hammer(server.port, 4, 50)
    assert old.stat().st_size == size
    assert (
        marks(requests_in(old.read_text().splitlines())) + marks(requests_in(server.log.lines()))
        == sent + more
    )


def test_log_whose_directory_is_gone_stays_open(site: Path) -> None:
    directory = site.with_name("logs")
    directory.mkdir()
    with daemon(site, verbose=True, log_file=str(directory / "phttpd.log")) as server:
        gone = directory.rename(site.with_name("gone"))
        directory.write_text("no directory any more\n")
        os.kill(server.pid, signal.SIGUSR1)
        log = LogFile(gone / "phttpd.log")
        log.wait_for("error supervisor.*phttpd.log")
        ask(server.port, "/after")
        log.wait_for('"GET /after ')
