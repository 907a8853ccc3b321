"""Stopping: requests are finished, idle connections closed; a second signal ends all."""

from __future__ import annotations

import hashlib
import os
import pty
import random
import re
import signal
import socket
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.process import proc
from tests.process.events import LogFile, Process, until
from tests.process.launch import (
    PHTTPD,
    ROOT,
    Foreground,
    environment,
    foreground,
    free_port,
    refused,
    write_config,
)
from tests.process.load import connected
from tests.support.raw import Client, request
from tests.support.require import command
from tests.support.server import DEADLINE

SOON = 10.0
"""Seconds; less than every timeout of the server by default."""

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
EACH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])

MIB = 1 << 20


@pytest.fixture
def large(site: Path) -> bytes:
    """The bytes of /large, which is more than the kernel holds for a client that reads nothing."""
    data = random.Random(1).randbytes(16 * MIB)
    (site / "large").write_bytes(data)
    return data


def begin(server: Foreground, target: str = "/large") -> Client:
    """Return a client that has got the head of a download, and reads no more for now."""
    client = Client(server.port, receive_buffer=65536)
    client.send(request(target))
    assert client.head().status == 200
    return client


def accepted(server: Foreground, client: Client) -> bool:
    """Tell whether a worker holds the connection; before, only the kernel does."""
    port = client.socket.getsockname()[1]
    return any(port in proc.clients(pid, server.port) for pid in server.workers())


def freeze(server: Foreground) -> list[int]:
    """Stop all workers (SIGSTOP), so that new connections wait in the kernel."""
    workers = server.workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: all(proc.stopped(pid) for pid in workers), "the workers are stopped")
    return workers


@BOTH
def test_stop_of_an_idle_server_is_immediate(site: Path, number: signal.Signals) -> None:
    with foreground(site) as server:
        server.signal(number)
        assert server.wait() == 0
        assert [line.rpartition(": ")[2] for line in server.out.seen[-2:]] == [
            "draining",
            "stopped",
        ]
        assert server.err.seen == []
        assert refused(server.port)


@BOTH
def test_stop_closes_idle_connections_at_once(site: Path, number: signal.Signals) -> None:
    with foreground(site) as server, connected(server.port, 50) as clients:
        for client in clients:
            assert client.ask("/")["Content-Length"] == "9"
        server.signal(number)
        for client in clients:
            client.socket.settimeout(SOON)
            assert client.rest() == b""
        assert server.process.wait(SOON) == 0
        server.wait()
        assert sum(line.endswith("closed: drain") for line in server.out.seen) == 50


def test_stop_does_not_wait_for_silent_clients(site: Path) -> None:
    with foreground(site) as server, connected(server.port, 20):
        server.signal(signal.SIGTERM)
        assert server.process.wait(SOON) == 0


