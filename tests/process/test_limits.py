"""Limits: of descriptors, connections, memory and time. Reaching one is no reason to fall."""

from __future__ import annotations

import random
import re
import select
import signal
import socket
import struct
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from httpd.observe.scoreboard import Column, read_all
from tests.process import proc
from tests.process.events import Process, until
from tests.process.launch import Foreground, foreground
from tests.process.load import connected
from tests.support.raw import Client, ask, request
from tests.support.require import command

MIB = 1 << 20

EMFILE = "(?i)too many open files"
FEW = f"{EMFILE}|max_connections is"


def large(site: Path, name: str = "large", size: int = 64 * MIB) -> None:
    with (site / name).open("wb") as file:
        file.truncate(size)


def readable(clients: list[Client], timeout: float) -> list[Client]:
    ready, _, _ = select.select([client.socket for client in clients], [], [], timeout)
    return [client for client in clients if client.socket in ready]


def prlimit(number: int) -> list[str]:
    return [command("prlimit", "util-linux"), f"--nofile={number}:{number}"]


# ---------------------------------------------------------------- descriptors


def test_connections_beyond_the_descriptors_wait(site: Path) -> None:
    large(site)
    with (
        foreground(site, workers=1, threads=1, prefix=prlimit(64), errors=FEW) as server,
        connected(server.port, 100, receive_buffer=4096) as clients,
    ):
        for client in clients:
            client.send(request("/large"))
        server.err.wait_for(EMFILE)
        until(lambda: len(readable(clients, 0)) > 20 and not more(clients), "all that it can")
        served = readable(clients, 0)
        assert len(served) < 64

        workers = server.workers()
        before = proc.cpu_seconds(workers)
        waiting = [client for client in clients if client not in served]
        assert readable(waiting, 1.0) == []  # a second in which nothing can be done
        assert proc.cpu_seconds(workers) - before < 0.3, "it spins"
        assert len(server.err.seen) < 20, "it talks too much"

        for client in served:
            client.close()
        for client in waiting[:20]:
            assert client.head().status in {200, 503}
        for client in waiting:
            client.close()
        until(lambda: responses(server), "new connections are answered")
        assert server.workers() == workers


def more(clients: list[Client]) -> bool:
    """Tell whether any more of the clients get a response, given a moment."""
    served = readable(clients, 0)
    return bool(readable([client for client in clients if client not in served], 0.3))


def responses(server: Foreground) -> bool:
    """Tell whether the server has a descriptor to spare for one more client."""
    try:
        return ask(server.port, "/").status == 200
    except (OSError, AssertionError):
        return False


def test_limit_of_descriptors_set_while_it_runs_is_survived(site: Path) -> None:
    large(site)
    tool = command("prlimit", "util-linux")
    with foreground(site, workers=1, threads=2, errors=FEW) as server:
        (worker,) = server.workers()
        most = len(proc.descriptors(worker)) + 6
        subprocess.run([tool, f"--pid={worker}", f"--nofile={most}"], check=True)
        with connected(server.port, 40) as clients:
            for client in clients:
                client.send(request("/large", "Range: bytes=0-99"))
            server.err.wait_for(EMFILE)
        until(lambda: responses(server), "new connections are answered")
        assert server.workers() == [worker]


def test_file_without_a_descriptor_is_not_404(site: Path) -> None:
    for number in range(40):
        large(site, f"large{number}")
    with foreground(site, workers=1, threads=1, prefix=prlimit(40), errors=FEW) as server:
        with connected(server.port, 20, receive_buffer=4096) as clients:
            for number, client in enumerate(clients):
                client.send(request(f"/large{number}"))
            until(lambda: readable(clients, 0) and not more(clients), "all that it can")
            statuses = {client.head().status for client in readable(clients, 0)}
        assert statuses <= {200, 503}
        assert 200 in statuses
        until(lambda: responses(server), "new connections are answered")


def test_cached_files_do_not_use_up_the_descriptors(site: Path) -> None:
    for number in range(300):
        large(site, f"large{number}", 2 * MIB)
    with (
        foreground(site, workers=1, threads=1, prefix=prlimit(128), errors=FEW) as server,
        Client(server.port) as client,
    ):
        for number in range(300):
            assert client.ask(f"/large{number}", method="HEAD").status == 200
            assert client.ask(f"/large{number}", "Range: bytes=5-9").body == bytes(5)
        assert ask(server.port, "/").status == 200


def test_supervisor_without_descriptors_goes_on(site: Path) -> None:
    tool = command("prlimit", "util-linux")
    with foreground(site, workers=2, threads=1, errors="worker|reload") as server:
        most = len(proc.descriptors(server.pid))
        subprocess.run([tool, f"--pid={server.pid}", f"--nofile={most}:20000"], check=True)
        server.signal(signal.SIGHUP)
        server.err.wait_for("reload failed")
        for pid in server.workers():
            with Process(pid) as worker:
                worker.signal(signal.SIGKILL)
                worker.wait()
            server.err.wait_for(rf"pid {pid}\)")
        subprocess.run([tool, f"--pid={server.pid}", "--nofile=20000:20000"], check=True)
        until(lambda: len(server.workers()) == 2, "two workers")
        assert ask(server.port, "/").status == 200


# ---------------------------------------------------------------- connections


def test_connections_beyond_the_limit_are_refused(site: Path) -> None:
    large(site)
    with (
        foreground(site, workers=2, threads=2, max_connections=8) as server,
        connected(server.port, 8, receive_buffer=4096) as clients,
    ):
        for client in clients:
            client.send(request("/large"))
            assert client.head().status == 200
        until(lambda: ask(server.port, "/").status == 503, "it is full")
        for _ in range(3):
            with Client(server.port) as client:
                response = client.ask("/")
                assert response.status == 503
                assert re.fullmatch("[0-9]+", response["Retry-After"])
                assert response["Connection"] == "close"
                assert client.rest() == b""
        clients[0].close()
        until(lambda: ask(server.port, "/").status == 200, "room for one more")


def test_idle_connections_make_room_for_new_ones(site: Path) -> None:
    with (
        foreground(site, workers=2, threads=2, max_connections=8) as server,
        connected(server.port, 8) as idle,
    ):
        for client in idle:
            client.ask("/")
        # Whether they are idle is known to all loops after a second.
        until(lambda: ask(server.port, "/").status == 200, "room for one more")
        for _ in range(10):
            until(lambda: ask(server.port, "/").status == 200, "room for one more")


def test_idle_connections_of_other_loops_make_room(site: Path) -> None:
    """With fewer connections than loops, most loops have none of their own to close."""
    with foreground(site, workers=2, threads=4, max_connections=4) as server:
        held = server_sockets(server)
        with connected(server.port, 4) as idle:
            for client in idle:
                client.ask("/")
            (board,) = read_all(server.pid)
            until(lambda: board.total(Column.SPARE) == 4, "all loops know of them")
            with connected(server.port, 3) as newcomers:
                for client in newcomers:
                    assert client.ask("/").status == 200
                until(lambda: server_sockets(server) - held <= 4, "no more than there may be")


def server_sockets(server: Foreground) -> int:
    """Return how many sockets all workers have open, in whatever state."""
    workers = map(proc.descriptors, server.workers())
    return sum(path.startswith("socket:") for found in workers for path in found.values())


def test_refused_connections_are_bounded(site: Path) -> None:
    """Refused clients do not close their connections, and may send more."""
    large(site)
    with foreground(site, workers=1, threads=2, max_connections=8) as server:
        held = server_sockets(server)
        with connected(server.port, 8, receive_buffer=4096) as busy, ExitStack() as refused:
            for client in busy:
                client.send(request("/large"))
                assert client.head().status == 200
            (board,) = read_all(server.pid)
            until(lambda: board.total(Column.ACTIVE) == 8, "all loops know that they are busy")
            for _ in range(200):
                client = refused.enter_context(Client(server.port))
                client.send(request("/"))
                assert client.response().status == 503
            assert server_sockets(server) - held <= 8 + 2
            busy[0].close()
            until(lambda: ask(server.port, "/").status == 200, "room for one more")


def test_connections_that_are_reset_at_once_are_survived(site: Path) -> None:
    with foreground(site) as server:
        for data in [b"", b"G", request("/"), request("/") * 20]:
            for _ in range(100):
                with Client(server.port) as client:
                    client.send(data)
                    no_linger = struct.pack("ii", 1, 0)
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        assert ask(server.port, "/").status == 200
        workers = server.workers()
        until(lambda: all(not proc.clients(pid, server.port) for pid in workers), "all closed")
        held = [proc.descriptors(pid) for pid in workers]
        ask(server.port, "/")
        assert all(len(descriptors) < 40 for descriptors in held), held


# ---------------------------------------------------------------- memory


def ask_many(clients: list[Client], targets: list[str], *lines: str) -> set[int]:
    """Ask for each target, one at a time on each connection, and return the statuses seen."""
    statuses = set()
    for start in range(0, len(targets), len(clients)):
        batch = list(zip(clients, targets[start : start + len(clients)], strict=False))
        for client, target in batch:
            client.send(request(target, *lines))
        for client, _ in batch:
            statuses.add(client.response().status)
    return statuses