@pytest.mark.slow
def test_stop_during_a_download_of_gigabytes_finishes_it(site: Path) -> None:
    size = (2 << 30) + 123_457  # more than one sendfile() can take, and not a round number
    chance = random.Random(2)
    with (site / "huge").open("wb") as file:
        file.truncate(size)
        for _ in range(200):
            file.seek(chance.randrange(size - 1000))
            file.write(chance.randbytes(1000))
    got = hashlib.sha256()
    with (
        ThreadPoolExecutor() as pool,
        foreground(site) as server,
        Client(server.port) as client,
    ):
        expected = pool.submit(sha256, site / "huge")
        client.send(request("/huge"))
        assert client.head()["Content-Length"] == str(size)
        left = size
        for mib in range(size // MIB + 1):
            piece = client.body(min(left, MIB))
            got.update(piece)
            left -= len(piece)
            if mib == 10:
                server.signal(signal.SIGTERM)
                server.out.wait_for("draining")
                until(lambda: refused(server.port), "nobody listens any more")
                assert server.process.poll() is None
        assert client.rest() == b""
        assert server.process.wait(SOON) == 0
        assert got.digest() == expected.result()


def sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@pytest.mark.parametrize("keep_alive", [False, True], ids=["first request", "second request"])
def test_stop_serves_a_request_whose_head_is_half_received(site: Path, keep_alive: bool) -> None:
    with foreground(site) as server, Client(server.port) as client:
        if keep_alive:
            client.ask("/")
        client.send(b"GET /index.html HTTP/1.1\r\nHo")
        if not keep_alive:  # so that the connection is one that the server has accepted
            until(lambda: accepted(server, client), "accepted")
        server.signal(signal.SIGTERM)
        server.out.wait_for("draining")
        until(lambda: refused(server.port), "nobody listens any more")
        client.send(b"st: localhost\r\n\r\n")
        response = client.response()
        assert (response.status, response.body) == (200, b"<p>hello\n")
        assert response["Connection"] == "close"
        assert client.rest() == b""
        client.close()  # otherwise the server lingers, since a reset could destroy the response
        assert server.process.wait(SOON) == 0


def test_stop_serves_requests_that_arrived_just_before(site: Path) -> None:
    with foreground(site) as server, connected(server.port, 40) as clients:
        for client in clients:
            client.ask("/")
        frozen = freeze(server)
        for client in clients:  # to the server still idle, to the client in hand
            client.send(request("/index.html"))
        server.signal(signal.SIGTERM)
        server.out.wait_for("draining")
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        for client in clients:
            assert client.response().status == 200  # whether or not the loop knew of the drain yet
            assert client.rest() == b""


@BOTH
def test_stop_serves_200_connections_in_the_backlog(site: Path, number: signal.Signals) -> None:
    with foreground(site) as server:
        frozen = freeze(server)
        with connected(server.port, 200) as clients:
            for client in clients:
                client.send(request("/"))
            server.signal(number)
            server.out.wait_for("draining")
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
            for client in clients:
                response = client.response()
                assert (response.status, response.body) == (200, b"<p>hello\n")
                assert client.rest() == b""
        assert server.process.wait(SOON) == 0


@pytest.mark.parametrize("turn", range(2))
def test_stop_resets_no_connection_that_was_accepted(site: Path, turn: int) -> None:
    ends: Counter[str] = Counter()

    def connect_until_refused(port: int) -> None:
        while True:
            with socket.socket() as client:
                client.settimeout(DEADLINE)
                if client.connect_ex(("127.0.0.1", port)) != 0:
                    return
                try:
                    client.sendall(request("/", "Connection: close"))
                    ends[client.recv(65536)[:12].decode()] += 1
                except OSError as error:
                    ends[repr(error)] += 1

    with foreground(site) as server, ThreadPoolExecutor(8) as pool:
        crowd = [pool.submit(connect_until_refused, server.port) for _ in range(8)]
        until(lambda: ends["HTTP/1.1 200"] > 200, "a crowd")
        server.signal(signal.SIGTERM)
        for one in crowd:
            one.result(DEADLINE)
    assert set(ends) == {"HTTP/1.1 200"}


def test_stop_serves_pipelined_requests_in_order(site: Path, large: bytes) -> None:
    (site / "next.txt").write_text("next\n")
    with foreground(site) as server, begin(server) as client:
        client.send(request("/next.txt") + request("/next.txt") + request("/next.txt"))
        server.signal(signal.SIGTERM)
        server.out.wait_for("draining")
        assert client.body(len(large)) == large
        # The head of the download did not announce the end; that of the last response does.
        response = client.response()
        assert response.body == b"next\n"
        while "Connection" not in response:
            response = client.response()
            assert response.body == b"next\n"
        assert response["Connection"] == "close"
        assert client.rest() == b""


def test_responses_during_a_drain_say_close(site: Path, large: bytes) -> None:
    with foreground(site) as server, begin(server) as client:
        server.signal(signal.SIGTERM)
        server.out.wait_for("draining")
        client.send(request("/"))
        assert client.body(len(large)) == large
        response = client.response()
        assert (response.status, response["Connection"]) == (200, "close")
        assert client.rest() == b""


@EACH
def test_second_signal_ends_the_drain_at_once(
    site: Path, large: bytes, number: signal.Signals
) -> None:
    with foreground(site, pidfile="two.pid", errors=CUT) as server, begin(server) as client:
        server.signal(number)
        server.out.wait_for("draining")
        assert server.process.poll() is None
        server.signal(number)
        assert server.process.wait(SOON) == 0
        with suppress(ConnectionResetError):
            assert len(client.rest()) < len(large)
    assert not (site.parent / "two.pid").exists()


@BOTH
def test_stop_by_a_burst_of_signals_ends_at_once(site: Path, number: signal.Signals) -> None:
    with foreground(site) as server:
        for _ in range(30):
            server.signal(number)
        assert server.process.wait(SOON) == 0
        server.wait()
        assert server.err.seen == []


@EACH
def test_stop_during_the_start_ends_the_server(
    site: Path, number: signal.Signals, tmp_path: Path
) -> None:
    config = write_config(
        tmp_path / "a.yaml", docroot=str(site), host="127.0.0.1", port=0, pidfile="early.pid"
    )
    for _ in range(3):
        server = Foreground("-c", config, "--verbose")
        try:
            server.out.wait_for("Using Python")
            server.signal_group(number)
            assert server.process.wait(SOON) == 0
            server.wait()
            assert server.err.seen == []
            assert not (tmp_path / "early.pid").exists()
        finally:
            server.kill()


@EACH
def test_signal_to_the_whole_group_drains_once(
    site: Path, large: bytes, number: signal.Signals
) -> None:
    with foreground(site) as server, begin(server) as client:
        server.signal_group(number)
        server.out.wait_for("draining")
        assert client.body(len(large)) == large
        assert client.rest() == b""
        assert server.process.wait(SOON) == 0
        server.wait()
        assert sum("draining" in line for line in server.out.seen) == 1
        assert not any("starting another" in line for line in server.out.seen)


def test_ctrl_c_in_a_terminal_drains(site: Path, large: bytes, tmp_path: Path) -> None:
    port = free_port()
    log = LogFile(tmp_path / "terminal.log")
    config = write_config(
        tmp_path / "a.yaml", docroot=str(site), host="127.0.0.1", port=port, pidfile="a.pid"
    )
    terminal, inside = pty.openpty()
    on_terminal = [command("setsid", "util-linux"), "--ctty"]
    with log.path.open("wb") as stream:
        process = subprocess.Popen(
            [*on_terminal, *PHTTPD, "--foreground", "--verbose", "-c", str(config)],
            stdin=inside,
            stdout=stream,
            stderr=stream,
            cwd=ROOT,
            env=environment(),
        )
    try:
        os.close(inside)
        log.wait_for("serving")
        with Client(port, receive_buffer=65536) as client:
            client.send(request("/large"))
            client.head()
            os.write(terminal, b"\x03")
            log.wait_for("draining")
            assert client.body(len(large)) == large
        assert process.wait(SOON) == 0
        assert len(re.findall("draining", log.text())) == 1
        assert not re.search("Traceback|error|starting another", log.text())
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


CUT = r"warning .*: the response with .* was cut, \d+ bytes were left to send: "


def test_drain_timeout_ends_a_download_that_is_stuck(site: Path, large: bytes) -> None:
    with (
        foreground(site, drain_timeout="300ms", pidfile="stuck.pid", errors=CUT) as server,
        begin(server) as client,
    ):
        port = client.socket.getsockname()[1]
        with Process(server.pid) as supervisor:
            server.signal(signal.SIGTERM)
            supervisor.wait(SOON)
        assert server.wait() == 0
        assert any(line.endswith("closed: drain timeout") for line in server.out.seen)
        (said,) = server.err.seen
        told = re.search(
            rf"with {re.escape(str(site))}/large to 127\.0\.0\.1:{port} was cut, "
            r"(\d+) bytes were left to send: drain timeout$",
            said,
        )
        assert told
        assert 0 < int(told[1]) < len(large)
    assert not (site.parent / "stuck.pid").exists()


def test_drain_without_a_timeout_closes_a_client_that_takes_nothing(
    site: Path, large: bytes
) -> None:
    with foreground(site, send_timeout="1s", errors=CUT) as server, begin(server):
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        (said,) = server.err.seen
        assert said.endswith(": send timeout")


def test_drain_of_a_reload_takes_no_longer_than_the_drain_of_the_server_may(
    site: Path, large: bytes
) -> None:
    """Workers that have drained since a reload have no limit until the whole server ends."""
    with foreground(site, errors=CUT) as server, begin(server):
        config = site.with_name(f"{site.name}.yaml")
        config.write_text(config.read_text() + 'drain_timeout: "300ms"\n')
        server.signal(signal.SIGHUP)
        server.out.wait_for("reloaded")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        (said,) = server.err.seen
        assert said.endswith(": drain timeout")


def test_drain_timeout_spares_downloads_that_are_faster(site: Path, large: bytes) -> None:
    with (
        foreground(site, drain_timeout="4s", errors=CUT) as server,
        begin(server) as stuck,
        begin(server) as fast,
    ):
        server.signal(signal.SIGTERM)
        server.out.wait_for("draining")
        assert fast.body(len(large)) == large
        assert fast.rest() == b""
        assert server.process.wait(DEADLINE) == 0
        stuck.close()


def test_drain_waits_for_half_a_head_until_the_header_timeout(site: Path) -> None:
    with (
        foreground(site, header_timeout="1s") as server,
        Client(server.port) as client,
    ):
        client.ask("/")
        client.send(b"GET / HT")
        server.signal(signal.SIGTERM)
        assert client.response().status == 408
        assert client.rest() == b""
        client.close()
        assert server.process.wait(SOON) == 0


@pytest.mark.parametrize("signals", [1, 2], ids=["drain_timeout", "second signal"])
def test_worker_that_is_stuck_in_a_drain_is_killed(site: Path, signals: int) -> None:
    with foreground(site, drain_timeout="300ms" if signals == 1 else "5min") as server:
        frozen = server.workers()[0]
        with Process(frozen) as worker:
            worker.signal(signal.SIGSTOP)
            until(lambda: proc.stopped(frozen), "stopped")
            for _ in range(signals):
                server.signal(signal.SIGTERM)
                until(lambda: server.workers() == [frozen], "the other one has ended")
            assert server.process.wait(DEADLINE) == 0
            worker.wait(SOON)


def test_stop_with_a_console_without_a_reader_ends(site: Path) -> None:
    port = free_port()
    config = write_config(
        site.with_name("a.yaml"), docroot=str(site), host="127.0.0.1", pidfile="a.pid"
    )
    process = subprocess.Popen(
        [*PHTTPD, "--foreground", "--verbose", "-c", str(config), "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    assert process.stdout
    assert process.stderr
    try:
        while "serving" not in process.stdout.readline():
            assert process.poll() is None
        process.stdout.close()
        for _ in range(3):
            with Client(port) as client:
                assert client.ask("/").status == 200
                assert client.ask("/missing").status == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