def test_memory_does_not_grow_with_20000_urls(site: Path) -> None:
    with (
        foreground(site, cache="2MiB") as server,
        connected(server.port, 32) as clients,
    ):
        tree = [server.pid, *server.workers()]
        filler = f"X-Filler: {'x' * 500}"

        def flood(first: int, last: int) -> set[int]:
            forms = ["/?{}", "/index.html?{}", "/missing{}", "/deep/{}/missing"]
            targets = [forms[n % 4].format(n) for n in range(first, last)]
            return ask_many(clients, targets, filler)

        assert flood(0, 4000) == {200, 404}
        before = proc.pss(tree)
        assert flood(4000, 24000) == {200, 404}
        assert proc.pss(tree) - before < 8 * MIB


def test_memory_does_not_grow_with_many_files(site: Path) -> None:
    chance = random.Random(5)
    for number in range(1200):
        (site / f"file{number}.bin").write_bytes(chance.randbytes(60_000))
    with (
        foreground(site, cache="2MiB", workers=1) as server,
        connected(server.port, 8) as clients,
    ):
        tree = [server.pid, *server.workers()]
        targets = [f"/file{number}.bin" for number in range(1200) for _ in range(2)]
        assert ask_many(clients, targets[:400]) == {200}
        before = proc.pss(tree)
        assert ask_many(clients, targets[400:]) == {200}
        assert proc.pss(tree) - before < 10 * MIB


# ---------------------------------------------------------------- time


def test_header_timeout_closes_a_silent_connection(site: Path) -> None:
    with (
        foreground(site, header_timeout="1s", keepalive_timeout="60s") as server,
        connected(server.port, 3) as (silent, begun, again),
    ):
        begun.send(b"GET / HTTP/1.1\r\nHost: local")
        assert again.ask("/").status == 200
        again.send(b"GET")
        for client in [begun, again]:
            response = client.response()
            assert (response.status, response["Connection"]) == (408, "close")
            assert client.rest() == b""
        assert silent.rest() == b""
        server.out.wait_for("closed: header timeout")
        server.out.wait_for("closed: header timeout")


def test_head_that_trickles_is_timed_out(site: Path) -> None:
    with foreground(site, header_timeout="1s") as server, Client(server.port) as client:
        head = request("/", *(f"X-{number}: {number}" for number in range(90)))
        for sent in range(len(head)):
            client.send(head[sent : sent + 1])
            if readable([client], 0.02):
                break
        else:
            pytest.fail("it was never told that this takes too long")
        assert client.response().status == 408


def test_keepalive_timeout_closes_an_idle_connection(site: Path) -> None:
    with (
        foreground(site, keepalive_timeout="1s", header_timeout="60s") as server,
        connected(server.port, 3) as clients,
    ):
        for client in clients:
            assert client.ask("/").get("Connection") is None
        for client in clients:
            assert client.rest() == b""
        server.out.wait_for("closed: keep-alive timeout")


def test_keepalive_timeout_spares_active_clients(site: Path) -> None:
    with foreground(site, keepalive_timeout="3s") as server, Client(server.port) as client:
        for _ in range(6):  # in all longer than the timeout and the second that it is rounded up to
            assert client.ask("/").status == 200
            assert readable([client], 0.7) == []


def test_reader_that_stalls_is_closed(site: Path) -> None:
    large(site)
    with (
        foreground(site, send_timeout="300ms") as server,
        Client(server.port, receive_buffer=65536) as client,
    ):
        client.send(request("/large"))
        client.head()
        server.out.wait_for("closed: send timeout")
        received = 0
        try:
            while data := client.socket.recv(MIB):
                received += len(data)
        except ConnectionResetError:
            pass
        assert received < 64 * MIB


def test_reader_that_is_slow_is_served(site: Path) -> None:
    large(site)
    with (
        foreground(site, send_timeout="3s") as server,
        Client(server.port, receive_buffer=65536) as client,
        Client(server.port) as never,
    ):
        client.send(request("/large"))
        client.head()
        for _ in range(15):
            assert len(client.body(200_000)) == 200_000
            assert readable([never], 0.3) == []
        assert len(client.body(64 * MIB - 15 * 200_000)) > 0


def test_signals_without_a_meaning_do_not_end_the_server(site: Path) -> None:
    with foreground(site) as server:
        for number in [signal.SIGUSR1, signal.SIGPIPE, signal.SIGWINCH, signal.SIGCHLD]:
            server.signal(number)
        assert ask(server.port, "/").status == 200
